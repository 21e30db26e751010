package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Config is the file of configuration. config.example.yaml explains each key
// to the people who write it.
type Config struct {
	// Name is the association's, as people outside know it.
	Name string `yaml:"name"`
	// Language is "fr" or "en", where nothing nearer says.
	Language string `yaml:"language"`
	// Timezone is the zone of all times that people read.
	Timezone string `yaml:"timezone"`
	// Database is sqlite:PATH or postgres://….
	Database string       `yaml:"database"`
	Web      WebConfig    `yaml:"web"`
	Adapters adapterList  `yaml:"adapters"`
	Desks    deskList     `yaml:"desks"`
	Status   StatusConfig `yaml:"status"`
}

// WebConfig is our own web server.
type WebConfig struct {
	// Listen is address:port, or "none".
	Listen string `yaml:"listen"`
	// URL is how people outside reach it; http:// and Listen where empty.
	URL string `yaml:"url"`
}

// DeskConfig is a team and its work.
type DeskConfig struct {
	Title        string         `yaml:"title"`
	Language     string         `yaml:"language"`
	Informal     bool           `yaml:"informal"`
	Rooms        []string       `yaml:"rooms"`
	Intakes      []IntakeConfig `yaml:"intakes"`
	Agents       []string       `yaml:"agents"`
	Coordinators []string       `yaml:"coordinators"`
	// Invites are patterns, as adapter:account.
	Invites     []string          `yaml:"invites"`
	Hold        HoldConfig        `yaml:"hold"`
	Acknowledge AcknowledgeConfig `yaml:"acknowledge"`
	Observe     bool              `yaml:"observe"`
	Reopen      Duration          `yaml:"reopen"`
	Claim       Duration          `yaml:"claim"`
	SendEmoji   []string          `yaml:"send_emoji"`
}

// HoldConfig is how long a message waits before it leaves.
type HoldConfig struct {
	Mail   Duration `yaml:"mail"`
	Chat   Duration `yaml:"chat"`
	Others Duration `yaml:"others"`
}

// AcknowledgeConfig says who is told that their request has arrived.
type AcknowledgeConfig struct {
	Mail  bool     `yaml:"mail"`
	Chat  bool     `yaml:"chat"`
	After Duration `yaml:"after"`
	Hours string   `yaml:"hours"`
}

// IntakeConfig is where requests come from: "adapter:room", or that with a
// rule.
type IntakeConfig struct {
	From   string `yaml:"from"`
	Opens  string `yaml:"opens"`
	Closed bool   `yaml:"closed"`
}

// Defaults is what holds where the file says nothing. A file must give name,
// adapters and desks itself.
func Defaults() Config {
	return Config{
		Language: "fr",
		Timezone: "Europe/Paris",
		Database: "sqlite:permanence.db",
		Web:      WebConfig{Listen: "127.0.0.1:8080"},
		Status:   statusDefaults(),
	}
}

// deskDefaults is what holds in each desk.
func deskDefaults() DeskConfig {
	return DeskConfig{
		Hold:        HoldConfig{Mail: Duration(30 * time.Second), Chat: Duration(15 * time.Second), Others: Duration(2 * time.Minute)},
		Acknowledge: AcknowledgeConfig{Mail: true, Chat: true, After: Duration(5 * time.Minute)},
		Reopen:      Duration(30 * 24 * time.Hour),
		Claim:       Duration(3 * 24 * time.Hour),
	}
}

// Duration is a length of time written as "30s", "5m", "2h" or "3d".
type Duration time.Duration

// maxDuration is longer than anything that makes sense here.
const maxDuration = 10 * 365 * 24 * time.Hour

func parseDuration(s string) (Duration, error) {
	err := fmt.Errorf(`expected a length of time such as "30s", "5m", "2h" or "3d"`)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, bad := strconv.ParseUint(days, 10, 12)
		if bad != nil {
			return 0, err
		}
		return Duration(n) * Duration(24*time.Hour), nil
	}
	d, bad := time.ParseDuration(s)
	if bad != nil || d < 0 || d > maxDuration {
		return 0, err
	}
	return Duration(d), nil
}

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	var text string
	switch n := node.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.IntegerNode:
		if text = n.GetToken().Value; text != "0" {
			text = "" // of which unit?
		}
	}
	parsed, err := parseDuration(text)
	if err != nil {
		return (&document{}).errorAt(node, "%v", err)
	}
	*d = parsed
	return nil
}

