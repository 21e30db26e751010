package bot

import (
	"fmt"
	"strings"

	"permanence/bot/chat"
	"permanence/tickets"
)

// mailed decides about a mail. Matching a ticket and being allowed to speak in
// it are two decisions: the second needs the sender to take part.
func (t *Turn) mailed(row InboxRow, p *chat.Posted, s side) (concerns bool, aside string, err error) {
	if s.intake == nil || s.desk == nil {
		return true, "mail for " + p.Room + ", which is no desk's address", nil
	}
	m := p.Mail
	m.RawHash = row.Raw
	author, err := t.person(row.Adapter, p.From)
	if err != nil {
		return false, "", err
	}
	link, err := t.mailLink(row.Adapter, p, s)
	if err != nil {
		return false, "", err
	}
	if link.ID != 0 {
		return true, "", t.mailComment(row, p, s, link, author)
	}
	switch m.Automatic {
	case "dsn", "disposition-notification":
		return true, "unmatched " + m.Automatic, nil
	}
	return true, "", t.mailRequest(row, p, s, author)
}

// mailLink is the link that a mail's token or References name, the zero Link
// where they name none of this desk.
func (t *Turn) mailLink(adapter string, p *chat.Posted, s side) (tickets.Link, error) {
	if p.Thread != "" { // the adapter has verified the token
		ls, err := t.Tx.LinksAt(chat.Place{Adapter: adapter, Room: p.Room, Thread: p.Thread}, 1)
		if err != nil {
			return tickets.Link{}, err
		}
		if len(ls) > 0 && ls[0].Ticket != 0 {
			return ls[0], nil
		}
	}
	cs, err := t.Tx.CopiesByMessageID(adapter, p.Mail.References)
	if err != nil {
		return tickets.Link{}, err
	}
	for _, c := range cs {
		l, err := t.Tx.Link(c.Link)
		if err != nil {
			return tickets.Link{}, err
		}
		if l.Kind != tickets.MailLink || l.Ticket == 0 || l.Room != p.Room {
			continue
		}
		tk, err := t.Tx.Ticket(l.Ticket)
		if err != nil {
			return tickets.Link{}, err
		}
		if tk.Desk == s.desk.Name {
			return l, nil
		}
	}
	return tickets.Link{}, nil
}

// mailComment takes a mail that belongs to a ticket.
func (t *Turn) mailComment(row InboxRow, p *chat.Posted, s side, link tickets.Link, author tickets.ID) error {
	tk, err := t.Tx.Ticket(link.Ticket)
	if err != nil {
		return err
	}
	lang := t.b.lang(s.desk)
	_, takesPart, err := t.Tx.Participant(tk.ID, author)
	if err != nil {
		return err
	}
	if !takesPart {
		return t.thirdParty(&tk, link, author, p)
	}
	if p.Mail.Automatic != "" {
		return t.comment(&tk, link, author, p, true, t.b.t(lang, "line.automatic"))
	}
	if tk.State == tickets.Closed && s.desk.Reopen > 0 && t.Now.Sub(tk.ClosedAt) > s.desk.Reopen {
		_, err := t.open(request1{desk: s.desk, intake: s.intake, adapter: row.Adapter, person: author, p: p, related: tk.ID,
			hints: []string{t.b.t(lang, "hint.follows", "Number", number(tk.ID))}})
		return err
	}
	return t.comment(&tk, link, author, p, false)
}

// thirdParty keeps what somebody wrote into a ticket that they do not take
// part in: shown to the team, never relayed, never subscribed, and the asker's
// waiting is not ended by it.
func (t *Turn) thirdParty(tk *tickets.Ticket, link tickets.Link, author tickets.ID, p *chat.Posted) error {
	e := &tickets.Entry{Ticket: tk.ID, Kind: tickets.Message, Audience: tickets.Team, Author: author, Name: nameOf(p.From),
		Body: chat.Clean(p.Text), Folded: p.Mail.Folded, Subject: p.Mail.Subject, Revision: 1, At: t.Now, Dated: tickets.At(p.Mail.Date),
		Link: link.ID, Third: true, Raw: p.Mail.RawHash}
	e, files, err := t.entry(e, link, p, link.Adapter, p.Mail.MessageID)
	if err != nil {
		return err
	}
	line := t.outsideLine(tk, e, link)
	line.Hints = append(line.Hints, t.b.t(t.b.lang(t.b.desks[tk.Desk]), "line.third.hint"))
	return t.mirror(tk, e, tickets.Link{}, line, files)
}

