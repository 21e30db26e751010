package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"permanence/adapters/matrix"
	"permanence/internal/sqlstore"
	"permanence/tickets"
)

// restoredKey is when a copy of the database was put back, in the program's
// own state.
const restoredKey = "restored"

func (e *environment) restoredCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restored",
		Short: "Say that the database was replaced by an older copy of itself",
		Long: `Run this after putting back a copy, before the bot is started. What people wrote
since the copy comes again from the networks' histories and is shown, but the
commands and gestures in it are not run: they may have been, and answers would be
sent twice. Where Matrix is encrypted, everything that is used for writing is made
anew; what could be read can still be read.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var done struct {
			Keys int `json:"keys"`
		}
		if err := e.ask(cmd, *config, http.MethodPost, "/restored", url.Values{"lang": {e.lang}}, &done); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, sayIn(e.lang,
			"C’est noté : les commandes et les gestes écrits jusqu’à maintenant ne seront pas exécutés une deuxième fois.",
			"Noted: commands and gestures written until now will not be run a second time."))
		if done.Keys > 0 {
			fmt.Fprintln(e.stdout, sayIn(e.lang, "Le prochain démarrage refera les clés Matrix qui servent à écrire.",
				"The next start makes anew the Matrix keys that are used for writing."))
		}
		return nil
	}
	return cmd
}

func (o operations) restored(ctx context.Context, _ *http.Request) (any, error) {
	if o.bot != nil {
		return nil, errors.New("the bot is running: stop it, put the copy back, run this, then start it again")
	}
	done := struct {
		Keys int `json:"keys"`
	}{}
	for _, a := range o.cfg.Adapters {
		if _, ok := a.Config.(*matrixConfig); !ok {
			continue
		}
		if err := matrix.MarkRestored(ctx, o.store.State(a.Name)); err != nil {
			return nil, err
		}
		done.Keys++
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	if err := o.store.State(pagesState).Put(ctx, restoredKey, []byte(now)); err != nil {
		return nil, fmt.Errorf("note that the database is a copy: %w", err)
	}
	return done, nil
}

// restoredAt is when a copy of the database was put back last, 0 if never.
func restoredAt(ctx context.Context, store *sqlstore.Store) (tickets.Time, error) {
	text, err := store.State(pagesState).Get(ctx, restoredKey)
	if err != nil || text == nil {
		return 0, err
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return 0, fmt.Errorf("read when the database was restored: %w", err)
	}
	return tickets.At(at), nil
}
