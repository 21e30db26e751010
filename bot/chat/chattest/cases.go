package chattest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"permanence/bot/chat"
)

// cases are in the order of the design's list.
var cases = []testCase{
	{"text in", textIn},
	{"text out", textOut},
	{"runes and bidi", runesAndBidi},
	{"30 kB in", longIn},
	{"30 kB out", longOut},
	{"thread reply", threadReply},
	{"edit", edit},
	{"edit before original", editBeforeOriginal},
	{"deletion", deletion},
	{"reaction", reaction},
	{"file in", fileIn},
	{"file out", fileOut},
	{"button", button},
	{"direct room", directRoom},
	{"duplicate events", duplicateEvents},
	{"reordered events", reorderedEvents},
	{"inbox refuses", inboxRefuses},
	{"same key twice", sameKeyTwice},
	{"resume after parts", resumeAfterParts},
	{"own echo before the receipt", echoBeforeReceipt},
	{"kill between send and receipt", killBetween},
	{"refused", refused},
	{"slowed", slowed},
	{"room gone and back", roomGone},
	{"right revoked and back", rightRevoked},
	{"server restarted", serverRestarted},
	{"connection cut", connectionCut},
	{"catch-up without double", catchUp},
	{"Run ends promptly", endsPromptly},
}

func textIn(b *bench) {
	token := b.token()
	text := token + " bonjour, mon site ne répond plus"
	id := b.say(text)
	p := b.heard(token)
	switch {
	case !same(p.Text, text):
		b.Errorf("text %q, want %q", p.Text, text)
	case p.Room != b.room:
		b.Errorf("room %q, want it as the configuration spells it: %q", p.Room, b.room)
	case p.Thread != "":
		b.Errorf("in the thread %q, want none", p.Thread)
	case id != "" && p.ID != id:
		b.Errorf("ID %q, want %q", p.ID, id)
	case p.At.IsZero():
		b.Error("no time")
	case p.Direct || p.Backlog:
		b.Errorf("direct %v, backlog %v, want neither", p.Direct, p.Backlog)
	}
	b.settle()
	b.heardOnce(token)
}

func textOut(b *bench) {
	token := b.token()
	text := token + " nous regardons, un instant"
	r := b.botSays(text)
	m := b.sees(token)
	if !same(m.Text, text) {
		b.Errorf("the human sees %q, want %q", m.Text, text)
	}
	if m.ID != "" && m.ID != r.Parts[0].ID {
		b.Errorf("the human sees ID %q, the receipt has %q", m.ID, r.Parts[0].ID)
	}
	b.settle()
	if n := b.seenTimes(token); n != 1 {
		b.Errorf("seen %d times, want once", n)
	}
}

// difficult has what careless code breaks: quotes of French, combining marks,
// emoji of several runes, runes beyond 16 bits, both directions of writing. The
// embedding controls (U+202A to U+202E, U+2066 to U+2069) are left out: an
// adapter may take them away, because they can make a line read as another.
const difficult = "« Ça œuvre » — déjà vu ? e\u0301 日本語 한국어 👩‍👩‍👧‍👦 🇫🇷 ✉️ 𝔘𝔫𝔦 العربية، שלום עולם \u200fabc ½ fin"

func runesAndBidi(b *bench) {
	in, out := b.token(), b.token()
	b.say(in + " " + difficult)
	if p := b.heard(in); !same(p.Text, in+" "+difficult) {
		b.Errorf("heard %+q, want %+q", p.Text, in+" "+difficult)
	}
	b.botSays(out + " " + difficult)
	if m := b.sees(out); !same(m.Text, out+" "+difficult) {
		b.Errorf("seen %+q, want %+q", m.Text, out+" "+difficult)
	}
}

// numbered makes a text of at least size bytes whose words tell their order.
func numbered(token string, size int) (text string, words []string) {
	var sb strings.Builder
	for sb.Len() < size {
		word := fmt.Sprintf("%sw%05d", token, len(words))
		words = append(words, word)
		sb.WriteString(word)
		switch {
		case len(words)%60 == 0:
			sb.WriteString("\n\n")
		default:
			sb.WriteByte(' ')
		}
	}
	return strings.TrimSpace(sb.String()), words
}

