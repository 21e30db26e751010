package playground

import (
	"context"
	"fmt"
	"io"
	"strings"

	"permanence/bot/chat"
	"permanence/internal/markup"
)

// Do performs one operation.
func (a *Adapter) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return chat.Receipt{}, err
	}
	room := chat.PlaceOf(op).Room
	done := chat.Receipt{Confirmed: true}
	switch op := op.(type) {
	case chat.Say:
		return a.say(ctx, op, try)
	case chat.Edit:
		return a.edit(ctx, op, try)
	case chat.Delete:
		for _, id := range op.Targets {
			if err := a.net.Delete(a.account, room, id); err != nil && !a.deleted(room, id) {
				return chat.Receipt{}, err
			}
		}
		return done, nil
	case chat.React:
		return done, a.net.React(a.account, room, op.Target, op.Emoji, true)
	case chat.Unreact:
		return done, a.net.React(a.account, room, op.Target, op.Emoji, false)
	case chat.Topic:
		r, _ := a.net.Room(room)
		return done, a.net.SetTopic(a.account, room, topic(r.Topic, op.Text))
	case chat.Pin:
		return done, a.net.Pin(a.account, room, op.Target, true)
	case chat.Unpin:
		return done, a.net.Pin(a.account, room, op.Target, false)
	case chat.OpenDirect:
		name, err := a.net.OpenDirect(a.account, op.Account.ID)
		done.Room = name
		return done, err
	case chat.Fetch:
		return chat.Receipt{}, a.fetch(ctx, op)
	}
	return chat.Receipt{}, refuse(chat.Permanent, "opération inconnue du bac à sable", fmt.Sprintf("operation %T unknown to the playground", op))
}

// deleted: the message is gone already, which is what a deletion wants.
func (a *Adapter) deleted(room, id string) bool {
	m, ok := a.net.Message(id)
	return ok && m.Deleted && m.Room == room
}

// say posts the parts that are not said yet.
func (a *Adapter) say(ctx context.Context, op chat.Say, try chat.Try) (chat.Receipt, error) {
	caps := a.Caps(op.Place)
	receipt := chat.Receipt{Confirmed: true, Thread: op.Place.Thread}
	for _, id := range try.Done {
		part := chat.Part{ID: id}
		if m, ok := a.net.Message(id); ok {
			part.At = m.At
		}
		receipt.Parts = append(receipt.Parts, part)
	}
	from := max(try.PartsDone, len(try.Done))
	drafts, err := a.drafts(op, caps, from)
	if err != nil {
		return chat.Receipt{}, err
	}
	if try.Attempt > 1 && caps.Keys && try.Key != "" {
		found, err := a.net.FindKey(a.account, op.Place.Room, try.Key)
		if err != nil {
			return chat.Receipt{}, err
		}
		for _, m := range found {
			if m.Part == from { // what was accepted without our learning of it
				receipt.Parts = append(receipt.Parts, chat.Part{ID: m.ID, At: m.At})
				from++
			}
		}
	}
	for i := from; i < len(drafts); i++ {
		d := drafts[i]
		d.Part = i
		if caps.Keys {
			d.Key = try.Key
		}
		if d.Files, err = a.upload(op.Content.Files, i == len(drafts)-1); err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		m, err := a.net.Post(ctx, a.account, d)
		if err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		receipt.Parts = append(receipt.Parts, chat.Part{ID: m.ID, At: m.At})
	}
	return receipt, nil
}

// partly gives err with what had been said before it.
func partly(err error, receipt chat.Receipt) error {
	if len(receipt.Parts) == 0 {
		return err
	}
	e := *chat.AsError(err)
	e.Receipt = receipt
	return &e
}

// drafts splits an operation into messages. Buttons stand below the last one.
func (a *Adapter) drafts(op chat.Say, caps chat.Caps, done int) ([]Draft, error) {
	if len(op.Content.Files) > 0 && caps.Files == chat.None {
		return nil, cannot("les fichiers", "files")
	}
	texts := texts(a.pinging(op.Content), caps)
	drafts := make([]Draft, len(texts))
	for i, text := range texts {
		drafts[i] = Draft{
			Room: op.Place.Room, Thread: op.Place.Thread, Text: text,
			Notice: op.Content.Notice, Card: op.Content.Card,
		}
		if i == 0 {
			drafts[i].ReplyTo = op.ReplyTo
			drafts[i].Mentions = a.known(op.Content.Mentions)
		}
	}
	drafts[len(drafts)-1].Buttons = op.Content.Buttons
	if done > len(drafts) {
		return nil, refuse(chat.Permanent, "plus de morceaux dits que le texte n’en a", "more parts said than the text has")
	}
	return drafts, nil
}

