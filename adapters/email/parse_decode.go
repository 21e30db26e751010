package email

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045 section 6), as
// far as it can be undone. An unknown one is none.
func decodeTransfer(content []byte, name string) []byte {
	name, _, _ = strings.Cut(strings.ToLower(name), ";")
	switch strings.TrimSpace(name) {
	case "base64":
		return decodeBase64(content)
	case "quoted-printable":
		return decodeQuotedPrintable(content)
	}
	return content
}

// decodeBase64 leaves out what is not of the alphabet, and accepts padding in
// the middle (two encodings one after the other) and a missing end.
func decodeBase64(content []byte) []byte {
	out := make([]byte, 0, len(content)*3/4)
	group := make([]byte, 0, 4)
	flush := func() {
		if len(group) > 1 {
			// The alphabet is checked; only the unused bits of the last
			// character may be wrong, which does not matter.
			var three [3]byte
			n, _ := base64.RawStdEncoding.Decode(three[:], group)
			out = append(out, three[:n]...)
		}
		group = group[:0]
	}
	for _, c := range content {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			group = append(group, c)
			if len(group) == 4 {
				flush()
			}
		case c == '=':
			flush()
		}
	}
	flush()
	return out
}

// decodeQuotedPrintable takes an equals sign that is none of an encoding for
// itself.
func decodeQuotedPrintable(content []byte) []byte {
	if bytes.IndexByte(content, '=') < 0 {
		return content
	}
	out := make([]byte, 0, len(content))
	for line := range bytes.Lines(content) {
		text := bytes.TrimRight(line, " \t\r\n")
		soft := len(text) > 0 && text[len(text)-1] == '='
		if soft {
			text = text[:len(text)-1]
		}
		for i := 0; i < len(text); i++ {
			if text[i] == '=' && i+2 < len(text) {
				var one [1]byte
				if _, err := hex.Decode(one[:], text[i+1:i+3]); err == nil {
					out = append(out, one[0])
					i += 2
					continue
				}
			}
			out = append(out, text[i])
		}
		if !soft && bytes.HasSuffix(line, []byte("\n")) {
			out = append(out, '\n')
		}
	}
	return out
}

// toUTF8 decodes text. What is valid UTF-8 is taken for UTF-8 whatever its
// label says: no text in another charset looks like that by chance, while
// wrong labels are common. The exceptions are charsets whose bytes say nothing
// about them. An unknown label means windows-1252, which holds Latin-1.
func toUTF8(content []byte, label string) string {
	label = strings.ToLower(strings.Trim(strings.TrimSpace(label), `"'`))
	label = strings.TrimPrefix(label, "charset=")
	e, name := charset(label)
	switch name {
	case "iso-2022-jp", "hz-gb-2312", "utf-16be", "utf-16le", "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr":
		if isASCIIText(content) {
			return string(content)
		}
		out, err := e.NewDecoder().Bytes(content)
		if err == nil && !(utf8.Valid(content) && bytes.ContainsRune(out, utf8.RuneError)) {
			return string(out)
		}
	}
	if utf8.Valid(content) {
		return string(content)
	}
	if name == "" || name == "utf-8" {
		if hasMultibyte(content) {
			return strings.ToValidUTF8(string(content), "\ufffd")
		}
		e = charmap.Windows1252
	}
	out, err := e.NewDecoder().Bytes(content)
	if err != nil {
		return strings.ToValidUTF8(string(content), "\ufffd")
	}
	return string(out)
}

// charset finds an encoding by its label, with its canonical name; the name is
// empty where the label is unknown.
func charset(label string) (encoding.Encoding, string) {
	switch label {
	case "gb2312", "gbk", "gb_2312-80", "cp936", "gb18030", "x-gbk":
		// Each of them is part of the last, and mail labelled by the first
		// often holds characters of the others.
		return simplifiedchinese.GB18030, "gb18030"
	case "iso-2022-jp-ms", "cp50220", "cp50221", "iso-2022-jp-2", "iso-2022-jp-1":
		label = "iso-2022-jp"
	case "cp932", "ms932", "windows-932":
		label = "shift_jis"
	case "cp949", "ms949":
		label = "euc-kr"
	case "latin-1", "latin", "iso8859-1", "8859-1", "cp1252", "cp-1252", "ansi", "us-ascii", "ascii", "":
		label = "windows-1252"
	}
	if e, err := htmlindex.Get(label); err == nil {
		name, _ := htmlindex.Name(e)
		return e, name
	}
	if e, err := ianaindex.IANA.Encoding(label); err == nil && e != nil {
		name, _ := ianaindex.IANA.Name(e)
		return e, strings.ToLower(name)
	}
	return charmap.Windows1252, ""
}

func isASCIIText(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c == 0x1b || c == 0 || c == '~' {
			return false
		}
	}
	return true
}

// hasMultibyte says that most of what is not ASCII is UTF-8 all the same: a
// damaged text, not a wrong label.
func hasMultibyte(b []byte) bool {
	good, bad := 0, 0
	before := false // a run of bad bytes is one damage
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		wrong := r == utf8.RuneError && size == 1
		switch {
		case size > 1:
			good++
		case wrong && !before:
			bad++
		}
		before = wrong
		b = b[size:]
	}
	return good >= bad
}

// decodeWords decodes the encoded words of a header field (RFC 2047), and raw
// bytes that are no ASCII. Neighbouring words of one charset are joined before
// they are decoded: senders cut between the bytes of a character, and inside
// of "[#42]".
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return toUTF8([]byte(s), "utf-8")
	}
	var out strings.Builder
	var pending []byte // decoded bytes, not yet in UTF-8
	label := ""
	flush := func() {
		out.WriteString(toUTF8(pending, label))
		pending, label = nil, ""
	}
	for s != "" {
		start := strings.Index(s, "=?")
		if start < 0 {
			break
		}
		content, cs, size, ok := encodedWord(s[start:])
		if !ok {
			flush()
			out.WriteString(toUTF8([]byte(s[:start+2]), "utf-8"))
			s = s[start+2:]
			continue
		}
		// White space between two encoded words is not shown.
		if between := s[:start]; label == "" || strings.TrimSpace(between) != "" {
			flush()
			out.WriteString(toUTF8([]byte(between), "utf-8"))
		} else if !strings.EqualFold(label, cs) {
			flush()
		}
		pending, label = append(pending, content...), cs
		s = s[start+size:]
	}
	flush()
	out.WriteString(toUTF8([]byte(s), "utf-8"))
	return out.String()
}

// encodedWord reads the "=?charset?b?…?=" at the start of s. Spaces inside,
// which are not allowed, are read all the same.
func encodedWord(s string) (content []byte, label string, size int, ok bool) {
	label, rest, ok := strings.Cut(s[2:], "?")
	if !ok || label == "" || strings.ContainsAny(label, " \t=") || len(label) > 60 {
		return nil, "", 0, false
	}
	label, _, _ = strings.Cut(label, "*") // a language (RFC 2231 section 5)
	kind, rest, ok := strings.Cut(rest, "?")
	if !ok || len(kind) != 1 {
		return nil, "", 0, false
	}
	text, rest, ok := strings.Cut(rest, "?=")
	if !ok {
		return nil, "", 0, false
	}
	switch kind {
	case "B", "b":
		content = decodeBase64([]byte(text))
	case "Q", "q":
		content = decodeQuotedPrintable([]byte(strings.ReplaceAll(text, "_", "=20")))
	default:
		return nil, "", 0, false
	}
	return content, label, len(s) - len(rest), true
}
