//go:build !goolm

package matrix_test

import (
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestWithoutEncryption: a build without it says so, and never writes in the
// clear.
func TestWithoutEncryption(t *testing.T) {
	s := newScene(t)
	room, err := s.p.make(deadline(t), "", true)
	if err != nil {
		t.Fatal(err)
	}
	auto := s.config()
	auto.Encryption = ""
	b := running(t, chattest.NewInbox(), auto, room)
	_, err = b.perform(says(room, "en clair ?"))
	if kindOf(t, err) != chat.Permanent || !strings.Contains(chat.AsError(err).Reason.EN, "goolm") {
		t.Error(err)
	}
	sent := s.rawType(room, event.EventEncrypted, `{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"x","session_id":"y"}`)
	p := first(b, "unreadable", func(p *chat.Posted) bool { return p.ID == sent })
	if !p.Unreadable || p.Text != "" {
		t.Errorf("posted %+v", p)
	}
	cfg := s.config()
	cfg.Encryption = "on"
	if _, err := matrix.New(cfg, chat.Env{Name: "matrix"}); err == nil {
		t.Error("encryption: on is accepted")
	}
	var told bool
	for _, f := range b.Check(deadline(t)) {
		told = told || f.Name == "matrix-room-encrypted"
	}
	if !told {
		t.Error("check does not tell")
	}
}
