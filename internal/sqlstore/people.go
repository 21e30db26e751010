package sqlstore

import (
	"slices"
	"strings"

	"permanence/tickets"
)

const (
	personColumns   = "id, name, language, created_at"
	identityColumns = "network, account, person, name, handle, proved"
)

// identityRow is an identity with the columns for finding.
type identityRow struct {
	tickets.Identity
	NameKey   string `db:"name_key"`
	HandleKey string `db:"handle_key"`
}

const (
	selectPersonByIdentity = "SELECT person FROM identity WHERE network = $1 AND account = $2"
	upsertIdentity         = `INSERT INTO identity (network, account, person, name, handle, proved, name_key, handle_key)
		VALUES (:network, :account, :person, :name, :handle, :proved, :name_key, :handle_key)
		ON CONFLICT (network, account) DO UPDATE SET name = excluded.name, handle = excluded.handle,
		proved = excluded.proved, name_key = excluded.name_key, handle_key = excluded.handle_key`
	// UNION leaves each person once.
	selectNamed = `SELECT person FROM identity WHERE network = $1 AND handle_key = $2
		UNION SELECT person FROM identity WHERE network = $1 AND name_key = $2 LIMIT 2`
)

// PersonByIdentity implements bot.Tx.
func (tx *Tx) PersonByIdentity(network, account string) (person tickets.ID, err error) {
	_, err = tx.find(&person, selectPersonByIdentity, network, account)
	return person, err
}

// AddPerson implements bot.Tx.
func (tx *Tx) AddPerson(p *tickets.Person, id tickets.Identity) error {
	err := tx.insert(&p.ID, "INSERT INTO person (name, language, created_at) VALUES (:name, :language, :created_at) RETURNING id", p)
	if err != nil {
		return err
	}
	id.Person = p.ID
	return tx.AddIdentity(id)
}

// AddIdentity implements bot.Tx. An identity that is known stays its person's.
func (tx *Tx) AddIdentity(id tickets.Identity) error {
	query, args, err := tx.named(upsertIdentity, identityRow{id, strings.ToLower(id.Name), strings.ToLower(id.Handle)})
	if err == nil {
		_, err = tx.exec(query, args...)
	}
	return err
}

// Person implements bot.Tx.
func (tx *Tx) Person(id tickets.ID) (p tickets.Person, err error) {
	return p, tx.getRow(&p, "person", id, "SELECT "+personColumns+" FROM person WHERE id = $1")
}

// SetLanguage implements bot.Tx.
func (tx *Tx) SetLanguage(person tickets.ID, lang string) error {
	return tx.put("person", person, "UPDATE person SET language = :language WHERE id = :id", tickets.Person{ID: person, Language: lang})
}

// Identities implements bot.Tx.
func (tx *Tx) Identities(person tickets.ID) (ids []tickets.Identity, err error) {
	return ids, tx.all(&ids, "SELECT "+identityColumns+" FROM identity WHERE person = $1 ORDER BY network, account", person)
}

// FindPerson implements bot.Tx.
func (tx *Tx) FindPerson(network, handle string) (tickets.ID, error) {
	if handle == "" {
		return 0, nil
	}
	var found []tickets.ID
	if err := tx.all(&found, selectNamed, network, strings.ToLower(handle)); err != nil || len(found) != 1 {
		return 0, err
	}
	return found[0], nil
}

// Role implements bot.Tx.
func (tx *Tx) Role(desk string, person tickets.ID) (role tickets.Role, err error) {
	_, err = tx.find(&role, "SELECT role FROM desk_role WHERE desk = $1 AND person = $2", desk, person)
	return role, err
}

// SetRole implements bot.Tx; tickets.Nobody takes a role away.
func (tx *Tx) SetRole(desk string, person tickets.ID, role tickets.Role, by tickets.ID, at tickets.Time) error {
	if role == tickets.Nobody {
		_, err := tx.exec("DELETE FROM desk_role WHERE desk = $1 AND person = $2", desk, person)
		return err
	}
	_, err := tx.exec(`INSERT INTO desk_role (desk, person, role, given_by, given_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (desk, person) DO UPDATE SET role = excluded.role, given_by = excluded.given_by, given_at = excluded.given_at`,
		desk, person, role, by, at)
	return err
}

// Focus implements bot.Tx.
func (tx *Tx) Focus(person tickets.ID, adapter, room string) (ticket tickets.ID, err error) {
	_, err = tx.find(&ticket, "SELECT ticket_id FROM focus WHERE person = $1 AND adapter = $2 AND room = $3", person, adapter, room)
	return ticket, err
}

// SetFocus implements bot.Tx.
func (tx *Tx) SetFocus(person tickets.ID, adapter, room string, ticket tickets.ID) error {
	if ticket == 0 {
		_, err := tx.exec("DELETE FROM focus WHERE person = $1 AND adapter = $2 AND room = $3", person, adapter, room)
		return err
	}
	_, err := tx.exec(`INSERT INTO focus (person, adapter, room, ticket_id) VALUES ($1, $2, $3, $4)
		ON CONFLICT (person, adapter, room) DO UPDATE SET ticket_id = excluded.ticket_id`, person, adapter, room, ticket)
	return err
}

// MailPeer implements bot.Tx.
func (tx *Tx) MailPeer(address, desk string) (acknowledged, mutedUntil tickets.Time, err error) {
	var row struct {
		Acknowledged tickets.Time `db:"acknowledged_at"`
		Muted        tickets.Time `db:"muted_until"`
	}
	_, err = tx.find(&row, "SELECT acknowledged_at, muted_until FROM mail_peer WHERE address = $1 AND desk = $2", address, desk)
	return row.Acknowledged, row.Muted, err
}

// SetMailPeer implements bot.Tx.
func (tx *Tx) SetMailPeer(address, desk string, acknowledged, mutedUntil tickets.Time) error {
	_, err := tx.exec(`INSERT INTO mail_peer (address, desk, acknowledged_at, muted_until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (address, desk) DO UPDATE SET acknowledged_at = excluded.acknowledged_at, muted_until = excluded.muted_until`,
		address, desk, acknowledged, mutedUntil)
	return err
}

// ServiceAccess implements bot.Tx.
func (tx *Tx) ServiceAccess(service string) (people []tickets.ID, err error) {
	err = tx.all(&people, "SELECT person FROM service_access WHERE service = $1 ORDER BY person", service)
	return people, err
}

// SetServices makes the stored services and who has access to them those of
// the configuration: the names by ID, and the people by service.
func (tx *Tx) SetServices(names map[string]string, access map[string][]tickets.ID) error {
	if _, err := tx.exec("DELETE FROM service_access"); err != nil {
		return err
	}
	if _, err := tx.exec("DELETE FROM service"); err != nil {
		return err
	}
	for id, name := range names {
		if _, err := tx.exec("INSERT INTO service (id, name) VALUES ($1, $2)", id, name); err != nil {
			return err
		}
		people := slices.Clone(access[id])
		slices.Sort(people)
		for _, person := range slices.Compact(people) {
			if _, err := tx.exec("INSERT INTO service_access (service, person) VALUES ($1, $2)", id, person); err != nil {
				return err
			}
		}
	}
	return nil
}
