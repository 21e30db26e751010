package sqlstore

import (
	"permanence/bot/chat"
	"permanence/tickets"
)

const linkColumns = "id, ticket_id, incident_id, kind, adapter, room, thread, audiences, person, rootless, root_delivery, " +
	"gone, message_id, refs, created_at"

const (
	linkValues = `INSERT INTO link (ticket_id, incident_id, kind, adapter, room, thread, audiences, person, rootless,
		root_delivery, gone, message_id, refs, created_at)
		VALUES (:ticket_id, :incident_id, :kind, :adapter, :room, :thread, :audiences, :person, :rootless,
		:root_delivery, :gone, :message_id, :refs, :created_at)`
	insertLink     = linkValues + " RETURNING id"
	insertRoomLink = linkValues + " ON CONFLICT (adapter, room, thread) WHERE kind = 'room' DO NOTHING"
	updateLink     = `UPDATE link SET ticket_id = :ticket_id, incident_id = :incident_id, kind = :kind, adapter = :adapter,
		room = :room, thread = :thread, audiences = :audiences, person = :person, rootless = :rootless,
		root_delivery = :root_delivery, gone = :gone, message_id = :message_id, refs = :refs WHERE id = :id`
	selectLink          = "SELECT " + linkColumns + " FROM link WHERE "
	selectLinksAt       = selectLink + "adapter = $1 AND room = $2 AND thread = $3 ORDER BY id DESC LIMIT $4"
	selectTicketLinks   = selectLink + "ticket_id = $1 AND ticket_id <> 0 ORDER BY id"
	selectIncidentLinks = selectLink + "incident_id = $1 AND incident_id <> 0 ORDER BY id"
	selectRoomLink      = selectLink + "adapter = $1 AND room = $2 AND thread = $3 AND kind = 'room'"
	selectDirectLink    = selectLink + "person = $1 AND adapter = $2 AND kind = 'direct' ORDER BY id DESC LIMIT 1"
)

// AddLink implements bot.Tx.
func (tx *Tx) AddLink(l *tickets.Link) error { return tx.insert(&l.ID, insertLink, l) }

// Link implements bot.Tx.
func (tx *Tx) Link(id tickets.ID) (l tickets.Link, err error) {
	return l, tx.getRow(&l, "link", id, selectLink+"id = $1")
}

// UpdateLink implements bot.Tx.
func (tx *Tx) UpdateLink(l tickets.Link) error { return tx.put("link", l.ID, updateLink, l) }

// LinksAt implements bot.Tx.
func (tx *Tx) LinksAt(p chat.Place, limit int) (list []tickets.Link, err error) {
	return list, tx.all(&list, selectLinksAt, p.Adapter, p.Room, p.Thread, limit)
}

// TicketLinks implements bot.Tx.
func (tx *Tx) TicketLinks(ticket tickets.ID) (list []tickets.Link, err error) {
	return list, tx.all(&list, selectTicketLinks, ticket)
}

// IncidentLinks implements bot.Tx.
func (tx *Tx) IncidentLinks(incident tickets.ID) (list []tickets.Link, err error) {
	return list, tx.all(&list, selectIncidentLinks, incident)
}

// RoomLink implements bot.Tx. A link that it makes carries every audience:
// what belongs to no ticket is addressed to whoever is there.
func (tx *Tx) RoomLink(p chat.Place, now tickets.Time) (l tickets.Link, err error) {
	ok, err := tx.find(&l, selectRoomLink, p.Adapter, p.Room, p.Thread)
	if err != nil || ok {
		return l, err
	}
	query, args, err := tx.named(insertRoomLink, tickets.Link{
		Kind: tickets.RoomLink, Adapter: p.Adapter, Room: p.Room, Thread: p.Thread, Created: now,
		Audiences: tickets.Team | tickets.Participants | tickets.Everyone,
	})
	if err != nil {
		return l, err
	}
	if _, err := tx.exec(query, args...); err != nil {
		return l, err
	}
	return l, tx.get(&l, selectRoomLink, p.Adapter, p.Room, p.Thread)
}

// DirectLink implements bot.Tx.
func (tx *Tx) DirectLink(adapter string, person tickets.ID) (l tickets.Link, ok bool, err error) {
	ok, err = tx.find(&l, selectDirectLink, person, adapter)
	return l, ok, err
}
