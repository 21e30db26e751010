package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Event is something that arrived. The set is closed: the types of this file.
type Event interface{ Head() *Meta }

// Meta is what every event has. (adapter, Room, ID, Revision) names an event
// for ever: the same event offered twice is stored once.
type Meta struct {
	Room string `json:"room,omitempty"`
	// Thread is where in the room it happened (see Place.Thread), empty
	// outside of threads.
	Thread string `json:"thread,omitempty"`
	// ID is the event's own identifier; for Posted it is the message's remote
	// ID. Where the network gives none the adapter makes one.
	ID string `json:"id"`
	// Revision tells apart events with one ID: empty for the first, for an
	// Edited what the network counts revisions by.
	Revision string  `json:"revision,omitempty"`
	From     Account `json:"from"`
	// At is the network's time, for showing only: order is by arrival.
	At time.Time `json:"at,omitzero"`
	// Direct: the room is a conversation of From with us alone.
	Direct bool `json:"direct,omitempty"`
	// Backlog: it comes from history, while we were away.
	Backlog bool `json:"backlog,omitempty"`
}

// Head gives the event's Meta.
func (m *Meta) Head() *Meta { return m }

// Posted is a new message.
type Posted struct {
	Meta
	Text  string    `json:"text"` // Markdown
	Files []FileRef `json:"files,omitempty"`
	// ReplyTo is the remote ID of the message that it answers, without being
	// in a thread.
	ReplyTo string `json:"reply_to,omitempty"`
	// MentionsUs: it is addressed to the bot; the mention is cut from Text
	// where it opens it.
	MentionsUs bool `json:"mentions_us,omitempty"`
	// Mentions are the accounts addressed by name.
	Mentions []string `json:"mentions,omitempty"`
	// Key is the delivery key that a message of our own carries.
	Key string `json:"key,omitempty"`
	// Unreadable: encrypted, and the keys are missing; Text is empty. It comes
	// again under the same ID with another Revision and Revealed.
	Unreadable bool    `json:"unreadable,omitempty"`
	Revealed   bool    `json:"revealed,omitempty"`
	Mail       *MailIn `json:"mail,omitempty"`
	// Raw is the original, stored with the event; nil where the network has
	// none worth keeping. It is not part of the stored body.
	Raw *Raw `json:"-"`
}

// Raw is an original (a whole mail), named by the hash of its bytes.
type Raw struct {
	// Hash is the lower-case hexadecimal SHA-256 of the bytes.
	Hash string
	Size int64
	Open func() (io.ReadCloser, error)
}

// MailIn is what a mail has beyond its text.
type MailIn struct {
	MessageID string   `json:"message_id,omitempty"` // bare, without brackets; may be missing
	Subject   string   `json:"subject,omitempty"`
	To        []string `json:"to,omitempty"`
	Cc        []string `json:"cc,omitempty"`
	ReplyTo   string   `json:"reply_to,omitempty"`
	// References are bare Message-IDs, the nearest first: In-Reply-To, then
	// References from right to left.
	References []string `json:"references,omitempty"`
	// TokenRefused: it carried a token of ours that does not verify.
	TokenRefused bool `json:"token_refused,omitempty"`
	// Automatic says why the mail is taken for a machine's (the header's
	// name), empty for a person's.
	Automatic string `json:"automatic,omitempty"`
	// Date is the header's, which may lie; zero where missing or unreadable.
	Date time.Time `json:"date,omitzero"`
	// Folded is the quoted part and the signature that Text leaves out.
	Folded string `json:"folded,omitempty"`
	// RawHash names the stored original.
	RawHash string `json:"raw_hash,omitempty"`
}

// Edited: the message Target has now this text.
type Edited struct {
	Meta
	Target string    `json:"target"`
	Text   string    `json:"text"`
	Files  []FileRef `json:"files,omitempty"`
}

// Deleted: the message Target is gone.
type Deleted struct {
	Meta
	Target string `json:"target"`
}

// Reacted: From put Emoji (a Unicode emoji, or :name: for a custom one) on
// Target.
type Reacted struct {
	Meta
	Target string `json:"target"`
	Emoji  string `json:"emoji"`
}

// Unreacted: From took Emoji back.
type Unreacted struct {
	Meta
	Target string `json:"target"`
	Emoji  string `json:"emoji"`
}

// Slash is a slash command: "/ticket fermer #42" has Command "ticket" and Text
// "fermer #42".
type Slash struct {
	Meta
	Command string       `json:"command"`
	Text    string       `json:"text"`
	Respond func(Answer) `json:"-"`
}

// Pressed: From pressed a button of the message Target.
type Pressed struct {
	Meta
	Target  string       `json:"target"`
	Action  string       `json:"action"`
	Value   string       `json:"value,omitempty"`
	Respond func(Answer) `json:"-"`
}

