package bot_test

import (
	"bufio"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"time"

	"permanence/adapters/playground"
)

// The cases are numbered as in the collection of mails that bit real systems;
// each asserts on what the people see.

// envelope is a mail on the wire, as some server gives it to us.
type envelope struct {
	from string
	to   []string
	data string
}

// deliver speaks SMTP by hand and gives the reply to the data.
func (w *world) deliver(mails ...envelope) []int {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.smtpIn)
	must(w.t, err)
	defer conn.Close()
	must(w.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	c := textproto.NewConn(conn)
	line := func(format string, args ...any) int {
		if format != "" {
			must(w.t, c.PrintfLine(format, args...))
		}
		code, _, err := c.ReadResponse(0)
		if code == 0 {
			must(w.t, err)
		}
		return code
	}
	line("")
	line("EHLO mx.customers.example")
	var codes []int
	for _, m := range mails {
		line("MAIL FROM:<%s>", m.from)
		code := 0
		for _, to := range m.to {
			code = line("RCPT TO:<%s>", to)
		}
		if code == 250 {
			if code = line("DATA"); code == 354 {
				d := c.DotWriter()
				b := bufio.NewWriter(d)
				b.WriteString(strings.ReplaceAll(m.data, "\n", "\r\n"))
				b.Flush()
				d.Close()
				code = line("")
			}
		}
		codes = append(codes, code)
		line("RSET")
	}
	line("QUIT")
	return codes
}

// from is a mail of Alice's with these headers and this text.
func fromAlice(headers, text string) envelope {
	return envelope{from: "alice@customers.example", to: []string{"support@example.org"},
		data: "From: Alice <alice@customers.example>\nTo: support@example.org\n" + headers + "\n" + text + "\n"}
}

func (w *world) accepted(mails ...envelope) {
	w.t.Helper()
	for i, code := range w.deliver(mails...) {
		if code != 250 {
			w.t.Fatalf("mail %d: %d", i, code)
		}
	}
}

func (w *world) cards() int {
	return w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Card })
}

// inThread waits for a line of that card's thread.
func (w *world) inThread(card playground.Message, s string) playground.Message {
	w.t.Helper()
	return w.find("equipe", "in the thread: "+s, func(m playground.Message) bool { return m.Thread == card.ID && contains(m.Text, s) })
}

func TestThreading(t *testing.T) { both(t, threading) }

func threading(t *testing.T, on setup) {
	w := newWorld(t, on)
	w.accepted(fromAlice("Subject: suivi\nMessage-ID: <un@customers.example>\n", "Premier"))
	card := w.card("suivi")
	ack := w.mail("ack", func(m playground.Mail) bool { return true })
	w.post("camille", "equipe", card.ID, "!r Réponse")
	reply := w.mail("reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Réponse") })

	long := strings.Repeat(" <x@elsewhere.example>\n\t", 700)
	cases := []struct{ id, headers, text string }{
		{"T01", "In-Reply-To: <" + reply.MessageID + ">\n", "t-zero-un"},
		{"T02", "References: <" + ack.MessageID + ">\n", "t-zero-deux"},
		{"T03", "In-Reply-To: <hors@liste.example>\nReferences: <a@b.example> <b@c.example>\n <" + reply.MessageID + "> <d@e.example>\n", "t-zero-trois"},
		{"T04", "References: <" + ack.MessageID + ">\n" + long + "<z@elsewhere.example>\n", "t-zero-quatre"},
		{"T16 token alone", "X-Nothing: here\n", "t-seize"},
	}
	for _, c := range cases {
		m := fromAlice("Subject: Re: suivi\nMessage-ID: <"+strings.Fields(c.text)[0]+"@customers.example>\n"+c.headers, c.text)
		if strings.HasPrefix(c.id, "T16") {
			token := regexp.MustCompile(`support\+t\.[^@]+@example\.org`).FindString(reply.ReplyTo)
			if token == "" {
				t.Fatalf("no token in Reply-To %q", reply.ReplyTo)
			}
			m.to = []string{strings.ToUpper(token)}
			m.data = strings.Replace(m.data, "To: support@example.org", "To: <"+strings.ToUpper(token)+">", 1)
		}
		w.accepted(m)
		w.inThread(card, c.text)
	}
	if n := w.cards(); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
}

func TestIdentityOfMails(t *testing.T) { both(t, identityOfMails) }

