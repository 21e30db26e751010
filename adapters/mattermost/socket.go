package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/mattermost/mattermost/server/public/model"
)

// Times of the websocket. The server sends a ping each minute and we send one
// twice a minute, so a silence of readTimeout means that nobody is there.
const (
	readTimeout  = 75 * time.Second
	writeTimeout = 10 * time.Second
	pingEvery    = 30 * time.Second
	maxFrame     = 16 << 20 // bytes; a post's props may be long
)

// frame is an event of the websocket, or the answer to something we asked
// there (which has SeqReply and no Event).
type frame struct {
	Event     string `json:"event"`
	Seq       int64  `json:"seq"`
	SeqReply  int64  `json:"seq_reply"`
	Broadcast struct {
		ChannelID string `json:"channel_id"`
		UserID    string `json:"user_id"`
	} `json:"broadcast"`
	Data struct {
		ConnectionID string            `json:"connection_id"` // hello
		Post         string            `json:"post"`          // JSON in a string
		Reaction     string            `json:"reaction"`      // JSON in a string
		ChannelType  model.ChannelType `json:"channel_type"`
		DeleteBy     string            `json:"delete_by"`
		UserID       string            `json:"user_id"`
		ChannelID    string            `json:"channel_id"`
		User         *model.User       `json:"user"`
	} `json:"data"`
}

// readFrame reads what the server sent. Data of events that are not for us may
// have any shape.
func readFrame(data []byte) (frame, error) {
	var head struct {
		Event string          `json:"event"`
		Seq   int64           `json:"seq"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return frame{}, err
	}
	switch head.Event {
	case "", eventHello, eventPosted, eventEdited, eventDeleted, eventReacted, eventUnreacted,
		eventAdded, eventRestored, eventUser:
		var f frame
		return f, json.Unmarshal(data, &f)
	}
	return frame{Event: head.Event, Seq: head.Seq}, nil
}

// The events that matter to us.
const (
	eventHello     = string(model.WebsocketEventHello)
	eventPosted    = string(model.WebsocketEventPosted)
	eventEdited    = string(model.WebsocketEventPostEdited)
	eventDeleted   = string(model.WebsocketEventPostDeleted)
	eventReacted   = string(model.WebsocketEventReactionAdded)
	eventUnreacted = string(model.WebsocketEventReactionRemoved)
	eventAdded     = string(model.WebsocketEventUserAdded)       // to a channel
	eventRestored  = string(model.WebsocketEventChannelRestored) // from the archive
	eventUser      = string(model.WebsocketEventUserUpdated)
)

// socket is one websocket.
type socket struct {
	conn  *websocket.Conn
	write sync.Mutex
}

// socketError is a handshake that the server refused.
type socketError struct {
	status int
	err    error
}

func (e *socketError) Error() string { return fmt.Sprintf("websocket: status %d: %v", e.status, e.err) }
func (e *socketError) Unwrap() error { return e.err }

// dial opens a websocket. With the ID of an earlier connection and the number
// of the next event the server goes on where that one broke, if it still has
// what is missing; without, it begins anew. The token has to stand in the
// header: resuming works only where the server knows us at the handshake.
func (a *Adapter) dial(ctx context.Context, acc *account, connection string, next int64) (*socket, error) {
	trust, err := a.cfg.tls()
	if err != nil {
		return nil, &credentialError{"file", err}
	}
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, HandshakeTimeout: 2 * dialTimeout}
	query := url.Values{"connection_id": {connection}, "sequence_number": {strconv.FormatInt(next, 10)}}
	header := http.Header{"Authorization": {"Bearer " + acc.api.AuthToken}, "User-Agent": {"Permanence"}}
	conn, resp, err := dialer.DialContext(ctx, a.cfg.socket+"?"+query.Encode(), header)
	if err != nil {
		status := 0
		if resp != nil {
			status = resp.StatusCode
			resp.Body.Close()
		}
		return nil, &socketError{status, err}
	}
	s := &socket{conn: conn}
	conn.SetReadLimit(maxFrame)
	alive := func() error { return conn.SetReadDeadline(time.Now().Add(readTimeout)) }
	conn.SetPongHandler(func(string) error { return alive() })
	conn.SetPingHandler(func(data string) error {
		// A pong that cannot be written will show as a silence.
		_ = s.control(websocket.PongMessage, []byte(data))
		return alive()
	})
	if err := errors.Join(alive(), s.ask()); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// ask sends a question that the server answers behind all it had to say
// before, and behind the hello of a new connection.
func (s *socket) ask() error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return s.conn.WriteMessage(websocket.TextMessage, []byte(`{"seq":1,"action":"ping"}`))
}

func (s *socket) control(kind int, data []byte) error {
	return s.conn.WriteControl(kind, data, time.Now().Add(writeTimeout))
}

// read gives the next frame.
func (s *socket) read() (frame, error) {
	_, data, err := s.conn.ReadMessage()
	if err != nil {
		return frame{}, err
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
		return frame{}, err
	}
	f, err := readFrame(data)
	if err != nil {
		return frame{}, fmt.Errorf("unreadable frame: %w", err)
	}
	return f, nil
}

// keepAlive pings until ctx ends, and closes the connection then.
func (s *socket) keepAlive(ctx context.Context) {
	defer s.conn.Close()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.control(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}
