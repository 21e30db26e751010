package matrix

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/internal/markup"
)

// words is a message as the bot sees it.
type words struct {
	text   string // Markdown
	files  []chat.FileRef
	us     bool // it is addressed to us
	others []string
}

// maxInbound is the longest text in bytes that is taken from a message; an
// event cannot hold much more.
const maxInbound = 128 << 10

// clipped bounds a text.
func clipped(text string) string {
	if len(text) <= maxInbound {
		return text
	}
	cut := maxInbound
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// fromPlain makes Markdown of a text without markup.
func fromPlain(text string) string { return markup.PlainToMarkdown(chat.Clean(text)) }

// read makes words of a message's content. name is what its sender is called.
func (rd *reading) read(c *event.MessageEventContent, sticker bool, name string) words {
	var w words
	reply := c.RelatesTo.GetReplyTo() != ""
	switch {
	case sticker:
		w.text = "[" + oneLine(c.Body) + "]"
	case c.MsgType.IsMedia():
		if f, ok := fileOf(c); ok {
			w.files = append(w.files, f)
		} else {
			w.text = "[" + oneLine(c.GetFileName()) + "]"
		}
		if caption := c.GetCaption(); caption != "" {
			w.text = rd.text(caption, c, false, &w)
		}
	case c.MsgType == event.MsgLocation:
		w.text = location(c)
	default:
		w.text = rd.text(c.Body, c, reply, &w)
	}
	if c.MsgType == event.MsgEmote {
		w.text = "*" + strings.NewReplacer("*", "", "_", "").Replace(fromPlain(name)) + "* " + w.text
	}
	if c.Mentions != nil {
		for _, user := range c.Mentions.UserIDs[:min(len(c.Mentions.UserIDs), 50)] {
			w.mention(user, rd.l.me)
		}
	}
	w.text = clipped(strings.TrimSpace(w.text))
	if rest, ok := addressed(w.text, rd.l); ok {
		w.text, w.us = rest, true
	}
	return w
}

// mention notes that somebody is addressed.
func (w *words) mention(user, me id.UserID) {
	switch {
	case user == me:
		w.us = true
	case user != "" && len(user) <= 255 && !slices.Contains(w.others, string(user)):
		w.others = append(w.others, chat.Clean(string(user)))
	}
}

// text makes Markdown of a body and its HTML. The quotation that older clients
// put before a reply is left out.
func (rd *reading) text(body string, c *event.MessageEventContent, reply bool, w *words) string {
	if c.Format == event.FormatHTML && c.FormattedBody != "" && len(c.FormattedBody) <= maxInbound {
		html, mentioned := tidyHTML(c.FormattedBody)
		md := markup.HTMLToMarkdown(html)
		if strings.TrimSpace(md) != "" {
			if c.Mentions == nil { // older clients mention by pills alone
				for _, user := range mentioned {
					w.mention(user, rd.l.me)
				}
			}
			return md
		}
	}
	if reply {
		body = event.TrimReplyFallbackText(body)
	}
	return fromPlain(clipped(body))
}

func oneLine(s string) string { return fromPlain(cleanName(s)) }

// addressed cuts our name from the beginning of a text, and tells whether it
// was there.
func addressed(text string, l *link) (rest string, ok bool) {
	for _, name := range []string{string(l.me), l.name, l.me.Localpart()} {
		if name == "" {
			continue
		}
		// In Markdown a name may be escaped or be what a pill shows.
		for _, form := range []string{name, fromPlain(name), strings.ReplaceAll(name, "_", `\_`)} {
			for _, at := range []string{"@", ""} {
				head := at + form
				if at != "" && strings.HasPrefix(form, "@") || len(text) < len(head) || !strings.EqualFold(text[:len(head)], head) {
					continue
				}
				after := text[len(head):]
				trimmed := strings.TrimLeft(after, " \u00a0\u202f")
				switch {
				case after == "":
					return "", true
				case strings.HasPrefix(trimmed, ":"), strings.HasPrefix(trimmed, ","):
					return strings.TrimLeft(trimmed[1:], " \u00a0\u202f"), true
				case at == "@" || strings.HasPrefix(form, "@"):
					if trimmed != after || after[0] == '\n' {
						return strings.TrimSpace(after), true
					}
				}
			}
		}
	}
	return text, false
}

// location shows a place as a link to a map.
func location(c *event.MessageEventContent) string {
	text := fromPlain(clipped(c.Body))
	coordinates, _, _ := strings.Cut(strings.TrimPrefix(c.GeoURI, "geo:"), ";")
	parts := strings.Split(coordinates, ",")
	if len(parts) < 2 {
		return text
	}
	lat, err1 := strconv.ParseFloat(parts[0], 64)
	lon, err2 := strconv.ParseFloat(parts[1], 64)
	if err1 != nil || err2 != nil || !(math.Abs(lat) <= 90) || !(math.Abs(lon) <= 180) {
		return text
	}
	link := fmt.Sprintf("https://www.openstreetmap.org/?mlat=%.6f&mlon=%.6f", lat, lon)
	return strings.TrimSpace(text + "\n\n" + link)
}

// fileRef is what FileRef.Ref holds: where the file is and, where it is
// encrypted, what opens it.
type fileRef struct {
	URL    string  `json:"url"`
	Sealed *sealed `json:"sealed,omitempty"`
}

// fileOf gives the file of a message.
func fileOf(c *event.MessageEventContent) (chat.FileRef, bool) {
	ref := fileRef{URL: string(c.URL)}
	if c.File != nil {
		ref = fileRef{URL: string(c.File.URL), Sealed: c.File}
	}
	if uri, err := id.ParseContentURI(ref.URL); err != nil || uri.IsEmpty() {
		return chat.FileRef{}, false
	}
	data, err := json.Marshal(ref)
	if err != nil || len(data) > 4<<10 {
		return chat.FileRef{}, false
	}
	f := chat.FileRef{Name: fileName(c), Ref: string(data)}
	if c.Info != nil {
		f.Size = int64(c.Info.Size)
		if kind := chat.Clean(c.Info.MimeType); len(kind) <= 100 && strings.Count(kind, "/") == 1 && !strings.ContainsAny(kind, " \t\r\n") {
			f.Type = kind
		}
	}
	if f.Type == "" {
		f.Type = "application/octet-stream"
	}
	return f, true
}

// fileName is the name of a file without what would make a path of it.
func fileName(c *event.MessageEventContent) string {
	name := cleanName(c.GetFileName())
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, name)
	if name == "" || name == "." || name == ".." {
		return "fichier"
	}
	return name
}
