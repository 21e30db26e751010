package bot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/tickets"
)

// What a hostile reader tries against the cache, against arrivals that are
// stored and decided in one transaction, and against a database with moods.

// moody is a store that can spoil transactions.
type moody struct {
	bot.Store
	// mood is asked when everything of a transaction but its commit is done.
	mood func(ctx context.Context, did did) spoiled
	// before is called before a delivery is written; nil for nothing.
	before func(d outbox.Delivery)
}

// spoiled is what becomes of a transaction.
type spoiled struct {
	err error // it is rolled back, with this error
	// lost: it is committed, and nobody learns of it.
	lost bool
}

// did tells what a transaction has written.
type did map[string]bool

type spyTx struct {
	bot.Tx
	m   *moody
	did did
}

func (tx spyTx) StoreEvents(rows []bot.InboxRow) error {
	tx.did["events"] = true
	return tx.Tx.StoreEvents(rows)
}

func (tx spyTx) AddEntry(e *tickets.Entry, folded string) error {
	tx.did["entry"] = true
	return tx.Tx.AddEntry(e, folded)
}

func (tx spyTx) UpdateDelivery(d outbox.Delivery) error {
	tx.did[string(d.State)] = true
	if tx.m.before != nil {
		tx.m.before(d)
	}
	return tx.Tx.UpdateDelivery(d)
}

func (m *moody) Update(ctx context.Context, f func(bot.Tx) error) error {
	var s spoiled
	err := m.Store.Update(ctx, func(tx bot.Tx) error {
		spy := spyTx{tx, m, did{}}
		if err := f(spy); err != nil {
			return err
		}
		if m.mood != nil {
			s = m.mood(ctx, spy.did)
		}
		return s.err
	})
	if err == nil && s.lost {
		return fmt.Errorf("%w: cut during the commit", bot.ErrAway)
	}
	return err
}

func withStore(m *moody) setup {
	return func(w *world) { w.wrapStore = func(s bot.Store) bot.Store { m.Store = s; return m } }
}

// once is a mood that strikes the first transaction that does what is named.
func once(on *atomic.Bool, what string, s spoiled) func(context.Context, did) spoiled {
	return func(_ context.Context, d did) spoiled {
		if d[what] && on.CompareAndSwap(true, false) {
			return s
		}
		return spoiled{}
	}
}

// TestANoteDecidedTwiceKeepsItsNumber: "#1 text" in a room without threads
// whose first transaction fails is a note all the same.
func TestANoteDecidedTwiceKeepsItsNumber(t *testing.T) {
	for name, err := range map[string]error{"away": bot.ErrAway, "refused": errors.New("a defect")} {
		t.Run(name, func(t *testing.T) {
			var on atomic.Bool
			m := &moody{mood: once(&on, "entry", spoiled{err: err})}
			w := newWorld(t, twoRooms, withStore(m))
			card := w.ticketByMail("un numéro")
			w.findOn(w.poor, "salle", "the line", has("#1"))
			on.Store(true)
			w.postPoor("camille", "salle", "#1 la note")
			w.inThread(card, "la note")
			if on.Load() {
				t.Error("nothing was spoiled")
			}
		})
	}
}

// TestEveryTransactionMayBeSpoiled plays one small day again and again, and
// each time one transaction more in is spoiled: rolled back because the
// database is away, or done without anybody being told. Whatever it is,
// everything is there once in the end, without a restart.
func TestEveryTransactionMayBeSpoiled(t *testing.T) {
	for name, s := range map[string]spoiled{"away": {err: bot.ErrAway}, "lost": {lost: true}} {
		t.Run(name, func(t *testing.T) {
			for n, over := int64(1), false; !over && n < 100; n += 4 {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					var most atomic.Int64
					for i := range int64(4) {
						t.Run(fmt.Sprint(n+i), func(t *testing.T) {
							t.Parallel()
							most.Store(max(most.Load(), spoiledDay(t, n+i, s)))
						})
					}
					t.Cleanup(func() { over = most.Load() < n })
				})
			}
		})
	}
}

