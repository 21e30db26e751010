package statuspage

import (
	"testing"
)

func TestPublicTexts(t *testing.T) {
	p := PublicIncident{Title: "Messagerie", Lang: "fr", Titles: []PublicText{{Lang: "en", Body: "Mail"}}}
	for lang, want := range map[string]string{"fr": "Messagerie fr", "en": "Mail en", "de": "Messagerie fr"} {
		if title, in := p.TitleIn(lang); title+" "+in != want {
			t.Errorf("title in %s: %s %s", lang, title, in)
		}
	}
	u := PublicUpdate{Body: "Lent.", Lang: "fr", Published: 5, Texts: []PublicText{{Lang: "en", Body: "Slow.", Published: 8, Edited: 9}}}
	if text, ok := u.TextIn("en"); !ok || text != (PublicText{Lang: "en", Body: "Slow.", Published: 8, Edited: 9}) {
		t.Errorf("in English: %+v %t", text, ok)
	}
	if text, ok := u.TextIn("fr"); !ok || text.Body != "Lent." || text.Published != 5 {
		t.Errorf("in French: %+v %t", text, ok)
	}
	if text, ok := u.TextIn("de"); ok || text.Lang != "fr" {
		t.Errorf("in German: %+v %t", text, ok)
	}
}

func TestAnnouncedTimes(t *testing.T) {
	plain := PublicIncident{
		Kind: Maintenance, State: Scheduled, ScheduledFor: 100, ScheduledUntil: 200,
		Updates: []PublicUpdate{{State: Scheduled}, {State: Scheduled}, {State: InProgress}},
	}
	told := plain
	told.Updates = []PublicUpdate{{State: Scheduled, ScheduledFor: 10, ScheduledUntil: 20}, {State: Scheduled}, {State: Scheduled, ScheduledFor: 100, ScheduledUntil: 200}}
	for _, c := range []struct {
		name        string
		p           PublicIncident
		n           int
		from, until Time
		label       string
	}{
		{"the newest of work to come", plain, 1, 100, 200, "programmés"},
		{"an older one said other times", plain, 0, 0, 0, "programmés"},
		{"a later state", plain, 2, 0, 0, "en cours"},
		{"its own", told, 0, 10, 20, "programmés"},
		{"without", told, 1, 0, 0, "programmés"},
		{"moved", told, 2, 100, 200, "reportés"},
	} {
		from, until := c.p.Announced(c.n)
		if label := c.p.UpdateText(c.n).FR; from != c.from || until != c.until || label != c.label {
			t.Errorf("%s: %d %d %s", c.name, from, until, label)
		}
	}
	told.Cancelled, told.Resolved, told.State = true, 50, Completed
	told.Updates = append(told.Updates, PublicUpdate{State: Completed})
	if told.UpdateText(3).FR != "annulés" || told.StateText().EN != "cancelled" || told.UpdateText(2).FR != "reportés" {
		t.Error("cancelled work is called otherwise")
	}
}

func TestSnapshot(t *testing.T) {
	s := NewSnapshot([]PublicIncident{
		{Number: 1, Published: 10, Updated: 90, Resolved: 90},
		{Number: 2, Published: 20, Updated: 20, Resolved: 20},
		{Number: 3, Published: 30, Updated: 30},
		{Number: 4, Published: 0, Updated: 99}, // not public
		{Number: 5, Published: 40, Updated: 40, State: Scheduled},
	})
	numbers := func(list []PublicIncident, err error) (out []ID) {
		if err != nil {
			t.Error(err)
		}
		for _, p := range list {
			out = append(out, p.Number)
		}
		return out
	}
	for _, c := range []struct {
		name string
		got  []ID
		want []ID
	}{
		{"open, planned, and the one that moved last", numbers(s.Current(t.Context(), 1)), []ID{5, 3, 1}},
		{"all", numbers(s.Current(t.Context(), 100)), []ID{5, 3, 2, 1}},
		{"between", numbers(s.Between(t.Context(), 20, 40)), []ID{3, 2}},
	} {
		if len(c.got) != len(c.want) {
			t.Errorf("%s: %v", c.name, c.got)
			continue
		}
		for i := range c.want {
			if c.got[i] != c.want[i] {
				t.Errorf("%s: %v", c.name, c.got)
			}
		}
	}
	if _, found, err := s.Incident(t.Context(), 4); found || err != nil {
		t.Error("what is not public is given")
	}
	if p, found, _ := s.Incident(t.Context(), 3); !found || p.Number != 3 {
		t.Error("not found")
	}
}
