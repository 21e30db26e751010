package matrix_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

func TestInboundWords(t *testing.T) {
	s := newScene(t)
	room := s.room("words")
	b := running(t, chattest.NewInbox(), s.config(), room)
	me := s.bot.UserID
	for i, tt := range []struct {
		name, content string
		want          chat.Posted
	}{
		{"html", `{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html","formatted_body":"<p>un <strong>mot</strong> &amp; <a href=\"https://example.org/\">lien</a></p>"}`,
			chat.Posted{Text: "un **mot** & [lien](https://example.org/)"}},
		{"hostile html", `{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html","formatted_body":"avant<script>alert(1)</script><img src=\"https://evil.example/t.gif\" onerror=\"x()\" alt=\"suivi\"><a href=\"javascript:x()\">clic</a><iframe src=\"https://evil.example\">dans</iframe><p style=\"display:none\" onclick=\"y()\">après</p>"}`,
			chat.Posted{Text: "avantsuiviclic\n\naprès"}},
		{"reply fallback", `{"msgtype":"m.text","body":"> <@a:example.org> citation\n\nma réponse","format":"org.matrix.custom.html","formatted_body":"<mx-reply><blockquote>citation</blockquote></mx-reply>ma réponse","m.relates_to":{"m.in_reply_to":{"event_id":"$abc"}}}`,
			chat.Posted{Text: "ma réponse", ReplyTo: "$abc"}},
		{"reply fallback, plain", `{"msgtype":"m.text","body":"> <@a:example.org> citation\n\nma réponse","m.relates_to":{"m.in_reply_to":{"event_id":"$abc"}}}`,
			chat.Posted{Text: "ma réponse", ReplyTo: "$abc"}},
		{"mention", `{"msgtype":"m.text","body":"Bot: aide","format":"org.matrix.custom.html","formatted_body":"<a href=\"https://matrix.to/#/` + me + `\">` + id.UserID(me).Localpart() + `</a>: aide","m.mentions":{"user_ids":["` + me + `"]}}`,
			chat.Posted{Text: "aide", MentionsUs: true}},
		{"mention by account", `{"msgtype":"m.text","body":"` + me + ` aide"}`, chat.Posted{Text: "aide", MentionsUs: true}},
		{"mention of others", `{"msgtype":"m.text","body":"Alice, tu vois ?","m.mentions":{"user_ids":["@alice:example.org"]}}`,
			chat.Posted{Text: "Alice, tu vois ?", Mentions: []string{"@alice:example.org"}}},
		{"command", `{"msgtype":"m.text","body":"!r bonjour #42","format":"org.matrix.custom.html","formatted_body":"!r bonjour #42"}`, chat.Posted{Text: "!r bonjour #42"}},
		{"notice", `{"msgtype":"m.notice","body":"je suis une machine"}`, chat.Posted{Text: "je suis une machine", Meta: chat.Meta{From: chat.Account{Bot: true}}}},
		{"emote", `{"msgtype":"m.emote","body":"salue"}`, chat.Posted{Text: "*" + id.UserID(s.human.UserID).Localpart() + "* salue"}},
		{"location", `{"msgtype":"m.location","body":"ici","geo_uri":"geo:48.85,2.35;u=35"}`, chat.Posted{Text: "ici\n\nhttps://www.openstreetmap.org/?mlat=48.850000&mlon=2.350000"}},
		{"location that is none", `{"msgtype":"m.location","body":"nulle part","geo_uri":"geo:NaN,1e999"}`, chat.Posted{Text: "nulle part"}},
		{"body is no text", `{"msgtype":"m.text","body":{"a":1}}`, chat.Posted{Text: "[Matrix : message illisible / malformed message]"}},
		{"file without address", `{"msgtype":"m.file","body":"rapport.pdf"}`, chat.Posted{Text: "[rapport.pdf]"}},
		{"image", `{"msgtype":"m.image","body":"légende","filename":"../a/é.png","url":"mxc://example.org/abc","info":{"mimetype":"image/png","size":12}}`,
			chat.Posted{Text: "légende", Files: []chat.FileRef{{Name: ".._a_é.png", Type: "image/png", Size: 12, Ref: `{"url":"mxc://example.org/abc"}`}}}},
		{"voice", `{"msgtype":"m.audio","body":"vocal.ogg","url":"mxc://example.org/abc","info":{"mimetype":"audio/ogg","duration":3000},"org.matrix.msc3245.voice":{}}`,
			chat.Posted{Files: []chat.FileRef{{Name: "vocal.ogg", Type: "audio/ogg", Ref: `{"url":"mxc://example.org/abc"}`}}}},
		{"thread", `{"msgtype":"m.text","body":"dans le fil","m.relates_to":{"rel_type":"m.thread","event_id":"$root","is_falling_back":true,"m.in_reply_to":{"event_id":"$last"}}}`,
			chat.Posted{Text: "dans le fil", Meta: chat.Meta{Thread: "$root"}}},
		{"unknown kind", `{"msgtype":"org.example.dance","body":"danse"}`, chat.Posted{Text: "danse"}},
		{"no html where none is kept", `{"msgtype":"m.text","body":"texte","format":"org.matrix.custom.html","formatted_body":"<script>x</script>"}`, chat.Posted{Text: "texte"}},
		{"no text format", `{"msgtype":"m.text","body":"a_b_c *d*"}`, chat.Posted{Text: "a_b_c *d*"}},
	} {
		sent := s.raw(room, tt.content)
		p := first(b, tt.name, func(p *chat.Posted) bool { return p.ID == sent })
		if p.Text != tt.want.Text || p.ReplyTo != tt.want.ReplyTo || p.Thread != tt.want.Thread || p.MentionsUs != tt.want.MentionsUs ||
			p.From.Bot != tt.want.From.Bot || !slices.Equal(p.Mentions, tt.want.Mentions) || !slices.Equal(p.Files, tt.want.Files) {
			kind, body, _ := chat.EncodeEvent(p)
			t.Errorf("%d %s: %s %s", i, tt.name, kind, body)
		}
		if !p.From.Proved || p.From.ID != s.human.UserID || p.From.Handle != s.human.UserID {
			t.Errorf("%s: from %+v", tt.name, p.From)
		}
	}
}

