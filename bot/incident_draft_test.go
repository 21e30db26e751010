package bot_test

import (
	"testing"

	"permanence/adapters/playground"
)

// A draft outlives the program: its button publishes what was shown, with the
// times as they were understood then, and in the name of its author.
func TestDraftsOutliveARestart(t *testing.T) { both(t, draftsOutliveARestart) }

func draftsOutliveARestart(t *testing.T, on setup) {
	var c clock
	w := newWorld(t, on, status(t, &c), func(w *world) { w.opt.Status.Preview = true })
	w.post("camille", "equipe", "", "!travaux prévoir demain 22h pendant 2h messagerie : disque\nEN: mail: disk")
	shown := w.find("equipe", "preview", fromBot("jeudi 19 novembre 2026, 22h00 CET"))
	w.stop()
	w.reach(&c, 0, "15h45")
	w.start()
	if a := w.press("camille", "equipe", shown.ID, "incident.correct", shown.Buttons[1].Value); a.Form == nil || !contains(a.Form.Fields[0].Text, "demain 22h") {
		t.Errorf("correct opens %+v", a)
	}
	if a := w.press("dominique", "equipe", shown.ID, "incident.publish", shown.Buttons[0].Value); !contains(a.Text, "Travaux 1 annoncés dans 2 salons") ||
		!contains(a.Text, "jeudi 19 novembre 2026, 22h00 CET") {
		t.Errorf("published: %q", a.Text)
	}
	w.find("etat", "announced", fromBot("[Travaux 1] Messagerie : disque"))
	if a := w.press("camille", "equipe", shown.ID, "incident.publish", shown.Buttons[0].Value); !contains(a.Text, "Rien n’attend d’être publié") {
		t.Errorf("published twice: %q", a.Text)
	}
	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if len(one.Titles) != 1 || one.Titles[0].Body != "Messagerie: disk" || one.Published.In(w.opt.Location).Format("15:04") != "15:45" {
		t.Errorf("public: %+v", one)
	}

	// An incident's end, typed before a restart, is published after it.
	w.post("camille", "equipe", "", "!incident début web lent")
	w.find("equipe", "preview", fromBot("[Incident] Web lent"))
	w.command("!incident publier", "Incident 2 annoncé")
	w.post("camille", "equipe", "", "!incident fin 2 rentré dans l'ordre")
	w.find("equipe", "preview of the end", fromBot("> ✅ **[Incident 2] Terminé"))
	w.stop()
	w.start()
	w.command("!incident publier", "Incident 2 terminé")
	w.find("etat", "the end", fromBot("rentré dans l'ordre"))
}

// What changed meanwhile is not published over: neither after a restart.
func TestDraftOfWhatChanged(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Status.Preview = true })
	w.post("camille", "equipe", "", "!incident début web lent")
	w.find("equipe", "preview", fromBot("[Incident] Web lent"))
	w.command("!incident publier", "Incident 1 annoncé")
	w.post("camille", "equipe", "", "!incident fin 1 fini")
	w.find("equipe", "preview of the end", fromBot("Terminé"))
	w.stop()
	w.start()
	w.post("dominique", "equipe", "", "!incident fin 1 c'est fini")
	w.find("equipe", "the other's preview", fromBot("c'est fini"))
	w.post("dominique", "equipe", "", "!incident publier")
	w.find("equipe", "ended", fromBot("Incident 1 terminé"))
	w.command("!incident publier", "le numéro 1 a changé entre-temps")
	if n := w.count(w.rich, "etat", fromBot("Terminé :")); n != 1 {
		t.Errorf("ended %d times", n)
	}
}

// A draft that nobody publishes ends where everybody sees it: the preview says
// so itself, in a room where nothing can be edited a line does.
func TestDraftExpires(t *testing.T) { both(t, draftExpires) }

func draftExpires(t *testing.T, on setup) {
	var c clock
	w := newWorld(t, on, status(t, &c), twoRooms)
	w.post("camille", "equipe", "", "!travaux prévoir demain 22h pendant 2h messagerie : disque")
	shown := w.find("equipe", "preview", fromBot("Rien n’est encore publié"))
	w.postPoor("camille", "salle", "!travaux prévoir demain 20h pendant 1h web : câble")
	w.findOn(w.poor, "salle", "preview", has("Rien n’est encore publié"))
	w.stop()
	w.reach(&c, 0, "16h01")
	w.start()
	w.find("equipe", "expired", func(m playground.Message) bool {
		return m.ID == shown.ID && contains(m.Text, "l’aperçu a plus d’une demi-heure") && contains(m.Text, "demain 22h") && len(m.Buttons) == 0
	})
	w.findOn(w.poor, "salle", "expired", has("l’aperçu a plus d’une demi-heure"))
	w.command("!travaux publier", "Rien n’attend d’être publié")
	if n := len(w.rich.Messages("etat")); n != 0 {
		t.Errorf("%d lines are public", n)
	}
	// One that was answered to its author alone expires in the room.
	if a, err := w.rich.Slash(t.Context(), "camille", "equipe", "", "/travaux prévoir demain 21h pendant 1h web : alimentation"); err != nil || !contains(a.Text, "Rien n’est encore publié") {
		t.Fatalf("a slash command is answered %+v %v", a, err)
	}
	w.reach(&c, 0, "16h40")
	w.find("equipe", "expired too", fromBot("« demain 21h pendant 1h web : alimentation »"))
}
