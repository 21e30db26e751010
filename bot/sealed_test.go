package bot_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/tickets"
)

// sealing is a network some of whose messages are encrypted with keys that
// have not come: those whose text begins with a padlock.
type sealing struct {
	chat.Adapter
	kept *sealed
}

type sealed struct {
	mu      sync.Mutex
	handler chat.Handler
	posted  map[string]chat.Posted // by remote ID
}

const padlock = "🔒"

func (s sealing) Run(ctx context.Context, h chat.Handler) error {
	s.kept.mu.Lock()
	s.kept.handler = h
	s.kept.mu.Unlock()
	return s.Adapter.Run(ctx, sealer{h, s.kept})
}

type sealer struct {
	chat.Handler
	kept *sealed
}

func (s sealer) Handle(ctx context.Context, events []chat.Event, cursor chat.Cursor) error {
	for i, ev := range events {
		p, ok := ev.(*chat.Posted)
		if !ok || p.From.Self || !strings.HasPrefix(p.Text, padlock) {
			continue
		}
		s.kept.mu.Lock()
		whole := *p
		whole.Text = strings.TrimPrefix(p.Text, padlock)
		s.kept.posted[p.ID] = whole
		s.kept.mu.Unlock()
		events[i] = &chat.Posted{Meta: p.Meta, Unreadable: true}
	}
	return s.Handler.Handle(ctx, events, cursor)
}

// reveal has the keys of a message come, as if it had been written some time
// ago.
func (k *sealed) reveal(t *testing.T, id string, ago time.Duration) {
	t.Helper()
	k.mu.Lock()
	p, h := k.posted[id], k.handler
	k.mu.Unlock()
	p.Revealed, p.Revision, p.At = true, "revealed", time.Now().Add(-ago)
	must(t, h.Handle(t.Context(), []chat.Event{&p}, chat.Cursor{}))
}

func withSeals(k *sealed) setup {
	k.posted = map[string]chat.Posted{}
	return func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "tchat" {
				return sealing{a, k}
			}
			return a
		}
	}
}

const unread = "ne peut pas encore être lu"

// TestAMessageThatCannotBeReadYet: the team sees that there is one, and reads
// it in its place when the keys come.
func TestAMessageThatCannotBeReadYet(t *testing.T) {
	both(t, func(t *testing.T, db setup) {
		var k sealed
		w := newWorld(t, db, twoRooms, withSeals(&k))
		file, err := w.rich.AddFile("alice", "capture.png", "image/png", []byte("pixels"))
		must(t, err)
		asked, err := w.rich.Post(t.Context(), "alice", playground.Draft{Room: "entraide", Text: padlock + "Mon site est en panne", Files: []playground.File{file}})
		must(t, err)
		card := w.card(unread)
		if !contains(card.Text, "Message chiffré, pas encore lisible") {
			t.Errorf("the card's subject: %q", card.Text)
		}
		second := w.post("alice", "entraide", asked.ID, padlock+"et mes mails aussi")
		w.find("equipe", "the second", func(m playground.Message) bool { return m.Thread == card.ID && contains(m.Text, unread) })
		after := w.post("alice", "entraide", asked.ID, "une ligne claire")
		w.find("equipe", "the line behind it", has("une ligne claire"))

		k.reveal(t, second.ID, 0)
		line := w.find("equipe", "the second, readable", has("et mes mails aussi"))
		k.reveal(t, asked.ID, time.Hour)
		w.find("equipe", "the card, readable", func(m playground.Message) bool {
			return m.ID == card.ID && contains(m.Text, "**Mon site est en panne**") && contains(m.Text, "capture.png") && !contains(m.Text, unread)
		})
		w.findOn(w.poor, "salle", "the line, where nothing is edited", has("et mes mails aussi"))
		for _, m := range []playground.Message{card, line} {
			if now, _ := w.rich.Message(m.ID); contains(now.Text, "modifié") {
				t.Errorf("shown as edited: %q", now.Text)
			}
		}
		var es []tickets.Entry
		must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { es, err = tx.Entries(1); return err }))
		var order []string
		for _, e := range es {
			if e.Kind == tickets.Message {
				order = append(order, e.Body)
			}
		}
		if got := strings.Join(order, "|"); got != "Mon site est en panne|et mes mails aussi|une ligne claire" {
			t.Errorf("order %q", got)
		}
		must(t, w.rich.Edit("alice", "entraide", after.ID, playground.Draft{Text: "une ligne corrigée"}))
		w.find("equipe", "a real edit", func(m playground.Message) bool {
			return contains(m.Text, "une ligne corrigée") && contains(m.Text, "(modifié)")
		})
	})
}

