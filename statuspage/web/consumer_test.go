package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"permanence/internal/testservers"
)

// consumer is a folder with somebody else's client of the Statuspage API, from
// the cache or else from npm, in the versions and with the sums of
// testdata/consumer/package-lock.json. It is only ever run by the tests.
func consumer(t *testing.T) (node, dir string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		testservers.Need(t, "node", "install it (Debian: apt-get install nodejs npm)")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(cache, "permanence-testservers", "statuspage.io-3.3.8")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "statuspage.io", "package.json")); err == nil {
		return node, dir
	}
	if err := installConsumer(t, dir); err != nil {
		testservers.Need(t, "statuspage.io", "npm ci must work with testdata/consumer/package-lock.json: "+err.Error())
	}
	return node, dir
}

// installConsumer installs beside dir and renames, so that whatever stops it
// leaves no half of it.
func installConsumer(t *testing.T, dir string) error {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "statuspage.io-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	for _, name := range []string{"package.json", "package-lock.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "consumer", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(fresh, name), raw, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(t.Context(), npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New(err.Error() + " " + string(out))
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// An existing client reads the page as it reads Statuspage's own: it finds
// every document where it looks, knows every state and impact, and what it
// gives on has every field.
func TestV2IsReadByAnExistingClient(t *testing.T) {
	node, dir := consumer(t)
	f := weekFixture(t, week())
	server := httptest.NewServer(f.site)
	defer server.Close()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "consumer", "read.js"), dir, server.URL)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v %s", err, &stderr)
	}
	var read map[string]json.RawMessage
	if err := json.Unmarshal(stdout.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	documents := map[string]string{
		"summary": "summary.json", "status": "status.json", "components": "components.json",
		"all": "incidents.json", "unresolved": "incidents/unresolved.json",
		"maintenances": "scheduled-maintenances.json", "upcoming": "scheduled-maintenances/upcoming.json",
	}
	if got, want := slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(documents)); !slices.Equal(got, want) {
		t.Fatalf("read %q, want %q", got, want)
	}
	for method, name := range documents {
		shapes{t, v2Shapes()}.object(method, name, read[method])
	}
}
