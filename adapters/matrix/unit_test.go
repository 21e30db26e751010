package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/markup"
)

func TestConfig(t *testing.T) {
	good := Config{URL: "https://matrix.example.org/", TokenFile: "token"}
	if _, err := good.complete(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		want string
		cfg  func(*Config)
	}{
		{"url is missing", func(c *Config) { c.URL = "" }},
		{"url \"matrix.example.org\"", func(c *Config) { c.URL = "matrix.example.org" }},
		{"url \"ftp://", func(c *Config) { c.URL = "ftp://example.org" }},
		{"token_file or password_file is missing", func(c *Config) { c.TokenFile = "" }},
		{"user is missing", func(c *Config) { c.TokenFile, c.PasswordFile = "", "p" }},
		{"user \"permanence\"", func(c *Config) { c.User = "permanence" }},
		{"encryption \"yes\"", func(c *Config) { c.Encryption = "yes" }},
	} {
		c := good
		tt.cfg(&c)
		if _, err := c.complete(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v, want %s…", err, tt.want)
		}
	}
	for _, room := range []string{"", "entraide", "#entraide", "@a:example.org", "#a b:example.org"} {
		if _, err := New(good, chat.Env{Rooms: []string{room}}); err == nil {
			t.Errorf("room %q is accepted", room)
		}
	}
}

func TestMayInvite(t *testing.T) {
	for _, tt := range []struct {
		patterns []string
		user     id.UserID
		want     bool
	}{
		{nil, "@a:example.org", false},
		{[]string{"*"}, "@a:example.org", true},
		{[]string{"@*:example.org"}, "@a:example.org", true},
		{[]string{"@*:example.org"}, "@a/b:example.org", true},
		{[]string{"@*:example.org"}, "@a:example.org.evil.example", false},
		{[]string{"@b:example.org", "@a:example.org"}, "@a:example.org", true},
	} {
		s := settings{invites: tt.patterns}
		if got := s.mayInvite(tt.user); got != tt.want {
			t.Errorf("%v %s: %v", tt.patterns, tt.user, got)
		}
	}
}

