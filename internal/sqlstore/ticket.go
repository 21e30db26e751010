package sqlstore

import (
	"fmt"
	"strings"

	"permanence/bot"
	"permanence/tickets"
)

const ticketColumns = "id, desk, subject, state, requester, owner, service, shared, created_at, updated_at, " +
	"asked_at, answered_at, closed_at, waiting_since, last_asker, last_link, related, incident, claim_until, first_entry, hints, last_event"

const (
	insertTicket = `INSERT INTO ticket (desk, subject, state, requester, owner, service, shared, created_at, updated_at,
		asked_at, answered_at, closed_at, waiting_since, last_asker, last_link, related, incident, claim_until,
		first_entry, hints, last_event)
		VALUES (:desk, :subject, :state, :requester, :owner, :service, :shared, :created_at, :updated_at,
		:asked_at, :answered_at, :closed_at, :waiting_since, :last_asker, :last_link, :related, :incident, :claim_until,
		:first_entry, :hints, :last_event) RETURNING id`
	selectTicket = "SELECT " + ticketColumns + " FROM ticket WHERE id = $1"
	updateTicket = `UPDATE ticket SET desk = :desk, subject = :subject, state = :state, requester = :requester, owner = :owner,
		service = :service, shared = :shared, updated_at = :updated_at, asked_at = :asked_at, answered_at = :answered_at,
		closed_at = :closed_at, waiting_since = :waiting_since, last_asker = :last_asker, last_link = :last_link, related = :related, incident = :incident,
		claim_until = :claim_until, first_entry = :first_entry, hints = :hints, last_event = :last_event WHERE id = :id`
	upsertParticipant = `INSERT INTO participant (ticket_id, person, part, link_id) VALUES (:ticket_id, :person, :part, :link_id)
		ON CONFLICT (ticket_id, person) DO UPDATE SET part = excluded.part, link_id = excluded.link_id`
	selectParticipants = "SELECT ticket_id, person, part, link_id FROM participant WHERE ticket_id = $1"

	selectRecentOf = `SELECT e.ticket_id FROM entry e
		JOIN link l ON l.id = e.link_id
		JOIN ticket t ON t.id = e.ticket_id
		WHERE e.author = $1 AND e.kind = 'message' AND e.at >= $2 AND l.adapter = $3 AND l.room = $4
		AND l.kind IN ('asker', 'direct', 'mail') AND t.desk = $5 AND t.state <> 'closed'
		ORDER BY e.at DESC, e.id DESC LIMIT 1`
	selectOpenOf = `SELECT t.id FROM ticket t WHERE t.requester = $1 AND t.state <> 'closed' AND t.desk = $2
		AND EXISTS (SELECT 1 FROM link l WHERE l.ticket_id = t.id AND l.ticket_id <> 0
			AND l.adapter = $3 AND l.room = $4 AND l.kind IN ('asker', 'direct'))
		ORDER BY t.id`
)

// AddTicket implements bot.Tx.
func (tx *Tx) AddTicket(t *tickets.Ticket) error { return tx.insert(&t.ID, insertTicket, t) }

// Ticket implements bot.Tx.
func (tx *Tx) Ticket(id tickets.ID) (t tickets.Ticket, err error) {
	return t, tx.getRow(&t, "ticket", id, selectTicket)
}

// UpdateTicket implements bot.Tx.
func (tx *Tx) UpdateTicket(t *tickets.Ticket) error { return tx.put("ticket", t.ID, updateTicket, t) }

// Tickets implements bot.Tx.
func (tx *Tx) Tickets(f bot.TicketFilter) (list []tickets.Ticket, err error) {
	query, args := ticketQuery(f)
	return list, tx.all(&list, query, args...)
}

// ticketQuery writes only the conditions that are asked for: each combination
// is a text of its own, for which the planner finds an index.
func ticketQuery(f bot.TicketFilter) (query string, args []any) {
	var where []string
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.Desk != "" {
		add("desk = $%d", f.Desk)
	}
	if f.Owner != 0 {
		where = append(where, "owner <> 0")
		add("owner = $%d", f.Owner)
	}
	if f.Requester != 0 {
		add("requester = $%d", f.Requester)
	}
	if f.Unowned {
		where = append(where, "owner = 0")
	}
	if f.Open {
		where = append(where, "state <> 'closed'")
	}
	query = "SELECT " + ticketColumns + " FROM ticket"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	args = append(args, limit)
	return fmt.Sprintf("%s ORDER BY updated_at DESC, id DESC LIMIT $%d", query, len(args)), args
}

// Participant implements bot.Tx.
func (tx *Tx) Participant(ticket, person tickets.ID) (p tickets.Participant, ok bool, err error) {
	ok, err = tx.find(&p, selectParticipants+" AND person = $2", ticket, person)
	return p, ok, err
}

// Participants implements bot.Tx.
func (tx *Tx) Participants(ticket tickets.ID) (list []tickets.Participant, err error) {
	return list, tx.all(&list, selectParticipants+" ORDER BY person", ticket)
}

// PutParticipant implements bot.Tx.
func (tx *Tx) PutParticipant(p tickets.Participant) error {
	return tx.put("participant of ticket", p.Ticket, upsertParticipant, p)
}

// RecentOf implements bot.Tx.
func (tx *Tx) RecentOf(desk string, person tickets.ID, adapter, room string, since tickets.Time) (ticket tickets.ID, err error) {
	_, err = tx.find(&ticket, selectRecentOf, person, since, adapter, room, desk)
	return ticket, err
}

// OpenOf implements bot.Tx.
func (tx *Tx) OpenOf(desk string, person tickets.ID, adapter, room string) (ids []tickets.ID, err error) {
	return ids, tx.all(&ids, selectOpenOf, person, desk, adapter, room)
}
