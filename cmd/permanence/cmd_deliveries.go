package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// ask performs one operation at the running program, or alone.
func (e *environment) ask(cmd *cobra.Command, config, method, path string, query url.Values, out any) error {
	return e.tell(cmd, config, method, path, query, "", out)
}

// tell is ask with a body.
func (e *environment) tell(cmd *cobra.Command, config, method, path string, query url.Values, body string, out any) error {
	l, err := loadOrEmbedded(config)
	if err != nil {
		return err
	}
	return e.tellLoaded(cmd, l, method, path, query, body, out)
}

// tellLoaded is tell where the configuration is read already.
func (e *environment) tellLoaded(cmd *cobra.Command, l *Loaded, method, path string, query url.Values, body string, out any) (err error) {
	if file, ok := strings.CutPrefix(l.Database, "sqlite:"); ok {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return exitWith(exitDatabase, fmt.Errorf("there is no %s yet: `permanence serve` makes it", file))
		}
	}
	c, err := connect(cmd.Context(), l, e.log())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	return c.send(cmd.Context(), method, path, query, body, out)
}

func (e *environment) deliveriesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "List what has still to be sent, or could not be",
		Args:  cobra.NoArgs,
	}
	config := configFlag(cmd)
	failed := cmd.Flags().Bool("failed", false, "list what was given up instead")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		if *failed {
			query.Set("state", "failed")
		}
		var items []deliveryItem
		if err := e.ask(cmd, *config, http.MethodGet, "/deliveries", query, &items); err != nil {
			return err
		}
		if len(items) == 0 {
			_, err := fmt.Fprintln(e.stdout, sayIn(e.lang, "Aucun envoi.", "No deliveries."))
			return err
		}
		w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, sayIn(e.lang, "NUMÉRO\tÉTAT\tGESTE\tLIEU\tSUJET\tESSAIS\tPROCHAIN\tRAISON", "ID\tSTATE\tWHAT\tPLACE\tABOUT\tATTEMPTS\tNEXT\tREASON"))
		for _, i := range items {
			about := "-"
			switch {
			case i.Ticket != 0:
				about = fmt.Sprintf("#%d", i.Ticket)
			case i.Incident != 0:
				about = fmt.Sprintf("incident %d", i.Incident)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", i.ID, i.State, i.Op, i.Place, about, i.Attempts, stamp(i.Next), i.Reason.In(e.lang))
		}
		return w.Flush()
	}
	return cmd
}

func (e *environment) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the SQLite database, also while the bot runs",
		Args:  cobra.ExactArgs(1),
	}
	config := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		to, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		if err := e.ask(cmd, *config, http.MethodPost, "/backup", url.Values{"to": {to}}, nil); err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.stdout, to)
		return err
	}
	return cmd
}
