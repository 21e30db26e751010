package irc

import (
	"strings"

	"permanence/bot/chat"
)

// refusal makes an error of what a server answers to something that we said or
// asked in target: a numeric's three digits, or the code of a standard reply
// (FAIL). ok is false for answers that refuse nothing.
func refusal(code, target, text string, person bool) (e *chat.Error, ok bool) {
	r, ok := refusals[code]
	if !ok {
		return nil, false
	}
	if code == "401" && !person {
		r = refusals["403"] // "no such nick/channel"
	}
	e = &chat.Error{Kind: r.kind, Reason: chat.Text{
		FR: strings.ReplaceAll(r.fr, "%", target),
		EN: strings.ReplaceAll(r.en, "%", target),
	}, Err: &serverError{code, text}}
	return e, true
}

// serverError is a server's answer, for the log.
type serverError struct{ code, text string }

func (e *serverError) Error() string { return e.code + " " + e.text }

type refusalText struct {
	kind   chat.Kind
	fr, en string
}

// refusals are the answers that say no
// (https://modern.ircdocs.horse/#numerics; 477, 489 and 531 differ from server
// to server, but all of them say no).
var refusals = map[string]refusalText{
	"401": {chat.Absent, "% n’est pas là", "% is not there"},
	"402": {chat.Absent, "% n’est pas là", "% is not there"},
	"403": {chat.Gone, "le salon % n’existe pas", "there is no channel %"},
	"404": {chat.Unauthorised, "le serveur refuse que nous parlions dans % (salon modéré, bannissement ou voix nécessaire)", "the server does not let us speak in % (moderated, banned, or voice needed)"},
	"405": {chat.Unauthorised, "nous sommes dans trop de salons pour entrer dans %", "we are in too many channels to enter %"},
	"407": {chat.Permanent, "trop de destinataires", "too many recipients"},
	"411": {chat.Permanent, "il manque le destinataire", "the recipient is missing"},
	"412": {chat.Permanent, "il n’y a rien à dire", "there is nothing to say"},
	"417": {chat.Permanent, "le serveur trouve la ligne trop longue", "the server finds the line too long"},
	"421": {chat.Permanent, "le serveur ne connaît pas cette commande", "the server does not know this command"},
	"437": {chat.Temporary, "% est indisponible pour le moment", "% is unavailable for now"},
	"439": {chat.RateLimited, "le serveur nous trouve trop rapides", "the server finds us too fast"},
	"442": {chat.Gone, "nous ne sommes pas dans %", "we are not in %"},
	"461": {chat.Permanent, "le serveur n’a pas compris", "the server did not understand"},
	"471": {chat.Unauthorised, "le salon % est plein", "the channel % is full"},
	"473": {chat.Unauthorised, "le salon % ne s’ouvre que sur invitation", "the channel % is invite-only"},
	"474": {chat.Unauthorised, "nous sommes bannis de %", "we are banned from %"},
	"475": {chat.Unauthorised, "la clé du salon % n’est pas la bonne", "the key of the channel % is not right"},
	"476": {chat.Permanent, "% n’est pas un nom de salon", "% is no name of a channel"},
	"477": {chat.Unauthorised, "% demande un compte connecté", "% asks for a logged-in account"},
	"480": {chat.Unauthorised, "le serveur refuse l’entrée dans %", "the server does not let us into %"},
	"482": {chat.Unauthorised, "il faut être opérateur de % pour cela", "one must be an operator of % for that"},
	"489": {chat.Unauthorised, "% demande une connexion chiffrée ou la voix", "% asks for a secure connection or for voice"},
	"520": {chat.Unauthorised, "% est réservé aux opérateurs du réseau", "% is for the network's operators only"},
	"531": {chat.Unauthorised, "% n’accepte pas nos messages", "% does not accept our messages"},
	"716": {chat.Unauthorised, "% n’accepte que les messages de personnes choisies", "% accepts messages of chosen people only"},

	// Standard replies (https://ircv3.net/specs/extensions/standard-replies).
	"INVALID_TARGET":       {chat.Gone, "% n’existe pas", "there is no %"},
	"CANNOT_SEND":          {chat.Unauthorised, "le serveur refuse que nous parlions dans %", "the server does not let us speak in %"},
	"NEED_MORE_PARAMS":     {chat.Permanent, "le serveur n’a pas compris", "the server did not understand"},
	"ACCOUNT_REQUIRED":     {chat.Unauthorised, "le serveur demande un compte connecté", "the server asks for a logged-in account"},
	"MESSAGE_ERROR":        {chat.Temporary, "le serveur n’a pas pu traiter le message", "the server could not process the message"},
	"MESSAGE_RATE_LIMITED": {chat.RateLimited, "le serveur nous trouve trop rapides", "the server finds us too fast"},
}

// Reasons of our own.
var (
	notConnected = chat.Text{
		FR: "nous ne sommes pas connectés au serveur IRC",
		EN: "we are not connected to the IRC server",
	}
	cutMeanwhile = chat.Text{
		FR: "la connexion au serveur IRC s’est coupée avant sa réponse",
		EN: "the connection to the IRC server broke before it answered",
	}
)

func notInRoom(room string) *chat.Error {
	e, _ := refusal("442", room, "", false)
	return e
}

func cannot(fr, en string) error {
	return &chat.Error{Kind: chat.Permanent, Reason: chat.Text{
		FR: "IRC ne connaît pas " + fr, EN: "IRC knows no " + en,
	}}
}

// strangerGone: an identity without account is over.
func strangerGone(nick string) *chat.Error {
	return &chat.Error{Kind: chat.Gone, Reason: chat.Text{
		FR: nick + " (sans compte) a quitté IRC ou a été perdu de vue : rien ne prouve plus qui porte ce pseudo",
		EN: nick + " (without account) left IRC or was lost from sight: nothing proves any more who has this nick",
	}}
}

func absent(name string) *chat.Error {
	e, _ := refusal("401", name, "", true)
	return e
}
