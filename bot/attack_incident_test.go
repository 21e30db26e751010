package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
)

// Planned work to which requests are attached owes them an answer at its end
// as an incident does, and when it is given up.
func TestAttackAnswerOfPlannedWork(t *testing.T) {
	for _, over := range []string{"fin 1 Tout est remplacé.", "annuler 1 Ce n'est plus utile."} {
		t.Run(over[:3], func(t *testing.T) {
			w := newWorld(t)
			w.ticketByMail("quand est-ce ?")
			w.command("!travaux prévoir demain 22h pendant 2h messagerie : disques", "Rien n’est encore publié")
			w.command("!travaux publier", "Travaux 1 annoncés")
			w.command("!incident rattacher #1 1", "Rattaché")
			if strings.HasPrefix(over, "fin") {
				w.command("!travaux début 1", "commenc")
			}
			w.post("camille", "equipe", "", "!travaux "+over)
			w.find("equipe", "proposed", fromBot("1 demande y est rattachée"))
			w.command("!incident envoyer 1", "part vers 1 demande")
			w.mail("alice", mailTo("alice", strings.SplitN(over, " 1 ", 2)[1]))
		})
	}
}

// The machine asks for a second gesture with --yes; the same line from a script
// that tries again is no gesture.
func TestAttackMachineAsksAgain(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		a, err := w.bot.Machine().Do(t.Context(), "incident start mail slow at canari.interne", "en", false)
		must(t, err)
		if a.Done || !a.Asked {
			t.Fatalf("%+v", a)
		}
	}
	if n := w.count(w.rich, "etat", has("canari")); n != 0 {
		t.Error("an internal name is public")
	}
	a, err := w.bot.Machine().Do(t.Context(), "incident start mail slow at canari.interne", "en", true)
	must(t, err)
	if !a.Done {
		t.Errorf("with yes: %+v", a)
	}
}

// Every verb that did something at the machine says so: a script that is told
// of a failure would do it again.
func TestAttackMachineAnswers(t *testing.T) {
	w := newWorld(t)
	w.ticketByMail("rien ne marche")
	do := func(line string) bot.MachineAnswer {
		t.Helper()
		a, err := w.bot.Machine().Do(t.Context(), line, "fr", false)
		must(t, err)
		return a
	}
	for _, tt := range []struct {
		line string
		done bool
		text string
	}{
		{"incident start messagerie lente", true, "Incident 1"},
		{"incident send 1", false, "Aucune réponse"},
		{"incident answer 1", false, "Aucune réponse"},
		{"incident attach #1 1", true, "1"},
		{"incident answer 1 C'est réparé, merci.", true, "C'est réparé"},
		{"incident answer 1", true, "C'est réparé"},
		{"incident send 1", false, "dure encore"},
		{"incident end 1", true, "terminé"},
		{"incident send 1", true, "part vers 1 demande"},
	} {
		if a := do(tt.line); a.Done != tt.done || !contains(a.Text, tt.text) {
			t.Errorf("%s: %+v", tt.line, a)
		}
	}
	w.mail("alice", mailTo("alice", "C'est réparé"))
	w.stands(1, "1 a reçu la réponse")
	w.command("!incident où 1", "1 a reçu la réponse")
	if a := do("incident send 1"); a.Done || !contains(a.Text, "déjà partie") {
		t.Errorf("twice: %+v", a)
	}
	if n := w.mails("C'est réparé"); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// Words that cannot be seen are no answer, and none that begins with a sign
// behind them is one.
func TestAttackAnswerOfNothing(t *testing.T) {
	w := newWorld(t)
	w.ticketByMail("rien ne marche")
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.command("!incident rattacher #1", "Rattaché")
	w.command("!incident fin 1 C'est réparé.", "1 demande y est rattachée")
	for _, text := range []string{"\u202e\u200b\u2066", "\u200b!oups", "\u202e/oups", "\n\t\u00a0", "\u2060"} {
		a, err := w.rich.Submit(t.Context(), "camille", playground.Submission{Room: "equipe", Form: "incident.answer", Value: "1",
			Fields: map[string]string{"text": text}})
		must(t, err)
		t.Logf("%q: %q", text, a.Text)
	}
	w.command("!incident réponse 1", "> C'est réparé.")
	must(t, w.store.View(t.Context(), func(tx bot.Tx) error {
		a, _, err := tx.CommonAnswer(1)
		must(t, err)
		e, err := tx.Entry(a.Entry)
		if !contains(e.Body, "C'est réparé.") {
			t.Errorf("the answer is now %q", e.Body)
		}
		return err
	}))
}

// Whoever writes while the common answer is in its hold has their ticket open.
func TestAttackAskerWritesInTheHold(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.opt.Desks[0].HoldChat, w.opt.Desks[0].HoldMail = 1500*time.Millisecond, 1500*time.Millisecond
	})
	cards, post, _ := threeAsk(w)
	w.command("!incident fin 1 Un disque a été changé.", "3 demandes y sont rattachées")
	w.command("!incident envoyer 1", "part vers 3 demandes")
	w.find("equipe", "held", inThread(cards[1].ID, "⏳ →"))
	w.post("basile", "entraide", post.ID, "et mes messages perdus ?")
	w.find("equipe", "heard", inThread(cards[1].ID, "messages perdus"))
	w.find("entraide", "told", func(m playground.Message) bool { return m.Thread == post.ID && contains(m.Text, "disque") })
	w.cardNow(cards[0].ID, "the other is closed", hasButton("reopen"))
	w.command("!voir #2", "#2")
	if c, _ := w.rich.Message(cards[1].ID); hasButton("reopen")(c) {
		t.Errorf("a question that came during the hold was closed with its ticket:\n%s", w.dump())
	}
}

