package statuspage

import (
	"strings"
	"testing"
	"time"
)

// autumn is whoever speaks on one day, in a zone with summer time.
func autumn(t testing.TB, clock string) Origin {
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return Origin{At: At(at(t, loc, "2026-11-18 "+clock)), By: 7, Lang: "fr", Loc: loc}
}

// refused wants a refusal in both languages that holds these words.
func refused(t *testing.T, err error, fr string) {
	t.Helper()
	r, ok := err.(*Refusal)
	if !ok || !strings.Contains(r.Reason.FR, fr) || r.Reason.EN == "" {
		t.Errorf("got %v, want a refusal with %q", err, fr)
	}
}

func TestPlannedWorkFromPlanToEnd(t *testing.T) {
	o := autumn(t, "15:00")
	tell := func(at Time) string { return at.In(o.Loc).Format("02 15:04") }

	inc, u, err := Plan(o, testComponents(), "demain 22h pendant 2h messagerie : changement de disque")
	if err != nil {
		t.Fatal(err)
	}
	inc.ID = 15
	if inc.Kind != Maintenance || inc.State != Scheduled || inc.Impact != PlannedImpact || inc.Title != "Messagerie : changement de disque" ||
		u.Body != "changement de disque" || inc.Started != 0 || tell(inc.ScheduledFor) != "19 22:00" || tell(inc.ScheduledUntil) != "20 00:00" ||
		u.ScheduledFor != inc.ScheduledFor || u.ScheduledUntil != inc.ScheduledUntil || len(inc.Affected) != 1 || inc.Affected[0].Status != UnderMaintenance {
		t.Errorf("planned: %+v\n%+v", inc, u)
	}
	_, _, err = End(o, inc, "")
	refused(t, err, "n’ont pas commencé")

	later := o
	later.At += hour
	moved, u, err := Move(later, inc, "vendredi 23h : le disque n'est pas arrivé")
	if err != nil || moved.Sequence != 1 || tell(moved.ScheduledFor) != "20 23:00" || tell(moved.ScheduledUntil) != "21 01:00" ||
		u.Body != "le disque n'est pas arrivé" || u.ScheduledFor != moved.ScheduledFor || u.State != Scheduled || moved.Updated != later.At {
		t.Errorf("moved: %+v %+v %v", moved, u, err)
	}
	for text, want := range map[string]string{
		"d'une heure":              "19 23:00 – 20 01:00",
		"de 2 jours":               "21 22:00 – 22 00:00",
		"by 90 min":                "19 23:30 – 20 01:30",
		"jusqu'à 2h":               "19 22:00 – 19 02:00", // of the night to come, which is before it begins
		"demain de 21h à minuit":   "19 21:00 – 20 00:00",
		"vendredi 22h pendant 1h":  "20 22:00 – 20 23:00",
		"2026-12-24 08:00 for 30m": "",
	} {
		m, _, err := Move(later, inc, text)
		got := tell(m.ScheduledFor) + " – " + tell(m.ScheduledUntil)
		if text == "jusqu'à 2h" {
			refused(t, err, "La fin ne vient pas après le début")
			continue
		}
		if want != "" && (err != nil || got != want) {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	_, _, err = Move(later, inc, "demain 22h")
	refused(t, err, "les heures sont les mêmes")
	_, _, err = Move(later, inc, "plus tard")
	refused(t, err, "Aucune heure")

	begin := o
	begin.At, begin.By = moved.ScheduledFor+60_000, 0
	running, u, err := Begin(begin, moved, "")
	if err != nil || running.State != InProgress || running.Started != moved.ScheduledFor || u.Body != "Les travaux commencent." || u.Author != 0 {
		t.Errorf("begun by itself: %+v %+v %v", running, u, err)
	}
	_, _, err = Begin(begin, running, "")
	refused(t, err, "ont déjà commencé")

	longer, _, err := Move(begin, running, "jusqu'à 3h")
	if err != nil || longer.ScheduledFor != running.ScheduledFor || tell(longer.ScheduledUntil) != "21 03:00" || longer.Sequence != 2 {
		t.Errorf("prolonged: %+v %v", longer, err)
	}
	if longer.Overdue(longer.ScheduledUntil-1) || !longer.Overdue(longer.ScheduledUntil) {
		t.Error("overdue")
	}

	done := begin
	done.At = longer.ScheduledUntil + hour
	checked, u, err := AddUpdate(done, longer, "vérification : on teste")
	if err != nil || checked.State != Verifying || u.Body != "on teste" {
		t.Errorf("verifying: %+v %v", checked, err)
	}
	over, u, err := End(done, checked, "")
	if err != nil || over.State != Completed || over.Open() || u.Body != "Les travaux sont terminés." {
		t.Errorf("ended: %+v %v", over, err)
	}
	for _, f := range []func() error{
		func() error { _, _, err := Move(done, over, "demain 22h pendant 1h"); return err },
		func() error { _, _, err := Cancel(done, over, ""); return err },
		func() error { _, _, err := Begin(done, over, ""); return err },
		func() error { _, _, err := End(done, over, ""); return err },
	} {
		refused(t, f(), "sont déjà terminés")
	}

	gone, u, err := Cancel(later, inc, "")
	if err != nil || !gone.Cancelled || gone.State != Completed || gone.Open() || gone.Sequence != 1 || u.Body != "Ces travaux sont annulés." {
		t.Errorf("cancelled: %+v %+v %v", gone, u, err)
	}
	_, _, err = Cancel(later, gone, "")
	refused(t, err, "sont annulés")
	s := Speech{When: o.when()}
	if text := s.EndText(gone, u, 2); !strings.Contains(text, "Annulés : Messagerie") || !strings.Contains(text, "du 19 novembre 2026 à 22h00 au 20 novembre 2026") {
		t.Errorf("told: %s", text)
	}
	if text := s.HeadlineText(gone, u); !strings.Contains(text, "annulés") {
		t.Errorf("headline: %s", text)
	}
	s.Now = longer.ScheduledUntil
	if text := s.HeadlineText(longer, u); !strings.Contains(text, "fin prévue passée (21 novembre 2026 à 03h00 CET)") {
		t.Errorf("overdue headline: %s", text)
	}
	_, _, err = Move(o, Incident{ID: 3, Kind: Unplanned}, "demain 22h")
	refused(t, err, "est un incident")
}

func TestPlanSaysWhatIsMissing(t *testing.T) {
	o := autumn(t, "15:00")
	for text, want := range map[string]string{
		"":                                "Aucune heure n’est comprise",
		"messagerie : changement":         "Aucune heure n’est comprise",
		"demain 22h messagerie : disque":  "il manque la fin",
		"demain 22h pendant 2h":           "dites aussi ce qui est fait",
		"hier 22h pendant 2h messagerie":  "C’est passé",
		"demain minuit pendant 2h disque": "Minuit au début ou à la fin",
	} {
		_, _, err := Plan(o, testComponents(), text)
		refused(t, err, want)
	}
	inc, u, err := Plan(o, testComponents(), "maintenant pendant 30 min messagerie")
	if err != nil || inc.State != InProgress || inc.Started != o.At || inc.Title != "Messagerie : travaux" || u.State != InProgress {
		t.Errorf("now: %+v %v", inc, err)
	}
	inc, _, err = Plan(o, testComponents(), "jusqu'à 16h redémarrage")
	if err != nil || inc.State != InProgress || inc.ScheduledUntil != o.At+hour || len(inc.Affected) != 0 {
		t.Errorf("until: %+v %v", inc, err)
	}
}

func TestThreeTimesOfAnIncident(t *testing.T) {
	o := autumn(t, "22:00")
	inc, u, err := Start(o, testComponents(), "messagerie envois retardés depuis 21h40. Prochaine info 22h30")
	if err != nil || inc.Started != o.At-20*60_000 || inc.Noticed != o.At || inc.Published != o.At || inc.NextWord != o.At+30*60_000 ||
		inc.Title != "Messagerie : envois retardés depuis 21h40" || u.Body != "envois retardés depuis 21h40." {
		t.Fatalf("%+v %+v %v", inc, u, err)
	}
	if ask := Unrecognised(o, inc, "messagerie envois retardés"); len(ask) != 0 {
		t.Errorf("asked: %v", ask)
	}
	said := o
	said.At += 10 * 60_000
	told, u, err := AddUpdate(said, inc, "identifié : un disque. Prochaines nouvelles dans 30 min")
	if err != nil || told.State != Identified || told.NextWord != said.At+30*60_000 || u.Body != "un disque." {
		t.Errorf("%+v %+v %v", told, u, err)
	}
	kept, u, err := AddUpdate(said, told, "prochaine info 23h")
	if err != nil || kept.NextWord != o.At+hour || u.Body != "Prochaines nouvelles 23h00 CET." || kept.State != Identified {
		t.Errorf("a promise alone: %+v %+v %v", kept, u, err)
	}
	silent, _, err := AddUpdate(said, told, "toujours rien")
	if err != nil || silent.NextWord != 0 {
		t.Errorf("the promise was kept: %+v %v", silent, err)
	}
	// What is not understood is published as it is, and asked about after.
	odd, u, err := Start(o, testComponents(), "tout brûle, prochaine info hier 22h")
	if err != nil || odd.NextWord != 0 || u.Body != "tout brûle, prochaine info hier 22h" {
		t.Errorf("%+v %+v %v", odd, u, err)
	}
	if ask := Unrecognised(o, odd, u.Body); len(ask) != 2 || !strings.Contains(ask[0].FR, "Aucun service") || !strings.Contains(ask[1].FR, "C’est passé") {
		t.Errorf("asked: %v", ask)
	}
	_, _, err = Bilan(o, inc, "texte")
	refused(t, err, "n’est pas terminé")
	over, _, err := End(said, told, "")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = Bilan(said, over, " ")
	refused(t, err, "il manque le texte du bilan")
	known, u, err := Bilan(said, over, "Un disque.")
	if err != nil || known.State != Postmortem || known.Open() || u.State != Postmortem || u.Body != "Un disque." {
		t.Errorf("%+v %+v %v", known, u, err)
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct{ text, lang, main, others string }{
		{"messagerie en panne", "fr", "messagerie en panne", ""},
		{"messagerie en panne\nEN: mail down", "fr", "messagerie en panne", "en=mail down;"},
		{"EN : mail down\nno more\nFR : messagerie en panne", "fr", "messagerie en panne", "en=mail down\nno more;"},
		{"EN: mail down", "fr", "", "en=mail down;"},
		{"mail down\nfr: panne", "en", "mail down", "fr=panne;"},
		{"en panne : tout\nenfin: rien", "fr", "en panne : tout\nenfin: rien", ""},
		{"", "fr", "", ""},
		{"EN:", "fr", "", ""},
	} {
		main, others := Versions(c.text, c.lang)
		got := ""
		for _, v := range others {
			got += v.Lang + "=" + v.Body + ";"
		}
		if main != c.main || got != c.others {
			t.Errorf("%q: %q, %q", c.text, main, got)
		}
	}
	o := autumn(t, "15:00")
	inc, u, err := Start(o, testComponents(), "messagerie lente")
	if err != nil {
		t.Fatal(err)
	}
	_, title, text, err := Translate(o, testComponents(), inc, u, true, Version{"en", "mail: slow sending"})
	if err != nil || title.Body != "Messagerie: slow sending" || text.Body != "slow sending" || text.Lang != "en" || text.Published != o.At {
		t.Errorf("%+v %+v %v", title, text, err)
	}
	_, _, _, err = Translate(o, testComponents(), inc, u, false, Version{"en", " "})
	refused(t, err, "il manque la traduction")
}
