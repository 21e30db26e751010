package irc

import "strings"

// fold makes names comparable under the server's CASEMAPPING (ISUPPORT).
// Servers that say nothing mean rfc1459, where {}|^ are the small letters of
// []\~ (RFC 1459, 2.2).
func fold(mapping, name string) string {
	switch mapping {
	case "ascii":
		return strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, name)
	case "", "rfc1459", "strict-rfc1459":
		return strings.Map(func(r rune) rune {
			switch {
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			case r == '[':
				return '{'
			case r == ']':
				return '}'
			case r == '\\':
				return '|'
			case r == '~' && mapping != "strict-rfc1459":
				return '^'
			}
			return r
		}, name)
	}
	return strings.ToLower(name) // precis, rfc8265 and others of Unicode
}
