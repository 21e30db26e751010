package matrix

import (
	"context"
	"net/http"
	"slices"

	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// outside tells whether an operation failed because we are not in the room. A
// refusal may mean that, and what we have heard says it. A failure of the
// server may be one of it too: Dendrite answers 500 to what was said while the
// ban was on its way. Then it is asked where we are.
func (a *Adapter) outside(ctx context.Context, l *link, rid id.RoomID, err error) bool {
	if r := a.book.look(rid); codeOf(err) == "M_FORBIDDEN" || r.joinedKnown && !r.joined {
		return true
	}
	if statusOf(err) < http.StatusInternalServerError {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	joined, err := l.client.JoinedRooms(ctx)
	if err != nil || slices.Contains(joined.JoinedRooms, rid) {
		return false
	}
	a.book.update(rid, func(r *room) { r.joined, r.joinedKnown, r.members = false, true, nil })
	return true
}

// reenter comes back into a room that we are out of. That the server fails
// while it lets us in says nothing new: we are out.
func (a *Adapter) reenter(ctx context.Context, l *link, name string, rid id.RoomID) error {
	err := a.join(ctx, l, name, rid)
	if statusOf(err) < http.StatusInternalServerError {
		return err
	}
	return &chat.Error{Kind: chat.Unauthorised, Err: err, Reason: chat.Text{
		FR: "nous ne sommes pas dans " + name + " et le serveur Matrix ne nous y fait pas entrer : invitez-nous",
		EN: "we are not in " + name + " and the Matrix server does not let us in: invite us",
	}}
}

// errOutside: we are not in a room that the configuration does not name, and
// which is not entered again.
func errOutside() *chat.Error {
	return &chat.Error{Kind: chat.Gone, Reason: chat.Text{
		FR: "nous ne sommes plus dans ce salon Matrix", EN: "we are not in this Matrix room any more",
	}}
}
