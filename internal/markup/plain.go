package markup

import (
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// MarkdownToPlain gives md as it reads best without markup: in the text part
// of a mail, on a network of plain lines. Links become "text (url)", quotes
// keep "> ", lists their marks, code its indentation (inline: its backticks).
func MarkdownToPlain(md string) string {
	md = clean(md)
	if tooWild(md) {
		return md
	}
	source := []byte(md)
	doc := markdown().Parser().Parse(text.NewReader(source))
	var b strings.Builder
	plainBlocks(&b, doc, source, "")
	return strings.Trim(b.String(), "\n")
}

// plainBlocks writes the blocks below n, each line behind prefix.
func plainBlocks(b *strings.Builder, n ast.Node, source []byte, prefix string) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if c.PreviousSibling() != nil && separate(c) {
			b.WriteString(strings.TrimRight(prefix, " ") + "\n")
		}
		plainBlock(b, c, source, prefix)
	}
}

// separate says that an empty line stands before block c.
func separate(c ast.Node) bool {
	if item, ok := c.Parent().(*ast.ListItem); ok {
		list, ok := item.Parent().(*ast.List)
		return !ok || !list.IsTight
	}
	if list, ok := c.Parent().(*ast.List); ok {
		return !list.IsTight
	}
	return true
}

func plainBlock(b *strings.Builder, n ast.Node, source []byte, prefix string) {
	switch n := n.(type) {
	case *ast.Blockquote:
		plainBlocks(b, n, source, prefix+"> ")
	case *ast.List:
		plainList(b, n, source, prefix)
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		writeLines(b, strings.TrimRight(blockText(n, source), "\n"), prefix+"    ")
	case *ast.HTMLBlock:
		writeLines(b, strings.TrimRight(blockText(n, source), "\n"), prefix)
	case *ast.ThematicBreak:
		writeLines(b, "---", prefix)
	case *extast.Table:
		for row := n.FirstChild(); row != nil; row = row.NextSibling() {
			var cells []string
			for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
				cells = append(cells, inlineText(cell, source))
			}
			writeLines(b, strings.Join(cells, " | "), prefix)
		}
	default:
		writeLines(b, inlineText(n, source), prefix)
	}
}

func plainList(b *strings.Builder, list *ast.List, source []byte, prefix string) {
	number := list.Start
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		if item.PreviousSibling() != nil && separate(item) {
			b.WriteString(strings.TrimRight(prefix, " ") + "\n")
		}
		mark := string(list.Marker) + " "
		if list.IsOrdered() {
			mark = strconv.Itoa(number) + string(list.Marker) + " "
			number++
		}
		var inner strings.Builder
		plainBlocks(&inner, item, source, "")
		indent := strings.Repeat(" ", len(mark))
		lines := strings.Split(strings.TrimRight(inner.String(), "\n"), "\n")
		for i, line := range lines {
			lead := indent
			if i == 0 {
				lead = mark
			}
			b.WriteString(strings.TrimRight(prefix+lead+line, " ") + "\n")
		}
	}
}

func writeLines(b *strings.Builder, s, prefix string) {
	for line := range strings.SplitSeq(s, "\n") {
		b.WriteString(strings.TrimRight(prefix+line, " ") + "\n")
	}
}

// inlineText is what the inline nodes below n say.
func inlineText(n ast.Node, source []byte) string {
	var b strings.Builder
	plainInline(&b, n, source)
	return b.String()
}

func plainInline(b *strings.Builder, n ast.Node, source []byte) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(unescape(c.Segment.Value(source), c.IsRaw()))
			if c.SoftLineBreak() || c.HardLineBreak() {
				b.WriteByte('\n')
			}
		case *ast.String:
			b.Write(c.Value)
		case *ast.CodeSpan:
			b.WriteString("`" + rawText(c, source) + "`")
		case *ast.AutoLink:
			b.Write(c.Label(source))
		case *ast.Link:
			plainLink(b, inlineText(c, source), string(c.Destination))
		case *ast.Image:
			plainLink(b, inlineText(c, source), string(c.Destination))
		case *ast.RawHTML:
			for i := range c.Segments.Len() {
				segment := c.Segments.At(i)
				b.Write(segment.Value(source))
			}
		default:
			plainInline(b, c, source)
		}
	}
}

