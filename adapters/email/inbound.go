package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"permanence/bot/chat"
)

// arrival is a mail with what its road told about it.
type arrival struct {
	raw []byte
	// to are the envelope's recipients, lower-cased; nil where the road has no
	// envelope (IMAP).
	to []string
	// from is the envelope's sender; known tells whether there is one at all.
	from  string
	known bool
	// note is shown below the text: the mail was cut, or could not be read.
	note chat.Text
}

// events turns a mail into what the bot decides on: one event for each role
// address that it is for. It never fails: what cannot be read becomes an event
// that says so.
func (a *Adapter) events(t tokens, in arrival) []chat.Event {
	m := a.read(&in)
	if in.known {
		m.fromEnvelope(in.from)
	}
	var events []chat.Event
	if m.DSN != nil {
		for _, r := range a.rolesOf(m, in) {
			events = append(events, a.outcomes(t, r, m)...)
		}
	}
	if len(events) > 0 {
		return events
	}
	for _, r := range a.rolesOf(m, in) {
		events = append(events, a.posted(t, r, m, in))
	}
	return events
}

// read parses the mail; where that fails, it keeps what can be seen.
func (a *Adapter) read(in *arrival) *message {
	m, err := safeParse(in.raw, limits{Size: a.cfg.MaxSize})
	if err == nil {
		for _, p := range m.Problems {
			a.env.Log.Debug("mail is not well formed", "event", m.EventID, "problem", p)
		}
		if m.MessageID == "" && m.From.Address == "" && m.Subject == "" && m.Text == "" && len(m.Files) == 0 {
			// Nothing that names a mail is in it: all its bytes do.
			m.EventID = "#" + m.RawHash
		}
		return m
	}
	a.env.Log.Warn("mail cannot be parsed; it is kept as it is", "err", err)
	if in.note == (chat.Text{}) {
		in.note = chat.Text{
			FR: "Ce courriel n’a pas pu être décodé ; l’original est conservé.",
			EN: "This mail could not be decoded; the original is kept.",
		}
	}
	return unparsed(in.raw)
}

// safeParse is parse for bytes of strangers: a defect in a decoder must cost
// one mail its decoding, not everybody the mail.
func safeParse(raw []byte, l limits) (m *message, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("parse mail: %v", p)
		}
	}()
	return parse(raw, l)
}

// unparsed reads the little that can be read of a mail that does not parse.
func unparsed(raw []byte) *message {
	first := func(name string) string {
		if f := rawFields(raw, name); len(f) > 0 {
			return clean(f[0], 998)
		}
		return ""
	}
	m := &message{
		Subject:   first("Subject"),
		MessageID: strings.Trim(first("Message-ID"), "<> "),
		Automatic: "unreadable",
	}
	if addr, err := mail.ParseAddress(first("From")); err == nil {
		m.From = address{Name: addr.Name, Address: strings.ToLower(addr.Address)}
	}
	for _, name := range []string{"Delivered-To", "X-Original-To", "To", "Cc"} {
		for _, f := range rawFields(raw, name) {
			if list, err := mail.ParseAddressList(f); err == nil {
				for _, addr := range list {
					m.To = append(m.To, address{Name: addr.Name, Address: strings.ToLower(addr.Address)})
				}
			}
		}
	}
	_, body, _ := bytes.Cut(raw, []byte("\n\r\n"))
	if body == nil {
		_, body, _ = bytes.Cut(raw, []byte("\n\n"))
	}
	m.Text = clean(string(body), 4000)
	sum := sha256.Sum256(raw)
	m.RawHash = hex.EncodeToString(sum[:])
	// Trace headers change from one delivery of a mail to the next; its
	// sender and body do not.
	sum = sha256.Sum256([]byte(m.From.Address + "\x00" + string(body)))
	m.EventID = m.MessageID + "#" + hex.EncodeToString(sum[:16])
	return m
}

// clean makes foreign bytes into text of at most n runes.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n]) + "…"
	}
	return s
}

