package mattermost_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
)

// TestSlash: a command comes with who typed it and where, and its answer is
// shown where it was typed.
func TestSlash(t *testing.T) {
	w := newWired(t)
	w.install(t)
	room := w.rooms[1]
	root := human(t)(w.peer.Say(deadline(t), room, "", "Le wiki est lent."))

	done := w.slash(room, root, "/ticket  fermer #42 @channel <https://example.org|ici>")
	got := first(w.running, "the command", func(s *chat.Slash) bool { return strings.HasPrefix(s.Text, "fermer #42") })
	if got.Command != "ticket" || got.Text != "fermer #42 @channel <https://example.org|ici>" || got.Room != room || got.Thread != root || got.Direct {
		t.Errorf("got %+v", got)
	}
	if got.From.ID != w.site.human.ID || got.From.Handle != w.site.human.Username || !got.From.Proved || got.From.Self || got.From.Bot {
		t.Errorf("from %+v", got.From)
	}
	got.Respond(chat.Answer{Text: "#42 est fermé, voir <https://example.org|ici>"})
	fine(t, "/ticket", done)
	if p := w.hears.told(t, "#42 est fermé, voir <https://example.org|ici>"); p.RootID != root || p.CreateAt == 0 {
		t.Errorf("shown as %+v", p)
	}

	// For all: our own post, in the thread, and it pings nobody.
	done = w.slash(room, root, "/incident début Stockage")
	got = first(w.running, "the incident", func(s *chat.Slash) bool { return s.Command == "incident" })
	got.Respond(chat.Answer{Text: "Incident annoncé. @all", ForAll: true})
	fine(t, "/incident", done)
	if _, ok := w.hears.await(deadline(t), func(f heardFrame) bool {
		return f.Event == "posted" && strings.Contains(f.Data.Post, "Incident annoncé.") && strings.Contains(f.Data.Post, w.bot.ID)
	}); !ok {
		t.Error("not said for all")
	}
	for _, p := range w.eventually(t, room, "the announcement", func(posts []wirePost) bool { return len(posts) == 2 })[1:] {
		if p.UserID != w.bot.ID || p.RootID != root || strings.Contains(p.Message, "@all") {
			t.Errorf("said as %+v", p)
		}
	}

	// Nobody answers in time, and then somebody does.
	done = w.slash(room, "", "/travaux prévoir")
	got = first(w.running, "the slow command", func(s *chat.Slash) bool { return s.Command == "travaux" })
	fine(t, "an answer that does not come", done)
	w.hears.told(t, "Received, the rest comes here.")
	got.Respond(chat.Answer{Text: "C’est prévu."})
	got.Respond(chat.Answer{Text: "C’est prévu deux fois."})
	if p := w.hears.said(t, "C’est prévu."); p.UserID != w.bot.ID {
		t.Errorf("late: %+v", p)
	}

	// In the conversation with us.
	var direct struct{ ID string }
	w.Admin(t, "PUT", "/api/v4/users/"+w.site.human.ID+"/patch", map[string]string{"locale": "fr"}, nil)
	if err := w.peer.call(deadline(t), "POST", "/channels/direct", []string{w.bot.ID, w.site.human.ID}, &direct); err != nil {
		t.Fatal(err)
	}
	in := map[string]string{"channel_id": direct.ID, "team_id": w.teamID, "command": "/ticket Bonjour"}
	go w.peer.call(deadline(t), "POST", "/commands/execute", in, nil)
	got = first(w.running, "the direct command", func(s *chat.Slash) bool { return s.Text == "Bonjour" })
	if !got.Direct || got.Room != direct.ID {
		t.Errorf("direct: %+v", got)
	}
	w.hears.told(t, "Reçu, la suite arrive ici.")
}

