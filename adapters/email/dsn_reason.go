package email

import (
	"strings"

	"permanence/bot/chat"
	"permanence/internal/markup"
)

// explanation is what an enhanced status code (RFC 3463 and its registry)
// means to the person who wrote the mail, and what can be done.
type explanation struct {
	code string // "5.1.1", or "5.1." for all of a kind
	chat.Text
}

// explanations are looked through in order: the precise ones first.
var explanations = [...]explanation{
	{"5.1.0", chat.Text{FR: "l’adresse est refusée ; vérifiez-la avec la personne", EN: "the address is refused; check it with the person"}},
	{"5.1.1", chat.Text{FR: "cette adresse n’existe pas ; vérifiez son orthographe ou joignez la personne autrement", EN: "this address does not exist; check its spelling or reach the person in another way"}},
	{"5.1.2", chat.Text{FR: "le domaine de l’adresse n’existe pas ; vérifiez son orthographe", EN: "the domain of the address does not exist; check its spelling"}},
	{"5.1.3", chat.Text{FR: "l’adresse est mal écrite", EN: "the address is misspelt"}},
	{"5.1.6", chat.Text{FR: "la boîte a déménagé, sans nouvelle adresse connue", EN: "the mailbox has moved, without a known new address"}},
	{"5.1.8", chat.Text{FR: "l’autre serveur refuse notre adresse d’expédition ; une personne qui administre doit vérifier le DNS du domaine", EN: "the other server refuses our sending address; an administrator must check the domain's DNS"}},
	{"5.1.10", chat.Text{FR: "le domaine ne reçoit pas de courrier", EN: "the domain receives no mail"}},
	{"5.1.", chat.Text{FR: "l’adresse pose problème ; vérifiez-la", EN: "something is wrong with the address; check it"}},
	{"5.2.1", chat.Text{FR: "la boîte est désactivée", EN: "the mailbox is disabled"}},
	{"5.2.2", chat.Text{FR: "la boîte est pleine ; il faut réessayer plus tard ou joindre la personne autrement", EN: "the mailbox is full; try again later or reach the person in another way"}},
	{"4.2.2", chat.Text{FR: "la boîte est pleine ; l’envoi est retenté", EN: "the mailbox is full; the delivery is tried again"}},
	{"5.2.3", chat.Text{FR: "le message est trop gros pour cette boîte ; partagez les fichiers par un lien", EN: "the message is too large for this mailbox; share the files by a link"}},
	{"5.3.4", chat.Text{FR: "le message est trop gros pour ce serveur ; partagez les fichiers par un lien", EN: "the message is too large for this server; share the files by a link"}},
	{"5.2.", chat.Text{FR: "la boîte ne peut pas recevoir ce message", EN: "the mailbox cannot receive this message"}},
	{"5.4.1", chat.Text{FR: "le serveur de destination refuse ce courrier", EN: "the destination server refuses this mail"}},
	{"5.4.4", chat.Text{FR: "aucun serveur ne reçoit le courrier de ce domaine ; vérifiez l’adresse", EN: "no server receives mail for this domain; check the address"}},
	{"5.4.7", chat.Text{FR: "le serveur de destination n’a pas répondu à temps ; le message est abandonné", EN: "the destination server did not answer in time; the message was given up"}},
	{"4.4.1", chat.Text{FR: "le serveur de destination ne répond pas ; l’envoi est retenté", EN: "the destination server does not answer; the delivery is tried again"}},
	{"4.4.2", chat.Text{FR: "la connexion au serveur de destination a été coupée ; l’envoi est retenté", EN: "the connection to the destination server was cut; the delivery is tried again"}},
	{"4.4.7", chat.Text{FR: "le message attend depuis longtemps ; l’envoi est encore retenté", EN: "the message has been waiting for long; the delivery is still tried again"}},
	{"4.4.", chat.Text{FR: "le serveur de destination est injoignable pour le moment ; l’envoi est retenté", EN: "the destination server cannot be reached for now; the delivery is tried again"}},
	{"5.4.", chat.Text{FR: "le serveur de destination est injoignable", EN: "the destination server cannot be reached"}},
	{"5.5.", chat.Text{FR: "les deux serveurs ne se sont pas compris ; une personne qui administre doit regarder", EN: "the two servers did not understand each other; an administrator must have a look"}},
	{"5.6.", chat.Text{FR: "le contenu ou un fichier joint est refusé", EN: "the content or an attached file is refused"}},
	{"5.7.129", chat.Text{FR: "cette boîte n’accepte que les courriels de personnes autorisées", EN: "this mailbox accepts mail from authorised people only"}},
	{"5.7.133", chat.Text{FR: "cette liste n’accepte que les courriels de son organisation", EN: "this group accepts mail from its own organisation only"}},
	{"5.7.20", chat.Text{FR: "la signature DKIM de notre domaine est refusée ; une personne qui administre doit la corriger", EN: "our domain's DKIM signature is refused; an administrator must correct it"}},
	{"5.7.23", chat.Text{FR: "le SPF de notre domaine n’autorise pas notre serveur ; une personne qui administre doit le corriger", EN: "our domain's SPF does not allow our server; an administrator must correct it"}},
	{"5.7.25", chat.Text{FR: "notre serveur n’a pas de nom inverse dans le DNS ; une personne qui administre doit le corriger", EN: "our server has no reverse name in the DNS; an administrator must correct it"}},
	{"5.7.26", chat.Text{FR: "notre domaine n’est pas authentifié (SPF, DKIM) pour ce destinataire ; une personne qui administre doit le corriger", EN: "our domain is not authenticated (SPF, DKIM) for this recipient; an administrator must correct it"}},
	{"5.7.", chat.Text{FR: "le serveur de destination refuse ce message pour des raisons de sécurité ou parce qu’il le prend pour un indésirable", EN: "the destination server refuses this message for reasons of security, or because it takes it for spam"}},
	{"4.7.", chat.Text{FR: "le serveur de destination demande de patienter ; l’envoi est retenté", EN: "the destination server asks to wait; the delivery is tried again"}},
	{"4.2.", chat.Text{FR: "la boîte ne peut pas recevoir pour le moment ; l’envoi est retenté", EN: "the mailbox cannot receive for now; the delivery is tried again"}},
	{"4.", chat.Text{FR: "le serveur de destination a un empêchement passager ; l’envoi est retenté", EN: "the destination server has a temporary difficulty; the delivery is tried again"}},
	{"2.", chat.Text{FR: "le message est arrivé", EN: "the message has arrived"}},
	{"5.", chat.Text{FR: "le serveur de destination refuse ce message", EN: "the destination server refuses this message"}},
}

