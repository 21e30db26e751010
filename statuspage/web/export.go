package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"permanence/statuspage"
)

// Exported says what an export did.
type Exported struct {
	Files   int // the site has
	Changed int // were written, because they are new or differ
	Removed int // are no longer part of it
}

// ExportError is an export that failed. FR and EN say to people what happened
// to the exported page, and what to do.
type ExportError struct {
	FR, EN string
	Err    error // nil where there is nothing beneath
}

func (e *ExportError) Error() string { return e.EN }
func (e *ExportError) Unwrap() error { return e.Err }

// manifest lists the files of an export, one a line: what is not in it was not
// written by us, and is never removed. staging begins the name of the folder
// where an export is made before it is put in place.
const (
	manifest = ".permanence-export"
	staging  = ".permanence-new-"
)

// Export writes the whole site as files into dir, for any web server: pages as
// folders with an index, everything else under the name that it has here; the
// other language below its name ("en/"). Links are made for the site's public
// address.
//
// Everything is first made in a folder within dir. When that has succeeded,
// each file that differs is put in place in one step, the overview last; then
// what the last export wrote and this one did not is removed. A failure before
// leaves all as it was, and is an *ExportError as every failure is. Nothing is
// done in a folder with files that no export wrote.
func (s *Site) Export(ctx context.Context, dir string) (Exported, error) {
	s.export.Lock()
	defer s.export.Unlock()
	static, list, err := s.snapshot(ctx)
	if err != nil {
		return Exported{}, s.exportError("export.unread", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Exported{}, s.exportError("export.failed", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Exported{}, s.exportError("export.failed", dir, err)
	}
	defer root.Close()
	x := exporter{root: root, write: root.WriteFile}
	if err := x.open(); err != nil {
		if errors.Is(err, errForeign) {
			return Exported{}, s.exportError("export.foreign", dir, err)
		}
		return Exported{}, s.exportError("export.failed", dir, err)
	}
	return s.exportWith(ctx, x, static, list, dir)
}

func (s *Site) exportWith(ctx context.Context, x exporter, static *Site, list []statuspage.PublicIncident, dir string) (Exported, error) {
	err := static.exportPages(ctx, list, x.add)
	if err == nil {
		err = x.seal()
	}
	if err != nil {
		x.discard()
		return Exported{}, s.exportError("export.failed", dir, err)
	}
	if err := x.place(); err != nil {
		x.discard()
		return Exported{}, s.exportError("export.half", dir, err)
	}
	x.discard()
	return Exported{Files: len(x.files), Changed: len(x.staged), Removed: x.removed}, nil
}

func (s *Site) exportError(id, dir string, err error) error {
	if id == "export.failed" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		id = "export.full"
	}
	say := func(lang string) string { return s.say(lang, id, "Dir", dir, "Reason", err) }
	return &ExportError{FR: say("fr"), EN: say("en"), Err: err}
}

// snapshot is a site of all that is public now, whose addresses are those of
// files.
func (s *Site) snapshot(ctx context.Context) (*Site, []statuspage.PublicIncident, error) {
	now := s.now()
	list, err := s.source.Between(ctx, 1, statuspage.At(now)+1)
	if err != nil {
		return nil, nil, err
	}
	o := s.options
	o.Source, o.Catalog = statuspage.NewSnapshot(list), s.catalog
	o.Now = func() time.Time { return now }
	static, err := New(o)
	if err != nil {
		return nil, nil, err
	}
	static.static = true
	first := now.In(s.loc)
	for i := range list {
		if t := list[i].Published.In(s.loc); t.Before(first) {
			first = t
		}
	}
	// The history ends where there is nothing before.
	static.oldest = time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, s.loc)
	if static.oldest.Before(s.oldest) {
		static.oldest = s.oldest
	}
	return static, list, nil
}

// exportPages makes every document of the site, in both languages.
func (s *Site) exportPages(ctx context.Context, list []statuspage.PublicIncident, add func(name string, body []byte) error) error {
	paths := s.exportPaths(list)
	for _, lang := range []string{"fr", "en"} {
		v := view{lang: lang, chosen: true}
		for _, p := range paths {
			if p == "/embed.js" && lang != s.lang { // it has no language
				continue
			}
			if err := s.exportOne(ctx, v, p, "", add); err != nil {
				return err
			}
		}
		// The script of other sites asks for a language by its name.
		if lang == s.lang {
			if err := s.exportOne(ctx, v, "/embed.json", lang+"/embed.json", add); err != nil {
				return err
			}
		}
	}
	t := s.words(s.lang)
	d := s.renderSorry(view{lang: s.lang}, t.Missing, t.MissingDo)
	return add("404.html", d.body)
}

