package irc

import (
	"strings"
	"time"

	"permanence/bot/chat"
)

// line is one line to be written, or one batch of lines that make one message,
// whose fate somebody may wait for.
type line struct {
	command string   // "PRIVMSG"
	target  string   // as written
	body    string   // trailing parameter
	reply   []string // tags that name the line that it answers
	part    int      // of the text, counted from 0
	// pieces make the line a batch: one message of several lines.
	pieces []piece
	// fate is closed when verdict tells what became of it; nil where nobody
	// asks.
	fate    chan struct{}
	verdict verdict

	person bool // the target is a person
	label  string
	token  string   // of the PING behind it
	folded string   // target, folded
	away   string   // what the server told of somebody who is away
	echoed *verdict // waits for the end of the server's answer
	// late gets the verdict where nobody waits any more; told is called beside,
	// for the writer.
	late func(verdict)
	told func()
	done bool
}

// verdict is what became of a line.
type verdict struct {
	id string // msgid, empty where the server gives none
	at time.Time
	// confirmed: the server said it to everybody; else it took it and did not
	// refuse.
	confirmed bool
	away      string
	err       *chat.Error
	// singly: the server does not take the batch; nothing of it was said.
	singly bool
}

// cost is how many lines the server counts.
func (l *line) cost() int {
	if len(l.pieces) == 0 {
		return 1
	}
	return len(l.pieces) + 2
}

// append writes l behind buf as it goes to the wire, in one piece: nothing else
// may stand within a batch.
func (l *line) append(buf []byte, tags bool) []byte {
	buf = l.tags(buf, tags)
	if len(l.pieces) == 0 {
		buf = append(buf, l.command...)
		if l.target != "" {
			buf = append(append(buf, ' '), oneLine(l.target)...)
		}
		if l.body != "" || l.command == "TOPIC" {
			buf = append(append(buf, " :"...), oneLine(l.body)...)
		}
		return append(buf, "\r\n"...)
	}
	target := oneLine(l.target)
	buf = append(buf, "BATCH +1 draft/multiline "+target+"\r\n"...)
	for _, p := range l.pieces {
		buf = append(buf, "@batch=1"...)
		if p.glued {
			buf = append(buf, ";draft/multiline-concat"...)
		}
		buf = append(buf, " "+l.command+" "+target+" :"...)
		buf = append(append(buf, oneLine(p.text)...), "\r\n"...)
	}
	return append(buf, "BATCH -1\r\n"...)
}

// tags writes what stands before the line itself.
func (l *line) tags(buf []byte, tags bool) []byte {
	if !tags || l.label == "" && len(l.reply) == 0 {
		return buf
	}
	sep := byte('@')
	if l.label != "" {
		buf = append(buf, "@label="+l.label...)
		sep = ';'
	}
	for _, tag := range l.reply {
		buf = append(append(buf, sep), tag...)
		sep = ';'
	}
	return append(buf, ' ')
}

var tagEscape = strings.NewReplacer(";", `\:`, " ", `\s`, `\`, `\\`, "\r", `\r`, "\n", `\n`)
