package matrix

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/internal/markup"
)

// message is a content of ours: it carries the delivery's key, so that what
// was said can be found again. In an encrypted room the key is encrypted too.
type message struct {
	event.MessageEventContent
	Key  string `json:"permanence_key,omitempty"`
	Part int    `json:"permanence_part,omitempty"`
}

// contents makes the text messages of a content, none where there is no text.
// The same content always gives the same messages.
func contents(c chat.Content) []*message {
	if strings.TrimSpace(c.Text) == "" && len(c.Files) > 0 {
		return nil
	}
	var out []*message
	for _, text := range pieces(c.Text, maxText) {
		out = append(out, content(text, c.Notice))
	}
	if len(c.Mentions) > 0 && len(out) > 0 {
		mention(out[0], c.Mentions)
	}
	return out
}

// pieces cuts a text into messages that an event can hold.
func pieces(text string, limit int) []string {
	var out []string
	for _, piece := range markup.SplitRunes(text, limit) {
		if limit > 500 && sizeOf(content(piece, false)) > maxContent {
			out = append(out, pieces(piece, limit/2)...)
			continue
		}
		out = append(out, piece)
	}
	if len(out) == 0 {
		return []string{text}
	}
	return out
}

func sizeOf(m *message) int {
	data, err := json.Marshal(m)
	if err != nil {
		return 0
	}
	return len(data)
}

// content makes one message. Nothing in it pings: m.mentions is there, and
// empty (https://spec.matrix.org/v1.13/client-server-api/#user-and-room-mentions).
func content(md string, notice bool) *message {
	m := &message{MessageEventContent: event.MessageEventContent{
		MsgType: event.MsgText, Body: quiet(markup.MarkdownToPlain(md)), Mentions: &event.Mentions{},
	}}
	if notice {
		m.MsgType = event.MsgNotice
	}
	formatted := strings.TrimSpace(noPills(markup.MarkdownToHTML(md)))
	if plain := "<p>" + html.EscapeString(m.Body) + "</p>"; formatted != "" && html.UnescapeString(formatted) != html.UnescapeString(plain) {
		m.Format, m.FormattedBody = event.FormatHTML, quiet(formatted)
	}
	return m
}

// quiet takes the meaning from "@room", by which older clients ping everybody.
func quiet(text string) string {
	return roomPattern.ReplaceAllString(text, "@\u2060$1")
}

var roomPattern = regexp.MustCompile(`(?i)@(room)\b`)

// pillPattern finds links that clients show as mentions.
var pillPattern = regexp.MustCompile(`(?is)<a href="(?:https?://matrix\.to/#/(?:@|%40)|matrix:u/)[^"]*"[^>]*>(.*?)</a>`)

// noPills makes text of them: who is mentioned is said by Content.Mentions.
func noPills(formatted string) string { return pillPattern.ReplaceAllString(formatted, "$1") }

// mention puts those to be pinged before a message.
func mention(m *message, accounts []chat.Account) {
	var plain, formatted strings.Builder
	for _, a := range accounts {
		user := id.UserID(a.ID)
		if _, _, err := user.ParseAndValidateRelaxed(); err != nil {
			continue // of another network
		}
		name := cleanName(a.Name)
		if name == "" {
			name = user.Localpart()
		}
		m.Mentions.Add(user)
		if strings.HasPrefix(m.Body, name+":") { // it opens with the name already
			continue
		}
		plain.WriteString(quiet(name) + ", ")
		formatted.WriteString(`<a href="` + html.EscapeString(user.URI().MatrixToURL()) + `">` + html.EscapeString(name) + `</a>, `)
	}
	if plain.Len() == 0 {
		return
	}
	if m.FormattedBody == "" {
		m.FormattedBody = strings.ReplaceAll(html.EscapeString(m.Body), "\n", "<br>")
	}
	head := func(s string) string { return strings.TrimSuffix(s, ", ") + ": " }
	m.Body = head(plain.String()) + m.Body
	m.Format = event.FormatHTML
	if rest, ok := strings.CutPrefix(m.FormattedBody, "<p>"); ok {
		m.FormattedBody = "<p>" + head(formatted.String()) + rest
	} else {
		m.FormattedBody = head(formatted.String()) + m.FormattedBody
	}
}

// replacing makes a correction of a message. What is shown by clients that do
// not know corrections is short: both texts share the size of one event.
func replacing(m *message, target id.EventID) *message {
	inner := m.MessageEventContent
	fallback := inner.Body
	if runes := []rune(fallback); len(runes) > 200 {
		fallback = string(runes[:200]) + "…"
	}
	return &message{Key: m.Key, Part: m.Part, MessageEventContent: event.MessageEventContent{
		MsgType: inner.MsgType, Body: "* " + fallback, Mentions: &event.Mentions{}, NewContent: &inner,
		RelatesTo: (&event.RelatesTo{}).SetReplace(target),
	}}
}

// relate puts a message into a thread or makes an answer of it. Clients
// without threads show it as an answer to the thread's last message
// (https://spec.matrix.org/v1.13/client-server-api/#fallback-for-unthreaded-clients).
func relate(c *event.MessageEventContent, thread, last, replyTo id.EventID) {
	switch {
	case thread != "" && replyTo != "" && replyTo != thread:
		c.RelatesTo = (&event.RelatesTo{}).SetThread(thread, "")
		c.RelatesTo.InReplyTo = &event.InReplyTo{EventID: replyTo}
	case thread != "":
		c.RelatesTo = (&event.RelatesTo{}).SetThread(thread, last)
	case replyTo != "":
		c.RelatesTo = (&event.RelatesTo{}).SetReplyTo(replyTo)
	}
}
