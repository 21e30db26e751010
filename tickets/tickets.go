// Package tickets is the help desk: tickets, their entries, the people in
// them, and the rules of who may do what and where an answer goes. It knows
// places but no network, no SQL and no HTTP.
package tickets

import (
	"permanence/bot/chat"
)

// Time is milliseconds since the Unix epoch, UTC; zero means never.
type Time int64

// ID numbers the rows of one kind. A ticket's ID is its number.
type ID int64

// State is where a ticket stands.
type State string

const (
	New     State = "new"     // nobody has answered or claimed it
	Open    State = "open"    // the asker waits for the team
	Waiting State = "waiting" // the team waits for the asker
	Closed  State = "closed"
)

// Audience says who may see an entry; a link carries a set of them.
type Audience int

const (
	Team         Audience = 1 << iota // the desk alone
	Participants                      // the people of the ticket
	Everyone                          // may stand in a world-readable place
)

// Has reports whether the set holds a.
func (s Audience) Has(a Audience) bool { return s&a == a }

// Ticket is a numbered conversation of a desk with a requester and others.
type Ticket struct {
	ID        ID     `db:"id"`
	Desk      string `db:"desk"`
	Subject   string `db:"subject"`
	State     State  `db:"state"`
	Requester ID     `db:"requester"` // a person
	Owner     ID     `db:"owner"`     // a person, 0 for nobody
	Service   string `db:"service"`
	// Shared: people with access to the service see the ticket.
	Shared  bool `db:"shared"`
	Created Time `db:"created_at"`
	Updated Time `db:"updated_at"`
	// Asked is the time of the participants' last message, Answered that of
	// the team's last answer sent.
	Asked    Time `db:"asked_at"`
	Answered Time `db:"answered_at"`
	ClosedAt Time `db:"closed_at"`
	// Since is when the asker began to wait for the team.
	Since Time `db:"waiting_since"`
	// LastAsker and LastLink are who spoke last from outside, and where: the
	// answer goes there.
	LastAsker ID `db:"last_asker"`
	LastLink  ID `db:"last_link"`
	// Related is the ticket that this one continues or stands beside, 0 for
	// none.
	Related ID `db:"related"`
	// Incident is the incident that it is attached to, 0 for none.
	Incident ID `db:"incident"`
	// ClaimUntil is when the owner's claim lapses, 0 for never.
	ClaimUntil Time `db:"claim_until"`
	// First is the entry that opened it; Hints (lines) and LastEvent are words
	// for the team's card.
	First     ID     `db:"first_entry"`
	Hints     string `db:"hints"`
	LastEvent string `db:"last_event"`
}

// EntryKind is what an entry is.
type EntryKind string

const (
	Message EntryKind = "message" // from outside
	Reply   EntryKind = "reply"   // to the outside, made by a send gesture
	Note    EntryKind = "note"    // inside
	Change  EntryKind = "change"  // of state; the body is for people
	Auto    EntryKind = "auto"    // an acknowledgement or another word of the program
)

// Entry is one fact of a ticket or incident. Order and kind never change; the
// body has revisions and can be blanked.
type Entry struct {
	ID       ID        `db:"id"`
	Ticket   ID        `db:"ticket_id"`   // 0 where it belongs to an incident
	Incident ID        `db:"incident_id"` // 0 where it belongs to a ticket
	Kind     EntryKind `db:"kind"`
	Audience Audience  `db:"audience"`
	Author   ID        `db:"author"`      // a person, 0 for the program
	Name     string    `db:"author_name"` // as shown at that time
	Body     string    `db:"body"`        // Markdown
	Folded   string    `db:"folded"`      // quoted text and signature of a mail
	Subject  string    `db:"subject"`     // of a mail
	Revision int       `db:"revision"`    // from 1
	Deleted  bool      `db:"deleted"`
	At       Time      `db:"at"`      // arrival
	Dated    Time      `db:"dated"`   // what the network or header says, 0 if nothing
	Source   ID        `db:"source"`  // of a reply: the entry that was sent
	Link     ID        `db:"link_id"` // where it came from, 0 for none
	// Third: from somebody who is not a participant; shown, never relayed.
	Third bool   `db:"third"`
	Raw   string `db:"raw_hash"` // of the stored original
	// Sealed: encrypted, and the keys have not come; Body is empty until then.
	Sealed bool `db:"sealed"`
}

// ReplyState is where a reply stands.
type ReplyState string

const (
	Gathering ReplyState = "gathering" // lines are being added, until !send
	Asked     ReplyState = "asked"     // something is to be confirmed by a second gesture
	Proposed  ReplyState = "proposed"  // a trainee's, waiting for an agent
	Held      ReplyState = "held"      // leaves when the hold ends
	Leaving   ReplyState = "leaving"   // frozen, deliveries on their way
	Sent      ReplyState = "sent"      // every delivery accepted
	Undone    ReplyState = "stopped"   // stopped in the hold
	Lost      ReplyState = "failed"    // at least one delivery was given up
)

