package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"permanence/bot"
	"permanence/tickets"
)

// Tx is one transaction; it implements bot.Tx.
type Tx struct {
	store *Store
	ctx   context.Context // of the statements
	outer context.Context // of the caller, looked at between statements
	tx    *sqlx.Tx
}

var _ bot.Tx = (*Tx)(nil)

// get reads one row; without one it is bot.ErrNotFound.
func (tx *Tx) get(dest any, query string, args ...any) error {
	if err := tx.outer.Err(); err != nil {
		return err
	}
	err := tx.tx.GetContext(tx.ctx, dest, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return bot.ErrNotFound
	}
	return err
}

// getRow is get for a row of the named table, for an error that says which.
func (tx *Tx) getRow(dest any, table string, id tickets.ID, query string) error {
	err := tx.get(dest, query, id)
	if err != nil {
		return fmt.Errorf("%s %d: %w", table, id, err)
	}
	return nil
}

// find reads one row where there may be none.
func (tx *Tx) find(dest any, query string, args ...any) (ok bool, err error) {
	err = tx.get(dest, query, args...)
	if errors.Is(err, bot.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// all reads every row into dest, a pointer to a slice.
func (tx *Tx) all(dest any, query string, args ...any) error {
	if err := tx.outer.Err(); err != nil {
		return err
	}
	return tx.tx.SelectContext(tx.ctx, dest, query, args...)
}

// exec runs a statement and tells how many rows it changed.
func (tx *Tx) exec(query string, args ...any) (changed int64, err error) {
	if err := tx.outer.Err(); err != nil {
		return 0, err
	}
	res, err := tx.tx.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// named replaces :field by the fields of arg.
func (tx *Tx) named(query string, arg any) (string, []any, error) {
	return tx.store.texts.bind(tx.tx.Mapper, query, arg)
}

// insert runs an INSERT … RETURNING of one row that is named from arg, and
// scans what it returns into dest.
func (tx *Tx) insert(dest any, query string, arg any) error {
	query, args, err := tx.named(query, arg)
	if err != nil {
		return err
	}
	return tx.get(dest, query, args...)
}

// put runs a statement that is named from arg and must change one row of the
// named table.
func (tx *Tx) put(table string, id tickets.ID, query string, arg any) error {
	query, args, err := tx.named(query, arg)
	if err != nil {
		return err
	}
	n, err := tx.exec(query, args...)
	if err == nil && n == 0 {
		err = bot.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s %d: %w", table, id, err)
	}
	return nil
}

// change sets something of one row, $1, to a value, $2; without the row it is
// bot.ErrNotFound.
func (tx *Tx) change(table string, id tickets.ID, query string, value any) error {
	n, err := tx.exec(query, id, value)
	if err == nil && n == 0 {
		err = bot.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s %d: %w", table, id, err)
	}
	return nil
}

// columns gives "a, b, c" with a prefix before each, for the lists that the
// files of this package declare: columns("t", "id, desk") is "t.id, t.desk".
func columns(prefix, list string) string {
	return prefix + "." + strings.ReplaceAll(list, ", ", ", "+prefix+".")
}

// among gives a list of placeholders "($3, $4, …)" that starts at first, with
// the values for it. The length is rounded up to a power of two by repeating
// the last value, so that few texts are prepared.
func among[T any](first int, values []T) (list string, args []any) {
	n := 1
	for n < len(values) {
		n *= 2
	}
	var b strings.Builder
	for i := range n {
		sep := ", "
		if i == 0 {
			sep = "("
		}
		fmt.Fprintf(&b, "%s$%d", sep, first+i)
		args = append(args, values[min(i, len(values)-1)])
	}
	b.WriteByte(')')
	return b.String(), args
}

// atMost is how many values one statement takes; SQLite allows 32,766, long
// lists are cut into pieces.
const atMost = 512
