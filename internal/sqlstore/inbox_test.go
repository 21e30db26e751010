package sqlstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/tickets"
)

func events(n int) []bot.InboxRow {
	rows := make([]bot.InboxRow, n)
	for i := range rows {
		rows[i] = bot.InboxRow{Adapter: "tchat", Room: "asso/entraide", EventID: fmt.Sprint("e", i), Kind: "posted", Body: fmt.Sprint("body ", i), Received: tickets.Time(i)}
	}
	return rows
}

func idsOf(rows []bot.InboxRow) (ids []tickets.ID) {
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestInbox(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		rows := events(5)
		mustUpdate(t, s, func(tx *Tx) error {
			return errors.Join(tx.StoreEvents(rows), tx.SetCursor("tchat", chat.Cursor{Name: "sync", Value: "s1"}))
		})
		for i, r := range rows {
			if r.ID == 0 || i > 0 && r.ID <= rows[i-1].ID {
				t.Errorf("IDs are not in order: %v", idsOf(rows))
			}
		}

		// The same again, with a new revision of one and one in another room.
		again := events(5)
		again[1].Revision = "2"
		again[2].Room = "asso/autre"
		mustUpdate(t, s, func(tx *Tx) error {
			return errors.Join(tx.StoreEvents(again), tx.SetCursor("tchat", chat.Cursor{Name: "sync", Value: "s2"}), tx.SetCursor("tchat", chat.Cursor{}))
		})
		for i, r := range again {
			if (r.ID != 0) != (i == 1 || i == 2) {
				t.Errorf("event %d offered twice has ID %d", i, r.ID)
			}
		}
		if v, err := s.State("tchat").Cursor(t.Context(), "sync"); v != "s2" || err != nil {
			t.Errorf("cursor %q, %v", v, err)
		}

		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.MarkDecided(idsOf(rows[:2]), idsOf(rows[:1])); err != nil {
				return err
			}
			return tx.SetAside(rows[2].ID, "it does not parse")
		})
		mustView(t, s, func(tx *Tx) error {
			waiting, err := tx.WaitingEvents(0, 100)
			if err != nil {
				return err
			}
			if got, want := fmt.Sprint(idsOf(waiting)), fmt.Sprint([]tickets.ID{rows[3].ID, rows[4].ID, again[1].ID, again[2].ID}); got != want {
				t.Errorf("waiting %s, want %s", got, want)
			}
			if w, a, err := tx.CountWaiting(); w != 4 || a != 1 || err != nil {
				t.Errorf("%d waiting, %d aside, %v", w, a, err)
			}
			after, err := tx.WaitingEvents(rows[3].ID, 1)
			if len(after) != 1 || after[0].ID != rows[4].ID || after[0].Body != "body 4" {
				t.Errorf("after the first: %+v", after)
			}
			aside, err2 := tx.AsideEvents(10)
			if len(aside) != 1 || aside[0].ID != rows[2].ID || aside[0].Reason != "it does not parse" || aside[0].Body != "body 2" {
				t.Errorf("aside: %+v", aside)
			}
			return errors.Join(err, err2)
		})

		// Nothing is decided twice, and then nothing of the transaction stays.
		err := s.update(t.Context(), func(tx *Tx) error { return tx.MarkDecided([]tickets.ID{rows[3].ID, rows[0].ID}, nil) })
		if !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("an event was decided twice: %v", err)
		}
		mustUpdate(t, s, func(tx *Tx) error { return tx.RetryAside(rows[2].ID) })
		for name, f := range map[string]func(tx *Tx) error{
			"retry what is not aside": func(tx *Tx) error { return tx.RetryAside(rows[2].ID) },
			"set aside what is done":  func(tx *Tx) error { return tx.SetAside(rows[0].ID, "no") },
		} {
			if err := s.update(t.Context(), f); !errors.Is(err, bot.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		mustView(t, s, func(tx *Tx) error {
			w, a, err := tx.CountWaiting()
			if w != 5 || a != 0 {
				t.Errorf("%d waiting, %d aside", w, a)
			}
			var left int
			if err := tx.tx.Get(&left, "SELECT count(*) FROM inbox WHERE id IN (1, 2) AND body <> '' AND state = 1"); err != nil || left != 0 {
				t.Errorf("%d decided events have a body, %v", left, err)
			}
			return err
		})
	})
}

func TestManyEventsDecidedAtOnce(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		rows := events(atMost*2 + 3)
		mustUpdate(t, s, func(tx *Tx) error { return tx.StoreEvents(rows) })
		mustUpdate(t, s, func(tx *Tx) error { return tx.MarkDecided(idsOf(rows), idsOf(rows)) })
		mustView(t, s, func(tx *Tx) error {
			w, _, err := tx.CountWaiting()
			if w != 0 {
				t.Errorf("%d wait", w)
			}
			return err
		})
	})
}

