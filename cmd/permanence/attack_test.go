package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/internal/i18n"
	"permanence/statuspage"
	statusweb "permanence/statuspage/web"
)

// attackSite is a site with an incident.
func attackSite(t *testing.T, incidents ...string) *statusweb.Site {
	t.Helper()
	catalog, err := i18n.New()
	if err != nil {
		t.Fatal(err)
	}
	now := statuspage.At(time.Now())
	var list []statuspage.PublicIncident
	for i, title := range incidents {
		list = append(list, statuspage.PublicIncident{Number: int64(i + 1), UID: strings.Repeat("a", 15) + string(rune('a'+i)), Kind: statuspage.Unplanned, Title: title, Lang: "fr",
			State: statuspage.Investigating, Started: now, Noticed: now, Published: now, Updated: now})
	}
	site, err := statusweb.New(statusweb.Options{Name: "Essai", Lang: "fr", Location: time.UTC, URL: "https://etat.example.org",
		Source: statuspage.NewSnapshot(list), Catalog: catalog, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// Two exports into one folder at once, by the program after a change and by
// somebody who cannot wait, are one after the other.
func TestAttackTwoExportsAtOnce(t *testing.T) {
	for range 5 {
		dir := filepath.Join(t.TempDir(), "site")
		var both sync.WaitGroup
		for range 3 {
			site := attackSite(t, "Un", "Deux", "Trois")
			both.Go(func() {
				if _, err := site.Export(t.Context(), dir); err != nil {
					t.Errorf("%v", err)
				}
			})
		}
		both.Wait()
		for _, name := range []string{"index.html", "en/index.html", "incidents/3/index.html"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
		left, err := filepath.Glob(filepath.Join(dir, ".permanence-new-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
		if t.Failed() {
			return
		}
	}
}

// What stands where a page was, and is somebody's now, is theirs.
func TestAttackExportTakesNothingOfOthers(t *testing.T) {
	dir, outside := filepath.Join(t.TempDir(), "site"), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := attackSite(t, "Un", "Deux").Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	// A folder in the place of a file that goes with the next export.
	page := filepath.Join(dir, "incidents", "2", "index.html")
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(page, "theirs.txt"), "theirs")
	// A link to elsewhere in the place of a file that stays.
	victim := filepath.Join(outside, "victim")
	write(victim, "secret")
	index := filepath.Join(dir, "index.html")
	if err := os.Remove(index); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, index); err != nil {
		t.Fatal(err)
	}
	if _, err := attackSite(t, "Un").Export(t.Context(), dir); err != nil {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(filepath.Join(page, "theirs.txt")); err != nil || string(b) != "theirs" {
		t.Errorf("what was theirs is gone: %q %v", b, err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "secret" {
		t.Errorf("outside: %q %v", b, err)
	}
	if b, err := os.ReadFile(index); err != nil || !strings.Contains(string(b), "Essai") {
		t.Errorf("the overview: %.40q %v", b, err)
	}
	// A folder that is a link to elsewhere: nothing is written there.
	if err := os.RemoveAll(filepath.Join(dir, "en")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "en")); err != nil {
		t.Fatal(err)
	}
	if _, err := attackSite(t, "Autre").Export(t.Context(), dir); err == nil {
		t.Error("it went through a link that leads outside")
	}
	there, err := os.ReadDir(outside)
	if err != nil || len(there) != 1 {
		t.Errorf("outside: %v %v", there, err)
	}
}

// Nothing is written into a folder that is somebody else's.
func TestAttackExportElsewhere(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "permanence.db"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "permanence.db")
	for _, dir := range []string{"/", data, file, filepath.Join(file, "site"), "/proc", "/dev/null"} {
		if _, err := attackSite(t, "Un").Export(t.Context(), dir); err == nil {
			t.Errorf("%s is taken for a site", dir)
		}
	}
	if there, err := os.ReadDir(data); err != nil || len(there) != 1 {
		t.Errorf("left in the data: %v %v", there, err)
	}
}

// Hostile words of an incident are in no name of a file, and run nowhere.
func TestAttackExportNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	bad := "../../etc/passwd\x00\n<script>alert(1)</script> =cmd|' /C calc'!A0 $(touch x) `id` \u202edrow" + strings.Repeat("x", 30<<10)
	if _, err := attackSite(t, bad).Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.Contains(name, "passwd") || strings.Contains(name, "script") || len(d.Name()) > 60 {
			t.Errorf("a file's name: %q", name)
		}
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(name)
		if strings.HasSuffix(name, ".html") && strings.Contains(string(b), "<script>alert") {
			t.Errorf("%s runs a stranger's words", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
