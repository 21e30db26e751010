package sqlstore

import (
	"fmt"

	"permanence/bot"
	"permanence/tickets"
)

// erasure is one place of the schema that holds what somebody wrote, and how
// it is blanked for an entry ($1), or of the inbox for each copy of the entry
// (adapter, room, remote ID).
type erasure struct {
	table     string
	columns   []string // that hold text
	statement string
}

// erasures lists every table that holds a body. A test compares it with the
// schema: a text column must be here, or be known to hold no message.
//
// A reply that was made of the entry is an entry of its own, and so is what
// somebody quoted. The ticket's subject stays, for it may have been changed by
// hand; UpdateTicket changes it.
func erasures() []erasure {
	return []erasure{
		{"entry", []string{"body", "folded", "subject"},
			"UPDATE entry SET body = '', folded = '', subject = '', raw_hash = '', deleted = TRUE WHERE id = $1"},
		{"entry_revision", []string{"body"},
			"UPDATE entry_revision SET body = '' WHERE entry_id = $1"},
		{"entry_words", []string{"words"},
			"DELETE FROM entry_words WHERE rowid = $1"},
		{"delivery", []string{"payload"},
			"UPDATE delivery SET payload = '{}' WHERE entry_id = $1 AND entry_id <> 0"},
		{"delivery", []string{"payload"},
			"UPDATE delivery SET payload = '{}' WHERE reply_id = $1 AND reply_id <> 0"},
		// Tokens end with what they open.
		{"file_token", nil,
			"DELETE FROM file_token WHERE file_id IN (SELECT id FROM file WHERE entry_id = $1)"},
		{"file", []string{"name", "ref"},
			"UPDATE file SET name = '', ref = '', size = 0, blob_hash = '', state = 'lost' WHERE entry_id = $1"},
		// A decided event has no body any more; one that was set aside, or is an
		// edit that waits, still has.
		{"inbox", []string{"body"},
			"UPDATE inbox SET state = 1, reason = '', body = '', raw_hash = '' WHERE adapter = $1 AND room = $2 AND event_id = $3 AND state <> 0"},
		{"update_text", []string{"body"},
			"UPDATE update_text SET body = '' WHERE update_id IN (SELECT id FROM incident_update WHERE entry_id = $1 AND entry_id <> 0)"},
		{"incident_update", []string{"body"},
			"UPDATE incident_update SET body = '' WHERE entry_id = $1 AND entry_id <> 0"},
	}
}

// originals are the blobs that an entry names.
const originals = `SELECT raw_hash FROM entry WHERE id = $1 AND raw_hash <> ''
	UNION SELECT blob_hash FROM file WHERE entry_id = $1 AND blob_hash <> ''`

// EraseEntry implements bot.Tx. The blob of an original goes too where nothing
// else names it; with it go the parts that are read from it.
func (tx *Tx) EraseEntry(id tickets.ID) error {
	var hashes []string
	if err := tx.all(&hashes, originals, id); err != nil {
		return err
	}
	copies, err := tx.Copies(id)
	if err != nil {
		return err
	}
	for i, e := range erasures() {
		if e.table == "inbox" {
			for _, c := range copies {
				if _, err = tx.exec(e.statement, c.Adapter, c.Room, c.Remote); err != nil {
					break
				}
			}
		} else {
			var n int64
			n, err = tx.exec(e.statement, id)
			if i == 0 && err == nil && n == 0 {
				err = bot.ErrNotFound
			}
		}
		if err != nil {
			return fmt.Errorf("erase entry %d from %s: %w", id, e.table, err)
		}
	}
	return tx.dropBlobs(hashes)
}
