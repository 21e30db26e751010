package bot

import (
	"context"
	"errors"
	"io"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// ErrAway means that the database cannot be reached now; what failed can be
// tried again as it was. ErrFull means that its disk is full.
var (
	ErrAway = errors.New("the database cannot be reached")
	ErrFull = errors.New("the database's disk is full")
)

// Store is what the bot keeps its world in. Methods of Tx are bound to the
// context of the transaction. A row that is asked for by ID and is not there
// is ErrNotFound; the methods that look for something say how they tell that
// there is none.
type Store interface {
	// Update runs f in one write transaction. On an error, nothing of it
	// remains. The error wraps ErrAway or ErrFull where that is the cause.
	Update(ctx context.Context, f func(Tx) error) error
	// View runs f on a snapshot, beside the writer.
	View(ctx context.Context, f func(Tx) error) error
	// PutBlob stores the bytes of r under their SHA-256 (lower-case hex) in
	// chunks of at most 256 KiB, each in a transaction of its own; a hash that
	// is already complete is not read. It fails when the bytes do not have the
	// hash. With an empty hash it computes it and returns it.
	PutBlob(ctx context.Context, hash string, r io.Reader) (sum string, size int64, err error)
	// OpenBlob reads it back, chunk by chunk; ErrNotFound.
	OpenBlob(ctx context.Context, hash string) (io.ReadCloser, error)
}

// ErrNotFound means that there is no such row.
var ErrNotFound = errors.New("not found")

// InboxRow is a stored event.
type InboxRow struct {
	ID       tickets.ID   `db:"id"`
	Adapter  string       `db:"adapter"`
	Room     string       `db:"room"`
	EventID  string       `db:"event_id"`
	Revision string       `db:"revision"`
	Kind     string       `db:"kind"`
	Body     string       `db:"body"`
	Raw      string       `db:"raw_hash"`
	Received tickets.Time `db:"received_at"`
	State    int          `db:"state"` // 0 waits, 1 decided, 2 set aside
	Reason   string       `db:"reason"`
}

// eventDecided is the State of an event that has been decided.
const eventDecided = 1

// Timer is something due later.
type Timer struct {
	Name     string       `db:"name"` // unique; setting it again moves it
	Kind     string       `db:"kind"`
	Due      tickets.Time `db:"due_at"`
	Ticket   tickets.ID   `db:"ticket_id"`
	Incident tickets.ID   `db:"incident_id"`
	Body     string       `db:"body"`
}

// TicketFilter chooses tickets for a list. Zero fields choose all.
type TicketFilter struct {
	Desk      string
	Open      bool // not closed
	Owner     tickets.ID
	Unowned   bool
	Requester tickets.ID
	Limit     int // 0 means 50
}

// Tx is one transaction.
type Tx interface {
	inboxTx
	peopleTx
	ticketTx
	linkTx
	deliveryTx
	fileTx
	incidentTx
}

type inboxTx interface {
	// StoreEvents inserts the rows in order, as they are, and sets each ID; an
	// event that is stored already (adapter, room, event ID, revision) gets 0.
	StoreEvents(rows []InboxRow) error
	SetCursor(adapter string, c chat.Cursor) error
	// WaitingEvents are the undecided ones with an ID above after, in order.
	WaitingEvents(after tickets.ID, limit int) ([]InboxRow, error)
	// MarkDecided retires events; those in blank lose their body and original
	// (the blob too, where nothing else names it).
	MarkDecided(ids, blank []tickets.ID) error
	SetAside(id tickets.ID, reason string) error
	// AsideEvents are the newest set aside.
	AsideEvents(limit int) ([]InboxRow, error)
	// RetryAside puts an event back among the waiting.
	RetryAside(id tickets.ID) error
	CountWaiting() (waiting, aside int, err error)
}

type peopleTx interface {
	// PersonByIdentity gives 0 where nobody has that identity.
	PersonByIdentity(network, account string) (tickets.ID, error)
	// AddPerson inserts a person with a first identity (Identity.Person is
	// ignored).
	AddPerson(p *tickets.Person, id tickets.Identity) error
	// AddIdentity ties one more identity to a person, or updates its name,
	// handle and proof.
	AddIdentity(id tickets.Identity) error
	Person(id tickets.ID) (tickets.Person, error)
	SetLanguage(person tickets.ID, lang string) error
	Identities(person tickets.ID) ([]tickets.Identity, error)
	// FindPerson looks for a handle or name among the identities of a network,
	// without regard to case; 0 where there is none or more than one.
	FindPerson(network, handle string) (tickets.ID, error)
	// Role gives tickets.Nobody where no role was given.
	Role(desk string, person tickets.ID) (tickets.Role, error)
	SetRole(desk string, person tickets.ID, role tickets.Role, by tickets.ID, at tickets.Time) error
	// Focus gives 0 where there is none; SetFocus with 0 removes it.
	Focus(person tickets.ID, adapter, room string) (tickets.ID, error)
	SetFocus(person tickets.ID, adapter, room string, ticket tickets.ID) error
	// MailPeer tells when an address was last acknowledged by a desk and until
	// when it is muted for automatic mail; zeros where unknown.
	MailPeer(address, desk string) (acknowledged, mutedUntil tickets.Time, err error)
	SetMailPeer(address, desk string, acknowledged, mutedUntil tickets.Time) error
	// ServiceAccess lists the people with access to a service.
	ServiceAccess(service string) ([]tickets.ID, error)
}

type ticketTx interface {
	AddTicket(t *tickets.Ticket) error // sets ID
	Ticket(id tickets.ID) (tickets.Ticket, error)
	UpdateTicket(t *tickets.Ticket) error
	Tickets(f TicketFilter) ([]tickets.Ticket, error) // newest activity first
	// SearchTickets finds tickets whose entries hold all the words (folded:
	// lower case without accents; prefixes match), newest first.
	SearchTickets(desk string, words []string, limit int) ([]tickets.Ticket, error)

	// Participant gives ok false where the person takes no part.
	Participant(ticket, person tickets.ID) (p tickets.Participant, ok bool, err error)
	Participants(ticket tickets.ID) ([]tickets.Participant, error)
	// PutParticipant inserts or replaces.
	PutParticipant(p tickets.Participant) error
	// RecentOf is the newest open ticket of a desk that the person asked with
	// a message at a link outside the team in (adapter, room) since then, 0 where
	// there is none. OpenOf lists all open ones there.
	RecentOf(desk string, person tickets.ID, adapter, room string, since tickets.Time) (tickets.ID, error)
	OpenOf(desk string, person tickets.ID, adapter, room string) ([]tickets.ID, error)

	// AddEntry sets ID. words is the folded text for search, empty for none.
	AddEntry(e *tickets.Entry, words string) error
	Entry(id tickets.ID) (tickets.Entry, error)
	Entries(ticket tickets.ID) ([]tickets.Entry, error)
	// LastEntries are the newest n of a ticket, oldest first.
	LastEntries(ticket tickets.ID, n int) ([]tickets.Entry, error)
	// ReviseEntry stores the entry's Body, Folded, Revision and Deleted, and
	// keeps the body that stood before in the revisions.
	ReviseEntry(e tickets.Entry, words string, at tickets.Time) error
	// EraseEntry blanks body, revisions, words, payloads of open and retired
	// deliveries, files and originals of an entry, everywhere.
	EraseEntry(id tickets.ID) error

	PutReply(r tickets.ReplyRow) error // inserts or replaces
	Reply(entry tickets.ID) (tickets.ReplyRow, error)
	// RepliesOf are the replies made of a source entry, oldest first.
	RepliesOf(source tickets.ID) ([]tickets.ReplyRow, error)
	// OpenReplies of a ticket: gathering, asked, proposed, held, leaving.
	OpenReplies(ticket tickets.ID) ([]tickets.ReplyRow, error)
	// HeldReplies are all that are held, soonest first.
	HeldReplies() ([]tickets.ReplyRow, error)
}

type linkTx interface {
	AddLink(l *tickets.Link) error // sets ID
	Link(id tickets.ID) (tickets.Link, error)
	UpdateLink(l tickets.Link) error
	// LinksAt are the links of a place, newest first, at most limit. With an
	// empty Thread only links without a thread are meant.
	LinksAt(p chat.Place, limit int) ([]tickets.Link, error)
	TicketLinks(ticket tickets.ID) ([]tickets.Link, error)
	IncidentLinks(incident tickets.ID) ([]tickets.Link, error)
	// RoomLink finds or makes the link of a room as such (kind RoomLink, no
	// ticket), on which answers and notices travel in order.
	RoomLink(p chat.Place, now tickets.Time) (tickets.Link, error)
	// DirectLink is the person's direct room known on an adapter (kind
	// DirectLink, any ticket, newest), ok false where none is.
	DirectLink(adapter string, person tickets.ID) (l tickets.Link, ok bool, err error)

	// AddCopy inserts; where (adapter, room, remote ID) exists it does nothing.
	AddCopy(c tickets.Copy) error
	CopyAt(adapter, room, remote string) (c tickets.Copy, ok bool, err error)
	Copies(entry tickets.ID) ([]tickets.Copy, error)
	// CopiesByMessageID are the copies with one of these bare Message-IDs, in
	// the order of ids.
	CopiesByMessageID(adapter string, ids []string) ([]tickets.Copy, error)
}

type deliveryTx interface {
	// AddDelivery inserts, sets ID, and Position (the ID) where it is 0.
	AddDelivery(d *outbox.Delivery) error
	// PutState inserts a state delivery or overwrites the row of its (link,
	// slot): new body, entry, ready, Revision one more, Attempts 1; it keeps
	// Key and Parts. d becomes what is stored.
	PutState(d *outbox.Delivery) error
	// StateOf gives ok false where the slot has no row.
	StateOf(link tickets.ID, slot string) (d outbox.Delivery, ok bool, err error)
	Delivery(id tickets.ID) (outbox.Delivery, error)
	// DeliveryByKey gives ok false where no delivery has the key.
	DeliveryByKey(key string) (d outbox.Delivery, ok bool, err error)
	UpdateDelivery(d outbox.Delivery) error
	// OpenDeliveries are all held, ready and parked ones, in order of ID.
	OpenDeliveries() ([]outbox.Delivery, error)
	ReplyDeliveries(reply tickets.ID) ([]outbox.Delivery, error)
	EntryDeliveries(entry tickets.ID) ([]outbox.Delivery, error)
	// LinkOpen are the open deliveries of a link, in order of position.
	LinkOpen(link tickets.ID) ([]outbox.Delivery, error)
	IncidentDeliveries(incident tickets.ID) ([]outbox.Delivery, error)
	FailedDeliveries(limit int) ([]outbox.Delivery, error) // newest first
	Recipients(delivery tickets.ID) ([]outbox.Recipient, error)
	PutRecipient(r outbox.Recipient) error

	SetTimer(t Timer) error
	DropTimer(name string) error
	Timers() ([]Timer, error) // soonest first
	Timer(name string) (t Timer, ok bool, err error)
}

type fileTx interface {
	AddFile(f *tickets.File) error // sets ID
	File(id tickets.ID) (tickets.File, error)
	UpdateFile(f tickets.File) error
	EntryFiles(entry tickets.ID) ([]tickets.File, error)
	// WantedFiles are all that are still to be fetched, soonest first.
	WantedFiles(limit int) ([]tickets.File, error)
	// AddFileToken stores the hash of a token for /f/<token>; one that is
	// there already stays as it is.
	AddFileToken(hash string, file tickets.ID, expires tickets.Time) error
	FileByToken(hash string, now tickets.Time) (f tickets.File, ok bool, err error)
}

type incidentTx interface {
	AddIncident(i *statuspage.Incident) error // sets its number
	Incident(number int64) (statuspage.Incident, error)
	UpdateIncident(i *statuspage.Incident) error
	OpenIncidents() ([]statuspage.Incident, error)
	AddUpdate(u *statuspage.Update) error
	UpdateUpdate(u *statuspage.Update) error
	IncidentUpdates(number int64) ([]statuspage.Update, error) // oldest first

	// PutTitle and PutText set a title or a text in a further language; one
	// that is there keeps the time of its first publication. Both lists come
	// in order of language.
	PutTitle(number int64, t statuspage.PublicText) error
	PutText(update int64, t statuspage.PublicText) error
	Titles(number int64) ([]statuspage.PublicText, error)
	Texts(update int64) ([]statuspage.PublicText, error)
	// PublishedBetween are incidents and planned work as everybody may read
	// them, published from a time on and before another, the newest first.
	PublishedBetween(from, before statuspage.Time) ([]statuspage.PublicIncident, error)

	// IncidentTickets are the tickets attached to it, in order of number.
	IncidentTickets(number int64) ([]tickets.Ticket, error)
	// RecentRequests are the newest of a desk's tickets opened since then,
	// those whose first words cannot be read left out.
	RecentRequests(desk string, since tickets.Time, limit int) ([]RecentRequest, error)
	Attachments(number int64) ([]Attachment, error) // in order of ticket
	// Attachment is empty but for its key where nothing was done.
	Attachment(number int64, ticket tickets.ID) (Attachment, error)
	PutAttachment(a Attachment) error // inserts or replaces
	// CommonAnswer gives ok false where none was proposed.
	CommonAnswer(number int64) (a CommonAnswer, ok bool, err error)
	PutCommonAnswer(a CommonAnswer) error // inserts or replaces

	AddDraft(d *Draft) error // sets ID
	// UpdateDraft stores the delivery.
	UpdateDraft(d Draft) error
	Draft(id int64) (d Draft, ok bool, err error)
	DraftsOf(person tickets.ID) ([]Draft, error) // oldest first
	DropDraft(id int64) error
}

// RecentRequest is a ticket as far as it tells what it is about.
type RecentRequest struct {
	Ticket    tickets.ID `db:"ticket_id"`
	Requester tickets.ID `db:"requester"`
	Service   string     `db:"service"`
	Subject   string     `db:"subject"`
	Incident  tickets.ID `db:"incident"`
	Body      string     `db:"body"` // of the first message, its first 1,000 characters
}

// Attachment is what was done about a ticket for the sake of an incident.
// Whether it is attached, the ticket says.
type Attachment struct {
	Incident int64        `db:"incident_id"`
	Ticket   tickets.ID   `db:"ticket_id"`
	Offered  tickets.Time `db:"offered_at"`  // to the team
	Answered tickets.Time `db:"answered_at"` // 0 as long as it waits
	// Reply is the answer made for it, 0 where none could be made.
	Reply tickets.ID `db:"reply_id"`
}

// CommonAnswer is the one answer to all who asked about an incident.
type CommonAnswer struct {
	Incident int64        `db:"incident_id"`
	Entry    tickets.ID   `db:"entry_id"` // its words, for the team
	By       tickets.ID   `db:"sent_by"`  // the person who let it go, or 0
	Sent     tickets.Time `db:"sent_at"`  // 0 as long as it is a proposal
	// Unread: its last words are a trainee's, and no agent has looked at them.
	Unread bool `db:"unread"`
}

// Draft is an announcement that was shown and waits to be published.
type Draft struct {
	ID      int64           `db:"id"`
	Person  tickets.ID      `db:"person"`
	Verb    string          `db:"verb"`
	Number  int64           `db:"number"`  // of what it is about, 0 for something new
	Body    string          `db:"body"`    // as typed
	Lang    string          `db:"lang"`    // of its author's room
	Seen    statuspage.Time `db:"seen_at"` // Incident.Updated when it was shown
	Created tickets.Time    `db:"created_at"`
	Adapter string          `db:"adapter"` // where it was shown
	Room    string          `db:"room"`
	Thread  string          `db:"thread"`
	// Delivery showed it, 0 where the author alone was answered.
	Delivery tickets.ID `db:"delivery_id"`
}
