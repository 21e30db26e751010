package irc

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lrstanley/girc"
)

// reading is a history that is being read, page by page, oldest first: of a
// room, or of a conversation with one person.
type reading struct {
	name string
	page int
	done func()
}

// read asks for everything that was said in name after a time.
func (s *session) read(name string, from time.Time, done func()) {
	r := &reading{name: name, done: done}
	s.readings[s.facts.fold(name)] = r
	s.turn(r, "timestamp="+from.UTC().Format(stamp))
}

// turn asks for the next page, after a time or a line.
func (s *session) turn(r *reading, after string) {
	page := r.page
	s.writer.command("CHATHISTORY", fmt.Sprintf("AFTER %s %s %d", r.name, after, s.pageLength()), "")
	s.later(historyTimeout, func() {
		if s.readings[s.facts.fold(r.name)] == r && r.page == page {
			s.log.Warn("no answer to CHATHISTORY", "name", r.name)
			s.readEnd(r)
		}
	})
}

func (s *session) pageLength() int { return min(s.facts.number("CHATHISTORY", 100), 1000) }

func (s *session) readEnd(r *reading) {
	delete(s.readings, s.facts.fold(r.name))
	r.done()
}

// missed is the search for those who wrote to us in private while we were away:
// nothing but the server's history knows who they were. What they write
// meanwhile waits until all is read, so that each conversation is in order.
type missed struct {
	asking bool // who it was
	pages  int
	left   int        // conversations still to be read
	held   []heldLine // said meanwhile

	// Somebody without account is another identity in history than they were
	// when they spoke, so that the store could not tell that it has their
	// lines. known are those that it had when the connection began, heard
	// those that it has since.
	known []string
	heard []heardLine
	fresh bool // heard has what no cursor carries yet
}

type heardLine struct {
	id string
	at time.Time
}

func (m *missed) open() bool { return m.asking || m.left > 0 }

// maxHeard bounds what is remembered; it stands in each cursor.
const maxHeard = 50

// hears remembers a line of somebody without account; false: it is known.
func (m *missed) hears(id string, at time.Time, past bool) bool {
	if strings.ContainsAny(id, ", ") {
		return true
	}
	m.heard, m.fresh = append(m.heard, heardLine{id, at}), true
	if len(m.heard) > maxHeard {
		m.heard = m.heard[1:]
	}
	return !past || !slices.Contains(m.known, id)
}

// recent gives the lines said after a time, and forgets the others.
func (m *missed) recent(after time.Time) (ids []string) {
	m.heard = slices.DeleteFunc(m.heard, func(h heardLine) bool { return !h.at.After(after) })
	for _, h := range m.heard {
		ids = append(ids, h.id)
	}
	return ids
}

// waits keeps what is said to us until we have caught up: before, the cursor
// does not pass it.
func (s *session) waits(e *girc.Event) bool {
	if s.caughtUp || s.resume.IsZero() || !s.facts.keepsForUs() || len(e.Params) == 0 || !s.isUs(e.Params[0]) || len(s.missed.held) >= maxBehind {
		return false
	}
	s.missed.held = append(s.missed.held, s.hold(e))
	return true
}

// release goes on with what waited.
func (s *session) release() {
	held := s.missed.held
	s.missed.held = nil
	for _, e := range held {
		s.saidBy(e, false)
	}
}

// maxCorrespondents is how often the list of them may go on.
const maxCorrespondents = 20

// askMissed asks who wrote
// (https://ircv3.net/specs/extensions/chathistory#targets).
func (s *session) askMissed() {
	if s.resume.IsZero() || !s.facts.history() {
		return
	}
	s.missed.asking = true
	s.askTargets(s.resume.Add(-overlap))
}

func (s *session) askTargets(from time.Time) {
	s.missed.pages++
	page := s.missed.pages
	until := s.seen
	if until.Before(time.Now()) {
		until = time.Now()
	}
	s.writer.command("CHATHISTORY", fmt.Sprintf("TARGETS timestamp=%s timestamp=%s %d",
		from.UTC().Format(stamp), until.Add(time.Hour).UTC().Format(stamp), s.pageLength()), "")
	s.later(historyTimeout, func() {
		if s.missed.asking && s.missed.pages == page {
			s.log.Warn("no answer to CHATHISTORY TARGETS")
			s.targetsEnd()
		}
	})
}

// targets reads the answer: a line for each room and person, with the time of
// the last message. Rooms are read on their own.
func (s *session) targets(b *batch) {
	if !s.missed.asking {
		return
	}
	var last time.Time
	for _, e := range b.lines {
		if e.Command != "CHATHISTORY" || len(e.Params) < 3 || e.Params[0] != "TARGETS" {
			continue
		}
		name := e.Params[1]
		at, err := time.Parse(stamp, e.Params[2])
		if err == nil && at.After(last) {
			last = at
		}
		if _, twice := s.readings[s.facts.fold(name)]; twice || s.facts.isChannel(name) || s.isUs(name) || unspeakable(name) {
			continue
		}
		s.missed.left++
		s.read(name, s.resume.Add(-overlap), func() {
			s.missed.left--
			s.settle()
		})
	}
	if len(b.lines) >= s.pageLength() && !last.IsZero() && s.missed.pages < maxCorrespondents {
		s.askTargets(last)
		return
	}
	s.targetsEnd()
}

func (s *session) targetsEnd() {
	s.missed.asking = false
	s.settle()
}
