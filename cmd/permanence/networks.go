package main

import (
	"fmt"
	"net"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"permanence/adapters/email"
	"permanence/adapters/irc"
	"permanence/adapters/matrix"
	"permanence/adapters/mattermost"
	"permanence/adapters/playground"
	"permanence/bot/chat"
)

// network is a kind of adapter that the configuration can name by its type.
type network struct {
	kind string
	// mail: rooms are role addresses, and are intakes alone.
	mail bool
	// decode reads the adapter's part of the configuration.
	decode func(d *document, node ast.Node) (adapterConfig, error)
	// example is an empty configuration, for tests and shell completion.
	example any
}

// adapterConfig is an adapter's own configuration, decoded.
type adapterConfig interface {
	// files are the names of files in it, to be made absolute.
	files() []*string
	// inside are its words that must not leave: hosts and accounts.
	inside() []string
	// open makes the adapter; w is the world of the program beside it.
	open(env chat.Env, w *world) (chat.Adapter, error)
}

// networks is the one list of what can be connected: one line a network.
func networks() []network {
	return []network{
		describe[mailConfig]("email", true),
		describe[ircConfig]("irc", false),
		describe[matrixConfig]("matrix", false),
		describe[mattermostConfig]("mattermost", false),
		describe[playgroundConfig]("playground", false),
	}
}

func findNetwork(kind string) (network, bool) {
	for _, n := range networks() {
		if n.kind == kind {
			return n, true
		}
	}
	return network{}, false
}

func networkKinds() []string {
	var kinds []string
	for _, n := range networks() {
		kinds = append(kinds, n.kind)
	}
	return kinds
}

// describe makes the line of a network whose configuration is a C.
func describe[C any, P interface {
	*C
	adapterConfig
}](kind string, mail bool) network {
	return network{kind: kind, mail: mail, example: *new(C),
		decode: func(d *document, node ast.Node) (adapterConfig, error) {
			cfg := P(new(C))
			return cfg, d.decode(node, cfg)
		}}
}

// mailConfig is an adapter of type email.
type mailConfig struct {
	Type         string `yaml:"type"`
	email.Config `yaml:",inline"`
}

func (c *mailConfig) files() []*string { return c.Config.Files() }

func (c *mailConfig) inside() []string {
	words := []string{hostOf(c.IMAP.Server), hostOf(c.SMTP.Server)}
	for _, user := range []string{c.IMAP.User, c.SMTP.User} {
		if strings.Contains(user, "@") {
			words = append(words, user)
		}
	}
	return words
}

func (c *mailConfig) open(env chat.Env, w *world) (chat.Adapter, error) {
	cfg := c.Config
	if cfg.SMTP.Server == "" && w.sink != "" {
		cfg.SMTP.Server = w.sink
	}
	if cfg.Listen.LMTP == "" && w.mailDoor != nil {
		cfg.Listen.LMTP = "unix:" + w.mailDoor(env.Name)
	}
	return email.New(cfg, env)
}

// ircConfig is an adapter of type irc.
type ircConfig struct {
	Type       string `yaml:"type"`
	irc.Config `yaml:",inline"`
}

func (c *ircConfig) files() []*string {
	return c.Config.Files()
}

func (c *ircConfig) inside() []string { return nil } // a network's address is no secret

func (c *ircConfig) open(env chat.Env, _ *world) (chat.Adapter, error) { return irc.New(c.Config, env) }

// mattermostConfig is an adapter of type mattermost.
type mattermostConfig struct {
	Type              string `yaml:"type"`
	mattermost.Config `yaml:",inline"`
}

func (c *mattermostConfig) files() []*string { return c.Config.Files() }

func (c *mattermostConfig) inside() []string { return nil } // people log in there: its address is no secret

func (c *mattermostConfig) open(env chat.Env, _ *world) (chat.Adapter, error) {
	return mattermost.New(c.Config, env)
}

// matrixConfig is an adapter of type matrix.
type matrixConfig struct {
	Type          string `yaml:"type"`
	matrix.Config `yaml:",inline"`
}

func (c *matrixConfig) files() []*string { return c.Config.Files() }

func (c *matrixConfig) inside() []string { return nil } // people log in there: its address is no secret

func (c *matrixConfig) open(env chat.Env, _ *world) (chat.Adapter, error) {
	return matrix.New(c.Config, env)
}

// playgroundConfig is an adapter of type playground.
type playgroundConfig struct {
	Type              string `yaml:"type"`
	playground.Config `yaml:",inline"`
}

func (c *playgroundConfig) files() []*string { return []*string{&c.Journal} }

func (c *playgroundConfig) inside() []string { return nil }

func (c *playgroundConfig) open(env chat.Env, w *world) (chat.Adapter, error) {
	return w.playground(c, env)
}

func hostOf(server string) string {
	if host, _, err := net.SplitHostPort(server); err == nil {
		return host
	}
	return server
}

// typeOf reads which network an adapter's part of the file is for.
func typeOf(d *document, name string, node ast.Node) (network, error) {
	if len(values(node)) == 0 {
		return network{}, d.errorAt(node, "expected keys below it, type the first of them (%s)", strings.Join(networkKinds(), ", "))
	}
	for _, v := range values(node) {
		if keyOf(v) != "type" {
			continue
		}
		s, ok := v.Value.(*ast.StringNode)
		if !ok {
			return network{}, d.errorAt(v.Value, "expected one of %s", strings.Join(networkKinds(), ", "))
		}
		n, ok := findNetwork(s.Value)
		if !ok {
			return network{}, d.errorAt(v.Value, "%s", unknown("type", s.Value, networkKinds()))
		}
		return n, nil
	}
	return network{}, d.errorAt(node, "type is missing: expected one of %s", strings.Join(networkKinds(), ", "))
}

// fieldsOf lists every key of a configuration struct with the keys above it,
// for the test that the example names them all.
func fieldsOf(t reflect.Type, prefix string) []string {
	var out []string
	for _, key := range keysOf(t) {
		f, _ := fieldOf(t, key)
		name := key
		if prefix != "" {
			name = fmt.Sprintf("%s.%s", prefix, key)
		}
		if f.Type.Kind() == reflect.Struct && !reflect.PointerTo(f.Type).Implements(nodeUnmarshaler) {
			out = append(out, fieldsOf(f.Type, name)...)
			continue
		}
		out = append(out, name)
	}
	return out
}
