package statuspage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, on every machine

	"pgregory.net/rapid"
)

// at reads a test's own times.
func at(t testing.TB, loc *time.Location, s string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04 -0700"} {
		if v, err := time.ParseInLocation(layout, s, loc); err == nil {
			return v
		}
	}
	t.Fatalf("time %q", s)
	return time.Time{}
}

func TestPlan(t *testing.T) {
	loc := paris(t)
	const wednesday = "2026-11-18 15:30"
	for _, c := range []struct{ text, lang, now, from, until, rest string }{
		{"dans 30 min", "fr", "", "2026-11-18 16:00", "", ""},
		{"dans une heure et demie messagerie", "fr", "", "2026-11-18 17:00", "", "messagerie"},
		{"dans 1h30 : messagerie", "fr", "", "2026-11-18 17:00", "", "messagerie"},
		{"in half an hour for 45 min: mail", "en", "", "2026-11-18 16:00", "2026-11-18 16:45", "mail"},
		{"dans 2 jours à 22h", "fr", "", "2026-11-20 22:00", "", ""},
		{"in 2 days at 10pm", "en", "", "2026-11-20 22:00", "", ""},
		{"demain 22h", "fr", "", "2026-11-19 22:00", "", ""},
		{"Demain à 22 h 30, messagerie", "fr", "", "2026-11-19 22:30", "", "messagerie"},
		{"demain 22 heures", "fr", "", "2026-11-19 22:00", "", ""},
		{"demain soir 8h", "fr", "", "2026-11-19 20:00", "", ""},
		{"demain à 10", "fr", "", "2026-11-19 10:00", "", ""},
		{"après-demain midi", "fr", "", "2026-11-20 12:00", "", ""},
		{"mardi prochain 6h", "fr", "", "2026-11-24 06:00", "", ""},
		{"next Tuesday 6am", "en", "", "2026-11-24 06:00", "", ""},
		{"6am next Tuesday", "en", "", "2026-11-24 06:00", "", ""},
		{"mercredi prochain 6h", "fr", "", "2026-11-25 06:00", "", ""},
		{"vendredi 6h", "fr", "", "2026-11-20 06:00", "", ""},
		{"ce vendredi 6h", "fr", "", "2026-11-20 06:00", "", ""},
		{"vendredi de la semaine prochaine 6h", "fr", "", "2026-11-27 06:00", "", ""},
		{"Friday next week 6am", "en", "", "2026-11-27 06:00", "", ""},
		{"vendredi en huit à 6h", "fr", "", "2026-11-27 06:00", "", ""},
		{"mercredi 18h", "fr", "", "2026-11-18 18:00", "", ""},
		{"mercredi 12h", "fr", "", "2026-11-25 12:00", "", ""},
		{"2026-12-01 22:00 pendant 2h", "fr", "", "2026-12-01 22:00", "2026-12-02 00:00", ""},
		{"2026-12-01T22:00 for 2h", "en", "", "2026-12-01 22:00", "2026-12-02 00:00", ""},
		{"2026-12-01T22:00:00Z for 2h", "en", "", "2026-12-01 23:00", "2026-12-02 01:00", ""},
		{"2026-12-01 22:00+03:00", "fr", "", "2026-12-01 20:00", "", ""},
		{"demain 22h UTC", "fr", "", "2026-11-19 23:00", "", ""},
		{"demain 22h UTC+2", "fr", "", "2026-11-19 21:00", "", ""},
		{"ce soir 20h", "fr", "", "2026-11-18 20:00", "", ""},
		{"ce soir à 8h", "fr", "", "2026-11-18 20:00", "", ""},
		{"ce soir minuit", "fr", "", "2026-11-19 00:00", "", ""},
		{"tonight at 10", "en", "", "2026-11-18 22:00", "", ""},
		{"cette nuit 2h", "fr", "", "2026-11-19 02:00", "", ""},
		{"cette nuit 23h", "fr", "", "2026-11-18 23:00", "", ""},
		{"cette nuit 2h", "fr", "2026-11-19 00:30", "2026-11-19 02:00", "", ""},
		{"22h30", "fr", "", "2026-11-18 22:30", "", ""},
		{"14h", "fr", "", "2026-11-19 14:00", "", ""},
		{"10pm", "en", "", "2026-11-18 22:00", "", ""},
		{"12am", "en", "", "2026-11-19 00:00", "", ""},
		{"minuit", "fr", "", "2026-11-19 00:00", "", ""},
		{"huit pommes à 22h", "fr", "", "2026-11-18 22:00", "", "huit pommes"},
		{"le 3 mars à 10h", "fr", "", "2027-03-03 10:00", "", ""},
		{"le 1er décembre à 10h", "fr", "", "2026-12-01 10:00", "", ""},
		{"mardi 1er décembre 2026 à 22h00 CET", "fr", "", "2026-12-01 22:00", "", ""},
		{"March 3rd, 2027 at 10:30 p.m.", "en", "", "2027-03-03 22:30", "", ""},
		{"3rd of March 10am", "en", "", "2027-03-03 10:00", "", ""},
		{"on 3 March at 22:00", "en", "", "2027-03-03 22:00", "", ""},
		{"29 février 4h", "fr", "", "2028-02-29 04:00", "", ""},
		{"le 24 à 22h", "fr", "", "2026-11-24 22:00", "", ""},
		{"mardi 24 à 22h", "fr", "", "2026-11-24 22:00", "", ""},
		{"le 3 à 22h", "fr", "", "2026-12-03 22:00", "", ""},
		{"03/12 22h", "fr", "", "2026-12-03 22:00", "", ""},
		{"24/12/2026 10pm", "en", "", "2026-12-24 22:00", "", ""},
		{"de 22h à minuit", "fr", "", "2026-11-18 22:00", "2026-11-19 00:00", ""},
		{"de 22h à minuit demain", "fr", "", "2026-11-19 22:00", "2026-11-20 00:00", ""},
		{"demain de 22h à 6h : messagerie", "fr", "", "2026-11-19 22:00", "2026-11-20 06:00", "messagerie"},
		{"demain 22h-23h30 messagerie", "fr", "", "2026-11-19 22:00", "2026-11-19 23:30", "messagerie"},
		{"entre 22h et 23h", "fr", "", "2026-11-18 22:00", "2026-11-18 23:00", ""},
		{"from 10 to 11pm tomorrow mail", "en", "", "2026-11-19 22:00", "2026-11-19 23:00", "mail"},
		{"tomorrow from 10pm to midnight", "en", "", "2026-11-19 22:00", "2026-11-20 00:00", ""},
		{"tomorrow 10pm for 2h", "en", "", "2026-11-19 22:00", "2026-11-20 00:00", ""},
		{"du 3 mars 22h au 4 mars 6h", "fr", "", "2027-03-03 22:00", "2027-03-04 06:00", ""},
		{"samedi 22h jusqu'à lundi 6h", "fr", "", "2026-11-21 22:00", "2026-11-23 06:00", ""},
		{"demain 22h jusqu’à 6h", "fr", "", "2026-11-19 22:00", "2026-11-20 06:00", ""},
		{"jusqu'à 6h", "fr", "", "", "2026-11-19 06:00", ""},
		{"until 6am", "en", "", "", "2026-11-19 06:00", ""},
		{"pendant 2h demain 22h messagerie", "fr", "", "2026-11-19 22:00", "2026-11-20 00:00", "messagerie"},
		{"messagerie : changement de disque demain 22h pendant 2h", "fr", "", "2026-11-19 22:00", "2026-11-20 00:00", "messagerie : changement de disque"},
		{"messagerie demain 22h pendant 2h : changement de disque", "fr", "", "2026-11-19 22:00", "2026-11-20 00:00", "messagerie : changement de disque"},
		{"maintenant pendant 1 h messagerie", "fr", "", wednesday, "2026-11-18 16:30", "messagerie"},
		{"demain 22h30 serveurs", "fr", "", "2026-11-19 22:30", "", "serveurs"},
		{"demain 22h 30 serveurs", "fr", "", "2026-11-19 22:00", "", "30 serveurs"},
		{"demain 8h et demie", "fr", "", "2026-11-19 08:30", "", ""},

		// Summer time: put forward on 28 March 2027 at 2:00, back on 31 October
		// 2027 at 3:00.
		{"dimanche 28 mars 2027 1h pendant 2h", "fr", "", "2027-03-28 01:00 +0100", "2027-03-28 04:00 +0200", ""},
		{"28 mars 2027 de 1h à 4h", "fr", "", "2027-03-28 01:00 +0100", "2027-03-28 04:00 +0200", ""},
		{"31 octobre 2027 1h pendant 3h", "fr", "", "2027-10-31 01:00 +0200", "2027-10-31 03:00 +0100", ""},
		{"31 octobre 2027 2h30 CEST", "fr", "", "2027-10-31 02:30 +0200", "", ""},
		{"31 octobre 2027 2h30 CET", "fr", "", "2027-10-31 02:30 +0100", "", ""},
		{"31 octobre 2027 2h30 UTC+1", "fr", "", "2027-10-31 02:30 +0100", "", ""},
		{"demain 22h", "fr", "2027-10-30 23:30 +0200", "2027-10-31 22:00 +0100", "", ""},
		{"dans 2 jours", "fr", "2027-10-30 12:00", "2027-11-01 12:00", "", ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			if c.now == "" {
				c.now = wednesday
			}
			got, err := When{Lang: c.lang, Loc: loc}.Plan(c.text, At(at(t, loc, c.now)))
			if err != nil {
				t.Fatal(err.(*Refusal).Reason.FR)
			}
			want := func(s string) string {
				if s == "" {
					return "-"
				}
				return at(t, loc, s).UTC().Format("2006-01-02 15:04Z")
			}
			is := func(v Time) string {
				if v == 0 {
					return "-"
				}
				return v.In(time.UTC).Format("2006-01-02 15:04Z")
			}
			if is(got.From) != want(c.from) || is(got.Until) != want(c.until) || got.Rest != c.rest {
				t.Errorf("%s → %s rest %q, want %s → %s rest %q", is(got.From), is(got.Until), got.Rest, want(c.from), want(c.until), c.rest)
			}
		})
	}
}

