package email

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jhillyerd/enmime/v2"

	"permanence/bot/chat"
	"permanence/internal/markup"
)

// section is one thing that was said: as plain text, as HTML, or as both.
type section struct {
	plain, html string
	flowed      bool // plain has soft line breaks (RFC 3676)
	cut         bool
}

// readBody fills in text, files and report.
func (m *message) readBody(t *tree, limits limits) {
	if t.root != nil && t.root.FirstChild == nil && strings.HasPrefix(t.root.ContentType, "multipart/") {
		m.problem("mime", "no parts between the boundaries")
		t.root = nil
	}
	if t.root == nil {
		m.readUnstructured(t.body, limits)
		return
	}
	b := &bodies{m: m, limits: limits, index: make(map[*enmime.Part]int, len(t.parts)), used: make(map[*enmime.Part]bool)}
	for i, p := range t.parts {
		b.index[p] = i + 1
	}
	m.DSN = readDSN(t)
	sections := b.read(t.root)
	if m.DSN == nil && len(t.parts) == 1 {
		m.DSN = proseDSN(m.From, m.Subject, sections)
	}

	var texts, folded []string
	add := func(list *[]string, s string) {
		if s != "" {
			*list = append(*list, s)
		}
	}
	how := foldOptions{reply: isReply(m), forward: isForward(m.Subject)}
	for _, s := range sections {
		text, rest := m.write(s, how)
		add(&texts, text)
		add(&folded, rest)
	}
	for _, note := range b.notes {
		add(&texts, note)
	}
	m.Text, m.Folded = strings.Join(texts, "\n\n"), strings.Join(folded, "\n\n")
	for i, p := range t.parts {
		if !b.used[p] && (m.DSN == nil || !isReportPart(p)) {
			m.Files = append(m.Files, m.file(p, i+1))
		}
	}
}

// readUnstructured shows the beginning of a mail whose parts cannot be told
// apart; the whole is its file.
func (m *message) readUnstructured(body []byte, limits limits) {
	const shown = 4000
	text := toUTF8(body[:min(len(body), limits.Text, shown)], "")
	m.Text = strings.TrimSpace(markup.PlainToMarkdown(text))
	m.Files = []chat.FileRef{{Name: wholeName, Type: "message/rfc822", Ref: m.RawHash + "/0"}}
}

func (m *message) file(p *enmime.Part, index int) chat.FileRef {
	name := fileName(p, index)
	if strings.EqualFold(name, "winmail.dat") || fileType(p) == "application/ms-tnef" {
		m.problem("tnef", "the mail has an attachment in a format of Outlook that is not unpacked")
	}
	size := int64(len(p.Content))
	if strings.EqualFold(strings.TrimSpace(p.Header.Get("Content-Transfer-Encoding")), "base64") {
		// Without decoding: lines of 76 characters and their ends hold 57
		// bytes. People read this, nothing counts on it.
		size = size * 57 / 78
	}
	return chat.FileRef{
		Name: name, Type: fileType(p), Size: size,
		Ref:       m.RawHash + "/" + strconv.Itoa(index),
		ContentID: strings.Trim(p.ContentID, "<>"),
	}
}

// bodies finds in a tree what was said; all other parts are files.
type bodies struct {
	m      *message
	limits limits
	index  map[*enmime.Part]int
	used   map[*enmime.Part]bool
	notes  []string // what a file says that people should read at once
}

func (b *bodies) read(p *enmime.Part) []section {
	if p.FirstChild == nil {
		return b.leaf(p)
	}
	switch p.ContentType {
	case "multipart/alternative":
		return b.alternative(p)
	case "multipart/encrypted":
		b.notes = append(b.notes, "[encrypted: PGP/MIME]")
		b.m.problem("encrypted", "no key to read it")
		return nil
	}
	var out []section
	for c := p.FirstChild; c != nil; c = c.NextSibling {
		out = append(out, b.read(c)...)
		if p.ContentType == "multipart/report" && c == p.FirstChild && b.m.DSN != nil {
			break // the rest is for programs (RFC 6522 section 3)
		}
	}
	return out
}

// alternative joins what its children say in different ways.
func (b *bodies) alternative(p *enmime.Part) []section {
	var joined section
	for c := p.FirstChild; c != nil; c = c.NextSibling {
		sections := b.read(c)
		rich := false
		for _, s := range sections {
			rich = rich || s.html != ""
		}
		for _, s := range sections {
			switch {
			case s.html != "":
				joined.html = join(joined.html, s.html, "<br>\n")
			case rich: // text around the HTML, inside of one alternative
				joined.html = join(joined.html, "<p>"+escapeHTML(s.plain)+"</p>", "\n")
			default:
				joined.plain = join(joined.plain, s.plain, "\n\n")
				joined.flowed = s.flowed
			}
			joined.cut = joined.cut || s.cut
		}
	}
	if joined == (section{}) {
		return nil
	}
	return []section{joined}
}

