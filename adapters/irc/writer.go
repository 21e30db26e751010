package irc

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// verdictTimeout is how long a line of several may wait for its verdict before
// the next is not said any more.
const verdictTimeout = time.Minute

// job is lines to be written one behind the other.
type job struct {
	ctx   context.Context // ended before the first line: nothing is written
	lines []*line
}

// writer is the one goroutine that writes to a connection: what is put first
// is written first, at the rate that the server bears.
type writer struct {
	wire     *wire
	jobs     *queue[job]
	confirms *confirms
	limit    *rate.Limiter
	facts    func() (labels, echo, tags bool)
}

// put queues a job; false: the connection is over.
func (w *writer) put(j job) bool { return w.jobs.put(j) }

// command queues a line whose fate nobody waits for here.
func (w *writer) command(command, target, body string) {
	w.put(job{ctx: context.Background(), lines: []*line{{command: command, target: target, body: body}}})
}

// run writes until ctx ends or writing fails.
func (w *writer) run(ctx context.Context) error {
	defer func() {
		for _, j := range w.jobs.close() {
			w.confirms.refuse(j.lines)
		}
		w.confirms.cut()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.jobs.ready:
		}
		jobs := w.jobs.take()
		for i, j := range jobs {
			if err := w.job(ctx, j, i+1 < len(jobs) || w.jobs.len() > 0); err != nil {
				for _, j := range jobs[i+1:] {
					w.confirms.refuse(j.lines)
				}
				return err
			}
		}
	}
}

// job writes the lines of one job. more says that others wait, so that one
// PING may speak for all.
func (w *writer) job(ctx context.Context, j job, more bool) error {
	labels, echo, tags := w.facts()
	unsure := false // some line needs the PING
	for i, l := range j.lines {
		if err := w.limit.Wait(ctx); err != nil {
			w.confirms.refuse(j.lines[i:])
			return nil // ctx ended: run sees it
		}
		if i == 0 && j.ctx.Err() != nil {
			w.confirms.refuse(j.lines)
			return nil
		}
		watched := l.fate != nil
		if watched {
			w.confirms.expect(l, labels)
		}
		if err := w.wire.line(l.raw(tags)); err != nil {
			w.confirms.refuse(j.lines[i+1:])
			return err
		}
		switch {
		case !watched:
		case labels || echo && l.command != "TOPIC":
			// The next line of this text goes when this one was said, so that
			// what was said is always a beginning.
			if i+1 < len(j.lines) && !w.said(ctx, l) {
				w.confirms.refuse(j.lines[i+1:])
				return nil
			}
		default:
			unsure = true
		}
	}
	if unsure && (!more || w.limit.Tokens() < 1) {
		return w.wire.line("PING :" + w.confirms.barrier())
	}
	return nil
}

// said waits for the verdict on l.
func (w *writer) said(ctx context.Context, l *line) bool {
	limit := time.NewTimer(verdictTimeout)
	defer limit.Stop()
	select {
	case <-l.fate:
		return l.verdict.err == nil
	case <-ctx.Done():
	case <-limit.C:
	}
	return false
}
