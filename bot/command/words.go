package command

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"permanence/internal/markup"
)

// fold gives words that differ only in case, accents, ligatures, dashes or
// invisible characters one form.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '‐' || r == '–' || r == '—' {
			return '-'
		}
		return r
	}, markup.Fold(s))
}

// isBlank tells what separates words: every kind of space, and the zero-width
// ones that phones and web pages insert.
func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' }

// isInvisible tells what may stand before a "!" without being seen.
func isInvisible(r rune) bool {
	if r < utf8.RuneSelf {
		return isBlank(r) || unicode.IsControl(r)
	}
	switch r {
	case '\u115f', '\u1160', '\u2800', '\u3164', '\uffa0': // fillers
		return true
	}
	return isBlank(r) || unicode.In(r, unicode.Cf, unicode.Mn, unicode.Cc)
}

// trim cuts the space around a text, but leaves the indentation of its first
// line where a line break came before it: that may be a list or code.
func trim(s string) string {
	s = strings.TrimRightFunc(s, isBlank)
	first := strings.IndexFunc(s, func(r rune) bool { return !isBlank(r) })
	if first < 0 {
		return ""
	}
	if newline := strings.LastIndexByte(s[:first], '\n'); newline >= 0 {
		return s[newline+1:]
	}
	return s[first:]
}

// cutBlank gives the text up to the first blank, and what follows.
func cutBlank(s string) (word, after string) {
	s = strings.TrimLeftFunc(s, isBlank)
	if i := strings.IndexFunc(s, isBlank); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// cutVerb is cutBlank for a verb, to which the ticket's number may be glued:
// "fermer#42".
func cutVerb(s string) (word, after string) {
	word, after = cutBlank(s)
	if i := strings.IndexByte(word, '#'); i > 0 && i+1 < len(word) && isDigit(word[i+1]) {
		full := strings.TrimLeftFunc(s, isBlank)
		return full[:i], full[i:]
	}
	return word, after
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// CutTicket takes a ticket's number, written #42, from the beginning of a
// text. A colon, comma or full stop behind it is taken too.
func CutTicket(text string) (number int64, rest string, ok bool) {
	s := strings.TrimLeftFunc(text, isBlank)
	if !strings.HasPrefix(s, "#") {
		return 0, text, false
	}
	if number, rest, ok = cutNumber(s[1:]); !ok {
		return 0, text, false
	}
	return number, trim(rest), true
}

// cutNumber takes a whole number from 1 on from the very beginning of a text,
// if it stands alone there: "12", "12 …", "12: …", but not "12h30" or "12.5".
func cutNumber(s string) (number int64, rest string, ok bool) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	number, err := strconv.ParseInt(s[:n], 10, 64)
	if err != nil || number == 0 {
		return 0, s, false
	}
	rest = s[n:]
	if rest != "" && strings.IndexByte(":,;.", rest[0]) >= 0 {
		rest = rest[1:]
	}
	if r, _ := utf8.DecodeRuneInString(rest); rest != "" && !isBlank(r) {
		return 0, s, false
	}
	return number, rest, true
}

// token is one word of the arguments; start and end enclose it in the text,
// quotes included.
type token struct {
	text       string
	quoted     bool
	start, end int
}

// tokens splits a text into words. Quotes ("…", “…”, «…») keep words together
// where they open a word and are closed; an apostrophe is no quote, as French
// is full of them.
func tokens(s string) []token {
	var found []token
	open := "" // the closing quotes that do not come any more
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if isBlank(r) {
			i += size
			continue
		}
		if closing, ok := quote(r); ok && !strings.Contains(open, closing) {
			inside := s[i+size:]
			if n := strings.Index(inside, closing); n >= 0 {
				end := i + size + n + len(closing)
				found = append(found, token{text: strings.TrimFunc(inside[:n], isBlank), quoted: true, start: i, end: end})
				i = end
				continue
			}
			open += closing
		}
		end := len(s)
		if n := strings.IndexFunc(s[i:], isBlank); n >= 0 {
			end = i + n
		}
		found = append(found, token{text: s[i:end], start: i, end: end})
		i = end
	}
	return found
}

func quote(r rune) (closing string, ok bool) {
	switch r {
	case '"':
		return `"`, true
	case '“':
		return "”", true
	case '«':
		return "»", true
	}
	return "", false
}

// CutWord takes the first word, or quoted words, from a text; rest is what
// follows, as typed.
func CutWord(text string) (word, rest string) {
	list := tokens(text)
	if len(list) == 0 {
		return "", ""
	}
	return list[0].text, trim(text[list[0].end:])
}

// mention reads @name; punctuation after the name does not belong to it.
func mention(word string) (name string, ok bool) {
	name, ok = strings.CutPrefix(word, "@")
	name = strings.TrimRight(name, punctuation)
	return name, ok && name != ""
}
