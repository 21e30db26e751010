package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

// stage is what stands around a Box in a test: an adapter that follows a
// script, a store in memory, and a decider that notes what is reported.
type stage struct {
	t    *testing.T
	box  *Box
	end  context.CancelFunc
	over chan struct{}

	mu         sync.Mutex
	caps       chat.Caps
	links      map[tickets.ID]tickets.Link
	entries    map[tickets.ID][]string // on disk
	rows       map[tickets.ID][]string // on disk, by delivery
	recipients map[tickets.ID][]Recipient
	files      map[tickets.ID]error
	calls      []call
	heard      []string // counts and calls, in order
	results    []Result
	unnoted    []Result
	hold       bool // notes wait for note()
	// script answers a call; nil: it works.
	script func(call) (chat.Receipt, error)
	next   tickets.ID
}

// call is one operation as the adapter saw it.
type call struct {
	ctx context.Context
	op  chat.Op
	try chat.Try
	at  time.Time
	n   int // of calls before it
}

// rich is a place with everything, poor one with lines of text alone.
var rich = chat.Caps{Threads: chat.Native, Replies: chat.Native, Edits: chat.Native, Deletes: chat.Native, Reactions: chat.Native,
	Buttons: chat.Native, Forms: chat.Native, Files: chat.Native, Topic: chat.Native, Pins: chat.Native, Direct: chat.Native,
	History: chat.Native, Mentions: chat.Native, Keys: true, Confirms: true, Accounts: true, MaxFile: 1000, Format: chat.Markdown}

// inBubble runs a test with a running Box in virtual time.
func inBubble(t *testing.T, more func(*Options), f func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, more)
		s.run()
		defer s.stop()
		f(s)
		synctest.Wait()
	})
}

func newStage(t *testing.T, more func(*Options)) *stage {
	s := &stage{t: t, caps: rich, links: map[tickets.ID]tickets.Link{}, entries: map[tickets.ID][]string{},
		rows: map[tickets.ID][]string{}, recipients: map[tickets.ID][]Recipient{}, files: map[tickets.ID]error{}}
	opt := Options{Adapters: map[string]chat.Adapter{"net": fakeAdapter{s}}, Source: fakeSource{s}, Report: s.report,
		Log: slog.New(slog.DiscardHandler)}
	if more != nil {
		more(&opt)
	}
	s.box = New(opt)
	return s
}

func (s *stage) run() {
	ctx, end := context.WithCancel(context.Background())
	s.over = make(chan struct{})
	s.end = end
	go func() {
		defer close(s.over)
		if err := s.box.Run(ctx); err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}()
	synctest.Wait()
}

func (s *stage) stop() {
	s.end()
	<-s.over
}

// link makes a link that stands in a thread already.
func (s *stage) link(more ...func(*tickets.Link)) tickets.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := tickets.ID(len(s.links) + 1)
	l := tickets.Link{ID: id, Adapter: "net", Room: "room", Thread: "thread"}
	for _, f := range more {
		f(&l)
	}
	s.links[id] = l
	return id
}

func rootless(l *tickets.Link) { l.Rootless, l.Thread = true, "" }

// delivery makes a ready row whose first attempt is counted.
func (s *stage) delivery(link tickets.ID, op Kind, p Payload, more ...func(*Delivery)) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	d := Delivery{ID: s.next, Link: link, Adapter: "net", Op: op, Key: fmt.Sprintf("k%d", s.next), Revision: 1,
		Position: int64(s.next), State: Ready, Attempts: 1}
	d.SetPayload(p)
	for _, f := range more {
		f(&d)
	}
	return d
}

func (s *stage) say(link tickets.ID, text string, more ...func(*Delivery)) Delivery {
	return s.delivery(link, Say, Payload{Content: &chat.Content{Text: text}}, more...)
}

func (s *stage) topic(link tickets.ID, text string) Delivery {
	return s.delivery(link, Topic, Payload{Topic: text}, func(d *Delivery) { d.Slot = "topic" })
}

// newer is the next wish for the slot of d.
func newer(d Delivery, p Payload) Delivery {
	d.Revision++
	d.Attempts = 1
	d.SetPayload(p)
	return d
}

// report is the decider's side.
func (s *stage) report(r Result) {
	s.mu.Lock()
	s.results = append(s.results, r)
	s.unnoted = append(s.unnoted, r)
	hold := s.hold
	s.mu.Unlock()
	if !hold {
		s.note()
	}
}

