package statuspage

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"permanence/bot/chat"
)

// resolve asks the calendar what an expression means, seen from now. A zero
// from means that no beginning was said.
func (r reader) resolve(e expression, d direction) (from, until Time, err error) {
	if e.torn {
		return 0, 0, refuse(
			"Ce jour est-il celui du début ou celui de la fin ? Écrivez-le devant son heure, par exemple `demain 22h jusqu’à 6h`.",
			"Is that day the start's or the end's? Write it before its hour, for example `tomorrow 10pm until 6am`.")
	}
	start := r.now
	if e.from.said() {
		if start, err = r.moment1(e.from, d, time.Time{}); err != nil {
			return 0, 0, err
		}
		from = At(start)
		if d == ahead && start.Before(r.now.Truncate(time.Minute)) {
			w := r.w.echoes(from, 0)
			return 0, 0, refuse("C’est passé : "+w.FR+". Écrivez un moment à venir.", "That is past: "+w.EN+". Write a time to come.")
		}
	}
	switch {
	case e.span:
		end, err := r.moment1(e.until, d, start)
		if err != nil {
			return 0, 0, err
		}
		if !end.After(start) {
			a, b := r.w.echoes(At(start), 0), r.w.echoes(At(end), 0)
			return 0, 0, refuse(
				"La fin ne vient pas après le début : début "+a.FR+" ; fin "+b.FR+".",
				"The end does not come after the start: start "+a.EN+"; end "+b.EN+".")
		}
		until = At(end)
	case e.lasting.said():
		until = At(start.AddDate(0, 0, e.lasting.days).Add(e.lasting.d))
	}
	return from, until, nil
}

// moment1 resolves one moment. after is the start where it is an end, which
// comes after it; else the zero time.
func (r reader) moment1(m moment, d direction, after time.Time) (time.Time, error) {
	switch {
	case m.now:
		return r.now, nil
	case m.in.said():
		sign := 1
		if m.ago {
			sign = -1
		}
		t := r.now.AddDate(0, 0, sign*m.in.days)
		if m.clock.said && m.in.days != 0 {
			return r.clockOn(t, m.clock, anyPart, d)
		}
		t = t.Add(time.Duration(sign) * m.in.d)
		if whole := t.Truncate(time.Minute); m.ago || whole.After(r.now) {
			t = whole
		}
		return t, nil
	}
	if !m.clock.said {
		return time.Time{}, r.noClock(m)
	}
	if m.day.kind == noDay {
		return r.clockAlone(m.clock, d, after)
	}
	date, err := r.date(m.day, m.clock, d, after)
	if err != nil {
		return time.Time{}, err
	}
	return r.onDay(date, m.clock, m.day.part, d)
}

// noClock says which day was understood, and that its hour is missing.
func (r reader) noClock(m moment) error {
	date, err := r.date(m.day, clock{hour: 23, minute: 59, said: true}, ahead, time.Time{})
	if err != nil {
		return err
	}
	fr, en := When{Lang: "fr", Loc: r.w.Loc}.Day(At(date)), When{Lang: "en", Loc: r.w.Loc}.Day(At(date))
	return refuse(
		"Le jour est compris ("+fr+") ; il manque l’heure, par exemple `22h` ou `de 22h à minuit`.",
		"The day is understood ("+en+"); the hour is missing, for example `10pm` or `from 22:00 to midnight`.")
}

// clockAlone is the next time that a clock shows, or the last one; for an end
// the first after its start.
func (r reader) clockAlone(c clock, d direction, after time.Time) (time.Time, error) {
	ref, step := r.now, 1
	if !after.IsZero() {
		ref = after
	}
	if d == behind {
		step = -1
	}
	ref = ref.In(r.zoneOf(c))
	var problem error
	for _, days := range []int{-1, 0, 1, 2} {
		t, err := r.clockOn(ref.AddDate(0, 0, step*days), c, anyPart, d)
		if err != nil {
			var none *noSuchClock
			if errors.As(err, &none) && (d == ahead && none.around.After(ref) || d == behind && none.around.Before(ref)) {
				return t, err
			}
			if !errors.As(err, &none) {
				return t, err
			}
			problem = err
			continue
		}
		if d == ahead && t.After(ref) || d == behind && !t.After(ref) {
			return t, nil
		}
	}
	return time.Time{}, problem
}