// texts splits a text into messages of the network: lines where it knows
// nothing else.
func texts(text string, caps chat.Caps) []string {
	if text == "" {
		return []string{""} // files alone
	}
	if caps.Format != chat.Plain {
		return markup.SplitRunes(text, caps.MaxText)
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(markup.MarkdownToPlain(text), "\r\n", "\n")) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\n"), "\r", " ")
		if strings.TrimSpace(line) != "" {
			lines = append(lines, markup.SplitRunes(line, caps.MaxText)...)
		}
	}
	if len(lines) == 0 {
		return []string{text}
	}
	return lines
}

// pinging puts the names of those to be pinged before the text, unless it has
// them already.
func (a *Adapter) pinging(c chat.Content) string {
	var names strings.Builder
	for _, id := range a.known(c.Mentions) {
		if !strings.Contains(c.Text, "@"+id) && !a.addressed(c.Text, id) {
			names.WriteString("@" + id + " ")
		}
	}
	return names.String() + c.Text
}

// addressed tells whether a text opens with somebody's name and a colon.
func (a *Adapter) addressed(text, id string) bool {
	who, ok := a.net.Account(id)
	return ok && strings.HasPrefix(text, who.Name+":")
}

func (a *Adapter) known(accounts []chat.Account) []string {
	var ids []string
	for _, m := range accounts {
		if _, ok := a.net.Account(m.ID); ok {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// upload puts files on the network, where now says that their message is next.
func (a *Adapter) upload(files []chat.File, now bool) ([]File, error) {
	if !now {
		return nil, nil
	}
	var up []File
	for _, f := range files {
		if f.Open == nil {
			return nil, refuse(chat.Permanent, "le fichier "+f.Name+" n’a pas de contenu", "the file "+f.Name+" has no content")
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("open outbound file: %w", err)
		}
		data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
		if cerr := r.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, fmt.Errorf("read outbound file: %w", err)
		}
		sent, err := a.net.AddFile(a.account, f.Name, f.Type, data)
		if err != nil {
			return nil, err
		}
		up = append(up, sent)
	}
	return up, nil
}

// edit gives the targets their new texts. Where there are fewer parts than
// before the last targets are deleted, where there are more they are said.
func (a *Adapter) edit(ctx context.Context, op chat.Edit, try chat.Try) (chat.Receipt, error) {
	if a.Caps(op.Place).Edits == chat.None {
		return chat.Receipt{}, cannot("les corrections", "edits")
	}
	if len(op.Targets) == 0 {
		return chat.Receipt{}, refuse(chat.Permanent, "rien à corriger", "nothing to edit")
	}
	drafts, err := a.drafts(chat.Say{Place: op.Place, Content: op.Content}, a.Caps(op.Place), 0)
	if err != nil {
		return chat.Receipt{}, err
	}
	receipt := chat.Receipt{Confirmed: true, Thread: op.Place.Thread}
	for i, id := range op.Targets {
		if i >= len(drafts) {
			if err := a.net.Delete(a.account, op.Place.Room, id); err != nil && !a.deleted(op.Place.Room, id) {
				return chat.Receipt{}, partly(err, receipt)
			}
			continue
		}
		drafts[i].Thread = ""
		before, _ := a.net.Message(id)
		drafts[i].Files = before.Files
		if err := a.net.Edit(a.account, op.Place.Room, id, drafts[i]); err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		receipt.Parts = append(receipt.Parts, chat.Part{ID: id, At: before.At})
	}
	if len(drafts) <= len(op.Targets) {
		return receipt, nil
	}
	done := make([]string, len(op.Targets))
	copy(done, op.Targets)
	return a.say(ctx, chat.Say{Place: op.Place, Content: op.Content},
		chat.Try{Key: try.Key, Attempt: try.Attempt, PartsDone: len(done), Done: done})
}

// Marks around the bot's segment of a topic.
const topicOpen, topicClose = "⟦", "⟧"

// topic replaces the bot's segment in what people wrote; empty text removes it.
func topic(old, text string) string {
	before, rest, ok := strings.Cut(old, topicOpen)
	after := ""
	if ok {
		if _, tail, closed := strings.Cut(rest, topicClose); closed {
			after = tail
		}
	}
	before, after = strings.TrimSpace(before), strings.TrimSpace(after)
	if text != "" {
		text = topicOpen + text + topicClose
	}
	var parts []string
	for _, s := range []string{before, text, after} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}
