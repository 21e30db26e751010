package irc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/lrstanley/girc"
	"golang.org/x/time/rate"

	"permanence/bot/chat"
)

const (
	registerTimeout = 60 * time.Second
	// steadyAfter is how long a connection must have lasted for the pauses
	// between attempts to begin anew.
	steadyAfter = 2 * time.Minute
	// stubborn is the pause behind a refusal that only people can change.
	stubborn = time.Minute
	// quitTimeout is how long the server may take to take leave.
	quitTimeout = time.Second
	// maxBehind is how many lines of the server may wait for being stored
	// before we hang up; history has them, where there is one.
	maxBehind = 200_000
)

// connectError is why a connection could not be had or ended, named as in
// Check.
type connectError struct {
	name   string // "sasl-refused", …
	reason chat.Text
	err    error
}

func (e *connectError) Error() string {
	if e.err == nil {
		return e.name
	}
	return e.name + ": " + e.err.Error()
}
func (e *connectError) Unwrap() error { return e.err }

var errUpgrade = errors.New("the server asks for TLS (STS)")

// runner is one Run of an adapter.
type runner struct {
	*Adapter
	handler chat.Handler
	told    chat.ConnectionState // last, to tell of each cut once
}

// Run connects and listens until ctx ends, and comes back after every cut.
func (a *Adapter) Run(ctx context.Context, h chat.Handler) error {
	r := &runner{Adapter: a, handler: h}
	pause := a.pauses()
	for {
		began := time.Now()
		err := r.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errUpgrade) {
			continue
		}
		a.log.Warn("connection lost", "err", err)
		if err := r.cut(ctx, err); err != nil {
			return nil // ctx ended
		}
		if time.Since(began) > steadyAfter {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		var ce *connectError
		if errors.As(err, &ce) && strings.HasPrefix(ce.name, "sasl") {
			wait = max(wait, min(stubborn, a.retryMax))
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (a *Adapter) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = a.retry, a.retryMax, 2
	b.Reset()
	return b
}

// cut tells of a cut, once for each.
func (r *runner) cut(ctx context.Context, err error) error {
	if r.told == chat.Cut {
		return nil
	}
	r.told = chat.Cut
	return r.store(ctx, []chat.Event{r.connection(chat.Cut, reasonOf(err))}, chat.Cursor{})
}

func reasonOf(err error) chat.Text {
	var c *connectError
	if errors.As(err, &c) && c.reason != (chat.Text{}) {
		return c.reason
	}
	var d *dialError
	if errors.As(err, &d) && d.step != "dial" {
		return chat.Text{FR: "la connexion chiffrée au serveur IRC échoue", EN: "the secure connection to the IRC server fails"}
	}
	return chat.Text{FR: "le serveur IRC ne répond pas", EN: "the IRC server does not answer"}
}

func (a *Adapter) connection(state chat.ConnectionState, reason chat.Text) *chat.Connection {
	return &chat.Connection{Meta: chat.Meta{ID: a.newID(), At: time.Now().UTC()}, State: state, Reason: reason}
}

// store gives events to the handler until it has them: an error means that
// nothing was stored, so the same events are offered again. It fails only when
// ctx ends.
func (r *runner) store(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	pause := r.pauses()
	pause.InitialInterval, pause.MaxInterval = 20*time.Millisecond, 5*time.Second
	pause.Reset()
	for {
		err := r.handler.Handle(ctx, events, cursor)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.log.Warn("events not stored, offered again", "events", len(events), "err", err)
		if !sleep(ctx, pause.NextBackOff()) {
			return ctx.Err()
		}
	}
}

// open dials, and makes a session that has not said anything yet.
func (a *Adapter) open(ctx context.Context) (*session, error) {
	if err := a.recallSTS(ctx); err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	a.mu.Lock()
	a.sessions++
	number := a.sessions
	port, secure := a.cfg.port, a.cfg.tls
	if a.secure != "" {
		port, secure = a.secure, true
	}
	burst, every := a.cfg.burst, max(a.cfg.every, a.every)
	a.mu.Unlock()
	pass, err := secret(a.cfg.ServerPasswordFile)
	if err != nil {
		return nil, &dialError{"files", err}
	}
	password, err := secret(a.cfg.SASL.PasswordFile)
	if err != nil {
		return nil, &dialError{"files", err}
	}
	w, err := a.cfg.dial(ctx, port, secure)
	if err != nil {
		return nil, err
	}
	limit := rate.NewLimiter(rate.Inf, 1)
	if every > 0 {
		limit = rate.NewLimiter(rate.Every(every), burst)
	}
	s := newSession(a, fmt.Sprintf("%s.%d", a.boot, number), w, limit, secure)
	conf := girc.Config{
		Server: a.cfg.host, Port: 6697, Nick: a.cfg.Nick, User: ident(a.cfg.Nick), Name: a.cfg.RealName, ServerPass: pass,
		DisableSTS: true, DisableAutoWHOOnJoin: true, DisableAutoMODEOnJoin: true, AllowFlood: true,
		PingDelay: time.Minute, PingTimeout: time.Minute,
		// girc indexes parameters that a strange server may leave out.
		RecoverFunc:       func(_ *girc.Client, e *girc.HandlerError) { a.log.Warn("strange line of the server", "err", e.Error()) },
		HandleNickCollide: s.otherNick,
		SupportedCaps: map[string][]string{
			"echo-message": nil, "labeled-response": nil, "standard-replies": nil, "setname": nil,
			"draft/chathistory": nil, "chathistory": nil, "draft/multiline": nil, "draft/message-redaction": nil,
			"znc.in/playback": nil, "znc.in/server-time-iso": nil,
		},
	}
	switch {
	case a.cfg.SASL.Mechanism == "external":
		conf.SASL = &girc.SASLExternal{}
	case a.cfg.SASL.Mechanism == "scram-sha-256":
		conf.SASL = newSCRAM(a.cfg.SASL.User, password, func(why string) {
			s.queue.put(item{do: func() { s.fail(saslRefused(why)) }})
		})
	case a.cfg.SASL.User != "":
		conf.SASL = &girc.SASLPlain{User: a.cfg.SASL.User, Pass: password}
	}
	s.client = girc.New(conf)
	s.client.CTCP.ClearAll()
	return s, nil
}

// ident makes a user name of a nick.
func ident(nick string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, nick)
	if out == "" || out[0] >= '0' && out[0] <= '9' {
		return "permanence"
	}
	return out[:min(len(out), 9)]
}

// connect is one connection, from dialling to its end.
func (r *runner) connect(ctx context.Context) error {
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	s.run = r
	if err := s.recall(ctx); err != nil {
		s.wire.Close()
		return err
	}
	late := time.AfterFunc(registerTimeout, func() {
		s.queue.put(item{do: func() {
			if !s.registered {
				s.fail(&connectError{name: "connect", reason: chat.Text{
					FR: "le serveur IRC ne nous accueille pas", EN: "the IRC server does not welcome us",
				}})
			}
		}})
	})
	defer late.Stop()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	ended := s.begin()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		if err := s.writer.run(inner); err != nil {
			s.log.Debug("write", "err", err)
			s.wire.Close()
		}
	}()
	err = s.loop(ctx, ended)
	r.mu.Lock()
	if r.current == s {
		r.current = nil
	}
	r.mu.Unlock()
	stop()
	<-wrote
	if ctx.Err() == nil {
		if ferr := s.farewell(ctx); ferr != nil {
			return ferr
		}
	}
	return err
}

