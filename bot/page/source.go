package page

import (
	"context"
	"io"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

// Source is what the pages read. It only reads: a machine that stands by can
// serve them too.
type Source interface {
	// Ticket is a ticket with the newest entries of a window; ok is false
	// where there is none with that number.
	Ticket(ctx context.Context, id tickets.ID, w Window) (v View, ok bool, err error)
	// File is a file by its ID.
	File(ctx context.Context, id tickets.ID) (f tickets.File, ok bool, err error)
	// FileByToken is the file whose token has this hash and has not ended.
	FileByToken(ctx context.Context, hash string, now time.Time) (f tickets.File, ok bool, err error)
	// OpenBlob reads stored bytes; the error wraps fs.ErrNotExist where they
	// are gone.
	OpenBlob(ctx context.Context, hash string) (io.ReadCloser, error)
}

// Window chooses entries: the newest Limit of those before an entry.
type Window struct {
	Before tickets.ID // 0 for the end of the ticket
	Limit  int
}

// View is a ticket as its page shows it.
type View struct {
	Ticket    tickets.Ticket
	Requester Person
	Owner     string // name, empty where nobody has claimed it
	People    []Person
	Entries   []Entry // of the window, oldest first
	Earlier   int     // how many entries come before them
	Later     int     // and after them
}

// Person is somebody in a ticket.
type Person struct {
	ID      tickets.ID
	Name    string
	Handles []string // addresses and accounts
	Part    tickets.Part
}

// Entry is an entry with what belongs to it.
type Entry struct {
	tickets.Entry
	From  Where             // where it came from; zero for the program's own
	Reply *tickets.ReplyRow // of a reply
	// By and Approved are the names of who sent a reply and who let it go.
	By, Approved string
	Sends        []Send // what became of a reply or automatic message
	Files        []tickets.File
}

// Where is a place, for words.
type Where struct {
	Kind          tickets.LinkKind
	Adapter, Room string
}

// SendState is what became of one message to one place or recipient.
type SendState string

const (
	SendWaiting   SendState = "waiting"
	SendAccepted  SendState = chat.Accepted
	SendDelivered SendState = chat.Delivered
	SendDelayed   SendState = chat.Delayed
	SendFailed    SendState = chat.Failed
	SendStopped   SendState = "stopped"
)

// Send is one message to one place, or to one recipient of a mail.
type Send struct {
	To     Where
	Person string // address of a mail's recipient, empty for a place
	State  SendState
	Reason chat.Text
	At     tickets.Time // when it was done, 0 where it was not
}
