package mattermost

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		want string // in the error; empty where it is fine
	}{
		{"bot", Config{URL: "https://tchat.example.org/", TokenFile: "t"}, ""},
		{"below a path", Config{URL: "https://example.org/mattermost", TokenFile: "t"}, ""},
		{"ordinary", Config{URL: "http://127.0.0.1:8065", Login: "camille", PasswordFile: "p"}, ""},
		{"all", Config{URL: "https://tchat.example.org", TokenFile: "t", Teams: []string{"asso"}, Marks: map[string]string{"📬": ":parti:", "✉️": "mail_2"}}, ""},
		{"no address", Config{TokenFile: "t"}, "url is missing"},
		{"no scheme", Config{URL: "tchat.example.org", TokenFile: "t"}, "https://tchat.example.org"},
		{"another scheme", Config{URL: "ftp://tchat.example.org", TokenFile: "t"}, "expected the server's address"},
		{"with a password", Config{URL: "https://a:b@tchat.example.org", TokenFile: "t"}, "expected the server's address"},
		{"no account", Config{URL: "https://tchat.example.org"}, "token_file is missing"},
		{"two accounts", Config{URL: "https://tchat.example.org", TokenFile: "t", Login: "camille", PasswordFile: "p"}, "choose one"},
		{"no password", Config{URL: "https://tchat.example.org", Login: "camille"}, "password_file is missing"},
		{"no login", Config{URL: "https://tchat.example.org", TokenFile: "t", PasswordFile: "p"}, "login is missing"},
		{"a team's path", Config{URL: "https://tchat.example.org", TokenFile: "t", Teams: []string{"asso/entraide"}}, "as in its address"},
		{"a mark that is no name", Config{URL: "https://tchat.example.org", TokenFile: "t", Marks: map[string]string{"📬": "Parti !"}}, "name of the one to show"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.cfg, chat.Env{Name: "tchat"})
			switch {
			case err == nil && tt.want != "":
				t.Error("accepted")
			case err != nil && (tt.want == "" || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q in it", err, tt.want)
			}
		})
	}
	s, err := Config{URL: "https://example.org/mattermost/", TokenFile: "t"}.complete()
	if err != nil || s.socket != "wss://example.org/mattermost/api/v4/websocket" {
		t.Errorf("websocket at %q, %v", s.socket, err)
	}
}

func TestEmojis(t *testing.T) {
	e := newEmojis(map[string]string{"📬": "parti", bare("⚠️"): "warning"})
	for _, emoji := range []string{"✉️", "✉", "⏳", "📬", "⚠️", "⚠", "👀", "✅", "✋", "🎫", "🎟️", "📧", "📨", "📩", "💌", "📤", "🙋‍♀️", "🇫🇷", "👨‍👩‍👧‍👦", "👍🏽"} {
		name, ok := e.toName(emoji)
		if !ok {
			t.Errorf("%s has no name", emoji)
			continue
		}
		if back := e.fromName(name); bare(back) != bare(emoji) {
			t.Errorf("%s is :%s:, which is %s", emoji, name, back)
		}
	}
	for name, want := range map[string]string{"parti": "📬", "email": "✉️", "envelope": "✉️", "un_logo": ":un_logo:"} {
		if got := e.fromName(name); got != want {
			t.Errorf(":%s: is %s, want %s", name, got, want)
		}
	}
	if name, ok := e.toName(":un_logo:"); !ok || name != "un_logo" {
		t.Errorf("custom: %q, %v", name, ok)
	}
	for _, text := range []string{"bonjour", "", ":pas un nom:", ":"} {
		if name, ok := e.toName(text); ok {
			t.Errorf("%q is taken for :%s:", text, name)
		}
	}
	// The same name at each start, although maps have no order.
	for emoji, name := range e.name {
		if again, _ := newEmojis(map[string]string{"📬": "parti"}).toName(emoji); again != name {
			t.Fatalf("%s: %s, then %s", emoji, name, again)
		}
		break
	}
}

func TestHeader(t *testing.T) {
	long := strings.Repeat("é", 1000)
	for _, tt := range []struct{ old, text, want string }{
		{"", "", ""},
		{"", "panne", "⟦panne⟧"},
		{"Bienvenue", "panne", "Bienvenue ⟦panne⟧"},
		{"Bienvenue ⟦panne⟧ ici", "réparé", "Bienvenue ⟦réparé⟧ ici"},
		{"Bienvenue ⟦panne⟧ ici", "", "Bienvenue ici"},
		{"⟦panne sans fin", "", ""},
		{"Bienvenue", "une\nligne ⟦deux⟧", "Bienvenue ⟦une ligne deux⟧"},
		{long, "une longue panne de la messagerie", long + " ⟦une longue panne …⟧"},
	} {
		got := newHeader(tt.old, tt.text)
		if got != tt.want {
			t.Errorf("%.40q with %q: %q, want %q", tt.old, tt.text, strings.TrimLeft(got, "é"), strings.TrimLeft(tt.want, "é"))
		}
		if n := utf8.RuneCountInString(got); n > model.ChannelHeaderMaxRunes {
			t.Errorf("%d runes", n)
		}
	}
}

