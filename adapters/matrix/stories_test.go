package matrix_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// scene is a bot's account and a human on the shared server.
type scene struct {
	t      testing.TB
	server *testservers.DendriteServer
	bot    testservers.MatrixAccount
	human  testservers.MatrixAccount
	p      *peer
}

// fresh makes a name that nobody has on the shared server yet.
func fresh(t testing.TB, name string) string {
	test := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	return fmt.Sprintf("%s-%s-%d", name, test, keys.Add(1))
}

func newScene(t testing.TB) *scene {
	server := testservers.Dendrite(t)
	s := &scene{t: t, server: server, bot: server.Register(t, fresh(t, "bot")), human: server.Register(t, fresh(t, "camille"))}
	s.p = newPeer(t, server.URL, s.human, nil)
	return s
}

// room makes a public room with an alias.
func (s *scene) room(alias string) string {
	s.t.Helper()
	name, err := s.p.make(deadline(s.t), fresh(s.t, alias), false)
	if err != nil {
		s.t.Fatal(err)
	}
	return name
}

func (s *scene) config() matrix.Config {
	return matrix.Config{URL: s.server.URL, TokenFile: write(s.t, s.bot.Token), Encryption: "off"}
}

// raw sends any content as a message.
func (s *scene) raw(room, content string) string {
	s.t.Helper()
	return s.rawType(room, event.EventMessage, content)
}

func (s *scene) rawType(room string, kind event.Type, content string) string {
	s.t.Helper()
	resp, err := s.p.client.SendMessageEvent(deadline(s.t), s.p.room(room), kind, json.RawMessage(content))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(resp.EventID)
}

// TestReactionTakenBackAfterRestart: what a reaction said is remembered.
func TestReactionTakenBackAfterRestart(t *testing.T) {
	s := newScene(t)
	room := s.room("marks")
	b := running(t, chattest.NewInbox(), s.config(), room)
	mine := b.must(says(room, "bonjour")).Parts[0].ID
	ctx := deadline(t)
	if err := s.p.React(ctx, room, mine, "✉️"); err != nil {
		t.Fatal(err)
	}
	first(b, "reaction", func(r *chat.Reacted) bool { return r.Target == mine })
	// Ours too: a second adapter takes back what the first one put.
	b.must(chat.React{Place: place(room), Target: mine, Emoji: "⏳"})
	b.stop()
	if err := s.p.Unreact(ctx, room, mine, "✉️"); err != nil {
		t.Fatal(err)
	}
	again := running(t, b.inbox, s.config(), room)
	u := first(again, "taken back", func(u *chat.Unreacted) bool { return u.Target == mine })
	if u.Emoji != "✉️" || u.From.ID != s.human.UserID {
		t.Errorf("taken back: %+v", u)
	}
	again.must(chat.Unreact{Place: place(room), Target: mine, Emoji: "⏳"})
	if _, err := s.p.Await(ctx, room, func(list []chattest.Message) bool {
		for _, m := range list {
			if m.ID == mine {
				return len(m.Reactions) == 0
			}
		}
		return false
	}); err != nil {
		t.Error("our reaction is still there")
	}
}

// trust makes the bot a moderator.
func (s *scene) trust(room string) error {
	var now event.PowerLevelsEventContent
	ctx := deadline(s.t)
	if err := s.p.client.StateEvent(ctx, s.p.room(room), event.StatePowerLevels, "", &now); err != nil {
		return err
	}
	now.SetUserLevel(id.UserID(s.bot.UserID), 50)
	_, err := s.p.client.SendStateEvent(ctx, s.p.room(room), event.StatePowerLevels, "", &now)
	return err
}

