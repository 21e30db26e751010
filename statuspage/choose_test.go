package statuspage

import "testing"

func TestSplitWord(t *testing.T) {
	for _, c := range []struct {
		text   string
		number ID
		word   int
		rest   string
		ok     bool
	}{
		{"12.2 un disque", 12, 2, "un disque", true},
		{" 12.2: un disque ", 12, 2, "un disque", true},
		{"12.2\nun disque", 12, 2, "un disque", true},
		{"12.2\u00a0un disque", 12, 2, "un disque", true},
		{"12.2", 12, 2, "", true},
		{"12 un disque", 0, 0, "12 un disque", false},
		{"12. un disque", 0, 0, "12. un disque", false},
		{"12.0 x", 0, 0, "12.0 x", false},
		{"0.2 x", 0, 0, "0.2 x", false},
		{"-1.2 x", 0, 0, "-1.2 x", false},
		{"+1.2 x", 0, 0, "+1.2 x", false},
		{"1.2.3 x", 0, 0, "1.2.3 x", false},
		{"1,2 x", 0, 0, "1,2 x", false},
		{"99999999999999999999.1 x", 0, 0, "99999999999999999999.1 x", false},
		{"1.99999999999 x", 0, 0, "1.99999999999 x", false},
		{"", 0, 0, "", false},
	} {
		n, w, rest, ok := SplitWord(c.text)
		if n != c.number || w != c.word || rest != c.rest || ok != c.ok {
			t.Errorf("%q: %d %d %q %v", c.text, n, w, rest, ok)
		}
	}
}
