package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode"
)

// parse reads a mail. Whatever a stranger sends, it takes bounded time and
// gives a message with what could be read and its Problems; only of nothing at
// all it makes an error.
func parse(raw []byte, limits limits) (*message, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, errors.New("parse mail: it is empty")
	}
	limits = limits.orDefault()
	sum := sha256.Sum256(raw)
	m := &message{RawHash: hex.EncodeToString(sum[:])}

	t := readTree(raw, limits, m)
	m.readHeader(t.header, limits)
	m.EventID = eventID(m.MessageID, t.header, t.body)
	m.Automatic = automatic(t.header)
	m.readBody(t, limits)
	return m, nil
}

// readHeader fills in what the header says.
func (m *message) readHeader(h textproto.MIMEHeader, limits limits) {
	m.Subject = oneLine(decodeWords(h.Get("Subject")), 500)
	m.MessageID = bareID(h.Get("Message-Id"))
	m.From = m.readFrom(h, limits)
	m.ReplyTo = first(parseAddresses(h.Get("Reply-To"), limits.Addresses))
	m.Sender = first(parseAddresses(h.Get("Sender"), limits.Addresses))
	m.To = m.readAddresses(h["To"], limits)
	m.Cc = m.readAddresses(h["Cc"], limits)
	m.References = references(h)
	m.ListID = listID(h.Get("List-Id"))
	m.Date = parseDate(h.Get("Date"))
	if m.Date.IsZero() {
		m.problem("date", "missing or unreadable")
	}
	for _, name := range []string{"Delivered-To", "X-Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"} {
		for _, value := range h[name] {
			for _, a := range parseAddresses(value, limits.Addresses) {
				if a.Address != "" && !slices.Contains(m.Delivered, a.Address) && len(m.Delivered) < limits.Addresses {
					m.Delivered = append(m.Delivered, a.Address)
				}
			}
		}
	}
}

// readFrom finds the author. Two fields that disagree are an attempt to be
// taken for somebody (one is checked, the other is shown): nobody is believed.
func (m *message) readFrom(h textproto.MIMEHeader, limits limits) address {
	fields := h["From"]
	if len(fields) == 0 {
		m.problem("from", "missing")
		return address{}
	}
	list := parseAddresses(fields[0], limits.Addresses)
	from := first(list)
	for _, other := range fields[1:] {
		if first(parseAddresses(other, limits.Addresses)).Address != from.Address {
			m.problem("from", "several fields that disagree")
			return address{Name: from.Name}
		}
	}
	if len(list) > 1 {
		// RFC 5322 section 3.6.2: several authors need a Sender.
		m.problem("from", "several authors")
		if sender := first(parseAddresses(h.Get("Sender"), limits.Addresses)); sender.Address != "" {
			for _, a := range list {
				if a.Address == sender.Address {
					return a
				}
			}
		}
	}
	if from.Address == "" {
		m.problem("from", "no usable address")
	}
	return from
}

func (m *message) readAddresses(fields []string, limits limits) []address {
	var list []address
	for _, f := range fields {
		list = append(list, parseAddresses(f, limits.Addresses-len(list))...)
		if len(list) >= limits.Addresses {
			m.problem("addresses", "too many; the rest is left out")
			break
		}
	}
	return list
}

func first(list []address) address {
	if len(list) == 0 {
		return address{}
	}
	return list[0]
}

// maxID is the longest Message-ID that is believed: longer ones are no
// identifiers (RFC 5322 allows lines of 998), and databases refuse to index
// them.
const maxID = 500

// bareID gives the Message-ID of a field, without brackets, comments and white
// space; empty where there is none.
func bareID(field string) string {
	if ids := bareIDs(field, 1); len(ids) == 1 {
		return ids[0]
	}
	return ""
}

