// Package chat is the vocabulary that the bot and its adapters share: places,
// accounts, events that come in, operations that go out, what a network can
// do, and the contract of an adapter. It knows no network, no ticket and no
// SQL, and imports the standard library alone.
package chat

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Place is where something is said: a room of an adapter, or a thread in it.
// Room and Thread are opaque: only their adapter makes and reads them. A room
// that the configuration names is spelled as in the configuration, whatever
// the network's own identifier may be.
type Place struct {
	Adapter string `json:"adapter"`
	Room    string `json:"room"`
	// Thread is the thread's identifier: on chat networks the remote ID of its
	// root message, on mail an identifier that the mail adapter made. Empty
	// outside of threads.
	Thread string `json:"thread,omitempty"`
}

// ParsePlace reads "adapter:room". The room may contain colons.
func ParsePlace(s string) (Place, bool) {
	adapter, room, ok := strings.Cut(s, ":")
	if !ok || adapter == "" || room == "" {
		return Place{}, false
	}
	return Place{Adapter: adapter, Room: room}, true
}

// String gives "adapter:room", as the configuration spells it.
func (p Place) String() string { return p.Adapter + ":" + p.Room }

// Account is somebody as one network knows them.
type Account struct {
	// Network is the name space of ID: empty means the adapter's own name.
	// Mail adapters use "mail", so that an address is one identity whichever
	// adapter saw it.
	Network string `json:"network,omitempty"`
	// ID is stable for one identity: an account ID, a lower-cased address.
	ID string `json:"id"`
	// Name is what the network shows and may be anything. Handle is what people
	// type or see beside it (a user name, an address); the configuration names
	// agents by it, so where Proved is set it must be one that nobody else can
	// have meanwhile: on IRC the account, never the nick.
	Name   string `json:"name,omitempty"`
	Handle string `json:"handle,omitempty"`
	// Proved says that the network vouches for the identity: a logged-in
	// account, or a mail whose sender is aligned with DKIM or SPF. Staff
	// rights need it.
	Proved bool `json:"proved,omitempty"`
	// Bot says that the network marks the sender as a program.
	Bot bool `json:"bot,omitempty"`
	// Self is our own account.
	Self bool `json:"self,omitempty"`
}

// Text is a sentence for people in the two languages that Permanence speaks.
// Adapters write both where they make the sentence, so that a network stays
// one folder.
type Text struct {
	FR string `json:"fr,omitempty"`
	EN string `json:"en,omitempty"`
}

// In gives the sentence in lang ("fr" or "en").
func (t Text) In(lang string) string {
	if lang == "en" && t.EN != "" || t.FR == "" {
		return t.EN
	}
	return t.FR
}

// Cursor is how far an adapter has read one source; Handle stores it together
// with the events it came with. An empty Name stores none.
type Cursor struct {
	Name  string
	Value string
}

// Handler stores what arrived. When Handle returns nil, events and cursor are
// on disk and the source may be told "seen"; on an error nothing was stored
// and the adapter must offer the same events again.
type Handler interface {
	Handle(ctx context.Context, events []Event, cursor Cursor) error
}

// Adapter is a connection to one network under one account. Optional powers
// are in Caps, never in type assertions.
type Adapter interface {
	// Run connects, receives, reconnects and catches up until ctx ends. It
	// returns nil when ctx ended, an error only when going on is impossible.
	Run(ctx context.Context, h Handler) error
	// Do performs one operation. An error is an *Error where the adapter knows
	// its kind; any other error is temporary.
	Do(ctx context.Context, op Op, try Try) (Receipt, error)
	// Open reads an inbound file.
	Open(ctx context.Context, f FileRef) (io.ReadCloser, error)
	// Check tries what the configuration promises, without saying anything in
	// a room; it is what `permanence check` prints.
	Check(ctx context.Context) []Finding
	// Caps tells what the place can do, from cached facts, without I/O.
	Caps(p Place) Caps
}

// Env is what an adapter is given besides its own configuration.
type Env struct {
	// Name is the adapter's name in the configuration.
	Name string
	// Rooms are the rooms that the configuration names for this adapter, to be
	// joined and to be spelled so in Place.Room.
	Rooms []string
	// Invites are the accounts whose invitations into direct rooms are
	// accepted, as patterns (see MatchAccount). Rooms are entered in any case.
	Invites []string
	// State keeps small data of the adapter across restarts.
	State State
	// Mux takes HTTP endpoints; nil where there is no web server.
	Mux Mux
	// Log carries the adapter's name already.
	Log *slog.Logger
}

