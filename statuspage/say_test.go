package statuspage

import (
	"strings"
	"testing"
	"time"
)

func TestWordsForRooms(t *testing.T) {
	inc, first := started(t, 12, "messagerie envois retardés")
	later := inc.Started + Time(73*time.Minute/time.Millisecond)
	end := inc.Started + Time(158*time.Minute/time.Millisecond)
	at := func(when Time) Origin { o := origin(when); return o }
	known, update, err := AddUpdate(at(later), inc, "identifié : un disque de la baie est **mort**")
	if err != nil {
		t.Fatal(err)
	}
	ended, last, err := End(at(end), known, "Le disque est remplacé.")
	if err != nil {
		t.Fatal(err)
	}
	promised := inc
	promised.NextWord = end
	long, longFirst := started(t, 13, "stockage en panne\n\nNous *cherchons*.")
	block := update
	block.Body = "- un\n- deux"

	fr := Speech{When: When{"fr", paris(t)}, URL: "https://t.example.org/"}
	en := Speech{When: When{"en", paris(t)}}
	for _, c := range []struct{ what, got, want string }{
		{"start", fr.StartText(inc, first), "⚠️ **[Incident 12] Messagerie : envois retardés** · en cours d’analyse · depuis 19h02 CEST · https://t.example.org/incidents/12"},
		{"start en", en.StartText(inc, first), "⚠️ **[Incident 12] Messagerie : envois retardés** · investigating · since 19:02 CEST"},
		{"start, promise", en.StartText(promised, first), "⚠️ **[Incident 12] Messagerie : envois retardés** · investigating · since 19:02 CEST · next word 21:40 CEST"},
		{"start, long", en.StartText(long, longFirst), "⚠️ **[Incident 13] Stockage en panne** · investigating · since 19:02 CEST\n\nstockage en panne\n\nNous *cherchons*."},
		{"update", fr.UpdateText(known, update), "**[Incident 12] Cause identifiée** : un disque de la baie est **mort**"},
		{"update, block", fr.UpdateText(known, block), "**[Incident 12] Cause identifiée**\n\n- un\n- deux"},
		{"headline", fr.HeadlineText(known, update), "⚠️ **[Incident 12] Messagerie : envois retardés** · cause identifiée · depuis 19h02 CEST · 20h15 CEST : un disque de la baie est mort · https://t.example.org/incidents/12"},
		{"end", fr.EndText(ended, last, 3), "✅ **[Incident 12] Terminé : Messagerie : envois retardés** · le 19 octobre 2026 de 19h02 à 21h40 CEST · durée 2\u00a0h\u00a038\u00a0min · 3 messages · https://t.example.org/incidents/12\n\nLe disque est remplacé."},
		{"end en", en.EndText(ended, last, 1), "✅ **[Incident 12] Resolved: Messagerie : envois retardés** · 19 October 2026 from 19:02 to 21:40 CEST · duration 2\u00a0h\u00a038\u00a0min · one message\n\nLe disque est remplacé."},
		{"headline, ended", fr.HeadlineText(ended, last), "✅ **[Incident 12] Messagerie : envois retardés** · terminé · le 19 octobre 2026 de 19h02 à 21h40 CEST · 2\u00a0h\u00a038\u00a0min · https://t.example.org/incidents/12"},
		{"erratum", fr.ErratumText(inc, first, true), "**[Incident 12] Rectificatif** : envois retardés"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, c.got, c.want)
		}
	}

	planned := Incident{ID: 15, Kind: Maintenance, Title: "Migration", State: Scheduled, ScheduledFor: inc.Started, ScheduledUntil: end}
	if got, want := fr.HeadlineText(planned, Update{}), "🔧 **[Travaux 15] Migration** · programmés · le 19 octobre 2026 de 19h02 à 21h40 CEST · https://t.example.org/incidents/15"; got != want {
		t.Errorf("planned:\n got %s\nwant %s", got, want)
	}
	planned.State, planned.Resolved = Completed, inc.Started-1
	if got := en.EndText(planned, Update{State: Completed, Body: "Cancelled."}, 2); got != "✅ **[Maintenance 15] Completed: Migration** · 2 messages\n\nCancelled." {
		t.Errorf("cancelled: %s", got)
	}

	hostile, u := started(t, 14, "*gras* [x](https://e.example.org) <b> _y_ "+strings.Repeat("long ", 100))
	text := fr.HeadlineText(hostile, u)
	if !strings.Contains(text, `\*gras\* \[x\](https://e.example.org) \<b\> \_y\_`) {
		t.Errorf("title is not escaped: %s", text)
	}
	if strings.Contains(text, "\n") || len([]rune(text)) > 300 {
		t.Errorf("headline is no short line: %q", text)
	}
}

func TestTimesForPeople(t *testing.T) {
	loc := paris(t)
	fr, en := When{"fr", loc}, When{"en", loc}
	start := At(time.Date(2026, 10, 1, 23, 5, 0, 0, loc))
	next := At(time.Date(2026, 10, 2, 1, 10, 0, 0, loc))
	// The clocks went back on 25 October 2026 at 3:00 CEST.
	before, after := At(time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)), At(time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC))
	kathmandu := When{"en", time.FixedZone("+0545", 5*3600+45*60)}
	for _, c := range []struct{ got, want string }{
		{fr.Full(start), "jeudi 1er octobre 2026 à 23h05 CEST"},
		{en.Full(start), "Thursday 1 October 2026 at 23:05 CEST"},
		{fr.Span(start, next), "du 1er octobre 2026 à 23h05 au 2 octobre 2026 à 01h10 CEST"},
		{en.Span(start, next), "from 1 October 2026, 23:05 to 2 October 2026, 01:10 CEST"},
		{fr.Span(before, after), "le 25 octobre 2026 de 02h30 CEST à 02h30 CET"},
		{fr.Moment(start, next), "1er octobre 2026 à 23h05 CEST"},
		{fr.Month(start), "octobre 2026"},
		{fr.Offset(start), "UTC+2"},
		{kathmandu.Clock(start), "02:50 UTC+5:45"},
		{When{Lang: "en"}.Clock(start), "21:05 UTC"},
		{fr.Duration(12 * time.Minute), "12\u00a0min"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestOverall(t *testing.T) {
	list := []PublicIncident{
		{State: Resolved, Resolved: 5, Impact: Critical, Components: []PublicComponent{{ID: "mail", Status: MajorOutage}}},
		{State: Scheduled, Kind: Maintenance, Impact: PlannedImpact, Components: []PublicComponent{{ID: "web", Status: UnderMaintenance}}},
	}
	if got := Overall(list); got != NoImpact {
		t.Errorf("over and planned count: %s", got)
	}
	list = append(list,
		PublicIncident{State: Identified, Impact: Minor, Components: []PublicComponent{{ID: "mail", Status: Degraded}}},
		PublicIncident{State: Monitoring, Impact: Major, Components: []PublicComponent{{ID: "mail", Status: PartialOutage}}})
	if got := Overall(list); got != Major {
		t.Errorf("overall %s", got)
	}
	if got := StatusOf("mail", list); got != PartialOutage {
		t.Errorf("mail %s", got)
	}
	if got := StatusOf("web", list); got != Operational {
		t.Errorf("web %s", got)
	}
}
