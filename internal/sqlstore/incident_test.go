package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"permanence/bot"
	"permanence/statuspage"
	"permanence/tickets"
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

// TestBesideIncidents: what stands between tickets and incidents, and drafts,
// come back as they were put.
func TestBesideIncidents(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		sc := newScene(t, s, "alice")
		inc, other := fullIncident("one", 100), fullIncident("two", 200)
		words := tickets.Entry{Kind: tickets.Note, Audience: tickets.Team, Body: canary}
		d := bot.Draft{Person: 7, Verb: "incident.end", Number: 3, Body: canary, Lang: "fr", Seen: 4, Created: 5, Adapter: "a", Room: "r", Thread: "t"}
		mustUpdate(t, s, func(tx *Tx) error {
			if err := errors.Join(tx.AddIncident(&inc), tx.AddIncident(&other)); err != nil {
				return err
			}
			words.Incident = tickets.ID(inc.ID)
			tk := sc.ticket
			tk.Incident, tk.First = tickets.ID(inc.ID), sc.first.ID
			return errors.Join(tx.UpdateTicket(&tk), tx.AddEntry(&words, ""), tx.AddDraft(&d),
				tx.PutAttachment(bot.Attachment{Incident: inc.ID, Ticket: tk.ID, Offered: 5}),
				tx.PutAttachment(bot.Attachment{Incident: inc.ID, Ticket: tk.ID, Offered: 5, Answered: 6, Reply: 7}),
				tx.PutCommonAnswer(bot.CommonAnswer{Incident: inc.ID, Entry: words.ID}),
				tx.PutCommonAnswer(bot.CommonAnswer{Incident: inc.ID, Entry: words.ID, By: 8, Sent: 9}))
		})
		d.Delivery = 11
		mustUpdate(t, s, func(tx *Tx) error { return tx.UpdateDraft(d) })
		mustView(t, s, func(tx *Tx) error {
			tks, err := tx.IncidentTickets(inc.ID)
			if len(tks) != 1 || tks[0].ID != sc.ticket.ID {
				t.Errorf("attached: %+v", tks)
			}
			none, err2 := tx.IncidentTickets(other.ID)
			zero, err3 := tx.IncidentTickets(0)
			if len(none)+len(zero) != 0 {
				t.Errorf("attached to others: %+v %+v", none, zero)
			}
			want := bot.Attachment{Incident: inc.ID, Ticket: sc.ticket.ID, Offered: 5, Answered: 6, Reply: 7}
			one, err4 := tx.Attachment(inc.ID, sc.ticket.ID)
			list, err5 := tx.Attachments(inc.ID)
			blank, err6 := tx.Attachment(other.ID, sc.ticket.ID)
			if one != want || len(list) != 1 || list[0] != want || blank != (bot.Attachment{Incident: other.ID, Ticket: sc.ticket.ID}) {
				t.Errorf("%+v %+v %+v", one, list, blank)
			}
			a, ok, err7 := tx.CommonAnswer(inc.ID)
			_, no, err8 := tx.CommonAnswer(other.ID)
			if a != (bot.CommonAnswer{Incident: inc.ID, Entry: words.ID, By: 8, Sent: 9}) || !ok || no {
				t.Errorf("%+v %v %v", a, ok, no)
			}
			got, ok, err9 := tx.Draft(d.ID)
			of, err10 := tx.DraftsOf(7)
			if diff := cmp.Diff(d, got); diff != "" || !ok || len(of) != 1 || of[0] != d {
				t.Errorf("draft: %s %+v", diff, of)
			}
			recent, err11 := tx.RecentRequests(sc.ticket.Desk, 0, 10)
			if len(recent) != 1 || recent[0].Ticket != sc.ticket.ID || recent[0].Body != "Bonjour" || recent[0].Incident != tickets.ID(inc.ID) {
				t.Errorf("recent: %+v", recent)
			}
			later, err12 := tx.RecentRequests(sc.ticket.Desk, 1<<60, 10)
			elsewhere, err13 := tx.RecentRequests("nowhere", 0, 10)
			if len(later)+len(elsewhere) != 0 {
				t.Errorf("recent elsewhere: %+v %+v", later, elsewhere)
			}
			return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12, err13)
		})
		mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.DropDraft(d.ID), tx.DropDraft(999)) })
		mustView(t, s, func(tx *Tx) error {
			_, ok, err := tx.Draft(d.ID)
			if ok {
				t.Error("the draft is still there")
			}
			return err
		})
		// A draft's number is never used again: an old button must not publish a
		// newer draft.
		again := d
		mustUpdate(t, s, func(tx *Tx) error { return tx.AddDraft(&again) })
		if again.ID == d.ID {
			t.Error("the number of a dropped draft came back")
		}
		if text := fmt.Sprintf("%+v", mustPublic(t, s, inc.ID)); strings.Contains(text, canary) {
			t.Errorf("the team's words are public: %s", text)
		}
	})
}

func mustPublic(t *testing.T, s *Store, number int64) statuspage.PublicIncident {
	t.Helper()
	p, ok, err := s.Public().Incident(t.Context(), number)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	return p
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
