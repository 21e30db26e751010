package command

import (
	"testing"

	"permanence/bot/chat"
)

// call is what the handlers of these tests are given.
type call struct{ ran *string }

func words(fr []string, en ...string) Names { return Names{FR: fr, EN: en} }

func fr(list ...string) []string { return list }

// designTable is the list of verbs that Permanence promises, with the flags
// that its handlers need.
func designTable(tb testing.TB) *Table[call] {
	tb.Helper()
	spec := func(id string, names Names, who Who, flags func(*Spec[call])) Spec[call] {
		s := Spec[call]{ID: id, Names: names, Who: who,
			Summary: chat.Text{FR: "résumé de " + id, EN: "summary of " + id}}
		s.Run = func(c call, _ Args) error { *c.ran = id; return nil }
		if flags != nil {
			flags(&s)
		}
		return s
	}
	ticket := func(s *Spec[call]) { s.NeedsTicket = true }
	said := func(s *Spec[call]) {
		s.NeedsTicket, s.Text, s.Proposes = true, true, true
		s.Usage = chat.Text{FR: "texte", EN: "text"}
	}
	numbered := func(s *Spec[call]) { s.Number, s.Text = true, true }
	text := func(s *Spec[call]) { s.Text = true }
	group := func(id string, names Names, sub ...Spec[call]) Spec[call] {
		return Spec[call]{ID: id, Names: names, Who: Agents, Sub: sub,
			Summary: chat.Text{FR: "résumé de " + id, EN: "summary of " + id}}
	}
	t, err := NewTable([]Spec[call]{
		spec("reply", words(fr("répondre", "r"), "reply"), Agents, said),
		spec("reply-close", words(fr("répondre-fermer", "rf"), "reply-close"), Agents, said),
		spec("stop", words(fr("stop"), "stop"), Agents, ticket),
		spec("send", words(fr("envoyer"), "send"), Agents, func(s *Spec[call]) { s.NeedsTicket, s.Proposes = true, true }),
		spec("review", words(fr("relire"), "review"), Team, ticket),
		spec("claim", words(fr("prendre"), "claim", "take"), Agents, ticket),
		spec("release", words(fr("lâcher"), "release"), Agents, ticket),
		spec("assign", words(fr("confier"), "assign"), Agents, ticket),
		spec("close", words(fr("fermer", "clore"), "close"), Agents, ticket),
		spec("reopen", words(fr("rouvrir"), "reopen"), Agents, ticket),
		spec("wait", words(fr("attendre"), "wait"), Agents, ticket),
		spec("focus", words(fr("sur"), "focus"), Team, nil),
		spec("list", words(fr("liste"), "list"), Team, nil),
		spec("show", words(fr("voir"), "show"), Team, ticket),
		spec("find", words(fr("chercher"), "find"), Team, text),
		spec("help", words(fr("aide"), "help"), Team, nil),
		spec("ticket", words(fr("ticket"), "ticket"), Anyone, func(s *Spec[call]) { s.Text, s.Umbrella = true, true }),
		spec("dm", words(fr("mp"), "dm"), Agents, ticket),
		spec("private", words(fr("privé"), "private"), Agents, ticket),
		spec("share", words(fr("partager"), "share"), Agents, ticket),
		spec("service", words(fr("service"), "service"), Agents, ticket),
		spec("member", words(fr("membre"), "member"), Coordinators, nil),
		spec("debug", words(fr("débogage"), "debug"), Coordinators, func(s *Spec[call]) { s.Hidden = true }),
		group("incident", words(fr("incident"), "incident"),
			spec("incident.start", words(fr("début"), "start"), Agents, text),
			spec("incident.update", words(fr("maj"), "update"), Agents, numbered),
			spec("incident.edit", words(fr("corriger"), "edit"), Agents, numbered),
			spec("incident.end", words(fr("fin"), "end"), Agents, numbered),
			spec("incident.where", words(fr("où"), "where"), Agents, numbered),
			spec("incident.attach", words(fr("rattacher"), "attach"), Agents, func(s *Spec[call]) { s.Number = true }),
			spec("incident.list", words(fr("liste"), "list"), Agents, nil),
			spec("incident.report", words(fr("bilan"), "report"), Agents, numbered),
		),
		group("maintenance", words(fr("travaux"), "maintenance"),
			spec("maintenance.plan", words(fr("prévoir"), "plan"), Agents, text),
			spec("maintenance.move", words(fr("reporter"), "move"), Agents, numbered),
			spec("maintenance.cancel", words(fr("annuler"), "cancel"), Agents, numbered),
			spec("maintenance.start", words(fr("début"), "start"), Agents, numbered),
			spec("maintenance.end", words(fr("fin"), "end"), Agents, numbered),
		),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// TestDesignWords: each word of the design, in French, in English and by its
// aliases, names its verb, and the verb found runs.
func TestDesignWords(t *testing.T) {
	table := designTable(t)
	tests := []struct {
		id    string
		typed []string
	}{
		{"reply", []string{"répondre", "r", "reply", "REPONDRE", "R"}},
		{"reply-close", []string{"répondre-fermer", "rf", "reply-close", "repondre–fermer"}},
		{"stop", []string{"stop", "Stop"}},
		{"send", []string{"envoyer", "send"}},
		{"review", []string{"relire", "review"}},
		{"claim", []string{"prendre", "claim"}},
		{"release", []string{"lâcher", "lacher", "LÂCHER", "release"}},
		{"assign", []string{"confier", "assign"}},
		{"close", []string{"fermer", "close", "Fermer", "fer\u00admer", "fermer!"}},
		{"reopen", []string{"rouvrir", "reopen"}},
		{"wait", []string{"attendre", "wait"}},
		{"focus", []string{"sur", "focus"}},
		{"list", []string{"liste", "list"}},
		{"show", []string{"voir", "show"}},
		{"find", []string{"chercher", "find"}},
		{"help", []string{"aide", "help", "aide ?", "aide\u00a0?"}},
		{"ticket", []string{"ticket"}},
		{"dm", []string{"mp", "dm"}},
		{"private", []string{"privé", "prive", "prive\u0301", "private"}},
		{"share", []string{"partager", "share"}},
		{"service", []string{"service"}},
		{"member", []string{"membre", "member"}},
		{"debug", []string{"débogage", "debug"}},
		{"incident.start", []string{"incident début", "incident debut", "incident start", "Incident\u00a0Début"}},
		{"incident.update", []string{"incident maj", "incident update"}},
		{"incident.edit", []string{"incident corriger", "incident edit"}},
		{"incident.end", []string{"incident fin", "incident end"}},
		{"incident.where", []string{"incident où", "incident ou", "incident where", "incident où ?"}},
		{"incident.attach", []string{"incident rattacher", "incident attach"}},
		{"incident.list", []string{"incident liste", "incident list"}},
		{"incident.report", []string{"incident bilan", "incident report"}},
		{"maintenance.plan", []string{"travaux prévoir", "maintenance plan", "travaux plan"}},
		{"maintenance.move", []string{"travaux reporter", "maintenance move"}},
		{"maintenance.cancel", []string{"travaux annuler", "maintenance cancel"}},
		{"maintenance.start", []string{"travaux début", "maintenance start"}},
		{"maintenance.end", []string{"travaux fin", "maintenance end"}},
	}
	seen := map[string]bool{"incident": true, "maintenance": true}
	for _, tt := range tests {
		seen[tt.id] = true
		for _, typed := range tt.typed {
			for _, message := range []string{"!" + typed, "! " + typed, "!\u00a0" + typed, "\u00a0!" + typed, "\u200b!" + typed, `\!` + typed, "/" + typed} {
				p, ok := table.ParseMessage(message, nil)
				if !ok || p.Err != nil || p.Spec == nil {
					t.Errorf("%q: ok %v, error %v", message, ok, p.Err)
					continue
				}
				var ran string
				if err := p.Spec.Run(call{&ran}, p.Args); err != nil || ran != tt.id {
					t.Errorf("%q ran %q, %v; want %q", message, ran, err, tt.id)
				}
			}
		}
		if s, ok := table.Lookup(tt.id); !ok || s.ID != tt.id {
			t.Errorf("Lookup(%q): %v", tt.id, ok)
		}
	}
	for id := range table.byID {
		if !seen[id] {
			t.Errorf("%s is not tested", id)
		}
	}
}
