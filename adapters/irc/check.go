package irc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"permanence/bot/chat"
)

// checkTimeout bounds the look at the server.
const checkTimeout = 45 * time.Second

// Check connects as the configuration says, enters the rooms and leaves again
// without a word; where a connection stands already it looks at that one.
func (a *Adapter) Check(ctx context.Context) []chat.Finding {
	if s := a.session(); s != nil {
		return append(s.findings(), a.bridgeFindings(ctx)...)
	}
	if err := a.recallSTS(ctx); err != nil {
		a.log.Warn("state not read", "err", err)
	}
	known := a.bridgeFindings(ctx) // by the process that is running, or an earlier one
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	// A twin of the adapter: what it learns does not become ours.
	twin := &Adapter{
		cfg: a.cfg, name: a.name, rooms: a.rooms, state: noState{}, log: slog.New(slog.DiscardHandler), boot: a.boot + "c",
		retry: a.retry, retryMax: a.retryMax, rejoin: time.Hour, passive: true, facts: newFacts(), bridges: make(map[string]*suspicion),
	}
	a.mu.Lock()
	twin.secure = a.secure
	a.mu.Unlock()
	s, err := twin.look(ctx)
	if err == nil && s != nil && !s.looked {
		err = ctx.Err()
	}
	if err != nil {
		return append([]chat.Finding{a.troubleOf(err)}, known...)
	}
	return append(s.findings(), known...)
}

// look connects and stays until the rooms are entered or refused, and what may
// be said there is known.
func (a *Adapter) look(ctx context.Context) (*session, error) {
	for {
		s, err := a.open(ctx)
		if err != nil {
			return nil, err
		}
		ctx, stop := context.WithCancel(ctx)
		s.run = &runner{Adapter: a, handler: onCaughtUp(func() {
			// The session's goroutine does the rest: modes of the rooms, then
			// a PING behind them.
			s.queue.put(item{do: func() { s.look(stop) }})
		})}
		ended := s.begin()
		go func() {
			if s.writer.run(ctx) != nil {
				s.wire.Close()
			}
		}()
		err = s.loop(ctx, ended)
		stop()
		if errors.Is(err, errUpgrade) {
			continue
		}
		return s, err
	}
}

// look asks for the modes of the rooms that we are in; done is called when the
// server has answered.
func (s *session) look(done func()) {
	s.lookDone = done
	for _, r := range s.rooms {
		if r.joined {
			s.writer.command("MODE", r.name, "")
		}
	}
	s.writer.command("PING", lookToken, "")
}

const lookToken = "looked"

// onCaughtUp is a handler that stores nothing.
type onCaughtUp func()

func (f onCaughtUp) Handle(_ context.Context, events []chat.Event, _ chat.Cursor) error {
	for _, e := range events {
		if c, ok := e.(*chat.Connection); ok && c.State == chat.CaughtUp {
			f()
		}
	}
	return nil
}

// noState is the state of who looks only.
type noState struct{ chat.State }

func (noState) Get(context.Context, string) ([]byte, error)    { return nil, nil }
func (noState) Put(context.Context, string, []byte) error      { return nil }
func (noState) Delete(context.Context, string) error           { return nil }
func (noState) Cursor(context.Context, string) (string, error) { return "", nil }

func problem(name, fr, en, doFR, doEN string) chat.Finding {
	return chat.Finding{Name: name, Level: chat.Problem, What: chat.Text{FR: fr, EN: en}, Do: chat.Text{FR: doFR, EN: doEN}}
}

func warning(name, fr, en, doFR, doEN string) chat.Finding {
	f := problem(name, fr, en, doFR, doEN)
	f.Level = chat.Warning
	return f
}

