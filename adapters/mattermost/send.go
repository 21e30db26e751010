package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// Do performs one operation.
func (a *Adapter) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return chat.Receipt{}, err
	}
	done := chat.Receipt{Confirmed: true}
	switch op := op.(type) {
	case chat.Say:
		receipt, err := a.say(ctx, op, try)
		a.outcome(op.Place.Room, err)
		return receipt, err
	case chat.Edit:
		return a.edit(ctx, op, try)
	case chat.Delete:
		return done, a.delete(ctx, op.Place.Room, op.Targets)
	case chat.React:
		return done, a.react(ctx, op.Place.Room, op.Target, op.Emoji, true)
	case chat.Unreact:
		return done, a.react(ctx, op.Place.Room, op.Target, op.Emoji, false)
	case chat.Topic:
		return done, a.topic(ctx, op.Place.Room, op.Text)
	case chat.Pin:
		return done, a.pin(ctx, op.Place.Room, op.Target, true)
	case chat.Unpin:
		return done, a.pin(ctx, op.Place.Room, op.Target, false)
	case chat.OpenDirect:
		room, err := a.openDirect(ctx, op.Account)
		done.Room = room
		return done, err
	case chat.Fetch:
		return chat.Receipt{}, a.fetch(ctx, op)
	}
	return chat.Receipt{}, refuse(chat.Permanent, "opération inconnue de Mattermost", fmt.Sprintf("operation %T unknown to Mattermost", op))
}

// draft is one post to be made.
type draft struct {
	text    string
	files   []chat.File
	buttons []chat.Button
}

// maxFiles is how many files the server takes in one post.
const maxFiles = 10

// drafts lays a content out over posts: the text, with buttons below its end;
// files with the last of it, and in posts of their own where they are many.
func (a *Adapter) drafts(ctx context.Context, c chat.Content) ([]draft, error) {
	text, err := a.pinging(ctx, c)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" && len(c.Files) == 0 {
		return nil, refuse(chat.Permanent, "il n’y a rien à dire", "there is nothing to say")
	}
	var drafts []draft
	for _, part := range split(text) {
		drafts = append(drafts, draft{text: part})
	}
	drafts[len(drafts)-1].buttons = c.Buttons
	for files := range slices.Chunk(c.Files, maxFiles) {
		if last := &drafts[len(drafts)-1]; last.files == nil {
			last.files = files
		} else {
			drafts = append(drafts, draft{files: files})
		}
	}
	return drafts, nil
}

// pinging gives the text in which those of Mentions are pinged and nobody
// else; names that the text does not have are put before it.
func (a *Adapter) pinging(ctx context.Context, c chat.Content) (string, error) {
	var names []string
	var before strings.Builder
	for _, who := range c.Mentions {
		name, err := a.username(ctx, who)
		if err != nil {
			return "", err
		}
		if name == "" || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		if !slices.Contains(handles(c.Text), name) {
			before.WriteString("@" + name + " ")
		}
	}
	return before.String() + quiet(c.Text, names), nil
}

// say posts the parts that are not said yet. Nothing here is shared between
// threads, so posts to several of them go at the same time.
func (a *Adapter) say(ctx context.Context, op chat.Say, try chat.Try) (chat.Receipt, error) {
	room := op.Place.Room
	channel, err := a.channelOf(ctx, room)
	if err != nil {
		return chat.Receipt{}, err
	}
	drafts, err := a.drafts(ctx, op.Content)
	if err != nil {
		return chat.Receipt{}, err
	}
	receipt := chat.Receipt{Confirmed: true, Thread: op.Place.Thread}
	for _, id := range try.Done {
		receipt.Parts = append(receipt.Parts, chat.Part{ID: id})
	}
	from := max(try.PartsDone, len(try.Done))
	if from > len(drafts) {
		return chat.Receipt{}, refuse(chat.Permanent, "plus de morceaux dits que le texte n’en a", "more parts said than the text has")
	}
	if try.Attempt > 1 && try.Key != "" {
		said, err := a.findKey(ctx, room, channel, op.Place.Thread, try.Key)
		if err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		for ; from < len(drafts) && said[from].ID != ""; from++ {
			receipt.Parts = append(receipt.Parts, said[from]) // accepted without our learning of it
		}
	}
	thread := op.Place.Thread
	for i := from; i < len(drafts); i++ {
		post := &model.Post{ChannelId: channel, RootId: thread, Message: drafts[i].text}
		if try.Key != "" {
			post.PendingPostId = try.Key + "." + strconv.Itoa(i)
			post.AddProp(propKey, try.Key)
			if len(drafts) > 1 {
				post.AddProp(propPart, fmt.Sprintf("%d/%d", i+1, len(drafts)))
			}
		}
		if err := a.attach(ctx, post, drafts[i].buttons); err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		if post.FileIds, err = a.upload(ctx, room, channel, drafts[i].files); err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		made, err := a.post(ctx, room, post)
		if err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		thread = made.RootId
		receipt.Parts = append(receipt.Parts, chat.Part{ID: made.Id, At: time.UnixMilli(made.CreateAt).UTC()})
	}
	receipt.Thread = thread
	return receipt, nil
}

