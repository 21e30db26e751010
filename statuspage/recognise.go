package statuspage

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Find gives the component with that ID.
func (c Components) Find(id string) (Component, bool) {
	for _, one := range c {
		if one.ID == id {
			return one, true
		}
	}
	return Component{}, false
}

// announcement is what was understood of the line that starts an incident.
type announcement struct {
	components []Component
	impact     Impact
	title      string
	body       string
}

// read understands "[article] component[, component …] [impact] [:] text". It
// never loses a word that it did not recognise, and what it recognises wrongly
// is put right by a correction: in the middle of the night a public line with
// a clumsy title is worth more than a question.
func (c Components) read(text, lang string) announcement {
	return c.readAs(Unplanned, text, lang)
}

// readAs is read for either kind of announcement.
func (c Components) readAs(kind Kind, text, lang string) announcement {
	text = clean(text)
	f := fold(text)
	components, pos := c.list(f)
	a := announcement{components: components, impact: Minor, body: text}
	if rest, impact, ok := readImpact(f, pos); ok {
		a.impact, pos = impact, rest
	}
	pos = f.skip(pos, " ")
	if len(components) > 0 || pos > 0 {
		pos = f.skip(pos, ":;,-–—> ")
	}
	rest := text[f.from[min(pos, len(f.from)-1)]:]
	switch {
	case rest == "" && len(components) > 0:
		rest = words{lang}.pick("perturbations", "disruption")
		if kind == Maintenance {
			rest = words{lang}.pick("travaux", "maintenance")
		}
		a.body = names(components) + colon(lang) + rest
	case rest == "":
		rest = text // an impact alone is all there is to publish
	default:
		a.body = rest
	}
	line := oneLine(rest)
	switch {
	case len(components) == 0:
		a.title = upperFirst(line)
	case startsWithPreposition(rest):
		// "messagerie de l'atelier bloquée" names something within the
		// component: cutting the sentence would falsify it.
		a.title, a.body = upperFirst(oneLine(text)), text
	default:
		a.title = names(components) + colon(lang) + line
	}
	a.title = shorten(plainTitle(a.title), maxTitle)
	if short, ok := strings.CutSuffix(a.title, "."); ok && !strings.HasSuffix(short, ".") && short != "" {
		a.title = short
	}
	return a
}

// maxTitle is in runes: with its link it fits an IRC line and a toot.
const maxTitle = 100

// list reads the components at the front: "mail", "la messagerie", "mail,
// web", "mail et web". end is behind the last one.
func (c Components) list(f folded) (found []Component, end int) {
	articles := []string{"le", "la", "les", "l'", "the", "notre", "nos", "our"}
	joints := []string{"et", "and", "+", "&", ",", "/"}
	pos := f.skip(0, " ")
	for {
		start := pos
		if e, ok := f.anyAt(pos, articles); ok {
			start = f.skip(e, " ")
		}
		one, e, ok := c.one(f, start)
		if !ok {
			return found, end
		}
		if !contains(found, one) {
			found = append(found, one)
		}
		end = e
		pos = f.skip(e, " ")
		joint, ok := f.anyAt(pos, joints)
		if !ok {
			return found, end
		}
		pos = f.skip(joint, " ")
	}
}

// one reads the component whose name or ID stands at pos, the longest if
// several do.
func (c Components) one(f folded, pos int) (best Component, end int, ok bool) {
	for _, one := range c {
		if e, found := f.anyAt(pos, []string{foldString(one.Name), foldString(one.ID)}); found && e > end {
			best, end, ok = one, e, true
		}
	}
	return best, end, ok
}

func contains(list []Component, one Component) bool {
	for _, c := range list {
		if c.ID == one.ID {
			return true
		}
	}
	return false
}

// readImpact reads an impact at pos. Written as a label ("majeur :") it is
// taken out of the text; else it is understood and stays ("major delays").
func readImpact(f folded, pos int) (rest int, impact Impact, ok bool) {
	start := f.skip(pos, " :-–—([")
	impact, end, ok := readLabel(f, start, impactLabels())
	if !ok {
		return pos, "", false
	}
	after := f.skip(end, " )]")
	if after < len(f.runes) && strings.ContainsRune(":–—", f.runes[after]) {
		return after, impact, true
	}
	return pos, impact, true
}

func startsWithPreposition(s string) bool {
	f := fold(s)
	_, ok := f.anyAt(0, []string{"de", "du", "des", "d'", "of"})
	return ok
}

func names(list []Component) string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.Name
	}
	return strings.Join(out, ", ")
}

func colon(lang string) string {
	if lang == "en" {
		return ": "
	}
	return " : "
}

// plainTitle takes the emphasis of Markdown out of a line: titles are plain
// text.
func plainTitle(s string) string {
	for _, mark := range []string{"#", "> ", "* ", "- "} {
		s = strings.TrimLeft(strings.TrimPrefix(s, mark), "# ")
	}
	return strings.TrimSpace(strings.NewReplacer("**", "", "__", "", "~~", "", "`", "").Replace(s))
}

// upperFirst begins a title with a capital, unless its first word has capitals
// of its own ("iOS").
func upperFirst(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if word != strings.ToLower(word) {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
