package email

import (
	"bufio"
	"bytes"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/jhillyerd/enmime/v2"

	"permanence/bot/chat"
	"permanence/internal/markup"
)

// dsn is what a report says about a mail: of its delivery (RFC 3464), or of
// its reading (RFC 8098). The embedded report is the first.
type dsn struct {
	report
	// Receipt: it tells of reading, not of delivery.
	Receipt bool
	// MessageID is the bare identifier of the mail that it is about, empty
	// where the report does not say. Anybody can write anything here: it
	// proves nothing by itself.
	MessageID string
	// Reports has one for each recipient, the first included.
	Reports []report
}

// report is the fate of one recipient.
type report struct {
	// Action is failed, delayed, delivered, relayed or expanded; for a
	// receipt, displayed or deleted.
	Action string
	// Status is the enhanced code (RFC 3463), as 5.1.1; may be missing.
	Status string
	// Diagnostic is what the other server said.
	Diagnostic string
	// Recipient is the final one; OriginalRecipient, where it is known, the
	// one that was written to. Lower-cased.
	Recipient, OriginalRecipient string
}

// state is the report in the words of chat.Outcome; empty where nothing
// follows from it.
func (r report) state() string {
	switch r.Action {
	case "failed":
		return chat.Failed
	case "delayed":
		return chat.Delayed
	case "delivered":
		return chat.Delivered
	case "relayed", "expanded":
		return chat.Accepted
	}
	return ""
}

// address is whom we wrote to, as far as it is known.
func (r report) address() string {
	if r.OriginalRecipient != "" {
		return r.OriginalRecipient
	}
	return r.Recipient
}

// maxReports are read from one mail.
const maxReports = 100

// readDSN reads a multipart/report; nil where the mail is none.
func readDSN(t *tree) *dsn {
	if t.root == nil || t.root.ContentType != "multipart/report" && !hasStatus(t.parts) {
		return nil
	}
	d := &dsn{}
	for _, p := range t.parts {
		switch p.ContentType {
		case "message/delivery-status", "message/global-delivery-status":
			d.readStatus(partBytes(p))
		case "message/disposition-notification", "message/global-disposition-notification":
			d.Receipt = true
			d.readReceipt(partBytes(p))
		case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "message/rfc822-headers":
			if d.MessageID == "" {
				d.MessageID = returnedID(partBytes(p))
			}
		}
	}
	if len(d.Reports) == 0 {
		return nil
	}
	d.report = d.Reports[0]
	return d
}

// hasStatus says that there is a status without a multipart/report around it.
func hasStatus(parts []*enmime.Part) bool {
	for _, p := range parts {
		if p.ContentType == "message/delivery-status" {
			return true
		}
	}
	return false
}

func partBytes(p *enmime.Part) []byte {
	const most = 256 << 10 // headers are all that is read
	content := p.Content
	if len(content) > most {
		content = content[:most]
	}
	return decodeTransfer(content, p.Header.Get("Content-Transfer-Encoding"))
}

// groups reads the blocks of fields of a status (RFC 3464 section 2.1).
func groups(content []byte) []textproto.MIMEHeader {
	content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
	var out []textproto.MIMEHeader
	for block := range bytes.SplitSeq(content, []byte("\n\n")) {
		if len(bytes.TrimSpace(block)) == 0 || len(out) > maxReports {
			continue
		}
		block = bytes.TrimLeft(block, "\n")
		h, _ := enmime.ReadHeader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(block), "\n\n"...))), ignore{})
		out = append(out, h)
	}
	return out
}

func (d *dsn) readStatus(content []byte) {
	for _, h := range groups(content) {
		if id := bareID(h.Get("X-Original-Message-Id")); id != "" && d.MessageID == "" {
			d.MessageID = id // some Microsoft servers
		}
		r := report{
			Action:            strings.ToLower(oneLine(cutRemark(h.Get("Action")), 20)),
			Status:            enhanced.FindString(h.Get("Status")),
			Recipient:         typed(h.Get("Final-Recipient")),
			OriginalRecipient: typed(h.Get("Original-Recipient")),
		}
		_, diagnostic, ok := strings.Cut(h.Get("Diagnostic-Code"), ";")
		if !ok {
			diagnostic = h.Get("Diagnostic-Code")
		}
		r.Diagnostic = oneLine(decodeWords(diagnostic), 500)
		if r.Action == "" {
			if r.Recipient == "" || r.Status == "" {
				continue // the block about the message
			}
			r.Action = actionOf(r.Status)
		}
		if len(d.Reports) < maxReports {
			d.Reports = append(d.Reports, r)
		}
	}
}

