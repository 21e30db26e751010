package web

import (
	"context"
	"slices"
	"strings"
	"testing"

	"permanence/statuspage"
)

// fewSource gives the newest incident alone, and finds others by their
// identifiers.
type fewSource struct {
	*fakeSource
	asked []string
}

func (f *fewSource) Current(ctx context.Context, _ int) ([]statuspage.PublicIncident, error) {
	list, err := f.all(ctx)
	return list[:min(1, len(list))], err
}

func (f *fewSource) IncidentByUID(ctx context.Context, uid string) (statuspage.PublicIncident, bool, error) {
	f.asked = append(f.asked, uid)
	list, err := f.all(ctx)
	i := slices.IndexFunc(list, func(p statuspage.PublicIncident) bool { return p.UID == uid })
	if err != nil || i < 0 {
		return statuspage.PublicIncident{}, false, err
	}
	return list[i], true, nil
}

// An identifier that a tool kept leads to its incident however old that is.
func TestIdentifierOfLongAgo(t *testing.T) {
	f := weekFixture(t, week())
	few := &fewSource{fakeSource: f.source}
	f.site.source = few
	for range 2 {
		if w := f.get("/incidents/y5ri6dpn3kgzcm90?lang=en"); w.Code != 301 || w.Header().Get("Location") != "/incidents/48?lang=en" {
			t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
		}
	}
	if w := f.get("/incidents/k3mq7wzjv2xbna41"); w.Code != 301 || w.Header().Get("Location") != "/incidents/52" {
		t.Errorf("the newest: %d %s", w.Code, w.Header().Get("Location"))
	}
	for _, wrong := range []string{"y5ri6dpn3kgzcm91", strings.Repeat("x", 65)} {
		if w := f.get("/incidents/" + wrong); w.Code != 404 {
			t.Errorf("%s: %d", wrong, w.Code)
		}
	}
	if want := []string{"y5ri6dpn3kgzcm90", "y5ri6dpn3kgzcm91"}; !slices.Equal(few.asked, want) {
		t.Errorf("the source was asked for %q, want %q", few.asked, want)
	}
}
