package matrix

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// message makes an event of something said or done in a room; nil where it is
// nothing for us. An error means that the server has to be asked again.
func (rd *reading) message(ctx context.Context, evt *event.Event, backlog bool) (chat.Event, error) {
	switch evt.Type.Type {
	case event.EventMessage.Type, event.EventSticker.Type:
		return rd.said(ctx, evt, backlog)
	case event.EventReaction.Type:
		return rd.reacted(ctx, evt, backlog)
	case event.EventRedaction.Type:
		return rd.redacted(ctx, evt, backlog)
	case "m.poll.start", event.EventUnstablePollStart.Type:
		return rd.polled(ctx, evt, backlog), nil
	}
	if isVerification(evt.Type.Type) && rd.l.vault != nil {
		rd.l.vault.overhear(evt)
	}
	return nil, nil
}

// marked is the part of a content that is ours alone.
type marked struct {
	Key  string `json:"permanence_key"`
	Part int    `json:"permanence_part"`
}

// markOf gives the delivery key that a message of our own carries.
func markOf(evt *event.Event) (m marked) {
	if json.Unmarshal(evt.Content.VeryRaw, &m) != nil || m.Part < 0 {
		return marked{}
	}
	return m
}

// isID tells whether something names an event.
func isID(target id.EventID) bool {
	return len(target) > 1 && len(target) <= 255 && target[0] == '$' && chat.Clean(string(target)) == string(target)
}

func (rd *reading) said(ctx context.Context, evt *event.Event, backlog bool) (chat.Event, error) {
	if evt.Unsigned.RedactedBecause != nil && len(evt.Content.Raw) == 0 {
		return nil, nil // gone before we came
	}
	evt.Type.Class = event.MessageEventType
	content, ok := evt.Content.Parsed.(*event.MessageEventContent)
	if !ok {
		if err := evt.Content.ParseRaw(evt.Type); err == nil {
			content, ok = evt.Content.Parsed.(*event.MessageEventContent)
		} else {
			rd.log.Warn("strange message", "room", evt.RoomID, "event", evt.ID, "err", err)
		}
	}
	if !ok || content == nil {
		content = &event.MessageEventContent{MsgType: event.MsgText, Body: strangeBody}
	}
	if content.MsgType == event.MsgVerificationRequest {
		if rd.l.vault != nil && content.To == rd.l.me {
			rd.l.vault.overhear(evt)
		}
		return nil, nil
	}
	if target := content.RelatesTo.GetReplaceID(); target != "" {
		return rd.corrected(ctx, evt, content, target, backlog)
	}
	meta := rd.meta(ctx, evt, backlog)
	meta.From.Bot = content.MsgType == event.MsgNotice && !meta.From.Self
	if root := content.RelatesTo.GetThreadParent(); isID(root) {
		meta.Thread = string(root)
	}
	rd.seen.saw(evt.RoomID, evt.ID, evt.Sender, id.EventID(meta.Thread))
	p := &chat.Posted{Meta: meta}
	if to := content.RelatesTo.GetNonFallbackReplyTo(); meta.Thread == "" && isID(to) {
		p.ReplyTo = string(to)
	}
	w := rd.read(content, evt.Type == event.EventSticker, meta.From.Name)
	p.Text, p.Files, p.MentionsUs, p.Mentions = w.text, w.files, w.us, w.others
	if p.Text == "" && len(p.Files) == 0 && !p.MentionsUs {
		p.Text = strangeBody // there is something, and nobody should wonder what
	}
	if meta.From.Self {
		m := markOf(evt)
		if p.Key = m.Key; m.Key != "" {
			rd.seen.said(m.Key, m.Part, evt.ID)
		}
	}
	return p, nil
}

// doubtful tells whether the keys of an encrypted message are those of no
// device of its sender, or come from the backup: the server may have put
// another name to them.
func doubtful(evt *event.Event) bool {
	if !evt.Mautrix.WasEncrypted {
		return false
	}
	switch evt.Mautrix.TrustState {
	case id.TrustStateUnknownDevice, id.TrustStateDeviceKeyMismatch, id.TrustStateBackup:
		return true
	}
	return false
}

// strangeBody stands for a message whose content is not what the
// specification says.
const strangeBody = "[Matrix : message illisible / malformed message]"

// authorOf tells who said a message: from memory, else from the server. False
// where there is none such in the room.
func (rd *reading) authorOf(ctx context.Context, rid id.RoomID, target id.EventID) (author, bool, error) {
	if by, ok := rd.seen.author(rid, target); ok {
		return by, true, nil
	}
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	evt, err := rd.l.fetch(bounded, rid, target)
	switch s := statusOf(err); {
	case s == http.StatusNotFound, s == http.StatusForbidden, s == http.StatusBadRequest:
		return author{}, false, nil
	case err != nil:
		return author{}, false, err
	case evt.RoomID != rid || evt.ID != target:
		return author{}, false, nil
	}
	by := author{room: rid, sender: evt.Sender, thread: threadOf(evt)}
	rd.seen.saw(rid, target, by.sender, by.thread)
	return by, true, nil
}

