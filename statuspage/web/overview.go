package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"permanence/statuspage"
)

// No page grows above 30 kB, which a telephone on a bad line can load: so many
// incidents are shown with their updates, so many in a list, so many of these
// with a text. What is beyond is a link away.
const (
	shortMost    = 4
	listedMost   = 8
	upcomingMost = 18 // on the page of all planned work
	withTextMost = 4
)

type overviewData struct {
	Component  string // the page is about this one alone
	Shape      string
	Overall    string
	Changed    string
	Open       []incidentData // with updates
	OpenToo    []incidentData // more of them, in a list
	OpenMore   string         // that there are still more
	Components []componentData
	Upcoming   []incidentData
	More       string // that more is planned
	Recent     []incidentData
	Quiet      string // that there was nothing, or nothing else
	Links      links  // of the component's feeds
}

type componentData struct{ Name, Link, Shape, Status string }

func (s *Site) overview(w http.ResponseWriter, r *http.Request) {
	s.serveOverview(w, r, s.pageView(r), "/")
}

// statusText is the overview as a file of plain text.
func (s *Site) statusText(w http.ResponseWriter, r *http.Request) {
	v := s.dataView(r)
	v.text = true
	s.serveOverview(w, r, v, "/")
}

func (s *Site) serveOverview(w http.ResponseWriter, r *http.Request, v view, path string) {
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	s.serve(w, r, v, path, s.overviewStamp(list), func() document {
		d := s.page(v, "home", path, list.since)
		d.Overview = s.overviewOf(v, list.value, s.components)
		d.Heading, d.Icon = d.Overview.Overall, icon(d.Overview.Shape)
		if s.static {
			d.Written = s.say(v.lang, "written", "When", s.when(v.lang).Full(statuspage.At(s.now())))
		}
		return s.document(v, d, s.overviewModified(list))
	})
}

// overviewStamp changes with the local day, too: what is recent does.
func (s *Site) overviewStamp(list incidents) stamp {
	st := list.stamp()
	st.day, st.passed = s.today().Unix(), s.passed(list.value...)
	return st
}

func (s *Site) overviewModified(list incidents) time.Time {
	return later(s.today(), later(list.since, newest(list.value)))
}

// component is the overview of one component.
func (s *Site) component(w http.ResponseWriter, r *http.Request) {
	v := s.pageView(r)
	c, ok := s.components.Find(r.PathValue("component"))
	if !ok {
		s.missing(w, r)
		return
	}
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	path := componentPath(c.ID)
	s.serve(w, r, v, path, s.overviewStamp(list), func() document {
		d := s.page(v, "", path, list.since)
		o := s.overviewOf(v, touching(list.value, c.ID), statuspage.Components{c})
		o.Component = c.Name
		o.Shape, o.Overall = o.Components[0].Shape, capital(o.Components[0].Status)
		o.Links = links{Atom: s.address(v, path+"/feed.atom"), RSS: s.address(v, path+"/feed.rss"), Calendar: s.address(v, path+"/travaux.ics")}
		if len(o.Recent) == 0 && len(o.Open) == 0 {
			o.Quiet = d.T.ComponentNone
		}
		d.Overview, d.Heading, d.Icon = o, c.Name, icon(o.Shape)
		return s.document(v, d, s.overviewModified(list))
	})
}

func componentPath(id string) string { return "/components/" + url.PathEscape(id) }

// overviewOf sorts incidents into what is going on, what is planned, and what
// is over since a short time.
func (s *Site) overviewOf(v view, list []statuspage.PublicIncident, components statuspage.Components) *overviewData {
	t := s.words(v.lang)
	o := &overviewData{}
	if at := newest(list); len(list) > 0 {
		o.Changed = s.say(v.lang, "changed", "When", s.when(v.lang).Full(statuspage.At(at)))
	}
	from := statuspage.At(s.today().AddDate(0, 0, 1-recentDays))
	var upcoming, past []*statuspage.PublicIncident
	ongoing := byWeight(list)
	for i := range list {
		switch p := &list[i]; {
		case p.Upcoming():
			upcoming = append(upcoming, p)
		case !p.Open() && (p.Published >= from || p.Resolved >= from):
			past = append(past, p)
		}
	}
	o.Open, o.OpenToo, o.OpenMore = s.ongoing(v, ongoing)
	soonestFirst(upcoming)
	o.Upcoming, o.More = s.listed(v, upcoming, listedMost)
	o.Recent, _ = s.listed(v, past, listedMost)
	o.Shape = shapeOf(statuspage.Overall(list), len(ongoing) > 0)
	o.Overall = s.overall(v.lang, statuspage.Overall(list), len(ongoing))
	switch {
	case len(past) > listedMost:
		o.Quiet = t.RecentMore
	case len(ongoing) == 0 && len(past) == 0:
		o.Quiet = t.RecentNone
	default:
		o.Quiet = t.RecentNoOther
	}
	for _, c := range components {
		status := statuspage.StatusOf(c.ID, list)
		o.Components = append(o.Components, componentData{
			c.Name, s.address(v, componentPath(c.ID)), statusShape(status), capital(status.Text().In(v.lang))})
	}
	return o
}

// byWeight gives what is going on, the worst first, then as it was.
func byWeight(list []statuspage.PublicIncident) []*statuspage.PublicIncident {
	var ongoing []*statuspage.PublicIncident
	for i := range list {
		if list[i].Ongoing() {
			ongoing = append(ongoing, &list[i])
		}
	}
	slices.SortStableFunc(ongoing, func(a, b *statuspage.PublicIncident) int {
		return cmp.Compare(b.Impact.Rank(), a.Impact.Rank())
	})
	return ongoing
}

func soonestFirst(list []*statuspage.PublicIncident) {
	slices.SortStableFunc(list, func(a, b *statuspage.PublicIncident) int {
		return cmp.Compare(a.ScheduledFor, b.ScheduledFor)
	})
}

// ongoing shows the first with their updates and lists others; more says that
// there are still others.
func (s *Site) ongoing(v view, list []*statuspage.PublicIncident) (open, listed []incidentData, more string) {
	much := short
	if len(list) > 2 {
		much = shorter
	}
	n := min(len(list), shortMost)
	for _, p := range list[:n] {
		open = append(open, s.describe(v, p, much))
	}
	listed, more = s.listed(v, list[n:], listedMost)
	return open, listed, more
}

// listed describes the first most of a list; more says that there are others.
func (s *Site) listed(v view, list []*statuspage.PublicIncident, most int) (out []incidentData, more string) {
	for n, p := range list[:min(len(list), most)] {
		i := s.describe(v, p, brief)
		if n >= withTextMost {
			i.Text = ""
		}
		out = append(out, i)
	}
	if len(list) > most {
		more = s.say(v.lang, "more", "Count", len(list)-most)
	}
	return out, more
}
