package sqlstore

import (
	"errors"
	"fmt"
	"testing"

	"permanence/bot"
	"permanence/tickets"
)

// person makes somebody with a mail address.
func person(t testing.TB, s *Store, name string) tickets.Person {
	t.Helper()
	p := tickets.Person{Name: name, Created: 1}
	mustUpdate(t, s, func(tx *Tx) error {
		return tx.AddPerson(&p, tickets.Identity{Network: "mail", Account: name + "@example.org", Name: name})
	})
	return p
}

func TestPeople(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		alice, camille := person(t, s, "alice"), person(t, s, "camille")
		mustUpdate(t, s, func(tx *Tx) error {
			return errors.Join(
				tx.AddIdentity(tickets.Identity{Network: "tchat", Account: "u1", Person: alice.ID, Name: "Éloïse A.", Handle: "Alice"}),
				tx.AddIdentity(tickets.Identity{Network: "tchat", Account: "u2", Person: camille.ID, Name: "Camille", Handle: "camille"}),
				// Known: the person stays, the rest is brought up to date.
				tx.AddIdentity(tickets.Identity{Network: "tchat", Account: "u1", Person: camille.ID, Name: "Éloïse B.", Handle: "Alice", Proved: true}),
				tx.SetLanguage(alice.ID, "en"),
			)
		})
		mustView(t, s, func(tx *Tx) error {
			for _, tt := range []struct {
				network, account string
				want             tickets.ID
			}{{"tchat", "u1", alice.ID}, {"mail", "camille@example.org", camille.ID}, {"irc", "u1", 0}} {
				if got, err := tx.PersonByIdentity(tt.network, tt.account); got != tt.want || err != nil {
					t.Errorf("%s %s: %d, %v", tt.network, tt.account, got, err)
				}
			}
			for _, tt := range []struct {
				handle string
				want   tickets.ID
			}{{"ALICE", alice.ID}, {"éloïse b.", alice.ID}, {"ÉLOÏSE B.", alice.ID}, {"éloïse a.", 0}, {"camille", camille.ID}, {"sacha", 0}, {"", 0}} {
				if got, err := tx.FindPerson("tchat", tt.handle); got != tt.want || err != nil {
					t.Errorf("find %q: %d, %v", tt.handle, got, err)
				}
			}
			ids, err := tx.Identities(alice.ID)
			want := []tickets.Identity{
				{Network: "mail", Account: "alice@example.org", Person: alice.ID, Name: "alice"},
				{Network: "tchat", Account: "u1", Person: alice.ID, Name: "Éloïse B.", Handle: "Alice", Proved: true},
			}
			if fmt.Sprint(ids) != fmt.Sprint(want) {
				t.Errorf("identities %+v", ids)
			}
			p, err2 := tx.Person(alice.ID)
			if p.Language != "en" || p.Name != "alice" {
				t.Errorf("%+v", p)
			}
			if _, err := tx.Person(999); !errors.Is(err, bot.ErrNotFound) {
				t.Errorf("nobody: %v", err)
			}
			return errors.Join(err, err2)
		})
		// Two with one name: whom it means is not known.
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.AddIdentity(tickets.Identity{Network: "tchat", Account: "u3", Person: alice.ID, Name: "Camille"}); err != nil {
				return err
			}
			got, err := tx.FindPerson("tchat", "camille")
			if got != 0 {
				t.Errorf("found %d of two", got)
			}
			return err
		})
	})
}

func TestRolesFocusAndMailPeers(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		p := person(t, s, "alice")
		mustUpdate(t, s, func(tx *Tx) error {
			for _, role := range []tickets.Role{tickets.Trainee, tickets.Agent, tickets.Nobody, tickets.Coordinator} {
				if err := tx.SetRole("support", p.ID, role, p.ID, 5); err != nil {
					return err
				}
				if got, err := tx.Role("support", p.ID); got != role || err != nil {
					t.Errorf("role %q, %v; want %q", got, err, role)
				}
			}
			if got, err := tx.Role("ventes", p.ID); got != tickets.Nobody || err != nil {
				t.Errorf("at another desk: %q, %v", got, err)
			}
			for _, ticket := range []tickets.ID{0, 7, 8, 0} {
				if err := tx.SetFocus(p.ID, "irc", "#equipe", ticket); err != nil {
					return err
				}
				if got, err := tx.Focus(p.ID, "irc", "#equipe"); got != ticket || err != nil {
					t.Errorf("focus %d, %v; want %d", got, err, ticket)
				}
			}
			if a, m, err := tx.MailPeer("alice@example.org", "support"); a != 0 || m != 0 || err != nil {
				t.Errorf("unknown peer: %d, %d, %v", a, m, err)
			}
			for i := tickets.Time(1); i < 3; i++ {
				if err := tx.SetMailPeer("alice@example.org", "support", i, i*10); err != nil {
					return err
				}
				if a, m, err := tx.MailPeer("alice@example.org", "support"); a != i || m != i*10 || err != nil {
					t.Errorf("peer: %d, %d, %v", a, m, err)
				}
			}
			if err := tx.SetServices(map[string]string{"site-1": "Site"}, map[string][]tickets.ID{"site-1": {p.ID, p.ID}}); err != nil {
				return err
			}
			got, err := tx.ServiceAccess("site-1")
			if fmt.Sprint(got) != fmt.Sprint([]tickets.ID{p.ID}) {
				t.Errorf("access %v", got)
			}
			return err
		})
	})
}
