package irc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
)

// Do performs one operation.
func (a *Adapter) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return chat.Receipt{}, err
	}
	switch op := op.(type) {
	case chat.Edit:
		return chat.Receipt{}, cannot("les corrections", "edits")
	case chat.Delete:
		return chat.Receipt{}, cannot("les suppressions", "deletions")
	case chat.React, chat.Unreact:
		return chat.Receipt{}, cannot("les réactions", "reactions")
	case chat.Pin, chat.Unpin:
		return chat.Receipt{}, cannot("les épingles", "pins")
	case chat.Say:
		if len(op.Content.Files) > 0 {
			return chat.Receipt{}, cannot("les fichiers", "files")
		}
	}
	s := a.session()
	if s == nil {
		return chat.Receipt{}, &chat.Error{Kind: chat.Temporary, Reason: notConnected}
	}
	switch op := op.(type) {
	case chat.Say:
		return s.say(ctx, op, try)
	case chat.Topic:
		return s.setTopic(ctx, op)
	case chat.OpenDirect:
		return s.openDirect(op.Account)
	case chat.Fetch:
		return chat.Receipt{}, s.fetch(ctx, op)
	}
	return chat.Receipt{}, cannot("cette opération", fmt.Sprintf("%T", op))
}

// say says a text. Somebody may change their nick while the words are on their
// way: then they go to the new one.
func (s *session) say(ctx context.Context, op chat.Say, try chat.Try) (chat.Receipt, error) {
	for tries := 1; ; tries++ {
		target, person, err := s.target(ctx, op.Place.Room, op.Content)
		if err != nil {
			return chat.Receipt{}, err
		}
		receipt, err := s.sayTo(ctx, target, person, op, try)
		if err == nil || !person || chat.AsError(err).Kind != chat.Absent {
			return receipt, err
		}
		if tries > 2 || len(receipt.Parts) > len(try.Done) || !s.movedOn(ctx, op.Place.Room, target) {
			if isStranger(op.Place.Room) {
				err = strangerGone(target)
			}
			return receipt, err
		}
	}
}

// movedOn tells whether an identity has another nick by now, and forgets it
// where the server knows nobody under the one that we know.
func (s *session) movedOn(ctx context.Context, id, nick string) bool {
	moved := false
	return s.within(ctx, func() {
		p, _, ok := s.people.find(id)
		moved = ok && p.nick != nick
		if ok && !moved {
			s.ended(s.people.quit(nick), "")
		}
	}) && moved
}

// within does something in the session's goroutine, behind everything that the
// server has said by now (who waits for an echo gets it before); false where
// that did not come about.
func (s *session) within(ctx context.Context, do func()) bool {
	done := make(chan struct{})
	if !s.queue.put(item{do: func() { do(); close(done) }}) {
		return false
	}
	limit := time.NewTimer(verdictTimeout)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	case <-limit.C: // the session has ended
	}
	return false
}

// sayTo writes the lines of a text that are not said yet.
func (s *session) sayTo(ctx context.Context, target string, person bool, op chat.Say, try chat.Try) (chat.Receipt, error) {
	room := op.Place.Room
	command := "PRIVMSG"
	if op.Content.Notice {
		command = "NOTICE"
	}
	pieces := s.pieces(command, target, s.addressed(op.Content, room), op.Content.Link)
	if len(pieces) == 0 {
		return chat.Receipt{}, &chat.Error{Kind: chat.Permanent, Reason: chat.Text{FR: "il n’y a rien à dire", EN: "there is nothing to say"}}
	}
	receipt := chat.Receipt{Confirmed: true}
	for _, id := range try.Done {
		receipt.Parts = append(receipt.Parts, chat.Part{ID: id})
	}
	parts := s.parts(line{command: command, target: target, person: person}, pieces, max(try.PartsDone, len(try.Done)), op.ReplyTo)
	lines := slices.Concat(parts...)
	if len(lines) > 0 && !s.writer.put(&job{ctx: ctx, lines: lines}) {
		return chat.Receipt{}, &chat.Error{Kind: chat.Temporary, Reason: notConnected}
	}
	for _, part := range parts {
		said := chat.Part{}
		for i, l := range part {
			v, err := s.await(ctx, l, lines, try.Key, room)
			lines = lines[1:]
			if v.singly {
				s.sayNoBatch(v.err)
				try.PartsDone, try.Done = len(receipt.Parts), partIDs(receipt)
				return s.sayTo(ctx, target, person, op, try)
			}
			if err != nil {
				return chat.Receipt{}, partly(err, receipt)
			}
			if i == 0 {
				said = chat.Part{ID: v.id, At: v.at}
				if said.ID == "" {
					said.ID = s.newID()
				}
			}
			receipt.Confirmed = receipt.Confirmed && v.confirmed
			if v.away != "" {
				s.tellAway(try.Key, room, l.part, said.ID, target, v.away)
			}
		}
		receipt.Parts = append(receipt.Parts, said)
	}
	return receipt, nil
}

