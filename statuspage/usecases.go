package statuspage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Start makes an incident of one line. It refuses nothing but an empty text:
// components and impact that it does not recognise are asked about afterwards.
// The store gives the incident its number, and the update the incident's.
func Start(o Origin, components Components, text string) (Incident, Update, error) {
	if clean(text) == "" {
		return Incident{}, Update{}, refuse(
			"Rien n’est publié : dites ce qui arrive, par exemple `!incident début messagerie envois retardés`.",
			"Nothing is published: say what happens, for example `!incident start mail delayed sending`.")
	}
	a := components.read(text, o.Lang)
	inc := Incident{
		UID: newUID(), Kind: Unplanned, Lang: o.Lang,
		Title: a.title, State: Investigating, Impact: a.impact,
		Started: o.At, Noticed: o.At, Published: o.At, Updated: o.At,
		TeamAdapter: o.Place.Adapter, TeamRoom: o.Place.Room, TeamThread: o.Place.Thread,
		Author: o.By, Affected: affected(a),
	}
	return inc, newUpdate(o, inc, a.body), nil
}

func affected(a announcement) []Affected {
	var list []Affected
	for _, c := range a.components {
		list = append(list, Affected{Component: c.ID, Name: c.Name, Status: a.impact.Status()})
	}
	return list
}

func newUpdate(o Origin, inc Incident, body string) Update {
	return Update{
		UID: newUID(), Incident: inc.ID, State: inc.State, Body: body,
		Lang: o.Lang, Published: o.At, Author: o.By,
	}
}

// AddUpdate says something new about an open incident. A state at the front
// ("identifié : un disque") becomes the incident's; without one it stays as it
// is.
func AddUpdate(o Origin, inc Incident, text string) (Incident, Update, error) {
	text = clean(text)
	if !inc.Open() {
		return inc, Update{}, refuse(
			fmt.Sprintf("L’incident %d est terminé : rien n’est publié. S’il recommence, `!incident début` en ouvre un autre ; pour rectifier, `!incident corriger %d`.", inc.ID, inc.ID),
			fmt.Sprintf("Incident %d has ended: nothing is published. If it starts again, `!incident start` opens another; to put something right, `!incident edit %d`.", inc.ID, inc.ID))
	}
	if text == "" {
		return inc, Update{}, refuse(
			fmt.Sprintf("Rien n’est publié : il manque le texte, par exemple `!incident maj %d identifié : un disque est remplacé`.", inc.ID),
			fmt.Sprintf("Nothing is published: the text is missing, for example `!incident update %d identified: a disk is being replaced`.", inc.ID))
	}
	labels := stateLabels()
	if inc.Kind == Maintenance {
		labels = maintenanceLabels()
	}
	state, body := readState(text, labels)
	if state != "" {
		inc.State = state
	}
	if body == "" {
		body = stateSentence(state, o.Lang)
	}
	inc.Updated, inc.NextWord = o.At, 0
	return inc, newUpdate(o, inc, body), nil
}

// readState reads a state written as a label at the front, or as the whole
// text, whose body is empty then; a state that begins a sentence is part of the
// sentence.
func readState(text string, labels []label[State]) (State, string) {
	f := fold(text)
	state, end, ok := readLabel(f, 0, labels)
	if !ok {
		return "", text
	}
	end = f.skip(end, " ")
	if f.skip(end, ".!") == len(f.runes) {
		return state, ""
	}
	rest := f.skip(end, ":,;-–— ")
	if rest == end || rest == len(f.runes) {
		return "", text
	}
	return state, text[f.from[rest]:]
}

// End says that it is over. An empty text says just that.
func End(o Origin, inc Incident, text string) (Incident, Update, error) {
	if !inc.Open() {
		return inc, Update{}, refuse(
			fmt.Sprintf("L’incident %d est déjà terminé : la fin n’est pas annoncée une seconde fois.", inc.ID),
			fmt.Sprintf("Incident %d has already ended: its end is not announced a second time.", inc.ID))
	}
	w := words{o.Lang}
	sentence := w.pick("L’incident est terminé.", "The incident is over.")
	inc.State = Resolved
	if inc.Kind == Maintenance {
		sentence = w.pick("Les travaux sont terminés.", "The work is done.")
		inc.State = Completed
	}
	if text = clean(text); text == "" {
		text = sentence
	}
	inc.Resolved, inc.Updated, inc.NextWord = o.At, o.At, 0
	return inc, newUpdate(o, inc, text), nil
}

