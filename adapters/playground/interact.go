package playground

import (
	"context"
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
)

// answerWait is how long somebody who used a button, a form or a slash command
// waits for the bot.
const answerWait = 10 * time.Second

// Slash runs a slash command ("/word text") and waits for the answer.
func (n *Network) Slash(ctx context.Context, by, room, thread, line string) (chat.Answer, error) {
	word, text, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	if word == "" {
		return chat.Answer{}, refuse(chat.Permanent, "il manque la commande après /", "there is no command after /")
	}
	return n.ask(ctx, func() (Record, error) {
		if _, _, err := n.enter(by, room); err != nil {
			return Record{}, err
		}
		if root := n.messages[thread]; thread != "" && (root == nil || root.Room != room) {
			return Record{}, noMessage()
		} else if thread != "" && root.Thread != "" {
			thread = root.Thread
		}
		return Record{Kind: kindSlash, Room: room, Thread: thread, By: by, Action: word, Text: strings.TrimSpace(text)}, nil
	})
}

// Press presses a button of a message and waits for the answer.
func (n *Network) Press(ctx context.Context, by, room, id, action, value string) (chat.Answer, error) {
	return n.ask(ctx, func() (Record, error) {
		if _, _, err := n.enter(by, room); err != nil {
			return Record{}, err
		}
		m, err := n.message(room, id)
		if err != nil {
			return Record{}, err
		}
		if !slices.ContainsFunc(m.Buttons, func(b chat.Button) bool { return b.Action == action && b.Value == value }) {
			return Record{}, refuse(chat.Gone, "ce bouton n’est plus là", "this button is not there any more")
		}
		return Record{Kind: kindPressed, Room: room, Thread: m.Thread, By: by, Target: id, Action: action, Value: value}, nil
	})
}

// Submission is a form as somebody sent it.
type Submission struct {
	Room   string            `json:"room"`
	Thread string            `json:"thread,omitempty"`
	Form   string            `json:"form"`
	Value  string            `json:"value,omitempty"`
	Fields map[string]string `json:"fields"`
}

// Submit sends a form that an answer had opened, and waits for the answer.
func (n *Network) Submit(ctx context.Context, by string, s Submission) (chat.Answer, error) {
	return n.ask(ctx, func() (Record, error) {
		if _, _, err := n.enter(by, s.Room); err != nil {
			return Record{}, err
		}
		return Record{Kind: kindSubmitted, Room: s.Room, Thread: s.Thread, By: by, Action: s.Form, Value: s.Value, Fields: s.Fields}, nil
	})
}

// ask records what fact gives and waits until a program answers.
func (n *Network) ask(ctx context.Context, fact func() (Record, error)) (chat.Answer, error) {
	n.mu.Lock()
	rec, err := fact()
	if err == nil && n.dress == Poor {
		err = cannot("les commandes et les boutons", "commands and buttons")
	}
	if err == nil {
		rec, err = n.commit(rec)
	}
	if err != nil {
		n.mu.Unlock()
		return chat.Answer{}, err
	}
	ch := make(chan chat.Answer, 1)
	n.waiting[rec.Seq] = ch
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.waiting, rec.Seq)
		n.mu.Unlock()
	}()
	late := time.NewTimer(answerWait)
	defer late.Stop()
	select {
	case a := <-ch:
		return a, nil
	case <-ctx.Done():
		return chat.Answer{}, ctx.Err()
	case <-late.C:
		return chat.Answer{Text: answerText.FR + " / " + answerText.EN}, nil
	}
}
