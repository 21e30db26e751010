package main

import (
	"strings"

	"permanence/bot/chat"
)

// personLang is the language of whoever runs a command, by the first of
// LC_ALL, LC_MESSAGES and LANG that is set. Machines without one (C, POSIX)
// get French.
func personLang(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		value := strings.ToLower(getenv(name))
		lang, _, _ := strings.Cut(value, ".")
		lang, _, _ = strings.Cut(lang, "_")
		switch lang {
		case "":
			continue
		case "fr", "c", "posix":
			return "fr"
		}
		return "en"
	}
	return "fr"
}

// say is a sentence of the command line in both languages.
func say(fr, en string) chat.Text { return chat.Text{FR: fr, EN: en} }
