package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot/chat"
	"permanence/statuspage"
)

// clock is a clock that a test puts forward.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.ms.Load()) }

// status gives a world a second status room, on the poor network, and a clock
// that shows a Wednesday afternoon in Paris.
func status(t *testing.T, c *clock) setup {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	must(t, err)
	c.ms.Store(time.Date(2026, 11, 18, 15, 30, 0, 0, paris).UnixMilli())
	return func(w *world) {
		w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "irc", Room: "asso"})
		w.opt.Location, w.opt.Now = paris, c.now
	}
}

// reach puts the clock forward to a time of the day in Paris, days from the
// first one, and wakes the bot as any line does.
func (w *world) reach(c *clock, day int, at string) {
	w.t.Helper()
	v, err := time.ParseInLocation("15h04", at, w.opt.Location)
	must(w.t, err)
	c.ms.Store(time.Date(2026, 11, 18+day, v.Hour(), v.Minute(), 0, 0, w.opt.Location).UnixMilli())
	w.post("dominique", "equipe", "", "il est "+at)
}

func (w *world) pinned(id string) bool {
	r, _ := w.rich.Room("etat")
	return slices.Contains(r.Pins, id)
}

func (w *world) topic() string {
	r, _ := w.poor.Room("asso")
	return r.Topic
}

// headline waits until the message that opens an incident reads so.
func (w *world) headline(id, s string) {
	w.t.Helper()
	w.find("etat", "headline: "+s, func(m playground.Message) bool { return m.ID == id && contains(m.Text, s) })
}

func inThread(id, s string) func(playground.Message) bool {
	return func(m playground.Message) bool { return m.Thread == id && contains(m.Text, s) }
}

// Planned work from its plan to its end: shown in full before anything is
// public, announced, recalled on the eve, begun by itself (the program was
// restarted in between), asked about when its end has passed.
func TestPlannedWork(t *testing.T) { both(t, plannedWork) }

