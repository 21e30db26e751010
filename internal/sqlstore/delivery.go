package sqlstore

import (
	"permanence/bot/outbox"
	"permanence/tickets"
)

// A position of 0 in the table is the ID's, which INSERT does not know yet.
const deliveryColumns = "id, link_id, adapter, entry_id, reply_id, ticket_id, incident_id, op, slot, key, payload, revision, " +
	deliveryPosition + " AS position, state, attempts, next_at, give_up_at, after_delivery, parts, reason, created_at, done_at, confirmed"

const deliveryPosition = "CASE WHEN position = 0 THEN id ELSE position END"

const (
	deliveryValues = `INSERT INTO delivery (link_id, adapter, entry_id, reply_id, ticket_id, incident_id, op, slot, key, payload,
		revision, position, state, attempts, next_at, give_up_at, after_delivery, parts, reason, created_at, done_at, confirmed)
		VALUES (:link_id, :adapter, :entry_id, :reply_id, :ticket_id, :incident_id, :op, :slot, :key, :payload,
		:revision, :position, :state, :attempts, :next_at, :give_up_at, :after_delivery, :parts, :reason, :created_at, :done_at, :confirmed)`
	insertDelivery = deliveryValues + " RETURNING id"
	upsertState    = deliveryValues + ` ON CONFLICT (link_id, slot) WHERE slot <> '' DO UPDATE SET
		adapter = excluded.adapter, entry_id = excluded.entry_id, reply_id = excluded.reply_id, ticket_id = excluded.ticket_id,
		incident_id = excluded.incident_id, op = excluded.op, payload = excluded.payload, revision = delivery.revision + 1,
		state = excluded.state, attempts = excluded.attempts, next_at = excluded.next_at, give_up_at = excluded.give_up_at,
		after_delivery = excluded.after_delivery, reason = '', done_at = 0, confirmed = excluded.confirmed
		RETURNING id, key, revision, ` + returnedPosition + ` AS position, parts, created_at`
	// In RETURNING, PostgreSQL knows the table by its name alone.
	returnedPosition = "CASE WHEN delivery.position = 0 THEN delivery.id ELSE delivery.position END"
	updateDelivery   = `UPDATE delivery SET link_id = :link_id, adapter = :adapter, entry_id = :entry_id, reply_id = :reply_id,
		ticket_id = :ticket_id, incident_id = :incident_id, op = :op, slot = :slot, key = :key, payload = :payload,
		revision = :revision, position = :position, state = :state, attempts = :attempts, next_at = :next_at,
		give_up_at = :give_up_at, after_delivery = :after_delivery, parts = :parts, reason = :reason, done_at = :done_at,
		confirmed = :confirmed WHERE id = :id`
	selectDelivery           = "SELECT " + deliveryColumns + " FROM delivery WHERE "
	openStates               = "state IN ('held', 'ready', 'parked')" // as in the indexes
	selectOpenDeliveries     = selectDelivery + openStates + " ORDER BY id"
	selectLinkOpen           = selectDelivery + "link_id = $1 AND " + openStates + " ORDER BY " + deliveryPosition + ", id"
	selectReplyDeliveries    = selectDelivery + "reply_id = $1 AND reply_id <> 0 ORDER BY id"
	selectEntryDeliveries    = selectDelivery + "entry_id = $1 AND entry_id <> 0 ORDER BY id"
	selectIncidentDeliveries = selectDelivery + "incident_id = $1 AND incident_id <> 0 ORDER BY id"
	selectFailedDeliveries   = selectDelivery + "state = 'failed' ORDER BY id DESC LIMIT $1"
	selectStateOf            = selectDelivery + "link_id = $1 AND slot = $2 AND slot <> ''"
	selectRecipients         = "SELECT delivery_id, address, state, reason, attempts FROM recipient WHERE delivery_id = $1 ORDER BY address"
	upsertRecipient          = `INSERT INTO recipient (delivery_id, address, state, reason, attempts)
		VALUES (:delivery_id, :address, :state, :reason, :attempts)
		ON CONFLICT (delivery_id, address) DO UPDATE SET state = excluded.state, reason = excluded.reason, attempts = excluded.attempts`
)

// AddDelivery implements bot.Tx. A revision of 0 is stored as 1.
func (tx *Tx) AddDelivery(d *outbox.Delivery) error {
	d.Revision = max(d.Revision, 1)
	if err := tx.insert(&d.ID, insertDelivery, d); err != nil {
		return err
	}
	if d.Position == 0 {
		d.Position = int64(d.ID)
	}
	return nil
}

// PutState implements bot.Tx.
func (tx *Tx) PutState(d *outbox.Delivery) error {
	d.State, d.Revision, d.Attempts, d.Reason, d.DoneAt, d.Confirmed = outbox.Ready, 1, 1, "", 0, false
	// What the row keeps comes back into d.
	return tx.insert(d, upsertState, d)
}

// StateOf implements bot.Tx.
func (tx *Tx) StateOf(link tickets.ID, slot string) (d outbox.Delivery, ok bool, err error) {
	ok, err = tx.find(&d, selectStateOf, link, slot)
	return d, ok, err
}

// Delivery implements bot.Tx.
func (tx *Tx) Delivery(id tickets.ID) (d outbox.Delivery, err error) {
	return d, tx.getRow(&d, "delivery", id, selectDelivery+"id = $1")
}

// DeliveryByKey implements bot.Tx.
func (tx *Tx) DeliveryByKey(key string) (d outbox.Delivery, ok bool, err error) {
	ok, err = tx.find(&d, selectDelivery+"key = $1", key)
	return d, ok, err
}

// UpdateDelivery implements bot.Tx.
func (tx *Tx) UpdateDelivery(d outbox.Delivery) error {
	return tx.put("delivery", d.ID, updateDelivery, d)
}

// OpenDeliveries implements bot.Tx.
func (tx *Tx) OpenDeliveries() (list []outbox.Delivery, err error) {
	return list, tx.all(&list, selectOpenDeliveries)
}

// ReplyDeliveries implements bot.Tx.
func (tx *Tx) ReplyDeliveries(reply tickets.ID) (list []outbox.Delivery, err error) {
	return list, tx.all(&list, selectReplyDeliveries, reply)
}

// EntryDeliveries implements bot.Tx.
func (tx *Tx) EntryDeliveries(entry tickets.ID) (list []outbox.Delivery, err error) {
	return list, tx.all(&list, selectEntryDeliveries, entry)
}

// LinkOpen implements bot.Tx.
func (tx *Tx) LinkOpen(link tickets.ID) (list []outbox.Delivery, err error) {
	return list, tx.all(&list, selectLinkOpen, link)
}

// IncidentDeliveries implements bot.Tx.
func (tx *Tx) IncidentDeliveries(incident tickets.ID) (list []outbox.Delivery, err error) {
	return list, tx.all(&list, selectIncidentDeliveries, incident)
}

// FailedDeliveries implements bot.Tx.
func (tx *Tx) FailedDeliveries(limit int) (list []outbox.Delivery, err error) {
	return list, tx.all(&list, selectFailedDeliveries, limit)
}

// Recipients implements bot.Tx.
func (tx *Tx) Recipients(delivery tickets.ID) (list []outbox.Recipient, err error) {
	return list, tx.all(&list, selectRecipients, delivery)
}

// PutRecipient implements bot.Tx.
func (tx *Tx) PutRecipient(r outbox.Recipient) error {
	return tx.put("recipient of delivery", r.Delivery, upsertRecipient, r)
}
