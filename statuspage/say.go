package statuspage

import (
	"fmt"
	"strconv"
	"strings"

	"permanence/bot/chat"
)

// Speech puts incidents into words for rooms, as Markdown. The first
// paragraph of each text says everything that matters, on one line, for
// networks that have no more.
type Speech struct {
	When
	// URL is the page's address without a slash at its end; empty where there
	// is no page.
	URL string
	// Now is when it is said, for what depends on it ("planned end passed"); 0
	// leaves that out.
	Now Time
}

// Link is the public address of an incident, empty where there is no page.
func (s Speech) Link(number ID) string {
	if s.URL == "" || number == 0 { // of what is only shown yet
		return ""
	}
	return strings.TrimRight(s.URL, "/") + "/incidents/" + strconv.FormatInt(number, 10)
}

func (s Speech) pick(fr, en string) string { return words{s.Lang}.pick(fr, en) }

// HeadlineText is the post that opens an incident in a room. It is said with
// its first update and edited at each of the following, so that whoever comes
// later reads where things stand without reading the thread.
func (s Speech) HeadlineText(inc Incident, last Update) string {
	parts := []string{s.mark(inc) + " **" + s.tag(inc) + " " + escapeMarkdown(inc.Title) + "**"}
	parts = append(parts, inc.StateText().In(s.Lang))
	switch {
	case inc.Started == 0 && inc.ScheduledFor != 0: // planned, perhaps cancelled
		parts = append(parts, s.Span(inc.ScheduledFor, max(inc.ScheduledFor, inc.ScheduledUntil)))
	case inc.Started == 0:
	case inc.Open():
		parts = append(parts, s.pick("depuis ", "since ")+s.Moment(inc.Started, last.Published))
	default:
		parts = append(parts, s.Span(inc.Started, inc.Resolved), s.Duration(inc.Started.Until(inc.Resolved)))
	}
	if inc.Open() && inc.Started != 0 && inc.ScheduledUntil != 0 {
		if inc.Overdue(s.Now) {
			parts = append(parts, s.pick("fin prévue passée (", "planned end passed (")+s.Moment(inc.ScheduledUntil, inc.Started)+")")
		} else {
			parts = append(parts, s.pick("fin prévue ", "planned end ")+s.Moment(inc.ScheduledUntil, inc.Started))
		}
	}
	if inc.Open() && last.Published > inc.Published {
		parts = append(parts, s.Clock(last.Published)+s.colon()+s.quote(last.Body))
	}
	if inc.NextWord != 0 && inc.Open() {
		parts = append(parts, s.pick("prochaines nouvelles ", "next word ")+s.Moment(inc.NextWord, last.Published))
	}
	if link := s.Link(inc.ID); link != "" {
		parts = append(parts, link)
	}
	return strings.Join(parts, " · ")
}

// StartText is the headline as it is first said, followed by the text where
// the title does not say it all.
func (s Speech) StartText(inc Incident, first Update) string {
	text := s.HeadlineText(inc, first)
	if saysMore(inc.Title, first.Body) {
		text += "\n\n" + first.Body
	}
	return text
}

// UpdateText is an update in the thread of the headline, or alone in a room
// without threads: it names its incident.
func (s Speech) UpdateText(inc Incident, u Update) string {
	state := u.State.Text()
	if inc.Sequence > 0 && u.ScheduledFor != 0 {
		state = chat.Text{FR: "reportés", EN: "rescheduled"}
	}
	text := "**" + s.tag(inc) + " " + upperFirst(state.In(s.Lang)) + "**"
	if u.ScheduledFor != 0 && u.Body != movedSentence(When{u.Lang, s.Loc}, u) {
		text += " · " + s.Span(u.ScheduledFor, u.ScheduledUntil)
	}
	switch {
	case u.Body == stateSentence(u.State, u.Lang):
	case startsBlock(u.Body):
		text += "\n\n" + u.Body
	default:
		text += s.colon() + u.Body
	}
	if inc.NextWord != 0 {
		text += "\n\n" + s.pick("Prochaines nouvelles ", "Next word ") + s.Moment(inc.NextWord, u.Published)
	}
	return text
}