// TestForged: what says to be about somebody else's message is not believed.
func TestForged(t *testing.T) {
	s := newScene(t)
	room := s.room("forged")
	b := running(t, chattest.NewInbox(), s.config(), room)
	other := newPeer(t, s.server.URL, s.server.Register(t, fresh(t, "alice-forged")), nil)
	if _, err := other.client.JoinRoomByID(deadline(t), s.p.room(room)); err != nil {
		t.Fatal(err)
	}
	mine := s.raw(room, `{"msgtype":"m.text","body":"mes mots"}`)
	edit := `{"msgtype":"m.text","body":"* %s","m.new_content":{"msgtype":"m.text","body":"%s"},"m.relates_to":{"rel_type":"m.replace","event_id":"%s"}}`
	if _, err := other.client.SendMessageEvent(deadline(t), s.p.room(room), event.EventMessage, json.RawMessage(fmt.Sprintf(edit, "faux", "faux", mine))); err != nil {
		t.Fatal(err)
	}
	s.raw(room, fmt.Sprintf(edit, "nulle part", "nulle part", "$nowhere"))
	s.raw(room, `{"msgtype":"m.text","body":"* sans texte","m.relates_to":{"rel_type":"m.replace","event_id":"`+mine+`"}}`)
	s.rawType(room, event.EventReaction, `{"m.relates_to":{"rel_type":"m.annotation","event_id":"abc","key":"✉️"}}`)
	s.rawType(room, event.EventReaction, `{"m.relates_to":[]}`)
	s.raw(room, fmt.Sprintf(edit, "vrai", "vrai", mine))
	first(b, "the true edit", func(e *chat.Edited) bool { return e.Target == mine && e.Text == "vrai" })
	for _, e := range b.inbox.Events() {
		switch e := e.(type) {
		case *chat.Edited:
			if e.Text != "vrai" {
				t.Errorf("forged edit %+v", e)
			}
		case *chat.Reacted:
			t.Errorf("forged reaction %+v", e)
		}
	}
	// Without memory of it the server is asked who said the message.
	b.stop()
	s.raw(room, fmt.Sprintf(edit, "encore", "encore", mine))
	again := running(t, b.inbox, s.config(), room)
	first(again, "the edit after a restart", func(e *chat.Edited) bool { return e.Text == "encore" })
}

