package web

import (
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"permanence/internal/i18n"
	"permanence/internal/markup"
	"permanence/statuspage"
)

// depth is how much of an incident a page has room for.
type depth int

const (
	brief   depth = iota // in a list: one line about it
	shorter              // on a full overview: the newest update, cut
	short                // on the overview: the newest updates, cut
	full                 // its own page
)

// How much of the newest updates the overview shows, and of a text a list.
const (
	shortRunes   = 600
	shortUpdates = 3
	shorterRunes = 400
	briefRunes   = 280
)

type incidentData struct {
	Title, Lang, Link string
	Address           string // the whole link, for terminals
	Own               bool   // on its own page
	Number            string
	Tile              tile
	Shape             string
	State, Impact     string
	Facts             []fact
	Brief             []string // the facts on one line
	EndPassed         bool
	Open              bool
	Calendar          string // address, for planned work to come
	Text, TextLang    string // of what is planned, in a list
	Updates           []updateData
	Hidden            bool // there is more to read than this
}

// tile is a day that leads the eye; the same date stands in the text.
type tile struct{ Day, Month string }

type fact struct{ Label, Value, Machine string }

type updateData struct {
	Anchor, State, Shape, Lang string
	At                         moment
	Corrected                  string
	Schedule                   string
	Valid                      bool   // the schedule still stands
	Tongue                     string // which language it is in, where that is not the page's
	Body                       template.HTML
	Text                       string
}

// incidentPath is the permalink within the site. Incidents and planned work
// have one sequence of numbers, and so one place.
func incidentPath(number statuspage.ID) string {
	return "/incidents/" + strconv.FormatInt(number, 10)
}

// describe puts an incident into words.
func (s *Site) describe(v view, p *statuspage.PublicIncident, much depth) incidentData {
	title, lang := p.TitleIn(v.lang)
	i := incidentData{
		Title: i18n.Typeset(lang, title), Lang: otherLang(lang, v.lang), Link: s.address(v, incidentPath(p.Number)),
		Address: s.canonical(v.lang, incidentPath(p.Number)), Own: much == full,
		Number: p.Kind.Text().In(v.lang) + " " + strconv.FormatInt(p.Number, 10),
		Tile:   s.tile(v.lang, p), Shape: incidentShape(p),
		State: capital(stateText(v.lang, p)), Open: p.Open(),
		EndPassed: endPassed(p, statuspage.At(s.now())),
	}
	if p.Kind != statuspage.Maintenance && p.Open() { // whose impact is in its name
		i.Impact = p.Impact.Text().In(v.lang)
	}
	switch much {
	case brief:
		i.Brief = s.briefly(v.lang, p)
		if p.Upcoming() && len(p.Updates) > 0 {
			text, _ := p.Last().TextIn(v.lang)
			body, cut := markup.Excerpt(text.Body, briefRunes)
			i.Text, i.TextLang = markup.MarkdownToPlain(body), otherLang(text.Lang, v.lang)
			i.Hidden = cut
		}
	case shorter:
		i.Facts = s.facts(v.lang, p, false)
		s.describeUpdates(v, p, &i, 1, shorterRunes)
	case short:
		i.Facts = s.facts(v.lang, p, false)
		s.describeUpdates(v, p, &i, shortUpdates, shortRunes)
	case full:
		i.Facts = s.facts(v.lang, p, true)
		if p.Upcoming() {
			i.Calendar = s.address(v, "/travaux.ics")
		}
		s.describeUpdates(v, p, &i, len(p.Updates), 0)
	}
	return i
}

// stateText is where an incident stands. One with a post-mortem has ended: that
// word alone would leave people wondering.
func stateText(lang string, p *statuspage.PublicIncident) string {
	if p.State == statuspage.Postmortem {
		return statuspage.Resolved.Text().In(lang)
	}
	return p.StateText().In(lang)
}

