package bot

import (
	"context"
	"fmt"
	"time"

	"permanence/tickets"
)

// tick does what is due and tells when to look again. It reads the tables only
// when something is due or has been set since: dueAt is the decider's own.
func (b *Bot) tick(ctx context.Context) (time.Duration, error) {
	now := b.now()
	if b.dueAt > now {
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
			if now, ok, err := t.Tx.Timer(tm.Name); err != nil || !ok || now.Due != tm.Due {
				return err // done by a commit whose answer was lost
			}
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
	b.dueAt = now.Add(max(next, time.Millisecond)) // of the moment it looked, however long that took
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
	case timerIncident:
		return t.remind(tm)
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