// TestInvited: a room is entered where the one who invites is allowed to, and
// what was said before we came in is heard.
func TestInvited(t *testing.T) {
	s := newScene(t)
	room := s.room("public")
	b := running(t, chattest.NewInbox(), s.config(), room)
	ctx := deadline(t)
	made, err := s.p.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{id.UserID(s.bot.UserID)}})
	if err != nil {
		t.Fatal(err)
	}
	s.raw(string(made.RoomID), `{"msgtype":"m.text","body":"je suis là"}`)
	p := b.heard("je suis là")
	if !p.Direct || p.Room != string(made.RoomID) {
		t.Errorf("heard %+v", p)
	}
	j := first(b, "greeting", func(j *chat.Joined) bool { return j.Room == string(made.RoomID) && !j.From.Self })
	if !j.Direct || j.From.ID != s.human.UserID {
		t.Errorf("joined %+v", j)
	}
	// It is the room that is opened.
	if r := b.must(chat.OpenDirect{Account: chat.Account{ID: s.human.UserID}}); r.Room != string(made.RoomID) {
		t.Errorf("opened %s, want %s", r.Room, made.RoomID)
	}
	stranger := newPeer(t, s.server.URL, s.server.Register(t, fresh(t, "stranger")), nil)
	other, err := stranger.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "trusted_private_chat", Invite: []id.UserID{id.UserID(s.bot.UserID)}})
	if err != nil {
		t.Fatal(err)
	}
	for {
		var content event.MemberEventContent
		if err := stranger.client.StateEvent(ctx, other.RoomID, event.StateMember, s.bot.UserID, &content); err != nil {
			t.Fatal(err)
		}
		if content.Membership == event.MembershipLeave {
			break
		}
		if content.Membership == event.MembershipJoin {
			t.Fatal("a stranger's invitation was accepted")
		}
		if ctx.Err() != nil {
			t.Fatal("a stranger's invitation was not declined")
		}
	}
	// A third person makes it no direct room any more.
	if _, err := s.p.client.InviteUser(ctx, made.RoomID, &mautrix.ReqInviteUser{UserID: stranger.me}); err != nil {
		t.Fatal(err)
	}
	s.raw(string(made.RoomID), `{"msgtype":"m.text","body":"à trois"}`)
	if p := b.heard("à trois"); p.Direct {
		t.Error("a room of three is called direct")
	}
	if _, err := b.perform(chat.OpenDirect{Account: chat.Account{ID: "not an account"}}); kindOf(t, err) != chat.Permanent {
		t.Error(err)
	}
}

// TestTombstone: a room that is replaced keeps its name.
func TestTombstone(t *testing.T) {
	s := newScene(t)
	room := s.room("old")
	b := running(t, chattest.NewInbox(), s.config(), room)
	ctx := deadline(t)
	old := s.p.room(room)
	made, err := s.p.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "public_chat", CreationContent: map[string]any{
		"predecessor": event.Predecessor{RoomID: old, EventID: "$tombstone"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := s.p.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "public_chat"})
	if err != nil {
		t.Fatal(err)
	}
	for _, replacement := range []id.RoomID{stolen.RoomID, made.RoomID} {
		if _, err := s.p.client.SendStateEvent(ctx, old, event.StateTombstone, "", &event.TombstoneEventContent{Body: "x", ReplacementRoom: replacement}); err != nil {
			t.Fatal(err)
		}
	}
	// Entering the new room is what the human sees.
	for {
		joined, err := s.p.client.JoinedMembers(ctx, made.RoomID)
		if err != nil {
			t.Fatal(err)
		}
		if _, in := joined.Joined[id.UserID(s.bot.UserID)]; in {
			break
		}
	}
	var p *chat.Posted
	for i := 0; p == nil; i++ {
		word := fmt.Sprintf("nouveau-%d.", i)
		s.raw(string(made.RoomID), `{"msgtype":"m.text","body":"`+word+`"}`)
		if h := b.heard(word); h.Room == room {
			p = h
		}
		if ctx.Err() != nil {
			t.Fatal("the room is not followed")
		}
	}
	b.must(says(room, "je vous ai suivis"))
	if _, err := s.p.find(ctx, string(made.RoomID), "je vous ai suivis"); err != nil {
		t.Error(err)
	}
	b.stop()
	again := running(t, b.inbox, s.config(), room)
	_ = again
}

