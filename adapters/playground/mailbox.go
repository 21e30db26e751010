package playground

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"permanence/bot/chat"
)

// maxMail is the largest mail that the mailbox takes, in bytes.
const maxMail = 16 << 20

// MailboxOptions say how the mailbox sends.
type MailboxOptions struct {
	// Submit is the host:port of the SMTP server to which mails written here
	// are given.
	Submit string
	// Domain is the EHLO name and the right side of Message-IDs, by default
	// customers.example.
	Domain string
	Log    *slog.Logger
}

// Mailbox is everybody's post office: an SMTP server that takes every mail for
// anyone and keeps it in the network's journal, and a client that sends what
// is written on the page.
type Mailbox struct {
	net  *Network
	opts MailboxOptions

	mu      sync.Mutex
	refused map[string]*smtp.SMTPError // by recipient; "" for every mail after its data
	drop    int                        // answers to lose after the final dot
}

// NewMailbox makes the mailbox of net; Serve starts its server.
func NewMailbox(net *Network, opts MailboxOptions) *Mailbox {
	if opts.Domain == "" {
		opts.Domain = "customers.example"
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Mailbox{net: net, opts: opts, refused: make(map[string]*smtp.SMTPError)}
}

// Serve takes mail on ln until ctx ends; it closes ln.
func (b *Mailbox) Serve(ctx context.Context, ln net.Listener) error {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{box: b, conn: c.Conn()}, nil
	}))
	server.Domain = b.opts.Domain
	server.MaxMessageBytes = maxMail
	server.MaxRecipients = 1000
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.EnableSMTPUTF8 = true
	server.ErrorLog = smtpLog{b.opts.Log}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(ln)
	if ctx.Err() != nil || errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve playground mailbox: %w", err)
}

type smtpLog struct{ log *slog.Logger }

func (l smtpLog) Printf(format string, v ...any) { l.log.Warn("smtp: " + fmt.Sprintf(format, v...)) }
func (l smtpLog) Println(v ...any)               { l.log.Warn("smtp: " + fmt.Sprintln(v...)) }

// Refuse makes the server answer code and text to a recipient (RCPT), or after
// the data of every mail where address is empty; code 0 ends it.
func (b *Mailbox) Refuse(address string, code int, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	address = strings.ToLower(address)
	if code == 0 {
		delete(b.refused, address)
		return
	}
	b.refused[address] = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// DropAnswers cuts the connection after the next count mails have been kept,
// instead of answering 250.
func (b *Mailbox) DropAnswers(count int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop = count
}

func (b *Mailbox) refusal(address string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.refused[strings.ToLower(address)]; e != nil {
		return e
	}
	return nil
}

// mailSession is one SMTP connection to the mailbox.
type mailSession struct {
	box        *Mailbox
	conn       net.Conn
	sender     string
	recipients []string
}

func (s *mailSession) Reset()        { s.sender, s.recipients = "", nil }
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.sender = strings.ToLower(from)
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.box.refusal(to); err != nil {
		return err
	}
	s.recipients = append(s.recipients, strings.ToLower(to))
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.box.refusal(""); err != nil {
		return err
	}
	m := parseMail(raw)
	m.Sender, m.Recipients = s.sender, slices.Clone(s.recipients)
	if _, err := s.box.net.addMail(kindMail, m, raw); err != nil {
		s.box.opts.Log.Error("mail not kept", "err", err)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Cannot keep this mail now"}
	}
	s.box.mu.Lock()
	drop := s.box.drop > 0
	if drop {
		s.box.drop--
	}
	s.box.mu.Unlock()
	if drop {
		// The other side cannot know that we kept it.
		s.conn.Close()
		return errCut
	}
	return nil
}

// addMail keeps a mail and its original, from which attachments are read.
func (n *Network) addMail(kind Kind, m Mail, raw []byte) (Mail, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m = m.light()
	rec, err := n.commit(Record{Kind: kind, Mail: &m, Data: raw})
	if err != nil {
		return Mail{}, err
	}
	m.ID, m.Seq, m.At, m.Written = rec.ID, rec.Seq, time.UnixMilli(rec.At).UTC(), kind == kindWritten
	return m, nil
}

// Mails gives all mails, oldest first, without the bytes of attachments.
func (n *Network) Mails() []Mail {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Mail, len(n.mails))
	for i, m := range n.mails {
		out[i] = *m
	}
	return out
}

// Mail gives one mail with its attachments, and its original.
func (n *Network) Mail(id string) (m Mail, raw []byte, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, have := range n.mails {
		if have.ID == id {
			m = *have
			m.Files = parseMail(n.data[id]).Files
			return m, n.data[id], true
		}
	}
	return Mail{}, nil, false
}

// light leaves the bytes of attachments out.
func (m *Mail) light() Mail {
	c := *m
	c.Files = slices.Clone(m.Files)
	for i := range c.Files {
		c.Files[i].Data = nil
	}
	return c
}

