package sqlstore

import (
	"fmt"
	"slices"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/tickets"
)

const inboxColumns = "id, adapter, room, event_id, revision, kind, body, raw_hash, received_at, state, reason"

const (
	insertEvent = `INSERT INTO inbox (adapter, room, event_id, revision, kind, body, raw_hash, received_at, state, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (adapter, room, event_id, revision) DO NOTHING RETURNING id`
	selectWaiting = "SELECT " + inboxColumns + " FROM inbox WHERE state = 0 AND id > $1 ORDER BY id LIMIT $2"
	selectAside   = "SELECT " + inboxColumns + " FROM inbox WHERE state = 2 ORDER BY id DESC LIMIT $1"
)

// StoreEvents implements bot.Tx. An event whose original (Raw) is not stored
// whole gives bot.ErrNotFound and stores nothing: it was erased between
// PutBlob and now, with another event that named it, and must be put again.
func (tx *Tx) StoreEvents(rows []bot.InboxRow) error {
	if err := tx.lockInbox(); err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		if r.Raw != "" {
			if err := tx.holdBlob(r.Raw); err != nil {
				return fmt.Errorf("original of event %s: %w", r.EventID, err)
			}
		}
		r.ID = 0
		if _, err := tx.find(&r.ID, insertEvent, r.Adapter, r.Room, r.EventID, r.Revision, r.Kind, r.Body, r.Raw, r.Received, r.State, r.Reason); err != nil {
			return fmt.Errorf("store event %s: %w", r.EventID, err)
		}
	}
	return nil
}

// lockInbox makes the order of IDs the order of commits on PostgreSQL, where
// several adapters store at the same time: whoever has read up to an ID has
// missed none below it. SQLite has one writer.
func (tx *Tx) lockInbox() error {
	if tx.store.dialect == sqlite {
		return nil
	}
	_, err := tx.exec("SELECT pg_advisory_xact_lock(hashtext($1))", "permanence inbox")
	return err
}

// SetCursor implements bot.Tx; a cursor without a name is none.
func (tx *Tx) SetCursor(adapter string, c chat.Cursor) error {
	if c.Name == "" {
		return nil
	}
	_, err := tx.exec(`INSERT INTO source_cursor (adapter, name, value) VALUES ($1, $2, $3)
		ON CONFLICT (adapter, name) DO UPDATE SET value = excluded.value`, adapter, c.Name, c.Value)
	return err
}

// WaitingEvents implements bot.Tx.
func (tx *Tx) WaitingEvents(after tickets.ID, limit int) (rows []bot.InboxRow, err error) {
	return rows, tx.all(&rows, selectWaiting, after, limit)
}

// MarkDecided implements bot.Tx. A decided event keeps no body, whether it is
// in blank or not: what it said lives on in its entry, where it can be
// corrected and erased. An event that does not wait any more gives
// bot.ErrNotFound, so that nothing is decided twice.
func (tx *Tx) MarkDecided(ids, blank []tickets.ID) error {
	if len(blank) > 0 {
		if err := tx.dropOriginals(blank); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(ids, atMost) {
		list, args := among(1, part)
		n, err := tx.exec("UPDATE inbox SET state = 1, reason = '', body = '' WHERE state = 0 AND id IN "+list, args...)
		if err != nil {
			return err
		}
		if n != int64(len(part)) {
			return fmt.Errorf("%d of the events %v wait no more: %w", int64(len(part))-n, part, bot.ErrNotFound)
		}
	}
	return nil
}

// dropOriginals takes their originals from events.
func (tx *Tx) dropOriginals(ids []tickets.ID) error {
	for part := range slices.Chunk(ids, atMost) {
		list, args := among(1, part)
		var hashes []string
		if err := tx.all(&hashes, "SELECT raw_hash FROM inbox WHERE raw_hash <> '' AND id IN "+list, args...); err != nil {
			return err
		}
		if len(hashes) == 0 {
			continue
		}
		if _, err := tx.exec("UPDATE inbox SET raw_hash = '' WHERE id IN "+list, args...); err != nil {
			return err
		}
		if err := tx.dropBlobs(hashes); err != nil {
			return err
		}
	}
	return nil
}

// SetAside implements bot.Tx.
func (tx *Tx) SetAside(id tickets.ID, reason string) error {
	return tx.change("event", id, "UPDATE inbox SET state = 2, reason = $2 WHERE id = $1 AND state = 0", reason)
}

// RetryAside implements bot.Tx.
func (tx *Tx) RetryAside(id tickets.ID) error {
	return tx.change("event", id, "UPDATE inbox SET state = 0, reason = $2 WHERE id = $1 AND state = 2", "")
}

// AsideEvents implements bot.Tx.
func (tx *Tx) AsideEvents(limit int) (rows []bot.InboxRow, err error) {
	return rows, tx.all(&rows, selectAside, limit)
}

// CountWaiting implements bot.Tx.
func (tx *Tx) CountWaiting() (waiting, aside int, err error) {
	if err := tx.get(&waiting, "SELECT count(*) FROM inbox WHERE state = 0"); err != nil {
		return 0, 0, err
	}
	return waiting, aside, tx.get(&aside, "SELECT count(*) FROM inbox WHERE state = 2")
}
