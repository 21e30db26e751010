package bot_test

import (
	"fmt"
	"testing"

	"permanence/bot"
	"permanence/bot/chat"
)

// TestStrangeEventsWaitForAPerson: what cannot be what it says stands in the
// list with its reason, the next is processed, and a sender who makes many
// fills no list with them.
func TestStrangeEventsWaitForAPerson(t *testing.T) {
	var l listening
	w := newWorld(t, overhear(&l))
	var events []chat.Event
	for i := range 40 {
		events = append(events, &chat.Strange{Meta: chat.Meta{Room: "entraide", ID: fmt.Sprintf("strange-%d", i), From: chat.Account{ID: "basile"}},
			Reason: chat.Text{FR: "une correction forgée", EN: "a forged correction"}})
	}
	must(t, l.of("tchat").Handle(t.Context(), events, chat.Cursor{}))
	w.post("alice", "entraide", "", "et la vie continue")
	w.card("et la vie continue")
	var aside []bot.InboxRow
	must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { aside, err = tx.AsideEvents(50); return err }))
	if n := len(aside); n == 0 || n > 15 || aside[0].Reason != "une correction forgée" {
		t.Fatalf("%d wait: %+v", n, aside)
	}
}
