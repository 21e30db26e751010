package irc

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

const (
	// cursorName is the one cursor of the adapter: "<time> <origin> <IDs>",
	// times of the server, and what strangers said in private within the
	// overlap. One for all channels, because it is stored with each line; a
	// channel that we were put out of keeps the beginning of its gap in the
	// State.
	cursorName = "said"
	// overlap is how much of what we know is asked for again: servers of one
	// network may pass lines on late. What was stored is recognised by its
	// msgid.
	overlap        = 10 * time.Second
	historyTimeout = 30 * time.Second
	historyPages   = 200
	stamp          = "2006-01-02T15:04:05.000Z"
	// maxBatch is how many lines one batch may have.
	maxBatch = 10_000
)

// recall reads how far we had come.
func (s *session) recall(ctx context.Context) error {
	value, err := s.state.Cursor(ctx, cursorName)
	if err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	s.stored, s.origin, s.missed.known = parseCursor(value)
	s.resume = s.stored
	for _, name := range s.Adapter.rooms {
		gap, err := s.state.Get(ctx, gapKey(name))
		if err != nil {
			return fmt.Errorf("read gap: %w", err)
		}
		if t, err := time.Parse(stamp, string(gap)); err == nil {
			s.gaps[name] = t
		}
	}
	if err := s.recallVisitors(ctx); err != nil {
		return err
	}
	return s.recallAwaited(ctx)
}

// parseCursor reads what cursor wrote; what cannot be read is zero.
func parseCursor(value string) (stored, origin time.Time, known []string) {
	words := append(strings.Fields(value), "", "", "")
	stored, _ = time.Parse(stamp, words[0])
	origin, _ = time.Parse(stamp, words[1])
	if words[2] != "" {
		known = strings.Split(words[2], ",")
	}
	return stored, origin, known
}

func gapKey(room string) string { return "gap " + room }

func (s *session) keepGap(ctx context.Context, room string, since time.Time) {
	if err := s.state.Put(ctx, gapKey(room), []byte(since.UTC().Format(stamp))); err != nil {
		s.log.Warn("gap not kept", "room", room, "err", err)
	}
}

// sinceOf is from when on a room's history is missing; zero where there is
// none to ask for.
func (s *session) sinceOf(name string) time.Time {
	if !s.facts.history() {
		return time.Time{}
	}
	if t, ok := s.gaps[name]; ok {
		return t
	}
	return s.stored
}

// cursor gives how far everything is stored once the events of now are.
// Before we have caught up it stays where it was; it moves with events alone.
func (s *session) cursor(moves bool) chat.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.caughtUp || !s.facts.keepsForUs() || s.seen.IsZero() || !moves || !s.seen.After(s.stored) && !s.missed.fresh {
		return chat.Cursor{}
	}
	if s.seen.After(s.stored) {
		s.stored = s.seen
	}
	s.missed.fresh = false
	if s.origin.IsZero() {
		s.origin = s.seen
	}
	value := s.stored.UTC().Format(stamp) + " " + s.origin.UTC().Format(stamp)
	if ids := s.missed.recent(s.stored.Add(-overlap)); len(ids) > 0 {
		value += " " + strings.Join(ids, ",")
	}
	return chat.Cursor{Name: cursorName, Value: value}
}

// catchUp asks for what was said in a room while we were away.
func (s *session) catchUp(r *room) {
	r.catching = true
	from := r.since.Add(-overlap)
	if from.Before(s.origin) {
		from = s.origin.Add(-time.Millisecond)
	}
	s.read(r.name, from, func() { s.caught(r) })
}

// caught: the history of a room was read; the lines said meanwhile follow.
func (s *session) caught(r *room) {
	r.catching, r.settled, r.since = false, true, time.Time{}
	if _, ok := s.gaps[r.name]; ok || s.caughtUp {
		delete(s.gaps, r.name)
		s.later(0, func() { // after what was read is stored
			s.after = append(s.after, func(ctx context.Context) {
				if err := s.state.Delete(ctx, gapKey(r.name)); err != nil {
					s.log.Warn("gap not forgotten", "room", r.name, "err", err)
				}
			})
		})
	}
	held := r.held
	r.held = nil
	for _, e := range held {
		s.saidBy(e, false)
	}
	s.settle()
}

