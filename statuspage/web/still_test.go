package web

import (
	"strings"
	"testing"
	"time"
)

// documentPaths are all that programs read.
func documentPaths() []string {
	paths := []string{"/feed.php?feed_type=rss1", "/feed.php?feed_type=rss2&topic=edit", "/feed.php?topic=clo", "/embed.json", "/badge.svg", "/embed.js"}
	for _, name := range v2Documents() {
		paths = append(paths, "/api/v2/"+name)
	}
	for _, prefix := range []string{"", "/components/mail"} {
		for _, name := range []string{"/feed.atom", "/feed.rss", "/feed.json", "/history.atom", "/history.rss", "/travaux.ics"} {
			paths = append(paths, prefix+name, prefix+name+"?lang=en")
		}
	}
	return paths
}

// What programs read stays as it is, byte for byte, as long as nobody says
// anything: neither the time, nor reading anew, nor another run moves it.
func TestNothingMovesByItself(t *testing.T) {
	f, again := weekFixture(t, week()), weekFixture(t, week())
	again.pass(26 * time.Hour)
	for _, path := range documentPaths() {
		first := f.get(path)
		if first.Code != 200 {
			t.Errorf("%s: %d", path, first.Code)
			continue
		}
		tag, modified := first.Header().Get("Etag"), first.Header().Get("Last-Modified")
		f.site.Changed()
		for what, w := range map[string]*fixture{"read anew": f, "a day later, by another run": again} {
			if w := w.get(path); w.Header().Get("Etag") != tag || w.Header().Get("Last-Modified") != modified {
				t.Errorf("%s, %s: %s %s, was %s %s", path, what, w.Header().Get("Etag"), w.Header().Get("Last-Modified"), tag, modified)
			}
		}
		for _, known := range [][]string{{"If-None-Match", tag}, {"If-None-Match", `W/"other", W/` + tag}, {"If-Modified-Since", modified}} {
			if known[1] == "" {
				continue // the script has no time
			}
			w := f.get(path, known...)
			if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "" || w.Header().Get("Etag") != tag {
				t.Errorf("%s with %q: %d, %d bytes, %v", path, known, w.Code, w.Body.Len(), w.Header())
			}
		}
	}
}

// Hostile titles, tables and long texts in every feed: other people's parsers
// understand them.
func TestFeedsOfACrowdAreUnderstood(t *testing.T) {
	read := readers(t)
	f := weekFixture(t, crowd())
	for _, path := range documentPaths() {
		body := f.get(path).Body.String()
		switch {
		case strings.Contains(path, ".ics"):
			if u := read("calendar", body); len(u.Events) == 0 {
				t.Errorf("%s has no events", path)
			}
		case strings.Contains(path, "/feed") || strings.Contains(path, "/history"):
			if u := read("feed", body); len(u.Items) == 0 {
				t.Errorf("%s has no items", path)
			}
			if !strings.Contains(path, ".json") {
				lint(t, []byte(body))
			}
		case strings.HasSuffix(path, ".svg"):
			lint(t, []byte(body))
		}
	}
}
