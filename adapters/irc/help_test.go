package irc_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// bot is an adapter at work, with its inbox.
type bot struct {
	*irc.Adapter
	t     *testing.T
	inbox *chattest.Inbox
	stop  func()
}

// running starts an adapter and waits until it has caught up.
func running(t *testing.T, cfg irc.Config, rooms ...string) *bot {
	t.Helper()
	return resumed(t, chattest.NewInbox(), cfg, rooms...)
}

// resumed goes on with what an inbox holds.
func resumed(t *testing.T, inbox *chattest.Inbox, cfg irc.Config, rooms ...string) *bot {
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

// asShipped stands for the pace of a configuration that says nothing of it.
var asShipped = irc.Flood{Burst: -1}

// launched starts an adapter without waiting.
func launched(t *testing.T, inbox *chattest.Inbox, cfg irc.Config, rooms ...string) *bot {
	t.Helper()
	switch cfg.Flood {
	case irc.Flood{}:
		cfg.Flood.Unlimited = true
	case asShipped:
		cfg.Flood = irc.Flood{}
	}
	a, err := irc.New(cfg, chat.Env{Name: "irc", Rooms: rooms, State: inbox, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	irc.Hasty(a)
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
	return first(b, part, func(p *chat.Posted) bool { return strings.Contains(p.Text, part) })
}

func (b *bot) say(room, text string) (chat.Receipt, error) {
	return b.perform(chat.Say{Place: chat.Place{Adapter: "irc", Room: room}, Content: chat.Content{Text: text}})
}

func (b *bot) perform(op chat.Op) (chat.Receipt, error) {
	b.t.Helper()
	return b.Do(deadline(b.t), op, chat.Try{Key: "key", Attempt: 1})
}

func (b *bot) must(op chat.Op) chat.Receipt {
	b.t.Helper()
	r, err := b.perform(op)
	if err != nil {
		b.t.Fatalf("%T: %v", op, err)
	}
	return r
}

// kindOf is the kind of an error that must be there.
func kindOf(t *testing.T, err error) chat.Kind {
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

func place(room string) chat.Place { return chat.Place{Adapter: "irc", Room: room} }

// line makes somebody write a raw line and waits until the server has worked
// on it.
func (p *peer) line(t *testing.T, line string) {
	t.Helper()
	if err := p.do(deadline(t), line); err != nil {
		t.Fatalf("%s: %v", p.nick, err)
	}
}

// reads waits for a line with part in it.
func (p *peer) reads(t *testing.T, part string) string {
	t.Helper()
	if err := p.awaitLine(deadline(t), 0, part); err != nil {
		t.Fatalf("%s: %v", p.nick, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// login logs somebody in to an account, by SASL behind registration.
func (p *peer) login(t *testing.T, account, password string) {
	t.Helper()
	p.line(t, "CAP REQ :sasl")
	p.line(t, "AUTHENTICATE PLAIN")
	p.line(t, "AUTHENTICATE "+base64.StdEncoding.EncodeToString([]byte(account+"\x00"+account+"\x00"+password)))
	p.reads(t, " 903 ")
}

// quit makes somebody leave, and waits until the server has let go of them.
func (p *peer) quit(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	if err := p.raw("QUIT :bonne nuit"); err != nil {
		t.Fatal(err)
	}
	p.reads(t, "ERROR ")
	conn.Close()
}

func withTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(deadline(t), d)
}