// EndText is the end report: what was, from when until when, how long, in how
// many messages, and where to read them.
func (s Speech) EndText(inc Incident, end Update, updates int) string {
	count := s.pick("un message", "one message")
	if updates != 1 {
		count = fmt.Sprintf(s.pick("%d messages", "%d messages"), updates)
	}
	state := upperFirst(end.State.Text().In(s.Lang))
	if inc.Cancelled {
		state = upperFirst(inc.StateText().In(s.Lang))
	}
	parts := []string{
		"✅ **" + s.tag(inc) + " " + state + s.colon() + escapeMarkdown(inc.Title) + "**",
	}
	if inc.Cancelled && inc.Started == 0 && inc.ScheduledFor != 0 {
		parts = append(parts, s.Span(inc.ScheduledFor, max(inc.ScheduledFor, inc.ScheduledUntil)))
	}
	if inc.Started != 0 { // not so for planned work that never began
		parts = append(parts, s.Span(inc.Started, inc.Resolved),
			s.pick("durée ", "duration ")+s.Duration(inc.Started.Until(inc.Resolved)))
	}
	parts = append(parts, count)
	if link := s.Link(inc.ID); link != "" {
		parts = append(parts, link)
	}
	return strings.Join(parts, " · ") + "\n\n" + end.Body
}

// DayBeforeText tells of planned work that is coming.
func (s Speech) DayBeforeText(inc Incident) string {
	parts := []string{"🔧 **" + s.tag(inc) + s.pick(" Rappel : ", " Reminder: ") + escapeMarkdown(inc.Title) + "**",
		s.Span(inc.ScheduledFor, max(inc.ScheduledFor, inc.ScheduledUntil))}
	if link := s.Link(inc.ID); link != "" {
		parts = append(parts, link)
	}
	return strings.Join(parts, " · ")
}

// TopicText is an incident in the topic of a room: a few words and the link.
func (s Speech) TopicText(inc Incident) string {
	text := s.mark(inc) + " " + shorten(inc.Title, maxTopic) + " (" + inc.StateText().In(s.Lang) + ")"
	if link := s.Link(inc.ID); link != "" {
		text += " " + link
	}
	return text
}

// maxTopic is in runes: servers cut topics at 390 bytes and less, and the
// room's own has to stay.
const maxTopic = 60

// ErratumText says a correction where what was said cannot be edited; where it
// is not about the last word, it tells by its time about which.
func (s Speech) ErratumText(inc Incident, u Update, last bool) string {
	text := "**" + s.tag(inc) + s.pick(" Rectificatif", " Correction") + "**"
	if !last {
		text += " (" + s.Moment(u.Published, s.Now) + ")"
	}
	return text + s.colon() + u.Body
}

// tag is "[Incident 12]": its number is what people type in commands.
func (s Speech) tag(inc Incident) string {
	if inc.ID == 0 { // in a preview
		return "[" + inc.Kind.Text().In(s.Lang) + "]"
	}
	return fmt.Sprintf("[%s %d]", inc.Kind.Text().In(s.Lang), inc.ID)
}

func (s Speech) mark(inc Incident) string {
	switch {
	case !inc.Open():
		return "✅"
	case inc.Kind == Maintenance:
		return "🔧"
	}
	return "⚠️"
}

func (s Speech) colon() string { return colon(s.Lang) }

// quote is the last word within a headline: one line, short.
func (s Speech) quote(body string) string {
	return shorten(plainTitle(strings.Join(strings.Fields(body), " ")), maxLastWord)
}

// maxLastWord is in runes: a headline stays one line on a telephone and on IRC.
const maxLastWord = 160

// saysMore reports whether a body tells what its title does not.
func saysMore(title, body string) bool {
	return !strings.HasSuffix(foldString(title), foldString(plainTitle(body)))
}

// startsBlock reports whether a text opens with what Markdown reads as more
// than a paragraph, which has to stand at the beginning of a line.
func startsBlock(body string) bool {
	return strings.HasPrefix(body, "```") || strings.HasPrefix(body, "- ") || strings.HasPrefix(body, "* ") ||
		strings.HasPrefix(body, "> ") || strings.HasPrefix(body, "#") || strings.HasPrefix(body, "1. ") ||
		strings.HasPrefix(body, "| ")
}

// escapeMarkdown makes plain text stand as it is in Markdown.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>~|#", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
