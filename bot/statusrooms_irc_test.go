package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// onlyRoom makes one room the status room, so that what is counted there is
// all that was said.
func onlyRoom(p chat.Place) setup {
	return func(w *world) { w.opt.Status.Rooms = []chat.Place{p} }
}

// operated lets alice make #asso, with a topic that anybody changes; the bot
// comes in afterwards, as one among others.
func operated(t *testing.T, more ...setup) (w *world, alice *chatter, server *testservers.ErgoServer) {
	t.Helper()
	server = testservers.Ergo(t, testservers.ErgoOptions{})
	alice = enter(t, server.Addr, "aline", false, "#asso").tagged()
	alice.say("MODE #asso -t")
	w = newWorld(t, append([]setup{onErgo(server), onlyRoom(chat.Place{Adapter: "irc", Room: "#asso"})}, more...)...)
	return w, alice, server
}

// tagged asks for the tags of lines, which carry their IDs and answers.
func (c *chatter) tagged() *chatter {
	c.t.Helper()
	c.say("CAP REQ :message-tags echo-message")
	c.heard(" ACK :message-tags echo-message")
	return c
}

// line is what somebody said in a room, as a client gets it.
type line struct{ id, answers, by, text string }

// lines are what was said in a room, oldest first.
func (c *chatter) lines(room string) (list []line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, raw := range c.seen {
		var l line
		if tags, rest, ok := strings.Cut(raw, " "); ok && strings.HasPrefix(raw, "@") {
			raw = rest
			for tag := range strings.SplitSeq(tags[1:], ";") {
				switch name, value, _ := strings.Cut(tag, "="); name {
				case "msgid":
					l.id = value
				case "+reply", "+draft/reply":
					l.answers = value
				}
			}
		}
		for _, command := range []string{" PRIVMSG ", " NOTICE "} {
			if from, text, ok := strings.Cut(raw, command+room+" :"); ok {
				l.by, _, _ = strings.Cut(strings.TrimPrefix(from, ":"), "!")
				l.text = text
				list = append(list, l)
			}
		}
	}
	return list
}

