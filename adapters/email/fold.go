package email

import (
	"regexp"
	"strings"
	"unicode"

	"permanence/internal/markup"
)

// foldOptions is what the header tells about a text.
type foldOptions struct {
	// reply: the mail answers another one. Only then a quote may begin where
	// no mark proves it.
	reply bool
	// forward: what looks like a quote is what the mail is about.
	forward bool
}

// fold cuts the quoted mail and the signature from what somebody wrote. It
// takes plain text and Markdown, which quote in the same way. Every line is in
// one of its results, in order; text is never empty unless all is.
//
// The rules lean to showing too much: a quote is folded only where an
// attribution line, the header of a mail or a mark of the program says that it
// is one; answers between and below quoted lines stay, with the quotes that
// they need.
func fold(all string, how foldOptions) (text, folded string) {
	lines := strings.Split(all, "\n")
	kept, cut := lines, []string(nil)
	if !how.forward {
		kept, cut = cutQuote(lines, how)
	}
	kept, signature := cutSignature(kept)
	if isEmpty(kept) {
		return unmark(lines), ""
	}
	if !isEmpty(signature) {
		cut = append(append(signature, ""), cut...)
	}
	return unmark(kept), unmark(cut)
}

// cutQuote separates the quoted mail.
func cutQuote(lines []string, how foldOptions) (kept, cut []string) {
	start, from := -1, 0
	// Nobody writes that much above a quote, and each line costs some work.
	for i := range min(len(lines), 3000) {
		kind, head := quoteHead(lines[i:], how)
		if kind == forwarded {
			return lines, nil
		}
		if kind == restIsQuoted {
			if isEmpty(withoutSignature(lines[:i])) {
				return lines, nil // nothing new above: what follows is the mail
			}
			return lines[:i], lines[i:]
		}
		if kind == quoteFollows {
			start, from = i, i+head
			break
		}
	}
	if start < 0 {
		return lines, nil
	}
	above := lines[:start]
	end := quoteEnd(lines, from)
	below := withoutSignature(lines[end:])
	switch {
	case isEmpty(lines[end:]) && isEmpty(above):
		return lines, nil // only a quote: it is shown
	case isEmpty(below):
		if isEmpty(above) {
			return lines, nil
		}
		// Answered above. A signature below the quote goes with it.
		return above, lines[start:]
	case isEmpty(withoutSignature(above)) && !hasQuote(below):
		// Answered below.
		return lines[end:], lines[:end]
	}
	// Answered in between: what is quoted is part of the answer, except what
	// is quoted after the last answer.
	last := len(lines)
	for last > end && (isQuote(lines[last-1]) || isBlankLine(lines[last-1])) {
		last--
	}
	if hasQuote(lines[last:]) {
		return lines[:last], lines[last:]
	}
	return lines, nil
}

// headKind is what a line begins.
type headKind int

const (
	noHead       headKind = iota
	quoteFollows          // quoted lines, after so many lines of attribution
	restIsQuoted          // a quoted mail without marks, to the end
	forwarded             // a forwarded mail: to be read
)

// quoteHead says what begins at the first of lines, and how many lines there
// are before the first quoted one.
func quoteHead(lines []string, how foldOptions) (kind headKind, head int) {
	line := lines[0]
	if !mayBegin(lines) {
		return noHead, 0
	}
	words := normal(line)
	switch {
	case forwardLine.MatchString(words):
		return forwarded, 0
	case strings.ContainsRune(line, restMark), originalLine.MatchString(words), strings.Contains(words, aboveThisLineFR), strings.Contains(words, aboveThisLineEN):
		if isQuote(line) {
			return quoteFollows, 0
		}
		return restIsQuoted, 0
	case strings.ContainsRune(line, quoteMark):
		if n := untilQuote(lines, 6); n >= 0 {
			return quoteFollows, n
		}
		return noHead, 0
	case isMailHeader(lines, how):
		if isQuote(line) {
			return quoteFollows, 0
		}
		return restIsQuoted, 0
	}
	return attribution(lines, how)
}

// mayBegin is a quick look that spares most lines the rules: a head has a mark
// or a rule, a colon near its start, or one at its end, at most two lines on.
func mayBegin(lines []string) bool {
	line := lines[0]
	if i := strings.IndexByte(line, ':'); i >= 0 && i < 40 {
		return true
	}
	for _, s := range []string{string(quoteMark), string(restMark), "--", "__", `\_`, "cette ligne", "this line"} {
		if strings.Contains(line, s) {
			return true
		}
	}
	for i := 0; i < 3 && i < len(lines) && !isBlankLine(lines[i]); i++ {
		if strings.HasSuffix(strings.TrimRight(lines[i], " \t*_\u00a0\u202f"), ":") {
			return true
		}
	}
	return false
}

