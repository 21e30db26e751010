package email

import (
	"strings"
	"testing"

	"permanence/internal/markup"
)

// M23, M24: what the usual programs write around an answer.
func TestFold(t *testing.T) {
	const yes, question = "Oui, sans effet.", "redémarré"
	for name, tc := range map[string]struct {
		text   string
		folded []string // words that must be there; none means nothing folded
	}{
		"M23-gmail-fr":           {yes, []string{"Le mar. 3 juin", question}},
		"M23-gmail-fr-wrapped":   {yes, []string{"Le mar. 3 juin", "\nécrit :", question}},
		"M23-gmail-html":         {"Oui, **sans effet**.", []string{"Le mar. 3 juin", question}},
		"M23-gmail-html-odd":     {"Oui.", []string{"skrev Alice", question}},
		"M23-outlook-web-fr":     {yes, []string{"Envoyé", question}},
		"M23-outlook-desktop-fr": {yes, []string{"Envoyé", question}},
		"M23-outlook-plain-fr":   {yes, []string{"Envoyé", question}},
		"M23-outlook-en":         {"Yes, no change.", []string{"Original Message", "Did you restart?"}},
		"M23-outlook-en-bare":    {"Yes, no change.", []string{"Sent: Tuesday", "Did you restart?"}},
		"M23-thunderbird-interleaved": {
			"Bonjour Alice,\n\nLe 03/06/2025 à 10:11, Alice a écrit :\n> avez-vous redémarré ?\nOui.\n\n> Et le câble ?\nBranché.\n\nCamille", nil},
		"M23-thunderbird-html": {yes, []string{"Le 03/06/2025", question, "Camille"}},
		"M23-apple":            {yes, []string{"Envoyé de mon iPhone", question}},
		"M23-apple-html":       {yes, []string{"Envoyé de mon iPhone", question}},
		"M23-k9":               {yes, []string{question, "Courriel K-9"}},
		"M23-roundcube":        {"Oui aux deux, sans effet.", []string{question, "Et le câble", "Trésorerie"}},
		"M23-orange":           {yes, []string{"Message du 03/06/25", question}},
		"M23-proton":           {yes, []string{"Proton Mail", question}},
		"M23-proton-html":      {yes, []string{"Proton Mail", question}},
		"M23-yahoo":            {yes, []string{"mardi 3 juin 2025", question}},
		"M23-yahoo-html":       {yes, []string{"mardi 3 juin 2025", question}},
		"M23-ends-with-quote":  {"Voici ce qui est écrit :\n\n> Erreur 500\n> contactez votre hébergeur", nil},
		"M23-only-quote":       {"Le 3 juin 2025 à 10:11, Alice <alice@example.org> a écrit :\n> avez-vous redémarré ?", nil},
		"M23-signature":        {yes, []string{"Trésorerie"}},
		"M23-forward": {"Pour information :\n\n-------- Message transféré --------\nSujet : Panne\nDate : Tue, 3 Jun 2025\n" +
			"De : Sacha <sacha@example.com>\nPour : Camille\n\nMon site est en panne.", nil},
		"M23-above-this-line": {yes, []string{question}},
		"M23-flowed":          {yes, []string{"> avez-vous redémarré ?"}},
		"M23-below-a-greeting": {
			"Bonjour,\n\nLe 03/06/2025 à 10:11, Alice a écrit :\n> avez-vous redémarré ?\n\nOui, sans effet.", nil},

		"M24-server": {"Le serveur a écrit : erreur 500\n\nQue faire ?", nil},
		"M24-on":     {"On Monday 3 June the server wrote:\nerror 500\n\nWhat now?", nil},
		"M24-colon":  {"Bonjour,\nvoici la liste :\nDate : demain\nObjet : rendez-vous\n\nMerci", nil},
		"M24-date":   {"Merci de passer\nLe 3 juin 2025", nil},
		"M24-le":     {"Le site est lent depuis le 3 juin 2025 à 10:11, Alice le voit aussi :\nil faut 10 secondes.", nil},
		"M24-dashes": {"Une liste :\n-- un\n--- deux\n\nVoilà", nil},
		"M24-sent":   {"Bonjour,\n\nEnvoyé depuis ce matin trois courriels sans réponse.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := parseFixture(t, name)
			if m.Text != tc.text {
				t.Errorf("text is\n%s\nwant\n%s", m.Text, tc.text)
			}
			if tc.folded == nil && m.Folded != "" {
				t.Errorf("folded: %q", m.Folded)
			}
			for _, words := range tc.folded {
				if !strings.Contains(m.Folded, words) {
					t.Errorf("%q is not in what is folded:\n%s", words, m.Folded)
				}
			}
		})
	}
}

// checkNothingLost checks that every line of all is in text or folded.
func checkNothingLost(t *testing.T, all, text, folded string) {
	t.Helper()
	count := func(s string) map[string]int {
		lines := make(map[string]int)
		for line := range strings.SplitSeq(stripMarks(s), "\n") {
			if line = strings.TrimSpace(line); line != "" {
				lines[line]++
			}
		}
		return lines
	}
	left := count(text + "\n" + folded)
	for line, n := range count(all) {
		if left[line] != n {
			t.Errorf("%q is there %d times instead of %d", line, left[line], n)
		}
	}
	if strings.TrimSpace(text) == "" && strings.TrimSpace(folded) != "" {
		t.Errorf("no text, but %q is folded", folded)
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{
		"Oui\n\nLe 3 juin 2025 à 10:11, A <a@b> a\nécrit :\n> non\n> si",
		"De : a\nEnvoyé : 3\nObjet : x\n\ny", "-- \nCamille", "a\n-- \nb\n> c", "> a\nb\n> c\n\n-- \nd",
		"x\n-----Message d'origine-----\ny", "\ue0e1a\n> b\n\ue0e2c\n\ue0e3d", "a\n\nEnvoyé de mon iPhone",
	} {
		f.Add(s, true, false)
	}
	f.Fuzz(func(t *testing.T, s string, reply, forward bool) {
		text, folded := fold(s, foldOptions{reply: reply, forward: forward})
		checkNothingLost(t, s, text, folded)
		marked := markQuotes(s)
		if stripMarks(marked) != stripMarks(s) {
			t.Errorf("marking changed %q to %q", s, marked)
		}
		markup.HTMLToMarkdown(marked)
	})
}