// mailRequest opens a ticket for a mail that belongs to none.
func (t *Turn) mailRequest(row InboxRow, p *chat.Posted, s side, author tickets.ID) error {
	m := p.Mail
	lang := t.b.lang(s.desk)
	// Machines that write again and again, and senders that flood, join their
	// last ticket: everything is kept, and the team has one thing to look at.
	join := m.Automatic != ""
	if !join {
		ok, first := t.b.brake.allow("mail "+p.From.ID, ticketsPerSender, t.Now)
		join = !ok
		if first {
			if err := t.tellDesk(s.desk, t.b.t(lang, "breaker.sender", "Address", p.From.Handle)); err != nil {
				return err
			}
		}
	}
	if join {
		id, err := t.Tx.RecentOf(s.desk.Name, author, row.Adapter, p.Room, t.Now.Add(-ackEvery))
		if err != nil {
			return err
		}
		if id != 0 {
			tk, err := t.Tx.Ticket(id)
			if err != nil {
				return err
			}
			link, err := t.linkAt(id, row.Adapter, p.Room)
			if err != nil {
				return err
			}
			return t.comment(&tk, link, author, p, true, t.b.t(lang, "line.joined"))
		}
	}
	r := request1{desk: s.desk, intake: s.intake, adapter: row.Adapter, person: author, p: p, quiet: m.Automatic != ""}
	if n := mentioned(m.Subject); n != 0 {
		tk, err := t.deskTicket(s.desk, n)
		if err != nil {
			return err
		}
		if tk.ID != 0 {
			r.hints = append(r.hints, t.b.t(lang, "hint.mentions", "Number", number(tk.ID)))
		}
	}
	if m.TokenRefused {
		r.hints = append(r.hints, t.b.t(lang, "hint.token"))
	}
	if m.Automatic != "" {
		r.hints = append(r.hints, t.b.t(lang, "hint.automatic", "Header", m.Automatic))
	}
	if m.ReplyTo != "" && !strings.EqualFold(m.ReplyTo, p.From.ID) {
		r.hints = append(r.hints, t.b.t(lang, "hint.reply-to", "Address", m.ReplyTo))
	}
	if m.MessageID != "" {
		if err := t.sameMessageID(row, p, &r); err != nil {
			return err
		}
	}
	_, err := t.open(r)
	return err
}

// sameMessageID notices that a Message-ID has been seen before: the same mail
// at another role address is linked, another mail under that name is flagged.
func (t *Turn) sameMessageID(row InboxRow, p *chat.Posted, r *request1) error {
	cs, err := t.Tx.CopiesByMessageID(row.Adapter, []string{p.Mail.MessageID})
	if err != nil {
		return err
	}
	for _, c := range cs {
		e, err := t.Tx.Entry(c.Entry)
		if err != nil {
			return err
		}
		if e.Ticket == 0 {
			continue
		}
		id := "hint.same-id"
		if c.Remote == p.ID && c.Room != p.Room {
			id = "hint.same-mail"
			r.related = e.Ticket
		}
		r.hints = append(r.hints, t.b.t(t.b.lang(r.desk), id, "Number", number(e.Ticket)))
		return nil
	}
	return nil
}

// addCc makes participants of those who were written to beside us.
func (t *Turn) addCc(tk *tickets.Ticket, link tickets.Link, adapter string, p *chat.Posted) error {
	const most = 50 // people who read one ticket's mails
	for i, to := range append(append([]string{}, p.Mail.To...), p.Mail.Cc...) {
		if i == most {
			break
		}
		to = strings.ToLower(strings.TrimSpace(to))
		if to == "" || to == p.From.ID || t.b.ours(adapter, to) {
			continue
		}
		person, err := t.person(adapter, chat.Account{Network: "mail", ID: to, Handle: to})
		if err != nil {
			return err
		}
		if person == tk.Requester {
			continue
		}
		if err := t.Tx.PutParticipant(tickets.Participant{Ticket: tk.ID, Person: person, Part: tickets.CarbonCc, Link: link.ID}); err != nil {
			return err
		}
	}
	return nil
}

// ours tells whether an address is one of our role addresses, with or without
// a subaddress.
func (b *Bot) ours(adapter, address string) bool {
	local, domain, _ := strings.Cut(address, "@")
	base, _, _ := strings.Cut(local, "+")
	for p := range b.sides {
		room := strings.ToLower(p.Room)
		if room == address || room == base+"@"+domain {
			return true
		}
	}
	return false
}

func number(id tickets.ID) string { return fmt.Sprintf("#%d", id) }

// mentioned reads a "[#42]" in a subject: a hint for people, never a match.
func mentioned(subject string) tickets.ID {
	for {
		i := strings.Index(subject, "#")
		if i < 0 {
			return 0
		}
		subject = subject[i:]
		if _, n := leadingTicket(strings.Map(func(r rune) rune {
			if r == ']' || r == ')' {
				return ' '
			}
			return r
		}, subject)); n != 0 {
			return n
		}
		subject = subject[1:]
	}
}
