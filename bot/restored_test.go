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