func plannedWork(t *testing.T, on setup) {
	var c clock
	w := newWorld(t, on, status(t, &c))
	must(t, w.poor.SetTopic("camille", "asso", "Bienvenue | règles"))

	w.post("camille", "equipe", "", "!travaux prévoir vendredi 22h pendant 2h messagerie : changement de disque")
	shown := w.find("equipe", "preview", fromBot("Rien n’est encore publié"))
	if !contains(shown.Text, "du vendredi 20 novembre 2026, 22h00 CET, au samedi 21 novembre 2026, 00h00 CET (Europe/Paris)") || len(shown.Buttons) != 2 {
		t.Errorf("preview: %s %+v", shown.Text, shown.Buttons)
	}
	if len(w.rich.Messages("etat")) != 0 {
		t.Error("it was published before it was confirmed")
	}
	w.post("dominique", "equipe", "", "!travaux publier")
	w.find("equipe", "another one's draft", fromBot("Rien n’attend d’être publié"))
	w.post("camille", "equipe", "", "!travaux publier")
	head := w.find("etat", "announced", fromBot("[Travaux 1] Messagerie : changement de disque"))
	w.findOn(w.poor, "asso", "announced", has("[Travaux 1]"))
	w.post("camille", "equipe", "", "!travaux publier")
	w.await("published once", func() bool {
		return w.count(w.rich, "equipe", fromBot("Rien n’attend d’être publié")) == 2
	})

	w.reach(&c, 1, "22h00")
	w.await("no recall in quiet hours", func() bool { return w.count(w.rich, "equipe", has("il est 22h00")) == 1 })
	w.reach(&c, 2, "07h01")
	w.find("etat", "recalled", inThread(head.ID, "Rappel : Messagerie"))
	w.findOn(w.poor, "asso", "recalled", has("Rappel : Messagerie"))
	if w.pinned(head.ID) || w.topic() != "Bienvenue | règles" {
		t.Errorf("pinned before it begins: %v %q", w.pinned(head.ID), w.topic())
	}

	w.stop()
	w.start()
	w.reach(&c, 2, "22h00")
	w.find("etat", "begins", inThread(head.ID, "Les travaux commencent"))
	w.find("equipe", "told to the team", fromBot("Travaux 1 commencés"))
	w.await("pinned, and in the topic", func() bool {
		return w.pinned(head.ID) && strings.HasPrefix(w.topic(), "Bienvenue | règles") && strings.Contains(w.topic(), "changement de disque")
	})

	w.stop()
	w.reach(&c, 3, "00h20") // its end passes while nobody runs
	w.start()
	question := w.find("equipe", "asked", fromBot("C’est fini ? `!travaux fin 1`"))
	w.headline(head.ID, "fin prévue passée")
	w.reach(&c, 3, "01h30")
	w.post("camille", "equipe", "", "!travaux reporter 1 jusqu'à 8h : le disque se remplit")
	w.find("equipe", "preview of the move", fromBot("au samedi 21 novembre 2026, 08h00 CET"))
	w.post("camille", "equipe", "", "!travaux publier")
	w.find("etat", "moved", inThread(head.ID, "Reportés"))
	w.headline(head.ID, "fin prévue 21 novembre 2026 à 08h00")
	if n := w.count(w.rich, "equipe", fromBot("C’est fini ?")); n != 1 {
		t.Errorf("asked %d times, at night too", n)
	}
	w.reach(&c, 3, "08h00")
	w.await("asked again", func() bool { return w.count(w.rich, "equipe", fromBot("C’est fini ?")) == 2 })

	if _, err := w.rich.Press(t.Context(), "camille", "equipe", question.ID, "maintenance.end", "1"); err != nil {
		t.Fatal(err)
	}
	w.find("etat", "ended", inThread(head.ID, "Les travaux sont terminés"))
	w.findOn(w.poor, "asso", "ended", has("Les travaux sont terminés"))
	w.find("equipe", "everywhere", fromBot("dite partout"))
	w.await("unpinned, and the topic as it was", func() bool { return !w.pinned(head.ID) && w.topic() == "Bienvenue | règles" })
	w.reach(&c, 5, "12h00")
	for _, said := range []string{"Rappel : Messagerie", "Les travaux commencent", "Les travaux sont terminés"} {
		if n := w.count(w.rich, "etat", fromBot(said)); n != 1 {
			t.Errorf("%q said %d times", said, n)
		}
	}
	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if one.Sequence != 1 || len(one.Updates) != 4 || one.Updates[2].ScheduledUntil == 0 || one.Updates[1].State != statuspage.InProgress || one.Open() {
		t.Errorf("public: %+v", one)
	}
}

