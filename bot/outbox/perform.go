package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"permanence/bot/chat"
	"permanence/tickets"
)

// ErrFileWanted means that a file's bytes are still being fetched.
var ErrFileWanted = errors.New("the file is still being fetched")

// perform does one delivery: it finds what it is about at this link, asks
// degrade for the next best thing, and has the adapter do it. An adapter that
// panics fails alone, and this delivery with it.
func (l *lane) perform(ctx context.Context, d *Delivery) (total chat.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			l.b.opt.Log.Error("outbox: adapter panicked", "adapter", l.adapter, "op", string(d.Op), "panic", p, "stack", string(debug.Stack()))
			err = &chat.Error{Kind: chat.Temporary, Err: fmt.Errorf("panic: %v", p), Reason: chat.Text{
				FR: "erreur du programme en parlant à « " + l.adapter + " »", EN: "an error of the program while talking to “" + l.adapter + "”"}}
		}
	}()
	a := l.b.opt.Adapters[l.adapter]
	if a == nil {
		return chat.Receipt{}, unknownAdapter(l.adapter)
	}
	p, err := d.Payload()
	if err != nil {
		return chat.Receipt{}, &chat.Error{Kind: chat.Permanent, Err: err}
	}
	if p.Content == nil && (d.Op == Say || d.Op == Edit || d.Op == Card) {
		return chat.Receipt{}, erased()
	}
	place := l.link.Place()
	caps := a.Caps(place)
	w := want{kind: d.Op, place: place, caps: caps, payload: p}
	switch d.Op {
	case Edit, Delete, Mark, Pin, Card:
		w.targets, err = l.targets(ctx, p)
		if err != nil {
			return chat.Receipt{}, err
		}
		if d.Op == Mark {
			w.was = l.stands(*d)
		}
	case Say:
		if p.ReplyTo != 0 {
			if ids, err := l.remotes(ctx, p.ReplyTo); err == nil && len(ids) > 0 {
				w.replyTo = ids[0]
			}
		}
	}
	ops := degrade(w)
	for i, op := range ops {
		try := chat.Try{Key: tryKey(d, i), Attempt: d.Attempts}
		if say, ok := op.(chat.Say); ok {
			done := d.Remotes()
			try.PartsDone, try.Done = len(done), done
			left, err := l.open(ctx, d, &say)
			if err != nil {
				return total, err
			}
			if !left {
				return receiptOf(done), nil
			}
			op = say
		}
		r, err := a.Do(ctx, op, try)
		if err != nil {
			var e *chat.Error
			if d.Op == Mark && errors.As(err, &e) && (e.Kind == chat.Gone || e.Kind == chat.Permanent) {
				continue // a mark on a message that is gone
			}
			return total, err
		}
		if i == 0 || len(r.Parts) > 0 {
			total = r
		}
	}
	return total, nil
}

// targets are the remote messages that an edit, deletion, mark or pin is
// about. None at all is permanent: it was never said here.
func (l *lane) targets(ctx context.Context, p Payload) ([]string, error) {
	var ids []string
	var err error
	switch {
	case p.Remote != "":
		ids = []string{p.Remote}
	case p.TargetDelivery != 0:
		ids = l.made(p.TargetDelivery)
		if ids == nil {
			ids, err = l.b.opt.Source.DeliveryRemotes(ctx, p.TargetDelivery)
		}
	case p.Target != 0:
		ids, err = l.remotes(ctx, p.Target)
	}
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, &chat.Error{Kind: chat.Permanent, Err: errors.New("its target was never said here"), Reason: chat.Text{
			FR: "le message concerné n’est pas ici", EN: "the message concerned is not here"}}
	}
	return ids, nil
}

func (l *lane) remotes(ctx context.Context, entry tickets.ID) ([]string, error) {
	l.b.mu.Lock()
	by := l.said[entry]
	l.b.mu.Unlock()
	if ids := l.made(by); ids != nil {
		return ids, nil
	}
	return l.b.opt.Source.Remotes(ctx, l.id, entry)
}

