package statuscmd

import (
	"fmt"
	"strings"

	"permanence/bot"
	"permanence/bot/command"
	"permanence/internal/markup"
	"permanence/tickets"
)

func list(c *bot.Call, _ command.Args) error {
	open, err := c.Tx.OpenIncidents()
	if err != nil {
		return err
	}
	if len(open) == 0 {
		return c.Answer(c.T("incident.none"))
	}
	var b strings.Builder
	for _, i := range open {
		fmt.Fprintf(&b, "%d · %s · %s", i.ID, i.StateText().In(c.Lang), markup.Inert(i.Title))
		asked, err := c.Tx.IncidentTickets(i.ID)
		if err != nil {
			return err
		}
		if len(asked) > 0 {
			b.WriteString(" · " + c.T("incident.asked", "Count", len(asked)))
		}
		b.WriteString("\n")
	}
	return c.Answer(strings.TrimRight(b.String(), "\n"))
}

// where tells what was said of an incident, what each room got of it, and how
// those stand who asked about it.
func where(c *bot.Call, a command.Args) error {
	n := a.Number
	if n == 0 {
		open, err := c.Tx.OpenIncidents()
		if err != nil {
			return err
		}
		if len(open) != 1 {
			return c.Answer(c.T("incident.which"))
		}
		n = open[0].ID
	}
	us, err := c.Tx.IncidentUpdates(n)
	if err != nil {
		return err
	}
	if len(us) == 0 {
		return c.Answer(c.T("incident.unknown", "Number", fmt.Sprint(n)))
	}
	rows, err := c.Ledger(tickets.ID(n))
	if err != nil {
		return err
	}
	var b strings.Builder
	failed := false
	for _, r := range rows {
		failed = failed || r.Failed != "" || r.Unsure
		fmt.Fprintf(&b, "%s · %s\n", r.Place, heard(c, r))
	}
	if failed {
		b.WriteString(c.T("incident.retry-how", "Number", fmt.Sprint(n)) + "\n")
	}
	for i, u := range us {
		body, _ := markup.Excerpt(strings.Join(strings.Fields(markup.Inert(u.Body)), " "), 80)
		fmt.Fprintf(&b, "%d.%d · %s · %s\n", n, i+1, c.Moment(u.Published), body)
	}
	who, err := askers(c, n)
	if err != nil {
		return err
	}
	b.WriteString(who)
	return c.Answer(strings.TrimRight(b.String(), "\n"))
}

func heard(c *bot.Call, r bot.Heard) string {
	said := c.T("incident.said", "Count", r.Said)
	switch {
	case r.Failed != "":
		return "⚠️ " + r.Failed
	case r.Unsure:
		return "⚠️ " + said + " · " + c.T("incident.start-unsure", "Reason", r.Delayed)
	case r.Waiting && r.Delayed != "":
		return "⏳ " + said + " · " + r.Delayed
	case r.Waiting:
		return "⏳ " + said
	}
	return said
}

// askers tells who waits for the end, or for the answer, and who has it.
func askers(c *bot.Call, n int64) (string, error) {
	as, err := c.Askers(n)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, x := range []struct {
		id   string
		list []tickets.ID
	}{{"incident.askers-wait", as.Waiting}, {"incident.askers-leaving", as.Leaving}, {"incident.askers-told", as.Told}, {"incident.askers-not", as.NotTold}} {
		if len(x.list) == 0 {
			continue
		}
		var numbers []string
		for i, id := range x.list {
			if i == 10 {
				numbers = append(numbers, "…")
				break
			}
			numbers = append(numbers, fmt.Sprintf("#%d", id))
		}
		parts = append(parts, c.T(x.id, "Count", len(x.list), "Numbers", strings.Join(numbers, ", ")))
	}
	if len(parts) == 0 {
		return "", nil
	}
	return c.T("incident.askers") + strings.Join(parts, " · "), nil
}
