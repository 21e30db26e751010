package web

import (
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"strings"
	"time"

	"permanence/internal/markup"
	"permanence/statuspage"
)

// The public API v2 of Statuspage, as its consumers read it: its names, its
// enums, its English descriptions. Times are RFC 3339 with milliseconds in
// UTC, identifiers opaque and in lower case, what is not known null.

type v2Page struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	URL      string `json:"url"`
	TimeZone string `json:"time_zone"`
	Updated  string `json:"updated_at"`
}

type v2Status struct {
	Indicator   string `json:"indicator"`
	Description string `json:"description"`
}

type v2Component struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Status      string  `json:"status"`
	Created     string  `json:"created_at"`
	Updated     string  `json:"updated_at"`
	Position    int     `json:"position"`
	Description *string `json:"description"`
	Showcase    bool    `json:"showcase"`
	Start       *string `json:"start_date"`
	GroupID     *string `json:"group_id"`
	PageID      string  `json:"page_id"`
	Group       bool    `json:"group"`
	OnlyIfBad   bool    `json:"only_show_if_degraded"`
}

type v2Incident struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Status     string        `json:"status"`
	Created    string        `json:"created_at"`
	Updated    string        `json:"updated_at"`
	Monitoring *string       `json:"monitoring_at"`
	Resolved   *string       `json:"resolved_at"`
	Impact     string        `json:"impact"`
	Shortlink  string        `json:"shortlink"`
	Started    string        `json:"started_at"`
	PageID     string        `json:"page_id"`
	Updates    []v2Update    `json:"incident_updates"` // the newest first
	Components []v2Component `json:"components"`
	Reminders  *string       `json:"reminder_intervals"`
}

// v2Maintenance is an incident with its planned times.
type v2Maintenance struct {
	v2Incident
	For   string `json:"scheduled_for"`
	Until string `json:"scheduled_until"`
}

type v2Update struct {
	ID         string       `json:"id"`
	Status     string       `json:"status"`
	Body       string       `json:"body"`
	IncidentID string       `json:"incident_id"`
	Created    string       `json:"created_at"`
	Updated    string       `json:"updated_at"`
	Display    string       `json:"display_at"`
	Affected   []v2Affected `json:"affected_components"` // null where none
	Notify     bool         `json:"deliver_notifications"`
	Tweet      *string      `json:"custom_tweet"`
	TweetID    *string      `json:"tweet_id"`
}

type v2Affected struct {
	Code string `json:"code"`
	Name string `json:"name"`
	Old  string `json:"old_status"`
	New  string `json:"new_status"`
}

// v2Document is any of the documents: each has the page and some of the rest.
type v2Document struct {
	Page         v2Page           `json:"page"`
	Status       *v2Status        `json:"status,omitempty"`
	Components   *[]v2Component   `json:"components,omitempty"`
	Incidents    *[]v2Incident    `json:"incidents,omitempty"`
	Maintenances *[]v2Maintenance `json:"scheduled_maintenances,omitempty"`
}

// v2Most is how many incidents the lists of all have.
const v2Most = 50

// v2Documents are the documents' names below /api/v2/.
func v2Documents() []string {
	return []string{
		"summary.json", "status.json", "components.json", "incidents.json", "incidents/unresolved.json",
		"scheduled-maintenances.json", "scheduled-maintenances/upcoming.json", "scheduled-maintenances/active.json",
	}
}

func (s *Site) v2Routes(get func(string, http.HandlerFunc)) {
	for _, name := range v2Documents() {
		get("/api/v2/"+name, func(w http.ResponseWriter, r *http.Request) {
			v := s.dataView(r)
			list, err := s.read(r.Context())
			if err != nil {
				s.unavailable(w, r, v)
				return
			}
			s.serve(w, r, v, "/api/v2/"+name, stamp{version: list.version}, func() document {
				return s.jsonDocument(s.v2(v, name, list.value), newest(list.value), pageAge)
			})
		})
	}
}

// v2 makes one of the documents.
func (s *Site) v2(v view, name string, list []statuspage.PublicIncident) v2Document {
	d := v2Document{Page: s.v2Page(list)}
	unplanned := func(keep func(*statuspage.PublicIncident) bool) *[]v2Incident {
		out := []v2Incident{}
		for i := range list {
			if p := &list[i]; p.Kind != statuspage.Maintenance && keep(p) && len(out) < v2Most {
				out = append(out, s.v2Incident(v, p, list))
			}
		}
		return &out
	}
	work := func(keep func(*statuspage.PublicIncident) bool) *[]v2Maintenance {
		out := []v2Maintenance{}
		for i := range list {
			if p := &list[i]; p.Kind == statuspage.Maintenance && keep(p) && len(out) < v2Most {
				out = append(out, v2Maintenance{
					s.v2Incident(v, p, list), v2Time(leading(p)), v2Time(max(leading(p), p.ScheduledUntil)),
				})
			}
		}
		return &out
	}
	all := func(*statuspage.PublicIncident) bool { return true }
	open := func(p *statuspage.PublicIncident) bool { return p.Open() }
	switch name {
	case "summary.json":
		components := s.v2Components(list)
		d.Components, d.Incidents, d.Maintenances, d.Status = &components, unplanned(open), work(open), s.v2Status(list)
	case "status.json":
		d.Status = s.v2Status(list)
	case "components.json":
		components := s.v2Components(list)
		d.Components = &components
	case "incidents.json":
		d.Incidents = unplanned(all)
	case "incidents/unresolved.json":
		d.Incidents = unplanned(open)
	case "scheduled-maintenances.json":
		d.Maintenances = work(all)
	case "scheduled-maintenances/upcoming.json":
		d.Maintenances = work(func(p *statuspage.PublicIncident) bool { return p.Upcoming() })
	case "scheduled-maintenances/active.json":
		d.Maintenances = work(func(p *statuspage.PublicIncident) bool { return p.Ongoing() })
	}
	return d
}

