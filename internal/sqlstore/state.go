package sqlstore

import (
	"context"
	"database/sql"
	"io"

	"permanence/bot/chat"
)

// State gives an adapter's own small data, by the adapter's name.
func (s *Store) State(adapter string) chat.State { return adapterState{s, adapter} }

type adapterState struct {
	store   *Store
	adapter string
}

func (a adapterState) Get(ctx context.Context, key string) (value []byte, err error) {
	err = a.store.view(ctx, func(tx *Tx) error {
		_, err := tx.find(&value, "SELECT value FROM adapter_state WHERE adapter = $1 AND key = $2", a.adapter, key)
		return err
	})
	return value, err
}

func (a adapterState) Put(ctx context.Context, key string, value []byte) error {
	if value == nil {
		value = []byte{} // NULL would be refused
	}
	return a.store.update(ctx, func(tx *Tx) error {
		_, err := tx.exec(`INSERT INTO adapter_state (adapter, key, value) VALUES ($1, $2, $3)
			ON CONFLICT (adapter, key) DO UPDATE SET value = excluded.value`, a.adapter, key, value)
		return err
	})
}

func (a adapterState) Delete(ctx context.Context, key string) error {
	return a.store.update(ctx, func(tx *Tx) error {
		_, err := tx.exec("DELETE FROM adapter_state WHERE adapter = $1 AND key = $2", a.adapter, key)
		return err
	})
}

func (a adapterState) Cursor(ctx context.Context, name string) (value string, err error) {
	err = a.store.view(ctx, func(tx *Tx) error {
		_, err := tx.find(&value, "SELECT value FROM source_cursor WHERE adapter = $1 AND name = $2", a.adapter, name)
		return err
	})
	return value, err
}

func (a adapterState) Raw(ctx context.Context, hash string) (io.ReadCloser, error) {
	return a.store.OpenBlob(ctx, hash)
}

// DB is shared by all adapters: with SQLite a second file, so that a library's
// long transaction does not hold ours up; with PostgreSQL the same schema, on
// connections of its own.
func (a adapterState) DB(context.Context) (*sql.DB, string, error) {
	s := a.store
	s.libraryOnce.Do(func() {
		connector, err := s.source.libraryConnector()
		if err != nil {
			s.libraryErr = err
			return
		}
		s.library = sql.OpenDB(connector)
		s.library.SetMaxOpenConns(4)
	})
	return s.library, s.dialect.String(), s.libraryErr
}
