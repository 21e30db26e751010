package command

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"permanence/bot/chat"
)

// unknown makes the error for a word that is no verb of the group, nil being
// the top.
func (t *Table[C]) unknown(group *Spec[C], word string) *UserError {
	level := t.top
	if group != nil {
		level = t.groups[group]
	}
	near := level.nearest(word)
	shown := show(word)
	e := &UserError{Unknown: group == nil, Suggestion: near}
	switch {
	case group != nil && near != "":
		e.Text = chat.Text{
			FR: fmt.Sprintf("« %s » ne connaît pas « %s ». Vouliez-vous dire « %s » ?", group.Names.FR[0], shown, near),
			EN: fmt.Sprintf("“%s” does not know “%s”. Did you mean “%s”?", group.Names.EN[0], shown, near),
		}
	case group != nil:
		e.Text = chat.Text{
			FR: fmt.Sprintf("Après « %s », écrivez l’un de ces mots : %s.", group.Names.FR[0], level.list("fr", nil)),
			EN: fmt.Sprintf("After “%s”, write one of these words: %s.", group.Names.EN[0], level.list("en", nil)),
		}
	case near != "":
		e.Text = chat.Text{
			FR: fmt.Sprintf("Commande inconnue « %s ». Vouliez-vous dire « %s » ?", shown, near),
			EN: fmt.Sprintf("Unknown command “%s”. Did you mean “%s”?", shown, near),
		}
	default:
		e.Text = chat.Text{
			FR: fmt.Sprintf("Commande inconnue « %s ».%s", shown, t.seeHelp("fr")),
			EN: fmt.Sprintf("Unknown command “%s”.%s", shown, t.seeHelp("en")),
		}
	}
	return e
}

// noVerb makes the error for "!#42" alone.
func (t *Table[C]) noVerb(ticket int64) *UserError {
	return &UserError{Text: chat.Text{
		FR: fmt.Sprintf("Que faire du ticket #%d ? Écrivez une commande avant ou après le numéro.%s", ticket, t.seeHelp("fr")),
		EN: fmt.Sprintf("What about ticket #%d? Write a command before or after the number.%s", ticket, t.seeHelp("en")),
	}}
}

func (t *Table[C]) seeHelp(lang string) string {
	help, ok := t.byID[HelpID]
	switch {
	case !ok:
		return ""
	case lang == "en":
		return fmt.Sprintf(" `!%s` lists them.", help.Names.EN[0])
	}
	return fmt.Sprintf(" `!%s` en donne la liste.", help.Names.FR[0])
}

// longest is the longest word, in runes, for which a suggestion is sought.
const longest = 24

// nearest gives the word of the level that was probably meant, spelled as in
// the table, or "". A short word must be nearer than a long one; between equal
// ones the same first letter decides, then the table's order.
func (l *level[C]) nearest(word string) string {
	if utf8.RuneCountInString(word) > longest {
		return ""
	}
	typed := []rune(strings.TrimRight(fold(word), punctuation))
	limit := 2
	switch {
	case len(typed) < 3:
		return ""
	case len(typed) < 5:
		limit = 1
	}
	best, score := "", 2*limit+2
	for _, s := range l.specs {
		if s.Hidden {
			continue
		}
		for _, name := range slices.Concat(s.Names.FR, s.Names.EN) {
			known := []rune(fold(name))
			if len(known) < 3 {
				continue
			}
			d := distance(typed, known)
			if d > limit {
				continue
			}
			d *= 2
			if typed[0] != known[0] {
				d++
			}
			if d < score {
				best, score = name, d
			}
		}
	}
	return best
}

// distance counts the insertions, deletions, substitutions and exchanges of
// neighbours that make a into b (Damerau and Levenshtein, no letter touched
// twice).
func distance(a, b []rune) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	now := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		now[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(last[j+1]+1, now[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}

// show gives a typed word back without anything that a room could take for a
// mention, markup or a change of direction.
func show(word string) string {
	var b strings.Builder
	n := 0
	for _, r := range word {
		if !unicode.In(r, unicode.L, unicode.N, unicode.Mn) && !strings.ContainsRune("-.'’:", r) {
			continue
		}
		if n++; n > longest {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
