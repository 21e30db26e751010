package irc_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// cannotAnywhere are the cases that IRC has nothing for, each with what people
// get instead.
var cannotAnywhere = []string{
	"thread reply",                 // "#42" in front, or +reply
	"edit", "edit before original", // a line "correction: …" is said
	"deletion",            // the team is told that it stays
	"reaction",            // gestures are commands
	"file in", "file out", // a link to the file
	"button",                        // commands
	"duplicate events",              // TCP brings each line once and in order
	"reordered events",              //
	"same key twice",                // no keys: a line whose fate is unknown may be said twice, and is counted
	"kill between send and receipt", //
	"own echo before the receipt",   // the echo is the receipt
	"slowed",                        // servers delay what comes too fast, or hang up; the writer keeps to their pace
}

// cannotPlain are those that a server without IRCv3 cannot do besides.
var cannotPlain = append([]string{
	"catch-up without double", // nothing is kept for us: `check` says so
}, cannotAnywhere...)

func testLog(t testing.TB) *slog.Logger {
	if os.Getenv("IRC_DEBUG") == "" {
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

// modeFaults are what an operator of the channel can do to the bot.
func modeFaults(p *peer, f chattest.Faults) chattest.Faults {
	mode := func(on, off string) func(context.Context, string, bool) error {
		return func(ctx context.Context, room string, set bool) error {
			if set {
				return p.do(ctx, "MODE "+room+" "+on)
			}
			return p.do(ctx, "MODE "+room+" "+off)
		}
	}
	f.Refuse = mode("+m", "-m")
	f.Revoke = mode("+m", "-m")
	f.RoomGone = func(ctx context.Context, room string, out bool) error {
		if !out {
			return p.do(ctx, "MODE "+room+" -b "+p.bot+"!*@*")
		}
		if err := p.do(ctx, "MODE "+room+" +b "+p.bot+"!*@*"); err != nil {
			return err
		}
		return p.do(ctx, "KICK "+room+" "+p.bot+" :for the test")
	}
	return f
}

func TestErgo(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	server.Register(t, "permanence", "motdepasse")
	road := newRoad(t, server.TLSAddr)
	password := write(t, "motdepasse")
	p := newPeer(t, server.Addr, "camille", "permanence", richCaps, "#equipe", "#entraide")
	chattest.Run(t, chattest.World{
		Name:  "irc",
		Rooms: []string{"#equipe", "#entraide"},
		New: func(_ testing.TB, env chat.Env) (chat.Adapter, error) {
			a, err := irc.New(irc.Config{
				Server: road.addr, TLS: "on", CAFile: server.CA, Flood: irc.Flood{Unlimited: true},
				SASL: irc.SASL{User: "permanence", PasswordFile: password},
			}, env)
			if err != nil {
				return nil, err
			}
			return irc.Hasty(a), nil
		},
		Peer:   p,
		Cannot: cannotAnywhere,
		Log:    testLog(t),
		Faults: modeFaults(p, chattest.Faults{
			Restart: func(context.Context) error {
				server.Stop()
				if err := server.Start(); err != nil {
					return err
				}
				return p.connect()
			},
			Cut: func(context.Context) error {
				road.cut(false)
				return nil
			},
		}),
	})
}

func TestNgIRCd(t *testing.T) {
	server := testservers.NgIRCd(t)
	road := newRoad(t, server.Addr)
	p := newPeer(t, server.Addr, "camille", "permanence", "", "#equipe", "#entraide")
	chattest.Run(t, chattest.World{
		Name:  "irc",
		Rooms: []string{"#equipe", "#entraide"},
		New: func(_ testing.TB, env chat.Env) (chat.Adapter, error) {
			a, err := irc.New(irc.Config{Server: road.addr, Flood: irc.Flood{Unlimited: true}}, env)
			if err != nil {
				return nil, err
			}
			return irc.Hasty(a), nil
		},
		Peer:   p,
		Cannot: cannotPlain,
		Log:    testLog(t),
		Faults: modeFaults(p, chattest.Faults{
			Restart: func(context.Context) error {
				server.Stop()
				if err := server.Start(); err != nil {
					return err
				}
				return p.connect()
			},
			Cut: func(context.Context) error {
				road.cut(false)
				return nil
			},
		}),
	})
}
