package sqlstore

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"permanence/tickets"
)

// Full text is where the dialects truly differ: SQLite has a virtual table,
// PostgreSQL an index on a function. Both are given the same words (letters
// and digits alone, each once), so that they find the same.

const (
	maxWord  = 64        // runes of a word; the rest of a longer one is not found
	maxWords = 128 << 10 // bytes of words for an entry; PostgreSQL refuses 1 MiB
	maxTerms = 8         // words of one search
)

// wordsOf gives the words of a folded text, each once.
func wordsOf(text string) []string {
	var list []string
	seen := make(map[string]bool)
	total := 0
	for w := range strings.FieldsFuncSeq(validText(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)
	}) {
		if utf8.RuneCountInString(w) > maxWord {
			w = string([]rune(w)[:maxWord])
		}
		if seen[w] {
			continue
		}
		if total += len(w) + 1; total > maxWords {
			break
		}
		seen[w] = true
		list = append(list, w)
	}
	return list
}

func (tx *Tx) addWords(entry tickets.ID, text string) error {
	words := wordsOf(text)
	if len(words) == 0 {
		return nil
	}
	_, err := tx.exec("INSERT INTO entry_words (rowid, words) VALUES ($1, $2)", entry, strings.Join(words, " "))
	return err
}

func (tx *Tx) dropWords(entry tickets.ID) error {
	_, err := tx.exec("DELETE FROM entry_words WHERE rowid = $1", entry)
	return err
}

// match is the condition for one word, with the pattern as $n.
func (d dialect) match(n int) string {
	if d == sqlite {
		return fmt.Sprintf("entry_words MATCH $%d", n)
	}
	return fmt.Sprintf("to_tsvector('simple', words) @@ to_tsquery('simple', $%d)", n)
}

// pattern is a search for the words that begin with w, which has letters and
// digits alone.
func (d dialect) pattern(w string) string {
	if d == sqlite {
		return `"` + w + `"*`
	}
	return `'` + w + `':*`
}

// searchQuery looks for tickets whose entries together hold all the words.
func (d dialect) searchQuery(desk string, words []string, limit int) (query string, args []any) {
	var b strings.Builder
	b.WriteString("SELECT " + ticketColumns + " FROM ticket WHERE id IN (")
	for i, w := range words {
		args = append(args, d.pattern(w))
		if i > 0 {
			b.WriteString(" INTERSECT ")
		}
		b.WriteString("SELECT e.ticket_id FROM entry_words JOIN entry e ON e.id = entry_words.rowid WHERE " + d.match(len(args)))
	}
	b.WriteString(")")
	if desk != "" {
		args = append(args, desk)
		fmt.Fprintf(&b, " AND desk = $%d", len(args))
	}
	args = append(args, limit)
	fmt.Fprintf(&b, " ORDER BY id DESC LIMIT $%d", len(args))
	return b.String(), args
}

// SearchTickets implements bot.Tx: the newest tickets first. An empty desk
// means all; without words nothing is found; of more than eight the first
// eight count.
func (tx *Tx) SearchTickets(desk string, words []string, limit int) (list []tickets.Ticket, err error) {
	words = wordsOf(strings.Join(words, " "))
	if len(words) == 0 {
		return nil, nil
	}
	query, args := tx.store.dialect.searchQuery(desk, slices.Clip(words[:min(len(words), maxTerms)]), limit)
	return list, tx.all(&list, query, args...)
}
