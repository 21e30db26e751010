package bot

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/internal/failpoint"
	"permanence/tickets"
)

// batchLimit is how many events are decided and committed together.
const batchLimit = 64

// Turn is one decision in the making: a transaction, the moment, and what is
// to happen after the commit. It belongs to the decider's goroutine.
type Turn struct {
	b   *Bot
	ctx context.Context
	Tx  Tx
	Now tickets.Time

	out     []outbox.Delivery
	cancels []cancel
	renewed []outbox.Delivery // waiting ones with a new content
	early   map[string]bool   // edits before their message, set in this turn
	noted   []outbox.Result
	after   []func()
	due     bool                  // something due was set, or its time changed
	cards   map[tickets.ID]string // tickets whose card is to be redrawn, and the line for places without cards
}

type cancel struct{ link, delivery tickets.ID }

// Bot gives the engine that the turn belongs to.
func (t *Turn) Bot() *Bot { return t.b }

// After has f run once when the decision is on disk.
func (t *Turn) After(f func()) { t.after = append(t.after, f) }

// recover reads what is open: deliveries to the outbox, waiting events to the
// queue.
func (b *Bot) recover(ctx context.Context) error {
	if err := b.guarded(ctx, (*Turn).readOpen); err != nil {
		return fmt.Errorf("read what is open: %w", err)
	}
	b.queue.look()
	return nil
}

// readOpen takes from the database what is kept in memory beside it, and hands
// the outbox what is ready, each counted as one more attempt, because nobody
// knows whether the last one arrived; it ignores what it has already.
func (t *Turn) readOpen() error {
	ds, err := t.Tx.OpenDeliveries()
	if err != nil {
		return err
	}
	absent := map[tickets.ID]int{}
	for _, d := range ds {
		switch d.State {
		case outbox.Parked:
			person, err := t.awaited(d)
			if err != nil {
				return err
			}
			absent[person]++
		case outbox.Ready:
			d.Attempts++
			if err := t.Tx.UpdateDelivery(d); err != nil {
				return err
			}
			t.out = append(t.out, d)
		}
	}
	timers, err := t.Tx.Timers()
	if err != nil {
		return err
	}
	early := map[string]bool{}
	for _, tm := range timers {
		if tm.Kind == timerEarly || tm.Kind == timerWanted {
			early[tm.Name] = true
		}
	}
	t.due = true
	t.After(func() { t.b.absent, t.b.early = absent, early })
	return nil
}

// makeSure reads what is open again after a database that was away: the last
// commit may have been done although it did not say so, and what it made ready
// has not been handed over.
func (b *Bot) makeSure(ctx context.Context) {
	if !b.unsure {
		return
	}
	b.alone(ctx, (*Turn).readOpen, func(err error) { b.log.Error("decider: read what is open", "err", err) })
	b.unsure = ctx.Err() != nil
}

// decider takes what waits until ctx ends: results of deliveries, then events
// in order of arrival, then what is due.
func (b *Bot) decider(ctx context.Context) error {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		b.queue.rest(true)
		select {
		case <-b.queue.wake:
		case <-due.C:
		case <-ctx.Done():
			b.queue.rest(false)
			b.drain(ctx)
			return nil
		}
		b.queue.rest(false)
		for b.step(ctx) && ctx.Err() == nil {
			if b.dueAt <= b.now() { // what is due must not wait for the end of a flood
				if _, err := b.tick(ctx); err != nil {
					break
				}
			}
		}
		next, err := b.tick(ctx)
		if err != nil {
			b.log.Error("decider: what is due", "err", err)
			next = awayPause
		}
		b.makeSure(ctx)
		if b.queue.waits() {
			next = min(next, putOffFor/10)
		}
		due.Reset(next)
	}
}

// drain notes what deliveries reported while stopping.
func (b *Bot) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for ctx.Err() == nil && b.step(ctx) {
	}
}

// step decides one batch; false when nothing waited.
func (b *Bot) step(ctx context.Context) bool {
	busy := b.box.Busy() // asked first: what is reported later is not taken
	w := b.queue.take(batchLimit)
	if w.load {
		if err := b.reload(ctx, w.after); err != nil {
			b.log.Error("decider: read waiting events", "err", err)
			b.putBack(w)
			b.pause(ctx)
			return ctx.Err() == nil
		}
		b.queue.mu.Lock()
		w.events = b.queue.first(batchLimit)
		b.queue.mu.Unlock()
	}
	w = b.putOff(ctx, w, busy)
	if w.empty() {
		return false
	}
	b.together(ctx, w)
	for _, r := range w.requests {
		r.done <- b.guarded(ctx, func(t *Turn) error { return r.f(t) })
	}
	b.makeSure(ctx)
	return true
}

// putBack returns what was taken and could not be worked on.
func (b *Bot) putBack(w work) {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	b.queue.results = append(w.results, b.queue.results...)
	b.queue.requests = append(w.requests, b.queue.requests...)
	if w.whole != nil {
		b.queue.whole = w.whole
	}
}

