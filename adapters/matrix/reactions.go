package matrix

import (
	"context"
	"sync"

	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// reaction is what a reaction said. Taking one back is a redaction of its
// event, whose content the server has dropped by then: we must know it.
type reaction struct {
	ID     id.EventID `json:"id"`
	Target id.EventID `json:"t"`
	Key    string     `json:"k"`
	By     id.UserID  `json:"b"`
}

// perChunk reactions share one value of State, which is then below 4 kB.
const perChunk, chunks = 16, 96

// reactions remembers the last 1500 or so.
type reactions struct {
	mu    sync.Mutex
	ring  *ring[[]reaction]
	index map[id.EventID]reaction
	open  []reaction // the chunk that is being filled
	at    int        // its slot, -1 where it has none
}

func newReactions(state chat.State) *reactions {
	return &reactions{ring: newRing[[]reaction](state, "reactions", chunks), at: -1}
}

func (r *reactions) load(ctx context.Context) error {
	if r.index != nil {
		return nil
	}
	all, err := r.ring.find(ctx, func(*[]reaction) bool { return true })
	if err != nil {
		return err
	}
	r.index = make(map[id.EventID]reaction)
	for _, i := range all {
		for _, x := range r.ring.values[i].Value {
			r.index[x.ID] = x
		}
	}
	return nil
}

// put remembers a reaction.
func (r *reactions) put(ctx context.Context, x reaction) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		return err
	}
	if _, known := r.index[x.ID]; known {
		return nil
	}
	chunk := append(append([]reaction(nil), r.open...), x)
	if r.at >= 0 {
		// The same chunk, one longer: in its place.
		if err := r.ring.replace(ctx, r.at, chunk); err != nil {
			return err
		}
	} else {
		gone, err := r.ring.put(ctx, chunk)
		if err != nil {
			return err
		}
		if gone != nil {
			for _, old := range *gone {
				delete(r.index, old.ID)
			}
		}
		r.at = (r.ring.next + r.ring.slots - 1) % r.ring.slots
	}
	r.open, r.index[x.ID] = chunk, x
	if len(r.open) >= perChunk {
		r.open, r.at = nil, -1
	}
	return nil
}

// get gives a reaction that we remember.
func (r *reactions) get(ctx context.Context, event id.EventID) (reaction, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(ctx); err != nil {
		return reaction{}, false, err
	}
	x, ok := r.index[event]
	return x, ok, nil
}
