//go:build goolm

package matrix_test

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

func TestMentionEncrypted(t *testing.T) {
	s, room := sealedScene(t)
	s.nameBot("Permanence d’Ici")
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "keys.db")), s.withPassword(), room)
	exchange(t, b, s.p, room, "d’abord")
	mentions(t, s, b, room)
}

func TestBadInputEncrypted(t *testing.T) {
	s, room := sealedScene(t)
	elsewhere, err := s.p.make(deadline(t), fresh(t, "elsewhere"), true)
	if err != nil {
		t.Fatal(err)
	}
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "keys.db")), s.withPassword(), room, elsewhere)
	exchange(t, b, s.p, room, "d’abord")
	exchange(t, b, s.p, elsewhere, "d’abord")
	badInput(t, s, b, func(t *testing.T) *bot { return running(t, b.inbox, s.withPassword(), room, elsewhere) }, room, elsewhere)
}

// TestCipherSaidAgain: somebody says the ciphertext of another again, in the
// same room and in another one.
func TestCipherSaidAgain(t *testing.T) {
	s, room := sealedScene(t)
	elsewhere, err := s.p.make(deadline(t), fresh(t, "elsewhere"), true)
	if err != nil {
		t.Fatal(err)
	}
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "keys.db")), s.withPassword(), room, elsewhere)
	exchange(t, b, s.p, room, "un")
	said := b.heard("question un").ID
	other := newPeer(t, s.server.URL, s.server.Register(t, fresh(t, "thief")), nil)
	var cipher json.RawMessage
	for _, where := range []string{room, elsewhere} {
		if _, err := other.client.JoinRoomByID(deadline(t), s.p.room(where)); err != nil {
			t.Fatal(err)
		}
		if cipher == nil {
			evt, err := other.client.GetEvent(deadline(t), s.p.room(room), id.EventID(said))
			if err != nil {
				t.Fatal(err)
			}
			cipher = evt.Content.VeryRaw
		}
		if _, err := other.client.SendMessageEvent(deadline(t), s.p.room(where), event.EventEncrypted, cipher); err != nil {
			t.Fatal(err)
		}
	}
	asked(t, b, s.p, room, "deux")
	asked(t, b, s.p, elsewhere, "deux")
	for _, e := range b.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok && p.From.ID == string(other.me) && p.Text != "" {
			t.Errorf("somebody's words in another's mouth: %+v", p)
		}
	}
}

// TestSealedFileForged: an encrypted file that is not the one announced.
func TestSealedFileForged(t *testing.T) {
	s, room := sealedScene(t)
	b := running(t, inboxAt(t, filepath.Join(t.TempDir(), "keys.db")), s.withPassword(), room)
	exchange(t, b, s.p, room, "d’abord")
	for _, tt := range []struct {
		name string
		info string
		harm func(sealed *event.EncryptedFileInfo, data []byte)
		want string // in the refusal; empty: it is given
	}{
		{"as it should be", `{"mimetype":"text/plain"}`, func(*event.EncryptedFileInfo, []byte) {}, ""},
		{"other bytes", `{"mimetype":"text/plain"}`, func(_ *event.EncryptedFileInfo, data []byte) { data[0] ^= 1 }, "annoncé"},
		{"another hash", `{}`, func(f *event.EncryptedFileInfo, _ []byte) { f.Hashes.SHA256 = strings.Repeat("A", 43) }, "annoncé"},
		{"no hash", `{}`, func(f *event.EncryptedFileInfo, _ []byte) { f.Hashes.SHA256 = "" }, "annoncé"},
		{"no key", `{}`, func(f *event.EncryptedFileInfo, _ []byte) { f.Key.Key = "" }, "annoncé"},
		{"another cipher", `{}`, func(f *event.EncryptedFileInfo, _ []byte) { f.Version = "v9" }, "annoncé"},
		{"a page as an image", `{"mimetype":"image/png"}`, func(*event.EncryptedFileInfo, []byte) {}, "text/html"},
	} {
		clear := []byte("<html><body>bonjour</body></html>")
		data := append([]byte(nil), clear...)
		sealed := s.p.seal(data)
		tt.harm(sealed, data)
		up, err := s.p.client.UploadBytes(deadline(t), data, "application/octet-stream")
		if err != nil {
			t.Fatal(err)
		}
		sealed.URL = up.ContentURI.CUString()
		file, err := json.Marshal(sealed)
		if err != nil {
			t.Fatal(err)
		}
		sent := s.raw(room, `{"msgtype":"m.file","body":"f","info":`+tt.info+`,"file":`+string(file)+`}`)
		p := first(b, tt.name, func(p *chat.Posted) bool { return p.ID == sent })
		if len(p.Files) != 1 {
			t.Errorf("%s: %+v", tt.name, p)
			continue
		}
		r, err := b.Open(deadline(t), p.Files[0])
		if tt.want != "" {
			if kindOf(t, err) != chat.Permanent || !strings.Contains(chat.AsError(err).Reason.FR, tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != string(clear) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
		r.Close()
	}
}
