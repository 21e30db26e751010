package mattermost_test

import (
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

var update = flag.Bool("update-check", false, "write testdata/check.golden")

var versionPattern = regexp.MustCompile(`version \d[0-9.]*`)

// TestCheck compares every finding with testdata/check.golden.
func TestCheck(t *testing.T) {
	s := newSite(t)
	out := s.Bot(t, "dehors")
	s.addRoom(t, "archive", "O")
	s.archive(t, s.team+"/archive", true)
	s.Channel(t, s.teamID, "ferme", "P")
	s.Channel(t, s.teamID, "ouvert", "O")
	_, other := s.Team(t)
	openID, open := s.Team(t)
	s.Admin(t, "PUT", "/api/v4/teams/"+openID+"/patch", map[string]bool{"allow_open_invite": true}, nil)

	serve := func(h http.Handler, tls bool) *httptest.Server {
		server := httptest.NewUnstartedServer(h)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		if tls {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		return server
	}
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	// A proxy that knows no websockets.
	deaf := serve(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Header.Del("Upgrade")
		p.Out.Header.Del("Connection")
	}}, false)
	secure := serve(httputil.NewSingleHostReverseProxy(target), true)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	page := serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>bonjour</html>") }), false)
	failing := serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "panne", http.StatusBadGateway) }), false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	otherName := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)

	good := write(t, s.bot.Token)
	room := func(name string) string { return s.team + "/" + name }
	var got strings.Builder
	for _, tt := range []struct {
		name  string
		cfg   mattermost.Config
		rooms []string
	}{
		{"nobody listens", mattermost.Config{URL: closed, TokenFile: good}, nil},
		{"not its name", mattermost.Config{URL: otherName, TokenFile: good, CAFile: ca}, nil},
		{"unknown authority", mattermost.Config{URL: secure.URL, TokenFile: good}, nil},
		{"another page", mattermost.Config{URL: page.URL, TokenFile: good}, nil},
		{"a failure", mattermost.Config{URL: failing.URL, TokenFile: good}, nil},
		{"no such file", mattermost.Config{URL: s.URL, TokenFile: "/nonexistent/jeton"}, nil},
		{"wrong token", mattermost.Config{URL: s.URL, TokenFile: write(t, "faux")}, nil},
		{"wrong password", mattermost.Config{URL: s.URL, Login: s.human.Username, PasswordFile: write(t, "faux")}, nil},
		{"all is well", mattermost.Config{URL: secure.URL, TokenFile: good, CAFile: ca}, s.rooms[:2]},
		{"ordinary account", mattermost.Config{URL: s.URL, Login: s.human.Username, PasswordFile: write(t, "mot-de-passe-1")}, s.rooms[:2]},
		{"no websocket", mattermost.Config{URL: deaf.URL, TokenFile: good}, s.rooms[:1]},
		{"rooms", mattermost.Config{URL: s.URL, TokenFile: good},
			[]string{room("equipe"), room("absent"), room("archive"), room("ferme"), room("ouvert"), "salon", "nulle-part/entraide", other + "/town-square"}},
		{"not in the team", mattermost.Config{URL: s.URL, TokenFile: write(t, out.Token), Teams: []string{other, open}}, nil},
		{"marks", mattermost.Config{URL: s.URL, TokenFile: good, Marks: map[string]string{"📬": "fusee-absente", "⏳": "hourglass"}}, nil},
	} {
		a, err := mattermost.New(tt.cfg, chat.Env{Name: "tchat", Rooms: tt.rooms, State: chattest.NewInbox()})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "== %s\n", tt.name)
		for _, f := range a.Check(deadline(t)) {
			fmt.Fprintf(&got, "%s (%d)\n  %s\n  %s\n", f.Name, f.Level, f.What.FR, f.What.EN)
			if f.Do != (chat.Text{}) {
				fmt.Fprintf(&got, "  -> %s\n  -> %s\n", f.Do.FR, f.Do.EN)
			}
			if f.What.FR == "" || f.What.EN == "" || (f.Do.FR == "") != (f.Do.EN == "") {
				t.Errorf("%s: finding without words: %+v", tt.name, f)
			}
		}
	}
	text := versionPattern.ReplaceAllString(got.String(), "version 11.0.0")
	for i, address := range []string{closed, otherName, secure.URL, page.URL, failing.URL, deaf.URL, s.URL} {
		text = strings.ReplaceAll(text, address, fmt.Sprintf("https://tchat-%d.example.org", i+1))
	}
	text = strings.ReplaceAll(text, "nom de localhost", "nom de tchat-2.example.org")
	text = strings.ReplaceAll(text, "not for localhost", "not for tchat-2.example.org")
	for _, name := range [][2]string{
		{s.team + "/", "asso/"}, {"équipe " + s.team + ".", "équipe asso."}, {"team " + s.team + ".", "team asso."}, {"@" + s.bot.Username, "@permanence"},
		{s.human.Username, "camille"}, {"@" + out.Username, "@dehors"}, {other, "voisine"}, {open, "ouverte"},
	} {
		text = strings.ReplaceAll(text, name[0], name[1])
	}
	const file = "testdata/check.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("run with -update-check if this is right:\n%s", text)
	}
}
