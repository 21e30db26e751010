package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"time"

	"permanence/statuspage"
)

//go:embed templates
var templateFiles embed.FS

// styles are what pages and frames look like, and what they may load: our one
// style, by its hash. Whatever a body might smuggle in, no browser would load
// or run it.
type styles struct {
	css        template.CSS
	page, meta string // policies: of a page, and within an exported one
	frame      string // of what other sites may show in a frame
}

func templates() (*template.Template, styles, error) {
	t, err := template.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, styles{}, fmt.Errorf("status page template: %w", err)
	}
	css, err := templateFiles.ReadFile("templates/style.css")
	if err != nil {
		return nil, styles{}, fmt.Errorf("status page style: %w", err)
	}
	css = bytes.TrimSpace(css)
	sum := sha256.Sum256(css)
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"img-src data:; base-uri 'none'; form-action 'none'"
	return t, styles{
		css:   template.CSS(css),
		page:  policy + "; frame-ancestors 'none'",
		meta:  policy, // browsers ignore frame-ancestors there
		frame: policy + "; frame-ancestors *",
	}, nil
}

// pageAge is how long a page may be shown without asking whether it changed.
const pageAge = 10 * time.Second

func (s *Site) htmlKind() kind {
	return kind{contentType: "text/html; charset=utf-8", policy: s.style.page, negotiated: true, maxAge: pageAge}
}

func (s *Site) textKind() kind {
	return kind{contentType: "text/plain; charset=utf-8", policy: "", negotiated: true, maxAge: pageAge}
}

// pageData is what the templates show. Everything is in words already.
type pageData struct {
	T         *phrases
	Lang      string
	OtherLang string
	Name      string
	Heading   string // of the page itself, first in its title: the state, on the overview
	CSS       template.CSS
	Meta      string // the policy of an exported page
	Icon      template.URL
	Here      string // which of the pages of the menu
	Canonical string
	Links     links
	Stale     string
	Written   string // when an exported overview was written
	Zone      string

	Overview *overviewData
	Incident *incidentData
	Planned  *plannedData
	History  *historyData
	Follow   *followData
	Embed    *embedData
	Sorry    *sorryData
}

// links are addresses that every page has.
type links struct {
	Home, Planned, History, Follow, Other, OtherAbsolute, Same string
	Atom, RSS, JSON, Calendar, API                             string
}

type sorryData struct{ What, Do string }

// block is an incident with the words that its part of a page needs.
type block struct {
	T *phrases
	I incidentData
	// H is the heading's level.
	H int
}

// With gives an incident to a block of the template.
func (d pageData) With(i incidentData) block { return block{T: d.T, I: i} }

// moment is a time for people and for machines.
type moment struct{ Text, Machine string }

func (s *Site) when(lang string) statuspage.When { return statuspage.When{Lang: lang, Loc: s.loc} }

func (s *Site) machine(t statuspage.Time) string { return t.In(s.loc).Format(time.RFC3339) }

// page has what all pages share. path is the page's own.
func (s *Site) page(v view, here, path string, since time.Time) pageData {
	other := "en"
	if v.lang == "en" {
		other = "fr"
	}
	v.text = false
	there := view{lang: other, chosen: true}
	d := pageData{
		T: s.words(v.lang), Lang: v.lang, OtherLang: other, Name: s.name,
		CSS: s.style.css, Icon: icon("ok"), Here: here, Canonical: s.canonical(v.lang, path), Zone: s.say(v.lang, "zone", "Zone", s.loc.String()),
		Links: links{
			Home: s.address(v, "/"), Planned: s.address(v, "/travaux"), History: s.address(v, "/history"), Follow: s.address(v, "/follow"),
			Other: s.address(there, path), OtherAbsolute: s.absolute(there, path), Same: s.absolute(view{lang: v.lang, chosen: true}, path),
			Atom: s.address(v, "/feed.atom"), RSS: s.address(v, "/feed.rss"), JSON: s.address(v, "/feed.json"),
			Calendar: s.address(v, "/travaux.ics"), API: s.address(v, "/api/v2/summary.json"),
		},
	}
	if s.static {
		d.Meta = s.style.meta
	}
	if !since.IsZero() {
		d.Stale = s.say(v.lang, "stale", "When", s.when(v.lang).Full(statuspage.At(since)))
	}
	return d
}

// icon is the state as a browser's tab shows it.
func icon(shape string) template.URL {
	path, colour := "M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0", "%23157347"
	switch shape {
	case "minor":
		path, colour = "M8 1 16 15H0z", "%23b97a00"
	case "major":
		path, colour = "M8 0l8 8-8 8-8-8z", "%23c2500f"
	case "critical":
		path, colour = "M5 0h6l5 5v6l-5 5H5l-5-5V5z", "%23b3201a"
	case "maintenance":
		path, colour = "M1 1h14v14H1z", "%233f4fb5"
	case "none":
		colour = "%23606b76"
	}
	return template.URL("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='" +
		colour + "' d='" + path + "'/%3E%3C/svg%3E")
}

// document lays a page out in the form that the view asks for.
func (s *Site) document(v view, d pageData, modified time.Time) document {
	if v.text {
		return document{kind: s.textKind(), body: s.plain(d), modified: modified}
	}
	return s.laidOut("layout.html", d, s.htmlKind(), modified)
}

func (s *Site) laidOut(name string, d pageData, k kind, modified time.Time) document {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, d); err != nil {
		s.log.Error("rendering status page", "err", err)
		return document{}
	}
	return document{kind: k, body: b.Bytes(), modified: modified}
}

func (s *Site) renderSorry(v view, what, do string) document {
	d := s.page(v, "", "/", time.Time{})
	d.Sorry, d.Heading = &sorryData{what, do}, what
	return s.document(v, d, time.Time{})
}
