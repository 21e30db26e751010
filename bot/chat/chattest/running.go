package chattest

import (
	"context"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
)

// patience is how long First and Must wait.
const patience = time.Minute

// Start runs an adapter until stop is called, at the latest at the test's end.
// Stop fails the test where Run ends with an error, or where the contract was
// broken towards the inbox.
func Start(t testing.TB, a chat.Adapter, inbox *Inbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, inbox) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		for _, v := range inbox.Violations() {
			t.Error(v)
		}
	}
	t.Cleanup(stop)
	return stop
}

// Must waits until ok holds for what came, and fails the test with all of it
// where it never does.
func (in *Inbox) Must(t testing.TB, what string, ok func([]chat.Event) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := in.Await(ctx, ok); err != nil {
		var list []string
		for _, e := range in.Events() {
			kind, body, _ := chat.EncodeEvent(e)
			list = append(list, kind+" "+string(body))
		}
		t.Fatalf("never came: %s; the inbox has\n%s", what, strings.Join(list, "\n"))
	}
}

// First waits for an event of one type for which ok holds.
func First[E chat.Event](t testing.TB, in *Inbox, what string, ok func(E) bool) E {
	t.Helper()
	var found E
	in.Must(t, what, func(events []chat.Event) bool {
		for _, e := range events {
			if e, is := e.(E); is && ok(e) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}
