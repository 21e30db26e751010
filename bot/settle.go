package bot

import (
	"encoding/json"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/internal/failpoint"
	"permanence/tickets"
)

// settle notes what became of an attempt at a delivery.
func (t *Turn) settle(res outbox.Result) error {
	failpoint.Hit("decider.noting")
	t.noted = append(t.noted, res)
	d, err := t.Tx.Delivery(res.Delivery.ID)
	if err != nil {
		return err
	}
	if err := t.noteRecipients(d, res.Receipt.Recipients); err != nil {
		return err
	}
	if !d.State.Open() {
		return nil // completed by its echo, or stopped while it was leaving
	}
	if !d.Op.IsText() && d.Revision != res.Delivery.Revision {
		// Overwritten while it was on its way: the newer wish is still open,
		// but what stands there has changed.
		if d.Op == outbox.Mark && res.Err == nil {
			p, err := res.Delivery.Payload()
			if err != nil {
				return err
			}
			d.Parts = p.Emoji
			return t.Tx.UpdateDelivery(d)
		}
		return nil
	}
	d.Attempts = res.Delivery.Attempts
	if res.Err == nil {
		return t.done(d, res.Receipt)
	}
	d.SetReason(res.Err.Reason)
	if d.Op.IsText() && res.Delivery.Parts != "" {
		d.Parts = res.Delivery.Parts
	}
	t.b.log.Warn("delivery failed", "delivery", d.ID, "op", string(d.Op), "adapter", d.Adapter, "attempt", d.Attempts,
		"kind", res.Err.Kind.String(), "final", res.Final, "err", res.Err)
	if res.Err.Kind == chat.Absent {
		return t.park(d)
	}
	// A mail that some recipients have must be recognised when they answer,
	// however long the others take.
	if d.Op == outbox.Say && len(res.Receipt.Parts) > 0 && res.Receipt.MessageID != "" {
		link, err := t.Tx.Link(d.Link)
		if err != nil {
			return err
		}
		if err := t.copies(d, &link, res.Receipt); err != nil {
			return err
		}
	}
	if err := t.topicRefused(&d, res.Err.Kind); err != nil {
		return err
	}
	if !res.Final {
		d.NextAt = res.Again
		if err := t.Tx.UpdateDelivery(d); err != nil {
			return err
		}
		return t.delayed(d)
	}
	return t.failed(d, res.Err.Kind)
}

// done retires a delivery that the network took, keeps its copies, and moves
// on what waited for it.
func (t *Turn) done(d outbox.Delivery, r chat.Receipt) error {
	link, err := t.Tx.Link(d.Link)
	if err != nil {
		return err
	}
	p, err := d.Payload()
	if err != nil {
		return err
	}
	switch d.Op {
	case outbox.Say:
		ids := make([]string, len(r.Parts))
		for i, part := range r.Parts {
			ids[i] = part.ID
		}
		d.SetRemotes(ids)
		if err := t.copies(d, &link, r); err != nil {
			return err
		}
	case outbox.Direct:
		link.Room, link.Rootless = r.Room, false
		if err := t.Tx.UpdateLink(link); err != nil {
			return err
		}
	case outbox.Mark:
		d.Parts = p.Emoji
	case outbox.Topic:
		d.Parts = "" // the next refusal is news
	}
	d.State, d.DoneAt, d.Body, d.Reason, d.Confirmed = outbox.Done, t.Now, "{}", "", r.Confirmed
	if err := t.Tx.UpdateDelivery(d); err != nil {
		return err
	}
	if d.Reply != 0 && d.Entry == d.Reply {
		return t.replyFate(d.Reply)
	}
	if d.Incident != 0 && d.Op == outbox.Say {
		return t.incidentHeard(d.Incident)
	}
	return nil
}

