package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"permanence/bot"
	"permanence/bot/outbox"
	"permanence/internal/sqlstore"
	"permanence/internal/testservers"
	"permanence/tickets"
)

const (
	roadPeople   = 4    // who ask in the channel, each with a ticket
	roadSingle   = 300  // lines one at a time
	roadMany     = 4000 // lines with roadInFlight said and not yet seen
	roadInFlight = 200
	roadShipped  = 24 // lines at the server's own rate
	roadRows     = 4  // rows of a line: event, entry, copy, delivery
)

// BenchmarkIRCRoad measures the real program on a real Ergo: from a line in
// the public channel, which is stored as an entry of a ticket, until the line
// in the team's channel is seen by a third client. Beside it stands the floor
// of the same run: a bare line to a second client, two commits of such rows (in
// our tables; the plain floor has as many rows of a table with one index, by
// the bare driver), SQLite as durable as ours, a bare line to a third client.
// One round measures everything: run it with -benchtime 1x.
//
// "opened" has no brake on either side; "shipped" has those of the server and
// of our own defaults.
func BenchmarkIRCRoad(b *testing.B) {
	b.Run("opened", func(b *testing.B) {
		r := newIRCRoad(b, false)
		for b.Loop() {
			r.measure()
		}
	})
	b.Run("shipped", func(b *testing.B) {
		r := newIRCRoad(b, true)
		for b.Loop() {
			seen := r.team.mark()
			began := time.Now()
			r.flood(0, roadShipped, roadShipped)
			took := time.Since(began)
			lost, disorder := r.judge(seen, roadShipped)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(roadShipped/took.Seconds(), "lines/s")
			b.ReportMetric(float64(lost), "lost")
			b.ReportMetric(float64(disorder), "out-of-order")
		}
	})
}

// ircRoad is the program between people on a server.
type ircRoad struct {
	b      *testing.B
	people []*roadClient
	team   *roadClient
	pid    int
	dir    string
}

