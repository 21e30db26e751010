package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// Times for one request. Mattermost shows an error after three seconds where
// an administrator kept the old default, so everything ends before.
const (
	answerWithin = 2 * time.Second         // from storing to the bot's answer
	endWithin    = 2600 * time.Millisecond // from the request to ours
	storeWithin  = 10 * time.Second        // after that it is not stored
	askWithin    = 400 * time.Millisecond  // for a question to the server
)

// Limits for what comes in.
const (
	// maxBody is room for a command of 16,383 runes, each twelve bytes long in
	// a form, and for the maps of mentions behind it.
	maxBody = 512 << 10
	// maxRequests are answered at once.
	maxRequests = 64
	// triggerLife is how old a trigger may be and how long at least it is
	// remembered, clocks that differ included.
	triggerLife = 15 * time.Minute
)

// Paths below the adapter's prefix.
const (
	commandPath = "/command"
	actionPath  = "/action"
	dialogPath  = "/dialog"
)

// web is what the server calls: commands, buttons, forms.
type web struct {
	*Adapter
	mux    chat.Mux
	signer *signer
	now    func() time.Time
	slots  chan struct{}
	recent recent
	forms  forms
	// mute: the server lets us say nothing to one person in a channel.
	mute atomic.Bool

	logs     sync.Mutex
	logged   time.Time // of the last refusal in the log
	unlogged int       // refusals since
	asked    time.Time // when the server's key was last asked for anew
}

// newWeb offers the endpoints of an adapter.
func newWeb(a *Adapter, mux chat.Mux) *web {
	w := &web{
		Adapter: a, mux: mux, signer: &signer{name: a.name, state: a.state}, now: time.Now,
		slots: make(chan struct{}, maxRequests),
	}
	mux.Handle(commandPath, w.endpoint("application/x-www-form-urlencoded", w.command))
	mux.Handle(actionPath, w.endpoint("application/json", w.action))
	mux.Handle(dialogPath, w.endpoint("application/json", w.dialog))
	return w
}

// request is one that has come whole.
type request struct {
	ctx     context.Context
	started time.Time
	body    []byte
	remote  string
}

// httpError is an answer to somebody who is no Mattermost server.
type httpError struct {
	status int
	why    string
}

func (e *httpError) Error() string { return e.why }

// endpoint lets a well-formed POST through and writes what f answers: any JSON,
// or an *httpError. What people should read is never an error: Mattermost shows
// of one only its number.
func (w *web) endpoint(mediaType string, f func(request) (any, error)) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		r := request{ctx: req.Context(), started: time.Now(), remote: req.RemoteAddr}
		fail := func(status int, why string) {
			w.refuse(r, why)
			http.Error(rw, http.StatusText(status), status)
		}
		if req.Method != http.MethodPost {
			rw.Header().Set("Allow", http.MethodPost)
			fail(http.StatusMethodNotAllowed, "not a POST")
			return
		}
		if given, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || given != mediaType {
			fail(http.StatusUnsupportedMediaType, "another content type")
			return
		}
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
		default:
			rw.Header().Set("Retry-After", "1")
			fail(http.StatusTooManyRequests, "too many requests at once")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(rw, req.Body, maxBody))
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			fail(http.StatusRequestEntityTooLarge, "too large")
			return
		case err != nil:
			return // whoever asked went away
		}
		r.body = body
		answer, err := f(r)
		var refused *httpError
		switch {
		case errors.As(err, &refused):
			fail(refused.status, refused.why)
			return
		case err != nil:
			w.log.Error("a request failed", "path", req.URL.Path, "err", err)
			http.Error(rw, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		data, err := json.Marshal(answer)
		if err != nil {
			w.log.Error("an answer cannot be written", "err", err)
			http.Error(rw, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Cache-Control", "no-store")
		rw.Write(data) // an error means that nobody waits any more
	})
}

// refuse notes a refusal, without what was sent: one line in ten seconds says
// how many there were.
func (w *web) refuse(r request, why string) {
	w.logs.Lock()
	defer w.logs.Unlock()
	w.unlogged++
	if time.Since(w.logged) < 10*time.Second {
		return
	}
	w.log.Warn("a call was refused", "why", why, "from", r.remote, "since the last such line", w.unlogged)
	w.logged, w.unlogged = time.Now(), 0
}

// origin is where a gesture comes from and where its answer goes.
type origin struct {
	who     chat.Account
	channel string
	room    string
	thread  string // where answers go
	trigger string // opens a form; empty where that cannot be
	lang    string
}

// roomOf gives the room of a channel without asking: by the channel's ID, or
// by its names where we have not met it yet.
func (w *web) roomOf(channel, team, name string) string {
	if ch, ok := w.known.find(channel); ok && ch.ours() {
		return ch.room
	}
	if room, ok := w.known.spelled[strings.ToLower(team+"/"+name)]; ok {
		return room
	}
	return channel
}

// directWith: the channel's name says that it is the conversation of an account
// with us.
func (w *web) directWith(name, user string) bool {
	one, other, ok := strings.Cut(name, "__")
	return ok && (one == user && w.isMe(other) || other == user && w.isMe(one))
}

// person describes somebody for whom the server vouched. It asks the server at
// most for a moment.
func (w *web) person(ctx context.Context, id, handle string) chat.Account {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	who, err := w.who(ctx, id)
	if err != nil || who.Handle == "" {
		who = chat.Account{ID: id, Name: chat.Clean(handle), Self: w.isMe(id)}
	}
	if handle != "" {
		who.Handle = chat.Clean(handle)
	}
	who.Proved = who.Handle != ""
	return who
}

// lang is the language of somebody, as far as we know them: French where not.
func (w *web) lang(id string) string {
	who, _ := w.people.find(id)
	if who.locale == "" || strings.HasPrefix(strings.ToLower(who.locale), "fr") {
		return "fr"
	}
	return "en"
}

// ready: there is somebody to give events to, and the server is known.
func (w *web) ready() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.handler != nil && w.limits.version != ""
}

