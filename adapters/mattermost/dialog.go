package mattermost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// formLife is how long a form can be sent after it was opened.
const formLife = time.Hour

// openForm opens a form for the invoker, and gives what to tell them where it
// cannot be opened.
func (w *web) openForm(ctx context.Context, o origin, f chat.Form) string {
	if o.trigger == "" {
		return wordNoForm.In(o.lang) // from a form itself
	}
	for _, field := range f.Fields {
		if most := fieldMax(field); len(field.Options) == 0 && utf8.RuneCountInString(field.Text) > most {
			// The browser would cut it, and what is cut would be sent.
			return fmt.Sprintf(wordLongForm.In(o.lang), most)
		}
	}
	state, err := w.signer.seal(ctx, forForm, slip{
		User: o.who.ID, Handle: o.who.Handle, Channel: o.channel, Room: o.room, Thread: o.thread, Name: f.ID, Value: f.Value,
	}, w.now().Add(formLife))
	if err != nil {
		w.log.Error("a form cannot be sealed", "err", err)
		return wordNoForm.In(o.lang)
	}
	if err := w.act(ctx, o.room, func(ctx context.Context, acc *account) (*model.Response, error) {
		return acc.api.OpenInteractiveDialog(ctx, model.OpenDialogRequest{
			TriggerId: o.trigger, URL: w.mux.URL(dialogPath), Dialog: dialogOf(f, state),
		})
	}); err != nil {
		w.log.Warn("a form was not opened", "form", f.ID, "err", err)
		return wordNoForm.In(o.lang)
	}
	return ""
}

func fieldMax(f chat.Field) int {
	if f.Long {
		return model.DialogElementTextareaMaxLength
	}
	return model.DialogElementTextMaxLength
}

// dialogOf lays a form out as Mattermost shows it. What is longer than it takes
// for a title or a label stands in full below.
func dialogOf(f chat.Form, state string) model.Dialog {
	d := model.Dialog{
		CallbackId: f.ID, Title: short(f.Title, model.DialogTitleMaxLength), SubmitLabel: f.Submit, State: state,
		Elements: []model.DialogElement{},
	}
	if d.Title != f.Title {
		d.IntroductionText = f.Title
	}
	for _, field := range f.Fields {
		e := model.DialogElement{
			DisplayName: short(field.Label, model.DialogElementDisplayNameMaxLength), Name: field.Name, Default: field.Text,
			Type: "text", Optional: field.Optional, MaxLength: fieldMax(field),
		}
		if e.DisplayName != field.Label {
			e.HelpText = short(field.Label, model.DialogElementHelpTextMaxLength)
		}
		switch {
		case len(field.Options) > 0:
			e.Type = "select"
			for _, option := range field.Options {
				e.Options = append(e.Options, &model.PostActionOptions{Text: option.Label, Value: option.Value})
			}
		case field.Long:
			e.Type = "textarea"
		}
		d.Elements = append(d.Elements, e)
	}
	return d
}

// short cuts a text to so many bytes, which is what the server counts.
func short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const dots = "…"
	cut := most - len(dots)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimSpace(s[:cut]) + dots
}

// submission is what the server sends when a form was filled in.
type submission struct {
	Type       string                     `json:"type"`
	CallbackID string                     `json:"callback_id"`
	State      string                     `json:"state"`
	UserID     string                     `json:"user_id"`
	Submission map[string]json.RawMessage `json:"submission"`
	Cancelled  bool                       `json:"cancelled"`
}

// fields are the filled-in values as texts; the server gives numbers and
// booleans for some kinds of fields.
func (s *submission) fields() map[string]string {
	out := make(map[string]string, len(s.Submission))
	for name, value := range s.Submission {
		var text string
		if json.Unmarshal(value, &text) != nil && string(value) != "null" {
			text = string(value)
		}
		out[chat.Clean(name)] = chat.Clean(text)
	}
	return out
}

// dialogAnswer closes a form, or keeps it open with what is wrong.
type dialogAnswer struct {
	Error  string            `json:"error,omitempty"`
	Errors map[string]string `json:"errors,omitempty"`
}