// What is not understood is answered in both languages with what is.
func TestPlanRefuses(t *testing.T) {
	loc := paris(t)
	for _, c := range []struct{ text, lang, now, fr, en string }{
		{"", "fr", "", "Aucune heure n’est comprise", "No time is understood"},
		{"messagerie en panne", "fr", "", "Aucune heure n’est comprise", "tomorrow 10pm for 2h"},
		{"demain 25h", "fr", "", "compris (jeudi 19 novembre 2026) ; il manque l’heure", "understood (Thursday 19 November 2026); the hour is missing"},
		{"demain messagerie", "fr", "", "il manque l’heure", "the hour is missing"},
		{"hier 22h", "fr", "", "C’est passé : mardi 17 novembre 2026, 22h00 CET (Europe/Paris)", "That is past: Tuesday 17 November 2026, 22:00 CET (Europe/Paris)"},
		{"2026-11-18 10:00", "fr", "", "C’est passé", "That is past"},
		{"ce soir 20h", "fr", "2026-11-18 21:00", "C’est passé", "That is past"},
		{"vendredi prochain 6h", "fr", "", "vendredi 20 novembre 2026 ou le vendredi 27 novembre 2026", "Friday 20 November 2026 or Friday 27 November 2026"},
		{"next Friday 6am", "en", "", "« ce vendredi »", "“this Friday”, “Friday next week”"},
		{"demain minuit", "fr", "", "jeudi 19 novembre 2026, 00h00 CET (Europe/Paris) (écrivez `0h`)", "20 November 2026, 00:00 CET (Europe/Paris) (write `24:00`)"},
		{"3/4 10am", "en", "", "3 avril ou le 4 mars", "3 April or 4 March"},
		{"tomorrow at 10", "en", "", "10am ou 10pm", "Write 10am or 10pm"},
		{"le 30 février 10h", "fr", "", "Le 30 février n’existe pas", "30 February does not exist"},
		{"lundi 1er décembre 2026 22h", "fr", "", "Le 1er décembre 2026 est un mardi, pas un lundi", "1 December 2026 is a Tuesday, not a Monday"},
		{"2026-12-01 22h jusqu'à 2026-12-01 21h", "fr", "", "La fin ne vient pas après le début", "The end does not come after the start"},
		{"dimanche 28 mars 2027 2h30", "fr", "", "n’existe pas, car on change d’heure : dimanche 28 mars 2027, 02h30. Écrivez par exemple 03h30", "does not exist"},
		{"31 octobre 2027 2h30", "fr", "", "vient deux fois, car on change d’heure : dimanche 31 octobre 2027, 02h30. Ajoutez CEST (UTC+2) pour la première, CET (UTC+1) pour la seconde", "comes twice"},
		{"2h30", "fr", "2027-10-30 22:00", "vient deux fois", "comes twice"},
		{"de 22h à 6h demain", "fr", "", "du début ou celui de la fin", "the start's or the end's"},
		{"arrêt demain 22h, retour vendredi 6h", "fr", "", "« demain 22h », « vendredi 6h »", "“demain 22h”, “vendredi 6h”"},
	} {
		t.Run(c.text, func(t *testing.T) {
			if c.now == "" {
				c.now = "2026-11-18 15:30"
			}
			got, err := When{Lang: c.lang, Loc: loc}.Plan(c.text, At(at(t, loc, c.now)))
			var r *Refusal
			if !errors.As(err, &r) {
				t.Fatalf("not refused: %+v %v", got, err)
			}
			fr := strings.ReplaceAll(r.Reason.FR, "\u00a0", " ")
			if !strings.Contains(fr, c.fr) || !strings.Contains(r.Reason.EN, c.en) {
				t.Errorf("%s\n%s\nwant %q, %q", fr, r.Reason.EN, c.fr, c.en)
			}
			if got.Rest != clean(c.text) {
				t.Errorf("the text became %q", got.Rest)
			}
		})
	}
}