// collect gives the words of texts that begin with prefix, in order.
func collect(texts []string, prefix string) []string {
	var words []string
	for _, t := range texts {
		for _, f := range strings.Fields(t) {
			if strings.HasPrefix(f, prefix) {
				words = append(words, f)
			}
		}
	}
	return words
}

const long = 30 << 10

func longIn(b *bench) {
	token := b.token()
	text, words := numbered(token, long)
	b.say(text)
	var got []string
	b.await("the end of 30 kB", func(events []chat.Event) bool {
		var texts []string
		for _, p := range find(events, func(p *chat.Posted) bool { return !p.From.Self }) {
			texts = append(texts, p.Text)
		}
		got = collect(texts, token+"w")
		return slices.Contains(got, words[len(words)-1])
	})
	if !slices.Equal(got, words) {
		b.Errorf("%d words arrived, in order %v; want %d in order", len(got), slices.IsSorted(got), len(words))
	}
}

func longOut(b *bench) {
	token := b.token()
	text, words := numbered(token, long)
	r := b.botSays(text)
	var got []string
	b.awaitSeen(b.room, "the end of 30 kB", func(list []Message) bool {
		var texts []string
		for _, m := range list {
			texts = append(texts, m.Text)
		}
		got = collect(texts, token+"w")
		return slices.Contains(got, words[len(words)-1])
	})
	if !slices.Equal(got, words) {
		b.Errorf("%d words are seen, in order %v; want %d in order", len(got), slices.IsSorted(got), len(words))
	}
	if limit := b.adapter.Caps(b.place()).MaxText; limit > 0 && len(r.Parts) < len(text)/(4*limit) {
		b.Errorf("%d parts for %d bytes and a limit of %d runes", len(r.Parts), len(text), limit)
	}
}

func threadReply(b *bench) {
	if b.adapter.Caps(b.place()).Threads == chat.None {
		b.cannot("no threads")
	}
	root, in, out, below := b.token(), b.token(), b.token(), b.token()
	b.say(root)
	p := b.heard(root)
	place := b.place()
	place.Thread = p.ID
	b.do(chat.Say{Place: place, Content: chat.Content{Text: out}})
	if m := b.sees(out); m.Thread != p.ID {
		b.Errorf("the human sees the answer in thread %q, want %q", m.Thread, p.ID)
	}
	must(b, "thread")(b.world.Peer.Say(b.ctx, b.room, p.ID, in))
	if h := b.heard(in); h.Thread != p.ID {
		b.Errorf("heard in thread %q, want %q", h.Thread, p.ID)
	}
	// Below a message of ours the thread is what the receipt says.
	r := b.botSays(b.token())
	thread := r.Thread
	if thread == "" {
		thread = r.Parts[0].ID
	}
	must(b, "thread")(b.world.Peer.Say(b.ctx, b.room, thread, below))
	if h := b.heard(below); h.Thread != thread {
		b.Errorf("heard in thread %q, want %q", h.Thread, thread)
	}
}

func edit(b *bench) {
	first, second := b.token(), b.token()
	r := b.botSays(first)
	op := chat.Edit{Place: b.place(), Targets: []string{r.Parts[0].ID}, Content: chat.Content{Text: second}}
	if b.adapter.Caps(b.place()).Edits == chat.None {
		b.fails(op, chat.Permanent)
		b.cannot("no edits")
	}
	b.do(op)
	b.sees(second)
	if n := b.seenTimes(first); n != 0 {
		b.Errorf("the old text is still seen %d times", n)
	}
	in, changed := b.token(), b.token()
	b.say(in)
	p := b.heard(in)
	b.did("edit", b.world.Peer.Edit(b.ctx, b.room, p.ID, changed+" corrigé"))
	e := awaitOne(b, "the edit", func(e *chat.Edited) bool { return hasWord(e.Text, changed) })
	if e.Target != p.ID || !same(e.Text, changed+" corrigé") || e.From.ID != p.From.ID {
		b.Errorf("edit of %q by %q to %q, want of %q by %q", e.Target, e.From.ID, e.Text, p.ID, p.From.ID)
	}
	// A second edit is another event of the same message.
	again := b.token()
	b.did("edit", b.world.Peer.Edit(b.ctx, b.room, p.ID, again))
	awaitOne(b, "the second edit", func(e *chat.Edited) bool { return e.Target == p.ID && hasWord(e.Text, again) })
}

