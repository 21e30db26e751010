//go:build goolm

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// nioStory is the released program between a customer and a team whose clients
// are made with matrix-nio, all rooms encrypted.
type nioStory struct {
	t       *testing.T
	server  *testservers.DendriteServer
	wire    *matrixWire
	program *program

	us                    testservers.MatrixAccount
	aliceLogin, teamLogin testservers.MatrixAccount
	alice, camille        *testservers.NioPeer
	public, team          string // rooms
	asked, thread         string // roots of the ticket's threads
}

// TestMatrixNio is one story with another implementation of Matrix: what the
// customer and the team write is encrypted by libolm there and read here, and
// the other way round; through a restart of the server, a cut, new devices of
// both people, and a database put back.
func TestMatrixNio(t *testing.T) {
	s := &nioStory{t: t, server: testservers.NewDendrite(t, testservers.DendriteOptions{})}
	s.us, s.aliceLogin, s.teamLogin = s.server.Register(t, "permanence"), s.server.Register(t, "alice"), s.server.Register(t, "camille")
	s.wire = newMatrixWire(t, s.server.URL)
	s.alice, s.camille = testservers.Nio(t, s.server, s.aliceLogin), testservers.Nio(t, s.server, s.teamLogin)
	s.public = s.alice.Create(testservers.NioRoom{Encrypted: true, Public: true, Invite: []string{s.us.UserID}})
	s.team = s.camille.Create(testservers.NioRoom{Encrypted: true, Invite: []string{s.us.UserID}})
	web, _ := freePorts(t)
	s.program = newProgram(t, map[string]string{
		"matrix.pass": s.us.Password + "\n",
		"permanence.yaml": fmt.Sprintf(`name: Test
language: en
database: sqlite:x.db
web: {listen: %q, url: %q}
adapters:
  matrix: {type: matrix, url: %q, user: %q, password_file: matrix.pass, encryption: "on"}
desks:
  support:
    rooms: ["matrix:%s"]
    intakes: [{from: "matrix:%s", opens: every-message}]
    agents: ["matrix:%s"]
    invites: ["matrix:@*:example.org"]
    hold: {chat: 1s}
    acknowledge: {chat: false}
`, web, "http://"+web, s.wire.URL, s.us.UserID, s.team, s.public, s.camille.UserID),
	})
	s.begin()
	s.conversation()
	s.files()
	s.corrections()
	s.direct()
	s.restarted()
	yesterday := s.yesterday()
	s.cut()
	s.newDevices()
	s.many()
	s.restored(yesterday)
}

// ours waits for a message of ours at somebody's client, decrypted. Words whose
// keys came late stand in an edit of it.
func (s *nioStory) ours(at *testservers.NioPeer, room, words string) testservers.NioEvent {
	s.t.Helper()
	e := at.Await(words, func(e testservers.NioEvent) bool {
		return e.Sender == s.us.UserID && e.Room == room && e.Sealed && e.Kind != "unreadable" && strings.Contains(e.Body, words)
	})
	if e.Kind == "edit" {
		edit := e
		e = at.Await("what was edited", func(e testservers.NioEvent) bool { return e.ID == edit.Target })
		e.Body = edit.Body
	}
	return e
}

// begin starts the program; people wait until it is there.
func (s *nioStory) begin() {
	s.t.Helper()
	s.program.start()
	joined := func(room string) func(testservers.NioEvent) bool {
		return func(e testservers.NioEvent) bool {
			return e.Room == room && e.Kind == "m.room.member" && e.Target == s.us.UserID && e.Body == "join"
		}
	}
	s.alice.Await("us", joined(s.public))
	s.camille.Await("us", joined(s.team))
}

// conversation: a question becomes a ticket, and its answer comes back in the
// thread of the question.
func (s *nioStory) conversation() {
	s.t.Helper()
	s.asked = s.alice.Say(s.public, "", "Bonjour, mon site ne répond plus.")
	card := s.ours(s.camille, s.team, "mon site ne répond plus")
	s.thread = card.ID
	s.exchange("premier")
}

