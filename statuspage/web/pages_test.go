package web

import (
	"strings"
	"testing"

	"permanence/statuspage"
)

// text is a page as plain text with ordinary spaces.
func (f *fixture) text(path string) string {
	f.t.Helper()
	return strings.ReplaceAll(f.get(path, "Accept", "text/plain").Body.String(), "\u00a0", " ")
}

func TestThreeTimesAreKeptApart(t *testing.T) {
	f := weekFixture(t, week())
	for path, want := range map[string][]string{
		"/incidents/52": {"Début : lundi 19 octobre 2026 à 20h47 CEST\n", "Constaté : 20h58 CEST\n", "Annoncé : 21h02 CEST\n"},
		"/incidents/51": {"Début : lundi 19 octobre 2026 à 19h02 CEST\n", "Annoncé : 19h05 CEST\n"},
		"/incidents/47": {"Début : jeudi 8 octobre 2026 à 06h00 CEST\n", "Constaté : 07h40 CEST\n", "Annoncé : 07h55 CEST\n", "Fin : 09h30 CEST\n", "Durée : 3 h 30 min\n"},
		"/incidents/49": {"Horaire prévu : du 24 octobre 2026 à 22h00 au 25 octobre 2026 à 00h00 CEST\n", "Annoncé : 11 octobre 2026 à 09h00 CEST\n"},
	} {
		text := f.text(path)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s has no %q:\n%s", path, w, text)
			}
		}
	}
	if text := f.text("/incidents/51"); strings.Contains(text, "Constaté") {
		t.Error("a time that nobody said")
	}
}

func TestPostponedAndCancelled(t *testing.T) {
	f := weekFixture(t, week())
	text := f.text("/incidents/49")
	if !strings.Contains(text, "Reportés, 14 octobre 2026 à 18h30 CEST\n    Horaire prévu : du 24 octobre") ||
		!strings.Contains(text, "Programmés, 11 octobre 2026 à 09h00 CEST\n    Horaire prévu alors : du 17 octobre") {
		t.Errorf("postponed:\n%s", text)
	}
	if text := f.text("/incidents/48"); !strings.Contains(text, "[-] ") || !strings.Contains(text, "    Annulés\n") ||
		!strings.Contains(text, "Annulés, 13 octobre 2026 à 12h00 CEST") {
		t.Errorf("cancelled:\n%s", text)
	}
	// In a feed the first announcement says what it said then.
	feed := f.get("/components/mail/feed.atom").Body.String()
	for _, want := range []string{"Horaire prévu\u00a0: du 24 octobre 2026", "Horaire prévu\u00a0: du 17 octobre 2026", "[Reportés] Migration du stockage"} {
		if !strings.Contains(feed, want) {
			t.Errorf("the feed has no %q", want)
		}
	}
}

func TestMissingTranslationIsMarked(t *testing.T) {
	f := weekFixture(t, week())
	if text := f.text("/incidents/52?lang=en"); !strings.Contains(text, "[!!] Web hosting: sites cannot be reached") ||
		!strings.Contains(text, "(text in French)") || strings.Contains(text, "is coming") || !strings.Contains(text, "A storage controller failed") {
		t.Errorf("nothing is promised:\n%s", text)
	}
	f.site.promised = []string{"fr", "en"}
	f.site.rendered = newShelf()
	if text := f.text("/incidents/52?lang=en"); !strings.Contains(text, "(This text is in French; its translation is coming.)") {
		t.Errorf("promised:\n%s", text)
	}
	if body := f.get("/incidents/52?lang=en").Body.String(); !strings.Contains(body, `<div class="body" lang="fr">`) {
		t.Error("the text's language is not marked for those who listen")
	}
	if text := f.text("/incidents/52"); strings.Contains(text, "anglais") {
		t.Errorf("in its own language:\n%s", text)
	}
}

func TestComponentPage(t *testing.T) {
	f := weekFixture(t, week())
	text := f.text("/components/mail")
	if !strings.Contains(text, "[!] Messagerie : Perturbations") || !strings.Contains(text, "Migration du stockage") || strings.Contains(text, "sites injoignables") {
		t.Errorf("mail:\n%s", text)
	}
	if text := f.text("/components/lists"); !strings.Contains(text, "[ok] Listes de diffusion : Fonctionne") || !strings.Contains(text, "Aucun incident récent ne concerne ce service.") {
		t.Errorf("lists:\n%s", text)
	}
	if f.get("/components/none").Code != 404 || f.get("/components/none/feed.atom").Code != 404 {
		t.Error("an unknown component has a page")
	}
}

// The worst stands first, whichever was published first.
func TestWorstFirst(t *testing.T) {
	list := week()[:3]
	list[1].Impact = statuspage.Critical
	text := weekFixture(t, list).text("/")
	if strings.Index(text, "envois retardés") > strings.Index(text, "sites injoignables") {
		t.Errorf("the lesser one is first:\n%s", text)
	}
}

// Every sentence exists in both languages.
func TestSentences(t *testing.T) {
	f := weekFixture(t, week())
	for _, path := range []string{"/", "/incidents/52", "/incidents/49", "/travaux", "/history", "/follow", "/components/web", "/embed", "/travaux.ics", "/feed.atom", "/history.rss", "/badge.svg", "/x"} {
		for _, lang := range []string{"fr", "en"} {
			if body := f.get(path + "?lang=" + lang).Body.String(); strings.Contains(body, "[status.") {
				t.Errorf("%s in %s lacks a sentence", path, lang)
			}
		}
	}
	if missing := f.site.catalog.Missing(); len(missing) > 0 {
		t.Errorf("missing: %q", missing)
	}
}
