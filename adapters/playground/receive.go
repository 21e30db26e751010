package playground

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"permanence/bot/chat"
)

// respondWithin is how long the bot may take to answer a button, a form or a
// slash command; after that people read that it was received, and the answer
// comes as a message.
const respondWithin = 2 * time.Second

var received = chat.Text{
	FR: "C’est noté ; la suite arrive ici.",
	EN: "Noted; the rest comes here.",
}

// event makes an event of a record, nil where it is none of ours to tell.
// Records up to head are history.
func (c *connection) event(rec Record, head int64) chat.Event {
	if rec.Kind == "" {
		return nil
	}
	meta := chat.Meta{
		Room: rec.Room, Thread: rec.Thread,
		ID:      rec.ID,
		From:    c.from(rec.By),
		At:      time.UnixMilli(rec.At).UTC(),
		Backlog: rec.Seq <= head,
	}
	if room, ok := c.net.Room(rec.Room); ok {
		meta.Direct = room.Kind == Direct
	}
	if meta.ID == "" {
		meta.ID = "r" + c.net.ID() + "-" + strconv.FormatInt(rec.Seq, 10)
	}
	switch rec.Kind {
	case kindPosted:
		return c.posted(meta, rec)
	case kindEdited:
		meta.ID, meta.Revision = rec.Target, strconv.Itoa(rec.Revision)
		return &chat.Edited{Meta: meta, Target: rec.Target, Text: rec.Draft.Text, Files: fileRefs(rec.Draft.Files)}
	case kindDeleted:
		return &chat.Deleted{Meta: meta, Target: rec.Target}
	case kindReacted:
		return &chat.Reacted{Meta: meta, Target: rec.Target, Emoji: rec.Emoji}
	case kindUnreacted:
		return &chat.Unreacted{Meta: meta, Target: rec.Target, Emoji: rec.Emoji}
	case kindJoined:
		return &chat.Joined{Meta: meta}
	case kindLeft:
		return &chat.Left{Meta: meta, Reason: rec.Text}
	case kindSlash:
		return &chat.Slash{Meta: meta, Command: rec.Action, Text: rec.Text, Respond: c.responder(rec)}
	case kindPressed:
		return &chat.Pressed{Meta: meta, Target: rec.Target, Action: rec.Action, Value: rec.Value, Respond: c.responder(rec)}
	case kindSubmitted:
		return &chat.Submitted{Meta: meta, Form: rec.Action, Value: rec.Value, Fields: rec.Fields, Respond: c.responder(rec)}
	}
	return nil
}

func (c *connection) posted(meta chat.Meta, rec Record) *chat.Posted {
	p := &chat.Posted{
		Meta: meta, Text: rec.Draft.Text, Files: fileRefs(rec.Draft.Files),
		ReplyTo: rec.Draft.ReplyTo, Mentions: rec.Draft.Mentions, Key: rec.Draft.Key,
	}
	if !meta.From.Self && slices.Contains(p.Mentions, c.account) {
		p.MentionsUs = true
		p.Text = cutMention(p.Text, c.account)
	}
	return p
}

// cutMention takes the name of account from the beginning of text.
func cutMention(text, account string) string {
	rest := strings.TrimPrefix(text, "@")
	if len(rest) < len(account) || !strings.EqualFold(rest[:len(account)], account) {
		return text
	}
	rest = rest[len(account):]
	if rest != "" && isHandle(rest[0]) {
		return text
	}
	return strings.TrimLeft(rest, ":, \t\n")
}

// from describes the account id as the bot knows people.
func (c *connection) from(id string) chat.Account {
	if id == "" {
		return chat.Account{}
	}
	a, _ := c.net.Account(id)
	return chat.Account{ID: id, Name: a.Name, Handle: id, Proved: a.Proved, Bot: a.Bot, Self: id == c.account}
}

func fileRefs(files []File) []chat.FileRef {
	var refs []chat.FileRef
	for _, f := range files {
		refs = append(refs, chat.FileRef{Name: f.Name, Type: f.Type, Size: f.Size, Ref: f.ID})
	}
	return refs
}

// answering carries the bot's answer to whoever waits for it; only the first
// answer is heard.
type answering struct {
	c    *connection
	rec  Record
	once sync.Once
}

// responder is nil where nobody waits any more: the bot was away too long, and
// says what it has to say as a message.
func (c *connection) responder(rec Record) func(chat.Answer) {
	if !c.net.awaited(rec.Seq) {
		return nil
	}
	a := &answering{c: c, rec: rec}
	c.asked = append(c.asked, a)
	return a.respond
}

// stored starts the time that the bot has.
func (a *answering) stored() {
	time.AfterFunc(respondWithin, func() {
		a.once.Do(func() { a.c.net.Respond(a.rec.Seq, chat.Answer{Text: received.FR + " / " + received.EN}) })
	})
}

func (a *answering) respond(answer chat.Answer) {
	a.once.Do(func() {
		if answer.ForAll && answer.Text != "" {
			_, err := a.c.net.Post(context.Background(), a.c.account, Draft{Room: a.rec.Room, Thread: a.rec.Thread, Text: answer.Text})
			if err == nil {
				answer.Text = ""
			}
		}
		a.c.net.Respond(a.rec.Seq, answer)
	})
}

// fetch gives an older message to the handler of the running connection.
func (a *Adapter) fetch(ctx context.Context, op chat.Fetch) error {
	if a.Caps(op.Place).History == chat.None {
		return cannot("l’historique", "history")
	}
	a.mu.Lock()
	c := a.running
	a.mu.Unlock()
	if c == nil {
		return &chat.Error{Kind: chat.Temporary, Reason: unreachable}
	}
	m, ok := a.net.Message(op.Target)
	if !ok || m.Deleted || m.Room != op.Place.Room {
		return noMessage()
	}
	rec := Record{Kind: kindPosted, ID: m.ID, Room: m.Room, Thread: m.Thread, By: m.By, At: m.At.UnixMilli(), Draft: &Draft{
		ReplyTo: m.ReplyTo, Text: m.Text, Mentions: m.Mentions, Files: m.Files, Key: m.Key,
	}}
	ev := c.event(rec, 0)
	ev.Head().Revision = "fetched"
	ev.Head().Backlog = true
	return c.handler.Handle(ctx, []chat.Event{ev}, chat.Cursor{})
}
