package killtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	netsmtp "net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"permanence/internal/killtest/checker"
)

// support is the desk's role address.
const support = "support@example.org"

// letter is what a customer writes.
type letter struct {
	from, to, subject, text string
	id, answers             string // Message-IDs
}

func (l letter) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: %s\r\nDate: %s\r\n", l.from, l.to, l.subject, l.id, time.Now().Format(time.RFC1123Z))
	if l.answers != "" {
		fmt.Fprintf(&b, "In-Reply-To: %s\r\nReferences: %s\r\n", l.answers, l.answers)
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + l.text + "\r\n")
	return b.String()
}

// deliver gives a letter to the program until it has its 250, as a mail server
// does: with the same content each time.
func (k *keeper) deliver(ctx context.Context, l letter) error {
	raw := l.String()
	for {
		p, err := k.current(ctx)
		if err != nil {
			return err
		}
		err = submit(ctx, p.smtp, l.from, l.to, raw)
		var answer *textproto.Error
		switch {
		case err == nil:
			return nil
		case errors.As(err, &answer) && answer.Code/100 == 5:
			return fmt.Errorf("the mail of %s was refused: %w", l.from, err)
		}
		later := make(<-chan time.Time)
		if answer != nil { // else the connection broke: that process is at its end
			later = time.After(50 * time.Millisecond)
		}
		select {
		case <-p.exited:
		case <-later:
		case <-ctx.Done():
			return fmt.Errorf("deliver a mail of %s: %w", l.from, errors.Join(err, ctx.Err()))
		}
	}
}

// submit is nil when the answer to the final dot was 250; what happens to the
// connection after it does not matter.
func submit(ctx context.Context, addr, from, to, raw string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if at, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(at); err != nil {
			return err
		}
	}
	c, err := netsmtp.NewClient(conn, "customers.example")
	if err != nil {
		return err
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit()
	return nil
}

// sink is the customers' mail server. It takes everything.
type sink struct {
	ledger *ledger
	addr   string

	mu      sync.Mutex
	cut     int // which mail, counted from 1, loses its answer
	count   int
	open    int // connections
	mails   []checker.Fact
	heads   []mail.Header
	changed chan struct{}
}

func newSink(t *testing.T, l *ledger, cut int) *sink {
	t.Helper()
	s := &sink{ledger: l, cut: cut, changed: make(chan struct{})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open++
		return &sinkSession{sink: s, conn: c.Conn()}, nil
	}))
	server.Domain = "customers.example"
	server.ErrorLog = log.New(io.Discard, "", 0) // connections break all the time
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln) // ends with Close
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return s
}

type sinkSession struct {
	sink *sink
	conn net.Conn
	to   []string
}

func (s *sinkSession) Reset()                               { s.to = nil }
func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Logout comes once, at the end of the connection.
func (s *sinkSession) Logout() error {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.open--
	s.sink.tell()
	return nil
}

// tell wakes those who wait; s.mu is held.
func (s *sink) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// idle waits until no connection is open, so that all that came over those of
// a dead process is in the ledger.
func (s *sink) idle(ctx context.Context) error {
	for {
		s.mu.Lock()
		open, changed := s.open, s.changed
		s.mu.Unlock()
		if open == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of %d connections: %w", open, ctx.Err())
		}
	}
}

// Data takes a mail: from the final dot on it is in the ledger, whether its
// sender hears of it or not.
func (s *sinkSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	head, text, err := readable(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: "unreadable: " + err.Error()}
	}
	f := checker.Fact{Kind: checker.Taken, MessageID: head.Get("Message-ID"), To: s.to, Text: text}
	f.Auto = head.Get("Auto-Submitted") != "" && head.Get("Auto-Submitted") != "no"
	k := s.sink
	k.mu.Lock()
	defer k.mu.Unlock()
	k.count++
	k.mails, k.heads = append(k.mails, f), append(k.heads, head)
	k.ledger.write(f)
	k.tell()
	if k.count == k.cut {
		k.ledger.write(checker.Fact{Kind: checker.Cut})
		s.conn.Close()
		return errors.New("cut")
	}
	return nil
}

// await waits for a mail with a mark.
func (s *sink) await(ctx context.Context, mark string) (mail.Header, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		for i, m := range s.mails {
			if strings.Contains(m.Text, mark) {
				defer s.mu.Unlock()
				return s.heads[i], nil
			}
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the mail %s: %w", mark, ctx.Err())
		}
	}
}

// readable gives a mail's header, and all that can be read in it, decoded.
func readable(raw []byte) (mail.Header, string, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, "", err
	}
	var text strings.Builder
	var words mime.WordDecoder
	for name, values := range m.Header {
		for _, v := range values {
			if d, err := words.DecodeHeader(v); err == nil {
				v = d
			}
			fmt.Fprintf(&text, "%s: %s\n", name, v)
		}
	}
	err = parts(textproto.MIMEHeader(m.Header), m.Body, &text)
	return m.Header, text.String(), err
}

func parts(head textproto.MIMEHeader, body io.Reader, text *strings.Builder) error {
	kind, params, err := mime.ParseMediaType(head.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := parts(p.Header, p, text); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(head.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	_, err = io.Copy(text, body)
	text.WriteByte('\n')
	return err
}
