package chattest

import (
	"context"
	"slices"
	"time"

	"permanence/bot/chat"
)

func duplicateEvents(b *bench) {
	b.did("duplicate", need(b, "give events twice", b.world.Faults.Duplicate)(b.ctx))
	token := b.token()
	b.say(token)
	b.heard(token)
	b.settle()
	b.heardOnce(token)
}

func reorderedEvents(b *bench) {
	b.did("reorder", need(b, "give events in the wrong order", b.world.Faults.Reorder)(b.ctx))
	first, second, third := b.token(), b.token(), b.token()
	b.say(first)
	b.say(second)
	b.heard(first)
	b.heard(second)
	// The cursor must have passed neither too far nor too little.
	b.halt()
	b.start()
	b.say(third)
	b.heard(third)
	b.settle()
	for _, token := range []string{first, second, third} {
		b.heardOnce(token)
	}
}

func inboxRefuses(b *bench) {
	const times = 3
	b.inbox.Refuse(times)
	token := b.token()
	b.say(token)
	b.heard(token)
	if n := b.inbox.Refusing(); n != 0 {
		b.Errorf("stored although %d refusals were left", n)
	}
	b.settle()
	b.heardOnce(token)
	// And what was refused when the adapter ended comes after a new start.
	if b.adapter.Caps(b.place()).History == chat.None {
		return
	}
	late := b.token()
	b.inbox.Refuse(1 << 30)
	b.say(late)
	b.await("a refused offer", func([]chat.Event) bool { return b.inbox.Refusing() < 1<<30 })
	b.halt()
	b.inbox.Refuse(0)
	b.start()
	b.heard(late)
	b.settle()
	b.heardOnce(late)
}

