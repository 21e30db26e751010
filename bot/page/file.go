package page

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"permanence/tickets"
)

// filePolicy is the policy of a file itself: should a browser ever show one
// that we sent as an attachment, it runs nothing, loads nothing, and has no
// origin.
const filePolicy = "default-src 'none'; sandbox"

// fileByToken answers /f/<token>.
func (p *Pages) fileByToken(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	if !isToken(token) {
		p.sorry(w, r, http.StatusNotFound, "page.gone")
		return
	}
	f, ok, err := p.source.FileByToken(r.Context(), hashToken(token), p.now())
	p.file(w, r, f, ok, err)
}

// fileOnPage answers the links to files of a ticket's page.
func (p *Pages) fileOnPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id, ok := p.links.checkOnPage(r.PathValue("id"), r.PathValue("file"), q.Get("s"), q.Get("e"))
	if !ok {
		p.refuse(w, r)
		return
	}
	f, ok, err := p.source.File(r.Context(), id)
	p.file(w, r, f, ok, err)
}

func (p *Pages) file(w http.ResponseWriter, r *http.Request, f tickets.File, ok bool, err error) {
	switch {
	case err != nil:
		p.log.Error("reading a file's row failed", "err", err)
		p.later(w, r, "page.away")
		return
	case ok && f.State == tickets.FileWanted:
		p.later(w, r, "page.fetching")
		return
	case !ok || f.State != tickets.FileStored || f.Blob == "":
		p.sorry(w, r, http.StatusNotFound, "page.gone")
		return
	}
	body, err := p.source.OpenBlob(r.Context(), f.Blob)
	if errors.Is(err, fs.ErrNotExist) {
		p.log.Error("a stored file's bytes are gone", "file", f.ID)
		p.sorry(w, r, http.StatusNotFound, "page.gone")
		return
	}
	if err != nil {
		p.log.Error("opening a file failed", "file", f.ID, "err", err)
		p.later(w, r, "page.away")
		return
	}
	defer func() {
		if err := body.Close(); err != nil {
			p.log.Error("closing a file failed", "file", f.ID, "err", err)
		}
	}()
	// 512 bytes are what http.DetectContentType looks at.
	head := make([]byte, 512)
	n, err := io.ReadFull(body, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		p.log.Error("reading a file failed", "file", f.ID, "err", err)
		p.later(w, r, "page.away")
		return
	}
	head = head[:n]
	kind, media := "attachment", "application/octet-stream"
	if t := safeImage(f.Type); t != "" && http.DetectContentType(head) == t {
		kind, media = "inline", t
	}
	h := w.Header()
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", disposition(kind, fileName(f.Name, int64(f.ID))))
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if f.Size >= int64(n) && f.Size > 0 {
		// A stored file's size was counted. With it, what breaks off on the
		// way is seen to be broken off.
		h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	}
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(head), body)); err != nil && r.Context().Err() == nil {
		p.log.Warn("a file broke off", "file", f.ID, "err", err)
	}
}

// safeImage gives the type of those images that browsers show without running
// anything of them; empty for everything else, SVG above all.
func safeImage(declared string) string {
	t, _, err := mime.ParseMediaType(declared)
	if err != nil {
		return ""
	}
	switch t = strings.ToLower(t); t {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return t
	case "image/jpg", "image/pjpeg": // not registered, but sent
		return "image/jpeg"
	}
	return ""
}
