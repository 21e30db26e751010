package bot_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/outbox"
)

func andAsso(w *world) {
	w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "irc", Room: "asso"})
}

// A room of which nobody knows whether it read the start is told the news and
// the end all the same, is listed as unsure, and counts as told when it was.
func TestUnknownHeadlineHearsTheEnd(t *testing.T) { both(t, unknownHeadlineHearsTheEnd) }

func unknownHeadlineHearsTheEnd(t *testing.T, on setup) {
	w := newWorld(t, on, andAsso)
	refuse := func(kind chat.Kind) {
		w.poor.Refuse("asso", &chat.Error{Kind: kind, Err: errors.New("test"), Reason: chat.Text{FR: "pas de réponse du réseau", EN: "no answer"}})
	}
	refuse(chat.Temporary)
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.await("a first attempt", func() bool {
		var ds []outbox.Delivery
		must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { ds, err = tx.IncidentDeliveries(1); return err }))
		return slices.ContainsFunc(ds, func(d outbox.Delivery) bool { return d.Adapter == "irc" && d.Reason != "" })
	})
	w.command("!incident où 1", "irc:asso · ⏳ 0 message · pas de réponse du réseau")
	refuse(chat.Gone)
	w.find("equipe", "unsure", fromBot("on ne sait pas si irc:asso a reçu l’annonce (pas de réponse du réseau)"))
	w.poor.Refuse("asso", nil)
	w.command("!incident maj identifié : un disque", "Incident 1")
	w.findOn(w.poor, "asso", "the news", has("un disque"))
	w.command("!incident où 1", "⚠️ 1 message · on ne sait pas si le début y a été lu")
	w.command("!incident fin 1 c'est réparé", "Incident 1")
	w.findOn(w.poor, "asso", "the end", has("c'est réparé"))
	w.find("equipe", "everywhere", fromBot("dite partout (2 salons)"))
}

// A room that certainly never heard the start is owed no end.
func TestRefusedHeadlineIsOwedNothing(t *testing.T) {
	w := newWorld(t, andAsso)
	must(t, w.poor.RoomGone("asso"))
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.find("equipe", "told that it failed", fromBot("irc:asso n’a pas été prévenu"))
	must(t, w.poor.RoomBack("asso"))
	w.command("!incident fin 1 c'est réparé", "Incident 1")
	w.find("equipe", "not everywhere", fromBot("dite dans 1 salon(s) sur 2. Pas prévenu(s) : irc:asso. `!incident relancer 1`"))
	if n := len(w.poor.Messages("asso")); n != 0 {
		t.Errorf("%d lines without a start", n)
	}
}

// A room that is gone when the end comes is named at once, and told by a retry.
func TestEndThatFails(t *testing.T) { both(t, endThatFails) }

func endThatFails(t *testing.T, on setup) {
	w := newWorld(t, on, andAsso)
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.findOn(w.poor, "asso", "start", has("[Incident 1]"))
	must(t, w.poor.RoomGone("asso"))
	w.command("!incident fin 1 c'est réparé", "Incident 1")
	w.find("equipe", "not everywhere", fromBot("Pas prévenu(s) : irc:asso"))
	if n := w.count(w.rich, "equipe", fromBot("dite partout")); n != 0 {
		t.Error("said to be told everywhere")
	}
	failed := w.find("equipe", "the way to retry", hasButton("incident.retry"))
	must(t, w.poor.RoomBack("asso"))
	w.stop()
	w.start()
	w.press("camille", "equipe", failed.ID, "incident.retry", "1")
	w.findOn(w.poor, "asso", "the end", has("c'est réparé"))
	w.find("equipe", "everywhere now", fromBot("dite partout (2 salons)"))
	if n := w.count(w.poor, "asso", has("c'est réparé")); n != 1 {
		t.Errorf("ended %d times", n)
	}
}

// liar takes a text, says that it did, and learns later that it was refused, as
// on IRC where a channel turns out to be moderated.
type liar struct {
	chat.Adapter
	once    *atomic.Bool
	handler *atomic.Pointer[chat.Handler]
}

func (l liar) Run(ctx context.Context, h chat.Handler) error {
	l.handler.Store(&h)
	return l.Adapter.Run(ctx, h)
}

func (l liar) Do(ctx context.Context, op chat.Op, try chat.Try) (chat.Receipt, error) {
	if _, ok := op.(chat.Say); !ok || !l.once.CompareAndSwap(true, false) {
		return l.Adapter.Do(ctx, op, try)
	}
	h := *l.handler.Load()
	refused := &chat.Outcome{Meta: chat.Meta{Room: "asso", ID: "refused"}, Key: try.Key, State: chat.Failed,
		Reason: chat.Text{FR: "le salon est modéré", EN: "the channel is moderated"}}
	time.AfterFunc(100*time.Millisecond, func() { _ = h.Handle(context.WithoutCancel(ctx), []chat.Event{refused}, chat.Cursor{}) })
	return chat.Receipt{Parts: []chat.Part{{ID: "never"}}}, nil
}

