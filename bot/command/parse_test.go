package command

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	table := designTable(t)
	tests := []struct {
		text, id string
		want     Args
	}{
		{"fermer", "close", Args{}},
		{"fermer #42", "close", Args{Ticket: 42, Raw: "#42"}},
		{"#42 fermer", "close", Args{Ticket: 42}},
		{"#42 fermer #42", "close", Args{Ticket: 42, Raw: "#42"}},
		{"#42 fermer #43", "close", Args{Ticket: 42, Raw: "#43", Rest: "#43", Words: []string{"#43"}}},
		{"fermer#42", "close", Args{Ticket: 42, Raw: "#42"}},
		{"#42: fermer", "close", Args{Ticket: 42}},
		{"\u00a0fermer\u202f#42\u00a0", "close", Args{Ticket: 42, Raw: "#42"}},
		{"fermer #0", "close", Args{Raw: "#0", Rest: "#0", Words: []string{"#0"}}},
		{"fermer #42x", "close", Args{Raw: "#42x", Rest: "#42x", Words: []string{"#42x"}}},
		{"fermer #99999999999999999999", "close", Args{Raw: "#99999999999999999999", Rest: "#99999999999999999999", Words: []string{"#99999999999999999999"}}},
		{"confier @alice #42", "assign", Args{Ticket: 42, Raw: "@alice #42", Rest: "@alice", Words: []string{"@alice"}}},
		{"confier #42 @alice", "assign", Args{Ticket: 42, Raw: "#42 @alice", Rest: "@alice", Words: []string{"@alice"}}},
		{"attendre #42 3 jours", "wait", Args{Ticket: 42, Raw: "#42 3 jours", Rest: "3 jours", Words: []string{"3", "jours"}}},
		{"attendre 3 #42 jours", "wait", Args{Ticket: 42, Raw: "3 #42 jours", Rest: "3 jours", Words: []string{"3", "jours"}}},
		{`service "hébergement web"`, "service", Args{Raw: `"hébergement web"`, Rest: `"hébergement web"`, Words: []string{"hébergement web"}}},
		{"service « mail\u00a0» x", "service", Args{Raw: "« mail\u00a0» x", Rest: "« mail\u00a0» x", Words: []string{"mail", "x"}}},
		{`service "pas fermé`, "service", Args{Raw: `"pas fermé`, Rest: `"pas fermé`, Words: []string{`"pas`, "fermé"}}},
		{"service l'aide d'Alice", "service", Args{Raw: "l'aide d'Alice", Rest: "l'aide d'Alice", Words: []string{"l'aide", "d'Alice"}}},

		{"r Bonjour,\n\n  merci #43 !", "reply", Args{Raw: "Bonjour,\n\n  merci #43 !", Rest: "Bonjour,\n\n  merci #43 !", Words: []string{"Bonjour,", "merci", "#43", "!"}}},
		{"r #42 Bonjour\nà vous\n", "reply", Args{Ticket: 42, Raw: "#42 Bonjour\nà vous", Rest: "Bonjour\nà vous", Words: []string{"Bonjour", "à", "vous"}}},
		{"r: Bonjour", "reply", Args{Raw: "Bonjour", Rest: "Bonjour", Words: []string{"Bonjour"}}},
		{"r\n    code\nfin", "reply", Args{Raw: "    code\nfin", Rest: "    code\nfin", Words: []string{"code", "fin"}}},
		{"r #42\n\n- un\n- deux", "reply", Args{Ticket: 42, Raw: "#42\n\n- un\n- deux", Rest: "- un\n- deux", Words: []string{"-", "un", "-", "deux"}}},
		{"#42 rf «\u00a0oui\u00a0»", "reply-close", Args{Ticket: 42, Raw: "«\u00a0oui\u00a0»", Rest: "«\u00a0oui\u00a0»", Words: []string{"oui"}}},
		{"r #42", "reply", Args{Ticket: 42, Raw: "#42"}},

		{"incident début messagerie envois retardés", "incident.start", Args{Raw: "messagerie envois retardés", Rest: "messagerie envois retardés", Words: []string{"messagerie", "envois", "retardés"}}},
		{"incident début 3 serveurs muets", "incident.start", Args{Raw: "3 serveurs muets", Rest: "3 serveurs muets", Words: []string{"3", "serveurs", "muets"}}},
		{"incident maj 12 on répare", "incident.update", Args{Number: 12, Raw: "12 on répare", Rest: "on répare", Words: []string{"on", "répare"}}},
		{"incident 12 maj on répare", "incident.update", Args{Number: 12, Raw: "on répare", Rest: "on répare", Words: []string{"on", "répare"}}},
		{"incident maj 12h30 : retour", "incident.update", Args{Raw: "12h30 : retour", Rest: "12h30 : retour", Words: []string{"12h30", ":", "retour"}}},
		{"incident maj 12.5 Go", "incident.update", Args{Raw: "12.5 Go", Rest: "12.5 Go", Words: []string{"12.5", "Go"}}},
		{"incident maj 12: on répare", "incident.update", Args{Number: 12, Raw: "12: on répare", Rest: "on répare", Words: []string{"on", "répare"}}},
		{"incident fin", "incident.end", Args{}},
		{"incident fin 12", "incident.end", Args{Number: 12, Raw: "12"}},
		{"incident bilan 2026", "incident.report", Args{Number: 2026, Raw: "2026"}},
		{"incident rattacher 12 #42", "incident.attach", Args{Ticket: 42, Number: 12, Raw: "12 #42"}},
		{"incident rattacher #42 12", "incident.attach", Args{Ticket: 42, Number: 12, Raw: "#42 12"}},
		{"incident rattacher #42", "incident.attach", Args{Ticket: 42, Raw: "#42"}},
		{"#42 incident rattacher 12", "incident.attach", Args{Ticket: 42, Number: 12, Raw: "12"}},
		{"travaux prévoir 28/11 22h web", "maintenance.plan", Args{Raw: "28/11 22h web", Rest: "28/11 22h web", Words: []string{"28/11", "22h", "web"}}},
		{"travaux reporter 13 demain 22h", "maintenance.move", Args{Number: 13, Raw: "13 demain 22h", Rest: "demain 22h", Words: []string{"demain", "22h"}}},
	}
	for _, tt := range tests {
		p, ok := table.Parse(tt.text)
		if !ok || p.Err != nil {
			t.Errorf("%q: ok %v, error %v", tt.text, ok, p.Err)
			continue
		}
		if p.Spec.ID != tt.id {
			t.Errorf("%q: verb %s, want %s", tt.text, p.Spec.ID, tt.id)
		}
		if diff := cmp.Diff(tt.want, p.Args); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
	if _, ok := table.Parse(" \u00a0\n"); ok {
		t.Error("an empty text was taken for a command")
	}
}

