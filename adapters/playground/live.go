package playground

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// heartbeat keeps proxies and browsers from giving up a silent stream.
const heartbeat = 20 * time.Second

// shown is a message as the page and other readers get it.
type shown struct {
	Message
	Seq int64 `json:"seq,omitempty"`
	// HTML is Text rendered and cleaned; empty where it is shown as it is.
	HTML string `json:"html,omitempty"`
}

// change is one event of the stream: what is new of one thing, whole, so that
// a change heard twice does no harm.
type change struct {
	Network string   `json:"network,omitempty"` // first event of a stream
	Seq     int64    `json:"seq"`
	Kind    Kind     `json:"kind,omitempty"`
	Message *shown   `json:"message,omitempty"`
	Room    *Room    `json:"room,omitempty"`
	Account *Account `json:"account,omitempty"`
	Mail    *Mail    `json:"mail,omitempty"`
}

// state is everything, for a page that begins.
type state struct {
	Network  string    `json:"network"`
	Seq      int64     `json:"seq"`
	Dress    string    `json:"dress"`
	Accounts []Account `json:"accounts"`
	Rooms    []Room    `json:"rooms"`
	Messages []shown   `json:"messages"`
	Mails    []Mail    `json:"mails"`
}

// recent is how many messages of a room a page begins with.
const recent = 300

func (s *server) show(m Message) shown {
	v := shown{Message: m}
	if s.net.Dress() != Poor && !m.Deleted {
		v.HTML = toHTML(m.Text)
	}
	return v
}

func (s *server) state(w http.ResponseWriter, _ *http.Request) {
	// The sequence number is read first: what comes between is told twice.
	s.net.mu.Lock()
	out := state{Network: s.net.id, Seq: int64(len(s.net.records)), Dress: "full"}
	s.net.mu.Unlock()
	if s.net.Dress() == Poor {
		out.Dress = "poor"
	}
	out.Accounts, out.Rooms = s.net.Accounts(), s.net.Rooms()
	for _, r := range out.Rooms {
		list := s.net.Messages(r.Name)
		for _, m := range list[max(0, len(list)-recent):] {
			out.Messages = append(out.Messages, s.show(m))
		}
	}
	if s.opts.Mailbox != nil {
		out.Mails = s.net.Mails()
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *server) rooms(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.net.Rooms())
}

// messages lists a room: ?room=&since=, with since those that changed after
// that sequence number.
func (s *server) messages(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseInt(r.FormValue("since"), 10, 64)
	changed := s.net.lastChanges(r.FormValue("room"))
	out := []shown{}
	for _, m := range s.net.Messages(r.FormValue("room")) {
		if seq := changed[m.ID]; seq > since {
			v := s.show(m)
			v.Seq = seq
			out = append(out, v)
		}
	}
	writeJSON(w, http.StatusOK, out)
}

// lastChanges tells the last sequence number of each message of a room.
func (n *Network) lastChanges(room string) map[string]int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	last := make(map[string]int64)
	for _, rec := range n.records {
		if rec.Room != room {
			continue
		}
		if rec.Kind == kindPosted {
			last[rec.ID] = rec.Seq
		} else if rec.Target != "" {
			last[rec.Target] = rec.Seq
		}
	}
	return last
}

// events streams changes (server-sent events) after ?since= or Last-Event-ID.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	after := int64(-1)
	for _, v := range []string{r.FormValue("since"), r.Header.Get("Last-Event-ID")} {
		if seq, err := strconv.ParseInt(v, 10, 64); err == nil {
			after = seq
		}
	}
	stream, err := s.net.Dial("", after)
	if err != nil {
		s.answer(w, reply{}, err)
		return
	}
	defer stream.Close()
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // a stream has no end
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(c change) error {
		body, err := json.Marshal(c)
		if err == nil {
			_, err = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", c.Seq, body)
		}
		return err
	}
	if after < 0 || after > stream.Head {
		after = stream.Head
	}
	fmt.Fprint(w, "retry: 700\n")
	if send(change{Network: s.net.ID(), Seq: after}) != nil || out.Flush() != nil {
		return
	}
	batches := make(chan []Record)
	go func() { // ends with the request's context, or with the stream
		defer close(batches)
		for {
			batch, err := stream.Next(r.Context())
			if err != nil {
				return
			}
			select {
			case batches <- batch:
			case <-r.Context().Done():
				return
			}
		}
	}()
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case batch, ok := <-batches:
			if !ok {
				return
			}
			for _, rec := range batch {
				if send(s.change(rec)) != nil {
					return
				}
			}
		case <-tick.C:
			fmt.Fprint(w, ": here\n\n")
		}
		if out.Flush() != nil {
			return
		}
	}
}

// change tells what a record changed, as it stands now.
func (s *server) change(rec Record) change {
	c := change{Seq: rec.Seq, Kind: rec.Kind}
	id := rec.Target
	switch rec.Kind {
	case kindPosted:
		id = rec.ID
	case kindAccount:
		c.Account = rec.Account
	case kindMail, kindWritten:
		if s.opts.Mailbox != nil {
			m := *rec.Mail
			m.ID, m.Seq, m.At, m.Written = rec.ID, rec.Seq, time.UnixMilli(rec.At).UTC(), rec.Kind == kindWritten
			c.Mail = &m
		}
	}
	if m, ok := s.net.Message(id); ok {
		v := s.show(m)
		c.Message = &v
	}
	switch rec.Kind {
	case kindRoom, kindTopic, kindPinned, kindUnpinned, kindJoined, kindLeft, kindGone, kindBack, kindRevoked, kindRestored:
		if r, ok := s.net.Room(rec.Room); ok {
			c.Room = &r
		}
	}
	return c
}
