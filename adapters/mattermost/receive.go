package mattermost

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// Props of a post that carry a delivery: its key, and which of how many posts
// this is ("2/3"). Only our own posts are believed.
const (
	propKey  = "permanence_key"
	propPart = "permanence_part"
)

// parcel is what goes to the handler in one call: events of one channel, with
// the cursor that they move.
type parcel struct {
	channel string
	events  []chat.Event
	cursor  chat.Cursor
}

// receive offers events of the websocket, those of one channel together. It
// fails only when ctx ended.
func (r *runner) receive(ctx context.Context, batch []frame) error {
	var open parcel
	flush := func() error {
		p := open
		open = parcel{}
		return r.store(ctx, p.events, p.cursor)
	}
	for _, f := range batch {
		p, err := r.open(ctx, f)
		if err != nil {
			return err
		}
		if p.channel == "" {
			continue
		}
		if open.channel != "" && (open.channel != p.channel || open.cursor.Name != p.cursor.Name) {
			if err := flush(); err != nil {
				return err
			}
		}
		open.channel, open.cursor = p.channel, p.cursor
		open.events = append(open.events, p.events...)
	}
	if open.channel == "" {
		return ctx.Err()
	}
	return flush()
}

// open makes a parcel of an event, an empty one where it is not for us. What
// has to be asked for is asked for until the server answers.
func (r *runner) open(ctx context.Context, f frame) (parcel, error) {
	switch f.Event {
	case eventUser:
		r.people.learn(f.Data.User)
		return parcel{}, nil
	case eventAdded, eventRestored:
		return parcel{}, r.returned(ctx, f)
	}
	var p parcel
	err := r.patiently(ctx, func(ctx context.Context) error {
		var err error
		switch f.Event {
		case eventPosted, eventEdited, eventDeleted:
			p, err = r.ofPost(ctx, f)
		case eventReacted, eventUnreacted:
			p, err = r.ofReaction(ctx, f)
		}
		return err
	})
	return p, err
}

func (r *runner) ofPost(ctx context.Context, f frame) (parcel, error) {
	var post model.Post
	if err := json.Unmarshal([]byte(f.Data.Post), &post); err != nil {
		r.log.Error("an event with an unreadable post", "event", f.Event, "err", err)
		return parcel{}, nil
	}
	ch, err := r.met(ctx, post.ChannelId, f.Data.ChannelType)
	if err != nil || !ch.ours() {
		return parcel{}, err
	}
	var events []chat.Event
	var e chat.Event
	switch f.Event {
	case eventPosted:
		events, err = r.posted(ctx, ch, &post)
	case eventEdited:
		e, err = r.edited(ctx, ch, &post)
	case eventDeleted:
		e, err = r.deleted(ctx, ch, &post, f.Data.DeleteBy)
	}
	if err != nil {
		return parcel{}, err
	}
	if e != nil {
		events = append(events, e)
	}
	if r.behind {
		// What comes before it is not read yet, so the position stays: this
		// will be read again, and known.
		return parcel{channel: ch.id, events: events}, nil
	}
	at, err := r.position(ctx, ch.id)
	if err != nil {
		return parcel{}, err
	}
	if f.Event == eventPosted {
		at.passed(post.Id, post.CreateAt)
	} else {
		at.changed(max(post.UpdateAt, post.DeleteAt))
	}
	if len(events) == 0 {
		return parcel{}, nil // the position goes with the next event
	}
	return parcel{ch.id, events, at.cursor(ch.id)}, nil
}

func (r *runner) ofReaction(ctx context.Context, f frame) (parcel, error) {
	var re model.Reaction
	if err := json.Unmarshal([]byte(f.Data.Reaction), &re); err != nil {
		r.log.Error("an event with an unreadable reaction", "event", f.Event, "err", err)
		return parcel{}, nil
	}
	if r.isMe(re.UserId) {
		return parcel{}, nil
	}
	ch, err := r.met(ctx, f.Broadcast.ChannelID, "")
	if err != nil || !ch.ours() {
		return parcel{}, err
	}
	e, err := r.reaction(ctx, ch, &re, f.Event == eventReacted)
	if err != nil {
		return parcel{}, err
	}
	gs, err := r.gesturesIn(ctx, ch.id)
	if err != nil {
		return parcel{}, err
	}
	g := gesture{re.PostId, re.UserId, re.EmojiName, re.UpdateAt}
	if f.Event == eventReacted {
		gs.add(g)
	} else {
		gs.drop(g)
	}
	r.gestures[ch.id] = gs
	return parcel{ch.id, []chat.Event{e}, gs.cursor(ch.id)}, nil
}

