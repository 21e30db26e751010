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

// recover reads what is open: deliveries to the outbox (each counted as one
// more attempt, because nobody knows whether the last one arrived), waiting
// events to the queue.
func (b *Bot) recover(ctx context.Context) error {
	var open []outbox.Delivery
	err := b.store.Update(ctx, func(tx Tx) error {
		ds, err := tx.OpenDeliveries()
		if err != nil {
			return err
		}
		parked := &Turn{b: b, ctx: ctx, Tx: tx}
		for i, d := range ds {
			if d.State == outbox.Parked {
				person, err := parked.awaited(d)
				if err != nil {
					return err
				}
				b.absent[person]++
			}
			if d.State != outbox.Ready {
				continue
			}
			ds[i].Attempts++
			if err := tx.UpdateDelivery(ds[i]); err != nil {
				return err
			}
		}
		open = ds
		timers, err := tx.Timers()
		for _, tm := range timers {
			if tm.Kind == timerEarly || tm.Kind == timerWanted {
				b.early[tm.Name] = true
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read what is open: %w", err)
	}
	b.box.Add(open...)
	b.queue.mu.Lock()
	b.queue.overflow = true // whatever waits is read from the table
	b.queue.mu.Unlock()
	b.queue.poke()
	return nil
}

// readOpen hands the outbox what is ready in the database: it ignores what it
// has already.
func (t *Turn) readOpen() error {
	ds, err := t.Tx.OpenDeliveries()
	if err != nil {
		return err
	}
	for _, d := range ds {
		if d.State == outbox.Ready {
			d.Attempts++
			if err := t.Tx.UpdateDelivery(d); err != nil {
				return err
			}
			t.out = append(t.out, d)
		}
	}
	return nil
}

// decider takes what waits until ctx ends: results of deliveries, then events
// in order of arrival, then what is due.
func (b *Bot) decider(ctx context.Context) error {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-b.queue.wake:
		case <-due.C:
		case <-ctx.Done():
			b.drain(ctx)
			return nil
		}
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
		due.Reset(next)
	}
}

// drain notes what deliveries reported while stopping.
func (b *Bot) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for b.step(ctx) {
	}
}

// step decides one batch; false when nothing waited.
func (b *Bot) step(ctx context.Context) bool {
	evs, res, reqs, load, after := b.queue.take(batchLimit)
	if load {
		if err := b.reload(ctx, after); err != nil {
			b.log.Error("decider: read waiting events", "err", err)
			b.putBack(res, reqs)
			b.pause(ctx)
			return ctx.Err() == nil
		}
		evs, _, _, _, _ = b.queue.takeEvents(batchLimit)
	}
	if len(evs)+len(res)+len(reqs) == 0 {
		return false
	}
	b.together(ctx, evs, res)
	for _, r := range reqs {
		r.done <- b.guarded(ctx, func(t *Turn) error { return r.f(t) })
	}
	return true
}

func (q *queue) takeEvents(limit int) ([]waiting, []outbox.Result, []request, bool, tickets.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(limit, len(q.events))
	evs := q.events[:n:n]
	q.events = q.events[n:]
	return evs, nil, nil, false, q.last
}

