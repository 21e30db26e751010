package page

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"permanence/bot/chat"
	"permanence/internal/i18n"
	"permanence/tickets"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fakeSource holds tickets and files in memory.
type fakeSource struct {
	views  map[tickets.ID]View
	files  map[tickets.ID]tickets.File
	tokens map[string]tickets.ID
	blobs  map[string]string
	err    error
}

func (s *fakeSource) Ticket(_ context.Context, id tickets.ID, w Window) (View, bool, error) {
	v, ok := s.views[id]
	end := len(v.Entries)
	if i := slices.IndexFunc(v.Entries, func(e Entry) bool { return e.ID == w.Before }); i >= 0 {
		end = i
	}
	start := max(0, end-w.Limit)
	v.Earlier, v.Later = start, len(v.Entries)-end
	v.Entries = v.Entries[start:end]
	return v, ok, s.err
}

func (s *fakeSource) File(_ context.Context, id tickets.ID) (tickets.File, bool, error) {
	f, ok := s.files[id]
	return f, ok, s.err
}

func (s *fakeSource) FileByToken(_ context.Context, hash string, _ time.Time) (tickets.File, bool, error) {
	f, ok := s.files[s.tokens[hash]]
	return f, ok, s.err
}

func (s *fakeSource) OpenBlob(_ context.Context, hash string) (io.ReadCloser, error) {
	b, ok := s.blobs[hash]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", hash, fs.ErrNotExist)
	}
	return io.NopCloser(strings.NewReader(b)), nil
}

type fixture struct {
	*Pages
	source *fakeSource
	log    *bytes.Buffer
}

