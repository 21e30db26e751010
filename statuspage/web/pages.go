package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"permanence/internal/i18n"
	"permanence/internal/markup"
	"permanence/statuspage"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS string

func templates() (*template.Template, template.CSS, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, "", fmt.Errorf("status page template: %w", err)
	}
	return t, template.CSS(styleCSS), nil
}

// contentPolicy lets nothing in but our one style, by its hash: whatever a
// body might smuggle into the page, no browser would load or run it.
func contentPolicy(css template.CSS) string {
	sum := sha256.Sum256([]byte(css))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// pageData is what the template shows. Everything is in words already.
type pageData struct {
	T         sentences
	Lang      string
	OtherLang string
	Name      string
	Heading   string // of the page itself, empty on the overview
	CSS       template.CSS
	Canonical string
	FeedURL   string
	Links     links
	Stale     *moment
	Zone      string

	Overview *overviewData
	Incident *incidentData
	History  *historyData
	Sorry    *sorryData
}

type links struct{ Home, History, Feed, Other string }

type overviewData struct {
	Shape      string
	Overall    string
	Open       []incidentData
	Planned    []incidentData
	Components []componentData
	Days       []dayData
	Quiet      string // that there was nothing else
}

type componentData struct{ Name, Shape, Status string }

type dayData struct {
	Name string
	List []incidentData
}

type historyData struct {
	Month          string
	Days           []dayData
	Previous, Next string // addresses, empty at the ends
}

type sorryData struct{ What, Do string }

type incidentData struct {
	Title, Lang, Link string
	Number            string
	Shape             string
	State, Impact     string
	Components        string
	Span              string // "since …" or from–to with the duration
	NextWord          string
	Planned           string
	PlannedEndPassed  bool
	Open              bool
	Updates           []updateData // newest first
	Hidden            bool         // there are more updates than these
}

type updateData struct {
	Anchor, State, Lang string
	At                  moment
	Corrected           *moment
	Body                template.HTML
	Text                string
}

// block is a part of the page with the words that it needs.
type block struct {
	T    sentences
	I    incidentData
	Days []dayData
}

// With gives an incident to a block of the template.
func (d pageData) With(i incidentData) block { return block{T: d.T, I: i} }

// Group gives days to a block of the template.
func (d pageData) Group(days []dayData) block { return block{T: d.T, Days: days} }

// With gives an incident of one of the days to a block of the template.
func (b block) With(i incidentData) block { return block{T: b.T, I: i} }

// moment is a time for people and for machines.
type moment struct{ Text, Machine string }

func (s *Site) when(lang string) statuspage.When { return statuspage.When{Lang: lang, Loc: s.loc} }

func machine(t time.Time) string { return t.Format(time.RFC3339) }

// address is a path within the page, with the language where it was chosen.
func (s *Site) address(v view, path string) string {
	if v.chosen {
		path += "?lang=" + v.lang
	}
	return s.path + path
}

func (s *Site) data(v view, path string, since time.Time) pageData {
	other := "en"
	if v.lang == "en" {
		other = "fr"
	}
	d := pageData{
		T: sentencesIn(v.lang), Lang: v.lang, OtherLang: other, Name: s.name,
		CSS: s.css, Canonical: s.base + path, Zone: s.loc.String(),
		Links: links{
			Home: s.address(v, "/"), History: s.address(v, "/history"),
			Feed: s.address(v, "/feed.atom"), Other: s.path + path + "?lang=" + other,
		},
	}
	if !since.IsZero() {
		d.Stale = &moment{s.when(v.lang).Full(statuspage.At(since)), machine(since.In(s.loc))}
	}
	return d
}

// excerpt is how many runes of a body and how many updates the overview shows;
// the incident's page has all.
const (
	excerptRunes   = 600
	excerptUpdates = 3
)

func (s *Site) renderOverview(v view, list reading[[]statuspage.PublicIncident]) document {
	d := s.data(v, "/", list.since)
	worst := statuspage.Overall(list.value)
	o := &overviewData{}
	from := statuspage.At(s.today().AddDate(0, 0, 1-recentDays))
	var past []statuspage.PublicIncident
	open := 0
	for _, p := range list.value {
		switch {
		case p.State == statuspage.Scheduled && p.Open():
			o.Planned = append(o.Planned, s.describe(v, p, true))
		case p.Open():
			open++
			o.Open = append(o.Open, s.describe(v, p, true))
		case p.Published >= from || p.Resolved >= from:
			past = append(past, p)
		}
	}
	o.Shape, o.Overall = shape(worst, open > 0), overall(v.lang, worst, open)
	o.Days, o.Quiet = s.days(v, past), d.T.NoneRecent
	if open == 0 && len(past) == 0 {
		o.Quiet = d.T.NothingRecent
	}
	for _, c := range s.components {
		status := statuspage.StatusOf(c.ID, list.value)
		o.Components = append(o.Components, componentData{c.Name, statusShape(status), status.Text().In(v.lang)})
	}
	d.Overview = o
	modified := later(s.today(), later(list.since, newest(list.value)))
	return s.document(v, d, modified)
}

func (s *Site) renderIncident(v view, path string, one reading[statuspage.PublicIncident]) document {
	d := s.data(v, path, one.since)
	i := s.describe(v, one.value, false)
	d.Incident, d.Heading = &i, i.Title
	return s.document(v, d, later(one.since, one.value.Updated.In(time.UTC)))
}

func (s *Site) renderHistory(v view, month time.Time, list reading[[]statuspage.PublicIncident]) document {
	path := "/history/" + month.Format("2006-01")
	d := s.data(v, path, list.since)
	name := s.when(v.lang).Month(statuspage.At(month))
	h := &historyData{Month: name, Days: s.days(v, list.value)}
	if month.Year() > firstYear || month.Month() > 1 {
		h.Previous = s.address(v, "/history/"+month.AddDate(0, -1, 0).Format("2006-01"))
	}
	if next := month.AddDate(0, 1, 0); !next.After(s.now()) {
		h.Next = s.address(v, "/history/"+next.Format("2006-01"))
	}
	d.History, d.Heading = h, d.T.History+d.T.Colon+name
	return s.document(v, d, later(list.since, newest(list.value)))
}

func (s *Site) renderSorry(v view, what, do string) document {
	d := s.data(v, "/", time.Time{})
	d.Sorry, d.Heading = &sorryData{what, do}, what
	return s.document(v, d, time.Time{})
}

func (s *Site) document(v view, d pageData, modified time.Time) document {
	d.FeedURL = s.base + "/feed.atom"
	if v.chosen {
		d.FeedURL += "?lang=" + v.lang
	}
	if v.text {
		return document{body: s.plain(d), contentType: "text/plain; charset=utf-8", modified: modified}
	}
	var b bytes.Buffer
	if err := s.page.Execute(&b, d); err != nil {
		s.log.Error("rendering status page", "err", err)
		return document{}
	}
	return document{body: b.Bytes(), contentType: "text/html; charset=utf-8", modified: modified}
}

// describe puts an incident into words; short leaves out what the overview has
// no room for.
func (s *Site) describe(v view, p statuspage.PublicIncident, short bool) incidentData {
	w := s.when(v.lang)
	t := sentencesIn(v.lang)
	i := incidentData{
		Title: i18n.Typeset(p.Lang, p.Title), Lang: p.Lang,
		Link:       s.address(v, "/incidents/"+strconv.FormatInt(p.Number, 10)),
		Number:     p.Kind.Text().In(v.lang) + " " + strconv.FormatInt(p.Number, 10),
		Shape:      shape(p.Impact, p.Open()),
		State:      capital(p.State.Text().In(v.lang)),
		Components: s.componentNames(p), Open: p.Open(),
	}
	if p.Kind != statuspage.Maintenance { // whose impact is in its name
		i.Impact = p.Impact.Text().In(v.lang)
	}
	switch {
	case !p.Open() && p.Started != 0:
		i.Span = capital(w.Span(p.Started, p.Resolved)) + ", " + t.Duration + " " + w.Duration(p.Started.Until(p.Resolved))
	case p.Open() && p.Started != 0:
		i.Span = capital(t.Since + " " + w.Full(p.Started))
	}
	if p.ScheduledFor != 0 && p.Open() {
		i.Planned = t.PlannedFor + t.Colon + w.Span(p.ScheduledFor, max(p.ScheduledFor, p.ScheduledUntil))
		i.PlannedEndPassed = s.endPassed(p)
	}
	if p.NextWord != 0 && p.Open() {
		i.NextWord = t.NextWord + t.Colon + w.Full(p.NextWord)
	}
	for n := len(p.Updates) - 1; n >= 0; n-- {
		if short && len(i.Updates) == excerptUpdates {
			i.Hidden = true
			break
		}
		u := p.Updates[n]
		body := u.Body
		if short {
			var cut bool
			body, cut = markup.Excerpt(body, excerptRunes)
			i.Hidden = i.Hidden || cut
		}
		one := updateData{
			Anchor: "u-" + u.UID, State: capital(u.State.Text().In(v.lang)), Lang: u.Lang,
			At: moment{w.Stamp(u.Published), machine(u.Published.In(s.loc))}, Text: markup.MarkdownToPlain(body),
			Body: template.HTML(s.html(body)), // Options.Markdown promises safe HTML
		}
		if u.Edited != 0 {
			one.Corrected = &moment{w.Moment(u.Edited, u.Published), machine(u.Edited.In(s.loc))}
		}
		i.Updates = append(i.Updates, one)
	}
	return i
}

// html is the body of an update. Tables align by a style attribute, which our
// policy forbids: the older attribute says the same.
func (s *Site) html(body string) string {
	return strings.NewReplacer(
		` style="text-align: left"`, ` align="left"`,
		` style="text-align: center"`, ` align="center"`,
		` style="text-align: right"`, ` align="right"`,
	).Replace(s.markdown(body))
}

// componentNames are as the configuration has them today, in its order, then
// those that it no longer has.
func (s *Site) componentNames(p statuspage.PublicIncident) string {
	var names []string
	for _, c := range s.components {
		for _, a := range p.Components {
			if a.ID == c.ID {
				names = append(names, c.Name)
			}
		}
	}
	for _, a := range p.Components {
		if _, ok := s.components.Find(a.ID); !ok {
			names = append(names, a.Name)
		}
	}
	return strings.Join(names, ", ")
}

// days groups incidents by the local day of their start, the newest first.
func (s *Site) days(v view, list []statuspage.PublicIncident) []dayData {
	var days []dayData
	for _, p := range list {
		name := s.when(v.lang).Day(p.Published)
		if len(days) == 0 || days[len(days)-1].Name != name {
			days = append(days, dayData{Name: name})
		}
		day := &days[len(days)-1]
		i := s.describe(v, p, true)
		if len(i.Updates) > 1 { // the last word is enough for what is over
			i.Updates, i.Hidden = i.Updates[:1], true
		}
		day.List = append(day.List, i)
	}
	return days
}

// shape names the mark of an incident: never colour alone.
func shape(i statuspage.Impact, open bool) string {
	if !open {
		return "ok"
	}
	switch i {
	case statuspage.PlannedImpact, statuspage.Minor, statuspage.Major, statuspage.Critical:
		return string(i)
	}
	return "none"
}

func statusShape(s statuspage.Status) string {
	switch s {
	case statuspage.Degraded:
		return "minor"
	case statuspage.PartialOutage:
		return "major"
	case statuspage.MajorOutage:
		return "critical"
	case statuspage.UnderMaintenance:
		return "maintenance"
	}
	return "ok"
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

func newest(list []statuspage.PublicIncident) time.Time {
	var t statuspage.Time
	for _, p := range list {
		t = max(t, p.Updated)
	}
	return t.In(time.UTC)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