// describeUpdates gives the newest updates first, at most so many, and of each
// text at most so many runes (0: all).
func (s *Site) describeUpdates(v view, p *statuspage.PublicIncident, i *incidentData, most, runes int) {
	w := s.when(v.lang)
	for n := len(p.Updates) - 1; n >= 0; n-- {
		if len(i.Updates) == most {
			i.Hidden = true
			return
		}
		u := p.Updates[n]
		text, ok := u.TextIn(v.lang)
		body := text.Body
		if runes > 0 {
			var cut bool
			body, cut = markup.Excerpt(body, runes)
			i.Hidden = i.Hidden || cut
		}
		one := updateData{
			Anchor: anchor(u.UID), State: capital(p.UpdateText(n).In(v.lang)), Shape: updateShape(p, n),
			Lang: otherLang(text.Lang, v.lang), At: moment{s.said(v.lang, p, u.Published), s.machine(u.Published)},
			Schedule: s.schedule(v.lang, p, n), Valid: valid(p, n),
		}
		if from, until := p.Announced(n); from != 0 && !one.Valid {
			one.Schedule = s.say(v.lang, "update.schedule.then", "Span", w.Span(from, max(from, until)))
		}
		if text.Edited != 0 {
			one.Corrected = s.say(v.lang, "update.corrected", "When", w.Moment(text.Edited, u.Published))
		}
		if !ok {
			one.Tongue = s.tongue(v.lang, text.Lang)
		}
		if v.text {
			one.Text = markup.MarkdownToPlain(body)
		} else {
			one.Body = template.HTML(s.html(body)) // Options.Markdown promises safe HTML
		}
		i.Updates = append(i.Updates, one)
	}
}

// said is when an update was: the clock alone on the day on which the incident
// began, whose date stands above.
func (s *Site) said(lang string, p *statuspage.PublicIncident, at statuspage.Time) string {
	if p.Started == 0 {
		return s.when(lang).Stamp(at)
	}
	return s.when(lang).Moment(at, p.Started)
}

// schedule tells the planned times that an update announced, "" for none.
func (s *Site) schedule(lang string, p *statuspage.PublicIncident, n int) string {
	from, until := p.Announced(n)
	if from == 0 {
		return ""
	}
	return s.say(lang, "update.schedule", "Span", s.when(lang).Span(from, max(from, until)))
}

// valid reports whether the times that an update announced were not moved
// since.
func valid(p *statuspage.PublicIncident, n int) bool {
	from, until := p.Announced(n)
	return from == p.ScheduledFor && until == p.ScheduledUntil && !p.Cancelled
}

// tongue says which language a text has on a page in another one, and that its
// translation is coming where one is promised.
func (s *Site) tongue(page, text string) string {
	if text != "fr" && text != "en" {
		return ""
	}
	if slices.Contains(s.promised, page) {
		return s.say(page, "update.coming."+text)
	}
	return s.say(page, "update.in."+text)
}

func anchor(uid string) string { return "u-" + uid }

// otherLang is a text's language where it must be marked on a page.
func otherLang(text, page string) string {
	if text == page {
		return ""
	}
	return text
}

func incidentShape(p *statuspage.PublicIncident) string {
	if p.Cancelled {
		return "none"
	}
	return shapeOf(p.Impact, p.Open())
}

// updateShape marks the ends of a story, and leaves what is between quiet.
func updateShape(p *statuspage.PublicIncident, n int) string {
	if p.Updates[n].State.Over() {
		if p.Cancelled {
			return "none"
		}
		return "ok"
	}
	return "none"
}

