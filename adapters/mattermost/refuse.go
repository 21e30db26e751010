package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// serverError is a server's answer, for the log and for `check`.
type serverError struct {
	Status int
	ID     string // of the model.AppError; empty where the answer was none
	Err    error
}

func (e *serverError) Error() string { return fmt.Sprintf("status %d: %v", e.Status, e.Err) }
func (e *serverError) Unwrap() error { return e.Err }

// notMattermost is the ID of an answer that no Mattermost gives.
const notMattermost = "not mattermost"

func isStatus(err error, status int) bool {
	var e *serverError
	return errors.As(err, &e) && e.Status == status
}

// statusOf is the HTTP status of a refusal, 0 where there was no answer.
func statusOf(err error) int {
	var e *serverError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// refusal makes an error of a call that failed; room is what people read. An
// operation whose own context ended has an unknown fate and gets that error.
func refusal(ctx context.Context, resp *model.Response, err error, room string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if resp == nil || resp.StatusCode == 0 {
		reason := unreachable
		if errors.Is(err, context.DeadlineExceeded) {
			reason = tooSlow
		}
		return &chat.Error{Kind: chat.Temporary, Reason: reason, Err: err}
	}
	answer := &serverError{Status: resp.StatusCode, Err: err}
	message := ""
	var app *model.AppError
	if errors.As(err, &app) {
		answer.ID, message = app.Id, strings.TrimSpace(app.Message)
	}
	e := &chat.Error{Err: answer}
	if resp.StatusCode < 300 {
		// It said yes, and the connection broke behind that.
		e.Kind, e.Reason = chat.Temporary, serverWent
		return e
	}
	e.Kind, e.Reason = explain(answer, message, room)
	if e.Kind == chat.RateLimited {
		e.RetryAfter = retryAfter(resp.Header)
	}
	if answer.ID == "api.post.deduplicate_create_post.pending" {
		e.RetryAfter = time.Second
	}
	return e
}

// retryAfter reads how long the server wants us to wait: seconds or a date in
// Retry-After (RFC 9110 section 10.2.3), seconds in X-RateLimit-Reset.
func retryAfter(h http.Header) time.Duration {
	const most = time.Hour
	for _, name := range []string{"Retry-After", "X-RateLimit-Reset"} {
		value := h.Get(name)
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			return min(max(time.Duration(min(n, 3600))*time.Second, 100*time.Millisecond), most)
		}
		if at, err := http.ParseTime(value); err == nil {
			return min(max(time.Until(at), 100*time.Millisecond), most)
		}
	}
	return time.Second
}

// pluginPrefix begins the ID of an error that a plugin made; what it says
// follows (server, CreatePost).
const pluginPrefix = "Post rejected by plugin. "

// explain says what an answer means for whoever reads it.
func explain(e *serverError, message, room string) (chat.Kind, chat.Text) {
	if room == "" {
		room = "Mattermost"
	}
	if words, ok := strings.CutPrefix(e.ID, pluginPrefix); ok {
		return chat.Permanent, text(fmt.Sprintf("une extension du serveur Mattermost a refusé le message : %s", words),
			fmt.Sprintf("a plugin of the Mattermost server refused the message: %s", words))
	}
	for _, r := range refusals {
		if r.id != "" && strings.Contains(e.ID, r.id) || r.id == "" && e.Status == r.status {
			return r.kind, text(strings.ReplaceAll(r.fr, "%", room), strings.ReplaceAll(r.en, "%", room))
		}
	}
	if e.Status >= 500 {
		return chat.Temporary, text(fmt.Sprintf("le serveur Mattermost est en panne (%d)", e.Status),
			fmt.Sprintf("the Mattermost server has a failure (%d)", e.Status))
	}
	if message == "" {
		message = strconv.Itoa(e.Status)
	}
	return chat.Permanent, text("le serveur Mattermost a refusé : "+message, "the Mattermost server refused: "+message)
}

func text(fr, en string) chat.Text { return chat.Text{FR: fr, EN: en} }

