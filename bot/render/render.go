// Package render turns entries and summaries into chat content: cards, lines
// in threads, acknowledgements. It decides what people read, never where it
// goes.
package render

import (
	"fmt"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/internal/i18n"
	"permanence/internal/markup"
	"permanence/tickets"
)

// Renderer makes texts in the reader's language, with times in one zone.
type Renderer struct {
	Catalog  *i18n.Catalog
	Location *time.Location
}

// T is a sentence of the catalog.
func (r *Renderer) T(lang, id string, args ...any) string { return r.Catalog.T(lang, id, args...) }

// File is a file as a line shows it.
type File struct {
	Name string
	Size int64
	Link string
}

// Card is what a ticket's opening post shows.
type Card struct {
	Lang      string
	Ticket    tickets.Ticket
	Desk      string // title
	Who       string // name of the requester
	Address   string // beside it
	Where     string // where they asked, in words
	Owner     string
	People    int // participants
	Body      string
	Deleted   bool
	Files     []File
	Folded    bool
	Hints     []string
	LastEvent string // in words, empty where nothing happened
	Now       tickets.Time
	Link      string
	Observe   bool
}

// excerpt is how much of the first message a card shows, in runes.
const excerpt = 1200

// Card is the opening post of a ticket's team thread.
func (r *Renderer) Card(c Card) chat.Content {
	var b strings.Builder
	n := fmt.Sprintf("#%d", c.Ticket.ID)
	fmt.Fprintf(&b, "**%s** %s **%s**\n", n, stateSign(c.Ticket.State), plain(c.Ticket.Subject))
	who := "**" + plain(c.Who) + "**"
	if c.Address != "" && !strings.EqualFold(c.Address, c.Who) {
		who += " <" + plain(c.Address) + ">"
	}
	fmt.Fprintf(&b, "%s · %s", who, c.Where)
	if c.People > 1 {
		b.WriteString(" · " + r.T(c.Lang, "count.people", "Count", c.People))
	}
	b.WriteString("\n")
	facts := []string{r.T(c.Lang, "state."+string(c.Ticket.State))}
	if c.Owner != "" {
		facts = append(facts, r.T(c.Lang, "card.owner", "Name", plain(c.Owner)))
	} else {
		facts = append(facts, r.T(c.Lang, "card.free"))
	}
	if c.Ticket.Service != "" {
		facts = append(facts, r.T(c.Lang, "card.service", "Name", plain(c.Ticket.Service)))
	}
	if c.Ticket.Shared {
		facts = append(facts, r.T(c.Lang, "card.shared"))
	}
	if c.Ticket.State == tickets.New || c.Ticket.State == tickets.Open {
		facts = append(facts, r.T(c.Lang, "card.since", "When", r.when(c.Lang, c.Ticket.Since, c.Now)))
	}
	if c.Ticket.Related != 0 {
		facts = append(facts, r.T(c.Lang, "card.related", "Number", fmt.Sprintf("#%d", c.Ticket.Related)))
	}
	fmt.Fprintf(&b, "%s\n", strings.Join(facts, " · "))
	for _, h := range c.Hints {
		fmt.Fprintf(&b, "%s\n", markup.Inert(h))
	}
	if c.LastEvent != "" {
		fmt.Fprintf(&b, "_%s_\n", plain(c.LastEvent))
	}
	b.WriteString("\n")
	b.WriteString(quote(r.body(c.Lang, c.Body, c.Deleted, c.Folded, c.Link)))
	r.files(&b, c.Lang, c.Files)
	b.WriteString("\n")
	if c.Observe {
		b.WriteString("_" + r.T(c.Lang, "card.observe") + "_")
	} else {
		b.WriteString("_" + r.T(c.Lang, "card.inside") + "_")
	}
	v := fmt.Sprintf("%d", c.Ticket.ID)
	content := chat.Content{Text: b.String(), Card: true, Lang: c.Lang, Link: c.Link}
	button := func(action, id, style string) {
		content.Buttons = append(content.Buttons, chat.Button{Action: action, Value: v, Label: r.T(c.Lang, id), Style: style})
	}
	if c.Ticket.State == tickets.Closed {
		button("reopen", "button.reopen", "")
		return content
	}
	if c.Owner == "" {
		button("claim", "button.claim", "")
	} else {
		button("release", "button.release", "")
	}
	button("reply", "button.reply", "primary")
	button("close", "button.close", "")
	return content
}

func stateSign(s tickets.State) string {
	switch s {
	case tickets.New:
		return "🆕"
	case tickets.Open:
		return "🟠"
	case tickets.Waiting:
		return "🔵"
	}
	return "✅"
}

