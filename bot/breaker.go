package bot

import (
	"strings"
	"sync"
	"time"

	"permanence/bot/chat"
	"permanence/tickets"
)

// breaker counts what we say by ourselves (acknowledgements, answers to
// commands, tickets opened by one sender) per room and per mail peer. People's
// lines that are relayed once never count. It lives in memory: after a restart
// every bucket is full again.
type breaker struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	left float64
	at   tickets.Time
	told bool
}

// limits of a bucket: how many at once, and how long until one more.
type limit struct {
	burst int
	every time.Duration
}

var (
	answersPerRoom   = limit{burst: 20, every: 3 * time.Second}
	acksPerDesk      = limit{burst: 60, every: time.Minute}
	ticketsPerSender = limit{burst: 10, every: 2 * time.Minute}
)

// allow takes one from the bucket; first is true when it has just run empty.
func (b *breaker) allow(key string, l limit, now tickets.Time) (ok, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buckets == nil {
		b.buckets = map[string]*bucket{}
	}
	k := b.buckets[key]
	if k == nil {
		if len(b.buckets) > 10000 { // a flood of senders must not fill the memory
			b.buckets = map[string]*bucket{}
		}
		k = &bucket{left: float64(l.burst), at: now}
		b.buckets[key] = k
	}
	k.left = min(float64(l.burst), k.left+float64(now-k.at)/float64(l.every.Milliseconds()))
	k.at = now
	if k.left >= 1 {
		k.left--
		k.told = false
		return true, false
	}
	first = !k.told
	k.told = true
	return false, first
}

// spoken remembers for a minute what we said, to notice lines that come back.
type spoken struct {
	mu    sync.Mutex
	lines map[chat.Place][]said
}

type said struct {
	at   tickets.Time
	text string
}

func (s *spoken) add(room chat.Place, text string, now tickets.Time) {
	room.Thread = ""
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == nil {
		s.lines = map[chat.Place][]said{}
	}
	ls := append(s.lines[room], said{now, squeeze(text)})
	for len(ls) > 20 || len(ls) > 0 && ls[0].at < now.Add(-time.Minute) {
		ls = ls[1:]
	}
	s.lines[room] = ls
}

func (s *spoken) recently(room chat.Place, text string, now tickets.Time) bool {
	room.Thread = ""
	text = squeeze(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines[room] {
		if l.at >= now.Add(-time.Minute) && l.text == text {
			return true
		}
	}
	return false
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
