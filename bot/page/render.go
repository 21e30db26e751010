package page

import (
	"fmt"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"strings"
	"time"

	"permanence/internal/i18n"
	"permanence/internal/markup"
	"permanence/tickets"
)

// data is what the template shows. Everything is in words already.
type data struct {
	p                 *Pages
	Lang, Name, Title string
	CSS               template.CSS
	Do                string // of a page that says sorry
	Ticket            *ticketData
}

// T is a sentence in the page's language.
func (d data) T(id string, args ...any) string { return d.p.catalog.T(d.Lang, id, args...) }

type ticketData struct {
	Number, Subject, Desk string
	State, StateWord      string
	Facts                 []fact
	Hints                 []string
	People                []personData
	Days                  []dayData
	Count                 string
	Earlier, Later        string // addresses, empty at the ends
	EarlierCount          string
	OtherLang, OtherWord  string
	Until                 string // the end of the link
	Zone                  string
}

type fact struct{ Name, Value, Link string }

type personData struct {
	Avatar  avatar
	Name    string
	Handles string
	Part    string
}

// avatar is a letter on one of eight colours.
type avatar struct {
	Letter string
	Hue    int64
}

type dayData struct {
	Name    string
	Entries []entryData
}

// tone is how an entry looks: its side of the wall.
type tone string

const (
	toneIn    tone = "in"    // from outside
	toneOut   tone = "out"   // sent
	toneWait  tone = "wait"  // to be sent
	toneFail  tone = "fail"  // sent in vain
	toneNote  tone = "note"  // inside
	toneThird tone = "third" // from somebody who takes no part
)

type entryData struct {
	ID           tickets.ID
	Tone         tone
	Label        string // the tone in words
	Where        string
	Avatar       avatar
	Name         string
	Clock, Time  string
	Brief        bool // a change of state: one line
	Dated        string
	Subject      string
	Revised      string
	Deleted      string
	Body, Folded template.HTML
	Same         string // that the text stands elsewhere, with SameAs
	SameAs       tickets.ID
	Excerpt      string
	Fate         string // of a reply
	By           string
	Sends        []sendData
	Files        []fileData
}

type sendData struct{ To, State, Reason, Tone string }

type fileData struct {
	Name, Size, Link, Why string
	Image                 bool
}

// query is what a page's own links repeat.
type query struct{ s, e, lang string }

func (q query) with(name, value string) string {
	v := "?s=" + url.QueryEscape(q.s) + "&e=" + url.QueryEscape(q.e)
	if name != "lang" && (q.lang == "fr" || q.lang == "en") {
		v += "&lang=" + q.lang
	}
	return v + "&" + name + "=" + url.QueryEscape(value)
}

// dateSlack is how far the date that a message bears may be from its arrival
// before both are shown.
const dateSlack = 10 * time.Minute

// imageLimit is the largest picture in bytes that the page offers to show.
const imageLimit = 8 << 20

func (p *Pages) ticketData(v View, desk Desk, lang string, q query) data {
	d := data{p: p, Lang: lang}
	tk := v.Ticket
	t := &ticketData{
		Number: fmt.Sprintf("#%d", tk.ID), Subject: clean(tk.Subject), Desk: clean(desk.Title),
		State: string(tk.State), StateWord: d.T("state." + string(tk.State)),
		Count:     d.T("page.entries", "Count", len(v.Entries)+v.Earlier+v.Later),
		Zone:      d.T("page.zone", "Zone", p.loc.String()),
		OtherLang: q.with("lang", other(lang)), OtherWord: other(lang),
	}
	if t.Subject == "" {
		t.Subject = d.T("page.no-subject")
	}
	if t.Desk == "" {
		t.Desk = tk.Desk
	}
	d.Title = t.Number + " " + t.Subject
	if end, ok := number(q.e); ok {
		t.Until = d.T("page.secret", "Date", i18n.Date(lang, time.Unix(end*86400, 0).Add(-time.Second), p.loc))
	}
	t.Facts = d.facts(v)
	for h := range strings.SplitSeq(tk.Hints, "\n") {
		if h = clean(markup.MarkdownToPlain(h)); h != "" {
			t.Hints = append(t.Hints, h)
		}
	}
	for _, person := range v.People {
		t.People = append(t.People, personData{Avatar: avatarOf(person.ID, person.Name), Name: clean(person.Name),
			Handles: others(person), Part: d.T("page.part." + string(person.Part))})
	}
	if v.Earlier > 0 && len(v.Entries) > 0 {
		t.Earlier = q.with("before", fmt.Sprint(v.Entries[0].ID))
		t.EarlierCount = d.T("page.earlier", "Count", v.Earlier)
	}
	if v.Later > 0 {
		t.Later = "?s=" + url.QueryEscape(q.s) + "&e=" + url.QueryEscape(q.e)
		if q.lang != "" {
			t.Later = q.with("lang", lang)
		}
	}
	same := d.sameTexts(v.Entries)
	day := ""
	for _, e := range v.Entries {
		name := i18n.Date(lang, e.At.Time(), p.loc)
		if name != day {
			t.Days = append(t.Days, dayData{Name: name})
			day = name
		}
		last := &t.Days[len(t.Days)-1]
		last.Entries = append(last.Entries, d.entry(tk, e, same[e.ID]))
	}
	d.Ticket = t
	return d
}

