package bot

import (
	"strings"
	"sync"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

// recent keeps the last hour of each public intake in memory, fifty lines at
// most, for making a ticket of somebody's line. It is never stored.
type recent struct {
	mu    sync.Mutex
	rooms map[chat.Place][]line
}

type line struct {
	at tickets.Time
	p  chat.Posted
}

const (
	recentFor   = time.Hour
	recentLines = 50
)

func (r *recent) add(room chat.Place, p *chat.Posted, now tickets.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rooms == nil {
		r.rooms = map[chat.Place][]line{}
	}
	ls := r.rooms[room]
	for i := range ls {
		if ls[i].p.ID == p.ID {
			return // the same event, decided again
		}
	}
	ls = append(ls, line{now, *p})
	for len(ls) > recentLines || len(ls) > 0 && ls[0].at < now.Add(-recentFor) {
		ls = ls[1:]
	}
	r.rooms[room] = ls
}

// find gives the line with that remote ID.
func (r *recent) find(room chat.Place, id string, now tickets.Time) (chat.Posted, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.rooms[room] {
		if l.p.ID == id && l.at >= now.Add(-recentFor) {
			return l.p, true
		}
	}
	return chat.Posted{}, false
}

// of gives the lines of somebody, oldest first, by name or handle.
func (r *recent) of(room chat.Place, who string, now tickets.Time) []chat.Posted {
	who = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(who)), "@")
	r.mu.Lock()
	defer r.mu.Unlock()
	var ps []chat.Posted
	for _, l := range r.rooms[room] {
		h := strings.TrimPrefix(strings.ToLower(l.p.From.Handle), "@")
		if l.at >= now.Add(-recentFor) && (h == who || strings.ToLower(l.p.From.Name) == who) {
			ps = append(ps, l.p)
		}
	}
	return ps
}

// edit keeps the line true and tells whether it is there; forget drops a deleted one.
func (r *recent) edit(room chat.Place, id, text string) (found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.rooms[room] {
		if r.rooms[room][i].p.ID == id {
			r.rooms[room][i].p.Text = text
			found = true
		}
	}
	return found
}

func (r *recent) forget(room chat.Place, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ls := r.rooms[room]
	for i := range ls {
		if ls[i].p.ID == id {
			r.rooms[room] = append(ls[:i:i], ls[i+1:]...)
			return
		}
	}
}
