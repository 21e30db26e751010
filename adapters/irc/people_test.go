package irc_test

import (
	"strings"
	"testing"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// TestAccountIsIdentity: the services account tells who somebody is, whatever
// their nick.
func TestAccountIsIdentity(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	server.Register(t, "Camille", "motdepasse")
	b := running(t, irc.Config{Server: server.Addr}, "#equipe")
	if !b.Caps(place("#equipe")).Accounts {
		t.Error("no accounts")
	}
	p := newPeer(t, server.Addr, "cam-au-bureau", "permanence", "message-tags", "#equipe")
	before := first(b, "the visitor", func(j *chat.Joined) bool { return j.From.Name == "cam-au-bureau" })
	if before.From.Proved {
		t.Error("a visitor is proved")
	}
	p.login(t, "Camille", "motdepasse")
	first(b, "the account", func(j *chat.Joined) bool { return j.From.ID == "camille" && j.From.Proved })
	p.line(t, "PRIVMSG #equipe :c’est moi")
	from := b.heard("c’est moi").From
	if from.ID != "camille" || !from.Proved || from.Handle != "Camille" || from.Name != "cam-au-bureau" {
		t.Errorf("from %+v", from)
	}
	// Somebody takes the nick that is the account's name: not the account.
	q := newPeer(t, server.Addr, "camille2", "permanence", "", "#equipe")
	q.line(t, "PRIVMSG #equipe :c’est pas moi")
	if other := b.heard("c’est pas moi").From; other.Proved || other.ID == from.ID {
		t.Errorf("from %+v", other)
	}
	// The answer finds the person under the nick of now.
	r := b.must(chat.OpenDirect{Account: from})
	p.line(t, "NICK cam-a-la-maison")
	if _, err := b.say(r.Room, "bonjour vous"); err != nil {
		t.Fatal(err)
	}
	p.reads(t, "bonjour vous")
	r2, err := b.perform(chat.Say{Place: place("#equipe"), Content: chat.Content{Text: "Camille: pour vous", Mentions: []chat.Account{from}}})
	if err != nil || !r2.Confirmed {
		t.Fatalf("%+v, %v", r2, err)
	}
	p.reads(t, ":cam-a-la-maison: pour vous")
	// Who left is not told; coming back is.
	p.quit(t)
	first(b, "the quit", func(l *chat.Left) bool { return l.From.ID == "camille" && l.Room == "" })
	for _, op := range []chat.Op{
		chat.Say{Place: place(r.Room), Content: chat.Content{Text: "êtes-vous là ?"}},
		chat.Say{Place: place("#equipe"), Content: chat.Content{Text: "Camille: êtes-vous là ?", Mentions: []chat.Account{from}}},
	} {
		_, err := b.perform(op)
		if k := kindOf(t, err); k != chat.Absent {
			t.Errorf("kind %v, want absent: %v", k, err)
		}
	}
	seen := len(b.inbox.Events())
	p = newPeer(t, server.Addr, "cam", "permanence", "message-tags")
	p.login(t, "Camille", "motdepasse")
	p.line(t, "JOIN #equipe")
	b.await("the return", func(events []chat.Event) bool {
		for _, e := range events[seen:] {
			if j, ok := e.(*chat.Joined); ok && j.From.ID == "camille" && j.Room == "#equipe" {
				return true
			}
		}
		return false
	})
	if _, err := b.say(r.Room, "vous revoilà"); err != nil {
		t.Error(err)
	}
	p.reads(t, "vous revoilà")
}

// TestVisitor: without an account somebody is the same as long as we watch.
func TestVisitor(t *testing.T) {
	for _, tt := range []struct {
		name string
		addr func(*testing.T) string
	}{
		{"ergo", func(t *testing.T) string { return testservers.Ergo(t, testservers.ErgoOptions{}).Addr }},
		{"ngircd", func(t *testing.T) string { return testservers.NgIRCd(t).Addr }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := tt.addr(t)
			b := running(t, irc.Config{Server: addr}, "#asso", "#autre")
			p := newPeer(t, addr, "alice", "permanence", "", "#asso", "#autre")
			p.line(t, "PRIVMSG #asso :un")
			one := b.heard("un").From
			if one.Proved || one.ID == "" || one.Handle != "alice" {
				t.Errorf("from %+v", one)
			}
			p.line(t, "NICK alix")
			p.line(t, "PART #autre")
			p.line(t, "PRIVMSG #asso :deux")
			two := b.heard("deux").From
			if two.ID != one.ID || two.Name != "alix" {
				t.Errorf("after NICK %+v, before %+v", two, one)
			}
			room := b.must(chat.OpenDirect{Account: one}).Room
			p.line(t, "PRIVMSG permanence :trois en privé")
			three := b.heard("trois")
			if three.From.ID != one.ID || three.Room != room || !three.Direct {
				t.Errorf("direct %+v, want in %q", three.Meta, room)
			}
			if _, err := b.say(room, "réponse privée"); err != nil {
				t.Error(err)
			}
			p.reads(t, "réponse privée")
			// The last shared channel is left: nobody watches any more.
			p.line(t, "PART #asso")
			first(b, "the end of the identity", func(l *chat.Left) bool { return l.Room == "" && l.From.ID == one.ID })
			p.line(t, "JOIN #asso")
			p.line(t, "PRIVMSG #asso :quatre")
			four := b.heard("quatre").From
			if four.ID == one.ID {
				t.Error("the same identity after an unwatched time")
			}
			// Somebody else takes the nick.
			p.quit(t)
			first(b, "the quit", func(l *chat.Left) bool { return l.Room == "" && l.From.ID == four.ID })
			q := newPeer(t, addr, "alix", "permanence", "", "#asso")
			q.line(t, "PRIVMSG #asso :cinq")
			if five := b.heard("cinq").From; five.ID == four.ID || five.ID == one.ID {
				t.Error("the same identity after a quit")
			}
			for _, op := range []chat.Op{
				chat.Say{Place: place(room), Content: chat.Content{Text: "secret"}},
				chat.Say{Place: place("#asso"), Content: chat.Content{Text: "alice: votre réponse", Mentions: []chat.Account{one}}},
				chat.OpenDirect{Account: one},
			} {
				_, err := b.perform(op)
				if k := kindOf(t, err); k != chat.Gone {
					t.Errorf("%T: kind %v, want gone", op, k)
				}
			}
			q.line(t, "PRIVMSG #asso :six")
			b.heard("six")
			q.mu.Lock()
			defer q.mu.Unlock()
			for _, line := range q.lines {
				if strings.Contains(line, "secret") {
					t.Errorf("somebody else reads %q", line)
				}
			}
		})
	}
}

