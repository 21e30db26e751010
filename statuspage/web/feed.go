package web

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strconv"
	"time"

	"permanence/statuspage"
)

// The feed has one entry per update (RFC 4287): readers do not show an entry
// anew that they have seen, so that one entry per incident would tell of the
// start and never of the end. Names with a colon are written as they stand.
type atomFeed struct {
	XMLName   xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Thread    string      `xml:"xmlns:thr,attr"`
	Lang      string      `xml:"xml:lang,attr"`
	ID        string      `xml:"id"`
	Title     string      `xml:"title"`
	Subtitle  string      `xml:"subtitle"`
	Updated   string      `xml:"updated"`
	Author    atomAuthor  `xml:"author"`
	Generator string      `xml:"generator"`
	Links     []atomLink  `xml:"link"`
	Entries   []atomEntry `xml:"entry"`
}

type atomAuthor struct {
	Name string `xml:"name"`
}

type atomLink struct {
	Rel      string `xml:"rel,attr"`
	Type     string `xml:"type,attr,omitempty"`
	HrefLang string `xml:"hreflang,attr,omitempty"`
	Href     string `xml:"href,attr"`
}

type atomEntry struct {
	Lang       string         `xml:"xml:lang,attr,omitempty"`
	ID         string         `xml:"id"`
	Published  string         `xml:"published"`
	Updated    string         `xml:"updated"`
	Title      string         `xml:"title"`
	Links      []atomLink     `xml:"link"`
	InReplyTo  *atomReply     `xml:"thr:in-reply-to"`
	Categories []atomCategory `xml:"category"`
	Content    atomContent    `xml:"content"`
}

// atomReply ties an update to the first of its incident (RFC 4685).
type atomReply struct {
	Ref  string `xml:"ref,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type atomCategory struct {
	Term  string `xml:"term,attr"`
	Label string `xml:"label,attr,omitempty"`
}

type atomContent struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// tagYear stands in the identifiers of the feed (RFC 4151) and never changes.
const tagYear = "2026"

func (s *Site) tag(specific string) string { return "tag:" + s.host + "," + tagYear + ":" + specific }

func (s *Site) updateTag(uid string) string { return s.tag("update/" + uid) }

func (s *Site) renderFeed(v view, list []statuspage.PublicIncident) document {
	t := sentencesIn(v.lang)
	query := ""
	id := s.tag("feed")
	if v.lang != s.lang {
		query, id = "?lang="+v.lang, s.tag("feed/"+v.lang)
	}
	type dated struct {
		at    statuspage.Time
		entry atomEntry
	}
	var entries []dated
	for _, p := range list {
		for n, u := range p.Updates {
			entries = append(entries, dated{u.Published, s.entry(v, p, n)})
		}
	}
	slices.SortStableFunc(entries, func(a, b dated) int { return int(b.at - a.at) })
	entries = entries[:min(len(entries), feedEntries)]
	feed := atomFeed{
		Thread: "http://purl.org/syndication/thread/1.0", Lang: v.lang,
		ID: id, Title: t.Title + " – " + s.name, Subtitle: t.FeedSubtitle,
		Author: atomAuthor{s.name}, Generator: "Permanence",
		Links: []atomLink{
			{Rel: "self", Type: "application/atom+xml", Href: s.base + "/feed.atom" + query},
			{Rel: "alternate", Type: "text/html", HrefLang: v.lang, Href: s.base + "/" + query},
		},
	}
	for _, d := range entries {
		feed.Entries = append(feed.Entries, d.entry)
		feed.Updated = max(feed.Updated, d.entry.Updated) // all in one format, UTC
	}
	if len(entries) == 0 {
		// An empty feed needs a time, too; one that does not move.
		feed.Updated = tagYear + "-01-01T00:00:00Z"
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", " ")
	if err := e.Encode(feed); err != nil {
		s.log.Error("rendering feed", "err", err)
		return document{}
	}
	b.WriteByte('\n')
	modified, err := time.Parse(time.RFC3339, feed.Updated)
	if err != nil {
		s.log.Error("rendering feed", "err", err)
		return document{}
	}
	return document{body: b.Bytes(), contentType: "application/atom+xml; charset=utf-8", modified: modified}
}

// entry is update n of an incident. Its updated moves with a correction of
// this very update, never with what comes after it.
func (s *Site) entry(v view, p statuspage.PublicIncident, n int) atomEntry {
	u := p.Updates[n]
	page := s.base + "/incidents/" + strconv.FormatInt(p.Number, 10)
	e := atomEntry{
		Lang: u.Lang, ID: s.updateTag(u.UID),
		Published: atomTime(u.Published), Updated: atomTime(max(u.Published, u.Edited)),
		Title: "[" + capital(u.State.Text().In(v.lang)) + "] " + p.Title,
		Links: []atomLink{
			{Rel: "alternate", Type: "text/html", Href: page + "#u-" + u.UID},
			{Rel: "related", Type: "text/html", Href: page},
		},
		Categories: []atomCategory{{string(u.State), u.State.Text().In(v.lang)}},
		Content:    atomContent{"html", s.html(u.Body)},
	}
	if n > 0 {
		e.InReplyTo = &atomReply{s.updateTag(p.Updates[0].UID), "text/html", page}
	}
	for _, c := range p.Components {
		name := c.Name
		if now, ok := s.components.Find(c.ID); ok {
			name = now.Name
		}
		e.Categories = append(e.Categories, atomCategory{"component:" + c.ID, name})
	}
	e.Categories = append(e.Categories, atomCategory{"impact:" + string(p.Impact), p.Impact.Text().In(v.lang)})
	return e
}

// atomTime has whole seconds, so that times of one feed compare as text.
func atomTime(t statuspage.Time) string { return t.In(time.UTC).Format(time.RFC3339) }
