package mattermost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// checkTimeout bounds the look at the server.
const checkTimeout = 45 * time.Second

// Check logs in, looks at the rooms and opens a websocket, without joining or
// saying anything.
func (a *Adapter) Check(ctx context.Context) []chat.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	acc, err := a.login(ctx)
	if err != nil {
		return []chat.Finding{a.troubleOf(err)}
	}
	a.mu.Lock()
	limits := a.limits
	a.mu.Unlock()
	out := []chat.Finding{{Name: "mattermost-ok", What: text(
		fmt.Sprintf("Le serveur Mattermost %s (version %s) reconnaît notre compte @%s.", a.cfg.base, limits.version, acc.me.Username),
		fmt.Sprintf("The Mattermost server %s (version %s) knows our account @%s.", a.cfg.base, limits.version, acc.me.Username))}}
	if a.cfg.base.Scheme == "http" && !a.cfg.near() {
		out = append(out, warning("mattermost-plaintext",
			"La connexion n’est pas chiffrée : notre jeton et tout ce qui se dit passent en clair.",
			"The connection is not encrypted: our token and everything said pass in the open.",
			"Donnez l’adresse https du serveur dans url.", "Give the server's https address in url."))
	}
	if !acc.me.IsBot {
		out = append(out, warning("mattermost-ordinary-account",
			fmt.Sprintf("@%s est un compte ordinaire : les gens le prennent pour une personne, et ses droits sont les siens.", acc.me.Username),
			fmt.Sprintf("@%s is an ordinary account: people take it for a person, and its rights are a person's.", acc.me.Username),
			"Cela suffit ; si vous pouvez créer un robot (Intégrations, Comptes de robot), donnez son jeton dans token_file.",
			"This is enough; if you may make a bot (Integrations, Bot Accounts), give its token in token_file."))
	}
	if limits.noFiles {
		out = append(out, warning("mattermost-files-disabled",
			"Ce serveur n’accepte pas de fichiers : ceux de l’équipe partiront comme liens.",
			"This server takes no files: the team's leave as links.",
			"L’administration du serveur peut les permettre (EnableFileAttachments).",
			"The server's administration can allow them (EnableFileAttachments)."))
	}
	if f, ok := a.lookAtSocket(ctx, acc); ok {
		out = append(out, f)
	}
	for _, team := range a.teams() {
		if f, ok := a.lookAtTeam(ctx, acc, team); ok {
			out = append(out, f)
		}
	}
	for _, room := range a.rooms {
		if f, ok := a.lookAtRoom(ctx, acc, room); ok {
			out = append(out, f)
		}
	}
	out = append(out, a.lookAtMarks(ctx)...)
	return append(out, a.lookAtWeb(ctx)...)
}

func problem(name, fr, en, doFR, doEN string) chat.Finding {
	return chat.Finding{Name: name, Level: chat.Problem, What: chat.Text{FR: fr, EN: en}, Do: chat.Text{FR: doFR, EN: doEN}}
}

func warning(name, fr, en, doFR, doEN string) chat.Finding {
	f := problem(name, fr, en, doFR, doEN)
	f.Level = chat.Warning
	return f
}