// TestStranger: somebody who shares no channel writes to us and is answered,
// as long as the address behind the nick is theirs.
func TestStranger(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	b := running(t, irc.Config{Server: server.Addr}, "#asso")
	p := newPeer(t, server.Addr, "sacha", "permanence", "")
	p.line(t, "PRIVMSG permanence :bonjour")
	post := b.heard("bonjour")
	if _, err := b.say(post.Room, "bonjour à vous"); err != nil {
		t.Fatal(err)
	}
	p.reads(t, "bonjour à vous")
	p.quit(t)
	q := newPeer(t, server.Addr, "autre", "permanence", "")
	q.line(t, "NICK sacha")
	if _, err := b.say(post.Room, "toujours là ?"); err == nil {
		// Ergo cloaks by address: both come from this machine, and nothing
		// tells them apart but the user name.
		t.Error("somebody else with the nick was answered")
	}
}

// TestReturn: somebody with an account, who shares no channel with us, is
// noticed when they come back, also after a restart.
func TestReturn(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	server.Register(t, "sacha", "motdepasse")
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, irc.Config{Server: server.Addr}, "#asso")
	p := newPeer(t, server.Addr, "sacha", "permanence", "")
	p.login(t, "sacha", "motdepasse")
	p.line(t, "PRIVMSG permanence :bonjour")
	room := b.heard("bonjour").Room
	if _, err := b.say(room, "bonjour Sacha"); err != nil {
		t.Fatal(err)
	}
	p.quit(t)
	if _, err := b.say(room, "encore un mot"); kindOf(t, err) != chat.Absent {
		t.Error(err)
	}
	newPeer(t, server.Addr, "alice", "permanence", "", "#asso")
	first(b, "what comes behind", func(j *chat.Joined) bool { return j.From.Name == "alice" })
	b.stop()
	b = resumed(t, inbox, irc.Config{Server: server.Addr}, "#asso")
	// Somebody else under the nick is not them.
	q := newPeer(t, server.Addr, "sacha", "permanence", "")
	q.line(t, "PRIVMSG permanence :c’est un autre")
	b.heard("c’est un autre")
	q.quit(t)
	p = newPeer(t, server.Addr, "sachou", "permanence", "")
	p.login(t, "sacha", "motdepasse")
	p.line(t, "NICK sacha")
	j := first(b, "the return", func(j *chat.Joined) bool { return j.From.Name != "alice" })
	if j.From.ID != "sacha" || !j.From.Proved || j.Room != room {
		t.Errorf("%+v", j)
	}
	if _, err := b.say(room, "vous voilà"); err != nil {
		t.Fatal(err)
	}
	p.reads(t, "vous voilà")
}

