package irc

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

// confirms matches what the server says with the lines that we wrote. There
// are three levels: labels and echoes tell exactly; echoes alone are matched
// by target and text in order; without both a PING behind the line tells that
// the server took it, because a refusal would have come before the PONG.
type confirms struct {
	mu      sync.Mutex
	mapping string // CASEMAPPING, heard here too: nobody else's lock is taken
	prefix  string
	nick    string
	labels  map[string]*line  // that wait, by their label
	answers map[string]answer // by batch
	waiting []*line           // without label, in order of writing
	batch   *line             // the one that is a batch: there is one at a time
	count   int
}

// answer is a batch of the server that answers a line of ours.
type answer struct {
	line  *line
	outer bool // it is the whole answer
}

func newConfirms(prefix, nick string) *confirms {
	return &confirms{prefix: prefix, nick: nick, labels: make(map[string]*line), answers: make(map[string]answer)}
}

func (c *confirms) fold(name string) string { return fold(c.mapping, name) }

// expect registers a line that is about to be written.
func (c *confirms) expect(l *line, labelled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	l.folded = c.fold(l.target)
	if len(l.pieces) > 0 {
		c.batch = l
	}
	if labelled {
		l.label = c.prefix + "-" + strconv.Itoa(c.count)
		c.labels[l.label] = l
		return
	}
	c.waiting = append(c.waiting, l)
}

// barrier gives the token of a PING to be written behind all the lines that
// wait without label.
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

// tell has f called when the verdict on l is there.
func (c *confirms) tell(l *line, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.done {
		f()
		return
	}
	l.told = f
}

// outcome tells whether the verdict on l is there, and good.
func (c *confirms) outcome(l *line) (decided, said bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.done, l.done && l.verdict.err == nil
}

// settle ends the waiting for l.
func (c *confirms) settle(l *line, v verdict) {
	if l.label != "" {
		delete(c.labels, l.label)
	} else if i := slices.Index(c.waiting, l); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
	v.away = l.away
	c.decide(l, v)
}

// decide gives the verdict to whoever waits; the first one counts.
func (c *confirms) decide(l *line, v verdict) {
	if l.done || l.fate == nil {
		return
	}
	l.done, l.verdict = true, v
	if c.batch == l {
		c.batch = nil
	}
	if l.told != nil {
		l.told()
	}
	if l.late != nil {
		l.late(v)
		return
	}
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
	for _, l := range c.labels {
		c.waiting = append(c.waiting, l)
	}
	clear(c.labels)
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
	switch e.Command {
	case "001":
		if len(e.Params) > 0 {
			c.nick = e.Params[0]
		}
		return
	case "005":
		for _, token := range e.Params {
			if mapping, ok := strings.CutPrefix(token, "CASEMAPPING="); ok {
				c.mapping = mapping
			}
		}
		return
	case "NICK":
		if c.own(e) && len(e.Params) > 0 {
			c.nick = e.Params[0]
		}
		return
	case "PONG":
		c.pong(e.Last())
		return
	}
	if len(c.waiting)+len(c.labels) == 0 {
		return
	}
	own := c.own(e)
	if e.Command == "BATCH" {
		c.bracket(e, own)
		return
	}
	label := e.Tags["label"]
	l, more := c.labels[label], false
	if label == "" {
		if a, ok := c.answers[e.Tags["batch"]]; ok {
			l, more = a.line, true // the rest of the answer follows
		} else {
			l = c.match(e, own)
		}
	}
	if l == nil || l.done {
		return
	}
	c.judge(l, e, own, more)
}

// own: we are the source of e.
func (c *confirms) own(e *girc.Event) bool {
	return e.Source != nil && c.fold(e.Source.Name) == c.fold(c.nick)
}

// judge takes an answer to l; more says that it has other parts.
func (c *confirms) judge(l *line, e *girc.Event, own, more bool) {
	switch {
	case own && len(l.pieces) > 0:
		// The brackets around it tell.
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
		c.settle(l, verdict{err: err, singly: len(l.pieces) > 0 && e.Params[0] == "BATCH"})
	default:
		if err, ok := refusal(e.Command, l.target, e.Last(), l.person); ok {
			c.settle(l, verdict{err: err})
		}
	}
}

// match finds the line that e, without label, speaks of.
func (c *confirms) match(e *girc.Event, own bool) *line {
	target := ""
	switch {
	case own && len(e.Params) > 0:
		target = c.fold(e.Params[0])
	case e.Command == "FAIL" && len(e.Params) > 1 && e.Params[0] == "BATCH":
		// What is wrong within a batch is refused there, before its label is
		// looked at (https://ircv3.net/specs/extensions/multiline).
		return c.batch
	case e.Command == "417":
		if len(c.waiting) > 0 {
			return c.waiting[0]
		}
		return nil
	case len(e.Params) > 1 && len(e.Command) == 3:
		target = c.fold(e.Params[1])
	default:
		return nil
	}
	for _, l := range c.waiting {
		if l.folded == target && (!own || l.command == e.Command && l.body == e.Last()) {
			return l
		}
	}
	return nil
}

// bracket notes a batch that answers us, for the lines in it: an answer of
// several lines under one label, or our own message of several lines.
func (c *confirms) bracket(e *girc.Event, own bool) {
	if len(e.Params) == 0 || len(e.Params[0]) < 2 {
		return
	}
	id := e.Params[0][1:]
	if e.Params[0][0] == '-' {
		if a, ok := c.answers[id]; ok && a.outer && !a.line.done {
			v := verdict{at: e.Timestamp} // it came, and was no refusal
			if a.line.echoed != nil {
				v = *a.line.echoed
			}
			c.settle(a.line, v)
		}
		delete(c.answers, id)
		return
	}
	a := answer{c.labels[e.Tags["label"]], true}
	if e.Tags["label"] == "" {
		a = answer{c.answers[e.Tags["batch"]].line, false}
	}
	if a.line == nil {
		return
	}
	c.answers[id] = a
	if own && len(a.line.pieces) > 0 && len(e.Params) > 1 && e.Params[1] == "draft/multiline" {
		a.line.echoed = &verdict{id: e.Tags["msgid"], at: e.Timestamp, confirmed: true}
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
