package matrix

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// largest is the largest file in bytes that is held in memory to be sent, where
// the server does not tell a limit.
const largest = 100 << 20

// Open reads an inbound file through the authenticated endpoint, or the older
// one where the server has no other. An encrypted file is decrypted; Close
// tells whether it was the right one.
func (a *Adapter) Open(ctx context.Context, f chat.FileRef) (io.ReadCloser, error) {
	var ref fileRef
	if err := json.Unmarshal([]byte(f.Ref), &ref); err != nil {
		return nil, &chat.Error{Kind: chat.Permanent, Err: err, Reason: chat.Text{FR: "référence de fichier illisible", EN: "unreadable reference of a file"}}
	}
	uri, err := id.ParseContentURI(ref.URL)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Permanent, Err: err, Reason: chat.Text{FR: "référence de fichier illisible", EN: "unreadable reference of a file"}}
	}
	l, err := a.session(ctx)
	if err != nil {
		return nil, loginFailure(err)
	}
	resp, err := l.client.Download(ctx, uri)
	if statusOf(err) == http.StatusNotFound && codeOf(err) == "M_UNRECOGNIZED" {
		_, resp, err = l.client.MakeFullRequestWithResp(ctx, mautrix.FullRequest{
			Method: http.MethodGet, DontReadResponse: true,
			URL: l.client.BuildURL(mautrix.MediaURLPath{"v3", "download", uri.Homeserver, uri.FileID}),
		})
	}
	if err != nil {
		a.tokenGone(l, err)
		return nil, failure(err, f.Name)
	}
	body := resp.Body
	if ref.Sealed != nil {
		if body, err = unseal(ref.Sealed, resp.Body); err != nil {
			return nil, errors.Join(err, resp.Body.Close())
		}
	}
	return honest(body, f.Type)
}

// honest refuses a file that is plainly something else than it says: what is
// shown as a picture must not be a page with a script in it. What cannot be
// told is let through.
func honest(body io.ReadCloser, claimed string) (io.ReadCloser, error) {
	const sniffed = 512 // all that http.DetectContentType looks at
	head := bufio.NewReaderSize(body, sniffed)
	start, err := head.Peek(sniffed)
	if err != nil && err != io.EOF {
		return nil, errors.Join(err, body.Close())
	}
	kind, _, _ := strings.Cut(claimed, "/")
	is, _, _ := strings.Cut(http.DetectContentType(start), ";")
	switch kind {
	case "image", "audio", "video":
		switch is {
		case "text/html", "application/pdf", "application/postscript", "application/zip", "application/x-gzip", "application/x-rar-compressed", "application/wasm":
			return nil, errors.Join(refuse(chat.Permanent,
				"ce fichier se dit "+claimed+" mais il est "+is, "this file says to be "+claimed+" but it is "+is), body.Close())
		}
	}
	return struct {
		io.Reader
		io.Closer
	}{head, body}, nil
}

// upload puts a file on the server and makes the message that shows it.
func (a *Adapter) upload(ctx context.Context, l *link, f chat.File, encrypted bool) (*message, error) {
	if f.Open == nil {
		return nil, refuse(chat.Permanent, "le fichier "+f.Name+" n’a pas de contenu", "the file "+f.Name+" has no content")
	}
	limit := int64(largest)
	a.mu.Lock()
	if a.maxFile > 0 {
		limit = a.maxFile
	}
	a.mu.Unlock()
	data, err := readFile(f, limit)
	if err != nil {
		return nil, err
	}
	kind := f.Type
	if kind == "" || strings.ContainsAny(kind, "\r\n") {
		kind = "application/octet-stream"
	}
	c := event.MessageEventContent{
		MsgType: typeOf(kind), Body: f.Name, FileName: f.Name, Mentions: &event.Mentions{},
		Info: &event.FileInfo{MimeType: kind, Size: len(data)},
	}
	// The server learns neither name nor type of an encrypted file.
	req := mautrix.ReqUploadMedia{ContentBytes: data, ContentType: kind, FileName: f.Name}
	if encrypted {
		if c.File, err = seal(data); err != nil {
			return nil, err
		}
		req.ContentType, req.FileName = "application/octet-stream", ""
	}
	up, err := l.client.UploadMedia(ctx, req)
	if err != nil {
		return nil, err
	}
	if c.File != nil {
		c.File.URL = up.ContentURI.CUString()
	} else {
		c.URL = up.ContentURI.CUString()
	}
	return &message{MessageEventContent: c}, nil
}

func readFile(f chat.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open outbound file: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read outbound file: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, refuse(chat.Permanent, "le fichier "+f.Name+" est trop grand pour ce serveur Matrix", "the file "+f.Name+" is too large for this Matrix server")
	}
	return data, nil
}

// typeOf is the type of message for a type of file.
func typeOf(kind string) event.MessageType {
	switch kind, _, _ := strings.Cut(kind, "/"); kind {
	case "image":
		return event.MsgImage
	case "audio":
		return event.MsgAudio
	case "video":
		return event.MsgVideo
	}
	return event.MsgFile
}