// copies stores what a Say left at its link, and moves the link on.
func (t *Turn) copies(d outbox.Delivery, link *tickets.Link, r chat.Receipt) error {
	for i, part := range r.Parts {
		if d.Entry == 0 {
			break
		}
		if err := t.Tx.AddCopy(tickets.Copy{Entry: d.Entry, Link: d.Link, Adapter: d.Adapter, Room: link.Room, Remote: part.ID,
			Part: i, Revision: 1, MessageID: r.MessageID, At: t.Now}); err != nil {
			return err
		}
	}
	return t.said(link, d, r)
}

// said moves the link on: its thread when its root has been said, its last
// Message-ID when a mail has left.
func (t *Turn) said(link *tickets.Link, d outbox.Delivery, r chat.Receipt) error {
	changed := false
	if link.Rootless && link.Root == d.ID {
		link.Rootless = false
		if t.b.caps(link.Place()).Threads != chat.None {
			link.Thread = outbox.ThreadOf(r)
		}
		changed = true
	} else if link.Thread == "" && r.Thread != "" && link.Kind == tickets.MailLink {
		link.Thread = r.Thread
		changed = true
	}
	if r.MessageID != "" && link.Kind == tickets.MailLink {
		link.References = references(link.References, &chat.MailIn{MessageID: r.MessageID})
		changed = true
	}
	if !changed {
		return nil
	}
	return t.Tx.UpdateLink(*link)
}

// noteRecipients keeps the fate of a mail's recipients.
func (t *Turn) noteRecipients(d outbox.Delivery, rs []chat.Recipient) error {
	for _, r := range rs {
		state := r.State
		if r.Temporary {
			state = chat.Delayed
		}
		reason, _ := json.Marshal(r.Reason)
		if err := t.Tx.PutRecipient(outbox.Recipient{Delivery: d.ID, Address: strings.ToLower(r.Address), State: state,
			Reason: string(reason), Attempts: d.Attempts}); err != nil {
			return err
		}
	}
	return nil
}

// delayed tells the team once that a reply has not left yet.
func (t *Turn) delayed(d outbox.Delivery) error {
	if d.Reply == 0 || d.Entry != d.Reply || d.Attempts != 1 {
		return nil
	}
	r, err := t.Tx.Reply(d.Reply)
	if err != nil {
		return err
	}
	tk, err := t.Tx.Ticket(r.Ticket)
	if err != nil {
		return err
	}
	lang := t.b.lang(t.b.desks[tk.Desk])
	return t.statusLine(&tk, r, t.b.t(lang, "reply.delayed", "Reason", d.ReasonText().In(lang)))
}

// failed gives a delivery up and says so where people look; kind is that of the
// last failure.
func (t *Turn) failed(d outbox.Delivery, kind chat.Kind) error {
	d.State, d.DoneAt = outbox.Failed, t.Now
	// A mail of which one recipient has accepted is done, with failures.
	if d.Op == outbox.Say {
		rs, err := t.Tx.Recipients(d.ID)
		if err != nil {
			return err
		}
		for _, r := range rs {
			if r.State == chat.Accepted || r.State == chat.Delivered {
				d.State = outbox.Done
			}
		}
	}
	if err := t.Tx.UpdateDelivery(d); err != nil {
		return err
	}
	link, err := t.Tx.Link(d.Link)
	if err != nil {
		return err
	}
	root := link.Rootless && link.Root == d.ID
	unsure := root && d.Incident != 0 && mayHaveHeard(d, kind)
	switch {
	case unsure:
		err = t.rootUnknown(link)
	case root:
		err = t.rootGiven(link, d)
	}
	if err != nil {
		return err
	}
	switch {
	case d.Reply != 0 && d.Entry == d.Reply:
		return t.replyFate(d.Reply)
	case !d.Op.IsText():
		return nil // a mark or a card: nothing that anybody relies on
	case d.Incident != 0:
		return t.incidentFailed(d, link, unsure)
	case link.Kind == tickets.TeamLink:
		return t.teamRoomFailed(d, link)
	case d.Ticket != 0:
		lang, err := t.langOf(d.Ticket)
		if err != nil {
			return err
		}
		return t.teamLine(d.Ticket, markFailed+" "+t.b.t(lang, "delivery.failed", "Where", t.where(lang, link), "Reason", d.ReasonText().In(lang)), nil)
	}
	return nil
}

