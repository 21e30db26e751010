package matrix

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// Config is the adapter's part of the configuration file. The rooms are not in
// it: they are those that desks and the status name, by alias
// ("matrix:#entraide:example.org") or by identifier ("matrix:!abc:example.org").
type Config struct {
	// URL is where clients reach the homeserver, such as
	// https://matrix.example.org.
	URL string `yaml:"url"`
	// User is our account, such as @permanence:example.org. With a token it may
	// be left out: the token tells it.
	User string `yaml:"user"`
	// TokenFile holds an access token made for us alone. It is tried first:
	// servers behind an authentication service offer no password.
	TokenFile string `yaml:"token_file"`
	// PasswordFile holds the password; we log in once and keep the device.
	PasswordFile string `yaml:"password_file"`
	// Device is the name that people see in the list of our devices;
	// "Permanence" where empty.
	Device string `yaml:"device"`
	// CAFile holds certificates (PEM) to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Encryption is "on", "off" or empty. Empty: rooms that are encrypted are
	// read and written so where this program was built for it. "on" makes that
	// a condition for starting. "off": encrypted rooms are left alone.
	Encryption string `yaml:"encryption"`
	// RecoveryKeyFile holds the recovery key of our account. With it a new
	// device is signed by the account (cross-signing), so that people need not
	// trust it anew.
	RecoveryKeyFile string `yaml:"recovery_key_file"`
}

// Files gives the file names in the configuration, so that the caller can make
// relative ones absolute.
func (c *Config) Files() []*string {
	return []*string{&c.TokenFile, &c.PasswordFile, &c.CAFile, &c.RecoveryKeyFile}
}

// Marks of Config.Encryption.
const (
	encryptAuto = ""
	encryptOn   = "on"
	encryptOff  = "off"
)

// settings is a configuration that was found to be sound.
type settings struct {
	Config
	base    *url.URL
	invites []string // patterns (chat.MatchAccount)
}

// complete fills in the defaults and refuses what cannot work.
func (c Config) complete() (settings, error) {
	s := settings{Config: c}
	if c.URL == "" {
		return s, errors.New("url is missing: expected the address of the homeserver, such as https://matrix.example.org")
	}
	base, err := url.Parse(c.URL)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return s, fmt.Errorf("url %q: expected the address of the homeserver, such as https://matrix.example.org", c.URL)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	s.base = base
	if c.TokenFile == "" && c.PasswordFile == "" {
		return s, errors.New("token_file or password_file is missing: we need one of them to log in")
	}
	if c.User != "" {
		if _, _, err := id.UserID(c.User).ParseAndValidateRelaxed(); err != nil {
			return s, fmt.Errorf("user %q: expected @name:server, such as @permanence:example.org", c.User)
		}
	} else if c.TokenFile == "" {
		return s, errors.New("user is missing: with a password we need our account, such as @permanence:example.org")
	}
	if s.Device == "" {
		s.Device = "Permanence"
	}
	switch c.Encryption {
	case encryptAuto, encryptOff:
	case encryptOn:
		if !canEncrypt {
			return s, errors.New("encryption: on, but this program was built without it: build with -tags goolm, or take a released binary")
		}
	default:
		return s, fmt.Errorf("encryption %q: expected on or off", c.Encryption)
	}
	return s, nil
}

// mayInvite tells whether an invitation of that account is accepted.
func (s *settings) mayInvite(user id.UserID) bool {
	return slices.ContainsFunc(s.invites, func(pattern string) bool { return chat.MatchAccount(pattern, string(user)) })
}

// secret reads the first line of a file.
func secret(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSpace(line)
	if line == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return line, nil
}
