// Package email is the adapter for mail: it receives by SMTP, LMTP or IMAP and
// sends through a submission server. Its rooms are role addresses such as
// support@example.org; a thread is an identifier that travels, authenticated,
// in reply addresses and Message-IDs.
package email

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"permanence/bot/chat"
)

// Adapter is the mail of a set of role addresses.
type Adapter struct {
	cfg   Config
	env   chat.Env
	roles []role

	// boot and counter make identifiers of events that come from no mail.
	boot     string
	counter  atomic.Int64
	refusals refusals

	mu     sync.Mutex
	secret []byte              // nil until read from State
	bound  map[string]net.Addr // addresses listened on, by configuration

	// now and pauses are time, which tests make their own.
	now    func() time.Time
	pauses func() *backoff.ExponentialBackOff
	// idle is how long an IMAP connection waits for news before it looks by
	// itself.
	idle time.Duration
}

// New makes the adapter; it does no I/O. The rooms of env are its role
// addresses. Its errors are about the configuration, for the administrator.
func New(cfg Config, env chat.Env) (*Adapter, error) {
	roles, err := parseRoles(env.Rooms)
	if err != nil {
		return nil, err
	}
	if err := cfg.complete(env.Rooms); err != nil {
		return nil, err
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	return &Adapter{
		cfg:   cfg,
		env:   env,
		roles: roles,
		boot:  rand.Text(),
		bound: make(map[string]net.Addr),
		now:   time.Now,
		pauses: func() *backoff.ExponentialBackOff {
			b := backoff.NewExponentialBackOff()
			b.InitialInterval, b.MaxInterval = time.Second, 2*time.Minute
			return b
		},
		// Shorter than what routers and providers forget idle connections
		// after; an IDLE has no timeout of its own.
		idle: 4 * time.Minute,
	}, nil
}

// Caps tells what mail can do; it is the same in all places.
func (a *Adapter) Caps(chat.Place) chat.Caps {
	return chat.Caps{
		Threads: chat.Native,
		Replies: chat.Native,
		Files:   chat.Native,
		// Senders and mailboxes keep for us what arrives while we are away;
		// older mails cannot be asked for.
		History:  chat.Emulated,
		Accounts: a.cfg.AuthservID != "",
		// Larger mails are refused in many places; base64 adds a third.
		MaxFile: 18 << 20,
		Format:  chat.HTML,
	}
}

// Open reads a file of a mail from the stored original.
func (a *Adapter) Open(ctx context.Context, f chat.FileRef) (io.ReadCloser, error) {
	hash, rest, ok := strings.Cut(f.Ref, "/")
	index, err := strconv.Atoi(rest)
	if !ok || err != nil {
		return nil, fmt.Errorf("open %q: not a file of a mail", f.Ref)
	}
	r, err := a.env.State.Raw(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("open the original of %q: %w", f.Name, err)
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the original of %q: %w", f.Name, err)
	}
	_, _, body, err := openPart(raw, index)
	return body, err
}

// Run receives until ctx ends. A listener or mailbox that fails is tried again
// for ever, with pauses; the others go on.
func (a *Adapter) Run(ctx context.Context, h chat.Handler) error {
	t, err := again(ctx, a, "read the secret of reply tokens", a.tokens)
	if err != nil {
		return nil // ctx ended
	}
	type listener struct {
		address string
		lmtp    bool
	}
	var listeners []listener
	if a.cfg.Listen.SMTP != "" {
		listeners = append(listeners, listener{a.cfg.Listen.SMTP, false})
	}
	if a.cfg.Listen.LMTP != "" {
		listeners = append(listeners, listener{a.cfg.Listen.LMTP, true})
	}
	// One state for the adapter: the mailbox's where there is one, as it
	// alone can be behind; else connected when all listeners are.
	state := &readiness{missing: len(listeners), report: func(up bool, reason chat.Text) {
		if a.cfg.IMAP.Server != "" {
			return
		}
		if up {
			a.tell(ctx, h, chat.Cursor{}, chat.Text{}, chat.Connected, chat.CaughtUp)
		} else {
			a.tell(ctx, h, chat.Cursor{}, reason, chat.Cut)
		}
	}}
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() { a.listen(ctx, h, t, l.address, l.lmtp, state) })
	}
	if len(listeners) == 0 {
		state.report(true, chat.Text{})
	}
	if a.cfg.IMAP.Server != "" {
		wg.Go(func() { a.readMailbox(ctx, h, t) })
	}
	<-ctx.Done()
	wg.Wait()
	return nil
}

