package outbox

import (
	"fmt"
	"strings"

	"permanence/bot/chat"
)

// want is what a delivery would like to do at a place.
type want struct {
	kind    Kind
	place   chat.Place
	caps    chat.Caps
	payload Payload
	targets []string
	replyTo string
	was     string // of a mark: the emoji of ours that stands now
}

// degrade turns a wish into the operations that the place can perform: the
// next best thing where it lacks a feature, nothing where there is none. It is
// the only code that knows what to do instead.
func degrade(w want) []chat.Op {
	p := w.payload
	switch w.kind {
	case Say:
		return []chat.Op{chat.Say{Place: place(w), Content: fit(*p.Content, p.Heading, w.caps), ReplyTo: reply(w)}}
	case Edit, Card:
		if w.caps.Edits != chat.None {
			// A long text may have become several messages; the adapter spreads
			// the new one over the same.
			return []chat.Op{chat.Edit{Place: place(w), Targets: w.targets, Content: fit(*p.Content, p.Heading, w.caps)}}
		}
		return fallback(w)
	case Delete:
		if w.caps.Deletes != chat.None {
			return []chat.Op{chat.Delete{Place: place(w), Targets: w.targets}}
		}
		if w.caps.Edits != chat.None && p.Fallback != nil {
			return []chat.Op{chat.Edit{Place: place(w), Targets: w.targets, Content: fit(*p.Fallback, p.Heading, w.caps)}}
		}
		return fallback(w)
	case Mark:
		if w.caps.Reactions == chat.None {
			return nil
		}
		var ops []chat.Op
		for _, was := range strings.Fields(w.was) { // several where nobody knows which
			if was != p.Emoji {
				ops = append(ops, chat.Unreact{Place: place(w), Target: w.targets[0], Emoji: was})
			}
		}
		if p.Emoji != "" {
			ops = append(ops, chat.React{Place: place(w), Target: w.targets[0], Emoji: p.Emoji})
		}
		return ops
	case Topic:
		if w.caps.Topic == chat.None {
			return nil
		}
		return []chat.Op{chat.Topic{Place: place(w), Text: p.Topic}}
	case Pin:
		if w.caps.Pins == chat.None {
			return nil
		}
		if p.On {
			return []chat.Op{chat.Pin{Place: place(w), Target: w.targets[0]}}
		}
		return []chat.Op{chat.Unpin{Place: place(w), Target: w.targets[0]}}
	case Direct:
		if p.Account == nil {
			return nil
		}
		return []chat.Op{chat.OpenDirect{Place: chat.Place{Adapter: w.place.Adapter}, Account: *p.Account}}
	case Fetch:
		if w.caps.History == chat.None {
			return nil
		}
		return []chat.Op{chat.Fetch{Place: place(w), Target: p.Remote}}
	}
	return nil
}

// place is where it happens: the room where there are no threads.
func place(w want) chat.Place {
	if c := w.payload.Content; w.caps.Threads == chat.None && (c == nil || c.Mail == nil) {
		return chat.Place{Adapter: w.place.Adapter, Room: w.place.Room}
	}
	return w.place
}

func reply(w want) string {
	if w.caps.Replies == chat.None {
		return ""
	}
	return w.replyTo
}

func fallback(w want) []chat.Op {
	if w.payload.Fallback == nil {
		return nil
	}
	if w.replyTo == "" && len(w.targets) > 0 {
		w.replyTo = w.targets[0] // it is about that message
	}
	return []chat.Op{chat.Say{Place: place(w), Content: fit(*w.payload.Fallback, w.payload.Heading, w.caps), ReplyTo: reply(w)}}
}

// fit makes a content that the place can show: the ticket's number first where
// there are no threads, links instead of files it cannot carry, the beginning
// and a link instead of a text that would become too many messages.
func fit(c chat.Content, heading string, caps chat.Caps) chat.Content {
	if caps.Threads == chat.None && heading != "" && c.Mail == nil {
		c.Text = heading + " " + c.Text
	}
	if caps.Buttons == chat.None {
		c.Buttons = nil
	}
	if caps.Mentions == chat.None {
		c.Mentions = nil
	}
	var keep []chat.File
	for _, f := range c.Files {
		if caps.Files != chat.None && (caps.MaxFile == 0 || f.Size <= caps.MaxFile) {
			keep = append(keep, f)
			continue
		}
		line := fmt.Sprintf("📎 %s", f.Name)
		if f.Link != "" {
			line += " " + f.Link
		}
		c.Text = strings.TrimLeft(c.Text+"\n"+line, "\n")
	}
	c.Files = keep
	if caps.MaxText > 0 && caps.MaxParts > 0 && c.Mail == nil {
		limit := caps.MaxText * caps.MaxParts
		if r := []rune(c.Text); len(r) > limit {
			tail := "…"
			if c.Link != "" {
				tail = "… " + c.Link
			}
			cut := max(limit-len([]rune(tail))-1, 0)
			c.Text = strings.TrimRight(string(r[:cut]), " \n") + tail
		}
	}
	return c
}
