package chat

import "io"

// Op is one operation to perform. The set is closed: the types of this file.
type Op interface{ place() Place }

// Say posts a message.
type Say struct {
	Place   Place
	Content Content
	// ReplyTo is the remote ID of a message that this one answers.
	ReplyTo string
}

// Edit replaces the content of a message of ours. Targets are the remote IDs
// of its parts.
type Edit struct {
	Place   Place
	Targets []string
	Content Content
}

// Delete removes a message of ours, or of somebody else where we may.
type Delete struct {
	Place   Place
	Targets []string
}

// React puts an emoji on a message.
type React struct {
	Place  Place
	Target string
	Emoji  string
}

// Unreact takes our emoji back.
type Unreact struct {
	Place  Place
	Target string
	Emoji  string
}

// Topic replaces the segment of the room's topic between the bot's own marks,
// and leaves what people wrote around it; an empty Text removes the segment.
type Topic struct {
	Place Place
	Text  string
}

// Pin pins a message.
type Pin struct {
	Place  Place
	Target string
}

// Unpin takes a pin back.
type Unpin struct {
	Place  Place
	Target string
}

// OpenDirect finds or makes the direct room with an account: Receipt.Room.
type OpenDirect struct {
	Place   Place // Adapter alone
	Account Account
}

// Fetch asks for an older message; it returns through Handle as Posted with
// Backlog and the Revision "fetched", because the message may have passed once
// already.
type Fetch struct {
	Place  Place
	Target string
}

func (o Say) place() Place        { return o.Place }
func (o Edit) place() Place       { return o.Place }
func (o Delete) place() Place     { return o.Place }
func (o React) place() Place      { return o.Place }
func (o Unreact) place() Place    { return o.Place }
func (o Topic) place() Place      { return o.Place }
func (o Pin) place() Place        { return o.Place }
func (o Unpin) place() Place      { return o.Place }
func (o OpenDirect) place() Place { return o.Place }
func (o Fetch) place() Place      { return o.Place }

// PlaceOf tells where an operation happens.
func PlaceOf(o Op) Place { return o.place() }

// Content is a message to be shown. It is stored as JSON until it has left.
type Content struct {
	Text string `json:"text"` // Markdown
	// Notice: it need not attract attention and nobody should answer it
	// automatically (NOTICE, m.notice).
	Notice bool `json:"notice,omitempty"`
	// Mentions are the accounts to be pinged; nothing else in the text pings.
	Mentions []Account `json:"mentions,omitempty"`
	Buttons  []Button  `json:"buttons,omitempty"`
	// Link is where the whole text can be read where it is too long for the
	// place; empty where there is none.
	Link string `json:"link,omitempty"`
	// Card is the state of something, kept up to date by edits.
	Card  bool    `json:"card,omitempty"`
	Mail  *Mail   `json:"mail,omitempty"`
	Files []File  `json:"files,omitempty"`
	Lang  string  `json:"lang,omitempty"`
	Quote *Quoted `json:"quote,omitempty"`
}

// Quoted is what a mail quotes below its text.
type Quoted struct {
	Author string `json:"author"`
	At     string `json:"at"` // as people read it
	Text   string `json:"text"`
}

// Button is a gesture that a message offers. Action and Value come back in
// Pressed.
type Button struct {
	Action string `json:"action"`
	Value  string `json:"value,omitempty"`
	Label  string `json:"label"`
	Style  string `json:"style,omitempty"` // "", "primary", "danger"
}

// Mail is the envelope of a message that goes out by mail. Message-ID, date
// and reply address are made by the adapter from the delivery's key and the
// place's thread.
type Mail struct {
	// From is the role address; FromName is what stands before it.
	From     string   `json:"from"`
	FromName string   `json:"from_name"`
	To       []string `json:"to"`
	Cc       []string `json:"cc,omitempty"` // the role address among them
	Subject  string   `json:"subject"`
	// InReplyTo and References are bare Message-IDs, oldest first.
	InReplyTo  string   `json:"in_reply_to,omitempty"`
	References []string `json:"references,omitempty"`
	// Automatic marks it as a machine's (RFC 3834): acknowledgements.
	Automatic bool `json:"automatic,omitempty"`
	// Envelope are the recipients still open in this attempt; empty means all
	// of To and Cc but the role address.
	Envelope []string `json:"-"`
}

// File is an outbound file.
type File struct {
	// ID is the stored file's.
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
	// Link is where the file can be read, for places without files.
	Link string `json:"link,omitempty"`
	// Inline is the cid under which the text shows it.
	Inline string `json:"inline,omitempty"`
	// Open is set when the operation is performed.
	Open func() (io.ReadCloser, error) `json:"-"`
}
