package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"permanence/bot/chat"
	"permanence/internal/testservers"
)

const (
	mattermostPeople = 8   // who ask, each with a ticket
	mattermostSingle = 100 // posts one at a time
	mattermostEach   = 25  // posts of each when all speak at once
)

// BenchmarkMattermostRoad measures the real program on a real Mattermost
// server: from a customer's post until the team sees it, over the websocket of
// somebody in the team's channel; first the card of a new ticket, then lines of
// open ones, one at a time and eight customers at once. Beside it stands the
// floor of the same run: two bare posts in threads, one by a person and one by
// a bot, each seen before the next. One round measures everything: run it with -benchtime 1x.
func BenchmarkMattermostRoad(b *testing.B) {
	r := newMattermostRoad(b)
	for b.Loop() {
		r.measure()
	}
}

type mattermostRoad struct {
	b      *testing.B
	server *testservers.MattermostServer
	people []testservers.MattermostAccount
	bot    testservers.MattermostAccount
	roots  []string // of their tickets
	// bareRoots are of threads that the program does not see.
	bareRoots []string
	team      *watcher
	public    string
	bare      string
	pid       int
}

func newMattermostRoad(b *testing.B) *mattermostRoad {
	b.Helper()
	r := &mattermostRoad{b: b, server: testservers.Mattermost(b)}
	us, camille := r.server.Bot(b, "permanence"), r.server.User(b, "camille")
	r.bot = r.server.Bot(b, "autre")
	members := []testservers.MattermostAccount{us, camille, r.bot}
	for range mattermostPeople {
		r.people = append(r.people, r.server.User(b, "passant"))
	}
	members = append(members, r.people...)
	team, name := r.server.Team(b, members...)
	r.public = r.server.Channel(b, team, "entraide", "O", append(r.people, us)...)
	r.bare = r.server.Channel(b, team, "nu", "O", append(r.people, camille, r.bot)...)
	r.server.Channel(b, team, "equipe", "P", us, camille)
	dir := b.TempDir()
	binary, file := filepath.Join(dir, "permanence"), filepath.Join(dir, "permanence.yaml")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	config := fmt.Sprintf(`name: Test
language: en
database: sqlite:road.db
web: {listen: none}
adapters:
  tchat: {type: mattermost, url: %q, token_file: bot.token}
desks:
  support: {rooms: ["tchat:%[2]s/equipe"], intakes: [{from: "tchat:%[2]s/entraide", opens: every-message}], acknowledge: {chat: false}}
`, r.server.URL, name)
	for path, text := range map[string]string{file: config, filepath.Join(dir, "bot.token"): us.Token + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	r.team = watch(b, r.server.URL, camille.Token)
	cmd := exec.Command(binary, "serve", "--config", file)
	output := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	r.pid = cmd.Process.Pid
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
		if err := cmd.Wait(); err != nil || b.Failed() {
			b.Logf("the program ended with %v:\n%s", err, output)
		}
	})
	l, err := LoadConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	for ready := false; !ready; {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-b.Context().Done():
			b.Fatal("the program is not ready")
		}
		if c, err := dialControl(b.Context(), pathsOf(l)); err == nil {
			var s statusReport
			ready = c.call(b.Context(), http.MethodGet, "/status", nil, &s) == nil && len(s.Adapters) == 1 && s.Adapters[0].State == string(chat.CaughtUp)
			c.close() // it was asked, and that is all
		}
	}
	return r
}

// post posts and gives the post's ID.
func (r *mattermostRoad) post(who testservers.MattermostAccount, channel, root, text string) string {
	var made struct{ ID string }
	if err := r.server.Call(r.b.Context(), who.Token, http.MethodPost, "/api/v4/posts",
		map[string]string{"channel_id": channel, "root_id": root, "message": text}, &made); err != nil {
		r.b.Error(err)
	}
	return made.ID
}

// hop is the time from a post until the team sees it.
func (r *mattermostRoad) hop(who testservers.MattermostAccount, channel, root, text string) time.Duration {
	seen := r.team.expect(text)
	began := time.Now()
	r.post(who, channel, root, text+" : toujours rien, et le webmail répond lentement.")
	return r.team.await(text, seen).Sub(began)
}

