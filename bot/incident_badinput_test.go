package bot_test

import (
	"slices"
	"strings"
	"testing"

	"permanence/adapters/playground"
	"permanence/bot/chat"
)

// hostile is in each field once: markup of three kinds, a header, a command of
// another protocol, a mention of everybody, text that reads backwards, 30 kB.
var hostile = "<script>alert(1)</script> **x** [a](javascript:b) \u202edrow\u202c @here @all\r\nBcc: x@y.example\r\nTOPIC #asso :pris\n\x00\x07" + strings.Repeat("long ", 6000)

// public are all lines that stand where the public reads.
func (w *world) public() (lines []string) {
	for _, m := range w.rich.Messages("etat") {
		lines = append(lines, m.Text)
	}
	for _, m := range w.poor.Messages("asso") {
		lines = append(lines, m.Text)
	}
	return lines
}

// answerTo is what the team's room reads next.
func (w *world) answerTo(text string) (answer string) {
	w.t.Helper()
	before := len(w.rich.Messages("equipe"))
	w.post("camille", "equipe", "", text)
	w.await("an answer to "+text, func() bool {
		list := w.rich.Messages("equipe")[before:]
		if i := slices.IndexFunc(list, fromBot("")); i >= 0 {
			answer = list[i].Text
		}
		return answer != ""
	})
	return answer
}

// Every input that cannot be done as it was typed is answered by a sentence
// that says what to do, and publishes nothing.
func TestIncidentBadInput(t *testing.T) {
	var c clock
	w := newWorld(t, status(t, &c))
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.command("!incident fin 1 réparé", "dite partout")
	w.command("!incident début web lent", "Incident 2 annoncé")
	w.command("!travaux prévoir demain 22h pendant 2h web : câble", "Rien n’est encore publié")
	w.command("!travaux publier", "Travaux 3 annoncés")
	w.find("etat", "all announced", fromBot("[Travaux 3]"))
	w.findOn(w.poor, "asso", "all announced", has("[Travaux 3]"))
	before := w.public()
	for _, v := range []struct{ text, want string }{
		// Times.
		{"!travaux prévoir hier 22h pendant 1h disque", "C’est passé"},
		{"!travaux prévoir 2020-01-01 22:00 pendant 2h disque", "C’est passé"},
		{"!travaux prévoir un de ces jours : disque", "Aucune heure n’est comprise"},
		{"!travaux prévoir demain 25h pendant 2h : disque", "il manque l’heure"},
		{"!travaux prévoir demain 22h disque", "il manque la fin"},
		{"!travaux prévoir demain 22h pendant 2h", "dites aussi ce qui est fait"},
		{"!travaux prévoir", "heure"},
		{"!travaux prévoir 31 octobre 2027 2h30 pendant 1h web", "vient deux fois"},
		{"!travaux reporter 3 hier 22h", "C’est passé"},
		{"!travaux reporter 3 quand on pourra", "Aucune heure n’est comprise"},
		{"!travaux reporter 3", "heure"},
		{"!travaux reporter 2 demain 22h", "est un incident"},
		// What is over, was never, or is something else.
		{"!incident fin 1", "Le numéro 1 n’est pas en cours"},
		{"!incident fin 99", "Le numéro 99 n’est pas en cours"},
		{"!incident fin 3", "désigne des travaux"},
		{"!travaux fin 3", "n’ont pas commencé"},
		{"!travaux fin 2", "est un incident"},
		{"!incident maj 1 encore", "Le numéro 1 n’est pas en cours"},
		{"!incident maj 2", "il manque le texte"},
		{"!incident début", "dites ce qui arrive"},
		{"!incident corriger 2", "il manque le texte"},
		{"!incident corriger 99 rien", "L’incident 99 n’existe pas"},
		{"!incident corriger 2.7 rien", "le dernier est 2.1"},
		{"!incident bilan 99 texte", "L’incident 99 n’existe pas"},
		{"!incident bilan 2 texte", "n’est pas terminé"},
		{"!incident bilan 12", "Pour le bilan d’une année"},
		{"!incident relancer", "Quel incident"},
		{"!incident relancer 99", "L’incident 99 n’existe pas"},
		{"!incident où 99", "L’incident 99 n’existe pas"},
		{"!incident où", "Quel incident"},
		{"!incident rattacher #99", "#99"},
		{"!incident envoyer 99", "L’incident 99 n’existe pas"},
		{"!incident envoyer", "Quel incident"},
		{"!incident publier", "Rien n’attend d’être publié"},
		{"!incident publier 99", "Rien n’attend d’être publié"},
		{"!incident faim 2", "fin"},
	} {
		c.ms.Add(10_000) // else the breaker takes us for a robot
		if got := w.answerTo(v.text); !contains(got, v.want) {
			t.Errorf("%s is answered %q, want %q", v.text, got, v.want)
		}
	}
	if after := w.public(); !slices.Equal(before, after) {
		t.Errorf("something was published:\n%q\n%q", before, after)
	}
	// An unknown service is no error: it is published as text, and asked about.
	w.command("!incident début frobnicateur en panne", "Aucun service n’est reconnu : pour en nommer un, `!incident corriger 4 service : texte`")
	w.find("etat", "published", fromBot("Frobnicateur en panne"))
}