func newIRCRoad(b *testing.B, shipped bool) *ircRoad {
	b.Helper()
	server := testservers.Ergo(b, testservers.ErgoOptions{Fakelag: shipped})
	server.Register(b, "permanence", "mot-de-passe")
	r := &ircRoad{b: b, dir: b.TempDir()}
	binary := filepath.Join(r.dir, "permanence")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	flood := "{unlimited: true}"
	if shipped {
		flood = "{}"
	}
	config := fmt.Sprintf(`name: Test
language: en
database: sqlite:road.db
web: {listen: none}
adapters:
  irc: {type: irc, server: %q, tls: "on", ca_file: %q, nick: permanence, sasl: {user: permanence, password_file: irc.pass}, flood: %s}
desks:
  support: {rooms: ["irc:#equipe"], intakes: [{from: "irc:#asso", opens: mention}], acknowledge: {chat: false}}
`, server.TLSAddr, server.CA, flood)
	file := filepath.Join(r.dir, "permanence.yaml")
	for path, text := range map[string]string{file: config, filepath.Join(r.dir, "irc.pass"): "mot-de-passe\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	r.team = joinRoad(b, server.Addr, "camille", "#equipe", "#nu")
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
	r.team.await("JOIN #equipe", func(l string) bool {
		return strings.HasPrefix(l, ":permanence!") && strings.Contains(l, " JOIN #equipe")
	})
	for i := range roadPeople {
		p := joinRoad(b, server.Addr, fmt.Sprintf("passant%d", i), "#asso", "#nu")
		r.people = append(r.people, p)
		p.poll("permanence in #asso", func() bool {
			p.say("NAMES #asso")
			return p.has(func(l string) bool {
				return strings.Contains(l, " 353 ") && strings.Contains(l, "#asso") && strings.Contains(l, "permanence")
			})
		})
		p.say(fmt.Sprintf("PRIVMSG #asso :permanence: question %d", i))
		r.team.await("the ticket", func(l string) bool { return strings.Contains(l, fmt.Sprintf("question %d", i)) })
	}
	return r
}

// token names line i of a person.
func token(person, i int) string { return fmt.Sprintf("banc-%d-%d", person, i) }

var tokens = regexp.MustCompile(`banc-(\d+)-(\d+)`)

func (r *ircRoad) measure() {
	b := r.b
	var single, plain, rows []time.Duration
	f := r.openFloor()
	for i := range roadSingle {
		if i%20 == 0 { // by turns, so that a noisy moment of the machine hits both
			p, q := r.floor(f, 20)
			plain, rows = append(plain, p...), append(rows, q...)
		}
		t := fmt.Sprintf("seul-%s.", rand.Text()[:8])
		began := time.Now()
		r.people[0].say("PRIVMSG #asso :" + t + " toujours rien, et le webmail répond lentement depuis ce matin.")
		single = append(single, r.team.await(t, func(l string) bool { return strings.Contains(l, t) }).Sub(began))
	}
	seen := r.team.mark()
	cpu := processCPU(b, r.pid)
	began := time.Now()
	r.flood(0, roadMany, roadInFlight)
	took := time.Since(began)
	cpu = processCPU(b, r.pid) - cpu
	lost, disorder := r.judge(seen, roadMany)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	at := func(ds []time.Duration, percent int) float64 {
		slices.Sort(ds)
		return ms(ds[len(ds)*percent/100])
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(single, 50), "road-p50-ms")
	b.ReportMetric(at(single, 95), "road-p95-ms")
	b.ReportMetric(at(rows, 50), "floor-p50-ms")
	b.ReportMetric(at(plain, 50), "plain-floor-p50-ms")
	b.ReportMetric(at(single, 50)/at(rows, 50), "ratio")
	b.ReportMetric(at(single, 50)/at(plain, 50), "plain-ratio")
	b.ReportMetric(roadMany/took.Seconds(), "lines/s")
	b.ReportMetric(ms(cpu)/roadMany, "cpu-ms/line")
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(float64(disorder), "out-of-order")
	b.ReportMetric(peakMiB(b, r.pid), "peak-MiB")
}

// flood says n lines, by turns, at most inFlight of them unseen by the team.
func (r *ircRoad) flood(first, n, inFlight int) {
	base := r.team.tokens()
	for i := range n {
		r.team.poll("room for more", func() bool { return first+i-(r.team.tokens()-base) < inFlight })
		p := i % roadPeople
		r.people[p].say("PRIVMSG #asso :" + token(p, i/roadPeople) + " toujours rien, et le webmail répond lentement.")
	}
	r.team.poll("all lines", func() bool { return r.team.tokens()-base >= n })
}

// judge counts the lines that never came and those that came before an
// earlier one of the same person.
func (r *ircRoad) judge(from, n int) (lost, disorder int) {
	next := make([]int, roadPeople)
	got := 0
	for _, l := range r.team.since(from) {
		m := tokens.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		got++
		p, _ := strconv.Atoi(m[1])
		i, _ := strconv.Atoi(m[2])
		if i != next[p] {
			disorder++
		}
		next[p] = max(next[p], i+1)
	}
	if got > n {
		r.b.Errorf("%d lines were said of %d", got, n)
	}
	return n - got, disorder
}

// floorStore is what the two commits of the floor go to.
type floorStore struct {
	plain  *sql.DB         // a table with one index, without us between
	store  *sqlstore.Store // the tables and indexes that a line needs
	ticket tickets.Ticket
	link   tickets.Link
}

func (r *ircRoad) openFloor() *floorStore {
	b := r.b
	b.Helper()
	dsn := "file:" + filepath.Join(r.dir, "plain.db") + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS floor (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	store, err := sqlstore.Open(b.Context(), "sqlite:"+filepath.Join(r.dir, "floor.db"), sqlstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	f := &floorStore{plain: db, store: store}
	err = store.Update(b.Context(), func(tx bot.Tx) error {
		p := tickets.Person{Name: "alice"}
		if err := tx.AddPerson(&p, tickets.Identity{Network: "irc", Account: rand.Text()}); err != nil {
			return err
		}
		f.ticket = tickets.Ticket{Desk: "support", State: tickets.Open, Requester: p.ID}
		if err := tx.AddTicket(&f.ticket); err != nil {
			return err
		}
		f.link = tickets.Link{Ticket: f.ticket.ID, Kind: tickets.AskerLink, Adapter: "irc", Room: "#asso", Person: p.ID}
		return tx.AddLink(&f.link)
	})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// commitPlain commits n rows of a plain table.
func (f *floorStore) commitPlain(n int) error {
	tx, err := f.plain.Begin()
	if err != nil {
		return err
	}
	for range n {
		if _, err := tx.Exec("INSERT INTO floor (key, body) VALUES ($1, $2)", rand.Text(), strings.Repeat("corps ", 40)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// commitRows commits the rows that a line makes, in the tables that we have:
// an event; then an entry, its words, two copies, a delivery, the ticket.
func (f *floorStore) commitRows(ctx context.Context) error {
	body := strings.Repeat("corps ", 20)
	rows := []bot.InboxRow{{Adapter: "irc", Room: "#asso", EventID: rand.Text(), Kind: "posted", Body: body}}
	if err := f.store.Update(ctx, func(tx bot.Tx) error { return tx.StoreEvents(rows) }); err != nil {
		return err
	}
	return f.store.Update(ctx, func(tx bot.Tx) error {
		now := tickets.At(time.Now())
		e := tickets.Entry{Ticket: f.ticket.ID, Kind: tickets.Message, Author: f.ticket.Requester, Body: body, At: now, Link: f.link.ID}
		if err := tx.AddEntry(&e, "toujours rien et le webmail répond lentement depuis ce matin"); err != nil {
			return err
		}
		d := outbox.Delivery{Link: f.link.ID, Adapter: "irc", Entry: e.ID, Ticket: e.Ticket, Op: outbox.Say, Key: rand.Text(), Body: body, State: outbox.Done}
		if err := tx.AddDelivery(&d); err != nil {
			return err
		}
		for range 2 {
			if err := tx.AddCopy(tickets.Copy{Entry: e.ID, Link: f.link.ID, Adapter: "irc", Room: "#asso", Remote: rand.Text(), At: now}); err != nil {
				return err
			}
		}
		f.ticket.Updated = now
		if err := tx.UpdateTicket(&f.ticket); err != nil {
			return err
		}
		return tx.MarkDecided([]tickets.ID{rows[0].ID}, nil)
	})
}

// floor is what nothing that stores can be faster than: a bare line to a
// second client, two commits, a bare line to a third one. It gives the whole
// with plain rows and with our rows.
func (r *ircRoad) floor(f *floorStore, n int) (plain, rows []time.Duration) {
	b := r.b
	hop := func(from, to *roadClient, text string) time.Duration {
		began := time.Now()
		from.say("PRIVMSG #nu :" + text + " toujours rien, et le webmail répond lentement depuis ce matin.")
		return to.await(text, func(l string) bool { return strings.Contains(l, text) }).Sub(began)
	}
	for range n {
		t := "nu-" + rand.Text()[:8] + "."
		bare := hop(r.people[0], r.people[1], t)
		began := time.Now()
		if err := errors.Join(f.commitPlain(1), f.commitPlain(roadRows-1)); err != nil {
			b.Fatal(err)
		}
		light := time.Since(began)
		began = time.Now()
		if err := f.commitRows(b.Context()); err != nil {
			b.Fatal(err)
		}
		heavy := time.Since(began)
		bare += hop(r.people[1], r.team, "encore "+t)
		plain = append(plain, bare+light)
		rows = append(rows, bare+heavy)
	}
	return plain, rows
}

// roadClient is a person on IRC, by a client of the benchmark alone.
type roadClient struct {
	b    *testing.B
	nick string
	conn net.Conn

	mu    sync.Mutex
	lines []string
	at    []time.Time
	seen  int // lines with a token
	from  int // where await looks on
	more  chan struct{}
}

func joinRoad(b *testing.B, addr, nick string, rooms ...string) *roadClient {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	c := &roadClient{b: b, nick: nick, conn: conn, more: make(chan struct{}, 1)}
	b.Cleanup(func() { conn.Close() })
	go c.read()
	c.say("NICK " + nick)
	c.say("USER " + nick + " 0 * :" + nick)
	c.await("001", func(l string) bool { return strings.Contains(l, " 001 ") })
	for _, room := range rooms {
		c.say("JOIN " + room)
		c.await("366", func(l string) bool { return strings.Contains(l, " 366 ") && strings.Contains(l, room) })
	}
	return c
}

func (c *roadClient) read() {
	for sc := bufio.NewScanner(c.conn); sc.Scan(); {
		line := sc.Text()
		if rest, ok := strings.CutPrefix(line, "PING"); ok {
			fmt.Fprintf(c.conn, "PONG%s\r\n", rest)
			continue
		}
		c.mu.Lock()
		c.lines, c.at = append(c.lines, line), append(c.at, time.Now())
		if tokens.MatchString(line) {
			c.seen++
		}
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
	}
}

func (c *roadClient) say(line string) {
	if _, err := fmt.Fprintf(c.conn, "%s\r\n", line); err != nil {
		c.b.Fatal(err)
	}
}

func (c *roadClient) tokens() int { c.mu.Lock(); defer c.mu.Unlock(); return c.seen }
func (c *roadClient) mark() int   { c.mu.Lock(); defer c.mu.Unlock(); return len(c.lines) }

func (c *roadClient) since(from int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines[from:])
}

func (c *roadClient) has(f func(string) bool) bool {
	return slices.ContainsFunc(c.since(0), f)
}

// await waits for a line behind those that it has looked at, and tells when it
// came.
func (c *roadClient) await(what string, f func(string) bool) (at time.Time) {
	c.b.Helper()
	c.poll(what, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for ; c.from < len(c.lines); c.from++ {
			if f(c.lines[c.from]) {
				at = c.at[c.from]
				c.from++
				return true
			}
		}
		return false
	})
	return at
}

// poll asks again after each line, and every so often.
func (c *roadClient) poll(what string, f func() bool) {
	c.b.Helper()
	ctx, cancel := context.WithTimeout(c.b.Context(), time.Minute)
	defer cancel()
	for !f() {
		select {
		case <-c.more:
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			lines := c.since(0)
			c.b.Fatalf("%s waited for %s in vain; the last lines:\n%s", c.nick, what, strings.Join(lines[max(len(lines)-15, 0):], "\n"))
		}
	}
}

// peakMiB is the most memory that a process has had at once (VmHWM).
func peakMiB(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}

// processCPU is the processor time of a process so far, from the 14th and
// 15th field of /proc/PID/stat, in hundredths of a second.
func processCPU(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
