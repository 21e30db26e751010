package playground

import "strings"

// pageWords are the page's sentences; those that the script needs are in its
// configuration under their JSON names.
type pageWords struct {
	Lang                                             string   `json:"lang"`
	Title                                            string   `json:"-"`
	Lead                                             string   `json:"-"`
	Steps, StepsNoMail                               []string `json:"-"`     // SUPPORT, ROOM, BOT and HOW are replaced
	ByMention, ByCommand                             string   `json:"-"`     // HOW
	Colon                                            string   `json:"colon"` // as the language spaces it
	Tabs                                             string   `json:"-"`
	Mail, Public, Team, Status, PublicTab, StatusTab string   `json:"-"`
	Room, Who, Write, To, Subject, Text, SendMail    string   `json:"-"`
	CloseWord, NewMail, MailList, Skip, HintsTitle   string   `json:"-"`

	Live        string `json:"live"`
	Lost        string `json:"lost"`
	Empty       string `json:"empty"`
	NoMail      string `json:"noMail"`
	Send        string `json:"send"`
	Message     string `json:"message"`
	InThread    string `json:"inThread"`
	Thread      string `json:"thread"`
	OpenThread  string `json:"openThread"`
	Reply1      string `json:"reply1"`
	ReplyN      string `json:"replyN"`
	React       string `json:"react"`
	MoreEmoji   string `json:"moreEmoji"`
	Edit        string `json:"edit"`
	Delete      string `json:"delete"`
	DeleteSure  string `json:"deleteSure"`
	Deleted     string `json:"deleted"`
	Edited      string `json:"edited"`
	Pinned      string `json:"pinned"`
	Bot         string `json:"bot"`
	Attach      string `json:"attach"`
	Close       string `json:"close"`
	Cancel      string `json:"cancel"`
	Save        string `json:"save"`
	OnlyYou     string `json:"onlyYou"`
	Direct      string `json:"direct"`
	DirectTo    string `json:"directTo"`
	Visitor     string `json:"visitor"`
	VisitorName string `json:"visitorName"`
	Answer      string `json:"answer"`
	Source      string `json:"source"`
	Accepted    string `json:"accepted"`
	Later       string `json:"later"`
	Refused     string `json:"refused"`
	Unreachable string `json:"unreachable"`
	Automatic   string `json:"automatic"`
	From        string `json:"from"`
	ToWord      string `json:"to"`
	Cc          string `json:"cc"`
	Optional    string `json:"optional"`
	Failed      string `json:"failed"`
	New         string `json:"new"`
	RoomGone    string `json:"roomGone"`
	In          string `json:"in"`
}

var french = pageWords{
	Lang:  "fr",
	Title: "Bac à sable de Permanence",
	Lead:  "Les deux côtés d’une demande, en direct. Rien ne sort de cette machine.",
	Steps: []string{
		"**Écrivez un mail** à `SUPPORT`, ou posez une question dans #ROOMHOW.",
		"**Une fiche arrive dans l’équipe** : ouvrez son fil.",
		"**Répondez dans le fil** : cela reste entre vous. Puis touchez ✉️ sur votre message pour l’envoyer.",
		"**La réponse part** après un court délai (⏳ puis 📬) : lisez-la dans le courrier, et répondez.",
	},
	StepsNoMail: []string{
		"**Posez une question** dans #ROOMHOW.",
		"**Une fiche arrive dans l’équipe** : ouvrez son fil.",
		"**Répondez dans le fil** : cela reste entre vous. Puis touchez ✉️ sur votre message pour l’envoyer.",
		"**La réponse part** après un court délai (⏳ puis 📬) : lisez-la dans #ROOM, et répondez.",
	},
	ByMention: " en commençant par @BOT", ByCommand: " avec `!ticket`", Colon: "\u00a0: ",
	Tabs: "Parties de la page", Mail: "Courrier", Public: "Salon public", Team: "Équipe", Status: "État des services", PublicTab: "Public", StatusTab: "État",
	Room: "Salon", Who: "Je suis", Write: "Écrire un mail", To: "À", Subject: "Objet", Text: "Texte", SendMail: "Envoyer le mail",
	CloseWord: "Fermer", NewMail: "Nouveau mail", MailList: "Mails reçus et écrits", Skip: "Aller à l’équipe", HintsTitle: "En une minute",

	Live: "en direct", Lost: "connexion perdue, nouvel essai…", Empty: "Rien ici pour l’instant.",
	NoMail: "Pas encore de mail. Écrivez le premier !", Send: "Envoyer", Message: "Message dans", InThread: "Message dans le fil",
	Thread: "Fil", OpenThread: "Ouvrir le fil", Reply1: "1 réponse", ReplyN: "réponses", React: "Réagir avec", MoreEmoji: "Autres émojis",
	Edit: "Corriger", Delete: "Supprimer", DeleteSure: "Supprimer ce message ?", Deleted: "message supprimé", Edited: "corrigé",
	Pinned: "épinglé", Bot: "robot", Attach: "Joindre un fichier", Close: "Fermer", Cancel: "Annuler", Save: "Enregistrer",
	OnlyYou: "Pour vous seulement", Direct: "＋ Message privé…", DirectTo: "Message privé à", Visitor: "＋ Visiteur…", VisitorName: "Nom du visiteur",
	Answer: "Répondre", Source: "Source", Accepted: "accepté", Later: "pas maintenant", Refused: "refusé", Unreachable: "injoignable",
	Automatic: "automatique", From: "De", ToWord: "À", Cc: "Copie", Optional: "facultatif", Failed: "Cela n’a pas marché", New: "nouveau",
	RoomGone: "Ce salon est fermé.", In: "dans",
}

