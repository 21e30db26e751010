package bot_test

import (
	"strings"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
)

// long makes holds last, for tests that act during them.
func long(w *world) {
	d := &w.opt.Desks[0]
	d.HoldMail, d.HoldChat, d.HoldOthers = time.Hour, time.Hour, time.Hour
}

// brief makes holds so short that they are over before anything else happens.
func twoRooms(w *world) {
	d := &w.opt.Desks[0]
	d.Rooms = append(d.Rooms, chat.Place{Adapter: "tchat", Room: "equipe2"}, chat.Place{Adapter: "irc", Room: "salle"})
}

func (w *world) ticketByMail(subject string) playground.Message {
	w.write(playground.Letter{By: "alice", Subject: subject, Text: "Question : " + subject})
	return w.card(subject)
}

func (w *world) react(by, id, emoji string) {
	w.t.Helper()
	must(w.t, w.rich.React(by, "equipe", id, emoji, true))
}

// noMail fails if a mail with s has left; it is called after something that
// comes later in the same order was seen.
func (w *world) noMail(s string) {
	w.t.Helper()
	for _, m := range w.rich.Mails() {
		if !m.Written && strings.Contains(m.Text, s) {
			w.t.Errorf("a mail left that should not: %q", m.Text)
		}
	}
}

func TestHoldFollowsEditsAndStops(t *testing.T) { both(t, holdFollowsEditsAndStops) }

func holdFollowsEditsAndStops(t *testing.T, on setup) {
	t.Run("an edit in the hold counts", func(t *testing.T) {
		w := newWorld(t, on, func(w *world) { w.opt.Desks[0].HoldMail = 2 * time.Second })
		card := w.ticketByMail("horaires")
		note := w.post("camille", "equipe", card.ID, "Brouillon avec une fote")
		w.react("camille", note.ID, "✉")
		w.find("equipe", "hold", fromBot("⏳"))
		must(t, w.rich.Edit("camille", "equipe", note.ID, playground.Draft{Text: "Texte sans faute"}))
		w.mail("the corrected text", func(m playground.Mail) bool { return strings.Contains(m.Text, "Texte sans faute") })
		w.noMail("fote")
	})
	stops := map[string]func(w *world, card, note playground.Message){
		"the gesture is taken back": func(w *world, _, note playground.Message) {
			must(w.t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
		},
		"!stop": func(w *world, card, _ playground.Message) { w.post("dominique", "equipe", card.ID, "! STOP") },
		"the message is deleted": func(w *world, _, note playground.Message) {
			must(w.t, w.rich.Delete("camille", "equipe", note.ID))
		},
	}
	for name, stop := range stops {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, on, long)
			card := w.ticketByMail("horaires")
			note := w.post("camille", "equipe", card.ID, "Pas encore")
			w.react("camille", note.ID, "✉️")
			w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
			stop(w, card, note)
			w.find("equipe", "said so", fromBot("rien n’est parti"))
			if name != "the message is deleted" {
				w.await("⏳ gone", func() bool { return !w.marked("equipe", note.ID, "⏳") })
			}
			w.noMail("Pas encore")
		})
	}
}

func TestOnlyTheTeamSends(t *testing.T) { both(t, onlyTheTeamSends) }

func onlyTheTeamSends(t *testing.T, on setup) {
	w := newWorld(t, on, long)
	card := w.ticketByMail("essai")
	note := w.post("sacha", "equipe", card.ID, "Réponse de Sacha")
	w.react("sacha", note.ID, "✉️")
	w.find("equipe", "a proposal", fromBot("Sacha propose"))
	w.await("👀", func() bool { return w.marked("equipe", note.ID, "👀") })
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "held after the agent's gesture", fromBot("Camille envoie les mots de Sacha"))
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
}

func TestSecondGestureDoesNothing(t *testing.T) { both(t, secondGestureDoesNothing) }