func TestSince(t *testing.T) {
	loc := paris(t)
	for _, c := range []struct{ text, now, want string }{
		{"messagerie lente depuis 21h40", "2026-11-18 22:00", "2026-11-18 21:40"},
		{"messagerie lente depuis 21h40", "2026-11-19 00:10", "2026-11-18 21:40"},
		{"mail slow since yesterday 10pm", "2026-11-18 09:00", "2026-11-17 22:00"},
		{"depuis mardi 6h la messagerie est lente", "2026-11-18 09:00", "2026-11-17 06:00"},
		{"depuis une demi-heure", "2026-11-18 09:00", "2026-11-18 08:30"},
		{"il y a 20 min, tout s'est arrêté", "2026-11-18 09:00", "2026-11-18 08:40"},
		{"it broke 20 minutes ago", "2026-11-18 09:00", "2026-11-18 08:40"},
		{"depuis cette nuit 3h", "2026-11-18 09:00", "2026-11-18 03:00"},
		{"depuis 2h30", "2027-10-31 09:00", "2027-10-31 02:30 +0100"}, // of two the last
		{"depuis 2h30", "2027-03-28 09:00", "2027-03-28 03:30"},       // put forward
		{"depuis demain 22h", "2026-11-18 09:00", ""},
		{"depuis la mise à jour", "2026-11-18 09:00", ""},
		{"lente à 21h40", "2026-11-18 22:00", ""},
		{"", "2026-11-18 22:00", ""},
	} {
		got, ok := When{Lang: "fr", Loc: loc}.Since(c.text, At(at(t, loc, c.now)))
		if ok != (c.want != "") || ok && !got.In(loc).Equal(at(t, loc, c.want)) {
			// "depuis 2h30" may be a length too: it is read as an hour.
			t.Errorf("%q: %v %v, want %s", c.text, got.In(loc), ok, c.want)
		}
	}
}

