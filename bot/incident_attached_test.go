package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/statuspage"
)

func (w *world) press(by, room, id, action, value string) chat.Answer {
	w.t.Helper()
	a, err := w.rich.Press(w.t.Context(), by, room, id, action, value)
	must(w.t, err)
	return a
}

func hasButton(action string) func(playground.Message) bool {
	return func(m playground.Message) bool {
		return slices.ContainsFunc(m.Buttons, func(b chat.Button) bool { return b.Action == action })
	}
}

// cardNow waits until a card is as wanted.
func (w *world) cardNow(id, what string, f func(playground.Message) bool) playground.Message {
	w.t.Helper()
	return w.find("equipe", what, func(m playground.Message) bool { return m.ID == id && f(m) })
}

func (w *world) command(text, want string) {
	w.t.Helper()
	before := len(w.rich.Messages("equipe"))
	w.post("camille", "equipe", "", text)
	w.await(text+" → "+want, func() bool {
		return slices.ContainsFunc(w.rich.Messages("equipe")[before:], fromBot(want))
	})
}

// stands waits until what is told of an incident has these words, asking as the
// machine, which no brake slows.
func (w *world) stands(incident int, want string) {
	w.t.Helper()
	w.await(fmt.Sprintf("incident %d: %s", incident, want), func() bool {
		a, err := w.bot.Machine().Do(w.t.Context(), fmt.Sprintf("incident where %d", incident), "fr", false)
		must(w.t, err)
		return contains(a.Text, want)
	})
}

// A ticket is attached to what it is about, by a command in its thread, by its
// number, or by the button on its card, which is there while an incident is.
func TestAttach(t *testing.T) {
	w := newWorld(t)
	card := w.ticketByMail("plus de courrier")
	if hasButton("incident.attach")(card) {
		t.Error("a button to attach it, and no incident")
	}
	w.command("!incident rattacher #1", "Aucun incident n’est en cours")
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.cardNow(card.ID, "the button", hasButton("incident.attach"))
	if a := w.press("sacha", "equipe", card.ID, "incident.attach", "1"); !contains(a.Text, "demande un rôle") && !contains(a.Text, "réservé") && a.Text == "" {
		t.Errorf("a trainee is told %+v", a)
	}
	if a := w.press("camille", "equipe", card.ID, "incident.attach", "1"); a.Text != "" {
		t.Errorf("attaching says %q", a.Text)
	}
	w.find("equipe", "attached", inThread(card.ID, "Rattaché à l’incident 1"))
	w.cardNow(card.ID, "on the card", func(m playground.Message) bool {
		return contains(m.Text, "incident 1") && !hasButton("incident.attach")(m)
	})
	if n := w.count(w.rich, "equipe", fromBot("Rattaché à l’incident 1")); n != 1 {
		t.Errorf("attached %d times: the trainee's press too?", n)
	}
	w.command("!incident rattacher #1 1", "déjà rattaché au numéro 1")
	w.command("!incident rattacher", "Quel ticket ?")
	w.command("!incident rattacher #9", "#9")
	w.command("!incident où 1", "Demandes rattachées : 1 attend (#1)")
	w.command("!incident liste", "1 demande rattachée")
	w.command("!voir #1", "libre · incident 1")
	w.post("camille", "equipe", card.ID, "!incident détacher")
	w.find("equipe", "detached", inThread(card.ID, "Détaché de l’incident 1"))
	w.command("!incident détacher #1", "rattaché à aucun incident")
	w.command("!incident début web en panne", "Incident 2 annoncé")
	w.command("!incident rattacher #1", "Il y en a plusieurs")
	if a := w.press("camille", "equipe", card.ID, "incident.attach", "1"); a.Form == nil || !contains(a.Form.Fields[0].Label, "Il y en a plusieurs") {
		t.Errorf("of two incidents the button asks %+v", a)
	}
	if _, err := w.rich.Submit(t.Context(), "camille", playground.Submission{Room: "equipe", Form: "incident.attach", Value: "#1",
		Fields: map[string]string{"text": "2"}}); err != nil {
		t.Fatal(err)
	}
	w.find("equipe", "attached to the other", inThread(card.ID, "Rattaché à l’incident 2"))
	w.command("!incident fin 1", "Incident 1")
	w.command("!incident rattacher #1 1", "Le numéro 1 n’est pas en cours")
}

