package mattermost

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Config is the adapter's part of the configuration file. The channels are not
// in it: they are the rooms that desks and the status name, each as
// team/channel by the names in its address ("tchat:asso/entraide").
type Config struct {
	// URL is the server's address, as in a browser, without a team.
	URL string `yaml:"url"`
	// TokenFile holds the access token of a bot account (or of an ordinary
	// one, where the server allows personal access tokens).
	TokenFile string `yaml:"token_file"`
	// Login and PasswordFile are for an ordinary account, on a server where we
	// may not make a bot. Login is a user name or an address.
	Login        string `yaml:"login"`
	PasswordFile string `yaml:"password_file"`
	// CAFile holds certificates (PEM) to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Teams are those where we offer commands, besides those of the rooms.
	Teams []string `yaml:"teams"`
	// Marks shows an emoji as another one, such as a custom emoji of the
	// server: {"📬": "parti"}.
	Marks map[string]string `yaml:"marks"`
	// Commands are the slash commands by what they are to us: {ticket: aide}
	// offers /aide for our ticket, and no other. Without it they are /ticket,
	// /incident and /travaux. They need an address that the server can call.
	Commands map[string]string `yaml:"commands"`
	// CommandTokensFile holds the tokens of slash commands that an
	// administrator made by hand, one a line; those that `permanence mattermost
	// install-commands` makes are not in it.
	CommandTokensFile string `yaml:"command_tokens_file"`
}

// Files gives the file names in the configuration, so that the caller can make
// relative ones absolute.
func (c *Config) Files() []*string {
	return []*string{&c.TokenFile, &c.PasswordFile, &c.CAFile, &c.CommandTokensFile}
}

// settings is a configuration that was found to be sound.
type settings struct {
	Config
	base   *url.URL // without a slash at its end
	socket string   // address of the websocket
	marks  map[string]string
	// commands are the triggers by what they are to us.
	commands map[string]string
}

// emojiName is what Mattermost allows (model.IsValidEmojiName).
var emojiName = regexp.MustCompile(`^[a-z0-9_+-]{1,64}$`)

// complete fills in the defaults and refuses what cannot work.
func (c Config) complete() (settings, error) {
	s := settings{Config: c, marks: make(map[string]string)}
	if c.URL == "" {
		return s, errors.New("url is missing: expected the server's address, such as https://tchat.example.org")
	}
	base, err := url.Parse(c.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return s, fmt.Errorf("url %q: expected the server's address, such as https://tchat.example.org", c.URL)
	}
	base.Path, base.Fragment = strings.TrimRight(base.Path, "/"), ""
	s.base = base
	socket := *base
	socket.Scheme = "ws" + strings.TrimPrefix(base.Scheme, "http")
	s.socket = socket.String() + "/api/v4/websocket"
	switch {
	case c.TokenFile == "" && c.Login == "":
		return s, errors.New("token_file is missing: it holds the bot's access token (or login and password_file, for an ordinary account)")
	case c.TokenFile != "" && c.Login != "":
		return s, errors.New("token_file and login: choose one, the bot's token or an ordinary account")
	case c.Login != "" && c.PasswordFile == "":
		return s, errors.New("password_file is missing: it holds the password of login")
	case c.Login == "" && c.PasswordFile != "":
		return s, errors.New("login is missing: the account whose password is in password_file")
	}
	for _, team := range c.Teams {
		if team == "" || strings.ContainsAny(team, "/ ") {
			return s, fmt.Errorf("teams: %q: expected a team's name as in its address", team)
		}
	}
	for emoji, name := range c.Marks {
		name = strings.Trim(name, ":")
		if emoji == "" || !emojiName.MatchString(name) {
			return s, fmt.Errorf("marks: %q: %q: expected an emoji and the name of the one to show instead", emoji, name)
		}
		s.marks[bare(emoji)] = name
	}
	if s.commands, err = c.slash(); err != nil {
		return s, err
	}
	return s, nil
}

// defaultCommands are offered where the configuration names none.
func defaultCommands() map[string]string {
	return map[string]string{"ticket": "ticket", "incident": "incident", "travaux": "travaux"}
}

// commandTrigger is what Mattermost takes for one, without "/" in it.
var commandTrigger = regexp.MustCompile(`^[a-z0-9_.-]{1,64}$`)

// slash reads the commands.
func (c *Config) slash() (map[string]string, error) {
	if c.Commands == nil {
		return defaultCommands(), nil
	}
	commands, taken := make(map[string]string), make(map[string]bool)
	for verb, trigger := range c.Commands {
		trigger = strings.ToLower(strings.TrimPrefix(trigger, "/"))
		if verb == "" || !commandTrigger.MatchString(trigger) {
			return nil, fmt.Errorf("commands: %q: %q: expected a command's name, such as ticket", verb, trigger)
		}
		if taken[trigger] {
			return nil, fmt.Errorf("commands: %q stands for two of our commands", trigger)
		}
		commands[verb], taken[trigger] = trigger, true
	}
	return commands, nil
}

// near: the server is on this machine.
func (s *settings) near() bool {
	ip := net.ParseIP(s.base.Hostname())
	return s.base.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// tls gives what to trust, nil for the system's authorities.
func (s *settings) tls() (*tls.Config, error) {
	if s.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate (PEM) in it", s.CAFile)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// secret reads the first line of a file.
func secret(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s: its first line is empty", file)
	}
	return line, nil
}

// teams are the teams of the configuration and of its rooms, by name.
func (a *Adapter) teams() []string {
	teams := slices.Clone(a.cfg.Teams)
	for _, room := range a.rooms {
		if team, _, ok := splitRoom(room); ok {
			teams = append(teams, team)
		}
	}
	slices.Sort(teams)
	return slices.Compact(teams)
}

// splitRoom reads team/channel.
func splitRoom(room string) (team, channel string, ok bool) {
	team, channel, ok = strings.Cut(strings.ToLower(room), "/")
	return team, channel, ok && team != "" && channel != "" && !strings.Contains(channel, "/")
}
