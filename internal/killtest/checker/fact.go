// Package checker judges what a support desk did to the people around it. It
// is told facts, one JSON object a line: what customers sent and were told is
// taken, what the team wrote and asked to be sent, what mail servers and rooms
// were given. From those alone it says what is lost, doubled, out of order, or
// leaked. It never sees the desk's own data, and shares no code with it.
//
// Texts are recognised by marks: each person's text has one word of its own,
// made by [Mark].
package checker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
)

// Kind says what a fact is about.
type Kind string

const (
	// Mail: a customer's mail got its 250. Opens: it belongs to no earlier one.
	Mail Kind = "mail"
	// Line: a customer's line in the public channel was acknowledged.
	Line Kind = "line"
	// Note: somebody of the team wrote a text in the thread of a talk.
	Note Kind = "note"
	// Gesture: the order to send a note was acknowledged.
	Gesture Kind = "gesture"
	// Stop: the order not to send it was acknowledged, while it was held.
	Stop Kind = "stop"
	// Kill: the desk's process died.
	Kill Kind = "kill"
	// Cut: the mail server that took the mail before broke the connection
	// after the final dot, in place of its answer.
	Cut Kind = "cut"
	// Taken: a mail server took a mail of the desk.
	Taken Kind = "taken"
	// Told: the team saw a note marked as sent.
	Told Kind = "told"
	// TeamSees and PublicSees are the messages of the team's room and of the
	// public channel in their order, as they stand at the end.
	TeamSees   Kind = "team-sees"
	PublicSees Kind = "public-sees"
)

// Fact is one line of the ledger.
type Fact struct {
	Kind Kind `json:"kind"`
	// Mark is that of the text sent or written.
	Mark string `json:"mark,omitempty"`
	// Talk names the conversation that it belongs to.
	Talk string `json:"talk,omitempty"`
	// Opens: see Mail.
	Opens bool `json:"opens,omitempty"`
	// ByMail says that a gesture's text is to leave by mail, else in the
	// public channel.
	ByMail bool `json:"by_mail,omitempty"`
	// From is the address of a customer.
	From string `json:"from,omitempty"`

	// MessageID, To, Auto, Text: a mail taken, Auto when it says of itself that
	// no person wrote it. Text is everything readable in it, headers included.
	MessageID string   `json:"message_id,omitempty"`
	To        []string `json:"to,omitempty"`
	Auto      bool     `json:"auto,omitempty"`
	Text      string   `json:"text,omitempty"`

	// ID, Thread, Desk, Signs: a message in a room; Desk when it is the desk's
	// own, Signs are the emoji that the desk put on it.
	ID     string   `json:"id,omitempty"`
	Thread string   `json:"thread,omitempty"`
	Desk   bool     `json:"desk,omitempty"`
	Signs  []string `json:"signs,omitempty"`

	// Point is where the process was killed.
	Point string `json:"point,omitempty"`
}

// SentSign is the emoji by which the desk says that a note has been sent.
const SentSign = "📬"

// Mark makes the word by which a text is recognised: kind is letters only, and
// the same number is never given twice for one kind.
func Mark(kind string, number int) string { return fmt.Sprintf("zq%s%05dx", kind, number) }

var markWord = regexp.MustCompile(`zq[a-z]+[0-9]{5}x`)

// marks lists each mark in a text once.
func marks(text string) []string {
	found := markWord.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// Verdict is what the checker says at the end.
type Verdict struct {
	// Faults are sentences, none when the desk kept its promises.
	Faults []string `json:"faults"`
	// Mails, Lines and Gestures were judged.
	Mails    int `json:"mails"`
	Lines    int `json:"lines"`
	Gestures int `json:"gestures"`
	Kills    int `json:"kills"`
	// Doubles is the number of mails that were taken twice, as is allowed
	// where the process died or the connection broke between the final dot and
	// the note of its answer.
	Doubles int `json:"doubles"`
}

// Run reads facts from in until its end and writes the verdict to out.
func Run(in io.Reader, out io.Writer) error {
	var facts []Fact
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil {
			return fmt.Errorf("read ledger: %w", err) // a half line too
		}
		var f Fact
		if err := json.Unmarshal(line, &f); err != nil {
			return fmt.Errorf("ledger line %d: %w", len(facts)+1, err)
		}
		facts = append(facts, f)
	}
	return json.NewEncoder(out).Encode(Judge(facts))
}
