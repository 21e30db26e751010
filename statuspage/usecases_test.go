package statuspage

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"permanence/bot/chat"
)

func testComponents() Components {
	return Components{
		{ID: "mail", Name: "Messagerie"},
		{ID: "web", Name: "Hébergement web"},
		{ID: "im", Name: "Messagerie instantanée"},
	}
}

func origin(at Time) Origin {
	return Origin{At: at, By: 7, Lang: "fr", Place: chat.Place{Adapter: "tchat", Room: "asso/equipe", Thread: "t1"}}
}

func TestStartReadsTheLine(t *testing.T) {
	for _, c := range []struct {
		text, lang         string
		title, body, comps string
		impact             Impact
	}{
		{"messagerie envois retardés", "fr", "Messagerie : envois retardés", "envois retardés", "mail", Minor},
		{"MÉSSAGERIE envois retardés", "fr", "Messagerie : envois retardés", "envois retardés", "mail", Minor},
		{"mail envois retardés", "fr", "Messagerie : envois retardés", "envois retardés", "mail", Minor},
		{"mail: delayed", "en", "Messagerie: delayed", "delayed", "mail", Minor},
		{"mailing bloqué", "fr", "Mailing bloqué", "mailing bloqué", "", Minor},
		{"hebergement\u00a0web : 502", "fr", "Hébergement web : 502", "502", "web", Minor},
		{"messagerie instantanee muette", "fr", "Messagerie instantanée : muette", "muette", "im", Minor},
		{"La messagerie ne répond plus", "fr", "Messagerie : ne répond plus", "ne répond plus", "mail", Minor},
		{"mail et web, lenteurs", "fr", "Messagerie, Hébergement web : lenteurs", "lenteurs", "mail web", Minor},
		{"mail, web lenteurs", "fr", "Messagerie, Hébergement web : lenteurs", "lenteurs", "mail web", Minor},
		{"mail et les sites lents", "fr", "Messagerie : et les sites lents", "et les sites lents", "mail", Minor},
		{"messagerie majeur : plus rien ne part", "fr", "Messagerie : plus rien ne part", "plus rien ne part", "mail", Major},
		{"mail major delays", "en", "Messagerie: major delays", "major delays", "mail", Major},
		{"critical failure of storage", "en", "Critical failure of storage", "critical failure of storage", "", Critical},
		{"[critique] stockage", "fr", "[critique] stockage", "[critique] stockage", "", Critical},
		{"critique : stockage perdu", "fr", "Stockage perdu", "stockage perdu", "", Critical},
		{"stockage en panne\n\nNous cherchons.", "fr", "Stockage en panne", "stockage en panne\n\nNous cherchons.", "", Minor},
		{"messagerie", "fr", "Messagerie : perturbations", "Messagerie : perturbations", "mail", Minor},
		{"majeur", "fr", "Majeur", "majeur", "", Major},
		{"majeur :", "fr", "Majeur :", "majeur :", "", Major},
		{"messagerie de l'atelier bloquée", "fr", "Messagerie de l'atelier bloquée", "messagerie de l'atelier bloquée", "mail", Minor},
		{"**iOS** ne marche plus", "fr", "iOS ne marche plus", "**iOS** ne marche plus", "", Minor},
		{"a\u202eb\x00c\x1b[31m", "fr", "Abc[31m", "abc[31m", "", Minor},
	} {
		o := origin(1000)
		o.Lang = c.lang
		inc, u, err := Start(o, testComponents(), c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var ids []string
		for _, a := range inc.Affected {
			ids = append(ids, a.Component)
			if a.Status != inc.Impact.Status() || a.Name == "" {
				t.Errorf("%q: affected %+v", c.text, a)
			}
		}
		if inc.Title != c.title || u.Body != c.body || strings.Join(ids, " ") != c.comps || inc.Impact != c.impact {
			t.Errorf("%q:\n got title %q body %q components %q impact %s\nwant title %q body %q components %q impact %s",
				c.text, inc.Title, u.Body, ids, inc.Impact, c.title, c.body, c.comps, c.impact)
		}
		if inc.State != Investigating || !inc.Open() || inc.Started != 1000 || inc.Noticed != 1000 || inc.Published != 1000 || inc.Updated != 1000 {
			t.Errorf("%q: state %s, times %d %d %d %d", c.text, inc.State, inc.Started, inc.Noticed, inc.Published, inc.Updated)
		}
		if inc.Author != 7 || inc.Team() != o.Place || u.Author != 7 || u.State != Investigating || u.Published != 1000 {
			t.Errorf("%q: %+v %+v", c.text, inc, u)
		}
		if inc.UID == u.UID || len(inc.UID) != 16 {
			t.Errorf("uids %q %q", inc.UID, u.UID)
		}
	}
	for _, empty := range []string{"", " \n", "\u00a0", "\u202e\x00"} {
		_, _, err := Start(origin(1), nil, empty)
		wantRefusal(t, err, "Rien n’est publié", "Nothing is published")
	}
}

func wantRefusal(t *testing.T, err error, fr, en string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Errorf("error %v is no refusal", err)
		return
	}
	if !strings.Contains(r.Reason.FR, fr) || !strings.Contains(r.Reason.EN, en) {
		t.Errorf("refusal says %q / %q, want %q / %q", r.Reason.FR, r.Reason.EN, fr, en)
	}
}

