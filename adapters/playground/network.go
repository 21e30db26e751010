package playground

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"permanence/bot/chat"
)

// Options say what a network starts with. Rooms and accounts that its journal
// holds already are kept; names, roles and addresses follow the options.
type Options struct {
	Dress    Dress
	Accounts []Account
	Rooms    []Room
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// ErrClosed is the end of a network.
var ErrClosed = errors.New("the playground is closed")

// Network is a chat network in this process. Its methods may be called from
// any goroutine; one mutex owns the state.
type Network struct {
	dress Dress
	path  string
	now   func() time.Time

	mu       sync.Mutex
	journal  *journal
	closed   bool
	id       string   // of the network, made once with its journal
	records  []Record // records[i].Seq == i+1, without Data
	accounts map[string]*Account
	order    []string // account IDs as they came
	rooms    map[string]*Room
	roomList []string
	messages map[string]*Message
	byRoom   map[string][]*Message // in order of posting
	files    map[string]File
	data     map[string][]byte // of files and mails
	mails    []*Mail

	changed chan struct{} // closed and made anew after every record
	streams map[*Stream]struct{}
	waiting map[int64]chan chat.Answer // slash, press, submit → who waits
	faults  faults
}

// Open starts the network whose journal is at path, or one that lives in memory
// alone where path is empty.
func Open(path string, opts Options) (*Network, error) {
	n := &Network{dress: opts.Dress, path: path, now: opts.Now}
	if n.now == nil {
		n.now = time.Now
	}
	n.faults.refused = make(map[string]*chat.Error)
	n.streams = make(map[*Stream]struct{})
	n.waiting = make(map[int64]chan chat.Answer)
	n.changed = make(chan struct{})
	if err := n.load(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.furnish(opts); err != nil {
		n.journal.close()
		return nil, err
	}
	return n, nil
}

// load reads the journal into an empty state.
func (n *Network) load() error {
	j, records, err := openJournal(n.path)
	if err != nil {
		return err
	}
	n.journal = j
	n.id, n.records, n.order, n.roomList, n.mails = "", nil, nil, nil, nil
	n.accounts = make(map[string]*Account)
	n.rooms = make(map[string]*Room)
	n.messages = make(map[string]*Message)
	n.byRoom = make(map[string][]*Message)
	n.files = make(map[string]File)
	n.data = make(map[string][]byte)
	for _, rec := range records {
		n.apply(rec)
	}
	return nil
}

// furnish brings in the accounts and rooms of opts.
func (n *Network) furnish(opts Options) error {
	if len(n.records) == 0 {
		var id [5]byte
		rand.Read(id[:])
		if _, err := n.commit(Record{Kind: kindNetwork, ID: hex.EncodeToString(id[:])}); err != nil {
			return err
		}
	}
	for _, a := range opts.Accounts {
		if a.ID == "" || a.ID != strings.ToLower(a.ID) {
			return fmt.Errorf("playground account %q: want a lower-case identifier", a.ID)
		}
		if have := n.accounts[a.ID]; have != nil && *have == a {
			continue
		}
		if _, err := n.commit(Record{Kind: kindAccount, Account: &a}); err != nil {
			return err
		}
	}
	for _, r := range opts.Rooms {
		if r.Name == "" {
			return errors.New("playground room without a name")
		}
		have := n.rooms[r.Name]
		r.Members = slices.Clone(r.Members)
		if have != nil { // what happened in the room since then stays
			r.Topic, r.Muted, r.Pins, r.Gone = have.Topic, have.Muted, have.Pins, have.Gone
			r.Members = append(r.Members, have.Members...)
		}
		slices.Sort(r.Members)
		r.Members = slices.Compact(r.Members)
		if have != nil && reflect.DeepEqual(*have, r) {
			continue
		}
		if _, err := n.commit(Record{Kind: kindRoom, Room: r.Name, Info: &r}); err != nil {
			return err
		}
	}
	return nil
}

// Close ends every stream and closes the journal. It may be called twice.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	n.dropStreams(ErrClosed, false)
	return n.journal.close()
}

// ID is made with the journal and changes only when the journal is a new one.
func (n *Network) ID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id
}

// Dress is what the network can do.
func (n *Network) Dress() Dress { return n.dress }

// commit writes a record, makes it part of the state and wakes who listens. The
// caller holds the mutex and has checked that the record makes sense.
func (n *Network) commit(rec Record) (Record, error) {
	if n.closed {
		return Record{}, ErrClosed
	}
	rec.Seq = int64(len(n.records)) + 1
	rec.At = n.now().UnixMilli()
	switch rec.Kind {
	case kindPosted, kindFile, kindMail, kindWritten:
		// Sequence numbers are never used twice, nor are network IDs.
		rec.ID = fmt.Sprintf("%s-%d", n.id, rec.Seq)
	}
	if err := n.journal.write(rec); err != nil {
		return Record{}, err
	}
	n.apply(rec)
	close(n.changed)
	n.changed = make(chan struct{})
	return rec, nil
}

