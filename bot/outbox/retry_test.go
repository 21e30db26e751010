package outbox

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

func TestAttemptsAreCountedBeforeDialling(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), first(2))
		s.box.Add(s.say(l, "text"))
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"text 1", "count 2", "text 2", "count 3", "text 3"}
		if !slices.Equal(s.heard, want) {
			t.Errorf("%q, want %q: the first one is counted where the row was made", s.heard, want)
		}
	})
}

func TestAttemptsAfterARestart(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.box.Add(s.say(l, "read at start", func(d *Delivery) { d.Attempts = 3 }),
			s.say(l, "never counted", func(d *Delivery) { d.Attempts = 0 }))
		synctest.Wait()
		want := []string{"read at start 3", "count 1", "never counted 1"}
		if !slices.Equal(s.heard, want) {
			t.Errorf("%q, want %q", s.heard, want)
		}
	})
}

func TestANewRevisionIsAFirstAttempt(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), first(1))
		st := s.topic(l, "old")
		s.box.Add(st)
		synctest.Wait()
		s.box.Add(newer(st, Payload{Topic: "new"}))
		synctest.Wait()
		want := []string{"topic old 1", "topic new 1"}
		if !slices.Equal(s.heard, want) {
			t.Errorf("%q, want %q", s.heard, want)
		}
	})
}

func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		attempt  int
		kind     chat.Kind
		from, to time.Duration
	}{
		{0, chat.Temporary, time.Second / 2, time.Second},
		{1, chat.Temporary, time.Second / 2, time.Second},
		{4, chat.Temporary, 4 * time.Second, 8 * time.Second},
		{1, chat.Unauthorised, 7500 * time.Millisecond, 15 * time.Second},
		{11, chat.Temporary, 5 * time.Minute, 10 * time.Minute},
		{1000, chat.Unauthorised, 5 * time.Minute, 10 * time.Minute},
	} {
		for range 100 {
			if got := backoff(c.attempt, c.kind); got < c.from || got > c.to {
				t.Errorf("attempt %d (%s): %s, want %s to %s", c.attempt, c.kind, got, c.from, c.to)
			}
		}
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(&chat.Error{Kind: chat.RateLimited, RetryAfter: 90 * time.Second}, first(2))
		st := s.topic(l, "old")
		s.box.Add(s.say(l, "text"), st)
		s.expect("text | topic old")
		time.Sleep(80 * time.Second)
		s.box.Kick("net") // connected again: the network's own pause stands
		s.box.Add(newer(st, Payload{Topic: "new"}))
		s.expect("text | topic old")
		time.Sleep(10 * time.Second)
		s.expect("text | topic old | text | topic new")
	})
}

func TestKickRetriesAtOnce(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), first(1))
		s.box.Add(s.say(l, "text", func(d *Delivery) { d.Attempts = 11 }))
		s.expect("text")
		s.box.Kick("another")
		s.expect("text")
		s.box.Kick("net")
		s.expect("text | text")
	})
}

// What began on the old connection and fails after the new one stands is tried
// again at once too, but not without end.
func TestKickReachesWhatIsUnderWay(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		release := make(chan struct{})
		s.script = func(c call) (chat.Receipt, error) {
			if c.n == 0 {
				<-release
			}
			return chat.Receipt{}, kind(chat.Temporary)
		}
		d := s.say(l, "text", func(d *Delivery) { d.Attempts = 11 })
		s.box.Add(d)
		s.expect("text")
		s.box.Kick("net")
		close(release)
		s.expect("text | text")
		s.box.Cancel(l, d.ID)
	})
}

func TestGivingUp(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.fails(kind(chat.Temporary), is("text"))
		end := time.Now().Add(2 * time.Hour)
		s.box.Add(s.say(l, "text", func(d *Delivery) { d.GiveUpAt = tickets.At(end) }), s.say(l, "next"))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		for i, r := range s.results {
			text := r.Delivery.ID == 1
			last := i+1 == len(s.results) || s.results[i+1].Delivery.ID != 1
			if text && r.Final != last {
				t.Errorf("result %d: final %v, last %v", i, r.Final, last)
			}
			if text && s.calls[i].at.After(end) {
				t.Error("tried after the time to give up")
			}
		}
		if r := s.results[len(s.results)-1]; r.Delivery.ID != 2 || r.Err != nil {
			t.Errorf("what came after did not leave: %+v", r)
		}
	})
}

func TestCancel(t *testing.T) {
	inBubble(t, func(o *Options) { o.PerAdapter = 1 }, func(s *stage) {
		a, b := s.link(), s.link()
		release := make(chan struct{})
		s.script = func(c call) (chat.Receipt, error) {
			if c.n == 0 {
				<-release
			}
			return works(c), nil
		}
		flying, queued := s.say(a, "under way"), s.say(a, "queued")
		s.box.Add(flying, queued)
		synctest.Wait()
		// The other link waits for the right to send: it has not begun.
		other, state := s.say(b, "waits for its turn"), s.topic(b, "old")
		s.box.Add(other, state)
		synctest.Wait()
		s.box.Cancel(a, flying.ID, queued.ID)
		s.box.Cancel(b, other.ID)
		s.box.Add(newer(state, Payload{Topic: "new"}))
		close(release)
		s.expect("under way | topic new")
		if len(s.results) != 2 || s.results[0].Err != nil {
			t.Errorf("what was under way is reported: %+v", s.results)
		}
		s.box.Cancel(99, 1) // nothing there
	})
}

