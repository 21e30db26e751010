package web

import (
	"context"
	"slices"
	"time"

	"permanence/statuspage"
)

// incidents is what was read of several.
type incidents = reading[[]statuspage.PublicIncident]

// read gives what is open, planned, or moved last.
func (s *Site) read(ctx context.Context) (incidents, error) {
	return s.current.get(ctx, "", func(ctx context.Context) ([]statuspage.PublicIncident, bool, error) {
		list, err := s.source.Current(ctx, currentIncidents)
		return list, true, err
	})
}

// one finds an incident among the current ones, else in the source.
func (s *Site) one(ctx context.Context, number statuspage.ID) (reading[statuspage.PublicIncident], error) {
	list, err := s.read(ctx)
	if err == nil {
		for _, p := range list.value {
			if p.Number == number {
				return reading[statuspage.PublicIncident]{value: p, found: true, since: list.since, version: list.version}, nil
			}
		}
	}
	return s.older.get(ctx, number, func(ctx context.Context) (statuspage.PublicIncident, bool, error) {
		return s.source.Incident(ctx, number)
	})
}

// uidSource is a source that finds incidents by their opaque identifiers, too.
type uidSource interface {
	IncidentByUID(ctx context.Context, uid string) (statuspage.PublicIncident, bool, error)
}

// longestUID is above what identifiers have; what is longer is none, and not
// asked for.
const longestUID = 64

// numberOf gives the number of an incident by its opaque identifier, 0 where
// there is none.
func (s *Site) numberOf(ctx context.Context, uid string) (statuspage.ID, error) {
	list, err := s.read(ctx)
	if err == nil {
		for i := range list.value {
			if list.value[i].UID == uid {
				return list.value[i].Number, nil
			}
		}
	}
	by, ok := s.source.(uidSource)
	if !ok || len(uid) > longestUID {
		return 0, err
	}
	one, err := s.byUIDs.get(ctx, uid, func(ctx context.Context) (statuspage.PublicIncident, bool, error) {
		return by.IncidentByUID(ctx, uid)
	})
	return one.value.Number, err
}

// between reads what was published within a time. Where that fails and was
// never read before, it is what the overview knows of that time, if anything.
func (s *Site) between(ctx context.Context, name string, from, before time.Time) (incidents, error) {
	first, end := statuspage.At(from), statuspage.At(before)
	list, err := s.spans.get(ctx, name, func(ctx context.Context) ([]statuspage.PublicIncident, bool, error) {
		list, err := s.source.Between(ctx, first, end)
		return list, true, err
	})
	if err == nil {
		return list, nil
	}
	known, readErr := s.read(ctx)
	if readErr != nil {
		return list, err
	}
	some := slices.DeleteFunc(slices.Clone(known.value), func(p statuspage.PublicIncident) bool {
		return p.Published < first || p.Published >= end
	})
	if len(some) == 0 || known.since.IsZero() {
		return list, err
	}
	known.value = some
	return known, nil
}

// today begins the local day: what the overview calls recent changes with it.
func (s *Site) today() time.Time {
	n := s.now().In(s.loc)
	return time.Date(n.Year(), n.Month(), n.Day(), 0, 0, 0, 0, s.loc)
}

// passed counts the planned ends that have passed without anybody saying so:
// pages tell, so they are made anew when it grows.
func (s *Site) passed(list ...statuspage.PublicIncident) int64 {
	n := int64(0)
	now := statuspage.At(s.now())
	for i := range list {
		if endPassed(&list[i], now) {
			n++
		}
	}
	return n
}

func endPassed(p *statuspage.PublicIncident, now statuspage.Time) bool {
	return p.Open() && p.ScheduledUntil != 0 && p.ScheduledUntil < now
}

// touching leaves those that touch a component.
func touching(list []statuspage.PublicIncident, component string) []statuspage.PublicIncident {
	return slices.DeleteFunc(slices.Clone(list), func(p statuspage.PublicIncident) bool { return !p.Touches(component) })
}

// newest is when one of them changed last; the zero time.Time where there is
// none.
func newest(list []statuspage.PublicIncident) time.Time {
	var t statuspage.Time
	for i := range list {
		t = max(t, moved(&list[i]))
	}
	return t.In(time.UTC)
}

// moved is when anything about an incident that the public reads changed last.
func moved(p *statuspage.PublicIncident) statuspage.Time {
	t := max(p.Updated, p.Published)
	for _, title := range p.Titles {
		t = max(t, title.Published, title.Edited)
	}
	for i := range p.Updates {
		u := &p.Updates[i]
		t = max(t, u.Published, u.Edited)
		for _, text := range u.Texts {
			t = max(t, text.Published, text.Edited)
		}
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
