package web

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/internal/testservers"
	"permanence/statuspage"
)

// understood is what the readers of testdata/readers say.
type understood struct {
	Type, Title, Language, Link, FeedLink string
	Updated                               time.Time
	Items                                 []struct {
		GUID, Title, Link, Content string
		Published, Updated         time.Time
		Categories                 []string
	}
	Events []struct {
		UID, Summary, Description, Status, URL, Sequence string
		Start, End, Stamp                                time.Time
		Categories                                       []string
	}
}

// readers builds the program that reads with other people's libraries.
func readers(t *testing.T) func(what, body string) understood {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "readers")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join("testdata", "readers")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		testservers.Need(t, "gofeed or go-ical", "the module in testdata/readers must build: "+string(out))
	}
	return func(what, body string) understood {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, what)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(body), &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("reading %s: %v %s\n%s", what, err, &stderr, body)
		}
		var u understood
		if err := json.Unmarshal(stdout.Bytes(), &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
}

func TestFeedsAreUnderstood(t *testing.T) {
	read := readers(t)
	f := weekFixture(t, week())
	for _, c := range []struct {
		path, kind  string
		items       int
		first, guid string
	}{
		{"/feed.atom", "atom 1.0", 15, "[Correctif en place, sous surveillance] Hébergement web : sites injoignables", "tag:travaux.example.org,2026:update/w3"},
		{"/feed.rss", "rss 2.0", 15, "[Correctif en place, sous surveillance] Hébergement web : sites injoignables", "tag:travaux.example.org,2026:update/w3"},
		{"/feed.json", "json https://jsonfeed.org/version/1.1", 15, "[Correctif en place, sous surveillance] Hébergement web : sites injoignables", "tag:travaux.example.org,2026:update/w3"},
		{"/feed.atom?lang=en", "atom 1.0", 15, "[Fix in place, monitoring] Web hosting: sites cannot be reached", "tag:travaux.example.org,2026:update/w3"},
		{"/history.atom", "atom 1.0", 7, "Hébergement web : sites injoignables", "tag:travaux.example.org,2005:Incident/52"},
		{"/history.rss", "rss 2.0", 7, "Hébergement web : sites injoignables", "tag:travaux.example.org,2005:Incident/52"},
		{"/components/mail/feed.atom", "atom 1.0", 5, "[En cours d’analyse] Messagerie : envois retardés", "tag:travaux.example.org,2026:update/m1"},
		{"/components/mail/feed.rss?lang=en", "rss 2.0", 5, "[Investigating] Messagerie : envois retardés", "tag:travaux.example.org,2026:update/m1"},
		{"/feed.php?feed_type=rss2&project=0&topic=open&num=3", "rss 2.0", 3, "FS#52: Hébergement web : sites injoignables", "https://travaux.example.org/index.php?do=details&task_id=52"},
		{"/feed.php?feed_type=rss1&num=3", "rss 1.0", 3, "FS#52: Hébergement web : sites injoignables", ""},
		{"/feed.php?feed_type=other&topic=clo", "atom 1.0", 3, "FS#48: Hébergement web : mise à jour de PHP, “8.5”, <sûr> & rapide; voir \\ le wiki", "https://travaux.example.org:48"},
		{"/feed.php?topic=edit&num=1", "atom 1.0", 1, "FS#52: Hébergement web : sites injoignables", "https://travaux.example.org:52"},
	} {
		t.Run(c.path, func(t *testing.T) {
			w := f.get(c.path)
			if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Fatalf("%d %v", w.Code, w.Header())
			}
			u := read("feed", w.Body.String())
			if u.Type != c.kind || len(u.Items) != c.items || u.Items[0].Title != c.first || u.Items[0].GUID != c.guid {
				t.Errorf("%q with %d items, the first %+v", u.Type, len(u.Items), u.Items[0])
			}
			for _, i := range u.Items {
				if i.Published.IsZero() || !strings.HasPrefix(i.Link, "https://travaux.example.org/") || i.Content == "" {
					t.Errorf("item %+v", i)
				}
			}
			if !strings.HasPrefix(c.kind, "json") {
				lint(t, w.Body.Bytes())
			}
		})
	}
}

