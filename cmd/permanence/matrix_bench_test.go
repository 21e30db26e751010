package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/internal/testservers"
)

const (
	matrixPeople  = 4   // who ask, each with a ticket
	matrixSingle  = 100 // lines one at a time
	matrixEach    = 40  // lines of each when all speak at once
	matrixCounted = 40  // lines whose requests are counted
)

// BenchmarkMatrixRoad measures the released program on a real Dendrite (SQLite,
// as our own store): from a customer's line in the thread of a question until
// somebody in the team's room sees it; first one line at a time, then four
// customers at once. Beside it stand floors of the same run, line by line by
// turns: a bare line in a thread to a second client, and one of that client in
// another thread to a third one. The floor's rooms have as many members as ours,
// a bare client in our place; those of "with-us" have us besides, because a
// server works longer on an event that more clients wait for. At the end the
// program is started again behind a proxy that counts its requests. One round
// measures everything: run it with -benchtime 1x.
func BenchmarkMatrixRoad(b *testing.B) {
	benchmarkMatrixRoad(b, false, nil)
}

func benchmarkMatrixRoad(b *testing.B, sealed bool, prepare func(*mautrix.Client)) {
	r := newMatrixRoad(b, sealed, prepare)
	for b.Loop() {
		r.measure()
	}
}

type matrixRoad struct {
	b         *testing.B
	server    *testservers.DendriteServer
	wire      *matrixWire
	program   *program
	people    []*matrixClient
	relay     *matrixClient // in our place
	team      *matrixClient
	public    id.RoomID
	questions []id.EventID
	floors    []*matrixFloor
	config    func(url string) string
}

// matrixFloor is a pair of rooms without us between.
type matrixFloor struct {
	name        string
	here, there id.RoomID
	roots       []id.EventID // of each person's thread
	answers     id.EventID   // root of the second thread
	took        []time.Duration
}

func newMatrixRoad(b *testing.B, sealed bool, prepare func(*mautrix.Client)) *matrixRoad {
	b.Helper()
	r := &matrixRoad{b: b, server: testservers.NewDendrite(b, testservers.DendriteOptions{SQLite: true})}
	us := r.server.Register(b, "permanence")
	join := func(name string) *matrixClient {
		return newMatrixClient(b, r.server, r.server.Register(b, name), prepare)
	}
	for i := range matrixPeople {
		r.people = append(r.people, join(fmt.Sprintf("passant%d", i)))
	}
	r.relay, r.team = join("autre"), join("camille")
	asks := func(last *matrixClient) []*matrixClient { return append(slices.Clone(r.people[1:]), last) }
	r.public = r.people[0].room(sealed, us.UserID, r.people[1:]...)
	team := r.team.room(sealed, us.UserID)
	r.floors = []*matrixFloor{
		{name: "floor", here: r.people[0].room(sealed, "", asks(r.relay)...), there: r.relay.room(sealed, "", r.team)},
		{name: "with-us", here: r.people[0].room(sealed, us.UserID, asks(r.relay)...), there: r.relay.room(sealed, us.UserID, r.team)},
	}
	with := r.floors[1]
	if sealed {
		r.floors = append(r.floors, &matrixFloor{name: "plain", here: r.people[0].room(false, "", asks(r.relay)...), there: r.relay.room(false, "", r.team)})
	}
	encryption := "off"
	if sealed {
		encryption = "on"
	}
	r.config = func(url string) string {
		return fmt.Sprintf(`name: Test
language: en
database: sqlite:x.db
web: {listen: none}
adapters:
  matrix: {type: matrix, url: %q, token_file: matrix.token, encryption: %q}
desks:
  support: {rooms: ["matrix:%s"], intakes: [{from: "matrix:%s", opens: every-message}], acknowledge: {chat: false}}
status: {rooms: ["matrix:%s", "matrix:%s"]}
`, url, encryption, team, r.public, with.here, with.there)
	}
	r.wire = newMatrixWire(b, r.server.URL)
	r.program = newProgram(b, map[string]string{"matrix.token": us.Token + "\n", "permanence.yaml": r.config(r.server.URL)})
	r.program.start()
	for i, p := range r.people {
		text := fmt.Sprintf("question%d.", i)
		seen := r.team.expect(text)
		r.questions = append(r.questions, p.say(r.public, "", text+" Bonjour, une question."))
		r.team.await(text, seen)
	}
	for _, f := range r.floors {
		for i, p := range r.people {
			f.roots = append(f.roots, p.say(f.here, "", fmt.Sprintf("fil%d", i)))
		}
		f.answers = r.relay.say(f.there, "", "fil")
	}
	for i := range 2 * matrixPeople { // keys are handed out, rooms are known
		r.line(i, fmt.Sprintf("chaud%d.", i))
		for k, f := range r.floors {
			r.bare(f, i, fmt.Sprintf("tiède%d-%d.", k, i))
		}
	}
	return r
}

