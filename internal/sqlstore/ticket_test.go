package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/tickets"
)

// scene is a ticket with its asker and its link in a public room.
type scene struct {
	asker  tickets.Person
	ticket tickets.Ticket
	link   tickets.Link
	first  tickets.Entry
}

func newScene(t testing.TB, s *Store, name string) scene {
	t.Helper()
	sc := scene{asker: person(t, s, name)}
	mustUpdate(t, s, func(tx *Tx) error {
		sc.ticket = tickets.Ticket{Desk: "support", Subject: "panne de " + name, State: tickets.New, Requester: sc.asker.ID, Created: 1, Updated: 1}
		if err := tx.AddTicket(&sc.ticket); err != nil {
			return err
		}
		sc.link = tickets.Link{Ticket: sc.ticket.ID, Kind: tickets.AskerLink, Adapter: "tchat", Room: "asso/entraide", Audiences: tickets.Everyone, Created: 1}
		if err := tx.AddLink(&sc.link); err != nil {
			return err
		}
		if err := tx.PutParticipant(tickets.Participant{Ticket: sc.ticket.ID, Person: sc.asker.ID, Part: tickets.Requester, Link: sc.link.ID}); err != nil {
			return err
		}
		sc.first = tickets.Entry{Ticket: sc.ticket.ID, Kind: tickets.Message, Audience: tickets.Everyone, Author: sc.asker.ID,
			Name: name, Body: "Bonjour", At: 1000, Link: sc.link.ID}
		return tx.AddEntry(&sc.first, "bonjour")
	})
	return sc
}

func TestTickets(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		alice, camille := newScene(t, s, "alice"), newScene(t, s, "camille")
		full := tickets.Ticket{ID: alice.ticket.ID, Desk: "support", Subject: "é’\n", State: tickets.Waiting, Requester: 1, Owner: 2,
			Service: "site-1", Shared: true, Created: 1, Updated: 9, Asked: 3, Answered: 4, ClosedAt: 5, LastAsker: 6, LastLink: 7,
			Related: 8, Incident: 9, ClaimUntil: 10, First: 11, Hints: "a\nb", LastEvent: "c"}
		mustUpdate(t, s, func(tx *Tx) error { return tx.UpdateTicket(&full) })
		closed := camille.ticket
		closed.State, closed.Updated = tickets.Closed, 20
		other := tickets.Ticket{Desk: "ventes", State: tickets.New, Requester: camille.asker.ID, Updated: 30}
		mustUpdate(t, s, func(tx *Tx) error { return errors.Join(tx.UpdateTicket(&closed), tx.AddTicket(&other)) })
		mustView(t, s, func(tx *Tx) error {
			got, err := tx.Ticket(full.ID)
			if diff := cmp.Diff(full, got); diff != "" {
				t.Error(diff)
			}
			if _, err := tx.Ticket(999); !errors.Is(err, bot.ErrNotFound) || !strings.Contains(err.Error(), "999") {
				t.Errorf("no such ticket: %v", err)
			}
			for _, tt := range []struct {
				filter bot.TicketFilter
				want   []tickets.ID
			}{
				{bot.TicketFilter{}, []tickets.ID{other.ID, closed.ID, full.ID}},
				{bot.TicketFilter{Limit: 1}, []tickets.ID{other.ID}},
				{bot.TicketFilter{Desk: "support"}, []tickets.ID{closed.ID, full.ID}},
				{bot.TicketFilter{Desk: "support", Open: true}, []tickets.ID{full.ID}},
				{bot.TicketFilter{Open: true, Unowned: true}, []tickets.ID{other.ID}},
				{bot.TicketFilter{Owner: 2, Open: true}, []tickets.ID{full.ID}},
				{bot.TicketFilter{Requester: camille.asker.ID}, []tickets.ID{other.ID, closed.ID}},
				{bot.TicketFilter{Desk: "nobody's"}, nil},
			} {
				list, err := tx.Tickets(tt.filter)
				var ids []tickets.ID
				for _, tk := range list {
					ids = append(ids, tk.ID)
				}
				if !slices.Equal(ids, tt.want) || err != nil {
					t.Errorf("%+v: %v, %v; want %v", tt.filter, ids, err, tt.want)
				}
			}
			return err
		})
		if err := s.update(t.Context(), func(tx *Tx) error { return tx.UpdateTicket(&tickets.Ticket{ID: 999}) }); !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("update of no ticket: %v", err)
		}
	})
}

