package web

import (
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/statuspage"
)

// The names and attributes as a reader sees them, apart from the writer's.
type readFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string      `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	IDs     []string    `xml:"http://www.w3.org/2005/Atom id"`
	Titles  []string    `xml:"http://www.w3.org/2005/Atom title"`
	Updated []string    `xml:"http://www.w3.org/2005/Atom updated"`
	Authors []string    `xml:"http://www.w3.org/2005/Atom author>name"`
	Links   []readLink  `xml:"http://www.w3.org/2005/Atom link"`
	Entries []readEntry `xml:"http://www.w3.org/2005/Atom entry"`
}

type readLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type readEntry struct {
	IDs       []string   `xml:"http://www.w3.org/2005/Atom id"`
	Titles    []string   `xml:"http://www.w3.org/2005/Atom title"`
	Published []string   `xml:"http://www.w3.org/2005/Atom published"`
	Updated   []string   `xml:"http://www.w3.org/2005/Atom updated"`
	Links     []readLink `xml:"http://www.w3.org/2005/Atom link"`
	Replies   []struct {
		Ref string `xml:"ref,attr"`
	} `xml:"http://purl.org/syndication/thread/1.0 in-reply-to"`
	Categories []struct {
		Term  string `xml:"term,attr"`
		Label string `xml:"label,attr"`
	} `xml:"http://www.w3.org/2005/Atom category"`
	Content []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"http://www.w3.org/2005/Atom content"`
}

func (e readEntry) terms() string {
	var terms []string
	for _, c := range e.Categories {
		terms = append(terms, c.Term)
	}
	return strings.Join(terms, " ")
}

// parseFeed reads a feed and holds it to what RFC 4287 demands.
func parseFeed(t *testing.T, body string) readFeed {
	t.Helper()
	var f readFeed
	if err := xml.Unmarshal([]byte(body), &f); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	one := func(what string, values []string) string {
		if len(values) != 1 || values[0] == "" {
			t.Errorf("%s: %q, want exactly one", what, values)
			return ""
		}
		return values[0]
	}
	stamp := func(what string, values []string) time.Time {
		at, err := time.Parse(time.RFC3339, one(what, values))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return at
	}
	seen := map[string]bool{}
	id := func(values []string) {
		v := one("id", values)
		if u, err := url.Parse(v); err != nil || !u.IsAbs() || seen[v] {
			t.Errorf("id %q is no absolute address or there twice", v)
		}
		seen[v] = true
	}
	links := func(list []readLink, rels ...string) {
		var have []string
		for _, l := range list {
			have = append(have, l.Rel)
			if u, err := url.Parse(l.Href); err != nil || u.Scheme != "https" || u.Host == "" || l.Type == "" {
				t.Errorf("link %+v", l)
			}
		}
		if !slices.Equal(have, rels) {
			t.Errorf("links %q, want %q", have, rels)
		}
	}
	id(f.IDs)
	one("title", f.Titles)
	one("author", f.Authors)
	links(f.Links, "self", "alternate")
	newest := stamp("updated", f.Updated)
	var last time.Time
	for i, e := range f.Entries {
		id(e.IDs)
		one("entry title", e.Titles)
		links(e.Links, "alternate", "related")
		published, updated := stamp("published", e.Published), stamp("entry updated", e.Updated)
		if updated.Before(published) || updated.After(newest) {
			t.Errorf("entry %d: published %s, updated %s, feed %s", i, published, updated, newest)
		}
		if i > 0 && published.After(last) {
			t.Errorf("entry %d is newer than the one before", i)
		}
		last = published
		if len(e.Content) != 1 || e.Content[0].Type != "html" {
			t.Errorf("entry %d: content %+v", i, e.Content)
		}
	}
	return f
}

