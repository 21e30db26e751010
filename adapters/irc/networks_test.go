package irc_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// TestTwoNetworks: two adapters on two networks, with channels and people of
// the same names; what one hears the other does not, and each fails alone.
func TestTwoNetworks(t *testing.T) {
	servers := []*testservers.ErgoServer{testservers.Ergo(t, testservers.ErgoOptions{}), testservers.Ergo(t, testservers.ErgoOptions{})}
	var bots []*bot
	var people []*peer
	for _, s := range servers {
		people = append(people, newPeer(t, s.Addr, "alice", "permanence", richCaps, "#asso"))
		bots = append(bots, running(t, irc.Config{Server: s.Addr}, "#asso"))
	}
	for i, p := range people {
		p.line(t, fmt.Sprintf("PRIVMSG #asso :du réseau %d.", i))
		bots[i].heard(fmt.Sprintf("du réseau %d.", i))
		bots[i].must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: fmt.Sprintf("pour le réseau %d.", i)}})
		p.reads(t, fmt.Sprintf("pour le réseau %d.", i))
	}
	servers[0].Stop()
	first(bots[0], "the cut", func(c *chat.Connection) bool { return c.State == chat.Cut })
	if _, err := bots[0].say("#asso", "perdu"); kindOf(t, err) != chat.Temporary {
		t.Error(err)
	}
	if _, err := bots[1].say("#asso", "toujours là"); err != nil {
		t.Error(err)
	}
	seen := len(bots[0].inbox.Events())
	if err := servers[0].Start(); err != nil {
		t.Fatal(err)
	}
	bots[0].await("the return", func(events []chat.Event) bool {
		for _, e := range events[seen:] {
			if c, ok := e.(*chat.Connection); ok && c.State == chat.CaughtUp {
				return true
			}
		}
		return false
	})
	if _, err := bots[0].say("#asso", "revenu"); err != nil {
		t.Error(err)
	}
	for i, b := range bots {
		for _, e := range b.inbox.Events() {
			if p, ok := e.(*chat.Posted); ok && p.Text != fmt.Sprintf("du réseau %d.", i) {
				t.Errorf("network %d heard %q", i, p.Text)
			}
			if c, ok := e.(*chat.Connection); ok && c.State == chat.Cut && i == 1 {
				t.Error("the other network was cut, too")
			}
		}
	}
}

// TestSTSKept: a server asks for TLS, and is never spoken to in the open
// again, not even after a restart or by Check.
func TestSTSKept(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{STS: true})
	inbox := chattest.NewInbox()
	r := newRoad(t, server.Addr)
	cfg := irc.Config{Server: r.addr, TLS: "off", CAFile: server.CA}
	op := newPeer(t, server.Addr, "camille", "permanence", "", "#asso")
	secure := func(b *bot) {
		t.Helper()
		b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: "bonjour"}})
		from := op.read0()
		op.line(t, "WHOIS permanence")
		if err := op.awaitLine(deadline(t), from, " 671 "); err != nil { // RPL_WHOISSECURE
			t.Error(err)
		}
	}
	b := resumed(t, inbox, cfg, "#asso")
	secure(b)
	b.stop()
	if n := r.count(); n != 1 {
		t.Errorf("%d connections in the open, want 1", n)
	}
	b = resumed(t, inbox, cfg, "#asso")
	secure(b)
	b.stop()
	a, err := irc.New(cfg, chat.Env{Name: "irc", Rooms: []string{"#asso"}, State: inbox})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Check(deadline(t)) {
		if f.Level != chat.OK {
			t.Errorf("%+v", f)
		}
	}
	if n := r.count(); n != 1 {
		t.Errorf("%d connections in the open, want 1", n)
	}
}

// TestSCRAMLogin: the account is proved without showing the password.
func TestSCRAMLogin(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	server.Register(t, "permanence", "mot-de-passe-très-long")
	p := newPeer(t, server.Addr, "camille", "permanence", "message-tags account-tag", "#asso")
	scram := func(password string) irc.SASL {
		return irc.SASL{User: "permanence", PasswordFile: write(t, password), Mechanism: "scram-sha-256"}
	}
	b := running(t, irc.Config{Server: server.Addr, SASL: scram("mot-de-passe-très-long")}, "#asso")
	b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: "c’est moi"}})
	if line := p.reads(t, "c’est moi"); !strings.Contains(line, "account=permanence") {
		t.Errorf("not logged in: %q", line)
	}
	b.stop()
	b = launched(t, chattest.NewInbox(), irc.Config{Server: server.Addr, SASL: scram("faux")}, "#asso")
	c := first(b, "the cut", func(c *chat.Connection) bool { return c.State == chat.Cut })
	if !strings.Contains(c.Reason.EN, "refuses our account") {
		t.Errorf("%+v", c)
	}
}

