package bot

import (
	"fmt"
	"strings"

	"permanence/internal/markup"
	"permanence/statuspage"
)

// announcement is what a verb is going to publish. It is made from what was
// typed, the moment and the incident alone, so that it can be shown, kept as a
// draft, and made once more when somebody publishes it.
type announcement struct {
	verb       string
	inc        statuspage.Incident
	u          statuspage.Update
	others     []statuspage.Version
	shown      string   // as rooms will read it
	understood []string // its times, in full
	origin     statuspage.Origin
	main       string // the text in the origin's language
}

// fresh tells that it begins something new.
func (a announcement) fresh() bool { return begins(a.verb) }

func begins(verb string) bool { return verb == "incident.start" || verb == "maintenance.plan" }

// announcing publishes what was typed, after it was shown where that is wanted:
// times of planned work are always shown in full first. The machine cannot
// look.
func (c *Call) announcing(verb string, old statuspage.Incident, text string) error {
	if ok, err := c.confirmed(text); !ok {
		return err
	}
	a, err := c.prepare(verb, c.origin(), old, text)
	if err != nil {
		return c.refusal(err)
	}
	if !c.machine && (c.b.opt.Status.Preview || verb == "maintenance.plan" || verb == "maintenance.move") {
		return c.preview(a, old, text)
	}
	return c.publish(a, c.Name)
}

// prepare makes an announcement of a text; old is the incident that it is
// about, the zero Incident for something new. Where the error is a
// *statuspage.Refusal there is nothing to publish.
func (c *Call) prepare(verb string, o statuspage.Origin, old statuspage.Incident, text string) (announcement, error) {
	a := announcement{verb: verb}
	main, others := statuspage.Versions(text, o.Lang)
	components := c.b.opt.Status.Components
	var err error
	switch verb {
	case "incident.start":
		if main == "" && len(others) > 0 {
			main, o.Lang, others = others[0].Body, others[0].Lang, nil
		}
		a.inc, a.u, err = statuspage.Start(o, components, main)
	case "maintenance.plan":
		a.inc, a.u, err = statuspage.Plan(o, components, main)
	case "incident.update":
		a.inc, a.u, err = statuspage.AddUpdate(o, old, main)
	case "incident.end", "maintenance.end":
		a.inc, a.u, err = statuspage.End(o, old, main)
	case "incident.report":
		a.inc, a.u, err = statuspage.Bilan(o, old, main)
	case "maintenance.start":
		a.inc, a.u, err = statuspage.Begin(o, old, main)
	case "maintenance.move":
		a.inc, a.u, err = statuspage.Move(o, old, main)
	case "maintenance.cancel":
		a.inc, a.u, err = statuspage.Cancel(o, old, main)
	default:
		err = fmt.Errorf("nothing is announced by %q", verb)
	}
	if err != nil {
		return a, err
	}
	a.origin, a.main, a.others = o, main, others
	sp := c.b.speech(o.Lang)
	switch {
	case a.fresh():
		a.shown, a.understood = sp.StartText(a.inc, a.u), c.understood(a.inc)
	case old.Open() && !a.inc.Open():
		us, err := c.Tx.IncidentUpdates(old.ID)
		if err != nil {
			return a, err
		}
		a.shown = sp.EndText(a.inc, a.u, len(us)+1)
	default:
		a.shown = sp.UpdateText(a.inc, a.u)
		if verb == "maintenance.move" {
			a.understood = c.understood(a.inc)
		} else if verb == "incident.update" {
			promise := a.inc
			promise.Started = 0
			a.understood = c.understood(promise)
		}
	}
	return a, nil
}

// answer is the sentence that tells that it is published.
func (a announcement) answer() string {
	switch a.verb {
	case "incident.start":
		return "incident.started"
	case "incident.update":
		return "incident.updated"
	case "incident.end":
		return "incident.ended"
	case "incident.report":
		return "incident.bilan"
	case "maintenance.plan":
		return "work.planned"
	case "maintenance.move":
		return "work.moved"
	case "maintenance.cancel":
		return "work.cancelled"
	case "maintenance.start":
		return "work.begun"
	}
	return "work.ended"
}

// aloud tells whether rooms are told of it: of the beginning and the end of
// planned work where the policy says so, of everything else always.
func (b *Bot) aloud(a announcement) bool {
	switch {
	case a.verb == "maintenance.start":
		return b.policy().AtStart
	case a.verb == "maintenance.end":
		return b.policy().AtEnd
	}
	return true
}

// publish stores an announcement and says it everywhere; name is its author's.
func (c *Call) publish(a announcement, name string) error {
	now, then := statuspage.Time(c.Now), a.u.Published
	a.u.Published = now
	if a.fresh() { // it is published now, and was noticed when it was typed
		a.inc.Published, a.inc.Updated = now, now
		if a.verb == "maintenance.plan" {
			a.inc.Noticed = now
		}
	} else { // it happens when it is said, not when it was shown
		for _, at := range []*statuspage.Time{&a.inc.Resolved, &a.inc.Started, &a.inc.Updated} {
			if *at == then {
				*at = now
			}
		}
	}
	var n int
	var err error
	if a.fresh() {
		n, err = c.publishNew(&a.inc, &a.u, a.others, name)
	} else if n, err = c.tellIncident(&a.inc, &a.u, name, c.b.aloud(a)); err == nil {
		err = c.translate(&a.inc, a.u, false, a.others)
	}
	if err != nil {
		return err
	}
	number := fmt.Sprint(a.inc.ID)
	lines := append([]string{c.T(a.answer(), "Number", number, "Count", n, "Link", c.b.speech(c.Lang).Link(a.inc.ID))}, a.understood...)
	if a.verb == "incident.start" && len(a.inc.Affected) > 0 {
		var services []string
		for _, s := range a.inc.Affected {
			services = append(services, markup.Inert(s.Name))
		}
		lines = append(lines, c.T("incident.read", "Number", number, "Impact", a.inc.Impact.Text().In(c.Lang), "Services", strings.Join(services, ", ")))
	}
	if a.verb == "incident.start" {
		for _, ask := range statuspage.Unrecognised(a.origin, a.inc, a.main) {
			lines = append(lines, ask.In(c.Lang))
		}
	}
	if err := c.Answer(strings.Join(lines, "\n")); err != nil {
		return err
	}
	switch a.verb {
	case "incident.start":
		return c.besideNew(a.inc)
	case "incident.end", "maintenance.end", "maintenance.cancel":
		return c.besideEnded(a.inc, a.u)
	}
	return nil
}
