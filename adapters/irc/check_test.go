package irc_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

var update = flag.Bool("update-check", false, "write testdata/check.golden")

// TestCheck compares every finding with testdata/check.golden.
func TestCheck(t *testing.T) {
	ergo := testservers.Ergo(t, testservers.ErgoOptions{})
	ergo.Register(t, "permanence", "motdepasse")
	plain := testservers.NgIRCd(t)
	op := newPeer(t, ergo.Addr, "camille", "permanence", richCaps, "#equipe", "#banni", "#ferme", "#cle", "#muet", "#plein")
	ctx := deadline(t)
	for _, line := range []string{
		"MODE #banni +b permanence!*@*", "MODE #ferme +i", "MODE #cle +k secret", "MODE #muet +m", "MODE #plein +l 1",
	} {
		if err := op.do(ctx, line); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	foreign := newRoadAt(t, "127.0.0.2:0", ergo.TLSAddr)
	good, bad := write(t, "motdepasse"), write(t, "faux")
	login := func(file string) irc.SASL { return irc.SASL{User: "permanence", PasswordFile: file} }

	var got strings.Builder
	for _, tt := range []struct {
		name  string
		cfg   irc.Config
		rooms []string
		taken bool
	}{
		{"nobody listens", irc.Config{Server: closed}, nil, false},
		{"not its name", irc.Config{Server: foreign.addr, TLS: "on", CAFile: ergo.CA}, nil, false},
		{"unknown authority", irc.Config{Server: ergo.TLSAddr, TLS: "on"}, nil, false},
		{"no such file", irc.Config{Server: ergo.Addr, CAFile: "/nonexistent/ca.pem"}, nil, false},
		{"wrong password", irc.Config{Server: ergo.Addr, SASL: login(bad)}, nil, false},
		{"no SASL there", irc.Config{Server: plain.Addr, SASL: login(good)}, nil, false},
		{"all is well", irc.Config{Server: ergo.TLSAddr, TLS: "on", CAFile: ergo.CA, SASL: login(good)}, []string{"#equipe"}, false},
		{"rooms that are closed", irc.Config{Server: ergo.Addr}, []string{"#banni", "#ferme", "#cle", "#muet", "#plein", "salon"}, false},
		{"the right key", irc.Config{Server: ergo.Addr, Keys: map[string]string{"#CLE": "secret"}}, []string{"#cle"}, false},
		{"the nick is taken", irc.Config{Server: ergo.Addr}, []string{"#equipe"}, true},
		{"a plain server", irc.Config{Server: plain.Addr}, []string{"#equipe"}, false},
	} {
		if tt.taken {
			newPeer(t, ergo.Addr, "permanence", "", "")
		}
		a, err := irc.New(tt.cfg, chat.Env{Name: "irc", Rooms: tt.rooms, State: chattest.NewInbox()})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "== %s\n", tt.name)
		for _, f := range a.Check(ctx) {
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
	for i, addr := range []string{closed, foreign.addr, ergo.Addr, ergo.TLSAddr, plain.Addr} {
		text = strings.ReplaceAll(text, addr, fmt.Sprintf("server-%d.example.org:6697", i+1))
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
