package mattermost_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestButtons: a card's buttons reach what the hook names, with what it gave;
// an edit replaces them, and keeps the card's key.
func TestButtons(t *testing.T) {
	s := newSite(t)
	pressed := make(chan map[string]string, 1)
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body struct {
			PostID  string            `json:"post_id"`
			UserID  string            `json:"user_id"`
			Context map[string]string `json:"context"`
		}
		if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		body.Context["post"], body.Context["user"] = body.PostID, body.UserID
		pressed <- body.Context
		io.WriteString(w, "{}")
	}))
	defer callback.Close()
	r := start(t, s.config(t), s.rooms, chattest.NewInbox(), func(a *mattermost.Adapter) { mattermost.WithButtons(a, callback.URL) })
	room := s.rooms[0]
	if r.Caps(place(room, "")).Buttons != chat.Native {
		t.Error("Caps knows no buttons")
	}
	card := func(text string, buttons ...chat.Button) chat.Content {
		return chat.Content{Text: text, Card: true, Buttons: buttons}
	}
	id := r.do(chat.Say{Place: place(room, ""), Content: card("#42 ouvert",
		chat.Button{Action: "claim", Value: "42", Label: "Prendre", Style: "primary"},
		chat.Button{Action: "close", Value: "42", Label: "Fermer"})}, "card").Parts[0].ID
	press := func(label string) error {
		var post struct {
			Props struct {
				Key         string `json:"permanence_key"`
				Attachments []struct {
					Actions []struct{ ID, Name string }
				}
			}
		}
		if err := s.peer.call(deadline(t), "GET", "/posts/"+id, nil, &post); err != nil {
			return err
		}
		if post.Props.Key != r.key("card") {
			t.Errorf("the card's key is %q", post.Props.Key)
		}
		for _, a := range post.Props.Attachments {
			for _, b := range a.Actions {
				if b.Name == label {
					return s.peer.call(deadline(t), "POST", "/posts/"+id+"/actions/"+b.ID, map[string]string{}, nil)
				}
			}
		}
		return chattest.ErrCannot
	}
	want := func(action string) {
		t.Helper()
		select {
		case got := <-pressed:
			if got["action"] != action || got["value"] != "42" || got["channel"] != s.ids[room] || got["post"] != id || got["user"] != s.human.ID {
				t.Errorf("pressed %v, want %s", got, action)
			}
		case <-deadline(t).Done():
			t.Fatal("the press never arrived")
		}
	}
	if err := press("Prendre"); err != nil {
		t.Fatal(err)
	}
	want("claim")
	r.do(chat.Edit{Place: place(room, ""), Targets: []string{id}, Content: card("#42 pris", chat.Button{Action: "release", Value: "42", Label: "Lâcher"})}, "card2")
	if err := press("Prendre"); err != chattest.ErrCannot {
		t.Errorf("a button that was taken away: %v", err)
	}
	if err := press("Lâcher"); err != nil {
		t.Fatal(err)
	}
	want("release")
	r.do(chat.Edit{Place: place(room, ""), Targets: []string{id}, Content: card("#42 fermé")}, "card3")
	if err := press("Lâcher"); err != chattest.ErrCannot {
		t.Errorf("a card without buttons: %v", err)
	}
}
