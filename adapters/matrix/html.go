package matrix

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"maunium.net/go/mautrix/id"
)

// kept are the elements that messages may use
// (https://spec.matrix.org/v1.13/client-server-api/#mroommessage-msgtypes).
// The words of others are kept without their element, except for those of
// dropped.
func kept(a atom.Atom) bool {
	switch a {
	case atom.Del, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Blockquote, atom.P, atom.A, atom.Ul, atom.Ol,
		atom.Li, atom.B, atom.I, atom.U, atom.Strong, atom.Em, atom.S, atom.Code, atom.Hr, atom.Br, atom.Div, atom.Table,
		atom.Thead, atom.Tbody, atom.Tr, atom.Th, atom.Td, atom.Caption, atom.Pre:
		return true
	}
	return false
}

// dropped are elements whose content is not for reading, and the quotation
// that older clients put before a reply.
func dropped(name string) bool {
	switch name {
	case "mx-reply", "script", "style", "head", "title", "template", "noscript", "iframe", "object", "svg", "math", "textarea", "select":
		return true
	}
	return false
}

// maxTags bounds the elements of one message; what comes behind is text.
const maxTags = 5000

// tidyHTML keeps of a message's HTML what messages may hold, without
// attributes but the addresses of links. Mentions become "@name", and whom
// they mention is told.
func tidyHTML(source string) (out string, mentioned []id.UserID) {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(source))
	skip, depth := "", 0 // inside of a dropped element
	pill := false        // inside of a mention
	for tags := 0; ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return b.String(), mentioned
		}
		t := z.Token()
		if skip != "" {
			switch {
			case kind == html.StartTagToken && t.Data == skip:
				depth++
			case kind == html.EndTagToken && t.Data == skip:
				if depth--; depth == 0 {
					skip = ""
				}
			}
			continue
		}
		switch kind {
		case html.TextToken:
			if pill {
				t.Data = strings.TrimPrefix(t.Data, "@")
			}
			b.WriteString(html.EscapeString(t.Data))
		case html.StartTagToken, html.SelfClosingTagToken:
			if tags++; tags > maxTags {
				continue
			}
			if dropped(t.Data) {
				if kind == html.StartTagToken {
					skip, depth = t.Data, 1
				}
				continue
			}
			switch t.DataAtom {
			case atom.A:
				if pill { // links do not nest
					continue
				}
				target := attribute(t, "href")
				if user, ok := userOf(target); ok {
					pill = true
					b.WriteString("@")
					if !slices.Contains(mentioned, user) && len(mentioned) < 50 {
						mentioned = append(mentioned, user)
					}
					continue
				}
				if target = safeTarget(target); target == "" {
					continue
				}
				b.WriteString(`<a href="` + html.EscapeString(target) + `">`)
			case atom.Img:
				b.WriteString(html.EscapeString(attributeOr(t, "alt", "title")))
			case atom.Ol:
				b.WriteString("<ol>")
			default:
				if kept(t.DataAtom) {
					b.WriteString("<" + t.Data + ">")
				}
			}
		case html.EndTagToken:
			if t.DataAtom == atom.A && pill {
				pill = false
				continue
			}
			if kept(t.DataAtom) {
				b.WriteString("</" + t.Data + ">")
			}
		}
	}
}

func attribute(t html.Token, key string) string {
	for _, a := range t.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func attributeOr(t html.Token, keys ...string) string {
	for _, key := range keys {
		if v := strings.TrimSpace(attribute(t, key)); v != "" {
			return v
		}
	}
	return ""
}

// userOf gives the account that a permalink names.
func userOf(target string) (id.UserID, bool) {
	if !strings.HasPrefix(target, "https://matrix.to/") && !strings.HasPrefix(target, "matrix:") {
		return "", false
	}
	uri, err := id.ParseMatrixURIOrMatrixToURL(target)
	if err != nil || uri == nil {
		return "", false
	}
	user := uri.UserID()
	return user, user != ""
}

// safeTarget gives the address of a link, empty where it is none that messages
// may have.
func safeTarget(target string) string {
	u, err := url.Parse(strings.TrimSpace(target))
	if err != nil {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "https", "http", "ftp", "mailto", "magnet", "matrix":
		return u.String()
	}
	return ""
}
