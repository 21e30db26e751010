package web

import (
	"encoding/xml"
	"strings"
	"testing"

	"permanence/statuspage"
)

func TestEmbedScriptIsSmall(t *testing.T) {
	if n := weekFixture(t, nil).get("/embed.js").Body.Len(); n == 0 || n > 2000 {
		t.Errorf("embed.js has %d bytes", n)
	}
}

func TestEmbed(t *testing.T) {
	f := weekFixture(t, week())
	frame := f.get("/embed").Body.String()
	for _, want := range []string{"Une partie des services est en panne", `href="https://travaux.example.org/incidents/52" target="_blank"`, "Voir la page d’état"} {
		if !strings.Contains(frame, want) {
			t.Errorf("the frame has no %s", want)
		}
	}
	if quiet := weekFixture(t, nil).get("/embed?lang=en").Body.String(); !strings.Contains(quiet, "Everything works") || !strings.Contains(quiet, "No open incident") {
		t.Errorf("a quiet frame: %s", quiet)
	}
	if got := f.get("/embed.json?lang=en").Body.String(); !strings.HasPrefix(got, `{"state":"major","label":"Some services are down","url":"https://travaux.example.org/?lang=en"`) {
		t.Errorf("embed.json: %s", got)
	}
}

func TestBadge(t *testing.T) {
	for _, impact := range []statuspage.Impact{statuspage.NoImpact, statuspage.Minor, statuspage.Major, statuspage.Critical, statuspage.PlannedImpact} {
		list := week()[1:2]
		list[0].Impact = impact
		body := weekFixture(t, list).get("/badge.svg").Body.Bytes()
		var svg struct {
			XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
			Title   string   `xml:"http://www.w3.org/2000/svg title"`
		}
		if err := xml.Unmarshal(body, &svg); err != nil || !strings.HasPrefix(svg.Title, "État des services – ") {
			t.Errorf("%s: %v %s", impact, err, body)
		}
	}
}
