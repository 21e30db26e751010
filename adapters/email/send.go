package email

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"permanence/bot/chat"
)

// sendTimeout bounds one submission; a server may take ten minutes after the
// final dot (RFC 5321 section 4.5.3.2.6).
const sendTimeout = 15 * time.Minute

// Do sends a mail; other operations do not exist here. Every attempt at a
// delivery has the same Message-ID and thread, so that who gets a mail twice,
// because the connection broke between the final dot and its answer, has a
// client that can show it once.
func (a *Adapter) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	say, ok := op.(chat.Say)
	if !ok {
		return chat.Receipt{}, permanent(nil,
			"un courriel ne peut être ni modifié, ni retiré, ni marqué une fois parti",
			"a mail cannot be changed, withdrawn or marked once it has left")
	}
	return a.say(ctx, say, try)
}

// letter is a mail that is ready to leave.
type letter struct {
	role      role
	thread    string
	messageID string
	to        []string // the envelope's recipients
	raw       []byte
}

func (a *Adapter) say(ctx context.Context, say chat.Say, try chat.Try) (chat.Receipt, error) {
	t, err := a.tokens(ctx)
	if err != nil {
		return chat.Receipt{}, err
	}
	l, err := a.write(t, say, try)
	if err != nil {
		return chat.Receipt{}, err
	}
	receipt := chat.Receipt{
		Parts:     []chat.Part{{ID: l.messageID, At: a.now()}},
		Thread:    l.thread,
		MessageID: l.messageID,
	}
	receipt.Recipients, err = a.submit(ctx, l)
	if err != nil {
		e := chat.AsError(err)
		e.Receipt = receipt
		return receipt, e
	}
	return receipt, a.verdict(receipt)
}

// verdict is nil where somebody got the mail and nobody is left to be tried.
func (a *Adapter) verdict(receipt chat.Receipt) error {
	var open, failed []chat.Recipient
	for _, r := range receipt.Recipients {
		switch {
		case r.Temporary:
			open = append(open, r)
		case r.State == chat.Failed:
			failed = append(failed, r)
		}
	}
	switch {
	case len(open) > 0:
		return &chat.Error{Kind: chat.Temporary, Receipt: receipt, Reason: open[0].Reason,
			Err: fmt.Errorf("%d of %d recipients must wait", len(open), len(receipt.Recipients))}
	case len(failed) == len(receipt.Recipients):
		return &chat.Error{Kind: chat.Permanent, Receipt: receipt, Reason: failed[0].Reason,
			Err: errors.New("all recipients were refused")}
	}
	return nil
}

// write composes the mail. What it refuses will never work.
func (a *Adapter) write(t tokens, say chat.Say, try chat.Try) (*letter, error) {
	m := say.Content.Mail
	if m == nil {
		return nil, permanent(errors.New("no mail envelope"),
			"ce message n’a pas de destinataire par courriel", "this message has no recipient by mail")
	}
	r, ok := a.roleNamed(say.Place.Room)
	from, fromOK := a.roleNamed(m.From)
	if !ok || m.From != "" && (!fromOK || from != r) {
		return nil, permanent(fmt.Errorf("from %q in room %q", m.From, say.Place.Room),
			"l’adresse d’expédition n’est pas une adresse de contact configurée ; une personne qui administre doit la rétablir dans la configuration",
			"the sending address is not a configured role address; an administrator must put it back into the configuration")
	}
	l := &letter{role: r, thread: say.Place.Thread}
	if l.thread == "" {
		l.thread = t.newThread(r, try.Key)
	}
	var err error
	if l.messageID, err = t.messageID(r, l.thread, try.Key); err != nil {
		return nil, permanent(err, "ce fil n’est pas un fil de courriel", "this thread is no mail thread")
	}
	if l.to = a.envelope(m); len(l.to) == 0 {
		return nil, permanent(errors.New("no recipient but ourselves"),
			"ce message n’a pas d’autre destinataire que nous-mêmes", "this message has no recipient but ourselves")
	}
	// Header fields name the role address as written in the configuration.
	c := composed{
		From: r.room, FromName: m.FromName, To: m.To, Cc: m.Cc,
		Subject: m.Subject, MessageID: l.messageID, InReplyTo: m.InReplyTo, References: m.References,
		Date: a.now(), Text: say.Content.Text, Quote: say.Content.Quote, Files: say.Content.Files,
		Automatic: m.Automatic, Lang: say.Content.Lang,
	}
	if replyTo, ok := t.replyAddress(r, l.thread); ok {
		c.ReplyTo = replyTo
	}
	var away error
	c.Files = watched(c.Files, &away)
	switch l.raw, err = compose(c); {
	case away != nil:
		return nil, fmt.Errorf("read a file to attach: %w", away)
	case err != nil:
		return nil, permanent(err,
			"ce courriel n’a pas pu être composé : il est vide, ou une adresse ou un fichier joint ne va pas",
			"this mail could not be composed: it is empty, or an address or an attached file is not right")
	}
	return l, nil
}

