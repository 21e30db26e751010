package email

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"permanence/bot/chat"
)

// question is a plain mail; the arguments are further header lines and the
// body.
func question(header, body string) []byte {
	return crlf("From: Alice <alice@example.net>\nTo: support@example.org\nSubject: Courriel\nMessage-ID: <q1@example.net>\n" + header + "\n" + body + "\n")
}

func TestReceive(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{Subaddress: "+"}, s)
	mustDeliver(t, addr, "alice@example.net", []string{"support@example.org"}, question("Cc: Bob <BOB@example.com>\n", "Bonjour, mon site ne répond plus."))
	p := s.posted(t)
	if p.Room != "support@example.org" || p.Thread != "" || p.From.ID != "alice@example.net" || p.From.Name != "Alice" ||
		p.From.Network != "mail" || p.From.Proved || p.From.Self || p.Key != "" {
		t.Errorf("event %+v", p.Meta)
	}
	if p.Text != "Bonjour, mon site ne répond plus." {
		t.Errorf("text %q", p.Text)
	}
	m := p.Mail
	if m.MessageID != "q1@example.net" || m.Subject != "Courriel" || m.TokenRefused || m.Automatic != "" ||
		!slices.Equal(m.To, []string{"support@example.org"}) || !slices.Equal(m.Cc, []string{"bob@example.com"}) {
		t.Errorf("mail %+v", m)
	}
	if p.Raw == nil || p.Raw.Hash != m.RawHash || p.Raw.Size == 0 {
		t.Errorf("original %+v", p.Raw)
	}
}

// T05, T06: mails without a usable Message-ID are different mails.
func TestT05T06NoMessageID(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{}, s)
	seen := map[string]bool{}
	for i, id := range []string{"", "Message-ID: \n", "Message-ID: <>\n", "Message-ID: <>\n"} {
		raw := crlf(fmt.Sprintf("From: user%d@example.net\nTo: support@example.org\nSubject: s\n%s\nbody\n", i, id))
		mustDeliver(t, addr, "x@example.net", []string{"support@example.org"}, raw)
		p := s.posted(t)
		if p.ID == "" || seen[p.ID] {
			t.Errorf("mail %d has event ID %q", i, p.ID)
		}
		seen[p.ID] = true
	}
}

// T07, T08: the same mail by another road is one event; another mail under its
// Message-ID is another.
func TestT07T08SameMessageID(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{}, s)
	to := []string{"support@example.org"}
	raw := question("", "one")
	mustDeliver(t, addr, "alice@example.net", to, raw)
	first := s.posted(t)
	again := append(crlf("Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0100\nDelivered-To: support@example.org\n"), raw...)
	mustDeliver(t, addr, "alice@example.net", to, again)
	s.nothing(t)
	mustDeliver(t, addr, "alice@example.net", to, question("", "two"))
	if p := s.posted(t); p.ID == first.ID || p.Mail.MessageID != first.Mail.MessageID {
		t.Errorf("another body: event %q, the first was %q", p.ID, first.ID)
	}
	mustDeliver(t, addr, "eve@example.net", to, []byte(strings.Replace(string(raw), "alice@", "eve@", 1)))
	if p := s.posted(t); p.ID == first.ID || p.From.ID != "eve@example.net" {
		t.Errorf("another sender: event %q of %q", p.ID, p.From.ID)
	}
}

// T09, T29: one event for each role in the envelope, whatever the header says.
func TestT09T29Roles(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{Subaddress: "+"}, s)
	mustDeliver(t, addr, "alice@example.net", []string{"support@example.org", "Billing@example.org", "support+x@example.org"}, question("", "b"))
	rooms := []string{s.posted(t).Room, s.posted(t).Room}
	if !slices.Equal(rooms, []string{"support@example.org", "billing@example.org"}) {
		t.Errorf("rooms %q", rooms)
	}
	s.nothing(t)
	hidden := crlf("From: alice@example.net\nTo: undisclosed-recipients:;\nSubject: s\n\nb\n")
	mustDeliver(t, addr, "alice@example.net", []string{"billing@example.org"}, hidden)
	if p := s.posted(t); p.Room != "billing@example.org" || len(p.Mail.To) != 0 {
		t.Errorf("hidden copy in %q, to %q", p.Room, p.Mail.To)
	}
	for _, to := range []string{"nobody@example.org", "support@example.net", "postmaster@example.org", "supporter@example.org", "support-x@example.org"} {
		if err := deliver(addr, "alice@example.net", []string{to}, hidden); code(err) != 550 {
			t.Errorf("RCPT %s: %v, want 550", to, err)
		}
	}
	s.nothing(t)
}