func TestFeed(t *testing.T) {
	f := newFixture(t, scene())
	w := f.get("/feed.atom", "Accept-Language", "en") // the feed is whose address it is
	if got := w.Header().Get("Content-Type"); got != "application/atom+xml; charset=utf-8" {
		t.Errorf("type %s", got)
	}
	feed := parseFeed(t, w.Body.String())
	if feed.Lang != "fr" || feed.IDs[0] != "tag:travaux.example.org,2026:feed" || len(feed.Entries) != 6 {
		t.Fatalf("feed %+v", feed)
	}
	e := feed.Entries[0]
	if e.IDs[0] != "tag:travaux.example.org,2026:update/u2" || e.Titles[0] != "[Cause identifiée] Messagerie : envois retardés" ||
		e.Published[0] != "2026-10-19T18:15:00Z" || e.Updated[0] != "2026-10-19T18:20:00Z" ||
		e.Links[0].Href != "https://travaux.example.org/incidents/42#u-u2" ||
		len(e.Replies) != 1 || e.Replies[0].Ref != "tag:travaux.example.org,2026:update/u1" ||
		e.terms() != "identified component:mail impact:minor" || e.Categories[1].Label != "Messagerie" ||
		!strings.Contains(e.Content[0].Text, "<strong>mort</strong>") {
		t.Errorf("entry %+v", e)
	}
	if first := feed.Entries[1]; len(first.Replies) != 0 {
		t.Errorf("the first update answers %+v", first.Replies)
	}
	if feed.Updated[0] != "2026-10-19T18:20:00Z" {
		t.Errorf("updated %s", feed.Updated[0])
	}

	english := parseFeed(t, f.get("/feed.atom?lang=en").Body.String())
	if english.IDs[0] == feed.IDs[0] || english.Entries[0].IDs[0] != e.IDs[0] || !strings.HasPrefix(english.Entries[0].Titles[0], "[Cause identified]") {
		t.Errorf("english %+v", english)
	}
	if same := f.get("/feed.atom?lang=fr").Body.String(); same != w.Body.String() {
		t.Error("the feed in its own language has two addresses in itself")
	}
}

func TestFeedMovesOnlyWhatMoved(t *testing.T) {
	f := newFixture(t, scene())
	before := parseFeed(t, f.get("/feed.atom").Body.String())
	f.pass(48 * time.Hour)
	if body := f.get("/feed.atom").Body.String(); parseFeed(t, body).Updated[0] != before.Updated[0] {
		t.Error("updated moves by itself")
	}
	f.source.set(func(s *fakeSource) {
		s.list[0].State, s.list[0].Resolved, s.list[0].Updated = statuspage.Resolved, at(19, 21, 40), at(19, 21, 40)
		s.list[0].Updates = append(slices.Clone(s.list[0].Updates), statuspage.PublicUpdate{
			UID: "u7", State: statuspage.Resolved, Body: "Fini.", Lang: "fr", Published: at(19, 21, 40)})
	})
	f.site.Changed()
	after := parseFeed(t, f.get("/feed.atom").Body.String())
	if after.Updated[0] != "2026-10-19T19:40:00Z" || len(after.Entries) != len(before.Entries)+1 || after.Entries[0].Titles[0] != "[Terminé] Messagerie : envois retardés" {
		t.Errorf("after the end: %+v", after)
	}
	for i, e := range before.Entries {
		if now := after.Entries[i+1]; now.IDs[0] != e.IDs[0] || now.Updated[0] != e.Updated[0] {
			t.Errorf("entry %s moved: %s to %s", e.IDs[0], e.Updated[0], now.Updated[0])
		}
	}
}

func TestFeedOfHostileText(t *testing.T) {
	list := scene()
	list[0].Title = "]]> <b> & \x00\x1b \ufffe"
	list[0].Updates[0].Body = "]]>\x00 <script>alert(1)</script>"
	feed := parseFeed(t, newFixture(t, list).get("/feed.atom").Body.String())
	for _, e := range feed.Entries {
		if strings.Contains(e.Content[0].Text, "<script") {
			t.Errorf("content %q", e.Content[0].Text)
		}
	}
	parseFeed(t, newFixture(t, nil).get("/feed.atom").Body.String())
}
