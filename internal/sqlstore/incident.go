package sqlstore

import (
	"errors"

	"permanence/bot"
	"permanence/statuspage"
	"permanence/tickets"
)

const (
	incidentColumns = "id, uid, kind, title, lang, state, impact, started_at, noticed_at, published_at, resolved_at, " +
		"scheduled_for, scheduled_until, next_word_at, sequence, cancelled, updated_at, " +
		"team_adapter, team_room, team_thread, author, ended_everywhere_at"
	updateColumns = "id, uid, incident_id, entry_id, state, body, lang, published_at, edited_at, scheduled_for, scheduled_until, author"
)

const (
	insertIncident = `INSERT INTO incident (uid, kind, title, lang, state, impact, started_at, noticed_at, published_at,
		resolved_at, scheduled_for, scheduled_until, next_word_at, sequence, cancelled, updated_at,
		team_adapter, team_room, team_thread, author, ended_everywhere_at)
		VALUES (:uid, :kind, :title, :lang, :state, :impact, :started_at, :noticed_at, :published_at,
		:resolved_at, :scheduled_for, :scheduled_until, :next_word_at, :sequence, :cancelled, :updated_at,
		:team_adapter, :team_room, :team_thread, :author, :ended_everywhere_at) RETURNING id`
	updateIncident = `UPDATE incident SET kind = :kind, title = :title, lang = :lang, state = :state, impact = :impact,
		started_at = :started_at, noticed_at = :noticed_at, published_at = :published_at, resolved_at = :resolved_at,
		scheduled_for = :scheduled_for, scheduled_until = :scheduled_until, next_word_at = :next_word_at,
		sequence = :sequence, cancelled = :cancelled, updated_at = :updated_at, team_adapter = :team_adapter,
		team_room = :team_room, team_thread = :team_thread, author = :author, ended_everywhere_at = :ended_everywhere_at
		WHERE id = :id`
	insertUpdate = `INSERT INTO incident_update (uid, incident_id, entry_id, state, body, lang, published_at, edited_at,
		scheduled_for, scheduled_until, author)
		VALUES (:uid, :incident_id, :entry_id, :state, :body, :lang, :published_at, :edited_at,
		:scheduled_for, :scheduled_until, :author) RETURNING id`
	updateUpdate = `UPDATE incident_update SET entry_id = :entry_id, state = :state, body = :body, lang = :lang,
		published_at = :published_at, edited_at = :edited_at, scheduled_for = :scheduled_for, scheduled_until = :scheduled_until,
		author = :author WHERE id = :id`
	upsertTitle = `INSERT INTO incident_title (incident_id, lang, body, published_at, edited_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (incident_id, lang) DO UPDATE SET body = excluded.body, edited_at = excluded.edited_at`
	upsertText = `INSERT INTO update_text (update_id, lang, body, published_at, edited_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (update_id, lang) DO UPDATE SET body = excluded.body, edited_at = excluded.edited_at`
	selectTitles        = "SELECT lang, body, published_at, edited_at FROM incident_title WHERE incident_id = $1 ORDER BY lang"
	selectTexts         = "SELECT lang, body, published_at, edited_at FROM update_text WHERE update_id = $1 ORDER BY lang"
	selectIncident      = "SELECT " + incidentColumns + " FROM incident WHERE "
	selectOpenIncidents = selectIncident + "resolved_at = 0 ORDER BY id"
	selectUpdates       = "SELECT " + updateColumns + " FROM incident_update WHERE incident_id = $1 ORDER BY id"
	selectAffected      = "SELECT incident_id, component, name, status FROM incident_component WHERE incident_id = $1 ORDER BY component"
)

// AddIncident implements bot.Tx; it sets the incident's number in what is
// affected too.
func (tx *Tx) AddIncident(i *statuspage.Incident) error {
	if err := tx.insert(&i.ID, insertIncident, i); err != nil {
		return err
	}
	return tx.setAffected(i)
}

func (tx *Tx) setAffected(i *statuspage.Incident) error {
	for n := range i.Affected {
		a := &i.Affected[n]
		a.Incident = i.ID
		_, err := tx.exec(`INSERT INTO incident_component (incident_id, component, name, status) VALUES ($1, $2, $3, $4)
			ON CONFLICT (incident_id, component) DO UPDATE SET name = excluded.name, status = excluded.status`,
			a.Incident, a.Component, a.Name, a.Status)
		if err != nil {
			return err
		}
	}
	return nil
}

