package testservers

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPostgresSharedGivesEmptyDatabases(t *testing.T) {
	a, b := open(t, Postgres(t)), open(t, Postgres(t))
	if _, err := a.Exec("CREATE TABLE t (n BIGINT)"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := b.QueryRow("SELECT count(*) FROM pg_tables WHERE tablename = 't'").Scan(&n); err != nil || n != 0 {
		t.Errorf("the second database has the first one's table: %d, %v", n, err)
	}
}

func TestPostgresGoesAwayAndComesBack(t *testing.T) {
	s := NewPostgres(t, true)
	db := open(t, s.Database(t))
	if _, err := db.Exec("CREATE TABLE t (n BIGINT)"); err != nil {
		t.Fatal(err)
	}
	var fsync string
	if err := db.QueryRow("SHOW fsync").Scan(&fsync); err != nil || fsync != "on" {
		t.Errorf("fsync of a durable server is %q, %v", fsync, err)
	}
	for i, end := range []func(testing.TB){s.Kill, s.Stop} {
		if _, err := db.Exec("INSERT INTO t VALUES ($1)", i); err != nil {
			t.Fatal(err)
		}
		end(t)
		if err := db.Ping(); err == nil {
			t.Fatal("the database answers after its end")
		}
		s.Start(t)
		var n int
		if err := db.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil || n != i+1 {
			t.Fatalf("%d rows after the end, %v; want %d", n, err, i+1)
		}
	}
}

func TestMoxDeliversAndSubmits(t *testing.T) {
	m := Mox(t)
	other := Mox(t) // two run side by side
	if m.SMTP == other.SMTP {
		t.Fatalf("both listen on %s", m.SMTP)
	}

	const mail = "From: <alice@localhost>\r\nTo: <mox@localhost>\r\nSubject: %s\r\nMessage-ID: <%s@localhost>\r\n\r\nBonjour.\r\n"
	send := func(addr, subject string, auth bool) {
		t.Helper()
		c, err := smtp.Dial(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		from := "alice@localhost"
		if auth {
			from = m.User
			if err := c.Auth(sasl.NewPlainClient("", m.User, m.Password)); err != nil {
				t.Fatal(err)
			}
		}
		text := strings.ReplaceAll(fmt.Sprintf(mail, subject, subject), "alice@localhost", from)
		if err := c.SendMail(from, []string{m.User}, strings.NewReader(text)); err != nil {
			t.Fatalf("%s: %v\n%s", subject, err, tail(m.Log))
		}
	}
	send(m.SMTP, "direct", false)

	arrived := make(chan struct{}, 16)
	c, err := imapclient.DialInsecure(m.IMAP, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(*imapclient.UnilateralDataMailbox) { arrived <- struct{}{} },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(m.User, m.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil || box.NumMessages != 1 {
		t.Fatalf("INBOX after one mail: %+v, %v\n%s", box, err, tail(m.Log))
	}
	idle, err := c.Idle()
	if err != nil {
		t.Fatal(err)
	}
	send(m.Submission, "submitted", true)
	select {
	case <-arrived:
	case <-time.After(30 * time.Second):
		t.Fatalf("the submitted mail does not arrive\n%s", tail(m.Log))
	}
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}

	m.Stop(t)
	if conn, err := net.Dial("tcp", m.IMAP); err == nil {
		conn.Close()
		t.Error("it listens after Stop")
	}
	m.Start(t)
	again, err := imapclient.DialInsecure(m.IMAP, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Login(m.User, m.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if box, err := again.Select("INBOX", nil).Wait(); err != nil || box.NumMessages != 2 {
		t.Errorf("INBOX after a restart: %+v, %v", box, err)
	}
}

func TestChromiumRuns(t *testing.T) {
	out, err := exec.Command(Chromium(t), "--version").Output()
	if err != nil || !strings.Contains(strings.ToLower(string(out)), "chrom") {
		t.Errorf("%q, %v", out, err)
	}
}

// TestServersEndWithTheirProcess kills a process that has started servers.
func TestServersEndWithTheirProcess(t *testing.T) {
	if os.Getenv("TESTSERVERS_CHILD") == "yes" {
		s := NewPostgres(t, false)
		m := Mox(t)
		fmt.Printf("started %s %d %s %s\n", s.dir.path, s.Port, m.dir.path, m.SMTP)
		io.Copy(io.Discard, os.Stdin) // until killed
		return
	}
	Postgres(t) // skips where there is none
	cmd := exec.Command(os.Args[0], "-test.run=^TestServersEndWithTheirProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "TESTSERVERS_CHILD=yes")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dirs, addrs [2]string
	var port int
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if n, _ := fmt.Sscanf(lines.Text(), "started %s %d %s %s", &dirs[0], &port, &dirs[1], &addrs[1]); n == 4 {
			break
		}
	}
	addrs[0] = fmt.Sprintf("127.0.0.1:%d", port)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if port == 0 {
		Need(t, "servers that start in another process", "install the Debian package postgresql")
	}
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i, dir := range dirs {
		for {
			if _, err := os.Stat(dir); os.IsNotExist(err) {
				break
			}
			select {
			case <-deadline:
				t.Fatalf("%s is still there", dir)
			case <-tick.C:
			}
		}
		if conn, err := net.Dial("tcp", addrs[i]); err == nil {
			conn.Close()
			t.Errorf("%s still answers", addrs[i])
		}
	}
}

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}
func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
}

func TestNeed(t *testing.T) {
	t.Setenv("PERMANENCE_SERVERS", "")
	r := &recorder{TB: t}
	Need(r, "a server", "install it")
	if r.failed != "" || !strings.Contains(r.skipped, "install it") {
		t.Errorf("skipped %q, failed %q", r.skipped, r.failed)
	}
	t.Setenv("PERMANENCE_SERVERS", "required")
	r = &recorder{TB: t}
	Need(r, "a server", "install it")
	// A real Fatalf does not return.
	if !strings.Contains(r.failed, "install it") {
		t.Errorf("skipped %q, failed %q", r.skipped, r.failed)
	}
}

func TestBuildNamesTheCacheByTheHash(t *testing.T) {
	if path, err := Build(t.Context(), "mox"); err != nil {
		Need(t, "mox", err.Error())
	} else if !strings.HasPrefix(filepath.Base(path), "mox-") {
		t.Errorf("built as %s", path)
	}
	if _, err := Build(t.Context(), "nothing"); err == nil {
		t.Error("an unknown server was built")
	}
}
