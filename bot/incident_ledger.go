package bot

import (
	"fmt"
	"slices"
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
	// Unsure: nobody knows whether it heard the start; it is told the end.
	Unsure bool
	Ended  bool // it heard the end
}

// missed tells that a room was not told what it was to be told of an incident
// that is over.
func (h Heard) missed() bool {
	return h.Failed != "" || !h.Ended
}

// Ledger tells for each room what it got of an incident.
func (t *Turn) Ledger(id tickets.ID) ([]Heard, error) {
	inc, err := t.Tx.Incident(int64(id))
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	us, err := t.Tx.IncidentUpdates(int64(id))
	if err != nil {
		return nil, err
	}
	links, err := t.Tx.IncidentLinks(id)
	if err != nil {
		return nil, err
	}
	ds, err := t.Tx.IncidentDeliveries(id)
	if err != nil {
		return nil, err
	}
	end, told := endOf(inc, us), false
	for i := range ds {
		told = told || end != 0 && ds[i].Entry == end && ds[i].Op == outbox.Say
	}
	lang := t.b.lang(nil)
	var rows []Heard
	for _, l := range links {
		if l.Kind != tickets.Announcement {
			continue
		}
		// An end that the policy tells on the headline and the page alone is
		// owed to no room.
		h := Heard{Place: l.Place(), Ended: !told}
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
				h.Started = h.Started || d.ID == l.Root
				// A headline said anew after the end tells it.
				h.Ended = h.Ended || d.Entry == end || d.ID == l.Root && statuspage.Time(d.DoneAt) >= inc.Resolved
			case d.State == outbox.Failed && d.ID == l.Root && !l.Gone:
				h.Unsure = true
				h.Delayed = d.ReasonText().In(lang)
			case d.State == outbox.Failed, d.State == outbox.Superseded && l.Gone:
				// What was superseded by a headline said anew is in it.
				h.Failed = d.ReasonText().In(lang)
			}
		}
		rows = append(rows, h)
	}
	return rows, nil
}

// Moment is a time as the caller reads it.
func (c *Call) Moment(at statuspage.Time) string {
	return statuspage.When{Lang: c.Lang, Loc: c.b.opt.Location}.Moment(at, statuspage.Time(c.Now))
}

// endOf is the entry of the statement that ended an incident, 0 while it is
// open.
func endOf(inc statuspage.Incident, us []statuspage.Update) tickets.ID {
	for _, u := range us {
		if !inc.Open() && u.State.Over() && u.Published == inc.Resolved {
			return tickets.ID(u.Entry)
		}
	}
	return 0
}

// mayHaveHeard tells whether a room may have read a headline that was given up.
// It certainly has not where the network refused it at the first attempt;
// whatever else happened (no answer, a process that was killed over it) leaves
// it unknown.
func mayHaveHeard(d outbox.Delivery, kind chat.Kind) bool {
	refused := kind == chat.Permanent || kind == chat.Gone || kind == chat.Unauthorised
	return d.Attempts > 1 || !refused
}

// rootUnknown lets what waits for a headline go without it, in the room itself:
// who may have read the start must read the end.
func (t *Turn) rootUnknown(link tickets.Link) error {
	link.Rootless = false
	return t.Tx.UpdateLink(link)
}

// incidentFailed tells the team place that a room was not told; unsure, that
// nobody knows whether it was told the start.
func (t *Turn) incidentFailed(d outbox.Delivery, link tickets.Link, unsure bool) error {
	inc, err := t.Tx.Incident(int64(d.Incident))
	if err != nil {
		return err
	}
	if inc.EndedEverywhere != 0 { // it was true when it was said
		inc.EndedEverywhere = 0
		if err := t.Tx.UpdateIncident(&inc); err != nil {
			return err
		}
	}
	lang := t.b.lang(nil)
	sentence := "incident.failed"
	if unsure {
		sentence = "incident.unsure"
	}
	if err := t.tellTeam(inc, markFailed+" "+t.b.t(lang, sentence, "Number", fmt.Sprint(inc.ID),
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
		if r.missed() {
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
			} else if i := slices.IndexFunc(us, func(u statuspage.Update) bool { return tickets.ID(u.Entry) == d.Entry }); d.Body == "{}" && i >= 0 {
				content := c.updateContent(inc, us[i], i+1) // it was refused after it had been accepted
				d.SetPayload(outbox.Payload{Content: &content})
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
