package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// Times for one call.
const (
	callTimeout = 20 * time.Second // text, either way
	fileTimeout = 30 * time.Minute // one file up
	dialTimeout = 10 * time.Second
)

// account is one login: who we are, and the way to speak.
type account struct {
	api *model.Client4
	me  *model.User
}

// credentialError is a token or a password that cannot be read or that the
// server does not take.
type credentialError struct {
	step string // "file", "token", "login"
	err  error
}

func (e *credentialError) Error() string { return e.step + ": " + e.err.Error() }
func (e *credentialError) Unwrap() error { return e.err }

// login gives the account that we are logged in with, logging in where we are
// not.
func (a *Adapter) login(ctx context.Context) (*account, error) {
	if acc := a.loggedIn(); acc != nil {
		return acc, nil
	}
	select {
	case a.logins <- struct{}{}:
		defer func() { <-a.logins }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if acc := a.loggedIn(); acc != nil {
		return acc, nil // somebody else was faster
	}
	acc, err := a.logInAnew(ctx)
	if err != nil {
		return nil, err
	}
	limits, err := a.readLimits(ctx, acc)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account, a.limits, a.me = acc, limits, acc.me.Id
	a.people.learn(acc.me)
	return acc, nil
}

func (a *Adapter) loggedIn() *account {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.account
}

// loggedOut: the server does not know acc any more. The next call logs in
// anew, with what the files hold then, and so does the websocket.
func (a *Adapter) loggedOut(acc *account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account != acc {
		return
	}
	a.account = nil
	if a.broken != nil {
		a.broken()
	}
}

// client makes a REST client. There is no timeout for a whole exchange, which
// a file may need long for: each call has its own.
func (a *Adapter) client() (*model.Client4, error) {
	trust, err := a.cfg.tls()
	if err != nil {
		return nil, &credentialError{"file", err}
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	api := model.NewAPIv4Client(a.cfg.base.String())
	api.HTTPClient = &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: trust, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: time.Minute, ExpectContinueTimeout: time.Second,
		// Every thread has its own deliveries, which go at the same time.
		MaxIdleConns: 64, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
	}}
	api.HTTPHeader = map[string]string{"User-Agent": "Permanence"}
	return api, nil
}

func (a *Adapter) logInAnew(ctx context.Context) (*account, error) {
	api, err := a.client()
	if err != nil {
		return nil, err
	}
	if a.cfg.TokenFile != "" {
		token, err := secret(a.cfg.TokenFile)
		if err != nil {
			return nil, &credentialError{"file", err}
		}
		api.SetToken(token)
		acc, err := a.whoAmI(ctx, api)
		if isStatus(err, http.StatusUnauthorized) {
			return nil, &credentialError{"token", err}
		}
		return acc, err
	}
	return a.logInWithPassword(ctx, api)
}

// savedSession is the State key of an ordinary account's session: it lasts for
// weeks, and logging in at every start would fill the account's list of them.
const savedSession = "session"

func (a *Adapter) logInWithPassword(ctx context.Context, api *model.Client4) (*account, error) {
	saved, err := a.state.Get(ctx, savedSession)
	if err != nil {
		return nil, err
	}
	var session struct{ Login, Token string }
	if json.Unmarshal(saved, &session) == nil && session.Login == a.cfg.Login && session.Token != "" {
		api.SetToken(session.Token)
		acc, err := a.whoAmI(ctx, api)
		if err == nil || !isStatus(err, http.StatusUnauthorized) {
			return acc, err
		}
		api.SetToken("")
	}
	password, err := secret(a.cfg.PasswordFile)
	if err != nil {
		return nil, &credentialError{"file", err}
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	me, resp, err := api.Login(call, a.cfg.Login, password)
	if err != nil {
		err = refusal(ctx, resp, err, "")
		if isStatus(err, http.StatusUnauthorized) || isStatus(err, http.StatusBadRequest) || isStatus(err, http.StatusForbidden) {
			return nil, &credentialError{"login", err}
		}
		return nil, err
	}
	session.Login, session.Token = a.cfg.Login, api.AuthToken
	if saved, err = json.Marshal(session); err != nil {
		return nil, err
	}
	if err := a.state.Put(ctx, savedSession, saved); err != nil {
		return nil, err
	}
	return &account{api, me}, nil
}

func (a *Adapter) whoAmI(ctx context.Context, api *model.Client4) (*account, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	me, resp, err := api.GetMe(call, "")
	if err != nil {
		return nil, refusal(ctx, resp, err, "")
	}
	if !model.IsValidId(me.Id) {
		return nil, &serverError{Status: resp.StatusCode, ID: notMattermost, Err: errors.New("no account in the answer")}
	}
	return &account{api, me}, nil
}

// readLimits reads what the server allows.
func (a *Adapter) readLimits(ctx context.Context, acc *account) (limits, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	config, resp, err := acc.api.GetClientConfig(call, "")
	if err != nil {
		return limits{}, refusal(ctx, resp, err, "")
	}
	file, err := strconv.ParseInt(config["MaxFileSize"], 10, 64)
	if err != nil {
		return limits{}, fmt.Errorf("the server's MaxFileSize: %w", err)
	}
	return limits{
		file: file, noFiles: config["EnableFileAttachments"] == "false", version: config["Version"], triggers: triggerKey(config),
	}, nil
}

// call performs one REST call with its own time limit; room is what people
// read where it is refused.
func call[T any](ctx context.Context, a *Adapter, room string, f func(context.Context, *account) (T, *model.Response, error)) (T, error) {
	var none T
	acc, err := a.login(ctx)
	if err != nil {
		return none, credentials(err)
	}
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	v, resp, err := f(limited, acc)
	if err != nil {
		return none, a.failed(ctx, acc, resp, err, room)
	}
	return v, nil
}

// failed makes an error of a failed call, and drops a login that the server
// does not know any more.
func (a *Adapter) failed(ctx context.Context, acc *account, resp *model.Response, err error, room string) error {
	if resp != nil && resp.StatusCode == http.StatusUnauthorized {
		a.loggedOut(acc)
	}
	return refusal(ctx, resp, err, room)
}

// credentials gives an error of login as the team reads it.
func credentials(err error) error {
	var c *credentialError
	if !errors.As(err, &c) {
		return err
	}
	return &chat.Error{Kind: chat.Unauthorised, Reason: loginRefused, Err: err}
}