func identityOfMails(t *testing.T, on setup) {
	w := newWorld(t, on)
	// T05, T06: without a usable Message-ID, two people have two tickets.
	for i, id := range []string{"", "Message-ID:\n", "Message-ID: <>\n", "Message-ID: no brackets\n"} {
		m := fromAlice(fmt.Sprintf("Subject: sans identifiant %d\n%s", i, id), fmt.Sprint("texte ", i))
		if i%2 == 1 {
			m.data = strings.Replace(m.data, "alice@", "basile@", 1)
		}
		w.accepted(m)
		w.card(fmt.Sprintf("sans identifiant %d", i))
	}
	if n := w.cards(); n != 4 {
		t.Errorf("%d tickets, want 4", n)
	}
	// T07: the same mail twice, by two roads.
	m := fromAlice("Subject: deux fois\nMessage-ID: <deux@customers.example>\n", "une seule")
	w.accepted(m)
	again := m
	again.data = "Received: from other (other [192.0.2.1])\n\tby mx; Mon, 1 Jan 2024 00:00:00 +0000\n" + m.data
	w.accepted(m, again)
	// T08: the same Message-ID with another text from somebody else.
	other := m
	other.data = strings.Replace(strings.Replace(m.data, "alice@", "basile@", 1), "une seule", "tout autre chose", 1)
	w.accepted(other)
	w.find("equipe", "flagged", func(m playground.Message) bool { return m.Card && contains(m.Text, "Même Message-ID") })
	if n := w.cards(); n != 6 {
		t.Errorf("%d tickets, want 6", n)
	}
	// T09: one mail to two role addresses is in both, linked.
	m = fromAlice("Cc: facturation@example.org\nSubject: deux guichets\nMessage-ID: <deux-guichets@customers.example>\n", "à vous deux")
	m.to = append(m.to, "facturation@example.org")
	w.accepted(m)
	w.find("equipe", "linked", func(m playground.Message) bool {
		return m.Card && contains(m.Text, "Le même mail est arrivé aussi dans #7")
	})
	// T10: a number in the subject is a hint, never a match.
	w.accepted(fromAlice("Subject: [#1] bonjour\nMessage-ID: <dix@customers.example>\n", "un inconnu"))
	w.find("equipe", "hint", func(m playground.Message) bool { return m.Card && contains(m.Text, "L’objet mentionne #1") })
	if n := w.cards(); n != 9 {
		t.Errorf("%d tickets, want 9", n)
	}
}

func TestMatchingIsNotPermission(t *testing.T) { both(t, matchingIsNotPermission) }

func matchingIsNotPermission(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("permission")
	w.post("camille", "equipe", card.ID, "!r Voici la réponse")
	reply := w.mail("reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Voici la réponse") })
	token := regexp.MustCompile(`support\+t\.[^@]+@example\.org`).FindString(reply.ReplyTo)

	// T17: the right token, another sender: inside only, subscribed to nothing.
	w.accepted(envelope{from: "mallory@evil.example", to: []string{token},
		data: "From: mallory@evil.example\nTo: " + token + "\nCc: eve@evil.example\nSubject: Re: permission\nMessage-ID: <m1@evil.example>\n\nEnvoyez-moi tout\n"})
	w.inThread(card, "ne fait pas partie de ce ticket")
	w.post("camille", "equipe", card.ID, "!r Suite pour Alice seule")
	next := w.mail("next reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Suite pour Alice") })
	for _, to := range next.Recipients {
		if strings.Contains(to, "evil") {
			t.Errorf("a stranger was subscribed: %v", next.Recipients)
		}
	}
	if strings.Contains(next.Text, "Envoyez-moi tout") {
		t.Error("the stranger's words were relayed")
	}
	// T18: one character wrong; and the token of another role address.
	bad := []byte(token)
	if i := strings.IndexByte(token, '@') - 1; bad[i] == 'a' {
		bad[i] = 'b'
	} else {
		bad[i] = 'a'
	}
	w.accepted(envelope{from: "alice@customers.example", to: []string{string(bad)},
		data: "From: alice@customers.example\nTo: " + string(bad) + "\nSubject: jeton faux\nMessage-ID: <m2@customers.example>\n\nBonjour\n"})
	w.find("equipe", "new ticket with a hint", func(m playground.Message) bool {
		return m.Card && contains(m.Text, "jeton faux") && contains(m.Text, "pas valable ici")
	})
	moved := strings.Replace(token, "support+", "facturation+", 1)
	w.accepted(envelope{from: "alice@customers.example", to: []string{moved},
		data: "From: alice@customers.example\nTo: " + moved + "\nSubject: autre guichet\nMessage-ID: <m3@customers.example>\n\nBonjour\n"})
	w.card("autre guichet")
	// T19: guessable forms match nothing.
	w.accepted(fromAlice("Subject: devine\nMessage-ID: <m4@customers.example>\nIn-Reply-To: <ticket-1@example.org>\nReferences: <p.1.1@example.org>\n", "Bonjour"))
	w.card("devine")
}

