package markup

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"Répondre-Fermer":    "repondre-fermer",
		"OÙ\u00a0ÇA\u202f?":  "ou ca ?",
		"Œuvre, Straße, Ærø": "oeuvre, strasse, aero",
		"l’été":              "l'ete",
		"e\u0301te\u0301":    "ete",
		"✉\ufe0f a\u200bb":   "✉ ab",
		"ﬁn":                 "fin",
		"INCIDENT":           "incident",
		"\xffa":              "\ufffda",
		"Ελλάδα":             "ελλαδα",
		"rf\u2060":           "rf",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestInert(t *testing.T) {
	const j = wordJoiner
	for _, tc := range []struct{ name, in, want string }{
		{"whole room", "@channel @here @all @room @everyone", "@" + j + "channel @" + j + "here @" + j + "all @" + j + "room @" + j + "everyone"},
		{"upper case", "@ALL", "@" + j + "ALL"},
		{"in a word", "x@channel", "x@" + j + "channel"},
		{"name", "merci @camille !", "merci @" + j + "camille !"},
		{"matrix name", "@camille:example.org", "@" + j + "camille:example.org"},
		{"address stays", "écrivez à alice@example.org, ou alice@all.example", "écrivez à alice@example.org, ou alice@all.example"},
		{"path stays", "https://social.example/@alice", "https://social.example/@alice"},
		{"lone at", "a @ b @", "a @ b @"},
		{"escaped", `\@channel`, `\@` + j + "channel"},
		{"reference", "&#64;all &#x40;all &commat;all", "&" + j + "#64;all &" + j + "#x40;all &" + j + "commat;all"},
		{"command", "!r bonjour", j + "!r bonjour"},
		{"slash", "/close", j + "/close"},
		{"command below", "a\n  !ho done\n> /close\n- !x\n1. !y", "a\n  " + j + "!ho done\n> " + j + "/close\n- " + j + "!x\n1. " + j + "!y"},
		{"emphasised command", "**!r**", "**" + j + "!r**"},
		{"command behind a space nobody sees", "\u200b!r\u00a0x", "\u200b" + j + "!r\u00a0x"},
		{"inside a line", "Bonjour ! Ça / là", "Bonjour ! Ça / là"},
		{"control", "Control: close", "Control" + j + ": close"},
		{"control, French", "CONTROL\u00a0: close", "CONTROL" + j + "\u00a0: close"},
		{"controlled", "Contrôle : ok", "Contrôle : ok"},
		{"image", "a ![x](http://b/c.png)", "a [x](http://b/c.png)"},
		{"image without a name", "a ![](http://b/c.png)", "a [image](http://b/c.png)"},
		{"image by reference", "![x][y]", j + "!" + j + "[x][y]"},
		{"bidi", "a\u202efdp.exe\u2066b", "afdp.exeb"},
		{"control characters", "a\x00b\x1b[31mc\x07\td", "ab[31mc\td"},
		{"line breaks", "a\r\nb\rc\u2028/d", "a\nb\nc\n" + j + "/d"},
		{"invalid", "a\xffb", "a\ufffdb"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Inert(tc.in)
			if got != tc.want {
				t.Errorf("Inert(%q)\n got %q\nwant %q", tc.in, got, tc.want)
			}
			if again := Inert(got); again != got {
				t.Errorf("not stable: %q", again)
			}
		})
	}
}

