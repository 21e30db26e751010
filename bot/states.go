package bot

import (
	"fmt"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/tickets"
)

// The changes of a ticket's state. Each stores what changed and has the card
// redrawn; none says anything to the asker.

func (t *Turn) changed(tk *tickets.Ticket, event, name string, args ...any) error {
	tk.Updated = t.Now
	if err := t.Tx.UpdateTicket(tk); err != nil {
		return err
	}
	lang := t.b.lang(t.b.desks[tk.Desk])
	text := t.b.t(lang, event, append([]any{"Name", name}, args...)...)
	if err := t.Tx.AddEntry(&tickets.Entry{Ticket: tk.ID, Kind: tickets.Change, Audience: tickets.Team, Name: name, Body: text,
		Revision: 1, At: t.Now}, ""); err != nil {
		return err
	}
	t.redraw(tk.ID, text)
	return nil
}

// Claim gives a ticket to somebody, until the claim lapses.
func (t *Turn) Claim(tk *tickets.Ticket, who tickets.ID, name string) error {
	tk.Owner = who
	tk.ClaimUntil = 0
	d := t.b.desks[tk.Desk]
	if d != nil && d.Claim > 0 {
		tk.ClaimUntil = t.Now.Add(d.Claim)
		t.due = true
		if err := t.Tx.SetTimer(Timer{Name: claimTimer(tk.ID), Kind: timerClaim, Due: tk.ClaimUntil, Ticket: tk.ID}); err != nil {
			return err
		}
	}
	return t.changed(tk, "event.claimed", name)
}

// Release gives a ticket back to everybody.
func (t *Turn) Release(tk *tickets.Ticket, who tickets.ID, name string) error {
	tk.Owner, tk.ClaimUntil = 0, 0
	if err := t.Tx.DropTimer(claimTimer(tk.ID)); err != nil {
		return err
	}
	return t.changed(tk, "event.released", name)
}

// ownerSpoke puts off the end of a claim: its owner is at work. The caller
// stores the ticket.
func (t *Turn) ownerSpoke(tk *tickets.Ticket, who tickets.ID) error {
	d := t.b.desks[tk.Desk]
	if d == nil || d.Claim <= 0 || tk.Owner == 0 || tk.Owner != who || tk.State == tickets.Closed {
		return nil
	}
	tk.ClaimUntil = t.Now.Add(d.Claim)
	t.due = true
	return t.Tx.SetTimer(Timer{Name: claimTimer(tk.ID), Kind: timerClaim, Due: tk.ClaimUntil, Ticket: tk.ID})
}

func claimTimer(id tickets.ID) string { return fmt.Sprintf("claim %d", id) }

// claimLapsed frees a ticket whose owner has been silent for too long.
func (t *Turn) claimLapsed(id tickets.ID) error {
	tk, err := t.Tx.Ticket(id)
	if err != nil {
		return err
	}
	if tk.Owner == 0 || tk.State == tickets.Closed || tk.ClaimUntil == 0 || tk.ClaimUntil > t.Now {
		return nil
	}
	who, err := t.Tx.Person(tk.Owner)
	if err != nil {
		return err
	}
	tk.Owner, tk.ClaimUntil = 0, 0
	return t.changed(&tk, "event.claim-lapsed", who.Name)
}

// Close ends a ticket; an answer of the asker reopens it.
func (t *Turn) Close(tk *tickets.Ticket, name string) error {
	tk.State, tk.ClosedAt = tickets.Closed, t.Now
	if err := t.Tx.DropTimer(ackTimer(tk.ID)); err != nil {
		return err
	}
	if err := t.Tx.DropTimer(claimTimer(tk.ID)); err != nil {
		return err
	}
	return t.changed(tk, "event.closed", name)
}

// Reopen takes a ticket up again.
func (t *Turn) Reopen(tk *tickets.Ticket, name string) error {
	tk.State, tk.Since, tk.ClosedAt = tickets.Open, t.Now, 0
	return t.changed(tk, "event.reopened", name)
}

// Wait says that the team waits for the asker.
func (t *Turn) Wait(tk *tickets.Ticket, name string) error {
	tk.State = tickets.Waiting
	return t.changed(tk, "event.waiting", name)
}

// Share lets people with access to the service see the ticket, or no longer.
func (t *Turn) Share(tk *tickets.Ticket, shared bool, name string) error {
	tk.Shared = shared
	if shared {
		return t.changed(tk, "event.shared", name)
	}
	return t.changed(tk, "event.private", name)
}