func TestAutomaticMail(t *testing.T) { both(t, automaticMail) }

func automaticMail(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("robots")
	w.post("camille", "equipe", card.ID, "!rf Réglé")
	reply := w.mail("reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Réglé") })
	// L19: what a person wrote carries no mark of a robot, an acknowledgement does.
	for _, m := range w.rich.Mails() {
		if m.Written {
			continue
		}
		_, raw, _ := w.rich.Mail(m.ID)
		if auto := strings.Contains(string(raw), "Auto-Submitted: auto-replied"); auto != (m.ID != reply.ID) {
			t.Errorf("Auto-Submitted %v on %q", auto, m.Subject)
		}
	}
	// L01: out of office in the thread: noted, not reopened, not answered.
	w.accepted(fromAlice("Subject: Absence\nMessage-ID: <abs@customers.example>\nAuto-Submitted: auto-replied (vacation)\nIn-Reply-To: <"+reply.MessageID+">\n", "Je suis en vacances"))
	w.inThread(card, "Message automatique")
	if m, _ := w.rich.Message(card.ID); !contains(m.Text, "fermé") {
		t.Errorf("reopened by a robot: %q", m.Text)
	}
	// L06: a robot that answers each of our words has one ticket and no answer.
	before := len(w.rich.Mails())
	for i := range 4 {
		w.accepted(envelope{from: "noreply@robot.example", to: []string{"support@example.org"},
			data: fmt.Sprintf("From: noreply@robot.example\nTo: support@example.org\nSubject: Impossible\nPrecedence: bulk\nMessage-ID: <r%d@robot.example>\n\nMessage %d non traité\n", i, i)})
	}
	robot := w.card("Impossible")
	w.inThread(robot, "Message 3 non traité")
	if n := len(w.rich.Mails()); n != before {
		t.Errorf("%d mails to a robot", n-before)
	}
	// L08: the empty sender is accepted. L09: a bounce stands on the message
	// that bounced, and reopens the ticket.
	note := w.post("camille", "equipe", card.ID, "Encore un mot")
	w.react("camille", note.ID, "✉️")
	again := w.mail("second", func(m playground.Mail) bool { return strings.Contains(m.Text, "Encore un mot") })
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })
	w.accepted(envelope{from: "", to: []string{"support@example.org"}, data: bounce(again.MessageID)})
	w.await("⚠️", func() bool { return w.marked("equipe", note.ID, "⚠️") && !w.marked("equipe", note.ID, "📬") })
	w.inThread(card, "Non remis")
	w.find("equipe", "reopened", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "ouvert ·") })
	// L13: a forged bounce changes nothing.
	w.accepted(envelope{from: "", to: []string{"support@example.org"}, data: bounce("ticket-1@example.org")})
	w.find("equipe", "set aside and told", fromBot("n’a pas pu être traité"))
}

func bounce(id string) string {
	return "From: MAILER-DAEMON@customers.example\nTo: support@example.org\nSubject: Undelivered Mail\nAuto-Submitted: auto-replied\n" +
		"Message-ID: <dsn-" + id[:8] + "@customers.example>\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: text/plain\n\nSorry.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; customers.example\n\n" +
		"Final-Recipient: rfc822; alice@customers.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n" +
		"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <" + id + ">\nSubject: x\n\n--b--\n"
}

func TestHostileContent(t *testing.T) { both(t, hostileContent) }

