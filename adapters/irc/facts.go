package irc

import (
	"math"
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

// multiline tells how long a message of several lines may be
// (https://ircv3.net/specs/extensions/multiline); ok is false where there are
// none, or where we could not tell what becomes of one.
func (f *facts) multiline() (maxBytes, maxLines int, ok bool) {
	if !f.has("draft/multiline") || !f.has("message-tags") || !f.labelled() || !f.echo() {
		return 0, 0, false
	}
	maxLines = math.MaxInt
	for option := range strings.SplitSeq(f.caps["draft/multiline"], ",") {
		name, value, _ := strings.Cut(option, "=")
		n, err := strconv.Atoi(value)
		switch {
		case err != nil:
		case name == "max-bytes":
			maxBytes = n
		case name == "max-lines":
			maxLines = n
		}
	}
	return min(maxBytes, maxMultiline), maxLines, maxBytes > 0
}

// maxMultiline is the longest message of several lines that we make, in bytes:
// those who cannot read it as one get each of its lines.
const maxMultiline = 4096

// takesTag tells whether the server lets a tag of clients' own pass, given
// without its plus sign (ISUPPORT CLIENTTAGDENY,
// https://ircv3.net/specs/extensions/message-tags).
func (f *facts) takesTag(name string) bool {
	if !f.has("message-tags") {
		return false
	}
	takes := true
	for word := range strings.SplitSeq(f.support["CLIENTTAGDENY"], ",") {
		switch word {
		case "*":
			takes = false
		case name:
			return false
		case "-" + name:
			return true
		}
	}
	return takes
}

// replyTags are the tags that make a line an answer to another one. Older
// clients and servers know the draft's name alone.
func (f *facts) replyTags(id string) (tags []string) {
	if id == "" {
		return nil
	}
	for _, name := range []string{"reply", "draft/reply"} {
		if f.takesTag(name) {
			tags = append(tags, "+"+name+"="+tagEscape.Replace(id))
		}
	}
	return tags
}

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
	if f.takesTag("reply") || f.takesTag("draft/reply") {
		c.Replies = chat.Native
	}
	if longest, _, ok := f.multiline(); ok {
		c.MaxText, c.MaxParts = longest, 1
	}
	if f.history() {
		c.History = chat.Native
	}
	return c
}
