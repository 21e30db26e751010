package mattermost_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
)

// replyForm is one as a card's button opens it.
func replyForm(text string) *chat.Form {
	return &chat.Form{ID: "reply", Value: "#42", Title: "Répondre à #42", Submit: "Envoyer", Fields: []chat.Field{
		{Name: "text", Label: "Votre réponse, telle qu’elle partira", Text: text, Long: true},
		{Name: "close", Label: "Ensuite", Text: "no", Optional: true, Options: []chat.Option{{Value: "yes", Label: "Fermer"}, {Value: "no", Label: "Laisser ouvert"}}},
	}}
}

// open lets the human press for a form and gives what opens.
func (w *wired) open(t testing.TB, card string, form *chat.Form) dialog {
	t.Helper()
	seen := w.gestures()
	done := w.press(card, "Répondre")
	var got *chat.Pressed
	w.await("the press", func(events []chat.Event) bool {
		n := 0
		for _, e := range events {
			switch e := e.(type) {
			case *chat.Pressed:
				got = e
				n++
			case *chat.Slash, *chat.Submitted:
				n++
			}
		}
		return n > seen
	})
	got.Respond(chat.Answer{Form: form})
	fine(t, "a press for a form", done)
	return w.hears.opened(t, form.ID)
}

// TestForm: a form opens with its draft, comes back filled in, shows what is
// wrong, and is taken once.
func TestForm(t *testing.T) {
	w := newWired(t)
	room := w.rooms[0]
	id := w.card(room, "", "card")
	d := w.open(t, id, replyForm("Bonjour,"))
	if e := d.Dialog.Elements; len(e) != 2 || e[0].Type != "textarea" || e[0].Default != "Bonjour," || e[1].Type != "select" || d.Dialog.Title != "Répondre à #42" {
		t.Errorf("opened %+v", d)
	}
	if !strings.HasPrefix(e0(d).Display, "Votre réponse") || len(e0(d).Display) > 24 {
		t.Errorf("labelled %q", e0(d).Display)
	}
	next := func(text string) *chat.Submitted {
		return first(w.running, "the form with "+text, func(s *chat.Submitted) bool { return s.Fields["text"] == text })
	}

	// A mistake is shown beside its field, and the form may be sent again.
	done := w.submit(d, w.ids[room], map[string]string{"text": "non", "close": "no"})
	got := next("non")
	if got.Form != "reply" || got.Value != "#42" || got.Fields["close"] != "no" || got.Room != room || got.Thread != id || got.From.ID != w.site.human.ID || !got.From.Proved {
		t.Errorf("submitted %+v", got)
	}
	got.Respond(chat.Answer{Errors: map[string]string{"text": "C’est court.", "elsewhere": "Il manque tout."}})
	if shown := within(t, "a form with a mistake", done); shown.err != nil || shown.Errors["text"] != "C’est court." || shown.Error != "Il manque tout." {
		t.Errorf("shown %+v", shown)
	}
	// The same again, then another text. The channel is the one that the client
	// shows by now.
	done = w.submit(d, w.ids[w.rooms[1]], map[string]string{"text": "non", "close": "no"})
	w.await("the same form again", func(events []chat.Event) bool {
		n := 0
		for _, e := range events {
			if s, ok := e.(*chat.Submitted); ok && s.Fields["text"] == "non" {
				n++
				got = s
			}
		}
		return n == 2
	})
	got.Respond(chat.Answer{Errors: map[string]string{"text": "C’est toujours court."}})
	within(t, "a form with a mistake", done)
	done = w.submit(d, w.ids[w.rooms[1]], map[string]string{"text": "Bonjour, c’est réparé.", "close": "yes"})
	got = next("Bonjour, c’est réparé.")
	if got.Room != room || got.Thread != id {
		t.Errorf("submitted in %+v", got.Meta)
	}
	got.Respond(chat.Answer{Text: "Partira dans 30 s."})
	if shown := within(t, "a form", done); shown.err != nil || shown.Error != "" || len(shown.Errors) != 0 {
		t.Errorf("shown %+v", shown)
	}
	// A form has no place for a text: our bot may only write to its sender.
	if p := w.hears.said(t, "Partira dans 30 s."); p.UserID != w.bot.ID {
		t.Errorf("said as %+v", p)
	}
	if shown := within(t, "a form sent twice", w.submit(d, w.ids[room], map[string]string{"text": "encore"})); !strings.Contains(shown.Error, "sent already") {
		t.Errorf("shown %+v", shown)
	}

	// A command opens one too, and one that nobody answers is closed all the
	// same.
	w.install(t)
	typed := w.slash(room, "", "/ticket")
	first(w.running, "the command", func(*chat.Slash) bool { return true }).Respond(chat.Answer{
		Form: &chat.Form{ID: "ticket", Title: "Un nouveau ticket pour quelqu’un d’autre", Submit: "Ouvrir", Fields: []chat.Field{{Name: "text", Label: "Texte"}}}})
	fine(t, "a command for a form", typed)
	d = w.hears.opened(t, "ticket")
	if len(d.Dialog.Title) > 24 {
		t.Errorf("title %q", d.Dialog.Title)
	}
	done = w.submit(d, w.ids[room], map[string]string{"text": "Panne"})
	if s := next("Panne"); s.Room != room || s.Thread != "" {
		t.Errorf("submitted %+v", s)
	}
	if shown := within(t, "a form without an answer", done); shown.err != nil || shown.Error != "" {
		t.Errorf("shown %+v", shown)
	}
	// One that is not stored stays open, and may be sent again.
	typed = w.slash(room, "", "/ticket encore")
	first(w.running, "the command", func(s *chat.Slash) bool { return s.Text == "encore" }).Respond(chat.Answer{
		Form: &chat.Form{ID: "again", Title: "Encore", Fields: []chat.Field{{Name: "text", Label: "Texte"}}}})
	fine(t, "a command for a form", typed)
	d = w.hears.opened(t, "again")
	w.inbox.Refuse(1)
	if shown := within(t, "a form that is not stored", w.submit(d, w.ids[room], map[string]string{"text": "Reste"})); !strings.Contains(shown.Error, "could not store") {
		t.Errorf("shown %+v", shown)
	}
	done = w.submit(d, w.ids[room], map[string]string{"text": "Reste"})
	next("Reste").Respond(chat.Answer{})
	if shown := within(t, "a form again", done); shown.Error != "" {
		t.Errorf("shown %+v", shown)
	}

	// What a form would cut is not put into one.
	card := w.card(room, "", "long")
	pressed := w.press(card, "Répondre")
	first(w.running, "the press", func(p *chat.Pressed) bool { return p.Target == card }).Respond(chat.Answer{Form: replyForm(strings.Repeat("é", 3001))})
	fine(t, "a press for too long a form", pressed)
	w.hears.told(t, "This text is too long for a form of Mattermost (3000 characters at most): write the command in the thread, or make the gesture on the message itself.")
}

