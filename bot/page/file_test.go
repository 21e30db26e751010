package page

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"permanence/tickets"
)

const (
	pngBytes  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	jpegBytes = "\xff\xd8\xff\xe0\x00\x10JFIF"
	webpBytes = "RIFF\x24\x00\x00\x00WEBPVP8 "
	svgBytes  = `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`
	htmlBytes = `<html><script>alert(1)</script>`
	pdfBytes  = "%PDF-1.7\n"
)

func TestFile(t *testing.T) {
	tests := []struct {
		test, name, declared, bytes string
		media, disposition          string
	}{
		{"png", "a.png", "image/png", pngBytes, "image/png", `inline; filename="a.png"`},
		{"png with parameters", "a.png", "IMAGE/PNG; name=a.png", pngBytes, "image/png", `inline; filename="a.png"`},
		{"jpeg", "a.jpg", "image/jpg", jpegBytes, "image/jpeg", `inline; filename="a.jpg"`},
		{"gif", "a.gif", "image/gif", "GIF89a\x01\x00", "image/gif", `inline; filename="a.gif"`},
		{"webp", "a.webp", "image/webp", webpBytes, "image/webp", `inline; filename="a.webp"`},
		{"png said to be html", "a.html", "text/html", pngBytes, "application/octet-stream", `attachment; filename="a.html"`},
		{"png said to be gif", "a.gif", "image/gif", pngBytes, "application/octet-stream", `attachment; filename="a.gif"`},
		{"html said to be png", "a.png", "image/png", htmlBytes, "application/octet-stream", `attachment; filename="a.png"`},
		{"html", "a.html", "text/html", htmlBytes, "application/octet-stream", `attachment; filename="a.html"`},
		{"svg", "a.svg", "image/svg+xml", svgBytes, "application/octet-stream", `attachment; filename="a.svg"`},
		{"svg said to be png", "a.png", "image/png", svgBytes, "application/octet-stream", `attachment; filename="a.png"`},
		{"pdf", "a.pdf", "application/pdf", pdfBytes, "application/octet-stream", `attachment; filename="a.pdf"`},
		{"no type", "a", "", pngBytes, "application/octet-stream", `attachment; filename="a"`},
		{"broken type", "a", "image/png; =", htmlBytes, "application/octet-stream", `attachment; filename="a"`},
		{"path", "../../x", "text/plain", "x", "application/octet-stream", `attachment; filename="x"`},
		{"bidi", "gpj.\u202eexe.png", "", "MZ", "application/octet-stream", `attachment; filename="gpj.exe.png"`},
		{"empty", "", "", "", "application/octet-stream", `attachment; filename="file-7"`},
	}
	for _, tt := range tests {
		t.Run(tt.test, func(t *testing.T) {
			s := scene()
			s.files[7] = tickets.File{ID: 7, Name: tt.name, Type: tt.declared, Size: int64(len(tt.bytes)), State: tickets.FileStored, Blob: "b"}
			s.blobs["b"] = tt.bytes
			f := newFixture(t, s)
			link, hash, _ := f.links.File(s.files[7], friday)
			s.tokens[hash] = 7
			for _, address := range []string{link, "/t/" + f.links.onPage(42, 7)} {
				w := f.get(address)
				h := w.Header()
				if w.Code != http.StatusOK || w.Body.String() != tt.bytes {
					t.Errorf("%s: status %d, body %q", address, w.Code, w.Body)
				}
				for name, want := range map[string]string{"Content-Type": tt.media, "Content-Disposition": tt.disposition, "Content-Security-Policy": "default-src 'none'; sandbox",
					"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
					if got := h.Get(name); got != want {
						t.Errorf("%s is %q, want %q", name, got, want)
					}
				}
			}
			r := httptest.NewRequest(http.MethodHead, strings.TrimPrefix(link, "https://aide.example.org"), nil)
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Disposition") != tt.disposition {
				t.Errorf("HEAD: status %d, %d bytes, %v", w.Code, w.Body.Len(), w.Header())
			}
		})
	}
}

// TestFileWhole: what is longer than the piece that is looked at arrives whole.
func TestFileWhole(t *testing.T) {
	s := scene()
	s.blobs["png"] = pngBytes + strings.Repeat("0123456789", 100_000)
	row := s.files[7]
	row.Size = int64(len(s.blobs["png"]))
	s.files[7] = row
	f := newFixture(t, s)
	w := f.get("/t/" + f.links.onPage(42, 7))
	if w.Body.String() != s.blobs["png"] || w.Header().Get("Content-Length") != "1000016" {
		t.Errorf("%d bytes of %d, length %s", w.Body.Len(), row.Size, w.Header().Get("Content-Length"))
	}
}

// TestNoFile: what was never, what has ended and what is lost look the same;
// what is still on its way does not.
func TestNoFile(t *testing.T) {
	s := scene()
	f := newFixture(t, s)
	want := f.get("/f/unknown")
	if want.Code != http.StatusNotFound {
		t.Errorf("status %d", want.Code)
	}
	link, hash, _ := f.links.File(tickets.File{ID: 8}, friday)
	tests := []struct {
		name, address string
		file          tickets.File
		status        int
	}{
		{"no such token", link, tickets.File{}, http.StatusNotFound},
		{"upper case", strings.Replace(strings.ToUpper(link), "HTTPS://AIDE.EXAMPLE.ORG/F/", "/f/", 1), tickets.File{}, http.StatusNotFound},
		{"lost", link, tickets.File{ID: 8, State: tickets.FileLost}, http.StatusNotFound},
		{"bytes gone", link, tickets.File{ID: 8, State: tickets.FileStored, Blob: "gone"}, http.StatusNotFound},
		{"erased", link, tickets.File{ID: 8, State: tickets.FileStored}, http.StatusNotFound},
		{"no such file of a page", "/t/" + f.links.onPage(42, 99), tickets.File{}, http.StatusNotFound},
		{"being fetched", link, tickets.File{ID: 8, State: tickets.FileWanted}, http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			delete(s.tokens, hash)
			if tt.file.ID != 0 {
				s.tokens[hash], s.files[8] = 8, tt.file
			}
			w := f.get(tt.address)
			if w.Code != tt.status {
				t.Errorf("status %d", w.Code)
			}
			if tt.status == http.StatusNotFound && w.Body.String() != want.Body.String() {
				t.Errorf("another answer:\n%s", w.Body)
			}
			if tt.status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}
