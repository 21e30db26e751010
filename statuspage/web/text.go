package web

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain is a page for terminals: the same words, with shapes as letters in
// brackets.
func (s *Site) plain(d pageData) []byte {
	p := &printer{t: d.T}
	p.underlined(d.Name+" – "+d.T.Title, "=")
	p.line("")
	if d.Stale != "" {
		p.line("! %s\n", d.Stale)
	}
	switch {
	case d.Overview != nil:
		p.overview(d.Overview)
	case d.Incident != nil:
		p.line("%s", d.Incident.Number)
		p.incident(*d.Incident)
	case d.Planned != nil:
		p.planned(d.Planned)
	case d.History != nil:
		p.line("%s\n", d.Heading)
		p.list(d.History.List)
		if len(d.History.List) == 0 {
			p.line("%s\n", d.T.MonthNone)
		}
		if d.History.Rest != "" {
			p.line("%s%s%s\n", d.T.MonthRest, d.T.Colon, d.History.Rest)
		}
	case d.Follow != nil:
		p.follow(d.Follow)
	case d.Sorry != nil:
		p.line("%s\n%s\n", d.Sorry.What, d.Sorry.Do)
	}
	p.line("%s", d.Zone)
	if d.Written != "" {
		p.line("%s", d.Written)
	}
	p.line("%s", d.Canonical)
	return p.b.Bytes()
}

type printer struct {
	b bytes.Buffer
	t *phrases
}

func (p *printer) line(format string, args ...any) {
	for _, r := range fmt.Sprintf(format, args...) {
		// A terminal obeys control characters: none may come from a text.
		if r == '\n' || r == '\t' || !unicode.IsControl(r) {
			p.b.WriteRune(r)
		}
	}
	p.b.WriteByte('\n')
}

func (p *printer) underlined(s, with string) {
	p.line("%s", s)
	p.line("%s", strings.Repeat(with, utf8.RuneCountInString(s)))
}

func (p *printer) overview(o *overviewData) {
	what := o.Overall
	if o.Component != "" {
		what = o.Component + p.t.Colon + what
	}
	p.line("%s %s", sign(o.Shape), what)
	if o.Changed != "" {
		p.line("%s", o.Changed)
	}
	p.line("")
	if len(o.Open) > 0 {
		p.underlined(p.t.Now, "-")
		for _, i := range o.Open {
			p.incident(i)
		}
		p.list(o.OpenToo)
		p.more(o.OpenMore, p.t.History)
	}
	if len(o.Components) > 0 && o.Component == "" {
		p.underlined(p.t.Services, "-")
		width := 0
		for _, c := range o.Components {
			width = max(width, utf8.RuneCountInString(c.Name))
		}
		for _, c := range o.Components {
			p.line("%-6s %-*s  %s", sign(c.Shape), width, c.Name, c.Status)
		}
		p.line("")
	}
	p.upcoming(o.Upcoming)
	p.more(o.More, p.t.Planned)
	p.underlined(p.t.Recent, "-")
	p.list(o.Recent)
	p.line("%s\n", o.Quiet)
}

func (p *printer) planned(d *plannedData) {
	if len(d.Running) > 0 {
		p.underlined(p.t.Running, "-")
		for _, i := range d.Running {
			p.incident(i)
		}
		p.list(d.Too)
		p.more(d.More, p.t.History)
	}
	p.upcoming(d.Upcoming)
	p.more(d.Further, p.t.History)
	if len(d.Done) > 0 {
		p.underlined(p.t.Done, "-")
		p.list(d.Done)
	}
}

func (p *printer) upcoming(list []incidentData) {
	p.underlined(p.t.Upcoming, "-")
	p.list(list)
	if len(list) == 0 {
		p.line("%s\n", p.t.UpcomingNone)
	}
}

// more says that there is more, and on which page.
func (p *printer) more(what, where string) {
	if what != "" {
		p.line("%s %s\n", what, where)
	}
}

func (p *printer) follow(f *followData) {
	p.line("%s\n", p.t.FollowIntro)
	p.underlined(p.t.FollowFeeds, "-")
	p.line("%s\n%s\n%s\n%s\n", p.t.FollowEach+p.t.Colon, f.Atom, f.RSS, f.JSON)
	p.line("%s\n%s\n%s\n", p.t.FollowWhole+p.t.Colon, f.WholeAtom, f.WholeRSS)
	p.underlined(p.t.FollowCalendar, "-")
	p.line("%s\n", f.Calendar)
	p.underlined(p.t.FollowAPI, "-")
	for _, a := range f.APIs {
		p.line("%s", a)
	}
	p.line("")
}

// list has two or three lines about each.
func (p *printer) list(list []incidentData) {
	for _, i := range list {
		p.line("%s %s", sign(i.Shape), i.Title)
		state := i.State
		if i.Impact != "" {
			state += ", " + i.Impact
		}
		p.line("    %s", strings.Join(append([]string{state}, i.Brief...), " · "))
		p.indented(i.Text)
		p.line("    %s\n", i.Address)
	}
}

func (p *printer) incident(i incidentData) {
	p.line("%s %s", sign(i.Shape), i.Title)
	state := i.State
	if i.Impact != "" {
		state += ", " + i.Impact
	}
	p.line("    %s", state)
	for _, f := range i.Facts {
		p.line("    %s%s%s", f.Label, p.t.Colon, f.Value)
	}
	if i.EndPassed {
		p.line("    %s", p.t.EndPassed)
	}
	for _, u := range i.Updates {
		p.line("\n    %s, %s", u.State, u.At.Text)
		for _, more := range []string{u.Corrected, u.Schedule} {
			if more != "" {
				p.line("    %s", more)
			}
		}
		p.indented(u.Text)
		if u.Tongue != "" {
			p.line("    (%s)", u.Tongue)
		}
	}
	switch {
	case i.Hidden:
		p.line("\n    %s%s%s", p.t.All, p.t.Colon, i.Address)
	case !i.Own:
		p.line("\n    %s", i.Address)
	}
	p.line("")
}

func (p *printer) indented(text string) {
	if text == "" {
		return
	}
	for l := range strings.SplitSeq(text, "\n") {
		p.line("%s", strings.TrimRight("    "+l, " "))
	}
}

func sign(shape string) string {
	switch shape {
	case "ok":
		return "[ok]"
	case "minor":
		return "[!]"
	case "major":
		return "[!!]"
	case "critical":
		return "[!!!]"
	case "maintenance":
		return "[~]"
	}
	return "[-]"
}
