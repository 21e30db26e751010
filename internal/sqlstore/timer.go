package sqlstore

import "permanence/bot"

const (
	timerColumns = "name, kind, due_at, ticket_id, incident_id, body"
	upsertTimer  = `INSERT INTO timer (name, kind, due_at, ticket_id, incident_id, body)
		VALUES (:name, :kind, :due_at, :ticket_id, :incident_id, :body)
		ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, due_at = excluded.due_at, ticket_id = excluded.ticket_id,
		incident_id = excluded.incident_id, body = excluded.body`
	selectTimers = "SELECT " + timerColumns + " FROM timer ORDER BY due_at, name"
	selectTimer  = "SELECT " + timerColumns + " FROM timer WHERE name = $1"
)

// SetTimer implements bot.Tx.
func (tx *Tx) SetTimer(t bot.Timer) error {
	query, args, err := tx.named(upsertTimer, t)
	if err == nil {
		_, err = tx.exec(query, args...)
	}
	return err
}

// DropTimer implements bot.Tx; a timer that is not there is no error.
func (tx *Tx) DropTimer(name string) error {
	_, err := tx.exec("DELETE FROM timer WHERE name = $1", name)
	return err
}

// Timers implements bot.Tx.
func (tx *Tx) Timers() (list []bot.Timer, err error) { return list, tx.all(&list, selectTimers) }

// Timer implements bot.Tx.
func (tx *Tx) Timer(name string) (t bot.Timer, ok bool, err error) {
	ok, err = tx.find(&t, selectTimer, name)
	return t, ok, err
}
