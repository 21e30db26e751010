package markup

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const fence = "```"

// Excerpt gives the beginning of md in at most that many runes, cut between
// paragraphs, lines or words, and whether something was left out, which "…"
// then says. A code block cut inside is closed.
func Excerpt(md string, runes int) (text string, cut bool) {
	md = strings.TrimSpace(strings.ToValidUTF8(md, "\uFFFD"))
	if utf8.RuneCountInString(md) <= runes {
		return md, false
	}
	if runes < 3 {
		return firstRunes("…", runes), true
	}
	head, _ := cutText(md, runes-2, countRunes)
	if opened, _ := openFence(head); opened != "" {
		if room := runes - 2 - len("\n"+fence); room > 0 {
			head, _ = cutText(md, room, countRunes)
		}
		if opened, _ = openFence(head); opened != "" {
			return firstRunes(strings.TrimRightFunc(head, unicode.IsSpace)+"\n"+fence+"\n…", runes), true
		}
	}
	return strings.TrimRightFunc(head, unicode.IsSpace) + " …", true
}

// SplitRunes cuts text into pieces of at most max runes, between paragraphs
// where it can, else lines, else words, never inside a rune. Only white space
// at a cut is lost. A code block (```) that a cut falls into is closed and
// opened again, as long as max leaves room for that.
func SplitRunes(text string, max int) []string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var parts []string
	opening := "" // the fence line to open the next piece with
	for {
		prefix := ""
		if opening != "" {
			prefix = opening + "\n"
		}
		room := max - countRunes(prefix)
		closing := len("\n" + fence)
		if room <= closing+8 { // too narrow to keep fences in order
			prefix, opening, room, closing = "", "", max, 0
		}
		if prefixLen(text, room, countRunes) >= len(text) {
			if text = strings.TrimRightFunc(text, unicode.IsSpace); text != "" {
				parts = append(parts, prefix+text)
			}
			return parts
		}
		head, rest := cutText(text, room, countRunes)
		opening = ""
		if closing > 0 {
			if opened, _ := openFence(prefix + head); opened != "" {
				head, rest = cutText(text, room-closing, countRunes)
				opening, _ = openFence(prefix + head)
			}
		}
		piece := prefix + head
		if opening != "" {
			piece += "\n" + fence
		}
		if trimCut(piece) != "" {
			parts = append(parts, piece)
		}
		text = rest
	}
}

// SplitBytes cuts text into pieces of at most max bytes, between paragraphs
// where it can, else lines, else words, and never inside a rune (but a max
// below the length of a rune gives that rune whole). Only white space at a
// cut is lost.
func SplitBytes(text string, max int) []string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var parts []string
	for len(text) > max {
		head, rest := cutText(text, max, countBytes)
		if trimCut(head) != "" {
			parts = append(parts, head)
		}
		text = rest
	}
	if trimCut(text) != "" {
		parts = append(parts, text)
	}
	return parts
}

func countRunes(s string) int { return utf8.RuneCountInString(s) }
func countBytes(s string) int { return len(s) }

// cutText cuts s, which is longer than max by count, into a head of at most
// max and the rest, at the best place of the second half, and drops the white
// space at the cut. The head has one rune at least.
func cutText(s string, max int, count func(string) int) (head, rest string) {
	end := prefixLen(s, max, count)
	if end >= len(s) {
		return s, ""
	}
	next, _ := utf8.DecodeRuneInString(s[end:])
	at := bestCut(s[:end], next)
	return strings.TrimRightFunc(s[:at], unicode.IsSpace), trimStart(s[at:])
}

// bestCut finds where to cut window, which next follows: behind the last
// paragraph of its second half, else the last line, else the last word, else
// at its end.
func bestCut(window string, next rune) int {
	half := len(window) / 2
	if next == '\n' {
		return len(window)
	}
	if i := strings.LastIndex(window, "\n\n"); i >= half && i > 0 {
		return i
	}
	if i := strings.LastIndexByte(window, '\n'); i >= half && i > 0 {
		return i
	}
	if breakable(next) {
		return len(window)
	}
	if i := strings.LastIndexFunc(window, breakable); i >= half/2 && i > 0 {
		return i
	}
	return len(window)
}

// breakable are the spaces where a line may break; the non-breaking ones of
// French typography are not among them.
func breakable(r rune) bool {
	return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f'
}

// prefixLen is the length in bytes of the longest prefix of s that counts at
// most max and ends between runes; one rune at least.
func prefixLen(s string, max int, count func(string) int) int {
	n, used := 0, 0
	for n < len(s) {
		_, size := utf8.DecodeRuneInString(s[n:])
		used += count(s[n : n+size])
		if used > max && n > 0 {
			return n
		}
		n += size
	}
	return n
}

// trimStart drops the line breaks at the start of what follows a cut, and
// spaces, but keeps the indentation of its first line.
func trimStart(s string) string {
	trimmed := strings.TrimLeftFunc(s, unicode.IsSpace)
	gone := s[:len(s)-len(trimmed)]
	if i := strings.LastIndexByte(gone, '\n'); i >= 0 {
		return s[i+1:]
	}
	return trimmed
}

func trimCut(s string) string { return strings.TrimFunc(s, unicode.IsSpace) }

func firstRunes(s string, n int) string {
	return s[:min(len(s), prefixLenOrZero(s, n))]
}

func prefixLenOrZero(s string, n int) int {
	if n <= 0 {
		return 0
	}
	return prefixLen(s, n, countRunes)
}

// openFence gives the line that opened the code block in which text ends, and
// whether there is one. Only what the splitters need: fences of backticks or
// tildes at most three spaces deep (CommonMark 4.5).
func openFence(text string) (line string, open bool) {
	mark := ""
	for l := range strings.SplitSeq(text, "\n") {
		trimmed := strings.TrimLeft(l, " ")
		if len(l)-len(trimmed) > 3 {
			continue
		}
		run := fenceRun(trimmed)
		switch {
		case run == "":
		case mark == "":
			if run[0] == '`' && strings.ContainsRune(trimmed[len(run):], '`') {
				continue // an inline code span
			}
			// Pieces are closed with ```: anything else is reopened so.
			mark, line = run, fence+strings.TrimSpace(firstRunes(trimmed[len(run):], 20))
		case run[0] == mark[0] && len(run) >= len(mark) && strings.TrimSpace(trimmed[len(run):]) == "":
			mark, line = "", ""
		}
	}
	return line, mark != ""
}

func fenceRun(s string) string {
	if s == "" || s[0] != '`' && s[0] != '~' {
		return ""
	}
	n := 1
	for n < len(s) && s[n] == s[0] {
		n++
	}
	if n < 3 {
		return ""
	}
	return s[:n]
}