// Cancelled work never begins; moved work begins at its new time; what is not
// understood publishes nothing and says what is.
func TestWorkMovedAndCancelled(t *testing.T) {
	var c clock
	w := newWorld(t, status(t, &c))
	for text, want := range map[string]string{
		"!travaux prévoir un de ces jours : disque":       "Aucune heure n’est comprise",
		"!travaux prévoir demain 22h messagerie : disque": "il manque la fin",
		"!travaux reporter demain 22h":                    "Aucuns travaux",
		"!travaux fin 7":                                  "Le numéro 7 n’est pas en cours",
	} {
		w.post("camille", "equipe", "", text)
		w.find("equipe", want, func(m playground.Message) bool {
			return m.By == "permanence" && (contains(m.Text, want) || contains(m.Text, "Aucuns travaux"))
		})
	}
	w.post("camille", "equipe", "", "!travaux prévoir demain 22h pendant 2h messagerie : disque")
	preview := w.find("equipe", "preview", fromBot("Rien n’est encore publié"))
	if _, err := w.rich.Press(t.Context(), "sacha", "equipe", preview.ID, "incident.publish", preview.Buttons[0].Value); err != nil {
		t.Fatal(err)
	}
	a, err := w.rich.Press(t.Context(), "camille", "equipe", preview.ID, "incident.correct", preview.Buttons[1].Value)
	if err != nil || a.Form == nil || a.Form.ID != "maintenance.plan" || !strings.Contains(a.Form.Fields[0].Text, "demain 22h") {
		t.Errorf("correct opens %+v %v", a.Form, err)
	}
	if len(w.rich.Messages("etat")) != 0 {
		t.Error("a trainee published")
	}
	if _, err := w.rich.Press(t.Context(), "camille", "equipe", preview.ID, "incident.publish", preview.Buttons[0].Value); err != nil {
		t.Fatal(err)
	}
	head := w.find("etat", "announced", fromBot("[Travaux 1]"))

	w.post("camille", "equipe", "", "!travaux reporter d'une heure")
	w.find("equipe", "preview of the move", fromBot("Nouvelles dates : du jeudi 19 novembre 2026, 23h00 CET, au vendredi 20 novembre 2026, 01h00 CET (Europe/Paris)."))
	w.post("camille", "equipe", "", "!travaux publier")
	w.find("etat", "moved", inThread(head.ID, "Reportés"))
	w.reach(&c, 1, "22h30")
	w.post("camille", "equipe", "", "!incident liste")
	w.find("equipe", "still planned", fromBot("1 · programmés"))
	w.post("camille", "equipe", "", "!travaux annuler le disque tient")
	w.find("etat", "cancelled", inThread(head.ID, "Annulés"))
	w.headline(head.ID, "annulés")
	w.reach(&c, 1, "23h30")
	w.post("camille", "equipe", "", "!travaux début 1")
	w.find("equipe", "too late", fromBot("Les travaux 1 sont annulés"))
	if n := w.count(w.rich, "etat", has("commencent")); n != 0 {
		t.Error("cancelled work began")
	}
}

// An incident's three times, the promise of a next word, and its recall to who
// promised.
func TestPromisedWord(t *testing.T) { both(t, promisedWord) }

func promisedWord(t *testing.T, on setup) {
	var c clock
	w := newWorld(t, on, status(t, &c))
	w.post("camille", "equipe", "", "!incident début messagerie envois retardés depuis 15h10. Prochaine info 16h")
	head := w.find("etat", "start", fromBot("prochaines nouvelles 16h00 CET"))
	if !contains(head.Text, "depuis 15h10 CET") {
		t.Errorf("headline: %s", head.Text)
	}
	told := w.find("equipe", "times in full", fromBot("Début noté : mercredi 18 novembre 2026, 15h10 CET (Europe/Paris)"))
	if !contains(told.Text, "Prochaines nouvelles promises : mercredi 18 novembre 2026, 16h00 CET") {
		t.Errorf("told: %s", told.Text)
	}
	w.reach(&c, 0, "15h55")
	recall := w.find("equipe", "recalled", fromBot("sont promises pour 16h00 CET"))
	if !contains(recall.Text, "Camille") && !contains(recall.Text, "camille") && len(recall.Mentions) == 0 {
		t.Errorf("nobody is pinged: %+v", recall)
	}
	w.stop()
	w.start()
	w.reach(&c, 0, "16h00")
	w.find("equipe", "owed", fromBot("étaient promises pour 16h00 CET"))
	w.post("camille", "equipe", "", "!incident maj un disque est mort")
	w.find("etat", "news", inThread(head.ID, "un disque est mort"))
	w.reach(&c, 0, "18h00")
	w.post("camille", "equipe", "", "!incident liste")
	w.find("equipe", "listed", fromBot("1 · en cours d’analyse"))
	if n := w.count(w.rich, "equipe", fromBot("promises pour 16h00 CET")); n != 2 {
		t.Errorf("recalled %d times, want 2", n)
	}
	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if got := one.Started.In(w.opt.Location).Format("15:04"); got != "15:10" || one.Noticed <= one.Started || one.NextWord != 0 {
		t.Errorf("times: %+v", one)
	}
}

