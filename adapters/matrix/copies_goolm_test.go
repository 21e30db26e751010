//go:build goolm

package matrix_test

import (
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/backup"
	"maunium.net/go/mautrix/id"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// accountOf is the bot's account at a client without keys.
func (s *scene) accountOf() *mautrix.Client {
	s.t.Helper()
	c, err := mautrix.NewClient(s.server.URL, id.UserID(s.bot.UserID), s.bot.Token)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// found gives the findings about the backup of keys.
func found(b *bot) (names []string) {
	for _, f := range b.Check(deadline(b.t)) {
		if strings.HasPrefix(f.Name, "matrix-backup") {
			names = append(names, f.Name)
		}
	}
	return names
}

// copied waits until the server has so many keys.
func copied(t *testing.T, c *mautrix.Client, least int) *mautrix.RespRoomKeysVersion[backup.MegolmAuthData] {
	t.Helper()
	ctx := deadline(t)
	for {
		info, err := c.GetKeyBackupLatestVersion(ctx)
		if err == nil && info.Count >= least {
			return info
		}
		if ctx.Err() != nil {
			t.Fatalf("keys on the server: %+v, %v", info, err)
		}
	}
}

// withRecovery is a running bot with a recovery key.
func withRecovery(t *testing.T, s *scene, cfg *matrix.Config, room string) *bot {
	t.Helper()
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "one.db")), *cfg, room)
	key, err := b.NewRecoveryKey(deadline(t), false)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RecoveryKeyFile = write(t, key)
	return b
}

// TestCopies: what one device could read the next one can.
func TestCopies(t *testing.T) {
	s, room := sealedScene(t)
	cfg := s.withPassword()
	r := newRoad(t, s.server.URL, s.human.UserID)
	cfg.URL = r.URL
	var braked atomic.Int64
	r.set(func(r *road) {
		r.refuse = func(req *http.Request) (int, string) {
			if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/room_keys/keys") && braked.Add(1) <= 2 {
				return http.StatusTooManyRequests, `{"errcode":"M_LIMIT_EXCEEDED","error":"x","retry_after_ms":120}`
			}
			return 0, ""
		}
	})
	b := withRecovery(t, s, &cfg, room)
	exchange(t, b, s.p, room, "avant")
	before := b.heard("question avant").ID
	account := s.accountOf()
	info := copied(t, account, 2) // ours and theirs
	if braked.Load() < 3 {
		t.Errorf("%d requests", braked.Load())
	}
	if n := len(info.AuthData.Signatures[id.UserID(s.bot.UserID)]); n != 2 {
		t.Errorf("the backup has %d signatures", n)
	}
	if got := found(b); len(got) != 1 || got[0] != "matrix-backup" {
		t.Errorf("findings %v", got)
	}
	b.stop()

	// A new start makes no other backup and copies nothing twice.
	again := running(t, b.inbox, cfg, room)
	exchange(t, again, s.p, room, "encore")
	again.stop()
	if now := copied(t, account, 1); now.Version != info.Version {
		t.Errorf("another backup: %s, %s", info.Version, now.Version)
	}

	// The keys are lost; what people say before they know the new device is
	// written with keys that only the old one had.
	ctx := deadline(t)
	meanwhile, err := s.p.Say(ctx, room, "", "pendant ce temps")
	if err != nil {
		t.Fatal(err)
	}
	lost := inboxAt(t, filepath.Join(t.TempDir(), "two.db"))
	takeOver(t, b.inbox, lost)
	fresh := running(t, lost, cfg, room)
	if p := first(fresh, "what was said meanwhile", func(p *chat.Posted) bool { return p.ID == meanwhile }); p.Unreadable || p.Text != "pendant ce temps" {
		t.Errorf("posted %+v", p)
	} else if p.From.Proved {
		t.Error("keys that came from the server prove the sender")
	}
	fresh.must(chat.Fetch{Place: place(room), Target: before})
	if p := first(fresh, "history", func(p *chat.Posted) bool { return p.ID == before && p.Revision == "fetched" }); p.Text != "question avant" {
		t.Errorf("fetched %+v", p)
	}
	exchange(t, fresh, s.p, room, "après")
	fresh.stop()

	// The same where the server has the backup only later.
	if meanwhile, err = s.p.Say(ctx, room, "", "pendant cet autre temps"); err != nil {
		t.Fatal(err)
	}
	r.set(func(r *road) {
		r.refuse = func(req *http.Request) (int, string) {
			if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/room_keys/keys") {
				return http.StatusServiceUnavailable, ""
			}
			return 0, ""
		}
	})
	lost = inboxAt(t, filepath.Join(t.TempDir(), "three.db"))
	takeOver(t, fresh.inbox, lost)
	late := running(t, lost, cfg, room)
	if p := first(late, "unreadable", func(p *chat.Posted) bool { return p.ID == meanwhile }); !p.Unreadable {
		t.Errorf("posted %+v", p)
	}
	r.set(func(r *road) { r.refuse = nil })
	for i := 0; ; i++ { // a sync at the latest every half minute, or when something is said
		if _, err := s.p.Say(ctx, room, "", "alors ?"); err != nil {
			t.Fatal(err)
		}
		shown := false
		for _, e := range late.inbox.Events() {
			if p, ok := e.(*chat.Posted); ok && p.ID == meanwhile && p.Revealed && p.Text == "pendant cet autre temps" {
				shown = true
			}
		}
		if shown {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("it is never revealed")
		}
	}
}

