// Package web is the public status page: an overview, a page for each
// incident, a history by month and an Atom feed, in French and English, as
// HTML that needs no JavaScript and as plain text for terminals. It reads from
// a statuspage.Source, which has public columns alone, and goes on showing the
// last that it read, saying so, while the source fails.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/text/language"

	"permanence/internal/i18n"
	"permanence/internal/markup"
	"permanence/statuspage"
)

// Options are what a Site is made of.
type Options struct {
	// Name is whose services these are.
	Name string
	// Lang is "fr" or "en": the language of whoever asks for none, and of the
	// feed.
	Lang string
	// Location is the zone of all times, UTC if nil.
	Location *time.Location
	// URL is the page's public address. Below a path, the handler is given
	// requests without it (http.StripPrefix).
	URL        string
	Source     statuspage.Source
	Components statuspage.Components
	// Markdown makes safe HTML of an update's body; markup.MarkdownToHTML if
	// nil.
	Markdown func(markdown string) string
	Log      *slog.Logger     // slog.Default if nil
	Now      func() time.Time // time.Now if nil
}

// Site is the page. It is safe for concurrent use.
type Site struct {
	name       string
	lang       string
	loc        *time.Location
	base       string // the public address without a slash at its end
	path       string // its path, "" at the root
	host       string
	source     statuspage.Source
	components statuspage.Components
	markdown   func(string) string
	log        *slog.Logger
	now        func() time.Time
	mux        *http.ServeMux
	page       *template.Template
	css        template.CSS
	policy     string

	current  *kept[string, []statuspage.PublicIncident]
	months   *kept[string, []statuspage.PublicIncident]
	older    *kept[statuspage.ID, statuspage.PublicIncident]
	rendered *shelf
}

// How many incidents the overview and the feed know besides the open ones,
// how many days the overview looks back, and how many updates a feed has.
const (
	currentIncidents = 50
	recentDays       = 14
	feedEntries      = 50
)

// New makes the page. It does not read the source yet.
func New(o Options) (*Site, error) {
	u, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil {
		return nil, fmt.Errorf("status page address %q: %w", o.URL, err)
	}
	s := &Site{
		name: o.Name, lang: i18n.Lang(o.Lang), loc: o.Location,
		base: u.String(), path: u.EscapedPath(), host: u.Hostname(),
		source: o.Source, components: o.Components,
		markdown: o.Markdown, log: o.Log, now: o.Now,
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
	if s.page, s.css, err = templates(); err != nil {
		return nil, err
	}
	s.policy = contentPolicy(s.css)
	var versions atomic.Uint64
	s.current = newKept[string, []statuspage.PublicIncident](s.now, s.log, &versions)
	s.months = newKept[string, []statuspage.PublicIncident](s.now, s.log, &versions)
	s.older = newKept[statuspage.ID, statuspage.PublicIncident](s.now, s.log, &versions)
	s.rendered = newShelf()
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /{$}", s.overview)
	s.mux.HandleFunc("GET /incidents/{number}", s.incident)
	s.mux.HandleFunc("GET /history", s.history)
	s.mux.HandleFunc("GET /history/{month}", s.history)
	s.mux.HandleFunc("GET /feed.atom", s.feed)
	s.mux.HandleFunc("GET /", s.missing)
	return s, nil
}

// Changed tells that something public was committed: the next request reads
// anew. Without it changes show within a few seconds.
func (s *Site) Changed() {
	s.current.forget()
	s.months.forget()
	s.older.forget()
}

// ServeHTTP answers GET and HEAD.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", s.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	s.mux.ServeHTTP(w, r)
}

// view is how one request wants to read.
type view struct {
	lang string
	// chosen: the language stands in the address, and is kept in links.
	chosen bool
	text   bool
}