func TestHTMLToMarkdown(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "<div><br></div>", ""},
		{"only spaces", "<p>&nbsp;</p><p>\u200c\u034f</p>", ""},
		{"paragraphs", "<p>Bonjour,</p><p>Ça <b>bloque</b>.<br>Merci</p>", "Bonjour,\n\nÇa **bloque**.\nMerci"},
		{"table", "<table><tr><th>Poste</th><th>IP</th></tr><tr><td>A12</td><td>10.0.0.1</td></tr></table>",
			"| Poste | IP |\n|---|---|\n| A12 | 10.0.0.1 |"},
		{"layout table", "<table><tr><td><p>Un</p></td><td><p>Deux</p></td></tr></table>", "Un\n\nDeux"},
		{"layout cells", "<table><tr><td>Un</td><td>Deux</td></tr></table>", "Un Deux"},
		{"scripts and styles", "<style>p{}</style><script>alert(1)</script><p onclick=x()>ok</p><svg><text>no</text></svg>", "ok"},
		{"script in a script", "<scr<script>ipt>alert(1)</scr</script>ipt>ok", "ipt>alert(1)ipt>ok"},
		{"mso", "<!--[if mso]><p>mso</p><![endif]--><p class=MsoNormal>ok<o:p></o:p></p>", "ok"},
		{"hidden", `<div style="display: none">preview</div>ok`, "ok"},
		{"pixel", `ok<img src="https://t.example/p.gif" width="1" height="1">`, "ok"},
		{"remote image", `<img src="https://t.example/p.png" alt="Plan">`, "[Plan](https://t.example/p.png)"},
		{"remote image, no alt", `<img src="http://169.254.169.254/x">`, "[image](http://169.254.169.254/x)"},
		{"image in a link", `<a href="https://a.example/"><img src="https://t.example/p.png" alt="Plan"></a>`, "[Plan](https://a.example/)"},
		{"cid", `a <img src="cid:logo.png@01D" alt=""> b`, "a [image: logo.png] b"},
		{"cid with alt", `<img src="CID:x" alt="capture_1.png">`, "[image: capture_1.png]"},
		{"data", `<img src="data:image/png;base64,AAAA" alt="">`, "[image]"},
		{"javascript", `<a href="javascript:alert(1)">clic</a>`, "clic"},
		{"link", `<a href="https://a.example/x_y">ici</a>`, "[ici](https://a.example/x_y)"},
		{"quote", "<p>a</p><blockquote>b<br>c</blockquote>", "a\n\n> b\n> c"},
		{"list", "<ul><li>a</li><li>b</li></ul>", "- a\n- b"},
		{"code", "<pre>a  b\n c</pre>", "```\na  b\n c\n```"},
		{"entities", "1 &lt; 2 &amp; 3", "1 < 2 & 3"},
		{"angles in code", "<pre>a &amp;lt; b</pre>", "```\na &lt; b\n```"},
		{"address", "Camille &lt;camille@example.com&gt;", "Camille <camille@example.com>"},
		{"no quote", "<p>&gt; a</p>", "&gt; a"},
		{"own markers", "\ue0f5x\ue0f6", "x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := HTMLToMarkdown(tc.in); got != tc.want {
				t.Errorf("HTMLToMarkdown(%q)\n got %q\nwant %q", tc.in, got, tc.want)
			}
		})
	}
}

// What is hostile must neither hang nor lose the words.
func TestHostileHTML(t *testing.T) {
	for name, in := range map[string]string{
		"deep divs":     strings.Repeat("<div>", 100_000) + "mot",
		"deep tables":   strings.Repeat("<table><tr><td>", 20_000) + "mot",
		"deep quotes":   strings.Repeat("<blockquote>", 150) + "mot",
		"deep lists":    strings.Repeat("<ul><li>", 90) + "mot",
		"misnested":     strings.Repeat("<b><p><i>", 20_000) + "mot",
		"wide":          strings.Repeat("<p>a</p>", 60_000) + "mot",
		"attributes":    "<p " + strings.Repeat("a=b ", 50_000) + ">mot",
		"long word":     strings.Repeat("a", 400_000) + " mot",
		"stars":         strings.Repeat("*_[`<", 60_000) + " mot",
		"huge":          strings.Repeat("<p>bonjour</p>", 200_000) + "mot",
		"half a tag":    "mot<img src=" + strings.Repeat("x", 1000),
		"wide table":    "<table>" + strings.Repeat("<tr>"+strings.Repeat("<td>a", 50), 400) + "<tr><td>mot</table>",
		"spans":         "<table><tr><td colspan=100000 rowspan=100000>mot<td>b<tr><td>a<td>b</table>",
		"nested tables": strings.Repeat("<table><tr><td>a<td>", 60) + "mot",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			got := HTMLToMarkdown(in)
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
			if !strings.Contains(got, "mot") {
				t.Errorf("lost the word: %.200q", got)
			}
			t.Log(time.Since(start), len(got))
		})
	}
}

