package chattest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
)

// endWithin is how long Run may take to return after its context ended.
const endWithin = 5 * time.Second

// bench is one case at work.
type bench struct {
	*testing.T
	world   *World
	ctx     context.Context
	inbox   *Inbox
	adapter chat.Adapter
	room    string
	mark    string // in every text of this case, and nowhere else
	count   int
	stop    context.CancelFunc // nil: no adapter runs
	ended   chan error
}

func newToken() string { return "q" + strings.ToLower(rand.Text()[:8]) }

// token gives a new word that nobody ever said.
func (b *bench) token() string {
	b.count++
	return fmt.Sprintf("%sx%d", b.mark, b.count)
}

// key gives a new delivery key.
func (b *bench) key() string { return "key-" + b.token() }

// start runs a new adapter with the state of the one before, and waits until
// it has caught up.
func (b *bench) start() {
	b.Helper()
	a, err := b.world.New(b, chat.Env{Name: b.world.Name, Rooms: b.world.Rooms, State: b.inbox, Log: b.world.Log})
	if err != nil {
		b.Fatalf("New: %v", err)
	}
	seen := len(b.inbox.Events())
	ctx, cancel := context.WithCancel(context.Background())
	b.adapter, b.stop, b.ended = a, cancel, make(chan error, 1)
	go func() { b.ended <- a.Run(ctx, b.inbox) }()
	b.awaitCaughtUp(seen)
}

// halt ends the running adapter and wants Run to return nil soon.
func (b *bench) halt() {
	b.Helper()
	b.stop()
	b.stop = nil
	limit := min(endWithin, b.world.Timeout)
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case err := <-b.ended:
		if err != nil {
			b.Errorf("Run returned %v after its context ended, want nil", err)
		}
	case <-late.C:
		b.Errorf("Run did not return within %v after its context ended", limit)
	}
}

// awaitCaughtUp waits for a caught-up event behind the first seen events.
func (b *bench) awaitCaughtUp(seen int) {
	b.Helper()
	b.await("connected and caught up", func(events []chat.Event) bool {
		state := connectionStates(events[seen:])
		return len(state) > 0 && state[len(state)-1] == chat.CaughtUp
	})
}

func connectionStates(events []chat.Event) []chat.ConnectionState {
	var states []chat.ConnectionState
	for _, e := range events {
		if c, ok := e.(*chat.Connection); ok {
			states = append(states, c.State)
		}
	}
	return states
}

// await waits for something to be in the inbox.
func (b *bench) await(what string, ok func([]chat.Event) bool) {
	b.Helper()
	if err := b.inbox.Await(b.ctx, ok); err != nil {
		var got []string
		for _, e := range b.inbox.Events() {
			kind, body, _ := chat.EncodeEvent(e)
			if len(body) > 300 {
				body = body[:300]
			}
			got = append(got, kind+" "+string(body))
		}
		b.Fatalf("never arrived: %s; the inbox has\n%s", what, strings.Join(got, "\n"))
	}
}

// find gives the stored events of one type for which ok holds.
func find[E chat.Event](events []chat.Event, ok func(E) bool) []E {
	var found []E
	for _, e := range events {
		if e, is := e.(E); is && ok(e) {
			found = append(found, e)
		}
	}
	return found
}

// awaitOne waits for an event and gives the first.
func awaitOne[E chat.Event](b *bench, what string, ok func(E) bool) E {
	b.Helper()
	var found []E
	b.await(what, func(events []chat.Event) bool {
		found = find(events, ok)
		return len(found) > 0
	})
	return found[0]
}

// heard waits for a human's message with the token.
func (b *bench) heard(token string) *chat.Posted {
	b.Helper()
	return awaitOne(b, "the message "+token, func(p *chat.Posted) bool { return !p.From.Self && hasWord(p.Text, token) })
}

// heardOnce wants exactly one message with the token, now.
func (b *bench) heardOnce(token string) {
	b.Helper()
	found := find(b.inbox.Events(), func(p *chat.Posted) bool { return !p.From.Self && hasWord(p.Text, token) })
	if len(found) != 1 {
		b.Errorf("the message %s was stored %d times, want once", token, len(found))
	}
}

// settle lets everything before it arrive on both sides: what is not there
// afterwards will not come.
func (b *bench) settle() {
	b.Helper()
	in, out := b.token(), b.token()
	b.say(in)
	b.heard(in)
	b.retry(chat.Say{Place: b.place(), Content: chat.Content{Text: out}})
	b.sees(out)
}

func (b *bench) place() chat.Place { return chat.Place{Adapter: b.world.Name, Room: b.room} }

// say lets the human speak in the room.
func (b *bench) say(text string) string {
	b.Helper()
	return must(b, "Say")(b.world.Peer.Say(b.ctx, b.room, "", text))
}