// made are the remote IDs that a delivery said, nil where the database knows.
func (l *lane) made(id tickets.ID) []string {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if m := l.known[id]; m != nil {
		return m.made
	}
	return nil
}

// stands is the emoji of ours that stands now.
func (l *lane) stands(d Delivery) string {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if m := l.known[d.ID]; m != nil && m.marked {
		return m.mark
	}
	return d.Parts
}

// open makes the files of a Say readable and its mail's envelope name the
// recipients still open; left is false where there are none.
func (l *lane) open(ctx context.Context, d *Delivery, say *chat.Say) (left bool, err error) {
	files := make([]chat.File, len(say.Content.Files))
	for i, f := range say.Content.Files {
		id := tickets.ID(f.ID)
		r, err := l.b.opt.Source.OpenFile(ctx, id)
		if errors.Is(err, ErrFileWanted) {
			return false, &chat.Error{Kind: chat.Temporary, Err: err, Reason: chat.Text{
				FR: "le fichier « " + f.Name + " » est en train d’arriver",
				EN: "the file “" + f.Name + "” is still on its way here"}}
		} else if err != nil {
			return false, err
		}
		r.Close()
		f.Open = func() (io.ReadCloser, error) { return l.b.opt.Source.OpenFile(ctx, id) }
		files[i] = f
	}
	say.Content.Files = files
	if say.Content.Mail == nil {
		return true, nil
	}
	over, err := l.finished(ctx, d)
	if err != nil {
		return false, err
	}
	m := *say.Content.Mail
	m.Envelope = nil
	for _, to := range slices.Concat(m.To, m.Cc) {
		open := !strings.EqualFold(to, m.From) && !over[strings.ToLower(to)]
		if open && !slices.ContainsFunc(m.Envelope, func(s string) bool { return strings.EqualFold(s, to) }) {
			m.Envelope = append(m.Envelope, to)
		}
	}
	say.Content.Mail = &m
	// To an adapter an empty envelope means everybody; here it means nobody.
	return len(m.Envelope) > 0 || len(over) == 0, nil
}

// finished are the recipients that need no attempt any more, in lower case:
// read once, then kept up by the receipts.
func (l *lane) finished(ctx context.Context, d *Delivery) (map[string]bool, error) {
	l.b.mu.Lock()
	m := l.memory(d.ID)
	l.b.mu.Unlock()
	if m.finished != nil {
		return m.finished, nil
	}
	rs, err := l.b.opt.Source.Recipients(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	over := map[string]bool{}
	for _, r := range rs {
		if r.State == chat.Accepted || r.State == chat.Delivered || r.State == chat.Failed {
			over[strings.ToLower(r.Address)] = true
		}
	}
	l.b.mu.Lock()
	m.finished = over
	l.b.mu.Unlock()
	return over, nil
}

// receiptOf is the receipt of what earlier attempts said.
func receiptOf(ids []string) chat.Receipt {
	var r chat.Receipt
	for _, id := range ids {
		r.Parts = append(r.Parts, chat.Part{ID: id})
	}
	return r
}

func erased() error {
	return &chat.Error{Kind: chat.Permanent, Err: errors.New("the payload has no content"), Reason: chat.Text{
		FR: "le texte a été effacé avant de partir", EN: "the text was erased before it left"}}
}

// decodeText reads a chat.Text stored as JSON.
func decodeText(s string) chat.Text {
	var t chat.Text
	_ = json.Unmarshal([]byte(s), &t)
	return t
}

// ReasonText gives the reason of the last failure.
func (d *Delivery) ReasonText() chat.Text { return decodeText(d.Reason) }

// SetReason stores it.
func (d *Delivery) SetReason(t chat.Text) {
	b, _ := json.Marshal(t)
	d.Reason = string(b)
}
