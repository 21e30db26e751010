package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"permanence/bot/chat"
	"permanence/internal/sqlstore"
)

func (e *environment) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Try what the configuration promises, and say what to do",
		Long: `Try what the configuration promises (servers, logins, rooms, rights) without
saying anything in a room or sending a mail. Exit code 5 when a problem is
found; warnings alone are no problem. docs/operator.md explains each finding.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := loadOrEmbedded(*config)
		if err != nil {
			return err
		}
		report, err := e.inspect(cmd.Context(), l)
		if err != nil {
			return err
		}
		if printFindings(e.stdout, e.lang, report) {
			return &exitError{code: exitFound}
		}
		return nil
	}
	return cmd
}

// inspect gathers all findings: our own, then each adapter's.
func (e *environment) inspect(ctx context.Context, l *Loaded) ([]adapterFindings, error) {
	own := adapterFindings{Adapter: "permanence"}
	own.Findings = append(own.Findings, checkSecrets(l)...)
	own.Findings = append(own.Findings, checkDesks(l)...)

	if c, err := dialControl(ctx, pathsOf(l)); err == nil {
		// The running program knows best: it holds the listeners.
		defer c.close()
		var found []adapterFindings
		if err := c.call(ctx, http.MethodGet, "/check", nil, &found); err != nil {
			return nil, err
		}
		own.Findings = append(own.Findings, finding(chat.OK, "running",
			"Permanence tourne sur ces données.", "Permanence is running on this data.", "", ""))
		own.Findings = append(own.Findings, checkWeb(ctx, l)...)
		var state *mirrorState
		if err := c.call(ctx, http.MethodGet, "/status/export", nil, &state); err != nil {
			return nil, err
		}
		own.Findings = append(own.Findings, checkExport(l, state)...)
		return append([]adapterFindings{own}, found...), nil
	}
	own.Findings = append(own.Findings, checkExport(l, nil)...)
	db, store, err := checkDatabase(ctx, l)
	own.Findings = append(own.Findings, db)
	if err != nil {
		return []adapterFindings{own}, nil
	}
	defer store.close()
	found, err := e.askAlone(ctx, l, store.Store)
	if err != nil {
		return nil, err
	}
	return append([]adapterFindings{own}, found...), nil
}

// askAlone builds the adapters and lets them look, without running them.
func (e *environment) askAlone(ctx context.Context, l *Loaded, store *sqlstore.Store) ([]adapterFindings, error) {
	log := slog.New(slog.DiscardHandler)
	a := &App{cfg: l, log: log, store: store, world: &world{cfg: l, log: log}}
	if err := a.world.prepare(); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	defer a.world.close()
	serving, stop := context.WithCancel(ctx)
	sink := make(chan error, 1)
	go func() { sink <- a.world.serveSink(serving) }()
	defer func() { stop(); <-sink }() // how it ended no longer matters
	if err := a.openAdapters(http.NewServeMux()); err != nil {
		return nil, err
	}
	return askAdapters(ctx, a.adapters, l.Adapters.names()), nil
}

func finding(level chat.FindingLevel, name, fr, en, doFR, doEN string) chat.Finding {
	return chat.Finding{Name: name, Level: level, What: say(fr, en), Do: say(doFR, doEN)}
}

// tempStore is a store with a folder to be removed after it.
type tempStore struct {
	*sqlstore.Store
	dir string
}

func (s tempStore) close() {
	s.Close()
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// checkDatabase opens the database; one that is not there yet is not made.
func checkDatabase(ctx context.Context, l *Loaded) (chat.Finding, tempStore, error) {
	address, dir := l.Database, ""
	path, isFile := strings.CutPrefix(address, "sqlite:")
	if isFile {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if dir, err = os.MkdirTemp("", "permanence-check-"); err != nil {
				return databaseProblem(err), tempStore{}, err
			}
			address = "sqlite:" + filepath.Join(dir, "empty.db")
		}
	}
	store, err := sqlstore.Open(ctx, address, sqlstore.Options{})
	if err != nil {
		os.RemoveAll(dir)
		return databaseProblem(err), tempStore{}, err
	}
	f := finding(chat.OK, "database-ok", "La base de données répond.", "The database answers.", "", "")
	if dir != "" {
		f = finding(chat.OK, "database-new", "La base "+path+" sera créée au premier lancement.", "The database "+path+" will be made at the first start.", "", "")
		if probe, err := os.CreateTemp(filepath.Dir(path), ".permanence-*"); err != nil {
			f = finding(chat.Problem, "database-folder", "On ne peut pas écrire dans "+filepath.Dir(path)+".", "Nothing can be written in "+filepath.Dir(path)+".",
				"Créez ce dossier et donnez-le à l’utilisateur qui lance permanence.", "Make that folder and give it to the user that runs permanence.")
		} else {
			probe.Close()
			os.Remove(probe.Name())
		}
	}
	return f, tempStore{store, dir}, nil
}

func databaseProblem(err error) chat.Finding {
	return finding(chat.Problem, "database-unusable", "La base de données ne peut pas servir : "+err.Error(), "The database cannot be used: "+err.Error(),
		"Corrigez « database », ou réparez ce que le message nomme.", "Correct \"database\", or repair what the message names.")
}

// checkSecrets looks at who may read the files that hold secrets.
func checkSecrets(l *Loaded) []chat.Finding {
	var files []string
	for _, a := range l.Adapters {
		for i, f := range a.Config.files() {
			if *f != "" && strings.HasSuffix(fileKey(a.Config, i), "password_file") {
				files = append(files, *f)
			}
		}
	}
	if u, err := url.Parse(l.Database); err == nil && u.User != nil {
		if _, ok := u.User.Password(); ok && l.File != "" {
			files = append(files, l.File)
		}
	}
	var found []chat.Finding
	for _, f := range files {
		info, err := os.Stat(f)
		switch {
		case err != nil:
			found = append(found, finding(chat.Problem, "secret-missing", "Le fichier "+f+" ne peut pas être lu.", "The file "+f+" cannot be read.",
				"Écrivez-y le secret, lisible par permanence seule (chmod 600).", "Write the secret into it, readable by permanence alone (chmod 600)."))
		case info.Mode().Perm()&0o077 != 0:
			found = append(found, finding(chat.Warning, "secret-open", "D’autres utilisateurs de cette machine peuvent lire "+f+".", "Other users of this machine can read "+f+".",
				"chmod 600 "+f, "chmod 600 "+f))
		case info.Size() == 0:
			found = append(found, finding(chat.Problem, "secret-empty", "Le fichier "+f+" est vide.", "The file "+f+" is empty.",
				"Écrivez-y le mot de passe.", "Write the password into it."))
		}
	}
	return found
}

// fileKey tells which key of a configuration holds its i-th file.
func fileKey(cfg adapterConfig, i int) string {
	want := reflect.ValueOf(cfg.files()[i]).Pointer()
	return keyOfPointer(reflect.ValueOf(cfg).Elem(), want)
}

func keyOfPointer(v reflect.Value, want uintptr) string {
	for i := range v.NumField() {
		f := v.Field(i)
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch f.Kind() {
		case reflect.Struct:
			if found := keyOfPointer(f, want); found != "" {
				return found
			}
		case reflect.String:
			if f.Addr().Pointer() == want {
				return key
			}
		}
	}
	return ""
}

// checkDesks tells what the configuration leaves open.
func checkDesks(l *Loaded) []chat.Finding {
	var found []chat.Finding
	for _, d := range l.plan.desks {
		if len(d.Agents)+len(d.Coordinators) == 0 {
			found = append(found, finding(chat.Warning, "agents-open",
				"Guichet « "+d.Name+" » : personne n’est nommé, donc toute personne du salon de l’équipe peut envoyer des réponses.",
				"Desk "+d.Name+": nobody is named, so everybody in the team room may send answers.",
				"Nommez au moins une personne dans desks."+d.Name+".agents ; les autres auront alors des brouillons à faire relire.",
				"Name at least one person in desks."+d.Name+".agents; the others will then have drafts to be read over."))
		}
		if d.Observe {
			found = append(found, finding(chat.Warning, "observe-on",
				"Guichet « "+d.Name+" » : observe est à true, rien n’est dit au-dehors.",
				"Desk "+d.Name+": observe is true, nothing is said outside.",
				"Mettez observe: false quand l’équipe est prête.", "Set observe: false when the team is ready."))
		}
	}
	if len(l.plan.status.Rooms) == 0 {
		found = append(found, finding(chat.Warning, "status-rooms-missing",
			"Aucun salon n’entendra parler des incidents.", "No room will hear of incidents.",
			"Nommez-en un dans status.rooms.", "Name one in status.rooms."))
	}
	if u, err := url.Parse(l.plan.url); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		found = append(found, finding(chat.Warning, "web-clear",
			"Les pages passent en clair : "+l.plan.url, "The pages travel in the clear: "+l.plan.url,
			"Mettez un serveur web avec un certificat devant, et https:// dans web.url.", "Put a web server with a certificate before it, and https:// into web.url."))
	}
	return found
}

// checkWeb asks our own pages for themselves, by the address that people use.
func checkWeb(ctx context.Context, l *Loaded) []chat.Finding {
	if l.plan.url == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.plan.url+"/healthz", nil)
	if err != nil {
		return nil // web.url was checked when it was read
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 16))
		if resp.StatusCode == http.StatusOK && strings.TrimSpace(string(body)) == "ok" {
			return []chat.Finding{finding(chat.OK, "web-ok", "Les pages répondent à "+l.plan.url, "The pages answer at "+l.plan.url, "", "")}
		}
		err = fmt.Errorf("the answer was %s", resp.Status)
	}
	return []chat.Finding{finding(chat.Problem, "web-unreachable",
		"Les pages ne répondent pas à "+l.plan.url+" : "+err.Error(), "The pages do not answer at "+l.plan.url+": "+err.Error(),
		"Dirigez cette adresse vers "+l.Web.Listen+", ou corrigez web.url.", "Let that address lead to "+l.Web.Listen+", or correct web.url.")}
}

// printFindings writes a report and tells whether it has a problem.
func printFindings(w io.Writer, lang string, report []adapterFindings) (problem bool) {
	words := map[chat.FindingLevel]string{
		chat.OK:      sayIn(lang, "bien", "good"),
		chat.Warning: sayIn(lang, "ATTENTION", "WARNING"),
		chat.Problem: sayIn(lang, "PROBLÈME", "PROBLEM"),
	}
	for _, a := range report {
		for _, f := range a.Findings {
			problem = problem || f.Level == chat.Problem
			fmt.Fprintf(w, "%s: %s: %s [%s]\n", a.Adapter, words[f.Level], f.What.In(lang), f.Name)
			if do := f.Do.In(lang); do != "" && f.Level != chat.OK {
				fmt.Fprintf(w, "    → %s\n", do)
			}
		}
	}
	return problem
}