// A desk that is no longer configured: its askers are named, not forgotten.
func TestAttackDeskGone(t *testing.T) {
	w := newWorld(t, func(w *world) {
		other := w.opt.Desks[0]
		other.Name, other.Rooms = "facturation", []chat.Place{{Adapter: "tchat", Room: "equipe2"}}
		other.Intakes = other.Intakes[2:]
		w.opt.Desks[0].Intakes = w.opt.Desks[0].Intakes[:2]
		w.opt.Desks = append(w.opt.Desks, other)
	})
	w.write(playground.Letter{By: "alice", To: []string{"facturation@example.org"}, Subject: "Ma facture", Text: "La page de paiement ne répond pas."})
	w.find("equipe2", "the card", has("Ma facture"))
	w.command("!incident début paiement en panne", "Incident 1 annoncé")
	// Another desk's agent attaches nothing of theirs.
	w.command("!incident rattacher #1 1", "#1")
	if n := w.count(w.rich, "equipe2", has("Rattaché")); n != 0 {
		t.Error("attached by the other desk")
	}
	if a, err := w.bot.Machine().Do(t.Context(), "incident attach #1 1", "fr", false); err != nil || !a.Done {
		t.Fatalf("%+v %v", a, err)
	}
	w.find("equipe2", "attached", has("Rattaché"))
	w.stop()
	w.opt.Desks = w.opt.Desks[:1]
	w.start()
	w.command("!incident fin 1 réparé", "1 demande y est rattachée")
	w.command("!incident envoyer 1", "part vers 1 demande")
	w.find("equipe", "named", func(m playground.Message) bool {
		return m.By == "permanence" && contains(m.Text, "⚠️") && contains(m.Text, "#1") && !contains(m.Text, "envoyer")
	})
	w.noMail("réparé")
}

// A subject of any length and shape stays in one line of the proposal, and is
// in no command.
func TestAttackSurgeSubject(t *testing.T) {
	w := newWorld(t)
	bad := "serveur cassé @channel `x` !incident fin \u202e <b>\r\nBcc: a@b.example " + strings.Repeat("long ", 3000)
	for i, name := range []string{"Un", "Deux", "Trois", "Quatre"} {
		acc, err := w.rich.AddAccount(name)
		must(t, err)
		w.post(acc.ID, "entraide", "", bad)
		w.await(fmt.Sprint("ticket ", i+1), func() bool {
			return w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Card }) == i+1
		})
	}
	m := w.find("equipe", "proposal", fromBot("demandes semblables"))
	if len(m.Text) > 1000 || strings.Contains(m.Text, "`!incident début serveur") || len(m.Mentions) != 0 || strings.Contains(m.Text, "\u202e") || strings.Contains(m.Text, "@channel") {
		t.Errorf("%d bytes: %.600q", len(m.Text), m.Text)
	}
}

