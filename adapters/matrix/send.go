package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// Do performs one operation.
func (a *Adapter) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return chat.Receipt{}, err
	}
	l, err := a.session(ctx)
	if err != nil {
		return chat.Receipt{}, loginFailure(err)
	}
	receipt, err := a.perform(ctx, l, op, try)
	if err == nil {
		return receipt, nil
	}
	a.tokenGone(l, err)
	a.log.Debug("operation failed", "room", chat.PlaceOf(op).Room, "attempt", try.Attempt, "err", err)
	err = failure(err, chat.PlaceOf(op).Room)
	if len(receipt.Parts) > 0 {
		e := *chat.AsError(err)
		e.Receipt = receipt
		return chat.Receipt{}, &e
	}
	return chat.Receipt{}, err
}

// loginFailure makes of a failed login what the outbox needs.
func loginFailure(err error) error {
	var le *loginError
	if errors.As(err, &le) {
		return &chat.Error{Kind: chat.Unauthorised, Reason: le.reason, Err: err}
	}
	return failure(err, "")
}

// tokenGone forgets a link that the server does not know any more.
func (a *Adapter) tokenGone(l *link, err error) {
	if refusedLogin(err) {
		a.drop(l)
	}
}

func (a *Adapter) perform(ctx context.Context, l *link, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if open, ok := op.(chat.OpenDirect); ok {
		rid, err := a.openDirect(ctx, l, open.Account, try)
		if err != nil {
			return chat.Receipt{}, err
		}
		name, _ := a.book.nameOf(rid)
		return chat.Receipt{Room: name, Confirmed: true}, nil
	}
	rid, err := a.enter(ctx, l, chat.PlaceOf(op).Room)
	if err != nil {
		return chat.Receipt{}, err
	}
	receipt, err := a.inRoom(ctx, l, rid, op, try)
	if err == nil || ctx.Err() != nil {
		return receipt, err
	}
	if !a.outside(ctx, l, rid, err) {
		return receipt, err
	}
	// We may have been out of the room without having heard of it. Only a room
	// of the configuration is entered again.
	name, configured := a.book.nameOf(rid)
	if !configured {
		if codeOf(err) != "M_FORBIDDEN" {
			err = errOutside()
		}
		return receipt, err
	}
	if jerr := a.reenter(ctx, l, name, rid); jerr != nil {
		if codeOf(err) != "M_FORBIDDEN" {
			err = jerr // being out explains it
		}
		return receipt, err
	}
	for _, part := range receipt.Parts[min(len(try.Done), len(receipt.Parts)):] {
		try.Done = append(try.Done[:len(try.Done):len(try.Done)], part.ID)
	}
	try.PartsDone = max(try.PartsDone, len(try.Done))
	return a.inRoom(ctx, l, rid, op, try)
}

func (a *Adapter) inRoom(ctx context.Context, l *link, rid id.RoomID, op chat.Op, try chat.Try) (chat.Receipt, error) {
	done := chat.Receipt{Confirmed: true}
	switch op := op.(type) {
	case chat.Say:
		return a.say(ctx, l, rid, op, try)
	case chat.Edit:
		return a.edit(ctx, l, rid, op, try)
	case chat.Delete:
		for i, target := range op.Targets {
			if err := a.redact(ctx, l, rid, id.EventID(target), txn(try.Key, i)); err != nil {
				return chat.Receipt{}, err
			}
		}
		return done, nil
	case chat.React:
		return done, a.react(ctx, l, rid, id.EventID(op.Target), op.Emoji, try)
	case chat.Unreact:
		return done, a.unreact(ctx, l, rid, id.EventID(op.Target), op.Emoji, try)
	case chat.Topic:
		return done, a.topic(ctx, l, rid, op.Text)
	case chat.Pin:
		return done, a.pin(ctx, l, rid, id.EventID(op.Target), true)
	case chat.Unpin:
		return done, a.pin(ctx, l, rid, id.EventID(op.Target), false)
	case chat.Fetch:
		return chat.Receipt{}, a.fetch(ctx, l, rid, id.EventID(op.Target))
	}
	return chat.Receipt{}, refuse(chat.Permanent, "opération inconnue de Matrix", "operation unknown to Matrix")
}

// txn is the transaction ID of a part: the same in every attempt, so that a
// server that still knows it answers with the same event.
func txn(key string, part int) string { return key + "." + strconv.Itoa(part) }

// partOf is the reverse of txn.
func partOf(transaction, key string) (part int, ok bool) {
	number, ok := strings.CutPrefix(transaction, key+".")
	if !ok {
		return 0, false
	}
	part, err := strconv.Atoi(number)
	return part, err == nil && part >= 0
}

