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
	Original  string // address of what they wrote, in their client; empty for none
	Owner     string
	People    int // participants
	Body      string
	Sealed    bool // cannot be read yet
	Deleted   bool
	Files     []File
	Folded    bool
	Hints     []string
	LastEvent string // in words, empty where nothing happened
	Now       tickets.Time
	Link      string
	Observe   bool
	// Public: asked where others read, so that it may go on in private.
	Public bool
	// Incident is the one it is attached to, in words; Attach offers to attach
	// it.
	Incident string
	Attach   bool
	// Flat: the place shows lines, not messages.
	Flat bool
}

// excerpt is how much of the first message a card shows, in runes.
const excerpt = 1200

// Card is the opening post of a ticket's team thread.
func (r *Renderer) Card(c Card) chat.Content {
	var b strings.Builder
	if c.Flat {
		return r.flatCard(c)
	}
	n := fmt.Sprintf("#%d", c.Ticket.ID)
	fmt.Fprintf(&b, "**%s** %s **%s**\n", n, stateSign(c.Ticket.State), plain(c.Ticket.Subject))
	who := "**" + plain(c.Who) + "**"
	if c.Address != "" && !strings.EqualFold(c.Address, c.Who) {
		who += " <" + plain(c.Address) + ">"
	}
	where := c.Where
	if c.Original != "" {
		where = "[" + where + "](" + c.Original + ")"
	}
	fmt.Fprintf(&b, "%s · %s", who, where)
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
	if c.Incident != "" {
		facts = append(facts, c.Incident)
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
	b.WriteString(quote(r.body(c.Lang, c.Body, c.Deleted, c.Sealed, c.Folded, c.Link)))
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
	if c.Public {
		button("dm", "button.dm", "")
	}
	button("close", "button.close", "")
	if c.Attach {
		button("incident.attach", "button.attach", "")
	}
	return content
}

// flatCard is a card for a place of lines, where it is never drawn again: who
// asks what, and the command that answers. The number opens it already.
func (r *Renderer) flatCard(c Card) chat.Content {
	var b strings.Builder
	fmt.Fprintf(&b, "%s **%s** · **%s** · %s", stateSign(c.Ticket.State), plain(c.Ticket.Subject), plain(c.Who), c.Where)
	if c.People > 1 {
		b.WriteString(" · " + r.T(c.Lang, "count.people", "Count", c.People))
	}
	if c.Owner != "" {
		b.WriteString(" · " + r.T(c.Lang, "card.owner", "Name", plain(c.Owner)))
	}
	if c.Observe {
		b.WriteString(" · _" + r.T(c.Lang, "card.observe") + "_")
	} else {
		b.WriteString(" · _" + r.T(c.Lang, "card.answer", "Number", fmt.Sprintf("#%d", c.Ticket.ID)) + "_")
	}
	b.WriteString("\n")
	for _, h := range c.Hints {
		fmt.Fprintf(&b, "%s\n", markup.Inert(h))
	}
	body := r.body(c.Lang, c.Body, c.Deleted, c.Sealed, c.Folded, c.Link)
	if plain(body) != plain(c.Ticket.Subject) { // else the question is its own subject
		b.WriteString(quote(body))
	}
	r.files(&b, c.Lang, c.Files)
	return chat.Content{Text: strings.TrimRight(b.String(), "\n"), Card: true, Lang: c.Lang, Link: c.Link}
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
func (r *Renderer) body(lang, body string, deleted, sealed, folded bool, link string) string {
	switch {
	case deleted:
		return "_" + r.T(lang, "line.deleted") + "_"
	case sealed:
		return "_" + r.T(lang, "line.sealed") + "_"
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
	Sealed  bool // cannot be read yet
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
	// Flat: the place shows lines, not messages; a short one is one line.
	Flat bool
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
		b.WriteString(l.said("❔ "+name+" "+r.T(l.Lang, "line.third")+mark, r.body(l.Lang, l.Body, l.Deleted, l.Sealed, l.Folded, l.Link)))
	case l.Kind == tickets.Message:
		where := ""
		if l.Where != "" {
			where = " · " + l.Where
		}
		b.WriteString(l.said("📨 "+name+where+mark, r.body(l.Lang, l.Body, l.Deleted, l.Sealed, l.Folded, l.Link)))
	case l.Public:
		b.WriteString(l.said("📣 "+name+" · "+l.Where+mark, r.body(l.Lang, l.Body, l.Deleted, l.Sealed, false, l.Link)))
	default:
		body := markup.Inert(l.Body)
		if l.Deleted || l.Sealed {
			body = r.body(l.Lang, "", l.Deleted, l.Sealed, false, "")
		}
		fmt.Fprintf(&b, "%s%s: %s\n", name, mark, body)
	}
	for _, h := range l.Hints {
		fmt.Fprintf(&b, "_%s_\n", h)
	}
	r.files(&b, l.Lang, l.Files)
	return chat.Content{Text: strings.TrimRight(b.String(), "\n"), Lang: l.Lang, Link: l.Link}
}

// said puts words that were said outside behind who said them.
func (l Line) said(head, body string) string {
	body = strings.TrimRight(body, "\n")
	if l.Flat && !strings.Contains(body, "\n") {
		return head + ": " + body + "\n"
	}
	return head + "\n" + quote(body)
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
