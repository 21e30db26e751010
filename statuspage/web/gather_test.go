package web

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// gatheredServer serves as the program does.
func gatheredServer(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Listener = Gathered(server.Listener)
	server.Config.ConnContext = WithConn
	server.Start()
	return server
}

// What leaves in one piece is the same, answer after answer on one connection:
// long and short, packed, unchanged, without a body, missing.
func TestGatheredAnswersAreTheSame(t *testing.T) {
	f := weekFixture(t, week())
	server := gatheredServer(f.site)
	defer server.Close()
	client := server.Client()
	client.Transport = &http.Transport{DisableCompression: true, MaxConnsPerHost: 1}
	for range 3 {
		for _, path := range append(documentPaths(), "/", "/incidents/52", "/nothing") {
			for _, header := range []string{"", "gzip"} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					r := httptest.NewRequest(method, path, nil)
					r.Header.Set("Accept-Encoding", header)
					r.Header.Set("User-Agent", "test")
					want := httptest.NewRecorder()
					f.site.ServeHTTP(want, r)
					req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Header = r.Header
					got, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(got.Body)
					got.Body.Close()
					if err != nil || got.StatusCode != want.Code || !bytes.Equal(body, want.Body.Bytes()) || got.Header.Get("Etag") != want.Header().Get("Etag") {
						t.Errorf("%s %s %q: %v %s, %d bytes, want %d, %d bytes", method, path, header, err, got.Status, len(body), want.Code, want.Body.Len())
					}
				}
			}
		}
	}
}

// Readers who come at once, and some who leave in the middle, are served as if
// each were alone.
func TestGatheredAtOnce(t *testing.T) {
	f := weekFixture(t, week())
	server := gatheredServer(f.site)
	defer server.Close()
	want := f.get("/", "Accept", "text/html").Body.String()
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if n%4 == 0 { // asks, and does not stay
				io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n", 20))
				return
			}
			io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n", 9)+
				"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
			all, err := io.ReadAll(conn)
			if n := strings.Count(string(all), want); err != nil || n != 10 {
				t.Errorf("%d answers of 10: %v", n, err)
			}
		})
	}
	group.Wait()
}

// pieces notes what is written, call by call.
type pieces struct {
	net.Conn
	calls []string
	err   error
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	p.calls = append(p.calls, string(b))
	return len(b), nil
}

// While it holds nothing leaves, a buffer that is filled anew was copied, and
// a failure is told to whoever writes next.
func TestGatheredConn(t *testing.T) {
	p := &pieces{}
	c := &gatheredConn{Conn: p}
	long := bytes.Repeat([]byte("x"), serverBuffer+1)
	for range 2 {
		p.calls = nil
		if err := c.together(func() error {
			buffer := []byte("head")
			for _, b := range [][]byte{buffer, long} {
				if n, err := c.Write(b); n != len(b) || err != nil {
					t.Errorf("%d %v", n, err)
				}
				copy(buffer, "gone")
			}
			if len(p.calls) != 0 {
				t.Errorf("%q left while it was held", p.calls)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(p.calls) != 2 || p.calls[0] != "head" || p.calls[1] != string(long) {
			t.Errorf("written: %.20q", p.calls)
		}
	}
	if _, err := c.Write([]byte("after")); err != nil || p.calls[2] != "after" {
		t.Errorf("behind it: %v %.20q", err, p.calls)
	}
	p.err = net.ErrClosed
	if err := c.together(func() error { _, err := c.Write(long); return err }); err != net.ErrClosed {
		t.Errorf("together: %v", err)
	}
	p.err = nil
	if _, err := c.Write([]byte("more")); err != net.ErrClosed {
		t.Errorf("behind a failure: %v", err)
	}
}
