package irc

import (
	"strings"
	"unicode/utf8"

	"permanence/internal/markup"
)

// piece is what one line on the wire holds of a text.
type piece struct {
	text string
	// glued: it goes on where the piece before it was cut. That one ends with
	// the space of the cut, if there was one.
	glued bool
}

// maxLine is the longest line without tags, its end included (RFC 1459, 2.3).
const maxLine = 512

// room is how many bytes of text a line to target can hold, once the server
// has put our prefix before it.
func (s *session) room(command, target string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, host := len(s.user), len(s.host)
	if host == 0 { // not told yet: the longest that servers allow
		user, host = 11, 63
	}
	prefix := len(":") + len(s.nick) + len("!") + user + len("@") + host + len(" ")
	return max(maxLine-len("\r\n")-prefix-len(command)-len(" ")-len(target)-len(" :"), 100)
}

// pieces splits a text into what lines can hold. Where it makes more than a
// few, and the whole can be read elsewhere, the first ones and the link do.
func (s *session) pieces(command, target, text, link string) []piece {
	room := s.room(command, target)
	var all []piece
	for _, l := range toIRC(text) {
		all = append(all, splitLine(l, room)...)
	}
	if link == "" || len(all) <= maxParts || strings.HasSuffix(strings.TrimSpace(text), link) && len(all) <= maxParts+1 {
		return all
	}
	all = all[:maxParts]
	last := &all[maxParts-1]
	last.text = strings.TrimRight(last.text, " ")
	tail := " … " + link
	if len(last.text)+len(tail) > room {
		last.text = strings.TrimRight(splitLine(last.text, max(room-len(tail), 20))[0].text, " ")
	}
	last.text += tail
	return all
}

// splitLine cuts a line into pieces of at most limit bytes, on words and never
// inside a rune. Formatting that a cut falls into is closed before it and
// opened again behind: some read the pieces apart, some as one line.
func splitLine(line string, limit int) []piece {
	line = strings.ToValidUTF8(line, "\ufffd")
	if len(line) <= limit {
		return []piece{{text: line}}
	}
	const codes = 2 // bold and italic are all that toIRC makes
	var out []piece
	open, rest := "", line
	for _, text := range markup.SplitBytes(line, max(limit-2*codes-len(" "), utf8.UTFMax)) {
		// What stands between two pieces is white space.
		at := strings.Index(rest, text)
		if at > 0 && len(out) > 0 {
			out[len(out)-1].text += " "
		}
		rest = rest[at+len(text):]
		before := open
		for _, r := range text {
			if r != codeBold && r != codeItalic {
				continue
			}
			if strings.ContainsRune(open, r) {
				open = strings.ReplaceAll(open, string(r), "")
			} else {
				open += string(r)
			}
		}
		out = append(out, piece{before + text + open, len(out) > 0})
	}
	return out
}

// parts makes of the pieces of a text what is to be written, part by part; from
// is how many parts are said already. Where the server takes messages of
// several lines, each part is one of those as long as it may be; elsewhere a
// part is a line. Parts that were counted otherwise, before the server learned
// of such messages, are known by being too many.
func (s *session) parts(like line, pieces []piece, from int, replyTo string) [][]*line {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := s.facts.replyTags(replyTo)
	chunks := s.chunks(pieces)
	if from > 0 && from >= len(chunks) {
		chunks = chunk(pieces, 0, 1)
	}
	var out [][]*line
	for i := min(from, len(chunks)); i < len(chunks); i++ {
		l := like
		l.part, l.fate = i, make(chan struct{})
		if i == 0 {
			l.reply = reply
		}
		if len(chunks[i]) > 1 && !s.singly {
			l.pieces = chunks[i]
			out = append(out, []*line{&l})
			continue
		}
		var part []*line
		for _, p := range chunks[i] {
			one := l
			one.body, one.fate = strings.TrimRight(p.text, " "), make(chan struct{})
			part = append(part, &one)
			l.reply = nil
		}
		out = append(out, part)
	}
	return out
}

// chunks puts pieces together to messages that the server takes.
func (s *session) chunks(pieces []piece) [][]piece {
	maxBytes, maxLines, ok := s.facts.multiline()
	if !ok {
		maxLines = 1
	}
	return chunk(pieces, maxBytes, maxLines)
}

func chunk(pieces []piece, maxBytes, maxLines int) (out [][]piece) {
	size := 0
	for _, p := range pieces {
		n := len(out) - 1
		if n < 0 || len(out[n]) >= maxLines || size+len("\n")+len(p.text) > maxBytes {
			p.glued = false // nothing stands before it in its message
			out, size = append(out, []piece{p}), len(p.text)
			continue
		}
		out[n] = append(out[n], p)
		size += len("\n") + len(p.text)
	}
	return out
}

// sayNoBatch goes on without messages of several lines on this connection: the
// server has refused one that should have been right.
func (s *session) sayNoBatch(why error) {
	s.log.Warn("message of several lines refused, line by line from now on", "err", why)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.singly = true
}
