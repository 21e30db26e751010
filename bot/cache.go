package bot

import (
	"maps"
	"slices"
	"unicode/utf8"

	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// cache is the decider's memory of the rows that it reads again and again:
// who somebody is, their ticket, where it stands. It is right because the
// decider alone writes them, and only in one process (the leader). It changes
// only after a commit; where a transaction fails, everything that it touched
// is forgotten and read again.
type cache struct {
	people       shelf[[2]string, tickets.ID] // by network and account
	identities   shelf[tickets.ID, []tickets.Identity]
	tickets      shelf[tickets.ID, tickets.Ticket]
	participants shelf[[2]tickets.ID, participation] // by ticket and person
	links        shelf[tickets.ID, tickets.Link]
	linksOf      shelf[tickets.ID, []tickets.Link] // by ticket
	deliveries   shelf[tickets.ID, outbox.Delivery]
	incidents    shelf[bool, []statuspage.Incident] // the open ones
}

// participation is what Participant answers.
type participation struct {
	tickets.Participant
	ok bool
}

// shelf keeps rows of one kind. The zero value is empty.
type shelf[K comparable, V any] struct {
	kept map[K]V // on disk
	now  map[K]V // read or written by the transaction under way
	lost map[K]bool
	all  bool // everything in kept is lost
}

// shelfLimit is how many rows a shelf keeps; above it, it is emptied.
const shelfLimit = 2000

// get gives the row as the transaction sees it, read by read where it is not
// here.
func (s *shelf[K, V]) get(k K, read func() (V, error)) (V, error) {
	if v, ok := s.now[k]; ok {
		return v, nil
	}
	if v, ok := s.kept[k]; ok && !s.lost[k] && !s.all {
		return v, nil
	}
	v, err := read()
	if err == nil {
		s.put(k, v)
	}
	return v, err
}

// put takes what the transaction has read or written.
func (s *shelf[K, V]) put(k K, v V) {
	if s.now == nil {
		s.now = map[K]V{}
	}
	s.now[k] = v
}

// lose has the row read again.
func (s *shelf[K, V]) lose(k K) {
	delete(s.now, k)
	if s.lost == nil {
		s.lost = map[K]bool{}
	}
	s.lost[k] = true
}

// loseAll has every row read again.
func (s *shelf[K, V]) loseAll() {
	clear(s.now)
	s.all = true
}

// end ends the transaction: what it knew is right for all, or for nobody.
func (s *shelf[K, V]) end(committed bool) {
	if s.kept == nil || s.all || len(s.kept) > shelfLimit {
		s.kept, s.all = map[K]V{}, false
	}
	for k := range s.lost {
		delete(s.kept, k)
	}
	if committed {
		maps.Copy(s.kept, s.now)
	} else {
		for k := range s.now {
			delete(s.kept, k)
		}
	}
	clear(s.now)
	clear(s.lost)
}

func (c *cache) end(committed bool) {
	c.people.end(committed)
	c.identities.end(committed)
	c.tickets.end(committed)
	c.participants.end(committed)
	c.links.end(committed)
	c.linksOf.end(committed)
	c.deliveries.end(committed)
	c.incidents.end(committed)
}

// cachedTx is a transaction of the decider that reads through the cache.
type cachedTx struct {
	Tx
	c *cache
}

func (tx cachedTx) PersonByIdentity(network, account string) (tickets.ID, error) {
	k := [2]string{network, account}
	id, err := tx.c.people.get(k, func() (tickets.ID, error) { return tx.Tx.PersonByIdentity(network, account) })
	if id == 0 {
		tx.c.people.lose(k) // most who talk in a channel are strangers for ever
	}
	return id, err
}

func (tx cachedTx) AddPerson(p *tickets.Person, id tickets.Identity) error {
	tx.c.people.lose([2]string{id.Network, id.Account})
	return tx.Tx.AddPerson(p, id)
}

func (tx cachedTx) AddIdentity(id tickets.Identity) error {
	// An identity that is known stays its person's, whoever id names.
	k := [2]string{id.Network, id.Account}
	if person, err := tx.PersonByIdentity(id.Network, id.Account); err != nil {
		return err
	} else if person != 0 {
		tx.c.identities.lose(person)
	}
	tx.c.identities.lose(id.Person)
	tx.c.people.lose(k)
	return tx.Tx.AddIdentity(id)
}

func (tx cachedTx) Identities(person tickets.ID) ([]tickets.Identity, error) {
	ids, err := tx.c.identities.get(person, func() ([]tickets.Identity, error) { return tx.Tx.Identities(person) })
	return slices.Clone(ids), err
}

func (tx cachedTx) Ticket(id tickets.ID) (tickets.Ticket, error) {
	return tx.c.tickets.get(id, func() (tickets.Ticket, error) { return tx.Tx.Ticket(id) })
}

func (tx cachedTx) UpdateTicket(t *tickets.Ticket) error {
	tx.c.tickets.lose(t.ID)
	if err := tx.Tx.UpdateTicket(t); err != nil {
		return err
	}
	if utf8.ValidString(t.Subject + t.Service + t.Hints + t.LastEvent) { // else the row differs
		tx.c.tickets.put(t.ID, *t)
	}
	return nil
}

func (tx cachedTx) Participant(ticket, person tickets.ID) (tickets.Participant, bool, error) {
	p, err := tx.c.participants.get([2]tickets.ID{ticket, person}, func() (participation, error) {
		p, ok, err := tx.Tx.Participant(ticket, person)
		return participation{p, ok}, err
	})
	return p.Participant, p.ok, err
}

func (tx cachedTx) PutParticipant(p tickets.Participant) error {
	tx.c.participants.lose([2]tickets.ID{p.Ticket, p.Person})
	return tx.Tx.PutParticipant(p)
}

func (tx cachedTx) Link(id tickets.ID) (tickets.Link, error) {
	return tx.c.links.get(id, func() (tickets.Link, error) { return tx.Tx.Link(id) })
}

func (tx cachedTx) TicketLinks(ticket tickets.ID) ([]tickets.Link, error) {
	ls, err := tx.c.linksOf.get(ticket, func() ([]tickets.Link, error) { return tx.Tx.TicketLinks(ticket) })
	if err == nil {
		for _, l := range ls {
			tx.c.links.put(l.ID, l)
		}
	}
	return slices.Clone(ls), err
}

func (tx cachedTx) AddLink(l *tickets.Link) error {
	tx.c.linksOf.lose(l.Ticket)
	return tx.Tx.AddLink(l)
}

func (tx cachedTx) UpdateLink(l tickets.Link) error {
	// The link may have belonged to another ticket.
	old, err := tx.Link(l.ID)
	if err != nil {
		return err
	}
	tx.c.links.lose(l.ID)
	tx.c.linksOf.lose(old.Ticket)
	tx.c.linksOf.lose(l.Ticket)
	return tx.Tx.UpdateLink(l)
}

// Delivery gives an open delivery as the decider last wrote it: the count of
// attempts may have grown since, which the result of each attempt tells.
func (tx cachedTx) Delivery(id tickets.ID) (outbox.Delivery, error) {
	return tx.c.deliveries.get(id, func() (outbox.Delivery, error) { return tx.Tx.Delivery(id) })
}

func (tx cachedTx) AddDelivery(d *outbox.Delivery) error {
	if err := tx.Tx.AddDelivery(d); err != nil {
		return err
	}
	tx.wrote(*d)
	return nil
}

func (tx cachedTx) UpdateDelivery(d outbox.Delivery) error {
	tx.c.deliveries.lose(d.ID)
	if err := tx.Tx.UpdateDelivery(d); err != nil {
		return err
	}
	tx.wrote(d)
	return nil
}

func (tx cachedTx) PutState(d *outbox.Delivery) error {
	if err := tx.Tx.PutState(d); err != nil {
		return err
	}
	tx.c.deliveries.lose(d.ID)
	return nil
}

// wrote keeps what is open; what is retired is rarely asked for again.
func (tx cachedTx) wrote(d outbox.Delivery) {
	if d.State.Open() && utf8.ValidString(d.Body+d.Reason+d.Parts) {
		tx.c.deliveries.put(d.ID, d)
	}
}

// EraseEntry blanks deliveries beside the entry.
func (tx cachedTx) EraseEntry(id tickets.ID) error {
	tx.c.deliveries.loseAll()
	return tx.Tx.EraseEntry(id)
}

// OpenIncidents is asked for by every card.
func (tx cachedTx) OpenIncidents() ([]statuspage.Incident, error) {
	open, err := tx.c.incidents.get(true, tx.Tx.OpenIncidents)
	return slices.Clone(open), err
}

func (tx cachedTx) AddIncident(i *statuspage.Incident) error {
	tx.c.incidents.lose(true)
	return tx.Tx.AddIncident(i)
}

func (tx cachedTx) UpdateIncident(i *statuspage.Incident) error {
	tx.c.incidents.lose(true)
	return tx.Tx.UpdateIncident(i)
}
