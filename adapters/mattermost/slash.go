package mattermost

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// installed is a command of ours on the server, as State keeps it.
type installed struct {
	ID      string `json:"id"`
	Trigger string `json:"trigger"`
	Verb    string `json:"verb"` // what the command is to the bot
	Token   string `json:"token"`
	URL     string `json:"url"`
}

// teamCommands are those of a team.
type teamCommands struct {
	Team     string      `json:"team"`
	Commands []installed `json:"commands"`
}

func (t *teamCommands) find(trigger string) (installed, bool) {
	for _, c := range t.Commands {
		if c.Trigger == trigger {
			return c, true
		}
	}
	return installed{}, false
}

// savedCommands is the State key of a team's commands: a key for each team, so
// that none grows.
func savedCommands(teamID string) string { return "commands/" + teamID }

// commandsOf reads a team's commands; they may have been installed by another
// process a moment ago, so nothing is remembered.
func commandsOf(ctx context.Context, state chat.State, teamID string) (teamCommands, error) {
	var t teamCommands
	data, err := state.Get(ctx, savedCommands(teamID))
	if err != nil || data == nil {
		return t, err
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return t, fmt.Errorf("stored commands of a team: %w", err)
	}
	return t, nil
}

// sameSecret compares in a time that tells nothing, not even the length.
func sameSecret(one, other string) bool {
	a, b := sha256.Sum256([]byte(one)), sha256.Sum256([]byte(other))
	return one != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// handTokens reads the tokens of commands that an administrator made by hand,
// one a line; what follows "#" is a remark.
func (s *settings) handTokens() ([]string, error) {
	if s.CommandTokensFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(s.CommandTokensFile)
	if err != nil {
		return nil, err
	}
	var tokens []string
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			tokens = append(tokens, line)
		}
	}
	return tokens, nil
}

// verb tells what a command is to the bot, when its token is one of ours.
func (w *web) verb(ctx context.Context, team, trigger, token string) (string, bool, error) {
	ours, err := commandsOf(ctx, w.state, team)
	if err != nil {
		return "", false, err
	}
	for _, c := range ours.Commands {
		if c.Trigger == trigger && sameSecret(c.Token, token) {
			return c.Verb, true, nil
		}
	}
	tokens, err := w.cfg.handTokens()
	if err != nil {
		return "", false, err
	}
	found := false
	for _, t := range tokens {
		found = sameSecret(t, token) || found
	}
	if !found {
		return "", false, nil
	}
	for verb, t := range w.cfg.commands {
		if t == trigger {
			return verb, true, nil
		}
	}
	return trigger, true, nil
}

// slashAnswer is what the server shows for a command.
type slashAnswer struct {
	Type string `json:"response_type"`
	Text string `json:"text"`
	// Plain keeps the server from rewriting "<…>".
	Plain bool `json:"skip_slack_parsing"`
}

func ephemeral(text string) slashAnswer {
	return slashAnswer{model.CommandResponseTypeEphemeral, text, true}
}

