// Permanence is a chat-ops bot for support desks: it turns mails to role
// addresses and messages in public channels into tickets with a thread for the
// team, relays the team's answers, and tells of incidents. This package joins
// the others together; it decides nothing by itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program but for the process around it; it gives the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks to end in order; the second one ends at once.
	context.AfterFunc(ctx, stop)

	env := &environment{stdin: stdin, stdout: stdout, stderr: stderr, lang: personLang(os.Getenv)}
	root := env.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var quiet *exitError
	if err != nil && !(errors.As(err, &quiet) && quiet.err == nil) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(stderr, "permanence: "+line)
		}
	}
	if err != nil && !env.started && codeOf(err) == exitFailure {
		// cobra found the command line wrong before any command ran.
		fmt.Fprintln(stderr, "permanence: `permanence --help` lists the commands.")
		return exitUsage
	}
	return codeOf(err)
}

// environment is what every subcommand is given.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lang           string // of the person at the terminal

	logFormat string
	verbose   bool
	started   bool // a command's own code has begun
}

func (e *environment) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "permanence",
		Short: "A support desk in your chat: tickets from mails and channels, answers, incidents",
		Long: `Permanence turns mails to role addresses and messages in public channels into
tickets with a thread for the team, relays the team's answers back to where
people asked, and tells of incidents on status channels and a public page.

Start with "permanence demo": it needs no configuration and no account.

Exit codes: 0 done, 1 failure, 2 wrong command line or configuration, 3 another
permanence is running on the same data, 4 the database cannot be used, 5 check
found problems.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if e.logFormat != "text" && e.logFormat != "json" {
				return exitWith(exitUsage, fmt.Errorf("--log-format %q: expected text or json", e.logFormat))
			}
			e.started = true
			return nil
		},
	}
	root.PersistentFlags().StringVar(&e.logFormat, "log-format", "text", "format of the log on standard error: text or json")
	root.PersistentFlags().BoolVarP(&e.verbose, "verbose", "v", false, "log more")
	_ = root.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(e.demoCommand(), e.serveCommand(), e.initCommand(), e.checkCommand(), e.incidentCommand(), e.maintenanceCommand(), e.statusCommand(), e.asideCommand(),
		e.deliveriesCommand(), e.mailInCommand(), e.mattermostCommand(), e.matrixCommand(), e.backupCommand(), e.restoredCommand(), e.versionCommand())
	return root
}

// log makes the program's log. Nothing that is logged holds a secret: adapters
// log hosts and names, never what they log in with.
func (e *environment) log() *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if e.verbose {
		opts.Level = slog.LevelDebug
	}
	if e.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(e.stderr, opts))
	}
	return slog.New(slog.NewTextHandler(e.stderr, opts))
}

// configFlag adds --config to a command.
func configFlag(cmd *cobra.Command) *string {
	file := cmd.Flags().StringP("config", "c", "", "configuration file (default: ./permanence.yaml where it is, else the embedded defaults)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return file
}

// defaultConfig is looked for where no --config is given.
const defaultConfig = "permanence.yaml"

// loadOrEmbedded reads the named file, or ./permanence.yaml, or gives the
// embedded defaults.
func loadOrEmbedded(file string) (*Loaded, error) {
	if file == "" {
		if _, err := os.Stat(defaultConfig); err != nil {
			return embeddedConfig(embeddedDefaults())
		}
		file = defaultConfig
	}
	l, err := LoadConfig(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, exitWith(exitUsage, fmt.Errorf("there is no %s: `permanence init` makes one", file))
	}
	return l, exitWith(exitUsage, err)
}
