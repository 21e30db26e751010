// Package sqlstore keeps everything that Permanence knows in SQLite or in
// PostgreSQL, with one SQL text for both. It implements the store interfaces
// that bot, chat and statuspage declare, and is imported by cmd and
// tests alone.
//
// One file has one subject: its statements, and the methods of Tx that run
// them. Each statement is found in an index (a test asks the planner), is
// prepared once for each connection (driver.go), and uses $1, $2, … in both
// dialects.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"permanence/bot"
)

// Options of a Store.
type Options struct {
	// Lease makes the store a replica's (see lease.go): Update then works only
	// while the lease is held. The zero value is for a single process.
	Lease Lease
	// Log takes what migrations say; nil discards it.
	Log *slog.Logger

	// trace is shown each statement; tests ask the planner about them.
	trace func(query string)
}

// Store is an open database.
type Store struct {
	dialect dialect
	source  source
	log     *slog.Logger
	write   *sqlx.DB // of SQLite: one connection
	read    *sqlx.DB

	lease lease
	texts namedTexts

	libraryOnce sync.Once
	library     *sql.DB
	libraryErr  error

	closed atomic.Bool
}

var _ bot.Store = (*Store)(nil)

// Open opens a database, "sqlite:PATH" or "postgres://…", and brings its
// schema up to date. An SQLite file is made where there is none. A database
// that cannot be reached gives an error that wraps bot.ErrAway.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	src, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	s, err := open(src, opts)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", src, err)
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", src, joinContext(ctx, err)), s.Close())
	}
	return s, nil
}

// open connects without a look at the schema.
func open(src source, opts Options) (*Store, error) {
	s := &Store{dialect: src.dialect, source: src, log: opts.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.lease.Lease = opts.Lease
	write, read, err := src.connectors()
	if err != nil {
		return nil, err
	}
	// The name chooses how sqlx writes placeholders: $1 in both dialects.
	s.write = sqlx.NewDb(sql.OpenDB(cachingConnector{write, opts.trace}), "postgres")
	s.read = sqlx.NewDb(sql.OpenDB(cachingConnector{read, opts.trace}), "postgres")
	if src.dialect == sqlite {
		s.write.SetMaxOpenConns(1)
		s.write.SetMaxIdleConns(1)
		s.read.SetMaxOpenConns(4)
		s.read.SetMaxIdleConns(4)
		return s, nil
	}
	s.write.SetMaxOpenConns(8)
	s.write.SetMaxIdleConns(8)
	s.read.SetMaxOpenConns(8)
	s.read.SetMaxIdleConns(2)
	// A server that moved behind the same name is found again.
	s.write.SetConnMaxLifetime(time.Hour)
	s.read.SetConnMaxLifetime(time.Hour)
	return s, nil
}

// Close waits for transactions under way and closes the database.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	errs := []error{s.read.Close(), s.write.Close()}
	s.libraryOnce.Do(func() { s.libraryErr = sql.ErrConnDone })
	if s.library != nil {
		errs = append(errs, s.library.Close())
	}
	return errors.Join(errs...)
}

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect.String() }

// Update implements bot.Store. With SQLite, transactions wait for each other;
// with PostgreSQL they do not. When ctx ends before the commit, nothing
// remains. A connection that is cut during the commit (PostgreSQL alone) gives
// bot.ErrAway although the transaction may have been done: what must not be
// done twice is guarded by its own row, as MarkDecided is.
func (s *Store) Update(ctx context.Context, f func(bot.Tx) error) error {
	return s.update(ctx, func(tx *Tx) error { return f(tx) })
}

func (s *Store) update(ctx context.Context, f func(*Tx) error) error {
	return s.run(ctx, s.write, nil, func(tx *Tx) error {
		if err := tx.fence(); err != nil {
			return err
		}
		return f(tx)
	})
}

// View implements bot.Store.
func (s *Store) View(ctx context.Context, f func(bot.Tx) error) error {
	return s.view(ctx, func(tx *Tx) error { return f(tx) })
}

func (s *Store) view(ctx context.Context, f func(*Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.dialect == postgres {
		opts.Isolation = sql.LevelRepeatableRead // one snapshot
	}
	return s.run(ctx, s.read, opts, f)
}

func (s *Store) run(ctx context.Context, db *sqlx.DB, opts *sql.TxOptions, f func(*Tx) error) (err error) {
	defer func() { err = joinContext(ctx, err) }()
	conn, err := db.Connx(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A statement on a file is short and interrupting it costs the connection;
	// Tx looks at ctx before each one instead.
	inner := ctx
	if s.dialect == sqlite {
		inner = context.WithoutCancel(ctx)
	}
	tx, err := conn.BeginTxx(inner, opts)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // also when f panics
			tx.Rollback() // the cause is in err; a broken connection is dropped
		}
	}()
	if err := f(&Tx{store: s, ctx: inner, outer: ctx, tx: tx}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done = true
	return tx.Commit()
}
