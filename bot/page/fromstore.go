package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/tickets"
)

// FromStore reads the pages from the bot's store, each in one snapshot.
func FromStore(s bot.Store) Source { return storeSource{s} }

type storeSource struct{ store bot.Store }

func (s storeSource) Ticket(ctx context.Context, id tickets.ID, w Window) (View, bool, error) {
	var v View
	err := s.store.View(ctx, func(tx bot.Tx) (err error) {
		r := reader{tx: tx, names: map[tickets.ID]string{}, links: map[tickets.ID]tickets.Link{}}
		v, err = r.ticket(id, w)
		return err
	})
	if errors.Is(err, bot.ErrNotFound) {
		return View{}, false, nil
	}
	if err != nil {
		return View{}, false, fmt.Errorf("read ticket #%d: %w", id, err)
	}
	return v, true, nil
}

func (s storeSource) File(ctx context.Context, id tickets.ID) (f tickets.File, ok bool, err error) {
	err = s.store.View(ctx, func(tx bot.Tx) (err error) {
		f, err = tx.File(id)
		return err
	})
	if errors.Is(err, bot.ErrNotFound) {
		return f, false, nil
	}
	return f, err == nil, err
}

func (s storeSource) FileByToken(ctx context.Context, hash string, now time.Time) (f tickets.File, ok bool, err error) {
	err = s.store.View(ctx, func(tx bot.Tx) (err error) {
		f, ok, err = tx.FileByToken(hash, tickets.At(now))
		return err
	})
	return f, ok && err == nil, err
}

