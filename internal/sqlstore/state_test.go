package sqlstore

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"permanence/bot"
)

func TestAdapterState(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		a, b := s.State("a"), s.State("b")
		if v, err := a.Get(ctx, "k"); v != nil || err != nil {
			t.Errorf("before: %q, %v", v, err)
		}
		for _, value := range [][]byte{{0, 255, 'x'}, {}, nil, []byte("last")} {
			if err := a.Put(ctx, "k", value); err != nil {
				t.Fatal(err)
			}
			if v, err := a.Get(ctx, "k"); !bytes.Equal(v, value) || err != nil {
				t.Errorf("put %q, got %q, %v", value, v, err)
			}
		}
		if v, err := b.Get(ctx, "k"); v != nil || err != nil {
			t.Errorf("another adapter reads %q, %v", v, err)
		}
		if err := a.Delete(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		if v, err := a.Get(ctx, "k"); v != nil || err != nil {
			t.Errorf("after: %q, %v", v, err)
		}
		if v, err := a.Cursor(ctx, "none"); v != "" || err != nil {
			t.Errorf("no cursor: %q, %v", v, err)
		}
		hash, _, err := s.PutBlob(ctx, "", strings.NewReader("raw"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Raw(ctx, hash)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()

		db, dialect, err := a.DB(ctx)
		if err != nil || dialect != s.Dialect() {
			t.Fatalf("%s, %v", dialect, err)
		}
		if _, err := db.Exec("CREATE TABLE library (n BIGINT)"); err != nil {
			t.Fatal(err)
		}
		if s.dialect == sqlite {
			if found, _ := filepath.Glob(strings.TrimSuffix(s.source.path, ".db") + "-adapters.db"); len(found) != 1 {
				t.Errorf("the second file: %v", found)
			}
			// A library's transaction does not hold ours up.
			tx, err := db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			mustUpdate(t, s, func(tx *Tx) error { return tx.SetTimer(bot.Timer{Name: "t"}) })
		}
	})
}
