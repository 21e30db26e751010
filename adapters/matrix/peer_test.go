package matrix_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat/chattest"
	"permanence/internal/testservers"
)

// peer is a human at a client of its own, with its own loop and its own store
// of keys.
type peer struct {
	client *mautrix.Client
	me     id.UserID

	mu    sync.Mutex
	rooms map[string]id.RoomID // by the adapter's names
	said  map[id.RoomID][]*peerMessage
	by    map[id.EventID]*peerMessage
	marks map[id.EventID]peerMark
	edits map[id.EventID]string // of messages not seen yet
	gone  map[id.EventID]bool
	// order is that in which the server told of events, whenever their keys
	// came: clients show them so.
	order   map[id.EventID]int
	changed chan struct{}
	stop    context.CancelFunc
	ended   chan struct{}
	// open decrypts a file; nil without encryption.
	open func(*event.EncryptedFileInfo, []byte) ([]byte, error)
	// seal encrypts one.
	seal func([]byte) *event.EncryptedFileInfo
	// hears is called for each event of a room, in order.
	hears func(*event.Event)
}

type peerMessage struct {
	chattest.Message
	event   id.EventID
	sender  id.UserID
	content *event.MessageEventContent
	marks   map[id.EventID]string
	deleted bool
}

type peerMark struct {
	target id.EventID
	key    string
	by     id.UserID
}

// newPeer logs somebody in; prepare may add encryption before the loop begins.
func newPeer(t testing.TB, server string, account testservers.MatrixAccount, prepare func(*peer)) *peer {
	t.Helper()
	client, err := mautrix.NewClient(server, id.UserID(account.UserID), account.Token)
	if err != nil {
		t.Fatal(err)
	}
	client.DeviceID = id.DeviceID(account.DeviceID)
	p := &peer{
		client: client, me: client.UserID, rooms: make(map[string]id.RoomID), said: make(map[id.RoomID][]*peerMessage),
		by: make(map[id.EventID]*peerMessage), marks: make(map[id.EventID]peerMark), edits: make(map[id.EventID]string),
		gone: make(map[id.EventID]bool), order: make(map[id.EventID]int), changed: make(chan struct{}), ended: make(chan struct{}),
	}
	if prepare != nil {
		prepare(p)
	}
	syncer := client.Syncer.(*mautrix.DefaultSyncer)
	syncer.OnEvent(func(ctx context.Context, evt *event.Event) { p.hear(ctx, evt) })
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go p.loop(ctx)
	t.Cleanup(p.close)
	return p
}

func (p *peer) close() {
	p.stop()
	<-p.ended
}

func (p *peer) loop(ctx context.Context) {
	defer close(p.ended)
	since := ""
	for ctx.Err() == nil {
		resp, err := p.client.FullSyncRequest(ctx, mautrix.ReqSync{Timeout: 30000, Since: since, FilterID: `{"room":{"timeline":{"limit":500}}}`})
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Millisecond): // the server is away
			}
			continue
		}
		for rid := range resp.Rooms.Invite {
			if _, err := p.client.JoinRoomByID(ctx, rid); err != nil && ctx.Err() == nil {
				fmt.Println("peer join:", err)
			}
		}
		if err := p.client.Syncer.ProcessResponse(ctx, resp, since); err != nil && ctx.Err() == nil {
			fmt.Println("peer sync:", err)
		}
		since = resp.NextBatch
	}
}

