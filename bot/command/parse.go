package command

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parsed is a command as it was understood.
type Parsed[C any] struct {
	// Spec is the verb; where Err is set it is nil, or the group whose next
	// word is wrong.
	Spec *Spec[C]
	Args Args
	// Err is a *UserError where the words cannot be run.
	Err error
}

// Guarded reports whether a text begins with "!" or "/", whatever invisible
// characters, space, emphasis or backslash stand before. Such a text is never
// sent to an asker, whether it is a command or not: a mistyped command must
// not leave.
func Guarded(text string) bool {
	text = strings.TrimLeftFunc(text, func(r rune) bool {
		return isInvisible(r) || r == '\\' || r == '*' || r == '_' || r == '~'
	})
	r, _ := utf8.DecodeRuneInString(text)
	return isSign(r)
}

func isSign(r rune) bool { return r == '!' || r == '/' || r == '！' || r == '／' }

// IsCommand reports whether a message is written as a command:
//
//   - "!" and a letter or a ticket's number, possibly with space between, on
//     the same line: "!fermer", "! fermer", "!#42 fermer";
//   - "/" and a word of letters, digits and hyphens: "/fermer", but neither
//     "/ fermer" nor "/etc/hosts".
//
// Space and invisible characters before do not count, except the word joiner,
// by which markup takes the meaning of a "!" that strangers wrote. "!", "!!",
// "!?" and "!1" are talk. So is "! Bonne nouvelle", which only Table.ParseMessage can tell,
// by knowing the words.
func IsCommand(text string) bool {
	_, ok := cutSign(text)
	return ok
}

const wordJoiner = '\u2060'

// signed is a message behind its "!" or "/".
type signed struct {
	text   string
	slash  bool
	spaced bool // "! text"
}

