package irc

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config is the adapter's part of the configuration file. The channels are not
// in it: they are the rooms that desks and the status name ("irc:#asso").
type Config struct {
	// Server is host:port; port 6697 where it is left out.
	Server string `yaml:"server"`
	// TLS is "on" or "off"; empty means the port's custom: off on 6667 and on
	// a loopback address with a port other than 6697, else on.
	TLS string `yaml:"tls"`
	// CAFile holds certificates (PEM) to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Proxy is a SOCKS5 proxy, such as socks5://127.0.0.1:9050.
	Proxy string `yaml:"proxy"`
	// Nick is the name we want; "permanence" where empty.
	Nick string `yaml:"nick"`
	// RealName is shown by whois; "Permanence" where empty.
	RealName string `yaml:"realname"`
	// ServerPasswordFile holds the password that the server itself asks for
	// (PASS); bouncers take "user/network:password" here.
	ServerPasswordFile string `yaml:"server_password_file"`
	// SASL logs in to the services account before anything else. Where it is
	// configured and fails we do not go on without it.
	SASL SASL `yaml:"sasl"`
	// Regain is the command that frees our nick when something else has it:
	// "ghost" (where empty), "regain", "recover", or "none". It needs SASL.
	Regain string `yaml:"regain"`
	// Keys are the keys of channels (mode +k) by the channel's name.
	Keys map[string]string `yaml:"keys"`
	// Flood is how fast we may write.
	Flood Flood `yaml:"flood"`
	// Relays are bridges: one nick that says the words of many people.
	Relays []Relay `yaml:"relays"`
}

// SASL is how we log in.
type SASL struct {
	// User is the account; empty means no login, except with EXTERNAL, where
	// the certificate tells it.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	// Mechanism is "plain" (where empty), "scram-sha-256", which does not show
	// the password to the server, or "external", which logs in by the client
	// certificate of CertFile and KeyFile (PEM).
	Mechanism string `yaml:"mechanism"`
	CertFile  string `yaml:"cert_file"`
	KeyFile   string `yaml:"key_file"`
}

// Flood is the server's patience: Burst lines at once, then one Every so
// often. Zero values mean four lines and two seconds, which every server
// bears; servers known to be more patient get their own custom.
type Flood struct {
	Burst int    `yaml:"burst"`
	Every string `yaml:"every"` // a duration such as 500ms
	// Unlimited: the server does not mind (fakelag off, flood exemption).
	Unlimited bool `yaml:"unlimited"`
}

// Relay is a bridge to another network. Its people are visitors.
type Relay struct {
	Nick string `yaml:"nick"`
	// Account must be the bridge's services account where it has one, so that
	// nobody else under its nick speaks for others.
	Account string `yaml:"account"`
	// Author is a regular expression that matches the beginning of its lines;
	// its first group is the name of who speaks. "<name> text" where empty.
	Author string `yaml:"author"`
}

const defaultAuthor = `^<([^>]{1,64})> ?`

// Files gives the file names in the configuration, so that the caller can make
// relative ones absolute.
func (c *Config) Files() []*string {
	return []*string{&c.CAFile, &c.ServerPasswordFile, &c.SASL.PasswordFile, &c.SASL.CertFile, &c.SASL.KeyFile}
}

// settings is a configuration that was found to be sound.
type settings struct {
	Config
	host, port string
	tls        bool
	burst      int // lines
	every      time.Duration
	learned    bool // burst and every are guesses
	relays     []relay
	proxy      *url.URL
}

type relay struct {
	nick, account string
	author        *regexp.Regexp
}