func TestParticipants(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		sc, peer := newScene(t, s, "alice"), person(t, s, "camille")
		mustUpdate(t, s, func(tx *Tx) error {
			p := tickets.Participant{Ticket: sc.ticket.ID, Person: peer.ID, Part: tickets.CarbonCc, Link: 1}
			if err := tx.PutParticipant(p); err != nil {
				return err
			}
			p.Part, p.Link = tickets.Peer, 2
			return tx.PutParticipant(p)
		})
		mustView(t, s, func(tx *Tx) error {
			list, err := tx.Participants(sc.ticket.ID)
			if len(list) != 2 || list[1] != (tickets.Participant{Ticket: sc.ticket.ID, Person: peer.ID, Part: tickets.Peer, Link: 2}) {
				t.Errorf("%+v", list)
			}
			if p, ok, err := tx.Participant(sc.ticket.ID, peer.ID); !ok || p.Part != tickets.Peer || err != nil {
				t.Errorf("%+v, %v, %v", p, ok, err)
			}
			if _, ok, err := tx.Participant(sc.ticket.ID, 999); ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
			return err
		})
	})
}

func TestGrouping(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		sc, other := newScene(t, s, "alice"), newScene(t, s, "camille")
		const adapter, room = "tchat", "asso/entraide"
		check := func(name string, since tickets.Time, wantRecent tickets.ID, wantOpen ...tickets.ID) {
			t.Helper()
			mustView(t, s, func(tx *Tx) error {
				if got, err := tx.RecentOf("support", sc.asker.ID, adapter, room, since); got != wantRecent || err != nil {
					t.Errorf("%s: recent %d, %v; want %d", name, got, err, wantRecent)
				}
				got, err := tx.OpenOf("support", sc.asker.ID, adapter, room)
				if !slices.Equal(got, wantOpen) {
					t.Errorf("%s: open %v, want %v", name, got, wantOpen)
				}
				return err
			})
		}
		check("one message", 1000, sc.ticket.ID, sc.ticket.ID)
		check("too long ago", 1001, 0, sc.ticket.ID)
		mustView(t, s, func(tx *Tx) error {
			a, err := tx.RecentOf("ventes", sc.asker.ID, adapter, room, 0)
			b, err2 := tx.RecentOf("support", sc.asker.ID, adapter, "asso/autre", 0)
			c, err3 := tx.OpenOf("support", other.asker.ID, "irc", room)
			if a != 0 || b != 0 || c != nil {
				t.Errorf("another desk, room or network: %d, %d, %v", a, b, c)
			}
			return errors.Join(err, err2, err3)
		})
		second := sc.ticket
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.AddTicket(&second); err != nil {
				return err
			}
			l := sc.link
			l.Ticket = second.ID
			if err := tx.AddLink(&l); err != nil {
				return err
			}
			return tx.AddEntry(&tickets.Entry{Ticket: second.ID, Kind: tickets.Message, Audience: tickets.Everyone, Author: sc.asker.ID, At: 2000, Link: l.ID}, "")
		})
		check("two", 1000, second.ID, sc.ticket.ID, second.ID)
		second.State = tickets.Closed
		mustUpdate(t, s, func(tx *Tx) error { return tx.UpdateTicket(&second) })
		check("the newer closed", 1000, sc.ticket.ID, sc.ticket.ID)
	})
}