// watched notes an error of opening a file, which may pass, while other errors
// of compose stay.
func watched(files []chat.File, away *error) []chat.File {
	files = slices.Clone(files)
	for i, f := range files {
		if f.Open != nil {
			files[i].Open = func() (io.ReadCloser, error) {
				r, err := f.Open()
				if err != nil {
					*away = err
				}
				return r, err
			}
		}
	}
	return files
}

// roleNamed finds the role with exactly this address.
func (a *Adapter) roleNamed(addr string) (role, bool) {
	i := slices.IndexFunc(a.roles, func(r role) bool { return strings.EqualFold(r.room, addr) })
	if i < 0 {
		return role{}, false
	}
	return a.roles[i], true
}

// envelope gives the recipients of this attempt, each once, in the spelling
// that they were named with. Our own addresses stand in the header only: what
// we send need not come back.
func (a *Adapter) envelope(m *chat.Mail) []string {
	list := m.Envelope
	if len(list) == 0 {
		list = slices.Concat(m.To, m.Cc)
	}
	var out []string
	for _, addr := range list {
		if _, ours := a.roleOf(addr); ours {
			continue
		}
		if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, addr) }) {
			out = append(out, addr)
		}
	}
	return out
}

// submit gives the mail to the submission server and tells the fate of each
// recipient. An error is about all of them.
func (a *Adapter) submit(ctx context.Context, l *letter) ([]chat.Recipient, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	c, err := dialSMTP(ctx, a.cfg.SMTP)
	if err != nil {
		return nil, smtpFailure(a.cfg.SMTP, err)
	}
	defer c.close()

	if most, ok := c.MaxMessageSize(); ok && most > 0 && len(l.raw) > most {
		return nil, permanent(fmt.Errorf("%d bytes, the server takes %d", len(l.raw), most),
			fmt.Sprintf("ce courriel est trop gros (%d Mio) : le serveur d’envoi accepte au plus %d Mio ; partagez les fichiers par un lien", mib(len(l.raw)), most>>20),
			fmt.Sprintf("this mail is too large (%d MiB): the submission server takes %d MiB at most; share the files by a link", mib(len(l.raw)), most>>20))
	}
	// The role address is the envelope's sender too, so that reports of
	// failures come back to us.
	utf8 := !isASCII(l.role.room) || slices.ContainsFunc(l.to, func(s string) bool { return !isASCII(s) })
	if ok, _ := c.Extension("SMTPUTF8"); !ok {
		utf8 = false
	}
	err = c.Mail(l.role.room, &smtp.MailOptions{Size: int64(len(l.raw)), UTF8: utf8, Return: smtp.DSNReturnHeaders})
	if err != nil {
		return nil, senderFailure(l.role.room, err)
	}
	var fates []chat.Recipient
	accepted := 0
	for i, addr := range l.to {
		err := rcpt(c, addr, utf8)
		fates = append(fates, fate(addr, err))
		if err == nil {
			accepted++
			continue
		}
		var answer *smtp.SMTPError
		if errors.As(err, &answer) && answer.Code == 530 { // RFC 4954 section 6, RFC 3207 section 4
			return nil, senderFailure(l.role.room, err)
		}
		if answer == nil && !errors.Is(err, errAddress) || answer != nil && answer.Code == 421 {
			// The connection is gone; who was accepted before was not served.
			for _, rest := range l.to[i+1:] {
				fates = append(fates, fate(rest, err))
			}
			return settle(fates, err), nil
		}
	}
	if accepted == 0 {
		return fates, nil
	}
	return settle(fates, data(c, l.raw)), nil
}