// note puts what was reported on disk.
func (s *stage) note() {
	s.mu.Lock()
	rs := s.unnoted
	s.unnoted = nil
	for _, r := range rs {
		d := r.Delivery
		for _, to := range r.Receipt.Recipients {
			s.recipients[d.ID] = append(s.recipients[d.ID], Recipient{Delivery: d.ID, Address: strings.ToLower(to.Address), State: to.State})
		}
		if r.Err != nil {
			continue
		}
		l := s.links[d.Link]
		switch d.Op {
		case Say:
			s.rows[d.ID] = partIDs(r.Receipt)
			if d.Entry != 0 {
				s.entries[d.Entry] = partIDs(r.Receipt)
			}
			if l.Rootless && l.Root == d.ID {
				l.Rootless, l.Thread = false, ThreadOf(r.Receipt)
			}
		case Direct:
			l.Rootless, l.Room = false, r.Receipt.Room
		}
		s.links[d.Link] = l
	}
	s.mu.Unlock()
	s.box.Noted(rs...)
}

// said are the texts of the calls so far, an operation's kind before what is
// not a Say.
func (s *stage) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, c := range s.calls {
		list = append(list, short(c.op))
	}
	return strings.Join(list, " | ")
}

func short(op chat.Op) string {
	switch op := op.(type) {
	case chat.Say:
		return op.Content.Text
	case chat.Edit:
		return "edit " + strings.Join(op.Targets, ",") + " " + op.Content.Text
	case chat.Delete:
		return "delete " + strings.Join(op.Targets, ",")
	case chat.React:
		return "+" + op.Emoji + " " + op.Target
	case chat.Unreact:
		return "-" + op.Emoji + " " + op.Target
	case chat.Topic:
		return "topic " + op.Text
	case chat.OpenDirect:
		return "direct " + op.Account.ID
	}
	return fmt.Sprintf("%T", op)
}

// expect waits until nothing moves and compares said.
func (s *stage) expect(want string) {
	s.t.Helper()
	synctest.Wait()
	if got := s.said(); got != want {
		s.t.Fatalf("the network heard %q, want %q", got, want)
	}
}

func (s *stage) lanes() int {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	return len(s.box.lanes)
}

// fails makes the script fail the calls that f chooses, with err.
func (s *stage) fails(err error, f func(call) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = func(c call) (chat.Receipt, error) {
		if f(c) {
			return chat.Receipt{}, err
		}
		return works(c), nil
	}
}

// works is the receipt of a call that works: a message named after its text.
func works(c call) chat.Receipt {
	switch op := c.op.(type) {
	case chat.Say:
		return chat.Receipt{Parts: []chat.Part{{ID: "m:" + op.Content.Text}}, Confirmed: true}
	case chat.OpenDirect:
		return chat.Receipt{Room: "dm-" + op.Account.ID}
	}
	return chat.Receipt{Confirmed: true}
}

func first(n int) func(call) bool { return func(c call) bool { return c.n < n } }

func is(what string) func(call) bool { return func(c call) bool { return short(c.op) == what } }

func kind(k chat.Kind) error { return &chat.Error{Kind: k, Err: errors.New("as the test wants")} }

type fakeAdapter struct{ s *stage }

func (a fakeAdapter) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	s := a.s
	s.mu.Lock()
	c := call{ctx: ctx, op: op, try: try, at: time.Now(), n: len(s.calls)}
	s.calls = append(s.calls, c)
	s.heard = append(s.heard, fmt.Sprintf("%s %d", short(op), try.Attempt))
	script := s.script
	s.mu.Unlock()
	if script == nil {
		return works(c), nil
	}
	return script(c)
}

func (a fakeAdapter) Run(ctx context.Context, _ chat.Handler) error { <-ctx.Done(); return nil }
func (a fakeAdapter) Check(context.Context) []chat.Finding          { return nil }
func (a fakeAdapter) Open(context.Context, chat.FileRef) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}
func (a fakeAdapter) Caps(chat.Place) chat.Caps {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return a.s.caps
}

type fakeSource struct{ s *stage }

func (f fakeSource) Link(_ context.Context, id tickets.ID) (tickets.Link, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.links[id], nil
}

func (f fakeSource) Remotes(_ context.Context, _, entry tickets.ID) ([]string, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.entries[entry], nil
}

func (f fakeSource) DeliveryRemotes(_ context.Context, id tickets.ID) ([]string, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.rows[id], nil
}

func (f fakeSource) Recipients(_ context.Context, id tickets.ID) ([]Recipient, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.recipients[id], nil
}

func (f fakeSource) CountAttempt(_ context.Context, id tickets.ID, n int) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.s.heard = append(f.s.heard, fmt.Sprintf("count %d", n))
	return nil
}

func (f fakeSource) OpenFile(_ context.Context, id tickets.ID) (io.ReadCloser, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if err := f.s.files[id]; err != nil {
		return nil, err
	}
	return io.NopCloser(strings.NewReader("bytes")), nil
}
