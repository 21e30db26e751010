package mattermost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// pageSize is the most that the server gives in one answer.
const pageSize = 200

// lasting tells an error that the same question would meet again.
func lasting(err error) bool {
	if status := statusOf(err); status != 0 {
		return status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusUnauthorized
	}
	var e *chat.Error
	return errors.As(err, &e) && (e.Kind == chat.Gone || e.Kind == chat.Permanent)
}

// patiently asks until the server answers, or for good says no (which is
// logged and no error), or ctx ends (which is the only error).
func (r *runner) patiently(ctx context.Context, ask func(context.Context) error) error {
	pause := r.pauses()
	for {
		err := ask(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case lasting(err):
			r.log.Warn("cannot be read", "err", err)
			return nil
		}
		r.log.Info("asked again", "err", err)
		wait := max(pause.NextBackOff(), chat.AsError(err).RetryAfter)
		if err := r.rest(ctx, wait); err != nil {
			return err
		}
	}
}

// connected: a connection stands. Fresh ones have left something out; after a
// resumed one we look only whether that is true. connection ends with it, and
// then the next one does the rest; ctx ends with Run.
func (r *runner) connected(ctx, connection context.Context, fresh bool) error {
	if fresh {
		r.behind = true
	}
	if err := r.tell(ctx, chat.Connected, chat.Text{}); err != nil {
		return err
	}
	if err := r.patiently(connection, r.catchUp); err != nil {
		return ctx.Err()
	}
	r.behind = false
	return r.tell(ctx, chat.CaughtUp, chat.Text{})
}

// firstStart is the cursor that tells when this account began to listen.
const firstStart = "first start"

// catchUp reads what was missed in every room of the configuration and in the
// direct rooms.
func (r *runner) catchUp(ctx context.Context) error {
	var missing []string
	if r.behind {
		for _, room := range r.rooms {
			ch, err := r.enter(ctx, room)
			if err != nil && !lasting(err) {
				return err
			}
			if err != nil {
				// The other rooms go on; `check` tells.
				r.log.Warn("cannot enter room", "room", room, "err", err)
				missing = append(missing, room)
				continue
			}
			if err := r.learnMembers(ctx, ch.Id, room); err != nil && !lasting(err) {
				return err
			}
		}
	}
	list, err := r.channelList(ctx)
	if err != nil {
		return err
	}
	since, err := r.startedAt(ctx)
	if err != nil {
		return err
	}
	for _, ch := range list {
		known := r.known.learn(ch.Id, ch.Type)
		if !known.ours() || ch.DeleteAt > 0 || slices.Contains(missing, known.room) {
			continue
		}
		if err := r.catchUpIn(ctx, known, ch, since); err != nil {
			if !lasting(err) {
				return err
			}
			r.log.Warn("cannot catch up", "room", known.room, "err", err)
		}
	}
	return nil
}

// channelList lists the channels that we are in, archived ones left out, with
// the time of the last post of each.
func (r *runner) channelList(ctx context.Context) ([]*model.Channel, error) {
	return call(ctx, r.Adapter, "", func(ctx context.Context, acc *account) ([]*model.Channel, *model.Response, error) {
		return getJSON[[]*model.Channel](ctx, acc, "/users/"+acc.me.Id+"/channels")
	})
}

// getJSON is for what the client of the library has no method or no parameter
// for.
func getJSON[T any](ctx context.Context, acc *account, path string) (T, *model.Response, error) {
	var v T
	resp, err := acc.api.DoAPIGet(ctx, path, "")
	if err != nil {
		return v, model.BuildResponse(resp), err
	}
	defer resp.Body.Close()
	return v, model.BuildResponse(resp), json.NewDecoder(resp.Body).Decode(&v)
}

