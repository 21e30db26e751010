// Package mattermost connects Permanence to a Mattermost server as a bot
// account, or as an ordinary account where one may not make bots. It receives
// over a websocket that is resumed after a cut, reads what it missed over REST,
// and posts over REST with the delivery's key in each post's props. It needs no
// port that the server can reach; where there is one, buttons and slash
// commands come in there.
package mattermost

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// maxText is Mattermost's limit for a post, in runes.
const maxText = model.PostMessageMaxRunesV2

// Adapter is one account on one Mattermost server.
type Adapter struct {
	cfg   settings
	name  string
	rooms []string
	state chat.State
	log   *slog.Logger
	emoji *emojis
	// boot and count name the events to which the network gives no ID.
	boot  string
	count atomic.Int64
	// retry is the first pause before connecting or storing again; it doubles,
	// with jitter, up to retryMax. pulse is the pause between two looks whether
	// we hear everything.
	retry, retryMax, pulse time.Duration
	// integration makes what the server calls when somebody presses a button
	// of a post; nil where the server cannot reach us, as web is.
	integration func(ctx context.Context, post *model.Post, b chat.Button) (*model.PostActionIntegration, error)
	web         *web

	logins chan struct{} // holds one token: who has it may log in
	nudges chan struct{} // a pulse is wanted soon
	people *people
	known  *channels

	mu      sync.Mutex
	account *account        // logged in, nil while we are not
	me      string          // our account's ID, also while we are logged out
	limits  limits          // of the last server seen
	handler chat.Handler    // while Run runs
	broken  func()          // ends the websocket of the moment
	lost    map[string]bool // rooms that did not take what we said last
}

var _ chat.Adapter = (*Adapter)(nil)

// limits are the server's.
type limits struct {
	file    int64 // bytes; 0 while unknown
	noFiles bool
	version string
	// triggers is the key by which the server signs who pressed or typed; nil
	// where it tells none.
	triggers *ecdsa.PublicKey
}

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
	a := &Adapter{
		cfg: s, name: env.Name, rooms: env.Rooms, state: env.State, log: log, emoji: newEmojis(s.marks),
		boot: hex.EncodeToString(boot[:]), retry: time.Second, retryMax: time.Minute, pulse: pulseEvery,
		logins: make(chan struct{}, 1), nudges: make(chan struct{}, 1), lost: make(map[string]bool),
		people: newPeople(), known: newChannels(env.Rooms),
	}
	if env.Mux != nil {
		a.web = newWeb(a, env.Mux)
		a.integration = a.web.button
	}
	return a, nil
}

// newID names an event to which the network gives no ID.
func (a *Adapter) newID() string { return a.boot + "-" + strconv.FormatInt(a.count.Add(1), 10) }

// Caps tells what the server can do; it is the same in every room.
func (a *Adapter) Caps(chat.Place) chat.Caps {
	a.mu.Lock()
	defer a.mu.Unlock()
	caps := chat.Caps{
		Threads: chat.Native, Edits: chat.Native, Deletes: chat.Native, Reactions: chat.Native, Files: chat.Native,
		Topic: chat.Native, Pins: chat.Native, Direct: chat.Native, History: chat.Native, Mentions: chat.Native,
		Keys: true, Confirms: true, Accounts: true,
		MaxText: maxText, MaxParts: 3, MaxFile: a.limits.file, Format: chat.Markdown,
		// Without a team, which a message may change and a reader may not have.
		Permalink: func(id string) string { return a.cfg.base.String() + "/_redirect/pl/" + url.PathEscape(id) },
	}
	if a.limits.noFiles {
		caps.Files = chat.None
	}
	if a.integration != nil {
		caps.Buttons = chat.Native
	}
	if a.web != nil {
		caps.Forms = chat.Native
	}
	return caps
}

// deliver hands events to the bot, while Run runs.
func (a *Adapter) deliver(ctx context.Context, events ...chat.Event) error {
	a.mu.Lock()
	h := a.handler
	a.mu.Unlock()
	if h == nil {
		return &chat.Error{Kind: chat.Temporary, Reason: notRunning}
	}
	return h.Handle(ctx, events, chat.Cursor{})
}
