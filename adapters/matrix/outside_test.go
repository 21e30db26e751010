package matrix_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestThrownOutWhileSpeaking: Dendrite answers 500 to what is said while we
// are being thrown out; it is told as what it is, not as a passing failure.
func TestThrownOutWhileSpeaking(t *testing.T) {
	s := newScene(t)
	bot := id.UserID(s.bot.UserID)
	failing := `{"errcode":"M_UNKNOWN","error":"x"}`
	for _, tt := range []struct {
		name   string
		direct bool // a room that the configuration does not name
		join   bool // entering fails too
		want   chat.Kind
	}{
		{"a room of ours", false, false, chat.Unauthorised},
		{"a room of ours that fails to let us in", false, true, chat.Unauthorised},
		{"a direct room", true, false, chat.Gone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			room := s.room("salon")
			r := newRoad(t, s.server.URL, s.human.UserID)
			cfg := s.config()
			cfg.URL = r.URL
			b := running(t, chattest.NewInbox(), cfg, room)
			where := room
			if tt.direct {
				made, err := s.p.client.CreateRoom(deadline(t), &mautrix.ReqCreateRoom{Preset: "private_chat", IsDirect: true, Invite: []id.UserID{bot}})
				if err != nil {
					t.Fatal(err)
				}
				where = string(made.RoomID)
				first(b, "us in it", func(j *chat.Joined) bool { return j.Room == where })
			}
			b.must(says(where, "nous y sommes"))
			var banned atomic.Bool
			r.set(func(r *road) {
				r.refuse = func(req *http.Request) (int, string) {
					switch {
					case req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/send/"):
						if !banned.Swap(true) {
							if err := s.p.ban(deadline(t), where, bot, true); err != nil {
								t.Error(err)
							}
						}
						return http.StatusInternalServerError, failing
					case tt.join && strings.Contains(req.URL.Path, "/join/"):
						return http.StatusInternalServerError, failing
					}
					return 0, ""
				}
			})
			for i := range 3 { // before and after we have heard of it
				_, err := b.perform(says(where, "sommes-nous là ?"))
				if k := kindOf(t, err); k != tt.want {
					t.Errorf("%d: %v %v", i, k, err)
				}
			}
			r.set(func(r *road) { r.refuse = nil })
			if tt.direct {
				return
			}
			if err := s.p.ban(deadline(t), where, bot, false); err != nil {
				t.Fatal(err)
			}
			ctx := deadline(t)
			for { // the server lets us in when it has digested that
				_, err := b.perform(says(where, "revenus"))
				if err == nil {
					break
				}
				if k := chat.AsError(err).Kind; k != tt.want || ctx.Err() != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Run("a server that fails is no reason to think so", func(t *testing.T) {
		room := s.room("salon")
		r := newRoad(t, s.server.URL, s.human.UserID)
		cfg := s.config()
		cfg.URL = r.URL
		b := running(t, chattest.NewInbox(), cfg, room)
		b.must(says(room, "nous y sommes"))
		for _, everything := range []bool{false, true} {
			r.set(func(r *road) {
				r.refuse = func(req *http.Request) (int, string) {
					if everything || strings.Contains(req.URL.Path, "/send/") {
						return http.StatusBadGateway, ""
					}
					return 0, ""
				}
			})
			if _, err := b.perform(says(room, "et là ?")); kindOf(t, err) != chat.Temporary {
				t.Error(everything, err)
			}
		}
		r.set(func(r *road) { r.refuse = nil })
	})
}
