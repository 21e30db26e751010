package statuspage

import (
	"slices"

	"permanence/bot/chat"
)

// PublicText is a title or a body in a further language.
type PublicText struct {
	Lang      string `db:"lang"`
	Body      string `db:"body"`
	Published Time   `db:"published_at"`
	Edited    Time   `db:"edited_at"` // 0 where it was never corrected
}

// TitleIn gives the title in a language where there is one, else as it was
// first written; in is the language that it has then.
func (p PublicIncident) TitleIn(lang string) (title, in string) {
	for _, t := range p.Titles {
		if t.Lang == lang && p.Lang != lang {
			return t.Body, lang
		}
	}
	return p.Title, p.Lang
}

// TextIn gives the body in a language. Where that is missing it is the body
// as it was first written, and ok is false.
func (u PublicUpdate) TextIn(lang string) (text PublicText, ok bool) {
	first := PublicText{Lang: u.Lang, Body: u.Body, Published: u.Published, Edited: u.Edited}
	if u.Lang == lang {
		return first, true
	}
	for _, t := range u.Texts {
		if t.Lang == lang {
			t.Published = max(t.Published, u.Published)
			return t, true
		}
	}
	return first, false
}

// Upcoming reports whether it is planned work that has not begun.
func (p PublicIncident) Upcoming() bool { return p.Open() && p.State == Scheduled }

// Ongoing reports whether it is open and has begun.
func (p PublicIncident) Ongoing() bool { return p.Open() && p.State != Scheduled }

// Touches reports whether a component is affected.
func (p PublicIncident) Touches(component string) bool {
	return slices.ContainsFunc(p.Components, func(c PublicComponent) bool { return c.ID == component })
}

// StateText is the state as people read it, in lower case. Statuspage v2 has
// no state for work that was cancelled: it is completed there.
func (p PublicIncident) StateText() chat.Text {
	if p.Cancelled {
		return chat.Text{FR: "annulés", EN: "cancelled"}
	}
	return p.State.Text()
}

// UpdateText is the state that the update at place n announced, as people read
// it, in lower case.
func (p PublicIncident) UpdateText(n int) chat.Text {
	u := p.Updates[n]
	switch {
	case p.Cancelled && n == len(p.Updates)-1 && u.State.Over():
		return p.StateText()
	case n > 0 && u.State == Scheduled && u.ScheduledFor != 0:
		return chat.Text{FR: "reportés", EN: "rescheduled"}
	}
	return u.State.Text()
}

// Announced gives the planned times that the update at place n told of, 0 for
// none. Where no update carries times, those of today stand at the newest one
// that speaks of work to come: an older one would tell times that it did not
// tell then.
func (p PublicIncident) Announced(n int) (from, until Time) {
	if u := p.Updates[n]; u.ScheduledFor != 0 {
		return u.ScheduledFor, u.ScheduledUntil
	}
	newest := -1
	for i, u := range p.Updates {
		switch {
		case u.ScheduledFor != 0:
			return 0, 0
		case u.State == Scheduled:
			newest = i
		}
	}
	if newest != n {
		return 0, 0
	}
	return p.ScheduledFor, p.ScheduledUntil
}

// WorstStatus gives the status that fares worst: of a component that several
// incidents touch, or of several components.
func WorstStatus(list ...Status) Status {
	worst := Operational
	for _, s := range list {
		if s.rank() > worst.rank() {
			worst = s
		}
	}
	return worst
}

// rank orders statuses: the higher the worse.
func (s Status) rank() int {
	switch s {
	case UnderMaintenance:
		return 1
	case Degraded:
		return 2
	case PartialOutage:
		return 3
	case MajorOutage:
		return 4
	}
	return 0
}