// date finds the day that is meant; the clock decides whether today's is still
// to come.
func (r reader) date(d day, c clock, dir direction, after time.Time) (time.Time, error) {
	now := r.now.In(r.zoneOf(c))
	today := noon(now)
	switch d.kind {
	case fromToday:
		t := today.AddDate(0, 0, d.days)
		// After midnight, "cette nuit" is the one that has begun, and a past
		// "cette nuit 3h" is this morning's.
		if d.part == night && d.days == 0 && c.hour < 12 && c.half != pm && !c.midnight && (dir == behind || now.Hour() < 6) {
			t = t.AddDate(0, 0, -1)
		}
		return t, nil
	case onWeekday:
		return r.onWeekday(d, c, dir, after, today)
	case unclear:
		return time.Time{}, refuse(
			fmt.Sprintf("« %d/%d » peut être le %s ou le %s : écrivez le mois en lettres, ou 2026-12-31.", d.number, d.month, monthDay("fr", d.number, d.month), monthDay("fr", int(d.month), time.Month(d.number))),
			fmt.Sprintf("“%d/%d” may be %s or %s: write the month as a word, or 2026-12-31.", d.number, d.month, monthDay("en", d.number, d.month), monthDay("en", int(d.month), time.Month(d.number))))
	case onNumber:
		return r.onNumber(d, dir, today)
	}
	return r.onDate(d, dir, today)
}

// noon stands for a day: no clock change makes it another one.
func noon(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, t.Location())
}

func (r reader) onWeekday(d day, c clock, dir direction, after, today time.Time) (time.Time, error) {
	if !after.IsZero() { // "de samedi 22h à lundi 6h"
		base := noon(after)
		days := int(d.weekday-base.Weekday()+7) % 7
		t := base.AddDate(0, 0, days)
		if end, err := r.clockOn(t, c, d.part, dir); err == nil && !end.After(after) {
			t = t.AddDate(0, 0, 7)
		}
		return t, nil
	}
	days := int(d.weekday-today.Weekday()+7) % 7
	if d.which == last || dir == behind {
		back := (7 - days) % 7
		t := today.AddDate(0, 0, -back)
		if at, err := r.clockOn(t, c, d.part, behind); d.which == last && back == 0 || err == nil && at.After(r.now) {
			t = t.AddDate(0, 0, -7)
		}
		return t, nil
	}
	toMonday := int(time.Monday-today.Weekday()+7) % 7
	if toMonday == 0 {
		toMonday = 7
	}
	switch d.which {
	case thisWeek:
		return today.AddDate(0, 0, days), nil
	case nextWeek:
		return today.AddDate(0, 0, toMonday+int(d.weekday+6)%7), nil
	case next:
		if days == 0 {
			return today.AddDate(0, 0, 7), nil
		}
		if days < toMonday { // this week's or next week's: people disagree
			a, b := today.AddDate(0, 0, days), today.AddDate(0, 0, days+7)
			fr, en := When{Lang: "fr", Loc: r.w.Loc}, When{Lang: "en", Loc: r.w.Loc}
			return time.Time{}, refuse(
				fmt.Sprintf("Cela peut être le %s ou le %s : écrivez « ce %s », « %s de la semaine prochaine », ou la date.",
					fr.Day(At(a)), fr.Day(At(b)), weekdayName("fr", d.weekday), weekdayName("fr", d.weekday)),
				fmt.Sprintf("That may be %s or %s: write “this %s”, “%s next week”, or the date.",
					en.Day(At(a)), en.Day(At(b)), weekdayName("en", d.weekday), weekdayName("en", d.weekday)))
		}
		return today.AddDate(0, 0, days), nil
	}
	t := today.AddDate(0, 0, days)
	if days == 0 {
		if at, err := r.clockOn(t, c, d.part, dir); err == nil && at.Before(r.now) {
			t = t.AddDate(0, 0, 7)
		}
	}
	if d.which == inEight {
		t = t.AddDate(0, 0, 7)
	}
	return t, nil
}

