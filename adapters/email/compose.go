package email

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"permanence/bot/chat"
	"permanence/internal/markup"
)

// composed is a mail to be written.
type composed struct {
	From, FromName string
	To, Cc         []string
	ReplyTo        string
	Subject        string
	MessageID      string // bare
	InReplyTo      string // bare
	References     []string
	Date           time.Time
	Text           string // Markdown
	Quote          *chat.Quoted
	Files          []chat.File
	// Automatic marks it as a machine's, so that no machine answers.
	Automatic bool
	Lang      string // "fr" or "en"
}

const (
	maxSubject = 250 // runes
	// maxLine is the longest line without its end (RFC 5322 section 2.1.1).
	maxLine = 998
)

// compose writes a mail: text, the same as HTML, files. Only what it is given
// stands in it: no name of a program, machine or account. Nothing in a field
// can begin another field. Its errors are permanent.
func compose(c composed) ([]byte, error) {
	if strings.TrimSpace(c.Text) == "" && len(c.Files) == 0 {
		return nil, errors.New("compose mail: it would be empty")
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP))
	if err := c.envelope(msg); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	c.fields(msg)
	msg.SetBodyString(mail.TypeTextPlain, c.plain())
	msg.AddAlternativeString(mail.TypeTextHTML, c.html())
	for _, f := range c.Files {
		if err := attach(msg, f); err != nil {
			return nil, fmt.Errorf("compose mail: attach %q: %w", f.Name, err)
		}
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	for line := range bytes.Lines(b.Bytes()) {
		if len(bytes.TrimRight(line, "\r\n")) > maxLine {
			return nil, fmt.Errorf("compose mail: a line is longer than %d bytes", maxLine)
		}
	}
	return b.Bytes(), nil
}

// envelope sets who writes to whom.
func (c composed) envelope(msg *mail.Msg) error {
	from, err := oneMailbox(oneLine(c.FromName, 100), c.From)
	if err != nil {
		return err
	}
	msg.FromMailAddress(from)
	list := func(addresses []string) ([]*netmail.Address, error) {
		var out []*netmail.Address
		for _, a := range addresses {
			m, err := oneMailbox("", a)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
		return out, nil
	}
	to, err := list(c.To)
	if err != nil {
		return err
	}
	cc, err := list(c.Cc)
	if err != nil {
		return err
	}
	if len(to)+len(cc) == 0 {
		return errors.New("nobody to send it to")
	}
	if len(to) > 0 {
		msg.ToMailAddress(to...)
	}
	if len(cc) > 0 {
		msg.CcMailAddress(cc...)
	}
	if c.ReplyTo != "" {
		replyTo, err := oneMailbox(from.Name, c.ReplyTo)
		if err != nil {
			return err
		}
		msg.ReplyToMailAddress(replyTo)
	}
	return nil
}

func oneMailbox(name, address string) (*netmail.Address, error) {
	if usableAddress(address) == "" || strings.TrimSpace(address) != address {
		return nil, fmt.Errorf("%q is no mail address", address)
	}
	return &netmail.Address{Name: name, Address: address}, nil
}

// fields sets the rest of the header.
func (c composed) fields(msg *mail.Msg) {
	msg.Subject(oneLine(c.Subject, maxSubject))
	if !c.Date.IsZero() {
		msg.SetDateWithValue(c.Date)
	}
	if id := bareID("<" + c.MessageID + ">"); id != "" {
		msg.SetMessageIDWithValue(id)
	}
	inReplyTo := headerID(c.InReplyTo)
	if inReplyTo != "" {
		msg.SetGenHeader(mail.HeaderInReplyTo, inReplyTo)
	}
	if refs := trimReferences(c.References, inReplyTo); len(refs) > 0 {
		// One value with spaces: fields with several get commas.
		msg.SetGenHeader(mail.HeaderReferences, strings.Join(refs, " "))
	}
	if c.Lang == "fr" || c.Lang == "en" {
		msg.SetGenHeader(mail.HeaderContentLang, c.Lang)
	}
	if c.Automatic {
		// RFC 3834 section 5 for those who know it; the second for Exchange.
		// Precedence is left out: the RFC does not recommend it, and filters
		// count "bulk" against the sender.
		msg.SetGenHeader("Auto-Submitted", "auto-replied")
		msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	}
}

// headerID puts an identifier into brackets; empty where it is none that may
// stand in a header.
func headerID(id string) string {
	if id = bareID("<" + id + ">"); id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return ""
	}
	return "<" + id + ">"
}

