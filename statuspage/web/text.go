package web

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// plain is the page for terminals: the same words, with shapes as letters in
// brackets.
func (s *Site) plain(d pageData) []byte {
	p := &printer{t: d.T}
	p.title(d.Name + " – " + d.T.Title)
	if d.Stale != nil {
		p.line("! %s %s.\n", d.T.Stale, d.Stale.Text)
	}
	switch {
	case d.Overview != nil:
		p.overview(d.Overview)
	case d.Incident != nil:
		p.line("%s", d.Incident.Number)
		p.incident(*d.Incident, "")
	case d.History != nil:
		p.line("%s\n", d.Heading)
		p.days(d.History.Days)
		if len(d.History.Days) == 0 {
			p.line("%s\n", d.T.NoneMonth)
		}
	case d.Sorry != nil:
		p.line("%s\n%s\n", d.Sorry.What, d.Sorry.Do)
	}
	p.line("%s%s%s", d.T.Zone, d.T.Colon, d.Zone)
	p.line("%s", d.Canonical)
	return p.b.Bytes()
}

type printer struct {
	b bytes.Buffer
	t sentences
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

func (p *printer) title(s string) {
	p.line("%s", s)
	p.line("%s\n", strings.Repeat("=", len([]rune(s))))
}

func (p *printer) section(s string) {
	p.line("%s", s)
	p.line("%s", strings.Repeat("-", len([]rune(s))))
}

func (p *printer) overview(o *overviewData) {
	p.line("%s %s\n", sign(o.Shape), o.Overall)
	if len(o.Open) > 0 {
		p.section(p.t.Open)
		for _, i := range o.Open {
			p.incident(i, "")
		}
	}
	if len(o.Components) > 0 {
		p.section(p.t.Services)
		width := 0
		for _, c := range o.Components {
			width = max(width, len([]rune(c.Name)))
		}
		for _, c := range o.Components {
			p.line("%-5s %-*s  %s", sign(c.Shape), width, c.Name, c.Status)
		}
		p.line("")
	}
	p.section(p.t.Planned)
	for _, i := range o.Planned {
		p.incident(i, "")
	}
	if len(o.Planned) == 0 {
		p.line("%s\n", p.t.NonePlanned)
	}
	p.section(p.t.Recent)
	p.days(o.Days)
	p.line("%s\n", o.Quiet)
}

func (p *printer) days(days []dayData) {
	for _, d := range days {
		p.line("%s", d.Name)
		for _, i := range d.List {
			p.incident(i, "  ")
		}
	}
}

func (p *printer) incident(i incidentData, indent string) {
	p.line("%s%s %s", indent, sign(i.Shape), i.Title)
	indent += "    "
	state := i.State
	if i.Open && i.Impact != "" {
		state += ", " + i.Impact
	}
	p.line("%s%s", indent, state)
	if i.Components != "" {
		p.line("%s%s%s%s", indent, p.t.Touches, p.t.Colon, i.Components)
	}
	for _, fact := range []string{i.Span, i.Planned, i.NextWord} {
		if fact != "" {
			p.line("%s%s", indent, fact)
		}
	}
	if i.PlannedEndPassed {
		p.line("%s%s", indent, p.t.PlannedEndPassed)
	}
	for _, u := range i.Updates {
		p.line("\n%s%s, %s", indent, u.State, u.At.Text)
		if u.Corrected != nil {
			p.line("%s(%s%s%s)", indent, p.t.Corrected, p.t.Colon, u.Corrected.Text)
		}
		for _, l := range strings.Split(u.Text, "\n") {
			p.line("%s", strings.TrimRight(indent+l, " "))
		}
	}
	p.line("")
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