func cutSign(text string) (signed, bool) {
	text = strings.TrimLeftFunc(text, func(r rune) bool { return r != wordJoiner && isInvisible(r) })
	text = strings.TrimPrefix(text, `\`) // Markdown made from HTML may escape it
	sign, size := utf8.DecodeRuneInString(text)
	if !isSign(sign) {
		return signed{}, false
	}
	text = text[size:]
	if sign == '/' || sign == '／' {
		word, _ := cutVerb(text)
		first, _ := utf8.DecodeRuneInString(text)
		odd := strings.ContainsFunc(strings.TrimRight(word, punctuation), func(r rune) bool {
			return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Pd, unicode.Cf) && r != '_'
		})
		return signed{text: text, slash: true}, unicode.IsLetter(first) && !odd
	}
	after := strings.TrimLeftFunc(text, func(r rune) bool { return r != '\n' && r != '\r' && isInvisible(r) })
	first, _ := utf8.DecodeRuneInString(after)
	_, _, numbered := CutTicket(after)
	return signed{text: after, spaced: strings.ContainsFunc(text[:len(text)-len(after)], isBlank)},
		unicode.IsLetter(first) || numbered && first == '#'
}

// ParseMessage reads a whole message; false says that it is talk. A slash
// command that the network did not take, as on IRC, is understood as
// ParseSlash does. With space after the "!" an unknown word that resembles no
// verb makes it talk: "! Bonne nouvelle".
func (t *Table[C]) ParseMessage(text string, may func(*Spec[C]) bool) (Parsed[C], bool) {
	s, ok := cutSign(text)
	if !ok {
		return Parsed[C]{}, false
	}
	if s.slash {
		word, after := cutVerb(s.text)
		if t.top.find(word) == nil {
			return Parsed[C]{Err: t.unknown(nil, word)}, true
		}
		return t.ParseSlash(word, after, may)
	}
	p, ok := t.Parse(s.text)
	if e, is := p.Err.(*UserError); is && e.Unknown && s.spaced && e.Suggestion == "" {
		return Parsed[C]{}, false
	}
	return p, ok
}

// ParseSlash reads a slash command: "/fermer #42" is command "fermer" and text
// "#42". A command that is no verb (the program's own name) carries one in its
// text, and so does an Umbrella verb where the text begins with a verb that
// the caller may call: the customer's "/ticket service en panne" is a request,
// the agent's "/ticket fermer #42" is not. A nil may allows everything.
func (t *Table[C]) ParseSlash(command, text string, may func(*Spec[C]) bool) (Parsed[C], bool) {
	spec := t.top.find(strings.TrimPrefix(command, "/"))
	if spec != nil && !spec.Umbrella {
		return t.descend(spec, Args{}, text), true
	}
	p, ok := t.Parse(text)
	if spec == nil {
		return p, ok
	}
	if ok && p.Spec != nil && (may == nil || may(p.Spec)) {
		return p, true
	}
	// "/ticket fremer #42" is a slip, not a request called "fremer".
	if ok && p.Spec == nil {
		_, after := cutVerb(text)
		if _, _, numbered := CutTicket(after); numbered || p.Args.Ticket != 0 {
			return p, true
		}
	}
	return t.descend(spec, Args{}, text), true
}

// Parse reads the text after the "!": a verb and its arguments, with the
// ticket's number before or after the verb. It is false for an empty text.
func (t *Table[C]) Parse(text string) (Parsed[C], bool) {
	var args Args
	text = args.takeTicket(text)
	word, after := cutVerb(text)
	if word == "" {
		if args.Ticket == 0 {
			return Parsed[C]{}, false
		}
		return Parsed[C]{Args: args, Err: t.noVerb(args.Ticket)}, true
	}
	spec := t.top.find(word)
	if spec == nil {
		return Parsed[C]{Args: args, Err: t.unknown(nil, word)}, true
	}
	return t.descend(spec, args, after), true
}

// Bind reads the arguments of a verb known by its ID, as a button or a
// reaction calls it: "#42". It is false for an ID that is not in the table.
func (t *Table[C]) Bind(id, text string) (Parsed[C], bool) {
	spec, ok := t.byID[id]
	if !ok {
		return Parsed[C]{}, false
	}
	return t.descend(spec, Args{}, text), true
}

// descend goes from a group to its verb and reads the arguments.
func (t *Table[C]) descend(spec *Spec[C], args Args, text string) Parsed[C] {
	for t.groups[spec] != nil {
		group := args
		word, after := cutVerb(group.take(text, true))
		sub := t.groups[spec].find(word)
		if sub == nil && spec.Run != nil {
			break
		}
		if sub == nil {
			return Parsed[C]{Spec: spec, Args: group, Err: t.unknown(spec, word)}
		}
		spec, args, text = sub, group, after
	}
	args.read(text, spec.Text, spec.Number)
	return Parsed[C]{Spec: spec, Args: args}
}

// read fills args from the text after the verb.
func (a *Args) read(text string, free, number bool) {
	a.Raw = trim(text)
	a.Rest = a.take(text, number)
	list := tokens(a.Rest)
	if !free && a.Ticket == 0 {
		// "confier @alice #42": outside of a text the number may stand anywhere.
		for i, word := range list {
			n, rest, ok := CutTicket(word.text)
			if !ok || rest != "" || word.quoted {
				continue
			}
			a.Ticket = n
			a.Rest = trim(strings.TrimRightFunc(a.Rest[:word.start], isBlank) + a.Rest[word.end:])
			list = slices.Delete(list, i, i+1)
			break
		}
	}
	for _, word := range list {
		a.Words = append(a.Words, word.text)
	}
}

// take takes a ticket's number and, where the verb has one, a bare number from
// the beginning, in either order, and gives what follows.
func (a *Args) take(text string, number bool) (rest string) {
	text = a.takeTicket(text)
	if number && a.Number == 0 {
		n, rest, ok := cutNumber(strings.TrimLeftFunc(text, isBlank))
		if ok {
			a.Number = n
			text = a.takeTicket(rest)
		}
	}
	return text
}

// takeTicket takes a ticket's number from the beginning; a second one is taken
// only where it says the same.
func (a *Args) takeTicket(text string) (rest string) {
	n, rest, ok := CutTicket(text)
	if !ok || a.Ticket != 0 && a.Ticket != n {
		return trim(text)
	}
	a.Ticket = n
	return rest
}
