package bot_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/adapters/email"
	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/statuscmd"
	"permanence/bot/ticketcmd"
	"permanence/internal/i18n"
	"permanence/internal/sqlstore"
	"permanence/internal/testservers"
	"permanence/statuspage"
	"permanence/tickets"
)

// world is a whole association in a test: a rich chat network, a poor one, a
// mail server that takes the bot's mail, customers, a team, and the bot.
type world struct {
	t      testing.TB
	dir    string
	db     string
	rich   *playground.Network
	poor   *playground.Network
	box    *playground.Mailbox
	smtpIn string // where the bot listens
	sink   string // where the bot submits
	opt    bot.Options
	bot    *bot.Bot
	store  *sqlstore.Store
	stop   func()
	// wrap puts something between the bot and an adapter; nil for nothing.
	wrap func(name string, a chat.Adapter) chat.Adapter
	// beside are more adapters, by name, made anew at each start.
	beside map[string]func(chat.State) chat.Adapter
	// wrapStore puts something between the bot and its store; nil for nothing.
	wrapStore func(bot.Store) bot.Store
	// links makes addresses of pages; nil for none.
	links func(*sqlstore.Store) bot.Links
}

// people of the test: two customers, an agent, a second one, a trainee.
func people() []playground.Account {
	return []playground.Account{
		{ID: "alice", Name: "Alice", Role: "customer", Address: "alice@customers.example", Proved: true},
		{ID: "basile", Name: "Basile", Role: "customer", Address: "basile@customers.example", Proved: true},
		{ID: "camille", Name: "Camille", Role: "agent", Proved: true},
		{ID: "dominique", Name: "Dominique", Role: "agent", Proved: true},
		{ID: "sacha", Name: "Sacha", Role: "trainee", Proved: true},
		{ID: "robot", Name: "Robot", Role: "bot", Proved: true, Bot: true},
	}
}

func team() []string { return []string{"permanence", "camille", "dominique", "sacha"} }

type setup func(*world)

// both runs a test on SQLite and on PostgreSQL.
func both(t *testing.T, f func(*testing.T, setup)) {
	t.Run("sqlite", func(t *testing.T) { f(t, func(*world) {}) })
	t.Run("postgres", func(t *testing.T) {
		f(t, func(w *world) { w.db = testservers.Postgres(w.t) })
	})
}

// newWorld starts everything on loopback and waits until the bot is ready.
func newWorld(t testing.TB, more ...setup) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.db = "sqlite:" + filepath.Join(w.dir, "p.db")
	var err error
	rooms := []playground.Room{
		{Name: "entraide", Kind: playground.Public},
		{Name: "etat", Kind: playground.Status},
		{Name: "equipe", Kind: playground.Team, Members: team()},
		{Name: "equipe2", Kind: playground.Team, Members: team()},
	}
	w.rich, err = playground.OpenNetwork(playground.Config{}, playground.Options{Accounts: people(), Rooms: rooms})
	must(t, err)
	t.Cleanup(func() { w.rich.Close() })
	w.poor, err = playground.OpenNetwork(playground.Config{Dress: "poor"}, playground.Options{Accounts: people(), Rooms: []playground.Room{
		{Name: "asso", Kind: playground.Public},
		{Name: "salle", Kind: playground.Team, Members: team()},
	}})
	must(t, err)
	t.Cleanup(func() { w.poor.Close() })

	sink, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w.sink = sink.Addr().String()
	w.smtpIn = freePort(t)
	w.box = playground.NewMailbox(w.rich, playground.MailboxOptions{Submit: w.smtpIn})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { defer close(served); w.box.Serve(ctx, sink) }()
	t.Cleanup(func() { cancel(); <-served })

	w.opt = bot.Options{
		Name: "Hébergeur associatif", Language: "fr", Location: time.UTC,
		Desks: []bot.Desk{{
			Name: "support", Title: "Support", Rooms: []chat.Place{{Adapter: "tchat", Room: "equipe"}},
			Intakes: []bot.Intake{
				{Place: chat.Place{Adapter: "mail", Room: "support@example.org"}, Mail: true},
				{Place: chat.Place{Adapter: "tchat", Room: "entraide"}, Opens: bot.OnMessage},
				{Place: chat.Place{Adapter: "mail", Room: "facturation@example.org"}, Mail: true},
			},
			Agents:   []bot.AccountRef{{Adapter: "tchat", Handle: "camille"}, {Adapter: "tchat", Handle: "dominique"}, {Adapter: "irc", Handle: "camille"}},
			HoldMail: 100 * time.Millisecond, HoldChat: 100 * time.Millisecond, HoldOthers: 300 * time.Millisecond,
			AckMail: true, AckChat: true, AckAfter: time.Hour,
			Reopen: 14 * 24 * time.Hour,
		}},
		Status:   bot.Status{Rooms: []chat.Place{{Adapter: "tchat", Room: "etat"}}, Components: statuspage.Components{{ID: "mail", Name: "Messagerie"}}},
		Commands: append(ticketcmd.Specs(), statuscmd.Specs()...),
		Log:      logger(t),
		Inside:   []string{"equipe-secrete", "canari.interne"},
	}
	for _, f := range more {
		f(w)
	}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// logger writes to the test's log when PERMANENCE_TEST_LOG is set.