// threadOf is the thread that an event is in, encrypted or not: relations are
// never encrypted.
func threadOf(evt *event.Event) id.EventID {
	var content struct {
		RelatesTo *event.RelatesTo `json:"m.relates_to"`
	}
	if json.Unmarshal(evt.Content.VeryRaw, &content) != nil {
		return ""
	}
	if root := content.RelatesTo.GetThreadParent(); isID(root) {
		return root
	}
	return ""
}

// corrected: a message replaces another one of the same sender. One of
// somebody else is forged and counts for nothing
// (https://spec.matrix.org/v1.13/client-server-api/#validity-of-replacement-events).
func (rd *reading) corrected(ctx context.Context, evt *event.Event, content *event.MessageEventContent, target id.EventID, backlog bool) (chat.Event, error) {
	if !isID(target) || content.NewContent == nil {
		return nil, nil
	}
	by, ok, err := rd.authorOf(ctx, evt.RoomID, target)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil // of before we came, or of another room
	}
	if by.sender != evt.Sender {
		return rd.strange(ctx, evt, backlog, "une correction du message de quelqu’un d’autre", "a correction of somebody else's message"), nil
	}
	meta := rd.meta(ctx, evt, backlog)
	meta.ID, meta.Revision, meta.Thread = string(target), string(evt.ID), string(by.thread)
	w := rd.read(content.NewContent, false, meta.From.Name)
	return &chat.Edited{Meta: meta, Target: string(target), Text: w.text, Files: w.files}, nil
}

func (rd *reading) reacted(ctx context.Context, evt *event.Event, backlog bool) (chat.Event, error) {
	if err := evt.Content.ParseRaw(event.EventReaction); err != nil && evt.Content.Parsed == nil {
		return nil, nil
	}
	content, ok := evt.Content.Parsed.(*event.ReactionEventContent)
	if !ok || content.RelatesTo.Type != event.RelAnnotation || !isID(content.RelatesTo.EventID) {
		return nil, nil
	}
	target := content.RelatesTo.EventID
	shown := emojiOf(content.RelatesTo.Key, evt.Content.Raw)
	if shown == "" {
		return nil, nil
	}
	if evt.Sender == rd.l.me {
		rd.seen.reacted(emoji{target, content.RelatesTo.Key}, evt.ID)
	}
	if err := rd.marks.put(ctx, reaction{evt.ID, target, shown, evt.Sender}); err != nil {
		return nil, err
	}
	meta := rd.meta(ctx, evt, backlog)
	if by, ok := rd.seen.author(evt.RoomID, target); ok {
		meta.Thread = string(by.thread)
	}
	return &chat.Reacted{Meta: meta, Target: string(target), Emoji: shown}, nil
}

// emojiOf gives the emoji of a reaction: a Unicode one as it is, an image as
// :name:. Anything long is no emoji.
func emojiOf(key string, raw map[string]any) string {
	key = strings.TrimSpace(chat.Clean(key))
	if strings.HasPrefix(key, "mxc://") {
		for _, field := range []string{"com.beeper.reaction.shortcode", "shortcode"} {
			if name, _ := raw[field].(string); name != "" && len(name) < 64 {
				return ":" + strings.Trim(cleanName(name), ":") + ":"
			}
		}
		return ":image:"
	}
	if len(key) > 64 {
		return ""
	}
	return key
}

// redacted: a message or a reaction is taken back. Which of the two it is the
// server does not say; we remember reactions.
func (rd *reading) redacted(ctx context.Context, evt *event.Event, backlog bool) (chat.Event, error) {
	target := evt.Redacts
	if inside, _ := evt.Content.Raw["redacts"].(string); inside != "" { // room version 11
		target = id.EventID(inside)
	}
	if !isID(target) {
		return nil, nil
	}
	meta := rd.meta(ctx, evt, backlog)
	x, ok, err := rd.marks.get(ctx, target)
	if err != nil {
		return nil, err
	}
	if ok {
		if x.By != evt.Sender { // a moderator's doing: it is gone all the same
			if !rd.moderates(ctx, evt.RoomID, evt.Sender) {
				return nil, nil
			}
			meta.From = rd.account(ctx, rd.l, evt.RoomID, x.By)
		}
		return &chat.Unreacted{Meta: meta, Target: string(x.Target), Emoji: x.Key}, nil
	}
	by, ok, err := rd.authorOf(ctx, evt.RoomID, target)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil
	}
	if by.sender != evt.Sender && !rd.moderates(ctx, evt.RoomID, evt.Sender) {
		return rd.strange(ctx, evt, backlog, "la suppression du message de quelqu’un d’autre, sans en avoir le droit", "somebody takes back what is not theirs, without the right to"), nil
	}
	meta.Thread = string(by.thread)
	return &chat.Deleted{Meta: meta, Target: string(target)}, nil
}

