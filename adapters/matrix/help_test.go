package matrix_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// bot is an adapter at work, with its inbox.
type bot struct {
	*matrix.Adapter
	t     testing.TB
	inbox *chattest.Inbox
	stop  func()
}

// running starts an adapter and waits until it has caught up.
func running(t testing.TB, inbox *chattest.Inbox, cfg matrix.Config, rooms ...string) *bot {
	t.Helper()
	seen := len(inbox.Events())
	b := launched(t, inbox, cfg, rooms...)
	b.await("caught up", func(events []chat.Event) bool {
		for _, e := range events[seen:] {
			if c, ok := e.(*chat.Connection); ok && c.State == chat.CaughtUp {
				return true
			}
		}
		return false
	})
	return b
}

// launched starts an adapter without waiting.
func launched(t testing.TB, inbox *chattest.Inbox, cfg matrix.Config, rooms ...string) *bot {
	t.Helper()
	a, err := matrix.New(cfg, chat.Env{Name: "matrix", Rooms: rooms, Invites: []string{"@camille-*:example.org"}, State: inbox, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	matrix.Hasty(a)
	return &bot{Adapter: a, t: t, inbox: inbox, stop: chattest.Start(t, a, inbox)}
}

func (b *bot) await(what string, ok func([]chat.Event) bool) {
	b.t.Helper()
	b.inbox.Must(b.t, what, ok)
}

// first waits for an event of one type for which ok holds.
func first[E chat.Event](b *bot, what string, ok func(E) bool) E {
	b.t.Helper()
	return chattest.First(b.t, b.inbox, what, ok)
}

// heard waits for words with part in them.
func (b *bot) heard(part string) *chat.Posted {
	b.t.Helper()
	return first(b, part, func(p *chat.Posted) bool { return !p.From.Self && strings.Contains(p.Text, part) })
}

var keys atomic.Int64

func (b *bot) perform(op chat.Op) (chat.Receipt, error) {
	b.t.Helper()
	return b.Do(deadline(b.t), op, chat.Try{Key: fmt.Sprintf("key%d", keys.Add(1)), Attempt: 1})
}

func (b *bot) must(op chat.Op) chat.Receipt {
	b.t.Helper()
	r, err := b.perform(op)
	if err != nil {
		b.t.Fatalf("%T: %v", op, err)
	}
	return r
}

func place(room string) chat.Place { return chat.Place{Adapter: "matrix", Room: room} }

func says(room, text string) chat.Say {
	return chat.Say{Place: place(room), Content: chat.Content{Text: text}}
}

// kindOf is the kind of an error that must be there.
func kindOf(t testing.TB, err error) chat.Kind {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	e := chat.AsError(err)
	if e.Reason.FR == "" || e.Reason.EN == "" {
		t.Errorf("an error without words: %v", err)
	}
	return e.Kind
}