// langOf is the language of a ticket's desk.
func (t *Turn) langOf(ticket tickets.ID) (string, error) {
	tk, err := t.Tx.Ticket(ticket)
	return t.b.lang(t.b.desks[tk.Desk]), err
}

// rootGiven closes what waits for a root that will not come.
func (t *Turn) rootGiven(link tickets.Link, root outbox.Delivery) error {
	open, err := t.Tx.LinkOpen(link.ID)
	if err != nil {
		return err
	}
	replies := map[tickets.ID]bool{}
	for _, d := range open {
		if d.ID == root.ID {
			continue
		}
		d.Reason = root.Reason
		if err := t.stop(d, outbox.Superseded); err != nil {
			return err
		}
		if d.Reply != 0 && d.Entry == d.Reply {
			replies[d.Reply] = true
		}
	}
	link.Gone = true
	if err := t.Tx.UpdateLink(link); err != nil {
		return err
	}
	for id := range replies {
		if err := t.replyFate(id); err != nil {
			return err
		}
	}
	return nil
}

// teamRoomFailed tells the desk's other rooms that one of them cannot be told.
func (t *Turn) teamRoomFailed(d outbox.Delivery, link tickets.Link) error {
	ls, err := t.teamLinks(link.Ticket)
	if err != nil {
		return err
	}
	lang := "fr"
	if tk, err := t.Tx.Ticket(link.Ticket); err == nil {
		lang = t.b.lang(t.b.desks[tk.Desk])
	}
	text := markFailed + " " + t.b.t(lang, "delivery.room", "Where", link.Adapter+":"+link.Room, "Reason", d.ReasonText().In(lang))
	for _, l := range ls {
		if l.ID == link.ID {
			continue
		}
		_, err := t.text(outbox.Say, l, outbox.Payload{Content: &chat.Content{Text: text, Notice: true}}, nil)
		return err
	}
	t.b.log.Error("a team room cannot be told and there is no other", "room", link.Adapter+":"+link.Room, "reason", d.ReasonText().EN)
	return nil
}

// ownCopy recognises a message of our own by the key that it carries, even
// before our send has returned: it is recorded and completes its delivery.
func (t *Turn) ownCopy(adapter string, p *chat.Posted) error {
	d, ok, err := t.Tx.DeliveryByKey(outbox.KeyOf(p.Key))
	if err != nil || !ok {
		return err
	}
	if d.Op != outbox.Say || d.State != outbox.Ready {
		return nil
	}
	pl, err := d.Payload()
	if err != nil {
		return err
	}
	if caps := t.b.caps(chat.Place{Adapter: adapter, Room: p.Room}); pl.Content != nil && caps.MaxText > 0 && len(pl.Content.Text) > caps.MaxText {
		return nil // one part of several: the receipt will tell
	}
	r := chat.Receipt{Parts: []chat.Part{{ID: p.ID, At: p.At}}, Confirmed: true}
	if p.Mail != nil {
		// Our own mail came back through its Cc: it was accepted, by one at least.
		return nil
	}
	t.cancels = append(t.cancels, cancel{d.Link, d.ID})
	return t.done(d, r)
}

