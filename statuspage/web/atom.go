package web

import (
	"encoding/xml"
	"time"

	"permanence/statuspage"
)

// atomOf writes Atom (RFC 4287). Names with a colon are written as they stand.
func atomOf() format { return format{"atom", "application/atom+xml; charset=utf-8", writeAtom} }

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

func writeAtom(d feed) ([]byte, error) {
	a := atomFeed{
		Thread: "http://purl.org/syndication/thread/1.0", Lang: d.lang,
		ID: d.id, Title: d.title, Subtitle: d.subtitle, Updated: atomTime(d.updated),
		Author: atomAuthor{d.author}, Generator: "Permanence",
		Links: []atomLink{
			{Rel: "self", Type: "application/atom+xml", Href: d.self},
			{Rel: "alternate", Type: "text/html", HrefLang: d.lang, Href: d.home},
		},
	}
	for _, e := range d.entries {
		one := atomEntry{
			Lang: e.lang, ID: e.id, Published: atomTime(e.published), Updated: atomTime(e.updated), Title: e.title,
			Links: []atomLink{{Rel: "alternate", Type: "text/html", Href: e.link}}, Content: atomContent{"html", e.html},
		}
		if e.related != "" {
			one.Links = append(one.Links, atomLink{Rel: "related", Type: "text/html", Href: e.related})
		}
		if e.first != "" {
			one.InReplyTo = &atomReply{e.first, "text/html", e.related}
		}
		for _, t := range e.terms {
			one.Categories = append(one.Categories, atomCategory(t))
		}
		a.Entries = append(a.Entries, one)
	}
	return marshalXML(a)
}

// atomTime has whole seconds (RFC 3339).
func atomTime(t statuspage.Time) string { return t.In(time.UTC).Format(time.RFC3339) }
