package email

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"
)

// Config is the adapter's part of the configuration file. The role addresses
// are not in it: they are the rooms that desks name ("mail:support@…").
type Config struct {
	// Listen receives from a mail server by SMTP or LMTP.
	Listen Listen `yaml:"listen"`
	// IMAP reads a mailbox into which the role addresses deliver.
	IMAP IMAP `yaml:"imap"`
	// SMTP is the submission server for everything that leaves.
	SMTP SMTP `yaml:"smtp"`
	// Subaddress is what separates the role address from a token in reply
	// addresses ("+" in most places: support+t.….@example.org). Empty: the
	// mail server does not deliver such addresses, replies are recognised by
	// their References alone.
	Subaddress string `yaml:"subaddress"`
	// AuthservID is the name under which our own mail server writes
	// Authentication-Results (RFC 8601). Only the topmost such field is read,
	// and only under this name; empty means that no sender is ever proved.
	AuthservID string `yaml:"authserv_id"`
	// Domain stands in Message-IDs; the first role address's where empty.
	Domain string `yaml:"domain"`
	// MaxSize is the largest mail to be read whole, in MiB; 0 means 25.
	MaxSize int64 `yaml:"max_size"`
}

// Listen is where other mail servers reach us. It is meant for a machine's own
// mail server: no TLS, no authentication, no spam filter.
type Listen struct {
	// SMTP is host:port, empty for none.
	SMTP string `yaml:"smtp"`
	// LMTP is host:port, or unix:/path of a socket, empty for none.
	LMTP string `yaml:"lmtp"`
	// Hostname is what the greeting says; the Domain where empty, never the
	// machine's own name.
	Hostname string `yaml:"hostname"`
}

// IMAP is a mailbox to be read. Nothing is deleted or marked in it.
type IMAP struct {
	// Server is host:port; port 993 where it is left out.
	Server string `yaml:"server"`
	User   string `yaml:"user"`
	// Password, or PasswordFile whose first line is the password.
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	// Folder is read; INBOX where empty.
	Folder string `yaml:"folder"`
	// Existing: what lies in the folder at the very first start becomes
	// tickets too. Otherwise only mails from then on do.
	Existing bool     `yaml:"existing"`
	TLS      Security `yaml:"tls"`
	// CAFile holds certificates (PEM) to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
}

