package playground

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
)

func testOptions() Options {
	return Options{
		Accounts: []Account{Config{}.Bot(), {ID: "alice", Name: "Alice", Proved: true}, {ID: "camille", Name: "Camille", Proved: true}},
		Rooms: []Room{
			{Name: "entraide", Kind: Public},
			{Name: "equipe", Kind: Team, Members: []string{"camille"}},
		},
	}
}

func openTest(t *testing.T, path string) *Network {
	t.Helper()
	n, err := Open(path, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func post(t *testing.T, n *Network, by string, d Draft) Message {
	t.Helper()
	m, err := n.Post(context.Background(), by, d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestJournal does everything once, and finds all of it after a restart, also
// when the last line is torn.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	n := openTest(t, path)
	a := post(t, n, "alice", Draft{Room: "entraide", Text: "bonjour @permanence"})
	b := post(t, n, "alice", Draft{Room: "entraide", Thread: a.ID, Text: "encore"})
	c := post(t, n, "alice", Draft{Room: "entraide", Text: "à supprimer"})
	f, err := n.AddFile("alice", "a.txt", "text/plain", []byte("contenu"))
	if err != nil {
		t.Fatal(err)
	}
	withFile := post(t, n, "alice", Draft{Room: "entraide", Text: "voici", Files: []File{{ID: f.ID}}})
	for name, err := range map[string]error{
		"edit":   n.Edit("alice", "entraide", b.ID, Draft{Text: "corrigé"}),
		"delete": n.Delete("alice", "entraide", c.ID),
		"react":  n.React("camille", "entraide", a.ID, "✉️", true),
		"pin":    n.Pin("camille", "entraide", a.ID, true),
		"topic":  n.SetTopic("camille", "entraide", "sujet"),
		"gone":   n.RoomGone("equipe"),
		"revoke": n.Revoke("alice", "entraide"),
		"leave":  n.Leave("camille", "entraide", "fini"),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := n.OpenDirect("permanence", "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.addMail(kindMail, Mail{Subject: "objet", Recipients: []string{"alice@customers.example"}}, []byte("Subject: objet\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	rooms, messages, mails, id := n.Rooms(), n.Messages("entraide"), n.Mails(), n.ID()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"seq":9999,"kind":"pos`); err != nil {
		t.Fatal(err)
	}
	torn.Close()

	again := openTest(t, path)
	if again.ID() != id {
		t.Errorf("network %q, want %q", again.ID(), id)
	}
	if got := again.Rooms(); !reflect.DeepEqual(got, rooms) {
		t.Errorf("rooms\n%+v, want\n%+v", got, rooms)
	}
	if got := again.Messages("entraide"); !reflect.DeepEqual(got, messages) {
		t.Errorf("messages\n%+v, want\n%+v", got, messages)
	}
	if got := again.Mails(); !reflect.DeepEqual(got, mails) {
		t.Errorf("mails\n%+v, want\n%+v", got, mails)
	}
	if _, data, ok := again.File(withFile.Files[0].ID); !ok || string(data) != "contenu" {
		t.Errorf("file %q %v", data, ok)
	}
	// What is written now stands on a line of its own.
	if err := again.Restore("alice", "entraide"); err != nil {
		t.Fatal(err)
	}
	next := post(t, again, "alice", Draft{Room: "entraide", Text: "après"})
	again.Close()
	if _, ok := openTest(t, path).Message(next.ID); !ok {
		t.Error("what was said after a torn line is lost")
	}
}

// TestDamagedJournal: a line in the middle that does not read is told.
func TestDamagedJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	openTest(t, path).Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	lines[1] = "nonsense\n"
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := Open(path, testOptions()); err == nil {
		n.Close()
		t.Fatal("opened")
	} else if !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v: names neither file nor line", err)
	}
}

func FuzzReadRecords(f *testing.F) {
	f.Add(`{"seq":1,"kind":"network","id":"a"}` + "\n" + `{"seq":2,"kind":"posted","room":"r","by":"x","draft":{"text":"t"}}` + "\n")
	f.Add(`{"seq":1,"kind":"edited","target":"x"}` + "\n{")
	f.Add("\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		records, size, err := readRecords(strings.NewReader(s))
		if err != nil {
			return
		}
		if size > int64(len(s)) || size > 0 && s[size-1] != '\n' {
			t.Fatalf("size %d of %d", size, len(s))
		}
		again, _, err := readRecords(strings.NewReader(s[:size]))
		if err != nil || len(again) != len(records) {
			t.Fatalf("%d records, then %d (%v)", len(records), len(again), err)
		}
	})
}

// TestRights: who may do what, and what the refusal is.
func TestRights(t *testing.T) {
	ctx := context.Background()
	n := openTest(t, "")
	m := post(t, n, "alice", Draft{Room: "entraide", Text: "bonjour"})
	say := func(by, room, text string) error {
		_, err := n.Post(ctx, by, Draft{Room: room, Text: text})
		return err
	}
	if err := n.Revoke("camille", "entraide"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		err  error
		kind chat.Kind
	}{
		{"nobody", say("nobody", "entraide", "x"), chat.Unauthorised},
		{"no room", say("alice", "nowhere", "x"), chat.Gone},
		{"not a member", say("alice", "equipe", "x"), chat.Unauthorised},
		{"muted", say("camille", "entraide", "x"), chat.Unauthorised},
		{"empty", say("alice", "entraide", "  "), chat.Permanent},
		{"too long", say("alice", "entraide", strings.Repeat("é", fullMaxText+1)), chat.Permanent},
		{"not UTF-8", say("alice", "entraide", "\xff"), chat.Permanent},
		{"somebody else's edit", n.Edit("permanence", "entraide", m.ID, Draft{Text: "x"}), chat.Unauthorised},
		{"another room's message", n.React("camille", "equipe", m.ID, "x", true), chat.Gone},
		{"join a team", n.Join("alice", "equipe"), chat.Unauthorised},
	} {
		if tt.err == nil || chat.AsError(tt.err).Kind != tt.kind {
			t.Errorf("%s: %v, want kind %v", tt.name, tt.err, tt.kind)
		} else if r := chat.AsError(tt.err).Reason; r.FR == "" || r.EN == "" {
			t.Errorf("%s: reason %+v", tt.name, r)
		}
	}
	if err := n.Delete("permanence", "entraide", m.ID); err != nil {
		t.Errorf("the bot may delete: %v", err)
	}
}

func TestMentions(t *testing.T) {
	known := func(id string) bool { return id == "alice" || id == "permanence" }
	for _, tt := range []struct {
		text, cut string
		want      []string
	}{
		{"@permanence aide", "aide", []string{"permanence"}},
		{"Permanence: aide", "aide", []string{"permanence"}},
		{"permanence, aide", "aide", []string{"permanence"}},
		{"bonjour @alice.", "bonjour @alice.", []string{"alice"}},
		{"a@alice.example", "a@alice.example", nil},
		{"@permanences", "@permanences", nil},
		{"@inconnu @alice @alice", "@inconnu @alice @alice", []string{"alice"}},
		{"la permanence est ouverte", "la permanence est ouverte", nil},
	} {
		if got := mentions(tt.text, known); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("mentions(%q) = %v, want %v", tt.text, got, tt.want)
		}
		if got := cutMention(tt.text, "permanence"); got != tt.cut {
			t.Errorf("cutMention(%q) = %q, want %q", tt.text, got, tt.cut)
		}
	}
}

