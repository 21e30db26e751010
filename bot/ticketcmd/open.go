package ticketcmd

import (
	"fmt"
	"net/mail"
	"strings"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/internal/markup"
	"permanence/tickets"
)

// ticket opens one: by anyone for themselves with a text; by the team for
// somebody whose message stands in a public channel, or towards an address.
func ticket(c *bot.Call, a command.Args) error {
	if c.Role != tickets.Nobody {
		return ticketForOther(c, a)
	}
	if a.Rest == "" {
		if !c.Submitted && c.Form(chat.Form{ID: "ticket", Title: c.T("form.ticket"), Submit: c.T("form.open"),
			Fields: []chat.Field{{Name: "text", Label: c.T("form.question"), Long: true}}}) {
			return nil
		}
		return c.Answer(c.T("ticket.text-missing"))
	}
	ok, err := c.Ask(a.Rest)
	if err == nil && !ok {
		return c.Answer(c.T("ticket.not-here"))
	}
	return err
}

func ticketForOther(c *bot.Call, a command.Args) error {
	word, rest := command.CutWord(a.Rest)
	switch markup.Fold(word) {
	case "pour", "for":
		address, text := command.CutWord(rest)
		m, err := mail.ParseAddress(strings.Trim(address, "<>"))
		if err != nil {
			return c.Answer(c.T("ticket.address", "Address", address))
		}
		if text == "" {
			return c.Answer(c.T("ticket.text-missing"))
		}
		tk, err := c.OpenFor(c.Desk, m.Address, text, c.Name, c.Person)
		if err != nil {
			return err
		}
		if tk == nil {
			return c.Answer(c.T("ticket.no-mail"))
		}
		return c.Answer(c.T("ticket.opened-for", "Number", fmt.Sprintf("#%d", tk.ID), "Address", m.Address))
	case "":
		if !c.Submitted && c.Form(chat.Form{ID: "ticket", Value: "pour", Title: c.T("form.ticket"), Submit: c.T("form.open"), Fields: []chat.Field{
			{Name: "first", Label: c.T("form.address")}, {Name: "text", Label: c.T("form.message"), Long: true}}}) {
			return nil
		}
		return c.Answer(c.T("ticket.text-missing"))
	}
	tk, err := c.PromoteLines(word)
	if err != nil {
		return err
	}
	if tk == nil {
		return c.Answer(c.T("ticket.nobody", "Name", word))
	}
	return c.Answer(c.T("ticket.opened", "Number", fmt.Sprintf("#%d", tk.ID)))
}

func direct(c *bot.Call, _ command.Args) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	link, err := c.Tx.Link(tk.LastLink)
	if err != nil {
		return err
	}
	move := c.Private
	if link.Kind == tickets.DirectLink {
		move = c.Public
	}
	ok, err := move(&tk, c.Name)
	if err == nil && !ok {
		return c.Answer(c.T("dm.impossible"))
	}
	return err
}

func private(c *bot.Call, _ command.Args) error { return shared(c, false) }
func share(c *bot.Call, _ command.Args) error   { return shared(c, true) }

func shared(c *bot.Call, on bool) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	if on && tk.Service == "" {
		return c.Answer(c.T("share.no-service"))
	}
	return c.Share(&tk, on, c.Name)
}

func service(c *bot.Call, a command.Args) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	return c.Service(&tk, strings.TrimSpace(a.Rest), c.Name)
}

func member(c *bot.Call, a command.Args) error {
	who, name, err := someone(c, a)
	if err != nil {
		return err
	}
	if who == 0 {
		return c.Answer(c.T("someone.unknown"))
	}
	role := tickets.Role("?")
	for _, w := range a.Words {
		switch markup.Fold(w) {
		case "agent":
			role = tickets.Agent
		case "essai", "trainee":
			role = tickets.Trainee
		case "coordination", "coordinator":
			role = tickets.Coordinator
		case "aucun", "none":
			role = tickets.Outsider
		}
	}
	if role == "?" {
		return c.Answer(c.T("member.which"))
	}
	if err := c.Tx.SetRole(c.Desk.Name, who, role, c.Person, c.Now); err != nil {
		return err
	}
	id := "role." + string(role)
	if role == tickets.Outsider {
		id = "role.none"
	}
	return c.Answer(c.T("member.set", "Name", name, "Role", c.T(id)))
}
