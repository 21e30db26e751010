package mattermost_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
)

func findings(all []chat.Finding) string {
	var names []string
	for _, f := range all {
		if f.Level != chat.OK && (f.What.FR == "" || f.What.EN == "" || f.Do.FR == "" || f.Do.EN == "") {
			names = append(names, "WITHOUT-WORDS")
		}
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func did(r mattermost.Report) string {
	var out []string
	for _, c := range r.Done {
		out = append(out, c.Trigger+":"+c.What)
	}
	return strings.Join(out, " ")
}

// TestInstallCommands: in every team, once, corrected when the address or the
// configuration changes, and what is somebody else's stays.
func TestInstallCommands(t *testing.T) {
	w := newWired(t)
	otherID, other := w.Team(t, w.bot, w.site.human)
	cfg, env := w.site.config(t), w.env()
	cfg.Teams = []string{other}
	install := func(token string) mattermost.Report {
		t.Helper()
		r, err := mattermost.InstallCommands(deadline(t), cfg, env, token)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	check := func() string {
		t.Helper()
		a, err := mattermost.New(cfg, chat.Env{Name: "tchat", Rooms: w.rooms, State: w.inbox, Mux: &door{mux: newDoor(t).mux, server: w.door.server}})
		if err != nil {
			t.Fatal(err)
		}
		return findings(a.Check(deadline(t)))
	}
	if got := check(); strings.Count(got, "mattermost-commands-missing") != 2 || !strings.Contains(got, "mattermost-callback-private") {
		t.Errorf("before: %s", got)
	}

	// A bot of one's own may not.
	r := install(w.bot.Token)
	if got := findings(r.Findings); got != "mattermost-commands-forbidden mattermost-commands-forbidden" || len(r.Done) != 0 || !r.Failed() {
		t.Errorf("a bot: %s, %s", did(r), got)
	}
	if _, err := mattermost.InstallCommands(deadline(t), cfg, env, "nonsense"); chat.AsError(err).Kind != chat.Unauthorised {
		t.Errorf("no token: %v", err)
	}

	r = install(w.AdminToken)
	const three = "incident:%[1]s ticket:%[1]s travaux:%[1]s"
	twice := func(what string) string {
		s := fmt.Sprintf(three, what)
		return s + " " + s
	}
	if got := did(r); got != twice("created") || r.Failed() {
		t.Errorf("first: %s, %s", got, findings(r.Findings))
	}
	if got := check(); strings.Contains(got, "commands") {
		t.Errorf("installed: %s", got)
	}
	if got := did(install(w.AdminToken)); got != twice("kept") {
		t.Errorf("again: %s", got)
	}

	// Our address changes.
	was := w.door
	w.door = newDoor(t)
	env.Mux = w.door
	if got := check(); strings.Count(got, "mattermost-commands-elsewhere") != 2 {
		t.Errorf("moved: %s", got)
	}
	if got := did(install(w.AdminToken)); got != twice("updated") {
		t.Errorf("moved: %s", got)
	}
	if got := check(); strings.Contains(got, "commands") {
		t.Errorf("moved and installed: %s", got)
	}
	w.door = was
	env.Mux = was
	install(w.AdminToken)

	// One is renamed, another one's new name is somebody else's.
	w.Admin(t, "POST", "/api/v4/commands", map[string]any{"team_id": otherID, "trigger": "panne", "method": "P",
		"url": "https://example.org/panne", "auto_complete": true}, nil)
	cfg.Commands = map[string]string{"ticket": "aide-asso", "incident": "panne"}
	r = install(w.AdminToken)
	if got := did(r); strings.Count(got, "aide-asso:created") != 2 || strings.Count(got, "panne:created") != 1 || strings.Count(got, ":removed") != 6 {
		t.Errorf("renamed: %s", got)
	}
	if got := findings(r.Findings); got != "mattermost-command-taken" {
		t.Errorf("renamed: %s", got)
	}
	if got := check(); strings.Count(got, "mattermost-commands-unknown") != 1 {
		t.Errorf("renamed: %s", got)
	}
	var there []struct{ Trigger, URL string }
	if err := w.Call(deadline(t), w.AdminToken, "GET", "/api/v4/commands?custom_only=true&team_id="+otherID, nil, &there); err != nil {
		t.Fatal(err)
	}
	if len(there) != 2 || !slices.ContainsFunc(there, func(c struct{ Trigger, URL string }) bool { return c.URL == "https://example.org/panne" }) {
		t.Errorf("in the other team: %+v", there)
	}

	// Names that the server has itself, and a team that is not there.
	cfg.Commands = map[string]string{"ticket": "away"}
	cfg.Teams = []string{"nulle-part"}
	if got := findings(install(w.AdminToken).Findings); got != "mattermost-command-taken mattermost-team-missing" && got != "mattermost-team-missing mattermost-command-taken" {
		t.Errorf("refused: %s", got)
	}
}
