package mattermost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// door is the web server through which Mattermost calls the adapter; it
// remembers what came in.
type door struct {
	mux    *http.ServeMux
	server *httptest.Server

	mu    sync.Mutex
	calls map[string][]visit // by path
}

// visit is one call of the server.
type visit struct {
	mediaType string
	body      []byte
}

const prefix = "/a/tchat"

func newDoor(t testing.TB) *door {
	d := &door{mux: http.NewServeMux(), calls: make(map[string][]visit)}
	d.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		d.mu.Lock()
		path := strings.TrimPrefix(req.URL.Path, prefix)
		d.calls[path] = append(d.calls[path], visit{req.Header.Get("Content-Type"), body})
		d.mu.Unlock()
		req.Body = io.NopCloser(bytes.NewReader(body))
		d.mux.ServeHTTP(rw, req)
	}))
	t.Cleanup(d.server.Close)
	return d
}

func (d *door) Handle(pattern string, h http.Handler) { d.mux.Handle(prefix+pattern, h) }
func (d *door) URL(path string) string                { return d.server.URL + prefix + path }

// last is the newest call of a path.
func (d *door) last(t testing.TB, path string) visit {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls[path]
	if len(calls) == 0 {
		t.Fatalf("%s was never called", path)
	}
	return calls[len(calls)-1]
}

// knock calls a path as anybody could.
func (d *door) knock(t testing.TB, method, path, mediaType string, body []byte) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(deadline(t), method, d.URL(path), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// wired is a site with a door, an adapter behind it, and what the human's
// client hears.
type wired struct {
	*site
	*running
	door    *door
	hears   *hearing
	forward atomic.Int64 // the adapter's clock is ahead by so much
}

func newWired(t testing.TB) *wired {
	t.Helper()
	w := &wired{site: newSite(t), door: newDoor(t)}
	inbox := chattest.NewInbox()
	w.running = launchIn(t, w.site.config(t), chat.Env{Name: "tchat", Rooms: w.site.rooms, State: inbox, Mux: w.door, Log: testLog(t)}, inbox,
		func(a *mattermost.Adapter) {
			mattermost.SetClock(a, func() time.Time { return time.Now().Add(time.Duration(w.forward.Load())) })
		})
	w.awaitState(0, chat.CaughtUp)
	w.hears = hear(t, w.URL, w.site.human.Token)
	return w
}

// env is what the adapter was given.
func (w *wired) env() chat.Env {
	return chat.Env{Name: "tchat", Rooms: w.site.rooms, State: w.inbox, Mux: w.door}
}

// install makes the commands as administrator.
func (w *wired) install(t testing.TB) mattermost.Report {
	t.Helper()
	report, err := mattermost.InstallCommands(deadline(t), w.site.config(t), w.env(), w.AdminToken)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// hearing is everything that a websocket brings.
type hearing struct {
	mu     sync.Mutex
	frames []heardFrame
	signal chan struct{}
}

type heardFrame struct {
	Event string
	Data  struct{ Post, Dialog string }
	raw   string
}

func hear(t testing.TB, base, token string) *hearing {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(base, "http")+"/api/v4/websocket", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		t.Fatal(err)
	}
	h := &hearing{signal: make(chan struct{})}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			f := heardFrame{raw: string(data)}
			if json.Unmarshal(data, &f) != nil {
				continue // of another event
			}
			h.mu.Lock()
			h.frames = append(h.frames, f)
			close(h.signal)
			h.signal = make(chan struct{})
			h.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	return h
}

// await waits for a frame.
func (h *hearing) await(ctx context.Context, ok func(heardFrame) bool) (heardFrame, bool) {
	for {
		h.mu.Lock()
		signal, frames := h.signal, h.frames
		h.mu.Unlock()
		for _, f := range frames {
			if ok(f) {
				return f, true
			}
		}
		select {
		case <-ctx.Done():
			return heardFrame{}, false
		case <-signal:
		}
	}
}

// told waits for a text that is shown to the human alone.
func (h *hearing) told(t testing.TB, text string) wirePost {
	t.Helper()
	var post wirePost
	if _, ok := h.await(deadline(t), func(f heardFrame) bool {
		return f.Event == "ephemeral_message" && json.Unmarshal([]byte(f.Data.Post), &post) == nil && post.Message == text
	}); !ok {
		t.Fatalf("the human was never shown %q", text)
	}
	return post
}

// said waits for a post that everybody in its channel sees.
func (h *hearing) said(t testing.TB, text string) wirePost {
	t.Helper()
	var post wirePost
	if _, ok := h.await(deadline(t), func(f heardFrame) bool {
		return f.Event == "posted" && json.Unmarshal([]byte(f.Data.Post), &post) == nil && post.Message == text
	}); !ok {
		t.Fatalf("nobody said %q", text)
	}
	return post
}

// dialog is what the human's client is told to open.
type dialog struct {
	URL    string `json:"url"`
	Dialog struct {
		CallbackID string `json:"callback_id"`
		Title      string `json:"title"`
		State      string `json:"state"`
		Elements   []struct {
			Name, Type, Default string
			Display             string `json:"display_name"`
		} `json:"elements"`
	} `json:"dialog"`
}

// opened waits for a dialog.
func (h *hearing) opened(t testing.TB, id string) dialog {
	t.Helper()
	var d dialog
	if _, ok := h.await(deadline(t), func(f heardFrame) bool {
		return f.Event == "open_dialog" && json.Unmarshal([]byte(f.Data.Dialog), &d) == nil && d.Dialog.CallbackID == id
	}); !ok {
		t.Fatalf("the dialog %s never opened", id)
	}
	return d
}

// slash types a command, as press presses.
func (w *wired) slash(room, root, command string) <-chan error {
	done := make(chan error, 1)
	ctx := deadline(w.running.t)
	go func() {
		in := map[string]string{"channel_id": w.peer.channel(room), "root_id": root, "command": command}
		done <- w.peer.call(ctx, "POST", "/commands/execute", in, nil)
	}()
	return done
}

// press presses the button with a label; what is given back comes when it was
// answered.
func (w *wired) press(post, label string) <-chan error {
	done := make(chan error, 1)
	ctx := deadline(w.running.t)
	go func() { done <- w.peer.Press(ctx, "", post, label) }()
	return done
}

// submit sends a dialog and gives what its client shows.
func (w *wired) submit(d dialog, channel string, fields map[string]string) <-chan formShown {
	done := make(chan formShown, 1)
	ctx := deadline(w.running.t)
	go func() {
		var shown formShown
		shown.err = w.peer.call(ctx, "POST", "/actions/dialogs/submit", map[string]any{
			"url": d.URL, "callback_id": d.Dialog.CallbackID, "state": d.Dialog.State, "channel_id": channel,
			"team_id": w.teamID, "submission": fields,
		}, &shown)
		done <- shown
	}()
	return done
}

type formShown struct {
	Error  string            `json:"error"`
	Errors map[string]string `json:"errors"`
	err    error
}

// within waits for what a client waits for, and fails after Mattermost's old
// default of three seconds.
func within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(3 * time.Second)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("%s took more than three seconds", what)
	}
	panic("unreachable")
}

// fine waits for a request that must succeed.
func fine(t testing.TB, what string, c <-chan error) {
	t.Helper()
	if err := within(t, what, c); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// gestures counts what was stored of slash commands, presses and forms.
func (w *wired) gestures() int {
	n := 0
	for _, e := range w.inbox.Events() {
		switch e.(type) {
		case *chat.Slash, *chat.Pressed, *chat.Submitted:
			n++
		}
	}
	return n
}