// ReplyRow is the life of a reply, beside its entry.
type ReplyRow struct {
	Entry    ID         `db:"entry_id"`
	Ticket   ID         `db:"ticket_id"`
	Source   ID         `db:"source"`
	State    ReplyState `db:"state"`
	By       ID         `db:"by_person"`   // whose gesture
	Approved ID         `db:"approved_by"` // the agent who let a trainee's go
	Link     ID         `db:"link_id"`     // where it goes
	// Close: the ticket is closed when it has left.
	Close bool `db:"close_after"`
	// Asked is the reason for which a second gesture was asked, for telling
	// whether the next one confirms the same.
	Asked     string `db:"asked"`
	HoldUntil Time   `db:"hold_until"`
	Created   Time   `db:"created_at"`
	// GestureTarget and GestureRoom tell the reaction that can be taken back,
	// empty for a command.
	Gesture string `db:"gesture"`
}

// LinkKind is what a link is for.
type LinkKind string

const (
	TeamLink     LinkKind = "team"
	AskerLink    LinkKind = "asker"  // a public or closed room where it was asked
	DirectLink   LinkKind = "direct" // one person's direct room
	MailLink     LinkKind = "mail"
	Announcement LinkKind = "announcement" // of an incident in a status room
	RoomLink     LinkKind = "room"         // a room as such, for what belongs to no ticket
)

// Link ties a ticket or incident to a place.
type Link struct {
	ID       ID       `db:"id"`
	Ticket   ID       `db:"ticket_id"`
	Incident ID       `db:"incident_id"`
	Kind     LinkKind `db:"kind"`
	Adapter  string   `db:"adapter"`
	Room     string   `db:"room"`
	// Thread is empty until the root has been said (Rootless).
	Thread    string   `db:"thread"`
	Audiences Audience `db:"audiences"`
	Person    ID       `db:"person"` // of a direct or mail link
	// Rootless: what is said here waits for the delivery Root.
	Rootless bool `db:"rootless"`
	Root     ID   `db:"root_delivery"`
	Gone     bool `db:"gone"`
	// MessageID is the last mail's seen in this link, bare, for In-Reply-To.
	MessageID  string `db:"message_id"`
	References string `db:"refs"` // space-separated, oldest first, trimmed
	Created    Time   `db:"created_at"`
}

// Place is where the link points.
func (l Link) Place() chat.Place {
	return chat.Place{Adapter: l.Adapter, Room: l.Room, Thread: l.Thread}
}

// Copy is an entry as one remote message.
type Copy struct {
	ID       ID     `db:"id"`
	Entry    ID     `db:"entry_id"`
	Link     ID     `db:"link_id"`
	Adapter  string `db:"adapter"`
	Room     string `db:"room"`
	Remote   string `db:"remote_id"`
	Part     int    `db:"part"`
	Revision int    `db:"revision"`
	Original bool   `db:"original"`
	// MessageID is a mail's, bare; not unique.
	MessageID string `db:"message_id"`
	At        Time   `db:"at"`
}

// Person is somebody, with the identities that were proved to be theirs.
type Person struct {
	ID       ID     `db:"id"`
	Name     string `db:"name"`
	Language string `db:"language"`
	Created  Time   `db:"created_at"`
}

// Identity is one account or address of a person. Unique on (Network,
// Account).
type Identity struct {
	Network string `db:"network"`
	Account string `db:"account"`
	Person  ID     `db:"person"`
	Name    string `db:"name"`
	Handle  string `db:"handle"`
	Proved  bool   `db:"proved"`
}

// Part is somebody's part in a ticket.
type Part string

const (
	Requester Part = "requester"
	CarbonCc  Part = "cc"
	Peer      Part = "peer" // access to the service
)

// Participant is a person in a ticket, with the link where they are reached.
type Participant struct {
	Ticket ID   `db:"ticket_id"`
	Person ID   `db:"person"`
	Part   Part `db:"part"`
	Link   ID   `db:"link_id"`
}

// Role is what somebody is at a desk.
type Role string

const (
	Nobody      Role = ""
	Trainee     Role = "trainee"
	Agent       Role = "agent"
	Coordinator Role = "coordinator"
	// Outsider was told apart from the team by a coordinator: speaking in the
	// team's room makes them no trainee.
	Outsider Role = "outsider"
)

// File is a file of an entry.
type File struct {
	ID      ID     `db:"id"`
	Entry   ID     `db:"entry_id"`
	Name    string `db:"name"`
	Type    string `db:"type"`
	Size    int64  `db:"size"`
	Adapter string `db:"adapter"`
	Ref     string `db:"ref"`
	// ContentID is the cid under which a mail's text shows it.
	ContentID string    `db:"content_id"`
	Blob      string    `db:"blob_hash"` // set when fetched
	State     FileState `db:"state"`
	Attempts  int       `db:"attempts"`
	NextAt    Time      `db:"next_at"`
	Reason    string    `db:"reason"`
}

// FileState is whether we have the bytes.
type FileState string

const (
	FileWanted FileState = "wanted"
	FileStored FileState = "stored"
	FileLost   FileState = "lost"
)
