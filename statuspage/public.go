package statuspage

import "context"

// PublicIncident is an incident as everybody may read it. It has no field for
// authors, team places or deliveries, so that no mistake of a page can show
// them.
type PublicIncident struct {
	Number         ID                `db:"id"`
	UID            string            `db:"uid"`
	Kind           Kind              `db:"kind"`
	Title          string            `db:"title"`
	Lang           string            `db:"lang"`
	State          State             `db:"state"`
	Impact         Impact            `db:"impact"`
	Started        Time              `db:"started_at"` // when the trouble began
	Noticed        Time              `db:"noticed_at"` // when the team saw it; 0 where nobody said
	Published      Time              `db:"published_at"`
	Resolved       Time              `db:"resolved_at"`
	ScheduledFor   Time              `db:"scheduled_for"`
	ScheduledUntil Time              `db:"scheduled_until"`
	NextWord       Time              `db:"next_word_at"`
	Sequence       int               `db:"sequence"`
	Cancelled      bool              `db:"cancelled"`
	Updated        Time              `db:"updated_at"`
	Titles         []PublicText      `db:"-"` // the title in other languages
	Components     []PublicComponent `db:"-"` // by ID
	Updates        []PublicUpdate    `db:"-"` // oldest first
}

// PublicComponent is a component in an incident.
type PublicComponent struct {
	ID     string `db:"component"`
	Name   string `db:"name"` // at that time
	Status Status `db:"status"`
}

// PublicUpdate is a statement about an incident.
type PublicUpdate struct {
	UID       string `db:"uid"`
	State     State  `db:"state"`
	Body      string `db:"body"` // Markdown
	Lang      string `db:"lang"`
	Published Time   `db:"published_at"`
	Edited    Time   `db:"edited_at"` // 0 where it was never corrected
	// ScheduledFor and ScheduledUntil are the planned times that this update
	// announced, 0 where it announced none: a postponement leaves what was
	// said before as it was said.
	ScheduledFor   Time         `db:"scheduled_for"`
	ScheduledUntil Time         `db:"scheduled_until"`
	Texts          []PublicText `db:"-"` // the body in other languages
}

// Open reports whether the end has not been said yet.
func (p PublicIncident) Open() bool { return p.Resolved == 0 }

// Last is the newest update; the zero one where there is none.
func (p PublicIncident) Last() PublicUpdate {
	if len(p.Updates) == 0 {
		return PublicUpdate{}
	}
	return p.Updates[len(p.Updates)-1]
}

// Source is where the public page reads. It gives what has been published,
// and public columns alone.
type Source interface {
	// Current gives everything that is open or still planned, and of the rest
	// the limit incidents that moved last; the newest published first.
	Current(ctx context.Context, limit int) ([]PublicIncident, error)
	// Between gives what was published from a time on and before another, the
	// newest first.
	Between(ctx context.Context, from, before Time) ([]PublicIncident, error)
	// Incident gives one by its number, false where there is none.
	Incident(ctx context.Context, number ID) (PublicIncident, bool, error)
}

// Overall is the worst that open incidents and work in progress do; NoImpact
// where there is nothing.
func Overall(list []PublicIncident) Impact {
	worst := NoImpact
	for _, p := range list {
		if p.Ongoing() && p.Impact.Rank() > worst.Rank() {
			worst = p.Impact
		}
	}
	return worst
}

// StatusOf is how a component fares, the worst of what the open incidents say
// about it.
func StatusOf(component string, list []PublicIncident) Status {
	worst := Operational
	for _, p := range list {
		if !p.Ongoing() {
			continue
		}
		for _, c := range p.Components {
			if c.ID == component {
				worst = WorstStatus(worst, c.Status)
			}
		}
	}
	return worst
}
