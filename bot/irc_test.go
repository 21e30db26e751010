package bot_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// chatter is a person on IRC, by a client of our tests alone.
type chatter struct {
	t    *testing.T
	conn net.Conn
	mu   sync.Mutex
	seen []string
}

// enter connects somebody with a services account (password = nick) and joins.
func enter(t *testing.T, server *testservers.ErgoServer, nick string, account bool, rooms ...string) *chatter {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr)
	must(t, err)
	c := &chatter{t: t, conn: conn}
	t.Cleanup(func() { conn.Close() })
	go c.read()
	c.say("CAP LS 302")
	c.say("NICK " + nick)
	c.say("USER " + nick + " 0 * :" + nick)
	if account {
		c.say("CAP REQ :sasl")
		c.heard("ACK")
		c.say("AUTHENTICATE PLAIN")
		c.heard("AUTHENTICATE +")
		c.say("AUTHENTICATE " + base64.StdEncoding.EncodeToString([]byte("\x00"+nick+"\x00"+nick+"-password")))
		c.heard(" 903 ")
	}
	c.say("CAP END")
	c.heard(" 001 ")
	for _, r := range rooms {
		c.say("JOIN " + r)
		c.heard(" 366 ")
	}
	return c
}

func (c *chatter) read() {
	sc := bufio.NewScanner(c.conn)
	for sc.Scan() {
		line := sc.Text()
		if rest, ok := strings.CutPrefix(line, "PING"); ok {
			fmt.Fprintf(c.conn, "PONG%s\r\n", rest)
			continue
		}
		c.mu.Lock()
		c.seen = append(c.seen, line)
		c.mu.Unlock()
	}
}

func (c *chatter) say(line string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, "%s\r\n", line); err != nil {
		c.t.Fatal(err)
	}
}

// count is how many lines with s have come.
func (c *chatter) count(s string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, l := range c.seen {
		if contains(l, s) {
			n++
		}
	}
	return n
}

func (c *chatter) heard(s string) {
	c.t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for c.count(s) == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("never heard %q among\n%s", s, strings.Join(c.seen, "\n"))
		}
	}
}

// onErgo puts a real IRC network in the place of the poor one: a public
// channel, and a second team room.
func onErgo(server *testservers.ErgoServer) setup {
	return func(w *world) {
		for _, nick := range []string{"permanence", "alice", "camille"} {
			server.Register(w.t, nick, nick+"-password")
		}
		password := filepath.Join(w.dir, "irc.pass")
		must(w.t, os.WriteFile(password, []byte("permanence-password\n"), 0o600))
		d := &w.opt.Desks[0]
		d.Rooms = append(d.Rooms, chat.Place{Adapter: "irc", Room: "#salle"})
		d.Intakes = append(d.Intakes, bot.Intake{Place: chat.Place{Adapter: "irc", Room: "#asso"}, Opens: bot.OnMention})
		w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "irc", Room: "#asso"})
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name != "irc" {
				return a
			}
			real, err := irc.New(irc.Config{Server: server.TLSAddr, TLS: "on", CAFile: server.CA, Flood: irc.Flood{Unlimited: true},
				SASL: irc.SASL{User: "permanence", PasswordFile: password}},
				chat.Env{Name: "irc", Rooms: []string{"#asso", "#salle"}, State: w.store.State("irc"), Log: w.opt.Log})
			must(w.t, err)
			return real
		}
	}
}

// TestAskedOnIRC: a question on IRC, a team half on IRC, an answer in public,
// an incident for all to see; on a real server.
func TestAskedOnIRC(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	w := newWorld(t, onErgo(server))
	alice := enter(t, server, "alice", true, "#asso")
	camille := enter(t, server, "camille", true, "#asso", "#salle")
	passing := enter(t, server, "passant", false, "#asso")

	passing.say("PRIVMSG #asso :bonjour tout le monde")
	alice.say("PRIVMSG #asso :permanence: mon site est en panne")
	card := w.card("mon site est en panne")
	camille.heard("#1")
	camille.say("PRIVMSG #salle :#1 je regarde depuis IRC")
	w.inThread(card, "je regarde depuis IRC")
	note := w.post("dominique", "equipe", card.ID, "C'est réparé.")
	camille.heard("C'est réparé.")
	w.react("dominique", note.ID, "✉️")
	alice.heard("alice: C'est réparé.")
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })

	// The asker's next line joins; a stranger's does not open anything.
	alice.say("PRIVMSG #asso :merci beaucoup")
	w.inThread(card, "merci beaucoup")
	// The same nick without its account is somebody else, and nobody's agent.
	passing.say("PRIVMSG #asso :!fermer #1")
	camille.say("PRIVMSG #salle :!sur #1")
	camille.heard("Vous restez sur #1")
	camille.say("PRIVMSG #salle :!r Deux lignes,")
	camille.say("PRIVMSG #salle :!r rassemblées.")
	camille.heard("2 lignes rassemblées")
	camille.say("PRIVMSG #salle :!envoyer")
	alice.heard("Deux lignes,")
	alice.heard("rassemblées.")
	if m, _ := w.rich.Message(card.ID); contains(m.Text, "fermé") {
		t.Error("a stranger closed a ticket")
	}

	camille.say("PRIVMSG #salle :!incident début messagerie envois retardés")
	alice.heard("Messagerie")
	w.find("etat", "start", fromBot("Messagerie"))
	camille.say("PRIVMSG #salle :!incident fin tout est rentré dans l'ordre")
	alice.heard("rentré dans l'ordre")
	w.find("etat", "end", has("rentré dans l'ordre"))
	if n := alice.count("alice: C'est réparé."); n != 1 {
		t.Errorf("the answer was said %d times", n)
	}
	if n := w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Card }); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
}
