package email

import (
	"context"
	"errors"
	"io"
	"net"
	"net/mail"
	"os"
	"slices"
	"strings"
	"testing"

	"permanence/bot/chat"
)

// sending makes an adapter that submits to s and is not running.
func sending(t testing.TB, s *sink, cfg Config) *Adapter {
	t.Helper()
	cfg.SMTP.Server = s.addr
	return newAdapter(t, cfg, newStore())
}

// answer is a reply of the team to two people.
func answer() chat.Say {
	return chat.Say{
		Place: chat.Place{Adapter: "mail", Room: "support@example.org"},
		Content: chat.Content{
			Text: "Bonjour, c’est **réparé**.",
			Lang: "fr",
			Mail: &chat.Mail{
				From: "support@example.org", FromName: "Support", To: []string{"alice@example.net"},
				Cc: []string{"bob@example.com", "support@example.org"}, Subject: "Re: Courriel",
				InReplyTo: "q1@example.net", References: []string{"q0@example.net", "q1@example.net"},
			},
		},
	}
}

func attempt(key string) chat.Try { return chat.Try{Key: key, Attempt: 1} }

// header reads what the sink was given.
func header(t *testing.T, raw string) mail.Header {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

// asError gives the error of Do.
func asError(t *testing.T, err error, kind chat.Kind) *chat.Error {
	t.Helper()
	var e *chat.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("error %v, want kind %v", err, kind)
	}
	if e.Reason.FR == "" || e.Reason.EN == "" {
		t.Errorf("no reason for people in %+v", e)
	}
	return e
}

// R01, L19: one mail, all readers visible; a person's answer bears no mark of
// a machine.
func TestR01Send(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{Subaddress: "+"})
	r, err := a.Do(t.Context(), answer(), attempt("k1"))
	if err != nil {
		t.Fatal(err)
	}
	got := s.mails()
	if len(got) != 1 || got[0].from != "support@example.org" || !slices.Equal(got[0].to, []string{"alice@example.net", "bob@example.com"}) {
		t.Fatalf("submitted %+v", got)
	}
	h := header(t, got[0].raw)
	for name, want := range map[string]string{
		"From": "support@example.org", "To": "alice@example.net", "Cc": "support@example.org",
		"In-Reply-To": "<q1@example.net>", "References": "<q0@example.net>",
		"Message-Id": "<" + r.MessageID + ">", "Auto-Submitted": "", "X-Auto-Response-Suppress": "",
	} {
		if got := h.Get(name); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(h.Get("Cc"), "bob@example.com") {
		t.Errorf("Cc: %q", h.Get("Cc"))
	}
	mac, _ := a.tokens(t.Context())
	sup, _ := a.roleNamed("support@example.org")
	replyTo, err := mail.ParseAddress(h.Get("Reply-To"))
	if err != nil {
		t.Fatal(err)
	}
	if thread, v := mac.readReply(sup, replyTo.Address); v != genuine || thread != r.Thread {
		t.Errorf("Reply-To %q: thread %q, want %q", replyTo.Address, thread, r.Thread)
	}
	if thread, key, v := mac.readMessageID(sup, r.MessageID); v != genuine || thread != r.Thread || key != "k1" {
		t.Errorf("Message-ID %q: %q %q", r.MessageID, thread, key)
	}
	if len(r.Parts) != 1 || r.Parts[0].ID != r.MessageID || r.Confirmed {
		t.Errorf("receipt %+v", r)
	}
	want := []chat.Recipient{{Address: "alice@example.net", State: chat.Accepted}, {Address: "bob@example.com", State: chat.Accepted}}
	if !slices.Equal(r.Recipients, want) {
		t.Errorf("recipients %+v", r.Recipients)
	}

	// A second answer in the thread stays in it, and is another mail.
	say := answer()
	say.Place.Thread = r.Thread
	r2, err := a.Do(t.Context(), say, attempt("k2"))
	if err != nil || r2.Thread != r.Thread || r2.MessageID == r.MessageID {
		t.Errorf("second answer: %+v, %v", r2, err)
	}
}