// Letter is a mail to be written by a person of the playground.
type Letter struct {
	By      string   `json:"by"` // account with an address
	To      []string `json:"to"`
	Cc      []string `json:"cc,omitempty"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	// Answers is the ID of the mail that this one answers: subject, recipient
	// (Reply-To before From) and threading follow from it where they are empty.
	Answers string     `json:"answers,omitempty"`
	Files   []MailFile `json:"files,omitempty"`
}

// Write sends a letter by SMTP and keeps it with its fate. An error means that
// it was not even tried; a refusal is in Code and Answer.
func (b *Mailbox) Write(ctx context.Context, l Letter) (Mail, error) {
	m, err := b.draft(l)
	if err != nil {
		return Mail{}, err
	}
	raw, err := composeMail(&m)
	if err != nil {
		return Mail{}, fmt.Errorf("compose mail: %w", err)
	}
	m.Code, m.Answer = b.submit(ctx, m.Sender, m.Recipients, raw)
	// From here on it is shown, not sent: without encoded words.
	m.From, m.To, m.Cc = decodeHeader(m.From), addresses(strings.Join(m.To, ", ")), addresses(strings.Join(m.Cc, ", "))
	return b.net.addMail(kindWritten, m, raw)
}

func (b *Mailbox) draft(l Letter) (Mail, error) {
	a, ok := b.net.Account(l.By)
	if !ok || a.Address == "" {
		return Mail{}, refuse(chat.Permanent, "ce compte n’a pas d’adresse", "this account has no address")
	}
	m := Mail{At: b.net.now(), Sender: a.Address, From: (&mail.Address{Name: a.Name, Address: a.Address}).String(),
		Subject: strings.TrimSpace(l.Subject), Text: l.Text, Files: l.Files}
	var id [9]byte
	rand.Read(id[:])
	m.MessageID = hex.EncodeToString(id[:]) + "@" + b.opts.Domain
	for i := range m.Files {
		m.Files[i].Size = int64(len(m.Files[i].Data))
	}
	to := l.To
	if l.Answers != "" {
		answered, _, ok := b.net.Mail(l.Answers)
		if !ok {
			return Mail{}, refuse(chat.Gone, "le mail auquel vous répondez n’est plus là", "the mail you answer is not there any more")
		}
		m.InReplyTo = answered.MessageID
		m.References = append(slices.Clone(answered.References), answered.MessageID)
		if m.Subject == "" {
			m.Subject = "Re: " + answered.Subject
			if strings.HasPrefix(strings.ToLower(answered.Subject), "re:") {
				m.Subject = answered.Subject
			}
		}
		if len(to) == 0 {
			to = []string{first(answered.ReplyTo, answered.From)}
		}
	}
	var err error
	if m.To, err = m.address(to); err == nil {
		m.Cc, err = m.address(l.Cc)
	}
	if err != nil {
		return Mail{}, err
	}
	if len(m.Recipients) == 0 {
		return Mail{}, refuse(chat.Permanent, "à qui ce mail va-t-il ?", "to whom does this mail go?")
	}
	return m, nil
}

// address reads address lists into header form, and adds them to the envelope.
func (m *Mail) address(list []string) ([]string, error) {
	var out []string
	for _, s := range list {
		if strings.TrimSpace(s) == "" {
			continue
		}
		parsed, err := mail.ParseAddressList(s)
		if err != nil {
			return nil, refuse(chat.Permanent, "« "+s+" » n’est pas une adresse", "\""+s+"\" is no address")
		}
		for _, a := range parsed {
			out = append(out, a.String())
			if !slices.Contains(m.Recipients, strings.ToLower(a.Address)) {
				m.Recipients = append(m.Recipients, strings.ToLower(a.Address))
			}
		}
	}
	return out, nil
}

// submit gives a mail to the SMTP server and tells its answer: the one to the
// data, or the first refusal.
func (b *Mailbox) submit(ctx context.Context, from string, to []string, raw []byte) (code int, answer string) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", b.opts.Submit)
	if err != nil {
		b.opts.Log.Warn("mail not sent", "err", err)
		return 0, "injoignable / cannot be reached: " + b.opts.Submit
	}
	c := smtp.NewClient(conn)
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = 10*time.Second, 20*time.Second
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	answer, err = converse(c, b.opts.Domain, from, to, raw)
	if err == nil {
		return 250, answer
	}
	var refusal *smtp.SMTPError
	if errors.As(err, &refusal) {
		return refusal.Code, refusal.Message
	}
	return 0, err.Error()
}

func converse(c *smtp.Client, domain, from string, to []string, raw []byte) (string, error) {
	if err := c.Hello(domain); err != nil {
		return "", err
	}
	if err := c.Mail(from, nil); err != nil {
		return "", err
	}
	for _, r := range to {
		if err := c.Rcpt(r, nil); err != nil {
			return "", err
		}
	}
	w, err := c.Data()
	if err != nil {
		return "", err
	}
	if _, err := w.Write(raw); err != nil {
		return "", err
	}
	resp, err := w.CloseWithResponse()
	if err != nil {
		return "", err
	}
	// The outcome is known; QUIT is politeness.
	_ = c.Quit()
	return resp.StatusText, nil
}
