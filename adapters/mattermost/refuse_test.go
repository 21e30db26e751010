package mattermost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestRateLimited is the server's own limiter: everything arrives, once.
func TestRateLimited(t *testing.T) {
	s := newSite(t)
	s.Stop()
	if err := s.StartWith("MM_RATELIMITSETTINGS_ENABLE=true", "MM_RATELIMITSETTINGS_PERSEC=10", "MM_RATELIMITSETTINGS_MAXBURST=10",
		"MM_RATELIMITSETTINGS_VARYBYUSER=true", "MM_RATELIMITSETTINGS_VARYBYREMOTEADDR=false"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		s.Stop()
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}()
	r := start(t, s.config(t), s.rooms[:1], chattest.NewInbox())
	limited := 0
	for i := range 20 {
		op := chat.Say{Place: place(s.rooms[0], ""), Content: chat.Content{Text: fmt.Sprintf("ligne %d", i)}}
		for attempt := 1; ; attempt++ {
			_, err := r.Do(deadline(t), op, chat.Try{Key: r.key(fmt.Sprintf("limit-%d", i)), Attempt: attempt})
			if err == nil {
				break
			}
			e := chat.AsError(err)
			if e.Kind != chat.RateLimited || e.RetryAfter < 100*time.Millisecond || e.RetryAfter > 5*time.Second {
				t.Fatalf("%v, again in %v", err, e.RetryAfter)
			}
			limited++
			select {
			case <-time.After(e.RetryAfter):
			case <-deadline(t).Done():
				t.Fatal("too slow")
			}
		}
	}
	if limited == 0 {
		t.Error("the server never slowed us down: the test shows nothing")
	}
	s.eventually(t, s.rooms[0], "20 lines", func(posts []wirePost) bool { return len(posts) >= 20 })
	r.stop()
}

// TestRefusals: every way in which a server says no becomes a sentence.
func TestRefusals(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	answer := func(id string) string { return `{"id":"` + id + `","message":"The server's words.","status_code":400}` }
	for _, tt := range []struct {
		name    string
		status  int
		header  http.Header
		body    string
		kind    chat.Kind
		after   time.Duration
		excerpt string
	}{
		{"forbidden", 403, nil, answer("api.context.permissions.app_error"), chat.Unauthorised, 0, "n’a pas ce droit"},
		{"not there", 404, nil, answer("app.channel.get.existing.app_error"), chat.Gone, 0, "n’existe plus"},
		{"not there, by a proxy", 404, nil, "<html>404</html>", chat.Gone, 0, "n’existe plus"},
		{"too large, by a proxy", 413, nil, "<html>413</html>", chat.Permanent, 0, "trop gros"},
		{"too long", 400, nil, answer("model.post.is_valid.message_length.app_error"), chat.Permanent, 0, "trop long"},
		{"plugin", 400, nil, answer("Post rejected by plugin. pas le lundi"), chat.Permanent, 0, "pas le lundi"},
		{"dismissed", 400, nil, answer("plugin.message_will_be_posted.dismiss_post"), chat.Permanent, 0, "écarté"},
		{"archived", 400, nil, answer("api.post.create_post.can_not_post_to_deleted.error"), chat.Gone, 0, "archivé"},
		{"no such thread", 400, nil, answer("api.post.create_post.root_id.app_error"), chat.Gone, 0, "fil"},
		{"other", 400, nil, answer("api.new.error"), chat.Permanent, 0, "The server's words."},
		{"in flight", 500, nil, answer("api.post.deduplicate_create_post.pending"), chat.Temporary, time.Second, "premier envoi"},
		{"fast, seconds", 429, http.Header{"Retry-After": {"7"}}, "limit exceeded", chat.RateLimited, 7 * time.Second, "trop rapides"},
		{"fast, reset", 429, http.Header{"X-Ratelimit-Reset": {"3"}}, "limit exceeded", chat.RateLimited, 3 * time.Second, "trop rapides"},
		{"fast, at once", 429, http.Header{"Retry-After": {"0"}}, "limit exceeded", chat.RateLimited, 100 * time.Millisecond, "trop rapides"},
		{"fast, nonsense", 429, http.Header{"Retry-After": {"-5"}}, "limit exceeded", chat.RateLimited, time.Second, "trop rapides"},
		{"fast, for ever", 429, http.Header{"Retry-After": {"99999999999"}}, "limit exceeded", chat.RateLimited, time.Hour, "trop rapides"},
		{"failure", 500, nil, answer("app.post.save.app_error"), chat.Temporary, 0, "panne (500)"},
		{"away", 503, nil, "<html>503</html>", chat.Temporary, 0, "panne (503)"},
		{"not JSON", 200, nil, "<html>bonjour</html>", chat.Temporary, 0, "coupée"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			s.road.set(func() {
				s.road.answer = func(req *http.Request) (int, http.Header, string) {
					if req.Method != "POST" || req.URL.Path != "/api/v4/posts" {
						return 0, nil, ""
					}
					return tt.status, tt.header, tt.body
				}
			})
			defer s.road.set(func() { s.road.answer = nil })
			e := r.refused(chat.Say{Place: place(s.rooms[0], ""), Content: chat.Content{Text: "bonjour"}}, tt.kind)
			if e.RetryAfter != tt.after {
				t.Errorf("again after %v, want %v", e.RetryAfter, tt.after)
			}
			if !strings.Contains(e.Reason.FR, tt.excerpt) {
				t.Errorf("people read %q, want %q in it", e.Reason.FR, tt.excerpt)
			}
		})
	}
}

// TestUnreachable: with no server there, an operation says so, and the end of
// its context is the end of it.
func TestUnreachable(t *testing.T) {
	road := newRoad(t, "http://127.0.0.1:1")
	a, err := mattermost.New(mattermost.Config{URL: road.url, TokenFile: write(t, "jeton")}, chat.Env{Name: "tchat", State: chattest.NewInbox()})
	if err != nil {
		t.Fatal(err)
	}
	op := chat.Say{Place: place("a/b", ""), Content: chat.Content{Text: "bonjour"}}
	_, err = a.Do(deadline(t), op, chat.Try{Key: "k", Attempt: 1})
	if e := chat.AsError(err); e.Kind != chat.Temporary || e.Reason.FR != "le serveur Mattermost ne répond pas" {
		t.Errorf("%v: %+v", err, e.Reason)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Do(ctx, op, chat.Try{Key: "k", Attempt: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
}