func TestEntries(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		sc := newScene(t, s, "alice")
		full := tickets.Entry{Ticket: sc.ticket.ID, Incident: 3, Kind: tickets.Reply, Audience: tickets.Participants, Author: 4, Name: "n",
			Body: "b 'é' 🎫", Folded: "f", Subject: "s", Revision: 2, Deleted: true, At: 5, Dated: 6, Source: sc.first.ID, Link: 8, Third: true, Raw: "h"}
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.AddEntry(&full, ""); err != nil {
				return err
			}
			revised := sc.first
			revised.Body, revised.Folded, revised.Revision, revised.Deleted = "Rebonjour", "cité", 2, true
			revised.Name, revised.At = "not stored", 77
			return tx.ReviseEntry(revised, "rebonjour", 50)
		})
		mustView(t, s, func(tx *Tx) error {
			got, err := tx.Entry(full.ID)
			if diff := cmp.Diff(full, got); diff != "" {
				t.Error(diff)
			}
			list, err2 := tx.Entries(sc.ticket.ID)
			if len(list) != 2 || list[0].Body != "Rebonjour" || list[0].Revision != 2 || !list[0].Deleted || list[0].Name != "alice" || list[0].At != 1000 {
				t.Errorf("%+v", list)
			}
			last, err3 := tx.LastEntries(sc.ticket.ID, 1)
			if len(last) != 1 || last[0].ID != full.ID {
				t.Errorf("last: %+v", last)
			}
			if last, err := tx.LastEntries(sc.ticket.ID, 10); len(last) != 2 || last[0].ID != sc.first.ID || err != nil {
				t.Errorf("last are not the oldest first: %+v, %v", last, err)
			}
			var old struct {
				Body     string
				Revision int
				At       int64
			}
			err4 := tx.get(&old, "SELECT body, revision, at FROM entry_revision WHERE entry_id = $1", sc.first.ID)
			if old.Body != "Bonjour" || old.Revision != 1 || old.At != 50 {
				t.Errorf("the body that stood before: %+v", old)
			}
			return errors.Join(err, err2, err3, err4)
		})
	})
}

func TestReplies(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		sc := newScene(t, s, "alice")
		row := func(source tickets.ID, state tickets.ReplyState, hold tickets.Time) tickets.ReplyRow {
			e := tickets.Entry{Ticket: sc.ticket.ID, Kind: tickets.Reply, Audience: tickets.Everyone, Source: source}
			mustUpdate(t, s, func(tx *Tx) error { return tx.AddEntry(&e, "") })
			r := tickets.ReplyRow{Entry: e.ID, Ticket: sc.ticket.ID, Source: source, State: state, By: 2, Approved: 3, Link: 4, Close: true,
				Asked: "x", HoldUntil: hold, Created: 6, Gesture: "g"}
			mustUpdate(t, s, func(tx *Tx) error { return tx.PutReply(r) })
			return r
		}
		late, sent, soon := row(sc.first.ID, tickets.Held, 200), row(sc.first.ID, tickets.Sent, 0), row(9, tickets.Held, 100)
		mustView(t, s, func(tx *Tx) error {
			got, err := tx.Reply(late.Entry)
			if got != late {
				t.Errorf("%+v, want %+v", got, late)
			}
			of, err2 := tx.RepliesOf(sc.first.ID)
			open, err3 := tx.OpenReplies(sc.ticket.ID)
			held, err4 := tx.HeldReplies()
			for _, l := range []struct {
				name      string
				got, want []tickets.ReplyRow
			}{{"of the source", of, []tickets.ReplyRow{late, sent}}, {"open", open, []tickets.ReplyRow{late, soon}}, {"held", held, []tickets.ReplyRow{soon, late}}} {
				if !slices.Equal(l.got, l.want) {
					t.Errorf("%s: %+v", l.name, l.got)
				}
			}
			if _, err := tx.Reply(999); !errors.Is(err, bot.ErrNotFound) {
				t.Errorf("no such reply: %v", err)
			}
			return errors.Join(err, err2, err3, err4)
		})
		late.State, late.Close, late.Asked = tickets.Undone, false, ""
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.PutReply(late); err != nil {
				return err
			}
			got, err := tx.Reply(late.Entry)
			if got != late {
				t.Errorf("%+v, want %+v", got, late)
			}
			return err
		})
	})
}

