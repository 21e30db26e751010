package playground

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseMail(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      Mail
	}{
		{
			"plain",
			"From: =?utf-8?q?C=C3=A9line?= <celine@example.org>\r\nTo: support@example.org, \"Dupont, A\" <a@example.org>\r\nSubject: =?iso-8859-1?q?=E9t=E9?=\r\n" +
				"Message-ID: <1@example.org>\r\nIn-Reply-To: <0@example.org>\r\nReferences: <a@x>\r\n <0@example.org>\r\nReply-To: r@example.org\r\nAuto-Submitted: auto-replied\r\n\r\nBonjour\r\n",
			Mail{From: "Céline <celine@example.org>", To: []string{"support@example.org", "Dupont, A <a@example.org>"}, Subject: "été",
				MessageID: "1@example.org", InReplyTo: "0@example.org", References: []string{"a@x", "0@example.org"}, ReplyTo: "r@example.org",
				Automatic: "auto-replied", Text: "Bonjour"},
		},
		{
			"latin-1 quoted-printable",
			"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nd=E9j=\r\n=E0\r\n",
			Mail{Text: "déjà"},
		},
		{
			"alternative and attachment",
			"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\nContent-Type: text/plain\r\n\r\nun\r\n--y\r\nContent-Type: text/html\r\n\r\n<p>un</p>\r\n--y--\r\n" +
				"--x\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=a.txt\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--x--\r\n",
			Mail{Text: "un", Files: []MailFile{{Name: "a.txt", Type: "text/plain", Size: 3, Data: []byte("abc")}}},
		},
		{
			"HTML alone",
			"Content-Type: text/html; charset=utf-8\r\n\r\n<style>p{}</style><p>un &amp; deux<br>trois</p>",
			Mail{Text: "un & deux\ntrois"},
		},
		{"nothing of a mail", "\x00\xff", Mail{Subject: "(?)", Text: "\ufffd\ufffd"}},
	} {
		if got := parseMail([]byte(tt.raw)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n%+v, want\n%+v", tt.name, got, tt.want)
		}
	}
}

// TestComposeMail: what is written reads the same.
func TestComposeMail(t *testing.T) {
	want := Mail{
		From: `"Alice" <alice@customers.example>`, To: []string{"<support@example.org>"}, Cc: []string{"<b@example.org>"},
		Subject: "Élan — « bonjour » 日本", MessageID: "1@x", InReplyTo: "0@x", References: []string{"a@x", "0@x"},
		Text:  "Ligne 1\n.\nFrom ici\n" + strings.Repeat("long é ", 200) + "fin",
		Files: []MailFile{{Name: "capture d’écran.png", Type: "image/png", Size: 500, Data: bytes.Repeat([]byte{0, 1, 2, 255, 10}, 100)}},
	}
	for _, files := range []bool{false, true} {
		m := want
		m.At = time.Unix(1780000000, 0)
		if !files {
			m.Files = nil
		}
		raw, err := composeMail(&m)
		if err != nil {
			t.Fatal(err)
		}
		got := parseMail(raw)
		if got.Subject != m.Subject || got.Text != m.Text || !reflect.DeepEqual(got.Files, m.Files) ||
			!reflect.DeepEqual(got.References, m.References) || got.InReplyTo != m.InReplyTo || got.MessageID != m.MessageID {
			t.Errorf("got\n%+v, want\n%+v", got, m)
		}
		for i, line := range strings.Split(string(raw), "\r\n") {
			if len(line) > 998 {
				t.Errorf("line %d has %d bytes", i, len(line))
			}
		}
	}
	hostile := Mail{From: "a@x\r\nBcc: z@x", To: []string{"b@x"}, Subject: "s\r\nX-Evil: 1\r\n\r\nbody", Text: "t"}
	raw, err := composeMail(&hostile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "Bcc:") || strings.HasPrefix(line, "X-Evil:") {
			t.Errorf("a value began a header: %q", line)
		}
	}
}

func FuzzParseMail(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?q?=C3=A9?=\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n"))
	f.Add([]byte("Content-Type: text/html; charset=windows-1252\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+\r\n"))
	f.Add([]byte("Content-Type: multipart/alternative; boundary=\"\"\r\nFrom: <<>\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := parseMail(raw)
		for _, s := range append([]string{m.Text, m.Subject, m.From, m.ReplyTo, m.MessageID, m.InReplyTo, m.Automatic}, append(m.To, m.Cc...)...) {
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not UTF-8", s)
			}
		}
		for _, file := range m.Files {
			if !utf8.ValidString(file.Name) {
				t.Fatalf("file name %q is not UTF-8", file.Name)
			}
		}
	})
}