func partIDs(r chat.Receipt) (ids []string) {
	for _, p := range r.Parts {
		ids = append(ids, p.ID)
	}
	return ids
}

// await waits for the verdict on l, the first of rest; a bad one is an error
// too. Where ctx ends first, what becomes of the lines that were written is
// told later as Outcome events.
func (s *session) await(ctx context.Context, l *line, rest []*line, key, room string) (verdict, error) {
	select {
	case <-l.fate:
		return l.judged()
	case <-ctx.Done():
	}
	for i, r := range rest {
		if !s.confirms.abandon(r, func(v verdict) { s.tellLate(key, room, r.part, v) }) && i == 0 {
			return l.judged()
		}
	}
	return verdict{}, &chat.Error{Kind: chat.Temporary, Err: ctx.Err(), Reason: chat.Text{
		FR: "le serveur IRC n’a pas répondu à temps", EN: "the IRC server did not answer in time",
	}}
}

// judged gives the verdict, once it is there.
func (l *line) judged() (verdict, error) {
	if l.verdict.err != nil {
		return l.verdict, l.verdict.err
	}
	return l.verdict, nil
}

// tellLate tells the fate of a line for which nobody waited any more.
func (s *session) tellLate(key, room string, part int, v verdict) {
	if v.singly { // the next attempt says it line by line
		s.queue.put(item{do: func() { s.singly = true }})
		return
	}
	state, reason := chat.Accepted, chat.Text{}
	if v.confirmed {
		state = chat.Delivered
	}
	if v.err != nil {
		state, reason = chat.Failed, v.err.Reason
	}
	id := v.id
	if id == "" && v.err == nil {
		id = s.newID()
	}
	s.outcome(key, room, part, id, state, reason)
}

// tellAway passes on what the server says of somebody who is away: the words
// arrived, and will be read later.
func (s *session) tellAway(key, room string, part int, id, nick, why string) {
	s.outcome(key, room, part, id, chat.Delivered, chat.Text{
		FR: nick + " est en absence (« " + why + " »)", EN: nick + " is away (“" + why + "”)",
	})
}

func (s *session) outcome(key, room string, part int, id, state string, reason chat.Text) {
	if key == "" {
		return
	}
	s.queue.put(item{do: func() {
		s.emit(&chat.Outcome{
			Meta: chat.Meta{Room: room, ID: s.newID(), At: time.Now().UTC()},
			Key:  key, Part: part, RemoteID: id, State: state, Reason: reason,
		})
	}})
}

// partly gives err with what had been said before it.
func partly(err error, receipt chat.Receipt) error {
	if len(receipt.Parts) == 0 {
		return err
	}
	e := *chat.AsError(err)
	e.Receipt = receipt
	return &e
}

// target finds where to write: a channel that we are in, or the present nick
// of an identity.
func (s *session) target(ctx context.Context, room string, c chat.Content) (target string, person bool, err error) {
	s.mu.Lock()
	if !s.facts.isChannel(room) {
		s.mu.Unlock()
		nick, err := s.nickOf(ctx, room)
		return nick, true, err
	}
	defer s.mu.Unlock()
	r := s.rooms[s.facts.fold(room)]
	if r == nil {
		return "", false, notInRoom(room)
	}
	if !r.joined {
		s.wantRoom(r)
		if r.refused != nil {
			return "", false, r.refused
		}
		return "", false, notInRoom(room)
	}
	if err := s.hears(c, r); err != nil {
		return "", false, err
	}
	return r.name, false, nil
}

