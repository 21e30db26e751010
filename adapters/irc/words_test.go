package irc_test

import (
	"strings"
	"testing"

	"permanence/adapters/irc"
	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// TestHearing: what people write, as the bot reads it.
func TestHearing(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{})
	b := running(t, irc.Config{Server: server.Addr}, "#Asso")
	p := newPeer(t, server.Addr, "alice", "permanence", richCaps+" draft/multiline", "#Asso")
	q := newPeer(t, server.Addr, "camille", "permanence", "", "#Asso")
	first(b, "both", func(j *chat.Joined) bool { return j.From.Name == "camille" })
	asker := func() string {
		p.line(t, "PRIVMSG #asso :qui suis-je")
		return b.heard("qui suis-je").From.ID
	}()
	for _, tt := range []struct {
		line, text string
		us         bool
		mentions   int
	}{
		{"permanence: aide-moi", "aide-moi", true, 0},
		{"Permanence, mon site", "mon site", true, 0},
		{"@permanence le courriel", "le courriel", true, 0},
		{"permanence : espace à la française", "espace à la française", true, 0},
		{"où est permanence donc", "où est permanence donc", true, 0},
		{"permanences du mardi", "permanences du mardi", false, 0},
		{"alice: regarde la ligne", "alice: regarde la ligne", false, 1},
		{"alice, permanence: tous deux", "tous deux", true, 1},
		{"voir https://example.org/permanence2", "voir https://example.org/permanence2", false, 0},
		{"note: rien", "note: rien", false, 0},
		{"\x02gras\x02 et \x1ditalique\x1d, \x0304,12rouge\x03 fini", "**gras** et *italique*, rouge fini", false, 0},
		{"\x11code_x\x11 \x1ebarré\x1e \x1fsouligné\x0f nu", "`code_x` ~~barré~~ souligné nu", false, 0},
		{"\x01ACTION hausse les épaules\x01", "*hausse les épaules*", false, 0},
		{"# pas un titre", `\# pas un titre`, false, 0},
		{"!ticket fermer #42", "!ticket fermer #42", false, 0},
	} {
		q.line(t, "PRIVMSG #asso :"+tt.line)
		got := b.heard(tt.text)
		if got.Text != tt.text || got.MentionsUs != tt.us || len(got.Mentions) != tt.mentions || got.Room != "#Asso" || got.From.Bot {
			t.Errorf("%q: %+v", tt.line, got)
		}
		if len(got.Mentions) == 1 && got.Mentions[0] != asker {
			t.Errorf("%q mentions %v, want %s", tt.line, got.Mentions, asker)
		}
	}
	// Other CTCP is neither heard nor answered; a NOTICE is heard as a bot's.
	q.line(t, "PRIVMSG permanence :\x01VERSION\x01")
	q.line(t, "PRIVMSG permanence :\x01PING 1\x01")
	q.line(t, "NOTICE #asso :je suis une machine")
	if n := b.heard("une machine"); !n.From.Bot {
		t.Error("a NOTICE is not marked as a bot's")
	}
	q.mu.Lock()
	for _, line := range q.lines {
		if strings.Contains(line, "\x01") {
			t.Errorf("CTCP was answered: %q", line)
		}
	}
	q.mu.Unlock()
	// Several lines that are one message.
	p.line(t, strings.Join([]string{
		"BATCH +1 draft/multiline #asso",
		"@batch=1 PRIVMSG #asso :première ligne",
		"@batch=1 PRIVMSG #asso :seconde ",
		"@batch=1;draft/multiline-concat PRIVMSG #asso :et sa suite",
		"BATCH -1",
	}, "\r\n"))
	whole := b.heard("première ligne")
	asked := whole.From.ID
	if whole.Text != "première ligne\nseconde et sa suite" || whole.ID == "" {
		t.Errorf("%+v", whole)
	}
	// Answers, both ways, under both names of the tag.
	p.line(t, "@+reply="+whole.ID+" PRIVMSG #asso :réponse une")
	p.line(t, "@+draft/reply="+whole.ID+" PRIVMSG #asso :réponse deux")
	for _, text := range []string{"réponse une", "réponse deux"} {
		if r := b.heard(text); r.ReplyTo != whole.ID {
			t.Errorf("%q answers %q, want %q", text, r.ReplyTo, whole.ID)
		}
	}
	b.must(chat.Say{Place: place("#Asso"), ReplyTo: whole.ID, Content: chat.Content{Text: "réponse de la permanence"}})
	if line := p.reads(t, "réponse de la permanence"); !strings.Contains(line, "+reply="+whole.ID) || !strings.Contains(line, "+draft/reply="+whole.ID) {
		t.Errorf("the answer is %q", line)
	}
	p.line(t, "@+draft/react=✉️;+draft/reply="+whole.ID+" TAGMSG #asso")
	if r := first(b, "the reaction", func(r *chat.Reacted) bool { return true }); r.Target != whole.ID || r.Emoji != "✉️" {
		t.Errorf("%+v", r)
	}
	p.line(t, "@+draft/unreact=✉️;+reply="+whole.ID+" TAGMSG #asso")
	if r := first(b, "the reaction taken back", func(r *chat.Unreacted) bool { return true }); r.Target != whole.ID || r.Emoji != "✉️" || r.From.ID != asked {
		t.Errorf("%+v", r)
	}
	p.line(t, "@+draft/react=✉️ TAGMSG #asso") // on nothing
	// And once more from history.
	seen := b.inbox.Doubles()
	b.must(chat.Fetch{Place: place("#Asso"), Target: whole.ID})
	b.await("the older message", func([]chat.Event) bool { return b.inbox.Doubles() > seen })
	if _, err := b.perform(chat.Fetch{Place: place("#Asso"), Target: "nothing"}); kindOf(t, err) != chat.Gone {
		t.Error(err)
	}
}

