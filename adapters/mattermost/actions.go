package mattermost

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// buttonLife is how long a button can be pressed after its card was last said
// or edited.
const buttonLife = 30 * 24 * time.Hour

// button makes what the server calls when somebody presses b below a post. Its
// slip is bound to the channel, the thread and the button, and from the card's
// first edit on to the post: when a post is made its ID is not known yet. The
// server keeps the context to itself, so what comes back in it comes from a
// server that has the post.
func (w *web) button(ctx context.Context, post *model.Post, b chat.Button) (*model.PostActionIntegration, error) {
	sealed, err := w.signer.seal(ctx, forButton, slip{
		Channel: post.ChannelId, Thread: post.RootId, Post: post.Id, Name: b.Action, Value: b.Value,
	}, w.now().Add(buttonLife))
	if err != nil {
		return nil, err
	}
	return &model.PostActionIntegration{URL: w.mux.URL(actionPath), Context: map[string]any{contextKey: sealed}}, nil
}

// contextKey is where a button's context has the slip.
const contextKey = "permanence"

// press is what the server sends when a button was pressed.
type press struct {
	UserID      string `json:"user_id"`
	UserName    string `json:"user_name"`
	ChannelID   string `json:"channel_id"`
	ChannelName string `json:"channel_name"`
	TeamDomain  string `json:"team_domain"`
	PostID      string `json:"post_id"`
	TriggerID   string `json:"trigger_id"`
	Context     struct {
		Slip string `json:"permanence"`
	} `json:"context"`
}

// pressAnswer is what the server shows for a press.
type pressAnswer struct {
	Text  string `json:"ephemeral_text,omitempty"`
	Plain bool   `json:"skip_slack_parsing"`
}

// action answers a button.
func (w *web) action(r request) (any, error) {
	var p press
	if err := json.Unmarshal(r.body, &p); err != nil || !model.IsValidId(p.UserID) || !model.IsValidId(p.ChannelID) || !model.IsValidId(p.PostID) {
		return nil, &httpError{http.StatusBadRequest, "no press of a Mattermost server"}
	}
	tell := func(t chat.Text) (any, error) { return pressAnswer{t.In(w.lang(p.UserID)), true}, nil }
	s, err := w.signer.open(r.ctx, forButton, p.Context.Slip, w.now())
	switch {
	case errors.Is(err, errExpired):
		return tell(wordOldButton)
	case errors.Is(err, errForged):
		w.refuse(r, "a button that is not ours")
		return tell(wordForeignButton)
	case err != nil:
		w.log.Error("the key of buttons cannot be read", "err", err)
		return tell(wordLost)
	case s.Channel != p.ChannelID, s.Post != "" && s.Post != p.PostID:
		w.refuse(r, "a button of another place")
		return tell(wordForeignButton)
	case !w.ready():
		return tell(wordNotReady)
	}
	id, err := w.triggered(r.ctx, p.TriggerID, p.UserID)
	if err != nil {
		return nil, err
	}
	who := w.person(r.ctx, p.UserID, p.UserName)
	if who.Self {
		return nil, &httpError{http.StatusForbidden, "a press of our own account"}
	}
	o := origin{
		who: who, channel: p.ChannelID, room: w.roomOf(p.ChannelID, p.TeamDomain, p.ChannelName), thread: s.Thread,
		trigger: p.TriggerID, lang: w.lang(p.UserID),
	}
	if o.thread == "" {
		o.thread = p.PostID // answers stand below the card
	}
	answer, f := w.ask(r, o, func(respond func(chat.Answer)) chat.Event {
		return &chat.Pressed{
			Meta: chat.Meta{
				Room: o.room, Thread: s.Thread, ID: "press-" + id, From: who, At: w.now().UTC(),
				Direct: w.directWith(p.ChannelName, p.UserID),
			},
			Target: p.PostID, Action: s.Name, Value: s.Value, Respond: respond,
		}
	}, func() { w.recent.forget(id) })
	if f != answered {
		return tell(f.words())
	}
	ctx, cancel := r.remaining()
	defer cancel()
	return pressAnswer{w.show(ctx, o, answer), true}, nil
}

// serverKey is the key by which the server signs triggers; nil where it tells
// none.
func (a *Adapter) serverKey() *ecdsa.PublicKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limits.triggers
}

// newServerKey asks for the server's key anew, once a minute at most; nil where
// that was just done.
func (w *web) newServerKey(ctx context.Context) *ecdsa.PublicKey {
	w.logs.Lock()
	soon := time.Since(w.asked) < time.Minute
	if !soon {
		w.asked = time.Now()
	}
	w.logs.Unlock()
	acc := w.loggedIn()
	if soon || acc == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	limits, err := w.readLimits(ctx, acc)
	if err != nil {
		w.log.Warn("the server's key cannot be read", "err", err)
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits = limits
	return limits.triggers
}

var (
	wordOldButton = text("Ce bouton est resté trop longtemps sans nouvelles : écrivez la commande dans le fil, par exemple !aide.",
		"This button has been without news for too long: write the command in the thread, for example !help.")
	wordForeignButton = text("Ce bouton n’est pas valable ici : écrivez la commande dans le fil, par exemple !aide.",
		"This button is not valid here: write the command in the thread, for example !help.")
)
