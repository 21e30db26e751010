package bot

import (
	"context"
	"time"

	"permanence/bot/chat"
)

// People see what we say before we know that it is said: an answer to it, or a
// reaction on it, may be here before its remote ID is. An event that refers to
// something unknown waits while something is being said on its network.

// putOffFor is how long an event waits at most.
const putOffFor = 500 * time.Millisecond

// putOff gives back what cannot be decided yet, and all that came after it;
// busy is what was being said before w was taken.
func (b *Bot) putOff(ctx context.Context, w work, busy map[string]int) work {
	if len(busy) == 0 {
		return w
	}
	if w.whole != nil && busy[w.whole.adapter] > 0 {
		for i, row := range w.whole.rows {
			if b.mayRefer(ctx, waiting{row, w.whole.events[i]}) {
				w.whole.done <- errSoon
				w.whole = nil
				break
			}
		}
	}
	for i, ev := range w.events {
		if busy[ev.row.Adapter] > 0 && b.mayRefer(ctx, ev) {
			b.queue.mu.Lock()
			b.queue.events = append(w.events[i:len(w.events):len(w.events)], b.queue.events...)
			b.queue.mu.Unlock()
			w.events = w.events[:i]
			break
		}
	}
	return w
}

// mayRefer tells whether an event of a moment ago refers to a message or a
// thread that we do not know.
func (b *Bot) mayRefer(ctx context.Context, ev waiting) bool {
	if ev.event == nil || b.now().Sub(ev.row.Received) > putOffFor {
		return false
	}
	m := ev.event.Head()
	var remotes []string
	switch e := ev.event.(type) {
	case *chat.Posted:
		remotes = []string{e.Thread, e.ReplyTo}
	case *chat.Reacted:
		remotes = []string{e.Target}
	case *chat.Pressed:
		remotes = []string{e.Target}
	case *chat.Slash:
		remotes = []string{e.Thread}
	}
	unknown := false
	for _, remote := range remotes {
		if remote == "" || unknown || m.From.Self {
			continue
		}
		err := b.store.View(ctx, func(tx Tx) error {
			_, ok, err := tx.CopyAt(ev.row.Adapter, m.Room, remote)
			if ok || err != nil {
				return err
			}
			ls, err := tx.LinksAt(chat.Place{Adapter: ev.row.Adapter, Room: m.Room, Thread: remote}, 1)
			unknown = len(ls) == 0
			return err
		})
		if err != nil {
			return false // a database that is away is waited for elsewhere
		}
	}
	return unknown
}
