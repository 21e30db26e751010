package mattermost

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"permanence/internal/markup"
)

// wordJoiner is U+2060, which has no width: behind an "@" it takes its meaning
// away without being seen.
const wordJoiner = "\u2060"

// quiet takes from every "@" in md the power to ping, but from those before
// the names in allowed. Mattermost looks for "@name" behind everything that is
// no letter and no digit (app/mention_parser_standard.go), whether or not it
// stands in a link, and after character references are read.
func quiet(md string, allowed []string) string {
	if !strings.ContainsAny(md, "@&") {
		return md
	}
	md = atReference.ReplaceAllString(md, "@")
	var b strings.Builder
	b.Grow(len(md) + 16)
	last := ' '
	for i, r := range md {
		b.WriteRune(r)
		if r == '@' && !unicode.IsLetter(last) && !unicode.IsNumber(last) {
			name := handleAt(md[i+1:])
			if name != "" && !slices.Contains(allowed, strings.ToLower(name)) {
				b.WriteString(wordJoiner)
			}
		}
		last = r
	}
	return b.String()
}

// atReference is an "@" written as a character reference of HTML.
var atReference = regexp.MustCompile(`(?i)&(?:#0*64|#x0*40|commat);`)

// handleAt gives the name at the beginning of text, behind an "@": what
// Mattermost allows in user names (letters, digits, ".", "-", "_"), without the
// punctuation at its end.
func handleAt(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '.' && r != '-' && r != '_'
	})
	if end >= 0 {
		text = text[:end]
	}
	return strings.TrimRight(text, ".-_")
}

// handles gives the names written @name in text, in lower case, each once.
func handles(text string) []string {
	var names []string
	last := ' '
	for i, r := range text {
		if r == '@' && !unicode.IsLetter(last) && !unicode.IsNumber(last) {
			if name := strings.ToLower(handleAt(text[i+1:])); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		last = r
	}
	return names
}

// cutMention takes @name from the beginning of text, with what sets it off.
func cutMention(text, name string) string {
	rest, ok := strings.CutPrefix(strings.TrimLeft(text, " \t\n"), "@")
	if !ok || !strings.EqualFold(handleAt(rest), name) {
		return text
	}
	rest = rest[len(name):]
	return strings.TrimLeft(rest, ":, \u00a0\u202f\t\n")
}

// split cuts a text into posts.
func split(text string) []string {
	if utf8.RuneCountInString(text) <= maxText {
		return []string{text}
	}
	return markup.SplitRunes(text, maxText)
}
