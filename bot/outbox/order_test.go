package outbox

import (
	"testing"
	"testing/synctest"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

func TestTextsLeaveInOrder(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), first(2))
		one, two, three := s.say(l, "one"), s.say(l, "two"), s.say(l, "three")
		s.box.Add(one, three, two) // as rows read at start may come
		s.expect("one")
		time.Sleep(time.Minute)
		s.expect("one | one | one | two | three")
	})
}

func TestAnotherLinkDoesNotWait(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		a, b := s.link(), s.link()
		s.fails(kind(chat.Temporary), is("a"))
		s.box.Add(s.say(a, "a"), s.say(b, "b"))
		synctest.Wait()
		if s.box.Waiting() != 1 {
			t.Errorf("waiting: %d, want the one that fails", s.box.Waiting())
		}
	})
}

func TestStateLeavesWhileATextWaits(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), first(1))
		s.box.Add(s.say(l, "text"), s.topic(l, "state"))
		s.expect("text | topic state")
		time.Sleep(time.Minute)
		s.expect("text | topic state | text")
	})
}

func TestFailingStateHoldsNoTextUp(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), is("topic state"))
		s.box.Add(s.topic(l, "state"))
		s.expect("topic state")
		s.box.Add(s.say(l, "text"))
		s.expect("topic state | text")
	})
}

func TestNewestStateWins(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		release := make(chan struct{})
		s.script = func(c call) (chat.Receipt, error) {
			if c.n == 0 {
				<-release
			}
			return works(c), nil
		}
		old := s.topic(l, "old")
		s.box.Add(s.say(l, "text"), old)
		s.expect("text")
		s.box.Add(newer(old, Payload{Topic: "new"}))
		s.box.Add(old) // a row read late
		close(release)
		s.expect("text | topic new")
	})
}

func TestStateOverwrittenInFlightIsSentAgain(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.hold = true
		l := s.link()
		s.entries[7] = []string{"m7"}
		release := make(chan struct{})
		s.script = func(c call) (chat.Receipt, error) {
			if c.n == 0 {
				<-release
			}
			return works(c), nil
		}
		mark := s.delivery(l, Mark, Payload{Target: 7, Emoji: "⏳"}, func(d *Delivery) { d.Slot = "mark:7" })
		s.box.Add(mark)
		s.expect("+⏳ m7")
		mark = newer(mark, Payload{Target: 7, Emoji: "📬"}) // its row does not know of ⏳ yet
		s.box.Add(mark)
		close(release)
		s.expect("+⏳ m7 | -⏳ m7 | +📬 m7")
		// Once noted, the row says what stands.
		s.note()
		mark.Parts = "📬"
		s.box.Add(newer(mark, Payload{Target: 7}))
		s.expect("+⏳ m7 | -⏳ m7 | +📬 m7 | -📬 m7")
		s.note()
	})
}

func TestAStateThatIsDoneIsNotForgottenWhileANewerOneWaits(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.hold = true
		l := s.link()
		s.entries[7] = []string{"m7"}
		mark := s.delivery(l, Mark, Payload{Target: 7, Emoji: "⏳"}, func(d *Delivery) { d.Slot = "mark:7" })
		s.box.Add(mark)
		s.expect("+⏳ m7")
		// The next one was decided before the first was noted, and fails once.
		s.fails(kind(chat.Temporary), func(c call) bool { return c.n == 1 })
		s.box.Add(newer(mark, Payload{Target: 7, Emoji: "📬"}))
		s.expect("+⏳ m7 | -⏳ m7")
		s.note()
		time.Sleep(time.Minute)
		s.expect("+⏳ m7 | -⏳ m7 | -⏳ m7 | +📬 m7")
		s.note()
	})
}

// A mark whose answer was lost may stand: the next one takes it away too.
func TestAMarkThatMayStand(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.hold = true
		l := s.link()
		s.entries[7] = []string{"m7"}
		s.fails(kind(chat.Temporary), is("+b m7"))
		mark := s.delivery(l, Mark, Payload{Target: 7, Emoji: "a"}, func(d *Delivery) { d.Slot = "mark:7" })
		s.box.Add(mark)
		s.expect("+a m7")
		mark = newer(mark, Payload{Target: 7, Emoji: "b"})
		s.box.Add(mark)
		s.expect("+a m7 | -a m7 | +b m7")
		s.box.Add(newer(mark, Payload{Target: 7, Emoji: "c"}))
		s.expect("+a m7 | -a m7 | +b m7 | -a m7 | -b m7 | +c m7")
		s.note()
	})
}

func TestStateWaitsForWhatItIsAbout(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link(rootless)
		card := s.say(l, "card")
		root := s.links[l]
		root.Root = card.ID
		s.links[l] = root
		line := s.say(l, "line", func(d *Delivery) { d.Entry = 7 })
		s.fails(kind(chat.Temporary), first(1))
		s.box.Add(card, line,
			s.delivery(l, Card, Payload{Content: &chat.Content{Text: "later"}, TargetDelivery: card.ID}, func(d *Delivery) { d.Slot = "card" }),
			s.delivery(l, Mark, Payload{Target: 7, Emoji: "📬"}, func(d *Delivery) { d.Slot = "mark:7" }))
		s.expect("card")
		time.Sleep(time.Minute)
		s.expect("card | card | line | edit m:card later | +📬 m:line")
		for _, r := range s.results[1:] {
			if r.Err != nil {
				t.Errorf("%s failed: %v", r.Delivery.Op, r.Err)
			}
		}
		if got := chat.PlaceOf(s.calls[2].op).Thread; got != "m:card" {
			t.Errorf("the line went to thread %q", got)
		}
	})
}

