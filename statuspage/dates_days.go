package statuspage

import "time"

// dayAt reads a day: "demain soir", "le 3 mars", "mardi prochain",
// "2026-12-01", "next Tuesday", "March 3rd, 2027".
func (r reader) dayAt(pos int) (d day, end int, ok bool) {
	for _, o := range offsetWords() {
		if p, found := r.f.anyAt(pos, o.words); found && p > end {
			d, end, ok = day{kind: fromToday, days: o.days, part: o.part}, p, true
		}
	}
	if !ok {
		d, end, ok = r.otherDay(pos)
	}
	if !ok {
		return d, pos, false
	}
	if p, q, found := readLabel(r.f, r.f.skip(end, " "), partWords()); found && d.part == anyPart {
		d.part, end = p, q
	}
	return d, end, true
}

func (r reader) otherDay(pos int) (d day, end int, ok bool) {
	if d, p, ok := r.isoDate(pos); ok {
		return d, p, true
	}
	if d, p, ok := r.slashDate(pos); ok {
		return d, p, true
	}
	article := false
	if p, ok := r.f.anyAt(pos, []string{"le", "on the", "on", "the"}); ok {
		pos, article = r.f.skip(p, " "), true
		if d, p, ok := r.isoDate(pos); ok {
			return d, p, true
		}
		if d, p, ok := r.slashDate(pos); ok {
			return d, p, true
		}
	}
	if d, p, ok := r.weekdayAt(pos); ok {
		// A date behind it: "mardi 1er décembre". Both must agree.
		q := r.f.skip(p, " ,")
		if e, ok := r.f.at(q, "the"); ok {
			q = r.f.skip(e, " ")
		}
		if date, q, ok := r.dateAt(q); ok {
			date.weekday, date.named = d.weekday, true
			return date, q, true
		}
		if n, q, ok := r.dayNumber(q); ok && d.which == first && r.freeNumber(q) {
			return day{kind: onNumber, number: n, weekday: d.weekday, named: true}, q, true
		}
		return d, p, true
	}
	if d, p, ok := r.dateAt(pos); ok {
		return d, p, true
	}
	if n, p, ok := r.dayNumber(pos); ok && article && r.freeNumber(p) {
		return day{kind: onNumber, number: n}, p, true
	}
	return d, pos, false
}

// freeNumber reports whether the number that ends at pos is neither a clock
// nor a count of something that is a time.
func (r reader) freeNumber(pos int) bool {
	p := r.f.skip(pos, " ")
	switch r.at(pos) {
	case ':', '/', '.':
		return r.at(pos) == '.'
	}
	if _, ok := r.f.anyAt(p, []string{"h", "heure", "heures", "am", "pm", "a.m.", "p.m.", "min", "minutes", "jours", "days"}); ok {
		return false
	}
	// "le 24 serveurs" counts; what may follow a day is a time.
	if _, _, ok := r.clockAfter(r.blank(pos), true); ok {
		return true
	}
	return r.closed(pos)
}

// isoDate reads "2026-12-01", with or without the T before a clock.
func (r reader) isoDate(pos int) (d day, end int, ok bool) {
	y, p, ok := r.number(pos, 4)
	if !ok || p != pos+4 || y < 2000 || y > 2199 || r.at(p) != '-' {
		return d, pos, false
	}
	m, q, ok := r.number(p+1, 2)
	if !ok || q != p+3 || m < 1 || m > 12 || r.at(q) != '-' {
		return d, pos, false
	}
	n, e, ok := r.number(q+1, 2)
	if !ok || e != q+3 || n < 1 || n > 31 {
		return d, pos, false
	}
	if r.at(e) == 't' && r.at(e+1) >= '0' && r.at(e+1) <= '9' {
		e++
	} else if wordRune(r.at(e)) {
		return d, pos, false
	}
	return day{kind: onDate, number: n, month: time.Month(m), year: y}, e, true
}