// A room in which an incident was begun, and which has become one that askers
// read, is told nothing of the team's.
func TestAttackTeamRoomBecamePublic(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.opt.Desks[0].Rooms = append(w.opt.Desks[0].Rooms, chat.Place{Adapter: "tchat", Room: "equipe2"})
	})
	w.ticketByMail("rien ne marche")
	w.post("camille", "equipe2", "", "!incident début messagerie lente")
	w.find("equipe2", "begun", fromBot("Incident 1 annoncé"))
	w.command("!incident rattacher #1", "Rattaché")
	w.stop()
	before := len(w.rich.Messages("equipe2"))
	d := &w.opt.Desks[0]
	d.Rooms = d.Rooms[:1]
	d.Intakes = append(d.Intakes, bot.Intake{Place: chat.Place{Adapter: "tchat", Room: "equipe2"}, Opens: bot.OnMention})
	w.start()
	w.command("!incident fin 1 réparé", "1 demande y est rattachée")
	if now := len(w.rich.Messages("equipe2")); now != before || w.count(w.rich, "equipe2", has("y est rattachée")) != 0 {
		t.Error("askers read the team's proposal, with an address")
	}
}

// Words that cannot be seen are published nowhere.
func TestAttackInvisibleWords(t *testing.T) {
	w := newWorld(t)
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	start := w.find("etat", "start", fromBot("Messagerie : lente"))
	for _, verb := range []string{"incident.update", "incident.edit", "incident.start"} {
		value := "1"
		if verb == "incident.start" {
			value = ""
		}
		a, err := w.rich.Submit(t.Context(), "camille", playground.Submission{Room: "equipe", Form: verb, Value: value,
			Fields: map[string]string{"text": "\u200b\u202e\u2060"}})
		must(t, err)
		t.Logf("%s: %q", verb, a.Text)
	}
	w.command("!incident liste", "1 ·")
	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if len(one.Updates) != 1 || !contains(one.Updates[0].Body, "lente") {
		t.Errorf("public: %+v", one.Updates)
	}
	if _, two, err := w.store.Public().Incident(t.Context(), 2); err != nil || two {
		t.Error("an incident of nothing is public", err)
	}
	if n := w.count(w.rich, "etat", func(m playground.Message) bool { return m.ID != start.ID }); n != 0 {
		t.Errorf("%d more lines are public", n)
	}
}

// Who may not, may not by any way: an asker and a newcomer, by a line, a slash
// command, a button and a form, in a public room, in private and in the team's.
func TestAttackIncidentRights(t *testing.T) {
	w := newWorld(t)
	w.ticketByMail("rien ne marche")
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.command("!incident rattacher #1", "Rattaché")
	w.command("!incident fin 1 C'est réparé.", "1 demande y est rattachée")
	shown := w.find("equipe", "proposed", fromBot("1 demande y est rattachée"))
	direct, err := w.rich.OpenDirect("basile", "permanence")
	must(t, err)
	newcomer, err := w.rich.OpenDirect("sacha", "permanence")
	must(t, err)
	for _, x := range []struct{ who, room string }{{"basile", "entraide"}, {"basile", direct}, {"sacha", "entraide"}, {"sacha", newcomer}, {"sacha", "equipe"}, {"camille", "entraide"}, {"basile", "etat"}, {"camille", "etat"}} {
		for _, line := range []string{"incident envoyer 1", "incident début web en panne", "incident fin 1 volé", "travaux prévoir demain 22h pendant 1h vol", "incident détacher #1", "incident où 1", "incident bilan 1 vol"} {
			w.post(x.who, x.room, "", "!"+line)
			if a, err := w.rich.Slash(t.Context(), x.who, x.room, "", "/"+line); err == nil && x.who == "basile" && (contains(a.Text, "alice") || contains(a.Text, "equipe")) {
				t.Errorf("%s in #%s reads %q", x.who, x.room, a.Text)
			}
			if x.who == "camille" {
				break // by slash an agent may, and only she reads the answer
			}
		}
		if x.who == "camille" {
			continue
		}
		if a, err := w.rich.Press(t.Context(), x.who, x.room, shown.ID, "incident.send", shown.Buttons[0].Value); err == nil && contains(a.Text, "part vers") {
			t.Errorf("%s sends", x.who)
		}
		if _, err := w.rich.Submit(t.Context(), x.who, playground.Submission{Room: x.room, Form: "incident.start", Fields: map[string]string{"text": "volé par formulaire"}}); err != nil {
			t.Log(err)
		}
	}
	w.command("!incident liste", "incident")
	for _, s := range []string{"volé", "web en panne", "vol"} {
		if n := w.count(w.rich, "etat", fromBot(s)); n != 0 {
			t.Errorf("%q is public", s)
		}
	}
	for _, room := range []string{"entraide", direct, "etat"} {
		if n := w.count(w.rich, room, fromBot("alice")) + w.count(w.rich, room, fromBot("equipe")); n != 0 {
			t.Errorf("#%s reads what is the team's\n%s", room, w.dump())
		}
	}
}

