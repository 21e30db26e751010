package sqlstore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"permanence/tickets"
)

// schema describes every table, column and index of a database, but for
// goose's own.
func schema(t *testing.T, s *Store) []string {
	t.Helper()
	query := "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master WHERE tbl_name <> 'goose_db_version' ORDER BY 1"
	if s.dialect == postgres {
		query = `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '') || ' ' || is_identity
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'goose_db_version'
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'goose_db_version'
			UNION ALL SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'goose_db_version'
			ORDER BY 1`
	}
	var list []string
	if err := s.write.Select(&list, query); err != nil {
		t.Fatal(err)
	}
	for i, line := range list {
		list[i] = strings.Join(strings.Fields(line), " ")
	}
	return list
}

// frozen is the schema that the first release had. It is compared with what a
// fresh database gets: a change belongs into a new migration.
func frozen(t *testing.T) []migration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "0001_first.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return []migration{{1, "testdata/0001_first.sql", string(text)}}
}

func TestUpgradedSchemaEqualsFreshSchema(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		fresh := openURL(t, newURL(t, d), Options{})

		url := newURL(t, d)
		src, err := parseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		first, err := open(src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := first.migrateTo(t.Context(), frozen(t)); err != nil {
			t.Fatal(err)
		}
		// Something to be carried along.
		if _, err := first.write.Exec("INSERT INTO person (name, created_at) VALUES ('Alice', 1)"); err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}

		upgraded := openURL(t, url, Options{})
		if diff := cmp.Diff(schema(t, fresh), schema(t, upgraded)); diff != "" {
			t.Errorf("the upgraded schema is not the fresh one (-fresh +upgraded):\n%s", diff)
		}
		mustView(t, upgraded, func(tx *Tx) error {
			p, err := tx.Person(1)
			if p.Name != "Alice" {
				t.Errorf("%+v", p)
			}
			return err
		})
	})
}

// later are the migrations with one more.
func later(t *testing.T, text string) []migration {
	t.Helper()
	list, err := readMigrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	return append(list, migration{int64(len(list)) + 1, "later", text})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		url := newURL(t, d)
		s := openURL(t, url, Options{})
		if err := s.migrateTo(t.Context(), later(t, "CREATE TABLE later (n BIGINT)")); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), url, Options{})
		if err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("%v", err)
		}
	})
}

func TestCopyBeforeUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "permanence.db")
	s := openURL(t, "sqlite:"+path, Options{})
	p := tickets.Person{Name: "Alice"}
	mustUpdate(t, s, func(tx *Tx) error {
		return tx.AddPerson(&p, tickets.Identity{Network: "mail", Account: "alice@example.org"})
	})
	more := later(t, "CREATE TABLE later (n BIGINT); DELETE FROM identity; DELETE FROM person")
	copied := fmt.Sprintf("%s.before-%d", path, len(more))
	if _, err := os.Stat(copied); err == nil {
		t.Fatal("a fresh database was copied")
	}
	if err := s.migrateTo(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	old := openURL(t, "sqlite:"+copied, Options{}) // of the old schema, so it opens
	mustView(t, old, func(tx *Tx) error {
		got, err := tx.Person(p.ID)
		if got.Name != "Alice" {
			t.Errorf("the copy has %+v", got)
		}
		return err
	})
	for _, file := range []string{path, copied} {
		if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, fi.Mode(), err)
		}
	}
}

func TestFailedUpgradeLeavesAllAsItWas(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		s := openURL(t, newURL(t, d), Options{})
		before := schema(t, s)
		if err := s.migrateTo(t.Context(), later(t, "CREATE TABLE later (n BIGINT); SELECT nonsense")); err == nil {
			t.Fatal("nonsense was taken")
		}
		if diff := cmp.Diff(before, schema(t, s)); diff != "" {
			t.Errorf("half an upgrade remained:\n%s", diff)
		}
		if err := s.migrateTo(t.Context(), later(t, "CREATE TABLE later (n BIGINT)")); err != nil {
			t.Errorf("the next try: %v", err)
		}
	})
}

func TestExpand(t *testing.T) {
	const text = "a {{id}}\n{{sqlite}}\nb {{bytes}}\n{{postgres}}\nc {{bytes}}\n{{both}}\nd\n"
	if got, want := sqlite.expand(text), "a INTEGER PRIMARY KEY AUTOINCREMENT\nb BLOB\nd\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := postgres.expand(text), "a BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY\nc BYTEA\nd\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// bodiless are the text columns that hold no message: identifiers, states, and
// names that the configuration or the networks give. A text column must be
// here or in erasures.
var bodiless = []string{
	"*.adapter", "*.room", "*.thread", "*.kind", "*.state", "*.name", "*.network", "*.account", "*.handle", "*.desk",
	"*.role", "*.part", "*.raw_hash", "*.blob_hash", "*.hash", "*.uid", "*.lang", "*.language", "*.service", "*.key",
	"*.value", "*.data", "*.reason", "*.message_id", "*.address", "*.component", "*.status", "*.impact",
	"lease.holder", "inbox.event_id", "inbox.revision", "identity.name_key", "identity.handle_key",
	"entry.author_name", "reply.asked", "reply.gesture", "link.refs", "copy.remote_id", "file.type", "file.content_id",
	"file_token.token_hash", "delivery.op", "delivery.slot", "delivery.parts", "service.id",
	"incident.team_adapter", "incident.team_room", "incident.team_thread",
	"timer.body",                        // settings of the timer, never a message
	"ticket.subject",                    // see erasures
	"ticket.hints", "ticket.last_event", // words of the program
	"incident.title", "incident_title.body", // public, and corrected by `incident edit`
	"draft.verb", "draft.body", // words meant for everybody, dropped within half an hour
}

func TestErasuresHoldEveryBody(t *testing.T) {
	known := slices.Clone(bodiless)
	for _, e := range erasures() {
		for _, c := range e.columns {
			known = append(known, e.table+"."+c)
		}
	}
	s := openURL(t, newURL(t, sqlite), Options{})
	var found []string
	err := s.read.Select(&found, `SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.type IN ('TEXT', 'BLOB', '') AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%'
		AND m.name NOT LIKE 'entry\_words\_%' ESCAPE '\' AND c.name NOT IN ('entry_words', 'rank')`)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 50 {
		t.Errorf("only %d text columns were found", len(found))
	}
	for _, column := range found {
		_, name, _ := strings.Cut(column, ".")
		if !slices.Contains(known, column) && !slices.Contains(known, "*."+name) {
			t.Errorf("%s may hold a message: add it to erasures, or to bodiless with the reason", column)
		}
	}
}
