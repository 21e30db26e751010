package bot

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/bot/render"
	"permanence/tickets"
)

// How long deliveries are tried: five days by mail, as mail servers do; two
// days in chats, where a later word is worth nothing.
const (
	giveUpMail = 5 * 24 * time.Hour
	giveUpChat = 2 * 24 * time.Hour
)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// newKey names a delivery: 20 letters and digits, 100 bits.
func newKey() string { return strings.ToLower(rand.Text()[:20]) }

// text queues a text for a link and gives its row.
func (t *Turn) text(op outbox.Kind, link tickets.Link, p outbox.Payload, more func(*outbox.Delivery)) (outbox.Delivery, error) {
	d := outbox.Delivery{Link: link.ID, Adapter: link.Adapter, Ticket: link.Ticket, Incident: link.Incident, Op: op,
		Key: newKey(), State: outbox.Ready, Attempts: 1, Revision: 1, Created: t.Now, GiveUpAt: t.Now.Add(giveUpChat)}
	if link.Ticket != 0 {
		p.Heading = fmt.Sprintf("#%d", link.Ticket)
	}
	if p.Content != nil && p.Content.Mail != nil {
		d.GiveUpAt = t.Now.Add(giveUpMail)
	}
	if link.Kind != tickets.TeamLink {
		p.Heading = "" // people outside need no numbers
	}
	if more != nil {
		more(&d)
	}
	d.SetPayload(p)
	if err := t.Tx.AddDelivery(&d); err != nil {
		return d, err
	}
	if d.State == outbox.Ready {
		t.out = append(t.out, d)
	}
	if p.Content != nil && op == outbox.Say {
		t.b.spoken.add(link.Place(), p.Content.Text, t.Now)
	}
	return d, nil
}

// state sets a state of a link: the newest wish for a slot is the one that
// leaves.
func (t *Turn) state(op outbox.Kind, link tickets.Link, slot string, p outbox.Payload) error {
	d := outbox.Delivery{Link: link.ID, Adapter: link.Adapter, Ticket: link.Ticket, Incident: link.Incident, Op: op, Slot: slot,
		Key: newKey(), State: outbox.Ready, Attempts: 1, Created: t.Now, GiveUpAt: t.Now.Add(giveUpChat)}
	if link.Ticket != 0 {
		p.Heading = fmt.Sprintf("#%d", link.Ticket)
	}
	d.SetPayload(p)
	if err := t.Tx.PutState(&d); err != nil {
		return err
	}
	t.out = append(t.out, d)
	return nil
}

// stop takes an open delivery back.
func (t *Turn) stop(d outbox.Delivery, s outbox.State) error {
	d.State = s
	d.DoneAt = t.Now
	d.Body = "{}"
	t.cancels = append(t.cancels, cancel{d.Link, d.ID})
	return t.Tx.UpdateDelivery(d)
}

// teamLinks are the links of a ticket's team rooms.
func (t *Turn) teamLinks(ticket tickets.ID) ([]tickets.Link, error) {
	ls, err := t.Tx.TicketLinks(ticket)
	if err != nil {
		return nil, err
	}
	var team []tickets.Link
	for _, l := range ls {
		if l.Kind == tickets.TeamLink && !l.Gone {
			team = append(team, l)
		}
	}
	return team, nil
}

// mark sets our one reaction on an entry's copy in every team room; an empty
// emoji takes it away.
func (t *Turn) mark(ticket, entry tickets.ID, emoji string) error {
	ls, err := t.teamLinks(ticket)
	if err != nil {
		return err
	}
	for _, l := range ls {
		if t.b.caps(l.Place()).Reactions == chat.None {
			continue
		}
		slot := fmt.Sprintf("mark:%d", entry)
		if err := t.mayStand(l.ID, slot); err != nil {
			return err
		}
		if err := t.state(outbox.Mark, l, slot, outbox.Payload{Target: entry, Emoji: emoji}); err != nil {
			return err
		}
	}
	return nil
}

// mayStand adds the emoji of a mark that has not been noted yet to those that
// may stand on its message, before a newer wish overwrites it: it may have been
// put there by a process that was killed.
func (t *Turn) mayStand(link tickets.ID, slot string) error {
	d, ok, err := t.Tx.StateOf(link, slot)
	if err != nil || !ok || !d.State.Open() {
		return err
	}
	p, err := d.Payload()
	if err != nil {
		return err
	}
	if p.Emoji == "" || slices.Contains(strings.Fields(d.Parts), p.Emoji) {
		return nil
	}
	d.Parts = strings.TrimSpace(d.Parts + " " + p.Emoji)
	return t.Tx.UpdateDelivery(d)
}

// teamLine says a line of the program in every team thread of a ticket.
func (t *Turn) teamLine(ticket tickets.ID, text string, more func(*chat.Content, tickets.Link)) error {
	ls, err := t.teamLinks(ticket)
	if err != nil {
		return err
	}
	for _, l := range ls {
		c := chat.Content{Text: text, Notice: true}
		if more != nil {
			more(&c, l)
		}
		if _, err := t.text(outbox.Say, l, outbox.Payload{Content: &c}, nil); err != nil {
			return err
		}
	}
	return nil
}

// tellRoom says something in a room as such, by ourselves: it counts for the
// breaker, and waits while that is open.
func (t *Turn) tellRoom(p chat.Place, text string, more func(*chat.Content)) error {
	link, err := t.Tx.RoomLink(p, t.Now)
	if err != nil {
		return err
	}
	c := chat.Content{Text: text, Notice: true}
	if more != nil {
		more(&c)
	}
	return t.answerAt(link, c)
}

