// Package matrix connects Permanence to a Matrix homeserver as one account,
// with mautrix for the protocol's types and requests. The sync loop is our own:
// what came and how far we have read are stored together, so that nothing is
// lost between the two. Built with the tag goolm it reads and writes encrypted
// rooms; built without it refuses them by name.
package matrix

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// Adapter is one account on one homeserver.
type Adapter struct {
	cfg   settings
	name  string
	rooms []string // that the configuration names
	state chat.State
	log   *slog.Logger
	// boot and count name the events to which the network gives no ID.
	boot  string
	count atomic.Int64
	// retry is the first pause before connecting, entering a room or storing
	// again; it doubles, with jitter, up to retryMax.
	retry, retryMax time.Duration
	// patience is how long the server may hold a sync without news.
	patience time.Duration

	opening sync.Mutex // held while logging in
	book    *book
	seen    *memory
	marks   *reactions
	locks   stateLocks

	mu      sync.Mutex
	wires   *http.Transport // nil before the first request
	current *link           // logged in, nil while we are not
	running *runner         // nil while Run is not at work
	maxFile int64           // bytes, 0 while unknown
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
	s.invites = env.Invites
	for _, room := range env.Rooms {
		if err := checkRoomName(room); err != nil {
			return nil, err
		}
	}
	var boot [5]byte
	rand.Read(boot[:])
	return &Adapter{
		cfg: s, name: env.Name, rooms: env.Rooms, state: env.State, log: log, boot: hex.EncodeToString(boot[:]),
		retry: time.Second, retryMax: 5 * time.Minute, patience: 30 * time.Second,
		book: newBook(env.Rooms), seen: newMemory(), marks: newReactions(env.State),
	}, nil
}

// newID names an event to which the network gives no ID.
func (a *Adapter) newID() string { return a.boot + "-" + strconv.FormatInt(a.count.Add(1), 10) }

// Limits of what we say. An event may have 65 536 bytes with its signatures
// and hashes (https://spec.matrix.org/v1.13/client-server-api/#size-limits);
// encryption makes a third more of it.
const (
	maxText    = 16000     // runes
	maxParts   = 5         // messages
	maxContent = 44 * 1024 // bytes of a content as JSON
)

// Caps tells what a place can do. Rights that we have not learned yet count as
// there.
func (a *Adapter) Caps(p chat.Place) chat.Caps {
	a.mu.Lock()
	maxFile := a.maxFile
	var me id.UserID
	if a.current != nil {
		me = a.current.me
	}
	a.mu.Unlock()
	caps := chat.Caps{
		Threads: chat.Native, Replies: chat.Native, Edits: chat.Native, Deletes: chat.Native, Reactions: chat.Native,
		Files: chat.Native, Topic: chat.Native, Pins: chat.Native, Direct: chat.Native, History: chat.Native,
		Mentions: chat.Native, Keys: true, Confirms: true, Accounts: true,
		MaxText: maxText, MaxParts: maxParts, MaxFile: maxFile, Format: chat.HTML,
	}
	if rid, ok := a.book.id(p.Room); ok {
		// matrix.to URIs (Matrix specification, appendix "matrix.to
		// navigation").
		caps.Permalink = func(remote string) string {
			return "https://matrix.to/#/" + url.PathEscape(rid.String()) + "/" + url.PathEscape(remote)
		}
	}
	topic, pins := a.book.rights(p.Room, me)
	if !topic {
		caps.Topic = chat.None
	}
	if !pins {
		caps.Pins = chat.None
	}
	return caps
}

// session gives the link that we are logged in with, logging in where there is
// none.
func (a *Adapter) session(ctx context.Context) (*link, error) {
	a.mu.Lock()
	l := a.current
	a.mu.Unlock()
	if l != nil {
		return l, nil
	}
	a.opening.Lock()
	defer a.opening.Unlock()
	a.mu.Lock()
	l = a.current
	a.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.current = l
	a.mu.Unlock()
	return l, nil
}

// drop forgets a link whose token the server does not know any more.
func (a *Adapter) drop(l *link) {
	a.mu.Lock()
	if a.current == l {
		a.current = nil
	}
	a.mu.Unlock()
}
