package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// stateOf reads a state event of a room into content; one that is not there
// leaves it as it is.
func (l *link) stateOf(ctx context.Context, rid id.RoomID, kind event.Type, content any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := l.client.MakeRequest(ctx, http.MethodGet, l.client.BuildClientURL("v3", "rooms", rid, "state", kind.Type, ""), nil, content)
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// setState writes a state event of a room.
func (l *link) setState(ctx context.Context, rid id.RoomID, kind event.Type, content any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := l.client.MakeRequest(ctx, http.MethodPut, l.client.BuildClientURL("v3", "rooms", rid, "state", kind.Type, ""), content, nil)
	return err
}

// topicContent is a room's topic. The richer form of it is left out when we
// write: it would say the old text.
type topicContent struct {
	Topic string `json:"topic"`
}

// topic replaces our segment of a room's topic.
func (a *Adapter) topic(ctx context.Context, l *link, rid id.RoomID, text string) error {
	defer a.locks.lock(rid)()
	var now topicContent
	if err := l.stateOf(ctx, rid, event.StateTopic, &now); err != nil {
		return err
	}
	next := newTopic(now.Topic, text)
	if next == now.Topic {
		return nil
	}
	return l.setState(ctx, rid, event.StateTopic, topicContent{next})
}

// pin pins a message or takes the pin back.
func (a *Adapter) pin(ctx context.Context, l *link, rid id.RoomID, target id.EventID, on bool) error {
	defer a.locks.lock(rid)()
	var now event.PinnedEventsEventContent
	if err := l.stateOf(ctx, rid, event.StatePinnedEvents, &now); err != nil {
		return err
	}
	if slices.Contains(now.Pinned, target) == on {
		return nil
	}
	next := event.PinnedEventsEventContent{Pinned: slices.DeleteFunc(slices.Clone(now.Pinned), func(p id.EventID) bool { return p == target })}
	if on {
		next.Pinned = append(next.Pinned, target)
	}
	if next.Pinned == nil {
		next.Pinned = []id.EventID{}
	}
	return l.setState(ctx, rid, event.StatePinnedEvents, &next)
}

// fetch gives an older message to the handler.
func (a *Adapter) fetch(ctx context.Context, l *link, rid id.RoomID, target id.EventID) error {
	a.mu.Lock()
	r := a.running
	a.mu.Unlock()
	if r == nil {
		return &chat.Error{Kind: chat.Temporary, Reason: notRunning}
	}
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	evt, err := l.fetch(bounded, rid, target)
	if err != nil {
		return err
	}
	if evt.RoomID != rid {
		return &chat.Error{Kind: chat.Gone, Reason: chat.Text{FR: "ce message n’est pas dans ce salon", EN: "this message is not in this room"}}
	}
	rd := &reading{runner: r, l: l, batch: new(batch)}
	if evt.Type.Type == event.EventEncrypted.Type {
		if l.vault == nil {
			name, _ := a.book.nameOf(rid)
			return errEncrypted(name, canEncrypt)
		}
		if err := evt.Content.ParseRaw(event.EventEncrypted); err != nil {
			return refuse(chat.Permanent, "ce message ne peut pas être lu", "this message cannot be read")
		}
		if evt, err = l.vault.decrypt(ctx, evt); errors.Is(err, errNoKeys) {
			return refuse(chat.Temporary, "les clés de ce message manquent encore", "the keys of this message are still missing")
		} else if err != nil {
			return refuse(chat.Permanent, "ce message ne peut pas être déchiffré", "this message cannot be decrypted")
		}
	}
	e, err := rd.message(ctx, evt, true)
	if err != nil {
		return err
	}
	p, ok := e.(*chat.Posted)
	if !ok {
		return &chat.Error{Kind: chat.Gone, Reason: chat.Text{FR: "ce message a été retiré", EN: "this message has been taken back"}}
	}
	p.Revision = "fetched"
	return r.handler.Handle(ctx, []chat.Event{p}, chat.Cursor{})
}

// createMark is the part of a room's creation by which we know it again.
type createMark struct {
	Key string `json:"permanence_key"`
}

// openDirect finds the direct room with an account, or makes one.
func (a *Adapter) openDirect(ctx context.Context, l *link, with chat.Account, try chat.Try) (id.RoomID, error) {
	user := id.UserID(with.ID)
	if _, _, err := user.ParseAndValidateRelaxed(); err != nil || user == l.me {
		return "", refuse(chat.Permanent, with.ID+" n’est pas un compte Matrix", with.ID+" is no Matrix account")
	}
	defer a.locks.lock(id.RoomID("direct with " + user))()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	directs := make(event.DirectChatsEventContent)
	if err := l.client.GetAccountData(ctx, event.AccountDataDirectChats.Type, &directs); err != nil && statusOf(err) != http.StatusNotFound {
		return "", err
	}
	joined, err := l.client.JoinedRooms(ctx)
	if err != nil {
		return "", err
	}
	for _, rid := range slices.Backward(directs[user]) {
		if slices.Contains(joined.JoinedRooms, rid) && a.stillWith(ctx, l, rid, user) {
			return rid, nil
		}
	}
	rid, err := a.madeBefore(ctx, l, joined.JoinedRooms, user, directs, try)
	if err != nil {
		return "", err
	}
	if rid == "" {
		if rid, err = a.makeDirect(ctx, l, user, try.Key); err != nil {
			return "", err
		}
	}
	directs[user] = append(directs[user], rid)
	if err := l.client.SetAccountData(ctx, event.AccountDataDirectChats.Type, directs); err != nil {
		a.log.Warn("the list of direct rooms cannot be stored", "err", err) // it is found by its members
	}
	return rid, nil
}

// stillWith tells whether a room is still the conversation of somebody with us.
func (a *Adapter) stillWith(ctx context.Context, l *link, rid id.RoomID, user id.UserID) bool {
	if _, configured, err := a.meet(ctx, rid); err != nil || configured {
		return false
	}
	if err := a.askMembers(ctx, l, rid); err != nil {
		return false
	}
	r := a.book.look(rid)
	_, in := r.members[user]
	return in && len(r.members) == 2
}

// madeBefore looks for a room that an earlier attempt made, or that somebody
// else made for the two of us.
func (a *Adapter) madeBefore(ctx context.Context, l *link, joined []id.RoomID, user id.UserID, directs event.DirectChatsEventContent, try chat.Try) (id.RoomID, error) {
	others := make(map[id.RoomID]bool)
	for who, rooms := range directs {
		for _, rid := range rooms {
			others[rid] = who != user
		}
	}
	const most = 200 // rooms looked into
	for i, rid := range joined {
		if others[rid] || i >= most {
			continue
		}
		if _, configured, err := a.meet(ctx, rid); err != nil || configured {
			continue
		}
		if r := a.book.look(rid); r.members != nil {
			if _, in := r.members[user]; in && len(r.members) == 2 {
				return rid, nil
			}
		}
		if try.Attempt < 2 {
			continue
		}
		var create createMark
		if err := l.stateOf(ctx, rid, event.StateCreate, &create); err != nil {
			return "", err
		}
		if create.Key == try.Key && try.Key != "" {
			return rid, nil
		}
	}
	return "", nil
}

// makeDirect makes a room for two, encrypted where we can.
func (a *Adapter) makeDirect(ctx context.Context, l *link, user id.UserID, key string) (id.RoomID, error) {
	req := &mautrix.ReqCreateRoom{
		Preset: "trusted_private_chat", Visibility: "private", IsDirect: true, Invite: []id.UserID{user},
		CreationContent: map[string]any{"permanence_key": key},
	}
	if l.vault != nil {
		content, err := json.Marshal(event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1})
		if err != nil {
			return "", fmt.Errorf("make direct room: %w", err)
		}
		empty := ""
		req.InitialState = []*event.Event{{Type: event.StateEncryption, StateKey: &empty, Content: event.Content{VeryRaw: content}}}
	}
	made, err := l.client.CreateRoom(ctx, req)
	if err != nil {
		if s := statusOf(err); s == http.StatusForbidden || s == http.StatusNotFound || s == http.StatusBadRequest {
			return "", &chat.Error{Kind: chat.Gone, Err: err, Reason: chat.Text{
				FR: string(user) + " ne peut pas être invité dans un salon privé", EN: string(user) + " cannot be invited to a private room",
			}}
		}
		return "", err
	}
	a.book.update(made.RoomID, func(r *room) {
		r.joined, r.joinedKnown = true, true
		r.members = map[id.UserID]event.Membership{l.me: event.MembershipJoin, user: event.MembershipInvite}
	})
	return made.RoomID, nil
}
