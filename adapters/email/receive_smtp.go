package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"

	"permanence/bot/chat"
)

const (
	// smtpTimeout is how long a client may be silent (RFC 5321 section
	// 4.5.3.2.7: at least five minutes).
	smtpTimeout = 5 * time.Minute
	// maxSessions and maxParsing bound the memory: a session may hold one
	// mail, and taking it apart needs several times its size.
	maxSessions = 20
	maxParsing  = 2
	// maxRecipients is what RFC 5321 section 4.5.3.1.8 asks for.
	maxRecipients = 100
	// drain is how long a mail that is arriving may still take when we stop.
	drain = time.Second
)

var (
	errNoSuchUser     = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such address here"}
	errNotStored      = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail could not be stored, please try again later"}
	errTooManyClients = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "too many connections, please try again later"}
)

// listen serves one address until ctx ends; where it cannot, it tries again.
func (a *Adapter) listen(ctx context.Context, h chat.Handler, t tokens, address string, lmtp bool, state *readiness) {
	pauses := a.pauses()
	for {
		l, err := bind(ctx, address)
		if err == nil {
			pauses.Reset()
			a.setBound(address, l.Addr())
			a.env.Log.Info("listening for mail", "address", l.Addr().String(), "lmtp", lmtp)
			state.up()
			err = a.serve(ctx, h, t, l, lmtp)
			a.setBound(address, nil)
			state.lost()
		}
		if ctx.Err() != nil {
			return
		}
		a.env.Log.Error("cannot listen for mail; it is tried again", "address", address, "err", err)
		state.down(listenReason(address, err))
		if !pause(ctx, pauses) {
			return
		}
	}
}

func (a *Adapter) setBound(address string, addr net.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if addr == nil {
		delete(a.bound, address)
	} else {
		a.bound[address] = addr
	}
}

// boundTo tells where we listen for a configured address; nil when we do not.
func (a *Adapter) boundTo(address string) net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bound[address]
}

// bind opens host:port or unix:/path. A socket file that nobody listens on any
// more, left by a process that was killed, is replaced.
func bind(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return lc.Listen(ctx, "tcp", address)
	}
	l, err := lc.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, dialErr := net.DialTimeout("unix", path, time.Second); dialErr == nil {
			c.Close()
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		l, err = lc.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, err
	}
	// The mail server is another user of this machine, of the same group.
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// serve speaks SMTP or LMTP on l until ctx ends, which is no error.
func (a *Adapter) serve(ctx context.Context, h chat.Handler, t tokens, l net.Listener, lmtp bool) error {
	d := &door{a: a, ctx: ctx, h: h, tokens: t, free: make(chan struct{}, maxSessions), parsing: make(chan struct{}, maxParsing)}
	s := smtp.NewServer(smtp.BackendFunc(d.newSession))
	s.LMTP = lmtp
	s.Domain = a.cfg.Listen.Hostname
	s.MaxRecipients = maxRecipients
	s.MaxMessageBytes = a.cfg.MaxSize
	// A mail may be one long line; refusing it would be to refuse its content.
	s.MaxLineLength = int(a.cfg.MaxSize)
	s.ReadTimeout, s.WriteTimeout = smtpTimeout, smtpTimeout
	s.EnableSMTPUTF8 = true
	s.ErrorLog = slog.NewLogLogger(a.env.Log.Handler(), slog.LevelWarn)

	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	var err error
	select {
	case err = <-served:
		served = nil
	case <-ctx.Done():
	}
	l.Close()
	d.wait(drain)
	s.Close()
	if served != nil {
		<-served
	}
	return err
}

// door makes the sessions of one listener.
type door struct {
	a       *Adapter
	ctx     context.Context
	h       chat.Handler
	tokens  tokens
	free    chan struct{} // has an element for each session
	parsing chan struct{} // has an element for each mail being taken apart

	mu   sync.Mutex
	busy int           // mails that are arriving or not yet answered
	idle chan struct{} // closed when busy is 0; nil while nobody waits
}

func (d *door) newSession(c *smtp.Conn) (smtp.Session, error) {
	select {
	case d.free <- struct{}{}:
		return &session{door: d, log: d.a.env.Log.With("remote", c.Conn().RemoteAddr().String())}, nil
	default:
		return nil, errTooManyClients
	}
}

func (d *door) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy++
}

func (d *door) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy--; d.busy == 0 && d.idle != nil {
		close(d.idle)
		d.idle = nil
	}
}

// wait lets mails that are arriving be answered, for so long at most.
func (d *door) wait(most time.Duration) {
	d.mu.Lock()
	if d.busy == 0 {
		d.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	d.idle = idle
	d.mu.Unlock()
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-idle:
	case <-t.C:
	}
}

// session is one SMTP connection. go-smtp calls its methods one after the
// other, but for Logout, which may come at any time; it answers 421 to a panic.
type session struct {
	*door
	log *slog.Logger

	from   string
	mail   bool // MAIL was given
	to     []string
	inData atomic.Bool
	over   atomic.Bool
}

// Mail begins a mail; an empty sender is one of the automatic kind.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.ctx.Err() != nil {
		return errNotStored
	}
	s.from, s.mail, s.to = strings.ToLower(from), true, nil
	return nil
}

// Rcpt accepts the role addresses and nothing else.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if _, ok := s.a.roleOf(to); !ok {
		return errNoSuchUser
	}
	s.to = append(s.to, strings.ToLower(to))
	return nil
}

// Data takes the mail: 250 says that it is stored. On LMTP go-smtp repeats the
// answer for each recipient, which is the truth, as all are stored together.
func (s *session) Data(r io.Reader) error {
	s.inData.Store(true)
	s.begin()
	raw, err := io.ReadAll(r)
	if err != nil {
		return err // too large, or the connection broke
	}
	events := s.parse(arrival{raw: raw, to: s.to, from: s.from, known: s.mail})
	if err := s.h.Handle(s.ctx, events, chat.Cursor{}); err != nil {
		s.log.Error("a mail was not stored; its sender was asked to try again", "err", err)
		return errNotStored
	}
	s.log.Debug("mail stored", "event", events[0].Head().ID, "size", len(raw))
	return nil
}

func (s *session) parse(in arrival) []chat.Event {
	s.parsing <- struct{}{}
	defer func() { <-s.parsing }()
	return s.a.events(s.tokens, in)
}

// Reset forgets the mail; go-smtp calls it after the answer to DATA too, which
// is when that mail is done with.
func (s *session) Reset() {
	s.answered()
	s.from, s.mail, s.to = "", false, nil
}

// Logout ends the session.
func (s *session) Logout() error {
	s.answered()
	if !s.over.Swap(true) {
		<-s.free
	}
	return nil
}

func (s *session) answered() {
	if s.inData.Swap(false) {
		s.end()
	}
}

// listenReason says why nothing can be received.
func listenReason(address string, err error) chat.Text {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return chat.Text{
			FR: fmt.Sprintf("aucun courriel ne peut être reçu : %s est déjà utilisé par un autre programme", address),
			EN: fmt.Sprintf("no mail can be received: %s is already used by another program", address),
		}
	case errors.Is(err, syscall.EACCES):
		return chat.Text{
			FR: fmt.Sprintf("aucun courriel ne peut être reçu : le système ne permet pas d’écouter sur %s", address),
			EN: fmt.Sprintf("no mail can be received: the system does not allow listening on %s", address),
		}
	}
	return chat.Text{
		FR: fmt.Sprintf("aucun courriel ne peut être reçu sur %s", address),
		EN: fmt.Sprintf("no mail can be received at %s", address),
	}
}
