package outbox

import (
	"fmt"
	"strings"
	"testing"

	"permanence/bot/chat"
)

// TestDegrade is the table of what becomes of each kind of delivery in a rich
// place and in a poor one.
func TestDegrade(t *testing.T) {
	content := func(text string) *chat.Content {
		return &chat.Content{Text: text, Buttons: []chat.Button{{Action: "close", Label: "Fermer"}}, Mentions: []chat.Account{{ID: "camille"}}}
	}
	alice := &chat.Account{ID: "alice"}
	for _, c := range []struct {
		name       string
		want       want
		rich, poor string
	}{
		{"say", want{kind: Say, replyTo: "r1", payload: Payload{Content: content("Bonjour"), Heading: "#42"}},
			`say room/thread "Bonjour" reply=r1 buttons=1 mentions=1`,
			`say room "#42 Bonjour"`},
		{"say without a heading", want{kind: Say, payload: Payload{Content: content("Bonjour")}},
			`say room/thread "Bonjour" buttons=1 mentions=1`,
			`say room "Bonjour"`},
		{"say by mail keeps its thread and needs no number", want{kind: Say, payload: Payload{Heading: "#42",
			Content: &chat.Content{Text: "Bonjour", Mail: &chat.Mail{From: "support@example.org"}}}},
			`say room/thread "Bonjour" mail`,
			`say room/thread "Bonjour" mail`},
		{"edit", want{kind: Edit, targets: []string{"m1", "m2"}, payload: Payload{Content: content("Corrigé"), Heading: "#42", Fallback: content("Correction : Corrigé")}},
			`edit room/thread m1,m2 "Corrigé" buttons=1 mentions=1`,
			`say room "#42 Correction : Corrigé"`},
		{"edit that need not be said again", want{kind: Edit, targets: []string{"m1"}, payload: Payload{Content: content("Corrigé")}},
			`edit room/thread m1 "Corrigé" buttons=1 mentions=1`,
			``},
		{"card", want{kind: Card, targets: []string{"m1"}, payload: Payload{Content: content("Ouvert"), Heading: "#42", Fallback: content("repris")}},
			`edit room/thread m1 "Ouvert" buttons=1 mentions=1`,
			`say room "#42 repris"`},
		{"card without a line", want{kind: Card, targets: []string{"m1"}, payload: Payload{Content: content("Ouvert")}},
			`edit room/thread m1 "Ouvert" buttons=1 mentions=1`,
			``},
		{"delete", want{kind: Delete, targets: []string{"m1", "m2"}, payload: Payload{Fallback: content("(retiré)"), Heading: "#42"}},
			`delete room/thread m1,m2`,
			`say room "#42 (retiré)"`},
		{"delete without a word", want{kind: Delete, targets: []string{"m1"}},
			`delete room/thread m1`,
			``},
		{"first mark", want{kind: Mark, targets: []string{"m1", "m2"}, payload: Payload{Emoji: "⏳"}},
			`react room/thread m1 ⏳`,
			``},
		{"next mark", want{kind: Mark, targets: []string{"m1"}, was: "⏳", payload: Payload{Emoji: "📬"}},
			`unreact room/thread m1 ⏳; react room/thread m1 📬`,
			``},
		{"no mark any more", want{kind: Mark, targets: []string{"m1"}, was: "⏳"},
			`unreact room/thread m1 ⏳`,
			``},
		{"a mark that may stand already", want{kind: Mark, targets: []string{"m1"}, was: "⏳", payload: Payload{Emoji: "⏳"}},
			`react room/thread m1 ⏳`,
			``},
		{"a mark after several of which one may stand", want{kind: Mark, targets: []string{"m1"}, was: "⏳ ⚠️ 📬", payload: Payload{Emoji: "📬"}},
			`unreact room/thread m1 ⏳; unreact room/thread m1 ⚠️; react room/thread m1 📬`,
			``},
		{"topic", want{kind: Topic, payload: Payload{Topic: "tout va bien"}},
			`topic room/thread "tout va bien"`,
			``},
		{"pin", want{kind: Pin, targets: []string{"m1"}, payload: Payload{On: true}},
			`pin room/thread m1`,
			``},
		{"unpin", want{kind: Pin, targets: []string{"m1"}},
			`unpin room/thread m1`,
			``},
		{"direct", want{kind: Direct, payload: Payload{Account: alice}},
			`direct alice`,
			`direct alice`}, // asked for where the caps allow; the adapter answers
		{"direct with nobody", want{kind: Direct}, ``, ``},
		{"fetch", want{kind: Fetch, payload: Payload{Remote: "old"}},
			`fetch room/thread old`,
			``},
		{"unknown", want{kind: "dance"}, ``, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.want
			w.place = chat.Place{Adapter: "net", Room: "room", Thread: "thread"}
			for _, at := range []struct {
				name string
				caps chat.Caps
				want string
			}{{"rich", rich, c.rich}, {"poor", chat.Caps{}, c.poor}} {
				w.caps = at.caps
				if got := golden(degrade(w)); got != at.want {
					t.Errorf("%s:\n got %s\nwant %s", at.name, got, at.want)
				}
			}
		})
	}
}

