package mattermost_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// startIn runs an adapter with a door until the test ends.
func startIn(t testing.TB, cfg mattermost.Config, rooms []string, d *door) *running {
	t.Helper()
	inbox := chattest.NewInbox()
	r := launchIn(t, cfg, chat.Env{Name: "tchat", Rooms: rooms, State: inbox, Mux: d, Log: testLog(t)}, inbox)
	r.awaitState(0, chat.CaughtUp)
	return r
}

// forged gives a trigger_id that says somebody else's time.
func forged(t testing.TB, trigger string) string {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(trigger)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(data), ":")
	parts[0] = strings.Repeat("a", 26)
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, ":")))
}

// card posts one with a button and gives its ID.
func (w *wired) card(room, thread, key string) string {
	w.running.t.Helper()
	return w.do(chat.Say{Place: place(room, thread), Content: chat.Content{Text: "#42 ouvert", Card: true, Buttons: []chat.Button{
		{Action: "claim", Value: "42", Label: "Prendre", Style: "primary"}, {Action: "reply", Value: "42", Label: "Répondre"}}}}, key).Parts[0].ID
}

// TestPress: a press comes with who pressed, where and what, and its answer is
// shown below the card.
func TestPress(t *testing.T) {
	w := newWired(t)
	room := w.rooms[0]
	if caps := w.Caps(place(room, "")); caps.Buttons != chat.Native || caps.Forms != chat.Native {
		t.Errorf("%+v", caps)
	}
	id := w.card(room, "", "card")
	done := w.press(id, "Prendre")
	got := first(w.running, "the press", func(*chat.Pressed) bool { return true })
	if got.Action != "claim" || got.Value != "42" || got.Target != id || got.Room != room || got.Thread != "" || got.Direct {
		t.Errorf("pressed %+v", got)
	}
	if got.From.ID != w.site.human.ID || got.From.Handle != w.site.human.Username || !got.From.Proved {
		t.Errorf("pressed by %+v", got.From)
	}
	got.Respond(chat.Answer{Text: "#42 est à vous, <b>"})
	fine(t, "a press", done)
	if p := w.hears.told(t, "#42 est à vous, <b>"); p.RootID != id {
		t.Errorf("shown as %+v", p)
	}

	// In a thread, after an edit, which binds the button to the post.
	in := w.card(room, id, "inner")
	w.do(chat.Edit{Place: place(room, id), Targets: []string{in}, Content: chat.Content{Text: "#42 pris", Card: true,
		Buttons: []chat.Button{{Action: "release", Value: "42", Label: "Lâcher"}}}}, "edit")
	done = w.press(in, "Lâcher")
	got = first(w.running, "the second press", func(p *chat.Pressed) bool { return p.Action == "release" })
	if got.Target != in || got.Thread != id {
		t.Errorf("pressed %+v", got)
	}
	fine(t, "a press without an answer in time", done)
	w.hears.told(t, "Received, the rest comes here.")

	// Two presses are two events.
	before := w.gestures()
	for range 2 {
		fine(t, "a press", w.press(id, "Prendre"))
	}
	if n := w.gestures() - before; n != 2 {
		t.Errorf("two presses are %d", n)
	}
}

// TestContextHidden: nobody who reads a card over the server's interface sees
// what its buttons carry.
func TestContextHidden(t *testing.T) {
	w := newWired(t)
	room := w.rooms[0]
	id := w.card(room, "", "secret")
	w.do(chat.Edit{Place: place(room, ""), Targets: []string{id}, Content: chat.Content{Text: "#42 rouvert", Card: true,
		Buttons: []chat.Button{{Action: "claim", Value: "42", Label: "Prendre"}}}}, "edit")
	fine(t, "a press", w.press(id, "Prendre"))
	var press struct {
		Context struct{ Permanence string }
	}
	if err := json.Unmarshal(w.door.last(t, "/action").body, &press); err != nil || len(press.Context.Permanence) < 50 {
		t.Fatalf("the press carries %q, %v", press.Context.Permanence, err)
	}
	half := press.Context.Permanence[:40]
	if _, ok := w.hears.await(deadline(t), func(f heardFrame) bool { return f.Event == "post_edited" && strings.Contains(f.raw, id) }); !ok {
		t.Fatal("the edit was not heard")
	}
	w.hears.mu.Lock()
	for _, f := range w.hears.frames {
		if strings.Contains(f.raw, half) || strings.Contains(f.raw, "/a/tchat") {
			t.Errorf("%s shows it: %s", f.Event, f.raw)
		}
	}
	w.hears.mu.Unlock()
	for _, path := range []string{
		"/posts/" + id, "/posts/" + id + "/thread", "/posts/" + id + "/edit_history", "/channels/" + w.ids[room] + "/posts",
		"/channels/" + w.ids[room] + "/posts?since=1", "/posts/ids", "/teams/" + w.teamID + "/posts/search", "/users/me/posts/flagged",
	} {
		method, in := "GET", any(nil)
		switch {
		case strings.HasSuffix(path, "/ids"):
			method, in = "POST", []string{id}
		case strings.HasSuffix(path, "/search"):
			method, in = "POST", map[string]any{"terms": "ouvert rouvert", "is_or_search": true}
		}
		var body json.RawMessage
		err := w.peer.call(deadline(t), method, path, in, &body)
		if err != nil && !strings.HasSuffix(path, "edit_history") { // an author's alone
			t.Errorf("%s: %v", path, err)
		}
		if strings.Contains(string(body), half) || strings.Contains(string(body), "/a/tchat") {
			t.Errorf("%s shows it: %s", path, body)
		}
	}
}