func secondGestureDoesNothing(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("double")
	note := w.post("camille", "equipe", card.ID, "Une seule fois")
	w.react("camille", note.ID, "✉️")
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })
	w.react("dominique", note.ID, "📨")
	w.find("equipe", "says so", fromBot("Déjà envoyé"))
	n := 0
	for _, m := range w.rich.Mails() {
		if !m.Written && strings.Contains(m.Text, "Une seule fois") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestCrossingIsAskedAbout(t *testing.T) { both(t, crossingIsAskedAbout) }

func crossingIsAskedAbout(t *testing.T, on setup) {
	w := newWorld(t, on, long)
	card := w.ticketByMail("croisement")
	note := w.post("camille", "equipe", card.ID, "Essayez ceci")
	w.kept(1, "Essayez ceci") // order is by arrival here, not by the time of writing
	w.write(playground.Letter{By: "alice", Subject: "Re: croisement", Text: "Oubliez, c'est réglé", Answers: w.mail("ack", func(m playground.Mail) bool { return true }).ID})
	w.find("equipe", "second message", has("c'est réglé"))
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "asks", fromBot("a écrit depuis ce brouillon"))
	if w.marked("equipe", note.ID, "⏳") {
		t.Error("held without a second gesture")
	}
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
	w.react("dominique", note.ID, "✉️")
	w.await("held after the second gesture", func() bool {
		return w.marked("equipe", note.ID, "⏳") || w.count(w.rich, "equipe", fromBot("a écrit depuis")) == 2
	})
}

func TestInsideWordsAreAskedAbout(t *testing.T) { both(t, insideWordsAreAskedAbout) }

func insideWordsAreAskedAbout(t *testing.T, on setup) {
	w := newWorld(t, on, long)
	card := w.ticketByMail("interne")
	note := w.post("camille", "equipe", card.ID, "Voir avec canari.interne")
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "asks", fromBot("qui est interne"))
	w.react("dominique", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
}

func TestCommandsNeverLeave(t *testing.T) { both(t, commandsNeverLeave) }

func commandsNeverLeave(t *testing.T, on setup) {
	w := newWorld(t, on, long)
	card := w.ticketByMail("commandes")
	for _, text := range []string{"!! attention", "!r !fermer", "/etc/hosts est faux"} {
		note := w.post("camille", "equipe", card.ID, text)
		w.react("camille", note.ID, "✉️")
	}
	w.await("refused three times at least", func() bool { return w.count(w.rich, "equipe", fromBot("commence par")) >= 3 })
	if n := w.count(w.rich, "equipe", fromBot("⏳ →")); n != 0 {
		t.Errorf("%d replies held", n)
	}
}

func TestReplyCommandAndMarksMeanNothing(t *testing.T) { both(t, replyCommandAndMarksMeanNothing) }

func replyCommandAndMarksMeanNothing(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("commande")
	m := w.post("camille", "equipe", card.ID, "! R  Voici la réponse\nsur deux lignes")
	w.mail("the reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Voici la réponse\nsur deux lignes") })
	w.await("📬", func() bool { return w.marked("equipe", m.ID, "📬") })
	other := w.post("camille", "equipe", card.ID, "Interne")
	w.react("dominique", other.ID, "📬")
	w.react("dominique", other.ID, "⏳")
	w.post("camille", "equipe", card.ID, "!voir")
	w.find("equipe", "show", fromBot("#1 · en attente"))
	w.noMail("Interne")
}

func TestReplyCloses(t *testing.T) { both(t, replyCloses) }

func replyCloses(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("fin")
	w.post("camille", "equipe", card.ID, "!rf Réglé.")
	w.mail("the reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Réglé.") })
	w.find("equipe", "closed card", func(m playground.Message) bool {
		return m.ID == card.ID && strings.Contains(m.Text, "fermé par Camille")
	})
	w.write(playground.Letter{By: "alice", Answers: w.mail("reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Réglé.") }).ID, Text: "Pas tout à fait"})
	w.find("equipe", "reopened card", func(m playground.Message) bool {
		return m.ID == card.ID && strings.Contains(m.Text, "ouvert") && strings.Contains(m.Text, "rouvert")
	})
}

