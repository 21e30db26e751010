package bot_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/page"
	"permanence/internal/i18n"
	"permanence/internal/sqlstore"
	"permanence/internal/testservers"
	"permanence/tickets"
)

// panicky panics in Caps of one room, so that the decider does while it
// decides about it.
type panicky struct {
	chat.Adapter
	room string
	on   *atomic.Bool
}

func (p panicky) Caps(pl chat.Place) chat.Caps {
	if p.on.Load() && pl.Room == p.room {
		panic("a defect of the adapter")
	}
	return p.Adapter.Caps(pl)
}

// TestAPanicSetsAsideItsEventAlone: the events that arrived with it are
// decided, the guilty one waits in the list, and can be tried again.
func TestAPanicSetsAsideItsEventAlone(t *testing.T) {
	var on atomic.Bool
	w := newWorld(t, func(w *world) {
		w.wrap = func(name string, a chat.Adapter) chat.Adapter {
			if name != "tchat" {
				return a
			}
			return panicky{a, "entraide", &on}
		}
	})
	on.Store(true)
	w.post("alice", "entraide", "", "cette ligne fait paniquer")
	w.ticketByMail("celui-ci passe")
	w.find("equipe", "told", fromBot("n’a pas pu être traité"))
	on.Store(false)
	var aside []bot.InboxRow
	must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { aside, err = tx.AsideEvents(10); return err }))
	if len(aside) != 1 || !strings.Contains(aside[0].Reason, "a defect of the adapter") {
		t.Fatalf("aside: %+v", aside)
	}
	must(t, w.bot.RetryAside(t.Context(), aside[0].ID))
	w.card("cette ligne fait paniquer")
}

// TestTheDatabaseGoesAway: while PostgreSQL is down, mail is refused for now
// and nothing is lost; when it is back the work goes on.
func TestTheDatabaseGoesAway(t *testing.T) {
	server := testservers.NewPostgres(t, true)
	w := newWorld(t, func(w *world) { w.db = server.Database(t) })
	card := w.ticketByMail("avant la panne")
	note := w.post("camille", "equipe", card.ID, "Réponse d'avant")
	w.find("equipe", "note", has("Réponse d'avant"))
	server.Kill(t)
	if codes := w.deliver(fromAlice("Subject: pendant\nMessage-ID: <pendant@customers.example>\n", "x")); codes[0]/100 != 4 {
		t.Errorf("a mail that could not be stored was answered %d", codes[0])
	}
	w.react("camille", note.ID, "✉️")
	w.post("basile", "entraide", "", "dit pendant la panne")
	server.Start(t)
	w.mail("the reply decided after the outage", func(m playground.Mail) bool { return strings.Contains(m.Text, "Réponse d'avant") })
	w.card("dit pendant la panne")
	w.accepted(fromAlice("Subject: pendant\nMessage-ID: <pendant@customers.example>\n", "x"))
	w.card("pendant")
}

// TestFilesBothWays: an attachment reaches the team as a link that opens, a
// file in the team's thread reaches the asker as an attachment.
func TestFilesBothWays(t *testing.T) { both(t, filesBothWays) }