// post makes one post. A thread that is named by one of its replies is found
// by its root, which is what the server wants.
func (a *Adapter) post(ctx context.Context, room string, post *model.Post) (*model.Post, error) {
	create := func(ctx context.Context, acc *account) (*model.Post, *model.Response, error) {
		return acc.api.CreatePost(ctx, post)
	}
	made, err := call(ctx, a, room, create)
	var answer *serverError
	if post.RootId == "" || !errors.As(err, &answer) || !strings.Contains(answer.ID, "root_id") {
		return made, err
	}
	root, rerr := a.getPost(ctx, room, post.RootId)
	if rerr != nil || root.RootId == "" {
		return made, err
	}
	post.RootId = root.RootId
	return call(ctx, a, room, create)
}

func (a *Adapter) getPost(ctx context.Context, room, id string) (*model.Post, error) {
	return call(ctx, a, room, func(ctx context.Context, acc *account) (*model.Post, *model.Response, error) {
		return acc.api.GetPost(ctx, id, "")
	})
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

// keyPages bounds how far back our key is looked for: a thousand posts.
const keyPages = 5

// findKey looks for posts of ours with a delivery's key, by their parts.
func (a *Adapter) findKey(ctx context.Context, room, channel, thread, key string) (map[int]chat.Part, error) {
	found := make(map[int]chat.Part)
	look := func(list *model.PostList) {
		for _, post := range list.Posts {
			if k, _ := post.GetProp(propKey).(string); k != key || !a.isMe(post.UserId) || post.DeleteAt > 0 {
				continue
			}
			part := 1
			if p, _ := post.GetProp(propPart).(string); p != "" {
				number, _, _ := strings.Cut(p, "/")
				n, err := strconv.Atoi(number)
				if err != nil {
					continue
				}
				part = n
			}
			found[part-1] = chat.Part{ID: post.Id, At: time.UnixMilli(post.CreateAt).UTC()}
		}
	}
	if thread != "" {
		list, err := call(ctx, a, room, func(ctx context.Context, acc *account) (*model.PostList, *model.Response, error) {
			return acc.api.GetPostThread(ctx, thread, "", false)
		})
		if err != nil {
			return nil, err
		}
		look(list)
		return found, nil
	}
	for page := range keyPages {
		query := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(pageSize)}, "skipFetchThreads": {"true"}, "collapsedThreads": {"false"}}
		list, err := call(ctx, a, room, func(ctx context.Context, acc *account) (*model.PostList, *model.Response, error) {
			return getJSON[*model.PostList](ctx, acc, "/channels/"+channel+"/posts?"+query.Encode())
		})
		if err != nil {
			return nil, err
		}
		look(list)
		if len(found) > 0 && found[0].ID != "" || len(list.Order) < pageSize {
			break
		}
	}
	return found, nil
}

// edit gives the targets their new texts. Where there are fewer parts than
// before the last targets are deleted, where there are more they are said.
// What stands in a post's props, our key above all, stays.
func (a *Adapter) edit(ctx context.Context, op chat.Edit, try chat.Try) (chat.Receipt, error) {
	if len(op.Targets) == 0 {
		return chat.Receipt{}, refuse(chat.Permanent, "rien à corriger", "nothing to edit")
	}
	c := op.Content
	c.Files = nil // a post keeps the files that it has
	drafts, err := a.drafts(ctx, c)
	if err != nil {
		return chat.Receipt{}, err
	}
	room := op.Place.Room
	receipt := chat.Receipt{Confirmed: true, Thread: op.Place.Thread}
	for i, id := range op.Targets {
		if i >= len(drafts) {
			if err := a.delete(ctx, room, op.Targets[i:]); err != nil {
				return chat.Receipt{}, partly(err, receipt)
			}
			break
		}
		part, err := a.patch(ctx, room, id, drafts[i], c.Card || len(c.Buttons) > 0)
		if err != nil {
			return chat.Receipt{}, partly(err, receipt)
		}
		receipt.Parts = append(receipt.Parts, part)
	}
	if len(drafts) <= len(op.Targets) {
		return receipt, nil
	}
	return a.say(ctx, chat.Say{Place: op.Place, Content: c},
		chat.Try{Key: try.Key, Attempt: try.Attempt, PartsDone: len(op.Targets), Done: slices.Clone(op.Targets)})
}

func (a *Adapter) patch(ctx context.Context, room, id string, d draft, card bool) (chat.Part, error) {
	patch := &model.PostPatch{Message: &d.text}
	if card {
		// Buttons stand in the props, and a patch replaces all of these.
		was, err := a.getPost(ctx, room, id)
		if err != nil {
			return chat.Part{}, err
		}
		was.DelProp(model.PostPropsAttachments)
		if err := a.attach(ctx, was, d.buttons); err != nil {
			return chat.Part{}, err
		}
		props := was.GetProps()
		patch.Props = &props
	}
	post, err := call(ctx, a, room, func(ctx context.Context, acc *account) (*model.Post, *model.Response, error) {
		return acc.api.PatchPost(ctx, id, patch)
	})
	if err != nil {
		return chat.Part{}, a.orGone(ctx, room, id, err)
	}
	return chat.Part{ID: id, At: time.UnixMilli(post.CreateAt).UTC()}, nil
}

