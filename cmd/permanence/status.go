package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"permanence/bot/chat"
	"permanence/internal/i18n"
	"permanence/internal/sqlstore"
	statusweb "permanence/statuspage/web"
)

// statusPath is where the status page stands: the top, but beside a
// playground, which has the top.
func (l *Loaded) statusPath() string {
	for _, a := range l.Adapters {
		if a.Network.kind == "playground" {
			return "/status"
		}
	}
	return ""
}

// statusSite is the public page, for a public address.
func statusSite(l *Loaded, store *sqlstore.Store, catalog *i18n.Catalog, log *slog.Logger, url string) (*statusweb.Site, error) {
	return statusweb.New(statusweb.Options{
		Name: l.Name, Lang: l.plan.status.Language, Languages: l.plan.languages, Location: l.plan.location,
		URL: url, Source: store.Public(), Components: l.plan.status.Components,
		Catalog: catalog, Log: log.With("part", "status"),
	})
}

// exportSite is the public page as it is exported: its address may be another
// machine's.
func exportSite(l *Loaded, store *sqlstore.Store, catalog *i18n.Catalog, log *slog.Logger) (*statusweb.Site, error) {
	url := l.Status.Export.URL
	if url == "" {
		url = l.plan.url + l.statusPath()
	}
	if l.plan.url == "" && l.Status.Export.URL == "" {
		return nil, exitWith(exitUsage, fmt.Errorf("%s: status.export.url is missing: without a web server, expected the address at which people read the files, such as https://etat.example.org", configName(l)))
	}
	return statusSite(l, store, catalog, log, url)
}

// pageChanged is called after each commit that changes what the page shows.
func (a *App) pageChanged() {
	if a.site != nil { // there is none where a subcommand works alone
		a.site.Changed()
	}
	if a.mirror != nil {
		a.mirror.changed()
	}
}

// openMirror makes what keeps a copy of the page, where the configuration
// wants one.
func (a *App) openMirror(catalog *i18n.Catalog) error {
	if a.cfg.Status.Export.Folder == "" {
		return nil
	}
	site, err := exportSite(a.cfg, a.store, catalog, a.log)
	if err != nil {
		return err
	}
	a.mirror = mirrorOf(a.cfg, site, a.log.With("part", "export"))
	a.mirror.tell = func(ctx context.Context, text chat.Text) error { return a.bot.Machine().TellTeam(ctx, text) }
	return nil
}

// mirrorOf is the copy that the configuration wants; tell is missing.
func mirrorOf(l *Loaded, site *statusweb.Site, log *slog.Logger) *mirror {
	c := l.Status.Export
	m := newMirror(log)
	m.location = l.plan.location
	m.export = func(ctx context.Context) (statusweb.Exported, error) { return site.Export(ctx, c.Folder) }
	if len(c.Push) > 0 {
		m.push = pusher(c.Push, c.Folder, time.Duration(c.Timeout))
	}
	return m
}