// trimReferences gives the identifiers of References, oldest first: the root
// of the conversation and the ten nearest, the parent last (RFC 5322 section
// 3.6.4; some servers refuse very long fields).
func trimReferences(ids []string, parent string) []string {
	const nearest = 10
	var out []string
	for _, id := range ids {
		if id = headerID(id); id != "" && id != parent && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if parent != "" {
		out = append(out, parent)
	}
	if len(out) > nearest+1 {
		out = append(out[:1:1], out[len(out)-nearest:]...)
	}
	return out
}

// plain is the text part: what was written, then what it answers.
func (c composed) plain() string {
	text := markup.MarkdownToPlain(c.Text)
	if c.Quote == nil || strings.TrimSpace(c.Quote.Text) == "" {
		return text + "\n"
	}
	var b strings.Builder
	b.WriteString(text + "\n\n" + c.attribution() + "\n")
	for line := range strings.SplitSeq(markup.MarkdownToPlain(c.Quote.Text), "\n") {
		b.WriteString(strings.TrimRight("> "+line, " ") + "\n")
	}
	return b.String()
}

// html is the HTML part, as mail programs write it, so that they fold the
// quote away.
func (c composed) html() string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html")
	if c.Lang == "fr" || c.Lang == "en" {
		b.WriteString(` lang="` + c.Lang + `"`)
	}
	b.WriteString(">\n<head><meta charset=\"utf-8\"></head>\n<body>\n")
	b.WriteString(markup.MarkdownToHTML(c.Text))
	for _, f := range c.Files {
		if cid := inlineID(f.Inline); cid != "" && !strings.Contains(c.Text, "cid:"+f.Inline) {
			b.WriteString(`<p><img src="cid:` + html.EscapeString(cid) + `" alt="` + html.EscapeString(oneLine(f.Name, 100)) + "\"></p>\n")
		}
	}
	if c.Quote != nil && strings.TrimSpace(c.Quote.Text) != "" {
		b.WriteString(`<div class="moz-cite-prefix">` + html.EscapeString(c.attribution()) + "</div>\n" +
			`<blockquote type="cite">` + "\n" + markup.MarkdownToHTML(c.Quote.Text) + "</blockquote>\n")
	}
	b.WriteString("</body>\n</html>\n")
	return b.String()
}

// attribution is the line above a quote, which mail programs recognise.
func (c composed) attribution() string {
	author, at := oneLine(c.Quote.Author, 100), oneLine(c.Quote.At, 60)
	if c.Lang == "en" {
		switch {
		case at == "":
			return author + " wrote:"
		case author == "":
			return "On " + at + ", you wrote:"
		}
		return "On " + at + ", " + author + " wrote:"
	}
	switch {
	case at == "":
		return author + " a écrit :"
	case author == "":
		return "Le " + at + ", vous avez écrit :"
	}
	return "Le " + at + ", " + author + " a écrit :"
}

// attach adds a file, with its name as RFC 2231 wants it.
func attach(msg *mail.Msg, f chat.File) error {
	if f.Open == nil {
		return errors.New("it cannot be opened")
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	content, err := io.ReadAll(r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	name := outboundName(f.Name)
	contentType, _, err := mime.ParseMediaType(f.Type)
	// A part that is a message must not be encoded, ours are.
	if err != nil || strings.HasPrefix(contentType, "multipart/") || strings.HasPrefix(contentType, "message/") {
		contentType = "application/octet-stream"
	}
	h := textproto.MIMEHeader{}
	h.Set("Content-Type", mime.FormatMediaType(contentType, map[string]string{"name": name}))
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("Content-Transfer-Encoding", "base64")
	cid := inlineID(f.Inline)
	if cid == "" {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		if err := msg.AttachReader(name, bytes.NewReader(content)); err != nil {
			return err
		}
		files := msg.GetAttachments()
		files[len(files)-1].Header = h
		return nil
	}
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": name}))
	h.Set("Content-ID", "<"+cid+">")
	if err := msg.EmbedReader(name, bytes.NewReader(content)); err != nil {
		return err
	}
	files := msg.GetEmbeds()
	files[len(files)-1].Header = h
	return nil
}

// outboundName makes a file's name fit for a field.
func outboundName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\"<>|:*?`, r) {
			return '_'
		}
		return r
	}, oneLine(name, 80))
	if name == "" {
		return "document"
	}
	return name
}

// inlineID gives a cid that may stand in a header and in a link, or nothing.
func inlineID(cid string) string {
	if len(cid) > 200 || strings.ContainsFunc(cid, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"'&`, r)
	}) {
		return ""
	}
	return cid
}
