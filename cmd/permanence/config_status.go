package main

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"permanence/statuspage"
)

// StatusConfig is where incidents and planned work are told, and what is told
// by itself.
type StatusConfig struct {
	Rooms      []string          `yaml:"rooms"`
	Components []ComponentConfig `yaml:"components"`
	// Language is that of announcements; the file's where empty.
	Language string `yaml:"language"`
	// Languages are those in which everything is to be written.
	Languages []string       `yaml:"languages"`
	Preview   bool           `yaml:"preview"`
	Work      WorkConfig     `yaml:"work"`
	Reminders ReminderConfig `yaml:"reminders"`
	Surge     SurgeConfig    `yaml:"surge"`
	Export    ExportConfig   `yaml:"export"`
}

// ComponentConfig is a part of the services that people know by name.
type ComponentConfig struct {
	ID   string `yaml:"id"`
	Name string `yaml:"name"`
}

// WorkConfig says when rooms are told of planned work.
type WorkConfig struct {
	Creation  bool `yaml:"creation"`
	DayBefore bool `yaml:"day_before"`
	Start     bool `yaml:"start"`
	End       bool `yaml:"end"`
}

// ReminderConfig is about a word that was promised, and an end that is due.
type ReminderConfig struct {
	Before Duration `yaml:"before"`
	Repeat Duration `yaml:"repeat"`
	Quiet  clocks   `yaml:"quiet"`
}

// SurgeConfig is when similar requests look like an incident.
type SurgeConfig struct {
	Requests int      `yaml:"requests"`
	Within   Duration `yaml:"within"`
	Again    Duration `yaml:"again"`
}

// ExportConfig keeps a copy of the status page as files.
type ExportConfig struct {
	Folder string `yaml:"folder"`
	// URL is where people read the copy; that of the live page where empty.
	URL string `yaml:"url"`
	// Push is a program and its arguments, run after each export.
	Push    []string `yaml:"push"`
	Timeout Duration `yaml:"timeout"`
}

func statusDefaults() StatusConfig {
	p, surge := statuspage.DefaultPolicy(), statuspage.DefaultSurge()
	return StatusConfig{
		Work:      WorkConfig{Creation: p.AtCreation, DayBefore: p.DayBefore, Start: p.AtStart, End: p.AtEnd},
		Reminders: ReminderConfig{Before: Duration(p.Lead), Repeat: Duration(p.Again), Quiet: clocks(p.Quiet)},
		Surge: SurgeConfig{Requests: surge.Count, Within: Duration(time.Duration(surge.Within) * time.Millisecond),
			Again: Duration(time.Duration(surge.Again) * time.Millisecond)},
		Export: ExportConfig{Timeout: Duration(time.Minute)},
	}
}

func (c StatusConfig) policy() statuspage.Policy {
	return statuspage.Policy{
		AtCreation: c.Work.Creation, DayBefore: c.Work.DayBefore, AtStart: c.Work.Start, AtEnd: c.Work.End,
		Lead: time.Duration(c.Reminders.Before), Again: time.Duration(c.Reminders.Repeat), Quiet: statuspage.Quiet(c.Reminders.Quiet),
	}
}

// absolute makes relative names start from the configuration's folder: also
// the program's, where it is a path and no name to be looked for.
func (c *ExportConfig) absolute(dir string) {
	if c.Folder != "" && !filepath.IsAbs(c.Folder) {
		c.Folder = filepath.Join(dir, c.Folder)
	}
	if len(c.Push) > 0 && strings.Contains(c.Push[0], "/") && !strings.ContainsAny(c.Push[0], " \t") && !filepath.IsAbs(c.Push[0]) {
		c.Push[0] = filepath.Join(dir, c.Push[0])
	}
}

// clocks is a stretch of each day, written "22:00-07:00", or "none".
type clocks statuspage.Quiet

func parseClocks(text string) (clocks, error) {
	if text == "none" {
		return clocks{}, nil
	}
	from, until, ok := strings.Cut(text, "-")
	if ok {
		f, err1 := time.Parse("15:04", strings.TrimSpace(from))
		u, err2 := time.Parse("15:04", strings.TrimSpace(until))
		if err1 == nil && err2 == nil && !f.Equal(u) {
			midnight := f.Truncate(24 * time.Hour)
			return clocks{From: f.Sub(midnight), Until: u.Sub(midnight)}, nil
		}
	}
	return clocks{}, errors.New(`expected two times of day such as "22:00-07:00", or none`)
}

// UnmarshalYAML reads a stretch of the day.
func (c *clocks) UnmarshalYAML(node ast.Node) error {
	text := ""
	if s, ok := node.(*ast.StringNode); ok {
		text = s.Value
	}
	parsed, err := parseClocks(text)
	if err != nil {
		return (&document{}).errorAt(node, "%v", err)
	}
	*c = parsed
	return nil
}

