package playground

import (
	"context"
	"errors"
	"time"

	"permanence/bot/chat"
)

// faults are what tests order the network to do wrong. They strike programs
// alone: people go on talking.
type faults struct {
	refused   map[string]*chat.Error // by room
	slow      time.Duration          // retry after; 0: not slow
	down      bool
	drop      int // receipts to lose
	echoFirst int // posts whose echo overtakes the receipt
	duplicate int // records to give twice
	reorder   int // pairs of records to swap
}

var unreachable = chat.Text{
	FR: "le bac à sable est injoignable",
	EN: "the playground cannot be reached",
}

// Refuse makes every action of programs in room fail with err, until it is
// called with nil.
func (n *Network) Refuse(room string, err *chat.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		delete(n.faults.refused, room)
		return
	}
	n.faults.refused[room] = err
}

// Slow makes every action of programs fail as coming too fast, to be tried
// again after the given time; zero ends it.
func (n *Network) Slow(after time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults.slow = after
}

// Cut cuts the connections of programs; they may come back at once.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dropStreams(errCut, true)
}

// Down cuts the connections of programs and refuses new ones until Up.
func (n *Network) Down() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults.down = true
	n.dropStreams(errCut, true)
}

// Up ends Down.
func (n *Network) Up() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults.down = false
}

// Restart cuts every connection, throws the state away and reads it from the
// journal again, as a killed process does. In memory alone the state stays.
func (n *Network) Restart() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dropStreams(errCut, false)
	if n.path == "" {
		return nil
	}
	if err := n.journal.close(); err != nil {
		return err
	}
	return n.load()
}

// DropReceipts lets the next count posts of programs be accepted without the
// program learning of it: it gets a temporary error.
func (n *Network) DropReceipts(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults.drop = count
}

// EchoFirst makes the next count posts of programs return only after the
// program's stream has dealt with them.
func (n *Network) EchoFirst(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults.echoFirst = count
}

// Duplicate gives the next count records of people (posted, edited, deleted,
// reactions) twice.
func (n *Network) Duplicate(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults.duplicate = count
}

// Reorder swaps the next two records of people, count times. The first of two
// is withheld until the second is there.
func (n *Network) Reorder(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults.reorder = count
}

// RoomGone takes a room away; RoomBack gives it back as it was.
func (n *Network) RoomGone(room string) error {
	return n.administer(Record{Kind: kindGone, Room: room})
}

// RoomBack gives a room back that RoomGone took.
func (n *Network) RoomBack(room string) error {
	return n.administer(Record{Kind: kindBack, Room: room})
}

// Revoke takes the right to speak in room from account; Restore gives it back.
func (n *Network) Revoke(account, room string) error {
	return n.administer(Record{Kind: kindRevoked, Room: room, Target: account})
}

// Restore gives back what Revoke took.
func (n *Network) Restore(account, room string) error {
	return n.administer(Record{Kind: kindRestored, Room: room, Target: account})
}

func (n *Network) administer(rec Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rooms[rec.Room] == nil {
		return noRoom(rec.Room)
	}
	_, err := n.commit(rec)
	return err
}

// strike tells how an action of account in room fails, before it is looked at.
// The mutex is held.
func (n *Network) strike(account *Account, room string) error {
	if !account.Bot {
		return nil
	}
	f := &n.faults
	if f.down {
		return &chat.Error{Kind: chat.Temporary, Err: errors.New("connection refused"), Reason: unreachable}
	}
	if f.slow > 0 {
		return &chat.Error{Kind: chat.RateLimited, RetryAfter: f.slow, Reason: chat.Text{
			FR: "le bac à sable demande de ralentir", EN: "the playground asks to slow down",
		}}
	}
	if err := f.refused[room]; err != nil {
		return err
	}
	return nil
}

// receipt decides what a program learns of its accepted post.
func (n *Network) receipt(ctx context.Context, account *Account, seq int64) error {
	if !account.Bot {
		return nil
	}
	n.mu.Lock()
	drop, echo := n.faults.drop > 0, n.faults.echoFirst > 0
	if drop {
		n.faults.drop--
	}
	if echo {
		n.faults.echoFirst--
	}
	n.mu.Unlock()
	for echo {
		n.mu.Lock()
		heard := false
		for s := range n.streams {
			heard = heard || s.account == account.ID && s.acked >= seq
		}
		changed := n.changed
		n.mu.Unlock()
		if heard {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
	if drop {
		return &chat.Error{Kind: chat.Temporary, Err: errCut, Reason: unreachable}
	}
	return nil
}