// exportOne adds the document at a path under its own name, or another.
func (s *Site) exportOne(ctx context.Context, v view, p, name string, add func(string, []byte) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p+"?lang="+v.lang, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	r.Header.Set("Accept", "text/html")
	w := recorder{header: http.Header{}}
	s.ServeHTTP(&w, r)
	if w.status != 0 && w.status != http.StatusOK {
		return fmt.Errorf("%s: status %d", p, w.status)
	}
	if name == "" {
		if name, err = url.PathUnescape(strings.TrimPrefix(s.local(v, p), "/")); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	return add(name, w.body.Bytes())
}

// exportPaths are all paths of the site.
func (s *Site) exportPaths(list []statuspage.PublicIncident) []string {
	paths := []string{"/", "/travaux", "/history", "/follow", "/status.txt", "/embed", "/embed.js", "/embed.json", "/badge.svg"}
	feeds := []string{"/feed.atom", "/feed.rss", "/feed.json", "/history.atom", "/history.rss", "/travaux.ics"}
	paths = append(paths, feeds...)
	for _, c := range s.components {
		paths = append(paths, componentPath(c.ID))
		for _, f := range feeds {
			paths = append(paths, componentPath(c.ID)+f)
		}
	}
	for _, name := range v2Documents() {
		paths = append(paths, "/api/v2/"+name)
	}
	counts := map[string]int{}
	for i := range list {
		paths = append(paths, incidentPath(list[i].Number))
		counts[list[i].Published.In(s.loc).Format("2006-01")]++
	}
	for month := s.oldest; !month.After(s.now()); month = month.AddDate(0, 1, 0) {
		parts := (counts[month.Format("2006-01")] + historyMost - 1) / historyMost
		for part := range max(parts, 1) {
			paths = append(paths, historyPath(month, part+1))
		}
	}
	return paths
}

// recorder keeps an answer of the site to itself.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// exporter puts files in place.
type exporter struct {
	root  *os.Root
	write func(name string, body []byte, perm os.FileMode) error // tests make it fail

	before  []string // the files of the export before
	stage   string   // the folder where this one is made
	files   []string // of this export
	staged  []string // those that differ
	removed int
}

// errForeign: there are files that are not ours.
var errForeign = errors.New("the folder has files of somebody else")

// open looks at what is there, and makes the folder for what comes.
func (x *exporter) open() error {
	list, err := x.root.ReadFile(manifest)
	switch {
	case err == nil:
		for name := range strings.Lines(string(list)) {
			if name = strings.TrimSpace(name); name != "" && filepath.IsLocal(name) {
				x.before = append(x.before, name)
			}
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	there, err := os.ReadDir(x.root.Name())
	if err != nil {
		return err
	}
	for _, e := range there {
		switch {
		case strings.HasPrefix(e.Name(), staging): // of an export that was killed
			if err := x.root.RemoveAll(e.Name()); err != nil {
				return err
			}
		case list == nil:
			return errForeign
		}
	}
	x.stage = staging + fmt.Sprint(os.Getpid())
	return x.root.Mkdir(x.stage, 0o755)
}

// add makes a file of this export.
func (x *exporter) add(name string, body []byte) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q is no name for a file here", name)
	}
	x.files = append(x.files, name)
	if old, err := x.root.ReadFile(name); err == nil && bytes.Equal(old, body) {
		return nil
	}
	to := path.Join(x.stage, name)
	if err := x.root.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	x.staged = append(x.staged, name)
	return x.write(to, body, 0o644)
}

// seal ends the making.
func (x *exporter) seal() error {
	slices.Sort(x.files)
	x.files = slices.Compact(x.files)
	list := strings.Join(x.files, "\n") + "\n"
	return x.write(path.Join(x.stage, manifest), []byte(list), 0o644)
}

// place moves what was made to where it is read, then removes what no longer
// is part of the site. The list of files goes first: until the rest is done it
// names some that are not there, never one less.
func (x *exporter) place() error {
	all := slices.Concat(x.before, x.files)
	slices.Sort(all)
	if err := x.write(path.Join(x.stage, manifest+"-both"), []byte(strings.Join(slices.Compact(all), "\n")+"\n"), 0o644); err != nil {
		return err
	}
	if err := x.root.Rename(path.Join(x.stage, manifest+"-both"), manifest); err != nil {
		return err
	}
	overview := func(name string) bool {
		return name == "index.html" || name == "fr/index.html" || name == "en/index.html"
	}
	slices.SortStableFunc(x.staged, func(a, b string) int {
		switch {
		case overview(a) == overview(b):
			return 0
		case overview(a):
			return 1
		}
		return -1
	})
	for _, name := range x.staged {
		if err := x.root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := x.root.Rename(path.Join(x.stage, name), name); err != nil {
			return err
		}
	}
	for _, name := range x.before {
		if _, still := slices.BinarySearch(x.files, name); still {
			continue
		}
		if err := x.root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		x.removed++
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if x.root.Remove(dir) != nil { // not empty
				break
			}
		}
	}
	return x.root.Rename(path.Join(x.stage, manifest), manifest)
}

// discard removes the folder where the export was made, with what is left.
func (x *exporter) discard() {
	if err := x.root.RemoveAll(x.stage); err != nil {
		return // the next export removes it
	}
}