// complete fills in the defaults and refuses what cannot work.
func (c Config) complete() (settings, error) {
	s := settings{Config: c}
	if c.Server == "" {
		return s, errors.New("server is missing: expected host:port, such as irc.example.org:6697")
	}
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil {
		host, port = c.Server, "6697"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return s, fmt.Errorf("server %q: expected host:port, such as irc.example.org:6697", c.Server)
	}
	s.host, s.port = host, port
	switch c.TLS {
	case "on":
		s.tls = true
	case "off":
	case "":
		ip := net.ParseIP(host)
		near := host == "localhost" || ip != nil && ip.IsLoopback()
		s.tls = port == "6697" || port != "6667" && !near
	default:
		return s, fmt.Errorf("tls %q: expected on or off", c.TLS)
	}
	if s.Nick == "" {
		s.Nick = "permanence"
	}
	if strings.ContainsAny(s.Nick, " ,:!@*?#&\r\n\x00") || s.Nick[0] >= '0' && s.Nick[0] <= '9' || s.Nick[0] == '-' {
		return s, fmt.Errorf("nick %q: a nick has no spaces and none of , : ! @ * ? # &, and does not begin with a digit", s.Nick)
	}
	if s.RealName == "" {
		s.RealName = "Permanence"
	}
	if err := s.SASL.complete(s.tls); err != nil {
		return s, err
	}
	switch s.Regain {
	case "":
		s.Regain = "ghost"
	case "ghost", "regain", "recover", "none":
	default:
		return s, fmt.Errorf("regain %q: expected ghost, regain, recover or none", s.Regain)
	}
	if err := s.flood(); err != nil {
		return s, err
	}
	if c.Proxy != "" {
		if s.proxy, err = url.Parse(c.Proxy); err != nil || s.proxy.Scheme != "socks5" || s.proxy.Host == "" {
			return s, fmt.Errorf("proxy %q: expected socks5://host:port", c.Proxy)
		}
	}
	for _, r := range c.Relays {
		if r.Nick == "" {
			return s, errors.New("relays: nick is missing")
		}
		if r.Author == "" {
			r.Author = defaultAuthor
		}
		author, err := regexp.Compile(r.Author)
		if err != nil || author.NumSubexp() < 1 || !strings.HasPrefix(r.Author, "^") {
			return s, fmt.Errorf("relays: author %q: expected a regular expression that begins with ^ and has a group for the name, such as %s", r.Author, defaultAuthor)
		}
		s.relays = append(s.relays, relay{r.Nick, r.Account, author})
	}
	return s, nil
}

func (c *SASL) complete(tls bool) error {
	switch c.Mechanism {
	case "", "plain", "scram-sha-256":
		if c.User != "" && c.PasswordFile == "" {
			return errors.New("sasl.password_file is missing: it holds the password of sasl.user")
		}
		if c.User == "" && c.PasswordFile != "" {
			return errors.New("sasl.user is missing: the services account to log in to")
		}
	case "external":
		if c.CertFile == "" || c.KeyFile == "" {
			return errors.New("sasl external needs cert_file and key_file")
		}
		if !tls {
			return errors.New("sasl external needs TLS")
		}
	default:
		return fmt.Errorf("sasl.mechanism %q: expected plain, scram-sha-256 or external", c.Mechanism)
	}
	return nil
}

// wanted tells whether we log in.
func (c *SASL) wanted() bool { return c.User != "" || c.Mechanism == "external" }

func (s *settings) flood() error {
	f := s.Flood
	s.burst, s.every, s.learned = f.Burst, 2*time.Second, f.Burst == 0 && f.Every == ""
	if f.Burst < 0 {
		return fmt.Errorf("flood.burst %d: expected a number of lines", f.Burst)
	}
	if f.Burst == 0 {
		s.burst = 4
	}
	if f.Every != "" {
		every, err := time.ParseDuration(f.Every)
		if err != nil || every < 0 {
			return fmt.Errorf("flood.every %q: expected a duration such as 500ms", f.Every)
		}
		s.every = every
	}
	if f.Unlimited {
		s.every, s.learned = 0, false
	}
	return nil
}

// secret reads the first line of a file.
func secret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimRight(line, "\r"), nil
}
