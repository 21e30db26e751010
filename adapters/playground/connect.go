package playground

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"permanence/bot/chat"
)

// cursorName is the one cursor of the adapter: "<network ID>:<sequence number>".
const cursorName = "records"

// Run listens until ctx ends, and comes back after every cut.
func (a *Adapter) Run(ctx context.Context, h chat.Handler) error {
	var boot [5]byte
	rand.Read(boot[:])
	c := &connection{Adapter: a, handler: h, boot: hex.EncodeToString(boot[:])}
	a.mu.Lock()
	a.running = c
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.running = nil
		a.mu.Unlock()
	}()
	pause := a.pauses()
	for {
		err := c.session(ctx, pause)
		if ctx.Err() != nil {
			return nil
		}
		a.log.Warn("connection lost", "err", err)
		if errors.Is(err, ErrClosed) {
			return fmt.Errorf("run playground adapter: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause.NextBackOff()):
		}
	}
}

func (a *Adapter) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = a.retry, a.retryMax, 2
	b.Reset()
	return b
}

// connection is one Run of an adapter.
type connection struct {
	*Adapter
	handler chat.Handler
	// boot and count name the events to which the network gives no ID.
	boot  string
	count int
	told  chat.ConnectionState // last, to tell of each cut once
	asked []*answering         // of the batch that is being stored
}

// session is one connection, from dialling to its end.
func (c *connection) session(ctx context.Context, pause *backoff.ExponentialBackOff) error {
	after, err := c.after(ctx)
	if err != nil {
		return err
	}
	stream, err := c.net.Dial(c.account, after)
	if err != nil {
		return c.cut(ctx, err)
	}
	defer stream.Close()
	for _, room := range c.rooms {
		if err := c.net.Join(c.account, room); err != nil {
			// The other rooms go on; `check` tells.
			c.log.Warn("cannot enter room", "room", room, "err", err)
		}
	}
	pause.Reset()
	if err := c.tell(ctx, chat.Connected, chat.Text{}); err != nil {
		return err
	}
	if after < 0 {
		after = stream.Head
	}
	progress := progress{low: after}
	caughtUp := false
	for {
		if !caughtUp && progress.low >= stream.Head {
			if err := c.tell(ctx, chat.CaughtUp, chat.Text{}); err != nil {
				return err
			}
			caughtUp = true
		}
		batch, err := stream.Next(ctx)
		if err != nil {
			return c.cut(ctx, err)
		}
		var events []chat.Event
		for _, rec := range batch {
			if e := c.event(rec, stream.Head); e != nil {
				events = append(events, e)
			}
			progress.done(rec.Seq)
		}
		if err := c.store(ctx, events, c.cursor(progress.low)); err != nil {
			return err
		}
		for _, waiting := range c.asked {
			waiting.stored()
		}
		c.asked = nil
		for _, rec := range batch {
			c.reenter(rec)
		}
	}
}

// after gives the sequence number to go on from, -1 for now. A cursor of
// another network (the journal was thrown away) counts for nothing.
func (c *connection) after(ctx context.Context) (int64, error) {
	if c.Caps(chat.Place{}).History == chat.None {
		return -1, nil
	}
	value, err := c.state.Cursor(ctx, cursorName)
	if err != nil {
		return 0, fmt.Errorf("read cursor: %w", err)
	}
	id, number, _ := strings.Cut(value, ":")
	if seq, err := strconv.ParseInt(number, 10, 64); err == nil && id == c.net.ID() {
		return seq, nil
	}
	return 0, nil
}

func (c *connection) cursor(low int64) chat.Cursor {
	if c.Caps(chat.Place{}).History == chat.None {
		return chat.Cursor{}
	}
	return chat.Cursor{Name: cursorName, Value: c.net.ID() + ":" + strconv.FormatInt(low, 10)}
}

// store gives events to the handler until it has them: an error means that
// nothing was stored, so the same events are offered again.
func (c *connection) store(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	pause := c.pauses()
	for {
		err := c.handler.Handle(ctx, events, cursor)
		if err == nil {
			return nil
		}
		c.log.Warn("events not stored, offered again", "events", len(events), "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// tell gives the handler the state of the connection.
func (c *connection) tell(ctx context.Context, state chat.ConnectionState, reason chat.Text) error {
	c.count++
	c.told = state
	return c.store(ctx, []chat.Event{&chat.Connection{
		Meta:  chat.Meta{ID: c.boot + "-" + strconv.Itoa(c.count), At: time.Now().UTC()},
		State: state, Reason: reason,
	}}, chat.Cursor{})
}

// cut tells of a cut, once for each, and gives its reason back.
func (c *connection) cut(ctx context.Context, err error) error {
	if ctx.Err() != nil || c.told == chat.Cut {
		return err
	}
	reason := unreachable
	var e *chat.Error
	if errors.As(err, &e) {
		reason = e.Reason
	}
	return errors.Join(err, c.tell(ctx, chat.Cut, reason))
}

// reenter goes back into a room of the configuration that is there again, or
// that we were put out of.
func (c *connection) reenter(rec Record) {
	if rec.Kind != kindRoom && rec.Kind != kindBack && (rec.Kind != kindLeft || rec.By != c.account) {
		return
	}
	for _, room := range c.rooms {
		if room == rec.Room {
			if err := c.net.Join(c.account, room); err != nil {
				c.log.Warn("cannot enter room", "room", room, "err", err)
			}
		}
	}
}

// progress is how far everything has been dealt with, although records may
// come twice and out of order.
type progress struct {
	low  int64 // all up to this one
	high map[int64]struct{}
}

func (p *progress) done(seq int64) {
	if seq <= p.low {
		return
	}
	if p.high == nil {
		p.high = make(map[int64]struct{})
	}
	p.high[seq] = struct{}{}
	for {
		if _, ok := p.high[p.low+1]; !ok {
			return
		}
		p.low++
		delete(p.high, p.low)
	}
}