// What was accepted and refused after all is told to the team, even after it
// was said to be told everywhere, and can be said again.
func TestEndRefusedLate(t *testing.T) { both(t, endRefusedLate) }

func endRefusedLate(t *testing.T, on setup) {
	var once atomic.Bool
	var handler atomic.Pointer[chat.Handler]
	w := newWorld(t, on, andAsso, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name == "irc" {
				return liar{a, &once, &handler}
			}
			return a
		}
	})
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.findOn(w.poor, "asso", "start", has("[Incident 1]"))
	once.Store(true)
	w.command("!incident fin 1 c'est réparé", "Incident 1")
	w.find("equipe", "refused", fromBot("irc:asso n’a pas été prévenu : le salon est modéré"))
	w.find("equipe", "not everywhere", fromBot("Pas prévenu(s) : irc:asso"))
	said := w.count(w.rich, "equipe", fromBot("dite partout"))
	w.command("!incident relancer 1", "1 message repart")
	w.findOn(w.poor, "asso", "the end", has("c'est réparé"))
	w.await("everywhere now", func() bool { return w.count(w.rich, "equipe", fromBot("dite partout (2 salons)")) == said+1 })
}

// Any word can be corrected, not the last alone: edited in place, or told as an
// erratum that says of when.
func TestCorrectAnyWord(t *testing.T) { both(t, correctAnyWord) }

func correctAnyWord(t *testing.T, on setup) {
	var c clock
	w := newWorld(t, on, status(t, &c))
	w.command("!incident début messagerie lante", "Incident 1 annoncé")
	head := w.find("etat", "start", fromBot("lante"))
	w.reach(&c, 0, "15h40")
	w.command("!incident maj identifié : un dique", "Incident 1")
	second := w.find("etat", "second", inThread(head.ID, "un dique"))
	w.reach(&c, 0, "15h50")
	w.command("!incident maj le disque arrive", "Incident 1")
	third := w.find("etat", "third", inThread(head.ID, "le disque arrive"))
	w.command("!incident où 1", "1.2 · 15h40 CET · un dique")
	w.command("!incident corriger 1.2 un disque", "Numéro 1.2 corrigé : la page, message modifié dans 1 salon, rectificatif dit dans 1 salon")
	w.find("etat", "edited", func(m playground.Message) bool { return m.ID == second.ID && contains(m.Text, "un disque") })
	w.findOn(w.poor, "asso", "erratum", has("[Incident 1] Rectificatif (15h40 CET) : un disque"))
	w.headline(head.ID, "le disque arrive")
	w.command("!incident corriger 1.1 messagerie lente", "Numéro 1.1 corrigé")
	w.headline(head.ID, "Messagerie : lente** · cause identifiée")
	w.headline(head.ID, "le disque arrive")
	w.findOn(w.poor, "asso", "erratum", has("[Incident 1] Rectificatif (15h30 CET) : lente"))
	w.command("!incident corriger 1.2 EN: a disk", "la traduction (en) est sur la page")
	w.command("!incident corriger 1.4 quoi", "a 3 message(s), le dernier est 1.3")
	w.command("!incident corriger 7.1 quoi", "L’incident 7 n’existe pas")
	w.command("!incident corriger 1.2", "il manque le texte")
	w.command("!incident corriger 1.2 un disque", "le texte est le même")
	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if one.Title != "Messagerie : lente" || one.Updates[1].Body != "un disque" || one.Updates[1].Edited == 0 || one.Updates[2].Edited != 0 ||
		len(one.Updates[1].Texts) != 1 || one.Updates[1].Texts[0].Body != "a disk" {
		t.Errorf("public: %+v", one)
	}
	if m, _ := w.rich.Message(third.ID); !contains(m.Text, "le disque arrive") {
		t.Errorf("the last word reads %q", m.Text)
	}
	if n := w.count(w.poor, "asso", has("Rectificatif")); n != 2 {
		t.Errorf("%d errata, want two", n)
	}
	// The end can be corrected when a post-mortem stands behind it.
	w.command("!incident fin 1 tou va bien", "Incident 1")
	w.command("!incident bilan 1 un vieux disque", "Bilan")
	w.command("!incident corriger 1.4 tout va bien", "Numéro 1.4 corrigé")
	w.find("etat", "the end corrected", func(m playground.Message) bool {
		return m.Thread == head.ID && contains(m.Text, "tout va bien") && contains(m.Text, "4 messages")
	})
	if slices.ContainsFunc(w.rich.Messages("etat"), fromBot("tou va bien")) {
		t.Error("the slip still stands")
	}
}
