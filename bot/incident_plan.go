package bot

import (
	"fmt"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/statuspage"
	"permanence/tickets"
)

// draft is an announcement that was shown and waits for "publish". It is kept
// in memory: after a restart the command is typed again.
type draft struct {
	person  tickets.ID
	verb    string
	number  int64 // of what it is about, 0 for something new
	text    string
	until   tickets.Time
	publish func(*Call) error
}

// draftFor is how long a draft waits: the times in it are as understood then.
const draftFor = 30 * time.Minute

// preview shows what is going to be said, with the times in full, and waits.
func (c *Call) preview(text string, number int64, shown string, understood []string, publish func(*Call) error) error {
	if c.machine {
		return publish(c)
	}
	c.b.lastDraft++
	id := c.b.lastDraft
	d := draft{person: c.Person, verb: c.ID, number: number, text: text, until: c.Now.Add(draftFor), publish: publish}
	c.After(func() {
		for old, other := range c.b.drafts {
			if other.person == d.person || other.until < d.until.Add(-draftFor) {
				delete(c.b.drafts, old)
			}
		}
		c.b.drafts[id] = d
	})
	group := "!incident"
	if strings.HasPrefix(c.ID, "maintenance.") {
		group = "!travaux"
		if c.Lang == "en" {
			group = "!maintenance"
		}
	}
	word := map[string]string{"fr": " publier", "en": " publish"}[c.Lang]
	var b strings.Builder
	// What matters comes first: a long text is cut.
	b.WriteString(c.T("incident.preview") + "\n")
	for _, line := range understood {
		b.WriteString(line + "\n")
	}
	b.WriteString(c.T("incident.preview-how", "Command", group+word) + "\n\n")
	b.WriteString(c.T("incident.preview-reads", "Count", len(c.b.opt.Status.Rooms)))
	b.WriteString("\n> " + strings.ReplaceAll(shown, "\n", "\n> "))
	value := fmt.Sprint(id)
	return c.offer(b.String(), chat.Button{Action: "incident.publish", Value: value, Label: c.T("button.publish"), Style: "primary"},
		chat.Button{Action: "incident.correct", Value: value, Label: c.T("button.correct")})
}

// offer is an answer with buttons; where the network answers the caller alone,
// without.
func (c *Call) offer(text string, buttons ...chat.Button) error {
	if c.respond != nil {
		return c.Answer(text)
	}
	link, err := c.Tx.RoomLink(c.Place(), c.Now)
	if err != nil {
		return err
	}
	return c.answerAt(link, chat.Content{Text: text, Notice: true, Lang: c.Lang, Buttons: buttons})
}

// draft finds the draft that a button names, or else the caller's.
func (c *Call) draft(id int64) (int64, draft, bool) {
	for n, d := range c.b.drafts {
		if (n == id || id == 0 && d.person == c.Person) && d.until > c.Now {
			return n, d, true
		}
	}
	return 0, draft{}, false
}

// Publish publishes what was shown; 0 means the caller's own draft.
func (c *Call) Publish(id int64) error {
	n, d, ok := c.draft(id)
	if !ok {
		return c.Answer(c.T("incident.no-draft"))
	}
	c.After(func() { delete(c.b.drafts, n) })
	return d.publish(c)
}

// CorrectDraft opens the text again, where the network has forms.
func (c *Call) CorrectDraft(id int64) error {
	_, d, ok := c.draft(id)
	if !ok {
		return c.Answer(c.T("incident.no-draft"))
	}
	value := ""
	if d.number != 0 {
		value = fmt.Sprint(d.number)
	}
	if c.Form(chat.Form{ID: d.verb, Value: value, Title: c.T("button.correct"), Submit: c.T("form.preview"),
		Fields: []chat.Field{{Name: "text", Label: c.T("form.public-text"), Long: true, Text: d.text}}}) {
		return nil
	}
	return c.Answer(c.T("incident.type-again"))
}

// PlanWork announces planned work, after its times were shown in full.
func (c *Call) PlanWork(text string) error {
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	o := c.origin()
	main, others := statuspage.Versions(text, o.Lang)
	inc, u, err := statuspage.Plan(o, c.b.opt.Status.Components, main)
	if err != nil {
		return c.refusal(err)
	}
	return c.preview(text, 0, c.b.speech(o.Lang).StartText(inc, u), c.understood(inc), func(c *Call) error {
		now := statuspage.Time(c.Now)
		inc.Noticed, inc.Published, inc.Updated, u.Published = now, now, now, now
		n, err := c.publishNew(&inc, &u, others)
		if err != nil {
			return err
		}
		lines := append([]string{c.T("work.planned", "Number", fmt.Sprint(inc.ID), "Count", n, "Link", c.b.speech(c.Lang).Link(inc.ID))}, c.understood(inc)...)
		return c.Answer(strings.Join(lines, "\n"))
	})
}

// MoveWork gives planned work other times, after they were shown in full.
func (c *Call) MoveWork(number int64, raw, rest string) error {
	old, text, err := c.choose(statuspage.Maintenance, number, raw, rest)
	if err != nil {
		return c.refusal(err)
	}
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	main, others := statuspage.Versions(text, c.b.statusLang())
	inc, u, err := statuspage.Move(c.origin(), old, main)
	if err != nil {
		return c.refusal(err)
	}
	return c.preview(text, inc.ID, c.b.speech(c.b.statusLang()).UpdateText(inc, u), c.understood(inc), func(c *Call) error {
		now, err := c.Tx.Incident(inc.ID)
		if err != nil {
			return err
		}
		if now.Updated != old.Updated || now.State != old.State {
			return c.Answer(c.T("incident.draft-changed", "Number", fmt.Sprint(inc.ID)))
		}
		inc.Updated, u.Published = statuspage.Time(c.Now), statuspage.Time(c.Now)
		n, err := c.tellIncident(&inc, &u, c.Name, true)
		if err != nil {
			return err
		}
		if err := c.translate(&inc, u, false, others); err != nil {
			return err
		}
		return c.Answer(c.T("work.moved", "Number", fmt.Sprint(inc.ID), "Count", n) + "\n" + strings.Join(c.understood(inc), "\n"))
	})
}

// CancelWork says that planned work will not take place.
func (c *Call) CancelWork(number int64, raw, rest string) error {
	return c.end(statuspage.Maintenance, number, raw, rest, "work.cancelled", statuspage.Cancel)
}

// EndWork says that planned work is done.
func (c *Call) EndWork(number int64, raw, rest string) error {
	return c.end(statuspage.Maintenance, number, raw, rest, "work.ended", statuspage.End)
}

// BeginWork says that planned work begins, before its time.
func (c *Call) BeginWork(number int64, raw, rest string) error {
	inc, text, err := c.choose(statuspage.Maintenance, number, raw, rest)
	if err != nil {
		return c.refusal(err)
	}
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	main, others := statuspage.Versions(text, c.b.statusLang())
	inc, u, err := statuspage.Begin(c.origin(), inc, main)
	if err != nil {
		return c.refusal(err)
	}
	return c.say(text, inc, u, others, c.b.speech(c.b.statusLang()).UpdateText(inc, u), "work.begun", nil)
}
