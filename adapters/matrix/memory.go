package matrix

import (
	"strconv"
	"sync"

	"maunium.net/go/mautrix/id"
)

// bounded is a map that forgets what was put first when it is full.
type bounded[K comparable, V any] struct {
	most  int
	items map[K]V
	order []K
	next  int
}

func newBounded[K comparable, V any](most int) *bounded[K, V] {
	return &bounded[K, V]{most: most, items: make(map[K]V)}
}

func (b *bounded[K, V]) put(k K, v V) {
	if _, ok := b.items[k]; !ok {
		if len(b.order) < b.most {
			b.order = append(b.order, k)
		} else {
			delete(b.items, b.order[b.next])
			b.order[b.next] = k
			b.next = (b.next + 1) % b.most
		}
	}
	b.items[k] = v
}

// author is who said an event, and where.
type author struct {
	room   id.RoomID
	sender id.UserID
	thread id.EventID
}

// emoji is one reaction of ours.
type emoji struct {
	target id.EventID
	key    string
}

// memory is what we have seen lately. Nothing depends on it: what it does not
// know is asked of the server.
type memory struct {
	mu      sync.Mutex
	authors *bounded[id.EventID, author]
	sent    *bounded[string, id.EventID]     // "key/part" of ours
	latest  *bounded[id.EventID, id.EventID] // last message of a thread
	ours    *bounded[emoji, []id.EventID]    // our reactions
}

func newMemory() *memory {
	return &memory{
		authors: newBounded[id.EventID, author](8192), sent: newBounded[string, id.EventID](2048),
		latest: newBounded[id.EventID, id.EventID](2048), ours: newBounded[emoji, []id.EventID](2048),
	}
}

func (m *memory) saw(room id.RoomID, event id.EventID, by id.UserID, thread id.EventID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.authors.put(event, author{room, by, thread})
	if thread != "" {
		m.latest.put(thread, event)
	}
}

// author gives who said an event of a room. What names an event of another
// room names nothing.
func (m *memory) author(room id.RoomID, event id.EventID) (author, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.authors.items[event]
	return a, ok && a.room == room
}

// lastOf gives the last message that we know of in a thread; the root where we
// know none.
func (m *memory) lastOf(thread id.EventID) id.EventID {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.latest.items[thread]; ok {
		return last
	}
	return thread
}

func sentKey(key string, part int) string { return key + "/" + strconv.Itoa(part) }

func (m *memory) said(key string, part int, event id.EventID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent.put(sentKey(key, part), event)
}

func (m *memory) saidAs(key string, part int) (id.EventID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	event, ok := m.sent.items[sentKey(key, part)]
	return event, ok
}

// reacted notes a reaction of ours.
func (m *memory) reacted(e emoji, event id.EventID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.ours.items[e]
	for _, known := range list {
		if known == event {
			return
		}
	}
	m.ours.put(e, append(list, event))
}

// reactions gives our reactions of one kind on a message.
func (m *memory) reactions(e emoji) []id.EventID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]id.EventID(nil), m.ours.items[e]...)
}

// unreacted forgets a reaction of ours that is taken back.
func (m *memory) unreacted(e emoji, event id.EventID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rest []id.EventID
	for _, known := range m.ours.items[e] {
		if known != event {
			rest = append(rest, known)
		}
	}
	m.ours.put(e, rest)
}
