package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"permanence/bot/chat"
	statusweb "permanence/statuspage/web"
)

// mirrored is a mirror in a bubble of time whose export and command are the
// test's.
type mirrored struct {
	*mirror
	exports, pushes atomic.Int32
	took            atomic.Int64 // by the command, nanoseconds
	fail            atomic.Bool  // the command
	deaf            atomic.Bool  // the team
	heard           sync.Mutex
	texts           []string
}

func startMirror(t *testing.T) (*mirrored, context.CancelFunc) {
	m := &mirrored{mirror: newMirror(slog.New(slog.DiscardHandler))}
	m.export = func(context.Context) (statusweb.Exported, error) {
		m.exports.Add(1)
		return statusweb.Exported{}, nil
	}
	m.push = func(ctx context.Context) ([]string, error) {
		if m.exports.Load() != m.pushes.Add(1) {
			t.Error("pushed before it was exported")
		}
		select {
		case <-time.After(time.Duration(m.took.Load())):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if m.fail.Load() {
			return nil, &pushError{program: "rsync", err: errors.New("exit status 12")}
		}
		return nil, nil
	}
	m.tell = func(_ context.Context, text chat.Text) error {
		if m.deaf.Load() {
			return errors.New("away")
		}
		m.heard.Lock()
		defer m.heard.Unlock()
		m.texts = append(m.texts, text.EN)
		return nil
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.run(ctx) }()
	t.Cleanup(func() { // within the bubble
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return m, stop
}

// said is what the team was told.
func (m *mirrored) said() []string {
	m.heard.Lock()
	defer m.heard.Unlock()
	return slices.Clone(m.texts)
}

func (m *mirrored) want(t *testing.T, what string, pushes int32) {
	t.Helper()
	synctest.Wait()
	if got := m.pushes.Load(); got != pushes {
		t.Errorf("%s: pushed %d times, want %d", what, got, pushes)
	}
}

func TestMirrorGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := startMirror(t)
		m.took.Store(int64(time.Minute))
		m.want(t, "at the start", 1)
		time.Sleep(2 * time.Minute)
		m.want(t, "nothing changes", 1)
		for range 10 {
			m.changed()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		m.want(t, "ten changes at once", 2)
		for range 10 { // while it runs
			time.Sleep(time.Second)
			m.changed()
		}
		m.want(t, "changes while it runs", 2)
		time.Sleep(time.Minute)
		m.want(t, "then exactly one more", 3)
		time.Sleep(10 * time.Minute)
		m.want(t, "and no other", 3)
		if s := m.stands(); s.Failing != 0 || s.Done == 0 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestMirrorFailsAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := startMirror(t)
		m.fail.Store(true)
		m.want(t, "at the start", 1)
		if len(m.said()) != 0 {
			t.Errorf("told of one failure: %q", m.said())
		}
		time.Sleep(mirrorRetry + mirrorRetry/10)
		m.want(t, "again", 2)
		if len(m.said()) != 1 || !strings.Contains(m.said()[0], "the command rsync failed: exit status 12.") {
			t.Errorf("told %q", m.said())
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := m.pushes.Load(); n < 14 || n > 20 {
			t.Errorf("%d tries in two hours", n)
		}
		if len(m.said()) != 1 || m.stands().Tries != int(m.pushes.Load()) || m.stands().Done != 0 {
			t.Errorf("told %q, state %+v", m.said(), m.stands())
		}
		if err := m.now(t.Context()); err == nil {
			t.Error("asked for, it does not say that it failed")
		}
		m.fail.Store(false)
		m.deaf.Store(true)
		n := m.pushes.Load()
		m.changed() // does not wait for the next try
		time.Sleep(time.Second)
		m.want(t, "a change", n+1)
		m.deaf.Store(false) // the end is told, if late
		time.Sleep(mirrorRetry)
		synctest.Wait()
		if len(m.said()) != 2 || !strings.Contains(m.said()[1], "up to date again") || m.stands().Failing != 0 {
			t.Errorf("told %q, state %+v", m.said(), m.stands())
		}
		if err := m.now(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestMirrorEachDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time begins at midnight UTC
		m, _ := startMirror(t)
		m.want(t, "at the start", 1)
		time.Sleep(24 * time.Hour)
		m.want(t, "the first day", 1)
		time.Sleep(6 * time.Second)
		m.want(t, "the second", 2)
	})
}

func TestMirrorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := startMirror(t)
		m.took.Store(int64(time.Hour))
		synctest.Wait()
		began := time.Now()
		stop()
		if err := m.now(t.Context()); err == nil {
			t.Error("asked for after the end, it says that it was done")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}
