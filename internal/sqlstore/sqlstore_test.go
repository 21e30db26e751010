package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/bot"
	"permanence/internal/testservers"
	"permanence/tickets"
)

// newURL gives an empty database of a dialect.
func newURL(t testing.TB, d dialect) string {
	t.Helper()
	if d == postgres {
		return testservers.Postgres(t)
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "permanence.db")
}

// eachDialect runs a test on SQLite and on PostgreSQL.
func eachDialect(t *testing.T, f func(t *testing.T, d dialect)) {
	for _, d := range []dialect{sqlite, postgres} {
		t.Run(d.String(), func(t *testing.T) { f(t, d) })
	}
}

// forEachDialect gives the test an empty store. When it ends, each statement
// that it ran must have been found in an index.
func forEachDialect(t *testing.T, f func(t *testing.T, s *Store)) {
	eachDialect(t, func(t *testing.T, d dialect) {
		var ran statements
		s := openURL(t, newURL(t, d), Options{trace: ran.add})
		ran.reset() // migrations may do what they like
		t.Cleanup(func() { checkPlans(t, s, ran.reset()) })
		f(t, s)
	})
}

func openURL(t testing.TB, url string, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// statements are the distinct ones that were run.
type statements struct {
	mu   sync.Mutex
	list []string
}

func (s *statements) add(query string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.list, query) {
		s.list = append(s.list, query)
	}
}

func (s *statements) reset() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// scansAllowed are the statements that may look at a whole table.
var scansAllowed = []string{
	"DELETE FROM service",                              // the configuration's services, at start
	"SELECT hash FROM blob WHERE created_at",           // the daily sweep
	"FROM timer ORDER BY due_at",                       // all timers, at start
	"FROM ticket ORDER BY updated_at DESC, id DESC LI", // the newest, in the index
}

var (
	sqliteScan   = regexp.MustCompile(`^SCAN (\S+)(.*)`)
	placeholders = regexp.MustCompile(`\$(\d+)`)
)

// checkPlans asks the planner how it would find the rows of each statement. A
// scan of an index that holds only what is asked for (a partial one) is fine.
func checkPlans(t *testing.T, s *Store, list []string) {
	t.Helper()
	for _, query := range list {
		verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
		if !slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "INSERT"}, verb) ||
			slices.ContainsFunc(scansAllowed, func(a string) bool { return strings.Contains(query, a) }) {
			continue
		}
		if verb == "INSERT" && !strings.Contains(query, "SELECT") {
			continue // SQLite names the foreign keys that it will not look at
		}
		plan, err := explain(s, query)
		if err != nil {
			t.Errorf("explain %s: %v", query, err)
		}
		for _, line := range plan {
			if s.dialect == postgres {
				if strings.Contains(line, "Seq Scan on") {
					t.Errorf("no index for %s\n%s", query, strings.Join(plan, "\n"))
					break
				}
				continue
			}
			m := sqliteScan.FindStringSubmatch(line)
			if m != nil && m[1] != "CONSTANT" && !strings.Contains(m[2], "INDEX") {
				t.Errorf("no index for %s\n%s", query, strings.Join(plan, "\n"))
				break
			}
		}
	}
}

func explain(s *Store, query string) ([]string, error) {
	n := 0
	for _, m := range placeholders.FindAllStringSubmatch(query, -1) {
		var i int
		fmt.Sscan(m[1], &i)
		n = max(n, i)
	}
	var lines []string
	if s.dialect == sqlite {
		rows, err := s.read.Query("EXPLAIN QUERY PLAN "+query, make([]any, n)...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return nil, err
			}
			lines = append(lines, detail)
		}
		return lines, rows.Err()
	}
	conn, err := s.write.Connx(context.Background())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// With sequential scans made expensive, one that is left has no index. The
	// generic plan does not know the values.
	prepare := "SET enable_seqscan = off; SET enable_bitmapscan = on; SET plan_cache_mode = force_generic_plan; PREPARE q AS " + query
	if _, err := conn.ExecContext(context.Background(), prepare); err != nil {
		return nil, err
	}
	execute := "EXPLAIN EXECUTE q"
	if n > 0 {
		execute += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + ")"
	}
	err = conn.SelectContext(context.Background(), &lines, execute)
	_, err2 := conn.ExecContext(context.Background(), "DEALLOCATE q; RESET enable_seqscan; RESET plan_cache_mode")
	return lines, errors.Join(err, err2)
}

// mustUpdate runs a write transaction that must succeed.
func mustUpdate(t testing.TB, s *Store, f func(tx *Tx) error) {
	t.Helper()
	if err := s.update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// mustView runs a read transaction that must succeed.
func mustView(t testing.TB, s *Store, f func(tx *Tx) error) {
	t.Helper()
	if err := s.view(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		why := errors.New("not today")
		add := func(tx bot.Tx) error { return tx.SetTimer(bot.Timer{Name: "t", Kind: "k"}) }
		if err := s.Update(t.Context(), func(tx bot.Tx) error { return errors.Join(add(tx), why) }); !errors.Is(err, why) {
			t.Errorf("the function's error became %v", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a panic was swallowed")
				}
			}()
			s.Update(t.Context(), func(tx bot.Tx) error { add(tx); panic("in the middle") })
		}()
		ctx, cancel := context.WithCancel(t.Context())
		if err := s.Update(ctx, func(tx bot.Tx) error { defer cancel(); return add(tx) }); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that ended before the commit: %v", err)
		}
		mustView(t, s, func(tx *Tx) error {
			if _, ok, err := tx.Timer("t"); ok || err != nil {
				t.Errorf("something remained: %v, %v", ok, err)
			}
			return nil
		})
		if err := s.Update(t.Context(), add); err != nil {
			t.Errorf("after all that: %v", err)
		}
	})
}

