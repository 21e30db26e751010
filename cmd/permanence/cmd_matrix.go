package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

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
	cmd.AddCommand(e.recoveryKeyCommand(), e.restoredCommand(), e.verifyCommand())
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

func (e *environment) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify @PERSON:SERVER",
		Short: "Let a person verify the bot's device, by comparing emoji",
		Long: `Let one person verify the bot's device while it runs: for ten minutes their
request is answered, and nobody else's. They open the bot's profile in their
client, choose to verify it, and tell you which seven emoji they see; you say
whether they are those shown here. With --ask the bot asks their devices instead.`,
		Args: cobra.ExactArgs(1),
	}
	config := configFlag(cmd)
	name := cmd.Flags().String("adapter", "", "the adapter's name in the configuration, where there are several")
	ask := cmd.Flags().Bool("ask", false, "ask the person's devices, instead of waiting for their request")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{"adapter": {*name}, "lang": {e.lang}, "user": {args[0]}}
		if *ask {
			query.Set("ask", "yes")
		}
		return e.compareEmoji(query, func(path string, query url.Values, out any) error {
			return e.ask(cmd, *config, http.MethodPost, path, query, out)
		})
	}
	return cmd
}

// compareEmoji shows what both sides must see and hands on what the operator
// says; nothing but a clear yes confirms.
func (e *environment) compareEmoji(query url.Values, ask func(path string, query url.Values, out any) error) error {
	user := query.Get("user")
	say := func(fr, en string) { fmt.Fprintln(e.stdout, sayIn(e.lang, fr, en)) }
	if query.Get("ask") == "" {
		say("Dans son client, "+user+" ouvre le profil du bot et choisit de le vérifier. Nous attendons dix minutes.",
			"In their client "+user+" opens the bot's profile and chooses to verify it. We wait for ten minutes.")
	} else {
		say("Les appareils de "+user+" sont en train de demander. Nous attendons dix minutes.",
			"The devices of "+user+" are asking now. We wait for ten minutes.")
	}
	var shown matrix.Comparison
	if err := ask("/matrix/verify", query, &shown); err != nil {
		return err
	}
	for _, emoji := range shown.Emoji {
		fmt.Fprintf(e.stdout, "  %s  %s\n", emoji.Symbol, emoji.Name.In(e.lang))
	}
	fmt.Fprint(e.stdout, sayIn(e.lang, user+" voit-il exactement ces sept emoji, dans cet ordre ? [o/N] ",
		"Does "+user+" see exactly these seven emoji, in this order? [y/N] "))
	line, err := bufio.NewReader(e.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	answer := url.Values{"adapter": query["adapter"], "lang": query["lang"], "id": {shown.ID}}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes", "o", "oui":
		answer.Set("same", "yes")
	}
	if err := ask("/matrix/verify/answer", answer, nil); err != nil {
		return err
	}
	if !answer.Has("same") {
		return errors.New(sayIn(e.lang,
			"rien n’a été vérifié, et "+user+" en est averti : si les emoji différaient, quelqu’un se tient peut-être entre vous",
			"nothing was verified, and "+user+" is told: if the emoji were different, somebody may stand between you"))
	}
	say("Vérifié : "+user+" fait confiance au bot, aussi à ses prochains appareils.", "Verified: "+user+" trusts the bot, and its next devices too.")
	return nil
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

// runningMatrix is the adapter that a request is about, in the running program,
// which has the keys open.
func (o operations) runningMatrix(r *http.Request) (*matrix.Adapter, error) {
	name, err := o.matrixName(r)
	if err != nil {
		return nil, err
	}
	a, ok := o.adapters[name].(*matrix.Adapter)
	if !ok {
		return nil, errors.New("the bot is not running: start `permanence serve` first, it has the keys")
	}
	return a, nil
}

// inWords gives a refusal of the adapter in the language of who asked.
func inWords(r *http.Request, err error) error {
	var refused *chat.Error
	if errors.As(err, &refused) {
		return errors.New(refused.Reason.In(r.URL.Query().Get("lang")))
	}
	return err
}

// recoveryKey asks the running adapter, which has the keys open.
func (o operations) recoveryKey(ctx context.Context, r *http.Request) (any, error) {
	a, err := o.runningMatrix(r)
	if err != nil {
		return nil, err
	}
	key, err := a.NewRecoveryKey(ctx, r.URL.Query().Get("replace") != "")
	return key, inWords(r, err)
}

// verify waits until there are emoji to compare.
func (o operations) verify(ctx context.Context, r *http.Request) (any, error) {
	a, err := o.runningMatrix(r)
	if err != nil {
		return nil, err
	}
	shown, err := a.Compare(ctx, r.URL.Query().Get("user"), r.URL.Query().Get("ask") != "")
	return shown, inWords(r, err)
}

// verifyAnswer says whether they are the same.
func (o operations) verifyAnswer(ctx context.Context, r *http.Request) (any, error) {
	a, err := o.runningMatrix(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, inWords(r, a.Answer(ctx, r.URL.Query().Get("id"), r.URL.Query().Get("same") != ""))
}
