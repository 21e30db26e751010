package markup

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/strikethrough"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/table"
	"golang.org/x/net/html"
)

// What HTMLToMarkdown accepts; above, the words are kept and the layout is
// not. Mails of people are far below.
const (
	maxHTML  = 512 << 10 // bytes
	maxNodes = 50_000
	maxDepth = 200
	// maxMarks are characters that may have to be escaped, which takes time
	// that grows with their square.
	maxMarks = 20_000
)

// Markers stand for brackets that must not be escaped. They are of the private
// use area, and removed from what comes from outside.
const (
	openMark  = '\ue0f5'
	closeMark = '\ue0f6'
)

func isMarker(r rune) bool { return r == openMark || r == closeMark }

// marked finds a placeholder, in which nothing needs to be escaped.
var marked = regexp.MustCompile(string(openMark) + `[^` + string(closeMark) + `]*` + string(closeMark))

func marksToBrackets(md string) string {
	md = marked.ReplaceAllStringFunc(md, func(s string) string { return strings.ReplaceAll(s, `\`, "") })
	return strings.NewReplacer(string(openMark), "[", string(closeMark), "]").Replace(md)
}

// htmlConverter is built once: building it costs more than a short mail. It is
// safe for use by several goroutines.
var htmlConverter = sync.OnceValue(func() *converter.Converter {
	return converter.NewConverter(converter.WithPlugins(
		base.NewBasePlugin(),
		commonmark.NewCommonmarkPlugin(commonmark.WithListEndComment(false)),
		table.NewTablePlugin(
			table.WithNewlineBehavior(table.NewlineBehaviorPreserve),
			table.WithCellPaddingBehavior(table.CellPaddingBehaviorMinimal),
			table.WithSkipEmptyRows(true),
			table.WithHeaderPromotion(true),
		),
		strikethrough.NewStrikethroughPlugin(),
	))
})

// HTMLToMarkdown gives the text of an HTML mail as Markdown. Scripts, styles,
// comments, hidden text and tracking pixels are left out; a table of data
// stays a table, a table made for the layout becomes paragraphs; an image of
// the mail itself becomes "[image: name]", one from elsewhere a plain link.
// HTML that is too large or too deep gives its words without layout.
func HTMLToMarkdown(source string) string {
	source = clean(source)
	if len(source) > maxHTML {
		return tidy(htmlWords(source))
	}
	// html.Parse refuses what is nested more than 512 deep.
	doc, err := html.Parse(strings.NewReader(source))
	if err != nil || !withinBounds(doc) {
		return tidy(htmlWords(source))
	}
	prune(doc, false)
	out, err := htmlConverter().ConvertNode(doc)
	if err != nil {
		return tidy(htmlWords(source))
	}
	return tidy(plainAngles(marksToBrackets(string(out))))
}

// plainAngles undoes the escapes of "<" and ">", which in our dialect need
// none and are often read as they are; code is left alone.
func plainAngles(md string) string {
	if !strings.Contains(md, "&lt;") && !strings.Contains(md, "&gt;") {
		return md
	}
	angles := strings.NewReplacer("&lt;", "<", "&gt;", ">")
	lines := strings.Split(md, "\n")
	code := false
	for i, line := range lines {
		switch {
		case strings.HasPrefix(strings.TrimLeft(line, "> "), fence):
			code = !code
		case !code && !strings.HasPrefix(line, "&gt;"):
			lines[i] = angles.Replace(line)
		}
	}
	return strings.Join(lines, "\n")
}

// withinBounds says that doc has at most maxNodes nodes, at most maxDepth
// deep, and at most maxMarks marks in its text.
func withinBounds(doc *html.Node) bool {
	nodes, marks := 0, 0
	var walk func(n *html.Node, depth int) bool
	walk = func(n *html.Node, depth int) bool {
		nodes++
		if n.Type == html.TextNode {
			for i := range len(n.Data) {
				if strings.IndexByte("*_[]`<>#~|\\!&+-=.", n.Data[i]) >= 0 {
					marks++
				}
			}
		}
		if nodes > maxNodes || depth > maxDepth || marks > maxMarks {
			return false
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if !walk(c, depth+1) {
				return false
			}
		}
		return true
	}
	return walk(doc, 0)
}

