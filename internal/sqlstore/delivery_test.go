package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"permanence/bot"
	"permanence/bot/outbox"
	"permanence/tickets"
)

func TestDeliveries(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		link := newScene(t, s, "alice").link.ID
		full := outbox.Delivery{Link: link, Adapter: "tchat", Entry: 2, Reply: 3, Ticket: 4, Incident: 5, Op: outbox.Say, Key: "k1",
			Body: `{"content":{"text":"é"}}`, Revision: 2, Position: 0, State: outbox.Held, Attempts: 1, NextAt: 6, GiveUpAt: 7, After: 8,
			Parts: `["a"]`, Reason: "r", Created: 9}
		mustUpdate(t, s, func(tx *Tx) error { return tx.AddDelivery(&full) })
		if full.Position != int64(full.ID) || full.ID == 0 {
			t.Errorf("position %d of delivery %d", full.Position, full.ID)
		}
		mustView(t, s, func(tx *Tx) error {
			got, err := tx.Delivery(full.ID)
			if diff := cmp.Diff(full, got); diff != "" {
				t.Error(diff)
			}
			got, ok, err2 := tx.DeliveryByKey("k1")
			if !ok || got != full {
				t.Errorf("by key: %+v, %v", got, ok)
			}
			if _, ok, err := tx.DeliveryByKey("k2"); ok || err != nil {
				t.Errorf("no key: %v, %v", ok, err)
			}
			return errors.Join(err, err2)
		})

		// One that is placed behind, one that is done, one that failed.
		add := func(key string, state outbox.State) outbox.Delivery {
			d := full
			d.Key, d.State, d.Position = key, state, 0
			mustUpdate(t, s, func(tx *Tx) error { return tx.AddDelivery(&d) })
			return d
		}
		ready, done, failed, parked := add("k2", outbox.Ready), add("k3", outbox.Done), add("k4", outbox.Failed), add("k5", outbox.Parked)
		full.Position, full.State, full.DoneAt = int64(parked.ID)+100, outbox.Ready, 33 // its hold ended
		mustUpdate(t, s, func(tx *Tx) error { return tx.UpdateDelivery(full) })
		mustView(t, s, func(tx *Tx) error {
			keys := func(list []outbox.Delivery, err error) string {
				var keys []string
				for _, d := range list {
					keys = append(keys, d.Key)
				}
				return fmt.Sprint(keys, err)
			}
			want := func(list ...outbox.Delivery) string { return keys(list, nil) }
			for name, pair := range map[string][2]string{
				"open, by ID":           {keys(tx.OpenDeliveries()), want(full, ready, parked)},
				"of a link by position": {keys(tx.LinkOpen(link)), want(ready, parked, full)},
				"of a reply":            {keys(tx.ReplyDeliveries(3)), want(full, ready, done, failed, parked)},
				"of an entry":           {keys(tx.EntryDeliveries(2)), want(full, ready, done, failed, parked)},
				"of an incident":        {keys(tx.IncidentDeliveries(5)), want(full, ready, done, failed, parked)},
				"failed":                {keys(tx.FailedDeliveries(5)), want(failed)},
				"of nothing":            {keys(tx.ReplyDeliveries(0)), want()},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s: %s, want %s", name, pair[0], pair[1])
				}
			}
			got, err := tx.Delivery(full.ID)
			if got != full {
				t.Error(cmp.Diff(full, got))
			}
			return err
		})
		twice := full
		if err := s.update(t.Context(), func(tx *Tx) error { return tx.AddDelivery(&twice) }); err == nil {
			t.Error("one key was taken twice")
		}
	})
}

func TestStateIsOneRowPerSlot(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		link := newScene(t, s, "alice").link.ID
		first := outbox.Delivery{Link: link, Adapter: "tchat", Op: outbox.Mark, Slot: "mark:7", Key: "k1", Body: "1", Created: 5}
		mustUpdate(t, s, func(tx *Tx) error { return tx.PutState(&first) })
		want := outbox.Delivery{ID: first.ID, Link: link, Adapter: "tchat", Op: outbox.Mark, Slot: "mark:7", Key: "k1", Body: "1", Created: 5,
			State: outbox.Ready, Revision: 1, Attempts: 1, Position: int64(first.ID)}
		if first != want {
			t.Error(cmp.Diff(want, first))
		}
		done := first
		done.State, done.Parts, done.Attempts, done.DoneAt, done.Reason = outbox.Done, "⏳", 4, 8, "r"
		mustUpdate(t, s, func(tx *Tx) error { return tx.UpdateDelivery(done) })
		for i := range 2 {
			again := outbox.Delivery{Link: link, Adapter: "tchat", Op: outbox.Mark, Slot: "mark:7", Key: fmt.Sprint("other", i), Body: "2", Entry: 9, GiveUpAt: 10}
			mustUpdate(t, s, func(tx *Tx) error { return tx.PutState(&again) })
			want := outbox.Delivery{ID: first.ID, Link: link, Adapter: "tchat", Op: outbox.Mark, Slot: "mark:7", Key: "k1", Body: "2", Entry: 9, GiveUpAt: 10,
				Created: 5, State: outbox.Ready, Revision: 2 + i, Attempts: 1, Parts: "⏳", Position: int64(first.ID)}
			if again != want {
				t.Error(cmp.Diff(want, again))
			}
			mustView(t, s, func(tx *Tx) error {
				got, ok, err := tx.StateOf(link, "mark:7")
				if !ok || got != want {
					t.Error(cmp.Diff(want, got))
				}
				return err
			})
		}
		mustView(t, s, func(tx *Tx) error {
			if _, ok, err := tx.StateOf(link, "mark:8"); ok || err != nil {
				t.Errorf("another slot: %v, %v", ok, err)
			}
			_, ok, err := tx.StateOf(link, "")
			if ok {
				t.Error("a text has a slot")
			}
			return err
		})
		// Texts, which have no slot, are many.
		mustUpdate(t, s, func(tx *Tx) error {
			return errors.Join(
				tx.AddDelivery(&outbox.Delivery{Link: link, Op: outbox.Say, Key: "t1", State: outbox.Ready}),
				tx.AddDelivery(&outbox.Delivery{Link: link, Op: outbox.Say, Key: "t2", State: outbox.Ready}))
		})
	})
}

