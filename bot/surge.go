package bot

import (
	"slices"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/internal/markup"
	"permanence/statuspage"
	"permanence/tickets"
)

// aboutSurge is the body of the timer that stands, after a proposal to declare
// an incident, for as long as there is to be no other one.
const aboutSurge = "surge"

func surgeTimer(desk string) string { return "surge " + desk }

func (b *Bot) surges() statuspage.Surge {
	if b.opt.Status.Surge != nil {
		return *b.opt.Status.Surge
	}
	return statuspage.DefaultSurge()
}

// surgeAtMost is how many of the newest requests are compared.
const surgeAtMost = 30

// surge proposes to declare an incident when several people ask the same within
// minutes: one line in the desk's room, and not again for a while. The
// requests are compared with the newest one.
func (t *Turn) surge(tk *tickets.Ticket, r RecentRequest) error {
	s := t.b.surges()
	d := t.b.desks[tk.Desk]
	if s.Count == 0 || d == nil || len(d.Rooms) == 0 {
		return nil
	}
	if _, standing, err := t.Tx.Timer(surgeTimer(d.Name)); err != nil || standing {
		return err
	}
	recent, err := t.Tx.RecentRequests(d.Name, t.Now-tickets.Time(s.Within), surgeAtMost)
	if err != nil {
		return err
	}
	components := t.b.opt.Status.Components
	people := []tickets.ID{r.Requester}
	alike := []tickets.ID{r.Ticket}
	for _, other := range recent {
		// One person who writes three times is no surge.
		if other.Incident == 0 && !slices.Contains(people, other.Requester) && components.Alike(asked(r), asked(other)) {
			people, alike = append(people, other.Requester), append(alike, other.Ticket)
		}
	}
	if len(people) < s.Count {
		return nil
	}
	slices.Sort(alike)
	t.due = true
	if err := t.Tx.SetTimer(Timer{Name: surgeTimer(d.Name), Kind: timerIncident, Due: t.Now + tickets.Time(s.Again), Body: aboutSurge}); err != nil {
		return err
	}
	lang := t.b.lang(d)
	numbers := make([]string, len(alike))
	for i, id := range alike {
		numbers[i] = number(id)
	}
	services := namesOf(components.Named(asked(r)))
	about := services
	if about == "" { // a stranger's words: shown, and in no command
		about = markup.Inert(tk.Subject)
	}
	link, err := t.Tx.RoomLink(d.Rooms[0], t.Now)
	if err != nil {
		return err
	}
	c := chat.Content{Notice: true, Lang: lang, Text: t.b.t(lang, "incident.surge", "Count", len(alike), "Numbers", strings.Join(numbers, ", "), "About", about, "Services", services),
		Buttons: []chat.Button{{Action: "incident.start", Value: strings.TrimPrefix(number(tk.ID), "#"), Label: t.b.t(lang, "button.declare"), Style: "primary"}}}
	_, err = t.text(outbox.Say, link, outbox.Payload{Content: &c}, nil)
	return err
}

func namesOf(list []statuspage.Component) string {
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// AboutTicket begins the text of an incident that a ticket tells of: the
// services that it names, for the form.
func (c *Call) AboutTicket(id tickets.ID) (string, error) {
	tk, err := c.Find(id)
	if err != nil || tk.ID == 0 {
		return "", err
	}
	e, err := c.Tx.Entry(tk.First)
	if err != nil {
		return "", err
	}
	names := namesOf(c.b.opt.Status.Components.Named(asked(RecentRequest{Service: tk.Service, Subject: tk.Subject, Body: e.Body})))
	if names == "" {
		return "", nil
	}
	return names + c.T("status.colon"), nil
}
