package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/page"
	"permanence/internal/i18n"
	statusweb "permanence/statuspage/web"
)

// newServer makes an HTTP server whose requests end with ctx.
func newServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h,
		// Streams of events have no end: there is no time limit for writing.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       statusweb.WithConn,
		ErrorLog:          slog.NewLogLogger(log.With("part", "web").Handler(), slog.LevelDebug),
	}
}

// routes says what answers where.
func (a *App) routes(mux *http.ServeMux, links page.Links, catalog *i18n.Catalog) error {
	desks := map[string]page.Desk{}
	for _, d := range a.cfg.plan.desks {
		desks[d.Name] = page.Desk{Title: d.Title, Language: d.Language}
	}
	pages, err := page.New(page.Options{
		Name: a.cfg.Name, Language: a.cfg.Language, Location: a.cfg.plan.location,
		Desks: desks, Links: links, Source: page.FromStore(a.store), Catalog: catalog,
		Log: a.log.With("part", "pages"),
	})
	if err != nil {
		return err
	}
	mux.Handle("/t/", pages)
	mux.Handle("/f/", pages)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("GET /metrics", a.metrics())
	if path := a.cfg.statusPath(); path != "" {
		mux.Handle(path+"/", http.StripPrefix(path, a.site))
	} else {
		mux.Handle("/", a.site)
	}
	for i, p := range a.world.playgrounds {
		prefix := ""
		if i > 0 {
			prefix = "/playground/" + p.name
		}
		mux.Handle(prefix+"/", http.StripPrefix(prefix, p.network.Handler(playground.PageOptions{
			Mailbox: a.world.mailbox, Support: a.roleAddress(),
			Opens: a.opensAt(p.name), Zone: a.cfg.plan.location.String(),
			Links: []playground.Link{{Label: sayIn(a.cfg.Language, "État des services", "Service status"), URL: "/status/"}},
			Log:   a.log.With("adapter", p.name),
		})))
	}
	a.handler = below(a.cfg.plan.url, mux)
	return nil
}

func sayIn(lang, fr, en string) string { return say(fr, en).In(lang) }

// below takes the path of our public address away, for a web server before us
// that leaves it on; requests without it are answered too.
func below(address string, h http.Handler) http.Handler {
	u, err := url.Parse(address)
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return h
	}
	prefix := "/" + strings.Trim(u.Path, "/")
	stripped := http.StripPrefix(prefix, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix+"/") {
			stripped.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// opensAt is what opens a ticket in the first public intake of an adapter.
func (a *App) opensAt(adapter string) string {
	for _, d := range a.cfg.plan.desks {
		for _, in := range d.Intakes {
			if in.Place.Adapter == adapter {
				return string(in.Opens)
			}
		}
	}
	return ""
}

// roleAddress is the first role address, for hints.
func (a *App) roleAddress() string {
	for _, d := range a.cfg.plan.desks {
		for _, in := range d.Intakes {
			if in.Mail {
				return in.Place.Room
			}
		}
	}
	return ""
}

// ready answers 200 when every adapter is connected, else 503. Which one is
// not, and why, is for this machine alone.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	var lines strings.Builder
	ok := true
	for _, h := range a.bot.Health() {
		fmt.Fprintf(&lines, "%s: %s", h.Adapter, h.State)
		if h.State == chat.Cut {
			ok = false
			if reason := h.Reason.In(a.cfg.Language); reason != "" {
				fmt.Fprintf(&lines, " (%s)", reason)
			}
		}
		lines.WriteByte('\n')
	}
	if a.mirror != nil {
		// Requests are answered and nothing is lost: it is told, and no more.
		if s := a.mirror.stands(); s.Failing != 0 {
			fmt.Fprintf(&lines, "status export: failing (%s)\n", s.Reason.In(a.cfg.Language))
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if !fromHere(r) {
		lines.Reset()
		lines.WriteString(map[bool]string{true: "ready\n", false: "not ready\n"}[ok])
	}
	fmt.Fprint(w, lines.String())
}

// fromHere reports whether a request comes from this machine itself, and not
// through a web server on it that speaks for others.
func fromHere(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(remote) {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return isLoopback(strings.Trim(host, "[]"))
}

// metrics answers in the format of Prometheus, to this machine alone.
func (a *App) metrics() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !fromHere(r) {
			http.Error(w, "Metrics are for this machine alone.", http.StatusForbidden)
			return
		}
		var waiting, aside, deliveries int
		err := a.store.View(r.Context(), func(tx bot.Tx) error {
			var err error
			if waiting, aside, err = tx.CountWaiting(); err != nil {
				return err
			}
			open, err := tx.OpenDeliveries()
			deliveries = len(open)
			return err
		})
		set := metrics.NewSet()
		gauge := func(name string, value int) {
			set.NewGauge(name, func() float64 { return float64(value) })
		}
		if err != nil {
			a.log.Warn("reading for metrics", "err", err)
			gauge("permanence_database_up", 0)
		} else {
			gauge("permanence_database_up", 1)
			gauge("permanence_events_waiting", waiting)
			gauge("permanence_events_aside", aside)
			gauge("permanence_deliveries_open", deliveries)
		}
		for _, h := range a.bot.Health() {
			up := 0
			if h.State != chat.Cut {
				up = 1
			}
			gauge(fmt.Sprintf("permanence_adapter_up{adapter=%q}", h.Adapter), up)
		}
		if a.mirror != nil {
			s := a.mirror.stands()
			gauge("permanence_status_export_failures", s.Tries)
			gauge("permanence_status_export_done_timestamp_seconds", int(s.Done/1000))
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		set.WritePrometheus(w)
		metrics.WriteProcessMetrics(w)
	}
}

// adapterMux gives an adapter the paths below /a/NAME/.
type adapterMux struct {
	mux    *http.ServeMux
	prefix string // /a/NAME
	url    string
}

// mux makes the Mux of an adapter; nil where there is no web server.
func (l *Loaded) mux(routes *http.ServeMux, adapter string) chat.Mux {
	if l.plan.url == "" {
		return nil
	}
	prefix := "/a/" + adapter
	return adapterMux{mux: routes, prefix: prefix, url: l.plan.url + prefix}
}

// Handle implements chat.Mux.
func (m adapterMux) Handle(pattern string, h http.Handler) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	} else {
		method += " "
	}
	m.mux.Handle(method+m.prefix+strings.TrimSpace(path), http.StripPrefix(m.prefix, h))
}

// URL implements chat.Mux.
func (m adapterMux) URL(path string) string { return m.url + path }
