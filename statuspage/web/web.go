// Package web is the public status page: an overview, a page for each incident
// and each component, planned work, a history by month, feeds, a calendar, the
// Statuspage v2 JSON, what other sites embed, and all of it as static files.
// It speaks French and English, as HTML that needs no JavaScript and as plain
// text for terminals. It reads from a statuspage.Source, which has public
// columns alone, and goes on showing the last that it read, saying so, while
// the source fails.
package web

import (
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"permanence/internal/i18n"
	"permanence/internal/markup"
	"permanence/statuspage"
)

// Options are what a Site is made of.
type Options struct {
	// Name is whose services these are.
	Name string
	// Lang is "fr" or "en": the language of whoever asks for none, and of
	// feeds, calendar and JSON.
	Lang string
	// Languages are those in which every update is to be written: where one is
	// still missing, the page says that it is coming. None or one: nothing is
	// promised.
	Languages []string
	// Location is the zone of all times, UTC if nil.
	Location *time.Location
	// URL is the page's public address. Below a path, the handler is given
	// requests without it (http.StripPrefix).
	URL        string
	Source     statuspage.Source
	Components statuspage.Components
	// Catalog has the sentences; one of its own if nil.
	Catalog *i18n.Catalog
	// Markdown makes safe HTML of an update's body; markup.MarkdownToHTML if
	// nil.
	Markdown func(markdown string) string
	Log      *slog.Logger     // slog.Default if nil
	Now      func() time.Time // time.Now if nil
}

// Site is the page. It is safe for concurrent use.
type Site struct {
	options    Options
	name       string
	lang       string
	promised   []string
	loc        *time.Location
	base       string // the public address without a slash at its end
	path       string // its path, "" at the root
	host       string
	source     statuspage.Source
	components statuspage.Components
	catalog    *i18n.Catalog
	fr, en     phrases
	markdown   func(string) string
	log        *slog.Logger
	now        func() time.Time
	mux        *http.ServeMux
	pages      *template.Template
	style      styles

	// static: addresses are those of exported files.
	static bool
	oldest time.Time  // month of the history
	export sync.Mutex // one Export at a time

	current  *kept[string, []statuspage.PublicIncident]
	spans    *kept[string, []statuspage.PublicIncident] // what was published within a time
	older    *kept[statuspage.ID, statuspage.PublicIncident]
	byUIDs   *kept[string, statuspage.PublicIncident]
	rendered *shelf
}

// How many incidents the overview, feeds and JSON know besides the open ones,
// and how many days the overview looks back.
const (
	currentIncidents = 100
	recentDays       = 14
)

// New makes the page. It does not read the source yet.
func New(o Options) (*Site, error) {
	u, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil {
		return nil, fmt.Errorf("status page address %q: %w", o.URL, err)
	}
	s := &Site{
		options: o, name: o.Name, lang: i18n.Lang(o.Lang), loc: o.Location,
		base: u.String(), path: u.EscapedPath(), host: u.Hostname(),
		source: o.Source, components: o.Components, catalog: o.Catalog,
		markdown: o.Markdown, log: o.Log, now: o.Now,
	}
	if len(o.Languages) > 1 {
		s.promised = o.Languages
	}
	if s.loc == nil {
		s.loc = time.UTC
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.markdown == nil {
		s.markdown = markup.MarkdownToHTML
	}
	if s.host == "" {
		s.host = "localhost"
	}
	if s.catalog == nil {
		if s.catalog, err = i18n.New(); err != nil {
			return nil, fmt.Errorf("status page: %w", err)
		}
	}
	s.fr, s.en = phrasesIn(s.catalog, "fr"), phrasesIn(s.catalog, "en")
	if s.pages, s.style, err = templates(); err != nil {
		return nil, err
	}
	var versions atomic.Uint64
	s.current = newKept[string, []statuspage.PublicIncident](s.now, s.log, &versions)
	s.spans = newKept[string, []statuspage.PublicIncident](s.now, s.log, &versions)
	s.older = newKept[statuspage.ID, statuspage.PublicIncident](s.now, s.log, &versions)
	s.byUIDs = newKept[string, statuspage.PublicIncident](s.now, s.log, &versions)
	s.rendered = newShelf()
	s.oldest = s.firstMonth()
	s.routes()
	return s, nil
}

// routes says what answers where.
func (s *Site) routes() {
	s.mux = http.NewServeMux()
	get := func(path string, h http.HandlerFunc) { s.mux.HandleFunc("GET "+path, h) }
	get("/{$}", s.overview)
	get("/components/{component}", s.component)
	get("/incidents/{number}", s.incident)
	get("/travaux", s.planned)
	get("/travaux/{number}", s.toIncident)
	get("/history", s.history)
	get("/history/{month}", s.history)
	get("/history/{month}/{part}", s.history)
	get("/follow", s.follow)
	get("/status.txt", s.statusText)
	get("/api", s.toFollow)

	for _, prefix := range []string{"", "/components/{component}"} {
		get(prefix+"/feed.atom", s.updatesFeed(atomOf()))
		get(prefix+"/feed.rss", s.updatesFeed(rssOf()))
		get(prefix+"/feed.json", s.updatesFeed(jsonFeedOf()))
		get(prefix+"/history.atom", s.incidentsFeed(atomOf()))
		get(prefix+"/history.rss", s.incidentsFeed(rssOf()))
		get(prefix+"/travaux.ics", s.calendar)
	}
	s.v2Routes(get)

	get("/embed", s.embed)
	get("/embed.js", s.embedScript)
	get("/embed.json", s.embedJSON)
	get("/badge.svg", s.badge)

	get("/feed.php", s.flySprayFeed)
	get("/index.php", s.flySprayIndex)
	get("/task/{number}", s.toIncident)
	get("/{number}", s.toIncident)
	get("/", s.missing)
}

// Changed tells that something public was committed: the next request reads
// anew. Without it changes show within a few seconds.
func (s *Site) Changed() {
	s.current.forget()
	s.spans.forget()
	s.older.forget()
	s.byUIDs.forget()
}

// ServeHTTP answers GET and HEAD, and the question of browsers whether another
// site may ask.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		h := w.Header()
		safe(h)
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "If-None-Match, If-Modified-Since")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.mux.ServeHTTP(w, unprefixed(r))
}