// Submitted: From sent a form that an Answer had opened.
type Submitted struct {
	Meta
	Form    string            `json:"form"`
	Value   string            `json:"value,omitempty"`
	Fields  map[string]string `json:"fields"`
	Respond func(Answer)      `json:"-"`
}

// Joined: From entered the room.
type Joined struct{ Meta }

// Left: From left the room; with an empty Room, the network. Without a proved
// identity an empty Room means more: whoever has that name from now on is
// somebody else, because they left the last room that we share, were not
// watched for a while, or logged in.
type Left struct {
	Meta
	Reason string `json:"reason,omitempty"`
}

// Connection tells how the adapter stands.
type Connection struct {
	Meta
	State  ConnectionState `json:"state"`
	Reason Text            `json:"reason"`
}

// ConnectionState is one of Cut, Connected, CaughtUp.
type ConnectionState string

const (
	Cut       ConnectionState = "cut"
	Connected ConnectionState = "connected"
	// CaughtUp: everything said while we were away has been given to Handle.
	CaughtUp ConnectionState = "caught up"
)

// Outcome is later news of a delivery: an echo, a delivery status
// notification, a late refusal.
type Outcome struct {
	Meta
	Key       string `json:"key"`
	Part      int    `json:"part,omitempty"`
	RemoteID  string `json:"remote_id,omitempty"`
	Recipient string `json:"recipient,omitempty"`
	State     string `json:"state"` // Accepted, Delivered, Delayed, Failed
	Reason    Text   `json:"reason"`
}

// Answer is what a slash command, a button or a form gets at once.
type Answer struct {
	// Text for the invoker alone, or for everybody in the place.
	Text   string
	ForAll bool
	// Errors by field of a submitted form; empty closes it.
	Errors map[string]string
	// Form opens a form.
	Form *Form
}

// Form is a dialog.
type Form struct {
	ID     string
	Value  string // comes back in Submitted.Value
	Title  string
	Submit string
	Fields []Field
}

// Field is one field of a form.
type Field struct {
	Name     string
	Label    string
	Text     string // prefilled
	Long     bool
	Optional bool
	Options  []Option // a choice among these
}

// Option is one choice of a field.
type Option struct{ Value, Label string }

// Strange: something arrived that cannot be what it says (a forged relation, a
// malformed event). It changes nothing and waits in the list for people.
type Strange struct {
	Meta
	Reason Text `json:"reason"`
}

// FileRef names an inbound file; it can be stored and opened later.
type FileRef struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"` // bytes; 0 where unknown
	// Ref is the adapter's own way to find the file again.
	Ref string `json:"ref"`
	// ContentID is the cid of an inline image of a mail.
	ContentID string `json:"cid,omitempty"`
}

// EncodeEvent gives an event as a kind and a JSON body to be stored. Functions
// and raw bytes are left out. NUL, which PostgreSQL text refuses, becomes
// U+FFFD, as invalid UTF-8 does.
func EncodeEvent(e Event) (kind string, body []byte, err error) {
	switch e.(type) {
	case *Posted:
		kind = "posted"
	case *Edited:
		kind = "edited"
	case *Deleted:
		kind = "deleted"
	case *Reacted:
		kind = "reacted"
	case *Unreacted:
		kind = "unreacted"
	case *Slash:
		kind = "slash"
	case *Pressed:
		kind = "pressed"
	case *Submitted:
		kind = "submitted"
	case *Joined:
		kind = "joined"
	case *Left:
		kind = "left"
	case *Connection:
		kind = "connection"
	case *Outcome:
		kind = "outcome"
	case *Strange:
		kind = "strange"
	default:
		return "", nil, fmt.Errorf("encode event: unknown type %T", e)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return "", nil, fmt.Errorf("encode %s event: %w", kind, err)
	}
	return kind, bytes.ReplaceAll(bytes.TrimSpace(buf.Bytes()), []byte(`\u0000`), []byte(`\ufffd`)), nil
}

// DecodeEvent is the reverse of EncodeEvent.
func DecodeEvent(kind string, body []byte) (Event, error) {
	var e Event
	switch kind {
	case "posted":
		e = new(Posted)
	case "edited":
		e = new(Edited)
	case "deleted":
		e = new(Deleted)
	case "reacted":
		e = new(Reacted)
	case "unreacted":
		e = new(Unreacted)
	case "slash":
		e = new(Slash)
	case "pressed":
		e = new(Pressed)
	case "submitted":
		e = new(Submitted)
	case "joined":
		e = new(Joined)
	case "left":
		e = new(Left)
	case "connection":
		e = new(Connection)
	case "outcome":
		e = new(Outcome)
	case "strange":
		e = new(Strange)
	default:
		return nil, fmt.Errorf("decode event: unknown kind %q", kind)
	}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("decode %s event: %w", kind, err)
	}
	return e, nil
}

// Clean makes a string that every database and network takes: valid UTF-8
// without NUL.
func Clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