// T16 to T19: whoever writes, the thread is found by our token alone.
func TestT16T17T18T19Tokens(t *testing.T) {
	s := newStore()
	a, addr := listening(t, Config{Subaddress: "+"}, s)
	mac, err := a.tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sup, _ := a.roleNamed("support@example.org")
	bil, _ := a.roleNamed("billing@example.org")
	thread := mac.newThread(sup, "k")
	reply, _ := mac.replyAddress(sup, thread)
	id, _ := mac.messageID(sup, thread, "k")
	otherID, _ := mac.messageID(bil, mac.newThread(bil, "k"), "k")
	wrong := strings.Replace(reply, thread, mac.newThread(sup, "z"), 1)

	for i, tt := range []struct {
		name    string
		rcpt    string
		header  string
		thread  string
		refused bool
	}{
		{"envelope", reply, "", thread, false},
		{"envelope, upper case", strings.ToUpper(reply), "", thread, false},
		{"Delivered-To", "support@example.org", "Delivered-To: " + reply + "\n", thread, false},
		{"X-Original-To", "support@example.org", "X-Original-To: " + reply + "\n", thread, false},
		{"Cc", "support@example.org", "Cc: Support <" + reply + ">\n", thread, false},
		{"In-Reply-To", "support@example.org", "In-Reply-To: <" + id + ">\n", thread, false},
		{"third of References", "support@example.org", "References: <" + id + "> <a@example.net>\n <b@example.net>\n", thread, false},
		{"inner header", "support@example.org", "Content-Type: message/rfc822\n\nIn-Reply-To: <" + id + ">\n", "", false},
		{"wrong mac", wrong, "", "", true},
		{"wrong mac, good reference", wrong, "In-Reply-To: <" + id + ">\n", thread, false},
		{"another role's token", strings.Replace(reply, "support", "billing", 1), "", "", true},
		{"another role's Message-ID", "support@example.org", "In-Reply-To: <" + otherID + ">\n", "", false},
		{"forged Message-ID", "support@example.org", "In-Reply-To: <" + strings.Replace(id, ".k.", ".l.", 1) + ">\n", "", true},
		{"guessable Message-ID", "support@example.org", "In-Reply-To: <ticket-42-1@example.org>\n", "", false},
		{"number in the address", "support+42@example.org", "", "", false},
	} {
		raw := crlf(fmt.Sprintf("From: Stranger <stranger@example.com>\nTo: support@example.org\nSubject: [#42] s\nMessage-ID: <t%d@example.com>\n%s\nbody\n", i, tt.header))
		mustDeliver(t, addr, "stranger@example.com", []string{tt.rcpt}, raw)
		p := s.posted(t)
		if p.Thread != tt.thread || p.Mail.TokenRefused != tt.refused {
			t.Errorf("%s: thread %q, refused %v", tt.name, p.Thread, p.Mail.TokenRefused)
		}
		if p.From.ID != "stranger@example.com" || p.From.Proved {
			t.Errorf("%s: sender %+v", tt.name, p.From)
		}
		for _, shown := range slices.Concat(p.Mail.To, p.Mail.Cc) {
			if strings.Contains(shown, "+") {
				t.Errorf("%s: the token address %q is shown as a participant", tt.name, shown)
			}
		}
	}
	if a.refusals.count != 3 {
		t.Errorf("%d refused tokens were counted, want 3", a.refusals.count)
	}
}

// T27: mail from our own address that we did not send is no customer's.
func TestT27OwnAddress(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{Subaddress: "+"}, s)
	for _, from := range []string{"support@example.org", "Billing+x@example.org"} {
		raw := []byte(strings.Replace(string(question("", from)), "alice@example.net", from, 1))
		mustDeliver(t, addr, from, []string{"support@example.org"}, raw)
		if p := s.posted(t); p.Mail.Automatic != "own-address" || p.From.Self || p.Key != "" {
			t.Errorf("%s: automatic %q, self %v", from, p.Mail.Automatic, p.From.Self)
		}
	}
}