// The team is offered to attach what looks like an incident: once for each
// ticket and incident, whichever came first, and nobody is pinged.
func TestOffered(t *testing.T) { both(t, offered) }

func offered(t *testing.T, on setup) {
	w := newWorld(t, on)
	before := w.ticketByMail("Messagerie : envois bloqués")
	other := w.ticketByMail("Une facture perdue")
	w.command("!incident début messagerie : envois retardés", "Incident 1 annoncé")
	offer := w.find("equipe", "offered to the one before", inThread(before.ID, "Ressemble à l’incident 1 (Messagerie : envois retardés). Si c’est le cas : `!incident rattacher #1 1`"))
	if len(offer.Mentions) != 0 {
		t.Errorf("somebody is pinged: %v", offer.Mentions)
	}
	w.write(playground.Letter{By: "basile", Subject: "Rien ne part", Text: "Bonjour, mes envois par la messagerie ne partent pas."})
	after := w.card("Rien ne part")
	w.find("equipe", "offered to the one after", inThread(after.ID, "Ressemble à l’incident 1"))
	w.command("!incident corriger 1 messagerie : envois et réceptions retardés", "corrigé")
	w.stop()
	w.start()
	w.command("!incident corriger 1 messagerie : envois retardés, cause inconnue", "corrigé")
	// An unlike ticket is not offered, unless somebody names its service.
	w.post("camille", "equipe", other.ID, "!service mail")
	w.find("equipe", "offered for its service", inThread(other.ID, "Ressemble à l’incident 1"))
	if n := w.count(w.rich, "equipe", fromBot("Ressemble à l’incident 1")); n != 3 {
		t.Errorf("offered %d times for three tickets", n)
	}
	w.press("camille", "equipe", offer.ID, "incident.attach", offer.Buttons[0].Value)
	w.find("equipe", "attached", inThread(before.ID, "Rattaché à l’incident 1"))
}

// Several people who ask the same within minutes, and no incident: the team's
// room gets one proposal to declare one. One person who insists is no surge,
// and neither are different questions.
func TestSurge(t *testing.T) { both(t, surge) }

func surge(t *testing.T, on setup) {
	var c clock
	w := newWorld(t, on, status(t, &c))
	asks := func(name, text string) {
		t.Helper()
		if _, ok := w.rich.Account(strings.ToLower(name)); !ok {
			_, err := w.rich.AddAccount(name)
			must(t, err)
		}
		w.post(strings.ToLower(name), "entraide", "", text)
		w.card(text)
	}
	w.ticketByMail("La messagerie ne répond plus")
	w.reach(&c, 0, "15h32")
	w.ticketByMail("Encore moi : messagerie en panne")
	asks("Basile", "une question de facture")
	asks("Chloe", "messagerie bloquée")
	w.reach(&c, 0, "15h45") // the first is too long ago
	asks("Denis", "ma Messagerie est morte")
	if n := w.count(w.rich, "equipe", fromBot("demandes semblables")); n != 0 {
		t.Errorf("proposed %d times for two people", n)
	}
	asks("Elise", "pas de messagerie ce matin")
	asks("Fatou", "toujours pas de messagerie")
	asked := w.find("equipe", "the proposal", fromBot("3 demandes semblables en quelques minutes"))
	if !contains(asked.Text, "`!incident début Messagerie") || asked.Thread != "" || len(asked.Mentions) != 0 {
		t.Errorf("the proposal: %+v", asked)
	}
	asks("Gael", "et la messagerie ?")
	w.stop()
	w.start()
	asks("Hugo", "messagerie !!")
	w.command("!liste", "messagerie")
	if n := w.count(w.rich, "equipe", fromBot("demandes semblables")); n != 1 {
		t.Errorf("proposed %d times", n)
	}
	if a := w.press("sacha", "equipe", asked.ID, "incident.start", asked.Buttons[0].Value); a.Form != nil {
		t.Error("a trainee may declare an incident")
	}
	a := w.press("camille", "equipe", asked.ID, "incident.start", asked.Buttons[0].Value)
	if a.Form == nil || a.Form.ID != "incident.start" || !contains(a.Form.Fields[0].Text, "Messagerie : ") {
		t.Fatalf("the button opens %+v", a)
	}
	_, err := w.rich.Submit(t.Context(), "camille", playground.Submission{Room: "equipe", Form: a.Form.ID, Value: a.Form.Value,
		Fields: map[string]string{"text": a.Form.Fields[0].Text + "messages bloqués"}})
	must(t, err)
	w.find("etat", "declared", fromBot("Messagerie : messages bloqués"))
	// While it is open, what comes is offered to be attached instead.
	asks("Ines", "encore la messagerie")
	w.command("!liste", "encore la messagerie")
	if n := w.count(w.rich, "equipe", fromBot("demandes semblables")); n != 1 {
		t.Errorf("proposed %d times, with an incident open", n)
	}
}

