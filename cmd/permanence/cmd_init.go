package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (e *environment) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Ask six questions and write a working configuration",
		Long: `Ask six questions and write a working configuration (./permanence.yaml, or FILE).
Nothing that exists is overwritten. A password goes into a file of its own that
only you may read.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := defaultConfig
			if len(args) == 1 {
				file = args[0]
			}
			return e.initialise(file)
		},
	}
	return cmd
}

// answers are what init was told.
type answers struct {
	Name, Language, Network, Address string
	Chat                             string // the chat network's server, where it has one
	IMAP, SMTP, User, Password       string
	URL                              string
}

// questioner asks on a terminal, or reads what a script answers.
type questioner struct {
	in   *bufio.Reader
	out  io.Writer
	lang string
	n    int
}

func (e *environment) initialise(file string) error {
	if _, err := os.Lstat(file); err == nil {
		return exitWith(exitUsage, fmt.Errorf("%s is there already and is not overwritten: move it away, or name another file", file))
	}
	q := &questioner{in: bufio.NewReader(e.stdin), out: e.stdout, lang: e.lang}
	a, err := q.all()
	if err != nil {
		return err
	}
	secret := strings.TrimSuffix(file, filepath.Ext(file)) + ".mail-password"
	if a.IMAP != "" {
		if err := writeNew(secret, a.Password+"\n", 0o600); err != nil {
			return err
		}
	}
	if err := writeNew(file, a.file(filepath.Base(secret)), 0o644); err != nil {
		return err
	}
	if _, err := LoadConfig(file); err != nil {
		return fmt.Errorf("the file that was written is not right: %w", err)
	}
	fmt.Fprintf(e.stdout, sayIn(e.lang, `
%[1]s est écrit. La suite :
  permanence check --config %[1]s    essaie tout et dit quoi corriger
  permanence serve --config %[1]s    lance la permanence
config.example.yaml explique toutes les clés.
`, `
%[1]s is written. Next:
  permanence check --config %[1]s    tries everything and says what to correct
  permanence serve --config %[1]s    runs the desk