func TestMarkdownToHTML(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"hard wraps", "a\nb", "<p>a<br>\nb</p>\n"},
		{"link", "[a](https://b.example/)", `<p><a href="https://b.example/" rel="nofollow noreferrer">a</a></p>` + "\n"},
		{"bare link", "https://b.example/", `<p><a href="https://b.example/" rel="nofollow noreferrer">https://b.example/</a></p>` + "\n"},
		{"javascript", "[a](javascript:alert(1))", "<p>a</p>\n"},
		{"image", "![a](https://b.example/c.png)", `<p><a href="https://b.example/c.png" rel="nofollow noreferrer">a</a></p>` + "\n"},
		{"image without a name", "![](https://b.example/c.png)", `<p><a href="https://b.example/c.png" rel="nofollow noreferrer">image</a></p>` + "\n"},
		{"data image", "![a](data:image/png;base64,AA)", "<p>a</p>\n"},
		{"inline image", "![a](cid:x@y)", `<p><img src="cid:x@y" alt="a"></p>` + "\n"},
		{"html is text", "a <b onclick=x>c</b>", "<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>\n"},
		{"html block is text", "<script>\nalert(1)\n</script>", "<p>&lt;script&gt;<br>\nalert(1)<br>\n&lt;/script&gt;</p>\n"},
		{"configuration", "<VirtualHost *:80>", "<p>&lt;VirtualHost *:80&gt;</p>\n"},
		{"table", "|a|b|\n|-|-:|\n|c|d|", "<table>\n<thead>\n<tr>\n<th>a</th>\n<th style=\"text-align: right\">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>c</td>\n<td style=\"text-align: right\">d</td>\n</tr>\n</tbody>\n</table>\n"},
		{"code", "```sh\nls <a>\n```", "<pre><code>ls &lt;a&gt;\n</code></pre>\n"},
		{"strike", "~~a~~", "<p><del>a</del></p>\n"},
		{"quote", "> a", "<blockquote>\n<p>a</p>\n</blockquote>\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := MarkdownToHTML(tc.in); got != tc.want {
				t.Errorf("MarkdownToHTML(%q)\n got %q\nwant %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestMarkdownToPlain(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "Bonjour,\n\nça marche.\nMerci", "Bonjour,\n\nça marche.\nMerci"},
		{"emphasis", "**a** _b_ ~~c~~", "a b c"},
		{"link", "voir [le wiki](https://b.example/x)", "voir le wiki (https://b.example/x)"},
		{"bare link", "https://b.example/x <https://c.example/> alice@example.org", "https://b.example/x https://c.example/ alice@example.org"},
		{"link named as itself", "[https://b.example/](https://b.example/) [a@b.fr](mailto:a@b.fr)", "https://b.example/ a@b.fr"},
		{"image", "![plan](https://b.example/p.png)", "plan (https://b.example/p.png)"},
		{"inline image", "![plan](cid:x)", "plan"},
		{"list", "- a\n- b\n  - c\n\n1. d\n2. e", "- a\n- b\n  - c\n\n1. d\n2. e"},
		{"loose list", "- a\n\n- b", "- a\n\n- b"},
		{"quote", "> a\n> b\n>\n> > c\n\nd", "> a\n> b\n>\n> > c\n\nd"},
		{"code", "`a*b` :\n\n```\nls -l\n  x\n```\n\nfin", "`a*b` :\n\n    ls -l\n      x\n\nfin"},
		{"heading", "# Titre\ntexte", "Titre\n\ntexte"},
		{"escapes", `\# a \*b\* &lt; \&lt;`, "# a *b* < &lt;"},
		{"html", "<VirtualHost *:80>\n\na <b>c</b>", "<VirtualHost *:80>\n\na <b>c</b>"},
		{"html block with its end", "<!-- a\nb -->\nc", "<!-- a\nb -->\n\nc"},
		{"table", "|a|b|\n|-|-|\n|c|d|", "a | b\nc | d"},
		{"rule", "a\n\n---\n\nb", "a\n\n---\n\nb"},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := MarkdownToPlain(tc.in); got != tc.want {
				t.Errorf("MarkdownToPlain(%q)\n got %q\nwant %q", tc.in, got, tc.want)
			}
		})
	}
}

// A plain text read as Markdown and shown as plain text is the same text.
func TestPlainToMarkdown(t *testing.T) {
	for _, in := range []string{
		"Bonjour,\nmon site est en panne.",
		`C:\*.exe et \\serveur\partage`,
		"# un commentaire\n#sans espace",
		"Titre\n=====\nAutre\n---\n",
		"2*3*4 = 24, a*b",
		"__init__.py et _a_b",
		"&lt; reste &amp; aussi &#64;",
		"<VirtualHost *:80>\nServerName a.example\n</VirtualHost>",
		"> cité\n> aussi\n\nréponse",
		"- un\n- deux",
		"1) un\n2) deux",
		"*.example.org et ~/www",
		"[x] fait, tableau[0][1]",
	} {
		md := PlainToMarkdown(in)
		if got := MarkdownToPlain(md); got != strings.Trim(in, "\n") {
			t.Errorf("%q\n as Markdown %q\n shown as %q", in, md, got)
		}
	}
}

