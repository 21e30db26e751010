package playground

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"

	"permanence/internal/markup"
)

//go:embed assets
var assets embed.FS

var pageTemplate = template.Must(template.ParseFS(assets, "assets/page.html"))

// toHTML renders what programs and people write; the result is clean.
func toHTML(text string) string { return markup.MarkdownToHTML(text) }

// panel is one chat column of the page.
type panel struct {
	ID, Title string
	Tab       string // a shorter title
}

// pageStep is one hint. Its number is written, because a phone shows only
// those for what is on the screen.
type pageStep struct {
	N    int
	HTML template.HTML
}

// pageConfig is what the script is told.
type pageConfig struct {
	Words   pageWords `json:"words"`
	Support string    `json:"support"`
	Mail    bool      `json:"mail"`
	Zone    string    `json:"zone,omitempty"`
}

// page writes the page; its script fills it.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	words := wordsFor(r.Header.Get("Accept-Language"))
	bot := "permanence"
	for _, a := range s.net.Accounts() {
		if a.Bot {
			bot = a.ID
			break
		}
	}
	room := "entraide"
	for _, r := range s.net.Rooms() {
		if r.Kind == Public {
			room = r.Name
			break
		}
	}
	support := first(s.opts.Support, "support@example.org")
	list := words.Steps
	if s.opts.Mailbox == nil {
		list = words.StepsNoMail
	}
	var steps []pageStep
	for i, step := range list {
		step = strings.ReplaceAll(step, "HOW", words.how(s.opts.Opens))
		step = strings.NewReplacer("SUPPORT", support, "BOT", bot, "ROOM", room).Replace(step)
		html := strings.TrimSpace(toHTML(step))
		html = strings.TrimSuffix(strings.TrimPrefix(html, "<p>"), "</p>")
		steps = append(steps, pageStep{i + 1, template.HTML(html)}) // cleaned by markup
	}
	var buf bytes.Buffer
	err := pageTemplate.Execute(&buf, struct {
		W      pageWords
		Steps  []pageStep
		Links  []Link
		Panels []panel
		Mail   bool
		Config pageConfig
	}{
		words, steps, s.opts.Links,
		[]panel{{"public", words.Public, words.PublicTab}, {"team", words.Team, words.Team}, {"status", words.Status, words.StatusTab}},
		s.opts.Mailbox != nil,
		pageConfig{Words: words, Support: support, Mail: s.opts.Mailbox != nil, Zone: s.opts.Zone},
	})
	if err != nil {
		s.opts.Log.Error("playground page", "err", err)
		http.Error(w, "The page could not be written.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.Write(buf.Bytes())
}

// asset serves one embedded file.
func (s *server) asset(name, mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data, err := assets.ReadFile("assets/" + name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Write(data)
	}
}