func TestParseErrors(t *testing.T) {
	table := designTable(t)
	tests := []struct {
		text, suggestion, fr, en string
		unknown                  bool
	}{
		{"fremer", "fermer", "Commande inconnue « fremer ». Vouliez-vous dire « fermer » ?", "Unknown command “fremer”. Did you mean “fermer”?", true},
		{"Fermé #42", "fermer", "Commande inconnue « Fermé ». Vouliez-vous dire « fermer » ?", "Unknown command “Fermé”. Did you mean “fermer”?", true},
		{"relpy texte", "reply", "Commande inconnue « relpy ». Vouliez-vous dire « reply » ?", "Unknown command “relpy”. Did you mean “reply”?", true},
		{"tikcet", "ticket", "Commande inconnue « tikcet ». Vouliez-vous dire « ticket » ?", "Unknown command “tikcet”. Did you mean “ticket”?", true},
		{"debig", "", "Commande inconnue « debig ». `!aide` en donne la liste.", "Unknown command “debig”. `!help` lists them.", true},
		{"xyzzy", "", "Commande inconnue « xyzzy ». `!aide` en donne la liste.", "Unknown command “xyzzy”. `!help` lists them.", true},
		{"ab@all`<b>", "", "Commande inconnue « aballb ». `!aide` en donne la liste.", "Unknown command “aballb”. `!help` lists them.", true},
		{"#42", "", "Que faire du ticket #42 ? Écrivez une commande avant ou après le numéro. `!aide` en donne la liste.", "What about ticket #42? Write a command before or after the number. `!help` lists them.", false},
		{"incident debt x", "début", "« incident » ne connaît pas « debt ». Vouliez-vous dire « début » ?", "“incident” does not know “debt”. Did you mean “début”?", false},
		{"travaux", "", "Après « travaux », écrivez l’un de ces mots : prévoir, reporter, annuler, début, fin.", "After “maintenance”, write one of these words: plan, move, cancel, start, end.", false},
		{"incident 12", "", "Après « incident », écrivez l’un de ces mots : début, maj, corriger, fin, où, rattacher, liste, bilan.", "After “incident”, write one of these words: start, update, edit, end, where, attach, list, report.", false},
	}
	for _, tt := range tests {
		p, ok := table.Parse(tt.text)
		var e *UserError
		if !ok || !errors.As(p.Err, &e) {
			t.Errorf("%q: ok %v, error %v", tt.text, ok, p.Err)
			continue
		}
		if e.Text.FR != tt.fr || e.Text.EN != tt.en || e.Suggestion != tt.suggestion || e.Unknown != tt.unknown {
			t.Errorf("%q: %+v", tt.text, e)
		}
	}
	p, _ := table.Parse(strings.Repeat("é", 5000))
	if n := len([]rune(p.Err.(*UserError).Text.FR)); n > 100 {
		t.Errorf("a long word makes an error of %d characters", n)
	}
}

