package statuspage

import "permanence/bot/chat"

// Text is the state as people read it, in lower case.
func (s State) Text() chat.Text {
	switch s {
	case Investigating:
		return chat.Text{FR: "en cours d’analyse", EN: "investigating"}
	case Identified:
		return chat.Text{FR: "cause identifiée", EN: "cause identified"}
	case Monitoring:
		return chat.Text{FR: "correctif en place, sous surveillance", EN: "fix in place, monitoring"}
	case Resolved:
		return chat.Text{FR: "terminé", EN: "resolved"}
	case Postmortem:
		return chat.Text{FR: "bilan", EN: "post-mortem"}
	case Scheduled:
		return chat.Text{FR: "programmés", EN: "scheduled"}
	case InProgress:
		return chat.Text{FR: "en cours", EN: "in progress"}
	case Verifying:
		return chat.Text{FR: "vérification", EN: "verifying"}
	case Completed:
		return chat.Text{FR: "terminés", EN: "completed"}
	}
	return chat.Text{FR: string(s), EN: string(s)}
}

// StateText is the state as people read it, in lower case; work that was
// cancelled says so, where Statuspage v2 has but "completed".
func (i Incident) StateText() chat.Text {
	return PublicIncident{State: i.State, Cancelled: i.Cancelled}.StateText()
}

// stateSentence is the body of an update that says nothing but its state.
func stateSentence(s State, lang string) string { return upperFirst(s.Text().In(lang)) + "." }

// Text is the impact as people read it, in lower case.
func (i Impact) Text() chat.Text {
	switch i {
	case NoImpact:
		return chat.Text{FR: "sans effet visible", EN: "no visible effect"}
	case Minor:
		return chat.Text{FR: "gêne mineure", EN: "minor impact"}
	case Major:
		return chat.Text{FR: "gêne majeure", EN: "major impact"}
	case Critical:
		return chat.Text{FR: "panne critique", EN: "critical outage"}
	case PlannedImpact:
		return chat.Text{FR: "travaux", EN: "maintenance"}
	}
	return chat.Text{FR: string(i), EN: string(i)}
}

// Text is the component's status as people read it, in lower case.
func (s Status) Text() chat.Text {
	switch s {
	case Operational:
		return chat.Text{FR: "fonctionne", EN: "operational"}
	case Degraded:
		return chat.Text{FR: "perturbations", EN: "degraded"}
	case PartialOutage:
		return chat.Text{FR: "panne partielle", EN: "partial outage"}
	case MajorOutage:
		return chat.Text{FR: "panne", EN: "major outage"}
	case UnderMaintenance:
		return chat.Text{FR: "travaux en cours", EN: "under maintenance"}
	}
	return chat.Text{FR: string(s), EN: string(s)}
}

// Text is the kind as it opens a headline.
func (k Kind) Text() chat.Text {
	if k == Maintenance {
		return chat.Text{FR: "Travaux", EN: "Maintenance"}
	}
	return chat.Text{FR: "Incident", EN: "Incident"}
}

// label is a word that people type and what it means; words are folded, the
// longest match counts.
type label[T any] struct {
	words []string
	means T
}

func stateLabels() []label[State] {
	return []label[State]{
		{[]string{"analyse", "en analyse", "en cours d'analyse", "recherche", "investigating"}, Investigating},
		{[]string{"identifie", "identifiee", "cause identifiee", "cause trouvee", "identified", "cause identified", "cause found"}, Identified},
		{[]string{"surveillance", "sous surveillance", "en surveillance", "correctif en place", "corrige", "monitoring", "fix in place", "fixed"}, Monitoring},
	}
}

func maintenanceLabels() []label[State] {
	return []label[State]{
		{[]string{"en cours", "in progress"}, InProgress},
		{[]string{"verification", "verifying"}, Verifying},
	}
}

func impactLabels() []label[Impact] {
	return []label[Impact]{
		{[]string{"mineur", "mineure", "impact mineur", "gene mineure", "minor", "minor impact"}, Minor},
		{[]string{"majeur", "majeure", "impact majeur", "gene majeure", "major", "major impact"}, Major},
		{[]string{"critique", "impact critique", "panne critique", "critical", "critical outage", "critical impact"}, Critical},
	}
}

// readLabel finds a label at pos; end is behind it.
func readLabel[T any](f folded, pos int, labels []label[T]) (means T, end int, ok bool) {
	for _, l := range labels {
		if e, found := f.anyAt(pos, l.words); found && e > end {
			means, end, ok = l.means, e, true
		}
	}
	return means, end, ok
}
