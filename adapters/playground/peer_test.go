package playground_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"permanence/bot/chat/chattest"
)

// peer is a human at the JSON API: it knows nothing of the adapter.
type peer struct {
	base string // "http://127.0.0.1:1234"
	as   string
	poor bool
}

type wire struct {
	ID        string `json:"id"`
	Thread    string `json:"thread"`
	By        string `json:"by"`
	Text      string `json:"text"`
	HTML      string `json:"html"`
	Deleted   bool   `json:"deleted"`
	Reactions []struct {
		Emoji string   `json:"emoji"`
		By    []string `json:"by"`
	} `json:"reactions"`
	Files   []struct{ ID, Name string }             `json:"files"`
	Buttons []struct{ Action, Value, Label string } `json:"buttons"`
}

type result struct {
	ID     string            `json:"id"`
	Room   string            `json:"room"`
	Text   string            `json:"text"`
	Errors map[string]string `json:"errors"`
	Form   *struct {
		ID, Value, Title string
		Fields           []struct{ Name, Label string }
	} `json:"form"`
	Account *struct{ ID string }           `json:"account"`
	Code    int                            `json:"code"`
	Answer  string                         `json:"answer"`
	Error   *struct{ Kind, FR, EN string } `json:"error"`
}

func (p *peer) call(ctx context.Context, action string, body map[string]any) (result, error) {
	body["as"] = p.as
	data, err := json.Marshal(body)
	if err != nil {
		return result{}, err
	}
	return p.send(ctx, "/api/"+action, "application/json", data)
}

func (p *peer) send(ctx context.Context, path, mediaType string, data []byte) (result, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", p.base+path, bytes.NewReader(data))
	if err != nil {
		return result{}, err
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return result{}, err
	}
	defer resp.Body.Close()
	var r result
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("%s: %s: %w", path, resp.Status, err)
	}
	if r.Error != nil {
		if p.poor && strings.HasPrefix(r.Error.EN, "this network knows no ") {
			return r, chattest.ErrCannot
		}
		return r, fmt.Errorf("%s: %s: %s", path, r.Error.Kind, r.Error.EN)
	}
	return r, nil
}

// Say types a text; on a network of lines a human sends one line after another.
func (p *peer) Say(ctx context.Context, room, thread, text string) (string, error) {
	texts := []string{text}
	limit := 15000
	if p.poor {
		limit = 380
	}
	if len(text) > limit || p.poor && strings.Contains(text, "\n") {
		texts = wrap(text, limit)
	}
	var id string
	for _, t := range texts {
		r, err := p.call(ctx, "post", map[string]any{"room": room, "thread": thread, "text": t})
		if err != nil {
			return "", err
		}
		if id == "" {
			id = r.ID
		}
	}
	return id, nil
}

// wrap breaks a text into lines of words.
func wrap(text string, limit int) []string {
	var lines []string
	var line string
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > limit {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}

func (p *peer) Edit(ctx context.Context, room, id, text string) error {
	_, err := p.call(ctx, "edit", map[string]any{"room": room, "id": id, "text": text})
	return err
}

func (p *peer) Delete(ctx context.Context, room, id string) error {
	_, err := p.call(ctx, "delete", map[string]any{"room": room, "id": id})
	return err
}

func (p *peer) React(ctx context.Context, room, id, emoji string) error {
	_, err := p.call(ctx, "react", map[string]any{"room": room, "id": id, "emoji": emoji})
	return err
}

func (p *peer) Unreact(ctx context.Context, room, id, emoji string) error {
	_, err := p.call(ctx, "unreact", map[string]any{"room": room, "id": id, "emoji": emoji})
	return err
}

func (p *peer) Upload(ctx context.Context, room, thread, text, name string, data []byte) (string, error) {
	q := url.Values{"as": {p.as}, "name": {name}}
	f, err := p.send(ctx, "/api/files?"+q.Encode(), "application/octet-stream", data)
	if err != nil {
		return "", err
	}
	r, err := p.call(ctx, "post", map[string]any{"room": room, "thread": thread, "text": text, "files": []string{f.ID}})
	return r.ID, err
}

func (p *peer) Press(ctx context.Context, room, id, label string) error {
	list, err := p.messages(ctx, room)
	if err != nil {
		return err
	}
	for _, m := range list {
		for _, b := range m.Buttons {
			if m.ID == id && b.Label == label {
				_, err := p.call(ctx, "press", map[string]any{"room": room, "id": id, "action": b.Action, "value": b.Value})
				return err
			}
		}
	}
	return fmt.Errorf("no button %q on %s", label, id)
}

func (p *peer) messages(ctx context.Context, room string) ([]wire, error) {
	data, err := p.get(ctx, "/api/messages?room="+url.QueryEscape(room))
	if err != nil {
		return nil, err
	}
	var list []wire
	return list, json.Unmarshal(data, &list)
}

func (p *peer) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", p.base+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// Await looks at the room again whenever the event stream tells of a change.
func (p *peer) Await(ctx context.Context, room string, ok func([]chattest.Message) bool) ([]chattest.Message, error) {
	var last []chattest.Message
	for { // once for each stream: a restarted server ends it
		done, err := p.watch(ctx, func() (bool, error) {
			var err error
			last, err = p.read(ctx, room)
			return err == nil && ok(last), err
		})
		if done || err != nil {
			return last, err
		}
	}
}

// watch calls look at once and after every event, until it is done or the
// stream ends.
func (p *peer) watch(ctx context.Context, look func() (bool, error)) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", p.base+"/events", nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false, ctx.Err()
		}
		if !strings.HasPrefix(line, "data: ") {
			continue
		}
		if done, err := look(); done || err != nil {
			return done, err
		}
	}
}

func (p *peer) read(ctx context.Context, room string) ([]chattest.Message, error) {
	list, err := p.messages(ctx, room)
	if err != nil {
		return nil, err
	}
	var seen []chattest.Message
	for _, m := range list {
		if m.Deleted {
			continue
		}
		c := chattest.Message{ID: m.ID, Thread: m.Thread, Text: m.Text, Mine: m.By == p.as}
		for _, r := range m.Reactions {
			c.Reactions = append(c.Reactions, r.Emoji)
		}
		for _, f := range m.Files {
			data, err := p.get(ctx, "/api/files/"+f.ID)
			if err != nil {
				return nil, err
			}
			c.Files = append(c.Files, chattest.File{Name: f.Name, Data: data})
		}
		seen = append(seen, c)
	}
	return seen, nil
}