func TestIsCommand(t *testing.T) {
	table := designTable(t)
	tests := []struct {
		text              string
		guarded, is, runs bool // runs: ParseMessage takes it
	}{
		{"!fermer", true, true, true},
		{"\u00a0\u200b!fermer", true, true, true},
		{"\ufeff\u2800\ufe0f!fermer", true, true, true},
		{"! fermer", true, true, true},
		{"!\u200bfermer", true, true, true},
		{"！fermer", true, true, true},
		{"\n!r texte", true, true, true},
		{"!#42 fermer", true, true, true},
		{"! #42 fermer", true, true, true},
		{"!xyzzy", true, true, true}, // an error for the team
		{"! fremer", true, true, true},
		{"! Bonne nouvelle, tout marche", true, true, false},
		{"\u2060!fermer", true, false, false}, // a stranger's, made inert
		{"!", true, false, false},
		{"! ", true, false, false},
		{"!!", true, false, false},
		{"!!!", true, false, false},
		{"!?", true, false, false},
		{"!1", true, false, false},
		{"!\nfermer", true, false, false},
		{"![image](https://example.org/a.png)", true, false, false},
		{"**!fermer**", true, false, false},
		{"/fermer", true, true, true},
		{" /ticket fermer #42", true, true, true},
		{"/xyzzy", true, true, true},
		{"/", true, false, false},
		{"/ fermer", true, false, false},
		{"//fermer", true, false, false},
		{"/etc/hosts est vide", true, false, false},
		{"/1", true, false, false},
		{"fermer", false, false, false},
		{"Bonjour !fermer", false, false, false},
		{"`!fermer`", false, false, false},
		{"", false, false, false},
	}
	for _, tt := range tests {
		if got := Guarded(tt.text); got != tt.guarded {
			t.Errorf("Guarded(%q) = %v", tt.text, got)
		}
		if got := IsCommand(tt.text); got != tt.is {
			t.Errorf("IsCommand(%q) = %v", tt.text, got)
		}
		if _, got := table.ParseMessage(tt.text, nil); got != tt.runs {
			t.Errorf("ParseMessage(%q) = %v", tt.text, got)
		}
	}
}