// hop is the time from a line until to sees it.
func hop(from, to *matrixClient, room id.RoomID, thread id.EventID, text string) time.Duration {
	seen := to.expect(text)
	began := time.Now()
	from.say(room, thread, text+" : toujours rien, et le webmail répond lentement.")
	return to.await(text, seen).Sub(began)
}

// line is one through the program.
func (r *matrixRoad) line(i int, text string) time.Duration {
	p := i % matrixPeople
	return hop(r.people[p], r.team, r.public, r.questions[p], text)
}

// bare is the same way without it.
func (r *matrixRoad) bare(f *matrixFloor, i int, text string) time.Duration {
	p := i % matrixPeople
	return hop(r.people[p], r.relay, f.here, f.roots[p], "nu-"+text) + hop(r.relay, r.team, f.there, f.answers, "renu-"+text)
}

func (r *matrixRoad) measure() {
	b := r.b
	var lines []time.Duration
	for i := range matrixSingle {
		lines = append(lines, r.line(i, fmt.Sprintf("seul%d.", i)))
		for k, f := range r.floors {
			f.took = append(f.took, r.bare(f, i, fmt.Sprintf("%d-%d.", k, i)))
		}
	}
	pid := r.program.cmd.Process.Pid
	cpu := processCPU(b, pid)
	many, lost, disorder := r.atOnce("vague", func(p int, text string) { r.people[p].say(r.public, r.questions[p], text) })
	cpu = processCPU(b, pid) - cpu
	floor, _, _ := r.atOnce("houle", func(p int, text string) {
		// Two lines of which the second is seen, as on the road.
		r.people[p].say(r.floors[0].here, r.floors[0].roots[p], "avant")
		r.relay.say(r.floors[0].there, r.floors[0].answers, text)
	})
	peak := peakMiB(b, pid)
	puts, others := r.requests()

	at := func(ds []time.Duration, percent int) float64 {
		slices.Sort(ds)
		return float64(ds[len(ds)*percent/100].Microseconds()) / 1000
	}
	n := float64(matrixPeople * matrixEach)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(lines, 50), "line-p50-ms")
	b.ReportMetric(at(lines, 95), "line-p95-ms")
	for _, f := range r.floors {
		b.ReportMetric(at(f.took, 50), f.name+"-p50-ms")
		b.ReportMetric(at(f.took, 95), f.name+"-p95-ms")
		b.ReportMetric(at(lines, 50)/at(f.took, 50), f.name+"-ratio")
	}
	b.ReportMetric(many, "relays/s")
	b.ReportMetric(floor, "floor-relays/s")
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(float64(disorder), "out-of-order")
	b.ReportMetric(float64(cpu.Microseconds())/1000/n, "cpu-ms/line")
	b.ReportMetric(peak, "peak-MiB")
	b.ReportMetric(puts, "sends/line")
	b.ReportMetric(others, "other-requests/line")
}

// atOnce lets everybody speak at once, each as fast as the server takes it, and
// counts what the team never saw and what it saw before an earlier line of the
// same person.
func (r *matrixRoad) atOnce(word string, say func(p int, text string)) (rate float64, lost, disorder int) {
	text := func(p, i int) string { return fmt.Sprintf("%s-%d-%d.", word, p, i) }
	seen := make([][]chan time.Time, matrixPeople)
	for p := range seen {
		for i := range matrixEach {
			seen[p] = append(seen[p], r.team.expect(text(p, i)))
		}
	}
	began := time.Now()
	var group sync.WaitGroup
	for p := range matrixPeople {
		group.Go(func() {
			for i := range matrixEach {
				say(p, text(p, i))
			}
		})
	}
	group.Wait()
	var end time.Time
	for p := range seen {
		var last time.Time
		for i, c := range seen[p] {
			at := r.team.await(text(p, i), c)
			if at.IsZero() {
				lost++
				continue
			}
			if at.Before(last) {
				disorder++
			}
			if last = at; at.After(end) {
				end = at
			}
		}
	}
	return float64(matrixPeople*matrixEach-lost) / end.Sub(began).Seconds(), lost, disorder
}

