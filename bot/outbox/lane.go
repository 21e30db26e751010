package outbox

import (
	"context"
	"slices"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

// lane is the queue of one link. Everything in it is guarded by Box.mu; the
// worker alone writes link, and so may read it without.
type lane struct {
	b       *Box
	id      tickets.ID
	adapter string
	wake    chan struct{}
	running bool // it has a worker

	texts  []Delivery // in order of position
	states map[string]wish
	order  []string // of slots, oldest wish first
	due    map[tickets.ID]pause

	// link is as the worker knows it; nil before it was read, to be read again
	// when stale.
	link  *tickets.Link
	stale bool
	// known is what the database may not know yet, by delivery.
	known map[tickets.ID]*memory
	// said finds, in known, the delivery that said an entry here.
	said map[tickets.ID]tickets.ID
}

// wish is a state delivery and what it is about: it waits while that is still
// to be said.
type wish struct {
	Delivery
	entry, delivery tickets.ID
}

// pause is until when a delivery waits for its next attempt.
type pause struct {
	until time.Time
	// asked: by the network, so that nothing shortens it.
	asked bool
}

// memory is what a lane knows of one delivery until that is on disk.
type memory struct {
	unnoted int // results reported and not yet on disk
	tried   int // the revision last attempted
	over    int // the revision that needs no attempt any more, 0 for none
	entry   tickets.ID
	made    []string // the remote IDs that it said
	marked  bool     // mark is known
	mark    string   // our reaction that now stands
	// finished are the recipients of a mail that need no further attempt; nil
	// where they have to be read.
	finished map[string]bool
}

func newLane(b *Box, id tickets.ID, adapter string) *lane {
	return &lane{b: b, id: id, adapter: adapter, wake: make(chan struct{}, 1),
		states: map[string]wish{}, due: map[tickets.ID]pause{},
		known: map[tickets.ID]*memory{}, said: map[tickets.ID]tickets.ID{}}
}

func (l *lane) empty() bool { return len(l.texts) == 0 && len(l.states) == 0 }

func (l *lane) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) add(d Delivery) {
	if m := l.known[d.ID]; m != nil && m.over >= d.Revision && m.over > 0 {
		return // performed; its note is on its way
	}
	if !d.Op.IsText() {
		l.want(d)
		return
	}
	if l.text(d.ID) >= 0 {
		return
	}
	// Positions come in order but for a released hold, which takes its
	// position when the hold ends, what was parked, and rows read at start.
	i := len(l.texts)
	for i > 0 && l.texts[i-1].Position > d.Position {
		i--
	}
	l.texts = slices.Insert(l.texts, i, d)
}

// want takes a state; the newest of a slot is the one that leaves.
func (l *lane) want(d Delivery) {
	old, ok := l.states[d.Slot]
	if ok && old.ID == d.ID && old.Revision >= d.Revision {
		return
	}
	if !ok {
		l.order = append(l.order, d.Slot)
	}
	w := wish{Delivery: d}
	if p, err := d.Payload(); err == nil && p.Remote == "" {
		w.entry, w.delivery = p.Target, p.TargetDelivery
	}
	l.states[d.Slot] = w
	if !l.due[d.ID].asked {
		delete(l.due, d.ID)
	}
}

// text finds a text, -1 where it is not.
func (l *lane) text(id tickets.ID) int {
	return slices.IndexFunc(l.texts, func(d Delivery) bool { return d.ID == id })
}

func (l *lane) dropText(id tickets.ID) {
	if i := l.text(id); i >= 0 {
		l.texts = slices.Delete(l.texts, i, i+1)
	}
	delete(l.due, id)
}

func (l *lane) dropState(slot string) {
	delete(l.due, l.states[slot].ID)
	delete(l.states, slot)
	if i := slices.Index(l.order, slot); i >= 0 {
		l.order = slices.Delete(l.order, i, i+1)
	}
}

func (l *lane) cancel(ids []tickets.ID) {
	for _, id := range ids {
		l.dropText(id)
		for slot, w := range l.states {
			if w.ID == id {
				l.dropState(slot)
			}
		}
		l.forget(id)
		l.rooted(id)
	}
	l.poke()
}

// noted takes note that one result of a delivery is on disk.
func (l *lane) noted(id tickets.ID) {
	if m := l.known[id]; m != nil && m.unnoted > 0 {
		m.unnoted--
		l.forget(id)
	}
	l.rooted(id)
}

// rooted has the link read again when the fate of its root has been decided
// elsewhere: it was given up, or its echo came while we thought it had failed.
func (l *lane) rooted(id tickets.ID) {
	if l.link != nil && l.link.Rootless && l.link.Root == id {
		l.stale = true
		l.poke()
	}
}

// forget drops the memory of a delivery that is on disk and that the lane does
// not hold any more. Until then the memory is right and the row may be old: a
// mark that is overwritten carries what stood when that was decided.
func (l *lane) forget(id tickets.ID) {
	m := l.known[id]
	if m == nil || m.unnoted > 0 || l.text(id) >= 0 {
		return
	}
	for _, w := range l.states {
		if w.ID == id {
			return
		}
	}
	if l.said[m.entry] == id {
		delete(l.said, m.entry)
	}
	delete(l.known, id)
}

