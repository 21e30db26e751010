// Package statuscmd is the verbs for incidents.
package statuscmd

import (
	"fmt"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/tickets"
)

type spec = command.Spec[*bot.Call]

func names(fr string, en string) command.Names {
	return command.Names{FR: []string{fr}, EN: []string{en}}
}
func text(fr, en string) chat.Text { return chat.Text{FR: fr, EN: en} }

// Specs are the verbs for incidents.
func Specs() []command.Spec[*bot.Call] {
	return []spec{{ID: "incident", Names: names("incident", "incident"), Who: command.Agents,
		Summary: text("dire partout qu’un incident commence, et qu’il finit", "tell everywhere that an incident starts, and that it is over"),
		Sub: []spec{
			{ID: "incident.start", Names: names("début", "start"), Who: command.Agents, Text: true, Usage: text("texte", "text"),
				Summary: text("annoncer un incident", "announce an incident"), Run: start},
			{ID: "incident.update", Names: names("maj", "update"), Who: command.Agents, Text: true, Number: true, Usage: text("[n°] texte", "[no.] text"),
				Summary: text("donner des nouvelles", "give news"), Run: update},
			{ID: "incident.end", Names: names("fin", "end"), Who: command.Agents, Text: true, Number: true, Usage: text("[n°] [texte]", "[no.] [text]"),
				Summary: text("annoncer la fin", "announce the end"), Run: end},
			{ID: "incident.edit", Names: names("corriger", "edit"), Who: command.Agents, Text: true, Number: true, Usage: text("[n°] texte", "[no.] text"),
				Summary: text("corriger la dernière nouvelle, ou la deuxième : `12.2 texte`", "correct the last news, or the second: `12.2 text`"), Run: edit},
			{ID: "incident.where", Names: command.Names{FR: []string{"où", "voir"}, EN: []string{"where", "show"}}, Who: command.Agents, Number: true, Text: true, Usage: text("n°", "no."),
				Summary: text("ce que chaque salon a reçu, et qui attend", "what each room got, and who waits"), Run: where},
			{ID: "incident.retry", Names: names("relancer", "retry"), Who: command.Agents, Number: true, Usage: text("n°", "no."),
				Summary: text("redire ce qui n’a pas pu être dit", "say again what could not be said"), Run: retry},
			{ID: "incident.attach", Names: names("rattacher", "attach"), Who: command.Agents, Number: true, Usage: text("#42 [n°]", "#42 [no.]"),
				Summary: text("rattacher un ticket à un incident", "attach a ticket to an incident"), Run: attach},
			{ID: "incident.detach", Names: names("détacher", "detach"), Who: command.Agents, Usage: text("#42", "#42"),
				Summary: text("détacher un ticket de son incident", "detach a ticket from its incident"), Run: detach},
			{ID: "incident.answer", Names: names("réponse", "answer"), Who: command.Agents, Proposes: true, Text: true, Number: true, Usage: text("n° [texte]", "no. [text]"),
				Summary: text("la réponse à toutes les demandes rattachées", "the answer to all attached requests"), Run: answer},
			{ID: "incident.send", Names: names("envoyer", "send"), Who: command.Agents, Number: true, Usage: text("n°", "no."),
				Summary: text("envoyer cette réponse à chaque demande, quand c’est fini", "send that answer to each request, when it is over"), Run: send},
			{ID: "incident.list", Names: names("liste", "list"), Who: command.Agents,
				Summary: text("les incidents en cours et les travaux prévus", "the open incidents and the planned work"), Run: list},
			{ID: "incident.report", Names: names("bilan", "report"), Who: command.Agents, Text: true, Number: true, Usage: text("année | n° texte", "year | no. text"),
				Summary: text("le bilan d’une année, ou d’un incident", "the report of a year, or of an incident"), Run: report},
			{ID: "incident.publish", Names: names("publier", "publish"), Who: command.Agents, Number: true,
				Summary: text("publier ce qui vient d’être montré", "publish what was just shown"), Run: publish},
			{ID: "incident.correct", Names: names("reprendre", "rewrite"), Who: command.Agents, Number: true, Hidden: true,
				Summary: text("reprendre le texte montré", "rewrite the text that was shown"), Run: correct},
		}}, {ID: "maintenance", Names: names("travaux", "maintenance"), Who: command.Agents,
		Summary: text("prévoir des travaux, et dire où ils en sont", "plan work, and say how it goes"),
		Sub: []spec{
			{ID: "maintenance.plan", Names: names("prévoir", "plan"), Who: command.Agents, Text: true, Usage: text("quand texte", "when text"),
				Summary: text("annoncer des travaux : `demain 22h pendant 2h messagerie : disque`", "announce work: `tomorrow 10pm for 2h mail: disk`"), Run: plan},
			{ID: "maintenance.move", Names: names("reporter", "move"), Who: command.Agents, Text: true, Number: true, Usage: text("[n°] quand [texte]", "[no.] when [text]"),
				Summary: text("changer leurs dates", "change its times"), Run: move},
			{ID: "maintenance.cancel", Names: names("annuler", "cancel"), Who: command.Agents, Text: true, Number: true, Usage: text("[n°] [texte]", "[no.] [text]"),
				Summary: text("y renoncer", "give it up"), Run: cancel},
			{ID: "maintenance.start", Names: names("début", "start"), Who: command.Agents, Text: true, Number: true, Usage: text("[n°] [texte]", "[no.] [text]"),
				Summary: text("les commencer avant l’heure", "begin before its time"), Run: begin},
			{ID: "maintenance.end", Names: names("fin", "end"), Who: command.Agents, Text: true, Number: true, Usage: text("[n°] [texte]", "[no.] [text]"),
				Summary: text("annoncer leur fin", "announce its end"), Run: done},
			{ID: "maintenance.publish", Names: names("publier", "publish"), Who: command.Agents, Number: true,
				Summary: text("publier ce qui vient d’être montré", "publish what was just shown"), Run: publish},
		}}}
}

