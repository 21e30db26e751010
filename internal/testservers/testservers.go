// Package testservers gives tests real servers to talk to: PostgreSQL, the mox
// mail server, Chromium. PostgreSQL and Chromium come from the distribution;
// the servers written in Go are built from the modules pinned in the folders
// beside this file (each a module of its own, so that nothing of them enters
// ours) into a cache outside of the tree.
//
// Whatever is started ends with the test process, however that one ends.
package testservers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Need says that the test cannot go on without what, and how to get it. The
// test is skipped; with PERMANENCE_SERVERS=required it fails.
func Need(t testing.TB, what, how string) {
	t.Helper()
	if os.Getenv("PERMANENCE_SERVERS") == "required" {
		t.Fatalf("%s is missing, and PERMANENCE_SERVERS=required is set: %s", what, how)
	}
	t.Skipf("%s is missing: %s", what, how)
}

// watchedDir is a temporary directory with servers in it. A shell outside of
// our process group holds the reading end of a pipe whose writing end is ours
// alone: when it closes, because we closed it or because we are dead, the shell
// ends the servers that have a *.pid file in the directory and removes it. That
// needs no TestMain and survives SIGKILL.
type watchedDir struct {
	path  string
	pipe  *os.File
	watch *exec.Cmd
}

// watchScript takes the directory as $1. SIGQUIT is PostgreSQL's immediate
// shutdown and ends a Go program too.
const watchScript = `cat >/dev/null
for f in "$1"/*.pid "$1"/data/postmaster.pid; do
	[ -f "$f" ] || continue
	pid=$(head -n 1 "$f")
	kill -QUIT "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done
	kill -KILL "$pid" 2>/dev/null
done
rm -rf "$1"`

func newWatchedDir(name string) (*watchedDir, error) {
	path, err := os.MkdirTemp("", "permanence-"+name+"-")
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	defer r.Close()
	// stdout and stderr stay closed: "go test" waits for whoever holds its own.
	cmd := exec.Command("sh", "-c", watchScript, "watch", path)
	cmd.Dir = "/"
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, w.Close(), os.RemoveAll(path))
	}
	return &watchedDir{path: path, pipe: w, watch: cmd}, nil
}

// close ends what is left in the directory, removes it, and waits for that.
func (d *watchedDir) close() error {
	return errors.Join(d.pipe.Close(), d.watch.Wait())
}

// freePorts gives n TCP ports of 127.0.0.1 that nobody listens on right now.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // at the end, so that no port is given twice
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// waitListening dials addr until somebody answers, ctx ends or gone closes.
func waitListening(ctx context.Context, addr string, gone <-chan struct{}) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody listens on %s: %w", addr, err)
		case <-gone:
			return errors.New("the server ended")
		case <-tick.C:
		}
	}
}

// tail gives the last bytes of a log, for messages.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 4 << 10
	if fi, err := f.Stat(); err == nil && fi.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Chromium gives the path of a Chromium or Chrome.
func Chromium(t testing.TB) string {
	t.Helper()
	path, err := FindChromium()
	if err != nil {
		Need(t, "Chromium", err.Error())
	}
	return path
}

// FindChromium is Chromium for callers that are no tests; the error says what
// to install.
func FindChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("install it (Debian: apt-get install chromium)")
}

// sourceDir finds this folder in the source tree: tests run in the folder of
// their package, somewhere in the same tree.
func sourceDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		here := filepath.Join(dir, "internal", "testservers")
		if _, err := os.Stat(filepath.Join(here, "mox", "go.mod")); err == nil {
			return here, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("internal/testservers not found: run this inside the source tree")
		}
		dir = up
	}
}