func started(t *testing.T, number ID, text string) (Incident, Update) {
	t.Helper()
	inc, u, err := Start(origin(At(time.Date(2026, 10, 19, 19, 2, 0, 0, paris(t)))), testComponents(), text)
	if err != nil {
		t.Fatal(err)
	}
	inc.ID, u.Incident = number, number
	return inc, u
}

func paris(t *testing.T) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestUpdateReadsItsState(t *testing.T) {
	inc, _ := started(t, 12, "mail lent")
	for _, c := range []struct {
		text, body string
		state      State
	}{
		{"toujours lent", "toujours lent", Investigating},
		{"Identifié : un disque", "un disque", Identified},
		{"cause identifiée - un disque", "un disque", Identified},
		{"identified: a disk", "a disk", Identified},
		{"surveillance", "Correctif en place, sous surveillance.", Monitoring},
		{"corrigé, on regarde", "on regarde", Monitoring},
		{"surveillance du disque en cours", "surveillance du disque en cours", Investigating},
		{"identifié :", "identifié :", Investigating},
	} {
		next, u, err := AddUpdate(origin(inc.Started+5), inc, c.text)
		if err != nil || next.State != c.state || u.State != c.state || u.Body != c.body || u.Incident != 12 || next.Updated != inc.Started+5 {
			t.Errorf("%q: %v %s %q", c.text, err, u.State, u.Body)
		}
	}
	_, _, err := AddUpdate(origin(1), inc, " ")
	wantRefusal(t, err, "il manque le texte", "text is missing")
}

func TestEndIsSaidOnce(t *testing.T) {
	inc, _ := started(t, 12, "mail lent")
	ended, u, err := End(origin(inc.Started+60000), inc, "")
	if err != nil || ended.Open() || ended.State != Resolved || u.Body != "L’incident est terminé." || ended.Resolved != inc.Started+60000 {
		t.Fatalf("%v %+v %+v", err, ended, u)
	}
	_, _, err = End(origin(2), ended, "encore")
	wantRefusal(t, err, "déjà terminé", "already ended")
	_, _, err = AddUpdate(origin(2), ended, "encore")
	wantRefusal(t, err, "corriger 12", "edit 12")

	work := Incident{ID: 13, Kind: Maintenance, State: InProgress}
	ended, u, err = End(origin(5), work, "")
	if err != nil || ended.State != Completed || u.Body != "Les travaux sont terminés." {
		t.Errorf("%v %+v %+v", err, ended, u)
	}
}

func TestCorrect(t *testing.T) {
	inc, first := started(t, 12, "mail lent")
	next, u, err := Correct(origin(inc.Started+9), testComponents(), inc, first, true, "web majeur : lent")
	if err != nil || next.Title != "Hébergement web : lent" || next.Impact != Major || u.Body != "lent" ||
		u.Edited != inc.Started+9 || u.UID != first.UID || u.Published != first.Published ||
		len(next.Affected) != 1 || next.Affected[0].Component != "web" || next.Affected[0].Incident != 12 {
		t.Errorf("%v %+v %+v", err, next, u)
	}
	_, u, err = Correct(origin(5), testComponents(), inc, first, false, "web en fait")
	if err != nil || u.Body != "web en fait" {
		t.Errorf("%v %+v", err, u)
	}
	_, _, err = Correct(origin(5), testComponents(), inc, first, true, "mail lent")
	wantRefusal(t, err, "le même", "the same")
	_, _, err = Correct(origin(5), testComponents(), inc, first, false, "")
	wantRefusal(t, err, "il manque", "missing")
}

