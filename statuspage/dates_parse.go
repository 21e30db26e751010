package statuspage

import (
	"time"
)

// expression is what the words say, before the calendar is asked.
type expression struct {
	start, end int // in runes of the folded text
	from       moment
	until      moment
	lasting    length
	span       bool // from … until
	torn       bool // "de 22h à 6h demain": the day is of the start, or of the end
}

// exact reports whether it names an hour or a length: a date alone in the
// middle of a text may be about something else.
func (e expression) exact() bool {
	return e.from.clock.said || e.from.in.said() || e.from.now || e.until.clock.said || e.until.in.said()
}

// moment is a day, a clock, or how far away it is.
type moment struct {
	day   day
	clock clock
	in    length
	ago   bool // in is in the past
	now   bool
	// behind: the day stands behind the clock, "22h demain".
	behind bool
}

func (m moment) said() bool { return m.day.kind != noDay || m.clock.said || m.in.said() || m.now }

type dayKind int

const (
	noDay dayKind = iota
	fromToday
	onWeekday
	onDate   // day and month, perhaps year
	onNumber // "le 24"
	unclear  // "3/4" in English
)

type day struct {
	kind    dayKind
	days    int // of fromToday
	weekday time.Weekday
	named   bool // the weekday is said, beside a date too
	which   which
	number  int
	month   time.Month
	year    int // 0 where none is said
	part    part
}

type clock struct {
	said         bool
	hour, minute int // hour 24 is midnight at the end of the day
	half         half
	bare         bool // a number without h, a colon, am or pm
	midnight     bool // the word, which may be either end of a day
	part         part
	zone         zone
}

type half int

const (
	noHalf half = iota
	am
	pm
)

// zone is one that was written behind a clock.
type zone struct {
	said   bool
	offset int // seconds east of UTC
	name   string
}

// length is how long: days of the calendar, and hours of the clock.
type length struct {
	days int
	d    time.Duration
}

func (l length) said() bool { return l.days != 0 || l.d != 0 }

// direction is where a clock without a day is looked for.
type direction int

const (
	ahead direction = iota
	behind
)

// reader reads times in a folded text.
type reader struct {
	f   folded
	w   When
	now time.Time // in the zone
}

func (r reader) at(pos int) rune {
	if pos < len(r.f.runes) {
		return r.f.runes[pos]
	}
	return 0
}

// blank skips what may stand between the words of a time.
func (r reader) blank(pos int) int { return r.f.skip(pos, " ,") }

// expression reads times at pos: a moment, a stretch, a length, in any order
// that people use.
func (r reader) expression(pos int) (e expression, ok bool) {
	e.start = pos
	opened := false
	if p, ok := r.f.anyAt(pos, openers()); ok {
		pos, opened = r.f.skip(p, " "), true
	}
	m, p, ok := r.moment(pos, opened)
	if ok {
		e.from, e.end, pos = m, p, p
	} else if opened {
		return e, false
	}
	for {
		q := r.blank(pos)
		if p, ok := r.f.anyAt(q, openers()); ok && !opened && e.from.day.kind != noDay && !e.from.clock.said {
			// "demain de 22h à minuit"
			if c, p, ok := r.clockAfter(r.f.skip(p, " "), true); ok {
				e.from.clock, opened, pos = c, true, p
				continue
			}
		}
		p, ok := r.more(&e, q, opened)
		if !ok {
			break
		}
		e.end, pos = p, p
	}
	e.share()
	if e.from.clock.bare && !e.span && e.from.day.kind == noDay {
		return e, false
	}
	// "de 22h" may be how long: only with an end is it a stretch of time.
	if opened && !e.span && !e.lasting.said() {
		return e, false
	}
	return e, e.end > e.start
}

// share gives both ends of a stretch what was said once: "from 10 to 11pm",
// "de 22h à minuit demain".
func (e *expression) share() {
	a, b := &e.from, &e.until
	if !e.span {
		return
	}
	if a.clock.bare && b.clock.half != noHalf {
		a.clock.half, a.clock.bare = b.clock.half, false
	}
	if a.clock.said && b.clock.said && a.day.kind == noDay && b.day.kind != noDay && b.behind {
		if b.clock.ofDay() <= a.clock.ofDay() {
			e.torn = true
			return
		}
		a.day, b.day = b.day, day{}
	}
}

// ofDay is in minutes.
func (c clock) ofDay() int {
	h := c.hour
	switch {
	case c.half == am && h == 12:
		h = 0
	case c.half == pm && h < 12:
		h += 12
	}
	return 60*h + c.minute
}

