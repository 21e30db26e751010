package matrix

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// batch is what one sync brought.
type batch struct {
	events []chat.Event
	// stored are done when the events are on disk.
	stored []func(context.Context) error
	// after are done then too, but nobody waits for them.
	after []func(context.Context)
}

// reading is one answer of a sync at work.
type reading struct {
	*runner
	l       *link
	since   string
	then    time.Time // when since was got
	first   bool      // of this session
	backlog bool
	batch   *batch
}

// receive makes events of an answer; backlog is set while we catch up. An error means that the same answer has
// to be asked for again.
func (r *runner) receive(ctx context.Context, l *link, answer *syncAnswer, since string, then time.Time, first, backlog bool) (*batch, error) {
	rd := &reading{runner: r, l: l, since: since, then: then, first: first, backlog: backlog, batch: new(batch)}
	for _, evt := range r.decodeAll(answer.AccountData.Events, "") {
		rd.accountData(evt)
	}
	if l.vault != nil {
		part := &mautrix.RespSync{
			ToDevice:    mautrix.SyncEventsList{Events: r.decodeAll(answer.ToDevice.Events, "")},
			DeviceLists: answer.DeviceLists, FallbackKeys: answer.FallbackKeys,
		}
		part.DeviceOTKCount.SignedCurve25519 = plentyOfKeys
		if answer.OneTimeKeys != nil {
			part.DeviceOTKCount = *answer.OneTimeKeys
		}
		if err := l.vault.absorb(ctx, part, since); err != nil {
			return nil, err
		}
		if err := rd.reveal(ctx); err != nil {
			return nil, err
		}
	}
	for rid, room := range answer.Rooms.Invite {
		rd.invited(ctx, rid, r.decodeAll(room.State.Events, rid))
	}
	for rid, room := range answer.Rooms.Leave {
		if err := rd.left(ctx, rid, room); err != nil {
			return nil, err
		}
	}
	var lists [][]chat.Event
	for rid, room := range answer.Rooms.Join {
		events, err := rd.joined(ctx, rid, room)
		if err != nil {
			return nil, err
		}
		if len(events) > 0 {
			lists = append(lists, events)
		}
	}
	rd.batch.events = append(rd.batch.events, merge(lists)...)
	return rd.batch, nil
}

// plentyOfKeys stands for a count that a server left out: none has to be made.
const plentyOfKeys = 100

// merge makes one list of several: by the server's time, but never changing
// the order within one.
func merge(lists [][]chat.Event) []chat.Event {
	var out []chat.Event
	for {
		best := -1
		for i, list := range lists {
			if len(list) > 0 && (best < 0 || list[0].Head().At.Before(lists[best][0].Head().At)) {
				best = i
			}
		}
		if best < 0 {
			return out
		}
		out = append(out, lists[best][0])
		lists[best] = lists[best][1:]
	}
}

// askIgnored reads the list of accounts that we ignore.
func (r *runner) askIgnored(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var content event.IgnoredUserListEventContent
	err := l.client.GetAccountData(ctx, event.AccountDataIgnoredUserList.Type, &content)
	if err != nil && statusOf(err) != http.StatusNotFound && codeOf(err) == "" {
		return err
	}
	if refusedLogin(err) {
		return err
	}
	r.ignore(&content)
	return nil
}

func (r *runner) ignore(content *event.IgnoredUserListEventContent) {
	r.ignored = make(map[id.UserID]bool)
	for user := range content.IgnoredUsers {
		r.ignored[user] = true
	}
}

func (rd *reading) accountData(evt *event.Event) {
	evt.Type.Class = event.AccountDataEventType
	if evt.Type == event.AccountDataIgnoredUserList && evt.Content.ParseRaw(evt.Type) == nil {
		rd.ignore(evt.Content.Parsed.(*event.IgnoredUserListEventContent))
	}
}

// joined reads what a room that we are in brought.
func (rd *reading) joined(ctx context.Context, rid id.RoomID, part joinedRoom) ([]chat.Event, error) {
	if _, _, err := rd.meet(ctx, rid); err != nil {
		return nil, err
	}
	rd.book.update(rid, func(x *room) { x.joined, x.joinedKnown = true, true })
	for _, evt := range rd.decodeAll(part.State.Events, rid) {
		if err := rd.fact(ctx, evt); err != nil {
			return nil, err
		}
	}
	timeline := rd.decodeAll(part.Timeline.Events, rid)
	start, entered := entry(timeline, rd.l.me)
	if rd.since == "" {
		start = len(timeline) // the first time of all: what was said before is not ours
	}
	backlog := rd.backlog
	if part.Timeline.Limited && rd.since != "" && !entered {
		missed, err := rd.gap(ctx, rid, part.Timeline.PrevBatch, timeline)
		if err != nil {
			return nil, err
		}
		timeline, backlog = append(missed, timeline...), true
		rd.book.forgetMembers(rid)
		if rd.l.vault != nil {
			if err := rd.l.vault.forget(ctx, rid); err != nil {
				return nil, err
			}
		}
	}
	var events []chat.Event
	for i, evt := range timeline {
		got, err := rd.event(ctx, evt, backlog, i >= start)
		if err != nil {
			return nil, err
		}
		if i >= start {
			events = append(events, got...)
		}
	}
	return events, nil
}

