package sqlstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"permanence/bot"
	"permanence/internal/testservers"
)

const life = 10 * time.Second

func replicas(t *testing.T) (a, b *Store) {
	url := testservers.Postgres(t)
	a = openURL(t, url, Options{Lease: Lease{Name: "all", Holder: "a", Address: "http://a"}})
	b = openURL(t, url, Options{Lease: Lease{Name: "all", Holder: "b", Address: "http://b"}})
	return a, b
}

func setTimer(name string) func(bot.Tx) error {
	return func(tx bot.Tx) error { return tx.SetTimer(bot.Timer{Name: name}) }
}

// expire makes the lease lapse as time would.
func expire(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.write.Exec("UPDATE lease SET expires_at = 1"); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, s *Store, want bool) {
	t.Helper()
	if ok, err := s.TakeLease(t.Context(), life); ok != want || err != nil {
		t.Fatalf("take: %v, %v; want %v", ok, err, want)
	}
}

func TestOneReplicaLeads(t *testing.T) {
	a, b := replicas(t)
	ctx := t.Context()
	if err := a.Update(ctx, setTimer("x")); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a write without the lease: %v", err)
	}
	if _, ok, err := a.Leader(ctx); ok || err != nil {
		t.Errorf("a leader before the first: %v, %v", ok, err)
	}
	if a.LeaseAge() < time.Hour {
		t.Error("a lease that is not held is young")
	}
	take(t, a, true)
	take(t, b, false)
	take(t, a, true) // its own again
	if a.LeaseAge() > life {
		t.Errorf("age %v", a.LeaseAge())
	}
	l, ok, err := b.Leader(ctx)
	if !ok || err != nil || l.Holder != "a" || l.Address != "http://a" || l.Left <= 0 || l.Left > life.Milliseconds() {
		t.Errorf("%+v, %v, %v", l, ok, err)
	}
	if err := a.Update(ctx, setTimer("x")); err != nil {
		t.Errorf("the leader writes: %v", err)
	}
	if err := b.Update(ctx, setTimer("x")); !errors.Is(err, ErrNotLeader) {
		t.Errorf("the other writes: %v", err)
	}
	if err := b.View(ctx, func(bot.Tx) error { return nil }); err != nil {
		t.Errorf("the other reads: %v", err)
	}
	if err := b.RenewLease(ctx, life); !errors.Is(err, ErrNotLeader) {
		t.Errorf("the other renews: %v", err)
	}
	if err := a.RenewLease(ctx, life); err != nil {
		t.Errorf("the leader renews: %v", err)
	}

	// The leader freezes, and the other takes over.
	expire(t, b)
	take(t, b, true)
	if err := a.Update(ctx, setTimer("y")); !errors.Is(err, ErrNotLeader) {
		t.Errorf("the former leader writes: %v", err)
	}
	if err := a.RenewLease(ctx, life); !errors.Is(err, ErrNotLeader) {
		t.Errorf("the former leader renews: %v", err)
	}
	if err := b.ReleaseLease(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Update(ctx, setTimer("y")); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a write after the release: %v", err)
	}
	take(t, a, true)
}

// TestTakeoverWaitsForOpenWrites: what the former leader has begun is either
// committed before the new one begins, or never.
func TestTakeoverWaitsForOpenWrites(t *testing.T) {
	a, b := replicas(t)
	take(t, a, true)
	took := make(chan error, 1)
	err := a.update(t.Context(), func(tx *Tx) error {
		if err := tx.SetTimer(bot.Timer{Name: "x"}); err != nil {
			return err
		}
		if err := a.RenewLease(t.Context(), life); err != nil {
			t.Errorf("renewing conflicts with a write: %v", err)
		}
		expire(t, b)
		go func() {
			ok, err := b.TakeLease(context.Background(), life)
			if err == nil && !ok {
				err = errors.New("not taken")
			}
			took <- err
		}()
		waitForLock(t, a)
		select {
		case err := <-took:
			t.Errorf("taken over in the middle of a write: %v", err)
		default:
		}
		return nil
	})
	if err != nil {
		t.Fatalf("the write that was under way: %v", err)
	}
	if err := <-took; err != nil {
		t.Fatal(err)
	}
	mustView(t, b, func(tx *Tx) error {
		_, ok, err := tx.Timer("x")
		if !ok {
			t.Error("the former leader's write is lost")
		}
		return err
	})
}

// waitForLock returns when somebody waits for a lock in this database.
func waitForLock(t *testing.T, s *Store) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		var n int
		err := s.read.Get(&n, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
		if err != nil {
			t.Error(err)
		}
		if err != nil || n > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Error("nobody waits")
			return
		}
	}
}

// TestFrozenWriteEnds: a holder that stopped in the middle of a transaction
// does not keep the others out.
func TestFrozenWriteEnds(t *testing.T) {
	a, b := replicas(t)
	take(t, a, true)
	err := a.update(t.Context(), func(tx *Tx) error {
		if err := tx.SetTimer(bot.Timer{Name: "x"}); err != nil {
			return err
		}
		expire(t, b)
		take(t, b, true) // two seconds later
		return tx.SetTimer(bot.Timer{Name: "y"})
	})
	if !errors.Is(err, bot.ErrAway) {
		t.Errorf("the frozen write: %v", err)
	}
	mustView(t, b, func(tx *Tx) error {
		list, err := tx.Timers()
		if len(list) != 0 {
			t.Errorf("it has written %+v", list)
		}
		return err
	})
}

func TestSQLiteNeedsNoLease(t *testing.T) {
	s := openURL(t, newURL(t, sqlite), Options{Lease: Lease{Name: "all", Holder: "a"}})
	take(t, s, true)
	if err := errors.Join(s.RenewLease(t.Context(), life), s.Update(t.Context(), setTimer("x")), s.ReleaseLease(t.Context())); err != nil {
		t.Error(err)
	}
	if l, ok, err := s.Leader(t.Context()); !ok || l.Holder != "a" || err != nil || s.LeaseAge() != 0 {
		t.Errorf("%+v, %v, %v", l, ok, err)
	}
}
