package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"permanence/bot"
	"permanence/bot/command"
	"permanence/bot/statuscmd"
)

func (e *environment) incidentCommand() *cobra.Command {
	return e.verbsCommand("incident", "Tell of an incident, from this machine",
		`Tell of an incident, as agents do in chat: with the same words, in the status
rooms, on the page and to whoever follows them. The bot that runs does it. Where
none runs, it is stored, the copy of the page that the configuration keeps is
brought up to date, and the rooms are told when the bot returns.

The text is what follows, or standard input where that is "-":

  permanence incident start mail delayed since 14:10
  permanence incident update 12 a disk has failed
  echo "All is well again." | permanence incident end -

Whoever may open the bot's socket, or the database, may do this. A text that
names something internal is refused, unless --yes says that it may be public.`)
}

func (e *environment) maintenanceCommand() *cobra.Command {
	return e.verbsCommand("maintenance", "Tell of planned work, from this machine",
		`Tell of planned work, as agents do in chat, with the same words:

  permanence maintenance plan tomorrow 10pm for 2h mail: new disks
  permanence maintenance move 13 thursday 10pm
  permanence maintenance end 13

See "permanence incident --help" for where the text comes from and who may.`)
}

// verbsCommand makes subcommands of the verbs of a group in the chat's own
// table, so that both always have the same.
func (e *environment) verbsCommand(group, short, long string) *cobra.Command {
	cmd := &cobra.Command{Use: group, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	for _, spec := range statuscmd.Specs() {
		if spec.ID != group {
			continue
		}
		for _, name := range append(spec.Names.FR, spec.Names.EN...) {
			if name != group {
				cmd.Aliases = append(cmd.Aliases, name)
			}
		}
		for _, verb := range spec.Sub {
			// What is published from here is not shown before.
			if !verb.Hidden && !strings.HasSuffix(verb.ID, ".publish") {
				cmd.AddCommand(e.verbCommand(group, verb))
			}
		}
	}
	return cmd
}

func (e *environment) verbCommand(group string, verb command.Spec[*bot.Call]) *cobra.Command {
	word := verb.Names.EN[0]
	cmd := &cobra.Command{
		Use:   strings.TrimSpace(word + " " + verb.Usage.EN),
		Short: strings.ToUpper(verb.Summary.EN[:1]) + verb.Summary.EN[1:],
	}
	for _, name := range append(verb.Names.EN[1:], verb.Names.FR...) {
		cmd.Aliases = append(cmd.Aliases, name)
		if plain := withoutAccents(name); plain != name {
			cmd.Aliases = append(cmd.Aliases, plain)
		}
	}
	config, lang := configFlag(cmd), langFlag(cmd)
	sure := cmd.Flags().Bool("yes", false, "publish even what names something internal")
	table := new(string)
	if verb.ID == "incident.report" {
		cmd.Flags().StringVar(table, "csv", "", "the year as CSV (commas, UTF-8): one line for each incident, or with --csv=services for each service")
		cmd.Flags().Lookup("csv").NoOptDefVal = csvIncidents
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l, err := e.loadFor(*config, lang)
		if err != nil {
			return err
		}
		if *table != "" {
			return e.reportCSV(cmd, l, args, *table, *lang)
		}
		if n := len(args); n > 0 && args[n-1] == "-" {
			text, err := io.ReadAll(io.LimitReader(e.stdin, maxText+1))
			if err != nil {
				return err
			}
			if len(text) > maxText {
				return exitWith(exitUsage, errors.New(sayIn(*lang, "le texte est trop long : 64 Kio au plus", "the text is too long: 64 KiB at most")))
			}
			args[n-1] = strings.TrimSpace(string(text))
		}
		ask, err := json.Marshal(incidentAsk{Line: group + " " + word + " " + strings.Join(args, " "), Lang: *lang, Sure: *sure})
		if err != nil {
			return err
		}
		var got incidentItem
		if err := e.tellLoaded(cmd, l, http.MethodPost, "/incident", nil, string(ask), &got); err != nil {
			return err
		}
		return e.printIncident(got, *lang)
	}
	return cmd
}

// maxText bounds what is read of standard input, in bytes; the rules of the
// page bound what is published.
const maxText = 64 << 10

func (e *environment) printIncident(got incidentItem, lang string) error {
	if !got.Done {
		text := printable(got.Text)
		if got.Asked {
			text += "\n" + sayIn(lang, "Avec --yes, c’est publié tel quel.", "With --yes it is published as it is.")
		}
		return errors.New(text)
	}
	var b strings.Builder
	fmt.Fprintln(&b, printable(got.Text))
	if got.URL != "" && !strings.Contains(got.Text, got.URL) {
		fmt.Fprintln(&b, got.URL)
	}
	for _, r := range got.Rooms {
		state := map[string]string{
			roomTold: sayIn(lang, "dit", "told"), roomWaiting: sayIn(lang, "en attente", "waiting"), roomFailed: sayIn(lang, "ÉCHEC", "FAILED"),
		}[r.State]
		if r.Reason != "" {
			state += " (" + r.Reason + ")"
		}
		fmt.Fprintf(&b, "%s: %s\n", r.Place, printable(state))
	}
	switch got.Copy {
	case "":
	case "ok":
		fmt.Fprintln(&b, sayIn(lang, "La copie de la page est à jour.", "The copy of the page is up to date."))
	default:
		fmt.Fprintln(&b, sayIn(lang, "La copie de la page n’est pas à jour : ", "The copy of the page is not up to date: ")+printable(got.Copy))
	}
	if got.Alone && len(got.Rooms) > 0 {
		fmt.Fprintln(&b, sayIn(lang, "Permanence ne tourne pas : les salons l’apprendront à son retour.", "Permanence is not running: the rooms are told when it returns."))
	}
	_, err := io.WriteString(e.stdout, b.String())
	return err
}

// printable takes out what terminals would obey, and what chat alone needs.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return -1
		}
		return r
	}, text)
}

