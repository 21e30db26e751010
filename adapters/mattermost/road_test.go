package mattermost_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// road stands between the adapter and the server, lets everything pass, and
// makes trouble when asked.
type road struct {
	url    string
	target *url.URL
	server *httptest.Server
	proxy  *httputil.ReverseProxy

	mu      sync.Mutex
	sockets map[*websocket.Conn]struct{} // both ends of each
	dials   int
	resumed int // dials that asked to go on with an earlier connection
	calls   map[string]int

	refuse    map[string]bool // channels where posts are refused by a "plugin"
	slow      bool
	drop      bool                    // the answer to the next post is lost
	hold      func(post string) error // called with the ID before the next post is answered
	swallow   bool                    // the next posted event never comes
	duplicate bool                    // the next posted event comes twice
	reorder   int                     // so many events are collected and come in the wrong order
	held      [][]byte                //
	answer    func(*http.Request) (int, http.Header, string)
}

func newRoad(t testing.TB, target string) *road {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &road{target: to, sockets: make(map[*websocket.Conn]struct{}), refuse: make(map[string]bool), calls: make(map[string]int)}
	r.proxy = &httputil.ReverseProxy{
		Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(to) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	r.server = httptest.NewServer(r)
	r.url = r.server.URL
	t.Cleanup(func() {
		r.cut()
		r.server.Close()
	})
	return r
}

// cut breaks every websocket, from both sides and without a word.
func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.sockets {
		c.NetConn().Close()
	}
}

func (r *road) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *road) count(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[what]
}

func (r *road) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if strings.HasSuffix(req.URL.Path, "/websocket") {
		r.socket(w, req)
		return
	}
	r.mu.Lock()
	answer := r.answer
	r.calls[req.Method+" "+req.URL.Path]++
	r.mu.Unlock()
	if answer != nil {
		if status, header, body := answer(req); status != 0 {
			for name, values := range header {
				w.Header()[name] = values
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
			return
		}
	}
	if req.Method == "POST" && req.URL.Path == "/api/v4/posts" {
		r.post(w, req)
		return
	}
	r.proxy.ServeHTTP(w, req)
}

func (r *road) post(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	var post struct {
		ChannelID string `json:"channel_id"`
	}
	if err := json.Unmarshal(body, &post); err != nil {
		panic(http.ErrAbortHandler)
	}
	r.mu.Lock()
	slow, refused, drop, hold := r.slow, r.refuse[post.ChannelID], r.drop, r.hold
	r.drop, r.hold = false, nil
	r.mu.Unlock()
	switch {
	case slow:
		// What the server's own limiter says (app/ratelimit.go).
		w.Header().Set("X-RateLimit-Limit", "10")
		w.Header().Set("X-RateLimit-Reset", "1")
		w.Header().Set("Retry-After", "1")
		http.Error(w, "limit exceeded", http.StatusTooManyRequests)
		return
	case refused:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"id":"Post rejected by plugin. trop de liens","message":"Post rejected by plugin. trop de liens","status_code":400}`)
		return
	case !drop && hold == nil:
		r.proxy.ServeHTTP(w, req)
		return
	}
	rec := httptest.NewRecorder()
	r.proxy.ServeHTTP(rec, req)
	if drop {
		panic(http.ErrAbortHandler)
	}
	var made struct{ ID string }
	if err := json.Unmarshal(rec.Body.Bytes(), &made); err != nil {
		panic(http.ErrAbortHandler)
	}
	if hold(made.ID) != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
}

// socket passes frames on in both directions.
func (r *road) socket(w http.ResponseWriter, req *http.Request) {
	to := *r.target
	to.Scheme, to.Path, to.RawQuery = "ws", req.URL.Path, req.URL.RawQuery
	r.mu.Lock()
	r.dials++
	if req.URL.Query().Get("connection_id") != "" {
		r.resumed++
	}
	r.mu.Unlock()
	up, resp, err := websocket.DefaultDialer.DialContext(req.Context(), to.String(), http.Header{"Authorization": req.Header["Authorization"]})
	if err != nil {
		if resp != nil {
			w.WriteHeader(resp.StatusCode)
			return
		}
		panic(http.ErrAbortHandler)
	}
	defer up.Close()
	down, err := (&websocket.Upgrader{}).Upgrade(w, req, nil)
	if err != nil {
		return
	}
	defer down.Close()
	r.set(func() { r.sockets[up], r.sockets[down] = struct{}{}, struct{}{} })
	defer r.set(func() {
		delete(r.sockets, up)
		delete(r.sockets, down)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer up.NetConn().Close()
		for {
			kind, data, err := down.ReadMessage()
			if err != nil || up.WriteMessage(kind, data) != nil {
				return
			}
		}
	}()
	for {
		kind, data, err := up.ReadMessage()
		if err != nil {
			break
		}
		for _, d := range r.events(data) {
			if err = down.WriteMessage(kind, d); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	down.NetConn().Close()
	<-done
}

// events gives what a frame becomes under the faults of the moment.
func (r *road) events(data []byte) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := func(name string) bool {
		return bytes.Contains(data, []byte(`"event":"`+name+`"`)) || bytes.Contains(data, []byte(`"event": "`+name+`"`))
	}
	if r.swallow && of("posted") {
		r.swallow = false
		return nil
	}
	if r.duplicate && of("posted") {
		r.duplicate = false
		return [][]byte{data, data}
	}
	if r.reorder > 0 && (of("posted") || of("post_edited")) {
		r.reorder--
		r.held = append(r.held, data)
		if r.reorder > 0 {
			return nil
		}
		held := r.held
		r.held = nil
		for i, j := 0, len(held)-1; i < j; i, j = i+1, j-1 {
			held[i], held[j] = held[j], held[i]
		}
		return held
	}
	return [][]byte{data}
}
