package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
)

func (e *environment) mattermostCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mattermost",
		Short: "What an administrator of a Mattermost server does once",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.installCommandsCommand())
	return cmd
}

func (e *environment) installCommandsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install-commands",
		Short: "Make the slash commands /ticket, /incident and /travaux",
		Long: `Make the slash commands in every team that the configuration names, with the
access token of an administrator's account: a bot may not make commands. The
token is read from a file or, with "-", from standard input; it is used once and
not kept. It may be repeated: what is right is kept, what is ours and wrong is
put right, and commands that are somebody else's stay.

Mattermost calls web.url: where it cannot, everything works by !ticket and
!incident in messages.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	file := cmd.Flags().String("admin-token-file", "", "file with the administrator's access token, or - for standard input")
	name := cmd.Flags().String("adapter", "", "the adapter's name in the configuration, where there are several")
	if err := cmd.MarkFlagRequired("admin-token-file"); err != nil {
		panic(err) // the flag is defined two lines above
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		token, err := e.readSecret(*file)
		if err != nil {
			return err
		}
		var report mattermost.Report
		query := url.Values{"adapter": {*name}, "lang": {e.lang}}
		if err := e.tell(cmd, *config, http.MethodPost, "/mattermost/commands", query, token, &report); err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		for _, c := range report.Done {
			fmt.Fprintf(w, "%s\t/%s\t%s\n", c.Team, c.Trigger, whatDone(e.lang, c.What))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if printFindings(e.stdout, e.lang, []adapterFindings{{Adapter: "mattermost", Findings: report.Findings}}) {
			return &exitError{code: exitFound}
		}
		return nil
	}
	return cmd
}

func whatDone(lang, what string) string {
	switch what {
	case mattermost.CommandCreated:
		return sayIn(lang, "créée", "created")
	case mattermost.CommandUpdated:
		return sayIn(lang, "corrigée", "put right")
	case mattermost.CommandRemoved:
		return sayIn(lang, "retirée", "removed")
	}
	return sayIn(lang, "déjà là", "there already")
}

// readSecret reads the first line of a file, or of standard input.
func (e *environment) readSecret(file string) (string, error) {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(io.LimitReader(e.stdin, 64<<10))
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s: its first line is empty", file)
	}
	return line, nil
}

// installCommands makes slash commands for one adapter of the configuration.
func (o operations) installCommands(ctx context.Context, r *http.Request) (any, error) {
	token, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	var found *mattermostConfig
	name := r.URL.Query().Get("adapter")
	for _, c := range o.cfg.Adapters {
		mm, ok := c.Config.(*mattermostConfig)
		if !ok || name != "" && c.Name != name {
			continue
		}
		if found != nil {
			return nil, errors.New("several adapters are of type mattermost: choose one with --adapter NAME")
		}
		found, name = mm, c.Name
	}
	if found == nil {
		return nil, errors.New("no adapter of that name is of type mattermost in the configuration")
	}
	report, err := mattermost.InstallCommands(ctx, found.Config, chat.Env{Name: name, Rooms: o.cfg.plan.rooms[name], State: o.store.State(name),
		Mux: o.cfg.mux(http.NewServeMux(), name)}, string(token))
	var refused *chat.Error
	if errors.As(err, &refused) {
		return nil, errors.New(refused.Reason.In(r.URL.Query().Get("lang")))
	}
	return report, err
}