func newFixture(t *testing.T, s *fakeSource) fixture {
	t.Helper()
	catalog, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if missing := catalog.Missing(); len(missing) > 0 {
			t.Errorf("missing sentences: %q", missing)
		}
	})
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	p, err := New(Options{Name: "Hébergeur associatif", Language: "fr", Location: paris, Source: s, Catalog: catalog,
		Links: Links{Base: "https://aide.example.org", Secret: secret}, Now: func() time.Time { return friday },
		Desks: map[string]Desk{"support": {Title: "Support", Language: "fr"}, "hello": {Language: "en"}},
		Log:   slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return fixture{p, s, log}
}

func (f fixture) get(address string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, strings.TrimPrefix(address, "https://aide.example.org"), nil)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func at(hour, minute int) tickets.Time {
	return tickets.At(time.Date(2026, 11, 26, hour, minute, 0, 0, time.UTC))
}

// scene is a ticket with one entry of each sort.
func scene() *fakeSource {
	mail := Where{Kind: tickets.MailLink, Adapter: "mail", Room: "support@example.org"}
	team := Where{Kind: tickets.TeamLink, Adapter: "tchat", Room: "asso/equipe"}
	picture := tickets.File{ID: 7, Entry: 1, Name: "capture écran.png", Type: "image/png", Size: 48213, State: tickets.FileStored, Blob: "png", ContentID: "shot@1"}
	answer := "Bonjour Alice,\n\nla boîte était pleine : **nous l’avons agrandie**.\n\n- 2 Go au lieu de 1\n- rien n’est perdu\n\nCamille"
	entry := func(id tickets.ID, kind tickets.EntryKind, author tickets.ID, name, body string, t tickets.Time, e Entry) Entry {
		e.ID, e.Kind, e.Author, e.Name, e.Body, e.At = id, kind, author, name, body, t
		e.Ticket = 42
		e.Revision = max(1, e.Revision)
		if e.Audience == 0 {
			e.Audience = tickets.Team
		}
		return e
	}
	out := tickets.Entry{Audience: tickets.Participants}
	return &fakeSource{
		views: map[tickets.ID]View{42: {
			Ticket: tickets.Ticket{ID: 42, Desk: "support", Subject: "Mes mails n’arrivent plus", State: tickets.Waiting, Requester: 1, Owner: 3,
				Service: "Messagerie", Created: at(13, 2), Related: 38, Incident: 4, Hints: "Autre adresse de réponse : a.martin@example.net"},
			Requester: Person{ID: 1, Name: "Alice", Handles: []string{"alice@example.net"}},
			Owner:     "Camille",
			People: []Person{{ID: 1, Name: "Alice", Handles: []string{"alice@example.net"}, Part: tickets.Requester},
				{ID: 2, Name: "bureau@example.net", Handles: []string{"bureau@example.net"}, Part: tickets.CarbonCc}},
			Entries: []Entry{
				entry(1, tickets.Message, 1, "Alice", "Bonjour,\n\nplus aucun mail depuis hier. ![capture](cid:shot@1)\n\nMerci !", at(13, 2), Entry{
					Entry: tickets.Entry{Audience: tickets.Participants, Folded: "Le 25 nov. 2026, Support a écrit :\n> Bienvenue !", Subject: "Mes mails n’arrivent plus",
						Dated: at(11, 40)}, From: mail,
					Files: []tickets.File{picture, {ID: 8, Name: "journal.log", Size: 1200, State: tickets.FileWanted},
						{ID: 9, Name: "gros.zip", Size: 90e6, State: tickets.FileLost, Reason: "trop gros"}}}),
				entry(2, tickets.Auto, 0, "", "Votre message est bien arrivé, numéro #42.", at(13, 2), Entry{Entry: out,
					Sends: []Send{{To: mail, Person: "alice@example.net", State: SendAccepted}}}),
				entry(3, tickets.Change, 0, "", "Camille suit ce ticket.", at(13, 10), Entry{}),
				entry(4, tickets.Note, 4, "Sacha", "Boîte pleine : voir `quota`.", at(13, 12), Entry{From: team, Entry: tickets.Entry{Revision: 3}}),
				entry(5, tickets.Note, 3, "Camille", answer, at(13, 20), Entry{From: team}),
				entry(6, tickets.Reply, 3, "Camille", answer, at(13, 21), Entry{Entry: tickets.Entry{Audience: tickets.Participants, Source: 5},
					Reply: &tickets.ReplyRow{State: tickets.Sent, By: 4}, By: "Sacha", Approved: "Camille",
					Sends: []Send{{To: mail, Person: "alice@example.net", State: SendDelivered},
						{To: mail, Person: "bureau@example.net", State: SendFailed, Reason: chat.Text{FR: "boîte inconnue", EN: "no such mailbox"}}}}),
				entry(7, tickets.Message, 5, "Inconnue <x@example.com>", "J’ai le même souci.", at(14, 0), Entry{From: mail, Entry: tickets.Entry{Third: true}}),
				entry(8, tickets.Note, 4, "Sacha", "", at(14, 5), Entry{From: team, Entry: tickets.Entry{Deleted: true, Revision: 2}}),
				entry(9, tickets.Reply, 4, "Sacha", "Une autre piste ?", at(23, 30), Entry{Entry: tickets.Entry{Audience: tickets.Everyone, Source: 99},
					Reply: &tickets.ReplyRow{State: tickets.Held, HoldUntil: at(23, 31)}, Sends: []Send{{To: Where{Kind: tickets.AskerLink, Adapter: "irc", Room: "#asso"}, State: SendWaiting}}}),
				entry(10, tickets.Message, 1, "Alice", "C’est bon, merci à vous !", at(23, 45), Entry{From: mail, Entry: out}),
			},
		}, 43: {Ticket: tickets.Ticket{ID: 43, Desk: "hello", State: tickets.New}}},
		files:  map[tickets.ID]tickets.File{7: picture},
		tokens: map[string]tickets.ID{},
		blobs:  map[string]string{"png": "\x89PNG\r\n\x1a\n…"},
	}
}

// pageText is what a reader of the page reads, a line for each block, links
// with their address.
func pageText(t *testing.T, page string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.ElementNode && (n.Data == "style" || n.Data == "svg"):
			return
		case n.Type == html.ElementNode && slices.Contains([]string{"p", "div", "li", "h1", "h2", "h3", "dt", "article", "header", "nav", "summary", "footer", "br", "body"}, n.Data):
			b.WriteString("\n")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
		if n.Data == "dt" {
			b.WriteString(": ")
		}
		for _, a := range n.Attr {
			switch {
			case n.Data == "article" && a.Key == "class":
				b.WriteString("\n--- " + a.Val)
			case n.Data == "a" && a.Key == "href", n.Data == "img" && a.Key == "src":
				b.WriteString(" <" + regexp.MustCompile(`s=[a-z2-7]{26}`).ReplaceAllString(a.Val, "s=…") + ">")
			}
		}
	}
	walk(doc)
	var lines []string
	for line := range strings.SplitSeq(b.String(), "\n") {
		if line = strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' }), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestTicketPage(t *testing.T) {
	f := newFixture(t, scene())
	link := f.links.Ticket(42)
	for _, c := range []struct{ name, address string }{
		{"ticket.fr.txt", link},
		{"ticket.en.txt", link + "&lang=en"},
		{"empty.en.txt", f.links.Ticket(43)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := f.get(c.address)
			if w.Code != http.StatusOK {
				t.Fatalf("status %d", w.Code)
			}
			got := pageText(t, w.Body.String())
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

func TestHeaders(t *testing.T) {
	f := newFixture(t, scene())
	for _, address := range []string{f.links.Ticket(42), "/t/42", "/f/x"} {
		h := f.get(address).Header()
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"X-Robots-Tag": "noindex, nofollow, noarchive", "X-Frame-Options": "DENY", "Content-Type": "text/html; charset=utf-8"} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", address, name, got, want)
			}
		}
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
			t.Errorf("%s: policy %q", address, csp)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/t/42", nil)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		t.Error("the page answers a POST")
	}
}

// TestRefused: whoever has no right learns nothing, not even which tickets
// there are.
func TestRefused(t *testing.T) {
	f := newFixture(t, scene())
	good := f.links.Ticket(42)
	want := f.get("/t/42")
	if want.Code != http.StatusForbidden || !strings.Contains(want.Body.String(), "!voir") {
		t.Errorf("status %d, body %s", want.Code, want.Body)
	}
	for _, address := range []string{
		strings.Replace(good, "/42", "/43", 1), strings.Replace(good, "e=2", "e=3", 1), good[:len(good)-1],
		f.links.Ticket(1000), "/t/", "/t/x", "/t/42/", "/t/42/f/7", "/t/42/f/7?s=a&e=1", "/t/%00",
	} {
		if w := f.get(address); w.Code != want.Code || w.Body.String() != want.Body.String() {
			t.Errorf("%s: status %d, another answer:\n%s", address, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/t/42", nil)
	r.Header.Set("Accept-Language", "en-GB,en;q=0.9")
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if body := w.Body.String(); !strings.Contains(body, "!show") || !strings.Contains(body, `lang="en"`) {
		t.Errorf("in English: %s", body)
	}
}

func TestSourceAway(t *testing.T) {
	s := scene()
	s.err = errors.New("connection to db.internal refused")
	f := newFixture(t, s)
	w := f.get(f.links.Ticket(42))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	if strings.Contains(w.Body.String(), "db.internal") || !strings.Contains(f.log.String(), "db.internal") {
		t.Error("the reason is for the log alone")
	}
}

// TestHostile: nothing that strangers write becomes part of the page.
func TestHostile(t *testing.T) {
	evil := `<script>alert(1)</script><svg onload=alert(2)>" onmouseover="alert(3)` + "\u202egnp.exe\u2066"
	s := scene()
	v := s.views[42]
	v.Ticket.Subject, v.Ticket.Service, v.Ticket.Hints, v.Owner = evil, evil, evil, evil
	v.Requester = Person{ID: 1, Name: evil, Handles: []string{evil + "@example.net"}}
	v.People = []Person{{ID: 1, Name: evil, Handles: []string{evil + "2"}, Part: tickets.CarbonCc}}
	md := evil + "\n\n[a](javascript:alert(4)) [b](data:text/html,x) ![c](https://tracker.example.com/p.png) ![d](cid:\"onerror=alert(5))\n\n" +
		"<iframe src=//evil.example.com></iframe>\n\n<style>*{display:none}</style>\n\n<https://example.org/\"onclick=alert(6)>"
	v.Entries = []Entry{{Entry: tickets.Entry{ID: 1, Kind: tickets.Message, Audience: tickets.Participants, Author: 1, Name: evil, Body: md, Folded: md, Subject: evil + "x", At: at(9, 0), Revision: 1},
		From: Where{Kind: tickets.MailLink, Room: evil}, By: evil,
		Reply: &tickets.ReplyRow{State: tickets.Lost}, Sends: []Send{{Person: evil, State: SendFailed, Reason: chat.Text{FR: evil}}},
		Files: []tickets.File{{ID: 7, Name: evil, Type: "image/png", Size: 10, State: tickets.FileStored, Blob: "png"}, {ID: 8, Name: evil, State: tickets.FileLost, Reason: evil}}}}
	s.views[42] = v
	f := newFixture(t, s)
	page := f.get(f.links.Ticket(42)).Body.String()
	if strings.ContainsAny(page, "\u202e\u2066") {
		t.Error("a mark that turns writing around stands in the page")
	}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	styles := 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "iframe", "object", "embed", "form", "base", "link":
			t.Errorf("<%s> in the page", n.Data)
		case "style":
			styles++
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
			if a.Key == "href" || a.Key == "src" {
				if !regexp.MustCompile(`^(#|\?s=|42/f/\d|https?://)`).MatchString(a.Val) {
					t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
				}
				if a.Key == "src" && !strings.HasPrefix(a.Val, "42/f/") {
					t.Errorf("loads %q", a.Val)
				}
			}
		}
	}
	if styles != 1 {
		t.Errorf("%d styles", styles)
	}
}

// TestWindow: a long ticket has pages, and none of them is heavy.
func TestWindow(t *testing.T) {
	s := scene()
	v := s.views[42]
	v.Entries = nil
	body := strings.Repeat("Un mot après l’autre, une phrase qui dit quelque chose. ", 6)
	for i := range 120 {
		v.Entries = append(v.Entries, Entry{Entry: tickets.Entry{ID: tickets.ID(i + 1), Kind: tickets.Message, Audience: tickets.Participants,
			Author: 1, Name: "Alice", Body: body, At: at(9, i), Revision: 1}, From: Where{Kind: tickets.MailLink, Room: "support@example.org"}})
	}
	s.views[42] = v
	f := newFixture(t, s)
	f.window = 50
	french := f.get(f.links.Ticket(42)).Body.String()
	last := f.get(f.links.Ticket(42) + "&lang=en").Body.String()
	if max(len(french), len(last)) > 60_000 {
		t.Errorf("50 entries of %d bytes make %d bytes in French, %d in English", len(body), len(french), len(last))
	}
	if n := strings.Count(last, "<article"); n != 50 {
		t.Errorf("%d entries", n)
	}
	if !strings.Contains(last, `id="e120"`) || strings.Contains(last, `id="e70"`) || !strings.Contains(last, "70 earlier messages") {
		t.Error("the page does not begin with its end")
	}
	m := regexp.MustCompile(`href="(\?s=[^"]*before=71)"`).FindStringSubmatch(last)
	if m == nil {
		t.Fatal("no way to the earlier entries")
	}
	older := f.get("/t/42" + html.UnescapeString(m[1])).Body.String()
	if !strings.Contains(older, `id="e70"`) || !strings.Contains(older, `id="e21"`) || strings.Contains(older, `id="e71"`) || !strings.Contains(older, `lang="en"`) {
		t.Error("the earlier page has other entries or another language")
	}
}