// A correction edits where that can be, and is said where it cannot, as an
// answer to what it corrects; other languages stand beside on the page.
func TestCorrections(t *testing.T) {
	var c clock
	w := newWorld(t, status(t, &c))
	w.post("camille", "equipe", "", "!incident début tout est lent\nEN: everything is slow")
	head := w.find("etat", "start", fromBot("Tout est lent"))
	first := w.findOn(w.poor, "asso", "start", has("Tout est lent"))
	w.find("equipe", "asked after", fromBot("Aucun service n’est reconnu : pour en nommer un, `!incident corriger 1 service : texte`"))
	w.post("camille", "equipe", "", "!incident corriger 1 messagerie : envois retardés")
	w.headline(head.ID, "Messagerie : envois retardés")
	w.findOn(w.poor, "asso", "erratum", func(m playground.Message) bool {
		return contains(m.Text, "Rectificatif") && contains(m.Text, "envois retardés") && (m.ReplyTo == first.ID || m.ReplyTo == "")
	})
	w.reach(&c, 0, "15h40")
	w.post("camille", "equipe", "", "!incident maj identifié : un dique")
	news := w.find("etat", "news", inThread(head.ID, "un dique"))
	w.post("camille", "equipe", "", "!incident corriger un disque")
	w.find("etat", "edited", func(m playground.Message) bool { return m.ID == news.ID && contains(m.Text, "un disque") })
	w.headline(head.ID, "un disque")
	w.post("camille", "equipe", "", "!incident maj EN: a disk")
	w.find("equipe", "translated", fromBot("la traduction (en) est sur la page"))
	w.post("camille", "equipe", "", "!incident fin")
	w.find("etat", "end", inThread(head.ID, "est terminé"))
	w.post("camille", "equipe", "", "!incident corriger 1 Le disque est changé.")
	w.find("etat", "end corrected", inThread(head.ID, "Le disque est changé"))
	w.post("camille", "equipe", "", "!incident bilan 1 Un disque trop vieux.")
	w.find("etat", "post-mortem", inThread(head.ID, "Bilan"))
	w.post("camille", "equipe", "", "!incident bilan 2026")
	w.find("equipe", "report", fromBot("Bilan 2026"))
	w.post("camille", "equipe", "", "!incident corriger 99 rien")
	w.find("equipe", "unknown", fromBot("L’incident 99 n’existe pas"))

	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if len(one.Updates) != 4 || one.State != statuspage.Postmortem || len(one.Titles) != 1 || one.Titles[0].Body != "Everything is slow" ||
		len(one.Updates[0].Texts) != 1 || one.Updates[0].Edited == 0 || len(one.Updates[1].Texts) != 1 || one.Updates[1].Texts[0].Body != "a disk" ||
		one.Updates[2].Body != "Le disque est changé." || len(one.Components) != 1 {
		t.Errorf("public: %+v", one)
	}
}

// A room that cannot be told is listed, is not counted as told, and is told
// how things stand when somebody says so.
func TestLedgerAndRetry(t *testing.T) { both(t, ledgerAndRetry) }

func ledgerAndRetry(t *testing.T, on setup) {
	w := newWorld(t, on, func(w *world) {
		w.opt.Status.Rooms = append(w.opt.Status.Rooms, chat.Place{Adapter: "irc", Room: "asso"})
	})
	must(t, w.poor.RoomGone("asso"))
	w.post("camille", "equipe", "", "!incident début messagerie envois retardés")
	w.find("equipe", "told that it failed", fromBot("irc:asso n’a pas été prévenu"))
	w.post("camille", "equipe", "", "!incident où 1")
	ledger := w.find("equipe", "ledger", fromBot("`!incident relancer 1` pour redire"))
	if !contains(ledger.Text, "irc/asso · ⚠️") && !contains(ledger.Text, "asso · ⚠️") {
		t.Errorf("ledger: %s", ledger.Text)
	}
	w.post("camille", "equipe", "", "!incident maj identifié : un disque")
	w.find("etat", "news", fromBot("un disque"))
	w.post("camille", "equipe", "", "!incident fin c'est fini")
	w.find("equipe", "not everywhere", fromBot("dite dans 1 salon(s) sur 2. Pas prévenu(s) : irc:asso"))
	must(t, w.poor.RoomBack("asso"))
	w.post("camille", "equipe", "", "!incident relancer 1")
	w.findOn(w.poor, "asso", "how things stand", func(m playground.Message) bool { return contains(m.Text, "terminé") })
	w.find("equipe", "everywhere now", fromBot("dite partout (2 salons)"))
	w.post("camille", "equipe", "", "!incident relancer 1")
	w.find("equipe", "nothing left", fromBot("rien n’a échoué"))
	if n := w.count(w.poor, "asso", has("[Incident 1]")); n != 1 {
		t.Errorf("the room reads %d lines, want one", n)
	}
}

