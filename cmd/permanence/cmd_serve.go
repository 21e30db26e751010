package main

import (
	"github.com/spf13/cobra"
)

func (e *environment) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the bot",
		Long: `Run the bot until it is told to end (SIGTERM or Ctrl-C; a second one ends it at
once). Without --config and without ./permanence.yaml it runs the embedded
defaults: a playground at http://127.0.0.1:8080, mail by SMTP on 127.0.0.1:2525,
everything kept in ./permanence.db.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := loadOrEmbedded(*config)
		if err != nil {
			return err
		}
		log := e.log()
		log.Info("starting", "version", version(), "config", configName(l))
		app, err := OpenApp(cmd.Context(), l, log)
		if err != nil {
			return err
		}
		err = app.Run(cmd.Context())
		log.Info("stopped")
		return err
	}
	return cmd
}
