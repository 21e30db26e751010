package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// TestCompareEmoji: only a clear yes of the operator confirms a verification.
func TestCompareEmoji(t *testing.T) {
	shown := matrix.Comparison{ID: "txn", Emoji: []matrix.Emoji{
		{Symbol: "🐶", Name: chat.Text{FR: "Chien", EN: "Dog"}}, {Symbol: "🔑", Name: chat.Text{FR: "Clé", EN: "Key"}},
	}}
	for _, tt := range []struct {
		typed string
		lang  string
		same  bool
		sees  string
	}{
		{"y\n", "en", true, "🐶  Dog"}, {"oui\n", "fr", true, "🔑  Clé"}, {" Yes ", "en", true, "trusts the bot"},
		{"n\n", "en", false, ""}, {"\n", "fr", false, ""}, {"", "en", false, ""}, {"yes, I think\n", "en", false, ""},
	} {
		var out bytes.Buffer
		var asked []string
		e := &environment{stdin: strings.NewReader(tt.typed), stdout: &out, lang: tt.lang}
		err := e.compareEmoji(url.Values{"user": {"@camille:example.org"}, "adapter": {"m"}}, func(path string, query url.Values, to any) error {
			asked = append(asked, path+" "+query.Get("id")+query.Get("same"))
			if to == nil {
				return nil
			}
			data, err := json.Marshal(shown)
			return errors.Join(err, json.Unmarshal(data, to))
		})
		want := "/matrix/verify/answer txn"
		if tt.same {
			want += "yes"
		}
		if (err == nil) != tt.same || len(asked) != 2 || asked[1] != want || !strings.Contains(out.String(), tt.sees) {
			t.Errorf("%q: %v, asked %q\n%s", tt.typed, err, asked, out.String())
		}
	}
	e := &environment{stdin: strings.NewReader("y\n"), stdout: new(bytes.Buffer), lang: "en"}
	refused := errors.New("the bot is not running")
	if err := e.compareEmoji(url.Values{}, func(string, url.Values, any) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
}

// TestMatrixKeysOnPostgres: the program as it is released, with its keys in
// PostgreSQL: it makes a recovery key, copies its keys, and is the same device
// after a start.
func TestMatrixKeysOnPostgres(t *testing.T) {
	database, server := testservers.Postgres(t), testservers.Dendrite(t)
	account := server.Register(t, "released")
	dir := t.TempDir()
	binary := filepath.Join(dir, "permanence")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "goolm", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "permanence.yaml")
	for name, text := range map[string]string{
		file: "name: Test\nlanguage: en\ndatabase: '" + database + "'\nweb: {listen: none}\nadapters:\n  tchat: {type: playground}\n" +
			"  m: {type: matrix, url: '" + server.URL + "', user: '" + account.UserID + "', password_file: pass, encryption: 'on', recovery_key_file: key}\n" +
			"desks:\n  support: {rooms: [\"tchat:equipe\"], intakes: [\"matrix:!nulle-part:example.org\"]}\n",
		filepath.Join(dir, "pass"): account.Password + "\n",
	} {
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "matrix:!", "m:!")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path string, query url.Values, out any) error {
		c, err := dialControl(ctx, pathsOf(l))
		if err != nil {
			return err
		}
		defer c.close()
		return c.call(ctx, method, path, query, out)
	}
	serve := func() (output *lockedBuffer, stop func()) {
		output = new(lockedBuffer)
		cmd := exec.Command(binary, "serve", "--config", file)
		cmd.Stdout, cmd.Stderr = output, output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := false
		stop = func() {
			if !ended {
				ended = true
				cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
				cmd.Wait()
			}
		}
		t.Cleanup(stop)
		return output, stop
	}
	var output *lockedBuffer
	check := func(name string) (found chat.Finding) {
		poll(t, ctx, name, func() bool {
			var all []adapterFindings
			if call(http.MethodGet, "/check", nil, &all) != nil {
				return false
			}
			for _, a := range all {
				for _, f := range a.Findings {
					if f.Name == name {
						found = f
						return true
					}
				}
			}
			return false
		})
		return found
	}
	// The key does not exist yet when the configuration names it.
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("not yet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	output, stop := serve()
	device := check("matrix-device").What.EN
	out, err := exec.CommandContext(ctx, binary, "matrix", "recovery-key", "--config", file).CombinedOutput()
	if err != nil || len(strings.Fields(string(out))) < 10 {
		t.Fatalf("recovery-key: %v\n%s\n%s", err, out, output)
	}
	check("matrix-backup")
	stop()
	if err := os.WriteFile(filepath.Join(dir, "key"), out, 0o600); err != nil {
		t.Fatal(err)
	}
	verify := exec.CommandContext(ctx, binary, "matrix", "verify", "@camille:example.org", "--config", file)
	verify.Env = append(os.Environ(), "LC_ALL=en_GB.UTF-8")
	if out, err := verify.CombinedOutput(); err == nil || !strings.Contains(string(out), "permanence serve") {
		t.Errorf("verify without the bot: %v\n%s", err, out)
	}
	_, stop = serve()
	check("matrix-backup")
	if again := check("matrix-device").What.EN; again != device {
		t.Errorf("another device after a start: %s, %s", device, again)
	}
	stop()
}
