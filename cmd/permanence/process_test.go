package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"permanence/bot"
	"permanence/internal/testservers"
)

// quiet is a configuration without a web server and without fixed ports.
func quiet(database string) string {
	return "name: Test\nlanguage: en\ndatabase: " + database + `
web: {listen: none}
adapters:
  mail: {type: email, listen: {smtp: "127.0.0.1:0"}}
  tchat: {type: playground}
desks:
  support: {rooms: ["tchat:equipe"], intakes: ["mail:support@example.org"]}
`
}

func writeConfig(t *testing.T, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "permanence.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// start runs the program as a process of its own.
func start(t *testing.T, args ...string) (cmd *exec.Cmd, output *lockedBuffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	output = new(lockedBuffer)
	// TestMain makes a process of that name the program.
	cmd = &exec.Cmd{Path: self, Args: append([]string{"permanence"}, args...), Stdout: output, Stderr: output, Env: os.Environ()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // an error means that it has ended
		cmd.Wait()
	})
	return cmd, output
}

func listens(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// TestKilledAndStartedAgain kills the process as the system would, and hands
// it a mail before and after.
func TestKilledAndStartedAgain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	file := writeConfig(t, quiet("sqlite:x.db"))
	p := paths{filepath.Join(filepath.Dir(file), "x.db")}
	env := envelope{From: "alice@example.net", To: "support@example.org"}
	for i := range 3 {
		cmd, output := start(t, "serve", "--config", file)
		poll(t, ctx, "the door for mail", func() bool { return listens(p.door("mail")) && listens(p.control()) })
		mail := fmt.Sprintf("From: alice@example.net\nTo: support@example.org\nSubject: Mail %d\nMessage-ID: <%d@example.net>\n\nHello.\n", i, i)
		if err := deliver(ctx, p.door("mail"), env, strings.NewReader(mail)); err != nil {
			t.Fatalf("mail %d: %v\n%s", i, err, output)
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // killed: its error is what we asked for
	}
	l, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	cmd, output := start(t, "serve", "--config", file)
	poll(t, ctx, "the control socket", func() bool { return listens(p.control()) })
	poll(t, ctx, "the end of the queue", func() bool {
		c, err := dialControl(ctx, pathsOf(l))
		if err != nil {
			return false
		}
		defer c.close()
		var s statusReport
		return c.call(ctx, "GET", "/status", nil, &s) == nil && s.Waiting == 0
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, output)
	}
	a, err := OpenApp(ctx, l, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	err = a.store.View(ctx, func(tx bot.Tx) error {
		list, err := tx.Tickets(bot.TicketFilter{})
		if len(list) != 3 {
			t.Errorf("%d tickets of three mails", len(list))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOneLeaderOnPostgres: two programs with configurations of their own on
// one database.
func TestOneLeaderOnPostgres(t *testing.T) {
	url := testservers.Postgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	open := func() (*App, error) {
		l, err := LoadConfig(writeConfig(t, quiet("'"+url+"'")))
		if err != nil {
			t.Fatal(err)
		}
		return OpenApp(ctx, l, slog.New(slog.DiscardHandler))
	}
	first, err := open()
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- first.Run(running) }()

	_, err = open()
	var other *runningError
	if !errors.As(err, &other) || !strings.Contains(other.who, fmt.Sprintf("process %d", os.Getpid())) || codeOf(err) != exitRunning {
		t.Errorf("the second one: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("the first one ended with %v", err)
	}
	began := time.Now()
	third, err := open()
	if err != nil {
		t.Fatalf("after the first one: %v", err)
	}
	if took := time.Since(began); took > leaseLife {
		t.Errorf("the lease was not given back: it took %v", took)
	}
	if err := third.close(); err != nil {
		t.Error(err)
	}
}
