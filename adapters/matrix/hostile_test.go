package matrix_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestBadInput: what a client of any make may send does not stop the room, and
// what is said to be about another's message or another room is not believed.
func TestBadInput(t *testing.T) {
	s := newScene(t)
	room, elsewhere := s.room("bad"), s.room("elsewhere")
	b := running(t, chattest.NewInbox(), s.config(), room, elsewhere)
	badInput(t, s, b, func(t *testing.T) *bot { return running(t, b.inbox, s.config(), room, elsewhere) }, room, elsewhere)
}

func badInput(t *testing.T, s *scene, b *bot, again func(*testing.T) *bot, room, elsewhere string) {
	other := newPeer(t, s.server.URL, s.server.Register(t, fresh(t, "other")), nil)
	if _, err := other.client.JoinRoomByID(deadline(t), s.p.room(room)); err != nil {
		t.Fatal(err)
	}
	b.must(says(room, "bonjour"))
	mine, there := s.raw(room, `{"msgtype":"m.text","body":"mes mots"}`), s.raw(elsewhere, `{"msgtype":"m.text","body":"mes mots, ailleurs"}`)
	first(b, "my words", func(p *chat.Posted) bool { return p.ID == mine })
	first(b, "my words elsewhere", func(p *chat.Posted) bool { return p.ID == there })

	// Malformed messages are shown as such, one by one.
	for _, content := range []string{
		`{}`, `{"msgtype":5,"body":"x"}`, `{"msgtype":"m.text","body":null}`, `{"msgtype":"m.text","body":["x"]}`,
		`{"msgtype":"m.text","body":"x","m.mentions":"tous"}`, `{"msgtype":"m.text","body":"x","m.mentions":{"user_ids":"@a:example.org"}}`,
		`{"msgtype":"m.text","body":"x","m.relates_to":"y"}`, `{"msgtype":"m.text","body":"x","m.relates_to":{"rel_type":"m.thread","event_id":["$a"]}}`,
		`{"msgtype":"m.text","body":"x","m.relates_to":{"rel_type":"m.thread","event_id":"pas un événement"}}`,
		`{"msgtype":"m.image","body":"x","url":7,"info":"grand"}`, `{"msgtype":"m.file","body":"x","file":{"url":"http://evil.example/"}}`,
		`{"msgtype":"m.image","body":"x","url":"https://evil.example/suivi.gif"}`,
		`{"msgtype":"m.location","body":"x","geo_uri":["geo:1,2"]}`, `{"msgtype":"m.text","body":"` + strings.Repeat(`\u0000`, 50) + `"}`,
		`{"msgtype":"m.text","body":"` + strings.Repeat("a\u0301\u202e", 2000) + `"}`,
		`{"msgtype":"m.text","format":"org.matrix.custom.html","body":"x","formatted_body":"` + strings.Repeat("<blockquote>", 1200) + `fin"}`,
	} {
		sent := s.raw(room, content)
		p := first(b, content[:min(len(content), 80)], func(p *chat.Posted) bool { return p.ID == sent })
		if p.Text == "" && len(p.Files) == 0 || len(p.Files) > 0 && !strings.Contains(p.Files[0].Ref, "mxc://") {
			t.Errorf("%.80s: nothing to be seen: %+v", content, p)
		}
	}
	// What is nothing for us.
	for kind, content := range map[event.Type]string{
		event.EventReaction:                               `{"m.relates_to":{"rel_type":"m.annotation","event_id":7,"key":{}}}`,
		{Type: "m.poll.start"}:                            `{"m.poll":"x"}`,
		{Type: "org.matrix.msc3381.poll.start"}:           `{"org.matrix.msc3381.poll.start":{"question":[],"answers":5}}`,
		{Type: "m.key.verification.start"}:                `{"method":5}`,
		{Type: "m.room.encrypted"}:                        `{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":{"a":1},"session_id":5}`,
		{Type: "org.example." + strings.Repeat("x", 200)}: `{"a":[[[[[[]]]]]]}`,
	} {
		s.rawType(room, kind, content)
	}
	// Giant state.
	long := strings.Repeat("é", 20000)
	for kind, content := range map[event.Type]any{
		event.StateTopic:    &event.TopicEventContent{Topic: long},
		event.StateRoomName: &event.RoomNameEventContent{Name: long},
		{Type: "m.room.tombstone", Class: event.StateEventType}:     map[string]any{"replacement_room": 5, "body": long},
		{Type: "m.room.pinned_events", Class: event.StateEventType}: map[string]any{"pinned": long},
	} {
		if _, err := s.p.client.SendStateEvent(deadline(t), s.p.room(room), kind, "", content); err != nil {
			t.Fatal(kind.Type, err)
		}
	}
	if _, err := s.p.client.SendStateEvent(deadline(t), s.p.room(room), event.StateMember, s.human.UserID, map[string]any{
		"membership": "join", "displayname": long, "avatar_url": 5,
	}); err != nil {
		t.Fatal(err)
	}

	// Forged relations.
	edit := `{"msgtype":"m.text","body":"* faux","m.new_content":{"msgtype":"m.text","body":"faux"},"m.relates_to":{"rel_type":"m.replace","event_id":"%s"}}`
	s.raw(room, fmt.Sprintf(edit, there)) // my own, in another room
	s.raw(elsewhere, fmt.Sprintf(edit, mine))
	forge := func(kind event.Type, content string) {
		if _, err := other.client.SendMessageEvent(deadline(t), s.p.room(room), kind, json.RawMessage(content)); err != nil {
			t.Logf("%s is refused by the server: %v", kind.Type, err)
		}
	}
	forge(event.EventMessage, fmt.Sprintf(edit, mine))
	forge(event.EventRedaction, `{"redacts":"`+mine+`"}`)
	forge(event.EventRedaction, `{"redacts":"`+there+`"}`)
	forge(event.EventRedaction, `{"redacts":["`+mine+`"]}`)
	s.raw(room, `{"msgtype":"m.text","body":"fin"}`)
	end := b.heard("fin")
	if len([]rune(end.From.Name)) > 100 {
		t.Errorf("a name of %d bytes", len(end.From.Name))
	}
	s.raw(elsewhere, `{"msgtype":"m.text","body":"fin aussi"}`)
	b.heard("fin aussi")
	if _, err := b.perform(chat.Fetch{Place: place(room), Target: there}); kindOf(t, err) != chat.Gone {
		t.Errorf("a message of another room is fetched: %v", err)
	}
	told := false
	defer func() {
		if !told {
			t.Error("nobody is told of a forged edit")
		}
	}()
	for _, e := range b.inbox.Events() {
		switch e := e.(type) {
		case *chat.Strange:
			told = true
		case *chat.Edited:
			t.Errorf("a forged edit is believed: %+v", e)
		case *chat.Deleted:
			t.Errorf("a forged deletion is believed: %+v", e)
		case *chat.Reacted:
			t.Errorf("a malformed reaction is believed: %+v", e)
		}
	}
	// A moderator's deletion is one.
	if _, err := s.p.client.RedactEvent(deadline(t), s.p.room(room), id.EventID(b.must(says(room, "bientôt retiré")).Parts[0].ID)); err != nil {
		t.Fatal(err)
	}
	first(b, "the moderator's deletion", func(d *chat.Deleted) bool { return d.From.ID == s.human.UserID })
	b.must(says(room, "toujours là"))
	// What was taken back while we were away is no malformed message.
	b.stop()
	gone := s.raw(room, `{"msgtype":"m.text","body":"vite retiré"}`)
	if _, err := s.p.client.RedactEvent(deadline(t), s.p.room(room), id.EventID(gone)); err != nil {
		t.Fatal(err)
	}
	back := again(t)
	s.raw(room, `{"msgtype":"m.text","body":"de retour"}`)
	back.heard("de retour")
	for _, e := range back.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok && p.ID == gone && p.Text != "vite retiré" {
			t.Errorf("shown: %+v", p)
		}
	}
}