// say posts the parts that are not said yet: the text, then each file.
func (a *Adapter) say(ctx context.Context, l *link, rid id.RoomID, op chat.Say, try chat.Try) (chat.Receipt, error) {
	receipt := chat.Receipt{Confirmed: true, Thread: op.Place.Thread}
	for _, done := range try.Done {
		receipt.Parts = append(receipt.Parts, chat.Part{ID: done})
	}
	texts := contents(op.Content)
	total := len(texts) + len(op.Content.Files)
	next := max(try.PartsDone, len(try.Done))
	if next > total {
		return receipt, refuse(chat.Permanent, "plus de morceaux dits que le texte n’en a", "more parts said than the text has")
	}
	if try.Attempt > 1 && try.Key != "" && next < total {
		found, err := a.look(ctx, l, rid, try.Key, next, total)
		if err != nil {
			return receipt, err
		}
		receipt.Parts = append(receipt.Parts, found...)
		next += len(found)
	}
	if next == total {
		return receipt, nil
	}
	encryption, err := a.mayWrite(ctx, l, rid)
	if err != nil {
		return receipt, err
	}
	for i := next; i < total; i++ {
		var m *message
		if i < len(texts) {
			m = texts[i]
		} else if m, err = a.upload(ctx, l, op.Content.Files[i-len(texts)], encryption != nil); err != nil {
			return receipt, err
		}
		if i == 0 {
			relate(&m.MessageEventContent, id.EventID(op.Place.Thread), a.seen.lastOf(id.EventID(op.Place.Thread)), id.EventID(op.ReplyTo))
		} else {
			relate(&m.MessageEventContent, id.EventID(op.Place.Thread), a.seen.lastOf(id.EventID(op.Place.Thread)), "")
		}
		m.Key, m.Part = try.Key, i
		eid, err := a.put(ctx, l, rid, event.EventMessage, m, txn(try.Key, i), encryption)
		if err != nil {
			return receipt, err
		}
		a.seen.saw(rid, eid, l.me, id.EventID(op.Place.Thread))
		a.seen.said(try.Key, i, eid)
		receipt.Parts = append(receipt.Parts, chat.Part{ID: string(eid), At: time.Now().UTC()})
	}
	return receipt, nil
}

// mayWrite tells how a room is encrypted, and refuses to write in the clear
// where it is and we cannot.
func (a *Adapter) mayWrite(ctx context.Context, l *link, rid id.RoomID) (*event.EncryptionEventContent, error) {
	encryption, err := a.encryptionOf(ctx, l, rid)
	if err == nil && encryption != nil && l.vault == nil {
		name, _ := a.book.nameOf(rid)
		return nil, errEncrypted(name, canEncrypt)
	}
	return encryption, err
}

// put sends one event: a single request, unless keys have to be handed out.
func (a *Adapter) put(ctx context.Context, l *link, rid id.RoomID, kind event.Type, content any, transaction string, encryption *event.EncryptionEventContent) (id.EventID, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if encryption != nil {
		var err error
		content, err = l.vault.encrypt(ctx, rid, kind, content, func(ctx context.Context) ([]id.UserID, error) { return a.membersOf(ctx, l, rid) })
		if err != nil {
			return "", err
		}
		kind = event.EventEncrypted
	}
	resp, err := l.client.SendMessageEvent(ctx, rid, kind, content, mautrix.ReqSendEvent{TransactionID: transaction, DontEncrypt: true})
	if err != nil {
		return "", err
	}
	return resp.EventID, nil
}

// lookPages is how far back a message of ours is looked for, in pages of a
// hundred events.
const lookPages = 10

