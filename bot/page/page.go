// Package page is what the team reads in a browser: the page of each ticket
// behind a signed link, and files behind /f/<token>. It needs no account and
// no JavaScript, and writes nothing.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/text/language"

	"permanence/internal/i18n"
	"permanence/tickets"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS string

// Options are what Pages are made of.
type Options struct {
	// Name is whose desks these are.
	Name string
	// Language is "fr" or "en", where neither the desk nor the reader says.
	Language string
	// Location is the zone of all times, UTC if nil.
	Location *time.Location
	Desks    map[string]Desk
	Links    Links
	Source   Source
	Catalog  *i18n.Catalog
	Log      *slog.Logger     // slog.Default if nil
	Now      func() time.Time // time.Now if nil
	// Window is how many entries a page has; 200 if 0.
	Window int
}

// Desk is what a page says of a desk.
type Desk struct{ Title, Language string }

// Pages answers /t/ and /f/. It is safe for concurrent use.
type Pages struct {
	name    string
	lang    string
	loc     *time.Location
	desks   map[string]Desk
	links   Links
	source  Source
	catalog *i18n.Catalog
	log     *slog.Logger
	now     func() time.Time
	window  int
	page    *template.Template
	css     template.CSS
	policy  string
	mux     *http.ServeMux
}

// New makes the pages. Requests must come without the path of Links.Base
// (http.StripPrefix).
func New(o Options) (*Pages, error) {
	if o.Source == nil || o.Catalog == nil {
		return nil, errors.New("ticket pages need a source and a catalog")
	}
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("ticket page template: %w", err)
	}
	p := &Pages{name: o.Name, lang: i18n.Lang(o.Language), loc: o.Location, desks: o.Desks, links: o.Links,
		source: o.Source, catalog: o.Catalog, log: o.Log, now: o.Now, window: o.Window,
		page: t, css: template.CSS(styleCSS), mux: http.NewServeMux()}
	if p.loc == nil {
		p.loc = time.UTC
	}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.links.Now == nil {
		p.links.Now = p.now
	}
	if p.window <= 0 {
		p.window = 200
	}
	// Our one style by its hash, and pictures of our own: whatever a message
	// might smuggle into the page, no browser would load or run it.
	sum := sha256.Sum256([]byte(p.css))
	p.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	p.mux.HandleFunc("GET /t/{id}", p.ticket)
	p.mux.HandleFunc("GET /t/{id}/f/{file}", p.fileOnPage)
	p.mux.HandleFunc("GET /f/{token}", p.fileByToken)
	p.mux.HandleFunc("GET /t/", p.refuse)
	p.mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { p.sorry(w, r, http.StatusNotFound, "page.gone") })
	return p, nil
}

// ServeHTTP answers GET and HEAD.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// The address is the key: it must not travel, and nothing may keep what
	// it opens.
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	p.mux.ServeHTTP(w, r)
}

// ticket answers a ticket's page. Whoever has no right learns nothing, not
// even whether there is such a ticket.
func (p *Pages) ticket(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id, ok := p.links.checkTicket(r.PathValue("id"), q.Get("s"), q.Get("e"))
	if !ok {
		p.refuse(w, r)
		return
	}
	before, _ := number(q.Get("before"))
	v, ok, err := p.source.Ticket(r.Context(), id, Window{Before: tickets.ID(before), Limit: p.window})
	if err != nil {
		p.log.Error("reading a ticket for its page failed", "ticket", id, "err", err)
		p.later(w, r, "page.away")
		return
	}
	if !ok {
		p.refuse(w, r)
		return
	}
	desk := p.desks[v.Ticket.Desk]
	lang := desk.Language
	if lang == "" {
		lang = p.lang
	}
	if asked := q.Get("lang"); asked == "fr" || asked == "en" {
		lang = asked
	}
	p.write(w, http.StatusOK, p.ticketData(v, desk, i18n.Lang(lang), query{s: q.Get("s"), e: q.Get("e"), lang: q.Get("lang")}))
}

// refuse answers every link that opens nothing.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request) {
	p.sorry(w, r, http.StatusForbidden, "page.refused")
}

// later answers what may work soon.
func (p *Pages) later(w http.ResponseWriter, r *http.Request, id string) {
	w.Header().Set("Retry-After", "30")
	p.sorry(w, r, http.StatusServiceUnavailable, id)
}

// sorry says what happened (the sentence id) and what to do (id.do). Its
// reader may be anybody: nothing of a desk is named.
func (p *Pages) sorry(w http.ResponseWriter, r *http.Request, status int, id string) {
	d := data{p: p, Lang: p.readerLang(r)}
	d.Title, d.Do = d.T(id), d.T(id+".do")
	p.write(w, status, d)
}

// readerLang is the language of a page that belongs to no desk.
func (p *Pages) readerLang(r *http.Request) string {
	if asked := r.URL.Query().Get("lang"); asked == "fr" || asked == "en" {
		return asked
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return p.lang
	}
	for _, t := range tags {
		if b, _ := t.Base(); b.String() == "fr" || b.String() == "en" {
			return b.String()
		}
	}
	return p.lang
}

func (p *Pages) write(w http.ResponseWriter, status int, d data) {
	d.CSS = p.css
	d.Name = p.name
	var b bytes.Buffer
	if err := p.page.Execute(&b, d); err != nil {
		p.log.Error("a page could not be made", "err", err)
		http.Error(w, "This page could not be made; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", d.Lang)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who has gone cannot be told
}
