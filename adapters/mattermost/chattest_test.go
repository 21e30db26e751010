package mattermost_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

func testLog(t testing.TB) *slog.Logger {
	if os.Getenv("MATTERMOST_DEBUG") == "" {
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

// tick waits a moment between two looks, or fails when ctx ended.
func tick(ctx context.Context) error {
	t := time.NewTimer(10 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// site is a team with two rooms, a human and a bot in them, and a road between
// the bot and the server.
type site struct {
	*testservers.MattermostServer
	teamID, team string
	bot, human   testservers.MattermostAccount
	rooms        []string // team/equipe is private, team/entraide public
	ids          map[string]string
	peer         *peer
	road         *road
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{MattermostServer: testservers.Mattermost(t), ids: make(map[string]string)}
	s.bot, s.human = s.Bot(t, "permanence"), s.User(t, "camille")
	s.teamID, s.team = s.Team(t, s.bot, s.human)
	s.addRoom(t, "equipe", "P")
	s.addRoom(t, "entraide", "O")
	s.peer = newPeer(t, s.MattermostServer, s.human, s.ids)
	s.road = newRoad(t, s.URL)
	return s
}

func (s *site) addRoom(t testing.TB, name, kind string) string {
	t.Helper()
	room := s.team + "/" + name
	s.ids[room] = s.Channel(t, s.teamID, name, kind, s.bot, s.human)
	s.rooms = append(s.rooms, room)
	return room
}

// config is the bot's.
func (s *site) config(t testing.TB) mattermost.Config {
	return mattermost.Config{URL: s.road.url, TokenFile: write(t, s.bot.Token)}
}

func (s *site) member(t testing.TB, room string, in bool) {
	t.Helper()
	if in {
		s.Admin(t, "POST", "/api/v4/channels/"+s.ids[room]+"/members", map[string]string{"user_id": s.bot.ID}, nil)
		return
	}
	s.Admin(t, "DELETE", "/api/v4/channels/"+s.ids[room]+"/members/"+s.bot.ID, nil, nil)
}

func (s *site) archive(t testing.TB, room string, gone bool) {
	t.Helper()
	if gone {
		s.Admin(t, "DELETE", "/api/v4/channels/"+s.ids[room], nil, nil)
		return
	}
	s.Admin(t, "POST", "/api/v4/channels/"+s.ids[room]+"/restore", nil, nil)
}

func TestConformance(t *testing.T) {
	s := newSite(t)
	cfg := s.config(t)
	var inbox *chattest.Inbox // of the case at work
	chattest.Run(t, chattest.World{
		Name:  "tchat",
		Rooms: s.rooms,
		New: func(tb testing.TB, env chat.Env) (chat.Adapter, error) {
			env.Mux = newDoor(tb)
			a, err := mattermost.New(cfg, env)
			if err != nil {
				return nil, err
			}
			return mattermost.Hasty(a), nil
		},
		Inbox: func(testing.TB) *chattest.Inbox {
			inbox = chattest.NewInbox()
			return inbox
		},
		Peer:    s.peer,
		Log:     testLog(t),
		Timeout: time.Minute,
		Faults: chattest.Faults{
			Restart: func(context.Context) error {
				s.Stop()
				return s.Start()
			},
			Cut: func(context.Context) error {
				s.road.cut()
				return nil
			},
			Refuse: func(_ context.Context, room string, on bool) error {
				s.road.set(func() { s.road.refuse[s.ids[room]] = on })
				return nil
			},
			Slow: func(_ context.Context, on bool) error {
				s.road.set(func() { s.road.slow = on })
				return nil
			},
			RoomGone: func(_ context.Context, room string, gone bool) error {
				s.archive(t, room, gone)
				return nil
			},
			Revoke: func(_ context.Context, room string, revoked bool) error {
				s.member(t, room, !revoked)
				return nil
			},
			DropReceipt: func(context.Context) error {
				s.road.set(func() { s.road.drop = true })
				return nil
			},
			EchoFirst: func(ctx context.Context) error {
				s.road.set(func() {
					s.road.hold = func(post string) error {
						return inbox.Await(ctx, func(events []chat.Event) bool {
							return slices.ContainsFunc(events, func(e chat.Event) bool { return e.Head().ID == post })
						})
					}
				})
				return nil
			},
			Duplicate: func(context.Context) error {
				s.road.set(func() { s.road.duplicate = true })
				return nil
			},
			Reorder: func(context.Context) error {
				s.road.set(func() { s.road.reorder = 2 })
				return nil
			},
		},
	})
}
