package command

import (
	"errors"
	"strings"
	"testing"

	"permanence/bot/chat"
)

func TestNewTableRefuses(t *testing.T) {
	run := func(call, Args) error { return nil }
	verb := func(id string, fr, en string, sub ...Spec[call]) Spec[call] {
		return Spec[call]{ID: id, Names: Names{FR: strings.Split(fr, "|"), EN: strings.Split(en, "|")}, Run: run, Sub: sub}
	}
	tests := []struct {
		name, want string
		specs      []Spec[call]
	}{
		{"no ID", "has no ID", []Spec[call]{verb("", "a", "b")}},
		{"same ID", `ID "x" is used twice`, []Spec[call]{verb("x", "a", "b"), verb("y", "c", "d", verb("x", "e", "f"))}},
		{"same word", `x and y are both called "ferme"`, []Spec[call]{verb("x", "ferme", "b"), verb("y", "fermé", "d")}},
		{"same word in the other language", `are both called "list"`, []Spec[call]{verb("x", "list", "b"), verb("y", "c", "LIST")}},
		{"same word in a group", `are both called "a"`, []Spec[call]{verb("g", "g", "g", verb("x", "a", "b"), verb("y", "c|a", "d"))}},
		{"two words", "not one word", []Spec[call]{verb("x", "a b", "b")}},
		{"no word", "not one word", []Spec[call]{verb("x", "", "b")}},
		{"number", "not one word", []Spec[call]{verb("x", "#4", "b")}},
		{"one language", "needs a word in French and in English", []Spec[call]{{ID: "x", Names: Names{FR: []string{"a"}}, Run: run}}},
		{"nothing to do", "does nothing", []Spec[call]{{ID: "x", Names: words(fr("a"), "b")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewTable(tt.specs); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := NewTable([]Spec[call]{verb("x", "a", "a|b", verb("y", "a", "b")), verb("z", "c", "d", verb("w", "a", "b"))}); err != nil {
		t.Errorf("the same word in different groups: %v", err)
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"fermer", "fermer", 0}, {"fremer", "fermer", 1},
		{"ferme", "fermer", 1}, {"fezmer", "fermer", 1}, {"abcd", "badc", 2}, {"ca", "abc", 3}, {"liste", "voir", 5},
	}
	for _, tt := range tests {
		for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			if got := distance([]rune(pair[0]), []rune(pair[1])); got != tt.want {
				t.Errorf("distance(%q, %q) = %d, want %d", pair[0], pair[1], got, tt.want)
			}
		}
	}
}

// helpTable is small enough to read its help whole.
func helpTable(t *testing.T) *Table[call] {
	t.Helper()
	run := func(call, Args) error { return nil }
	table, err := NewTable([]Spec[call]{
		{ID: "reply", Names: words(fr("répondre", "r"), "reply", "r"), Usage: chat.Text{FR: "texte", EN: "text"},
			Summary: chat.Text{FR: "envoie le texte à qui a demandé", EN: "sends the text to the asker"},
			Who:     Agents, Proposes: true, NeedsTicket: true, Text: true, Run: run},
		{ID: "member", Names: words(fr("membre"), "member"), Summary: chat.Text{FR: "donne un rôle", EN: "gives a role"}, Who: Coordinators, Run: run},
		{ID: "secret", Names: words(fr("caché"), "hidden"), Hidden: true, Run: run},
		{ID: "incident", Names: words(fr("incident"), "incident"), Summary: chat.Text{FR: "annonce une panne", EN: "announces an outage"}, Who: Agents, Sub: []Spec[call]{
			{ID: "incident.start", Names: words(fr("début"), "start"), Usage: chat.Text{FR: "composant texte", EN: "component text"}, Summary: chat.Text{FR: "l’ouvre", EN: "opens it"}, Who: Agents, Run: run},
			{ID: "incident.end", Names: words(fr("fin"), "end"), Usage: chat.Text{FR: "[numéro] texte", EN: "[number] text"}, Summary: chat.Text{FR: "la clôt", EN: "closes it"}, Who: Coordinators, Run: run},
		}},
		{ID: HelpID, Names: words(fr("aide"), "help"), Summary: chat.Text{FR: "affiche cette liste", EN: "shows this list"}, Who: Team, Run: run},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestHelp(t *testing.T) {
	table := helpTable(t)
	agent := func(s *Spec[call]) bool { return s.Who != Coordinators }
	tests := []struct {
		name, lang, want string
		may              func(*Spec[call]) bool
	}{
		{"all in French", "fr", `**Commandes** (dans le fil d’un ticket, le numéro est facultatif)
- ''!répondre #42 texte'' (r) : envoie le texte à qui a demandé
- ''!membre'' : donne un rôle
- ''!incident'' début, fin : annonce une panne
- ''!aide'' : affiche cette liste
''!aide répondre'' en dit plus sur un mot.
`, nil},
		{"an agent's in English", "en", `**Commands** (in a ticket’s thread, the number is optional)
- ''!reply #42 text'' (r): sends the text to the asker
- ''!incident'' start: announces an outage
- ''!help'': shows this list
''!help reply'' says more about a word.
`, agent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := table.Help(tt.lang, tt.may); got != strings.ReplaceAll(tt.want, "''", "`") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestHelpOne(t *testing.T) {
	table := helpTable(t)
	tests := []struct{ lang, words, want string }{
		{"fr", "R", "''!répondre #42 texte''\nEnvoie le texte à qui a demandé.\nAussi : ''r''\nEn anglais : ''reply'', ''r''\nPour : les agents\nEn période d’essai : devient une proposition à valider.\n"},
		{"en", "!répondre", "''!reply #42 text''\nSends the text to the asker.\nAlso: ''r''\nIn French: ''répondre'', ''r''\nFor: agents\nAs a trainee: becomes a proposal to be approved.\n"},
		{"fr", "incident.end", "''!incident fin [numéro] texte''\nLa clôt.\nEn anglais : ''end''\nPour : la coordination\n"},
		{"en", "incident fin", "''!incident end [number] text''\nCloses it.\nIn French: ''fin''\nFor: coordinators\n"},
		{"fr", "incident", "''!incident''\nAnnonce une panne.\n- ''!incident début composant texte'' : l’ouvre\n- ''!incident fin [numéro] texte'' : la clôt\nEn anglais : ''incident''\nPour : les agents\n"},
	}
	for _, tt := range tests {
		got, err := table.HelpOne(tt.lang, tt.words, nil)
		if err != nil || got != strings.ReplaceAll(tt.want, "''", "`") {
			t.Errorf("HelpOne(%q, %q): %v\n%s", tt.lang, tt.words, err, got)
		}
	}
	var e *UserError
	if _, err := table.HelpOne("fr", "incident debutt", nil); !errors.As(err, &e) || e.Suggestion != "début" {
		t.Errorf("a slip: %v", err)
	}
	if _, err := table.HelpOne("fr", "", nil); !errors.As(err, &e) {
		t.Errorf("no word: %v", err)
	}
}