func other(lang string) string {
	if lang == "en" {
		return "fr"
	}
	return "en"
}

func (d data) facts(v View) []fact {
	tk := v.Ticket
	var fs []fact
	add := func(id, value string) { fs = append(fs, fact{Name: d.T("page.fact." + id), Value: value}) }
	asker := clean(v.Requester.Name)
	if h := others(v.Requester); h != "" {
		asker += " · " + h
	}
	add("requester", asker)
	owner := clean(v.Owner)
	if owner == "" {
		owner = d.T("page.nobody")
	}
	add("owner", owner)
	if tk.Service != "" {
		add("service", clean(tk.Service))
	}
	if tk.Shared {
		add("access", d.T("page.shared"))
	} else {
		add("access", d.T("page.private"))
	}
	add("opened", d.moment(tk.Created))
	if tk.ClosedAt != 0 && tk.State == tickets.Closed {
		add("closed", d.moment(tk.ClosedAt))
	}
	if tk.Related != 0 {
		add("related", fmt.Sprintf("#%d", tk.Related))
	}
	if tk.Incident != 0 {
		add("incident", fmt.Sprint(int64(tk.Incident)))
		fs[len(fs)-1].Link = d.p.links.Incident(int64(tk.Incident))
	}
	return fs
}

func (d data) moment(t tickets.Time) string { return i18n.DateTime(d.Lang, t.Time(), d.p.loc) }

// others are somebody's addresses and accounts beside their name.
func others(p Person) string {
	var hs []string
	for _, h := range p.Handles {
		if h = clean(h); h != clean(p.Name) && h != "" {
			hs = append(hs, h)
		}
	}
	return strings.Join(hs, ", ")
}

func avatarOf(id tickets.ID, name string) avatar {
	return avatar{Letter: initial(clean(name)), Hue: int64(id) & 7}
}

// pointer tells that an entry's text stands at another.
type pointer struct {
	text string
	to   tickets.ID
}

// sameTexts finds the texts that would stand twice: a note that was sent as it
// was is read at the reply, one whose sending was stopped at the note.
func (d data) sameTexts(es []Entry) map[tickets.ID]pointer {
	byID := map[tickets.ID]Entry{}
	for _, e := range es {
		byID[e.ID] = e
	}
	same := map[tickets.ID]pointer{}
	for _, e := range es {
		src, ok := byID[e.Source]
		if e.Kind != tickets.Reply || e.Reply == nil || !ok || src.Deleted || e.Deleted || src.Body != e.Body || src.Body == "" {
			continue
		}
		if e.Reply.State == tickets.Undone {
			same[e.ID] = pointer{d.T("page.same.source"), src.ID}
		} else if _, had := same[src.ID]; !had {
			same[src.ID] = pointer{d.T("page.same.reply"), e.ID}
		}
	}
	return same
}

func toneOf(e Entry) tone {
	switch {
	case e.Third:
		return toneThird
	case e.Kind == tickets.Message:
		return toneIn
	case e.Kind == tickets.Auto && e.Audience != tickets.Team:
		for _, s := range e.Sends {
			if s.State == SendFailed {
				return toneFail
			}
		}
		return toneOut
	case e.Kind == tickets.Reply:
		if e.Reply == nil {
			return toneOut
		}
		switch e.Reply.State {
		case tickets.Sent:
			return toneOut
		case tickets.Lost:
			return toneFail
		case tickets.Undone:
			return toneNote
		}
		return toneWait
	}
	return toneNote
}

