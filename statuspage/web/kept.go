package web

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

const (
	freshFor   = 5 * time.Second // how long what was read stands without asking again
	retryAfter = 5 * time.Second // between attempts at a failing source
	readWithin = 2 * time.Second // a source that is slower counts as failing
	keptMost   = 256             // entries of one kind, and renderings
)

// kept remembers the last good answers of a source. While the source fails
// they are given on, with the time when they were read. One caller reads, the
// others are given what is there meanwhile.
type kept[K comparable, V any] struct {
	now func() time.Time
	log *slog.Logger
	// versions counts the values that differed from the one before, of all
	// that a site keeps: a page may be made of one or the other.
	versions *atomic.Uint64

	mu      sync.Mutex
	cells   map[K]*cell[V]
	gen     uint64 // grows with forget
	failing bool   // so that an outage is logged once
}

type cell[V any] struct {
	value   V
	version uint64
	known   bool      // value was read
	read    time.Time // when it was
	next    time.Time // when to ask again
	gen     uint64
	stale   bool          // the last attempt failed
	busy    chan struct{} // closed when the reader has finished; nil while none reads
}

// reading is what is known.
type reading[V any] struct {
	value V
	found bool
	// since is when the value was read, zero as long as the source answers.
	since   time.Time
	version uint64
}

// stamp is that of a rendering of the reading alone.
func (r reading[V]) stamp() stamp {
	st := stamp{version: r.version}
	if !r.since.IsZero() {
		st.since = r.since.UnixMilli()
	}
	return st
}

func newKept[K comparable, V any](now func() time.Time, log *slog.Logger, versions *atomic.Uint64) *kept[K, V] {
	return &kept[K, V]{now: now, log: log, versions: versions, cells: map[K]*cell[V]{}}
}

// forget makes the next get of every key read again. What is kept stays for
// when that fails.
func (k *kept[K, V]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gen++
}

// get gives the value of a key, read by load where it is not known or no
// longer fresh. load reports false for what does not exist, which is not kept:
// guessed keys must not fill the memory. The error is load's, where nothing
// is known to give instead.
func (k *kept[K, V]) get(ctx context.Context, key K, load func(context.Context) (V, bool, error)) (reading[V], error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		e := k.cells[key]
		if e == nil {
			e = &cell[V]{}
			k.makeRoom()
			k.cells[key] = e
		}
		if e.known && (e.busy != nil || e.gen == k.gen && k.now().Before(e.next)) {
			return e.reading(), nil
		}
		if e.busy == nil {
			return k.load(ctx, key, e, load)
		}
		busy := e.busy
		k.mu.Unlock()
		select {
		case <-busy:
			k.mu.Lock()
		case <-ctx.Done():
			k.mu.Lock()
			return reading[V]{}, ctx.Err()
		}
	}
}

// load reads with the lock released.
func (k *kept[K, V]) load(ctx context.Context, key K, e *cell[V], load func(context.Context) (V, bool, error)) (reading[V], error) {
	gen := k.gen
	busy := make(chan struct{})
	e.busy = busy
	k.mu.Unlock()
	// Others wait for this: it must not fail because this one's reader left.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), readWithin)
	value, found, err := load(within)
	cancel()
	k.mu.Lock()
	e.busy = nil
	close(busy)
	k.note(err)
	switch {
	case err != nil && !e.known:
		delete(k.cells, key)
		return reading[V]{}, err
	case err != nil:
		e.stale, e.gen, e.next = true, gen, k.now().Add(retryAfter)
		return e.reading(), nil
	case !found:
		delete(k.cells, key)
		return reading[V]{}, nil
	}
	if !e.known || !reflect.DeepEqual(e.value, value) {
		e.value, e.version = value, k.versions.Add(1)
	}
	now := k.now()
	e.known, e.stale, e.gen, e.read, e.next = true, false, gen, now, now.Add(freshFor)
	return e.reading(), nil
}

func (e *cell[V]) reading() reading[V] {
	r := reading[V]{value: e.value, found: true, version: e.version}
	if e.stale {
		r.since = e.read
	}
	return r
}

func (k *kept[K, V]) note(err error) {
	switch {
	case err != nil && !k.failing:
		k.log.Warn("status page cannot read its source; showing what was read before", "err", err)
	case err == nil && k.failing:
		k.log.Info("status page reads its source again")
	}
	k.failing = err != nil
}

// makeRoom drops any entry that nobody reads, where there are too many.
func (k *kept[K, V]) makeRoom() {
	if len(k.cells) < keptMost {
		return
	}
	for key, e := range k.cells {
		if e.busy == nil {
			delete(k.cells, key)
			return
		}
	}
}

// shelf has renderings.
type shelf struct {
	mu   sync.Mutex
	docs map[rendering]shelved
}

type shelved struct {
	stamp stamp
	doc   *document
}

func newShelf() *shelf { return &shelf{docs: map[rendering]shelved{}} }

func (s *shelf) get(key rendering, st stamp) (*document, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.docs[key]
	return d.doc, ok && d.stamp == st
}

func (s *shelf) put(key rendering, st stamp, d *document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.docs[key]; !known && len(s.docs) >= keptMost {
		for other := range s.docs {
			delete(s.docs, other)
			break
		}
	}
	s.docs[key] = shelved{st, d}
}