// Service names the service that a ticket concerns; empty for none.
func (t *Turn) Service(tk *tickets.Ticket, service, name string) error {
	tk.Service = service
	if err := t.changed(tk, "event.service", name, "Service", service); err != nil || service == "" {
		return err
	}
	e, err := t.Tx.Entry(tk.First)
	if err != nil {
		return err
	}
	return t.besideRequest(tk, &e, false)
}

// Private moves the conversation to the asker's direct room: from now on the
// answer goes there. ok is false where the asker cannot be reached so.
func (t *Turn) Private(tk *tickets.Ticket, name string) (ok bool, err error) {
	link, err := t.Tx.Link(tk.LastLink)
	if err != nil {
		return false, err
	}
	if link.Kind != tickets.AskerLink || t.b.caps(link.Place()).Direct == chat.None {
		return false, nil
	}
	ids, err := t.Tx.Identities(tk.LastAsker)
	if err != nil {
		return false, err
	}
	var to *tickets.Identity
	for i := range ids {
		if ids[i].Network == link.Adapter && ids[i].Proved {
			to = &ids[i]
		}
	}
	if to == nil {
		return false, nil // nothing private goes to somebody without an account
	}
	l, err := t.directRoom(tickets.Link{Ticket: tk.ID, Kind: tickets.DirectLink, Adapter: link.Adapter,
		Audiences: tickets.Participants | tickets.Everyone, Person: tk.LastAsker, Created: t.Now},
		chat.Account{ID: to.Account, Name: to.Name, Handle: to.Handle})
	if err != nil {
		return false, err
	}
	if err := t.moveTo(tk, l); err != nil {
		return false, err
	}
	if err := t.stopMoved(tk); err != nil {
		return false, err
	}
	return true, t.changed(tk, "event.direct", name)
}

// directRoom stores a link to somebody's direct room: the one we know, or one
// that a delivery opens first.
func (t *Turn) directRoom(l tickets.Link, to chat.Account) (tickets.Link, error) {
	known, have, err := t.Tx.DirectLink(l.Adapter, l.Person)
	if err != nil {
		return l, err
	}
	if have && known.Room != "" {
		l.Room = known.Room
		return l, t.Tx.AddLink(&l)
	}
	l.Rootless = true
	if err := t.Tx.AddLink(&l); err != nil {
		return l, err
	}
	root, err := t.text(outbox.Direct, l, outbox.Payload{Account: &chat.Account{ID: to.ID, Name: to.Name, Handle: to.Handle}}, nil)
	if err != nil {
		return l, err
	}
	l.Root = root.ID
	return l, t.Tx.UpdateLink(l)
}

// Public moves the conversation back to the channel where it began.
func (t *Turn) Public(tk *tickets.Ticket, name string) (ok bool, err error) {
	ls, err := t.Tx.TicketLinks(tk.ID)
	if err != nil {
		return false, err
	}
	for _, l := range ls {
		if l.Kind == tickets.AskerLink && !l.Gone {
			if err := t.moveTo(tk, l); err != nil {
				return false, err
			}
			return true, t.changed(tk, "event.public", name)
		}
	}
	return false, nil
}

