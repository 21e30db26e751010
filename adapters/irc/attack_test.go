package irc

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lrstanley/girc"
	"golang.org/x/time/rate"

	"permanence/bot/chat"
)

// What hostile people and a strange server try with identities, batches and
// our own words.

// attacked is a session in #asso that hears what the test has the server say.
func attacked(t *testing.T, cfg Config, caps ...string) *session {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		for buf := make([]byte, 4096); ; {
			if _, err := far.Read(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { near.Close(); far.Close() })
	cfg.Server = "127.0.0.1:6667"
	a, err := New(cfg, chat.Env{Name: "irc", Rooms: []string{"#asso"}})
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(a, "s.1", newWire(near), rate.NewLimiter(rate.Inf, 1), false)
	t.Cleanup(s.closeTimers)
	for _, name := range append(caps, "message-tags") {
		s.facts.caps[name] = ""
	}
	s.hears1(":s 001 permanence :hi", ":s 005 permanence WHOX CHANTYPES=# PREFIX=(ov)@+ :are", ":s 376 permanence :end",
		":permanence!p@h JOIN #asso", ":s 366 permanence #asso :End")
	return s
}

func (s *session) hears1(lines ...string) {
	for _, line := range lines {
		e := girc.ParseEvent(line)
		s.confirms.hear(e)
		s.work([]item{{event: e}})
	}
}

// lastPost is the newest message that was stored, with s in it.
func (s *session) lastPost(t *testing.T, part string) *chat.Posted {
	t.Helper()
	for _, e := range slices.Backward(s.out) {
		if p, ok := e.(*chat.Posted); ok && strings.Contains(p.Text, part) {
			return p
		}
	}
	t.Fatalf("never stored: %q", part)
	return nil
}

// reach is under which nick an identity is written to without asking the
// server; empty where that is not done.
func (s *session) reach(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, watched, ok := s.people.find(id); ok && watched {
		return p.nick
	}
	return ""
}

// TestANickInAListIsNotWhoWroteBefore: somebody wrote to us from outside of
// the channel; whoever stands under that nick in the list of a channel that we
// enter later is not proved to be them.
func TestANickInAListIsNotWhoWroteBefore(t *testing.T) {
	for _, tt := range []struct {
		name, before string
		list         []string
	}{
		{"visitor", "", []string{":s 353 permanence = #asso :alice"}},
		{"account", "@account=alice ", []string{":s 353 permanence = #asso :alice"}},
		{"account, by WHOX", "@account=alice ", []string{":s 353 permanence = #asso :alice!a@host", ":s 354 permanence 42 alice H 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := attacked(t, Config{}, "account-tag")
			s.hears1(tt.before + ":alice!a@host PRIVMSG permanence :en privé")
			id := s.lastPost(t, "en privé").From.ID
			s.hears1(":op!o@h KICK #asso permanence :dehors", ":permanence!p@h JOIN #asso")
			s.hears1(append(tt.list, ":s 366 permanence #asso :End")...)
			if nick := s.reach(id); nick != "" {
				t.Errorf("private words to %s go to %q unasked", id, nick)
			}
		})
	}
}

// TestHeldWordsStayTheirSpeakers: while the history of a room is read, somebody
// speaks and goes, and another takes their nick.
func TestHeldWordsStayTheirSpeakers(t *testing.T) {
	s := attacked(t, Config{}, "account-tag")
	s.hears1(":alice!a@host JOIN #asso", ":mallory!m@host JOIN #asso")
	r := s.rooms["#asso"]
	r.catching = true
	s.hears1("@msgid=m1 :alice!a@host PRIVMSG #asso :permanence: mon secret",
		":alice!a@host QUIT :bye", ":mallory!m@host NICK alice")
	s.history(&batch{kind: "chathistory", params: []string{"#asso"}, lines: []*girc.Event{
		girc.ParseEvent("@msgid=m1;time=2038-01-01T00:00:00.000Z :alice!a@host PRIVMSG #asso :permanence: mon secret"),
	}})
	s.mu.Lock()
	s.caught(r)
	s.mu.Unlock()
	post := s.lastPost(t, "mon secret")
	if nick := s.reach(post.From.ID); nick != "" {
		t.Errorf("the answer goes to %q, who took the nick", nick)
	}
	if n := len(slices.DeleteFunc(slices.Clone(s.out), func(e chat.Event) bool { _, ok := e.(*chat.Posted); return !ok })); n != 1 {
		t.Errorf("stored %d times", n)
	}
	s.hears1(":alice!m@host PRIVMSG #asso :c'est moi")
	if thief := s.lastPost(t, "c'est moi"); thief.From.ID == post.From.ID {
		t.Error("the thief of a nick has the identity of another")
	}
}

// TestAMessageOfSeveralLinesKeepsItsAccount: some servers name the account on
// the lines and not on the batch.
func TestAMessageOfSeveralLinesKeepsItsAccount(t *testing.T) {
	s := attacked(t, Config{}, "account-tag", "batch", "draft/multiline")
	s.hears1("@account=alice :alice!a@host JOIN #asso", "@msgid=m :alice!a@host BATCH +1 draft/multiline #asso",
		"@batch=1;account=alice :alice!a@host PRIVMSG #asso :un", "@batch=1;account=alice :alice!a@host PRIVMSG #asso :deux",
		":alice!a@host BATCH -1")
	if p := s.lastPost(t, "un\ndeux"); p.From.ID != "alice" || !p.From.Proved || p.ID != "m" {
		t.Errorf("%+v", p.Meta)
	}
}

// TestANoticeThroughABridgeIsNotAnswered: whatever bridge brings it (RFC 2812,
// 3.3.2), or two programs answer each other for ever.
func TestANoticeThroughABridgeIsNotAnswered(t *testing.T) {
	s := attacked(t, Config{Relays: []Relay{{Nick: "pont"}}})
	s.hears1(":pont!p@b JOIN #asso", ":pont!p@b NOTICE #asso :<autre robot> permanence: je suis absent", "@bot :pont!p@b PRIVMSG #asso :<Alice> permanence: aide")
	if p := s.lastPost(t, "absent"); !p.From.Bot {
		t.Errorf("%+v", p.From)
	}
	if p := s.lastPost(t, "aide"); p.From.Bot || p.From.Name != "Alice" {
		t.Errorf("%+v", p.From)
	}
}

// TestABridgeSpeaksForNobodyWithAnAccount: a name behind a bridge proves
// nothing, nor does the nick of a bridge without its account.
func TestABridgeSpeaksForNobodyWithAnAccount(t *testing.T) {
	s := attacked(t, Config{Relays: []Relay{{Nick: "pont", Account: "pont"}}}, "account-tag")
	s.hears1("@account=camille :camille!c@h JOIN #asso", "@account=pont :pont!p@b JOIN #asso",
		"@account=pont :pont!p@b PRIVMSG #asso :<camille> !fermer 1", ":pont!p@c PRIVMSG #asso :<camille> !rouvrir 1")
	if p := s.lastPost(t, "fermer"); p.From.Proved || p.From.ID == "camille" || s.reach(p.From.ID) != "" {
		t.Errorf("%+v", p.From)
	}
	if p := s.lastPost(t, "rouvrir"); p.From.Proved || p.From.Name != "pont" {
		t.Errorf("%+v", p.From)
	}
}

// TestNothingIsSmuggledIntoOurLines: what people make us say is one line of
// words: no other line, no tag, no CTCP.
func TestNothingIsSmuggledIntoOurLines(t *testing.T) {
	s := attacked(t, Config{}, "labeled-response", "echo-message", "batch")
	for _, md := range []string{
		"a\r\nQUIT :x", "a\rQUIT", "a&#13;&#10;QUIT :x", "a&#10;QUIT", "&#1;VERSION&#1;", "\x01ACTION x\x01", "&#x1;DCC SEND x&#x1;",
		"**&#1;PING&#1;**", "`\x01PING\x01`", "\\\x01PING", "@label=x PRIVMSG #asso :y", ":server 001 x", "\uf7e201PING\uf7e2", "a\u2028QUIT", "a\x00b", "&#0;",
	} {
		for _, p := range s.pieces("PRIVMSG", "#asso", md, "") {
			l := line{command: "PRIVMSG", target: "#asso", body: p.text, label: "s.1-1", reply: s.facts.replyTags("id;+evil=1 \r\nQUIT")}
			out := string(l.append(nil, true))
			tags, rest, _ := strings.Cut(out, " ")
			if strings.Count(out, "\n") != 1 || strings.Count(out, "\r") != 1 || strings.ContainsAny(out, "\x00\x01") {
				t.Errorf("%q is written as %q", md, out)
			}
			if strings.Contains(tags, ";+evil") || !strings.HasPrefix(rest, "PRIVMSG #asso :") {
				t.Errorf("%q is written as %q", md, out)
			}
		}
	}
}

// TestAStrangeServerEndsNothingForOthers: batches that never end, that hold
// each other, or that answer what was not asked.
func TestAStrangeServerEndsNothingForOthers(t *testing.T) {
	s := attacked(t, Config{}, "batch", "server-time", "draft/chathistory", "draft/multiline")
	for i := range 300 {
		s.hears1(":s BATCH +x" + strings.Repeat("y", i) + " draft/multiline #asso")
	}
	s.hears1(":s BATCH +b chathistory #asso", "@batch=b :s BATCH +b chathistory #asso", "@batch=b :a!b@c PRIVMSG #asso :perdue ?", ":s BATCH -b", ":s BATCH -b",
		":s BATCH +t draft/chathistory-targets", "@batch=t :s CHATHISTORY TARGETS a,b 2038-01-01T00:00:00.000Z", ":s BATCH -t", ":s FAIL CHATHISTORY", ":s FAIL CHATHISTORY X TARGETS :no")
	s.hears1(":alice!a@host JOIN #asso", ":alice!a@host PRIVMSG #asso :toujours là")
	s.lastPost(t, "toujours là")
	s.lastPost(t, "perdue")
}

// TestAVisitorIsEndedOnce: who goes in two ways at once ends once, and what
// they said in their last moment is theirs.
func TestAVisitorIsEndedOnce(t *testing.T) {
	s := attacked(t, Config{})
	s.hears1(":alice!a@host JOIN #asso", ":alice!a@host PRIVMSG #asso :un", ":alice!a@host PART #asso :bye", ":alice!a@host QUIT :bye", ":s KILL alice :x")
	id := s.lastPost(t, "un").From.ID
	n := 0
	for _, e := range s.out {
		if l, ok := e.(*chat.Left); ok && l.From.ID == id && l.Room == "" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("ended %d times", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.nickOf(ctx, id); chat.AsError(err).Kind != chat.Gone {
		t.Errorf("%v", err)
	}
}
