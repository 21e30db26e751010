package statuspage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// folded is a text without case, accents and kinds of spaces, with the way
// back: from[i] is the byte of the original where rune i of it began, and
// from[len(runes)] the original's length.
type folded struct {
	runes []rune
	from  []int
}

func fold(s string) folded {
	var f folded
	space := false
	for i, r := range s {
		if unicode.IsSpace(r) {
			if !space {
				f.runes, f.from = append(f.runes, ' '), append(f.from, i)
			}
			space = true
			continue
		}
		space = false
		for _, d := range unaccent(r) {
			f.runes, f.from = append(f.runes, d), append(f.from, i)
		}
	}
	f.from = append(f.from, len(s))
	return f
}

// foldString is fold for words of our own.
func foldString(s string) string { return strings.TrimSpace(string(fold(s).runes)) }

func unaccent(r rune) []rune {
	switch r {
	case '’', 'ʼ':
		return []rune{'\''}
	case 'œ', 'Œ':
		return []rune("oe")
	case 'æ', 'Æ':
		return []rune("ae")
	}
	if r < utf8.RuneSelf {
		return []rune{unicode.ToLower(r)}
	}
	var out []rune
	for _, d := range norm.NFKD.String(string(r)) {
		if !unicode.Is(unicode.Mn, d) {
			out = append(out, unicode.ToLower(d))
		}
	}
	return out
}

// at reports where word ends in f when it stands there as a whole word.
func (f folded) at(pos int, word string) (end int, ok bool) {
	end = pos
	for _, r := range word {
		if end >= len(f.runes) || f.runes[end] != r {
			return 0, false
		}
		end++
	}
	if end == pos {
		return 0, false
	}
	last := f.runes[end-1]
	if end < len(f.runes) && wordRune(last) && wordRune(f.runes[end]) {
		return 0, false
	}
	return end, true
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// skip gives the first position from pos on whose rune is not in set.
func (f folded) skip(pos int, set string) int {
	for pos < len(f.runes) && strings.ContainsRune(set, f.runes[pos]) {
		pos++
	}
	return pos
}

// anyAt gives the end of the longest of words that stands at pos.
func (f folded) anyAt(pos int, words []string) (end int, ok bool) {
	for _, w := range words {
		if e, found := f.at(pos, w); found && e > end {
			end, ok = e, true
		}
	}
	return end, ok
}

// clean makes of what somebody typed a text that is safe to store and show
// anywhere: valid UTF-8, no control characters (they forge lines in terminals
// and logs, and PostgreSQL refuses NUL), no bidirectional overrides (they let
// a line read otherwise than it is).
func clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case unicode.IsControl(r), r == '\uFEFF',
			r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069':
			return -1
		case r == '\u2028' || r == '\u2029':
			return '\n'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }) {
		return "" // there is nothing to read
	}
	return strings.TrimSpace(s)
}

// oneLine gives the first line of a text with its spaces made single.
func oneLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.Join(strings.Fields(line), " ")
}

// shorten cuts a text to at most limit runes, between words where that costs
// less than a third of it.
func shorten(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	cut := string([]rune(s)[:limit-1])
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)*2/3 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,;:.-–—") + "…"
}
