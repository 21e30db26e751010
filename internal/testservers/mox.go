package testservers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// MoxServer is a mail server made for testing: it takes mail for any address
// into one account, and delivers what is submitted to itself. Recipients such
// as "rcptto451@localhost" or "permerror@localhost" are refused (see `mox help
// localserve`).
type MoxServer struct {
	// SMTP takes mail from outside, Submission from the user (STARTTLS is
	// offered, not asked for); Submissions and IMAPS speak TLS at once. All are
	// host:port.
	SMTP, Submission, Submissions, IMAP, IMAPS string
	User, Password                             string
	// CA is the path of the self-signed certificate, for localhost.
	CA string
	// Log is the path of the server's log; it holds the transcript of each
	// connection.
	Log string

	bin  string
	dir  *watchedDir
	cmd  *exec.Cmd
	gone chan struct{}
}

// Mox starts a mail server of its own for this test.
func Mox(t testing.TB) *MoxServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	bin, err := Build(ctx, "mox")
	if err != nil {
		Need(t, "the mail server mox", fmt.Sprintf("it is built by `go run ./internal/testservers/prebuild`, which needs the Go module proxy once; now it failed: %v", err))
	}
	m, err := newMox(bin)
	if err != nil {
		t.Fatalf("start mox: %v", err)
	}
	t.Cleanup(func() {
		if m.cmd != nil {
			m.Stop(t)
		}
		if err := m.dir.close(); err != nil {
			t.Errorf("remove mox: %v", err)
		}
	})
	return m
}

func newMox(bin string) (*MoxServer, error) {
	dir, err := newWatchedDir("mox")
	if err != nil {
		return nil, err
	}
	m := &MoxServer{
		User:     "mox@localhost",
		Password: "moxmoxmox",
		CA:       filepath.Join(dir.path, "mox", "localhost.crt"),
		Log:      filepath.Join(dir.path, "mox.log"),
		bin:      bin,
		dir:      dir,
	}
	if out, err := m.command("-ip", "127.0.0.1", "-initonly").CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, out), dir.close())
	}
	for range 5 { // see PostgresServer.init
		if err = m.setPorts(); err != nil {
			break
		}
		if err = m.start(); err == nil {
			return m, nil
		}
	}
	return nil, errors.Join(err, dir.close())
}

func (m *MoxServer) command(args ...string) *exec.Cmd {
	cmd := exec.Command(m.bin, append([]string{"localserve", "-dir", filepath.Join(m.dir.path, "mox")}, args...)...)
	cmd.Dir = m.dir.path
	return cmd
}

var (
	moxPort = regexp.MustCompile(`(?m)^(\s+)Port: (\d+)$`)
	// The junk filter has learnt nothing yet and refuses most plain mail.
	moxJunk = regexp.MustCompile(`(?m)^\t\tJunkFilter:\n(?:(?:\t\t\t.*)?\n)+`)
)

// setPorts replaces the fixed ports that localserve writes into its
// configuration (1025, 1587, …) with free ones, so that several can run.
func (m *MoxServer) setPorts() error {
	conf := filepath.Join(m.dir.path, "mox", "mox.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		return err
	}
	// The first run sees the fixed ports; a later one starts from a copy.
	if orig, err := os.ReadFile(conf + ".orig"); err == nil {
		text = orig
	} else if err := os.WriteFile(conf+".orig", text, 0o600); err != nil {
		return err
	}
	chosen := make(map[string]string)
	for _, match := range moxPort.FindAllSubmatch(text, -1) {
		chosen[string(match[2])] = ""
	}
	ports, err := freePorts(len(chosen))
	if err != nil {
		return err
	}
	for fixed := range chosen {
		chosen[fixed], ports = strconv.Itoa(ports[0]), ports[1:]
	}
	text = moxPort.ReplaceAllFunc(text, func(line []byte) []byte {
		match := moxPort.FindSubmatch(line)
		return fmt.Appendf(nil, "%sPort: %s", match[1], chosen[string(match[2])])
	})
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		return err
	}
	for fixed, addr := range map[string]*string{"1025": &m.SMTP, "1587": &m.Submission, "1465": &m.Submissions, "1143": &m.IMAP, "1993": &m.IMAPS} {
		if chosen[fixed] == "" {
			return fmt.Errorf("no port %s in %s", fixed, conf)
		}
		*addr = net.JoinHostPort("127.0.0.1", chosen[fixed])
	}
	domains := filepath.Join(m.dir.path, "mox", "domains.conf")
	text, err = os.ReadFile(domains)
	if err != nil {
		return err
	}
	return os.WriteFile(domains, moxJunk.ReplaceAll(text, nil), 0o600)
}

func (m *MoxServer) start() error {
	log, err := os.OpenFile(m.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := m.command()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		cmd.Wait() // how it ended is in the log
		close(gone)
	}()
	m.cmd, m.gone = cmd, gone
	pidFile := filepath.Join(m.dir.path, "mox.pid")
	if err := os.WriteFile(pidFile, fmt.Appendln(nil, cmd.Process.Pid), 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, addr := range []string{m.SMTP, m.Submission, m.Submissions, m.IMAP, m.IMAPS} {
		if err := waitListening(ctx, addr, gone); err != nil {
			m.end()
			return fmt.Errorf("%w\n%s", err, tail(m.Log))
		}
	}
	return nil
}

// end kills the process: localserve would wait three seconds for its
// connections, and its database survives.
func (m *MoxServer) end() {
	m.cmd.Process.Kill()
	<-m.gone
	m.cmd = nil
	os.Remove(filepath.Join(m.dir.path, "mox.pid"))
}

// Stop ends the server and cuts its connections; what it holds is kept.
func (m *MoxServer) Stop(t testing.TB) {
	t.Helper()
	m.end()
}

// Start starts the server again after Stop, on the same ports.
func (m *MoxServer) Start(t testing.TB) {
	t.Helper()
	if err := m.start(); err != nil {
		t.Fatalf("start mox: %v", err)
	}
}
