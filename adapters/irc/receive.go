package irc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

// hear handles one line of the server. girc has taken "time" into Timestamp
// and unescaped the tags; its Tags.Get would unescape them a second time.
func (s *session) hear(e *girc.Event) {
	if t := e.Tags["time"]; t != "" && e.Tags["batch"] == "" {
		words := e.Command == "PRIVMSG" || e.Command == "NOTICE" || e.Command == "TAGMSG"
		if s.serverTime.IsZero() && !words { // words may be a bouncer's, of old
			s.serverTime = e.Timestamp
		}
		if e.Timestamp.After(s.seen) && !words {
			s.seen = e.Timestamp
		}
	}
	s.register(e)
	if e.Command == "BATCH" {
		s.batch(e)
		return
	}
	if id, ok := e.Tags["batch"]; ok {
		if b := s.batches[id]; b != nil && b.keeps() {
			b.add(e)
			return
		}
	}
	s.live(e)
}

// live handles a line of now: not from history.
func (s *session) live(e *girc.Event) {
	if !s.ready {
		if e.Command == "NICK" {
			s.renamed(e)
		}
		return
	}
	switch e.Command {
	case "PRIVMSG", "NOTICE", "TAGMSG", "REDACT":
		if s.znc(e) {
			return
		}
		if s.playedBack(e) {
			s.said(e, true)
			return
		}
		if r := s.roomOf(e); r != nil && r.catching && len(r.held) < maxBehind {
			r.held = append(r.held, s.hold(e))
			return
		}
		if s.waits(e) {
			return
		}
		s.said(e, false)
	case "JOIN":
		s.joined(e)
	case "PART":
		if e.Source != nil && len(e.Params) > 0 {
			s.left(e, e.Source.Name, e.Params[0], reasonText(e, 1))
		}
	case "KICK":
		if len(e.Params) > 1 {
			s.left(e, e.Params[1], e.Params[0], reasonText(e, 2))
		}
	case "QUIT", "KILL":
		s.quit(e)
	case "NICK":
		s.renamed(e)
	case "ACCOUNT":
		s.account(e)
	case "CHGHOST":
		s.rehosted(e)
	case "396": // RPL_VISIBLEHOST
		if len(e.Params) > 1 {
			s.host = e.Params[1][strings.IndexByte(e.Params[1], '@')+1:]
		}
	case "INVITE":
		if len(e.Params) > 1 && s.isUs(e.Params[0]) {
			if r := s.rooms[s.facts.fold(e.Params[1])]; r != nil && !r.joined {
				s.join(r)
			}
		}
	case "TOPIC":
		if len(e.Params) > 1 {
			s.topic(e.Params[0], e.Last())
		}
	case "332":
		if len(e.Params) > 2 {
			s.topic(e.Params[1], e.Last())
		}
	case "331":
		if len(e.Params) > 1 {
			s.topic(e.Params[1], "")
		}
	case "324":
		if len(e.Params) > 2 {
			if r := s.rooms[s.facts.fold(e.Params[1])]; r != nil {
				r.modes = e.Params[2]
			}
		}
	case "353":
		if len(e.Params) > 3 {
			s.names(e.Params[2], strings.Fields(e.Last()))
		}
	case "366":
		if len(e.Params) > 1 {
			s.entered(e.Params[1])
		}
	case "354":
		s.who(e.Params)
	case "730":
		s.online(e.Last())
	case "311", "330", "318", "401":
		s.whoisLine(e)
	case "FAIL":
		s.noHistory(e)
	case "433":
		// Our nick is still taken; regain asks again.
	case "403", "405", "437", "471", "473", "474", "475", "476", "477", "480", "489", "520":
		s.notEntered(e)
	}
}

func reasonText(e *girc.Event, at int) string {
	if at >= 0 && len(e.Params) > at {
		return fromIRC(e.Params[at])
	}
	return ""
}

func (s *session) isUs(nick string) bool { return s.facts.fold(nick) == s.facts.fold(s.nick) }

