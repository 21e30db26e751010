// Package ticketcmd is the verbs of the help desk: thin, each a few lines
// between the command table and the engine.
package ticketcmd

import (
	"permanence/bot"
	"permanence/bot/chat"
	"permanence/bot/command"
)

type spec = command.Spec[*bot.Call]

func names(fr []string, en ...string) command.Names { return command.Names{FR: fr, EN: en} }
func fr(words ...string) []string                   { return words }
func text(fr, en string) chat.Text                  { return chat.Text{FR: fr, EN: en} }

// Specs are the verbs for tickets.
func Specs() []command.Spec[*bot.Call] {
	return []spec{
		{ID: "reply", Names: names(fr("répondre", "r"), "reply"), Who: command.Agents, Proposes: true, NeedsTicket: true, Text: true,
			Usage: text("texte", "text"), Summary: text("envoyer le texte à qui a demandé, après un court délai", "send the text to those who asked, after a short hold"), Run: reply},
		{ID: "reply-close", Names: names(fr("répondre-fermer", "rf"), "reply-close"), Who: command.Agents, Proposes: true, NeedsTicket: true, Text: true,
			Usage: text("texte", "text"), Summary: text("envoyer, puis fermer le ticket", "send, then close the ticket"), Run: replyClose},
		{ID: "stop", Names: names(fr("stop"), "stop"), Who: command.Agents, Proposes: true, NeedsTicket: true,
			Summary: text("arrêter une réponse avant son départ", "stop a reply before it leaves"), Run: stop},
		{ID: "send", Names: names(fr("envoyer"), "send"), Who: command.Agents, Proposes: true, NeedsTicket: true,
			Summary: text("envoyer les lignes rassemblées, ou votre dernier message du fil", "send the lines gathered, or your last message of the thread"), Run: send},
		{ID: "review", Names: names(fr("relire"), "review"), Who: command.Team, NeedsTicket: true,
			Usage: text("[@quelqu’un]", "[@someone]"), Summary: text("demander une relecture avant l’envoi", "ask for a second pair of eyes before sending"), Run: review},
		{ID: "claim", Names: names(fr("prendre"), "claim", "take"), Who: command.Agents, NeedsTicket: true,
			Summary: text("prendre le ticket", "take the ticket"), Run: claim},
		{ID: "release", Names: names(fr("lâcher"), "release"), Who: command.Agents, NeedsTicket: true,
			Summary: text("rendre le ticket à tout le monde", "give the ticket back to everybody"), Run: release},
		{ID: "assign", Names: names(fr("confier"), "assign"), Who: command.Agents, NeedsTicket: true,
			Usage: text("@quelqu’un", "@someone"), Summary: text("confier le ticket à quelqu’un", "give the ticket to someone"), Run: assign},
		{ID: "close", Names: names(fr("fermer", "clore"), "close"), Who: command.Agents, NeedsTicket: true,
			Summary: text("fermer le ticket, sans rien dire dehors", "close the ticket, saying nothing outside"), Run: closeTicket},
		{ID: "reopen", Names: names(fr("rouvrir"), "reopen"), Who: command.Agents, NeedsTicket: true,
			Summary: text("rouvrir le ticket", "reopen the ticket"), Run: reopen},
		{ID: "wait", Names: names(fr("attendre"), "wait"), Who: command.Agents, NeedsTicket: true,
			Summary: text("noter que l’on attend la personne", "note that the asker is to answer"), Run: wait},
		{ID: "focus", Names: names(fr("sur"), "focus"), Who: command.Team,
			Usage: text("[#42]", "[#42]"), Summary: text("rester sur un ticket, ou le quitter", "stay on a ticket, or leave it"), Run: focus},
		{ID: "list", Names: names(fr("liste"), "list"), Who: command.Team,
			Usage: text("[moi|libres|tout]", "[mine|free|all]"), Summary: text("les tickets ouverts", "the open tickets"), Run: list},
		{ID: "show", Names: names(fr("voir"), "show"), Who: command.Team, NeedsTicket: true,
			Summary: text("un ticket et ses derniers messages", "a ticket and its last messages"), Run: show},
		{ID: "find", Names: names(fr("chercher"), "find"), Who: command.Team, Text: true,
			Usage: text("mots", "words"), Summary: text("chercher dans les tickets", "search the tickets"), Run: find},
		{ID: command.HelpID, Names: names(fr("aide"), "help"), Who: command.Anyone,
			Usage: text("[commande]", "[command]"), Summary: text("cette aide", "this help"), Run: help},
		{ID: "ticket", Names: names(fr("ticket"), "ticket"), Who: command.Anyone, Text: true, Umbrella: true,
			Usage:   text("texte | pseudo | pour adresse texte", "text | nick | for address text"),
			Summary: text("ouvrir un ticket : le vôtre, celui d’un message de quelqu’un, ou vers une adresse", "open a ticket: yours, of somebody’s message, or towards an address"), Run: ticket},
		{ID: "dm", Names: names(fr("mp"), "dm"), Who: command.Agents, NeedsTicket: true,
			Summary: text("continuer en message privé (et revenir)", "go on in a direct message (and back)"), Run: direct},
		{ID: "private", Names: names(fr("privé"), "private"), Who: command.Agents, NeedsTicket: true,
			Summary: text("réserver le ticket à la personne et à l’équipe", "keep the ticket to the asker and the team"), Run: private},
		{ID: "share", Names: names(fr("partager"), "share"), Who: command.Agents, NeedsTicket: true,
			Summary: text("montrer le ticket à qui a accès au service", "show the ticket to those with access to the service"), Run: share},
		{ID: "service", Names: names(fr("service"), "service"), Who: command.Agents, NeedsTicket: true,
			Usage: text("nom", "name"), Summary: text("dire quel service est concerné", "say which service is concerned"), Run: service},
		{ID: "member", Names: names(fr("membre"), "member"), Who: command.Coordinators,
			Usage: text("@quelqu’un agent|essai|coordination|aucun", "@someone agent|trainee|coordinator|none"), Summary: text("donner un rôle", "give a role"), Run: member},
	}
}
