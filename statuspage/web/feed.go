package web

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"permanence/internal/markup"
	"permanence/statuspage"
)

// feedEntries is how many updates, or incidents, a feed has.
const feedEntries = 50

// feed is what is told in any format.
type feed struct {
	id, title, subtitle, lang string
	author                    string
	self, home                string // addresses
	updated                   statuspage.Time
	entries                   []entry
}

// entry is an update, or an incident with all of its updates.
type entry struct {
	id, title, lang string
	link, related   string // its own address; that of the incident, where it is another
	first           string // identifier of the entry that it follows, "" for none
	published       statuspage.Time
	updated         statuspage.Time
	html            string
	terms           []term
	state           entryState
}

// term is a category: a word for programs, and for people.
type term struct{ Term, Label string }

type entryState struct {
	State      string   `json:"state"`
	Impact     string   `json:"impact"`
	Components []string `json:"components"`
	Incident   string   `json:"incident_id"`
}

// format writes a feed.
type format struct {
	name        string // of the file, after the dot
	contentType string
	write       func(feed) ([]byte, error)
}

func (s *Site) feedKind(contentType string) kind {
	return kind{contentType: contentType, open: true, maxAge: time.Minute}
}

// updatesFeed has one entry per update: readers do not show an entry anew that
// they have seen, so that one entry per incident would tell of the start and
// never of the end.
func (s *Site) updatesFeed(f format) http.HandlerFunc {
	return s.serveFeed("feed", f, func(v view, component string, list []statuspage.PublicIncident) []entry {
		var entries []entry
		for i := range list {
			for n := range list[i].Updates {
				entries = append(entries, s.updateEntry(v, &list[i], n))
			}
		}
		slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(b.published, a.published) })
		return entries
	})
}

// incidentsFeed has one entry per incident, as Statuspage does.
func (s *Site) incidentsFeed(f format) http.HandlerFunc {
	return s.serveFeed("history", f, func(v view, component string, list []statuspage.PublicIncident) []entry {
		var entries []entry
		for i := range list {
			entries = append(entries, s.incidentEntry(v, &list[i]))
		}
		return entries
	})
}

func (s *Site) serveFeed(name string, f format, entries func(view, string, []statuspage.PublicIncident) []entry) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
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
		path, home := "/"+name+"."+f.name, "/"
		if component.ID != "" {
			home = componentPath(component.ID)
			path = home + path
		}
		// The feed says nothing about a failing source: readers keep what they
		// have, and an entry about the page itself would be noise for ever.
		s.serve(w, r, v, path, stamp{version: list.version}, func() document {
			some := list.value
			if component.ID != "" {
				some = touching(some, component.ID)
			}
			d := s.feedHead(v, name, component)
			d.self, d.home = s.absolute(v, path), s.absolute(v, home)
			d.entries = entries(v, component.ID, some)
			d.entries = d.entries[:min(len(d.entries), feedEntries)]
			for _, e := range d.entries {
				d.updated = max(d.updated, e.updated)
			}
			if len(d.entries) == 0 { // which needs a time, too; one that does not move
				d.updated = epoch()
			}
			body, err := f.write(d)
			if err != nil {
				s.log.Error("rendering feed", "feed", path, "err", err)
				return document{}
			}
			return document{kind: s.feedKind(f.contentType), body: body, modified: d.updated.In(time.UTC)}
		})
	}
}

// tagYear stands in the identifiers of the feed per update (RFC 4151), and
// statuspageYear in those that are made as Statuspage makes them. They never
// change.
const (
	tagYear        = "2026"
	statuspageYear = "2005"
)