// Where the configuration wants a preview, an incident waits for it too; a
// newer one takes the place of the older, and nothing is half published.
func TestPreviewOfIncidents(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Status.Preview = true })
	w.post("camille", "equipe", "", "!incident début messagerie en pane")
	first := w.find("equipe", "preview", fromBot("Rien n’est encore publié"))
	w.post("camille", "equipe", "", "!incident début messagerie lente")
	w.await("a second preview", func() bool { return w.count(w.rich, "equipe", fromBot("Rien n’est encore publié")) == 2 })
	if a := w.press("camille", "equipe", first.ID, "incident.publish", first.Buttons[0].Value); !contains(a.Text, "Rien n’attend d’être publié") {
		t.Errorf("the older draft: %q", a.Text)
	}
	w.post("camille", "equipe", "", "!incident publier")
	head := w.find("etat", "start", fromBot("Messagerie : lente"))
	w.post("camille", "equipe", "", "!incident maj un disque")
	w.await("a third preview", func() bool { return w.count(w.rich, "equipe", fromBot("Rien n’est encore publié")) == 3 })
	w.post("camille", "equipe", "", "!incident publier")
	w.find("etat", "news", inThread(head.ID, "un disque"))
	w.post("camille", "equipe", "", "!incident fin")
	w.await("a fourth preview", func() bool { return w.count(w.rich, "equipe", fromBot("Rien n’est encore publié")) == 4 })
	if one, _, err := w.store.Public().Incident(t.Context(), 1); err != nil || !one.Open() {
		t.Errorf("ended by a preview: %+v %v", one, err)
	}
	w.post("camille", "equipe", "", "!incident publier")
	w.find("etat", "end", inThread(head.ID, "✅ **[Incident 1] Terminé"))
	one, _, err := w.store.Public().Incident(t.Context(), 1)
	must(t, err)
	if one.Resolved != one.Last().Published {
		t.Errorf("it ended at %v and was told so at %v", one.Resolved, one.Last().Published)
	}
}

// The machine announces through the same verbs, without a preview, in the name
// of the association.
func TestFromMachine(t *testing.T) {
	var c clock
	w := newWorld(t, status(t, &c), func(w *world) {
		w.opt.Status.Preview = true
		w.opt.Status.Policy = &statuspage.Policy{} // nothing is told of planned work but its moves
	})
	run := func(line, want string) {
		t.Helper()
		answer, err := w.bot.FromMachine(t.Context(), line, "en")
		if err != nil {
			answer = err.Error()
		}
		if !contains(answer, want) {
			t.Errorf("%s: %q, want %q", line, answer, want)
		}
	}
	run("incident start mail critical: down since 15:10", "Incident 1 announced in 2 rooms")
	head := w.find("etat", "start", fromBot("down since 15:10"))
	run("incident list", "1 · investigating")
	run("incident end 1", "Incident 1 is over")
	w.find("etat", "end", inThread(head.ID, "est terminé"))
	w.find("equipe", "everywhere", fromBot("dite partout"))
	run("incident strat mail", "start")
	run("take #1", "Only incidents and planned work")
	run("", "Nothing is asked")
	run("maintenance plan tomorrow 10pm for 1h mail: disk", "Work 2 announced in 0 rooms")
	w.reach(&c, 1, "22h00")
	w.find("equipe", "begun", fromBot("Travaux 2 commencés, dit dans 0 salon"))
	run("maintenance end 2", "the end leaves for 0 rooms")
	if n := w.count(w.rich, "etat", has("Travaux")); n != 0 {
		t.Errorf("a silent policy said %d lines", n)
	}
}