// lint asks xmllint, which knows XML from another side than Go does.
func lint(t *testing.T, body []byte) {
	t.Helper()
	path, err := exec.LookPath("xmllint")
	if err != nil {
		testservers.Need(t, "xmllint", "install it (Debian: apt-get install libxml2-utils)")
	}
	cmd := exec.CommandContext(t.Context(), path, "--noout", "--nonet", "-")
	cmd.Stdin = bytes.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("xmllint: %v %s", err, out)
	}
}

func TestCalendarIsUnderstood(t *testing.T) {
	read := readers(t)
	f := weekFixture(t, week())
	u := read("calendar", f.get("/travaux.ics").Body.String())
	if u.Title != "Travaux – Hébergeur associatif" || len(u.Events) != 3 {
		t.Fatalf("%+v", u)
	}
	moved, cancelled := u.Events[1], u.Events[2]
	if moved.UID != "travaux-49@travaux.example.org" || moved.Sequence != "1" || moved.Status != "CONFIRMED" ||
		!moved.Start.Equal(time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC)) || !moved.End.Equal(time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC)) ||
		moved.Summary != "[Travaux] Migration du stockage" || moved.URL != "https://travaux.example.org/incidents/49" ||
		!slices.Equal(moved.Categories, []string{"Messagerie", "Fichiers partagés"}) ||
		!strings.Contains(moved.Description, "du 24 octobre 2026 à 22h00 au 25 octobre 2026 à 00h00 CEST (Europe/Paris)\nServices\u00a0: Messagerie, Fichiers partagés\nReportés\u00a0: Une pièce manque") {
		t.Errorf("moved %+v", moved)
	}
	if cancelled.Status != "CANCELLED" || cancelled.Sequence != "2" ||
		cancelled.Summary != "[Annulé] Hébergement web : mise à jour de PHP, “8.5”, <sûr> & rapide; voir \\ le wiki" {
		t.Errorf("cancelled %+v", cancelled)
	}
	if some := read("calendar", f.get("/components/files/travaux.ics?lang=en").Body.String()); len(some.Events) != 2 ||
		some.Events[1].Summary != "[Work] Migration du stockage" {
		t.Errorf("of one service: %+v", some)
	}
	// Long after it, cancelled work leaves; until then it must not.
	f.pass(80 * 24 * time.Hour)
	if n := len(read("calendar", f.get("/travaux.ics").Body.String()).Events); n != 3 {
		t.Errorf("%d events after eighty days", n)
	}
	f.pass(20 * 24 * time.Hour)
	if n := len(read("calendar", f.get("/travaux.ics").Body.String()).Events); n != 2 { // what nobody ended stays
		t.Errorf("%d events after a hundred days", n)
	}
}

// A reader that has seen an entry is told of a correction, a translation and
// nothing else.
func TestTranslationMovesItsFeedAlone(t *testing.T) {
	f := weekFixture(t, week())
	updated := func(path string) string {
		feed := parseFeed(t, f.get(path).Body.String())
		return feed.Entries[0].Updated[0]
	}
	if got := updated("/feed.atom?lang=en"); got != "2026-10-19T19:48:00Z" {
		t.Fatalf("before: %s", got)
	}
	f.source.set(func(s *fakeSource) {
		s.list[0].Updates = slices.Clone(s.list[0].Updates) // what was given away stays
		last := &s.list[0].Updates[2]
		last.Texts = []statuspage.PublicText{{Lang: "en", Body: "Sites answer again.", Published: at(19, 21, 55)}}
	})
	f.site.Changed()
	if got := updated("/feed.atom?lang=en"); got != "2026-10-19T19:55:00Z" {
		t.Errorf("in English: %s", got)
	}
	if got := updated("/feed.atom"); got != "2026-10-19T19:48:00Z" {
		t.Errorf("in French: %s", got)
	}
}
