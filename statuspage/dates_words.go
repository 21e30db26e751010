package statuspage

import "time"

// The words of times, folded: without case and accents. Both languages are
// always understood; where they disagree ("3/4") the language decides.

// part is a part of a day, which tells whether "8h" is in the morning.
type part int

const (
	anyPart part = iota
	morning
	afternoon
	evening
	night
)

// offsetWord is a day told from today.
type offsetWord struct {
	words []string
	days  int
	part  part
}

func offsetWords() []offsetWord {
	return []offsetWord{
		{[]string{"aujourd'hui", "today", "ce jour"}, 0, anyPart},
		{[]string{"ce matin", "this morning"}, 0, morning},
		{[]string{"cet apres-midi", "cet apres midi", "cette apres-midi", "this afternoon"}, 0, afternoon},
		{[]string{"ce soir", "this evening"}, 0, evening},
		{[]string{"cette nuit", "tonight"}, 0, night},
		{[]string{"demain", "tomorrow"}, 1, anyPart},
		{[]string{"apres-demain", "apres demain", "the day after tomorrow", "day after tomorrow"}, 2, anyPart},
		{[]string{"hier", "yesterday"}, -1, anyPart},
		{[]string{"last night"}, -1, night},
		{[]string{"avant-hier", "avant hier", "the day before yesterday", "day before yesterday"}, -2, anyPart},
	}
}

// partWords may follow a day: "demain soir".
func partWords() []label[part] {
	return []label[part]{
		{[]string{"matin", "au matin", "dans la matinee", "morning", "in the morning"}, morning},
		{[]string{"apres-midi", "apres midi", "dans l'apres-midi", "afternoon", "in the afternoon"}, afternoon},
		{[]string{"soir", "au soir", "en soiree", "dans la soiree", "evening", "in the evening"}, evening},
		{[]string{"dans la nuit", "night", "at night"}, night},
	}
}

// clockPartWords may follow a clock: "8h du soir".
func clockPartWords() []label[part] {
	return []label[part]{
		{[]string{"du matin", "in the morning"}, morning},
		{[]string{"de l'apres-midi", "de l'apres midi", "in the afternoon"}, afternoon},
		{[]string{"du soir", "in the evening", "at night"}, evening},
	}
}

func weekdayWords() []label[time.Weekday] {
	return []label[time.Weekday]{
		{[]string{"lundi", "monday"}, time.Monday},
		{[]string{"mardi", "tuesday"}, time.Tuesday},
		{[]string{"mercredi", "wednesday"}, time.Wednesday},
		{[]string{"jeudi", "thursday"}, time.Thursday},
		{[]string{"vendredi", "friday"}, time.Friday},
		{[]string{"samedi", "saturday"}, time.Saturday},
		{[]string{"dimanche", "sunday"}, time.Sunday},
	}
}

// which says which of the coming Tuesdays is meant.
type which int

const (
	first    which = iota // "mardi": the first to come, today where the hour is ahead
	next                  // "mardi prochain"
	thisWeek              // "ce mardi"
	nextWeek              // "mardi de la semaine prochaine"
	inEight               // "mardi en huit": a week after the first
	last                  // "mardi dernier"
)

func whichBefore() []label[which] {
	return []label[which]{
		{[]string{"ce", "this", "this coming"}, thisWeek},
		{[]string{"next"}, next},
		{[]string{"last"}, last},
	}
}

func whichAfter() []label[which] {
	return []label[which]{
		{[]string{"prochain"}, next},
		{[]string{"qui vient", "de cette semaine", "this week"}, thisWeek},
		{[]string{"de la semaine prochaine", "la semaine prochaine", "next week", "of next week"}, nextWeek},
		{[]string{"en huit", "week"}, inEight},
		{[]string{"dernier", "last week"}, last},
	}
}