// spoiledDay gives how many transactions there were.
func spoiledDay(t *testing.T, spoil int64, s spoiled) int64 {
	var n atomic.Int64
	var on atomic.Bool
	m := &moody{mood: func(context.Context, did) spoiled {
		if on.Load() && n.Add(1) == spoil {
			return s
		}
		return spoiled{}
	}}
	w := newWorld(t, twoRooms, withStore(m))
	on.Store(true)
	question := fromAlice("Subject: une journée\nMessage-ID: <jour@customers.example>\n", "La question")
	for w.deliver(question)[0] != 250 {
	}
	card := w.card("une journée")
	w.findOn(w.poor, "salle", "the line", has("#1"))
	w.postPoor("camille", "salle", "#1 la note")
	note := w.inThread(card, "la note")
	answer := w.post("camille", "equipe", card.ID, "La réponse.")
	w.react("camille", answer.ID, "✉️")
	w.mail("the answer", func(m playground.Mail) bool { return contains(m.Text, "La réponse.") })
	w.mail("the acknowledgement", func(m playground.Mail) bool { return contains(m.Subject, "#1") && !contains(m.Text, "La réponse.") })
	w.await("📬 alone", func() bool { return w.marked("equipe", answer.ID, "📬") && !w.marked("equipe", answer.ID, "⏳") })
	w.await("the hold line is gone", func() bool { return w.count(w.rich, "equipe", fromBot("part dans")) == 0 })
	w.findOn(w.poor, "salle", "the answer", has("La réponse."))
	w.await("nothing is open", func() bool {
		open := []outbox.Delivery{{}}
		must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { open, err = tx.OpenDeliveries(); return err }))
		return len(open) == 0
	})
	mails := map[bool]int{}
	for _, m := range w.rich.Mails() {
		if !m.Written {
			mails[contains(m.Text, "La réponse.")]++
		}
	}
	if n := w.cards(); n != 1 || mails[true] != 1 || mails[false] != 1 {
		t.Errorf("%d tickets, %d answers, %d acknowledgements", n, mails[true], mails[false])
	}
	for what, n := range map[string]int{
		"the note":                       w.count(w.rich, "equipe", has(note.Text)),
		"the answer in the other room":   w.count(w.poor, "salle", func(m playground.Message) bool { return m.By == "permanence" && has("La réponse.")(m) }),
		"the question in the other room": w.count(w.poor, "salle", has("une journée")),
	} {
		if n != 1 {
			t.Errorf("%s stands there %d times\n%s", what, n, w.dump())
		}
	}
	return n.Load()
}

// TestANoteCutByTheEnd: the program is told to end while it notes what it has
// said where the network carries no key; after the start it is not said again.
func TestANoteCutByTheEnd(t *testing.T) {
	var on atomic.Bool
	reached := make(chan struct{})
	w := newWorld(t, twoRooms, withStore(&moody{mood: func(ctx context.Context, d did) spoiled {
		if d[string(outbox.Done)] && on.CompareAndSwap(true, false) {
			close(reached)
			<-ctx.Done()
		}
		return spoiled{}
	}}))
	card := w.ticketByMail("une fin")
	w.findOn(w.poor, "salle", "the line", has("#1"))
	w.settled()
	on.Store(true)
	w.post("camille", "equipe", card.ID, "dite une seule fois")
	w.findOn(w.poor, "salle", "said", has("dite une seule fois"))
	<-reached
	w.stop()
	w.start()
	w.post("camille", "equipe", card.ID, "et la suite")
	w.findOn(w.poor, "salle", "what follows", has("et la suite"))
	if n := w.count(w.poor, "salle", has("dite une seule fois")); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// settled waits until nothing is open and everything is decided.
func (w *world) settled() {
	w.t.Helper()
	w.await("all is settled", func() bool {
		n := 0
		must(w.t, w.store.View(w.t.Context(), func(tx bot.Tx) error {
			ds, err := tx.OpenDeliveries()
			if err != nil {
				return err
			}
			waiting, _, err := tx.CountWaiting()
			n = len(ds) + waiting
			return err
		}))
		return n == 0
	})
}

// stubborn refuses for now what is said in a room.
type stubborn struct {
	chat.Adapter
	room string
	on   *atomic.Bool
}

func (s stubborn) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if say, ok := op.(chat.Say); ok && s.on.Load() && say.Place.Room == s.room {
		return chat.Receipt{}, &chat.Error{Kind: chat.Temporary, Reason: chat.Text{FR: "pas maintenant", EN: "not now"}}
	}
	return s.Adapter.Do(ctx, op, try)
}