// TestSlashByHand: commands whose tokens an administrator put into a file, one
// of them under another name.
func TestSlashByHand(t *testing.T) {
	s := newSite(t)
	d := newDoor(t)
	var made struct{ Token string }
	s.Admin(t, "POST", "/api/v4/commands", map[string]any{
		"team_id": s.teamID, "trigger": "aide-asso", "method": "P", "url": d.URL("/command"), "auto_complete": true}, &made)
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("# asso\n"+made.Token+"   # /aide-asso\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := s.config(t)
	cfg.CommandTokensFile, cfg.Commands = tokens, map[string]string{"ticket": "/aide-asso"}
	w := &wired{site: s, door: d}
	w.running = startIn(t, cfg, s.rooms, d)
	done := w.slash(s.rooms[1], "", "/aide-asso")
	got := first(w.running, "the command", func(s *chat.Slash) bool { return true })
	if got.Command != "ticket" || got.Text != "" {
		t.Errorf("got %+v", got)
	}
	got.Respond(chat.Answer{})
	fine(t, "/aide-asso", done)
	var names []string
	for _, f := range w.Check(deadline(t)) {
		names = append(names, f.Name)
	}
	if strings.Contains(strings.Join(names, " "), "commands") {
		t.Errorf("check finds %v", names)
	}
}

// TestSlashHostile: what does not come from the server, or not from whom it
// says, is not stored.
func TestSlashHostile(t *testing.T) {
	w := newWired(t)
	w.install(t)
	room := w.rooms[1]
	done := w.slash(room, "", "/ticket liste")
	first(w.running, "the command", func(s *chat.Slash) bool { return true }).Respond(chat.Answer{Text: "rien"})
	fine(t, "/ticket", done)
	good := w.door.last(t, "/command")
	before := w.gestures()
	with := func(change func(url.Values)) []byte {
		form, err := url.ParseQuery(string(good.body))
		if err != nil {
			t.Fatal(err)
		}
		change(form)
		return []byte(form.Encode())
	}
	other := w.User(t, "sacha")
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, method, mediaType string
		body                    []byte
		status                  int
		says                    string
	}{
		{"GET", "GET", form, nil, 405, ""},
		{"PUT", "PUT", form, good.body, 405, ""},
		{"JSON", "POST", "application/json", good.body, 415, ""},
		{"no type", "POST", "", good.body, 415, ""},
		{"huge", "POST", form, []byte("text=" + strings.Repeat("é", 600<<10)), 413, ""},
		{"no form", "POST", form, []byte("%zz"), 400, ""},
		{"empty", "POST", form, nil, 400, ""},
		{"again", "POST", form, good.body, 409, ""},
		{"wrong token", "POST", form, with(func(v url.Values) { v.Set("token", "abcdefghijklmnopqrstuvwxyz") }), 200, "does not know this command"},
		{"no token", "POST", form, with(func(v url.Values) { v.Del("token") }), 200, "does not know this command"},
		{"token of another command", "POST", form, with(func(v url.Values) { v.Set("command", "/incident") }), 200, "does not know this command"},
		{"token of another team", "POST", form, with(func(v url.Values) { v.Set("team_id", other.ID) }), 200, "does not know this command"},
		{"somebody else", "POST", form, with(func(v url.Values) { v.Set("user_id", other.ID) }), 403, ""},
		{"no trigger", "POST", form, with(func(v url.Values) { v.Del("trigger_id") }), 403, ""},
		{"forged trigger", "POST", form, with(func(v url.Values) { v.Set("trigger_id", forged(t, v.Get("trigger_id"))) }), 403, ""},
		{"no channel", "POST", form, with(func(v url.Values) { v.Set("channel_id", "../../") }), 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := w.door.knock(t, tt.method, "/command", tt.mediaType, tt.body)
			if status != tt.status || !strings.Contains(answer, tt.says) {
				t.Errorf("%d %s, want %d with %q", status, answer, tt.status, tt.says)
			}
		})
	}
	if n := w.gestures(); n != before {
		t.Errorf("%d gestures were stored", n-before)
	}
}

// TestNotReady: what cannot be stored is told to whoever typed it.
func TestNotReady(t *testing.T) {
	w := newWired(t)
	w.install(t)
	w.inbox.Refuse(1)
	fine(t, "a command that is not stored", w.slash(w.rooms[1], "", "/ticket liste"))
	w.hears.told(t, "Permanence could not store your request: do it again in a moment.")
	w.running.stop()
	fine(t, "a command without anybody behind", w.slash(w.rooms[1], "", "/ticket liste"))
	w.hears.told(t, "Permanence is not ready (it starts or stops): do it again in a moment.")
	if n := w.gestures(); n != 0 {
		t.Errorf("%d gestures were stored", n)
	}
}

// TestNoCallback: without a web address nothing is offered that needs one.
func TestNoCallback(t *testing.T) {
	s := newSite(t)
	a, err := mattermost.New(s.config(t), chat.Env{Name: "tchat", Rooms: s.rooms, State: nil})
	if err != nil {
		t.Fatal(err)
	}
	if caps := a.Caps(place(s.rooms[0], "")); caps.Buttons != chat.None || caps.Forms != chat.None {
		t.Errorf("%+v", caps)
	}
	if _, err := mattermost.InstallCommands(deadline(t), s.config(t), chat.Env{Name: "tchat", Rooms: s.rooms}, s.AdminToken); err == nil {
		t.Error("commands were installed that nobody can call")
	}
}
