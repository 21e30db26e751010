package bot

import (
	"fmt"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/bot/render"
	"permanence/internal/markup"
	"permanence/tickets"
)

// request1 is a message that opens a ticket.
type request1 struct {
	desk    *Desk
	intake  *Intake // nil for a direct message
	adapter string
	person  tickets.ID
	p       *chat.Posted
	direct  bool
	slash   bool // direct, from a command that no message shows: the room is to be found
	quiet   bool // never acknowledged: a machine's
	related tickets.ID
	hints   []string
	subject string
}

// open makes a ticket of a message: its link, its first entry, a card in every
// team room, and an acknowledgement where the desk wants one.
func (t *Turn) open(r request1) (*tickets.Ticket, error) {
	p := r.p
	tk := &tickets.Ticket{Desk: r.desk.Name, State: tickets.New, Requester: r.person, Created: t.Now, Updated: t.Now,
		Asked: t.Now, Since: t.Now, LastAsker: r.person, Related: r.related, Subject: r.subject}
	if tk.Subject == "" && p.Mail != nil {
		tk.Subject = mailSubject(p.Mail)
	}
	if tk.Subject == "" {
		tk.Subject = t.subject(p.Text, r.desk)
		if p.Unreadable {
			tk.Subject = t.b.t(t.b.lang(r.desk), "ticket.sealed-subject")
		}
	}
	if err := t.Tx.AddTicket(tk); err != nil {
		return nil, err
	}
	link, err := t.askerLink(tk, r)
	if err != nil {
		return nil, err
	}
	tk.LastLink = link.ID
	if err := t.Tx.PutParticipant(tickets.Participant{Ticket: tk.ID, Person: r.person, Part: tickets.Requester, Link: link.ID}); err != nil {
		return nil, err
	}
	if p.Mail != nil && !r.quiet {
		if err := t.addCc(tk, link, r.adapter, p); err != nil {
			return nil, err
		}
	}
	e, files, err := t.message(tk, link, r.person, p, r.adapter)
	if err != nil {
		return nil, err
	}
	tk.First = e.ID
	tk.Hints = strings.Join(r.hints, "\n")
	if err := t.Tx.UpdateTicket(tk); err != nil {
		return nil, err
	}
	if err := t.openTeam(tk, e, files); err != nil {
		return nil, err
	}
	if err := t.besideRequest(tk, e, r.quiet); err != nil {
		return nil, err
	}
	return tk, t.planAck(tk, r)
}

// mailSubject is a mail's subject on one line, empty where it has none.
func mailSubject(m *chat.MailIn) string {
	s, _ := markup.Excerpt(strings.TrimSpace(oneLine(m.Subject)), 200)
	return s
}

// subject is made of the first words of a message.
func (t *Turn) subject(text string, d *Desk) string {
	first, _, _ := strings.Cut(strings.TrimSpace(markup.MarkdownToPlain(text)), "\n")
	s, cut := markup.Excerpt(oneLine(first), 70)
	if cut {
		s = strings.TrimRight(s, "… ") + "…"
	}
	if s = strings.TrimSpace(s); s == "" {
		s = t.b.t(t.b.lang(d), "ticket.no-subject")
	}
	return s
}

// askerLink makes the link to where a request came from.
func (t *Turn) askerLink(tk *tickets.Ticket, r request1) (tickets.Link, error) {
	l := tickets.Link{Ticket: tk.ID, Adapter: r.adapter, Room: r.p.Room, Created: t.Now}
	switch {
	case r.p.Mail != nil:
		l.Kind = tickets.MailLink
		l.Audiences = tickets.Participants | tickets.Everyone
		l.Person = r.person
		l.MessageID = r.p.Mail.MessageID
		l.References = references(l.References, r.p.Mail)
	case r.direct:
		l.Kind = tickets.DirectLink
		l.Audiences = tickets.Participants | tickets.Everyone
		l.Person = r.person
		if r.slash {
			l.Room = ""
			return t.directRoom(l, r.p.From)
		}
	default:
		l.Kind = tickets.AskerLink
		l.Audiences = tickets.Everyone
		if r.intake != nil && r.intake.Closed {
			l.Audiences |= tickets.Participants
		}
		if t.b.caps(chat.Place{Adapter: r.adapter, Room: r.p.Room}).Threads != chat.None {
			// The answer goes below the post itself.
			l.Thread = r.p.Thread
			if l.Thread == "" {
				l.Thread = r.p.ID
			}
		}
	}
	return l, t.Tx.AddLink(&l)
}