func TestTopic(t *testing.T) {
	for _, tt := range []struct{ old, text, want string }{
		{"", "panne", "⟦panne⟧"},
		{"Bienvenue", "panne", "Bienvenue ⟦panne⟧"},
		{"Bienvenue ⟦panne⟧ ici", "fini", "Bienvenue ⟦fini⟧ ici"},
		{"Bienvenue ⟦panne⟧ ici", "", "Bienvenue ici"},
		{"⟦coupé", "neuf", "⟦neuf⟧"},
		{"", "", ""},
	} {
		if got := topic(tt.old, tt.text); got != tt.want {
			t.Errorf("topic(%q, %q) = %q, want %q", tt.old, tt.text, got, tt.want)
		}
	}
}

func TestProgress(t *testing.T) {
	p := progress{low: 3}
	for _, tt := range []struct{ done, low int64 }{{5, 3}, {2, 3}, {4, 5}, {7, 5}, {8, 5}, {6, 8}, {6, 8}} {
		if p.done(tt.done); p.low != tt.low {
			t.Fatalf("after %d: %d, want %d", tt.done, p.low, tt.low)
		}
	}
}

func TestWordsFor(t *testing.T) {
	for accept, want := range map[string]string{
		"": "fr", "fr": "fr", "en": "en", "en-GB,en;q=0.9,fr;q=0.8": "en", "fr-CA, en;q=0.9": "fr",
		"de, en;q=0.5": "en", "en;q=0.3,fr;q=0.7": "fr", "de": "fr", ";;q=,": "fr",
	} {
		if got := wordsFor(accept).Lang; got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

// TestClosed: nothing hangs on a closed network.
func TestClosed(t *testing.T) {
	n := openTest(t, "")
	s, err := n.Dial("permanence", 0)
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := s.Next(ctx); err != ErrClosed {
		t.Errorf("Next: %v", err)
	}
	if _, err := n.Post(ctx, "alice", Draft{Room: "entraide", Text: "x"}); err != ErrClosed {
		t.Errorf("Post: %v", err)
	}
}
