package irc

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/lrstanley/girc"
	"golang.org/x/net/proxy"
)

const (
	dialTimeout  = 20 * time.Second
	writeTimeout = 30 * time.Second
)

// wire is the connection below girc. What girc has to write for registration
// and for keeping alive goes through it; everything else is ours, because girc
// would drop lines silently when it is not connected, splits them inside
// runes, asks WHO for everybody who joins (a netsplit's end would have us
// thrown out for flooding) and answers CTCP. In the same way girc reads what
// it answers to; the words of people go past it, because it takes three
// goroutines and a timer for each line, and hangs up at one that it cannot
// read.
type wire struct {
	net.Conn
	mu sync.Mutex
	// passed is what girc reads.
	passed  *io.PipeReader
	passing *io.PipeWriter
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn}
	w.passed, w.passing = io.Pipe()
	return w
}

// Read is girc's.
func (w *wire) Read(p []byte) (int, error) { return w.passed.Read(p) }

// Close may be called more than once.
func (w *wire) Close() error {
	w.passed.Close()
	return w.Conn.Close()
}

// maxIncoming is the longest line that we read: 8191 bytes of tags
// (https://ircv3.net/specs/extensions/message-tags) and, of some servers, more
// than 512 behind them.
const maxIncoming = 32 << 10

// listen reads lines until the connection ends; hear may not block.
func (w *wire) listen(hear func(*girc.Event)) {
	lines := bufio.NewReaderSize(w.Conn, maxIncoming)
	registered, tooLong := false, false
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			tooLong = true
			continue
		}
		if err != nil {
			w.passing.CloseWithError(err)
			return
		}
		if tooLong { // its end may look like a line, and is none
			tooLong = false
			continue
		}
		e := girc.ParseEvent(string(line))
		if e == nil {
			continue
		}
		hear(e)
		if !registered || answered[e.Command] {
			if _, err := w.passing.Write(line); err != nil {
				return // closed
			}
		}
		if e.Command == "ERROR" {
			return // it is the last that a server says, and girc hangs up
		}
		registered = registered || e.Command == "376" || e.Command == "422"
	}
}

// answered are the commands that girc has to know of once it is registered:
// what keeps the connection alive, ends it, or changes our nick.
var answered = map[string]bool{"PING": true, "PONG": true, "ERROR": true, "CAP": true, "NICK": true}

// quietly are the commands that girc may send by itself.
var quietly = map[string]bool{
	"CAP": true, "PASS": true, "NICK": true, "USER": true, "AUTHENTICATE": true, "PING": true, "PONG": true, "QUIT": true,
}

// Write takes the lines of girc, each of which comes in one call.
func (w *wire) Write(p []byte) (int, error) {
	command, _, _ := bytes.Cut(bytes.TrimRight(p, "\r\n"), []byte(" "))
	if !quietly[string(command)] {
		return len(p), nil
	}
	return w.write(p)
}

func (w *wire) write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// line writes one line of ours.
func (w *wire) line(text string) error {
	_, err := w.write([]byte(oneLine(text) + "\r\n"))
	return err
}

// oneLine keeps what would end a line from doing so.
func oneLine(text string) string {
	if strings.ContainsAny(text, "\r\n\x00") {
		text = strings.NewReplacer("\r", " ", "\n", " ", "\x00", "").Replace(text)
	}
	return text
}

// Dial makes wire a girc.Dialer that gives itself: it is connected already.
func (w *wire) Dial(string, string) (net.Conn, error) { return w, nil }

// dialError tells at which step a connection failed.
type dialError struct {
	step string // "dial", "tls", "tls-name", "files"
	err  error
}

func (e *dialError) Error() string { return e.step + ": " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dial connects to host:port, through the proxy and with TLS where asked for.
func (s *settings) dial(ctx context.Context, port string, secure bool) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conf, err := s.tlsConfig()
	if err != nil {
		return nil, &dialError{"files", err}
	}
	conn, err := s.dialTCP(ctx, net.JoinHostPort(s.host, port))
	if err != nil {
		return nil, &dialError{"dial", err}
	}
	if !secure {
		return newWire(conn), nil
	}
	t := tls.Client(conn, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		var name x509.HostnameError
		if errors.As(err, &name) {
			return nil, &dialError{"tls-name", err}
		}
		return nil, &dialError{"tls", err}
	}
	return newWire(t), nil
}

func (s *settings) dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	var direct net.Dialer
	if s.proxy == nil {
		return direct.DialContext(ctx, "tcp", addr)
	}
	d, err := proxy.FromURL(s.proxy, &direct)
	if err != nil {
		return nil, err
	}
	if c, ok := d.(proxy.ContextDialer); ok {
		return c.DialContext(ctx, "tcp", addr)
	}
	return d.Dial("tcp", addr)
}

func (s *settings) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", s.CAFile)
		}
	}
	if s.SASL.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(s.SASL.CertFile, s.SASL.KeyFile)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}