config.example.yaml explains every key.
`), file)
	return nil
}

// writeNew writes a file that must not exist.
func writeNew(name, text string, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (q *questioner) say(fr, en string) string { return sayIn(q.lang, fr, en) }

// ask puts a question until ok takes the answer; an empty one means the
// default.
func (q *questioner) ask(question, preset string, ok func(string) error) (string, error) {
	for {
		fmt.Fprint(q.out, question)
		if preset != "" {
			fmt.Fprintf(q.out, " [%s]", preset)
		}
		fmt.Fprint(q.out, q.say(" : ", ": "))
		line, err := q.in.ReadString('\n')
		if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
			fmt.Fprintln(q.out)
			return "", exitWith(exitUsage, errors.New(q.say("les réponses s’arrêtent ici, rien n’est écrit", "the answers end here, nothing is written")))
		}
		line = strings.TrimSpace(line)
		if line == "" {
			line = preset
		}
		if wrong := ok(line); wrong != nil {
			fmt.Fprintf(q.out, "  %v\n", wrong)
			continue
		}
		return line, nil
	}
}

// question numbers the six.
func (q *questioner) question(fr, en, preset string, ok func(string) error) (string, error) {
	q.n++
	return q.ask(fmt.Sprintf("%d/6 %s", q.n, q.say(fr, en)), preset, ok)
}

func (q *questioner) all() (a answers, err error) {
	if a.Name, err = q.question("Nom de l’association", "Name of the association", "", func(s string) error {
		if s == "" || strings.Contains(s, "${") {
			return errors.New(q.say("il faut un nom", "a name is needed"))
		}
		return nil
	}); err != nil {
		return a, err
	}
	if a.Language, err = q.question("Langue (fr ou en)", "Language (fr or en)", q.lang, func(s string) error {
		if s != "fr" && s != "en" {
			return errors.New(q.say("fr ou en", "fr or en"))
		}
		return nil
	}); err != nil {
		return a, err
	}
	chats := chatKinds()
	if a.Network, err = q.question("Tchat de l’équipe ("+strings.Join(chats, ", ")+")", "The team's chat ("+strings.Join(chats, ", ")+")", "playground", func(s string) error {
		for _, k := range chats {
			if s == k {
				return nil
			}
		}
		return errors.New(q.say("l’un de : ", "one of: ") + strings.Join(chats, ", "))
	}); err != nil {
		return a, err
	}
	if a.Network == "irc" {
		if a.Chat, err = q.ask(q.say("    Serveur IRC, par exemple irc.example.org:6697", "    IRC server, such as irc.example.org:6697"), "", func(s string) error {
			if s == "" || len(strings.Fields(s)) != 1 {
				return errors.New(q.say("le nom d’un serveur, avec :port si besoin", "the name of a server, with :port if needed"))
			}
			return nil
		}); err != nil {
			return a, err
		}
	}
	if a.Address, err = q.question("Adresse où les gens écrivent", "The address that people write to", "support@example.org", func(s string) error {
		if addr, err := mail.ParseAddress(s); err != nil || addr.Address != s {
			return errors.New(q.say("une adresse comme support@example.org", "an address such as support@example.org"))
		}
		return nil
	}); err != nil {
		return a, err
	}
	if err = q.servers(&a); err != nil {
		return a, err
	}
	a.URL, err = q.question("Adresse des pages web, vue du dehors", "Address of the web pages, as seen from outside", "http://127.0.0.1:8080", func(s string) error {
		if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New(q.say("une adresse comme https://aide.example.org", "an address such as https://aide.example.org"))
		}
		return nil
	})
	return a, err
}

// servers asks for the mailbox, in one question and what follows from it.
func (q *questioner) servers(a *answers) error {
	text, err := q.question("Serveurs IMAP et SMTP, par exemple « imap.example.org smtp.example.org » (vide : recevoir par SMTP sur 127.0.0.1:2525)",
		"IMAP and SMTP servers, such as \"imap.example.org smtp.example.org\" (empty: receive by SMTP on 127.0.0.1:2525)", "", func(s string) error {
			if n := len(strings.Fields(s)); n > 2 {
				return errors.New(q.say("deux serveurs au plus", "two servers at most"))
			}
			if strings.ContainsAny(s, "\"'{}[]#,") {
				return errors.New(q.say("des noms de serveurs, avec :port si besoin", "names of servers, with :port if needed"))
			}
			return nil
		})
	if err != nil || text == "" {
		return err
	}
	fields := strings.Fields(text)
	a.IMAP, a.SMTP = fields[0], fields[len(fields)-1]
	if a.User, err = q.ask(q.say("    Nom d’utilisateur", "    User name"), a.Address, func(string) error { return nil }); err != nil {
		return err
	}
	a.Password, err = q.ask(q.say("    Mot de passe (s’affiche ; vide : à écrire plus tard)", "    Password (is shown; empty: to be written later)"), "", func(string) error { return nil })
	return err
}

// chatKinds are the networks on which a team can talk.
func chatKinds() []string {
	var kinds []string
	for _, n := range networks() {
		if !n.mail {
			kinds = append(kinds, n.kind)
		}
	}
	return kinds
}

// file writes the configuration, of at most 25 lines.
func (a answers) file(secret string) string {
	var b strings.Builder
	sign := "" // before the name of a room
	if a.Network == "irc" {
		sign = "#"
	}
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# config.example.yaml explains these keys and all others.")
	line("name: %s", quoteYAML(a.Name))
	line("language: %s", a.Language)
	line("database: sqlite:permanence.db")
	line("web: {listen: 127.0.0.1:8080, url: %s}", quoteYAML(a.URL))
	line("adapters:")
	line("  tchat: {type: %s%s}", a.Network, a.networkKeys())
	line("  mail:")
	line("    type: email")
	if a.IMAP == "" {
		line("    listen: {smtp: 127.0.0.1:2525}")
	} else {
		for _, s := range []struct{ key, server string }{{"imap", a.IMAP}, {"smtp", a.SMTP}} {
			line("    %s: {server: %s, user: %s, password_file: %s}", s.key, quoteYAML(s.server), quoteYAML(a.User), quoteYAML(secret))
		}
	}
	line("desks:")
	line("  support:")
	line("    rooms: [\"tchat:%sequipe\"]", sign)
	line("    intakes: [%s, {from: \"tchat:%sentraide\", opens: mention}]", quoteYAML("mail:"+a.Address), sign)
	line("status:")
	line("  rooms: [\"tchat:%setat\"]", sign)
	if a.Language == "en" {
		line("  components: [{id: mail, name: Mail}, {id: web, name: Web sites}]")
	} else {
		line("  components: [{id: mail, name: Messagerie}, {id: web, name: Sites web}]")
	}
	return b.String()
}

// networkKeys are the keys that a network's line needs besides its type.
func (a answers) networkKeys() string {
	switch a.Network {
	case "playground":
		return ", journal: tchat.playground"
	case "irc":
		return ", server: " + quoteYAML(a.Chat) + ", nick: permanence"
	}
	return ""
}

// quoteYAML writes a text as YAML, whatever is in it.
func quoteYAML(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
