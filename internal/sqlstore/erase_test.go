package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"permanence/bot"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// TestEraseLeavesNothing puts a word everywhere an entry's text goes, erases
// the entry, and looks for the word in every column of every table, and in the
// bytes of the SQLite file.
func TestEraseLeavesNothing(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		const secret = "hunter2secret"
		raw, _, err := s.PutBlob(t.Context(), "", strings.NewReader("raw "+strings.Repeat(secret, 1000)))
		if err != nil {
			t.Fatal(err)
		}
		attached, _, err := s.PutBlob(t.Context(), "", strings.NewReader("attached "+secret))
		if err != nil {
			t.Fatal(err)
		}
		sc := newScene(t, s, "alice")
		rows := []bot.InboxRow{
			{Adapter: "mail", Room: "support@example.org", EventID: "m1", Kind: "posted", Body: secret, Raw: raw},
			{Adapter: "mail", Room: "support@example.org", EventID: "m1", Revision: "2", Kind: "edited", Body: secret},
		}
		e := tickets.Entry{Ticket: sc.ticket.ID, Kind: tickets.Message, Audience: tickets.Participants, Author: sc.asker.ID,
			Body: "first " + secret, Folded: secret, Subject: secret, Raw: raw}
		inc := statuspage.Incident{UID: "i"}
		f := tickets.File{Name: secret, Ref: secret, Blob: attached, State: tickets.FileStored}
		mustUpdate(t, s, func(tx *Tx) error {
			if err := errors.Join(tx.StoreEvents(rows), tx.MarkDecided([]tickets.ID{rows[0].ID}, nil), tx.SetAside(rows[1].ID, "edit before the original")); err != nil {
				return err
			}
			if err := errors.Join(tx.AddEntry(&e, secret+" mot"), tx.AddIncident(&inc)); err != nil {
				return err
			}
			f.Entry = e.ID
			revised := e
			revised.Body, revised.Revision = "second "+secret, 2
			update := statuspage.Update{UID: "u", Incident: inc.ID, Entry: statuspage.ID(e.ID), Body: secret}
			if err := tx.AddUpdate(&update); err != nil {
				return err
			}
			return errors.Join(
				tx.PutText(update.ID, statuspage.PublicText{Lang: "en", Body: secret}),
				tx.ReviseEntry(revised, secret+" autre", 2),
				tx.AddCopy(tickets.Copy{Entry: e.ID, Adapter: "mail", Room: "support@example.org", Remote: "m1", Original: true}),
				tx.AddFile(&f), tx.AddFileToken("h", f.ID, 1<<60),
				tx.AddDelivery(&outbox.Delivery{Link: sc.link.ID, Entry: e.ID, Op: outbox.Say, Key: "k1", Body: secret, State: outbox.Done}),
				tx.AddDelivery(&outbox.Delivery{Link: sc.link.ID, Reply: e.ID, Op: outbox.Say, Key: "k2", Body: secret, State: outbox.Ready}),
			)
		})
		if before := tablesWith(t, s, secret); len(before) < 6 {
			t.Fatalf("the word stands only in %v", before)
		}
		mustUpdate(t, s, func(tx *Tx) error { return tx.EraseEntry(e.ID) })
		if left := tablesWith(t, s, secret); len(left) != 0 {
			t.Errorf("the word still stands in %v", left)
		}
		mustView(t, s, func(tx *Tx) error {
			if list, err := tx.SearchTickets("", []string{secret}, 10); len(list) != 0 || err != nil {
				t.Errorf("search finds it: %+v, %v", list, err)
			}
			got, err := tx.Entry(e.ID)
			if !got.Deleted || got.Raw != "" {
				t.Errorf("%+v", got)
			}
			other, err2 := tx.Entry(sc.first.ID)
			if other.Body != "Bonjour" {
				t.Errorf("the other entry is %+v", other)
			}
			return errors.Join(err, err2)
		})
		if s.dialect == sqlite {
			if _, err := s.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(s.source.path + "*")
			if err != nil || len(files) == 0 {
				t.Fatal(err)
			}
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(b, []byte(secret)) {
					t.Errorf("the bytes are still in %s", filepath.Base(file))
				}
			}
		}
		if err := s.update(t.Context(), func(tx *Tx) error { return tx.EraseEntry(999) }); !errors.Is(err, bot.ErrNotFound) {
			t.Errorf("no such entry: %v", err)
		}
	})
}

// tablesWith lists the columns in which a word stands.
func tablesWith(t *testing.T, s *Store, word string) (found []string) {
	t.Helper()
	query := "SELECT m.name || ' ' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
	if s.dialect == postgres {
		query = "SELECT table_name || ' ' || column_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type IN ('text', 'bytea')"
	}
	var columns []string
	// Past the tracer: this looks at whole tables.
	db := openURL(t, s.urlForTest(), Options{})
	if err := db.read.Select(&columns, query); err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		table, column, _ := strings.Cut(c, " ")
		var values [][]byte
		if err := db.read.Select(&values, fmt.Sprintf("SELECT %s FROM %s WHERE %s IS NOT NULL", column, table, column)); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		for _, v := range values {
			if bytes.Contains(v, []byte(word)) {
				found = append(found, table+"."+column)
				break
			}
		}
	}
	return found
}

// urlForTest gives the URL that opens the store again.
func (s *Store) urlForTest() string {
	if s.dialect == sqlite {
		return "sqlite:" + s.source.path
	}
	return s.source.url.String()
}
