package outbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"permanence/bot/chat"
	"permanence/internal/failpoint"
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
	// MayStart is asked before each send; nil always may. A replica whose
	// lease is old may not.
	MayStart func() bool
}

// Box holds the open deliveries in lanes, one for each link, and performs
// them.
type Box struct {
	opt   Options
	slots map[string]chan struct{}

	mu    sync.Mutex
	ctx   context.Context // set by Run; nil before
	lanes map[tickets.ID]*lane
	wg    sync.WaitGroup
}

// New makes a Box; nothing leaves before Run.
func New(opt Options) *Box {
	if opt.PerAdapter == 0 {
		opt.PerAdapter = 8
	}
	b := &Box{opt: opt, lanes: map[tickets.ID]*lane{}, slots: map[string]chan struct{}{}}
	for name := range opt.Adapters {
		b.slots[name] = make(chan struct{}, opt.PerAdapter)
	}
	return b
}

// Run performs deliveries until ctx ends, then waits for those under way.
func (b *Box) Run(ctx context.Context) error {
	b.mu.Lock()
	b.ctx = ctx
	for _, l := range b.lanes {
		b.start(l)
	}
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	b.ctx = nil
	b.mu.Unlock()
	b.wg.Wait()
	return nil
}

// Add takes deliveries whose rows are committed. Those that are not Ready are
// left alone; a state delivery replaces the one of its slot.
func (b *Box) Add(ds ...Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range ds {
		if d.State != Ready {
			continue
		}
		l := b.lanes[d.Link]
		if l == nil {
			l = newLane(b, d.Link, d.Adapter)
			b.lanes[d.Link] = l
		}
		l.add(d)
		b.start(l)
	}
}

// Noted tells that the result of a delivery of that link is on disk.
func (b *Box) Noted(link tickets.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lanes[link]; l != nil {
		l.unnoted--
		b.drop(l)
	}
}

// Cancel forgets deliveries that were stopped or superseded. One that is
// being performed at this moment goes on.
func (b *Box) Cancel(link tickets.ID, ids ...tickets.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lanes[link]; l != nil {
		l.cancel(ids)
	}
}

// Kick retries at once what waits for its next attempt on an adapter, for
// when it is connected again.
func (b *Box) Kick(adapter string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lanes {
		if l.adapter == adapter {
			l.due = map[tickets.ID]time.Time{}
			l.poke()
		}
	}
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
	if b.ctx == nil {
		return
	}
	if l.running {
		l.poke()
		return
	}
	l.running = true
	b.wg.Add(1)
	go func(ctx context.Context) {
		defer b.wg.Done()
		l.run(ctx)
	}(b.ctx)
}

// drop forgets an idle lane; b.mu is held.
func (b *Box) drop(l *lane) {
	if !l.running && l.unnoted <= 0 && len(l.texts) == 0 && len(l.states) == 0 {
		delete(b.lanes, l.id)
	}
}

// lane is the queue of one link. Its fields are guarded by Box.mu, except
// those of the worker.
type lane struct {
	b       *Box
	id      tickets.ID
	adapter string
	wake    chan struct{}

	texts   []Delivery
	states  map[string]Delivery
	order   []string // of slots, oldest wish first
	due     map[tickets.ID]time.Time
	running bool
	unnoted int // results reported and not yet on disk

	// The worker's own: the link as it knows it, and what it said that may not
	// be on disk yet.
	link     *tickets.Link
	entries  map[tickets.ID][]string
	made     map[tickets.ID][]string
	marks    map[string]string  // what our mark of a slot now is
	tried    map[tickets.ID]int // the revision last attempted
	finished map[tickets.ID]map[string]bool
}

func newLane(b *Box, id tickets.ID, adapter string) *lane {
	return &lane{b: b, id: id, adapter: adapter, wake: make(chan struct{}, 1),
		states: map[string]Delivery{}, due: map[tickets.ID]time.Time{},
		entries: map[tickets.ID][]string{}, made: map[tickets.ID][]string{}, marks: map[string]string{},
		tried: map[tickets.ID]int{}, finished: map[tickets.ID]map[string]bool{}}
}