func TestCardVerbs(t *testing.T) { both(t, cardVerbs) }

func cardVerbs(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("fiche")
	now := func(s string) func(playground.Message) bool {
		return func(m playground.Message) bool { return m.ID == card.ID && strings.Contains(m.Text, s) }
	}
	if _, err := w.rich.Press(t.Context(), "camille", "equipe", card.ID, "claim", "1"); err != nil {
		t.Fatal(err)
	}
	w.find("equipe", "claimed", now("pris par Camille"))
	w.post("camille", "equipe", card.ID, "!confier @dominique")
	w.find("equipe", "assigned or told", func(m playground.Message) bool {
		return now("pris par Dominique")(m) || strings.Contains(m.Text, "Personne de ce nom")
	})
	w.post("dominique", "equipe", card.ID, "J'y suis")
	w.post("camille", "equipe", card.ID, "!confier @dominique")
	w.find("equipe", "assigned", now("pris par Dominique"))
	w.post("camille", "equipe", card.ID, "!lâcher")
	w.find("equipe", "released", now("libre"))
	w.react("camille", card.ID, "✋")
	w.find("equipe", "claimed by reaction", now("pris par Camille"))
	must(t, w.rich.React("camille", "equipe", card.ID, "✋", false))
	w.find("equipe", "released by taking it back", now("libre"))
	// A trainee may not close; a reaction on the card by an agent may.
	if a, err := w.rich.Press(t.Context(), "sacha", "equipe", card.ID, "close", "1"); err != nil || !strings.Contains(a.Text, "autre rôle") {
		t.Errorf("trainee's close: %+v %v", a, err)
	}
	w.react("camille", card.ID, "✅")
	w.find("equipe", "closed", now("fermé par Camille"))
}

func TestReplyForm(t *testing.T) { both(t, replyForm) }

func replyForm(t *testing.T, on setup) {
	w := newWorld(t, on)
	card := w.ticketByMail("formulaire")
	w.post("camille", "equipe", card.ID, "Mon brouillon")
	w.find("equipe", "note", has("Mon brouillon"))
	a, err := w.rich.Press(t.Context(), "camille", "equipe", card.ID, "reply", "1")
	must(t, err)
	if a.Form == nil || a.Form.Fields[0].Text != "Mon brouillon" {
		t.Fatalf("no form with the draft: %+v", a)
	}
	_, err = w.rich.Submit(t.Context(), "camille", playground.Submission{Room: "equipe", Form: a.Form.ID, Value: a.Form.Value, Fields: map[string]string{"text": "Texte du formulaire"}})
	must(t, err)
	w.mail("from the form", func(m playground.Mail) bool { return strings.Contains(m.Text, "Texte du formulaire") })
	w.find("equipe", "the note in the room", func(m playground.Message) bool {
		return m.Thread == card.ID && strings.Contains(m.Text, "Texte du formulaire")
	})
}

func TestPublicChannel(t *testing.T) { both(t, publicChannel) }

