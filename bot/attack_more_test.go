package bot_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
)

// A deletion while the team's room is away must not leave a delivery that
// cannot be performed after a restart, and the ticket with it.
func TestAttackErasedDeliveryOverRestart(t *testing.T) {
	w := newWorld(t)
	w.rich.Refuse("equipe", &chat.Error{Kind: chat.Temporary, Reason: chat.Text{FR: "en panne", EN: "away"}})
	q := w.post("alice", "entraide", "", "Mon mot de passe est hunter2")
	must(t, w.rich.Delete("alice", "entraide", q.ID))
	w.await("deleted", func() bool {
		gone := false
		w.store.View(t.Context(), func(tx bot.Tx) error { e, err := tx.Entries(1); gone = len(e) > 0 && e[0].Deleted; return err })
		return gone
	})
	w.stop()
	w.rich.Refuse("equipe", nil)
	w.start()
	w.card("message effacé")
}

func TestAttackPrivateAfterProposal(t *testing.T) {
	w := newWorld(t)
	w.post("alice", "entraide", "", "Je ne peux plus entrer")
	card := w.card("Je ne peux plus entrer")
	note := w.post("sacha", "equipe", card.ID, "Votre mot de passe provisoire est tulipe")
	w.react("sacha", note.ID, "✉️")
	w.find("equipe", "a proposal", fromBot("Sacha propose"))
	w.post("camille", "equipe", card.ID, "!mp")
	w.find("equipe", "moved", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "en message privé") })
	w.react("camille", note.ID, "✉️")
	if w.sees("entraide", has("tulipe")) {
		t.Error("after !mp, an approved proposal still goes to the public channel")
	}
}

func TestAttackCorrectionOfPrivateWordsGoesPublic(t *testing.T) {
	w := newWorld(t)
	q := w.post("alice", "entraide", "", "Je ne peux plus entrer")
	card := w.card("Je ne peux plus entrer")
	w.post("camille", "equipe", card.ID, "!mp")
	w.find("equipe", "moved", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "en message privé") })
	note := w.post("camille", "equipe", card.ID, "Votre mot de passe est tulipe")
	w.react("camille", note.ID, "✉️")
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })
	w.post("alice", "entraide", q.ID, "merci !")
	w.find("equipe", "her line", has("merci !"))
	must(t, w.rich.Edit("camille", "equipe", note.ID, playground.Draft{Text: "Votre mot de passe est tulipe2"}))
	w.find("equipe", "correction offered", fromBot("modifié un message déjà parti"))
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "asked", fromBot("a écrit depuis"))
	w.react("dominique", note.ID, "✉️")
	if w.sees("entraide", has("tulipe2")) {
		t.Error("the correction of what was said in private is said in public")
	}
}

func TestAttackRetryTellsEverybodyAgain(t *testing.T) {
	w := newWorld(t)
	w.accepted(fromAlice("Cc: b@customers.example\nSubject: deux\nMessage-ID: <r@customers.example>\n", "Bonjour"))
	card := w.card("deux")
	w.box.Refuse("b@customers.example", 550, "5.1.1 no such user")
	note := w.post("camille", "equipe", card.ID, "À vous deux")
	w.react("camille", note.ID, "✉️")
	w.await("⚠️", func() bool { return w.marked("equipe", note.ID, "⚠️") })
	w.box.Refuse("b@customers.example", 0, "")
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
	w.react("camille", note.ID, "✉️")
	to := map[string]int{}
	soon(func() bool {
		clear(to)
		for _, m := range w.rich.Mails() {
			if !m.Written && strings.Contains(m.Text, "À vous deux") {
				for _, r := range m.Recipients {
					to[r]++
				}
			}
		}
		return to["b@customers.example"] > 0
	})
	if to["alice@customers.example"] != 1 || to["b@customers.example"] != 1 {
		t.Errorf("after a retry by hand: %v", to)
	}
}

func TestAttackEnvelopeOnCardOfOpenedTicket(t *testing.T) {
	w := newWorld(t)
	w.post("camille", "equipe", "", "!ticket pour basile@customers.example Votre facture est prête")
	card := w.card("facture est prête")
	w.react("camille", card.ID, "✉️")
	if !soon(func() bool { return w.mailed("facture est prête") }) {
		t.Error("“✉️ dans son fil envoie”: ✉️ on the only message of the thread does nothing")
	}
}

func TestAttackStateInASlowRoom(t *testing.T) {
	w := newWorld(t, twoRooms)
	away := &chat.Error{Kind: chat.Temporary, Reason: chat.Text{FR: "en panne", EN: "away"}}
	w.rich.Refuse("equipe2", away)
	card := w.ticketByMail("salon lent")
	w.post("camille", "equipe", card.ID, "!prendre")
	w.find("equipe", "claimed", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "pris par Camille") })
	note := w.post("camille", "equipe", card.ID, "Réponse partie")
	w.react("camille", note.ID, "✉️")
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })
	w.rich.Refuse("equipe2", nil)
	copied := w.find("equipe2", "the note", has("Réponse partie"))
	if !soon(func() bool { return w.marked("equipe2", copied.ID, "📬") }) {
		t.Error("the copy in the room that was away never gets its mark")
	}
	if !w.sees("equipe2", func(m playground.Message) bool { return m.Card && contains(m.Text, "pris par Camille") }) {
		t.Error("the card in the room that was away stays as it was when the ticket was opened")
	}
}

func TestAttackLostReceiptOfTheCard(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Desks[0].AckChat = false })
	w.stop()
	w.post("alice", "entraide", "", "Première question")
	w.post("alice", "entraide", "", "et la seconde ligne")
	w.rich.DropReceipts(1)
	w.start()
	card := w.card("Première question")
	line := w.find("equipe", "second line", has("seconde ligne"))
	if line.Thread != card.ID {
		t.Errorf("after a lost receipt the next line stands outside of the ticket's thread (%q)", line.Thread)
	}
}

func TestAttackGatheredLinesElsewhere(t *testing.T) {
	w := newWorld(t, twoRooms)
	card := w.ticketByMail("rassemblées")
	w.findOn(w.poor, "salle", "card line", has("#1"))
	w.postPoor("camille", "salle", "!sur #1")
	w.findOn(w.poor, "salle", "stays", has("Vous restez sur #1"))
	w.postPoor("camille", "salle", "!r première ligne")
	w.postPoor("camille", "salle", "!r seconde ligne")
	w.findOn(w.poor, "salle", "gathered", has("2 lignes"))
	w.inThread(card, "première ligne")
	if !w.sees("equipe", has("seconde ligne")) {
		t.Error("the other team rooms do not see the second line of what is about to leave")
	}
}

func TestAttackShowTellsTheTruth(t *testing.T) {
	w := newWorld(t, long)
	card := w.ticketByMail("vérité")
	note := w.post("camille", "equipe", card.ID, "Jamais envoyé")
	w.react("camille", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
	w.post("camille", "equipe", card.ID, "!stop")
	w.find("equipe", "stopped", fromBot("rien n’est parti"))
	w.post("camille", "equipe", card.ID, "!voir")
	m := w.find("equipe", "show", fromBot("Jamais envoyé"))
	if contains(m.Text, "📬 Camille") {
		t.Errorf("!voir shows a stopped reply as sent:\n%s", m.Text)
	}
}

func TestAttackNamesAndSubjectsPing(t *testing.T) {
	w := newWorld(t)
	w.accepted(envelope{from: "x@evil.example", to: []string{"support@example.org"},
		data: "From: \"@channel\" <x@evil.example>\nTo: support@example.org\nSubject: @all **urgent**\nMessage-ID: <p@evil.example>\n\nBonjour\n"})
	w.card("urgent")
	w.post("camille", "equipe", "", "!sur #1")
	if m := w.find("equipe", "stays", fromBot("Vous restez sur")); strings.Contains(m.Text, "@all") {
		t.Errorf("a stranger's subject pings the room: %q", m.Text)
	}
	w.post("camille", "equipe", "", "!voir #1")
	if m := w.find("equipe", "show", fromBot("📨")); strings.Contains(m.Text, "@channel") {
		t.Errorf("a stranger's name pings the room: %q", m.Text)
	}
}

func TestAttackEnglish(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Language, w.opt.Desks[0].Language = "en", "en" })
	card := w.ticketByMail("english")
	w.post("sacha", "equipe", card.ID, "!close")
	if m := w.find("equipe", "refused", fromBot("Nothing was done")); contains(m.Text, "fermer") {
		t.Errorf("French word in an English answer: %q", m.Text)
	}
	w.box.Refuse("basile@customers.example", 550, "5.1.1 no such user")
	w.write(playground.Letter{By: "basile", Subject: "bounced ack", Text: "hello"})
	other := w.card("bounced ack")
	m := w.find("equipe", "failure", func(m playground.Message) bool { return m.Thread == other.ID && strings.Contains(m.Text, "⚠️") })
	if contains(m.Text, "Non remis") {
		t.Errorf("French sentence at an English desk: %q", m.Text)
	}
}

func TestAttackDirectReplyToOlderTicket(t *testing.T) {
	w := newWorld(t)
	var first playground.Message
	for i, text := range []string{"premier souci", "second souci"} {
		w.post("alice", "entraide", "", "!ticket "+text)
		card := w.card(text)
		w.post("camille", "equipe", card.ID, "!mp")
		w.find("equipe", "moved", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "en message privé") })
		w.post("camille", "equipe", card.ID, "!r Question sur le "+text)
		m := w.find("alice+permanence", "in private", has("Question sur le "+text))
		if i == 0 {
			first = m
		}
	}
	_, err := w.rich.Post(t.Context(), "alice", playground.Draft{Room: "alice+permanence", ReplyTo: first.ID, Text: "réponse au premier"})
	must(t, err)
	card := w.card("premier souci")
	if !w.sees("equipe", func(m playground.Message) bool {
		return m.Thread == card.ID && strings.Contains(m.Text, "réponse au premier")
	}) {
		t.Error("an answer by citation to one ticket lands in another")
	}
}

func TestAttackAnswerWhileACopyWaits(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Desks[0].AckMail = false })
	w.accepted(fromAlice("Cc: b@customers.example\nSubject: liste grise\nMessage-ID: <g@customers.example>\n", "Bonjour"))
	card := w.card("liste grise")
	w.box.Refuse("b@customers.example", 450, "4.7.1 greylisted")
	note := w.post("camille", "equipe", card.ID, "À vous deux")
	w.react("camille", note.ID, "✉️")
	m := w.mail("to alice", func(m playground.Mail) bool { return strings.Contains(m.Text, "À vous deux") })
	w.inThread(card, "Pas encore parti")
	w.accepted(fromAlice("Subject: Re: liste grise\nMessage-ID: <h@customers.example>\nIn-Reply-To: <"+m.MessageID+">\n", "merci à vous"))
	if !w.sees("equipe", func(m playground.Message) bool { return m.Thread == card.ID && contains(m.Text, "merci à vous") }) {
		t.Error("while one recipient is greylisted, the answer of another opens a new ticket")
	}
}

func TestAttackTicketFlood(t *testing.T) {
	w := newWorld(t)
	for range 30 {
		w.post("alice", "entraide", "", "!ticket encore un")
	}
	w.await("all decided", func() bool {
		n := 1
		w.store.View(t.Context(), func(tx bot.Tx) error { n, _, _ = tx.CountWaiting(); return nil })
		return n == 0 && w.cards() > 0
	})
	soon(func() bool { return w.cards() >= 30 })
	if n := w.cards(); n > 15 {
		t.Errorf("one person opened %d tickets at once: tickets opened by one sender are not braked in channels", n)
	}
}

func TestAttackInsideFileName(t *testing.T) {
	w := newWorld(t, long)
	card := w.ticketByMail("fichier")
	f, err := w.rich.AddFile("camille", "equipe-secrete.txt", "text/plain", []byte("x"))
	must(t, err)
	note, err := w.rich.Post(t.Context(), "camille", playground.Draft{Room: "equipe", Thread: card.ID, Text: "Voici", Files: []playground.File{f}})
	must(t, err)
	w.react("camille", note.ID, "✉️")
	if !w.sees("equipe", fromBot("qui est interne")) {
		t.Error("an attachment with an internal name is held without a question")
	}
}

func TestAttackDirectRefusedForGood(t *testing.T) {
	w := newWorld(t)
	w.post("alice", "entraide", "", "Je ne peux plus entrer")
	card := w.card("Je ne peux plus entrer")
	w.rich.Refuse("alice+permanence", &chat.Error{Kind: chat.Temporary, RetryAfter: 1500 * time.Millisecond, Reason: chat.Text{FR: "un instant", EN: "a moment"}})
	w.post("camille", "equipe", card.ID, "!mp")
	w.find("equipe", "moved", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "en message privé") })
	note := w.post("camille", "equipe", card.ID, "Votre identifiant ?")
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "held", fromBot("message privé · part"))
	w.await("left", func() bool {
		open := 1
		w.store.View(t.Context(), func(tx bot.Tx) error { rs, _ := tx.HeldReplies(); open = len(rs); return nil })
		return open == 0
	})
	w.rich.Refuse("alice+permanence", &chat.Error{Kind: chat.Permanent, Reason: chat.Text{FR: "elle refuse les messages", EN: "refused"}})
	if !soon(func() bool { return w.marked("equipe", note.ID, "⚠️") }) {
		t.Error("a reply whose direct room never came stays ⏳ for ever; nobody is told on it")
	}
}

func TestAttackNumberedLineEdited(t *testing.T) {
	w := newWorld(t, holds(1500*time.Millisecond))
	w.ticketByMail("numéro")
	note := w.post("camille", "equipe", "", "#1 Bonjour Alice")
	w.react("camille", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
	must(t, w.rich.Edit("camille", "equipe", note.ID, playground.Draft{Text: "#1 Bonjour, Alice"}))
	m := w.mail("corrected", func(m playground.Mail) bool { return strings.Contains(m.Text, "Bonjour, Alice") })
	if strings.Contains(m.Text, "#1 Bonjour") {
		t.Errorf("the number left with the text: %q", m.Text)
	}
}

func TestAttackHelperHasSpoken(t *testing.T) {
	var offset atomic.Int64
	w := newWorld(t, skipping(&offset))
	q := w.post("alice", "entraide", "", "Comment faire ?")
	card := w.card("Comment faire")
	w.post("basile", "entraide", q.ID, "Par le panneau")
	w.inThread(card, "Par le panneau")
	offset.Store(int64(2 * time.Hour))
	w.post("camille", "equipe", "", "bavardage")
	if w.sees("entraide", fromBot("Bien reçu")) {
		t.Error("acknowledged although somebody has answered")
	}
}

func TestAttackIncidentWithInsideWord(t *testing.T) {
	w := newWorld(t)
	w.post("camille", "equipe", "", "!incident début messagerie canari.interne ne répond plus")
	if w.sees("etat", has("canari.interne")) {
		t.Error("an internal host is announced to everybody without a second gesture")
	}
}

func TestAttackEditBeforeItsMessage(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Desks[0].AckChat = false })
	w.stop()
	w.rich.Reorder(1)
	m := w.post("alice", "entraide", "", "texte avec une fote")
	must(t, w.rich.Edit("alice", "entraide", m.ID, playground.Draft{Text: "texte sans faute"}))
	w.start()
	w.find("equipe", "card", func(m playground.Message) bool { return m.Card })
	if !w.sees("equipe", func(m playground.Message) bool { return m.Card && contains(m.Text, "sans faute") }) {
		t.Error("an edit decided in the same batch as its message, before it, is lost")
	}
}
