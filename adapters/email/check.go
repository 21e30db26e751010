package email

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"permanence/bot/chat"
)

// checkTimeout bounds the look at one server.
const checkTimeout = 20 * time.Second

// Check tries the servers of the configuration without sending or changing
// anything.
func (a *Adapter) Check(ctx context.Context) []chat.Finding {
	var out []chat.Finding
	for _, address := range []string{a.cfg.Listen.SMTP, a.cfg.Listen.LMTP} {
		if address != "" {
			out = append(out, a.checkListen(ctx, address))
		}
	}
	if a.cfg.IMAP.Server != "" {
		out = append(out, a.checkIMAP(ctx))
	}
	if len(out) == 0 {
		out = append(out, chat.Finding{Name: "receive-missing", Level: chat.Problem,
			What: chat.Text{
				FR: "Aucun courriel ne peut arriver : ni listen ni imap n’est configuré.",
				EN: "No mail can arrive: neither listen nor imap is configured.",
			},
			Do: chat.Text{
				FR: "Ajoutez imap, ou listen si votre serveur de courriel peut nous remettre les messages.",
				EN: "Add imap, or listen if your mail server can hand messages over.",
			}})
	}
	out = append(out, a.checkSMTP(ctx))
	if a.cfg.Subaddress == "" {
		out = append(out, chat.Finding{Name: "subaddress-off", Level: chat.Warning,
			What: chat.Text{
				FR: "Les réponses sont reconnues à leurs seules références, que certains logiciels effacent.",
				EN: "Replies are recognised by their references alone, which some programs drop.",
			},
			Do: chat.Text{
				FR: fmt.Sprintf("Si %s arrive bien dans la boîte, ajoutez subaddress: \"+\".", a.roles[0].local+"+essai@"+a.roles[0].domain),
				EN: fmt.Sprintf("If %s does arrive in the mailbox, add subaddress: \"+\".", a.roles[0].local+"+test@"+a.roles[0].domain),
			}})
	}
	for _, r := range a.roles {
		if _, fits := (tokens{sep: a.cfg.Subaddress}).replyAddress(r, "aaaaaaaaaaaaaaaa"); a.cfg.Subaddress != "" && !fits {
			out = append(out, chat.Finding{Name: "address-long", Level: chat.Warning,
				What: chat.Text{
					FR: fmt.Sprintf("L’adresse %s est trop longue pour porter un jeton : ses réponses sont reconnues à leurs seules références.", r.room),
					EN: fmt.Sprintf("The address %s is too long to carry a token: replies to it are recognised by their references alone.", r.room),
				}})
		}
	}
	if a.cfg.AuthservID == "" {
		out = append(out, chat.Finding{Name: "authserv-missing", Level: chat.Warning,
			What: chat.Text{
				FR: "L’identité des personnes qui écrivent n’est jamais tenue pour prouvée : l’équipe ne peut pas agir par courriel.",
				EN: "The identity of who writes is never taken as proved: the team cannot act by mail.",
			},
			Do: chat.Text{
				FR: "Mettez dans authserv_id le nom par lequel commencent les lignes Authentication-Results que votre serveur ajoute.",
				EN: "Put into authserv_id the name that begins the Authentication-Results lines which your server adds.",
			}})
	}
	return out
}

// checkListen tells whether the address is ours or can be.
func (a *Adapter) checkListen(ctx context.Context, address string) chat.Finding {
	ok := chat.Finding{Name: "listen-ok", What: chat.Text{
		FR: fmt.Sprintf("Les courriels peuvent arriver sur %s.", address),
		EN: fmt.Sprintf("Mail can arrive at %s.", address),
	}}
	if a.boundTo(address) != nil {
		return ok
	}
	l, err := bind(ctx, address)
	if err == nil {
		l.Close()
		return ok
	}
	return chat.Finding{Name: "listen-busy", Level: chat.Warning,
		What: chat.Text{
			FR: fmt.Sprintf("On ne peut pas écouter sur %s : l’adresse est prise ou interdite.", address),
			EN: fmt.Sprintf("One cannot listen on %s: the address is taken or not allowed.", address),
		},
		Do: chat.Text{
			FR: "C’est normal si Permanence est déjà en marche ici ; sinon, arrêtez l’autre programme ou changez listen.",
			EN: "This is right if Permanence is already running here; else stop the other program or change listen.",
		}}
}