// bareIDs gives at most n identifiers of a field such as References. Those
// without brackets are taken at white space.
func bareIDs(field string, n int) []string {
	var ids []string
	add := func(id string) {
		id = strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || unicode.IsControl(r) || r == '<' || r == '>' || r == unicode.ReplacementChar {
				return -1
			}
			return r
		}, id)
		if id != "" && len(id) <= maxID && len(ids) < n {
			ids = append(ids, id)
		}
	}
	field = strings.ToValidUTF8(field, "")
	depth := 0
	var bare strings.Builder
	for i := 0; i < len(field) && len(ids) < n; i++ {
		switch c := field[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '<':
			add(bare.String())
			bare.Reset()
			end := strings.IndexByte(field[i:], '>')
			if end < 0 {
				end = len(field) - i
			}
			add(field[i+1 : i+end])
			i += end
		case c == ' ' || c == '\t' || c == ',' || c == '"':
			add(bare.String())
			bare.Reset()
		default:
			bare.WriteByte(c)
		}
	}
	add(bare.String())
	return ids
}

// maxReferences are looked at: the nearest and the first are what matters.
const maxReferences = 200

// references gives In-Reply-To, then References from right to left, each once.
func references(h textproto.MIMEHeader) []string {
	var out []string
	seen := make(map[string]bool)
	add := func(id string) {
		if !seen[id] && len(out) < maxReferences {
			seen[id] = true
			out = append(out, id)
		}
	}
	for _, field := range h["In-Reply-To"] {
		for _, id := range bareIDs(field, 20) {
			// Old programs put phrases here ("Your message of …"): an
			// identifier has an @.
			if strings.Contains(id, "@") {
				add(id)
			}
		}
	}
	for _, field := range h["References"] {
		ids := bareIDs(field, 10_000)
		slices.Reverse(ids)
		for _, id := range ids {
			if strings.Contains(id, "@") {
				add(id)
			}
		}
	}
	return out
}

func listID(field string) string {
	if i := strings.LastIndexByte(field, '<'); i >= 0 {
		field = field[i+1:]
		if i := strings.IndexByte(field, '>'); i >= 0 {
			field = field[:i]
		}
	}
	return strings.ToLower(oneLine(field, 200))
}

// parseDate reads a date, and is lenient with its zone and its remarks; zero
// where it cannot or where the year cannot be one of a mail.
func parseDate(field string) time.Time {
	field = strings.TrimSpace(field)
	if field == "" || len(field) > 200 {
		return time.Time{}
	}
	t, err := mail.ParseDate(field)
	for _, layout := range []string{time.RFC3339, time.ANSIC, time.UnixDate, "2 Jan 2006 15:04:05", "Mon, 2 Jan 2006 15:04:05"} {
		if err == nil {
			break
		}
		t, err = time.Parse(layout, field)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// eventID names a mail: its bare Message-ID, "#", and a hash of what its author
// wrote (sender, date, subject, body), alone where there is no Message-ID. The
// fields that servers add on the road are left out, and so are the ends of
// lines and the white space before them, which servers change: the same mail
// through two roads is one event; two mails with one Message-ID are two.
func eventID(messageID string, h textproto.MIMEHeader, body []byte) string {
	hash := sha256.New()
	for _, name := range []string{"From", "Date", "Subject"} {
		hash.Write([]byte(strings.Join(strings.Fields(strings.Join(h[name], " ")), " ")))
		hash.Write([]byte{0})
	}
	empty := 0 // empty lines that count only if something follows
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, " \t\r\n")
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			hash.Write([]byte{'\n'})
		}
		hash.Write(line)
		hash.Write([]byte{'\n'})
	}
	return messageID + "#" + hex.EncodeToString(hash.Sum(nil)[:12])
}

// oneLine makes a header's text fit to be shown: on one line, without
// characters that are not seen or that turn the writing around, of at most
// that many runes.
func oneLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f':
			return ' '
		case unicode.IsControl(r), r == '\ufeff',
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	s = strings.TrimSpace(collapse(s))
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

func collapse(s string) string {
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}
