package email

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"permanence/bot/chat"
)

func TestConfig(t *testing.T) {
	const text = `
listen: {smtp: "127.0.0.1:2525", lmtp: "unix:/run/permanence/lmtp"}
imap: {server: imap.example.org, user: support, password_file: imap.pass, existing: true}
smtp: {server: "smtp.example.org:465", user: support, password_file: imap.pass, ehlo: mail.example.org}
subaddress: "+"
authserv_id: mx.example.org
max_size: 10
`
	var cfg Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, f := range cfg.Files() {
		if *f != "" {
			*f = filepath.Join("/etc/permanence", *f)
		}
	}
	a, err := New(cfg, chat.Env{Rooms: []string{"Support@Example.org", "billing@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	got := a.cfg
	if got.Domain != "example.org" || got.MaxSize != 10<<20 || got.IMAP.Server != "imap.example.org:993" ||
		got.IMAP.TLS != ImplicitTLS || got.SMTP.TLS != ImplicitTLS || got.IMAP.Folder != "INBOX" ||
		got.Listen.Hostname != "example.org" || got.SMTP.EHLO != "mail.example.org" ||
		got.SMTP.PasswordFile != "/etc/permanence/imap.pass" {
		t.Errorf("completed to %+v", got)
	}
	if r, ok := a.roleOf("SUPPORT+x@example.ORG"); !ok || r.room != "Support@Example.org" {
		t.Errorf("role %+v, %v", r, ok)
	}
}

func TestConfigDefaults(t *testing.T) {
	for server, want := range map[string]Security{
		"127.0.0.1:25": Plaintext, "[::1]:587": Plaintext, "localhost": Plaintext, "localhost:465": ImplicitTLS,
		"smtp.example.org": StartTLS, "smtp.example.org:465": ImplicitTLS, "smtp.example.org:25": StartTLS,
	} {
		var sec Security
		if err := completeServer("smtp", &server, "587", &sec); err != nil || sec != want {
			t.Errorf("%s: %q, %v, want %q", server, sec, err, want)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cfg   Config
		rooms []string
		want  string
	}{
		{"no role", Config{}, nil, "no role address"},
		{"no address", Config{}, []string{"support"}, `"support" is not a mail address`},
		{"a name", Config{}, []string{"Support <support@example.org>"}, "is not a mail address"},
		{"plaintext outside", Config{SMTP: SMTP{Server: "smtp.example.org:25", TLS: Plaintext}}, desk, "smtp.tls: none would send the password"},
		{"unknown security", Config{IMAP: IMAP{Server: "a", User: "b", TLS: "ssl"}}, desk, `imap.tls "ssl": expected tls, starttls or none`},
		{"no user", Config{IMAP: IMAP{Server: "imap.example.org"}}, desk, "imap.user"},
		{"port", Config{SMTP: SMTP{Server: "smtp.example.org:submission"}}, desk, "the port must be a number"},
		{"listen", Config{Listen: Listen{SMTP: "2525"}}, desk, "listen.smtp"},
		{"lmtp", Config{Listen: Listen{LMTP: "unix:"}}, desk, "listen.lmtp"},
		{"subaddress", Config{Subaddress: "plus"}, desk, "subaddress"},
		{"ehlo", Config{SMTP: SMTP{EHLO: "a b"}}, desk, "smtp.ehlo"},
		{"domain", Config{Domain: "a@b"}, desk, "domain"},
		{"size", Config{MaxSize: -1}, desk, "max_size"},
	} {
		_, err := New(tt.cfg, chat.Env{Rooms: tt.rooms})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(file, []byte("correct horse \r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ password, file, want string }{
		{"", "", ""}, {"direct", file, "direct"}, {"", file, "correct horse "},
	} {
		if got, err := secret(tt.password, tt.file); err != nil || got != tt.want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := secret("", file+"x"); err == nil {
		t.Error("a missing file gives an empty password")
	}
}