// attribution recognises "Le … , Camille a écrit :", on up to three lines.
func attribution(lines []string, how foldOptions) (kind headKind, head int) {
	// Apple writes it inside of the quote.
	inside := isQuote(lines[0])
	joined := ""
	for n := 1; n <= 3 && n <= len(lines) && !isBlankLine(lines[n-1]) && isQuote(lines[n-1]) == inside; n++ {
		joined = strings.TrimSpace(joined + " " + strings.TrimLeft(normal(lines[n-1]), "> "))
		if len(joined) > 400 || !attributionStart.MatchString(joined) {
			return noHead, 0
		}
		if !attributionEnd.MatchString(joined) || !strings.ContainsAny(joined, "0123456789") {
			continue
		}
		if inside {
			return quoteFollows, 0
		}
		if q := untilQuote(lines[n:], 2); q >= 0 {
			return quoteFollows, n + q
		}
		if how.reply && fullAttribution.MatchString(joined) {
			return restIsQuoted, 0
		}
		return noHead, 0
	}
	return noHead, 0
}

// untilQuote counts the lines before the first quoted one, at most n; -1 where
// it is further away.
func untilQuote(lines []string, n int) int {
	for i := range lines {
		if i > n {
			break
		}
		if isQuote(lines[i]) {
			return i
		}
	}
	return -1
}

var (
	forwardLine = regexp.MustCompile(`^[>\s-]*(?:forwarded message|message transfere|message reexpedie|weitergeleitete nachricht|(?:debut du|begin) (?:message )?(?:forwarded|transfere|reexpedie)(?: message)?)[\s:-]*$`)
	// originalLine is what Outlook, Thunderbird and webmails put above the
	// mail that they quote without marks.
	originalLine     = regexp.MustCompile(`^[>\s]*(?:-{2,}|_{2,}) ?(?:(?:message|courriel|e-?mail|mail) (?:d'origine|original|initial|precedent)|original (?:message|e-?mail)|(?:original|ursprungliche)-?\s?nachricht|mensaje original|messaggio originale|original appointment) ?(?:-{2,}|_{2,})?\s*$`)
	attributionStart = regexp.MustCompile(`^(?:le|on|am|el|il|em|dne|op|den|\d|"?[\w.' -]{1,60}"? ?<?[^ ]{0,80}>? (?:a ecrit|wrote))(?:[ .\d]|$)`)
	attributionEnd   = regexp.MustCompile(`(?:a ecrit|ont ecrit|ecrivait|wrote|schrieb(?: .{1,100})?|escribio|ha scritto|escreveu|schreef(?: .{1,100})?)[^:]{0,60}: ?$`)
	// fullAttribution has a date, a comma and then a name: no sentence of
	// people looks like that.
	fullAttribution = regexp.MustCompile(`^(?:le|on|am) .{0,30}\d{1,4}.{0,60}, .{1,150}(?:a ecrit|wrote|schrieb)`)
	headerKey       = regexp.MustCompile(`^[>\s]*(de|from|von|envoye|sent|date|gesendet|a|to|an|cc|copie(?: a)?|objet|sujet|subject|betreff|repondre a|reply-to|importance|message du) ?:`)
	orangeLine      = regexp.MustCompile(`^[>\s]*message du \d{1,2}/\d{1,2}/\d{2,4}`)
)

const (
	aboveThisLineFR = "repondez au-dessus de cette ligne"
	aboveThisLineEN = "reply above this line"
)

// isMailHeader recognises the header of a quoted mail: De, Envoyé, À, Objet.
func isMailHeader(lines []string, how foldOptions) bool {
	if !how.reply && !isQuote(lines[0]) {
		return false
	}
	words := normal(lines[0])
	if orangeLine.MatchString(words) {
		return true
	}
	if strings.Trim(words, " _-") == "" && len(words) >= 8 { // a rule above it
		if len(lines) < 2 {
			return false
		}
		lines = lines[1:]
		for len(lines) > 1 && isBlankLine(lines[0]) {
			lines = lines[1:]
		}
		words = normal(lines[0])
	}
	if m := headerKey.FindStringSubmatch(words); m == nil || m[1] != "de" && m[1] != "from" && m[1] != "von" {
		return false
	}
	date, subject := false, false
	for i := 1; i < len(lines) && i < 10; i++ {
		m := headerKey.FindStringSubmatch(normal(lines[i]))
		if m == nil {
			continue // a long list of recipients goes on
		}
		switch m[1] {
		case "envoye", "sent", "date", "gesendet":
			date = true
		case "objet", "sujet", "subject", "betreff":
			subject = true
		}
	}
	return date && subject
}

