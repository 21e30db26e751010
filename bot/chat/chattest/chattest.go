// Package chattest is the suite that every adapter passes. A peer that shares
// no code with the adapter plays the human on the same network, Faults make
// the network misbehave, and an Inbox stores events as the bot does. The suite
// knows no network: a World tells it what it needs.
//
// Nothing here sleeps for a fixed time. That something did not happen is seen
// by saying a last line and waiting for that.
package chattest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
)

// ErrCannot is what a Peer returns where its network has no such thing.
var ErrCannot = errors.New("the network cannot do this")

// World is one network, ready to be tried.
type World struct {
	// Name is the adapter's name in the configuration; "world" by default.
	Name string
	// Rooms exist, the bot may enter them and the peer is in them. The first
	// is used by every case; a second one shows that it goes on working while
	// something is wrong with the first.
	Rooms []string
	// New makes an adapter; it is called anew after every stop, with the State
	// of the one before.
	New func(t testing.TB, env chat.Env) (chat.Adapter, error)
	// Peer is the human.
	Peer Peer
	// Faults are what the network can be made to do.
	Faults Faults
	// Cannot names the cases that this network cannot do. A case of this list
	// that passes fails, and so does one that cannot and is not in it.
	Cannot []string
	// Timeout is the longest time for one case; 30 s by default.
	Timeout time.Duration
	// Inbox makes the state of a case; NewInbox where nil.
	Inbox func(t testing.TB) *Inbox
	// Log is the adapters'; discarded where nil.
	Log *slog.Logger
}

// Peer is a human at the network's own client. Rooms, threads and messages are
// named as the adapter names them; where the network gives no identifiers, an
// ID is empty. Each method returns when the network has accepted.
type Peer interface {
	Say(ctx context.Context, room, thread, text string) (id string, err error)
	Edit(ctx context.Context, room, id, text string) error
	Delete(ctx context.Context, room, id string) error
	React(ctx context.Context, room, id, emoji string) error
	Unreact(ctx context.Context, room, id, emoji string) error
	Upload(ctx context.Context, room, thread, text, name string, data []byte) (id string, err error)
	// Press presses the button of a message that has this label.
	Press(ctx context.Context, room, id, label string) error
	// Await gives what the human sees in room, oldest first, as soon as ok
	// holds for it; deleted messages are not seen.
	Await(ctx context.Context, room string, ok func([]Message) bool) ([]Message, error)
}

// Message is a message as a human sees it.
type Message struct {
	ID        string // empty where the network gives none
	Thread    string
	Text      string
	Mine      bool // the peer said it
	Reactions []string
	Files     []File
}

// File is an attachment as a human sees it.
type File struct {
	Name string
	Data []byte
}

// Faults make the network misbehave towards the adapter; people are not
// touched. A nil one says that the network cannot be made to do that.
type Faults struct {
	// Restart stops the server and starts it with the data that it had.
	Restart func(ctx context.Context) error
	// Cut breaks the adapter's connection; it may come back at once.
	Cut func(ctx context.Context) error
	// Refuse makes the server refuse what the bot says in room, or ends it.
	Refuse func(ctx context.Context, room string, on bool) error
	// Slow makes the server answer that the bot is too fast, or ends it.
	Slow func(ctx context.Context, on bool) error
	// RoomGone takes the room away (on), and gives it back.
	RoomGone func(ctx context.Context, room string, gone bool) error
	// Revoke takes the bot's right to speak in room (on), and gives it back.
	Revoke func(ctx context.Context, room string, revoked bool) error
	// DropReceipt: what the bot says next is accepted, and it does not learn.
	DropReceipt func(ctx context.Context) error
	// EchoFirst: the bot hears what it says next before it learns that it was
	// accepted.
	EchoFirst func(ctx context.Context) error
	// Duplicate: the next event of a human comes twice.
	Duplicate func(ctx context.Context) error
	// Reorder: the next two events of humans come in the wrong order.
	Reorder func(ctx context.Context) error
}

// Run runs every case against w.
func Run(t *testing.T, w World) {
	t.Helper()
	if w.Name == "" {
		w.Name = "world"
	}
	if w.Timeout == 0 {
		w.Timeout = 30 * time.Second
	}
	if w.Inbox == nil {
		w.Inbox = func(testing.TB) *Inbox { return NewInbox() }
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	if len(w.Rooms) == 0 {
		t.Fatal("World.Rooms names no room")
	}
	for _, name := range w.Cannot {
		if !slices.ContainsFunc(cases, func(c testCase) bool { return c.name == name }) {
			t.Errorf("World.Cannot names %q, which is no case", name)
		}
	}
	var missing []string
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			expected := slices.Contains(w.Cannot, c.name)
			why := runCase(t, &w, c)
			switch {
			case t.Failed():
			case why != "" && expected:
				missing = append(missing, c.name)
				t.Logf("cannot: %s", why)
			case why != "":
				t.Errorf("cannot, and is not in World.Cannot: %s", why)
			case expected:
				t.Error("passed, but is in World.Cannot: take it out")
			}
		})
	}
	t.Logf("%s: %d cases, %d of them cannot be done there: %s", w.Name, len(cases), len(missing), strings.Join(missing, ", "))
}

// testCase is one row of the suite.
type testCase struct {
	name string
	run  func(*bench)
}

// unable is panicked by bench.cannot and caught by runCase.
type unable struct{ why string }

func runCase(t *testing.T, w *World, c testCase) (why string) {
	ctx, cancel := context.WithTimeout(context.Background(), w.Timeout)
	defer cancel()
	b := &bench{T: t, world: w, ctx: ctx, inbox: w.Inbox(t), room: w.Rooms[0], mark: newToken()}
	defer func() {
		if b.stop != nil {
			b.halt()
		}
		for _, v := range b.inbox.Violations() {
			t.Error(v)
		}
	}()
	defer func() {
		if r := recover(); r != nil {
			u, ok := r.(unable)
			if !ok {
				panic(r)
			}
			why = u.why
		}
	}()
	b.start()
	c.run(b)
	return ""
}

// cannot ends the case: the network has no such thing.
func (b *bench) cannot(format string, args ...any) {
	panic(unable{fmt.Sprintf(format, args...)})
}

// need ends the case where the fault is nil.
func need[F any](b *bench, name string, fault func(context.Context) F) func(context.Context) F {
	if fault == nil {
		b.cannot("the network cannot be made to: %s", name)
	}
	return fault
}