func TestRecipients(t *testing.T) {
	mail := func(s *stage, l tickets.ID, more ...func(*Delivery)) Delivery {
		return s.delivery(l, Say, Payload{Content: &chat.Content{Text: "mail", Mail: &chat.Mail{From: "support@example.org",
			To: []string{"Alice@customers.example", "basile@customers.example"},
			Cc: []string{"support@example.org", "carole@customers.example", "alice@customers.example"}}}}, more...)
	}
	envelopes := func(s *stage) (all [][]string) {
		for _, c := range s.calls {
			all = append(all, c.op.(chat.Say).Content.Mail.Envelope)
		}
		return all
	}
	fate := func(address, state string, temporary bool) chat.Recipient {
		return chat.Recipient{Address: address, State: state, Temporary: temporary}
	}
	everybody := []string{"Alice@customers.example", "basile@customers.example", "carole@customers.example"}

	t.Run("attempts", func(t *testing.T) {
		inBubble(t, nil, func(s *stage) {
			s.script = func(c call) (chat.Receipt, error) {
				switch c.n {
				case 0:
					return chat.Receipt{}, &chat.Error{Receipt: chat.Receipt{Recipients: []chat.Recipient{
						fate("Alice@Customers.example", chat.Accepted, false), fate("basile@customers.example", chat.Failed, true),
						fate("carole@customers.example", chat.Failed, true)}}}
				case 1:
					return chat.Receipt{}, &chat.Error{Receipt: chat.Receipt{Recipients: []chat.Recipient{
						fate("basile@customers.example", chat.Failed, false), fate("carole@customers.example", chat.Failed, true)}}}
				}
				return works(c), nil
			}
			s.box.Add(mail(s, s.link()))
			time.Sleep(time.Minute)
			synctest.Wait()
			want := [][]string{everybody, everybody[1:], everybody[2:]}
			if got := envelopes(s); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("envelopes %q, want %q", got, want)
			}
		})
	})

	t.Run("after a restart", func(t *testing.T) {
		inBubble(t, nil, func(s *stage) {
			d := mail(s, s.link(), func(d *Delivery) { d.Attempts = 2 })
			s.recipients[d.ID] = []Recipient{{Address: "alice@customers.example", State: chat.Delivered},
				{Address: "basile@customers.example", State: chat.Delayed}}
			// A later attempt must still know whom the rows told of.
			s.script = func(c call) (chat.Receipt, error) {
				if c.n == 0 {
					return chat.Receipt{}, &chat.Error{Receipt: chat.Receipt{Recipients: []chat.Recipient{fate("carole@customers.example", chat.Accepted, false)}}}
				}
				return works(c), nil
			}
			s.box.Add(d)
			time.Sleep(time.Minute)
			synctest.Wait()
			want := [][]string{everybody[1:], everybody[1:2]}
			if got := envelopes(s); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("envelopes %q, want %q", got, want)
			}
		})
	})

	t.Run("nobody left", func(t *testing.T) {
		inBubble(t, nil, func(s *stage) {
			d := mail(s, s.link(), func(d *Delivery) { d.Attempts = 2; d.SetRemotes([]string{"id@example.org"}) })
			for _, a := range everybody {
				s.recipients[d.ID] = append(s.recipients[d.ID], Recipient{Address: a, State: chat.Accepted})
			}
			s.recipients[d.ID][0].Address = "alice@customers.example"
			s.box.Add(d)
			s.expect("") // an empty envelope would reach everybody once more
			if r := s.results[0]; r.Err != nil || len(r.Receipt.Parts) != 1 {
				t.Errorf("result %+v", r)
			}
		})
	})
}

func TestFileThatIsStillOnItsWay(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		l := s.link()
		s.files[5] = ErrFileWanted
		s.box.Add(s.delivery(l, Say, Payload{Content: &chat.Content{Text: "text", Files: []chat.File{{ID: 5, Name: "a.txt", Size: 5}}}}))
		s.expect("")
		if r := s.results[0]; r.Err == nil || r.Err.Kind != chat.Temporary || r.Err.Reason.FR == "" {
			t.Errorf("result %+v", r)
		}
		s.mu.Lock()
		delete(s.files, 5)
		s.mu.Unlock()
		time.Sleep(time.Minute)
		s.expect("text")
		r, err := s.calls[0].op.(chat.Say).Content.Files[0].Open()
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(r); string(b) != "bytes" {
			t.Errorf("file %q", b)
		}
	})
}

