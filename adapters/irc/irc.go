// Package irc connects Permanence to an IRC network as one client, with girc
// for the protocol's syntax and registration. What a server offers of IRCv3 is
// used (labels and echoes to know what was really said, accounts, message IDs,
// messages of several lines, history); without any of it the adapter still
// speaks and hears.
//
// A connection is a session: one goroutine listens (wire.go), one works through
// what it heard and has it stored (connect.go), one writes (writer.go). What
// becomes of a line is told by the first of them (confirm.go), so that nobody
// who speaks waits for the disk.
package irc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"permanence/bot/chat"
)

// Adapter is a client of one IRC network.
type Adapter struct {
	cfg   settings
	name  string
	rooms []string
	state chat.State
	log   *slog.Logger
	// boot and count name the events to which the network gives no ID.
	boot  string
	count atomic.Int64
	// retry is the first pause before connecting or storing again; it doubles,
	// with jitter, up to retryMax. rejoin is the first pause before going back
	// into a room.
	retry, retryMax, rejoin time.Duration
	// passive: only looking (Check), nobody is to lose the nick to us.
	passive bool

	mu       sync.Mutex
	current  *session // registered, nil while there is none
	facts    facts    // of the last connection
	sessions int
	every    time.Duration         // learned by being thrown out for flooding; 0: as configured
	secure   string                // port to use with TLS, told by STS
	bridges  map[string]*suspicion // by nick
}

var _ chat.Adapter = (*Adapter)(nil)

// New makes an adapter; it does not connect.
func New(cfg Config, env chat.Env) (*Adapter, error) {
	s, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var boot [5]byte
	rand.Read(boot[:])
	return &Adapter{
		cfg: s, name: env.Name, rooms: env.Rooms, state: env.State, log: log, boot: hex.EncodeToString(boot[:]),
		retry: time.Second, retryMax: 5 * time.Minute, rejoin: 5 * time.Second,
		facts: newFacts(), bridges: make(map[string]*suspicion),
	}, nil
}

// newID names an event or a line to which the network gives no ID.
func (a *Adapter) newID() string { return a.boot + "-" + strconv.FormatInt(a.count.Add(1), 10) }

// session gives the connection that one can speak on, or nil.
func (a *Adapter) session() *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// Caps tells what the network can do; it is the same in every room.
func (a *Adapter) Caps(chat.Place) chat.Caps {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.facts.chat()
}

// Open reads an inbound file: IRC has none.
func (a *Adapter) Open(context.Context, chat.FileRef) (io.ReadCloser, error) {
	return nil, cannot("les fichiers", "files")
}
