package playground_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// sabotaged is an adapter with one fault of its own.
type sabotaged struct {
	chat.Adapter
	do  func(a chat.Adapter, ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error)
	run func(a chat.Adapter, ctx context.Context, h chat.Handler) error
}

func (s sabotaged) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if s.do == nil {
		return s.Adapter.Do(ctx, op, try)
	}
	return s.do(s.Adapter, ctx, op, try)
}

func (s sabotaged) Run(ctx context.Context, h chat.Handler) error {
	if s.run == nil {
		return s.Adapter.Run(ctx, h)
	}
	return s.run(s.Adapter, ctx, h)
}

type handlerFunc func(ctx context.Context, events []chat.Event, cursor chat.Cursor) error

func (f handlerFunc) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	return f(ctx, events, cursor)
}

// through runs an adapter whose events go through change.
func through(change func(h chat.Handler) handlerFunc) func(chat.Adapter, context.Context, chat.Handler) error {
	return func(a chat.Adapter, ctx context.Context, h chat.Handler) error { return a.Run(ctx, change(h)) }
}

// sabotages are faults and the case that must find each.
var sabotages = []struct {
	name, finds string
	with        sabotaged
	cannot      []string
}{
	{name: "forgets the attempt", finds: "same key twice", with: sabotaged{
		do: func(a chat.Adapter, ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
			try.Attempt = 1
			return a.Do(ctx, op, try)
		}}},
	{name: "forgets the attempt when killed", finds: "kill between send and receipt", with: sabotaged{
		do: func(a chat.Adapter, ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
			try.Attempt = 1
			return a.Do(ctx, op, try)
		}}},
	{name: "forgets the parts", finds: "resume after parts", with: sabotaged{
		do: func(a chat.Adapter, ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
			try.PartsDone, try.Done = 0, nil
			return a.Do(ctx, op, try)
		}}},
	{name: "errors without words", finds: "refused", with: sabotaged{
		do: func(a chat.Adapter, ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
			r, err := a.Do(ctx, op, try)
			if err != nil {
				err = errors.New("failed")
			}
			return r, err
		}}},
	{name: "tells the refused inbox that all is well", finds: "inbox refuses", with: sabotaged{
		run: through(func(h chat.Handler) handlerFunc {
			return func(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
				_ = h.Handle(ctx, events, cursor)
				return nil
			}
		})}},
	{name: "names each event anew", finds: "duplicate events", with: sabotaged{
		run: through(func(h chat.Handler) handlerFunc {
			count := 0
			return func(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
				for _, e := range events {
					count++
					e.Head().Revision = strings.Repeat("i", count)
				}
				return h.Handle(ctx, events, cursor)
			}
		})}},
	{name: "keeps no cursor", finds: "catch-up without double", with: sabotaged{
		run: through(func(h chat.Handler) handlerFunc {
			return func(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
				for _, e := range events {
					e.Head().Revision += time.Now().Format(time.RFC3339Nano)
				}
				return h.Handle(ctx, events, chat.Cursor{})
			}
		})}},
	{name: "does not know itself", finds: "own echo before the receipt", with: sabotaged{
		run: through(func(h chat.Handler) handlerFunc {
			return func(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
				for _, e := range events {
					e.Head().From.Self = false
				}
				return h.Handle(ctx, events, cursor)
			}
		})}},
	{name: "never tells of a cut", finds: "connection cut", with: sabotaged{
		run: through(func(h chat.Handler) handlerFunc {
			return func(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
				if c, ok := events[0].(*chat.Connection); ok && c.State == chat.Cut {
					return nil
				}
				return h.Handle(ctx, events, cursor)
			}
		})}},
	{name: "does not end", finds: "Run ends promptly", with: sabotaged{
		run: func(a chat.Adapter, ctx context.Context, h chat.Handler) error {
			return a.Run(context.WithoutCancel(ctx), h)
		}}},
	{name: "a list that is too long", finds: "text in", cannot: []string{"text in"}},
}

// TestSuiteFinds runs the suite in a process of its own against each of the
// sabotages: the case that is there for it must fail.
func TestSuiteFinds(t *testing.T) {
	if name := os.Getenv("PLAYGROUND_SABOTAGE"); name != "" {
		runSabotage(t, name)
		return
	}
	for _, s := range sabotages {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			name := strings.ReplaceAll(s.finds, " ", "_")
			cmd := exec.CommandContext(deadline(t), os.Args[0], "-test.run=^TestSuiteFinds$/^"+name+"$", "-test.v")
			cmd.Env = append(os.Environ(), "PLAYGROUND_SABOTAGE="+s.name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestSuiteFinds/"+name) {
				t.Errorf("%q passed (%v):\n%s", s.finds, err, out)
			}
		})
	}
}

func runSabotage(t *testing.T, name string) {
	n := open(t, playground.Config{})
	for _, s := range sabotages {
		if s.name != name {
			continue
		}
		chattest.Run(t, chattest.World{
			Rooms: []string{"equipe", "entraide"},
			New: func(_ testing.TB, env chat.Env) (chat.Adapter, error) {
				a, err := playground.New(playground.Config{}, env, n)
				with := s.with
				with.Adapter = a
				return with, err
			},
			Peer: &peer{base: serve(t, n, playground.PageOptions{}), as: "camille"}, Faults: faults(n),
			Cannot: s.cannot, Timeout: 3 * time.Second,
		})
	}
}