func e0(d dialog) struct {
	Name, Type, Default string
	Display             string `json:"display_name"`
} {
	return d.Dialog.Elements[0]
}

// TestFormHostile: a form serves the person for whom it was opened, for an
// hour, once.
func TestFormHostile(t *testing.T) {
	w := newWired(t)
	room := w.rooms[0]
	d := w.open(t, w.card(room, "", "card"), replyForm(""))
	fine(t, "a press", w.press(w.card(room, "", "button"), "Prendre"))
	var press struct {
		Context struct{ Permanence string }
	}
	if err := json.Unmarshal(w.door.last(t, "/action").body, &press); err != nil {
		t.Fatal(err)
	}
	before := w.gestures()
	other := w.User(t, "sacha")
	type in struct {
		Type       string         `json:"type"`
		CallbackID string         `json:"callback_id"`
		State      string         `json:"state"`
		UserID     string         `json:"user_id"`
		Cancelled  bool           `json:"cancelled"`
		Submission map[string]any `json:"submission"`
	}
	good := in{"dialog_submission", "reply", d.Dialog.State, w.site.human.ID, false, map[string]any{"text": "x"}}
	with := func(change func(*in)) []byte {
		i := good
		i.Submission = maps.Clone(good.Submission)
		change(&i)
		body, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	for _, tt := range []struct {
		name, method, mediaType string
		body                    []byte
		status                  int
		says                    string
	}{
		{"GET", "GET", "application/json", nil, 405, ""},
		{"a form", "POST", "application/x-www-form-urlencoded", with(func(*in) {}), 415, ""},
		{"huge", "POST", "application/json", with(func(i *in) { i.Submission["x"] = strings.Repeat("x", 600<<10) }), 413, ""},
		{"no JSON", "POST", "application/json", []byte("text=x"), 400, ""},
		{"a lookup", "POST", "application/json", with(func(i *in) { i.Type = "dialog_lookup" }), 400, ""},
		{"somebody else", "POST", "application/json", with(func(i *in) { i.UserID = other.ID }), 200, "n’est pas valable"},
		{"another form", "POST", "application/json", with(func(i *in) { i.CallbackID = "incident.start" }), 200, "not valid"},
		{"changed", "POST", "application/json", with(func(i *in) { i.State = "A" + i.State }), 200, "not valid"},
		{"a button's slip", "POST", "application/json", with(func(i *in) { i.State = press.Context.Permanence }), 200, "not valid"},
		{"none", "POST", "application/json", with(func(i *in) { i.State = "" }), 200, "not valid"},
		{"cancelled", "POST", "application/json", with(func(i *in) { i.Cancelled = true }), 200, "{}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := w.door.knock(t, tt.method, "/dialog", tt.mediaType, tt.body)
			if status != tt.status || !strings.Contains(answer, tt.says) {
				t.Errorf("%d %s, want %d with %q", status, answer, tt.status, tt.says)
			}
		})
	}
	w.forward.Store(int64(61 * time.Minute))
	if shown := within(t, "an old form", w.submit(d, w.ids[room], map[string]string{"text": "tard"})); !strings.Contains(shown.Error, "more than an hour") {
		t.Errorf("shown %+v", shown)
	}
	if n := w.gestures(); n != before {
		t.Errorf("%d gestures were stored", n-before)
	}
	// Values that are no texts become some.
	w.forward.Store(0)
	good.Submission = map[string]any{"text": nil, "number": 42, "tick": true}
	if status, answer := w.door.knock(t, "POST", "/dialog", "application/json", with(func(*in) {})); status != 200 || answer != "{}" {
		t.Errorf("%d %s", status, answer)
	}
	got := first(w.running, "the form", func(*chat.Submitted) bool { return true })
	if got.Fields["text"] != "" || got.Fields["number"] != "42" || got.Fields["tick"] != "true" {
		t.Errorf("fields %v", got.Fields)
	}
}