// dialog answers a form. The server vouches for the person, and the slip says
// for whom and where it was opened: the channel that comes with a submission is
// the one that the browser showed at that moment, which in the view of threads
// is any, so what counts is the one in the slip.
func (w *web) dialog(r request) (any, error) {
	var s submission
	if err := json.Unmarshal(r.body, &s); err != nil || !model.IsValidId(s.UserID) || s.Type != "" && s.Type != "dialog_submission" {
		return nil, &httpError{http.StatusBadRequest, "no form of a Mattermost server"}
	}
	if s.Cancelled {
		return dialogAnswer{}, nil
	}
	lang := w.lang(s.UserID)
	tell := func(t chat.Text) (any, error) { return dialogAnswer{Error: t.In(lang)}, nil }
	p, err := w.signer.open(r.ctx, forForm, s.State, w.now())
	switch {
	case errors.Is(err, errExpired):
		return tell(wordOldForm)
	case errors.Is(err, errForged), err == nil && (p.User != s.UserID || p.Name != s.CallbackID):
		w.refuse(r, "a form that is not ours, or somebody else's")
		return tell(wordForeignForm)
	case err != nil:
		w.log.Error("the key of forms cannot be read", "err", err)
		return tell(wordLost)
	case !w.ready():
		return tell(wordNotReady)
	}
	try, ok := w.forms.take(p.Nonce, w.now())
	if !ok {
		w.refuse(r, "a form that was sent")
		return tell(wordUsedForm)
	}
	who := w.person(r.ctx, s.UserID, p.Handle)
	o := origin{who: who, channel: p.Channel, room: p.Room, thread: p.Thread, lang: lang}
	direct := w.isDirect(p.Channel)
	fields := s.fields()
	answer, f := w.ask(r, o, func(respond func(chat.Answer)) chat.Event {
		return &chat.Submitted{
			Meta: chat.Meta{
				Room: p.Room, Thread: p.Thread, ID: "form-" + p.Nonce, Revision: revision(try, fields), From: who,
				At: w.now().UTC(), Direct: direct,
			},
			Form: p.Name, Value: p.Value, Fields: fields, Respond: respond,
		}
	}, func() { w.forms.again(p.Nonce) })
	switch {
	case f == received:
		return dialogAnswer{}, nil // stored; the rest comes as a message
	case f != answered:
		return tell(f.words())
	case len(answer.Errors) > 0:
		w.forms.again(p.Nonce)
		return known(answer.Errors, fields), nil
	}
	ctx, cancel := r.remaining()
	defer cancel()
	// A form has no place for a text: it goes to the invoker when the form is
	// closed.
	if text := w.show(ctx, o, answer); text != "" {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
			defer cancel()
			if err := w.whisper(ctx, o, text); err != nil {
				w.log.Warn("the answer to a form was not said", "err", err)
			}
		}()
	}
	return dialogAnswer{}, nil
}

// known keeps errors of fields that the form has beside these; the others are
// the form's.
func known(wrong, fields map[string]string) dialogAnswer {
	a := dialogAnswer{Errors: make(map[string]string)}
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		if _, ok := fields[name]; ok {
			a.Errors[name] = wrong[name]
		} else {
			a.Error = strings.TrimSpace(a.Error + "\n" + wrong[name])
		}
	}
	return a
}

// isDirect: the channel is a conversation with us alone, as far as we know.
func (w *web) isDirect(id string) bool {
	ch, ok := w.known.find(id)
	return ok && ch.direct() && ch.ours()
}

// revision tells apart the submissions of one form: the one that comes after a
// mistake was shown is another event, and the same one twice is not.
func revision(try int, fields map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(h, "%d %s %d %s ", len(name), name, len(fields[name]), fields[name])
	}
	return strconv.Itoa(try) + "-" + hex.EncodeToString(h.Sum(nil)[:8])
}

// forms remembers which forms were sent, so that each is taken once.
type forms struct {
	mu   sync.Mutex
	used map[string]*formUse // by nonce
}

type formUse struct {
	tries int
	open  bool // it may be sent again: something was wrong
	since time.Time
}

// maxForms bounds what is remembered.
const maxForms = 10_000

// take notes that a form was sent and tells how often it was before; false
// means that it may not be sent again.
func (f *forms) take(nonce string, now time.Time) (try int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u, ok := f.used[nonce]; ok {
		if !u.open {
			return 0, false
		}
		u.open = false
		u.tries++
		return u.tries, true
	}
	if f.used == nil || len(f.used) >= maxForms {
		f.prune(now)
	}
	f.used[nonce] = &formUse{since: now}
	return 0, true
}

// prune drops the forms that have expired, and all where that is not enough:
// the inbox knows them too.
func (f *forms) prune(now time.Time) {
	maps.DeleteFunc(f.used, func(_ string, u *formUse) bool { return now.Sub(u.since) > formLife })
	if f.used == nil || len(f.used) >= maxForms {
		f.used = make(map[string]*formUse)
	}
}

// again lets a form be sent once more.
func (f *forms) again(nonce string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u, ok := f.used[nonce]; ok {
		u.open = true
	}
}

var (
	wordNoForm = text("Le formulaire n’a pas pu s’ouvrir : recommencez, ou écrivez la commande avec son texte.",
		"The form could not be opened: do it again, or write the command with its text.")
	wordLongForm = text("Ce texte est trop long pour un formulaire de Mattermost (%d signes au plus) : écrivez la commande dans le fil, ou faites le geste sur le message lui-même.",
		"This text is too long for a form of Mattermost (%d characters at most): write the command in the thread, or make the gesture on the message itself.")
	wordOldForm = text("Ce formulaire est ouvert depuis plus d’une heure : copiez votre texte, puis rouvrez-le.",
		"This form has been open for more than an hour: copy your text, then open it again.")
	wordForeignForm = text("Ce formulaire n’est pas valable : copiez votre texte, puis rouvrez-le.",
		"This form is not valid: copy your text, then open it again.")
	wordUsedForm = text("Ce formulaire est déjà parti : pour en envoyer un autre, copiez votre texte, puis rouvrez-le.",
		"This form has been sent already: to send another, copy your text, then open it again.")
)
