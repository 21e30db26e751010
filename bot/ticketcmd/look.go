package ticketcmd

import (
	"fmt"
	"slices"
	"strings"

	"permanence/bot"
	"permanence/bot/command"
	"permanence/bot/outbox"
	"permanence/internal/markup"
	"permanence/tickets"
)

func focus(c *bot.Call, a command.Args) error {
	if a.Ticket == 0 {
		if !c.Focused && c.Ticket == 0 {
			return c.Answer(c.T("focus.none"))
		}
		if err := c.Tx.SetFocus(c.Person, c.Adapter, c.Room, 0); err != nil {
			return err
		}
		return c.Answer(c.T("focus.left"))
	}
	tk, err := c.Find(tickets.ID(a.Ticket))
	if err != nil {
		return err
	}
	if tk.ID == 0 {
		return c.Answer(c.T("command.no-ticket", "Number", fmt.Sprintf("#%d", a.Ticket)))
	}
	if err := c.Tx.SetFocus(c.Person, c.Adapter, c.Room, tk.ID); err != nil {
		return err
	}
	return c.Answer(c.T("focus.on", "Number", fmt.Sprintf("#%d", tk.ID), "Subject", markup.Inert(tk.Subject)))
}

func list(c *bot.Call, a command.Args) error {
	if c.Desk == nil {
		return nil
	}
	f := bot.TicketFilter{Desk: c.Desk.Name, Open: true, Limit: 20}
	if len(a.Words) > 0 {
		switch markup.Fold(a.Words[0]) {
		case "moi", "miens", "mine", "me":
			f.Owner = c.Person
		case "libres", "libre", "free":
			f.Unowned = true
		case "tout", "tous", "all":
			f.Open = false
		}
	}
	ts, err := c.Tx.Tickets(f)
	if err != nil {
		return err
	}
	if len(ts) == 0 {
		return c.Answer(c.T("list.none"))
	}
	return c.Answer(lines(c, ts))
}

func lines(c *bot.Call, ts []tickets.Ticket) string {
	var b strings.Builder
	for _, t := range ts {
		owner := c.T("card.free")
		if t.Owner != 0 {
			if p, err := c.Tx.Person(t.Owner); err == nil {
				owner = p.Name
			}
		}
		fmt.Fprintf(&b, "#%d · %s · %s · %s", t.ID, c.T("state."+string(t.State)), markup.Inert(t.Subject), owner)
		if t.Incident != 0 {
			b.WriteString(" · " + c.T("card.incident", "Number", fmt.Sprint(t.Incident)))
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func show(c *bot.Call, _ command.Args) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	es, err := c.Tx.LastEntries(tk.ID, 30)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(lines(c, []tickets.Ticket{tk}))
	var said []tickets.Entry // the last five words; what changed is on the card
	for _, e := range slices.Backward(es) {
		if !e.Deleted && (e.Body != "" || e.Sealed) && e.Kind != tickets.Change && len(said) < 5 {
			said = append(said, e)
		}
	}
	for _, e := range slices.Backward(said) {
		sign, err := signOf(c, e)
		if err != nil {
			return err
		}
		if sign == "" {
			continue // a reply that did not leave: its note is shown
		}
		text, _ := markup.Excerpt(strings.Join(strings.Fields(markup.Inert(e.Body)), " "), 200)
		if e.Sealed {
			text = c.T("line.sealed")
		}
		name := markup.Inert(e.Name)
		if name != "" {
			name += c.T("show.colon")
		}
		how, err := howSent(c, e)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n%s %s%s%s", sign, name, text, how)
	}
	if link := c.Page(tk.ID); link != "" {
		b.WriteString("\n" + link)
	}
	return c.Answer(b.String())
}

// howSent tells how sure it is that a reply has arrived: networks that echo
// what they said confirm it, others merely accept it.
func howSent(c *bot.Call, e tickets.Entry) (string, error) {
	if e.Kind != tickets.Reply || e.Source == 0 {
		return "", nil
	}
	ds, err := c.Tx.ReplyDeliveries(e.ID)
	if err != nil {
		return "", err
	}
	how := ""
	for _, d := range ds {
		switch {
		case d.Op != outbox.Say || d.Entry != e.ID || d.State != outbox.Done:
		case !d.Confirmed:
			return " " + c.T("show.accepted"), nil
		default:
			how = " " + c.T("show.confirmed")
		}
	}
	return how, nil
}

// signOf tells what an entry is; empty for a reply that has not left.
func signOf(c *bot.Call, e tickets.Entry) (string, error) {
	switch e.Kind {
	case tickets.Message:
		return "📨", nil
	case tickets.Auto:
		return "🤖", nil
	case tickets.Reply:
		if e.Source == 0 {
			return "📣", nil
		}
		r, err := c.Tx.Reply(e.ID)
		if err != nil {
			return "", err
		}
		switch r.State {
		case tickets.Sent, tickets.Leaving:
			return "📬", nil
		case tickets.Lost:
			return "⚠️", nil
		}
		return "", nil
	}
	return "·", nil
}

func find(c *bot.Call, a command.Args) error {
	words := strings.Fields(markup.Fold(a.Rest))
	if c.Desk == nil || len(words) == 0 {
		return c.Answer(c.T("find.empty"))
	}
	ts, err := c.Tx.SearchTickets(c.Desk.Name, words, 10)
	if err != nil {
		return err
	}
	if len(ts) == 0 {
		return c.Answer(c.T("find.none"))
	}
	return c.Answer(lines(c, ts))
}

func help(c *bot.Call, a command.Args) error {
	if a.Rest != "" {
		t, err := c.HelpOne(a.Rest)
		if err != nil {
			return err
		}
		return c.Answer(t)
	}
	return c.Answer(c.Help())
}
