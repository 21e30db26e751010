package i18n

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/nicksnyder/go-i18n/v2/i18n"
)

var placeholder = regexp.MustCompile(`\.([A-Z]\w*)`)

// placeholders gives the names of the values that a sentence shows, in any of
// its forms.
func placeholders(m *i18n.Message) []string {
	names := map[string]bool{}
	for _, action := range regexp.MustCompile(`\{\{.*?\}\}`).FindAllString(m.One+m.Many+m.Other, -1) {
		for _, name := range placeholder.FindAllStringSubmatch(action, -1) {
			names[name[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// TestLanguagesAgree: both languages have the same sentences, with the same
// values in them, and each can be said.
func TestLanguagesAgree(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	fr, en := slices.Sorted(maps.Keys(c.ids["fr"])), slices.Sorted(maps.Keys(c.ids["en"]))
	if diff := cmp.Diff(fr, en); diff != "" {
		t.Errorf("identifiers (-fr +en):\n%s", diff)
	}
	for _, id := range fr {
		if !c.Has("en", id) {
			continue
		}
		names := placeholders(c.ids["fr"][id])
		if diff := cmp.Diff(names, placeholders(c.ids["en"][id])); diff != "" {
			t.Errorf("%s: values (-fr +en):\n%s", id, diff)
		}
		for _, lang := range []string{"fr", "en"} {
			for _, count := range []int{0, 1, 2, 1_000_000} {
				var args []any
				for _, name := range names {
					if name == "Count" {
						args = append(args, name, count)
					} else {
						args = append(args, name, "x")
					}
				}
				if got := c.T(lang, id, args...); strings.TrimSpace(got) == "" || strings.Contains(got, "{{") {
					t.Errorf("%s in %s reads %q", id, lang, got)
				}
			}
		}
	}
	if missing := c.Missing(); len(missing) > 0 {
		t.Errorf("missing: %q", missing)
	}
}

func example(t *testing.T) *Catalog {
	t.Helper()
	c, err := load(fstest.MapFS{
		"fr.yaml": {Data: []byte("hello: \"Bonjour {{.Name}} !\"\n" +
			"only.fr: seulement ici\n" +
			"flag: \"{{if .On}}allumé{{else}}éteint{{end}}\"\n" +
			"found:\n  one: \"{{.Count}} ticket trouvé\"\n  many: \"{{.Count}} de tickets trouvés\"\n  other: \"{{.Count}} tickets trouvés\"\n" +
			"plain.plural:\n  one: \"{{.Count}} jour\"\n  other: \"{{.Count}} jours\"\n")},
		"en.yaml": {Data: []byte("hello: \"Hello {{.Name}}!\"\n" +
			"flag: \"{{if .On}}on{{else}}off{{end}}\"\n" +
			"found:\n  one: \"{{.Count}} ticket found\"\n  other: \"{{.Count}} tickets found\"\n" +
			"plain.plural:\n  one: \"{{.Count}} day\"\n  other: \"{{.Count}} days\"\n")},
		"area.en.yaml": {Data: []byte("area.word: word\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestT(t *testing.T) {
	c := example(t)
	tests := []struct {
		lang, id string
		args     []any
		want     string
	}{
		{"fr", "hello", []any{"Name", "Alice"}, "Bonjour Alice\u00a0!"},
		{"en", "hello", []any{"Name", "Alice"}, "Hello Alice!"},
		{"en-GB", "hello", []any{"Name", "<b>"}, "Hello <b>!"},
		{"", "hello", []any{"Name", "Alice"}, "Bonjour Alice\u00a0!"},
		{"de", "hello", []any{"Name", 7}, "Bonjour 7\u00a0!"},
		{"fr", "found", []any{"Count", 0}, "0 ticket trouvé"},
		{"fr", "found", []any{"Count", 1}, "1 ticket trouvé"},
		{"fr", "found", []any{"Count", int64(2)}, "2 tickets trouvés"},
		{"fr", "found", []any{"Count", 1_000_000}, "1\u00a0000\u00a0000 de tickets trouvés"},
		{"fr", "plain.plural", []any{"Count", 1_000_000}, "1\u00a0000\u00a0000 jours"},
		{"en", "found", []any{"Count", 0}, "0 tickets found"},
		{"en", "found", []any{"Count", 1}, "1 ticket found"},
		{"en", "found", []any{"Count", 1234}, "1,234 tickets found"},
		{"en", "hello", []any{"Name", "Alice", "Count", 1}, "Hello Alice!"},
		{"fr", "flag", []any{"On", true}, "allumé"},
		{"fr", "flag", []any{"On", false}, "éteint"},
		{"en", "area.word", nil, "word"},
	}
	for _, tt := range tests {
		if got := c.T(tt.lang, tt.id, tt.args...); got != tt.want {
			t.Errorf("T(%q, %q, %v) = %q, want %q", tt.lang, tt.id, tt.args, got, tt.want)
		}
	}
	if missing := c.Missing(); len(missing) > 0 {
		t.Errorf("missing: %q", missing)
	}
}

func TestMissing(t *testing.T) {
	tests := []struct {
		name, lang, id string
		args           []any
		want, missing  string
	}{
		{"no such sentence", "fr", "no.such", nil, "[no.such]", "fr no.such: "},
		{"in French alone", "en", "only.fr", nil, "seulement ici", "en only.fr: "},
		{"value not given", "fr", "hello", nil, "[hello]", "fr hello: "},
		{"name without value", "fr", "hello", []any{"Name"}, "[hello]", "a name without its value"},
		{"name that is none", "fr", "hello", []any{1, 2}, "[hello]", "1 stands where a name should"},
		{"count that is none", "fr", "found", []any{"Count", "many"}, "[found]", "not a whole number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := example(t)
			for range 2 {
				if got := c.T(tt.lang, tt.id, tt.args...); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
			missing := c.Missing()
			if len(missing) != 1 || !strings.Contains(missing[0], tt.missing) {
				t.Errorf("missing %q, want one with %q", missing, tt.missing)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, file, body, want string }{
		{"language", "de.yaml", "a: b\n", "language \"de\""},
		{"twice in a file", "fr.yaml", "a: b\na: c\n", "a"},
		{"no other", "fr.yaml", "a:\n  one: b\n", "a has no text"},
		{"empty", "fr.yaml", "a: \"\"\n", "a has no text"},
		{"number", "fr.yaml", "a: 12\n", "quote numbers"},
		{"not yaml", "fr.yaml", "a: [\n", "fr.yaml"},
		{"twice in two files", "area.fr.yaml", "b: c\n", "b is written twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(fstest.MapFS{
				tt.file:     {Data: []byte(tt.body)},
				"z.fr.yaml": {Data: []byte("b: d\n")},
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	c := example(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				c.T("fr", "found", "Count", 3)
				c.T("en", "hello", "Name", "Alice")
				c.T("en", "no.such")
			}
		})
	}
	wg.Wait()
	if missing := c.Missing(); len(missing) != 1 {
		t.Errorf("missing: %q", missing)
	}
}

func TestTypeset(t *testing.T) {
	tests := []struct{ lang, in, want string }{
		{"fr", "Prêt ?", "Prêt~?"},
		{"fr", "Prêt ?!", "Prêt~?!"},
		{"fr", "Voici : ceci ; cela !", "Voici~: ceci~; cela~!"},
		{"fr", "**Durée :** 3", "**Durée~:** 3"},
		{"fr", "« !fermer #42 »", "«~!fermer #42~»"},
		{"fr", "écrivez !r texte", "écrivez !r texte"},
		{"fr", "le smiley :name: reste", "le smiley :name: reste"},
		{"fr", "(vraiment ?)", "(vraiment~?)"},
		{"fr", "https://example.org/?a=b", "https://example.org/?a=b"},
		{"fr", "fin ?\nsuite", "fin~?\nsuite"},
		{"fr", "  !", " ~!"},
		{"en", "Ready ?", "Ready ?"},
		{"fr", "", ""},
	}
	for _, tt := range tests {
		want := strings.ReplaceAll(tt.want, "~", nbsp)
		got := Typeset(tt.lang, tt.in)
		if got != want {
			t.Errorf("Typeset(%q, %q) = %q, want %q", tt.lang, tt.in, got, want)
		}
		if again := Typeset(tt.lang, got); again != got {
			t.Errorf("Typeset twice: %q, then %q", got, again)
		}
	}
}
