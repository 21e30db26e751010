// Package command is one table of verbs behind !text, /slash commands, buttons
// and reactions: what a verb is called in each language, who may call it, what
// it takes, and what runs. Help, suggestions and rights fall out of the table,
// and a handler cannot tell which of the four ways called it.
//
// The package knows words alone. What a call carries besides its words (who,
// where, in which transaction) is the type C of its user.
package command

import (
	"fmt"

	"permanence/bot/chat"
)

// HelpID is the ID of the verb that shows the help; errors name it where the
// table has one.
const HelpID = "help"

// Names are the words of a verb. In each language the first is the canonical
// one and the rest are aliases; all of them are always understood. Case,
// accents and invisible characters do not count.
type Names struct{ FR, EN []string }

// in gives the words of one language, the canonical one first.
func (n Names) in(lang string) []string {
	if lang == "en" {
		return n.EN
	}
	return n.FR
}

// Who may call a verb. The caller of the table checks it: rights are those of
// the person whose message, click or reaction it is, at that moment.
type Who int

const (
	Anyone       Who = iota
	Team             // everybody of the team, trainees too
	Agents           // trainees where Proposes says so
	Coordinators     //
)

// Spec is one verb, or a group of verbs. C is what a handler is given about
// the call.
type Spec[C any] struct {
	// ID is the verb's name in code and in buttons: "close", "incident.start".
	ID    string
	Names Names
	// Usage shows what follows the word, without the ticket's number: "texte".
	Usage chat.Text
	// Summary is one sentence that begins with a small letter and ends without
	// a full stop.
	Summary chat.Text
	Who     Who
	// Proposes: a trainee may call it too, which makes a proposal.
	Proposes bool
	// NeedsTicket: it concerns one ticket, see Args.ForTicket.
	NeedsTicket bool
	// Text: what follows is a text to be kept as typed. A #42 inside it is
	// part of it, only one at its beginning is the ticket.
	Text bool
	// Number: a bare number at the beginning of the arguments, or between the
	// group and this verb, is that of an incident or maintenance.
	Number bool
	// Umbrella: as a slash command it carries the other verbs too, as in
	// "/ticket fermer #42".
	Umbrella bool
	// Hidden: understood, but neither listed nor suggested.
	Hidden bool
	// Sub are the verbs of a group. A group that has a Run of its own takes
	// whatever is none of their words as arguments.
	Sub []Spec[C]
	Run func(C, Args) error
}

// Args is what followed a verb.
type Args struct {
	// Ticket is the number written #42, 0 if there was none.
	Ticket int64
	// Number is the bare number that a verb with Spec.Number takes, 0 if there
	// was none.
	Number int64
	// Rest is what follows, without Ticket and Number, as typed: line breaks,
	// quotes and the indentation of the first line are kept, space around is
	// cut.
	Rest string
	// Words are the words of Rest, quotes taken off.
	Words []string
	// Raw is Rest before Ticket and Number were taken out, for a verb that
	// finds that the number was a part of the text after all.
	Raw string
}

// Mentions are the names written @name, in order, without the @.
func (a Args) Mentions() []string {
	var names []string
	for _, word := range a.Words {
		if name, ok := mention(word); ok {
			names = append(names, name)
		}
	}
	return names
}

// ForTicket gives the ticket that a verb is about: the number typed or, in a
// ticket's thread, the thread's (0 elsewhere). Both must agree, so that a
// number from another thread never acts on the wrong ticket. The error is a
// *UserError.
func (a Args) ForTicket(thread int64) (int64, error) {
	switch {
	case a.Ticket == 0 && thread == 0:
		return 0, Errorf(
			"Il manque le numéro du ticket : écrivez-le avec #, par exemple #42.",
			"The ticket’s number is missing: write it with #, for example #42.")
	case a.Ticket == 0:
		return thread, nil
	case thread != 0 && thread != a.Ticket:
		return 0, &UserError{Text: chat.Text{
			FR: fmt.Sprintf("Ce fil est celui du ticket #%d, pas du #%d. Rien n’a été fait : écrivez dans le fil du #%d, ou sans numéro.", thread, a.Ticket, a.Ticket),
			EN: fmt.Sprintf("This is the thread of ticket #%d, not of #%d. Nothing was done: write in the thread of #%d, or without a number.", thread, a.Ticket, a.Ticket),
		}}
	}
	return a.Ticket, nil
}

// UserError is an error for the person who called: it says what happened and
// what to do, and nothing of it is of interest to the log.
type UserError struct {
	Text chat.Text
	// Unknown: the first word is no verb. Where people outside the team write,
	// this is no error: they have said something, or called another program.
	Unknown bool
	// Suggestion is the word that was probably meant.
	Suggestion string
}

func (e *UserError) Error() string { return e.Text.EN }

// Errorf makes a UserError from both languages; args fill both.
func Errorf(fr, en string, args ...any) *UserError {
	return &UserError{Text: chat.Text{FR: fmt.Sprintf(fr, args...), EN: fmt.Sprintf(en, args...)}}
}