// startedAt gives the time since which we listen, in Unix milliseconds: a
// direct room that is new to us is read from then on.
func (r *runner) startedAt(ctx context.Context) (int64, error) {
	value, err := r.state.Cursor(ctx, firstStart)
	if err != nil {
		return 0, fmt.Errorf("read cursor: %w", err)
	}
	if at, err := strconv.ParseInt(value, 10, 64); err == nil {
		return at, nil
	}
	at := time.Now().UnixMilli()
	return at, r.store(ctx, nil, chat.Cursor{Name: firstStart, Value: strconv.FormatInt(at, 10)})
}

// position gives how far a channel was read; one that we never saw begins with
// what comes now.
func (r *runner) position(ctx context.Context, channel string) (*position, error) {
	if p, ok := r.positions[channel]; ok {
		return p, nil
	}
	value, err := r.state.Cursor(ctx, cursorOf(channel))
	if err != nil {
		return nil, fmt.Errorf("read cursor: %w", err)
	}
	p, _ := readPosition(value)
	r.positions[channel] = p
	return p, nil
}

func (r *runner) gesturesIn(ctx context.Context, channel string) (gestures, error) {
	if gs, ok := r.gestures[channel]; ok {
		return slices.Clone(gs), nil
	}
	value, err := r.state.Cursor(ctx, gesturesOf(channel))
	if err != nil {
		return nil, fmt.Errorf("read cursor: %w", err)
	}
	r.gestures[channel] = readGestures(value)
	return slices.Clone(r.gestures[channel]), nil
}

// catchUpIn reads what was missed in one channel: posts, oldest first, then
// what was changed, deleted, put on and taken back.
func (r *runner) catchUpIn(ctx context.Context, ch channel, now *model.Channel, since int64) error {
	p, err := r.position(ctx, ch.id)
	if err != nil {
		return err
	}
	if *p == (position{}) && !(ch.direct() && now.LastPostAt >= since) {
		return r.beginIn(ctx, ch, now)
	}
	if !r.behind && now.LastPostAt <= p.Newest {
		return nil // resumed, and nothing was left out
	}
	if *p == (position{}) {
		p.Newest, p.Sync = since, since // a direct room that is new to us
	}
	before := *p
	if now.LastPostAt > p.Newest || r.behind {
		if err := r.readForward(ctx, ch, p); err != nil {
			return err
		}
	}
	if now.LastPostAt > p.Newest && now.LastPostAt > before.Newest {
		// The anchor may be gone: a server can be told to forget old posts.
		if err := r.readBack(ctx, ch, p, before.Newest-overlap); err != nil {
			return err
		}
	}
	p.Newest = max(p.Newest, now.LastPostAt) // a post that is gone is not waited for
	if ch.direct() && now.LastPostAt < time.Now().Add(-30*24*time.Hour).UnixMilli() {
		return nil // nobody edits in an old conversation
	}
	return r.readChanges(ctx, ch, p, before.Sync-overlap)
}

// beginIn: a channel that we never read begins now.
func (r *runner) beginIn(ctx context.Context, ch channel, now *model.Channel) error {
	list, err := r.posts(ctx, ch, url.Values{"page": {"0"}, "per_page": {"1"}})
	if err != nil {
		return err
	}
	p := r.positions[ch.id]
	p.Sync = now.LastPostAt
	for _, post := range inOrder(list) {
		p.Anchor, p.Newest, p.Sync = post.Id, post.CreateAt, max(p.Sync, post.UpdateAt)
	}
	if p.Sync == 0 {
		p.Sync = 1 // an empty channel was seen, too
	}
	return r.store(ctx, nil, p.cursor(ch.id))
}

// posts asks for posts of a channel, replies among the others.
func (r *runner) posts(ctx context.Context, ch channel, query url.Values) (*model.PostList, error) {
	query.Set("skipFetchThreads", "true")
	query.Set("collapsedThreads", "false")
	return call(ctx, r.Adapter, ch.room, func(ctx context.Context, acc *account) (*model.PostList, *model.Response, error) {
		return getJSON[*model.PostList](ctx, acc, "/channels/"+ch.id+"/posts?"+query.Encode())
	})
}