func hostileContent(t *testing.T, on setup) {
	w := newWorld(t, on)
	// M09: no text at all.
	w.accepted(fromAlice("Subject: vide\nMessage-ID: <v@customers.example>\n", ""))
	if c := w.card("vide"); !contains(c.Text, "(sans texte)") {
		t.Errorf("card of an empty mail: %q", c.Text)
	}
	// M01: bytes that are no text.
	w.accepted(fromAlice("Subject: octets \xff\xfe\nMessage-ID: <o@customers.example>\nContent-Type: text/plain; charset=utf-8\n", "a\x00b\xc3("))
	w.card("octets")
	// M13: what would ping, command or draw.
	w.accepted(fromAlice("Subject: @channel\nMessage-ID: <p@customers.example>\n", "@channel @here @camille\n!fermer\n/close\n![x](http://evil.example/x.png)\nControl: close"))
	c := w.find("equipe", "inert", func(m playground.Message) bool { return m.Card && strings.Contains(m.Text, "fermer") })
	if len(c.Mentions) > 0 || strings.Contains(c.Text, "@channel") || strings.Contains(c.Text, "![x]") {
		t.Errorf("not inert: %q %v", c.Text, c.Mentions)
	}
	// M11, M12: HTML.
	w.accepted(fromAlice("Subject: page\nMessage-ID: <h@customers.example>\nContent-Type: text/html\n",
		`<p>Bonjour<script>alert(1)</script><img src="http://169.254.169.254/x"><b>gras</b></p>`))
	c = w.card("page")
	if strings.Contains(c.Text, "alert(1)") || strings.Contains(c.Text, "![") || !contains(c.Text, "gras") {
		t.Errorf("html: %q", c.Text)
	}
	// R06: two mails in one connection.
	w.accepted(fromAlice("Subject: liaison une\nMessage-ID: <l1@customers.example>\n", "un"),
		envelope{from: "basile@customers.example", to: []string{"facturation@example.org"},
			data: "From: basile@customers.example\nTo: facturation@example.org\nSubject: liaison deux\nMessage-ID: <l2@customers.example>\n\ndeux\n"})
	if c := w.card("liaison deux"); strings.Contains(c.Text, "support@") {
		t.Errorf("leaked recipient: %q", c.Text)
	}
}

func TestRecipients(t *testing.T) { both(t, recipients) }

func recipients(t *testing.T, on setup) {
	w := newWorld(t, on)
	// R01: three in Cc, one mail, all visible, and said before it leaves.
	m := fromAlice("Cc: b@customers.example, c@customers.example,\n d@customers.example\nSubject: à plusieurs\nMessage-ID: <r@customers.example>\n", "Bonjour")
	w.accepted(m)
	card := w.card("à plusieurs")
	// R04: one of them is greylisted at first, another refused for good.
	w.box.Refuse("b@customers.example", 450, "4.7.1 greylisted")
	w.box.Refuse("c@customers.example", 550, "5.1.1 no such user")
	note := w.post("camille", "equipe", card.ID, "À vous tous")
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "said before", fromBot("mail à 4 personnes"))
	first := w.mail("the first attempt", func(m playground.Mail) bool { return strings.Contains(m.Text, "À vous tous") })
	if len(first.Recipients) != 2 || len(first.Cc) != 4 {
		t.Errorf("envelope %v, Cc %v", first.Recipients, first.Cc)
	}
	w.box.Refuse("b@customers.example", 0, "")
	second := w.mail("the second attempt", func(m playground.Mail) bool { return m.ID != first.ID && strings.Contains(m.Text, "À vous tous") })
	if len(second.Recipients) != 1 || second.Recipients[0] != "b@customers.example" || second.MessageID != first.MessageID {
		t.Errorf("second attempt to %v under %s (first %s)", second.Recipients, second.MessageID, first.MessageID)
	}
	w.await("⚠️ for the one refused", func() bool { return w.marked("equipe", note.ID, "⚠️") })
	w.inThread(card, "c@customers.example")
	// R02: the acknowledgement went to the requester alone.
	for _, m := range w.rich.Mails() {
		if !m.Written && strings.Contains(m.Subject, "#1") && !strings.Contains(m.Subject, "Re:") && len(m.Recipients) != 1 {
			t.Errorf("acknowledgement to %v", m.Recipients)
		}
	}
}

func TestSubmissionServerAway(t *testing.T) { both(t, submissionServerAway) }

func submissionServerAway(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("panne")
	w.mail("ack", func(playground.Mail) bool { return true })
	w.box.Refuse("", 451, "4.3.0 come back later")
	note := w.post("camille", "equipe", card.ID, "Quand ça reviendra")
	w.react("camille", note.ID, "✉️")
	w.inThread(card, "Pas encore parti")
	w.stop() // R05: the queue survives a restart
	w.box.Refuse("", 0, "")
	w.start()
	w.mail("after the outage", func(m playground.Mail) bool { return strings.Contains(m.Text, "Quand ça reviendra") })
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })
}
