package irc_test

import (
	"fmt"
	"strings"
	"testing"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// said gives the lines that somebody reads from nick since a line, without
// tags and source.
func (p *peer) said(nick string, from int) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines[from:] {
		if strings.HasPrefix(line, "@") {
			_, line, _ = strings.Cut(line, " ")
		}
		if rest, ok := strings.CutPrefix(line, ":"+nick+"!"); ok {
			_, rest, _ = strings.Cut(rest, " ")
			out = append(out, rest)
		}
	}
	return out
}

func (p *peer) read0() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// TestMultiline: a text of several lines is one message, with one identifier,
// for those who can read it so, and lines for the others.
func TestMultiline(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	rich := newPeer(t, server.Addr, "alice", "permanence", richCaps+" draft/multiline", "#asso")
	plain := newPeer(t, server.Addr, "camille", "permanence", "", "#asso")
	b := running(t, irc.Config{Server: server.Addr}, "#asso")
	rich.line(t, "PRIVMSG #asso :une question")
	asked := b.heard("une question").ID
	from := rich.read0()
	r, err := b.perform(chat.Say{Place: place("#asso"), ReplyTo: asked, Content: chat.Content{Text: "première ligne\n\nseconde **en gras**"}})
	if err != nil || !r.Confirmed || len(r.Parts) != 1 || r.Parts[0].ID == "" || r.Parts[0].At.IsZero() {
		t.Fatalf("%+v, %v", r, err)
	}
	opening := rich.reads(t, "BATCH +")
	if !strings.Contains(opening, " draft/multiline :#asso") || !strings.Contains(opening, "msgid="+r.Parts[0].ID) ||
		!strings.Contains(opening, "+reply="+asked) || !strings.Contains(opening, "+draft/reply="+asked) {
		t.Errorf("the batch opens with %q, the receipt says %q", opening, r.Parts[0].ID)
	}
	plain.reads(t, "PRIVMSG #asso :seconde \x02en gras\x02")

	// A long line is cut on words, and is one line again where it can be.
	long := strings.TrimSpace(strings.Repeat("*œuvre déjà vue*, ", 60))
	r = b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: long + "\nfin."}})
	if len(r.Parts) != 1 {
		t.Errorf("%+v", r)
	}
	rich.reads(t, ":fin.")
	var whole string
	for _, line := range rich.said("permanence", from) {
		if text, ok := strings.CutPrefix(line, "PRIVMSG #asso :"); ok && strings.Contains(text, "œuvre") {
			whole += text
		}
	}
	if want := strings.TrimSpace(strings.Repeat("\x1dœuvre déjà vue\x1d, ", 60)); strings.ReplaceAll(whole, "\x1d\x1d", "") != want {
		t.Errorf("one line again is\n%q, want\n%q", whole, want)
	}
	rich.reads(t, ";draft/multiline-concat")

	// In private, to somebody who is away.
	rich.line(t, "PRIVMSG permanence :en privé")
	room := b.heard("en privé").Room
	rich.line(t, "AWAY :au marché")
	r = b.must(chat.Say{Place: place(room), Content: chat.Content{Text: "un\ndeux", Notice: true}})
	if len(r.Parts) != 1 || !r.Confirmed {
		t.Errorf("%+v", r)
	}
	b.must(chat.Say{Place: place(room), Content: chat.Content{Text: "trois\nquatre"}})
	first(b, "the absence", func(o *chat.Outcome) bool { return strings.Contains(o.Reason.FR, "au marché") })

	// What is too long for one message makes several; refusals come back.
	r = b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: strings.Repeat("ligne\n", 101)}})
	if len(r.Parts) != 2 || r.Parts[1].ID == r.Parts[0].ID {
		t.Errorf("%+v", r)
	}
	rich.line(t, "MODE #asso +m")
	if _, err := b.say("#asso", "un\ndeux"); kindOf(t, err) != chat.Unauthorised {
		t.Error(err)
	}
	rich.line(t, "MODE #asso -m")
	// A text that had begun line by line goes on so.
	r, err = b.Do(deadline(t), chat.Say{Place: place("#asso"), Content: chat.Content{Text: "alpha\nbeta\ngamma"}},
		chat.Try{Key: "suite", Attempt: 2, PartsDone: 1, Done: []string{"alpha-id"}})
	if err != nil || len(r.Parts) != 3 || r.Parts[0].ID != "alpha-id" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, line := range rich.said("permanence", from) {
		if strings.Contains(line, "alpha") {
			t.Errorf("said again: %q", line)
		}
	}
}

