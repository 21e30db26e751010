package bot_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"permanence/adapters/matrix"
	"permanence/bot"
	"permanence/bot/chat"
)

// shown is a message with all that a client shows of it or rings for.
type shown struct {
	ID      string `json:"event_id"`
	Kind    string `json:"type"`
	By      string `json:"sender"`
	Content struct {
		Body     string  `json:"body"`
		HTML     string  `json:"formatted_body"`
		Mentions *called `json:"m.mentions"`
		New      *struct {
			Body     string  `json:"body"`
			HTML     string  `json:"formatted_body"`
			Mentions *called `json:"m.mentions"`
		} `json:"m.new_content"`
		Relates relation `json:"m.relates_to"`
	} `json:"content"`
}

// called is whom a message rings for (MSC3952).
type called struct {
	Users []string `json:"user_ids"`
	Room  bool     `json:"room"`
}

// events are those of a room, oldest first, as its server gives them.
func (h *homeserver) events(room string) []shown {
	h.t.Helper()
	var page struct {
		Chunk []shown `json:"chunk"`
	}
	h.call(h.alice, http.MethodGet, "/rooms/"+url.PathEscape(h.rooms[room])+"/messages?dir=b&limit=200", struct{}{}, &page)
	slices.Reverse(page.Chunk)
	return page.Chunk
}

// reads is what a message of ours reads now, after its corrections.
func (h *homeserver) reads(room, id string) (text string) {
	for _, e := range h.events(room) {
		switch {
		case e.ID == id:
			text = e.Content.Body
		case e.By == h.us.UserID && e.Content.Relates.Type == "m.replace" && e.Content.Relates.Event == id && e.Content.New != nil:
			text = e.Content.New.Body
		}
	}
	return text
}

// pinned is the room's list, in its order.
func (h *homeserver) pinned(room string) []string {
	h.t.Helper()
	var state struct{ Pinned []string }
	h.call(h.alice, http.MethodGet, "/rooms/"+url.PathEscape(h.rooms[room])+"/state/m.room.pinned_events", struct{}{}, &state)
	return state.Pinned
}

// put sets a state of a room, as alice.
func (h *homeserver) put(room, kind string, content any) {
	h.t.Helper()
	h.call(h.alice, http.MethodPut, "/rooms/"+url.PathEscape(h.rooms[room])+"/state/"+kind, content, nil)
}

// highlights are the messages of a room that rang for alice.
func (h *homeserver) highlights(room string) (ids []string) {
	h.t.Helper()
	var page struct {
		Notifications []struct {
			Actions []json.RawMessage `json:"actions"`
			Room    string            `json:"room_id"`
			Event   struct {
				ID string `json:"event_id"`
			} `json:"event"`
		} `json:"notifications"`
	}
	h.call(h.alice, http.MethodGet, "/notifications?limit=100", struct{}{}, &page)
	for _, n := range page.Notifications {
		rings := slices.ContainsFunc(n.Actions, func(a json.RawMessage) bool { return strings.Contains(string(a), "highlight") })
		if n.Room == h.rooms[room] && rings {
			ids = append(ids, n.Event.ID)
		}
	}
	return ids
}

// statusOn makes "etat", where we may pin, the only status room.
func (h *homeserver) statusOn() []setup {
	h.room("etat", h.alice, "public_chat", h.us, h.camille)
	var levels map[string]json.RawMessage
	h.call(h.alice, http.MethodGet, "/rooms/"+url.PathEscape(h.rooms["etat"])+"/state/m.room.power_levels", struct{}{}, &levels)
	levels["users"] = json.RawMessage(`{"` + h.alice.UserID + `": 100, "` + h.us.UserID + `": 50}`)
	h.put("etat", "m.room.power_levels", levels)
	return []setup{
		h.with(func(d *bot.Desk) { d.Rooms = append(d.Rooms, h.place("equipe")) }),
		func(w *world) {
			token := filepath.Join(w.dir, "status.token")
			must(w.t, os.WriteFile(token, []byte(h.us.Token+"\n"), 0o600))
			w.beside["matrix"] = func(state chat.State) chat.Adapter {
				a, err := matrix.New(matrix.Config{URL: h.server.URL, User: h.us.UserID, TokenFile: token},
					chat.Env{Name: "matrix", Rooms: []string{h.rooms["equipe"], h.rooms["etat"]}, State: state, Log: w.opt.Log})
				must(w.t, err)
				return a
			}
		},
		onlyRoom(h.place("etat")),
	}
}