// roomOf is the channel that a line was said in, nil for others.
func (s *session) roomOf(e *girc.Event) *room {
	if len(e.Params) == 0 {
		return nil
	}
	return s.rooms[s.facts.fold(s.plainChannel(e.Params[0]))]
}

// plainChannel takes away the mark of a message to the operators of a channel
// alone ("@#asso"; ISUPPORT STATUSMSG).
func (s *session) plainChannel(name string) string {
	marks := s.facts.support["STATUSMSG"]
	for len(name) > 1 && strings.IndexByte(marks, name[0]) >= 0 {
		name = name[1:]
	}
	return name
}

// meta describes an event around a person.
func (s *session) meta(e *girc.Event, room string, p *person) chat.Meta {
	m := chat.Meta{Room: room, ID: s.newID(), At: e.Timestamp.UTC(), From: p.chat()}
	m.From.Self = s.isUs(p.nick)
	return m
}

// heldLine is a live line that waits for the history before it; by is who said
// it, because somebody else may have the nick when it is heard.
type heldLine struct {
	*girc.Event
	by *person
}

func (s *session) hold(e *girc.Event) heldLine {
	if !s.speaks(e) {
		return heldLine{Event: e}
	}
	return heldLine{e, s.speaker(e, false)}
}

// speaks: somebody says the line, not we, nor the server itself or services
// without a user name.
func (s *session) speaks(e *girc.Event) bool {
	return e.Source != nil && !s.isUs(e.Source.Name) && (e.Source.Ident != "" || e.Source.Host != "")
}

// said handles words. past says that they come from history.
func (s *session) said(e *girc.Event, past bool) { s.saidBy(heldLine{Event: e}, past) }

func (s *session) saidBy(held heldLine, past bool) {
	e := held.Event
	if e.Source == nil || len(e.Params) < 1 || e.Command != "TAGMSG" && len(e.Params) < 2 {
		return
	}
	if s.isUs(e.Source.Name) {
		return // our own echo: confirms has it
	}
	if !past && !s.speaks(e) {
		return
	}
	if e.Tags["batch"] != "" && (strings.EqualFold(e.Source.Name, "HistServ") || strings.HasPrefix(e.Source.Name, "*")) {
		return // Ergo and ZNC tell so of those who came and went
	}
	target := s.plainChannel(e.Params[0])
	channel := s.facts.isChannel(target)
	if !channel && (e.Command == "NOTICE" && isService(e.Source.Name) || strings.EqualFold(e.Source.Name, "BouncerServ")) {
		if past {
			return
		}
		s.log.Info("service says", "service", e.Source.Name, "text", e.Last())
		if !s.passive && !s.isUs(s.cfg.Nick) {
			s.writer.command("NICK", s.cfg.Nick, "") // it may have freed our nick
		}
		return
	}
	p := held.by
	if p == nil {
		p = s.speaker(e, past)
	}
	if !channel && p.account == "" && !s.missed.hears(s.messageID(e, ""), e.Timestamp, past) {
		return // stored when it was said, under the identity of then
	}
	room := p.identity()
	if channel {
		r := s.rooms[s.facts.fold(target)]
		if r == nil {
			return
		}
		room = r.name
	}
	if !past {
		s.spoke(p)
	}
	m := s.meta(e, room, p)
	m.Direct, m.Backlog = !channel, past || s.old(e)
	m.ID = s.messageID(e, room)
	if !m.Backlog && e.Tags["time"] != "" && e.Timestamp.After(s.seen) {
		s.seen = e.Timestamp
	}
	if _, ok := e.Tags["bot"]; ok {
		m.From.Bot, p.bot = true, true
	}
	switch e.Command {
	case "REDACT":
		if len(e.Params) > 1 {
			m.ID = s.newID()
			s.emit(&chat.Deleted{Meta: m, Target: e.Params[1]})
		}
		return
	case "TAGMSG":
		s.reacted(e, m)
		return
	}
	text, ok := ctcp(e.Last())
	if !ok {
		return
	}
	text = s.relayed(&m, p, text)
	if e.Command == "NOTICE" {
		// RFC 2812, 3.3.2: never to be answered automatically.
		m.From.Bot = true
	}
	post := &chat.Posted{Meta: m, ReplyTo: firstOf(e.Tags["+reply"], e.Tags["+draft/reply"])}
	post.Text = fromIRC(text)
	if strings.TrimSpace(post.Text) == "" {
		return
	}
	s.mentions(post, target, channel)
	s.emit(post)
}

