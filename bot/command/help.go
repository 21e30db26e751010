package command

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"permanence/bot/chat"
)

// Help lists in Markdown the verbs that may allows, in the table's order, one
// a line; a nil may allows everything.
func (t *Table[C]) Help(lang string, may func(*Spec[C]) bool) string {
	var b strings.Builder
	example := ""
	b.WriteString(pick(lang,
		"**Commandes** (dans le fil d’un ticket, le numéro est facultatif)\n",
		"**Commands** (in a ticket’s thread, the number is optional)\n"))
	for _, s := range t.top.specs {
		if s.Hidden || may != nil && !may(s) {
			continue
		}
		if sub := t.groups[s]; sub != nil {
			words := sub.list(lang, may)
			if words == "" && s.Run == nil {
				continue
			}
			fmt.Fprintf(&b, "- `!%s` %s%s %s\n", s.Names.in(lang)[0], words, colon(lang), s.Summary.In(lang))
			continue
		}
		if example == "" {
			example = s.Names.in(lang)[0]
		}
		fmt.Fprintf(&b, "- `%s`%s%s %s\n", s.line(lang, s.Names.in(lang)[0]), aliases(s.Names.in(lang)), colon(lang), s.Summary.In(lang))
	}
	if help, ok := t.byID[HelpID]; ok && example != "" {
		word := help.Names.in(lang)[0]
		b.WriteString(pick(lang,
			fmt.Sprintf("`!%s %s` en dit plus sur un mot.\n", word, example),
			fmt.Sprintf("`!%s %s` says more about a word.\n", word, example)))
	}
	return b.String()
}

// HelpOne explains one verb, named by its words in either language ("incident
// fin") or by its ID ("incident.end"). The error is a *UserError.
func (t *Table[C]) HelpOne(lang, words string, may func(*Spec[C]) bool) (string, error) {
	s, path, err := t.path(lang, words)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`\n%s.\n", s.line(lang, path), capital(s.Summary.In(lang)))
	if sub := t.groups[s]; sub != nil {
		for _, v := range sub.specs {
			if v.Hidden || may != nil && !may(v) {
				continue
			}
			fmt.Fprintf(&b, "- `%s`%s%s %s\n", v.line(lang, path+" "+v.Names.in(lang)[0]), aliases(v.Names.in(lang)), colon(lang), v.Summary.In(lang))
		}
	}
	if more := s.Names.in(lang)[1:]; len(more) > 0 {
		fmt.Fprintf(&b, "%s `%s`\n", pick(lang, "Aussi :", "Also:"), strings.Join(more, "`, `"))
	}
	other := s.Names.in(pick(lang, "en", "fr"))
	fmt.Fprintf(&b, "%s `%s`\n", pick(lang, "En anglais :", "In French:"), strings.Join(other, "`, `"))
	fmt.Fprintf(&b, "%s %s\n", pick(lang, "Pour :", "For:"), s.Who.text().In(lang))
	if s.Proposes {
		b.WriteString(pick(lang,
			"En période d’essai : devient une proposition à valider.\n",
			"As a trainee: becomes a proposal to be approved.\n"))
	}
	return b.String(), nil
}

// path finds a verb by its words or its ID, and gives its words in lang.
func (t *Table[C]) path(lang, words string) (*Spec[C], string, error) {
	level, path := t.top, ""
	var group *Spec[C]
	if s, ok := t.byID[strings.TrimFunc(words, isBlank)]; ok {
		return s, t.wordsOf(s, lang), nil
	}
	for {
		var word string
		word, words = cutBlank(words)
		word = strings.TrimLeft(word, "!/")
		s := level.find(word)
		if s == nil {
			return nil, "", t.unknown(group, word)
		}
		path = strings.TrimSpace(path + " " + s.Names.in(lang)[0])
		if t.groups[s] == nil || trim(words) == "" {
			return s, path, nil
		}
		group, level = s, t.groups[s]
	}
}

// wordsOf gives the canonical words that lead to a verb.
func (t *Table[C]) wordsOf(s *Spec[C], lang string) string {
	word := s.Names.in(lang)[0]
	for group, level := range t.groups {
		for _, sub := range level.specs {
			if sub == s {
				return t.wordsOf(group, lang) + " " + word
			}
		}
	}
	return word
}

// line shows how a verb is typed.
func (s *Spec[C]) line(lang, words string) string {
	line := "!" + words
	if s.NeedsTicket {
		line += " #42"
	}
	if usage := s.Usage.In(lang); usage != "" {
		line += " " + usage
	}
	return line
}

// list gives the canonical words of a level that may allows.
func (l *level[C]) list(lang string, may func(*Spec[C]) bool) string {
	var words []string
	for _, s := range l.specs {
		if !s.Hidden && (may == nil || may(s)) {
			words = append(words, s.Names.in(lang)[0])
		}
	}
	return strings.Join(words, ", ")
}

func aliases(names []string) string {
	if len(names) < 2 {
		return ""
	}
	return " (" + strings.Join(names[1:], ", ") + ")"
}

func (w Who) text() chat.Text {
	switch w {
	case Team:
		return chat.Text{FR: "l’équipe", EN: "the team"}
	case Agents:
		return chat.Text{FR: "les agents", EN: "agents"}
	case Coordinators:
		return chat.Text{FR: "la coordination", EN: "coordinators"}
	}
	return chat.Text{FR: "tout le monde", EN: "everybody"}
}

// capital makes a sentence of a summary, which begins with a small letter.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

func colon(lang string) string { return pick(lang, " :", ":") }

func pick(lang, fr, en string) string {
	if lang == "en" {
		return en
	}
	return fr
}
