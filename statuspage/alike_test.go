package statuspage

import "testing"

func hosted() Components {
	return Components{{"mail", "Messagerie"}, {"web", "Hébergement web"}, {"dns", "Noms de domaine"}}
}

func TestConcerns(t *testing.T) {
	mail := Incident{Title: "Messagerie : envois retardés", Affected: []Affected{{Component: "mail", Name: "Messagerie"}}}
	web := Incident{Title: "Hébergement web : erreurs 502", Affected: []Affected{{Component: "web", Name: "Hébergement web"}}}
	unnamed := Incident{Title: "Tout est très lent"}
	for _, c := range []struct {
		inc     Incident
		service string
		text    string
		want    bool
	}{
		{mail, "mail", "Bonjour", true},
		{mail, "MESSAGERIE", "", true},
		{mail, "web", "envoi", false},
		{mail, "", "Mes envois par la messagerie n’arrivent pas", true},
		{mail, "", "envoi retardé ?", true},
		{mail, "", "Une question sur la messagerie", false},
		{mail, "", "messagerie, messagerie, messagerie", false},
		{mail, "", "", false},
		{web, "", "mon hebergement Web répond 502", true},
		{web, "", "mon hébergement coûte combien ?", false},
		{unnamed, "", "c'est très lent depuis ce matin", false},
		{unnamed, "", "lent", false},
	} {
		if got := c.inc.Concerns(Request{c.service, c.text}); got != c.want {
			t.Errorf("%q %q and %q: %v", c.service, c.text, c.inc.Title, got)
		}
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		a, b Request
		want bool
	}{
		{Request{"mail", "x"}, Request{"mail", "y"}, true},
		{Request{"mail", ""}, Request{"", "la messagerie est en panne"}, true},
		{Request{"", "mail bloqué"}, Request{"", "La Messagerie ne répond plus"}, true},
		{Request{"", "mon hébergement web est tombé"}, Request{"", "WEB : hébergement coupé"}, true},
		{Request{"", "un nom de variable"}, Request{"", "mon domaine a expiré"}, false}, // half a name each
		{Request{"", "erreur 502 en ouvrant wordpress"}, Request{"", "wordpress affiche une erreur"}, true},
		{Request{"", "Bonjour, j'ai besoin d'aide, merci"}, Request{"", "Bonjour, besoin d'aide. Merci !"}, false},
		{Request{"", "facture de mars"}, Request{"", "facture perdue"}, false},
		{Request{"", ""}, Request{"", ""}, false},
		{Request{"mail", ""}, Request{"web", ""}, false},
	} {
		if got := hosted().Alike(c.a, c.b); got != c.want {
			t.Errorf("%+v and %+v: %v", c.a, c.b, got)
		}
		if got := hosted().Alike(c.b, c.a); got != c.want {
			t.Errorf("%+v and %+v the other way round: %v", c.a, c.b, got)
		}
	}
}