// TestPressHostile: a press that the server did not make is not stored.
func TestPressHostile(t *testing.T) {
	w := newWired(t)
	room := w.rooms[0]
	id := w.card(room, "", "card")
	fine(t, "a press", w.press(id, "Prendre"))
	unbound := w.door.last(t, "/action")
	edit := func(key string) {
		w.do(chat.Edit{Place: place(room, ""), Targets: []string{id}, Content: chat.Content{Text: "#42 " + key, Card: true,
			Buttons: []chat.Button{{Action: "claim", Value: "42", Label: "Prendre"}}}}, key)
	}
	edit("edited")
	fine(t, "a press", w.press(id, "Prendre"))
	bound := w.door.last(t, "/action")
	before := w.gestures()
	with := func(v visit, change func(map[string]any, map[string]any)) []byte {
		var m map[string]any
		if err := json.Unmarshal(v.body, &m); err != nil {
			t.Fatal(err)
		}
		context, ok := m["context"].(map[string]any)
		if !ok {
			t.Fatal("no context")
		}
		change(m, context)
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	slip := func(change func(payload, sum string) string) []byte {
		return with(unbound, func(_, c map[string]any) {
			payload, sum, _ := strings.Cut(c["permanence"].(string), ".")
			c["permanence"] = change(payload, sum)
		})
	}
	other := w.User(t, "sacha")
	const form = "application/json"
	for _, tt := range []struct {
		name, method, mediaType string
		body                    []byte
		status                  int
		says                    string
	}{
		{"GET", "GET", form, nil, 405, ""},
		{"a form", "POST", "application/x-www-form-urlencoded", unbound.body, 415, ""},
		{"huge", "POST", form, []byte(`{"context":"` + strings.Repeat("x", 600<<10) + `"}`), 413, ""},
		{"no JSON", "POST", form, []byte("{"), 400, ""},
		{"a list", "POST", form, []byte("[]"), 400, ""},
		{"empty", "POST", form, []byte("{}"), 400, ""},
		{"again", "POST", form, unbound.body, 409, ""},
		{"no slip", "POST", form, with(unbound, func(_, c map[string]any) { delete(c, "permanence") }), 200, "not valid here"},
		{"nonsense", "POST", form, slip(func(_, _ string) string { return "a.b.c" }), 200, "not valid here"},
		{"another action", "POST", form, slip(func(p, s string) string {
			data, _ := base64.RawURLEncoding.DecodeString(p)
			return base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(data), "claim", "close", 1))) + "." + s
		}), 200, "not valid here"},
		{"no signature", "POST", form, slip(func(p, _ string) string { return p + "." }), 200, "not valid here"},
		{"another channel", "POST", form, with(unbound, func(m, _ map[string]any) { m["channel_id"] = w.ids[w.rooms[1]] }), 200, "not valid here"},
		{"another post", "POST", form, with(bound, func(m, _ map[string]any) { m["post_id"] = other.ID }), 200, "not valid here"},
		{"somebody else", "POST", form, with(unbound, func(m, _ map[string]any) { m["user_id"] = other.ID }), 403, ""},
		{"no trigger", "POST", form, with(unbound, func(m, _ map[string]any) { delete(m, "trigger_id") }), 403, ""},
		{"forged trigger", "POST", form, with(unbound, func(m, _ map[string]any) { m["trigger_id"] = forged(t, m["trigger_id"].(string)) }), 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := w.door.knock(t, tt.method, "/action", tt.mediaType, tt.body)
			if status != tt.status || !strings.Contains(answer, tt.says) {
				t.Errorf("%d %s, want %d with %q", status, answer, tt.status, tt.says)
			}
		})
	}

	// A month later only a card that was edited since works.
	w.forward.Store(int64(31 * 24 * time.Hour))
	fine(t, "a press of an old button", w.press(id, "Prendre"))
	w.hears.told(t, "This button has been without news for too long: write the command in the thread, for example !help.")
	if n := w.gestures(); n != before {
		t.Errorf("%d gestures were stored", n-before)
	}
	edit("refreshed")
	w.forward.Store(int64(32 * 24 * time.Hour))
	status, answer := w.door.knock(t, "POST", "/action", form, bound.body)
	if status != 200 || !strings.Contains(answer, "without news") {
		t.Errorf("an old press: %d %s", status, answer)
	}
	w.forward.Store(0)
	fine(t, "a press of a refreshed button", w.press(id, "Prendre"))
	if n := w.gestures(); n != before+1 {
		t.Errorf("%d gestures were stored, want one", n-before)
	}
}
