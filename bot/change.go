package bot

import (
	"fmt"
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
	e.Revision++
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

func wantedName(adapter, room, remote string) string {
	return "wanted " + adapter + " " + room + " " + remote
}

// wanted tells that a message asked of the network did not come.
func (b *Bot) wanted(t *Turn, tm Timer) error {
	delete(b.early, tm.Name)
	d := b.desks[tm.Body]
	if d == nil {
		return nil
	}
	return t.tellDesk(d, b.t(b.lang(d), "promote.too-old"))
}

// fetched tells whether an older message is one that was asked for, to be made
// a ticket of.
func (t *Turn) fetched(adapter string, p *chat.Posted) (bool, error) {
	name := wantedName(adapter, p.Room, p.ID)
	if !t.b.early[name] {
		return false, nil
	}
	t.After(func() { delete(t.b.early, name) })
	return true, t.Tx.DropTimer(name)
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
		if e.ID == tk.First {
			continue // its copy is the card
		}
		line, err := t.lineOf(&tk, e)
		if err != nil {
			return err
		}
		c := t.b.render.Line(line)
		p := outbox.Payload{Target: e.ID, Content: &c, Fallback: &c}
		op := outbox.Edit
		if e.Deleted && e.Kind == tickets.Note {
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
	line := render.Line{Kind: e.Kind, Name: e.Name, Body: e.Body, Deleted: e.Deleted, Edited: e.Revision > 1}
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
	if err := t.renew(&e, waiting); err != nil {
		return false, err
	}
	return true, t.revised(&e, c)
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
			c, err = t.card(&tk, e, nil)
		} else {
			var line render.Line
			line, err = t.lineOf(&tk, e)
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

// revealed fills in a message that could not be read before.
func (t *Turn) revealed(adapter string, p *chat.Posted, c tickets.Copy) error {
	e, err := t.Tx.Entry(c.Entry)
	if err != nil || e.Deleted || e.Body != "" {
		return err
	}
	e.Body = chat.Clean(p.Text)
	e.Revision++
	if err := t.Tx.ReviseEntry(e, markup.Fold(e.Body), t.Now); err != nil {
		return err
	}
	return t.revised(&e, c)
}

// emoji without variation selectors, so that every spelling of a sign is one.
func bareEmoji(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0xfe00 && r <= 0xfe0f || r >= 0x1f3fb && r <= 0x1f3ff {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
}

// envelopes are the signs that send.
var envelopes = map[string]bool{"✉": true, "📧": true, "📨": true, "📩": true, "💌": true, "📤": true,
	":envelope:": true, ":email:": true, ":e-mail:": true, ":incoming_envelope:": true, ":envelope_with_arrow:": true, ":love_letter:": true, ":outbox_tray:": true}

func (d *Desk) sends(emoji string) bool {
	emoji = bareEmoji(emoji)
	if envelopes[emoji] {
		return true
	}
	for _, e := range d.SendEmoji {
		if bareEmoji(e) == emoji {
			return true
		}
	}
	return false
}

// cardVerb is what a reaction on the card does.
func cardVerb(emoji string) string {
	switch bareEmoji(emoji) {
	case "✋", "🙋", "🙋‍♀", "🙋‍♂", ":raised_hand:", ":hand:":
		return "claim"
	case "✅", ":white_check_mark:":
		return "close"
	case "🔄", ":arrows_counterclockwise:":
		return "reopen"
	}
	return ""
}

// promotes are the signs by which the team makes a ticket of somebody's
// message.
func promotes(emoji string) bool {
	switch bareEmoji(emoji) {
	case "🎫", "🎟", ":ticket:", ":tickets:", ":admission_tickets:":
		return true
	}
	return false
}

func gestureName(adapter, room, target, emoji, account string) string {
	return strings.Join([]string{adapter, room, target, bareEmoji(emoji), account}, " ")
}

// reacted turns a reaction into what it means there: on a message of the team,
// an envelope sends it; on the card, signs change the state; on a stranger's
// message in a public channel, 🎫 makes a ticket of it.
func (t *Turn) reacted(adapter string, ev *chat.Reacted) (bool, error) {
	if ev.From.Self || ev.From.Bot {
		return false, nil
	}
	s := t.b.sides[chat.Place{Adapter: adapter, Room: ev.Room}]
	if s.desk == nil {
		return false, nil
	}
	if s.intake != nil {
		if !promotes(ev.Emoji) {
			return false, nil
		}
		return t.promoteReaction(adapter, ev, s)
	}
	c, ok, err := t.Tx.CopyAt(adapter, ev.Room, ev.Target)
	if err != nil || !ok {
		return false, err
	}
	e, err := t.Tx.Entry(c.Entry)
	if err != nil || e.Ticket == 0 {
		return false, err
	}
	link, err := t.Tx.Link(c.Link)
	if err != nil {
		return false, err
	}
	tk, err := t.Tx.Ticket(e.Ticket)
	if err != nil {
		return false, err
	}
	call, err := t.newCall(adapter, ev.Head(), s)
	if err != nil {
		return false, err
	}
	call.Link, call.Ticket = link, tk.ID
	if e.ID == tk.First && (e.Kind != tickets.Note || !s.desk.sends(ev.Emoji)) {
		verb := cardVerb(ev.Emoji)
		if verb == "" {
			return true, nil
		}
		return true, call.bind(verb, fmt.Sprintf("#%d", tk.ID))
	}
	if !s.desk.sends(ev.Emoji) || e.Kind != tickets.Note {
		return true, nil
	}
	return true, t.Send(Gesture{Source: e.ID, Person: call.Person, Role: call.Role,
		Name: gestureName(adapter, ev.Room, ev.Target, ev.Emoji, ev.From.ID), Say: call.Answer})
}

// unreacted takes back what can be taken back: a send gesture in its hold, a
// claim.
func (t *Turn) unreacted(adapter string, ev *chat.Unreacted) (bool, error) {
	s := t.b.sides[chat.Place{Adapter: adapter, Room: ev.Room}]
	if ev.From.Self || !s.team {
		return false, nil
	}
	c, ok, err := t.Tx.CopyAt(adapter, ev.Room, ev.Target)
	if err != nil || !ok {
		return false, err
	}
	e, err := t.Tx.Entry(c.Entry)
	if err != nil || e.Ticket == 0 {
		return false, err
	}
	tk, err := t.Tx.Ticket(e.Ticket)
	if err != nil {
		return false, err
	}
	if e.ID == tk.First {
		if cardVerb(ev.Emoji) != "claim" {
			return true, nil
		}
		call, err := t.newCall(adapter, ev.Head(), s)
		if err != nil {
			return false, err
		}
		if tk.Owner != call.Person {
			return true, nil
		}
		return true, t.Release(&tk, call.Person, call.Name)
	}
	rs, err := t.Tx.RepliesOf(e.ID)
	if err != nil {
		return false, err
	}
	name := gestureName(adapter, ev.Room, ev.Target, ev.Emoji, ev.From.ID)
	for _, r := range rs {
		// What was asked about stays asked: taking the sign back is how people
		// make room for putting it there once more.
		if slices.Contains(strings.Split(r.Gesture, "\n"), name) && (r.State == tickets.Held || r.State == tickets.Proposed) {
			return true, t.stopReply(&tk, r, t.b.t(t.b.lang(s.desk), "reply.stopped"))
		}
	}
	return true, nil
}

// promoteReaction makes a ticket of the message that somebody of the team put
// 🎫 on.
func (t *Turn) promoteReaction(adapter string, ev *chat.Reacted, s side) (bool, error) {
	call, err := t.newCall(adapter, ev.Head(), s)
	if err != nil || call.Role == tickets.Nobody {
		return false, err
	}
	place := chat.Place{Adapter: adapter, Room: ev.Room}
	if _, known, err := t.Tx.CopyAt(adapter, ev.Room, ev.Target); err != nil || known {
		return known, err // it is in a ticket already
	}
	p, ok := t.b.recent.find(place, ev.Target, t.Now)
	if !ok {
		return false, t.wantOlder(adapter, ev.Room, ev.Target, s, call)
	}
	_, err = t.Promote(s.desk, s.intake, adapter, []chat.Posted{p})
	return true, err
}

// wantOlder asks the network for a message that is no longer in memory; it
// comes back through Handle, and the wish is remembered until then.
func (t *Turn) wantOlder(adapter, room, target string, s side, call *Call) error {
	place := chat.Place{Adapter: adapter, Room: room}
	if t.b.caps(place).History == chat.None {
		return t.tellDesk(s.desk, t.b.t(t.b.lang(s.desk), "promote.too-old"))
	}
	link, err := t.Tx.RoomLink(place, t.Now)
	if err != nil {
		return err
	}
	if err := t.Tx.SetTimer(Timer{Name: wantedName(adapter, room, target), Kind: timerWanted, Due: t.Now.Add(10 * 60e9), Body: s.desk.Name}); err != nil {
		return err
	}
	t.due = true
	t.After(func() { t.b.early[wantedName(adapter, room, target)] = true })
	_, err = t.text(outbox.Fetch, link, outbox.Payload{Remote: target}, nil)
	return err
}

// Promote makes a ticket of somebody's messages, oldest first.
func (t *Turn) Promote(d *Desk, in *Intake, adapter string, ps []chat.Posted) (*tickets.Ticket, error) {
	first := ps[0]
	person, err := t.person(adapter, first.From)
	if err != nil {
		return nil, err
	}
	tk, err := t.open(request1{desk: d, intake: in, adapter: adapter, person: person, p: &first, direct: in == nil})
	if err != nil {
		return nil, err
	}
	for i := range ps[1:] {
		p := &ps[1+i]
		if _, known, err := t.Tx.CopyAt(adapter, p.Room, p.ID); err != nil {
			return nil, err
		} else if known {
			continue
		}
		link, err := t.Tx.Link(tk.LastLink)
		if err != nil {
			return nil, err
		}
		if err := t.comment(tk, link, person, p, false); err != nil {
			return nil, err
		}
	}
	return tk, nil
}
