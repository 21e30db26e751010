package email

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"permanence/bot/chat"
)

// imapPeer is a mail server in memory that can misbehave.
type imapPeer struct {
	user *imapmemserver.User
	addr string
	caps imap.CapSet

	mu       sync.Mutex
	validity uint32
	broken   map[string]error // FETCH of bodies, by UID set; errDrop closes
	conns    []*imapserver.Conn
	fetches  map[string]int
	srv      *imapserver.Server
}

var errDrop = fmt.Errorf("drop the connection")

func newIMAP(t *testing.T, caps ...imap.Cap) *imapPeer {
	t.Helper()
	p := &imapPeer{
		user: imapmemserver.NewUser("support", "correct"), broken: map[string]error{}, fetches: map[string]int{},
		caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}},
	}
	if caps != nil {
		p.caps = imap.CapSet{}
		for _, c := range caps {
			p.caps[c] = struct{}{}
		}
	}
	if err := p.user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	p.start(t, "127.0.0.1:0")
	return p
}

func (p *imapPeer) start(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.srv = imapserver.New(&imapserver.Options{
		Caps: p.caps, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.conns = append(p.conns, c)
			return &imapSession{peer: p, conn: c}, nil, nil
		},
	})
	go p.srv.Serve(l)
	t.Cleanup(func() { p.srv.Close() })
}

func (p *imapPeer) put(t *testing.T, raw []byte, flags ...imap.Flag) imap.UID {
	t.Helper()
	data, err := p.user.Append("INBOX", literal{bytes.NewReader(raw)}, &imap.AppendOptions{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return data.UID
}

func (p *imapPeer) breakUID(uid imap.UID, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken[fmt.Sprint(uid)] = err
}

// cut ends all connections, as a router does that forgets them.
func (p *imapPeer) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.NetConn().Close()
	}
	p.conns = nil
}

type literal struct{ *bytes.Reader }

// imapSession is the memory server's, with faults.
type imapSession struct {
	*imapmemserver.UserSession
	peer *imapPeer
	conn *imapserver.Conn
}

func (s *imapSession) Close() error {
	if s.UserSession == nil {
		return nil
	}
	return s.UserSession.Close()
}

func (s *imapSession) Login(user, password string) error {
	if err := s.peer.user.Login(user, password); err != nil {
		return err
	}
	s.UserSession = imapmemserver.NewUserSession(s.peer.user)
	return nil
}

func (s *imapSession) Select(name string, o *imap.SelectOptions) (*imap.SelectData, error) {
	if !o.ReadOnly {
		return nil, fmt.Errorf("the mailbox is opened for writing")
	}
	data, err := s.UserSession.Select(name, o)
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	if err == nil && s.peer.validity != 0 {
		data.UIDValidity = s.peer.validity
	}
	return data, err
}

// Idle tells of every change. (The memory server's own forgets what came
// between the command before and IDLE.)
func (s *imapSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := s.UserSession.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-stop:
			return nil
		}
	}
}

func (s *imapSession) Store(*imapserver.FetchWriter, imap.NumSet, *imap.StoreFlags, *imap.StoreOptions) error {
	return fmt.Errorf("flags are changed")
}

func (s *imapSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	if len(o.BodySection) > 0 {
		s.peer.mu.Lock()
		err := s.peer.broken[set.String()]
		s.peer.fetches[set.String()]++
		s.peer.mu.Unlock()
		if err == errDrop {
			s.conn.NetConn().Close()
		}
		if err != nil {
			return err
		}
	}
	return s.UserSession.Fetch(w, set, o)
}

func reading(t *testing.T, p *imapPeer, s *store) *Adapter {
	t.Helper()
	return newAdapter(t, Config{IMAP: IMAP{Server: p.addr, User: "support", Password: "correct"}}, s)
}

func numbered(n int) []byte {
	return crlf(fmt.Sprintf("From: user%d@example.net\nTo: support@example.org\nSubject: mail %d\nMessage-ID: <m%d@example.net>\n\nbody %d\n", n, n, n, n))
}

func subjects(t *testing.T, s *store, want ...string) {
	t.Helper()
	for _, w := range want {
		if p := s.posted(t); p.Mail.Subject != w {
			t.Fatalf("got %q, want %q", p.Mail.Subject, w)
		}
	}
	s.nothing(t)
}

