package testservers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"
)

const postgresHow = "install PostgreSQL 15 or later (Debian: apt-get install postgresql)"

// PostgresServer is a PostgreSQL on 127.0.0.1 and on a unix socket, without
// password.
type PostgresServer struct {
	// Host is 127.0.0.1; Socket is the directory of the unix socket.
	Host   string
	Socket string
	Port   int
	// Log is the path of the server's log.
	Log string

	dir    *watchedDir
	data   string
	bin    string // the directory of its programs
	as     *syscall.Credential
	number atomic.Int64 // of databases made
}

// sharedServer is the PostgreSQL that the ordinary tests of one process share.
// It is the one piece of state of this package: starting one for each test
// costs more than most tests.
type sharedServer struct {
	once   sync.Once
	server *PostgresServer
	err    error
}

var shared sharedServer

// Postgres gives the URL of an empty database of a server that the tests of
// this process share. Its writes are not durable (fsync is off), which makes
// tests fast; tests that kill the server use NewPostgres.
func Postgres(t testing.TB) (url string) {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = startPostgres(false) })
	return databaseOf(t, shared.server, shared.err)
}

// PostgresDurable gives the URL of an empty database of a server of its own
// that writes as a real one does.
func PostgresDurable(t testing.TB) (url string) {
	t.Helper()
	return NewPostgres(t, true).Database(t)
}

// NewPostgres starts a server for this test alone, for a database that goes
// away. A durable one writes as a real one does and survives Kill; the other
// one is faster.
func NewPostgres(t testing.TB, durable bool) *PostgresServer {
	t.Helper()
	s, err := startPostgres(durable)
	if err != nil {
		needPostgres(t, err)
	}
	t.Cleanup(func() {
		if err := s.dir.close(); err != nil {
			t.Errorf("end PostgreSQL: %v", err)
		}
	})
	return s
}

var errNoPostgres = errors.New("PostgreSQL is not installed")

func needPostgres(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNoPostgres) {
		Need(t, "PostgreSQL", postgresHow)
	}
	t.Fatalf("start PostgreSQL: %v", err)
}

func databaseOf(t testing.TB, s *PostgresServer, err error) string {
	t.Helper()
	if err != nil {
		needPostgres(t, err)
	}
	return s.Database(t)
}

// Database makes an empty database, gives its URL, and drops it when the test
// ends if the server still runs.
func (s *PostgresServer) Database(t testing.TB) (url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	name := fmt.Sprintf("test_%d", s.number.Add(1))
	if err := s.exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Logf("drop database: %v", err)
		}
	})
	return s.url(name)
}

func (s *PostgresServer) url(database string) string {
	return fmt.Sprintf("postgres://postgres@%s:%d/%s?sslmode=disable", s.Host, s.Port, database)
}

func (s *PostgresServer) exec(ctx context.Context, statement string) error {
	connector, err := pq.NewConnector(s.url("postgres"))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}

// Stop ends the server in good order; connections are cut.
func (s *PostgresServer) Stop(t testing.TB) {
	t.Helper()
	s.control(t, "-m", "fast", "-w", "stop")
}

// Kill ends the server as a crash does: nothing is flushed, and the next start
// recovers from the log.
func (s *PostgresServer) Kill(t testing.TB) {
	t.Helper()
	s.control(t, "-m", "immediate", "-w", "stop")
}

// Start starts the server again after Stop or Kill, on the same port.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	s.control(t, "-w", "-t", "60", "-l", s.Log, "start")
}

func (s *PostgresServer) control(t testing.TB, args ...string) {
	t.Helper()
	if err := s.run("pg_ctl", append([]string{"-D", s.data, "-s"}, args...)...); err != nil {
		t.Fatalf("%v\n%s", err, tail(s.Log))
	}
}

// run runs a program of PostgreSQL as a user that is not root, which it
// insists on.
func (s *PostgresServer) run(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir.path
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	// A file, not a pipe: the server started by pg_ctl may keep it open.
	out, err := os.OpenFile(filepath.Join(s.dir.path, "control.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, tail(out.Name()))
	}
	return nil
}

// FindPostgres gives the directory of PostgreSQL's programs.
func FindPostgres() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	best, version := "", -1
	for _, path := range found {
		v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && v > version {
			best, version = filepath.Dir(path), v
		}
	}
	if best != "" {
		return best, nil
	}
	path, err := exec.LookPath("postgres")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s", errNoPostgres, postgresHow)
	}
	return filepath.Dir(path), nil
}

func startPostgres(durable bool) (*PostgresServer, error) {
	bin, err := FindPostgres()
	if err != nil {
		return nil, err
	}
	dir, err := newWatchedDir("postgres")
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{
		Host:   "127.0.0.1",
		Socket: dir.path,
		Log:    filepath.Join(dir.path, "server.log"),
		dir:    dir,
		data:   filepath.Join(dir.path, "data"),
		bin:    bin,
	}
	if err := s.init(durable); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	return s, nil
}

func (s *PostgresServer) init(durable bool) error {
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: %w", err)
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir.path, int(uid), int(gid)); err != nil {
			return err
		}
	}
	err := s.run("initdb", "-D", s.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	conf, err := os.OpenFile(filepath.Join(s.data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conf, "listen_addresses = '%s'\nunix_socket_directories = '%s'\nmax_connections = 200\nshared_buffers = 32MB\n", s.Host, s.Socket)
	if err == nil && !durable {
		_, err = conf.WriteString("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n")
	}
	if err := errors.Join(err, conf.Close()); err != nil {
		return err
	}
	// Between finding a free port and listening on it somebody else may come.
	for range 5 {
		var ports []int
		if ports, err = freePorts(1); err != nil {
			return err
		}
		s.Port = ports[0]
		if err = s.setPort(); err != nil {
			return err
		}
		if err = s.run("pg_ctl", "-D", s.data, "-s", "-w", "-t", "60", "-l", s.Log, "start"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w\n%s", err, tail(s.Log))
}

// setPort writes the port where it overrides the main file and outlives a
// restart.
func (s *PostgresServer) setPort() error {
	return os.WriteFile(filepath.Join(s.data, "postgresql.auto.conf"), fmt.Appendf(nil, "port = %d\n", s.Port), 0o644)
}
