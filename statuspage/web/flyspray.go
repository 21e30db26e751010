package web

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"permanence/statuspage"
)

// Platforms for announcing work ran on FlySpray, a task tracker: its feeds are
// subscribed to, and its addresses stand in old mails. Both go on working here:
// feed.php with its parameters, and links to tasks, whose numbers are those of
// incidents.

// flySprayRequest is what feed.php is asked for.
type flySprayRequest struct {
	format string // rss1, rss2 or atom
	topic  string // open (opened last), edit (changed last), clo (closed last)
	num    int
}

// How many items a feed has that does not say, and has at most.
const (
	flySprayItems = 20
	flySprayMost  = 50
)

// readFlySpray reads the parameters as FlySpray does: what it does not know is
// the default, of formats Atom. We have one project, so its number says nothing.
func readFlySpray(q url.Values) flySprayRequest {
	f := flySprayRequest{format: "atom", topic: "open", num: flySprayItems}
	switch t := q.Get("feed_type"); t {
	case "rss1", "rss2":
		f.format = t
	}
	switch t := q.Get("topic"); t {
	case "clo", "edit":
		f.topic = t
	}
	if n, err := strconv.Atoi(q.Get("num")); err == nil && n > 0 {
		f.num = min(n, flySprayMost)
	}
	return f
}

func (s *Site) flySprayFeed(w http.ResponseWriter, r *http.Request) {
	v := s.dataView(r)
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	f := readFlySpray(r.URL.Query())
	path := "/feed.php?feed_type=" + f.format + "&topic=" + f.topic + "&num=" + strconv.Itoa(f.num)
	s.serve(w, r, v, path, stamp{version: list.version}, func() document {
		d := s.flySprayEntries(v, f, list.value)
		d.self = s.base + path
		as := atomOf()
		switch f.format {
		case "rss1":
			as = format{"rdf", "application/rdf+xml; charset=utf-8", writeRDF}
		case "rss2":
			as = rssOf()
		}
		body, err := as.write(d)
		if err != nil {
			s.log.Error("rendering feed", "feed", path, "err", err)
			return document{}
		}
		return document{kind: s.feedKind(as.contentType), body: body, modified: d.updated.In(time.UTC)}
	})
}

// flySprayEntries names tasks as FlySpray does, "FS#42: title", by the address
// of their details. Their date is that of the topic: FlySpray itself always
// gave the opening, so that readers of its list of closed tasks never saw one
// end.
func (s *Site) flySprayEntries(v view, f flySprayRequest, list []statuspage.PublicIncident) feed {
	t := s.words(v.lang)
	d := feed{
		author: s.name, id: s.base + "/feed.php", title: s.name + " – " + t.Title, subtitle: t.WholeSubtitle,
		lang: v.lang, home: s.absolute(v, "/"), updated: epoch(),
	}
	date := func(p *statuspage.PublicIncident) statuspage.Time {
		switch f.topic {
		case "edit":
			return moved(p)
		case "clo":
			return p.Resolved
		}
		return p.Published
	}
	var some []*statuspage.PublicIncident
	for i := range list {
		if f.topic != "clo" || !list[i].Open() {
			some = append(some, &list[i])
		}
	}
	slices.SortStableFunc(some, func(a, b *statuspage.PublicIncident) int { return cmp.Compare(date(b), date(a)) })
	for _, p := range some[:min(len(some), f.num)] {
		number := strconv.FormatInt(p.Number, 10)
		e := s.incidentEntry(v, p)
		e.link = s.base + "/index.php?do=details&task_id=" + number
		e.id = e.link
		if f.format == "atom" {
			e.id = s.base + ":" + number
		}
		e.title = "FS#" + number + ": " + e.title
		e.published = p.Published
		if f.format != "atom" {
			e.published = date(p)
		}
		d.updated = max(d.updated, e.updated)
		d.entries = append(d.entries, e)
	}
	return d
}

// flySprayIndex sends "index.php?do=details&task_id=42" to the incident, and
// everything else to the overview.
func (s *Site) flySprayIndex(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if number, ok := readNumber(q.Get("task_id")); ok && (q.Get("do") == "details" || q.Get("do") == "") {
		s.redirect(w, r, s.address(s.addressView(r), incidentPath(number)))
		return
	}
	s.redirect(w, r, s.address(s.addressView(r), "/"))
}

// RSS 1.0 is RDF: the channel lists its items' addresses, the items stand
// beside it.
type rdfFeed struct {
	XMLName xml.Name   `xml:"rdf:RDF"`
	RDF     string     `xml:"xmlns:rdf,attr"`
	RSS     string     `xml:"xmlns,attr"`
	DC      string     `xml:"xmlns:dc,attr"`
	Channel rdfChannel `xml:"channel"`
	Items   []rdfItem  `xml:"item"`
}

type rdfChannel struct {
	About       string   `xml:"rdf:about,attr"`
	Title       string   `xml:"title"`
	Link        string   `xml:"link"`
	Description string   `xml:"description"`
	Date        string   `xml:"dc:date"`
	Items       []rdfRef `xml:"items>rdf:Seq>rdf:li"`
}

type rdfRef struct {
	Resource string `xml:"rdf:resource,attr"`
}

type rdfItem struct {
	About       string `xml:"rdf:about,attr"`
	Title       string `xml:"title"`
	Link        string `xml:"link"`
	Date        string `xml:"dc:date"`
	Description string `xml:"description"`
}

func writeRDF(d feed) ([]byte, error) {
	r := rdfFeed{
		RDF: "http://www.w3.org/1999/02/22-rdf-syntax-ns#", RSS: "http://purl.org/rss/1.0/",
		DC:      "http://purl.org/dc/elements/1.1/",
		Channel: rdfChannel{About: d.self, Title: d.title, Link: d.home, Description: d.subtitle, Date: atomTime(d.updated)},
	}
	for _, e := range d.entries {
		r.Channel.Items = append(r.Channel.Items, rdfRef{e.link})
		r.Items = append(r.Items, rdfItem{e.link, e.title, e.link, atomTime(e.published), e.html})
	}
	return marshalXML(r)
}
