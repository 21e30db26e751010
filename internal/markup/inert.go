package markup

import (
	"regexp"
	"strings"
)

// Inert takes from the text of an outsider what would act where it is shown:
// "@names" and "@all" do not ping, images become links, no line begins a
// command, and characters that hide or turn text around are gone. What
// remains reads the same.
func Inert(md string) string {
	md = clean(md)
	md = quietMentions(imagesToLinks(md))
	lines := strings.Split(md, "\n")
	for i, line := range lines {
		lines[i] = quietLine(line)
	}
	return strings.Join(lines, "\n")
}

// wholeRoom are the words that ping a whole room somewhere (Mattermost:
// channel, here, all; Matrix: room; others: everyone).
var wholeRoom = []string{"channel", "here", "all", "room", "everyone"}

// quietMentions puts a word joiner behind each "@" that could ping, and into
// character references that would become one.
func quietMentions(md string) string {
	if !strings.ContainsAny(md, "@&") {
		return md
	}
	var b strings.Builder
	b.Grow(len(md) + 16)
	token := 0 // where the current word began
	for i := 0; i < len(md); i++ {
		c := md[i]
		b.WriteByte(c)
		switch c {
		case ' ', '\n', '\t':
			token = i + 1
		case '&':
			// &#64;all and &commat;all are "@all" once rendered.
			if rest := md[i+1:]; strings.HasPrefix(rest, "#") || strings.HasPrefix(rest, "commat") {
				b.WriteString(wordJoiner)
			}
		case '@':
			if pings(md[token:i], md[i+1:]) {
				b.WriteString(wordJoiner)
			}
		}
	}
	return b.String()
}

// pings tells whether an "@" between before (the same word) and after may be a
// mention. In addresses and in the paths of links it is left alone, so that
// both can still be copied.
func pings(before, after string) bool {
	if after == "" || after[0] == ' ' || after[0] == '\n' || strings.HasPrefix(after, wordJoiner) {
		return false
	}
	for _, word := range wholeRoom {
		if len(after) >= len(word) && strings.EqualFold(after[:len(word)], word) {
			rest := after[len(word):]
			if rest == "" || !isWord(rest[0]) && !(rest[0] == '.' && len(rest) > 1 && isWord(rest[1])) {
				return true
			}
		}
	}
	if before == "" {
		return true
	}
	if last := before[len(before)-1]; isWord(last) {
		return false
	} else if last == '/' && strings.Contains(before, "://") {
		return false
	}
	return true
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

var imagePattern = regexp.MustCompile(`!\[([^\[\]\n]*)\]\(`)

// imagesToLinks makes links of images, which would load (and so tell that the
// message was read) as soon as they are shown.
func imagesToLinks(md string) string {
	if !strings.Contains(md, "![") {
		return md
	}
	md = imagePattern.ReplaceAllStringFunc(md, func(s string) string {
		if s == "![](" {
			return "[image]("
		}
		return s[1:]
	})
	return strings.ReplaceAll(md, "![", "!"+wordJoiner+"[")
}

// linePattern is what may stand before the first word of a line: spaces,
// quote and list marks, emphasis, backslashes.
var linePattern = regexp.MustCompile(`^(?:[\s\p{Zs}\x{200b}-\x{200f}\x{2060}>*_~\\+-]|\d{1,9}[.)])*`)

// quietLine puts a word joiner where a line would be read as a command of
// ours, of a chat network, or of a mail robot.
func quietLine(line string) string {
	at := len(linePattern.FindString(line))
	rest := line[at:]
	switch {
	case rest == "", strings.HasSuffix(line[:at], wordJoiner):
		return line
	case rest[0] == '!', rest[0] == '/':
		return line[:at] + wordJoiner + rest
	case len(rest) >= 7 && strings.EqualFold(rest[:7], "control"):
		word := rest[:7]
		if tail := strings.TrimLeft(rest[7:], " \t\u00a0\u202f"); strings.HasPrefix(tail, ":") {
			return line[:at] + word + wordJoiner + rest[7:]
		}
	}
	return line
}
