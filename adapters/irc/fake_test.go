package irc_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// fakeIRCd is a made-up server for what the real ones do not do on demand: a
// bouncer's playback, a netsplit, being thrown out for flooding, capabilities
// withheld. It knows registration, JOIN and PING, and what answer adds.
type fakeIRCd struct {
	addr string
	caps string
	// answer gets each other line, with what writes to the client.
	answer func(line string, say func(string))

	mu    sync.Mutex
	conns []net.Conn
	lines []string
	begun chan func(string) // the writer of each registered connection
}

func newFake(t *testing.T, caps string, answer func(line string, say func(string))) *fakeIRCd {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeIRCd{addr: l.Addr().String(), caps: caps, answer: answer, begun: make(chan func(string), 10)}
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, c := range f.conns {
			c.Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			go f.serve(c)
		}
	}()
	return f
}

func (f *fakeIRCd) serve(c net.Conn) {
	defer c.Close()
	var mu sync.Mutex
	say := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(c, "%s\r\n", line)
	}
	for lines := bufio.NewScanner(c); lines.Scan(); {
		line := lines.Text()
		f.mu.Lock()
		f.lines = append(f.lines, line)
		f.mu.Unlock()
		words := strings.Fields(line)
		switch words[0] {
		case "CAP":
			switch words[1] {
			case "LS":
				say(":fake CAP * LS :" + f.caps)
			case "REQ":
				say(":fake CAP * ACK " + strings.Join(words[2:], " "))
			}
		case "USER":
			if f.caps == "" {
				f.welcome(say)
			}
		case "NICK", "PASS":
		case "PING":
			say(":fake PONG fake " + words[1])
		case "JOIN":
			for _, room := range strings.Split(strings.TrimPrefix(words[1], ":"), ",") {
				say(":permanence!p@host JOIN " + room)
				say(":fake 353 permanence = " + room + " :permanence @camille")
				say(":fake 366 permanence " + room + " :End")
			}
		case "QUIT":
			say("ERROR :bye")
			return
		default:
			if f.answer != nil {
				f.answer(line, say)
			}
		}
		if words[0] == "CAP" && words[1] == "END" {
			f.welcome(say)
		}
	}
}

func (f *fakeIRCd) welcome(say func(string)) {
	tag := ""
	if strings.Contains(f.caps, "server-time") {
		tag = "@time=" + stampOf(time.Now()) + " "
	}
	say(tag + ":fake 001 permanence :hello")
	say(":fake 005 permanence CHANTYPES=# PREFIX=(ov)@+ :are supported by this server")
	say(":fake 376 permanence :end")
	f.begun <- say
}

func stampOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// TestPlayback: a bouncer plays back what it kept, in a batch or bare; nothing
// of it pings, and playing it twice is harmless.
func TestPlayback(t *testing.T) {
	f := newFake(t, "server-time batch message-tags", nil)
	b := running(t, irc.Config{Server: f.addr}, "#asso")
	say := <-f.begun
	old := stampOf(time.Now().Add(-time.Hour))
	for range 2 {
		say("@time=" + old + " :alice!a@host PRIVMSG #asso :permanence: hier")
		say(":fake BATCH +z znc.in/playback #asso")
		say("@batch=z;time=" + old + " :alice!a@host PRIVMSG #asso :permanence: en lot")
		say(":fake BATCH -z")
	}
	say("@time=" + stampOf(time.Now().Add(time.Second)) + " :alice!a@host PRIVMSG #asso :maintenant")
	if p := b.heard("maintenant"); p.Backlog {
		t.Error("now is taken for the past")
	}
	n := 0
	for _, e := range b.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok && (p.Text == "hier" || p.Text == "en lot") {
			n++
			if !p.Backlog {
				t.Errorf("%q is taken for now", p.Text)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d old lines, want 2", n)
	}
}

// TestFlooding: thrown out for flooding, the bot comes back and is slower.
func TestFlooding(t *testing.T) {
	f := newFake(t, "", func(line string, say func(string)) {
		if strings.Contains(line, "déluge") {
			say("ERROR :Closing Link: permanence (Excess Flood)")
		}
	})
	b := running(t, irc.Config{Server: f.addr}, "#asso")
	_, err := b.say("#asso", "déluge")
	if kindOf(t, err) != chat.Temporary {
		t.Error(err)
	}
	c := first(b, "the cut", func(c *chat.Connection) bool { return c.State == chat.Cut })
	if !strings.Contains(c.Reason.FR, "Excess Flood") {
		t.Errorf("reason %q", c.Reason.FR)
	}
	b.await("the return", func(events []chat.Event) bool {
		n := 0
		for _, e := range events {
			if c, ok := e.(*chat.Connection); ok && c.State == chat.CaughtUp {
				n++
			}
		}
		return n == 2
	})
	if every := irc.Pace(b.Adapter); every < time.Second {
		t.Errorf("a line each %v after having been thrown out", every)
	}
}

// TestNetsplit: half of the network goes away and comes back; the visitors
// among them are somebody else afterwards, and nobody asks WHO for each.
func TestNetsplit(t *testing.T) {
	f := newFake(t, "batch message-tags", nil)
	b := running(t, irc.Config{Server: f.addr}, "#asso")
	say := <-f.begun
	say(":alice!a@host JOIN #asso")
	say(":alice!a@host PRIVMSG #asso :avant")
	before := b.heard("avant").From.ID
	say(":fake BATCH +n netsplit one.example.org two.example.org")
	say("@batch=n :alice!a@host QUIT :one.example.org two.example.org")
	say(":fake BATCH -n")
	first(b, "the split", func(l *chat.Left) bool { return l.From.ID == before && l.Room == "" })
	say(":fake BATCH +j netjoin one.example.org two.example.org")
	for i := range 50 {
		say(fmt.Sprintf("@batch=j :user%d!u@host JOIN #asso", i))
	}
	say("@batch=j :alice!a@host JOIN #asso")
	say(":fake BATCH -j")
	say(":alice!a@host PRIVMSG #asso :après")
	if after := b.heard("après").From.ID; after == before {
		t.Error("the same identity after a split")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.lines {
		if strings.HasPrefix(line, "WHO ") {
			t.Errorf("asked %q", line)
		}
	}
}

// TestEchoOnly: without labels our lines are known by their echo.
func TestEchoOnly(t *testing.T) {
	n := 0
	f := newFake(t, "echo-message message-tags", func(line string, say func(string)) {
		if strings.Contains(line, "PRIVMSG #asso") {
			n++
			say(fmt.Sprintf("@msgid=m%d :permanence!p@host %s", n, line[strings.Index(line, "PRIVMSG"):]))
		}
		if strings.Contains(line, "PRIVMSG #muet") {
			say(":fake 404 permanence #muet :no")
		}
	})
	b := running(t, irc.Config{Server: f.addr}, "#asso", "#muet")
	r, err := b.say("#asso", "un\n\ndeux")
	if err != nil || !r.Confirmed || len(r.Parts) != 2 || r.Parts[1].ID != "m2" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := b.say("#muet", "non"); kindOf(t, err) != chat.Unauthorised {
		t.Error(err)
	}
}

// TestBots: those whom the server marks as programs are known as such.
func TestBots(t *testing.T) {
	f := newFake(t, "message-tags", nil)
	b := running(t, irc.Config{Server: f.addr}, "#asso")
	say := <-f.begun
	say("@bot :autre!a@host PRIVMSG #asso :permanence: bip")
	if p := b.heard("bip"); !p.From.Bot {
		t.Errorf("%+v", p)
	}
}

// TestSTS: a server that asks for TLS gets no line more in the open.
func TestSTS(t *testing.T) {
	f := newFake(t, "sts=port=1 sasl", nil)
	b := launched(t, chattest.NewInbox(), irc.Config{Server: f.addr}, "#asso")
	first(b, "the cut", func(c *chat.Connection) bool { return c.State == chat.Cut })
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.lines {
		if strings.HasPrefix(line, "JOIN") || strings.HasPrefix(line, "PRIVMSG") {
			t.Errorf("said in the open: %q", line)
		}
	}
	if len(f.conns) != 1 {
		t.Errorf("%d connections in the open", len(f.conns))
	}
}
