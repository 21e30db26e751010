// Package statuspage is what is announced about services: incidents and
// planned work, their updates, the components that they touch, and the words
// in which rooms and the public page tell of them. Its use cases are plain
// functions: they take what was typed and return what is to be stored and
// said. It knows no network, no SQL and no HTTP.
package statuspage

import (
	"crypto/rand"
	"strings"
	"time"

	"permanence/bot/chat"
)

// Time is milliseconds since the Unix epoch, UTC; zero means never.
type Time int64

// At gives t as a Time.
func At(t time.Time) Time { return Time(t.UnixMilli()) }

// In gives the time in a zone; the zero time.Time for never.
func (t Time) In(loc *time.Location) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).In(loc)
}

// Until is the time from t to end, 0 where one of them is never.
func (t Time) Until(end Time) time.Duration {
	if t == 0 || end == 0 || end < t {
		return 0
	}
	return time.Duration(end-t) * time.Millisecond
}

// ID numbers the rows of one kind. An incident's ID is its number; incidents
// and planned work share one sequence. It is an alias because these numbers
// travel: through deliveries and links, commands and addresses.
type ID = int64

// Kind tells trouble from planned work.
type Kind string

const (
	Unplanned   Kind = "incident"
	Maintenance Kind = "maintenance"
)

// State is where an incident or planned work stands, in the words of the
// Statuspage API v2, which tools read.
type State string

const (
	Investigating State = "investigating"
	Identified    State = "identified"
	Monitoring    State = "monitoring"
	Resolved      State = "resolved"
	Postmortem    State = "postmortem"

	Scheduled  State = "scheduled"
	InProgress State = "in_progress"
	Verifying  State = "verifying"
	Completed  State = "completed"
)

// Over reports whether the state is one of after the end.
func (s State) Over() bool { return s == Resolved || s == Postmortem || s == Completed }

// Impact is how bad it is for those who use the services (Statuspage v2).
type Impact string

const (
	NoImpact      Impact = "none"
	Minor         Impact = "minor" // what is taken where nobody says
	Major         Impact = "major"
	Critical      Impact = "critical"
	PlannedImpact Impact = "maintenance"
)

// Rank orders impacts: the higher the worse. Planned work stands between none
// and minor.
func (i Impact) Rank() int {
	switch i {
	case PlannedImpact:
		return 1
	case Minor:
		return 2
	case Major:
		return 3
	case Critical:
		return 4
	}
	return 0
}

// Status is how a component fares (Statuspage v2).
type Status string

const (
	Operational      Status = "operational"
	Degraded         Status = "degraded_performance"
	PartialOutage    Status = "partial_outage"
	MajorOutage      Status = "major_outage"
	UnderMaintenance Status = "under_maintenance"
)

// Status is what an impact makes of the components that it touches.
func (i Impact) Status() Status {
	switch i {
	case Minor:
		return Degraded
	case Major:
		return PartialOutage
	case Critical:
		return MajorOutage
	case PlannedImpact:
		return UnderMaintenance
	}
	return Operational
}

// Component is a part of the services that people know by name. The
// configuration lists them in the order in which the page shows them.
type Component struct {
	ID   string
	Name string
}

// Components are all of them, in the order of the configuration.
type Components []Component

// Affected is a component in an incident.
type Affected struct {
	Incident  ID     `db:"incident_id"`
	Component string `db:"component"`
	// Name is the component's at that time, for when the configuration no
	// longer has it.
	Name   string `db:"name"`
	Status Status `db:"status"`
}

// Incident is trouble from start to end report, or planned work.
type Incident struct {
	ID     ID     `db:"id"`
	UID    string `db:"uid"` // public, stable, opaque
	Kind   Kind   `db:"kind"`
	Title  string `db:"title"` // one line of plain text
	Lang   string `db:"lang"`  // of the title
	State  State  `db:"state"`
	Impact Impact `db:"impact"`
	// Started is when the trouble began, Noticed when the team saw it,
	// Published when it was announced.
	Started   Time `db:"started_at"`
	Noticed   Time `db:"noticed_at"`
	Published Time `db:"published_at"`
	Resolved  Time `db:"resolved_at"` // 0 while it is open
	// ScheduledFor and ScheduledUntil are of planned work.
	ScheduledFor   Time `db:"scheduled_for"`
	ScheduledUntil Time `db:"scheduled_until"`
	// NextWord is when the next update was promised, 0 for no promise.
	NextWord Time `db:"next_word_at"`
	// Sequence grows with each change of the planned times (RFC 5545, 3.8.7.4).
	Sequence int `db:"sequence"`
	// Cancelled: planned work that will not take place; Statuspage v2 has no
	// such state.
	Cancelled bool `db:"cancelled"`
	// Updated moves when something that the public reads did.
	Updated Time `db:"updated_at"`

	// Private: the team place (for failures, questions and recalls), who
	// started it, and since when every room that heard the start has heard
	// the end.
	TeamAdapter     string `db:"team_adapter"`
	TeamRoom        string `db:"team_room"`
	TeamThread      string `db:"team_thread"`
	Author          ID     `db:"author"`
	EndedEverywhere Time   `db:"ended_everywhere_at"`

	// Affected is stored in a table of its own.
	Affected []Affected `db:"-"`
}

// Open reports whether the end has not been said yet.
func (i Incident) Open() bool { return i.Resolved == 0 }

// Team is the place where it was started.
func (i Incident) Team() chat.Place {
	return chat.Place{Adapter: i.TeamAdapter, Room: i.TeamRoom, Thread: i.TeamThread}
}

// Update is one public statement about an incident; the first is its start.
type Update struct {
	ID       ID     `db:"id"`
	UID      string `db:"uid"`         // public, stable, opaque
	Incident ID     `db:"incident_id"` // set by the store for a new incident
	// Entry is the statement as an entry, which has copies in the rooms.
	Entry     ID     `db:"entry_id"`
	State     State  `db:"state"` // of the incident from here on
	Body      string `db:"body"`  // Markdown
	Lang      string `db:"lang"`
	Published Time   `db:"published_at"`
	Edited    Time   `db:"edited_at"` // 0 as long as it was not corrected
	// ScheduledFor and ScheduledUntil are the planned times that it announced,
	// 0 where it announced none.
	ScheduledFor   Time `db:"scheduled_for"`
	ScheduledUntil Time `db:"scheduled_until"`
	Author         ID   `db:"author"` // private
}

// Origin is whose word it is: when it was said, by whom, in which language,
// and where in the team's rooms.
type Origin struct {
	At    Time
	By    ID // a person; 0 for the program itself
	Lang  string
	Place chat.Place
	// Loc is the zone of the times in what was said; nil means UTC.
	Loc *time.Location
}

// when reads and writes times for whoever speaks.
func (o Origin) when() When { return When{Lang: o.Lang, Loc: o.Loc} }

// Refusal is an error that says to people what was not done, why, and what to
// do instead.
type Refusal struct{ Reason chat.Text }

func (r *Refusal) Error() string { return r.Reason.EN }

func refuse(fr, en string) error { return &Refusal{chat.Text{FR: fr, EN: en}} }

// newUID makes an opaque lower-case identifier of 80 random bits, in the
// alphabet of Statuspage's own.
func newUID() string { return strings.ToLower(rand.Text()[:16]) }
