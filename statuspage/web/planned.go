package web

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"permanence/statuspage"
)

type plannedData struct {
	Running  []incidentData
	Too      []incidentData // more of them, in a list
	More     string         // that there are still more
	Upcoming []incidentData
	Further  string // that still more is planned
	Done     []incidentData
	Calendar template.URL // for calendar programs
}

// planned is all work: in progress, to come, and done.
func (s *Site) planned(w http.ResponseWriter, r *http.Request) {
	v := s.pageView(r)
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	st := list.stamp()
	st.passed = s.passed(list.value...)
	s.serve(w, r, v, "/travaux", st, func() document {
		var upcoming, done []*statuspage.PublicIncident
		p := &plannedData{Calendar: webcal(s.absolute(v, "/travaux.ics"))}
		work := slices.DeleteFunc(slices.Clone(list.value), func(p statuspage.PublicIncident) bool { return p.Kind != statuspage.Maintenance })
		p.Running, p.Too, p.More = s.ongoing(v, byWeight(work))
		for i := range work {
			switch {
			case work[i].Upcoming():
				upcoming = append(upcoming, &work[i])
			case !work[i].Open():
				done = append(done, &work[i])
			}
		}
		soonestFirst(upcoming)
		p.Upcoming, p.Further = s.listed(v, upcoming, upcomingMost)
		if len(upcoming) <= listedMost { // else the history must do
			p.Done, _ = s.listed(v, done, listedMost)
		}
		d := s.page(v, "planned", "/travaux", list.since)
		d.Planned, d.Heading = p, d.T.Planned
		return s.document(v, d, later(list.since, newest(work)))
	})
}

// webcal is an address under the scheme that opens calendar programs.
func webcal(address string) template.URL {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		return template.URL("webcal://" + rest)
	}
	return template.URL(address)
}
