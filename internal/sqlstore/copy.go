package sqlstore

import (
	"slices"

	"permanence/tickets"
)

const copyColumns = "id, entry_id, link_id, adapter, room, remote_id, part, revision, original, message_id, at"

const (
	insertCopy = `INSERT INTO copy (entry_id, link_id, adapter, room, remote_id, part, revision, original, message_id, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (adapter, room, remote_id) DO NOTHING`
	selectCopy         = "SELECT " + copyColumns + " FROM copy WHERE "
	selectCopyAt       = selectCopy + "adapter = $1 AND room = $2 AND remote_id = $3"
	selectCopies       = selectCopy + "entry_id = $1 ORDER BY id"
	selectByMessageIDs = selectCopy + "adapter = $1 AND message_id <> '' AND message_id IN "
)

// AddCopy implements bot.Tx.
func (tx *Tx) AddCopy(c tickets.Copy) error {
	_, err := tx.exec(insertCopy, c.Entry, c.Link, c.Adapter, c.Room, c.Remote, c.Part, c.Revision, c.Original, c.MessageID, c.At)
	return err
}

// CopyAt implements bot.Tx.
func (tx *Tx) CopyAt(adapter, room, remote string) (c tickets.Copy, ok bool, err error) {
	ok, err = tx.find(&c, selectCopyAt, adapter, room, remote)
	return c, ok, err
}

// Copies implements bot.Tx.
func (tx *Tx) Copies(entry tickets.ID) (list []tickets.Copy, err error) {
	return list, tx.all(&list, selectCopies, entry)
}

// CopiesByMessageID implements bot.Tx; copies of one Message-ID come oldest
// first. An empty Message-ID matches nothing.
func (tx *Tx) CopiesByMessageID(adapter string, ids []string) ([]tickets.Copy, error) {
	var list []tickets.Copy
	for part := range slices.Chunk(ids, atMost) {
		in, args := among(2, part)
		var found []tickets.Copy
		if err := tx.all(&found, selectByMessageIDs+in, append([]any{adapter}, args...)...); err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	rank := make(map[string]int, len(ids))
	for i, id := range slices.Backward(ids) {
		rank[validText(id)] = i
	}
	slices.SortFunc(list, func(a, b tickets.Copy) int {
		if d := rank[a.MessageID] - rank[b.MessageID]; d != 0 {
			return d
		}
		return int(a.ID - b.ID)
	})
	return list, nil
}
