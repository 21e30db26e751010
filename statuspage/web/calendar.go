package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	ics "github.com/arran4/golang-ical"

	"permanence/internal/markup"
	"permanence/statuspage"
)

// The calendar keeps work that is over for as long as programs may take to ask
// again: an event that just vanished would stay in the agenda of whoever had
// it (RFC 5545 knows no other way than STATUS:CANCELLED to take one back).
const calendarKeeps = 90 * 24 * time.Hour

// calendar is planned work, for agendas to subscribe to (RFC 5545, RFC 7986).
func (s *Site) calendar(w http.ResponseWriter, r *http.Request) {
	v := s.dataView(r)
	component, ok := s.components.Find(r.PathValue("component"))
	if !ok && r.PathValue("component") != "" {
		s.missing(w, r)
		return
	}
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	path := "/travaux.ics"
	if component.ID != "" {
		path = componentPath(component.ID) + path
	}
	list = s.withOlder(r.Context(), list)
	since := s.today().Add(-calendarKeeps)
	st := stamp{version: list.version, day: since.Unix()}
	s.serve(w, r, v, path, st, func() document {
		var work []statuspage.PublicIncident
		for _, p := range list.value {
			if p.Kind == statuspage.Maintenance && p.ScheduledFor != 0 &&
				(component.ID == "" || p.Touches(component.ID)) &&
				(p.Open() || max(p.ScheduledFor, p.ScheduledUntil, p.Resolved) >= statuspage.At(since)) {
				work = append(work, p)
			}
		}
		return document{
			kind: s.feedKind("text/calendar; charset=utf-8"), body: []byte(s.writeCalendar(v, component, work)),
			modified: newest(work),
		}
	})
}

// withOlder adds what was announced within the months that the calendar keeps,
// where so much happened since that the overview no longer knows it.
func (s *Site) withOlder(ctx context.Context, list incidents) incidents {
	if len(list.value) < currentIncidents {
		return list // that is all there is
	}
	t := s.today()
	from := time.Date(t.Year(), t.Month()-4, 1, 0, 0, 0, 0, s.loc)
	older, err := s.between(ctx, "calendar "+from.Format("2006-01"), from, t.AddDate(0, 0, 1))
	if err != nil {
		return list
	}
	known := map[statuspage.ID]bool{}
	for i := range list.value {
		known[list.value[i].Number] = true
	}
	all := slices.Clone(list.value)
	for _, p := range older.value {
		if !known[p.Number] {
			all = append(all, p)
		}
	}
	// Versions are counted for all readings together: the larger one moves
	// when either does.
	list.value, list.version = all, max(list.version, older.version)
	return list
}

// calendarTTL is how often programs are asked to ask again.
const calendarTTL = "PT1H"

func (s *Site) writeCalendar(v view, component statuspage.Component, work []statuspage.PublicIncident) string {
	name := s.say(v.lang, "ics.title", "Name", s.name)
	if component.ID != "" {
		name = component.Name + " – " + name
	}
	name = oneLine(name)
	c := ics.NewCalendarFor(s.host)
	c.SetProductId("-//" + s.host + "//Permanence//" + strings.ToUpper(v.lang))
	c.SetMethod(ics.MethodPublish)
	c.SetName(name)
	c.SetXWRCalName(name)
	c.SetRefreshInterval(calendarTTL) // which adds VALUE=DURATION
	c.SetXPublishedTTL(calendarTTL)
	for i := range work {
		s.addEvent(v, c, &work[i])
	}
	return c.Serialize(ics.WithNewLineWindows)
}

// addEvent writes one piece of work. All of its times come from what is
// stored: a calendar that did not change reads the same.
func (s *Site) addEvent(v view, c *ics.Calendar, p *statuspage.PublicIncident) {
	e := c.AddEvent("travaux-" + strconv.FormatInt(p.Number, 10) + "@" + s.host)
	changed := moved(p).In(time.UTC)
	e.SetDtStampTime(changed)
	e.SetModifiedAt(changed)
	e.SetCreatedTime(p.Published.In(time.UTC))
	e.SetSequence(p.Sequence)
	e.SetStartAt(p.ScheduledFor.In(time.UTC))
	if p.ScheduledUntil > p.ScheduledFor {
		e.SetEndAt(p.ScheduledUntil.In(time.UTC))
	}
	title, _ := p.TitleIn(v.lang)
	summary, status := "ics.summary", ics.ObjectStatusConfirmed
	if p.Cancelled {
		summary, status = "ics.summary.cancelled", ics.ObjectStatusCancelled
	}
	e.SetSummary(oneLine(s.say(v.lang, summary, "Title", title)))
	e.SetStatus(status)
	e.SetDescription(s.eventText(v, p))
	e.SetURL(s.absolute(v, incidentPath(p.Number)))
	for _, name := range s.componentNames(p) {
		e.AddCategory(oneLine(name))
	}
	e.SetTimeTransparency(ics.TransparencyTransparent)
}

// eventText spells the local time out, for agendas that show another zone.
func (s *Site) eventText(v view, p *statuspage.PublicIncident) string {
	lines := []string{s.say(v.lang, "ics.when", "Span", s.when(v.lang).Span(p.ScheduledFor, max(p.ScheduledFor, p.ScheduledUntil))+
		" ("+s.loc.String()+")")}
	if names := s.componentNames(p); len(names) > 0 {
		lines = append(lines, s.words(v.lang).FactServices+s.words(v.lang).Colon+strings.Join(names, ", "))
	}
	if last := p.Last(); last.UID != "" {
		text, _ := last.TextIn(v.lang)
		lines = append(lines, capital(p.UpdateText(len(p.Updates)-1).In(v.lang))+s.words(v.lang).Colon+markup.MarkdownToPlain(text.Body))
	}
	return printable(strings.Join(lines, "\n"))
}

// oneLine is printable text without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

// printable leaves out what RFC 5545, 3.3.11 does not allow in a text: control
// characters besides the line break.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || !unicode.IsControl(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\uFFFD"))
}
