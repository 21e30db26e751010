package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
)

func (e *environment) matrixCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Keys of an account on Matrix",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.recoveryKeyCommand(), e.restoredCommand())
	return cmd
}

func (e *environment) recoveryKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recovery-key",
		Short: "Make a recovery key for the account, and sign our device with it",
		Long: `Make keys for cross-signing while the bot runs, sign its device with them, and
print the recovery key. It is shown once and kept nowhere: put it into the file
that recovery_key_file names, and a copy in a safe place. People then trust a new
device of the bot as they trusted the old one.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	name := cmd.Flags().String("adapter", "", "the adapter's name in the configuration, where there are several")
	replace := cmd.Flags().Bool("replace", false, "replace keys that the account has: everybody has to trust it anew")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"adapter": {*name}, "lang": {e.lang}}
		if *replace {
			query.Set("replace", "yes")
		}
		var key string
		if err := e.ask(cmd, *config, http.MethodPost, "/matrix/recovery-key", query, &key); err != nil {
			return err
		}
		_, err := fmt.Fprintln(e.stdout, key)
		return err
	}
	return cmd
}

func (e *environment) restoredCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restored",
		Short: "Say that the database was replaced by an older copy of itself",
		Long: `Run this after putting back a copy, before the bot is started: its keys are then
behind what others have seen of it. The next start makes everything that is used
for writing anew; what could be read can still be read.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	name := cmd.Flags().String("adapter", "", "the adapter's name in the configuration, where there are several")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{"adapter": {*name}, "lang": {e.lang}}
		if err := e.ask(cmd, *config, http.MethodPost, "/matrix/restored", query, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintln(e.stdout, sayIn(e.lang, "C’est noté : le prochain démarrage refera ce qui sert à écrire.",
			"Noted: the next start makes anew what is used for writing."))
		return err
	}
	return cmd
}

// matrixName is the adapter of type matrix that a request is about.
func (o operations) matrixName(r *http.Request) (string, error) {
	wanted, found := r.URL.Query().Get("adapter"), ""
	for _, c := range o.cfg.Adapters {
		if _, ok := c.Config.(*matrixConfig); !ok || wanted != "" && c.Name != wanted {
			continue
		}
		if found != "" {
			return "", errors.New("several adapters are of type matrix: choose one with --adapter NAME")
		}
		found = c.Name
	}
	if found == "" {
		return "", errors.New("no adapter of that name is of type matrix in the configuration")
	}
	return found, nil
}

// recoveryKey asks the running adapter, which has the keys open.
func (o operations) recoveryKey(ctx context.Context, r *http.Request) (any, error) {
	name, err := o.matrixName(r)
	if err != nil {
		return nil, err
	}
	a, ok := o.adapters[name].(*matrix.Adapter)
	if !ok {
		return nil, errors.New("the bot is not running: start `permanence serve` first, it makes the keys")
	}
	key, err := a.NewRecoveryKey(ctx, r.URL.Query().Get("replace") != "")
	var refused *chat.Error
	if errors.As(err, &refused) {
		return nil, errors.New(refused.Reason.In(r.URL.Query().Get("lang")))
	}
	return key, err
}

func (o operations) restored(ctx context.Context, r *http.Request) (any, error) {
	name, err := o.matrixName(r)
	if err != nil {
		return nil, err
	}
	if o.bot != nil {
		return nil, errors.New("the bot is running: stop it, put the copy back, run this, then start it again")
	}
	return struct{}{}, matrix.MarkRestored(ctx, o.store.State(name))
}
