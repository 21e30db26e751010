package irc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// TestSaidMeanwhile: what is said while we read history stands in it, too; it
// is heard once, and as said now.
func TestSaidMeanwhile(t *testing.T) {
	then, now := stampOf(time.Now().Add(-time.Minute)), ""
	f := newFake(t, "batch message-tags server-time draft/chathistory", func(line string, say func(string)) {
		words := strings.Fields(line)
		if words[0] != "CHATHISTORY" {
			return
		}
		if words[1] == "TARGETS" {
			say("BATCH +t draft/chathistory-targets")
			say("@batch=t :fake CHATHISTORY TARGETS sacha " + then)
			say("BATCH -t")
			return
		}
		target := words[2]
		to := target
		if target == "sacha" {
			to = "permanence"
		}
		live := ":sacha!s@host PRIVMSG " + to + " :maintenant, " + target
		say("@msgid=2" + target + ";time=" + now + " " + live)
		say("BATCH +h chathistory " + target)
		say("@batch=h;msgid=1" + target + ";time=" + then + " :sacha!s@host PRIVMSG " + to + " :avant, " + target)
		say("@batch=h;msgid=2" + target + ";time=" + now + " " + live)
		say("BATCH -h")
	})
	inbox := chattest.NewInbox()
	past := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	if err := inbox.Handle(t.Context(), []chat.Event{&chat.Joined{Meta: chat.Meta{Room: "#asso", ID: "avant", From: chat.Account{ID: "sacha"}}}}, chat.Cursor{Name: "said", Value: past + " " + past}); err != nil {
		t.Fatal(err)
	}
	now = stampOf(time.Now().Add(time.Minute))
	b := resumed(t, inbox, irc.Config{Server: f.addr}, "#asso")
	b.stop()
	count := map[string]int{}
	for _, e := range inbox.Events() {
		p, ok := e.(*chat.Posted)
		if !ok {
			continue
		}
		count[p.Text]++
		if p.Backlog != strings.HasPrefix(p.Text, "avant") {
			t.Errorf("%q: backlog %v", p.Text, p.Backlog)
		}
	}
	if fmt.Sprint(count) != "map[avant, #asso:1 avant, sacha:1 maintenant, #asso:1 maintenant, sacha:1]" {
		t.Error(count)
	}
}

// TestMissedInPrivate: what was written to us in private while we were away is
// heard, once, in order, whoever wrote it. The server keeps a place for us.
func TestMissedInPrivate(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{AlwaysOn: true})
	server.Register(t, "permanence", "motdepasse")
	server.Register(t, "alice", "motdepasse")
	owner := newPeer(t, server.Addr, "permanence", "permanence", "message-tags")
	owner.login(t, "permanence", "motdepasse")
	owner.line(t, "NS SET always-on true")
	if err := owner.raw("QUIT"); err != nil {
		t.Fatal(err)
	}
	owner.reads(t, "ERROR ")
	cfg := irc.Config{Server: server.Addr, SASL: irc.SASL{User: "permanence", PasswordFile: write(t, "motdepasse")}}
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, cfg, "#asso")
	alice := newPeer(t, server.Addr, "alix", "permanence", "message-tags account-tag")
	alice.login(t, "alice", "motdepasse")
	visitor := newPeer(t, server.Addr, "sacha", "permanence", "", "#asso")
	alice.line(t, "PRIVMSG permanence :avant, d’Alice")
	visitor.line(t, "PRIVMSG permanence :avant, de Sacha")
	visitor.line(t, "PRIVMSG #asso :avant, au salon")
	b.heard("avant, au salon")
	room := b.heard("avant, d’Alice").Room
	b.stop()

	var want []string
	for i := range 150 { // more than one page
		want = append(want, fmt.Sprintf("pendant, d’Alice, %d.", i))
	}
	alice.line(t, "PRIVMSG permanence :"+strings.Join(want, "\r\nPRIVMSG permanence :"))
	visitor.line(t, "PRIVMSG permanence :pendant, de Sacha")
	visitor.line(t, "PRIVMSG #asso :pendant, au salon")

	b = resumed(t, inbox, cfg, "#asso")
	// Who is known from history alone is answered.
	if _, err := b.say(room, "me revoilà"); err != nil {
		t.Fatal(err)
	}
	alice.reads(t, "me revoilà")
	alice.line(t, "PRIVMSG permanence :après, d’Alice")
	visitor.line(t, "PRIVMSG permanence :après, de Sacha")
	b.heard("après, de Sacha")
	b.stop()
	b = resumed(t, inbox, cfg, "#asso") // and nothing of it comes again
	visitor.line(t, "PRIVMSG #asso :fin")
	b.heard("fin")

	var got []string
	count := map[string]int{}
	var before, now chat.Account
	for _, e := range inbox.Events() {
		p, ok := e.(*chat.Posted)
		if !ok {
			continue
		}
		count[p.Text]++
		private := !strings.Contains(p.Text, "salon") && p.Text != "fin"
		if p.Direct != private || p.Backlog != strings.HasPrefix(p.Text, "pendant") {
			t.Errorf("%q: direct %v, backlog %v", p.Text, p.Direct, p.Backlog)
		}
		if strings.Contains(p.Text, "d’Alice") && (p.Room != room || !p.From.Proved || p.From.ID != "alice") {
			t.Errorf("%q: %+v", p.Text, p.Meta)
		}
		if strings.HasPrefix(p.Text, "pendant, d’Alice") {
			got = append(got, p.Text)
		}
		switch p.Text {
		case "pendant, de Sacha":
			before = p.From
		case "après, de Sacha":
			now = p.From
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard %d of Alice’s lines, %v", len(got), got)
	}
	for text, n := range count {
		if n != 1 {
			t.Errorf("%q heard %d times", text, n)
		}
	}
	if len(count) != len(want)+9-1 {
		t.Errorf("%d lines", len(count))
	}
	// Nothing tells that the one of then is the one of now.
	if before.ID == now.ID || before.Proved {
		t.Errorf("%+v, then %+v", before, now)
	}
	if _, err := b.perform(chat.OpenDirect{Account: before}); kindOf(t, err) != chat.Gone {
		t.Error(err)
	}
}
