package email

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/textproto"
	"path"
	"strings"
	"unicode"

	"github.com/jhillyerd/enmime/v2"
	"github.com/jhillyerd/enmime/v2/mediatype"
)

// tree is a mail taken apart.
type tree struct {
	header textproto.MIMEHeader
	body   []byte // behind the header, as it came
	// root is nil where the parts could not be told apart.
	root *enmime.Part
	// parts are those without parts of their own, in the order of the mail;
	// part i has index i+1 in a FileRef, and 0 is the whole mail.
	parts []*enmime.Part
}

// readTree takes a mail apart, within the limits. The content of its parts
// stays encoded: files are decoded when they are opened.
//
// It is given the same limits again when a file is opened, so that an index
// stays that of the same part.
func readTree(raw []byte, limits limits, m *message) *tree {
	header, body := cutHeader(raw)
	if len(header) > limits.Header {
		m.problem("header", "too long; the rest is left out")
		header = header[:limits.Header]
		header = header[:bytes.LastIndexByte(header, '\n')+1]
	}
	t := &tree{body: body}
	t.header, _ = enmime.ReadHeader(bufio.NewReader(bytes.NewReader(header)), ignore{})
	switch {
	case int64(len(raw)) > limits.Size:
		m.problem("size", "too large; only the header is read")
		return t
	// The parser takes time with the square of the number of parts.
	case bytes.Count(body, []byte("\n--"))-bytes.Count(body, []byte("\n-- ")) > 20*limits.Parts:
		m.problem("parts", "too many lines that could begin a part")
		return t
	}
	c := counter{limits: limits}
	parser := enmime.NewParser(
		enmime.RawContent(true),
		enmime.MultipartWOBoundaryAsSinglePart(true),
		enmime.SkipMalformedParts(true),
		enmime.MaxStoredPartErrors(20),
		enmime.SetCustomParseMediaType(c.parse),
	)
	root, err := parser.ReadParts(io.MultiReader(bytes.NewReader(header), strings.NewReader("\r\n"), bytes.NewReader(body)))
	if err != nil {
		m.problem("mime", err.Error())
		return t
	}
	if c.refused > 0 {
		m.problem("mime", fmt.Sprintf("%d parts are beyond the limits and left out or not looked into", c.refused))
	}
	t.root = root
	t.collect(root, limits)
	return t
}

// cutHeader cuts a mail behind the line break that ends its header.
func cutHeader(raw []byte) (header, body []byte) {
	at := 0
	for line := range bytes.Lines(raw) {
		if len(bytes.TrimRight(line, "\r\n")) == 0 && at > 0 {
			return raw[:at], raw[at+len(line):]
		}
		at += len(line)
	}
	return raw, nil
}

func (t *tree) collect(p *enmime.Part, limits limits) {
	for ; p != nil; p = p.NextSibling {
		switch {
		case p.FirstChild != nil:
			t.collect(p.FirstChild, limits)
		case len(t.parts) < limits.Parts:
			t.parts = append(t.parts, p)
		}
		if p.Parent == nil {
			return
		}
	}
}

// ignore drops the complaints about a header.
type ignore struct{}

func (ignore) AddError(string, string, ...any)   {}
func (ignore) AddWarning(string, string, ...any) {}

// counter reads media types until a mail has had enough of them. (Each part
// asks for its type and its disposition.)
type counter struct {
	limits      limits
	seen, boxes int
	refused     int
}

var errTooMany = errors.New("too many parts")