func publicChannel(t *testing.T, on setup) {
	w := newWorld(t, on)
	q := w.post("alice", "entraide", "", "Comment changer mon mot de passe ?")
	card := w.card("Comment changer")
	w.post("alice", "entraide", "", "J'ai oublié de dire : le site est example.org")
	w.find("equipe", "grouped", func(m playground.Message) bool {
		return m.Thread == card.ID && strings.Contains(m.Text, "oublié de dire")
	})
	note := w.post("camille", "equipe", card.ID, "Par le panneau, onglet compte.")
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "shown as public", fromBot("PUBLIC #entraide"))
	w.find("entraide", "the answer in the thread", func(m playground.Message) bool {
		return m.Thread == q.ID && m.By == "permanence" && strings.Contains(m.Text, "Par le panneau")
	})
	// The team's own chatter opens nothing; a colleague who answers there has answered.
	w.post("camille", "entraide", "", "Bonjour tout le monde")
	w.post("dominique", "entraide", q.ID, "Et pensez à l'activer.")
	w.find("equipe", "the public answer", func(m playground.Message) bool { return m.Thread == card.ID && strings.Contains(m.Text, "📣") })
	if n := w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Card }); n != 1 {
		t.Errorf("%d cards, want 1", n)
	}
	// Edits and deletions of the asker follow.
	late := w.post("alice", "entraide", q.ID, "Mon mot de passe est hunter2")
	line := w.find("equipe", "line", has("hunter2"))
	must(t, w.rich.Edit("alice", "entraide", late.ID, playground.Draft{Text: "Je l'ai changé"}))
	w.find("equipe", "edited in place", func(m playground.Message) bool { return m.ID == line.ID && strings.Contains(m.Text, "Je l'ai changé") })
	must(t, w.rich.Delete("alice", "entraide", late.ID))
	w.find("equipe", "deleted in place", func(m playground.Message) bool { return m.ID == line.ID && strings.Contains(m.Text, "message effacé") })
}

func TestPublicAckWaitsAndYields(t *testing.T) { both(t, publicAckWaitsAndYields) }

func publicAckWaitsAndYields(t *testing.T, on setup) {
	w := newWorld(t, on, func(w *world) { w.opt.Desks[0].AckAfter = 400 * time.Millisecond })
	first := w.post("alice", "entraide", "", "Question une")
	second := w.post("basile", "entraide", "", "Question deux")
	w.card("Question deux")
	w.post("camille", "entraide", second.ID, "Voilà la réponse")
	w.find("entraide", "acknowledged", func(m playground.Message) bool { return m.Thread == first.ID && m.By == "permanence" })
	if n := w.count(w.rich, "entraide", func(m playground.Message) bool { return m.Thread == second.ID && m.By == "permanence" }); n != 0 {
		t.Error("acknowledged although a human had answered")
	}
}

func TestPromote(t *testing.T) { both(t, promote) }

func promote(t *testing.T, on setup) {
	w := newWorld(t, on, func(w *world) { w.opt.Desks[0].Intakes[1].Opens = bot.OnMention })
	m := w.post("alice", "entraide", "", "mon disque est plein")
	w.post("basile", "entraide", "", "un peu de place ?")
	w.post("basile", "entraide", "", "et vite")
	must(t, w.rich.React("camille", "entraide", m.ID, "🎫", true))
	w.card("mon disque est plein")
	w.post("camille", "equipe", "", "!ticket basile")
	card := w.card("un peu de place")
	w.find("equipe", "his second line", func(m playground.Message) bool { return m.Thread == card.ID && strings.Contains(m.Text, "et vite") })
	// A customer's 🎫 means nothing.
	other := w.post("alice", "entraide", "", "et ceci ?")
	must(t, w.rich.React("basile", "entraide", other.ID, "🎫", true))
	w.post("camille", "equipe", "", "!liste")
	w.find("equipe", "list", fromBot("#2 ·"))
	if n := w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Card }); n != 2 {
		t.Errorf("%d cards, want 2", n)
	}
}

func TestPrivateConversation(t *testing.T) { both(t, privateConversation) }

func privateConversation(t *testing.T, on setup) {
	w := newWorld(t, on)
	q := w.post("alice", "entraide", "", "Je ne peux plus entrer")
	card := w.card("Je ne peux plus entrer")
	w.post("camille", "equipe", card.ID, "!mp")
	w.find("equipe", "moved", func(m playground.Message) bool {
		return m.ID == card.ID && strings.Contains(m.Text, "en message privé")
	})
	w.post("camille", "equipe", card.ID, "!r Quel est votre identifiant ?")
	var direct string
	w.await("the answer in a direct room", func() bool {
		for _, r := range w.rich.Rooms() {
			if r.Kind == playground.Direct {
				for _, m := range w.rich.Messages(r.Name) {
					if strings.Contains(m.Text, "Quel est votre identifiant") {
						direct = r.Name
						return true
					}
				}
			}
		}
		return false
	})
	w.post("alice", direct, "", "alice42")
	w.find("equipe", "her answer", func(m playground.Message) bool { return m.Thread == card.ID && strings.Contains(m.Text, "alice42") })
	if n := w.count(w.rich, "entraide", func(m playground.Message) bool { return m.Thread == q.ID && strings.Contains(m.Text, "identifiant") }); n != 0 {
		t.Error("the private question stands in public")
	}
}

