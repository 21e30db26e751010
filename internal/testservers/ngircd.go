package testservers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// NgIRCdServer is a plain IRC server: no accounts, no history, no identifiers
// of messages.
type NgIRCdServer struct {
	// Addr is host:port.
	Addr string
	// Log is the path of the server's log.
	Log string

	bin  string
	link NgIRCdLink
	dir  *watchedDir
	proc *process
}

// NgIRCdLink makes a server part of a network of two.
type NgIRCdLink struct {
	// Name is the server's own name, Peer that of the other one.
	Name, Peer string
	// Addr is where it connects to the other one, host:port; empty for the one
	// that waits.
	Addr string
}

// NgIRCd starts an IRC server of its own for this test.
func NgIRCd(t testing.TB) *NgIRCdServer {
	t.Helper()
	return NgIRCdLinked(t, NgIRCdLink{Name: "irc.example.org"})
}

// NgIRCdLinked starts one server of a network of two. After a cut of the link
// it is some five seconds until they try again.
func NgIRCdLinked(t testing.TB, link NgIRCdLink) *NgIRCdServer {
	t.Helper()
	bin, err := FindNgIRCd()
	if err != nil {
		Need(t, "ngIRCd", err.Error())
	}
	n, err := newNgIRCd(bin, link)
	if err != nil {
		t.Fatalf("start ngircd: %v", err)
	}
	t.Cleanup(func() {
		n.proc.end()
		if err := n.dir.close(); err != nil {
			t.Errorf("remove ngircd: %v", err)
		}
	})
	return n
}

// FindNgIRCd gives the path of the server; the error says what to install.
func FindNgIRCd() (string, error) {
	for _, name := range []string{"ngircd", "/usr/sbin/ngircd", "/usr/local/sbin/ngircd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("install it (Debian: apt-get install ngircd)")
}

func newNgIRCd(bin string, link NgIRCdLink) (*NgIRCdServer, error) {
	dir, err := newWatchedDir("ngircd")
	if err != nil {
		return nil, err
	}
	n := &NgIRCdServer{Log: filepath.Join(dir.path, "ngircd.log"), bin: bin, link: link, dir: dir}
	for range 5 { // a port that was free may be taken meanwhile
		if err = n.configure(); err != nil {
			break
		}
		if err = n.start(); err == nil {
			return n, nil
		}
	}
	return nil, errors.Join(err, dir.close())
}

func (n *NgIRCdServer) configure() error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	n.Addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	_, port, err := net.SplitHostPort(n.Addr)
	if err != nil {
		return err
	}
	text := strings.NewReplacer("$PORT", port, "$NAME", n.link.Name).Replace(ngircdConfig)
	if n.link.Peer != "" {
		text += "\n[Server]\nName = " + n.link.Peer + "\nMyPassword = lien\nPeerPassword = lien\n"
	}
	if n.link.Addr != "" {
		host, port, err := net.SplitHostPort(n.link.Addr)
		if err != nil {
			return err
		}
		text += "Host = " + host + "\nPort = " + port + "\n"
	}
	return os.WriteFile(filepath.Join(n.dir.path, "ngircd.conf"), []byte(text), 0o600)
}

func (n *NgIRCdServer) start() error {
	// Where it is started as root it changes to "nobody", who may not read our
	// directory; it reads its configuration before.
	cmd := exec.Command(n.bin, "--nodaemon", "--config", filepath.Join(n.dir.path, "ngircd.conf"))
	cmd.Dir = n.dir.path
	var err error
	n.proc, err = startProcess(cmd, n.dir, "ngircd", n.Log, n.Addr)
	return err
}

// Stop ends the server and cuts its connections.
func (n *NgIRCdServer) Stop() { n.proc.end() }

// Start starts the server again after Stop, on the same port.
func (n *NgIRCdServer) Start() error { return n.start() }

const ngircdConfig = `[Global]
Name = $NAME
Info = Essai
AdminInfo1 = Essai
AdminEMail = admin@example.org
Network = Essai
Listen = 127.0.0.1
Ports = $PORT
MotdPhrase = Bonjour

[Limits]
ConnectRetry = 5
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 20
MaxPenaltyTime = 0
PingTimeout = 120
PongTimeout = 20

[Options]
DNS = no
Ident = no
PAM = no
IncludeDir = /nonexistent
SyslogFacility = local1
`