func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func readBlob(t *testing.T, s *Store, hash string) []byte {
	t.Helper()
	r, err := s.OpenBlob(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlobs(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 7} {
			data := bytes.Repeat([]byte{byte(size), 0, 255, '\''}, size/4+1)[:size]
			want := hashOf(data)
			for name, r := range map[string]io.Reader{
				"seeker": bytes.NewReader(data),
				"stream": iotest.HalfReader(bytes.NewReader(data)),
			} {
				sum, n, err := s.PutBlob(t.Context(), "", r)
				if sum != want || n != int64(size) || err != nil {
					t.Fatalf("%s of %d: %s, %d, %v", name, size, sum, n, err)
				}
			}
			// It is there already: not a byte is read.
			if sum, n, err := s.PutBlob(t.Context(), want, iotest.ErrReader(errors.New("read"))); sum != want || n != int64(size) || err != nil {
				t.Errorf("again: %s, %d, %v", sum, n, err)
			}
			if got := readBlob(t, s, want); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back as %d", size, len(got))
			}
			if err := iotest.TestReader(must(s.OpenBlob(t.Context(), want)), data); err != nil {
				t.Error(err)
			}
		}
		wrong := hashOf([]byte("something else"))
		if _, _, err := s.PutBlob(t.Context(), wrong, strings.NewReader("this")); err == nil {
			t.Error("bytes with another hash were taken")
		}
		if _, err := s.OpenBlob(t.Context(), wrong); !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("a blob that is not there: %v", err)
		}
		if _, _, err := s.PutBlob(t.Context(), "", iotest.TimeoutReader(strings.NewReader("this"))); !errors.Is(err, iotest.ErrTimeout) {
			t.Errorf("a reader's error: %v", err)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestBlobAfterCrash finds some chunks of an earlier attempt.
func TestBlobAfterCrash(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		data := bytes.Repeat([]byte("abc"), chunkSize)
		hash := hashOf(data)
		half := io.MultiReader(bytes.NewReader(data[:chunkSize+5]), iotest.ErrReader(errors.New("killed")))
		if err := s.putChunks(t.Context(), hash, int64(len(data)), half); err == nil {
			t.Fatal("half a blob was complete")
		}
		if _, err := s.OpenBlob(t.Context(), hash); !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("half a blob opens: %v", err)
		}
		rows := []bot.InboxRow{{Adapter: "mail", Room: "support@example.org", EventID: "m1", Kind: "posted", Raw: hash}}
		if err := s.update(t.Context(), func(tx *Tx) error { return tx.StoreEvents(rows) }); !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("an event was stored with half its original: %v", err)
		}
		var wg sync.WaitGroup
		for range 3 { // at the same time
			wg.Go(func() {
				if _, _, err := s.PutBlob(t.Context(), hash, bytes.NewReader(data)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if !bytes.Equal(readBlob(t, s, hash), data) {
			t.Error("the bytes are others")
		}
		if n, err := s.SweepBlobs(t.Context(), tickets.At(time.Now().Add(-time.Hour))); n != 0 || err != nil {
			t.Errorf("swept %d young ones, %v", n, err)
		}
		if n, err := s.SweepBlobs(t.Context(), tickets.At(time.Now().Add(time.Hour))); n != 1 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		var left int
		if err := s.read.Get(&left, "SELECT count(*) FROM blob_chunk"); err != nil || left != 0 {
			t.Errorf("%d chunks stayed, %v", left, err)
		}
	})
}

// TestOriginalGoesWithTheLastEvent: one mail to two role addresses is one blob.
func TestOriginalGoesWithTheLastEvent(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		hash, _, err := s.PutBlob(t.Context(), "", strings.NewReader("a mail"))
		if err != nil {
			t.Fatal(err)
		}
		rows := events(2)
		rows[0].Raw, rows[1].Raw = hash, hash
		mustUpdate(t, s, func(tx *Tx) error { return tx.StoreEvents(rows) })
		mustUpdate(t, s, func(tx *Tx) error { return tx.MarkDecided(idsOf(rows[:1]), idsOf(rows[:1])) })
		readBlob(t, s, hash)
		mustUpdate(t, s, func(tx *Tx) error { return tx.MarkDecided(idsOf(rows[1:]), idsOf(rows[1:])) })
		if _, err := s.OpenBlob(t.Context(), hash); !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("the original of events that concern no ticket is still there: %v", err)
		}
	})
}