// more reads what follows a moment: an end, a length, the day of a stretch.
func (r reader) more(e *expression, pos int, opened bool) (end int, ok bool) {
	if !e.span && !e.lasting.said() {
		if p, ok := r.f.anyAt(pos, untilWords()); ok {
			if m, p, ok := r.moment(r.f.skip(p, " "), false); ok {
				e.until, e.span = m, true
				return p, true
			}
		}
		p, ok := r.f.anyAt(pos, joints())
		if ok && e.from.said() && !e.from.in.said() && (opened || !and(string(r.f.runes[pos:p]))) {
			m, q, ok := r.moment(r.f.skip(p, " "), opened)
			// What is joined is of one kind: "22h à minuit", "3 mars au 4 mars".
			if ok && !m.in.said() && (m.clock.said || !e.from.clock.said) {
				e.until, e.span = m, true
				return q, true
			}
		}
		if p, ok := r.f.anyAt(pos, durationWords()); ok {
			if l, p, ok := r.length(r.f.skip(p, " :")); ok {
				e.lasting = l
				return p, true
			}
		}
	}
	if !e.from.said() && e.lasting.said() { // "pendant 2h demain 22h"
		if m, p, ok := r.moment(pos, false); ok {
			e.from = m
			return p, true
		}
	}
	if e.from.clock.said && e.from.day.kind == noDay { // "de 22h à minuit demain"
		if d, p, ok := r.dayAt(pos); ok {
			e.from.day = d
			return p, true
		}
	}
	return pos, false
}

func and(joint string) bool { return joint == "et" || joint == "and" }

// since reads "depuis 21h40", "il y a 20 min", "20 minutes ago".
func (r reader) since(pos int) (e expression, ok bool) {
	e.start = pos
	if p, ok := r.f.anyAt(pos, []string{"depuis", "since", "commence a", "a partir de", "des"}); ok {
		p = r.f.skip(p, " ")
		if m, q, ok := r.moment(p, false); ok && m.clock.said && !m.clock.bare {
			e.from, e.end = m, q
			return e, true
		}
		if l, q, ok := r.length(p); ok {
			e.from, e.end = moment{in: l, ago: true}, q
			return e, true
		}
		return e, false
	}
	if p, ok := r.f.at(pos, "il y a"); ok {
		if l, q, ok := r.length(r.f.skip(p, " ")); ok {
			e.from, e.end = moment{in: l, ago: true}, q
			return e, true
		}
		return e, false
	}
	if l, p, ok := r.length(pos); ok {
		if q, ok := r.f.anyAt(r.f.skip(p, " "), []string{"ago"}); ok {
			e.from, e.end = moment{in: l, ago: true}, q
			return e, true
		}
	}
	return e, false
}

// moment reads a day and a clock in either order, or how far away it is.
// Where bare, a number alone may be an hour: "from 10 to 11pm".
func (r reader) moment(pos int, bare bool) (m moment, end int, ok bool) {
	for {
		p := r.blank(pos)
		if m.said() {
			if q, ok := r.f.anyAt(p, []string{"a partir de", "des", "starting at", "starting", "vers"}); ok {
				p = r.f.skip(q, " ")
			}
		}
		if !m.in.said() && m.day.kind == noDay {
			if d, q, ok := r.dayAt(p); ok {
				m.day, m.behind = d, m.clock.said
				pos = q
				continue
			}
		}
		if !m.clock.said && (!m.in.said() || m.in.d == 0) {
			if c, q, ok := r.clockAfter(p, bare || m.day.kind != noDay); ok {
				m.clock = c
				pos = q
				continue
			}
		}
		if !m.said() {
			if q, ok := r.f.anyAt(p, nowWords()); ok {
				m.now, pos = true, q
				break
			}
			if q, ok := r.f.anyAt(p, inWords()); ok {
				if l, q, ok := r.length(r.f.skip(q, " ")); ok {
					m.in, pos = l, q
					continue
				}
			}
		}
		break
	}
	return m, pos, m.said()
}

// length reads "2h", "1h30", "90 min", "une heure et demie", "2 jours".
func (r reader) length(pos int) (l length, end int, ok bool) {
	if l, p, ok := readLabel(r.f, pos, wholeLengths()); ok {
		return l, p, true
	}
	n, p, ok := r.number(pos, 4)
	if !ok {
		if n, p, ok = readLabel(r.f, pos, numberWords()); !ok {
			return l, pos, false
		}
	}
	q := r.f.skip(p, " ")
	unit, e, ok := readLabel(r.f, q, unitWords())
	if !ok {
		// "1h30"
		m, e, ok := r.minutes(q + 1)
		if r.at(q) != 'h' || !ok {
			return l, pos, false
		}
		if p, ok := r.f.anyAt(r.f.skip(e, " "), []string{"min", "mn"}); ok {
			e = p
		}
		l = length{d: time.Duration(n)*time.Hour + time.Duration(m)*time.Minute}
		return l, e, l.said() && !wordRune(r.at(e))
	}
	l = length{days: n * unit.days, d: time.Duration(n) * unit.d}
	if unit.d == time.Hour {
		p := r.f.skip(e, " ")
		if q, ok := r.f.anyAt(p, []string{"et", "and"}); ok {
			p = r.f.skip(q, " ")
		}
		if q, ok := r.f.anyAt(p, []string{"demie", "demi"}); ok {
			l.d, e = l.d+30*time.Minute, q
		} else if m, q, ok := r.number(p, 2); ok && m < 60 {
			if q, ok := r.f.anyAt(r.f.skip(q, " "), []string{"min", "mn", "minutes", "minute"}); ok {
				l.d, e = l.d+time.Duration(m)*time.Minute, q
			}
		}
	}
	return l, e, l.said() && l.days <= 366 && l.d <= 366*24*time.Hour
}