// requests counts what the program asks of its server for lines that are seen
// one after the other: messages said, and all that is no sync.
func (r *matrixRoad) requests() (puts, others float64) {
	r.program.stop()
	r.program.write(map[string]string{"permanence.yaml": r.config(r.wire.URL)})
	r.program.start()
	for i := range matrixPeople {
		r.line(i, fmt.Sprintf("encore%d.", i))
	}
	r.wire.requests()
	for i := range matrixCounted {
		r.line(i, fmt.Sprintf("compté%d.", i))
	}
	count := r.wire.requests()
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		r.b.Logf("%4d %s", count[kind], kind)
		switch {
		case strings.HasPrefix(kind, "PUT send/m.room."):
			puts += float64(count[kind]) / matrixCounted
		case kind != "GET sync":
			others += float64(count[kind]) / matrixCounted
		}
	}
	return puts, others
}

// matrixClient is somebody on Matrix, at a client of the benchmark alone.
type matrixClient struct {
	b      *testing.B
	client *mautrix.Client

	mu sync.Mutex
	on map[string]chan time.Time
}

// newMatrixClient reads until the benchmark ends. prepare, where given, gives
// the client keys.
func newMatrixClient(b *testing.B, server *testservers.DendriteServer, account testservers.MatrixAccount, prepare func(*mautrix.Client)) *matrixClient {
	b.Helper()
	client, err := mautrix.NewClient(server.URL, id.UserID(account.UserID), account.Token)
	if err != nil {
		b.Fatal(err)
	}
	client.DeviceID = id.DeviceID(account.DeviceID)
	c := &matrixClient{b: b, client: client, on: map[string]chan time.Time{}}
	if prepare != nil {
		prepare(client)
	}
	client.Syncer.(*mautrix.DefaultSyncer).OnEventType(event.EventMessage, func(_ context.Context, e *event.Event) {
		c.saw(e.Content.AsMessage(), time.Now())
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for since := ""; ctx.Err() == nil; {
			resp, err := client.FullSyncRequest(ctx, mautrix.ReqSync{Timeout: 30000, Since: since, FilterID: `{"room":{"timeline":{"limit":1000}}}`})
			if err == nil {
				err = client.Syncer.ProcessResponse(ctx, resp, since)
			}
			if err != nil {
				if ctx.Err() == nil {
					b.Errorf("%s: sync: %v", account.UserID, err)
				}
				return
			}
			since = resp.NextBatch
		}
	}()
	b.Cleanup(func() { stop(); <-done })
	return c
}

// room makes a room that anybody may enter, with these people and with us
// invited.
func (c *matrixClient) room(sealed bool, us string, others ...*matrixClient) id.RoomID {
	c.b.Helper()
	req := &mautrix.ReqCreateRoom{Preset: "public_chat"}
	if us != "" {
		req.Invite = []id.UserID{id.UserID(us)}
	}
	if sealed {
		empty := ""
		req.InitialState = []*event.Event{{Type: event.StateEncryption, StateKey: &empty, Content: event.Content{
			Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1},
		}}}
	}
	made, err := c.client.CreateRoom(c.b.Context(), req)
	if err != nil {
		c.b.Fatal(err)
	}
	for _, o := range others {
		if _, err := o.client.JoinRoomByID(c.b.Context(), made.RoomID); err != nil {
			c.b.Fatal(err)
		}
	}
	return made.RoomID
}

// say says a text and gives its ID; failures are told and the run goes on.
func (c *matrixClient) say(room id.RoomID, thread id.EventID, text string) id.EventID {
	content := &event.MessageEventContent{MsgType: event.MsgText, Body: text}
	if thread != "" {
		content.RelatesTo = (&event.RelatesTo{}).SetThread(thread, thread)
	}
	sent, err := c.client.SendMessageEvent(c.b.Context(), room, event.EventMessage, content)
	if err != nil {
		c.b.Errorf("%s: %v", text, err)
		return ""
	}
	return sent.EventID
}

// saw tells who waits for a text. An edit counts too: of a message whose keys
// came late.
func (c *matrixClient) saw(m *event.MessageEventContent, at time.Time) {
	body := m.Body
	if m.NewContent != nil {
		body = m.NewContent.Body
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for text, seen := range c.on {
		if strings.Contains(body, text) {
			delete(c.on, text)
			seen <- at
		}
	}
}

// expect is told when a text is first seen.
func (c *matrixClient) expect(text string) chan time.Time {
	seen := make(chan time.Time, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on[text] = seen
	return seen
}

func (c *matrixClient) await(text string, seen chan time.Time) time.Time {
	select {
	case at := <-seen:
		return at
	case <-time.After(30 * time.Second):
		c.b.Errorf("%s was never seen", text)
		return time.Time{}
	}
}
