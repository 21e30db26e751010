package bot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/internal/failpoint"
	"permanence/tickets"
)

// inlet is the Handler of one adapter.
type inlet struct {
	b       *Bot
	adapter string
}

// Handle stores the events and the cursor in one transaction. News of the
// connection is not stored: it is true only now.
func (in inlet) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	failpoint.Hit("inbox.accepted")
	b := in.b
	now := b.now()
	var rows []InboxRow
	var kept []chat.Event
	var news []*chat.Connection
	for _, ev := range events {
		if c, ok := ev.(*chat.Connection); ok {
			news = append(news, c)
			continue
		}
		m := ev.Head()
		if failpoint.On("inbox-key") && cursor.Name == "" {
			m.ID += fmt.Sprintf(" %d", time.Now().UnixNano()) // nothing keeps out what is offered twice
		}
		if ours(ev) {
			continue
		}
		kind, body, err := chat.EncodeEvent(ev)
		if err != nil {
			return err
		}
		row := InboxRow{Adapter: in.adapter, Room: clean(m.Room), EventID: clean(m.ID), Revision: clean(m.Revision),
			Kind: kind, Body: string(body), Received: now}
		if p, ok := ev.(*chat.Posted); ok && p.Raw != nil {
			if err := b.storeRaw(ctx, p.Raw); err != nil {
				return fmt.Errorf("store original: %w", err)
			}
			row.Raw = p.Raw.Hash
		}
		rows = append(rows, row)
		kept = append(kept, ev)
	}
	if failpoint.On("sync") {
		late := context.WithoutCancel(ctx)
		time.AfterFunc(300*time.Millisecond, func() { _ = b.accept(late, arrival{adapter: in.adapter, rows: rows, events: kept, cursor: cursor}) })
	} else if len(rows) > 0 || cursor.Name != "" {
		if err := b.receive(ctx, arrival{in.adapter, rows, kept, cursor, make(chan error, 1)}); err != nil {
			return err
		}
	}
	failpoint.Hit("inbox.stored")
	if len(rows) > 0 && cursor.Name == "" {
		failpoint.Hit("inbox.answering") // a mail server that waits for its 250
	}
	for _, c := range news {
		b.connection(in.adapter, *c)
	}
	return nil
}

// ours tells whether an event is the echo of something of our own that decides
// nothing: only our messages are looked at, for the key that they carry.
func ours(ev chat.Event) bool {
	switch ev.(type) {
	case *chat.Edited, *chat.Deleted, *chat.Reacted, *chat.Unreacted:
		return ev.Head().From.Self
	}
	return false
}

// arrival is what one call of Handle brought.
type arrival struct {
	adapter string
	rows    []InboxRow
	events  []chat.Event
	cursor  chat.Cursor
	done    chan error // of the decider, where it took the whole
}

// store inserts the events and the cursor. Where they are decided in the same
// transaction, those without an original are stored as decided, and so without
// a body.
func (a arrival) store(tx Tx, decided bool) error {
	rows := slices.Clone(a.rows)
	for i := range rows {
		if decided && rows[i].Raw == "" {
			rows[i].State, rows[i].Body = eventDecided, ""
		}
	}
	if err := tx.StoreEvents(rows); err != nil {
		return err
	}
	for i := range rows {
		a.rows[i].ID = rows[i].ID
	}
	if a.cursor.Name != "" {
		return tx.SetCursor(a.adapter, a.cursor)
	}
	return nil
}

// again answers what was offered twice and is decided already.
func (a arrival) again() {
	for i, row := range a.rows {
		if answer := responder(a.events[i]); row.ID == 0 && answer != nil {
			answer(chat.Answer{})
		}
	}
}