// SMTP is a submission server.
type SMTP struct {
	// Server is host:port; port 587 where it is left out.
	Server string `yaml:"server"`
	// User empty: no login.
	User         string `yaml:"user"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
	// EHLO is the name we greet with; the Domain where empty.
	EHLO   string   `yaml:"ehlo"`
	TLS    Security `yaml:"tls"`
	CAFile string   `yaml:"ca_file"`
}

// Security says how a connection is protected: "tls" from the first byte,
// "starttls", or "none", which is accepted on the machine itself only. Empty
// means the port's custom: tls on 465 and 993, none on a loopback address,
// else starttls.
type Security string

const (
	ImplicitTLS Security = "tls"
	StartTLS    Security = "starttls"
	Plaintext   Security = "none"
)

// defaultMaxSize is what large mail providers accept, in bytes.
const defaultMaxSize = 25 << 20

// Files gives the file names in the configuration, so that the caller can make
// relative ones absolute.
func (c *Config) Files() []*string {
	return []*string{&c.IMAP.PasswordFile, &c.IMAP.CAFile, &c.SMTP.PasswordFile, &c.SMTP.CAFile}
}

// complete fills in the defaults and refuses what cannot work.
func (c *Config) complete(rooms []string) error {
	if len(rooms) == 0 {
		return errors.New("no role address: name one as an intake of a desk, such as mail:support@example.org")
	}
	if c.Domain == "" {
		_, c.Domain, _ = strings.Cut(rooms[0], "@")
	}
	c.Domain = strings.ToLower(c.Domain)
	if !isDomain(c.Domain) {
		return fmt.Errorf("domain %q: expected a name such as example.org", c.Domain)
	}
	switch {
	case c.MaxSize < 0:
		return fmt.Errorf("max_size %d: expected a number of MiB, such as 25", c.MaxSize)
	case c.MaxSize == 0:
		c.MaxSize = defaultMaxSize
	default:
		c.MaxSize <<= 20
	}
	if len(c.Subaddress) > 1 || strings.Trim(c.Subaddress, "+-=_~") != "" {
		return fmt.Errorf(`subaddress %q: expected one sign such as "+", or nothing`, c.Subaddress)
	}
	if c.Listen.Hostname == "" {
		c.Listen.Hostname = c.Domain
	}
	if c.SMTP.EHLO == "" {
		c.SMTP.EHLO = c.Domain
	}
	if !isDomain(c.SMTP.EHLO) {
		return fmt.Errorf("smtp.ehlo %q: expected a name such as example.org", c.SMTP.EHLO)
	}
	if c.IMAP.Folder == "" {
		c.IMAP.Folder = "INBOX"
	}
	if c.Listen.SMTP != "" {
		if _, _, err := net.SplitHostPort(c.Listen.SMTP); err != nil {
			return fmt.Errorf("listen.smtp %q: expected address:port, such as 127.0.0.1:2525", c.Listen.SMTP)
		}
	}
	if path, ok := strings.CutPrefix(c.Listen.LMTP, "unix:"); ok {
		if path == "" {
			return errors.New("listen.lmtp: expected unix:/path/of/a/socket or address:port")
		}
	} else if c.Listen.LMTP != "" {
		if _, _, err := net.SplitHostPort(c.Listen.LMTP); err != nil {
			return fmt.Errorf("listen.lmtp %q: expected unix:/path/of/a/socket or address:port", c.Listen.LMTP)
		}
	}
	if err := completeServer("imap", &c.IMAP.Server, "993", &c.IMAP.TLS); err != nil {
		return err
	}
	if c.IMAP.Server != "" && c.IMAP.User == "" {
		return errors.New("imap.user: a mailbox cannot be read without a user name")
	}
	return completeServer("smtp", &c.SMTP.Server, "587", &c.SMTP.TLS)
}

// completeServer fills in port and security of a server to dial.
func completeServer(what string, server *string, port string, sec *Security) error {
	if *server == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(*server); err != nil {
		*server = net.JoinHostPort(strings.Trim(*server, "[]"), port)
	}
	host, port, err := net.SplitHostPort(*server)
	if err != nil || host == "" {
		return fmt.Errorf("%s.server %q: expected host:port", what, *server)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%s.server %q: the port must be a number", what, *server)
	}
	switch *sec {
	case "":
		switch {
		case port == "465" || port == "993":
			*sec = ImplicitTLS
		case isLoopback(host):
			*sec = Plaintext
		default:
			*sec = StartTLS
		}
	case ImplicitTLS, StartTLS:
	case Plaintext:
		if !isLoopback(host) {
			return fmt.Errorf("%s.tls: none would send the password and every mail readable for all to %s; it is possible on this machine only (localhost)", what, host)
		}
	default:
		return fmt.Errorf("%s.tls %q: expected tls, starttls or none", what, *sec)
	}
	return nil
}

// isLoopback tells whether host is this machine, without asking the DNS.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// isDomain accepts what may stand after the @ of an address and in EHLO.
func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, r := range label {
			if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80 {
				return false
			}
		}
	}
	return true
}

// secret gives a password: the one in the configuration, or the first line of
// the file, read anew at each login so that it can be changed without restart.
func secret(password, file string) (string, error) {
	if password != "" || file == "" {
		return password, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimRight(line, "\r"), nil
}

// role is an address that reaches a desk.
type role struct {
	room   string // as the configuration spells it
	local  string // lower case
	domain string // lower case
}

func (r role) address() string { return r.local + "@" + r.domain }

// parseRoles reads the rooms of the configuration.
func parseRoles(rooms []string) ([]role, error) {
	var roles []role
	for _, room := range rooms {
		addr, err := mail.ParseAddress(room)
		if err != nil || addr.Address != room {
			return nil, fmt.Errorf("%q is not a mail address: expected one such as support@example.org", room)
		}
		local, domain, _ := strings.Cut(strings.ToLower(room), "@")
		if !isDomain(domain) {
			return nil, fmt.Errorf("%q is not a mail address: expected one such as support@example.org", room)
		}
		roles = append(roles, role{room: room, local: local, domain: domain})
	}
	return roles, nil
}