// exchange wants something said by each to be read by the other, in the
// threads.
func (s *nioStory) exchange(word string) {
	s.t.Helper()
	s.alice.Say(s.public, s.asked, "question "+word)
	if e := s.ours(s.camille, s.team, "question "+word); e.Thread != s.thread {
		s.t.Errorf("%s: the team reads it outside of the thread: %+v", word, e)
	}
	s.camille.Say(s.team, s.thread, "!r réponse "+word)
	if e := s.ours(s.alice, s.public, "réponse "+word); e.Thread != s.asked {
		s.t.Errorf("%s: the customer reads it outside of the thread: %+v", word, e)
	}
}

// files: encrypted ones arrive as they were. The team opens those of customers
// behind a link of ours, customers get a file.
func (s *nioStory) files() {
	s.t.Helper()
	from, back := bytes.Repeat([]byte("capture\x00"), 9000), bytes.Repeat([]byte("facture\xff"), 7000)
	s.alice.Upload(s.public, s.asked, "capture.bin", from)
	line := s.ours(s.camille, s.team, "capture.bin")
	link := regexp.MustCompile(`http://\S+/f/\w+`).FindString(line.Body)
	if link == "" || line.Thread != s.thread {
		s.t.Fatalf("no link to the file: %+v", line)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	var body string
	poll(s.t, ctx, "the file", func() (there bool) {
		var code int
		code, body = get(s.t, ctx, link)
		return code == http.StatusOK
	})
	if body != string(from) {
		s.t.Errorf("a file of %d bytes came as %d", len(from), len(body))
	}

	sent := s.camille.Upload(s.team, s.thread, "facture.bin", back)
	s.camille.React(s.team, sent, "✉️")
	e := s.alice.Await("a file", func(e testservers.NioEvent) bool {
		return e.Sender == s.us.UserID && e.Kind == "m.file" && len(e.File) > 0
	})
	if got := s.alice.Download(e); !bytes.Equal(got, back) || !e.Sealed || e.Thread != s.asked {
		s.t.Errorf("a file of %d bytes came as %d, %+v", len(back), len(got), e)
	}
}

// corrections: what is edited or taken back is so for the team too.
func (s *nioStory) corrections() {
	s.t.Helper()
	shows := func(target, words string) {
		s.t.Helper()
		s.camille.Await(words, func(e testservers.NioEvent) bool {
			return e.Kind == "edit" && e.Sender == s.us.UserID && e.Target == target && e.Sealed && strings.Contains(e.Body, words)
		})
	}
	wrong := s.alice.Say(s.public, s.asked, "le nom est exmaple.org")
	line := s.ours(s.camille, s.team, "exmaple.org")
	s.alice.Edit(s.public, wrong, "le nom est example.org")
	shows(line.ID, "le nom est example.org")

	secret := s.alice.Say(s.public, s.asked, "mot de passe azerty")
	line = s.ours(s.camille, s.team, "azerty")
	s.alice.Redact(s.public, secret)
	shows(line.ID, "message deleted")
}

// direct: an encrypted conversation with us alone.
func (s *nioStory) direct() {
	s.t.Helper()
	room := s.alice.Create(testservers.NioRoom{Encrypted: true, Direct: true, Invite: []string{s.us.UserID}})
	s.ours(s.alice, room, "") // the greeting
	s.alice.Say(room, "", "Une facture à mon nom, en privé ?")
	card := s.ours(s.camille, s.team, "en privé ?")
	s.camille.Say(s.team, card.ID, "!r Oui, la voici.")
	s.ours(s.alice, room, "Oui, la voici.")
}

// restarted: the server forgets what it had in memory.
func (s *nioStory) restarted() {
	s.t.Helper()
	s.server.Stop()
	s.program.await(chat.Cut)
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exchange("après le serveur")
	s.program.await(chat.CaughtUp)
}

// yesterday copies the database while the program is stopped.
func (s *nioStory) yesterday() (dir string) {
	s.t.Helper()
	s.program.stop()
	dir = s.program.backup()
	s.program.start()
	s.exchange("après l’arrêt")
	return dir
}

// cut: what is said while we are away is read when we are back.
func (s *nioStory) cut() {
	s.t.Helper()
	s.wire.cut()
	s.program.await(chat.Cut)
	s.alice.Say(s.public, s.asked, "dit pendant la coupure")
	s.camille.Say(s.team, s.thread, "!r répondu pendant la coupure")
	s.wire.mend()
	s.ours(s.camille, s.team, "dit pendant la coupure")
	s.ours(s.alice, s.public, "répondu pendant la coupure")
	s.exchange("après la coupure")
}

// newDevices: both people have new devices with new keys, and the old ones are
// gone.
func (s *nioStory) newDevices() {
	s.t.Helper()
	again := func(p *testservers.NioPeer, login testservers.MatrixAccount) *testservers.NioPeer {
		s.t.Helper()
		p.Logout()
		p.Close()
		fresh := testservers.Nio(s.t, s.server, login)
		if fresh.Device == p.Device {
			s.t.Fatal("the same device")
		}
		return fresh
	}
	s.alice = again(s.alice, s.aliceLogin)
	s.exchange("nouvel appareil de la cliente")
	s.camille = again(s.camille, s.teamLogin)
	s.exchange("nouvel appareil de l’équipe")
}

// many: two hundred messages within twenty seconds, in order.
func (s *nioStory) many() {
	s.t.Helper()
	const many = 200
	var texts []string
	for i := range many {
		texts = append(texts, fmt.Sprintf("foule-%03d.", i))
	}
	began := time.Now()
	s.alice.SayAll(s.public, s.asked, texts)
	said := time.Since(began)
	s.ours(s.camille, s.team, texts[many-1])
	seen := time.Since(began)
	s.t.Logf("%d messages said within %v, seen by the team within %v", many, said, seen)
	// In the order of the lines, as they read in the end.
	var order []string
	body := map[string]string{}
	for _, e := range s.camille.Events() {
		if e.Sender != s.us.UserID || e.Room != s.team || !e.Sealed {
			continue
		}
		if e.Kind == "edit" {
			body[e.Target] = e.Body
			continue
		}
		order, body[e.ID] = append(order, e.ID), e.Body
	}
	next := 0
	for _, id := range order {
		if !strings.Contains(body[id], "foule-") {
			continue
		}
		if next == many || !strings.Contains(body[id], texts[next]) {
			s.t.Fatalf("%q came in the place %d", body[id], next)
		}
		next++
	}
	if next != many {
		s.t.Errorf("%d came of %d", next, many)
	}
	s.exchange("après la foule")
}

// restored: yesterday's copy is put back. What others have seen of our keys
// since then is not in it.
func (s *nioStory) restored(yesterday string) {
	s.t.Helper()
	if out, err := s.program.run("matrix", "restored"); err == nil || !strings.Contains(out, "running") {
		s.t.Errorf("the command on a running program: %v\n%s", err, out)
	}
	s.program.stop()
	s.program.restore(yesterday)
	out, err := s.program.run("matrix", "restored")
	if err != nil || !strings.Contains(out, "makes anew") {
		s.t.Errorf("permanence matrix restored: %v\n%s", err, out)
	}
	s.program.start()
	found, err := s.program.run("check")
	if !strings.Contains(found, "matrix-restored") {
		s.t.Errorf("check does not tell of it: %v\n%s", err, found)
	}
	s.exchange("après la copie")
	// What the copy had forgotten comes again from history; nobody hears it a
	// second time.
	s.ours(s.camille, s.team, "Not run")
	said := map[string]int{}
	for _, e := range s.alice.Events() {
		if e.Sender == s.us.UserID && strings.HasPrefix(e.Kind, "m.") && strings.Contains(e.Body, "réponse après") {
			said[e.Body]++
		}
	}
	for words, n := range said {
		if n != 1 {
			s.t.Errorf("%q is said %d times", words, n)
		}
	}
}
