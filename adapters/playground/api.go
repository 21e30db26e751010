package playground

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"permanence/bot/chat"
)

// PageOptions are what Handler is told.
type PageOptions struct {
	// Mailbox is where the customers' mail is; nil: no mail on the page.
	Mailbox *Mailbox
	// Support is the address that the hints name, support@example.org.
	Support string
	// Opens tells the hints what opens a ticket in a public room: "mention",
	// "command", or anything (empty).
	Opens string
	// Zone is the IANA name of the zone of the times shown; the browser's own
	// where it is empty.
	Zone string
	// Hosts are the names, besides loopback ones, under which the page may be
	// asked for; without port.
	Hosts []string
	// Links stand at the top of the page: the status page, the README.
	Links []Link
	Log   *slog.Logger
}

// Link is a link at the top of the page.
type Link struct{ Label, URL string }

// server serves the JSON API and the page of a network.
type server struct {
	net  *Network
	opts PageOptions
}

// Handler serves the page at "/", the JSON API at "/api/" and the stream of
// changes at "/events". It is for loopback: anybody who reaches it may act as
// anybody. Mounted below a prefix it wants http.StripPrefix; all its links are
// relative.
func (n *Network) Handler(opts PageOptions) http.Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{net: n, opts: opts}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /page.css", s.asset("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", s.asset("icon.svg", "image/svg+xml"))
	for _, script := range []string{"page.js", "chat.js", "mail.js"} {
		mux.HandleFunc("GET /"+script, s.asset(script, "text/javascript; charset=utf-8"))
	}
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /api/state", s.state)
	mux.HandleFunc("GET /api/rooms", s.rooms)
	mux.HandleFunc("GET /api/messages", s.messages)
	mux.HandleFunc("POST /api/files", s.upload)
	mux.HandleFunc("GET /api/files/{id}", s.file)
	mux.HandleFunc("GET /api/mail/{id}/source", s.mailSource)
	mux.HandleFunc("GET /api/mail/{id}/files/{index}", s.mailFile)
	s.post(mux)
	return s.guard(http.NewCrossOriginProtection().Handler(mux))
}

// action is the body of every POST but a file: who acts, where, on what.
type action struct {
	As      string            `json:"as"`
	Room    string            `json:"room"`
	Thread  string            `json:"thread"`
	ReplyTo string            `json:"reply_to"`
	ID      string            `json:"id"` // of the message acted on
	Text    string            `json:"text"`
	Emoji   string            `json:"emoji"`
	On      bool              `json:"on"` // react, pin: put it there, or take it back
	Action  string            `json:"action"`
	Value   string            `json:"value"`
	Form    string            `json:"form"`
	Fields  map[string]string `json:"fields"`
	Files   []string          `json:"files"`
	With    string            `json:"with"`
	Name    string            `json:"name"`
	Mail    *Letter           `json:"mail"`
}

// reply is the body of every answer to a POST.
type reply struct {
	ID      string            `json:"id,omitempty"`   // of what was made
	Room    string            `json:"room,omitempty"` // direct
	Text    string            `json:"text,omitempty"` // for the invoker alone
	Errors  map[string]string `json:"errors,omitempty"`
	Form    *form             `json:"form,omitempty"`
	Account *Account          `json:"account,omitempty"`
	Code    int               `json:"code,omitempty"` // fate of a mail
	Answer  string            `json:"answer,omitempty"`
	Error   *failure          `json:"error,omitempty"`
}

type failure struct {
	Kind string `json:"kind"`
	FR   string `json:"fr"`
	EN   string `json:"en"`
}

type form struct {
	ID     string  `json:"id"`
	Value  string  `json:"value"`
	Title  string  `json:"title"`
	Submit string  `json:"submit"`
	Fields []field `json:"fields"`
}

type field struct {
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Text     string   `json:"text"`
	Long     bool     `json:"long"`
	Optional bool     `json:"optional"`
	Options  []option `json:"options,omitempty"`
}

type option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

func answered(a chat.Answer, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	r := reply{Text: a.Text, Errors: a.Errors}
	if a.Form != nil {
		r.Form = &form{ID: a.Form.ID, Value: a.Form.Value, Title: a.Form.Title, Submit: a.Form.Submit}
		for _, f := range a.Form.Fields {
			out := field{Name: f.Name, Label: f.Label, Text: f.Text, Long: f.Long, Optional: f.Optional}
			for _, o := range f.Options {
				out.Options = append(out.Options, option(o))
			}
			r.Form.Fields = append(r.Form.Fields, out)
		}
	}
	return r, nil
}