// audienceOf is what an entry that came over a link may be shown to.
func audienceOf(l tickets.Link) tickets.Audience {
	if l.Kind == tickets.AskerLink && !l.Audiences.Has(tickets.Participants) {
		return tickets.Everyone
	}
	return tickets.Participants
}

// message stores what somebody outside wrote: entry, copy and files.
func (t *Turn) message(tk *tickets.Ticket, link tickets.Link, author tickets.ID, p *chat.Posted, adapter string) (*tickets.Entry, []tickets.File, error) {
	e := &tickets.Entry{Ticket: tk.ID, Kind: tickets.Message, Audience: audienceOf(link), Author: author, Name: nameOf(p.From),
		Body: chat.Clean(p.Text), Revision: 1, At: t.Now, Dated: tickets.At(p.At), Link: link.ID}
	messageID := ""
	if p.Mail != nil {
		e.Subject = p.Mail.Subject
		e.Folded = p.Mail.Folded
		e.Dated = tickets.At(p.Mail.Date)
		e.Raw = p.Mail.RawHash
		messageID = p.Mail.MessageID
		if p.Mail.Automatic != "" {
			e.Audience = tickets.Team // a machine's words are never quoted
		}
	}
	return t.entry(e, link, p, adapter, messageID)
}

// entry stores an entry with its original copy and its files.
func (t *Turn) entry(e *tickets.Entry, link tickets.Link, p *chat.Posted, adapter, messageID string) (*tickets.Entry, []tickets.File, error) {
	if p.Unreadable {
		e.Body, e.Sealed = "", true
	}
	if err := t.Tx.AddEntry(e, markup.Fold(e.Subject+" "+e.Body)); err != nil {
		return nil, nil, err
	}
	if err := t.Tx.AddCopy(tickets.Copy{Entry: e.ID, Link: link.ID, Adapter: adapter, Room: p.Room, Remote: p.ID, Revision: 1,
		Original: true, MessageID: messageID, At: t.Now}); err != nil {
		return nil, nil, err
	}
	files, err := t.files(e, p, adapter)
	return e, files, err
}

