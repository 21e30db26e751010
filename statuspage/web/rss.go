package web

import (
	"encoding/xml"
	"time"

	"permanence/statuspage"
)

// rssOf writes RSS 2.0.
func rssOf() format { return format{"rss", "application/rss+xml; charset=utf-8", writeRSS} }

type rssFeed struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Atom    string     `xml:"xmlns:atom,attr"`
	Channel rssChannel `xml:"channel"`
}

type rssChannel struct {
	Title       string    `xml:"title"`
	Link        string    `xml:"link"`
	Description string    `xml:"description"`
	Language    string    `xml:"language"`
	Built       string    `xml:"lastBuildDate"`
	Generator   string    `xml:"generator"`
	TTL         int       `xml:"ttl"` // in minutes
	Self        atomLink  `xml:"atom:link"`
	Items       []rssItem `xml:"item"`
}

type rssItem struct {
	Title       string        `xml:"title"`
	Link        string        `xml:"link"`
	GUID        rssGUID       `xml:"guid"`
	Published   string        `xml:"pubDate"`
	Categories  []rssCategory `xml:"category"`
	Description string        `xml:"description"`
}

type rssGUID struct {
	Permalink bool   `xml:"isPermaLink,attr"`
	ID        string `xml:",chardata"`
}

type rssCategory struct {
	Name string `xml:",chardata"`
}

func writeRSS(d feed) ([]byte, error) {
	r := rssFeed{
		Version: "2.0", Atom: "http://www.w3.org/2005/Atom",
		Channel: rssChannel{
			Title: d.title, Link: d.home, Description: d.subtitle, Language: d.lang,
			Built: rssTime(d.updated), Generator: "Permanence", TTL: 5,
			Self: atomLink{Rel: "self", Type: "application/rss+xml", Href: d.self},
		},
	}
	for _, e := range d.entries {
		item := rssItem{
			Title: e.title, Link: e.link, GUID: rssGUID{ID: e.id, Permalink: e.id == e.link},
			Published: rssTime(e.published), Description: e.html,
		}
		for _, t := range e.terms {
			item.Categories = append(item.Categories, rssCategory{Name: t.Term})
		}
		r.Channel.Items = append(r.Channel.Items, item)
	}
	return marshalXML(r)
}

// rssTime is a time as RFC 822 and its successors write it, with an offset.
func rssTime(t statuspage.Time) string { return t.In(time.UTC).Format(time.RFC1123Z) }