// reason explains to people why a mail did not arrive: by the enhanced status
// code, else by the one in the diagnostic, else by its words. What the other
// server said stands behind it, made harmless.
func reason(status, diagnostic string) chat.Text {
	// Servers give a vague status beside a precise diagnostic.
	code := enhanced.FindString(status)
	if precise := enhanced.FindString(diagnostic); code == "" || strings.HasSuffix(code, ".0.0") && precise != "" {
		code = precise
	}
	if code == "" {
		code = guess(diagnostic)
	}
	text := chat.Text{FR: "le message n’a pas pu être remis", EN: "the message could not be delivered"}
	for _, e := range explanations {
		if code == e.code || strings.HasSuffix(e.code, ".") && strings.HasPrefix(code, e.code) {
			text = e.Text
			break
		}
	}
	if said, _ := markup.Excerpt(markup.Inert(oneLine(diagnostic, 500)), 200); said != "" {
		text.FR += " (« " + said + " »)"
		text.EN += " (“" + said + "”)"
	} else if code != "" {
		text.FR += " (" + code + ")"
		text.EN += " (" + code + ")"
	}
	return text
}

// guess finds a code for the words of servers that give none.
func guess(diagnostic string) string {
	s := markup.Fold(diagnostic)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(s, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("user unknown", "no such user", "unknown user", "does not exist", "no mailbox here", "user not found", "recipient rejected", "unknown recipient", "invalid recipient"):
		return "5.1.1"
	case has("mailbox full", "over quota", "quota exceeded", "mailbox is full"):
		return "5.2.2"
	case has("too large", "too big", "size limit", "exceeds"):
		return "5.2.3"
	case has("host not found", "domain not found", "nxdomain", "couldn't find any host", "no mx"):
		return "5.1.2"
	case has("greylist", "graylist", "try again later"):
		return "4.7.1"
	case has("spam", "blocked", "blacklist", "blocklist", "policy", "denied"):
		return "5.7.1"
	case has("timed out", "timeout", "connection refused"):
		return "4.4.1"
	case strings.HasPrefix(s, "4"):
		return "4.0.0"
	case strings.HasPrefix(s, "5"):
		return "5.0.0"
	}
	return ""
}