func (l *lane) add(d Delivery) {
	if d.Op.IsText() {
		for i := range l.texts {
			if l.texts[i].ID == d.ID {
				return
			}
		}
		// Positions come in order but for a released hold, which takes its
		// position when the hold ends, and rows read at start.
		i := len(l.texts)
		for i > 0 && l.texts[i-1].Position > d.Position {
			i--
		}
		l.texts = append(l.texts, Delivery{})
		copy(l.texts[i+1:], l.texts[i:])
		l.texts[i] = d
		return
	}
	if _, ok := l.states[d.Slot]; !ok {
		l.order = append(l.order, d.Slot)
	}
	l.states[d.Slot] = d
	delete(l.due, d.ID)
}

func (l *lane) cancel(ids []tickets.ID) {
	for _, id := range ids {
		for i := range l.texts {
			if l.texts[i].ID == id {
				l.texts = append(l.texts[:i], l.texts[i+1:]...)
				break
			}
		}
		for slot, d := range l.states {
			if d.ID == id {
				l.forget(slot)
			}
		}
	}
	l.poke()
}

func (l *lane) forget(slot string) {
	delete(l.states, slot)
	for i, s := range l.order {
		if s == slot {
			l.order = append(l.order[:i], l.order[i+1:]...)
			return
		}
	}
}

func (l *lane) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next chooses what to do now: the head of the texts, else a state when no
// text is ready. With nothing to do it gives how long to wait, or done.
func (l *lane) next(now time.Time) (d Delivery, ok bool, wait time.Duration, done bool) {
	if len(l.texts) == 0 && len(l.states) == 0 {
		return d, false, 0, true
	}
	wait = time.Hour
	at := func(d Delivery) bool {
		left := l.due[d.ID].Sub(now)
		if left <= 0 {
			return true
		}
		wait = min(wait, left)
		return false
	}
	if len(l.texts) > 0 && at(l.texts[0]) {
		return l.texts[0], true, 0, false
	}
	for _, slot := range l.order {
		if d := l.states[slot]; at(d) {
			return d, true, 0, false
		}
	}
	return d, false, wait, false
}

