package bot

import (
	"context"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// Machine is the way in for the machine that Permanence runs on: whoever may
// open its socket, or the data. The first desk's first room is its team place.
type Machine struct {
	b   *Bot
	run func(context.Context, func(*Turn) error) error
}

// Machine is the way in while Run runs.
func (b *Bot) Machine() Machine { return Machine{b, b.Request} }

// MachineAlone is the way in of a program that never calls Run: what is
// decided is stored, and said by the next one that runs.
func (b *Bot) MachineAlone() Machine { return Machine{b, b.guarded} }

// MachineAnswer is what became of a verb.
type MachineAnswer struct {
	Text string
	// Done is false where it was refused; Text says why, and nothing was
	// published.
	Done bool
	// Asked: it was refused because of an internal name in the text. The same
	// again, with sure, publishes it.
	Asked bool
	// Incident is the number of what was changed, 0 for nothing; URL is its
	// page, empty where there is no web server.
	Incident int64
	URL      string
}

// Do runs an incident or travaux verb, "incident start mail delayed", in the
// language lang. What people see before it is published is published at once:
// a script cannot look at it. With sure, an internal name in the text is no
// reason to ask. An error in what was typed is a *command.UserError.
func (m Machine) Do(ctx context.Context, line, lang string, sure bool) (a MachineAnswer, err error) {
	for range 2 {
		if a, err = m.once(ctx, line, lang, sure); err != nil || !a.Asked || !sure {
			break
		}
	}
	return a, err
}

func (m Machine) once(ctx context.Context, line, lang string, sure bool) (a MachineAnswer, err error) {
	b := m.b
	var seen machineTx
	err = m.run(ctx, func(t *Turn) error {
		seen = machineTx{Tx: t.Tx}
		t.Tx = &seen
		defer func() { t.Tx = seen.Tx }()
		c := &Call{Turn: t, Name: b.opt.Name, Role: tickets.Coordinator, InTeam: true, Lang: lang, machine: true,
			respond: func(chat.Answer) {}}
		p, ok := b.table.Parse(line)
		switch {
		case !ok:
			return command.Errorf("Rien n’est demandé.", "Nothing is asked.")
		case p.Err != nil:
			return p.Err
		case !strings.HasPrefix(p.Spec.ID, "incident.") && !strings.HasPrefix(p.Spec.ID, "maintenance."):
			return command.Errorf("Seuls les incidents et les travaux s’annoncent d’ici.", "Only incidents and planned work are announced from here.")
		}
		if err := c.atDesk(tickets.ID(p.Args.Ticket)); err != nil {
			return err
		}
		if !sure { // a script that tries again has looked at nothing
			delete(b.asked, c.Person)
		}
		asked := b.asked[c.Person]
		if err := c.run(p); err != nil {
			return err
		}
		a = MachineAnswer{Text: c.answer.Text, Incident: seen.incident}
		switch {
		case p.Spec.ID == "incident.list", seen.changed, seen.reported:
			a.Done = true
		case p.Spec.ID == "incident.where":
			_, err := t.Tx.Incident(p.Args.Number)
			a.Done = err == nil
			if err != nil && !isNotFound(err) {
				return err
			}
		}
		if a.Incident == 0 && a.Done && p.Spec.ID == "incident.retry" {
			a.Incident = p.Args.Number
		}
		if a.Incident != 0 && b.opt.Links != nil {
			a.URL = b.opt.Links.Incident(a.Incident)
		}
		t.After(func() { a.Asked = !a.Done && b.asked[c.Person] != asked })
		return nil
	})
	return a, err
}

// atDesk makes the call one of the ticket's desk, or of the first.
func (c *Call) atDesk(ticket tickets.ID) error {
	if len(c.b.opt.Desks) > 0 {
		c.Desk = &c.b.opt.Desks[0]
	}
	if ticket != 0 {
		tk, err := c.Tx.Ticket(ticket)
		if err != nil && !isNotFound(err) {
			return err
		}
		if d := c.b.desks[tk.Desk]; err == nil && d != nil {
			c.Desk = d
		}
	}
	if c.Desk != nil && len(c.Desk.Rooms) > 0 {
		c.Adapter, c.Room = c.Desk.Rooms[0].Adapter, c.Desk.Rooms[0].Room
	}
	return nil
}

// Told is what each room got of an incident.
func (m Machine) Told(ctx context.Context, incident int64) (rows []Heard, err error) {
	err = m.run(ctx, func(t *Turn) error {
		rows, err = t.Ledger(tickets.ID(incident))
		return err
	})
	return rows, err
}

// Report counts a year.
func (m Machine) Report(ctx context.Context, year int) (r statuspage.Report, err error) {
	err = m.run(ctx, func(t *Turn) error {
		r, err = t.YearReport(year)
		return err
	})
	return r, err
}

// TellTeam says something to the first desk's team, in its language.
func (m Machine) TellTeam(ctx context.Context, text chat.Text) error {
	if len(m.b.opt.Desks) == 0 {
		return nil
	}
	d := &m.b.opt.Desks[0]
	return m.run(ctx, func(t *Turn) error { return t.tellDesk(d, text.In(m.b.lang(d))) })
}

// done tells the machine, which reads no room, that a verb did what it is for,
// and what the team read of it. It says nothing to people.
func (c *Call) done(text string) error {
	if !c.machine {
		return nil
	}
	if m, ok := c.Tx.(*machineTx); ok {
		m.changed = true
	}
	return c.Answer(text)
}

// machineTx notes whether a verb did what it is for: a refusal is an answer
// like any other, and changes nothing.
type machineTx struct {
	Tx
	incident          int64
	changed, reported bool
}

func (m *machineTx) done(incident int64, err error) error {
	if err == nil {
		m.changed = true
		if incident != 0 {
			m.incident = incident
		}
	}
	return err
}

func (m *machineTx) AddIncident(i *statuspage.Incident) error {
	err := m.Tx.AddIncident(i)
	return m.done(i.ID, err)
}

func (m *machineTx) UpdateIncident(i *statuspage.Incident) error {
	return m.done(i.ID, m.Tx.UpdateIncident(i))
}

func (m *machineTx) AddUpdate(u *statuspage.Update) error {
	return m.done(u.Incident, m.Tx.AddUpdate(u))
}

func (m *machineTx) UpdateTicket(t *tickets.Ticket) error { return m.done(0, m.Tx.UpdateTicket(t)) }

func (m *machineTx) UpdateDelivery(d outbox.Delivery) error {
	return m.done(0, m.Tx.UpdateDelivery(d))
}

func (m *machineTx) PublishedBetween(from, before statuspage.Time) ([]statuspage.PublicIncident, error) {
	list, err := m.Tx.PublishedBetween(from, before)
	m.reported = err == nil
	return list, err
}
