package testservers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// process is a server at work, with a file of its number in the watched
// directory.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{}
	pid  string // path of the file
}

// startProcess starts cmd, its output going to the file log, and waits until
// all of addrs listen.
func startProcess(cmd *exec.Cmd, dir *watchedDir, name, log string, addrs ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, gone: make(chan struct{}), pid: filepath.Join(dir.path, name+".pid")}
	go func() {
		cmd.Wait() // how it ended is in the log
		close(p.gone)
	}()
	if err := os.WriteFile(p.pid, fmt.Appendln(nil, cmd.Process.Pid), 0o644); err != nil {
		p.end()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, addr := range addrs {
		if err := waitListening(ctx, addr, p.gone); err != nil {
			p.end()
			return nil, fmt.Errorf("%w\n%s", err, tail(log))
		}
	}
	return p, nil
}

// end kills the process and waits for its end; a second call does nothing.
func (p *process) end() {
	if p == nil {
		return
	}
	p.cmd.Process.Kill()
	<-p.gone
	os.Remove(p.pid)
}

// writeCertificate makes a self-signed certificate for 127.0.0.1 and
// localhost, valid for a day.
func writeCertificate(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