// TestANoteThatCannotBeReadYet: nothing empty leaves, and a command in it is
// obeyed while it is fresh.
func TestANoteThatCannotBeReadYet(t *testing.T) {
	var k sealed
	w := newWorld(t, twoRooms, withSeals(&k))
	card := w.ticketByMail("Bonjour")
	draft := w.post("camille", "equipe", card.ID, padlock+"C’est réparé.")
	w.findOn(w.poor, "salle", "the sealed note", has(unread))
	must(t, w.rich.React("camille", "equipe", draft.ID, "✉️", true))
	w.find("equipe", "the refusal", has("Rien n’est parti : ce message chiffré"))
	k.reveal(t, draft.ID, time.Hour)
	w.findOn(w.poor, "salle", "the note", has("C’est réparé."))
	must(t, w.rich.React("camille", "equipe", draft.ID, "✉️", false))
	must(t, w.rich.React("camille", "equipe", draft.ID, "✉️", true))
	w.mail("the answer", func(m playground.Mail) bool { return contains(m.Text, "C’est réparé.") })

	stale := w.post("camille", "equipe", card.ID, padlock+"!fermer")
	fresh := w.post("camille", "equipe", card.ID, padlock+"!r Deuxième réponse")
	w.await("both are there", func() bool { return w.count(w.poor, "salle", has(unread)) == 3 })
	k.reveal(t, stale.ID, 11*time.Minute)
	w.find("equipe", "the late command", has("Arrivée trop tard"))
	k.reveal(t, fresh.ID, 9*time.Minute)
	w.mail("the second answer", func(m playground.Mail) bool { return contains(m.Text, "Deuxième réponse") })
	w.await("its mark", func() bool { return w.marked("equipe", fresh.ID, "📬") })
	must(t, w.store.View(t.Context(), func(tx bot.Tx) error {
		tk, err := tx.Ticket(1)
		if err == nil && tk.State == tickets.Closed {
			t.Error("a command an hour old was run")
		}
		es, err := tx.Entries(1)
		notes := 0
		for _, e := range es {
			if e.Kind == tickets.Note && e.Body == "Deuxième réponse" {
				notes++
			}
		}
		if notes != 1 {
			t.Errorf("%d notes of one answer", notes)
		}
		return err
	}))
}

// TestASealedMessageEditedAndDeleted: the last word counts, not the keys that
// come behind it.
func TestASealedMessageEditedAndDeleted(t *testing.T) {
	var k sealed
	w := newWorld(t, withSeals(&k))
	asked := w.post("alice", "entraide", "", padlock+"Mon mot de passe est tralala")
	w.card(unread)
	must(t, w.rich.Edit("alice", "entraide", asked.ID, playground.Draft{Text: "Mon mot de passe ne va plus"}))
	w.card("ne va plus")
	k.reveal(t, asked.ID, 0)
	gone := w.post("alice", "entraide", asked.ID, padlock+"tralala encore")
	w.find("equipe", "the sealed line", func(m playground.Message) bool { return !m.Card && contains(m.Text, unread) })
	must(t, w.rich.Delete("alice", "entraide", gone.ID))
	w.find("equipe", "deleted", has("(message effacé)"))
	k.reveal(t, gone.ID, 0)
	w.post("alice", "entraide", asked.ID, "la fin")
	w.find("equipe", "the end", has("la fin"))
	for _, m := range w.rich.Messages("equipe") {
		if contains(m.Text, "tralala") {
			t.Errorf("stands in the team's room: %q", m.Text)
		}
	}
}
