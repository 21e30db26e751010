package mattermost_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"permanence/adapters/mattermost"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestNobodyPinged posts what outsiders may write and asks the server whom it
// would have pinged.
func TestNobodyPinged(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	room := s.rooms[0]
	name := s.human.Username
	mentions := func() int {
		var member struct {
			Count int `json:"mention_count"`
		}
		s.Admin(t, "GET", "/api/v4/channels/"+s.ids[room]+"/members/"+s.human.ID, nil, &member)
		return member.Count
	}
	before := mentions() // being added to a room pings, too
	for _, text := range []string{
		"@channel", "@all", "@here", "@" + name, "@" + strings.ToUpper(name), "**@channel**", "_@channel_", "(@channel)", "x.@channel",
		"-@channel", ":@channel", "@channel.", "@channel:", "@@channel", "\\@channel", "&#64;channel", "&#x40;channel", "&commat;channel",
		"&#0064;channel", "[@channel](https://example.org)", "https://example.org/@channel", "> @channel", "# @channel", "a\u200b@channel",
		"a\u00a0@" + name, "é @" + name, "~~@here~~", "@all's", "<@channel>", "mailto:@channel", "@channel-ici", "@" + name + ".",
		"`@channel`", "| @channel |\n|---|\n| @all |", "@\u200bchannel",
	} {
		r.say(room, "", text, "quiet-"+text)
	}
	r.say(room, "", "fin", "end")
	s.eventually(t, room, "the end", func(posts []wirePost) bool { return posts[len(posts)-1].Message == "fin" })
	if n := mentions() - before; n != 0 {
		t.Errorf("the human was pinged %d times", n)
	}
	// And those who should be are, once, wherever their name stands.
	who := chat.Account{ID: s.human.ID, Name: "Camille", Handle: "ancien-nom"}
	for i, text := range []string{"sans nom", "bonjour @" + name + ", ceci et @channel"} {
		r.do(chat.Say{Place: place(room, ""), Content: chat.Content{Text: text, Mentions: []chat.Account{who, who}}}, "ping-"+text)
		ctx := deadline(t)
		for mentions() < before+i+1 {
			if tick(ctx) != nil {
				t.Fatalf("%q: pinged %d times, want %d", text, mentions()-before, i+1)
			}
		}
	}
	if n := mentions() - before; n != 2 {
		t.Errorf("pinged %d times, want twice", n)
	}
	posts := s.eventually(t, room, "the name", func([]wirePost) bool { return true })
	if !slices.ContainsFunc(posts, func(p wirePost) bool { return p.Message == "@"+name+" sans nom" }) {
		t.Error("the name of who is pinged does not stand before the text")
	}
}

