package matrix_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// passer says each message of one room in another, as the engine would without
// deciding anything.
type passer struct {
	*chattest.Inbox
	from  string
	texts chan string
}

func (p *passer) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	for _, e := range events {
		if post, ok := e.(*chat.Posted); ok && post.Room == p.from && !post.From.Self {
			p.texts <- post.Text
		}
	}
	return p.Inbox.Handle(ctx, events, cursor)
}

func BenchmarkRoad(b *testing.B) { benchmarkRoad(b, false, nil, chattest.NewInbox(), "off") }

// benchmarkRoad measures, in one run and beside one another: a bare event from
// one client to another, a message of ours to a client, and a message taken
// from one room to another by the adapter. The floor of the last is two bare
// events; all rooms have the same three members, because a server works longer
// on an event that more clients wait for.
func benchmarkRoad(b *testing.B, encrypted bool, prepare func(*peer), inbox *chattest.Inbox, encryption string) {
	server := testservers.NewDendrite(b, testservers.DendriteOptions{SQLite: true})
	account := server.Register(b, "permanence")
	from := newPeer(b, server.URL, server.Register(b, "camille"), prepare)
	to := newPeer(b, server.URL, server.Register(b, "sacha"), prepare)
	ctx := context.Background()
	room := func(seal bool) string {
		name, err := from.make(ctx, "", seal)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := to.client.JoinRoomByID(ctx, id.RoomID(name)); err != nil {
			b.Fatal(err)
		}
		return name
	}
	bare, here, there := room(false), room(encrypted), room(encrypted)
	pass := &passer{Inbox: inbox, from: here, texts: make(chan string, 10_000)}
	a, err := matrix.New(matrix.Config{URL: server.URL, TokenFile: write(b, account.Token), Encryption: encryption},
		chat.Env{Name: "matrix", Rooms: []string{bare, here, there}, State: inbox})
	if err != nil {
		b.Fatal(err)
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(run, pass) }()
	defer func() {
		stop()
		<-ended
	}()
	if err := inbox.Await(deadline(b), func(events []chat.Event) bool { return len(events) >= 2 }); err != nil {
		b.Fatal(err)
	}
	seen := make(chan string, 10_000)
	to.mu.Lock()
	to.hears = func(evt *event.Event) {
		if c, ok := evt.Content.Parsed.(*event.MessageEventContent); ok && evt.RoomID != id.RoomID(here) {
			seen <- c.Body
		}
	}
	to.mu.Unlock()
	n := 0
	say := func(text string) {
		n++
		if _, err := a.Do(run, says(there, text), chat.Try{Key: fmt.Sprintf("k%d", n), Attempt: 1}); err != nil && run.Err() == nil {
			b.Error(err)
		}
	}
	go func() {
		for {
			select {
			case text := <-pass.texts:
				say(text)
			case <-run.Done():
				return
			}
		}
	}()
	await := func(text string) {
		late := time.After(20 * time.Second)
		for {
			select {
			case got := <-seen:
				if got == text {
					return
				}
			case <-late:
				b.Fatalf("%s is never seen", text)
			}
		}
	}
	human := func(room string) func(string) {
		return func(text string) {
			if _, err := from.Say(ctx, room, "", text); err != nil {
				b.Fatal(err)
			}
		}
	}
	kinds := []struct {
		name string
		say  func(string)
		took []time.Duration
	}{{"bare", human(bare), nil}, {"do", say, nil}, {"relay", human(here), nil}}
	const each, warm = 150, 10
	for b.Loop() {
		// Taken in turns, so that a busy machine is so for all of them.
		for i := range each + warm {
			for k := range kinds {
				text := fmt.Sprintf("%s-%d-%d.", kinds[k].name, n, i)
				begin := time.Now()
				kinds[k].say(text)
				await(text)
				if i >= warm {
					kinds[k].took = append(kinds[k].took, time.Since(begin))
				}
			}
		}
		p50 := make(map[string]float64)
		for _, k := range kinds {
			slices.Sort(k.took)
			p50[k.name] = float64(k.took[len(k.took)/2].Microseconds())
			b.ReportMetric(p50[k.name], k.name+"-µs-p50")
		}
		b.ReportMetric(p50["relay"]/(2*p50["bare"]), "relay/floor")
		const many = 150
		begin := time.Now()
		go func() {
			for i := range many {
				human(here)(fmt.Sprintf("foule-%d-%03d.", n, i))
			}
		}()
		var got []string
		for len(got) < many {
			select {
			case text := <-seen:
				if strings.HasPrefix(text, "foule-") {
					got = append(got, text[strings.LastIndex(text, "-"):])
				}
			case <-time.After(20 * time.Second):
				b.Fatalf("%d of %d", len(got), many)
			}
		}
		b.ReportMetric(many/time.Since(begin).Seconds(), "relays/s")
		if !slices.IsSorted(got) {
			b.Error("out of order")
		}
	}
}