// entry finds where we came into the room in a timeline. What was said between
// an invitation and our entering is for us, and so is what was said after we
// were thrown out and came back.
func entry(timeline []*event.Event, me id.UserID) (start int, entered bool) {
	for i := len(timeline) - 1; i >= 0; i-- {
		evt := timeline[i]
		if evt.Type != event.StateMember || evt.GetStateKey() != string(me) {
			continue
		}
		if !entered {
			if !isEntry(evt) {
				continue
			}
			start, entered = i, true
			continue
		}
		return i, true // the invitation, the kick
	}
	return start, entered
}

// isEntry tells a join from a change of name.
func isEntry(evt *event.Event) bool {
	if membershipOf(&evt.Content) != event.MembershipJoin {
		return false
	}
	if before := evt.Unsigned.PrevContent; before != nil {
		return membershipOf(before) != event.MembershipJoin
	}
	return evt.Unsigned.ReplacesState == ""
}

func membershipOf(content *event.Content) event.Membership {
	m, _ := content.Raw["membership"].(string)
	return event.Membership(m)
}

// Limits of going back through a gap.
const (
	gapPage  = 100
	gapPages = 100
	// overlap: servers give older events than asked for (Dendrite does). What
	// is older than this before the last sync has been handled long ago.
	overlap = 10 * time.Minute
)

// gap fetches what a limited timeline left out, oldest first. What comes twice
// is stored once.
func (rd *reading) gap(ctx context.Context, rid id.RoomID, from string, timeline []*event.Event) ([]*event.Event, error) {
	known := make(map[id.EventID]bool)
	for _, evt := range timeline {
		known[evt.ID] = true
	}
	var missed []*event.Event
	for page := 0; from != "" && page < gapPages; page++ {
		bounded, cancel := context.WithTimeout(ctx, requestTimeout)
		raw, err := rd.l.history(bounded, rid, from, rd.since, gapPage)
		cancel()
		if err != nil {
			if s := statusOf(err); s == http.StatusForbidden || s == http.StatusNotFound {
				rd.log.Warn("history of a room cannot be read", "room", rid, "err", err)
				break
			}
			return nil, err
		}
		fresh, old := 0, 0
		for _, evt := range rd.decodeAll(raw.Chunk, rid) {
			if known[evt.ID] {
				continue
			}
			known[evt.ID] = true
			if !rd.then.IsZero() && at(evt).Before(rd.then.Add(-overlap)) {
				old++
				continue
			}
			fresh++
			missed = append(missed, evt)
			if evt.Type == event.StateMember && evt.GetStateKey() == string(rd.l.me) && isEntry(evt) {
				raw.End = "" // before that we were not there
				break
			}
		}
		if len(raw.Chunk) == 0 || fresh == 0 && old > 0 || raw.End == from {
			break
		}
		from = raw.End
		if page == gapPages-1 {
			rd.log.Warn("more was said while we were away than we go back through", "room", rid, "events", len(missed))
		}
	}
	slices.Reverse(missed)
	return missed, nil
}

// left: we are not in a room any more.
func (rd *reading) left(ctx context.Context, rid id.RoomID, part joinedRoom) error {
	name, configured, err := rd.meet(ctx, rid)
	if err != nil {
		return err
	}
	out := false
	for _, evt := range rd.decodeAll(part.Timeline.Events, rid) {
		if evt.Type == event.StateMember && evt.GetStateKey() == string(rd.l.me) {
			out = membershipOf(&evt.Content) != event.MembershipJoin && membershipOf(&evt.Content) != event.MembershipInvite
		}
	}
	if !out && len(part.Timeline.Events) > 0 {
		return nil
	}
	rd.book.update(rid, func(x *room) { x.joined, x.joinedKnown, x.members = false, true, nil })
	if configured {
		rd.log.Warn("we are out of a room", "room", name)
		rd.batch.after = append(rd.batch.after, func(context.Context) { rd.comeBack(ctx, rd.l, name) })
	}
	return nil
}

