//go:build goolm

package bot_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
	_ "modernc.org/sqlite"

	"permanence/bot"
	"permanence/internal/testservers"
)

// whisperer is somebody at a client that encrypts, with a store of keys of its
// own.
type whisperer struct {
	t      *testing.T
	client *mautrix.Client

	mu   sync.Mutex
	read map[id.EventID]*event.MessageEventContent
}

func newWhisperer(t *testing.T, server string, account testservers.MatrixAccount) *whisperer {
	client, err := mautrix.NewClient(server, id.UserID(account.UserID), account.Token)
	must(t, err)
	client.DeviceID = id.DeviceID(account.DeviceID)
	raw, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "keys.db")+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_txlock=immediate")
	must(t, err)
	t.Cleanup(func() { raw.Close() })
	db, err := dbutil.NewWithDB(raw, "sqlite")
	must(t, err)
	helper, err := cryptohelper.NewCryptoHelper(client, []byte("whisperer"), db)
	must(t, err)
	must(t, helper.Init(t.Context()))
	client.Crypto = helper
	w := &whisperer{t: t, client: client, read: map[id.EventID]*event.MessageEventContent{}}
	client.Syncer.(mautrix.ExtensibleSyncer).OnEventType(event.EventMessage, func(_ context.Context, evt *event.Event) {
		if evt.Mautrix.EventSource&event.SourceDecrypted == 0 {
			return // nothing in the clear counts
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.read[evt.ID] = evt.Content.AsMessage()
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); _ = client.SyncWithContext(ctx) }()
	t.Cleanup(func() { cancel(); <-over })
	return w
}

// room makes an encrypted room and invites people.
func (w *whisperer) room(invite ...id.UserID) id.RoomID {
	w.t.Helper()
	empty := ""
	made, err := w.client.CreateRoom(w.t.Context(), &mautrix.ReqCreateRoom{Preset: "public_chat", Name: "Entraide", Invite: invite,
		InitialState: []*event.Event{{Type: event.StateEncryption, StateKey: &empty, Content: event.Content{
			Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1},
		}}}})
	must(w.t, err)
	w.await("the room is known to be encrypted", func() bool {
		yes, err := w.client.StateStore.IsEncrypted(w.t.Context(), made.RoomID)
		return err == nil && yes
	})
	return made.RoomID
}

func (w *whisperer) await(what string, f func() bool) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (w *whisperer) say(room id.RoomID, c *event.MessageEventContent) id.EventID {
	w.t.Helper()
	sent, err := w.client.SendMessageEvent(w.t.Context(), room, event.EventMessage, c)
	must(w.t, err)
	return sent.EventID
}

// heard waits for an encrypted message with these words.
func (w *whisperer) heard(s string) (found *event.MessageEventContent) {
	w.t.Helper()
	w.await("hears "+s, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.read {
			if contains(c.Body, s) {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

// TestEncryptedMatrixCustomerTeamOnMattermost: what somebody asks in an
// encrypted room is answered there, encrypted, by a team on Mattermost;
// corrections, deletions and files follow.
func TestEncryptedMatrixCustomerTeamOnMattermost(t *testing.T) {
	h, m := newHomeserver(t), newMatter(t)
	alice := newWhisperer(t, h.server.URL, h.alice)
	room := alice.room(id.UserID(h.us.UserID))
	h.rooms["entraide"] = string(room)
	newWorld(t, m.with(func(*bot.Desk) {}), h.with(func(d *bot.Desk) {
		d.Intakes = append(d.Intakes, bot.Intake{Place: h.place("entraide"), Opens: bot.OnMessage})
		d.Rooms = append(d.Rooms[:0:0], m.place("equipe"))
	}))
	alice.await("the bot is in the room", func() bool {
		in, err := alice.client.JoinedMembers(t.Context(), room)
		must(t, err)
		_, yes := in.Joined[id.UserID(h.us.UserID)]
		return yes
	})
	asked := alice.say(room, &event.MessageEventContent{MsgType: event.MsgText, Body: "Mon site chiffré ne répond plus"})
	card := m.find(m.camille, "equipe", "the card", m.said("Mon site chiffré"))

	in := func(c *event.MessageEventContent) *event.MessageEventContent {
		c.RelatesTo = (&event.RelatesTo{}).SetThread(asked, asked)
		return c
	}
	picture := []byte(strings.Repeat("pixels ", 100))
	file := attachment.NewEncryptedFile()
	sealed := slices.Clone(picture)
	file.EncryptInPlace(sealed)
	up, err := alice.client.UploadBytes(t.Context(), sealed, "application/octet-stream")
	must(t, err)
	info := &event.EncryptedFileInfo{EncryptedFile: *file, URL: up.ContentURI.CUString()}
	alice.say(room, in(&event.MessageEventContent{MsgType: event.MsgFile, Body: "capture.txt", FileName: "capture.txt", File: info,
		Info: &event.FileInfo{MimeType: "text/plain", Size: len(picture)}}))
	m.find(m.camille, "equipe", "the file", m.said("capture.txt"))
	edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "Mon site chiffré ne répond plus depuis lundi"}
	edit.SetEdit(asked)
	alice.say(room, edit)
	m.find(m.camille, "equipe", "the correction", func(r remark) bool { return r.ID == card.ID && contains(r.Text, "depuis lundi") })
	slip := alice.say(room, in(&event.MessageEventContent{MsgType: event.MsgText, Body: "mot de passe : tralala"}))
	m.find(m.camille, "equipe", "the slip", m.said("tralala"))
	_, err = alice.client.RedactEvent(t.Context(), room, slip)
	must(t, err)
	m.find(m.camille, "equipe", "the deletion", m.said("(message effacé)"))

	m.post(m.camille, "equipe", card.ID, "entre nous : encore elle")
	draft := m.post(m.camille, "equipe", card.ID, "C’est réparé, Alice.")
	m.react(m.camille, draft.ID, "envelope")
	answer := alice.heard("C’est réparé")
	if thread := answer.RelatesTo.GetThreadParent(); thread != asked {
		t.Errorf("the answer stands in %q, not below the question", thread)
	}
	m.find(m.camille, "equipe", "📬", m.marked(draft.ID, "mailbox_with_mail"))
	for _, r := range m.posts(m.camille, "equipe") {
		if contains(r.Text, "tralala") {
			t.Errorf("what was deleted stands in the team's room: %q", r.Text)
		}
	}
	for _, s := range h.heard(h.alice, "entraide") {
		if s.Kind == "m.room.message" || s.Content.Body != "" {
			t.Errorf("the server can read %q", s.Content.Body)
		}
	}
	alice.mu.Lock()
	defer alice.mu.Unlock()
	for _, c := range alice.read {
		if contains(c.Body, "entre nous") {
			t.Error("a note of the team stands before the customer")
		}
	}
}
