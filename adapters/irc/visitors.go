package irc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"permanence/bot/chat"
)

// A visitor is somebody without account who has spoken. Their identity ends
// when they quit, when they leave the last channel that we share, and when our
// own connection ends; each time a Left with an empty Room tells so, of From
// whose Proved is false: nothing private goes to that identity any more. For
// one with an account the same event says merely that they are not there now.
//
// Who had spoken is kept in the State, so that those whom a killed process saw
// are told of by the next one.

// visitorsKey is where they are kept.
const visitorsKey = "visitors"

// maxVisitors bounds what is kept across a restart, the newest first to stay.
const maxVisitors = 60

type visitor struct {
	ID   string `json:"id"`
	Nick string `json:"nick"`
}

// recallVisitors tells of those whom an earlier process saw.
func (s *session) recallVisitors(ctx context.Context) error {
	data, err := s.state.Get(ctx, visitorsKey)
	if err != nil || len(data) == 0 {
		return err
	}
	var list []visitor
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("read %s: %w", visitorsKey, err)
	}
	for _, v := range list {
		s.emit(s.over(v, "cut"))
	}
	s.keptVisitors = list
	s.then = append(s.then, s.keepVisitors)
	return nil
}

// over is the end of an identity.
func (s *session) over(v visitor, why string) *chat.Left {
	return &chat.Left{Reason: why, Meta: chat.Meta{
		ID: s.newID(), At: time.Now().UTC(), From: chat.Account{ID: v.ID, Name: v.Nick, Handle: v.Nick},
	}}
}

// spoke notes that p has spoken.
func (s *session) spoke(p *person) {
	if p.account != "" || p.spoke {
		return
	}
	p.spoke = true
	s.visitors = append(s.visitors, visitor{p.id, p.nick})
	s.after = append(s.after, s.keepVisitors) // before what they said is stored
}

// ended tells that the identity of somebody without account is over, if it was
// given to anybody.
func (s *session) ended(p *person, why string) {
	if p != nil && p.account == "" && p.spoke {
		p.spoke = false
		v := visitor{p.id, p.nick}
		s.emit(s.over(v, why))
		s.forget(v)
	}
}

// forget drops an identity that a Left has ended.
func (s *session) forget(v visitor) {
	s.visitors = slices.DeleteFunc(s.visitors, func(o visitor) bool { return o.ID == v.ID })
	s.then = append(s.then, s.keepVisitors) // when that is stored
}

// keepVisitors stores who has spoken.
func (s *session) keepVisitors(ctx context.Context) {
	s.mu.Lock()
	list := slices.Clone(s.visitors[max(0, len(s.visitors)-maxVisitors):])
	s.mu.Unlock()
	if s.passive || slices.Equal(list, s.keptVisitors) {
		return
	}
	var err error
	if len(list) == 0 {
		err = s.state.Delete(ctx, visitorsKey)
	} else {
		var data []byte
		if data, err = json.Marshal(list); err == nil {
			err = s.state.Put(ctx, visitorsKey, data)
		}
	}
	if err != nil {
		s.log.Warn("not kept", "key", visitorsKey, "err", err)
		return
	}
	s.keptVisitors = list
}

// farewell tells that all identities of a connection that has ended are over.
func (s *session) farewell(ctx context.Context) error {
	s.mu.Lock()
	for _, v := range s.visitors {
		s.emit(s.over(v, "cut"))
	}
	s.visitors = nil
	s.then = append(s.then, s.keepVisitors)
	s.mu.Unlock()
	return s.flush(ctx)
}