// batch opens or closes a batch (https://ircv3.net/specs/extensions/batch),
// which girc does not assemble.
func (s *session) batch(e *girc.Event) {
	if len(e.Params) == 0 || len(e.Params[0]) < 2 {
		return
	}
	id := e.Params[0][1:]
	if e.Params[0][0] == '+' {
		if len(e.Params) < 2 || len(s.batches) > 100 {
			return
		}
		s.batches[id] = &batch{kind: e.Params[1], params: e.Params[2:], open: e, parent: s.batches[e.Tags["batch"]]}
		return
	}
	b := s.batches[id]
	if b == nil {
		return
	}
	delete(s.batches, id)
	switch b.kind {
	case "draft/multiline":
		if whole := b.multiline(); whole != nil {
			if b.parent != nil && b.parent.keeps() {
				b.parent.add(whole)
			} else {
				s.live(whole)
			}
		}
	case "draft/chathistory-targets", "chathistory-targets":
		s.targets(b)
	case "chathistory":
		if len(b.params) > 0 {
			s.history(b)
		}
	case "znc.in/playback":
		for _, line := range b.lines {
			s.said(line, true)
		}
	}
}

// batch is lines that belong together.
type batch struct {
	kind   string
	params []string
	open   *girc.Event
	parent *batch
	lines  []*girc.Event
}

// keeps: the lines are handled when the batch closes.
func (b *batch) keeps() bool {
	switch b.kind {
	case "draft/multiline", "chathistory", "draft/chathistory-targets", "chathistory-targets", "znc.in/playback":
		return true
	}
	return false
}

func (b *batch) add(e *girc.Event) {
	if len(b.lines) < maxBatch {
		b.lines = append(b.lines, e)
	}
}

// multiline makes one message of the lines; the tags of the batch's opening
// are the message's (https://ircv3.net/specs/extensions/multiline).
func (b *batch) multiline() *girc.Event {
	if len(b.lines) == 0 || len(b.params) == 0 {
		return nil
	}
	var text strings.Builder
	for i, l := range b.lines {
		if _, glued := l.Tags["draft/multiline-concat"]; i > 0 && !glued {
			text.WriteByte('\n')
		}
		text.WriteString(l.Last())
	}
	whole := *b.lines[0]
	whole.Tags = girc.Tags{}
	for k, v := range b.open.Tags {
		whole.Tags[k] = v
	}
	if _, ok := whole.Tags["time"]; ok {
		whole.Timestamp = b.open.Timestamp
	} else if t, ok := b.lines[0].Tags["time"]; ok {
		whole.Tags["time"] = t
	}
	if account, ok := b.lines[0].Tags["account"]; ok && whole.Tags["account"] == "" {
		whole.Tags["account"] = account // else they would seem to have logged out
	}
	if b.open.Source != nil {
		whole.Source = b.open.Source
	}
	whole.Params = []string{b.params[0], text.String()}
	return &whole
}

