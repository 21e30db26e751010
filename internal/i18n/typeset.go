package i18n

import (
	"strings"
	"unicode/utf8"
)

// nbsp is the no-break space. French would have the narrow one before some
// signs; many terminals show a box for it.
const nbsp = "\u00a0"

// Typeset puts no-break spaces where French wants them: before : ; ! ? and »
// and after «. Only spaces that are there are changed, and only before a sign
// that ends a word, so that "!fermer", ":name:" and addresses stay whole.
// Other languages are left as they are.
func Typeset(lang, text string) string {
	if Lang(lang) != "fr" || !strings.Contains(text, " ") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 8)
	for i, r := range text {
		if r != ' ' {
			b.WriteRune(r)
			continue
		}
		sign, size := utf8.DecodeRuneInString(text[i+1:])
		switch {
		case strings.HasSuffix(text[:i], "«"),
			sign == '»',
			strings.ContainsRune(":;!?", sign) && ends(text[i+1+size:]):
			b.WriteString(nbsp)
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// ends reports whether nothing of a word follows a sign: the end, a space, or
// more signs.
func ends(after string) bool {
	return after == "" || strings.ContainsAny(after[:1], " \n\t!?).,*_|\"") || strings.HasPrefix(after, nbsp) ||
		strings.HasPrefix(after, "»") || strings.HasPrefix(after, "…")
}
