package statuspage

import (
	"cmp"
	"context"
	"slices"
)

// Snapshot is a Source in memory: what was public at one time. The zero one is
// empty. It is never written to after NewSnapshot, and safe for concurrent
// use.
type Snapshot struct{ list []PublicIncident } // the newest first

// NewSnapshot makes a source of incidents in any order. Those that were not
// published are left out.
func NewSnapshot(list []PublicIncident) Snapshot {
	list = slices.DeleteFunc(slices.Clone(list), func(p PublicIncident) bool { return p.Published == 0 })
	slices.SortFunc(list, func(a, b PublicIncident) int {
		return cmp.Or(cmp.Compare(b.Published, a.Published), cmp.Compare(b.Number, a.Number))
	})
	return Snapshot{list}
}

// Current implements Source.
func (s Snapshot) Current(_ context.Context, limit int) ([]PublicIncident, error) {
	moved := slices.Clone(s.list)
	slices.SortStableFunc(moved, func(a, b PublicIncident) int { return cmp.Compare(b.Updated, a.Updated) })
	recent := map[ID]bool{}
	for _, p := range moved[:min(limit, len(moved))] {
		recent[p.Number] = true
	}
	return slices.DeleteFunc(slices.Clone(s.list), func(p PublicIncident) bool {
		return !p.Open() && !recent[p.Number]
	}), nil
}

// Between implements Source.
func (s Snapshot) Between(_ context.Context, from, before Time) ([]PublicIncident, error) {
	return slices.DeleteFunc(slices.Clone(s.list), func(p PublicIncident) bool {
		return p.Published < from || p.Published >= before
	}), nil
}

// Incident implements Source.
func (s Snapshot) Incident(_ context.Context, number ID) (PublicIncident, bool, error) {
	for i := range s.list {
		if s.list[i].Number == number {
			return s.list[i], true, nil
		}
	}
	return PublicIncident{}, false, nil
}