// reload reads waiting events that are not in memory.
func (b *Bot) reload(ctx context.Context, after tickets.ID) error {
	const page = 512
	b.queue.store.Lock()
	defer b.queue.store.Unlock()
	var rows []InboxRow
	err := b.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.WaitingEvents(after, page)
		return err
	})
	if err != nil {
		return err
	}
	b.queue.refill(rows, len(rows) < page)
	return nil
}

// together decides results and events in one transaction; when that fails,
// each on its own, so that only the guilty one is set aside. An arrival that
// was not stored yet is given back, to be stored first.
func (b *Bot) together(ctx context.Context, w work) {
	err := b.guarded(ctx, func(t *Turn) error {
		for _, r := range w.results {
			if err := t.settle(r); err != nil {
				return err
			}
		}
		if w.whole != nil {
			if err := w.whole.store(t.Tx, true); err != nil {
				return err
			}
		}
		return t.decideAll(append(w.events, w.whole.stored()...))
	})
	if w.whole != nil {
		if err == nil {
			w.whole.again()
		}
		w.whole.done <- err
	}
	if err == nil {
		return
	}
	if len(w.events)+len(w.results) > 1 {
		b.log.Warn("decider: a batch failed, its events are decided one by one", "events", len(w.events), "err", err)
	}
	var left []outbox.Result
	for _, r := range w.results {
		if !b.alone(ctx, func(t *Turn) error { return t.settle(r) }, func(err error) {
			b.log.Error("decider: note a delivery", "delivery", r.Delivery.ID, "err", err)
			b.box.Noted(r)
		}) {
			left = append(left, r)
		}
	}
	// What the end of the program cut short is noted by drain: without its note
	// it would be said again after the start.
	b.putBack(work{results: left})
	for _, ev := range w.events {
		b.alone(ctx, func(t *Turn) error { return t.decideAll([]waiting{ev}) }, func(err error) {
			b.setAside(ctx, ev, err)
		})
	}
}

// stored are the events of an arrival that are new; none of a nil one.
func (a *arrival) stored() (evs []waiting) {
	if a == nil {
		return nil
	}
	for i, row := range a.rows {
		if row.ID != 0 {
			if row.Raw == "" {
				row.State = eventDecided
			}
			evs = append(evs, waiting{row, a.events[i]})
		}
	}
	return evs
}

// alone runs f in a transaction of its own, waiting for a database that is
// away; fail takes any other error. It is false when ctx ended before.
func (b *Bot) alone(ctx context.Context, f func(*Turn) error, fail func(error)) bool {
	for {
		err := b.guarded(ctx, f)
		switch {
		case err == nil:
			return true
		case errors.Is(err, ErrAway), errors.Is(err, ErrFull), ctx.Err() != nil:
			b.log.Error("decider: waiting for the database", "err", err)
			if !b.pause(ctx) {
				return false
			}
		default:
			fail(err)
			return true
		}
	}
}

func (b *Bot) pause(ctx context.Context) bool {
	t := time.NewTimer(awayPause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// setAside keeps an event that cannot be decided in the visible list.
func (b *Bot) setAside(ctx context.Context, w waiting, why error) {
	if errors.Is(why, errDecided) {
		b.log.Warn("decider: an event was committed although the database did not say so", "id", w.row.ID)
		return // makeSure hands over what it made ready
	}
	b.log.Error("decider: event set aside", "id", w.row.ID, "adapter", w.row.Adapter, "kind", w.row.Kind, "err", why)
	b.alone(ctx, func(t *Turn) error {
		if err := t.Tx.SetAside(w.row.ID, why.Error()); err != nil {
			return err
		}
		return t.tellAside(w.row)
	}, func(err error) { b.log.Error("decider: set aside", "id", w.row.ID, "err", err) })
	if w.event != nil {
		if answer := responder(w.event); answer != nil {
			answer(chat.Answer{Text: b.t(b.lang(nil), "error.internal")})
		}
	}
}

// panicError is an event's panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// guarded runs f in a transaction; a panic rolls it back. After the commit the
// deliveries go to the outbox.
func (b *Bot) guarded(ctx context.Context, f func(*Turn) error) (err error) {
	var t *Turn
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
			b.log.Error("decider: panic", "panic", p, "stack", string(err.(*panicError).stack))
		}
	}()
	committed := false
	defer func() {
		if !committed { // or a panic
			b.cache.end(false)
		}
	}()
	err = b.store.Update(ctx, func(tx Tx) error {
		t = &Turn{b: b, ctx: ctx, Tx: cachedTx{tx, &b.cache}, Now: b.now(), cards: map[tickets.ID]string{}, early: map[string]bool{}}
		if err := f(t); err != nil {
			return err
		}
		if err := t.drawCards(); err != nil {
			return err
		}
		failpoint.Hit("decider.before-commit")
		return nil
	})
	b.away.Store(errors.Is(err, ErrAway) || errors.Is(err, ErrFull))
	if err != nil {
		b.unsure = b.unsure || errors.Is(err, ErrAway)
		return err
	}
	failpoint.Hit("decider.committed")
	committed = true
	b.cache.end(true)
	for _, c := range t.cancels {
		b.box.Cancel(c.link, c.delivery)
	}
	b.box.Noted(t.noted...)
	if t.due {
		b.dueAt = 0
	}
	b.box.Replace(t.renewed...)
	for i, d := range t.out {
		if link, ok := b.cache.links.kept[d.Link]; ok {
			t.out[i].At = &link
		}
	}
	b.box.Add(t.out...)
	for _, f := range t.after {
		f()
	}
	return nil
}