// Two people end it at once: it ends once, and the other is told. So it is with
// buttons, and after a restart.
func TestTwoEndAtOnce(t *testing.T) { both(t, twoEndAtOnce) }

func twoEndAtOnce(t *testing.T, on setup) {
	w := newWorld(t, on)
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	head := w.find("etat", "start", fromBot("Messagerie : lente"))
	w.post("camille", "equipe", "", "!incident fin 1 c'est fini")
	w.post("dominique", "equipe", "", "!incident fin 1 terminé")
	w.find("equipe", "one", fromBot("Incident 1 terminé"))
	w.find("equipe", "the other", fromBot("Aucun incident n’est en cours"))
	w.find("equipe", "everywhere", fromBot("dite partout"))
	w.stop()
	w.start()
	w.command("!incident fin 1", "Aucun incident n’est en cours")
	if n := w.count(w.rich, "etat", func(m playground.Message) bool { return m.Thread == head.ID }); n != 1 {
		t.Errorf("ended %d times", n)
	}
}

// What is hostile is shown as it is, in every field, and breaks nothing.
func TestHostileIncidents(t *testing.T) { both(t, hostileIncidents) }

func hostileIncidents(t *testing.T, on setup) {
	var c clock
	w := newWorld(t, on, status(t, &c), func(w *world) { w.opt.Desks[0].HoldMail = 0 })
	w.ticketByMail("une question")
	machine := func(line string) {
		t.Helper()
		if _, err := w.bot.FromMachine(t.Context(), line, "fr"); err != nil {
			t.Errorf("%.40q: %v", line, err)
		}
	}
	machine("incident start messagerie : " + hostile)
	head := w.find("etat", "start", fromBot("[Incident 1]"))
	w.post("camille", "equipe", "", "!incident rattacher #1")
	w.find("equipe", "attached", fromBot("Rattaché à l’incident 1"))
	machine("incident update 1 identifié : " + hostile)
	machine("incident edit 1.1 " + hostile + " corrigé")
	machine("incident edit 1.2 " + hostile + " corrigé aussi")
	machine("incident update 1 EN: " + hostile)
	machine("incident answer 1 " + hostile)
	machine("incident end 1 " + hostile)
	machine("incident send 1")
	machine("incident report 1 " + hostile)
	machine("maintenance plan tomorrow 10pm for 2h mail: " + hostile)
	machine("maintenance move 2 by 1h " + hostile)
	machine("maintenance cancel 2 " + hostile)
	w.find("etat", "the last", fromBot("Annulés"))
	w.findOn(w.poor, "asso", "the last", has("Annulés"))
	w.mail("the answer", mailTo("alice", "alert(1)"))
	for _, m := range w.rich.Messages("etat") {
		if len(m.Mentions) != 0 || strings.ContainsAny(m.Text, "\u202e\x00\x07") {
			t.Errorf("mentions %v in %.200q", m.Mentions, m.Text)
		}
	}
	for _, m := range w.poor.Messages("asso") {
		if strings.ContainsAny(m.Text, "\r\n\u202e\x00\x07") || len(m.Text) > 2000 {
			t.Errorf("a line of %d bytes: %.200q", len(m.Text), m.Text)
		}
	}
	if topic := w.topic(); strings.Contains(topic, "pris") && strings.HasPrefix(topic, "pris") {
		t.Errorf("the topic is %q", topic)
	}
	if m, _ := w.rich.Message(head.ID); len([]rune(m.Text)) > 1000 {
		t.Errorf("a headline of %d characters", len([]rune(m.Text)))
	}
	for _, m := range w.rich.Mails() {
		if !m.Written && (strings.Contains(strings.Join(m.Cc, " "), "x@y.example") || strings.Contains(strings.Join(m.To, " "), "x@y.example")) {
			t.Errorf("a header was smuggled in: %v %v", m.To, m.Cc)
		}
	}
	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if strings.ContainsAny(one.Title, "\u202e\n\r") || len([]rune(one.Title)) > 100 {
		t.Errorf("title %q", one.Title)
	}
	w.command("!incident où 1", "1.1")
	w.command("!incident début tout va encore", "Incident 3 annoncé")
}

// A room that is gone is named, with the way to tell it; the others are told.
func TestIncidentRoomGone(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "tchat", Room: "jamais"}, chat.Place{Adapter: "irc", Room: "asso"})
	})
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.find("equipe", "told which", fromBot("tchat:jamais n’a pas été prévenu"))
	w.find("etat", "told", fromBot("Messagerie : lente"))
	w.findOn(w.poor, "asso", "told", has("Messagerie : lente"))
	w.command("!incident où 1", "`!incident relancer 1`")
	w.command("!incident fin 1", "Pas prévenu(s) : tchat:jamais")
}