func (a *Adapter) checkSMTP(ctx context.Context) chat.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	server := a.cfg.SMTP.Server
	c, err := dialSMTP(ctx, a.cfg.SMTP)
	if err == nil {
		c.close()
		if a.cfg.SMTP.User == "" {
			return chat.Finding{Name: "smtp-ok", What: chat.Text{
				FR: fmt.Sprintf("Le serveur d’envoi %s répond.", server),
				EN: fmt.Sprintf("The submission server %s answers.", server),
			}}
		}
		return chat.Finding{Name: "smtp-ok", What: chat.Text{
			FR: fmt.Sprintf("Le serveur d’envoi %s répond et accepte %s.", server, a.cfg.SMTP.User),
			EN: fmt.Sprintf("The submission server %s answers and accepts %s.", server, a.cfg.SMTP.User),
		}}
	}
	a.env.Log.Debug("check: submission server", "err", err)
	stage := "connect"
	var e *smtpError
	if errors.As(err, &e) {
		stage = e.stage
	}
	switch stage {
	case "config":
		return chat.Finding{Name: "smtp-missing", Level: chat.Problem,
			What: chat.Text{
				FR: "Aucune réponse ne peut partir par courriel : smtp est incomplet.",
				EN: "No answer can leave by mail: smtp is incomplete.",
			},
			Do: chat.Text{
				FR: "Indiquez le serveur d’envoi dans smtp.server, et un ca_file lisible s’il en faut un.",
				EN: "Name the submission server in smtp.server, and a readable ca_file if one is needed.",
			}}
	case "login":
		return chat.Finding{Name: "smtp-login", Level: chat.Problem,
			What: chat.Text{
				FR: fmt.Sprintf("Le serveur d’envoi %s refuse la connexion de %s.", server, a.cfg.SMTP.User),
				EN: fmt.Sprintf("The submission server %s refuses the login of %s.", server, a.cfg.SMTP.User),
			},
			Do: chat.Text{
				FR: "Vérifiez smtp.user et le mot de passe (première ligne de password_file).",
				EN: "Check smtp.user and the password (first line of password_file).",
			}}
	case "tls-name", "tls":
		return chat.Finding{Name: "smtp-tls-name", Level: chat.Problem, What: tlsWhat(server, stage), Do: chat.Text{
			FR: "Écrivez dans smtp.server le nom qui est dans le certificat, vérifiez smtp.tls, ou donnez l’autorité dans ca_file.",
			EN: "Write the name that is in the certificate into smtp.server, check smtp.tls, or give the authority in ca_file.",
		}}
	}
	return chat.Finding{Name: "smtp-unreachable", Level: chat.Problem,
		What: chat.Text{
			FR: fmt.Sprintf("Le serveur d’envoi %s ne répond pas.", server),
			EN: fmt.Sprintf("The submission server %s does not answer.", server),
		},
		Do: chat.Text{
			FR: "Vérifiez smtp.server (nom et port) et le pare-feu ; les réponses attendent et partiront d’elles-mêmes.",
			EN: "Check smtp.server (name and port) and the firewall; answers wait and will leave by themselves.",
		}}
}

func (a *Adapter) checkIMAP(ctx context.Context) chat.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	cfg := a.cfg.IMAP
	c, err := dialIMAP(ctx, cfg, nil)
	if err == nil {
		_, err = examine(c, cfg)
		c.Close()
	}
	if err == nil {
		return chat.Finding{Name: "imap-ok", What: chat.Text{
			FR: fmt.Sprintf("Le dossier « %s » de %s sur %s peut être lu.", cfg.Folder, cfg.User, cfg.Server),
			EN: fmt.Sprintf("The folder “%s” of %s on %s can be read.", cfg.Folder, cfg.User, cfg.Server),
		}}
	}
	a.env.Log.Debug("check: mailbox", "err", err)
	stage := "connect"
	var e *imapError
	if errors.As(err, &e) {
		stage = e.stage
	}
	switch stage {
	case "login":
		return chat.Finding{Name: "imap-login", Level: chat.Problem,
			What: chat.Text{
				FR: fmt.Sprintf("Le serveur IMAP %s refuse la connexion de %s.", cfg.Server, cfg.User),
				EN: fmt.Sprintf("The IMAP server %s refuses the login of %s.", cfg.Server, cfg.User),
			},
			Do: chat.Text{
				FR: "Vérifiez imap.user et le mot de passe (première ligne de password_file).",
				EN: "Check imap.user and the password (first line of password_file).",
			}}
	case "folder":
		return chat.Finding{Name: "imap-folder-missing", Level: chat.Problem,
			What: chat.Text{
				FR: fmt.Sprintf("Le dossier « %s » n’existe pas dans la boîte de %s.", cfg.Folder, cfg.User),
				EN: fmt.Sprintf("The folder “%s” does not exist in the mailbox of %s.", cfg.Folder, cfg.User),
			},
			Do: chat.Text{
				FR: "Créez-le, ou corrigez imap.folder (INBOX est la boîte de réception).",
				EN: "Create it, or correct imap.folder (INBOX is the inbox).",
			}}
	case "tls", "tls-name":
		return chat.Finding{Name: "imap-tls-name", Level: chat.Problem, What: tlsWhat(cfg.Server, stage), Do: chat.Text{
			FR: "Écrivez dans imap.server le nom qui est dans le certificat, vérifiez imap.tls, ou donnez l’autorité dans ca_file.",
			EN: "Write the name that is in the certificate into imap.server, check imap.tls, or give the authority in ca_file.",
		}}
	}
	return chat.Finding{Name: "imap-unreachable", Level: chat.Problem,
		What: chat.Text{
			FR: fmt.Sprintf("Le serveur IMAP %s ne répond pas.", cfg.Server),
			EN: fmt.Sprintf("The IMAP server %s does not answer.", cfg.Server),
		},
		Do: chat.Text{
			FR: "Vérifiez imap.server (nom et port) et le pare-feu ; les courriels attendent dans la boîte.",
			EN: "Check imap.server (name and port) and the firewall; mails wait in the mailbox.",
		}}
}

// tlsWhat tells a certificate for another name from the rest.
func tlsWhat(server, stage string) chat.Text {
	host, _, _ := net.SplitHostPort(server)
	if stage == "tls-name" {
		return chat.Text{
			FR: fmt.Sprintf("Le certificat de %s n’est pas au nom de %s : la connexion est refusée.", server, host),
			EN: fmt.Sprintf("The certificate of %s is not for the name %s: the connection is refused.", server, host),
		}
	}
	return chat.Text{
		FR: fmt.Sprintf("La connexion à %s n’a pas pu être protégée (TLS).", server),
		EN: fmt.Sprintf("The connection to %s could not be protected (TLS).", server),
	}
}
