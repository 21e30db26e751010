package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// importTable says which of our packages each of our packages may import, as
// docs/architecture.md draws it. A name that ends in /... stands for all below
// it. cmd/permanence may import everything.
func importTable() map[string][]string {
	return map[string][]string{
		// Leaves.
		"bot/chat":           {},
		"internal/i18n":      {},
		"internal/markup":    {},
		"internal/failpoint": {},
		// The contract's proof.
		"bot/chat/chattest": {"bot/chat"},
		// Networks: the contract, markup, and their own protocol library.
		"adapters/email":      {"bot/chat", "internal/markup"},
		"adapters/irc":        {"bot/chat", "internal/markup"},
		"adapters/matrix":     {"bot/chat", "internal/markup"},
		"adapters/mattermost": {"bot/chat", "internal/markup"},
		"adapters/playground": {"bot/chat", "internal/markup"},
		// Domains.
		"tickets":        {"bot/chat"},
		"statuspage":     {"bot/chat", "internal/i18n", "tickets"},
		"statuspage/web": {"statuspage", "internal/markup", "internal/i18n"},
		// The engine.
		"bot/command":   {"bot/chat", "internal/markup"},
		"bot/outbox":    {"bot/chat", "tickets", "internal/failpoint"},
		"bot/render":    {"bot/chat", "tickets", "statuspage", "internal/markup", "internal/i18n"},
		"bot":           {"bot/chat", "bot/command", "bot/outbox", "bot/render", "tickets", "statuspage", "internal/markup", "internal/i18n", "internal/failpoint"},
		"bot/ticketcmd": {"bot", "bot/chat", "bot/command", "bot/outbox", "tickets", "internal/markup"},
		"bot/statuscmd": {"bot", "bot/chat", "bot/command", "tickets", "statuspage", "internal/markup"},
		"bot/page":      {"bot", "bot/chat", "bot/outbox", "tickets", "internal/markup", "internal/i18n"},
		// Plumbing.
		"internal/sqlstore":             {"bot", "bot/chat", "bot/outbox", "tickets", "statuspage"},
		"internal/testservers":          {},
		"internal/testservers/prebuild": {"internal/testservers"},
		// The proof by killing keeps its own ledger: it knows none of our
		// packages, so that it cannot make our mistakes.
		"internal/killtest/...": {"internal/testservers"},
	}
}

// testImports are what tests may import besides: the story tests of bot run
// the engine on a real store with real adapters; nobody else's do.
func testImports() map[string][]string {
	return map[string][]string{
		"adapters/email":       {"bot/chat/chattest", "internal/testservers"},
		"adapters/irc":         {"bot/chat/chattest", "internal/testservers"},
		"adapters/matrix":      {"bot/chat/chattest", "internal/testservers", "internal/sqlstore"},
		"adapters/mattermost":  {"bot/chat/chattest", "internal/testservers"},
		"adapters/playground":  {"bot/chat/chattest"},
		"bot":                  {"adapters/...", "bot/...", "internal/..."},
		"bot/page":             {"internal/sqlstore", "bot/..."},
		"internal/sqlstore":    {"internal/testservers"},
		"statuspage/web":       {"internal/testservers"},
		"internal/killtest":    {"internal/killtest/..."},
		"internal/testservers": {},
	}
}

// libraries says which package alone may import what is not ours. What is not
// named is free.
func libraries() map[string][]string {
	return map[string][]string{
		"github.com/jmoiron/sqlx":                              {"internal/sqlstore"},
		"github.com/lib/pq":                                    {"internal/sqlstore", "internal/testservers"},
		"modernc.org/sqlite":                                   {"internal/sqlstore"},
		"github.com/pressly/goose/v3":                          {"internal/sqlstore"},
		"github.com/emersion/go-imap/v2":                       {"adapters/email"},
		"github.com/lrstanley/girc":                            {"adapters/irc"},
		"github.com/mattermost/mattermost/server/public/model": {"adapters/mattermost"},
		"maunium.net/go/mautrix":                               {"adapters/matrix"},
		"github.com/emersion/go-smtp":                          {"adapters/email", "adapters/playground", "cmd/permanence"},
		"github.com/wneessen/go-mail":                          {"adapters/email", "adapters/playground"},
		"github.com/spf13/cobra":                               {"cmd/permanence"},
		// Domains and commands know no SQL and no HTTP.
		"database/sql": {"bot/chat/...", "internal/sqlstore", "internal/testservers"},
		"net/http":     {"bot/chat", "bot/page", "statuspage/web", "adapters/...", "internal/testservers", "cmd/permanence"},
	}
}

type listed struct {
	ImportPath                         string
	Standard                           bool
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

func goList(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,TestImports,XTestImports,Deps", "permanence/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

const module = "permanence/"

func allowed(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		prefix, all := strings.CutSuffix(p, "...")
		return p == name || all && (strings.HasPrefix(name, prefix) || name == strings.TrimSuffix(prefix, "/"))
	})
}

// row finds a package's line in the table.
func row(table map[string][]string, name string) ([]string, bool) {
	if may, ok := table[name]; ok {
		return may, true
	}
	for pattern, may := range table {
		if strings.HasSuffix(pattern, "...") && allowed([]string{pattern}, name) {
			return may, true
		}
	}
	return nil, false
}

func TestImports(t *testing.T) {
	table, tests, libs := importTable(), testImports(), libraries()
	all := goList(t)
	standard := map[string]bool{}
	for _, p := range all {
		standard[p.ImportPath] = p.Standard
	}
	seen := map[string]bool{}
	for _, p := range all {
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		seen[name] = true
		for _, imp := range p.Imports {
			for lib, who := range libs {
				if (imp == lib || strings.HasPrefix(imp, lib+"/") && strings.Contains(lib, ".")) && !allowed(who, name) {
					t.Errorf("%s imports %s, which belongs to %s", name, imp, strings.Join(who, ", "))
				}
			}
		}
		if name == "cmd/permanence" {
			continue
		}
		may, ok := row(table, name)
		if !ok {
			t.Errorf("%s is not in the import table: add it here and to docs/architecture.md", name)
			continue
		}
		for _, imp := range p.Imports {
			if own, ok := strings.CutPrefix(imp, module); ok && !allowed(may, own) {
				t.Errorf("%s must not import %s", name, own)
			}
		}
		for _, imp := range append(p.TestImports, p.XTestImports...) {
			own, ok := strings.CutPrefix(imp, module)
			if ok && own != name && !allowed(may, own) && !allowed(tests[name], own) {
				t.Errorf("tests of %s must not import %s", name, own)
			}
		}
		if name == "bot/chat" {
			for _, d := range p.Deps {
				if !standard[d] {
					t.Errorf("bot/chat is for everybody and must need the standard library alone, but needs %s", d)
				}
			}
		}
		if strings.HasPrefix(name, "adapters/") || strings.HasPrefix(name, "statuspage") {
			for _, d := range p.Deps {
				if d == module+"bot" || d == module+"internal/sqlstore" {
					t.Errorf("%s must stand without %s", name, d)
				}
			}
		}
	}
	for name := range table {
		if !seen[name] && !strings.HasSuffix(name, "...") {
			t.Errorf("%s is in the import table and does not exist", name)
		}
	}
}
