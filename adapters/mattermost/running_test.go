package mattermost_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// running is an adapter at work.
type running struct {
	*mattermost.Adapter
	t     testing.TB
	inbox *chattest.Inbox
	stop  func()
	mark  string // before every key: the server knows a key for half a minute
}

func (r *running) key(name string) string { return r.mark + "-" + name }

// start runs an adapter until the test ends, and waits until it has caught up.
func start(t testing.TB, cfg mattermost.Config, rooms []string, inbox *chattest.Inbox, with ...func(*mattermost.Adapter)) *running {
	t.Helper()
	seen := len(inbox.Events())
	r := launch(t, cfg, rooms, inbox, with...)
	r.awaitState(seen, chat.CaughtUp)
	return r
}

func launch(t testing.TB, cfg mattermost.Config, rooms []string, inbox *chattest.Inbox, with ...func(*mattermost.Adapter)) *running {
	t.Helper()
	return launchIn(t, cfg, chat.Env{Name: "tchat", Rooms: rooms, State: inbox, Log: testLog(t)}, inbox, with...)
}

func launchIn(t testing.TB, cfg mattermost.Config, env chat.Env, inbox *chattest.Inbox, with ...func(*mattermost.Adapter)) *running {
	t.Helper()
	a, err := mattermost.New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	mattermost.Hasty(a)
	for _, f := range with {
		f(a)
	}
	return &running{Adapter: a, t: t, inbox: inbox, mark: rand.Text(), stop: chattest.Start(t, a, inbox)}
}

// awaitState waits until the connection is in a state, behind the first seen
// events.
func (r *running) awaitState(seen int, state chat.ConnectionState) {
	r.t.Helper()
	r.await(string(state), func(events []chat.Event) bool {
		return slices.ContainsFunc(events[seen:], func(e chat.Event) bool {
			c, ok := e.(*chat.Connection)
			return ok && c.State == state
		})
	})
}

func (r *running) await(what string, ok func([]chat.Event) bool) {
	r.t.Helper()
	r.inbox.Must(r.t, what, ok)
}

// first waits for an event and gives the first such one.
func first[E chat.Event](r *running, what string, ok func(E) bool) E {
	r.t.Helper()
	return chattest.First(r.t, r.inbox, what, ok)
}

func (r *running) heard(text string) *chat.Posted {
	r.t.Helper()
	return first(r, "the message "+text, func(p *chat.Posted) bool { return !p.From.Self && p.Text == text })
}

// times tells how often a text was stored.
func (r *running) times(text string) int {
	n := 0
	for _, e := range r.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok && !p.From.Self && p.Text == text {
			n++
		}
	}
	return n
}

func place(room, thread string) chat.Place {
	return chat.Place{Adapter: "tchat", Room: room, Thread: thread}
}

// do performs an operation that must succeed.
func (r *running) do(op chat.Op, key string) chat.Receipt {
	r.t.Helper()
	receipt, err := r.Do(deadline(r.t), op, chat.Try{Key: r.key(key), Attempt: 1})
	if err != nil {
		r.t.Fatalf("%T: %v", op, err)
	}
	return receipt
}

func (r *running) say(room, thread, text, key string) chat.Receipt {
	r.t.Helper()
	return r.do(chat.Say{Place: place(room, thread), Content: chat.Content{Text: text}}, key)
}

// refused performs an operation that must fail with an error of a kind, in
// both languages.
func (r *running) refused(op chat.Op, kind chat.Kind) *chat.Error {
	r.t.Helper()
	_, err := r.Do(deadline(r.t), op, chat.Try{Key: r.key("refused"), Attempt: 1})
	var e *chat.Error
	if !errors.As(err, &e) {
		r.t.Fatalf("%T: %v, want a *chat.Error", op, err)
	}
	if e.Kind != kind || e.Reason.FR == "" || e.Reason.EN == "" {
		r.t.Errorf("%T: %v %+v, want %v with reasons", op, e.Kind, e.Reason, kind)
	}
	return e
}

// eventually waits until the peer's view of a room is as wanted.
func (s *site) eventually(t testing.TB, room, what string, ok func([]wirePost) bool) []wirePost {
	t.Helper()
	ctx := deadline(t)
	for {
		posts, err := s.peer.posts(ctx, room)
		if err == nil && ok(posts) {
			return posts
		}
		if tick(ctx) != nil {
			t.Fatalf("never seen: %s (%v); %+v", what, err, posts)
		}
	}
}

// human lets the human do something that must succeed.
func human(t testing.TB) func(id string, err error) string {
	return func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
}
