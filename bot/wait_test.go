package bot_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/playground"
)

// TestAHoldWaitsForATeamRoomThatIsAway: a "stop" may have been said there; two
// minutes at most, and then it says so.
func TestAHoldWaitsForATeamRoomThatIsAway(t *testing.T) {
	var offset atomic.Int64
	w := newWorld(t, twoRooms, skipping(&offset))
	card := w.ticketByMail("attente")
	w.findOn(w.poor, "salle", "card line", has("#1"))
	w.poor.Down()
	w.await("cut", func() bool {
		for _, h := range w.bot.Health() {
			if h.Adapter == "irc" && h.State == "cut" {
				return true
			}
		}
		return false
	})
	note := w.post("camille", "equipe", card.ID, "Réponse qui attend")
	w.react("camille", note.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", note.ID, "⏳") })
	offset.Store(int64(time.Minute))
	w.post("camille", "equipe", card.ID, "!voir")
	w.find("equipe", "shown", fromBot("#1 ·"))
	w.noMail("Réponse qui attend")
	offset.Store(int64(3 * time.Minute))
	w.find("equipe", "says so", fromBot("injoignable depuis deux minutes"))
	w.mail("left all the same", func(m playground.Mail) bool { return strings.Contains(m.Text, "Réponse qui attend") })
	w.poor.Up()
}

// TestWhoSpokeInTheTeamCanBeEntrusted: a note is enough to be known, and an
// envelope outside of a thread is answered.
func TestWhoSpokeInTheTeamCanBeEntrusted(t *testing.T) {
	w := newWorld(t)
	card := w.ticketByMail("confié")
	loose := w.post("dominique", "equipe", "", "hors du fil")
	w.react("dominique", loose.ID, "✉️")
	w.find("equipe", "told", fromBot("n’est dans le fil d’aucun ticket"))
	w.post("sacha", "equipe", card.ID, "j'apprends")
	w.post("camille", "equipe", card.ID, "!confier @sacha")
	w.find("equipe", "a trainee", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "pris par Sacha") })
	w.post("dominique", "equipe", card.ID, "bonjour")
	w.post("camille", "equipe", card.ID, "!confier @dominique")
	w.find("equipe", "pinged", func(m playground.Message) bool {
		return fromBot("vous confie ce ticket")(m) && len(m.Mentions) == 1
	})
	w.find("equipe", "assigned", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "pris par Dominique") })
}
