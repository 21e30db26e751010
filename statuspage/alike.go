package statuspage

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Request is what somebody asked of a desk, as far as it tells which trouble
// it is about.
type Request struct {
	// Service is the ticket's, as a component's ID or name; empty where nobody
	// said.
	Service string
	// Text is the subject and the first words.
	Text string
}

// Surge is how many similar requests of different people, within which time,
// make the program propose to declare an incident.
type Surge struct {
	Count  int  // 0 proposes nothing
	Within Time // milliseconds
	Again  Time // milliseconds until it may propose once more
}

// DefaultSurge is three within ten minutes, proposed once an hour at most.
func DefaultSurge() Surge { return Surge{Count: 3, Within: 10 * 60e3, Again: 60 * 60e3} }

// Concerns reports whether a request looks like being about an incident: its
// service is one of those affected, or it has two of the words by which the
// incident is known, those of its title and of the components affected. One
// word is too little: "mail" stands in every other request.
func (i Incident) Concerns(r Request) bool {
	known := keywords(i.Title)
	for _, a := range i.Affected {
		if s := foldString(r.Service); s != "" && (s == foldString(a.Component) || s == foldString(a.Name)) {
			return true
		}
		addNames(known, a.Component, a.Name)
	}
	return common(known, allWords(r.Text)) >= 2
}

// Alike reports whether two requests look like being about the same trouble:
// they have the same service, name the same component, or have two words in
// common that do not stand in every letter.
func (c Components) Alike(a, b Request) bool {
	if s := foldString(a.Service); s != "" && s == foldString(b.Service) {
		return true
	}
	for _, one := range c.Named(a) {
		if contains(c.Named(b), one) {
			return true
		}
	}
	return common(keywords(a.Text), keywords(b.Text)) >= 2
}

// Named are the components that a request names: by its service, or by all the
// words of their name, or their ID, in the text.
func (c Components) Named(r Request) (list []Component) {
	service, text := foldString(r.Service), allWords(r.Text)
	for _, one := range c {
		name, id := foldString(one.Name), foldString(one.ID)
		if service != "" && (service == name || service == id) || stands(name, text) || stands(id, text) {
			list = append(list, one)
		}
	}
	return list
}

// stands reports whether every word of a name is among words.
func stands(name string, words map[string]bool) bool {
	of := map[string]bool{}
	addNames(of, name)
	return len(of) > 0 && common(of, words) == len(of)
}

// addNames adds the words of names, short ones too ("web", "dns"): somebody
// chose them to tell services apart.
func addNames(to map[string]bool, names ...string) {
	for _, name := range names {
		for _, word := range strings.FieldsFunc(foldString(name), notWordRune) {
			if utf8.RuneCountInString(word) > 1 && !emptyWord(word) {
				to[singular(word)] = true
			}
		}
	}
}

// keywords are the words of a text that may tell what it is about.
func keywords(text string) map[string]bool {
	words := map[string]bool{}
	for _, word := range strings.FieldsFunc(foldString(text), notWordRune) {
		if utf8.RuneCountInString(word) >= 4 && !emptyWord(word) {
			words[singular(word)] = true
		}
	}
	return words
}

func allWords(text string) map[string]bool {
	words := map[string]bool{}
	for _, word := range strings.FieldsFunc(foldString(text), notWordRune) {
		words[singular(word)] = true
	}
	return words
}

func notWordRune(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func common(a, b map[string]bool) (n int) {
	for word := range a {
		if b[word] {
			n++
		}
	}
	return n
}

// singular takes the mark of the plural off, in either language alike.
func singular(word string) string {
	if len(word) > 4 {
		return strings.TrimRight(word, "sx")
	}
	return word
}

// emptyWord tells words that stand in letters about anything.
func emptyWord(word string) bool {
	switch singular(word) {
	case "bonjour", "bonsoir", "salut", "hello", "merci", "thank", "cordialement", "regard", "madame", "monsieur",
		"aide", "aider", "help", "besoin", "need", "question", "probleme", "problem", "souci", "issue",
		"pouvez", "pourriez", "peux", "peut", "could", "would", "please", "voila", "voici", "equipe", "team",
		"notre", "nous", "votre", "vous", "mes", "avec", "dans", "pour", "sur", "mais", "tout", "toute", "tous",
		"cette", "cela", "comme", "comment", "pourquoi", "depui", "quand", "quel", "quelle", "aussi", "encore",
		"toujour", "tres", "bien", "plus", "rien", "sont", "suis", "etre", "avoir", "faire", "fait", "ete",
		"with", "from", "have", "this", "that", "what", "when", "your", "there", "they", "been", "about", "still",
		"since", "matin", "soir", "hier", "today", "aujourd", "compte", "account", "adresse", "address",
		"les", "des", "une", "the", "and", "our", "de", "du", "la", "le", "et", "of":
		return true
	}
	return false
}
