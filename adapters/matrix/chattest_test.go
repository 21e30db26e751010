package matrix_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// cannot are the cases that Matrix has nothing for, with what people get
// instead.
var cannot = []string{
	"button", // reactions on the card, and commands
}

func testLog(testing.TB) *slog.Logger {
	if os.Getenv("MATRIX_DEBUG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// write makes a file of one line.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// worldFaults are what a road, a server and an administrator of the rooms can
// do.
func worldFaults(server *testservers.DendriteServer, r *road, p *peer, bot id.UserID) chattest.Faults {
	mute := func(ctx context.Context, room string, on bool) error {
		if on {
			return p.levels(ctx, room, 50)
		}
		return p.levels(ctx, room, 0)
	}
	return chattest.Faults{
		Restart: func(context.Context) error {
			server.Stop()
			r.cut()
			return server.Start()
		},
		Cut: func(context.Context) error {
			r.cut()
			return nil
		},
		Refuse: mute, Revoke: mute,
		RoomGone: func(ctx context.Context, room string, gone bool) error { return p.ban(ctx, room, bot, gone) },
		Slow: func(_ context.Context, on bool) error {
			r.set(func(r *road) { r.slow = on })
			return nil
		},
		DropReceipt: r.fault(func(r *road) { r.drop = true }),
		EchoFirst:   r.fault(func(r *road) { r.echo = true }),
		Duplicate:   r.fault(func(r *road) { r.twice = true }),
		Reorder:     r.fault(func(r *road) { r.swap = true }),
	}
}

// sharedSight is a human who sees what the bot says when the bot has heard of
// it too: what they see is in the inbox, and a start brings nothing of it.
type sharedSight struct {
	*peer
	inbox *chattest.Inbox
	make  func(testing.TB) *chattest.Inbox
	known map[string]bool // messages that were waited for
}

func (s *sharedSight) Await(ctx context.Context, room string, ok func([]chattest.Message) bool) ([]chattest.Message, error) {
	list, err := s.peer.Await(ctx, room, ok)
	for _, m := range list {
		if err != nil || m.Mine {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		// Messages of earlier cases are in other inboxes: only the last counts.
		if m.ID == lastOfBot(list) && !s.known[m.ID] {
			s.known[m.ID] = true
			_ = s.inbox.Await(bounded, func(events []chat.Event) bool {
				return slices.ContainsFunc(events, func(e chat.Event) bool { return e.Head().ID == m.ID })
			})
		}
		cancel()
	}
	return list, err
}

func lastOfBot(list []chattest.Message) string {
	last := ""
	for _, m := range list {
		if !m.Mine {
			last = m.ID
		}
	}
	return last
}

func (s *sharedSight) newInbox(t testing.TB) *chattest.Inbox {
	s.inbox = chattest.NewInbox()
	if s.make != nil {
		s.inbox = s.make(t)
	}
	return s.inbox
}

func TestDendrite(t *testing.T) {
	server := testservers.NewDendrite(t, testservers.DendriteOptions{})
	bot, human := server.Register(t, "permanence"), server.Register(t, "camille")
	r := newRoad(t, server.URL, human.UserID)
	p := newPeer(t, server.URL, human, nil)
	ctx := deadline(t)
	first, err := p.make(ctx, "equipe", false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.make(ctx, "", false)
	if err != nil {
		t.Fatal(err)
	}
	token := write(t, bot.Token)
	sight := &sharedSight{peer: p, known: make(map[string]bool)}
	chattest.Run(t, chattest.World{
		Name: "matrix", Rooms: []string{first, second},
		New: func(_ testing.TB, env chat.Env) (chat.Adapter, error) {
			env.Invites = []string{"@*:example.org"}
			a, err := matrix.New(matrix.Config{URL: r.URL, TokenFile: token, Encryption: "off"}, env)
			if err != nil {
				return nil, err
			}
			return matrix.Hasty(a), nil
		},
		Peer: sight, Inbox: sight.newInbox, Faults: worldFaults(server, r, p, id.UserID(bot.UserID)), Cannot: cannot, Log: testLog(t),
	})
}
