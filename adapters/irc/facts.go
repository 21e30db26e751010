package irc

import (
	"strconv"
	"strings"
	"time"

	"permanence/bot/chat"
)

// facts are what a server said of itself: capabilities, ISUPPORT tokens, and
// its version. The last connection's stay valid while there is none.
type facts struct {
	caps    map[string]string // acknowledged, with their values
	offered map[string]string
	support map[string]string
	version string
}

func newFacts() facts {
	return facts{caps: map[string]string{}, offered: map[string]string{}, support: map[string]string{}}
}

func (f *facts) has(capability string) bool {
	_, ok := f.caps[capability]
	return ok
}

// history: what was said while we were away can be asked for.
func (f *facts) history() bool {
	return (f.has("draft/chathistory") || f.has("chathistory")) && f.has("batch") && f.has("server-time")
}

// labelled: what we send is answered under its label.
func (f *facts) labelled() bool { return f.has("labeled-response") && f.has("batch") }

func (f *facts) echo() bool { return f.has("echo-message") }

// accounts: we learn under which account people speak.
func (f *facts) accounts() bool {
	return f.has("account-tag") || f.has("account-notify") && f.has("extended-join")
}

func (f *facts) fold(name string) string { return fold(f.support["CASEMAPPING"], name) }

// isChannel tells a channel's name from a person's.
func (f *facts) isChannel(name string) bool {
	types, ok := f.support["CHANTYPES"]
	if !ok {
		types = "#&"
	}
	return name != "" && strings.IndexByte(types, name[0]) >= 0
}

// prefixes are the marks before nicks in lists, such as "@+"; modes are the
// letters that they stand for.
func (f *facts) prefixes() (modes, marks string) {
	p, ok := f.support["PREFIX"]
	if !ok {
		return "ov", "@+"
	}
	modes, marks, _ = strings.Cut(strings.TrimPrefix(p, "("), ")")
	return modes, marks
}

// number gives a token's number, or the one given.
func (f *facts) number(token string, otherwise int) int {
	if n, err := strconv.Atoi(f.support[token]); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// patience is the custom of servers whose defaults are known.
func (f *facts) patience() (burst int, every time.Duration, known bool) {
	v := strings.ToLower(f.version)
	if strings.HasPrefix(v, "ergo") || strings.HasPrefix(v, "oragono") {
		return 5, 500 * time.Millisecond, true // default.yaml, fakelag
	}
	return 0, 0, false
}

// maxText is about what one line holds behind the longest prefixes, in runes.
const maxText = 350

// maxParts is how many lines one text may become before a link to the rest is
// more polite.
const maxParts = 3

// chat translates the facts.
func (f *facts) chat() chat.Caps {
	c := chat.Caps{
		Topic: chat.Native, Direct: chat.Native, Mentions: chat.Native,
		Confirms: f.echo(), Accounts: f.accounts(),
		MaxText: maxText, MaxParts: maxParts, Format: chat.IRC,
	}
	if f.has("message-tags") {
		c.Replies = chat.Native
	}
	if f.history() {
		c.History = chat.Native
	}
	return c
}