// post registers what people can do. Each takes an action as JSON.
func (s *server) post(mux *http.ServeMux) {
	n := s.net
	for name, do := range map[string]func(context.Context, action) (reply, error){
		"post": func(ctx context.Context, a action) (reply, error) {
			m, err := n.Post(ctx, a.As, s.draft(a))
			return reply{ID: m.ID}, err
		},
		"edit": func(_ context.Context, a action) (reply, error) {
			d := s.draft(a)
			if before, ok := n.Message(a.ID); ok && len(a.Files) == 0 {
				d.Files = before.Files
			}
			return reply{}, n.Edit(a.As, a.Room, a.ID, d)
		},
		"delete": func(_ context.Context, a action) (reply, error) { return reply{}, n.Delete(a.As, a.Room, a.ID) },
		"react": func(_ context.Context, a action) (reply, error) {
			return reply{}, n.React(a.As, a.Room, a.ID, a.Emoji, true)
		},
		"unreact": func(_ context.Context, a action) (reply, error) {
			return reply{}, n.React(a.As, a.Room, a.ID, a.Emoji, false)
		},
		"pin": func(_ context.Context, a action) (reply, error) {
			return reply{}, n.Pin(a.As, a.Room, a.ID, a.On)
		},
		"topic": func(_ context.Context, a action) (reply, error) {
			return reply{}, n.SetTopic(a.As, a.Room, a.Text)
		},
		"press": func(ctx context.Context, a action) (reply, error) {
			return answered(n.Press(ctx, a.As, a.Room, a.ID, a.Action, a.Value))
		},
		"submit": func(ctx context.Context, a action) (reply, error) {
			return answered(n.Submit(ctx, a.As, Submission{Room: a.Room, Thread: a.Thread, Form: a.Form, Value: a.Value, Fields: a.Fields}))
		},
		"slash": func(ctx context.Context, a action) (reply, error) {
			return answered(n.Slash(ctx, a.As, a.Room, a.Thread, a.Text))
		},
		"join":  func(_ context.Context, a action) (reply, error) { return reply{}, n.Join(a.As, a.Room) },
		"leave": func(_ context.Context, a action) (reply, error) { return reply{}, n.Leave(a.As, a.Room, a.Text) },
		"direct": func(_ context.Context, a action) (reply, error) {
			room, err := n.OpenDirect(a.As, a.With)
			return reply{Room: room}, err
		},
		"account": func(_ context.Context, a action) (reply, error) {
			made, err := n.AddAccount(a.Name)
			return reply{Account: &made}, err
		},
		"mail": func(ctx context.Context, a action) (reply, error) {
			if s.opts.Mailbox == nil || a.Mail == nil {
				return reply{}, refuse(chat.Permanent, "il n’y a pas de courrier ici", "there is no mail here")
			}
			m, err := s.opts.Mailbox.Write(ctx, *a.Mail)
			return reply{ID: m.ID, Code: m.Code, Answer: m.Answer}, err
		},
	} {
		mux.HandleFunc("POST /api/"+name, func(w http.ResponseWriter, r *http.Request) {
			var a action
			// Mails carry their files as base64.
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMail*2)).Decode(&a); err != nil {
				writeJSON(w, http.StatusBadRequest, reply{Error: &failure{Kind: "permanent", FR: "requête illisible", EN: "unreadable request"}})
				return
			}
			out, err := do(r.Context(), a)
			s.answer(w, out, err)
		})
	}
}

func (s *server) draft(a action) Draft {
	d := Draft{Room: a.Room, Thread: a.Thread, ReplyTo: a.ReplyTo, Text: a.Text}
	for _, id := range a.Files {
		d.Files = append(d.Files, File{ID: id})
	}
	return d
}

func (s *server) answer(w http.ResponseWriter, out reply, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, out)
		return
	}
	e := chat.AsError(err)
	status := http.StatusServiceUnavailable
	switch e.Kind {
	case chat.Permanent:
		status = http.StatusUnprocessableEntity
	case chat.Gone:
		status = http.StatusNotFound
	case chat.Unauthorised:
		status = http.StatusForbidden
	case chat.RateLimited:
		status = http.StatusTooManyRequests
	}
	if !errors.Is(err, context.Canceled) && status == http.StatusServiceUnavailable {
		s.opts.Log.Error("playground action failed", "err", err)
	}
	writeJSON(w, status, reply{Error: &failure{Kind: e.Kind.String(), FR: e.Reason.FR, EN: e.Reason.EN}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	_ = enc.Encode(v) // an error means that the reader went away
}

// upload keeps the body as a file: ?as=&name=, Content-Type as sent.
func (s *server) upload(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFile+1))
	if err != nil {
		s.answer(w, reply{}, refuse(chat.Permanent, "ce fichier dépasse 8 Mio", "this file is larger than 8 MiB"))
		return
	}
	f, err := s.net.AddFile(r.FormValue("as"), r.FormValue("name"), r.Header.Get("Content-Type"), data)
	s.answer(w, reply{ID: f.ID}, err)
}

// file gives a file's bytes, as nothing that a browser would run.
func (s *server) file(w http.ResponseWriter, r *http.Request) {
	f, data, ok := s.net.File(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	serveBytes(w, f.Name, f.Type, data)
}

func (s *server) mailSource(w http.ResponseWriter, r *http.Request) {
	_, raw, ok := s.net.Mail(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(raw)
}

func (s *server) mailFile(w http.ResponseWriter, r *http.Request) {
	m, _, ok := s.net.Mail(r.PathValue("id"))
	i, err := strconv.Atoi(r.PathValue("index"))
	if !ok || err != nil || i < 0 || i >= len(m.Files) {
		http.NotFound(w, r)
		return
	}
	serveBytes(w, m.Files[i].Name, m.Files[i].Type, m.Files[i].Data)
}

// inlineImages may be shown by the page itself; all else is downloaded.
var inlineImages = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

func serveBytes(w http.ResponseWriter, name, mediaType string, data []byte) {
	disposition := "attachment"
	if slices.Contains(inlineImages, mediaType) {
		disposition = "inline"
	} else {
		mediaType = "application/octet-stream"
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": name}))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Write(data)
}

// guard lets in whoever asks a loopback name, or a configured one, and sets
// what every answer has. The check of the name keeps a page elsewhere from
// reaching us by a name of its own that it points at 127.0.0.1.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		ip := net.ParseIP(host)
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) && !slices.Contains(s.opts.Hosts, host) {
			http.Error(w, "This page is for this machine alone: open it as http://127.0.0.1 or http://localhost.", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