// epoch stands where a time is asked for and nothing has happened yet.
func epoch() statuspage.Time {
	return statuspage.At(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

func (s *Site) tag(year, specific string) string {
	return "tag:" + s.host + "," + year + ":" + specific
}

func (s *Site) feedHead(v view, name string, component statuspage.Component) feed {
	t := s.words(v.lang)
	d := feed{author: s.name, lang: v.lang, title: t.Title + " – " + s.name, subtitle: t.FeedSubtitle, id: s.tag(tagYear, "feed")}
	if name == "history" {
		d.id, d.subtitle = s.tag(statuspageYear, "/history"), t.WholeSubtitle
	}
	if component.ID != "" {
		d.title = component.Name + " – " + d.title
		d.id += "/component/" + component.ID
	}
	if v.lang != s.lang {
		d.id += "/" + v.lang
	}
	return d
}

// updateEntry is update n of an incident. Its updated moves with a correction
// of this very update, or its translation, never with what comes after it.
func (s *Site) updateEntry(v view, p *statuspage.PublicIncident, n int) entry {
	u := p.Updates[n]
	text, _ := u.TextIn(v.lang)
	title, _ := p.TitleIn(v.lang)
	page := s.absolute(v, incidentPath(p.Number))
	state := p.UpdateText(n).In(v.lang)
	e := entry{
		id: s.tag(tagYear, "update/"+u.UID), lang: text.Lang,
		title: "[" + capital(state) + "] " + title,
		link:  page + "#" + anchor(u.UID), related: page,
		published: u.Published, updated: max(u.Published, text.Published, text.Edited),
		html:  s.html(text.Body),
		terms: append([]term{{string(u.State), state}}, s.terms(v, p)...),
		state: s.entryState(p, u.State),
	}
	if n > 0 {
		e.first = s.tag(tagYear, "update/"+p.Updates[0].UID)
	}
	if schedule := s.schedule(v.lang, p, n); schedule != "" {
		e.html = "<p><strong>" + schedule + "</strong></p>\n" + e.html
	}
	return e
}

func (s *Site) terms(v view, p *statuspage.PublicIncident) []term {
	var terms []term
	for _, c := range s.affected(p) {
		terms = append(terms, term{"component:" + c.ID, c.Name})
	}
	return append(terms, term{"impact:" + string(p.Impact), p.Impact.Text().In(v.lang)})
}

func (s *Site) entryState(p *statuspage.PublicIncident, state statuspage.State) entryState {
	e := entryState{State: string(state), Impact: string(p.Impact), Components: []string{}, Incident: p.UID}
	for _, c := range s.affected(p) {
		e.Components = append(e.Components, c.ID)
	}
	return e
}

// incidentEntry is an incident as Statuspage tells it: the newest first, the
// state in English in the first <strong>, times in UTC. Robots read it so.
func (s *Site) incidentEntry(v view, p *statuspage.PublicIncident) entry {
	title, lang := p.TitleIn(v.lang)
	e := entry{
		id: s.tag(statuspageYear, "Incident/"+strconv.FormatInt(p.Number, 10)), lang: lang,
		title: title, link: s.absolute(v, incidentPath(p.Number)),
		published: p.Published, updated: moved(p),
		terms: append([]term{{string(p.State), p.StateText().In(v.lang)}}, s.terms(v, p)...),
		state: s.entryState(p, p.State),
	}
	var b strings.Builder
	for n := len(p.Updates) - 1; n >= 0; n-- {
		u := p.Updates[n]
		text, _ := u.TextIn(v.lang)
		at := u.Published.In(time.UTC)
		fmt.Fprintf(&b, "<p><small>%s <var data-var='date'>%2d</var>, <var data-var='time'>%s</var> UTC</small><br><strong>%s</strong> - ",
			at.Format("Jan"), at.Day(), at.Format("15:04"), englishState(u.State))
		plain := markup.MarkdownToPlain(text.Body)
		b.WriteString(strings.ReplaceAll(escapeText(plain), "\n", "<br>"))
		b.WriteString("</p>")
	}
	if p.ScheduledFor != 0 {
		from, until := p.ScheduledFor.In(time.UTC), max(p.ScheduledFor, p.ScheduledUntil).In(time.UTC)
		fmt.Fprintf(&b, "<p>THIS IS A SCHEDULED EVENT %s - %s UTC</p>", from.Format("Jan _2, 15:04"), until.Format("Jan _2, 15:04"))
	}
	e.html = b.String()
	return e
}

// englishState is a state as Statuspage writes it: "In progress".
func englishState(state statuspage.State) string {
	return capital(strings.ReplaceAll(string(state), "_", " "))
}

// escapeText makes plain text stand in HTML.
func escapeText(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a strings.Builder does not fail
	}
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}

// marshalXML writes a document of an XML vocabulary.
func marshalXML(v any) ([]byte, error) {
	body, err := xml.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}