func join(a, b, between string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + between + b
}

func escapeHTML(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	return strings.ReplaceAll(s, "\n", "<br>\n")
}

// leaf reads a part without parts of its own.
func (b *bodies) leaf(p *enmime.Part) []section {
	if b.index[p] == 0 {
		return nil // beyond the limit
	}
	leads := p.Parent == nil || p.Parent.FirstChild == p
	attached := p.Disposition == "attachment" || p.FileName != "" && !leads
	switch p.ContentType {
	case "text/plain", "":
		if attached {
			return nil
		}
		b.used[p] = true
		text, cut := b.text(p)
		params := p.ContentTypeParams
		if params == nil {
			params = contentParams(p)
		}
		s := section{plain: text, cut: cut, flowed: strings.EqualFold(params["format"], "flowed")}
		if s.flowed {
			s.plain = unflow(text, strings.EqualFold(params["delsp"], "yes"))
		}
		return []section{s}
	case "text/html":
		if attached {
			return nil
		}
		b.used[p] = true
		text, cut := b.text(p)
		return []section{{html: text, cut: cut}}
	case "text/calendar":
		text, _ := b.text(p)
		if note := calendarNote(text); note != "" && len(b.notes) == 0 {
			b.notes = append(b.notes, note)
		}
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		if !strings.Contains(strings.ToLower(p.Header.Get("Content-Type")), "signed-data") {
			b.notes = append(b.notes, "[encrypted: S/MIME]")
			b.m.problem("encrypted", "no key to read it")
		}
	}
	return nil
}

func contentParams(p *enmime.Part) map[string]string {
	c := counter{limits: limits{Parts: 1, Multiparts: 1}}
	_, params, _, _ := c.parse(p.Header.Get("Content-Type"))
	return params
}

// text decodes a text part, up to the limit.
func (b *bodies) text(p *enmime.Part) (text string, cut bool) {
	content := p.Content
	if len(content) > 4*b.limits.Text { // quoted-printable takes three bytes for one
		content, cut = content[:4*b.limits.Text], true
	}
	content = decodeTransfer(content, p.Header.Get("Content-Transfer-Encoding"))
	if len(content) > b.limits.Text {
		content, cut = content[:b.limits.Text], true
	}
	if cut {
		b.m.problem("text", "too long; the rest is in the original")
	}
	text = toUTF8(content, p.Charset)
	return strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(text), cut
}

// write makes Markdown of a section, and folds its quotes away.
func (m *message) write(s section, how foldOptions) (text, folded string) {
	plain := stripMarks(s.plain)
	if s.html == "" {
		return foldPlain(plain, how)
	}
	if strings.TrimSpace(plain) != "" {
		switch differ := compare(plain, s.html); {
		case differ == plainHasMore:
			m.problem("alternative", "the plain text says more than the HTML; it is what is shown")
			return foldPlain(plain, how)
		case differ == htmlHasMore:
			m.problem("alternative", "the HTML says more than the plain text; it is what is shown")
		case !hasQuoteMarks(s.html) && (s.flowed || !wrapped(plain)):
			return foldPlain(plain, how)
		}
	}
	text, folded = foldMarkdown(markup.HTMLToMarkdown(markQuotes(s.html)), how)
	if text == "" {
		return foldPlain(plain, how)
	}
	return text, folded
}

func foldPlain(plain string, how foldOptions) (text, folded string) {
	text, folded = fold(plain, how)
	if isEmpty([]string{text, folded}) {
		return "", ""
	}
	return strings.Trim(markup.PlainToMarkdown(text), "\n"), strings.Trim(markup.PlainToMarkdown(folded), "\n")
}

func foldMarkdown(md string, how foldOptions) (text, folded string) {
	text, folded = fold(md, how)
	return strings.Trim(text, "\n"), strings.Trim(folded, "\n")
}

// difference is how two alternatives relate.
type difference int

const (
	same difference = iota
	htmlHasMore
	plainHasMore
)