func TestNextWord(t *testing.T) {
	loc := paris(t)
	const now = "2026-11-18 22:00"
	for _, c := range []struct{ text, at, rest string }{
		{"un disque est mort. Prochaine info 22h30.", "2026-11-18 22:30", "un disque est mort."},
		{"un disque est mort, prochaines nouvelles à 22h30", "2026-11-18 22:30", "un disque est mort"},
		{"un disque est mort (prochain point dans 30 min)", "2026-11-18 22:30", "un disque est mort"},
		{"a disk is dead. Next update in 30 min.", "2026-11-18 22:30", "a disk is dead."},
		{"a disk is dead; next word by 10:30pm", "2026-11-18 22:30", "a disk is dead"},
		{"la prochaine info 22h30 dira tout", "2026-11-18 22:30", "la prochaine info 22h30 dira tout"},
		{"Prochaine info 22h30", "2026-11-18 22:30", ""},
		{"prochaine info bientôt", "", "prochaine info bientôt"},
		{"tout va bien", "", "tout va bien"},
	} {
		got, rest, err := When{Lang: "fr", Loc: loc}.NextWord(c.text, At(at(t, loc, now)))
		want := Time(0)
		if c.at != "" {
			want = At(at(t, loc, c.at))
		}
		if err != nil || got != want || strings.TrimRight(rest, ".") != strings.TrimRight(c.rest, ".") {
			t.Errorf("%q: %v %q %v", c.text, got.In(loc), rest, err)
		}
	}
	_, rest, err := When{Lang: "fr", Loc: loc}.NextWord("prochaine info hier 22h", At(at(t, loc, now)))
	if err == nil || rest != "prochaine info hier 22h" {
		t.Errorf("a promise in the past: %q %v", rest, err)
	}
}

