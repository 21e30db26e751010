package statuspage

import (
	"errors"
	"fmt"
	"strings"

	"permanence/bot/chat"
)

// Spoken is what was understood of the times that somebody typed.
type Spoken struct {
	From  Time   // 0 where only an end was said
	Until Time   // 0 where no end was said
	Rest  string // the text without the words that say the times
	Said  string // those words
}

// Plan reads the times of something to come: "demain 22h pendant 2h", "mardi
// prochain de 22h à minuit", "2026-12-01 22:00 for 90 min", "dans 30 min",
// "jusqu'à 6h". They stand at the front of the text; where they do not, they
// may stand anywhere in it, once. A clock without a day is the next one.
//
// The error is a *Refusal that says what was understood and what to write:
// where there are no times, where they are past, where an hour does not exist
// or comes twice because the clocks change, and where the words have two
// meanings.
func (w When) Plan(text string, now Time) (Spoken, error) {
	text = clean(text)
	f := foldFront(text)
	r := reader{f: f, w: w, now: now.In(w.loc())}
	if e, ok := r.expression(f.skip(0, " ")); ok {
		return r.spoken(text, e, ahead)
	}
	var found []expression
	for pos := 0; pos < len(f.runes); pos++ {
		if pos > 0 && wordRune(f.runes[pos-1]) || !wordRune(f.runes[pos]) {
			continue
		}
		if e, ok := r.expression(pos); ok && e.exact() {
			found = append(found, e)
			pos = e.end - 1
		}
	}
	switch len(found) {
	case 0:
		return Spoken{Rest: text}, refuse(
			"Aucune heure n’est comprise. Écrivez par exemple : "+examples("fr"),
			"No time is understood. Write for example: "+examples("en"))
	case 1:
		return r.spoken(text, found[0], ahead)
	}
	said := make([]string, len(found))
	for i, e := range found {
		said[i] = r.words(text, e)
	}
	return Spoken{Rest: text}, refuse(
		"Plusieurs moments sont compris : « "+strings.Join(said, " », « ")+" ». Mettez le bon au début du texte.",
		"Several times are understood: “"+strings.Join(said, "”, “")+"”. Put the right one at the beginning of the text.")
}

// maxScan is how many runes of a text are looked through for times: who
// pastes a log says when in the first lines.
const maxScan = 1000

func foldFront(text string) folded {
	end := len(text)
	n := 0
	for i := range text {
		if n == maxScan {
			end = i
			break
		}
		n++
	}
	return fold(text[:end])
}

func examples(lang string) string {
	if lang == "en" {
		return "`tomorrow 10pm for 2h`, `Tuesday from 22:00 to midnight`, `2026-12-01 22:00 until 23:30`, `in 30 min for 1h`."
	}
	return "`demain 22h pendant 2h`, `mardi de 22h à minuit`, `2026-12-01 22:00 jusqu’à 23h30`, `dans 30 min pendant 1h`."
}

// Since finds in a text since when something is the case: "depuis 21h40",
// "since yesterday 10pm", "il y a 20 min". A clock without a day is the last
// one. It never fails: what cannot be understood is a part of the text and
// nothing more.
func (w When) Since(text string, now Time) (Time, bool) {
	f := foldFront(text)
	r := reader{f: f, w: w, now: now.In(w.loc())}
	for pos := range f.runes {
		if pos > 0 && wordRune(f.runes[pos-1]) || !wordRune(f.runes[pos]) {
			continue
		}
		e, ok := r.since(pos)
		if !ok {
			continue
		}
		if s, err := r.spoken(text, e, behind); err == nil && s.From != 0 && s.From <= now {
			return s.From, true
		}
	}
	return 0, false
}

