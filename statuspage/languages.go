package statuspage

import "strings"

// Version is a text in one language.
type Version struct{ Lang, Body string }

// Versions splits a text that says the same in several languages: a line that
// begins with "EN:" or "FR:" begins the text in that language. main is what
// stands in the first one, empty where the text has but others.
//
//	messagerie envois retardés
//	EN: mail delayed
func Versions(text, lang string) (main string, others []Version) {
	if lang != "en" {
		lang = "fr"
	}
	now := lang
	parts := map[string][]string{}
	for _, line := range strings.Split(clean(text), "\n") {
		if l, rest, ok := languageLabel(line); ok {
			now, line = l, rest
		}
		parts[now] = append(parts[now], line)
	}
	for _, l := range []string{"fr", "en"} {
		body := strings.TrimSpace(strings.Join(parts[l], "\n"))
		switch {
		case l == lang:
			main = body
		case body != "":
			others = append(others, Version{l, body})
		}
	}
	return main, others
}

func languageLabel(line string) (lang, rest string, ok bool) {
	line = strings.TrimLeft(line, " \t\u00A0")
	if len(line) < 3 {
		return "", "", false
	}
	lang = strings.ToLower(line[:2])
	rest = strings.TrimLeft(line[2:], " \u00A0\u202F")
	if lang != "fr" && lang != "en" || !strings.HasPrefix(rest, ":") {
		return "", "", false
	}
	return lang, strings.TrimSpace(rest[1:]), true
}

// Translate makes of a version the text of an update, and where that is the
// first one the title, which has an empty body else. The incident's own
// language is corrected, not translated.
func Translate(o Origin, components Components, inc Incident, u Update, first bool, v Version) (Incident, PublicText, PublicText, error) {
	body := clean(v.Body)
	if body == "" {
		return inc, PublicText{}, PublicText{}, refuse(
			"Rien n’est publié : il manque la traduction, par exemple `EN: mail is delayed`.",
			"Nothing is published: the translation is missing, for example `FR: la messagerie a du retard`.")
	}
	text := PublicText{Lang: v.Lang, Body: body, Published: o.At}
	var title PublicText
	if first {
		a := components.readAs(inc.Kind, body, v.Lang)
		text.Body = a.body
		title = PublicText{Lang: v.Lang, Body: a.title, Published: o.At}
	}
	inc.Updated = o.At
	return inc, title, text, nil
}