func TestWhatCannotBeDone(t *testing.T) {
	final := func(t *testing.T, r Result, k chat.Kind) {
		t.Helper()
		if r.Err == nil || !r.Final || r.Err.Kind != k || r.Err.Reason.FR == "" || r.Err.Reason.EN == "" {
			t.Errorf("result %+v, want a final one of kind %s with a reason", r, k)
		}
	}
	inBubble(t, nil, func(s *stage) {
		gone := s.link(func(l *tickets.Link) { l.Adapter = "dropped" })
		s.box.Add(s.say(gone, "text", func(d *Delivery) { d.Adapter = "dropped" }))
		synctest.Wait()
		final(t, s.results[0], chat.Permanent)
		l := s.link()
		s.box.Add(s.delivery(l, Say, Payload{})) // its body was erased
		synctest.Wait()
		final(t, s.results[1], chat.Permanent)
		s.box.Add(s.delivery(l, Delete, Payload{Target: 42})) // never said here
		synctest.Wait()
		final(t, s.results[2], chat.Permanent)
		s.expect("")
	})
}

func TestAdapterThatPanicsFailsAlone(t *testing.T) {
	inBubble(t, nil, func(s *stage) {
		s.script = func(c call) (chat.Receipt, error) {
			if short(c.op) == "poison" {
				panic("in the adapter")
			}
			return works(c), nil
		}
		a, b := s.link(), s.link()
		s.box.Add(s.say(a, "poison"), s.say(b, "fine"))
		synctest.Wait()
		for _, r := range s.results {
			if (r.Err != nil) != (r.Delivery.Link == a) {
				t.Errorf("result %+v", r)
			}
		}
	})
}

func TestMayStart(t *testing.T) {
	var may atomic.Bool
	inBubble(t, func(o *Options) { o.MayStart = may.Load }, func(s *stage) {
		s.box.Add(s.say(s.link(), "text"))
		time.Sleep(10*time.Second + time.Millisecond)
		s.expect("")
		may.Store(true)
		time.Sleep(time.Second)
		s.expect("text")
		if s.calls[0].try.Attempt != 1 || len(s.heard) != 1 {
			t.Errorf("heard %q: what did not start is not counted", s.heard)
		}
	})
}

func TestRunEndsPromptly(t *testing.T) {
	for _, c := range []struct {
		name    string
		takes   time.Duration // of the call under way; 0: until its context ends
		ends    time.Duration
		partial bool
		results int
	}{
		{"nothing under way", -1, 0, false, 0},
		{"waits for what is under way", 3 * time.Second, 3 * time.Second, false, 1},
		{"not for ever", 0, 5 * time.Second, false, 0},
		{"and keeps what was said", 0, 5 * time.Second, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, nil, func(s *stage) {
				l, failing := s.link(), s.link()
				s.script = func(call call) (chat.Receipt, error) {
					switch {
					case short(call.op) == "failing":
						return chat.Receipt{}, kind(chat.Temporary)
					case c.takes > 0:
						time.Sleep(c.takes)
						return works(call), nil
					}
					<-call.ctx.Done()
					if c.partial {
						return chat.Receipt{}, &chat.Error{Err: call.ctx.Err(), Receipt: chat.Receipt{Parts: []chat.Part{{ID: "p1"}}}}
					}
					return chat.Receipt{}, call.ctx.Err()
				}
				s.box.Add(s.say(failing, "failing"))
				if c.takes >= 0 {
					s.box.Add(s.say(l, "one"), s.say(l, "two"))
				}
				synctest.Wait()
				before, began := len(s.calls), time.Now()
				s.stop()
				if took := time.Since(began); took != c.ends {
					t.Errorf("Run ended after %s, want %s", took, c.ends)
				}
				s.box.Add(s.say(l, "after the end"))
				s.box.Kick("net")
				synctest.Wait()
				if len(s.calls) != before {
					t.Errorf("something began after the end: %s", s.said())
				}
				if got := len(s.results) - 1; got != c.results {
					t.Errorf("%d results besides the failing one, want %d", got, c.results)
				}
			})
		})
	}
}

func TestDatabaseAway(t *testing.T) {
	away := &awaySource{}
	inBubble(t, func(o *Options) { away.Source = o.Source; o.Source = away }, func(s *stage) {
		away.is.Store(true)
		l := s.link()
		s.fails(kind(chat.Temporary), first(1))
		s.box.Add(s.say(l, "text"))
		time.Sleep(5*time.Second + time.Millisecond)
		s.expect("")
		away.is.Store(false)
		time.Sleep(time.Second)
		s.expect("text")
		away.is.Store(true) // now the second attempt cannot be counted
		time.Sleep(time.Minute)
		s.expect("text")
		away.is.Store(false)
		time.Sleep(time.Second)
		s.expect("text | text")
		if got := s.calls[1].try.Attempt; got != 2 {
			t.Errorf("attempt %d, want 2", got)
		}
	})
}

// awaySource is a database that can go away.
type awaySource struct {
	Source
	is atomic.Bool
}

var errAway = errors.New("the database is away")

func (a *awaySource) Link(ctx context.Context, id tickets.ID) (tickets.Link, error) {
	if a.is.Load() {
		return tickets.Link{}, errAway
	}
	return a.Source.Link(ctx, id)
}

func (a *awaySource) CountAttempt(ctx context.Context, id tickets.ID, n int) error {
	if a.is.Load() {
		return errAway
	}
	return a.Source.CountAttempt(ctx, id, n)
}