// putBack returns what was taken and could not be worked on.
func (b *Bot) putBack(res []outbox.Result, reqs []request) {
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	b.queue.results = append(res, b.queue.results...)
	b.queue.requests = append(reqs, b.queue.requests...)
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
// each on its own, so that only the guilty one is set aside.
func (b *Bot) together(ctx context.Context, evs []waiting, res []outbox.Result) {
	err := b.guarded(ctx, func(t *Turn) error {
		for _, r := range res {
			if err := t.settle(r); err != nil {
				return err
			}
		}
		return t.decideAll(evs)
	})
	if err == nil {
		return
	}
	if len(evs)+len(res) > 1 {
		b.log.Warn("decider: a batch failed, its events are decided one by one", "events", len(evs), "err", err)
	}
	for _, r := range res {
		b.alone(ctx, func(t *Turn) error { return t.settle(r) }, func(err error) {
			b.log.Error("decider: note a delivery", "delivery", r.Delivery.ID, "err", err)
			b.box.Noted(r)
		})
	}
	for _, w := range evs {
		b.alone(ctx, func(t *Turn) error { return t.decideAll([]waiting{w}) }, func(err error) {
			b.setAside(ctx, w, err)
		})
	}
}

// alone runs f in a transaction of its own, waiting for a database that is
// away; fail takes any other error.
func (b *Bot) alone(ctx context.Context, f func(*Turn) error, fail func(error)) {
	for {
		err := b.guarded(ctx, f)
		switch {
		case err == nil:
			return
		case errors.Is(err, ErrAway), errors.Is(err, ErrFull), ctx.Err() != nil:
			b.log.Error("decider: waiting for the database", "err", err)
			if !b.pause(ctx) {
				return
			}
		default:
			fail(err)
			return
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
		b.alone(ctx, func(t *Turn) error { return t.readOpen() }, func(err error) {
			b.log.Error("decider: read what is open", "err", err)
		})
		return
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
	err = b.store.Update(ctx, func(tx Tx) error {
		t = &Turn{b: b, ctx: ctx, Tx: tx, Now: b.now(), cards: map[tickets.ID]string{}, early: map[string]bool{}}
		if err := f(t); err != nil {
			return err
		}
		if err := t.drawCards(); err != nil {
			return err
		}
		failpoint.Hit("decider.before-commit")
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("decider.committed")
	for _, c := range t.cancels {
		b.box.Cancel(c.link, c.delivery)
	}
	b.box.Noted(t.noted...)
	if t.due {
		b.dueAt = 0
	}
	b.box.Replace(t.renewed...)
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
			if err := t.Tx.SetAside(w.row.ID, aside); err != nil {
				return err
			}
			if err := t.tellAside(w.row); err != nil {
				return err
			}
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
		return t.posted(row, e)
	case *chat.Edited:
		concerns, err = t.edited(row.Adapter, e)
	case *chat.Deleted:
		concerns, err = t.deleted(row.Adapter, e)
	case *chat.Reacted:
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
	case *chat.Joined:
		err = t.joined(row.Adapter, e)
	case *chat.Left:
		err = t.left(row.Adapter, e)
	}
	return concerns, "", err
}

// respondWithin is how long after storing an event its Respond is good for;
// adapters answer "received" by themselves after two seconds.
const respondWithin = 1900 * time.Millisecond

// tick does what is due and tells when to look again. It reads the tables only
// when something is due or has been set since: dueAt is the decider's own.
func (b *Bot) tick(ctx context.Context) (time.Duration, error) {
	if now := b.now(); b.dueAt > now {
		return b.dueAt.Sub(now), nil
	}
	next := time.Minute
	var due []Timer
	var held []tickets.ReplyRow
	err := b.store.View(ctx, func(tx Tx) error {
		timers, err := tx.Timers()
		if err != nil {
			return err
		}
		replies, err := tx.HeldReplies()
		if err != nil {
			return err
		}
		now := b.now()
		for _, tm := range timers {
			if tm.Due > now {
				next = min(next, tm.Due.Sub(now))
				break
			}
			due = append(due, tm)
		}
		for _, r := range replies {
			if r.HoldUntil > now {
				next = min(next, r.HoldUntil.Sub(now))
				break
			}
			held = append(held, r)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, r := range held {
		wait, forced := b.holdBack(ctx, r)
		if wait > 0 {
			next = min(next, wait)
			continue
		}
		b.alone(ctx, func(t *Turn) error {
			if forced {
				lang, err := t.langOf(r.Ticket)
				if err != nil {
					return err
				}
				if err := t.teamLine(r.Ticket, t.b.t(lang, "reply.forced"), nil); err != nil {
					return err
				}
			}
			return t.release(r.Entry)
		}, func(err error) {
			b.log.Error("decider: release a reply", "reply", r.Entry, "err", err)
		})
	}
	for _, tm := range due {
		b.alone(ctx, func(t *Turn) error {
			if err := t.Tx.DropTimer(tm.Name); err != nil {
				return err
			}
			return t.timer(tm)
		}, func(err error) {
			b.log.Error("decider: timer", "timer", tm.Name, "err", err)
			// A timer that cannot be done must not be tried for ever.
			b.alone(ctx, func(t *Turn) error { return t.Tx.DropTimer(tm.Name) }, func(error) {})
		})
	}
	if len(due) > 0 {
		next = 0 // there may be more
	}
	b.dueAt = b.now().Add(max(next, time.Millisecond))
	return max(next, time.Millisecond), nil
}

// timer does what was due.
func (t *Turn) timer(tm Timer) error {
	switch tm.Kind {
	case timerAck:
		return t.acknowledge(tm.Ticket)
	case timerClaim:
		return t.claimLapsed(tm.Ticket)
	case timerRelease:
		return t.releaseAnswers(tm)
	case timerParked:
		return t.neverBack(tm)
	case timerEarly:
		delete(t.b.early, tm.Name) // its message never came
		return nil
	case timerWanted:
		return t.b.wanted(t, tm)
	}
	return fmt.Errorf("unknown kind of timer %q", tm.Kind)
}

const (
	timerAck     = "ack"
	timerClaim   = "claim"
	timerRelease = "release" // answers that an open breaker holds
	timerParked  = "parked"  // an answer to somebody who has left
	timerEarly   = "early"   // an edit that came before its message
	timerWanted  = "wanted"  // an older message asked of the network
)
