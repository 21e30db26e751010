package irc_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// bare is a client with nothing but a socket: the floor of what can be
// measured against the same server in the same run.
type bare struct {
	conn  net.Conn
	lines *bufio.Reader
}

func newBare(b *testing.B, addr, nick, caps, room string) *bare {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	c := &bare{conn, bufio.NewReaderSize(conn, 64<<10)}
	c.write(b, "CAP REQ :"+caps+"\r\nNICK "+nick+"\r\nUSER "+nick+" 0 * :x\r\nCAP END\r\nJOIN "+room+"\r\n")
	c.until(b, " 366 ")
	return c
}

func (c *bare) write(b *testing.B, text string) {
	if _, err := c.conn.Write([]byte(text)); err != nil {
		b.Fatal(err)
	}
}

// until reads up to a line with part in it.
func (c *bare) until(b *testing.B, part string) {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if token, ok := strings.CutPrefix(line, "PING "); ok {
			c.write(b, "PONG "+token)
		}
		if strings.Contains(line, part) {
			return
		}
	}
}

// median gives p50 in microseconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2].Nanoseconds()) / 1000
}

const speedSingle, speedMany = 500, 10_000

// arrivals tells of each Posted that Handle got.
type arrivals struct {
	*chattest.Inbox
	began  chan struct{}
	posts  chan int
	offers int
	commit time.Duration // what storing takes
}

func (a *arrivals) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	n := 0
	for _, e := range events {
		switch e := e.(type) {
		case *chat.Posted:
			n++
		case *chat.Connection:
			if e.State == chat.CaughtUp {
				close(a.began)
			}
		}
	}
	if n > 0 {
		time.Sleep(a.commit)
		a.offers++
		a.posts <- n
	}
	return nil
}

func (a *arrivals) await(b *testing.B, n int) {
	for limit := time.After(30 * time.Second); n > 0; {
		select {
		case got := <-a.posts:
			n -= got
		case <-limit:
			b.Fatalf("%d lines missing", n)
		}
	}
}

// BenchmarkSpeed measures saying (Do until the server has confirmed it), by one
// caller and by eight, and hearing (a line of a channel until Handle has it),
// each beside a bare socket that does the same against the same server. Run it
// with -benchtime 1x.
func BenchmarkSpeed(b *testing.B) {
	server := testservers.Ergo(b, testservers.ErgoOptions{NoHistory: true})
	inbox := &arrivals{Inbox: chattest.NewInbox(), began: make(chan struct{}), posts: make(chan int, 2*speedMany)}
	a, err := irc.New(irc.Config{Server: server.Addr, Flood: irc.Flood{Unlimited: true}},
		chat.Env{Name: "irc", Rooms: []string{"#vite"}, State: inbox})
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
	<-inbox.began
	say := func(text string) time.Duration {
		began := time.Now()
		r, err := a.Do(ctx, chat.Say{Place: place("#vite"), Content: chat.Content{Text: text}}, chat.Try{Key: text, Attempt: 1})
		if err != nil || !r.Confirmed {
			b.Errorf("%+v, %v", r, err)
		}
		return time.Since(began)
	}
	for b.Loop() {
		b.ReportMetric(0, "ns/op")
		run := fmt.Sprint(time.Now().UnixNano())
		// The floor of saying: a labelled line and its echo, alone and in
		// flight together.
		floor := newBare(b, server.Addr, "nu"+run, richCaps, "#nu")
		var times []time.Duration
		for i := range speedSingle {
			began := time.Now()
			floor.write(b, fmt.Sprintf("@label=l%dx PRIVMSG #nu :ligne\r\n", i))
			floor.until(b, fmt.Sprintf("label=l%dx", i))
			times = append(times, time.Since(began))
		}
		b.ReportMetric(median(times), "µs/bare-said")
		began := time.Now()
		go func() {
			for i := range speedMany {
				fmt.Fprintf(floor.conn, "@label=m%dx PRIVMSG #nu :ligne\r\n", i)
			}
		}()
		floor.until(b, fmt.Sprintf("label=m%dx", speedMany-1))
		b.ReportMetric(speedMany/time.Since(began).Seconds(), "bare-said/s")

		for _, callers := range []int{1, 8, 64} {
			var mu sync.Mutex
			var all []time.Duration
			var done sync.WaitGroup
			began := time.Now()
			for c := range callers {
				done.Go(func() {
					var mine []time.Duration
					for i := range speedMany / 2 / callers {
						mine = append(mine, say(fmt.Sprintf("dit-%d-%d", c, i)))
					}
					mu.Lock()
					all = append(all, mine...)
					mu.Unlock()
				})
			}
			done.Wait()
			b.ReportMetric(float64(len(all))/time.Since(began).Seconds(), fmt.Sprintf("said/s-%d", callers))
			b.ReportMetric(median(all), fmt.Sprintf("µs/said-%d", callers))
		}

		// Hearing: a bare socket listens in the same channel.
		from := newBare(b, server.Addr, "de"+run, "batch", "#vite")
		to := newBare(b, server.Addr, "a"+run, richCaps, "#vite")
		times = nil
		var heard []time.Duration
		for i := range speedSingle {
			began := time.Now()
			from.write(b, fmt.Sprintf("PRIVMSG #vite :entendu-%d.\r\n", i))
			to.until(b, fmt.Sprintf("entendu-%d.", i))
			times = append(times, time.Since(began))
			inbox.await(b, 1)
			heard = append(heard, time.Since(began))
		}
		b.ReportMetric(median(times), "µs/bare-heard")
		b.ReportMetric(median(heard), "µs/heard")
		inbox.offers = 0
		began = time.Now()
		go func() {
			for i := range speedMany {
				fmt.Fprintf(from.conn, "PRIVMSG #vite :foule-%d.\r\n", i)
			}
		}()
		done := make(chan float64, 1)
		go func() {
			to.until(b, fmt.Sprintf("foule-%d.", speedMany-1))
			done <- speedMany / time.Since(began).Seconds()
		}()
		inbox.await(b, speedMany)
		b.ReportMetric(speedMany/time.Since(began).Seconds(), "heard/s")
		b.ReportMetric(<-done, "bare-heard/s")
		// The same where storing takes as long as a commit on an ordinary disk:
		// what arrived meanwhile is stored together.
		inbox.commit, inbox.offers = time.Millisecond, 0
		began = time.Now()
		for i := range speedMany {
			from.write(b, fmt.Sprintf("PRIVMSG #vite :encore-%d.\r\n", i))
		}
		inbox.await(b, speedMany)
		b.ReportMetric(speedMany/time.Since(began).Seconds(), "heard/s-commit")
		b.ReportMetric(speedMany/float64(inbox.offers), "lines/commit")
		inbox.commit = 0
	}
}
