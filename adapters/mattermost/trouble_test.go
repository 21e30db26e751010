package mattermost_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestTokenRevoked: nothing is lost while our token does not hold, and nobody
// has to start anything again: neither when it is given back, nor when another
// one is put into the file.
func TestTokenRevoked(t *testing.T) {
	s := newSite(t)
	cfg := s.config(t)
	r := start(t, cfg, s.rooms, chattest.NewInbox())
	var tokens []struct{ ID string }
	s.Admin(t, "GET", "/api/v4/users/"+s.bot.ID+"/tokens", nil, &tokens)
	for _, tt := range []struct {
		name         string
		revoke, back func()
	}{
		{"disabled", func() {
			s.Admin(t, "POST", "/api/v4/users/tokens/disable", map[string]string{"token_id": tokens[0].ID}, nil)
		}, func() {
			s.Admin(t, "POST", "/api/v4/users/tokens/enable", map[string]string{"token_id": tokens[0].ID}, nil)
		}},
		{"revoked", func() {
			s.Admin(t, "POST", "/api/v4/users/tokens/revoke", map[string]string{"token_id": tokens[0].ID}, nil)
		}, func() {
			var another struct{ Token string }
			s.Admin(t, "POST", "/api/v4/users/"+s.bot.ID+"/tokens", map[string]string{"description": "autre"}, &another)
			if err := os.WriteFile(cfg.TokenFile, []byte(another.Token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			seen := len(r.inbox.Events())
			tt.revoke()
			op := chat.Say{Place: place(s.rooms[0], ""), Content: chat.Content{Text: "dit après " + tt.name}}
			r.refused(op, chat.Unauthorised)
			r.awaitState(seen, chat.Cut)
			human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "pendant "+tt.name))
			seen = len(r.inbox.Events())
			tt.back()
			r.awaitState(seen, chat.CaughtUp)
			if p := r.heard("pendant " + tt.name); !p.Backlog {
				t.Error("said while we were away, and not marked so")
			}
			r.do(op, "key-"+tt.name)
		})
	}
}

// TestRemovedAndAdded: what was said while we were put out of a room is heard
// when we are let in again.
func TestRemovedAndAdded(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	room := s.rooms[1]
	human(t)(s.peer.Say(deadline(t), room, "", "avant"))
	r.heard("avant")
	s.member(t, room, false)
	human(t)(s.peer.Say(deadline(t), room, "", "pendant"))
	r.refused(chat.Say{Place: place(room, ""), Content: chat.Content{Text: "non"}}, chat.Unauthorised)
	s.member(t, room, true)
	r.heard("pendant")
	human(t)(s.peer.Say(deadline(t), room, "", "après"))
	r.heard("après")
	for _, text := range []string{"avant", "pendant", "après"} {
		if n := r.times(text); n != 1 {
			t.Errorf("%s: stored %d times", text, n)
		}
	}
}

// TestInvited: a private room that we could not enter works as soon as somebody
// adds us to it.
func TestInvited(t *testing.T) {
	s := newSite(t)
	room := s.rooms[0]
	s.member(t, room, false)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	r.refused(chat.Say{Place: place(room, ""), Content: chat.Content{Text: "non"}}, chat.Gone)
	s.member(t, room, true)
	for range 100 {
		if _, err := r.Do(deadline(t), chat.Say{Place: place(room, ""), Content: chat.Content{Text: "enfin"}}, chat.Try{Key: r.key("k"), Attempt: 2}); err == nil {
			break
		}
		if tick(deadline(t)) != nil {
			break
		}
	}
	human(t)(s.peer.Say(deadline(t), room, "", "bienvenue"))
	if p := r.heard("bienvenue"); p.Room != room {
		t.Errorf("heard in %q, want %q", p.Room, room)
	}
}

// TestPostDeletedUnderUs: what stands on a post that somebody deleted fails for
// good and says why; deleting it again is fine.
func TestPostDeletedUnderUs(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	room := s.rooms[0]
	root := r.say(room, "", "une fiche", "root").Parts[0].ID
	reply := r.say(room, root, "dans le fil", "reply").Parts[0].ID
	s.Admin(t, "DELETE", "/api/v4/posts/"+root, nil, nil)
	first(r, "the deletion", func(d *chat.Deleted) bool { return d.Target == root })
	content := chat.Content{Text: "encore"}
	r.refused(chat.Say{Place: place(room, root), Content: content}, chat.Gone)
	r.refused(chat.Edit{Place: place(room, ""), Targets: []string{root}, Content: content}, chat.Gone)
	r.refused(chat.Edit{Place: place(room, ""), Targets: []string{root}, Content: chat.Content{Text: "x", Card: true}}, chat.Gone)
	r.refused(chat.React{Place: place(room, ""), Target: root, Emoji: "👀"}, chat.Gone)
	r.refused(chat.Pin{Place: place(room, ""), Target: root}, chat.Gone)
	r.refused(chat.Fetch{Place: place(room, ""), Target: root}, chat.Gone)
	r.do(chat.Delete{Place: place(room, ""), Targets: []string{root, reply}}, "delete")
	// A second attempt at a reply whose fate is unknown meets the same.
	_, err := r.Do(deadline(t), chat.Say{Place: place(room, root), Content: content}, chat.Try{Key: r.key("reply2"), Attempt: 2})
	if e := chat.AsError(err); e.Kind != chat.Gone {
		t.Errorf("second attempt in a thread that is gone: %v", err)
	}
}

