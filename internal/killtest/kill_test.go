package killtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/internal/testservers"
)

// point is a named place at which the program is killed, at each of the given
// hits of it, counted from the start of the process.
type point struct {
	name   string
	counts []int
}

func points() []point {
	hits := []int{1, 2, 3, 5, 8, 13, 1, 2}
	return []point{
		// The first of these are news of the connections, before anything came.
		{"inbox.accepted", []int{1, 5, 6, 7, 9, 12, 18, 24}},
		{"inbox.stored", []int{2, 5, 6, 7, 9, 12, 18, 24}},
		{"inbox.answering", []int{1, 2, 1, 3, 2, 1, 2, 1}},
		{"decider.deciding", hits},
		{"decider.before-commit", hits},
		{"decider.committed", hits},
		{"outbox.before-send", hits},
		{"outbox.after-send", hits},
		{"decider.noting", hits},
	}
}

// anywhere is a list of points and hits without any order.
func anywhere(n int) (list []string) {
	ps := points()
	for range n {
		list = append(list, fmt.Sprintf("%s:%d", ps[rand.IntN(len(ps))].name, 1+rand.IntN(20)))
	}
	return list
}

func at(point string, counts []int) (list []string) {
	for _, n := range counts {
		list = append(list, fmt.Sprintf("%s:%d", point, n))
	}
	return list
}

func TestKill(t *testing.T) {
	binary := build(t)
	t.Run("points", func(t *testing.T) {
		for _, p := range points() {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				survives(t, binary, plan{points: at(p.name, p.counts)})
			})
		}
		// A mark that was put there but not noted is soon overwritten by the next.
		t.Run("marks", func(t *testing.T) {
			t.Parallel()
			var list []string
			for i := range 15 {
				list = append(list, at("outbox.after-send", []int{1 + i*7%9})...)
				list = append(list, at("decider.noting", []int{1 + i*5%9})...)
			}
			survives(t, binary, plan{points: list, hold: 10 * time.Millisecond})
		})
		t.Run("anywhere", func(t *testing.T) {
			t.Parallel()
			list := anywhere(20)
			t.Logf("killed at %v", list)
			survives(t, binary, plan{points: list})
		})
	})
	// The checker must find fault with a program that is made worse.
	t.Run("red", func(t *testing.T) {
		for sabotage, c := range map[string]struct {
			points []string
			fault  string
		}{
			"inbox-key": {at("inbox.answering", []int{1, 2, 1, 3, 2}), "doubled: mail"},
			"sync":      {at("inbox.answering", []int{2, 3, 2, 3, 2}), "lost: mail"},
		} {
			t.Run(sabotage, func(t *testing.T) {
				t.Parallel()
				v, _, stuck := play(t, binary, plan{points: c.points, sabotage: sabotage, patience: 3 * time.Second, rounds: 2})
				if !slices.ContainsFunc(v.Faults, func(f string) bool { return strings.HasPrefix(f, c.fault) }) {
					t.Errorf("the checker found no %q in a program without %s: %q (%v)", c.fault, sabotage, v.Faults, stuck)
				}
				t.Logf("found: %q", v.Faults)
			})
		}
	})
	t.Run("postgres", func(t *testing.T) {
		// A leader that was killed holds its lease for four seconds.
		survives(t, binary, plan{points: at("decider.committed", []int{1, 2, 3, 5, 8}), database: testservers.PostgresDurable(t)})
	})
}

// survives plays a scene in which everything must be right.
func survives(t *testing.T, binary string, p plan) {
	p.patience, p.rounds, p.lines, p.cut = patience, 2, true, 4
	start := time.Now()
	v, s, stuck := play(t, binary, p)
	if stuck != nil {
		t.Errorf("the scene stopped: %v", stuck)
	}
	for _, f := range v.Faults {
		t.Error(f)
	}
	if s.keeper.kills < 5 || s.keeper.kills < len(p.points) || v.Kills != s.keeper.kills {
		t.Errorf("killed %d times, the checker heard of %d; want %d", s.keeper.kills, v.Kills, len(p.points))
	}
	if v.Mails < 8 || v.Lines < 8 || v.Gestures < 8 {
		t.Errorf("a scene of %d mails, %d lines and %d gestures is too short", v.Mails, v.Lines, v.Gestures)
	}
	t.Logf("%d kills, %d mails, %d lines, %d gestures, %d mails taken twice, in %v", v.Kills, v.Mails, v.Lines, v.Gestures, v.Doubles, time.Since(start).Round(time.Millisecond))
}
