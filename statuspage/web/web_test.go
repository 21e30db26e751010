package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"permanence/internal/i18n"
	"permanence/statuspage"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fakeSource has incidents in memory; it can fail, and hold its readers.
type fakeSource struct {
	mu    sync.Mutex
	list  []statuspage.PublicIncident // the newest first
	err   error
	reads int
	hold  chan struct{} // readers wait for it to be closed, if not nil
}

func (f *fakeSource) all(ctx context.Context) ([]statuspage.PublicIncident, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if hold := f.hold; hold != nil {
		f.mu.Unlock()
		select {
		case <-hold:
		case <-ctx.Done():
		}
		f.mu.Lock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return slices.Clone(f.list), f.err
}

func (f *fakeSource) Current(ctx context.Context, _ int) ([]statuspage.PublicIncident, error) {
	return f.all(ctx)
}

func (f *fakeSource) Between(ctx context.Context, from, before statuspage.Time) ([]statuspage.PublicIncident, error) {
	list, err := f.all(ctx)
	return slices.DeleteFunc(list, func(p statuspage.PublicIncident) bool {
		return p.Published < from || p.Published >= before
	}), err
}

func (f *fakeSource) Incident(ctx context.Context, number statuspage.ID) (statuspage.PublicIncident, bool, error) {
	list, err := f.all(ctx)
	i := slices.IndexFunc(list, func(p statuspage.PublicIncident) bool { return p.Number == number })
	if err != nil || i < 0 {
		return statuspage.PublicIncident{}, false, err
	}
	return list[i], true, nil
}

func (f *fakeSource) set(change func(f *fakeSource)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// fixture is a site at 19 October 2026, 22:00 in Paris.
type fixture struct {
	t      testing.TB
	source *fakeSource
	site   *Site
	loc    *time.Location

	mu  sync.Mutex
	now time.Time
}

func newFixture(t testing.TB, list []statuspage.PublicIncident) *fixture {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, source: &fakeSource{list: list}, loc: loc, now: time.Date(2026, 10, 19, 22, 0, 0, 0, loc)}
	f.site, err = New(Options{
		Name: "Hébergeur associatif", Lang: "fr", Location: loc, URL: "https://travaux.example.org/",
		Source: f.source,
		Components: statuspage.Components{
			{ID: "mail", Name: "Messagerie"}, {ID: "web", Name: "Hébergement web"},
		},
		Catalog: catalog(t), Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// catalog is read once for all tests.
func catalog(t testing.TB) *i18n.Catalog {
	t.Helper()
	c, err := readCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var readCatalog = sync.OnceValues(i18n.New)

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// get asks for a path; headers are names and values in turn.
func (f *fixture) get(path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	return w
}

func at(day, hour, minute int) statuspage.Time {
	return statuspage.At(time.Date(2026, 10, day, hour-2, minute, 0, 0, time.UTC)) // CEST
}

// scene has one open incident, planned work, and two that are over.
func scene() []statuspage.PublicIncident {
	return []statuspage.PublicIncident{
		{
			Number: 42, UID: "i42", Kind: statuspage.Unplanned, Title: "Messagerie : envois retardés", Lang: "fr",
			State: statuspage.Identified, Impact: statuspage.Minor,
			Started: at(19, 19, 2), Published: at(19, 19, 5), NextWord: at(19, 22, 30), Updated: at(19, 20, 20),
			Components: []statuspage.PublicComponent{{ID: "mail", Name: "Mail", Status: statuspage.Degraded}},
			Updates: []statuspage.PublicUpdate{
				{UID: "u1", State: statuspage.Investigating, Body: "envois retardés", Lang: "fr", Published: at(19, 19, 5)},
				{UID: "u2", State: statuspage.Identified, Body: "Un disque est **mort**, voir [le forum](https://forum.example.org/).", Lang: "fr", Published: at(19, 20, 15), Edited: at(19, 20, 20)},
			},
		},
		{
			Number: 41, UID: "i41", Kind: statuspage.Maintenance, Title: "Migration du stockage", Lang: "fr",
			State: statuspage.Scheduled, Impact: statuspage.PlannedImpact,
			Published: at(18, 9, 0), ScheduledFor: at(24, 22, 0), ScheduledUntil: at(25, 0, 0), Updated: at(18, 9, 0),
			Components: []statuspage.PublicComponent{{ID: "files", Name: "Fichiers", Status: statuspage.UnderMaintenance}},
			Updates:    []statuspage.PublicUpdate{{UID: "u3", State: statuspage.Scheduled, Body: "Les fichiers seront en lecture seule.", Lang: "fr", Published: at(18, 9, 0)}},
		},
		{
			Number: 40, UID: "i40", Kind: statuspage.Unplanned, Title: "Hébergement web : 502", Lang: "fr",
			State: statuspage.Resolved, Impact: statuspage.Major,
			Started: at(12, 8, 0), Published: at(12, 8, 0), Resolved: at(12, 9, 30), Updated: at(12, 9, 30),
			Components: []statuspage.PublicComponent{{ID: "web", Name: "Hébergement web", Status: statuspage.PartialOutage}},
			Updates: []statuspage.PublicUpdate{
				{UID: "u4", State: statuspage.Investigating, Body: "502", Lang: "fr", Published: at(12, 8, 0)},
				{UID: "u5", State: statuspage.Resolved, Body: "L’incident est terminé.", Lang: "fr", Published: at(12, 9, 30)},
			},
		},
		{
			Number: 39, UID: "i39", Kind: statuspage.Unplanned, Title: "Vieux", Lang: "fr",
			State: statuspage.Resolved, Impact: statuspage.Minor,
			Started: at(2, 8, 0), Published: at(2, 8, 0), Resolved: at(2, 9, 0), Updated: at(2, 9, 0),
			Updates: []statuspage.PublicUpdate{{UID: "u6", State: statuspage.Resolved, Body: "Fini.", Lang: "fr", Published: at(2, 9, 0)}},
		},
	}
}

func TestGolden(t *testing.T) {
	f := newFixture(t, scene())
	quiet := newFixture(t, nil)
	busy := weekFixture(t, week())
	for _, c := range []struct {
		name string
		f    *fixture
		path string
	}{
		{"overview.fr.txt", f, "/?format=text"},
		{"overview.en.txt", f, "/?format=text&lang=en"},
		{"overview.fr.html", f, "/"},
		{"quiet.fr.txt", quiet, "/?format=text"},
		{"incident.fr.html", f, "/incidents/42"},
		{"incident.en.txt", f, "/incidents/40?format=text&lang=en"},
		{"history.fr.txt", f, "/history?format=text"},
		{"history.en.html", f, "/history/2026-09?lang=en"},
		{"feed.fr.atom", f, "/feed.atom"},
		{"feed-empty.en.atom", quiet, "/feed.atom?lang=en"},
		{"week.fr.html", busy, "/"},
		{"week.en.txt", busy, "/?format=text&lang=en"},
		{"planned.fr.txt", busy, "/travaux?format=text"},
		{"planned.en.html", busy, "/travaux?lang=en"},
		{"postmortem.fr.txt", busy, "/incidents/47?format=text"},
		{"component.fr.txt", busy, "/components/web?format=text"},
		{"follow.fr.txt", busy, "/follow?format=text"},
		{"embed.fr.html", busy, "/embed"},
		{"feed.fr.rss", busy, "/components/mail/feed.rss"},
		{"feed.fr.json", busy, "/components/mail/feed.json"},
		{"history.fr.atom", busy, "/components/mail/history.atom"},
		{"flyspray.fr.rdf", busy, "/feed.php?feed_type=rss1&num=2"},
		{"travaux.fr.ics", busy, "/travaux.ics"},
		{"summary.json", busy, "/api/v2/summary.json"},
		{"badge.fr.svg", busy, "/badge.svg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.f.get(c.path)
			if w.Code != http.StatusOK {
				t.Fatalf("status %d", w.Code)
			}
			// The style is tested elsewhere and would hide what changed.
			got := regexp.MustCompile(`(?s)<style>.*</style>`).ReplaceAllString(w.Body.String(), "<style>…</style>")
			file := filepath.Join("testdata", c.name)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("differs from %s (go test -update rewrites it):\n%s", file, diff)
			}
		})
	}
}

func TestLanguageAndForm(t *testing.T) {
	f := newFixture(t, scene())
	for _, c := range []struct {
		path    string
		headers []string
		lang    string
		text    bool
	}{
		{"/", nil, "fr", false},
		{"/", []string{"Accept-Language", "en-GB,en;q=0.9,fr;q=0.5"}, "en", false},
		{"/", []string{"Accept-Language", "en;q=0.3,fr;q=0.5"}, "fr", false},
		{"/", []string{"Accept-Language", "de,nl"}, "fr", false},
		{"/", []string{"Accept-Language", "de, en;q=0.1"}, "en", false},
		{"/", []string{"Accept-Language", ";;;\x01"}, "fr", false},
		{"/?lang=en", []string{"Accept-Language", "fr"}, "en", false},
		{"/?lang=xx", []string{"Accept-Language", "en"}, "en", false},
		{"/", []string{"User-Agent", "curl/8.5.0", "Accept", "*/*"}, "fr", true},
		{"/", []string{"User-Agent", "curl/8.5.0", "Accept", "text/html"}, "fr", false},
		{"/", []string{"Accept", "text/plain"}, "fr", true},
		{"/?format=text", []string{"Accept", "text/html"}, "fr", true},
		{"/incidents/42", []string{"User-Agent", "curl/8.5.0"}, "fr", true},
		{"/nothing", []string{"User-Agent", "curl/8.5.0"}, "", true},
	} {
		w := f.get(c.path, c.headers...)
		form := "text/html; charset=utf-8"
		if c.text {
			form = "text/plain; charset=utf-8"
		}
		if w.Header().Get("Content-Language") != c.lang || w.Header().Get("Content-Type") != form {
			t.Errorf("%s %q: %s, %s", c.path, c.headers, w.Header().Get("Content-Language"), w.Header().Get("Content-Type"))
		}
	}
	body := f.get("/?lang=en").Body.String()
	if !strings.Contains(body, `href="/incidents/42?lang=en"`) || !strings.Contains(body, `href="/?lang=fr"`) {
		t.Error("a chosen language is lost in the links")
	}
}

func TestNothingThere(t *testing.T) {
	f := newFixture(t, scene())
	for _, path := range []string{"/x", "/incidents/", "/incidents/7", "/incidents/-1", "/incidents/+42", "/incidents/x",
		"/incidents/99999999999999999999", "/history/2026-13", "/history/2027-01", "/history/1999-12", "/history/x"} {
		w := f.get(path)
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Il n’y a rien à cette adresse") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestValidators(t *testing.T) {
	for _, path := range []string{"/", "/incidents/42", "/history", "/feed.atom", "/?format=text"} {
		f := newFixture(t, scene())
		w := f.get(path)
		tag, modified := w.Header().Get("ETag"), w.Header().Get("Last-Modified")
		if tag == "" || modified == "" || !strings.Contains(w.Header().Get("Cache-Control"), "stale-if-error") {
			t.Fatalf("%s: headers %v", path, w.Header())
		}
		for _, headers := range [][]string{{"If-None-Match", tag}, {"If-Modified-Since", modified}} {
			if w := f.get(path, headers...); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
				t.Errorf("%s %v: %d", path, headers, w.Code)
			}
		}
		// Time alone changes nothing.
		f.pass(time.Minute)
		f.site.Changed()
		if again := f.get(path); again.Header().Get("ETag") != tag || again.Header().Get("Last-Modified") != modified {
			t.Errorf("%s: changed by itself", path)
		}
		f.source.set(func(s *fakeSource) {
			s.list[0].Updates = append(slices.Clone(s.list[0].Updates), statuspage.PublicUpdate{
				UID: "u9", State: statuspage.Monitoring, Body: "Remplacé.", Lang: "fr", Published: at(19, 21, 59)})
			s.list[0].State, s.list[0].Updated = statuspage.Monitoring, at(19, 21, 59)
		})
		f.site.Changed()
		for _, headers := range [][]string{{"If-None-Match", tag}, {"If-Modified-Since", modified}} {
			if w := f.get(path, headers...); w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
				t.Errorf("%s %v after a change: %d", path, headers, w.Code)
			}
		}
	}
}

func TestPolicyLetsOurStyleInAndNothingElse(t *testing.T) {
	f := newFixture(t, scene())
	w := f.get("/")
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(w.Body.String())
	if style == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") ||
		!strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Error("sniffing is allowed")
	}
}

func TestHostileText(t *testing.T) {
	list := scene()
	list[0].Title = `<script>alert(1)</script>"><img src=x onerror=alert(1)>` + "\x1b[31m"
	list[0].Components[0] = statuspage.PublicComponent{ID: "gone", Name: `"><script>`}
	list[0].Updates[0].Body = "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example.org/p.gif)\x1b[2J\n\n|a|\n|-:|\n|1|"
	list[0].Updates[0].Lang = `"><script>`
	list[0].Updates[1].Body = strings.Repeat("long ", 6000)
	f := newFixture(t, list)
	for _, path := range []string{"/", "/incidents/42", "/history"} {
		body := f.get(path).Body.String()
		for _, bad := range []string{"<script", "<img", "href=\"javascript:", "style=\"", `lang=""`} {
			if strings.Contains(strings.ToLower(body), bad) {
				t.Errorf("%s: has %s", path, bad)
			}
		}
		if text := f.get(path, "Accept", "text/plain").Body.String(); strings.ContainsRune(text, 0x1b) {
			t.Errorf("%s: escape sequence in text", path)
		}
	}
	if n := f.get("/").Body.Len(); n > 30<<10 {
		t.Errorf("overview with a long text has %d bytes", n)
	}
}

// No page is above 30 kB, however much goes on.
func TestSize(t *testing.T) {
	var list []statuspage.PublicIncident
	for i := range 20 {
		for _, p := range week() {
			p.Number += statuspage.ID(100 * i)
			p.UID += fmt.Sprint(i)
			p.Updates = slices.Clone(p.Updates)
			p.Updates[0].Body = strings.Repeat("Un texte plus long que d’habitude. ", 60)
			p.Title = strings.Repeat("long ", 20)
			list = append(list, p)
		}
	}
	busy := weekFixture(t, list)
	for _, f := range []*fixture{weekFixture(t, week()), weekFixture(t, crowd()), busy} {
		for _, path := range []string{"/", "/incidents/52", "/history", "/travaux", "/follow", "/embed", "/components/web"} {
			w := f.get(path)
			if n := w.Body.Len(); w.Code != http.StatusOK || n > 30_000 {
				t.Errorf("%s: %d, %d bytes of %d incidents", path, w.Code, n, len(f.source.list))
			}
		}
	}
	for part, want := range map[string]int{"": 200, "/2": 200, "/3": 200, "/4": 200, "/5": 404, "/1": 404, "/0": 404, "/x": 404} {
		if w := busy.get("/history/2026-10" + part); w.Code != want || w.Body.Len() > 30_000 {
			t.Errorf("part %q: %d with %d bytes", part, w.Code, w.Body.Len())
		}
	}
	if body := busy.get("/history/2026-10/2").Body.String(); !strings.Contains(body, `href="/history/2026-10/3"`) || !strings.Contains(body, "Octobre 2026, suite (2)") {
		t.Error("a part of the history does not lead on")
	}
}

func TestSourceFails(t *testing.T) {
	f := newFixture(t, scene())
	f.source.set(func(s *fakeSource) { s.err = errors.New("database is away") })
	w := f.get("/")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "ne dit rien des services") {
		t.Fatalf("never read: %d %s", w.Code, w.Body)
	}
	if f.get("/feed.atom").Code != http.StatusServiceUnavailable {
		t.Error("an empty feed is no answer")
	}
	f.source.set(func(s *fakeSource) { s.err = nil })
	fresh := f.get("/")
	feed := f.get("/feed.atom").Body.String()

	f.pass(time.Hour)
	f.source.set(func(s *fakeSource) { s.err = errors.New("database is away") })
	for _, path := range []string{"/", "/incidents/42", "/history"} {
		w := f.get(path)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Ce que vous lisez date du lundi 19 octobre 2026 à 22h00 CEST") || !strings.Contains(w.Body.String(), "envois retardés") {
			t.Errorf("%s while the source fails: %d", path, w.Code)
		}
	}
	if w := f.get("/", "If-None-Match", fresh.Header().Get("ETag")); w.Code != http.StatusOK {
		t.Error("the warning is not shown to whoever has the page")
	}
	if w := f.get("/", "If-Modified-Since", fresh.Header().Get("Last-Modified")); w.Code != http.StatusOK {
		t.Error("the warning is not shown to whoever has the page of that date")
	}
	if f.get("/feed.atom").Body.String() != feed {
		t.Error("the feed changed")
	}
	f.source.set(func(s *fakeSource) { s.err = nil })
	f.pass(retryAfter)
	if w := f.get("/"); strings.Contains(w.Body.String(), "Ce que vous lisez") || w.Header().Get("ETag") != fresh.Header().Get("ETag") {
		t.Error("the warning stays")
	}
}

