package markup

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzHTMLToMarkdown(f *testing.F) {
	for _, s := range []string{
		"<p>a<b>c", "<table><tr><td>a<td>b<tr><td colspan=3>c</table>", "<!--[if mso]>x<![endif]-->",
		"<img src=cid:a><img src=x:y width=1>", "<ul><li><ol><li>a", "<a href='javascript:x'>y<a href=z>", "<pre>`a`</pre>\xff\x00",
		"<blockquote type=cite><div class=gmail_quote>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := HTMLToMarkdown(s)
		if !utf8.ValidString(got) {
			t.Errorf("invalid UTF-8: %q", got)
		}
		if strings.ContainsFunc(got, isMarker) {
			t.Errorf("marker left: %q", got)
		}
		MarkdownToPlain(got)
		if out := MarkdownToHTML(got); strings.Contains(out, "<script") {
			t.Errorf("script: %q", out)
		}
	})
}

func FuzzInert(f *testing.F) {
	f.Add("@all !r ![a](b) &#64;here")
	f.Add("> - 1. /x\n@x@room")
	f.Fuzz(func(t *testing.T, s string) {
		got := Inert(s)
		for _, word := range wholeRoom {
			if i := strings.Index(got+" ", "@"+word+" "); i >= 0 {
				t.Errorf("%q pings in %q", word, got)
			}
		}
		if strings.Contains(got, "![") {
			t.Errorf("image in %q", got)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "!") || strings.HasPrefix(line, "/") {
				t.Errorf("command in %q", got)
			}
		}
		if again := Inert(got); again != got {
			t.Errorf("not stable: %q, then %q", got, again)
		}
	})
}

func FuzzSplitBytes(f *testing.F) {
	f.Add("un deux\n\ntrois é\u00a0: ```\na\n```", 5)
	f.Add("日本語", 2)
	f.Fuzz(func(t *testing.T, s string, max int) {
		if max < 1 || max > 1000 || len(s) > 10_000 {
			return
		}
		s = strings.ToValidUTF8(s, "\uFFFD")
		var all strings.Builder
		for _, part := range SplitBytes(s, max) {
			if len(part) > max && utf8.RuneCountInString(part) > 1 {
				t.Errorf("%d bytes: %q", len(part), part)
			}
			if !utf8.ValidString(part) {
				t.Errorf("cut inside a rune: %q", part)
			}
			all.WriteString(part)
		}
		if squeeze(all.String()) != squeeze(s) {
			t.Errorf("lost something of %q: %q", s, all.String())
		}
		for _, part := range SplitRunes(s, max) {
			if utf8.RuneCountInString(part) > max {
				t.Errorf("%d runes of %d: %q", utf8.RuneCountInString(part), max, part)
			}
		}
		if !strings.ContainsAny(s, "`~") {
			if got := strings.Join(SplitRunes(s, max), ""); squeeze(got) != squeeze(s) {
				t.Errorf("lost something of %q: %q", s, got)
			}
		}
		if got, _ := Excerpt(s, max); utf8.RuneCountInString(got) > max {
			t.Errorf("Excerpt of %d runes: %q", max, got)
		}
	})
}

func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}
