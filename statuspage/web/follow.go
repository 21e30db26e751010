package web

import (
	"html/template"
	"net/http"
	"time"
)

type followData struct {
	Atom, RSS, JSON           string // absolute: for other programs
	WholeAtom, WholeRSS       string
	Services                  []followService
	Calendar, CalendarWeb     template.URL
	Frame, Script, Badge, API string
	APIs                      []string
	Terminal                  string
}

type followService struct{ Name, Atom, RSS, Calendar string }

// follow tells how to be told: feeds, calendar, what other sites embed, and
// the documents for programs.
func (s *Site) follow(w http.ResponseWriter, r *http.Request) {
	v := s.pageView(r)
	s.serve(w, r, v, "/follow", stamp{}, func() document {
		at := func(path string) string { return s.absolute(v, path) }
		f := &followData{
			Atom: at("/feed.atom"), RSS: at("/feed.rss"), JSON: at("/feed.json"),
			WholeAtom: at("/history.atom"), WholeRSS: at("/history.rss"),
			Calendar: template.URL(at("/travaux.ics")), CalendarWeb: webcal(at("/travaux.ics")),
			Frame:    `<iframe src="` + at("/embed") + `" title="` + template.HTMLEscapeString(s.say(v.lang, "embed.title", "Name", s.name)) + `" width="100%" height="240" style="border:0"></iframe>`,
			Script:   `<script src="` + s.base + `/embed.js" data-lang="` + v.lang + `" async></script>`,
			Badge:    `<a href="` + at("/") + `"><img src="` + at("/badge.svg") + `" alt="` + template.HTMLEscapeString(s.words(v.lang).Title) + `"></a>`,
			Terminal: "curl " + s.base + "/",
		}
		if s.static {
			f.Terminal = "curl " + at("/status.txt")
		}
		for _, c := range s.components {
			path := componentPath(c.ID)
			f.Services = append(f.Services, followService{c.Name, at(path + "/feed.atom"), at(path + "/feed.rss"), at(path + "/travaux.ics")})
		}
		for _, name := range v2Documents() {
			f.APIs = append(f.APIs, at("/api/v2/"+name))
		}
		d := s.page(v, "follow", "/follow", time.Time{})
		d.Follow, d.Heading = f, d.T.Follow
		return s.document(v, d, time.Time{})
	})
}

// toFollow is where programs' documentation is looked for.
func (s *Site) toFollow(w http.ResponseWriter, r *http.Request) {
	s.redirect(w, r, s.address(s.addressView(r), "/follow"))
}
