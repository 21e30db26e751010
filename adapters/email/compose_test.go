package email

import (
	"bytes"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
)

func letterOf(text string) composed {
	return composed{
		From: "support@example.org", FromName: "Permanence de l’association",
		To: []string{"Camille@example.com"}, Cc: []string{"support@example.org", "sacha@example.com"},
		ReplyTo: "support+t.abc@example.org", Subject: "Re: Panne à l’été [#42]",
		MessageID: "k.1@example.org", InReplyTo: "m2@example.com", References: []string{"m1@example.com", "m2@example.com"},
		Date: time.Date(2025, 6, 3, 10, 11, 12, 0, time.FixedZone("", 7200)), Text: text, Lang: "fr",
	}
}

func file(name, contentType, content, inline string) chat.File {
	return chat.File{Name: name, Type: contentType, Size: int64(len(content)), Inline: inline,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func mustCompose(t *testing.T, c composed) (raw []byte, m *message) {
	t.Helper()
	raw, err := compose(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(raw), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") || strings.ContainsFunc(line, func(r rune) bool { return r >= 0x7f }) {
			t.Errorf("line %d is not fit for mail: %q", i+1, line)
		}
	}
	m, err = parse(raw, limits{})
	if err != nil {
		t.Fatal(err)
	}
	return raw, m
}

// What is written is what is read.
func TestComposeRoundTrip(t *testing.T) {
	for _, text := range []string{
		"Bonjour,\n\nc’est réparé. Ça va ?\nBonne journée",
		"- un\n- deux\n\n1. trois\n2. quatre",
		"Voyez https://www.example.org/wiki_page",
		"> Erreur 500\n\nOù avez-vous lu cela ?",
		"日本語 € 🙂",
		strings.Repeat("Une ligne sans fin ", 200) + "fin",
	} {
		raw, m := mustCompose(t, letterOf(text))
		if m.Text != text {
			t.Errorf("text is %q, want %q", m.Text, text)
		}
		if bytes.Contains(raw, []byte("X-Mailer")) || bytes.Contains(raw, []byte("User-Agent")) || bytes.Contains(raw, []byte("Auto-Submitted")) {
			t.Errorf("too much in the header:\n%.800s", raw)
		}
		expected{subject: "Re: Panne à l’été [#42]", from: "support@example.org", name: "Permanence de l’association",
			id: "k.1@example.org", automatic: "-", folded: "-", files: []string{}}.check(t, m)
		if got := fmt.Sprint(m.To, m.Cc, m.ReplyTo.Address); got != "[{ camille@example.com}] [{ support@example.org} { sacha@example.com}]support+t.abc@example.org" {
			t.Errorf("addresses %s", got)
		}
		if want := []string{"m2@example.com", "m1@example.com"}; !slices.Equal(m.References, want) {
			t.Errorf("references %q", m.References)
		}
		if !m.Date.Equal(letterOf("").Date) {
			t.Errorf("date %v", m.Date)
		}
	}
}

func TestComposeQuote(t *testing.T) {
	c := letterOf("C’est **réparé**.")
	c.Quote = &chat.Quoted{Author: "Camille", At: "3 juin 2025 à 10:11", Text: "Mon site est en panne.\n\nMerci"}
	raw, m := mustCompose(t, c)
	if m.Text != "C’est **réparé**." {
		t.Errorf("text %q", m.Text)
	}
	for _, words := range []string{"Le 3 juin 2025 à 10:11, Camille a écrit :", "> Mon site est en panne.", "> Merci"} {
		if !strings.Contains(m.Folded, words) {
			t.Errorf("%q is not in the quote: %q", words, m.Folded)
		}
	}
	plain := string(raw)
	if !strings.Contains(plain, "Content-Language: fr") || !strings.Contains(plain, "C=E2=80=99est r=C3=A9par=C3=A9.") {
		t.Errorf("no plain text or language:\n%s", plain)
	}
}

func TestComposeAutomatic(t *testing.T) {
	c := letterOf("Bien reçu.")
	c.Automatic = true
	raw, m := mustCompose(t, c)
	if m.Automatic != "Auto-Submitted" || !bytes.Contains(raw, []byte("Auto-Submitted: auto-replied\r\n")) ||
		!bytes.Contains(raw, []byte("X-Auto-Response-Suppress: All\r\n")) {
		t.Errorf("not marked:\n%s", raw)
	}
}

func TestComposeFiles(t *testing.T) {
	c := letterOf("Voici :\n\n![plan](cid:plan@example.org)")
	c.Files = []chat.File{
		file("l'été \"1\"/../\r\nX: y.pdf", "application/pdf", "%PDF", ""),
		file("plan.png", "image/png", "PNG", "plan@example.org"),
		file(strings.Repeat("é", 300), "message/rfc822", "From: x", ""),
		file("", "no type\r\nX: y", "?", "bad id\r\nX: y"),
	}
	raw, m := mustCompose(t, c)
	var got []string
	for _, f := range m.Files {
		var index int
		if _, err := fmt.Sscanf(f.Ref, m.RawHash+"/%d", &index); err != nil {
			t.Fatal(err)
		}
		_, _, body, err := openPart(raw, index)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(body)
		got = append(got, fmt.Sprintf("%.20s|%s|%s|%s", f.Name, f.Type, content, f.ContentID))
	}
	want := []string{
		"plan.png|image/png|PNG|plan@example.org",
		"l'été _1__.._ X_ y.p|application/pdf|%PDF|",
		strings.Repeat("é", 20) + "|application/octet-stream|From: x|",
		"document|application/octet-stream|?|",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !bytes.Contains(raw, []byte(`src=3D"cid:plan@example.org"`)) {
		t.Error("the image is not in the HTML")
	}
}

// M08, and the rest of what could begin a field of its own.
func TestComposeInjection(t *testing.T) {
	c := letterOf("Bonjour")
	c.Subject = "hi\r\nBcc: evil@example.com\r\n\r\nbody"
	c.FromName = "a\r\nBcc: evil@example.com\x00\u202e"
	c.MessageID = "x@y>\r\nBcc: evil@example.com"
	c.InReplyTo = "x@y\nBcc: evil@example.com"
	c.References = []string{"a@b\r\nBcc: evil@example.com", "é@b", "c@d"}
	c.Lang = "fr\r\nBcc: evil@example.com"
	c.Quote = &chat.Quoted{Author: "a\r\nBcc: evil@example.com", At: "b\n", Text: "c"}
	raw, m := mustCompose(t, c)
	h, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range h.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"Cc", "Content-Type", "Date", "From", "In-Reply-To", "Message-Id", "Mime-Version", "References", "Reply-To", "Subject", "To"}; !slices.Equal(names, want) {
		t.Errorf("fields %q", names)
	}
	if m.Subject != "hi Bcc: evil@example.com body" {
		t.Errorf("subject %q", m.Subject)
	}
}

func TestComposeRefuses(t *testing.T) {
	for name, change := range map[string]func(*composed){
		"nothing to say":      func(c *composed) { c.Text = " \n" },
		"no sender":           func(c *composed) { c.From = "" },
		"line break in to":    func(c *composed) { c.To = []string{"a@b.fr\r\nBcc: c@d.fr"} },
		"two in one":          func(c *composed) { c.To = []string{"a@b.fr, c@d.fr"} },
		"nobody":              func(c *composed) { c.To, c.Cc = nil, nil },
		"bad reply address":   func(c *composed) { c.ReplyTo = "a" },
		"file without a door": func(c *composed) { c.Files = []chat.File{{Name: "a"}} },
	} {
		c := letterOf("Bonjour")
		change(&c)
		if _, err := compose(c); err == nil {
			t.Errorf("%s: it is composed", name)
		}
	}
}

// T04, outbound: the field stays short, with the root and the nearest.
func TestTrimReferences(t *testing.T) {
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("%d@example.com", i))
	}
	got := trimReferences(append(ids, "5@example.com", "bad id"), "<49@example.com>")
	if len(got) != 11 || got[0] != "<0@example.com>" || got[10] != "<49@example.com>" || got[9] != "<badid>" {
		t.Errorf("%d: %q", len(got), got)
	}
	if got := trimReferences(nil, "<a@b>"); !slices.Equal(got, []string{"<a@b>"}) {
		t.Errorf("%q", got)
	}
}
