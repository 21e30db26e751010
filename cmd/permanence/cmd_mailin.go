package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/emersion/go-smtp"
	"github.com/spf13/cobra"
)

// maxPiped bounds the memory that a mail on standard input may take, in bytes.
const maxPiped = 100 << 20

func (e *environment) mailInCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mail-in",
		Short: "Take a mail from standard input, for mail servers that pipe",
		Long: `Read one mail from standard input and hand it to the running bot; when the bot
does not run, keep it beside the database until it does. For a mail server that
pipes mails into a command, such as a .forward file:

    "|/usr/local/bin/permanence mail-in --config /etc/permanence/permanence.yaml"

Exit codes are those that mail servers know: 0 taken, 67 no such address,
75 try again later.`,
		Args: cobra.NoArgs,
	}
	config := configFlag(cmd)
	to := cmd.Flags().String("to", "", "the address it was sent to (default: $RECIPIENT, $ORIGINAL_RECIPIENT)")
	from := cmd.Flags().String("from", "", "the envelope's sender (default: $SENDER); empty for a bounce")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		env := envelope{
			From: cmp.Or(*from, os.Getenv("SENDER")),
			To:   cmp.Or(*to, os.Getenv("RECIPIENT"), os.Getenv("ORIGINAL_RECIPIENT")),
		}
		if env.From == "MAILER-DAEMON" { // how Postfix writes the empty sender
			env.From = ""
		}
		if env.To == "" {
			return exitWith(exitUsage, errors.New("--to is missing: the address the mail was sent to"))
		}
		l, err := loadOrEmbedded(*config)
		if err != nil {
			// A mail must not bounce because of a typing error in a file.
			return exitWith(exitTempFail, err)
		}
		var ok bool
		if env.Adapter, ok = mailAdapterFor(l, env.To); !ok {
			return exitWith(exitNoUser, fmt.Errorf("no desk has an intake for %s", env.To))
		}
		mail, err := io.ReadAll(io.LimitReader(e.stdin, maxPiped+1))
		switch {
		case err != nil:
			return exitWith(exitTempFail, fmt.Errorf("read the mail: %w", err))
		case len(mail) == 0:
			return exitWith(exitUsage, errors.New("no mail came on standard input"))
		case len(mail) > maxPiped:
			return exitWith(exitUsage, fmt.Errorf("the mail is larger than %d MiB", maxPiped>>20))
		}
		p := pathsOf(l)
		err = deliver(cmd.Context(), p.door(env.Adapter), env, bytes.NewReader(mail))
		var refusal *smtp.SMTPError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refusal) && refusal.Code/100 == 5:
			return exitWith(exitNoUser, fmt.Errorf("refused: %s", refusal.Message))
		case errors.As(err, &refusal):
			return exitWith(exitTempFail, fmt.Errorf("not now: %s", refusal.Message))
		}
		if err := spool(p.spool(), env, bytes.NewReader(mail)); err != nil {
			return exitWith(exitTempFail, fmt.Errorf("the bot does not run, and the mail cannot be kept: %w", err))
		}
		e.log().Info("the bot does not run; the mail is kept until it does", "folder", p.spool())
		return nil
	}
	return cmd
}
