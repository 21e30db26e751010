package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// What InstallCommands did with a command.
const (
	CommandCreated = "created"
	CommandUpdated = "updated"
	CommandKept    = "kept"
	CommandRemoved = "removed"
)

// Report tells what InstallCommands did.
type Report struct {
	Done []InstalledCommand
	// Findings are what could not be done, with what to do next.
	Findings []chat.Finding
}

// InstalledCommand is one command of one team; What is one of CommandCreated,
// CommandUpdated, CommandKept and CommandRemoved.
type InstalledCommand struct {
	Team, Trigger, What string
}

// Failed tells whether something could not be done.
func (r Report) Failed() bool { return len(r.Findings) > 0 }

// InstallCommands makes the slash commands of the configuration in every team
// of it, with the access token of an administrator's account, and stores their
// tokens where the adapter looks for them: a running one takes them up at once.
// It may be repeated: what is right is kept, what is ours and wrong is put
// right, what is ours and no longer configured is removed, and a command that
// is somebody else's stays. Of env it uses Name, Rooms, State and Mux.
//
// The error is an *chat.Error where the server refused or was not reached; what
// concerns one team or one command alone is a finding of the report.
func InstallCommands(ctx context.Context, cfg Config, env chat.Env, adminToken string) (Report, error) {
	if env.Mux == nil {
		return Report{}, errNoCallback
	}
	a, err := New(cfg, chat.Env{Name: env.Name, Rooms: env.Rooms, State: env.State, Log: env.Log})
	if err != nil {
		return Report{}, err
	}
	teams := a.teams()
	if len(teams) == 0 {
		return Report{}, errors.New("no team is configured: name a room as team/channel, or the teams in teams")
	}
	api, err := a.client()
	if err != nil {
		return Report{}, err
	}
	api.SetToken(strings.TrimSpace(adminToken))
	acc, err := a.whoAmI(ctx, api)
	if err != nil {
		return Report{}, err
	}
	i := &installer{
		api: acc.api, state: env.State, url: env.Mux.URL(commandPath), commands: a.cfg.commands,
		mark: "Permanence (" + env.Name + ")",
	}
	for _, team := range teams {
		if err := i.team(ctx, team); err != nil {
			return i.report, err
		}
	}
	return i.report, nil
}

// installer makes commands with an administrator's account.
type installer struct {
	api      *model.Client4
	state    chat.State
	url      string
	mark     string            // in the description of a command of ours
	commands map[string]string // trigger by verb
	report   Report
}

func (i *installer) done(team, trigger, what string) {
	i.report.Done = append(i.report.Done, InstalledCommand{team, trigger, what})
}

func (i *installer) failed(f chat.Finding) { i.report.Findings = append(i.report.Findings, f) }

// try makes one call.
func try[T any](ctx context.Context, f func(context.Context) (T, *model.Response, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	v, resp, err := f(limited)
	if err != nil {
		return v, refusal(ctx, resp, err, "")
	}
	return v, nil
}

// team makes the commands of one team. The error ends everything.
func (i *installer) team(ctx context.Context, name string) error {
	team, err := try(ctx, func(ctx context.Context) (*model.Team, *model.Response, error) {
		return i.api.GetTeamByName(ctx, name, "")
	})
	if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusForbidden) {
		i.failed(problem("mattermost-team-missing",
			fmt.Sprintf("Il n’y a pas d’équipe %s, ou ce compte n’y a pas accès.", name),
			fmt.Sprintf("There is no team %s, or this account has no access to it.", name),
			"Vérifiez le nom (celui de l’adresse).", "Check the name (that of the address)."))
		return nil
	}
	if err != nil {
		return err
	}
	there, err := try(ctx, func(ctx context.Context) ([]*model.Command, *model.Response, error) {
		return i.api.ListCommands(ctx, team.Id, true)
	})
	if isStatus(err, http.StatusForbidden) {
		i.failed(mayNot(name))
		return nil
	}
	if err != nil {
		return err
	}
	was, err := commandsOf(ctx, i.state, team.Id)
	if err != nil {
		return err
	}
	now := teamCommands{Team: name}
	for _, verb := range slices.Sorted(maps.Keys(i.commands)) {
		c, err := i.command(ctx, team, verb, there, was)
		if err != nil {
			return err
		}
		if c.ID != "" {
			now.Commands = append(now.Commands, c)
		}
	}
	for _, c := range was.Commands {
		if slices.ContainsFunc(now.Commands, func(n installed) bool { return n.ID == c.ID }) {
			continue
		}
		if _, wanted := now.find(c.Trigger); !wanted && slices.ContainsFunc(there, func(t *model.Command) bool { return t.Id == c.ID }) {
			if err := i.remove(ctx, name, c); err != nil {
				return err
			}
		}
	}
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := i.state.Put(ctx, savedCommands(team.Id), data); err != nil {
		return fmt.Errorf("store the commands' tokens: %w", err)
	}
	return nil
}