func (d data) entry(tk tickets.Ticket, e Entry, same pointer) entryData {
	at := e.At.Time().In(d.p.loc)
	name := clean(e.Name)
	out := entryData{ID: e.ID, Tone: toneOf(e), Name: name, Avatar: avatarOf(e.Author, name),
		Clock: i18n.Clock(d.Lang, at, d.p.loc),
		Time:  at.Format("2006-01-02T15:04:05Z07:00"), Brief: e.Kind == tickets.Change,
		Subject: clean(e.Subject), Where: d.where(e.From),
	}
	out.Label = d.T("page.tone." + string(out.Tone))
	if e.Audience.Has(tickets.Everyone) && out.Tone != toneNote && out.Tone != toneThird {
		out.Label = d.T("page.public", "Tone", out.Label)
	}
	if e.Kind == tickets.Auto {
		out.Label = d.T("page.automatic", "Tone", out.Label)
	}
	if name == "" {
		out.Name = d.p.name
		if e.Author != 0 || e.Kind == tickets.Message {
			out.Name = d.T("page.unknown")
		}
		out.Avatar = avatarOf(e.Author, out.Name)
	}
	if e.Kind == tickets.Message && e.Subject == tk.Subject || e.Kind == tickets.Reply {
		out.Subject = "" // a reply's is for the program
	}
	if e.Dated != 0 && e.At.Sub(e.Dated).Abs() > dateSlack {
		out.Dated = d.T("page.dated", "When", d.moment(e.Dated))
	}
	if e.Deleted {
		out.Deleted = d.T("page.deleted")
		out.Excerpt = out.Deleted
		return out
	}
	if e.Sealed {
		out.Same = d.T("line.sealed")
		out.Excerpt = out.Same
		return out
	}
	if e.Revision > 1 && e.Kind != tickets.Reply { // a reply has its source's
		out.Revised = d.T("page.revised", "Count", e.Revision-1)
	}
	out.Files = d.files(tk.ID, e.Files)
	switch {
	case same.to != 0:
		out.Same, out.SameAs = same.text, same.to
	case strings.TrimSpace(e.Body) != "":
		out.Body = d.body(tk.ID, e.Body, e.Files)
	case len(e.Files) == 0:
		out.Same = d.T("page.empty")
	}
	if strings.TrimSpace(e.Folded) != "" {
		out.Folded = d.body(tk.ID, e.Folded, e.Files)
	}
	out.Excerpt = excerpt(e.Body)
	if out.Excerpt == "" && len(e.Files) > 0 {
		out.Excerpt = d.T("count.files", "Count", len(e.Files))
	}
	if e.Reply != nil {
		out.Fate = d.fate(*e.Reply)
		if by := clean(e.By); by != "" && by != name {
			out.By = d.T("page.by", "Name", by)
		}
		if ok := clean(e.Approved); ok != "" {
			out.By = strings.TrimSpace(out.By + " " + d.T("page.approved", "Name", ok))
		}
	}
	for _, s := range e.Sends {
		to := clean(s.Person)
		if to == "" {
			to = d.where(s.To)
		}
		out.Sends = append(out.Sends, sendData{To: to, State: d.T("page.send." + string(s.State)),
			Reason: clean(s.Reason.In(d.Lang)), Tone: string(s.State)})
	}
	return out
}

func (d data) fate(r tickets.ReplyRow) string {
	id := "page.reply." + string(r.State)
	if r.State == tickets.Held {
		return d.T(id, "When", i18n.Clock(d.Lang, r.HoldUntil.Time(), d.p.loc))
	}
	return d.T(id)
}

func (d data) where(w Where) string {
	switch w.Kind {
	case tickets.MailLink:
		return d.T("page.where.mail", "Address", clean(w.Room))
	case tickets.DirectLink:
		return d.T("page.where.direct", "Adapter", w.Adapter)
	case tickets.AskerLink, tickets.RoomLink, tickets.Announcement:
		return d.T("page.where.room", "Room", clean(w.Adapter+":"+w.Room))
	}
	return ""
}

func (d data) files(ticket tickets.ID, fs []tickets.File) []fileData {
	var out []fileData
	for _, f := range fs {
		fd := fileData{Name: fileName(f.Name, int64(f.ID))}
		if f.Size > 0 {
			fd.Size = i18n.Size(d.Lang, f.Size)
		}
		switch f.State {
		case tickets.FileStored:
			fd.Link = d.p.links.onPage(ticket, f.ID)
			fd.Image = safeImage(f.Type) != "" && f.Size <= imageLimit
		case tickets.FileWanted:
			fd.Why = d.T("page.file.wanted")
		default:
			fd.Why = d.T("page.file.lost", "Reason", clean(f.Reason))
		}
		out = append(out, fd)
	}
	return out
}

// inlineImage is how markup leaves a picture that travels with a mail.
var inlineImage = regexp.MustCompile(`<img src="cid:([^"]*)"(?: alt="([^"]*)")?/?>`)

// body is a text as safe HTML. A picture of the mail itself becomes a link to
// the file: nothing is shown before somebody asks for it.
func (d data) body(ticket tickets.ID, md string, fs []tickets.File) template.HTML {
	out := inlineImage.ReplaceAllStringFunc(markup.MarkdownToHTML(md), func(tag string) string {
		m := inlineImage.FindStringSubmatch(tag)
		words := "[image]"
		if m[2] != "" {
			words = "[image: " + m[2] + "]" // escaped already
		}
		cid := html.UnescapeString(m[1])
		for _, f := range fs {
			if f.State == tickets.FileStored && f.ContentID != "" && f.ContentID == cid {
				return `<a href="` + html.EscapeString(d.p.links.onPage(ticket, f.ID)) + `">` + words + `</a>`
			}
		}
		return words
	})
	return template.HTML(out)
}

// excerpt is the first words of a text, for the table of contents.
func excerpt(md string) string {
	md, _ = markup.Excerpt(md, 400)
	text, cut := markup.Excerpt(strings.Join(strings.Fields(markup.MarkdownToPlain(md)), " "), 60)
	text = clean(text)
	if cut {
		text = strings.TrimRight(text, "… \n") + "…"
	}
	return text
}
