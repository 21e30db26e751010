package statuspage

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAgenda(t *testing.T) {
	loc := paris(t)
	tm := func(s string) Time {
		if s == "" {
			return 0
		}
		return At(at(t, loc, s))
	}
	work := func(state State) Incident {
		return Incident{Kind: Maintenance, State: state, ScheduledFor: tm("2026-11-20 14:00"), ScheduledUntil: tm("2026-11-20 16:00")}
	}
	night := work(Scheduled)
	night.ScheduledFor, night.ScheduledUntil = tm("2026-11-20 02:00"), tm("2026-11-20 04:00")
	over := work(Completed)
	over.Resolved = 1
	word := Incident{Kind: Unplanned, NextWord: tm("2026-11-20 22:30")}
	for _, c := range []struct {
		name      string
		what      Reminder
		inc       Incident
		now, want string
	}{
		{"the day before", DayBefore, work(Scheduled), "2026-11-18 10:00", "2026-11-19 14:00"},
		{"not at night", DayBefore, night, "2026-11-18 10:00", "2026-11-19 07:00"},
		{"planned on the eve", DayBefore, work(Scheduled), "2026-11-19 14:00", ""},
		{"running", DayBefore, work(InProgress), "2026-11-18 10:00", ""},
		{"start", AutoStart, work(Scheduled), "2026-11-18 10:00", "2026-11-20 14:00"},
		{"start, the machine was off", AutoStart, work(Scheduled), "2026-11-20 15:00", "2026-11-20 14:00"},
		{"started", AutoStart, work(InProgress), "2026-11-20 15:00", ""},
		{"planned end", Overrun, work(InProgress), "2026-11-20 14:00", "2026-11-20 16:00"},
		{"planned end, asked", Overrun, work(Verifying), "2026-11-20 16:00", "2026-11-20 17:00"},
		{"planned end, asked late", Overrun, work(InProgress), "2026-11-20 17:20", "2026-11-20 18:00"},
		{"planned end, at night", Overrun, work(InProgress), "2026-11-20 21:30", "2026-11-21 07:00"},
		{"planned end, not begun", Overrun, work(Scheduled), "2026-11-20 17:20", ""},
		{"over", Overrun, over, "2026-11-20 17:20", ""},
		{"word", PromisedWord, word, "2026-11-20 21:00", "2026-11-20 22:25"},
		{"word, at once", PromisedWord, word, "2026-11-20 22:26", "2026-11-20 22:30"},
		{"word, owed, in quiet hours", PromisedWord, word, "2026-11-20 22:30", "2026-11-21 07:00"},
		{"word, owed by day", PromisedWord, word, "2026-11-21 07:00", "2026-11-21 07:30"},
		{"no word", PromisedWord, work(InProgress), "2026-11-20 22:30", ""},
	} {
		if got := DefaultPolicy().Next(c.what, c.inc, tm(c.now), loc); got != tm(c.want) {
			t.Errorf("%s: %s, want %s", c.name, got.In(loc), c.want)
		}
	}
	for _, what := range AllReminders() {
		if at := (Policy{}).Next(what, work(Scheduled), tm("2026-11-18 10:00"), nil); at != 0 && what != AutoStart {
			t.Errorf("an empty policy: %s at %v", what, at)
		}
	}
}

// A reminder never comes back to the same moment, and is repeated outside
// quiet hours alone.
func TestRemindersMoveOn(t *testing.T) {
	loc := paris(t)
	rapid.Check(t, func(rt *rapid.T) {
		p := DefaultPolicy()
		p.Quiet = Quiet{time.Duration(rapid.IntRange(0, 23).Draw(rt, "from")) * time.Hour, time.Duration(rapid.IntRange(0, 23).Draw(rt, "until")) * time.Hour}
		p.Again = time.Duration(rapid.IntRange(1, 600).Draw(rt, "again")) * time.Minute
		now := At(time.Date(2026, 10, 24, rapid.IntRange(0, 47).Draw(rt, "hour"), rapid.IntRange(0, 59).Draw(rt, "minute"), 0, 0, loc))
		inc := Incident{Kind: Maintenance, State: InProgress, ScheduledUntil: now + Time(rapid.IntRange(-5000, 5000).Draw(rt, "end"))*60_000, NextWord: now}
		for _, what := range []Reminder{Overrun, PromisedWord} {
			at := p.Next(what, inc, now, loc)
			if at <= now {
				rt.Fatalf("%s at %s is not after %s", what, at.In(loc), now.In(loc))
			}
			if at > inc.ScheduledUntil && at > inc.NextWord && p.Quiet.Covers(at.In(loc)) {
				rt.Fatalf("%s at %s, in quiet hours %v", what, at.In(loc), p.Quiet)
			}
		}
	})
}