// readReceipt reads the one block of a disposition notification.
func (d *dsn) readReceipt(content []byte) {
	blocks := groups(content)
	if len(blocks) == 0 {
		return
	}
	h := blocks[0]
	if id := bareID(h.Get("Original-Message-Id")); id != "" {
		d.MessageID = id
	}
	_, what, _ := strings.Cut(h.Get("Disposition"), ";")
	what, _, _ = strings.Cut(what, "/")
	if what = strings.ToLower(oneLine(what, 20)); what == "" {
		what = "displayed"
	}
	d.Reports = append(d.Reports, report{
		Action:            what,
		Recipient:         typed(h.Get("Final-Recipient")),
		OriginalRecipient: typed(h.Get("Original-Recipient")),
	})
}

// typed gives the address of "rfc822; a@b".
func typed(field string) string {
	if _, address, ok := strings.Cut(field, ";"); ok {
		field = address
	}
	return parseAddress(oneLine(cutRemark(field), maxAddress)).Address
}

func cutRemark(s string) string {
	s, _, _ = strings.Cut(s, "(")
	return s
}

// returnedID finds the Message-ID in the headers that a report returns.
func returnedID(content []byte) string {
	header, _ := cutHeader(bytes.TrimLeft(content, "\r\n"))
	h, _ := enmime.ReadHeader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(header), "\r\n\r\n"...))), ignore{})
	return bareID(h.Get("Message-Id"))
}

func actionOf(status string) string {
	switch {
	case strings.HasPrefix(status, "5"):
		return "failed"
	case strings.HasPrefix(status, "4"):
		return "delayed"
	case strings.HasPrefix(status, "2"):
		return "delivered"
	}
	return ""
}

var (
	enhanced      = regexp.MustCompile(`\b[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)
	proseSubject  = regexp.MustCompile(`(?i)undeliver|delivery (?:status|failure|has failed|delayed)|failure notice|returned mail|mail delivery|non remis|échec|echec de|remise retard|non distribu|unzustellbar`)
	proseReturned = regexp.MustCompile(`(?im)^[> \t]*message-id:[ \t]*(?:\r?\n[ \t]+)?(<[^<>\s]{3,400}>)`)
	proseAddress  = regexp.MustCompile(`(?m)<?([A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9.-]{1,200}\.[A-Za-z]{2,20})>?`)
	proseDelay    = regexp.MustCompile(`(?i)delayed|will (?:keep|continue|be) (?:trying|retr)|temporar|retardé|nouvel(?:le)?s? (?:essai|tentative)`)
	proseCode     = regexp.MustCompile(`\b[45][0-9][0-9][ -]#?[245]\.[0-9]{1,3}\.[0-9]{1,3}\b[^\n]*|\b[45][0-9][0-9] [^\n]{5,}`)
)

// proseDSN makes what it can of a report that is only a letter (qmail, old
// Exchange): it must come from a server and speak of a failure. What it does
// not say stays empty.
func proseDSN(from address, subject string, sections []section) *dsn {
	local, _, _ := strings.Cut(from.Address, "@")
	switch local {
	case "mailer-daemon", "postmaster", "":
	default:
		if !strings.Contains(strings.ToLower(from.Name), "mail delivery") {
			return nil
		}
	}
	var text string
	for _, s := range sections {
		text += s.plain + "\n"
		if s.plain == "" {
			text += markup.HTMLWords(s.html)
		}
	}
	if len(text) > 64<<10 {
		text = text[:64<<10]
	}
	if !proseSubject.MatchString(subject) && !strings.Contains(text, "qmail-send") {
		return nil
	}
	d := &dsn{report: report{Action: "failed", Status: enhanced.FindString(text)}}
	if d.Status != "" {
		d.Action = actionOf(d.Status)
	} else if proseDelay.MatchString(subject) || proseDelay.MatchString(text) {
		d.Action = "delayed"
	}
	d.Diagnostic = oneLine(proseCode.FindString(text), 500)
	if m := proseReturned.FindStringSubmatch(text); m != nil {
		d.MessageID = bareID(m[1])
	}
	for _, m := range proseAddress.FindAllStringSubmatch(text, 20) {
		if a := usableAddress(strings.TrimRight(m[1], ".")); a != "" && a != from.Address && a != d.MessageID {
			d.Recipient = a
			break
		}
	}
	d.Reports = []report{d.report}
	return d
}
