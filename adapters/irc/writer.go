package irc

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	// verdictTimeout is how long a line of several may wait for its verdict
	// before the next is not said any more.
	verdictTimeout = time.Minute
	// maxTogether is how many bytes go to the connection in one piece.
	maxTogether = 16 << 10
	// maxUnsure is how many lines one PING speaks for where the pace makes us
	// wait: it counts as a line with the server, too.
	maxUnsure = 4
)

// job is lines to be written one behind the other.
type job struct {
	ctx   context.Context // ended: what is not written yet stays so
	lines []*line
	next  int // of lines: what is written next
	// waits: the next line goes when the one before it was said, so that what
	// was said is always a beginning; from when on.
	waits bool
	since time.Time
	again *time.Timer // looks again when the verdict takes too long
}

// watched: somebody waits for what becomes of the lines.
func (j *job) watched() bool { return j.lines[0].fate != nil }

// writer is the one goroutine that writes to a connection: what is put first
// is written first, at the rate that the server bears. Nothing waits for the
// verdict on what others say; only a text of several lines goes on line by
// line, and meanwhile keeps its target for itself.
type writer struct {
	wire     *wire
	jobs     *queue[*job]
	confirms *confirms
	limit    *rate.Limiter
	facts    func() (labels, echo, tags bool)

	// What follows belongs to run.
	open   []*job // not written to the end, in order
	buf    []byte // not yet on the wire
	unsure int    // lines written that wait for a PING behind them
	batch  *line  // the last one that is a batch
}

// put queues a job; false: the connection is over.
func (w *writer) put(j *job) bool { return w.jobs.put(j) }

// command queues a line whose fate nobody waits for here.
func (w *writer) command(command, target, body string) {
	w.put(&job{ctx: context.Background(), lines: []*line{{command: command, target: target, body: body}}})
}

// run writes until ctx ends or writing fails.
func (w *writer) run(ctx context.Context) error {
	defer func() {
		for _, j := range append(w.open, w.jobs.close()...) {
			w.drop(j)
		}
		w.confirms.cut()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.jobs.ready:
		}
		w.open = append(w.open, w.jobs.take()...)
		if err := w.pass(ctx); err != nil {
			return err
		}
	}
}

// drop gives up what is left of a job.
func (w *writer) drop(j *job) {
	if j.again != nil {
		j.again.Stop()
	}
	w.confirms.refuse(j.lines[j.next:])
}

// pass writes of the open jobs what can be written now.
func (w *writer) pass(ctx context.Context) error {
	var taken map[string]bool // targets that a text keeps for itself
	left := w.open[:0:0]
	for i, j := range w.open {
		target := j.lines[0].target
		if j.watched() && taken[target] {
			left = append(left, j)
			continue
		}
		done, err := w.advance(ctx, j)
		if err != nil {
			w.open = append(left, w.open[i:]...)
			return err
		}
		if done {
			continue
		}
		if taken == nil {
			taken = make(map[string]bool)
		}
		taken[target] = true
		left = append(left, j)
	}
	w.open = left
	return w.flush(true)
}

// advance writes the lines of one job that can be written now; done says that
// none is left.
func (w *writer) advance(ctx context.Context, j *job) (done bool, err error) {
	for j.next < len(j.lines) {
		if j.waits {
			decided, said := w.confirms.outcome(j.lines[j.next-1])
			if !decided && time.Since(j.since) < verdictTimeout && j.ctx.Err() == nil {
				return false, nil
			}
			j.waits = false
			j.again.Stop()
			if !said {
				w.drop(j)
				return true, nil
			}
		}
		l := j.lines[j.next]
		if len(l.pieces) > 0 && w.batch != nil {
			// A refusal of a batch carries no label: one at a time.
			if decided, _ := w.confirms.outcome(w.batch); !decided {
				return false, nil
			}
			w.batch = nil
		}
		if err := w.pace(ctx, l.cost()); err != nil {
			return false, err
		}
		if ctx.Err() != nil || j.ctx.Err() != nil {
			w.drop(j)
			return true, nil
		}
		w.write(j, l)
	}
	return true, nil
}

// write takes a line up into what goes to the wire.
func (w *writer) write(j *job, l *line) {
	labels, echo, tags := w.facts()
	j.next++
	if l.fate != nil {
		w.confirms.expect(l, labels)
	}
	w.buf = l.append(w.buf, tags)
	switch {
	case l.fate == nil:
	case labels || echo && l.command != "TOPIC":
		if len(l.pieces) > 0 {
			w.batch = l
			w.confirms.tell(l, w.jobs.poke)
		}
		if j.next < len(j.lines) {
			j.waits, j.since, j.again = true, time.Now(), time.AfterFunc(verdictTimeout, w.jobs.poke)
			w.confirms.tell(l, w.jobs.poke)
		}
	default:
		w.unsure++
	}
}

// pace waits until the server bears n more lines. What was taken up before
// goes out first. It fails only when the connection does.
func (w *writer) pace(ctx context.Context, n int) error {
	for range n {
		if w.limit.Allow() {
			continue
		}
		if err := w.flush(w.unsure >= maxUnsure); err != nil {
			return err
		}
		if w.limit.Wait(ctx) != nil {
			return nil // ctx ended: the caller sees it
		}
	}
	if len(w.buf) > maxTogether {
		return w.flush(false)
	}
	return nil
}

// flush sends what was taken up, with a PING behind it where lines need it and
// ping says so.
func (w *writer) flush(ping bool) error {
	if ping && w.unsure > 0 {
		w.unsure = 0
		w.limit.Reserve() // it counts as a line, but does not wait itself
		w.buf = append(w.buf, "PING :"+w.confirms.barrier()+"\r\n"...)
	}
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.wire.write(w.buf)
	w.buf = w.buf[:0]
	if cap(w.buf) > 4*maxTogether {
		w.buf = nil
	}
	return err
}
