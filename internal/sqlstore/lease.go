package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lease names the row by which replicas on one PostgreSQL agree which of them
// leads. The holder alone writes: each of its transactions locks the row FOR
// KEY SHARE and checks its epoch. Renewing does not conflict with that; taking
// over locks the row FOR UPDATE, which waits for the holder's transactions, and
// raises the epoch, after which the former holder can write nothing.
type Lease struct {
	// Name is the unit of leadership; one for all today.
	Name string
	// Holder is this replica's own name; no other may have it, nor this one
	// after a restart.
	Holder string
	// Address is where the leader can be reached by the others.
	Address string
}

// ErrNotLeader means that the store does not hold its lease: nothing was
// written, and another replica may be writing.
var ErrNotLeader = errors.New("another replica leads")

type lease struct {
	Lease
	mu      sync.Mutex
	epoch   int64 // 0 while not held
	renewed time.Time
}

func (l *lease) used() bool { return l.Name != "" }

func (l *lease) set(epoch int64, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.renewed = epoch, at
}

func (l *lease) held() (epoch int64, renewed time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch, l.renewed
}

// now is the database's clock in milliseconds: the replicas' own may differ.
const leaseNow = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"

// Leader is who holds a lease.
type Leader struct {
	Holder  string `db:"holder"`
	Address string `db:"address"`
	// Left is how long the lease still lives, in milliseconds by the
	// database's clock; negative when it has lapsed.
	Left int64 `db:"left_ms"`
}

// Leader tells who holds the lease, and ok false where nobody ever did.
func (s *Store) Leader(ctx context.Context) (l Leader, ok bool, err error) {
	if !s.leased() {
		return Leader{Holder: s.lease.Holder, Address: s.lease.Address}, true, nil
	}
	err = s.view(ctx, func(tx *Tx) error {
		ok, err = tx.find(&l, "SELECT holder, address, expires_at - "+leaseNow+" AS left_ms FROM lease WHERE name = $1", s.lease.Name)
		return err
	})
	return l, ok, err
}

// TakeLease tries to become the leader for life; ok is false while somebody
// else is. With SQLite, or without a Lease in the Options, it is always true.
func (s *Store) TakeLease(ctx context.Context, life time.Duration) (ok bool, err error) {
	if !s.leased() {
		return true, nil
	}
	// A look first: locking the row would hold up the leader's writes.
	leader, taken, err := s.Leader(ctx)
	if err != nil || taken && leader.Left > 0 && leader.Holder != s.lease.Holder {
		return false, err
	}
	start := time.Now()
	var epoch int64
	err = s.run(ctx, s.write, nil, func(tx *Tx) error {
		if _, err := tx.exec("INSERT INTO lease (name, holder, epoch, expires_at) VALUES ($1, '', 0, 0) ON CONFLICT (name) DO NOTHING", s.lease.Name); err != nil {
			return err
		}
		var row struct {
			Holder string `db:"holder"`
			Lapsed bool   `db:"lapsed"`
		}
		if err := tx.get(&row, "SELECT holder, expires_at <= "+leaseNow+" AS lapsed FROM lease WHERE name = $1 FOR UPDATE", s.lease.Name); err != nil {
			return err
		}
		if !row.Lapsed && row.Holder != s.lease.Holder {
			return nil // somebody was faster
		}
		ok = true
		return tx.get(&epoch, "UPDATE lease SET holder = $2, address = $3, epoch = epoch + 1, expires_at = "+leaseNow+" + $4 WHERE name = $1 RETURNING epoch",
			s.lease.Name, s.lease.Holder, s.lease.Address, life.Milliseconds())
	})
	if err != nil {
		return false, fmt.Errorf("take lease %s: %w", s.lease.Name, err)
	}
	if ok {
		s.lease.set(epoch, start)
	}
	return ok, nil
}

// RenewLease makes the lease live for life from now on. ErrNotLeader means
// that it was lost: whatever leads must stop.
func (s *Store) RenewLease(ctx context.Context, life time.Duration) error {
	if !s.leased() {
		return nil
	}
	epoch, _ := s.lease.held()
	start := time.Now()
	err := s.run(ctx, s.write, nil, func(tx *Tx) error {
		n, err := tx.exec("UPDATE lease SET expires_at = "+leaseNow+" + $4 WHERE name = $1 AND holder = $2 AND epoch = $3",
			s.lease.Name, s.lease.Holder, epoch, life.Milliseconds())
		if err == nil && n == 0 {
			err = ErrNotLeader
		}
		return err
	})
	if err != nil {
		if errors.Is(err, ErrNotLeader) {
			s.lease.set(0, time.Time{})
		}
		return fmt.Errorf("renew lease %s: %w", s.lease.Name, err)
	}
	s.lease.set(epoch, start)
	return nil
}

// ReleaseLease lets another replica take over at once.
func (s *Store) ReleaseLease(ctx context.Context) error {
	if !s.leased() {
		return nil
	}
	epoch, _ := s.lease.held()
	s.lease.set(0, time.Time{})
	return s.run(ctx, s.write, nil, func(tx *Tx) error {
		_, err := tx.exec("UPDATE lease SET expires_at = 0 WHERE name = $1 AND holder = $2 AND epoch = $3",
			s.lease.Name, s.lease.Holder, epoch)
		return err
	})
}

// LeaseAge is the time since the last renewal was asked for: no send starts
// when it is too long. Without a lease it is 0.
func (s *Store) LeaseAge() time.Duration {
	if !s.leased() {
		return 0
	}
	epoch, renewed := s.lease.held()
	if epoch == 0 {
		return 1<<63 - 1
	}
	return time.Since(renewed)
}

func (s *Store) leased() bool { return s.dialect == postgres && s.lease.used() }

// fence is the first statement of each write transaction.
func (tx *Tx) fence() error {
	l := &tx.store.lease
	if !tx.store.leased() {
		return nil
	}
	epoch, _ := l.held()
	var one int
	ok, err := tx.find(&one, "SELECT 1 FROM lease WHERE name = $1 AND holder = $2 AND epoch = $3 FOR KEY SHARE", l.Name, l.Holder, epoch)
	if err == nil && !ok {
		err = fmt.Errorf("lease %s: %w", l.Name, ErrNotLeader)
	}
	return err
}