// slashDate reads "01/12/2026", "1/12", "1.12.2026": the day first, except in
// an English room, where both orders are in use and only a number above twelve
// tells.
func (r reader) slashDate(pos int) (d day, end int, ok bool) {
	a, p, ok := r.number(pos, 2)
	sep := r.at(p)
	if !ok || sep != '/' && sep != '.' {
		return d, pos, false
	}
	b, q, ok := r.number(p+1, 2)
	if !ok {
		return d, pos, false
	}
	year := 0
	if r.at(q) == sep {
		y, e, ok := r.number(q+1, 4)
		if !ok || e != q+5 && e != q+3 {
			return d, pos, false
		}
		if e == q+3 {
			y += 2000
		}
		year, q = y, e
	} else if sep == '.' {
		return d, pos, false // "1.12" is a version
	}
	if wordRune(r.at(q)) || r.at(q) == '/' || year != 0 && (year < 2000 || year > 2199) {
		return d, pos, false
	}
	d = day{kind: onDate, number: a, month: time.Month(b), year: year}
	if r.w.en() && sep == '/' && a != b {
		switch {
		case a <= 12 && b <= 12:
			d.kind = unclear
		case b > 12:
			d.number, d.month = b, time.Month(a)
		}
	}
	if d.number < 1 || d.number > 31 || d.month < 1 || d.month > 12 {
		return d, pos, false
	}
	return d, q, true
}

func (r reader) weekdayAt(pos int) (d day, end int, ok bool) {
	d.kind, d.which, d.named = onWeekday, first, true
	if w, p, ok := readLabel(r.f, pos, whichBefore()); ok {
		d.which, pos = w, r.f.skip(p, " ")
	}
	w, p, ok := readLabel(r.f, pos, weekdayWords())
	if !ok {
		return d, pos, false
	}
	d.weekday, end = w, p
	if w, p, ok := readLabel(r.f, r.f.skip(end, " "), whichAfter()); ok && d.which == first {
		d.which, end = w, p
	}
	return d, end, true
}

// dateAt reads "3 mars", "1er mars 2027", "3rd of March", "March 3, 2027".
func (r reader) dateAt(pos int) (d day, end int, ok bool) {
	d.kind = onDate
	if n, p, ok := r.dayNumber(pos); ok {
		p = r.f.skip(p, " ")
		if q, ok := r.f.at(p, "of"); ok {
			p = r.f.skip(q, " ")
		}
		m, q, ok := readLabel(r.f, p, monthWords())
		if !ok {
			return d, pos, false
		}
		d.number, d.month, end = n, m, q
	} else {
		m, p, ok := readLabel(r.f, pos, monthWords())
		if !ok {
			return d, pos, false
		}
		n, q, ok := r.dayNumber(r.f.skip(p, " "))
		if !ok || r.at(q) == ':' || r.at(q) == 'h' {
			return d, pos, false
		}
		if _, ok := r.f.anyAt(r.f.skip(q, " "), []string{"h", "am", "pm"}); ok {
			return d, pos, false
		}
		d.number, d.month, end = n, m, q
	}
	if y, p, ok := r.number(r.f.skip(end, " ,"), 4); ok && y >= 2000 && y <= 2199 && !wordRune(r.at(p)) && r.at(p) != ':' {
		d.year, end = y, p
	}
	return d, end, true
}

// dayNumber reads "3", "1er", "3rd".
func (r reader) dayNumber(pos int) (n, end int, ok bool) {
	n, p, ok := r.number(pos, 2)
	if !ok || n < 1 || n > 31 {
		return 0, pos, false
	}
	for _, suffix := range []string{"er", "st", "nd", "rd", "th"} {
		if p+2 <= len(r.f.runes) && string(r.f.runes[p:p+2]) == suffix && !wordRune(r.at(p+2)) {
			return n, p + 2, true
		}
	}
	return n, p, !wordRune(r.at(p))
}
