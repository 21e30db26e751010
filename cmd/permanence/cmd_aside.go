package main

import (
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func (e *environment) asideCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "aside",
		Short: "List what arrived and could not be processed",
		Long: `Events that cannot be processed are set aside with the reason, and the next ones
go on. This lists them; "aside retry ID" processes one again, after an upgrade
for example.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var items []asideItem
		if err := e.ask(cmd, *config, http.MethodGet, "/aside", nil, &items); err != nil {
			return err
		}
		if len(items) == 0 {
			_, err := fmt.Fprintln(e.stdout, sayIn(e.lang, "Rien n’est mis de côté.", "Nothing is set aside."))
			return err
		}
		w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, sayIn(e.lang, "NUMÉRO\tREÇU\tLIEU\tSORTE\tRAISON", "ID\tRECEIVED\tPLACE\tKIND\tREASON"))
		for _, i := range items {
			fmt.Fprintf(w, "%d\t%s\t%s:%s\t%s\t%s\n", i.ID, stamp(i.Received), i.Adapter, i.Room, i.Kind, i.Reason)
		}
		return w.Flush()
	}
	retry := &cobra.Command{
		Use:   "retry ID",
		Short: "Process an event again that was set aside",
		Args:  cobra.ExactArgs(1),
	}
	retryConfig := configFlag(retry)
	retry.RunE = func(cmd *cobra.Command, args []string) error {
		if err := e.ask(cmd, *retryConfig, http.MethodPost, "/aside/"+args[0], nil, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintln(e.stdout, sayIn(e.lang, "L’événement attend de nouveau son tour.", "The event waits for its turn again."))
		return err
	}
	cmd.AddCommand(retry)
	return cmd
}

// stamp writes a time in milliseconds as administrators read it in logs.
func stamp(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return time.UnixMilli(ms).Format("2006-01-02 15:04:05")
}