// L19: what the program says by itself is marked.
func TestL19Automatic(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{})
	say := answer()
	say.Content.Mail.Automatic = true
	if _, err := a.Do(t.Context(), say, attempt("k1")); err != nil {
		t.Fatal(err)
	}
	h := header(t, s.mails()[0].raw)
	if h.Get("Auto-Submitted") != "auto-replied" || h.Get("X-Auto-Response-Suppress") != "All" {
		t.Errorf("header %v", h)
	}
	// Without subaddresses replies go to the role address.
	if r := h.Get("Reply-To"); strings.Contains(r, "+") {
		t.Errorf("Reply-To %q", r)
	}
}

// Our own mail that comes back is recognised before anything else tells of it:
// it has the key, and the ID that the receipt gives.
func TestOwnCopy(t *testing.T) {
	s := newSink(t)
	in := newStore()
	a, addr := listening(t, Config{SMTP: SMTP{Server: s.addr}, Subaddress: "+"}, in)
	r, err := a.Do(t.Context(), answer(), attempt("k1"))
	if err != nil {
		t.Fatal(err)
	}
	own := "Received: from smtp.example.net\r\nDKIM-Signature: v=1; d=example.org\r\n" + s.mails()[0].raw
	mustDeliver(t, addr, "support@example.org", []string{"support@example.org", "billing@example.org"}, []byte(own))
	for _, room := range desk {
		p := in.posted(t)
		if p.Room != room || p.ID != r.Parts[0].ID || p.Key != "k1" || !p.From.Self || p.Mail.TokenRefused {
			t.Errorf("own copy: %+v, key %q", p.Meta, p.Key)
		}
		if (p.Thread == r.Thread) != (room == "support@example.org") {
			t.Errorf("own copy in %s has thread %q", room, p.Thread)
		}
	}
	// Somebody who got it sends words of their own under its Message-ID.
	forged := strings.Replace(own, "From:", "From: eve@example.com\r\nX-From:", 1)
	mustDeliver(t, addr, "eve@example.com", []string{"support@example.org"}, []byte(forged))
	if p := in.posted(t); p.From.Self || p.Key != "" || p.ID == r.Parts[0].ID || p.From.ID != "eve@example.com" {
		t.Errorf("forged copy: %+v, key %q", p.Meta, p.Key)
	}
}

// R04: one of two must wait; the retry is the same mail for that one alone.
func TestR04Greylisted(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{Subaddress: "+"})
	s.answer("bob@example.com", smtpErr(450, 4, 7, 1, "greylisted, try again"))
	_, err := a.Do(t.Context(), answer(), attempt("k1"))
	e := asError(t, err, chat.Temporary)
	if rs := e.Receipt.Recipients; len(rs) != 2 || rs[0].State != chat.Accepted || !rs[1].Temporary || rs[1].State != chat.Failed || rs[1].Reason.FR == "" {
		t.Fatalf("recipients %+v", rs)
	}
	s.answer("bob@example.com", nil)
	say := answer()
	say.Content.Mail.Envelope = []string{"bob@example.com"}
	r, err := a.Do(t.Context(), say, chat.Try{Key: "k1", Attempt: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := s.mails()
	if len(got) != 2 || !slices.Equal(got[0].to, []string{"alice@example.net"}) || !slices.Equal(got[1].to, []string{"bob@example.com"}) {
		t.Fatalf("submitted %+v", got)
	}
	one, two := header(t, got[0].raw), header(t, got[1].raw)
	for _, name := range []string{"Message-Id", "To", "Cc", "Subject", "Reply-To", "References"} {
		if one.Get(name) != two.Get(name) {
			t.Errorf("%s: %q, in the retry %q", name, one.Get(name), two.Get(name))
		}
	}
	if r.Thread != e.Receipt.Thread || r.MessageID != e.Receipt.MessageID {
		t.Errorf("receipt of the retry %+v", r)
	}
}

func TestRefusedRecipients(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{})
	s.answer("bob@example.com", smtpErr(550, 5, 1, 1, "no such user"))
	r, err := a.Do(t.Context(), answer(), attempt("k1"))
	if err != nil || len(s.mails()) != 1 {
		t.Fatalf("one of two was accepted: %v", err)
	}
	if rs := r.Recipients; rs[0].State != chat.Accepted || rs[1].State != chat.Failed || rs[1].Temporary || rs[1].Reason.EN == "" {
		t.Errorf("recipients %+v", rs)
	}
	s.answer("alice@example.net", smtpErr(550, 5, 7, 1, "go away"))
	_, err = a.Do(t.Context(), answer(), attempt("k2"))
	if e := asError(t, err, chat.Permanent); len(e.Receipt.Recipients) != 2 {
		t.Errorf("recipients %+v", e.Receipt.Recipients)
	}
	if len(s.mails()) != 1 {
		t.Error("a mail left for nobody")
	}
	// Addresses that are none fail alone.
	say := answer()
	say.Content.Mail.Envelope = []string{"carol@example.net", "unknown-ab", "a b@c", "x@y>\r\nRCPT TO:<z@example.com"}
	r, err = a.Do(t.Context(), say, attempt("k3"))
	if err != nil || r.Recipients[0].State != chat.Accepted {
		t.Fatalf("%+v, %v", r.Recipients, err)
	}
	for _, f := range r.Recipients[1:] {
		if f.State != chat.Failed || f.Temporary {
			t.Errorf("recipient %+v", f)
		}
	}
}

