package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// paths are the files beside the data: the lock, the control socket, the doors
// for mail and the spool.
type paths struct {
	// base is the SQLite file, or for PostgreSQL the configuration file
	// without its ending.
	base string
}

func pathsOf(l *Loaded) paths {
	if path, ok := strings.CutPrefix(l.Database, "sqlite:"); ok {
		return paths{path}
	}
	base, err := filepath.Abs(l.File)
	if err != nil {
		base = l.File
	}
	return paths{strings.TrimSuffix(base, filepath.Ext(base))}
}

func (p paths) lock() string  { return p.base + ".lock" }
func (p paths) spool() string { return p.base + ".spool" }

func (p paths) control() string { return p.short(".sock") }

// door is the socket on which mail-in hands mails to a mail adapter.
func (p paths) door(adapter string) string { return p.short("." + adapter + ".lmtp") }

// short gives the path of a socket, which the system allows about a hundred
// bytes. Where the data lies deeper, the socket is in a folder of our own among
// the temporary files, named after the data.
func (p paths) short(ending string) string {
	if len(p.base)+len(ending) <= 100 {
		return p.base + ending
	}
	sum := sha256.Sum256([]byte(p.base))
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" || len(dir) > 60 {
		dir = filepath.Join("/tmp", "permanence-"+strconv.Itoa(os.Getuid()))
	}
	return filepath.Join(dir, "permanence-"+hex.EncodeToString(sum[:6])+ending)
}

// makeSocketDir makes the folder of a socket that does not lie beside the
// data, and refuses one that is somebody else's.
func makeSocketDir(socket string) error {
	dir := filepath.Dir(socket)
	if err := os.Mkdir(dir, 0o700); err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	if !strings.HasPrefix(filepath.Base(dir), "permanence-") {
		return nil
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || ok && int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s belongs to somebody else: remove it", dir)
	}
	return nil
}

// runningError says that another process works on the data.
type runningError struct {
	pid  int // 0 where it is not known
	data string
	who  string // a holder of the lease, instead of a process of this machine
}

func (e *runningError) Error() string {
	who := "another permanence"
	switch {
	case e.who != "":
		who += " (" + e.who + ")"
	case e.pid != 0:
		who += fmt.Sprintf(" (process %d)", e.pid)
	}
	do := "Stop it first, or give this one another `database`"
	if e.pid != 0 {
		do = fmt.Sprintf("Stop it first (kill %d, or systemctl stop permanence), or give this one another `database`", e.pid)
	}
	return fmt.Sprintf("%s is already running on %s. %s", who, e.data, do)
}

// dataLock is held by whoever works on the data.
type dataLock struct{ f *os.File }

// lockData takes the lock, or gives a *runningError. The system frees it when
// the process ends, however it ends; the file stays.
func lockData(p paths) (*dataLock, error) {
	f, err := os.OpenFile(p.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, exitWith(exitDatabase, fmt.Errorf("the folder %s does not exist: create it, or change `database` in the configuration", filepath.Dir(p.base)))
	case errors.Is(err, os.ErrPermission):
		return nil, exitWith(exitDatabase, fmt.Errorf("no right to write in %s: give the folder to the user that runs permanence", filepath.Dir(p.base)))
	case err != nil:
		return nil, exitWith(exitDatabase, fmt.Errorf("lock the data: %w", err))
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		e := &runningError{data: p.base}
		var text [20]byte
		if n, _ := f.ReadAt(text[:], 0); n > 0 {
			e.pid, _ = strconv.Atoi(strings.TrimSpace(string(text[:n])))
		}
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, e
		}
		return nil, exitWith(exitDatabase, fmt.Errorf("lock %s: %w", p.lock(), err))
	}
	// The number is a courtesy to whoever reads it; the lock is what counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &dataLock{f}, nil
}

// unlock lets others work on the data.
func (l *dataLock) unlock() error {
	_ = l.f.Truncate(0)
	return l.f.Close()
}
