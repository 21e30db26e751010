//go:build goolm

package matrix_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/sqlstore"
	"permanence/internal/testservers"
)

// sealedScene is a scene whose human has keys, with an encrypted room.
func sealedScene(t *testing.T) (*scene, string) {
	server := testservers.Dendrite(t)
	s := &scene{t: t, server: server, bot: server.Register(t, fresh(t, "bot")), human: server.Register(t, fresh(t, "camille"))}
	s.p = newPeer(t, server.URL, s.human, withKeys(t))
	room, err := s.p.make(deadline(t), fresh(t, "salon"), true)
	if err != nil {
		t.Fatal(err)
	}
	return s, room
}

func (s *scene) withPassword() matrix.Config {
	return matrix.Config{URL: s.server.URL, User: s.bot.UserID, PasswordFile: write(s.t, s.bot.Password), Encryption: "on"}
}

// inboxAt is an inbox whose key store is a file.
func inboxAt(t testing.TB, path string) *chattest.Inbox {
	inbox := chattest.NewInbox()
	db := keyStore(t, path)
	inbox.OpenDB = func() (*sql.DB, string, error) { return db, "sqlite", nil }
	return inbox
}

// exchange says something both ways and wants it to be read. We begin: when
// people read us, their client knows our device.
func exchange(t *testing.T, b *bot, p *peer, room, word string) {
	t.Helper()
	b.must(says(room, "bonjour "+word))
	if _, err := p.find(deadline(t), room, "bonjour "+word); err != nil {
		t.Fatal(err)
	}
	asked(t, b, p, room, word)
}

// asked wants a question to be read, and the answer.
func asked(t *testing.T, b *bot, p *peer, room, word string) {
	t.Helper()
	if _, err := p.Say(deadline(t), room, "", "question "+word); err != nil {
		t.Fatal(err)
	}
	if h := b.heard("question " + word); !h.From.Proved {
		t.Errorf("the sender is not proved: %+v", h.From)
	}
	b.must(says(room, "réponse "+word))
	if _, err := p.find(deadline(t), room, "réponse "+word); err != nil {
		t.Fatal(err)
	}
}

// TestRevealed: keys that come late, across a restart of ours.
func TestRevealed(t *testing.T) {
	s, room := sealedScene(t)
	r := newRoad(t, s.server.URL, s.human.UserID)
	cfg := s.withPassword()
	cfg.URL = r.URL
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "keys.db")), cfg, room)
	b.must(says(room, "nous voici"))
	if _, err := s.p.find(deadline(t), room, "nous voici"); err != nil {
		t.Fatal(err)
	}
	r.set(func(r *road) { r.holdKeys = true })
	ctx := deadline(t)
	sent, err := s.p.Say(ctx, room, "", "caché d’abord")
	if err != nil {
		t.Fatal(err)
	}
	p := first(b, "unreadable", func(p *chat.Posted) bool { return p.ID == sent })
	if !p.Unreadable || p.Text != "" {
		t.Errorf("posted %+v", p)
	}
	if err := s.p.Edit(ctx, room, sent, "caché puis corrigé"); err != nil {
		t.Fatal(err)
	}
	long, err := s.p.Say(ctx, room, "", strings.Repeat("long ", 3000))
	if err != nil {
		t.Fatal(err)
	}
	first(b, "another", func(p *chat.Posted) bool { return p.ID == long && p.Unreadable })
	b.stop()
	again := launched(t, b.inbox, cfg, room)
	r.set(func(r *road) { r.holdKeys = false })
	shown := first(again, "revealed", func(p *chat.Posted) bool { return p.ID == sent && p.Revealed })
	if shown.Text != "caché d’abord" || shown.Revision == "" || shown.Unreadable {
		t.Errorf("revealed %+v", shown)
	}
	first(again, "the edit", func(e *chat.Edited) bool { return e.Target == sent && e.Text == "caché puis corrigé" })
	first(again, "the long one", func(p *chat.Posted) bool { return p.ID == long && p.Revealed && len(p.Text) > 10000 })
	exchange(t, again, s.p, room, "ensuite")
}

// TestNewDevice: somebody logs in anew, with other keys.
func TestNewDevice(t *testing.T) {
	s, room := sealedScene(t)
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "keys.db")), s.withPassword(), room)
	exchange(t, b, s.p, room, "un")
	second := newPeer(t, s.server.URL, s.server.Login(t, s.human), withKeys(t))
	second.rooms[room] = s.p.room(room)
	// The server tells us of the new device in its own time.
	ctx := deadline(t)
	for i := 0; ; i++ {
		word := fmt.Sprintf("appareil-%d.", i)
		b.must(says(room, word))
		if _, err := s.p.find(ctx, room, word); err != nil {
			t.Fatal(err)
		}
		second.mu.Lock()
		n := len(second.said[s.p.room(room)])
		second.mu.Unlock()
		if n > 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the new device reads nothing")
		}
	}
	exchange(t, b, second, room, "deux")
}

