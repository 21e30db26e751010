package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPushRuns(t *testing.T) {
	t.Setenv("IMAP_PASSWORD", "hunter2")
	dir := t.TempDir()
	lines, err := pusher([]string{"sh", "-c", `pwd; echo "$1"; env; printf 'a\033[2Jb\0c\377\n' >&2`, "sh", "$HOME; x"}, dir, time.Minute)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(lines, "\n")
	if strings.Contains(all, "hunter2") || strings.Contains(all, "\033") || !strings.Contains(all, "a[2Jbc") {
		t.Errorf("it said %q", lines)
	}
	if lines, _ := pusher([]string{"pwd"}, dir, time.Minute)(t.Context()); !slices.Equal(lines, []string{dir}) {
		t.Errorf("it runs in %q", lines)
	}
	if lines, _ := pusher([]string{"echo", "$HOME; x"}, dir, time.Minute)(t.Context()); !slices.Equal(lines, []string{"$HOME; x"}) {
		t.Errorf("a shell read %q", lines)
	}
}

func TestPushFails(t *testing.T) {
	var failed *pushError
	lines, err := pusher([]string{"sh", "-c", `i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo no such host >&2; exit 7`}, t.TempDir(), time.Minute)(t.Context())
	if !errors.As(err, &failed) || failed.text().EN != "the command sh failed: exit status 7 (no such host)." || len(lines) != pushLines || lines[0] != "line 2991" {
		t.Errorf("%v %q", err, lines)
	}
	if _, err := pusher([]string{"/nowhere/rsync"}, t.TempDir(), time.Minute)(t.Context()); !errors.As(err, &failed) || failed.limit != 0 {
		t.Errorf("%v", err)
	}
}

// TestPushEnds: a command that does not end is made to, with all that it
// started, and so is one that is under way when the program stops.
func TestPushEnds(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		limit := 300 * time.Millisecond
		if stopped {
			limit = time.Minute
			go func() {
				poll(t, t.Context(), "the child", func() bool { _, err := os.Stat(filepath.Join(dir, "pid")); return err == nil })
				cancel()
			}()
		}
		began := time.Now()
		_, err := pusher([]string{"sh", "-c", `trap "" TERM; sh -c 'trap "" TERM; echo $$ >new; mv new pid; while :; do sleep 1; done' & while :; do sleep 1; done`}, dir, limit)(ctx)
		cancel()
		if took := time.Since(began); took > limit+pushGrace+5*time.Second && !stopped || took > 20*time.Second {
			t.Errorf("it ended after %v", took)
		}
		var failed *pushError
		if stopped && !errors.Is(err, context.Canceled) || !stopped && (!errors.As(err, &failed) || !strings.Contains(failed.Error(), "had not ended after 300ms")) {
			t.Errorf("stopped %v: %v", stopped, err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		poll(t, ctx, "the end of what it started", func() bool { return gone(pid) })
		cancel()
	}
}

// gone tells whether a process has ended, be it that nobody has looked yet.
func gone(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}