// Ten rooms are told within a second of the decision, each once, also when the
// program stops in the middle and receipts are lost.
func TestTenRooms(t *testing.T) {
	const rooms = 10
	var many *playground.Network
	w := newWorld(t, func(w *world) { many = tenRooms(t, w) })
	all := func(s string) (told, said int) {
		for i := range rooms {
			n := w.count(many, fmt.Sprint("etat", i), has(s))
			said += n
			if n > 0 {
				told++
			}
		}
		return told, said
	}
	began := time.Now()
	w.post("camille", "equipe", "", "!incident début messagerie envois retardés")
	w.await("ten rooms", func() bool { told, _ := all("envois retardés"); return told == rooms })
	if d := time.Since(began); d > time.Second {
		t.Errorf("ten rooms were told after %v", d)
	}
	many.DropReceipts(5)
	w.post("camille", "equipe", "", "!incident fin rentré dans l'ordre")
	w.await("some rooms", func() bool { told, _ := all("rentré dans l'ordre"); return told > 0 })
	w.stop()
	w.start()
	w.find("equipe", "everywhere", fromBot("dite partout (10 salons)"))
	if told, said := all("rentré dans l'ordre"); told != rooms || said != rooms {
		t.Errorf("%d rooms told, in %d lines", told, said)
	}
	if _, said := all("[Incident 1]"); said != 2*rooms {
		t.Errorf("%d lines are said, want two in each room", said)
	}
}

// The same verbs in English: each says something, and no sentence is missing
// (world.stop checks the catalog).
func TestIncidentVerbsInEnglish(t *testing.T) {
	var c clock
	w := newWorld(t, status(t, &c), func(w *world) { w.opt.Language, w.opt.Desks[0].Language = "en", "en" })
	for _, v := range []struct{ text, want string }{
		{"!incident start mail: slow since 3pm. Next update in 30 min", "Start noted: Wednesday 18 November 2026, 15:00 CET (Europe/Paris)."},
		{"!incident start everything is slow", "No service is recognised"},
		{"!incident where 1", "1 message"},
		{"!incident edit 2 mail: everything is slow", "Number 2.1 corrected"},
		{"!incident update 1 identified: a disk", "Incident 1: news given in 2 rooms"},
		{"!incident update 1 FR: un disque", "the translation (fr) is on the page"},
		{"!incident end 1", "Incident 1 is over"},
		{"!incident report 1 An old disk.", "Post-mortem of incident 1 published in 2 rooms"},
		{"!incident report 2026", "Report 2026"},
		{"!incident retry 1", "nothing failed"},
		{"!maintenance plan next Tuesday 6am for 2h mail: disk", "Tuesday 24 November 2026, 06:00 to 08:00 CET (Europe/Paris)"},
		{"!maintenance publish", "Work 3 announced in 2 rooms"},
		{"!maintenance move by 90 min", "Nothing is published yet"},
		{"!maintenance publish", "Work 3 rescheduled, told in 2 rooms"},
		{"!maintenance start 3", "Work 3 begun, told in 2 rooms"},
		{"!maintenance start 3", "has already begun"},
		{"!maintenance end 3 all is well", "Work 3 is done: the end leaves for 2 rooms"},
		{"!maintenance cancel 3", "has already ended"},
		{"!maintenance plan next Friday 6am for 2h disk", "“this Friday”, “Friday next week”"},
		{"!help incident", "edit"},
	} {
		before := len(w.rich.Messages("equipe"))
		w.post("camille", "equipe", "", v.text)
		w.await(v.text+" → "+v.want, func() bool {
			return slices.ContainsFunc(w.rich.Messages("equipe")[before:], fromBot(v.want))
		})
	}
}