// rolesOf tells which role addresses the mail is for, each once. The envelope
// knows best; a mailbox that was read has none, so there delivery agents'
// notes, To and Cc count, and a mail that names no role (a hidden copy) is for
// the first.
func (a *Adapter) rolesOf(m *message, in arrival) []role {
	var found []role
	for _, addr := range addressed(m, in) {
		if r, ok := a.roleOf(addr); ok && !slices.Contains(found, r) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		found = append(found, a.roles[0])
	}
	return found
}

// addressed are the addresses that say for whom the mail is.
func addressed(m *message, in arrival) []string {
	if in.to != nil {
		return in.to
	}
	return slices.Concat(m.Delivered, bare(m.To), bare(m.Cc))
}

// roleOf finds the role that an address belongs to, with or without a
// subaddress.
func (a *Adapter) roleOf(addr string) (role, bool) {
	addr = strings.ToLower(addr)
	i := strings.LastIndexByte(addr, '@')
	if i < 0 {
		return role{}, false
	}
	local, domain := addr[:i], addr[i+1:]
	for _, r := range a.roles {
		if r.domain == domain && r.local == local {
			return r, true
		}
	}
	if a.cfg.Subaddress != "" {
		for _, r := range a.roles {
			if r.domain == domain && strings.HasPrefix(local, r.local+a.cfg.Subaddress) {
				return r, true
			}
		}
	}
	return role{}, false
}

// posted makes the event of a mail for one role.
func (a *Adapter) posted(t tokens, r role, m *message, in arrival) *chat.Posted {
	thread, tokenRefused := a.thread(t, r, m, in)
	if tokenRefused {
		a.refusals.note(a.env.Log, a.now(), r.room, m.From.Address)
	}
	p := &chat.Posted{
		Meta: chat.Meta{
			Room:   r.room,
			Thread: thread,
			ID:     m.EventID,
			From:   a.account(m, in),
			At:     m.Date,
		},
		Text:  m.Text,
		Files: m.Files,
		Mail: &chat.MailIn{
			MessageID:    m.MessageID,
			Subject:      m.Subject,
			To:           a.public(m.To),
			Cc:           a.public(m.Cc),
			References:   m.References,
			TokenRefused: tokenRefused,
			Automatic:    m.Automatic,
			Date:         m.Date,
			Folded:       m.Folded,
			RawHash:      m.RawHash,
		},
		Raw: &chat.Raw{
			Hash: m.RawHash,
			Size: int64(len(in.raw)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(in.raw)), nil },
		},
	}
	if replyTo := a.public([]address{m.ReplyTo}); len(replyTo) > 0 {
		p.Mail.ReplyTo = replyTo[0]
	}
	if in.note != (chat.Text{}) {
		// The language of whoever reads it is not known here.
		p.Text = strings.TrimLeft(p.Text+"\n\n⚠️ "+in.note.FR+" / "+in.note.EN, "\n")
	}
	if key, ok := a.ownKey(t, m); ok {
		// Our own copy has the bare Message-ID as its event ID, which is what
		// Do gave as remote ID: the MAC in it does what the hash does for
		// others' mails.
		p.ID, p.Key, p.From.Self = strings.ToLower(m.MessageID), key, true
		return p
	}
	switch _, ours := a.roleOf(m.From.Address); {
	case ours:
		p.Mail.Automatic = "own-address"
	case m.DSN != nil && m.DSN.Receipt:
		p.Mail.Automatic = "receipt"
	case m.DSN != nil:
		p.Mail.Automatic = "dsn"
	}
	return p
}

// ownKey recognises a mail of our own that came back: its Message-ID verifies,
// and it is from the role that the Message-ID was made for. (Who has a mail of
// ours can reuse its Message-ID for words of their own, but not lose them so.)
func (a *Adapter) ownKey(t tokens, m *message) (key string, ok bool) {
	r, ok := a.roleOf(m.From.Address)
	if !ok {
		return "", false
	}
	_, key, v := t.readMessageID(r, m.MessageID)
	return key, v == genuine
}