// A ticket moved from one incident to another between the gesture and its turn
// is answered once for each, and every event that comes twice counts once.
func TestAttackTwoIncidentsAndDoubles(t *testing.T) {
	w := newWorld(t)
	w.ticketByMail("rien ne marche")
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.command("!incident début web lent", "Incident 2 annoncé")
	w.command("!incident rattacher #1 1", "Rattaché à l’incident 1")
	w.command("!incident rattacher #1 2", "Rattaché à l’incident 2")
	w.command("!incident fin 1 premier réparé", "Incident 1 terminé")
	w.command("!incident envoyer 1", "Aucune réponse")
	w.rich.Duplicate(4)
	w.command("!incident fin 2 second réparé", "1 demande y est rattachée")
	w.rich.Duplicate(4)
	w.command("!incident envoyer 2", "part vers 1 demande")
	w.mail("alice", mailTo("alice", "second réparé"))
	w.stands(2, "1 a reçu la réponse")
	w.command("!incident où 2", "1 a reçu la réponse")
	if a, b, c := w.mails("premier réparé"), w.mails("second réparé"), w.count(w.rich, "etat", has("second réparé")); a != 0 || b != 1 || c != 1 {
		t.Errorf("told %d, %d and %d times", a, b, c)
	}
	w.command("!incident détacher #1", "a déjà reçu la réponse")
}

// Work whose planned start has passed while its preview waited is not said to
// have begun.
func TestAttackDraftOfThePast(t *testing.T) {
	var c clock
	w := newWorld(t, status(t, &c))
	w.command("!travaux prévoir dans 5 min pendant 10 min messagerie : disque", "Rien n’est encore publié")
	w.reach(&c, 0, "15h40")
	w.command("!travaux publier", "le début prévu est passé")
	w.command("!incident liste", "Aucun")
	if n := len(w.public()); n != 0 {
		t.Errorf("%d lines are public", n)
	}
}

// An agent who lets the answer go without having seen a trainee's words sees
// them first.
func TestAttackTraineeChangesTheAnswer(t *testing.T) {
	w := newWorld(t)
	w.ticketByMail("rien ne marche")
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.command("!incident rattacher #1 1", "Rattaché à l’incident 1")
	w.command("!incident fin 1 réparé", "Incident 1 terminé")
	w.post("sacha", "equipe", "", "!incident réponse 1 des mots que personne n’a lus")
	w.find("equipe", "the trainee's words", fromBot("des mots que personne n’a lus"))
	w.command("!incident envoyer 1", "Rien n’est encore parti : ces mots sont d’une personne en formation")
	if n := w.mails("personne n’a lus"); n != 0 {
		t.Fatal("it left unread")
	}
	w.command("!incident envoyer 1", "part vers 1 demande")
	w.mail("alice", mailTo("alice", "personne n’a lus"))
}