func TestViewCannotWrite(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		err := s.View(t.Context(), func(tx bot.Tx) error { return tx.DropTimer("t") })
		if err == nil {
			t.Error("a view wrote")
		}
	})
}

// TestViewIsASnapshot reads on while somebody writes.
func TestViewIsASnapshot(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		mustView(t, s, func(tx *Tx) error {
			if list, err := tx.Timers(); err != nil || len(list) != 0 {
				t.Errorf("%v, %v", list, err)
			}
			mustUpdate(t, s, func(tx *Tx) error { return tx.SetTimer(bot.Timer{Name: "t", Kind: "k"}) })
			list, err := tx.Timers()
			if len(list) != 0 {
				t.Error("the view sees what was written after it began")
			}
			return err
		})
	})
}

// TestDeadlines checks that the context's error is found, which lib/pq hides.
func TestDeadlines(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		err := s.update(ctx, func(tx *Tx) error {
			if s.dialect == postgres {
				_, err := tx.exec("SELECT pg_sleep($1)", 10)
				return err
			}
			<-ctx.Done()
			_, err := tx.exec("SELECT $1", 1)
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, bot.ErrAway) {
			t.Errorf("%v", err)
		}
		// With SQLite, a writer that waits for another one gives up too.
		mustUpdate(t, s, func(*Tx) error {
			if s.dialect == postgres {
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if err := s.update(ctx, func(*Tx) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waiting for the writer: %v", err)
			}
			return nil
		})
	})
}

func TestTextsBecomeValid(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		const broken = "a\x00b\xffc"
		mustUpdate(t, s, func(tx *Tx) error {
			if err := tx.SetTimer(bot.Timer{Name: broken, Kind: "k", Body: broken}); err != nil {
				return err
			}
			got, ok, err := tx.Timer(broken)
			if want := "a\uFFFDb\uFFFDc"; !ok || got.Body != want || got.Name != want {
				t.Errorf("%+v, %v", got, ok)
			}
			return err
		})
	})
}

func TestManyWritersAtOnce(t *testing.T) {
	forEachDialect(t, func(t *testing.T, s *Store) {
		var p tickets.Person
		mustUpdate(t, s, func(tx *Tx) error {
			p = tickets.Person{Name: "Alice"}
			return tx.AddPerson(&p, tickets.Identity{Network: "mail", Account: "alice@example.org"})
		})
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 20 {
					err := s.update(t.Context(), func(tx *Tx) error {
						return tx.AddTicket(&tickets.Ticket{Desk: "support", Subject: fmt.Sprint(w, i), State: tickets.New, Requester: p.ID})
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		mustView(t, s, func(tx *Tx) error {
			list, err := tx.Tickets(bot.TicketFilter{Limit: 1000})
			if len(list) != 160 {
				t.Errorf("%d tickets", len(list))
			}
			return err
		})
	})
}

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, want, fails string }{
		{"sqlite:permanence.db", "permanence.db", ""},
		{"sqlite:/var/lib/a b?.db", "/var/lib/a b?.db", ""},
		{"sqlite:", "", "names no file"},
		{"postgres://u:secret@db.example.org/p", "postgres://u:xxxxx@db.example.org/p?sslmode=require", ""},
		{"postgres://127.0.0.1/p", "postgres://127.0.0.1/p?sslmode=disable", ""},
		{"postgres://[::1]:5433/p", "postgres://[::1]:5433/p?sslmode=disable", ""},
		{"postgres://localhost/p?sslmode=verify-full", "postgres://localhost/p?sslmode=verify-full", ""},
		{"postgresql:///p?host=/run/postgresql", "postgresql:///p?host=%2Frun%2Fpostgresql&sslmode=disable", ""},
		{"mysql://u:secret@h/p", "", "neither"},
		{"permanence.db", "", "neither"},
	} {
		src, err := parseURL(tt.url)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", tt.url, err)
			}
			continue
		}
		if err != nil || src.String() != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.url, src, err, tt.want)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), "sqlite:"+filepath.Join(dir, "no", "permanence.db"), Options{})
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a folder that is not there: %v", err)
	}
	_, err = Open(t.Context(), "postgres://alice:secret@127.0.0.1:1/permanence", Options{})
	if !errors.Is(err, bot.ErrAway) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody listens: %v", err)
	}
	odd := filepath.Join(dir, "a b?c%41#.db")
	openURL(t, "sqlite:"+odd, Options{})
	if found, _ := filepath.Glob(filepath.Join(dir, "a b*.db")); len(found) != 1 || found[0] != odd {
		t.Errorf("the file is called %q", found)
	}
}

func TestNoRightToMakeTables(t *testing.T) {
	url := testservers.Postgres(t)
	admin := openURL(t, url, Options{})
	if _, err := admin.write.Exec("DROP TABLE goose_db_version; CREATE ROLE visitor LOGIN"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.write.Exec("DROP ROLE visitor") })
	_, err := Open(t.Context(), strings.Replace(url, "postgres@", "visitor@", 1), Options{})
	if err == nil || errors.Is(err, bot.ErrAway) || !strings.Contains(err.Error(), "OWNER TO") {
		t.Errorf("no right to make tables: %v", err)
	}
}
