package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"permanence/internal/testservers"
)

// TestMattermostCommands installs the slash commands as an administrator does,
// while the program runs, and uses them as a customer and as an agent.
func TestMattermostCommands(t *testing.T) {
	server := testservers.Mattermost(t)
	us, alice, camille := server.Bot(t, "permanence"), server.User(t, "alice"), server.User(t, "camille")
	team, name := server.Team(t, us, alice, camille)
	public := server.Channel(t, team, "entraide", "O", us, alice, camille)
	inside := server.Channel(t, team, "equipe", "P", us, camille)
	web, _ := freePorts(t)
	file := writeConfig(t, fmt.Sprintf(`name: Test
language: en
database: sqlite:x.db
web: {listen: %q, url: %q}
adapters:
  tchat: {type: mattermost, url: %q, token_file: bot.token}
desks:
  support:
    rooms: ["tchat:%[4]s/equipe"]
    intakes: [{from: "tchat:%[4]s/entraide", opens: command}]
    agents: ["tchat:%[5]s"]
`, web, "http://"+web, server.URL, name, camille.Username))
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "bot.token"), []byte(us.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, output := start(t, "serve", "--config", file)
	poll(t, ctx, "the control socket", func() bool {
		return listens(paths{filepath.Join(filepath.Dir(file), "x.db")}.control())
	})
	install := func(token string) (string, error) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := &exec.Cmd{Path: self, Args: []string{"permanence", "mattermost", "install-commands", "--config", file, "--admin-token-file", "-"},
			Env: append(os.Environ(), "LC_ALL=en_GB.UTF-8"), Stdin: strings.NewReader(token + "\n")}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := install(us.Token); err == nil || !strings.Contains(out, "mattermost-commands-forbidden") {
		t.Errorf("with a bot's token: %v\n%s", err, out)
	}
	for _, want := range []string{"created", "there already"} {
		out, err := install(server.AdminToken)
		if err != nil || strings.Count(out, want) < 2 || strings.Contains(out, server.AdminToken) {
			t.Fatalf("install-commands, want %q: %v\n%s", want, err, out)
		}
	}
	slash := func(who testservers.MattermostAccount, channel, line string) (answer struct {
		Text string `json:"text"`
		Type string `json:"response_type"`
	}) {
		t.Helper()
		if err := server.Call(ctx, who.Token, http.MethodPost, "/api/v4/commands/execute",
			map[string]string{"channel_id": channel, "team_id": team, "command": line}, &answer); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, output)
		}
		return answer
	}
	if a := slash(alice, public, "/ticket aide"); !strings.Contains(a.Text, "ticket") {
		t.Errorf("help: %+v", a)
	}
	slash(alice, public, "/ticket my mailing list is silent")
	if a := slash(camille, inside, "/ticket liste"); !strings.Contains(a.Text, "my mailing list is silent") {
		t.Errorf("the list: %+v", a)
	}
	if a := slash(alice, public, "/ticket fermer #1"); strings.Contains(a.Text, "closed") {
		t.Errorf("a customer closes: %+v", a)
	}
	if a := slash(camille, inside, "/ticket fermer #1"); !strings.Contains(a.Text+"closed", "closed") {
		t.Errorf("an agent closes: %+v", a)
	}
	if a := slash(camille, inside, "/ticket liste"); strings.Contains(a.Text, "my mailing list is silent") {
		t.Errorf("still open: %+v", a)
	}
	var check bytes.Buffer
	cmd := &exec.Cmd{Path: os.Args[0], Args: []string{"permanence", "check", "--config", file}, Env: append(os.Environ(), "LC_ALL=en_GB.UTF-8"), Stdout: &check, Stderr: &check}
	if err := cmd.Run(); err != nil {
		t.Errorf("check: %v\n%s", err, &check)
	}
}