// memory is what the lane knows of a delivery, to be written to.
func (l *lane) memory(id tickets.ID) *memory {
	m := l.known[id]
	if m == nil {
		m = &memory{}
		l.known[id] = m
	}
	return m
}

func (l *lane) kick() {
	for id, p := range l.due {
		if !p.asked {
			delete(l.due, id)
		}
	}
	l.poke()
}

// next chooses what to do now: the head of the texts, else a state when no
// text is ready. With nothing to do it tells how long to wait.
func (l *lane) next(now time.Time) (d Delivery, ok bool, wait time.Duration) {
	wait = time.Hour
	if len(l.texts) > 0 && l.ready(l.texts[0], now, &wait) {
		return l.texts[0], true, 0
	}
	for _, slot := range l.order {
		if w := l.states[slot]; !l.unsaid(w) && l.ready(w.Delivery, now, &wait) {
			return w.Delivery, true, 0
		}
	}
	return d, false, wait
}

// ready tells whether d may go now, and shortens wait where it may go sooner.
// Where the link waits for its root, nothing but the root goes.
func (l *lane) ready(d Delivery, now time.Time, wait *time.Duration) bool {
	if l.link != nil && !l.stale && waitsForRoot(*l.link, d.ID) {
		return false
	}
	left := l.due[d.ID].until.Sub(now)
	if left <= 0 {
		return true
	}
	*wait = min(*wait, left)
	return false
}

func waitsForRoot(link tickets.Link, id tickets.ID) bool {
	return link.Rootless && link.Root != 0 && link.Root != id
}

// unsaid tells that what a state is about is still to be said here: a card
// cannot be edited nor a line be marked before it stands.
func (l *lane) unsaid(w wish) bool {
	if w.entry == 0 && w.delivery == 0 {
		return false
	}
	return slices.ContainsFunc(l.texts, func(d Delivery) bool {
		return d.Op == Say && (d.ID == w.delivery || w.delivery == 0 && d.Entry == w.entry)
	})
}

// run is the lane's worker; it ends when there is nothing left or ctx ended.
func (l *lane) run(ctx, send context.Context) {
	b := l.b
	for {
		b.mu.Lock()
		if l.empty() || ctx.Err() != nil {
			l.running = false
			b.drop(l)
			b.mu.Unlock()
			return
		}
		_, ok, wait := l.next(time.Now())
		b.mu.Unlock()
		if !ok {
			l.sleep(ctx, wait, l.wake)
			continue
		}
		if b.enter(ctx, l.adapter) {
			l.turn(ctx, send)
			b.leave(l.adapter)
		}
	}
}

// turn makes one attempt. It chooses only now that it may send: while it
// waited, what it saw may have been taken back or overwritten.
func (l *lane) turn(ctx, send context.Context) {
	b := l.b
	b.mu.Lock()
	d, ok, _ := l.next(time.Now())
	kicks := b.kicks[l.adapter]
	b.busy[l.adapter]++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		if b.busy[l.adapter]--; b.busy[l.adapter] == 0 {
			delete(b.busy, l.adapter)
		}
		b.mu.Unlock()
	}()
	if !ok || ctx.Err() != nil {
		return
	}
	res, ok := l.attempt(ctx, send, d)
	if !ok {
		return // nothing was tried
	}
	b.mu.Lock()
	l.settle(&res, kicks)
	b.mu.Unlock()
	b.opt.Report(res)
}

// settle takes a result into the lane; kicks is how often the adapter had been
// kicked when the attempt began.
func (l *lane) settle(res *Result, kicks int) {
	d := res.Delivery
	m := l.memory(d.ID)
	m.unnoted++
	if res.Err == nil || res.Final || res.Err.Kind == chat.Absent {
		m.over = d.Revision
		if d.Op.IsText() {
			l.dropText(d.ID)
		} else if l.states[d.Slot].Revision == d.Revision {
			l.dropState(d.Slot)
		}
		return
	}
	p := pause{until: res.Again.Time(), asked: res.Err.RetryAfter > 0}
	if !p.asked && kicks != l.b.kicks[l.adapter] {
		// It began before the adapter was connected again, and failed for that.
		p.until = time.Now()
		res.Again = tickets.At(p.until)
	}
	if i := l.text(d.ID); d.Op.IsText() && i >= 0 {
		l.texts[i].Attempts, l.texts[i].Parts = d.Attempts, d.Parts
		l.due[d.ID] = p
	} else if w, ok := l.states[d.Slot]; !d.Op.IsText() && ok && w.ID == d.ID {
		if w.Revision == d.Revision {
			w.Attempts = d.Attempts
			l.states[d.Slot] = w
			l.due[d.ID] = p
		} else if p.asked {
			l.due[d.ID] = p
		}
	}
}

// sleep waits, or less when ctx ends or the lane is woken.
func (l *lane) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
}
