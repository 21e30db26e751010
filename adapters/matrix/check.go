package matrix

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// Check logs in as the configuration says, enters the rooms that it names and
// looks at our rights there, without a word.
func (a *Adapter) Check(ctx context.Context) []chat.Finding {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	l, err := a.session(ctx)
	if err != nil {
		return []chat.Finding{a.troubleOf(err)}
	}
	joined, err := l.client.JoinedRooms(ctx)
	if err != nil {
		a.tokenGone(l, err)
		return []chat.Finding{a.troubleOf(err)}
	}
	findings := []chat.Finding{{
		Name: "matrix-ok", Level: chat.OK,
		What: chat.Text{
			FR: fmt.Sprintf("Le serveur Matrix %s nous connaît : %s, appareil %s.", a.cfg.base.Host, l.me, l.device),
			EN: fmt.Sprintf("The Matrix server %s knows us: %s, device %s.", a.cfg.base.Host, l.me, l.device),
		},
	}}
	if l.vault != nil {
		findings = append(findings, l.vault.findings(ctx)...)
	}
	in := make(map[id.RoomID]bool)
	for _, rid := range joined.JoinedRooms {
		in[rid] = true
	}
	for _, name := range a.rooms {
		findings = append(findings, a.checkRoom(ctx, l, name, in)...)
	}
	return findings
}

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
	host := a.cfg.base.Host
	var le *loginError
	var invalid x509.HostnameError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &le):
		return a.loginTrouble(le)
	case errors.As(err, &invalid):
		return problem("matrix-tls-name",
			fmt.Sprintf("Le certificat du serveur Matrix n’est pas au nom de %s.", a.cfg.base.Hostname()),
			fmt.Sprintf("The Matrix server's certificate is not for %s.", a.cfg.base.Hostname()),
			"Mettez dans url le nom qui figure dans le certificat.", "Put into url the name that stands in the certificate.")
	case errors.As(err, &certificate), errors.As(err, &record), err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return problem("matrix-tls-untrusted",
			fmt.Sprintf("La connexion chiffrée à %s échoue : certificat inconnu, périmé, ou port sans TLS.", host),
			fmt.Sprintf("The secure connection to %s fails: unknown or expired certificate, or a port without TLS.", host),
			"Vérifiez url ; pour une autorité à vous, donnez son certificat dans ca_file.",
			"Check url; for an authority of your own give its certificate in ca_file.")
	case refusedLogin(err):
		return a.loginTrouble(&loginError{name: "token", err: err})
	case statusOf(err) >= 400 && statusOf(err) < 500 && codeOf(err) == "":
		return problem("matrix-not-matrix",
			fmt.Sprintf("À l’adresse %s il n’y a pas de serveur Matrix.", a.cfg.base),
			fmt.Sprintf("At the address %s there is no Matrix server.", a.cfg.base),
			"url est l’adresse à laquelle les clients parlent ; elle est souvent dans https://DOMAINE/.well-known/matrix/client.",
			"url is the address that clients speak to; it often stands in https://DOMAIN/.well-known/matrix/client.")
	case statusOf(err) == http.StatusTooManyRequests:
		return warning("matrix-rate-limited",
			fmt.Sprintf("Le serveur Matrix %s nous trouve trop rapides pour le moment.", host),
			fmt.Sprintf("The Matrix server %s finds us too fast for now.", host),
			"Recommencez dans une minute.", "Try again in a minute.")
	case codeOf(err) == "M_USER_DEACTIVATED", codeOf(err) == "M_USER_LOCKED":
		return problem("matrix-account-closed",
			"Notre compte Matrix est désactivé ou bloqué.", "Our Matrix account is deactivated or locked.",
			"Voyez avec qui tient le serveur.", "Ask whoever runs the server.")
	}
	return problem("matrix-unreachable",
		fmt.Sprintf("Le serveur Matrix %s ne répond pas.", host), fmt.Sprintf("The Matrix server %s does not answer.", host),
		"Vérifiez url et le pare-feu.", "Check url and the firewall.")
}