func logger(testing.TB) *slog.Logger {
	if os.Getenv("PERMANENCE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start opens the store and runs a bot; stop ends it.
func (w *world) start() {
	t := w.t
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	store, err := sqlstore.Open(ctx, w.db, sqlstore.Options{})
	must(t, err)
	w.store = store
	catalog, err := i18n.New()
	must(t, err)
	env := func(name string, rooms ...string) chat.Env {
		return chat.Env{Name: name, Rooms: rooms, State: store.State(name), Log: w.opt.Log}
	}
	rich, err := playground.New(playground.Config{}, env("tchat", "entraide", "etat", "equipe", "equipe2"), w.rich)
	must(t, err)
	poor, err := playground.New(playground.Config{Dress: "poor"}, env("irc", "asso", "salle"), w.poor)
	must(t, err)
	mail, err := email.New(email.Config{
		Listen:     email.Listen{SMTP: w.smtpIn},
		SMTP:       email.SMTP{Server: w.sink, TLS: email.Plaintext},
		Subaddress: "+",
	}, env("mail", "support@example.org", "facturation@example.org"))
	must(t, err)
	opt := w.opt
	opt.Store, opt.Catalog = store, catalog
	if w.wrapStore != nil {
		opt.Store = w.wrapStore(store)
	}
	opt.Adapters = map[string]chat.Adapter{"tchat": rich, "irc": poor, "mail": mail}
	for name, f := range w.beside {
		opt.Adapters[name] = f(store.State(name))
	}
	if w.wrap != nil {
		for name, a := range opt.Adapters {
			opt.Adapters[name] = w.wrap(name, a)
		}
	}
	if w.links != nil {
		opt.Links = w.links(store)
	}
	w.bot, err = bot.New(opt)
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- w.bot.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("bot.Run: %v", err)
		}
		store.Close()
		if missing := catalog.Missing(); len(missing) > 0 {
			t.Errorf("sentences missing from the catalog: %v", missing)
		}
		w.stop = func() {}
	}
	w.await("every adapter is caught up", func() bool {
		for _, h := range w.bot.Health() {
			if h.State != chat.CaughtUp {
				return false
			}
		}
		return true
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freePort finds a port that nobody listens on now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// await looks again and again until f holds, for ten seconds at most.
func (w *world) await(what string, f func() bool) {
	w.t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited in vain: %s\n%s", what, w.dump())
		}
	}
}

// dump shows the rooms and mails, for a failing test.
func (w *world) dump() string {
	var b strings.Builder
	for _, n := range []*playground.Network{w.rich, w.poor} {
		for _, r := range n.Rooms() {
			fmt.Fprintf(&b, "== #%s\n", r.Name)
			for _, m := range n.Messages(r.Name) {
				fmt.Fprintf(&b, "%s [%s] %s: %q del=%v re=%v\n", m.ID, m.Thread, m.By, m.Text, m.Deleted, m.Reactions)
			}
		}
	}
	for _, m := range w.rich.Mails() {
		fmt.Fprintf(&b, "== mail written=%v code=%d from %s to %v cc %v: %s\n%s\n", m.Written, m.Code, m.From, m.To, m.Cc, m.Subject, m.Text)
	}
	return b.String()
}

// find waits for a message in a room of the rich network.
func (w *world) find(room, what string, f func(playground.Message) bool) playground.Message {
	w.t.Helper()
	return w.findOn(w.rich, room, what, f)
}

func (w *world) findOn(n *playground.Network, room, what string, f func(playground.Message) bool) (found playground.Message) {
	w.t.Helper()
	w.await("#"+room+": "+what, func() bool {
		for _, m := range n.Messages(room) {
			if !m.Deleted && f(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// count counts messages that f holds for.
func (w *world) count(n *playground.Network, room string, f func(playground.Message) bool) int {
	c := 0
	for _, m := range n.Messages(room) {
		if !m.Deleted && f(m) {
			c++
		}
	}
	return c
}

// contains compares without regard to no-break spaces.
func contains(text, s string) bool {
	return strings.Contains(strings.ReplaceAll(text, "\u00a0", " "), s)
}

func has(s string) func(playground.Message) bool {
	return func(m playground.Message) bool { return contains(m.Text, s) }
}

func fromBot(s string) func(playground.Message) bool {
	return func(m playground.Message) bool { return m.By == "permanence" && contains(m.Text, s) }
}

// card waits for the card of a ticket in #equipe.
func (w *world) card(s string) playground.Message {
	w.t.Helper()
	return w.find("equipe", "card with "+s, func(m playground.Message) bool { return m.Card && strings.Contains(m.Text, s) })
}

// post says something as somebody.
func (w *world) post(by, room, thread, text string) playground.Message {
	w.t.Helper()
	m, err := w.rich.Post(w.t.Context(), by, playground.Draft{Room: room, Thread: thread, Text: text})
	must(w.t, err)
	return m
}

func (w *world) postPoor(by, room, text string) playground.Message {
	w.t.Helper()
	m, err := w.poor.Post(w.t.Context(), by, playground.Draft{Room: room, Text: text})
	must(w.t, err)
	return m
}

// write sends a mail as a customer by SMTP.
func (w *world) write(l playground.Letter) playground.Mail {
	w.t.Helper()
	if len(l.To) == 0 && l.Answers == "" {
		l.To = []string{"support@example.org"}
	}
	m, err := w.box.Write(w.t.Context(), l)
	must(w.t, err)
	if m.Code != 250 {
		w.t.Fatalf("mail refused: %d %s", m.Code, m.Answer)
	}
	return m
}

// mail waits for a mail that the bot sent.
func (w *world) mail(what string, f func(playground.Mail) bool) (found playground.Mail) {
	w.t.Helper()
	w.await("mail: "+what, func() bool {
		for _, m := range w.rich.Mails() {
			if !m.Written && f(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func (w *world) marked(room, id, emoji string) bool {
	m, ok := w.rich.Message(id)
	if !ok {
		return false
	}
	for _, r := range m.Reactions {
		for _, by := range r.By {
			if r.Emoji == emoji && by == "permanence" {
				return true
			}
		}
	}
	return false
}

// kept waits until a ticket has an entry with these words.
func (w *world) kept(ticket tickets.ID, s string) {
	w.t.Helper()
	w.await("kept: "+s, func() bool {
		var es []tickets.Entry
		must(w.t, w.store.View(w.t.Context(), func(tx bot.Tx) (err error) { es, err = tx.Entries(ticket); return err }))
		return slices.ContainsFunc(es, func(e tickets.Entry) bool { return contains(e.Body, s) })
	})
}