// readiness counts listeners that are not up.
type readiness struct {
	mu      sync.Mutex
	missing int
	cut     bool
	report  func(up bool, reason chat.Text)
}

func (r *readiness) up() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing--; r.missing == 0 {
		r.cut = false
		r.report(true, chat.Text{})
	}
}

// down tells that a listener which is counted as missing failed; it is
// reported once until all are up again.
func (r *readiness) down(reason chat.Text) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.cut {
		r.cut = true
		r.report(false, reason)
	}
}

func (r *readiness) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing++
}

// tokens gives the maker of tokens; its secret is created the first time.
func (a *Adapter) tokens(ctx context.Context) (tokens, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.secret == nil {
		const key = "secret"
		s, err := a.env.State.Get(ctx, key)
		if err != nil {
			return tokens{}, fmt.Errorf("read the secret of reply tokens: %w", err)
		}
		if s == nil {
			s = make([]byte, 32)
			rand.Read(s) // never fails
			if err := a.env.State.Put(ctx, key, s); err != nil {
				return tokens{}, fmt.Errorf("store the secret of reply tokens: %w", err)
			}
		}
		if len(s) < 32 {
			return tokens{}, errors.New("the stored secret of reply tokens is damaged: restore the database from a backup")
		}
		a.secret = s
	}
	return tokens{secret: a.secret, domain: a.cfg.Domain, sep: a.cfg.Subaddress}, nil
}

// handle gives events to the bot, again and again until it has stored them;
// an error means that ctx ended.
func (a *Adapter) handle(ctx context.Context, h chat.Handler, events []chat.Event, c chat.Cursor) error {
	_, err := again(ctx, a, "store what arrived", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, h.Handle(ctx, events, c)
	})
	return err
}

// tell reports how the adapter stands.
func (a *Adapter) tell(ctx context.Context, h chat.Handler, c chat.Cursor, reason chat.Text, states ...chat.ConnectionState) error {
	var events []chat.Event
	for _, s := range states {
		events = append(events, &chat.Connection{
			Meta:   chat.Meta{ID: a.boot + "/" + strconv.FormatInt(a.counter.Add(1), 10), At: a.now()},
			State:  s,
			Reason: reason,
		})
	}
	return a.handle(ctx, h, events, c)
}

// again does f until it succeeds, with growing pauses; the error is ctx's.
func again[T any](ctx context.Context, a *Adapter, what string, f func(context.Context) (T, error)) (T, error) {
	pauses := a.pauses()
	for {
		v, err := f(ctx)
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		a.env.Log.Error("could not "+what+"; it is tried again", "err", err)
		if !pause(ctx, pauses) {
			return v, ctx.Err()
		}
	}
}

// pause waits; false means that ctx ended.
func pause(ctx context.Context, b *backoff.ExponentialBackOff) bool {
	t := time.NewTimer(b.NextBackOff())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refusals counts tokens that do not verify, so that somebody who guesses is
// seen in the log without filling it: one line a minute, with the count.
type refusals struct {
	mu     sync.Mutex
	since  time.Time
	count  int
	logged int
}

func (r *refusals) note(log *slog.Logger, now time.Time, room, sender string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if !r.since.IsZero() && now.Sub(r.since) < time.Minute {
		return
	}
	log.Warn("a mail carries a reply token that we did not make; it is treated as a new request",
		"room", room, "sender", sender, "refused", r.count-r.logged, "refused_since_start", r.count)
	r.since, r.logged = now, r.count
}
