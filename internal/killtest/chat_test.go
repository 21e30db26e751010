package killtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"permanence/internal/killtest/checker"
)

// The rooms, and the desk's account, of every scene.
const (
	teamRoom   = "equipe"
	publicRoom = "entraide"
	desk       = "permanence"
)

// message is one of the chat network's, as it stands.
type message struct {
	ID        string
	Room      string
	Thread    string
	By        string
	Text      string
	Deleted   bool
	Reactions []struct {
		Emoji string
		By    []string
	}
}

// signs are the emoji that somebody put on it.
func (m message) signs(by string) (list []string) {
	for _, r := range m.Reactions {
		if slices.Contains(r.By, by) {
			list = append(list, r.Emoji)
		}
	}
	slices.Sort(list)
	return list
}

// view is what people see on the network, kept up to date.
type view struct {
	keeper *keeper
	ledger *ledger

	mu       sync.Mutex
	messages map[string]message
	seq      int64
	notes    map[string]string // mark of a note by its message's ID
	changed  chan struct{}
}

func newView(k *keeper) *view {
	return &view{keeper: k, ledger: k.ledger, messages: map[string]message{}, notes: map[string]string{}, changed: make(chan struct{})}
}

// watch follows the network through all its processes until ctx ends.
func (v *view) watch(ctx context.Context) {
	for ctx.Err() == nil {
		p, err := v.keeper.current(ctx)
		if err != nil {
			return
		}
		_ = v.stream(ctx, p) // ends when the process does
		select {
		case <-p.exited:
		case <-time.After(20 * time.Millisecond): // or only the stream
		case <-ctx.Done():
		}
	}
}

func (v *view) stream(ctx context.Context, p *program) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.web+"/events?since="+strconv.FormatInt(v.seq, 10), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return err
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		var c struct {
			Seq     int64
			Message *message
		}
		if err := json.Unmarshal(data, &c); err != nil {
			return err
		}
		v.take(c.Seq, c.Message)
	}
}

func (v *view) take(seq int64, m *message) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seq = max(v.seq, seq)
	if m == nil {
		return
	}
	v.messages[m.ID] = *m
	v.tell(*m)
	close(v.changed)
	v.changed = make(chan struct{})
}

// tell writes that the team saw a note marked as sent; v.mu is held.
func (v *view) tell(m message) {
	if mark := v.notes[m.ID]; mark != "" && slices.Contains(m.signs(desk), checker.SentSign) {
		v.ledger.write(checker.Fact{Kind: checker.Told, Mark: mark})
		delete(v.notes, m.ID)
	}
}

// note names the message that holds a note.
func (v *view) note(id, mark string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.notes[id] = mark
	v.tell(v.messages[id])
}

// await waits until a message is as wanted.
func (v *view) await(ctx context.Context, what string, ok func(message) bool) (message, error) {
	for {
		v.mu.Lock()
		changed := v.changed
		for _, m := range v.messages {
			if !m.Deleted && ok(m) {
				v.mu.Unlock()
				return m, nil
			}
		}
		v.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return message{}, fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}

// room lists the messages of a room in their order.
func (p *program) room(ctx context.Context, room string) (list []message, err error) {
	body, err := get(ctx, p.web+"/api/messages?room="+url.QueryEscape(room))
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal([]byte(body), &list)
	return slices.DeleteFunc(list, func(m message) bool { return m.Deleted }), err
}

// act is one deed of a person on the network.
type act struct {
	As     string `json:"as"`
	Room   string `json:"room,omitempty"`
	Thread string `json:"thread,omitempty"`
	ID     string `json:"id,omitempty"`
	Text   string `json:"text,omitempty"`
	Emoji  string `json:"emoji,omitempty"`
	Name   string `json:"name,omitempty"`
}

// errRefused wraps an answer of the network that will not change.
var errRefused = errors.New("refused by the network")

// do performs a deed once; an error that is not errRefused says nothing about
// whether it was done.
func (p *program) do(ctx context.Context, verb string, a act) (id string, err error) {
	body, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.web+"/api/"+verb, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode/100 == 4 {
		return "", fmt.Errorf("%w: %s %s: %s", errRefused, verb, res.Status, said)
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %s", verb, res.Status, said)
	}
	var answer struct{ ID string }
	err = json.Unmarshal(said, &answer)
	return answer.ID, err
}

// insist performs a deed until it is acknowledged. It is for deeds that do
// nothing the second time, and for posts, whose text has a mark: before it is
// said again, the network itself is asked whether it was said.
func (k *keeper) insist(ctx context.Context, verb, mark string, a act) (id string, err error) {
	for tried := false; ; tried = true {
		p, err := k.current(ctx)
		if err != nil {
			return "", err
		}
		if tried && verb == "post" {
			list, err := p.room(ctx, a.Room)
			if err != nil {
				if ctx.Err() != nil {
					return "", err
				}
				if err := k.gone(ctx, p, err); err != nil {
					return "", err
				}
				continue
			}
			if i := slices.IndexFunc(list, func(m message) bool { return m.By == a.As && strings.Contains(m.Text, mark) }); i >= 0 {
				return list[i].ID, nil
			}
		}
		id, err = p.do(ctx, verb, a)
		if err == nil || errors.Is(err, errRefused) {
			return id, err
		}
		if err := k.gone(ctx, p, err); err != nil {
			return "", err
		}
	}
}

// gone waits for the end of a process that could not be spoken to.
func (k *keeper) gone(ctx context.Context, p *program, why error) error {
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("speak to the program: %w", errors.Join(why, ctx.Err()))
	}
}
