package testservers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ErgoOptions are what tests ask of an Ergo server besides the defaults:
// accounts that anybody may register, SASL PLAIN and EXTERNAL, history in
// memory, multi-line messages, no brake on those who write fast.
type ErgoOptions struct {
	// Fakelag slows down who writes fast, as Ergo does as shipped: five lines
	// at once, then two a second.
	Fakelag bool
	// NoHistory: the server keeps no history.
	NoHistory bool
	// AlwaysOn: accounts that ask for it (NS SET always-on true) stay there when
	// their connection ends, and find later what was said meanwhile.
	AlwaysOn bool
	// STS: who connects without TLS is told to come back with it.
	STS bool
}

// ErgoServer is an IRC server with the extensions of IRCv3.
type ErgoServer struct {
	// Addr speaks plainly, TLSAddr with TLS at once; both are host:port.
	Addr, TLSAddr string
	// CA is the path of the self-signed certificate, for 127.0.0.1 and
	// localhost.
	CA string
	// Log is the path of the server's log.
	Log string

	bin  string
	dir  *watchedDir
	proc *process
}

// Ergo starts an IRC server of its own for this test.
func Ergo(t testing.TB, opts ErgoOptions) *ErgoServer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	bin, err := Build(ctx, "ergo")
	if err != nil {
		Need(t, "the IRC server Ergo", fmt.Sprintf("it is built by `go run ./internal/testservers/prebuild`, which needs the Go module proxy once; now it failed: %v", err))
	}
	e, err := newErgo(bin, opts)
	if err != nil {
		t.Fatalf("start ergo: %v", err)
	}
	t.Cleanup(func() {
		e.proc.end()
		if err := e.dir.close(); err != nil {
			t.Errorf("remove ergo: %v", err)
		}
	})
	return e
}

func newErgo(bin string, opts ErgoOptions) (*ErgoServer, error) {
	dir, err := newWatchedDir("ergo")
	if err != nil {
		return nil, err
	}
	e := &ErgoServer{
		CA:  filepath.Join(dir.path, "cert.pem"),
		Log: filepath.Join(dir.path, "ergo.log"),
		bin: bin,
		dir: dir,
	}
	if err := writeCertificate(e.CA, filepath.Join(dir.path, "key.pem")); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	for range 5 { // a port that was free may be taken meanwhile
		if err = e.configure(opts); err != nil {
			break
		}
		if err = e.start(); err == nil {
			return e, nil
		}
	}
	return nil, errors.Join(err, dir.close())
}

// configure chooses ports, writes the configuration and makes the database
// where there is none.
func (e *ErgoServer) configure(opts ErgoOptions) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	e.Addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	e.TLSAddr = fmt.Sprintf("127.0.0.1:%d", ports[1])
	text := strings.NewReplacer(
		"$DIR", e.dir.path, "$ADDR", e.Addr, "$TLS", e.TLSAddr,
		"$FAKELAG", fmt.Sprint(opts.Fakelag), "$HISTORY", fmt.Sprint(!opts.NoHistory),
		"$MULTICLIENT", fmt.Sprint(opts.AlwaysOn), "$ALWAYSON", map[bool]string{true: "opt-in", false: "disabled"}[opts.AlwaysOn],
		"$STS", fmt.Sprintf("{enabled: %v, duration: 24h, port: %d}", opts.STS, ports[1]),
	).Replace(ergoConfig)
	conf := filepath.Join(e.dir.path, "ircd.yaml")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(e.dir.path, "ircd.db")); err == nil {
		return nil
	}
	if out, err := e.command("initdb").CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (e *ErgoServer) command(verb string) *exec.Cmd {
	cmd := exec.Command(e.bin, verb, "--conf", filepath.Join(e.dir.path, "ircd.yaml"), "--quiet")
	cmd.Dir = e.dir.path
	return cmd
}