// TestMultilineRefused: a (made-up) server that offers messages of several
// lines and refuses them; nothing is said twice or lost.
func TestMultilineRefused(t *testing.T) {
	open := false
	f := newFake(t, "message-tags batch labeled-response echo-message draft/multiline=max-bytes=4096,max-lines=10", func(line string, say func(string)) {
		tags, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(rest, "BATCH +"):
			open = true
		case strings.HasPrefix(line, "@batch=") && open:
			open = false
			say(":fake FAIL BATCH MULTILINE_MAX_LINES 1 :too many")
		case strings.HasPrefix(line, "@batch="), strings.HasPrefix(line, "BATCH -"):
			say(":fake FAIL BATCH MULTILINE_INVALID :no batch is open")
		case strings.Contains(rest, "PRIVMSG"):
			say(fmt.Sprintf("%s;msgid=m-%s :permanence!p@host %s", tags, rest[strings.LastIndexByte(rest, ':')+1:], rest))
		}
	})
	b := running(t, irc.Config{Server: f.addr}, "#asso")
	for _, text := range []string{"un\ndeux", "trois\nquatre"} {
		r, err := b.say("#asso", text)
		first, second, _ := strings.Cut(text, "\n")
		if err != nil || len(r.Parts) != 1 || r.Parts[0].ID != "m-"+first || !r.Confirmed {
			t.Errorf("%+v, %v", r, err)
		}
		f.mu.Lock()
		if last := f.lines[len(f.lines)-1]; !strings.HasSuffix(last, ":"+second) {
			t.Errorf("the last line is %q", last)
		}
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	batches := 0
	for _, line := range f.lines {
		if strings.Contains(line, "BATCH +") {
			batches++
		}
	}
	if batches != 1 {
		t.Errorf("%d batches, want one and no more after it was refused", batches)
	}
}

// TestMultilineTogether: several texts at once, each whole, and short lines
// between them.
func TestMultilineTogether(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	p := newPeer(t, server.Addr, "alice", "permanence", "", "#asso", "#autre")
	inbox := chattest.NewInbox()
	b := resumed(t, inbox, irc.Config{Server: server.Addr}, "#asso", "#autre")
	errs := make(chan error)
	const each = 20
	for lane := range 4 {
		go func() {
			var err error
			for i := range each {
				room := []string{"#asso", "#autre"}[lane%2]
				text := fmt.Sprintf("voie %d texte %d", lane, i)
				if lane < 2 {
					text += " début\n" + text + " fin"
				}
				if _, e := b.Do(deadline(t), chat.Say{Place: place(room), Content: chat.Content{Text: text}}, chat.Try{Key: text, Attempt: 1}); e != nil {
					err = e
				}
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	p.line(t, "NAMES #asso")
	next := map[string]int{}
	lines := p.said("permanence", 0)
	for i, line := range lines {
		var lane, n int
		room, text, _ := strings.Cut(strings.TrimPrefix(line, "PRIVMSG "), " :")
		if _, err := fmt.Sscanf(text, "voie %d texte %d", &lane, &n); err != nil || strings.HasSuffix(text, " fin") {
			continue
		}
		key := fmt.Sprint(room, lane)
		if next[key] != n {
			t.Errorf("%q out of order", line)
		}
		next[key]++
		if strings.HasSuffix(text, " début") && lines[i+1] != strings.Replace(line, " début", " fin", 1) {
			t.Errorf("behind %q stands %q", line, lines[i+1])
		}
	}
	for key, n := range next {
		if n != each {
			t.Errorf("%s: %d texts", key, n)
		}
	}
	if len(next) != 4 {
		t.Errorf("%v", next)
	}
}
