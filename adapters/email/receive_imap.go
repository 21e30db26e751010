package email

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"permanence/bot/chat"
)

const (
	// imapTimeout is for a command, imapFetchTimeout for a whole mail. The
	// commands of go-imap have neither context nor deadline: closing the
	// connection is what ends them.
	imapTimeout      = time.Minute
	imapFetchTimeout = 10 * time.Minute
	// pollInterval is for servers without IDLE.
	pollInterval = time.Minute
	// batchMails and batchBytes bound what is given to Handle at once.
	batchMails = 20
	batchBytes = 8 << 20
	// cutSize is how much is read of a mail that is too large, in bytes.
	cutSize = 256 << 10
	// fetchTries is how often a mail is asked for before the next one is; a
	// server that says that its trouble will pass gets patientTries.
	fetchTries   = 3
	patientTries = 10
)

// folder reads the mailbox's folder; it outlives connections.
type folder struct {
	a *Adapter
	h chat.Handler
	t tokens

	last  cursor
	start start
	// failed counts how often a mail could not be fetched.
	failed map[imap.UID]int
	// caughtUp: the last connection got so far.
	caughtUp bool
}

// start remembers the first look into the folder, so that what lay there then
// is still none of ours when the server renumbers the folder: of the mails up
// to Validity and UID, those that arrived before Since are left alone. Other
// mails are ours whatever their date says (clocks differ, and people move old
// mails into the folder for us).
type start struct {
	Since time.Time `json:"since"`
	// Validity and UID are the cursor of the last mail that was in the folder
	// when it was renumbered.
	Validity uint32   `json:"validity,omitempty"`
	UID      imap.UID `json:"uid,omitempty"`
}

// excludes tells whether a mail was in the folder before our time.
func (s start) excludes(c cursor, arrived time.Time) bool {
	return c.validity == s.Validity && c.uid <= s.UID && !arrived.IsZero() && arrived.Before(s.Since.Truncate(time.Second))
}

// cursor is how far the folder has been read. UIDs grow within one validity
// (RFC 9051 section 2.3.1.1).
type cursor struct {
	validity uint32
	uid      imap.UID
}

func (c cursor) String() string { return fmt.Sprintf("%d:%d", c.validity, c.uid) }

func parseCursor(s string) (c cursor, ok bool) {
	v, u, ok := strings.Cut(s, ":")
	validity, err1 := strconv.ParseUint(v, 10, 32)
	uid, err2 := strconv.ParseUint(u, 10, 32)
	if !ok || err1 != nil || err2 != nil {
		return cursor{}, false
	}
	return cursor{uint32(validity), imap.UID(uid)}, true
}

// cursorName is the folder's: another folder, user or server starts anew.
func (a *Adapter) cursorName() string {
	host, _, _ := net.SplitHostPort(a.cfg.IMAP.Server)
	return "imap " + a.cfg.IMAP.User + "@" + host + "/" + a.cfg.IMAP.Folder
}

// startKey names the start in State; keys are short, so it is a hash.
func (a *Adapter) startKey() string {
	sum := sha256.Sum256([]byte(a.cursorName()))
	return "imap-start-" + hex.EncodeToString(sum[:8])
}

// readMailbox reads the folder until ctx ends, reconnecting as often as needed.
func (a *Adapter) readMailbox(ctx context.Context, h chat.Handler, t tokens) {
	b := &folder{a: a, h: h, t: t, failed: make(map[imap.UID]int)}
	pauses := a.pauses()
	cut := false
	for {
		err := b.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		a.env.Log.Error("the mailbox cannot be read; it is tried again", "server", a.cfg.IMAP.Server, "err", err)
		if b.caughtUp {
			pauses.Reset()
			cut, b.caughtUp = false, false
		}
		if !cut {
			cut = true
			if a.tell(ctx, h, chat.Cursor{}, imapReason(a.cfg.IMAP, err), chat.Cut) != nil {
				return
			}
		}
		if !pause(ctx, pauses) {
			return
		}
	}
}

