package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// tenRooms gives a world ten status rooms on a network of their own.
func tenRooms(t testing.TB, w *world) *playground.Network {
	t.Helper()
	const rooms = 10
	var names []string
	var list []playground.Room
	w.opt.Status.Rooms = nil
	for i := range rooms {
		names = append(names, fmt.Sprint("etat", i))
		list = append(list, playground.Room{Name: names[i], Kind: playground.Status})
		w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "autre", Room: names[i]})
	}
	many, err := playground.OpenNetwork(playground.Config{}, playground.Options{Accounts: people(), Rooms: list})
	must(t, err)
	t.Cleanup(func() { many.Close() })
	w.beside = map[string]func(chat.State) chat.Adapter{"autre": func(s chat.State) chat.Adapter {
		a, err := playground.New(playground.Config{}, chat.Env{Name: "autre", Rooms: names, State: s, Log: w.opt.Log}, many)
		must(t, err)
		return a
	}}
	return many
}

// BenchmarkPublish measures how long somebody who announces an incident in ten
// rooms waits for the answer, and how long it takes until each room has been
// told; 30 incidents are started and ended in each round.
func BenchmarkPublish(b *testing.B) {
	for _, db := range []string{"sqlite", "postgres"} {
		b.Run(db, func(b *testing.B) {
			var many *playground.Network
			w := newWorld(b, func(w *world) {
				if db == "postgres" {
					w.db = testservers.PostgresDurable(b)
				}
				many = tenRooms(b, w)
			})
			n := 0
			for b.Loop() {
				var answers, told []time.Duration
				for range 30 {
					n++
					for _, line := range []string{fmt.Sprintf("/incident début messagerie : mot%dx", n), fmt.Sprintf("/incident fin %d fin%dx", n, n)} {
						word := line[strings.LastIndex(line, " ")+1:]
						began := time.Now()
						a, err := w.rich.Slash(b.Context(), "camille", "equipe", "", line)
						answers = append(answers, time.Since(began))
						if err != nil || !strings.Contains(a.Text, fmt.Sprint("Incident ", n)) {
							b.Fatalf("%s is answered %+v %v", line, a, err)
						}
						w.await("ten rooms", func() bool {
							for i := range 10 {
								if w.count(many, fmt.Sprint("etat", i), has(word)) == 0 {
									return false
								}
							}
							return true
						})
						told = append(told, time.Since(began))
					}
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(at(answers, 50), "answer-p50-ms")
				b.ReportMetric(at(answers, 95), "answer-p95-ms")
				b.ReportMetric(at(told, 50), "ten-rooms-p50-ms")
				b.ReportMetric(at(told, 95), "ten-rooms-p95-ms")
				b.ReportMetric(at(answers, 99), "answer-worst-ms")
			}
		})
	}
}
