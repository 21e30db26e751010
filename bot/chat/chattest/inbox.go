package chattest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"permanence/bot/chat"
)

// ErrRefused is what Handle returns while Refuse is in force.
var ErrRefused = errors.New("the inbox refuses for now")

// Inbox stores events in memory as the bot's inbox does on disk: it is both
// the Handler and the State of an adapter, stores each (room, ID, revision)
// once and keeps the cursor with the events that it came with.
type Inbox struct {
	// OpenDB is State.DB; without it DB is an error.
	OpenDB func() (db *sql.DB, dialect string, err error)

	mu         sync.Mutex
	events     []chat.Event
	seen       map[eventKey]struct{}
	doubles    int
	refuse     int
	cursors    map[string]string
	values     map[string][]byte
	raws       map[string][]byte
	violations []string
	changed    chan struct{}
}

type eventKey struct{ room, id, revision string }

// NewInbox makes an empty inbox.
func NewInbox() *Inbox {
	return &Inbox{
		seen: make(map[eventKey]struct{}), cursors: make(map[string]string), values: make(map[string][]byte),
		raws: make(map[string][]byte), changed: make(chan struct{}),
	}
}

// Handle stores events and cursor, or nothing.
func (i *Inbox) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	defer func() {
		close(i.changed)
		i.changed = make(chan struct{})
	}()
	if i.refuse > 0 {
		i.refuse--
		return ErrRefused
	}
	for _, e := range events {
		if err := i.store(e); err != nil {
			return err
		}
	}
	if cursor.Name != "" {
		i.cursors[cursor.Name] = cursor.Value
	}
	return nil
}

func (i *Inbox) store(e chat.Event) error {
	h := e.Head()
	key := eventKey{h.Room, h.ID, h.Revision}
	if _, ok := i.seen[key]; ok {
		i.doubles++
		return nil
	}
	i.check(e)
	if p, ok := e.(*chat.Posted); ok && p.Raw != nil {
		r, err := p.Raw.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		if i.raws[p.Raw.Hash], err = io.ReadAll(r); err != nil {
			return err
		}
	}
	i.seen[key] = struct{}{}
	i.events = append(i.events, e)
	return nil
}

// check notes what no adapter may hand in.
func (i *Inbox) check(e chat.Event) {
	h := e.Head()
	bad := func(format string, args ...any) {
		i.violations = append(i.violations, fmt.Sprintf("%T %q: ", e, h.ID)+fmt.Sprintf(format, args...))
	}
	if h.ID == "" {
		bad("no ID")
	}
	kind, body, err := chat.EncodeEvent(e)
	if err != nil {
		bad("%v", err)
		return
	}
	back, err := chat.DecodeEvent(kind, body)
	if err != nil {
		bad("%v", err)
		return
	}
	if _, again, err := chat.EncodeEvent(back); err != nil || !bytes.Equal(body, again) {
		bad("does not survive being stored: %s, then %s (%v)", body, again, err)
	}
	if !utf8.Valid(body) {
		bad("is not UTF-8")
	}
	switch e := e.(type) {
	case *chat.Connection, *chat.Outcome, *chat.Left:
		return
	case *chat.Posted:
		if e.Unreadable && e.Text != "" {
			bad("unreadable, and has a text")
		}
	case *chat.Edited:
		if h.Revision == "" {
			bad("an edit without revision")
		}
	}
	if h.Room == "" {
		bad("no room")
	}
	if h.From.ID == "" {
		bad("from nobody")
	}
}

// Refuse makes the next count calls of Handle fail and store nothing.
func (i *Inbox) Refuse(count int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refuse = count
}

// Refusing tells how many calls of Handle will still fail.
func (i *Inbox) Refusing() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.refuse
}

// Doubles tells how many events were offered that were there already.
func (i *Inbox) Doubles() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.doubles
}

// Violations tells what the adapter handed in and may not.
func (i *Inbox) Violations() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.violations)
}

// Events gives what is stored, in order of arrival.
func (i *Inbox) Events() []chat.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.events)
}

// Cursors gives every cursor.
func (i *Inbox) Cursors() map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.cursors)
}

// Await waits until ok holds for the stored events or ctx ends; ok is asked
// again whenever something arrived, a refused call too.
func (i *Inbox) Await(ctx context.Context, ok func([]chat.Event) bool) error {
	for {
		i.mu.Lock()
		events, changed := slices.Clone(i.events), i.changed
		i.mu.Unlock()
		if ok(events) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Get is part of chat.State.
func (i *Inbox) Get(_ context.Context, key string) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.values[key]), nil
}

// Put is part of chat.State.
func (i *Inbox) Put(_ context.Context, key string, value []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.values[key] = append([]byte{}, value...)
	return nil
}

// Delete is part of chat.State.
func (i *Inbox) Delete(_ context.Context, key string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.values, key)
	return nil
}

// Cursor is part of chat.State.
func (i *Inbox) Cursor(_ context.Context, name string) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cursors[name], nil
}

// Raw is part of chat.State.
func (i *Inbox) Raw(_ context.Context, hash string) (io.ReadCloser, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	data, ok := i.raws[hash]
	if !ok {
		return nil, fmt.Errorf("no original %s", hash)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// DB is part of chat.State.
func (i *Inbox) DB(context.Context) (*sql.DB, string, error) {
	if i.OpenDB == nil {
		return nil, "", errors.New("this inbox has no database: set World.Inbox and OpenDB")
	}
	return i.OpenDB()
}
