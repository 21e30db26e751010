package matrix

import (
	"context"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// before is somebody's membership before a member event.
func (rd *reading) before(evt *event.Event) (event.Membership, bool) {
	if evt.Unsigned.PrevContent != nil {
		return membershipOf(evt.Unsigned.PrevContent), true
	}
	r := rd.book.look(evt.RoomID)
	if r.members == nil {
		return "", false
	}
	return r.members[id.UserID(evt.GetStateKey())], true
}

// moved tells of who came and went. Our own entering of a direct room is told
// as the entering of whoever invited us: it is where they can be greeted.
func (rd *reading) moved(ctx context.Context, evt *event.Event, before event.Membership, known, backlog bool) []chat.Event {
	user := id.UserID(evt.GetStateKey())
	now := membershipOf(&evt.Content)
	if !known && now == event.MembershipJoin {
		before = "" // a join, unless it says nothing new, which costs nothing
	}
	if now == before || rd.ignored[user] {
		return nil
	}
	meta := rd.meta(ctx, evt, backlog)
	meta.From = rd.account(ctx, rd.l, evt.RoomID, user)
	switch now {
	case event.MembershipJoin:
		if user == rd.l.me {
			other, ok := rd.other(evt.RoomID)
			if !meta.Direct || !ok {
				return nil
			}
			meta.From = rd.account(ctx, rd.l, evt.RoomID, other)
		}
		return []chat.Event{&chat.Joined{Meta: meta}}
	case event.MembershipLeave, event.MembershipBan:
		if user == rd.l.me || before != event.MembershipJoin && known {
			return nil
		}
		content, _ := evt.Content.Parsed.(*event.MemberEventContent)
		left := &chat.Left{Meta: meta}
		if content != nil {
			left.Reason = cleanName(content.Reason)
		}
		return []chat.Event{left}
	}
	return nil
}

// other is the one person in a room besides us.
func (rd *reading) other(rid id.RoomID) (id.UserID, bool) {
	var found id.UserID
	for user := range rd.book.look(rid).members {
		if user != rd.l.me {
			if found != "" {
				return "", false
			}
			found = user
		}
	}
	return found, found != ""
}
