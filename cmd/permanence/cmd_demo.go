package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/chat"
)

func (e *environment) demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it: no configuration, no account",
		Long: `Run the real program with a chat network of its own: a page shows a customer's
mailbox, a public channel, the team's room and a status channel side by side.
Mail comes in and leaves by real SMTP, on this machine only.

It speaks the language of your locale: French, or with LC_ALL=en_GB.UTF-8 English.`,
		Args: cobra.NoArgs,
	}
	o := embeddedDefaults()
	o.Database, o.Hold, o.Others = "demo.db", "10s", "20s"
	cmd.Flags().StringVar(&o.Dir, "data", "", "folder of the data, kept for the next time (default: a new temporary folder)")
	cmd.Flags().StringVar(&o.Web, "web", o.Web, "address of the page")
	cmd.Flags().StringVar(&o.SMTP, "smtp", o.SMTP, "address where mail comes in")
	_ = cmd.MarkFlagDirname("data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Language = e.lang
		return e.demo(cmd.Context(), o)
	}
	return cmd
}

func (e *environment) demo(ctx context.Context, o embeddedOptions) error {
	var err error
	if o.Web, err = freeAddress("--web", o.Web); err != nil {
		return err
	}
	if o.SMTP, err = freeAddress("--smtp", o.SMTP); err != nil {
		return err
	}
	kept := o.Dir != ""
	if !kept {
		dir, err := os.MkdirTemp("", "permanence-demo-")
		if err != nil {
			return err
		}
		o.Dir = dir
	} else if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	l, err := embeddedConfig(o)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if e.verbose || e.logFormat == "json" {
		log = e.log()
	}
	app, err := OpenApp(ctx, l, log)
	if err != nil {
		return err
	}
	fresh, err := app.empty(ctx)
	if err != nil {
		return errors.Join(exitWith(exitDatabase, err), app.close())
	}
	e.welcome(o, kept)
	group, ctx := errgroup.WithContext(ctx)
	network, mailbox := app.playgroundOf()
	group.Go(func() error { return app.Run(ctx) })
	if fresh {
		group.Go(func() error {
			s := scene{app: app, network: network, mailbox: mailbox, lang: e.lang}
			if err := s.play(ctx); err != nil && ctx.Err() == nil {
				log.Warn("the scene was not played to its end", "err", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// freeAddress says which flag to use when an address is taken. With port 0 it
// chooses one.
func freeAddress(flag, address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !isLoopback(host) {
		return "", exitWith(exitUsage, fmt.Errorf("%s %s: expected an address of this machine, such as 127.0.0.1:0", flag, address))
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "", exitWith(exitUsage, fmt.Errorf("%s cannot be used: %w. Choose another with %s 127.0.0.1:PORT", address, reason(err), flag))
	}
	return ln.Addr().String(), ln.Close()
}

func (e *environment) welcome(o embeddedOptions, kept bool) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		dir = o.Dir
	}
	keep := say("\nPour garder les données d’une fois sur l’autre : --data DOSSIER.", "\nTo keep the data from one time to the next: --data FOLDER.").In(e.lang)
	if kept {
		keep = ""
	}
	fmt.Fprintf(e.stdout, sayIn(e.lang, `
Permanence, démonstration. Ouvrez  http://%[1]s

  Alice, cliente, a écrit à support@example.org et demandé de l’aide dans
  #entraide ; l’équipe lit ses demandes dans #equipe. À essayer, en Camille :
    1. ouvrez le fil d’une demande et répondez-y : rien ne sort ;
    2. mettez ✉️ sur votre message, ou écrivez « !r votre réponse » : elle part
       dix secondes plus tard ; « !stop » la retient ;
    3. en Sacha, qui débute, faites de même : c’est une proposition, que le ✉️
       de Camille envoie (vingt secondes plus tard) ;
    4. écrivez « !incident début messagerie envois retardés » dans #equipe, puis
       regardez #etat et http://%[1]s/status/ ;
    5. « !aide » dit le reste.

Le courriel arrive par SMTP sur %[2]s. Données : %[3]s%[4]s
Pour arrêter : Ctrl-C.

`, `
Permanence, demonstration. Open  http://%[1]s

  Alice, a customer, has written to support@example.org and asked for help in
  #entraide; the team reads her requests in #equipe. Things to try, as Camille:
    1. open the thread of a request and answer in it: nothing leaves;
    2. put ✉️ on your message, or write "!r your answer": it leaves ten seconds
       later; "!stop" holds it back;
    3. as Sacha, who is new, do the same: that is a proposal, which Camille's ✉️
       sends (twenty seconds later);
    4. write "!incident start mail delays" in #equipe, then look at #etat and
       http://%[1]s/status/;
    5. "!help" tells the rest.

Mail comes in by SMTP on %[2]s. Data: %[3]s%[4]s
To stop: Ctrl-C.

`), o.Web, o.SMTP, dir, keep)
}

// empty reports whether nothing has happened in the database yet.
func (a *App) empty(ctx context.Context) (empty bool, err error) {
	err = a.store.View(ctx, func(tx bot.Tx) error {
		list, err := tx.Tickets(bot.TicketFilter{Limit: 1})
		if err != nil {
			return err
		}
		waiting, aside, err := tx.CountWaiting()
		empty = len(list)+waiting+aside == 0
		return err
	})
	return empty, err
}

// scene is what the demo begins with, played by its people on the real path.
type scene struct {
	app     *App
	network *playground.Network
	mailbox *playground.Mailbox
	lang    string
}

// sceneWait is how long the scene waits for the program at each step.
const sceneWait = 20 * time.Second

func (s scene) say(fr, en string) string { return sayIn(s.lang, fr, en) }

func (s scene) play(ctx context.Context) error {
	if err := s.until(ctx, "every adapter is connected", func() bool {
		for _, h := range s.app.bot.Health() {
			if h.State == chat.Cut {
				return false
			}
		}
		return true
	}); err != nil {
		return err
	}
	m, err := s.mailbox.Write(ctx, playground.Letter{
		By: "alice", To: []string{"support@example.org"},
		Subject: s.say("Impossible d’envoyer des courriels", "I cannot send mail"),
		Text: s.say("Bonjour,\n\nDepuis ce matin, mon logiciel de courriel répond « authentification refusée » quand j’envoie un message. La réception marche. Que puis-je faire ?\n\nMerci,\nAlice\n",
			"Hello,\n\nSince this morning my mail program says \"authentication refused\" when I send a message. Receiving works. What can I do?\n\nThank you,\nAlice\n"),
	})
	if err != nil {
		return err
	}
	if m.Code != 250 {
		return fmt.Errorf("the mail was not taken: %d %s", m.Code, m.Answer)
	}
	var card playground.Message
	if err := s.until(ctx, "the team sees the request", func() bool {
		for _, m := range s.network.Messages("equipe") {
			if m.Card || m.Thread == "" {
				card = m
				return true
			}
		}
		return false
	}); err != nil {
		return err
	}
	if _, err := s.network.Post(ctx, "alice", playground.Draft{Room: "entraide",
		Text: s.say("Bonjour ! Est-ce que quelqu’un sait si le site de l’association peut avoir une adresse en .org ?",
			"Hello! Does anybody know whether our association's site can have an address in .org?")}); err != nil {
		return err
	}
	_, err = s.network.Post(ctx, "camille", playground.Draft{Room: "equipe", Thread: card.ID,
		Text: s.say("Sans doute son mot de passe expiré hier. Je regarde, et je lui réponds.",
			"Probably her password that expired yesterday. I will look, and answer her.")})
	return err
}

// until looks again and again whether something has happened.
func (s scene) until(ctx context.Context, what string, happened func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, sceneWait)
	defer cancel()
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for !happened() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		}
	}
	return nil
}
