package testservers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// DendriteOptions are what tests ask of a Dendrite server besides the
// defaults: PostgreSQL where it is installed, open registration, no federation,
// no brake on those who write fast.
type DendriteOptions struct {
	// SQLite keeps the data in files. It is what is installed most easily, but
	// Dendrite fails at times ("database is locked") when a client goes away
	// in the middle of a request.
	SQLite bool
	// RateLimits lets each account do that many requests at once (sends,
	// joins, …) and then one each half second; 0 lets everybody do all.
	RateLimits int
}

// DendriteServer is a Matrix homeserver. Its name is example.org.
type DendriteServer struct {
	// URL is where clients speak to it.
	URL string
	// Addr is the same as host:port.
	Addr string
	// Log is the path of the server's log.
	Log string

	bin  string
	dir  *watchedDir
	proc *process
}

// MatrixAccount is an account with one device, logged in.
type MatrixAccount struct {
	UserID   string `json:"user_id"`
	DeviceID string `json:"device_id"`
	Token    string `json:"access_token"`
	Password string `json:"-"`
}

// sharedHomeserver is the Dendrite that the ordinary tests of one process
// share (see sharedServer).
type sharedHomeserver struct {
	once   sync.Once
	server *DendriteServer
	err    error
}

var homeserver sharedHomeserver

// Dendrite gives a homeserver that the tests of this process share; each test
// makes accounts and rooms of its own. Tests that stop the server use
// NewDendrite.
func Dendrite(t testing.TB) *DendriteServer {
	t.Helper()
	bin := dendriteBinary(t)
	homeserver.once.Do(func() { homeserver.server, homeserver.err = newDendrite(bin, DendriteOptions{}) })
	if homeserver.err != nil {
		t.Fatalf("start dendrite: %v", homeserver.err)
	}
	return homeserver.server
}

// NewDendrite starts a homeserver for this test alone.
func NewDendrite(t testing.TB, opts DendriteOptions) *DendriteServer {
	t.Helper()
	d, err := newDendrite(dendriteBinary(t), opts)
	if err != nil {
		t.Fatalf("start dendrite: %v", err)
	}
	t.Cleanup(func() {
		d.proc.end()
		if err := d.dir.close(); err != nil {
			t.Errorf("remove dendrite: %v", err)
		}
	})
	return d
}

func dendriteBinary(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	bin, err := Build(ctx, "dendrite")
	if err == nil {
		_, err = Build(ctx, "dendrite-keys")
	}
	if err != nil {
		Need(t, "the Matrix homeserver Dendrite", fmt.Sprintf("it is built by `go run ./internal/testservers/prebuild`, which needs the Go module proxy once; now it failed: %v", err))
	}
	return bin
}

func newDendrite(bin string, opts DendriteOptions) (*DendriteServer, error) {
	dir, err := newWatchedDir("dendrite")
	if err != nil {
		return nil, err
	}
	d := &DendriteServer{bin: bin, dir: dir, Log: filepath.Join(dir.path, "dendrite.log")}
	if err := d.makeKey(); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	limit := "enabled: false"
	if opts.RateLimits > 0 {
		limit = fmt.Sprintf("enabled: true, threshold: %d, cooloff_ms: 500", opts.RateLimits)
	}
	database, text := "", dendriteConfig
	if !opts.SQLite {
		if database, err = dendriteDatabase(); err != nil {
			return nil, errors.Join(err, dir.close())
		}
	}
	if database == "" {
		text = inFiles(text)
	} else {
		text = strings.Replace(dendriteConfig, "global:\n", "global:\n  database: {connection_string: \"$DATABASE\", max_open_conns: 20, max_idle_conns: 5}\n", 1)
	}
	text = strings.NewReplacer("$DIR", dir.path, "$LIMIT", limit, "$DATABASE", database).Replace(text)
	if err := os.WriteFile(filepath.Join(dir.path, "dendrite.yaml"), []byte(text), 0o600); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	for range 5 { // a port that was free may be taken meanwhile
		ports, perr := freePorts(1)
		if perr != nil {
			return nil, errors.Join(perr, dir.close())
		}
		d.Addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
		d.URL = "http://" + d.Addr
		if err = d.Start(); err == nil {
			return d, nil
		}
	}
	return nil, errors.Join(err, dir.close())
}

// dendriteDatabase makes an empty database on the PostgreSQL that the tests of
// this process share, and gives its URL; empty where there is no PostgreSQL.
func dendriteDatabase() (string, error) {
	shared.once.Do(func() { shared.server, shared.err = startPostgres(false) })
	if errors.Is(shared.err, errNoPostgres) {
		return "", nil
	}
	if shared.err != nil {
		return "", shared.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	name := fmt.Sprintf("dendrite_%d", shared.server.number.Add(1))
	if err := shared.server.exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("create database: %w", err)
	}
	return shared.server.url(name), nil
}

