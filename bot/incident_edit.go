package bot

import (
	"fmt"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// CorrectIncident replaces the text of the last word of an incident, ended or
// not: edited where that can be, told as an erratum where it cannot. A text in
// another language corrects the translation.
func (c *Call) CorrectIncident(number int64, raw, rest string) error {
	var inc statuspage.Incident
	var err error
	text := rest
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
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	us, err := c.Tx.IncidentUpdates(inc.ID)
	if err != nil || len(us) == 0 {
		return err
	}
	main, others := statuspage.Versions(text, c.b.statusLang())
	if main == "" && len(others) > 0 {
		return c.translateLast(inc, others)
	}
	inc, u, err := statuspage.Correct(c.origin(), c.b.opt.Status.Components, inc, us[len(us)-1], len(us) == 1, main)
	if err != nil {
		return c.refusal(err)
	}
	us[len(us)-1] = u
	if err := c.Tx.UpdateIncident(&inc); err != nil {
		return err
	}
	if err := c.Tx.UpdateUpdate(&u); err != nil {
		return err
	}
	if err := c.translate(&inc, u, len(us) == 1, others); err != nil {
		return c.refusal(err)
	}
	if err := c.reviseStatement(u); err != nil {
		return err
	}
	c.pageChanged()
	edited, errata, err := c.tellCorrection(inc, us)
	if err != nil {
		return err
	}
	return c.Answer(c.T("incident.corrected", "Number", fmt.Sprint(inc.ID), "Edited", edited, "Errata", errata))
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

// tellCorrection corrects the last word in each room.
func (c *Call) tellCorrection(inc statuspage.Incident, us []statuspage.Update) (edited, errata int, err error) {
	links, err := c.announced(inc.ID)
	if err != nil {
		return 0, 0, err
	}
	u := us[len(us)-1]
	sp := c.b.speech(c.b.statusLang())
	content := c.updateContent(inc, u, len(us))
	if len(us) == 1 {
		content.Text = sp.StartText(inc, u)
	}
	erratum := chat.Content{Text: sp.ErratumText(inc, u), Link: sp.Link(inc.ID)}
	for _, l := range links {
		if _, err := c.text(outbox.Edit, l, outbox.Payload{Target: tickets.ID(u.Entry), Content: &content, Fallback: &erratum}, nil); err != nil {
			return edited, errata, err
		}
		if c.b.caps(l.Place()).Edits == chat.None {
			errata++
		} else {
			edited++
		}
		if len(us) > 1 {
			if err := c.headline(l, inc, u); err != nil {
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
	if ok, err := c.confirmed(rest); !ok {
		return err
	}
	main, others := statuspage.Versions(rest, c.b.statusLang())
	inc, u, err := statuspage.Bilan(c.origin(), inc, main)
	if err != nil {
		return c.refusal(err)
	}
	return c.say(rest, inc, u, others, c.b.speech(c.b.statusLang()).UpdateText(inc, u), "incident.bilan", nil)
}

// YearReport counts a year, for the verb and for the machine.
func (t *Turn) YearReport(year int) (statuspage.Report, error) {
	loc := t.b.opt.Location
	from := statuspage.At(time.Date(year, 1, 1, 0, 0, 0, 0, loc))
	before := statuspage.At(time.Date(year+1, 1, 1, 0, 0, 0, 0, loc))
	list, err := t.Tx.PublishedBetween(from, before)
	return statuspage.NewReport(list, year, loc, statuspage.Time(t.Now)), err
}

// Attach ties a ticket to an incident; 0 takes it off again.
func (c *Call) Attach(ticket tickets.ID, number int64) error {
	ok, err := c.setTicket(ticket)
	if err != nil {
		return err
	}
	if !ok {
		return c.Answer(c.T("command.no-ticket", "Number", "#"+fmt.Sprint(ticket)))
	}
	tk, err := c.Tx.Ticket(ticket)
	if err != nil {
		return err
	}
	inc, _, err := c.choose(statuspage.Unplanned, number, "", "")
	if err != nil {
		return c.refusal(err)
	}
	if tk.Incident == tickets.ID(inc.ID) {
		return c.Answer(c.T("incident.attached-already", "Number", fmt.Sprint(inc.ID)))
	}
	tk.Incident = tickets.ID(inc.ID)
	if err := c.Tx.UpdateTicket(&tk); err != nil {
		return err
	}
	return c.teamLine(tk.ID, c.T("incident.attached", "Number", fmt.Sprint(inc.ID), "Title", inc.Title, "Name", c.Name), nil)
}
