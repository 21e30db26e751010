package outbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"permanence/bot/chat"
	"permanence/tickets"
)

// step is one thing that happens to a Box from outside.
type step struct {
	what string // text, state, cancel, kick, note, again, wait
	link int
	slot int
	wait time.Duration
}

// answer is how the network answers the next call.
type answer struct {
	kind  chat.Kind
	ok    bool
	takes time.Duration
}

const (
	propLinks  = 3
	propSlots  = 2
	retryAfter = 37 * time.Second
)

// TestLanes plays random deliveries against a network that fails at random,
// and checks what a link promises, whatever fails:
//
//   - texts leave in order, each exactly once;
//   - a state leaves only when no text of its link is ready, and the newest
//     one is what stands in the end;
//   - one operation at a time in each link;
//   - attempts are numbered without a gap, and a RetryAfter is obeyed;
//   - in the end nothing is kept in memory.
func TestLanes(t *testing.T) {
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			what: rapid.SampledFrom([]string{"text", "text", "text", "state", "state", "cancel", "kick", "note", "again", "wait"}).Draw(t, "what"),
			link: rapid.IntRange(0, propLinks-1).Draw(t, "link"),
			slot: rapid.IntRange(0, propSlots-1).Draw(t, "slot"),
			wait: time.Duration(rapid.IntRange(0, 5000).Draw(t, "wait ms")) * time.Millisecond,
		}
	}), 1, 60)
	answers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) answer {
		return answer{
			kind:  rapid.SampledFrom([]chat.Kind{chat.Temporary, chat.RateLimited, chat.Permanent, chat.Unauthorised}).Draw(t, "kind"),
			ok:    rapid.Bool().Draw(t, "ok"),
			takes: time.Duration(rapid.IntRange(0, 3000).Draw(t, "takes ms")) * time.Millisecond,
		}
	}), 0, 40)
	rapid.Check(t, func(rt *rapid.T) {
		plan, script := steps.Draw(rt, "steps"), answers.Draw(rt, "answers")
		manual := rapid.Bool().Draw(rt, "notes wait")
		var broken []string
		inBubble(t, func(o *Options) { o.PerAdapter = 2 }, func(s *stage) {
			s.hold = manual
			broken = play(s, plan, script)
		})
		if len(broken) > 0 {
			rt.Fatalf("%s", strings.Join(broken, "\n"))
		}
	})
}

// model is what the test knows by itself of the deliveries.
type model struct {
	s      *stage
	broken []string
	rows   map[tickets.ID]*row
	byKey  map[string]*row
	busy   map[tickets.ID]bool // links
}

type row struct {
	Delivery
	cancelled, done bool
	attempts        int
	again           time.Time // not to be tried before; of texts
	asked           time.Time // not to be tried before, whatever happens
	settled         int       // the revision that stands or was refused for good
}

func (m *model) complain(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf("%s after %d calls", fmt.Sprintf(format, args...), len(m.s.calls)))
}

// head is the first text of a link that is still to leave.
func (m *model) head(link tickets.ID) *row {
	var h *row
	for _, r := range m.rows {
		if r.Link == link && r.Op.IsText() && !r.done && !r.cancelled && (h == nil || r.Position < h.Position) {
			h = r
		}
	}
	return h
}

