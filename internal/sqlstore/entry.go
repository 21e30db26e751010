package sqlstore

import (
	"slices"

	"permanence/tickets"
)

const entryColumns = "id, ticket_id, incident_id, kind, audience, author, author_name, body, folded, subject, " +
	"revision, deleted, at, dated, source, link_id, third, raw_hash, sealed"

const (
	insertEntry = `INSERT INTO entry (ticket_id, incident_id, kind, audience, author, author_name, body, folded, subject,
		revision, deleted, at, dated, source, link_id, third, raw_hash, sealed)
		VALUES (:ticket_id, :incident_id, :kind, :audience, :author, :author_name, :body, :folded, :subject,
		:revision, :deleted, :at, :dated, :source, :link_id, :third, :raw_hash, :sealed) RETURNING id`
	selectEntry = "SELECT " + entryColumns + " FROM entry WHERE id = $1"
	// ticket_id <> 0 lets the planner take the index, which leaves out the
	// entries of incidents.
	selectEntries     = "SELECT " + entryColumns + " FROM entry WHERE ticket_id = $1 AND ticket_id <> 0 ORDER BY id"
	selectLastEntries = selectEntries + " DESC LIMIT $2"
	// What could not be read yet is no earlier body.
	keepRevision = `INSERT INTO entry_revision (entry_id, revision, body, at) SELECT id, revision, body, $2 FROM entry WHERE id = $1 AND NOT sealed
		ON CONFLICT (entry_id, revision) DO NOTHING`
	reviseEntry = "UPDATE entry SET body = :body, folded = :folded, revision = :revision, deleted = :deleted, sealed = :sealed WHERE id = :id"
)

// AddEntry implements bot.Tx. A revision of 0 is stored as 1.
func (tx *Tx) AddEntry(e *tickets.Entry, words string) error {
	e.Revision = max(e.Revision, 1)
	if err := tx.insert(&e.ID, insertEntry, e); err != nil {
		return err
	}
	return tx.addWords(e.ID, words)
}

// Entry implements bot.Tx.
func (tx *Tx) Entry(id tickets.ID) (e tickets.Entry, err error) {
	return e, tx.getRow(&e, "entry", id, selectEntry)
}

// Entries implements bot.Tx.
func (tx *Tx) Entries(ticket tickets.ID) (list []tickets.Entry, err error) {
	return list, tx.all(&list, selectEntries, ticket)
}

// LastEntries implements bot.Tx.
func (tx *Tx) LastEntries(ticket tickets.ID, n int) (list []tickets.Entry, err error) {
	if err := tx.all(&list, selectLastEntries, ticket, n); err != nil {
		return nil, err
	}
	slices.Reverse(list)
	return list, nil
}

// ReviseEntry implements bot.Tx.
func (tx *Tx) ReviseEntry(e tickets.Entry, words string, at tickets.Time) error {
	if _, err := tx.exec(keepRevision, e.ID, at); err != nil {
		return err
	}
	if err := tx.put("entry", e.ID, reviseEntry, e); err != nil {
		return err
	}
	if err := tx.dropWords(e.ID); err != nil {
		return err
	}
	return tx.addWords(e.ID, words)
}
