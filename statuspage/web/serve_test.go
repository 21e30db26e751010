package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGzip(t *testing.T) {
	f := weekFixture(t, week())
	plain := f.get("/")
	packed := f.get("/", "Accept-Encoding", "br, gzip;q=0.8")
	if packed.Header().Get("Content-Encoding") != "gzip" || packed.Body.Len() > plain.Body.Len()/2 ||
		packed.Header().Get("ETag") == plain.Header().Get("ETag") || !strings.Contains(packed.Header().Get("Vary"), "Accept-Encoding") {
		t.Errorf("%v", packed.Header())
	}
	tag := packed.Header().Get("ETag")
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil || string(body) != plain.Body.String() {
		t.Errorf("unpacked is other than plain: %v", err)
	}
	for _, headers := range [][]string{
		{"Accept-Encoding", "gzip", "If-None-Match", tag},
		{"If-None-Match", tag}, // a proxy may unpack
		{"If-None-Match", `"x", W/` + tag},
		{"If-None-Match", "*"},
	} {
		if w := f.get("/", headers...); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("%q: %d", headers, w.Code)
		}
	}
	for accept, want := range map[string]bool{
		"gzip": true, "gzip, deflate, br, zstd": true, "GZIP;q=1.0": true, "gzip; q=0": false, "gzip;q=0.0": false, "": false, "identity": false, "xgzip": false,
	} {
		if acceptsGzip(accept) != want {
			t.Errorf("Accept-Encoding %q is not %t", accept, want)
		}
	}
	if small := f.get("/api/v2/status.json", "Accept-Encoding", "gzip"); small.Header().Get("Content-Encoding") != "" {
		t.Error("what fits a packet is packed")
	}
}

func TestHeadAndOptions(t *testing.T) {
	f := weekFixture(t, week())
	for _, path := range []string{"/", "/feed.atom", "/api/v2/summary.json", "/nothing"} {
		get := f.get(path)
		w := httptest.NewRecorder()
		f.site.ServeHTTP(w, httptest.NewRequest(http.MethodHead, path, nil))
		if w.Code != get.Code || w.Body.Len() != 0 || w.Header().Get("Content-Type") != get.Header().Get("Content-Type") ||
			w.Header().Get("Content-Length") != get.Header().Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v", path, w.Code, w.Header())
		}
	}
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, httptest.NewRequest(http.MethodOptions, "/api/v2/summary.json", nil))
	if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("OPTIONS: %d %v", w.Code, w.Header())
	}
}

// What each sort of answer tells browsers and proxies.
func TestHeaders(t *testing.T) {
	f := weekFixture(t, week())
	for _, c := range []struct {
		path, contentType string
		open, framed      bool
	}{
		{"/", "text/html; charset=utf-8", false, false},
		{"/incidents/52", "text/html; charset=utf-8", false, false},
		{"/status.txt", "text/plain; charset=utf-8", false, false},
		{"/feed.rss", "application/rss+xml; charset=utf-8", true, false},
		{"/feed.json", "application/feed+json; charset=utf-8", true, false},
		{"/travaux.ics", "text/calendar; charset=utf-8", true, false},
		{"/api/v2/summary.json", "application/json; charset=utf-8", true, false},
		{"/embed", "text/html; charset=utf-8", true, true},
		{"/embed.js", "text/javascript; charset=utf-8", true, false},
		{"/badge.svg", "image/svg+xml; charset=utf-8", true, false},
	} {
		h := f.get(c.path).Header()
		policy := h.Get("Content-Security-Policy")
		if h.Get("Content-Type") != c.contentType || (h.Get("Access-Control-Allow-Origin") == "*") != c.open ||
			!strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "frame-ancestors *") != c.framed ||
			strings.Contains(policy, "frame-ancestors 'none'") == c.framed || h.Get("ETag") == "" ||
			!strings.HasPrefix(h.Get("Cache-Control"), "public, max-age=") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", c.path, h)
		}
	}
}

func TestLanguageAsAFolder(t *testing.T) {
	f := weekFixture(t, week())
	for path, same := range map[string]string{
		"/en/":                      "/?lang=en",
		"/en":                       "/?lang=en",
		"/en/incidents/52/":         "/incidents/52?lang=en",
		"/en/feed.atom":             "/feed.atom?lang=en",
		"/fr/embed.json":            "/embed.json",
		"/en/api/v2/incidents.json": "/api/v2/incidents.json?lang=en",
	} {
		if a, b := f.get(path), f.get(same); a.Code != 200 || a.Body.String() != b.Body.String() {
			t.Errorf("%s is not %s: %d", path, same, a.Code)
		}
	}
	if f.get("/entry").Code != 404 || f.get("/de/").Code != 404 {
		t.Error("a language that is none")
	}
}
