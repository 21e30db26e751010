package mattermost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// peer is a human at Mattermost's own protocol: it shares nothing with the
// adapter.
type peer struct {
	t      testing.TB
	base   string
	token  string
	id     string
	rooms  map[string]string // channel ID by room
	mu     sync.Mutex
	files  map[string][]byte
	signal chan struct{} // closed when something happened
}

// wirePost is a post on the wire.
type wirePost struct {
	ID       string `json:"id"`
	RootID   string `json:"root_id"`
	UserID   string `json:"user_id"`
	Message  string `json:"message"`
	Type     string `json:"type"`
	CreateAt int64  `json:"create_at"`
	DeleteAt int64  `json:"delete_at"`
	IsPinned bool   `json:"is_pinned"`
	Props    struct {
		Key  string `json:"permanence_key"`
		Part string `json:"permanence_part"`
	} `json:"props"`
	Metadata struct {
		Reactions []struct {
			Emoji string `json:"emoji_name"`
		} `json:"reactions"`
		Files []struct{ ID, Name string } `json:"files"`
	} `json:"metadata"`
}

// newPeer lets somebody listen in rooms, named as in the configuration.
func newPeer(t testing.TB, server *testservers.MattermostServer, who testservers.MattermostAccount, rooms map[string]string) *peer {
	p := &peer{t: t, base: server.URL, token: who.Token, id: who.ID, rooms: rooms, files: make(map[string][]byte), signal: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	var listening sync.WaitGroup
	listening.Go(func() { p.listen(ctx) })
	t.Cleanup(func() {
		stop()
		listening.Wait()
	})
	return p
}

// listen wakes up whoever waits when the server says anything; what happened
// is asked for. It connects again for ever.
func (p *peer) listen(ctx context.Context) {
	address := "ws" + strings.TrimPrefix(p.base, "http") + "/api/v4/websocket"
	for ctx.Err() == nil {
		conn, _, err := websocket.DefaultDialer.DialContext(ctx, address, http.Header{"Authorization": {"Bearer " + p.token}})
		if err == nil {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			for err == nil {
				_, _, err = conn.ReadMessage()
				p.mu.Lock()
				close(p.signal)
				p.signal = make(chan struct{})
				p.mu.Unlock()
			}
			stop()
			conn.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *peer) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	data, err := p.send(ctx, method, path, "application/json", body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(data, out)
}

func (p *peer) send(ctx context.Context, method, path, mediaType string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.base+"/api/v4"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, data)
	}
	return data, err
}

func (p *peer) channel(room string) string {
	if id, ok := p.rooms[room]; ok {
		return id
	}
	return room
}

// Say types a text; a long one becomes several posts.
func (p *peer) Say(ctx context.Context, room, thread, text string) (string, error) {
	id := ""
	for len(text) > 0 {
		part := text
		if len(part) > 15000 {
			at := strings.LastIndexAny(part[:15000], " \n")
			part = part[:at]
		}
		text = strings.TrimSpace(text[len(part):])
		var post wirePost
		in := map[string]string{"channel_id": p.channel(room), "root_id": thread, "message": part}
		if err := p.call(ctx, "POST", "/posts", in, &post); err != nil {
			return "", err
		}
		if id == "" {
			id = post.ID
		}
	}
	return id, nil
}

func (p *peer) Edit(ctx context.Context, _, id, text string) error {
	return p.call(ctx, "PUT", "/posts/"+id+"/patch", map[string]string{"message": text}, nil)
}

func (p *peer) Delete(ctx context.Context, _, id string) error {
	return p.call(ctx, "DELETE", "/posts/"+id, nil, nil)
}

// names are the emoji of the suite as Mattermost's menu calls them.
var names = map[string]string{"✉️": "envelope", "👀": "eyes", "✅": "white_check_mark", "📬": "mailbox_with_mail"}

func (p *peer) React(ctx context.Context, _, id, emoji string) error {
	in := map[string]string{"user_id": p.id, "post_id": id, "emoji_name": names[emoji]}
	return p.call(ctx, "POST", "/reactions", in, nil)
}

func (p *peer) Unreact(ctx context.Context, _, id, emoji string) error {
	return p.call(ctx, "DELETE", "/users/me/posts/"+id+"/reactions/"+names[emoji], nil, nil)
}

func (p *peer) Upload(ctx context.Context, room, thread, text, name string, data []byte) (string, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("channel_id", p.channel(room)); err != nil {
		return "", err
	}
	part, err := w.CreateFormFile("files", name)
	if err != nil {
		return "", err
	}
	if _, err := part.Write(data); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	answer, err := p.send(ctx, "POST", "/files", w.FormDataContentType(), &form)
	if err != nil {
		return "", err
	}
	var up struct {
		Infos []struct{ ID string } `json:"file_infos"`
	}
	if err := json.Unmarshal(answer, &up); err != nil {
		return "", err
	}
	var post wirePost
	in := map[string]any{"channel_id": p.channel(room), "root_id": thread, "message": text, "file_ids": []string{up.Infos[0].ID}}
	err = p.call(ctx, "POST", "/posts", in, &post)
	return post.ID, err
}

// Press presses a button as a client does that has read the post.
func (p *peer) Press(ctx context.Context, _, id, label string) error {
	var card struct {
		Props struct {
			Attachments []struct {
				Actions []struct{ ID, Name string }
			}
		}
	}
	if err := p.call(ctx, "GET", "/posts/"+id, nil, &card); err != nil {
		return err
	}
	for _, a := range card.Props.Attachments {
		for _, b := range a.Actions {
			if b.Name == label {
				return p.call(ctx, "POST", "/posts/"+id+"/actions/"+b.ID, map[string]string{}, nil)
			}
		}
	}
	return chattest.ErrCannot
}

// posts gives the youngest posts of a room, oldest first.
func (p *peer) posts(ctx context.Context, room string) ([]wirePost, error) {
	var list struct {
		Order []string
		Posts map[string]wirePost
	}
	query := url.Values{"per_page": {"120"}, "skipFetchThreads": {"true"}}
	if err := p.call(ctx, "GET", "/channels/"+p.channel(room)+"/posts?"+query.Encode(), nil, &list); err != nil {
		return nil, err
	}
	var posts []wirePost
	for _, id := range slices.Backward(list.Order) {
		if post := list.Posts[id]; post.DeleteAt == 0 && post.Type == "" {
			posts = append(posts, post)
		}
	}
	return posts, nil
}

func (p *peer) look(ctx context.Context, room string) ([]chattest.Message, error) {
	posts, err := p.posts(ctx, room)
	if err != nil {
		return nil, err
	}
	var seen []chattest.Message
	for _, post := range posts {
		m := chattest.Message{ID: post.ID, Thread: post.RootID, Text: post.Message, Mine: post.UserID == p.id}
		for _, r := range post.Metadata.Reactions {
			for emoji, name := range names {
				if name == r.Emoji {
					m.Reactions = append(m.Reactions, emoji)
				}
			}
		}
		for _, f := range post.Metadata.Files {
			data, err := p.file(ctx, f.ID)
			if err != nil {
				return nil, err
			}
			m.Files = append(m.Files, chattest.File{Name: f.Name, Data: data})
		}
		seen = append(seen, m)
	}
	return seen, nil
}

func (p *peer) file(ctx context.Context, id string) ([]byte, error) {
	p.mu.Lock()
	data, ok := p.files[id]
	p.mu.Unlock()
	if ok {
		return data, nil
	}
	data, err := p.send(ctx, "GET", "/files/"+id, "", nil)
	if err == nil {
		p.mu.Lock()
		p.files[id] = data
		p.mu.Unlock()
	}
	return data, err
}

// Await looks whenever the server says something, and now and then.
func (p *peer) Await(ctx context.Context, room string, ok func([]chattest.Message) bool) ([]chattest.Message, error) {
	for {
		p.mu.Lock()
		signal := p.signal
		p.mu.Unlock()
		seen, err := p.look(ctx, room)
		if err == nil && ok(seen) {
			return seen, nil
		}
		again := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ctx.Done():
			again.Stop()
			if err == nil {
				err = ctx.Err()
			}
			return seen, err
		case <-signal:
		case <-again.C:
		}
		again.Stop()
	}
}

// ear is a bare websocket that remembers the posts it brought.
type ear struct {
	posts chan wirePost
}

func listen(t testing.TB, base, token string) *ear {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(base, "http")+"/api/v4/websocket", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{posts: make(chan wirePost, 100_000)}
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			var f struct {
				Event string
				Data  struct{ Post string }
			}
			if err := conn.ReadJSON(&f); err != nil {
				return
			}
			var post wirePost
			if f.Event == "posted" && json.Unmarshal([]byte(f.Data.Post), &post) == nil {
				e.posts <- post
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	return e
}

// hear waits for a post and gives its ID.
func (e *ear) hear(ctx context.Context, text string) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case p := <-e.posts:
			if p.Message == text {
				return p.ID, nil
			}
		}
	}
}
