package bot_test

import (
	"strings"
	"testing"

	"permanence/adapters/playground"
)

// TestEveryVerb drives each verb of the table in each language, and reads what
// people read: something is said or shown, in the desk's language, and no
// sentence is missing (world.stop checks the catalog).
func TestEveryVerb(t *testing.T) {
	verbs := []struct{ fr, en, wantFR, wantEN string }{
		{"!prendre", "!take", "pris par Camille", "taken by Camille"},
		{"!prendre", "!claim", "Vous l’avez déjà", "You have it already"},
		{"!service courriel", "!service mail", "service courriel", "service mail"},
		{"!partager", "!share", "partagé", "shared"},
		{"!privé", "!private", "réservé par Camille", "made private by Camille"},
		{"!relire @dominique", "!review @dominique", "demande une relecture", "second pair of eyes"},
		{"!attendre", "!wait", "attend la personne", "waits for the asker"},
		{"!lâcher", "!release", "lâché par Camille", "released by Camille"},
		{"!lâcher", "!release", "Personne ne l’a pris", "Nobody has taken it"},
		{"!confier @dominique", "!assign @dominique", "pris par Dominique", "taken by Dominique"},
		{"!confier @nulle-part", "!assign @nowhere", "Personne de ce nom", "Nobody of that name"},
		{"!mp", "!dm", "Pas possible ici", "Not possible here"},
		{"!stop", "!stop", "Aucune réponse", "No reply is waiting"},
		{"!fermer", "!close", "fermé par Camille", "closed by Camille"},
		{"!fermer", "!close", "C’est déjà", "already"},
		{"!rouvrir", "!reopen", "rouvert par Camille", "reopened by Camille"},
		{"!voir", "!show", "📨", "📨"},
		{"!chercher panneau", "!find panneau", "#1 ·", "#1 ·"},
		{"!chercher introuvable", "!find introuvable", "Rien trouvé", "Nothing found"},
		{"!liste moi", "!list mine", "Aucun ticket", "No ticket"},
		{"!liste", "!list", "#1 ·", "#1 ·"},
		{"!aide", "!help", "!répondre", "!reply"},
		{"!aide fermer", "!help close", "fermer", "close"},
		{"!fremer", "!clsoe", "fermer", "close"},
		{"!membre @sacha agent", "!member @sacha agent", "demande un autre rôle", "needs another role"},
		{"!incident liste", "!incident list", "Aucun incident", "No incident"},
		{"!incident où 9", "!incident where 9", "annoncé nulle part", "announced nowhere"},
		{"!fermer #99", "!close #99", "celui du ticket #1", "thread of ticket #1"},
		{"!r Bonjour", "!r Bonjour", "📬", "📬"},
	}
	for _, lang := range []string{"fr", "en"} {
		t.Run(lang, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.opt.Language, w.opt.Desks[0].Language = lang, lang })
			w.post("dominique", "equipe", "", "me voici")
			card := w.ticketByMail("le panneau")
			w.post("dominique", "equipe", card.ID, "je lis")
			for _, v := range verbs {
				typed, want := v.fr, v.wantFR
				if lang == "en" {
					typed, want = v.en, v.wantEN
				}
				before := len(w.rich.Messages("equipe"))
				m := w.post("camille", "equipe", card.ID, typed)
				w.await(typed+" → "+want, func() bool {
					now, _ := w.rich.Message(card.ID)
					if contains(now.Text, want) || w.marked("equipe", m.ID, want) {
						return true
					}
					for _, said := range w.rich.Messages("equipe")[before:] {
						if said.By == "permanence" && contains(said.Text, want) {
							t.Logf("%s\n    %s", typed, strings.ReplaceAll(said.Text, "\n", "\n    "))
							return true
						}
					}
					return false
				})
			}
		})
	}
}

// TestCoordinatorGivesRoles: promotion and its contrary.
func TestCoordinatorGivesRoles(t *testing.T) { both(t, coordinatorGivesRoles) }

func coordinatorGivesRoles(t *testing.T, on setup) {
	w := newWorld(t, on, long, func(w *world) {
		d := &w.opt.Desks[0]
		d.Coordinators, d.Agents = d.Agents[:1], d.Agents[1:]
	})
	card := w.ticketByMail("rôles")
	note := w.post("sacha", "equipe", card.ID, "Réponse de Sacha")
	w.react("sacha", note.ID, "✉️")
	w.find("equipe", "a proposal", fromBot("Sacha propose"))
	w.post("camille", "equipe", "", "!membre @sacha agent")
	w.find("equipe", "given", fromBot("Sacha : agent"))
	other := w.post("sacha", "equipe", card.ID, "Une autre réponse")
	w.react("sacha", other.ID, "✉️")
	w.await("⏳", func() bool { return w.marked("equipe", other.ID, "⏳") })
	w.post("camille", "equipe", "", "!membre @sacha aucun")
	w.find("equipe", "taken", fromBot("Sacha : aucun rôle"))
	third := w.post("sacha", "equipe", card.ID, "Encore une")
	w.react("sacha", third.ID, "✉️")
	w.find("equipe", "refused", fromBot("seule l’équipe de ce guichet peut envoyer"))
}

// TestStrangersMayAskAndNothingElse: an account that the network does not
// vouch for is a customer, even in the name of an agent.
func TestStrangersMayAskAndNothingElse(t *testing.T) {
	w := newWorld(t, func(w *world) {
		for _, a := range []playground.Account{{ID: "passant", Name: "Camille", Role: "visitor"}} {
			_, err := w.rich.AddAccount(a.Name + " de passage")
			must(w.t, err)
		}
	})
	var visitor string
	for _, a := range w.rich.Accounts() {
		if !a.Proved {
			visitor = a.ID
		}
	}
	if visitor == "" {
		t.Fatal("no visitor")
	}
	w.post(visitor, "entraide", "", "!ticket Puis-je demander ?")
	card := w.card("Puis-je demander")
	if a, err := w.rich.Press(t.Context(), visitor, "equipe", card.ID, "close", "1"); err == nil && !contains(a.Text, "autre rôle") && a.Text != "" {
		t.Errorf("a stranger's press: %+v", a)
	}
	w.post(visitor, "entraide", "", "!fermer #1")
	w.post("camille", "equipe", card.ID, "!mp")
	w.find("equipe", "nothing private to a stranger", fromBot("Pas possible ici"))
	if m, _ := w.rich.Message(card.ID); contains(m.Text, "fermé") {
		t.Error("closed by a stranger")
	}
}
