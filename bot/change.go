package bot

import (
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/bot/render"
	"permanence/internal/markup"
	"permanence/tickets"
)

// edited follows a message that its author changed.
func (t *Turn) edited(adapter string, ev *chat.Edited) (bool, error) {
	if ev.From.Self {
		return false, nil
	}
	chatter := t.b.recent.edit(chat.Place{Adapter: adapter, Room: ev.Room}, ev.Target, ev.Text)
	c, e, ok, err := t.original(adapter, ev.Room, ev.Target)
	if err != nil {
		return false, err
	}
	if !ok {
		if chatter {
			return false, nil
		}
		return t.tooEarly(adapter, ev)
	}
	body := chat.Clean(ev.Text)
	if rest, cmd := t.replyText(body); cmd {
		body = rest // "!r text" corrected: the text is what is sent
	}
	if e.Kind == tickets.Note {
		if rest, n := leadingTicket(body); n == e.Ticket {
			body = rest
		}
	}
	if e.Deleted || e.Body == body {
		return true, nil
	}
	e.Body = body
	if e.Sealed {
		e.Sealed = false // the first words that anybody reads
	} else {
		e.Revision++
	}
	if err := t.Tx.ReviseEntry(e, markup.Fold(e.Subject+" "+e.Body), t.Now); err != nil {
		return false, err
	}
	return true, t.revised(&e, c)
}

// earlyFor is how long an edit waits for its message.
const earlyFor = 10 * time.Minute

func earlyName(adapter, room, remote string) string {
	return "early " + adapter + " " + room + " " + remote
}

// tooEarly remembers an edit that came before its message.
func (t *Turn) tooEarly(adapter string, ev *chat.Edited) (bool, error) {
	if _, ok := t.b.sides[chat.Place{Adapter: adapter, Room: ev.Room}]; !ok && !ev.Direct {
		return false, nil
	}
	if _, known, err := t.Tx.CopyAt(adapter, ev.Room, ev.Target); err != nil || known {
		return false, err // our own message, seen edited
	}
	name := earlyName(adapter, ev.Room, ev.Target)
	t.due = true
	t.early[name] = true
	t.After(func() { t.b.early[name] = true })
	return false, t.Tx.SetTimer(Timer{Name: name, Kind: timerEarly, Due: t.Now.Add(earlyFor), Body: chat.Clean(ev.Text)})
}

// catchEarly gives a message the text of an edit that came before it.
func (t *Turn) catchEarly(adapter string, p *chat.Posted) error {
	name := earlyName(adapter, p.Room, p.ID)
	if !t.b.early[name] && !t.early[name] {
		return nil
	}
	tm, ok, err := t.Tx.Timer(name)
	if err != nil || !ok {
		return err
	}
	p.Text = tm.Body
	t.After(func() { delete(t.b.early, name) })
	return t.Tx.DropTimer(name)
}

// original finds the entry of a message that came in, by its original copy.
func (t *Turn) original(adapter, room, remote string) (tickets.Copy, tickets.Entry, bool, error) {
	c, ok, err := t.Tx.CopyAt(adapter, room, remote)
	if err != nil || !ok || !c.Original {
		return c, tickets.Entry{}, false, err
	}
	e, err := t.Tx.Entry(c.Entry)
	return c, e, err == nil, err
}

// revised shows an entry's new body everywhere it stands but where it was
// changed.
func (t *Turn) revised(e *tickets.Entry, from tickets.Copy) error {
	tk, err := t.Tx.Ticket(e.Ticket)
	if err != nil {
		return err
	}
	links, err := t.teamLinks(tk.ID)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.ID == from.Link {
			continue
		}
		first := e.ID == tk.First
		if first && t.b.caps(l.Place()).Edits != chat.None {
			continue // its copy is the card, which is drawn anew
		}
		line, err := t.lineOf(&tk, e)
		if err != nil {
			return err
		}
		line.Flat = t.b.flat(l.Place())
		c := t.b.render.Line(line)
		p := outbox.Payload{Target: e.ID, Content: &c, Fallback: &c}
		op := outbox.Edit
		switch {
		case first:
			op = outbox.Say
		case e.Deleted && e.Kind == tickets.Note:
			op = outbox.Delete
		}
		if _, err := t.text(op, l, p, nil); err != nil {
			return err
		}
	}
	if e.ID == tk.First {
		if e.Subject == "" {
			// The subject was made of its first words; it must not outlive them.
			tk.Subject = t.subject(e.Body, t.b.desks[tk.Desk])
			if err := t.Tx.UpdateTicket(&tk); err != nil {
				return err
			}
		}
		t.redraw(tk.ID, "")
	}
	if e.Kind == tickets.Note {
		return t.sourceChanged(&tk, e)
	}
	return nil
}

