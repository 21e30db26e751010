package bot

import (
	"context"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/bot/outbox"
	"permanence/internal/i18n"
	"permanence/tickets"
)

// hold starts the hold of a reply and shows where and to whom it goes.
func (t *Turn) hold(tk *tickets.Ticket, d *Desk, src *tickets.Entry, r tickets.ReplyRow, g Gesture) error {
	link, err := t.Tx.Link(r.Link)
	if err != nil {
		return err
	}
	wait := d.HoldChat
	if link.Kind == tickets.MailLink {
		wait = d.HoldMail
	}
	others := src.Author != g.Person && src.Author != 0
	if others && d.HoldOthers > wait {
		wait = d.HoldOthers
	}
	r.State = tickets.Held
	r.Created = t.Now
	r.HoldUntil = t.Now.Add(wait)
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	t.due = true
	ts, err := t.targets(tk, link, audienceOf(link))
	if err != nil {
		return err
	}
	lang := t.b.lang(d)
	if err := t.mark(tk.ID, src.ID, markHeld); err != nil {
		return err
	}
	text := t.b.t(lang, "reply.held", "Where", t.destinationWords(lang, ts), "In", strings.TrimSpace(i18n.In(lang, wait)),
		"When", t.b.render.Clock(lang, r.HoldUntil))
	if others {
		who, err := t.Tx.Person(g.Person)
		if err != nil {
			return err
		}
		author, err := t.Tx.Person(src.Author)
		if err != nil {
			return err
		}
		text += " " + t.b.t(lang, "reply.others", "Name", who.Name, "Author", author.Name)
		return t.statusLine(tk, r, text, src.Author)
	}
	return t.statusLine(tk, r, text)
}

// accounts are the accounts of people on an adapter, to be pinged there.
func (t *Turn) accounts(adapter string, people []tickets.ID) ([]chat.Account, error) {
	var as []chat.Account
	for _, p := range people {
		ids, err := t.Tx.Identities(p)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if id.Network == adapter {
				as = append(as, chat.Account{ID: id.Account, Name: id.Name, Handle: id.Handle})
			}
		}
	}
	return as, nil
}

