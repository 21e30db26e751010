package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/page"
	"permanence/bot/statuscmd"
	"permanence/bot/ticketcmd"
	"permanence/internal/i18n"
	"permanence/internal/sqlstore"
	statusweb "permanence/statuspage/web"
)

const (
	leaseName = "permanence"
	// leaseLife is how long others wait when a leader vanishes; it is renewed
	// each leaseRenew, and nothing is sent when the last renewal is older than
	// leaseStale.
	leaseLife  = 4 * time.Second
	leaseRenew = time.Second
	leaseStale = 3 * time.Second

	// stopWithin is how long HTTP requests under way may take when we stop.
	stopWithin = 2 * time.Second
)

// App is the whole program, wired: the only place that knows all its parts.
type App struct {
	cfg   *Loaded
	log   *slog.Logger
	paths paths
	lock  *dataLock

	store    *sqlstore.Store
	world    *world
	adapters map[string]chat.Adapter
	bot      *bot.Bot
	site     *statusweb.Site
	mirror   *mirror      // nil: no copy of the page is kept
	web      net.Listener // nil without web server
	handler  http.Handler
	control  net.Listener
}

// OpenApp takes the data and builds everything. What fails here fails before
// anything was received or said; the error names what to do.
func OpenApp(ctx context.Context, cfg *Loaded, log *slog.Logger) (_ *App, err error) {
	a := &App{cfg: cfg, log: log, paths: pathsOf(cfg)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.lock, err = lockData(a.paths); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	catalog, err := i18n.New()
	if err != nil {
		return nil, err
	}
	routes := http.NewServeMux()
	a.world = &world{cfg: cfg, log: log, mailDoor: a.paths.door}
	if err := a.world.prepare(); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	if err := makeSocketDir(a.paths.control()); err != nil {
		return nil, fmt.Errorf("make a folder for sockets: %w", err)
	}
	if err := a.openAdapters(routes); err != nil {
		return nil, err
	}
	links, err := a.links(ctx)
	if err != nil {
		return nil, err
	}
	if a.site, err = statusSite(cfg, a.store, catalog, log, cfg.plan.url+cfg.statusPath()); err != nil {
		return nil, err
	}
	if err := a.openMirror(catalog); err != nil {
		return nil, err
	}
	if err := a.openBot(ctx, catalog, links); err != nil {
		return nil, err
	}
	if err := a.routes(routes, links, catalog); err != nil {
		return nil, err
	}
	if cfg.Web.Listen != "none" {
		if a.web, err = net.Listen("tcp", cfg.Web.Listen); err != nil {
			return nil, fmt.Errorf("the web server cannot listen on %s: %w. Stop what uses the address, or change web.listen", cfg.Web.Listen, reason(err))
		}
	}
	if a.control, err = listenControl(a.paths.control()); err != nil {
		return nil, fmt.Errorf("listen for subcommands: %w", err)
	}
	return a, nil
}

// reason is what an error of the network says, without the call and address
// before it.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		var sys *os.SyscallError
		if errors.As(op.Err, &sys) {
			return sys.Err
		}
		return op.Err
	}
	return err
}

// openStore opens the database and, with PostgreSQL, becomes the leader.
func (a *App) openStore(ctx context.Context) error {
	opts := sqlstore.Options{Log: a.log.With("part", "store")}
	if !strings.HasPrefix(a.cfg.Database, "sqlite:") {
		opts.Lease = newLease("serve")
	}
	var err error
	if a.store, err = sqlstore.Open(ctx, a.cfg.Database, opts); err != nil {
		return exitWith(exitDatabase, err)
	}
	// One that was killed still holds its lease for a moment.
	deadline := time.Now().Add(leaseLife + 2*time.Second)
	for {
		ok, err := a.store.TakeLease(ctx, leaseLife)
		if err != nil {
			return exitWith(exitDatabase, err)
		}
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			leader, _, err := a.store.Leader(ctx)
			if err != nil {
				return exitWith(exitDatabase, err)
			}
			return &runningError{data: "this PostgreSQL database", who: leader.Holder}
		}
		select {
		case <-time.After(leaseRenew / 2):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newLease names this process among those that share a PostgreSQL database.
func newLease(what string) sqlstore.Lease {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return sqlstore.Lease{Name: leaseName, Holder: fmt.Sprintf("%s on %s, process %d, %s", what, host, os.Getpid(), newToken())}
}

// keepLease renews the lease until ctx ends; its error means that it is lost
// and everything must stop.
func (a *App) keepLease(ctx context.Context) error {
	t := time.NewTicker(leaseRenew)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		renew, cancel := context.WithTimeout(ctx, leaseStale)
		err := a.store.RenewLease(renew, leaseLife)
		cancel()
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, sqlstore.ErrNotLeader):
			return exitWith(exitRunning, fmt.Errorf("%w: this one was away for too long. Start it again when the other has stopped", err))
		default:
			a.log.Error("the lease could not be renewed; nothing is sent meanwhile", "err", err)
		}
	}
}

func (a *App) openAdapters(routes *http.ServeMux) error {
	a.adapters = map[string]chat.Adapter{}
	for _, c := range a.cfg.Adapters {
		adapter, err := c.Config.open(chat.Env{
			Name:  c.Name,
			Rooms: a.cfg.plan.rooms[c.Name], Invites: a.cfg.plan.invites[c.Name],
			State: a.store.State(c.Name),
			Mux:   a.cfg.mux(routes, c.Name),
			Log:   a.log.With("adapter", c.Name),
		}, a.world)
		if err != nil {
			return exitWith(exitUsage, fmt.Errorf("%s: adapters.%s: %w", configName(a.cfg), c.Name, err))
		}
		a.adapters[c.Name] = adapter
	}
	return nil
}

