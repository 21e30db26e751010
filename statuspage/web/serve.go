package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// kind is what answers of one sort have in common.
type kind struct {
	contentType string
	// policy is the Content-Security-Policy; nothing at all may be loaded if
	// empty.
	policy string
	// negotiated: the same address reads otherwise for others.
	negotiated bool
	// open: other sites may read and show it.
	open   bool
	maxAge time.Duration
}

// document is one rendering.
type document struct {
	kind
	body []byte
	// modified is the newest that the document shows; zero where it shows
	// nothing that has a time.
	modified time.Time

	// Made by finish: as it is, and compressed where that saves something.
	plain, packed coding
}

// coding is a document as it goes out: nothing of it is made for one answer
// alone.
type coding struct {
	body   []byte
	etag   string
	header http.Header
}

// nothing is the policy of what loads nothing and is framed nowhere.
const nothing = "default-src 'none'; frame-ancestors 'none'"

// leastGzip is the size in bytes below which compressing saves no packet.
const leastGzip = 1200

// finish makes what all answers with the document share.
func (d *document) finish(lang string, compress bool) error {
	sum := sha256.Sum256(d.body)
	tag := hex.EncodeToString(sum[:12])
	common := d.headers(lang)
	d.plain = newCoding(d.body, `"`+tag+`"`, common)
	if !compress || len(d.body) < leastGzip {
		return nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(d.body); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	d.packed = newCoding(b.Bytes(), `"`+tag+`-gz"`, common)
	d.packed.header.Set("Content-Encoding", "gzip")
	return nil
}

func newCoding(body []byte, etag string, common http.Header) coding {
	h := maps.Clone(common)
	h.Set("Etag", etag)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	return coding{body, etag, h}
}

// headers are those of the document in every coding.
func (d *document) headers(lang string) http.Header {
	h := http.Header{}
	h.Set("Content-Type", d.contentType)
	h.Set("Content-Language", lang)
	h.Set("Vary", "Accept-Encoding")
	if d.negotiated {
		h.Set("Vary", "Accept, Accept-Language, Accept-Encoding, User-Agent")
	}
	age := strconv.Itoa(int(d.maxAge / time.Second))
	h.Set("Cache-Control", "public, max-age="+age+", stale-while-revalidate=60, stale-if-error=86400")
	h.Set("Content-Security-Policy", cmp.Or(d.policy, nothing))
	safe(h)
	if d.open {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	if !d.modified.IsZero() {
		h.Set("Last-Modified", d.modified.UTC().Format(http.TimeFormat))
	}
	return h
}

// safe are headers that every answer has.
func safe(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// stamp changes when a rendering must be made anew: with what was read, with
// its being old, and with the time where the rendering tells of it.
type stamp struct {
	version uint64
	since   int64
	day     int64
	passed  int64
}

// rendering names what is kept on the shelf.
type rendering struct {
	path string
	view view
}

// serve answers with the rendering of path for this view, made anew where the
// stamp tells that what it shows has changed.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, v view, path string, st stamp, render func() document) {
	key := rendering{path, v}
	d, ok := s.rendered.get(key, st)
	if !ok {
		made := render()
		if made.body == nil { // a template failed, which is logged
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		if err := made.finish(v.lang, !s.static); err != nil {
			s.log.Error("compressing status page", "err", err)
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		d = &made
		s.rendered.put(key, st, d)
	}
	s.answer(w, r, d)
}

// answer sends a document, or says that the reader has it (RFC 9110, 13.1).
func (s *Site) answer(w http.ResponseWriter, r *http.Request, d *document) {
	c := &d.plain
	if d.packed.body != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		c = &d.packed
	}
	h := w.Header()
	maps.Copy(h, c.header)
	if unchanged(r, d) {
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		h.Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	write := func() error { _, err := w.Write(c.body); return err }
	var err error
	if conn, ok := r.Context().Value(connKey{}).(*gatheredConn); ok {
		err = conn.together(write)
	} else {
		err = write()
	}
	if err != nil {
		s.log.Debug("writing status page", "err", err)
	}
}

// unchanged reports whether the reader has this document: by its tag, in
// either coding, else by its date.
func unchanged(r *http.Request, d *document) bool {
	if tags := r.Header.Get("If-None-Match"); tags != "" {
		for tag := range strings.SplitSeq(tags, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || tag == d.plain.etag || d.packed.etag != "" && tag == d.packed.etag {
				return true
			}
		}
		return false
	}
	if d.modified.IsZero() {
		return false
	}
	date := r.Header.Get("If-Modified-Since")
	if date == "" {
		return false
	}
	since, err := http.ParseTime(date)
	return err == nil && !d.modified.Truncate(time.Second).After(since)
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3).
func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			weight = strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return err != nil || q > 0
		}
	}
	return false
}

// redirect sends to another page of the site for good.
func (s *Site) redirect(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.Redirect(w, r, to, http.StatusMovedPermanently)
}

func (s *Site) missing(w http.ResponseWriter, r *http.Request) {
	v := s.pageView(r)
	t := s.words(v.lang)
	s.sorry(w, r, v, http.StatusNotFound, t.Missing, t.MissingDo)
}

// unavailable answers when the source fails and nothing was read before.
func (s *Site) unavailable(w http.ResponseWriter, r *http.Request, v view) {
	w.Header().Set("Retry-After", "10")
	t := s.words(v.lang)
	s.sorry(w, r, v, http.StatusServiceUnavailable, t.Unavailable, t.UnavailableDo)
}

func (s *Site) sorry(w http.ResponseWriter, r *http.Request, v view, status int, what, do string) {
	d := s.renderSorry(v, what, do)
	h := w.Header()
	safe(h)
	h.Set("Content-Type", d.contentType)
	h.Set("Content-Security-Policy", cmp.Or(d.policy, nothing))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(d.body); err != nil {
		s.log.Debug("writing status page", "err", err)
	}
}
