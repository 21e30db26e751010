package bot

import (
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/internal/markup"
	"permanence/tickets"
)

// posted decides about a new message: a copy we know is never a new entry; a
// command is run; else it is a comment in a link, else a new request by the
// intake's rule.
func (t *Turn) posted(row InboxRow, p *chat.Posted) (concerns bool, aside string, err error) {
	adapter := row.Adapter
	if p.From.Self && p.Key != "" {
		return true, "", t.ownCopy(adapter, p)
	}
	if p.From.Self && p.Mail == nil {
		return false, "", nil
	}
	s := t.b.sides[chat.Place{Adapter: adapter, Room: p.Room}]
	c, known, err := t.Tx.CopyAt(adapter, p.Room, p.ID)
	if err != nil {
		return false, "", err
	}
	if known {
		if p.Revealed {
			return true, "", t.revealed(adapter, p, s, c)
		}
		return true, "", nil
	}
	if p.From.Bot {
		return false, "", nil
	}
	if err := t.catchEarly(adapter, p); err != nil {
		return false, "", err
	}
	if s.intake != nil && p.Mail == nil {
		wanted, err := t.fetched(adapter, p)
		if err != nil {
			return false, "", err
		}
		if wanted {
			_, err = t.Promote(s.desk, s.intake, adapter, []chat.Posted{*p})
			return true, "", err
		}
	}
	switch {
	case p.Mail != nil:
		return t.mailed(row, p, s)
	case s.team:
		concerns, err = t.teamPosted(adapter, p, s)
	case s.intake != nil:
		concerns, err = t.publicPosted(adapter, p, s)
	case p.Direct:
		concerns, err = t.directPosted(adapter, p)
	}
	return concerns, "", err
}

// person finds or makes the person of an account.
func (t *Turn) person(adapter string, a chat.Account) (tickets.ID, error) {
	network := network(adapter, a)
	id, err := t.Tx.PersonByIdentity(network, a.ID)
	if err != nil {
		return 0, err
	}
	if id != 0 {
		return id, t.refresh(network, id, a)
	}
	p := tickets.Person{Name: nameOf(a), Created: t.Now}
	err = t.Tx.AddPerson(&p, tickets.Identity{Network: network, Account: a.ID, Name: a.Name, Handle: a.Handle, Proved: a.Proved})
	return p.ID, err
}

// refresh keeps the name and handle of a proved identity true: each is written
// once after a start, and when it changes.
func (t *Turn) refresh(network string, person tickets.ID, a chat.Account) error {
	key := network + " " + a.ID
	now := tickets.Identity{Network: network, Account: a.ID, Person: person, Name: a.Name, Handle: a.Handle, Proved: true}
	if !a.Proved || t.b.known[key] == now {
		return nil
	}
	t.After(func() {
		if len(t.b.known) > 10000 {
			clear(t.b.known)
		}
		t.b.known[key] = now
	})
	return t.Tx.AddIdentity(now)
}

func network(adapter string, a chat.Account) string {
	if a.Network != "" {
		return a.Network
	}
	return adapter
}

func nameOf(a chat.Account) string {
	for _, s := range []string{a.Name, a.Handle, a.ID} {
		if s = strings.TrimSpace(oneLine(s)); s != "" {
			return s
		}
	}
	return "?"
}

// oneLine makes a name or subject one line without control characters.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
}

// teamPosted decides about a message in a team room: a command, a note of the
// ticket whose thread it stands in, or talk that concerns nobody.
func (t *Turn) teamPosted(adapter string, p *chat.Posted, s side) (bool, error) {
	link, ticket, err := t.teamTicket(adapter, p, s)
	if err != nil {
		return false, err
	}
	if command.IsCommand(p.Text) {
		concerns, ran, err := t.typed(adapter, p, s, ticket, link)
		if ran || err != nil {
			return concerns, err
		}
	}
	if ticket == 0 {
		text, number := leadingTicket(p.Text)
		if number == 0 {
			return false, nil
		}
		tk, err := t.deskTicket(s.desk, number)
		if err != nil {
			return false, err
		}
		if tk.ID == 0 {
			return false, nil
		}
		p.Text = text
		ticket = tk.ID
		if link, err = t.teamLink(ticket, adapter, p.Room); err != nil {
			return false, err
		}
	}
	author, err := t.person(adapter, p.From)
	if err != nil {
		return false, err
	}
	if err := t.seenInTeam(s.desk, adapter, p.From, author); err != nil {
		return false, err
	}
	_, err = t.note(ticket, link, author, p)
	return true, err
}

