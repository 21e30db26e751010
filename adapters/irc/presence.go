package irc

import (
	"context"
	"strings"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

// joined: somebody, or we, entered a channel.
func (s *session) joined(e *girc.Event) {
	if e.Source == nil || len(e.Params) == 0 {
		return
	}
	for _, name := range strings.Split(e.Params[0], ",") {
		r := s.rooms[s.facts.fold(name)]
		if s.isUs(e.Source.Name) {
			s.user, s.host = e.Source.Ident, e.Source.Host
			if r != nil {
				r.joined, r.refused, r.entered, r.here = true, nil, time.Now(), e.Timestamp
			}
			continue
		}
		if r == nil {
			continue
		}
		p := s.people.see(e.Source.Name, e.Source.Ident, e.Source.Host)
		switch {
		case e.Tags["account"] != "":
			s.setAccount(p, e.Tags["account"])
		case len(e.Params) > 2 && e.Params[1] != "*": // extended-join
			s.setAccount(p, e.Params[1])
		case len(e.Params) > 2:
			s.setAccount(p, "")
		}
		s.people.join(p, name, "")
		s.emit(&chat.Joined{Meta: s.meta(e, r.name, p)})
		s.returned(p)
	}
}

// left: somebody, or we, left a channel or were put out of it.
func (s *session) left(e *girc.Event, nick, name, why string) {
	r := s.rooms[s.facts.fold(name)]
	if r == nil {
		return
	}
	if s.isUs(nick) {
		s.putOut(e, r, why)
		return
	}
	p, last := s.people.leave(nick, name)
	if p == nil {
		return
	}
	s.emit(&chat.Left{Meta: s.meta(e, r.name, p), Reason: why})
	if last { // nobody tells us any more who has that nick
		s.ended(p, why)
	}
}

// putOut: we are not in a room any more. From when on its history is missing
// is kept across restarts, because the cursor goes on with the other rooms.
func (s *session) putOut(e *girc.Event, r *room, why string) {
	s.people.emptied(r.name)
	if time.Since(r.entered) > 10*time.Minute {
		r.kicks = 0
	}
	r.joined, r.settled = false, true
	r.refused = &chat.Error{Kind: chat.Gone, Reason: chat.Text{
		FR: "nous avons été mis hors du salon " + r.name, EN: "we were put out of the channel " + r.name,
	}, Err: &serverError{e.Command, why}}
	s.log.Warn("put out of a room", "room", r.name, "reason", why)
	if s.facts.history() && r.since.IsZero() {
		since := s.seen
		r.since = since
		s.after = append(s.after, func(ctx context.Context) { s.keepGap(ctx, r.name, since) })
	}
	s.rejoinLater(r)
}

// notEntered: a JOIN was refused.
func (s *session) notEntered(e *girc.Event) {
	if len(e.Params) < 2 {
		return
	}
	r := s.rooms[s.facts.fold(e.Params[1])]
	if r == nil || r.joined {
		return
	}
	r.refused, _ = refusal(e.Command, r.name, e.Last(), false)
	if r.refused != nil && r.refused.Kind == chat.Temporary {
		r.refused = nil
	}
	r.settled = true
	s.log.Warn("cannot enter room", "room", r.name, "code", e.Command, "text", e.Last())
	s.rejoinLater(r)
	s.settle()
}

// names: who is in a channel that we enter.
func (s *session) names(channel string, list []string) {
	r := s.rooms[s.facts.fold(channel)]
	if r == nil {
		return
	}
	_, marks := s.facts.prefixes()
	for _, entry := range list {
		bare := strings.TrimLeft(entry, marks)
		src := girc.ParseSource(bare)
		if src.Name == "" {
			continue
		}
		mark := entry[:len(entry)-len(bare)]
		if s.isUs(src.Name) {
			r.marks = mark
			continue
		}
		p := s.people.see(src.Name, src.Ident, src.Host)
		s.people.join(p, channel, mark)
	}
}

// entered: we know who is in a room; who they are and what we missed is next.
func (s *session) entered(channel string) {
	r := s.rooms[s.facts.fold(channel)]
	if r == nil || !r.joined {
		return
	}
	if _, ok := s.facts.support["WHOX"]; ok {
		s.writer.command("WHO", r.name+" %tnaf,"+whoToken, "")
	}
	if s.facts.history() && !r.since.IsZero() {
		s.catchUp(r)
		return
	}
	r.settled = true
	s.settle()
}

// whoToken marks our WHOX queries (https://ircv3.net/specs/extensions/whox).
const whoToken = "42"

// who learns the accounts of those who were there before us. Those who came
// back while we were away are told as joined, because something may wait for
// them.
func (s *session) who(params []string) {
	if len(params) < 5 || params[1] != whoToken {
		return
	}
	p, ok := s.people.nick(params[2], "")
	if !ok {
		return
	}
	if mode := s.facts.support["BOT"]; mode != "" && strings.Contains(params[3], mode) {
		p.bot = true
	}
	switch account := params[4]; {
	case account == "0" || account == "*":
		s.setAccount(p, "") // whoever wrote to us under that nick before we were here
	case p.account == "":
		s.setAccount(p, account)
		s.present(p)
	}
}

// present tells that an account is there, in each room that we share.
func (s *session) present(p *person) {
	s.returned(p)
	for folded := range p.rooms {
		if r := s.rooms[folded]; r != nil {
			s.emit(&chat.Joined{Meta: chat.Meta{Room: r.name, ID: s.newID(), From: p.chat(), At: time.Now().UTC()}})
		}
	}
}

func (s *session) quit(e *girc.Event) {
	nick := ""
	switch {
	case e.Command == "QUIT" && e.Source != nil:
		nick = e.Source.Name
	case e.Command == "KILL" && len(e.Params) > 0:
		nick = e.Params[0]
	}
	if nick == "" || s.isUs(nick) {
		return
	}
	p := s.people.quit(nick)
	if s.facts.fold(nick) == s.facts.fold(s.cfg.Nick) && !s.isUs(s.cfg.Nick) {
		s.writer.command("NICK", s.cfg.Nick, "") // what had our nick is gone
	}
	if p == nil {
		return
	}
	s.emit(&chat.Left{Meta: s.meta(e, "", p), Reason: reasonText(e, len(e.Params)-1)})
	if p.account == "" {
		s.forget(visitor{p.id, p.nick})
	}
}

func (s *session) renamed(e *girc.Event) {
	if e.Source == nil || len(e.Params) == 0 {
		return
	}
	to := e.Params[0]
	if s.isUs(e.Source.Name) {
		s.nick = to
		return
	}
	s.people.rename(e.Source.Name, to)
}

func (s *session) account(e *girc.Event) {
	if e.Source == nil || len(e.Params) == 0 {
		return
	}
	p, ok := s.people.nick(e.Source.Name, "")
	if !ok {
		return
	}
	if e.Params[0] == "*" {
		s.setAccount(p, "")
		return
	}
	s.setAccount(p, e.Params[0])
	s.present(p)
}

// setAccount notes under which account p is logged in. Whoever logs in has
// another identity from now on; whoever logs out is nobody that we know.
func (s *session) setAccount(p *person, account string) {
	if account == p.account {
		return
	}
	if p.account == "" {
		s.ended(p, "")
	} else if account == "" {
		p.id = s.people.newID(p.nick)
	}
	p.account = account
}

func (s *session) rehosted(e *girc.Event) {
	if e.Source == nil || len(e.Params) < 2 {
		return
	}
	if s.isUs(e.Source.Name) {
		s.user, s.host = e.Params[0], e.Params[1]
		return
	}
	if p, ok := s.people.nick(e.Source.Name, ""); ok {
		p.user, p.host = e.Params[0], e.Params[1]
	}
}

func (s *session) topic(channel, topic string) {
	if r := s.rooms[s.facts.fold(channel)]; r != nil {
		r.topic = decode(topic)
	}
}

// whois is a question who has a nick now.
type whois struct {
	nick, user, host, account string
	there                     bool
	answer                    chan *whois // nil: nobody
}

// askWhois asks the server; nil means nobody.
func (s *session) askWhois(ctx context.Context, nick string) (*whois, error) {
	w := &whois{nick: nick, answer: make(chan *whois, 1)}
	s.mu.Lock()
	key := s.facts.fold(nick)
	s.whois[key] = append(s.whois[key], w)
	s.mu.Unlock()
	s.writer.command("WHOIS", nick, "")
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case got := <-w.answer:
		return got, nil
	case <-ctx.Done():
	case <-limit.C:
	}
	return nil, &chat.Error{Kind: chat.Temporary, Reason: notConnected}
}

func (s *session) whoisLine(e *girc.Event) {
	if len(e.Params) < 2 {
		return
	}
	key := s.facts.fold(e.Params[1])
	waiting := s.whois[key]
	if len(waiting) == 0 {
		return
	}
	for _, w := range waiting {
		switch e.Command {
		case "311":
			if len(e.Params) > 3 {
				w.there, w.nick, w.user, w.host = true, e.Params[1], e.Params[2], e.Params[3]
			}
		case "330":
			if len(e.Params) > 2 {
				w.account = e.Params[2]
			}
		case "318":
			if w.there {
				w.answer <- w
			} else {
				w.answer <- nil
			}
		}
	}
	if e.Command == "318" {
		delete(s.whois, key)
	}
}