func TestChoose(t *testing.T) {
	a, b := Incident{ID: 11, Kind: Unplanned, Title: "Web_lent"}, Incident{ID: 12, Kind: Unplanned, Title: "Mail"}
	work := Incident{ID: 13, Kind: Maintenance, Title: "Migration"}
	for _, c := range []struct {
		open   []Incident
		here   ID
		text   string
		want   ID
		rest   string
		fr, en string
	}{
		{[]Incident{a}, 0, "c'est fini", 11, "c'est fini", "", ""},
		{[]Incident{a}, 0, "", 11, "", "", ""},
		{[]Incident{a}, 0, "11 fini", 11, "fini", "", ""},
		{[]Incident{a}, 0, "11", 11, "", "", ""},
		{[]Incident{a}, 0, "22h30 au plus tard", 11, "22h30 au plus tard", "", ""},
		{[]Incident{a, b}, 0, "12\u00a0fini", 12, "fini", "", ""},
		{[]Incident{a, b}, 0, "12: fini", 12, "fini", "", ""},
		{[]Incident{a, b}, 0, "12\nfini", 12, "fini", "", ""},
		{[]Incident{a, b}, 12, "fini", 12, "fini", "", ""},
		{[]Incident{a, b}, 12, "11 fini", 11, "fini", "", ""},
		{[]Incident{a, b}, 0, "fini", 0, "", `- 11 Web\_lent`, "- 12 Mail"},
		{[]Incident{a}, 0, "2 serveurs redémarrés", 0, "", "Le numéro 2 n’est pas en cours", "Number 2 is not open"},
		{nil, 0, "fini", 0, "", "Aucun incident", "No incident"},
		{nil, 0, "11", 0, "", "Aucun incident", "No incident"},
	} {
		inc, rest, err := Choose(append(c.open, work), Unplanned, c.here, c.text)
		if c.want == 0 {
			wantRefusal(t, err, c.fr, c.en)
		} else if err != nil || inc.ID != c.want || rest != c.rest {
			t.Errorf("%q: %d %q %v", c.text, inc.ID, rest, err)
		}
	}
}

func TestChooseWork(t *testing.T) {
	list := []Incident{{ID: 11, Kind: Unplanned}, {ID: 13, Kind: Maintenance}}
	if inc, rest, err := Choose(list, Maintenance, 0, "tout va bien"); err != nil || inc.ID != 13 || rest != "tout va bien" {
		t.Errorf("%d %q %v", inc.ID, rest, err)
	}
	_, _, err := Choose(list, Maintenance, 0, "11")
	wantRefusal(t, err, "- 13", "- 13")
	_, _, err = Choose(list[:1], Maintenance, 0, "")
	wantRefusal(t, err, "Aucuns travaux", "No work")
}

// Whatever is typed, something is published, and nothing in it can harm.
func FuzzStart(f *testing.F) {
	for _, s := range []string{"messagerie envois retardés", "l'Œuvre", "la", "mail et", "mail,web :", "majeur", "[critique]",
		"İ", "ﬁ", "e\u0301", "\xff\xfe", "messagerie \u202e", "identifié : x", "12 x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, lang := range []string{"fr", "en"} {
			o := origin(1)
			o.Lang = lang
			inc, u, err := Start(o, testComponents(), s)
			if err != nil {
				if clean(s) != "" {
					t.Fatalf("refused %q: %v", s, err)
				}
				return
			}
			if u.Body == "" || utf8.RuneCountInString(inc.Title) > maxTitle+1 || strings.ContainsAny(inc.Title, "\n\t\x00") {
				t.Fatalf("%q: title %q, body %q", s, inc.Title, u.Body)
			}
			for _, text := range []string{inc.Title, u.Body} {
				if !utf8.ValidString(text) || strings.IndexFunc(text, func(r rune) bool {
					return r != '\n' && r != '\t' && unicode.IsControl(r)
				}) >= 0 {
					t.Fatalf("%q: unclean %q", s, text)
				}
			}
			inc.ID = 1
			if next, u, err := AddUpdate(o, inc, s); err == nil && (u.Body == "" || next.State == "") {
				t.Fatalf("%q: update %+v", s, u)
			}
			if _, _, err := Choose([]Incident{inc}, Unplanned, 0, s); err != nil {
				var r *Refusal
				if !errors.As(err, &r) {
					t.Fatal(err)
				}
			}
		}
	})
}
