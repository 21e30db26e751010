package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"permanence/internal/sqlstore"
)

// listenControl opens the socket on which subcommands speak to the running
// program. The caller holds the lock of the data, so a socket file that is
// there was left by a process that is gone.
func listenControl(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// What is between here and Chmod is kept by the umask.
	old := syscall.Umask(0o177)
	ln, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, err
	}
	return ln, nil
}

// client speaks to whoever works on the data: the running program over its
// socket, or this process itself.
type client struct {
	http *http.Client
	// close gives back what was taken to work alone.
	close func() error
	// alone: nothing is running.
	alone bool
}

// connect finds the running program, or takes the lock and works alone.
func connect(ctx context.Context, l *Loaded, log *slog.Logger) (*client, error) {
	p := pathsOf(l)
	if c, err := dialControl(ctx, p); err == nil {
		return c, nil
	}
	lock, err := lockData(p)
	if err != nil {
		return nil, err
	}
	// With PostgreSQL the lock is this machine's alone: what writes takes the
	// lease first.
	opts := sqlstore.Options{Log: log}
	if !strings.HasPrefix(l.Database, "sqlite:") {
		opts.Lease = newLease("subcommand")
	}
	store, err := sqlstore.Open(ctx, l.Database, opts)
	if err != nil {
		return nil, errors.Join(exitWith(exitDatabase, err), lock.unlock())
	}
	ops := operations{cfg: l, store: store, log: log}
	return &client{
		http:  &http.Client{Transport: inProcess{ops.handler()}},
		close: func() error { return errors.Join(store.Close(), lock.unlock()) },
		alone: true,
	}, nil
}

// dialControl finds the running program.
func dialControl(ctx context.Context, p paths) (*client, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", p.control())
	}
	probe, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := dial(probe, "", "")
	if err != nil {
		return nil, err
	}
	conn.Close()
	t := &http.Transport{DialContext: dial}
	return &client{http: &http.Client{Transport: t}, close: func() error { t.CloseIdleConnections(); return nil }}, nil
}

// call asks for one operation; out is JSON, and may be nil.
func (c *client) call(ctx context.Context, method, path string, query url.Values, out any) error {
	return c.send(ctx, method, path, query, "", out)
}

// send is call with a body, for what must stand in no address and no log.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body string, out any) error {
	u := url.URL{Scheme: "http", Host: "permanence", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the running permanence: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if err != nil {
			return fmt.Errorf("ask the running permanence: %w", err)
		}
		err = errors.New(strings.TrimSpace(string(text)))
		code, bad := strconv.Atoi(resp.Header.Get(exitHeader))
		if bad != nil {
			code = exitFailure
		}
		return exitWith(code, err)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// inProcess answers requests by a handler of this process, so that working
// alone and speaking to the running program are one piece of code.
type inProcess struct{ h http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recorder{header: http.Header{}, code: http.StatusOK}
	p.h.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.code, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(code int)        { w.code = code }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }
