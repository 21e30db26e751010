package bot_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
)

// What a hostile reader of the promises tries.

// soon looks again and again until f holds, for some seconds at most.
func soon(f func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Second)
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			return f()
		}
	}
	return true
}

func (w *world) sees(room string, f func(playground.Message) bool) bool {
	return soon(func() bool { return w.count(w.rich, room, f) > 0 })
}

func (w *world) mailed(s string) bool {
	for _, m := range w.rich.Mails() {
		if !m.Written && strings.Contains(m.Text, s) {
			return true
		}
	}
	return false
}

// skipping gives a clock that the test can set forward.
func skipping(offset *atomic.Int64) setup {
	return func(w *world) {
		w.opt.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	}
}

func holds(d time.Duration) setup {
	return func(w *world) {
		k := &w.opt.Desks[0]
		k.HoldMail, k.HoldChat, k.HoldOthers = d, d, d
	}
}

func TestAttackSecondGestureBySamePerson(t *testing.T) {
	w := newWorld(t, long)
	card := w.ticketByMail("geste")
	note := w.post("camille", "equipe", card.ID, "Voir canari.interne")
	w.react("camille", note.ID, "✉️")
	w.find("equipe", "asked", fromBot("qui est interne"))
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
	w.react("camille", note.ID, "✉️")
	if !soon(func() bool { return w.marked("equipe", note.ID, "⏳") }) {
		t.Error("the second gesture of the same person is asked about again, for ever")
	}
}

func TestAttackApprovalOfInsideWords(t *testing.T) {
	w := newWorld(t, long)
	card := w.ticketByMail("interne")
	note := w.post("sacha", "equipe", card.ID, "Voir canari.interne")
	w.react("sacha", note.ID, "✉️")
	w.find("equipe", "a proposal", fromBot("Sacha propose"))
	w.react("camille", note.ID, "✉️")
	if !w.sees("equipe", fromBot("qui est interne")) {
		t.Error("a proposal with an internal name is held without a second gesture")
	}
}

