package email

import (
	"bytes"
	"io"
	"testing"

	"permanence/bot/chat"
)

// L09, L10: a report that names a mail of ours is news of that delivery; one
// that names none is a mail like others. L16 is no ticket either.
func TestL09L10L16Reports(t *testing.T) {
	s := newSink(t)
	in := newStore()
	a, addr := listening(t, Config{SMTP: SMTP{Server: s.addr}, Subaddress: "+"}, in)
	r, err := a.Do(t.Context(), answer(), attempt("k1"))
	if err != nil {
		t.Fatal(err)
	}
	to := []string{"support@example.org"}
	report := func(id, action, status, text string) []byte {
		return crlf(`
From: Mail Delivery System <MAILER-DAEMON@example.com>
To: support@example.org
Subject: Undelivered Mail Returned to Sender
Message-ID: <dsn-` + action + status + id[:4] + `@example.com>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

This is the mail system. Your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; bob@example.com
Action: ` + action + `
Status: ` + status + `
Diagnostic-Code: smtp; ` + text + `

--b
Content-Type: text/rfc822-headers

From: Support <support@example.org>
To: alice@example.net
Message-ID: <` + id + `>
Subject: Re: Courriel

--b--
`)
	}
	for _, tt := range []struct{ action, status, want string }{
		{"failed", "5.1.1", chat.Failed}, {"delayed", "4.4.1", chat.Delayed}, {"delivered", "2.0.0", chat.Delivered},
	} {
		mustDeliver(t, addr, "", to, report(r.MessageID, tt.action, tt.status, "550 5.1.1 no such user"))
		o, ok := in.next(t).(*chat.Outcome)
		if !ok {
			t.Fatalf("%s is no outcome", tt.action)
		}
		if o.Key != "k1" || o.Recipient != "bob@example.com" || o.State != tt.want || o.RemoteID != r.Parts[0].ID || o.Thread != r.Thread || o.Room != "support@example.org" {
			t.Errorf("%s: %+v", tt.action, o)
		}
		if tt.want == chat.Failed && (o.Reason.FR == "" || o.Reason.EN == "") {
			t.Errorf("%s: reason %+v", tt.action, o.Reason)
		}
	}
	// L13: without our Message-ID it changes nothing.
	mustDeliver(t, addr, "", to, report("p."+r.Thread+".k1.aaaaaaaaaaaaaaaa@example.org", "failed", "5.1.1", "x"))
	if p := in.posted(t); p.Mail.Automatic == "" || p.Thread != "" {
		t.Errorf("forged report: %+v", p)
	}

	receipt := crlf(`
From: Alice <alice@example.net>
To: support@example.org
Subject: Lu : Re: Courriel
Message-ID: <mdn@example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="b"

--b
Content-Type: text/plain

Lu.
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; alice@example.net
Original-Message-ID: <` + r.MessageID + `>
Disposition: manual-action/MDN-sent-manually; displayed

--b--
`)
	mustDeliver(t, addr, "", to, receipt)
	switch e := in.next(t).(type) {
	case *chat.Outcome:
		if e.State != chat.Delivered || e.Key != "k1" {
			t.Errorf("read receipt: %+v", e)
		}
	case *chat.Posted:
		if e.Mail.Automatic == "" {
			t.Errorf("read receipt: %+v", e)
		}
	}
}

// Files of a mail are read from the stored original.
func TestOpenFile(t *testing.T) {
	in := newStore()
	a, addr := listening(t, Config{}, in)
	mustDeliver(t, addr, "alice@example.net", []string{"support@example.org"}, crlf(`
From: alice@example.net
To: support@example.org
Subject: capture
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain

voir la capture
--b
Content-Type: image/png; name="é.png"
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--b--
`))
	p := in.posted(t)
	if len(p.Files) != 1 {
		t.Fatalf("files %+v", p.Files)
	}
	r, err := a.Open(t.Context(), p.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || !bytes.HasPrefix(b, []byte("\x89PNG")) {
		t.Errorf("%q, %v", b, err)
	}
	for _, ref := range []string{"", "x", "x/y", p.Files[0].Ref + "99", "../1"} {
		if _, err := a.Open(t.Context(), chat.FileRef{Ref: ref}); err == nil {
			t.Errorf("%q opens", ref)
		}
	}
}
