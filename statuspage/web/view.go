package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"golang.org/x/text/language"
)

// view is how one request wants to read.
type view struct {
	lang string
	// chosen: the language stands in the address, and is kept in links.
	chosen bool
	text   bool
}

// unprefixed reads "/en/history" as "/history?lang=en": exported files have no
// queries, and their addresses go on working here.
func unprefixed(r *http.Request) *http.Request {
	p := r.URL.Path
	if len(p) < 3 || p[0] != '/' || len(p) > 3 && p[3] != '/' {
		return r
	}
	lang := p[1:3]
	if lang != "fr" && lang != "en" {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = "/"+strings.TrimPrefix(p[3:], "/"), ""
	if u.Path != "/" {
		u.Path = strings.TrimSuffix(u.Path, "/")
	}
	q := u.Query()
	q.Set("lang", lang)
	u.RawQuery = q.Encode()
	within := *r
	within.URL = &u
	return &within
}

// chosenLang is the language that stands in an address, "" for none.
func chosenLang(query url.Values) string {
	if lang := query.Get("lang"); lang == "fr" || lang == "en" {
		return lang
	}
	return ""
}

// pageView is for pages, which people read: their language and form are
// negotiated.
func (s *Site) pageView(r *http.Request) view {
	v := view{lang: s.lang}
	query := url.Values(nil)
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	if lang := chosenLang(query); lang != "" {
		v.lang, v.chosen = lang, true
	} else if accept := r.Header.Get("Accept-Language"); accept != "" {
		v.lang = s.match(accept)
	}
	accept := r.Header.Get("Accept")
	switch {
	case query.Get("format") == "text":
		v.text = true
	case strings.Contains(accept, "text/html"):
	case strings.HasPrefix(accept, "text/plain"):
		v.text = true
	default:
		agent := r.UserAgent()
		v.text = hasPrefixFold(agent, "curl/") || hasPrefixFold(agent, "httpie/")
	}
	return v
}

// dataView is for what programs read: it is whose address it is.
func (s *Site) dataView(r *http.Request) view {
	if r.URL.RawQuery != "" {
		if lang := chosenLang(r.URL.Query()); lang != "" {
			return view{lang: lang, chosen: lang != s.lang}
		}
	}
	return view{lang: s.lang}
}

func (s *Site) match(accept string) string {
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return s.lang
	}
	for _, t := range tags {
		if base, _ := t.Base(); base.String() == "fr" || base.String() == "en" {
			return base.String()
		}
	}
	return s.lang
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// local is a path of the site in the view's language: with a query where the
// server reads one, as a folder of its own where files are all there is.
func (s *Site) local(v view, path string) string {
	if !s.static {
		if v.chosen {
			return path + "?lang=" + v.lang
		}
		return path
	}
	if v.lang != s.lang {
		path = "/" + v.lang + path
	}
	if !isFile(path) && !strings.HasSuffix(path, "/") {
		path += "/" // a page is exported as the index of a folder
	}
	return path
}

// isFile tells the documents of the site from its pages.
func isFile(p string) bool {
	switch path.Ext(p) {
	case ".atom", ".rss", ".json", ".ics", ".js", ".svg", ".txt":
		return true
	}
	return false
}

// address is a link within the site.
func (s *Site) address(v view, path string) string { return s.path + s.local(v, path) }

// absolute is a link from elsewhere.
func (s *Site) absolute(v view, path string) string { return s.base + s.local(v, path) }

// canonical is a page's one absolute address in a language.
func (s *Site) canonical(lang, path string) string {
	return s.absolute(view{lang: lang, chosen: lang != s.lang}, path)
}