// inside refuses to announce from a channel that strangers read.
func inside(c *bot.Call) bool { return c.InTeam || c.Direct }

// ask opens a form for a text that is missing, where the network has forms and
// the caller has not just filled one in. The end needs no words: a form that
// comes back empty ends it. about is how the text begins.
func ask(c *bot.Call, a command.Args, id, title, about string, optional bool) bool {
	if a.Rest != "" || c.Submitted {
		return false
	}
	value := ""
	if a.Number != 0 {
		value = fmt.Sprint(a.Number)
	}
	return c.Form(chat.Form{ID: id, Value: value, Title: c.T(title, "Number", value), Submit: c.T("form.publish"),
		Fields: []chat.Field{{Name: "text", Label: c.T("form.public-text"), Text: about, Long: true, Optional: optional}}})
}

func start(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	about := ""
	if c.Pressed && a.Ticket != 0 { // the button of a proposal
		var err error
		if about, err = c.AboutTicket(tickets.ID(a.Ticket)); err != nil {
			return err
		}
	}
	if ask(c, a, "incident.start", "form.incident-start", about, false) {
		return nil
	}
	return c.StartIncident(a.Rest)
}

func update(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	if ask(c, a, "incident.update", "form.incident-update", "", false) {
		return nil
	}
	return c.UpdateIncident(a.Number, a.Raw, a.Rest)
}

func end(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	if ask(c, a, "incident.end", "form.incident-end", "", true) {
		return nil
	}
	return c.EndIncident(a.Number, a.Raw, a.Rest)
}

// number is the incident's: typed, or of a button, whose value is written as
// a ticket's is.
func number(c *bot.Call, a command.Args) int64 {
	if a.Number == 0 && c.Pressed {
		return a.Ticket
	}
	return a.Number
}

func edit(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	if ask(c, a, "incident.edit", "form.incident-edit", "", false) {
		return nil
	}
	return c.CorrectIncident(a.Number, a.Raw, a.Rest)
}

func retry(c *bot.Call, a command.Args) error {
	n := number(c, a)
	if n == 0 {
		return c.Answer(c.T("incident.which"))
	}
	return c.RetryIncident(n)
}

func attach(c *bot.Call, a command.Args) error {
	ticket := ticketOf(c, a)
	if ticket == 0 {
		return c.Answer(c.T("incident.attach-how"))
	}
	return c.Attach(ticket, a.Number)
}

func detach(c *bot.Call, a command.Args) error {
	ticket := ticketOf(c, a)
	if ticket == 0 {
		return c.Answer(c.T("incident.attach-how"))
	}
	return c.Detach(ticket)
}

// ticketOf is the ticket typed, else the one of the thread.
func ticketOf(c *bot.Call, a command.Args) tickets.ID {
	if a.Ticket != 0 {
		return tickets.ID(a.Ticket)
	}
	return c.Ticket
}

// answer shows or replaces the common answer; its button opens a form with the
// words that stand.
func answer(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	n := number(c, a)
	if c.Pressed && n != 0 {
		words, err := c.AnswerWords(n)
		if err != nil {
			return err
		}
		if words != "" && c.Form(chat.Form{ID: "incident.answer", Value: fmt.Sprint(n), Title: c.T("form.answer", "Number", fmt.Sprint(n)),
			Submit: c.T("form.preview"), Fields: []chat.Field{{Name: "text", Label: c.T("form.answer-text"), Long: true, Text: words}}}) {
			return nil
		}
	}
	return c.CommonAnswer(n, a.Rest)
}

// send sends the common answer. A button names the revision that its presser
// read, "12 2".
func send(c *bot.Call, a command.Args) error {
	if c.Pressed {
		return c.SendAnswer(a.Ticket, int(a.Number))
	}
	return c.SendAnswer(a.Number, 0)
}

func report(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	return c.Report(a.Number, a.Rest)
}

func publish(c *bot.Call, a command.Args) error { return c.Publish(number(c, a)) }

func correct(c *bot.Call, a command.Args) error { return c.CorrectDraft(number(c, a)) }

func plan(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	if ask(c, a, "maintenance.plan", "form.work-plan", "", false) {
		return nil
	}
	return c.PlanWork(a.Rest)
}

func move(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	if ask(c, a, "maintenance.move", "form.work-move", "", false) {
		return nil
	}
	return c.MoveWork(a.Number, a.Raw, a.Rest)
}

func cancel(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	return c.CancelWork(a.Number, a.Raw, a.Rest)
}

func begin(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	return c.BeginWork(a.Number, a.Raw, a.Rest)
}

func done(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	return c.EndWork(number(c, a), a.Raw, a.Rest)
}
