package irc_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/bot/chat/chattest"
)

// peer is a human at a client of its own: lines over TCP, nothing shared with
// the adapter.
type peer struct {
	addr, nick, bot string
	rooms           []string
	caps            string // to be asked for

	mu      sync.Mutex
	conn    net.Conn
	seen    map[string][]chattest.Message // by room; "" is the conversation with the bot
	lines   []string                      // all of them, for tests that look closer
	changed chan struct{}
	count   int
}

const richCaps = "message-tags server-time echo-message batch labeled-response"

// newPeer connects somebody, who enters rooms.
func newPeer(t testing.TB, addr, nick, bot, caps string, rooms ...string) *peer {
	t.Helper()
	p := &peer{addr: addr, nick: nick, bot: bot, caps: caps, rooms: rooms, seen: make(map[string][]chattest.Message), changed: make(chan struct{})}
	if err := p.connect(); err != nil {
		t.Fatalf("peer %s: %v", nick, err)
	}
	t.Cleanup(p.close)
	return p
}

func (p *peer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn.Close()
}

// connect is for the beginning and after the server's restart.
func (p *peer) connect() error {
	conn, err := net.DialTimeout("tcp", p.addr, 10*time.Second)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if p.conn != nil {
		p.conn.Close()
	}
	p.conn = conn
	from := len(p.lines)
	p.mu.Unlock()
	go p.read(conn)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	hello := "NICK " + p.nick + "\r\nUSER " + p.nick + " 0 * :A human"
	if p.caps != "" {
		hello = "CAP REQ :" + p.caps + "\r\n" + hello + "\r\nCAP END"
	}
	if err := p.raw(hello); err != nil {
		return err
	}
	if err := p.awaitLine(ctx, from, " 001 "); err != nil {
		return err
	}
	for _, room := range p.rooms {
		if err := p.raw("JOIN " + room); err != nil {
			return err
		}
		if err := p.awaitLine(ctx, from, " 366 "+p.nick+" "+room+" "); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) raw(line string) error {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	_, err := conn.Write([]byte(line + "\r\n"))
	return err
}

func (p *peer) read(conn net.Conn) {
	lines := bufio.NewReaderSize(conn, 16<<10)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if token, ok := strings.CutPrefix(line, "PING "); ok {
			fmt.Fprintf(conn, "PONG %s\r\n", token)
		}
		p.note(line)
	}
}

// note keeps a line, and shows it to the human where it is somebody's words.
func (p *peer) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.changed)
	p.changed = make(chan struct{})
	id := ""
	if strings.HasPrefix(line, "@") {
		tags, rest, _ := strings.Cut(line[1:], " ")
		line = rest
		for _, tag := range strings.Split(tags, ";") {
			if v, ok := strings.CutPrefix(tag, "msgid="); ok {
				id = v
			}
		}
	}
	words := strings.SplitN(line, " ", 4)
	if len(words) < 4 || words[1] != "PRIVMSG" && words[1] != "NOTICE" || !strings.Contains(words[0], "!") {
		return
	}
	from, _, _ := strings.Cut(words[0][1:], "!")
	room := words[2]
	mine := strings.EqualFold(from, p.nick)
	if !strings.HasPrefix(room, "#") {
		room = ""
	}
	p.seen[room] = append(p.seen[room], chattest.Message{ID: id, Text: strings.TrimPrefix(words[3], ":"), Mine: mine})
}

// awaitLine waits for a line with part in it behind the first from.
func (p *peer) awaitLine(ctx context.Context, from int, part string) error {
	for {
		p.mu.Lock()
		changed := p.changed
		for _, line := range p.lines[from:] {
			if strings.Contains(line, part) {
				p.mu.Unlock()
				return nil
			}
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return fmt.Errorf("no line with %q: %w; the last are\n%s", part, ctx.Err(), strings.Join(p.last(), "\n"))
		case <-changed:
		}
	}
}

// synced returns when the server has worked through all lines written before.
func (p *peer) synced(ctx context.Context) error {
	p.mu.Lock()
	p.count++
	token := fmt.Sprintf("peer%d", p.count)
	from := len(p.lines)
	p.mu.Unlock()
	if err := p.raw("PING " + token); err != nil {
		return err
	}
	return p.awaitLine(ctx, from, token)
}