func sameKeyTwice(b *bench) {
	if !b.adapter.Caps(b.place()).Keys {
		b.cannot("no keys in messages")
	}
	token, key := b.token(), b.key()
	op := chat.Say{Place: b.place(), Content: chat.Content{Text: token}}
	first, err := b.adapter.Do(b.ctx, op, chat.Try{Key: key, Attempt: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.checkParts(first)
	b.sees(token)
	second, err := b.adapter.Do(b.ctx, op, chat.Try{Key: key, Attempt: 2})
	if err != nil {
		b.Fatal(err)
	}
	if !slices.Equal(ids(first), ids(second)) {
		b.Errorf("parts %v, then %v under the same key", ids(first), ids(second))
	}
	b.settle()
	if n := b.seenTimes(token); n != 1 {
		b.Errorf("seen %d times, want once", n)
	}
}

func ids(r chat.Receipt) []string {
	var out []string
	for _, p := range r.Parts {
		out = append(out, p.ID)
	}
	return out
}

// resumeAfterParts: parts that are known to be said are not said again, with
// or without keys.
func resumeAfterParts(b *bench) {
	limit := b.adapter.Caps(b.place()).MaxText
	if limit == 0 {
		b.cannot("no text is too long for one message")
	}
	token, key := b.token(), b.key()
	text, words := numbered(token, 3*limit)
	op := chat.Say{Place: b.place(), Content: chat.Content{Text: text}}
	whole, err := b.adapter.Do(b.ctx, op, chat.Try{Key: key, Attempt: 1})
	if err != nil {
		b.Fatal(err)
	}
	if len(whole.Parts) < 2 {
		b.Fatalf("%d parts for three times the limit", len(whole.Parts))
	}
	// Another delivery of the same text, whose first part was said before.
	done := ids(whole)[:1]
	r, err := b.adapter.Do(b.ctx, op, chat.Try{Key: b.key(), Attempt: 2, PartsDone: 1, Done: done})
	if err != nil {
		b.Fatal(err)
	}
	if len(r.Parts) != len(whole.Parts) || r.Parts[0].ID != done[0] {
		b.Errorf("parts %v, want %d beginning with %v", ids(r), len(whole.Parts), done)
	}
	b.awaitSeen(b.room, "the last word twice", func(list []Message) bool {
		n := 0
		for _, m := range list {
			if hasWord(m.Text, words[len(words)-1]) {
				n++
			}
		}
		return n == 2
	})
	if n := b.seenTimes(words[0]); n != 1 {
		b.Errorf("the first part is seen %d times, want once", n)
	}
}

func echoBeforeReceipt(b *bench) {
	b.did("echo first", need(b, "echo before it answers", b.world.Faults.EchoFirst)(b.ctx))
	token, key := b.token(), b.key()
	r, err := b.adapter.Do(b.ctx, chat.Say{Place: b.place(), Content: chat.Content{Text: token}}, chat.Try{Key: key, Attempt: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.checkParts(r)
	own := find(b.inbox.Events(), func(p *chat.Posted) bool { return p.ID == r.Parts[0].ID })
	outcome := find(b.inbox.Events(), func(o *chat.Outcome) bool { return o.RemoteID == r.Parts[0].ID })
	switch {
	case len(own) == 0 && len(outcome) == 0:
		b.Fatal("the echo came first, but the inbox does not have it")
	case len(own) > 0 && !own[0].From.Self:
		b.Error("our own message is not marked as ours")
	case len(own) > 0 && b.adapter.Caps(b.place()).Keys && own[0].Key != key:
		b.Errorf("our own message comes back with key %q, want %q", own[0].Key, key)
	}
	b.settle()
	if n := b.seenTimes(token); n != 1 {
		b.Errorf("seen %d times, want once", n)
	}
}

func killBetween(b *bench) {
	if !b.adapter.Caps(b.place()).Keys {
		b.cannot("no keys in messages, a double is possible")
	}
	b.did("drop receipt", need(b, "lose an answer", b.world.Faults.DropReceipt)(b.ctx))
	token, key := b.token(), b.key()
	op := chat.Say{Place: b.place(), Content: chat.Content{Text: token}}
	// What Do says matters little: the process dies here.
	ctx, cancel := context.WithTimeout(b.ctx, b.world.Timeout/3)
	_, err := b.adapter.Do(ctx, op, chat.Try{Key: key, Attempt: 1})
	cancel()
	if err == nil {
		b.Log("the adapter learned the fate by itself")
	} else if e := chat.AsError(err); e.Kind == chat.Permanent || e.Kind == chat.Gone {
		b.Errorf("an unknown fate is told as %v: it would not be tried again", e.Kind)
	}
	m := b.sees(token)
	b.halt()
	b.start()
	r, err := b.adapter.Do(b.ctx, op, chat.Try{Key: key, Attempt: 2})
	if err != nil {
		b.Fatal(err)
	}
	if m.ID != "" && (len(r.Parts) != 1 || r.Parts[0].ID != m.ID) {
		b.Errorf("the second attempt tells parts %v, the human sees %q", ids(r), m.ID)
	}
	b.settle()
	if n := b.seenTimes(token); n != 1 {
		b.Errorf("seen %d times, want once", n)
	}
}

func refused(b *bench) {
	fault := b.world.Faults.Refuse
	if fault == nil {
		b.cannot("the network cannot be made to refuse")
	}
	b.did("refuse", fault(b.ctx, b.room, true))
	token := b.token()
	op := chat.Say{Place: b.place(), Content: chat.Content{Text: token}}
	b.fails(op)
	b.elsewhere()
	b.did("refuse no more", fault(b.ctx, b.room, false))
	b.settle()
	if n := b.seenTimes(token); n != 0 {
		b.Errorf("refused, and seen %d times", n)
	}
	b.retry(op)
	b.sees(token)
}

func slowed(b *bench) {
	fault := b.world.Faults.Slow
	if fault == nil {
		b.cannot("the network cannot be made to slow the bot down")
	}
	b.did("slow", fault(b.ctx, true))
	token := b.token()
	op := chat.Say{Place: b.place(), Content: chat.Content{Text: token}}
	_, err := b.adapter.Do(b.ctx, op, chat.Try{Key: b.key(), Attempt: 1})
	said := err == nil // the adapter may wait by itself
	if err != nil {
		if e := chat.AsError(err); e.Kind != chat.RateLimited || e.RetryAfter <= 0 {
			b.Errorf("slowed: kind %v, retry after %v", e.Kind, e.RetryAfter)
		}
	}
	b.did("slow no more", fault(b.ctx, false))
	if !said {
		b.retry(op)
	}
	b.settle()
	if n := b.seenTimes(token); n != 1 {
		b.Errorf("seen %d times, want once", n)
	}
}

func roomGone(b *bench) {
	fault := b.world.Faults.RoomGone
	if fault == nil {
		b.cannot("the network cannot take a room away")
	}
	b.lossAndReturn(func(on bool) error { return fault(b.ctx, b.room, on) })
}

func rightRevoked(b *bench) {
	fault := b.world.Faults.Revoke
	if fault == nil {
		b.cannot("the network cannot take the right to speak")
	}
	b.lossAndReturn(func(on bool) error { return fault(b.ctx, b.room, on) })
}

// lossAndReturn: while a room is lost what is said there fails with a kind
// that is not retried hotly, the other room works, and after its return
// everything does, without a restart.
func (b *bench) lossAndReturn(lose func(on bool) error) {
	b.did("take it away", lose(true))
	restored := false
	defer func() {
		if !restored {
			_ = lose(false) // the next case wants the room
		}
	}()
	// The network may take a moment to tell the adapter.
	token := b.token()
	op := chat.Say{Place: b.place(), Content: chat.Content{Text: token}}
	b.fails(op, chat.Gone, chat.Unauthorised)
	b.elsewhere()
	restored = true
	b.did("give it back", lose(false))
	b.retry(op)
	b.sees(token)
	b.settle()
	if n := b.seenTimes(token); n != 1 {
		b.Errorf("seen %d times, want once", n)
	}
}

// elsewhere: the second room works in both directions.
func (b *bench) elsewhere() {
	b.Helper()
	if len(b.world.Rooms) < 2 {
		return
	}
	main := b.room
	b.room = b.world.Rooms[1]
	defer func() { b.room = main }()
	in, out := b.token(), b.token()
	b.say(in)
	b.heard(in)
	b.retry(chat.Say{Place: b.place(), Content: chat.Content{Text: out}})
	b.sees(out)
}

func serverRestarted(b *bench) {
	b.interrupted(need(b, "restart", b.world.Faults.Restart))
}

func connectionCut(b *bench) {
	b.interrupted(need(b, "cut the connection", b.world.Faults.Cut))
}

// interrupted: a cut is told and then its end, and nothing is lost or double.
func (b *bench) interrupted(cut func(context.Context) error) {
	before, out := b.token(), b.token()
	b.say(before)
	b.heard(before)
	seen := len(b.inbox.Events())
	b.did("cut", cut(b.ctx))
	b.await("the cut and its end", func(events []chat.Event) bool {
		states := connectionStates(events[seen:])
		i := slices.Index(states, chat.Cut)
		return i >= 0 && slices.Contains(states[i:], chat.CaughtUp)
	})
	after := b.token()
	b.say(after)
	b.heard(after)
	b.retry(chat.Say{Place: b.place(), Content: chat.Content{Text: out}})
	b.sees(out)
	b.settle()
	b.heardOnce(before)
	b.heardOnce(after)
	if n := b.seenTimes(out); n != 1 {
		b.Errorf("seen %d times, want once", n)
	}
	for _, c := range find(b.inbox.Events(), func(c *chat.Connection) bool { return c.State == chat.Cut }) {
		if c.Reason.FR == "" || c.Reason.EN == "" {
			b.Errorf("a cut without a reason to read: %+v", c.Reason)
		}
	}
}

func catchUp(b *bench) {
	if b.adapter.Caps(b.place()).History == chat.None {
		b.cannot("no history")
	}
	before, away := b.token(), []string{b.token(), b.token(), b.token()}
	b.say(before)
	b.heard(before)
	b.halt()
	for _, token := range away {
		b.say(token)
	}
	b.start() // waits for caught up: all of it must be there by then
	for _, token := range away {
		b.heardOnce(token)
		if !b.heard(token).Backlog {
			b.Errorf("%s was said while we were away, and is not marked so", token)
		}
	}
	b.settle()
	for _, token := range append(away, before) {
		b.heardOnce(token)
	}
	// Starting again with nothing new brings nothing.
	seen := b.inbox.Events()
	b.halt()
	b.start()
	for _, p := range find(b.inbox.Events()[len(seen):], func(*chat.Posted) bool { return true }) {
		b.Errorf("a start without news brings %q", p.Text)
	}
}

func endsPromptly(b *bench) {
	begin := time.Now()
	b.halt()
	b.Logf("Run returned after %v", time.Since(begin).Round(time.Millisecond))
	// Also while the inbox refuses.
	b.start()
	b.inbox.Refuse(1 << 30)
	b.say(b.token())
	b.await("a refused offer", func([]chat.Event) bool { return b.inbox.Refusing() < 1<<30 })
	b.halt()
	b.inbox.Refuse(0)
	// And also while it cannot connect or was just cut.
	b.start()
	if b.world.Faults.Cut != nil {
		b.did("cut", b.world.Faults.Cut(b.ctx))
	}
	b.halt()
	// An ended operation does not hang.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.adapter.Do(ctx, chat.Say{Place: b.place(), Content: chat.Content{Text: b.token()}}, chat.Try{Key: b.key(), Attempt: 1}); err == nil {
		b.Error("Do succeeded although its context had ended")
	}
}