// TestShippedPace: with the server's brake as shipped, and ours, what was
// decided at once arrives at the server's rate: nothing lost, in order, and
// nobody thrown out.
func TestShippedPace(t *testing.T) {
	t.Parallel() // it waits most of the time
	server := testservers.Ergo(t, testservers.ErgoOptions{Fakelag: true})
	p := newPeer(t, server.Addr, "alice", "permanence", "")
	p.line(t, "JOIN #un,#deux")
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, irc.Config{Server: server.Addr, Flood: asShipped}, "#un", "#deux")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	const lanes, each = 6, 10
	var done sync.WaitGroup
	for lane := range lanes {
		done.Go(func() {
			for i := range each {
				text := fmt.Sprintf("voie %d ligne %d", lane, i)
				r, err := b.Do(ctx, chat.Say{Place: place([]string{"#un", "#deux"}[lane%2]), Content: chat.Content{Text: text}}, chat.Try{Key: text, Attempt: 1})
				if err != nil || !r.Confirmed {
					t.Errorf("%s: %+v, %v", text, r, err)
				}
			}
		})
	}
	done.Wait()
	p.line(t, "PING fin")
	next := make([]int, lanes)
	for _, line := range p.said("permanence", 0) {
		var lane, n int
		if _, text, ok := strings.Cut(line, " :"); !ok {
			continue
		} else if _, err := fmt.Sscanf(text, "voie %d ligne %d", &lane, &n); err != nil {
			continue
		}
		if next[lane] != n {
			t.Errorf("%q out of order", line)
		}
		next[lane]++
	}
	for lane, n := range next {
		if n != each {
			t.Errorf("lane %d: %d lines", lane, n)
		}
	}
	for _, e := range inbox.Events() {
		if c, ok := e.(*chat.Connection); ok && c.State == chat.Cut {
			t.Errorf("thrown out: %+v", c)
		}
	}
}

// TestPacePlain: where only a PING tells that lines were taken, one speaks for
// several of them, and everybody gets their answer at a slow pace, too.
func TestPacePlain(t *testing.T) {
	server := testservers.NgIRCd(t)
	p := newPeer(t, server.Addr, "alice", "permanence", "", "#un")
	b := running(t, irc.Config{Server: server.Addr, Flood: irc.Flood{Burst: 2, Every: "10ms"}}, "#un")
	const lanes, each = 8, 10
	var done sync.WaitGroup
	for lane := range lanes {
		done.Go(func() {
			for i := range each {
				text := fmt.Sprintf("voie %d ligne %d", lane, i)
				r, err := b.Do(deadline(t), chat.Say{Place: place("#un"), Content: chat.Content{Text: text + "\n" + text + " suite"}}, chat.Try{Key: text, Attempt: 1})
				if err != nil || r.Confirmed || len(r.Parts) != 2 {
					t.Errorf("%s: %+v, %v", text, r, err)
				}
			}
		})
	}
	done.Wait()
	p.line(t, "PING fin")
	lines := p.said("permanence", 0)
	n := 0
	for i, line := range lines {
		if strings.Contains(line, " ligne ") && !strings.HasSuffix(line, " suite") {
			if n++; lines[i+1] != line+" suite" {
				t.Errorf("behind %q stands %q", line, lines[i+1])
			}
		}
	}
	if n != lanes*each {
		t.Errorf("%d texts", n)
	}
}

// gate is an inbox that is slow until it is opened.
type gate struct {
	*chattest.Inbox
	open    chan struct{}
	entered chan struct{} // closed by the first line that waits
	largest int
	calls   int
}

func (g *gate) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	if p, ok := events[0].(*chat.Posted); ok {
		if p.Text == "première" {
			close(g.entered)
			<-g.open
		}
		g.calls++
		g.largest = max(g.largest, len(events))
	}
	return g.Inbox.Handle(ctx, events, cursor)
}

// TestTogether: what arrives while something is being stored is stored
// together, and not without bounds.
func TestTogether(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	p := newPeer(t, server.Addr, "alice", "permanence", "", "#asso")
	g := &gate{Inbox: chattest.NewInbox(), open: make(chan struct{}), entered: make(chan struct{})}
	a, err := irc.New(irc.Config{Server: server.Addr, Flood: irc.Flood{Unlimited: true}}, chat.Env{Name: "irc", Rooms: []string{"#asso"}, State: g.Inbox})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, g) }()
	b := &bot{Adapter: a, t: t, inbox: g.Inbox}
	first(b, "caught up", func(c *chat.Connection) bool { return c.State == chat.CaughtUp })
	p.line(t, "PRIVMSG #asso :première")
	<-g.entered
	const lines = 1000
	for i := range lines {
		if err := p.raw(fmt.Sprintf("PRIVMSG #asso :ligne %d.", i)); err != nil {
			t.Fatal(err)
		}
	}
	p.line(t, "PING fin")
	// The echo of this one comes behind them, and waits for no storing.
	if _, err := b.say("#asso", "nous parlons pourtant"); err != nil {
		t.Error(err)
	}
	close(g.open)
	b.heard(fmt.Sprintf("ligne %d.", lines-1))
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if g.largest > 500 || g.calls > 20 {
		t.Errorf("%d lines in %d calls, %d at most", lines, g.calls, g.largest)
	}
	n := 0
	for _, e := range g.Events() {
		if p, ok := e.(*chat.Posted); ok && strings.HasPrefix(p.Text, "ligne") {
			if p.Text != fmt.Sprintf("ligne %d.", n) {
				t.Fatalf("%q is line %d", p.Text, n)
			}
			n++
		}
	}
	if n != lines {
		t.Errorf("%d lines", n)
	}
}

// count is how many connections there were.
func (r *road) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}
