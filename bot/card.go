package bot

import (
	"fmt"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/bot/render"
	"permanence/tickets"
)

// redraw has a ticket's card drawn anew at the end of the turn. event, if not
// empty, is what happened, in words: the card shows it, and places without
// cards hear it as a line.
func (t *Turn) redraw(ticket tickets.ID, event string) {
	if event != "" || t.cards[ticket] == "" {
		t.cards[ticket] = event
	}
}

// drawCards queues the cards of the turn.
func (t *Turn) drawCards() error {
	for id, event := range t.cards {
		tk, err := t.Tx.Ticket(id)
		if err != nil {
			return err
		}
		if event != "" && tk.LastEvent != event {
			tk.LastEvent = event
			if err := t.Tx.UpdateTicket(&tk); err != nil {
				return err
			}
		}
		e, err := t.Tx.Entry(tk.First)
		if err != nil {
			return err
		}
		files, err := t.Tx.EntryFiles(tk.First)
		if err != nil {
			return err
		}
		links, err := t.teamLinks(id)
		if err != nil {
			return err
		}
		for _, l := range links {
			caps := t.b.caps(l.Place())
			if caps.Edits == chat.None && event == "" {
				continue // a place without cards hears only of what happened
			}
			card, err := t.card(&tk, &e, files, l.Place())
			if err != nil {
				return err
			}
			p := outbox.Payload{Content: &card, TargetDelivery: l.Root}
			if event != "" {
				p.Fallback = &chat.Content{Text: event, Notice: true}
			}
			if err := t.state(outbox.Card, l, "card", p); err != nil {
				return err
			}
		}
	}
	return nil
}

// card draws a ticket's card for a place.
func (t *Turn) card(tk *tickets.Ticket, e *tickets.Entry, files []tickets.File, at chat.Place) (chat.Content, error) {
	d := t.b.desks[tk.Desk]
	v := render.Card{Lang: t.b.lang(d), Ticket: *tk, Body: e.Body, Sealed: e.Sealed, Deleted: e.Deleted, Folded: e.Folded != "",
		Now: t.Now, Link: t.b.page(tk.ID), LastEvent: tk.LastEvent, Flat: t.b.flat(at)}
	if d != nil {
		v.Desk = d.Title
		v.Observe = d.Observe
	}
	if tk.Hints != "" {
		v.Hints = strings.Split(tk.Hints, "\n")
	}
	who, err := t.Tx.Person(tk.Requester)
	if err != nil {
		return chat.Content{}, err
	}
	v.Who = who.Name
	link, err := t.Tx.Link(e.Link)
	if err != nil && !isNotFound(err) {
		return chat.Content{}, err
	}
	v.Address = t.addressOf(tk.Requester, link)
	v.Where = t.where(v.Lang, link)
	v.Public = link.Kind == tickets.AskerLink
	if v.Public && link.Adapter == at.Adapter { // who reads the card has that network's client
		if v.Original, err = t.permalink(link, e.ID); err != nil {
			return chat.Content{}, err
		}
	}
	if tk.Owner != 0 {
		owner, err := t.Tx.Person(tk.Owner)
		if err != nil {
			return chat.Content{}, err
		}
		v.Owner = owner.Name
	}
	ps, err := t.Tx.Participants(tk.ID)
	if err != nil {
		return chat.Content{}, err
	}
	v.People = len(ps)
	if err := t.cardIncident(&v, tk); err != nil {
		return chat.Content{}, err
	}
	for _, f := range files {
		rf, err := t.fileLine(f)
		if err != nil {
			return chat.Content{}, err
		}
		v.Files = append(v.Files, rf)
	}
	return t.b.render.Card(v), nil
}

// permalink is the address of what somebody wrote at a link, in the client of
// its network; empty where there is none.
func (t *Turn) permalink(link tickets.Link, entry tickets.ID) (string, error) {
	address := t.b.caps(link.Place()).Permalink
	if address == nil {
		return "", nil
	}
	cs, err := t.Tx.Copies(entry)
	if err != nil {
		return "", err
	}
	for _, c := range cs {
		if c.Original && c.Link == link.ID {
			return address(c.Remote), nil
		}
	}
	return "", nil
}

// where says in words where somebody asked.
func (t *Turn) where(lang string, l tickets.Link) string {
	switch l.Kind {
	case tickets.MailLink:
		return t.b.t(lang, "where.mail", "Address", l.Room)
	case tickets.DirectLink:
		return t.b.t(lang, "where.direct")
	case tickets.AskerLink:
		return t.b.t(lang, "where.channel", "Room", t.b.placeName(l))
	}
	return t.b.t(lang, "where.inside")
}