// files stores what came with a message.
func (t *Turn) files(e *tickets.Entry, p *chat.Posted, adapter string) ([]tickets.File, error) {
	var files []tickets.File
	for _, ref := range p.Files {
		f := tickets.File{Entry: e.ID, Name: oneLine(ref.Name), Type: ref.Type, Size: ref.Size, Adapter: adapter, Ref: ref.Ref,
			ContentID: ref.ContentID, State: tickets.FileWanted, NextAt: t.Now}
		if err := t.Tx.AddFile(&f); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if len(files) > 0 {
		t.After(t.b.wakeFetcher)
	}
	return files, nil
}

// openTeam says the card in every team room of the desk.
func (t *Turn) openTeam(tk *tickets.Ticket, e *tickets.Entry, files []tickets.File) error {
	for _, room := range t.b.desks[tk.Desk].Rooms {
		if _, err := t.openTeamRoom(tk, room, e, files); err != nil {
			return err
		}
	}
	return nil
}

func (t *Turn) openTeamRoom(tk *tickets.Ticket, room chat.Place, e *tickets.Entry, files []tickets.File) (tickets.Link, error) {
	l := tickets.Link{Ticket: tk.ID, Kind: tickets.TeamLink, Adapter: room.Adapter, Room: room.Room,
		Audiences: tickets.Team | tickets.Participants | tickets.Everyone, Rootless: true, Created: t.Now}
	if err := t.Tx.AddLink(&l); err != nil {
		return l, err
	}
	card, err := t.card(tk, e, files, room)
	if err != nil {
		return l, err
	}
	root, err := t.text(outbox.Say, l, outbox.Payload{Content: &card}, func(d *outbox.Delivery) { d.Entry = e.ID })
	if err != nil {
		return l, err
	}
	l.Root = root.ID
	return l, t.Tx.UpdateLink(l)
}

// comment takes one more message from outside into a ticket: it is shown to
// the team, reopens or follows a closed ticket, and moves the place of the
// answer.
func (t *Turn) comment(tk *tickets.Ticket, link tickets.Link, author tickets.ID, p *chat.Posted, quiet bool, hints ...string) error {
	e, files, err := t.message(tk, link, author, p, link.Adapter)
	if err != nil {
		return err
	}
	return t.commented(tk, e, files, link, author, p, quiet, hints)
}

func (t *Turn) commented(tk *tickets.Ticket, e *tickets.Entry, files []tickets.File, link tickets.Link, author tickets.ID, p *chat.Posted, quiet bool, hints []string) error {
	part, takesPart, err := t.Tx.Participant(tk.ID, author)
	if err != nil {
		return err
	}
	tk.Updated = t.Now
	last, redraw := "", false
	if takesPart && !quiet {
		if part.Link != link.ID {
			part.Link = link.ID
			if err := t.Tx.PutParticipant(part); err != nil {
				return err
			}
		}
		tk.Asked, tk.LastAsker, tk.LastLink = t.Now, author, link.ID
		redraw = tk.LastEvent != ""
		tk.LastEvent = ""
		if tk.State == tickets.Waiting || tk.State == tickets.Closed {
			if tk.State == tickets.Closed {
				last = t.b.t(t.b.lang(t.b.desks[tk.Desk]), "event.reopened", "Name", e.Name)
			}
			tk.State, tk.Since, tk.ClosedAt = tickets.Open, t.Now, 0
			redraw = true
		}
	}
	if p.Mail != nil && p.Mail.MessageID != "" {
		link.MessageID = p.Mail.MessageID
		link.References = references(link.References, p.Mail)
		if err := t.Tx.UpdateLink(link); err != nil {
			return err
		}
	}
	if err := t.Tx.UpdateTicket(tk); err != nil {
		return err
	}
	line := t.outsideLine(tk, e, link)
	line.Hints = append(line.Hints, hints...)
	if tk.Owner != 0 && takesPart && !quiet && !t.past(p) {
		err = t.mirrorPinging(tk, e, line, files, tk.Owner)
	} else {
		err = t.mirror(tk, e, tickets.Link{}, line, files)
	}
	if err != nil {
		return err
	}
	if redraw {
		t.redraw(tk.ID, last)
	}
	return nil
}

// past tells that a message was said a while ago, and comes from history: it
// pings nobody any more.
func (t *Turn) past(p *chat.Posted) bool {
	return p.Backlog && t.Now.Sub(tickets.At(p.At)) > pastAfter
}

const pastAfter = 10 * time.Minute

// outsideLine is a message from outside as the team's rooms show it.
func (t *Turn) outsideLine(tk *tickets.Ticket, e *tickets.Entry, link tickets.Link) render.Line {
	l := render.Line{Kind: e.Kind, Name: e.Name, Body: e.Body, Sealed: e.Sealed, Deleted: e.Deleted, Edited: e.Revision > 1, Folded: e.Folded != "",
		Third: e.Third, Address: t.addressOf(e.Author, link)}
	if d := e.Dated; d != 0 && (d.Sub(e.At) > hourApart || e.At.Sub(d) > hourApart) {
		l.Dated = t.b.render.DateTime(t.b.lang(t.b.desks[tk.Desk]), d)
	}
	if link.Kind == tickets.AskerLink {
		l.Where = t.b.placeName(link)
	}
	return l
}

// hourApart is how far a header's date may be from the arrival without being
// shown.
const hourApart = 3600e9

// addressOf is what stands beside a person's name: their handle on the network
// of that link.
func (t *Turn) addressOf(person tickets.ID, link tickets.Link) string {
	ids, err := t.Tx.Identities(person)
	if err != nil {
		return ""
	}
	for _, id := range ids {
		if link.Kind == tickets.MailLink == (id.Network == "mail") && (id.Network == "mail" || id.Network == link.Adapter) {
			if id.Handle != "" {
				return id.Handle
			}
			return id.Account
		}
	}
	return ""
}

// placeName is a place as people read it.
func (b *Bot) placeName(l tickets.Link) string {
	room := l.Room
	if i := strings.LastIndexByte(room, '/'); i >= 0 {
		room = room[i+1:]
	}
	if !strings.HasPrefix(room, "#") && !strings.ContainsAny(room, "@!:") {
		room = "#" + room
	}
	return room
}

// mirrorPinging mirrors and pings one person where they can be pinged.
func (t *Turn) mirrorPinging(tk *tickets.Ticket, e *tickets.Entry, l render.Line, files []tickets.File, whom tickets.ID) error {
	before := len(t.out)
	if err := t.mirror(tk, e, tickets.Link{}, l, files); err != nil {
		return err
	}
	for i := before; i < len(t.out); i++ {
		d := &t.out[i]
		p, err := d.Payload()
		if err != nil || p.Content == nil {
			continue
		}
		if p.Content.Mentions, err = t.accounts(d.Adapter, []tickets.ID{whom}); err != nil {
			return err
		}
		d.SetPayload(p)
		if err := t.Tx.UpdateDelivery(*d); err != nil {
			return err
		}
	}
	return nil
}

// note stores what a member of the team wrote in a thread and shows it in the
// team's other rooms. It stays inside until somebody sends it.
func (t *Turn) note(ticket tickets.ID, link tickets.Link, author tickets.ID, p *chat.Posted) (*tickets.Entry, error) {
	tk, err := t.Tx.Ticket(ticket)
	if err != nil {
		return nil, err
	}
	e := &tickets.Entry{Ticket: ticket, Kind: tickets.Note, Audience: tickets.Team, Author: author, Name: nameOf(p.From),
		Body: chat.Clean(p.Text), Revision: 1, At: t.Now, Dated: tickets.At(p.At), Link: link.ID}
	e, files, err := t.entry(e, link, p, link.Adapter, "")
	if err != nil {
		return nil, err
	}
	if tk.ClaimUntil != 0 && tk.Owner == author {
		if err := t.ownerSpoke(&tk, author); err != nil {
			return nil, err
		}
		if err := t.Tx.UpdateTicket(&tk); err != nil {
			return nil, err
		}
	}
	return e, t.mirror(&tk, e, link, render.Line{Kind: tickets.Note, Name: e.Name, Body: e.Body, Sealed: e.Sealed}, files)
}

// answeredThere takes what a member of the team said in the asker's place
// itself: they have answered.
func (t *Turn) answeredThere(tk *tickets.Ticket, link tickets.Link, author tickets.ID, p *chat.Posted) error {
	e := &tickets.Entry{Ticket: tk.ID, Kind: tickets.Reply, Audience: audienceOf(link), Author: author, Name: nameOf(p.From),
		Body: chat.Clean(p.Text), Revision: 1, At: t.Now, Dated: tickets.At(p.At), Link: link.ID}
	e, files, err := t.entry(e, link, p, link.Adapter, "")
	if err != nil {
		return err
	}
	tk.Answered, tk.Updated = t.Now, t.Now
	if tk.State != tickets.Closed {
		tk.State = tickets.Waiting
	}
	if err := t.ownerSpoke(tk, author); err != nil {
		return err
	}
	if err := t.Tx.UpdateTicket(tk); err != nil {
		return err
	}
	if err := t.Tx.DropTimer(ackTimer(tk.ID)); err != nil {
		return err
	}
	line := render.Line{Kind: tickets.Reply, Public: true, Name: e.Name, Body: e.Body, Sealed: e.Sealed, Where: t.b.placeName(link)}
	t.redraw(tk.ID, "")
	return t.mirror(tk, e, tickets.Link{}, line, files)
}

// references are the Message-IDs of a mail thread, oldest first, trimmed to
// the first and the last ten.
func references(old string, m *chat.MailIn) string {
	ids := strings.Fields(old)
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	add := func(id string) {
		if id != "" && !seen[id] && len(id) <= 998 && !strings.ContainsAny(id, " \t\r\n") {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for i := len(m.References) - 1; i >= 0; i-- {
		add(m.References[i])
	}
	add(m.MessageID)
	if len(ids) > 11 {
		ids = append(ids[:1:1], ids[len(ids)-10:]...)
	}
	return strings.Join(ids, " ")
}

func ackTimer(id tickets.ID) string { return fmt.Sprintf("ack %d", id) }
