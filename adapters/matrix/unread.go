package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// maxUnread messages wait for their keys at most; of more the oldest are given
// up.
const maxUnread = 256

// maxCipher is the largest event in bytes that is kept while it waits; a
// larger one is fetched again.
const maxCipher = 6 << 10

// pending is an encrypted message whose keys have not come.
type pending struct {
	Room    id.RoomID       `json:"room"`
	ID      id.EventID      `json:"id"`
	Session id.SessionID    `json:"session"`
	Event   json.RawMessage `json:"event,omitempty"`
	// Hidden: nothing was told of it (an edit), so nothing is revealed.
	Hidden bool `json:"hidden,omitempty"`
}

// unlock decrypts an event. Where its keys are missing it is kept, and what is
// to be told meanwhile is returned.
func (rd *reading) unlock(ctx context.Context, evt *event.Event, backlog bool) (clear *event.Event, held chat.Event, err error) {
	if evt.Unsigned.RedactedBecause != nil && len(evt.Content.Raw) == 0 {
		return nil, nil, nil // gone before we came
	}
	evt.Type.Class = event.MessageEventType
	if evt.Content.Parsed == nil {
		if err := evt.Content.ParseRaw(event.EventEncrypted); err != nil {
			rd.log.Warn("strange encrypted event", "room", evt.RoomID, "event", evt.ID, "err", err)
			return nil, rd.unreadable(ctx, evt, backlog), nil
		}
	}
	if rd.l.vault == nil {
		return nil, rd.unreadable(ctx, evt, backlog), nil
	}
	clear, err = rd.l.vault.decrypt(ctx, evt)
	switch {
	case err == nil:
		return clear, nil, nil
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case !errors.Is(err, errNoKeys):
		// A replay, a forgery, a broken client: it will never be readable.
		rd.log.Warn("an encrypted message cannot be read", "room", evt.RoomID, "event", evt.ID, "err", err)
		if errors.Is(err, errReplayed) {
			return nil, nil, nil
		}
		return nil, rd.unreadable(ctx, evt, backlog), nil
	}
	session := evt.Content.AsEncrypted().SessionID
	rd.log.Info("the keys of a message are missing", "room", evt.RoomID, "event", evt.ID, "session", session)
	p := pending{Room: evt.RoomID, ID: evt.ID, Session: session, Hidden: isReplacement(evt)}
	if data, err := json.Marshal(evt); err == nil && len(data) <= maxCipher {
		p.Event = data
	}
	twice, err := rd.unread.find(ctx, func(x *pending) bool { return x.ID == evt.ID })
	if err != nil {
		return nil, nil, err
	}
	if len(twice) == 0 {
		gone, err := rd.unread.put(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		if gone != nil {
			rd.log.Warn("too many messages wait for their keys; one is given up", "room", gone.Room, "event", gone.ID)
		}
		rd.batch.after = append(rd.batch.after, func(ctx context.Context) { rd.l.vault.request(ctx, evt) })
	}
	if p.Hidden {
		return nil, nil, nil
	}
	return nil, rd.unreadable(ctx, evt, backlog), nil
}

// errReplayed: the same ciphertext came as another event.
var errReplayed = errors.New("encrypted message replayed")

func isReplacement(evt *event.Event) bool {
	rel := evt.Content.AsEncrypted().RelatesTo
	return rel.GetReplaceID() != ""
}

// unreadable is what is told of a message that cannot be read (yet).
func (rd *reading) unreadable(ctx context.Context, evt *event.Event, backlog bool) chat.Event {
	meta := rd.meta(ctx, evt, backlog)
	meta.Thread = string(threadOf(evt))
	rd.seen.saw(evt.RoomID, evt.ID, evt.Sender, id.EventID(meta.Thread))
	return &chat.Posted{Meta: meta, Unreadable: true}
}

// reveal reads the messages whose keys have come. At the start of a session
// all that wait are tried: the process may have ended between the two.
func (rd *reading) reveal(ctx context.Context) error {
	sessions := rd.l.vault.arrived()
	if len(sessions) == 0 && !rd.first {
		return nil
	}
	slots, err := rd.unread.find(ctx, func(p *pending) bool { return rd.first || slices.Contains(sessions, p.Session) })
	if err != nil {
		return err
	}
	for _, slot := range slots {
		p := rd.unread.values[slot].Value
		evt, err := rd.recall(ctx, p)
		if err != nil {
			return err
		}
		done := func(ctx context.Context) error { return rd.unread.remove(ctx, slot) }
		if evt == nil { // gone meanwhile
			rd.batch.stored = append(rd.batch.stored, done)
			continue
		}
		if _, _, err := rd.meet(ctx, p.Room); err != nil {
			return err
		}
		clear, err := rd.l.vault.decrypt(ctx, evt)
		if errors.Is(err, errNoKeys) || ctx.Err() != nil {
			continue
		}
		rd.batch.stored = append(rd.batch.stored, done)
		if err != nil {
			rd.log.Warn("an encrypted message cannot be read", "room", p.Room, "event", p.ID, "err", err)
			continue
		}
		e, err := rd.message(ctx, clear, false)
		if err != nil {
			return err
		}
		if posted, ok := e.(*chat.Posted); ok {
			posted.Revealed, posted.Revision = true, "revealed"
		}
		if e != nil {
			rd.batch.events = append(rd.batch.events, e)
		}
	}
	return nil
}

// recall gives the event of a message that waits, nil where it is gone.
func (rd *reading) recall(ctx context.Context, p pending) (*event.Event, error) {
	var evt *event.Event
	var err error
	if p.Event != nil {
		evt, err = decode(p.Event, p.Room)
	} else {
		bounded, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		if evt, err = rd.l.fetch(bounded, p.Room, p.ID); err != nil && statusOf(err) == 0 {
			return nil, err
		}
	}
	if err != nil || evt.RoomID != p.Room || evt.Content.ParseRaw(event.EventEncrypted) != nil {
		return nil, nil
	}
	return evt, nil
}