// connection lives as long as one connection; it always ends with an error.
func (b *folder) connection(ctx context.Context) error {
	news := make(chan struct{}, 1)
	c, err := dialIMAP(ctx, b.a.cfg.IMAP, &imapclient.UnilateralDataHandler{
		Mailbox: func(*imapclient.UnilateralDataMailbox) {
			select {
			case news <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()

	selected, err := examine(c, b.a.cfg.IMAP)
	if err != nil {
		return err
	}
	if err := b.begin(ctx, c, selected); err != nil {
		return err
	}
	if err := b.sync(ctx, c); err != nil {
		return err
	}
	if err := b.a.tell(ctx, b.h, chat.Cursor{}, chat.Text{}, chat.CaughtUp); err != nil {
		return err
	}
	b.caughtUp = true
	for {
		if err := b.wait(ctx, c, news); err != nil {
			return err
		}
		if err := b.sync(ctx, c); err != nil {
			return err
		}
	}
}

// begin finds out from where to read, and tells that we are connected.
func (b *folder) begin(ctx context.Context, c *imapclient.Client, sel *imap.SelectData) error {
	a, name := b.a, b.a.cursorName()
	stored, err := a.env.State.Cursor(ctx, name)
	if err != nil {
		return fmt.Errorf("read how far the mailbox was read: %w", err)
	}
	if err := b.loadStart(ctx); err != nil {
		return err
	}
	last, known := parseCursor(stored)
	b.last = cursor{validity: sel.UIDValidity}
	switch {
	case known && last.validity == sel.UIDValidity:
		b.last = last
	case known:
		// The server renumbered (RFC 9051 section 2.3.1.1). All is read again;
		// what is known already is recognised by its event ID.
		a.env.Log.Warn("the mail server renumbered the folder; it is read again", "folder", a.cfg.IMAP.Folder)
		clear(b.failed)
		newest, err := b.newest(c, sel)
		if err != nil {
			return err
		}
		b.start.Validity, b.start.UID = sel.UIDValidity, newest
		if err := b.storeStart(ctx); err != nil {
			return err
		}
	case !a.cfg.IMAP.Existing:
		if b.last.uid, err = b.newest(c, sel); err != nil {
			return err
		}
		b.start = start{Since: a.now()}
		if err := b.storeStart(ctx); err != nil {
			return err
		}
		a.env.Log.Info("first look into the folder: what is there stays there, only new mails are taken",
			"folder", a.cfg.IMAP.Folder, "left", sel.NumMessages)
	}
	return a.tell(ctx, b.h, chat.Cursor{Name: name, Value: b.last.String()}, chat.Text{}, chat.Connected)
}

// newest is the UID of the folder's last mail, or a higher one.
func (b *folder) newest(c *imapclient.Client, sel *imap.SelectData) (imap.UID, error) {
	if sel.UIDNext > 0 {
		return sel.UIDNext - 1, nil
	}
	// RFC 3501 section 6.3.1 lets a server leave UIDNEXT out.
	uids, err := b.search(c)
	if err != nil || len(uids) == 0 {
		return 0, err
	}
	return uids[len(uids)-1], nil
}

func (b *folder) loadStart(ctx context.Context) error {
	v, err := b.a.env.State.Get(ctx, b.a.startKey())
	if err != nil {
		return fmt.Errorf("read when the mailbox was first read: %w", err)
	}
	b.start = start{}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(v, &b.start); err != nil {
		return fmt.Errorf("read when the mailbox was first read: %w", err)
	}
	return nil
}

func (b *folder) storeStart(ctx context.Context) error {
	v, err := json.Marshal(b.start)
	if err == nil {
		err = b.a.env.State.Put(ctx, b.a.startKey(), v)
	}
	if err != nil {
		return fmt.Errorf("store when the mailbox was first read: %w", err)
	}
	return nil
}

// wait returns when there may be news, at the latest after a.idle.
func (b *folder) wait(ctx context.Context, c *imapclient.Client, news <-chan struct{}) error {
	hasIdle := c.Caps().Has(imap.CapIdle) || c.Caps().Has(imap.CapIMAP4rev2)
	most := b.a.idle
	if !hasIdle {
		most = min(most, pollInterval)
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	listen := func() error {
		select {
		case <-news:
		case <-timer.C:
		case <-c.Closed():
			return errors.New("the server closed the connection")
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}
	if hasIdle {
		done := bounded(c, imapTimeout)
		idle, err := c.Idle()
		done()
		if err != nil {
			return fmt.Errorf("idle: %w", err)
		}
		err = listen()
		defer bounded(c, imapTimeout)()
		if closeErr := idle.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
		if err := idle.Wait(); err != nil {
			return fmt.Errorf("idle: %w", err)
		}
		return nil
	}
	if err := listen(); err != nil {
		return err
	}
	defer bounded(c, imapTimeout)()
	return c.Noop().Wait()
}

// sync reads every mail after the cursor.
func (b *folder) sync(ctx context.Context, c *imapclient.Client) error {
	uids, err := b.search(c)
	if err != nil {
		return err
	}
	var (
		events []chat.Event
		size   int64
		mails  int
		last   = b.last
	)
	flush := func() error {
		if last == b.last {
			return nil
		}
		err := b.a.handle(ctx, b.h, events, chat.Cursor{Name: b.a.cursorName(), Value: last.String()})
		if err == nil {
			b.last, events, size, mails = last, nil, 0, 0
		}
		return err
	}
	for _, uid := range uids {
		in, err := b.fetch(c, uid)
		switch {
		case err != nil && b.giveUp(uid, err):
			b.a.env.Log.Error("a mail cannot be fetched; it is left in the mailbox and the next one is read", "uid", uid, "err", err)
			events = append(events, b.unfetched(uid, err))
		case err != nil:
			// What came before is kept; this one is asked for again.
			return errors.Join(fmt.Errorf("fetch mail %d: %w", uid, err), flush())
		case in != nil:
			events = append(events, b.a.events(b.t, *in)...)
			size += int64(len(in.raw))
			mails++
		}
		last.uid = uid
		delete(b.failed, uid)
		if mails >= batchMails || size >= batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// search gives the UIDs after the cursor, in order.
func (b *folder) search(c *imapclient.Client) ([]imap.UID, error) {
	defer bounded(c, imapTimeout)()
	var set imap.UIDSet
	set.AddRange(b.last.uid+1, 0) // 0 is "*"
	data, err := c.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
	if err != nil {
		return nil, fmt.Errorf("search new mails: %w", err)
	}
	// "n:*" holds the last mail even where its UID is below n.
	uids := slices.DeleteFunc(data.AllUIDs(), func(u imap.UID) bool { return u <= b.last.uid })
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// fetch reads a mail; nil where it is none of ours: deleted, or older than our
// first look into the folder.
func (b *folder) fetch(c *imapclient.Client, uid imap.UID) (*arrival, error) {
	done := bounded(c, imapTimeout)
	facts, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, RFC822Size: true,
	}).Collect()
	done()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(facts, func(m *imapclient.FetchMessageBuffer) bool { return m.UID == uid })
	if i < 0 {
		return nil, nil // expunged meanwhile
	}
	if slices.Contains(facts[i].Flags, imap.FlagDeleted) {
		return nil, nil
	}
	if b.start.excludes(b.last.with(uid), facts[i].InternalDate) {
		return nil, nil
	}
	section := &imap.FetchItemBodySection{Peek: true}
	in := &arrival{}
	if most := b.a.cfg.MaxSize; facts[i].RFC822Size > most {
		section.Partial = &imap.SectionPartial{Offset: 0, Size: cutSize}
		mib := (facts[i].RFC822Size + 1<<20 - 1) >> 20
		in.note = chat.Text{
			FR: fmt.Sprintf("Ce courriel de %d Mio dépasse la limite de %d Mio : seul son début a été lu, le reste est dans la boîte aux lettres.", mib, most>>20),
			EN: fmt.Sprintf("This mail of %d MiB is above the limit of %d MiB: only its beginning was read, the rest is in the mailbox.", mib, most>>20),
		}
	}
	defer bounded(c, imapFetchTimeout)()
	bodies, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
		UID: true, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	if err != nil {
		return nil, err
	}
	for _, m := range bodies {
		for _, s := range m.BodySection {
			if len(s.Bytes) > 0 {
				in.raw = s.Bytes
				return in, nil
			}
		}
	}
	return nil, errors.New("the server gives no content")
}

// giveUp counts a failure to fetch and tells whether to go on without the mail.
func (b *folder) giveUp(uid imap.UID, err error) bool {
	b.failed[uid]++
	var imapErr *imap.Error
	if errors.As(err, &imapErr) {
		switch imapErr.Code {
		case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit, imap.ResponseCodeServerBug:
			return b.failed[uid] >= patientTries
		}
	}
	return b.failed[uid] >= fetchTries
}

// unfetched stands for a mail that the server does not give.
func (b *folder) unfetched(uid imap.UID, err error) chat.Event {
	id := "imap-" + b.last.with(uid).String()
	text := chat.Text{
		FR: fmt.Sprintf("Un courriel n’a pas pu être lu : il est resté dans la boîte aux lettres (dossier %s, message %d). Ouvrez-la pour le lire.", b.a.cfg.IMAP.Folder, uid),
		EN: fmt.Sprintf("A mail could not be read: it is still in the mailbox (folder %s, message %d). Open the mailbox to read it.", b.a.cfg.IMAP.Folder, uid),
	}
	return &chat.Posted{
		Meta: chat.Meta{
			Room: b.a.roles[0].room, ID: id, At: b.a.now(),
			From: chat.Account{Network: "mail", ID: "unknown-" + id},
		},
		Text: "⚠️ " + text.FR + " / " + text.EN,
		Mail: &chat.MailIn{Automatic: "unfetched"},
	}
}

func (c cursor) with(uid imap.UID) cursor { return cursor{c.validity, uid} }
