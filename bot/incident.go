package bot

import (
	"fmt"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// speech speaks of incidents in a language.
func (b *Bot) speech(lang string) statuspage.Speech {
	s := statuspage.Speech{When: statuspage.When{Lang: lang, Loc: b.opt.Location}}
	if b.opt.Links != nil {
		s.URL = strings.TrimSuffix(b.opt.Links.Incident(0), "/incidents/0")
	}
	return s
}

func (b *Bot) statusLang() string {
	if b.opt.Status.Language != "" {
		return b.opt.Status.Language
	}
	return b.lang(nil)
}

func (c *Call) origin() statuspage.Origin {
	return statuspage.Origin{At: statuspage.Time(c.Now), By: int64(c.Person), Lang: c.b.statusLang(), Place: c.Place()}
}

// refusal makes a refusal of the status page an answer.
func (c *Call) refusal(err error) error {
	if r, ok := err.(*statuspage.Refusal); ok {
		return c.Answer(r.Reason.In(c.Lang))
	}
	return err
}

// StartIncident announces an incident in every status room.
func (c *Call) StartIncident(text string) error {
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	inc, u, err := statuspage.Start(c.origin(), c.b.opt.Status.Components, text)
	if err != nil {
		return c.refusal(err)
	}
	if err := c.Tx.AddIncident(&inc); err != nil {
		return err
	}
	u.Incident = inc.ID
	e, err := c.statement(&inc, &u)
	if err != nil {
		return err
	}
	sp := c.b.speech(c.b.statusLang())
	for _, room := range c.b.opt.Status.Rooms {
		l := tickets.Link{Incident: tickets.ID(inc.ID), Kind: tickets.Announcement, Adapter: room.Adapter, Room: room.Room,
			Audiences: tickets.Everyone, Rootless: true, Created: c.Now}
		if err := c.Tx.AddLink(&l); err != nil {
			return err
		}
		root, err := c.text(outbox.Say, l, outbox.Payload{Content: &chat.Content{Text: sp.StartText(inc, u), Link: sp.Link(inc.ID)}},
			func(d *outbox.Delivery) { d.Entry = e })
		if err != nil {
			return err
		}
		l.Root = root.ID
		if err := c.Tx.UpdateLink(l); err != nil {
			return err
		}
	}
	return c.Answer(c.T("incident.started", "Number", fmt.Sprint(inc.ID), "Count", len(c.b.opt.Status.Rooms), "Link", sp.Link(inc.ID)))
}

// confirmed asks once before an internal name is told to everybody: the same
// words again confirm. It is remembered in memory: after a restart it is asked
// again.
func (c *Call) confirmed(text string) (bool, error) {
	word := c.b.insideWord(text)
	key := c.ID + " " + text
	if word == "" || c.b.asked[c.Person] == key {
		return true, nil
	}
	c.After(func() { c.b.asked[c.Person] = key })
	return false, c.Answer("⚠️ " + c.T("ask.inside", "Word", word) + " " + c.T("ask.again-command"))
}

// statement stores an update and its entry.
func (c *Call) statement(inc *statuspage.Incident, u *statuspage.Update) (tickets.ID, error) {
	e := tickets.Entry{Incident: tickets.ID(inc.ID), Kind: tickets.Auto, Audience: tickets.Everyone, Author: c.Person, Name: c.Name,
		Body: u.Body, Revision: 1, At: c.Now}
	if err := c.Tx.AddEntry(&e, ""); err != nil {
		return 0, err
	}
	u.Entry = statuspage.ID(e.ID)
	if changed := c.b.opt.Changed; changed != nil {
		c.After(changed)
	}
	return e.ID, c.Tx.AddUpdate(u)
}

// choose is the incident that a command is about.
func (c *Call) choose(number int64, raw, rest string) (statuspage.Incident, string, error) {
	open, err := c.Tx.OpenIncidents()
	if err != nil {
		return statuspage.Incident{}, "", err
	}
	if number != 0 {
		for _, i := range open {
			if i.ID == number {
				return i, rest, nil
			}
		}
		_, err := c.Tx.Incident(number)
		if isNotFound(err) && len(open) == 1 && rest != "" && c.ID == "incident.update" {
			return open[0], raw, nil // there is no such incident: the number was a part of the text
		}
		if err != nil && !isNotFound(err) {
			return statuspage.Incident{}, "", err
		}
		inc, _, err := statuspage.Choose(open, statuspage.Unplanned, 0, fmt.Sprint(number))
		return inc, rest, err
	}
	inc, text, err := statuspage.Choose(open, statuspage.Unplanned, 0, "")
	if err == nil {
		text = rest
	}
	return inc, text, err
}

// UpdateIncident says a word in each incident's thread and keeps the headline
// up to date.
func (c *Call) UpdateIncident(number int64, raw, rest string) error {
	inc, text, err := c.choose(number, raw, rest)
	if err != nil {
		return c.refusal(err)
	}
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	inc, u, err := statuspage.AddUpdate(c.origin(), inc, text)
	if err != nil {
		return c.refusal(err)
	}
	n, err := c.tellIncident(&inc, &u, false)
	if err != nil {
		return err
	}
	return c.Answer(c.T("incident.updated", "Number", fmt.Sprint(inc.ID), "Count", n))
}

// EndIncident gives the end report to every room that heard the start.
func (c *Call) EndIncident(number int64, raw, rest string) error {
	inc, text, err := c.choose(number, raw, rest)
	if err != nil {
		return c.refusal(err)
	}
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	inc, u, err := statuspage.End(c.origin(), inc, text)
	if err != nil {
		return c.refusal(err)
	}
	n, err := c.tellIncident(&inc, &u, true)
	if err != nil {
		return err
	}
	return c.Answer(c.T("incident.ended", "Number", fmt.Sprint(inc.ID), "Count", n))
}

func (c *Call) tellIncident(inc *statuspage.Incident, u *statuspage.Update, end bool) (rooms int, err error) {
	if err := c.Tx.UpdateIncident(inc); err != nil {
		return 0, err
	}
	u.Incident = inc.ID
	e, err := c.statement(inc, u)
	if err != nil {
		return 0, err
	}
	links, err := c.Tx.IncidentLinks(tickets.ID(inc.ID))
	if err != nil {
		return 0, err
	}
	us, err := c.Tx.IncidentUpdates(inc.ID)
	if err != nil {
		return 0, err
	}
	sp := c.b.speech(c.b.statusLang())
	for _, l := range links {
		if l.Kind != tickets.Announcement || l.Gone {
			continue // it never heard the start: it is owed no end
		}
		text := sp.UpdateText(*inc, *u)
		if end {
			text = sp.EndText(*inc, *u, len(us))
		}
		if _, err := c.text(outbox.Say, l, outbox.Payload{Content: &chat.Content{Text: text, Link: sp.Link(inc.ID)}},
			func(d *outbox.Delivery) { d.Entry = e }); err != nil {
			return rooms, err
		}
		head := chat.Content{Text: sp.HeadlineText(*inc, *u), Link: sp.Link(inc.ID)}
		if err := c.state(outbox.Card, l, "card", outbox.Payload{Content: &head, TargetDelivery: l.Root}); err != nil {
			return rooms, err
		}
		rooms++
	}
	return rooms, nil
}

// incidentFailed tells the team place that a room was not told.
func (t *Turn) incidentFailed(d outbox.Delivery, link tickets.Link) error {
	inc, err := t.Tx.Incident(int64(d.Incident))
	if err != nil {
		return err
	}
	lang := t.b.lang(nil)
	return t.tellTeam(inc, markFailed+" "+t.b.t(lang, "incident.failed", "Number", fmt.Sprint(inc.ID),
		"Where", link.Adapter+":"+link.Room, "Reason", d.ReasonText().In(lang)))
}

func (t *Turn) tellTeam(inc statuspage.Incident, text string) error {
	p := inc.Team()
	if p.Adapter == "" || t.b.opt.Adapters[p.Adapter] == nil {
		return t.tellTeams(text)
	}
	link, err := t.Tx.RoomLink(p, t.Now)
	if err != nil {
		return err
	}
	_, err = t.text(outbox.Say, link, outbox.Payload{Content: &chat.Content{Text: text, Notice: true}}, nil)
	return err
}

// incidentHeard notes when every room that heard the start has heard the end,
// and says so once.
func (t *Turn) incidentHeard(id tickets.ID) error {
	inc, err := t.Tx.Incident(int64(id))
	if err != nil || inc.Open() || inc.EndedEverywhere != 0 {
		return err
	}
	rows, err := t.Ledger(id)
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range rows {
		if r.Waiting {
			return nil
		}
		if r.Failed != "" {
			failed++
		}
	}
	if failed > 0 {
		return nil // each failure has been told, and `incident where` lists them
	}
	inc.EndedEverywhere = statuspage.Time(t.Now)
	if err := t.Tx.UpdateIncident(&inc); err != nil {
		return err
	}
	return t.tellTeam(inc, t.b.t(t.b.lang(nil), "incident.everywhere", "Number", fmt.Sprint(inc.ID), "Count", len(rows)))
}

// Heard is what one room got of an incident.
type Heard struct {
	Place   chat.Place
	Said    int  // statements said there
	Waiting bool // something is still on its way
	Failed  string
	Started bool // it heard the start
}

// Ledger tells for each room what it got of an incident.
func (t *Turn) Ledger(id tickets.ID) ([]Heard, error) {
	links, err := t.Tx.IncidentLinks(id)
	if err != nil {
		return nil, err
	}
	ds, err := t.Tx.IncidentDeliveries(id)
	if err != nil {
		return nil, err
	}
	var rows []Heard
	for _, l := range links {
		if l.Kind != tickets.Announcement {
			continue
		}
		h := Heard{Place: l.Place()}
		for i := range ds {
			d := &ds[i]
			if d.Link != l.ID || !d.Op.IsText() {
				continue
			}
			switch {
			case d.State.Open():
				h.Waiting = true
			case d.State == outbox.Done:
				h.Said++
				if d.ID == l.Root {
					h.Started = true
				}
			case d.State == outbox.Failed || d.State == outbox.Superseded:
				h.Failed = d.ReasonText().In(t.b.lang(nil))
			}
		}
		rows = append(rows, h)
	}
	return rows, nil
}
