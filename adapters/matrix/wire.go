package matrix

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// syncAnswer is an answer of /sync whose events are read one by one, so that a
// strange one does not take the others with it
// (https://spec.matrix.org/v1.13/client-server-api/#syncing).
type syncAnswer struct {
	NextBatch    string              `json:"next_batch"`
	AccountData  rawEvents           `json:"account_data"`
	ToDevice     rawEvents           `json:"to_device"`
	DeviceLists  mautrix.DeviceLists `json:"device_lists"`
	OneTimeKeys  *mautrix.OTKCount   `json:"device_one_time_keys_count"`
	FallbackKeys []id.KeyAlgorithm   `json:"device_unused_fallback_key_types"`
	Rooms        struct {
		Join   map[id.RoomID]joinedRoom  `json:"join"`
		Invite map[id.RoomID]invitedRoom `json:"invite"`
		Leave  map[id.RoomID]joinedRoom  `json:"leave"`
	} `json:"rooms"`
}

type rawEvents struct {
	Events []json.RawMessage `json:"events"`
}

type joinedRoom struct {
	State    rawEvents `json:"state"`
	Timeline struct {
		Events    []json.RawMessage `json:"events"`
		Limited   bool              `json:"limited"`
		PrevBatch string            `json:"prev_batch"`
	} `json:"timeline"`
}

type invitedRoom struct {
	State rawEvents `json:"invite_state"`
}

// syncFilter asks for what we read: no presence, no typing, no receipts, and
// of members only those who speak.
func syncFilter() string {
	none := &mautrix.FilterPart{NotTypes: []event.Type{{Type: "*"}}}
	data, err := json.Marshal(&mautrix.Filter{
		Presence: none,
		Room: &mautrix.RoomFilter{
			Ephemeral: none, AccountData: none,
			State:    &mautrix.FilterPart{LazyLoadMembers: true},
			Timeline: &mautrix.FilterPart{Limit: timelineLimit, LazyLoadMembers: true},
		},
	})
	if err != nil {
		return "" // a filter less is more to read, nothing else
	}
	return string(data)
}

// timelineLimit is how many events of a room one sync brings; what is more is
// fetched as history.
const timelineLimit = 100

// sync asks what is new since a token, and waits up to patience for it.
func (l *link) sync(ctx context.Context, since string, patience time.Duration) (*syncAnswer, error) {
	// A server that holds the connection and says nothing is gone.
	ctx, cancel := context.WithTimeout(ctx, patience+requestTimeout)
	defer cancel()
	query := map[string]string{
		"timeout": strconv.FormatInt(patience.Milliseconds(), 10), "filter": syncFilter(), "set_presence": "online",
	}
	if since != "" {
		query["since"] = since
	}
	var answer syncAnswer
	_, err := l.client.MakeFullRequest(ctx, mautrix.FullRequest{
		Method: http.MethodGet, URL: l.client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "sync"}, query), ResponseJSON: &answer, MaxAttempts: 1,
	})
	return &answer, err
}

// decode reads one event. Strange content is kept raw: whoever needs it says
// that it cannot be read.
func decode(raw json.RawMessage, rid id.RoomID) (*event.Event, error) {
	var evt event.Event
	if err := json.Unmarshal(raw, &evt); err != nil {
		return nil, err
	}
	if rid != "" {
		evt.RoomID = rid
	}
	evt.Type.Class = event.MessageEventType
	if evt.StateKey != nil {
		evt.Type.Class = event.StateEventType
	}
	return &evt, nil
}

// sketch is what can be read of an event that cannot be read.
type sketch struct {
	ID     id.EventID `json:"event_id"`
	Sender id.UserID  `json:"sender"`
}

// decodeAll reads a list of events and leaves out what is none.
func (a *Adapter) decodeAll(list []json.RawMessage, rid id.RoomID) []*event.Event {
	events := make([]*event.Event, 0, len(list))
	for _, raw := range list {
		evt, err := decode(raw, rid)
		if err != nil {
			var s sketch
			if json.Unmarshal(raw, &s) == nil && s.ID != "" && s.Sender != "" && rid != "" {
				// Shown as something that could not be read.
				evt = &event.Event{ID: s.ID, Sender: s.Sender, RoomID: rid, Type: event.EventMessage, Timestamp: time.Now().UnixMilli()}
				events = append(events, evt)
			}
			a.log.Warn("strange event", "room", rid, "event", s.ID, "err", err)
			continue
		}
		events = append(events, evt)
	}
	return events
}

// at is the time that the server gives an event.
func at(evt *event.Event) time.Time {
	if evt.Timestamp <= 0 || evt.Timestamp > 1<<53 {
		return time.Now().UTC()
	}
	return time.UnixMilli(evt.Timestamp).UTC()
}

// page is a piece of a room's history.
type page struct {
	Chunk []json.RawMessage `json:"chunk"`
	End   string            `json:"end"`
}

// history goes back through a room from a token
// (https://spec.matrix.org/v1.13/client-server-api/#get_matrixclientv3roomsroomidmessages).
func (l *link) history(ctx context.Context, rid id.RoomID, from, to string, limit int) (*page, error) {
	query := map[string]string{"dir": "b", "limit": strconv.Itoa(limit)}
	if from != "" {
		query["from"] = from
	}
	if to != "" {
		query["to"] = to
	}
	var p page
	_, err := l.client.MakeRequest(ctx, http.MethodGet, l.client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "rooms", rid, "messages"}, query), nil, &p)
	return &p, err
}

// fetch gives one event. Its RoomID is the true one: Dendrite gives events of
// other rooms that we are in too (v0.15.2).
func (l *link) fetch(ctx context.Context, rid id.RoomID, target id.EventID) (*event.Event, error) {
	var raw json.RawMessage
	if _, err := l.client.MakeRequest(ctx, http.MethodGet, l.client.BuildClientURL("v3", "rooms", rid, "event", target), nil, &raw); err != nil {
		return nil, err
	}
	evt, err := decode(raw, "")
	if err == nil && evt.RoomID == "" {
		evt.RoomID = rid
	}
	return evt, err
}