// makeKey makes the key that signs the server's events.
func (d *DendriteServer) makeKey() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	bin, err := Build(ctx, "dendrite-keys")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, bin, "--private-key", filepath.Join(d.dir.path, "matrix_key.pem"))
	cmd.Dir = d.dir.path
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the server's key: %w\n%s", err, out)
	}
	return nil
}

// Start starts the server again after Stop or Kill, at the same address.
func (d *DendriteServer) Start() error {
	cmd := exec.Command(d.bin, "--config", filepath.Join(d.dir.path, "dendrite.yaml"),
		"--http-bind-address", d.Addr, "-really-enable-open-registration")
	cmd.Dir = d.dir.path
	var err error
	d.proc, err = startProcess(cmd, d.dir, "dendrite", d.Log, d.Addr)
	if err != nil {
		return err
	}
	// It listens a moment before it answers.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+"/_matrix/client/versions", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			d.proc.end()
			return fmt.Errorf("dendrite does not answer: %w\n%s", errors.Join(ctx.Err(), err), tail(d.Log))
		case <-d.proc.gone:
			return fmt.Errorf("dendrite ended\n%s", tail(d.Log))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the server in order and cuts its connections; the data stay.
func (d *DendriteServer) Stop() {
	if d.proc.cmd.Process.Signal(syscall.SIGTERM) == nil {
		late := time.NewTimer(15 * time.Second)
		defer late.Stop()
		select {
		case <-d.proc.gone:
		case <-late.C:
		}
	}
	d.proc.end()
}

// Kill ends the server as a power cut does: it forgets the transaction IDs that
// it has seen.
func (d *DendriteServer) Kill() { d.proc.end() }

// Register makes an account, logged in with one device.
func (d *DendriteServer) Register(t testing.TB, name string) MatrixAccount {
	t.Helper()
	password := "motdepasse-" + name
	var a MatrixAccount
	err := d.post("/_matrix/client/v3/register", struct {
		Username string            `json:"username"`
		Password string            `json:"password"`
		Auth     map[string]string `json:"auth"`
	}{name, password, map[string]string{"type": "m.login.dummy"}}, &a)
	if err != nil {
		t.Fatalf("register %s: %v", name, err)
	}
	a.Password = password
	return a
}

// Login makes another device of an account.
func (d *DendriteServer) Login(t testing.TB, a MatrixAccount) MatrixAccount {
	t.Helper()
	again := MatrixAccount{Password: a.Password}
	err := d.post("/_matrix/client/v3/login", struct {
		Type       string            `json:"type"`
		Identifier map[string]string `json:"identifier"`
		Password   string            `json:"password"`
	}{"m.login.password", map[string]string{"type": "m.id.user", "user": a.UserID}, a.Password}, &again)
	if err != nil {
		t.Fatalf("log in %s: %v", a.UserID, err)
	}
	return again
}

func (d *DendriteServer) post(path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, data)
	}
	return json.Unmarshal(data, answer)
}

// inFiles gives each part of the server a database of its own in a file.
func inFiles(text string) string {
	for part, key := range map[string]string{
		"federation_api": "database", "media_api": "database", "mscs": "database", "user_api": "account_database",
	} {
		line := fmt.Sprintf("  %s: {connection_string: \"file:$DIR/%s.db\"}\n", key, part)
		text = strings.Replace(text, "\n"+part+":\n", "\n"+part+":\n"+line, 1)
	}
	for _, part := range []string{"key_server", "relay_api", "room_server", "sync_api"} {
		text += fmt.Sprintf("%s:\n  database: {connection_string: \"file:$DIR/%s.db\"}\n", part, part)
	}
	return text
}

const dendriteConfig = `version: 2
global:
  server_name: example.org
  private_key: $DIR/matrix_key.pem
  disable_federation: true
  presence: {enable_inbound: false, enable_outbound: false}
  report_stats: {enabled: false}
  cache: {max_size_estimated: 128mb}
  jetstream: {storage_path: $DIR, topic_prefix: Dendrite}
client_api:
  registration_disabled: false
  guests_disabled: true
  rate_limiting: {$LIMIT}
federation_api:
  key_perspectives: []
media_api:
  base_path: $DIR/media
  max_file_size_bytes: 10485760
mscs:
  mscs: []
user_api:
  bcrypt_cost: 4
logging:
  - {type: std, level: warn}
`