// speaker is who says a line. What history tells of somebody without account
// is not known to be the one who has that nick now; their identity is the same
// each time it is read.
func (s *session) speaker(e *girc.Event, past bool) *person {
	account := e.Tags["account"]
	if past {
		if account != "" {
			s.people.guess[accountID(account)] = e.Source.Name
		}
		return &person{nick: e.Source.Name, account: account, id: e.Source.Name + "!" + e.Source.Ident + "@" + e.Source.Host}
	}
	p := s.people.see(e.Source.Name, e.Source.Ident, e.Source.Host)
	if s.facts.has("account-tag") {
		s.setAccount(p, account)
	}
	s.returned(p)
	return p
}

// messageID is the network's, else one made of what is said and when, so that
// a bouncer's playback is recognised; else a number.
func (s *session) messageID(e *girc.Event, room string) string {
	if id := firstOf(e.Tags["msgid"], e.Tags["draft/msgid"]); id != "" {
		return id
	}
	if t := e.Tags["time"]; t != "" {
		sum := sha256.Sum256([]byte(room + "\x00" + t + "\x00" + e.Source.Name + "\x00" + e.Command + "\x00" + e.Last()))
		return "t" + hex.EncodeToString(sum[:12])
	}
	return s.newID()
}

// old: the line was said before this connection, by the server's clock. A
// bouncer plays back so, with or without a batch.
func (s *session) old(e *girc.Event) bool {
	if e.Tags["time"] == "" {
		return false
	}
	if s.serverTime.IsZero() {
		return e.Timestamp.Before(s.began.Add(-time.Minute))
	}
	return e.Timestamp.Before(s.serverTime)
}

// ctcp takes the frame from an action; other CTCP is not for people.
func ctcp(text string) (string, bool) {
	inner, ok := strings.CutPrefix(text, "\x01")
	if !ok {
		return text, true
	}
	inner = strings.TrimSuffix(inner, "\x01")
	if action, ok := strings.CutPrefix(inner, "ACTION "); ok {
		return string(codeItalic) + strings.TrimSpace(action) + string(codeReset), true
	}
	return "", false
}

func isService(nick string) bool {
	return strings.HasSuffix(strings.ToLower(nick), "serv") || strings.EqualFold(nick, "Global")
}

// mentions finds who a line is for: "nick: …", "nick, other: …", or our nick
// anywhere in it.
func (s *session) mentions(p *chat.Posted, target string, channel bool) {
	head, rest, ok := strings.Cut(p.Text, ":")
	if !ok || strings.HasPrefix(rest, "//") {
		head, rest, ok = strings.Cut(p.Text, ",")
	}
	if ok {
		us, others := s.named(head, target, channel)
		if us {
			p.MentionsUs = true
			p.Text = strings.TrimLeft(rest, ":, \u00a0\t")
		}
		p.Mentions = others
	}
	if p.MentionsUs {
		return
	}
	bare, _, _ := strings.Cut(p.Text, " ")
	switch {
	case strings.HasPrefix(bare, "@") && s.isUs(strings.TrimRight(bare[1:], ":,")):
		p.MentionsUs = true
		p.Text = strings.TrimSpace(p.Text[len(bare):])
	case hasWord(p.Text, s.nick):
		p.MentionsUs = true
	}
}

