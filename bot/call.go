package bot

import (
	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/bot/outbox"
	"permanence/tickets"
)

// replyText reads "!r text" of a message: the text that is to be sent.
func (t *Turn) replyText(text string) (string, bool) {
	p, ok := t.b.table.ParseMessage(text, nil)
	if !ok || p.Spec == nil || p.Spec.ID != "reply" && p.Spec.ID != "reply-close" {
		return "", false
	}
	return p.Args.Rest, true
}

// TakeNote makes a note of text for the call's ticket: of the message that
// called where there is one, so that its copy is the source.
func (c *Call) TakeNote(text string) (*tickets.Entry, error) {
	if c.Message != nil {
		p := *c.Message
		p.Text = text
		if p.Revealed { // it may have its entry since it came
			was, known, err := c.Tx.CopyAt(c.Adapter, p.Room, p.ID)
			if err != nil {
				return nil, err
			}
			if known {
				e, err := c.Tx.Entry(was.Entry)
				return &e, err
			}
		}
		link := c.Link
		if link.ID == 0 {
			link = tickets.Link{Adapter: c.Adapter, Room: c.Room}
		}
		return c.note(c.Ticket, link, c.Person, &p)
	}
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return nil, err
	}
	e := &tickets.Entry{Ticket: c.Ticket, Kind: tickets.Note, Audience: tickets.Team, Author: c.Person, Name: c.Name, Body: chat.Clean(text),
		Revision: 1, At: c.Now}
	if err := c.Tx.AddEntry(e, ""); err != nil {
		return nil, err
	}
	return e, c.mirror(&tk, e, tickets.Link{}, lineOfNote(e), nil)
}

// LastNote is the newest note of the caller in a ticket that was not sent yet,
// for "!r" without a text and for a form's draft.
func (c *Call) LastNote() (tickets.Entry, bool, error) {
	es, err := c.Tx.LastEntries(c.Ticket, 20)
	if err != nil {
		return tickets.Entry{}, false, err
	}
	for i := len(es) - 1; i >= 0; i-- {
		e := es[i]
		if e.Kind != tickets.Note || e.Deleted || e.Author != c.Person {
			continue
		}
		rs, err := c.Tx.RepliesOf(e.ID)
		if err != nil {
			return e, false, err
		}
		for _, r := range rs {
			if r.State == tickets.Sent || r.State == tickets.Leaving || r.State == tickets.Held {
				return e, false, nil
			}
		}
		return e, true, nil
	}
	return tickets.Entry{}, false, nil
}

// Say queues a text of the program at a link, for the verbs.
func (c *Call) Say(link tickets.Link, content chat.Content) error {
	_, err := c.text(outbox.Say, link, outbox.Payload{Content: &content}, nil)
	return err
}

// T is a sentence in the caller's language.
func (c *Call) T(id string, args ...any) string { return c.b.t(c.Lang, id, args...) }

// Help lists the verbs that the caller may use; HelpOne tells about one.
func (c *Call) Help() string { return c.b.table.Help(c.Lang, c.may) }

func (c *Call) HelpOne(words string) (string, error) {
	return c.b.table.HelpOne(c.Lang, words, c.may)
}

// Page is the address of a ticket's page, empty where there is none.
func (c *Call) Page(id tickets.ID) string { return c.b.page(id) }

// Find is a ticket of the caller's desk, the zero Ticket where there is none.
func (c *Call) Find(id tickets.ID) (tickets.Ticket, error) { return c.deskTicket(c.Desk, id) }

// TellTeam says a line of the program in a ticket's team threads.
func (c *Call) TellTeam(ticket tickets.ID, text string) error { return c.teamLine(ticket, text, nil) }

// Tell says a line of the program in a ticket's team threads, and pings
// somebody.
func (c *Call) Tell(ticket tickets.ID, text string, whom tickets.ID) error {
	var failed error
	err := c.teamLine(ticket, text, func(content *chat.Content, l tickets.Link) {
		as, err := c.accounts(l.Adapter, []tickets.ID{whom})
		if err != nil {
			failed = err
		}
		content.Mentions = as
	})
	if failed != nil {
		return failed
	}
	return err
}

// RoleOf is what somebody is at the caller's desk, by what was given to them
// or by what the configuration says of their accounts.
func (c *Call) RoleOf(person tickets.ID) (tickets.Role, error) { return c.roleOf(c.Desk, person) }

func (t *Turn) roleOf(d *Desk, person tickets.ID) (tickets.Role, error) {
	ids, err := t.Tx.Identities(person)
	if err != nil {
		return tickets.Nobody, err
	}
	for _, id := range ids {
		r, err := t.role(d, id.Network, chat.Account{ID: id.Account, Handle: id.Handle, Proved: id.Proved}, person)
		if err != nil || r != tickets.Nobody {
			return r, err
		}
	}
	return tickets.Nobody, nil
}

// Threadless tells whether a room has no threads.
func (b *Bot) Threadless(p chat.Place) bool { return b.caps(p).Threads == chat.None }

// Ask opens a ticket for the caller with what they typed; false where no desk
// takes requests.
func (c *Call) Ask(text string) (bool, error) {
	d := c.Desk
	if d == nil {
		d = c.b.deskFor(c.Adapter, c.Account)
	}
	if d == nil {
		return false, nil
	}
	r := request1{desk: d, intake: c.Intake, adapter: c.Adapter, person: c.Person, direct: c.Direct}
	if c.Message == nil && !c.Direct {
		// Nobody sees the command: the answer goes to the caller alone.
		if c.b.caps(c.Place()).Direct == chat.None || !c.Account.Proved {
			return false, nil
		}
		r.direct, r.slash = true, true
	}
	p := &chat.Posted{Meta: chat.Meta{Room: c.Room, Thread: c.Thread, ID: c.Event, From: c.Account}, Text: text}
	if c.Message != nil {
		m := *c.Message
		m.Text = text
		p = &m
	}
	r.p = p
	tk, err := c.openOrJoin(r)
	if err == nil && tk != nil && r.slash {
		err = c.Answer(c.T("ticket.opened", "Number", number(tk.ID)))
	}
	return true, err
}

// PromoteLines makes a ticket of somebody's last lines in one of the desk's
// channels; nil where they have said nothing lately.
func (c *Call) PromoteLines(who string) (*tickets.Ticket, error) {
	if c.Desk == nil {
		return nil, nil
	}
	for i := range c.Desk.Intakes {
		in := &c.Desk.Intakes[i]
		if in.Mail || c.Intake != nil && in.Place != c.Intake.Place {
			continue
		}
		ps := c.b.recent.of(in.Place, who, c.Now)
		var fresh []chat.Posted
		for _, p := range ps {
			if _, known, err := c.Tx.CopyAt(in.Place.Adapter, p.Room, p.ID); err != nil {
				return nil, err
			} else if !known && !command.IsCommand(p.Text) {
				fresh = append(fresh, p)
			}
		}
		if len(fresh) > 0 {
			return c.Promote(c.Desk, in, in.Place.Adapter, fresh)
		}
	}
	return nil, nil
}