// TestAnAttemptDoesNotUndoAnErasure: an attempt at a card is counted while the
// password in it is being erased; the row does not get it back.
func TestAnAttemptDoesNotUndoAnErasure(t *testing.T) { both(t, anAttemptDoesNotUndoAnErasure) }

func anAttemptDoesNotUndoAnErasure(t *testing.T, on setup) {
	var refuses, armed atomic.Bool
	reached, goOn := make(chan struct{}), make(chan struct{})
	m := &moody{before: func(d outbox.Delivery) {
		if d.Attempts > 1 && d.State == outbox.Ready && strings.Contains(d.Body, "hunter2") && armed.CompareAndSwap(true, false) {
			close(reached)
			<-goOn
		}
	}}
	w := newWorld(t, on, withStore(m), func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "tchat" {
				return stubborn{a, "equipe", &refuses}
			}
			return a
		}
	})
	refuses.Store(true)
	armed.Store(true)
	q := w.post("alice", "entraide", "", "Mon mot de passe est hunter2")
	<-reached
	must(t, w.rich.Delete("alice", "entraide", q.ID))
	if strings.HasPrefix(w.db, "postgres") {
		soon(func() bool { return !w.keeps("hunter2") }) // beside the attempt, where that is possible
	}
	close(goOn)
	w.await("the deletion is decided", func() bool { return w.decided() && !w.keeps("hunter2") })
	refuses.Store(false)
	w.find("equipe", "the card", func(m playground.Message) bool { return m.Card })
	w.settled()
	if n := w.count(w.rich, "equipe", has("hunter2")); n != 0 {
		t.Error("the erased password was said")
	}
}

// keeps tells whether an open delivery holds s.
func (w *world) keeps(s string) (found bool) {
	must(w.t, w.store.View(w.t.Context(), func(tx bot.Tx) error {
		ds, err := tx.OpenDeliveries()
		for _, d := range ds {
			found = found || strings.Contains(d.Body, s)
		}
		return err
	}))
	return found
}

// decided tells whether every stored event is decided.
func (w *world) decided() bool {
	waiting := 1
	must(w.t, w.store.View(w.t.Context(), func(tx bot.Tx) (err error) { waiting, _, err = tx.CountWaiting(); return err }))
	return waiting == 0
}

// listening keeps the handlers of the adapters, so that the test can offer
// events of its own.
type listening struct {
	mu       sync.Mutex
	handlers map[string]chat.Handler
}

type overheard struct {
	chat.Adapter
	name string
	l    *listening
}

func (o overheard) Run(ctx context.Context, h chat.Handler) error {
	o.l.mu.Lock()
	o.l.handlers[o.name] = h
	o.l.mu.Unlock()
	return o.Adapter.Run(ctx, h)
}

func (l *listening) of(name string) chat.Handler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handlers[name]
}

func overhear(l *listening) setup {
	l.handlers = map[string]chat.Handler{}
	return func(w *world) {
		inner := w.wrap
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if inner != nil {
				a = inner(name, a)
			}
			return overheard{a, name, l}
		}
	}
}

func posted(room, id, who, text string) *chat.Posted {
	return &chat.Posted{Meta: chat.Meta{Room: room, ID: id, At: time.Now(),
		From: chat.Account{ID: who, Name: who, Handle: who, Proved: true}}, Text: text}
}

// busy keeps one thing that we say from ending.
type busyAdapter struct {
	chat.Adapter
	room string
	gate chan struct{}
}

