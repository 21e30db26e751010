package web

import "permanence/statuspage"

// week has something of everything: an outage, trouble, work in progress whose
// end has passed, work to come and postponed, cancelled, and done, texts in one
// language and in two.
func week() []statuspage.PublicIncident {
	mail := statuspage.PublicComponent{ID: "mail", Name: "Messagerie", Status: statuspage.Degraded}
	web := statuspage.PublicComponent{ID: "web", Name: "Hébergement web", Status: statuspage.PartialOutage}
	files := statuspage.PublicComponent{ID: "files", Name: "Fichiers partagés", Status: statuspage.UnderMaintenance}
	return []statuspage.PublicIncident{
		{
			Number: 52, UID: "k3mq7wzjv2xbna41", Kind: statuspage.Unplanned, Title: "Hébergement web : sites injoignables", Lang: "fr",
			Titles: []statuspage.PublicText{{Lang: "en", Body: "Web hosting: sites cannot be reached", Published: at(19, 21, 14)}},
			State:  statuspage.Monitoring, Impact: statuspage.Major,
			Started: at(19, 20, 47), Noticed: at(19, 20, 58), Published: at(19, 21, 2), NextWord: at(19, 22, 30), Updated: at(19, 21, 48),
			Components: []statuspage.PublicComponent{web},
			Updates: []statuspage.PublicUpdate{
				{UID: "w1", State: statuspage.Investigating, Body: "Une partie des sites répond par une erreur 502. Nous cherchons.", Lang: "fr", Published: at(19, 21, 2),
					Texts: []statuspage.PublicText{{Lang: "en", Body: "Some sites answer with a 502 error. We are looking into it.", Published: at(19, 21, 5)}}},
				{UID: "w2", State: statuspage.Identified, Body: "Un contrôleur de stockage a lâché ; les disques passent sur le second.\n\n- sites en lecture seule : **oui**\n- sauvegardes : intactes", Lang: "fr", Published: at(19, 21, 20), Edited: at(19, 21, 24),
					Texts: []statuspage.PublicText{{Lang: "en", Body: "A storage controller failed; the disks are moving to the second one.", Published: at(19, 21, 28)}}},
				{UID: "w3", State: statuspage.Monitoring, Body: "Les sites répondent de nouveau. Nous surveillons [le journal](https://forum.example.org/journal) cette nuit.", Lang: "fr", Published: at(19, 21, 48)},
			},
		},
		{
			Number: 51, UID: "p9dt4hyc6refsu28", Kind: statuspage.Unplanned, Title: "Messagerie : envois retardés", Lang: "fr",
			State: statuspage.Investigating, Impact: statuspage.Minor,
			Started: at(19, 19, 2), Published: at(19, 19, 5), Updated: at(19, 19, 5),
			Components: []statuspage.PublicComponent{mail},
			Updates: []statuspage.PublicUpdate{
				{UID: "m1", State: statuspage.Investigating, Body: "Les envois vers certains fournisseurs prennent jusqu’à une heure. Rien n’est perdu.", Lang: "fr", Published: at(19, 19, 5)},
			},
		},
		{
			Number: 50, UID: "z1lo8gkq5nvmti77", Kind: statuspage.Maintenance, Title: "Fichiers partagés : remplacement de disques", Lang: "fr",
			State: statuspage.InProgress, Impact: statuspage.PlannedImpact,
			Started: at(19, 20, 0), Published: at(12, 9, 0), ScheduledFor: at(19, 20, 0), ScheduledUntil: at(19, 21, 30), Updated: at(19, 20, 0),
			Components: []statuspage.PublicComponent{files},
			Updates: []statuspage.PublicUpdate{
				{UID: "d1", State: statuspage.Scheduled, Body: "Les fichiers seront en lecture seule.", Lang: "fr", Published: at(12, 9, 0)},
				{UID: "d2", State: statuspage.InProgress, Body: "Les travaux ont commencé.", Lang: "fr", Published: at(19, 20, 0)},
			},
		},
		{
			Number: 49, UID: "c7eu2bxw9jafho35", Kind: statuspage.Maintenance, Title: "Migration du stockage", Lang: "fr", Sequence: 1,
			State: statuspage.Scheduled, Impact: statuspage.PlannedImpact,
			Published: at(11, 9, 0), ScheduledFor: at(24, 22, 0), ScheduledUntil: at(25, 0, 0), Updated: at(14, 18, 30),
			Components: []statuspage.PublicComponent{files, {ID: "mail", Name: "Messagerie", Status: statuspage.UnderMaintenance}},
			Updates: []statuspage.PublicUpdate{
				{UID: "s1", State: statuspage.Scheduled, Body: "Nous changeons de baie de stockage : la messagerie et les fichiers seront interrompus quelques minutes à deux reprises.", Lang: "fr", Published: at(11, 9, 0), ScheduledFor: at(17, 22, 0), ScheduledUntil: at(18, 0, 0)},
				{UID: "s2", State: statuspage.Scheduled, Body: "Une pièce manque : les travaux sont reportés d’une semaine.", Lang: "fr", Published: at(14, 18, 30), ScheduledFor: at(24, 22, 0), ScheduledUntil: at(25, 0, 0)},
			},
		},
		{
			Number: 48, UID: "y5ri6dpn3kgzcm90", Kind: statuspage.Maintenance, Title: "Hébergement web : mise à jour de PHP, “8.5”, <sûr> & rapide; voir \\ le wiki", Lang: "fr", Sequence: 2, Cancelled: true,
			State: statuspage.Completed, Impact: statuspage.PlannedImpact,
			Published: at(9, 9, 0), Resolved: at(13, 12, 0), ScheduledFor: at(15, 6, 0), ScheduledUntil: at(15, 7, 0), Updated: at(13, 12, 0),
			Components: []statuspage.PublicComponent{{ID: "web", Name: "Hébergement web", Status: statuspage.UnderMaintenance}},
			Updates: []statuspage.PublicUpdate{
				{UID: "c1", State: statuspage.Scheduled, Body: "Chaque site sera coupé une minute.", Lang: "fr", Published: at(9, 9, 0)},
				{UID: "c2", State: statuspage.Completed, Body: "Ces travaux n’auront pas lieu.", Lang: "fr", Published: at(13, 12, 0)},
			},
		},
		{
			Number: 47, UID: "t2ws9vfl4hqbye16", Kind: statuspage.Unplanned, Title: "Hébergement web : certificats expirés", Lang: "fr",
			State: statuspage.Postmortem, Impact: statuspage.Critical,
			Started: at(8, 6, 0), Noticed: at(8, 7, 40), Published: at(8, 7, 55), Resolved: at(8, 9, 30), Updated: at(10, 17, 0),
			Components: []statuspage.PublicComponent{{ID: "web", Name: "Web", Status: statuspage.MajorOutage}, {ID: "gone", Name: "Ancien serveur", Status: statuspage.MajorOutage}},
			Updates: []statuspage.PublicUpdate{
				{UID: "e1", State: statuspage.Investigating, Body: "Les navigateurs refusent une partie des sites.", Lang: "fr", Published: at(8, 7, 55)},
				{UID: "e2", State: statuspage.Resolved, Body: "Les certificats sont renouvelés.", Lang: "fr", Published: at(8, 9, 30)},
				{UID: "e3", State: statuspage.Postmortem, Body: "Le renouvellement s’était arrêté sans le dire.\n\n| avant | après |\n|:--|--:|\n| 1 | 2 |\n\n> Une alerte veille désormais.\n\n```\ncertbot renew --dry-run\n```", Lang: "fr", Published: at(10, 17, 0)},
			},
		},
		{
			Number: 46, UID: "b8xn1jza7osdkw63", Kind: statuspage.Unplanned, Title: "Messagerie : ralentissements", Lang: "fr",
			State: statuspage.Resolved, Impact: statuspage.Minor,
			Started: at(7, 14, 10), Published: at(7, 14, 20), Resolved: at(7, 15, 5), Updated: at(7, 15, 5),
			Components: []statuspage.PublicComponent{mail},
			Updates: []statuspage.PublicUpdate{
				{UID: "r1", State: statuspage.Investigating, Body: "La messagerie est lente.", Lang: "fr", Published: at(7, 14, 20)},
				{UID: "r2", State: statuspage.Resolved, Body: "L’incident est terminé.", Lang: "fr", Published: at(7, 15, 5)},
			},
		},
	}
}

// weekComponents are the services of week, as the configuration has them.
func weekComponents() statuspage.Components {
	return statuspage.Components{
		{ID: "web", Name: "Hébergement web"}, {ID: "mail", Name: "Messagerie"},
		{ID: "files", Name: "Fichiers partagés"}, {ID: "lists", Name: "Listes de diffusion"},
	}
}