func TestParseSlash(t *testing.T) {
	table := designTable(t)
	customer := func(s *Spec[call]) bool { return s.Who == Anyone }
	tests := []struct {
		command, text string
		may           func(*Spec[call]) bool
		id, rest      string
		ticket        int64
		err           string
	}{
		{"fermer", "#42", nil, "close", "", 42, ""},
		{"/Fermer", "#42", nil, "close", "", 42, ""},
		{"ticket", "fermer #42", nil, "close", "", 42, ""},
		{"ticket", "#42 fermer", nil, "close", "", 42, ""},
		{"ticket", "service en panne", nil, "service", "en panne", 0, ""},
		{"ticket", "service en panne", customer, "ticket", "service en panne", 0, ""},
		{"ticket", "mon imprimante\nne marche plus", customer, "ticket", "mon imprimante\nne marche plus", 0, ""},
		{"ticket", "fremer #42", nil, "", "", 0, "fremer"},
		{"ticket", "#42 fremer", nil, "", "", 42, "fremer"},
		{"ticket", "#42", nil, "", "", 42, "#42"},
		{"ticket", "", nil, "ticket", "", 0, ""},
		{"incident", "début web lent", nil, "incident.start", "web lent", 0, ""},
		{"permanence", "répondre #42 oui", nil, "reply", "oui", 42, ""},
		{"répondre", "service rétabli", nil, "reply", "service rétabli", 0, ""},
	}
	for _, tt := range tests {
		p, ok := table.ParseSlash(tt.command, tt.text, tt.may)
		id, message := "", ""
		if p.Spec != nil {
			id = p.Spec.ID
		}
		if p.Err != nil {
			message = p.Err.Error()
		}
		if !ok || id != tt.id || p.Args.Rest != tt.rest || p.Args.Ticket != tt.ticket || (p.Err != nil) != (tt.err != "") || !strings.Contains(message, tt.err) {
			t.Errorf("/%s %s: %v %q %+v %v", tt.command, tt.text, ok, id, p.Args, p.Err)
		}
	}
	if _, ok := table.ParseSlash("permanence", "", nil); ok {
		t.Error("a slash command without a verb was understood")
	}
}

func TestBind(t *testing.T) {
	table := designTable(t)
	p, ok := table.Bind("close", "#42")
	if !ok || p.Spec.ID != "close" || p.Args.Ticket != 42 {
		t.Errorf("close: %v %+v", ok, p)
	}
	p, ok = table.Bind("incident.end", "12")
	if !ok || p.Spec.ID != "incident.end" || p.Args.Number != 12 {
		t.Errorf("incident.end: %v %+v", ok, p)
	}
	if _, ok = table.Bind("no-such", "#42"); ok {
		t.Error("an ID that is not there was found")
	}
}

