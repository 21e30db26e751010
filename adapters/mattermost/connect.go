package mattermost

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"permanence/bot/chat"
)

// runner is one Run: a goroutine reads the websocket and puts what comes into
// a queue, another one takes it from there and gives it to the handler, so
// events keep their order and catching up stands between what was before it and
// what comes after it.
type runner struct {
	*Adapter
	handler chat.Handler
	queue   chan job

	// Of the reader: the connection to resume, the number of its next event,
	// and who we were when it was made.
	connection string
	next       int64
	owner      *account

	// Of the worker.
	told      chat.ConnectionState
	behind    bool // something was missed and not yet read
	positions map[string]*position
	gestures  map[string]gestures
	suspects  map[string]int64 // time of the last post at the last pulse, by channel
	absent    map[string]bool  // rooms that were not there at the last pulse
}

// job is an event, or something to do in its turn.
type job struct {
	frame frame
	do    func(context.Context) error
}

// maxQueue is how many events may wait while the handler cannot store; above,
// the server keeps them for us, and at last we read them by REST.
const maxQueue = 1024

// Run connects, receives, reconnects and catches up until ctx ends.
func (a *Adapter) Run(ctx context.Context, h chat.Handler) error {
	a.mu.Lock()
	a.handler = h
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.handler = nil
		a.mu.Unlock()
	}()
	r := &runner{
		Adapter: a, handler: h, queue: make(chan job, maxQueue),
		positions: make(map[string]*position), gestures: make(map[string]gestures),
		suspects: make(map[string]int64), absent: make(map[string]bool),
	}
	var working sync.WaitGroup
	working.Go(func() { r.work(ctx) })
	working.Go(func() { r.watch(ctx) })
	pause := r.pauses()
	for ctx.Err() == nil {
		err := r.connect(ctx, pause.Reset)
		if ctx.Err() != nil {
			break
		}
		r.log.Warn("not connected", "err", err)
		reason := reasonOf(err)
		r.put(ctx, job{do: func(ctx context.Context) error { return r.cut(ctx, reason) }})
		rest := time.NewTimer(pause.NextBackOff())
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
	working.Wait()
	return nil
}

func (a *Adapter) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = a.retry, a.retryMax
	b.Reset()
	return b
}

// reasonOf tells people why there is no connection.
func reasonOf(err error) chat.Text {
	var e *chat.Error
	var c *credentialError
	var s *socketError
	switch {
	case errors.As(err, &e):
		return e.Reason
	case errors.As(err, &c):
		return loginRefused
	case errors.As(err, &s) && s.status == http.StatusUnauthorized:
		return loginRefused
	case errors.As(err, &s):
		return unreachable
	}
	return serverWent
}

// put gives the worker something to do; it waits while the queue is full, and
// tells whether the worker will have it.
func (r *runner) put(ctx context.Context, j job) bool {
	select {
	case r.queue <- j:
		return true
	case <-ctx.Done():
		return false
	}
}

// errGap: the server left events out.
var errGap = errors.New("events are missing")

// connect makes one connection and reads it to its end. well is called when it
// stands.
func (r *runner) connect(ctx context.Context, well func()) error {
	acc, err := r.login(ctx)
	if err != nil {
		r.connection = "" // what happens meanwhile is not kept for us
		return err
	}
	if r.owner != acc {
		r.connection, r.owner = "", acc
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := r.dial(ctx, acc, r.connection, r.next)
	if err != nil {
		var refused *socketError
		if errors.As(err, &refused) && refused.status == http.StatusUnauthorized {
			r.connection = ""
			r.loggedOut(acc)
		}
		return err
	}
	var alive sync.WaitGroup
	alive.Go(func() { s.keepAlive(ctx) })
	defer alive.Wait()
	defer stop()
	r.breakBy(stop)
	defer r.breakBy(nil)
	return r.read(ctx, s, well)
}

// breakBy remembers how the connection of the moment is ended.
func (a *Adapter) breakBy(stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = stop
}

// read puts what a connection brings into the queue.
func (r *runner) read(ctx context.Context, s *socket, well func()) error {
	fresh, standing := false, false
	for {
		f, err := s.read()
		if err != nil {
			return err
		}
		switch {
		case f.Event == eventHello && f.Data.ConnectionID != r.connection:
			// A new connection: what was between is read by REST.
			fresh, standing = true, true
			well()
			r.connection = ""
			if !r.put(ctx, job{do: func(job context.Context) error { return r.connected(job, ctx, true) }}) {
				return ctx.Err()
			}
			r.connection, r.next = f.Data.ConnectionID, f.Seq+1
			continue
		case f.Event == "":
			if !fresh && !standing {
				// The answer to our question came without a hello: resumed, and
				// what we missed came before it.
				standing = true
				well()
				r.put(ctx, job{do: func(job context.Context) error { return r.connected(job, ctx, false) }})
			}
			continue
		case f.Seq < r.next:
			continue // we have it
		case f.Seq > r.next:
			r.connection = ""
			return errGap
		}
		if f.Event != eventHello && !r.put(ctx, job{frame: f}) {
			return ctx.Err() // the next connection asks for it again
		}
		r.next++
	}
}

// maxBatch is how many events are taken from the queue at once.
const maxBatch = 100

// work does what is in the queue, in order, until ctx ends.
func (r *runner) work(ctx context.Context) {
	for {
		var batch []frame
		var next job
		select {
		case <-ctx.Done():
			return
		case next = <-r.queue:
		}
		for next.do == nil {
			batch = append(batch, next.frame)
			if len(batch) == maxBatch {
				break
			}
			select {
			case next = <-r.queue:
				continue
			default:
			}
			break
		}
		if err := r.receive(ctx, batch); err != nil {
			return // ctx ended
		}
		if next.do != nil {
			if err := next.do(ctx); err != nil {
				return
			}
		}
	}
}

// cut tells of a cut, once for each.
func (r *runner) cut(ctx context.Context, reason chat.Text) error {
	if r.told == chat.Cut {
		return nil
	}
	return r.tell(ctx, chat.Cut, reason)
}

// tell gives the handler the state of the connection.
func (r *runner) tell(ctx context.Context, state chat.ConnectionState, reason chat.Text) error {
	r.told = state
	return r.store(ctx, []chat.Event{&chat.Connection{
		Meta: chat.Meta{ID: r.newID(), At: time.Now().UTC()}, State: state, Reason: reason,
	}}, chat.Cursor{})
}

// store gives events to the handler until it has them: an error means that
// nothing was stored, so the same events are offered again. It fails only when
// ctx ended.
func (r *runner) store(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	if len(events) == 0 && cursor.Name == "" {
		return ctx.Err()
	}
	pause := r.pauses()
	for {
		err := r.handler.Handle(ctx, events, cursor)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.log.Warn("events not stored, offered again", "events", len(events), "err", err)
		if err := r.rest(ctx, pause.NextBackOff()); err != nil {
			return err
		}
	}
}

// rest waits, or fails when ctx ends before.
func (r *runner) rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