// TestRelay: people behind a bridge are visitors of their own.
func TestRelay(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	b := running(t, irc.Config{Server: server.Addr, Relays: []irc.Relay{{Nick: "pont"}}}, "#asso")
	p := newPeer(t, server.Addr, "pont", "permanence", "", "#asso")
	p.line(t, "PRIVMSG #asso :<A\u200blice> permanence: mon site est lent")
	post := b.heard("mon site est lent")
	if post.From.Name != "Alice" || post.From.Proved || post.From.Bot || !post.MentionsUs || post.Text != "mon site est lent" {
		t.Errorf("%+v", post)
	}
	p.line(t, "PRIVMSG #asso :<Sacha> pareil")
	if other := b.heard("pareil").From; other.ID == post.From.ID || other.Name != "Sacha" {
		t.Errorf("%+v", other)
	}
	if _, err := b.perform(chat.OpenDirect{Account: post.From}); kindOf(t, err) != chat.Permanent {
		t.Error(err)
	}
	r, err := b.perform(chat.Say{Place: place("#asso"), Content: chat.Content{Text: "Alice: nous regardons", Mentions: []chat.Account{post.From}}})
	if err != nil || !r.Confirmed {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestUnknownRelay: a bridge that the configuration does not name is warned
// of, by another process too; whoever quotes is no bridge.
func TestUnknownRelay(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, irc.Config{Server: server.Addr, Relays: []irc.Relay{{Nick: "connu"}}}, "#asso")
	for nick, lines := range map[string][]string{
		"connu":   {"<Un> a", "<Deux> b", "<Un> c", "<Trois> d"},
		"relais":  {"<Un> a", "<Deux> b", "<Un> c", "<Trois> d"},
		"passeur": {"[tchat] <U\u200bn> a", "[matrix] <\x0304Deux\x03> b", "[tchat] <Un> c", "[tchat] <Trois> d"},
		"seul":    {"<moi> a", "<moi> b", "<moi> c", "<moi> d"},
		"citeur":  {"regardez", "<Un> a", "<Deux> b", "vous voyez", "<Un> c", "<Deux> d"},
		"formule": {"a<b> c", "[1] x", "<a>b", "< > d"},
	} {
		p := newPeer(t, server.Addr, nick, "permanence", "", "#asso")
		for _, line := range append(lines, "fin de "+nick) {
			p.line(t, "PRIVMSG #asso :"+line)
		}
		b.heard("fin de " + nick)
	}
	want := "passeur: {nick: passeur, author: '^\\[[^\\]]+\\] ?<([^>]{1,64})> ?'}; relais: {nick: relais}; "
	told := func(a *irc.Adapter) (got string) {
		for _, f := range a.Check(deadline(t)) {
			if f.Name == "irc-relay-unconfigured" {
				nick, _, _ := strings.Cut(f.What.EN, " ")
				got += nick + ": " + strings.TrimSuffix(strings.TrimPrefix(f.Do.EN, "Add "), " to relays.") + "; "
			}
		}
		return got
	}
	if got := told(b.Adapter); got != want {
		t.Errorf("told of %s, want %s", got, want)
	}
	b.stop()
	another := func(relays ...irc.Relay) *irc.Adapter {
		a, err := irc.New(irc.Config{Server: server.Addr, Relays: relays}, chat.Env{Name: "irc", Rooms: []string{"#asso"}, State: inbox})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if got := told(another()); got != want {
		t.Errorf("another process tells of %s, want %s", got, want)
	}
	// What is to be written into the configuration helps.
	b = resumed(t, inbox, irc.Config{Server: server.Addr, Relays: []irc.Relay{
		{Nick: "passeur", Author: `^\[[^\]]+\] ?<([^>]{1,64})> ?`}, {Nick: "relais"}, {Nick: "connu"},
	}}, "#asso")
	if got := told(b.Adapter); got != "" {
		t.Errorf("told of %s", got)
	}
}