// What is echoed is understood again as the same time: every hour of two years
// but those that come twice, in several zones and both languages.
func TestEchoIsUnderstood(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom([]string{"Europe/Paris", "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"}).Draw(rt, "zone"))
		if err != nil {
			rt.Fatal(err)
		}
		now := time.Date(2026, 11, 18, 15, 30, 0, 0, time.UTC)
		from := now.Add(time.Duration(rapid.IntRange(1, 500*24*60).Draw(rt, "minutes")) * time.Minute)
		lasting := time.Duration(rapid.IntRange(1, 3000).Draw(rt, "length")) * time.Minute
		w := When{Lang: rapid.SampledFrom([]string{"fr", "en"}).Draw(rt, "lang"), Loc: loc}
		text := fmt.Sprintf("%s pendant %d min", w.Full(At(from)), int(lasting/time.Minute))
		got, err := w.Plan(text, At(now))
		if err != nil || got.From != At(from) || got.Until != At(from.Add(lasting)) || got.Rest != "" {
			rt.Fatalf("%q: %s → %s, rest %q, %v", text, got.From.In(loc), got.Until.In(loc), got.Rest, err)
		}
	})
}

func FuzzTimes(f *testing.F) {
	for _, s := range []string{"demain 22h pendant 2h messagerie", "de 22h à minuit", "le 31/02/2026 25h", "mardi prochain 6h", "next Tuesday 6am for 2h",
		"2026-12-01T22:00:00Z", "jusqu'à 6h", "dans 9999 jours", "depuis 21h40. Prochaine info 22h30", "22h30-6h +99:99", "le 1er 1er 1er", "à à à 22h", "İ22h", "\u202e22h"} {
		f.Add(s, "fr")
		f.Add(s, "en")
	}
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		f.Fatal(err)
	}
	now := At(time.Date(2026, 11, 18, 15, 30, 0, 0, loc))
	f.Fuzz(func(t *testing.T, text, lang string) {
		w := When{Lang: lang, Loc: loc}
		s, err := w.Plan(text, now)
		switch {
		case err != nil:
			if r, ok := err.(*Refusal); !ok || r.Reason.FR == "" || r.Reason.EN == "" {
				t.Errorf("%q: %v", text, err)
			}
			if s.Rest != clean(text) {
				t.Errorf("%q: refused, and the text became %q", text, s.Rest)
			}
		case s.From == 0 && s.Until == 0:
			t.Errorf("%q: no times and no error", text)
		case s.From != 0 && s.From < now-60_000, s.Until != 0 && s.Until <= s.From, s.Until != 0 && s.Until <= now:
			t.Errorf("%q: %v", text, s)
		}
		if at, ok := w.Since(text, now); ok && (at > now || at == 0) {
			t.Errorf("%q: since %v", text, at)
		}
		if at, rest, err := w.NextWord(text, now); at != 0 && at < now-60_000 || (err != nil || at == 0) && rest != text {
			t.Errorf("%q: next word %v, %q, %v", text, at, rest, err)
		}
	})
}

// A text of thirty kilobytes is read in no time: it comes from a line in a
// room, and everybody waits behind it.
func TestLongTextsAreQuick(t *testing.T) {
	w := When{Lang: "fr", Loc: paris(t)}
	now := At(time.Date(2026, 11, 18, 15, 30, 0, 0, time.UTC))
	for _, word := range []string{"a ", "22h ", ",", "demain ", "de 22h à ", "prochaine info ", "depuis 2 ", "1/", "\u00e9"} {
		text := strings.Repeat(word, 30000/len(word))
		began := time.Now()
		w.Plan(text, now)
		w.Since(text, now)
		w.NextWord(text, now)
		if d := time.Since(began); d > 500*time.Millisecond {
			t.Errorf("%q: %v", word, d)
		}
	}
}