// NextWord finds in a text when the next word is promised: "prochaine info
// 22h30", "next update in 30 min". A promise that is a sentence of its own is
// taken out of the text, as it is told in full beside it. at is 0 where there
// is none; the error, a *Refusal, is about a promise that cannot be understood
// or is past, and rest is the whole text then.
func (w When) NextWord(text string, now Time) (at Time, rest string, err error) {
	f := foldFront(text)
	r := reader{f: f, w: w, now: now.In(w.loc())}
	for pos := range f.runes {
		if pos > 0 && wordRune(f.runes[pos-1]) || !wordRune(f.runes[pos]) {
			continue
		}
		p, ok := f.anyAt(pos, promiseWords())
		if !ok {
			continue
		}
		p = f.skip(p, " :")
		if q, ok := f.anyAt(p, []string{"vers", "avant", "around", "by", "before"}); ok {
			p = f.skip(q, " ")
		}
		e, ok := r.expression(p)
		if !ok {
			continue // "next update will follow": a promise without a time
		}
		s, err := r.spoken(text, e, ahead)
		if err != nil {
			return 0, text, err
		}
		if s.From == 0 {
			continue
		}
		return s.From, cutSentence(text, f.from[pos], f.from[e.end]), nil
	}
	return 0, text, nil
}

// cutSentence takes text[start:end] out where it stands between the ends of
// sentences.
func cutSentence(text string, start, end int) string {
	before := strings.TrimRight(text[:start], " \t\u00A0\u202F")
	after := strings.TrimLeft(text[end:], " \t\u00A0\u202F")
	if before != "" && !strings.ContainsAny(before[len(before)-1:], ".,;:!?(\n-") && !strings.HasSuffix(before, "—") && !strings.HasSuffix(before, "–") {
		return text
	}
	if after != "" && !strings.ContainsAny(after[:1], ".,;!)\n") {
		return text
	}
	if strings.HasSuffix(before, "(") {
		before, after = strings.TrimSuffix(before, "("), strings.TrimPrefix(after, ")")
	}
	before = strings.TrimRight(before, " ,;:-–—\n\t")
	after = strings.TrimLeft(after, " ,;.!")
	switch {
	case before == "":
		return after
	case after == "":
		return before
	}
	return before + " " + after
}

// Echo writes times in full, so that whoever typed them sees what was
// understood: "mardi 24 novembre 2026, de 22h00 à 23h30 CET (Europe/Paris)". A
// zero until leaves the end out.
func (w When) Echo(from, until Time) string {
	pick := words{w.Lang}.pick
	var s string
	switch {
	case until == 0:
		s = w.Day(from) + ", " + w.Clock(from)
	case w.sameDay(from, until) && w.Zone(from) == w.Zone(until):
		s = fmt.Sprintf(pick("%s, de %s à %s", "%s, %s to %s"), w.Day(from), w.Hour(from), w.Clock(until))
	case w.sameDay(from, until):
		s = fmt.Sprintf(pick("%s, de %s à %s", "%s, %s to %s"), w.Day(from), w.Clock(from), w.Clock(until))
	default:
		s = fmt.Sprintf(pick("du %s, %s, au %s, %s", "%s, %s to %s, %s"), w.Day(from), w.Clock(from), w.Day(until), w.Clock(until))
	}
	if name := w.loc().String(); name != "Local" && name != w.Zone(from) {
		s += " (" + name + ")"
	}
	return s
}

// echoes is Echo in both languages.
func (w When) echoes(from, until Time) chat.Text {
	return chat.Text{FR: When{Lang: "fr", Loc: w.Loc}.Echo(from, until), EN: When{Lang: "en", Loc: w.Loc}.Echo(from, until)}
}

// words are what an expression was read from.
func (r reader) words(text string, e expression) string {
	return strings.TrimSpace(text[r.f.from[e.start]:r.f.from[e.end]])
}

// spoken resolves an expression and cuts it out of its text.
func (r reader) spoken(text string, e expression, d direction) (Spoken, error) {
	s := Spoken{Said: r.words(text, e)}
	var err error
	if s.From, s.Until, err = r.resolve(e, d); err != nil {
		var refusal *Refusal
		if errors.As(err, &refusal) {
			err = refusal
		}
		return Spoken{Rest: text, Said: s.Said}, err
	}
	const around = " \t\n,\u00A0\u202F"
	before := strings.TrimRight(text[:r.f.from[e.start]], around)
	typed := text[r.f.from[e.end]:]
	after := strings.TrimLeft(typed, around)
	switch {
	case before == "":
		s.Rest = strings.TrimLeft(after, around+";:.–—-")
	case after == "":
		s.Rest = strings.TrimRight(before, around+":–—-")
	case strings.ContainsAny(after[:1], ":;.!?)"):
		s.Rest = before + typed
	default:
		s.Rest = before + " " + after
	}
	return s, nil
}
