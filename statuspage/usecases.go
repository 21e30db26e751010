package statuspage

import (
	"fmt"
	"strings"

	"permanence/bot/chat"
)

// Start makes an incident of one line. It refuses nothing but an empty text:
// components and impact that it does not recognise are asked about afterwards
// (Unrecognised). "Depuis 21h40" says when it began, "prochaine info 22h30"
// when the next word comes. The store gives the incident its number, and the update the incident's.
func Start(o Origin, components Components, text string) (Incident, Update, error) {
	if clean(text) == "" {
		return Incident{}, Update{}, refuse(
			"Rien n’est publié : dites ce qui arrive, par exemple `!incident début messagerie envois retardés`.",
			"Nothing is published: say what happens, for example `!incident start mail delayed sending`.")
	}
	started, ok := o.when().Since(text, o.At)
	if !ok {
		started = o.At
	}
	next, text, _ := o.when().promise(text, o.At)
	a := components.read(text, o.Lang)
	inc := Incident{
		UID: newUID(), Kind: Unplanned, Lang: o.Lang,
		Title: a.title, State: Investigating, Impact: a.impact,
		Started: started, Noticed: o.At, Published: o.At, Updated: o.At, NextWord: next,
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
	next, text, _ := o.when().promise(text, o.At)
	state, body := readState(text, labels)
	if state != "" {
		inc.State = state
	}
	if state == InProgress && inc.Started == 0 {
		inc.Started = o.At
	}
	if body == "" {
		if state == "" {
			state = inc.State
		}
		body = stateSentence(state, o.Lang)
	}
	inc.Updated, inc.NextWord = o.At, next
	return inc, newUpdate(o, inc, body), nil
}

// Unrecognised says, after the announcement, what was not recognised in it and
// how to add it; empty where nothing is missing. It is never asked before.
func Unrecognised(o Origin, inc Incident, text string) []chat.Text {
	var ask []chat.Text
	if len(inc.Affected) == 0 {
		ask = append(ask, chat.Text{
			FR: fmt.Sprintf("Aucun service n’est reconnu : pour en nommer un, `!incident corriger %d service : texte`.", inc.ID),
			EN: fmt.Sprintf("No service is recognised: to name one, `!incident edit %d service: text`.", inc.ID),
		})
	}
	if _, _, err := o.when().promise(clean(text), o.At); err != nil {
		if r, ok := err.(*Refusal); ok {
			ask = append(ask, chat.Text{
				FR: "La promesse d’une prochaine info reste dans le texte, sans rappel. " + r.Reason.FR,
				EN: "The promise of a next word stays in the text, without a reminder. " + r.Reason.EN,
			})
		}
	}
	return ask
}

// promise is NextWord for a text that may hold nothing else: the promise alone
// is a text too.
func (w When) promise(text string, now Time) (at Time, rest string, err error) {
	at, rest, err = w.NextWord(text, now)
	if at != 0 && strings.Trim(rest, " .,;:!") == "" {
		rest = words{w.Lang}.pick("Prochaines nouvelles ", "Next word ") + w.Moment(at, now) + "."
	}
	return at, rest, err
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
		return inc, Update{}, inc.over()
	}
	if inc.State == Scheduled {
		return inc, Update{}, refuse(
			fmt.Sprintf("Les travaux %d n’ont pas commencé : rien n’est publié. `!travaux annuler %d` pour y renoncer, `!travaux début %d` pour les commencer.", inc.ID, inc.ID, inc.ID),
			fmt.Sprintf("Work %d has not begun: nothing is published. `!maintenance cancel %d` to give it up, `!maintenance start %d` to begin.", inc.ID, inc.ID, inc.ID))
	}
	inc.State = Resolved
	if inc.Kind == Maintenance {
		inc.State = Completed
	}
	if text = clean(text); text == "" {
		text = EndSentence(inc.Kind, o.Lang)
	}
	inc.Resolved, inc.Updated, inc.NextWord = o.At, o.At, 0
	return inc, newUpdate(o, inc, text), nil
}

// EndSentence is the body of an end that says nothing else.
func EndSentence(kind Kind, lang string) string {
	if kind == Maintenance {
		return words{lang}.pick("Les travaux sont terminés.", "The work is done.")
	}
	return words{lang}.pick("L’incident est terminé.", "The incident is over.")
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
		a := components.readAs(inc.Kind, text, u.Lang)
		body = a.body
		if inc.Kind == Maintenance {
			a.impact = PlannedImpact
		} else if began, ok := o.when().Since(text, o.At); ok {
			inc.Started = began
		}
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
