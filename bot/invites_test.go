package bot_test

import (
	"testing"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
)

// TestADirectMessageGoesToTheDeskThatInvites: of several desks the one whose
// list an account is in greets it, in its language, and takes its questions;
// everybody else goes to the first.
func TestADirectMessageGoesToTheDeskThatInvites(t *testing.T) {
	var l listening
	w := newWorld(t, overhear(&l), func(w *world) {
		w.opt.Desks = append(w.opt.Desks, bot.Desk{Name: "abroad", Title: "Abroad", Language: "en",
			Rooms:   []chat.Place{{Adapter: "tchat", Room: "equipe2"}},
			Invites: []bot.AccountRef{{Adapter: "tchat", Handle: "bas*"}}})
	})
	for _, tt := range []struct{ who, greeting, team string }{
		{"basile", "Hello! Write your question here", "equipe2"},
		{"alice", "Bonjour ! Écrivez ici votre question", "equipe"},
	} {
		room, err := w.rich.OpenDirect(tt.who, "permanence")
		must(t, err)
		must(t, l.of("tchat").Handle(t.Context(), []chat.Event{&chat.Joined{Meta: chat.Meta{Room: room, ID: "joined " + tt.who, Direct: true,
			From: chat.Account{ID: tt.who, Handle: tt.who, Proved: true}}}}, chat.Cursor{}))
		w.find(room, "the greeting", fromBot(tt.greeting))
		_, err = w.rich.Post(t.Context(), tt.who, playground.Draft{Room: room, Text: "une question de " + tt.who})
		must(t, err)
		w.find(tt.team, "the card", fromBot("une question de "+tt.who))
	}
}
