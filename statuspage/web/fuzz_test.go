package web

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"permanence/statuspage"
)

// FuzzTexts writes any text into every field that people fill, and holds each
// format to its rules.
func FuzzTexts(f *testing.F) {
	f.Add("Titre", "Un **texte**.", "Service")
	f.Add("]]> <b> & \x00\x1b \ufffe", "<script>alert(1)</script> [x](javascript:alert(1))\r\nEND:VCALENDAR", "\"><script>")
	f.Add("é\u202e\u2028", "|a|\n|-:|\n|1|", ",;\\\n")
	f.Add("\xff\xfe", "```\n</style>", "")
	f.Fuzz(func(t *testing.T, title, body, name string) {
		list := week()[2:4]
		for i := range list {
			list[i].Title, list[i].Components[0].Name, list[i].Components[0].ID = title, name, "gone"
			list[i].Updates[0].Body = body
			list[i].Updates[0].Texts = []statuspage.PublicText{{Lang: "en", Body: title, Published: at(19, 12, 0)}}
		}
		x := newFixture(t, list)
		for _, path := range []string{"/", "/incidents/49", "/embed"} {
			page := strings.ToLower(x.get(path).Body.String())
			for _, bad := range []string{"<script", "<img", "<iframe", `href="javascript:`, `style="`} {
				if strings.Contains(page, bad) {
					t.Errorf("%s has %s", path, bad)
				}
			}
		}
		for _, path := range []string{"/feed.atom", "/feed.rss", "/history.atom", "/history.rss", "/feed.php?feed_type=rss1", "/badge.svg"} {
			d := xml.NewDecoder(x.get(path).Body)
			for {
				_, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
			}
		}
		for _, path := range []string{"/feed.json", "/api/v2/summary.json", "/embed.json"} {
			if got := x.get(path).Body.Bytes(); !json.Valid(got) {
				t.Errorf("%s: %s", path, got)
			}
		}
		events := 0
		for line := range strings.SplitSeq(x.get("/travaux.ics").Body.String(), "\r\n") {
			if len(line) > 75 || strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("calendar line %q", line)
			}
			if line == "BEGIN:VEVENT" {
				events++
			}
		}
		if events != 2 {
			t.Errorf("%d events", events)
		}
		if text := x.get("/", "Accept", "text/plain").Body.String(); strings.ContainsAny(text, "\x1b\r\x00") {
			t.Errorf("control characters in %q", text)
		}
	})
}

// FuzzRequest asks for anything: there is always an answer, and never a
// failure.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"/", "/en/history/2026-10/2", "/feed.php?feed_type=rss1&num=9", "/index.php?do=details&task_id=7", "/components/%2e%2e/feed.atom", "/incidents/99999999999999999999"} {
		f.Add(s, "gzip;q=0", "fr;q=x", `W/"a", "b"`)
	}
	source := &fakeSource{list: week()}
	f.Fuzz(func(t *testing.T, target, encoding, lang, tags string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, "/") {
			return
		}
		x := newFixture(t, nil)
		x.site.source = source
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = u
		r.Header = http.Header{"Accept-Encoding": {encoding}, "Accept-Language": {lang}, "If-None-Match": {tags}}
		w := httptest.NewRecorder()
		x.site.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s: %d", target, w.Code)
		}
	})
}
