package bot

import (
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/bot/render"
	"permanence/tickets"
)

// role is what an account is at a desk now: what the configuration says, else
// what was given, else nobody. An account that the network does not vouch for
// is nobody.
func (t *Turn) role(d *Desk, adapter string, a chat.Account, person tickets.ID) (tickets.Role, error) {
	if !a.Proved || a.Bot {
		return tickets.Nobody, nil
	}
	if refers(d.Coordinators, adapter, a) {
		return tickets.Coordinator, nil
	}
	if refers(d.Agents, adapter, a) {
		return tickets.Agent, nil
	}
	r, err := t.Tx.Role(d.Name, person)
	if err != nil {
		return tickets.Nobody, err
	}
	switch {
	case r == tickets.Outsider:
		return tickets.Nobody, nil
	case r == tickets.Trainee && d.open():
		return tickets.Agent, nil
	}
	return r, nil
}

// open: the configuration names nobody, so everybody in the private team room
// is an agent.
func (d *Desk) open() bool { return len(d.Agents)+len(d.Coordinators) == 0 }

// firstSeen takes somebody who speaks in the team room for the first time in
// as a trainee (an agent where nobody is named).
func (t *Turn) firstSeen(d *Desk, person tickets.ID) (tickets.Role, error) {
	if r, err := t.Tx.Role(d.Name, person); err != nil || r == tickets.Outsider {
		return tickets.Nobody, err
	}
	if err := t.Tx.SetRole(d.Name, person, tickets.Trainee, 0, t.Now); err != nil {
		return tickets.Nobody, err
	}
	if d.open() {
		return tickets.Agent, nil
	}
	return tickets.Trainee, nil
}

// seenInTeam takes in whoever speaks in the team room, once after a start.
func (t *Turn) seenInTeam(d *Desk, adapter string, a chat.Account, person tickets.ID) error {
	key := d.Name + " " + number(person)
	if !a.Proved || t.b.colleagues[key] {
		return nil
	}
	r, err := t.role(d, adapter, a, person)
	if err == nil && r == tickets.Nobody {
		if r, err = t.firstSeen(d, person); err == nil && r == tickets.Trainee {
			err = t.welcome(d, adapter, a, person)
		}
	}
	t.After(func() { t.b.colleagues[key] = true })
	return err
}

// welcome tells somebody new in the team, in private and once, how to work
// here.
func (t *Turn) welcome(d *Desk, adapter string, a chat.Account, person tickets.ID) error {
	if t.b.caps(chat.Place{Adapter: adapter}).Direct == chat.None {
		return nil
	}
	l, err := t.directRoom(tickets.Link{Kind: tickets.DirectLink, Adapter: adapter, Audiences: tickets.Team, Person: person, Created: t.Now}, a)
	if err != nil {
		return err
	}
	lang := t.b.lang(d)
	_, err = t.text(outbox.Say, l, outbox.Payload{Content: &chat.Content{Text: t.b.t(lang, "welcome.team"), Notice: true, Lang: lang}}, nil)
	return err
}

// deskOf is the desk where an account has a role, for direct messages; where
// there is none, the adapter's.
func (t *Turn) deskOf(adapter string, a chat.Account, person tickets.ID) (*Desk, tickets.Role, error) {
	for i := range t.b.opt.Desks {
		d := &t.b.opt.Desks[i]
		r, err := t.role(d, adapter, a, person)
		if err != nil {
			return nil, r, err
		}
		if r != tickets.Nobody {
			return d, r, nil
		}
	}
	return t.b.deskFor(adapter, a), tickets.Nobody, nil
}

func refers(refs []AccountRef, adapter string, a chat.Account) bool {
	for _, r := range refs {
		if r.Adapter != adapter {
			continue
		}
		h := strings.TrimPrefix(r.Handle, "@")
		if strings.EqualFold(h, strings.TrimPrefix(a.Handle, "@")) || h == a.ID || r.Handle == a.ID {
			return true
		}
	}
	return false
}

// joined lets what waited for somebody go on, and greets whoever has opened a
// conversation with us.
func (t *Turn) joined(adapter string, ev *chat.Joined) error {
	if err := t.unpark(adapter, ev.From); err != nil {
		return err
	}
	d := t.b.deskFor(adapter, ev.From)
	if !ev.Direct || ev.From.Bot || ev.From.Self || d == nil {
		return nil
	}
	return t.tellRoom(chat.Place{Adapter: adapter, Room: ev.Room}, t.b.t(t.b.lang(d), "welcome.direct"), nil)
}

// left ends the role that somebody had by being in a team room.
func (t *Turn) left(adapter string, ev *chat.Left) error {
	s := t.b.sides[chat.Place{Adapter: adapter, Room: ev.Room}]
	if !s.team || !ev.From.Proved {
		return nil
	}
	person, err := t.Tx.PersonByIdentity(network(adapter, ev.From), ev.From.ID)
	if err != nil || person == 0 {
		return err
	}
	r, err := t.Tx.Role(s.desk.Name, person)
	if err != nil || r != tickets.Trainee {
		return err
	}
	return t.Tx.SetRole(s.desk.Name, person, tickets.Nobody, 0, t.Now)
}

func lineOfNote(e *tickets.Entry) render.Line {
	return render.Line{Kind: tickets.Note, Name: e.Name, Body: e.Body}
}
