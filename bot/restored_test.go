package bot_test

import (
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/tickets"
)

// TestWhatAnOlderDatabaseHasForgotten: after a copy was put back, history
// brings what was asked for since; it may have been done, so nothing of it is
// said to people again.
func TestWhatAnOlderDatabaseHasForgotten(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Restored = tickets.At(time.Now().Add(time.Hour)) })
	card := w.ticketByMail("Une restauration")
	note := w.post("camille", "equipe", card.ID, "Une réponse")
	w.kept(1, "Une réponse")
	w.react("camille", note.ID, "✉️")
	w.post("camille", "equipe", card.ID, "!r Une autre réponse")
	w.find("equipe", "told", fromBot("Non exécutée, car écrite avant la restauration"))
	w.post("camille", "equipe", card.ID, "!fermer")
	w.await("told twice", func() bool { return w.count(w.rich, "equipe", fromBot("Non exécutée")) == 2 })
	w.noMail("réponse")

	w.stop()
	w.opt.Restored = tickets.At(time.Now().Add(-time.Hour))
	w.start()
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
	w.react("camille", note.ID, "✉️")
	w.mail("what is asked for again", func(m playground.Mail) bool { return contains(m.Text, "Une réponse") })
	w.noMail("Une autre")
}

// TestAHeldAnswerOfAnOlderDatabase: what was in its hold when the copy was made
// has left since, very likely; it goes only when somebody asks for it again.
func TestAHeldAnswerOfAnOlderDatabase(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Desks[0].HoldMail = 2 * time.Second })
	card := w.ticketByMail("Un vieux brouillon")
	note := w.post("camille", "equipe", card.ID, "Une réponse en attente")
	w.kept(1, "Une réponse en attente")
	w.react("camille", note.ID, "✉️")
	w.await("held", func() bool { return w.marked("equipe", note.ID, "⏳") })
	w.stop()
	w.opt.Restored = tickets.At(time.Now())
	w.start()
	w.find("equipe", "stopped", fromBot("quand la copie de la base a été faite"))
	w.noMail("Une réponse en attente")
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", false))
	w.react("camille", note.ID, "✉️")
	w.mail("what is asked for again", func(m playground.Mail) bool { return contains(m.Text, "Une réponse en attente") })
}