// TestHeard is what people write to us and how it arrives.
func TestHeard(t *testing.T) {
	s := newSite(t)
	other := s.User(t, "sacha")
	s.Admin(t, "POST", "/api/v4/teams/"+s.teamID+"/members", map[string]string{"team_id": s.teamID, "user_id": other.ID}, nil)
	s.Admin(t, "POST", "/api/v4/channels/"+s.ids[s.rooms[1]]+"/members", map[string]string{"user_id": other.ID}, nil)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	bot := s.bot.Username
	for _, tt := range []struct {
		in, text string
		us       bool
		mentions []string
	}{
		{"bonjour à tous", "bonjour à tous", false, nil},
		{"@" + bot + " mon site est cassé", "mon site est cassé", true, nil},
		{"@" + bot + ": deux-points", "deux-points", true, nil},
		{"@" + bot + "\u00a0: espace insécable", "espace insécable", true, nil},
		{"  @" + strings.ToUpper(bot[:1]) + bot[1:] + ", virgule", "virgule", true, nil},
		{"c’est pour @" + bot, "c’est pour @" + bot, true, nil},
		{"@" + bot + "x ce n’est pas nous", "@" + bot + "x ce n’est pas nous", false, nil},
		{"x@" + bot + " une adresse", "x@" + bot + " une adresse", false, nil},
		{"@" + other.Username + " as-tu vu ? @personne-de-ce-nom", "@" + other.Username + " as-tu vu ? @personne-de-ce-nom", false, []string{other.ID}},
		{"@channel attention", "@channel attention", false, nil},
		{"**gras**, `code`\n\n- liste\n\n> citation", "**gras**, `code`\n\n- liste\n\n> citation", false, nil},
	} {
		human(t)(s.peer.Say(deadline(t), s.rooms[1], "", tt.in))
		p := r.heard(tt.text)
		if p.MentionsUs != tt.us || !slices.Equal(p.Mentions, tt.mentions) {
			t.Errorf("%q: for us %v, others %v, want %v, %v", tt.in, p.MentionsUs, p.Mentions, tt.us, tt.mentions)
		}
		if f := p.From; f.ID != s.human.ID || f.Handle != s.human.Username || !f.Proved || f.Bot || f.Self {
			t.Errorf("%q: from %+v", tt.in, f)
		}
	}
	// An edit is cut as its original was.
	id := human(t)(s.peer.Say(deadline(t), s.rooms[1], "", "@"+bot+" avant"))
	if err := s.peer.Edit(deadline(t), s.rooms[1], id, "@"+bot+" après"); err != nil {
		t.Fatal(err)
	}
	first(r, "the edit", func(e *chat.Edited) bool { return e.Target == id && e.Text == "après" })
}

// TestPrograms: what a program says is never taken for a person's word, though
// a webhook's posts bear the account of who made it.
func TestPrograms(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	room := s.rooms[1]
	robot := s.Bot(t, "autre")
	s.Admin(t, "POST", "/api/v4/teams/"+s.teamID+"/members", map[string]string{"team_id": s.teamID, "user_id": robot.ID}, nil)
	s.Admin(t, "POST", "/api/v4/channels/"+s.ids[room]+"/members", map[string]string{"user_id": robot.ID}, nil)
	ctx := deadline(t)
	post := map[string]any{"channel_id": s.ids[room], "message": "je suis un robot", "props": map[string]string{"permanence_key": "faux"}}
	if err := s.Call(ctx, robot.Token, "POST", "/api/v4/posts", post, nil); err != nil {
		t.Fatal(err)
	}
	if p := r.heard("je suis un robot"); !p.From.Bot || p.From.Self || p.Key != "" {
		t.Errorf("from %+v with key %q", p.From, p.Key)
	}
	var hook struct{ ID string }
	s.Admin(t, "POST", "/api/v4/hooks/incoming", map[string]string{"channel_id": s.ids[room]}, &hook)
	if err := s.Call(ctx, "", "POST", "/hooks/"+hook.ID, map[string]string{"text": "alerte", "username": "sonde"}, nil); err != nil && !strings.Contains(err.Error(), "invalid character") {
		t.Fatal(err)
	}
	p := r.heard("alerte")
	if !p.From.Bot || p.From.Proved || p.From.Name != "sonde" || !strings.HasPrefix(p.From.ID, "webhook:") {
		t.Errorf("a webhook's post comes from %+v", p.From)
	}
	// Nobody can pretend to be us by carrying our key.
	post["message"] = "avec une clé"
	if err := s.Call(ctx, s.human.Token, "POST", "/api/v4/posts", post, nil); err != nil {
		t.Fatal(err)
	}
	if p := r.heard("avec une clé"); p.Key != "" || p.From.Self {
		t.Errorf("key %q, from %+v", p.Key, p.From)
	}
	// Comings and goings.
	sacha := s.User(t, "sacha")
	s.Admin(t, "POST", "/api/v4/teams/"+s.teamID+"/members", map[string]string{"team_id": s.teamID, "user_id": sacha.ID}, nil)
	s.Admin(t, "POST", "/api/v4/channels/"+s.ids[room]+"/members", map[string]string{"user_id": sacha.ID}, nil)
	first(r, "who was added", func(j *chat.Joined) bool { return j.From.ID == sacha.ID && j.Room == room })
	if err := s.Call(ctx, sacha.Token, "DELETE", "/api/v4/channels/"+s.ids[room]+"/members/"+sacha.ID, nil, nil); err != nil {
		t.Fatal(err)
	}
	first(r, "who left", func(l *chat.Left) bool { return l.From.ID == sacha.ID && l.Room == room })
	if err := s.Call(ctx, sacha.Token, "POST", "/api/v4/channels/"+s.ids[room]+"/members", map[string]string{"user_id": sacha.ID}, nil); err != nil {
		t.Fatal(err)
	}
	s.Admin(t, "DELETE", "/api/v4/channels/"+s.ids[room]+"/members/"+sacha.ID, nil, nil)
	r.await("who was removed", func(events []chat.Event) bool {
		n := 0
		for _, e := range events {
			if l, ok := e.(*chat.Left); ok && l.From.ID == sacha.ID {
				n++
			}
		}
		return n == 2
	})
}