func TestDataRefused(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{})
	s.dataErr = smtpErr(451, 4, 3, 0, "busy")
	_, err := a.Do(t.Context(), answer(), attempt("k1"))
	if e := asError(t, err, chat.Temporary); len(e.Receipt.Recipients) != 2 || !e.Receipt.Recipients[0].Temporary {
		t.Errorf("recipients %+v", e.Receipt.Recipients)
	}
	s.mu.Lock()
	s.dataErr = smtpErr(554, 5, 7, 1, "spam")
	s.mu.Unlock()
	_, err = a.Do(t.Context(), answer(), attempt("k1"))
	asError(t, err, chat.Permanent)
}

// The connection breaks between the final dot and its answer: nobody knows, so
// it is tried again, under the same Message-ID.
func TestUnknownOutcome(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{})
	s.drop = true
	_, err := a.Do(t.Context(), answer(), attempt("k1"))
	e := asError(t, err, chat.Temporary)
	if !e.Receipt.Recipients[0].Temporary || e.Receipt.MessageID == "" {
		t.Errorf("receipt %+v", e.Receipt)
	}
	s.mu.Lock()
	s.drop = false
	s.mu.Unlock()
	if _, err = a.Do(t.Context(), answer(), chat.Try{Key: "k1", Attempt: 2}); err != nil {
		t.Fatal(err)
	}
	got := s.mails()
	if len(got) != 2 || header(t, got[0].raw).Get("Message-Id") != header(t, got[1].raw).Get("Message-Id") {
		t.Errorf("submitted %+v", got)
	}
}

// R05: down, then up again.
func TestR05ServerDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	a := newAdapter(t, Config{SMTP: SMTP{Server: addr}}, newStore())
	_, err = a.Do(t.Context(), answer(), attempt("k1"))
	e := asError(t, err, chat.Temporary)
	if !strings.Contains(e.Reason.FR, "ne répond pas") || e.Receipt.MessageID == "" {
		t.Errorf("%+v", e)
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatalf("the port was taken meanwhile: %v", err)
	}
	s := serveSink(t, l, nil)
	r, err := a.Do(t.Context(), answer(), chat.Try{Key: "k1", Attempt: 2})
	if err != nil || len(s.mails()) != 1 || r.MessageID != e.Receipt.MessageID {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLogin(t *testing.T) {
	s := newSink(t)
	s.password = "correct"
	a := sending(t, s, Config{SMTP: SMTP{User: "support", Password: "wrong"}})
	_, err := a.Do(t.Context(), answer(), attempt("k1"))
	if e := asError(t, err, chat.Unauthorised); !strings.Contains(e.Reason.FR, "mot de passe") || strings.Contains(e.Error(), "wrong") {
		t.Errorf("%v, %+v", e, e.Reason)
	}
	a = sending(t, s, Config{})
	_, err = a.Do(t.Context(), answer(), attempt("k1"))
	asError(t, err, chat.Unauthorised)
	a = sending(t, s, Config{SMTP: SMTP{User: "support", Password: "correct"}})
	if _, err := a.Do(t.Context(), answer(), attempt("k1")); err != nil {
		t.Fatal(err)
	}
}

func TestSenderRefused(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{})
	for _, tt := range []struct {
		err  error
		kind chat.Kind
	}{
		{smtpErr(553, 5, 7, 1, "not owned by user"), chat.Unauthorised},
		{smtpErr(421, 4, 3, 2, "shutting down"), chat.Temporary},
		{smtpErr(552, 5, 3, 4, "too big"), chat.Permanent},
	} {
		s.mu.Lock()
		s.mailErr = tt.err
		s.mu.Unlock()
		_, err := a.Do(t.Context(), answer(), attempt("k1"))
		asError(t, err, tt.kind)
	}
}