// triggered checks a trigger_id and gives the ID of its gesture, which is
// noted: one that comes again is refused. Where the server gives no key, the
// trigger only names the gesture.
func (w *web) triggered(ctx context.Context, text, user string) (id string, err error) {
	t, err := parseTrigger(text)
	if err != nil {
		return "", &httpError{http.StatusForbidden, "no trigger"}
	}
	if key := w.serverKey(); key != nil {
		if !t.by(key) {
			// Perhaps the server has a new one.
			if key = w.newServerKey(ctx); key == nil || !t.by(key) {
				return "", &httpError{http.StatusForbidden, "a trigger that the server did not sign"}
			}
		}
		if age := w.now().Sub(t.at); age > triggerLife || age < -triggerLife {
			return "", &httpError{http.StatusForbidden, "a trigger too old, or of the future (do the clocks agree?)"}
		}
	}
	if t.user != user {
		return "", &httpError{http.StatusForbidden, "a trigger of somebody else"}
	}
	if !w.recent.take(t.id, time.Now()) {
		return "", &httpError{http.StatusConflict, "a trigger that was used"}
	}
	return t.id, nil
}

// fate is what became of an event.
type fate int

const (
	answered fate = iota
	received      // stored; the answer comes later
	unsure        // being stored, for too long
	lost          // not stored
)

// words tells of a fate.
func (f fate) words() chat.Text {
	switch f {
	case received:
		return wordReceived
	case unsure:
		return wordUnsure
	}
	return wordLost
}

// ask gives an event to the bot and waits for its answer. One that comes too
// late goes as a message. unstored is called when it turns out that nothing was
// stored.
func (w *web) ask(r request, o origin, event func(func(chat.Answer)) chat.Event, unstored func()) (chat.Answer, fate) {
	var mu sync.Mutex
	gone, called := false, false
	answers := make(chan chat.Answer, 1)
	e := event(func(answer chat.Answer) {
		mu.Lock()
		defer mu.Unlock()
		if called {
			return
		}
		called = true
		if gone {
			go w.late(o, answer)
			return
		}
		answers <- answer
	})
	stored := make(chan error, 1)
	go func() {
		// Whoever asked may hang up: the gesture counts all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), storeWithin)
		defer cancel()
		err := w.deliver(ctx, e)
		if err != nil {
			unstored()
			w.log.Warn("a gesture was not stored", "err", err)
		}
		stored <- err
	}()
	end := time.NewTimer(time.Until(r.started.Add(endWithin)))
	defer end.Stop()
	leave := func(f fate) (chat.Answer, fate) {
		mu.Lock()
		defer mu.Unlock()
		select {
		case answer := <-answers:
			return answer, answered
		default:
		}
		gone = true
		return chat.Answer{}, f
	}
	var wait <-chan time.Time
	for waiting := stored; ; {
		select {
		case answer := <-answers:
			return answer, answered
		case err := <-waiting:
			if err != nil {
				return leave(lost)
			}
			waiting = nil
			t := time.NewTimer(answerWithin)
			defer t.Stop()
			wait = t.C
		case <-wait:
			return leave(received)
		case <-end.C:
			if waiting == nil {
				return leave(received)
			}
			return leave(unsure)
		}
	}
}