// TestState is what we do besides talking: header, pins, marks, cards.
func TestState(t *testing.T) {
	s := newSite(t)
	cfg := s.config(t)
	cfg.Marks = map[string]string{"📬": ":rocket:"}
	r := start(t, cfg, s.rooms, chattest.NewInbox())
	room := s.rooms[0]
	s.Admin(t, "PUT", "/api/v4/channels/"+s.ids[room]+"/patch", map[string]string{"header": "Bienvenue ici"}, nil)
	header := func() string {
		var ch struct{ Header string }
		s.Admin(t, "GET", "/api/v4/channels/"+s.ids[room], nil, &ch)
		return ch.Header
	}
	for _, tt := range []struct{ text, want string }{
		{"messagerie en panne", "Bienvenue ici ⟦messagerie en panne⟧"},
		{"tout va bien @channel", "Bienvenue ici ⟦tout va bien @\u2060channel⟧"},
		{"", "Bienvenue ici"},
		{"", "Bienvenue ici"},
	} {
		r.do(chat.Topic{Place: place(room, ""), Text: tt.text}, "topic")
		if got := header(); got != tt.want {
			t.Errorf("header %q, want %q", got, tt.want)
		}
	}
	id := human(t)(s.peer.Say(deadline(t), room, "", "un message"))
	mark := func(name string) func([]wirePost) bool {
		return func(posts []wirePost) bool {
			for _, p := range posts {
				if p.ID == id {
					return name == "" && len(p.Metadata.Reactions) == 0 || len(p.Metadata.Reactions) == 1 && p.Metadata.Reactions[0].Emoji == name
				}
			}
			return false
		}
	}
	r.do(chat.React{Place: place(room, ""), Target: id, Emoji: "📬"}, "mark")
	s.eventually(t, room, "the mark of the configuration", mark("rocket"))
	r.do(chat.Unreact{Place: place(room, ""), Target: id, Emoji: "📬"}, "mark")
	s.eventually(t, room, "no mark", mark(""))
	r.do(chat.Unreact{Place: place(room, ""), Target: id, Emoji: "📬"}, "mark")
	r.refused(chat.React{Place: place(room, ""), Target: id, Emoji: "bonjour"}, chat.Permanent)
	pinned := func(on bool) func([]wirePost) bool {
		return func(posts []wirePost) bool {
			return slices.ContainsFunc(posts, func(p wirePost) bool { return p.ID == id && p.IsPinned == on })
		}
	}
	for _, on := range []bool{true, true, false, false} {
		if on {
			r.do(chat.Pin{Place: place(room, ""), Target: id}, "pin")
		} else {
			r.do(chat.Unpin{Place: place(room, ""), Target: id}, "pin")
		}
		s.eventually(t, room, "the pin", pinned(on))
	}
	// A pin is no edit.
	human(t)(s.peer.Say(deadline(t), room, "", "derrière"))
	r.heard("derrière")
	for _, e := range r.inbox.Events() {
		if e, ok := e.(*chat.Edited); ok {
			t.Errorf("an edit that nobody made: %+v", e)
		}
	}
	r.do(chat.Fetch{Place: place(room, ""), Target: id}, "fetch")
	first(r, "the fetched message", func(p *chat.Posted) bool { return p.ID == id && p.Backlog && p.Revision == "fetched" && p.Room == room })
	// A thread may be named by one of its replies.
	reply := r.say(room, id, "une réponse", "reply").Parts[0].ID
	if r := r.say(room, reply, "une autre", "reply2"); r.Thread != id {
		t.Errorf("thread %q, want its root %q", r.Thread, id)
	}
	// An edit keeps our key, and spreads over parts as it needs.
	long := strings.Repeat("mot ", 6000)
	parts := r.say(room, "", long, "long").Parts
	if len(parts) != 2 {
		t.Fatalf("%d parts", len(parts))
	}
	edit := func(text string, card bool, want int, targets ...string) []string {
		t.Helper()
		receipt := r.do(chat.Edit{Place: place(room, ""), Targets: targets, Content: chat.Content{Text: text, Card: card}}, "edit"+text[:3])
		var ids []string
		for _, p := range receipt.Parts {
			ids = append(ids, p.ID)
		}
		if len(ids) != want {
			t.Errorf("%d parts after the edit, want %d", len(ids), want)
		}
		return ids
	}
	ids := edit("court", true, 1, parts[0].ID, parts[1].ID)
	posts := s.eventually(t, room, "the short text", func(posts []wirePost) bool {
		return slices.ContainsFunc(posts, func(p wirePost) bool { return p.ID == parts[0].ID && p.Message == "court" }) &&
			!slices.ContainsFunc(posts, func(p wirePost) bool { return p.ID == parts[1].ID })
	})
	if i := slices.IndexFunc(posts, func(p wirePost) bool { return p.ID == parts[0].ID }); posts[i].Props.Key != r.key("long") {
		t.Errorf("the edit left the key %q", posts[i].Props.Key)
	}
	edit(long, false, 2, ids...)
}