func (s storeSource) OpenBlob(ctx context.Context, hash string) (io.ReadCloser, error) {
	r, err := s.store.OpenBlob(ctx, hash)
	if errors.Is(err, bot.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return r, err
}

// reader reads one ticket and asks for each person and link once.
type reader struct {
	tx    bot.Tx
	names map[tickets.ID]string
	links map[tickets.ID]tickets.Link
}

func (r reader) ticket(id tickets.ID, w Window) (v View, err error) {
	if v.Ticket, err = r.tx.Ticket(id); err != nil {
		return v, err
	}
	if v.Owner, err = r.name(v.Ticket.Owner); err != nil {
		return v, err
	}
	if v.Requester, err = r.person(v.Ticket.Requester, tickets.Requester); err != nil {
		return v, err
	}
	ps, err := r.tx.Participants(id)
	if err != nil {
		return v, err
	}
	for _, p := range ps {
		person, err := r.person(p.Person, p.Part)
		if err != nil {
			return v, err
		}
		v.People = append(v.People, person)
	}
	links, err := r.tx.TicketLinks(id)
	if err != nil {
		return v, err
	}
	for _, l := range links {
		r.links[l.ID] = l
	}
	all, err := r.tx.Entries(id)
	if err != nil {
		return v, err
	}
	end := len(all)
	if w.Before != 0 {
		if i := slices.IndexFunc(all, func(e tickets.Entry) bool { return e.ID >= w.Before }); i >= 0 {
			end = i
		}
	}
	start := max(0, end-w.Limit)
	v.Earlier, v.Later = start, len(all)-end
	for _, e := range all[start:end] {
		entry, err := r.entry(e)
		if err != nil {
			return v, fmt.Errorf("entry %d: %w", e.ID, err)
		}
		v.Entries = append(v.Entries, entry)
	}
	return v, nil
}

func (r reader) entry(e tickets.Entry) (Entry, error) {
	out := Entry{Entry: e}
	var err error
	if e.Name == "" {
		if out.Name, err = r.name(e.Author); err != nil {
			return out, err
		}
	}
	if out.From, err = r.where(e.Link); err != nil {
		return out, err
	}
	// A deleted message's files go with it.
	if !e.Deleted {
		if out.Files, err = r.tx.EntryFiles(e.ID); err != nil {
			return out, err
		}
	}
	var ds []outbox.Delivery
	switch e.Kind {
	case tickets.Reply:
		row, err := r.tx.Reply(e.ID)
		if err != nil && !errors.Is(err, bot.ErrNotFound) {
			return out, err
		}
		if err == nil {
			out.Reply = &row
		}
		if out.By, err = r.name(row.By); err != nil {
			return out, err
		}
		if out.Approved, err = r.name(row.Approved); err != nil {
			return out, err
		}
		if ds, err = r.tx.ReplyDeliveries(e.ID); err != nil {
			return out, err
		}
	case tickets.Auto:
		if ds, err = r.tx.EntryDeliveries(e.ID); err != nil {
			return out, err
		}
	}
	for _, d := range ds {
		if err := r.sends(&out, d); err != nil {
			return out, err
		}
	}
	return out, nil
}

// sends adds what became of a delivery. What goes to the team's own rooms is
// not worth telling here.
func (r reader) sends(e *Entry, d outbox.Delivery) error {
	if d.Op != outbox.Say || d.Entry != e.ID || d.State == outbox.Superseded {
		return nil
	}
	to, err := r.where(d.Link)
	if err != nil {
		return err
	}
	if to.Kind == "" || to.Kind == tickets.TeamLink {
		return nil
	}
	rs, err := r.tx.Recipients(d.ID)
	if err != nil {
		return err
	}
	if len(rs) == 0 {
		e.Sends = append(e.Sends, Send{To: to, State: sendState(d), Reason: d.ReasonText(), At: d.DoneAt})
	}
	for _, rc := range rs {
		s := Send{To: to, Person: rc.Address, State: SendState(rc.State), At: d.DoneAt}
		if s.State == "" {
			s.State = SendWaiting
		}
		if rc.Reason != "" {
			if json.Unmarshal([]byte(rc.Reason), &s.Reason) != nil {
				s.Reason = chat.Text{FR: rc.Reason, EN: rc.Reason}
			}
		}
		e.Sends = append(e.Sends, s)
	}
	return nil
}

func sendState(d outbox.Delivery) SendState {
	switch d.State {
	case outbox.Done:
		if d.Confirmed {
			return SendDelivered
		}
		return SendAccepted
	case outbox.Failed:
		return SendFailed
	case outbox.Stopped:
		return SendStopped
	case outbox.Ready:
		if d.Attempts > 1 {
			return SendDelayed
		}
	}
	return SendWaiting
}

func (r reader) where(link tickets.ID) (Where, error) {
	if link == 0 {
		return Where{}, nil
	}
	l, ok := r.links[link]
	if !ok {
		var err error
		l, err = r.tx.Link(link)
		if err != nil && !errors.Is(err, bot.ErrNotFound) {
			return Where{}, err
		}
		r.links[link] = l
	}
	return Where{Kind: l.Kind, Adapter: l.Adapter, Room: l.Room}, nil
}

// name is a person's name, or else what they are known by.
func (r reader) name(id tickets.ID) (string, error) {
	if id == 0 {
		return "", nil
	}
	if n, ok := r.names[id]; ok {
		return n, nil
	}
	p, err := r.person(id, "")
	if err != nil {
		return "", err
	}
	r.names[id] = p.Name
	return p.Name, nil
}

func (r reader) person(id tickets.ID, part tickets.Part) (Person, error) {
	p := Person{ID: id, Part: part}
	if id == 0 {
		return p, nil
	}
	row, err := r.tx.Person(id)
	if err != nil {
		if errors.Is(err, bot.ErrNotFound) {
			return p, nil
		}
		return p, err
	}
	p.Name = row.Name
	ids, err := r.tx.Identities(id)
	if err != nil {
		return p, err
	}
	for _, i := range ids {
		handle := i.Handle
		if handle == "" {
			handle = i.Account
		}
		if i.Network != "mail" {
			handle = i.Network + ":" + handle
		}
		p.Handles = append(p.Handles, handle)
	}
	if p.Name == "" && len(p.Handles) > 0 {
		p.Name = p.Handles[0]
	}
	return p, nil
}