// L01, L08, and a null sender without any header.
func TestL01L08Automatic(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{}, s)
	to := []string{"support@example.org"}
	mustDeliver(t, addr, "alice@example.net", to, question("Auto-Submitted: auto-replied (vacation)\n", "absent"))
	if p := s.posted(t); p.Mail.Automatic == "" || p.Text != "absent" {
		t.Errorf("vacation: automatic %q, text %q", p.Mail.Automatic, p.Text)
	}
	mustDeliver(t, addr, "", to, question("", "from nobody"))
	if p := s.posted(t); p.Mail.Automatic == "" {
		t.Error("a null sender is taken for a person")
	}
	mustDeliver(t, addr, "alice@example.net", to, question("Auto-Submitted: no\n", "human"))
	if p := s.posted(t); p.Mail.Automatic != "" {
		t.Errorf("Auto-Submitted: no is taken for %q", p.Mail.Automatic)
	}
}

// R06: two mails of one connection have nothing of each other.
func TestR06Reset(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{}, s)
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, step := range []error{c.Mail("a@example.net"), c.Rcpt("support@example.org"), c.Reset()} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := transaction(c, "b@example.net", []string{"billing@example.org"}, question("", "second")); err != nil {
		t.Fatal(err)
	}
	if p := s.posted(t); p.Room != "billing@example.org" || p.Mail.Automatic != "" {
		t.Errorf("room %q", p.Room)
	}
	if err := transaction(c, "", []string{"support@example.org"}, question("X: y\n", "third")); err != nil {
		t.Fatal(err)
	}
	if p := s.posted(t); p.Room != "support@example.org" || p.Mail.Automatic == "" {
		t.Errorf("room %q, automatic %q", p.Room, p.Mail.Automatic)
	}
	s.nothing(t)
}

// Promise 1: 250 says that the mail is stored, and nothing else does.
func TestNotStored(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{}, s)
	s.refuseWith(errors.New("disk full"))
	to := []string{"support@example.org"}
	if err := deliver(addr, "alice@example.net", to, question("", "b")); code(err) != 451 || strings.Contains(err.Error(), "disk") {
		t.Errorf("answer %v, want 451 without internals", err)
	}
	s.refuseWith(nil)
	mustDeliver(t, addr, "alice@example.net", to, question("", "b"))
	s.posted(t)
	s.nothing(t)
}

func TestReceiveTooLarge(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{MaxSize: 1}, s)
	to := []string{"support@example.org"}
	body := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 2<<20/72)
	if err := deliver(addr, "alice@example.net", to, question("", body)); code(err) != 552 {
		t.Errorf("answer %v, want 552", err)
	}
	s.nothing(t)
	mustDeliver(t, addr, "alice@example.net", to, question("", strings.Repeat("y", 500<<10))) // one long line
	if p := s.posted(t); len(p.Text) < 1000 {
		t.Errorf("%d bytes of text", len(p.Text))
	}
}

// What no parser reads is stored all the same, and the next mail too.
func TestUnreadableContent(t *testing.T) {
	s := newStore()
	_, addr := listening(t, Config{}, s)
	for i, raw := range []string{
		"", "no header at all\r\n", "\x00\xff\xfe: \x80\r\n\r\n\x00", ": \r\n: \r\n\r\n",
		"From: \r\nContent-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n", "From: a@b\r\nFrom: c@d\r\n\r\nx",
	} {
		mustDeliver(t, addr, "alice@example.net", []string{"support@example.org"}, []byte(raw))
		p := s.posted(t)
		if p.ID == "" || p.From.ID == "" {
			t.Errorf("mail %d: ID %q of %q", i, p.ID, p.From.ID)
		}
		if p.Raw.Hash == "" {
			t.Errorf("mail %d: no original", i)
		}
	}
}

func TestUnparsed(t *testing.T) {
	a := newAdapter(t, Config{}, newStore())
	raw := crlf("From: Alice <Alice@example.net>\nTo: billing@example.org\nSubject: =?x?\nMessage-ID: <u@example.net>\n\nthe \x01body\n")
	m := unparsed(raw)
	if m.From.Address != "alice@example.net" || m.MessageID != "u@example.net" || !strings.Contains(m.Text, "the body") || m.RawHash == "" {
		t.Errorf("read %+v", m)
	}
	if r := a.rolesOf(m, arrival{raw: raw}); len(r) != 1 || r[0].local != "billing" {
		t.Errorf("roles %v", r)
	}
	if other := unparsed(append([]byte("Received: x\r\n"), raw...)); other.EventID != m.EventID {
		t.Error("a trace header makes it another mail")
	}
}