func (r *mattermostRoad) measure() {
	b := r.b
	var cards, lines, floor []time.Duration
	for i, p := range r.people {
		seen := r.team.expect(fmt.Sprintf("question%d.", i))
		began := time.Now()
		r.roots = append(r.roots, r.post(p, r.public, "", fmt.Sprintf("question%d. Bonjour, une question.", i)))
		cards = append(cards, r.team.await("a card", seen).Sub(began))
	}
	for i, p := range r.people {
		r.bareRoots = append(r.bareRoots, r.post(p, r.bare, "", fmt.Sprintf("fil%d", i)))
	}
	for i := range mattermostSingle {
		p := i % mattermostPeople
		lines = append(lines, r.hop(r.people[p], r.public, r.roots[p], fmt.Sprintf("seul%d.", i)))
		floor = append(floor, r.hop(r.people[p], r.bare, r.bareRoots[p], fmt.Sprintf("nu%d.", i))+
			r.hop(r.bot, r.bare, r.bareRoots[(p+1)%mattermostPeople], fmt.Sprintf("renu%d.", i)))
	}
	atOnce := func(post func(p, i int, text string)) (rate float64) {
		began := time.Now()
		var group sync.WaitGroup
		for p := range r.people {
			group.Go(func() {
				for i := range mattermostEach {
					text := fmt.Sprintf("vague%d-%d-%d.", began.UnixNano(), p, i)
					seen := r.team.expect(text)
					post(p, i, text)
					r.team.await(text, seen)
				}
			})
		}
		group.Wait()
		return float64(mattermostPeople*mattermostEach) / time.Since(began).Seconds()
	}
	ours, theirs := processCPU(b, r.pid), processCPU(b, r.server.Pid())
	many := atOnce(func(p, _ int, text string) { r.post(r.people[p], r.public, r.roots[p], text) })
	ours, theirs = processCPU(b, r.pid)-ours, processCPU(b, r.server.Pid())-theirs
	bare := atOnce(func(p, i int, text string) {
		// Two posts of which the second is seen, as on the road.
		r.post(r.people[p], r.bare, r.bareRoots[p], fmt.Sprintf("avant%d-%d", p, i))
		r.post(r.bot, r.bare, r.bareRoots[p], text)
	})
	at := func(ds []time.Duration, percent int) float64 {
		slices.Sort(ds)
		return float64(ds[len(ds)*percent/100].Microseconds()) / 1000
	}
	n := float64(mattermostPeople * mattermostEach)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(cards, 50), "card-p50-ms")
	b.ReportMetric(at(lines, 50), "line-p50-ms")
	b.ReportMetric(at(lines, 95), "line-p95-ms")
	b.ReportMetric(at(floor, 50), "floor-p50-ms")
	b.ReportMetric(at(lines, 50)/at(floor, 50), "ratio")
	b.ReportMetric(many, "eight-lines/s")
	b.ReportMetric(bare, "eight-floor/s")
	b.ReportMetric(float64(ours.Microseconds())/1000/n, "cpu-ms/line")
	b.ReportMetric(float64(theirs.Microseconds())/1000/n, "server-cpu-ms/line")
	b.ReportMetric(peakMiB(b, r.pid), "peak-MiB")
	b.ReportMetric(peakMiB(b, r.server.Pid()), "server-peak-MiB")
}

// watcher sees what is posted, over the websocket of somebody.
type watcher struct {
	b  *testing.B
	mu sync.Mutex
	on map[string]chan time.Time
}

func watch(b *testing.B, server, token string) *watcher {
	b.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(b.Context(), "ws"+strings.TrimPrefix(server, "http")+"/api/v4/websocket",
		http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
	w := &watcher{b: b, on: map[string]chan time.Time{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			var e struct {
				Event string            `json:"event"`
				Data  map[string]string `json:"data"`
			}
			// What is no post has data of other shapes.
			if json.Unmarshal(data, &e); e.Event == "posted" {
				w.saw(e.Data["post"], time.Now())
			}
		}
	}()
	b.Cleanup(func() { conn.Close(); <-done })
	return w
}

func (w *watcher) saw(post string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for text, seen := range w.on {
		if strings.Contains(post, text) {
			delete(w.on, text)
			seen <- at
		}
	}
}

// expect is told when a text is first seen.
func (w *watcher) expect(text string) chan time.Time {
	seen := make(chan time.Time, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on[text] = seen
	return seen
}

func (w *watcher) await(text string, seen chan time.Time) time.Time {
	select {
	case at := <-seen:
		return at
	case <-time.After(30 * time.Second):
		w.b.Errorf("%s was never seen", text)
		return time.Time{}
	}
}
