package irc

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
	"golang.org/x/text/encoding/charmap"

	"permanence/internal/markup"
)

// Formatting codes (https://modern.ircdocs.horse/formatting).
const (
	codeBold      = '\x02'
	codeColour    = '\x03'
	codeHex       = '\x04'
	codeReset     = '\x0f'
	codeMono      = '\x11'
	codeReverse   = '\x16'
	codeItalic    = '\x1d'
	codeStrike    = '\x1e'
	codeUnderline = '\x1f'
)

// Placeholders for the codes while Markdown is made plain, which drops control
// characters: private-use runes without a meaning.
const (
	markBold   = '\uf7e2'
	markItalic = '\uf7ed'
)

var (
	dropMarks = strings.NewReplacer(string(markBold), "", string(markItalic), "")
	markCodes = strings.NewReplacer(string(markBold), string(codeBold), string(markItalic), string(codeItalic))
)

// Beyond these a text is not searched for emphasis: every mark looks for its
// partner among all the others.
const maxMarks, maxMarked = 500, 64 << 10

// toIRC gives Markdown as lines with formatting codes, without empty ones.
func toIRC(md string) []string {
	md = dropMarks.Replace(strings.ReplaceAll(md, "\r\n", "\n"))
	if n := strings.Count(md, "*") + strings.Count(md, "_") + strings.Count(md, "["); n > 0 && n < maxMarks && len(md) < maxMarked {
		md = markEmphasis(md)
	}
	var lines []string
	for line := range strings.SplitSeq(markup.MarkdownToPlain(md), "\n") {
		if strings.TrimSpace(dropMarks.Replace(line)) != "" {
			lines = append(lines, markCodes.Replace(strings.TrimRight(line, " \t\r")))
		}
	}
	return lines
}

// markEmphasis puts marks inside of what is emphasised.
func markEmphasis(md string) string {
	source := []byte(md)
	doc := goldmark.DefaultParser().Parse(text.NewReader(source))
	marks := make(map[int]string) // by the place in source before which they stand
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		e, ok := n.(*ast.Emphasis)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		start, stop, ok := extent(e)
		if !ok {
			return ast.WalkContinue, nil
		}
		mark := string(markItalic)
		if e.Level == 2 {
			mark = string(markBold)
		}
		marks[start] += mark
		marks[stop] = mark + marks[stop]
		return ast.WalkContinue, nil
	})
	if err != nil || len(marks) == 0 {
		return md
	}
	var b strings.Builder
	for i := range len(source) {
		b.WriteString(marks[i])
		b.WriteByte(source[i])
	}
	b.WriteString(marks[len(source)])
	return b.String()
}

// extent is where the text of an emphasis begins and ends; only where both
// ends are plain text.
func extent(e *ast.Emphasis) (start, stop int, ok bool) {
	first, ok1 := e.FirstChild().(*ast.Text)
	last, ok2 := e.LastChild().(*ast.Text)
	if !ok1 || !ok2 {
		return 0, 0, false
	}
	return first.Segment.Start, last.Segment.Stop, first.Segment.Start < last.Segment.Stop
}

// style is what a span of a line looks like.
type style struct{ bold, italic, strike, mono bool }

// fromIRC gives a line with formatting codes as Markdown. Colours, underlining
// and reverse say nothing that Markdown can keep; they and other control
// characters are left out.
func fromIRC(line string) string {
	line = decode(line)
	if !strings.ContainsFunc(line, unicode.IsControl) {
		return markup.PlainToMarkdown(line)
	}
	var out, span strings.Builder
	var now style
	flush := func() {
		out.WriteString(styled(span.String(), now))
		span.Reset()
	}
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRuneInString(line[i:])
		i += size
		next := now
		switch r {
		case codeBold:
			next.bold = !now.bold
		case codeItalic:
			next.italic = !now.italic
		case codeStrike:
			next.strike = !now.strike
		case codeMono:
			next.mono = !now.mono
		case codeReset:
			next = style{}
		case codeColour:
			i += colourLength(line[i:], 2, func(c byte) bool { return c >= '0' && c <= '9' })
			continue
		case codeHex:
			i += colourLength(line[i:], 6, isHex)
			continue
		default:
			if r == '\t' || r == '\n' {
				span.WriteRune(r)
			} else if !unicode.IsControl(r) {
				span.WriteRune(r)
			}
			continue
		}
		if next != now {
			flush()
			now = next
		}
	}
	flush()
	return out.String()
}

// colourLength is how many bytes behind a colour code belong to it: one or two
// numbers of at most digits, with a comma between.
func colourLength(s string, digits int, is func(byte) bool) int {
	number := func(s string) int {
		n := 0
		for n < len(s) && n < digits && is(s[n]) {
			n++
		}
		return n
	}
	n := number(s)
	if n > 0 && n < len(s) && s[n] == ',' {
		if m := number(s[n+1:]); m > 0 {
			return n + 1 + m
		}
	}
	return n
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// styled gives a span as Markdown. The white space around it stands outside of
// the marks, which would mean nothing otherwise (CommonMark 6.2).
func styled(s string, st style) string {
	core := strings.TrimSpace(s)
	if core == "" {
		return s
	}
	at := strings.Index(s, core)
	before, after := s[:at], s[at+len(core):]
	if st.mono && !strings.Contains(core, "`") && !strings.Contains(core, "\n") {
		core = "`" + core + "`"
	} else {
		core = markup.PlainToMarkdown(core)
	}
	if st.strike {
		core = "~~" + core + "~~"
	}
	if st.italic {
		core = "*" + core + "*"
	}
	if st.bold {
		core = "**" + core + "**"
	}
	return before + core + after
}

// decode makes a line valid UTF-8: what is not UTF-8 comes from a client that
// still writes Windows-1252, of which ISO 8859-1 is a part.
func decode(line string) string {
	if utf8.ValidString(line) {
		return line
	}
	out, err := charmap.Windows1252.NewDecoder().String(line)
	if err != nil {
		return strings.ToValidUTF8(line, "\ufffd")
	}
	return out
}