func (s *Site) view(r *http.Request) view {
	v := view{lang: s.lang}
	query := r.URL.Query()
	if lang := query.Get("lang"); lang == "fr" || lang == "en" {
		v.lang, v.chosen = lang, true
	} else if tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language")); err == nil && len(tags) > 0 {
		v.lang = s.match(tags)
	}
	accept := r.Header.Get("Accept")
	switch {
	case query.Get("format") == "text":
		v.text = true
	case strings.Contains(accept, "text/html"):
	case strings.HasPrefix(accept, "text/plain"):
		v.text = true
	default:
		agent := strings.ToLower(r.UserAgent())
		v.text = strings.HasPrefix(agent, "curl/") || strings.HasPrefix(agent, "httpie/")
	}
	return v
}

func (s *Site) match(tags []language.Tag) string {
	for _, t := range tags {
		if base, _ := t.Base(); base.String() == "fr" || base.String() == "en" {
			return base.String()
		}
	}
	return s.lang
}

// key tells renderings apart that differ by view.
func (v view) key() string { return fmt.Sprintf("%s %t %t", v.lang, v.chosen, v.text) }

func (s *Site) overview(w http.ResponseWriter, r *http.Request) {
	list, err := s.read(r.Context())
	v := s.view(r)
	if err != nil {
		s.unavailable(w, v)
		return
	}
	s.serve(w, r, v, "/", list.stamp(s.today().Unix(), s.passed(list.value...)), func() document {
		return s.renderOverview(v, list)
	})
}

func (s *Site) read(ctx context.Context) (reading[[]statuspage.PublicIncident], error) {
	return s.current.get(ctx, "", func(ctx context.Context) ([]statuspage.PublicIncident, bool, error) {
		list, err := s.source.Current(ctx, currentIncidents)
		return list, true, err
	})
}

// today begins the local day: what the overview calls recent changes with it.
func (s *Site) today() time.Time {
	n := s.now().In(s.loc)
	return time.Date(n.Year(), n.Month(), n.Day(), 0, 0, 0, 0, s.loc)
}

// passed counts the planned ends that have passed without anybody saying so:
// pages tell, so they are made anew when it grows.
func (s *Site) passed(list ...statuspage.PublicIncident) int64 {
	n := int64(0)
	for _, p := range list {
		if s.endPassed(p) {
			n++
		}
	}
	return n
}

func (s *Site) endPassed(p statuspage.PublicIncident) bool {
	return p.Open() && p.ScheduledUntil != 0 && p.ScheduledUntil < statuspage.At(s.now())
}

func (s *Site) incident(w http.ResponseWriter, r *http.Request) {
	v := s.view(r)
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 63)
	if err != nil || n == 0 {
		s.missing(w, r)
		return
	}
	number := statuspage.ID(n)
	one, err := s.one(r.Context(), number)
	switch {
	case err != nil:
		s.unavailable(w, v)
	case !one.found:
		s.missing(w, r)
	default:
		path := "/incidents/" + strconv.FormatInt(number, 10)
		s.serve(w, r, v, path, one.stamp(s.passed(one.value)), func() document {
			return s.renderIncident(v, path, one)
		})
	}
}

// one finds an incident among the current ones, else in the source.
func (s *Site) one(ctx context.Context, number statuspage.ID) (reading[statuspage.PublicIncident], error) {
	list, err := s.read(ctx)
	if err == nil {
		for _, p := range list.value {
			if p.Number == number {
				return reading[statuspage.PublicIncident]{value: p, found: true, since: list.since, version: list.version}, nil
			}
		}
	}
	return s.older.get(ctx, number, func(ctx context.Context) (statuspage.PublicIncident, bool, error) {
		return s.source.Incident(ctx, number)
	})
}

func (s *Site) history(w http.ResponseWriter, r *http.Request) {
	v := s.view(r)
	now := s.now().In(s.loc)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, s.loc)
	if name := r.PathValue("month"); name != "" {
		m, err := time.ParseInLocation("2006-01", name, s.loc)
		if err != nil || m.After(month) || m.Year() < firstYear {
			s.missing(w, r)
			return
		}
		month = m
	}
	name := month.Format("2006-01")
	list, err := s.month(r.Context(), name, month)
	if err != nil {
		s.unavailable(w, v)
		return
	}
	s.serve(w, r, v, "/history/"+name, list.stamp(s.passed(list.value...)), func() document {
		return s.renderHistory(v, month, list)
	})
}

