package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// envelope is what a mail needs besides itself.
type envelope struct {
	Adapter string `json:"adapter"`
	From    string `json:"from"` // empty: a bounce
	To      string `json:"to"`
}

const (
	// spoolEvery is how often the running program looks for mails that were
	// spooled just before it listened.
	spoolEvery = time.Minute
	doorWait   = 10 * time.Second
)

// deliver hands a mail to an adapter by LMTP. An *smtp.SMTPError is the
// adapter's answer; any other error means that it could not be asked.
func deliver(ctx context.Context, door string, env envelope, mail io.Reader) error {
	d := net.Dialer{Timeout: doorWait}
	conn, err := d.DialContext(ctx, "unix", door)
	if err != nil {
		return err
	}
	c := smtp.NewClientLMTP(conn)
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := c.Hello("localhost"); err != nil {
		return err
	}
	if err := c.Mail(env.From, nil); err != nil {
		return err
	}
	if err := c.Rcpt(env.To, nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, mail); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		var perRecipient smtp.LMTPDataError
		if errors.As(err, &perRecipient) {
			for _, e := range perRecipient {
				return e
			}
		}
		return err
	}
	_ = c.Quit() // the mail is theirs already
	return nil
}

// spool keeps a mail on disk until the program runs: a line of JSON, then the
// mail. When it returns nil the mail survives a power cut.
func spool(dir string, env envelope, mail io.Reader) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := filepath.Join(dir, fmt.Sprintf("%d-%s", time.Now().UnixMilli(), newToken()))
	f, err := os.OpenFile(name+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(name+".part"))
		}
	}()
	if err := json.NewEncoder(f).Encode(env); err != nil {
		return err
	}
	if _, err := io.Copy(f, mail); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(name+".part", name+".mail"); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// emptySpool hands spooled mails to their adapters until ctx ends.
func (a *App) emptySpool(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		names, err := filepath.Glob(filepath.Join(a.paths.spool(), "*.mail"))
		if err != nil {
			return err // the pattern is ours: it cannot be wrong
		}
		next := spoolEvery
		for _, name := range names { // oldest first
			if err := a.deliverSpooled(ctx, name); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				a.log.Warn("a spooled mail waits", "file", name, "err", err)
				next = 2 * time.Second // the adapter is about to listen
			}
		}
		t.Reset(next)
	}
}

// deliverSpooled hands one mail over and removes it. A mail that the adapter
// refuses for good is kept under another name, for a person to look at.
func (a *App) deliverSpooled(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	env, mail, err := readSpooled(f)
	if err == nil {
		err = deliver(ctx, a.paths.door(env.Adapter), env, mail)
	}
	var refusal *smtp.SMTPError
	switch {
	case err == nil:
		return os.Remove(name)
	case errors.As(err, &refusal) && refusal.Code >= 500, errors.Is(err, errSpoolFile):
		a.log.Error("a spooled mail was refused and is kept for you to look at", "file", name+".refused", "err", err)
		return os.Rename(name, name+".refused")
	}
	return err
}

var errSpoolFile = errors.New("not a spooled mail")

// readSpooled reads the first line, and gives the mail after it.
func readSpooled(f *os.File) (envelope, io.Reader, error) {
	var env envelope
	d := json.NewDecoder(f)
	if err := d.Decode(&env); err != nil {
		return env, nil, fmt.Errorf("%w: %w", errSpoolFile, err)
	}
	rest := io.MultiReader(d.Buffered(), f)
	var newline [1]byte
	if _, err := io.ReadFull(rest, newline[:]); err != nil || newline[0] != '\n' {
		return env, nil, errSpoolFile
	}
	return env, rest, nil
}

// mailAdapterFor chooses the adapter to which an address belongs: the one that
// has it as an intake, with or without a token behind the local part; else the
// one with an intake of its domain.
func mailAdapterFor(l *Loaded, address string) (string, bool) {
	local, domain, ok := strings.Cut(strings.ToLower(address), "@")
	if !ok {
		return "", false
	}
	best, found := "", 0
	for p, use := range l.plan.sides {
		a, _ := l.Adapters.find(p.Adapter)
		if use.side != "intake" || !a.Network.mail {
			continue
		}
		l, d, _ := strings.Cut(strings.ToLower(p.Room), "@")
		score := 0
		switch {
		case d != domain:
		case l == local:
			score = 3
		case strings.HasPrefix(local, l) && len(local) > len(l):
			score = 2
		default:
			score = 1
		}
		if score > found {
			best, found = p.Adapter, score
		}
	}
	return best, found > 0
}