// openBot makes the engine of what is open already.
func (a *App) openBot(ctx context.Context, catalog *i18n.Catalog, links page.Links) error {
	restored, err := restoredAt(ctx, a.store)
	if err != nil {
		return exitWith(exitDatabase, err)
	}
	a.bot, err = bot.New(bot.Options{
		Name: a.cfg.Name, Language: a.cfg.Language, Location: a.cfg.plan.location,
		Store: a.store, Adapters: a.adapters,
		Desks: a.cfg.plan.desks, Status: a.cfg.plan.status,
		Commands: append(ticketcmd.Specs(), statuscmd.Specs()...),
		Catalog:  catalog, Links: links, Inside: insideWords(a.cfg),
		Changed:  a.pageChanged,
		Restored: restored,
		Log:      a.log,
		MayStart: func() bool { return a.store.LeaseAge() < leaseStale },
	})
	return exitWith(exitUsage, err)
}

func configName(l *Loaded) string {
	if l.File == "" {
		return "embedded configuration"
	}
	return l.File
}

// pagesState is where the program keeps its own small data, under a name that
// no adapter can have.
const pagesState = "(pages)"

// links makes the addresses of our pages, signed with a secret that is made
// once.
func (a *App) links(ctx context.Context) (page.Links, error) {
	if a.cfg.plan.url == "" {
		return page.Links{}, nil
	}
	state := a.store.State(pagesState)
	secret, err := state.Get(ctx, "secret")
	if err != nil {
		return page.Links{}, exitWith(exitDatabase, fmt.Errorf("read the secret of links: %w", err))
	}
	if len(secret) == 0 {
		secret = make([]byte, 32)
		rand.Read(secret) // never fails
		if err := state.Put(ctx, "secret", secret); err != nil {
			return page.Links{}, exitWith(exitDatabase, fmt.Errorf("store the secret of links: %w", err))
		}
	}
	return page.Links{Base: a.cfg.plan.url, Status: a.cfg.plan.url + a.cfg.statusPath(), Secret: secret}, nil
}

// Run runs until ctx ends, or until going on is impossible. First nothing new
// is accepted, then the bot finishes, then the database is closed.
func (a *App) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()

	group, ctx := errgroup.WithContext(ctx)
	var sink errgroup.Group
	sink.Go(func() error { return a.world.serveSink(serving) })
	var servers []*http.Server
	serve := func(ln net.Listener, h http.Handler) {
		s := newServer(ctx, h, a.log)
		servers = append(servers, s)
		group.Go(func() error {
			if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", ln.Addr(), err)
			}
			return nil
		})
	}
	ops := operations{cfg: a.cfg, store: a.store, bot: a.bot, adapters: a.adapters, names: a.cfg.Adapters.names(), mirror: a.mirror, log: a.log}
	serve(a.control, ops.handler())
	if a.web != nil {
		serve(statusweb.Gathered(a.web), a.handler)
		a.log.Info("serving pages", "address", a.web.Addr().String(), "url", a.cfg.plan.url)
	}
	// The bot runs until the listeners are closed.
	running, stopBot := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBot()
	group.Go(func() error {
		<-ctx.Done()
		notify("STOPPING=1")
		shutdown(servers)
		stopBot()
		return nil
	})
	group.Go(func() error {
		defer stop() // without the bot nothing makes sense
		return a.bot.Run(running)
	})
	group.Go(func() error { return a.keepLease(ctx) })
	group.Go(func() error { watchdog(ctx); return nil })
	group.Go(func() error { return a.emptySpool(ctx) })
	if a.mirror != nil {
		group.Go(func() error { return a.mirror.run(ctx) })
	}
	notify("READY=1")
	err := group.Wait()
	stopServing() // the mailbox takes what leaves until the bot has ended
	return errors.Join(err, sink.Wait(), a.close())
}

func shutdown(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var group errgroup.Group
	for _, s := range servers {
		group.Go(func() error {
			if err := s.Shutdown(ctx); err != nil {
				return s.Close()
			}
			return nil
		})
	}
	_ = group.Wait() // they are closed, whatever it says
}

// close gives everything back, in the reverse order of OpenApp. It can be
// called twice.
func (a *App) close() error {
	var errs []error
	for _, ln := range []net.Listener{a.control, a.web} {
		if ln != nil {
			if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if a.world != nil {
		errs = append(errs, a.world.close())
	}
	if a.store != nil {
		release, cancel := context.WithTimeout(context.Background(), stopWithin)
		if err := a.store.ReleaseLease(release); err != nil {
			a.log.Warn("the lease was not given back; it lapses by itself", "err", err)
		}
		cancel()
		errs = append(errs, a.store.Close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.unlock())
	}
	a.control, a.web, a.store, a.lock, a.world = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// newToken is a short random name.
func newToken() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

var _ bot.Links = page.Links{}

// playgroundOf is the network of the first playground, for the demo; nil where
// there is none.
func (a *App) playgroundOf() (*playground.Network, *playground.Mailbox) {
	if len(a.world.playgrounds) == 0 {
		return nil, nil
	}
	return a.world.playgrounds[0].network, a.world.mailbox
}
