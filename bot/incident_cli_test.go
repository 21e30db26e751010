package bot_test

import (
	"errors"
	"testing"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/command"
)

// TestMachine: whoever works at the machine learns whether it was done, about
// what, and who heard it; a refusal is no deed.
func TestMachine(t *testing.T) {
	w := newWorld(t)
	do := func(line string, sure bool) bot.MachineAnswer {
		t.Helper()
		a, err := w.bot.Machine().Do(t.Context(), line, "en", sure)
		must(t, err)
		return a
	}
	for _, tt := range []struct {
		line     string
		sure     bool
		done     bool
		asked    bool
		incident int64
		text     string
	}{
		{"incident list", false, true, false, 0, ""},
		{"incident where 1", false, false, false, 0, "1"},
		{"incident end", false, false, false, 0, ""},
		{"incident start", false, false, false, 0, ""},
		{"incident start mail slow at canari.interne", false, false, true, 0, "canari.interne"},
		{"incident start mail slow on equipe-secrete", true, true, false, 1, "Incident 1"},
		{"incident update 1 a disk", false, true, false, 1, "1"},
		{"incident edit 1 a disk and a fan", false, true, false, 1, "1"},
		{"incident where 1", false, true, false, 0, "etat"},
		{"incident retry 1", false, false, false, 0, ""},
		{"incident report", false, true, false, 0, "# Report"},
		{"incident report 1999", false, false, false, 0, ""},
		{"incident end 1 all is well", false, true, false, 1, "1"},
		{"incident end 1", false, false, false, 0, ""},
		{"maintenance plan tomorrow 10pm for 2h mail: disks", false, true, false, 2, "2"},
		{"maintenance cancel 2", false, true, false, 2, "2"},
		{"maintenance cancel 2", false, false, false, 0, ""},
	} {
		a := do(tt.line, tt.sure)
		if a.Done != tt.done || a.Asked != tt.asked || a.Incident != tt.incident || !contains(a.Text, tt.text) || a.Text == "" {
			t.Errorf("%s: %+v", tt.line, a)
		}
	}
	rows, err := w.bot.Machine().Told(t.Context(), 1)
	must(t, err)
	if len(rows) != 1 || rows[0].Place.Room != "etat" || rows[0].Failed != "" {
		t.Errorf("told %+v", rows)
	}
	var wrong *command.UserError
	for _, line := range []string{"", "incident strat mail", "take #1"} {
		if a, err := w.bot.Machine().Do(t.Context(), line, "en", false); !errors.As(err, &wrong) {
			t.Errorf("%q: %+v %v", line, a, err)
		}
	}
	must(t, w.bot.Machine().TellTeam(t.Context(), chat.Text{FR: "La copie est vieille.", EN: "The copy is old."}))
	w.find("equipe", "the notice", fromBot("La copie est vieille."))
}

// A ticket of any desk can be attached from the machine.
func TestMachineAttaches(t *testing.T) {
	w := newWorld(t, func(w *world) {
		other := w.opt.Desks[0]
		other.Name, other.Rooms = "facturation", []chat.Place{{Adapter: "tchat", Room: "equipe2"}}
		other.Intakes = other.Intakes[2:]
		w.opt.Desks[0].Intakes = w.opt.Desks[0].Intakes[:2]
		w.opt.Desks = append(w.opt.Desks, other)
	})
	w.write(playground.Letter{By: "alice", To: []string{"facturation@example.org"}, Subject: "Ma facture", Text: "La page de paiement ne répond pas."})
	w.find("equipe2", "the card", has("Ma facture"))
	if a, err := w.bot.Machine().Do(t.Context(), "incident start paiement en panne", "fr", false); err != nil || !a.Done {
		t.Fatalf("%+v %v", a, err)
	}
	if a, err := w.bot.Machine().Do(t.Context(), "incident attach #1 1", "fr", false); err != nil || !a.Done {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := w.bot.Machine().Do(t.Context(), "incident attach #7 1", "fr", false); err != nil || a.Done {
		t.Errorf("a ticket that there is not: %+v %v", a, err)
	}
	must(t, w.store.View(t.Context(), func(tx bot.Tx) error {
		tk, err := tx.Ticket(1)
		if tk.Incident != 1 {
			t.Errorf("attached to %d", tk.Incident)
		}
		return err
	}))
}
