package playground

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// Mail is a mail in the mailbox: one that arrived, or one that was written
// there with its fate.
type Mail struct {
	ID  string    `json:"id,omitempty"`
	Seq int64     `json:"seq,omitempty"`
	At  time.Time `json:"at,omitzero"`
	// Sender and Recipients are the envelope's, lower-case addresses.
	Sender     string   `json:"sender"`
	Recipients []string `json:"recipients"`
	// What the header says, decoded; From, To, Cc and ReplyTo as written.
	From       string   `json:"from"`
	To         []string `json:"to,omitempty"`
	Cc         []string `json:"cc,omitempty"`
	ReplyTo    string   `json:"reply_to,omitempty"`
	Subject    string   `json:"subject"`
	MessageID  string   `json:"message_id,omitempty"`  // bare
	InReplyTo  string   `json:"in_reply_to,omitempty"` // bare
	References []string `json:"references,omitempty"`  // bare, oldest first
	// Automatic is the value of Auto-Submitted, unless it is "no".
	Automatic string     `json:"automatic,omitempty"`
	Text      string     `json:"text"`
	Files     []MailFile `json:"files,omitempty"`
	// Written: it was written in the mailbox; Code and Answer are what the
	// other server said to it (0: it could not be reached).
	Written bool   `json:"written,omitempty"`
	Code    int    `json:"code,omitempty"`
	Answer  string `json:"answer,omitempty"`
}

// MailFile is an attachment of a mail.
type MailFile struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
	Data []byte `json:"data,omitempty"`
}

// parseMail reads a mail for showing. It never fails: what cannot be read is
// shown as it came. Attachments keep their bytes.
func parseMail(raw []byte) Mail {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Mail{Subject: "(?)", Text: valid(raw)}
	}
	h := msg.Header
	m := Mail{
		From: decodeHeader(h.Get("From")), ReplyTo: decodeHeader(h.Get("Reply-To")),
		To: addresses(h.Get("To")), Cc: addresses(h.Get("Cc")),
		Subject:    decodeHeader(h.Get("Subject")),
		MessageID:  bare(h.Get("Message-Id")),
		InReplyTo:  bare(h.Get("In-Reply-To")),
		References: bareAll(h.Get("References")),
	}
	if auto := strings.TrimSpace(h.Get("Auto-Submitted")); auto != "" && !strings.EqualFold(auto, "no") {
		m.Automatic = valid([]byte(auto))
	}
	m.read(textproto.MIMEHeader(h), msg.Body, 0)
	m.Text = strings.TrimSpace(strings.ReplaceAll(m.Text, "\r\n", "\n"))
	return m
}

// read takes text and attachments from one MIME part.
func (m *Mail) read(h textproto.MIMEHeader, body io.Reader, depth int) {
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		mediaType, params = "text/plain", nil
	}
	if strings.HasPrefix(mediaType, "multipart/") && params["boundary"] != "" && depth < 8 {
		m.readParts(mediaType, multipart.NewReader(body, params["boundary"]), depth)
		return
	}
	data := decodeBody(h.Get("Content-Transfer-Encoding"), body)
	disposition, dparams, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	name := decodeHeader(first(dparams["filename"], params["name"]))
	if disposition == "attachment" || name != "" || !strings.HasPrefix(mediaType, "text/") {
		m.Files = append(m.Files, MailFile{Name: first(name, "attachment"), Type: mediaType, Size: int64(len(data)), Data: data})
		return
	}
	text := decodeCharset(params["charset"], data)
	if mediaType == "text/html" {
		text = stripTags(text)
	}
	if m.Text != "" && text != "" {
		m.Text += "\n\n"
	}
	m.Text += text
}

// readParts reads a multipart body; of alternatives the plain text is enough.
func (m *Mail) readParts(mediaType string, r *multipart.Reader, depth int) {
	for {
		part, err := r.NextRawPart()
		if err != nil {
			return // the end, or where a broken mail stops making sense
		}
		if mediaType == "multipart/alternative" && m.Text != "" {
			continue
		}
		m.read(part.Header, part, depth+1)
	}
}

func decodeBody(encoding string, body io.Reader) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	data, _ := io.ReadAll(body) // what could be decoded is shown
	return data
}

func decodeCharset(charset string, data []byte) string {
	if charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		if enc, err := htmlindex.Get(charset); err == nil {
			if out, err := enc.NewDecoder().Bytes(data); err == nil {
				data = out
			}
		}
	}
	return valid(data)
}

var words = &mime.WordDecoder{CharsetReader: func(charset string, in io.Reader) (io.Reader, error) {
	enc, err := htmlindex.Get(charset)
	if err != nil {
		return nil, err
	}
	return enc.NewDecoder().Reader(in), nil
}}

func decodeHeader(s string) string {
	if out, err := words.DecodeHeader(s); err == nil {
		s = out
	}
	return valid([]byte(s))
}

// addresses splits an address list for showing; one that does not parse is
// shown whole.
func addresses(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	list, err := (&mail.AddressParser{WordDecoder: words}).ParseList(s)
	if err != nil {
		return []string{decodeHeader(s)}
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = valid([]byte(a.Address))
		if a.Name != "" {
			out[i] = valid([]byte(a.Name)) + " <" + out[i] + ">"
		}
	}
	return out
}

func bare(s string) string {
	ids := bareAll(s)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

func bareAll(s string) []string {
	var ids []string
	for _, f := range strings.Fields(s) {
		if f = strings.Trim(f, "<>"); f != "" {
			ids = append(ids, valid([]byte(f)))
		}
	}
	return ids
}

var (
	tagBreak = regexp.MustCompile(`(?i)<(br|/p|/div|/tr|/h[1-6]|/li)[^>]*>`)
	tagAny   = regexp.MustCompile(`(?is)<(style|script|head)\b.*?</(style|script|head)>|<[^>]*>`)
)

// stripTags shows what an HTML mail says, roughly: this is a toy mailbox.
func stripTags(s string) string {
	return html.UnescapeString(tagAny.ReplaceAllString(tagBreak.ReplaceAllString(s, "\n"), ""))
}

func valid(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), string(utf8.RuneError)), "\x00", string(utf8.RuneError))
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// composeMail writes m as RFC 5322 and MIME, with CRLF.
func composeMail(m *Mail) ([]byte, error) {
	var b bytes.Buffer
	head := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, oneLine(value))
		}
	}
	head("From", m.From)
	head("To", strings.Join(m.To, ", "))
	head("Cc", strings.Join(m.Cc, ", "))
	head("Subject", mime.QEncoding.Encode("utf-8", oneLine(m.Subject)))
	head("Date", m.At.Format(time.RFC1123Z))
	head("Message-ID", angle(m.MessageID))
	head("In-Reply-To", angle(m.InReplyTo))
	refs := slices.Clone(m.References)
	for i := range refs {
		refs[i] = angle(refs[i])
	}
	head("References", strings.Join(refs, "\r\n "))
	head("MIME-Version", "1.0")
	if len(m.Files) == 0 {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		err := writeQP(&b, m.Text)
		return b.Bytes(), err
	}
	return composeParts(&b, m)
}

func composeParts(b *bytes.Buffer, m *Mail) ([]byte, error) {
	w := multipart.NewWriter(b)
	fmt.Fprintf(b, "Content-Type: multipart/mixed; boundary=%q\r\n\r\n", w.Boundary())
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
	if err == nil {
		err = writeQP(part, m.Text)
	}
	for _, f := range m.Files {
		if err != nil {
			return nil, err
		}
		mediaType := f.Type
		if _, _, perr := mime.ParseMediaType(mediaType); perr != nil {
			mediaType = "application/octet-stream"
		}
		part, err = w.CreatePart(textproto.MIMEHeader{
			"Content-Type":              {mediaType},
			"Content-Transfer-Encoding": {"base64"},
			"Content-Disposition":       {mime.FormatMediaType("attachment", map[string]string{"filename": f.Name})},
		})
		if err == nil {
			err = writeBase64(part, f.Data)
		}
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

func writeQP(w io.Writer, text string) error {
	q := quotedprintable.NewWriter(w)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	if _, err := io.WriteString(q, text+"\r\n"); err != nil {
		return err
	}
	return q.Close()
}

// writeBase64 writes lines of 76 characters (RFC 2045 section 6.8).
func writeBase64(w io.Writer, data []byte) error {
	s := base64.StdEncoding.EncodeToString(data)
	for len(s) > 0 {
		n := min(76, len(s))
		if _, err := io.WriteString(w, s[:n]+"\r\n"); err != nil {
			return err
		}
		s = s[n:]
	}
	return nil
}

// oneLine keeps a header on its line: no value of a form starts another one.
func oneLine(s string) string {
	// A folded value of our own (References) stays folded.
	return strings.NewReplacer("\r\n ", "\r\n ", "\r", " ", "\n", " ", "\x00", "").Replace(s)
}

func angle(id string) string {
	if id == "" {
		return ""
	}
	return "<" + id + ">"
}
