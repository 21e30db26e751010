package playground_test

import (
	"context"
	"strings"
	"testing"

	"permanence/adapters/playground"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// running gives an adapter at work on n, and its inbox.
func running(t *testing.T, n *playground.Network, rooms ...string) (*playground.Adapter, *chattest.Inbox) {
	t.Helper()
	inbox := chattest.NewInbox()
	a, err := playground.New(playground.Config{}, chat.Env{Name: "bac", Rooms: rooms, State: inbox}, n)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, inbox) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	if err := inbox.Await(deadline(t), func(events []chat.Event) bool {
		for _, e := range events {
			if c, ok := e.(*chat.Connection); ok && c.State == chat.CaughtUp {
				return true
			}
		}
		return false
	}); err != nil {
		t.Fatal(err)
	}
	return a, inbox
}

// TestEditParts: an edit may need fewer or more messages than there are.
func TestEditParts(t *testing.T) {
	n := open(t, playground.Config{})
	a, _ := running(t, n, "equipe")
	ctx := deadline(t)
	place := chat.Place{Adapter: "bac", Room: "equipe"}
	long := func(word string, runes int) string {
		return strings.TrimSpace(strings.Repeat(word+" ", runes/(len(word)+1)))
	}
	r, err := a.Do(ctx, chat.Say{Place: place, Content: chat.Content{Text: long("un", 40000)}}, chat.Try{Key: "k1", Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(key, text string, attempt int) chat.Receipt {
		t.Helper()
		var targets []string
		for _, p := range r.Parts {
			targets = append(targets, p.ID)
		}
		out, err := a.Do(ctx, chat.Edit{Place: place, Targets: targets, Content: chat.Content{Text: text}}, chat.Try{Key: key, Attempt: attempt})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	standing := func() (texts []string) {
		for _, m := range n.Messages("equipe") {
			if !m.Deleted {
				texts = append(texts, m.Text)
			}
		}
		return texts
	}
	if len(r.Parts) != 3 {
		t.Fatalf("%d parts", len(r.Parts))
	}
	r = edit("k2", "deux", 1)
	if got := standing(); len(r.Parts) != 1 || len(got) != 1 || got[0] != "deux" {
		t.Fatalf("parts %v, standing %d", r.Parts, len(got))
	}
	whole := edit("k3", long("trois", 40000), 1)
	again := edit("k3", long("trois", 40000), 2)
	if got := standing(); len(whole.Parts) != 3 || len(again.Parts) != 3 || len(got) != 3 || whole.Parts[2] != again.Parts[2] {
		t.Fatalf("parts %v, then %v, standing %d", whole.Parts, again.Parts, len(got))
	}
}

// TestOps: what the suite leaves out because few networks have it.
func TestOps(t *testing.T) {
	n := open(t, playground.Config{})
	old, err := n.Post(deadline(t), "camille", playground.Draft{Room: "equipe", Text: "avant"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.SetTopic("camille", "equipe", "Bienvenue"); err != nil {
		t.Fatal(err)
	}
	a, inbox := running(t, n, "equipe")
	ctx := deadline(t)
	place := chat.Place{Adapter: "bac", Room: "equipe"}
	do := func(op chat.Op) {
		t.Helper()
		if _, err := a.Do(ctx, op, chat.Try{Key: "k", Attempt: 1}); err != nil {
			t.Fatalf("%T: %v", op, err)
		}
	}
	do(chat.Topic{Place: place, Text: "2 demandes"})
	do(chat.Pin{Place: place, Target: old.ID})
	if r, _ := n.Room("equipe"); r.Topic != "Bienvenue ⟦2 demandes⟧" || len(r.Pins) != 1 {
		t.Errorf("topic %q, pins %v", r.Topic, r.Pins)
	}
	do(chat.Topic{Place: place})
	do(chat.Unpin{Place: place, Target: old.ID})
	if r, _ := n.Room("equipe"); r.Topic != "Bienvenue" || len(r.Pins) != 0 {
		t.Errorf("topic %q, pins %v", r.Topic, r.Pins)
	}
	doubles := inbox.Doubles()
	do(chat.Fetch{Place: place, Target: old.ID})
	if inbox.Doubles() != doubles {
		t.Error("a message fetched must not be taken for the one heard before")
	}
	do(chat.Say{Place: place, Content: chat.Content{Text: "pour vous", Mentions: []chat.Account{{ID: "camille"}, {ID: "nobody"}}}})
	list := n.Messages("equipe")
	if m := list[len(list)-1]; m.Text != "@camille pour vous" || len(m.Mentions) != 1 {
		t.Errorf("%q mentions %v", m.Text, m.Mentions)
	}
	for _, op := range []chat.Op{
		chat.Fetch{Place: place, Target: "nothing"},
		chat.React{Place: place, Target: "nothing", Emoji: "x"},
		chat.OpenDirect{Place: place, Account: chat.Account{ID: "nobody"}},
		chat.Say{Place: chat.Place{Adapter: "bac", Room: "nowhere"}, Content: chat.Content{Text: "x"}},
	} {
		if _, err := a.Do(ctx, op, chat.Try{Attempt: 1}); err == nil || chat.AsError(err).Kind != chat.Gone {
			t.Errorf("%T: %v, want gone", op, err)
		}
	}
}

func TestCheck(t *testing.T) {
	n := open(t, playground.Config{})
	a, _ := running(t, n, "equipe", "nowhere")
	names := func(a *playground.Adapter) string {
		var list []string
		for _, f := range a.Check(deadline(t)) {
			list = append(list, f.Name)
			if f.What.FR == "" || f.What.EN == "" || f.Level != chat.OK && (f.Do.FR == "" || f.Do.EN == "") {
				t.Errorf("finding without words: %+v", f)
			}
		}
		return strings.Join(list, " ")
	}
	if got := names(a); got != "room-missing" {
		t.Errorf("found %q", got)
	}
	if err := n.Revoke("permanence", "equipe"); err != nil {
		t.Fatal(err)
	}
	if got := names(a); got != "room-right-missing room-missing" {
		t.Errorf("found %q", got)
	}
	stranger, err := playground.New(playground.Config{Account: "stranger"}, chat.Env{Name: "bac"}, n)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(stranger); got != "account-missing" {
		t.Errorf("found %q", got)
	}
	n.Down()
	if got := names(a); got != "playground-unreachable" {
		t.Errorf("found %q", got)
	}
	n.Up()
}