// TestGroupRun: a group that runs itself takes what is none of its words.
func TestGroupRun(t *testing.T) {
	run := func(call, Args) error { return nil }
	table, err := NewTable([]Spec[call]{{
		ID: "member", Names: words(fr("membre"), "member"), Run: run,
		Sub: []Spec[call]{{ID: "member.away", Names: words(fr("absent"), "away"), Run: run}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"membre":              "member ",
		"membre @alice":       "member @alice",
		"membre 3 jours":      "member 3 jours",
		"membre absent 3":     "member.away 3",
		"member away @alice.": "member.away @alice.",
	} {
		p, ok := table.Parse(text)
		if !ok || p.Err != nil || p.Spec.ID+" "+p.Args.Rest != want {
			t.Errorf("%q: %v %+v, want %q", text, ok, p, want)
		}
	}
}

func TestForTicket(t *testing.T) {
	tests := []struct {
		typed, thread, want int64
		err                 string
	}{
		{42, 0, 42, ""},
		{0, 42, 42, ""},
		{42, 42, 42, ""},
		{0, 0, 0, "Il manque le numéro du ticket"},
		{43, 42, 0, "Ce fil est celui du ticket #42, pas du #43"},
	}
	for _, tt := range tests {
		got, err := Args{Ticket: tt.typed}.ForTicket(tt.thread)
		var e *UserError
		if got != tt.want || errors.As(err, &e) != (tt.err != "") || e != nil && !strings.HasPrefix(e.Text.FR, tt.err) {
			t.Errorf("#%d in the thread of #%d: %d, %v", tt.typed, tt.thread, got, err)
		}
	}
}

func TestMentions(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", nil},
		{"@alice", []string{"alice"}},
		{"@alice, @camille: agent", []string{"alice", "camille"}},
		{"@sacha:example.org agent", []string{"sacha:example.org"}},
		{"alice@example.org @ @:", nil},
	}
	table := designTable(t)
	for _, tt := range tests {
		p, _ := table.Parse("confier " + tt.text)
		if diff := cmp.Diff(tt.want, p.Args.Mentions()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestCutWord(t *testing.T) {
	tests := []struct{ text, word, rest string }{
		{"", "", ""},
		{"  messagerie  envois\nretardés ", "messagerie", "envois\nretardés"},
		{"« hébergement web » lent", "hébergement web", "lent"},
		{"“a b”c", "a b", "c"},
		{`""`, "", ""},
	}
	for _, tt := range tests {
		if word, rest := CutWord(tt.text); word != tt.word || rest != tt.rest {
			t.Errorf("CutWord(%q) = %q, %q", tt.text, word, rest)
		}
	}
}

func FuzzParse(f *testing.F) {
	table := designTable(f)
	for _, seed := range []string{
		"!fermer #42", "! #42 fermer", "!r #42 Bonjour\n  à vous", "/ticket fermer #42", "!incident maj 12 : x",
		"\u00a0!\u200bFERMÉ", `!service "a b" «c» “`, "!!", "/etc/hosts", "!fremer", "#1 #2 #3", "!r#4", "!incident 12 #3 fin", "\\!r\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		check := func(how string, p Parsed[call], ok bool) {
			if !ok {
				return
			}
			if p.Spec == nil && p.Err == nil {
				t.Errorf("%s(%q): neither verb nor error", how, text)
			}
			if p.Args.Ticket < 0 || p.Args.Number < 0 {
				t.Errorf("%s(%q): negative number in %+v", how, text, p.Args)
			}
			if p.Spec != nil && p.Spec.Text && !strings.HasSuffix(strings.TrimRightFunc(text, isBlank), p.Args.Rest) {
				t.Errorf("%s(%q): %q was not typed so", how, text, p.Args.Rest)
			}
		}
		p, ok := table.ParseMessage(text, nil)
		check("ParseMessage", p, ok)
		if ok && !IsCommand(text) {
			t.Errorf("%q was understood but is no command", text)
		}
		if IsCommand(text) && !Guarded(text) {
			t.Errorf("%q is a command but could be sent", text)
		}
		p, ok = table.Parse(text)
		check("Parse", p, ok)
		again, _ := table.Parse(text)
		if diff := cmp.Diff(p.Args, again.Args); diff != "" {
			t.Errorf("Parse(%q) twice: %s", text, diff)
		}
		p, ok = table.ParseSlash("ticket", text, nil)
		check("ParseSlash", p, ok)
		p, ok = table.Bind("assign", text)
		check("Bind", p, ok)
		for _, word := range p.Args.Words {
			if n, rest, is := CutTicket(word); is && rest == "" && p.Args.Ticket == 0 {
				t.Errorf("#%d was left in %q", n, text)
			}
		}
	})
}
