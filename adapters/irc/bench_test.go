package irc_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// passer says each line of one room in another, as the engine would without
// deciding anything.
type passer struct {
	*chattest.Inbox
	lines chan string
}

func (p *passer) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	for _, e := range events {
		if post, ok := e.(*chat.Posted); ok && post.Room == "#ici" {
			p.lines <- post.Text
		}
	}
	return p.Inbox.Handle(ctx, events, cursor)
}

// BenchmarkRoad takes lines from one channel to another through the adapter:
// alone for the time of each, and all at once for the rate. The bare time is
// that of one line between two clients of the same server.
func BenchmarkRoad(b *testing.B) {
	server := testservers.Ergo(b, testservers.ErgoOptions{NoHistory: true})
	from := newPeer(b, server.Addr, "camille", "permanence", "", "#ici", "#nu")
	to := newPeer(b, server.Addr, "sacha", "permanence", "", "#la", "#nu")
	inbox := &passer{Inbox: chattest.NewInbox(), lines: make(chan string, 100_000)}
	a, err := irc.New(irc.Config{Server: server.Addr, Flood: irc.Flood{Unlimited: true}},
		chat.Env{Name: "irc", Rooms: []string{"#ici", "#la"}, State: inbox})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, inbox) }()
	defer func() {
		stop()
		<-ended
	}()
	if err := inbox.Await(ctx, func(events []chat.Event) bool { return len(events) >= 2 }); err != nil {
		b.Fatal(err)
	}
	// As many in flight as they come: the outbox has a lane for each link.
	go func() {
		for text := range inbox.lines {
			started := make(chan struct{})
			go func() {
				close(started)
				if _, err := a.Do(ctx, chat.Say{Place: chat.Place{Adapter: "irc", Room: "#la"}, Content: chat.Content{Text: text}}, chat.Try{Key: text, Attempt: 1}); err != nil && ctx.Err() == nil {
					b.Error(err)
				}
			}()
			<-started
		}
	}()
	each := func(room string, n int) time.Duration {
		var times []time.Duration
		for i := range n {
			text := fmt.Sprintf("ligne-%s-%d-%d.", strings.Trim(room, "#"), b.N, i)
			to.mu.Lock()
			seen := len(to.lines)
			to.mu.Unlock()
			begin := time.Now()
			if err := from.raw("PRIVMSG " + room + " :" + text); err != nil {
				b.Fatal(err)
			}
			if err := to.awaitLine(deadline(b), seen, text); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(begin))
		}
		slices.Sort(times)
		return times[len(times)/2]
	}
	for b.Loop() {
		b.ReportMetric(float64(each("#nu", 300).Microseconds()), "µs/bare-line")
		b.ReportMetric(float64(each("#ici", 300).Microseconds()), "µs/p50")
		const many = 5000
		to.mu.Lock()
		seen := len(to.lines)
		to.mu.Unlock()
		begin := time.Now()
		for i := range many {
			if err := from.raw(fmt.Sprintf("PRIVMSG #ici :foule-%d-%d.", b.N, i)); err != nil {
				b.Fatal(err)
			}
		}
		n := 0
		for n < many {
			to.mu.Lock()
			changed := to.changed
			n = len(to.lines) - seen
			to.mu.Unlock()
			if n < many {
				select {
				case <-changed:
				case <-time.After(20 * time.Second):
					b.Fatalf("%d of %d lines", n, many)
				}
			}
		}
		b.ReportMetric(many/time.Since(begin).Seconds(), "lines/s")
	}
}
