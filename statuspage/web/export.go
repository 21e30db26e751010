package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
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

// Export writes the whole site as files into dir, for any web server: pages as
// folders with an index, everything else under the name that it has here; the
// other language below its name ("en/"). Links are made for the site's public
// address.
//
// Everything is first made in a folder within dir, with a link to each file
// that is going to be replaced. When that has succeeded, which takes all the
// space and nearly all the time, each file that differs is put in place in one
// step, the overview last; then what the last export wrote and this one did not
// is taken away. A failure, before or then, leaves all as it was, and is an
// *ExportError. A kill before leaves all as it was too; one while files are put
// in place (milliseconds) leaves each file whole and every link good, and the
// next export goes on. Files that no export wrote are never touched; nothing is
// done in a folder that has but such files.
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
	unlock, err := lockFolder(ctx, root)
	if err != nil {
		return Exported{}, s.exportError("export.failed", dir, err)
	}
	defer unlock()
	x := exporter{root: root, write: root.WriteFile, rename: root.Rename}
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
		id := "export.failed"
		if x.half {
			id = "export.half"
		}
		x.discard()
		return Exported{}, s.exportError(id, dir, err)
	}
	x.discard()
	return Exported{Files: len(x.files), Changed: len(x.staged), Removed: x.removed}, nil
}

func (s *Site) exportError(id, dir string, err error) error {
	if id == "export.failed" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)) {
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
	if err := s.exportOld(ctx, list, add); err != nil {
		return err
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
	sign := "?"
	if strings.Contains(p, "?") {
		sign = "&"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p+sign+"lang="+v.lang, nil)
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