func TestReadsSeldom(t *testing.T) {
	f := newFixture(t, scene())
	for range 20 {
		f.get("/")
		f.get("/incidents/42")
		f.get("/feed.atom")
	}
	if f.source.reads != 1 {
		t.Errorf("%d reads", f.source.reads)
	}
	f.pass(freshFor)
	f.get("/")
	if f.source.reads != 2 {
		t.Errorf("%d reads after the time", f.source.reads)
	}
	f.site.Changed()
	f.get("/")
	if f.source.reads != 3 {
		t.Errorf("%d reads after a change", f.source.reads)
	}
	for i := range 2 * keptMost {
		f.get(fmt.Sprintf("/incidents/%d", 1000+i))
		f.get(fmt.Sprintf("/history/%d-%02d", 2000+i/12%26, 1+i%12))
	}
	if len(f.site.older.cells) != 0 || len(f.site.spans.cells) > keptMost || len(f.site.rendered.docs) > keptMost {
		t.Errorf("kept %d %d %d", len(f.site.older.cells), len(f.site.spans.cells), len(f.site.rendered.docs))
	}
}

// A source that hangs costs one reader its patience, not the others theirs.
func TestSlowSource(t *testing.T) {
	f := newFixture(t, scene())
	f.get("/")
	f.pass(freshFor)
	hold := make(chan struct{})
	f.source.set(func(s *fakeSource) { s.hold = hold })
	first := make(chan int)
	go func() { first <- f.get("/").Code }()
	reading := func() bool {
		f.site.current.mu.Lock()
		defer f.site.current.mu.Unlock()
		return f.site.current.cells[""].busy != nil
	}
	for deadline := time.Now().Add(5 * time.Second); !reading(); {
		if time.Now().After(deadline) {
			t.Fatal("nobody reads")
		}
	}
	if w := f.get("/"); w.Code != http.StatusOK {
		t.Errorf("others: %d", w.Code)
	}
	close(hold)
	if code := <-first; code != http.StatusOK {
		t.Errorf("first: %d", code)
	}
}

func TestBelowAPath(t *testing.T) {
	site, err := New(Options{Name: "A", Lang: "en", URL: "https://help.example.org/status", Source: &fakeSource{list: scene()}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	http.StripPrefix("/status", site).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/status/", nil))
	for _, want := range []string{`href="/status/incidents/42"`, `href="/status/feed.atom"`, `href="https://help.example.org/status/"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestPlannedEndPasses(t *testing.T) {
	f := newFixture(t, scene())
	if strings.Contains(f.get("/incidents/41").Body.String(), "La fin prévue est passée") {
		t.Error("too early")
	}
	f.pass(6 * 24 * time.Hour)
	for _, path := range []string{"/incidents/41"} {
		if !strings.Contains(f.get(path).Body.String(), "La fin prévue est passée") {
			t.Errorf("%s does not tell", path)
		}
	}
}
