package matrix_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// road is a proxy between the adapter and its server, on which things happen.
// Where a test makes the server say what Dendrite never says, it is here.
type road struct {
	URL string

	mu    sync.Mutex
	conns map[net.Conn]bool
	// slow answers what is sent with "too fast".
	slow bool
	// drop lets the next message through and loses the answer.
	drop bool
	// echo keeps the answer to the next message back until the adapter has
	// stored what it heard of it.
	echo bool
	// twice gives the next message of human twice, swap the next two in the
	// wrong order.
	twice, swap bool
	human       string
	held        json.RawMessage // of a swap
	heldIn      string
	syncs       int       // asked for so far
	brought     []brought // by syncs, while an answer is kept back
	keeping     bool
	kill        int // of the next connections
	// holdKeys keeps what is sent to devices back.
	holdKeys bool
	keys     []json.RawMessage
	asked    chan struct{}
	// count counts requests by method and kind of path.
	count map[string]int
	// refuse answers everything with this status and body, where set.
	refuse func(*http.Request) (status int, body string)
}

func newRoad(t testing.TB, target, human string) *road {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{URL: "http://" + l.Addr().String(), conns: make(map[net.Conn]bool), human: human, asked: make(chan struct{}), count: make(map[string]int)}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(pr *httputil.ProxyRequest) { pr.SetURL(u); pr.Out.Header.Del("Accept-Encoding") },
		FlushInterval:  -1,
		ModifyResponse: r.answer,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.request(proxy, w, req) }),
		ConnState: func(c net.Conn, state http.ConnState) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if state == http.StateNew && r.kill > 0 {
				r.kill--
				c.Close()
				return
			}
			if state == http.StateClosed || state == http.StateHijacked {
				delete(r.conns, c)
			} else {
				r.conns[c] = true
			}
		},
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return r
}

// brought is what a sync answered, and how many had been asked for by then.
type brought struct {
	body  []byte
	after int
}

// cut breaks all connections, and the next few at once: net/http tries a
// request again by itself on a second one.
func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kill = 3
	for c := range r.conns {
		c.Close()
	}
}

func (r *road) set(f func(*road)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

func (r *road) request(proxy http.Handler, w http.ResponseWriter, req *http.Request) {
	isSend := req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/send/m.room.")
	isSync := strings.HasSuffix(req.URL.Path, "/sync")
	r.mu.Lock()
	if isSync {
		r.syncs++
		close(r.asked)
		r.asked = make(chan struct{})
	} else {
		kind := req.Method
		for _, part := range []string{"/send/", "/sendToDevice/", "/keys/", "/state/", "/members", "/messages", "/relations/", "/join", "/event/"} {
			if strings.Contains(req.URL.Path, part) {
				kind += " " + strings.Trim(part, "/")
				break
			}
		}
		r.count[kind]++
	}
	refuse := r.refuse
	slow := r.slow && req.Method != http.MethodGet
	drop, echo := r.drop && isSend, r.echo && isSend
	if isSend {
		r.drop, r.echo = r.drop && !drop, r.echo && !echo
	}
	if echo {
		r.keeping, r.brought = true, nil
	}
	r.mu.Unlock()
	if refuse != nil {
		if status, body := refuse(req); status != 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, body)
			return
		}
	}
	switch {
	case slow:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too fast","retry_after_ms":150}`)
	case drop:
		rec := &recorder{header: make(http.Header)}
		proxy.ServeHTTP(rec, req)
		panic(http.ErrAbortHandler) // the connection breaks
	case echo:
		rec := &recorder{header: make(http.Header)}
		proxy.ServeHTTP(rec, req)
		var sent struct {
			ID string `json:"event_id"`
		}
		_ = json.Unmarshal(rec.body.Bytes(), &sent) // a refusal has none, and is not waited for
		for sent.ID != "" {
			r.mu.Lock()
			asked, stored := r.asked, false
			for _, b := range r.brought {
				// The next sync is asked for when this one is stored.
				stored = stored || bytes.Contains(b.body, []byte(sent.ID)) && r.syncs > b.after
			}
			r.mu.Unlock()
			if stored {
				break
			}
			select {
			case <-asked:
			case <-req.Context().Done():
				return
			}
		}
		r.set(func(r *road) { r.keeping = false })
		for k, v := range rec.header {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.status)
		w.Write(rec.body.Bytes())
	default:
		proxy.ServeHTTP(w, req)
	}
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

type rawList struct {
	Events []json.RawMessage `json:"events"`
}

type object = map[string]json.RawMessage

// answer changes what a sync brings.
func (r *road) answer(resp *http.Response) error {
	if !strings.HasSuffix(resp.Request.URL.Path, "/sync") || resp.StatusCode != http.StatusOK {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.twice && !r.swap && r.held == nil && !r.keeping && !r.holdKeys && r.keys == nil {
		return nil
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if r.keeping {
		r.brought = append(r.brought, brought{data, r.syncs})
	} else if data, err = r.rewrite(data); err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	resp.ContentLength = int64(len(data))
	resp.Header.Set("Content-Length", strconv.Itoa(len(data)))
	return nil
}

func (r *road) rewrite(data []byte) ([]byte, error) {
	var whole, rooms, join object
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, err
	}
	var device rawList
	if len(whole["to_device"]) > 0 && json.Unmarshal(whole["to_device"], &device) != nil {
		return data, nil
	}
	if r.holdKeys {
		r.keys = append(r.keys, device.Events...)
		whole["to_device"] = json.RawMessage(`{"events":[]}`)
		data, _ = json.Marshal(whole)
	} else if r.keys != nil {
		device.Events, r.keys = append(r.keys, device.Events...), nil
		whole["to_device"], _ = json.Marshal(device)
		data, _ = json.Marshal(whole)
	}
	if len(whole["rooms"]) == 0 || json.Unmarshal(whole["rooms"], &rooms) != nil || len(rooms["join"]) == 0 || json.Unmarshal(rooms["join"], &join) != nil {
		return data, nil
	}
	for rid, raw := range join {
		var room, timeline object
		var events []json.RawMessage
		if json.Unmarshal(raw, &room) != nil || json.Unmarshal(room["timeline"], &timeline) != nil || json.Unmarshal(timeline["events"], &events) != nil {
			continue
		}
		var out []json.RawMessage
		for _, e := range events {
			var s struct {
				Sender string `json:"sender"`
				Type   string `json:"type"`
			}
			if json.Unmarshal(e, &s) != nil || s.Sender != r.human || s.Type != "m.room.message" && s.Type != "m.room.encrypted" {
				out = append(out, e)
				continue
			}
			switch {
			case r.twice:
				r.twice = false
				out = append(out, e, e)
			case r.swap:
				r.swap, r.held, r.heldIn = false, e, rid
			case r.held != nil && r.heldIn == rid:
				out = append(out, e, r.held)
				r.held = nil
			default:
				out = append(out, e)
			}
		}
		if out == nil {
			out = []json.RawMessage{}
		}
		timeline["events"], _ = json.Marshal(out)
		room["timeline"], _ = json.Marshal(timeline)
		join[rid], _ = json.Marshal(room)
	}
	rooms["join"], _ = json.Marshal(join)
	whole["rooms"], _ = json.Marshal(rooms)
	return json.Marshal(whole)
}

func (r *road) fault(f func(*road)) func(context.Context) error {
	return func(context.Context) error {
		r.set(f)
		return nil
	}
}
