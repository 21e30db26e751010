package sqlstore

import "permanence/tickets"

const replyColumns = "entry_id, ticket_id, source, state, by_person, approved_by, link_id, close_after, asked, hold_until, created_at, gesture"

const (
	upsertReply = `INSERT INTO reply (entry_id, ticket_id, source, state, by_person, approved_by, link_id, close_after, asked,
		hold_until, created_at, gesture)
		VALUES (:entry_id, :ticket_id, :source, :state, :by_person, :approved_by, :link_id, :close_after, :asked,
		:hold_until, :created_at, :gesture)
		ON CONFLICT (entry_id) DO UPDATE SET source = excluded.source, state = excluded.state, by_person = excluded.by_person,
		approved_by = excluded.approved_by, link_id = excluded.link_id, close_after = excluded.close_after,
		asked = excluded.asked, hold_until = excluded.hold_until, gesture = excluded.gesture`
	selectReply     = "SELECT " + replyColumns + " FROM reply WHERE "
	selectRepliesOf = selectReply + "source = $1 ORDER BY entry_id"
	// The list is that of the index reply_open, word for word: so the planner
	// sees that it holds them all.
	selectOpenReplies = selectReply + "ticket_id = $1 AND state IN ('gathering', 'asked', 'proposed', 'held', 'leaving') ORDER BY entry_id"
	selectHeldReplies = selectReply + "state = 'held' ORDER BY hold_until, entry_id"
)

// PutReply implements bot.Tx.
func (tx *Tx) PutReply(r tickets.ReplyRow) error {
	return tx.put("reply", r.Entry, upsertReply, r)
}

// Reply implements bot.Tx.
func (tx *Tx) Reply(entry tickets.ID) (r tickets.ReplyRow, err error) {
	return r, tx.getRow(&r, "reply", entry, selectReply+"entry_id = $1")
}

// RepliesOf implements bot.Tx.
func (tx *Tx) RepliesOf(source tickets.ID) (list []tickets.ReplyRow, err error) {
	return list, tx.all(&list, selectRepliesOf, source)
}

// OpenReplies implements bot.Tx.
func (tx *Tx) OpenReplies(ticket tickets.ID) (list []tickets.ReplyRow, err error) {
	return list, tx.all(&list, selectOpenReplies, ticket)
}

// HeldReplies implements bot.Tx.
func (tx *Tx) HeldReplies() (list []tickets.ReplyRow, err error) {
	return list, tx.all(&list, selectHeldReplies)
}