func (b busyAdapter) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if say, ok := op.(chat.Say); ok && say.Place.Room == b.room {
		<-b.gate
	}
	return b.Adapter.Do(ctx, op, try)
}

// TestWhatRefersToTheUnknownWaitsNotForEver: while something is being said
// without an end, lines that refer to what nobody knows are decided all the
// same, in their order, and hold up nobody else for long.
func TestWhatRefersToTheUnknownWaitsNotForEver(t *testing.T) {
	var l listening
	gate := make(chan struct{})
	w := newWorld(t, twoRooms, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "tchat" {
				return busyAdapter{a, "equipe2", gate}
			}
			return a
		}
	}, overhear(&l))
	var open sync.Once
	release := func() { open.Do(func() { close(gate) }) }
	defer release()
	card := w.ticketByMail("sans fin") // its card in equipe2 is being said from now on
	w.findOn(w.poor, "salle", "the line", has("#1"))
	start := time.Now()
	const each = 30
	for i := range each {
		p := posted("equipe", fmt.Sprintf("u%d", i), "dominique", fmt.Sprintf("#1 <d%03d>", i))
		if i%3 == 0 {
			p.Thread = fmt.Sprintf("unknown%d", i)
		} else if i%3 == 1 {
			p.Thread, p.Text = card.ID, fmt.Sprintf("<d%03d>", i)
		}
		must(t, l.of("tchat").Handle(t.Context(), []chat.Event{p}, chat.Cursor{}))
	}
	must(t, l.of("irc").Handle(t.Context(), []chat.Event{posted("salle", "autre", "camille", "#1 d'un autre réseau")}, chat.Cursor{}))
	w.inThread(card, "d'un autre réseau")
	took := time.Since(start)
	for i, n := range numbered(w.saidBy(w.poor, "salle", "d", each), "d") {
		if n != i {
			t.Fatalf("line %d is number %d", i, n)
		}
	}
	if took > 3*time.Second {
		t.Errorf("another network waited for %v", took)
	}
	release()
	w.settled()
}

// TestKilledBetweenSayingAndNoting: on a network that carries no key, what was
// said and not noted is said once more at the most, and nothing behind it is
// lost or passes it.
func TestKilledBetweenSayingAndNoting(t *testing.T) { both(t, killedBetweenSayingAndNoting) }

func killedBetweenSayingAndNoting(t *testing.T, on setup) {
	var armed, dead atomic.Bool
	m := &moody{mood: func(_ context.Context, d did) spoiled {
		if d[string(outbox.Done)] && armed.CompareAndSwap(true, false) {
			dead.Store(true) // from here on nothing that the process does remains
		}
		if dead.Load() {
			return spoiled{err: bot.ErrAway}
		}
		return spoiled{}
	}}
	w := newWorld(t, on, twoRooms, withStore(m))
	card := w.ticketByMail("tué")
	w.findOn(w.poor, "salle", "the line", has("#1"))
	w.settled()
	armed.Store(true)
	for i := range 5 {
		w.post("dominique", "equipe", card.ID, fmt.Sprintf("<d%03d>", i))
	}
	w.await("death", dead.Load)
	w.stop()
	dead.Store(false)
	w.start()
	w.post("dominique", "equipe", card.ID, "<d005>")
	got := numbered(w.saidBy(w.poor, "salle", "d", 6), "d")
	w.await("the last", func() bool { got = numbered(w.saidBy(w.poor, "salle", "d", 6), "d"); return got[len(got)-1] == 5 })
	doubles := 0
	for i := 1; i < len(got); i++ {
		switch got[i] - got[i-1] {
		case 1:
		case 0:
			doubles++
		default:
			// One that was said when the process died is said again behind those
			// that followed it.
			if got[i] > got[i-1] {
				t.Errorf("lost: %v", got)
			}
			doubles += got[i-1] - got[i] + 1
		}
	}
	t.Logf("said: %v", got)
	if got[0] != 0 {
		t.Errorf("lost: %v", got)
	}
}
