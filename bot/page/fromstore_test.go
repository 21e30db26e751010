package page_test

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/bot/page"
	"permanence/internal/i18n"
	"permanence/internal/sqlstore"
	"permanence/tickets"
)

var _ bot.Links = page.Links{}

// TestFromStore: a ticket is read whole from a database, and its page and
// files are served from there.
func TestFromStore(t *testing.T) {
	store, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "permanence.db"), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	const bytes = "a line of a log\n"
	hash, size, err := store.PutBlob(t.Context(), "", strings.NewReader(bytes))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 13, 0, 0, 0, time.UTC)
	links := page.Links{Base: "https://aide.example.org", Secret: []byte("sixteen bytes it"), Now: func() time.Time { return now }}

	var tk tickets.Ticket
	var file tickets.File
	var fileURL string
	err = store.Update(t.Context(), func(tx bot.Tx) error {
		var errs []error
		do := func(err error) { errs = append(errs, err) }
		alice := tickets.Person{Name: "Alice", Created: 1}
		do(tx.AddPerson(&alice, tickets.Identity{Network: "mail", Account: "alice@example.net", Handle: "alice@example.net"}))
		camille := tickets.Person{Name: "Camille", Created: 1}
		do(tx.AddPerson(&camille, tickets.Identity{Network: "tchat", Account: "c1", Handle: "@camille"}))
		tk = tickets.Ticket{Desk: "support", Subject: "Panne", State: tickets.Waiting, Requester: alice.ID, Owner: camille.ID, Created: 1, Updated: 1}
		do(tx.AddTicket(&tk))
		mail := tickets.Link{Ticket: tk.ID, Kind: tickets.MailLink, Adapter: "mail", Room: "support@example.org", Person: alice.ID}
		do(tx.AddLink(&mail))
		team := tickets.Link{Ticket: tk.ID, Kind: tickets.TeamLink, Adapter: "tchat", Room: "equipe"}
		do(tx.AddLink(&team))
		do(tx.PutParticipant(tickets.Participant{Ticket: tk.ID, Person: alice.ID, Part: tickets.Requester, Link: mail.ID}))
		asked := tickets.Entry{Ticket: tk.ID, Kind: tickets.Message, Audience: tickets.Participants, Author: alice.ID, Name: "Alice", Body: "Rien ne va.", Revision: 1, At: 1000, Link: mail.ID}
		do(tx.AddEntry(&asked, ""))
		file = tickets.File{Entry: asked.ID, Name: "journal.log", Type: "text/plain", Size: size, Blob: hash, State: tickets.FileStored}
		do(tx.AddFile(&file))
		note := tickets.Entry{Ticket: tk.ID, Kind: tickets.Note, Audience: tickets.Team, Author: camille.ID, Name: "Camille", Body: "C’est réparé.", Revision: 1, At: 2000, Link: team.ID}
		do(tx.AddEntry(&note, ""))
		reply := tickets.Entry{Ticket: tk.ID, Kind: tickets.Reply, Audience: tickets.Participants, Author: camille.ID, Name: "Camille", Body: "C’est réparé.", Revision: 1, At: 3000, Source: note.ID}
		do(tx.AddEntry(&reply, ""))
		do(tx.PutReply(tickets.ReplyRow{Entry: reply.ID, Ticket: tk.ID, Source: note.ID, State: tickets.Lost, By: camille.ID, Approved: camille.ID, Link: mail.ID, Created: 3000}))
		said := outbox.Delivery{Link: mail.ID, Adapter: "mail", Entry: reply.ID, Reply: reply.ID, Ticket: tk.ID, Op: outbox.Say, Key: "k1", Body: "{}", State: outbox.Done, Created: 3000, DoneAt: 4000}
		do(tx.AddDelivery(&said))
		do(tx.PutRecipient(outbox.Recipient{Delivery: said.ID, Address: "alice@example.net", State: chat.Accepted}))
		do(tx.PutRecipient(outbox.Recipient{Delivery: said.ID, Address: "bureau@example.net", State: chat.Failed, Reason: `{"fr":"boîte inconnue","en":"no such mailbox"}`}))
		// What the team's rooms were told, and words about the reply, are not
		// its fate.
		for key, link := range map[string]tickets.ID{"k2": team.ID, "k3": mail.ID} {
			d := outbox.Delivery{Link: link, Adapter: "tchat", Entry: note.ID, Reply: reply.ID, Ticket: tk.ID, Op: outbox.Say, Key: key, Body: "{}", State: outbox.Ready, Created: 3000}
			do(tx.AddDelivery(&d))
		}
		url, token, expires := links.File(file, now)
		fileURL = url
		do(tx.AddFileToken(token, file.ID, tickets.At(expires)))
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}

	source := page.FromStore(store)
	v, ok, err := source.Ticket(t.Context(), tk.ID, page.Window{Limit: 2})
	if err != nil || !ok {
		t.Fatalf("ticket: %v, %v", ok, err)
	}
	if v.Owner != "Camille" || v.Earlier != 1 || v.Later != 0 || len(v.Entries) != 2 {
		t.Errorf("owner %q, %d earlier, %d later, %d entries", v.Owner, v.Earlier, v.Later, len(v.Entries))
	}
	alice := page.Person{ID: tk.Requester, Name: "Alice", Handles: []string{"alice@example.net"}, Part: tickets.Requester}
	if diff := cmp.Diff(alice, v.Requester); diff != "" {
		t.Errorf("requester (-want +got):\n%s", diff)
	}
	reply := v.Entries[1]
	mail := page.Where{Kind: tickets.MailLink, Adapter: "mail", Room: "support@example.org"}
	want := []page.Send{{To: mail, Person: "alice@example.net", State: page.SendAccepted, At: 4000},
		{To: mail, Person: "bureau@example.net", State: page.SendFailed, Reason: chat.Text{FR: "boîte inconnue", EN: "no such mailbox"}, At: 4000}}
	if diff := cmp.Diff(want, reply.Sends); diff != "" {
		t.Errorf("sends (-want +got):\n%s", diff)
	}
	if reply.Reply == nil || reply.Reply.State != tickets.Lost || reply.By != "Camille" || reply.Approved != "Camille" {
		t.Errorf("reply %+v", reply)
	}
	before, _, err := source.Ticket(t.Context(), tk.ID, page.Window{Before: v.Entries[0].ID, Limit: 2})
	if err != nil || len(before.Entries) != 1 || before.Later != 2 || len(before.Entries[0].Files) != 1 || before.Entries[0].From != mail {
		t.Errorf("the window before: %+v, %v", before.Entries, err)
	}
	if _, ok, err := source.Ticket(t.Context(), tk.ID+1, page.Window{Limit: 2}); ok || err != nil {
		t.Errorf("a ticket that is not there: %v, %v", ok, err)
	}
	if _, ok, err := source.File(t.Context(), file.ID+1); ok || err != nil {
		t.Errorf("a file that is not there: %v, %v", ok, err)
	}
	if _, err := source.OpenBlob(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("bytes that are not there: %v", err)
	}

	catalog, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.New(page.Options{Source: source, Links: links, Catalog: catalog, Now: links.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pages)
	defer server.Close()
	get := func(url string) (int, string) {
		t.Helper()
		res, err := server.Client().Get(server.URL + strings.TrimPrefix(url, "https://aide.example.org"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if status, body := get(fileURL); status != http.StatusOK || body != bytes {
		t.Errorf("file: status %d, %q", status, body)
	}
	if status, body := get(links.Ticket(tk.ID)); status != http.StatusOK || !strings.Contains(body, "journal.log") || !strings.Contains(body, "boîte inconnue") {
		t.Errorf("page: status %d\n%s", status, body)
	}
	now = now.AddDate(0, 0, 38)
	if status, _ := get(fileURL); status != http.StatusNotFound {
		t.Errorf("an ended file link: status %d", status)
	}
}