func (pl *planner) status() {
	c := pl.c.Status
	st := &pl.p.status
	pl.language([]any{"status", "language"}, c.Language, true)
	st.Language = c.Language
	if c.Language == "" {
		st.Language = pl.c.Language
	}
	policy := c.policy()
	st.Policy, st.Preview = &policy, c.Preview
	st.Surge = &statuspage.Surge{Count: c.Surge.Requests, Within: statuspage.Time(time.Duration(c.Surge.Within).Milliseconds()),
		Again: statuspage.Time(time.Duration(c.Surge.Again).Milliseconds())}
	if c.Surge.Requests < 0 || c.Surge.Requests == 1 {
		pl.wrong([]any{"status", "surge", "requests"}, "expected 0 for no proposals, or at least 2, such as 3")
	}
	for i, room := range c.Rooms {
		key := []any{"status", "rooms", i}
		if p, ok := pl.room(key, room, roomUse{side: "status", key: key, public: true}); ok {
			st.Rooms = append(st.Rooms, p)
		}
	}
	seen := map[string]bool{}
	for i, comp := range c.Components {
		key := []any{"status", "components", i}
		switch {
		case !isName(comp.ID):
			pl.wrong(under(key, "id"), "%q: expected lower-case letters, digits and -, such as web", comp.ID)
		case seen[comp.ID]:
			pl.wrong(under(key, "id"), "%q is used twice", comp.ID)
		case strings.TrimSpace(comp.Name) == "":
			pl.wrong(under(key, "name"), "is missing: expected the name that people know, such as Messagerie")
		}
		seen[comp.ID] = true
		st.Components = append(st.Components, statuspage.Component{ID: comp.ID, Name: comp.Name})
	}
	pl.languages(c.Languages)
	pl.reminders(c.Reminders)
	pl.export(c.Export)
}

func (pl *planner) languages(list []string) {
	for i, lang := range list {
		key := []any{"status", "languages", i}
		if slices.Contains(list[:i], lang) {
			pl.wrong(key, "%q is there twice", lang)
			continue
		}
		pl.language(key, lang, false)
	}
	if own := pl.p.status.Language; len(list) > 0 && !slices.Contains(list, own) {
		pl.wrong([]any{"status", "languages"}, "announcements are written in %s first (status.language): name it here too, such as [%[1]s, %s]", own, list[0])
	}
	pl.p.languages = list
}

func (pl *planner) reminders(c ReminderConfig) {
	key := []any{"status", "reminders"}
	if c.Before > Duration(24*time.Hour) {
		pl.wrong(under(key, "before"), "a promised word is at most some hours away: expected 24h at most, such as 5m")
	}
	if c.Repeat != 0 && c.Repeat < Duration(time.Minute) {
		pl.wrong(under(key, "repeat"), "expected 1m at least, such as 1h; or 0s for never")
	}
}

func (pl *planner) export(c ExportConfig) {
	key := []any{"status", "export"}
	if c.Folder == "" {
		for _, k := range []struct {
			name string
			set  bool
		}{{"push", len(c.Push) > 0}, {"url", c.URL != ""}} {
			if k.set {
				pl.wrong(under(key, k.name), "status.export.folder is missing: expected the folder into which the page is written")
			}
		}
		return
	}
	for i, arg := range c.Push {
		if i == 0 && strings.TrimSpace(arg) == "" || strings.ContainsRune(arg, 0) {
			pl.wrong(under(key, "push", i), `expected a program, then each of its arguments on its own, such as ["rsync", "-a", "--delete", "./", "web@mirror.example.org:status/"]`)
		}
	}
	// One long string would be looked for as a program of that name.
	if len(c.Push) == 1 && strings.ContainsAny(c.Push[0], " \t") && !filepath.IsAbs(c.Push[0]) {
		pl.wrong(under(key, "push"), `there is no shell: expected a program, then each of its arguments on its own, such as [%s]`, quotedList(strings.Fields(c.Push[0])))
	}
	if c.Timeout < Duration(time.Second) || c.Timeout > Duration(time.Hour) {
		pl.wrong(under(key, "timeout"), "expected between 1s and 1h, such as 60s")
	}
	address := c.URL
	if address == "" {
		address = pl.p.url
		if address == "" {
			pl.wrong(under(key, "url"), "is missing: without a web server (web.listen: none), expected the address at which people read the files, such as https://etat.example.org")
		}
		return
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		pl.wrong(under(key, "url"), "%q: expected an address such as https://etat.example.org", c.URL)
	}
}

func quotedList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(quoted, ", ")
}
