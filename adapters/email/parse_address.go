package email

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAddress is the longest address: 64 before the @, 255 behind (RFC 5321
// section 4.5.3.1).
const maxAddress = 320

// parseAddresses reads the mailboxes of a header field, at most n. It splits
// before it decodes: a comma or an @ inside an encoded word is part of a name,
// never an address (RFC 2047 section 6.2). What it cannot read becomes an
// address with a name alone.
func parseAddresses(field string, n int) []address {
	var list []address
	for _, item := range splitAddresses(field, n) {
		if a := parseAddress(item); a != (address{}) {
			list = append(list, a)
		}
	}
	return list
}

// splitAddresses cuts a field at the commas and semicolons that are not in
// quotes, comments or brackets, and takes the names of groups away.
func splitAddresses(field string, n int) []string {
	var items []string
	start, comment := 0, 0
	quoted, angle := false, false
	for i := 0; i < len(field) && len(items) < n; i++ {
		switch c := field[i]; {
		case c == '\\' && (quoted || comment > 0):
			i++
		case quoted:
			quoted = c != '"'
		case comment > 0:
			switch c {
			case '(':
				comment++
			case ')':
				comment--
			}
		case c == '"':
			// A quote that is never closed is a character.
			quoted = strings.IndexByte(field[i+1:], '"') >= 0
		case c == '(':
			if strings.IndexByte(field[i:], ')') > 0 {
				comment++
			}
		case c == '<':
			// One without its end must not swallow who comes next.
			end := strings.IndexByte(field[i:], '>')
			next := strings.IndexByte(field[i:], ',')
			angle = end > 0 && (next < 0 || end < next || field[i+1] == '@')
		case c == '>':
			angle = false
		case angle:
		case c == ',' || c == ';':
			items = append(items, field[start:i])
			start = i + 1
		case c == ':' && !strings.ContainsAny(field[start:i], "@"):
			start = i + 1 // "friends: a@b, c@d;" (RFC 5322 section 3.4)
		}
	}
	if len(items) < n && start < len(field) {
		items = append(items, field[start:])
	}
	return items
}

// parseAddress reads one mailbox: Name <a@b>, a@b (Name), a@b, and what is
// left of them in the field.
func parseAddress(item string) address {
	item = strings.TrimSpace(item)
	if item == "" {
		return address{}
	}
	name, addr := item, ""
	if open := lastAngle(item); open >= 0 {
		name = item[:open]
		addr, _, _ = strings.Cut(item[open+1:], ">")
		if i := strings.LastIndexByte(addr, ':'); strings.HasPrefix(addr, "@") && i > 0 {
			addr = addr[i+1:] // a route (RFC 5322 section 4.4)
		}
	} else {
		bare, comment := cutComment(item)
		if strings.Contains(bare, "@") && !strings.ContainsAny(strings.TrimSpace(bare), " \t") {
			name, addr = comment, bare
		}
	}
	a := address{Name: displayName(name), Address: usableAddress(addr)}
	if a.Address == "" && a.Name == "" {
		a.Name = oneLine(decodeWords(item), 100)
	}
	return a
}

// lastAngle finds the "<" that opens the address: the last outside of quotes.
func lastAngle(item string) int {
	at, quoted := -1, false
	for i := 0; i < len(item); i++ {
		switch c := item[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"' && (quoted || strings.IndexByte(item[i+1:], '"') >= 0):
			quoted = !quoted
		case c == '<' && !quoted:
			at = i
		}
	}
	return at
}

// cutComment takes the comments out of an address without brackets, and gives
// the last of them: once the name stood there.
func cutComment(s string) (rest, comment string) {
	var b, c strings.Builder
	depth := 0
	for i := range len(s) {
		switch {
		case s[i] == '(':
			if depth++; depth == 1 {
				c.Reset()
			}
		case s[i] == ')' && depth > 0:
			depth--
		case depth > 0:
			c.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return strings.TrimSpace(b.String()), c.String()
}

// displayName undoes quotes, backslashes and encoded words.
func displayName(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		var b strings.Builder
		inner := s[1 : len(s)-1]
		for i := 0; i < len(inner); i++ {
			if inner[i] == '\\' && i+1 < len(inner) {
				i++
			}
			b.WriteByte(inner[i])
		}
		s = b.String()
	}
	return oneLine(decodeWords(s), 100)
}

// usableAddress gives addr lower-cased if a mail could be sent there, else
// nothing. Letters with accents are allowed (RFC 6531).
func usableAddress(addr string) string {
	addr = strings.TrimSpace(addr)
	if len(addr) > maxAddress || !utf8.ValidString(addr) {
		return ""
	}
	at := strings.LastIndexByte(addr, '@')
	if at <= 0 || at == len(addr)-1 {
		return ""
	}
	local, domain := addr[:at], addr[at+1:]
	if strings.HasPrefix(local, `"`) && strings.HasSuffix(local, `"`) && len(local) > 2 {
		local = local[1 : len(local)-1]
	}
	bad := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`<>()[]\,;:"@`, r)
	}
	if strings.ContainsFunc(local, bad) || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, "-") {
		return ""
	}
	if strings.HasPrefix(domain, "[") && strings.HasSuffix(domain, "]") {
		domain = strings.Trim(domain, "[]")
		if strings.ContainsFunc(strings.ReplaceAll(domain, ":", ""), bad) {
			return ""
		}
	} else if strings.ContainsFunc(domain, bad) {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(addr, "."))
}
