package matrix

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// checkRoomName refuses what is no room in the configuration.
func checkRoomName(name string) error {
	sigil := strings.HasPrefix(name, "!") || strings.HasPrefix(name, "#")
	if !sigil || len(name) < 2 || len(name) > 255 || strings.ContainsAny(name, " \t\r\n\x00") ||
		name[0] == '#' && !strings.Contains(name, ":") {
		return fmt.Errorf("room %q: expected an alias such as #entraide:example.org, or an identifier such as !abc:example.org", name)
	}
	return nil
}

// book is what we know of rooms. Place.Room is a room's name here: as the
// configuration spells it, else the identifier that it had when we met it.
type book struct {
	mu     sync.Mutex
	rooms  map[id.RoomID]*room
	byName map[string]id.RoomID
	wanted map[string]bool // named by the configuration
}

// room is what we know of one. A nil or false "known" says that the server has
// to be asked.
type room struct {
	name       string
	configured bool

	joined, joinedKnown bool
	encryption          *event.EncryptionEventContent
	encryptionKnown     bool
	visibility          *event.HistoryVisibilityEventContent
	levels              *event.PowerLevelsEventContent
	// names are the display names of those we heard of.
	names map[id.UserID]string
	// members are joined or invited; nil while unknown.
	members map[id.UserID]event.Membership
}

func newBook(rooms []string) *book {
	b := &book{rooms: make(map[id.RoomID]*room), byName: make(map[string]id.RoomID), wanted: make(map[string]bool)}
	for _, name := range rooms {
		b.wanted[name] = true
	}
	return b
}

// at gives the record of a room, made where there is none; mu must be held.
func (b *book) at(rid id.RoomID) *room {
	r, ok := b.rooms[rid]
	if !ok {
		r = &room{name: string(rid), configured: b.wanted[string(rid)], names: make(map[id.UserID]string)}
		b.rooms[rid] = r
		if _, taken := b.byName[r.name]; !taken {
			b.byName[r.name] = rid
		}
	}
	return r
}

// bind says which room a name stands for.
func (b *book) bind(name string, rid id.RoomID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.byName[name]; ok && old != rid {
		if r := b.rooms[old]; r != nil && r.name == name {
			r.name, r.configured = string(old), b.wanted[string(old)]
		}
	}
	r := b.at(rid)
	r.name, r.configured = name, b.wanted[name]
	b.byName[name] = rid
}

// id gives the room of a name.
func (b *book) id(name string) (id.RoomID, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rid, ok := b.byName[name]
	return rid, ok
}

// known tells whether a room has been met.
func (b *book) known(rid id.RoomID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rooms[rid] != nil
}

// nameOf gives Place.Room of a room.
func (b *book) nameOf(rid id.RoomID) (name string, configured bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.at(rid)
	return r.name, r.configured
}

// update changes what we know of a room.
func (b *book) update(rid id.RoomID, change func(*room)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b.at(rid))
}

// look gives a copy of what we know of a room; its maps must not be touched.
func (b *book) look(rid id.RoomID) room {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := *b.at(rid)
	r.names, r.members = nil, maps.Clone(r.members)
	return r
}

// nameIn gives what a person is called in a room, empty where we do not know.
func (b *book) nameIn(rid id.RoomID, user id.UserID) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, ok := b.at(rid).names[user]
	return name, ok
}

// headcount tells how many are in a room or invited to it, -1 where we do not
// know.
func (b *book) headcount(rid id.RoomID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.at(rid); r.members != nil {
		return len(r.members)
	}
	return -1
}

// forgetMembers is for gaps: who came and went in them is not told.
func (b *book) forgetMembers(rid id.RoomID) {
	b.update(rid, func(r *room) { r.members = nil })
}

// rights tells whether we may change topic and pins; yes where we do not know.
func (b *book) rights(name string, me id.UserID) (topic, pins bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rid, ok := b.byName[name]
	if !ok || b.rooms[rid] == nil || b.rooms[rid].levels == nil || me == "" {
		return true, true
	}
	levels := b.rooms[rid].levels
	level := levels.GetUserLevel(me)
	return level >= levels.GetEventLevel(event.StateTopic), level >= levels.GetEventLevel(event.StatePinnedEvents)
}

// member takes a member event: it gives what the membership was as far as we
// know.
func (b *book) member(rid id.RoomID, user id.UserID, content *event.MemberEventContent) (before event.Membership, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.at(rid)
	if content.Membership == event.MembershipJoin || content.Membership == event.MembershipInvite {
		r.names[user] = content.Displayname
	}
	if r.members == nil {
		return "", false
	}
	before = r.members[user]
	switch content.Membership {
	case event.MembershipJoin, event.MembershipInvite:
		r.members[user] = content.Membership
	default:
		delete(r.members, user)
	}
	return before, true
}
