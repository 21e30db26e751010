package irc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// TestRegain: what holds our nick under our account is sent away.
func TestRegain(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	server.Register(t, "permanence", "motdepasse")
	ghost := newPeer(t, server.Addr, "permanence", "", "")
	watcher := newPeer(t, server.Addr, "camille", "permanence", "", "#asso")
	b := running(t, irc.Config{Server: server.Addr, SASL: irc.SASL{User: "permanence", PasswordFile: write(t, "motdepasse")}}, "#asso")
	ghost.reads(t, "ERROR ")
	if _, err := b.say("#asso", "c’est bien moi"); err != nil {
		t.Fatal(err)
	}
	watcher.reads(t, ":permanence!") // before it entered or behind, as it comes
}

// TestNickFreed: without an account we take our nick when it becomes free.
func TestNickFreed(t *testing.T) {
	server := testservers.NgIRCd(t)
	other := newPeer(t, server.Addr, "permanence", "", "", "#asso")
	watcher := newPeer(t, server.Addr, "camille", "permanence", "", "#asso")
	running(t, irc.Config{Server: server.Addr}, "#asso")
	watcher.reads(t, ":permanence_!")
	other.quit(t)
	watcher.reads(t, " NICK :permanence")
}

// TestExternal logs in by certificate.
func TestExternal(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	server.Register(t, "permanence", "motdepasse")
	cert, key, print := certificate(t)
	owner := newPeer(t, server.Addr, "camille", "permanence", "message-tags account-tag", "#asso")
	owner.login(t, "permanence", "motdepasse")
	owner.line(t, "NS CERT ADD "+print)
	cfg := irc.Config{Server: server.TLSAddr, TLS: "on", CAFile: server.CA,
		SASL: irc.SASL{Mechanism: "external", CertFile: cert, KeyFile: key}}
	b := running(t, cfg, "#asso")
	if _, err := b.say("#asso", "par certificat"); err != nil {
		t.Fatal(err)
	}
	if line := owner.reads(t, "par certificat"); !strings.Contains(line, "account=permanence") {
		t.Errorf("not logged in: %q", line)
	}
}

func certificate(t *testing.T) (certFile, keyFile, fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "permanence"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(der)
	return certFile, keyFile, hex.EncodeToString(sum[:])
}

// TestRefusedLogin: a refused login is told, and nothing is entered without it.
func TestRefusedLogin(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	plain := testservers.NgIRCd(t)
	for name, addr := range map[string]string{"wrong password": server.Addr, "no SASL": plain.Addr} {
		t.Run(name, func(t *testing.T) {
			watcher := newPeer(t, addr, "camille", "permanence", "", "#asso")
			b := launched(t, chattest.NewInbox(), irc.Config{Server: addr, SASL: irc.SASL{User: "permanence", PasswordFile: write(t, "faux")}}, "#asso")
			c := first(b, "the cut", func(c *chat.Connection) bool { return c.State == chat.Cut })
			if !strings.Contains(c.Reason.EN, "account") && !strings.Contains(c.Reason.EN, "SASL") {
				t.Errorf("reason %q", c.Reason.EN)
			}
			if _, err := b.say("#asso", "x"); kindOf(t, err) != chat.Temporary {
				t.Error(err)
			}
			b.stop()
			watcher.line(t, "NAMES #asso")
			watcher.mu.Lock()
			defer watcher.mu.Unlock()
			for _, line := range watcher.lines {
				if strings.Contains(line, "permanence") {
					t.Errorf("the bot was there: %q", line)
				}
			}
		})
	}
}

