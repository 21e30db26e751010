// Package bot takes what arrives, decides in one place what it means, commits
// that, and hands what is to be said to the outbox. It owns roles and
// lifecycle; it knows no protocol and no SQL.
//
// One goroutine, the decider, makes every decision and every write but the
// storing of what arrived; so the order of events is the order of decisions,
// and no lock guards the state of a ticket.
package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/bot/outbox"
	"permanence/bot/render"
	"permanence/internal/i18n"
	"permanence/statuspage"
	"permanence/tickets"
)

// Options is all that a Bot needs.
type Options struct {
	Name     string // of the association, as people outside know it
	Language string // "fr" or "en", where nothing nearer says
	Location *time.Location
	Store    Store
	Adapters map[string]chat.Adapter
	Desks    []Desk
	Status   Status
	Commands []command.Spec[*Call]
	Catalog  *i18n.Catalog
	Links    Links
	// Inside are words that must not leave: internal addresses, room names,
	// hosts. Somebody who types one is asked for a second gesture.
	Inside []string
	// Changed is called after each commit that changes what the public page
	// shows; nil for nobody.
	Changed func()
	Log     *slog.Logger
	// Restored is when an older copy of the database was put back, 0 if never:
	// what was written before may have been done once already, and forgotten.
	Restored tickets.Time
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MayStart is asked before each send; see outbox.Options.
	MayStart func() bool
}

// Desk is a team and its work.
type Desk struct {
	Name     string
	Title    string // as people outside read it; the association's name where empty
	Language string
	Informal bool // tutoiement
	Rooms    []chat.Place
	Intakes  []Intake
	Agents   []AccountRef
	// Invites are those whose invitations and direct messages are this desk's;
	// the handles are patterns (chat.MatchAccount).
	Invites      []AccountRef
	Coordinators []AccountRef
	HoldMail     time.Duration
	HoldChat     time.Duration
	HoldOthers   time.Duration // for somebody else's words
	AckMail      bool
	AckChat      bool
	AckAfter     time.Duration // of the acknowledgement in a channel
	// Observe: tickets are opened and shown, nothing is said outside.
	Observe bool
	// Reopen is how long after closing an answer reopens the ticket instead of
	// opening a new one beside it.
	Reopen time.Duration
	// Claim is how long a claim lasts without a word of its owner; 0 for ever.
	Claim time.Duration
	// SendEmoji are the reactions that send, besides every envelope.
	SendEmoji []string
	// Hours is when people read, in words, for acknowledgements; empty
	// promises nothing.
	Hours string
}

// AccountRef names an account as the configuration does: adapter and handle.
type AccountRef struct{ Adapter, Handle string }

// Opens is what opens a ticket in a public channel.
type Opens string

const (
	OnMention Opens = "mention"
	OnCommand Opens = "command"
	OnMessage Opens = "every-message"
)

// Intake is where requests come from.
type Intake struct {
	Place chat.Place
	Opens Opens
	Mail  bool // a role address
	// Closed: the room is not world-readable; what is said there may also
	// carry what is for the participants alone.
	Closed bool
}

// Status is where incidents are told.
type Status struct {
	Rooms      []chat.Place
	Components statuspage.Components
	Language   string
	// Policy is what is told by itself, and when; nil means
	// statuspage.DefaultPolicy.
	Policy *statuspage.Policy
	// Preview: incidents too are shown before they are published.
	Preview bool
	// Surge is when similar requests make the program propose to declare an
	// incident; nil means statuspage.DefaultSurge.
	Surge *statuspage.Surge
}

// Links makes addresses of our own pages. Methods give "" where there is no
// web server.
type Links interface {
	Ticket(id tickets.ID) string
	Incident(number int64) string
	// File makes a token for /f/<token>; hash is what is stored of it.
	File(f tickets.File, now time.Time) (url, hash string, expires time.Time)
}

// side is what a room is for.
type side struct {
	desk   *Desk
	team   bool
	intake *Intake
	status bool
}

// Bot is the engine.
type Bot struct {
	opt    Options
	log    *slog.Logger
	store  Store
	table  *command.Table[*Call]
	render *render.Renderer
	box    *outbox.Box
	sides  map[chat.Place]side
	desks  map[string]*Desk

	queue      queue
	cache      cache // the decider's own
	recent     recent
	spoken     spoken
	brake      breaker
	fetch      chan struct{}
	colleagues map[string]bool             // desk and person, once taken in; the decider's own
	known      map[string]tickets.Identity // as last written; the decider's own
	absent     map[tickets.ID]int          // people whom parked deliveries wait for; the decider's own
	asked      map[tickets.ID]string       // what each person was asked to confirm; the decider's own
	early      map[string]bool             // timers that a coming message answers; the decider's own
	unsure     bool                        // what the last commits did; the decider's own
	dueAt      tickets.Time                // when the decider next looks for what is due; its own

	// away: the last commit of the decider failed for want of a database.
	// Meanwhile nothing is said: it could not be noted, and a kill would have
	// it said again.
	away atomic.Bool

	// caughtUp tells since when each adapter has been caught up; guarded by
	// mu.
	mu        sync.Mutex
	caughtUp  map[string]bool
	connected map[string]chat.Connection
	started   time.Time
}

