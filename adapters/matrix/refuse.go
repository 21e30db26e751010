package matrix

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix"

	"permanence/bot/chat"
)

// reason is what a refusal of the server means to people. "%" stands for the
// room.
type reason struct {
	kind   chat.Kind
	fr, en string
}

// reasons are the error codes of the specification
// (https://spec.matrix.org/v1.13/client-server-api/#standard-error-response).
func reasonOf(code string) (reason, bool) {
	switch code {
	case "M_FORBIDDEN":
		return reason{chat.Unauthorised, "le serveur Matrix ne nous permet pas cela dans %", "the Matrix server does not allow us this in %"}, true
	case "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN":
		return reason{chat.Unauthorised, "le serveur Matrix ne reconnaît plus notre jeton d’accès", "the Matrix server does not know our access token any more"}, true
	case "M_USER_DEACTIVATED", "M_USER_LOCKED", "M_USER_SUSPENDED":
		return reason{chat.Unauthorised, "notre compte Matrix est désactivé ou bloqué", "our Matrix account is deactivated or locked"}, true
	case "M_LIMIT_EXCEEDED":
		return reason{chat.RateLimited, "le serveur Matrix nous trouve trop rapides", "the Matrix server finds us too fast"}, true
	case "M_NOT_FOUND":
		return reason{chat.Gone, "le salon, le message ou la personne n’est plus là (%)", "the room, message or person is not there any more (%)"}, true
	case "M_TOO_LARGE":
		return reason{chat.Permanent, "le serveur Matrix trouve le message ou le fichier trop grand", "the Matrix server finds the message or file too large"}, true
	case "M_CONSENT_NOT_GIVEN":
		return reason{chat.Unauthorised, "le serveur Matrix demande d’accepter ses conditions d’utilisation", "the Matrix server asks for its terms of use to be accepted"}, true
	case "M_RESOURCE_LIMIT_EXCEEDED":
		return reason{chat.Temporary, "le serveur Matrix a atteint une limite et ne prend rien pour le moment", "the Matrix server has reached a limit and takes nothing for now"}, true
	case "M_BAD_JSON", "M_NOT_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM", "M_UNRECOGNIZED", "M_BAD_STATE":
		return reason{chat.Permanent, "le serveur Matrix n’a pas compris", "the Matrix server did not understand"}, true
	}
	return reason{}, false
}

var (
	unreachable = chat.Text{FR: "le serveur Matrix ne répond pas", EN: "the Matrix server does not answer"}
	notRunning  = chat.Text{FR: "nous ne sommes pas connectés au serveur Matrix", EN: "we are not connected to the Matrix server"}
)

// codeOf is the server's error code, empty where err is none of the server's.
func codeOf(err error) string {
	var he mautrix.HTTPError
	if errors.As(err, &he) && he.RespError != nil {
		return he.RespError.ErrCode
	}
	return ""
}

// statusOf is the HTTP status of a refusal, 0 where there was no answer.
func statusOf(err error) int {
	var he mautrix.HTTPError
	if errors.As(err, &he) && he.Response != nil {
		return he.Response.StatusCode
	}
	return 0
}

// softLogout tells whether an unknown token may be had again with the same
// device (https://spec.matrix.org/v1.13/client-server-api/#soft-logout).
func softLogout(err error) bool {
	var he mautrix.HTTPError
	if !errors.As(err, &he) || he.RespError == nil {
		return false
	}
	soft, _ := he.RespError.ExtraData["soft_logout"].(bool)
	return soft
}

// failure makes of an error of a request what the outbox and people need.
// Errors of ours pass as they are; so do ended contexts, whose outcome is
// unknown.
func failure(err error, room string) error {
	var ours *chat.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &chat.Error{Kind: chat.Temporary, Reason: unreachable, Err: err}
	}
	code, status := codeOf(err), statusOf(err)
	r, ok := reasonOf(code)
	switch {
	case ok:
	case status == http.StatusTooManyRequests:
		r, _ = reasonOf("M_LIMIT_EXCEEDED")
	case status == http.StatusRequestEntityTooLarge:
		r, _ = reasonOf("M_TOO_LARGE")
	case status == http.StatusUnauthorized:
		r, _ = reasonOf("M_UNKNOWN_TOKEN")
	case status == http.StatusForbidden:
		r, _ = reasonOf("M_FORBIDDEN")
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		r = reason{chat.Permanent, "le serveur Matrix refuse", "the Matrix server refuses"}
	default:
		return &chat.Error{Kind: chat.Temporary, Reason: unreachable, Err: err}
	}
	e := &chat.Error{Kind: r.kind, Err: err, Reason: chat.Text{
		FR: strings.ReplaceAll(r.fr, "%", room), EN: strings.ReplaceAll(r.en, "%", room),
	}}
	if e.Kind == chat.RateLimited {
		e.RetryAfter = retryAfter(err)
	}
	return e
}

// retryAfter is how long the server asks us to wait: by the header, or by the
// older field that is all that Dendrite gives.
func retryAfter(err error) time.Duration {
	const least, most = 100 * time.Millisecond, time.Hour
	var he mautrix.HTTPError
	if !errors.As(err, &he) {
		return least
	}
	wait := time.Duration(0)
	if he.RespError != nil {
		if ms, ok := he.RespError.ExtraData["retry_after_ms"].(float64); ok && ms > 0 && ms < 1e9 {
			wait = time.Duration(ms) * time.Millisecond
		}
	}
	if he.Response != nil {
		header := he.Response.Header.Get("Retry-After")
		if s, err := strconv.Atoi(header); err == nil && s >= 0 && s < 1e6 {
			wait = time.Duration(s) * time.Second
		} else if at, err := http.ParseTime(header); err == nil {
			wait = time.Until(at)
		}
	}
	return min(max(wait, least), most)
}

// refuse makes an error of our own.
func refuse(kind chat.Kind, fr, en string) *chat.Error {
	return &chat.Error{Kind: kind, Reason: chat.Text{FR: fr, EN: en}}
}

// errEncrypted: the room is encrypted and we do not write there.
func errEncrypted(room string, built bool) *chat.Error {
	if built {
		return refuse(chat.Permanent,
			room+" est chiffré, et la configuration nous interdit les salons chiffrés (encryption: off)",
			room+" is encrypted, and the configuration forbids us encrypted rooms (encryption: off)")
	}
	return refuse(chat.Permanent,
		room+" est chiffré, et cette version de Permanence a été construite sans chiffrement : prenez une version publiée, ou construisez avec -tags goolm",
		room+" is encrypted, and this build of Permanence has no encryption: take a released binary, or build with -tags goolm")
}