// statusLine says, or edits, the one line that tells how a reply stands, in
// every team thread. An empty text takes it away: success is a mark, never a
// post. A line that pings somebody is said anew, because edits ping nobody.
func (t *Turn) statusLine(tk *tickets.Ticket, r tickets.ReplyRow, text string, ping ...tickets.ID) error {
	links, err := t.teamLinks(tk.ID)
	if err != nil {
		return err
	}
	ds, err := t.Tx.ReplyDeliveries(r.Entry)
	if err != nil {
		return err
	}
	for _, l := range links {
		var said *outbox.Delivery
		for i := range ds {
			if ds[i].Link == l.ID && ds[i].Op == outbox.Say {
				said = &ds[i]
			}
		}
		c := chat.Content{Text: text, Notice: true}
		if c.Mentions, err = t.accounts(l.Adapter, ping); err != nil {
			return err
		}
		if said != nil && (text == "" || len(ping) > 0) {
			// From now on it is no line of the reply any more: what has to be
			// said later, of a bounce, is said anew.
			said.Reply = 0
			if err := t.Tx.UpdateDelivery(*said); err != nil {
				return err
			}
			if _, err = t.text(outbox.Delete, l, outbox.Payload{TargetDelivery: said.ID}, nil); err != nil {
				return err
			}
			said = nil
		}
		switch {
		case text == "":
			continue
		case said == nil:
			_, err = t.text(outbox.Say, l, outbox.Payload{Content: &c}, func(d *outbox.Delivery) { d.Reply = r.Entry })
		default:
			p := outbox.Payload{Content: &c, TargetDelivery: said.ID, Fallback: &c}
			_, err = t.text(outbox.Edit, l, p, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holdBack tells how long a reply whose hold is over must still wait: until
// the adapters of all the ticket's team rooms have caught up, two minutes at
// most, so that a "stop" that was said meanwhile still counts.
func (b *Bot) holdBack(ctx context.Context, r tickets.ReplyRow) (wait time.Duration, forced bool) {
	const most = 2 * time.Minute
	over := b.now().Sub(r.HoldUntil)
	if since := b.opt.Now().Sub(b.started); since < over {
		over = since
	}
	var links []tickets.Link
	err := b.store.View(ctx, func(tx Tx) (err error) { links, err = tx.TicketLinks(r.Ticket); return err })
	if err != nil {
		return awayPause, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range links {
		if l.Kind == tickets.TeamLink && !l.Gone && b.opt.Adapters[l.Adapter] != nil && !b.caughtUp[l.Adapter] {
			if over >= most {
				return 0, true
			}
			return min(most-over, time.Second), false
		}
	}
	return 0, false
}

// release ends a hold: the text is frozen as it is now and its deliveries take
// their places.
func (t *Turn) release(entry tickets.ID) error {
	r, err := t.Tx.Reply(entry)
	if err != nil {
		return err
	}
	if r.State != tickets.Held {
		return nil
	}
	src, err := t.Tx.Entry(r.Source)
	if err != nil {
		return err
	}
	tk, err := t.Tx.Ticket(r.Ticket)
	if err != nil {
		return err
	}
	d := t.b.desks[tk.Desk]
	if r.Created <= t.b.opt.Restored {
		return t.stopReply(&tk, r, t.b.t(t.b.lang(d), "reply.stopped-restored"))
	}
	files, err := t.replyFiles(r.Source)
	if err != nil {
		return err
	}
	empty := strings.TrimSpace(src.Body) == "" && len(files) == 0
	if src.Deleted || empty || d == nil || d.Observe || command.Guarded(src.Body) {
		return t.stopReply(&tk, r, t.b.t(t.b.lang(d), "reply.stopped"))
	}
	e, err := t.Tx.Entry(r.Entry)
	if err != nil {
		return err
	}
	if e.Body != src.Body || e.Revision != src.Revision {
		e.Body, e.Revision = src.Body, src.Revision
		if err := t.Tx.ReviseEntry(e, "", t.Now); err != nil {
			return err
		}
	}
	link, err := t.Tx.Link(r.Link)
	if err != nil {
		return err
	}
	ts, err := t.targets(&tk, link, audienceOf(link))
	if err != nil {
		return err
	}
	heard, err := t.heardAlready(r, src.Revision)
	if err != nil {
		return err
	}
	r.State = tickets.Leaving
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	left := 0
	for _, x := range ts {
		if heard.links[x.link.ID] {
			continue
		}
		left++
		if err := t.sayReply(&tk, d, &e, r, x, files, heard.addresses); err != nil {
			return err
		}
	}
	if left == 0 {
		return t.stopReply(&tk, r, t.b.t(t.b.lang(d), "reply.already-sent"))
	}
	if err := t.Tx.DropTimer(ackTimer(tk.ID)); err != nil {
		return err
	}
	tk.Answered, tk.Updated = t.Now, t.Now
	event := ""
	switch {
	case tk.Asked > r.Created:
		// They wrote during the hold: this is not the answer to that.
		if r.Close {
			event = t.b.t(t.b.lang(d), "event.not-closed", "Name", tk.Subject)
		}
	case r.Close:
		tk.State, tk.ClosedAt = tickets.Closed, t.Now
		event = t.b.t(t.b.lang(d), "event.closed", "Name", src.Name)
	case tk.State != tickets.Closed:
		tk.State = tickets.Waiting
	}
	sender := r.By
	if r.Approved != 0 {
		sender = r.Approved
	}
	if tk.Owner == 0 {
		tk.Owner = sender
	}
	if err := t.ownerSpoke(&tk, sender); err != nil {
		return err
	}
	if err := t.Tx.UpdateTicket(&tk); err != nil {
		return err
	}
	t.redraw(tk.ID, event)
	return nil
}

// Stop stops the replies of a ticket that are held, asked about, gathered or
// proposed; it tells how many there were.
func (t *Turn) Stop(ticket tickets.ID) (int, error) {
	tk, err := t.Tx.Ticket(ticket)
	if err != nil {
		return 0, err
	}
	rs, err := t.Tx.OpenReplies(ticket)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range rs {
		if r.State == tickets.Leaving {
			continue
		}
		n++
		if err := t.stopReply(&tk, r, t.b.t(t.b.lang(t.b.desks[tk.Desk]), "reply.stopped")); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *Turn) stopReply(tk *tickets.Ticket, r tickets.ReplyRow, text string) error {
	shown := r.State == tickets.Held || r.State == tickets.Proposed
	r.State = tickets.Undone
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	if err := t.mark(tk.ID, r.Source, ""); err != nil {
		return err
	}
	if !shown {
		return nil
	}
	return t.statusLine(tk, r, text)
}
