package email

import (
	"time"

	"permanence/bot/chat"
)

// address is one mailbox of a header.
type address struct {
	// Name is the display name, decoded; anybody may have written anything in
	// it, so it is never shown without Address.
	Name string
	// Address is lower-cased; empty where the header holds none that can be
	// used.
	Address string
}

// message is a mail as the rest of the adapter reads it.
type message struct {
	MessageID string // bare, without brackets; empty where missing or unusable
	Subject   string
	// From is who says to have written it. The address is empty ("unknown")
	// where the header is missing, unreadable or contradicts itself.
	From    address
	ReplyTo address
	Sender  address
	To, Cc  []address
	// References are bare Message-IDs, the nearest first: In-Reply-To, then
	// References from right to left, each once.
	References []string
	// Date is the header's; zero where missing or unreadable.
	Date time.Time
	// Text and Folded are Markdown: what was written, and the quotes and the
	// signature that were around it. Together they hold everything.
	Text, Folded string
	// Files have Ref "<raw hash>/<index>", to be opened with openPart.
	Files []chat.FileRef
	// Automatic names the header that gives a machine away, empty for people.
	Automatic string
	// DSN is the report of a delivery or of a reading, nil for other mails.
	DSN *dsn
	// RawHash is the lower-case hexadecimal SHA-256 of the bytes.
	RawHash string
	// EventID names this mail whichever road it came by: see eventID.
	EventID string
	// Delivered are the addresses that delivery agents noted (Delivered-To,
	// X-Original-To, Envelope-To, X-Envelope-To, X-Delivered-To), lower-cased,
	// each once.
	Delivered []string
	// ListID is the bare identifier of a mailing list (RFC 2919).
	ListID string
	// Problems are what the mail had wrong, for the log: "name: detail".
	Problems []string
}

// limits bound the work that a single mail can cause.
type limits struct {
	// Size in bytes of the whole mail; a larger one is not looked into.
	Size int64
	// Parts is the number of MIME parts, Multiparts that of containers: it
	// bounds their depth too, which the parser's time grows with.
	Parts, Multiparts int
	// Header in bytes: what is beyond is not read.
	Header int
	// Addresses in one header.
	Addresses int
	// Text in bytes of a body that is converted; what is beyond stays in the
	// original.
	Text int
}

// defaultLimits are generous to people and closed to bombs.
func defaultLimits() limits {
	return limits{
		Size:       64 << 20,
		Parts:      1000,
		Multiparts: 20,
		Header:     256 << 10,
		Addresses:  500,
		Text:       1 << 20,
	}
}

// orDefault replaces what is zero by the default.
func (l limits) orDefault() limits {
	d := defaultLimits()
	if l.Size <= 0 {
		l.Size = d.Size
	}
	if l.Parts <= 0 {
		l.Parts = d.Parts
	}
	if l.Multiparts <= 0 {
		l.Multiparts = d.Multiparts
	}
	if l.Header <= 0 {
		l.Header = d.Header
	}
	if l.Addresses <= 0 {
		l.Addresses = d.Addresses
	}
	if l.Text <= 0 {
		l.Text = d.Text
	}
	return l
}

func (m *message) problem(name, detail string) {
	const most = 20 // a hostile mail must not fill the log
	if len(m.Problems) < most {
		m.Problems = append(m.Problems, name+": "+detail)
	}
}

// fromEnvelope adds what the SMTP envelope tells: a mail with an empty return
// path is a machine's (RFC 3834 section 2; RFC 5321 section 4.5.5).
func (m *message) fromEnvelope(returnPath string) {
	if m.Automatic == "" && (returnPath == "" || returnPath == "<>") {
		m.Automatic = "Return-Path"
	}
}
