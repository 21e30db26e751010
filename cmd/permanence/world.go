package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"unicode"
	"unicode/utf8"

	"permanence/adapters/playground"
	"permanence/bot/chat"
)

// world is what adapters are given of the program around them: playgrounds and
// the mailbox of the people in them, and the sockets for mail.
type world struct {
	cfg *Loaded
	log *slog.Logger

	playgrounds []openPlayground
	mailbox     *playground.Mailbox
	sinkLn      net.Listener
	// sink is the mailbox's SMTP server, to which a mail adapter without a
	// submission server sends; empty without a playground.
	sink string
	// mailDoor names the socket on which an adapter takes mails of mail-in.
	mailDoor func(adapter string) string
}

type openPlayground struct {
	name    string
	network *playground.Network
}

// prepare opens the playgrounds that the configuration names, before any
// adapter is made, so that mail adapters find their mailbox.
func (w *world) prepare() error {
	for _, a := range w.cfg.Adapters {
		c, ok := a.Config.(*playgroundConfig)
		if !ok {
			continue
		}
		accounts, rooms := w.furniture(a.Name, c.Config)
		n, err := playground.OpenNetwork(c.Config, playground.Options{Accounts: accounts, Rooms: rooms})
		if err != nil {
			return fmt.Errorf("%s: adapters.%s: %w", configName(w.cfg), a.Name, err)
		}
		w.playgrounds = append(w.playgrounds, openPlayground{name: a.Name, network: n})
		if w.mailbox != nil {
			continue
		}
		// People in the playground write to the first mail adapter that
		// listens, and receive what any mail adapter without a server of its
		// own sends.
		submit := ""
		for _, m := range w.cfg.Adapters {
			if mc, ok := m.Config.(*mailConfig); ok && mc.Listen.SMTP != "" {
				submit = mc.Listen.SMTP
				break
			}
		}
		if submit == "" {
			continue
		}
		if w.sinkLn, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listen for the playground's mailbox: %w", err)
		}
		w.sink = w.sinkLn.Addr().String()
		w.mailbox = playground.NewMailbox(n, playground.MailboxOptions{Submit: submit, Log: w.log.With("part", "mailbox")})
	}
	return nil
}

// furniture are the people and rooms of a playground: the cast, whoever the
// configuration names, and every room with its side.
func (w *world) furniture(adapter string, cfg playground.Config) ([]playground.Account, []playground.Room) {
	accounts := []playground.Account{
		{ID: "alice", Name: "Alice", Role: "customer", Address: "alice@customers.example", Proved: true},
	}
	var team []string
	add := func(id, role string) {
		for _, a := range accounts {
			if a.ID == id {
				return
			}
		}
		team = append(team, id)
		accounts = append(accounts, playground.Account{ID: id, Name: capital(id), Role: role, Proved: true})
	}
	for _, d := range w.cfg.plan.desks {
		for _, ref := range append(d.Coordinators[:len(d.Coordinators):len(d.Coordinators)], d.Agents...) {
			if ref.Adapter == adapter {
				add(strings.ToLower(strings.TrimPrefix(ref.Handle, "@")), "agent")
			}
		}
	}
	add("camille", "agent")
	add("sacha", "trainee")
	bot := cfg.Bot().ID
	var rooms []playground.Room
	for _, name := range w.cfg.plan.rooms[adapter] {
		r := playground.Room{Name: name, Kind: playground.Public, Members: []string{bot}}
		switch w.cfg.plan.sides[chat.Place{Adapter: adapter, Room: name}].side {
		case "team":
			r.Kind, r.Members = playground.Team, append(r.Members, team...)
		case "status":
			r.Kind = playground.Status
		}
		rooms = append(rooms, r)
	}
	return accounts, rooms
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// playground makes the adapter of a playground that prepare has opened.
func (w *world) playground(c *playgroundConfig, env chat.Env) (chat.Adapter, error) {
	for _, p := range w.playgrounds {
		if p.name == env.Name {
			return playground.New(c.Config, env, p.network)
		}
	}
	return nil, errors.New("the playground was not opened")
}

// serveSink takes the mail of people in the playground until ctx ends.
func (w *world) serveSink(ctx context.Context) error {
	if w.mailbox == nil {
		return nil
	}
	return w.mailbox.Serve(ctx, w.sinkLn)
}

func (w *world) close() error {
	var errs []error
	if w.sinkLn != nil {
		if err := w.sinkLn.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, p := range w.playgrounds {
		errs = append(errs, p.network.Close())
	}
	return errors.Join(errs...)
}
