package bot_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"permanence/adapters/playground"
)

// TestTwoHundredLines: three people in three rooms of two networks talk at
// once; each line stands exactly once in each room, each person's in order.
func TestTwoHundredLines(t *testing.T) { both(t, twoHundredLines) }

func twoHundredLines(t *testing.T, on setup) {
	w := newWorld(t, on, twoRooms)
	card := w.ticketByMail("deux cents lignes")
	card2 := w.find("equipe2", "card", func(m playground.Message) bool { return m.Card })
	w.findOn(w.poor, "salle", "card line", has("#1"))
	const each = 67
	var group sync.WaitGroup
	say := func(f func(int) error) {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range each {
				if err := f(i); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	say(func(i int) error {
		_, err := w.rich.Post(t.Context(), "camille", playground.Draft{Room: "equipe", Thread: card.ID, Text: fmt.Sprintf("<c%03d>", i)})
		return err
	})
	say(func(i int) error {
		_, err := w.rich.Post(t.Context(), "dominique", playground.Draft{Room: "equipe2", Thread: card2.ID, Text: fmt.Sprintf("<d%03d>", i)})
		return err
	})
	say(func(i int) error {
		_, err := w.poor.Post(t.Context(), "sacha", playground.Draft{Room: "salle", Text: fmt.Sprintf("#1 <s%03d>", i)})
		return err
	})
	group.Wait()
	for _, room := range []struct {
		net  *playground.Network
		name string
	}{{w.rich, "equipe"}, {w.rich, "equipe2"}, {w.poor, "salle"}} {
		for _, who := range "cds" {
			find := func() (got []int) {
				for _, m := range room.net.Messages(room.name) {
					text := strings.NewReplacer("‹", "<", "›", ">", "\\", "").Replace(m.Text)
					if i := strings.Index(text, "<"+string(who)); i >= 0 && !m.Deleted {
						var n int
						if _, err := fmt.Sscanf(text[i+2:], "%d", &n); err == nil {
							got = append(got, n)
						}
					}
				}
				return got
			}
			w.await(fmt.Sprintf("%c's last line in #%s", who, room.name), func() bool { return len(find()) >= each })
			got := find()
			if len(got) != each {
				t.Errorf("#%s: %d lines of %c, want %d", room.name, len(got), who, each)
			}
			for i, n := range got {
				if n != i {
					t.Errorf("#%s: line %d of %c is number %d", room.name, i, who, n)
					break
				}
			}
		}
	}
}
