package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"permanence/bot"
)

// dbError gives an error of a driver its kind: it wraps bot.ErrAway where the
// same may work later, bot.ErrFull where the disk is full.
func dbError(err error) error {
	switch {
	case err == nil, err == io.EOF, err == driver.ErrSkip: // io.EOF is the end of the rows
		return err
	case errors.Is(err, bot.ErrAway), errors.Is(err, bot.ErrFull):
		return err
	}
	if kind := kindOf(err); kind != nil {
		return fmt.Errorf("%w: %w", kind, err)
	}
	return err
}

// connectError is dbError for an error of connecting: what is no answer of
// the server means that there is none.
func connectError(err error) error {
	var pe *pq.Error
	var le *modernc.Error
	if errors.As(err, &pe) || errors.As(err, &le) {
		return dbError(err)
	}
	return fmt.Errorf("%w: %w", bot.ErrAway, err)
}

func kindOf(err error) error {
	var pe *pq.Error
	if errors.As(err, &pe) {
		return postgresKind(pe.Code)
	}
	var le *modernc.Error
	if errors.As(err, &le) {
		return sqliteKind(le.Code())
	}
	var ne net.Error
	if errors.As(err, &ne) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return bot.ErrAway
	}
	return nil
}

func postgresKind(code pqerror.Code) error {
	switch code {
	case pqerror.DiskFull:
		return bot.ErrFull
	case pqerror.AdminShutdown, pqerror.CrashShutdown, pqerror.CannotConnectNow, pqerror.DatabaseDropped,
		pqerror.TooManyConnections, pqerror.IdleInTransactionSessionTimeout, pqerror.ReadOnlySQLTransaction:
		// The last is a former primary that is now a copy.
		return bot.ErrAway
	case pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected:
		return bot.ErrAway // the same works when tried again
	}
	if code.Class() == "08" { // connection exceptions
		return bot.ErrAway
	}
	return nil
}

func sqliteKind(code int) error {
	switch {
	case code == sqlite3.SQLITE_FULL, code == sqlite3.SQLITE_IOERR_SHMSIZE:
		// Growing the shared memory file fails on a full disk only.
		return bot.ErrFull
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		// Another program holds the file too long, or its disk has gone.
		return bot.ErrAway
	}
	return nil
}

// joinContext puts the context's error in the place of one that it caused:
// lib/pq and a closed transaction hide it behind their own.
func joinContext(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	var pe *pq.Error
	cancelled := errors.As(err, &pe) && pe.Code == pqerror.QueryCanceled
	if cancelled || errors.Is(err, bot.ErrAway) || errors.Is(err, sql.ErrTxDone) || errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("%w (%v)", ctx.Err(), err)
	}
	return err
}