// teamTicket tells which ticket a message of a team room is about by its
// thread or by what it answers; zeros where neither tells.
func (t *Turn) teamTicket(adapter string, p *chat.Posted, s side) (tickets.Link, tickets.ID, error) {
	if p.Thread != "" {
		ls, err := t.Tx.LinksAt(chat.Place{Adapter: adapter, Room: p.Room, Thread: p.Thread}, 4)
		if err != nil {
			return tickets.Link{}, 0, err
		}
		for _, l := range ls {
			if l.Kind == tickets.TeamLink && l.Ticket != 0 {
				return l, l.Ticket, nil
			}
		}
	}
	if p.ReplyTo != "" {
		c, ok, err := t.Tx.CopyAt(adapter, p.Room, p.ReplyTo)
		if err != nil || !ok {
			return tickets.Link{}, 0, err
		}
		l, err := t.Tx.Link(c.Link)
		if err != nil {
			return tickets.Link{}, 0, err
		}
		if l.Kind == tickets.TeamLink {
			return l, l.Ticket, nil
		}
	}
	return tickets.Link{}, 0, nil
}

// teamLink is a ticket's link in one team room.
func (t *Turn) teamLink(ticket tickets.ID, adapter, room string) (tickets.Link, error) {
	ls, err := t.Tx.TicketLinks(ticket)
	if err != nil {
		return tickets.Link{}, err
	}
	for _, l := range ls {
		if l.Kind == tickets.TeamLink && l.Adapter == adapter && l.Room == room {
			return l, nil
		}
	}
	return tickets.Link{}, nil
}

// deskTicket is a ticket of that desk, the zero Ticket where there is none.
func (t *Turn) deskTicket(d *Desk, number tickets.ID) (tickets.Ticket, error) {
	tk, err := t.Tx.Ticket(number)
	if isNotFound(err) || err == nil && d != nil && tk.Desk != d.Name {
		return tickets.Ticket{}, nil
	}
	return tk, err
}

// publicPosted decides about a message in a public channel.
func (t *Turn) publicPosted(adapter string, p *chat.Posted, s side) (bool, error) {
	place := chat.Place{Adapter: adapter, Room: p.Room}
	t.b.recent.add(place, p, t.Now)
	if command.IsCommand(p.Text) {
		concerns, ran, err := t.typed(adapter, p, s, 0, tickets.Link{})
		if ran || err != nil {
			return concerns, err
		}
	}
	// Most who talk in a channel want nothing of us: they become persons here
	// when they do.
	author, err := t.Tx.PersonByIdentity(network(adapter, p.From), p.From.ID)
	if err != nil {
		return false, err
	}
	role, err := t.role(s.desk, adapter, p.From, author)
	if err != nil {
		return false, err
	}
	ticket, link, err := t.askerTicket(adapter, p, s, author)
	if err != nil {
		return false, err
	}
	if ticket != 0 {
		if author, err = t.person(adapter, p.From); err != nil {
			return false, err
		}
		return true, t.publicComment(ticket, link, author, role, p)
	}
	if role != tickets.Nobody && !p.MentionsUs {
		return false, nil // the team's own chatter
	}
	switch s.intake.Opens {
	case OnCommand:
		return false, nil
	case OnMention, "":
		if !p.MentionsUs {
			return false, nil
		}
	}
	if t.b.spoken.recently(place, p.Text, t.Now) {
		t.b.log.Warn("a line came back equal to one of ours: no ticket is opened for it", "room", place.String())
		return false, nil
	}
	if author, err = t.person(adapter, p.From); err != nil {
		return false, err
	}
	_, err = t.openOrJoin(request1{desk: s.desk, intake: s.intake, adapter: adapter, person: author, p: p})
	return true, err
}