// Incident implements bot.Tx.
func (tx *Tx) Incident(number int64) (i statuspage.Incident, err error) {
	if err := tx.getRow(&i, "incident", tickets.ID(number), selectIncident+"id = $1"); err != nil {
		return i, err
	}
	return i, tx.all(&i.Affected, selectAffected, number)
}

// UpdateIncident implements bot.Tx; UID never changes.
func (tx *Tx) UpdateIncident(i *statuspage.Incident) error {
	if err := tx.put("incident", tickets.ID(i.ID), updateIncident, i); err != nil {
		return err
	}
	if _, err := tx.exec("DELETE FROM incident_component WHERE incident_id = $1", i.ID); err != nil {
		return err
	}
	return tx.setAffected(i)
}

// OpenIncidents implements bot.Tx: what has not ended, planned work too, in
// order of number.
func (tx *Tx) OpenIncidents() (list []statuspage.Incident, err error) {
	if err := tx.all(&list, selectOpenIncidents); err != nil {
		return nil, err
	}
	for n := range list {
		if err := tx.all(&list[n].Affected, selectAffected, list[n].ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// AddUpdate implements bot.Tx.
func (tx *Tx) AddUpdate(u *statuspage.Update) error {
	if u.Incident == 0 {
		return errors.New("store update: it names no incident")
	}
	return tx.insert(&u.ID, insertUpdate, u)
}

// UpdateUpdate implements bot.Tx; UID and incident never change.
func (tx *Tx) UpdateUpdate(u *statuspage.Update) error {
	return tx.put("update", tickets.ID(u.ID), updateUpdate, u)
}

// IncidentUpdates implements bot.Tx.
func (tx *Tx) IncidentUpdates(number int64) (list []statuspage.Update, err error) {
	return list, tx.all(&list, selectUpdates, number)
}

// PutTitle implements bot.Tx: a title that is there already keeps the time of
// its first publication.
func (tx *Tx) PutTitle(number int64, t statuspage.PublicText) error {
	_, err := tx.exec(upsertTitle, number, t.Lang, t.Body, t.Published, t.Edited)
	return err
}

// PutText implements bot.Tx; see PutTitle.
func (tx *Tx) PutText(update int64, t statuspage.PublicText) error {
	_, err := tx.exec(upsertText, update, t.Lang, t.Body, t.Published, t.Edited)
	return err
}

// Titles implements bot.Tx.
func (tx *Tx) Titles(number int64) (list []statuspage.PublicText, err error) {
	return list, tx.all(&list, selectTitles, number)
}

// Texts implements bot.Tx.
func (tx *Tx) Texts(update int64) (list []statuspage.PublicText, err error) {
	return list, tx.all(&list, selectTexts, update)
}

// PublishedBetween implements bot.Tx.
func (tx *Tx) PublishedBetween(from, before statuspage.Time) (list []statuspage.PublicIncident, err error) {
	if err := tx.all(&list, selectPublicBetween, from, before); err != nil {
		return nil, err
	}
	err = tx.publicParts(list)
	newestFirst(list)
	return list, err
}

const (
	selectIncidentTickets = "SELECT " + ticketColumns + " FROM ticket WHERE incident = $1 AND incident <> 0 ORDER BY id"
	// The first entries are looked up one by one, by their key, whatever the
	// planner thinks of two tables whose size it does not know yet.
	selectRecentRequests = `SELECT t.id AS ticket_id, t.requester, t.service, t.subject, t.incident,
			COALESCE((SELECT substr(e.body, 1, 1000) FROM entry e WHERE e.id = t.first_entry), '') AS body
		FROM ticket t WHERE t.desk = $1 AND t.updated_at >= $2 AND t.created_at >= $2
		AND NOT EXISTS (SELECT 1 FROM entry s WHERE s.id = t.first_entry AND s.sealed)
		ORDER BY t.updated_at DESC, t.id DESC LIMIT $3`
	attachmentColumns = "incident_id, ticket_id, offered_at, answered_at, reply_id"
	selectAttachments = "SELECT " + attachmentColumns + " FROM incident_ticket WHERE incident_id = $1"
	upsertAttachment  = `INSERT INTO incident_ticket (incident_id, ticket_id, offered_at, answered_at, reply_id)
		VALUES (:incident_id, :ticket_id, :offered_at, :answered_at, :reply_id)
		ON CONFLICT (incident_id, ticket_id) DO UPDATE SET offered_at = excluded.offered_at,
		answered_at = excluded.answered_at, reply_id = excluded.reply_id`
	selectAnswer = "SELECT incident_id, entry_id, sent_by, sent_at, unread FROM incident_answer WHERE incident_id = $1"
	upsertAnswer = `INSERT INTO incident_answer (incident_id, entry_id, sent_by, sent_at, unread)
		VALUES (:incident_id, :entry_id, :sent_by, :sent_at, :unread)
		ON CONFLICT (incident_id) DO UPDATE SET entry_id = excluded.entry_id, sent_by = excluded.sent_by, sent_at = excluded.sent_at,
		unread = excluded.unread`
	draftColumns = "id, person, verb, number, body, lang, seen_at, created_at, adapter, room, thread, delivery_id"
	insertDraft  = `INSERT INTO draft (person, verb, number, body, lang, seen_at, created_at, adapter, room, thread, delivery_id)
		VALUES (:person, :verb, :number, :body, :lang, :seen_at, :created_at, :adapter, :room, :thread, :delivery_id) RETURNING id`
	updateDraft    = "UPDATE draft SET delivery_id = :delivery_id WHERE id = :id"
	selectDraft    = "SELECT " + draftColumns + " FROM draft WHERE id = $1"
	selectDraftsOf = "SELECT " + draftColumns + " FROM draft WHERE person = $1 ORDER BY id"
)

// IncidentTickets implements bot.Tx.
func (tx *Tx) IncidentTickets(number int64) (list []tickets.Ticket, err error) {
	return list, tx.all(&list, selectIncidentTickets, number)
}

// RecentRequests implements bot.Tx.
func (tx *Tx) RecentRequests(desk string, since tickets.Time, limit int) (list []bot.RecentRequest, err error) {
	return list, tx.all(&list, selectRecentRequests, desk, since, limit)
}

// Attachments implements bot.Tx.
func (tx *Tx) Attachments(number int64) (list []bot.Attachment, err error) {
	return list, tx.all(&list, selectAttachments+" ORDER BY ticket_id", number)
}

// Attachment implements bot.Tx.
func (tx *Tx) Attachment(number int64, ticket tickets.ID) (a bot.Attachment, err error) {
	_, err = tx.find(&a, selectAttachments+" AND ticket_id = $2", number, ticket)
	a.Incident, a.Ticket = number, ticket
	return a, err
}

// PutAttachment implements bot.Tx.
func (tx *Tx) PutAttachment(a bot.Attachment) error {
	return tx.put("attachment of ticket", a.Ticket, upsertAttachment, a)
}

// CommonAnswer implements bot.Tx.
func (tx *Tx) CommonAnswer(number int64) (a bot.CommonAnswer, ok bool, err error) {
	ok, err = tx.find(&a, selectAnswer, number)
	return a, ok, err
}

// PutCommonAnswer implements bot.Tx.
func (tx *Tx) PutCommonAnswer(a bot.CommonAnswer) error {
	return tx.put("answer of incident", tickets.ID(a.Incident), upsertAnswer, a)
}

// AddDraft implements bot.Tx.
func (tx *Tx) AddDraft(d *bot.Draft) error { return tx.insert(&d.ID, insertDraft, d) }

// UpdateDraft implements bot.Tx.
func (tx *Tx) UpdateDraft(d bot.Draft) error {
	return tx.put("draft", tickets.ID(d.ID), updateDraft, d)
}

// Draft implements bot.Tx.
func (tx *Tx) Draft(id int64) (d bot.Draft, ok bool, err error) {
	ok, err = tx.find(&d, selectDraft, id)
	return d, ok, err
}

// DraftsOf implements bot.Tx.
func (tx *Tx) DraftsOf(person tickets.ID) (list []bot.Draft, err error) {
	return list, tx.all(&list, selectDraftsOf, person)
}

// DropDraft implements bot.Tx; a draft that is not there is no error.
func (tx *Tx) DropDraft(id int64) error {
	_, err := tx.exec("DELETE FROM draft WHERE id = $1", id)
	return err
}
