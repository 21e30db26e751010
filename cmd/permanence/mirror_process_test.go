package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pushScript takes the files to ../remote, fails where ../fail is, and hangs
// where ../hang is.
const pushScript = `echo $$ >../pid
echo run >>../runs
if [ -e ../hang ]; then echo x >../hanging; while :; do sleep 1; done; fi
if [ -e ../fail ]; then echo no route to mirror >&2; exit 3; fi
rm -rf ../new ../old && cp -r . ../new
if [ -e ../remote ]; then mv ../remote ../old; fi
mv ../new ../remote
`

// site is a program that keeps a copy of its page.
type pushedSite struct {
	t    *testing.T
	ctx  context.Context
	dir  string
	file string
	web  string
}

func newPushedSite(t *testing.T) *pushedSite {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	web, _ := freePorts(t)
	file := writeConfig(t, fmt.Sprintf(`name: Test
language: en
database: sqlite:x.db
web: {listen: %q}
adapters:
  tchat: {type: playground}
desks:
  support: {rooms: ["tchat:equipe"], intakes: ["tchat:entraide"], agents: ["tchat:camille"]}
status:
  rooms: ["tchat:etat"]
  export: {folder: site, url: "https://etat.example.org", push: ["sh", "../push.sh"]}
`, web))
	s := &pushedSite{t: t, ctx: ctx, dir: filepath.Dir(file), file: file, web: "http://" + web}
	s.write("push.sh", pushScript)
	t.Cleanup(func() { // what hangs when the test ends
		if pid, err := strconv.Atoi(strings.TrimSpace(s.read("pid"))); err == nil {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // most often it has ended
		}
	})
	return s
}

func (s *pushedSite) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *pushedSite) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(s.dir, name)) // empty where it is not there
	return string(text)
}

func (s *pushedSite) remove(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *pushedSite) run(code int, args ...string) string {
	s.t.Helper()
	cmd := &exec.Cmd{Path: os.Args[0], Args: append([]string{"permanence"}, append(args, "--config", s.file)...), Env: append(os.Environ(), "LC_ALL=en_GB.UTF-8")}
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("%q: exit code %d (%v)\n%s", args, got, err, out)
	}
	return string(out)
}

func (s *pushedSite) serve() (*exec.Cmd, *lockedBuffer) {
	s.t.Helper()
	cmd, output := start(s.t, "serve", "--config", s.file)
	poll(s.t, s.ctx, "the control socket", func() bool { return listens(filepath.Join(s.dir, "x.db.sock")) })
	return cmd, output
}

func (s *pushedSite) wait(what string, ok func() bool) {
	s.t.Helper()
	poll(s.t, s.ctx, what, ok)
}

// TestPushedAfterEachChange: the copy is taken elsewhere at the start and
// after each change, also after a kill in the middle.
func TestPushedAfterEachChange(t *testing.T) {
	s := newPushedSite(t)
	cmd, _ := s.serve()
	s.wait("the first push", func() bool { return strings.Contains(s.read("remote/index.html"), "https://etat.example.org/") })
	s.run(0, "incident", "start", "mail is slow")
	s.wait("the incident", func() bool {
		return strings.Contains(strings.ToLower(s.read("remote/index.html")), "mail is slow")
	})

	s.write("hang", "")
	s.run(0, "incident", "update", "a disk failed")
	s.wait("the push", func() bool { return s.read("hanging") != "" })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // killed: its error is what we asked for
	if pid, err := strconv.Atoi(strings.TrimSpace(s.read("pid"))); err != nil || syscall.Kill(-pid, syscall.SIGKILL) != nil {
		t.Fatal("the command is not there")
	}
	if strings.Contains(s.read("remote/index.html"), "a disk failed") {
		t.Fatal("pushed while it hung")
	}
	s.remove("hang", "hanging")
	cmd, output := s.serve()
	s.wait("what was cut short", func() bool { return strings.Contains(s.read("remote/index.html"), "a disk failed") })

	// An end is not held up by a command that hangs.
	s.write("hang", "")
	s.run(0, "incident", "update", "it is replaced")
	s.wait("the push", func() bool { return s.read("hanging") != "" })
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, output)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it ended after %v", took)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(s.read("pid")))
	if err != nil {
		t.Fatal(err)
	}
	s.wait("the end of the command", func() bool { return gone(pid) })
}

// TestPushFailsAndIsTold: everybody whom it concerns hears that the copy is
// old, and that it is new again.
func TestPushFailsAndIsTold(t *testing.T) {
	s := newPushedSite(t)
	_, output := s.serve()
	s.wait("the first push", func() bool { return s.read("remote/index.html") != "" })
	s.wait("that it is noted", func() bool { return strings.Contains(s.run(0, "check"), "[export-ok]") })

	s.write("fail", "")
	s.run(0, "incident", "start", "mail is slow")
	s.wait("the failure", func() bool {
		_, body := get(t, s.ctx, s.web+"/metrics")
		return strings.Contains(body, "permanence_status_export_failures 1")
	})
	code, body := get(t, s.ctx, s.web+"/readyz")
	if code != 200 || !strings.Contains(body, "status export: failing (the command sh failed: exit status 3 (no route to mirror).)") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if out := s.run(5, "check"); !strings.Contains(out, "PROBLEM: The copy of the status page is not up to date since") || !strings.Contains(out, "[export-failing]") {
		t.Errorf("check:\n%s", out)
	}
	if out := s.run(1, "status", "export", "--lang", "fr"); !strings.Contains(out, "la commande sh a échoué : exit status 3 (no route to mirror).") {
		t.Errorf("by hand:\n%s", out)
	}
	told := func(what string) func() bool {
		return func() bool {
			_, body := get(t, s.ctx, s.web+"/api/state")
			return strings.Contains(body, what)
		}
	}
	s.wait("the team", told("The copy of the status page is not up to date since"))
	s.remove("fail")
	if out := s.run(0, "status", "export"); !strings.Contains(out, "and pushed.") {
		t.Errorf("by hand:\n%s", out)
	}
	s.wait("the team", told("The copy of the status page is up to date again."))
	if out := s.run(0, "check"); !strings.Contains(out, "[export-ok]") {
		t.Errorf("check:\n%s", out)
	}
	if !strings.Contains(output.String(), "no route to mirror") {
		t.Error("the log does not have what the command said")
	}
}
