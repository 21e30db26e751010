package web

import (
	"strings"
	"testing"
	"unicode/utf8"

	"permanence/statuspage"
)

// TestCalendarLines holds the calendar to RFC 5545, 3.1: lines end with CRLF,
// have at most 75 octets, and are cut between runes.
func TestCalendarLines(t *testing.T) {
	list := week()
	list[3].Title = strings.Repeat("é", 90) + "\r\nBEGIN:VEVENT\r\n\x00\x1b" + "\\n;,"
	list[3].Updates[1].Body = "a\r\n\r\nEND:VCALENDAR\r\n\x07" + strings.Repeat("œ", 200)
	list[3].Components[0].Name = "x,y;\nz"
	list[3].Components[0].ID = "gone"
	body := weekFixture(t, list).get("/travaux.ics").Body.String()
	lines := strings.Split(body, "\r\n")
	if last := lines[len(lines)-1]; last != "" {
		t.Errorf("the last line %q does not end", last)
	}
	count := map[string]int{}
	for _, l := range lines {
		if len(l) > 75 || strings.ContainsAny(l, "\r\n\x00\x07\x1b") || !utf8.ValidString(l) {
			t.Errorf("line %q of %d octets", l, len(l))
		}
		count[l]++
	}
	if count["BEGIN:VEVENT"] != 3 || count["END:VCALENDAR"] != 1 || count["METHOD:PUBLISH"] != 1 || count["VERSION:2.0"] != 1 ||
		count["REFRESH-INTERVAL;VALUE=DURATION:PT1H"] != 1 || count["TRANSP:TRANSPARENT"] != 3 {
		t.Errorf("in %s", body)
	}
	if !strings.Contains(strings.ReplaceAll(body, "\r\n ", ""), `CATEGORIES:x\,y\; z`) {
		t.Errorf("a component's name is not escaped in %s", body)
	}
}

func TestCalendarOfNothing(t *testing.T) {
	f := newFixture(t, []statuspage.PublicIncident{scene()[0]})
	w := f.get("/travaux.ics")
	if w.Code != 200 || strings.Contains(w.Body.String(), "VEVENT") || w.Header().Get("Content-Type") != "text/calendar; charset=utf-8" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if f.get("/components/none/travaux.ics").Code != 404 {
		t.Error("a calendar of an unknown component")
	}
}