// loop works through what the server says until the connection ends.
func (s *session) loop(ctx context.Context, ended <-chan error) error {
	defer s.closeTimers()
	for {
		select {
		case <-ctx.Done():
			s.leave(ended)
			return nil
		case err := <-ended:
			// What was said before the end counts.
			s.work(s.queue.close())
			if ferr := s.flush(ctx); ferr != nil {
				return ferr
			}
			if s.failed != nil {
				return s.failed
			}
			if s.lastError != "" {
				return &connectError{name: "connect", err: errors.New(s.lastError), reason: chat.Text{
					FR: "le serveur IRC a coupé : " + s.lastError, EN: "the IRC server hung up: " + s.lastError,
				}}
			}
			if err == nil {
				err = errors.New("connection closed")
			}
			return err
		case <-s.queue.ready:
			for items := range slices.Chunk(s.queue.take(), maxWorked) {
				s.work(items)
				if err := s.flush(ctx); err != nil {
					s.leave(ended)
					return nil
				}
			}
		}
	}
}

// leave takes leave and waits for the end.
func (s *session) leave(ended <-chan error) {
	limit := time.AfterFunc(quitTimeout, func() { s.wire.Close() })
	defer limit.Stop()
	go s.wire.line("QUIT :") // may block on a dead connection until Close
	<-ended
	s.queue.close()
	s.wire.Close()
}

// work handles items in order.
func (s *session) work(items []item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		if s.failed != nil {
			return
		}
		if it.do != nil {
			it.do()
			continue
		}
		s.hear(it.event)
	}
}

// maxWorked is how many lines are worked through before what they brought is
// stored; meanwhile nobody else may look at the session.
const maxWorked = 250

// maxOffered is how many events are stored at once: what came together goes
// together, but no transaction grows without end.
const maxOffered = 500

// flush stores what work has made of it.
func (s *session) flush(ctx context.Context) error {
	after, then, events := s.after, s.then, s.out
	s.after, s.then, s.out = nil, nil, nil
	cursor := s.cursor(len(events) > 0)
	for _, keep := range after {
		keep(ctx)
	}
	for len(events) > 0 {
		n := min(len(events), maxOffered)
		with := chat.Cursor{}
		if n == len(events) {
			with = cursor // everything before it is stored
		}
		for _, e := range events[:n] {
			if c, ok := e.(*chat.Connection); ok {
				s.run.told = c.State
			}
		}
		if err := s.run.store(ctx, events[:n], with); err != nil {
			return err
		}
		events = events[n:]
	}
	for _, keep := range then {
		keep(ctx)
	}
	return nil
}

// jitter spreads a pause by a half to both sides.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1)
}
