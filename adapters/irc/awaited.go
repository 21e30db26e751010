package irc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

// Awaited are the accounts that something waits for, by the nick under which
// they were last looked for: who shares no channel with us comes back without
// our seeing it. Servers with MONITOR tell; elsewhere they are noticed when
// they speak or enter a room.

// awaitedKey keeps them across restarts.
const awaitedKey = "awaited"

// maxAwaited is what servers let us MONITOR at the least (Ergo: 100).
const maxAwaited = 100

func (s *session) recallAwaited(ctx context.Context) error {
	data, err := s.state.Get(ctx, awaitedKey)
	if err != nil || len(data) == 0 {
		return err
	}
	if err := json.Unmarshal(data, &s.awaited); err != nil {
		return fmt.Errorf("read %s: %w", awaitedKey, err)
	}
	return nil
}

func (s *session) keepAwaited() {
	data, err := json.Marshal(s.awaited)
	if err != nil {
		s.log.Error("encode", "key", awaitedKey, "err", err)
		return
	}
	s.after = append(s.after, func(ctx context.Context) {
		if err := s.state.Put(ctx, awaitedKey, data); err != nil {
			s.log.Warn("not kept", "key", awaitedKey, "err", err)
		}
	})
}

// awaits notes that something waits for an account; it may be called from
// anywhere.
func (s *session) awaits(id, nick string) {
	s.queue.put(item{do: func() {
		if s.awaited[id] == nick || len(s.awaited) >= maxAwaited {
			return
		}
		s.awaited[id] = nick
		s.keepAwaited()
		s.monitor(nick)
	}})
}

// monitor asks to be told when somebody connects
// (https://ircv3.net/specs/extensions/monitor).
func (s *session) monitor(nicks ...string) {
	if _, ok := s.facts.support["MONITOR"]; !ok {
		return
	}
	for chunk := range slices.Chunk(nicks, 10) {
		s.writer.command("MONITOR", "+ "+strings.Join(chunk, ","), "")
	}
}

func (s *session) monitorAll() {
	s.monitor(slices.Sorted(maps.Values(s.awaited))...)
}

// online: nicks that we monitor are there (RPL_MONONLINE). Whether it is they
// is asked.
func (s *session) online(list string) {
	for _, mask := range strings.Split(list, ",") {
		nick := girc.ParseSource(mask).Name
		for id, awaited := range s.awaited {
			if s.facts.fold(awaited) == s.facts.fold(nick) {
				go s.recognise(id, nick)
			}
		}
	}
}

// recognise asks whether a nick has an account; the question ends by itself.
func (s *session) recognise(id, nick string) {
	got, err := s.askWhois(context.Background(), nick)
	if err != nil || got == nil || accountID(got.account) != id {
		return
	}
	s.queue.put(item{do: func() {
		s.returned(&person{nick: got.nick, user: got.user, host: got.host, account: got.account})
	}})
}

// returned tells that somebody is there whom something waits for, if so.
func (s *session) returned(p *person) {
	if p.account == "" {
		return
	}
	id := p.identity()
	nick, ok := s.awaited[id]
	if !ok {
		return
	}
	delete(s.awaited, id)
	s.keepAwaited()
	if _, ok := s.facts.support["MONITOR"]; ok {
		s.writer.command("MONITOR", "- "+nick, "")
	}
	s.people.know(p)
	s.emit(&chat.Joined{Meta: chat.Meta{Room: id, ID: s.newID(), From: p.chat(), At: time.Now().UTC(), Direct: true}})
}
