// Package outbox is the one door out: deliveries are stored rows before they
// are network calls, leave in order within their link, are retried, and report
// their outcome to the decider, which alone writes it down.
package outbox

import (
	"encoding/json"
	"fmt"

	"permanence/bot/chat"
	"permanence/tickets"
)

// Kind is what a delivery does. Texts (Say, Edit, Delete) leave in order; the
// others are state: one row for each (link, slot), which the newest
// overwrites, and which never holds a text up.
type Kind string

const (
	Say    Kind = "say"
	Edit   Kind = "edit"
	Delete Kind = "delete"
	Card   Kind = "card"  // state: the link's root edited
	Mark   Kind = "mark"  // state: our one reaction on a message
	Topic  Kind = "topic" // state
	Pin    Kind = "pin"   // state: Payload.On tells pinned or not
	Direct Kind = "direct"
	Fetch  Kind = "fetch"
)

// IsText reports whether the kind leaves in order within its link.
func (k Kind) IsText() bool {
	return k == Say || k == Edit || k == Delete || k == Direct || k == Fetch
}

// State is where a delivery stands.
type State string

const (
	Held       State = "held"       // not to leave yet; the decider releases it
	Ready      State = "ready"      // leaves when its turn comes
	Parked     State = "parked"     // waits for somebody to come back
	Done       State = "done"       // the network took it
	Failed     State = "failed"     // given up
	Superseded State = "superseded" // its root or target never came
	Stopped    State = "stopped"    // taken back in time
)

// Open reports whether the delivery has still to be performed.
func (s State) Open() bool { return s == Held || s == Ready || s == Parked }

// Delivery is one operation to perform at one link.
type Delivery struct {
	ID       tickets.ID `db:"id"`
	Link     tickets.ID `db:"link_id"`
	Adapter  string     `db:"adapter"`
	Entry    tickets.ID `db:"entry_id"` // what is said, 0 for a word of the program
	Reply    tickets.ID `db:"reply_id"` // the reply's entry that it carries, 0 for none
	Ticket   tickets.ID `db:"ticket_id"`
	Incident tickets.ID `db:"incident_id"`
	Op       Kind       `db:"op"`
	Slot     string     `db:"slot"` // of state, empty for texts
	// Key travels in the message where the network can carry it: at most 32
	// characters of a-z, 0-9 and "-".
	Key      string       `db:"key"`
	Body     string       `db:"payload"` // Payload as JSON; blanked when done
	Revision int          `db:"revision"`
	Position int64        `db:"position"` // order within the link
	State    State        `db:"state"`
	Attempts int          `db:"attempts"`
	NextAt   tickets.Time `db:"next_at"`
	GiveUpAt tickets.Time `db:"give_up_at"`
	After    tickets.ID   `db:"after_delivery"` // 0, or a delivery that must be done first
	// Parts are the remote IDs said so far, as a JSON array; of a mark, the
	// emoji that now stands, or the several of which one may.
	Parts   string       `db:"parts"`
	Reason  string       `db:"reason"` // chat.Text as JSON, of the last failure
	Created tickets.Time `db:"created_at"`
	DoneAt  tickets.Time `db:"done_at"`
	// Confirmed: the network told that it was really said; else it was merely
	// accepted.
	Confirmed bool `db:"confirmed"`
	// At is the link as it stands in the row, where whoever adds the delivery
	// has it at hand; nil has it read.
	At *tickets.Link `db:"-"`
}

// Payload is what a delivery needs besides its row.
type Payload struct {
	Content *chat.Content `json:"content,omitempty"`
	// Target is the entry whose copies at this link are edited, deleted,
	// marked or pinned; TargetDelivery the delivery, for words of the program.
	Target         tickets.ID `json:"target,omitempty"`
	TargetDelivery tickets.ID `json:"target_delivery,omitempty"`
	// Remote names a remote message directly.
	Remote string `json:"remote,omitempty"`
	// ReplyTo is the entry that a Say answers, where the link has a copy.
	ReplyTo tickets.ID `json:"reply_to,omitempty"`
	Emoji   string     `json:"emoji,omitempty"` // of a mark; empty takes it away
	On      bool       `json:"on,omitempty"`    // of a pin
	Topic   string     `json:"topic,omitempty"`
	// Account is whom a Direct opens a room with.
	Account *chat.Account `json:"account,omitempty"`
	// Heading opens the text where the place has no threads, so that people
	// know which ticket a line belongs to ("#42").
	Heading string `json:"heading,omitempty"`
	// Fallback is what is said instead where the place cannot do an Edit or
	// Delete; nil says nothing.
	Fallback *chat.Content `json:"fallback,omitempty"`
}

// Payload reads the row's body.
func (d *Delivery) Payload() (Payload, error) {
	var p Payload
	if err := json.Unmarshal([]byte(d.Body), &p); err != nil {
		return p, fmt.Errorf("payload of delivery %d: %w", d.ID, err)
	}
	return p, nil
}

// SetPayload writes the row's body.
func (d *Delivery) SetPayload(p Payload) {
	b, err := json.Marshal(p)
	if err != nil { // every field marshals: strings, numbers, and structs of them
		b = []byte("{}")
	}
	d.Body = string(b)
}

// Remotes are the remote IDs said so far.
func (d *Delivery) Remotes() []string {
	if d.Parts == "" || d.Op == Mark {
		return nil
	}
	var ids []string
	if json.Unmarshal([]byte(d.Parts), &ids) != nil {
		return nil
	}
	return ids
}

// SetRemotes writes Parts.
func (d *Delivery) SetRemotes(ids []string) {
	b, _ := json.Marshal(ids)
	d.Parts = string(b)
}

// Result is what became of an attempt; the decider writes it down.
type Result struct {
	Delivery Delivery // as attempted: its Revision tells whether it is still the newest
	Receipt  chat.Receipt
	Err      *chat.Error // nil when it was done
	// Final: it will not be tried again (given up, or permanent).
	Final bool
	// Again is when the next attempt is due.
	Again tickets.Time
}

// Recipient is one recipient's row of a mail delivery.
type Recipient struct {
	Delivery tickets.ID `db:"delivery_id"`
	Address  string     `db:"address"`
	State    string     `db:"state"` // chat.Accepted, chat.Delayed, chat.Failed, chat.Delivered; "" still open
	Reason   string     `db:"reason"`
	Attempts int        `db:"attempts"`
}