// must fails the case on an error of the peer, or ends it where the network
// cannot.
func must(b *bench, what string) func(string, error) string {
	return func(id string, err error) string {
		b.Helper()
		b.did(what, err)
		return id
	}
}

func (b *bench) did(what string, err error) {
	b.Helper()
	if errors.Is(err, ErrCannot) {
		b.cannot("the peer's client has no %s", what)
	}
	if err != nil {
		b.Fatalf("peer, %s: %v", what, err)
	}
}

// do performs an operation that must succeed at the first attempt.
func (b *bench) do(op chat.Op) chat.Receipt {
	b.Helper()
	r, err := b.adapter.Do(b.ctx, op, chat.Try{Key: b.key(), Attempt: 1})
	if err != nil {
		b.Fatalf("%T: %v", op, err)
	}
	return r
}

// botSays makes the bot speak and checks the receipt.
func (b *bench) botSays(text string) chat.Receipt {
	b.Helper()
	r := b.do(chat.Say{Place: b.place(), Content: chat.Content{Text: text}})
	b.checkParts(r)
	return r
}

func (b *bench) checkParts(r chat.Receipt) {
	b.Helper()
	if len(r.Parts) == 0 {
		b.Fatal("a receipt without parts")
	}
	seen := make(map[string]bool)
	for _, p := range r.Parts {
		if p.ID == "" || seen[p.ID] {
			b.Fatalf("parts %+v: an ID is empty or twice there", r.Parts)
		}
		seen[p.ID] = true
	}
}

// retry performs an operation under one key until it succeeds, as the outbox
// does. Between attempts it waits as long as the adapter asks.
func (b *bench) retry(op chat.Op) chat.Receipt {
	b.Helper()
	try := chat.Try{Key: b.key()}
	for {
		try.Attempt++
		r, err := b.adapter.Do(b.ctx, op, try)
		if err == nil {
			return r
		}
		e := chat.AsError(err)
		if e.Kind == chat.Permanent {
			b.Fatalf("%T: %v", op, err)
		}
		for _, p := range e.Receipt.Parts[min(len(try.Done), len(e.Receipt.Parts)):] {
			try.Done = append(try.Done, p.ID)
		}
		try.PartsDone = len(try.Done)
		pause := time.NewTimer(max(e.RetryAfter, 20*time.Millisecond))
		select {
		case <-b.ctx.Done():
			pause.Stop()
			b.Fatalf("%T never succeeded, last: %v", op, err)
		case <-pause.C:
		}
	}
}

// fails wants an operation to fail with an error that people can read.
func (b *bench) fails(op chat.Op, kinds ...chat.Kind) *chat.Error {
	b.Helper()
	_, err := b.adapter.Do(b.ctx, op, chat.Try{Key: b.key(), Attempt: 1})
	if err == nil {
		b.Fatalf("%T succeeded, want an error", op)
	}
	var e *chat.Error
	if !errors.As(err, &e) {
		b.Fatalf("%T: %v is no *chat.Error", op, err)
	}
	if e.Reason.FR == "" || e.Reason.EN == "" {
		b.Errorf("%T: the error %v has no reason to read in both languages: %+v", op, err, e.Reason)
	}
	for _, k := range kinds {
		if e.Kind == k {
			return e
		}
	}
	if len(kinds) > 0 {
		b.Errorf("%T: error of kind %v, want one of %v", op, e.Kind, kinds)
	}
	return e
}

// awaitSeen waits until the human sees something.
func (b *bench) awaitSeen(room, what string, ok func([]Message) bool) []Message {
	b.Helper()
	list, err := b.world.Peer.Await(b.ctx, room, ok)
	if err != nil {
		if len(list) > 20 {
			list = list[len(list)-20:]
		}
		b.Fatalf("the human never saw: %s (%v); last seen: %.2000v", what, err, list)
	}
	return list
}

// sees waits until the human sees a message of the bot with the token.
func (b *bench) sees(token string) Message {
	b.Helper()
	var seen Message
	b.awaitSeen(b.room, "the bot's message "+token, func(list []Message) bool {
		for _, m := range list {
			if !m.Mine && hasWord(m.Text, token) {
				seen = m
				return true
			}
		}
		return false
	})
	return seen
}

// seenTimes tells how often the human sees the token now.
func (b *bench) seenTimes(token string) int {
	b.Helper()
	n := 0
	for _, m := range b.awaitSeen(b.room, "anything", func([]Message) bool { return true }) {
		if !m.Mine && hasWord(m.Text, token) {
			n++
		}
	}
	return n
}

// hasWord tells whether text has word among its words.
func hasWord(text, word string) bool {
	for _, f := range strings.Fields(text) {
		if f == word {
			return true
		}
	}
	return false
}

// same compares texts but for white space, which networks fold and cut at.
func same(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}