// meta is what every event of a post has.
func (r *runner) meta(ctx context.Context, ch channel, post *model.Post, from string, at int64) (chat.Meta, error) {
	who, err := r.who(ctx, from)
	m := chat.Meta{Room: ch.room, Thread: post.RootId, ID: post.Id, From: who, At: time.UnixMilli(at).UTC(), Direct: ch.direct()}
	if from == post.UserId {
		m.From = author(who, post)
	}
	return m, err
}

// author is who wrote a post: whose account it bears, unless a program wrote
// it under that account. A webhook's posts bear its owner's.
func author(who chat.Account, post *model.Post) chat.Account {
	prop := func(name string) string {
		s, _ := post.GetProp(name).(string)
		return s
	}
	switch {
	case prop(model.PostPropsFromWebhook) == "true" && !who.Self:
		name := prop(model.PostPropsOverrideUsername)
		if name == "" {
			name = prop(model.PostPropsWebhookDisplayName)
		}
		return chat.Account{ID: "webhook:" + post.UserId + ":" + name, Name: name, Bot: true}
	case prop(model.PostPropsFromBot) == "true", prop(model.PostPropsFromPlugin) == "true", strings.HasPrefix(post.Type, model.PostCustomTypePrefix):
		who.Bot = true
	}
	return who
}

// posted makes the event of a new post: nothing where the server wrote it for
// the eyes alone.
func (r *runner) posted(ctx context.Context, ch channel, post *model.Post) ([]chat.Event, error) {
	switch {
	case strings.HasPrefix(post.Type, model.PostSystemMessagePrefix):
		return r.comings(ctx, ch, post)
	case strings.HasPrefix(post.Type, model.PostCustomTypePrefix):
	case post.Type != model.PostTypeDefault && post.Type != model.PostTypeMe && post.Type != model.PostTypeMessageAttachment:
		return nil, nil
	}
	m, err := r.meta(ctx, ch, post, post.UserId, post.CreateAt)
	if err != nil {
		return nil, err
	}
	p := &chat.Posted{Meta: m, Text: textOf(post)}
	if p.Files, err = r.filesOf(ctx, post); err != nil {
		return nil, err
	}
	if m.From.Self {
		if part, _ := post.GetProp(propPart).(string); part == "" {
			p.Key, _ = post.GetProp(propKey).(string) // of several posts only the receipt knows all
		}
		return []chat.Event{p}, nil
	}
	r.addressed(ctx, p)
	return []chat.Event{p}, nil
}

// addressed finds who a post is for.
func (r *runner) addressed(ctx context.Context, p *chat.Posted) {
	names := handles(p.Text)
	if len(names) == 0 {
		return
	}
	for _, id := range r.mentioned(ctx, names) {
		if !r.isMe(id) {
			p.Mentions = append(p.Mentions, id)
			continue
		}
		p.MentionsUs = true
		if us, ok := r.people.find(id); ok {
			p.Text = cutMention(p.Text, us.username)
		}
	}
}

// textOf is a post's text as its author typed it: the server replaces images'
// addresses where it has a proxy for them.
func textOf(post *model.Post) string {
	if post.MessageSource != "" {
		return chat.Clean(post.MessageSource)
	}
	return chat.Clean(post.Message)
}