func editBeforeOriginal(b *bench) {
	if b.adapter.Caps(b.place()).Edits == chat.None {
		b.cannot("no edits")
	}
	b.did("reorder", need(b, "reorder", b.world.Faults.Reorder)(b.ctx))
	first, second := b.token(), b.token()
	id := b.say(first)
	b.did("edit", b.world.Peer.Edit(b.ctx, b.room, id, second))
	e := awaitOne(b, "the edit", func(e *chat.Edited) bool { return e.Target == id && hasWord(e.Text, second) })
	p := awaitOne(b, "the original", func(p *chat.Posted) bool { return p.ID == id })
	if p.Revision == e.Revision && p.ID == e.ID {
		b.Error("original and edit are one event to the inbox")
	}
	b.settle()
}

func deletion(b *bench) {
	out := b.token()
	r := b.botSays(out)
	b.sees(out)
	op := chat.Delete{Place: b.place(), Targets: []string{r.Parts[0].ID}}
	if b.adapter.Caps(b.place()).Deletes == chat.None {
		b.fails(op, chat.Permanent)
		b.cannot("no deletions")
	}
	b.do(op)
	b.awaitSeen(b.room, "the deletion", func(list []Message) bool {
		return !slices.ContainsFunc(list, func(m Message) bool { return hasWord(m.Text, out) })
	})
	b.do(op) // what is gone already may be deleted again
	in := b.token()
	b.say(in)
	p := b.heard(in)
	b.did("delete", b.world.Peer.Delete(b.ctx, b.room, p.ID))
	awaitOne(b, "the deletion", func(d *chat.Deleted) bool { return d.Target == p.ID })
}

func reaction(b *bench) {
	const in, out = "✉️", "👀"
	token := b.token()
	b.say(token)
	p := b.heard(token)
	op := chat.React{Place: b.place(), Target: p.ID, Emoji: out}
	if b.adapter.Caps(b.place()).Reactions == chat.None {
		b.fails(op, chat.Permanent)
		b.cannot("no reactions")
	}
	has := func(emoji string) func([]Message) bool {
		return func(list []Message) bool {
			return slices.ContainsFunc(list, func(m Message) bool {
				return m.ID == p.ID && slices.ContainsFunc(m.Reactions, func(r string) bool { return sameEmoji(r, emoji) })
			})
		}
	}
	b.do(op)
	b.awaitSeen(b.room, "the bot's reaction", has(out))
	b.do(op) // a second time changes nothing
	b.do(chat.Unreact{Place: b.place(), Target: p.ID, Emoji: out})
	b.awaitSeen(b.room, "the reaction taken back", func(list []Message) bool { return !has(out)(list) })

	mine := b.botSays(b.token()).Parts[0].ID
	b.did("react", b.world.Peer.React(b.ctx, b.room, mine, in))
	r := awaitOne(b, "the reaction", func(r *chat.Reacted) bool { return r.Target == mine })
	if !sameEmoji(r.Emoji, in) || r.From.ID != p.From.ID || r.From.Self {
		b.Errorf("reaction %q of %+v, want %q of %q", r.Emoji, r.From, in, p.From.ID)
	}
	b.did("unreact", b.world.Peer.Unreact(b.ctx, b.room, mine, in))
	awaitOne(b, "the reaction taken back", func(u *chat.Unreacted) bool { return u.Target == mine && sameEmoji(u.Emoji, in) })
	// The same gesture once more is another event.
	b.did("react", b.world.Peer.React(b.ctx, b.room, mine, in))
	b.await("the second reaction", func(events []chat.Event) bool {
		return len(find(events, func(r *chat.Reacted) bool { return r.Target == mine && !r.From.Self })) == 2
	})
}

// sameEmoji leaves the variation selector out, which networks add and drop.
func sameEmoji(a, b string) bool {
	return strings.ReplaceAll(a, "\ufe0f", "") == strings.ReplaceAll(b, "\ufe0f", "")
}

// blob is a file with every byte in it.
func blob(token string) []byte {
	data := []byte(token)
	for i := range 300 << 10 {
		data = append(data, byte(i), byte(i>>8))
	}
	return data
}