func TestRecipients(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		d := outbox.Delivery{Link: newScene(t, s, "alice").link.ID, Op: outbox.Say, Key: "k", State: outbox.Ready}
		b := outbox.Recipient{Address: "b@example.org", State: "delayed", Reason: "r", Attempts: 2}
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.AddDelivery(&d); err != nil {
				return err
			}
			b.Delivery = d.ID
			return errors.Join(tx.PutRecipient(b), tx.PutRecipient(outbox.Recipient{Delivery: d.ID, Address: "a@example.org"}))
		})
		b.State, b.Reason, b.Attempts = "delivered", "", 3
		mustUpdate(t, s, func(tx *Tx) error { return tx.PutRecipient(b) })
		mustView(t, s, func(tx *Tx) error {
			list, err := tx.Recipients(d.ID)
			if !slices.Equal(list, []outbox.Recipient{{Delivery: d.ID, Address: "a@example.org"}, b}) {
				t.Errorf("%+v", list)
			}
			return err
		})
	})
}

func TestTimers(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		a := bot.Timer{Name: "a", Kind: "k", Due: 20, Ticket: 1, Incident: 2, Body: "{}"}
		b := bot.Timer{Name: "b", Kind: "k", Due: 10}
		mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.SetTimer(a), tx.SetTimer(b)) })
		check := func(want ...bot.Timer) {
			t.Helper()
			mustView(t, s, func(tx *Tx) error {
				list, err := tx.Timers()
				if !slices.Equal(list, want) {
					t.Errorf("%+v, want %+v", list, want)
				}
				return err
			})
		}
		check(b, a)
		a.Due, a.Body = 5, ""
		mustUpdate(t, s, func(tx *Tx) error { return tx.SetTimer(a) })
		check(a, b)
		mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.DropTimer("a"), tx.DropTimer("a")) })
		check(b)
		mustView(t, s, func(tx *Tx) error {
			got, ok, err := tx.Timer("b")
			_, none, err2 := tx.Timer("a")
			if !ok || got != b || none {
				t.Errorf("%+v, %v, %v", got, ok, none)
			}
			return errors.Join(err, err2)
		})
	})
}

func TestFiles(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		sc := newScene(t, s, "alice")
		f := tickets.File{Entry: sc.first.ID, Name: "é.png", Type: "image/png", Size: 3, Adapter: "tchat", Ref: "x", ContentID: "c",
			State: tickets.FileWanted, Attempts: 1, NextAt: 20, Reason: "r"}
		sooner := f
		sooner.NextAt = 10
		mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.AddFile(&f), tx.AddFile(&sooner)) })
		mustView(t, s, func(tx *Tx) error {
			got, err := tx.File(f.ID)
			if got != f {
				t.Error(cmp.Diff(f, got))
			}
			wanted, err2 := tx.WantedFiles(10)
			if !slices.Equal(wanted, []tickets.File{sooner, f}) {
				t.Errorf("wanted %+v", wanted)
			}
			of, err3 := tx.EntryFiles(sc.first.ID)
			if !slices.Equal(of, []tickets.File{f, sooner}) {
				t.Errorf("of the entry %+v", of)
			}
			return errors.Join(err, err2, err3)
		})
		f.Blob, f.State = hashOf([]byte("png")), tickets.FileStored
		if err := s.update(t.Context(), func(tx *Tx) error { return tx.UpdateFile(f) }); !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("a file names bytes that are not there: %v", err)
		}
		if _, _, err := s.PutBlob(t.Context(), f.Blob, &slowReader{"png"}); err != nil {
			t.Fatal(err)
		}
		mustUpdate(t, s, func(tx *Tx) error {
			return errors.Join(tx.UpdateFile(f), tx.AddFileToken("h1", f.ID, 100), tx.AddFileToken("h2", f.ID, 50))
		})
		mustUpdate(t, s, func(tx *Tx) error {
			for _, tt := range []struct {
				hash string
				now  tickets.Time
				want bool
			}{{"h1", 99, true}, {"h1", 100, false}, {"h2", 99, false}, {"h3", 0, false}} {
				got, ok, err := tx.FileByToken(tt.hash, tt.now)
				if ok != tt.want || ok && got != f || err != nil {
					t.Errorf("%+v: %+v, %v, %v", tt, got, ok, err)
				}
			}
			if err := tx.DropFileTokens(60); err != nil {
				return err
			}
			var left int
			err := tx.tx.Get(&left, "SELECT count(*) FROM file_token")
			if left != 1 {
				t.Errorf("%d tokens left", left)
			}
			return err
		})
	})
}

// slowReader gives one byte at a time and cannot seek.
type slowReader struct{ left string }

func (r *slowReader) Read(p []byte) (int, error) {
	if r.left == "" {
		return 0, io.EOF
	}
	n := copy(p[:1], r.left)
	r.left = r.left[n:]
	return n, nil
}
