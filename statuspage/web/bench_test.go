package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"permanence/statuspage"
)

func fifty() []statuspage.PublicIncident {
	var list []statuspage.PublicIncident
	for i := range 50 {
		p := week()[i%7]
		p.Number, p.UID = statuspage.ID(100-i), fmt.Sprintf("uid%d", i)
		list = append(list, p)
	}
	return list
}

// BenchmarkRender makes pages of fifty incidents anew each time.
func BenchmarkRender(b *testing.B) {
	for _, path := range []string{"/", "/history", "/feed.atom", "/api/v2/incidents.json", "/travaux.ics"} {
		b.Run(path, func(b *testing.B) {
			f := benchFixture(b)
			for b.Loop() {
				f.rendered = newShelf()
				serveOnce(b, f, path)
			}
		})
	}
}

// BenchmarkServe answers with what was made before.
func BenchmarkServe(b *testing.B) {
	for _, path := range []string{"/", "/api/v2/summary.json"} {
		b.Run(path, func(b *testing.B) {
			s := benchFixture(b)
			r := request(path)
			b.ReportAllocs()
			for b.Loop() {
				s.ServeHTTP(sink{http.Header{}}, r)
			}
		})
	}
}

func benchFixture(b *testing.B) *Site {
	b.Helper()
	s, err := New(Options{Name: "A", Lang: "fr", URL: "https://travaux.example.org", Source: statuspage.NewSnapshot(fifty()), Components: weekComponents()})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// sink is an answer that nobody reads.
type sink struct{ header http.Header }

func (s sink) Header() http.Header          { return s.header }
func (sink) WriteHeader(int)                {}
func (sink) Write(body []byte) (int, error) { return len(body), nil }

func serveOnce(b *testing.B, s *Site, path string) {
	b.Helper()
	s.ServeHTTP(sink{http.Header{}}, request(path))
}

func request(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", "text/html")
	return r
}
