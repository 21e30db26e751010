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
func enter(t *testing.T, addr, nick string, account bool, rooms ...string) *chatter {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	c := &chatter{t: t, conn: conn}
	t.Cleanup(func() { conn.Close() })
	go c.read()
	if account {
		c.say("CAP LS 302")
	}
	c.say("NICK " + nick)
	c.say("USER " + nick + " 0 * :" + nick)
	if account {
		c.say("CAP REQ :sasl")
		c.heard("ACK")
		c.say("AUTHENTICATE PLAIN")
		c.heard("AUTHENTICATE +")
		c.say("AUTHENTICATE " + base64.StdEncoding.EncodeToString([]byte("\x00"+nick+"\x00"+nick+"-password")))
		c.heard(" 903 ")
		c.say("CAP END")
	}
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
		onServer(irc.Config{Server: server.TLSAddr, TLS: "on", CAFile: server.CA, Flood: irc.Flood{Unlimited: true},
			SASL: irc.SASL{User: "permanence", PasswordFile: password}}, "#asso", "#salle")(w)
		w.opt.Desks[0].Rooms = append(w.opt.Desks[0].Rooms, chat.Place{Adapter: "irc", Room: "#salle"})
	}
}

// onServer puts an IRC server in the place of the poor network, with #asso as
// a public channel.
func onServer(cfg irc.Config, rooms ...string) setup {
	return func(w *world) {
		d := &w.opt.Desks[0]
		d.Intakes = append(d.Intakes, bot.Intake{Place: chat.Place{Adapter: "irc", Room: "#asso"}, Opens: bot.OnMention})
		w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "irc", Room: "#asso"})
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name != "irc" {
				return a
			}
			real, err := irc.New(cfg, chat.Env{Name: "irc", Rooms: rooms, State: w.store.State("irc"), Log: w.opt.Log})
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
	alice := enter(t, server.Addr, "alice", true, "#asso")
	camille := enter(t, server.Addr, "camille", true, "#asso", "#salle")
	passing := enter(t, server.Addr, "passant", false, "#asso")

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

// numbered are the numbers behind "<mark" in what was said, in order of saying.
func numbered(said []string, mark string) (got []int) {
	for _, text := range said {
		text = strings.NewReplacer("‹", "<", "›", ">", "\\", "").Replace(text)
		if i := strings.Index(text, "<"+mark); i >= 0 {
			var n int
			if _, err := fmt.Sscanf(text[i+1+len(mark):], "%d", &n); err == nil {
				got = append(got, n)
			}
		}
	}
	return got
}