// ours waits for the bot's line with s in a room.
func (c *chatter) ours(w *world, room, s string) (found line) {
	c.t.Helper()
	w.await(room+": "+s, func() bool {
		for _, l := range c.lines(room) {
			if l.by == "permanence" && contains(l.text, s) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

// topicOf asks the server for a topic: nothing that a client remembers.
func (c *chatter) topicOf(room string) string {
	c.t.Helper()
	asked := c.count(" 332 ") + c.count(" 331 ")
	c.say("TOPIC " + room)
	for n := 0; c.count(" 332 ")+c.count(" 331 ") == asked; n++ {
		mark := fmt.Sprintf("topic%d-%d", asked, n)
		c.say("PING " + mark)
		c.heard(mark)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	topic := ""
	for _, l := range c.seen {
		switch {
		case strings.Contains(l, " 332 ") && strings.Contains(l, " "+room+" "):
			_, topic, _ = strings.Cut(l, " "+room+" ")
			topic = strings.TrimPrefix(topic, ":") // left out before a single word
		case strings.Contains(l, " 331 ") && strings.Contains(l, " "+room+" "):
			topic = ""
		}
	}
	return topic
}

// bySomebody changes a topic as a person does, and waits until it is so.
func (c *chatter) bySomebody(w *world, room, topic string) {
	c.t.Helper()
	c.say("TOPIC " + room + " :" + topic)
	w.await("the topic "+topic, func() bool { return c.topicOf(room) == topic })
}

// A status room on IRC: one line for each word, an erratum that answers what
// it corrects, and a segment of the topic that is replaced, follows what
// people write around it, and leaves nothing behind.
func TestStatusRoomOnErgo(t *testing.T) {
	const welcome = "Bienvenue | règles : https://asso.example/regles | «été» \x02gras\x02 | "
	w, alice, server := operated(t)
	camille := enter(t, server.Addr, "camille", true, "#salle")
	alice.bySomebody(w, "#asso", welcome)

	camille.say("PRIVMSG #salle :!incident début messagerie : envois retardés")
	start := alice.ours(w, "#asso", "Messagerie : envois retardés")
	w.await("our segment", func() bool {
		return strings.HasPrefix(alice.topicOf("#asso"), welcome+" | ⟦⚠️ Messagerie") && strings.HasSuffix(alice.topicOf("#asso"), "⟧")
	})

	// Somebody writes on both sides of it; the next word keeps both.
	segment := strings.TrimPrefix(alice.topicOf("#asso"), welcome+" | ")
	alice.bySomebody(w, "#asso", "Réunion jeudi | "+segment+" | et dimanche")
	camille.say("PRIVMSG #salle :!incident maj identifié : un dique")
	news := alice.ours(w, "#asso", "un dique")
	w.await("the segment follows", func() bool {
		topic := alice.topicOf("#asso")
		return strings.HasPrefix(topic, "Réunion jeudi | ⟦⚠️ ") && strings.HasSuffix(topic, "⟧ | et dimanche") && contains(topic, "cause identifiée")
	})

	camille.say("PRIVMSG #salle :!incident corriger un disque")
	erratum := alice.ours(w, "#asso", "un disque")
	if erratum.answers != news.id || news.id == "" {
		t.Errorf("the erratum answers %q, not %q", erratum.answers, news.id)
	}

	// Somebody takes our segment away, and another incident begins.
	alice.bySomebody(w, "#asso", "Réunion vendredi")
	camille.say("PRIVMSG #salle :!incident début le site web est lent")
	alice.ours(w, "#asso", "Le site web est lent")
	w.await("both stand there", func() bool {
		topic := alice.topicOf("#asso")
		return strings.HasPrefix(topic, "Réunion vendredi | ⟦") && contains(topic, "Messagerie") && contains(topic, "Le site web est lent")
	})
	camille.say("PRIVMSG #salle :!incident fin 1 tout est parti")
	alice.ours(w, "#asso", "tout est parti")
	w.await("one is left", func() bool {
		topic := alice.topicOf("#asso")
		return !contains(topic, "Messagerie") && contains(topic, "Le site web est lent")
	})
	camille.say("PRIVMSG #salle :!incident fin 2 un cache vide")
	end := alice.ours(w, "#asso", "un cache vide")
	w.await("as people left it", func() bool { return alice.topicOf("#asso") == "Réunion vendredi" })
	camille.heard("dite partout")

	var said []string
	for _, l := range alice.lines("#asso") {
		if l.by == "permanence" {
			said = append(said, l.text)
		}
	}
	for _, s := range []string{start.text, news.text, erratum.text, end.text} {
		n := 0
		for _, text := range said {
			if text == s {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%q was said %d times", s, n)
		}
	}
	// Each word is a line; an end report has its text on a second one.
	if len(said) > 8 {
		t.Errorf("%d lines for six words:\n%s", len(said), strings.Join(said, "\n"))
	}
}

// A right that is taken while our segment stands there: as soon as it is
// given back, the segment leaves.
func TestStatusTopicRightTakenAndGivenBack(t *testing.T) {
	w, aline, _ := operated(t)
	aline.bySomebody(w, "#asso", "Bienvenue")
	w.post("camille", "equipe", "", "!incident début messagerie : envois retardés")
	w.await("our segment", func() bool { return strings.Contains(aline.topicOf("#asso"), "⟦") })
	aline.say("MODE #asso +t")
	aline.heard(" MODE #asso +t")
	w.post("camille", "equipe", "", "!incident fin c'est réparé")
	aline.ours(w, "#asso", "c'est réparé")
	w.find("equipe", "everywhere", fromBot("dite partout"))
	aline.say("MODE #asso +o permanence")
	back := time.Now().Add(20 * time.Second) // a missing right is asked for less often
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for aline.count("TOPIC #asso Bienvenue") < 2 && time.Now().Before(back) {
		<-tick.C
	}
	if topic := aline.topicOf("#asso"); topic != "Bienvenue" {
		t.Errorf("the topic: %q", topic)
	}
}

// The program is stopped while its segment stands in the topic: it finds it
// again, and takes it away at the end; nothing is said twice.
func TestStatusRoomOnErgoAcrossARestart(t *testing.T) {
	w, aline, _ := operated(t)
	aline.bySomebody(w, "#asso", "Bienvenue")
	w.post("camille", "equipe", "", "!incident début messagerie : envois retardés")
	aline.ours(w, "#asso", "Messagerie : envois retardés")
	w.await("our segment", func() bool { return strings.Contains(aline.topicOf("#asso"), "⟦") })
	w.stop()
	aline.bySomebody(w, "#asso", strings.Replace(aline.topicOf("#asso"), "Bienvenue", "Bonne nuit", 1))
	w.start()
	w.post("camille", "equipe", "", "!incident fin c'est réparé")
	aline.ours(w, "#asso", "c'est réparé")
	w.await("as people left it", func() bool { return aline.topicOf("#asso") == "Bonne nuit" })
	w.find("equipe", "everywhere", fromBot("dite partout"))
	for _, s := range []string{"⚠️ \x02[Incident 1] Messagerie", "c'est réparé"} {
		n := 0
		for _, l := range aline.lines("#asso") {
			if contains(l.text, s) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%q was said %d times among %+v", s, n, aline.lines("#asso"))
		}
	}
}

// Without a word around it, the topic is ours alone, and empty afterwards.
func TestStatusTopicFromNothing(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	w := newWorld(t, onErgo(server), onlyRoom(chat.Place{Adapter: "irc", Room: "#asso"}))
	alice := enter(t, server.Addr, "alice", true, "#asso")
	w.post("camille", "equipe", "", "!incident début messagerie critique : plus rien ne part")
	w.await("ours", func() bool { return strings.HasPrefix(alice.topicOf("#asso"), "⟦⚠️ Messagerie") })
	w.post("camille", "equipe", "", "!incident fin")
	w.await("none", func() bool { return alice.topicOf("#asso") == "" })
}

// A topic that leaves little room: ours is cut, theirs never.
func TestStatusTopicThatIsLong(t *testing.T) {
	w, alice, _ := operated(t)
	long := strings.Repeat("é", 160) + " fin." // 325 of 390 bytes
	alice.bySomebody(w, "#asso", long)
	w.post("camille", "equipe", "", "!incident début messagerie : envois retardés chez plusieurs fournisseurs")
	w.await("cut", func() bool {
		topic := alice.topicOf("#asso")
		return strings.HasPrefix(topic, long+" | ⟦⚠️ Messagerie") && strings.HasSuffix(topic, "…⟧") && len(topic) <= 390
	})
	w.post("camille", "equipe", "", "!incident fin")
	w.await("as it was", func() bool { return alice.topicOf("#asso") == long })
}

// What is hostile in a title stays text: no line, no command, no colour, and
// no highlight of somebody who was not asked for.
func TestHostileTitleOnErgo(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	w := newWorld(t, onErgo(server), onlyRoom(chat.Place{Adapter: "irc", Room: "#asso"}))
	alice := enter(t, server.Addr, "alice", true, "#asso").tagged()
	hostile := "messagerie : \x0304rouge\x03 \x02gras\x0f ⟦faux⟧ \x01ACTION ment\x01 \u202eenvers\r\nTOPIC #asso :pris\nPRIVMSG #asso :usurpé @here @everyone"
	w.post("camille", "equipe", "", "!incident début "+hostile)
	alice.ours(w, "#asso", "[Incident 1]")
	w.await("our segment", func() bool { return strings.HasPrefix(alice.topicOf("#asso"), "⟦⚠️ Messagerie") })
	if topic := alice.topicOf("#asso"); strings.Count(topic, "⟦") != 1 || strings.Count(topic, "⟧") != 1 || strings.ContainsAny(topic, "\x01\x02\x03\x0f\u202e") {
		t.Errorf("the topic: %q", topic)
	}
	w.post("camille", "equipe", "", "!incident fin c'est fini")
	alice.ours(w, "#asso", "c'est fini")
	w.await("nothing is left", func() bool { return alice.topicOf("#asso") == "" })
	for _, l := range alice.lines("#asso") {
		if strings.ContainsAny(l.text, "\x01\x03\u202e") {
			t.Errorf("%q", l.text)
		}
		if l.by != "permanence" {
			t.Errorf("somebody said %+v", l)
		}
	}
}