func monthWords() []label[time.Month] {
	return []label[time.Month]{
		{[]string{"janvier", "janv", "janv.", "january", "jan", "jan."}, time.January},
		{[]string{"fevrier", "fevr", "fevr.", "fev", "fev.", "february", "feb", "feb."}, time.February},
		{[]string{"mars", "march", "mar."}, time.March},
		{[]string{"avril", "avr", "avr.", "april", "apr", "apr."}, time.April},
		{[]string{"mai", "may"}, time.May},
		{[]string{"juin", "june", "jun", "jun."}, time.June},
		{[]string{"juillet", "juil", "juil.", "july", "jul", "jul."}, time.July},
		{[]string{"aout", "august", "aug", "aug."}, time.August},
		{[]string{"septembre", "september", "sept", "sept.", "sep."}, time.September},
		{[]string{"octobre", "october", "oct", "oct."}, time.October},
		{[]string{"novembre", "november", "nov", "nov."}, time.November},
		{[]string{"decembre", "december", "dec", "dec."}, time.December},
	}
}

func numberWords() []label[int] {
	return []label[int]{
		{[]string{"un", "une", "one", "a", "an"}, 1},
		{[]string{"deux", "two"}, 2},
		{[]string{"trois", "three"}, 3},
		{[]string{"quatre", "four"}, 4},
		{[]string{"cinq", "five"}, 5},
		{[]string{"six"}, 6},
		{[]string{"sept", "seven"}, 7},
		{[]string{"huit", "eight"}, 8},
		{[]string{"neuf", "nine"}, 9},
		{[]string{"dix", "ten"}, 10},
		{[]string{"douze", "twelve"}, 12},
		{[]string{"quinze", "fifteen"}, 15},
		{[]string{"vingt", "twenty"}, 20},
		{[]string{"trente", "thirty"}, 30},
		{[]string{"quarante-cinq", "forty-five"}, 45},
	}
}

// wholeLengths are lengths that are no number and unit.
func wholeLengths() []label[length] {
	return []label[length]{
		{[]string{"une demi-heure", "une demi heure", "une demie heure", "half an hour", "a half hour", "a half-hour"}, length{d: 30 * time.Minute}},
		{[]string{"un quart d'heure", "a quarter of an hour", "a quarter hour"}, length{d: 15 * time.Minute}},
		{[]string{"trois quarts d'heure", "three quarters of an hour"}, length{d: 45 * time.Minute}},
		{[]string{"une heure et demie", "an hour and a half", "one hour and a half", "one and a half hours"}, length{d: 90 * time.Minute}},
	}
}

func unitWords() []label[length] {
	return []label[length]{
		{[]string{"min", "mins", "mn", "min.", "minute", "minutes"}, length{d: time.Minute}},
		{[]string{"h", "heure", "heures", "hr", "hrs", "hour", "hours"}, length{d: time.Hour}},
		{[]string{"j", "jour", "jours", "d", "day", "days"}, length{days: 1}},
		{[]string{"semaine", "semaines", "week", "weeks"}, length{days: 7}},
	}
}

// openers begin a stretch of time: "de 22h à minuit".
func openers() []string { return []string{"du", "de", "from", "entre", "between"} }

// joints stand between its ends; those of joint stand nowhere else.
func joints() []string {
	return []string{"-", "–", "—", "->", "→", "a", "au", "to", "et", "and"}
}

func untilWords() []string {
	return []string{"jusqu'a", "jusqu'au", "jusque", "until", "till", "til"}
}

func durationWords() []string {
	return []string{"pendant", "durant", "pour", "duree", "for", "lasting", "duration"}
}

func inWords() []string {
	return []string{"dans", "in", "d'ici", "within"}
}

func nowWords() []string {
	return []string{"maintenant", "tout de suite", "des maintenant", "now", "right now"}
}

func promiseWords() []string {
	var list []string
	for _, w := range []string{"info", "infos", "information", "informations", "nouvelle", "nouvelles", "mise a jour", "annonce"} {
		for _, n := range []string{"prochaine ", "prochaines "} {
			list = append(list, n+w)
		}
	}
	for _, w := range []string{"point", "message", "bulletin"} {
		list = append(list, "prochain "+w)
	}
	for _, w := range []string{"word", "news", "update", "info", "message"} {
		list = append(list, "next "+w)
	}
	return list
}
