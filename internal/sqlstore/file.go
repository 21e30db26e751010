package sqlstore

import (
	"fmt"

	"permanence/tickets"
)

const fileColumns = "id, entry_id, name, type, size, adapter, ref, content_id, blob_hash, state, attempts, next_at, reason"

const (
	insertFile = `INSERT INTO file (entry_id, name, type, size, adapter, ref, content_id, blob_hash, state, attempts, next_at, reason)
		VALUES (:entry_id, :name, :type, :size, :adapter, :ref, :content_id, :blob_hash, :state, :attempts, :next_at, :reason)
		RETURNING id`
	updateFile = `UPDATE file SET entry_id = :entry_id, name = :name, type = :type, size = :size, adapter = :adapter, ref = :ref,
		content_id = :content_id, blob_hash = :blob_hash, state = :state, attempts = :attempts, next_at = :next_at,
		reason = :reason WHERE id = :id`
	selectFile        = "SELECT " + fileColumns + " FROM file WHERE "
	selectWantedFiles = selectFile + "state = 'wanted' ORDER BY next_at, id LIMIT $1"
)

// AddFile implements bot.Tx.
func (tx *Tx) AddFile(f *tickets.File) error {
	if err := tx.holdFile(*f); err != nil {
		return err
	}
	return tx.insert(&f.ID, insertFile, f)
}

// holdFile refuses a file whose bytes have gone since they were put.
func (tx *Tx) holdFile(f tickets.File) error {
	if f.Blob == "" {
		return nil
	}
	if err := tx.holdBlob(f.Blob); err != nil {
		return fmt.Errorf("bytes of file %q: %w", f.Name, err)
	}
	return nil
}

// File implements bot.Tx.
func (tx *Tx) File(id tickets.ID) (f tickets.File, err error) {
	return f, tx.getRow(&f, "file", id, selectFile+"id = $1")
}

// UpdateFile implements bot.Tx.
func (tx *Tx) UpdateFile(f tickets.File) error {
	if err := tx.holdFile(f); err != nil {
		return err
	}
	return tx.put("file", f.ID, updateFile, f)
}

// EntryFiles implements bot.Tx.
func (tx *Tx) EntryFiles(entry tickets.ID) (list []tickets.File, err error) {
	return list, tx.all(&list, selectFile+"entry_id = $1 ORDER BY id", entry)
}

// WantedFiles implements bot.Tx.
func (tx *Tx) WantedFiles(limit int) (list []tickets.File, err error) {
	return list, tx.all(&list, selectWantedFiles, limit)
}

// AddFileToken implements bot.Tx.
func (tx *Tx) AddFileToken(hash string, file tickets.ID, expires tickets.Time) error {
	_, err := tx.exec("INSERT INTO file_token (token_hash, file_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT (token_hash) DO NOTHING", hash, file, expires)
	return err
}

// FileByToken implements bot.Tx.
func (tx *Tx) FileByToken(hash string, now tickets.Time) (f tickets.File, ok bool, err error) {
	ok, err = tx.find(&f, "SELECT "+columns("f", fileColumns)+" FROM file_token t JOIN file f ON f.id = t.file_id "+
		"WHERE t.token_hash = $1 AND t.expires_at > $2", hash, now)
	return f, ok, err
}

// DropFileTokens deletes the tokens that have expired.
func (tx *Tx) DropFileTokens(now tickets.Time) error {
	_, err := tx.exec("DELETE FROM file_token WHERE expires_at <= $1", now)
	return err
}
