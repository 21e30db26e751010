package irc

import (
	"bytes"
	"math"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/lrstanley/girc"
	"golang.org/x/time/rate"

	"permanence/bot/chat"
)

func TestToIRC(t *testing.T) {
	for _, tt := range []struct {
		md   string
		want []string
	}{
		{"bonjour", []string{"bonjour"}},
		{"un\n\ndeux\n", []string{"un", "deux"}},
		{"**gras** et *penché*", []string{"\x02gras\x02 et \x1dpenché\x1d"}},
		{"**gras et *penché* ensemble**", []string{"\x02gras et \x1dpenché\x1d ensemble\x02"}},
		{"2 * 3 * 4, a_b_c", []string{"2 * 3 * 4, a_b_c"}},
		{"`a*b*c` et [ici](https://example.org/)", []string{"`a*b*c` et ici (https://example.org/)"}},
		{"- un\n- deux", []string{"- un", "- deux"}},
		{"\x02 de contrôle \x07", []string{"de contrôle"}},
		{"", nil},
		{" \n ", nil},
	} {
		if got := toIRC(tt.md); !cmp.Equal(trimAll(got), tt.want) {
			t.Errorf("%q: %q, want %q", tt.md, got, tt.want)
		}
	}
}

func trimAll(list []string) (out []string) {
	for _, s := range list {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

func TestSplitLine(t *testing.T) {
	for _, tt := range []struct {
		line  string
		limit int
		want  []string
	}{
		{"court", 20, []string{"court"}},
		{"un deux trois quatre cinq", 19, []string{"un deux trois ", "quatre cinq"}},
		{"un deux trois  \t quatre cinq", 19, []string{"un deux trois ", "quatre cinq"}},
		{"\x02un deux trois quatre\x02 cinq", 21, []string{"\x02un deux trois\x02 ", "\x02quatre\x02 cinq"}},
		{"éééééééééé", 15, []string{"ééééé", "ééééé"}},
	} {
		if got := texts(splitLine(tt.line, tt.limit)); !cmp.Equal(got, tt.want) {
			t.Errorf("%q at %d: %q, want %q", tt.line, tt.limit, got, tt.want)
		}
	}
}

func texts(pieces []piece) (out []string) {
	for _, p := range pieces {
		out = append(out, p.text)
	}
	return out
}

// FuzzSplitLine: no piece is too long or cut inside a rune, and no word lost.
func FuzzSplitLine(f *testing.F) {
	f.Add("\x02gras\x02 œuvre déjà vue "+strings.Repeat("日本語", 40), 50)
	f.Add("https://example.org/"+strings.Repeat("a-", 300), 100)
	f.Fuzz(func(t *testing.T, md string, limit int) {
		limit = 20 + (limit&0xffff)%500
		for _, line := range toIRC(md) {
			joined := ""
			for _, p := range texts(splitLine(line, limit)) {
				if len(p) > limit || !utf8.ValidString(p) || strings.ContainsAny(p, "\r\n\x00") {
					t.Fatalf("%q of %d bytes at %d", p, len(p), limit)
				}
				joined += p
			}
			if bare(joined) != bare(line) {
				t.Fatalf("%q became %q", line, joined)
			}
		}
	})
}

// bare is a text without what a cut may lose or add.
func bare(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("\x02", "", "\x1d", "").Replace(s)), "")
}