// errAddress is for recipients that are none.
var errAddress = errors.New("not a mail address")

func rcpt(c *submission, addr string, utf8 bool) error {
	if i := strings.LastIndexByte(addr, '@'); i <= 0 || !isDomain(addr[i+1:]) || strings.ContainsAny(addr, "<> \t\r\n\x00") {
		return fmt.Errorf("%q: %w", addr, errAddress)
	}
	if !isASCII(addr) && !utf8 {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, Message: "the server does not take addresses with accents"}
	}
	// RFC 3461, where the server has it: reports of delays too, and with the
	// address that we wrote to, even if it was forwarded.
	opts := &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}}
	if isASCII(addr) {
		opts.OriginalRecipientType, opts.OriginalRecipient = smtp.DSNAddressTypeRFC822, addr
	}
	return c.Rcpt(addr, opts)
}

// data sends the mail itself; the answer to the final dot decides.
func data(c *submission, raw []byte) error {
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	return w.Close()
}

// settle gives those that were accepted the outcome of the mail.
func settle(fates []chat.Recipient, err error) []chat.Recipient {
	for i, f := range fates {
		if f.State == chat.Accepted {
			fates[i] = fate(f.Address, err)
		}
	}
	return fates
}

// fate is what became of a recipient. Without an answer of the server, nobody
// knows: it is tried again.
func fate(addr string, err error) chat.Recipient {
	var answer *smtp.SMTPError
	switch {
	case err == nil:
		return chat.Recipient{Address: addr, State: chat.Accepted}
	case errors.As(err, &answer):
		return chat.Recipient{
			Address: addr, State: chat.Failed,
			Temporary: answer.Temporary(),
			Reason:    reason(status(answer), answer.Message),
		}
	case errors.Is(err, errAddress):
		return chat.Recipient{Address: addr, State: chat.Failed, Reason: chat.Text{
			FR: fmt.Sprintf("« %s » n’est pas une adresse de courriel", addr),
			EN: fmt.Sprintf("“%s” is not a mail address", addr),
		}}
	}
	return chat.Recipient{Address: addr, State: chat.Failed, Temporary: true, Reason: chat.Text{
		FR: "la connexion au serveur d’envoi s’est rompue avant sa réponse",
		EN: "the connection to the submission server broke before its answer",
	}}
}

// status is the enhanced status code of an answer (RFC 3463); where the server
// gives none, what its reply code says in general.
func status(e *smtp.SMTPError) string {
	if c := e.EnhancedCode; c != smtp.EnhancedCodeNotSet && c != smtp.NoEnhancedCode {
		return fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2])
	}
	switch e.Code {
	case 550, 551, 553:
		return "5.1.1"
	case 552:
		return "5.3.4"
	case 452:
		return "4.3.1"
	}
	return fmt.Sprintf("%d.0.0", e.Code/100)
}

func permanent(err error, fr, en string) *chat.Error {
	return &chat.Error{Kind: chat.Permanent, Err: err, Reason: chat.Text{FR: fr, EN: en}}
}

// mib rounds bytes up to MiB.
func mib(n int) int { return (n + 1<<20 - 1) >> 20 }

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