func plainLink(b *strings.Builder, label, url string) {
	switch bare := strings.TrimPrefix(url, "mailto:"); {
	case strings.TrimSpace(label) == "":
		b.WriteString(url)
	case url == "", label == url, label == bare, strings.HasPrefix(strings.ToLower(url), "cid:"):
		b.WriteString(label)
	default:
		b.WriteString(label + " (" + url + ")")
	}
}

func rawText(n ast.Node, source []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
		}
	}
	return b.String()
}

// escapable finds what a backslash made literal, and character references
// (CommonMark 2.4 and 2.5).
var escapable = regexp.MustCompile("\\\\[!-/:-@\\[-`{-~]|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

func unescape(s []byte, raw bool) []byte {
	if raw {
		return s
	}
	return escapable.ReplaceAllFunc(s, func(m []byte) []byte {
		if m[0] == '\\' {
			return m[1:]
		}
		return []byte(unescapeEntity(string(m)))
	})
}

var (
	startsBlock = regexp.MustCompile(`^( {0,3})(#{1,6}(?:[ \t]|$)|=+[ \t]*$|-+[ \t]*$|~~~|\+ )`)
	reference   = regexp.MustCompile(`&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)
	backslash   = regexp.MustCompile("\\\\([!-/:-@\\[-`{-~])")
	midWord     = regexp.MustCompile(`([\p{L}\p{N}])(\*+)([\p{L}\p{N}])`)
	underscores = regexp.MustCompile(`_(_+)`)
)

// PlainToMarkdown escapes in a text without markup the little that would
// otherwise be lost when it is read as Markdown: backslashes, "# comments",
// underlines, 2*3*4. What people mean as markup (lists, quotes, *emphasis*,
// links) stays.
func PlainToMarkdown(s string) string {
	s = clean(s)
	lines := strings.Split(s, "\n")
	code := true // an indented line would be code here (CommonMark 4.4)
	for i, line := range lines {
		quote := quotePrefix(line)
		rest := line[len(quote):]
		if strings.TrimSpace(rest) == "" {
			code = true
			continue
		}
		if code && (strings.HasPrefix(rest, "    ") || strings.HasPrefix(rest, "\t")) {
			continue
		}
		code = false
		if strings.ContainsRune(rest, '\\') {
			rest = backslash.ReplaceAllString(rest, `\\$1`)
		}
		if strings.ContainsRune(rest, '&') {
			rest = reference.ReplaceAllStringFunc(rest, func(m string) string { return `\` + m })
		}
		if strings.ContainsRune(rest, '*') {
			rest = midWord.ReplaceAllStringFunc(rest, func(m string) string {
				return strings.ReplaceAll(m, "*", `\*`)
			})
		}
		if strings.Contains(rest, "__") {
			rest = underscores.ReplaceAllStringFunc(rest, func(m string) string {
				return strings.ReplaceAll(m, "_", `\_`)
			})
		}
		lines[i] = quote + startsBlock.ReplaceAllString(rest, `$1\$2`)
	}
	return strings.Join(lines, "\n")
}

// quotePrefix is the "> > " of a quoted line.
func quotePrefix(line string) string {
	end := 0
	for i := range len(line) {
		if line[i] == '>' {
			end = i + 1
			continue
		}
		if line[i] != ' ' {
			break
		}
	}
	if end > 0 && end < len(line) && line[end] == ' ' {
		end++
	}
	return line[:end]
}

// unescapeEntity gives what a character reference stands for, cleaned: a
// reference must not bring back what clean took away.
func unescapeEntity(s string) string {
	return clean(strings.ReplaceAll(html.UnescapeString(s), "\u00a0", " "))
}