func TestAttackTraineeEditsAfterApproval(t *testing.T) {
	w := newWorld(t, holds(1500*time.Millisecond))
	card := w.ticketByMail("approuvé")
	note := w.post("sacha", "equipe", card.ID, "Texte relu")
	w.react("sacha", note.ID, "✉️")
	w.find("equipe", "a proposal", fromBot("Sacha propose"))
	w.react("camille", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
	must(t, w.rich.Edit("sacha", "equipe", note.ID, playground.Draft{Text: "Jamais relu par personne"}))
	if soon(func() bool { return w.mailed("Jamais relu") }) {
		t.Error("a trainee's words left that no agent has seen")
	}
}

func TestAttackEditInHoldAddsInsideWords(t *testing.T) {
	w := newWorld(t, holds(1500*time.Millisecond))
	card := w.ticketByMail("ajout")
	note := w.post("camille", "equipe", card.ID, "Voir ici")
	w.react("camille", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
	must(t, w.rich.Edit("camille", "equipe", note.ID, playground.Draft{Text: "Voir canari.interne"}))
	if soon(func() bool { return w.mailed("canari") }) {
		t.Error("an internal name left without a second gesture")
	}
}

func TestAttackApproverTakesBack(t *testing.T) {
	w := newWorld(t, long)
	card := w.ticketByMail("repris")
	note := w.post("sacha", "equipe", card.ID, "Réponse de Sacha")
	w.react("sacha", note.ID, "✉️")
	w.find("equipe", "a proposal", fromBot("Sacha propose"))
	w.react("camille", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
	if !soon(func() bool { return !w.marked("equipe", note.ID, "⏳") }) {
		t.Error("taking the approving gesture back does not stop it")
	}
}

func TestAttackRoomGoneAndBack(t *testing.T) {
	w := newWorld(t)
	must(t, w.rich.RoomGone("equipe"))
	w.write(playground.Letter{By: "alice", Subject: "pendant la panne", Text: "Personne ne me voit"})
	ack := w.mail("ack", func(playground.Mail) bool { return true })
	soon(func() bool {
		var failed int
		w.store.View(t.Context(), func(tx bot.Tx) error { ds, _ := tx.FailedDeliveries(9); failed = len(ds); return nil })
		return failed > 0
	})
	must(t, w.rich.RoomBack("equipe"))
	w.write(playground.Letter{By: "alice", Answers: ack.ID, Text: "Vous êtes là ?"})
	w.post("camille", "equipe", "", "!liste")
	if !w.sees("equipe", func(m playground.Message) bool { return strings.Contains(m.Text, "Vous êtes là") || m.Card }) {
		t.Error("a ticket whose card met a closed room is never shown, even when the room is back and the asker writes again")
	}
}

func TestAttackDeletedPasswordInSubject(t *testing.T) {
	w := newWorld(t)
	q := w.post("alice", "entraide", "", "Mon mot de passe est hunter2")
	w.card("hunter2")
	must(t, w.rich.Delete("alice", "entraide", q.ID))
	w.find("equipe", "deleted", has("message effacé"))
	if !soon(func() bool { return w.count(w.rich, "equipe", has("hunter2")) == 0 }) {
		t.Error("a deleted password stays in the card's title")
	}
}

func TestAttackRetryOfWhatWasSetAside(t *testing.T) {
	w := newWorld(t)
	w.ticketByMail("mis de côté")
	w.accepted(envelope{from: "", to: []string{"support@example.org"}, data: bounce("ticket-1@example.org")})
	w.find("equipe", "told", fromBot("n’a pas pu être traité"))
	var rows []bot.InboxRow
	must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { rows, err = tx.AsideEvents(1); return err }))
	must(t, w.bot.RetryAside(t.Context(), rows[0].ID))
	w.post("camille", "equipe", "", "!liste")
	w.find("equipe", "list", fromBot("#1 ·"))
	if !soon(func() bool {
		waiting := 1
		w.store.View(t.Context(), func(tx bot.Tx) error { waiting, _, _ = tx.CountWaiting(); return nil })
		return waiting == 0
	}) {
		t.Error("an event taken up again waits until the next restart")
	}
}

func TestAttackPromoteOldLine(t *testing.T) {
	var offset atomic.Int64
	w := newWorld(t, skipping(&offset), func(w *world) { w.opt.Desks[0].Intakes[1].Opens = bot.OnMention })
	m := w.post("alice", "entraide", "", "mon disque est plein")
	w.post("camille", "equipe", "", "!liste")
	w.find("equipe", "list", fromBot("Aucun ticket"))
	offset.Store(int64(2 * time.Hour))
	must(t, w.rich.React("camille", "entraide", m.ID, "🎫", true))
	if !w.sees("equipe", func(m playground.Message) bool { return m.Card }) {
		t.Error("a line that we saw two hours ago cannot be made a ticket, though the network has history")
	}
}

func TestAttackExclamationIsDropped(t *testing.T) {
	w := newWorld(t)
	w.post("alice", "entraide", "", "!SOS mon site est en panne")
	if !w.sees("equipe", func(m playground.Message) bool { return m.Card }) {
		t.Error("every-message: a request that begins with ! is lost")
	}
	q := w.post("basile", "entraide", "", "Ma question")
	w.card("Ma question")
	w.post("basile", "entraide", q.ID, "! Bonne nouvelle, ça remarche")
	if !w.sees("equipe", has("ça remarche")) {
		t.Error("a line of the asker that begins with ! is lost")
	}
}

func TestAttackSlashTicketOfCustomer(t *testing.T) {
	w := newWorld(t)
	a, err := w.rich.Slash(t.Context(), "alice", "entraide", "", "/ticket Mon site est en panne")
	must(t, err)
	if !w.sees("equipe", func(m playground.Message) bool { return m.Card }) {
		t.Errorf("a customer's slash command in the desk's own intake opens nothing: %q", a.Text)
	}
}

func TestAttackReplyButtonOverRestart(t *testing.T) {
	w := newWorld(t, long)
	card := w.ticketByMail("bouton")
	note := w.post("camille", "equipe", card.ID, "Cette personne ne paie jamais")
	w.post("camille", "equipe", card.ID, "!voir")
	w.find("equipe", "shown", fromBot("#1 ·"))
	w.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	w.rich.Press(ctx, "camille", "equipe", card.ID, "reply", "1")
	cancel()
	w.start()
	w.post("camille", "equipe", "", "!liste")
	w.find("equipe", "list", func(m playground.Message) bool { return m.Thread == "" && fromBot("#1 ·")(m) })
	if soon(func() bool { return w.marked("equipe", note.ID, "⏳") }) {
		t.Error("the button that opens a form sends the last internal note after a restart")
	}
}

func TestAttackClosesOverNewMessage(t *testing.T) {
	w := newWorld(t, holds(2*time.Second))
	card := w.ticketByMail("croisé")
	ack := w.mail("ack", func(playground.Mail) bool { return true })
	w.post("camille", "equipe", card.ID, "!rf Réglé.")
	w.find("equipe", "hold", fromBot("⏳ →"))
	w.write(playground.Letter{By: "alice", Answers: ack.ID, Text: "Toujours en panne !"})
	w.inThread(card, "Toujours en panne")
	w.mail("reply", func(m playground.Mail) bool { return strings.Contains(m.Text, "Réglé") })
	if soon(func() bool { m, _ := w.rich.Message(card.ID); return contains(m.Text, "fermé") }) {
		t.Error("the ticket is closed over a message that came during the hold")
	}
}

func TestAttackBreakerKeepsAnswersOfOtherThreads(t *testing.T) {
	var offset atomic.Int64
	w := newWorld(t, skipping(&offset))
	one, two := w.ticketByMail("fil un"), playground.Message{}
	w.write(playground.Letter{By: "basile", Subject: "fil deux", Text: "x"})
	two = w.card("fil deux")
	for range 23 {
		w.post("camille", "equipe", one.ID, "!lâcher")
	}
	w.post("camille", "equipe", two.ID, "!lâcher")
	w.find("equipe", "the breaker", fromBot("Beaucoup de réponses"))
	w.await("all decided", func() bool {
		n := 1
		w.store.View(t.Context(), func(tx bot.Tx) error { n, _, _ = tx.CountWaiting(); return nil })
		return n == 0
	})
	in := func(card playground.Message) int {
		return w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Thread == card.ID && fromBot("Personne ne l’a pris")(m) })
	}
	for range 4 {
		offset.Add(int64(61 * time.Second))
		w.post("camille", "equipe", "", "bavardage")
		soon(func() bool { return in(one) >= 23 && in(two) >= 1 })
	}
	if in(one) < 23 || in(two) < 1 {
		t.Errorf("answers that the breaker held are lost: %d of 23 in one thread, %d of 1 in the other", in(one), in(two))
	}
}