// filesOf names the files of a post. The server describes them in it; one that
// does not is asked.
func (r *runner) filesOf(ctx context.Context, post *model.Post) ([]chat.FileRef, error) {
	if len(post.FileIds) == 0 {
		return nil, nil
	}
	infos := []*model.FileInfo(nil)
	if post.Metadata != nil {
		infos = post.Metadata.Files
	}
	if len(infos) == 0 {
		var err error
		infos, err = call(ctx, r.Adapter, "", func(ctx context.Context, acc *account) ([]*model.FileInfo, *model.Response, error) {
			return acc.api.GetFileInfosForPost(ctx, post.Id, "")
		})
		if err != nil && lasting(err) {
			r.log.Warn("files of a post cannot be read", "post", post.Id, "err", err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	var refs []chat.FileRef
	for _, f := range infos {
		if f != nil {
			refs = append(refs, chat.FileRef{Name: chat.Clean(f.Name), Type: f.MimeType, Size: f.Size, Ref: f.Id})
		}
	}
	return refs, nil
}

// comings makes Joined and Left of the server's own posts.
func (r *runner) comings(ctx context.Context, ch channel, post *model.Post) ([]chat.Event, error) {
	who := post.UserId
	prop := func(name string) {
		if id, ok := post.GetProp(name).(string); ok && id != "" {
			who = id
		}
	}
	joined := false
	switch post.Type {
	case model.PostTypeJoinChannel, model.PostTypeGuestJoinChannel:
		joined = true
	case model.PostTypeAddToChannel, model.PostTypeAddGuestToChannel:
		joined = true
		prop(model.PostPropsAddedUserId)
	case model.PostTypeLeaveChannel:
	case model.PostTypeRemoveFromChannel:
		prop("removedUserId")
	default:
		return nil, nil
	}
	if r.isMe(who) {
		return nil, nil
	}
	m, err := r.meta(ctx, ch, post, who, post.CreateAt)
	if err != nil {
		return nil, err
	}
	m.Thread = ""
	if joined {
		return []chat.Event{&chat.Joined{Meta: m}}, nil
	}
	return []chat.Event{&chat.Left{Meta: m}}, nil
}

// edited makes the event of a post that was changed by its author; pins and
// previews change posts too, and are no edits. Our own edits are known.
func (r *runner) edited(ctx context.Context, ch channel, post *model.Post) (chat.Event, error) {
	if post.EditAt == 0 || post.Type != "" && post.Type != model.PostTypeMe {
		return nil, nil
	}
	m, err := r.meta(ctx, ch, post, post.UserId, post.EditAt)
	if err != nil || m.From.Self {
		return nil, err
	}
	m.Revision = strconv.FormatInt(post.EditAt, 10)
	p := &chat.Posted{Text: textOf(post)}
	r.addressed(ctx, p) // the mention is cut as it was from the first text
	files, err := r.filesOf(ctx, post)
	if err != nil {
		return nil, err
	}
	return &chat.Edited{Meta: m, Target: post.Id, Text: p.Text, Files: files}, nil
}

// deleted makes the event of a post that is gone. Who did that the server tells
// administrators alone, or later: else it counts as its author.
func (r *runner) deleted(ctx context.Context, ch channel, post *model.Post, by string) (chat.Event, error) {
	if by == "" {
		by, _ = post.GetProp(model.PostPropsDeleteBy).(string)
	}
	if r.isMe(by) {
		return nil, nil
	}
	if by == "" {
		by = post.UserId
	}
	if strings.HasPrefix(post.Type, model.PostSystemMessagePrefix) {
		return nil, nil
	}
	m, err := r.meta(ctx, ch, post, by, max(post.DeleteAt, post.UpdateAt))
	if err != nil {
		return nil, err
	}
	m.Revision = "deleted"
	return &chat.Deleted{Meta: m, Target: post.Id}, nil
}

// reaction makes the event of an emoji put on a post, or taken back. Each
// gesture has its time in its name, so the same one later is another event.
func (r *runner) reaction(ctx context.Context, ch channel, re *model.Reaction, put bool) (chat.Event, error) {
	who, err := r.who(ctx, re.UserId)
	if err != nil {
		return nil, err
	}
	at := re.UpdateAt
	if at == 0 {
		at = re.CreateAt
	}
	m := chat.Meta{
		Room: ch.room, ID: re.PostId + "/" + re.UserId + "/" + re.EmojiName, From: who,
		At: time.UnixMilli(at).UTC(), Direct: ch.direct(),
	}
	emoji := r.emoji.fromName(re.EmojiName)
	if put {
		m.Revision = strconv.FormatInt(at, 10)
		return &chat.Reacted{Meta: m, Target: re.PostId, Emoji: emoji}, nil
	}
	m.Revision = "-" + strconv.FormatInt(at, 10)
	return &chat.Unreacted{Meta: m, Target: re.PostId, Emoji: emoji}, nil
}
