package irc_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// wanted is how one line must have been heard.
type wanted struct {
	text    string
	backlog bool
	room    string
}

func (b *bot) heardAll(want ...wanted) {
	b.t.Helper()
	var got []wanted
	for _, e := range b.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok {
			room := p.Room
			if p.Direct {
				room = "(privé)"
			}
			got = append(got, wanted{p.Text, p.Backlog, room})
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("heard %v,\nwant %v", got, want)
	}
}

// TestBareZNC: a made-up ZNC without any module plays its buffer back between
// two lines of its own, without times; nothing of it pings, and what ZNC says
// itself is nobody's words.
func TestBareZNC(t *testing.T) {
	f := newFake(t, "message-tags", nil)
	b := running(t, irc.Config{Server: f.addr}, "#asso", "#autre")
	say := <-f.begun
	for _, line := range []string{
		":***!znc@znc.in PRIVMSG #asso :Buffer Playback...",
		":***!buffextras@znc.in PRIVMSG #asso :alice!a@host joined",
		":alice!a@host PRIVMSG #asso :[09:05:10] permanence: hier",
		":camille!c@host PRIVMSG #autre :[09:05:11] en direct",
		":sacha!s@host PRIVMSG #asso :\x01ACTION [09:06:10] attend\x01",
		":***!buffextras@znc.in PRIVMSG #asso :alice!a@host quit: bye",
		":***!znc@znc.in PRIVMSG #asso :Playback Complete.",
		":*status!znc@znc.in PRIVMSG permanence :Disconnected from IRC (reconnecting)",
		":alice!a@host PRIVMSG #asso :[09:05:10] permanence: maintenant",
	} {
		say(line)
	}
	b.heard("maintenant")
	b.heardAll(wanted{"hier", true, "#asso"}, wanted{"[09:05:11] en direct", false, "#autre"},
		wanted{"*attend*", true, "#asso"}, wanted{"[09:05:10] permanence: maintenant", false, "#asso"})
}

// TestZNCPlayback: a made-up ZNC with the module "playback" is asked for what
// was said since we were last there, in rooms and in private, and we have
// caught up when it has told; nothing is heard twice.
func TestZNCPlayback(t *testing.T) {
	then := time.Now().Add(-6 * time.Second).Truncate(time.Millisecond)
	kept := func(say func(string)) {
		say(":fake BATCH +z znc.in/playback #asso")
		say("@batch=z;time=" + stampOf(then) + " :***!buffextras@znc.in PRIVMSG #asso :alice!a@host joined")
		say("@batch=z;time=" + stampOf(then.Add(time.Second)) + " :alice!a@host PRIVMSG #asso :permanence: au salon")
		say(":fake BATCH -z")
		say(":fake BATCH +y znc.in/playback alice")
		say("@batch=y;time=" + stampOf(then.Add(2*time.Second)) + " :alice!a@host PRIVMSG permanence :en privé")
		say("@batch=y;time=" + stampOf(then.Add(3*time.Second)) + " :permanence!p@host PRIVMSG alice :notre réponse")
		say(":fake BATCH -y")
	}
	f := newFake(t, "batch message-tags server-time znc.in/playback", func(line string, say func(string)) {
		if from, ok := strings.CutPrefix(line, "PRIVMSG *playback :PLAY * "); ok {
			if after, err := strconv.ParseFloat(from, 64); err != nil {
				t.Error(err)
			} else if after < float64(then.Unix()) {
				kept(say)
			}
		}
	})
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, irc.Config{Server: f.addr}, "#asso")
	say := <-f.begun
	say("@time=" + stampOf(then.Add(-time.Second)) + " :alice!a@host PRIVMSG #asso :vieux, nu")
	say("@time=" + stampOf(time.Now()) + " :alice!a@host PRIVMSG #asso :avant")
	b.heard("avant")
	b.stop()
	for range 2 {
		b = resumed(t, inbox, irc.Config{Server: f.addr}, "#asso")
		b.stop()
	}
	b.heardAll(wanted{"vieux, nu", true, "#asso"}, wanted{"avant", false, "#asso"}, wanted{"au salon", true, "#asso"}, wanted{"en privé", true, "(privé)"})
	last := inbox.Events()[len(inbox.Events())-1]
	if c, ok := last.(*chat.Connection); !ok || c.State != chat.CaughtUp {
		t.Errorf("the last is %+v: caught up before everything was told", last)
	}
}

// TestSojuWithoutHistory: a made-up soju that was not asked sends what it kept
// by itself, as a batch that nobody asked for.
func TestSojuWithoutHistory(t *testing.T) {
	f := newFake(t, "batch message-tags server-time", nil)
	b := running(t, irc.Config{Server: f.addr}, "#asso")
	say := <-f.begun
	say(":fake BATCH +h chathistory #asso")
	say("@batch=h;msgid=1;time=" + stampOf(time.Now()) + " :alice!a@host PRIVMSG #asso :permanence: hier")
	say(":fake BATCH -h")
	say("@msgid=2;time=" + stampOf(time.Now()) + " :alice!a@host PRIVMSG #asso :maintenant")
	say(":BouncerServ!BouncerServ@BouncerServ PRIVMSG permanence :disconnected from network")
	say("@msgid=3;time=" + stampOf(time.Now()) + " :alice!a@host PRIVMSG #asso :fin")
	b.heard("fin")
	b.heardAll(wanted{"hier", true, "#asso"}, wanted{"maintenant", false, "#asso"}, wanted{"fin", false, "#asso"})
}
