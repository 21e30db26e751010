package i18n

import (
	"fmt"
	"time"
)

const (
	day   = 24 * time.Hour
	year  = 365*day + 6*time.Hour
	month = year / 12
)

// unit is a length of time with its names; an abbreviation has one.
type unit struct {
	length           time.Duration
	fr, frs, en, ens string
}

var (
	seconds = unit{time.Second, "s", "s", "s", "s"}
	minutes = unit{time.Minute, "min", "min", "min", "min"}
	hours   = unit{time.Hour, "h", "h", "h", "h"}
	days    = unit{day, "jour", "jours", "day", "days"}
	months  = unit{month, "mois", "mois", "month", "months"}
	years   = unit{year, "an", "ans", "year", "years"}
)

// of gives n of the unit: "3 min", "2 jours". The space does not break.
func (u unit) of(lang string, n int64) string {
	name := u.frs
	switch {
	case lang == "en" && n == 1:
		name = u.en
	case lang == "en":
		name = u.ens
	case n < 2:
		name = u.fr
	}
	return Number(lang, n) + nbsp + name
}

// Ago tells how long ago something happened: "il y a 3 min", "3 min ago". It
// rounds down; below five seconds, and for a time still to come (clocks
// differ), it is "à l'instant", "just now".
func Ago(lang string, d time.Duration) string {
	lang = Lang(lang)
	var u unit
	switch {
	case d < 5*time.Second:
		return pick(lang, "à l’instant", "just now")
	case d < time.Minute:
		u = seconds
	case d < time.Hour:
		u = minutes
	case d < day:
		u = hours
	case d < 2*month:
		u = days
	case d < year:
		u = months
	default:
		u = years
	}
	n := u.of(lang, int64(d/u.length))
	return pick(lang, "il y a "+n, n+" ago")
}

// In tells how long until something happens: "dans 30 s", "in 30 s". It rounds
// up, so that a hold of thirty seconds reads so a moment after it began; what
// is due is "maintenant", "now".
func In(lang string, d time.Duration) string {
	lang = Lang(lang)
	var u unit
	switch {
	case d <= 0:
		return pick(lang, "maintenant", "now")
	case d <= 99*time.Second:
		u = seconds
	case d <= 99*time.Minute:
		u = minutes
	case d <= 2*day:
		u = hours
	case d <= 2*month:
		u = days
	case d <= 2*year:
		u = months
	default:
		u = years
	}
	n := int64(d / u.length)
	if d%u.length != 0 {
		n++
	}
	return pick(lang, "dans ", "in ") + u.of(lang, n)
}

// Duration tells how long something lasted, in its two largest units: "45 s",
// "2 h 05 min", "3 jours 4 h". A negative one reads as zero.
func Duration(lang string, d time.Duration) string {
	lang = Lang(lang)
	d = max(d, 0).Truncate(time.Second)
	switch {
	case d < time.Minute:
		return seconds.of(lang, int64(d/time.Second))
	case d < 10*time.Minute:
		return pair(lang, d, minutes, seconds)
	case d < time.Hour:
		return minutes.of(lang, int64(d/time.Minute))
	case d < day:
		return pair(lang, d, hours, minutes)
	}
	return pair(lang, d, days, hours)
}

func pair(lang string, d time.Duration, large, small unit) string {
	text := large.of(lang, int64(d/large.length))
	n := int64(d % large.length / small.length)
	switch {
	case n == 0:
		return text
	case n < 10 && large != days:
		return text + nbsp + "0" + small.of(lang, n)
	}
	return text + nbsp + small.of(lang, n)
}

// Clock gives the time of day in loc: "22h00", "22:00".
func Clock(lang string, t time.Time, loc *time.Location) string {
	return t.In(loc).Format(pick(Lang(lang), "15h04", "15:04"))
}

// Date gives the day in loc: "mardi 24 novembre 2026", "Tuesday 24 November
// 2026".
func Date(lang string, t time.Time, loc *time.Location) string {
	t = t.In(loc)
	if Lang(lang) == "en" {
		return t.Format("Monday 2 January 2006")
	}
	number := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		number = "1er"
	}
	return fmt.Sprintf("%s %s %s %d", weekday(t.Weekday()), number, monthName(t.Month()), t.Year())
}

// DateTime gives day, time and zone in loc: "mardi 24 novembre 2026, 22h00
// (Europe/Paris)". In the hour that comes twice when summer time ends the
// offset is added.
func DateTime(lang string, t time.Time, loc *time.Location) string {
	return Date(lang, t, loc) + ", " + Clock(lang, t, loc) + " (" + zone(t, loc) + ")"
}

func zone(t time.Time, loc *time.Location) string {
	t = t.In(loc)
	short, offset := t.Zone()
	name := loc.String()
	if name == "Local" { // says nothing to a reader elsewhere
		name = short
	}
	for _, away := range []time.Duration{-time.Hour, time.Hour} {
		other := t.Add(away)
		if _, o := other.Zone(); o != offset && other.Hour() == t.Hour() {
			name += ", " + utcOffset(offset)
			break
		}
	}
	return name
}

func utcOffset(seconds int) string {
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	text := fmt.Sprintf("UTC%s%d", sign, seconds/3600)
	if m := seconds % 3600 / 60; m != 0 {
		text += fmt.Sprintf(":%02d", m)
	}
	return text
}

func weekday(d time.Weekday) string {
	return [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}[d]
}

func monthName(m time.Month) string {
	return [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet",
		"août", "septembre", "octobre", "novembre", "décembre"}[m-1]
}

func pick(lang, fr, en string) string {
	if lang == "en" {
		return en
	}
	return fr
}
