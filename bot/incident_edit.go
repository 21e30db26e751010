package bot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// CorrectIncident replaces the text of a word of an incident, ended or not:
// edited where that can be, told as an erratum where it cannot. "12.2" names
// the second word of incident 12, "12" its last one. A text in another language
// corrects the translation.
func (c *Call) CorrectIncident(number int64, raw, rest string) error {
	var inc statuspage.Incident
	var err error
	text := rest
	which := 0
	if n, w, after, ok := statuspage.SplitWord(raw); ok {
		number, which, text = n, w, after
	}
	if number != 0 {
		if inc, err = c.Tx.Incident(number); isNotFound(err) {
			return c.Answer(c.T("incident.unknown", "Number", fmt.Sprint(number)))
		}
	} else {
		open, e := c.Tx.OpenIncidents()
		if e != nil {
			return e
		}
		if len(open) == 1 {
			inc, text = open[0], raw
		} else {
			inc, text, err = c.choose(statuspage.Unplanned, 0, raw, rest)
		}
	}
	if err != nil {
		return c.refusal(err)
	}
	us, err := c.Tx.IncidentUpdates(inc.ID)
	if err != nil || len(us) == 0 {
		return err
	}
	i := len(us) - 1
	if which != 0 {
		if which > len(us) {
			return c.Answer(c.T("incident.no-word", "Number", fmt.Sprint(inc.ID), "Count", len(us), "Last", fmt.Sprintf("%d.%d", inc.ID, len(us))))
		}
		i = which - 1
	}
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	main, others := statuspage.Versions(text, c.b.statusLang())
	if main == "" && len(others) > 0 {
		return c.translateOne(inc, us, i, others)
	}
	inc, us[i], err = statuspage.Correct(c.origin(), c.b.opt.Status.Components, inc, us[i], i == 0, main)
	if err != nil {
		return c.refusal(err)
	}
	if err := c.Tx.UpdateIncident(&inc); err != nil {
		return err
	}
	if err := c.Tx.UpdateUpdate(&us[i]); err != nil {
		return err
	}
	if err := c.translate(&inc, us[i], i == 0, others); err != nil {
		return c.refusal(err)
	}
	if err := c.reviseStatement(us[i]); err != nil {
		return err
	}
	c.pageChanged()
	edited, errata, err := c.tellCorrection(inc, us, i)
	if err != nil {
		return err
	}
	words := func(id string, n int) string {
		if n == 0 {
			return ""
		}
		return c.T(id, "Count", n)
	}
	if err := c.Answer(c.T("incident.corrected", "Number", fmt.Sprintf("%d.%d", inc.ID, i+1),
		"Edited", words("incident.corrected-edited", edited), "Errata", words("incident.corrected-errata", errata))); err != nil {
		return err
	}
	if i == 0 && inc.Open() && inc.Kind == statuspage.Unplanned {
		return c.besideNew(inc) // it may name its services only now
	}
	return nil
}

// reviseStatement keeps the entry of an update as the update is.
func (c *Call) reviseStatement(u statuspage.Update) error {
	if u.Entry == 0 {
		return nil
	}
	e, err := c.Tx.Entry(tickets.ID(u.Entry))
	if err != nil {
		return err
	}
	e.Body = u.Body
	e.Revision++
	return c.Tx.ReviseEntry(e, "", c.Now)
}

// tellCorrection corrects one word in each room that was told it.
func (c *Call) tellCorrection(inc statuspage.Incident, us []statuspage.Update, i int) (edited, errata int, err error) {
	links, err := c.announced(inc.ID)
	if err != nil {
		return 0, 0, err
	}
	ds, err := c.Tx.EntryDeliveries(tickets.ID(us[i].Entry))
	if err != nil {
		return 0, 0, err
	}
	u, last := us[i], us[len(us)-1]
	sp := c.b.speech(c.b.statusLang())
	content := c.updateContent(inc, u, i+1)
	erratum := chat.Content{Text: sp.ErratumText(inc, u, i == len(us)-1), Link: sp.Link(inc.ID)}
	for _, l := range links {
		said := slices.ContainsFunc(ds, func(d outbox.Delivery) bool {
			return d.Link == l.ID && d.Op == outbox.Say && (d.State == outbox.Done || d.State.Open())
		})
		head := content
		switch {
		case i == 0 && len(us) == 1:
			head.Text = sp.StartText(inc, u)
		case i == 0 || slices.ContainsFunc(ds, func(d outbox.Delivery) bool { return d.ID == l.Root }):
			head.Text = sp.HeadlineText(inc, last) // which has long taken the place of the first word
		}
		if said {
			if _, err := c.text(outbox.Edit, l, outbox.Payload{Target: tickets.ID(u.Entry), Content: &head, Fallback: &erratum}, nil); err != nil {
				return edited, errata, err
			}
			if c.b.caps(l.Place()).Edits == chat.None {
				errata++
			} else {
				edited++
			}
		}
		if len(us) > 1 {
			if err := c.headline(l, inc, last); err != nil {
				return edited, errata, err
			}
		}
	}
	return edited, errata, c.topics()
}

// Report is the yearly report, or with a text the post-mortem of an incident.
func (c *Call) Report(number int64, rest string) error {
	if rest == "" {
		year := int(number)
		if year == 0 {
			year = c.Now.Time().In(c.b.opt.Location).Year()
		}
		if year < 2000 || year > 2199 {
			return c.Answer(c.T("incident.report-how", "Number", fmt.Sprint(number)))
		}
		r, err := c.YearReport(year)
		if err != nil {
			return err
		}
		return c.Answer(strings.TrimRight(r.Markdown(statuspage.When{Lang: c.Lang, Loc: c.b.opt.Location}), "\n"))
	}
	inc, err := c.Tx.Incident(number)
	if isNotFound(err) || number == 0 {
		return c.Answer(c.T("incident.unknown", "Number", fmt.Sprint(number)))
	}
	if err != nil {
		return err
	}
	return c.announcing("incident.report", inc, rest)
}

// YearReport counts a year, for the verb and for the machine.
func (t *Turn) YearReport(year int) (statuspage.Report, error) {
	loc := t.b.opt.Location
	from := statuspage.At(time.Date(year, 1, 1, 0, 0, 0, 0, loc))
	before := statuspage.At(time.Date(year+1, 1, 1, 0, 0, 0, 0, loc))
	list, err := t.Tx.PublishedBetween(from, before)
	return statuspage.NewReport(list, year, loc, statuspage.Time(t.Now)), err
}
