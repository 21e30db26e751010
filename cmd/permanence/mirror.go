package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"permanence/bot/chat"
	statusweb "permanence/statuspage/web"
)

const (
	// mirrorGather is how long a change waits for those that come with it.
	mirrorGather = 500 * time.Millisecond
	// What fails is tried again after mirrorRetry, then after twice as long
	// each time, mirrorRetryMost at last.
	mirrorRetry     = 10 * time.Second
	mirrorRetryMost = 10 * time.Minute
	// mirrorTellAfter is how many failures in a row the team is told of: one
	// alone may be a wire that was pulled.
	mirrorTellAfter = 2
)

// mirror keeps a copy of the status page as files, and has a command take it
// elsewhere: at the start, after each change, and when a day begins. One
// goroutine, run, does it all.
type mirror struct {
	export   func(context.Context) (statusweb.Exported, error)
	push     func(context.Context) ([]string, error) // nil: the files are all
	tell     func(context.Context, chat.Text) error  // the team
	location *time.Location
	log      *slog.Logger

	wake chan struct{}   // something changed
	asks chan chan error // somebody wants it now, and waits
	over chan struct{}   // closed when run has ended

	mu    sync.Mutex
	state mirrorState
}

// mirrorState is how the copy stands.
type mirrorState struct {
	Done    int64     `json:"done,omitempty"`    // when it was last up to date, milliseconds
	Failing int64     `json:"failing,omitempty"` // since when it is not, milliseconds; 0 where all is well
	Tries   int       `json:"tries,omitempty"`   // in vain, since then
	Reason  chat.Text `json:"reason"`            // of the last one
}

func newMirror(log *slog.Logger) *mirror {
	return &mirror{log: log, location: time.UTC, wake: make(chan struct{}, 1), asks: make(chan chan error), over: make(chan struct{})}
}

// changed tells that the page shows something else now. It does not wait.
func (m *mirror) changed() {
	select {
	case m.wake <- struct{}{}:
	default: // a run is to come anyhow
	}
}

// now makes the copy at once, and tells how that went.
func (m *mirror) now(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case m.asks <- done:
	case <-m.over:
		return errors.New("permanence is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *mirror) stands() mirrorState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// run makes the copy until ctx ends.
func (m *mirror) run(ctx context.Context) error {
	defer close(m.over)
	due := time.NewTimer(0)
	defer due.Stop()
	told := false
	for {
		var asked chan error
		select {
		case <-due.C:
		case asked = <-m.asks:
		case <-m.wake:
			gather := time.NewTimer(mirrorGather)
			select {
			case <-gather.C:
			case <-ctx.Done():
				gather.Stop()
				return nil
			}
		case <-ctx.Done():
			return nil
		}
		select { // what changes from here on makes one more run
		case <-m.wake:
		default:
		}
		err := m.once(ctx)
		if asked != nil {
			asked <- err
		}
		if ctx.Err() != nil {
			return nil // cut short: the next start does it again
		}
		told = m.note(ctx, err, told)
		wait := m.next(time.Now(), m.stands().Tries)
		if err == nil && told { // the team has yet to hear that all is well
			wait = mirrorRetry
		}
		due.Reset(wait)
	}
}

// once makes the copy.
func (m *mirror) once(ctx context.Context) error {
	began := time.Now()
	done, err := m.export(ctx)
	if err != nil {
		return err
	}
	var lines []string
	if m.push != nil {
		lines, err = m.push(ctx)
	}
	log := m.log.With("files", done.Files, "changed", done.Changed, "removed", done.Removed, "took", time.Since(began).Round(time.Millisecond))
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.Warn("the status page is written, and could not be pushed", "err", err, "output", lines)
	case m.push != nil:
		log.Info("the status page is pushed")
		log.Debug("what the command said", "output", lines)
	default:
		log.Info("the status page is written")
	}
	return err
}

// note remembers how a run went. The team is told once of trouble, and once of
// its end.
func (m *mirror) note(ctx context.Context, err error, told bool) bool {
	now := time.Now().UnixMilli()
	m.mu.Lock()
	if err == nil {
		m.state = mirrorState{Done: now}
	} else {
		if m.state.Failing == 0 {
			m.state.Failing = now
		}
		m.state.Tries++
		m.state.Reason = textOf(err)
	}
	state := m.state
	m.mu.Unlock()
	if err != nil {
		m.log.Error("the copy of the status page is not up to date; it will be tried again", "err", err, "tries", state.Tries)
	}
	var text chat.Text
	switch {
	case err == nil && told:
		text = say("✅ La copie de la page d’état est de nouveau à jour.", "✅ The copy of the status page is up to date again.")
	case err != nil && !told && state.Tries >= mirrorTellAfter:
		since := time.UnixMilli(state.Failing).In(m.location).Format("15:04")
		text = say(
			fmt.Sprintf("⚠️ La copie de la page d’état n’est plus à jour depuis %s : %s Nouvel essai bientôt ; `permanence check` dit que faire.", since, state.Reason.FR),
			fmt.Sprintf("⚠️ The copy of the status page is not up to date since %s: %s It will be tried again; `permanence check` says what to do.", since, state.Reason.EN))
	default:
		return told
	}
	if err := m.tell(ctx, text); err != nil {
		m.log.Warn("the team could not be told about the copy of the status page", "err", err)
		return told
	}
	return !told
}

// next is how long to wait where nothing changes: after failures a little
// longer each time, else until a day begins, for the page tells of days.
func (m *mirror) next(now time.Time, tries int) time.Duration {
	if tries > 0 {
		wait := min(mirrorRetry<<min(tries-1, 20), mirrorRetryMost)
		return wait + rand.N(wait/10)
	}
	t := now.In(m.location)
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 5, 0, m.location).Sub(now)
}

// textOf is an error in both languages, as sentences.
func textOf(err error) chat.Text {
	var e *statusweb.ExportError
	var p *pushError
	switch {
	case errors.As(err, &e):
		return say(e.FR, e.EN)
	case errors.As(err, &p):
		return p.text()
	}
	return say(err.Error()+".", err.Error()+".")
}
