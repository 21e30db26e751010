package page

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxName is the longest file name in bytes; file systems stop at 255, and a
// browser may add a number.
const maxName = 200

// clean takes from a name or subject what hides in it or turns its writing
// around (RFC 3454 tables C.2 and C.8, the private use area), and makes one
// line of it. The joiners that emoji and some scripts need stay.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\u200c', r == '\u200d':
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(s)
}

// fileName makes a name that can be shown and saved: without folders, marks
// that mean something to a file system, and tricks of writing direction.
func fileName(name string, id int64) string {
	name = strings.ReplaceAll(clean(name), `\`, "/")
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, name[strings.LastIndexByte(name, '/')+1:])
	name = strings.Trim(name, ". ")
	if len(name) > maxName {
		ext := path.Ext(name)
		if len(ext) > 16 {
			ext = ""
		}
		stem := name[:maxName-len(ext)]
		for !utf8.ValidString(stem) {
			stem = stem[:len(stem)-1]
		}
		name = strings.TrimRight(stem, ". ") + ext
	}
	if name == "" {
		return fmt.Sprintf("file-%d", id)
	}
	return name
}

// disposition is a Content-Disposition (RFC 6266): the name in ASCII for old
// programs, and whole in the extended notation (RFC 8187).
func disposition(kind, name string) string {
	var ascii strings.Builder
	for _, r := range norm.NFD.String(name) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r == '"', r == '\\', r == '%': // % is decoded by some browsers
			ascii.WriteByte('_')
		case r < ' ', r > '~':
			ascii.WriteByte('_')
		default:
			ascii.WriteRune(r)
		}
	}
	value := kind + `; filename="` + ascii.String() + `"`
	if ascii.String() == name {
		return value
	}
	value += "; filename*=UTF-8''"
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			value += string(rune(c))
		} else {
			value += fmt.Sprintf("%%%02X", c)
		}
	}
	return value
}

// initial is the letter of somebody's avatar.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "?"
}
