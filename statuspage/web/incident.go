package web

import (
	"net/http"
	"strconv"

	"permanence/statuspage"
)

// incident is the permalink of an incident or of planned work. Its opaque
// identifier leads there too: programs that read the JSON build addresses of
// it.
func (s *Site) incident(w http.ResponseWriter, r *http.Request) {
	v := s.pageView(r)
	number, ok := readNumber(r.PathValue("number"))
	if !ok {
		s.byUID(w, r, v, r.PathValue("number"))
		return
	}
	one, err := s.one(r.Context(), number)
	switch {
	case err != nil:
		s.unavailable(w, r, v)
	case !one.found:
		s.missing(w, r)
	default:
		path := incidentPath(number)
		st := one.stamp()
		st.passed = s.passed(one.value)
		s.serve(w, r, v, path, st, func() document {
			d := s.page(v, "", path, one.since)
			i := s.describe(v, &one.value, full)
			d.Incident, d.Heading, d.Icon = &i, i.Title, icon(i.Shape)
			return s.document(v, d, later(one.since, newest([]statuspage.PublicIncident{one.value})))
		})
	}
}

func readNumber(text string) (statuspage.ID, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return statuspage.ID(n), err == nil && n > 0
}

// byUID sends from an incident's opaque identifier to its page: one of the
// current ones, else any that the source finds by it.
func (s *Site) byUID(w http.ResponseWriter, r *http.Request, v view, uid string) {
	number, err := s.numberOf(r.Context(), uid)
	switch {
	case err != nil:
		s.unavailable(w, r, v)
	case number == 0:
		s.missing(w, r)
	default:
		s.redirect(w, r, s.address(v, incidentPath(number)))
	}
}

// toIncident sends other forms of an incident's address to its page: planned
// work under a name of its own, and what other software wrote ("/task/42",
// "/42").
func (s *Site) toIncident(w http.ResponseWriter, r *http.Request) {
	number, ok := readNumber(r.PathValue("number"))
	if !ok {
		s.missing(w, r)
		return
	}
	s.redirect(w, r, s.address(s.addressView(r), incidentPath(number)))
}

// addressView keeps the language of an address, and negotiates nothing.
func (s *Site) addressView(r *http.Request) view {
	lang := chosenLang(r.URL.Query())
	return view{lang: lang, chosen: lang != ""}
}
