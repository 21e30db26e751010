package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/internal/sqlstore"
	"permanence/tickets"
)

// operations are what subcommands ask for.
type operations struct {
	cfg   *Loaded
	store *sqlstore.Store
	// bot and adapters are there in the running program alone.
	bot      *bot.Bot
	adapters map[string]chat.Adapter
	names    []string // of adapters, in the order of the configuration
	mirror   *mirror  // nil where no copy of the page is kept
	log      *slog.Logger
}

// asideItem is an event that waits for a person.
type asideItem struct {
	ID       int64  `json:"id"`
	Adapter  string `json:"adapter"`
	Room     string `json:"room"`
	Kind     string `json:"kind"`
	Received int64  `json:"received"` // milliseconds
	Reason   string `json:"reason"`
}

// deliveryItem is a delivery that has not been done.
type deliveryItem struct {
	ID       int64     `json:"id"`
	State    string    `json:"state"`
	Op       string    `json:"op"`
	Place    string    `json:"place"`
	Ticket   int64     `json:"ticket,omitempty"`
	Incident int64     `json:"incident,omitempty"`
	Attempts int       `json:"attempts"`
	Next     int64     `json:"next,omitempty"` // milliseconds
	Reason   chat.Text `json:"reason"`
}

// statusReport tells how the running program stands.
type statusReport struct {
	PID      int            `json:"pid"`
	Waiting  int            `json:"waiting"`
	Aside    int            `json:"aside"`
	Adapters []adapterState `json:"adapters"`
}

type adapterState struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`
	Reason chat.Text `json:"reason"`
}

// adapterFindings are the findings of one adapter.
type adapterFindings struct {
	Adapter  string         `json:"adapter"`
	Findings []chat.Finding `json:"findings"`
}

const listLimit = 200

// exitHeader says which exit code an error is worth.
const exitHeader = "Permanence-Exit"

// handler answers operations as JSON; an error is a sentence.
func (o operations) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(ctx context.Context, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out, err := f(r.Context(), r)
			if err != nil {
				w.Header().Set(exitHeader, strconv.Itoa(codeOf(err)))
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(out) // who asked has gone
		})
	}
	handle("GET /status", o.status)
	handle("GET /aside", o.aside)
	handle("POST /aside/{id}", o.retry)
	handle("GET /deliveries", o.deliveries)
	handle("GET /check", o.check)
	handle("POST /backup", o.backup)
	handle("POST /status/export", o.statusExport)
	handle("GET /status/export", o.mirrorState)
	handle("POST /incident", o.incident)
	handle("GET /incident/report", o.yearReport)
	handle("POST /mattermost/commands", o.installCommands)
	handle("POST /matrix/recovery-key", o.recoveryKey)
	handle("POST /restored", o.restored)
	handle("POST /matrix/verify", o.verify)
	handle("POST /matrix/verify/answer", o.verifyAnswer)
	return mux
}

func (o operations) status(ctx context.Context, _ *http.Request) (any, error) {
	s := statusReport{PID: os.Getpid()}
	err := o.store.View(ctx, func(tx bot.Tx) (err error) {
		s.Waiting, s.Aside, err = tx.CountWaiting()
		return err
	})
	if o.bot != nil {
		for _, h := range o.bot.Health() {
			s.Adapters = append(s.Adapters, adapterState{h.Adapter, string(h.State), h.Reason})
		}
	}
	return s, err
}

func (o operations) aside(ctx context.Context, _ *http.Request) (any, error) {
	items := []asideItem{}
	err := o.store.View(ctx, func(tx bot.Tx) error {
		rows, err := tx.AsideEvents(listLimit)
		for _, r := range rows {
			items = append(items, asideItem{int64(r.ID), r.Adapter, r.Room, r.Kind, int64(r.Received), r.Reason})
		}
		return err
	})
	return items, err
}

func (o operations) retry(ctx context.Context, r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q: expected the number of an event, as `permanence aside` lists them", r.PathValue("id"))
	}
	if o.bot != nil {
		err = o.bot.RetryAside(ctx, tickets.ID(id))
	} else {
		err = o.writeAlone(ctx, func(tx bot.Tx) error { return tx.RetryAside(tickets.ID(id)) })
	}
	if errors.Is(err, bot.ErrNotFound) {
		return nil, fmt.Errorf("no event %d is set aside: `permanence aside` lists those that are", id)
	}
	return struct{}{}, err
}

// takeLease makes sure, with PostgreSQL, that no program runs elsewhere.
func (o operations) takeLease(ctx context.Context) error {
	ok, err := o.store.TakeLease(ctx, leaseLife)
	if err != nil {
		return err
	}
	if !ok {
		leader, _, err := o.store.Leader(ctx)
		return errors.Join(&runningError{data: "this PostgreSQL database", who: leader.Holder}, err)
	}
	return nil
}

// writeAlone writes without a running program.
func (o operations) writeAlone(ctx context.Context, f func(bot.Tx) error) error {
	if err := o.takeLease(ctx); err != nil {
		return err
	}
	return errors.Join(o.store.Update(ctx, f), o.store.ReleaseLease(ctx))
}

// deliveries lists the open ones, or with ?state=failed those given up.
func (o operations) deliveries(ctx context.Context, r *http.Request) (any, error) {
	items := []deliveryItem{}
	err := o.store.View(ctx, func(tx bot.Tx) error {
		var rows []outbox.Delivery
		var err error
		if r.URL.Query().Get("state") == "failed" {
			rows, err = tx.FailedDeliveries(listLimit)
		} else {
			rows, err = tx.OpenDeliveries()
		}
		if err != nil {
			return err
		}
		for _, d := range rows {
			item := deliveryItem{ID: int64(d.ID), State: string(d.State), Op: string(d.Op), Place: d.Adapter,
				Ticket: int64(d.Ticket), Incident: int64(d.Incident), Attempts: d.Attempts, Next: int64(d.NextAt)}
			if l, err := tx.Link(d.Link); err == nil {
				item.Place = l.Place().String()
			}
			if d.Reason != "" && json.Unmarshal([]byte(d.Reason), &item.Reason) != nil {
				item.Reason.EN = d.Reason
			}
			items = append(items, item)
		}
		return nil
	})
	return items, err
}

// checkTimeout bounds the look at one adapter.
const checkTimeout = 45 * time.Second

func (o operations) check(ctx context.Context, _ *http.Request) (any, error) {
	return askAdapters(ctx, o.adapters, o.names), nil
}

// askAdapters lets every adapter look at once, and gives their findings in
// order.
func askAdapters(ctx context.Context, adapters map[string]chat.Adapter, names []string) []adapterFindings {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	out := make([]adapterFindings, len(names))
	done := make(chan struct{})
	for i, name := range names {
		go func() {
			defer func() { done <- struct{}{} }()
			out[i] = adapterFindings{Adapter: name, Findings: adapters[name].Check(ctx)}
		}()
	}
	for range names {
		<-done
	}
	return out
}

func (o operations) backup(ctx context.Context, r *http.Request) (any, error) {
	path := r.URL.Query().Get("to")
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s is there already: name a new file", path)
	}
	return struct{}{}, o.store.Backup(ctx, path)
}
