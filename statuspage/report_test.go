package statuspage

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	loc := paris(t)
	tm := func(s string) Time { return At(at(t, loc, s)) }
	mail := []PublicComponent{{ID: "mail", Name: "Messagerie"}}
	list := []PublicIncident{
		{Number: 2, Kind: Unplanned, Title: "=Web", State: Resolved, Started: tm("2026-03-01 10:00"), Published: tm("2026-03-01 10:20"), Resolved: tm("2026-03-01 11:00"), Components: mail},
		{Number: 1, Kind: Unplanned, Title: "Messagerie", State: Resolved, Started: tm("2026-01-01 00:10"), Published: tm("2026-01-01 00:20"), Resolved: tm("2026-01-01 03:10"), Components: mail},
		{Number: 3, Kind: Maintenance, Title: "Disque", State: Completed, Published: tm("2026-04-01 10:00"), Started: tm("2026-04-02 10:00"), Resolved: tm("2026-04-02 12:00"), ScheduledFor: tm("2026-04-02 10:00"), Components: mail},
		{Number: 4, Kind: Maintenance, Title: "Baie", State: Completed, Cancelled: true, Published: tm("2026-05-01 10:00"), Resolved: tm("2026-05-01 12:00")},
		{Number: 5, Kind: Unplanned, Title: "En cours", State: Investigating, Started: tm("2026-12-31 22:00"), Published: tm("2026-12-31 22:00")},
		{Number: 6, Kind: Unplanned, Title: "Autre année", Published: tm("2027-01-01 00:10")},
	}
	r := NewReport(list, 2026, loc, tm("2026-12-31 23:00"))
	if len(r.Incidents) != 3 || r.Incidents[0].Number != 1 || len(r.Planned) != 2 || r.Open != 1 || r.FirstWord != 10*time.Minute || r.ToEnd != 2*time.Hour ||
		len(r.Services) != 1 || r.Services[0].Trouble != 4*time.Hour || r.Services[0].Planned != 2*time.Hour || r.Services[0].Count != 2 {
		t.Errorf("%+v", r)
	}
	const want = "# Bilan 2026\n\n- Incidents : 3 (dont 1 en cours)\n- Travaux : 2\n- Du début au premier mot : 10\u00a0min (médiane)\n- Du début à la fin : 2\u00a0h (médiane)\n\n" +
		"| Service | Incidents | Durée des incidents | Durée des travaux |\n| --- | ---: | ---: | ---: |\n| Messagerie | 2 | 4\u00a0h | 2\u00a0h |\n\n" +
		"## Incidents\n\n- 1er janvier 2026 · 1 · Messagerie · 3\u00a0h\n- 1er mars 2026 · 2 · =Web · 1\u00a0h\n- 31 décembre 2026 · 5 · En cours · en cours d’analyse\n\n" +
		"## Travaux\n\n- 1er avril 2026 · 3 · Disque · 2\u00a0h\n- 1er mai 2026 · 4 · Baie · annulés\n"
	if got := r.Markdown(When{"fr", loc}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	const csv = "number,kind,title,services,impact,state,started,noticed,published,ended,scheduled_for,scheduled_until,minutes_to_first_word,minutes_to_end,updates\n" +
		"1,incident,Messagerie,mail,,resolved,2025-12-31T23:10:00Z,,2025-12-31T23:20:00Z,2026-01-01T02:10:00Z,,,10,180,0\n" +
		"2,incident,'=Web,mail,,resolved,"
	if got := r.CSV(); len(got) < len(csv) || got[:len(csv)] != csv {
		t.Errorf("got\n%s", got)
	}
	if r := NewReport(nil, 2026, nil, 0); r.Markdown(When{Lang: "en"}) != "# Report 2026\n\n- Incidents: 0\n- Planned work: 0\n" {
		t.Errorf("empty: %s", r.Markdown(When{Lang: "en"}))
	}
}

// What people type in a title does not run in a spreadsheet.
func TestReportCSVIsInert(t *testing.T) {
	for title, want := range map[string]string{
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", " =1": "' =1", "＝1": "'＝1",
		"\t=1": "'\t=1", "Messagerie": "Messagerie", "a=b": "a=b", "": "", "Disque, \"sdb\"; fin": "Disque, \"sdb\"; fin",
	} {
		r := NewReport([]PublicIncident{{Number: 1, Kind: Unplanned, Title: title, Published: At(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)),
			Components: []PublicComponent{{ID: "x", Name: title}}}}, 2026, nil, 0)
		for what, text := range map[string]string{"incidents": r.CSV(), "services": r.ServicesCSV()} {
			rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
			if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
				t.Fatalf("%q: %q %v", title, text, err)
			}
			column := slices.Index(rows[0], "title")
			if what == "services" {
				column = slices.Index(rows[0], "name")
			}
			if got := rows[1][column]; got != want {
				t.Errorf("%s: %q is written %q, want %q", what, title, got, want)
			}
		}
	}
}

func TestReportServicesCSV(t *testing.T) {
	r := Report{Services: []ServiceHours{{ID: "mail", Name: "Messagerie", Count: 2, Trouble: 4 * time.Hour, Planned: 90*time.Second + 2*time.Hour}}}
	if got, want := r.ServicesCSV(), "service,name,incidents,minutes_in_incidents,minutes_in_planned_work\nmail,Messagerie,2,240,121\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
