package mattermost

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// plainMux is a web server at the top of its address.
type plainMux struct{ *http.ServeMux }

func (plainMux) URL(path string) string { return "https://aide.example.org" + path }

// handlerFunc is a bot.
type handlerFunc func(context.Context, []chat.Event) error

func (f handlerFunc) Handle(ctx context.Context, events []chat.Event, _ chat.Cursor) error {
	return f(ctx, events)
}

func behindDoor(t *testing.T, log io.Writer) (*Adapter, plainMux) {
	t.Helper()
	mux := plainMux{http.NewServeMux()}
	a, err := New(Config{URL: "http://127.0.0.1:1", TokenFile: "none"}, chat.Env{
		Name: "tchat", State: chattest.NewInbox(), Mux: mux, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return a, mux
}

// TestAsk: whatever happens behind, somebody is told something before three
// seconds are over.
func TestAsk(t *testing.T) {
	respond := func(events []chat.Event) { events[0].(*chat.Pressed).Respond(chat.Answer{Text: "oui"}) }
	for _, tt := range []struct {
		name   string
		handle func(context.Context, []chat.Event) error
		want   fate
		after  time.Duration
		undone bool
	}{
		{"at once", func(_ context.Context, e []chat.Event) error { respond(e); return nil }, answered, 0, false},
		{"while storing", func(_ context.Context, e []chat.Event) error {
			respond(e)
			time.Sleep(5 * time.Second)
			return nil
		}, answered, 0, false},
		{"a moment later", func(_ context.Context, e []chat.Event) error {
			go func() { time.Sleep(1900 * time.Millisecond); respond(e) }()
			return nil
		}, answered, 1900 * time.Millisecond, false},
		{"never", func(context.Context, []chat.Event) error { return nil }, received, 2 * time.Second, false},
		{"stored late", func(context.Context, []chat.Event) error { time.Sleep(time.Second); return nil }, received, 2600 * time.Millisecond, false},
		{"not stored", func(context.Context, []chat.Event) error { return errors.New("full") }, lost, 0, true},
		{"storing for ever", func(ctx context.Context, _ []chat.Event) error { <-ctx.Done(); return ctx.Err() }, unsure, 2600 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := behindDoor(t, io.Discard)
				a.handler = handlerFunc(tt.handle)
				undone := false
				start := time.Now()
				answer, got := a.web.ask(request{ctx: t.Context(), started: start}, origin{}, func(respond func(chat.Answer)) chat.Event {
					return &chat.Pressed{Meta: chat.Meta{ID: "press"}, Respond: respond}
				}, func() { undone = true })
				if took := time.Since(start); got != tt.want || took != tt.after || (answer.Text == "oui") != (got == answered) {
					t.Errorf("%v %+v after %v, want %v after %v", got, answer, took, tt.want, tt.after)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if undone != tt.undone {
					t.Errorf("given up: %v", undone)
				}
			})
		})
	}
}

// TestNoSecretsLogged: a refusal is logged without what was sent, and not for
// each of many.
func TestNoSecretsLogged(t *testing.T) {
	var log bytes.Buffer
	a, mux := behindDoor(t, &log)
	sealed, err := a.web.signer.seal(t.Context(), forButton, slip{Channel: model.NewId(), Name: "claim"}, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	call := func(path, mediaType, body string) {
		req := httptest.NewRequest("POST", path, strings.NewReader(body))
		req.Header.Set("Content-Type", mediaType)
		mux.ServeHTTP(httptest.NewRecorder(), req)
	}
	form := url.Values{"token": {"jetonjetonjetonjetonjeton1"}, "user_id": {model.NewId()}, "channel_id": {model.NewId()}, "team_id": {model.NewId()},
		"command": {"/ticket"}, "text": {"mot de passe"}, "trigger_id": {"declencheur"}}
	for range 50 {
		call(commandPath, "application/x-www-form-urlencoded", form.Encode())
		call(actionPath, "application/json", `{"user_id":"`+model.NewId()+`","channel_id":"`+model.NewId()+`","post_id":"`+model.NewId()+`","context":{"permanence":"`+sealed+`"}}`)
	}
	got := log.String()
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "not ours") {
		t.Errorf("logged:\n%s", got)
	}
	for _, secret := range []string{"jeton", "mot", "declencheur", sealed[:20]} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is in the log:\n%s", secret, got)
		}
	}
}

// TestCrowd: what is too much at once is refused, and the rest goes on.
func TestCrowd(t *testing.T) {
	a, mux := behindDoor(t, io.Discard)
	for range maxRequests {
		a.web.slots <- struct{}{}
	}
	knock := func() int {
		rec := httptest.NewRecorder()
		req := httptest.NewRequest("POST", actionPath, strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		mux.ServeHTTP(rec, req)
		return rec.Code
	}
	if code := knock(); code != http.StatusTooManyRequests {
		t.Errorf("full: %d", code)
	}
	<-a.web.slots
	for range 3 {
		if code := knock(); code != http.StatusBadRequest {
			t.Errorf("with room: %d", code)
		}
	}
}
