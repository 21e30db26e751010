// Package statuscmd is the verbs for incidents.
package statuscmd

import (
	"fmt"
	"strings"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/internal/markup"
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
			{ID: "incident.where", Names: names("où", "where"), Who: command.Agents, Number: true, Text: true, Usage: text("n°", "no."),
				Summary: text("ce que chaque salon a reçu", "what each room got"), Run: where},
			{ID: "incident.list", Names: names("liste", "list"), Who: command.Agents,
				Summary: text("les incidents en cours", "the open incidents"), Run: list},
		}}}
}

// inside refuses to announce from a channel that strangers read.
func inside(c *bot.Call) bool { return c.InTeam || c.Direct }

func start(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	return c.StartIncident(a.Rest)
}

func update(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	return c.UpdateIncident(a.Number, a.Raw, a.Rest)
}

func end(c *bot.Call, a command.Args) error {
	if !inside(c) {
		return c.Answer(c.T("incident.not-here"))
	}
	return c.EndIncident(a.Number, a.Raw, a.Rest)
}

func list(c *bot.Call, _ command.Args) error {
	open, err := c.Tx.OpenIncidents()
	if err != nil {
		return err
	}
	if len(open) == 0 {
		return c.Answer(c.T("incident.none"))
	}
	var b strings.Builder
	for _, i := range open {
		fmt.Fprintf(&b, "%d · %s · %s\n", i.ID, i.State.Text().In(c.Lang), markup.Inert(i.Title))
	}
	return c.Answer(strings.TrimRight(b.String(), "\n"))
}

func where(c *bot.Call, a command.Args) error {
	if a.Number == 0 {
		return c.Answer(c.T("incident.which"))
	}
	rows, err := c.Ledger(tickets.ID(a.Number))
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return c.Answer(c.T("incident.unknown", "Number", fmt.Sprint(a.Number)))
	}
	var b strings.Builder
	for _, r := range rows {
		state := c.T("incident.said", "Count", r.Said)
		switch {
		case r.Failed != "":
			state = "⚠️ " + r.Failed
		case r.Waiting:
			state = "⏳ " + state
		}
		fmt.Fprintf(&b, "%s · %s\n", r.Place, state)
	}
	return c.Answer(strings.TrimRight(b.String(), "\n"))
}
