package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"permanence/bot"
	"permanence/statuspage"
)

const canary = "canary-7f3a"

func fullIncident(uid string, published statuspage.Time) statuspage.Incident {
	return statuspage.Incident{UID: uid, Kind: statuspage.Unplanned, Title: "Messagerie", Lang: "fr", State: statuspage.Investigating,
		Impact: statuspage.Major, Started: 1, Noticed: 2, Published: published, ScheduledFor: 4, ScheduledUntil: 5, NextWord: 6, Sequence: 7,
		Cancelled: true, Updated: published, TeamAdapter: canary, TeamRoom: canary, TeamThread: canary, Author: 9, EndedEverywhere: 10,
		Affected: []statuspage.Affected{{Component: "mail", Name: "Messagerie", Status: statuspage.PartialOutage}, {Component: "web", Name: "Web", Status: statuspage.Degraded}}}
}

func TestIncidents(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		inc := fullIncident("uid1", 100)
		up := statuspage.Update{UID: "u1", Entry: 3, State: statuspage.Investigating, Body: "b", Lang: "fr", Published: 100, Edited: 5, ScheduledFor: 6, ScheduledUntil: 7, Author: 9}
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.AddUpdate(&up); err == nil {
				t.Error("an update without an incident was stored")
			}
			if err := tx.AddIncident(&inc); err != nil {
				return err
			}
			up.Incident = inc.ID
			return tx.AddUpdate(&up)
		})
		check := func() {
			t.Helper()
			mustView(t, s, func(tx *Tx) error {
				got, err := tx.Incident(inc.ID)
				if diff := cmp.Diff(inc, got); diff != "" {
					t.Error(diff)
				}
				ups, err2 := tx.IncidentUpdates(inc.ID)
				if diff := cmp.Diff([]statuspage.Update{up}, ups); diff != "" {
					t.Error(diff)
				}
				open, err3 := tx.OpenIncidents()
				if inc.Open() != (len(open) == 1) || len(open) == 1 && cmp.Diff(inc, open[0]) != "" {
					t.Errorf("open: %+v", open)
				}
				return errors.Join(err, err2, err3)
			})
		}
		check()
		inc.Title, inc.State, inc.Resolved, inc.Cancelled, inc.Updated = "Courrier", statuspage.Resolved, 200, false, 200
		inc.Affected = inc.Affected[1:]
		inc.Affected[0].Status = statuspage.MajorOutage
		up.Body, up.Edited, up.Entry, up.ScheduledFor = "c", 9, 4, 8
		mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.UpdateIncident(&inc), tx.UpdateUpdate(&up)) })
		check()
		mustView(t, s, func(tx *Tx) error {
			if _, err := tx.Incident(999); !errors.Is(err, bot.ErrNotFound) {
				t.Errorf("no such incident: %v", err)
			}
			return nil
		})
	})
}

func TestPublicSourceGivesPublicColumnsAlone(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		add := func(uid string, published, resolved statuspage.Time) statuspage.Incident {
			inc := fullIncident(uid, published)
			inc.Resolved = resolved
			mustUpdate(t, s, func(tx *Tx) error {
				if err := tx.AddIncident(&inc); err != nil {
					return err
				}
				for i := range 2 {
					u := statuspage.Update{UID: fmt.Sprint(uid, i), Incident: inc.ID, State: statuspage.Identified, Body: fmt.Sprint("b", i), Lang: "fr", Published: published, Author: 9}
					if err := tx.AddUpdate(&u); err != nil {
						return err
					}
				}
				return nil
			})
			return inc
		}
		old, recent, open, draft := add("old", 100, 110), add("recent", 200, 210), add("open", 50, 0), add("draft", 0, 0)
		src := s.Public()
		numbers := func(list []statuspage.PublicIncident, err error) string {
			var ids []int64
			for _, p := range list {
				ids = append(ids, p.Number)
				if len(p.Updates) != 2 || p.Updates[0].Body != "b0" || len(p.Components) != 2 {
					t.Errorf("%+v", p)
				}
			}
			if text := fmt.Sprintf("%+v", list); strings.Contains(text, canary) {
				t.Errorf("private columns in %s", text)
			}
			return fmt.Sprint(ids, err)
		}
		want := func(ids ...int64) string { return fmt.Sprint(ids, error(nil)) }
		for name, pair := range map[string][2]string{
			"current":   {numbers(src.Current(t.Context(), 10)), want(recent.ID, old.ID, open.ID)},
			"the last":  {numbers(src.Current(t.Context(), 1)), want(recent.ID, open.ID)},
			"between":   {numbers(src.Between(t.Context(), 50, 200)), want(old.ID, open.ID)},
			"in no day": {numbers(src.Between(t.Context(), 300, 400)), want()},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s, want %s", name, pair[0], pair[1])
			}
		}
		p, ok, err := src.Incident(t.Context(), open.ID)
		if !ok || err != nil || p.UID != "open" || p.Components[0] != (statuspage.PublicComponent{ID: "mail", Name: "Messagerie", Status: statuspage.PartialOutage}) {
			t.Errorf("%+v, %v, %v", p, ok, err)
		}
		for _, number := range []int64{draft.ID, 999} {
			if _, ok, err := src.Incident(t.Context(), number); ok || err != nil {
				t.Errorf("%d: %v, %v", number, ok, err)
			}
		}
	})
}