// inOrder gives the posts that a list was asked for, oldest first; it holds
// others besides, for showing.
func inOrder(list *model.PostList) []*model.Post {
	var posts []*model.Post
	if list == nil {
		return nil
	}
	for _, id := range list.Order {
		if post := list.Posts[id]; post != nil {
			posts = append(posts, post)
		}
	}
	slices.SortStableFunc(posts, func(a, b *model.Post) int {
		return cmp.Or(cmp.Compare(a.CreateAt, b.CreateAt), cmp.Compare(a.Id, b.Id))
	})
	return posts
}

// readForward reads everything behind the anchor.
func (r *runner) readForward(ctx context.Context, ch channel, p *position) error {
	anchor := p.Anchor
	if anchor == "" {
		return r.readBack(ctx, ch, p, p.Newest-overlap)
	}
	for {
		list, err := r.posts(ctx, ch, url.Values{"after": {anchor}, "page": {"0"}, "per_page": {strconv.Itoa(pageSize)}})
		if err != nil {
			return err
		}
		posts := inOrder(list)
		if err := r.offer(ctx, ch, p, posts); err != nil {
			return err
		}
		if len(posts) < pageSize {
			return nil
		}
		// "After" means a later time: the next page begins before the last
		// time of this one, so that of two posts at one time none is left out.
		last := posts[len(posts)-1].CreateAt
		next := slices.IndexFunc(posts, func(post *model.Post) bool { return post.CreateAt == last }) - 1
		if next < 0 {
			return fmt.Errorf("%d posts at one time in %s", pageSize, ch.room)
		}
		anchor = posts[next].Id
	}
}

// readBack reads everything younger than since, where there is no anchor.
func (r *runner) readBack(ctx context.Context, ch channel, p *position, since int64) error {
	var all []*model.Post
	for page := 0; ; page++ {
		list, err := r.posts(ctx, ch, url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(pageSize)}})
		if err != nil {
			return err
		}
		posts := inOrder(list)
		old := len(posts) > 0 && posts[0].CreateAt <= since
		posts = slices.DeleteFunc(posts, func(post *model.Post) bool { return post.CreateAt <= since })
		all = append(posts, all...)
		if old || len(posts) == 0 || len(list.Order) < pageSize {
			break
		}
	}
	return r.offer(ctx, ch, p, all)
}

// offer gives posts of history to the handler.
func (r *runner) offer(ctx context.Context, ch channel, p *position, posts []*model.Post) error {
	for batch := range slices.Chunk(posts, maxBatch) {
		var events []chat.Event
		for _, post := range batch {
			es, err := r.posted(ctx, ch, post)
			if err != nil {
				return err
			}
			events = append(events, es...)
		}
		for _, e := range events {
			e.Head().Backlog = true
		}
		next := *p
		for _, post := range batch {
			next.passed(post.Id, post.CreateAt)
		}
		if err := r.store(ctx, events, next.cursor(ch.id)); err != nil {
			return err
		}
		*p = next
	}
	return nil
}

// readChanges reads what was done since to posts that were there. The server
// gives a thousand at most, in no order, so this is best effort on a channel
// with more changes than that.
func (r *runner) readChanges(ctx context.Context, ch channel, p *position, since int64) error {
	list, err := r.posts(ctx, ch, url.Values{"since": {strconv.FormatInt(max(since, 1), 10)}})
	if err != nil {
		return err
	}
	posts := inOrder(list)
	slices.SortStableFunc(posts, func(a, b *model.Post) int { return cmp.Compare(a.UpdateAt, b.UpdateAt) })
	next := *p
	var events []chat.Event
	for _, post := range posts {
		if post.UpdateAt <= since && post.DeleteAt <= since || post.OriginalId != "" {
			continue // shown because something below it changed; an older version
		}
		next.changed(max(post.UpdateAt, post.DeleteAt))
		var e chat.Event
		switch {
		case post.DeleteAt > 0:
			e, err = r.deleted(ctx, ch, post, "")
		case post.EditAt > since:
			e, err = r.edited(ctx, ch, post)
		}
		if err != nil {
			return err
		}
		if e != nil {
			events = append(events, e)
		}
	}
	backlog(events)
	if err := r.store(ctx, events, next.cursor(ch.id)); err != nil {
		return err
	}
	*p = next
	return r.readGestures(ctx, ch, posts, since)
}

