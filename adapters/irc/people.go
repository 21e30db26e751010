package irc

import (
	"strconv"
	"strings"

	"permanence/bot/chat"
)

// people are those whom one connection sees. A services account is an
// identity; without one somebody is the same for as long as we watch without a
// gap: from the first sight until they quit, leave the last channel that we
// share, or our connection ends. A change of nick that we see is followed.
type people struct {
	fold   func(string) string
	prefix string // of the identities without account: this connection's name
	count  int
	nicks  map[string]*person // by folded nick
	// queries are those who wrote to us without sharing a channel: nobody
	// tells us when they go, so their address is compared before we answer.
	queries map[string]*person
	// guess is the nick under which history tells of an account.
	guess map[string]string
	// lost is told of those whom we cannot be sure of any more.
	lost func(*person)
}

// person is somebody whom we see.
type person struct {
	nick, user, host string
	// account is the services account, empty for none or unknown.
	account string
	// id is the identity without account.
	id string
	// rooms are the channels that we share, folded; the value says which marks
	// ("@+") they have there.
	rooms map[string]string
	bot   bool
	spoke bool // under id, which is somebody's now
}

func newPeople(fold func(string) string, prefix string) *people {
	return &people{fold: fold, prefix: prefix, nicks: make(map[string]*person), queries: make(map[string]*person), guess: make(map[string]string), lost: func(*person) {}}
}

// identity is what Account.ID is for p.
func (p *person) identity() string {
	if p.account != "" {
		return accountID(p.account)
	}
	return p.id
}

// accountID makes an identity of an account. Servers do not tell accounts
// apart by case.
func accountID(account string) string { return strings.ToLower(account) }

// chat describes p to the bot. The handle of somebody with an account is the
// account, never the nick, which anybody may take.
func (p *person) chat() chat.Account {
	a := chat.Account{ID: p.identity(), Name: p.nick, Handle: p.nick, Bot: p.bot}
	if p.account != "" {
		a.Handle, a.Proved = p.account, true
	}
	return a
}

func (l *people) newID(nick string) string {
	l.count++
	return nick + "!" + l.prefix + "-" + strconv.Itoa(l.count)
}

// see gives the person of a nick, who shares a channel or writes now; user and
// host are empty where unknown.
func (l *people) see(nick, user, host string) *person {
	key := l.fold(nick)
	p, ok := l.nicks[key]
	if !ok {
		// Nobody has watched them: the address must tell that it is they.
		if p, ok = l.queries[key]; ok && (user == "" || p.user != user || p.host != host) {
			ok = false // somebody else by now
			l.lost(p)
		}
		if !ok {
			p = &person{nick: nick, id: l.newID(nick), rooms: make(map[string]string)}
			l.queries[key] = p
		}
	}
	p.nick = nick
	if user != "" {
		p.user, p.host = user, host
	}
	return p
}

// know keeps somebody who shares no channel with us but is there.
func (l *people) know(p *person) {
	key := l.fold(p.nick)
	if _, ok := l.nicks[key]; ok {
		return
	}
	if p.id == "" {
		p.id = l.newID(p.nick)
	}
	l.queries[key] = p
}

// join puts somebody into a channel.
func (l *people) join(p *person, room, marks string) {
	key := l.fold(p.nick)
	delete(l.queries, key)
	l.nicks[key] = p
	p.rooms[l.fold(room)] = marks
}

// leave takes somebody out of a channel and tells whether it was the last that
// we share, which ends an identity without account.
func (l *people) leave(nick, room string) (p *person, last bool) {
	key := l.fold(nick)
	p, ok := l.nicks[key]
	if !ok {
		return nil, false
	}
	delete(p.rooms, l.fold(room))
	if len(p.rooms) > 0 {
		return p, false
	}
	delete(l.nicks, key)
	return p, true
}

// quit forgets somebody.
func (l *people) quit(nick string) *person {
	key := l.fold(nick)
	p := l.nicks[key]
	if p == nil {
		p = l.queries[key]
	}
	delete(l.nicks, key)
	delete(l.queries, key)
	return p
}

// rename follows a change of nick.
func (l *people) rename(from, to string) {
	old, key := l.fold(from), l.fold(to)
	for _, m := range []map[string]*person{l.nicks, l.queries} {
		if p, ok := m[old]; ok {
			delete(m, old)
			delete(l.queries, key)
			p.nick = to
			m[key] = p
		}
	}
}

// emptied is what our own leaving of a channel does to everybody in it.
func (l *people) emptied(room string) {
	room = l.fold(room)
	for key, p := range l.nicks {
		delete(p.rooms, room)
		if len(p.rooms) == 0 {
			delete(l.nicks, key)
			l.lost(p)
		}
	}
}

// find gives who has an identity now, nil where we see nobody; watched says
// that they share a channel with us.
func (l *people) find(id string) (p person, watched, ok bool) {
	for _, p := range l.nicks {
		if p.identity() == id {
			return *p, true, true
		}
	}
	for _, p := range l.queries {
		if p.identity() == id {
			return *p, false, true
		}
	}
	return person{}, false, false
}

// nick gives who has a nick in a channel, or anywhere where room is empty.
func (l *people) nick(nick, room string) (*person, bool) {
	p, ok := l.nicks[l.fold(nick)]
	if !ok {
		return nil, false
	}
	if room != "" {
		if _, there := p.rooms[l.fold(room)]; !there {
			return nil, false
		}
	}
	return p, true
}