func TestObserve(t *testing.T) { both(t, observe) }

func observe(t *testing.T, on setup) {
	w := newWorld(t, on, func(w *world) { w.opt.Desks[0].Observe = true })
	card := w.ticketByMail("observation")
	note := w.post("camille", "equipe", card.ID, "Rien ne doit partir")
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "says so", fromBot("Mode observation : rien ne part."))
	for _, m := range w.rich.Mails() {
		if !m.Written {
			t.Errorf("a mail left: %s", m.Subject)
		}
	}
}

func TestTwoTeamRoomsAndAPoorOne(t *testing.T) { both(t, twoTeamRoomsAndAPoorOne) }

func twoTeamRoomsAndAPoorOne(t *testing.T, on setup) {
	w := newWorld(t, on, twoRooms)
	card := w.ticketByMail("deux salons")
	card2 := w.find("equipe2", "card", func(m playground.Message) bool { return m.Card })
	w.findOn(w.poor, "salle", "card line", has("#1"))
	a := w.post("camille", "equipe", card.ID, "Vu d'ici")
	b := w.post("dominique", "equipe2", card2.ID, "Vu de là")
	w.postPoor("camille", "salle", "#1 vu d'IRC")
	w.postPoor("camille", "salle", "bavardage")
	w.find("equipe2", "a", func(m playground.Message) bool { return m.Thread == card2.ID && strings.Contains(m.Text, "Vu d'ici") })
	w.find("equipe", "b", func(m playground.Message) bool { return m.Thread == card.ID && strings.Contains(m.Text, "Vu de là") })
	w.find("equipe", "c", func(m playground.Message) bool { return m.Thread == card.ID && strings.Contains(m.Text, "vu d'IRC") })
	w.findOn(w.poor, "salle", "a", func(m playground.Message) bool {
		return m.By == "permanence" && strings.HasPrefix(m.Text, "#1") && strings.Contains(m.Text, "Vu d'ici")
	})
	must(t, w.rich.Edit("camille", "equipe", a.ID, playground.Draft{Text: "Vu d’ici, corrigé"}))
	w.find("equipe2", "edited", has("Vu d’ici, corrigé"))
	w.findOn(w.poor, "salle", "edited, said anew", has("Vu d’ici, corrigé"))
	must(t, w.rich.Delete("dominique", "equipe2", b.ID))
	w.await("deleted there", func() bool { return w.count(w.rich, "equipe", has("Vu de là")) == 0 })
	// A reaction on the copy sends the colleague's words.
	mirrored := w.find("equipe2", "copy", func(m playground.Message) bool { return strings.Contains(m.Text, "vu d'IRC") })
	must(t, w.rich.React("dominique", "equipe2", mirrored.ID, "✉️", true))
	w.mail("sent from the copy", func(m playground.Mail) bool { return strings.Contains(m.Text, "vu d'IRC") })
	for _, s := range []string{"Vu d’ici, corrigé", "vu d'IRC"} {
		for _, room := range []string{"equipe", "equipe2"} {
			if n := w.count(w.rich, room, has(s)); n != 1 {
				t.Errorf("%q stands %d times in #%s", s, n, room)
			}
		}
	}
}

func TestGatheredLinesInAPoorRoom(t *testing.T) { both(t, gatheredLinesInAPoorRoom) }