// stopMoved stops replies in their hold: they were going to the place that the
// conversation has just left.
func (t *Turn) stopMoved(tk *tickets.Ticket) error {
	rs, err := t.Tx.OpenReplies(tk.ID)
	if err != nil {
		return err
	}
	for _, r := range rs {
		if r.State == tickets.Held {
			if err := t.stopReply(tk, r, t.b.t(t.b.lang(t.b.desks[tk.Desk]), "reply.stopped-moved")); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Turn) moveTo(tk *tickets.Ticket, l tickets.Link) error {
	tk.LastLink = l.ID
	p, ok, err := t.Tx.Participant(tk.ID, tk.LastAsker)
	if err != nil || !ok {
		return err
	}
	p.Link = l.ID
	return t.Tx.PutParticipant(p)
}

// OpenFor opens a ticket that the team starts with somebody by mail.
func (t *Turn) OpenFor(d *Desk, address, text, name string, by tickets.ID) (*tickets.Ticket, error) {
	var in *Intake
	for i := range d.Intakes {
		if d.Intakes[i].Mail {
			in = &d.Intakes[i]
			break
		}
	}
	if in == nil {
		return nil, nil
	}
	address = strings.ToLower(strings.TrimSpace(address))
	person, err := t.person(in.Place.Adapter, chat.Account{Network: "mail", ID: address, Handle: address})
	if err != nil {
		return nil, err
	}
	tk := &tickets.Ticket{Desk: d.Name, State: tickets.Waiting, Requester: person, Created: t.Now, Updated: t.Now, LastAsker: person,
		Owner: by, Subject: t.subject(text, d)}
	if err := t.Tx.AddTicket(tk); err != nil {
		return nil, err
	}
	l := tickets.Link{Ticket: tk.ID, Kind: tickets.MailLink, Adapter: in.Place.Adapter, Room: in.Place.Room,
		Audiences: tickets.Participants | tickets.Everyone, Person: person, Created: t.Now}
	if err := t.Tx.AddLink(&l); err != nil {
		return nil, err
	}
	tk.LastLink = l.ID
	if err := t.Tx.PutParticipant(tickets.Participant{Ticket: tk.ID, Person: person, Part: tickets.Requester, Link: l.ID}); err != nil {
		return nil, err
	}
	e := &tickets.Entry{Ticket: tk.ID, Kind: tickets.Note, Audience: tickets.Team, Author: by, Name: name, Body: chat.Clean(text), Revision: 1, At: t.Now}
	if err := t.Tx.AddEntry(e, ""); err != nil {
		return nil, err
	}
	tk.First = e.ID
	if err := t.Tx.UpdateTicket(tk); err != nil {
		return nil, err
	}
	return tk, t.openTeam(tk, e, nil)
}

// Gather adds a line to the reply that the caller is gathering for a ticket,
// where there are no threads to write several lines in.
func (c *Call) Gather(e *tickets.Entry, text string) (lines int, err error) {
	rs, err := c.Tx.OpenReplies(c.Ticket)
	if err != nil {
		return 0, err
	}
	for _, r := range rs {
		if r.State != tickets.Gathering || r.By != c.Person {
			continue
		}
		src, err := c.Tx.Entry(r.Source)
		if err != nil {
			return 0, err
		}
		src.Body += "\n" + chat.Clean(text)
		src.Revision++
		if err := c.Tx.ReviseEntry(src, "", c.Now); err != nil {
			return 0, err
		}
		return strings.Count(src.Body, "\n") + 1, c.revised(&src, tickets.Copy{Link: c.Link.ID})
	}
	if e == nil {
		return 0, nil
	}
	tk, err := c.Tx.Ticket(c.Ticket)
	if err != nil {
		return 0, err
	}
	link, ok, err := c.destination(&tk)
	if err != nil || !ok {
		return 0, err
	}
	re := &tickets.Entry{Ticket: tk.ID, Kind: tickets.Reply, Audience: audienceOf(link), Author: e.Author, Name: e.Name, Body: e.Body,
		Revision: e.Revision, At: c.Now, Source: e.ID}
	if err := c.Tx.AddEntry(re, ""); err != nil {
		return 0, err
	}
	return 1, c.Tx.PutReply(tickets.ReplyRow{Entry: re.ID, Ticket: tk.ID, Source: e.ID, State: tickets.Gathering, By: c.Person,
		Link: link.ID, Created: c.Now})
}

// Gathered is the source of the reply that the caller is gathering, 0 for
// none; it stops being gathered.
func (c *Call) Gathered() (tickets.ID, error) {
	rs, err := c.Tx.OpenReplies(c.Ticket)
	if err != nil {
		return 0, err
	}
	for _, r := range rs {
		if r.State == tickets.Gathering && r.By == c.Person {
			r.State = tickets.Undone
			return r.Source, c.Tx.PutReply(r)
		}
	}
	return 0, nil
}

// Gathering tells whether the caller has begun to gather lines.
func (c *Call) Gathering() (bool, error) {
	rs, err := c.Tx.OpenReplies(c.Ticket)
	for _, r := range rs {
		if r.State == tickets.Gathering && r.By == c.Person {
			return true, err
		}
	}
	return false, err
}

// releaseAnswers lets answers go that an open breaker held.
func (t *Turn) releaseAnswers(tm Timer) error {
	var id tickets.ID
	if _, err := fmt.Sscan(tm.Body, &id); err != nil {
		return err
	}
	link, err := t.Tx.Link(id)
	if err != nil {
		return err
	}
	ds, err := t.Tx.LinkOpen(id)
	if err != nil {
		return err
	}
	for _, d := range ds {
		if d.State != outbox.Held {
			continue
		}
		if ok, _ := t.b.brake.allow(roomKey(link), answersPerRoom, t.Now); !ok {
			t.due = true
			tm.Due = t.Now.Add(time.Minute)
			return t.Tx.SetTimer(tm)
		}
		d.State, d.Attempts, d.NextAt = outbox.Ready, 1, 0
		if err := t.Tx.UpdateDelivery(d); err != nil {
			return err
		}
		t.out = append(t.out, d)
	}
	return nil
}

// roomKey names the bucket of what we say by ourselves in a room.
func roomKey(l tickets.Link) string { return "room " + l.Adapter + " " + l.Room }
