package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// manifest lists the files of an export, one a line: what is not in it was not
// written by us, and is never removed. staging begins the name of the folder
// where an export is made before it is put in place; putBy is where, in it, the
// files that were there before wait until all has gone well.
const (
	manifest = ".permanence-export"
	staging  = ".permanence-new-"
	putBy    = ".before"
	lost     = "?"
)

// exporter puts files in place.
type exporter struct {
	root *os.Root
	// Tests make these fail.
	write  func(name string, body []byte, perm os.FileMode) error
	rename func(from, to string) error

	before []string // the files of the export before
	stage  string   // the folder where this one is made
	files  []string // of this export
	seen   map[string]bool
	staged []string // those that differ
	gone   []string // those of before that are there and are no longer part of it
	made   []string // folders, made for this export
	// back is where each file that is replaced waits; lost where it cannot.
	back    map[string]string
	moved   []move // what was done in place, to be undone on a failure
	removed int
	half    bool // it could not be undone
}

// move is one file that was put in place, or taken away. It can be undone: back
// is where the file of before waits, empty where there was none.
type move struct{ name, back string }

// errForeign: there are files that are not ours.
var errForeign = errors.New("the folder has files of somebody else")

// lockFolder waits until no other export writes into a folder: two would take
// each other's unfinished files for what a kill has left. The lock ends with
// whoever holds it.
func lockFolder(ctx context.Context, root *os.Root) (unlock func(), err error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		switch err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return func() { dir.Close() }, nil
		case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK):
			return func() { dir.Close() }, nil // a file system without locks
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			dir.Close()
			return nil, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			dir.Close()
			return nil, ctx.Err()
		}
	}
}

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
	slices.Sort(x.before)
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
	if x.seen[name] {
		return nil // an old address that is one of today's
	}
	if x.seen == nil {
		x.seen = map[string]bool{}
	}
	x.seen[name] = true
	if _, ours := slices.BinarySearch(x.before, name); !ours {
		if _, err := x.root.Lstat(name); err == nil {
			return nil // somebody put their own there, and it stays
		}
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

// seal ends the making: from here on no space is needed.
func (x *exporter) seal() error {
	slices.Sort(x.files)
	x.files = slices.Compact(x.files)
	if err := x.writeList(manifest, x.files); err != nil {
		return err
	}
	all := slices.Concat(x.before, x.files)
	slices.Sort(all)
	if err := x.writeList(manifest+"-both", slices.Compact(all)); err != nil {
		return err
	}
	for _, name := range x.before {
		if _, still := slices.BinarySearch(x.files, name); still {
			continue
		}
		switch there, err := x.root.Lstat(name); {
		case err == nil && there.IsDir(): // somebody's own, in the place of our file
		case err == nil:
			x.gone = append(x.gone, name)
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
	}
	for _, name := range slices.Concat(x.staged, x.gone, []string{manifest}) {
		if err := x.root.MkdirAll(path.Dir(path.Join(x.stage, putBy, name)), 0o755); err != nil {
			return err
		}
	}
	x.back = map[string]string{}
	for _, name := range append([]string{manifest}, x.staged...) {
		if err := x.folder(path.Dir(name)); err != nil {
			return err
		}
		if err := x.keep(name); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) writeList(name string, files []string) error {
	return x.write(path.Join(x.stage, name), []byte(strings.Join(files, "\n")+"\n"), 0o644)
}

// folder makes a folder and those above it, and remembers which were missing.
func (x *exporter) folder(name string) error {
	if name == "." || slices.Contains(x.made, name) {
		return nil
	}
	if err := x.folder(path.Dir(name)); err != nil {
		return err
	}
	switch err := x.root.Mkdir(name, 0o755); {
	case err == nil:
		x.made = append(x.made, name)
	case !errors.Is(err, os.ErrExist):
		return err
	}
	return nil
}

// place moves what was made to where it is read, then takes away what no longer
// is part of the site. The list of files goes first: until the rest is done it
// names some that are not there, never one less.
func (x *exporter) place() (err error) {
	defer func() {
		if err != nil {
			x.undo()
		}
	}()
	if err := x.put(path.Join(x.stage, manifest+"-both"), manifest); err != nil {
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
		if err := x.put(path.Join(x.stage, name), name); err != nil {
			return err
		}
	}
	for _, name := range x.gone {
		back := path.Join(x.stage, putBy, name)
		if err := x.rename(name, back); err != nil {
			return err
		}
		x.moved = append(x.moved, move{name, back})
	}
	if err := x.rename(path.Join(x.stage, manifest), manifest); err != nil {
		return err
	}
	x.removed = len(x.gone)
	for _, name := range x.gone {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if x.root.Remove(dir) != nil { // not empty
				break
			}
		}
	}
	return nil
}

// keep gives a file that is going to be replaced a second name, by which it can
// come back; on a file system without links it cannot.
func (x *exporter) keep(name string) error {
	back := path.Join(x.stage, putBy, name)
	switch err := x.root.Link(name, back); {
	case err == nil:
		x.back[name] = back
	case errors.Is(err, os.ErrNotExist):
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO):
		return err
	default:
		x.back[name] = lost
	}
	return nil
}

// put replaces a file.
func (x *exporter) put(from, name string) error {
	if err := x.rename(from, name); err != nil {
		return err
	}
	x.moved = append(x.moved, move{name, x.back[name]})
	return nil
}

// undo makes everything as it was before place.
func (x *exporter) undo() {
	for _, m := range slices.Backward(x.moved) {
		var err error
		switch m.back {
		case "":
			err = x.root.Remove(m.name)
		case lost:
			x.half = true
		default:
			err = x.root.Rename(m.back, m.name)
		}
		x.half = x.half || err != nil
	}
	x.moved = nil
}

// discard removes the folder where the export was made, with what is left, and
// folders that were made for nothing.
func (x *exporter) discard() {
	for _, dir := range slices.Backward(x.made) {
		if x.root.Remove(dir) != nil {
			continue // it is in use: all is well
		}
	}
	if err := x.root.RemoveAll(x.stage); err != nil {
		return // the next export removes it
	}
}