// TestSaying: what the bot says, as people read it.
func TestSaying(t *testing.T) {
	for _, tt := range []struct {
		name string
		addr func(*testing.T) string
		caps string
		sure bool
	}{
		{"ergo", func(t *testing.T) string { return testservers.Ergo(t, testservers.ErgoOptions{}).Addr }, richCaps, true},
		{"ngircd", func(t *testing.T) string { return testservers.NgIRCd(t).Addr }, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := tt.addr(t)
			p := newPeer(t, addr, "alice", "permanence", tt.caps, "#asso")
			b := running(t, irc.Config{Server: addr}, "#asso")
			r := b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: "**Incident** _messagerie_ : voir [ici](https://t.example.org/42)"}})
			if r.Confirmed != tt.sure || b.Caps(place("#asso")).Confirms != tt.sure {
				t.Errorf("receipt %+v", r)
			}
			p.reads(t, " PRIVMSG #asso :\x02Incident\x02 \x1dmessagerie\x1d : voir ici (https://t.example.org/42)")
			b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: "noté", Notice: true}})
			p.reads(t, " NOTICE #asso :noté")
			long := strings.TrimSpace(strings.Repeat("œuvre déjà vue, ", 200))
			r = b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: long, Link: "https://t.example.org/43"}})
			if want := map[bool]int{true: 1, false: 3}[tt.sure]; len(r.Parts) != want { // one message of three lines, or three
				t.Errorf("%d parts, want %d", len(r.Parts), want)
			}
			if last := p.reads(t, "https://t.example.org/43"); !strings.HasSuffix(last, "… https://t.example.org/43") || len(last[strings.Index(last, ":permanence"):]) > 510 {
				t.Errorf("%d bytes: %q", len(last), last)
			}
			// Topic: ours comes and goes, theirs stays.
			p.line(t, "TOPIC #asso :Entraide | soyez sympas")
			p.line(t, "MODE #asso -t")
			b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: "le sujet est connu"}})
			b.must(chat.Topic{Place: place("#asso"), Text: "messagerie dégradée"})
			p.reads(t, " TOPIC #asso :Entraide | soyez sympas | ⟦messagerie dégradée⟧")
			b.must(chat.Topic{Place: place("#asso"), Text: "tout va bien"})
			p.reads(t, " TOPIC #asso :Entraide | soyez sympas | ⟦tout va bien⟧")
			from := len(p.lines)
			b.must(chat.Topic{Place: place("#asso")})
			if err := p.awaitLine(deadline(t), from, " TOPIC #asso :Entraide | soyez sympas"); err != nil {
				t.Error(err)
			}
			p.line(t, "MODE #asso +t")
			b.must(chat.Say{Place: place("#asso"), Content: chat.Content{Text: "fermé"}})
			if _, err := b.perform(chat.Topic{Place: place("#asso"), Text: "refusé"}); kindOf(t, err) != chat.Unauthorised {
				t.Error(err)
			}
			// A room that nobody named, an empty text.
			if _, err := b.say("#ailleurs", "x"); kindOf(t, err) != chat.Gone {
				t.Error(err)
			}
			if _, err := b.say("#asso", " "); kindOf(t, err) != chat.Permanent {
				t.Error(err)
			}
		})
	}
}

// TestPace: with the server's own brake nothing is lost, and the order stays.
func TestPace(t *testing.T) {
	server := testservers.Ergo(t, testservers.ErgoOptions{Fakelag: true})
	p := newPeer(t, server.Addr, "alice", "permanence", "", "#un", "#deux")
	b := running(t, irc.Config{Server: server.Addr, Flood: irc.Flood{Burst: 5, Every: "500ms"}}, "#un", "#deux")
	rooms := []string{"#un", "#deux"}
	var want []string
	for i := range 10 {
		text := string(rune('a'+i)) + "-ligne"
		want = append(want, rooms[i%2]+" :"+text)
		if _, err := b.say(rooms[i%2], text); err != nil {
			t.Error(err)
		}
	}
	p.reads(t, want[len(want)-1])
	p.mu.Lock()
	defer p.mu.Unlock()
	at := 0
	for _, line := range p.lines {
		if at < len(want) && strings.HasSuffix(line, want[at]) {
			at++
		}
	}
	if at != len(want) {
		t.Errorf("%d of %d lines in order", at, len(want))
	}
}