// onNumber is the nearest day of that number in its month: "le 24".
func (r reader) onNumber(d day, dir direction, today time.Time) (time.Time, error) {
	for i := range 3 {
		if dir == behind {
			i = -i
		}
		t := time.Date(today.Year(), today.Month()+time.Month(i), d.number, 12, 0, 0, 0, today.Location())
		if t.Day() != d.number || dir == ahead && t.Before(today) || dir == behind && t.After(today) {
			continue
		}
		return t, r.agrees(d, t)
	}
	return time.Time{}, noSuchDay(d)
}

func (r reader) onDate(d day, dir direction, today time.Time) (time.Time, error) {
	years := []int{d.year}
	if d.year == 0 {
		years = years[:0]
		for i := range 9 { // 29 February comes every four years, but for 2100
			if dir == behind {
				i = -i
			}
			years = append(years, today.Year()+i)
		}
	}
	for _, y := range years {
		t := time.Date(y, d.month, d.number, 12, 0, 0, 0, today.Location())
		if t.Day() != d.number || d.year == 0 && (dir == ahead && t.Before(today) || dir == behind && t.After(today)) {
			continue
		}
		return t, r.agrees(d, t)
	}
	return time.Time{}, noSuchDay(d)
}

// agrees reports a weekday that is not the date's.
func (r reader) agrees(d day, t time.Time) error {
	if !d.named || t.Weekday() == d.weekday {
		return nil
	}
	return refuse(
		fmt.Sprintf("Le %s est un %s, pas un %s : corrigez le jour ou la date.", When{Lang: "fr", Loc: t.Location()}.Date(At(t)), weekdayName("fr", t.Weekday()), weekdayName("fr", d.weekday)),
		fmt.Sprintf("%s is a %s, not a %s: correct the day or the date.", When{Lang: "en", Loc: t.Location()}.Date(At(t)), weekdayName("en", t.Weekday()), weekdayName("en", d.weekday)))
}

func noSuchDay(d day) error {
	if d.kind == onNumber {
		return refuse(fmt.Sprintf("Aucun mois proche n’a de jour %d.", d.number), fmt.Sprintf("No month near has a day %d.", d.number))
	}
	return refuse("Le "+monthDay("fr", d.number, d.month)+" n’existe pas.", monthDay("en", d.number, d.month)+" does not exist.")
}

func monthDay(lang string, n int, m time.Month) string {
	if lang == "en" {
		return fmt.Sprintf("%d %s", n, m)
	}
	if n == 1 {
		return "1er " + frenchMonths()[m-1]
	}
	return fmt.Sprintf("%d %s", n, frenchMonths()[m-1])
}

func weekdayName(lang string, d time.Weekday) string {
	if lang == "en" {
		return d.String()
	}
	return [7]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}[d]
}

// onDay is clockOn for a day that was said, on which midnight may be either
// end.
func (r reader) onDay(date time.Time, c clock, p part, dir direction) (time.Time, error) {
	if c.midnight && p == anyPart && c.part == anyPart {
		return time.Time{}, r.whichMidnight(date)
	}
	return r.clockOn(date, c, p, dir)
}

// clockOn is the moment at which a clock shows a time on a day.
func (r reader) clockOn(date time.Time, c clock, p part, dir direction) (time.Time, error) {
	if c.part != anyPart {
		p = c.part
	}
	hour := c.hour
	switch {
	case c.half == am && hour == 12:
		hour = 0
	case c.half == pm && hour < 12:
		hour += 12
	case c.half != noHalf:
	case c.midnight:
	case (p == afternoon || p == evening || p == night && hour >= 6) && hour >= 1 && hour < 12:
		hour += 12
	case c.bare && p == anyPart && r.w.en() && hour >= 1 && hour <= 12:
		return time.Time{}, refuse(
			fmt.Sprintf("« %d » : du matin ou du soir ? Écrivez %dam ou %dpm, ou sur 24 heures.", hour, hour, hour),
			fmt.Sprintf("“%d”: in the morning or in the evening? Write %dam or %dpm, or a 24-hour time.", hour, hour, hour))
	}
	if p == night && hour < 6 && c.part == anyPart { // "cette nuit 2h" is tomorrow's date
		date = date.AddDate(0, 0, 1)
	}
	return r.local(date, hour, c, dir)
}

