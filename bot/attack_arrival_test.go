package bot_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
)

// What a hostile reader tries against events that arrive: offered twice, by two
// adapters at once, by one that goes away, and a mail that cannot be decided.

// TestTwoAdaptersOfferTwice: two adapters bring their lines at once, each line
// twice at the same moment, one of them panics; each is decided once, in its
// order, and every Respond is called once.
func TestTwoAdaptersOfferTwice(t *testing.T) { both(t, twoAdaptersOfferTwice) }

func twoAdaptersOfferTwice(t *testing.T, on setup) {
	var l listening
	var panics atomic.Bool
	w := newWorld(t, on, twoRooms, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "tchat" {
				return panicky{a, "etat", &panics}
			}
			return a
		}
	}, overhear(&l))
	card := w.ticketByMail("deux fois")
	w.findOn(w.poor, "salle", "the line", has("#1"))
	const each = 40
	var group sync.WaitGroup
	var responded atomic.Int64
	offer := func(adapter string, ev func() chat.Event) {
		var twice sync.WaitGroup
		for range 2 {
			twice.Go(func() { must(t, l.of(adapter).Handle(t.Context(), []chat.Event{ev()}, chat.Cursor{})) })
		}
		twice.Wait()
	}
	group.Go(func() {
		for i := range each {
			offer("tchat", func() chat.Event {
				p := posted("equipe", fmt.Sprintf("t%d", i), "dominique", fmt.Sprintf("<d%03d>", i))
				p.Thread = card.ID
				return p
			})
		}
	})
	group.Go(func() {
		for i := range each {
			offer("irc", func() chat.Event {
				return posted("salle", fmt.Sprintf("i%d", i), "camille", fmt.Sprintf("#1 <c%03d>", i))
			})
		}
	})
	const asked = 10
	group.Go(func() {
		for i := range asked {
			offer("tchat", func() chat.Event {
				return &chat.Slash{Meta: posted("equipe", fmt.Sprintf("s%d", i), "camille", "").Meta, Text: "/voir #1",
					Respond: func(chat.Answer) { responded.Add(1) }}
			})
		}
	})
	group.Wait()
	for where, said := range map[string][]string{"c": w.saidBy(w.rich, "equipe", "c", each), "d": w.saidBy(w.poor, "salle", "d", each)} {
		for i, n := range numbered(said, where) {
			if n != i {
				t.Fatalf("line %d of %s is number %d", i, where, n)
			}
		}
		if n := len(numbered(said, where)); n != each {
			t.Errorf("%d lines of %s, want %d", n, where, each)
		}
	}
	w.await("every answer", func() bool { return responded.Load() >= 2*asked })
	if n := responded.Load(); n != 2*asked {
		t.Errorf("%d answers, want %d", n, 2*asked)
	}
}

// saidBy waits for n numbered lines in a room, and gives all that we said there.
func (w *world) saidBy(n *playground.Network, room, mark string, count int) (texts []string) {
	w.t.Helper()
	w.await(fmt.Sprintf("%d lines of %s in #%s", count, mark, room), func() bool {
		texts = nil
		for _, m := range n.Messages(room) {
			if !m.Deleted && m.By == "permanence" {
				texts = append(texts, m.Text)
			}
		}
		return len(numbered(texts, mark)) >= count
	})
	return texts
}

// TestAnArrivalWhoseAdapterGoesAway: the adapter stops waiting while the
// decider stores and decides; offered again later it is no second ticket.
func TestAnArrivalWhoseAdapterGoesAway(t *testing.T) { both(t, anArrivalWhoseAdapterGoesAway) }

func anArrivalWhoseAdapterGoesAway(t *testing.T, on setup) {
	var l listening
	var armed atomic.Bool
	reached, goOn := make(chan struct{}), make(chan struct{})
	m := &moody{mood: func(_ context.Context, d did) spoiled {
		if d["events"] && d["entry"] && armed.CompareAndSwap(true, false) { // stored and decided at once
			close(reached)
			<-goOn
		}
		return spoiled{}
	}}
	w := newWorld(t, on, withStore(m), overhear(&l))
	w.ticketByMail("avant")
	w.settled()
	armed.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	ev := func() []chat.Event {
		return []chat.Event{posted("entraide", "parti", "basile", "je pars et je reviens")}
	}
	done := make(chan error, 1)
	go func() { done <- l.of("tchat").Handle(ctx, ev(), chat.Cursor{}) }()
	select {
	case <-reached:
		cancel()
		if err := <-done; err == nil {
			t.Error("stored, although nobody knew")
		}
		close(goOn)
	case err := <-done: // the decider had something else to do: it was stored first
		must(t, err)
		armed.Store(false)
		cancel()
	}
	must(t, l.of("tchat").Handle(t.Context(), ev(), chat.Cursor{}))
	w.card("je pars et je reviens")
	w.settled()
	if n := w.cards(); n != 2 {
		t.Errorf("%d tickets, want 2", n)
	}
}

// TestARawMailThatIsSetAsideKeepsItsOriginal: stored and decided at once, a
// mail that cannot be decided is kept whole.
func TestARawMailThatIsSetAsideKeepsItsOriginal(t *testing.T) {
	both(t, aRawMailThatIsSetAsideKeepsItsOriginal)
}

func aRawMailThatIsSetAsideKeepsItsOriginal(t *testing.T, on setup) {
	var panics atomic.Bool
	w := newWorld(t, on, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "tchat" {
				return panicky{a, "equipe", &panics}
			}
			return a
		}
	})
	w.settled()
	panics.Store(true)
	if code := w.deliver(fromAlice("Subject: entier\nMessage-ID: <entier@customers.example>\n", "Tout le texte"))[0]; code != 250 {
		t.Fatalf("answered %d", code)
	}
	var aside []bot.InboxRow
	w.await("set aside", func() bool {
		must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { aside, err = tx.AsideEvents(9); return err }))
		return len(aside) == 1
	})
	panics.Store(false)
	if aside[0].Raw == "" || !strings.Contains(aside[0].Body, "entier") {
		t.Errorf("kept: %+v", aside[0])
	}
	if _, err := w.store.OpenBlob(t.Context(), aside[0].Raw); err != nil {
		t.Error(err)
	}
	must(t, w.bot.RetryAside(t.Context(), aside[0].ID))
	w.card("entier")
}
