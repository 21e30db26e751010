package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/internal/failpoint"
	"permanence/tickets"
)

// awayPause is how long a lane waits before it asks again for a database or a
// lease that is away.
const awayPause = time.Second

// attempt performs one delivery once. ok is false when nothing was tried.
func (l *lane) attempt(ctx, send context.Context, d Delivery) (res Result, ok bool) {
	b := l.b
	if b.opt.MayStart != nil && !b.opt.MayStart() {
		l.sleep(ctx, awayPause, nil)
		return Result{}, false
	}
	if err := l.read(ctx); err != nil {
		b.opt.Log.Warn("outbox: read link", "link", l.id, "err", err)
		l.sleep(ctx, awayPause, nil)
		return Result{}, false
	}
	if waitsForRoot(*l.link, d.ID) {
		if !l.link.Gone {
			return Result{}, false
		}
		return Result{Delivery: d, Err: rootGone(), Final: true}, true
	}
	// The first attempt was counted in the transaction that made the row
	// ready; the others are counted before dialling.
	b.mu.Lock()
	again := l.known[d.ID] != nil && l.known[d.ID].tried == d.Revision
	b.mu.Unlock()
	if again || d.Attempts == 0 {
		d.Attempts++
		if err := b.opt.Source.CountAttempt(ctx, d.ID, d.Attempts); err != nil {
			b.opt.Log.Warn("outbox: count attempt", "delivery", d.ID, "err", err)
			l.sleep(ctx, awayPause, nil)
			return Result{}, false
		}
	}
	b.mu.Lock()
	l.memory(d.ID).tried = d.Revision
	b.mu.Unlock()
	failpoint.Hit("outbox.before-send")
	receipt, err := l.perform(send, &d)
	failpoint.Hit("outbox.after-send")
	res = Result{Delivery: d, Receipt: receipt}
	if err != nil {
		res.Err = chat.AsError(err)
		res.Receipt = res.Err.Receipt
		ids := partIDs(res.Receipt)
		if send.Err() != nil && len(ids)+len(res.Receipt.Recipients) == 0 {
			return Result{}, false // cut by the end of the program
		}
		if len(ids) > 0 && d.Op.IsText() {
			res.Delivery.SetRemotes(ids)
		}
		decide(&res)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		l.remember(d, receipt)
	} else if m := l.memory(d.ID); d.Op == Mark && m.marked {
		p, _ := d.Payload() // it may stand all the same
		if !slices.Contains(strings.Fields(m.mark), p.Emoji) {
			m.mark = strings.TrimSpace(m.mark + " " + p.Emoji)
		}
	}
	l.recipients(d, res.Receipt)
	return res, true
}

// read has the link ready. What the lane knows of it is newer than the row,
// except while it waits for the root.
func (l *lane) read(ctx context.Context) error {
	l.b.mu.Lock()
	have := l.link != nil && !(l.stale && l.link.Rootless)
	l.stale = false
	l.b.mu.Unlock()
	if have {
		return nil
	}
	link, err := l.b.opt.Source.Link(ctx, l.id)
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if err != nil {
		l.stale = true
		return err
	}
	l.link = &link
	return nil
}

// recipients keeps which recipients of a mail need no further attempt; mu is
// held.
func (l *lane) recipients(d Delivery, r chat.Receipt) {
	for _, to := range r.Recipients {
		if to.Temporary || to.State == "" {
			continue
		}
		m := l.memory(d.ID)
		if m.finished == nil {
			m.finished = map[string]bool{}
		}
		m.finished[strings.ToLower(to.Address)] = true
	}
}

// remember keeps what was said until it is on disk; mu is held.
func (l *lane) remember(d Delivery, r chat.Receipt) {
	m := l.memory(d.ID)
	switch d.Op {
	case Mark:
		p, _ := d.Payload()
		m.marked, m.mark = true, p.Emoji
	case Say:
		m.made = partIDs(r)
		if d.Entry != 0 {
			m.entry = d.Entry
			l.said[d.Entry] = d.ID
		}
		link := *l.link
		if link.Rootless && link.Root == d.ID {
			link.Thread = ThreadOf(r)
			link.Rootless = false
		} else if link.Thread == "" && r.Thread != "" {
			link.Thread = r.Thread // the first mail of a link opens its thread
		}
		l.link = &link
	case Direct:
		link := *l.link
		link.Room = r.Room
		link.Rootless = false
		l.link = &link
	}
}

// decide sets whether and when a failed delivery is tried again.
func decide(res *Result) {
	switch res.Err.Kind {
	case chat.Permanent, chat.Gone:
		res.Final = true
		return
	case chat.Absent:
		return // parked by the decider until Joined
	}
	wait := backoff(res.Delivery.Attempts, res.Err.Kind)
	if res.Err.RetryAfter > 0 {
		wait = res.Err.RetryAfter
	}
	res.Again = tickets.At(time.Now().Add(wait))
	if up := res.Delivery.GiveUpAt; up != 0 && res.Again > up {
		res.Final = true
	}
}

// backoff doubles from one second to ten minutes, jittered by a half; a
// missing right is asked for less often.
func backoff(attempt int, kind chat.Kind) time.Duration {
	d := time.Second << min(max(attempt-1, 0), 10)
	if kind == chat.Unauthorised {
		d = max(d, 15*time.Second)
	}
	d = min(d, 10*time.Minute)
	return d/2 + rand.N(d/2+1)
}

// ThreadOf is the thread that a receipt's message opens.
func ThreadOf(r chat.Receipt) string {
	if r.Thread != "" {
		return r.Thread
	}
	if len(r.Parts) > 0 {
		return r.Parts[0].ID
	}
	return ""
}

func partIDs(r chat.Receipt) []string {
	ids := make([]string, len(r.Parts))
	for i, p := range r.Parts {
		ids[i] = p.ID
	}
	return ids
}

func unknownAdapter(name string) error {
	return &chat.Error{Kind: chat.Permanent, Err: fmt.Errorf("no adapter %q", name), Reason: chat.Text{
		FR: "la configuration ne connaît plus l’adaptateur « " + name + " »",
		EN: "the configuration no longer knows the adapter “" + name + "”",
	}}
}

func rootGone() *chat.Error {
	return &chat.Error{Kind: chat.Gone, Err: errors.New("the root of the link was given up"), Reason: chat.Text{
		FR: "le fil n’a pas pu être ouvert à cet endroit",
		EN: "the thread could not be opened there",
	}}
}
