package matrix

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestWhoTakesBack: a server may tell of redactions that it does not carry out
// (Dendrite keeps them back, so a stub says them here).
func TestWhoTakesBack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "/state/m.room.create") {
			io.WriteString(w, `{"type":"m.room.create","state_key":"","sender":"@maker:example.org","event_id":"$c","content":{"room_version":"12"}}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"errcode":"M_NOT_FOUND","error":"x"}`)
	}))
	t.Cleanup(server.Close)
	const here, elsewhere = id.RoomID("!a:example.org"), id.RoomID("!b:example.org")
	a, err := New(Config{URL: server.URL, TokenFile: "t"}, chat.Env{Name: "matrix", Rooms: []string{string(here)}, State: chattest.NewInbox()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mautrix.NewClient(server.URL, "", "")
	if err != nil {
		t.Fatal(err)
	}
	levels := new(event.PowerLevelsEventContent)
	levels.SetUserLevel("@moderator:example.org", 50)
	a.book.update(here, func(r *room) { r.levels = levels })
	a.seen.saw(here, "$said", "@author:example.org", "")
	a.seen.saw(elsewhere, "$elsewhere", "@author:example.org", "")
	rd := &reading{runner: &runner{Adapter: a}, l: &link{client: client, me: "@me:example.org"}, batch: new(batch)}
	if err := a.marks.put(t.Context(), reaction{"$mark", "$said", "👀", "@author:example.org"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		by     id.UserID
		target string
		want   string
	}{
		{"@author:example.org", "$said", "deleted"}, {"@moderator:example.org", "$said", "deleted"}, {"@maker:example.org", "$said", "deleted"},
		{"@other:example.org", "$said", "strange"}, {"@author:example.org", "$elsewhere", ""}, {"@author:example.org", "$unknown", ""},
		{"@author:example.org", "$mark", "unreacted"}, {"@moderator:example.org", "$mark", "unreacted"}, {"@other:example.org", "$mark", ""},
		{"@author:example.org", "said", ""},
	} {
		content := event.Content{VeryRaw: json.RawMessage(`{"redacts":"` + tt.target + `"}`), Raw: map[string]any{"redacts": tt.target}}
		got, err := rd.redacted(t.Context(), &event.Event{ID: "$r", RoomID: here, Sender: tt.by, Type: event.EventRedaction, Content: content}, false)
		if err != nil {
			t.Fatal(err)
		}
		kind := ""
		if got != nil {
			kind, _, _ = chat.EncodeEvent(got)
		}
		if kind != tt.want {
			t.Errorf("%s takes back %s: %q, want %q", tt.by, tt.target, kind, tt.want)
		}
	}
}