func TestAttackClaimLapsesWhileOwnerSpeaks(t *testing.T) {
	var offset atomic.Int64
	w := newWorld(t, skipping(&offset), func(w *world) { w.opt.Desks[0].Claim = time.Hour })
	card := w.ticketByMail("réclamé")
	w.post("camille", "equipe", card.ID, "!prendre")
	w.find("equipe", "claimed", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "pris par Camille") })
	offset.Store(int64(40 * time.Minute))
	w.post("camille", "equipe", card.ID, "Je regarde toujours")
	w.post("camille", "equipe", card.ID, "!voir")
	w.find("equipe", "shown", func(m playground.Message) bool { return m.Thread == card.ID && fromBot("toujours")(m) })
	offset.Store(int64(70 * time.Minute))
	w.post("camille", "equipe", "", "bavardage")
	if soon(func() bool { m, _ := w.rich.Message(card.ID); return contains(m.Text, "de nouveau libre") }) {
		t.Error("the claim lapsed half an hour after its owner's last word, with a limit of an hour")
	}
}

func TestAttackWrongIncidentEnded(t *testing.T) {
	w := newWorld(t)
	w.post("camille", "equipe", "", "!incident début messagerie un")
	w.find("etat", "one", fromBot("un"))
	w.post("camille", "equipe", "", "!incident fin fini")
	w.find("etat", "end of one", fromBot("fini"))
	w.post("camille", "equipe", "", "!incident début messagerie deuxième panne")
	head := w.find("etat", "two", fromBot("deuxième panne"))
	w.post("camille", "equipe", "", "!incident fin 1 tout va bien")
	if soon(func() bool { m, _ := w.rich.Message(head.ID); return contains(m.Text, "erminé") }) {
		t.Error("naming an incident that is over ends another one, in public")
	}
}