// troubleOf tells why there is no connection.
func (a *Adapter) troubleOf(err error) chat.Finding {
	server := a.cfg.Server
	var d *dialError
	if errors.As(err, &d) {
		switch d.step {
		case "files":
			return problem("irc-file-missing",
				fmt.Sprintf("Un fichier de la configuration ne peut pas être lu : %v.", d.err),
				fmt.Sprintf("A file of the configuration cannot be read: %v.", d.err),
				"Créez ce fichier, lisible par Permanence seul.", "Make this file, readable by Permanence alone.")
		case "tls-name":
			return problem("irc-tls-name",
				fmt.Sprintf("Le certificat du serveur IRC n’est pas au nom de %s.", a.cfg.host),
				fmt.Sprintf("The IRC server's certificate is not for %s.", a.cfg.host),
				"Mettez dans server le nom qui figure dans le certificat.", "Put into server the name that stands in the certificate.")
		case "tls":
			return problem("irc-tls-untrusted",
				fmt.Sprintf("La connexion chiffrée à %s échoue : certificat inconnu, périmé, ou port sans TLS.", server),
				fmt.Sprintf("The secure connection to %s fails: unknown or expired certificate, or a port without TLS.", server),
				"Vérifiez le port ; pour une autorité à vous, donnez son certificat dans ca_file.",
				"Check the port; for an authority of your own give its certificate in ca_file.")
		}
		return problem("irc-unreachable",
			fmt.Sprintf("Le serveur IRC %s ne répond pas.", server),
			fmt.Sprintf("The IRC server %s does not answer.", server),
			"Vérifiez le nom et le port de server, et le pare-feu.", "Check the name and port of server, and the firewall.")
	}
	var c *connectError
	if errors.As(err, &c) {
		switch c.name {
		case "sasl-refused":
			return problem("irc-sasl-refused",
				fmt.Sprintf("Le serveur IRC refuse notre compte (SASL) : %v. Sans lui, nous ne continuons pas.", c.err),
				fmt.Sprintf("The IRC server refuses our account (SASL): %v. We do not go on without it.", c.err),
				"Vérifiez sasl.user et son mot de passe, ou le certificat .",
				"Check sasl.user and its password, or the certificate.")
		case "sasl-missing":
			return problem("irc-sasl-missing",
				"Ce serveur IRC n’offre pas SASL, que la configuration demande. Sans lui, nous ne continuons pas.",
				"This IRC server offers no SASL, which the configuration asks for. We do not go on without it.",
				"Vérifiez server ; si le réseau n’a pas de comptes, retirez sasl.", "Check server; if the network has no accounts, remove sasl.")
		case "password-refused":
			return problem("irc-password-refused",
				"Le serveur IRC demande un mot de passe et refuse le nôtre.",
				"The IRC server asks for a password and refuses ours.",
				"Vérifiez server_password_file.", "Check server_password_file.")
		case "banned":
			return problem("irc-banned",
				fmt.Sprintf("Le serveur IRC nous a bannis : %v.", c.err),
				fmt.Sprintf("The IRC server has banned us: %v.", c.err),
				"Écrivez à qui tient le réseau.", "Write to whoever runs the network.")
		}
		return problem("irc-hung-up", "Le serveur IRC a coupé : "+fmt.Sprint(c.err)+".", "The IRC server hung up: "+fmt.Sprint(c.err)+".",
			"Lisez sa raison ; réessayez plus tard si elle parle de limites.", "Read its reason; try again later if it speaks of limits.")
	}
	return problem("irc-unwelcoming",
		fmt.Sprintf("Le serveur IRC %s ne nous accueille pas à temps.", server),
		fmt.Sprintf("The IRC server %s does not welcome us in time.", server),
		"Vérifiez que c’est bien un serveur IRC ; réessayez plus tard.", "Check that it is an IRC server; try again later.")
}

