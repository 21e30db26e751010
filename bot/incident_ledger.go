package bot

import (
	"fmt"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// Heard is what one room got of an incident.
type Heard struct {
	Place   chat.Place
	Said    int    // statements said there
	Waiting bool   // something is still on its way
	Failed  string // why something was not said, empty where nothing is missing
	Delayed string // why what is on its way has not arrived yet
	Started bool   // it heard the start
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
	lang := t.b.lang(nil)
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
				if d.Reason != "" {
					h.Delayed = d.ReasonText().In(lang)
				}
			case d.State == outbox.Done && d.Op == outbox.Say:
				h.Said++
				if d.ID == l.Root {
					h.Started = true
				}
			case d.State == outbox.Failed, d.State == outbox.Superseded && l.Gone:
				// What was superseded by a headline said anew is in it.
				h.Failed = d.ReasonText().In(lang)
			}
		}
		rows = append(rows, h)
	}
	return rows, nil
}

// incidentFailed tells the team place that a room was not told.
func (t *Turn) incidentFailed(d outbox.Delivery, link tickets.Link) error {
	inc, err := t.Tx.Incident(int64(d.Incident))
	if err != nil {
		return err
	}
	lang := t.b.lang(nil)
	if err := t.tellTeam(inc, markFailed+" "+t.b.t(lang, "incident.failed", "Number", fmt.Sprint(inc.ID),
		"Where", link.Adapter+":"+link.Room, "Reason", d.ReasonText().In(lang)), 0, t.retryButton(inc.ID)); err != nil {
		return err
	}
	return t.incidentHeard(d.Incident)
}

func (t *Turn) retryButton(id statuspage.ID) chat.Button {
	return chat.Button{Action: "incident.retry", Value: fmt.Sprint(id), Label: t.b.t(t.b.lang(nil), "button.retry")}
}

// incidentHeard notes when every room that heard the start has heard the end,
// and says so once; where a room was not told, it says which.
func (t *Turn) incidentHeard(id tickets.ID) error {
	inc, err := t.Tx.Incident(int64(id))
	if err != nil || inc.Open() || inc.EndedEverywhere != 0 {
		return err
	}
	rows, err := t.Ledger(id)
	if err != nil {
		return err
	}
	var missed []string
	for _, r := range rows {
		if r.Waiting {
			return nil
		}
		if r.Failed != "" {
			missed = append(missed, r.Place.Adapter+":"+r.Place.Room)
		}
	}
	lang := t.b.lang(nil)
	if len(missed) > 0 {
		return t.tellTeam(inc, markFailed+" "+t.b.t(lang, "incident.not-everywhere", "Number", fmt.Sprint(inc.ID),
			"Told", len(rows)-len(missed), "All", len(rows), "Where", strings.Join(missed, ", ")), 0, t.retryButton(inc.ID))
	}
	inc.EndedEverywhere = statuspage.Time(t.Now)
	if err := t.Tx.UpdateIncident(&inc); err != nil {
		return err
	}
	return t.tellTeam(inc, t.b.t(lang, "incident.everywhere", "Number", fmt.Sprint(inc.ID), "Count", len(rows)), 0)
}

// RetryIncident says again what could not be said. A room that never heard the
// start hears it as things stand now; the key stays, so that a network which
// has it after all does not say it twice.
func (c *Call) RetryIncident(number int64) error {
	inc, err := c.Tx.Incident(number)
	if isNotFound(err) {
		return c.Answer(c.T("incident.unknown", "Number", fmt.Sprint(number)))
	}
	if err != nil {
		return err
	}
	us, err := c.Tx.IncidentUpdates(number)
	if err != nil || len(us) == 0 {
		return err
	}
	links, err := c.Tx.IncidentLinks(tickets.ID(number))
	if err != nil {
		return err
	}
	ds, err := c.Tx.IncidentDeliveries(tickets.ID(number))
	if err != nil {
		return err
	}
	sp := c.b.speech(c.b.statusLang())
	again := 0
	for _, l := range links {
		for _, d := range ds {
			if d.Link != l.ID || d.State != outbox.Failed || !d.Op.IsText() {
				continue
			}
			if d.ID == l.Root {
				l.Gone, l.Rootless = false, true
				if err := c.Tx.UpdateLink(l); err != nil {
					return err
				}
				d.SetPayload(outbox.Payload{Content: &chat.Content{Text: sp.HeadlineText(inc, us[len(us)-1]), Link: sp.Link(inc.ID)}})
			}
			d.State, d.Reason, d.DoneAt, d.NextAt = outbox.Ready, "", 0, 0
			d.Attempts++
			d.GiveUpAt = c.Now.Add(giveUpChat)
			if err := c.Tx.UpdateDelivery(d); err != nil {
				return err
			}
			c.out = append(c.out, d)
			again++
		}
	}
	if again == 0 {
		return c.Answer(c.T("incident.nothing-failed", "Number", fmt.Sprint(number)))
	}
	return c.Answer(c.T("incident.retried", "Number", fmt.Sprint(number), "Count", again))
}