// do writes a line and waits until the server has worked on it.
func (p *peer) do(ctx context.Context, line string) error {
	if err := p.raw(line); err != nil {
		return err
	}
	return p.synced(ctx)
}

// target is where the human writes: what is no channel is the bot.
func (p *peer) target(room string) string {
	if strings.HasPrefix(room, "#") {
		return room
	}
	return p.bot
}

func (p *peer) Say(ctx context.Context, room, thread, text string) (string, error) {
	if thread != "" {
		return "", chattest.ErrCannot
	}
	p.mu.Lock()
	from := len(p.seen[p.key(room)])
	p.mu.Unlock()
	for _, line := range wrap(text, 380) {
		if err := p.raw("PRIVMSG " + p.target(room) + " :" + line); err != nil {
			return "", err
		}
	}
	if err := p.synced(ctx); err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.seen[p.key(room)][from:] {
		if m.Mine {
			return m.ID, nil
		}
	}
	return "", nil
}

func (p *peer) key(room string) string {
	if strings.HasPrefix(room, "#") {
		return room
	}
	return ""
}

// wrap breaks a text into lines of words.
func wrap(text string, limit int) []string {
	var lines []string
	var line string
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > limit {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}

func (p *peer) Edit(context.Context, string, string, string) error  { return chattest.ErrCannot }
func (p *peer) Delete(context.Context, string, string) error        { return chattest.ErrCannot }
func (p *peer) React(context.Context, string, string, string) error { return chattest.ErrCannot }
func (p *peer) Unreact(context.Context, string, string, string) error {
	return chattest.ErrCannot
}

func (p *peer) Upload(context.Context, string, string, string, string, []byte) (string, error) {
	return "", chattest.ErrCannot
}

func (p *peer) Press(context.Context, string, string, string) error { return chattest.ErrCannot }

func (p *peer) Await(ctx context.Context, room string, ok func([]chattest.Message) bool) ([]chattest.Message, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		var list []chattest.Message
		list = append(list, p.seen[p.key(room)]...)
		p.mu.Unlock()
		if ok(list) {
			return list, nil
		}
		select {
		case <-ctx.Done():
			return list, ctx.Err()
		case <-changed:
		}
	}
}

// road is a TCP proxy between the adapter and a server: it can be cut.
type road struct {
	addr string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	shut  bool
	total int
	held  chan struct{} // not nil: what the server says waits until it is closed
}

func newRoad(t testing.TB, to string) *road { return newRoadAt(t, "127.0.0.1:0", to) }

func newRoadAt(t testing.TB, at, to string) *road {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	r := &road{addr: l.Addr().String(), conns: make(map[net.Conn]struct{})}
	t.Cleanup(func() {
		l.Close()
		r.cut(false)
	})
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(in, to)
		}
	}()
	return r
}

func (r *road) carry(in net.Conn, to string) {
	out, err := net.Dial("tcp", to)
	if err != nil {
		in.Close()
		return
	}
	r.mu.Lock()
	if r.shut {
		in.Close()
		out.Close()
	}
	r.total++
	r.conns[in], r.conns[out] = struct{}{}, struct{}{}
	r.mu.Unlock()
	copyTo := func(a, b net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := a.Read(buf)
			r.mu.Lock()
			held := r.held
			r.mu.Unlock()
			if held != nil && a == out {
				<-held
			}
			if n > 0 {
				if _, err := b.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		a.Close()
		b.Close()
	}
	go copyTo(in, out)
	copyTo(out, in)
	r.mu.Lock()
	delete(r.conns, in)
	delete(r.conns, out)
	r.mu.Unlock()
}

// cut breaks every connection; shut keeps new ones from working.
func (r *road) cut(shut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = shut
	for c := range r.conns {
		c.Close()
	}
}

// deadline ends a test that waits for nothing.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// hold keeps back what the server says, or lets it go on.
func (r *road) hold(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.held = make(chan struct{})
		return
	}
	close(r.held)
	r.held = nil
}

// last gives the last lines that somebody read.
func (p *peer) last() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines[max(0, len(p.lines)-10):]...)
}
