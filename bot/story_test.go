package bot_test

import (
	"strings"
	"testing"

	"permanence/adapters/playground"
)

// TestMailBecomesATicketAndIsAnswered is the main job: a mail, a card, a note,
// an envelope, an answer by mail, and the answer to that.
func TestMailBecomesATicketAndIsAnswered(t *testing.T) { both(t, mailBecomesATicketAndIsAnswered) }

func mailBecomesATicketAndIsAnswered(t *testing.T, on setup) {
	w := newWorld(t, on)
	w.write(playground.Letter{By: "alice", Subject: "Mon site ne répond plus", Text: "Bonjour,\n\nErreur 502 depuis ce matin."})
	card := w.card("Mon site ne répond plus")
	if !strings.Contains(card.Text, "alice@customers.example") || !strings.Contains(card.Text, "Erreur 502") {
		t.Fatalf("card: %q", card.Text)
	}
	ack := w.mail("acknowledgement", func(m playground.Mail) bool { return strings.Contains(m.Subject, "#1") })
	if strings.Contains(ack.Text, "Erreur") || strings.Contains(ack.Subject, "site") {
		t.Errorf("the acknowledgement repeats what the asker wrote: %q", ack.Text)
	}
	note := w.post("camille", "equipe", card.ID, "C'est réparé, désolés.")
	must(t, w.rich.React("camille", "equipe", note.ID, "✉️", true))
	w.find("equipe", "where and to whom", fromBot("alice@customers.example · part"))
	reply := w.mail("the answer", func(m playground.Mail) bool { return strings.Contains(m.Text, "C'est réparé") })
	if !strings.HasPrefix(reply.Subject, "Re: ") {
		t.Errorf("subject %q", reply.Subject)
	}
	if got := strings.Join(reply.Cc, " "); !strings.Contains(got, "support@example.org") {
		t.Errorf("role address not in Cc: %q", got)
	}
	w.await("📬 on the note", func() bool { return w.marked("equipe", note.ID, "📬") && !w.marked("equipe", note.ID, "⏳") })
	w.await("the hold line is gone", func() bool { return w.count(w.rich, "equipe", fromBot("part dans")) == 0 })

	w.write(playground.Letter{By: "alice", Answers: reply.ID, Text: "Merci, ça marche !"})
	w.find("equipe", "the answer in the thread", func(m playground.Message) bool {
		return m.Thread == card.ID && strings.Contains(m.Text, "ça marche")
	})
	if n := w.count(w.rich, "equipe", func(m playground.Message) bool { return m.Card }); n != 1 {
		t.Errorf("%d cards, want 1", n)
	}
}
