package checker

import (
	"fmt"
	"slices"
	"strings"
)

// Judge looks at all facts in the order in which they happened.
func Judge(facts []Fact) Verdict {
	j := judge{
		sent: map[string]Fact{}, notes: map[string]Fact{}, gestures: map[string]Fact{}, stopped: map[string]bool{},
		told: map[string]int{}, taken: map[string][]taking{}, acks: map[string][]taking{},
	}
	for i, f := range facts {
		j.note(i, f)
	}
	j.received()
	j.threads()
	j.replies()
	j.acknowledged()
	j.inside()
	return j.verdict
}

// taking is one mail taken, with its place in the ledger.
type taking struct {
	at   int
	mail Fact
}

// judge is the ledger, sorted.
type judge struct {
	verdict Verdict

	order    []string        // marks of customers' texts, as sent
	sent     map[string]Fact // mails and lines
	notes    map[string]Fact
	wishes   []string // marks of gestures, in order
	gestures map[string]Fact
	stopped  map[string]bool
	told     map[string]int // when a note was first seen marked as sent

	breaks []int // places in the ledger where an answer may have been lost
	mails  []taking
	taken  map[string][]taking // by mark of a note
	acks   map[string][]taking // by recipient
	team   []Fact
	public []Fact
}

func (j *judge) fault(format string, args ...any) {
	j.verdict.Faults = append(j.verdict.Faults, fmt.Sprintf(format, args...))
}

func (j *judge) note(i int, f Fact) {
	switch f.Kind {
	case Mail, Line:
		if f.Kind == Mail {
			j.verdict.Mails++
		} else {
			j.verdict.Lines++
		}
		j.order = append(j.order, f.Mark)
		j.sent[f.Mark] = f
	case Note:
		j.notes[f.Mark] = f
	case Gesture:
		j.verdict.Gestures++
		j.wishes = append(j.wishes, f.Mark)
		j.gestures[f.Mark] = f
	case Stop:
		j.stopped[f.Mark] = true
	case Told:
		if _, ok := j.told[f.Mark]; !ok {
			j.told[f.Mark] = i
		}
	case Kill:
		j.verdict.Kills++
		j.breaks = append(j.breaks, i)
	case Cut:
		j.breaks = append(j.breaks, i)
	case Taken:
		t := taking{i, f}
		j.mails = append(j.mails, t)
		for _, m := range marks(f.Text) {
			j.taken[m] = append(j.taken[m], t)
		}
		if f.Auto {
			for _, to := range f.To {
				to = strings.ToLower(to)
				j.acks[to] = append(j.acks[to], t)
			}
		}
	case TeamSees:
		j.team = append(j.team, f)
	case PublicSees:
		j.public = append(j.public, f)
	default:
		j.fault("unknown fact %q", f.Kind)
	}
}

// containing are the desk's messages with a mark.
func containing(room []Fact, mark string) (found []Fact) {
	for _, m := range room {
		if m.Desk && slices.Contains(marks(m.Text), mark) {
			found = append(found, m)
		}
	}
	return found
}

// received: whatever a customer was told is taken stands exactly once before
// the team.
func (j *judge) received() {
	for _, mark := range j.order {
		switch n := len(containing(j.team, mark)); {
		case n == 0:
			j.fault("lost: %s %s of %s was acknowledged and the team never saw it", j.sent[mark].Kind, mark, j.sent[mark].Talk)
		case n > 1:
			j.fault("doubled: %s %s of %s stands %d times before the team", j.sent[mark].Kind, mark, j.sent[mark].Talk, n)
		}
	}
	for _, m := range j.team {
		if !m.Desk {
			continue
		}
		for _, mark := range marks(m.Text) {
			if _, known := j.sent[mark]; known {
				continue
			}
			if _, own := j.notes[mark]; own {
				j.fault("doubled: the team's own note %s was said to the team again", mark)
			}
			// A text whose answer never came is neither owed nor forbidden.
		}
	}
}

// threads: a talk has one thread, and its lines stand there as they were sent.
func (j *judge) threads() {
	want := map[string][]string{}
	for _, mark := range j.order {
		talk := j.sent[mark].Talk
		want[talk] = append(want[talk], mark)
	}
	got, roots := map[string][]string{}, map[string][]string{}
	for _, m := range j.team {
		if !m.Desk {
			continue
		}
		root := m.Thread
		if root == "" {
			root = m.ID
		}
		for _, mark := range marks(m.Text) {
			f, known := j.sent[mark]
			if !known {
				continue
			}
			if !slices.Contains(got[f.Talk], mark) { // doubles are told above
				got[f.Talk] = append(got[f.Talk], mark)
			}
			if !slices.Contains(roots[f.Talk], root) {
				roots[f.Talk] = append(roots[f.Talk], root)
			}
		}
	}
	for _, talk := range sorted(want) {
		if n := len(roots[talk]); n > 1 {
			j.fault("scattered: %s has %d threads", talk, n)
		}
		there := slices.DeleteFunc(slices.Clone(want[talk]), func(m string) bool { return !slices.Contains(got[talk], m) })
		if !slices.Equal(there, got[talk]) {
			j.fault("out of order: %s was sent as %v and stands before the team as %v", talk, there, got[talk])
		}
	}
}

