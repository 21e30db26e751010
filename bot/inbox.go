package bot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
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
		time.AfterFunc(300*time.Millisecond, func() { _ = b.accept(late, in.adapter, rows, kept, cursor) })
	} else if len(rows) > 0 || cursor.Name != "" {
		if err := b.accept(ctx, in.adapter, rows, kept, cursor); err != nil {
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

// accept commits rows and hands those that are new to the decider. The lock
// keeps the order in memory that of the IDs.
func (b *Bot) accept(ctx context.Context, adapter string, rows []InboxRow, events []chat.Event, cursor chat.Cursor) error {
	b.queue.store.Lock()
	defer b.queue.store.Unlock()
	err := b.store.Update(ctx, func(tx Tx) error {
		if err := tx.StoreEvents(rows); err != nil {
			return err
		}
		if cursor.Name != "" {
			return tx.SetCursor(adapter, cursor)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store events: %w", err)
	}
	for i, row := range rows {
		if row.ID != 0 {
			b.queue.event(row, events[i])
		} else if answer := responder(events[i]); answer != nil {
			answer(chat.Answer{}) // the same press offered twice
		}
	}
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
	store sync.Mutex // held while rows are stored, so that order stays

	mu       sync.Mutex
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

func (q *queue) result(r outbox.Result) {
	q.mu.Lock()
	q.results = append(q.results, r)
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

// take empties the queue, at most limit events.
func (q *queue) take(limit int) (evs []waiting, res []outbox.Result, reqs []request, load bool, after tickets.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(limit, len(q.events))
	evs = q.events[:n:n]
	q.events = q.events[n:]
	if len(q.events) == 0 {
		q.events = nil
	}
	res, q.results = q.results, nil
	reqs, q.requests = q.requests, nil
	return evs, res, reqs, len(evs) == 0 && q.overflow, q.last
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

// boxSource is what the outbox reads of the store.
type boxSource struct{ s Store }

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

func (s boxSource) CountAttempt(ctx context.Context, id tickets.ID, attempts int) error {
	return s.s.Update(ctx, func(tx Tx) error {
		d, err := tx.Delivery(id)
		if err != nil {
			return err
		}
		d.Attempts = attempts
		return tx.UpdateDelivery(d)
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