// threeAsk opens three tickets, one by mail, one in the public channel, one in
// private, attaches them, and gives their cards.
func threeAsk(w *world) (cards []playground.Message, post playground.Message, direct string) {
	w.t.Helper()
	w.write(playground.Letter{By: "alice", Subject: "Mon secret", Text: "Plus rien ne marche, mon mot de passe est hunter2."})
	cards = append(cards, w.card("Mon secret"))
	post = w.post("basile", "entraide", "", "Le courrier est en panne ?")
	cards = append(cards, w.card("Le courrier est en panne"))
	chloe, err := w.rich.AddAccount("Chloe")
	must(w.t, err)
	direct, err = w.rich.OpenDirect(chloe.ID, "permanence")
	must(w.t, err)
	w.post(chloe.ID, direct, "", "C'est privé : rien ne va")
	cards = append(cards, w.card("rien ne va"))
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	for i, card := range cards {
		w.post("camille", "equipe", "", fmt.Sprintf("!incident rattacher #%d", i+1))
		w.find("equipe", "attached", inThread(card.ID, "Rattaché"))
	}
	return cards, post, direct
}

func mailTo(who, s string) func(playground.Mail) bool {
	return func(m playground.Mail) bool {
		return slices.ContainsFunc(m.To, func(to string) bool { return strings.Contains(to, who) }) && contains(m.Text, s)
	}
}

func (w *world) mails(s string) (n int) {
	for _, m := range w.rich.Mails() {
		if !m.Written && contains(m.Text, s) {
			n++
		}
	}
	return n
}

// At the end the team reads one answer, and each gets it where they asked,
// once, without a word of anybody else; the ticket closes unless they write
// again.
func TestCommonAnswer(t *testing.T) { both(t, commonAnswer) }

