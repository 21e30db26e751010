package mattermost_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestAway: what was changed, deleted, put on and taken back while we were away
// is learned, and once only.
func TestAway(t *testing.T) {
	s := newSite(t)
	inbox := chattest.NewInbox()
	r := start(t, s.config(t), s.rooms, inbox)
	ctx, room := deadline(t), s.rooms[1]
	id := make(map[string]string)
	for _, text := range []string{"à corriger", "à supprimer", "à marquer", "à démarquer"} {
		id[text] = human(t)(s.peer.Say(ctx, room, "", text))
		r.heard(text)
	}
	if err := s.peer.React(ctx, room, id["à démarquer"], "✉️"); err != nil {
		t.Fatal(err)
	}
	first(r, "the reaction", func(e *chat.Reacted) bool { return e.Target == id["à démarquer"] })
	r.stop()
	err := errors.Join(
		s.peer.Edit(ctx, room, id["à corriger"], "corrigé"),
		s.peer.Delete(ctx, room, id["à supprimer"]),
		s.peer.React(ctx, room, id["à marquer"], "✅"),
		s.peer.Unreact(ctx, room, id["à démarquer"], "✉️"))
	if err != nil {
		t.Fatal(err)
	}
	// A conversation that begins while we are away.
	var direct struct{ ID string }
	if err := s.peer.call(ctx, "POST", "/channels/direct", []string{s.human.ID, s.bot.ID}, &direct); err != nil {
		t.Fatal(err)
	}
	human(t)(s.peer.Say(ctx, direct.ID, "", "en privé"))
	seen := len(inbox.Events())
	start(t, s.config(t), s.rooms, inbox)
	events := inbox.Events()[seen:]
	want := map[string]int{
		"edited corrigé": 1, "deleted": 1, "reacted ✅": 1, "unreacted ✉️": 1, "posted en privé": 1,
	}
	for _, e := range events {
		name := ""
		switch e := e.(type) {
		case *chat.Edited:
			name = "edited " + e.Text
		case *chat.Deleted:
			name = "deleted"
		case *chat.Reacted:
			name = "reacted " + e.Emoji
		case *chat.Unreacted:
			name = "unreacted " + e.Emoji
		case *chat.Posted:
			name = "posted " + e.Text
			if !e.Direct || e.Room != direct.ID {
				t.Errorf("the direct message comes as %+v", e)
			}
		default:
			continue
		}
		want[name]--
		if !e.Head().Backlog {
			t.Errorf("%s is not marked as history", name)
		}
	}
	for name, n := range want {
		if n != 0 {
			t.Errorf("%s: %d too few", name, n)
		}
	}
}

// TestCutWhileCatchingUp: what is heard before catching up has come to its end
// does not make us believe that it has.
func TestCutWhileCatchingUp(t *testing.T) {
	s := newSite(t)
	inbox := chattest.NewInbox()
	r := start(t, s.config(t), s.rooms, inbox)
	human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "avant"))
	r.heard("avant")
	r.stop()
	human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "manqué"))
	asked := make(chan struct{}, 100)
	s.road.set(func() {
		s.road.answer = func(req *http.Request) (int, http.Header, string) {
			if req.Method != "GET" || !strings.HasSuffix(req.URL.Path, "/posts") {
				return 0, nil, ""
			}
			select {
			case asked <- struct{}{}:
			default:
			}
			return 503, nil, "en panne"
		}
	})
	seen := len(inbox.Events())
	r = launch(t, s.config(t), s.rooms, inbox)
	select {
	case <-asked:
	case <-deadline(t).Done():
		t.Fatal("nothing was asked for")
	}
	s.road.cut()
	r.awaitState(seen, chat.Cut)
	// Far younger than the overlap with which we read again.
	human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "entendu"))
	r.heard("entendu")
	r.stop()
	s.road.set(func() { s.road.answer = nil })
	var p struct {
		Newest int64 `json:"newest"`
	}
	if err := json.Unmarshal([]byte(inbox.Cursors()["channel "+s.ids[s.rooms[0]]]), &p); err != nil {
		t.Fatal(err)
	}
	if heard := r.heard("entendu").At.UnixMilli(); p.Newest >= heard {
		t.Error("the cursor has passed what was not read")
	}
	r = start(t, s.config(t), s.rooms, inbox)
	for _, text := range []string{"avant", "manqué", "entendu"} {
		if n := r.times(text); n != 1 {
			t.Errorf("%s: heard %d times", text, n)
		}
	}
}

// TestAnchorGone: a server may be told to forget old posts, the one among them
// that we wanted to go on from.
func TestAnchorGone(t *testing.T) {
	s := newSite(t)
	inbox := chattest.NewInbox()
	r := start(t, s.config(t), s.rooms, inbox)
	human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "avant"))
	at := r.heard("avant").At.UnixMilli()
	r.stop()
	human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "pendant"))
	cursor := chat.Cursor{Name: "channel " + s.ids[s.rooms[0]],
		Value: fmt.Sprintf(`{"anchor":"zzzzzzzzzzzzzzzzzzzzzzzzzz","newest":%d,"sync":%d}`, at, at)}
	if err := inbox.Handle(deadline(t), nil, cursor); err != nil {
		t.Fatal(err)
	}
	r = start(t, s.config(t), s.rooms, inbox)
	if n := r.times("pendant"); n != 1 {
		t.Errorf("heard %d times, want once", n)
	}
}

// TestLongAbsence: more was said than the server gives at once.
func TestLongAbsence(t *testing.T) {
	s := newSite(t)
	inbox := chattest.NewInbox()
	r := start(t, s.config(t), s.rooms, inbox)
	r.stop()
	const many = 450
	var writing sync.WaitGroup
	for i := range 10 {
		writing.Go(func() {
			for j := range many / 10 {
				if _, err := s.peer.Say(deadline(t), s.rooms[0], "", fmt.Sprintf("absence %d", i*many/10+j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	r = start(t, s.config(t), s.rooms, inbox)
	for i := range many {
		if n := r.times(fmt.Sprintf("absence %d", i)); n != 1 {
			t.Errorf("message %d: heard %d times", i, n)
		}
	}
	var before time.Time
	for _, e := range inbox.Events() {
		if p, ok := e.(*chat.Posted); ok {
			if p.At.Before(before) {
				t.Fatalf("%q comes late", p.Text)
			}
			before = p.At
		}
	}
}
