package bot_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot/chat"
)

// mute says what it is asked to and does not tell: its answer is an error, and
// the truth comes later as an Outcome, as on IRC where a server is slow.
type mute struct {
	chat.Adapter
	room    string
	once    *atomic.Bool
	handler *atomic.Pointer[chat.Handler]
}

func (m mute) Run(ctx context.Context, h chat.Handler) error {
	m.handler.Store(&h)
	return m.Adapter.Run(ctx, h)
}

func (m mute) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	r, err := m.Adapter.Do(ctx, op, try)
	say, ok := op.(chat.Say)
	if err != nil || !ok || say.Place.Room != m.room || !m.once.CompareAndSwap(true, false) {
		return r, err
	}
	h := *m.handler.Load()
	late := &chat.Outcome{Meta: chat.Meta{Room: m.room, ID: "late"}, Key: try.Key, RemoteID: r.Parts[0].ID, State: chat.Delivered}
	// The attempt is noted before the truth is.
	time.AfterFunc(100*time.Millisecond, func() { _ = h.Handle(context.WithoutCancel(ctx), []chat.Event{late}, chat.Cursor{}) })
	return chat.Receipt{}, &chat.Error{Kind: chat.Temporary, Reason: chat.Text{FR: "pas de réponse", EN: "no answer"}}
}

// TestALateEchoIsNoSecondAttempt: what was said although it seemed to fail is
// not said again.
func TestALateEchoIsNoSecondAttempt(t *testing.T) {
	var once atomic.Bool
	var handler atomic.Pointer[chat.Handler]
	w := newWorld(t, twoRooms, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "irc" {
				return mute{a, "salle", &once, &handler}
			}
			return a
		}
	})
	card := w.ticketByMail("un écho tardif")
	w.findOn(w.poor, "salle", "card line", has("#1"))
	once.Store(true)
	w.post("camille", "equipe", card.ID, "dite une fois")
	w.findOn(w.poor, "salle", "the line", has("dite une fois"))
	w.post("camille", "equipe", card.ID, "et la suite") // leaves when the first is done with
	w.findOn(w.poor, "salle", "what follows", has("et la suite"))
	if n := w.count(w.poor, "salle", has("dite une fois")); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// TestThePastPingsNobody: an answer that comes from history, said hours ago,
// is shown without calling the owner.
func TestThePastPingsNobody(t *testing.T) {
	var once atomic.Bool
	var handler atomic.Pointer[chat.Handler]
	w := newWorld(t, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "tchat" {
				return mute{a, "", &once, &handler}
			}
			return a
		}
	})
	m := w.post("alice", "entraide", "", "une question suivie")
	card := w.card("une question suivie")
	w.post("camille", "equipe", card.ID, "!prendre")
	w.await("claimed", func() bool { c, _ := w.rich.Message(card.ID); return contains(c.Text, "Camille") })
	said := func(id, text string, ago time.Duration) {
		p := &chat.Posted{Meta: chat.Meta{Room: "entraide", Thread: m.ID, ID: id, At: time.Now().Add(-ago), Backlog: true,
			From: chat.Account{ID: "alice", Name: "Alice", Handle: "alice", Proved: true}}, Text: text}
		must(t, (*handler.Load()).Handle(t.Context(), []chat.Event{p}, chat.Cursor{}))
	}
	said("old", "dite hier", 20*time.Hour)
	said("new", "dite à l'instant", time.Second)
	mentions := func(s string) int {
		found := w.find("equipe", s, func(m playground.Message) bool { return m.Thread == card.ID && contains(m.Text, s) })
		return len(found.Mentions)
	}
	if n := mentions("dite hier"); n != 0 {
		t.Errorf("the past pings %d people", n)
	}
	if n := mentions("dite à l'instant"); n != 1 {
		t.Errorf("what was said a moment ago pings %d people", n)
	}
}

// slow says at once and answers later, so that people can be faster; and it
// hears no echo of itself.
type slow struct{ chat.Adapter }

func (s slow) Run(ctx context.Context, h chat.Handler) error { return s.Adapter.Run(ctx, deaf{h}) }

// deaf leaves out what we said ourselves.
type deaf struct{ chat.Handler }

func (d deaf) Handle(ctx context.Context, events []chat.Event, c chat.Cursor) error {
	return d.Handler.Handle(ctx, slices.DeleteFunc(events, func(e chat.Event) bool { return e.Head().From.Self }), c)
}

func (s slow) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	r, err := s.Adapter.Do(ctx, op, try)
	if _, ok := op.(chat.Say); ok {
		<-time.After(150 * time.Millisecond)
	}
	return r, err
}

// TestAnAnswerFasterThanOurReceipt: somebody answers below a card, and reacts
// on it, before we know that it is said. Both count.
func TestAnAnswerFasterThanOurReceipt(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "tchat" {
				return slow{a}
			}
			return a
		}
	})
	card := w.ticketByMail("plus vite que nous")
	note := w.post("camille", "equipe", card.ID, "Réponse éclair.")
	w.react("camille", card.ID, "✋")
	w.react("camille", note.ID, "✉️")
	w.mail("the answer", func(m playground.Mail) bool { return contains(m.Text, "Réponse éclair.") })
	w.await("claimed", func() bool { c, _ := w.rich.Message(card.ID); return contains(c.Text, "pris par Camille") })
}