func TestLinks(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		full := tickets.Link{Ticket: 1, Incident: 2, Kind: tickets.DirectLink, Adapter: "tchat", Room: "r", Thread: "th", Audiences: tickets.Team | tickets.Everyone,
			Person: 3, Rootless: true, Root: 4, Gone: true, MessageID: "m@x", References: "a b", Created: 5}
		second := full
		second.Ticket, second.Thread = 2, ""
		mustUpdate(t, s, func(tx *Tx) error {
			if err := errors.Join(tx.AddLink(&full), tx.AddLink(&second)); err != nil {
				return err
			}
			full.Thread, full.Rootless, full.Root, full.References = "th2", false, 0, "a b c"
			return tx.UpdateLink(full)
		})
		var room tickets.Link
		mustUpdate(t, s, func(tx *Tx) (err error) {
			room, err = tx.RoomLink(chat.Place{Adapter: "tchat", Room: "r"}, 7)
			if err != nil {
				return err
			}
			again, err := tx.RoomLink(chat.Place{Adapter: "tchat", Room: "r"}, 8)
			if again != room || room.Kind != tickets.RoomLink || !room.Audiences.Has(tickets.Everyone) {
				t.Errorf("%+v, then %+v", room, again)
			}
			return err
		})
		mustView(t, s, func(tx *Tx) error {
			got, err := tx.Link(full.ID)
			if diff := cmp.Diff(full, got); diff != "" {
				t.Error(diff)
			}
			ids := func(list []tickets.Link, err error) string {
				var ids []tickets.ID
				for _, l := range list {
					ids = append(ids, l.ID)
				}
				return fmt.Sprint(ids, err)
			}
			want := func(ids ...tickets.ID) string { return fmt.Sprint(ids, error(nil)) }
			for name, pair := range map[string][2]string{
				"at the room":    {ids(tx.LinksAt(chat.Place{Adapter: "tchat", Room: "r"}, 10)), want(room.ID, second.ID)},
				"the newest":     {ids(tx.LinksAt(chat.Place{Adapter: "tchat", Room: "r"}, 1)), want(room.ID)},
				"at the thread":  {ids(tx.LinksAt(chat.Place{Adapter: "tchat", Room: "r", Thread: "th2"}, 10)), want(full.ID)},
				"of a ticket":    {ids(tx.TicketLinks(1)), want(full.ID)},
				"of an incident": {ids(tx.IncidentLinks(2)), want(full.ID, second.ID)},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s: %s, want %s", name, pair[0], pair[1])
				}
			}
			l, ok, err2 := tx.DirectLink("tchat", 3)
			if !ok || l.ID != second.ID {
				t.Errorf("direct: %+v, %v", l, ok)
			}
			if _, ok, err := tx.DirectLink("irc", 3); ok || err != nil {
				t.Errorf("direct elsewhere: %v, %v", ok, err)
			}
			return errors.Join(err, err2)
		})
	})
}

func TestCopies(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		c := tickets.Copy{Entry: 1, Link: 2, Adapter: "mail", Room: "r", Remote: "m1", Part: 3, Revision: 4, Original: true, MessageID: "id1@x", At: 5}
		mustUpdate(t, s, func(tx *Tx) error {
			same := c
			same.Entry = 99
			second := tickets.Copy{Entry: 1, Adapter: "mail", Room: "r2", Remote: "m1", MessageID: "id1@x"}
			third := tickets.Copy{Entry: 2, Adapter: "mail", Room: "r", Remote: "m3", MessageID: "id3@x"}
			bare := tickets.Copy{Entry: 2, Adapter: "mail", Room: "r", Remote: "m4"}
			return errors.Join(tx.AddCopy(c), tx.AddCopy(same), tx.AddCopy(second), tx.AddCopy(third), tx.AddCopy(bare))
		})
		mustView(t, s, func(tx *Tx) error {
			got, ok, err := tx.CopyAt("mail", "r", "m1")
			c.ID = got.ID
			if got != c || !ok {
				t.Errorf("%+v, %v", got, ok)
			}
			if _, ok, err := tx.CopyAt("mail", "r", "m2"); ok || err != nil {
				t.Errorf("no copy: %v, %v", ok, err)
			}
			list, err2 := tx.Copies(1)
			if len(list) != 2 || list[0] != c {
				t.Errorf("%+v", list)
			}
			found, err3 := tx.CopiesByMessageID("mail", []string{"nothing@x", "id3@x", "", "id1@x"})
			var remotes []string
			for _, f := range found {
				remotes = append(remotes, f.Room+" "+f.Remote)
			}
			if !slices.Equal(remotes, []string{"r m3", "r m1", "r2 m1"}) {
				t.Errorf("by Message-ID: %v", remotes)
			}
			if found, err := tx.CopiesByMessageID("mail", nil); found != nil || err != nil {
				t.Errorf("no IDs: %v, %v", found, err)
			}
			if found, err := tx.CopiesByMessageID("other", []string{"id1@x"}); found != nil || err != nil {
				t.Errorf("another adapter: %v, %v", found, err)
			}
			return errors.Join(err, err2, err3)
		})
	})
}
