package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"permanence/bot/chat"
)

// ring keeps the last so many values of one kind in State, whose keys cannot
// be listed: each value has a slot, and the oldest slot is written over.
type ring[V any] struct {
	state chat.State
	name  string
	slots int

	loaded bool
	next   int
	number int64 // of the value written last
	values map[int]slot[V]
}

// slot is a value as it is stored.
type slot[V any] struct {
	Number int64 `json:"n"`
	Value  V     `json:"v"`
}

func newRing[V any](state chat.State, name string, slots int) *ring[V] {
	return &ring[V]{state: state, name: name, slots: slots}
}

func (r *ring[V]) key(i int) string { return r.name + "/" + strconv.Itoa(i) }

// load reads all slots, once.
func (r *ring[V]) load(ctx context.Context) error {
	if r.loaded {
		return nil
	}
	values := make(map[int]slot[V])
	for i := range r.slots {
		data, err := r.state.Get(ctx, r.key(i))
		if err != nil {
			return fmt.Errorf("read %s: %w", r.name, err)
		}
		if data == nil {
			continue
		}
		var s slot[V]
		if json.Unmarshal(data, &s) != nil {
			continue // of another version; it is written over in its turn
		}
		values[i] = s
		if s.Number > r.number {
			r.number, r.next = s.Number, (i+1)%r.slots
		}
	}
	r.values, r.loaded = values, true
	return nil
}

// put stores a value in the next free or else the oldest slot, and gives the
// value that had to go.
func (r *ring[V]) put(ctx context.Context, v V) (gone *V, err error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	i := r.next
	for step := range r.slots {
		if _, taken := r.values[(r.next+step)%r.slots]; !taken {
			i = (r.next + step) % r.slots
			break
		}
	}
	s := slot[V]{r.number + 1, v}
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if err := r.state.Put(ctx, r.key(i), data); err != nil {
		return nil, fmt.Errorf("store %s: %w", r.name, err)
	}
	if old, ok := r.values[i]; ok {
		gone = &old.Value
	}
	r.values[i], r.number, r.next = s, s.Number, (i+1)%r.slots
	return gone, nil
}

// find gives the slots whose value is wanted, in the order of their storing.
func (r *ring[V]) find(ctx context.Context, wanted func(*V) bool) ([]int, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	var found []int
	for i := range r.slots {
		at := (r.next + i) % r.slots
		if s, ok := r.values[at]; ok && wanted(&s.Value) {
			found = append(found, at)
		}
	}
	return found, nil
}

// remove empties a slot.
func (r *ring[V]) remove(ctx context.Context, i int) error {
	if err := r.state.Delete(ctx, r.key(i)); err != nil {
		return fmt.Errorf("delete from %s: %w", r.name, err)
	}
	delete(r.values, i)
	return nil
}

// replace stores another value in a slot that has one.
func (r *ring[V]) replace(ctx context.Context, i int, v V) error {
	s := slot[V]{r.values[i].Number, v}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := r.state.Put(ctx, r.key(i), data); err != nil {
		return fmt.Errorf("store %s: %w", r.name, err)
	}
	r.values[i] = s
	return nil
}