// New checks the options; nothing runs before Run.
func New(opt Options) (*Bot, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Location == nil {
		opt.Location = time.Local
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	table, err := command.NewTable(opt.Commands)
	if err != nil {
		return nil, fmt.Errorf("command table: %w", err)
	}
	b := &Bot{
		opt: opt, log: opt.Log, store: opt.Store, table: table,
		render:     &render.Renderer{Catalog: opt.Catalog, Location: opt.Location},
		sides:      map[chat.Place]side{},
		desks:      map[string]*Desk{},
		fetch:      make(chan struct{}, 1),
		early:      map[string]bool{},
		absent:     map[tickets.ID]int{},
		known:      map[string]tickets.Identity{},
		colleagues: map[string]bool{},
		asked:      map[tickets.ID]string{},
		caughtUp:   map[string]bool{}, connected: map[string]chat.Connection{},
	}
	b.queue.wake = make(chan struct{}, 1)
	for i := range opt.Desks {
		d := &opt.Desks[i]
		b.desks[d.Name] = d
		for _, p := range d.Rooms {
			if err := b.claim(p, side{desk: d, team: true}); err != nil {
				return nil, err
			}
		}
		for j := range d.Intakes {
			in := &d.Intakes[j]
			if err := b.claim(in.Place, side{desk: d, intake: in}); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range opt.Status.Rooms {
		if s, ok := b.sides[p]; ok {
			s.status = true // a status room may be a public channel too
			b.sides[p] = s
			continue
		}
		b.sides[p] = side{status: true}
	}
	b.box = outbox.New(outbox.Options{
		Adapters: opt.Adapters,
		Source:   boxSource{b.store, b.Request},
		Report:   b.queue.result,
		Log:      opt.Log.With("part", "outbox"),
		MayStart: func() bool { return !b.away.Load() && (opt.MayStart == nil || opt.MayStart()) },
	})
	return b, nil
}

// claim gives a room its one desk and one side.
func (b *Bot) claim(p chat.Place, s side) error {
	if old, ok := b.sides[p]; ok {
		return fmt.Errorf("room %s is used twice: a room belongs to one desk and one side (%s and %s)", p, old.describe(), s.describe())
	}
	if b.opt.Adapters[p.Adapter] == nil {
		return fmt.Errorf("room %s: there is no adapter %q", p, p.Adapter)
	}
	b.sides[p] = s
	return nil
}

func (s side) describe() string {
	switch {
	case s.team:
		return "team room of desk " + s.desk.Name
	case s.intake != nil:
		return "intake of desk " + s.desk.Name
	}
	return "status room"
}

// Run runs adapters, decider and outbox until ctx ends: first nothing new is
// received, then what was received is decided, then what is under way is
// finished.
func (b *Bot) Run(ctx context.Context) error {
	b.started = b.opt.Now()
	if err := b.recover(ctx); err != nil {
		return err
	}
	receive, stopReceiving := context.WithCancel(ctx)
	defer stopReceiving()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()

	var engine, box errgroup.Group
	box.Go(func() error { return b.box.Run(sending) })
	engine.Go(func() error { return b.decider(work) })
	engine.Go(func() error { return b.fetcher(work) })

	var adapters sync.WaitGroup
	for name, a := range b.opt.Adapters {
		adapters.Add(1)
		go func() {
			defer adapters.Done()
			b.runAdapter(receive, name, a)
		}()
	}
	<-ctx.Done()
	adapters.Wait()
	// The decider goes last: it notes what the last deliveries became.
	stopSending()
	err := box.Wait()
	stopWork()
	return errors.Join(err, engine.Wait())
}

// runAdapter keeps one adapter running: when it fails, it fails alone, and is
// started again.
func (b *Bot) runAdapter(ctx context.Context, name string, a chat.Adapter) {
	log := b.log.With("adapter", name)
	wait := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := b.runGuarded(ctx, name, a)
		if ctx.Err() != nil {
			return
		}
		log.Error("adapter stopped; it will be started again", "err", err, "in", wait)
		reason := chat.AsError(errOr(err)).Reason
		b.connection(name, chat.Connection{State: chat.Cut, Reason: reason})
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		wait = min(2*wait, time.Minute)
	}
}

func errOr(err error) error {
	if err == nil {
		return errors.New("stopped without an error")
	}
	return err
}

// runGuarded turns a panic of an adapter into an error.
func (b *Bot) runGuarded(ctx context.Context, name string, a chat.Adapter) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			b.log.Error("adapter panicked", "adapter", name, "panic", p)
		}
	}()
	return a.Run(ctx, inlet{b: b, adapter: name})
}

// connection notes how an adapter stands.
func (b *Bot) connection(adapter string, c chat.Connection) {
	b.mu.Lock()
	b.connected[adapter] = c
	switch c.State {
	case chat.Cut:
		b.caughtUp[adapter] = false
	case chat.CaughtUp:
		b.caughtUp[adapter] = true
	}
	b.mu.Unlock()
	if c.State != chat.Cut {
		b.box.Kick(adapter)
	}
	b.queue.poke()
}

// Health is how one adapter stands, for /readyz.
type Health struct {
	Adapter string
	State   chat.ConnectionState
	Reason  chat.Text
}

// Health tells how each adapter stands.
func (b *Bot) Health() []Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	var hs []Health
	for name := range b.opt.Adapters {
		c := b.connected[name]
		if c.State == "" {
			c.State = chat.Cut
		}
		hs = append(hs, Health{Adapter: name, State: c.State, Reason: c.Reason})
	}
	return hs
}

func (b *Bot) now() tickets.Time { return tickets.At(b.opt.Now()) }

// lang is the language of a desk; nil means the program's.
func (b *Bot) lang(d *Desk) string {
	if d != nil && d.Language != "" {
		return d.Language
	}
	if b.opt.Language != "" {
		return b.opt.Language
	}
	return "fr"
}

func (b *Bot) caps(p chat.Place) chat.Caps {
	if a := b.opt.Adapters[p.Adapter]; a != nil {
		return a.Caps(p)
	}
	return chat.Caps{}
}
