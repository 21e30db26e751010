package email

import (
	"bytes"
	"io"
	"net/mail"
	"strings"
	"testing"
)

// mail20K is an ordinary mail of 20 KB: two alternatives, one with a quote.
func mail20K() []byte {
	line := "Bonjour, le site de l’association ne répond plus depuis hier soir, que faut-il regarder ?"
	plain := strings.Repeat(line+"\r\n\r\n", 60)
	html := "<html><body>" + strings.Repeat("<p>"+line+" <a href=\"https://www.example.org/\">le site</a></p>\r\n", 90) +
		"<blockquote type=\"cite\">" + strings.Repeat("<p>"+line+"</p>\r\n", 10) + "</blockquote></body></html>"
	return []byte("From: Camille <camille@example.com>\r\nTo: support@example.org\r\nSubject: Panne\r\nMessage-ID: <x@example.com>\r\n" +
		"Date: Tue, 3 Jun 2025 10:11:12 +0200\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + plain + "\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html + "\r\n--b--\r\n")
}

func BenchmarkParse(b *testing.B) {
	both := mail20K()
	plain := []byte("From: Camille <camille@example.com>\r\nTo: support@example.org\r\nSubject: Panne\r\nMessage-ID: <x@example.com>\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("Bonjour, le site ne répond plus depuis hier soir, que regarder ?\r\n\r\n", 290))
	for _, bench := range []struct {
		name string
		raw  []byte
	}{{"html", both}, {"plain", plain}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.raw)))
			for b.Loop() {
				if _, err := parse(bench.raw, limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// The floor: the header and the bytes of the body, nothing understood.
	b.Run("floor", func(b *testing.B) {
		b.SetBytes(int64(len(both)))
		for b.Loop() {
			m, err := mail.ReadMessage(bytes.NewReader(both))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, m.Body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