// receive stores what arrived. A decider that has nothing else to do stores
// and decides in one transaction; where that fails, and in a flood, events are
// stored here and decided in groups.
func (b *Bot) receive(ctx context.Context, a arrival) error {
	b.queue.arriving.Add(1)
	defer b.queue.arriving.Add(-1)
	if b.queue.offer(a) {
		select {
		case err := <-a.done:
			if err == nil || errors.Is(err, ErrAway) || errors.Is(err, ErrFull) {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return b.accept(ctx, a)
}

// accept commits rows and hands those that are new to the decider. The lock
// keeps the order in memory that of the IDs.
func (b *Bot) accept(ctx context.Context, a arrival) error {
	b.queue.store.Lock()
	defer b.queue.store.Unlock()
	if err := b.store.Update(ctx, func(tx Tx) error { return a.store(tx, false) }); err != nil {
		if errors.Is(err, ErrAway) {
			b.queue.look() // they may be stored all the same, and known when they are offered again
		}
		return fmt.Errorf("store events: %w", err)
	}
	for i, row := range a.rows {
		if row.ID != 0 {
			b.queue.event(row, a.events[i])
		}
	}
	a.again()
	return nil
}

func (b *Bot) storeRaw(ctx context.Context, raw *chat.Raw) error {
	r, err := raw.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, _, err = b.store.PutBlob(ctx, raw.Hash, r)
	return err
}

// clean makes a string that both databases store as it is.
func clean(s string) string { return chat.Clean(s) }

// responder is the Respond of an event that has one.
func responder(ev chat.Event) func(chat.Answer) {
	switch e := ev.(type) {
	case *chat.Slash:
		return e.Respond
	case *chat.Pressed:
		return e.Respond
	case *chat.Submitted:
		return e.Respond
	}
	return nil
}

// waiting is an event not yet decided.
type waiting struct {
	row   InboxRow
	event chat.Event // nil: to be decoded from the row
}

// queueLimit is how many undecided events wait in memory; more wait in the
// database alone.
const queueLimit = 4096

// queue is what the decider takes from: events in the order of their rows,
// results of deliveries, and requests of the program itself.
type queue struct {
	store    sync.Mutex   // held while rows are stored, so that order stays
	arriving atomic.Int32 // calls of Handle under way

	mu       sync.Mutex
	idle     bool     // the decider waits for something to do
	whole    *arrival // to be stored and decided at once
	events   []waiting
	results  []outbox.Result
	requests []request
	overflow bool       // more events wait in the database, above last
	last     tickets.ID // of the newest event queued in memory
	wake     chan struct{}
}

// request is something the program asks of the decider: a subcommand.
type request struct {
	f    func(*Turn) error
	done chan error
}

// offer hands an arrival to a decider that has nothing else to do.
func (q *queue) offer(a arrival) bool {
	q.mu.Lock()
	ok := q.idle && q.whole == nil && len(q.events) == 0 && !q.overflow && q.arriving.Load() == 1
	if ok {
		q.whole = &a
	}
	q.mu.Unlock()
	if ok {
		q.poke()
	}
	return ok
}

// waits tells whether events wait in memory.
func (q *queue) waits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events) > 0
}

// rest says whether the decider waits for something to do.
func (q *queue) rest(idle bool) {
	q.mu.Lock()
	q.idle = idle
	q.mu.Unlock()
}

func (q *queue) event(row InboxRow, ev chat.Event) {
	q.mu.Lock()
	if q.overflow || len(q.events) >= queueLimit {
		q.overflow = true
	} else {
		q.events = append(q.events, waiting{row, ev})
		q.last = row.ID
	}
	q.mu.Unlock()
	q.poke()
}

// noteDelay is how long a result waits for company: what arrives meanwhile is
// committed with it, and an event that follows close on an answer need not wait
// for a commit of its own. A kill in this time may have a message said twice
// where the network carries no key, so it is short.
const noteDelay = time.Millisecond

func (q *queue) result(r outbox.Result) {
	q.mu.Lock()
	q.results = append(q.results, r)
	first := len(q.results) == 1
	q.mu.Unlock()
	if first {
		time.AfterFunc(noteDelay, q.poke)
	}
}

// look has the waiting events read from the database.
func (q *queue) look() {
	q.mu.Lock()
	q.overflow = true
	q.mu.Unlock()
	q.poke()
}

func (q *queue) request(r request) {
	q.mu.Lock()
	q.requests = append(q.requests, r)
	q.mu.Unlock()
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// work is what the decider takes from the queue at once.
type work struct {
	events   []waiting
	results  []outbox.Result
	requests []request
	whole    *arrival
	// load: no events are here, and some wait in the database above after.
	load  bool
	after tickets.ID
}

func (w work) empty() bool {
	return len(w.events)+len(w.results)+len(w.requests) == 0 && w.whole == nil
}

// take empties the queue, at most limit events.
func (q *queue) take(limit int) (w work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.events = q.first(limit)
	w.results, q.results = q.results, nil
	w.requests, q.requests = q.requests, nil
	w.whole, q.whole = q.whole, nil
	w.load, w.after = len(w.events) == 0 && q.overflow, q.last
	return w
}

// first takes events alone; q.mu is held.
func (q *queue) first(limit int) []waiting {
	n := min(limit, len(q.events))
	evs := q.events[:n:n]
	q.events = q.events[n:]
	if len(q.events) == 0 {
		q.events = nil
	}
	return evs
}

// refill puts events read from the database into the empty queue; a short read
// ends the overflow.
func (q *queue) refill(rows []InboxRow, short bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range rows {
		q.events = append(q.events, waiting{row: r})
		q.last = r.ID
	}
	if short {
		q.overflow = false
	}
}

// Request runs f in the decider, in a transaction of its own, and waits for
// it: the way in for subcommands and pages.
func (b *Bot) Request(ctx context.Context, f func(*Turn) error) error {
	r := request{f: f, done: make(chan error, 1)}
	b.queue.request(r)
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// boxSource is what the outbox reads of the store, and the way to the decider.
type boxSource struct {
	s      Store
	decide func(context.Context, func(*Turn) error) error
}

func (s boxSource) Link(ctx context.Context, id tickets.ID) (l tickets.Link, err error) {
	err = s.s.View(ctx, func(tx Tx) error { l, err = tx.Link(id); return err })
	return l, err
}

func (s boxSource) Remotes(ctx context.Context, link, entry tickets.ID) (ids []string, err error) {
	err = s.s.View(ctx, func(tx Tx) error {
		cs, err := tx.Copies(entry)
		for _, c := range cs {
			if c.Link == link {
				ids = append(ids, c.Remote)
			}
		}
		return err
	})
	return ids, err
}

func (s boxSource) DeliveryRemotes(ctx context.Context, id tickets.ID) (ids []string, err error) {
	err = s.s.View(ctx, func(tx Tx) error {
		d, err := tx.Delivery(id)
		ids = d.Remotes()
		return err
	})
	return ids, err
}

func (s boxSource) Recipients(ctx context.Context, id tickets.ID) (rs []outbox.Recipient, err error) {
	err = s.s.View(ctx, func(tx Tx) error { rs, err = tx.Recipients(id); return err })
	return rs, err
}

// CountAttempt goes through the decider: a row that it changes must not be
// overwritten by what was read of it before.
func (s boxSource) CountAttempt(ctx context.Context, id tickets.ID, attempts int) error {
	return s.decide(ctx, func(t *Turn) error {
		d, err := t.Tx.Delivery(id)
		if err != nil {
			return err
		}
		if !d.State.Open() {
			return fmt.Errorf("delivery %d needs no further attempt: it is %s", id, d.State)
		}
		d.Attempts = attempts
		return t.Tx.UpdateDelivery(d)
	})
}

func (s boxSource) OpenFile(ctx context.Context, id tickets.ID) (io.ReadCloser, error) {
	var f tickets.File
	err := s.s.View(ctx, func(tx Tx) (err error) { f, err = tx.File(id); return err })
	if err != nil {
		return nil, err
	}
	switch f.State {
	case tickets.FileStored:
		return s.s.OpenBlob(ctx, f.Blob)
	case tickets.FileWanted:
		return nil, outbox.ErrFileWanted
	}
	return nil, &chat.Error{Kind: chat.Permanent, Err: errors.New("file lost"), Reason: chat.Text{
		FR: "le fichier « " + f.Name + " » n’a pas pu être lu", EN: "the file “" + f.Name + "” could not be read"}}
}

// awayPause is how long the decider waits before it asks again for a database
// that is away.
const awayPause = 500 * time.Millisecond

// RetryAside puts an event that was set aside back among the waiting and has
// it decided. ErrNotFound where no such event is set aside.
func (b *Bot) RetryAside(ctx context.Context, id tickets.ID) error {
	return b.Request(ctx, func(t *Turn) error {
		if err := t.Tx.RetryAside(id); err != nil {
			return err
		}
		rows, err := t.Tx.WaitingEvents(id-1, 1)
		if err != nil {
			return err
		}
		t.After(func() {
			b.queue.mu.Lock()
			defer b.queue.mu.Unlock()
			for _, r := range rows {
				b.queue.events = append(b.queue.events, waiting{row: r})
			}
		})
		t.After(b.queue.poke)
		return nil
	})
}