// TestOrdinaryAccount logs in with a password, once for all starts.
func TestOrdinaryAccount(t *testing.T) {
	s := newSite(t)
	member := s.User(t, "permanence-humaine")
	s.Admin(t, "POST", "/api/v4/teams/"+s.teamID+"/members", map[string]string{"team_id": s.teamID, "user_id": member.ID}, nil)
	cfg := mattermost.Config{URL: s.road.url, Login: member.Username, PasswordFile: write(t, "mot-de-passe-1")}
	inbox := chattest.NewInbox()
	room := s.rooms[1] // public: it enters by itself
	for range 2 {
		r := start(t, cfg, []string{room}, inbox)
		r.say(room, "", "bonjour", "hello")
		human(t)(s.peer.Say(deadline(t), room, "", "et bonjour"))
		r.heard("et bonjour")
		r.stop()
	}
	if n := s.road.count("POST /api/v4/users/login"); n != 1 {
		t.Errorf("logged in %d times, want once", n)
	}
	// The session ends: it logs in anew, also in the middle.
	r := start(t, cfg, []string{room}, inbox)
	s.Admin(t, "POST", "/api/v4/users/"+member.ID+"/sessions/revoke/all", nil, nil)
	_, err := r.Do(deadline(t), chat.Say{Place: place(room, ""), Content: chat.Content{Text: "encore"}}, chat.Try{Key: r.key("again"), Attempt: 1})
	if e := (*chat.Error)(nil); !errors.As(err, &e) || e.Kind != chat.Unauthorised {
		t.Errorf("with a session that was revoked: %v", err)
	}
	r.say(room, "", "encore", "again")
	human(t)(s.peer.Say(deadline(t), room, "", "toujours là"))
	r.heard("toujours là")
	if n := s.road.count("POST /api/v4/users/login"); n != 2 {
		t.Errorf("logged in %d times, want twice", n)
	}
}