// Correct replaces the text of an update. Where it is the first one, the line
// is read anew and the title, the components and the impact follow.
func Correct(o Origin, components Components, inc Incident, u Update, first bool, text string) (Incident, Update, error) {
	text = clean(text)
	if text == "" {
		return inc, u, refuse(
			"Rien n’est corrigé : il manque le texte qui remplace l’ancien.",
			"Nothing is corrected: the text that replaces the old one is missing.")
	}
	body := text
	if first {
		a := components.read(text, u.Lang)
		body = a.body
		if a.title == inc.Title && body == u.Body {
			return inc, u, unchanged()
		}
		inc.Title, inc.Impact, inc.Affected = a.title, a.impact, affected(a)
		for i := range inc.Affected {
			inc.Affected[i].Incident = inc.ID
		}
	} else if body == u.Body {
		return inc, u, unchanged()
	}
	u.Body, u.Edited, inc.Updated = body, o.At, o.At
	return inc, u, nil
}

func unchanged() error {
	return refuse("Rien n’est corrigé : le texte est le même.", "Nothing is corrected: the text is the same.")
}

// SplitNumber takes the incident's number from the front of a text: "12 tout
// est rentré dans l'ordre". It is 0 where there is none ("22h30 au plus tard"
// has none).
func SplitNumber(text string) (number ID, rest string) {
	text = strings.TrimSpace(text)
	word, rest, _ := strings.Cut(text, " ")
	if i := strings.IndexFunc(text, func(r rune) bool { return r == '\n' || r == '\t' || r == '\u00A0' }); i >= 0 && i < len(word) {
		word, rest = text[:i], text[i:]
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(word, ":"), 10, 63)
	if err != nil || n <= 0 || word[0] == '+' {
		return 0, text
	}
	return n, strings.TrimSpace(strings.ReplaceAll(rest, "\u00A0", " "))
}

// Choose finds which open incident, or planned work, a command speaks of: the
// number at the front of the text, else here (the one in whose thread it was
// typed, 0 for none), else the only open one of the kind. rest is the text
// without the number. A number that is not open is refused rather than taken
// for text: ending the wrong incident in public is worse than typing once
// more.
func Choose(open []Incident, kind Kind, here ID, text string) (inc Incident, rest string, err error) {
	open = slices.DeleteFunc(slices.Clone(open), func(i Incident) bool { return i.Kind != kind })
	number, rest := SplitNumber(text)
	if number == 0 && here != 0 {
		for _, i := range open {
			if i.ID == here {
				return i, rest, nil
			}
		}
	}
	switch {
	case len(open) == 0 && kind == Maintenance:
		return Incident{}, rest, refuse("Aucuns travaux ne sont en cours ni prévus.", "No work is in progress or planned.")
	case len(open) == 0:
		return Incident{}, rest, refuse("Aucun incident n’est en cours.", "No incident is open.")
	case number == 0 && len(open) == 1:
		return open[0], rest, nil
	case number == 0:
		return Incident{}, rest, refuse(
			"Il y en a plusieurs ; ajoutez le numéro :\n"+openList(open),
			"There are several; add the number:\n"+openList(open))
	}
	for _, i := range open {
		if i.ID == number {
			return i, rest, nil
		}
	}
	return Incident{}, rest, refuse(
		fmt.Sprintf("Le numéro %d n’est pas en cours. Le sont (pour un texte qui commence par un nombre, écrivez d’abord le numéro) :\n%s", number, openList(open)),
		fmt.Sprintf("Number %d is not open. Open are (for a text that begins with a number, write the incident's number first):\n%s", number, openList(open)))
}

func openList(open []Incident) string {
	var b strings.Builder
	for i, inc := range open {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- %d %s", inc.ID, escapeMarkdown(inc.Title))
	}
	return b.String()
}
