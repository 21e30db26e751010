package bot

import (
	"fmt"

	"permanence/bot/chat"
	"permanence/bot/render"
	"permanence/internal/markup"
	"permanence/statuspage"
	"permanence/tickets"
)

// The desk knows of incidents: a ticket is attached to the one that it is
// about, by somebody of the team. The program offers it where the words say so,
// once, and never does it by itself.

// Attach ties a ticket to an open incident; 0 means the only one.
func (c *Call) Attach(ticket tickets.ID, number int64) error {
	tk, ok, err := c.attachable(ticket)
	if !ok {
		return err
	}
	inc, _, err := c.choose(statuspage.Unplanned, number, "", "")
	if r, refused := err.(*statuspage.Refusal); refused && number == 0 && c.chooseByForm(ticket, r) {
		return nil
	}
	if err != nil {
		return c.refusal(err)
	}
	if tk.Incident == tickets.ID(inc.ID) {
		return c.Answer(c.T("incident.attached-already", "Number", fmt.Sprint(inc.ID)))
	}
	return c.attach(&tk, inc.ID, c.T("incident.attached", "Number", fmt.Sprint(inc.ID), "Title", markup.Inert(inc.Title), "Name", markup.Inert(c.Name)))
}

// Detach takes a ticket off its incident, as long as it was not answered with
// the others.
func (c *Call) Detach(ticket tickets.ID) error {
	tk, ok, err := c.attachable(ticket)
	if !ok {
		return err
	}
	n := int64(tk.Incident)
	if n == 0 {
		return c.Answer(c.T("incident.not-attached"))
	}
	a, err := c.Tx.Attachment(n, tk.ID)
	if err != nil {
		return err
	}
	if a.Answered != 0 {
		return c.Answer(c.T("incident.answered-already", "Number", fmt.Sprint(n)))
	}
	return c.attach(&tk, 0, c.T("incident.detached", "Number", fmt.Sprint(n), "Name", markup.Inert(c.Name)))
}

// attachable is the ticket that a call is about, where it is the desk's.
func (c *Call) attachable(ticket tickets.ID) (tk tickets.Ticket, ok bool, err error) {
	if ok, err = c.setTicket(ticket); err != nil {
		return tk, false, err
	}
	if !ok {
		return tk, false, c.Answer(c.T("command.no-ticket", "Number", number(ticket)))
	}
	tk, err = c.Tx.Ticket(ticket)
	return tk, err == nil, err
}

// attach stores to which incident a ticket belongs, and tells it in its
// threads.
func (c *Call) attach(tk *tickets.Ticket, number int64, text string) error {
	tk.Incident, tk.Updated = tickets.ID(number), c.Now
	if err := c.Tx.UpdateTicket(tk); err != nil {
		return err
	}
	if err := c.Tx.AddEntry(&tickets.Entry{Ticket: tk.ID, Kind: tickets.Change, Audience: tickets.Team, Author: c.Person, Name: c.Name,
		Body: text, Revision: 1, At: c.Now}, ""); err != nil {
		return err
	}
	c.redraw(tk.ID, "")
	if err := c.teamLine(tk.ID, text, nil); err != nil {
		return err
	}
	return c.done(text)
}

// chooseByForm asks which of several incidents a button meant.
func (c *Call) chooseByForm(ticket tickets.ID, r *statuspage.Refusal) bool {
	open, err := c.unplanned()
	return err == nil && len(open) > 1 && c.Form(chat.Form{ID: "incident.attach", Value: number(ticket), Title: c.T("button.attach"),
		Submit: c.T("button.attach"), Fields: []chat.Field{{Name: "text", Label: r.Reason.In(c.Lang)}}})
}

// unplanned are the open incidents.
func (t *Turn) unplanned() (list []statuspage.Incident, err error) {
	open, err := t.Tx.OpenIncidents()
	for _, i := range open {
		if i.Kind == statuspage.Unplanned {
			list = append(list, i)
		}
	}
	return list, err
}

// cardIncident shows on a ticket's card the incident that it is attached to, or
// a button to attach it, while there is one.
func (t *Turn) cardIncident(v *render.Card, tk *tickets.Ticket) error {
	if tk.Incident != 0 {
		v.Incident = t.b.t(v.Lang, "card.incident", "Number", fmt.Sprint(tk.Incident))
		return nil
	}
	open, err := t.unplanned()
	v.Attach = len(open) > 0 && tk.State != tickets.Closed
	return err
}

// What is looked at when an incident begins: requests of the last two hours,
// the newest twenty of each desk.
const (
	besideWithin = 2 * 3600e9
	besideAtMost = 20
)

// besideNew offers, when an incident begins or is named otherwise, to attach
// the requests that came before it, and puts the button on their cards.
func (t *Turn) besideNew(inc statuspage.Incident) error {
	for i := range t.b.opt.Desks {
		d := &t.b.opt.Desks[i]
		recent, err := t.Tx.RecentRequests(d.Name, t.Now.Add(-besideWithin), besideAtMost)
		if err != nil {
			return err
		}
		for _, r := range recent {
			tk, err := t.Tx.Ticket(r.Ticket)
			if err != nil {
				return err
			}
			if tk.State == tickets.Closed {
				continue
			}
			t.redraw(tk.ID, "")
			if err := t.offerOne(&tk, inc, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// besideRequest looks, when a ticket is opened or its service is named, whether
// it is about an open incident, or one of many that ask the same.
func (t *Turn) besideRequest(tk *tickets.Ticket, e *tickets.Entry, quiet bool) error {
	if quiet || e.Sealed {
		return nil // a machine's request is no sign of trouble among people
	}
	open, err := t.unplanned()
	if err != nil {
		return err
	}
	r := RecentRequest{Ticket: tk.ID, Requester: tk.Requester, Service: tk.Service, Subject: tk.Subject, Body: e.Body}
	if len(open) == 0 {
		return t.surge(tk, r)
	}
	for _, inc := range open {
		if err := t.offerOne(tk, inc, r); err != nil {
			return err
		}
	}
	return nil
}

// offerOne offers once to attach a ticket to an incident that it looks like,
// in the ticket's threads; nobody is pinged.
func (t *Turn) offerOne(tk *tickets.Ticket, inc statuspage.Incident, r RecentRequest) error {
	if tk.Incident != 0 || !inc.Concerns(asked(r)) {
		return nil
	}
	a, err := t.Tx.Attachment(inc.ID, tk.ID)
	if err != nil || a.Offered != 0 {
		return err
	}
	a.Offered = t.Now
	if err := t.Tx.PutAttachment(a); err != nil {
		return err
	}
	lang := t.b.lang(t.b.desks[tk.Desk])
	text := t.b.t(lang, "incident.offer", "Number", fmt.Sprint(inc.ID), "Title", markup.Inert(inc.Title), "Ticket", number(tk.ID))
	return t.teamLine(tk.ID, text, func(c *chat.Content, _ tickets.Link) {
		c.Buttons = []chat.Button{{Action: "incident.attach", Value: fmt.Sprintf("%d %d", tk.ID, inc.ID), Label: t.b.t(lang, "button.attach")}}
	})
}

// besideFirst is how much of a first message is looked at, in runes.
const besideFirst = 400

// asked is a ticket in the words of the status page.
func asked(r RecentRequest) statuspage.Request {
	body, _ := markup.Excerpt(r.Body, besideFirst)
	return statuspage.Request{Service: r.Service, Text: r.Subject + "\n" + body}
}