// v2Page names the page. Its identifier is made of its host, so that it stays
// as long as the address does.
func (s *Site) v2Page(list []statuspage.PublicIncident) v2Page {
	changed := statuspage.At(newest(list))
	if len(list) == 0 {
		changed = epoch()
	}
	return v2Page{ID: s.pageID(), Name: s.name, URL: s.base, TimeZone: s.loc.String(), Updated: v2Time(changed)}
}

func (s *Site) pageID() string {
	sum := sha256.Sum256([]byte(s.host + s.path))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:12])
}

// v2Status is the worst that goes on, in words that consumers compare.
func (s *Site) v2Status(list []statuspage.PublicIncident) *v2Status {
	worst := statuspage.Overall(list)
	d := "All Systems Operational"
	switch worst {
	case statuspage.Minor:
		d = "Partially Degraded Service"
	case statuspage.Major:
		d = "Partial System Outage"
	case statuspage.Critical:
		d = "Major Service Outage"
	case statuspage.PlannedImpact:
		d = "Service Under Maintenance"
	}
	return &v2Status{string(worst), d}
}

func (s *Site) v2Components(list []statuspage.PublicIncident) []v2Component {
	out := []v2Component{}
	for n, c := range s.components {
		out = append(out, s.v2Component(c, n+1, list))
	}
	return out
}

// v2Component is a component as it fares now. The configuration knows no dates:
// it changed when an incident that touches it did.
func (s *Site) v2Component(c statuspage.Component, position int, list []statuspage.PublicIncident) v2Component {
	changed := epoch()
	for i := range list {
		if list[i].Touches(c.ID) && !list[i].Upcoming() {
			changed = max(changed, moved(&list[i]))
		}
	}
	return v2Component{
		ID: c.ID, Name: c.Name, Status: string(statuspage.StatusOf(c.ID, list)), PageID: s.pageID(),
		Created: v2Time(epoch()), Updated: v2Time(changed), Position: position,
	}
}

func (s *Site) v2Incident(v view, p *statuspage.PublicIncident, list []statuspage.PublicIncident) v2Incident {
	title, _ := p.TitleIn(v.lang)
	i := v2Incident{
		ID: p.UID, Name: title, Status: string(v2State(p)), Created: v2Time(p.Published), Updated: v2Time(moved(p)),
		Resolved: v2Null(p.Resolved), Impact: string(p.Impact), Shortlink: s.absolute(v, incidentPath(p.Number)),
		Started: v2Time(p.Published), PageID: s.pageID(), Updates: []v2Update{}, Components: []v2Component{},
	}
	switch {
	case p.Started != 0:
		i.Started = v2Time(p.Started)
	case p.ScheduledFor != 0:
		i.Started = v2Time(p.ScheduledFor)
	}
	for _, u := range p.Updates {
		if u.State == statuspage.Monitoring && i.Monitoring == nil {
			i.Monitoring = v2Null(u.Published)
		}
	}
	for n := len(p.Updates) - 1; n >= 0; n-- {
		i.Updates = append(i.Updates, s.v2Update(v, p, n))
	}
	for _, a := range s.affected(p) {
		position := len(s.components) + 1 // one that the configuration no longer has
		for n, c := range s.components {
			if c.ID == a.ID {
				position = n + 1
			}
		}
		i.Components = append(i.Components, s.v2Component(statuspage.Component{ID: a.ID, Name: a.Name}, position, list))
	}
	return i
}

func (s *Site) v2Update(v view, p *statuspage.PublicIncident, n int) v2Update {
	u := p.Updates[n]
	text, _ := u.TextIn(v.lang)
	return v2Update{
		ID: u.UID, Status: string(u.State), Body: markup.MarkdownToPlain(text.Body), IncidentID: p.UID,
		Created: v2Time(u.Published), Updated: v2Time(max(u.Published, text.Published, text.Edited)), Display: v2Time(u.Published),
		Affected: s.v2Affected(p, n), Notify: true,
	}
}

// v2Affected is what an update did to the components: trouble and work touch
// them when they begin, and leave them when they end.
func (s *Site) v2Affected(p *statuspage.PublicIncident, n int) []v2Affected {
	begun := func(u statuspage.PublicUpdate) bool { return u.State != statuspage.Scheduled && !u.State.Over() }
	var list []v2Affected
	for _, c := range s.affected(p) {
		a := v2Affected{Code: c.ID, Name: c.Name, Old: string(statuspage.Operational), New: string(statuspage.Operational)}
		if n > 0 && begun(p.Updates[n-1]) {
			a.Old = string(c.Status)
		}
		if begun(p.Updates[n]) {
			a.New = string(c.Status)
		}
		list = append(list, a)
	}
	return list
}

// v2State is the state on the wire, where cancelled work has none of its own.
func v2State(p *statuspage.PublicIncident) statuspage.State {
	if p.Cancelled {
		return statuspage.Completed
	}
	return p.State
}

func v2Time(t statuspage.Time) string {
	return t.In(time.UTC).Format("2006-01-02T15:04:05.000Z")
}

func v2Null(t statuspage.Time) *string {
	if t == 0 {
		return nil
	}
	text := v2Time(t)
	return &text
}
