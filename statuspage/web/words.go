package web

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"permanence/internal/i18n"
	"permanence/statuspage"
)

// phrases are the fixed words of the pages in one language.
type phrases struct {
	Title, OtherLanguage, Skip, Pages              string
	Home, Planned, History, Follow                 string
	Colon                                          string
	Now, Services, Upcoming, UpcomingNone          string
	Recent, RecentNone, RecentNoOther, RecentMore  string
	Running, Done                                  string
	MonthNone, MonthPrevious, MonthNext, MonthRest string
	ComponentAll, ComponentNone, Messages          string
	FactServices, FactStart, FactNoticed           string
	FactPublished, FactEnd, FactDuration           string
	FactSchedule, FactNext                         string
	EndPassed, CalendarAdd                         string
	Permalink, All                                 string
	Missing, MissingDo, Unavailable, UnavailableDo string
	FollowIntro, FollowFeeds, FollowFeedsText      string
	FollowEach, FollowWhole, FollowWholeText       string
	FollowByService                                string
	FollowCalendar, FollowCalendarText             string
	FollowCalendarSubscribe, FollowCalendarFile    string
	FollowEmbed, FollowEmbedText, FollowScript     string
	FollowBadge, FollowAPI, FollowAPIText          string
	FollowTerminal                                 string
	Formats, Calendar                              string
	FeedSubtitle, WholeSubtitle                    string
	EmbedMore, EmbedNone                           string
	Months                                         []string
}

func phrasesIn(c *i18n.Catalog, lang string) phrases {
	t := func(id string) string { return c.T(lang, "status."+id) }
	return phrases{
		Title: t("title"), OtherLanguage: t("other-language"), Skip: t("skip"), Pages: t("pages"),
		Home: t("home"), Planned: t("planned"), History: t("history"), Follow: t("follow"),
		Colon: t("colon"),
		Now:   t("now"), Services: t("services"), Upcoming: t("upcoming"), UpcomingNone: t("upcoming.none"),
		Recent: t("recent"), RecentNone: t("recent.none"), RecentNoOther: t("recent.no-other"), RecentMore: t("recent.more"),
		Running: t("running"), Done: t("done"),
		MonthNone: t("month.none"), MonthPrevious: t("month.previous"), MonthNext: t("month.next"), MonthRest: t("month.rest"),
		ComponentAll: t("component.all"), ComponentNone: t("component.none"), Messages: t("messages"),
		FactServices: t("fact.services"), FactStart: t("fact.start"), FactNoticed: t("fact.noticed"),
		FactPublished: t("fact.published"), FactEnd: t("fact.end"), FactDuration: t("fact.duration"),
		FactSchedule: t("fact.schedule"), FactNext: t("fact.next"),
		EndPassed: t("end-passed"), CalendarAdd: t("calendar.add"),
		Permalink: t("update.permalink"), All: t("update.all"),
		Missing: t("missing"), MissingDo: t("missing.do"), Unavailable: t("unavailable"), UnavailableDo: t("unavailable.do"),
		FollowIntro: t("follow.intro"), FollowFeeds: t("follow.feeds"), FollowFeedsText: t("follow.feeds.text"),
		FollowEach: t("follow.each"), FollowWhole: t("follow.whole"), FollowWholeText: t("follow.whole.text"),
		FollowByService: t("follow.by-service"),
		FollowCalendar:  t("follow.calendar"), FollowCalendarText: t("follow.calendar.text"),
		FollowCalendarSubscribe: t("follow.calendar.subscribe"), FollowCalendarFile: t("follow.calendar.file"),
		FollowEmbed: t("follow.embed"), FollowEmbedText: t("follow.embed.text"), FollowScript: t("follow.embed.script"),
		FollowBadge: t("follow.embed.badge"), FollowAPI: t("follow.api"), FollowAPIText: t("follow.api.text"),
		FollowTerminal: t("follow.terminal"),
		Formats:        t("formats"), Calendar: t("calendar"),
		FeedSubtitle: t("feed.subtitle"), WholeSubtitle: t("feed.whole.subtitle"),
		EmbedMore: t("embed.more"), EmbedNone: t("embed.none"),
		Months: strings.Fields(t("months")),
	}
}

// words are the phrases of a language.
func (s *Site) words(lang string) *phrases {
	if lang == "en" {
		return &s.en
	}
	return &s.fr
}

// say fills a sentence with values.
func (s *Site) say(lang, id string, args ...any) string {
	return s.catalog.T(lang, "status."+id, args...)
}

// overall is the state of everything, in words.
func (s *Site) overall(lang string, worst statuspage.Impact, ongoing int) string {
	return s.say(lang, "overall."+shapeOf(worst, ongoing > 0))
}

// shapeOf names the mark of a state, which is never told by colour alone.
func shapeOf(i statuspage.Impact, open bool) string {
	if !open {
		return "ok"
	}
	switch i {
	case statuspage.PlannedImpact, statuspage.Minor, statuspage.Major, statuspage.Critical:
		return string(i)
	}
	return "none"
}

func statusShape(s statuspage.Status) string {
	switch s {
	case statuspage.Degraded:
		return "minor"
	case statuspage.PartialOutage:
		return "major"
	case statuspage.MajorOutage:
		return "critical"
	case statuspage.UnderMaintenance:
		return "maintenance"
	}
	return "ok"
}

// capital begins a phrase with a capital letter.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