// history gives what a CHATHISTORY brought to whoever asked.
func (s *session) history(b *batch) {
	for i, f := range s.fetches {
		if s.facts.fold(f.room) != s.facts.fold(b.params[0]) {
			continue
		}
		found := false
		for _, line := range b.lines {
			if line.Tags["msgid"] == f.target {
				s.said(line, true)
				found = true
			}
		}
		if _, reading := s.readings[s.facts.fold(f.room)]; !found && reading {
			continue // that was the other question
		}
		s.fetches = append(s.fetches[:i:i], s.fetches[i+1:]...)
		f.done <- found
		return
	}
	r := s.readings[s.facts.fold(b.params[0])]
	// What was said since we are here is of now, whatever tells of it first:
	// it may stand in history, and wait as a line of its own behind it.
	here := s.serverTime
	if room := s.rooms[s.facts.fold(b.params[0])]; room != nil && room.joined {
		here = room.here
	}
	if r == nil || here.IsZero() {
		here = time.Now().Add(time.Hour) // all of it is a bouncer's
	}
	after, last := "", time.Time{}
	for _, line := range b.lines {
		if line.Timestamp.After(last) {
			last = line.Timestamp
		}
		if id := line.Tags["msgid"]; id != "" && !unspeakable(id) {
			after = "msgid=" + id
		}
		past := line.Timestamp.Before(here)
		if !past && s.waitsFor(line) {
			continue // it is heard when its turn comes, of who said it
		}
		s.said(line, past)
	}
	if r == nil {
		return // not asked for: a bouncer plays back so what it kept
	}
	if len(b.lines) >= s.pageLength() && r.page < historyPages {
		if after == "" {
			after = "timestamp=" + last.UTC().Format(stamp)
		}
		r.page++
		s.turn(r, after)
		return
	}
	s.readEnd(r)
}

// waitsFor tells whether a line of history was heard live, too, and is held.
func (s *session) waitsFor(line *girc.Event) bool {
	id, held := line.Tags["msgid"], s.missed.held
	if r := s.roomOf(line); r != nil {
		held = r.held
	}
	return id != "" && slices.ContainsFunc(held, func(h heldLine) bool { return h.Tags["msgid"] == id })
}

// unspeakable tells what cannot stand as a parameter in a line.
func unspeakable(param string) bool {
	return param == "" || param[0] == ':' || strings.ContainsAny(param, " \r\n\x00")
}

// noHistory handles a standard reply that says no.
func (s *session) noHistory(e *girc.Event) {
	if len(e.Params) < 2 || e.Params[0] != "CHATHISTORY" {
		return
	}
	s.log.Warn("no history", "code", e.Params[1], "text", e.Last())
	if s.missed.asking && slices.Contains(e.Params[2:], "TARGETS") {
		s.targetsEnd()
		return
	}
	for _, param := range e.Params[2:] {
		key := s.facts.fold(param)
		for i, f := range s.fetches {
			if s.facts.fold(f.room) == key {
				s.fetches = append(s.fetches[:i:i], s.fetches[i+1:]...)
				f.done <- false
				return
			}
		}
		if r := s.readings[key]; r != nil {
			s.readEnd(r)
			return
		}
	}
}

// fetch is somebody's wait for an older line.
type fetch struct {
	room, target string
	done         chan bool
}

// fetch asks for an older line, which comes through the handler.
func (s *session) fetch(ctx context.Context, op chat.Fetch) error {
	s.mu.Lock()
	if !s.facts.history() {
		s.mu.Unlock()
		return cannot("l’historique", "history")
	}
	r := s.rooms[s.facts.fold(op.Place.Room)]
	if r == nil || !r.joined {
		s.mu.Unlock()
		return notInRoom(op.Place.Room)
	}
	if unspeakable(op.Target) {
		s.mu.Unlock()
		return gone()
	}
	f := &fetch{room: r.name, target: op.Target, done: make(chan bool, 1)}
	s.fetches = append(s.fetches, f)
	s.mu.Unlock()
	s.writer.command("CHATHISTORY", "AROUND "+r.name+" msgid="+op.Target+" "+strconv.Itoa(1), "")
	limit := time.NewTimer(historyTimeout)
	defer limit.Stop()
	select {
	case found := <-f.done:
		if !found {
			return gone()
		}
		return nil
	case <-ctx.Done():
	case <-limit.C:
	}
	return &chat.Error{Kind: chat.Temporary, Reason: cutMeanwhile}
}

func gone() error {
	return &chat.Error{Kind: chat.Gone, Reason: chat.Text{
		FR: "le serveur n’a plus cette ligne", EN: "the server does not have this line any more",
	}}
}
