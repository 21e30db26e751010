package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"permanence/bot/chat"
)

// checkExport looks at the copy of the status page; state is that of the
// running program, nil where none runs or none is kept.
func checkExport(l *Loaded, state *mirrorState) []chat.Finding {
	c := l.Status.Export
	if c.Folder == "" {
		return nil
	}
	var found []chat.Finding
	if len(c.Push) > 0 {
		if _, err := exec.LookPath(c.Push[0]); err != nil {
			found = append(found, finding(chat.Problem, "export-command-missing",
				"La commande "+c.Push[0]+" de status.export.push est introuvable ou n’est pas exécutable.",
				"The command "+c.Push[0]+" of status.export.push is not found or cannot be run.",
				"Installez-la, ou écrivez son chemin entier.", "Install it, or write its whole path."))
		}
	}
	switch {
	case state != nil && state.Failing != 0:
		since := time.UnixMilli(state.Failing).In(l.plan.location).Format("2006-01-02 15:04")
		found = append(found, finding(chat.Problem, "export-failing",
			"La copie de la page d’état n’est plus à jour depuis le "+since+" : "+state.Reason.FR,
			"The copy of the status page is not up to date since "+since+": "+state.Reason.EN,
			"Corrigez ce que la raison nomme ; `permanence status export` réessaie aussitôt.",
			"Correct what the reason names; `permanence status export` tries again at once."))
	case state != nil && state.Done != 0:
		done := time.UnixMilli(state.Done).In(l.plan.location).Format("2006-01-02 15:04")
		found = append(found, finding(chat.OK, "export-ok", "La copie de la page d’état est à jour ("+done+").",
			"The copy of the status page is up to date ("+done+").", "", ""))
	default:
		if err := writable(c.Folder); err != nil {
			found = append(found, finding(chat.Problem, "export-folder",
				"On ne peut pas écrire dans "+c.Folder+" : "+err.Error()+".", "Nothing can be written in "+c.Folder+": "+err.Error()+".",
				"Créez ce dossier et donnez-le à l’utilisateur qui lance permanence.", "Make that folder and give it to the user that runs permanence."))
		}
	}
	return found
}

// writable tries to write in a folder; where it is missing, in the nearest
// above it, in which it would be made.
func writable(dir string) error {
	for {
		_, err := os.Stat(dir)
		if err == nil || !errors.Is(err, os.ErrNotExist) || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	probe, err := os.CreateTemp(dir, ".permanence-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