// TestGap: more was said while we were away than one sync brings.
func TestGap(t *testing.T) {
	s := newScene(t)
	room := s.room("gap")
	s.raw(room, `{"msgtype":"m.text","body":"avant notre temps"}`)
	b := running(t, chattest.NewInbox(), s.config(), room)
	b.stop()
	const many = 250
	for i := range many {
		s.raw(room, fmt.Sprintf(`{"msgtype":"m.text","body":"manqué-%03d."}`, i))
	}
	again := running(t, b.inbox, s.config(), room)
	var got []string
	for _, e := range again.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok {
			got = append(got, p.Text)
			if !p.Backlog {
				t.Errorf("%s is not marked as backlog", p.Text)
			}
		}
	}
	if len(got) != many || !slices.IsSorted(got) || got[0] != "manqué-000." {
		t.Errorf("%d messages, in order %v, first %v", len(got), slices.IsSorted(got), got[:min(3, len(got))])
	}
}

// TestMany: two hundred messages each way arrive in order. How long it takes
// is told and not judged: machines differ.
func TestMany(t *testing.T) {
	s := newScene(t)
	room := s.room("many")
	b := running(t, chattest.NewInbox(), s.config(), room)
	manyMessages(t, b, s.p, room)
}

func manyMessages(t *testing.T, b *bot, p *peer, room string) {
	const many = 200
	// What this machine can do just now: bare messages, one after the other.
	begin := time.Now()
	const bare = 20
	for range bare {
		if _, err := p.Say(deadline(t), room, "", "étalon"); err != nil {
			t.Fatal(err)
		}
	}
	floor := 2 * many * time.Since(begin) / bare
	begin = time.Now()
	go func() {
		for i := range many {
			if _, err := p.Say(deadline(t), room, "", fmt.Sprintf("entre-%03d.", i)); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range many {
		b.must(says(room, fmt.Sprintf("sort-%03d.", i)))
	}
	b.heard(fmt.Sprintf("entre-%03d.", many-1))
	if _, err := p.find(deadline(t), room, fmt.Sprintf("sort-%03d.", many-1)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	check := func(what string, texts []string) {
		var got []string
		for _, text := range texts {
			if strings.HasPrefix(text, what) {
				got = append(got, text)
			}
		}
		if len(got) != many || !slices.IsSorted(got) {
			t.Errorf("%s: %d, in order %v", what, len(got), slices.IsSorted(got))
		}
	}
	var in, out []string
	for _, e := range b.inbox.Events() {
		if h, ok := e.(*chat.Posted); ok && !h.From.Self {
			in = append(in, h.Text)
		}
	}
	list, err := p.Await(deadline(t), room, func([]chattest.Message) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		out = append(out, m.Text)
	}
	check("entre-", in)
	check("sort-", out)
	t.Logf("%d messages each way in %v; bare ones would take %v", many, took.Round(time.Millisecond), floor.Round(time.Millisecond))
}

// TestRateLimits: a server that brakes us, as Dendrite does for entering rooms.
func TestRateLimits(t *testing.T) {
	server := testservers.NewDendrite(t, testservers.DendriteOptions{RateLimits: 2})
	account, human := server.Register(t, "permanence"), server.Register(t, "camille")
	p := newPeer(t, server.URL, human, nil)
	var rooms []string
	for i := range 6 {
		room, err := p.make(deadline(t), fmt.Sprintf("salon%d", i), false)
		if err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, room)
	}
	b := running(t, chattest.NewInbox(), matrix.Config{URL: server.URL, TokenFile: write(t, account.Token), Encryption: "off"}, rooms...)
	braked := 0
	ctx := deadline(t)
	for _, room := range rooms {
		for {
			_, err := b.perform(says(room, "bonjour"))
			if err == nil {
				break
			}
			e := chat.AsError(err)
			if e.Kind != chat.RateLimited || e.RetryAfter != 500*time.Millisecond || ctx.Err() != nil {
				t.Fatalf("kind %v, after %v: %v", e.Kind, e.RetryAfter, err)
			}
			braked++
			select {
			case <-ctx.Done():
			case <-time.After(e.RetryAfter):
			}
		}
	}
	if braked == 0 {
		t.Error("never braked")
	}
}

// TestToken: a token that is not known any more, softly and for good. Dendrite
// has no soft logout; the road says it in its place.
func TestToken(t *testing.T) {
	s := newScene(t)
	room := s.room("token")
	r := newRoad(t, s.server.URL, s.human.UserID)
	soft := true
	refuse := func(req *http.Request) (int, string) {
		if soft {
			return http.StatusUnauthorized, `{"errcode":"M_UNKNOWN_TOKEN","error":"x","soft_logout":true}`
		}
		return http.StatusUnauthorized, `{"errcode":"M_UNKNOWN_TOKEN","error":"x"}`
	}
	cfg := s.config()
	cfg.URL = r.URL
	b := running(t, chattest.NewInbox(), cfg, room)
	r.set(func(r *road) { r.refuse = refuse })
	if _, err := b.perform(says(room, "x")); kindOf(t, err) != chat.Unauthorised {
		t.Error(err)
	}
	s.raw(room, `{"msgtype":"m.text","body":"ce qui réveille"}`) // the sync that is waiting ends
	c := first(b, "cut", func(c *chat.Connection) bool { return c.State == chat.Cut })
	if !strings.Contains(c.Reason.FR, "jeton") {
		t.Errorf("reason %q", c.Reason.FR)
	}
	if f := b.Check(deadline(t)); len(f) != 1 || f[0].Name != "matrix-token-expired" {
		t.Errorf("%+v", f)
	}
	r.set(func(*road) { soft = false })
	if f := b.Check(deadline(t)); len(f) != 1 || f[0].Name != "matrix-token-unknown" {
		t.Errorf("%+v", f)
	}
	r.set(func(r *road) { r.refuse = nil })
	s.raw(room, `{"msgtype":"m.text","body":"revenus"}`)
	b.heard("revenus")
}

// TestPassword: one login, kept; a new one when it is gone for good.
func TestPassword(t *testing.T) {
	s := newScene(t)
	room := s.room("password")
	cfg := matrix.Config{URL: s.server.URL, User: s.bot.UserID, PasswordFile: write(t, s.bot.Password), Encryption: "off"}
	b := running(t, chattest.NewInbox(), cfg, room)
	b.stop()
	again := running(t, b.inbox, cfg, room)
	login := func() string {
		data, err := b.inbox.Get(deadline(t), "login")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	before := login()
	again.must(says(room, "bonjour"))
	// Somebody closes all our sessions.
	client, err := mautrix.NewClient(s.server.URL, id.UserID(s.bot.UserID), s.bot.Token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.LogoutAll(deadline(t)); err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t)
	for {
		if _, err := again.perform(says(room, "revenus")); err == nil {
			break
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if login() == before {
		t.Error("no new login")
	}
}

// TestIgnored: who is on our list of ignored users is not heard.
func TestIgnored(t *testing.T) {
	s := newScene(t)
	room := s.room("ignored")
	pest := newPeer(t, s.server.URL, s.server.Register(t, fresh(t, "pest")), nil)
	if _, err := pest.client.JoinRoomByID(deadline(t), s.p.room(room)); err != nil {
		t.Fatal(err)
	}
	client, err := mautrix.NewClient(s.server.URL, id.UserID(s.bot.UserID), s.bot.Token)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetAccountData(deadline(t), event.AccountDataIgnoredUserList.Type, &event.IgnoredUserListEventContent{
		IgnoredUsers: map[id.UserID]event.IgnoredUser{pest.me: {}},
	}); err != nil {
		t.Fatal(err)
	}
	b := running(t, chattest.NewInbox(), s.config(), room)
	if _, err := pest.client.SendText(deadline(t), s.p.room(room), "publicité"); err != nil {
		t.Fatal(err)
	}
	s.raw(room, `{"msgtype":"m.text","body":"fin"}`)
	b.heard("fin")
	for _, e := range b.inbox.Events() {
		if e.Head().From.ID == string(pest.me) {
			t.Errorf("heard %+v", e)
		}
	}
}
