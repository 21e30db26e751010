package sqlstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"permanence/statuspage"
)

// The public page's source gives what is published, and of it nothing that
// is the team's: every private column holds a canary.
func TestPublicSource(t *testing.T) {
	forEachDialect(t, testPublicSource)
}

func testPublicSource(t *testing.T, s *Store) {
	const canary, number = "CANARY", 987654321
	add := func(id statuspage.ID, published, resolved, updated statuspage.Time) {
		t.Helper()
		err := s.update(t.Context(), func(tx *Tx) error {
			inc := statuspage.Incident{
				UID: fmt.Sprint("i", id), Kind: statuspage.Unplanned, Title: "Mail", Lang: "fr",
				State: statuspage.Investigating, Impact: statuspage.Minor,
				Started: 1, Noticed: 2, Published: published, Resolved: resolved, Updated: updated,
				TeamAdapter: canary, TeamRoom: canary, TeamThread: canary, Author: number, EndedEverywhere: number,
				Affected: []statuspage.Affected{
					{Component: "web", Name: "Web", Status: statuspage.Degraded},
					{Component: "mail", Name: "Mail", Status: statuspage.Degraded},
				},
			}
			if err := tx.AddIncident(&inc); err != nil {
				return err
			}
			if inc.ID != id {
				t.Errorf("incident %d has number %d", id, inc.ID)
			}
			for n, state := range []statuspage.State{statuspage.Investigating, statuspage.Resolved} {
				u := statuspage.Update{
					UID: fmt.Sprintf("u%d-%d", id, n), Incident: id, Entry: number, State: state,
					Body: fmt.Sprint("text ", n), Lang: "fr", Published: published + statuspage.Time(n), Author: number,
				}
				if err := tx.AddUpdate(&u); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add(1, 100, 0, 100) // open, old
	add(2, 200, 250, 900)
	add(3, 300, 350, 350)
	add(4, 0, 0, 1000) // not published
	add(5, 500, 550, 550)

	numbers := func(list []statuspage.PublicIncident) (n []statuspage.ID) {
		t.Helper()
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), canary) || strings.Contains(string(text), "987654321") {
			t.Errorf("a private column came out: %s", text)
		}
		for _, p := range list {
			n = append(n, p.Number)
			if len(p.Updates) != 2 || p.Updates[0].Body != "text 0" || p.Last().State != statuspage.Resolved ||
				len(p.Components) != 2 || p.Components[0].ID != "mail" || p.Components[0].Name != "Mail" {
				t.Errorf("parts of %d: %+v", p.Number, p)
			}
		}
		return n
	}
	page := s.Public()
	list, err := page.Current(t.Context(), 2)
	if got := numbers(list); err != nil || !slices.Equal(got, []statuspage.ID{5, 2, 1}) {
		t.Errorf("current %v %v, want the last two that moved and the open one", got, err)
	}
	list, err = page.Between(t.Context(), 200, 500)
	if got := numbers(list); err != nil || !slices.Equal(got, []statuspage.ID{3, 2}) {
		t.Errorf("between %v %v", got, err)
	}
	list, err = page.Between(t.Context(), 0, 1000)
	if got := numbers(list); err != nil || len(got) != 4 {
		t.Errorf("from the beginning %v %v", got, err)
	}
	one, found, err := page.Incident(t.Context(), 3)
	if got := numbers([]statuspage.PublicIncident{one}); err != nil || !found || got[0] != 3 || one.Title != "Mail" || one.Lang != "fr" || one.Started != 1 {
		t.Errorf("incident 3: %+v %t %v", one, found, err)
	}
	one, found, err = page.IncidentByUID(t.Context(), "i3")
	if got := numbers([]statuspage.PublicIncident{one}); err != nil || !found || got[0] != 3 || one.Noticed != 2 {
		t.Errorf("incident i3: %+v %t %v", one, found, err)
	}
	for _, hidden := range []string{"i4", "i99", ""} {
		if _, found, err := page.IncidentByUID(t.Context(), hidden); err != nil || found {
			t.Errorf("incident %q: %t %v", hidden, found, err)
		}
	}
	for _, hidden := range []statuspage.ID{4, 99} {
		if _, found, err := page.Incident(t.Context(), hidden); err != nil || found {
			t.Errorf("incident %d: %t %v", hidden, found, err)
		}
	}
}

// Columns that somebody adds later stay private until they are named here.
func TestPublicStatementsNameNoPrivateColumn(t *testing.T) {
	for _, q := range []string{selectPublicOpen, selectPublicRecent, selectPublicOne, selectPublicUID, selectPublicBetween, selectPublicUpdates, selectPublicComponents, selectPublicTitles, selectPublicTexts} {
		for _, private := range []string{"*", "author", "team_", "entry_id", "ended_everywhere", "link", "delivery", "person"} {
			if strings.Contains(q, private) {
				t.Errorf("%s names %s", q, private)
			}
		}
	}
}

// Titles and texts in further languages come with what they translate, and
// with nothing else.
func TestPublicTranslations(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		other := statuspage.Incident{UID: "other", Published: 1, Updated: 1}
		inc := statuspage.Incident{UID: "i", Kind: statuspage.Maintenance, Title: "Disque", Lang: "fr", Published: 2, Updated: 2}
		first := statuspage.Update{UID: "u1", State: statuspage.Scheduled, Body: "un", Lang: "fr", Published: 2, ScheduledFor: 50, ScheduledUntil: 60}
		second := statuspage.Update{UID: "u2", State: statuspage.Scheduled, Body: "deux", Lang: "fr", Published: 3}
		mustUpdate(t, s, func(tx *Tx) error {
			if err := errors.Join(tx.AddIncident(&other), tx.AddIncident(&inc)); err != nil {
				return err
			}
			first.Incident, second.Incident = inc.ID, inc.ID
			alien := statuspage.Update{UID: "u3", Incident: other.ID, Body: "trois"}
			if err := errors.Join(tx.AddUpdate(&first), tx.AddUpdate(&alien), tx.AddUpdate(&second)); err != nil {
				return err
			}
			return errors.Join(
				tx.PutTitle(inc.ID, statuspage.PublicText{Lang: "en", Body: "Dsk", Published: 4}),
				tx.PutTitle(inc.ID, statuspage.PublicText{Lang: "en", Body: "Disk", Published: 9, Edited: 5}),
				tx.PutText(second.ID, statuspage.PublicText{Lang: "en", Body: "two", Published: 6}),
				tx.PutText(second.ID, statuspage.PublicText{Lang: "de", Body: "zwei", Published: 7}),
				tx.PutText(alien.ID, statuspage.PublicText{Lang: "en", Body: "three", Published: 7}),
			)
		})
		one, found, err := s.Public().Incident(t.Context(), inc.ID)
		if err != nil || !found {
			t.Fatal(found, err)
		}
		want := statuspage.PublicIncident{Number: inc.ID, UID: "i", Kind: statuspage.Maintenance, Title: "Disque", Lang: "fr", Published: 2, Updated: 2,
			Titles: []statuspage.PublicText{{Lang: "en", Body: "Disk", Published: 4, Edited: 5}},
			Updates: []statuspage.PublicUpdate{
				{UID: "u1", State: statuspage.Scheduled, Body: "un", Lang: "fr", Published: 2, ScheduledFor: 50, ScheduledUntil: 60},
				{UID: "u2", State: statuspage.Scheduled, Body: "deux", Lang: "fr", Published: 3, Texts: []statuspage.PublicText{
					{Lang: "de", Body: "zwei", Published: 7}, {Lang: "en", Body: "two", Published: 6}}},
			}}
		if diff := cmp.Diff(want, one); diff != "" {
			t.Error(diff)
		}
		mustView(t, s, func(tx *Tx) error {
			titles, err := tx.Titles(inc.ID)
			texts, err2 := tx.Texts(second.ID)
			none, err3 := tx.Texts(first.ID)
			year, err4 := tx.PublishedBetween(2, 3)
			if len(titles) != 1 || len(texts) != 2 || len(none) != 0 || len(year) != 1 || len(year[0].Updates) != 2 {
				t.Errorf("%v %v %v %v", titles, texts, none, year)
			}
			return errors.Join(err, err2, err3, err4)
		})
	})
}
