package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"permanence": main})
}

// TestScripts runs the program as a process, as people do.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LANG", "en_GB.UTF-8")
			env.Setenv("LC_ALL", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"answers": answersCmd,
			"mode":    mode,
			"tells":   tells,
		},
	})
}

// exits CODE program args…: the program ends with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// answers SOCKET: waits until something listens there.
func answersCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answers SOCKET")
	}
	path := ts.MkAbs(args[0])
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("nothing listens on %s", path)
}

// tells program args…: runs it until it says nothing of waiting ("⏳").
func tells(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: tells program args…")
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		ts.Check(ts.Exec(args[0], args[1:]...))
		if !strings.Contains(ts.ReadFile("stdout"), "⏳") {
			return
		}
	}
	ts.Fatalf("it still waits:\n%s", ts.ReadFile("stdout"))
}

// mode OCTAL FILE: the file has these rights.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// TestDemo plays the scene to its end, looks at the pages, and stops.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	var out, log lockedBuffer
	e := &environment{stdout: &out, stderr: &log, lang: "fr", logFormat: "text", verbose: true}
	o := embeddedDefaults()
	o.Dir, o.Database, o.Hold, o.Language = dir, "demo.db", "10s", "fr"
	o.Web, o.SMTP = "127.0.0.1:0", "127.0.0.1:0"
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- e.demo(ctx, o) }()

	var base string
	poll(t, ctx, "the welcome", func() bool {
		_, rest, ok := strings.Cut(out.String(), "Ouvrez  ")
		base, _, _ = strings.Cut(rest, "\n")
		return ok && base != ""
	})
	poll(t, ctx, "the scene", func() bool {
		_, body := get(t, ctx, base+"/api/state")
		return strings.Contains(body, "**#1**") && strings.Contains(body, "**#2**") && strings.Contains(body, "Je regarde") &&
			strings.Contains(body, "Message bien reçu (#1)")
	})
	for path, want := range map[string]string{
		"/":        "<!doctype html>",
		"/status/": "<!doctype html>",
		"/healthz": "ok",
		"/readyz":  "mail: caught up",
		"/metrics": "permanence_events_aside 0",
	} {
		code, body := get(t, ctx, base+path)
		if code != http.StatusOK || !strings.Contains(strings.ToLower(body), want) {
			t.Errorf("%s: %d, want %q in\n%.300s", path, code, want, body)
		}
	}
	if code, _ := get(t, ctx, base+"/t/1?s=x&e=1"); code != http.StatusForbidden {
		t.Errorf("a ticket page without its signature: %d", code)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("demo ended with %v\n%s", err, log.String())
	}
	for _, left := range []string{"demo.db.sock", "demo.db.mail.lmtp"} {
		if _, err := os.Stat(filepath.Join(dir, left)); err == nil {
			t.Errorf("%s was left behind", left)
		}
	}
}

func get(t *testing.T, ctx context.Context, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

func poll(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		}
	}
}

func TestOneWorksOnTheData(t *testing.T) {
	p := paths{filepath.Join(t.TempDir(), "x.db")}
	lock, err := lockData(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockData(p)
	var running *runningError
	if !errors.As(err, &running) || running.pid != os.Getpid() {
		t.Errorf("second lock: %v", err)
	}
	if codeOf(err) != exitRunning {
		t.Errorf("exit code %d", codeOf(err))
	}
	if err := lock.unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lockData(p)
	if err != nil {
		t.Fatal(err)
	}
	again.unlock()
}

func TestSocketsOfDeepFolders(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30), "x.db")
	p := paths{deep}
	if len(p.control()) > 104 {
		t.Skipf("the temporary folder itself is deep: %s", p.control())
	}
	if p.control() == (paths{deep + "2"}).control() {
		t.Error("two databases share a socket")
	}
	if err := makeSocketDir(p.control()); err != nil {
		t.Fatal(err)
	}
	ln, err := listenControl(p.control())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	info, err := os.Stat(p.control())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
}

