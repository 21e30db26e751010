package irc

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

// line is one line to be written, whose fate somebody may wait for.
type line struct {
	command string // "PRIVMSG"
	target  string // as written
	body    string // trailing parameter
	reply   string // msgid that it answers
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
	// late gets the verdict where nobody waits any more.
	late func(verdict)
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
}

// raw gives the line as it is written, without the end.
func (l *line) raw(tags bool) string {
	var b strings.Builder
	if tags && (l.label != "" || l.reply != "") {
		sep := "@"
		if l.label != "" {
			b.WriteString(sep + "label=" + l.label)
			sep = ";"
		}
		if l.reply != "" {
			// Older clients know the draft's name alone.
			id := tagEscape.Replace(l.reply)
			b.WriteString(sep + "+reply=" + id + ";+draft/reply=" + id)
		}
		b.WriteByte(' ')
	}
	b.WriteString(l.command)
	if l.target != "" {
		b.WriteString(" " + l.target)
	}
	if l.body != "" || l.command == "TOPIC" {
		b.WriteString(" :" + l.body)
	}
	return b.String()
}

var tagEscape = strings.NewReplacer(";", `\:`, " ", `\s`, `\`, `\\`, "\r", `\r`, "\n", `\n`)

// confirms matches what the server says with the lines that we wrote. There
// are three levels: labels and echoes tell exactly; echoes alone are matched
// by target and text in order; without both a PING behind the line tells that
// the server took it, because a refusal would have come before the PONG.
type confirms struct {
	mu      sync.Mutex
	fold    func(string) string
	prefix  string
	nick    string
	labels  map[string]string // batch -> label
	waiting []*line           // in order of writing
	count   int
}

func newConfirms(prefix, nick string, fold func(string) string) *confirms {
	return &confirms{fold: fold, prefix: prefix, nick: nick, labels: make(map[string]string)}
}

// expect registers a line that is about to be written.
func (c *confirms) expect(l *line, labelled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	l.folded = c.fold(l.target)
	if labelled {
		l.label = c.prefix + "-" + strconv.Itoa(c.count)
	}
	c.waiting = append(c.waiting, l)
}

// barrier gives the token of a PING to be written behind all the lines that
// wait without label or echo.
func (c *confirms) barrier() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	token := "fate-" + c.prefix + "-" + strconv.Itoa(c.count)
	for _, l := range c.waiting {
		if l.token == "" {
			l.token = token
		}
	}
	return token
}

// settle ends the waiting for l, which is still in the list.
func (c *confirms) settle(l *line, v verdict) {
	for i, w := range c.waiting {
		if w == l {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
			break
		}
	}
	v.away = l.away
	c.decide(l, v)
}

// decide gives the verdict to whoever waits; the first one counts.
func (c *confirms) decide(l *line, v verdict) {
	if l.done || l.fate == nil {
		return
	}
	l.done = true
	if l.late != nil {
		l.late(v)
		return
	}
	l.verdict = v
	close(l.fate)
}

// refuse ends the waiting for lines that were never written.
func (c *confirms) refuse(lines []*line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lines {
		if l.late == nil {
			c.decide(l, verdict{err: &chat.Error{Kind: chat.Temporary, Reason: notConnected}})
		}
	}
}

// abandon leaves a line whose waiter goes away; late gets the verdict, if one
// comes. It returns false when the verdict is there already.
func (c *confirms) abandon(l *line, late func(verdict)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.done {
		return false
	}
	l.late = late
	return true
}

// cut ends the waiting for everything: the connection is gone, and the fate of
// the lines unknown.
func (c *confirms) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.waiting {
		if l.late == nil {
			c.decide(l, verdict{err: &chat.Error{Kind: chat.Temporary, Reason: cutMeanwhile}})
		}
	}
	c.waiting = nil
}

// hear looks at a line of the server.
func (c *confirms) hear(e *girc.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := e.Source != nil && c.fold(e.Source.Name) == c.fold(c.nick)
	switch e.Command {
	case "001":
		if len(e.Params) > 0 {
			c.nick = e.Params[0]
		}
		return
	case "NICK":
		if own && len(e.Params) > 0 {
			c.nick = e.Params[0]
		}
		return
	case "BATCH":
		c.batch(e)
		return
	case "PONG":
		c.pong(e.Last())
		return
	}
	if len(c.waiting) == 0 {
		return
	}
	label, more := e.Tags["label"], false
	if b, ok := e.Tags["batch"]; ok && label == "" {
		label = c.labels[b]
		more = label != "" // the rest of the answer follows
	}
	l := c.match(e, label, own)
	if l == nil {
		return
	}
	switch {
	case own && e.Command == l.command:
		v := verdict{id: e.Tags["msgid"], at: e.Timestamp, confirmed: true}
		if more {
			l.echoed = &v
			return
		}
		c.settle(l, v)
	case e.Command == "ACK":
		c.settle(l, verdict{at: e.Timestamp})
	case e.Command == "301" && len(e.Params) > 0:
		l.away = decode(e.Last())
		if l.away == "" {
			l.away = "…"
		}
	case e.Command == "FAIL" && len(e.Params) > 1:
		err, ok := refusal(e.Params[1], l.target, e.Last(), l.person)
		if !ok {
			err = &chat.Error{Kind: chat.Temporary, Err: &serverError{e.Params[1], e.Last()}, Reason: chat.Text{
				FR: "le serveur IRC a refusé : " + decode(e.Last()), EN: "the IRC server refused: " + decode(e.Last()),
			}}
		}
		c.settle(l, verdict{err: err})
	default:
		if err, ok := refusal(e.Command, l.target, e.Last(), l.person); ok {
			c.settle(l, verdict{err: err})
		}
	}
}

// match finds the line that e speaks of.
func (c *confirms) match(e *girc.Event, label string, own bool) *line {
	if label != "" {
		for _, l := range c.waiting {
			if l.label == label {
				return l
			}
		}
		return nil
	}
	target := ""
	switch {
	case own && len(e.Params) > 0:
		target = c.fold(e.Params[0])
	case e.Command == "417":
		for _, l := range c.waiting {
			if l.label == "" {
				return l
			}
		}
		return nil
	case len(e.Params) > 1 && len(e.Command) == 3:
		target = c.fold(e.Params[1])
	default:
		return nil
	}
	for _, l := range c.waiting {
		if l.label != "" || l.folded != target {
			continue
		}
		if own && (l.command != e.Command || l.body != e.Last()) {
			continue
		}
		return l
	}
	return nil
}

// batch notes the label of a batch that answers us, for the lines in it.
func (c *confirms) batch(e *girc.Event) {
	if len(e.Params) == 0 || len(e.Params[0]) < 2 {
		return
	}
	id := e.Params[0][1:]
	if e.Params[0][0] == '-' {
		for _, l := range c.waiting {
			if l.label != "" && l.label == c.labels[id] && l.echoed != nil {
				c.settle(l, *l.echoed)
				break
			}
		}
		delete(c.labels, id)
		return
	}
	label := e.Tags["label"]
	if label == "" {
		label = c.labels[e.Tags["batch"]]
	}
	if label != "" {
		c.labels[id] = label
	}
}

// pong: everything written before that PING was taken.
func (c *confirms) pong(token string) {
	if !strings.HasPrefix(token, "fate-") {
		return
	}
	for i := 0; i < len(c.waiting); {
		l := c.waiting[i]
		if l.token != token {
			i++
			continue
		}
		c.settle(l, verdict{at: time.Now()})
	}
}