// reportCSV prints a year as a table.
func (e *environment) reportCSV(cmd *cobra.Command, l *Loaded, args []string, table, lang string) error {
	year := time.Now().In(l.plan.location).Year()
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		if err != nil || len(args) > 1 || n < 2000 || n > 2199 {
			return exitWith(exitUsage, fmt.Errorf(sayIn(lang, "%q : une année est attendue, comme 2026", "%q: expected a year, such as 2026"), strings.Join(args, " ")))
		}
		year = n
	}
	if table != csvIncidents && table != csvServices {
		return exitWith(exitUsage, errors.New("--csv "+unknown("table", table, []string{csvIncidents, csvServices})))
	}
	var text string
	query := url.Values{"year": {strconv.Itoa(year)}, "table": {table}}
	if err := e.tellLoaded(cmd, l, http.MethodGet, "/incident/report", query, "", &text); err != nil {
		return err
	}
	_, err := io.WriteString(e.stdout, text)
	return err
}

// langFlag adds --lang to a command; loadFor fills it in.
func langFlag(cmd *cobra.Command) *string {
	lang := cmd.Flags().String("lang", "", "language of what is printed: fr or en (default: the configuration's)")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"fr", "en"}, cobra.ShellCompDirectiveNoFileComp))
	return lang
}

// loadFor reads the configuration, whose language is the one to print in where
// none was chosen.
func (e *environment) loadFor(config string, lang *string) (*Loaded, error) {
	if *lang != "" && *lang != "fr" && *lang != "en" {
		return nil, exitWith(exitUsage, fmt.Errorf("--lang %q: expected fr or en", *lang))
	}
	l, err := loadOrEmbedded(config)
	if err == nil && *lang == "" {
		*lang = l.Language
	}
	return l, err
}

func withoutAccents(s string) string {
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), s)
	if err != nil {
		return s
	}
	return plain
}
