package markup

import (
	"html"
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// maxMarkdown is the longest text in bytes that is laid out; above, and where
// it nests as no person does, it is shown as it was typed.
const maxMarkdown = 256 << 10

// markdown is the one dialect of Permanence: GitHub's, where a line break is
// a line break, and where HTML is text. It is built once and safe for use by
// several goroutines.
var markdown = sync.OnceValue(func() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
		goldmark.WithRendererOptions(
			goldmarkhtml.WithHardWraps(),
			renderer.WithNodeRenderers(util.Prioritized(ownNodes{}, 100)),
		),
	)
})

// ownNodes renders what must not be rendered as usual: HTML, which is shown
// instead of being run or dropped, and images, which would be loaded.
type ownNodes struct{}

func (ownNodes) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindRawHTML, rawHTML)
	reg.Register(ast.KindHTMLBlock, htmlBlock)
	reg.Register(ast.KindImage, image)
}

func rawHTML(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkSkipChildren, nil
	}
	segments := node.(*ast.RawHTML).Segments
	for i := range segments.Len() {
		segment := segments.At(i)
		_, _ = w.WriteString(html.EscapeString(string(segment.Value(source))))
	}
	return ast.WalkSkipChildren, nil
}

func htmlBlock(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	text := strings.TrimRight(blockText(node, source), "\n")
	_, _ = w.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(text), "\n", "<br>\n") + "</p>\n")
	return ast.WalkContinue, nil
}

// blockText is the source of a block, the closing line of an HTML block
// included.
func blockText(node ast.Node, source []byte) string {
	var b strings.Builder
	lines := node.Lines()
	for i := range lines.Len() {
		segment := lines.At(i)
		b.Write(segment.Value(source))
	}
	if block, ok := node.(*ast.HTMLBlock); ok && block.HasClosure() {
		b.Write(block.ClosureLine.Value(source))
	}
	return b.String()
}

func image(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n := node.(*ast.Image)
	destination := string(n.Destination)
	if inline := strings.HasPrefix(strings.ToLower(destination), "cid:"); inline {
		if entering {
			_, _ = w.WriteString(`<img src="` + html.EscapeString(destination) + `" alt="` +
				html.EscapeString(inlineText(n, source)) + `">`)
		}
		return ast.WalkSkipChildren, nil
	}
	if !safeLink(destination) {
		return ast.WalkContinue, nil
	}
	if !entering {
		_, _ = w.WriteString("</a>")
		return ast.WalkContinue, nil
	}
	_, _ = w.WriteString(`<a href="` + html.EscapeString(string(util.URLEscape(n.Destination, true))) + `">`)
	if !n.HasChildren() {
		_, _ = w.WriteString("image")
	}
	return ast.WalkContinue, nil
}

var cidPattern = regexp.MustCompile(`(?i)^cid:[^\s"<>]{1,200}$`)

// policy is what HTML of ours may hold, whatever the renderer made. Built
// once, never changed.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "del",
		"ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6",
		"table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("style").OnElements("th", "td")
	p.AllowStyles("text-align").MatchingEnum("left", "center", "right").OnElements("th", "td")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto", "tel", "ftp", "sftp", "xmpp", "irc", "ircs", "matrix", "sip", "geo", "cid")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AllowAttrs("src").Matching(cidPattern).OnElements("img")
	p.AllowAttrs("alt").OnElements("img")
	return p
})

// MarkdownToHTML gives md as a piece of HTML that is safe in a page and in a
// mail: HTML in it is shown as text, links carry rel="nofollow noreferrer",
// images become links, except those that travel with a mail (cid:).
func MarkdownToHTML(md string) string {
	md = clean(md)
	if tooWild(md) {
		return "<p>" + strings.ReplaceAll(html.EscapeString(md), "\n", "<br>\n") + "</p>\n"
	}
	var b strings.Builder
	if err := markdown().Convert([]byte(md), &b); err != nil {
		return "<p>" + html.EscapeString(md) + "</p>\n"
	}
	return policy().Sanitize(b.String())
}

// tooWild says that md is no text of a person: so long or so full of opening
// marks that laying it out could take more than a moment.
func tooWild(md string) bool {
	if len(md) > maxMarkdown {
		return true
	}
	lines, widest := 0, 0
	for line := range strings.SplitSeq(md, "\n") {
		if deepLine(line) {
			return true
		}
		lines++
		widest = max(widest, strings.Count(line, "|"))
	}
	if widest*lines > 200_000 { // every row of a table has all its columns
		return true
	}
	// A paragraph is parsed as one: brackets and stars look for their partner
	// through the whole of it.
	marks := 0
	for i := range len(md) {
		switch md[i] {
		case '[', '<', '`', '*', '_', '~':
			marks++
		case '\n':
			if i+1 < len(md) && md[i+1] == '\n' {
				marks = 0
			}
		}
		if marks > 4000 {
			return true
		}
	}
	return false
}

// deepLine says that a line opens more than 50 blocks in one another.
func deepLine(line string) bool {
	depth := 0
	for i := range len(line) {
		switch c := line[i]; {
		case c == '>', c == '-', c == '*', c == '+', c == '.', c == ')':
			depth++
		case c == ' ', c == '\t', c >= '0' && c <= '9':
			// Indentation nests lists as well.
		default:
			return depth > 50 || i > 500
		}
	}
	return depth > 200 || depth > 50 && strings.ContainsRune(line, '>') || len(line) > 5000
}
