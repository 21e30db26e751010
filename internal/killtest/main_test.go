package killtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"permanence/internal/killtest/checker"
)

// asChecker makes the test binary a checker.
const asChecker = "PERMANENCE_KILLTEST_CHECKER"

func TestMain(m *testing.M) {
	if os.Getenv(asChecker) != "" {
		if err := checker.Run(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "checker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// build builds the program with its fail points.
func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "permanence")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "failpoint", "-o", binary, "permanence/cmd/permanence")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return binary
}

// ledger writes facts to a checker process.
type ledger struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser

	mu  sync.Mutex
	enc *json.Encoder
	err error
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{cmd: exec.Command(self)}
	l.cmd.Env = append(os.Environ(), asChecker+"=1")
	l.cmd.Stderr = os.Stderr
	in, err := l.cmd.StdinPipe()
	out, err2 := l.cmd.StdoutPipe()
	if err := errors.Join(err, err2, l.cmd.Start()); err != nil {
		t.Fatalf("start the checker: %v", err)
	}
	l.in, l.out, l.enc = in, out, json.NewEncoder(in)
	t.Cleanup(func() { l.in.Close() }) // where the test ended before verdict
	return l
}

// write adds a fact. The order of the calls is the order of the ledger.
func (l *ledger) write(f checker.Fact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, l.enc.Encode(f))
}

// verdict ends the ledger and waits for what the checker says.
func (l *ledger) verdict(t *testing.T) (v checker.Verdict) {
	t.Helper()
	l.mu.Lock()
	err := errors.Join(l.err, l.in.Close())
	l.mu.Unlock()
	err = errors.Join(err, json.NewDecoder(l.out).Decode(&v))
	if err := errors.Join(err, l.cmd.Wait()); err != nil {
		t.Fatalf("the checker gave no verdict: %v", err)
	}
	return v
}