// planAck sets when a new ticket is acknowledged: a mail at once, in a channel
// after some minutes and only if nobody has spoken.
func (t *Turn) planAck(tk *tickets.Ticket, r request1) error {
	d := r.desk
	if d.Observe || r.quiet {
		return nil
	}
	if r.p.Mail != nil {
		if !d.AckMail {
			return nil
		}
		return t.acknowledge(tk.ID)
	}
	if !d.AckChat {
		return nil
	}
	if r.direct {
		return t.acknowledge(tk.ID)
	}
	t.due = true
	return t.Tx.SetTimer(Timer{Name: ackTimer(tk.ID), Kind: timerAck, Due: t.Now.Add(d.AckAfter), Ticket: tk.ID})
}

// ackEvery is how often one address is acknowledged by one desk.
const ackEvery = 24 * 3600e9

// acknowledge tells the requester alone that their request has arrived. The
// words hold nothing that they wrote, so that nobody can use us to send theirs
// to a third person.
func (t *Turn) acknowledge(id tickets.ID) error {
	tk, err := t.Tx.Ticket(id)
	if err != nil {
		return err
	}
	if tk.Answered != 0 || tk.State == tickets.Closed {
		return nil
	}
	d := t.b.desks[tk.Desk]
	if d == nil {
		return nil
	}
	link, err := t.Tx.Link(tk.LastLink)
	if err != nil {
		return err
	}
	who, err := t.Tx.Person(tk.Requester)
	if err != nil {
		return err
	}
	lang := t.b.lang(d)
	if who.Language != "" {
		lang = who.Language
	}
	number := fmt.Sprintf("#%d", tk.ID)
	form := ""
	if d.Informal {
		form = ".tu"
	}
	text := t.b.t(lang, "ack.text"+form, "Number", number, "Name", t.b.title(d))
	if d.Hours != "" {
		text += " " + t.b.t(lang, "ack.hours"+form, "Hours", d.Hours)
	}
	c := chat.Content{Text: text, Notice: true, Lang: lang}
	if link.Kind == tickets.AskerLink && t.b.caps(link.Place()).Threads == chat.None {
		c.Text = who.Name + ": " + c.Text
	}
	if link.Kind == tickets.MailLink {
		to := t.addressOf(tk.Requester, link)
		if !strings.Contains(to, "@") {
			return nil // a sender whose address cannot be read
		}
		if ok, _ := t.b.brake.allow("acks "+d.Name, acksPerDesk, t.Now); !ok {
			return nil // somebody forges senders by the thousand: better silent than their tool
		}
		last, muted, err := t.Tx.MailPeer(to, d.Name)
		if err != nil {
			return err
		}
		if muted > t.Now || last != 0 && t.Now.Sub(last) < ackEvery {
			return nil
		}
		if err := t.Tx.SetMailPeer(to, d.Name, t.Now, muted); err != nil {
			return err
		}
		// Not the asker's subject: an acknowledgement must not carry words
		// that a forger chose.
		c.Text = t.b.t(lang, "ack.mail"+form, "Number", number, "Name", t.b.title(d), "Hours", d.Hours)
		if d.Hours != "" {
			c.Text += "\n\n" + t.b.t(lang, "ack.hours"+form, "Hours", d.Hours)
		}
		c.Mail = t.mail(d, link, []string{to}, nil, t.b.t(lang, "ack.subject", "Number", number), true)
	} else if ok, _ := t.b.brake.allow(roomKey(link), answersPerRoom, t.Now); !ok {
		t.due = true
		return t.Tx.SetTimer(Timer{Name: ackTimer(tk.ID), Kind: timerAck, Due: t.Now.Add(10 * 60e9), Ticket: tk.ID})
	}
	e := &tickets.Entry{Ticket: tk.ID, Kind: tickets.Auto, Audience: audienceOf(link), Body: c.Text, Revision: 1, At: t.Now, Link: link.ID}
	if err := t.Tx.AddEntry(e, ""); err != nil {
		return err
	}
	_, err = t.text(outbox.Say, link, outbox.Payload{Content: &c}, func(d *outbox.Delivery) { d.Entry = e.ID })
	return err
}

// title is how a desk calls itself outside.
func (b *Bot) title(d *Desk) string {
	if d.Title != "" {
		return d.Title
	}
	return b.opt.Name
}

// mail makes the envelope of a mail at a link.
func (t *Turn) mail(d *Desk, link tickets.Link, to, cc []string, subject string, automatic bool) *chat.Mail {
	m := &chat.Mail{From: link.Room, FromName: t.b.title(d), To: to, Cc: cc, Subject: subject, Automatic: automatic,
		InReplyTo: link.MessageID, References: strings.Fields(link.References)}
	if !automatic {
		m.Cc = append(m.Cc, link.Room)
	}
	return m
}
