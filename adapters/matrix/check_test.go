package matrix_test

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"maunium.net/go/mautrix"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

var update = flag.Bool("update-check", false, "write testdata/check.golden")

// TestCheck compares every finding that needs no encryption with
// testdata/check.golden.
func TestCheck(t *testing.T) {
	s := newScene(t)
	ctx := deadline(t)
	open, mute := s.room("open"), s.room("mute")
	if err := s.p.levels(ctx, mute, 50); err != nil {
		t.Fatal(err)
	}
	closed, err := s.p.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "private_chat"})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.p.make(ctx, "", true)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	r := newRoad(t, s.server.URL, s.human.UserID)
	answer := func(status int, body string) func() {
		return func() {
			r.set(func(r *road) { r.refuse = func(*http.Request) (int, string) { return status, body } })
		}
	}
	good, bad := write(t, s.bot.Token), write(t, "faux")
	password := write(t, s.bot.Password)
	var got strings.Builder
	for _, tt := range []struct {
		name  string
		cfg   matrix.Config
		rooms []string
		first func()
	}{
		{"nobody listens", matrix.Config{URL: nobody, TokenFile: good}, nil, nil},
		{"no Matrix there", matrix.Config{URL: other.URL, TokenFile: good}, nil, nil},
		{"unknown authority", matrix.Config{URL: tls.URL, TokenFile: good}, nil, nil},
		{"no TLS there", matrix.Config{URL: strings.Replace(s.server.URL, "http:", "https:", 1), TokenFile: good}, nil, nil},
		{"no such file", matrix.Config{URL: s.server.URL, TokenFile: "/nonexistent/token"}, nil, nil},
		{"wrong token", matrix.Config{URL: s.server.URL, TokenFile: bad}, nil, nil},
		{"soft logout (the road says it)", matrix.Config{URL: r.URL, TokenFile: good}, nil,
			answer(http.StatusUnauthorized, `{"errcode":"M_UNKNOWN_TOKEN","error":"x","soft_logout":true}`)},
		{"deactivated (the road says it)", matrix.Config{URL: r.URL, TokenFile: good}, nil, answer(http.StatusForbidden, `{"errcode":"M_USER_DEACTIVATED","error":"x"}`)},
		{"too fast (the road says it)", matrix.Config{URL: r.URL, TokenFile: good}, nil, answer(http.StatusTooManyRequests, `{"errcode":"M_LIMIT_EXCEEDED","error":"x"}`)},
		{"no passwords (the road says it)", matrix.Config{URL: r.URL, User: s.bot.UserID, PasswordFile: password}, nil, answer(http.StatusNotFound, `{"errcode":"M_UNRECOGNIZED","error":"x"}`)},
		{"another account", matrix.Config{URL: s.server.URL, User: "@autre:example.org", TokenFile: good}, nil, nil},
		{"wrong password", matrix.Config{URL: s.server.URL, User: s.bot.UserID, PasswordFile: bad}, nil, nil},
		{"all is well", matrix.Config{URL: s.server.URL, TokenFile: good}, []string{open}, nil},
		{"rooms that are closed", matrix.Config{URL: s.server.URL, TokenFile: good}, []string{string(closed.RoomID), "#nulle-part:example.org", mute}, nil},
		{"an encrypted room", matrix.Config{URL: s.server.URL, TokenFile: good}, []string{secret}, nil},
	} {
		if tt.first != nil {
			tt.first()
		}
		tt.cfg.Encryption = "off" // both builds say the same
		a, err := matrix.New(tt.cfg, chat.Env{Name: "matrix", Rooms: tt.rooms, State: chattest.NewInbox()})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "== %s\n", tt.name)
		for _, f := range a.Check(ctx) {
			if f.Name == "matrix-room-encrypted" { // names the build
				f.What = chat.Text{FR: "…", EN: "…"}
			}
			fmt.Fprintf(&got, "%s (%d)\n  %s\n  %s\n", f.Name, f.Level, f.What.FR, f.What.EN)
			if f.Do != (chat.Text{}) {
				fmt.Fprintf(&got, "  -> %s\n  -> %s\n", f.Do.FR, f.Do.EN)
			}
			if f.What.FR == "" || f.What.EN == "" || (f.Do.FR == "") != (f.Do.EN == "") {
				t.Errorf("%s: finding without words: %+v", tt.name, f)
			}
		}
	}
	text := got.String()
	for _, r := range []struct{ is, shown string }{
		{strings.TrimPrefix(nobody, "http://"), "matrix-1.example.org"}, {strings.TrimPrefix(other.URL, "http://"), "matrix-2.example.org"},
		{strings.TrimPrefix(tls.URL, "https://"), "matrix-3.example.org"}, {strings.TrimPrefix(r.URL, "http://"), "matrix-4.example.org"},
		{s.server.Addr, "matrix.example.org"}, {string(closed.RoomID), "!ferme:example.org"}, {secret, "!secret:example.org"},
		{s.bot.UserID, "@permanence:example.org"}, {s.bot.DeviceID, "APPAREIL"}, {open, "#equipe:example.org"}, {mute, "#muet:example.org"},
	} {
		text = strings.ReplaceAll(text, r.is, r.shown)
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