func TestLMTP(t *testing.T) {
	s := newStore()
	path := filepath.Join(t.TempDir(), "lmtp")
	a := newAdapter(t, Config{Listen: Listen{LMTP: "unix:" + path}, Subaddress: "+"}, s)
	run(t, a, s)
	s.state(t, chat.CaughtUp)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	say := func(line string, want ...int) {
		t.Helper()
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range want {
			if _, msg, err := c.ReadResponse(w); err != nil {
				t.Fatalf("%s: %v %s", line, err, msg)
			}
		}
	}
	say("", 220)
	say("LHLO mx.example.org", 250)
	say("MAIL FROM:<alice@example.net>", 250)
	say("RCPT TO:<support@example.org>", 250)
	say("RCPT TO:<nobody@example.org>", 550)
	say("RCPT TO:<billing@example.org>", 250)
	say("DATA", 354)
	say(strings.TrimSuffix(string(question("", "hello")), "\r\n")+"\r\n.", 250, 250)
	if rooms := []string{s.posted(t).Room, s.posted(t).Room}; !slices.Contains(rooms, "billing@example.org") {
		t.Errorf("rooms %q", rooms)
	}
	s.refuseWith(errors.New("no"))
	say("MAIL FROM:<alice@example.net>", 250)
	say("RCPT TO:<support@example.org>", 250)
	say("RCPT TO:<billing@example.org>", 250)
	say("DATA", 354)
	say("Subject: x\r\n\r\n.", 451, 451)
}

// A socket file left by a process that was killed is no obstacle; a port in
// use is told, and taken once it is free.
func TestListenBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s := newStore()
	run(t, newAdapter(t, Config{Listen: Listen{LMTP: "unix:" + path}}, s), s)
	s.state(t, chat.CaughtUp)

	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = newStore()
	a := newAdapter(t, Config{Listen: Listen{SMTP: busy.Addr().String()}}, s)
	run(t, a, s)
	if c := s.state(t, chat.Cut); !strings.Contains(c.Reason.FR, "déjà utilisé") || !strings.Contains(c.Reason.EN, "already used") {
		t.Errorf("reason %+v", c.Reason)
	}
	busy.Close()
	s.state(t, chat.CaughtUp)
}

// Run ends promptly with clients connected, one of them in the middle of DATA.
func TestRunEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := newStore()
	const port0 = "127.0.0.1:0"
	a := newAdapter(t, Config{Listen: Listen{SMTP: port0}}, s)
	stop := run(t, a, s)
	s.state(t, chat.CaughtUp)
	var conns []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", a.boundTo(port0).String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	tp := textproto.NewConn(conns[0])
	if _, _, err := tp.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{"EHLO x", "MAIL FROM:<a@example.net>", "RCPT TO:<support@example.org>", "DATA"} {
		if err := tp.PrintfLine("%s", l); err != nil {
			t.Fatal(err)
		}
		if _, _, err := tp.ReadResponse(0); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if _, err := bufio.NewReader(conns[1]).ReadString(0); err == nil {
		t.Error("a connection stays open")
	}
	s.nothing(t)
}

// FuzzInbound gives bytes of strangers to everything that reads them.
func FuzzArrival(f *testing.F) {
	f.Add([]byte(question("In-Reply-To: <p.aaaaaaaaaaaaaaaa.k.aaaaaaaaaaaaaaaa@example.org>\n", "b")), "support@example.org")
	f.Add([]byte("From: \"a\" <a@b\r\nDelivered-To: support+t.@example.org\r\n\r\n"), "support+t.a.b@example.org")
	f.Add([]byte("Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n"), "@")
	f.Add([]byte(nil), "İ+t.@example.org")
	a := newAdapter(f, Config{Subaddress: "+", AuthservID: "mx"}, newStore())
	mac, err := a.tokens(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte, to string) {
		for _, in := range []arrival{{raw: raw}, {raw: raw, to: []string{to}, known: true}} {
			events := a.events(mac, in)
			if len(events) == 0 {
				t.Fatal("a mail is lost")
			}
			for _, e := range events {
				if _, _, err := chat.EncodeEvent(e); err != nil || e.Head().ID == "" || e.Head().Room == "" {
					t.Fatalf("event %+v, %v", e.Head(), err)
				}
				if p, ok := e.(*chat.Posted); ok && (p.From.ID == "" || p.Thread != "" || p.Key != "") {
					t.Fatalf("event %+v", p)
				}
			}
		}
	})
}