// TestEncryptedLater: a room is encrypted in the middle of a conversation.
func TestEncryptedLater(t *testing.T) {
	s, _ := sealedScene(t)
	room, err := s.p.make(deadline(t), "", false)
	if err != nil {
		t.Fatal(err)
	}
	inbox := inboxAt(t, filepath.Join(t.TempDir(), "keys.db"))
	b := running(t, inbox, s.withPassword(), room)
	exchange(t, b, s.p, room, "clair")
	if _, err := s.p.client.SendStateEvent(deadline(t), s.p.room(room), event.StateEncryption, "", &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}); err != nil {
		t.Fatal(err)
	}
	asked(t, b, s.p, room, "chiffré") // the question tells us of it
	kinds := make(map[string]string)
	page, err := s.p.client.Messages(deadline(t), s.p.room(room), "", "", 'b', nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, evt := range page.Chunk {
		if evt.Sender == id.UserID(s.bot.UserID) && evt.StateKey == nil {
			kinds[string(evt.ID)] = evt.Type.Type
		}
	}
	m, err := s.p.find(deadline(t), room, "réponse chiffré")
	if err != nil {
		t.Fatal(err)
	}
	if kinds[m.ID] != "m.room.encrypted" {
		t.Errorf("said in the clear: %v", kinds)
	}
	// And it stays so for who starts anew without having heard of it.
	b.stop()
	off := s.withPassword()
	off.Encryption = "off"
	plain := running(t, b.inbox, off, room)
	if _, err := plain.perform(says(room, "en clair ?")); kindOf(t, err) != chat.Permanent {
		t.Error(err)
	}
}

// TestRestored: yesterday's copy of everything is put back.
func TestRestored(t *testing.T) {
	for _, how := range []string{"password", "token"} {
		t.Run(how, func(t *testing.T) {
			s, room := sealedScene(t)
			dir := t.TempDir()
			cfg := s.withPassword()
			if how == "token" {
				cfg = matrix.Config{URL: s.server.URL, TokenFile: write(t, s.bot.Token), Encryption: "on"}
			}
			b := running(t, inboxAt(t, filepath.Join(dir, "today.db")), cfg, room)
			exchange(t, b, s.p, room, "hier")
			b.stop()
			copyStore(t, b.inbox, filepath.Join(dir, "copy.db"))
			later := running(t, b.inbox, cfg, room)
			for i := range 3 {
				exchange(t, later, s.p, room, fmt.Sprintf("aujourd’hui %d", i))
			}
			later.stop()

			old := inboxAt(t, filepath.Join(dir, "copy.db"))
			keepDevice(t, b.inbox, old)
			if err := matrix.MarkRestored(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			back := running(t, old, cfg, room)
			var told bool
			for _, f := range back.Check(deadline(t)) {
				told = told || f.Name == "matrix-restored"
			}
			if !told {
				t.Error("nobody is told")
			}
			back.must(says(room, "nous revoilà"))
			if _, err := s.p.find(deadline(t), room, "nous revoilà"); err != nil {
				t.Fatal(err)
			}
			if how == "password" {
				// A new device: people send their keys again.
				ctx := deadline(t)
				for i := 0; ; i++ {
					sent, err := s.p.Say(ctx, room, "", fmt.Sprintf("encore-%d.", i))
					if err != nil {
						t.Fatal(err)
					}
					if p := first(back, "it", func(p *chat.Posted) bool { return p.ID == sent }); !p.Unreadable {
						break
					}
				}
			}
			if mark, err := old.Get(t.Context(), "restored"); err != nil || mark != nil {
				t.Errorf("the mark is still there: %s, %v", mark, err)
			}
		})
	}
}

// copyStore makes a copy of an inbox's key store.
func copyStore(t *testing.T, inbox *chattest.Inbox, path string) {
	t.Helper()
	db, _, err := inbox.DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("VACUUM INTO '" + path + "'"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

// TestManyEncrypted: two hundred messages each way, in order, and one request
// for each of ours.
func TestManyEncrypted(t *testing.T) {
	s, room := sealedScene(t)
	r := newRoad(t, s.server.URL, s.human.UserID)
	cfg := s.withPassword()
	cfg.URL = r.URL
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "keys.db")), cfg, room)
	exchange(t, b, s.p, room, "d’abord")
	r.requests()
	for i := range 20 {
		b.must(says(room, fmt.Sprintf("une-%d", i)))
	}
	n := r.requests()
	delete(n, "POST keys") // fresh one-time keys, by the sync
	if n["PUT send"] != 20 || len(n) != 1 {
		t.Errorf("requests for 20 messages: %v", n)
	}
	manyMessages(t, b, s.p, room)
}

