//go:build goolm

package main

import (
	"database/sql"
	"path/filepath"
	"testing"

	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	_ "modernc.org/sqlite"
)

// BenchmarkMatrixRoadEncrypted is the same with every room encrypted, and one
// more floor, "plain", without encryption.
func BenchmarkMatrixRoadEncrypted(b *testing.B) {
	benchmarkMatrixRoad(b, true, func(c *mautrix.Client) {
		path := filepath.Join(b.TempDir(), "keys.db")
		raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_txlock=immediate")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { raw.Close() })
		db, err := dbutil.NewWithDB(raw, "sqlite")
		if err != nil {
			b.Fatal(err)
		}
		helper, err := cryptohelper.NewCryptoHelper(c, []byte("peer"), db)
		if err != nil {
			b.Fatal(err)
		}
		if err := helper.Init(b.Context()); err != nil {
			b.Fatal(err)
		}
		c.Crypto = helper
	})
}