// A place that edits but does not delete shows the word that stands for it.
func TestDeleteByEdit(t *testing.T) {
	w := want{kind: Delete, place: chat.Place{Adapter: "net", Room: "room", Thread: "thread"}, targets: []string{"m1"},
		caps:    chat.Caps{Edits: chat.Native, Threads: chat.Native},
		payload: Payload{Fallback: &chat.Content{Text: "(retiré)"}}}
	if got, want := golden(degrade(w)), `edit room/thread m1 "(retiré)"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFit(t *testing.T) {
	file := chat.File{ID: 1, Name: "plan.pdf", Size: 2000, Link: "https://aide.example.org/f/x"}
	small := chat.File{ID: 2, Name: "note.txt", Size: 10}
	for _, c := range []struct {
		name    string
		content chat.Content
		caps    chat.Caps
		want    string
	}{
		{"files", chat.Content{Text: "Voici", Files: []chat.File{file, small}}, chat.Caps{Files: chat.Native},
			`say  "Voici" files=plan.pdf,note.txt`},
		{"a file too large", chat.Content{Text: "Voici", Files: []chat.File{file, small}}, rich,
			`say  "Voici\n📎 plan.pdf https://aide.example.org/f/x" files=note.txt`},
		{"no files", chat.Content{Files: []chat.File{file, small}}, chat.Caps{},
			`say  "📎 plan.pdf https://aide.example.org/f/x\n📎 note.txt"`},
		{"a text that fits", chat.Content{Text: "éàùœ", Link: "L"}, chat.Caps{MaxText: 2, MaxParts: 2}, `say  "éàùœ"`},
		{"too long", chat.Content{Text: "un deux trois quatre cinq", Link: "L"}, chat.Caps{MaxText: 8, MaxParts: 2},
			`say  "un deux troi… L"`},
		{"too long without a link", chat.Content{Text: "un deux trois quatre"}, chat.Caps{MaxText: 9, MaxParts: 1},
			`say  "un deux…"`},
		{"parts without limit", chat.Content{Text: "un deux trois"}, chat.Caps{MaxText: 2}, `say  "un deux trois"`},
		{"a mail is never cut", chat.Content{Text: "un deux trois", Mail: &chat.Mail{}}, chat.Caps{MaxText: 2, MaxParts: 1},
			`say  "un deux trois" mail`},
		{"a link longer than the place", chat.Content{Text: "un deux trois", Link: "https://aide.example.org"}, chat.Caps{MaxText: 5, MaxParts: 1},
			`say  "… https://aide.example.org"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := golden([]chat.Op{chat.Say{Content: fit(c.content, "", c.caps)}})
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
	// What fit changes is its own copy: the payload goes elsewhere too.
	c := chat.Content{Text: "x", Files: []chat.File{small}, Buttons: []chat.Button{{Label: "b"}}}
	fit(c, "#1", chat.Caps{})
	if c.Text != "x" || len(c.Files) != 1 || len(c.Buttons) != 1 {
		t.Errorf("the content was changed: %+v", c)
	}
}

// golden writes operations as the tables above have them.
func golden(ops []chat.Op) string {
	var list []string
	for _, op := range ops {
		p := chat.PlaceOf(op)
		at := p.Room
		if p.Thread != "" {
			at += "/" + p.Thread
		}
		var s string
		switch op := op.(type) {
		case chat.Say:
			s = fmt.Sprintf("say %s %s", at, shown(op.Content, op.ReplyTo))
		case chat.Edit:
			s = fmt.Sprintf("edit %s %s %s", at, strings.Join(op.Targets, ","), shown(op.Content, ""))
		case chat.Delete:
			s = fmt.Sprintf("delete %s %s", at, strings.Join(op.Targets, ","))
		case chat.React:
			s = fmt.Sprintf("react %s %s %s", at, op.Target, op.Emoji)
		case chat.Unreact:
			s = fmt.Sprintf("unreact %s %s %s", at, op.Target, op.Emoji)
		case chat.Topic:
			s = fmt.Sprintf("topic %s %q", at, op.Text)
		case chat.Pin:
			s = fmt.Sprintf("pin %s %s", at, op.Target)
		case chat.Unpin:
			s = fmt.Sprintf("unpin %s %s", at, op.Target)
		case chat.OpenDirect:
			s = "direct " + op.Account.ID
		case chat.Fetch:
			s = fmt.Sprintf("fetch %s %s", at, op.Target)
		}
		list = append(list, s)
	}
	return strings.Join(list, "; ")
}

func shown(c chat.Content, replyTo string) string {
	s := fmt.Sprintf("%q", c.Text)
	if replyTo != "" {
		s += " reply=" + replyTo
	}
	if c.Mail != nil {
		s += " mail"
	}
	if len(c.Buttons) > 0 {
		s += fmt.Sprintf(" buttons=%d", len(c.Buttons))
	}
	if len(c.Mentions) > 0 {
		s += fmt.Sprintf(" mentions=%d", len(c.Mentions))
	}
	var files []string
	for _, f := range c.Files {
		files = append(files, f.Name)
	}
	if len(files) > 0 {
		s += " files=" + strings.Join(files, ",")
	}
	return s
}