// answerAt says an answer of the program at a link, under the breaker.
func (t *Turn) answerAt(link tickets.Link, c chat.Content) error {
	_, err := t.answered(link, c)
	return err
}

// answered is answerAt, and gives the delivery.
func (t *Turn) answered(link tickets.Link, c chat.Content) (outbox.Delivery, error) {
	ok, first := t.b.brake.allow(roomKey(link), answersPerRoom, t.Now)
	if first {
		t.b.log.Warn("the breaker opens: answers wait", "room", link.Adapter+":"+link.Room)
		if err := t.tellTeams(t.b.t(t.b.lang(nil), "breaker.room", "Room", link.Adapter+":"+link.Room)); err != nil {
			return outbox.Delivery{}, err
		}
	}
	said, err := t.text(outbox.Say, link, outbox.Payload{Content: &c}, func(d *outbox.Delivery) {
		if !ok {
			d.NextAt = t.Now.Add(time.Minute)
			d.State = outbox.Held
		}
	})
	if err == nil && !ok {
		t.due = true
		err = t.Tx.SetTimer(Timer{Name: fmt.Sprintf("release %d", link.ID), Kind: timerRelease, Due: t.Now.Add(time.Minute),
			Body: fmt.Sprint(link.ID)})
	}
	return said, err
}

// tellTeams says something to each desk's first room, outside of tickets.
func (t *Turn) tellTeams(text string) error {
	for i := range t.b.opt.Desks {
		if err := t.tellDesk(&t.b.opt.Desks[i], text); err != nil {
			return err
		}
	}
	return nil
}

func (t *Turn) tellDesk(d *Desk, text string) error {
	if len(d.Rooms) == 0 {
		return nil
	}
	link, err := t.Tx.RoomLink(d.Rooms[0], t.Now)
	if err != nil {
		return err
	}
	_, err = t.text(outbox.Say, link, outbox.Payload{Content: &chat.Content{Text: text, Notice: true}}, nil)
	return err
}

// tellAside tells the desk that an event waits for a person.
func (t *Turn) tellAside(row InboxRow) error {
	d := t.b.sides[chat.Place{Adapter: row.Adapter, Room: row.Room}].desk
	if d == nil && len(t.b.opt.Desks) > 0 {
		d = &t.b.opt.Desks[0]
	}
	if d == nil {
		return nil
	}
	return t.tellDesk(d, t.b.t(t.b.lang(d), "aside.told", "ID", row.ID))
}

// t is a sentence of the catalog.
func (b *Bot) t(lang, id string, args ...any) string { return b.opt.Catalog.T(lang, id, args...) }

// mirror shows an entry in the team's rooms, except where it comes from. Each
// line stands exactly once in each room.
func (t *Turn) mirror(tk *tickets.Ticket, e *tickets.Entry, from tickets.Link, l render.Line, files []tickets.File) error {
	ls, err := t.teamLinks(tk.ID)
	if err != nil {
		return err
	}
	d := t.b.desks[tk.Desk]
	if d != nil && len(ls) < len(d.Rooms) && e.Kind == tickets.Message {
		if ls, err = t.reviveTeam(tk, d, ls); err != nil {
			return err
		}
	}
	l.Lang = t.b.lang(d)
	l.Link = t.b.page(tk.ID)
	for _, f := range files {
		rf, err := t.fileLine(f)
		if err != nil {
			return err
		}
		l.Files = append(l.Files, rf)
	}
	for _, link := range ls {
		if link.ID == from.ID {
			continue
		}
		l.Flat = t.b.flat(link.Place())
		c := t.b.render.Line(l)
		if _, err := t.text(outbox.Say, link, outbox.Payload{Content: &c}, func(d *outbox.Delivery) { d.Entry = e.ID }); err != nil {
			return err
		}
	}
	return nil
}

// reviveTeam says the card anew in rooms that had to be given up: somebody
// outside has written, and the room may be back.
func (t *Turn) reviveTeam(tk *tickets.Ticket, d *Desk, ls []tickets.Link) ([]tickets.Link, error) {
	first, err := t.Tx.Entry(tk.First)
	if err != nil {
		return nil, err
	}
	files, err := t.Tx.EntryFiles(first.ID)
	if err != nil {
		return nil, err
	}
	for _, room := range d.Rooms {
		there := func(l tickets.Link) bool { return l.Adapter == room.Adapter && l.Room == room.Room }
		if slices.ContainsFunc(ls, there) {
			continue
		}
		l, err := t.openTeamRoom(tk, room, &first, files)
		if err != nil {
			return nil, err
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// flat tells whether a place shows lines alone, which have no thread.
func (b *Bot) flat(p chat.Place) bool { return b.caps(p).Threads == chat.None }

func (b *Bot) page(id tickets.ID) string {
	if b.opt.Links == nil {
		return ""
	}
	return b.opt.Links.Ticket(id)
}

// fileLine gives a file's line with a fresh link.
func (t *Turn) fileLine(f tickets.File) (render.File, error) {
	rf := render.File{Name: f.Name, Size: f.Size}
	if t.b.opt.Links == nil {
		return rf, nil
	}
	url, hash, expires := t.b.opt.Links.File(f, t.b.opt.Now())
	if url == "" {
		return rf, nil
	}
	rf.Link = url
	return rf, t.Tx.AddFileToken(hash, f.ID, tickets.At(expires))
}
