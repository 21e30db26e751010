package email

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
)

// Marks travel through the conversion to Markdown as characters of the private
// use area, which are taken out of what comes from outside.
const (
	quoteMark     = '\ue0e1' // an attribution line, or a quote of the program itself
	restMark      = '\ue0e2' // from here on all is quoted
	signatureMark = '\ue0e3'
)

func stripMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= quoteMark && r <= signatureMark {
			return -1
		}
		return r
	}, s)
}

// quoteNames are words that only the HTML of a quote holds: a cheap look
// before the work.
var quoteNames = []string{
	"gmail_quote", "gmail_attr", "moz-cite-prefix", "yahoo_quoted", "protonmail_quote",
	"divrplyfwdmsg", "appendonsend", "stopspelling", "gmail_signature", "blockquote",
	"moz-signature", "signature_block", "reply-intro", "border-top:solid", "ms-outlook-mobile",
}

// hasQuoteMarks says that the HTML may tell what is quoted better than the
// plain text.
func hasQuoteMarks(source string) bool {
	source = strings.ToLower(source)
	for _, name := range quoteNames {
		if strings.Contains(source, name) {
			return true
		}
	}
	return false
}

// markQuotes puts marks where a mail program says that a quote or a signature
// begins. It copies everything else as it is.
func markQuotes(source string) string {
	source = stripMarks(source)
	if !hasQuoteMarks(source) {
		return source
	}
	var b strings.Builder
	b.Grow(len(source) + 64)
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			// A tag that never ends: what is left of it is copied.
			b.Write(z.Raw())
			return b.String()
		}
		raw := z.Raw()
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			b.Write(raw)
			continue
		}
		raw = bytes.Clone(raw) // reading the attributes changes it
		name, more := z.TagName()
		tag := string(name)
		var class, id, kindOf, style string
		for more {
			var key, value []byte
			key, value, more = z.TagAttr()
			switch string(key) {
			case "class":
				class = string(value)
			case "id":
				id = string(value)
			case "type":
				kindOf = string(value)
			case "style":
				style = string(value)
			}
		}
		mark := markOf(tag, class, strings.ToLower(id), kindOf, style)
		if mark != 0 && tag == "pre" { // not into what becomes a block of code
			b.WriteRune(mark)
			mark = 0
		}
		b.Write(raw)
		if mark != 0 {
			b.WriteRune(mark)
		}
	}
}

// markOf says what an element begins, 0 for nothing.
func markOf(tag, class, id, kind, style string) rune {
	is := func(name string) bool {
		for c := range strings.FieldsSeq(class) {
			if c == name {
				return true
			}
		}
		return false
	}
	// Outlook keeps these names behind a prefix of its own when it quotes.
	id = strings.TrimPrefix(id, "x_")
	switch {
	case is("gmail_attr"), is("moz-cite-prefix"), id == "reply-intro",
		tag == "blockquote" && (strings.EqualFold(kind, "cite") || is("gmail_quote") || is("protonmail_quote")):
		return quoteMark
	case is("yahoo_quoted"), id == "divrplyfwdmsg", id == "appendonsend", id == "stopspelling",
		is("ms-outlook-mobile-reference-message"),
		tag == "div" && outlookRule(style):
		return restMark
	case is("gmail_signature"), is("moz-signature"), is("protonmail_signature_block"), id == "signature" && tag == "div":
		return signatureMark
	}
	return 0
}

// outlookRule recognises the line that Outlook draws above the quoted mail.
func outlookRule(style string) bool {
	style = strings.ToLower(strings.Join(strings.Fields(style), ""))
	return strings.Contains(style, "border:none") &&
		(strings.Contains(style, "border-top:solid#e1e1e11.0pt") || strings.Contains(style, "border-top:solid#b5c4df1.0pt"))
}
