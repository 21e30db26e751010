package mattermost_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// BenchmarkSay measures Do(Say) beside the floor, a bare POST of the same text
// to the same server in the same run: the median for one at a time, and the
// rate for eight threads at once.
func BenchmarkSay(b *testing.B) {
	s := newSite(b)
	cfg := mattermost.Config{URL: s.URL, TokenFile: write(b, s.bot.Token)}
	r := start(b, cfg, s.rooms, chattest.NewInbox())
	ctx := context.Background()
	var number atomic.Int64
	// Each measure has threads of its own: the server reads a whole thread
	// before it takes another post for it.
	threads := func() []string {
		var roots []string
		for range 8 {
			n := strconv.FormatInt(number.Add(1), 10)
			roots = append(roots, r.say(s.rooms[0], "", "fil "+n, "root"+n).Parts[0].ID)
		}
		return roots
	}
	say := func(root string) error {
		n := strconv.FormatInt(number.Add(1), 10)
		_, err := r.Do(ctx, chat.Say{Place: place(s.rooms[0], root), Content: chat.Content{Text: "une ligne " + n}}, chat.Try{Key: r.key(n), Attempt: 1})
		return err
	}
	bare := &peer{base: s.URL, token: s.bot.Token, rooms: s.ids}
	post := func(root string) error {
		_, err := bare.Say(ctx, s.rooms[0], root, "une ligne "+strconv.FormatInt(number.Add(1), 10))
		return err
	}
	for _, do := range []func(string) error{say, post} { // connections, caches
		each(b, 40, threads(), do)
	}
	for b.Loop() {
		var floor, ours []time.Duration
		for range 200 { // by turns: what else the machine does hits both
			floor = append(floor, each(b, 1, []string{""}, post)...)
			ours = append(ours, each(b, 1, []string{""}, say)...)
		}
		b.ReportMetric(median(floor), "ms/bare-p50")
		b.ReportMetric(median(ours), "ms/say-p50")
		var floors, all []float64
		for range 5 {
			roots := threads()
			floors = append(floors, rate(func() { each(b, 200, roots, post) }, 200))
			roots = threads()
			all = append(all, rate(func() { each(b, 200, roots, say) }, 200))
		}
		slices.Sort(floors)
		slices.Sort(all)
		b.ReportMetric(floors[2], "bare/s-8")
		b.ReportMetric(all[2], "say/s-8")
	}
}

// BenchmarkRoad measures from a human's post to the adapter's answer in its
// thread as the human hears of it, beside the floor: the same with a bare
// websocket and a bare POST instead of the adapter. Both sides take two posts.
func BenchmarkRoad(b *testing.B) {
	s := newSite(b)
	r := start(b, mattermost.Config{URL: s.URL, TokenFile: write(b, s.bot.Token)}, s.rooms[1:], chattest.NewInbox())
	ctx := context.Background()
	listener := listen(b, s.URL, s.human.Token)
	robot := listen(b, s.URL, s.bot.Token)
	bare := &peer{base: s.URL, token: s.bot.Token, rooms: s.ids}
	answers := func(room string, answer func(root, text string) error, hear func(text string) (string, error)) []time.Duration {
		var took []time.Duration
		for i := range 200 {
			text := fmt.Sprintf("question-%d-%d", b.N, i)
			begin := time.Now()
			if _, err := s.peer.Say(ctx, room, "", text); err != nil {
				b.Fatal(err)
			}
			root, err := hear(text)
			if err != nil {
				b.Fatal(err)
			}
			if err := answer(root, "réponse-"+text); err != nil {
				b.Fatal(err)
			}
			if _, err := listener.hear(ctx, "réponse-"+text); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(begin))
		}
		return took
	}
	for b.Loop() {
		floor := answers(s.rooms[0], func(root, text string) error {
			_, err := bare.Say(ctx, s.rooms[0], root, text)
			return err
		}, func(text string) (string, error) { return robot.hear(ctx, text) })
		ours := answers(s.rooms[1], func(root, text string) error {
			_, err := r.Do(ctx, chat.Say{Place: place(s.rooms[1], root), Content: chat.Content{Text: text}}, chat.Try{Key: r.key(text), Attempt: 1})
			return err
		}, func(text string) (string, error) {
			root := ""
			err := r.inbox.Await(ctx, func(events []chat.Event) bool {
				for _, e := range slices.Backward(events) {
					if p, ok := e.(*chat.Posted); ok && p.Text == text {
						root = p.ID
						return true
					}
				}
				return false
			})
			return root, err
		})
		b.ReportMetric(median(floor), "ms/bare-p50")
		b.ReportMetric(median(ours), "ms/road-p50")
	}
	b.Logf("the server: %s; this process: %s", usage(s.Pid()), usage(os.Getpid()))
}

// each calls do n times, from one goroutine for each thread, and gives how long
// each call took.
func each(b *testing.B, n int, threads []string, do func(thread string) error) []time.Duration {
	b.Helper()
	took := make([]time.Duration, n)
	var next atomic.Int64
	var all sync.WaitGroup
	for _, thread := range threads {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				begin := time.Now()
				if err := do(thread); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(begin)
			}
		})
	}
	all.Wait()
	return took
}

func median(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)/2].Microseconds()) / 1000
}

func rate(do func(), n int) float64 {
	begin := time.Now()
	do()
	return float64(n) / time.Since(begin).Seconds()
}

// usage tells a process's time and memory, as Linux counts them.
func usage(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err.Error()
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 22 {
		return "unknown"
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	pages, _ := strconv.Atoi(f[21])
	return fmt.Sprintf("%.1f s of processor, %d MB", float64(user+system)/100, pages*os.Getpagesize()>>20)
}
