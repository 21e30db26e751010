package playground

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"permanence/bot/chat"
)

// Kind names what a record tells.
type Kind string

const (
	kindNetwork   Kind = "network" // always the first: ID is the network's
	kindAccount   Kind = "account"
	kindRoom      Kind = "room"
	kindFile      Kind = "file"
	kindPosted    Kind = "posted"
	kindEdited    Kind = "edited"
	kindDeleted   Kind = "deleted"
	kindReacted   Kind = "reacted"
	kindUnreacted Kind = "unreacted"
	kindTopic     Kind = "topic"
	kindPinned    Kind = "pinned"
	kindUnpinned  Kind = "unpinned"
	kindJoined    Kind = "joined"
	kindLeft      Kind = "left"
	kindGone      Kind = "gone"
	kindBack      Kind = "back"
	kindRevoked   Kind = "revoked"
	kindRestored  Kind = "restored"
	kindSlash     Kind = "slash"
	kindPressed   Kind = "pressed"
	kindSubmitted Kind = "submitted"
	kindMail      Kind = "mail"    // arrived in the mailbox
	kindWritten   Kind = "written" // written in the mailbox, with its fate
)

// Record is one fact, one line of the journal, and one event for those who
// listen. The state of a network is what its records add up to.
type Record struct {
	Seq  int64 `json:"seq"` // 1, 2, 3 …
	At   int64 `json:"at"`  // milliseconds since 1970, UTC
	Kind Kind  `json:"kind"`
	// ID of what the record makes: network, message, file, mail.
	ID     string `json:"id,omitempty"`
	Room   string `json:"room,omitempty"`
	Thread string `json:"thread,omitempty"`
	By     string `json:"by,omitempty"`
	// Target is the message, or for revoked and restored the account.
	Target string `json:"target,omitempty"`
	// Draft is the content of posted and edited.
	Draft *Draft `json:"draft,omitempty"`
	// Revision of edited counts from 1.
	Revision int `json:"revision,omitempty"`
	// Text is a topic, what follows a slash command, or a reason to leave.
	Text  string `json:"text,omitempty"`
	Emoji string `json:"emoji,omitempty"`
	// Action is a button's, a slash command's word, or a form's ID.
	Action  string            `json:"action,omitempty"`
	Value   string            `json:"value,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`
	Account *Account          `json:"account,omitempty"`
	Info    *Room             `json:"info,omitempty"`
	File    *File             `json:"file,omitempty"`
	Mail    *Mail             `json:"mail,omitempty"`
	Data    []byte            `json:"data,omitempty"` // bytes of a file or mail
}

// journal is the append-only file of records, one JSON object a line. A record
// counts when its line feed is on disk.
type journal struct {
	file *os.File // nil: memory alone
	size int64
}

// openJournal reads the records of path, which is made where it is missing. A
// last line without its end was never accepted and is cut off; any other line
// that does not read is an error, because facts would be missing.
func openJournal(path string) (*journal, []Record, error) {
	if path == "" {
		return &journal{}, nil, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open playground journal: %w", err)
	}
	records, size, err := readRecords(file)
	if err == nil {
		err = file.Truncate(size)
	}
	if err == nil {
		_, err = file.Seek(size, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("read playground journal %s: %w", path, err)
	}
	return &journal{file: file, size: size}, records, nil
}

// readRecords gives the whole records of r and the length that they take.
func readRecords(r io.Reader) (records []Record, size int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return records, size, nil // what is in line was never accepted
		}
		if err != nil {
			return nil, 0, err
		}
		var rec Record
		if err := json.Unmarshal(line, &rec); err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", len(records)+1, err)
		}
		if rec.Seq != int64(len(records))+1 {
			return nil, 0, fmt.Errorf("line %d has sequence number %d", len(records)+1, rec.Seq)
		}
		records = append(records, rec)
		size += int64(len(line))
	}
}

// write puts records on disk before it returns. On an error the file is as it
// was before.
func (j *journal) write(records ...Record) error {
	if j.file == nil {
		return nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for _, rec := range records {
		if err := enc.Encode(rec); err != nil {
			return fmt.Errorf("encode %s record: %w", rec.Kind, err)
		}
	}
	_, err := j.file.Write(buf.Bytes())
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		// What was half written must not stand before the next record.
		if terr := j.file.Truncate(j.size); terr == nil {
			_, terr = j.file.Seek(j.size, io.SeekStart)
			err = errors.Join(err, terr)
		} else {
			err = errors.Join(err, terr)
		}
		return &chat.Error{Kind: chat.Temporary, Err: fmt.Errorf("write playground journal: %w", err), Reason: chat.Text{
			FR: "le bac à sable ne peut rien enregistrer (disque plein ?)",
			EN: "the playground cannot record anything (disk full?)",
		}}
	}
	j.size += int64(buf.Len())
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