// New mails come at once, those from before our time and deleted ones never;
// after a restart reading goes on where it stopped.
func TestIMAP(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	p.put(t, numbered(1))
	stop := run(t, reading(t, p, s), s)
	s.state(t, chat.Connected)
	s.state(t, chat.CaughtUp)
	p.put(t, numbered(2))
	subjects(t, s, "mail 2")
	p.put(t, numbered(3), imap.FlagDeleted)
	p.put(t, numbered(4), imap.FlagSeen)
	subjects(t, s, "mail 4")
	stop()

	p.put(t, numbered(5))
	p.put(t, numbered(6))
	run(t, reading(t, p, s), s)
	subjects(t, s, "mail 5", "mail 6")
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fetches) != 4 {
		t.Errorf("bodies fetched: %v", p.fetches)
	}
}

func TestIMAPExisting(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	var want []string
	for n := range 45 { // more than two batches
		p.put(t, numbered(n))
		want = append(want, fmt.Sprintf("mail %d", n))
	}
	a := reading(t, p, s)
	a.cfg.IMAP.Existing = true
	run(t, a, s)
	subjects(t, s, want...)
}

// Without IDLE the folder is looked at from time to time.
func TestIMAPPolls(t *testing.T) {
	p := newIMAP(t, imap.CapIMAP4rev1)
	s := newStore()
	a := reading(t, p, s)
	a.idle = 10 * time.Millisecond
	run(t, a, s)
	s.state(t, chat.CaughtUp)
	p.put(t, numbered(1))
	subjects(t, s, "mail 1")
}

// An IDLE that hears nothing is renewed, and what it missed is found.
func TestIMAPIdleRenewed(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	a := reading(t, p, s)
	a.idle = 5 * time.Millisecond
	run(t, a, s)
	s.state(t, chat.CaughtUp)
	for n := range 5 {
		p.put(t, numbered(n))
		subjects(t, s, fmt.Sprintf("mail %d", n))
	}
}

// The connection is cut, the server goes away and comes back: told once,
// nothing lost, nothing twice.
func TestIMAPReconnects(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	run(t, reading(t, p, s), s)
	s.state(t, chat.CaughtUp)
	p.cut()
	if c := s.state(t, chat.Cut); c.Reason.FR == "" || c.Reason.EN == "" {
		t.Errorf("reason %+v", c.Reason)
	}
	s.state(t, chat.Connected)
	s.state(t, chat.CaughtUp)

	p.srv.Close()
	p.cut()
	s.state(t, chat.Cut)
	p.put(t, numbered(1))
	p.start(t, p.addr)
	if e, ok := s.any(t).(*chat.Connection); !ok || e.State != chat.Connected {
		t.Errorf("after the cut came %+v", e)
	}
	subjects(t, s, "mail 1")
}

// R07: a mail that the server does not give is shown as such, and the next
// ones come.
func TestR07Unfetchable(t *testing.T) {
	for name, fault := range map[string]error{
		"refused": &imap.Error{Type: imap.StatusResponseTypeNo, Text: "internal error"},
		"dropped": errDrop,
	} {
		t.Run(name, func(t *testing.T) {
			p := newIMAP(t)
			s := newStore()
			stop := run(t, reading(t, p, s), s)
			s.state(t, chat.CaughtUp)
			stop()
			p.put(t, numbered(1))
			bad := p.put(t, numbered(2))
			p.put(t, numbered(3))
			p.breakUID(bad, fault)
			run(t, reading(t, p, s), s)
			if m := s.posted(t); m.Mail.Subject != "mail 1" {
				t.Errorf("first %q", m.Mail.Subject)
			}
			m := s.posted(t)
			if m.Mail.Automatic != "unfetched" || m.Room != "support@example.org" || !strings.Contains(m.Text, "boîte aux lettres") || m.From.ID == "" {
				t.Errorf("instead of the mail: %+v", m)
			}
			subjects(t, s, "mail 3")
			p.mu.Lock()
			if n := p.fetches[fmt.Sprint(bad)]; n != fetchTries {
				t.Errorf("asked for %d times", n)
			}
			p.mu.Unlock()
		})
	}
}