// said are the texts of a room of the rich network.
func (w *world) said(room string) (texts []string) {
	for _, m := range w.rich.Messages(room) {
		if !m.Deleted {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// said are the lines that our bot said in a channel.
func (c *chatter) said(room string) (texts []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.seen {
		if strings.HasPrefix(l, ":permanence!") && strings.Contains(l, " "+room+" :") {
			texts = append(texts, l)
		}
	}
	return texts
}

// TestTwoHundredLinesOnErgo: a customer and an agent on IRC, another agent on
// the playground talk at once. Each line stands once in each room where it
// belongs, each person's in order, and what the team says stays inside; a
// correction and a deletion are told where they cannot be shown.
func TestTwoHundredLinesOnErgo(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	w := newWorld(t, onErgo(server))
	alice := enter(t, server.Addr, "alice", true, "#asso")
	camille := enter(t, server.Addr, "camille", true, "#asso", "#salle")
	alice.say("PRIVMSG #asso :permanence: deux cents lignes")
	card := w.card("deux cents lignes")
	camille.heard("deux cents lignes")
	const each = 67
	ids := make([]string, each)
	var group sync.WaitGroup
	group.Go(func() {
		for i := range each {
			alice.say(fmt.Sprintf("PRIVMSG #asso :<a%03d>", i))
		}
	})
	group.Go(func() {
		for i := range each {
			camille.say(fmt.Sprintf("PRIVMSG #salle :#1 <c%03d>", i))
		}
	})
	group.Go(func() {
		for i := range each {
			m, err := w.rich.Post(t.Context(), "dominique", playground.Draft{Room: "equipe", Thread: card.ID, Text: fmt.Sprintf("<d%03d>", i)})
			if err != nil {
				t.Error(err)
			}
			ids[i] = m.ID
		}
	})
	group.Wait()
	inEquipe := func() []string { return w.said("equipe") }
	inSalle := func() []string { return camille.said("#salle") }
	for _, c := range []struct {
		where string
		said  func() []string
		mark  string
	}{{"equipe", inEquipe, "a"}, {"equipe", inEquipe, "c"}, {"#salle", inSalle, "a"}, {"#salle", inSalle, "d"}} {
		w.await(fmt.Sprintf("the last line of %s in %s", c.mark, c.where), func() bool { return len(numbered(c.said(), c.mark)) >= each })
		for i, n := range numbered(c.said(), c.mark) {
			if n != i {
				t.Errorf("%s: line %d of %s is number %d", c.where, i, c.mark, n)
				break
			}
		}
	}
	must(t, w.rich.Edit("dominique", "equipe", ids[3], playground.Draft{Text: "<d003> corrigée"}))
	camille.heard("<d003> corrigée")
	must(t, w.rich.Delete("dominique", "equipe", ids[4]))
	camille.heard("(message effacé)")
	for mark, said := range map[string][]string{"a": alice.said("#asso"), "c": alice.said("#asso"), "d": alice.said("#asso")} {
		if got := numbered(said, mark); len(got) > 0 {
			t.Errorf("%d lines of %s were said in public", len(got), mark)
		}
	}
	for _, c := range []struct {
		where, mark string
		got, want   int
	}{
		{"equipe", "a", len(numbered(inEquipe(), "a")), each}, {"equipe", "c", len(numbered(inEquipe(), "c")), each},
		{"#salle", "a", len(numbered(inSalle(), "a")), each}, {"#salle", "d", len(numbered(inSalle(), "d")), each + 1}, // and the correction
	} {
		if c.got != c.want {
			t.Errorf("%s: %d lines of %s, want %d", c.where, c.got, c.mark, c.want)
		}
	}
}

// TestAskedOnNgIRCd: a server without accounts, history or echoes. A visitor
// asks, is followed through a change of nick, and is told in public; when they
// have left, whoever takes their nick is told nothing.
func TestAskedOnNgIRCd(t *testing.T) {
	server := testservers.NgIRCd(t)
	w := newWorld(t, onServer(irc.Config{Server: server.Addr, TLS: "off", Flood: irc.Flood{Unlimited: true}}, "#asso"))
	passing := enter(t, server.Addr, "passant", false, "#asso")
	other := enter(t, server.Addr, "autre", false, "#asso")

	other.say("PRIVMSG #asso :bonjour à tout le monde")
	passing.say("PRIVMSG #asso :permanence: je ne reçois plus rien")
	card := w.card("je ne reçois plus rien")
	other.say("PRIVMSG #asso :!fermer #1") // nobody is staff here
	passing.say("NICK passager")
	passing.heard(" NICK :passager")
	passing.say("PRIVMSG #asso :depuis ce matin")
	w.inThread(card, "depuis ce matin")
	other.say("PRIVMSG #asso :passager: chez moi aussi")
	w.inThread(card, "chez moi aussi")

	note := w.post("camille", "equipe", card.ID, "C'est réparé.")
	w.react("camille", note.ID, "✉️")
	passing.heard("passager: C'est réparé.")
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })
	w.post("camille", "equipe", card.ID, "!voir")
	w.inThread(card, "(accepté)")
	if m, _ := w.rich.Message(card.ID); contains(m.Text, "fermé") {
		t.Error("a stranger closed a ticket")
	}

	passing.say("QUIT :au revoir")
	other.heard("QUIT")
	second := w.post("camille", "equipe", card.ID, "Le détail, pour vous seul.")
	w.react("camille", second.ID, "✉️")
	w.await("⚠️", func() bool { return w.marked("equipe", second.ID, "⚠️") })
	thief := enter(t, server.Addr, "passager", false, "#asso")
	other.heard(":passager!")
	thief.say("PRIVMSG #asso :me revoilà")
	thief.say("PRIVMSG #asso :permanence: une tout autre question")
	w.card("une tout autre question")
	if n := thief.count("Le détail") + other.count("Le détail"); n != 0 {
		t.Errorf("the answer to somebody who has left was said %d times", n)
	}
	if n := w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Thread == card.ID && contains(m.Text, "me revoilà") }); n != 0 {
		t.Error("the thief of a nick speaks in the ticket of another")
	}
	if n := other.count("PRIVMSG #asso :passager: C'est réparé."); n != 1 {
		t.Errorf("the answer was said %d times", n)
	}
}

// TestAway: who has been asked in private and is away is named to the team,
// and the answer counts as confirmed.
func TestAway(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	w := newWorld(t, onErgo(server))
	alice := enter(t, server.Addr, "alice", true, "#asso")
	alice.say("PRIVMSG permanence :une question à part")
	card := w.card("une question à part")
	alice.say("AWAY :au marché")
	alice.heard(" 306 ")
	note := w.post("camille", "equipe", card.ID, "La réponse à part.")
	w.react("camille", note.ID, "✉️")
	alice.heard("La réponse à part.")
	w.inThread(card, "au marché")
	w.post("camille", "equipe", card.ID, "!voir")
	w.inThread(card, "(confirmé)")
}