// TestPostgresKeys: the key store in PostgreSQL, as the program's store hands it
// out, with a backup on the server.
func TestPostgresKeys(t *testing.T) {
	url := testservers.Postgres(t)
	s, room := sealedScene(t)
	store, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	inbox := chattest.NewInbox()
	inbox.OpenDB = func() (*sql.DB, string, error) { return store.State("matrix").DB(context.Background()) }
	cfg := s.withPassword()
	b := running(t, inbox, cfg, room)
	key, err := b.NewRecoveryKey(deadline(t), false)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RecoveryKeyFile = write(t, key)
	exchange(t, b, s.p, room, "un")
	copied(t, s.accountOf(), 2)
	before := b.heard("question un").ID
	b.stop()
	again := running(t, inbox, cfg, room)
	exchange(t, again, s.p, room, "deux")
	again.stop()
	// The keys come back, also into PostgreSQL.
	db, _, err := store.State("matrix").DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"crypto_megolm_inbound_session", "crypto_account", "crypto_secrets"} {
		if _, err := db.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
	fresh := running(t, inbox, cfg, room)
	fresh.must(chat.Fetch{Place: place(room), Target: before})
	first(fresh, "history", func(p *chat.Posted) bool { return p.ID == before && p.Revision == "fetched" && p.Text == "question un" })
}

// TestRecovery: the account's keys sign a device, and the next one by the
// recovery key.
func TestRecovery(t *testing.T) {
	s, room := sealedScene(t)
	level := func(b *bot, name string) bool {
		for _, f := range b.Check(deadline(t)) {
			if f.Name == name {
				return true
			}
		}
		return false
	}
	cfg := s.withPassword()
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "one.db")), cfg, room)
	if !level(b, "matrix-device-unsigned") {
		t.Error("nobody is told that the device is not signed")
	}
	key, err := b.NewRecoveryKey(deadline(t), false)
	if err != nil || key == "" {
		t.Fatal(err)
	}
	if level(b, "matrix-device-unsigned") {
		t.Error("the device is still not signed")
	}
	if _, err := b.NewRecoveryKey(deadline(t), false); err == nil {
		t.Error("keys replaced without being asked to")
	}
	b.stop()
	cfg.RecoveryKeyFile = write(t, key)
	again := running(t, inboxAt(t, filepath.Join(t.TempDir(), "two.db")), cfg, room)
	if level(again, "matrix-device-unsigned") || level(again, "matrix-recovery-key") {
		t.Error("the new device is not signed")
	}
	exchange(t, again, s.p, room, "signé")
	again.stop()
	cfg.RecoveryKeyFile = write(t, "EsTc wrong wrong")
	wrong := running(t, inboxAt(t, filepath.Join(t.TempDir(), "three.db")), cfg, room)
	if !level(wrong, "matrix-recovery-key") {
		t.Error("nobody is told that the recovery key is wrong")
	}
}

// TestKeysLost: the key store is lost, the login is not.
func TestKeysLost(t *testing.T) {
	s, room := sealedScene(t)
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "one.db")), s.withPassword(), room)
	exchange(t, b, s.p, room, "un")
	b.stop()
	empty := inboxAt(t, filepath.Join(t.TempDir(), "two.db"))
	keepDevice(t, b.inbox, empty)
	again := running(t, empty, s.withPassword(), room)
	again.must(says(room, "autre appareil"))
	if _, err := s.p.find(deadline(t), room, "autre appareil"); err != nil {
		t.Fatal(err)
	}
	// With a token there is no other device, and that is said.
	cfg := matrix.Config{URL: s.server.URL, TokenFile: write(t, s.bot.Token), Encryption: "on"}
	one := running(t, inboxAt(t, filepath.Join(t.TempDir(), "three.db")), cfg, room)
	one.stop()
	two := launched(t, inboxAt(t, filepath.Join(t.TempDir(), "four.db")), cfg, room)
	if f := two.Check(deadline(t)); len(f) != 1 || f[0].Name != "matrix-device-keys" {
		t.Errorf("%+v", f)
	}
}

// requests gives how many were made since the last call.
func (r *road) requests() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.count
	r.count = make(map[string]int)
	return was
}