func commonAnswer(t *testing.T, on setup) {
	w := newWorld(t, on)
	cards, post, direct := threeAsk(w)
	w.command("!incident envoyer 1", "Aucune réponse n’est préparée")
	w.command("!incident fin 1 Un disque a été changé.", "Incident 1")
	first := w.find("equipe", "proposed", fromBot("3 demandes y sont rattachées"))
	for _, s := range []string{"alice@customers.example", "PUBLIC #entraide", "message privé", "> Un disque a été changé.", "`!incident envoyer 1`"} {
		if !contains(first.Text, s) {
			t.Errorf("the proposal lacks %q: %s", s, first.Text)
		}
	}
	if w.mails("disque a été changé") != 0 || w.count(w.rich, "entraide", has("disque")) != 0 {
		t.Error("it left by itself")
	}

	// A newcomer improves it; only an agent sends it, and sends what was read.
	w.post("sacha", "equipe", "", "!incident réponse 1 Bonjour, c'est réparé. Merci de votre patience !")
	w.find("equipe", "the newcomer's words", fromBot("Sacha propose cette réponse"))
	w.post("sacha", "equipe", "", "!incident envoyer 1")
	w.find("equipe", "a trainee may not", fromBot("envoyer"))
	w.command("!incident réponse 1 !oups", "Rien n’est parti")
	if a := w.press("camille", "equipe", first.ID, "incident.send", first.Buttons[0].Value); a.Text != "" {
		t.Errorf("the old preview's button says %q", a.Text)
	}
	again := w.find("equipe", "shown anew", fromBot("le texte a changé depuis cet aperçu"))
	if a := w.press("camille", "equipe", again.ID, "incident.answer", again.Buttons[1].Value); a.Form == nil || !contains(a.Form.Fields[0].Text, "Merci de votre patience") {
		t.Errorf("correcting opens %+v", a.Form)
	}
	if a := w.press("camille", "equipe", again.ID, "incident.send", again.Buttons[0].Value); !contains(a.Text, "part vers 3 demandes") {
		t.Errorf("sending says %q", a.Text)
	}
	if a := w.press("dominique", "equipe", again.ID, "incident.send", again.Buttons[0].Value); !contains(a.Text, "déjà partie") {
		t.Errorf("the second to send is told %q", a.Text)
	}
	w.mail("alice", mailTo("alice", "Merci de votre patience"))
	w.find("entraide", "basile", func(m playground.Message) bool {
		return m.Thread == post.ID && contains(m.Text, "Merci de votre patience")
	})
	w.find(direct, "chloe", has("Merci de votre patience"))
	for _, card := range cards {
		w.cardNow(card.ID, "closed", hasButton("reopen"))
	}
	w.stands(1, "3 ont reçu la réponse (#1, #2, #3)")
	w.command("!incident voir 1", "3 ont reçu la réponse (#1, #2, #3)")
	w.command("!incident envoyer 1", "déjà partie, envoyée par Camille")
	w.command("!incident réponse 1 encore", "déjà partie")
	w.command("!incident détacher #1", "a déjà reçu la réponse")
	if n := w.mails("patience"); n != 1 {
		t.Errorf("%d mails, want one", n)
	}
	for _, room := range []string{"entraide", direct, "etat"} {
		if n := w.count(w.rich, room, has("hunter2")) + w.count(w.rich, room, has("Mon secret")); n != 0 {
			t.Errorf("#%s reads what was said in private", room)
		}
	}
	// Whoever writes again has their ticket open again.
	w.post("basile", "entraide", post.ID, "non, toujours en panne")
	w.cardNow(cards[1].ID, "reopened", hasButton("close"))
}

// Killed after the gesture, or in the middle of the answers: each is told, and
// nobody twice.
func TestCommonAnswerOverRestarts(t *testing.T) { both(t, commonAnswerOverRestarts) }

func commonAnswerOverRestarts(t *testing.T, on setup) {
	w := newWorld(t, on, func(w *world) { w.opt.Desks[0].HoldMail, w.opt.Desks[0].HoldChat = time.Second, time.Second })
	_, post, direct := threeAsk(w)
	w.command("!incident fin 1 Un disque a été changé.", "3 demandes y sont rattachées")
	w.command("!incident envoyer 1", "part vers 3 demandes")
	for range 3 {
		w.stop()
		w.start()
	}
	w.mail("alice", mailTo("alice", "disque a été changé"))
	w.find("entraide", "basile", func(m playground.Message) bool {
		return m.Thread == post.ID && contains(m.Text, "disque a été changé")
	})
	w.find(direct, "chloe", has("disque a été changé"))
	w.stands(1, "3 ont reçu la réponse")
	w.command("!incident où 1", "3 ont reçu la réponse")
	w.stop()
	w.start()
	w.command("!incident envoyer 1", "déjà partie")
	if a, b, c := w.mails("disque a été changé"), w.count(w.rich, "entraide", has("disque a été changé")), w.count(w.rich, direct, has("disque a été changé")); a != 1 || b != 1 || c != 1 {
		t.Errorf("told %d, %d and %d times", a, b, c)
	}
}

// Whom something keeps from being answered is named, and not told later by
// surprise; a held answer can be stopped as any other.
func TestCommonAnswerNotEverywhere(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Desks[0].HoldMail = time.Hour })
	w.ticketByMail("un")
	card := w.card("un")
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.command("!incident réponse 1 C'est préparé d'avance.", "propose cette réponse")
	w.command("!incident envoyer 1", "dure encore")
	w.command("!incident rattacher #1", "Rattaché")
	w.command("!incident fin 1", "préparé d'avance")
	w.command("!incident envoyer 1", "part vers 1 demande")
	w.find("equipe", "held", inThread(card.ID, "⏳ →"))
	w.post("camille", "equipe", card.ID, "!stop")
	w.find("equipe", "stopped", inThread(card.ID, "rien n’est parti"))
	w.command("!incident où 1", "1 sans réponse (#1)")
	w.noMail("préparé d'avance")
	// An incident about which nobody asked has no answer to send.
	w.command("!incident début web lent", "Incident 2 annoncé")
	w.command("!incident fin 2", "Incident 2")
	w.command("!incident envoyer 2", "Aucune réponse n’est préparée")
	w.command("!incident réponse 9 rien", "L’incident 9 n’existe pas")
	w.command("!incident réponse", "Quel incident")
}