// thread finds the thread of role r that the mail belongs to: by the token of
// a reply address wherever it stands, else by a Message-ID of ours among its
// references. It tells too whether there was a token that does not verify.
func (a *Adapter) thread(t tokens, r role, m *message, in arrival) (thread string, tokenRefused bool) {
	for _, addr := range slices.Concat(in.to, m.Delivered, bare(m.To), bare(m.Cc)) {
		switch th, v := t.readReply(r, addr); v {
		case genuine:
			return th, false
		case refused:
			tokenRefused = true
		}
	}
	for _, id := range m.References {
		switch th, _, v := t.readMessageID(r, id); v {
		case genuine:
			return th, false
		case refused:
			// What another role sent is no forgery; it is only not ours to
			// follow here.
			if _, _, _, sent := a.sent(t, id); !sent {
				tokenRefused = true
			}
		}
	}
	// A mail of ours that came back begins or continues its own thread.
	if th, _, v := t.readMessageID(r, m.MessageID); v == genuine {
		if from, ok := a.roleOf(m.From.Address); ok && from == r {
			return th, false
		}
	}
	return "", tokenRefused
}

// sent tells which role sent the mail with this Message-ID, if any.
func (a *Adapter) sent(t tokens, id string) (r role, thread, key string, ok bool) {
	for _, r := range a.roles {
		if thread, key, v := t.readMessageID(r, id); v == genuine {
			return r, thread, key, true
		}
	}
	return role{}, "", "", false
}

// outcomes makes a report into news of the delivery, one for each recipient
// that it speaks of; nothing where the report is not about a mail that we can
// prove to be ours. Being read is being delivered.
func (a *Adapter) outcomes(t tokens, room role, m *message) []chat.Event {
	_, thread, key, ok := a.sent(t, m.DSN.MessageID)
	if !ok {
		return nil
	}
	var events []chat.Event
	for i, r := range m.DSN.Reports {
		o := &chat.Outcome{
			Meta: chat.Meta{
				Room: room.room, Thread: thread, ID: m.EventID, At: m.Date,
				From: chat.Account{Network: "mail", ID: m.From.Address, Name: m.From.Name, Handle: m.From.Address, Bot: true},
			},
			Key:       key,
			RemoteID:  strings.ToLower(m.DSN.MessageID),
			Recipient: r.address(),
			State:     r.state(),
		}
		if i > 0 {
			o.Revision = strconv.Itoa(i)
		}
		switch {
		case m.DSN.Receipt:
			o.State = chat.Delivered
			if o.Recipient == "" {
				o.Recipient = m.From.Address
			}
		case o.State == "":
			continue
		case o.State == chat.Failed || o.State == chat.Delayed:
			o.Reason = reason(r.Status, r.Diagnostic)
		}
		events = append(events, o)
	}
	return events
}

// account is the sender. A mail without a usable one gets an identity of its
// own, with no @ in it, so that two unknown senders are never one person.
func (a *Adapter) account(m *message, in arrival) chat.Account {
	addr := m.From.Address
	if addr == "" {
		sum := sha256.Sum256([]byte(m.EventID))
		return chat.Account{Network: "mail", ID: "unknown-" + hex.EncodeToString(sum[:8]), Name: m.From.Name}
	}
	return chat.Account{
		Network: "mail",
		ID:      addr,
		Name:    m.From.Name,
		Handle:  addr,
		Proved:  proved(in.raw, addr, a.cfg.AuthservID),
	}
}

// public gives the addresses of a header, each once, with our reply addresses
// as the role addresses that they stand for: a token is nobody's business and
// no participant.
func (a *Adapter) public(list []address) []string {
	var out []string
	for _, addr := range bare(list) {
		if r, ok := a.roleOf(addr); ok {
			addr = r.address()
		}
		if !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out
}

// bare gives the addresses alone, without empty ones.
func bare(list []address) []string {
	var out []string
	for _, addr := range list {
		if addr.Address != "" {
			out = append(out, addr.Address)
		}
	}
	return out
}