func TestFromIRC(t *testing.T) {
	for line, want := range map[string]string{
		"simple":                        "simple",
		"\x02 gras \x02x":               " **gras** x",
		"\x0304rouge\x03, \x0312,3bleu": "rouge, bleu",
		"\x04ff0000rouge\x04":           "rouge",
		"\x03,5 reste":                  ",5 reste",
		"\x02\x02":                      "",
		"sonne\x07rie":                  "sonnerie",
		"\xe9t\xe9":                     "été",
		"\x11a`b\x11":                   "a`b",
		"a \\* b":                       `a \\* b`,
	} {
		if got := fromIRC(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// FuzzFromIRC: whatever comes, valid text without control characters goes in.
func FuzzFromIRC(f *testing.F) {
	f.Add("\x02gras \x1dpenché\x0f \x0304,12rouge\x03 \x11code\x11 \xe9")
	f.Fuzz(func(t *testing.T, line string) {
		got := fromIRC(line)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x02\x03\x0f\x1d") {
			t.Fatalf("%q: %q", line, got)
		}
	})
}

func TestTopic(t *testing.T) {
	for _, tt := range []struct {
		old, text string
		limit     int
		want      string
		no        bool
	}{
		{"", "état", 0, "⟦état⟧", false},
		{"Entraide", "état", 0, "Entraide | ⟦état⟧", false},
		{"Entraide | ⟦vieux⟧", "état", 0, "Entraide | ⟦état⟧", false},
		{"Entraide | ⟦vieux⟧ | sympas", "état", 0, "Entraide | ⟦état⟧ | sympas", false},
		{"Entraide | ⟦vieux⟧ | sympas", "", 0, "Entraide | sympas", false},
		{"⟦vieux⟧ | sympas", "", 0, "sympas", false},
		{"⟦vieux⟧ | sympas", "état", 0, "⟦état⟧ | sympas", false},
		{"  Entraide  !  ", "", 0, "  Entraide  !  ", false},
		{"Entraide | ⟦coup", "état", 0, "Entraide | ⟦état⟧", false},
		{"", "⟦piège⟧", 0, "⟦[piège]⟧", false},
		{"Entraide", strings.Repeat("mot ", 30), 60, "Entraide | ⟦mot mot mot mot mot mot mot mot mot mot…⟧", false},
		{strings.Repeat("x", 55), "état", 60, "", true},
	} {
		got, ok := newTopic(tt.old, tt.text, tt.limit)
		if got != tt.want || ok == tt.no || tt.limit > 0 && len(got) > tt.limit {
			t.Errorf("%q + %q: %q %v, want %q", tt.old, tt.text, got, ok, tt.want)
		}
	}
}

// FuzzTopic: ours comes and goes, and what people wrote stays as it was.
func FuzzTopic(f *testing.F) {
	f.Add("Entraide | soyez sympas", "messagerie dégradée")
	f.Fuzz(func(t *testing.T, theirs, text string) {
		if strings.Contains(theirs, topicOpen) || strings.HasSuffix(theirs, topicBar) || strings.Contains(theirs, topicClose) {
			return
		}
		with, ok := newTopic(theirs, text, 0)
		back, ok2 := newTopic(with, "", 0)
		if !ok || !ok2 || back != theirs {
			t.Fatalf("%q became %q, then %q", theirs, with, back)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg Config
		tls bool
		err string
	}{
		{Config{Server: "irc.example.org"}, true, ""},
		{Config{Server: "irc.example.org:6667"}, false, ""},
		{Config{Server: "irc.example.org:7000"}, true, ""},
		{Config{Server: "127.0.0.1:7000"}, false, ""},
		{Config{Server: "127.0.0.1:7000", TLS: "on"}, true, ""},
		{Config{}, false, "server is missing"},
		{Config{Server: "x:nul"}, false, "expected host:port"},
		{Config{Server: "x", TLS: "oui"}, false, "expected on or off"},
		{Config{Server: "x", Nick: "a b"}, false, "no spaces"},
		{Config{Server: "x", SASL: SASL{User: "p"}}, false, "password_file is missing"},
		{Config{Server: "x", SASL: SASL{Mechanism: "external"}}, false, "needs cert_file"},
		{Config{Server: "x", SASL: SASL{Mechanism: "scram"}}, false, "expected plain, scram-sha-256 or external"},
		{Config{Server: "x", Regain: "kill"}, false, "expected ghost"},
		{Config{Server: "x", Flood: Flood{Every: "vite"}}, false, "expected a duration"},
		{Config{Server: "x", Proxy: "http://x"}, false, "expected socks5"},
		{Config{Server: "x", Relays: []Relay{{Nick: "pont", Author: "("}}}, false, "expected a regular expression"},
	} {
		s, err := tt.cfg.complete()
		switch {
		case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%+v: %v, want %q", tt.cfg, err, tt.err)
		case err == nil && s.tls != tt.tls:
			t.Errorf("%+v: TLS %v", tt.cfg, s.tls)
		}
	}
}

func TestFold(t *testing.T) {
	for _, tt := range []struct{ mapping, name, want string }{
		{"", "Ca[m]\\~", "ca{m}|^"},
		{"strict-rfc1459", "A~", "a~"},
		{"ascii", "Ca[É]", "ca[É]"},
		{"precis", "ÉTÉ", "été"},
	} {
		if got := fold(tt.mapping, tt.name); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.mapping, tt.name, got, tt.want)
		}
	}
}

// FuzzHear: a strange server breaks nothing, and what it makes us store is
// what may be stored.
func FuzzHear(f *testing.F) {
	f.Add("@msgid=1;time=2026-10-19T19:02:00.000Z;account=alice :alice!a@h PRIVMSG #asso :bonjour")
	f.Add(":alice!a@h JOIN #asso alice :Alice\n:alice!a@h NICK :x\n:x!a@h PART #asso\n:x QUIT")
	f.Add("BATCH +1 chathistory #asso\n@batch=1 :a!b@c PRIVMSG #asso :x\nBATCH -1")
	f.Add("BATCH +1 draft/multiline #asso\n@batch=1;draft/multiline-concat :a!b@c PRIVMSG #asso :x\nBATCH -1")
	f.Add(":s 353 p = #asso :@a +b!c@d\n:s 366 p #asso\n:s 354 p 42 a H acc\n:s 404 p #asso :no\n:p KICK #asso permanence")
	f.Add("BATCH +1 draft/chathistory-targets\n@batch=1 :s CHATHISTORY TARGETS alice 2026-10-19T19:02:00.000Z\nBATCH -1\nBATCH +2 chathistory alice\n@batch=2;time=2026-10-19T19:02:00.000Z :alice!a@b PRIVMSG permanence :x\nBATCH -2")
	f.Add("@label=s.1-1 :s BATCH +1 labeled-response\n@batch=1;msgid=m :permanence!p@h BATCH +2 draft/multiline #asso\n@batch=2 :permanence!p@h PRIVMSG #asso :a\n@batch=1 BATCH -2\nBATCH -1")
	f.Add(":s FAIL BATCH MULTILINE_INVALID :no\n@label=s.1-1 :s ACK\n:permanence!p@h PRIVMSG #asso :x\n:s PONG s fate-s.1-3")
	f.Add(":***!znc@znc.in PRIVMSG #asso :Buffer Playback...\n:a!b@c PRIVMSG #asso :[10:00:00] x\n:a!b@c PRIVMSG #asso :<n> y\n:***!znc@znc.in PRIVMSG #asso :Playback Complete.")
	f.Add(":s 433\n:s 401\n:s 311 p x\nFAIL CHATHISTORY\nCAP * LS\nKILL\nACCOUNT\n:a ACCOUNT *\nTAGMSG\nREDACT")
	f.Fuzz(func(t *testing.T, text string) {
		near, far := net.Pipe()
		go func() {
			buf := make([]byte, 4096)
			for {
				if _, err := far.Read(buf); err != nil {
					return
				}
			}
		}()
		defer far.Close()
		defer near.Close()
		a, err := New(Config{Server: "127.0.0.1:6667"}, chat.Env{Name: "irc", Rooms: []string{"#asso"}})
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(a, "s.1", newWire(near), rate.NewLimiter(rate.Inf, 1), false)
		defer s.closeTimers()
		s.resume = time.Date(2026, 10, 19, 19, 0, 0, 0, time.UTC)
		s.confirms.expect(&line{command: "PRIVMSG", target: "#asso", pieces: []piece{{text: "a"}, {text: "b"}}, fate: make(chan struct{})}, true)
		s.confirms.expect(&line{command: "PRIVMSG", target: "#asso", body: "x", fate: make(chan struct{})}, false)
		s.facts.caps["batch"], s.facts.caps["server-time"], s.facts.caps["draft/chathistory"], s.facts.caps["account-tag"] = "", "", "", ""
		lines := ":s 001 permanence :hi\n:s 376 permanence :end\n:permanence!p@h JOIN #asso\n" + text
		for line := range strings.SplitSeq(lines, "\n") {
			e := girc.ParseEvent(line)
			if e == nil {
				continue
			}
			s.confirms.hear(e)
			s.work([]item{{event: e}})
		}
		for _, e := range s.out {
			h := e.Head()
			_, body, err := chat.EncodeEvent(e)
			if err != nil || h.ID == "" || !utf8.Valid(body) {
				t.Fatalf("%+v: %v", e, err)
			}
			if p, ok := e.(*chat.Posted); ok && (p.Room == "" || p.From.ID == "" || p.From.Proved && strings.Contains(p.From.ID, "!") && p.From.Handle == "") {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// TestFacts: what a server lets pass, and what a message of several lines may
// be.
func TestFacts(t *testing.T) {
	for _, tt := range []struct {
		deny          string
		reply, draft  bool
		multiline     string
		bytes, lines  int
		several, caps bool
	}{
		{"", true, true, "max-bytes=4096,max-lines=24", 4096, 24, true, true},
		{"*", false, false, "max-bytes=1000000", 4096, math.MaxInt, true, true},
		{"*,-draft/reply", false, true, "max-bytes=512,max-lines=x", 512, math.MaxInt, true, true},
		{"draft/reply,typing", true, false, "", 0, 0, false, true},
		{"*,-reply,-draft/reply", true, true, "max-lines=3", 0, 0, false, true},
		{"", false, false, "max-bytes=4096", 0, 0, false, false},
	} {
		f := newFacts()
		if tt.caps {
			for _, name := range []string{"message-tags", "batch", "labeled-response", "echo-message"} {
				f.caps[name] = ""
			}
		}
		f.caps["draft/multiline"] = tt.multiline
		f.support["CLIENTTAGDENY"] = tt.deny
		var want []string
		if tt.reply {
			want = append(want, `+reply=m\:1`)
		}
		if tt.draft {
			want = append(want, `+draft/reply=m\:1`)
		}
		if got := f.replyTags("m;1"); !cmp.Equal(got, want) {
			t.Errorf("%q: %q, want %q", tt.deny, got, want)
		}
		if c := f.chat(); (c.Replies != chat.None) != (want != nil) {
			t.Errorf("%q: replies %v", tt.deny, c.Replies)
		}
		bytes, lines, ok := f.multiline()
		if ok != tt.several || ok && (bytes != tt.bytes || lines != tt.lines) {
			t.Errorf("%q: %d, %d, %v", tt.multiline, bytes, lines, ok)
		}
	}
}

func TestChunk(t *testing.T) {
	p := func(texts ...string) (out []piece) {
		for _, s := range texts {
			out = append(out, piece{strings.TrimPrefix(s, "+"), strings.HasPrefix(s, "+")})
		}
		return out
	}
	for _, tt := range []struct {
		pieces       []piece
		bytes, lines int
		want         [][]piece
	}{
		{nil, 10, 10, nil},
		{p("aaa", "bbb", "ccc"), 11, 10, [][]piece{p("aaa", "bbb", "ccc")}},
		{p("aaa", "bbb", "ccc"), 10, 10, [][]piece{p("aaa", "bbb"), p("ccc")}},
		{p("aaa", "bbb", "ccc"), 99, 2, [][]piece{p("aaa", "bbb"), p("ccc")}},
		{p("aaa", "+bbb", "+ccc"), 0, 1, [][]piece{p("aaa"), p("bbb"), p("ccc")}},
		{p("longer than that"), 5, 9, [][]piece{p("longer than that")}},
	} {
		if got := chunk(tt.pieces, tt.bytes, tt.lines); !cmp.Equal(got, tt.want, cmp.AllowUnexported(piece{})) {
			t.Errorf("%v at %d, %d: %v", tt.pieces, tt.bytes, tt.lines, got)
		}
	}
}

// FuzzListen: whatever bytes come, events go in, and the end of a line that is
// too long is none.
func FuzzListen(f *testing.F) {
	f.Add([]byte(":a!b@c PRIVMSG #asso :x\r\n\r\n:\r\nPING :y\r\n"), 0)
	f.Add([]byte("@time=x :a 376 b\nERROR :bye\nPRIVMSG a :b\n"), 40000)
	f.Fuzz(func(t *testing.T, data []byte, pad int) {
		pad = (pad & 0xffff) % 50_000
		near, far := net.Pipe()
		w := newWire(near)
		go func() { // girc
			buf := make([]byte, 512)
			for {
				if _, err := w.Read(buf); err != nil {
					return
				}
			}
		}()
		go func() {
			defer far.Close()
			far.Write(append(bytes.Repeat([]byte("x"), pad), data...))
		}()
		w.listen(func(e *girc.Event) {
			if strings.Contains(e.String(), "\n") || len(e.Last()) > maxIncoming {
				t.Fatalf("%+v", e)
			}
		})
		w.Close()
	})
}

// TestCursor: what is stored is read again.
func TestCursor(t *testing.T) {
	at := time.Date(2026, 10, 19, 19, 2, 0, 7e6, time.UTC)
	for value, want := range map[string][]string{
		"": nil, "x": nil, "x y z": {"z"},
		at.Format(stamp) + " " + at.Format(stamp):          nil,
		at.Format(stamp) + " " + at.Format(stamp) + " a,b": {"a", "b"},
	} {
		stored, origin, known := parseCursor(value)
		if stored != origin || len(value) > 10 && !stored.Equal(at) || !cmp.Equal(known, want) {
			t.Errorf("%q: %v, %v, %v", value, stored, origin, known)
		}
	}
}

// TestLearnedPace: what is not configured is as the server's kind allows.
func TestLearnedPace(t *testing.T) {
	f := newFacts()
	if _, _, known := f.patience(); known {
		t.Error("an unknown server has a custom")
	}
	f.version = "ergo-2.8.0"
	if burst, every, known := f.patience(); !known || burst != 5 || every != 500*time.Millisecond {
		t.Error(burst, every, known)
	}
}
