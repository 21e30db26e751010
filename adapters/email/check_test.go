package email

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"permanence/bot/chat"
)

var update = flag.Bool("update-check", false, "write testdata/check.golden")

// certificate makes one for the name, signed by itself, and its file.
func certificate(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// unused is a port that nobody listens on.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TLS both ways, and the greeting under our name once protected.
func TestTLS(t *testing.T) {
	cert, ca := certificate(t, "localhost")
	wrong, wrongCA := certificate(t, "mail.example.net")
	for _, sec := range []Security{ImplicitTLS, StartTLS} {
		for _, tt := range []struct {
			name string
			cert tls.Certificate
			ca   string
			want string
		}{
			{"right", cert, ca, ""},
			{"another name", wrong, wrongCA, "n’est pas au nom de localhost"},
			{"unknown authority", cert, wrongCA, "n’a pas pu être protégée"},
		} {
			cfg := &tls.Config{Certificates: []tls.Certificate{tt.cert}}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(l.Addr().String())
			if sec == ImplicitTLS {
				l, cfg = tls.NewListener(l, cfg), nil
			}
			s := serveSink(t, l, cfg)
			a := newAdapter(t, Config{SMTP: SMTP{Server: "localhost:" + port, TLS: sec, CAFile: tt.ca}}, newStore())
			_, err = a.Do(t.Context(), answer(), attempt("k1"))
			if tt.want == "" {
				if err != nil || len(s.mails()) != 1 {
					t.Errorf("%s, %s: %v", sec, tt.name, err)
				}
				if last := s.ehlo[len(s.ehlo)-1]; last != "example.org" {
					t.Errorf("%s: greeted as %q", sec, last)
				}
				continue
			}
			if e := asError(t, err, chat.Temporary); !strings.Contains(e.Reason.FR, tt.want) {
				t.Errorf("%s, %s: %+v, %v", sec, tt.name, e.Reason, err)
			}
		}
	}
}

// A server that offers no STARTTLS, or whose offer somebody took out on the
// way, gets neither password nor mail.
func TestNoStartTLS(t *testing.T) {
	s := newSink(t)
	a := newAdapter(t, Config{SMTP: SMTP{Server: s.addr, TLS: StartTLS, User: "support", Password: "correct"}}, newStore())
	_, err := a.Do(t.Context(), answer(), attempt("k1"))
	if e := asError(t, err, chat.Temporary); !strings.Contains(e.Reason.FR, "n’a pas pu être protégée") || len(s.mails()) > 0 {
		t.Errorf("%+v, %v", e.Reason, err)
	}
}

// TestCheck compares what `permanence check` prints, in both languages.
func TestCheck(t *testing.T) {
	s := newSink(t)
	s.password = "correct"
	p := newIMAP(t)
	gone := unused(t)
	cert, ca := certificate(t, "mail.example.net")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tlsSink := serveSink(t, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}), nil)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()

	good := Config{
		IMAP:       IMAP{Server: p.addr, User: "support", Password: "correct"},
		SMTP:       SMTP{Server: s.addr, User: "support", Password: "correct"},
		Subaddress: "+", AuthservID: "mx.example.org",
	}
	with := func(f func(*Config)) Config {
		c := good
		f(&c)
		return c
	}
	ports := strings.NewReplacer(p.addr, "imap.example.org:993", s.addr, "smtp.example.org:587", gone, "gone.example.org:25",
		tlsSink.addr, "tls.example.org:465", busy.Addr().String(), "127.0.0.1:25")
	var out strings.Builder
	for _, tt := range []struct {
		name string
		cfg  Config
	}{
		{"all is well", good},
		{"nothing configured", Config{}},
		{"servers away", with(func(c *Config) { c.IMAP.Server, c.SMTP.Server = gone, gone })},
		{"wrong passwords", with(func(c *Config) { c.IMAP.Password, c.SMTP.Password = "wrong", "wrong" })},
		{"folder missing", with(func(c *Config) { c.IMAP.Folder = "Support" })},
		{"certificate of another name", with(func(c *Config) { c.SMTP.Server, c.SMTP.TLS, c.SMTP.CAFile = tlsSink.addr, ImplicitTLS, ca })},
		{"port taken", with(func(c *Config) { c.Listen.SMTP = busy.Addr().String() })},
	} {
		fmt.Fprintf(&out, "== %s\n", tt.name)
		for _, f := range newAdapter(t, tt.cfg, newStore()).Check(t.Context()) {
			fmt.Fprintf(&out, "%s (%d)\n  fr: %s\n      %s\n  en: %s\n      %s\n", f.Name, f.Level, f.What.FR, f.Do.FR, f.What.EN, f.Do.EN)
		}
	}
	got := strings.ReplaceAll(ports.Replace(out.String()), "      \n", "")
	const file = "testdata/check.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
