// Package playground is a chat network inside the process, its adapter and its
// web page: the demo's chat, the tests' network, and the reference of what an
// adapter has to do.
//
// Network is the server: rooms, accounts, messages, kept in a journal. Adapter
// is a client of it like any other adapter is of its network: it learns of
// things through a stream with sequence numbers and acts through calls that may
// fail. People use the same server through the JSON API and the page of
// Handler. Mailbox is the post office beside it.
package playground

import (
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
)

// Dress is how much a network can do.
type Dress int

const (
	// Full has everything: threads, edits, reactions, buttons, history, keys.
	Full Dress = iota
	// Poor has lines of plain text and a topic, as a bare IRC network: no
	// history, no keys, no threads, edits, deletions, reactions, buttons, files.
	Poor
)

// ParseDress reads "full" (or nothing) and "poor".
func ParseDress(s string) (Dress, bool) {
	switch s {
	case "", "full":
		return Full, true
	case "poor":
		return Poor, true
	}
	return Full, false
}

// Limits of the two dresses, in runes of one message and bytes of one file.
const (
	fullMaxText = 16000
	poorMaxText = 400
	maxFile     = 8 << 20
)

// Caps is what every room of a network in this dress can do.
func (d Dress) Caps() chat.Caps {
	if d == Poor {
		return chat.Caps{
			Topic: chat.Native, Direct: chat.Native, Mentions: chat.Native,
			Confirms: true, Accounts: true,
			MaxText: poorMaxText, MaxParts: 5, Format: chat.Plain,
		}
	}
	return chat.Caps{
		Threads: chat.Native, Replies: chat.Native, Edits: chat.Native, Deletes: chat.Native,
		Reactions: chat.Native, Buttons: chat.Native, Forms: chat.Native, Files: chat.Native,
		Topic: chat.Native, Pins: chat.Native, Direct: chat.Native, History: chat.Native,
		Mentions: chat.Native, Keys: true, Confirms: true, Accounts: true,
		MaxText: fullMaxText, MaxParts: 4, MaxFile: maxFile, Format: chat.Markdown,
	}
}

// Account is somebody on the network. What people call themselves is not
// checked: on the page anybody may be anyone.
type Account struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Role is a word for the page alone ("customer", "agent", "trainee",
	// "visitor"); rights are the bot's business.
	Role string `json:"role,omitempty"`
	// Address is where the account's mail arrives; empty without mailbox.
	Address string `json:"address,omitempty"`
	// Proved: the network vouches for the account; visitors are not.
	Proved bool `json:"proved,omitempty"`
	Bot    bool `json:"bot,omitempty"`
}

// RoomKind says for whom a room is.
type RoomKind string

const (
	Public RoomKind = "public" // anybody may enter
	Status RoomKind = "status" // anybody may enter; shown as the news
	Team   RoomKind = "team"   // members alone
	Direct RoomKind = "direct" // two members
)

// Room is a place to talk.
type Room struct {
	Name    string   `json:"name"` // its identifier, shown with "#"
	Kind    RoomKind `json:"kind"`
	Topic   string   `json:"topic,omitempty"`
	Members []string `json:"members,omitempty"` // account IDs, sorted
	// Muted are the members who may not speak.
	Muted []string `json:"muted,omitempty"`
	Pins  []string `json:"pins,omitempty"` // message IDs
	// Gone: the room has been taken away (and may come back).
	Gone bool `json:"gone,omitempty"`
}

func (r *Room) has(account string) bool { return slices.Contains(r.Members, account) }

// open tells whether account may enter by simply speaking.
func (r *Room) open() bool { return r.Kind == Public || r.Kind == Status }

// Message is a message as it stands now.
type Message struct {
	ID      string    `json:"id"`
	Room    string    `json:"room"`
	Thread  string    `json:"thread,omitempty"` // ID of the thread's root
	ReplyTo string    `json:"reply_to,omitempty"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Text    string    `json:"text"`
	// Revision counts the edits.
	Revision  int           `json:"revision,omitempty"`
	Deleted   bool          `json:"deleted,omitempty"`
	Notice    bool          `json:"notice,omitempty"`
	Card      bool          `json:"card,omitempty"`
	Pinned    bool          `json:"pinned,omitempty"`
	Mentions  []string      `json:"mentions,omitempty"` // account IDs
	Buttons   []chat.Button `json:"buttons,omitempty"`
	Files     []File        `json:"files,omitempty"`
	Reactions []Reaction    `json:"reactions,omitempty"`
	// Key and Part are what a program put on its message to find it again.
	Key  string `json:"key,omitempty"`
	Part int    `json:"part,omitempty"`
}

func (m *Message) clone() Message {
	c := *m
	c.Mentions = slices.Clone(m.Mentions)
	c.Buttons = slices.Clone(m.Buttons)
	c.Files = slices.Clone(m.Files)
	c.Reactions = make([]Reaction, len(m.Reactions))
	for i, r := range m.Reactions {
		c.Reactions[i] = Reaction{Emoji: r.Emoji, By: slices.Clone(r.By)}
	}
	return c
}

// Reaction is an emoji on a message and who put it there.
type Reaction struct {
	Emoji string   `json:"emoji"`
	By    []string `json:"by"`
}

// File is an attachment; its bytes are read with Network.File.
type File struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"` // bytes
}

// Draft is a message to be posted, or the new content of one.
type Draft struct {
	Room     string        `json:"room,omitempty"`
	Thread   string        `json:"thread,omitempty"`
	ReplyTo  string        `json:"reply_to,omitempty"`
	Text     string        `json:"text"`
	Notice   bool          `json:"notice,omitempty"`
	Card     bool          `json:"card,omitempty"`
	Mentions []string      `json:"mentions,omitempty"`
	Buttons  []chat.Button `json:"buttons,omitempty"`
	Files    []File        `json:"files,omitempty"`
	Key      string        `json:"key,omitempty"`
	Part     int           `json:"part,omitempty"`
}

// refuse makes the error of a refused action.
func refuse(kind chat.Kind, fr, en string) *chat.Error {
	return &chat.Error{Kind: kind, Reason: chat.Text{FR: fr, EN: en}}
}

// mentions finds the accounts that a text addresses: "@id" anywhere, or "id:"
// and "id," at its very beginning, as on IRC.
func mentions(text string, known func(id string) bool) []string {
	var found []string
	add := func(id string) {
		if id = strings.ToLower(id); known(id) && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	if i := strings.IndexAny(text, ":, \n"); i > 0 && text[i] != ' ' && text[i] != '\n' {
		add(text[:i])
	}
	for rest := text; ; {
		i := strings.IndexByte(rest, '@')
		if i < 0 {
			return found
		}
		before := i == 0 || !isHandle(rest[i-1])
		rest = rest[i+1:]
		end := 0
		for end < len(rest) && isHandle(rest[end]) {
			end++
		}
		// A full stop or a hyphen at the end belongs to the sentence.
		if id := strings.TrimRight(rest[:end], ".-"); before && id != "" {
			add(id)
		}
	}
}

func isHandle(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}