// replies: what was to be sent left exactly once, and the team was told.
func (j *judge) replies() {
	first := map[string][]int{} // where a talk's replies were first taken
	for _, mark := range j.wishes {
		g := j.gestures[mark]
		if j.stopped[mark] { // inside() looks whether it left
			j.signed(mark, g, nil)
			continue
		}
		if g.ByMail {
			ts := j.taken[mark]
			if len(ts) == 0 {
				j.fault("lost: reply %s of %s never left", mark, g.Talk)
			} else {
				first[g.Talk] = append(first[g.Talk], ts[0].at)
			}
			j.again("reply "+mark, ts, mark)
		} else {
			at := slices.IndexFunc(j.public, func(m Fact) bool { return m.Desk && slices.Contains(marks(m.Text), mark) })
			switch n := len(containing(j.public, mark)); {
			case n == 0:
				j.fault("lost: reply %s of %s never reached the channel", mark, g.Talk)
			case n > 1:
				j.fault("doubled: reply %s of %s stands %d times in the channel", mark, g.Talk, n)
			}
			if at >= 0 {
				first[g.Talk] = append(first[g.Talk], at)
			}
		}
		j.signed(mark, g, []string{SentSign})
	}
	for _, talk := range sorted(first) {
		if !slices.IsSorted(first[talk]) {
			j.fault("out of order: the replies of %s did not leave as they were sent", talk)
		}
	}
}

// signed: the note itself bears at the end the signs that are true of it, and
// no other.
func (j *judge) signed(mark string, g Fact, want []string) {
	for _, m := range j.team {
		if m.Desk || !slices.Contains(marks(m.Text), mark) {
			continue
		}
		if !slices.Equal(m.Signs, want) {
			j.fault("untold: reply %s of %s ends with the signs %q, not %q", mark, g.Talk, m.Signs, want)
		}
		return
	}
	j.fault("lost: note %s of %s is not in the team's room", mark, g.Talk)
}

// again judges a mail that was taken more than once: the same Message-ID, a
// break between the two, and never after the team was told that it has left.
func (j *judge) again(what string, ts []taking, mark string) {
	for i := range ts[:max(len(ts)-1, 0)] {
		a, b := ts[i], ts[i+1]
		told, wasTold := j.told[mark]
		broken := slices.ContainsFunc(j.breaks, func(at int) bool { return a.at < at && at < b.at })
		switch {
		case a.mail.MessageID == "" || a.mail.MessageID != b.mail.MessageID:
			j.fault("doubled: %s was taken as %s and as %s", what, a.mail.MessageID, b.mail.MessageID)
		case wasTold && told < b.at:
			j.fault("doubled: %s was taken again after the team had been told that it was sent", what)
		case !broken:
			j.fault("doubled: %s was taken twice, and nothing had broken", what)
		default:
			j.verdict.Doubles++
		}
	}
}

// acknowledged: one who opened a talk by mail hears of its arrival exactly
// once.
func (j *judge) acknowledged() {
	opened := map[string]bool{}
	for _, mark := range j.order {
		f := j.sent[mark]
		if !f.Opens {
			continue
		}
		from := strings.ToLower(f.From)
		opened[from] = true
		if len(j.acks[from]) == 0 {
			j.fault("lost: %s was never told that mail %s has arrived", f.From, mark)
		}
		j.again("the acknowledgement to "+f.From, j.acks[from], "")
	}
	for _, to := range sorted(j.acks) {
		if !opened[to] {
			j.fault("unasked: %s got an acknowledgement of nothing", to)
		}
	}
}

// inside: no note reaches anybody outside without its gesture, or against its
// stop.
func (j *judge) inside() {
	look := func(where, text string, byMail bool) {
		for _, mark := range marks(text) {
			n, isNote := j.notes[mark]
			if !isNote {
				continue
			}
			g, wished := j.gestures[mark]
			switch {
			case !wished:
				j.fault("leaked: note %s of %s stands in %s", mark, n.Talk, where)
			case j.stopped[mark]:
				j.fault("leaked: note %s of %s was stopped and stands in %s", mark, n.Talk, where)
			case g.ByMail != byMail:
				j.fault("leaked: note %s of %s went astray into %s", mark, n.Talk, where)
			}
		}
	}
	for _, t := range j.mails {
		look("a mail to "+strings.Join(t.mail.To, ", "), t.mail.Text, true)
	}
	for _, m := range j.public {
		look("the public channel", m.Text, false)
	}
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