// openOrJoin opens a ticket, or has the message join the sender's last one
// when they open too many: nothing is lost, and the team has one to look at.
func (t *Turn) openOrJoin(r request1) (*tickets.Ticket, error) {
	ok, first := t.b.brake.allow("chat "+r.adapter+" "+r.p.From.ID, ticketsPerSender, t.Now)
	if first {
		if err := t.tellDesk(r.desk, t.b.t(t.b.lang(r.desk), "breaker.sender", "Address", markup.Inert(nameOf(r.p.From)))); err != nil {
			return nil, err
		}
	}
	if !ok {
		id, err := t.Tx.RecentOf(r.desk.Name, r.person, r.adapter, r.p.Room, t.Now.Add(-ackEvery))
		if err != nil {
			return nil, err
		}
		if id != 0 {
			tk, err := t.Tx.Ticket(id)
			if err != nil {
				return nil, err
			}
			link, err := t.linkAt(id, r.adapter, r.p.Room)
			if err != nil {
				return nil, err
			}
			return &tk, t.comment(&tk, link, r.person, r.p, false)
		}
	}
	return t.open(r)
}

// groupWithin is how long successive messages of one person in a channel join
// one ticket.
const groupWithin = 10 * time.Minute

// askerTicket tells which open conversation a message in a channel belongs to:
// its thread, what it answers, the same person within ten minutes, or the one
// open ticket of the person it is addressed to.
func (t *Turn) askerTicket(adapter string, p *chat.Posted, s side, author tickets.ID) (tickets.ID, tickets.Link, error) {
	place := chat.Place{Adapter: adapter, Room: p.Room}
	if p.Thread != "" {
		place.Thread = p.Thread
		ls, err := t.Tx.LinksAt(place, 1)
		if err != nil || len(ls) > 0 && ls[0].Ticket != 0 {
			if len(ls) > 0 {
				return ls[0].Ticket, ls[0], err
			}
			return 0, tickets.Link{}, err
		}
		return 0, tickets.Link{}, nil
	}
	if p.ReplyTo != "" {
		c, ok, err := t.Tx.CopyAt(adapter, p.Room, p.ReplyTo)
		if err != nil {
			return 0, tickets.Link{}, err
		}
		if ok {
			l, err := t.Tx.Link(c.Link)
			if err == nil && l.Ticket != 0 && l.Kind == tickets.AskerLink {
				return l.Ticket, l, nil
			}
			if err != nil {
				return 0, tickets.Link{}, err
			}
		}
	}
	var id tickets.ID
	var err error
	if author != 0 {
		id, err = t.Tx.RecentOf(s.desk.Name, author, adapter, p.Room, t.Now.Add(-groupWithin))
	}
	if err == nil && id == 0 && t.b.caps(place).Threads == chat.None {
		id, err = t.addressed(adapter, p, s)
	}
	if err != nil || id == 0 {
		return 0, tickets.Link{}, err
	}
	link, err := t.linkAt(id, adapter, p.Room)
	return id, link, err
}

// addressed is the one open ticket of the one person that a helper's line
// names, 0 where that is not exactly one.
func (t *Turn) addressed(adapter string, p *chat.Posted, s side) (tickets.ID, error) {
	if len(p.Mentions) != 1 {
		return 0, nil
	}
	person, err := t.Tx.PersonByIdentity(adapter, p.Mentions[0])
	if err != nil || person == 0 {
		return 0, err
	}
	ids, err := t.Tx.OpenOf(s.desk.Name, person, adapter, p.Room)
	if err != nil || len(ids) != 1 {
		return 0, err
	}
	return ids[0], nil
}

