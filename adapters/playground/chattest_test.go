package playground_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

var cast = []playground.Account{
	{ID: "alice", Name: "Alice", Role: "customer", Address: "alice@customers.example", Proved: true},
	{ID: "camille", Name: "Camille", Role: "agent", Proved: true},
	{ID: "sacha", Name: "Sacha", Role: "trainee", Proved: true},
}

var scene = []playground.Room{
	{Name: "entraide", Kind: playground.Public},
	{Name: "equipe", Kind: playground.Team, Members: []string{"camille", "sacha"}},
	{Name: "etat", Kind: playground.Status},
}

func open(t testing.TB, cfg playground.Config) *playground.Network {
	t.Helper()
	n, err := playground.OpenNetwork(cfg, playground.Options{Accounts: cast, Rooms: scene})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func serve(t testing.TB, n *playground.Network, opts playground.PageOptions) string {
	t.Helper()
	s := httptest.NewServer(n.Handler(opts))
	t.Cleanup(func() {
		n.Close() // ends the streams, for which the server would wait
		s.Close()
	})
	return s.URL
}

// TestConformance passes the suite in both dresses, in memory and on disk.
func TestConformance(t *testing.T) {
	poor := []string{
		"thread reply", "edit", "edit before original", "deletion", "reaction", "file in", "file out", "button",
		"same key twice", "kill between send and receipt", "catch-up without double",
	}
	for _, tt := range []struct {
		name   string
		cfg    playground.Config
		cannot []string
	}{
		{"full", playground.Config{Journal: filepath.Join(t.TempDir(), "journal")}, nil},
		{"full in memory", playground.Config{Dress: "full"}, nil},
		{"poor", playground.Config{Journal: filepath.Join(t.TempDir(), "journal"), Dress: "poor"}, poor},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := open(t, tt.cfg)
			p := &peer{base: serve(t, n, playground.PageOptions{}), as: "camille", poor: tt.cfg.Dress == "poor"}
			chattest.Run(t, chattest.World{
				Name:  "bac",
				Rooms: []string{"equipe", "entraide"},
				New: func(_ testing.TB, env chat.Env) (chat.Adapter, error) {
					return playground.New(tt.cfg, env, n)
				},
				Peer:   p,
				Cannot: tt.cannot,
				Faults: faults(n),
			})
		})
	}
}

func faults(n *playground.Network) chattest.Faults {
	return chattest.Faults{
		Restart: func(context.Context) error { return n.Restart() },
		Cut:     func(context.Context) error { n.Cut(); return nil },
		Refuse: func(_ context.Context, room string, on bool) error {
			if !on {
				n.Refuse(room, nil)
				return nil
			}
			n.Refuse(room, &chat.Error{Kind: chat.Permanent, Reason: chat.Text{FR: "refusé", EN: "refused"}})
			return nil
		},
		Slow: func(_ context.Context, on bool) error {
			if on {
				n.Slow(50 * time.Millisecond)
			} else {
				n.Slow(0)
			}
			return nil
		},
		RoomGone: func(_ context.Context, room string, gone bool) error {
			if gone {
				return n.RoomGone(room)
			}
			return n.RoomBack(room)
		},
		Revoke: func(_ context.Context, room string, revoked bool) error {
			if revoked {
				return n.Revoke("permanence", room)
			}
			return n.Restore("permanence", room)
		},
		DropReceipt: func(context.Context) error { n.DropReceipts(1); return nil },
		EchoFirst:   func(context.Context) error { n.EchoFirst(1); return nil },
		Duplicate:   func(context.Context) error { n.Duplicate(1); return nil },
		Reorder:     func(context.Context) error { n.Reorder(1); return nil },
	}
}