// lineOf is an entry as a line, with its files.
func (t *Turn) lineOf(tk *tickets.Ticket, e *tickets.Entry) (render.Line, error) {
	link, err := t.Tx.Link(e.Link)
	if err != nil && !isNotFound(err) {
		return render.Line{}, err
	}
	line := render.Line{Kind: e.Kind, Name: e.Name, Body: e.Body, Sealed: e.Sealed, Deleted: e.Deleted, Edited: e.Revision > 1}
	switch e.Kind {
	case tickets.Message:
		line = t.outsideLine(tk, e, link)
	case tickets.Reply:
		line.Public = e.Source == 0
		line.Where = t.b.placeName(link)
	}
	line.Lang = t.b.lang(t.b.desks[tk.Desk])
	line.Link = t.b.page(tk.ID)
	fs, err := t.Tx.EntryFiles(e.ID)
	if err != nil {
		return line, err
	}
	for _, f := range fs {
		rf, err := t.fileLine(f)
		if err != nil {
			return line, err
		}
		line.Files = append(line.Files, rf)
	}
	return line, nil
}

// sourceChanged tells what an edit or deletion means for the replies made of a
// note: in the hold it counts; after leaving, a correction is offered and a
// deletion is told.
func (t *Turn) sourceChanged(tk *tickets.Ticket, e *tickets.Entry) error {
	rs, err := t.Tx.RepliesOf(e.ID)
	if err != nil {
		return err
	}
	lang := t.b.lang(t.b.desks[tk.Desk])
	for _, r := range rs {
		switch r.State {
		case tickets.Held, tickets.Proposed, tickets.Asked, tickets.Gathering:
			var err error
			switch {
			case e.Deleted:
				err = t.stopReply(tk, r, t.b.t(lang, "reply.stopped-deleted"))
			case r.State == tickets.Held:
				err = t.editedInHold(tk, e, r)
			}
			if err != nil {
				return err
			}
		case tickets.Leaving, tickets.Sent:
			id := "reply.edited-after"
			if e.Deleted {
				id = "reply.deleted-after"
			}
			return t.teamLine(tk.ID, t.b.t(lang, id, "Name", e.Name), nil)
		}
	}
	return nil
}

// editedInHold looks again at words that changed in their hold: a trainee's go
// back to being a proposal, an internal name is asked about.
func (t *Turn) editedInHold(tk *tickets.Ticket, e *tickets.Entry, r tickets.ReplyRow) error {
	d := t.b.desks[tk.Desk]
	if d == nil {
		return nil
	}
	trainee := r.Approved != 0
	if !trainee && e.Author != r.By {
		role, err := t.roleOf(d, e.Author)
		if err != nil {
			return err
		}
		trainee = role == tickets.Trainee
	}
	if trainee {
		r.Approved, r.HoldUntil = 0, 0
		return t.propose(tk, d, e, r, Gesture{Person: e.Author, Name: r.Gesture})
	}
	why, err := t.doubts(tk, e, r)
	if err != nil {
		return err
	}
	for _, w := range why {
		if strings.HasPrefix(w, "inside@") && !slices.Contains(strings.Split(r.Asked, "\n"), w) {
			return t.ask(tk, d, r, why, func(text string) error {
				r.State = tickets.Asked
				return t.statusLine(tk, r, text, r.By)
			})
		}
	}
	return nil
}

// deleted follows a message that was taken away.
func (t *Turn) deleted(adapter string, ev *chat.Deleted) (bool, error) {
	t.b.recent.forget(chat.Place{Adapter: adapter, Room: ev.Room}, ev.Target)
	c, e, ok, err := t.original(adapter, ev.Room, ev.Target)
	if err != nil || !ok {
		return false, err
	}
	if e.Deleted {
		return true, nil
	}
	e.Deleted, e.Body, e.Folded = true, "", ""
	e.Revision++
	if err := t.Tx.ReviseEntry(e, "", t.Now); err != nil {
		return false, err
	}
	waiting, err := t.Tx.EntryDeliveries(e.ID)
	if err != nil {
		return false, err
	}
	if err := t.Tx.EraseEntry(e.ID); err != nil {
		return false, err
	}
	// First what the ticket is called by now: its title is on what still waits.
	if err := t.revised(&e, c); err != nil {
		return false, err
	}
	return true, t.renew(&e, waiting)
}

// renew gives what still waits to show an erased entry the words that say so:
// erasing has emptied it, and it may be the root of a thread.
func (t *Turn) renew(e *tickets.Entry, ds []outbox.Delivery) error {
	for _, d := range ds {
		if !d.State.Open() || d.Op != outbox.Say || e.Ticket == 0 {
			continue
		}
		tk, err := t.Tx.Ticket(e.Ticket)
		if err != nil {
			return err
		}
		var c chat.Content
		if e.ID == tk.First {
			c, err = t.card(&tk, e, nil, chat.Place{Adapter: d.Adapter})
		} else {
			var line render.Line
			line, err = t.lineOf(&tk, e)
			line.Flat = t.b.flat(chat.Place{Adapter: d.Adapter})
			c = t.b.render.Line(line)
		}
		if err != nil {
			return err
		}
		d.SetPayload(outbox.Payload{Content: &c, Heading: number(e.Ticket)})
		if err := t.Tx.UpdateDelivery(d); err != nil {
			return err
		}
		t.renewed = append(t.renewed, d)
	}
	return nil
}
