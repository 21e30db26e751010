package sqlstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"permanence/tickets"
)

func TestSearch(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		alice, camille := newScene(t, s, "alice"), newScene(t, s, "camille")
		add := func(sc scene, words string) {
			mustUpdate(t, s, func(tx *Tx) error {
				return tx.AddEntry(&tickets.Entry{Ticket: sc.ticket.ID, Kind: tickets.Note, Audience: tickets.Team}, words)
			})
		}
		add(alice, "l'imprimante de la reunion est en panne")
		add(alice, "erreur 500 sur www.example.org (j'ai essaye 2 fois)")
		add(camille, "mon imprimante, a l'ecole")
		add(camille, "")
		add(camille, "or and not near 'quote\" * : & | ! ( )")
		for _, tt := range []struct {
			words string
			want  []tickets.ID
		}{
			{"imprimante", []tickets.ID{camille.ticket.ID, alice.ticket.ID}},
			{"impri", []tickets.ID{camille.ticket.ID, alice.ticket.ID}},
			{"rimante", nil},
			{"reunion imprimante", []tickets.ID{alice.ticket.ID}},
			{"reunion 500", []tickets.ID{alice.ticket.ID}}, // in two entries
			{"reunion ecole", nil},
			{"example.org", []tickets.ID{alice.ticket.ID}},
			{"l'ecole", []tickets.ID{camille.ticket.ID}},
			{"or", []tickets.ID{camille.ticket.ID, alice.ticket.ID}}, // org
			{"not near", []tickets.ID{camille.ticket.ID}},
			{`"*':&|!()`, nil},
			{"", nil},
		} {
			mustView(t, s, func(tx *Tx) error {
				list, err := tx.SearchTickets("support", strings.Fields(tt.words), 10)
				var got []tickets.ID
				for _, tk := range list {
					got = append(got, tk.ID)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("%q: %v, want %v", tt.words, got, tt.want)
				}
				return err
			})
		}
		mustView(t, s, func(tx *Tx) error {
			one, err := tx.SearchTickets("", []string{"imprimante"}, 1)
			if len(one) != 1 || one[0].ID != camille.ticket.ID {
				t.Errorf("the newest of all desks: %+v", one)
			}
			other, err2 := tx.SearchTickets("ventes", []string{"imprimante"}, 1)
			if len(other) != 0 || err2 != nil {
				t.Errorf("another desk: %+v, %v", other, err2)
			}
			many, err3 := tx.SearchTickets("", strings.Fields("imprimante reunion de la est en panne l erreur 500"), 5)
			if len(many) != 1 || err3 != nil {
				t.Errorf("many words: %+v, %v", many, err3)
			}
			return err
		})
	})
}

// TestHugeTextIsIndexedAsFarAsItGoes: PostgreSQL refuses more than 1 MiB.
func TestHugeTextIsIndexedAsFarAsItGoes(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		sc := newScene(t, s, "alice")
		var b strings.Builder
		for i := range 300_000 {
			fmt.Fprintf(&b, "mot%d ", i)
		}
		b.WriteString(strings.Repeat("é", 5000))
		mustUpdate(t, s, func(tx *Tx) error {
			return tx.AddEntry(&tickets.Entry{Ticket: sc.ticket.ID, Kind: tickets.Note, Audience: tickets.Team}, b.String())
		})
		mustView(t, s, func(tx *Tx) error {
			list, err := tx.SearchTickets("", []string{"mot77"}, 5)
			if len(list) != 1 {
				t.Errorf("%+v", list)
			}
			return err
		})
	})
}

// FuzzSearch gives the search whatever people type.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{"imprimante", `"`, "a\"b*", "NEAR(a b)", "l’école", "\x00", "\xff", "é\u0301", "٣", "-x", "(", "ꙮ"} {
		f.Add(seed)
	}
	s := openURL(f, newURL(f, sqlite), Options{})
	sc := newScene(f, s, "alice")
	f.Fuzz(func(t *testing.T, text string) {
		words := wordsOf(text)
		for _, w := range words {
			if strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) }) {
				t.Errorf("%q gives the word %q", text, w)
			}
		}
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.ReviseEntry(sc.first, text, 1); err != nil {
				return err
			}
			_, err := tx.SearchTickets("", []string{text}, 1)
			return err
		})
	})
}