// An answer that nobody sends is recalled once.
func TestCommonAnswerRecalled(t *testing.T) {
	var c clock
	w := newWorld(t, status(t, &c))
	w.ticketByMail("un")
	w.command("!incident début messagerie lente", "Incident 1 annoncé")
	w.command("!incident rattacher #1", "Rattaché")
	w.command("!incident fin 1", "demande y est rattachée")
	if m := w.find("equipe", "the answer", fromBot("Réponse proposée")); !contains(m.Text, "> L’incident « Messagerie : lente » est terminé.\n> \n> Si quelque chose") {
		t.Errorf("an end without words is answered by %q", m.Text)
	}
	w.reach(&c, 1, "09h00")
	w.find("equipe", "recalled", fromBot("1 demande(s) rattachée(s) attendent encore la réponse"))
	w.reach(&c, 3, "09h00")
	if n := w.count(w.rich, "equipe", fromBot("attendent encore")); n != 1 {
		t.Errorf("recalled %d times", n)
	}
}

// A surge about nothing that the configuration knows is shown in the askers'
// words, which are in no command and ping nobody.
func TestSurgeOfStrangersWords(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		a, err := w.rich.AddAccount(fmt.Sprint("Client", i))
		must(t, err)
		w.post(a.ID, "entraide", "", "@here `wordpress` affiche une erreur")
		w.card("#" + fmt.Sprint(i+1))
	}
	asked := w.find("equipe", "the proposal", fromBot("3 demandes semblables"))
	if len(asked.Mentions) != 0 || !contains(asked.Text, "`!incident début ce qui se passe`") || !strings.Contains(asked.Text, "wordpress") {
		t.Errorf("the proposal: %+v", asked)
	}
}

// Requests that came in too many: a desk that wants no proposals gets none.
func TestSurgeOff(t *testing.T) {
	w := newWorld(t, func(w *world) { w.opt.Status.Surge = &statuspage.Surge{} })
	for i := range 4 {
		a, err := w.rich.AddAccount(fmt.Sprint("Client", i))
		must(t, err)
		w.post(a.ID, "entraide", "", fmt.Sprint("messagerie en panne ", i))
		w.card(fmt.Sprint("messagerie en panne ", i))
	}
	w.command("!liste", "messagerie en panne 3")
	if n := w.count(w.rich, "equipe", fromBot("semblables")); n != 0 {
		t.Error("proposed all the same")
	}
}

// TestTheAnswerNamesNoAskerOfAnotherDesk: who asks another desk is not told in
// the room where the incident was started.
func TestTheAnswerNamesNoAskerOfAnotherDesk(t *testing.T) {
	w := newWorld(t, func(w *world) {
		d := &w.opt.Desks[0]
		billing := d.Intakes[2]
		d.Intakes = d.Intakes[:2]
		w.opt.Desks = append(w.opt.Desks, bot.Desk{Name: "facturation", Title: "Facturation", Intakes: []bot.Intake{billing},
			Rooms: []chat.Place{{Adapter: "tchat", Room: "equipe2"}}, Agents: d.Agents})
	})
	w.write(playground.Letter{By: "basile", To: []string{"facturation@example.org"}, Subject: "Ma facture", Text: "Introuvable"})
	w.find("equipe2", "the card", has("Ma facture"))
	w.post("camille", "equipe", "", "!incident début messagerie : envois lents")
	w.find("equipe", "announced", fromBot("Incident 1 annoncé"))
	w.post("camille", "equipe2", "", "!incident rattacher #1 1")
	w.find("equipe2", "attached", fromBot("#1"))
	w.post("camille", "equipe", "", "!incident fin c'est réparé")
	shown := w.find("equipe", "the answer", fromBot("une demande du guichet « facturation »"))
	if contains(shown.Text, "basile") {
		t.Errorf("the other desk's asker: %q", shown.Text)
	}
}