// command makes or corrects one; without an ID where it could not.
func (i *installer) command(ctx context.Context, team *model.Team, verb string, there []*model.Command, was teamCommands) (installed, error) {
	trigger := i.commands[verb]
	want := &model.Command{
		TeamId: team.Id, Trigger: trigger, Method: model.CommandMethodPost, URL: i.url, Username: "permanence",
		AutoComplete: true, DisplayName: "Permanence", Description: i.mark,
	}
	want.AutoCompleteHint, want.AutoCompleteDesc = hints(verb)
	at := slices.IndexFunc(there, func(c *model.Command) bool { return c.Trigger == trigger })
	if at < 0 {
		made, err := try(ctx, func(ctx context.Context) (*model.Command, *model.Response, error) {
			return i.api.CreateCommand(ctx, want)
		})
		if err != nil {
			return installed{}, i.unmade(team.Name, trigger, err)
		}
		i.done(team.Name, trigger, CommandCreated)
		return installed{made.Id, trigger, verb, made.Token, made.URL}, nil
	}
	is := there[at]
	known, ok := was.find(trigger)
	if ours := ok && known.ID == is.Id || is.Description == i.mark || is.URL == i.url; !ours {
		i.failed(problem("mattermost-command-taken",
			fmt.Sprintf("Dans l’équipe %s, la commande /%s est déjà à quelqu’un d’autre : elle n’a pas été touchée.", team.Name, trigger),
			fmt.Sprintf("In the team %s the command /%s is somebody else's already: it was not touched.", team.Name, trigger),
			fmt.Sprintf("Donnez un autre nom à la nôtre, par exemple commands: {%s: aide-%s}, et recommencez.", verb, trigger),
			fmt.Sprintf("Give ours another name, for example commands: {%s: help-%s}, and do this again.", verb, trigger)))
		return installed{}, nil
	}
	token := is.Token
	if token == "" { // hidden from this account
		token = known.Token
	}
	what := CommandKept
	if is.URL != want.URL || is.Method != want.Method || is.AutoComplete != want.AutoComplete || is.AutoCompleteHint != want.AutoCompleteHint ||
		is.AutoCompleteDesc != want.AutoCompleteDesc || is.Username != want.Username || is.DisplayName != want.DisplayName || is.Description != want.Description {
		want.Id = is.Id
		if _, err := try(ctx, func(ctx context.Context) (*model.Command, *model.Response, error) {
			return i.api.UpdateCommand(ctx, want)
		}); err != nil {
			return known, i.unmade(team.Name, trigger, err)
		}
		what = CommandUpdated
	}
	if token == "" {
		var err error
		if token, err = try(ctx, func(ctx context.Context) (string, *model.Response, error) { return i.api.RegenCommandToken(ctx, is.Id) }); err != nil {
			return known, i.unmade(team.Name, trigger, err)
		}
		what = CommandUpdated
	}
	i.done(team.Name, trigger, what)
	return installed{is.Id, trigger, verb, token, want.URL}, nil
}

func (i *installer) remove(ctx context.Context, team string, c installed) error {
	_, err := try(ctx, func(ctx context.Context) (struct{}, *model.Response, error) {
		resp, err := i.api.DeleteCommand(ctx, c.ID)
		return struct{}{}, resp, err
	})
	if err != nil && !isStatus(err, http.StatusNotFound) {
		return i.unmade(team, c.Trigger, err)
	}
	i.done(team, c.Trigger, CommandRemoved)
	return nil
}

// unmade tells why a command could not be made; an error that concerns them all
// is given back.
func (i *installer) unmade(team, trigger string, err error) error {
	var answer *serverError
	switch {
	case !errors.As(err, &answer) || answer.Status >= 500 && answer.Status != http.StatusNotImplemented,
		answer.Status == http.StatusUnauthorized, answer.Status == http.StatusTooManyRequests:
		return err
	case answer.Status == http.StatusNotImplemented:
		i.failed(problem("mattermost-commands-disabled",
			"Ce serveur ne permet pas de commandes « / » ajoutées.", "This server allows no added \"/\" commands.",
			"L’administration du serveur peut les permettre (EnableCommands).", "The server's administration can allow them (EnableCommands)."))
	case answer.Status == http.StatusForbidden || answer.Status == http.StatusNotFound:
		// 404 too: the server hides what one may not change.
		i.failed(mayNot(team))
	case strings.Contains(answer.ID, "duplicate_trigger"):
		i.failed(problem("mattermost-command-taken",
			fmt.Sprintf("Dans l’équipe %s, la commande /%s existe déjà (du serveur, d’une extension, ou d’un compte que le vôtre ne voit pas).", team, trigger),
			fmt.Sprintf("In the team %s the command /%s exists already (the server's, a plugin's, or of an account that yours does not see).", team, trigger),
			"Donnez un autre nom à la nôtre dans commands, et recommencez.", "Give ours another name in commands, and do this again."))
	default:
		e := chat.AsError(err)
		i.failed(problem("mattermost-command-refused",
			fmt.Sprintf("Équipe %s, commande /%s : %s.", team, trigger, e.Reason.FR), fmt.Sprintf("Team %s, command /%s: %s.", team, trigger, e.Reason.EN),
			"Corrigez-le, et recommencez.", "Correct this, and do it again."))
	}
	return nil
}

// mayNot explains a 403, which every bot of one's own gets.
func mayNot(team string) chat.Finding {
	return problem("mattermost-commands-forbidden",
		fmt.Sprintf("Le serveur ne laisse pas ce compte créer de commandes « / » dans l’équipe %s : un robot ordinaire n’en a pas le droit.", team),
		fmt.Sprintf("The server does not let this account make \"/\" commands in the team %s: an ordinary bot has no right to.", team),
		"Donnez le jeton d’un compte d’administration du serveur ou de cette équipe ; il ne sert qu’à cela et n’est pas conservé.",
		"Give the token of an account that administers the server or this team; it serves for this alone and is not kept.")
}

// hints are what the server shows while a command is typed. A team has one text
// for everybody, so it is in both languages.
func hints(verb string) (hint, description string) {
	switch verb {
	case "ticket":
		return "[question | fermer #42 | aide]", "Demander de l’aide, suivre une demande / Ask for help, follow a request"
	case "incident":
		return "[début | maj | fin | liste | aide]", "Annoncer une panne, sa suite, sa fin / Announce an outage, its news, its end"
	case "travaux", "maintenance":
		return "[prévoir | reporter | début | fin | aide]", "Annoncer des travaux / Announce planned work"
	}
	return "[texte]", "Permanence"
}