// refusals are the answers that say no, the most special first: by a part of
// the AppError's ID where there is one, else by the HTTP status.
var refusals = []struct {
	id     string
	status int
	kind   chat.Kind
	fr, en string
}{
	{"deduplicate_create_post", 0, chat.Temporary,
		"le serveur traite encore un premier envoi de ce message", "the server still works on a first sending of this message"},
	{"dismiss_post", 0, chat.Permanent,
		"une extension du serveur Mattermost a écarté le message", "a plugin of the Mattermost server dismissed the message"},
	{"to_deleted", 0, chat.Gone, "le salon % est archivé", "the channel % is archived"},
	{"in_deleted", 0, chat.Gone, "le salon % est archivé", "the channel % is archived"},
	{"archived_channel", 0, chat.Gone, "le salon % est archivé", "the channel % is archived"},
	{"update_channel.deleted", 0, chat.Gone, "le salon % est archivé", "the channel % is archived"},
	{"root_id", 0, chat.Gone, "le fil n’existe plus dans %", "the thread does not exist any more in %"},
	{"message_length", 0, chat.Permanent, "le message est trop long pour le serveur Mattermost", "the message is too long for the Mattermost server"},
	{"post.is_valid.msg", 0, chat.Permanent, "le message est trop long pour le serveur Mattermost", "the message is too long for the Mattermost server"},
	{"attachments.disabled", 0, chat.Permanent, "le serveur Mattermost n’accepte pas de fichiers", "the Mattermost server takes no files"},
	{"too_large", 0, chat.Permanent, "le fichier est trop gros pour le serveur Mattermost", "the file is too large for the Mattermost server"},
	{"reaction.save.limit", 0, chat.Permanent, "ce message a déjà trop de réactions différentes", "this message has too many different reactions already"},
	{"restricted_dm", 0, chat.Unauthorised, "le serveur ne permet pas les messages directs avec cette personne", "the server allows no direct messages with this person"},
	{"mfa_required", 0, chat.Unauthorised, "le serveur Mattermost demande une double authentification à notre compte", "the Mattermost server asks our account for a second factor"},
	{"", http.StatusUnauthorized, chat.Unauthorised, loginRefused.FR, loginRefused.EN},
	{"", http.StatusForbidden, chat.Unauthorised,
		"notre compte n’a pas ce droit dans % ; en a-t-il été retiré ?", "our account has no such right in %; was it removed from there?"},
	{"", http.StatusNotFound, chat.Gone, "cela n’existe plus dans %", "this does not exist any more in %"},
	{"", http.StatusRequestEntityTooLarge, chat.Permanent, "c’est trop gros pour le serveur Mattermost, ou pour le relais devant lui", "it is too large for the Mattermost server, or for the proxy before it"},
	{"", http.StatusTooManyRequests, chat.RateLimited, "le serveur Mattermost nous trouve trop rapides", "the Mattermost server finds us too fast"},
}

// Reasons of our own.
var (
	unreachable = chat.Text{
		FR: "le serveur Mattermost ne répond pas",
		EN: "the Mattermost server does not answer",
	}
	tooSlow = chat.Text{
		FR: "le serveur Mattermost n’a pas répondu à temps",
		EN: "the Mattermost server did not answer in time",
	}
	loginRefused = chat.Text{
		FR: "le serveur Mattermost ne reconnaît plus notre compte : son jeton ou son mot de passe est à renouveler",
		EN: "the Mattermost server does not know our account any more: its token or password must be renewed",
	}
	notRunning = chat.Text{
		FR: "nous ne sommes pas connectés au serveur Mattermost",
		EN: "we are not connected to the Mattermost server",
	}
	serverWent = chat.Text{
		FR: "la connexion au serveur Mattermost s’est coupée",
		EN: "the connection to the Mattermost server broke",
	}
)

func refuse(kind chat.Kind, fr, en string) error {
	return &chat.Error{Kind: kind, Reason: chat.Text{FR: fr, EN: en}}
}