func (c *counter) parse(s string) (mtype string, params map[string]string, invalid []string, err error) {
	if c.seen++; c.seen > 2*c.limits.Parts {
		c.refused++
		return "", nil, nil, errTooMany
	}
	if len(s) > 4000 {
		s = s[:4000]
	}
	mtype, params, invalid, err = mediatype.Parse(s)
	if err != nil {
		// "text/html;iso-8859-1", "text", "attachment; filename=": what is
		// before the first semicolon is better than nothing.
		mtype, _, _ = strings.Cut(s, ";")
		mtype, params, err = strings.ToLower(strings.TrimSpace(mtype)), nil, nil
	}
	if mtype == "text" {
		mtype = "text/plain" // as in the first mails with MIME
	}
	if strings.HasPrefix(mtype, "multipart/") {
		// A boundary has at most 70 characters (RFC 2046 section 5.1.1); the
		// parser counts on less than its buffer.
		if c.boxes++; c.boxes > c.limits.Multiparts || len(params["boundary"]) > 500 {
			c.refused++
			return "application/octet-stream", nil, invalid, nil
		}
	}
	return mtype, params, invalid, nil
}

// openPart opens a file of a mail: the part with that index, or with index 0
// the mail itself.
func openPart(raw []byte, index int) (name, contentType string, body io.ReadCloser, err error) {
	if index == 0 {
		return wholeName, "message/rfc822", io.NopCloser(bytes.NewReader(raw)), nil
	}
	limits := defaultLimits()
	limits.Size = int64(len(raw)) // it was within its limit when it was parsed
	t := readTree(raw, limits, new(message))
	if index < 0 || index > len(t.parts) {
		return "", "", nil, fmt.Errorf("open part %d of a mail: it has %d", index, len(t.parts))
	}
	p := t.parts[index-1]
	content := decodeTransfer(p.Content, p.Header.Get("Content-Transfer-Encoding"))
	return fileName(p, index), fileType(p), io.NopCloser(bytes.NewReader(content)), nil
}

// wholeName is the file name of the mail itself.
const wholeName = "message.eml"

// fileType is the media type of a part, that of bytes where it has none that
// could be one.
func fileType(p *enmime.Part) string {
	t := strings.ToLower(strings.TrimSpace(p.ContentType))
	if major, minor, ok := strings.Cut(t, "/"); !ok || !isToken(major) || !isToken(minor) || len(t) > 100 {
		return "application/octet-stream"
	}
	return t
}

func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// fileName gives the name of a file so that it can be stored and shown: no
// path, nothing that is not seen or that turns the writing around ("exe.pdf"),
// at most 120 characters with its extension. A nameless one gets a name from
// its type and its place.
func fileName(p *enmime.Part, index int) string {
	name := decodeWords(p.FileName)
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return '_'
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		}
		return r
	}, name)
	name = strings.TrimLeft(strings.TrimSpace(oneLine(name, 1000)), "._ ")
	name = strings.TrimRight(name, ". ")
	if name == "" {
		return namelessFile(fileType(p), index)
	}
	if r := []rune(name); len(r) > 120 {
		ext := []rune(path.Ext(name))
		if len(ext) > 16 {
			ext = nil
		}
		name = string(r[:120-len(ext)]) + string(ext)
	}
	return name
}

func namelessFile(contentType string, index int) string {
	major, _, _ := strings.Cut(contentType, "/")
	base := "document"
	switch major {
	case "image", "audio", "video", "message":
		base = major
	}
	ext := ".bin"
	switch contentType {
	// The usual ones, without asking the machine's tables.
	case "image/jpeg":
		ext = ".jpg"
	case "image/png", "image/gif", "image/webp", "application/pdf", "application/zip":
		ext = "." + contentType[strings.IndexByte(contentType, '/')+1:]
	case "text/plain":
		ext = ".txt"
	case "text/html":
		ext = ".html"
	case "text/calendar":
		base, ext = "invitation", ".ics"
	case "message/rfc822":
		ext = ".eml"
	case "application/ms-tnef":
		return "winmail.dat"
	default:
		if list, err := mime.ExtensionsByType(contentType); err == nil && len(list) > 0 {
			ext = list[0]
		}
	}
	return fmt.Sprintf("%s-%d%s", base, index, ext)
}