// hears fails where a text is addressed to one person who is not in the room:
// it would not be told to them.
func (s *session) hears(c chat.Content, r *room) error {
	if len(c.Mentions) != 1 || c.Notice {
		return nil
	}
	m := c.Mentions[0]
	if strings.HasPrefix(m.ID, relayPrefix) {
		return nil // the bridge tells nobody who is there
	}
	if _, _, ok := addressee(c.Text, m); !ok {
		return nil
	}
	p, watched, ok := s.people.find(m.ID)
	if ok && watched {
		if _, there := p.rooms[s.facts.fold(r.name)]; there {
			return nil
		}
	}
	if isStranger(m.ID) {
		return strangerGone(nickOfID(m.ID))
	}
	return absent(name(m))
}

// addressed gives the text with the nicks of those whom it is for: a handle
// that opens it becomes the present nick.
func (s *session) addressed(c chat.Content, room string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.facts.isChannel(room) {
		return c.Text
	}
	text := c.Text
	var pings []string
	for _, m := range c.Mentions {
		nick := ""
		if p, watched, ok := s.people.find(m.ID); ok && watched {
			nick = p.nick
		}
		if nick == "" {
			continue
		}
		if start, end, ok := addressee(text, m); ok {
			text = text[:start] + nick + text[end:]
			continue
		}
		if !hasWord(text, nick) {
			pings = append(pings, nick)
		}
	}
	if len(pings) == 0 {
		return text
	}
	return strings.Join(pings, ", ") + ": " + text
}

// addressee finds the name of m where a text opens with "name: ", perhaps
// behind a heading such as "#42".
func addressee(text string, m chat.Account) (start, end int, ok bool) {
	if head, _, cut := strings.Cut(text, " "); cut && strings.HasPrefix(head, "#") {
		start = len(head) + 1
	}
	for _, name := range []string{m.Handle, m.Name} {
		rest, found := strings.CutPrefix(text[start:], name)
		if name != "" && found && strings.HasPrefix(rest, ":") {
			return start, start + len(name), true
		}
	}
	return 0, 0, false
}

func name(m chat.Account) string {
	if m.Name != "" {
		return m.Name
	}
	return m.Handle
}

// setTopic replaces our part of a channel's topic.
func (s *session) setTopic(ctx context.Context, op chat.Topic) (chat.Receipt, error) {
	var name, old string
	limit := 0
	if !s.within(ctx, func() { // somebody may have changed it just now
		if r := s.rooms[s.facts.fold(op.Place.Room)]; r != nil && r.joined {
			name, old, limit = r.name, r.topic, s.facts.number("TOPICLEN", 300)
		}
	}) {
		return chat.Receipt{}, &chat.Error{Kind: chat.Temporary, Reason: notConnected}
	}
	if name == "" {
		return chat.Receipt{}, notInRoom(op.Place.Room)
	}
	topic, ok := newTopic(old, op.Text, limit)
	if !ok {
		return chat.Receipt{}, &chat.Error{Kind: chat.Permanent, Reason: chat.Text{
			FR: "le sujet de " + name + " est trop long pour y ajouter l’état", EN: "the topic of " + name + " is too long to add the state",
		}}
	}
	if topic == old {
		return chat.Receipt{Confirmed: true}, nil
	}
	l := &line{command: "TOPIC", target: name, body: topic, fate: make(chan struct{})}
	if !s.writer.put(&job{ctx: ctx, lines: []*line{l}}) {
		return chat.Receipt{}, &chat.Error{Kind: chat.Temporary, Reason: notConnected}
	}
	v, err := s.await(ctx, l, []*line{l}, "", op.Place.Room)
	if err != nil {
		return chat.Receipt{}, err
	}
	return chat.Receipt{Confirmed: v.confirmed}, nil
}

// hasWord tells whether text has word between characters that no nick has.
func hasWord(text, word string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(text, func(r rune) bool { return !isNickRune(r) }), func(f string) bool {
		return strings.EqualFold(f, word)
	})
}

func isNickRune(r rune) bool {
	return r > 0x7f || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_[]\\`^{}|", r)
}