func (p *peer) hear(ctx context.Context, evt *event.Event) {
	if evt.Mautrix.EventSource&event.SourceTimeline == 0 && evt.Mautrix.EventSource&event.SourceDecrypted == 0 {
		return
	}
	_ = evt.Content.ParseRaw(evt.Type) // parsed already, mostly
	var files []chattest.File
	if c, ok := evt.Content.Parsed.(*event.MessageEventContent); ok && c.MsgType.IsMedia() {
		files = p.download(ctx, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, told := p.order[evt.ID]; !told {
		p.order[evt.ID] = len(p.order)
	}
	if p.hears != nil {
		p.hears(evt)
	}
	defer func() {
		close(p.changed)
		p.changed = make(chan struct{})
	}()
	switch c := evt.Content.Parsed.(type) {
	case *event.MessageEventContent:
		if target := c.RelatesTo.GetReplaceID(); target != "" {
			if m := p.by[target]; m != nil {
				if m.sender == evt.Sender && c.NewContent != nil {
					m.Text = c.NewContent.Body
					m.content = c.NewContent
				}
			} else if c.NewContent != nil {
				p.edits[target] = c.NewContent.Body
			}
			return
		}
		if p.by[evt.ID] != nil {
			return
		}
		m := &peerMessage{
			Message: chattest.Message{ID: string(evt.ID), Text: c.Body, Thread: string(c.RelatesTo.GetThreadParent()), Mine: evt.Sender == p.me, Files: files},
			event:   evt.ID, sender: evt.Sender, content: c, marks: make(map[id.EventID]string), deleted: p.gone[evt.ID],
		}
		if text, ok := p.edits[evt.ID]; ok {
			m.Text = text
		}
		p.by[evt.ID] = m
		said := append(p.said[evt.RoomID], m)
		slices.SortStableFunc(said, func(a, b *peerMessage) int { return p.order[a.event] - p.order[b.event] })
		p.said[evt.RoomID] = said
	case *event.ReactionEventContent:
		p.marks[evt.ID] = peerMark{c.RelatesTo.EventID, c.RelatesTo.Key, evt.Sender}
		if m := p.by[c.RelatesTo.EventID]; m != nil {
			m.marks[evt.ID] = c.RelatesTo.Key
		}
	case *event.RedactionEventContent:
		target := evt.Redacts
		if c.Redacts != "" {
			target = c.Redacts
		}
		p.gone[target] = true
		if m := p.by[target]; m != nil {
			m.deleted = true
		}
		if mark, ok := p.marks[target]; ok {
			if m := p.by[mark.target]; m != nil {
				delete(m.marks, target)
			}
			delete(p.marks, target)
		}
	}
}

func (p *peer) download(ctx context.Context, c *event.MessageEventContent) []chattest.File {
	address := c.URL
	if c.File != nil {
		address = c.File.URL
	}
	uri, err := address.Parse()
	if err != nil {
		return nil
	}
	data, err := p.client.DownloadBytes(ctx, uri)
	if err == nil && c.File != nil {
		data, err = p.open(c.File, data)
	}
	if err != nil {
		fmt.Println("peer download:", err)
		return nil
	}
	return []chattest.File{{Name: c.GetFileName(), Data: data}}
}

// room gives the identifier of a room of the adapter's.
func (p *peer) room(name string) id.RoomID {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rid, ok := p.rooms[name]; ok {
		return rid
	}
	return id.RoomID(name)
}

func (p *peer) send(ctx context.Context, room string, content *event.MessageEventContent) (string, error) {
	resp, err := p.client.SendMessageEvent(ctx, p.room(room), event.EventMessage, content)
	if err != nil {
		return "", err
	}
	return string(resp.EventID), nil
}

func threaded(c *event.MessageEventContent, thread string) *event.MessageEventContent {
	if thread != "" {
		c.RelatesTo = (&event.RelatesTo{}).SetThread(id.EventID(thread), id.EventID(thread))
	}
	return c
}

func (p *peer) Say(ctx context.Context, room, thread, text string) (string, error) {
	return p.send(ctx, room, threaded(&event.MessageEventContent{MsgType: event.MsgText, Body: text}, thread))
}

func (p *peer) Edit(ctx context.Context, room, target, text string) error {
	c := &event.MessageEventContent{MsgType: event.MsgText, Body: text}
	c.SetEdit(id.EventID(target))
	_, err := p.send(ctx, room, c)
	return err
}

func (p *peer) Delete(ctx context.Context, room, target string) error {
	_, err := p.client.RedactEvent(ctx, p.room(room), id.EventID(target))
	return err
}

func (p *peer) React(ctx context.Context, room, target, emoji string) error {
	_, err := p.client.SendReaction(ctx, p.room(room), id.EventID(target), emoji)
	return err
}

func (p *peer) Unreact(ctx context.Context, room, target, emoji string) error {
	// The reaction may not have come back yet.
	for {
		p.mu.Lock()
		changed := p.changed
		var mark id.EventID
		for event, m := range p.marks {
			if m.target == id.EventID(target) && m.key == emoji && m.by == p.me {
				mark = event
			}
		}
		p.mu.Unlock()
		if mark != "" {
			_, err := p.client.RedactEvent(ctx, p.room(room), mark)
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (p *peer) Upload(ctx context.Context, room, thread, text, name string, data []byte) (string, error) {
	c := &event.MessageEventContent{MsgType: event.MsgFile, Body: text, FileName: name, Info: &event.FileInfo{MimeType: "application/octet-stream", Size: len(data)}}
	if p.seal != nil {
		data = slices.Clone(data)
		c.File = p.seal(data)
	}
	up, err := p.client.UploadBytes(ctx, data, "application/octet-stream")
	if err != nil {
		return "", err
	}
	if c.File != nil {
		c.File.URL = up.ContentURI.CUString()
	} else {
		c.URL = up.ContentURI.CUString()
	}
	return p.send(ctx, room, threaded(c, thread))
}

func (p *peer) Press(context.Context, string, string, string) error { return chattest.ErrCannot }

func (p *peer) Await(ctx context.Context, room string, ok func([]chattest.Message) bool) ([]chattest.Message, error) {
	rid := p.room(room)
	for {
		p.mu.Lock()
		changed := p.changed
		var list []chattest.Message
		for _, m := range p.said[rid] {
			if m.deleted {
				continue
			}
			shown := m.Message
			for _, key := range m.marks {
				shown.Reactions = append(shown.Reactions, key)
			}
			list = append(list, shown)
		}
		p.mu.Unlock()
		if ok(list) {
			return list, nil
		}
		select {
		case <-ctx.Done():
			return list, ctx.Err()
		case <-changed:
		}
	}
}

// find waits for a message of somebody else with part in its text.
func (p *peer) find(ctx context.Context, room, part string) (*peerMessage, error) {
	var found string
	if _, err := p.Await(ctx, room, func(list []chattest.Message) bool {
		for _, m := range list {
			if !m.Mine && strings.Contains(m.Text, part) {
				found = m.ID
			}
		}
		return found != ""
	}); err != nil {
		return nil, fmt.Errorf("%q in %s: %w", part, room, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[id.EventID(found)], nil
}

// make makes a public room, by alias where there is one.
func (p *peer) make(ctx context.Context, alias string, encrypted bool) (string, error) {
	req := &mautrix.ReqCreateRoom{Preset: "public_chat", RoomAliasName: alias, Name: "Salon"}
	if encrypted {
		empty := ""
		req.InitialState = []*event.Event{{Type: event.StateEncryption, StateKey: &empty, Content: event.Content{
			Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1},
		}}}
	}
	made, err := p.client.CreateRoom(ctx, req)
	if err != nil {
		return "", err
	}
	name := string(made.RoomID)
	if alias != "" {
		name = "#" + alias + ":example.org"
	}
	p.mu.Lock()
	p.rooms[name] = made.RoomID
	p.mu.Unlock()
	return name, nil
}

// levels sets what it takes to speak in a room.
func (p *peer) levels(ctx context.Context, room string, speak int) error {
	var now event.PowerLevelsEventContent
	if err := p.client.StateEvent(ctx, p.room(room), event.StatePowerLevels, "", &now); err != nil {
		return err
	}
	now.EventsDefault = speak
	_, err := p.client.SendStateEvent(ctx, p.room(room), event.StatePowerLevels, "", &now)
	return err
}

// ban throws somebody out, or lets them come back.
func (p *peer) ban(ctx context.Context, room string, whom id.UserID, out bool) error {
	if out {
		_, err := p.client.BanUser(ctx, p.room(room), &mautrix.ReqBanUser{UserID: whom})
		return err
	}
	_, err := p.client.UnbanUser(ctx, p.room(room), &mautrix.ReqUnbanUser{UserID: whom})
	return err
}

var _ chattest.Peer = (*peer)(nil)
