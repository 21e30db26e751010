package statuspage

import (
	"fmt"
	"strconv"
	"strings"
)

// Speech puts incidents into words for rooms, as Markdown. The first
// paragraph of each text says everything that matters, on one line, for
// networks that have no more.
type Speech struct {
	When
	// URL is the page's address without a slash at its end; empty where there
	// is no page.
	URL string
}

// Link is the public address of an incident, empty where there is no page.
func (s Speech) Link(number ID) string {
	if s.URL == "" {
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
	parts = append(parts, inc.State.Text().In(s.Lang))
	switch {
	case inc.Started == 0 && inc.ScheduledFor != 0: // planned, perhaps cancelled
		parts = append(parts, s.Span(inc.ScheduledFor, max(inc.ScheduledFor, inc.ScheduledUntil)))
	case inc.Started == 0:
	case inc.Open():
		parts = append(parts, s.pick("depuis ", "since ")+s.Moment(inc.Started, last.Published))
	default:
		parts = append(parts, s.Span(inc.Started, inc.Resolved), s.Duration(inc.Started.Until(inc.Resolved)))
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
	text := "**" + s.tag(inc) + " " + upperFirst(u.State.Text().In(s.Lang)) + "**"
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
	parts := []string{
		"✅ **" + s.tag(inc) + " " + state + s.colon() + escapeMarkdown(inc.Title) + "**",
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

// ErratumText says a correction where what was said cannot be edited.
func (s Speech) ErratumText(inc Incident, u Update) string {
	return "**" + s.tag(inc) + s.pick(" Rectificatif", " Correction") + "**" + s.colon() + u.Body
}

// tag is "[Incident 12]": its number is what people type in commands.
func (s Speech) tag(inc Incident) string {
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
