package outbox

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

// Source is what the workers read, and the one thing they write by
// themselves: the count of an attempt, before dialling.
type Source interface {
	Link(ctx context.Context, id tickets.ID) (tickets.Link, error)
	// Remotes are the remote IDs of an entry's copies at a link, in order of
	// their parts.
	Remotes(ctx context.Context, link, entry tickets.ID) ([]string, error)
	// DeliveryRemotes are the remote IDs that a delivery made.
	DeliveryRemotes(ctx context.Context, id tickets.ID) ([]string, error)
	Recipients(ctx context.Context, delivery tickets.ID) ([]Recipient, error)
	CountAttempt(ctx context.Context, delivery tickets.ID, attempts int) error
	// OpenFile opens a stored file. errors.Is(err, ErrFileWanted) while it is
	// still being fetched.
	OpenFile(ctx context.Context, id tickets.ID) (io.ReadCloser, error)
}

// Options of a Box.
type Options struct {
	Adapters map[string]chat.Adapter
	Source   Source
	// Report takes what became of each attempt; it must not block. Noted is to
	// be called when the result is on disk.
	Report func(Result)
	Log    *slog.Logger
	// PerAdapter is how many lanes of one adapter may be sending at a time; 0
	// means 8.
	PerAdapter int
	// Grace is how long what is under way may go on when Run is to end; 0 means
	// five seconds. A mail cut between its final dot and the answer would be
	// sent twice.
	Grace time.Duration
	// MayStart is asked before each send; nil always may. A replica whose
	// lease is old may not.
	MayStart func() bool
}

// Box holds the open deliveries in lanes, one for each link, and performs
// them. Its memory is that of the open deliveries: an idle lane is forgotten.
type Box struct {
	opt   Options
	slots map[string]chan struct{} // by adapter; fixed by New

	// mu guards what follows and the lanes. It is held for a step of one lane
	// (Kick: of all), never during I/O.
	mu    sync.Mutex
	ctx   context.Context // set by Run, nil before and after: may an attempt begin
	send  context.Context // ends after the grace: must an attempt end
	lanes map[tickets.ID]*lane
	kicks map[string]int // by adapter: how often Kick was called
	busy  map[string]int // by adapter: attempts begun whose result is not reported
	wg    sync.WaitGroup
}

// New makes a Box; nothing leaves before Run.
func New(opt Options) *Box {
	if opt.PerAdapter == 0 {
		opt.PerAdapter = 8
	}
	if opt.Grace == 0 {
		opt.Grace = 5 * time.Second
	}
	b := &Box{opt: opt, lanes: map[tickets.ID]*lane{}, slots: map[string]chan struct{}{}, kicks: map[string]int{}, busy: map[string]int{}}
	for name := range opt.Adapters {
		b.slots[name] = make(chan struct{}, opt.PerAdapter)
	}
	return b
}

// Run performs deliveries until ctx ends; then nothing begins any more, and
// what is under way is waited for, at most Options.Grace and what the adapters
// take to give up. It runs once.
func (b *Box) Run(ctx context.Context) error {
	send, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	b.mu.Lock()
	b.ctx, b.send = ctx, send
	for _, l := range b.lanes {
		b.start(l)
	}
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	b.ctx = nil // from here on no worker is started, so wg only falls
	b.mu.Unlock()
	grace := time.AfterFunc(b.opt.Grace, stop)
	defer grace.Stop()
	b.wg.Wait()
	return nil
}

// Add takes deliveries whose rows are committed. Those that are not Ready are
// left alone, those that it has already too; a state delivery replaces the one
// of its slot.
func (b *Box) Add(ds ...Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range ds {
		if d.State != Ready {
			continue
		}
		at := d.At
		d.At = nil
		l := b.lanes[d.Link]
		if l == nil {
			l = newLane(b, d.Link, d.Adapter)
			l.link = at
			b.lanes[d.Link] = l
		}
		l.add(d)
		b.start(l)
	}
}

// Noted tells that results are on disk, and what the lanes kept beside the
// disk for their sake can be forgotten.
func (b *Box) Noted(rs ...Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range rs {
		d := &rs[i].Delivery
		if l := b.lanes[d.Link]; l != nil {
			l.noted(d.ID)
			b.drop(l)
		}
	}
}

// Replace gives deliveries that still wait the content that their rows now
// have, and the parts that turned out to be said. One that is being performed at this moment leaves as it was.
func (b *Box) Replace(ds ...Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range ds {
		l := b.lanes[d.Link]
		if l == nil {
			continue
		}
		for i := range l.texts {
			if l.texts[i].ID == d.ID {
				l.texts[i].Body = d.Body
				if len(d.Remotes()) > len(l.texts[i].Remotes()) {
					l.texts[i].Parts = d.Parts
				}
			}
		}
	}
}

// Cancel forgets deliveries that were stopped, superseded or completed by
// their echo. One that is being performed at this moment goes on.
func (b *Box) Cancel(link tickets.ID, ids ...tickets.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lanes[link]; l != nil {
		l.cancel(ids)
		b.drop(l)
	}
}

// Kick retries at once what waits for its next attempt on an adapter, for when
// it is connected again. A pause that the network itself asked for is kept.
func (b *Box) Kick(adapter string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kicks[adapter]++
	for _, l := range b.lanes {
		if l.adapter == adapter {
			l.kick()
		}
	}
}

// Busy tells, by adapter, how many attempts have begun and are not reported
// yet: what they say may be seen, and answered, before it is known here.
func (b *Box) Busy() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.busy)
}

// Waiting counts deliveries not yet performed, for metrics and tests.
func (b *Box) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, l := range b.lanes {
		n += len(l.texts) + len(l.states)
	}
	return n
}

// start runs the lane's worker if there is one to be run; b.mu is held.
func (b *Box) start(l *lane) {
	if b.ctx == nil || l.empty() {
		return
	}
	if l.running {
		l.poke()
		return
	}
	l.running = true
	b.wg.Add(1)
	go func(ctx, send context.Context) {
		defer b.wg.Done()
		l.run(ctx, send)
	}(b.ctx, b.send)
}

// drop forgets a lane that holds nothing which is not on disk; b.mu is held.
// Whoever makes the last of that true calls it: the worker that ends, the note
// that comes after, or a cancellation. A delivery added later finds a new lane,
// which reads the link as it then is.
func (b *Box) drop(l *lane) {
	if !l.running && l.empty() && len(l.known) == 0 && b.lanes[l.id] == l {
		delete(b.lanes, l.id)
	}
}

// enter waits for the right to send on an adapter; leave gives it back. An
// adapter that does not exist is no reason to wait: the attempt will tell.
func (b *Box) enter(ctx context.Context, adapter string) bool {
	slots := b.slots[adapter]
	if slots == nil {
		return true
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (b *Box) leave(adapter string) {
	if slots := b.slots[adapter]; slots != nil {
		<-slots
	}
}
