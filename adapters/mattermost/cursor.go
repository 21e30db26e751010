package mattermost

import (
	"cmp"
	"encoding/json"
	"slices"

	"permanence/bot/chat"
)

// overlap is how far behind the newest post we begin again, in milliseconds:
// posts written at the same time do not always arrive in the order of their
// times, and a server's caches may be that late.
const overlap = 10_000

// position is how far one channel was read. Times are the server's, in Unix
// milliseconds.
type position struct {
	// Anchor is a post behind which everything is read again: at least overlap
	// older than the newest one, empty where the channel was empty.
	Anchor string `json:"anchor,omitempty"`
	// Next becomes the anchor when there is a post overlap younger than it.
	Next   string `json:"next,omitempty"`
	NextAt int64  `json:"next_at,omitempty"`
	// Newest is the time of the newest post, Sync that of the newest change.
	Newest int64 `json:"newest"`
	Sync   int64 `json:"sync"`
}

// passed: a post of that time was read.
func (p *position) passed(id string, at int64) {
	p.changed(at)
	p.Newest = max(p.Newest, at)
	switch {
	case p.Next == "":
		p.Next, p.NextAt = id, at
	case at > p.NextAt+overlap:
		p.Anchor, p.Next, p.NextAt = p.Next, id, at
	}
}

// changed: something of that time was read that is no post.
func (p *position) changed(at int64) { p.Sync = max(p.Sync, at) }

// cursorOf names the cursor of a channel.
func cursorOf(channel string) string { return "channel " + channel }

func (p *position) cursor(channel string) chat.Cursor {
	value, _ := json.Marshal(p) // strings and numbers
	return chat.Cursor{Name: cursorOf(channel), Value: string(value)}
}

func readPosition(value string) (*position, bool) {
	var p position
	if value == "" || json.Unmarshal([]byte(value), &p) != nil {
		return &position{}, false
	}
	return &p, true
}

// gesture is a reaction of somebody, remembered so that one taken back while
// we were away is noticed: the server tells only what stands.
type gesture struct {
	Post  string `json:"p"`
	User  string `json:"u"`
	Emoji string `json:"e"`
	At    int64  `json:"t"`
}

func (g gesture) same(o gesture) bool {
	return g.Post == o.Post && g.User == o.User && g.Emoji == o.Emoji
}

// gestures are the youngest of a channel.
type gestures []gesture

// maxGestures bounds how many are remembered of a channel: what can still be
// undone is young.
const maxGestures = 60

func (gs *gestures) add(g gesture) {
	gs.drop(g)
	*gs = append(*gs, g)
	slices.SortStableFunc(*gs, func(a, b gesture) int { return cmp.Compare(a.At, b.At) })
	if n := len(*gs) - maxGestures; n > 0 {
		*gs = slices.Delete(*gs, 0, n)
	}
}

func (gs *gestures) drop(g gesture) {
	*gs = slices.DeleteFunc(*gs, g.same)
}

func gesturesOf(channel string) string { return "gestures " + channel }

func (gs gestures) cursor(channel string) chat.Cursor {
	value, _ := json.Marshal(gs) // strings and numbers
	return chat.Cursor{Name: gesturesOf(channel), Value: string(value)}
}

func readGestures(value string) gestures {
	var gs gestures
	if json.Unmarshal([]byte(value), &gs) != nil {
		return nil
	}
	return gs
}
