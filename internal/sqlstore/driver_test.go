package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"permanence/bot"
)

func TestStatementsArePreparedOnce(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialect) {
		s := openURL(t, newURL(t, d), Options{})
		s.write.SetMaxOpenConns(1)
		count := func() int {
			conn, err := s.write.Connx(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var n int
			err = conn.Raw(func(c any) error {
				n = len(c.(*cachingConn).cache)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count()
		for i := range 5 {
			mustUpdate(t, s, func(tx *Tx) error {
				return errors.Join(tx.SetTimer(bot.Timer{Name: fmt.Sprint(i)}), tx.DropTimer("0"))
			})
		}
		if n := count() - before; n != 2 {
			t.Errorf("%d statements are kept, want 2", n)
		}
		// No more than the limit, and those beyond it work.
		mustUpdate(t, s, func(tx *Tx) error {
			for i := range maxCached + 10 {
				var n int
				if err := tx.get(&n, fmt.Sprintf("SELECT %d + CAST($1 AS BIGINT)", i), 1); err != nil || n != i+1 {
					return fmt.Errorf("%d, %w", n, err)
				}
			}
			return nil
		})
		if n := count(); n != maxCached {
			t.Errorf("%d statements are kept", n)
		}
	})
}

// TestStatementWithinItself runs a statement while its own rows are read.
func TestStatementWithinItself(t *testing.T) {
	s := openURL(t, newURL(t, sqlite), Options{})
	mustUpdate(t, s, func(tx *Tx) error {
		for i := range 3 {
			if err := tx.SetTimer(bot.Timer{Name: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		const query = "SELECT name FROM timer WHERE name >= $1 ORDER BY name"
		var seen []string
		outer, err := tx.tx.Query(query, "0")
		if err != nil {
			return err
		}
		defer outer.Close()
		for outer.Next() {
			var name string
			if err := outer.Scan(&name); err != nil {
				return err
			}
			var inner []string
			if err := tx.all(&inner, query, name); err != nil {
				return err
			}
			seen = append(seen, name+strings.Join(inner, ""))
		}
		if got := strings.Join(seen, " "); got != "0012 112 22" {
			t.Errorf("%q", got)
		}
		return outer.Err()
	})
}

func TestAmong(t *testing.T) {
	for _, tt := range []struct {
		values []int
		want   string
	}{
		{[]int{7}, "($3) [7]"},
		{[]int{7, 8}, "($3, $4) [7 8]"},
		{[]int{7, 8, 9}, "($3, $4, $5, $6) [7 8 9 9]"},
	} {
		list, args := among(3, tt.values)
		if got := fmt.Sprintf("%s %v", list, args); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.values, got, tt.want)
		}
	}
}