// prune takes out of the tree what nobody is meant to read and replaces what
// would load something.
func prune(n *html.Node, inLink bool) {
	var next *html.Node
	for c := n.FirstChild; c != nil; c = next {
		next = c.NextSibling
		switch c.Type {
		case html.CommentNode, html.DoctypeNode:
			n.RemoveChild(c)
			continue
		case html.ElementNode:
		default:
			continue
		}
		if hidden(c) {
			n.RemoveChild(c)
			continue
		}
		switch c.Data {
		case "img":
			pruneImage(n, c, inLink)
			continue
		case "a":
			if !safeLink(attr(c, "href")) {
				c.Data, c.Attr = "span", nil
			}
			prune(c, true)
			continue
		}
		boundSpans(c)
		prune(c, inLink)
		if c.Data == "table" && !isData(c) {
			unfoldTable(c)
		}
	}
}

// hidden says that an element is not shown to people in a mail.
func hidden(n *html.Node) bool {
	switch n.Data {
	case "head", "script", "style", "title", "meta", "link", "base", "noscript", "template",
		"svg", "math", "object", "embed", "applet", "iframe", "frame", "frameset",
		"audio", "video", "canvas", "map", "xml",
		"input", "button", "select", "textarea":
		return true
	}
	style := strings.ToLower(strings.Join(strings.Fields(attr(n, "style")), ""))
	return strings.Contains(style, "display:none") ||
		strings.Contains(style, "mso-hide:all") ||
		strings.Contains(style, "visibility:hidden")
}

// pruneImage replaces an image by a word: nothing may be loaded because a mail
// says so.
func pruneImage(parent, img *html.Node, inLink bool) {
	src := strings.TrimSpace(attr(img, "src"))
	name := strings.Join(strings.Fields(attr(img, "alt")), " ")
	scheme, rest, _ := strings.Cut(src, ":")
	var node *html.Node
	switch scheme = strings.ToLower(scheme); {
	case scheme == "cid":
		if name == "" {
			name, _, _ = strings.Cut(rest, "@")
		}
		node = textNode(placeholder(name))
	case scheme == "data":
		node = textNode(placeholder(name))
	case pixel(img), !safeLink(src):
		if name != "" && !pixel(img) {
			node = textNode(name)
		}
	case inLink:
		node = textNode(orImage(name))
	default:
		node = &html.Node{Type: html.ElementNode, Data: "a", Attr: []html.Attribute{{Key: "href", Val: src}}}
		node.AppendChild(textNode(orImage(name)))
	}
	if node != nil {
		parent.InsertBefore(node, img)
	}
	parent.RemoveChild(img)
}