// moderates tells whether somebody may take back what others said
// (https://spec.matrix.org/v1.13/client-server-api/#redactions). Servers check
// that, not all of them before they tell of it.
func (rd *reading) moderates(ctx context.Context, rid id.RoomID, user id.UserID) bool {
	levels := rd.book.look(rid).levels
	if levels == nil {
		levels = new(event.PowerLevelsEventContent)
		if err := rd.l.stateOf(ctx, rid, event.StatePowerLevels, levels); err != nil {
			rd.log.Info("rights in a room cannot be learned", "room", rid, "err", err)
			return false
		}
		rd.book.update(rid, func(x *room) { x.levels = levels })
	}
	if levels.GetUserLevel(user) >= levels.Redact() {
		return true
	}
	// Since room version 12 who made a room may do everything there.
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	create, err := rd.l.client.FullStateEvent(ctx, rid, event.StateCreate, "")
	if err != nil || create.Content.ParseRaw(event.StateCreate) != nil && create.Content.Parsed == nil {
		return false
	}
	return (&event.PowerLevelsEventContent{CreateEvent: create}).GetUserLevel(user) >= levels.Redact()
}

// pollStart is a question with answers, by MSC3381 and as it is stable.
type pollStart struct {
	Stable   *poll `json:"m.poll"`
	Unstable *poll `json:"org.matrix.msc3381.poll.start"`
}

type poll struct {
	Question pollText   `json:"question"`
	Answers  []pollText `json:"answers"`
}

type pollText struct {
	Text     json.RawMessage `json:"m.text"`
	Unstable string          `json:"org.matrix.msc1767.text"`
	Body     string          `json:"body"`
}

func (t pollText) String() string {
	var parts []struct {
		Body string `json:"body"`
	}
	var plain string
	switch {
	case json.Unmarshal(t.Text, &parts) == nil && len(parts) > 0:
		return parts[0].Body
	case json.Unmarshal(t.Text, &plain) == nil:
		return plain
	case t.Unstable != "":
		return t.Unstable
	}
	return t.Body
}

// polled shows a poll as a question with a list.
func (rd *reading) polled(ctx context.Context, evt *event.Event, backlog bool) chat.Event {
	var start pollStart
	if json.Unmarshal(evt.Content.VeryRaw, &start) != nil {
		return nil
	}
	p := start.Stable
	if p == nil {
		p = start.Unstable
	}
	if p == nil || p.Question.String() == "" {
		return nil
	}
	text := fromPlain(p.Question.String())
	for _, answer := range p.Answers[:min(len(p.Answers), 20)] {
		text += "\n- " + strings.Join(strings.Fields(fromPlain(answer.String())), " ")
	}
	meta := rd.meta(ctx, evt, backlog)
	meta.Thread = string(threadOf(evt))
	rd.seen.saw(evt.RoomID, evt.ID, evt.Sender, id.EventID(meta.Thread))
	return &chat.Posted{Meta: meta, Text: clipped(text)}
}

// follow goes from a room to the one that replaces it
// (https://spec.matrix.org/v1.13/client-server-api/#room-upgrades). The new one
// must say itself that it replaces the old one.
func (r *runner) follow(ctx context.Context, l *link, old, rid id.RoomID, by id.UserID) {
	name, _ := r.book.nameOf(old)
	if known, ok := r.book.id(name); !ok || known != old {
		return // followed already
	}
	if _, server, ok := strings.Cut(string(by), ":"); ok {
		r.log.Info("a room is replaced", "room", name, "by", rid, "server", server)
	}
	pause := r.pauses()
	for tries := 0; ; tries++ {
		err := r.followOnce(ctx, l, name, old, rid)
		if err == nil || ctx.Err() != nil {
			return
		}
		r.log.Warn("cannot follow a room to its replacement", "room", name, "new", rid, "err", err)
		if tries >= 20 || !sleep(ctx, pause.NextBackOff()) {
			return
		}
	}
}

func (r *runner) followOnce(ctx context.Context, l *link, name string, old, rid id.RoomID) error {
	if err := r.join(ctx, l, string(rid), rid); err != nil {
		return err
	}
	var create event.CreateEventContent
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := l.client.MakeRequest(bounded, http.MethodGet, l.client.BuildClientURL("v3", "rooms", rid, "state", event.StateCreate.Type, ""), nil, &create); err != nil {
		return err
	}
	if create.Predecessor == nil || create.Predecessor.RoomID != old {
		r.log.Warn("the room that is said to replace another does not say so itself; it is not followed", "room", name, "new", rid)
		return nil
	}
	if err := r.state.Put(ctx, roomKey(name), []byte(rid)); err != nil {
		return err
	}
	if err := r.state.Put(ctx, nameKey(rid), []byte(name)); err != nil {
		return err
	}
	r.book.bind(name, rid)
	return nil
}

// strange is what is told of an event that cannot be what it says.
func (rd *reading) strange(ctx context.Context, evt *event.Event, backlog bool, fr, en string) chat.Event {
	return &chat.Strange{Meta: rd.meta(ctx, evt, backlog), Reason: chat.Text{FR: fr, EN: en}}
}