// outcome is later news of a delivery: a bounce, a delay, an echo.
func (t *Turn) outcome(adapter string, o *chat.Outcome) (concerns bool, aside string, err error) {
	d, ok, err := t.Tx.DeliveryByKey(outbox.KeyOf(o.Key))
	if err != nil {
		return false, "", err
	}
	if !ok || d.Adapter != adapter {
		return true, "news of a delivery that is not ours", nil
	}
	if o.Recipient != "" {
		reason, _ := json.Marshal(o.Reason)
		if err := t.Tx.PutRecipient(outbox.Recipient{Delivery: d.ID, Address: strings.ToLower(o.Recipient), State: o.State,
			Reason: string(reason), Attempts: d.Attempts}); err != nil {
			return false, "", err
		}
	}
	if o.Recipient == "" && (o.State == chat.Accepted || o.State == chat.Delivered) {
		if err := t.arrived(&d, o); err != nil {
			return false, "", err
		}
	}
	switch o.State {
	case chat.Failed:
		d.SetReason(o.Reason)
		if o.Recipient == "" && d.State == outbox.Done {
			d.State = outbox.Failed
		}
		if err := t.Tx.UpdateDelivery(d); err != nil {
			return false, "", err
		}
		if d.Reply != 0 && d.Entry == d.Reply {
			return true, "", t.replyFate(d.Reply)
		}
		if d.Incident != 0 && d.Op.IsText() { // refused after it had been accepted
			link, err := t.Tx.Link(d.Link)
			if err != nil {
				return false, "", err
			}
			return true, "", t.incidentFailed(d, link, false)
		}
		return true, "", t.ackBounced(d, o)
	case chat.Delayed:
		if d.Reply != 0 && d.Entry == d.Reply {
			r, err := t.Tx.Reply(d.Reply)
			if err != nil || r.State == tickets.Lost {
				return true, "", err
			}
			return true, "", t.mark(r.Ticket, r.Source, markHeld)
		}
	case chat.Delivered:
		if d.Reply != 0 && d.Entry == d.Reply {
			r, err := t.Tx.Reply(d.Reply)
			if err != nil || r.State != tickets.Sent {
				return true, "", err
			}
			if o.Reason != (chat.Text{}) { // it is there, and will be read later
				tk, err := t.Tx.Ticket(r.Ticket)
				if err != nil {
					return true, "", err
				}
				return true, "", t.statusLine(&tk, r, markSent+" "+o.Reason.In(t.b.lang(t.b.desks[tk.Desk])))
			}
			return true, "", t.mark(r.Ticket, r.Source, markSent)
		}
	}
	return true, "", nil
}

// arrived takes the news that a part of a delivery was said after all: what
// waits for another attempt goes on behind it, and nothing is said twice.
func (t *Turn) arrived(d *outbox.Delivery, o *chat.Outcome) error {
	switch {
	case d.State == outbox.Done:
		d.SetReason(o.Reason)
		d.Confirmed = d.Confirmed || o.State == chat.Delivered
	case d.State == outbox.Ready && d.Op == outbox.Say && o.RemoteID != "" && o.Part == len(d.Remotes()):
		d.SetRemotes(append(d.Remotes(), o.RemoteID))
		t.renewed = append(t.renewed, *d)
	default:
		return nil
	}
	return t.Tx.UpdateDelivery(*d)
}

// muteFor is how long an address that bounced an acknowledgement gets no
// automatic mail; the team's replies still go there.
const muteFor = 30 * 24 * 3600e9

func (t *Turn) ackBounced(d outbox.Delivery, o *chat.Outcome) error {
	if d.Ticket == 0 || o.Recipient == "" {
		return nil
	}
	tk, err := t.Tx.Ticket(d.Ticket)
	if err != nil {
		return err
	}
	at, _, err := t.Tx.MailPeer(strings.ToLower(o.Recipient), tk.Desk)
	if err != nil {
		return err
	}
	if err := t.Tx.SetMailPeer(strings.ToLower(o.Recipient), tk.Desk, at, t.Now.Add(muteFor)); err != nil {
		return err
	}
	lang := t.b.lang(t.b.desks[tk.Desk])
	return t.teamLine(tk.ID, markFailed+" "+t.b.t(lang, "ack.bounced", "Address", o.Recipient, "Reason", o.Reason.In(lang)), nil)
}