// A status room on Matrix, from the start to the end: a headline that follows,
// its thread, its pin beside those of others, a correction, and each word once.
func TestStatusRoomOnMatrix(t *testing.T) {
	h := newHomeserver(t)
	w := newWorld(t, h.statusOn()...)
	rules := h.say(h.alice, "etat", "", "Les règles de ce salon")
	plan := h.say(h.alice, "etat", "", "Le plan du local")
	h.put("etat", "m.room.pinned_events", map[string][]string{"pinned": {rules}})
	h.put("etat", "m.room.topic", map[string]string{"topic": "Bienvenue  | règles"})

	h.say(h.camille, "equipe", "", "!incident début messagerie : envois retardés")
	head := h.find(h.alice, "etat", "the headline", h.said("[Incident 1] Messagerie : envois retardés"))
	w.await("pinned behind the rules", func() bool { return slices.Equal(h.pinned("etat"), []string{rules, head.ID}) })
	h.put("etat", "m.room.pinned_events", map[string][]string{"pinned": {plan, head.ID, rules}}) // meanwhile

	h.say(h.camille, "equipe", "", "!incident maj identifié : un dique")
	news := h.find(h.alice, "etat", "news", h.said("Cause identifiée"))
	if news.Content.Relates.Type != "m.thread" || news.Content.Relates.Event != head.ID {
		t.Errorf("the news stand in %+v", news.Content.Relates)
	}
	w.await("the headline follows", func() bool { return contains(h.reads("etat", head.ID), "un dique") })
	h.say(h.camille, "equipe", "", "!incident corriger un disque")
	w.await("corrected", func() bool {
		return contains(h.reads("etat", news.ID), "un disque") && contains(h.reads("etat", head.ID), "un disque")
	})
	w.stop() // and whatever is said from here on is said by another run
	w.start()
	h.say(h.camille, "equipe", "", "!incident fin le disque est changé")
	end := h.find(h.alice, "etat", "the end", h.said("le disque est changé"))
	w.await("the headline has ended", func() bool { return strings.HasPrefix(h.reads("etat", head.ID), "✅") })
	w.await("unpinned, the others are not", func() bool { return slices.Equal(h.pinned("etat"), []string{plan, rules}) })
	h.find(h.camille, "equipe", "told everywhere", h.said("dite partout"))
	h.say(h.camille, "equipe", "", "!incident corriger 1 Le disque est changé, tout est revenu.")
	w.await("the end is corrected", func() bool { return contains(h.reads("etat", end.ID), "tout est revenu") })

	var ours []string
	for _, e := range h.events("etat") {
		if e.By == h.us.UserID && e.Kind == "m.room.message" && e.Content.Relates.Type != "m.replace" {
			ours = append(ours, e.ID)
		}
	}
	if want := []string{head.ID, news.ID, end.ID}; !slices.Equal(ours, want) {
		t.Errorf("our messages are %q, want %q", ours, want)
	}
	var topic struct{ Topic string }
	h.call(h.alice, http.MethodGet, "/rooms/"+url.PathEscape(h.rooms["etat"])+"/state/m.room.topic", struct{}{}, &topic)
	if topic.Topic != "Bienvenue  | règles" {
		t.Errorf("the topic: %q", topic.Topic)
	}
	if rang := h.highlights("etat"); len(rang) > 0 {
		t.Errorf("it rang for alice: %q", rang)
	}
}

// What is hostile in a title and a text is read as it was typed: no pill, no
// ringing for the room or for somebody, in the corrections neither.
func TestHostileTitleOnMatrix(t *testing.T) {
	h := newHomeserver(t)
	w := newWorld(t, h.statusOn()...)
	tell := func(number, text string) {
		h.say(h.camille, "equipe", "", "!incident début messagerie : "+text)
		head := h.find(h.alice, "etat", "the headline", h.said("[Incident "+number+"]"))
		h.say(h.camille, "equipe", "", "!incident maj "+number+" "+text)
		h.find(h.alice, "etat", "news", func(m spoken) bool { return m.Content.Relates.Type == "m.thread" && m.Content.Relates.Event == head.ID })
		h.say(h.camille, "equipe", "", "!incident fin "+number+" "+text+" merci "+number)
		h.find(h.alice, "etat", "the end", h.said("merci "+number))
		w.await("the headline has ended", func() bool { return strings.HasPrefix(h.reads("etat", head.ID), "✅") })
	}
	tell("1", "@room <img src=x> \u202eenvers\n@room")
	if rang := h.highlights("etat"); len(rang) > 0 {
		t.Errorf("it rang for alice: %q", rang)
	}
	h.send(h.us, "etat", "m.room.message", struct { // and it would have
		Type string `json:"msgtype"`
		Body string `json:"body"`
	}{"m.text", "@room"})
	w.await("alice is called", func() bool { return len(h.highlights("etat")) == 1 })

	// Servers of before MSC3952 ring for each name that stands in a text; those
	// of today for the names in m.mentions alone, where there is one.
	tell("2", h.alice.UserID+` <a href="https://matrix.to/#/`+h.alice.UserID+`">Alice</a> [Alice](https://matrix.to/#/`+h.alice.UserID+")")
	for _, e := range h.events("etat") {
		c := e.Content
		if e.By != h.us.UserID || e.Kind != "m.room.message" || c.Body == "@room" {
			continue
		}
		mentions, text, html := []*called{c.Mentions}, c.Body, c.HTML
		if c.New != nil {
			mentions, text, html = append(mentions, c.New.Mentions), text+c.New.Body, html+c.New.HTML
		}
		for _, m := range mentions {
			if m == nil || len(m.Users) > 0 || m.Room {
				t.Errorf("calls %+v: %q", m, c.Body)
			}
		}
		for _, bad := range []string{"<a href", "<img"} {
			if strings.Contains(html, bad) {
				t.Errorf("%s stands in %q", bad, html)
			}
		}
		if strings.Contains(text+html, "\u202e") {
			t.Errorf("reads backwards: %q", text)
		}
	}
}
