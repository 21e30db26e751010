package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"permanence/internal/testservers"
)

// TestIncidentOnPostgres: alone, a verb is stored where nobody leads; where a
// program runs on another machine, nothing is done here.
func TestIncidentOnPostgres(t *testing.T) {
	url := testservers.Postgres(t)
	config := quiet("'"+url+"'") + "status: {rooms: [\"tchat:etat\"]}\n"
	verb := func(file string, words ...string) (code int, out string) {
		t.Helper()
		cmd := &exec.Cmd{Path: os.Args[0], Args: append(append([]string{"permanence", "incident"}, words...), "--config", file), Env: os.Environ()}
		text, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(text)
	}
	here, there := writeConfig(t, config), writeConfig(t, config)
	if code, out := verb(here, "start", "mail", "is", "slow"); code != 0 || !strings.Contains(out, "tchat:etat: waiting") {
		t.Fatalf("alone: %d %s", code, out)
	}
	l, err := LoadConfig(there)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	app, err := OpenApp(ctx, l, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > leaseLife {
		t.Errorf("the lease was not given back: it took %v", took)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- app.Run(running) }()
	poll(t, ctx, "what was stored alone", func() bool {
		code, out := verb(there, "where", "1")
		return code == 0 && strings.Contains(out, "tchat:etat") && !strings.Contains(out, "⏳")
	})
	if code, out := verb(here, "end"); code != exitRunning || !strings.Contains(out, "is already running on this PostgreSQL database") {
		t.Errorf("beside one that runs elsewhere: %d %s", code, out)
	}
	if code, out := verb(there, "end"); code != 0 || !strings.Contains(out, "tchat:etat: told") {
		t.Errorf("by the one that runs: %d %s", code, out)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