// invited: somebody wants us in a room.
func (rd *reading) invited(ctx context.Context, rid id.RoomID, state []*event.Event) {
	var by id.UserID
	for _, evt := range state {
		if evt.Type == event.StateMember && evt.GetStateKey() == string(rd.l.me) && membershipOf(&evt.Content) == event.MembershipInvite {
			by = evt.Sender
		}
	}
	name, configured, err := rd.meet(ctx, rid)
	if err != nil || by == "" {
		return
	}
	if !configured && (!rd.cfg.mayInvite(by) || rd.ignored[by]) {
		rd.log.Info("invitation declined", "room", rid, "by", by)
		rd.batch.after = append(rd.batch.after, func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, requestTimeout)
			defer cancel()
			if _, err := rd.l.client.LeaveRoom(ctx, rid, &mautrix.ReqLeave{}); err != nil {
				rd.log.Debug("decline invitation", "room", rid, "err", err)
			}
		})
		return
	}
	// Before the token is stored: a server tells of an invitation once.
	bounded, cancel := context.WithTimeout(ctx, inviteTimeout)
	defer cancel()
	if err := rd.join(bounded, rd.l, name, rid); err != nil {
		rd.log.Warn("cannot accept an invitation", "room", rid, "by", by, "err", err)
		if configured {
			rd.batch.after = append(rd.batch.after, func(context.Context) { rd.comeBack(ctx, rd.l, name) })
		}
		return
	}
	rd.log.Info("invitation accepted", "room", rid, "by", by)
}

// inviteTimeout is how long the sync waits for a room to let us in.
const inviteTimeout = 20 * time.Second

// fact notes what a state event says of its room.
func (rd *reading) fact(ctx context.Context, evt *event.Event) error {
	if evt.StateKey == nil {
		return nil
	}
	evt.Type.Class = event.StateEventType
	switch evt.Type {
	case event.StateMember, event.StateEncryption, event.StatePowerLevels, event.StateHistoryVisibility, event.StateTombstone:
	default:
		return nil
	}
	if evt.Content.Parsed == nil {
		if err := evt.Content.ParseRaw(evt.Type); err != nil {
			rd.log.Warn("strange state of a room", "room", evt.RoomID, "type", evt.Type.Type, "err", err)
			return nil
		}
	}
	switch content := evt.Content.Parsed.(type) {
	case *event.EncryptionEventContent:
		if *evt.StateKey == "" {
			if content.Algorithm == "" {
				content.Algorithm = id.AlgorithmMegolmV1 // whoever turned it on meant something
			}
			return rd.encrypted(ctx, evt.RoomID, content)
		}
	case *event.PowerLevelsEventContent:
		if *evt.StateKey != "" {
			return nil
		}
		rd.book.update(evt.RoomID, func(x *room) { x.levels = content })
	case *event.HistoryVisibilityEventContent:
		if *evt.StateKey != "" {
			return nil
		}
		rd.book.update(evt.RoomID, func(x *room) { x.visibility = content })
	case *event.TombstoneEventContent:
		if *evt.StateKey == "" && strings.HasPrefix(string(content.ReplacementRoom), "!") {
			rd.batch.after = append(rd.batch.after, func(ctx context.Context) { rd.follow(ctx, rd.l, evt.RoomID, content.ReplacementRoom, evt.Sender) })
		}
	case *event.MemberEventContent:
		user := id.UserID(*evt.StateKey)
		rd.book.member(evt.RoomID, user, content)
		if rd.l.vault != nil {
			rd.l.vault.member(ctx, evt)
		}
	}
	return nil
}

// meta is what every event has.
func (rd *reading) meta(ctx context.Context, evt *event.Event, backlog bool) chat.Meta {
	name, _ := rd.book.nameOf(evt.RoomID)
	meta := chat.Meta{
		Room: name, ID: string(evt.ID), At: at(evt), Backlog: backlog,
		From: rd.account(ctx, rd.l, evt.RoomID, evt.Sender), Direct: rd.direct(ctx, rd.l, evt.RoomID),
	}
	meta.From.Proved = !doubtful(evt)
	return meta
}

// account describes somebody. The homeserver vouches for its users, and
// servers vouch for theirs to one another.
func (a *Adapter) account(ctx context.Context, l *link, rid id.RoomID, user id.UserID) chat.Account {
	return chat.Account{
		ID: chat.Clean(string(user)), Handle: chat.Clean(string(user)), Name: a.called(ctx, l, rid, user), Proved: true, Self: user == l.me,
	}
}

// event makes events of one of the timeline. What is not offered (it is older
// than our presence) is only remembered.
func (rd *reading) event(ctx context.Context, evt *event.Event, backlog, offered bool) ([]chat.Event, error) {
	if evt.ID == "" || evt.Sender == "" {
		return nil, nil
	}
	if evt.StateKey != nil {
		if evt.Type == event.StateMember && offered {
			before, known := rd.before(evt)
			if err := rd.fact(ctx, evt); err != nil {
				return nil, err
			}
			return rd.moved(ctx, evt, before, known, backlog), nil
		}
		return nil, rd.fact(ctx, evt)
	}
	if rd.ignored[evt.Sender] || !offered {
		return nil, nil
	}
	clear := evt
	if evt.Type == event.EventEncrypted {
		var err error
		var held chat.Event
		if clear, held, err = rd.unlock(ctx, evt, backlog); err != nil {
			return nil, err
		} else if clear == nil {
			if held == nil {
				return nil, nil
			}
			return []chat.Event{held}, nil
		}
	}
	e, err := rd.message(ctx, clear, backlog)
	if err != nil || e == nil {
		return nil, err
	}
	return []chat.Event{e}, nil
}
