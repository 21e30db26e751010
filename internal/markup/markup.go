// Package markup turns the text of one medium into that of another: HTML of
// mails into Markdown, Markdown into HTML and plain text, and what outsiders
// wrote into something that cannot ping, command or load anything. It is a
// leaf: it knows neither tickets nor networks.
//
// Everything here takes text from strangers. No function panics, loads
// anything, or takes time that grows faster than its input within the sizes
// that it accepts.
package markup

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// wordJoiner is U+2060: no width, no line break, no letter. Put after an "@"
// or before a "!" it takes their meaning away without being seen.
const wordJoiner = "\u2060"

// Fold gives s in lower case, without accents, ligatures and kinds of spaces
// and apostrophes: what search and command words compare. Characters without
// width or meaning (zero-width, variation selectors) are left out.
func Fold(s string) string {
	if isPlainASCII(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(s, "\uFFFD")) {
		switch {
		case r == '`':
			b.WriteByte('\'')
		case r < utf8.RuneSelf:
			b.WriteRune(unicode.ToLower(r))
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
		case unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		default:
			foldRune(&b, unicode.ToLower(r))
		}
	}
	return b.String()
}

// foldRune writes the letters that do not decompose into a base and an accent
// as others type them.
func foldRune(b *strings.Builder, r rune) {
	switch r {
	case 'œ':
		b.WriteString("oe")
	case 'æ':
		b.WriteString("ae")
	case 'ß':
		b.WriteString("ss")
	case 'ø':
		b.WriteByte('o')
	case 'ł':
		b.WriteByte('l')
	case 'đ':
		b.WriteByte('d')
	case '’', '‘':
		b.WriteByte('\'')
	default:
		b.WriteRune(r)
	}
}

func isPlainASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] == '`' {
			return false
		}
	}
	return true
}

// clean drops what no text of people holds: control characters except line
// breaks and tabs, the marks that turn the direction of writing around (they
// make "exe.pdf" of "fdp.exe"), invalid UTF-8 and our own markers.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r', r == '\u2028', r == '\u2029', r == '\v', r == '\f', r == '\u0085':
			return '\n'
		case unclean(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func unclean(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' ||
		r >= 0x7f && r < 0xa0 ||
		r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || // bidi embeddings, overrides, isolates
		r == '\u2028' || r == '\u2029' ||
		r >= 0xe0000 && r <= 0xe007f || // tags: text that is not seen
		r == 0xfeff ||
		isMarker(r)
}

func isClean(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return isCleanSlow(s)
		}
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func isCleanSlow(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unclean(r) {
			return false
		}
	}
	return true
}
