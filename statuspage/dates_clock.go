package statuspage

import (
	"strings"
	"time"
	"unicode"
)

// clockAfter reads a clock with the word that leads to it: "à 22h", "at 10pm".
func (r reader) clockAfter(pos int, bare bool) (c clock, end int, ok bool) {
	led := false
	if p, ok := r.f.anyAt(pos, []string{"a", "at", "@"}); ok {
		pos, led = r.f.skip(p, " "), true
	}
	return r.clockAt(pos, bare || led)
}

func (r reader) clockAt(pos int, bare bool) (c clock, end int, ok bool) {
	if p, ok := r.f.anyAt(pos, []string{"midi et demi", "midi et demie", "midi trente"}); ok {
		c = clock{said: true, hour: 12, minute: 30}
		end = p
	} else if p, ok := r.f.anyAt(pos, []string{"midi", "noon"}); ok {
		c, end = clock{said: true, hour: 12}, p
	} else if p, ok := r.f.anyAt(pos, []string{"minuit", "midnight"}); ok {
		c, end = clock{said: true, hour: 24, midnight: true}, p
	} else if c, end, ok = r.figures(pos, bare); !ok {
		return c, pos, false
	}
	if p, q, ok := readLabel(r.f, r.f.skip(end, " "), clockPartWords()); ok {
		c.part, end = p, q
	}
	if z, p, ok := r.zoneAt(end); ok {
		c.zone, end = z, p
	}
	if c.bare && !r.closed(end) {
		return c, pos, false
	}
	return c, end, true
}

// closed reports whether nothing follows that a number could count.
func (r reader) closed(pos int) bool {
	p := r.f.skip(pos, " ")
	if p == len(r.f.runes) || strings.ContainsRune(",;:.!?()-–—→\n", r.at(p)) {
		return true
	}
	for _, list := range [][]string{joints(), untilWords(), durationWords()} {
		if _, ok := r.f.anyAt(p, list); ok {
			return true
		}
	}
	return false
}

// figures reads "22h30", "22 h 30", "22:30", "10pm", "10:30 p.m.", and where
// bare a number alone.
func (r reader) figures(pos int, bare bool) (c clock, end int, ok bool) {
	n, p, ok := r.number(pos, 2)
	if !ok || n > 24 {
		return c, pos, false
	}
	c = clock{said: true, hour: n}
	spaced := r.at(p) == ' '
	q := r.f.skip(p, " ")
	switch {
	case r.at(p) == ':':
		m, e, ok := r.minutes(p + 1)
		if !ok {
			return c, pos, false
		}
		c.minute, p = m, e
		if r.at(p) == ':' { // seconds say nothing here
			if _, e, ok := r.minutes(p + 1); ok {
				p = e
			}
		}
	case r.at(q) == 'h':
		e, word := r.f.anyAt(q, []string{"h", "heure", "heures"})
		if !word { // "22h30"
			m, e, ok := r.minutes(q + 1)
			if !ok {
				return c, pos, false
			}
			c.minute, p = m, e
			break
		}
		p = e
		if m, e, ok := r.minutes(r.f.skip(p, " ")); ok && spaced && !wordRune(r.at(e)) {
			c.minute, p = m, e
		} else if e, ok := r.f.anyAt(r.f.skip(p, " "), []string{"et demie", "et demi"}); ok {
			c.minute, p = 30, e
		} else if e, ok := r.f.anyAt(r.f.skip(p, " "), []string{"et quart"}); ok {
			c.minute, p = 15, e
		} else if e, ok := r.f.anyAt(r.f.skip(p, " "), []string{"moins le quart"}); ok && c.hour > 0 {
			c.hour, c.minute, p = c.hour-1, 45, e
		}
		return c, p, c.valid()
	default:
		c.bare = true
	}
	if e, ok := r.f.anyAt(r.f.skip(p, " "), []string{"am", "a.m."}); ok && c.hour >= 1 && c.hour <= 12 {
		c.half, c.bare, p = am, false, e
	} else if e, ok := r.f.anyAt(r.f.skip(p, " "), []string{"pm", "p.m."}); ok && c.hour >= 1 && c.hour <= 12 {
		c.half, c.bare, p = pm, false, e
	}
	if _, zulu := r.f.at(p, "z"); c.bare && !bare || wordRune(r.at(p)) && !zulu {
		return c, pos, false
	}
	return c, p, c.valid()
}

func (c clock) valid() bool { return c.hour < 24 || c.hour == 24 && c.minute == 0 }

// minutes reads two figures below sixty.
func (r reader) minutes(pos int) (n, end int, ok bool) {
	n, end, ok = r.number(pos, 2)
	return n, end, ok && end == pos+2 && n < 60
}

// number reads up to most ASCII figures that no further one follows.
func (r reader) number(pos, most int) (n, end int, ok bool) {
	end = pos
	for end < pos+most && r.at(end) >= '0' && r.at(end) <= '9' {
		n = 10*n + int(r.at(end)-'0')
		end++
	}
	return n, end, end > pos && !unicode.IsDigit(r.at(end))
}

// zoneAt reads "UTC", "Z", "UTC+2", "+02:00", or one of the zone's own
// abbreviations.
func (r reader) zoneAt(pos int) (z zone, end int, ok bool) {
	if (r.at(pos) == '+' || r.at(pos) == '-') && pos > 0 && r.at(pos-1) != ' ' {
		if off, p, ok := r.offset(pos); ok && (r.at(pos) == '+' || p >= pos+5) {
			return zone{said: true, offset: off, name: "UTC" + string(r.f.runes[pos:p])}, p, true
		}
		return z, pos, false
	}
	if p, ok := r.f.at(pos, "z"); ok {
		return zone{said: true, name: "UTC"}, p, true
	}
	p := r.f.skip(pos, " (")
	if q, ok := r.f.anyAt(p, []string{"utc", "gmt"}); ok {
		z = zone{said: true, name: "UTC"}
		if off, e, ok := r.offset(q); ok {
			z.offset, z.name, q = off, "UTC"+string(r.f.runes[q:e]), e
		}
		return z, r.f.skip(q, ")"), true
	}
	// Summer time and winter time of the zone, whatever they are called.
	for _, month := range []time.Month{time.January, time.July} {
		name, offset := time.Date(r.now.Year(), month, 1, 12, 0, 0, 0, r.w.loc()).Zone()
		if q, ok := r.f.at(p, foldString(name)); ok && name != "" && unicode.IsLetter(rune(name[0])) {
			return zone{said: true, offset: offset, name: name}, r.f.skip(q, ")"), true
		}
	}
	return z, pos, false
}

// offset reads "+2", "-3:30", "+02:00", "+0200" in seconds.
func (r reader) offset(pos int) (seconds, end int, ok bool) {
	sign := 1
	switch r.at(pos) {
	case '-', '−':
		sign = -1
	case '+':
	default:
		return 0, pos, false
	}
	h, m, p := 0, 0, pos+1
	if n, e, ok := r.number(p, 4); ok && e == p+4 {
		h, m, p = n/100, n%100, e
	} else if n, e, ok := r.number(p, 2); ok {
		h, p = n, e
		if r.at(p) == ':' {
			if n, e, ok := r.minutes(p + 1); ok {
				m, p = n, e
			}
		}
	} else {
		return 0, pos, false
	}
	return sign * (3600*h + 60*m), p, h <= 14 && m < 60
}