// linkAt is a ticket's link to a room outside the team.
func (t *Turn) linkAt(ticket tickets.ID, adapter, room string) (tickets.Link, error) {
	ls, err := t.Tx.TicketLinks(ticket)
	if err != nil {
		return tickets.Link{}, err
	}
	for _, l := range ls {
		if l.Kind != tickets.TeamLink && l.Adapter == adapter && l.Room == room {
			return l, nil
		}
	}
	return tickets.Link{}, nil
}

// publicComment takes a message in an open conversation of a channel: the
// asker's, a helper's, or the team's, which has then answered.
func (t *Turn) publicComment(ticket tickets.ID, link tickets.Link, author tickets.ID, role tickets.Role, p *chat.Posted) error {
	tk, err := t.Tx.Ticket(ticket)
	if err != nil {
		return err
	}
	if role != tickets.Nobody && author != tk.Requester {
		return t.answeredThere(&tk, link, author, p)
	}
	if author != tk.Requester {
		if err := t.Tx.DropTimer(ackTimer(tk.ID)); err != nil {
			return err // somebody has spoken
		}
	}
	return t.comment(&tk, link, author, p, false)
}

// directPosted decides about a message to us alone.
func (t *Turn) directPosted(adapter string, p *chat.Posted) (bool, error) {
	if command.IsCommand(p.Text) {
		concerns, ran, err := t.typed(adapter, p, side{}, 0, tickets.Link{})
		if ran || err != nil {
			return concerns, err
		}
	}
	author, err := t.person(adapter, p.From)
	if err != nil {
		return false, err
	}
	if p.ReplyTo != "" {
		c, ok, err := t.Tx.CopyAt(adapter, p.Room, p.ReplyTo)
		if err != nil {
			return false, err
		}
		if ok {
			l, err := t.Tx.Link(c.Link)
			if err != nil {
				return false, err
			}
			if l.Ticket != 0 && l.Kind == tickets.DirectLink {
				tk, err := t.Tx.Ticket(l.Ticket)
				if err != nil {
					return false, err
				}
				return true, t.comment(&tk, l, author, p, false)
			}
		}
	}
	ls, err := t.Tx.LinksAt(chat.Place{Adapter: adapter, Room: p.Room}, 8)
	if err != nil {
		return false, err
	}
	for _, l := range ls {
		if l.Ticket == 0 {
			continue
		}
		tk, err := t.Tx.Ticket(l.Ticket)
		if err != nil {
			return false, err
		}
		if tk.State != tickets.Closed {
			return true, t.comment(&tk, l, author, p, false)
		}
	}
	d, role, err := t.deskOf(adapter, p.From, author)
	if err != nil || d == nil {
		return false, err
	}
	if role != tickets.Nobody {
		return false, t.tellRoom(chat.Place{Adapter: adapter, Room: p.Room}, t.b.t(t.b.lang(d), "direct.staff"), nil)
	}
	_, err = t.openOrJoin(request1{desk: d, adapter: adapter, person: author, p: p, direct: true})
	return true, err
}

// deskFor is the desk that a direct message of an account is for: the first
// one that lets it invite us, else the first one with an intake on that
// adapter, else the first one.
func (b *Bot) deskFor(adapter string, a chat.Account) *Desk {
	for i := range b.opt.Desks {
		for _, in := range b.opt.Desks[i].Invites {
			if in.Adapter == adapter && (chat.MatchAccount(in.Handle, a.ID) || a.Handle != "" && chat.MatchAccount(in.Handle, a.Handle)) {
				return &b.opt.Desks[i]
			}
		}
	}
	for i := range b.opt.Desks {
		for _, in := range b.opt.Desks[i].Intakes {
			if in.Place.Adapter == adapter {
				return &b.opt.Desks[i]
			}
		}
	}
	if len(b.opt.Desks) == 0 {
		return nil
	}
	return &b.opt.Desks[0]
}

// leadingTicket reads "#42 text".
func leadingTicket(s string) (rest string, number tickets.ID) {
	n, rest, _ := command.CutTicket(s)
	return rest, tickets.ID(n)
}