// decideAll decides events and retires them.
func (t *Turn) decideAll(evs []waiting) error {
	var done, blank []tickets.ID
	for _, w := range evs {
		failpoint.Hit("decider.deciding")
		ev := w.event
		if ev == nil {
			var err error
			ev, err = chat.DecodeEvent(w.row.Kind, []byte(w.row.Body))
			if err != nil {
				return err
			}
		}
		concerns, aside, err := t.decide(w.row, ev)
		if err != nil {
			return err
		}
		if aside != "" {
			if w.row.State == eventDecided {
				return fmt.Errorf("%w: %s", errApart, aside)
			}
			if err := t.Tx.SetAside(w.row.ID, aside); err != nil {
				return err
			}
			if err := t.tellAside(w.row); err != nil {
				return err
			}
			continue
		}
		if w.row.State == eventDecided {
			continue
		}
		done = append(done, w.row.ID)
		if !concerns {
			blank = append(blank, w.row.ID)
		}
	}
	if len(done) == 0 {
		return nil
	}
	err := t.Tx.MarkDecided(done, blank)
	if isNotFound(err) {
		return fmt.Errorf("%w: %w", errDecided, err)
	}
	return err
}

// errApart: an event that is to be set aside has to be stored whole first.
var errApart = errors.New("the event is to be set aside")

// errSoon: the event refers to what is being said at this moment.
var errSoon = errors.New("what the event refers to is not known yet")

// errDecided: the events were decided by a commit whose answer was lost.
var errDecided = errors.New("the events are decided already")

// decide tells whether the event concerns a ticket or an incident: the body of
// one that does not is blanked. aside is a reason to keep it in the list of
// those that wait for a person.
func (t *Turn) decide(row InboxRow, ev chat.Event) (concerns bool, aside string, err error) {
	// The adapter has said "received" by now: the answer comes as a message.
	late := t.Now.Sub(row.Received) > respondWithin
	switch e := ev.(type) {
	case *chat.Posted:
		p := *e // what is cut from its text must be there when it is decided again
		return t.posted(row, &p)
	case *chat.Edited:
		concerns, err = t.edited(row.Adapter, e)
	case *chat.Deleted:
		concerns, err = t.deleted(row.Adapter, e)
	case *chat.Reacted:
		if t.forgotten(e.Head()) {
			t.b.log.Warn("a gesture from before the database was put back is not obeyed", "room", e.Room, "by", e.From.ID, "emoji", e.Emoji)
			return false, "", nil
		}
		concerns, err = t.reacted(row.Adapter, e)
	case *chat.Unreacted:
		concerns, err = t.unreacted(row.Adapter, e)
	case *chat.Slash:
		if late {
			e.Respond = nil
		}
		concerns, err = t.slash(row.Adapter, e)
	case *chat.Pressed:
		if late {
			e.Respond = nil
		}
		concerns, err = t.pressed(row.Adapter, e)
	case *chat.Submitted:
		if late {
			e.Respond = nil
		}
		concerns, err = t.submitted(row.Adapter, e)
	case *chat.Outcome:
		return t.outcome(row.Adapter, e)
	case *chat.Strange:
		return t.strange(row.Adapter, e)
	case *chat.Joined:
		err = t.joined(row.Adapter, e)
	case *chat.Left:
		err = t.left(row.Adapter, e)
	}
	return concerns, "", err
}

// strange keeps what cannot be what it says for a person to look at; of one
// sender only so much, since they can make more.
func (t *Turn) strange(adapter string, e *chat.Strange) (concerns bool, aside string, err error) {
	ok, _ := t.b.brake.allow("strange "+adapter+" "+e.From.ID, ticketsPerSender, t.Now)
	t.b.log.Warn("something strange came", "adapter", adapter, "room", e.Room, "id", e.ID, "by", e.From.ID, "reason", e.Reason.EN)
	if !ok {
		return false, "", nil
	}
	return true, e.Reason.In(t.b.opt.Language), nil
}

// respondWithin is how long after storing an event its Respond is good for;
// adapters answer "received" by themselves after two seconds.
const respondWithin = 1900 * time.Millisecond
