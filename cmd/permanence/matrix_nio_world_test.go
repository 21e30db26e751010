//go:build goolm

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// cut breaks all connections and lets none come, until mend.
func (w *matrixWire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.conns {
		c.Close()
	}
}

func (w *matrixWire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// run runs a subcommand and gives what it says.
func (p *program) run(args ...string) (string, error) {
	cmd := exec.CommandContext(p.t.Context(), p.binary, append(args, "--config", p.config())...)
	cmd.Env = append(os.Environ(), "LC_ALL=en_GB.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// data are the files of the database and of the key store beside it.
func (p *program) data() []string {
	p.t.Helper()
	var data []string
	for _, name := range []string{"x.db", "x-adapters.db"} {
		for _, tail := range []string{"", "-wal", "-shm"} {
			f := filepath.Join(p.dir, name+tail)
			if _, err := os.Stat(f); err == nil {
				data = append(data, f)
			} else if tail == "" {
				p.t.Fatal(err)
			}
		}
	}
	return data
}

// backup copies the data of a program that is stopped.
func (p *program) backup() (dir string) {
	p.t.Helper()
	dir = p.t.TempDir()
	for _, f := range p.data() {
		p.copyFile(f, filepath.Join(dir, filepath.Base(f)))
	}
	return dir
}

// restore puts a copy back in the place of all that there is.
func (p *program) restore(dir string) {
	p.t.Helper()
	for _, f := range p.data() {
		if err := os.Remove(f); err != nil {
			p.t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		p.t.Fatal("there is no copy: ", err)
	}
	for _, f := range files {
		p.copyFile(filepath.Join(dir, f.Name()), filepath.Join(p.dir, f.Name()))
	}
}

func (p *program) copyFile(from, to string) {
	p.t.Helper()
	in, err := os.Open(from)
	if err != nil {
		p.t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		p.t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		p.t.Fatal(err)
	}
}