// normal gives a line to compare: in lower case, without accents, emphasis,
// escapes and marks, one space between words.
func normal(line string) string {
	line = strings.Map(func(r rune) rune {
		if r == '*' || r == '\\' || r == quoteMark || r == restMark || r == signatureMark {
			return -1
		}
		return r
	}, line)
	return strings.Join(strings.Fields(markup.Fold(line)), " ")
}

// quoteEnd gives the index behind the quoted lines that begin at from, with
// the empty ones among them.
func quoteEnd(lines []string, from int) int {
	end := from
	for i := from; i < len(lines); i++ {
		switch {
		case isQuote(lines[i]):
			end = i + 1
		case !isBlankLine(lines[i]):
			return end
		}
	}
	return end
}

func hasQuote(lines []string) bool {
	for _, l := range lines {
		if isQuote(l) {
			return true
		}
	}
	return false
}

func isQuote(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(line, " "), ">")
}

func isBlankLine(line string) bool {
	if line == "" {
		return true
	}
	for _, r := range line {
		if !unicode.IsSpace(r) && r != quoteMark && r != restMark && r != signatureMark && r != '\u200b' && r != '\ufeff' {
			return false
		}
	}
	return true
}

func isEmpty(lines []string) bool {
	for _, l := range lines {
		if !isBlankLine(l) {
			return false
		}
	}
	return true
}

// maxSignature is the longest signature in lines: what is longer was meant to
// be read.
const maxSignature = 20

var mobileSignature = regexp.MustCompile(`^(?:envoye (?:de mon|de ma|depuis (?:mon|ma|l'appli|yahoo|outlook|proton|gmail|un mobile)|avec (?:proton|l'appli|la messagerie|blue ?mail|fairemail|canary|spark|aqua)|a partir d|via )|sent (?:from|with|via) (?:my|mail|outlook|proton|yahoo|gmail|blue|the|tuta|a )|get outlook for|obtenez outlook|telecharger outlook|provenance : courrier|von meinem)`)

// cutSignature separates the signature at the end: below "-- " (RFC 3676
// section 4.3) or a mark of the program, or the line of a telephone.
func cutSignature(lines []string) (kept, signature []string) {
	for i, l := range lines {
		trimmed := strings.TrimRightFunc(strings.TrimPrefix(l, `\`), unicode.IsSpace)
		if trimmed != "--" && trimmed != `-\-` && !strings.ContainsRune(l, signatureMark) {
			continue
		}
		if rest := lines[i:]; countLines(rest) <= maxSignature && !hasQuote(rest) && !isEmpty(lines[:i]) && !isEmpty(rest) {
			return lines[:i], rest
		}
	}
	last := len(lines) - 1
	for last > 0 && isBlankLine(lines[last]) {
		last--
	}
	if last > 0 && len(lines[last]) < 200 && mobileSignature.MatchString(normal(strings.TrimLeft(lines[last], "[_ "))) && !isEmpty(lines[:last]) {
		return lines[:last], lines[last:]
	}
	return lines, nil
}

// withoutSignature is for telling whether there is anything else.
func withoutSignature(lines []string) []string {
	for i, l := range lines {
		if strings.ContainsRune(l, signatureMark) && countLines(lines[i:]) <= maxSignature {
			return nil
		}
		if !isBlankLine(l) {
			if t := strings.TrimRightFunc(strings.TrimPrefix(l, `\`), unicode.IsSpace); t == "--" && countLines(lines[i:]) <= maxSignature {
				return nil
			}
			break
		}
	}
	kept, _ := cutSignature(lines)
	if n := countLines(kept); n == 1 {
		for _, l := range kept {
			if mobileSignature.MatchString(normal(l)) {
				return nil
			}
		}
	}
	return kept
}

func countLines(lines []string) (n int) {
	for _, l := range lines {
		if !isBlankLine(l) {
			n++
		}
	}
	return n
}

func unmark(lines []string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r == quoteMark || r == restMark || r == signatureMark {
			return -1
		}
		return r
	}, strings.Join(lines, "\n")), "\n")
}
