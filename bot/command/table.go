package command

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Table is the whole set of verbs. It does not change once made.
type Table[C any] struct {
	top    *level[C]
	groups map[*Spec[C]]*level[C]
	byID   map[string]*Spec[C]
}

// level is the words that may stand in one position.
type level[C any] struct {
	specs []*Spec[C]
	words map[string]*Spec[C] // by folded word, of both languages
}

// NewTable checks specs and makes the table. It refuses a word that two verbs
// of one level share in any language, as every word is understood in every
// room, an ID used twice, a verb without a word in each language, and one that
// does nothing.
func NewTable[C any](specs []Spec[C]) (*Table[C], error) {
	t := &Table[C]{groups: map[*Spec[C]]*level[C]{}, byID: map[string]*Spec[C]{}}
	top, err := t.level(specs)
	if err != nil {
		return nil, fmt.Errorf("command table: %w", err)
	}
	t.top = top
	return t, nil
}

func (t *Table[C]) level(specs []Spec[C]) (*level[C], error) {
	specs = slices.Clone(specs)
	l := &level[C]{words: map[string]*Spec[C]{}}
	for i := range specs {
		s := &specs[i]
		switch {
		case s.ID == "":
			return nil, fmt.Errorf("verb %v has no ID", s.Names)
		case t.byID[s.ID] != nil:
			return nil, fmt.Errorf("ID %q is used twice", s.ID)
		case len(s.Names.FR) == 0 || len(s.Names.EN) == 0:
			return nil, fmt.Errorf("%s needs a word in French and in English", s.ID)
		case s.Run == nil && len(s.Sub) == 0:
			return nil, fmt.Errorf("%s does nothing", s.ID)
		}
		t.byID[s.ID] = s
		l.specs = append(l.specs, s)
		for _, name := range slices.Concat(s.Names.FR, s.Names.EN) {
			word := fold(name)
			if first, _ := utf8.DecodeRuneInString(word); !unicode.IsLetter(first) || strings.ContainsFunc(word, func(r rune) bool { return isBlank(r) || r == '#' }) {
				return nil, fmt.Errorf("%s: %q is not one word that begins with a letter", s.ID, name)
			}
			if other := l.words[word]; other != nil && other != s {
				return nil, fmt.Errorf("%s and %s are both called %q", other.ID, s.ID, word)
			}
			l.words[word] = s
		}
		if len(s.Sub) > 0 {
			sub, err := t.level(s.Sub)
			if err != nil {
				return nil, err
			}
			t.groups[s] = sub
		}
	}
	return l, nil
}

// Lookup finds a verb by its ID, for buttons and reactions.
func (t *Table[C]) Lookup(id string) (*Spec[C], bool) {
	s, ok := t.byID[id]
	return s, ok
}

// punctuation may stand behind a word without belonging to it.
const punctuation = ":,;.!?…"

// find gives the verb that a typed word names, nil for none. Punctuation after
// the word ("!r: …", "!aide ?") is forgiven.
func (l *level[C]) find(word string) *Spec[C] {
	word = fold(word)
	if s := l.words[word]; s != nil {
		return s
	}
	return l.words[strings.TrimRight(word, punctuation)]
}