// TestSaid looks at what people's clients get.
func TestSaid(t *testing.T) {
	s := newScene(t)
	room := s.room("said")
	b := running(t, chattest.NewInbox(), s.config(), room)
	ctx := deadline(t)
	get := func(part string) *event.MessageEventContent {
		t.Helper()
		m, err := s.p.find(ctx, room, part)
		if err != nil {
			t.Fatal(err)
		}
		return m.content
	}
	root := s.raw(room, `{"msgtype":"m.text","body":"une question"}`)
	last := s.raw(room, `{"msgtype":"m.text","body":"suite","m.relates_to":{"rel_type":"m.thread","event_id":"`+root+`"}}`)
	b.heard("suite")
	b.must(chat.Say{Place: chat.Place{Adapter: "matrix", Room: room, Thread: root}, Content: chat.Content{Text: "**gras** @room et [Alice](https://matrix.to/#/@alice:example.org)", Notice: true}})
	c := get("gras")
	switch {
	case c.MsgType != event.MsgNotice:
		t.Errorf("type %s", c.MsgType)
	case c.RelatesTo.GetThreadParent() != id.EventID(root) || !c.RelatesTo.IsFallingBack || c.RelatesTo.GetReplyTo() != id.EventID(last):
		t.Errorf("relation %+v", c.RelatesTo)
	case c.Mentions == nil || c.Mentions.Room || len(c.Mentions.UserIDs) > 0:
		t.Errorf("mentions %+v", c.Mentions)
	case strings.Contains(c.Body, "@room") || strings.Contains(c.FormattedBody, "@room") || strings.Contains(c.FormattedBody, "matrix.to"):
		t.Errorf("it pings: %q %q", c.Body, c.FormattedBody)
	case !strings.Contains(c.FormattedBody, "<strong>gras</strong>"):
		t.Errorf("html %q", c.FormattedBody)
	}
	b.must(chat.Say{Place: place(room), ReplyTo: root, Content: chat.Content{Text: "réponse", Mentions: []chat.Account{{ID: s.human.UserID, Name: "Camille"}, {Network: "irc", ID: "nobody"}}}})
	c = get("réponse")
	if c.MsgType != event.MsgText || !c.Mentions.Has(id.UserID(s.human.UserID)) || len(c.Mentions.UserIDs) != 1 || c.RelatesTo.GetReplyTo() != id.EventID(root) ||
		c.Body != "Camille: réponse" || !strings.Contains(c.FormattedBody, "matrix.to") {
		t.Errorf("answer %+v %q %q", c.Mentions, c.Body, c.FormattedBody)
	}
	// Marked-up text that is too large for one event is cut into several.
	heavy := strings.Repeat("<**é**> ", 2500)
	r := b.must(says(room, heavy))
	if len(r.Parts) < 2 {
		t.Errorf("%d parts", len(r.Parts))
	}
	// The topic around our mark is people's.
	for _, step := range []struct{ ours, want string }{
		{"messagerie dégradée", "Entraide | ⟦messagerie dégradée⟧"}, {"tout va [bien]", "Entraide | ⟦tout va [bien]⟧"}, {"", "Entraide"},
	} {
		if step.ours == "messagerie dégradée" {
			if _, err := s.p.client.SendStateEvent(ctx, s.p.room(room), event.StateTopic, "", &event.TopicEventContent{Topic: "Entraide"}); err != nil {
				t.Fatal(err)
			}
			if err := s.trust(room); err != nil {
				t.Fatal(err)
			}
		}
		b.must(chat.Topic{Place: place(room), Text: step.ours})
		var got event.TopicEventContent
		if err := s.p.client.StateEvent(ctx, s.p.room(room), event.StateTopic, "", &got); err != nil || got.Topic != step.want {
			t.Errorf("topic %q, %v; want %q", got.Topic, err, step.want)
		}
	}
	for _, on := range []bool{true, true, false, false} {
		var op chat.Op = chat.Pin{Place: place(room), Target: root}
		if !on {
			op = chat.Unpin{Place: place(room), Target: root}
		}
		b.must(op)
		var got event.PinnedEventsEventContent
		if err := s.p.client.StateEvent(ctx, s.p.room(room), event.StatePinnedEvents, "", &got); err != nil || slices.Contains(got.Pinned, id.EventID(root)) != on {
			t.Errorf("pins %v, %v; want %v", got.Pinned, err, on)
		}
	}
	// An older message comes once more, as fetched.
	b.must(chat.Fetch{Place: place(room), Target: root})
	f := first(b, "fetched", func(p *chat.Posted) bool { return p.ID == root && p.Revision == "fetched" })
	if !f.Backlog || f.Text != "une question" {
		t.Errorf("fetched %+v", f)
	}
	_, err := b.perform(chat.Fetch{Place: place(room), Target: "$nowhere"})
	if k := kindOf(t, err); k != chat.Gone && k != chat.Unauthorised {
		t.Errorf("fetch of nothing: %v", err)
	}
}
