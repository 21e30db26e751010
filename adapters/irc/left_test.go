package irc_test

import (
	"fmt"
	"testing"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// ended waits for the end of an identity behind the first events.
func (b *bot) ended(id string, from int) {
	b.t.Helper()
	b.await("the end of "+id, func(events []chat.Event) bool {
		for _, e := range events[from:] {
			if l, ok := e.(*chat.Left); ok && l.Room == "" && l.From.ID == id && !l.From.Proved {
				return true
			}
		}
		return false
	})
}

// TestIdentityEnds: whatever ends the identity of somebody without account is
// told, once, and of nobody else.
func TestIdentityEnds(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	server.Register(t, "camille", "motdepasse")
	r := newRoad(t, server.Addr)
	inbox := chattest.NewInbox()
	op := newPeer(t, server.Addr, "camille", "permanence", "message-tags", "#asso", "#autre")
	op.login(t, "camille", "motdepasse")
	b := resumed(t, inbox, irc.Config{Server: r.addr}, "#asso", "#autre")
	op.line(t, "PRIVMSG #autre :l’équipe est là")
	b.heard("l’équipe est là")
	p := newPeer(t, server.Addr, "alice", "permanence", "message-tags", "#asso")
	n := 0
	speak := func() string {
		t.Helper()
		n++
		text := fmt.Sprintf("phrase %d.", n)
		p.line(t, "PRIVMSG #asso :"+text)
		return b.heard(text).From.ID
	}
	var ids []string
	for _, tt := range []struct {
		name string
		end  func()
		back func()
	}{
		{"the last shared channel is left", func() { p.line(t, "PART #asso") }, func() { p.line(t, "JOIN #asso") }},
		{"they are put out", func() { op.line(t, "KICK #asso alice :pour voir") }, func() { p.line(t, "JOIN #asso") }},
		{"our connection is cut", func() { r.cut(false) }, func() {
			b.await("the return", func(events []chat.Event) bool {
				c, ok := events[len(events)-1].(*chat.Connection)
				return ok && c.State == chat.CaughtUp
			})
		}},
		{"the program is started again", func() {
			b.stop()
			b = resumed(t, inbox, irc.Config{Server: r.addr}, "#asso", "#autre")
		}, func() {}},
		{"we are put out", func() { op.line(t, "MODE #asso +b permanence!*@*"); op.line(t, "KICK #asso permanence :ouste") }, func() {
			seen := len(inbox.Events())
			from := op.read0()
			op.line(t, "MODE #asso -b permanence!*@*")
			if err := op.awaitLine(deadline(t), from, " JOIN #asso"); err != nil {
				t.Fatal(err)
			}
			p.line(t, "PART #asso")
			p.line(t, "JOIN #asso")
			b.await("somebody who enters", func(events []chat.Event) bool {
				for _, e := range events[seen:] {
					if j, ok := e.(*chat.Joined); ok && j.From.Name == "alice" {
						return true
					}
				}
				return false
			})
		}},
		{"they quit", func() { p.quit(t) }, func() { p = newPeer(t, server.Addr, "alice", "permanence", "message-tags", "#asso") }},
		{"they log in", func() { p.line(t, "NS REGISTER motdepasse") }, func() {}},
	} {
		seen := len(inbox.Events())
		id := speak()
		tt.end()
		b.ended(id, seen)
		ids = append(ids, id)
		tt.back()
	}
	seen := map[string]int{}
	for _, e := range inbox.Events() {
		if l, ok := e.(*chat.Left); ok && l.Room == "" {
			seen[l.From.ID]++
		}
	}
	for i, id := range ids {
		if seen[id] != 1 {
			t.Errorf("the end of %s (%d) is told %d times", id, i, seen[id])
		}
	}
	if seen["camille"] != 0 {
		t.Error("an account has ended")
	}
}

// TestNetsplitForReal: a network of two servers breaks in two and comes
// together again.
func TestNetsplitForReal(t *testing.T) {
	t.Parallel() // it waits most of the time
	one := testservers.NgIRCdLinked(t, testservers.NgIRCdLink{Name: "un.example.org", Peer: "deux.example.org"})
	link := newRoad(t, one.Addr)
	two := testservers.NgIRCdLinked(t, testservers.NgIRCdLink{Name: "deux.example.org", Peer: "un.example.org", Addr: link.addr})
	b := running(t, irc.Config{Server: one.Addr}, "#asso")
	var far []*peer
	for i := range 20 {
		far = append(far, newPeer(t, two.Addr, fmt.Sprintf("loin%d", i), "permanence", "", "#asso"))
	}
	near := newPeer(t, one.Addr, "proche", "permanence", "", "#asso")
	for _, p := range far {
		first(b, "everybody", func(j *chat.Joined) bool { return j.From.Name == p.nick })
	}
	before := map[string]string{}
	for _, p := range append(far, near) {
		p.line(t, "PRIVMSG #asso :avant, de "+p.nick+".")
		before[p.nick] = b.heard("avant, de " + p.nick + ".").From.ID
	}
	seen := len(b.inbox.Events())
	link.cut(false)
	for _, p := range far {
		b.ended(before[p.nick], seen)
	}
	// They come back by themselves.
	b.await("the return of all", func(events []chat.Event) bool {
		n := 0
		for _, e := range events[seen:] {
			if j, ok := e.(*chat.Joined); ok && j.Room == "#asso" {
				n++
			}
		}
		return n == len(far)
	})
	for _, p := range append(far, near) {
		p.line(t, "PRIVMSG #asso :après, de "+p.nick+".")
		after := b.heard("après, de " + p.nick + ".").From.ID
		if same := after == before[p.nick]; same != (p == near) {
			t.Errorf("%s: the same identity after the split: %v", p.nick, same)
		}
	}
	ends := 0
	for _, e := range b.inbox.Events() {
		if l, ok := e.(*chat.Left); ok && l.Room == "" {
			ends++
		}
	}
	if ends != len(far) {
		t.Errorf("%d ends, want %d", ends, len(far))
	}
}
