package statuspage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// SplitNumber takes the incident's number from the front of a text: "12 tout
// est rentré dans l'ordre". It is 0 where there is none ("22h30 au plus tard"
// has none).
func SplitNumber(text string) (number ID, rest string) {
	text = strings.TrimSpace(text)
	word, rest, _ := strings.Cut(text, " ")
	if i := strings.IndexFunc(text, func(r rune) bool { return r == '\n' || r == '\t' || r == '\u00A0' }); i >= 0 && i < len(word) {
		word, rest = text[:i], text[i:]
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(word, ":"), 10, 63)
	if err != nil || n <= 0 || word[0] == '+' {
		return 0, text
	}
	return n, strings.TrimSpace(strings.ReplaceAll(rest, "\u00A0", " "))
}

// SplitWord takes the number of an incident and of one of its words from the
// front of a text: "12.2 un disque" is the second of incident 12.
func SplitWord(text string) (number ID, word int, rest string, ok bool) {
	text = strings.TrimSpace(text)
	first, rest := text, ""
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		first, rest = text[:i], strings.TrimSpace(text[i:])
	}
	a, b, dotted := strings.Cut(strings.TrimSuffix(first, ":"), ".")
	if !dotted || strings.ContainsAny(first, "+-") {
		return 0, 0, text, false
	}
	number, err := strconv.ParseInt(a, 10, 63)
	n, err2 := strconv.ParseInt(b, 10, 31)
	if err != nil || err2 != nil || number <= 0 || n <= 0 {
		return 0, 0, text, false
	}
	return number, int(n), rest, true
}

// Choose finds which open incident, or planned work, a command speaks of: the
// number at the front of the text, else here (the one in whose thread it was
// typed, 0 for none), else the only open one of the kind. rest is the text
// without the number. A number that is not open is refused rather than taken
// for text: ending the wrong incident in public is worse than typing once
// more.
func Choose(open []Incident, kind Kind, here ID, text string) (inc Incident, rest string, err error) {
	open = slices.DeleteFunc(slices.Clone(open), func(i Incident) bool { return i.Kind != kind })
	number, rest := SplitNumber(text)
	if number == 0 && here != 0 {
		for _, i := range open {
			if i.ID == here {
				return i, rest, nil
			}
		}
	}
	switch {
	case len(open) == 0 && kind == Maintenance:
		return Incident{}, rest, refuse("Aucuns travaux ne sont en cours ni prévus.", "No work is in progress or planned.")
	case len(open) == 0:
		return Incident{}, rest, refuse("Aucun incident n’est en cours.", "No incident is open.")
	case number == 0 && len(open) == 1:
		return open[0], rest, nil
	case number == 0:
		return Incident{}, rest, refuse(
			"Il y en a plusieurs ; ajoutez le numéro :\n"+openList(open),
			"There are several; add the number:\n"+openList(open))
	}
	for _, i := range open {
		if i.ID == number {
			return i, rest, nil
		}
	}
	return Incident{}, rest, refuse(
		fmt.Sprintf("Le numéro %d n’est pas en cours. Le sont (pour un texte qui commence par un nombre, écrivez d’abord le numéro) :\n%s", number, openList(open)),
		fmt.Sprintf("Number %d is not open. Open are (for a text that begins with a number, write the incident's number first):\n%s", number, openList(open)))
}

func openList(open []Incident) string {
	var b strings.Builder
	for i, inc := range open {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- %d %s", inc.ID, escapeMarkdown(inc.Title))
	}
	return b.String()
}
