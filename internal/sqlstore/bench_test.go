package sqlstore

import (
	"fmt"
	"strings"
	"testing"

	"permanence/bot"
	"permanence/bot/outbox"
	"permanence/internal/testservers"
	"permanence/tickets"
)

// BenchmarkRoad commits what one message makes (an event stored; then an entry,
// a copy, a delivery, the ticket, the event decided), and beside it, as the
// floor, the same number of commits of one small row each.
func BenchmarkRoad(b *testing.B) {
	for _, d := range []dialect{sqlite, postgres} {
		b.Run(d.String(), func(b *testing.B) {
			url := ""
			if d == sqlite {
				url = newURL(b, d)
			} else {
				url = testservers.PostgresDurable(b)
			}
			s := openURL(b, url, Options{})
			sc := newScene(b, s, "alice")
			body := strings.Repeat("Bonjour, ma messagerie ne répond plus. ", 25) // 1 KB
			n := 0
			b.Run("message", func(b *testing.B) {
				for b.Loop() {
					n++
					rows := []bot.InboxRow{{Adapter: "tchat", Room: "r", EventID: fmt.Sprint(n), Kind: "posted", Body: body}}
					mustUpdate(b, s, func(tx *Tx) error { return tx.StoreEvents(rows) })
					mustUpdate(b, s, func(tx *Tx) error {
						e := tickets.Entry{Ticket: sc.ticket.ID, Kind: tickets.Message, Audience: tickets.Everyone, Author: sc.asker.ID, Body: body, Link: sc.link.ID}
						if err := tx.AddEntry(&e, body); err != nil {
							return err
						}
						if err := tx.AddCopy(tickets.Copy{Entry: e.ID, Link: sc.link.ID, Adapter: "tchat", Room: "r", Remote: rows[0].EventID, Original: true}); err != nil {
							return err
						}
						dl := outbox.Delivery{Link: sc.link.ID, Adapter: "tchat", Entry: e.ID, Ticket: sc.ticket.ID, Op: outbox.Say, Key: fmt.Sprint("k", n), Body: body, State: outbox.Ready}
						if err := tx.AddDelivery(&dl); err != nil {
							return err
						}
						if err := tx.UpdateTicket(&sc.ticket); err != nil {
							return err
						}
						return tx.MarkDecided([]tickets.ID{rows[0].ID}, nil)
					})
				}
			})
			b.Run("floor", func(b *testing.B) {
				for b.Loop() {
					for range 2 {
						mustUpdate(b, s, func(tx *Tx) error { return tx.SetTimer(bot.Timer{Name: "t"}) })
					}
				}
			})
		})
	}
}
