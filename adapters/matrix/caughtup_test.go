package matrix_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestCaughtUpLate: a busy Dendrite has taken a message that its first sync
// does not bring yet (the road says so in its place); by "caught up" it is here.
func TestCaughtUpLate(t *testing.T) {
	s := newScene(t)
	room := s.room("late")
	r := newRoad(t, s.server.URL, s.human.UserID)
	cfg := s.config()
	cfg.URL = r.URL
	b := running(t, chattest.NewInbox(), cfg, room)
	b.stop()
	sent := s.raw(room, `{"msgtype":"m.text","body":"tout juste"}`)
	var held atomic.Bool
	r.set(func(r *road) {
		r.refuse = func(req *http.Request) (int, string) {
			if !strings.HasSuffix(req.URL.Path, "/sync") || held.Swap(true) {
				return 0, ""
			}
			next, err := json.Marshal(req.URL.Query().Get("since"))
			if err != nil {
				t.Error(err)
			}
			return http.StatusOK, `{"next_batch":` + string(next) + `}`
		}
	})
	again := running(t, b.inbox, cfg, room)
	for _, e := range again.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok && p.ID == sent {
			if !p.Backlog {
				t.Error("it is not marked as said while we were away")
			}
			return
		}
	}
	t.Error("caught up without it")
}
