package statuspage

import "time"

// Reminder is something to do at a time, without anybody asking for it.
type Reminder string

const (
	// DayBefore: tell the rooms of work that is coming.
	DayBefore Reminder = "day-before"
	// AutoStart: planned work begins by itself.
	AutoStart Reminder = "start"
	// Overrun: the planned end is reached, and nobody has said that it is over.
	Overrun Reminder = "overrun"
	// PromisedWord: the author promised the next word.
	PromisedWord Reminder = "word"
)

// AllReminders are all there are.
func AllReminders() []Reminder { return []Reminder{DayBefore, AutoStart, Overrun, PromisedWord} }

// Policy is what is told by itself. The zero Policy tells nothing.
type Policy struct {
	AtCreation, DayBefore, AtStart, AtEnd bool
	// Lead is how long before a promised word its author is reminded.
	Lead time.Duration
	// Again is how often a reminder that nobody answers is repeated; 0 for
	// never.
	Again time.Duration
	// Quiet is when nothing is repeated, and nothing told a day before.
	Quiet Quiet
}

// DefaultPolicy tells everything, and is quiet from 22h to 7h.
func DefaultPolicy() Policy {
	return Policy{AtCreation: true, DayBefore: true, AtStart: true, AtEnd: true,
		Lead: 5 * time.Minute, Again: time.Hour, Quiet: Quiet{From: 22 * time.Hour, Until: 7 * time.Hour}}
}

// Quiet is a stretch of each day, as the clock shows it: times since midnight.
// It may go over midnight; equal ends mean that there is none.
type Quiet struct{ From, Until time.Duration }

// Covers reports whether a time falls into it.
func (q Quiet) Covers(t time.Time) bool {
	at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	if q.From <= q.Until {
		return at >= q.From && at < q.Until
	}
	return at >= q.From || at < q.Until
}

// End is when the quiet that covers t is over; t where none covers it.
func (q Quiet) End(t time.Time) time.Time {
	if !q.Covers(t) {
		return t
	}
	day := t
	if q.From > q.Until && time.Duration(t.Hour())*time.Hour >= q.Until {
		day = day.AddDate(0, 0, 1)
	}
	return time.Date(day.Year(), day.Month(), day.Day(), int(q.Until/time.Hour), int(q.Until%time.Hour/time.Minute), 0, 0, t.Location())
}

// Next is when a reminder about an incident is due after now, 0 for never.
// After it was done Next is asked again: what nobody answers is repeated. A
// start is due even where its time is past, for the machine may have been off.
func (p Policy) Next(what Reminder, inc Incident, now Time, loc *time.Location) Time {
	if loc == nil {
		loc = time.UTC
	}
	if !inc.Open() {
		return 0
	}
	running := inc.Kind == Maintenance && inc.State != Scheduled
	switch what {
	case DayBefore:
		if !p.DayBefore || inc.State != Scheduled {
			return 0
		}
		at := At(p.Quiet.End(inc.ScheduledFor.In(loc).AddDate(0, 0, -1)))
		// What is announced on the eve, or moved to it, has just been told.
		if at <= now || inc.ScheduledFor-at < hour {
			return 0
		}
		return at
	case AutoStart:
		if inc.State != Scheduled {
			return 0
		}
		return inc.ScheduledFor
	case Overrun:
		if !running {
			return 0
		}
		return p.repeated(inc.ScheduledUntil, inc.ScheduledUntil, now, loc)
	case PromisedWord:
		if inc.NextWord == 0 {
			return 0
		}
		return p.repeated(inc.NextWord-Time(p.Lead.Milliseconds()), inc.NextWord, now, loc)
	}
	return 0
}

const hour = Time(time.Hour / time.Millisecond)

// repeated is the first of early, on time, and each Again after it, that comes
// after now. The first two are never kept quiet, for they were chosen by
// whoever is awake then.
func (p Policy) repeated(early, onTime, now Time, loc *time.Location) Time {
	switch {
	case onTime == 0:
		return 0
	case early > now:
		return early
	case onTime > now:
		return onTime
	case p.Again <= 0:
		return 0
	}
	again := Time(p.Again.Milliseconds())
	next := onTime + again*((now-onTime)/again+1)
	return At(p.Quiet.End(next.In(loc)))
}

// Overdue reports whether the planned end has passed and nobody has said that
// it is over.
func (i Incident) Overdue(now Time) bool {
	return i.Open() && i.Kind == Maintenance && i.State != Scheduled && i.ScheduledUntil != 0 && now >= i.ScheduledUntil
}

// WordOwed reports whether a promised word did not come.
func (i Incident) WordOwed(now Time) bool { return i.Open() && i.NextWord != 0 && now >= i.NextWord }