// apply makes a record part of the state. It never fails: what cannot be
// applied (a message that is gone) is left out.
func (n *Network) apply(rec Record) {
	if rec.Data != nil {
		n.data[rec.ID] = rec.Data
		rec.Data = nil
	}
	n.records = append(n.records, rec)
	room := n.rooms[rec.Room]
	msg := n.messages[rec.Target]
	switch rec.Kind {
	case kindNetwork:
		n.id = rec.ID
	case kindAccount:
		if n.accounts[rec.Account.ID] == nil {
			n.order = append(n.order, rec.Account.ID)
		}
		a := *rec.Account
		n.accounts[a.ID] = &a
	case kindRoom:
		if room == nil {
			n.roomList = append(n.roomList, rec.Room)
		}
		r := *rec.Info
		r.Members = slices.Clone(r.Members)
		n.rooms[rec.Room] = &r
	case kindFile:
		f := *rec.File
		f.ID = rec.ID
		n.files[f.ID] = f
	case kindPosted:
		n.applyPosted(rec)
	case kindMail, kindWritten:
		m := *rec.Mail
		m.ID, m.Seq, m.At, m.Written = rec.ID, rec.Seq, time.UnixMilli(rec.At).UTC(), rec.Kind == kindWritten
		n.mails = append(n.mails, &m)
	default:
		if room != nil {
			applyRoom(room, rec)
		}
		if msg != nil {
			applyMessage(msg, rec)
		}
	}
}

func (n *Network) applyPosted(rec Record) {
	d := rec.Draft
	m := &Message{
		ID: rec.ID, Room: rec.Room, Thread: rec.Thread, ReplyTo: d.ReplyTo, By: rec.By,
		At: time.UnixMilli(rec.At).UTC(), Text: d.Text, Notice: d.Notice, Card: d.Card,
		Mentions: d.Mentions, Buttons: d.Buttons, Files: d.Files, Key: d.Key, Part: d.Part,
	}
	n.messages[m.ID] = m
	n.byRoom[m.Room] = append(n.byRoom[m.Room], m)
}

func applyRoom(room *Room, rec Record) {
	switch rec.Kind {
	case kindTopic:
		room.Topic = rec.Text
	case kindPinned:
		room.Pins = insert(room.Pins, rec.Target)
	case kindUnpinned:
		room.Pins = remove(room.Pins, rec.Target)
	case kindJoined:
		room.Members = insert(room.Members, rec.By)
	case kindLeft:
		room.Members = remove(room.Members, rec.By)
	case kindGone:
		room.Gone = true
	case kindBack:
		room.Gone = false
	case kindRevoked:
		room.Muted = insert(room.Muted, rec.Target)
	case kindRestored:
		room.Muted = remove(room.Muted, rec.Target)
	}
}

func applyMessage(msg *Message, rec Record) {
	switch rec.Kind {
	case kindEdited:
		msg.Text, msg.Revision = rec.Draft.Text, rec.Revision
		msg.Mentions, msg.Buttons = rec.Draft.Mentions, rec.Draft.Buttons
		msg.Files = rec.Draft.Files
	case kindDeleted:
		*msg = Message{ID: msg.ID, Room: msg.Room, Thread: msg.Thread, By: msg.By, At: msg.At,
			Key: msg.Key, Part: msg.Part, Deleted: true}
	case kindPinned:
		msg.Pinned = true
	case kindUnpinned:
		msg.Pinned = false
	case kindReacted:
		i := slices.IndexFunc(msg.Reactions, func(r Reaction) bool { return r.Emoji == rec.Emoji })
		if i < 0 {
			msg.Reactions = append(msg.Reactions, Reaction{Emoji: rec.Emoji, By: []string{rec.By}})
			return
		}
		msg.Reactions[i].By = append(msg.Reactions[i].By, rec.By)
	case kindUnreacted:
		for i := range msg.Reactions {
			if r := &msg.Reactions[i]; r.Emoji == rec.Emoji {
				r.By = slices.DeleteFunc(r.By, func(id string) bool { return id == rec.By })
			}
		}
		msg.Reactions = slices.DeleteFunc(msg.Reactions, func(r Reaction) bool { return len(r.By) == 0 })
	}
}

// insert adds s to a sorted set, as a new slice: older ones may be in use.
func insert(set []string, s string) []string {
	i, found := slices.BinarySearch(set, s)
	if found {
		return set
	}
	return slices.Insert(slices.Clone(set), i, s)
}

func remove(set []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(set), func(have string) bool { return have == s })
}