// facts are what is known besides the updates. Three times are kept apart:
// when it began, when it was noticed, when it was announced; on the incident's
// own page all that differ are there.
func (s *Site) facts(lang string, p *statuspage.PublicIncident, all bool) []fact {
	w, t := s.when(lang), s.words(lang)
	var list []fact
	add := func(label, value string, at statuspage.Time) {
		f := fact{Label: label, Value: value}
		if at != 0 {
			f.Machine = s.machine(at)
		}
		list = append(list, f)
	}
	if names := s.componentNames(p); len(names) > 0 {
		add(t.FactServices, strings.Join(names, ", "), 0)
	}
	if p.ScheduledFor != 0 {
		add(t.FactSchedule, w.Span(p.ScheduledFor, max(p.ScheduledFor, p.ScheduledUntil)), 0)
	}
	first := p.Published
	if p.Started != 0 {
		first = p.Started
		add(t.FactStart, w.Full(p.Started), p.Started)
	}
	if all {
		said := w.Stamp(first)
		if p.Noticed != 0 && w.Stamp(p.Noticed) != said {
			said = w.Stamp(p.Noticed)
			add(t.FactNoticed, w.Moment(p.Noticed, first), p.Noticed)
		}
		if w.Stamp(p.Published) != said || p.Started == 0 {
			add(t.FactPublished, w.Moment(p.Published, p.Started), p.Published)
		}
		if !p.Open() {
			add(t.FactEnd, w.Moment(p.Resolved, p.Started), p.Resolved)
		}
		if !p.Open() && p.Started != 0 {
			add(t.FactDuration, w.Duration(p.Started.Until(p.Resolved)), 0)
		}
	}
	if p.NextWord != 0 && p.Open() {
		add(t.FactNext, w.Full(p.NextWord), p.NextWord)
	}
	return list
}

// briefly is what a list tells of an incident behind its state.
func (s *Site) briefly(lang string, p *statuspage.PublicIncident) []string {
	w := s.when(lang)
	var parts []string
	switch {
	case p.Cancelled, p.Upcoming(), p.Started == 0 && p.ScheduledFor != 0:
		if p.ScheduledFor != 0 {
			parts = append(parts, w.Span(p.ScheduledFor, max(p.ScheduledFor, p.ScheduledUntil)))
		}
	case p.Open() && p.Started != 0:
		parts = append(parts, s.say(lang, "since", "When", w.Full(p.Started)))
	case p.Started != 0:
		parts = append(parts, w.Span(p.Started, p.Resolved), w.Duration(p.Started.Until(p.Resolved)))
	}
	return append(parts, s.componentNames(p)...)
}

// tile is the day by which a list sorts an incident.
func (s *Site) tile(lang string, p *statuspage.PublicIncident) tile {
	t := leading(p).In(s.loc)
	return tile{strconv.Itoa(t.Day()), s.month(lang, t)}
}

func (s *Site) month(lang string, t time.Time) string {
	if months := s.words(lang).Months; len(months) == 12 {
		return months[t.Month()-1]
	}
	return t.Format("01")
}

// leading is when planned work is to begin, and when anything else was
// announced.
func leading(p *statuspage.PublicIncident) statuspage.Time {
	if p.ScheduledFor != 0 {
		return p.ScheduledFor
	}
	return p.Published
}

// html is the body of an update. Tables align by a style attribute, which our
// policy forbids: the older attribute says the same.
func (s *Site) html(body string) string {
	html := s.markdown(body)
	if !strings.Contains(html, ` style="`) {
		return html
	}
	return strings.NewReplacer(
		` style="text-align: left"`, ` align="left"`,
		` style="text-align: center"`, ` align="center"`,
		` style="text-align: right"`, ` align="right"`,
	).Replace(html)
}

// affected are the components of an incident, named as the configuration has
// them today and in its order, then those that it no longer has.
func (s *Site) affected(p *statuspage.PublicIncident) []statuspage.PublicComponent {
	var list []statuspage.PublicComponent
	for _, c := range s.components {
		for _, a := range p.Components {
			if a.ID == c.ID {
				a.Name = c.Name
				list = append(list, a)
			}
		}
	}
	for _, a := range p.Components {
		if _, ok := s.components.Find(a.ID); !ok {
			list = append(list, a)
		}
	}
	return list
}

func (s *Site) componentNames(p *statuspage.PublicIncident) []string {
	var names []string
	for _, a := range s.affected(p) {
		names = append(names, a.Name)
	}
	return names
}
