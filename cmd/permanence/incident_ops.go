package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"permanence/bot"
	"permanence/bot/command"
	"permanence/internal/i18n"
)

// incidentAsk is an incident or travaux verb.
type incidentAsk struct {
	Line string `json:"line"` // as in chat, without the sign
	Lang string `json:"lang"` // of the answer
	Sure bool   `json:"sure"`
}

// incidentItem says what became of it.
type incidentItem struct {
	Text     string     `json:"text"`
	Done     bool       `json:"done"`  // else it was refused
	Asked    bool       `json:"asked"` // the text names something internal
	Incident int64      `json:"incident,omitempty"`
	URL      string     `json:"url,omitempty"`
	Rooms    []roomItem `json:"rooms,omitempty"`
	Alone    bool       `json:"alone,omitempty"` // no bot runs
	// Copy is "ok" where the copy of the page was made at once because no bot
	// runs that would, else why it could not be; empty where none is kept.
	Copy string `json:"copy,omitempty"`
}

// roomItem is what one room has heard.
type roomItem struct {
	Place  string `json:"place"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

const (
	roomTold    = "told"
	roomWaiting = "waiting"
	roomFailed  = "failed"

	// toldWithin is how long somebody at the machine waits to read what was
	// told where; networks are asked of it each toldEvery.
	toldWithin = 3 * time.Second
	toldEvery  = 50 * time.Millisecond

	csvIncidents = "incidents"
	csvServices  = "services"
)

// incident runs a verb for the machine.
func (o operations) incident(ctx context.Context, r *http.Request) (_ any, err error) {
	var ask incidentAsk
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 4*maxText)).Decode(&ask); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	m, done, err := o.machine(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	a, err := m.Do(ctx, ask.Line, ask.Lang, ask.Sure)
	var wrong *command.UserError
	if errors.As(err, &wrong) {
		return nil, exitWith(exitUsage, errors.New(wrong.Text.In(i18n.Lang(ask.Lang))))
	}
	if err != nil {
		return nil, err
	}
	out := incidentItem{Text: a.Text, Done: a.Done, Asked: a.Asked, Incident: a.Incident, URL: a.URL, Alone: o.bot == nil}
	if a.Incident == 0 || !a.Done {
		return out, nil
	}
	o.log.Info("an incident or planned work was changed from this machine", "number", a.Incident, "alone", out.Alone)
	if out.Alone && o.cfg.Status.Export.Folder != "" {
		out.Copy = "ok"
		if err := o.copyNow(ctx); err != nil {
			out.Copy = textOf(err).In(i18n.Lang(ask.Lang))
		}
	}
	out.Rooms, err = o.told(ctx, m, a.Incident)
	return out, err
}

// told waits a little until every room has heard, or will not now.
func (o operations) told(ctx context.Context, m bot.Machine, incident int64) ([]roomItem, error) {
	tick := time.NewTicker(toldEvery)
	defer tick.Stop()
	for late := time.After(toldWithin); ; {
		heard, err := m.Told(ctx, incident)
		if err != nil {
			return nil, err
		}
		var rooms []roomItem
		waits := false
		for _, h := range heard {
			item := roomItem{Place: h.Place.String(), State: roomTold}
			switch {
			case h.Failed != "":
				item.State, item.Reason = roomFailed, h.Failed
			case h.Waiting:
				item.State, item.Reason = roomWaiting, h.Delayed
				waits = true
			}
			rooms = append(rooms, item)
		}
		if !waits || o.bot == nil {
			return rooms, nil
		}
		select {
		case <-tick.C:
		case <-late:
			return rooms, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// yearReport gives ?year= as CSV, of ?table=.
func (o operations) yearReport(ctx context.Context, r *http.Request) (_ any, err error) {
	year, err := strconv.Atoi(r.URL.Query().Get("year"))
	if err != nil {
		return nil, exitWith(exitUsage, fmt.Errorf("%q: expected a year, such as 2026", r.URL.Query().Get("year")))
	}
	m, done, err := o.machine(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	report, err := m.Report(ctx, year)
	if err != nil {
		return nil, err
	}
	if r.URL.Query().Get("table") == csvServices {
		return report.ServicesCSV(), nil
	}
	return report.CSV(), nil
}

// machine is the way in to the bot that runs, or to one that decides and never
// speaks: what it decides is stored, for the next that runs.
func (o operations) machine(ctx context.Context) (_ bot.Machine, done func() error, err error) {
	done = func() error { return nil }
	if o.bot != nil {
		return o.bot.Machine(), done, nil
	}
	if err := o.takeLease(ctx); err != nil {
		return bot.Machine{}, nil, err
	}
	a := &App{cfg: o.cfg, log: o.log, store: o.store, world: &world{cfg: o.cfg, log: o.log, mailDoor: pathsOf(o.cfg).door}}
	done = func() error { return errors.Join(a.world.close(), o.store.ReleaseLease(context.WithoutCancel(ctx))) }
	defer func() {
		if err != nil {
			err = errors.Join(err, done())
		}
	}()
	if err := a.world.prepare(); err != nil {
		return bot.Machine{}, nil, exitWith(exitUsage, err)
	}
	if err := a.openAdapters(http.NewServeMux()); err != nil {
		return bot.Machine{}, nil, err
	}
	catalog, err := i18n.New()
	if err != nil {
		return bot.Machine{}, nil, err
	}
	links, err := a.links(ctx)
	if err != nil {
		return bot.Machine{}, nil, err
	}
	if err := a.openBot(ctx, catalog, links); err != nil {
		return bot.Machine{}, nil, err
	}
	return a.bot.MachineAlone(), done, nil
}