func (e *ErgoServer) start() error {
	// The lock of a killed one would stay.
	if err := os.Remove(filepath.Join(e.dir.path, "ircd.lock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var err error
	e.proc, err = startProcess(e.command("run"), e.dir, "ergo", e.Log, e.Addr, e.TLSAddr)
	return err
}

// Stop ends the server and cuts its connections. Accounts are kept; the
// history, which is in memory, is lost.
func (e *ErgoServer) Stop() { e.proc.end() }

// Start starts the server again after Stop, on the same ports.
func (e *ErgoServer) Start() error { return e.start() }

// Register makes an account. A certificate's fingerprint can be added to it by
// whoever logs in.
func (e *ErgoServer) Register(t testing.TB, account, password string) {
	t.Helper()
	if err := e.register(account, password); err != nil {
		t.Fatalf("register %s: %v", account, err)
	}
}

func (e *ErgoServer) register(account, password string) error {
	conn, err := net.DialTimeout("tcp", e.Addr, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "NICK %s\r\nUSER u 0 * :u\r\nNS REGISTER %s\r\n", account, password); err != nil {
		return err
	}
	created := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "ERROR ") && created:
			return nil // the nick is free now
		case strings.HasPrefix(line, "PING "):
			if _, err := fmt.Fprintf(conn, "PONG %s\r\n", strings.TrimPrefix(line, "PING ")); err != nil {
				return err
			}
		case strings.HasPrefix(line, ":NickServ!") && strings.Contains(line, "Account created"):
			created = true
			// The nick of who quits stays taken for a moment.
			if _, err := fmt.Fprintf(conn, "NICK libre%d\r\nQUIT\r\n", time.Now().UnixNano()); err != nil {
				return err
			}
		case !created && (strings.HasPrefix(line, ":NickServ!") || strings.Contains(line, " 433 ")):
			return errors.New(line)
		}
	}
	return errors.New("the server said nothing of the new account")
}

const ergoConfig = `network:
    name: Essai
server:
    name: irc.example.org
    listeners:
        "$ADDR": {}
        "$TLS":
            tls: {cert: $DIR/cert.pem, key: $DIR/key.pem}
    casemapping: precis
    enforce-utf8: true
    lookup-hostnames: false
    check-ident: false
    max-sendq: 1M
    relaymsg: {enabled: false}
    sts: $STS
    compatibility: {force-trailing: true, send-unprefixed-sasl: true, allow-truncation: false}
    ip-limits: {count: false, throttle: false}
    ip-cloaking: {enabled: true, netname: cloak, cidr-len-ipv4: 32, cidr-len-ipv6: 64, num-bits: 64}
accounts:
    authentication-enabled: true
    registration:
        enabled: true
        allow-before-connect: true
        throttling: {enabled: false}
        bcrypt-cost: 4
    login-throttling: {enabled: false}
    nick-reservation: {enabled: true, additional-nick-limit: 3, method: optional, allow-custom-enforcement: true}
    multiclient: {enabled: $MULTICLIENT, allowed-by-default: true, always-on: $ALWAYSON}
    vhosts: {enabled: false}
channels:
    default-modes: +nt
    max-channels-per-client: 100
    registration: {enabled: true, max-channels-per-account: 15}
datastore:
    path: $DIR/ircd.db
    autoupgrade: true
languages: {enabled: false}
limits:
    nicklen: 32
    identlen: 20
    channellen: 64
    awaylen: 390
    kicklen: 390
    topiclen: 390
    monitor-entries: 100
    whowas-entries: 100
    chan-list-modes: 60
    registration-messages: 1024
    multiline: {max-bytes: 4096, max-lines: 100}
fakelag: {enabled: $FAKELAG, window: 1s, burst-limit: 5, messages-per-window: 2, cooldown: 2s}
history:
    enabled: $HISTORY
    channel-length: 8192
    client-length: 1024
    chathistory-maxmessages: 100
    znc-maxmessages: 0
    restrictions: {expire-time: 1w, query-cutoff: none}
    persistent: {enabled: false}
logging:
    - {method: stderr, type: "*", level: warning}
`
