package bot

import (
	"fmt"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/tickets"
)

// An asker who has left is not told: the team sees it, the answer waits, and
// is said once when the same account returns. Somebody who comes back without
// an account is somebody else, and gets nothing.

// park keeps a delivery until the person whom it is for is back.
func (t *Turn) park(d outbox.Delivery) error {
	d.State = outbox.Parked
	if err := t.Tx.UpdateDelivery(d); err != nil {
		return err
	}
	t.due = true
	if err := t.Tx.SetTimer(Timer{Name: parkedTimer(d.ID), Kind: timerParked, Due: d.GiveUpAt, Body: fmt.Sprint(d.ID)}); err != nil {
		return err
	}
	person, err := t.awaited(d)
	if err != nil {
		return err
	}
	t.After(func() { t.b.absent[person]++ })
	return t.delayed(d)
}

func parkedTimer(id tickets.ID) string { return fmt.Sprintf("parked %d", id) }

// awaited is whom a parked delivery waits for.
func (t *Turn) awaited(d outbox.Delivery) (tickets.ID, error) {
	l, err := t.Tx.Link(d.Link)
	if err != nil || l.Person != 0 || d.Ticket == 0 {
		return l.Person, err
	}
	tk, err := t.Tx.Ticket(d.Ticket)
	return tk.LastAsker, err
}

// unpark lets go what waited for somebody.
func (t *Turn) unpark(adapter string, a chat.Account) error {
	if len(t.b.absent) == 0 {
		return nil // nobody is waited for: the rooms may come and go
	}
	person, err := t.Tx.PersonByIdentity(network(adapter, a), a.ID)
	if err != nil || person == 0 || t.b.absent[person] == 0 {
		return err
	}
	ds, err := t.Tx.OpenDeliveries()
	if err != nil {
		return err
	}
	for _, d := range ds {
		if d.State != outbox.Parked || d.Adapter != adapter {
			continue
		}
		who, err := t.awaited(d)
		if err != nil {
			return err
		}
		if who != person {
			continue
		}
		d.State = outbox.Ready
		d.Attempts++
		if err := t.Tx.UpdateDelivery(d); err != nil {
			return err
		}
		if err := t.Tx.DropTimer(parkedTimer(d.ID)); err != nil {
			return err
		}
		t.out = append(t.out, d)
	}
	t.After(func() { delete(t.b.absent, person) })
	return nil
}

// neverBack gives up what waited for somebody who did not return.
func (t *Turn) neverBack(tm Timer) error {
	var id tickets.ID
	if _, err := fmt.Sscan(tm.Body, &id); err != nil {
		return err
	}
	d, err := t.Tx.Delivery(id)
	if err != nil || d.State != outbox.Parked {
		return err
	}
	return t.failed(d, chat.Absent)
}
