package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"permanence/internal/i18n"
	statusweb "permanence/statuspage/web"
)

func (e *environment) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "The public status page",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.statusExportCommand())
	return cmd
}

func (e *environment) statusExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [FOLDER]",
		Short: "Write the status page as files for any web server",
		Long: `Write the whole status page as files into a folder, for any web server: pages,
feeds, calendar, JSON, in French and in English. What no export wrote in that
folder stays; when an export fails, the one before stays whole.

Without FOLDER it does what the bot does after each change: it writes
status.export.folder of the configuration, and runs status.export.push.

While the bot runs, the bot writes the files, with its rights.`,
		Args: cobra.MaximumNArgs(1),
	}
	config := configFlag(cmd)
	lang := langFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l, err := e.loadFor(*config, lang)
		if err != nil {
			return err
		}
		to := ""
		if len(args) == 1 {
			if to, err = filepath.Abs(args[0]); err != nil {
				return err
			}
		} else if l.Status.Export.Folder == "" {
			return exitWith(exitUsage, errors.New(sayIn(*lang, "où ? Indiquez un dossier, ou écrivez status.export.folder dans la configuration",
				"where to? Name a folder, or write status.export.folder into the configuration")))
		}
		var done exportItem
		if err := e.tellLoaded(cmd, l, http.MethodPost, "/status/export", url.Values{"to": {to}, "lang": {*lang}}, "", &done); err != nil {
			return err
		}
		if to == "" {
			_, err = fmt.Fprintln(e.stdout, sayIn(*lang, "La page est écrite dans ", "The page is written to ")+l.Status.Export.Folder+
				map[bool]string{true: sayIn(*lang, " et poussée.", " and pushed."), false: "."}[len(l.Status.Export.Push) > 0])
			return err
		}
		_, err = fmt.Fprintf(e.stdout, sayIn(*lang, "%s : %d fichiers, dont %d changés ; %d retirés.\n", "%s: %d files, %d of them changed; %d removed.\n"),
			to, done.Files, done.Changed, done.Removed)
		return err
	}
	return cmd
}

// exportItem says what an export did.
type exportItem struct {
	Files   int `json:"files"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
}

// statusExport writes the page as files: into ?to=FOLDER, or as the
// configuration says.
func (o operations) statusExport(ctx context.Context, r *http.Request) (any, error) {
	to, lang := r.URL.Query().Get("to"), i18n.Lang(r.URL.Query().Get("lang"))
	inWords := func(err error) error {
		if err == nil {
			return nil
		}
		return errors.New(textOf(err).In(lang))
	}
	if to == "" {
		return exportItem{}, inWords(o.copyNow(ctx))
	}
	site, err := o.exportSite()
	if err != nil {
		return nil, err
	}
	done, err := site.Export(ctx, to)
	return exportItem{done.Files, done.Changed, done.Removed}, inWords(err)
}

func (o operations) exportSite() (*statusweb.Site, error) {
	catalog, err := i18n.New()
	if err != nil {
		return nil, err
	}
	return exportSite(o.cfg, o.store, catalog, o.log)
}

// copyNow makes the copy of the page that the configuration wants.
func (o operations) copyNow(ctx context.Context) error {
	if o.mirror != nil {
		return o.mirror.now(ctx)
	}
	site, err := o.exportSite()
	if err != nil {
		return err
	}
	return mirrorOf(o.cfg, site, o.log).once(ctx)
}

// mirrorState tells how the copy of the page stands; null where none is kept.
func (o operations) mirrorState(context.Context, *http.Request) (any, error) {
	if o.mirror == nil {
		return nil, nil
	}
	return o.mirror.stands(), nil
}
