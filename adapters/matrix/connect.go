package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// cursorName is the one cursor of the adapter: "account milliseconds token",
// the time being that at which the token was got.
const cursorName = "sync"

// runner is one Run of an adapter.
type runner struct {
	*Adapter
	handler chat.Handler
	told    chat.ConnectionState // last, to tell of each cut once
	// errands are joins and the like that the sync loop does not wait for.
	errands sync.WaitGroup
	busy    sync.Map // names of rooms that an errand is entering
	// ignored are the accounts on our list of ignored users.
	ignored map[id.UserID]bool
	// unread are encrypted messages that wait for their keys.
	unread *ring[pending]
}

// Run reads until ctx ends, and comes back after every cut.
func (a *Adapter) Run(ctx context.Context, h chat.Handler) error {
	r := &runner{Adapter: a, handler: h, unread: newRing[pending](a.state, "unread", maxUnread)}
	a.mu.Lock()
	a.running = r
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.running = nil
		if a.wires != nil {
			a.wires.CloseIdleConnections()
		}
		a.mu.Unlock()
	}()
	defer r.errands.Wait()
	pause := a.pauses()
	for {
		err := r.session(ctx, pause)
		if ctx.Err() != nil {
			return nil
		}
		a.log.Warn("connection lost", "err", err)
		if r.cut(ctx, err) != nil {
			return nil // ctx ended
		}
		wait := pause.NextBackOff()
		var ce *chat.Error
		if errors.As(failure(err, ""), &ce) && ce.Kind == chat.RateLimited {
			wait = max(wait, ce.RetryAfter)
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// pauses between attempts, with jitter.
func (a *Adapter) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = a.retry, a.retryMax, 2
	b.Reset()
	return b
}

// session reads from logging in to the first failure.
func (r *runner) session(ctx context.Context, pause *backoff.ExponentialBackOff) error {
	l, err := r.Adapter.session(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var aside sync.WaitGroup
	defer func() {
		stop()
		aside.Wait()
	}()
	since, then, err := r.since(ctx, l)
	if err != nil {
		return err
	}
	if err := r.enterRooms(ctx, l); err != nil {
		return r.checkToken(l, err)
	}
	if err := r.askIgnored(ctx, l); err != nil {
		return r.checkToken(l, err)
	}
	if l.vault != nil {
		aside.Go(func() { l.vault.keep(ctx) })
	}
	connected, first, rounds := false, true, 0
	for catching := true; ; {
		patience := r.patience
		switch {
		case first:
			patience = 0
		case catching:
			patience = calm
		}
		answer, err := l.sync(ctx, since, patience)
		if err != nil {
			if since != "" && statusOf(err) == http.StatusBadRequest {
				// A server set up anew does not know its old tokens.
				r.log.Warn("the server does not know how far we had read; what was said meanwhile is not caught up", "err", err)
				since, then = "", time.Time{}
				if !sleep(ctx, r.retry) {
					return ctx.Err()
				}
				continue
			}
			return r.checkToken(l, err)
		}
		if !connected {
			connected = true
			if err := r.tell(ctx, chat.Connected, chat.Text{}); err != nil {
				return err
			}
		}
		now := time.Now()
		got, err := r.receive(ctx, l, answer, since, then, first, catching)
		if err != nil {
			return r.checkToken(l, err)
		}
		cursor := chat.Cursor{Name: cursorName, Value: fmt.Sprintf("%s %d %s", l.me, now.UnixMilli(), answer.NextBatch)}
		if len(got.events) > 0 || answer.NextBatch != since {
			if err := r.store(ctx, got.events, cursor); err != nil {
				return err
			}
		}
		since, then = answer.NextBatch, now
		for _, stored := range got.stored {
			if err := stored(ctx); err != nil {
				return err
			}
		}
		for _, errand := range got.after {
			r.errands.Go(func() { errand(ctx) })
		}
		if rounds++; catching && (!first && len(got.events) == 0 || rounds > calmRounds) {
			if err := r.tell(ctx, chat.CaughtUp, chat.Text{}); err != nil {
				return err
			}
			pause.Reset()
			catching = false
		}
		first = false
	}
}

// A server has taken a message before its syncs bring it: Dendrite, which is
// busy, by up to some hundred milliseconds. We have caught up when a sync that
// waits so long brings nothing, or in a busy room after so many.
const (
	calm       = 200 * time.Millisecond
	calmRounds = 10
)

// checkToken forgets a link whose token is gone, so that the next session logs
// in anew.
func (r *runner) checkToken(l *link, err error) error {
	if refusedLogin(err) {
		r.drop(l)
		if r.cfg.PasswordFile == "" {
			return &loginError{"token", tokenText, err}
		}
	}
	return err
}

// since gives the token to go on from and when we got it; empty for the first
// time, and for a cursor of another account.
func (r *runner) since(ctx context.Context, l *link) (token string, then time.Time, err error) {
	value, err := r.state.Cursor(ctx, cursorName)
	if err != nil {
		return "", then, fmt.Errorf("read cursor: %w", err)
	}
	parts := strings.SplitN(value, " ", 3)
	if len(parts) != 3 || id.UserID(parts[0]) != l.me {
		return "", then, nil
	}
	var ms int64
	if _, err := fmt.Sscan(parts[1], &ms); err != nil {
		return "", then, nil
	}
	return parts[2], time.UnixMilli(ms), nil
}

// enterRooms learns which rooms we are in and enters the others that the
// configuration names. One that does not let us in does not hinder the others.
func (r *runner) enterRooms(ctx context.Context, l *link) error {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	joined, err := l.client.JoinedRooms(bounded)
	if err != nil {
		return err
	}
	in := make(map[id.RoomID]bool)
	for _, rid := range joined.JoinedRooms {
		in[rid] = true
		if _, _, err := r.meet(ctx, rid); err != nil {
			return err
		}
		r.book.update(rid, func(x *room) { x.joined, x.joinedKnown = true, true })
	}
	for _, name := range r.rooms {
		rid, err := r.find(bounded, l, name, true)
		if err != nil {
			if bounded.Err() != nil || refusedLogin(err) {
				return err
			}
			r.log.Warn("cannot find room", "room", name, "err", err)
			r.comeBack(ctx, l, name)
			continue
		}
		if in[rid] {
			continue
		}
		if err := r.join(bounded, l, name, rid); err != nil {
			if bounded.Err() != nil || refusedLogin(err) {
				return err
			}
			r.book.update(rid, func(x *room) { x.joined, x.joinedKnown = false, true })
			r.log.Warn("cannot enter room", "room", name, "err", err)
			r.comeBack(ctx, l, name)
		}
	}
	return nil
}

// comeBack tries to enter a room of the configuration until it is done or the
// session ends.
func (r *runner) comeBack(ctx context.Context, l *link, name string) {
	if _, already := r.busy.LoadOrStore(name, true); already {
		return
	}
	r.errands.Go(func() {
		defer r.busy.Delete(name)
		pause, asked := r.pauses(), time.Duration(0)
		for sleep(ctx, max(pause.NextBackOff(), asked)) {
			rid, err := r.find(ctx, l, name, false)
			if err == nil {
				if x := r.book.look(rid); x.joined {
					return
				}
				if err = r.join(ctx, l, name, rid); err == nil {
					return
				}
			}
			asked = chat.AsError(err).RetryAfter
			r.log.Debug("still cannot enter room", "room", name, "err", err)
		}
	})
}

// store gives events to the handler until it has them: an error means that
// nothing was stored, so the same events are offered again. It fails only when
// ctx ends.
func (r *runner) store(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	pause := r.pauses()
	pause.InitialInterval, pause.MaxInterval = 20*time.Millisecond, 5*time.Second
	pause.Reset()
	for {
		err := r.handler.Handle(ctx, events, cursor)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.log.Warn("events not stored, offered again", "events", len(events), "err", err)
		if !sleep(ctx, pause.NextBackOff()) {
			return ctx.Err()
		}
	}
}

// tell gives the handler the state of the connection.
func (r *runner) tell(ctx context.Context, state chat.ConnectionState, reason chat.Text) error {
	r.told = state
	return r.store(ctx, []chat.Event{&chat.Connection{
		Meta: chat.Meta{ID: r.newID(), At: time.Now().UTC()}, State: state, Reason: reason,
	}}, chat.Cursor{})
}

// cut tells of a cut, once for each.
func (r *runner) cut(ctx context.Context, err error) error {
	if r.told == chat.Cut {
		return nil
	}
	return r.tell(ctx, chat.Cut, reasonText(err))
}
