package bot

import (
	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/tickets"
)

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
