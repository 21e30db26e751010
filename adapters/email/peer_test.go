package email

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"permanence/bot/chat"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// store is what the bot does with what arrives: keep it, each event once.
type store struct {
	mu      sync.Mutex
	data    map[string][]byte
	cursors map[string]string
	seen    map[string]bool
	raw     map[string][]byte
	refuse  error
	refused chan struct{} // one for each refusal
	events  chan chat.Event
}

func newStore() *store {
	return &store{
		data: map[string][]byte{}, cursors: map[string]string{}, seen: map[string]bool{}, raw: map[string][]byte{},
		refused: make(chan struct{}, 1000), events: make(chan chat.Event, 1000),
	}
}

func (s *store) Handle(_ context.Context, events []chat.Event, c chat.Cursor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		s.refused <- struct{}{}
		return s.refuse
	}
	for _, e := range events {
		m := e.Head()
		id := m.Room + "\x00" + m.ID + "\x00" + m.Revision
		if s.seen[id] {
			continue
		}
		s.seen[id] = true
		if p, ok := e.(*chat.Posted); ok && p.Raw != nil {
			r, err := p.Raw.Open()
			if err != nil {
				return err
			}
			if s.raw[p.Raw.Hash], err = io.ReadAll(r); err != nil {
				return err
			}
		}
		s.events <- e
	}
	if c.Name != "" {
		s.cursors[c.Name] = c.Value
	}
	return nil
}

func (s *store) refuseWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

func (s *store) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[key], nil
}

func (s *store) Put(_ context.Context, key string, v []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[key] = bytes.Clone(v)
	return nil
}

func (s *store) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.data, key)
	return nil
}

func (s *store) Cursor(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[name], nil
}

func (s *store) Raw(_ context.Context, hash string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.raw[hash]
	if !ok {
		return nil, errors.New("no such original")
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s *store) DB(context.Context) (*sql.DB, string, error) { return nil, "", errors.New("none") }

// next waits for the next event that is not about the connection.
func (s *store) next(t *testing.T) chat.Event {
	t.Helper()
	for {
		e := s.any(t)
		if _, ok := e.(*chat.Connection); !ok {
			return e
		}
	}
}

func (s *store) any(t *testing.T) chat.Event {
	t.Helper()
	select {
	case e := <-s.events:
		return e
	case <-time.After(patience):
		t.Fatal("no event came")
		return nil
	}
}

func (s *store) posted(t *testing.T) *chat.Posted {
	t.Helper()
	e := s.next(t)
	p, ok := e.(*chat.Posted)
	if !ok {
		t.Fatalf("got %#v, want a mail", e)
	}
	return p
}

// state waits for the connection to be reported so.
func (s *store) state(t *testing.T, want chat.ConnectionState) *chat.Connection {
	t.Helper()
	for {
		if c, ok := s.any(t).(*chat.Connection); ok && c.State == want {
			return c
		}
	}
}

// nothing checks that no mail is waiting.
func (s *store) nothing(t *testing.T) {
	t.Helper()
	for {
		select {
		case e := <-s.events:
			if _, ok := e.(*chat.Connection); !ok {
				t.Fatalf("unexpected event %#v", e)
			}
		default:
			return
		}
	}
}

var desk = []string{"support@example.org", "billing@example.org"}

// newAdapter makes an adapter for the desk whose pauses are short.
func newAdapter(t testing.TB, cfg Config, s *store) *Adapter {
	t.Helper()
	a, err := New(cfg, chat.Env{Name: "mail", Rooms: desk, State: s, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	a.pauses = func() *backoff.ExponentialBackOff {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval, b.MaxInterval = time.Millisecond, 50*time.Millisecond
		return b
	}
	return a
}

// run starts the adapter; it is stopped, promptly, when the test ends or when
// stop is called.
func run(t testing.TB, a *Adapter, s *store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, s) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(patience):
				t.Error("Run does not end")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// listening starts an adapter with an SMTP or LMTP listener and gives its
// address.
func listening(t testing.TB, cfg Config, s *store) (*Adapter, string) {
	t.Helper()
	const port0 = "127.0.0.1:0"
	if cfg.Listen == (Listen{}) {
		cfg.Listen.SMTP = port0
	}
	a := newAdapter(t, cfg, s)
	run(t, a, s)
	if tt, ok := t.(*testing.T); ok {
		s.state(tt, chat.CaughtUp)
	}
	return a, a.boundTo(port0).String()
}

// crlf makes a mail of a Go literal.
func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n"))
}

// deliver gives a mail to the listener as another mail server does.
func deliver(addr, from string, to []string, raw []byte) error {
	c, err := smtp.Dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := transaction(c, from, to, raw); err != nil {
		return err
	}
	return c.Quit()
}

func transaction(c *smtp.Client, from string, to []string, raw []byte) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	return w.Close()
}

func mustDeliver(t testing.TB, addr, from string, to []string, raw []byte) {
	t.Helper()
	if err := deliver(addr, from, to, raw); err != nil {
		t.Fatal(err)
	}
}

// code is the SMTP reply code of an error.
func code(err error) int {
	var e *textproto.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// sink is a submission server that keeps what it was given.
type sink struct {
	*gosmtp.Server
	addr string

	mu       sync.Mutex
	password string           // empty: no login
	answers  map[string]error // to RCPT, by recipient
	mailErr  error
	dataErr  error
	drop     bool // close instead of answering the final dot
	got      []submitted
	ehlo     []string
}

// submitted is a mail as the sink saw it.
type submitted struct {
	from string
	to   []string
	raw  string
}

func newSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveSink(t, l, nil)
}

func serveSink(t testing.TB, l net.Listener, startTLS *tls.Config) *sink {
	s := &sink{addr: l.Addr().String(), answers: map[string]error{}}
	s.Server = gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ehlo = append(s.ehlo, c.Hostname())
		return &sinkSession{sink: s, conn: c}, nil
	}))
	s.TLSConfig = startTLS
	s.Domain = "smtp.example.net"
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.AllowInsecureAuth = true
	s.EnableDSN = true
	s.EnableSMTPUTF8 = true
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *sink) answer(to string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[to] = err
}

func (s *sink) mails() []submitted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

type sinkSession struct {
	*sink
	conn   *gosmtp.Conn
	logged bool
	cur    submitted
}

func (s *sinkSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *sinkSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "support" || password != s.password {
			return gosmtp.ErrAuthFailed
		}
		s.logged = true
		return nil
	}), nil
}

func (s *sinkSession) Mail(from string, _ *gosmtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.password != "" && !s.logged {
		return gosmtp.ErrAuthRequired
	}
	s.cur = submitted{from: from}
	return s.mailErr
}

func (s *sinkSession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.answers[to]; err != nil {
		return err
	}
	s.cur.to = append(s.cur.to, to)
	return nil
}

func (s *sinkSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dataErr != nil {
		return s.dataErr
	}
	s.cur.raw = string(b)
	s.got = append(s.got, s.cur)
	if s.drop {
		s.conn.Conn().Close()
	}
	return nil
}

func (s *sinkSession) Reset()        {}
func (s *sinkSession) Logout() error { return nil }

func smtpErr(code, a, b, c int, text string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{a, b, c}, Message: text}
}