func TestTopic(t *testing.T) {
	for _, tt := range []struct{ old, text, want string }{
		{"", "", ""}, {"", "x", "⟦x⟧"}, {"a", "x", "a | ⟦x⟧"}, {"a | ⟦y⟧ | b", "x", "a | ⟦x⟧ | b"}, {"a | ⟦y⟧ | b", "", "a | b"},
		{"⟦y⟧ | b", "", "b"}, {"a | ⟦y", "x", "a | ⟦x⟧"}, {"a", "x\ny ⟧", "a | ⟦x y ]⟧"},
	} {
		if got := newTopic(tt.old, tt.text); got != tt.want {
			t.Errorf("%q + %q: %q, want %q", tt.old, tt.text, got, tt.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	limited := func(header string, ms any) error {
		e := mautrix.HTTPError{
			Response:  &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{}},
			RespError: &mautrix.RespError{ErrCode: "M_LIMIT_EXCEEDED", ExtraData: map[string]any{"retry_after_ms": ms}},
		}
		if header != "" {
			e.Response.Header.Set("Retry-After", header)
		}
		return e
	}
	for _, tt := range []struct {
		err  error
		want time.Duration
	}{
		{limited("", 2500.0), 2500 * time.Millisecond}, {limited("3", 2500.0), 3 * time.Second}, {limited("", "x"), 100 * time.Millisecond},
		{limited("", -1.0), 100 * time.Millisecond}, {limited("", 1e300), 100 * time.Millisecond}, {limited("999999", nil), time.Hour},
	} {
		e := chat.AsError(failure(tt.err, "#a"))
		if e.Kind != chat.RateLimited || e.RetryAfter != tt.want {
			t.Errorf("%v after %v, want %v", e.Kind, e.RetryAfter, tt.want)
		}
	}
}

func TestFailure(t *testing.T) {
	refused := func(status int, code string) error {
		e := mautrix.HTTPError{Response: &http.Response{StatusCode: status}}
		if code != "" {
			e.RespError = &mautrix.RespError{ErrCode: code, StatusCode: status}
		}
		return e
	}
	for _, tt := range []struct {
		err  error
		want chat.Kind
	}{
		{refused(403, "M_FORBIDDEN"), chat.Unauthorised}, {refused(403, ""), chat.Unauthorised}, {refused(404, "M_NOT_FOUND"), chat.Gone},
		{refused(413, ""), chat.Permanent}, {refused(401, "M_UNKNOWN_TOKEN"), chat.Unauthorised}, {refused(502, ""), chat.Temporary},
		{refused(500, "M_UNKNOWN"), chat.Temporary}, {refused(400, "M_BAD_JSON"), chat.Permanent}, {refused(429, ""), chat.RateLimited},
		{context.DeadlineExceeded, chat.Temporary}, {errors.New("connection refused"), chat.Temporary},
	} {
		e := chat.AsError(failure(tt.err, "#a"))
		if e.Kind != tt.want || e.Reason.FR == "" || e.Reason.EN == "" {
			t.Errorf("%v: %v %+v", tt.err, e.Kind, e.Reason)
		}
	}
}

// TestRing: what is stored is found after a restart, and the oldest goes first.
func TestRing(t *testing.T) {
	ctx := t.Context()
	state := chattest.NewInbox()
	r := newRing[int](state, "x", 3)
	for i := range 5 {
		gone, err := r.put(ctx, i)
		if err != nil || (gone != nil) != (i >= 3) || gone != nil && *gone != i-3 {
			t.Fatalf("put %d: %v, %v", i, gone, err)
		}
	}
	again := newRing[int](state, "x", 3)
	slots, err := again.find(ctx, func(*int) bool { return true })
	if err != nil || len(slots) != 3 {
		t.Fatal(slots, err)
	}
	for i, slot := range slots {
		if got := again.values[slot].Value; got != i+2 {
			t.Errorf("%d is %d", i, got)
		}
	}
	if err := again.remove(ctx, slots[1]); err != nil {
		t.Fatal(err)
	}
	if gone, err := again.put(ctx, 9); gone != nil || err != nil {
		t.Errorf("a free slot is not used: %v, %v", gone, err)
	}
}

func TestReactionsAreForgottenInOrder(t *testing.T) {
	ctx := t.Context()
	state := chattest.NewInbox()
	r := newReactions(state)
	const many = perChunk*chunks + perChunk + 3
	name := func(i int) id.EventID { return id.EventID("$" + string(rune('a'+i%26)) + time.Duration(i).String()) }
	for i := range many {
		if err := r.put(ctx, reaction{name(i), "$t", "👀", "@a:example.org"}); err != nil {
			t.Fatal(err)
		}
	}
	again := newReactions(state)
	for _, tt := range []struct {
		i    int
		want bool
	}{{0, false}, {perChunk - 1, false}, {3 * perChunk, true}, {many - 1, true}} {
		for _, r := range []*reactions{r, again} {
			if _, ok, err := r.get(ctx, name(tt.i)); ok != tt.want || err != nil {
				t.Errorf("%d: %v, %v", tt.i, ok, err)
			}
		}
	}
}

func TestEntry(t *testing.T) {
	const me = id.UserID("@me:example.org")
	member := func(user id.UserID, now, before string) *event.Event {
		key := string(user)
		e := &event.Event{Type: event.StateMember, StateKey: &key, Content: event.Content{Raw: map[string]any{"membership": now}}}
		if before != "" {
			e.Unsigned.PrevContent = &event.Content{Raw: map[string]any{"membership": before}}
		}
		return e
	}
	said := &event.Event{Type: event.EventMessage}
	for _, tt := range []struct {
		name    string
		list    []*event.Event
		start   int
		entered bool
	}{
		{"nothing of ours", []*event.Event{said, member("@b:example.org", "join", "")}, 0, false},
		{"joined", []*event.Event{said, member(me, "join", ""), said}, 1, true},
		{"invited, then joined", []*event.Event{said, member(me, "invite", ""), said, member(me, "join", "invite"), said}, 1, true},
		{"thrown out and back", []*event.Event{said, member(me, "join", ""), said, member(me, "ban", "join"), said, member(me, "join", "leave")}, 3, true},
		{"another name", []*event.Event{said, member(me, "join", "join"), said}, 0, false},
	} {
		if start, entered := entry(tt.list, me); start != tt.start || entered != tt.entered {
			t.Errorf("%s: %d %v", tt.name, start, entered)
		}
	}
}

func FuzzTidyHTML(f *testing.F) {
	for _, s := range []string{
		"<p>un <b>mot</b></p>", "<mx-reply><mx-reply>a</mx-reply>b</mx-reply>c", `<a href="https://matrix.to/#/@a:example.org">@A</a>`,
		`<a href="javascript:x()">x</a><img src=x onerror=y alt="&quot;><script>">`, "<svg><script>x</script></svg>", "<table><tr><td>1</td></tr></table>",
		"<script>", "<<p>>", "&lt;script&gt;", strings.Repeat("<blockquote>", 300), "\x00<p\x00>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		out, mentioned := tidyHTML(source)
		if len(mentioned) > 50 {
			t.Errorf("%d mentions", len(mentioned))
		}
		low := strings.ToLower(out)
		for _, bad := range []string{"<script", "<img", "<iframe", "<style", "<svg", "<mx-reply", "javascript:", " onclick=", " style="} {
			if i := strings.Index(low, bad); i >= 0 && strings.HasPrefix(bad, "<") {
				t.Errorf("%q keeps %s: %q", source, bad, out)
			}
		}
		// Nothing is opened by what was text.
		again, _ := tidyHTML(out)
		if strings.Contains(strings.ToLower(again), "<script") {
			t.Errorf("%q", again)
		}
		markup.HTMLToMarkdown(out)
	})
}

// FuzzContent reads any content as a message and writes what it says again.
func FuzzContent(f *testing.F) {
	for _, s := range []string{
		`{"msgtype":"m.text","body":"x"}`, `{"msgtype":"m.image","body":"x","url":"mxc://a/b","info":{"w":"1"}}`, `{"msgtype":"m.location","geo_uri":"geo:1,2"}`,
		`{"msgtype":"m.file","file":{"url":"mxc://a/b","key":{},"iv":"","hashes":{},"v":"v2"}}`, `{"body":"a","m.mentions":{"user_ids":["@a:b"]}}`,
		`{"msgtype":"m.emote","body":"\u0000","format":"org.matrix.custom.html","formatted_body":"<p>"}`, `{"m.relates_to":{"rel_type":"m.replace"}}`,
	} {
		f.Add(s)
	}
	rd := &reading{l: &link{me: "@me:example.org", name: "Permanence"}}
	f.Fuzz(func(t *testing.T, raw string) {
		evt := &event.Event{Type: event.EventMessage, Content: event.Content{VeryRaw: json.RawMessage(raw)}}
		if json.Unmarshal([]byte(raw), &evt.Content) != nil || evt.Content.ParseRaw(event.EventMessage) != nil {
			return
		}
		w := rd.read(evt.Content.AsMessage(), false, "Alice")
		if len(w.text) > maxInbound+16 {
			t.Errorf("%d bytes of text", len(w.text))
		}
		for _, file := range w.files {
			if strings.ContainsAny(file.Name, "/\\") || !utf8.ValidString(file.Name) {
				t.Errorf("file name %q", file.Name)
			}
		}
		for _, m := range contents(chat.Content{Text: w.text}) {
			if n := sizeOf(m); n > 60<<10 {
				t.Errorf("a message of %d bytes", n)
			}
			if strings.Contains(strings.ToLower(m.Body), "@room ") {
				t.Errorf("it pings: %q", m.Body)
			}
		}
		markOf(evt)
	})
}

// FuzzDecode reads any bytes as an event of a timeline.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"event_id":"$a","sender":"@a:b","type":"m.room.message","content":{}}`, `{"content":5,"event_id":"$a","sender":"@a:b"}`, `[]`, `{"origin_server_ts":1e99}`} {
		f.Add(s)
	}
	a, err := New(Config{URL: "https://example.org", TokenFile: "t"}, chat.Env{State: chattest.NewInbox()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			return
		}
		for _, evt := range a.decodeAll([]json.RawMessage{json.RawMessage(raw)}, "!a:example.org") {
			threadOf(evt)
			markOf(evt)
			at(evt)
		}
	})
}