// compare tells whether one of two alternatives holds words that the other
// lacks: "your program shows no HTML" beside the real text, or worse, two
// different texts.
func compare(plain, html string) difference {
	inPlain, inHTML := words(plain), words(markup.HTMLWords(html))
	missing := func(from, in map[string]bool) (n int) {
		for w := range from {
			if !in[w] {
				n++
			}
		}
		return n
	}
	if n := missing(inHTML, inPlain); n > 4 && n > len(inHTML)/2 {
		return htmlHasMore
	}
	if n := missing(inPlain, inHTML); n > 4 && n > len(inPlain)/2 {
		return plainHasMore
	}
	return same
}

func words(s string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsFuncSeq(markup.Fold(s), func(r rune) bool {
		return r <= '/' || r >= ':' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= 0xbf
	}) {
		if len(w) > 2 {
			set[w] = true
		}
	}
	return set
}

// wrapped says that the lines of a text were broken by a program at some width
// of the last century, which reads badly in a chat.
func wrapped(plain string) bool {
	lines := strings.Split(plain, "\n")
	for i := range len(lines) - 1 {
		line, next := strings.TrimRight(lines[i], " "), lines[i+1]
		if strings.HasPrefix(line, ">") || strings.HasPrefix(next, " ") {
			continue
		}
		word, _, _ := strings.Cut(next, " ")
		if n := len([]rune(line)); n > 50 && n < 80 && word != "" && n+1+len([]rune(word)) > 72 {
			return true
		}
	}
	return false
}

// unflow joins the lines of a flowed text (RFC 3676): one that ends in a space
// goes on in the next of the same depth of quotes.
func unflow(text string, delSp bool) string {
	var out []string
	depth, open := 0, false
	for line := range strings.SplitSeq(text, "\n") {
		content := strings.TrimLeft(line, ">")
		d := len(line) - len(content)
		content = strings.TrimPrefix(content, " ") // space-stuffing, section 4.4
		signature := content == "-- "              // section 4.3
		if open && d == depth && !signature {
			out[len(out)-1] += content
		} else {
			prefix := ""
			if d > 0 {
				prefix = strings.Repeat(">", d) + " "
			}
			out = append(out, prefix+content)
		}
		open, depth = strings.HasSuffix(content, " ") && !signature, d
		if open && delSp {
			out[len(out)-1] = strings.TrimSuffix(out[len(out)-1], " ")
		}
	}
	return strings.Join(out, "\n")
}

// calendarNote says in a line what an invitation is about (RFC 5545); nothing
// is answered to it.
func calendarNote(ics string) string {
	ics = strings.NewReplacer("\n ", "", "\n\t", "").Replace(ics)
	var summary, start, place, method string
	inEvent := false
	for line := range strings.SplitSeq(ics, "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, _, _ = strings.Cut(strings.ToUpper(name), ";")
		value = oneLine(strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value), 120)
		switch {
		case name == "BEGIN":
			inEvent = inEvent || value == "VEVENT"
		case name == "METHOD":
			method = value
		case !inEvent:
		case name == "SUMMARY" && summary == "":
			summary = value
		case name == "DTSTART" && start == "":
			start = calendarTime(value)
		case name == "LOCATION" && place == "":
			place = value
		}
	}
	if summary == "" && start == "" {
		return ""
	}
	var parts []string
	for _, s := range []string{summary, start, place} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	kind := "invitation"
	if strings.EqualFold(method, "CANCEL") {
		kind = "invitation, annulation/cancelled"
	}
	return fmt.Sprintf("[%s: %s]", kind, markup.PlainToMarkdown(strings.Join(parts, ", ")))
}

// calendarTime makes "2026-11-23 14:00" of 20261123T140000, in whatever zone
// it was written.
func calendarTime(s string) string {
	if len(s) < 8 || strings.ContainsFunc(s[:8], func(r rune) bool { return r < '0' || r > '9' }) {
		return s
	}
	out := s[:4] + "-" + s[4:6] + "-" + s[6:8]
	if len(s) >= 13 && s[8] == 'T' {
		out += " " + s[9:11] + ":" + s[11:13]
		if strings.HasSuffix(s, "Z") {
			out += " UTC"
		}
	}
	return out
}

func isReply(m *message) bool {
	if len(m.References) > 0 {
		return true
	}
	s := markup.Fold(m.Subject)
	for _, p := range []string{"re:", "re :", "aw:", "rep:", "sv:", "antw:", "r:"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func isForward(subject string) bool {
	s := markup.Fold(subject)
	for _, p := range []string{"fwd:", "fw:", "tr:", "tr :", "wg:", "rv:", "enc:", "i:", "fwd :"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// isReportPart says that a part of a report is for programs.
func isReportPart(p *enmime.Part) bool {
	return strings.HasPrefix(p.ContentType, "message/") || p.ContentType == "text/rfc822-headers"
}