func (a *Adapter) loginTrouble(e *loginError) chat.Finding {
	var missing *os.PathError
	switch e.name {
	case "file":
		what := e.err.Error()
		if errors.As(e.err, &missing) {
			what = missing.Error()
		}
		return problem("matrix-file-missing",
			fmt.Sprintf("Un fichier de la configuration ne peut pas être lu : %s.", what),
			fmt.Sprintf("A file of the configuration cannot be read: %s.", what),
			"Créez ce fichier, lisible par Permanence seul.", "Make this file, readable by Permanence alone.")
	case "account":
		return problem("matrix-token-account",
			fmt.Sprintf("user et token_file ne vont pas ensemble : %s.", e.reason.FR), fmt.Sprintf("user and token_file do not go together: %s.", e.reason.EN),
			"Corrigez user, ou donnez le jeton de ce compte.", "Correct user, or give that account's token.")
	case "password":
		return problem("matrix-password-refused",
			"Le serveur Matrix refuse notre mot de passe.", "The Matrix server refuses our password.",
			"Vérifiez user et password_file.", "Check user and password_file.")
	case "password-unavailable":
		return problem("matrix-password-unavailable",
			"Ce serveur Matrix n’accepte pas de mot de passe (il délègue les connexions).", "This Matrix server takes no password (it leaves logins to another service).",
			"Faites un jeton d’accès pour notre compte et donnez-le dans token_file.", "Make an access token for our account and give it in token_file.")
	case "key-store":
		return problem("matrix-key-store",
			fmt.Sprintf("La base des clés de chiffrement ne s’ouvre pas : %v.", e.err),
			fmt.Sprintf("The store of encryption keys cannot be opened: %v.", e.err),
			"Vérifiez la base de données, son disque et ses droits ; remettez les deux fichiers d’une même sauvegarde ensemble.",
			"Check the database, its disk and its rights; put both files of one backup back together.")
	case "device-keys":
		return problem("matrix-device-keys",
			"Le serveur Matrix connaît pour notre appareil d’autres clés que les nôtres : notre base de clés a été perdue ou remplacée.",
			"The Matrix server knows other keys for our device than ours: our key store was lost or replaced.",
			"Reconnectez le compte (nouvel appareil) et donnez le nouveau jeton dans token_file.",
			"Log the account in again (a new device) and give the new token in token_file.")
	case "token":
		if softLogout(e.err) {
			return problem("matrix-token-expired",
				"Notre jeton d’accès Matrix est périmé (soft logout) ; l’appareil et ses clés sont encore là.",
				"Our Matrix access token has expired (soft logout); the device and its keys are still there.",
				"Reconnectez-vous avec le même appareil et donnez le nouveau jeton dans token_file.",
				"Log in again as the same device and give the new token in token_file.")
		}
		return problem("matrix-token-unknown",
			"Le serveur Matrix ne reconnaît pas notre jeton d’accès : la session a été fermée, ou le jeton est faux.",
			"The Matrix server does not know our access token: the session was closed, or the token is wrong.",
			"Faites un nouveau jeton et donnez-le dans token_file.", "Make a new token and give it in token_file.")
	}
	return problem("matrix-"+e.name, e.reason.FR+".", e.reason.EN+".", "Voyez le journal.", "See the log.")
}

// checkRoom looks at one room of the configuration.
func (a *Adapter) checkRoom(ctx context.Context, l *link, name string, in map[id.RoomID]bool) []chat.Finding {
	rid, err := a.find(ctx, l, name, true)
	if err != nil {
		if chat.AsError(err).Kind == chat.Gone {
			return []chat.Finding{problem("matrix-room-unknown",
				fmt.Sprintf("L’alias %s ne mène à aucun salon.", name), fmt.Sprintf("The alias %s leads to no room.", name),
				"Vérifiez l’orthographe, ou donnez l’identifiant du salon (!…).", "Check the spelling, or give the room's identifier (!…).")}
		}
		return []chat.Finding{a.troubleOf(err)}
	}
	if !in[rid] {
		if err := a.join(ctx, l, name, rid); err != nil {
			return []chat.Finding{problem("matrix-room-closed",
				fmt.Sprintf("Nous ne sommes pas dans %s, et le salon ne nous laisse pas entrer.", name),
				fmt.Sprintf("We are not in %s, and the room does not let us in.", name),
				fmt.Sprintf("Invitez-nous : /invite %s.", l.me), fmt.Sprintf("Invite us: /invite %s.", l.me))}
		}
	}
	var findings []chat.Finding
	var levels event.PowerLevelsEventContent
	if err := l.stateOf(ctx, rid, event.StatePowerLevels, &levels); err == nil {
		a.book.update(rid, func(r *room) { r.levels = &levels })
		if levels.GetUserLevel(l.me) < levels.GetEventLevel(event.EventMessage) {
			findings = append(findings, problem("matrix-room-mute",
				fmt.Sprintf("Nous n’avons pas le droit de parler dans %s.", name), fmt.Sprintf("We may not speak in %s.", name),
				"Donnez-nous ce droit dans les réglages du salon.", "Give us this right in the room's settings."))
		}
	}
	encryption, err := a.encryptionOf(ctx, l, rid)
	if err == nil && encryption != nil && l.vault == nil {
		e := errEncrypted(name, canEncrypt)
		findings = append(findings, problem("matrix-room-encrypted", e.Reason.FR+".", e.Reason.EN+".",
			"Nous n’y lisons ni n’y écrivons rien ; choisissez un salon en clair, ou une version avec chiffrement.",
			"We neither read nor write there; choose a room in the clear, or a build with encryption."))
	}
	return findings
}