// show does what an answer asks for besides its text, and gives the text that
// is for the invoker alone. ctx bounds it.
func (w *web) show(ctx context.Context, o origin, answer chat.Answer) string {
	if answer.ForAll && answer.Text != "" {
		if err := w.speak(ctx, o.channel, o.room, o.thread, answer.Text); err == nil {
			answer.Text = ""
		} else {
			w.log.Warn("an answer for all is shown to the invoker alone", "err", err)
		}
	}
	text := answer.Text
	if answer.Form != nil {
		if said := w.openForm(ctx, o, *answer.Form); said != "" {
			text = strings.TrimSpace(text + "\n" + said)
		}
	}
	return text
}

// remaining bounds what is done before a request is answered.
func (r request) remaining() (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(r.ctx), r.started.Add(endWithin+200*time.Millisecond))
}

// late gives an answer to which nobody listens any more as a message.
func (w *web) late(o origin, answer chat.Answer) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	text := w.show(ctx, o, answer)
	for _, field := range slices.Sorted(maps.Keys(answer.Errors)) {
		text = strings.TrimSpace(text + "\n" + answer.Errors[field])
	}
	if err := w.whisper(ctx, o, text); err != nil {
		w.log.Warn("a late answer was not said", "err", err)
	}
}

// whisper says something to the invoker alone: in the channel where the server
// lets us, which it lets few bots, else in a direct message.
func (w *web) whisper(ctx context.Context, o origin, text string) error {
	if text == "" {
		return nil
	}
	if !w.mute.Load() {
		_, err := call(ctx, w.Adapter, o.room, func(ctx context.Context, acc *account) (*model.Post, *model.Response, error) {
			return acc.api.CreatePostEphemeral(ctx, &model.PostEphemeral{
				UserID: o.who.ID, Post: &model.Post{ChannelId: o.channel, RootId: o.thread, Message: text},
			})
		})
		if err == nil {
			return nil
		}
		if isStatus(err, http.StatusForbidden) {
			w.mute.Store(true)
		}
	}
	room, err := w.openDirect(ctx, o.who)
	if err != nil {
		return err
	}
	return w.speak(ctx, room, room, "", text)
}

// speak posts a text that pings nobody.
func (w *web) speak(ctx context.Context, channel, room, thread, text string) error {
	for _, part := range split(quiet(text, nil)) {
		if _, err := w.post(ctx, room, &model.Post{ChannelId: channel, RootId: thread, Message: part}); err != nil {
			return err
		}
	}
	return nil
}

// isPrivate: a host is on this machine or on a private network, as far as its
// name tells.
func isPrivate(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

// recent remembers the names of gestures for triggerLife at least.
type recent struct {
	mu         sync.Mutex
	young, old map[string]struct{}
	turned     time.Time
}

// maxRecent bounds each half of what is remembered.
const maxRecent = 20_000

// take notes a name; false means that it is known.
func (r *recent) take(id string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil || now.Sub(r.turned) > 2*triggerLife || len(r.young) >= maxRecent {
		r.old, r.young, r.turned = r.young, make(map[string]struct{}), now
	}
	if _, ok := r.old[id]; ok {
		return false
	}
	if _, ok := r.young[id]; ok {
		return false
	}
	r.young[id] = struct{}{}
	return true
}

// forget lets a name be taken again.
func (r *recent) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, id)
	delete(r.old, id)
}

// Words of our own for whoever typed, pressed or filled in.
var (
	wordReceived = text("Reçu, la suite arrive ici.", "Received, the rest comes here.")
	wordUnsure   = text("Permanence tarde à répondre : regardez dans un instant si c’est fait, et sinon recommencez.",
		"Permanence is slow to answer: look in a moment whether it is done, and if not do it again.")
	wordLost = text("Permanence n’a pas pu enregistrer votre demande : recommencez dans un instant.",
		"Permanence could not store your request: do it again in a moment.")
	wordNotReady = text("Permanence n’est pas prête (elle démarre ou s’arrête) : recommencez dans un instant.",
		"Permanence is not ready (it starts or stops): do it again in a moment.")
)