// command answers a slash command. That it comes from the server its token
// says; who typed it says the trigger too, which the server signs.
func (w *web) command(r request) (any, error) {
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		return nil, &httpError{http.StatusBadRequest, "no form"}
	}
	user, channel, team, root := form.Get("user_id"), form.Get("channel_id"), form.Get("team_id"), form.Get("root_id")
	name, isCommand := strings.CutPrefix(form.Get("command"), "/")
	for _, id := range []string{user, channel, team} {
		if !model.IsValidId(id) {
			return nil, &httpError{http.StatusBadRequest, "no command of a Mattermost server"}
		}
	}
	if !isCommand || root != "" && !model.IsValidId(root) {
		return nil, &httpError{http.StatusBadRequest, "no command of a Mattermost server"}
	}
	lang := w.lang(user)
	verb, ok, err := w.verb(r.ctx, team, strings.ToLower(name), form.Get("token"))
	switch {
	case err != nil:
		w.log.Error("the tokens of commands cannot be read", "err", err)
		return ephemeral(wordLost.In(lang)), nil
	case !ok:
		w.refuse(r, "a command with a token that is not ours")
		return ephemeral(wordUnknownCommand.In(lang)), nil
	case !w.ready():
		return ephemeral(wordNotReady.In(lang)), nil
	}
	id, err := w.triggered(r.ctx, form.Get("trigger_id"), user)
	if err != nil {
		return nil, err
	}
	who := w.person(r.ctx, user, form.Get("user_name"))
	if who.Self {
		return nil, &httpError{http.StatusForbidden, "a command of our own account"}
	}
	direct := w.directWith(form.Get("channel_name"), user)
	o := origin{
		who: who, channel: channel, room: w.roomOf(channel, form.Get("team_domain"), form.Get("channel_name")),
		thread: root, trigger: form.Get("trigger_id"), lang: w.lang(user),
	}
	answer, f := w.ask(r, o, func(respond func(chat.Answer)) chat.Event {
		return &chat.Slash{
			Meta:    chat.Meta{Room: o.room, Thread: root, ID: "slash-" + id, From: who, At: w.now().UTC(), Direct: direct},
			Command: verb, Text: chat.Clean(strings.TrimSpace(form.Get("text"))), Respond: respond,
		}
	}, func() { w.recent.forget(id) })
	if f != answered {
		return ephemeral(f.words().In(o.lang)), nil
	}
	ctx, cancel := r.remaining()
	defer cancel()
	return ephemeral(w.show(ctx, o, answer)), nil
}

var wordUnknownCommand = text(
	"Permanence ne reconnaît pas cette commande : l’administration doit relancer « permanence mattermost install-commands », ou mettre son jeton dans command_tokens_file. D’ici là, écrivez « ! » au lieu de « / » dans un message.",
	"Permanence does not know this command: an administrator must run \"permanence mattermost install-commands\" again, or put its token into command_tokens_file. Until then write \"!\" instead of \"/\" in a message.")

// lookAtCommands tells which commands the server has and whether they reach us.
func (w *web) lookAtCommands(ctx context.Context) []chat.Finding {
	if len(w.cfg.commands) == 0 {
		return nil
	}
	var out []chat.Finding
	target := w.mux.URL(commandPath)
	tokens, err := w.cfg.handTokens()
	if err != nil {
		out = append(out, problem("mattermost-file-missing",
			fmt.Sprintf("Un fichier de la configuration ne peut pas être lu : %v.", err),
			fmt.Sprintf("A file of the configuration cannot be read: %v.", err),
			"Créez ce fichier, lisible par Permanence seul.", "Make this file, readable by Permanence alone."))
	}
	for _, name := range w.teams() {
		team, err := call(ctx, w.Adapter, name, func(ctx context.Context, acc *account) (*model.Team, *model.Response, error) {
			return acc.api.GetTeamByName(ctx, name, "")
		})
		if err != nil {
			continue // lookAtTeam tells
		}
		there, err := call(ctx, w.Adapter, name, func(ctx context.Context, acc *account) ([]*model.Command, *model.Response, error) {
			return acc.api.ListAutocompleteCommands(ctx, team.Id)
		})
		if err != nil {
			if f, ok := w.otherTrouble(err); ok {
				out = append(out, f)
			}
			continue
		}
		ours, err := commandsOf(ctx, w.state, team.Id)
		if err != nil {
			w.log.Error("stored commands cannot be read", "err", err)
		}
		var missing, elsewhere, foreign []string
		for _, trigger := range slices.Sorted(maps.Values(w.cfg.commands)) {
			c, known := ours.find(trigger)
			exists := slices.ContainsFunc(there, func(t *model.Command) bool { return t != nil && t.Trigger == trigger })
			switch {
			case !exists:
				missing = append(missing, "/"+trigger)
			case known && c.URL != target:
				elsewhere = append(elsewhere, "/"+trigger)
			case !known && len(tokens) == 0:
				foreign = append(foreign, "/"+trigger)
			}
		}
		install := text("Lancez « permanence mattermost install-commands » avec le jeton d’un compte d’administration",
			"Run \"permanence mattermost install-commands\" with the token of an administrator's account")
		if len(missing) > 0 {
			out = append(out, warning("mattermost-commands-missing",
				fmt.Sprintf("L’équipe %s n’a pas les commandes %s ; « ! » dans un message marche sans elles.", name, strings.Join(missing, " ")),
				fmt.Sprintf("The team %s does not have the commands %s; \"!\" in a message works without them.", name, strings.Join(missing, " ")),
				fmt.Sprintf("%s ; ou faites créer chacune (Intégrations, Commandes slash) : mot déclencheur sans « / », URL de requête %s, méthode POST, autocomplétion cochée, puis mettez leurs jetons dans command_tokens_file.", install.FR, target),
				fmt.Sprintf("%s; or have each made (Integrations, Slash Commands): trigger word without \"/\", request URL %s, method POST, autocomplete ticked, then put their tokens into command_tokens_file.", install.EN, target)))
		}
		if len(elsewhere) > 0 {
			out = append(out, problem("mattermost-commands-elsewhere",
				fmt.Sprintf("Les commandes %s de l’équipe %s appellent une autre adresse que %s.", strings.Join(elsewhere, " "), name, target),
				fmt.Sprintf("The commands %s of the team %s call another address than %s.", strings.Join(elsewhere, " "), name, target),
				install.FR+" : il les corrige.", install.EN+": it corrects them."))
		}
		if len(foreign) > 0 {
			out = append(out, warning("mattermost-commands-unknown",
				fmt.Sprintf("Les commandes %s de l’équipe %s existent, mais nous n’avons pas leur jeton : elles sont à quelqu’un d’autre, ou faites à la main.", strings.Join(foreign, " "), name),
				fmt.Sprintf("The commands %s of the team %s exist, but we do not have their token: they are somebody else's, or made by hand.", strings.Join(foreign, " "), name),
				"Si elles sont pour nous, mettez leurs jetons dans command_tokens_file ; sinon donnez d’autres noms aux nôtres dans commands.",
				"If they are for us, put their tokens into command_tokens_file; if not, give ours other names in commands."))
		}
	}
	return out
}

