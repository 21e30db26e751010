package outbox

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

func TestIdleLanesAreForgotten(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.hold = true
		for range 1000 {
			l := s.link()
			s.box.Add(s.say(l, "text", func(d *Delivery) { d.Entry = d.ID }), s.topic(l, "state"))
		}
		synctest.Wait()
		if s.lanes() != 1000 || s.box.Waiting() != 0 {
			t.Errorf("%d lanes, %d waiting; what is not on disk is kept", s.lanes(), s.box.Waiting())
		}
		s.note()
		synctest.Wait()
		if s.lanes() != 0 {
			t.Errorf("%d lanes are kept for nothing", s.lanes())
		}
	})
}

func TestCancelledLanesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		l := s.link()
		d := s.say(l, "text")
		s.box.Add(d) // before Run: nothing leaves
		s.box.Cancel(l, d.ID)
		if s.lanes() != 0 {
			t.Error("the lane of a cancelled delivery is kept")
		}
	})
}

// A lane whose head cannot go keeps living; what it did meanwhile must not
// pile up in it.
func TestALongLivedLaneForgets(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.entries[7] = []string{"m7"}
		s.fails(&chat.Error{Kind: chat.RateLimited, RetryAfter: 30 * 24 * time.Hour}, is("head"))
		lane := func() *lane {
			s.box.mu.Lock()
			defer s.box.mu.Unlock()
			return s.box.lanes[l]
		}
		for i := range 300 {
			s.box.Add(s.say(l, fmt.Sprint(i), func(d *Delivery) { d.Entry = d.ID }))
		}
		stuck := s.say(l, "head")
		s.box.Add(stuck)
		synctest.Wait()
		mark := s.delivery(l, Mark, Payload{Target: 7, Emoji: "a"}, func(d *Delivery) { d.Slot = "mark:7" })
		for i := range 300 {
			s.box.Add(mark)
			mark = newer(mark, Payload{Target: 7, Emoji: string(rune('b' + i%20))})
			gone := s.say(l, "taken back")
			s.box.Add(gone)
			s.box.Cancel(l, gone.ID)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		got := lane()
		s.box.mu.Lock()
		known, said, due, texts, states := len(got.known), len(got.said), len(got.due), len(got.texts), len(got.states)+len(got.order)
		s.box.mu.Unlock()
		if known != 1 || said != 0 || due != 1 || texts != 1 || states != 0 {
			t.Errorf("kept: %d known, %d said, %d due, %d texts, %d states; want the head alone", known, said, due, texts, states)
		}
		s.box.Cancel(l, stuck.ID)
		synctest.Wait()
		if s.lanes() != 0 {
			t.Error("the lane is kept")
		}
	})
}

// Many goroutines at once, for the race detector: nothing is lost, nothing is
// said twice, nothing is kept.
func TestEverythingAtOnce(t *testing.T) {
	const links, each = 20, 50
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		for range links {
			s.link()
		}
		s.run()
		var wg sync.WaitGroup
		for l := range tickets.ID(links) {
			wg.Add(2)
			go func() {
				defer wg.Done()
				for i := range each {
					s.box.Add(s.say(l+1, fmt.Sprintf("%d/%d", l, i)))
					if i%7 == 0 {
						time.Sleep(time.Millisecond) // idle: the lane is dropped, the next Add makes a new one
					}
				}
			}()
			go func() {
				defer wg.Done()
				for i := range each {
					s.box.Cancel(l+1, tickets.ID(1e6))
					if i%10 == 0 {
						s.box.Kick("net")
					}
					time.Sleep(time.Millisecond)
				}
			}()
		}
		wg.Wait()
		synctest.Wait()
		heard := map[string]int{}
		for _, c := range s.calls {
			heard[short(c.op)]++
		}
		if len(heard) != links*each || len(s.calls) != links*each {
			t.Errorf("%d texts in %d calls, want %d", len(heard), len(s.calls), links*each)
		}
		if s.lanes() != 0 || s.box.Waiting() != 0 {
			t.Errorf("%d lanes, %d waiting", s.lanes(), s.box.Waiting())
		}
		s.stop()
	})
}