// troubleOf tells why we cannot log in.
func (a *Adapter) troubleOf(err error) chat.Finding {
	server := a.cfg.base.String()
	var c *credentialError
	if errors.As(err, &c) {
		switch c.step {
		case "file":
			return problem("mattermost-file-missing",
				fmt.Sprintf("Un fichier de la configuration ne peut pas être lu : %v.", c.err),
				fmt.Sprintf("A file of the configuration cannot be read: %v.", c.err),
				"Créez ce fichier, lisible par Permanence seul.", "Make this file, readable by Permanence alone.")
		case "login":
			return problem("mattermost-login-refused",
				fmt.Sprintf("Le serveur Mattermost %s refuse le compte %s ou son mot de passe.", server, a.cfg.Login),
				fmt.Sprintf("The Mattermost server %s refuses the account %s or its password.", server, a.cfg.Login),
				"Vérifiez login et password_file ; un compte à double authentification ne convient pas.",
				"Check login and password_file; an account with a second factor will not do.")
		}
		return problem("mattermost-token-refused",
			fmt.Sprintf("Le serveur Mattermost %s refuse notre jeton.", server),
			fmt.Sprintf("The Mattermost server %s refuses our token.", server),
			"Il a été révoqué, a expiré, ou son robot est désactivé : créez-en un autre (Intégrations, Comptes de robot) et mettez-le dans token_file ; il n’est pas nécessaire de redémarrer.",
			"It was revoked or has expired, or its bot is disabled: make another one (Integrations, Bot Accounts) and put it into token_file; a restart is not needed.")
	}
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return problem("mattermost-tls-name",
			fmt.Sprintf("Le certificat du serveur n’est pas au nom de %s.", a.cfg.base.Hostname()),
			fmt.Sprintf("The server's certificate is not for %s.", a.cfg.base.Hostname()),
			"Mettez dans url le nom qui figure dans le certificat.", "Put into url the name that stands in the certificate.")
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &record):
		return problem("mattermost-tls-untrusted",
			fmt.Sprintf("La connexion chiffrée à %s échoue : certificat inconnu, périmé, ou port sans TLS.", server),
			fmt.Sprintf("The secure connection to %s fails: unknown or expired certificate, or a port without TLS.", server),
			"Vérifiez url ; pour une autorité à vous, donnez son certificat dans ca_file.",
			"Check url; for an authority of your own give its certificate in ca_file.")
	case statusOf(err) != 0 && statusOf(err) < 500:
		return problem("mattermost-not-mattermost",
			fmt.Sprintf("Ce qui répond à %s n’est pas un serveur Mattermost (%d).", server, statusOf(err)),
			fmt.Sprintf("What answers at %s is no Mattermost server (%d).", server, statusOf(err)),
			"Vérifiez url : c’est l’adresse du navigateur, sans le nom d’une équipe.",
			"Check url: it is the browser's address, without the name of a team.")
	case statusOf(err) >= 500:
		return problem("mattermost-failing",
			fmt.Sprintf("Le serveur Mattermost %s est en panne (%d).", server, statusOf(err)),
			fmt.Sprintf("The Mattermost server %s has a failure (%d).", server, statusOf(err)),
			"Attendez, ou prévenez qui le tient ; Permanence réessaie toute seule.",
			"Wait, or tell whoever runs it; Permanence tries again by itself.")
	}
	return problem("mattermost-unreachable",
		fmt.Sprintf("Le serveur Mattermost %s ne répond pas.", server),
		fmt.Sprintf("The Mattermost server %s does not answer.", server),
		"Vérifiez url, et le pare-feu.", "Check url, and the firewall.")
}

// lookAtSocket opens a websocket and waits for its first word: the usual
// trouble is a proxy that lets no websocket through.
func (a *Adapter) lookAtSocket(ctx context.Context, acc *account) (chat.Finding, bool) {
	s, err := a.dial(ctx, acc, "", 0)
	if err == nil {
		defer s.conn.Close()
		stop := context.AfterFunc(ctx, func() { s.conn.Close() })
		defer stop()
		if _, err = s.read(); err == nil {
			return chat.Finding{}, false
		}
	}
	a.log.Warn("no websocket", "err", err)
	return problem("mattermost-websocket-blocked",
		"Le serveur répond, mais pas à une connexion websocket : nous n’entendrions rien.",
		"The server answers, but not to a websocket connection: we would hear nothing.",
		"Faites passer les en-têtes Upgrade et Connection de /api/v4/websocket dans le relais devant le serveur.",
		"Let the headers Upgrade and Connection of /api/v4/websocket pass in the proxy before the server."), true
}

func (a *Adapter) lookAtTeam(ctx context.Context, acc *account, name string) (chat.Finding, bool) {
	team, err := call(ctx, a, name, func(ctx context.Context, acc *account) (*model.Team, *model.Response, error) {
		return acc.api.GetTeamByName(ctx, name, "")
	})
	if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusForbidden) {
		return problem("mattermost-team-missing",
			fmt.Sprintf("Il n’y a pas d’équipe %s, ou elle est fermée et notre compte n’en est pas.", name),
			fmt.Sprintf("There is no team %s, or it is closed and our account is not in it.", name),
			fmt.Sprintf("Vérifiez le nom (celui de l’adresse), et ajoutez @%s à l’équipe.", acc.me.Username),
			fmt.Sprintf("Check the name (that of the address), and add @%s to the team.", acc.me.Username)), true
	}
	if err == nil {
		_, err = call(ctx, a, name, func(ctx context.Context, acc *account) (*model.TeamMember, *model.Response, error) {
			return acc.api.GetTeamMember(ctx, team.Id, acc.me.Id, "")
		})
	}
	if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusForbidden) {
		return problem("mattermost-team-not-member",
			fmt.Sprintf("Notre compte n’est pas dans l’équipe %s.", name),
			fmt.Sprintf("Our account is not in the team %s.", name),
			fmt.Sprintf("Ajoutez @%s à l’équipe %s.", acc.me.Username, name),
			fmt.Sprintf("Add @%s to the team %s.", acc.me.Username, name)), true
	}
	return a.otherTrouble(err)
}

