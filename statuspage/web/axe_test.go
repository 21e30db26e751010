package web

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"permanence/internal/testservers"
)

// The version of axe-core that pages are checked with, and the sum under which
// npm has it.
const (
	axeVersion   = "4.14.1"
	axeIntegrity = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// axeScript is axe-core, from the cache or else from npm. It is only ever run
// in the tests' own browser.
func axeScript(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "permanence-testservers", "axe-core-"+axeVersion+".tgz")
	packed, err := os.ReadFile(path)
	if err != nil {
		if packed, err = fetchAxe(t); err != nil {
			testservers.Need(t, "axe-core", "npm pack axe-core@"+axeVersion+" must work, or its file stand at "+path+": "+err.Error())
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, packed, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha512.Sum512(packed)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != axeIntegrity {
		t.Fatalf("axe-core %s at %s has the sum %s", axeVersion, path, got)
	}
	script, err := unpackAxe(packed)
	if err != nil {
		t.Fatal(err)
	}
	return script
}

func fetchAxe(t *testing.T) ([]byte, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, err
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), npm, "pack", "--silent", "axe-core@"+axeVersion)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.New(string(out))
	}
	return os.ReadFile(filepath.Join(dir, "axe-core-"+axeVersion+".tgz"))
}

func unpackAxe(packed []byte) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return "", err
		}
		if h.Name == "package/axe.min.js" {
			body, err := io.ReadAll(r)
			return string(body), err
		}
	}
}