func placeholder(name string) string {
	if name == "" {
		return string(openMark) + "image" + string(closeMark)
	}
	name = strings.NewReplacer("[", "(", "]", ")", `\`, "").Replace(firstRunes(name, 80))
	return string(openMark) + "image: " + name + string(closeMark)
}

func orImage(name string) string {
	if name == "" {
		return "image"
	}
	return name
}

// pixel says that an image is too small to be seen: it only tells its server
// that the mail was opened.
func pixel(img *html.Node) bool {
	small := func(size string) bool {
		size = strings.TrimSuffix(strings.TrimSpace(size), "px")
		return size == "0" || size == "1" || size == "2"
	}
	return small(attr(img, "width")) || small(attr(img, "height"))
}

// safeLink says that a link leads somewhere a person may want to go.
func safeLink(href string) bool {
	scheme, _, ok := strings.Cut(strings.TrimSpace(href), ":")
	if !ok {
		return false // relative: to nothing, in a mail
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "mailto", "tel", "ftp", "sftp", "xmpp", "irc", "ircs", "matrix", "sip", "geo":
		return true
	}
	return false
}

// isData says that a table holds data: rows of several short cells, without
// tables in them. Mails use tables far more often for their layout.
func isData(table *html.Node) bool {
	rows, widest := 0, 0
	data := true
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil && data; c = c.NextSibling {
			if c.Type != html.ElementNode {
				continue
			}
			switch c.Data {
			case "table", "blockquote", "pre", "ul", "ol", "h1", "h2", "hr":
				data = false
			case "tr":
				rows++
				cells := 0
				for td := c.FirstChild; td != nil; td = td.NextSibling {
					if td.Data == "td" || td.Data == "th" {
						cells++
						data = data && textLen(td, 300) < 300
					}
				}
				widest = max(widest, cells)
			}
			walk(c)
		}
	}
	walk(table)
	return data && rows >= 2 && widest >= 2 && attr(table, "role") != "presentation"
}

// boundSpans takes from a cell the claim to stand for thousands of others,
// which would all be written out.
func boundSpans(cell *html.Node) {
	kept := cell.Attr[:0]
	for _, a := range cell.Attr {
		if a.Key == "colspan" || a.Key == "rowspan" {
			if n, err := strconv.Atoi(a.Val); err != nil || n > 20 {
				continue
			}
		}
		kept = append(kept, a)
	}
	cell.Attr = kept
}

// textLen counts the bytes of text in n, up to about most.
func textLen(n *html.Node, most int) int {
	if n.Type == html.TextNode {
		return len(strings.TrimSpace(n.Data))
	}
	total := 0
	for c := n.FirstChild; c != nil && total < most; c = c.NextSibling {
		total += textLen(c, most-total)
	}
	return total
}

// unfoldTable makes paragraphs of the rows of a table; cells that hold blocks
// become blocks, others stay side by side.
func unfoldTable(table *html.Node) {
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type != html.ElementNode {
				continue
			}
			switch c.Data {
			case "td", "th":
				c.Attr = nil
				if hasBlock(c) {
					c.Data = "div"
				} else {
					c.Data = "span"
					c.AppendChild(textNode(" "))
				}
				continue // an inner table has been seen to already
			case "thead", "tbody", "tfoot", "tr", "caption", "colgroup":
				c.Data, c.Attr = "div", nil
			case "col":
				c.Data, c.Attr = "span", nil
			}
			walk(c)
		}
	}
	walk(table)
	table.Data, table.Attr = "div", nil
}

func hasBlock(n *html.Node) bool {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type != html.ElementNode {
			continue
		}
		switch c.Data {
		case "div", "p", "table", "ul", "ol", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "hr":
			return true
		}
		if hasBlock(c) {
			return true
		}
	}
	return false
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textNode(s string) *html.Node { return &html.Node{Type: html.TextNode, Data: s} }

// HTMLWords gives the visible words of HTML, one block a line, in one pass
// without building a tree: for comparing, searching, and for what is too
// large to be laid out.
func HTMLWords(source string) string { return tidy(htmlWords(clean(source))) }

func htmlWords(source string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(source))
	skip := "" // the element whose content is not text
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if skip == "" {
				words := strings.Fields(string(z.Text()))
				if len(words) > 0 {
					b.WriteString(strings.Join(words, " "))
					b.WriteByte(' ')
				}
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch tag := string(name); tag {
			case "script", "style", "title":
				if skip == "" {
					skip = tag
				}
			case "p", "div", "br", "tr", "li", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "hr":
				b.WriteByte('\n')
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			switch tag := string(name); {
			case tag == skip:
				skip = ""
			case tag == "p" || tag == "div" || tag == "table" || tag == "blockquote":
				b.WriteByte('\n')
			}
		}
	}
}

// tidy drops what remains of a layout: lines of nothing but spaces, more than
// one empty line, spaces at the end of lines.
func tidy(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	empty := 0
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRightFunc(line, isBlank)
		if strings.TrimLeftFunc(strings.TrimLeft(line, ">"), isBlank) == "" && !strings.Contains(line, ">") {
			empty++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
			if empty > 0 {
				b.WriteByte('\n')
			}
		}
		empty = 0
		b.WriteString(line)
	}
	return b.String()
}

// isBlank are spaces, and what mails fill their invisible previews with.
func isBlank(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\u00a0', '\u202f', '\u00ad', '\u034f', '\u200b', '\u200c', '\u200d', '\u200e', '\u2007', '\u2060':
		return true
	}
	return false
}