// State keeps an adapter's small data. Keys are the adapter's own; values are
// at most a few kilobytes.
type State interface {
	// Get gives nil, nil for a key that is not there.
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
	// Cursor gives the value last stored with Handle under that name, empty
	// where there is none.
	Cursor(ctx context.Context, name string) (string, error)
	// Raw opens a stored original by its hash (see Raw), for Adapter.Open.
	Raw(ctx context.Context, hash string) (io.ReadCloser, error)
	// DB is for libraries that keep tables of their own. The dialect is
	// "sqlite" or "postgres".
	DB(ctx context.Context) (db *sql.DB, dialect string, err error)
}

// Mux takes HTTP endpoints of an adapter. Patterns are those of net/http,
// below a prefix that belongs to the adapter alone: Handle("POST /command", h)
// of adapter "tchat" answers at URL("/command").
type Mux interface {
	Handle(pattern string, h http.Handler)
	// URL is the public address of a path given to Handle.
	URL(path string) string
}

// Try tells which attempt at a delivery this is.
type Try struct {
	// Key is the delivery's own: it is the same in every attempt and in no
	// other delivery. Networks that can carry it do, so that a message whose
	// fate is unknown is looked for before it is said again.
	Key string
	// Attempt counts from 1. From 2 on the adapter looks for Key first.
	Attempt int
	// PartsDone are the parts already said in earlier attempts.
	PartsDone int
	// Done are the remote IDs of those parts.
	Done []string
}

// Receipt is what became of an operation that did not fail.
type Receipt struct {
	// Parts are the remote messages that the operation made, all of them in
	// order, those of earlier attempts too.
	Parts []Part
	// Thread is what Place.Thread must be to answer below what was said; empty
	// means Parts[0].ID.
	Thread string
	// Room is the room that OpenDirect found or made.
	Room string
	// Confirmed: the network told that it was really said; else it was merely
	// accepted.
	Confirmed bool
	// Recipients has the fate of each recipient of a mail.
	Recipients []Recipient
	// MessageID is the bare Message-ID of a mail, without brackets.
	MessageID string
}

// Part is one remote message.
type Part struct {
	ID string
	At time.Time
}

// Delivery states of a recipient or an Outcome.
const (
	Accepted  = "accepted"  // the next server took it
	Delivered = "delivered" // it is at its place
	Delayed   = "delayed"   // not yet; others go on trying
	Failed    = "failed"    // it will not arrive
)

// Recipient is the fate of one recipient of a mail.
type Recipient struct {
	Address string `json:"address"`
	State   string `json:"state"`
	// Temporary: a failure worth another attempt.
	Temporary bool `json:"temporary,omitempty"`
	Reason    Text `json:"reason"`
}

// Format is the markup that a place shows.
type Format int

const (
	Plain Format = iota
	Markdown
	HTML
	IRC
)

// Level says how well a place can do something.
type Level int

const (
	None     Level = iota // not at all; degrade.go finds the next best thing
	Emulated              // the adapter does something that people understand
	Native
)

// Caps is what a place can do. The zero value is the poorest place: lines of
// plain text.
type Caps struct {
	Threads   Level
	Replies   Level // Say.ReplyTo
	Edits     Level
	Deletes   Level
	Reactions Level
	Buttons   Level
	Forms     Level
	Files     Level
	Topic     Level
	Pins      Level
	Direct    Level // OpenDirect
	History   Level // Fetch, and catching up after downtime
	Mentions  Level
	// Keys: the network carries our key, so nothing is said twice.
	Keys bool
	// Confirms: a Receipt can be Confirmed.
	Confirms bool
	// Accounts: the network has accounts that prove who speaks.
	Accounts bool
	// MaxText is the longest text of one message in runes, 0 without limit;
	// the adapter splits above it, degrade.go sends a link above MaxParts.
	MaxText int
	// MaxParts is how many messages one text may become before it is cut and
	// ends with Content.Link; 0 without limit.
	MaxParts int
	// MaxFile is the largest file in bytes, 0 without limit.
	MaxFile int64
	Format  Format
	// Permalink is the address at which people of the network open a message
	// in their client, by its remote ID; nil where there is none.
	Permalink func(remote string) string
}

// Finding is one line of `permanence check`.
type Finding struct {
	// Name is stable and greppable: "smtp-unreachable", "room-missing".
	Name  string
	Level FindingLevel
	// What happened or holds; Do is what to do next, empty for good news.
	What Text
	Do   Text
}

// FindingLevel is how bad a finding is.
type FindingLevel int

const (
	OK FindingLevel = iota
	Warning
	Problem
)
