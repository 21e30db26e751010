package bot

import (
	"fmt"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// policy is what is told by itself.
func (b *Bot) policy() statuspage.Policy {
	if b.opt.Status.Policy != nil {
		return *b.opt.Status.Policy
	}
	return statuspage.DefaultPolicy()
}

// timerIncident is a reminder about an incident; its body says which.
const timerIncident = "incident"

// follow sets the timers of an incident to what it has become.
func (t *Turn) follow(inc *statuspage.Incident) error {
	for _, what := range statuspage.AllReminders() {
		name := fmt.Sprintf("incident %d %s", inc.ID, what)
		due := t.b.policy().Next(what, *inc, statuspage.Time(t.Now), t.b.opt.Location)
		if due == 0 {
			if err := t.Tx.DropTimer(name); err != nil {
				return err
			}
			continue
		}
		t.due = true
		if err := t.Tx.SetTimer(Timer{Name: name, Kind: timerIncident, Due: tickets.Time(due), Incident: tickets.ID(inc.ID), Body: string(what)}); err != nil {
			return err
		}
	}
	return nil
}

// remind does what is due about an incident, and sets what is due next.
func (t *Turn) remind(tm Timer) error {
	switch about, id, _ := strings.Cut(tm.Body, " "); about {
	case aboutDraft:
		return t.expire(id)
	case aboutSurge:
		return nil // from now on there may be another proposal
	case aboutAnswer:
		return t.answerOne(int64(tm.Incident), tm.Ticket)
	case aboutRecall:
		return t.recallAnswer(int64(tm.Incident))
	}
	inc, err := t.Tx.Incident(int64(tm.Incident))
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	now := statuspage.Time(t.Now)
	number := fmt.Sprint(inc.ID)
	lang := t.b.lang(nil)
	w := statuspage.When{Lang: lang, Loc: t.b.opt.Location}
	switch what := statuspage.Reminder(tm.Body); {
	case !inc.Open():
	case what == statuspage.DayBefore && inc.State == statuspage.Scheduled && inc.ScheduledFor > now:
		err = t.dayBefore(&inc)
	case what == statuspage.AutoStart && inc.State == statuspage.Scheduled && inc.ScheduledFor <= now:
		return t.autoStart(&inc)
	case what == statuspage.Overrun && inc.Overdue(now):
		err = t.overrun(&inc, t.b.t(lang, "work.overrun", "Number", number, "When", w.Echo(inc.ScheduledUntil, 0)))
	case what == statuspage.PromisedWord && inc.NextWord != 0:
		id := "incident.word-soon"
		if inc.WordOwed(now) {
			id = "incident.word-owed"
		}
		var author tickets.ID
		if author, err = t.lastAuthor(&inc); err == nil {
			err = t.tellTeam(inc, t.b.t(lang, id, "Number", number, "When", w.Moment(inc.NextWord, now)), author)
		}
	}
	if err != nil {
		return err
	}
	return t.follow(&inc)
}

// lastAuthor is who spoke last: whoever promised, and knows.
func (t *Turn) lastAuthor(inc *statuspage.Incident) (tickets.ID, error) {
	us, err := t.Tx.IncidentUpdates(inc.ID)
	if err != nil {
		return 0, err
	}
	for i := len(us) - 1; i >= 0; i-- {
		if us[i].Author != 0 {
			return tickets.ID(us[i].Author), nil
		}
	}
	return tickets.ID(inc.Author), nil
}

// dayBefore tells the rooms of work that is coming.
func (t *Turn) dayBefore(inc *statuspage.Incident) error {
	links, err := t.announced(inc.ID)
	if err != nil {
		return err
	}
	if len(links) == 0 { // its creation was not told: this is the first that they hear
		us, err := t.Tx.IncidentUpdates(inc.ID)
		if err != nil || len(us) == 0 {
			return err
		}
		_, err = t.announce(inc, &us[0], tickets.ID(us[0].Entry))
		return err
	}
	sp := t.b.speech(t.b.statusLang())
	for _, l := range links {
		if _, err := t.text(outbox.Say, l, outbox.Payload{Content: &chat.Content{Text: sp.DayBeforeText(*inc), Link: sp.Link(inc.ID)}}, nil); err != nil {
			return err
		}
	}
	return nil
}

// autoStart begins planned work at its time.
func (t *Turn) autoStart(inc *statuspage.Incident) error {
	next, u, err := statuspage.Begin(t.origin(), *inc, "")
	if err != nil {
		return err
	}
	n, err := t.tellIncident(&next, &u, t.b.opt.Name, t.b.policy().AtStart)
	if err != nil {
		return err
	}
	return t.tellTeam(next, t.b.t(t.b.lang(nil), "work.begun", "Number", fmt.Sprint(inc.ID), "Count", n), 0)
}

// overrun asks the team whether it is over, and shows everybody that its
// planned end has passed.
func (t *Turn) overrun(inc *statuspage.Incident, question string) error {
	links, err := t.announced(inc.ID)
	if err != nil {
		return err
	}
	us, err := t.Tx.IncidentUpdates(inc.ID)
	if err != nil || len(us) == 0 {
		return err
	}
	for _, l := range links {
		if err := t.headline(l, *inc, us[len(us)-1]); err != nil {
			return err
		}
	}
	t.pageChanged()
	author, err := t.lastAuthor(inc)
	if err != nil {
		return err
	}
	return t.tellTeam(*inc, question, author,
		chat.Button{Action: "maintenance.end", Value: fmt.Sprint(inc.ID), Label: t.b.t(t.b.lang(nil), "button.work-done"), Style: "primary"})
}
