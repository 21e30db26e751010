package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// cachingConnector wraps a driver so that each connection prepares a statement
// once: the road of a message runs about ten small statements, and parsing
// them would cost more than running them. It also makes every text that goes
// to the database valid, and gives errors a kind (errors.go).
type cachingConnector struct {
	driver.Connector
	trace func(query string) // nil for none
}

// fullConn is what both drivers' connections can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

func (c cachingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, connectError(err)
	}
	full, ok := inner.(fullConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("database driver %T lacks a method that sqlstore needs", inner), inner.Close())
	}
	return &cachingConn{fullConn: full, cache: make(map[string]*cachedStmt), trace: c.trace}, nil
}

// maxCached bounds the statements that one connection keeps prepared; the
// texts of this package are fewer.
const maxCached = 512

type cachingConn struct {
	fullConn
	cache map[string]*cachedStmt
	trace func(query string)
}

// cachedStmt is busy while rows of it are being read.
type cachedStmt struct {
	stmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	busy bool
}

// prepared gives the connection's statement for a text, nil where it is to be
// run without: texts without arguments (BEGIN, PRAGMA, migrations) run once, and
// a busy one cannot run twice at a time.
func (c *cachingConn) prepared(ctx context.Context, query string, args []driver.NamedValue) (*cachedStmt, error) {
	if c.trace != nil {
		c.trace(query)
	}
	if len(args) == 0 {
		return nil, nil
	}
	if s := c.cache[query]; s != nil {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if len(c.cache) >= maxCached {
		return nil, nil
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := new(cachedStmt)
	var ok bool
	if s.stmt, ok = stmt.(interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}); !ok {
		return nil, stmt.Close()
	}
	c.cache[query] = s
	return s, nil
}

func (c *cachingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, dbError(err)
	}
	var res driver.Result
	if s != nil {
		res, err = s.stmt.ExecContext(ctx, args)
	} else {
		res, err = c.fullConn.ExecContext(ctx, query, args)
	}
	return res, dbError(err)
}

func (c *cachingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, dbError(err)
	}
	if s == nil {
		rows, err := c.fullConn.QueryContext(ctx, query, args)
		if err != nil {
			return nil, dbError(err)
		}
		return &cachedRows{Rows: rows}, nil
	}
	rows, err := s.stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, dbError(err)
	}
	s.busy = true
	return &cachedRows{rows, s}, nil
}

func (c *cachingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.fullConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, dbError(err)
	}
	return cachedTx{tx}, nil
}

// CheckNamedValue converts as database/sql does by default, and makes texts
// valid: PostgreSQL refuses NUL and broken UTF-8, and what one of the two
// refuses no event may carry.
func (c *cachingConn) CheckNamedValue(nv *driver.NamedValue) error {
	v, err := driver.DefaultParameterConverter.ConvertValue(nv.Value)
	if err != nil {
		return err
	}
	if text, ok := v.(string); ok {
		v = validText(text)
	}
	nv.Value = v
	return nil
}

func validText(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return s
}

// Close closes the prepared statements with the connection; PostgreSQL forgets
// them by itself, SQLite would keep their memory.
func (c *cachingConn) Close() error {
	for _, s := range c.cache {
		s.stmt.Close() // of a broken connection it fails, and does not matter
	}
	return c.fullConn.Close()
}

type cachedTx struct{ driver.Tx }

func (t cachedTx) Commit() error   { return dbError(t.Tx.Commit()) }
func (t cachedTx) Rollback() error { return dbError(t.Tx.Rollback()) }

type cachedRows struct {
	driver.Rows
	stmt *cachedStmt // nil where it is not kept
}

func (r *cachedRows) Next(dest []driver.Value) error { return dbError(r.Rows.Next(dest)) }

func (r *cachedRows) Close() error {
	if r.stmt != nil {
		r.stmt.busy = false
		r.stmt = nil
	}
	return dbError(r.Rows.Close())
}
