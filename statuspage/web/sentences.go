package web

import "permanence/statuspage"

// sentences are the fixed words of the page in one language, with no-break
// spaces where French wants them.
type sentences struct {
	Title, Home, History, Feed, OtherLanguage, Skip string
	Open, Planned, NonePlanned, Services, Recent    string
	NoneRecent, NothingRecent, NoneMonth            string
	Since, Duration, Touches                        string
	NextWord, PlannedFor, PlannedEndPassed          string
	Corrected, Permalink, All, Previous, Next       string
	Stale, Zone                                     string
	NotFound, NotFoundDo                            string
	Unavailable, UnavailableDo                      string
	FeedSubtitle, Colon                             string
}

func sentencesIn(lang string) sentences {
	if lang == "en" {
		return sentences{
			Title: "Service status", Home: "Overview", History: "History", Feed: "Atom feed", OtherLanguage: "Français", Skip: "Skip to the content",
			Open: "Open incidents", Planned: "Planned work", NonePlanned: "No work is planned.", Services: "Services", Recent: "Last 14 days",
			NoneRecent: "No other incident in the last 14 days.", NoneMonth: "No incident this month.", NothingRecent: "No incident in the last 14 days.",
			Since: "since", Duration: "lasted", Touches: "Services",
			NextWord: "Next word", PlannedFor: "Planned", PlannedEndPassed: "The planned end has passed.",
			Corrected: "corrected", Permalink: "Link to this update", All: "All updates", Previous: "Previous month", Next: "Next month",
			Stale: "This page cannot be refreshed at the moment. What you read dates from", Zone: "Time zone",
			NotFound: "There is nothing at this address.", NotFoundDo: "The overview shows what is going on; the history has the rest.",
			Unavailable: "The state of the services cannot be read at the moment.", UnavailableDo: "This says nothing about the services themselves. Please try again in a moment.",
			FeedSubtitle: "Incidents and planned work, one entry per update", Colon: ": ",
		}
	}
	return sentences{
		Title: "État des services", Home: "Vue d’ensemble", History: "Historique", Feed: "Flux Atom", OtherLanguage: "English", Skip: "Aller au contenu",
		Open: "Incidents en cours", Planned: "Travaux prévus", NonePlanned: "Aucuns travaux ne sont prévus.", Services: "Services", Recent: "14 derniers jours",
		NoneRecent: "Aucun autre incident ces 14 derniers jours.", NoneMonth: "Aucun incident ce mois-ci.", NothingRecent: "Aucun incident ces 14 derniers jours.",
		Since: "depuis", Duration: "durée", Touches: "Services",
		NextWord: "Prochaines nouvelles", PlannedFor: "Prévus", PlannedEndPassed: "La fin prévue est passée.",
		Corrected: "corrigé", Permalink: "Lien vers ce message", All: "Tous les messages", Previous: "Mois précédent", Next: "Mois suivant",
		Stale: "Cette page ne peut pas être mise à jour en ce moment. Ce que vous lisez date de", Zone: "Fuseau horaire",
		NotFound: "Il n’y a rien à cette adresse.", NotFoundDo: "La vue d’ensemble montre ce qui se passe ; l’historique a le reste.",
		Unavailable: "L’état des services ne peut pas être lu en ce moment.", UnavailableDo: "Cela ne dit rien des services eux-mêmes. Merci de réessayer dans un instant.",
		FeedSubtitle: "Incidents et travaux, une entrée par message", Colon: "\u00a0: ",
	}
}

// overall is the state of everything, in words.
func overall(lang string, worst statuspage.Impact, open int) string {
	pick := func(fr, en string) string {
		if lang == "en" {
			return en
		}
		return fr
	}
	switch {
	case worst == statuspage.PlannedImpact:
		return pick("Des travaux sont en cours", "Work is in progress")
	case worst == statuspage.Minor:
		return pick("Une partie des services est perturbée", "Some services are degraded")
	case worst == statuspage.Major:
		return pick("Une partie des services est en panne", "Some services are down")
	case worst == statuspage.Critical:
		return pick("Panne critique", "Critical outage")
	case open > 0:
		return pick("Incident en cours, sans effet visible", "Open incident without visible effect")
	}
	return pick("Tout fonctionne", "Everything works")
}
