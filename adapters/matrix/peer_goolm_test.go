//go:build goolm

package matrix_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
	_ "modernc.org/sqlite"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// keyStore makes a database for keys.
func keyStore(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// withKeys gives a peer encryption, by the library's own helper.
func withKeys(t testing.TB) func(*peer) {
	return func(p *peer) {
		db, err := dbutil.NewWithDB(keyStore(t, filepath.Join(t.TempDir(), "peer.db")), "sqlite")
		if err != nil {
			t.Fatal(err)
		}
		helper, err := cryptohelper.NewCryptoHelper(p.client, []byte("peer"), db)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := helper.Init(ctx); err != nil {
			t.Fatal(err)
		}
		p.client.Crypto = helper
		p.open = func(file *event.EncryptedFileInfo, data []byte) ([]byte, error) {
			return data, file.DecryptInPlace(data)
		}
		p.seal = func(data []byte) *event.EncryptedFileInfo {
			file := attachment.NewEncryptedFile()
			file.EncryptInPlace(data)
			return &event.EncryptedFileInfo{EncryptedFile: *file}
		}
	}
}

// deviceInboxes makes inboxes that share a key store and what goes with it: a
// new device for each would not be known to people when they speak.
func deviceInboxes(t testing.TB) func(testing.TB) *chattest.Inbox {
	db := keyStore(t, filepath.Join(t.TempDir(), "keys.db"))
	var last *chattest.Inbox
	return func(t testing.TB) *chattest.Inbox {
		inbox := chattest.NewInbox()
		inbox.OpenDB = func() (*sql.DB, string, error) { return db, "sqlite", nil }
		if last != nil {
			keepDevice(t, last, inbox)
		}
		last = inbox
		return inbox
	}
}

// keepDevice takes over what makes a device.
func keepDevice(t testing.TB, from, to *chattest.Inbox) {
	t.Helper()
	for _, key := range []string{"pickle", "login"} {
		value, err := from.Get(context.Background(), key)
		if err != nil {
			t.Fatal(err)
		}
		if value != nil {
			if err := to.Put(context.Background(), key, value); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestDendriteEncrypted(t *testing.T) {
	server := testservers.NewDendrite(t, testservers.DendriteOptions{})
	bot, human := server.Register(t, "permanence"), server.Register(t, "camille")
	r := newRoad(t, server.URL, human.UserID)
	p := newPeer(t, server.URL, human, withKeys(t))
	ctx := deadline(t)
	first, err := p.make(ctx, "equipe", true)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.make(ctx, "", true)
	if err != nil {
		t.Fatal(err)
	}
	password := write(t, bot.Password)
	sight := &sharedSight{peer: p, make: deviceInboxes(t), known: make(map[string]bool)}
	chattest.Run(t, chattest.World{
		Name: "matrix", Rooms: []string{first, second},
		New: func(_ testing.TB, env chat.Env) (chat.Adapter, error) {
			env.Invites = []string{"@*:example.org"}
			a, err := matrix.New(matrix.Config{
				URL: r.URL, User: bot.UserID, PasswordFile: password, Encryption: "on",
			}, env)
			if err != nil {
				return nil, err
			}
			return matrix.Hasty(a), nil
		},
		Peer: sight, Timeout: 10 * time.Second, Inbox: sight.newInbox, Faults: worldFaults(server, r, p, id.UserID(bot.UserID)), Cannot: cannot, Log: testLog(t),
	})
}