func fileIn(b *bench) {
	token := b.token()
	data := blob(token)
	must(b, "upload")(b.world.Peer.Upload(b.ctx, b.room, "", token, "capture d’écran.bin", data))
	var p *chat.Posted
	b.await("the file", func(events []chat.Event) bool {
		found := find(events, func(p *chat.Posted) bool { return len(p.Files) == 1 && !p.From.Self })
		if len(found) > 0 {
			p = found[len(found)-1]
		}
		return p != nil
	})
	f := p.Files[0]
	if f.Name != "capture d’écran.bin" {
		b.Errorf("file name %q", f.Name)
	}
	if f.Size != 0 && f.Size != int64(len(data)) {
		b.Errorf("size %d, want %d", f.Size, len(data))
	}
	// Files are fetched after the decision, perhaps by another process.
	b.halt()
	b.start()
	r, err := b.adapter.Open(b.ctx, f)
	if err != nil {
		b.Fatalf("Open: %v", err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		b.Errorf("read %d bytes (%v), want the %d sent", len(got), err, len(data))
	}
}

func fileOut(b *bench) {
	token := b.token()
	data := blob(token)
	op := chat.Say{Place: b.place(), Content: chat.Content{Text: token, Files: []chat.File{{
		ID: 1, Name: "journal à lire.bin", Type: "application/octet-stream", Size: int64(len(data)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}}}}
	if b.adapter.Caps(b.place()).Files == chat.None {
		b.fails(op, chat.Permanent)
		b.cannot("no files")
	}
	b.do(op)
	b.awaitSeen(b.room, "the file", func(list []Message) bool {
		return slices.ContainsFunc(list, func(m Message) bool {
			return slices.ContainsFunc(m.Files, func(f File) bool {
				return f.Name == "journal à lire.bin" && bytes.Equal(f.Data, data)
			})
		})
	})
}

func button(b *bench) {
	if b.adapter.Caps(b.place()).Buttons == chat.None {
		b.cannot("no buttons")
	}
	token := b.token()
	r := b.do(chat.Say{Place: b.place(), Content: chat.Content{Text: token, Card: true, Buttons: []chat.Button{
		{Action: "claim", Value: "42", Label: "Prendre", Style: "primary"},
		{Action: "close", Value: "42", Label: "Fermer"},
	}}})
	b.sees(token)
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	pressed := make(chan error, 1)
	id := r.Parts[len(r.Parts)-1].ID
	go func() { pressed <- b.world.Peer.Press(ctx, b.room, id, "Prendre") }()
	p := awaitOne(b, "the button", func(p *chat.Pressed) bool { return p.Target == id })
	if p.Action != "claim" || p.Value != "42" || p.From.ID == "" || p.From.Self {
		b.Errorf("pressed %q %q by %+v, want claim 42 by the human", p.Action, p.Value, p.From)
	}
	if p.Respond == nil {
		b.Fatal("a fresh button has nothing to respond with")
	}
	p.Respond(chat.Answer{Text: "C’est noté."})
	p.Respond(chat.Answer{Text: "twice is harmless"})
	select {
	case err := <-pressed:
		b.did("press", err)
	case <-b.ctx.Done():
		b.Fatal("the button press never returned")
	}
}

func directRoom(b *bench) {
	if b.adapter.Caps(b.place()).Direct == chat.None {
		b.cannot("no direct rooms")
	}
	token := b.token()
	b.say(token)
	from := b.heard(token).From
	op := chat.OpenDirect{Place: chat.Place{Adapter: b.world.Name}, Account: from}
	r := b.do(op)
	if r.Room == "" {
		b.Fatal("no room in the receipt")
	}
	if again := b.do(op); again.Room != r.Room {
		b.Errorf("opened twice: %q, then %q", r.Room, again.Room)
	}
	out, in := b.token(), b.token()
	b.do(chat.Say{Place: chat.Place{Adapter: b.world.Name, Room: r.Room}, Content: chat.Content{Text: out}})
	b.awaitSeen(r.Room, "the direct message", func(list []Message) bool {
		return slices.ContainsFunc(list, func(m Message) bool { return hasWord(m.Text, out) && !m.Mine })
	})
	must(b, "direct message")(b.world.Peer.Say(b.ctx, r.Room, "", in))
	if p := b.heard(in); p.Room != r.Room || !p.Direct {
		b.Errorf("heard in %q (direct %v), want directly in %q", p.Room, p.Direct, r.Room)
	}
}
