// Package i18n holds the sentences that Permanence says, in French and in
// English, and writes times, durations, sizes and numbers as people of each
// language read them.
//
// Sentences live in messages/*.yaml, one flat identifier a line:
//
//	reply.held: "Part dans {{.Delay}} : {{.Where}}"
//	count.tickets:
//	  one: "{{.Count}} ticket"
//	  many: "{{.Count}} de tickets"
//	  other: "{{.Count}} tickets"
//
// A file is named fr.yaml or area.fr.yaml; all files of a language make one
// catalog. Write ordinary spaces in French: Typeset puts the no-break ones.
package i18n

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/nicksnyder/go-i18n/v2/i18n/template"
	"golang.org/x/text/language"
)

//go:embed messages/*.yaml
var files embed.FS

// Catalog has every sentence in both languages. It is safe for concurrent use.
type Catalog struct {
	fr, en *i18n.Localizer
	parser template.Parser
	ids    map[string]map[string]*i18n.Message // by language, then by identifier

	mu      sync.Mutex
	missing map[string]bool
}

// New loads the embedded sentences. It refuses a file that does not parse, an
// identifier written twice and a plural without its "other" form, so that a
// bad catalog shows at start.
func New() (*Catalog, error) {
	sub, err := fs.Sub(files, "messages")
	if err != nil {
		return nil, fmt.Errorf("load messages: %w", err)
	}
	return load(sub)
}

func load(dir fs.FS) (*Catalog, error) {
	c := &Catalog{
		// A placeholder without its value is an error that tests see, not
		// "<no value>" in a mail.
		parser:  &template.TextParser{Option: "missingkey=error"},
		ids:     map[string]map[string]*i18n.Message{"fr": {}, "en": {}},
		missing: map[string]bool{},
	}
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("load messages: %w", err)
	}
	bundle := i18n.NewBundle(language.French)
	for _, name := range names {
		if err := c.add(bundle, dir, name); err != nil {
			return nil, fmt.Errorf("load messages: %s: %w", name, err)
		}
	}
	c.fr = i18n.NewLocalizer(bundle, "fr")
	c.en = i18n.NewLocalizer(bundle, "en")
	return c, nil
}

func (c *Catalog) add(bundle *i18n.Bundle, dir fs.FS, name string) error {
	body, err := fs.ReadFile(dir, name)
	if err != nil {
		return err
	}
	file, err := i18n.ParseMessageFileBytes(body, path.Base(name), map[string]i18n.UnmarshalFunc{"yaml": yaml.Unmarshal})
	if err != nil {
		return fmt.Errorf("every value must be a text (quote numbers and braces) or a map of plural forms: %w", err)
	}
	lang := file.Tag.String()
	known, ok := c.ids[lang]
	if !ok {
		return fmt.Errorf("language %q: the file must be named fr.yaml, en.yaml, or end so", lang)
	}
	for _, m := range file.Messages {
		if known[m.ID] != nil {
			return fmt.Errorf("%s is written twice", m.ID)
		}
		if m.Other == "" {
			return fmt.Errorf("%s has no text (a plural needs its form \"other\")", m.ID)
		}
		// The library treats a form that a number asks for and that is not
		// there as an error: a sentence needs no plural to be given a Count,
		// and French wants "many" from a million on.
		if m.One == "" {
			m.One = m.Other
		}
		if m.Many == "" {
			m.Many = m.Other
		}
		m.One, m.Many, m.Other = Typeset(lang, m.One), Typeset(lang, m.Many), Typeset(lang, m.Other)
		known[m.ID] = m
	}
	return bundle.AddMessages(file.Tag, file.Messages...)
}

// Lang gives the language in which Permanence answers lang, which may be a tag
// such as "en-GB": "en" for English, "fr" for anything else.
func Lang(lang string) string {
	if base, _, _ := strings.Cut(strings.ToLower(lang), "-"); base == "en" {
		return "en"
	}
	return "fr"
}

// T gives the sentence id in lang, with args filled in: names and values in
// turn, "Name", "Alice", "Count", 3. Count is a whole number; it chooses the
// plural and is shown as Number does. Every other value is shown as it is, and
// false as nothing, for {{if}}.
//
// A sentence that is not there gives its identifier in brackets, and one that
// only the other language has gives that; Missing tells of both.
func (c *Catalog) T(lang, id string, args ...any) string {
	lang = Lang(lang)
	cfg := &i18n.LocalizeConfig{MessageID: id, TemplateParser: c.parser}
	data, count, err := values(lang, args)
	if err == nil {
		cfg.TemplateData = data
		if count != nil {
			cfg.PluralCount = *count
		}
		localizer := c.fr
		if lang == "en" {
			localizer = c.en
		}
		var text string
		text, err = localizer.Localize(cfg)
		if err == nil {
			return text
		}
		if text != "" { // the other language's
			c.note(lang, id, err)
			return text
		}
	}
	c.note(lang, id, err)
	return "[" + id + "]"
}

// Has reports whether lang itself has the sentence id.
func (c *Catalog) Has(lang, id string) bool {
	return c.ids[Lang(lang)][id] != nil
}

// Missing lists what T could not say so far, as "lang id: reason", sorted and
// each once. Tests expect it to be empty.
func (c *Catalog) Missing() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.missing))
}

func (c *Catalog) note(lang, id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missing[fmt.Sprintf("%s %s: %v", lang, id, err)] = true
}

// values turns alternating names and values into what templates are given.
func values(lang string, args []any) (data map[string]string, count *int64, err error) {
	if len(args)%2 != 0 {
		return nil, nil, errors.New("a name without its value")
	}
	data = make(map[string]string, len(args)/2)
	for i := 0; i < len(args); i += 2 {
		name, ok := args[i].(string)
		if !ok {
			return nil, nil, fmt.Errorf("%v stands where a name should", args[i])
		}
		switch value := args[i+1].(type) {
		case string:
			data[name] = value
		case bool:
			data[name] = ""
			if value {
				data[name] = "true"
			}
		default:
			data[name] = fmt.Sprint(value)
		}
		if name == "Count" {
			n, err := strconv.ParseInt(data[name], 10, 64)
			if err != nil {
				return nil, nil, fmt.Errorf("the Count %q is not a whole number", data[name])
			}
			count = &n
			data[name] = Number(lang, n)
		}
	}
	return data, count, nil
}