func TestNotSendable(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{})
	change := func(f func(*chat.Say)) chat.Say {
		say := answer()
		f(&say)
		return say
	}
	for name, op := range map[string]chat.Op{
		"edit":                 chat.Edit{},
		"reaction":             chat.React{},
		"no envelope":          change(func(s *chat.Say) { s.Content.Mail = nil }),
		"unknown room":         change(func(s *chat.Say) { s.Place.Room = "team@example.org" }),
		"another From":         change(func(s *chat.Say) { s.Content.Mail.From = "billing@example.org" }),
		"to ourselves":         change(func(s *chat.Say) { s.Content.Mail.To, s.Content.Mail.Cc = []string{"billing@example.org"}, nil }),
		"foreign thread":       change(func(s *chat.Say) { s.Place.Thread = "$event:example.org" }),
		"a room, not the role": change(func(s *chat.Say) { s.Place.Room = "support+x@example.org" }),
	} {
		_, err := a.Do(t.Context(), op, attempt("k1"))
		if e := chat.AsError(err); err == nil || e.Kind != chat.Permanent || e.Reason.FR == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.mails()) > 0 {
		t.Errorf("submitted %+v", s.mails())
	}
}

// A file that cannot be read now may be readable later; an empty mail never
// gets better.
func TestNotComposed(t *testing.T) {
	a := sending(t, newSink(t), Config{})
	say := answer()
	say.Content.Files = []chat.File{{Name: "a", Open: func() (io.ReadCloser, error) { return nil, errors.New("database is away") }}}
	if _, err := a.Do(t.Context(), say, attempt("k1")); err == nil || chat.AsError(err).Kind != chat.Temporary {
		t.Errorf("unreadable file: %v", err)
	}
	say = answer()
	say.Content.Text = ""
	_, err := a.Do(t.Context(), say, attempt("k1"))
	asError(t, err, chat.Permanent)
}

// M08: nothing that people write becomes a header.
func TestM08HeaderInjection(t *testing.T) {
	s := newSink(t)
	a := sending(t, s, Config{})
	say := answer()
	say.Content.Mail.Subject = "hi\r\nBcc: x@example.com\r\n\r\nbody"
	say.Content.Mail.FromName = "Support\r\nX-Evil: 1"
	say.Content.Mail.References = []string{"a@example.net>\r\nX-Evil: 2"}
	if _, err := a.Do(t.Context(), say, attempt("k1")); err != nil {
		asError(t, err, chat.Permanent) // refusing is as good
		return
	}
	h := header(t, s.mails()[0].raw)
	if h.Get("Bcc") != "" || h.Get("X-Evil") != "" {
		t.Errorf("header %v", h)
	}
}

// Promise 3: nothing internal is in the bytes that leave.
func TestNothingInternalLeaves(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(t)
	a := sending(t, s, Config{Subaddress: "+"})
	say := answer()
	say.Content.Files = []chat.File{{ID: 4711, Name: "capture.png", Type: "image/png", Size: 3, Link: "http://10.0.0.1/internal",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("png")), nil }}}
	if _, err := a.Do(t.Context(), say, attempt("k1")); err != nil {
		t.Fatal(err)
	}
	raw := s.mails()[0].raw
	for _, canary := range []string{host, "127.0.0.1", "localhost", "10.0.0.1", "4711", s.addr} {
		if len(canary) > 3 && strings.Contains(strings.ToLower(raw), strings.ToLower(canary)) {
			t.Errorf("%q is in what left:\n%s", canary, raw)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.ehlo, []string{"example.org"}) {
		t.Errorf("greeted as %q", s.ehlo)
	}
	if !strings.Contains(raw, "capture.png") {
		t.Error("the file is missing")
	}
}

func TestContextEndsSending(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := newAdapter(t, Config{SMTP: SMTP{Server: l.Addr().String()}}, newStore())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := a.Do(ctx, answer(), attempt("k1"))
		done <- err
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	asError(t, <-done, chat.Temporary)
}