func (l *lane) run(ctx context.Context) {
	b := l.b
	for {
		b.mu.Lock()
		d, ok, wait, done := l.next(time.Now())
		if done || ctx.Err() != nil {
			l.running = false
			b.drop(l)
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		if !ok {
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-l.wake:
			case <-ctx.Done():
			}
			t.Stop()
			continue
		}
		select {
		case b.slots[l.adapter] <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		res, ok := l.attempt(ctx, d)
		<-b.slots[l.adapter]
		if !ok {
			continue // ctx ended, or the database is away: nothing was tried
		}
		l.settle(res)
	}
}

// settle takes the result into the lane and reports it.
func (l *lane) settle(res Result) {
	b := l.b
	b.mu.Lock()
	d := res.Delivery
	over := res.Err == nil || res.Final || res.Err.Kind == chat.Absent
	if d.Op.IsText() {
		for i := range l.texts {
			if l.texts[i].ID != d.ID {
				continue
			}
			if over {
				l.texts = append(l.texts[:i], l.texts[i+1:]...)
			} else {
				l.texts[i].Attempts = d.Attempts
				l.texts[i].Parts = d.Parts
				l.due[d.ID] = res.Again.Time()
			}
			break
		}
		if res.Final && l.link != nil && l.link.Rootless {
			// What waits for a root that will not come is closed by the
			// decider in the transaction that notes this.
			l.texts = nil
		}
	} else if now := l.states[d.Slot]; now.Revision == d.Revision {
		if over {
			l.forget(d.Slot)
		} else {
			now.Attempts = d.Attempts
			l.states[d.Slot] = now
			l.due[d.ID] = res.Again.Time()
		}
	}
	if over {
		delete(l.due, d.ID)
	}
	l.unnoted++
	b.mu.Unlock()
	b.opt.Report(res)
}

// attempt performs one delivery once. ok is false when nothing was tried.
func (l *lane) attempt(ctx context.Context, d Delivery) (Result, bool) {
	b := l.b
	if b.opt.MayStart != nil && !b.opt.MayStart() {
		l.pause(ctx, time.Second)
		return Result{}, false
	}
	if l.link == nil {
		link, err := b.opt.Source.Link(ctx, l.id)
		if err != nil {
			b.opt.Log.Warn("outbox: read link", "link", l.id, "err", err)
			l.pause(ctx, time.Second)
			return Result{}, false
		}
		l.link = &link
	}
	// The first attempt was counted in the transaction that made the row
	// ready; the others are counted before dialling.
	if rev, again := l.tried[d.ID]; again && rev == d.Revision || d.Attempts == 0 {
		d.Attempts++
		if err := b.opt.Source.CountAttempt(ctx, d.ID, d.Attempts); err != nil {
			b.opt.Log.Warn("outbox: count attempt", "delivery", d.ID, "err", err)
			l.pause(ctx, time.Second)
			return Result{}, false
		}
	}
	l.tried[d.ID] = d.Revision
	failpoint.Hit("outbox.before-send")
	receipt, err := l.perform(ctx, &d)
	failpoint.Hit("outbox.after-send")
	if err != nil && ctx.Err() != nil {
		return Result{}, false
	}
	res := Result{Delivery: d, Receipt: receipt}
	if err != nil {
		res.Err = chat.AsError(err)
		res.Receipt = res.Err.Receipt
		if ids := partIDs(res.Receipt); len(ids) > 0 && d.Op.IsText() {
			res.Delivery.SetRemotes(ids)
		}
		l.decide(&res)
	} else {
		l.remember(d, receipt)
	}
	l.recipients(d, res.Receipt)
	return res, true
}

// recipients keeps which recipients of a mail need no further attempt.
func (l *lane) recipients(d Delivery, r chat.Receipt) {
	for _, to := range r.Recipients {
		if to.Temporary || to.State == "" {
			continue
		}
		if l.finished[d.ID] == nil {
			l.finished[d.ID] = map[string]bool{}
		}
		l.finished[d.ID][strings.ToLower(to.Address)] = true
	}
}

// decide sets whether and when a failed delivery is tried again.
func (l *lane) decide(res *Result) {
	now := time.Now()
	switch res.Err.Kind {
	case chat.Permanent, chat.Gone:
		res.Final = true
		return
	case chat.Absent:
		return // parked by the decider until Joined
	}
	wait := backoff(res.Delivery.Attempts, res.Err.Kind)
	if res.Err.RetryAfter > 0 {
		wait = res.Err.RetryAfter
	}
	res.Again = tickets.At(now.Add(wait))
	if up := res.Delivery.GiveUpAt; up != 0 && res.Again > up {
		res.Final = true
	}
}

// backoff doubles from one second to ten minutes, jittered by a half; a
// missing right is asked for less often.
func backoff(attempt int, kind chat.Kind) time.Duration {
	d := time.Second << min(max(attempt-1, 0), 10)
	if kind == chat.Unauthorised {
		d = max(d, 15*time.Second)
	}
	d = min(d, 10*time.Minute)
	return d/2 + rand.N(d/2+1)
}

// remember keeps what was said until it is on disk and after.
func (l *lane) remember(d Delivery, r chat.Receipt) {
	switch d.Op {
	case Mark:
		p, _ := d.Payload()
		l.marks[d.Slot] = p.Emoji
	case Say:
		ids := partIDs(r)
		l.made[d.ID] = ids
		if d.Entry != 0 {
			l.entries[d.Entry] = ids
		}
		if l.link.Rootless && l.link.Root == d.ID {
			l.link.Thread = ThreadOf(r)
			l.link.Rootless = false
		} else if l.link.Thread == "" && r.Thread != "" {
			l.link.Thread = r.Thread // the first mail of a link opens its thread
		}
	case Direct:
		l.link.Room = r.Room
		l.link.Rootless = false
	}
}

// ThreadOf is the thread that a receipt's message opens.
func ThreadOf(r chat.Receipt) string {
	if r.Thread != "" {
		return r.Thread
	}
	if len(r.Parts) > 0 {
		return r.Parts[0].ID
	}
	return ""
}

func partIDs(r chat.Receipt) []string {
	ids := make([]string, len(r.Parts))
	for i, p := range r.Parts {
		ids[i] = p.ID
	}
	return ids
}

// pause waits, or less when ctx ends.
func (l *lane) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func unknownAdapter(name string) error {
	return &chat.Error{Kind: chat.Permanent, Err: fmt.Errorf("no adapter %q", name), Reason: chat.Text{
		FR: "la configuration ne connaît plus l’adaptateur « " + name + " »",
		EN: "the configuration no longer knows the adapter “" + name + "”",
	}}
}