func TestPersonLang(t *testing.T) {
	for _, tt := range []struct{ all, lang, want string }{
		{"", "", "fr"}, {"", "C.UTF-8", "fr"}, {"", "fr_CA.UTF-8", "fr"}, {"", "en_GB", "en"},
		{"", "de_DE.UTF-8", "en"}, {"en_US.UTF-8", "fr_FR.UTF-8", "en"}, {"POSIX", "en_US", "fr"},
	} {
		got := personLang(func(name string) string { return map[string]string{"LC_ALL": tt.all, "LANG": tt.lang}[name] })
		if got != tt.want {
			t.Errorf("LC_ALL=%q LANG=%q: %s, want %s", tt.all, tt.lang, got, tt.want)
		}
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	notify("READY=1")
	var b [32]byte
	n, err := conn.Read(b[:])
	if err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("got %q, %v", b[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", path+".gone")
	notify("READY=1") // nobody listens: nothing happens
}

func TestFromHere(t *testing.T) {
	for _, tt := range []struct {
		remote, host, header string
		want                 bool
	}{
		{"127.0.0.1:5", "127.0.0.1:8080", "", true},
		{"[::1]:5", "localhost", "", true},
		{"192.0.2.1:5", "127.0.0.1", "", false},
		{"127.0.0.1:5", "aide.example.org", "", false},
		{"127.0.0.1:5", "127.0.0.1", "X-Forwarded-For", false},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Host: tt.host, Header: http.Header{}}
		if tt.header != "" {
			r.Header.Set(tt.header, "192.0.2.1")
		}
		if got := fromHere(r); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestInsideWords(t *testing.T) {
	l, err := parse(t, strings.Replace(strings.Replace(minimal, "tchat:equipe", "tchat:asso/equipe-support", 1),
		`{type: email,`, `{type: email, imap: {server: "imap.internal.example:993", user: staff@example.net}, smtp: {server: 127.0.0.1:25},`, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"asso/equipe-support", "equipe-support", "imap.internal.example", "staff@example.net"}
	if got := insideWords(l); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("inside words %q, want %q", got, want)
	}
}

func TestSpoolComesBack(t *testing.T) {
	dir := t.TempDir()
	env := envelope{Adapter: "mail", From: "alice@example.net", To: "support@example.org"}
	const mail = "\nSubject: begins with an empty line\n\n{\"looks\": \"like JSON\"}\n"
	if err := spool(dir, env, strings.NewReader(mail)); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.mail"))
	if len(names) != 1 {
		t.Fatalf("spooled %v", names)
	}
	f, err := os.Open(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, rest, err := readSpooled(f)
	if err != nil || got != env {
		t.Fatalf("envelope %+v, %v", got, err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(rest); err != nil || b.String() != mail {
		t.Errorf("mail %q, %v", b.String(), err)
	}
}

func TestMailAdapterFor(t *testing.T) {
	l, err := parse(t, minimal, nil)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"support@example.org": true, "Support@Example.ORG": true, "support+t.x@example.org": true,
		"other@example.org":   true, // the adapter refuses it, with its reason
		"support@example.net": false, "support": false,
	} {
		if _, ok := mailAdapterFor(l, address); ok != want {
			t.Errorf("%s: %v", address, ok)
		}
	}
}

func TestInitWritesAShortFile(t *testing.T) {
	a := answers{Name: "L'asso: \"test\" #1", Language: "fr", Network: "playground", Address: "support@example.org",
		IMAP: "imap.example.org", SMTP: "smtp.example.org", User: "support@example.org", URL: "https://aide.example.org"}
	text := a.file("permanence.mail-password")
	if n := strings.Count(text, "\n"); n > 25 {
		t.Errorf("%d lines, at most 25 wanted:\n%s", n, text)
	}
	l, err := parse(t, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != a.Name {
		t.Errorf("name %q", l.Name)
	}
}

// lockedBuffer is a buffer that one goroutine writes and another reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