func gatheredLinesInAPoorRoom(t *testing.T, on setup) {
	w := newWorld(t, on, twoRooms)
	w.ticketByMail("rassemblées")
	w.findOn(w.poor, "salle", "card line", has("#1"))
	w.postPoor("camille", "salle", "!sur #1")
	w.findOn(w.poor, "salle", "stays", has("Vous restez sur #1"))
	w.postPoor("camille", "salle", "!r première ligne")
	w.postPoor("camille", "salle", "!r seconde ligne")
	w.findOn(w.poor, "salle", "gathered", has("2 lignes rassemblées"))
	w.postPoor("camille", "salle", "!envoyer")
	w.mail("both lines", func(m playground.Mail) bool { return strings.Contains(m.Text, "première ligne\nseconde ligne") })
}

func TestIncidentEverywhere(t *testing.T) { both(t, incidentEverywhere) }

func incidentEverywhere(t *testing.T, on setup) {
	w := newWorld(t, on, func(w *world) {
		w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "irc", Room: "asso"})
	})
	w.post("camille", "equipe", "", "!incident début messagerie envois retardés")
	head := w.find("etat", "start", fromBot("Messagerie"))
	w.findOn(w.poor, "asso", "start", has("Messagerie"))
	w.post("camille", "equipe", "", "!incident maj cause identifiée : un disque")
	w.find("etat", "update in the thread", func(m playground.Message) bool { return m.Thread == head.ID && strings.Contains(m.Text, "un disque") })
	w.post("camille", "equipe", "", "!incident fin tout est rentré dans l'ordre")
	w.find("etat", "end", func(m playground.Message) bool {
		return m.Thread == head.ID && strings.Contains(m.Text, "rentré dans l'ordre")
	})
	w.findOn(w.poor, "asso", "end", has("rentré dans l'ordre"))
	w.find("equipe", "told everywhere", fromBot("dite partout"))
	w.find("etat", "headline up to date", func(m playground.Message) bool { return m.ID == head.ID && strings.Contains(m.Text, "erminé") })
	// A customer may not.
	w.post("alice", "entraide", "", "!incident début tout brûle")
	w.post("camille", "equipe", "", "!incident liste")
	w.find("equipe", "none open", fromBot("Aucun incident n’est en cours"))
}

func TestNothingIsLostOverARestart(t *testing.T) { both(t, nothingIsLostOverARestart) }

func nothingIsLostOverARestart(t *testing.T, on setup) {
	w := newWorld(t, on, long)
	card := w.ticketByMail("redémarrage")
	note := w.post("camille", "equipe", card.ID, "Partira après")
	w.react("camille", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
	w.stop()
	w.post("dominique", "equipe", card.ID, "dit pendant l'absence")
	w.post("camille", "equipe", card.ID, "!stop")
	w.start()
	w.find("equipe", "stopped", fromBot("rien n’est parti"))
	w.post("camille", "equipe", card.ID, "!voir")
	w.find("equipe", "what was said meanwhile", func(m playground.Message) bool {
		return m.By == "permanence" && strings.Contains(m.Text, "dit pendant l'absence")
	})
	if n := w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Card }); n != 1 {
		t.Errorf("%d cards, want 1", n)
	}
}

// TestNewInTheTeam: who speaks in the team's room for the first time is told
// in private how to work there, once.
func TestNewInTheTeam(t *testing.T) {
	w := newWorld(t)
	card := w.ticketByMail("un premier jour")
	w.post("sacha", "equipe", card.ID, "bonjour, je suis là")
	w.find("permanence+sacha", "the welcome", fromBot("Bienvenue dans l’équipe"))
	w.post("sacha", "equipe", card.ID, "et voilà")
	w.post("camille", "equipe", card.ID, "bonjour Sacha")
	w.kept(1, "bonjour Sacha")
	if n := w.count(w.rich, "permanence+sacha", fromBot("Bienvenue")); n != 1 {
		t.Errorf("welcomed %d times", n)
	}
	if n := w.count(w.rich, "camille+permanence", fromBot("Bienvenue")); n != 0 {
		t.Error("an agent is welcomed as somebody new")
	}
}