func TestPosition(t *testing.T) {
	var p position
	for i := range 100 {
		at := int64(i * 1000)
		p.passed(fmt.Sprint(i), at)
		if p.Newest != at || p.Sync != at {
			t.Fatalf("after %d: %+v", i, p)
		}
	}
	// Posts may come late by overlap: all behind the anchor is read again.
	p.passed("late", 98_500)
	if p.Newest != 99_000 {
		t.Errorf("a late one moves the newest to %d", p.Newest)
	}
	var anchor int
	if _, err := fmt.Sscan(p.Anchor, &anchor); err != nil || int64(anchor*1000) > p.Newest-overlap {
		t.Errorf("anchor %q is younger than the overlap", p.Anchor)
	}
	back, ok := readPosition(p.cursor("c").Value)
	if !ok || *back != p {
		t.Errorf("%+v is read back as %+v", p, back)
	}
	for _, bad := range []string{"", "{", "[]"} {
		if p, ok := readPosition(bad); ok || *p != (position{}) {
			t.Errorf("%q is read as %+v", bad, p)
		}
	}
}

func TestGestures(t *testing.T) {
	var gs gestures
	for i := range 2 * maxGestures {
		gs.add(gesture{Post: fmt.Sprint(i), User: "u", Emoji: "email", At: int64(i)})
	}
	if len(gs) != maxGestures || gs[0].At != maxGestures {
		t.Errorf("%d remembered, the oldest of %d", len(gs), gs[0].At)
	}
	gs.add(gesture{Post: "100", User: "u", Emoji: "email", At: 1000})
	if last := gs[len(gs)-1]; len(gs) != maxGestures || last.At != 1000 {
		t.Errorf("the same again: %d remembered, last %+v", len(gs), last)
	}
	gs.drop(gesture{Post: "100", User: "u", Emoji: "email"})
	if len(gs) != maxGestures-1 {
		t.Errorf("%d remembered after one was taken back", len(gs))
	}
	c := gs.cursor("c")
	if !slices.Equal(readGestures(c.Value), gs) {
		t.Error("not read back")
	}
	if len(c.Value) > 8<<10 {
		t.Errorf("%d bytes are no small value", len(c.Value))
	}
}

func TestLayout(t *testing.T) {
	a, err := New(Config{URL: "https://tchat.example.org", TokenFile: "t"}, chat.Env{Name: "tchat"})
	if err != nil {
		t.Fatal(err)
	}
	files := make([]chat.File, 2*maxFiles+1)
	for _, tt := range []struct {
		name    string
		content chat.Content
		files   []int // of each post
		buttons int   // the post that has them, -1 for none
	}{
		{"text", chat.Content{Text: "a"}, []int{0}, -1},
		{"file alone", chat.Content{Files: files[:1]}, []int{1}, -1},
		{"a post full of files", chat.Content{Text: "a", Files: files[:maxFiles]}, []int{maxFiles}, -1},
		{"more files", chat.Content{Text: "a", Files: files, Buttons: make([]chat.Button, 1)}, []int{maxFiles, maxFiles, 1}, 0},
		{"long, with files", chat.Content{Text: strings.Repeat("a ", maxText), Files: files[:2], Buttons: make([]chat.Button, 1)}, []int{0, 2}, 1},
	} {
		drafts, err := a.drafts(t.Context(), tt.content)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []int
		for i, d := range drafts {
			got = append(got, len(d.files))
			if (len(d.buttons) > 0) != (i == tt.buttons) {
				t.Errorf("%s: post %d has %d buttons", tt.name, i, len(d.buttons))
			}
		}
		if !slices.Equal(got, tt.files) {
			t.Errorf("%s: files %v, want %v", tt.name, got, tt.files)
		}
	}
	for _, empty := range []string{"", " \n "} {
		if _, err := a.drafts(t.Context(), chat.Content{Text: empty}); chat.AsError(err).Kind != chat.Permanent {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"event":"hello","data":{"connection_id":"x","server_version":"11"},"broadcast":{},"seq":0}`,
		`{"event":"posted","data":{"post":"{\"id\":\"a\",\"props\":{\"permanence_key\":7}}","channel_type":"D"},"broadcast":{"channel_id":"c"},"seq":5}`,
		`{"event":"status_change","data":{"user":1},"seq":2}`, `{"status":"OK","data":{"text":"pong"},"seq_reply":1}`, `{}`, `null`, `{"seq":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fr, err := readFrame(data)
		if err != nil {
			return
		}
		var post model.Post
		if json.Unmarshal([]byte(fr.Data.Post), &post) == nil {
			author(chat.Account{ID: "x", Proved: true}, &post)
			textOf(&post)
		}
	})
}

// FuzzQuiet: no name outside of the list survives the way that Mattermost
// splits texts, and what is left is the text.
func FuzzQuiet(f *testing.F) {
	for _, seed := range []string{"@channel", "x.@here bonjour", "a@b.example", "&#64;all", "@alice, @bob", "&commat;&#x40;@", "@-@.all", "@all"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.Contains(text, wordJoiner) {
			return
		}
		out := quiet(text, []string{"alice"})
		for _, name := range handles(atReference.ReplaceAllString(out, "@")) {
			if name != "alice" {
				t.Errorf("%q pings %q as %q", text, name, out)
			}
		}
		if plain := strings.ReplaceAll(out, wordJoiner, ""); plain != atReference.ReplaceAllString(text, "@") {
			t.Errorf("%q became %q", text, plain)
		}
		if handles(text) == nil && !strings.Contains(text, "&") && out != text {
			t.Errorf("%q changed to %q without need", text, out)
		}
		cutMention(text, "alice")
	})
}