// otherTrouble tells of an error that no case expects.
func (a *Adapter) otherTrouble(err error) (chat.Finding, bool) {
	if err == nil {
		return chat.Finding{}, false
	}
	e := chat.AsError(err)
	return problem("mattermost-failing", capital(e.Reason.FR)+".", capital(e.Reason.EN)+".",
		"Attendez, ou prévenez qui tient le serveur.", "Wait, or tell whoever runs the server."), true
}

func (a *Adapter) lookAtRoom(ctx context.Context, acc *account, room string) (chat.Finding, bool) {
	if _, _, ok := splitRoom(room); !ok {
		return problem("mattermost-room-name",
			"« "+room+" » n’est pas un salon de Mattermost.", "\""+room+"\" is no channel of Mattermost.",
			"Un salon s’écrit équipe/salon, par les noms de son adresse : "+a.name+":asso/entraide.",
			"A channel is written team/channel, by the names in its address: "+a.name+":asso/entraide."), true
	}
	ch, err := a.lookUp(ctx, room)
	switch {
	case isStatus(err, http.StatusNotFound), isStatus(err, http.StatusForbidden):
		return problem("mattermost-room-missing",
			fmt.Sprintf("Le salon %s n’existe pas, ou il est privé et notre compte n’en est pas membre.", room),
			fmt.Sprintf("There is no channel %s, or it is private and our account is not a member.", room),
			fmt.Sprintf("Vérifiez le nom (celui de l’adresse) ; dans un salon privé, tapez /invite @%s.", acc.me.Username),
			fmt.Sprintf("Check the name (that of the address); in a private channel, type /invite @%s.", acc.me.Username)), true
	case err != nil:
		return a.otherTrouble(err)
	case ch.DeleteAt > 0:
		return problem("mattermost-room-archived",
			"Le salon "+room+" est archivé.", "The channel "+room+" is archived.",
			"Désarchivez-le, ou retirez-le de la configuration.", "Unarchive it, or take it out of the configuration."), true
	}
	_, err = call(ctx, a, room, func(ctx context.Context, acc *account) (*model.ChannelMember, *model.Response, error) {
		return acc.api.GetChannelMember(ctx, ch.Id, acc.me.Id, "")
	})
	if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusForbidden) {
		return warning("mattermost-room-not-member",
			"Notre compte n’est pas encore dans le salon "+room+".", "Our account is not in the channel "+room+" yet.",
			fmt.Sprintf("Permanence y entrera en démarrant ; si elle n’y arrive pas, tapez-y /invite @%s.", acc.me.Username),
			fmt.Sprintf("Permanence enters it when it starts; if it cannot, type /invite @%s there.", acc.me.Username)), true
	}
	return a.otherTrouble(err)
}

// lookAtMarks finds emoji of the configuration that the server does not have.
func (a *Adapter) lookAtMarks(ctx context.Context) []chat.Finding {
	var out []chat.Finding
	for _, emoji := range slices.Sorted(maps.Keys(a.cfg.marks)) {
		name := a.cfg.marks[emoji]
		if _, ok := model.GetSystemEmojiId(name); ok {
			continue
		}
		_, err := call(ctx, a, "", func(ctx context.Context, acc *account) (*model.Emoji, *model.Response, error) {
			return acc.api.GetEmojiByName(ctx, name)
		})
		if err == nil {
			continue
		}
		out = append(out, problem("mattermost-emoji-missing",
			fmt.Sprintf("Ce serveur n’a pas d’emoji :%s:, que marks met à la place de %s.", name, emoji),
			fmt.Sprintf("This server has no emoji :%s:, which marks puts in place of %s.", name, emoji),
			"Ajoutez-le (Emoji personnalisés), ou corrigez son nom.", "Add it (Custom Emoji), or correct its name."))
	}
	return out
}

// capital begins a sentence.
func capital(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return s
	}
	return strings.ToUpper(string(r[:1])) + string(r[1:])
}
