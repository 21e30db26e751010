package irc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

const (
	// cursorName is the one cursor of the adapter: "<time> <origin>", times
	// of the server. One for all channels, because it is stored with each
	// line; a channel that we were put out of keeps the beginning of its gap
	// in the State.
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
	until, origin, _ := strings.Cut(value, " ")
	s.stored, _ = time.Parse(stamp, until)
	s.origin, _ = time.Parse(stamp, origin)
	for _, name := range s.Adapter.rooms {
		gap, err := s.state.Get(ctx, gapKey(name))
		if err != nil {
			return fmt.Errorf("read gap: %w", err)
		}
		if t, err := time.Parse(stamp, string(gap)); err == nil {
			s.gaps[name] = t
		}
	}
	return s.recallAwaited(ctx)
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
// Before we have caught up it stays where it was.
func (s *session) cursor() chat.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.caughtUp || !s.facts.history() || s.seen.IsZero() || !s.seen.After(s.stored) {
		return chat.Cursor{}
	}
	if len(s.out) == 0 {
		return chat.Cursor{}
	}
	s.stored = s.seen
	if s.origin.IsZero() {
		s.origin = s.seen
	}
	return chat.Cursor{Name: cursorName, Value: s.stored.UTC().Format(stamp) + " " + s.origin.UTC().Format(stamp)}
}

// catchUp asks for what was said in a room while we were away.
func (s *session) catchUp(r *room) {
	r.catching = true
	from := r.since.Add(-overlap)
	if from.Before(s.origin) {
		from = s.origin.Add(-time.Millisecond)
	}
	s.page(r, "timestamp="+from.UTC().Format(stamp), 0)
}

// page asks for the next lines after a time or a line.
func (s *session) page(r *room, after string, number int) {
	r.page = number
	limit := min(s.facts.number("CHATHISTORY", 100), 1000)
	s.writer.command("CHATHISTORY", fmt.Sprintf("AFTER %s %s %d", r.name, after, limit), "")
	s.later(historyTimeout, func() {
		if r.catching && r.page == number {
			s.log.Warn("no answer to CHATHISTORY", "room", r.name)
			s.caught(r)
		}
	})
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
		s.said(e, false)
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
	return b.kind == "draft/multiline" || b.kind == "chathistory" || b.kind == "znc.in/playback"
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
		if r := s.rooms[s.facts.fold(f.room)]; !found && r != nil && r.catching {
			continue // that was the other question
		}
		s.fetches = append(s.fetches[:i:i], s.fetches[i+1:]...)
		f.done <- found
		return
	}
	r := s.rooms[s.facts.fold(b.params[0])]
	if r == nil || !r.catching {
		return
	}
	after, last := "", time.Time{}
	for _, line := range b.lines {
		if line.Timestamp.After(last) {
			last = line.Timestamp
		}
		if id := line.Tags["msgid"]; id != "" && !strings.ContainsAny(id, " \r\n\x00") {
			after = "msgid=" + id
		}
		s.said(line, true)
	}
	if limit := min(s.facts.number("CHATHISTORY", 100), 1000); len(b.lines) >= limit && r.page < historyPages {
		if after == "" {
			after = "timestamp=" + last.UTC().Format(stamp)
		}
		s.page(r, after, r.page+1)
		return
	}
	s.caught(r)
}

// noHistory handles a standard reply that says no.
func (s *session) noHistory(e *girc.Event) {
	if len(e.Params) < 2 || e.Params[0] != "CHATHISTORY" {
		return
	}
	s.log.Warn("no history", "code", e.Params[1], "text", e.Last())
	for _, param := range e.Params[2:] {
		key := s.facts.fold(param)
		for i, f := range s.fetches {
			if s.facts.fold(f.room) == key {
				s.fetches = append(s.fetches[:i:i], s.fetches[i+1:]...)
				f.done <- false
				return
			}
		}
		if r := s.rooms[key]; r != nil && r.catching {
			s.caught(r)
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
	if op.Target == "" || strings.ContainsAny(op.Target, " \r\n\x00") {
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