// TestLargeFile takes 20 MB both ways.
func TestLargeFile(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	data := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	human(t)(s.peer.Upload(deadline(t), s.rooms[0], "", "voici", "sauvegarde été.tar", data))
	p := r.heard("voici")
	if len(p.Files) != 1 || p.Files[0].Size != int64(len(data)) {
		t.Fatalf("files %+v", p.Files)
	}
	in, err := r.Open(deadline(t), p.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err := errors.Join(err, in.Close()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	file := func(name string, data []byte) chat.File {
		return chat.File{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}}
	}
	var many []chat.File
	for i := range 12 { // more than one post takes
		many = append(many, file(fmt.Sprintf("page-%d.txt", i), []byte("texte")))
	}
	receipt := r.do(chat.Say{Place: place(s.rooms[0], ""), Content: chat.Content{Text: "tout", Files: append([]chat.File{file("tout.tar", data)}, many...)}}, "files")
	if len(receipt.Parts) != 2 {
		t.Errorf("%d posts for 13 files, want 2", len(receipt.Parts))
	}
	posts := s.eventually(t, s.rooms[0], "the files", func(posts []wirePost) bool {
		n := 0
		for _, post := range posts {
			if post.UserID == s.bot.ID {
				n += len(post.Metadata.Files)
			}
		}
		return n == 13
	})
	i := slices.IndexFunc(posts, func(p wirePost) bool { return p.Message == "tout" })
	if got, err := s.peer.file(deadline(t), posts[i].Metadata.Files[0].ID); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the human reads %d bytes, %v", len(got), err)
	}
	huge := file("trop.tar", nil)
	huge.Size = r.Caps(chat.Place{}).MaxFile + 1
	r.refused(chat.Say{Place: place(s.rooms[0], ""), Content: chat.Content{Text: "x", Files: []chat.File{huge}}}, chat.Permanent)
	short := file("court.txt", []byte("abc"))
	short.Size = 10
	r.refused(chat.Say{Place: place(s.rooms[0], ""), Content: chat.Content{Text: "x", Files: []chat.File{short}}}, chat.Permanent)
}

// TestCrowd: 200 messages within five seconds, with the websocket cut in their
// middle, each heard once and those of one person in order.
func TestCrowd(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	const people, each = 8, 25
	var writing sync.WaitGroup
	begin := time.Now()
	for i := range people {
		writing.Go(func() {
			for j := range each {
				if _, err := s.peer.Say(deadline(t), s.rooms[i%2], "", fmt.Sprintf("foule %d %02d", i, j)); err != nil {
					t.Error(err)
				}
				if i == 0 && j == each/2 {
					s.road.cut()
				}
			}
		})
	}
	writing.Wait()
	t.Logf("written in %v", time.Since(begin).Round(time.Millisecond))
	count := func(events []chat.Event) (n int) {
		for _, e := range events {
			if p, ok := e.(*chat.Posted); ok && strings.HasPrefix(p.Text, "foule ") {
				n++
			}
		}
		return n
	}
	r.await("200 messages", func(events []chat.Event) bool { return count(events) >= people*each })
	t.Logf("heard in %v", time.Since(begin).Round(time.Millisecond))
	last := make(map[string]string)
	for _, e := range r.inbox.Events() {
		p, ok := e.(*chat.Posted)
		if !ok || !strings.HasPrefix(p.Text, "foule ") {
			continue
		}
		who := p.Text[:len("foule 0")]
		if p.Text <= last[who] {
			t.Errorf("%q comes behind %q", p.Text, last[who])
		}
		last[who] = p.Text
	}
	if n := count(r.inbox.Events()); n != people*each {
		t.Errorf("%d messages, want %d", n, people*each)
	}
}

// TestResumed: a cut websocket goes on where it broke, without asking for each
// room.
func TestResumed(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	before := s.road.count("GET /api/v4/channels/" + s.ids[s.rooms[0]] + "/posts")
	seen := len(r.inbox.Events())
	s.road.cut()
	human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "pendant la coupure"))
	r.awaitState(seen, chat.CaughtUp)
	if p := r.heard("pendant la coupure"); p.Backlog {
		t.Log("read by REST although the connection was resumed")
	}
	s.road.mu.Lock()
	defer s.road.mu.Unlock()
	if s.road.resumed == 0 {
		t.Error("no connection was resumed")
	}
	if n := s.road.calls["GET /api/v4/channels/"+s.ids[s.rooms[0]]+"/posts"] - before; n > 0 {
		t.Errorf("posts were asked for %d times", n)
	}
}

// TestDeaf: a websocket that stands and does not bring what was said is
// noticed, and what was said is read.
func TestDeaf(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	s.road.set(func() { s.road.swallow = true })
	human(t)(s.peer.Say(deadline(t), s.rooms[0], "", "dans le vide"))
	r.heard("dans le vide")
}

// TestAtOnce: posts to different threads do not wait for each other.
func TestAtOnce(t *testing.T) {
	s := newSite(t)
	r := start(t, s.config(t), s.rooms, chattest.NewInbox())
	one := r.say(s.rooms[0], "", "fil 1", "one").Parts[0].ID
	two := r.say(s.rooms[0], "", "fil 2", "two").Parts[0].ID
	slow, said := make(chan struct{}), make(chan error, 1)
	s.road.set(func() {
		s.road.hold = func(string) error {
			<-slow
			return nil
		}
	})
	go func() {
		_, err := r.Do(deadline(t), chat.Say{Place: place(s.rooms[0], one), Content: chat.Content{Text: "lente"}}, chat.Try{Key: r.key("slow"), Attempt: 1})
		said <- err
	}()
	s.eventually(t, s.rooms[0], "the slow one", func(posts []wirePost) bool {
		return slices.ContainsFunc(posts, func(p wirePost) bool { return p.Message == "lente" })
	})
	r.say(s.rooms[0], two, "rapide", "fast")
	close(slow)
	if err := <-said; err != nil {
		t.Error(err)
	}
}