// attach puts buttons below a post, where the server can call us.
func (a *Adapter) attach(ctx context.Context, post *model.Post, buttons []chat.Button) error {
	if len(buttons) == 0 || a.integration == nil {
		return nil
	}
	var actions []*model.PostAction
	for i, b := range buttons {
		style := "default"
		switch b.Style {
		case "primary", "danger":
			style = b.Style
		}
		integration, err := a.integration(ctx, post, b)
		if err != nil {
			return fmt.Errorf("a button: %w", err)
		}
		actions = append(actions, &model.PostAction{
			Id: "b" + strconv.Itoa(i), Type: model.PostActionTypeButton, Name: b.Label, Style: style, Integration: integration,
		})
	}
	post.AddProp(model.PostPropsAttachments, []*model.MessageAttachment{{Actions: actions}})
	return nil
}

// delete removes posts; those that are gone already are no error.
func (a *Adapter) delete(ctx context.Context, room string, ids []string) error {
	for _, id := range ids {
		err := a.act(ctx, room, func(ctx context.Context, acc *account) (*model.Response, error) {
			return acc.api.DeletePost(ctx, id)
		})
		if err = a.orGone(ctx, room, id, err); err != nil && !isStatus(err, http.StatusNotFound) {
			return err
		}
	}
	return nil
}

// orGone gives err, or that a post is gone: of one that is gone the server
// knows no channel, and often says that we have no right there.
func (a *Adapter) orGone(ctx context.Context, room, id string, err error) error {
	if !isStatus(err, http.StatusForbidden) && !isStatus(err, http.StatusBadRequest) {
		return err
	}
	if _, gone := a.getPost(ctx, room, id); isStatus(gone, http.StatusNotFound) {
		return gone
	}
	return err
}

// act is call for what answers nothing.
func (a *Adapter) act(ctx context.Context, room string, f func(context.Context, *account) (*model.Response, error)) error {
	_, err := call(ctx, a, room, func(ctx context.Context, acc *account) (struct{}, *model.Response, error) {
		resp, err := f(ctx, acc)
		return struct{}{}, resp, err
	})
	return err
}

// react puts our emoji on a post or takes it back; the server minds neither
// one that is there nor one that is not.
func (a *Adapter) react(ctx context.Context, room, target, emoji string, put bool) error {
	name, err := a.emojiName(emoji)
	if err != nil {
		return err
	}
	err = a.act(ctx, room, func(ctx context.Context, acc *account) (*model.Response, error) {
		r := &model.Reaction{UserId: acc.me.Id, PostId: target, EmojiName: name}
		if put {
			_, resp, err := acc.api.SaveReaction(ctx, r)
			return resp, err
		}
		return acc.api.DeleteReaction(ctx, r)
	})
	return a.orGone(ctx, room, target, err)
}

func (a *Adapter) pin(ctx context.Context, room, target string, on bool) error {
	err := a.act(ctx, room, func(ctx context.Context, acc *account) (*model.Response, error) {
		if on {
			return acc.api.PinPost(ctx, target)
		}
		return acc.api.UnpinPost(ctx, target)
	})
	return a.orGone(ctx, room, target, err)
}

// openDirect finds or makes the direct room with somebody: by ID, or by user
// name where we have none.
func (a *Adapter) openDirect(ctx context.Context, who chat.Account) (string, error) {
	id := who.ID
	if id == "" && who.Handle != "" {
		if ids := a.mentioned(ctx, []string{strings.ToLower(strings.TrimPrefix(who.Handle, "@"))}); len(ids) == 1 {
			id = ids[0]
		}
	}
	if !model.IsValidId(id) {
		return "", refuse(chat.Permanent, "cette personne n’a pas de compte sur ce serveur Mattermost",
			"this person has no account on this Mattermost server")
	}
	ch, err := call(ctx, a, "Mattermost", func(ctx context.Context, acc *account) (*model.Channel, *model.Response, error) {
		return acc.api.CreateDirectChannel(ctx, acc.me.Id, id)
	})
	if err != nil {
		return "", err
	}
	a.known.learn(ch.Id, ch.Type)
	return ch.Id, nil
}

// fetch reads an older post and hands it to the bot.
func (a *Adapter) fetch(ctx context.Context, op chat.Fetch) error {
	post, err := a.getPost(ctx, op.Place.Room, op.Target)
	if err != nil {
		return err
	}
	ch, err := a.met(ctx, post.ChannelId, "")
	if err != nil {
		return err
	}
	if !ch.ours() {
		ch.room = op.Place.Room
	}
	events, err := (&runner{Adapter: a}).posted(ctx, ch, post)
	if err != nil {
		return err
	}
	for _, e := range events {
		e.Head().Backlog, e.Head().Revision = true, "fetched"
	}
	return a.deliver(ctx, events...)
}