// TestKicked: the bot comes back, and reads what was said meanwhile, also when
// it was restarted in between.
func TestKicked(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	p := newPeer(t, server.Addr, "camille", "permanence", richCaps, "#asso", "#autre")
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, irc.Config{Server: server.Addr}, "#asso", "#autre")
	p.line(t, "PRIVMSG #asso :avant")
	b.heard("avant")
	p.line(t, "MODE #asso +i")
	p.line(t, "KICK #asso permanence :pour voir")
	p.line(t, "PRIVMSG #asso :pendant l’absence")
	p.line(t, "PRIVMSG #autre :ailleurs, plus tard")
	b.heard("ailleurs, plus tard")
	b.stop()
	b = resumed(t, inbox, irc.Config{Server: server.Addr}, "#asso", "#autre")
	if _, err := b.say("#asso", "x"); kindOf(t, err) != chat.Unauthorised {
		t.Error(err)
	}
	p.line(t, "INVITE permanence #asso")
	got := b.heard("pendant l’absence")
	if !got.Backlog {
		t.Error("not marked as backlog")
	}
	p.line(t, "PRIVMSG #asso :après")
	if after := b.heard("après"); after.Backlog {
		t.Error("marked as backlog")
	}
	n := 0
	for _, e := range inbox.Events() {
		if post, ok := e.(*chat.Posted); ok && strings.Contains(post.Text, "avant") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("heard %d times", n)
	}
}

// TestManyMissed: more was said than one answer of the server holds.
func TestManyMissed(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	p := newPeer(t, server.Addr, "camille", "permanence", "", "#asso")
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, irc.Config{Server: server.Addr}, "#asso")
	b.stop()
	var lines []string
	for i := range 350 {
		lines = append(lines, "PRIVMSG #asso :ligne "+strings.Repeat("i", i+1))
	}
	p.line(t, strings.Join(lines, "\r\n"))
	resumed(t, inbox, irc.Config{Server: server.Addr}, "#asso")
	at := 0
	for _, e := range inbox.Events() {
		post, ok := e.(*chat.Posted)
		if !ok {
			continue
		}
		if want := "ligne " + strings.Repeat("i", at+1); post.Text != want {
			t.Fatalf("line %d is %q", at, post.Text)
		}
		at++
	}
	if at != 350 {
		t.Errorf("%d lines", at)
	}
}

// TestLateVerdict: nobody waits any more when the server answers; the outcome
// is told as an event.
func TestLateVerdict(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	r := newRoad(t, server.Addr)
	newPeer(t, server.Addr, "camille", "permanence", "", "#asso")
	b := running(t, irc.Config{Server: r.addr}, "#asso")
	r.hold(true)
	ctx, cancel := withTimeout(t, 300*time.Millisecond)
	defer cancel()
	_, err := b.Do(ctx, chat.Say{Place: place("#asso"), Content: chat.Content{Text: "en route"}}, chat.Try{Key: "tardive", Attempt: 1})
	if kindOf(t, err) != chat.Temporary {
		t.Error(err)
	}
	r.hold(false)
	o := first(b, "the outcome", func(o *chat.Outcome) bool { return o.Key == "tardive" })
	if o.State != chat.Delivered || o.RemoteID == "" {
		t.Errorf("%+v", o)
	}
}

// TestAway: what the server says of somebody who is away comes back.
func TestAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		addr func(*testing.T) string
	}{
		{"ergo", func(t *testing.T) string { return testservers.Ergo(t, testservers.ErgoOptions{}).Addr }},
		{"ngircd", func(t *testing.T) string { return testservers.NgIRCd(t).Addr }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := tt.addr(t)
			p := newPeer(t, addr, "alice", "permanence", "", "#asso")
			b := running(t, irc.Config{Server: addr}, "#asso")
			p.line(t, "PRIVMSG permanence :bonjour")
			room := b.heard("bonjour").Room
			p.line(t, "AWAY :partie déjeuner")
			if _, err := b.say(room, "à tout à l’heure"); err != nil {
				t.Fatal(err)
			}
			o := first(b, "the absence", func(o *chat.Outcome) bool { return o.Key == "key" })
			if !strings.Contains(o.Reason.FR, "partie déjeuner") {
				t.Errorf("%+v", o)
			}
		})
	}
}
