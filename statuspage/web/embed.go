package web

import (
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"permanence/statuspage"
)

// embedScriptJS shows a box in another site's page when not all is well. It
// asks embed.json, which has the words ready.
//
//go:embed templates/embed.js
var embedScriptJS string

// embedMost is how many incidents a recap names.
const embedMost = 4

type embedData struct {
	Shape, Overall string
	Items          []incidentData
}

// recap is what is going on, then what is planned.
func (s *Site) recap(v view, list []statuspage.PublicIncident) *embedData {
	ongoing := byWeight(list)
	worst := statuspage.Overall(list)
	e := &embedData{Shape: shapeOf(worst, len(ongoing) > 0), Overall: s.overall(v.lang, worst, len(ongoing))}
	var upcoming []*statuspage.PublicIncident
	for i := range list {
		if list[i].Upcoming() {
			upcoming = append(upcoming, &list[i])
		}
	}
	soonestFirst(upcoming)
	for _, p := range append(ongoing, upcoming...) {
		if len(e.Items) == embedMost {
			break
		}
		i := s.describe(v, p, brief)
		i.Link = s.absolute(v, incidentPath(p.Number))
		i.Brief = i.Brief[:min(len(i.Brief), 1)] // when; the title names the services
		e.Items = append(e.Items, i)
	}
	return e
}

// embed is the page that other sites show in a frame.
func (s *Site) embed(w http.ResponseWriter, r *http.Request) {
	v := s.pageView(r)
	v.text = false
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	s.serve(w, r, v, "/embed", list.stamp(), func() document {
		d := s.page(v, "", "/", list.since)
		d.Embed = s.recap(v, list.value)
		d.Heading, d.Icon = s.say(v.lang, "embed.title", "Name", s.name), icon(d.Embed.Shape)
		k := s.htmlKind()
		k.policy, k.open = s.style.frame, true
		return s.laidOut("embed.html", d, k, later(list.since, newest(list.value)))
	})
}

func (s *Site) embedScript(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, view{lang: s.lang}, "/embed.js", stamp{}, func() document {
		return document{
			kind: kind{contentType: "text/javascript; charset=utf-8", open: true, maxAge: time.Hour},
			body: []byte(embedScriptJS),
		}
	})
}

// recapJSON is what embed.js reads.
type recapJSON struct {
	State string      `json:"state"`
	Label string      `json:"label"`
	URL   string      `json:"url"`
	More  string      `json:"more"`
	Items []recapItem `json:"items"`
}

type recapItem struct {
	Title string `json:"title"`
	State string `json:"state"`
	URL   string `json:"url"`
}

func (s *Site) embedJSON(w http.ResponseWriter, r *http.Request) {
	v := s.dataView(r)
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	s.serve(w, r, v, "/embed.json", stamp{version: list.version}, func() document {
		e := s.recap(v, list.value)
		j := recapJSON{State: e.Shape, Label: e.Overall, URL: s.absolute(v, "/"), More: s.words(v.lang).EmbedMore, Items: []recapItem{}}
		for _, i := range e.Items {
			j.Items = append(j.Items, recapItem{i.Title, i.State, i.Link})
		}
		return s.jsonDocument(j, newest(list.value), pageAge)
	})
}

// jsonDocument is an answer for programs of other sites.
func (s *Site) jsonDocument(v any, modified time.Time, age time.Duration) document {
	body, err := marshalJSON(v)
	if err != nil {
		s.log.Error("rendering JSON", "err", err)
		return document{}
	}
	return document{kind: kind{contentType: "application/json; charset=utf-8", open: true, maxAge: age}, body: body, modified: modified}
}

// badge is the state as an image: words, and a shape before them.
func (s *Site) badge(w http.ResponseWriter, r *http.Request) {
	v := s.dataView(r)
	list, err := s.read(r.Context())
	if err != nil {
		s.unavailable(w, r, v)
		return
	}
	s.serve(w, r, v, "/badge.svg", stamp{version: list.version}, func() document {
		ongoing := byWeight(list.value)
		worst := statuspage.Overall(list.value)
		return document{
			kind:     kind{contentType: "image/svg+xml; charset=utf-8", open: true, maxAge: time.Minute},
			body:     []byte(badgeSVG(s.words(v.lang).Title, s.overall(v.lang, worst, len(ongoing)), shapeOf(worst, len(ongoing) > 0))),
			modified: newest(list.value),
		}
	})
}

// badgeSVG draws the badge. Its text is given its width, so that it fits with
// whatever font a reader has.
func badgeSVG(label, state, shape string) string {
	path, colour := "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1", "#14683f"
	inner := "m4.8 8.3 2.2 2.2 4.2-4.6"
	switch shape {
	case "minor":
		path, colour, inner = "M8 1.6 15.3 14.6H.7z", "#7a4f00", "M8 6.3v3.6m0 1.7v.7"
	case "major":
		path, colour, inner = "M8 .5 15.5 8 8 15.5.5 8z", "#9a3d08", "M8 4.6v4.2m0 1.8v.7"
	case "critical":
		path, colour, inner = "M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z", "#a81e1a", "m5.5 5.5 5 5m0-5-5 5"
	case "maintenance":
		path, colour, inner = "M1 1h14v14H1z", "#3d49a0", "m4.6 11.4 4-4m0 0a2.4 2.4 0 0 1 3-3l-1.4 1.5.3 1.1 1.1.3L13 6"
	case "none":
		colour, inner = "#56666c", "M4.8 8h6.4"
	}
	const perRune, height = 6.4, 24
	left := int(perRune*float64(utf8.RuneCountInString(label))) + 16
	right := int(perRune*float64(utf8.RuneCountInString(state))) + 38
	full := escapeText(label) + " – " + escapeText(state)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s"><title>%s</title>`,
		left+right, height, left+right, height, full, full)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="5" fill="#fff"/><path d="M5 0h%dv%dH5a5 5 0 0 1-5-5V5a5 5 0 0 1 5-5" fill="#2b3b41"/>`,
		left+right, height, left-5, height)
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%d" height="%d" rx="4.5" fill="none" stroke="#2b3b41"/>`, left+right-1, height-1)
	fmt.Fprintf(&b, `<g font-family="system-ui,Verdana,DejaVu Sans,sans-serif" font-size="12"><text x="8" y="16" fill="#fff" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text>`,
		left-16, escapeText(label))
	fmt.Fprintf(&b, `<g transform="translate(%d 4)"><path d="%s" fill="%s"/><path d="%s" fill="none" stroke="#fff" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/></g>`,
		left+8, path, colour, inner)
	fmt.Fprintf(&b, `<text x="%d" y="16" fill="%s" font-weight="600" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text></g></svg>`+"\n",
		left+30, colour, right-38, escapeText(state))
	return b.String()
}
