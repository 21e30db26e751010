package playground

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"permanence/bot/chat"
)

// Config is the adapter's part of the configuration.
type Config struct {
	// Journal is the file in which the network lives; empty: memory alone.
	Journal string `yaml:"journal"`
	// Dress is "full" (the default) or "poor".
	Dress string `yaml:"dress"`
	// Account is the bot's own name on the network; "permanence" by default.
	Account string `yaml:"account"`
}

// account gives the account that the configuration means.
func (c Config) account() string {
	if c.Account == "" {
		return "permanence"
	}
	return c.Account
}

// Bot is the account that Options.Accounts must have for an adapter with this
// configuration.
func (c Config) Bot() Account {
	return Account{ID: c.account(), Name: "Permanence", Role: "bot", Proved: true, Bot: true}
}

// OpenNetwork opens the network that cfg names, with the bot's account added to
// those of opts.
func OpenNetwork(cfg Config, opts Options) (*Network, error) {
	dress, ok := ParseDress(cfg.Dress)
	if !ok {
		return nil, fmt.Errorf("playground dress %q: want full or poor", cfg.Dress)
	}
	opts.Dress = dress
	opts.Accounts = append([]Account{cfg.Bot()}, opts.Accounts...)
	return Open(cfg.Journal, opts)
}

// Adapter is a connection to a Network under one account.
type Adapter struct {
	net     *Network
	account string
	name    string
	rooms   []string
	state   chat.State
	log     *slog.Logger
	// retry is the first pause before connecting or storing again; it doubles,
	// with jitter, up to retryMax.
	retry, retryMax time.Duration

	mu      sync.Mutex
	running *connection // nil outside of Run
}

var _ chat.Adapter = (*Adapter)(nil)

// New makes an adapter for net; it does not connect.
func New(cfg Config, env chat.Env, net *Network) (*Adapter, error) {
	if net == nil {
		return nil, errors.New("playground adapter without a network")
	}
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Adapter{
		net: net, account: cfg.account(), name: env.Name, rooms: env.Rooms, state: env.State, log: log,
		retry: 20 * time.Millisecond, retryMax: 5 * time.Second,
	}, nil
}

// Caps gives the network's dress; it is the same in every room.
func (a *Adapter) Caps(chat.Place) chat.Caps { return a.net.Dress().Caps() }

// Open reads an inbound file.
func (a *Adapter) Open(_ context.Context, f chat.FileRef) (io.ReadCloser, error) {
	if a.net.isDown() {
		return nil, &chat.Error{Kind: chat.Temporary, Reason: unreachable}
	}
	_, data, ok := a.net.File(f.Ref)
	if !ok {
		return nil, refuse(chat.Gone, "le fichier n’est plus là", "the file is not there any more")
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Check tries the account and the rooms that the configuration names.
func (a *Adapter) Check(context.Context) []chat.Finding {
	if a.net.isDown() {
		return []chat.Finding{{Name: "playground-unreachable", Level: chat.Problem, What: unreachable,
			Do: chat.Text{FR: "relancez le bac à sable", EN: "start the playground again"}}}
	}
	if _, ok := a.net.Account(a.account); !ok {
		return []chat.Finding{{Name: "account-missing", Level: chat.Problem,
			What: chat.Text{FR: "le compte " + a.account + " n’existe pas", EN: "there is no account " + a.account},
			Do:   chat.Text{FR: "corrigez « account »", EN: "correct \"account\""}}}
	}
	var found []chat.Finding
	for _, name := range a.rooms {
		r, ok := a.net.Room(name)
		switch {
		case !ok || r.Gone:
			found = append(found, chat.Finding{Name: "room-missing", Level: chat.Problem,
				What: noRoom(name).Reason,
				Do:   chat.Text{FR: "créez le salon ou corrigez son nom", EN: "make the room or correct its name"}})
		case slices.Contains(r.Muted, a.account):
			found = append(found, chat.Finding{Name: "room-right-missing", Level: chat.Problem,
				What: chat.Text{FR: "le robot ne peut pas écrire dans #" + name, EN: "the bot may not write in #" + name},
				Do:   chat.Text{FR: "rendez-lui ce droit", EN: "give it that right back"}})
		}
	}
	if len(found) == 0 {
		found = append(found, chat.Finding{Name: "playground-ok", Level: chat.OK,
			What: chat.Text{FR: "le bac à sable répond", EN: "the playground answers"}})
	}
	return found
}

func (n *Network) isDown() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed || n.faults.down
}