// month reads what was published in a month. Where that fails and was never
// read before, it is what the overview knows of that month, if anything.
func (s *Site) month(ctx context.Context, name string, month time.Time) (reading[[]statuspage.PublicIncident], error) {
	from, before := statuspage.At(month), statuspage.At(month.AddDate(0, 1, 0))
	list, err := s.months.get(ctx, name, func(ctx context.Context) ([]statuspage.PublicIncident, bool, error) {
		list, err := s.source.Between(ctx, from, before)
		return list, true, err
	})
	if err == nil {
		return list, nil
	}
	known, readErr := s.read(ctx)
	if readErr != nil {
		return list, err
	}
	some := slices.DeleteFunc(slices.Clone(known.value), func(p statuspage.PublicIncident) bool {
		return p.Published < from || p.Published >= before
	})
	if len(some) == 0 || known.since.IsZero() {
		return list, err
	}
	known.value = some
	return known, nil
}

// firstYear bounds the history: programs that follow "previous month" for
// ever find an end.
const firstYear = 2000

func (s *Site) feed(w http.ResponseWriter, r *http.Request) {
	v := view{lang: s.lang}
	if lang := r.URL.Query().Get("lang"); lang == "fr" || lang == "en" {
		v.lang, v.chosen = lang, true
	}
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, v)
		return
	}
	// The feed says nothing about a failing source: readers keep what they
	// have, and an entry about the page itself would be noise for ever.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	s.serve(w, r, v, "/feed.atom", strconv.FormatUint(list.version, 10), func() document {
		return s.renderFeed(v, list.value)
	})
}

func (s *Site) missing(w http.ResponseWriter, r *http.Request) {
	v := s.view(r)
	t := sentencesIn(v.lang)
	s.sorry(w, v, http.StatusNotFound, t.NotFound, t.NotFoundDo)
}

// unavailable answers when the source fails and nothing was read before.
func (s *Site) unavailable(w http.ResponseWriter, v view) {
	w.Header().Set("Retry-After", "10")
	t := sentencesIn(v.lang)
	s.sorry(w, v, http.StatusServiceUnavailable, t.Unavailable, t.UnavailableDo)
}

func (s *Site) sorry(w http.ResponseWriter, v view, status int, what, do string) {
	d := s.renderSorry(v, what, do)
	h := w.Header()
	h.Set("Content-Type", d.contentType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(d.body); err != nil {
		s.log.Debug("writing status page", "err", err)
	}
}

// document is one rendering.
type document struct {
	body        []byte
	contentType string
	// modified is the newest that the document shows; zero where it shows
	// nothing that has a time.
	modified time.Time
	etag     string
}

// serve answers with the rendering of path for this view, made anew where the
// stamp tells that what it shows has changed.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, v view, path, stamp string, render func() document) {
	d, ok := s.rendered.get(path+" "+v.key(), stamp)
	if !ok {
		d = render()
		if d.body == nil { // a template failed, which is logged
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		sum := sha256.Sum256(d.body)
		d.etag = `"` + hex.EncodeToString(sum[:12]) + `"`
		s.rendered.put(path+" "+v.key(), stamp, d)
	}
	h := w.Header()
	h.Set("Content-Type", d.contentType)
	h.Set("ETag", d.etag)
	if path != "/feed.atom" {
		h.Set("Vary", "Accept, Accept-Language, User-Agent")
	}
	h.Set("Content-Language", v.lang)
	h.Set("Cache-Control", "public, max-age=10, stale-while-revalidate=60, stale-if-error=86400")
	http.ServeContent(w, r, "", d.modified, bytes.NewReader(d.body))
}
