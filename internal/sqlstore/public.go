package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"permanence/statuspage"
)

// The statements behind the public page name public columns alone: what is
// not selected cannot be shown by any mistake of a page.
const (
	publicColumns = "id, uid, kind, title, lang, state, impact, started_at, noticed_at, published_at, resolved_at, " +
		"scheduled_for, scheduled_until, next_word_at, sequence, cancelled, updated_at"

	selectPublicOpen   = "SELECT " + publicColumns + " FROM incident WHERE resolved_at = 0 AND published_at <> 0"
	selectPublicRecent = "SELECT " + publicColumns + " FROM incident WHERE published_at <> 0 ORDER BY updated_at DESC LIMIT $1"
	selectPublicOne    = "SELECT " + publicColumns + " FROM incident WHERE id = $1 AND published_at <> 0"
	selectPublicUID    = "SELECT " + publicColumns + " FROM incident WHERE uid = $1 AND published_at <> 0"
	// Published is never 0 above a time of this century; the condition is for
	// callers that ask from the beginning.
	selectPublicBetween = "SELECT " + publicColumns + " FROM incident WHERE published_at >= $1 AND published_at < $2 AND published_at <> 0"

	selectPublicUpdates = "SELECT id, incident_id, uid, state, body, lang, published_at, edited_at, scheduled_for, scheduled_until " +
		"FROM incident_update WHERE incident_id IN "
	selectPublicTitles = "SELECT incident_id, lang, body, published_at, edited_at FROM incident_title WHERE incident_id IN "
	selectPublicTexts  = "SELECT u.incident_id, t.update_id, t.lang, t.body, t.published_at, t.edited_at " +
		"FROM update_text t JOIN incident_update u ON u.id = t.update_id WHERE t.body <> '' AND u.incident_id IN "
	selectPublicComponents = "SELECT incident_id, component, name, status FROM incident_component WHERE incident_id IN "
)

// Public is what the status page reads; it implements statuspage.Source.
type Public struct{ store *Store }

var _ statuspage.Source = Public{}

// Public gives the page its source.
func (s *Store) Public() Public { return Public{s} }

// Current implements statuspage.Source.
func (p Public) Current(ctx context.Context, limit int) (list []statuspage.PublicIncident, err error) {
	err = p.store.view(ctx, func(tx *Tx) error {
		var recent []statuspage.PublicIncident
		if err := tx.all(&list, selectPublicOpen); err != nil {
			return err
		}
		if err := tx.all(&recent, selectPublicRecent, limit); err != nil {
			return err
		}
		for _, r := range recent {
			if !r.Open() { // the open ones are there already
				list = append(list, r)
			}
		}
		return tx.publicParts(list)
	})
	newestFirst(list)
	return list, err
}

// Between implements statuspage.Source.
func (p Public) Between(ctx context.Context, from, before statuspage.Time) (list []statuspage.PublicIncident, err error) {
	err = p.store.view(ctx, func(tx *Tx) error {
		if err := tx.all(&list, selectPublicBetween, from, before); err != nil {
			return err
		}
		return tx.publicParts(list)
	})
	newestFirst(list)
	return list, err
}

// Incident implements statuspage.Source.
func (p Public) Incident(ctx context.Context, number statuspage.ID) (one statuspage.PublicIncident, found bool, err error) {
	return p.one(ctx, selectPublicOne, number)
}

// IncidentByUID gives one by its public identifier, as tools know it; false
// where there is none.
func (p Public) IncidentByUID(ctx context.Context, uid string) (one statuspage.PublicIncident, found bool, err error) {
	return p.one(ctx, selectPublicUID, uid)
}

func (p Public) one(ctx context.Context, query string, arg any) (one statuspage.PublicIncident, found bool, err error) {
	err = p.store.view(ctx, func(tx *Tx) error {
		list := make([]statuspage.PublicIncident, 0, 1)
		if err := tx.all(&list, query, arg); err != nil || len(list) == 0 {
			return err
		}
		if err := tx.publicParts(list); err != nil {
			return err
		}
		one, found = list[0], true
		return nil
	})
	return one, found, err
}

func newestFirst(list []statuspage.PublicIncident) {
	slices.SortFunc(list, func(a, b statuspage.PublicIncident) int {
		return cmp.Or(cmp.Compare(b.Published, a.Published), cmp.Compare(b.Number, a.Number))
	})
}

// publicParts adds to incidents their updates, components and translations.
func (tx *Tx) publicParts(list []statuspage.PublicIncident) error {
	byID := make(map[statuspage.ID]*statuspage.PublicIncident, len(list))
	ids := make([]statuspage.ID, len(list))
	for i := range list {
		ids[i] = list[i].Number
		byID[list[i].Number] = &list[i]
	}
	for part := range slices.Chunk(ids, atMost) {
		in, args := among(1, part)
		var updates []struct {
			ID       statuspage.ID `db:"id"`
			Incident statuspage.ID `db:"incident_id"`
			statuspage.PublicUpdate
		}
		if err := tx.all(&updates, selectPublicUpdates+in+" ORDER BY incident_id, id", args...); err != nil {
			return err
		}
		place := make(map[statuspage.ID]int, len(updates)) // by update: where it stands among its incident's
		for _, u := range updates {
			p := byID[u.Incident]
			place[u.ID] = len(p.Updates)
			p.Updates = append(p.Updates, u.PublicUpdate)
		}
		var texts []struct {
			Incident statuspage.ID `db:"incident_id"`
			Update   statuspage.ID `db:"update_id"`
			statuspage.PublicText
		}
		if err := tx.all(&texts, selectPublicTexts+in+" ORDER BY t.update_id, t.lang", args...); err != nil {
			return err
		}
		for _, t := range texts {
			u := &byID[t.Incident].Updates[place[t.Update]]
			u.Texts = append(u.Texts, t.PublicText)
		}
		var titles []struct {
			Incident statuspage.ID `db:"incident_id"`
			statuspage.PublicText
		}
		if err := tx.all(&titles, selectPublicTitles+in+" ORDER BY incident_id, lang", args...); err != nil {
			return err
		}
		for _, t := range titles {
			p := byID[t.Incident]
			p.Titles = append(p.Titles, t.PublicText)
		}
		var components []struct {
			Incident statuspage.ID `db:"incident_id"`
			statuspage.PublicComponent
		}
		if err := tx.all(&components, selectPublicComponents+in+" ORDER BY incident_id, component", args...); err != nil {
			return err
		}
		for _, c := range components {
			p := byID[c.Incident]
			p.Components = append(p.Components, c.PublicComponent)
		}
	}
	return nil
}
