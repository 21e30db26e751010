package testservers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// GoServer is a server, or a tool of one, that is built from a pinned module.
type GoServer struct {
	// Dir is the module's folder beside this file.
	Dir string
	// Package is the command's import path.
	Package string
}

// GoServers are the servers that are built from pinned modules, by name.
func GoServers() map[string]GoServer {
	return map[string]GoServer{
		"dendrite":      {"dendrite", "github.com/element-hq/dendrite/cmd/dendrite"},
		"dendrite-keys": {"dendrite", "github.com/element-hq/dendrite/cmd/generate-keys"},
		"ergo":          {"ergo", "github.com/ergochat/ergo"},
		"mattermost":    {"mattermost", "github.com/mattermost/mattermost/server/v8/cmd/mattermost"},
		"mox":           {"mox", "github.com/mjl-/mox"},
	}
}

// Build gives the path of a server of GoServers, building it where the cache
// (permanence-testservers in the user's cache directory) does not hold it yet.
// The name in the cache carries the hash of go.sum; a file lock lets one
// process build while others wait.
func Build(ctx context.Context, name string) (string, error) {
	server, ok := GoServers()[name]
	if !ok {
		return "", fmt.Errorf("build test server: %q is none", name)
	}
	src, err := sourceDir()
	if err != nil {
		return "", err
	}
	src = filepath.Join(src, server.Dir)
	sum, err := os.ReadFile(filepath.Join(src, "go.sum"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "permanence-testservers")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	hash := sha256.Sum256(sum)
	bin := filepath.Join(cache, name+"-"+hex.EncodeToString(hash[:8]))
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}

	unlock, err := lockFile(bin + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(bin); err == nil {
		return bin, nil // somebody else built it meanwhile
	}
	tmp := bin + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-o", tmp, server.Package)
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s in %s: %w\n%s", server.Package, src, err, bytes.TrimSpace(out))
	}
	// Only a whole binary gets the name that others look for.
	if err := os.Rename(tmp, bin); err != nil {
		return "", err
	}
	return bin, nil
}

// lockFile waits for an exclusive lock, which ends with the process at the
// latest.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { f.Close() }, nil
}