// TestBadMedia: a file is what it says, or is refused with a word.
func TestBadMedia(t *testing.T) {
	s := newScene(t)
	room := s.room("media")
	b := running(t, chattest.NewInbox(), s.config(), room)
	page := []byte("<!DOCTYPE html><html><script>alert(1)</script></html>")
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	for _, tt := range []struct {
		name, content, info string
		data                []byte
		refused             string
	}{
		{"a page as an image", "m.image", `{"mimetype":"image/png","size":53}`, page, "text/html"},
		{"a page as a sound", "m.audio", `{"mimetype":"audio/ogg"}`, page, "text/html"},
		{"a document as an image", "m.image", `{"mimetype":"image/jpeg"}`, []byte("%PDF-1.7\n"), "application/pdf"},
		{"a page as a page", "m.file", `{"mimetype":"text/html"}`, page, ""},
		{"an image, of another size", "m.image", `{"mimetype":"image/png","size":999999999}`, png, ""},
		{"an image of no kind", "m.image", `{"mimetype":"../../etc"}`, page, ""},
		{"an image that nobody knows", "m.image", `{"mimetype":"image/avif"}`, []byte("\x00\x00\x00 ftypavif"), ""},
	} {
		up, err := s.p.client.UploadBytes(deadline(t), tt.data, "image/png")
		if err != nil {
			t.Fatal(err)
		}
		sent := s.raw(room, fmt.Sprintf(`{"msgtype":"%s","body":"photo.png","url":"%s","info":%s}`, tt.content, up.ContentURI, tt.info))
		p := first(b, tt.name, func(p *chat.Posted) bool { return p.ID == sent })
		if len(p.Files) != 1 {
			t.Fatalf("%s: files %+v", tt.name, p.Files)
		}
		r, err := b.Open(deadline(t), p.Files[0])
		if tt.refused != "" {
			if kindOf(t, err) != chat.Permanent || !strings.Contains(chat.AsError(err).Reason.FR, tt.refused) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if data, err := io.ReadAll(r); err != nil || string(data) != string(tt.data) {
			t.Errorf("%s: %q, %v", tt.name, data, err)
		}
		r.Close()
	}
	sent := s.raw(room, `{"msgtype":"m.image","body":"nulle part","url":"mxc://example.org/nowhere"}`)
	p := first(b, "a file that is nowhere", func(p *chat.Posted) bool { return p.ID == sent })
	if _, err := b.Open(deadline(t), p.Files[0]); kindOf(t, err) != chat.Gone {
		t.Error(err)
	}
}