// takeOver gives a second inbox what the first had, but for its keys and its
// login.
func takeOver(t *testing.T, from, to *chattest.Inbox) {
	t.Helper()
	value, err := from.Cursor(t.Context(), "sync")
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Handle(t.Context(), nil, chat.Cursor{Name: "sync", Value: value}); err != nil {
		t.Fatal(err)
	}
}

// TestCopiesForeign: a backup that is not for our key is left alone, until the
// operator replaces it.
func TestCopiesForeign(t *testing.T) {
	s, room := sealedScene(t)
	account := s.accountOf()
	other, err := backup.NewMegolmBackupKey()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := account.CreateKeyBackupVersion(deadline(t), &mautrix.ReqRoomKeysVersionCreate[backup.MegolmAuthData]{
		Algorithm: id.KeyBackupAlgorithmMegolmBackupV1,
		AuthData:  backup.MegolmAuthData{PublicKey: id.Ed25519(base64.RawStdEncoding.EncodeToString(other.PublicKey().Bytes()))},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.withPassword()
	b := withRecovery(t, s, &cfg, room)
	exchange(t, b, s.p, room, "un")
	if got := found(b); len(got) != 1 || got[0] != "matrix-backup-foreign" {
		t.Errorf("findings %v", got)
	}
	if info := copied(t, account, 0); info.Version != foreign.Version || info.Count != 0 {
		t.Errorf("the backup %+v", info)
	}
	if _, err := b.NewRecoveryKey(deadline(t), true); err != nil {
		t.Fatal(err)
	}
	info := copied(t, account, 2)
	if info.Version == foreign.Version {
		t.Error("keys went into a backup that is not ours")
	}
	if got := found(b); len(got) != 1 || got[0] != "matrix-backup" {
		t.Errorf("findings %v", got)
	}
	// Somebody deletes it: the next keys make another.
	if err := account.DeleteKeyBackupVersion(deadline(t), info.Version); err != nil {
		t.Fatal(err)
	}
	// Who goes makes us change keys.
	passing := newPeer(t, s.server.URL, s.server.Register(t, fresh(t, "passing")), nil)
	if _, err := passing.client.JoinRoomByID(deadline(t), s.p.room(room)); err != nil {
		t.Fatal(err)
	}
	exchange(t, b, s.p, room, "deux")
	if _, err := passing.client.LeaveRoom(deadline(t), s.p.room(room)); err != nil {
		t.Fatal(err)
	}
	exchange(t, b, s.p, room, "trois")
	for ctx := deadline(t); ; {
		now, err := account.GetKeyBackupLatestVersion(ctx)
		if err == nil && now.Version != info.Version && now.Count >= 2 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("no other backup: %+v, %v", now, err)
		}
	}
}

// TestCopiesNone: a server that knows no backups (the road says so in
// Dendrite's place) hinders nothing, and nothing is said of it.
func TestCopiesNone(t *testing.T) {
	s, room := sealedScene(t)
	cfg := s.withPassword()
	r := newRoad(t, s.server.URL, s.human.UserID)
	cfg.URL = r.URL
	var asked atomic.Int64
	r.set(func(r *road) {
		r.refuse = func(req *http.Request) (int, string) {
			if strings.Contains(req.URL.Path, "/room_keys") {
				asked.Add(1)
				return http.StatusNotFound, `{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}`
			}
			return 0, ""
		}
	})
	b := withRecovery(t, s, &cfg, room)
	exchange(t, b, s.p, room, "un")
	if got := found(b); len(got) != 0 {
		t.Errorf("findings %v", got)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