func play(s *stage, plan []step, script []answer) []string {
	m := &model{s: s, rows: map[tickets.ID]*row{}, byKey: map[string]*row{}, busy: map[tickets.ID]bool{}}
	for range propLinks {
		s.link()
	}
	s.script = func(c call) (chat.Receipt, error) { return m.answer(c, script) }
	states := map[string]Delivery{}
	add := func(d Delivery) {
		s.mu.Lock()
		r := m.rows[d.ID]
		if r == nil {
			r = &row{}
			m.rows[d.ID] = r
			m.byKey[d.Key] = r
		}
		if d.Revision > r.Revision {
			r.attempts = 0
		}
		r.Delivery = d
		s.mu.Unlock()
		s.box.Add(d)
	}
	for _, st := range plan {
		link := tickets.ID(st.link + 1)
		switch st.what {
		case "text":
			add(s.say(link, "text"))
		case "state":
			slot := fmt.Sprintf("slot%d", st.slot)
			key := fmt.Sprintf("%d/%s", link, slot)
			d, ok := states[key]
			if !ok {
				d = s.delivery(link, Topic, Payload{}, func(d *Delivery) { d.Slot, d.Revision = slot, 0 })
			}
			d = newer(d, Payload{Topic: d.Key})
			states[key] = d
			add(d)
		case "cancel":
			s.mu.Lock()
			h := m.head(link)
			if h != nil {
				h.cancelled = true
			}
			s.mu.Unlock()
			if h != nil {
				s.box.Cancel(link, h.ID)
			}
		case "again": // rows read from the table: it has them, or their note is on its way
			s.mu.Lock()
			var ds []Delivery
			for _, r := range m.rows {
				noted := !slices.ContainsFunc(s.unnoted, func(u Result) bool { return u.Delivery.ID == r.ID })
				if r.Link == link && !r.cancelled && !(r.settled >= r.Revision && noted) && !(r.done && noted) {
					ds = append(ds, r.Delivery)
				}
			}
			s.mu.Unlock()
			s.box.Add(ds...)
		case "kick":
			s.mu.Lock()
			for _, r := range m.rows {
				r.again = time.Time{}
			}
			s.mu.Unlock()
			s.box.Kick("net")
		case "note":
			s.note()
		case "wait":
			time.Sleep(st.wait)
		}
		synctest.Wait()
		m.learn()
	}
	// The script ends, everything works: after an hour all has left.
	time.Sleep(2 * time.Hour)
	synctest.Wait()
	m.learn()
	s.note()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range m.rows {
		if r.Op.IsText() && !r.done && !r.cancelled {
			m.complain("text %d never left", r.ID)
		}
		if !r.Op.IsText() && r.settled != r.Revision {
			m.complain("state %d stands at revision %d, the newest is %d", r.ID, r.settled, r.Revision)
		}
	}
	s.mu.Unlock()
	if n, w := s.lanes(), s.box.Waiting(); n != 0 || w != 0 {
		m.complain("%d lanes and %d deliveries are kept", n, w)
	}
	s.mu.Lock()
	return m.broken
}

// learn takes the pauses from what was reported.
func (m *model) learn() {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	for _, res := range m.s.results {
		if r := m.rows[res.Delivery.ID]; res.Err != nil && !res.Final && res.Delivery.Attempts == r.attempts && res.Delivery.Revision == r.Revision {
			r.again = res.Again.Time()
		}
	}
	m.s.results = nil
}

// answer is the network: it checks the call and fails as the script says.
func (m *model) answer(c call, script []answer) (chat.Receipt, error) {
	s := m.s
	s.mu.Lock()
	r := m.byKey[KeyOf(c.try.Key)]
	revision := r.Revision
	if m.busy[r.Link] {
		m.complain("link %d does two things at once", r.Link)
	}
	m.busy[r.Link] = true
	if r.cancelled {
		m.complain("delivery %d was taken back", r.ID)
	}
	if r.attempts++; c.try.Attempt != r.attempts {
		m.complain("delivery %d: attempt %d, want %d", r.ID, c.try.Attempt, r.attempts)
	}
	if r.attempts > 1 && s.heard[len(s.heard)-2] != fmt.Sprintf("count %d", r.attempts) && propLinks == 1 {
		m.complain("delivery %d: attempt %d was not counted", r.ID, r.attempts)
	}
	if c.at.Before(r.asked) {
		m.complain("delivery %d: tried %s too early", r.ID, r.asked.Sub(c.at))
	}
	h := m.head(r.Link)
	if r.Op.IsText() {
		if r.done {
			m.complain("text %d is said twice", r.ID)
		}
		if h != nil && h != r {
			m.complain("text %d passes %d", r.ID, h.ID)
		}
	} else if h != nil && h.attempts == 0 && !slices.ContainsFunc(s.calls, func(o call) bool { return o.at.Equal(c.at) && o.try.Key == h.Key }) {
		// A head that was never tried is ready.
		m.complain("state %d leaves before text %d, which is ready", r.ID, h.ID)
	}
	a := answer{ok: true}
	if c.n < len(script) {
		a = script[c.n]
	}
	s.mu.Unlock()
	time.Sleep(a.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.busy[r.Link] = false
	final := a.kind == chat.Permanent || a.kind == chat.Gone
	if a.ok || final {
		if r.Op.IsText() {
			r.done = true
		}
		r.settled = max(r.settled, revision)
	}
	if a.ok {
		return works(c), nil
	}
	e := &chat.Error{Kind: a.kind}
	if a.kind == chat.RateLimited {
		e.RetryAfter = retryAfter
		if revision == r.Revision || !r.Op.IsText() {
			r.asked = time.Now().Add(retryAfter).Truncate(time.Millisecond)
		}
	}
	return chat.Receipt{}, e
}