var english = pageWords{
	Lang:  "en",
	Title: "Permanence playground",
	Lead:  "Both sides of a request, live. Nothing leaves this machine.",
	Steps: []string{
		"**Write a mail** to `SUPPORT`, or ask in #ROOMHOW.",
		"**A card arrives in the team's room**: open its thread.",
		"**Answer in the thread**: that stays among you. Then tap ✉️ on your message to send it.",
		"**The answer leaves** after a short hold (⏳ then 📬): read it in the mailbox, and answer.",
	},
	StepsNoMail: []string{
		"**Ask a question** in #ROOMHOW.",
		"**A card arrives in the team's room**: open its thread.",
		"**Answer in the thread**: that stays among you. Then tap ✉️ on your message to send it.",
		"**The answer leaves** after a short hold (⏳ then 📬): read it in #ROOM, and answer.",
	},
	ByMention: ", beginning with @BOT", ByCommand: " with `!ticket`", Colon: ": ",
	Tabs: "Parts of the page", Mail: "Mailbox", Public: "Public room", Team: "Team", Status: "Service status", PublicTab: "Public", StatusTab: "Status",
	Room: "Room", Who: "I am", Write: "Write a mail", To: "To", Subject: "Subject", Text: "Text", SendMail: "Send the mail",
	CloseWord: "Close", NewMail: "New mail", MailList: "Mails received and written", Skip: "Go to the team", HintsTitle: "In a minute",

	Live: "live", Lost: "connection lost, trying again…", Empty: "Nothing here for now.",
	NoMail: "No mail yet. Write the first one!", Send: "Send", Message: "Message in", InThread: "Message in the thread",
	Thread: "Thread", OpenThread: "Open the thread", Reply1: "1 reply", ReplyN: "replies", React: "React with", MoreEmoji: "More emoji",
	Edit: "Edit", Delete: "Delete", DeleteSure: "Delete this message?", Deleted: "message deleted", Edited: "edited",
	Pinned: "pinned", Bot: "bot", Attach: "Attach a file", Close: "Close", Cancel: "Cancel", Save: "Save",
	OnlyYou: "Only for you", Direct: "＋ Direct message…", DirectTo: "Direct message to", Visitor: "＋ Visitor…", VisitorName: "Visitor's name",
	Answer: "Reply", Source: "Source", Accepted: "accepted", Later: "not now", Refused: "refused", Unreachable: "unreachable",
	Automatic: "automatic", From: "From", ToWord: "To", Cc: "Copy", Optional: "optional", Failed: "That did not work", New: "new",
	RoomGone: "This room is closed.", In: "in",
}

// how tells how to ask in a room where opens opens a ticket.
func (w pageWords) how(opens string) string {
	switch opens {
	case "mention":
		return w.ByMention
	case "command":
		return w.ByCommand
	}
	return ""
}

// wordsFor picks the language of an Accept-Language header (RFC 9110 section
// 12.5.4): English where it stands before French, else French.
func wordsFor(accept string) pageWords {
	best, quality := french, -1.0
	for _, item := range strings.Split(accept, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q = parseQuality(v)
		}
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		switch {
		case q <= quality:
		case primary == "fr":
			best, quality = french, q
		case primary == "en":
			best, quality = english, q
		}
	}
	return best
}

// parseQuality reads "0.8"; what is no number counts nothing.
func parseQuality(s string) float64 {
	whole, digits, _ := strings.Cut(strings.TrimSpace(s), ".")
	if whole == "1" {
		return 1
	}
	q, unit := 0.0, 0.1
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0
		}
		q += float64(c-'0') * unit
		unit /= 10
	}
	return q
}
