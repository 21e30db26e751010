package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"permanence/bot/chat"
)

// matrixWire stands between the program and its homeserver: it counts requests
// and can be cut.
type matrixWire struct {
	URL string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
	count map[string]int
}

func newMatrixWire(t testing.TB, target string) *matrixWire {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &matrixWire{URL: "http://" + l.Addr().String(), conns: map[net.Conn]bool{}, count: map[string]int{}}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { pr.SetURL(u) },
		FlushInterval: -1,
		// The server is away: the connection breaks.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.mu.Lock()
			w.count[kindOfRequest(r)]++
			w.mu.Unlock()
			proxy.ServeHTTP(rw, r)
		}),
		ConnState: func(c net.Conn, state http.ConnState) {
			w.mu.Lock()
			defer w.mu.Unlock()
			switch {
			case state == http.StateClosed || state == http.StateHijacked:
				delete(w.conns, c)
			case w.down:
				c.Close()
			default:
				w.conns[c] = true
			}
		},
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return w
}

// kindOfRequest is a request without what differs from one to the next, such as
// "PUT send/m.room.message" or "GET sync".
func kindOfRequest(r *http.Request) string {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/_matrix/client/"), "/")
	for i, part := range parts {
		switch part {
		case "send", "state", "sendToDevice":
			if i+1 < len(parts) {
				return r.Method + " " + part + "/" + parts[i+1]
			}
		case "sync", "join", "redact", "relations", "members", "messages", "event", "typing", "receipt", "account_data", "keys", "createRoom":
			return r.Method + " " + part
		}
	}
	return r.Method + " " + strings.Join(parts, "/")
}

// requests gives how many were made since the last call.
func (w *matrixWire) requests() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.count
	w.count = map[string]int{}
	return was
}

// buildProgram builds the program as it is released.
func buildProgram(t testing.TB, dir string) string {
	t.Helper()
	binary := filepath.Join(dir, "permanence")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "goolm", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// program is the built program on one configuration, in a folder of its own.
type program struct {
	t      testing.TB
	binary string
	dir    string
	cmd    *exec.Cmd
	output *lockedBuffer // of all its runs
}

// newProgram makes the folder. files are written beside the binary; that of the
// configuration is permanence.yaml, and its database x.db.
func newProgram(t testing.TB, files map[string]string) *program {
	t.Helper()
	p := &program{t: t, dir: t.TempDir(), output: new(lockedBuffer)}
	p.binary = buildProgram(t, p.dir)
	p.write(files)
	t.Cleanup(func() {
		if p.cmd != nil {
			p.cmd.Process.Kill() // an error means that it has ended
			p.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("the program said:\n%s", p.output)
		}
	})
	return p
}

func (p *program) write(files map[string]string) {
	p.t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *program) config() string { return filepath.Join(p.dir, "permanence.yaml") }

// start runs `serve` until it has caught up with its networks.
func (p *program) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "serve", "--config", p.config())
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.await(chat.CaughtUp)
}

// await waits until every adapter is in that state.
func (p *program) await(state chat.ConnectionState) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		if s, err := p.status(ctx); err == nil && len(s.Adapters) > 0 {
			all := true
			for _, a := range s.Adapters {
				all = all && a.State == string(state)
			}
			if all {
				return
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			p.t.Fatalf("the adapters are not %s", state)
		}
	}
}

func (p *program) status(ctx context.Context) (s statusReport, err error) {
	c, err := dialControl(ctx, paths{filepath.Join(p.dir, "x.db")})
	if err != nil {
		return s, err
	}
	defer c.close()
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

// stop ends it in order.
func (p *program) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("SIGTERM: %v", err)
	}
	p.cmd = nil
}
