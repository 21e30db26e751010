package bot

import (
	"fmt"
	"strings"

	"permanence/statuspage"
	"permanence/tickets"
)

// speech speaks of incidents in a language.
func (b *Bot) speech(lang string) statuspage.Speech {
	s := statuspage.Speech{When: statuspage.When{Lang: lang, Loc: b.opt.Location}, Now: statuspage.Time(b.now())}
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
	o := c.Turn.origin()
	o.By, o.Place = int64(c.Person), c.Place()
	return o
}

// origin is the program's own.
func (t *Turn) origin() statuspage.Origin {
	return statuspage.Origin{At: statuspage.Time(t.Now), Lang: t.b.statusLang(), Loc: t.b.opt.Location}
}

// refusal makes a refusal of the status page an answer.
func (c *Call) refusal(err error) error {
	if r, ok := err.(*statuspage.Refusal); ok {
		return c.Answer(r.Reason.In(c.Lang))
	}
	return err
}

// StartIncident announces an incident in every status room. What was not
// recognised is asked about after.
func (c *Call) StartIncident(text string) error {
	return c.announcing("incident.start", statuspage.Incident{}, text)
}

// understood tells in full what was understood of a text's times.
func (c *Call) understood(inc statuspage.Incident) (lines []string) {
	w := statuspage.When{Lang: c.Lang, Loc: c.b.opt.Location}
	if inc.Kind == statuspage.Maintenance {
		return []string{c.T("work.when", "When", w.Echo(inc.ScheduledFor, inc.ScheduledUntil))}
	}
	if inc.Started != 0 && inc.Started < inc.Published {
		lines = append(lines, c.T("incident.since", "When", w.Echo(inc.Started, 0)))
	}
	if inc.NextWord != 0 {
		lines = append(lines, c.T("incident.promised", "When", w.Echo(inc.NextWord, 0)))
	}
	return lines
}

// publishNew stores a new incident, or planned work, and says it everywhere;
// name is its author's.
func (c *Call) publishNew(inc *statuspage.Incident, u *statuspage.Update, others []statuspage.Version, name string) (rooms int, err error) {
	if err := c.Tx.AddIncident(inc); err != nil {
		return 0, err
	}
	u.Incident = inc.ID
	e, err := c.statement(inc, u, name)
	if err != nil {
		return 0, err
	}
	if err := c.translate(inc, *u, true, others); err != nil {
		return 0, err
	}
	if inc.Kind == statuspage.Unplanned || inc.State != statuspage.Scheduled || c.b.policy().AtCreation {
		if rooms, err = c.announce(inc, u, e); err != nil {
			return rooms, err
		}
	}
	return rooms, c.follow(inc)
}

// translate stores the same words in further languages.
func (c *Call) translate(inc *statuspage.Incident, u statuspage.Update, first bool, others []statuspage.Version) error {
	for _, v := range others {
		next, title, text, err := statuspage.Translate(c.origin(), c.b.opt.Status.Components, *inc, u, first, v)
		if err != nil {
			return err
		}
		*inc = next
		if title.Body != "" {
			if err := c.Tx.PutTitle(inc.ID, title); err != nil {
				return err
			}
		}
		if err := c.Tx.PutText(u.ID, text); err != nil {
			return err
		}
	}
	return nil
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

// statement stores an update and its entry; name is its author's.
func (t *Turn) statement(inc *statuspage.Incident, u *statuspage.Update, name string) (tickets.ID, error) {
	e := tickets.Entry{Incident: tickets.ID(inc.ID), Kind: tickets.Auto, Audience: tickets.Everyone, Author: tickets.ID(u.Author), Name: name,
		Body: u.Body, Revision: 1, At: t.Now}
	if err := t.Tx.AddEntry(&e, ""); err != nil {
		return 0, err
	}
	u.Entry = statuspage.ID(e.ID)
	t.pageChanged()
	return e.ID, t.Tx.AddUpdate(u)
}

// pageChanged tells the page, once this is on disk.
func (t *Turn) pageChanged() {
	if f := t.b.opt.Changed; f != nil {
		t.After(f)
	}
}

// choose is the open incident, or planned work, that a command is about.
func (c *Call) choose(kind statuspage.Kind, number int64, raw, rest string) (statuspage.Incident, string, error) {
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
		known, err := c.Tx.Incident(number)
		if isNotFound(err) && len(open) == 1 && rest != "" && c.ID == "incident.update" {
			return open[0], raw, nil // there is no such incident: the number was a part of the text
		}
		if err != nil && !isNotFound(err) {
			return statuspage.Incident{}, "", err
		}
		if err == nil && kind == statuspage.Maintenance {
			return known, rest, nil // over: the use case says so
		}
		inc, _, err := statuspage.Choose(open, kind, 0, fmt.Sprint(number))
		return inc, rest, err
	}
	inc, text, err := statuspage.Choose(open, kind, 0, "")
	if err == nil {
		text = rest
	}
	return inc, text, err
}

// UpdateIncident says a word in each incident's thread and keeps the headline
// up to date. A text that is in another language alone is the last word's
// translation.
func (c *Call) UpdateIncident(number int64, raw, rest string) error {
	inc, text, err := c.choose(statuspage.Unplanned, number, raw, rest)
	if err != nil {
		return c.refusal(err)
	}
	if main, others := statuspage.Versions(text, c.b.statusLang()); main == "" && len(others) > 0 {
		if ok, err := c.confirmed(text); !ok {
			return err
		}
		us, err := c.Tx.IncidentUpdates(inc.ID)
		if err != nil || len(us) == 0 {
			return err
		}
		return c.translateOne(inc, us, len(us)-1, others)
	}
	return c.announcing("incident.update", inc, text)
}

// EndIncident gives the end report to every room that heard the start.
func (c *Call) EndIncident(number int64, raw, rest string) error {
	return c.about(statuspage.Unplanned, "incident.end", number, raw, rest)
}

// about announces something of an open incident, or of planned work.
func (c *Call) about(kind statuspage.Kind, verb string, number int64, raw, rest string) error {
	inc, text, err := c.choose(kind, number, raw, rest)
	if err != nil {
		return c.refusal(err)
	}
	// A number of the other kind is a slip, and an end is not taken back.
	if inc.Kind != kind && (verb == "incident.end" || verb == "maintenance.end") {
		return c.Answer(c.T("incident.other-kind-"+string(inc.Kind), "Number", fmt.Sprint(inc.ID)))
	}
	return c.announcing(verb, inc, text)
}

// translateOne gives a word in further languages.
func (c *Call) translateOne(inc statuspage.Incident, us []statuspage.Update, i int, others []statuspage.Version) error {
	if err := c.translate(&inc, us[i], i == 0, others); err != nil {
		return c.refusal(err)
	}
	c.pageChanged()
	if err := c.Tx.UpdateIncident(&inc); err != nil {
		return err
	}
	return c.Answer(c.T("incident.translated", "Number", fmt.Sprint(inc.ID), "Lang", others[0].Lang))
}