func filesBothWays(t *testing.T, on setup) {
	var pages *httptest.Server
	w := newWorld(t, on, func(w *world) {
		w.links = func(s *sqlstore.Store) bot.Links {
			catalog, err := i18n.New()
			must(t, err)
			links := page.Links{Base: "http://PAGES", Secret: []byte(strings.Repeat("s", 32))}
			h, err := page.New(page.Options{Name: "asso", Language: "fr", Links: links, Source: page.FromStore(s), Catalog: catalog})
			must(t, err)
			pages = httptest.NewServer(h)
			t.Cleanup(pages.Close)
			return links
		}
	})
	body := "le contenu du relevé\n"
	w.write(playground.Letter{By: "alice", Subject: "pièce jointe", Text: "Voici", Files: []playground.MailFile{{Name: "relevé.txt", Type: "text/plain", Data: []byte(body)}}})
	card := w.card("relevé.txt")
	url := card.Text[strings.Index(card.Text, "http://PAGES/f/"):]
	url = strings.Replace(strings.Fields(url)[0], "http://PAGES", pages.URL, 1)
	w.await("the file behind the link", func() bool {
		res, err := http.Get(url)
		must(t, err)
		defer res.Body.Close()
		got, _ := io.ReadAll(res.Body)
		return res.StatusCode == 200 && string(got) == body
	})
	f, err := w.rich.AddFile("camille", "facture.pdf", "application/pdf", []byte("%PDF-1.4 facture"))
	must(t, err)
	m, err := w.rich.Post(t.Context(), "camille", playground.Draft{Room: "equipe", Thread: card.ID, Text: "La facture", Files: []playground.File{f}})
	must(t, err)
	w.react("camille", m.ID, "✉️")
	reply := w.mail("with the file", func(m playground.Mail) bool { return strings.Contains(m.Text, "La facture") })
	full, _, _ := w.rich.Mail(reply.ID)
	if len(full.Files) != 1 || full.Files[0].Name != "facture.pdf" || string(full.Files[0].Data) != "%PDF-1.4 facture" {
		t.Errorf("attachment: %+v", full.Files)
	}
	// The whole text of a long message is on the ticket's page.
	long := strings.Repeat("Une longue phrase qui raconte. ", 200) + "FIN-DU-RECIT"
	w.write(playground.Letter{By: "alice", Subject: "roman", Text: long})
	roman := w.card("roman")
	if strings.Contains(roman.Text, "FIN-DU-RECIT") {
		t.Error("the card holds the whole text")
	}
	url = roman.Text[strings.Index(roman.Text, "http://PAGES/t/"):]
	url = strings.Replace(strings.TrimRight(strings.Fields(url)[0], "_"), "http://PAGES", pages.URL, 1)
	res, err := http.Get(url)
	must(t, err)
	defer res.Body.Close()
	got, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || !strings.Contains(string(got), "FIN-DU-RECIT") {
		t.Errorf("page %s: %d", url, res.StatusCode)
	}
}

// TestClaimLapses: a claim without a word of its owner frees the ticket.
func TestClaimLapses(t *testing.T) { both(t, claimLapses) }

func claimLapses(t *testing.T, on setup) {
	w := newWorld(t, on, func(w *world) { w.opt.Desks[0].Claim = 200 * time.Millisecond })
	card := w.ticketByMail("pris puis oublié")
	w.post("camille", "equipe", card.ID, "!prendre")
	w.find("equipe", "free again", func(m playground.Message) bool { return m.ID == card.ID && contains(m.Text, "de nouveau libre") })
	var tk tickets.Ticket
	must(t, w.store.View(t.Context(), func(tx bot.Tx) (err error) { tk, err = tx.Ticket(1); return err }))
	if tk.Owner != 0 {
		t.Errorf("owner %d", tk.Owner)
	}
}

// TestFullDisk: on a full disk mail is refused for now, what was accepted
// stays, and the work goes on when there is room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		testservers.Need(t, "a small tmpfs for the full disk", "run the tests as root, in a namespace that may mount")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t, func(w *world) { w.db = "sqlite:" + filepath.Join(dir, "p.db") })
	w.ticketByMail("avant")
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	must(t, err)
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	f.Close()
	big := fromAlice("Subject: disque plein\nMessage-ID: <plein@customers.example>\n", strings.Repeat("une ligne qui prend de la place\n", 8000))
	if codes := w.deliver(big); codes[0]/100 != 4 {
		t.Fatalf("a mail that could not be stored was answered %d", codes[0])
	}
	must(t, os.Remove(ballast))
	w.accepted(big)
	w.card("disque plein")
	if n := w.cards(); n != 2 {
		t.Errorf("%d tickets, want 2", n)
	}
}
