package bot_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
)

// without is a network whose channel has lost somebody: what is said to them
// there fails as it does on IRC.
type without struct {
	chat.Adapter
	room string
	gone *atomic.Bool
}

func (a without) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if say, ok := op.(chat.Say); ok && a.gone.Load() && say.Place.Room == a.room {
		return chat.Receipt{}, &chat.Error{Kind: chat.Absent, Reason: chat.Text{FR: "Alice n’est plus là", EN: "Alice is not there"}}
	}
	return a.Adapter.Do(ctx, op, try)
}

// TestAnAskerWhoHasLeftIsToldOnceBack: the team sees it, the answer waits over
// a restart, and is said once when the same account returns.
func TestAnAskerWhoHasLeftIsToldOnceBack(t *testing.T) { both(t, absentAsker) }

func absentAsker(t *testing.T, on setup) {
	var gone atomic.Bool
	w := newWorld(t, on, func(w *world) {
		w.opt.Desks[0].Intakes = append(w.opt.Desks[0].Intakes, bot.Intake{Place: chat.Place{Adapter: "irc", Room: "asso"}, Opens: bot.OnMessage})
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "irc" {
				return without{a, "asso", &gone}
			}
			return a
		}
	})
	w.postPoor("alice", "asso", "une question avant de partir")
	card := w.card("avant de partir")
	must(t, w.poor.Leave("alice", "asso", "à demain"))
	gone.Store(true)
	note := w.post("camille", "equipe", card.ID, "La réponse qui attend")
	w.react("camille", note.ID, "✉️")
	w.inThread(card, "Alice n’est plus là")
	w.stop()
	gone.Store(false)
	w.start()
	if n := w.count(w.poor, "asso", has("La réponse qui attend")); n != 0 {
		t.Fatal("said to an empty room")
	}
	must(t, w.poor.Join("basile", "asso"))
	must(t, w.poor.Join("alice", "asso"))
	m := w.findOn(w.poor, "asso", "said when she is back", has("La réponse qui attend"))
	if !strings.HasPrefix(m.Text, "Alice: ") {
		t.Errorf("not addressed: %q", m.Text)
	}
	w.await("📬", func() bool { return w.marked("equipe", note.ID, "📬") })
	if n := w.count(w.poor, "asso", func(m playground.Message) bool { return has("La réponse qui attend")(m) }); n != 1 {
		t.Errorf("said %d times", n)
	}
}
