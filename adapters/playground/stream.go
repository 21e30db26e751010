package playground

import (
	"context"
	"errors"

	"permanence/bot/chat"
)

// errCut is what a stream ends with when the connection is cut.
var errCut = errors.New("connection to the playground cut")

// Stream gives the records of a network in order, from one sequence number on.
// It is used by one goroutine.
type Stream struct {
	net     *Network
	account string // whose rooms are shown; empty: all of them
	program bool   // faults are for programs alone
	next    int64  // sequence number of the next record to give
	// Head was the last sequence number when the stream began: what is not
	// above it is history.
	Head int64

	// Guarded by net.mu.
	given, acked int64
	done         chan struct{} // closed when err is set
	err          error
	held         *Record // by the reorder fault
}

// Dial begins a stream after the sequence number after; below zero it begins
// now. account sees the rooms that it is a member of, an empty account all.
func (n *Network) Dial(account string, after int64) (*Stream, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	s := &Stream{net: n, account: account, Head: int64(len(n.records)), done: make(chan struct{})}
	if a := n.accounts[account]; a != nil {
		s.program = a.Bot
	} else if account != "" {
		return nil, refuse(chat.Unauthorised,
			"le compte "+account+" n'existe pas dans le bac à sable", "there is no account "+account+" in the playground")
	}
	if s.program && n.faults.down {
		return nil, &chat.Error{Kind: chat.Temporary, Err: errors.New("connection refused"), Reason: unreachable}
	}
	if after < 0 || after > s.Head {
		after = s.Head
	}
	s.next, s.given, s.acked = after+1, after, after
	n.streams[s] = struct{}{}
	return s, nil
}

// Close ends the stream.
func (s *Stream) Close() {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	delete(s.net.streams, s)
	s.end(ErrClosed)
}

// end is called with the mutex held.
func (s *Stream) end(err error) {
	if s.err == nil {
		s.err = err
		close(s.done)
	}
}

// Next waits for records and gives at most 100 of them. That the caller asks
// for more says that it has dealt with what it was given before. A record that
// is not for the account's eyes comes with an empty Kind.
func (s *Stream) Next(ctx context.Context) ([]Record, error) {
	for {
		s.net.mu.Lock()
		if s.acked < s.given {
			s.acked = s.given
			close(s.net.changed) // somebody may wait for the echo
			s.net.changed = make(chan struct{})
		}
		if s.err != nil {
			s.net.mu.Unlock()
			return nil, s.err
		}
		batch := s.take()
		changed := s.net.changed
		s.net.mu.Unlock()
		if len(batch) > 0 {
			return batch, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.done:
		case <-changed:
		}
	}
}

// take collects what is there, with the faults that are ordered.
func (s *Stream) take() []Record {
	var batch []Record
	for s.next <= int64(len(s.net.records)) && len(batch) < 100 {
		rec := s.net.records[s.next-1]
		s.next++
		s.given = rec.Seq
		if !s.visible(rec) {
			batch = append(batch, Record{Seq: rec.Seq})
			continue
		}
		f := &s.net.faults
		if !s.program || !disturbed(rec) || s.net.fromProgram(rec) {
			batch = append(batch, rec)
			continue
		}
		if f.reorder > 0 {
			if s.held == nil {
				s.held = &rec
				continue
			}
			batch = append(batch, rec, *s.held)
			s.held = nil
			f.reorder--
			continue
		}
		batch = append(batch, rec)
		if f.duplicate > 0 {
			f.duplicate--
			batch = append(batch, rec)
		}
	}
	return batch
}

// visible tells whether the account may know of rec.
func (s *Stream) visible(rec Record) bool {
	if s.account == "" {
		return true
	}
	switch rec.Kind {
	case kindMail, kindWritten, kindFile:
		return false
	}
	if rec.Room == "" || rec.By == s.account {
		return true
	}
	room := s.net.rooms[rec.Room]
	return room != nil && room.has(s.account)
}

// disturbed: the kinds that the faults of delivery are about.
func disturbed(rec Record) bool {
	switch rec.Kind {
	case kindPosted, kindEdited, kindDeleted, kindReacted, kindUnreacted:
		return true
	}
	return false
}

func (n *Network) fromProgram(rec Record) bool {
	a := n.accounts[rec.By]
	return a != nil && a.Bot
}

// dropStreams ends the streams of programs, or all of them, with err.
func (n *Network) dropStreams(err error, programs bool) {
	for s := range n.streams {
		if !programs || s.program {
			delete(n.streams, s)
			s.end(err)
		}
	}
}

// Await waits until ok holds; it is asked at once and after every record. Tests
// use it to wait for what the network or its mailbox shows.
func (n *Network) Await(ctx context.Context, ok func() bool) error {
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// awaited tells whether somebody still waits for the answer to record seq.
func (n *Network) awaited(seq int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.waiting[seq] != nil
}

// Respond gives the answer to the slash, pressed or submitted record seq. Only
// the first answer is heard; one that nobody waits for is dropped.
func (n *Network) Respond(seq int64, answer chat.Answer) {
	n.mu.Lock()
	ch := n.waiting[seq]
	delete(n.waiting, seq)
	n.mu.Unlock()
	if ch != nil {
		ch <- answer // has room for one
	}
}