// lookAtWeb tells what the server can call.
func (a *Adapter) lookAtWeb(ctx context.Context) []chat.Finding {
	if a.web == nil {
		return []chat.Finding{warning("mattermost-no-callback",
			"Sans adresse web, le serveur ne peut pas nous appeler : ni boutons, ni formulaires, ni commandes « / ». Tout se fait par « ! » dans les messages.",
			"Without a web address the server cannot call us: no buttons, no forms, no \"/\" commands. Everything works by \"!\" in messages.",
			"Cela suffit ; pour les avoir, donnez web.url dans la configuration.", "This is enough; to have them, give web.url in the configuration.")}
	}
	var out []chat.Finding
	if target, err := url.Parse(a.web.mux.URL("")); err == nil {
		if isPrivate(target.Hostname()) {
			out = append(out, warning("mattermost-callback-private",
				fmt.Sprintf("Notre adresse web (%s) est sur un réseau privé, où le serveur Mattermost refuse d’appeler par défaut : boutons et commandes « / » échoueraient.", target.Host),
				fmt.Sprintf("Our web address (%s) is on a private network, where the Mattermost server refuses to call by default: buttons and \"/\" commands would fail.", target.Host),
				fmt.Sprintf("L’administration du serveur ajoute %s à AllowedUntrustedInternalConnections.", target.Hostname()),
				fmt.Sprintf("The server's administration adds %s to AllowedUntrustedInternalConnections.", target.Hostname())))
		} else if target.Scheme == "http" {
			out = append(out, warning("mattermost-callback-plaintext",
				fmt.Sprintf("Notre adresse web (%s) n’est pas chiffrée : les jetons des commandes et le contenu des boutons passent en clair.", target),
				fmt.Sprintf("Our web address (%s) is not encrypted: the commands' tokens and the buttons' content pass in the open.", target),
				"Donnez une adresse https dans web.url.", "Give an https address in web.url."))
		}
	}
	return append(out, a.web.lookAtCommands(ctx)...)
}

var errNoCallback = errors.New("web.url is missing: the Mattermost server would have nothing to call")