// body is a message as a team room shows it: inert, shortened, and honest
// about what is not shown.
func (r *Renderer) body(lang, body string, deleted, folded bool, link string) string {
	if deleted {
		return "_" + r.T(lang, "line.deleted") + "_"
	}
	text, cut := markup.Excerpt(markup.Inert(body), excerpt)
	if strings.TrimSpace(text) == "" {
		text = "_" + r.T(lang, "line.no-text") + "_"
	}
	switch {
	case cut && link != "":
		text += "\n_" + r.T(lang, "line.more", "Link", link) + "_"
	case cut:
		text += " …"
	case folded && link != "":
		text += "\n_" + r.T(lang, "line.folded", "Link", link) + "_"
	}
	return text
}

func (r *Renderer) files(b *strings.Builder, lang string, fs []File) {
	for _, f := range fs {
		fmt.Fprintf(b, "📎 %s (%s) %s\n", plain(f.Name), i18n.Size(lang, f.Size), f.Link)
	}
}

// quote puts every line behind "> ".
func quote(s string) string {
	return "> " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n> ") + "\n"
}

// plain makes a name or subject that cannot be markup, a mention or two lines.
func plain(s string) string {
	s = strings.Join(strings.Fields(markup.Inert(s)), " ")
	return strings.NewReplacer("*", `\*`, "_", `\_`, "`", "'", "[", `\[`, "<", "‹", ">", "›").Replace(s)
}

// Line is an entry as a line of a thread.
type Line struct {
	Lang    string
	Kind    tickets.EntryKind
	Name    string
	Address string
	Body    string
	Deleted bool
	Edited  bool
	Folded  bool
	Files   []File
	Hints   []string
	Third   bool
	Public  bool // a note that is in fact an answer given in a public place
	Where   string
	Link    string
	// Dated is the header's date where it differs by more than an hour.
	Dated string
}

// Line is a message of a ticket as the team's rooms show it: lines from
// outside, lines said in public and lines inside look different.
func (r *Renderer) Line(l Line) chat.Content {
	var b strings.Builder
	name := "**" + plain(l.Name) + "**"
	if l.Address != "" && !strings.EqualFold(l.Address, l.Name) {
		name += " <" + plain(l.Address) + ">"
	}
	mark := ""
	if l.Edited && !l.Deleted {
		mark = " " + r.T(l.Lang, "line.edited")
	}
	if l.Dated != "" {
		mark += " " + r.T(l.Lang, "line.dated", "When", l.Dated)
	}
	switch {
	case l.Third:
		fmt.Fprintf(&b, "❔ %s %s%s\n%s", name, r.T(l.Lang, "line.third"), mark, quote(r.body(l.Lang, l.Body, l.Deleted, l.Folded, l.Link)))
	case l.Kind == tickets.Message:
		where := ""
		if l.Where != "" {
			where = " · " + l.Where
		}
		fmt.Fprintf(&b, "📨 %s%s%s\n%s", name, where, mark, quote(r.body(l.Lang, l.Body, l.Deleted, l.Folded, l.Link)))
	case l.Public:
		fmt.Fprintf(&b, "📣 %s · %s%s\n%s", name, l.Where, mark, quote(r.body(l.Lang, l.Body, l.Deleted, false, l.Link)))
	default:
		body := markup.Inert(l.Body)
		if l.Deleted {
			body = "_" + r.T(l.Lang, "line.deleted") + "_"
		}
		fmt.Fprintf(&b, "%s%s: %s\n", name, mark, body)
	}
	for _, h := range l.Hints {
		fmt.Fprintf(&b, "_%s_\n", h)
	}
	r.files(&b, l.Lang, l.Files)
	return chat.Content{Text: strings.TrimRight(b.String(), "\n"), Lang: l.Lang, Link: l.Link}
}

// when is a time as people say it: near ones relative, others in full.
func (r *Renderer) when(lang string, at, now tickets.Time) string {
	if at == 0 {
		return "?"
	}
	// A card is drawn when something happens, not every minute: a clock time
	// stays true where "5 minutes ago" would not.
	t, n := at.Time().In(r.Location), now.Time().In(r.Location)
	if t.YearDay() == n.YearDay() && t.Year() == n.Year() {
		return i18n.Clock(lang, at.Time(), r.Location)
	}
	return i18n.DateTime(lang, at.Time(), r.Location)
}

// Clock is a time of the day.
func (r *Renderer) Clock(lang string, at tickets.Time) string {
	return i18n.Clock(lang, at.Time(), r.Location)
}

// DateTime is a day and time in full, with the zone.
func (r *Renderer) DateTime(lang string, at tickets.Time) string {
	return i18n.DateTime(lang, at.Time(), r.Location)
}
