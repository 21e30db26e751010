package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"permanence/bot/chat"
	"permanence/tickets"
)

// ErrFileWanted means that a file's bytes are still being fetched.
var ErrFileWanted = errors.New("the file is still being fetched")

// perform does one delivery: it finds what it is about at this link, asks
// degrade for the next best thing, and has the adapter do it.
func (l *lane) perform(ctx context.Context, d *Delivery) (chat.Receipt, error) {
	a := l.b.opt.Adapters[l.adapter]
	if a == nil {
		return chat.Receipt{}, unknownAdapter(l.adapter)
	}
	p, err := d.Payload()
	if err != nil {
		return chat.Receipt{}, &chat.Error{Kind: chat.Permanent, Err: err}
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
			w.was = l.mark(*d)
		}
	case Say:
		if p.ReplyTo != 0 {
			if ids, err := l.remotes(ctx, p.ReplyTo); err == nil && len(ids) > 0 {
				w.replyTo = ids[0]
			}
		}
	}
	ops := degrade(w)
	var total chat.Receipt
	for i, op := range ops {
		try := chat.Try{Key: d.Key, Attempt: d.Attempts}
		if i > 0 {
			try.Key += "-" + string(rune('a'+i%26))
		}
		if say, ok := op.(chat.Say); ok {
			done := d.Remotes()
			try.PartsDone, try.Done = len(done), done
			if err := l.open(ctx, d, &say); err != nil {
				return total, err
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
		ids = l.made[p.TargetDelivery]
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
	if ids := l.entries[entry]; ids != nil {
		return ids, nil
	}
	return l.b.opt.Source.Remotes(ctx, l.id, entry)
}

// mark is the emoji of ours that stands now.
func (l *lane) mark(d Delivery) string {
	if was, ok := l.marks[d.Slot]; ok {
		return was
	}
	return d.Parts
}

// open makes the files of a Say readable and its mail's envelope name the
// recipients still open.
func (l *lane) open(ctx context.Context, d *Delivery, say *chat.Say) error {
	files := make([]chat.File, len(say.Content.Files))
	for i, f := range say.Content.Files {
		id := tickets.ID(f.ID)
		r, err := l.b.opt.Source.OpenFile(ctx, id)
		if errors.Is(err, ErrFileWanted) {
			return &chat.Error{Kind: chat.Temporary, Err: err, Reason: chat.Text{
				FR: "le fichier « " + f.Name + " » est en train d’arriver",
				EN: "the file “" + f.Name + "” is still on its way here"}}
		} else if err != nil {
			return err
		}
		r.Close()
		f.Open = func() (io.ReadCloser, error) { return l.b.opt.Source.OpenFile(ctx, id) }
		files[i] = f
	}
	say.Content.Files = files
	if say.Content.Mail == nil {
		return nil
	}
	over, ok := l.finished[d.ID]
	if !ok {
		over = map[string]bool{}
		if d.Attempts > 1 {
			rs, err := l.b.opt.Source.Recipients(ctx, d.ID)
			if err != nil {
				return err
			}
			for _, r := range rs {
				over[r.Address] = r.State == chat.Accepted || r.State == chat.Delivered || r.State == chat.Failed
			}
		}
	}
	m := *say.Content.Mail
	m.Envelope = nil
	for _, to := range append(append([]string{}, m.To...), m.Cc...) {
		if !strings.EqualFold(to, m.From) && !over[strings.ToLower(to)] {
			m.Envelope = append(m.Envelope, to)
		}
	}
	say.Content.Mail = &m
	return nil
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
