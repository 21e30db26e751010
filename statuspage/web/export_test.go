package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"permanence/statuspage"
)

// tree is what stands below a folder: names and contents.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		name, relErr := filepath.Rel(dir, path)
		files[name] = string(body)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestExportStandsAlone walks every link of the exported site through a plain
// file server.
func TestExportStandsAlone(t *testing.T) {
	dir := t.TempDir()
	f := weekFixture(t, week())
	f.site.options.Components = weekComponents()
	done, err := f.site.Export(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	if done.Files != len(files)-1 || done.Changed != done.Files || done.Removed != 0 {
		t.Errorf("%+v of %d files", done, len(files))
	}
	for _, name := range []string{"index.html", "en/index.html", "incidents/52/index.html", "en/history/2026-10/index.html", "components/mail/feed.atom",
		"travaux.ics", "api/v2/incidents/unresolved.json", "fr/embed.json", "en/embed.json", "embed.js", "badge.svg", "status.txt", "404.html"} {
		if files[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	if !strings.Contains(files["index.html"], "Page écrite le lundi 19 octobre 2026 à 22h00 CEST") ||
		!strings.Contains(files["index.html"], `http-equiv="Content-Security-Policy" content="default-src`) {
		t.Error("the overview says neither when it was written nor what it may load")
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	seen, next := map[string]bool{}, []string{"/"}
	for len(next) > 0 {
		path := next[0]
		next = next[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
			continue
		}
		if res.Request.URL.Path != path {
			t.Errorf("%s is sent on to %s", path, res.Request.URL.Path)
		}
		name := strings.TrimPrefix(path, "/")
		if strings.HasSuffix(path, "/") {
			name += "index.html"
		}
		for _, m := range regexp.MustCompile(`(?:href|url)(?:="|":")([^"#]+)`).FindAllStringSubmatch(files[name], -1) {
			u, err := url.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
			if err == nil && (u.Host == "" && u.Scheme == "" || u.Host == "travaux.example.org" && u.Scheme == "https") && u.RawQuery == "" && u.Path != "" {
				next = append(next, u.Path)
			} else if err == nil && u.Host == "travaux.example.org" && u.RawQuery != "" {
				t.Errorf("%s links to %s, which no file answers", path, u)
			}
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d pages are linked", len(seen))
	}
}

func TestExportAgain(t *testing.T) {
	dir := t.TempDir()
	f := weekFixture(t, week())
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	done, err := f.site.Export(t.Context(), dir)
	if err != nil || done.Changed != 0 || done.Removed != 0 {
		t.Errorf("nothing changed: %+v %v", done, err)
	}
	// What somebody else put there stays; what is no longer ours goes.
	own := filepath.Join(dir, "robots.txt")
	if err := os.WriteFile(own, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(dir, "task", "99", "index.html") // where a file of ours is going to be
	if err := errors.Join(os.Mkdir(filepath.Dir(theirs), 0o755), os.WriteFile(theirs, []byte("theirs"), 0o644)); err != nil {
		t.Fatal(err)
	}
	f.source.set(func(s *fakeSource) {
		s.list = s.list[1:]
		s.list = append(s.list, statuspage.PublicIncident{Number: 99, UID: "new", Kind: statuspage.Unplanned, Title: "Neuf", Lang: "fr",
			State: statuspage.Investigating, Started: at(19, 20, 0), Published: at(19, 20, 0), Updated: at(19, 20, 0)})
	})
	done, err = f.site.Export(t.Context(), dir)
	if err != nil || done.Removed != 6 || done.Changed == 0 {
		t.Errorf("one incident less: %+v %v", done, err)
	}
	files := tree(t, dir)
	if files["robots.txt"] != "theirs" || files["task/99/index.html"] != "theirs" || files["incidents/99/index.html"] == "" ||
		strings.Contains(files[manifest], "task/99/") || files["incidents/52/index.html"] != "" || strings.Contains(files["index.html"], "sites injoignables") {
		t.Error("the wrong files are gone")
	}
	if _, err := os.Stat(filepath.Join(dir, "incidents", "52")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder stays: %v", err)
	}
}

func TestExportFails(t *testing.T) {
	f := weekFixture(t, week())
	dir := t.TempDir()
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	f.pass(time.Hour)
	f.source.set(func(s *fakeSource) { s.list[0].Title = "Autre" })
	same := func(what string) {
		t.Helper()
		after := tree(t, dir)
		if len(after) != len(before) {
			t.Errorf("%s: %d files, before %d", what, len(after), len(before))
		}
		for name, body := range before {
			if after[name] != body {
				t.Errorf("%s: %s changed", what, name)
			}
		}
	}
	failed := func(what, words string, err error) {
		t.Helper()
		var e *ExportError
		if !errors.As(err, &e) || !strings.Contains(e.FR, words) || e.EN == "" {
			t.Errorf("%s: %v", what, err)
		}
		same(what)
	}

	// The disk fills up at the third file.
	static, list, err := f.site.snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	n := 0
	x := exporter{root: root, rename: root.Rename, write: func(name string, body []byte, perm os.FileMode) error {
		if n++; n == 3 {
			return &os.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
		}
		return root.WriteFile(name, body, perm)
	}}
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	_, err = f.site.exportWith(t.Context(), x, static, list, dir)
	failed("full disk", "Plus de place", err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.site.Export(ctx, dir)
	failed("stopped", "a échoué", err)

	f.source.set(func(s *fakeSource) { s.err = errors.New("database is away") })
	_, err = f.site.Export(t.Context(), dir)
	failed("source", "ne peut pas être lu", err)
	f.source.set(func(s *fakeSource) { s.err = nil })

	// Killed while it was made: the next one clears up.
	if err := os.MkdirAll(filepath.Join(dir, staging+"1", "incidents"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Errorf("after a kill: %v", err)
	}
	if files := tree(t, dir); !strings.Contains(files["index.html"], "Autre") || len(files) != len(before) {
		t.Error("after a kill: not exported")
	}

	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "index.html"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	var e *ExportError
	if _, err := f.site.Export(t.Context(), home); !errors.As(err, &e) || !strings.Contains(e.FR, "rien n’y est touché") {
		t.Errorf("a folder of somebody else: %v", err)
	}
	if files := tree(t, home); len(files) != 1 || files["index.html"] != "mine" {
		t.Error("a folder of somebody else is touched")
	}
}

// A list of files that somebody tampered with removes nothing outside.
func TestExportStaysInside(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	if err := os.WriteFile(outside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "site")
	f := weekFixture(t, week())
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifest), []byte("../outside\n/etc/hostname\nincidents/../../outside\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestExportLong(t *testing.T) {
	var list []statuspage.PublicIncident
	for i := range 300 {
		p := week()[6]
		p.Number, p.UID = statuspage.ID(300-i), fmt.Sprintf("u%d", i)
		p.Published -= statuspage.Time(i) * 20 * 3600 * 1000
		p.Updated = p.Published
		list = append(list, p)
	}
	f := weekFixture(t, list)
	dir := t.TempDir()
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	if files["incidents/1/index.html"] == "" || files["history/2026-02/index.html"] == "" {
		t.Error("what is old is missing")
	}
}

// placing makes the files of an export, whose rename is the test's.
func placing(t *testing.T, f *fixture, dir string, rename func(root *os.Root, n int, from, to string) error) error {
	t.Helper()
	static, list, err := f.site.snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	n := 0
	x := exporter{root: root, write: root.WriteFile, rename: func(from, to string) error {
		n++
		return rename(root, n, from, to)
	}}
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	_, err = f.site.exportWith(t.Context(), x, static, list, dir)
	return err
}

// changed exports, then changes a title and takes an incident away.
func changed(t *testing.T) (f *fixture, dir string, before map[string]string) {
	t.Helper()
	f, dir = weekFixture(t, week()), t.TempDir()
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	f.source.set(func(s *fakeSource) {
		s.list = s.list[1:]
		s.list[0].Title = "Autre"
		s.list = append(s.list, statuspage.PublicIncident{Number: 99, UID: "new", Kind: statuspage.Unplanned, Title: "Neuf", Lang: "fr",
			State: statuspage.Investigating, Started: at(19, 20, 0), Published: at(19, 20, 0), Updated: at(19, 20, 0)})
	})
	return f, dir, tree(t, dir)
}

// TestExportUndone: whichever file cannot be put in place, the old page stays
// whole, and no trace of the new one.
func TestExportUndone(t *testing.T) {
	f, dir, before := changed(t)
	folders := func() (n int) {
		if err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { n++; return err }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	entries := folders()
	for _, broken := range []int{1, 2, 3, 30, 60, 66, 70} {
		err := placing(t, f, dir, func(root *os.Root, n int, from, to string) error {
			if n == broken {
				return &os.PathError{Op: "rename", Path: to, Err: syscall.EIO}
			}
			return root.Rename(from, to)
		})
		var e *ExportError
		if !errors.As(err, &e) || !strings.Contains(e.EN, "stays as it was") {
			t.Errorf("file %d: %v", broken, err)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("file %d (-before +after):\n%.2000s", broken, diff)
		}
		if n := folders(); n != entries {
			t.Errorf("file %d: %d files and folders, before %d", broken, n, entries)
		}
	}
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if files := tree(t, dir); files["incidents/52/index.html"] != "" || files["incidents/99/index.html"] == "" {
		t.Error("afterwards it is not exported")
	}
	// A folder of somebody else in the place of one of our files.
	own := filepath.Join(dir, "incidents", "51", "index.html")
	if err := errors.Join(os.Remove(own), os.MkdirAll(filepath.Join(own, "theirs"), 0o755)); err != nil {
		t.Fatal(err)
	}
	before = tree(t, dir)
	f.pass(time.Hour)
	if _, err := f.site.Export(t.Context(), dir); err == nil {
		t.Error("it is exported over a folder")
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("over a folder (-before +after):\n%.2000s", diff)
	}
}

// TestExportKilled: killed while files are put in place, each file is whole,
// and the next export makes it complete.
func TestExportKilled(t *testing.T) {
	for _, last := range []int{1, 2, 30, 60, 67} {
		f, dir, before := changed(t)
		fresh := t.TempDir()
		if _, err := f.site.Export(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
		after := tree(t, fresh)
		func() {
			defer func() { _ = recover() }()
			_ = placing(t, f, dir, func(root *os.Root, n int, from, to string) error {
				if n > last {
					panic("killed")
				}
				return root.Rename(from, to)
			})
			t.Errorf("%d: it ended", last)
		}()
		for name, body := range tree(t, dir) {
			if strings.HasPrefix(name, ".") {
				continue
			}
			if body != before[name] && body != after[name] {
				t.Errorf("%d: %s is neither of before nor of after", last, name)
			}
		}
		if _, err := f.site.Export(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(after, tree(t, dir)); diff != "" {
			t.Errorf("%d: the next one (-fresh +after a kill):\n%.2000s", last, diff)
		}
	}
}