func TestMarkWaitsForItsLine(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), first(1))
		s.box.Add(s.say(l, "line", func(d *Delivery) { d.Entry = 7 }),
			s.delivery(l, Mark, Payload{Target: 7, Emoji: "📬"}, func(d *Delivery) { d.Slot = "mark:7" }))
		s.expect("line")
		time.Sleep(time.Minute)
		s.expect("line | line | +📬 m:line")
	})
}

func TestNothingPassesAParkedRoot(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link(rootless, func(l *tickets.Link) { l.Room = "" })
		root := s.delivery(l, Direct, Payload{Account: &chat.Account{ID: "alice"}})
		link := s.links[l]
		link.Root = root.ID
		s.links[l] = link
		s.fails(kind(chat.Absent), first(1))
		s.box.Add(root, s.say(l, "text"), s.topic(l, "state"))
		s.expect("direct alice")
		time.Sleep(time.Hour * 3)
		s.expect("direct alice")
		root.Attempts++ // unparked
		s.box.Add(root)
		s.expect("direct alice | direct alice | text | topic state")
		if got := chat.PlaceOf(s.calls[2].op).Room; got != "dm-alice" {
			t.Errorf("the text went to room %q", got)
		}
	})
}

func TestRootGivenUp(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.hold = true
		l := s.link(rootless)
		root := s.say(l, "root")
		link := s.links[l]
		link.Root = root.ID
		s.links[l] = link
		s.fails(kind(chat.Permanent), first(1))
		waiting, late := s.say(l, "waiting"), s.say(l, "late")
		s.box.Add(root, waiting, s.topic(l, "state"))
		s.expect("root")
		s.box.Add(late) // decided before the failure was noted
		s.expect("root")
		// The decider closes what waits, in the transaction that notes it.
		link.Gone = true
		s.mu.Lock()
		s.links[l] = link
		s.mu.Unlock()
		s.box.Cancel(l, waiting.ID, waiting.ID+2, late.ID)
		s.note()
		synctest.Wait()
		s.box.Add(s.say(l, "later still"))
		s.expect("root")
		s.note()
		synctest.Wait()
		if r := s.results[len(s.results)-1]; !r.Final || r.Err == nil || r.Err.Kind != chat.Gone {
			t.Errorf("what came after the root was given up: %+v", r)
		}
		for _, r := range s.results {
			if r.Delivery.Op == Topic {
				s.box.Cancel(l, r.Delivery.ID)
			}
		}
	})
}

// The root's send seems to fail, but its echo has told that it stands.
func TestRootKnownByItsEcho(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link(rootless)
		root := s.say(l, "root")
		link := s.links[l]
		link.Root = root.ID
		s.links[l] = link
		release := make(chan struct{})
		s.script = func(c call) (chat.Receipt, error) {
			if c.n == 0 {
				<-release
				return chat.Receipt{}, kind(chat.Temporary)
			}
			return works(c), nil
		}
		s.box.Add(root, s.say(l, "text"))
		s.expect("root")
		link.Rootless, link.Thread = false, "echo"
		s.mu.Lock()
		s.links[l] = link
		s.mu.Unlock()
		s.box.Cancel(l, root.ID)
		close(release)
		s.expect("root | text")
		if got := chat.PlaceOf(s.calls[1].op).Thread; got != "echo" {
			t.Errorf("the text went to thread %q", got)
		}
	})
}

func TestAbsentParks(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Absent), first(1))
		d := s.say(l, "text")
		s.box.Add(d)
		time.Sleep(24 * time.Hour)
		s.expect("text")
		r := s.results[0]
		if r.Final || r.Again != 0 || r.Err.Kind != chat.Absent {
			t.Errorf("result %+v", r)
		}
		if s.lanes() != 0 {
			t.Error("a parked delivery keeps its lane in memory")
		}
		d.Attempts++
		s.box.Add(d)
		s.expect("text | text")
	})
}

func TestReplacedWhileItWaits(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), first(1))
		d, queued := s.say(l, "first"), s.say(l, "second")
		s.box.Add(d, queued)
		s.expect("first")
		d.SetPayload(Payload{Content: &chat.Content{Text: "first, corrected"}})
		queued.SetPayload(Payload{Content: &chat.Content{Text: "second, corrected"}})
		s.box.Replace(d, queued, s.say(99, "of no link"))
		time.Sleep(time.Minute)
		s.expect("first | first, corrected | second, corrected")
	})
}

func TestPartsAreResumed(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.script = func(c call) (chat.Receipt, error) {
			r := chat.Receipt{Parts: []chat.Part{{ID: "p1"}, {ID: "p2"}}}
			if c.n == 0 {
				return chat.Receipt{}, &chat.Error{Receipt: r}
			}
			r.Parts = append(r.Parts, chat.Part{ID: "p3"})
			return r, nil
		}
		s.box.Add(s.say(l, "long"))
		time.Sleep(time.Minute)
		s.expect("long | long")
		if got := s.calls[1].try; got.PartsDone != 2 || len(got.Done) != 2 || got.Done[1] != "p2" || got.Attempt != 2 {
			t.Errorf("second try %+v", got)
		}
		if got := s.results[0].Delivery.Remotes(); len(got) != 2 {
			t.Errorf("parts to be stored after the first: %v", got)
		}
	})
}

// Rows read again while a note is on its way are not performed again.
func TestAddedAgainBeforeItsNote(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.hold = true
		l := s.link()
		d, st := s.say(l, "text"), s.topic(l, "state")
		s.box.Add(d, st)
		s.expect("text | topic state")
		d.Attempts++
		st.Attempts++
		s.box.Add(d, st)
		s.expect("text | topic state")
		s.note()
		s.box.Add(newer(st, Payload{Topic: "newer"}))
		s.expect("text | topic state | topic newer")
		s.note()
	})
}