// look finds the parts from next on that were accepted without our learning of
// it: in memory, else in the room's history.
func (a *Adapter) look(ctx context.Context, l *link, rid id.RoomID, key string, next, total int) ([]chat.Part, error) {
	found := make(map[int]chat.Part)
	for part := next; part < total; part++ {
		if e, ok := a.seen.saidAs(key, part); ok {
			found[part] = chat.Part{ID: string(e)}
		}
	}
	from := ""
	for page := 0; page < lookPages && len(found) < total-next; page++ {
		raw, err := l.history(ctx, rid, from, "", 100)
		if err != nil {
			return nil, err
		}
		for _, evt := range a.decodeAll(raw.Chunk, rid) {
			if evt.Sender != l.me {
				continue
			}
			part, ok := partOf(evt.Unsigned.TransactionID, key)
			if !ok {
				m := a.ownMark(ctx, l, evt)
				part, ok = m.Part, m.Key == key
			}
			// Of two that are the same the older one is the one that others know.
			if ok && part >= next {
				found[part] = chat.Part{ID: string(evt.ID), At: at(evt)}
			}
		}
		if len(raw.Chunk) == 0 || raw.End == "" || raw.End == from {
			break
		}
		from = raw.End
	}
	var parts []chat.Part
	for part := next; part < total; part++ {
		p, ok := found[part]
		if !ok {
			break // a gap: what is behind it is said again by its key
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// ownMark reads the key of an event of ours, encrypted or not. A correction
// carries the key of its own delivery and is no part of another.
func (a *Adapter) ownMark(ctx context.Context, l *link, evt *event.Event) marked {
	if evt.Type.Type == event.EventEncrypted.Type && l.vault != nil && evt.Content.ParseRaw(event.EventEncrypted) == nil {
		if clear, err := l.vault.decrypt(ctx, evt); err == nil {
			evt = clear
		}
	}
	if evt.Type.Type != event.EventMessage.Type {
		return marked{}
	}
	return markOf(evt)
}

// edit gives the messages their new texts. Where there are fewer than before
// the last ones are taken back, where there are more they are said. Files stay
// as they are.
func (a *Adapter) edit(ctx context.Context, l *link, rid id.RoomID, op chat.Edit, try chat.Try) (chat.Receipt, error) {
	receipt := chat.Receipt{Confirmed: true, Thread: op.Place.Thread}
	if len(op.Targets) == 0 {
		return receipt, refuse(chat.Permanent, "rien à corriger", "nothing to edit")
	}
	encryption, err := a.mayWrite(ctx, l, rid)
	if err != nil {
		return receipt, err
	}
	texts := contents(op.Content)
	old, files := op.Targets, []string(nil)
	if n := len(old) - len(op.Content.Files); n >= 0 {
		old, files = old[:n], old[n:]
	}
	for i, target := range old {
		if i >= len(texts) {
			if err := a.redact(ctx, l, rid, id.EventID(target), txn(try.Key, i)); err != nil {
				return receipt, err
			}
			continue
		}
		texts[i].Key, texts[i].Part = "", 0 // it is no part of a delivery to be found
		if _, err := a.put(ctx, l, rid, event.EventMessage, replacing(texts[i], id.EventID(target)), txn(try.Key, i), encryption); err != nil {
			return receipt, err
		}
		receipt.Parts = append(receipt.Parts, chat.Part{ID: target})
	}
	for i := len(old); i < len(texts); i++ {
		m := texts[i]
		m.Key, m.Part = try.Key, i
		relate(&m.MessageEventContent, id.EventID(op.Place.Thread), a.seen.lastOf(id.EventID(op.Place.Thread)), "")
		e, err := a.put(ctx, l, rid, event.EventMessage, m, txn(try.Key, i), encryption)
		if err != nil {
			return receipt, err
		}
		receipt.Parts = append(receipt.Parts, chat.Part{ID: string(e), At: time.Now().UTC()})
	}
	for _, f := range files {
		receipt.Parts = append(receipt.Parts, chat.Part{ID: f})
	}
	return receipt, nil
}

// redact takes a message back; one that is gone already is no error.
func (a *Adapter) redact(ctx context.Context, l *link, rid id.RoomID, target id.EventID, transaction string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := l.client.RedactEvent(ctx, rid, target, mautrix.ReqRedact{TxnID: transaction})
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// react puts an emoji on a message, unless it is there.
func (a *Adapter) react(ctx context.Context, l *link, rid id.RoomID, target id.EventID, key string, try chat.Try) error {
	there, err := a.ourReactions(ctx, l, rid, target, key)
	if err != nil || len(there) > 0 {
		return err
	}
	content := &event.ReactionEventContent{RelatesTo: *(&event.RelatesTo{}).SetAnnotation(target, key)}
	e, err := a.put(ctx, l, rid, event.EventReaction, content, txn(try.Key, 0), nil) // never encrypted
	if codeOf(err) == "M_DUPLICATE_ANNOTATION" {
		return nil
	}
	if err == nil {
		a.seen.reacted(emoji{target, key}, e)
	}
	return err
}

// unreact takes all our emojis of one kind from a message.
func (a *Adapter) unreact(ctx context.Context, l *link, rid id.RoomID, target id.EventID, key string, try chat.Try) error {
	there, err := a.ourReactions(ctx, l, rid, target, key)
	if err != nil {
		return err
	}
	for i, e := range there {
		if err := a.redact(ctx, l, rid, e, txn(try.Key, i)); err != nil {
			return err
		}
		a.seen.unreacted(emoji{target, key}, e)
	}
	return nil
}

// relations is a piece of what relates to an event.
type relations struct {
	Chunk []json.RawMessage `json:"chunk"`
}

// ourReactions gives the events of our reactions of one kind on a message, from
// memory or else from the server.
func (a *Adapter) ourReactions(ctx context.Context, l *link, rid id.RoomID, target id.EventID, key string) ([]id.EventID, error) {
	if known := a.seen.reactions(emoji{target, key}); len(known) > 0 {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var got relations
	_, err := l.client.MakeRequest(ctx, http.MethodGet, l.client.BuildURLWithQuery(mautrix.ClientURLPath{
		"v1", "rooms", rid, "relations", target, string(event.RelAnnotation), event.EventReaction.Type,
	}, map[string]string{"limit": "100"}), nil, &got)
	if err != nil {
		return nil, err
	}
	var ours []id.EventID
	for _, evt := range a.decodeAll(got.Chunk, rid) {
		if evt.Sender != l.me || evt.Unsigned.RedactedBecause != nil || evt.Content.ParseRaw(event.EventReaction) != nil {
			continue
		}
		if rel := evt.Content.AsReaction().RelatesTo; rel.EventID == target && rel.Key == key {
			ours = append(ours, evt.ID)
		}
	}
	return ours, nil
}
