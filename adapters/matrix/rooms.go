package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// roomKey keeps, by a room's name, the identifier that it has now: an alias
// resolved, a room that was replaced by a newer one.
func roomKey(name string) string { return "room/" + name }

// nameKey is the other way round, for rooms that came in the place of another.
func nameKey(rid id.RoomID) string { return "name/" + string(rid) }

// encryptedKey says for ever that a room is encrypted: no answer of a server
// makes us write there in the clear again.
func encryptedKey(rid id.RoomID) string { return "encrypted/" + string(rid) }

// find gives the room that a name stands for. The directory is asked for an
// alias where fresh is set or where we never knew it.
func (a *Adapter) find(ctx context.Context, l *link, name string, fresh bool) (id.RoomID, error) {
	if rid, ok := a.book.id(name); ok && !fresh {
		return rid, nil
	}
	data, err := a.state.Get(ctx, roomKey(name))
	if err != nil {
		return "", fmt.Errorf("read room: %w", err)
	}
	rid := id.RoomID(data)
	if strings.HasPrefix(name, "!") {
		if rid == "" {
			rid = id.RoomID(name)
		}
		a.book.bind(name, rid)
		return rid, nil
	}
	if rid != "" && !fresh {
		a.book.bind(name, rid)
		return rid, nil
	}
	found, err := l.client.ResolveAlias(ctx, id.RoomAlias(name))
	switch {
	case err != nil && rid != "":
		a.log.Info("alias cannot be resolved, the room known before is taken", "room", name, "err", err)
	case codeOf(err) == "M_NOT_FOUND":
		return "", &chat.Error{Kind: chat.Gone, Err: err, Reason: chat.Text{
			FR: "l’alias " + name + " ne mène à aucun salon", EN: "the alias " + name + " leads to no room",
		}}
	case err != nil:
		return "", failure(err, name)
	case found.RoomID != rid:
		rid = found.RoomID
		if err := a.state.Put(ctx, roomKey(name), []byte(rid)); err != nil {
			return "", fmt.Errorf("store room: %w", err)
		}
	}
	a.book.bind(name, rid)
	return rid, nil
}

// meet gives the name of a room that the server speaks of.
func (a *Adapter) meet(ctx context.Context, rid id.RoomID) (name string, configured bool, err error) {
	if !a.book.known(rid) {
		data, err := a.state.Get(ctx, nameKey(rid))
		if err != nil {
			return "", false, fmt.Errorf("read room: %w", err)
		}
		if data != nil {
			a.book.bind(string(data), rid)
		}
	}
	name, configured = a.book.nameOf(rid)
	return name, configured, nil
}

// join enters a room. Entering one that we are in is no error.
func (a *Adapter) join(ctx context.Context, l *link, name string, rid id.RoomID) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	target, req := string(rid), &mautrix.ReqJoinRoom{}
	if strings.HasPrefix(name, "#") {
		_, server, _ := strings.Cut(name, ":")
		req.Via = append(req.Via, server)
	}
	if _, server, ok := strings.Cut(string(rid), ":"); ok {
		req.Via = append(req.Via, server)
	}
	if _, err := l.client.JoinRoom(ctx, target, req); err != nil {
		e := failure(err, name)
		// A room that does not let us in says no more than that.
		var ce *chat.Error
		if errors.As(e, &ce) && ce.Kind == chat.Unauthorised && !refusedLogin(err) {
			ce.Reason = chat.Text{
				FR: "nous ne sommes pas dans " + name + " et le salon ne nous laisse pas entrer : invitez-nous",
				EN: "we are not in " + name + " and the room does not let us in: invite us",
			}
		}
		return e
	}
	a.book.update(rid, func(r *room) { r.joined, r.joinedKnown = true, true })
	return nil
}

// enter gives the room of a place, and makes sure that we are in it as far as
// that can be known without asking.
func (a *Adapter) enter(ctx context.Context, l *link, name string) (id.RoomID, error) {
	rid, err := a.find(ctx, l, name, false)
	if err != nil {
		return "", err
	}
	r := a.book.look(rid)
	if r.joinedKnown && !r.joined {
		if !r.configured {
			return "", errOutside()
		}
		if err := a.reenter(ctx, l, name, rid); err != nil {
			return "", err
		}
	}
	return rid, nil
}