// A server whose trouble passes is given time.
func TestIMAPTroublePasses(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	run(t, reading(t, p, s), s)
	s.state(t, chat.CaughtUp)
	p.breakUID(1, &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeUnavailable, Text: "later"})
	p.put(t, numbered(1))
	s.state(t, chat.Cut)
	p.breakUID(1, nil)
	subjects(t, s, "mail 1")
}

// T07: the server renumbers the folder; nothing comes twice, nor what was
// there before our time.
func TestT07Renumbered(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	a := reading(t, p, s)
	old := a.now()
	data, err := p.user.Append("INBOX", literal{bytes.NewReader(numbered(0))}, &imap.AppendOptions{Time: old.Add(-time.Hour)})
	if err != nil || data.UID != 1 {
		t.Fatal(data, err)
	}
	run(t, a, s)
	s.state(t, chat.CaughtUp)
	p.put(t, numbered(1))
	subjects(t, s, "mail 1")
	// Somebody moves an older mail here: it is for us.
	if _, err := p.user.Append("INBOX", literal{bytes.NewReader(numbered(7))}, &imap.AppendOptions{Time: old.Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	subjects(t, s, "mail 7")
	p.mu.Lock()
	p.validity = 4711
	p.mu.Unlock()
	p.cut()
	s.state(t, chat.CaughtUp)
	s.nothing(t)
	p.put(t, numbered(2))
	subjects(t, s, "mail 2")
	if c, err := s.Cursor(t.Context(), a.cursorName()); err != nil || !strings.HasPrefix(c, "4711:") {
		t.Errorf("cursor %q, %v", c, err)
	}
}

// M19: a mail above the limit is read in part, and the next one whole.
func TestIMAPTooLarge(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	a := reading(t, p, s)
	a.cfg.MaxSize = 1 << 20
	run(t, a, s)
	s.state(t, chat.CaughtUp)
	p.put(t, append(numbered(1), bytes.Repeat([]byte("a line of text\r\n"), 100_000)...))
	p.put(t, numbered(2))
	m := s.posted(t)
	if m.Mail.Subject != "mail 1" || m.From.ID != "user1@example.net" || !strings.Contains(m.Text, "dépasse la limite de 1 Mio") {
		t.Errorf("mail %q of %q, text ends %q", m.Mail.Subject, m.From.ID, m.Text[max(0, len(m.Text)-200):])
	}
	if m.Raw.Size > cutSize {
		t.Errorf("%d bytes were read", m.Raw.Size)
	}
	subjects(t, s, "mail 2")
}

// The roles of a mail in a mailbox: who delivered it knows, then To and Cc;
// a hidden copy is for the first.
func TestIMAPRoles(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	run(t, reading(t, p, s), s)
	s.state(t, chat.CaughtUp)
	for i, tt := range []struct{ header, want string }{
		{"To: Billing@example.org\n", "billing"},
		{"To: a@example.net\nCc: billing@example.org\n", "billing"},
		{"To: a@example.net\nX-Original-To: billing@example.org\nDelivered-To: mailbox@example.org\n", "billing"},
		{"To: undisclosed-recipients:;\n", "support"},
	} {
		p.put(t, crlf(fmt.Sprintf("From: u%d@example.net\nSubject: s\n%s\nb\n", i, tt.header)))
		if m := s.posted(t); m.Room != tt.want+"@example.org" {
			t.Errorf("%q: room %s", tt.header, m.Room)
		}
	}
	p.put(t, crlf("From: u@example.net\nTo: support@example.org\nCc: billing@example.org\n\nb\n"))
	if a, b := s.posted(t), s.posted(t); a.Room == b.Room || a.ID != b.ID {
		t.Errorf("rooms %s, %s", a.Room, b.Room)
	}
}

// The store refuses for a while: the mail is offered until it is kept.
func TestIMAPNotStored(t *testing.T) {
	p := newIMAP(t)
	s := newStore()
	run(t, reading(t, p, s), s)
	s.state(t, chat.CaughtUp)
	s.refuseWith(fmt.Errorf("database is away"))
	p.put(t, numbered(1))
	for range 2 {
		select {
		case <-s.refused:
		case <-time.After(patience):
			t.Fatal("the mail is not offered again")
		}
	}
	s.refuseWith(nil)
	subjects(t, s, "mail 1")
}