func TestHostileMarkdown(t *testing.T) {
	for name, in := range map[string]string{
		"quotes":     strings.Repeat("> ", 50_000) + "a",
		"quotes2":    strings.Repeat(">", 50_000) + "a",
		"lists":      strings.Repeat("- ", 50_000) + "a",
		"brackets":   strings.Repeat("[", 50_000),
		"links":      strings.Repeat("[a](", 50_000),
		"stars":      strings.Repeat("*a ", 50_000),
		"stars2":     strings.Repeat("**a *b ", 20_000),
		"ticks":      strings.Repeat("`a``", 20_000),
		"table":      strings.Repeat("|a", 20_000) + "\n" + strings.Repeat("|-", 20_000) + "\n" + strings.Repeat("|\n", 20_000),
		"references": strings.Repeat("[a]: b\n", 20_000) + strings.Repeat("[a] ", 1000),
		"lines":      strings.Repeat("a\n", 100_000),
		"dashes":     strings.Repeat("- a\n", 50_000),
		"indent":     indented(400),
		"html":       strings.Repeat("<a ", 50_000),
		"entities":   strings.Repeat("&amp;", 50_000),
		"mails":      strings.Repeat("a@b.", 50_000),
		"urls":       strings.Repeat("http://a ", 20_000),
		"huge":       strings.Repeat("bonjour *toi*\n\n", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			for fname, f := range map[string]func(string) string{"html": MarkdownToHTML, "plain": MarkdownToPlain, "inert": Inert, "fromPlain": PlainToMarkdown} {
				start := time.Now()
				f(in)
				if d := time.Since(start); d > 30*time.Second {
					t.Errorf("%s took %v", fname, d)
				} else if d > 300*time.Millisecond {
					t.Logf("%s took %v", fname, d)
				}
			}
		})
	}
}

func indented(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("  ", i) + "- a\n")
	}
	return b.String()
}

func TestSplitRunes(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		max  int
		want []string
	}{
		{"short", "abc", 10, []string{"abc"}},
		{"empty", "", 10, nil},
		{"words", "un deux trois", 9, []string{"un deux", "trois"}},
		{"lines", "un deux\ntrois quatre", 12, []string{"un deux", "trois quatre"}},
		{"paragraphs", "un\n\ndeux trois\n\nquatre", 18, []string{"un\n\ndeux trois", "quatre"}},
		{"accents count once", "ééééé ééééé", 5, []string{"ééééé", "ééééé"}},
		{"long word", "abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"indentation kept", "aaaa\n  bbbb", 6, []string{"aaaa", "  bbbb"}},
		{"no break before a colon", "voici\u00a0: a", 8, []string{"voici\u00a0:", "a"}},
		{"fence", "a\n```sh\nline one\nline two\nline three\n```\nend", 30,
			[]string{"a\n```sh\nline one\nline two\n```", "```sh\nline three\n```\nend"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := SplitRunes(tc.in, tc.max)
			if strings.Join(got, "|") != strings.Join(tc.want, "|") {
				t.Errorf("got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestExcerpt(t *testing.T) {
	for _, tc := range []struct {
		in   string
		n    int
		want string
		cut  bool
	}{
		{" court ", 10, "court", false},
		{"un deux trois quatre", 12, "un deux …", true},
		{"```\nabc\ndef\nghi\n```", 15, "```\nabc\n```\n…", true},
		{"abc", 2, "…", true},
		{"abc", 0, "", true},
	} {
		got, cut := Excerpt(tc.in, tc.n)
		if got != tc.want || cut != tc.cut {
			t.Errorf("Excerpt(%q, %d) = %q, %v, want %q, %v", tc.in, tc.n, got, cut, tc.want, tc.cut)
		}
		if utf8.RuneCountInString(got) > tc.n {
			t.Errorf("Excerpt(%q, %d) is longer: %q", tc.in, tc.n, got)
		}
	}
}