// UnmarshalYAML reads an intake in its short or its long form.
func (in *IntakeConfig) UnmarshalYAML(node ast.Node) error {
	if s, ok := node.(*ast.StringNode); ok {
		in.From = s.Value
		return nil
	}
	type long IntakeConfig
	d := &document{}
	if len(values(node)) == 0 {
		return d.errorAt(node, `expected "adapter:room", or {from: "adapter:room", opens: mention}`)
	}
	return d.decode(node, (*long)(in))
}

// adapterList are the adapters in the order of the file.
type adapterList []namedAdapter

type namedAdapter struct {
	Name    string
	Network network
	Config  adapterConfig
}

// UnmarshalYAML reads each adapter as its type wants.
func (l *adapterList) UnmarshalYAML(node ast.Node) error {
	d := &document{}
	if len(values(node)) == 0 {
		return d.errorAt(node, "expected a name for each adapter, and its type below the name")
	}
	for _, v := range values(node) {
		name := keyOf(v)
		if !isName(name) {
			return d.errorAt(v.Key, "%q: a name has lower-case letters, digits and - only", name)
		}
		n, err := typeOf(d, name, v.Value)
		if err != nil {
			return err
		}
		cfg, err := n.decode(d, v.Value)
		if err != nil {
			return err
		}
		*l = append(*l, namedAdapter{name, n, cfg})
	}
	return nil
}

func (l adapterList) find(name string) (namedAdapter, bool) {
	for _, a := range l {
		if a.Name == name {
			return a, true
		}
	}
	return namedAdapter{}, false
}

func (l adapterList) names() []string {
	var names []string
	for _, a := range l {
		names = append(names, a.Name)
	}
	return names
}

// deskList are the desks in the order of the file: the first has its say about
// incidents started at the machine.
type deskList []namedDesk

type namedDesk struct {
	Name string
	DeskConfig
}

// UnmarshalYAML reads each desk over its defaults.
func (l *deskList) UnmarshalYAML(node ast.Node) error {
	d := &document{}
	if len(values(node)) == 0 {
		return d.errorAt(node, "expected a name for each desk, and its rooms and intakes below the name")
	}
	for _, v := range values(node) {
		desk := namedDesk{Name: keyOf(v), DeskConfig: deskDefaults()}
		if !isName(desk.Name) {
			return d.errorAt(v.Key, "%q: a name has lower-case letters, digits and - only", desk.Name)
		}
		if err := d.decode(v.Value, &desk.DeskConfig); err != nil {
			return err
		}
		*l = append(*l, desk)
	}
	return nil
}

// isName says what names of adapters and desks look like: they stand in
// addresses of pages and in commands.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-'
}

// Loaded is a configuration that was read and found to make sense.
type Loaded struct {
	Config
	// File is where it was read from, empty for the embedded defaults.
	File string
	plan plan
}

// LoadConfig reads a file. Its error, of one line for each thing that is
// wrong, is for the person who writes the file.
func LoadConfig(file string) (*Loaded, error) {
	d, err := readDocument(file)
	if err != nil {
		return nil, err
	}
	return load(d)
}

func load(d *document) (*Loaded, error) {
	l := &Loaded{Config: Defaults(), File: d.file}
	if err := d.decode(d.root, &l.Config); err != nil {
		return nil, d.located(err)
	}
	l.absolute(filepath.Dir(d.file))
	var err error
	l.plan, err = makePlan(&l.Config, d)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// absolute makes relative file names start from the configuration's folder.
func (c *Config) absolute(dir string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	for _, a := range c.Adapters {
		for _, f := range a.Config.files() {
			if *f != "" && !filepath.IsAbs(*f) {
				*f = filepath.Join(dir, *f)
			}
		}
	}
	if path, ok := strings.CutPrefix(c.Database, "sqlite:"); ok && path != "" && !filepath.IsAbs(path) {
		c.Database = "sqlite:" + filepath.Join(dir, path)
	}
	c.Status.Export.absolute(dir)
}