// named reads the list of nicks that opens a line: all of them must be there.
func (s *session) named(head, target string, channel bool) (us bool, ids []string) {
	if len(head) > 200 {
		return false, nil
	}
	for _, nick := range strings.FieldsFunc(head, func(r rune) bool { return r == ',' || r == ' ' || r == '\u00a0' }) {
		nick = strings.TrimPrefix(unescaped(nick), "@")
		if s.isUs(nick) {
			us = true
			continue
		}
		if !channel {
			return us, ids
		}
		p, ok := s.people.nick(nick, target)
		if !ok {
			return false, nil
		}
		ids = append(ids, p.identity())
	}
	return us, ids
}

// unescaped undoes what fromIRC does to underlines in nicks.
func unescaped(s string) string { return strings.ReplaceAll(s, `\`, "") }

// reacted handles a message of tags alone: an emoji on a line
// (https://ircv3.net/specs/client-tags/react, a draft).
func (s *session) reacted(e *girc.Event, m chat.Meta) {
	target := firstOf(e.Tags["+reply"], e.Tags["+draft/reply"])
	if target == "" {
		return
	}
	m.ID = s.messageID(e, m.Room)
	if emoji := firstOf(e.Tags["+draft/react"], e.Tags["+react"]); emoji != "" {
		s.emit(&chat.Reacted{Meta: m, Target: target, Emoji: emoji})
	}
	if emoji := firstOf(e.Tags["+draft/unreact"], e.Tags["+unreact"]); emoji != "" {
		s.emit(&chat.Unreacted{Meta: m, Target: target, Emoji: emoji})
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// openDirect gives the room of a conversation with one person, which is their
// identity: so it is never somebody else's.
func (s *session) openDirect(a chat.Account) (chat.Receipt, error) {
	if strings.HasPrefix(a.ID, relayPrefix) {
		return chat.Receipt{}, &chat.Error{Kind: chat.Permanent, Reason: chat.Text{
			FR: a.Name + " parle à travers un pont : on ne peut pas lui écrire en privé",
			EN: a.Name + " speaks through a bridge: one cannot write to them in private",
		}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if isStranger(a.ID) {
		if _, _, ok := s.people.find(a.ID); !ok {
			return chat.Receipt{}, strangerGone(nickOfID(a.ID))
		}
	}
	if a.ID == "" {
		return chat.Receipt{}, absent(name(a))
	}
	return chat.Receipt{Room: a.ID, Confirmed: true}, nil
}

// isStranger tells the identity of somebody without account.
func isStranger(id string) bool { return strings.Contains(id, "!") }

func nickOfID(id string) string {
	nick, _, _ := strings.Cut(id, "!")
	return nick
}

// nickOf finds under which nick an identity is there now.
func (s *session) nickOf(ctx context.Context, id string) (string, error) {
	if strings.HasPrefix(id, relayPrefix) {
		return "", &chat.Error{Kind: chat.Permanent, Reason: chat.Text{
			FR: "cette personne parle à travers un pont", EN: "this person speaks through a bridge",
		}}
	}
	s.mu.Lock()
	p, watched, ok := s.people.find(id)
	guess := s.people.guess[id]
	s.mu.Unlock()
	switch {
	case ok && watched:
		return p.nick, nil
	case !ok && isStranger(id):
		return "", strangerGone(nickOfID(id))
	case !ok:
		p = person{nick: id, account: id}
		if guess != "" {
			p.nick = guess
		}
	}
	// Nobody tells us when somebody goes with whom we share no channel: ask
	// who has the nick now.
	now, err := s.askWhois(ctx, p.nick)
	if err != nil {
		return "", err
	}
	switch {
	case now == nil && isStranger(id):
		return "", strangerGone(p.nick)
	case now == nil:
		s.awaits(id, p.nick)
		return "", absent(p.nick)
	case p.account != "" && accountID(now.account) == id:
		return now.nick, nil
	case p.account == "" && now.user == p.user && now.host == p.host && now.account == "":
		return now.nick, nil
	case isStranger(id):
		return "", strangerGone(p.nick)
	}
	s.awaits(id, p.nick)
	return "", absent(p.nick)
}