func (r reader) whichMidnight(date time.Time) error {
	a, b := r.w.echoes(At(time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, r.w.loc())), 0),
		r.w.echoes(At(time.Date(date.Year(), date.Month(), date.Day()+1, 0, 0, 0, 0, r.w.loc())), 0)
	return refuse(
		"Minuit au début ou à la fin de ce jour ? "+a.FR+" (écrivez `0h`), ou "+b.FR+" (écrivez `24h`).",
		"Midnight at the beginning or at the end of that day? "+a.EN+" (write `0:00`), or "+b.EN+" (write `24:00`).")
}

func (r reader) zoneOf(c clock) *time.Location {
	if c.zone.said {
		return time.FixedZone(c.zone.name, c.zone.offset)
	}
	return r.w.loc()
}

// noSuchClock is a refusal about an hour that a change of the clocks leaves
// out or repeats.
type noSuchClock struct {
	*Refusal
	around time.Time
}

func (e *noSuchClock) Unwrap() error { return e.Refusal }

// local finds the instant at which the clocks of the zone show a time: none
// where they are put forward over it, two where they are put back over it. What
// is past is never refused for that: of two the last that is past is meant.
func (r reader) local(date time.Time, hour int, c clock, dir direction) (time.Time, error) {
	if c.zone.said {
		return time.Date(date.Year(), date.Month(), date.Day(), hour, c.minute, 0, 0, r.zoneOf(c)).In(r.w.loc()), nil
	}
	loc := r.w.loc()
	wall := time.Date(date.Year(), date.Month(), date.Day(), hour, c.minute, 0, 0, time.UTC)
	var hits []time.Time
	var offsets []int
	for _, away := range []time.Duration{-36 * time.Hour, 36 * time.Hour} {
		_, offset := wall.Add(away).In(loc).Zone()
		if len(offsets) > 0 && offsets[0] == offset {
			continue
		}
		offsets = append(offsets, offset)
		t := wall.Add(-time.Duration(offset) * time.Second).In(loc)
		if _, o := t.Zone(); o == offset {
			hits = append(hits, t)
		}
	}
	shown := func(lang string) string {
		w := When{Lang: lang, Loc: time.UTC}
		return w.Day(At(wall)) + ", " + w.Hour(At(wall))
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil
	case len(hits) == 2 && dir == behind:
		if hits[1].Before(hits[0]) {
			hits[0], hits[1] = hits[1], hits[0]
		}
		if hits[1].After(r.now) {
			return hits[0], nil
		}
		return hits[1], nil
	case len(hits) == 2:
		w := When{Lang: "fr", Loc: loc}
		a, b := w.Zone(At(hits[0])), w.Zone(At(hits[1]))
		return hits[0], &noSuchClock{around: hits[0], Refusal: &Refusal{chat.Text{
			FR: fmt.Sprintf("Cette heure vient deux fois, car on change d’heure : %s. Ajoutez %s (%s) pour la première, %s (%s) pour la seconde.",
				shown("fr"), a, w.Offset(At(hits[0])), b, w.Offset(At(hits[1]))),
			EN: fmt.Sprintf("This hour comes twice, because the clocks change: %s. Add %s (%s) for the first, %s (%s) for the second.",
				shown("en"), a, w.Offset(At(hits[0])), b, w.Offset(At(hits[1]))),
		}}}
	}
	// Put forward: what the clocks show instead, an hour later as a rule.
	_, before := wall.Add(-36 * time.Hour).In(loc).Zone()
	t := wall.Add(-time.Duration(before) * time.Second).In(loc)
	if dir == behind {
		return t, nil
	}
	instead := strings.TrimSpace(When{Lang: "fr", Loc: loc}.Hour(At(t)))
	insteadEN := When{Lang: "en", Loc: loc}.Hour(At(t))
	return t, &noSuchClock{around: t, Refusal: &Refusal{chat.Text{
		FR: fmt.Sprintf("Cette heure n’existe pas, car on change d’heure : %s. Écrivez par exemple %s.", shown("fr"), instead),
		EN: fmt.Sprintf("This hour does not exist, because the clocks change: %s. Write for example %s.", shown("en"), insteadEN),
	}}}
}