func backlog(events []chat.Event) {
	for _, e := range events {
		e.Head().Backlog = true
	}
}

// readGestures finds reactions put on and taken back on posts that changed.
func (r *runner) readGestures(ctx context.Context, ch channel, posts []*model.Post, since int64) error {
	remembered, err := r.gesturesIn(ctx, ch.id)
	if err != nil {
		return err
	}
	gs := slices.Clone(remembered)
	var events []chat.Event
	for _, post := range posts {
		if post.DeleteAt > 0 {
			continue
		}
		var stand []*model.Reaction
		if post.Metadata != nil {
			stand = post.Metadata.Reactions
		}
		for _, g := range remembered {
			if g.Post != post.Id || slices.ContainsFunc(stand, func(re *model.Reaction) bool { return g.same(gesture{re.PostId, re.UserId, re.EmojiName, 0}) }) {
				continue
			}
			e, err := r.reaction(ctx, ch, &model.Reaction{PostId: g.Post, UserId: g.User, EmojiName: g.Emoji, UpdateAt: g.At}, false)
			if err != nil {
				return err
			}
			events = append(events, e)
			gs.drop(g)
		}
		for _, re := range stand {
			if re.UpdateAt <= since || r.isMe(re.UserId) {
				continue
			}
			e, err := r.reaction(ctx, ch, re, true)
			if err != nil {
				return err
			}
			events = append(events, e)
			gs.add(gesture{re.PostId, re.UserId, re.EmojiName, re.UpdateAt})
		}
	}
	if len(events) == 0 {
		return nil
	}
	backlog(events)
	if err := r.store(ctx, events, gs.cursor(ch.id)); err != nil {
		return err
	}
	r.gestures[ch.id] = gs
	return nil
}

// returned: we were let into a channel (again), or it is there again.
func (r *runner) returned(ctx context.Context, f frame) error {
	id := f.Broadcast.ChannelID
	if id == "" {
		id = f.Data.ChannelID
	}
	switch {
	case f.Event == eventAdded && !r.isMe(f.Data.UserID):
		return nil
	case f.Event == eventRestored:
		// This connection may not hear what is said there: see pulseEvery.
		if known, ok := r.known.find(id); ok && known.ours() {
			r.renew()
		}
		return nil
	}
	return r.patiently(ctx, func(ctx context.Context) error {
		list, err := r.channelList(ctx)
		if err != nil {
			return err
		}
		since, err := r.startedAt(ctx)
		if err != nil {
			return err
		}
		for _, ch := range list {
			if ch.Id != id {
				continue
			}
			known, err := r.place(ctx, ch)
			if err != nil || !known.ours() {
				return err
			}
			r.log.Info("in a room again", "room", known.room)
			was := r.behind
			r.behind = true
			defer func() { r.behind = was }()
			return r.catchUpIn(ctx, known, ch, since)
		}
		return nil
	})
}

// place finds which room a channel is; one that we could not enter before may
// be one of the configuration.
func (r *runner) place(ctx context.Context, ch *model.Channel) (channel, error) {
	if known, ok := r.known.find(ch.Id); ok && known.ours() {
		return known, nil
	}
	for _, room := range r.rooms {
		if _, name, _ := splitRoom(room); name != ch.Name {
			continue
		}
		if found, err := r.lookUp(ctx, room); err == nil && found.Id == ch.Id {
			known, _ := r.known.find(ch.Id)
			return known, nil
		} else if err != nil && !lasting(err) {
			return channel{}, err
		}
	}
	return r.known.learn(ch.Id, ch.Type), nil
}