// encryptionOf tells how a room is encrypted, nil where it is not. Once it was
// it is for ever.
func (a *Adapter) encryptionOf(ctx context.Context, l *link, rid id.RoomID) (*event.EncryptionEventContent, error) {
	if r := a.book.look(rid); r.encryptionKnown {
		return r.encryption, nil
	}
	before, err := a.state.Get(ctx, encryptedKey(rid))
	if err != nil {
		return nil, fmt.Errorf("read room: %w", err)
	}
	var content event.EncryptionEventContent
	_, err = l.client.MakeRequest(ctx, http.MethodGet, l.client.BuildClientURL("v3", "rooms", rid, "state", event.StateEncryption.Type, ""), nil, &content)
	switch {
	case err == nil && content.Algorithm != "":
		return &content, a.encrypted(ctx, rid, &content)
	case err != nil && statusOf(err) != http.StatusNotFound:
		name, _ := a.book.nameOf(rid)
		return nil, failure(err, name)
	case before != nil:
		content.Algorithm = id.AlgorithmMegolmV1
		return &content, a.encrypted(ctx, rid, &content)
	}
	a.book.update(rid, func(r *room) { r.encryptionKnown = true })
	return nil, nil
}

// encrypted notes that a room is encrypted.
func (a *Adapter) encrypted(ctx context.Context, rid id.RoomID, content *event.EncryptionEventContent) error {
	known := false
	a.book.update(rid, func(r *room) {
		known = r.encryption != nil
		r.encryption, r.encryptionKnown = content, true
	})
	if known {
		return nil
	}
	if err := a.state.Put(ctx, encryptedKey(rid), []byte("1")); err != nil {
		return fmt.Errorf("store room: %w", err)
	}
	return nil
}

// membersOf gives who is in a room or invited to it.
func (a *Adapter) membersOf(ctx context.Context, l *link, rid id.RoomID) ([]id.UserID, error) {
	r := a.book.look(rid)
	if r.members == nil {
		if err := a.askMembers(ctx, l, rid); err != nil {
			return nil, err
		}
		r = a.book.look(rid)
	}
	users := make([]id.UserID, 0, len(r.members))
	for user := range r.members {
		users = append(users, user)
	}
	return users, nil
}

func (a *Adapter) askMembers(ctx context.Context, l *link, rid id.RoomID) error {
	resp, err := l.client.Members(ctx, rid, mautrix.ReqMembers{NotMembership: event.MembershipLeave})
	if err != nil {
		return err
	}
	a.book.update(rid, func(r *room) {
		r.members = make(map[id.UserID]event.Membership)
		for _, evt := range resp.Chunk {
			content, ok := evt.Content.Parsed.(*event.MemberEventContent)
			if !ok || evt.StateKey == nil {
				continue
			}
			switch content.Membership {
			case event.MembershipJoin, event.MembershipInvite:
				r.members[id.UserID(*evt.StateKey)] = content.Membership
				r.names[id.UserID(*evt.StateKey)] = content.Displayname
			}
		}
	})
	return nil
}

// direct tells whether a room is a conversation of one person with us alone.
// What cannot be known for sure is none.
func (a *Adapter) direct(ctx context.Context, l *link, rid id.RoomID) bool {
	if _, configured := a.book.nameOf(rid); configured {
		return false
	}
	if a.book.headcount(rid) < 0 {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		if err := a.askMembers(ctx, l, rid); err != nil {
			a.log.Info("members of a room cannot be learned", "room", rid, "err", err)
			return false
		}
	}
	n := a.book.headcount(rid)
	return n >= 1 && n <= 2
}

// called gives what a person is called in a room.
func (a *Adapter) called(ctx context.Context, l *link, rid id.RoomID, user id.UserID) string {
	name, ok := a.book.nameIn(rid, user)
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		var content event.MemberEventContent
		_, err := l.client.MakeRequest(ctx, http.MethodGet, l.client.BuildClientURL("v3", "rooms", rid, "state", event.StateMember.Type, user), nil, &content)
		if err != nil && ctx.Err() != nil {
			return user.Localpart()
		}
		name = content.Displayname
		a.book.update(rid, func(r *room) { r.names[user] = name })
	}
	if name = cleanName(name); name != "" {
		return name
	}
	return user.Localpart()
}

// cleanName makes one line of a display name, which may be anything.
func cleanName(name string) string {
	name = strings.Join(strings.Fields(chat.Clean(name)), " ")
	if runes := []rune(name); len(runes) > 100 {
		name = string(runes[:100])
	}
	return name
}

// stateLocks lets one change of a room's state happen at a time: topic and
// pins are read, changed and written back.
type stateLocks struct {
	mu    sync.Mutex
	rooms map[id.RoomID]*sync.Mutex
}

func (s *stateLocks) lock(rid id.RoomID) (unlock func()) {
	s.mu.Lock()
	if s.rooms == nil {
		s.rooms = make(map[id.RoomID]*sync.Mutex)
	}
	m, ok := s.rooms[rid]
	if !ok {
		m = new(sync.Mutex)
		s.rooms[rid] = m
	}
	s.mu.Unlock()
	m.Lock()
	return m.Unlock
}
