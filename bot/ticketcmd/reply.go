package ticketcmd

import (
	"fmt"
	"strings"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/internal/markup"
	"permanence/tickets"
)

func reply(c *bot.Call, a command.Args) error      { return say(c, a, false) }
func replyClose(c *bot.Call, a command.Args) error { return say(c, a, true) }

// say takes the text as a note of the ticket, and sends that note: so the
// words stand in every team room, and what shows their fate stands on them.
func say(c *bot.Call, a command.Args, close bool) error {
	if a.Rest == "" {
		return draft(c, close)
	}
	if command.Guarded(a.Rest) {
		return c.Answer(c.T("reply.command"))
	}
	gather := c.Focused && c.Bot().Threadless(c.Place())
	if gather && !close {
		if on, err := c.Gathering(); err != nil {
			return err
		} else if on {
			n, err := c.Gather(nil, a.Rest)
			if err != nil {
				return err
			}
			return c.Answer(c.T("reply.gathered", "Count", n, "Number", fmt.Sprintf("#%d", c.Ticket)))
		}
	}
	e, err := c.TakeNote(a.Rest)
	if err != nil {
		return err
	}
	if gather && !close {
		n, err := c.Gather(e, a.Rest)
		if err != nil {
			return err
		}
		if n == 0 {
			return c.Answer(c.T("reply.nowhere"))
		}
		return c.Answer(c.T("reply.gathered", "Count", n, "Number", fmt.Sprintf("#%d", c.Ticket)))
	}
	return c.Send(bot.Gesture{Source: e.ID, Person: c.Person, Role: c.Role, Close: close, Say: c.Answer})
}

// draft is a reply without words: a form with the last note in it, where the
// network has forms; else the last note itself is sent.
func draft(c *bot.Call, close bool) error {
	last, ok, err := c.LastNote()
	if err != nil {
		return err
	}
	prefilled := ""
	if ok {
		prefilled = last.Body
	}
	verb := "reply"
	if close {
		verb = "reply-close"
	}
	if c.Form(chat.Form{ID: verb, Value: fmt.Sprintf("#%d", c.Ticket), Title: c.T("form.reply", "Number", fmt.Sprintf("#%d", c.Ticket)),
		Submit: c.T("form.send"), Fields: []chat.Field{{Name: "text", Label: c.T("form.text"), Text: prefilled, Long: true}}}) {
		return nil
	}
	if !ok || c.Pressed {
		// A button that wanted a form must not send what was meant to stay.
		return c.Answer(c.T("reply.no-text"))
	}
	return c.Send(bot.Gesture{Source: last.ID, Person: c.Person, Role: c.Role, Close: close, Say: c.Answer})
}

func stop(c *bot.Call, _ command.Args) error {
	n, err := c.Stop(c.Ticket)
	if err != nil {
		return err
	}
	if n == 0 {
		return c.Answer(c.T("reply.nothing-held"))
	}
	return nil // the status line says so
}

func send(c *bot.Call, _ command.Args) error {
	src, err := c.Gathered()
	if err != nil {
		return err
	}
	if src == 0 {
		last, ok, err := c.LastNote()
		if err != nil {
			return err
		}
		if !ok {
			return c.Answer(c.T("reply.nothing-to-send"))
		}
		src = last.ID
	}
	return c.Send(bot.Gesture{Source: src, Person: c.Person, Role: c.Role, Say: c.Answer})
}

func review(c *bot.Call, a command.Args) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	whom := strings.Join(a.Mentions(), " @")
	if whom != "" {
		whom = "@" + whom
	} else if tk.Owner != 0 && tk.Owner != c.Person {
		p, err := c.Tx.Person(tk.Owner)
		if err != nil {
			return err
		}
		whom = p.Name
	}
	return c.TellTeam(c.Ticket, c.T("review.asked", "Name", c.Name, "Whom", whom))
}

func claim(c *bot.Call, _ command.Args) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	switch tk.Owner {
	case 0:
	case c.Person:
		return c.Answer(c.T("claim.yours"))
	default:
		owner, err := c.Tx.Person(tk.Owner)
		if err != nil {
			return err
		}
		return c.Answer(c.T("claim.taken", "Name", markup.Inert(owner.Name)))
	}
	return c.Claim(&tk, c.Person, c.Name)
}

func release(c *bot.Call, _ command.Args) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	if tk.Owner == 0 {
		return c.Answer(c.T("claim.free"))
	}
	return c.Release(&tk, c.Person, c.Name)
}

func assign(c *bot.Call, a command.Args) error {
	who, name, err := someone(c, a)
	if err != nil {
		return err
	}
	if who == 0 {
		return c.Answer(c.T("someone.unknown"))
	}
	role, err := c.RoleOf(who)
	if err != nil {
		return err
	}
	if role == tickets.Nobody {
		return c.Answer(c.T("someone.not-team", "Name", name))
	}
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	if err := c.Claim(&tk, who, name); err != nil || who == c.Person {
		return err
	}
	return c.Tell(c.Ticket, c.T("assign.told", "Name", markup.Inert(c.Name), "Whom", markup.Inert(name)), who)
}

// someone is the person that the arguments name.
func someone(c *bot.Call, a command.Args) (tickets.ID, string, error) {
	handles := a.Mentions()
	if len(handles) == 0 && len(a.Words) > 0 {
		handles = a.Words[:1]
	}
	if len(handles) == 0 {
		return 0, "", nil
	}
	id, err := c.Tx.FindPerson(c.Adapter, handles[0])
	if err != nil || id == 0 {
		return 0, "", err
	}
	p, err := c.Tx.Person(id)
	return id, p.Name, err
}

func closeTicket(c *bot.Call, _ command.Args) error {
	return change(c, tickets.Closed, c.Close)
}
func reopen(c *bot.Call, _ command.Args) error { return change(c, tickets.Open, c.Reopen) }
func wait(c *bot.Call, _ command.Args) error   { return change(c, tickets.Waiting, c.Wait) }

func change(c *bot.Call, to tickets.State, f func(*tickets.Ticket, string) error) error {
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return err
	}
	if tk.State == to {
		return c.Answer(c.T("state.already", "State", c.T("state."+string(to))))
	}
	return f(&tk, c.Name)
}
