package statuspage

import (
	"fmt"
	"strings"
	"time"

	"permanence/internal/i18n"
)

// words picks between the two languages; anything but "en" is French.
type words struct{ lang string }

func (w words) pick(fr, en string) string {
	if w.lang == "en" {
		return en
	}
	return fr
}

// When writes times for people: in a language, in a zone that is always named.
type When struct {
	Lang string
	Loc  *time.Location
}

func (w When) en() bool { return w.Lang == "en" }

func (w When) loc() *time.Location {
	if w.Loc == nil {
		return time.UTC
	}
	return w.Loc
}

// Hour is "19h02" or "19:02", without the zone.
func (w When) Hour(t Time) string { return i18n.Clock(w.Lang, t.In(w.loc()), w.loc()) }

// Clock is Hour with the zone: "19h02 CEST".
func (w When) Clock(t Time) string { return w.Hour(t) + " " + w.Zone(t) }

// Zone is the zone's abbreviation at that time; zones without one show their
// offset ("UTC+3").
func (w When) Zone(t Time) string {
	name, _ := t.In(w.loc()).Zone()
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return w.Offset(t)
	}
	return name
}

// Offset is the zone's distance from UTC at that time: "UTC+2", "UTC+5:30".
func (w When) Offset(t Time) string {
	_, seconds := t.In(w.loc()).Zone()
	if seconds == 0 {
		return "UTC"
	}
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	if m := seconds / 60 % 60; m != 0 {
		return fmt.Sprintf("UTC%c%d:%02d", sign, seconds/3600, m)
	}
	return fmt.Sprintf("UTC%c%d", sign, seconds/3600)
}

// Day is "lundi 19 octobre 2026" or "Monday 19 October 2026".
func (w When) Day(t Time) string { return i18n.Date(w.Lang, t.In(w.loc()), w.loc()) }

// Date is "19 octobre 2026" or "19 October 2026".
func (w When) Date(t Time) string {
	l := t.In(w.loc())
	if w.en() {
		return l.Format("2 January 2006")
	}
	return frenchDate(l)
}

// Month is "octobre 2026" or "October 2026".
func (w When) Month(t Time) string {
	l := t.In(w.loc())
	if w.en() {
		return l.Format("January 2006")
	}
	return frenchMonths()[l.Month()-1] + " " + l.Format("2006")
}

// Full is "lundi 19 octobre 2026 à 19h02 CEST".
func (w When) Full(t Time) string {
	if w.en() {
		return w.Day(t) + " at " + w.Clock(t)
	}
	return w.Day(t) + " à " + w.Clock(t)
}

// Moment is the clock for a time of the same day as now, else with its date.
func (w When) Moment(t, now Time) string {
	if w.sameDay(t, now) {
		return w.Clock(t)
	}
	return w.Stamp(t)
}

// Stamp is "19 octobre 2026 à 19h02 CEST".
func (w When) Stamp(t Time) string {
	if w.en() {
		return w.Date(t) + ", " + w.Clock(t)
	}
	return w.Date(t) + " à " + w.Clock(t)
}

// Span is "de 19h02 à 21h40 CEST", with dates where the days differ. The zone
// of each end is written where daylight saving changed in between.
func (w When) Span(from, until Time) string {
	pick := words{w.Lang}.pick
	first := w.Hour(from)
	if w.Zone(from) != w.Zone(until) {
		first = w.Clock(from)
	}
	if w.sameDay(from, until) {
		return fmt.Sprintf(pick("le %s de %s à %s", "%s from %s to %s"), w.Date(from), first, w.Clock(until))
	}
	return fmt.Sprintf(pick("du %s à %s au %s à %s", "from %s, %s to %s, %s"), w.Date(from), first, w.Date(until), w.Clock(until))
}

func (w When) sameDay(a, b Time) bool {
	return a.In(w.loc()).Format(time.DateOnly) == b.In(w.loc()).Format(time.DateOnly)
}

// Duration is "2 h 38 min", "3 jours 4 h": the two largest units.
func (w When) Duration(d time.Duration) string { return i18n.Duration(w.Lang, d) }

func frenchDate(l time.Time) string {
	day := fmt.Sprint(l.Day())
	if l.Day() == 1 {
		day = "1er"
	}
	return fmt.Sprintf("%s %s %d", day, frenchMonths()[l.Month()-1], l.Year())
}

func frenchMonths() [12]string {
	return [12]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet",
		"août", "septembre", "octobre", "novembre", "décembre"}
}
