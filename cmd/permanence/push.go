package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"permanence/bot/chat"
)

const (
	// pushGrace is how long a command that was told to end may take.
	pushGrace = 2 * time.Second
	// pushKeeps is how much of a command's output is kept, in bytes, and how
	// many lines of that are shown.
	pushKeeps, pushLines = 4 << 10, 10
)

// pushError says why a command did not do its work.
type pushError struct {
	program string
	limit   time.Duration // it took longer; 0 where it ended by itself
	err     error
	last    string // of what it said
}

func (e *pushError) Error() string { return e.text().EN }
func (e *pushError) Unwrap() error { return e.err }

func (e *pushError) text() (t chat.Text) {
	said := ""
	if e.last != "" {
		said = " (" + e.last + ")"
	}
	switch {
	case e.limit != 0:
		t.FR = fmt.Sprintf("la commande %s n’avait pas fini après %s%s.", e.program, e.limit, said)
		t.EN = fmt.Sprintf("the command %s had not ended after %s%s.", e.program, e.limit, said)
	default:
		t.FR = fmt.Sprintf("la commande %s a échoué : %v%s.", e.program, e.err, said)
		t.EN = fmt.Sprintf("the command %s failed: %v%s.", e.program, e.err, said)
	}
	return t
}

// pusher runs a program with its arguments, without a shell, in dir. It gives
// the last lines of what the program said, on either output. The program has
// as long as limit says; at its end, or ctx's, it and what it started are told
// to end, and a little later made to.
func pusher(argv []string, dir string, limit time.Duration) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		timed, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		cmd := exec.CommandContext(timed, argv[0], argv[1:]...)
		cmd.Dir, cmd.Env = dir, pushEnviron(os.LookupEnv)
		var said tail
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
		cmd.WaitDelay = pushGrace
		err := cmd.Run()
		if err != nil && cmd.Process != nil && timed.Err() != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // most often none is left
		}
		lines := said.lines()
		if err == nil {
			return lines, nil
		}
		if ctx.Err() != nil {
			return lines, ctx.Err()
		}
		failed := &pushError{program: argv[0], err: err}
		if len(lines) > 0 {
			failed.last = lines[len(lines)-1]
		}
		if errors.Is(timed.Err(), context.DeadlineExceeded) {
			failed.limit = limit
		}
		return lines, failed
	}
}

// pushEnviron is what a command is given of our environment, which may hold
// secrets of the configuration.
func pushEnviron(lookup func(string) (string, bool)) []string {
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "TMPDIR", "SSH_AUTH_SOCK"} {
		if value, ok := lookup(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[max(0, len(p)-pushKeeps):]...)
	t.b = t.b[max(0, len(t.b)-pushKeeps):]
	return len(p), nil
}

// lines are the last ones, without what terminals would obey.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for line := range bytes.SplitSeq(t.b, []byte("\n")) {
		text := strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, strings.ToValidUTF8(string(line), ""))
		if text = strings.TrimSpace(text); text != "" {
			list = append(list, text)
		}
	}
	return list[max(0, len(list)-pushLines):]
}