// findings looks at a connection that stands.
func (s *session) findings() []chat.Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []chat.Finding{{Name: "irc-ok", What: chat.Text{
		FR: fmt.Sprintf("Le serveur IRC %s nous accueille.", s.cfg.Server),
		EN: fmt.Sprintf("The IRC server %s welcomes us.", s.cfg.Server),
	}}}
	if !s.isUs(s.cfg.Nick) {
		out = append(out, warning("irc-nick-in-use",
			fmt.Sprintf("Le pseudo %s est pris.", s.cfg.Nick), fmt.Sprintf("The nick %s is in use.", s.cfg.Nick),
			"C’est normal si Permanence est déjà en marche ; sinon, réservez ce pseudo à votre compte ou changez nick.",
			"This is right if Permanence is already running; else reserve this nick for your account or change nick."))
	}
	if !s.secure && !s.near() {
		out = append(out, warning("irc-plaintext",
			"La connexion n’est pas chiffrée : tout ce qui se dit passe en clair.",
			"The connection is not encrypted: everything said passes in the open.",
			"Donnez le port TLS du serveur, en général 6697.", "Give the server's TLS port, mostly 6697."))
	}
	for _, name := range s.Adapter.rooms {
		if f, ok := s.roomFinding(name); ok {
			out = append(out, f)
		}
	}
	if !s.facts.accounts() {
		out = append(out, warning("irc-accounts-missing",
			"Ce serveur n’a pas de comptes : personne n’y prouve qui il est, et personne de l’équipe ne peut y agir.",
			"This server has no accounts: nobody proves who they are there, and nobody of the team can act there.",
			"L’équipe agit depuis un autre réseau ; les gens d’ici restent des visiteurs.",
			"The team acts from another network; people here stay visitors."))
	}
	if !s.facts.keepsForUs() {
		out = append(out, warning("irc-history-missing",
			"Ce serveur ne garde pas l’historique : ce qui s’y dit pendant une absence de Permanence est perdu.",
			"This server keeps no history: what is said there while Permanence is away is lost.",
			"Un serveur avec chathistory (Ergo, soju) le rattrape.", "A server with chathistory (Ergo, soju) catches up."))
	}
	if !s.facts.echo() {
		out = append(out, warning("irc-confirmation-missing",
			"Ce serveur ne confirme pas ce que nous disons : l’équipe lit « accepté », jamais « dit ».",
			"This server does not confirm what we say: the team reads \"accepted\", never \"said\".", "", ""))
	}
	return out
}

// near: the server is on this machine.
func (s *session) near() bool {
	return s.cfg.host == "localhost" || strings.HasPrefix(s.cfg.host, "127.") || s.cfg.host == "::1"
}

// roomFinding tells what is wrong with a room.
func (s *session) roomFinding(name string) (chat.Finding, bool) {
	r := s.rooms[s.facts.fold(name)]
	if r == nil {
		return problem("irc-room-name", name+" n’est pas un nom de salon sur ce serveur.", name+" is no name of a channel on this server.",
			"Un salon IRC s’écrit avec son croisillon : irc:#asso.", "An IRC channel is written with its hash sign: irc:#asso."), true
	}
	if r.joined {
		if strings.Contains(r.modes, "m") && r.marks == "" {
			return problem("irc-room-mute", "Le salon "+name+" est modéré et nous n’y avons pas la voix.", "The channel "+name+" is moderated and we have no voice there.",
				"Donnez-nous la voix : /mode "+name+" +v "+s.nick+".", "Give us voice: /mode "+name+" +v "+s.nick+"."), true
		}
		return chat.Finding{}, false
	}
	code, what := "", chat.Text{FR: "nous n’avons pas pu entrer dans " + name, EN: "we could not enter " + name}
	if r.refused != nil {
		what = r.refused.Reason
		var e *serverError
		if errors.As(r.refused.Err, &e) {
			code = e.code
		}
	}
	f := problem("irc-room-closed", capital(what.FR)+".", capital(what.EN)+".",
		"Voyez avec qui tient ce salon.", "Ask whoever runs this channel.")
	switch code {
	case "473":
		f.Name = "irc-room-invite-only"
		f.Do = chat.Text{FR: "Invitez-nous durablement : /mode " + name + " +I " + s.nick + "!*@*.", EN: "Invite us for good: /mode " + name + " +I " + s.nick + "!*@*."}
	case "474":
		f.Name = "irc-room-banned"
		f.Do = chat.Text{FR: "Faites lever ce bannissement.", EN: "Have this ban lifted."}
	case "475":
		f.Name = "irc-room-key"
		f.Do = chat.Text{FR: "Donnez la clé du salon dans keys.", EN: "Give the channel's key in keys."}
	case "477":
		f.Name = "irc-room-account"
		f.Do = chat.Text{FR: "Configurez sasl.", EN: "Configure sasl."}
	}
	return f, true
}

// capital begins a sentence.
func capital(s string) string {
	r := []rune(s)
	return strings.ToUpper(string(r[:1])) + string(r[1:])
}
