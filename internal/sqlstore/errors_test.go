package sqlstore

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"permanence/bot"
	"permanence/internal/testservers"
)

func TestErrorKinds(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want error
	}{
		{&pq.Error{Code: pqerror.DiskFull}, bot.ErrFull},
		{&pq.Error{Code: pqerror.AdminShutdown}, bot.ErrAway},
		{&pq.Error{Code: "08006"}, bot.ErrAway},
		{&pq.Error{Code: pqerror.TRDeadlockDetected}, bot.ErrAway},
		{&pq.Error{Code: pqerror.UniqueViolation}, nil},
		{fmt.Errorf("write: %w", &net.OpError{Op: "write", Err: syscall.EPIPE}), bot.ErrAway},
		{fmt.Errorf("read: %w", io.EOF), bot.ErrAway},
		{driver.ErrBadConn, bot.ErrAway},
		{io.EOF, nil}, // the end of the rows
		{errors.New("something else"), nil},
	} {
		got := dbError(tt.err)
		for _, kind := range []error{bot.ErrAway, bot.ErrFull} {
			if errors.Is(got, kind) != (kind == tt.want) {
				t.Errorf("%v became %v, want %v", tt.err, got, tt.want)
			}
		}
		if !errors.Is(got, tt.err) {
			t.Errorf("%v is lost in %v", tt.err, got)
		}
	}
}

func TestFullDisk(t *testing.T) {
	s := openURL(t, newURL(t, sqlite), Options{})
	if _, err := s.write.Exec("PRAGMA max_page_count = 100"); err != nil {
		t.Fatal(err)
	}
	fill := func() error {
		return s.update(t.Context(), func(tx *Tx) error {
			return tx.SetTimer(bot.Timer{Name: "big", Body: strings.Repeat("x", 1<<20)})
		})
	}
	if err := fill(); !errors.Is(err, bot.ErrFull) || errors.Is(err, bot.ErrAway) {
		t.Errorf("a full disk: %v", err)
	}
	if _, err := s.write.Exec("PRAGMA max_page_count = 10000"); err != nil {
		t.Fatal(err)
	}
	if err := fill(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestSQLiteHeldByAnother(t *testing.T) {
	url := newURL(t, sqlite)
	a, b := openURL(t, url, Options{}), openURL(t, url, Options{})
	if _, err := b.write.Exec("PRAGMA busy_timeout = 10"); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, a, func(*Tx) error {
		if err := b.Update(t.Context(), setTimer("x")); !errors.Is(err, bot.ErrAway) {
			t.Errorf("another program writes: %v", err)
		}
		return nil
	})
	if err := b.Update(t.Context(), setTimer("x")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDatabaseGoesAwayAndComesBack(t *testing.T) {
	server := testservers.NewPostgres(t, true)
	s := openURL(t, server.Database(t), Options{})
	ctx := t.Context()
	if err := s.Update(ctx, setTimer("before")); err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(testing.TB){server.Kill, server.Stop} {
		err := s.Update(ctx, func(tx bot.Tx) error {
			if err := tx.SetTimer(bot.Timer{Name: "during"}); err != nil {
				return err
			}
			end(t)
			return tx.SetTimer(bot.Timer{Name: "during2"})
		})
		if !errors.Is(err, bot.ErrAway) {
			t.Errorf("in the middle of a write: %v", err)
		}
		for range 3 {
			if err := s.Update(ctx, setTimer("while away")); !errors.Is(err, bot.ErrAway) {
				t.Errorf("a write while it is away: %v", err)
			}
			if err := s.View(ctx, func(tx bot.Tx) error { _, err := tx.Timers(); return err }); !errors.Is(err, bot.ErrAway) {
				t.Errorf("a read while it is away: %v", err)
			}
		}
		server.Start(t)
		if err := s.Update(ctx, setTimer("after")); err != nil {
			t.Errorf("when it is back: %v", err)
		}
	}
	mustView(t, s, func(tx *Tx) error {
		list, err := tx.Timers()
		if len(list) != 2 {
			t.Errorf("%+v", list)
		}
		return err
	})
}
