package matrix

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// requestTimeout bounds every request but syncs and files.
const requestTimeout = 60 * time.Second

// link is an account logged in on its server.
type link struct {
	client *mautrix.Client
	me     id.UserID
	device id.DeviceID
	name   string // that people see
	vault  vault  // nil: nothing can be encrypted
}

// loginError is why there is no link, named as in Check.
type loginError struct {
	name   string
	reason chat.Text
	err    error
}

func (e *loginError) Error() string {
	if e.err == nil {
		return e.name
	}
	return e.name + ": " + e.err.Error()
}

func (e *loginError) Unwrap() error { return e.err }

// stored is the login that a password got us, kept in State: a login each time
// would leave a device behind each time.
type stored struct {
	User   id.UserID   `json:"user"`
	Device id.DeviceID `json:"device"`
	Token  string      `json:"token"`
}

const loginKey = "login"

// newClient makes a client that is not logged in yet. All share one set of
// connections.
func (a *Adapter) newClient() (*mautrix.Client, error) {
	transport, err := a.transport()
	if err != nil {
		return nil, err
	}
	c, err := mautrix.NewClient(a.cfg.base.String(), "", "")
	if err != nil {
		return nil, err
	}
	c.Client = &http.Client{Transport: transport}
	c.UserAgent = "Permanence"
	c.Log = zlog(a.log)
	// Each request is tried once: trying again is the outbox's and Run's.
	c.DefaultHTTPRetries, c.IgnoreRateLimit = 0, true
	c.ResponseSizeLimit = 256 << 20
	return c, nil
}

func (a *Adapter) transport() (*http.Transport, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wires != nil {
		return a.wires, nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	if a.cfg.CAFile != "" {
		pem, err := os.ReadFile(a.cfg.CAFile)
		if err != nil {
			return nil, &loginError{"file", fileText, err}
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, &loginError{"file", fileText, fmt.Errorf("%s holds no certificate", a.cfg.CAFile)}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	a.wires = transport
	return transport, nil
}

var (
	fileText = chat.Text{FR: "un fichier de la configuration ne peut pas être lu", EN: "a file of the configuration cannot be read"}
	// tokenText and passwordText are what the team reads while nothing works.
	tokenText = chat.Text{
		FR: "le serveur Matrix ne reconnaît plus notre jeton d’accès : il en faut un nouveau",
		EN: "the Matrix server does not know our access token any more: a new one is needed",
	}
	passwordText = chat.Text{
		FR: "le serveur Matrix refuse notre mot de passe",
		EN: "the Matrix server refuses our password",
	}
)

// open logs in: with the token first, then with what an earlier login got us,
// then with the password.
func (a *Adapter) open(ctx context.Context) (*link, error) {
	l, err := a.login(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.introduce(ctx, l); err != nil {
		return nil, err
	}
	if a.cfg.Encryption == encryptOff || !canEncrypt {
		return l, nil
	}
	l.vault, err = a.openVault(ctx, l)
	var le *loginError
	if errors.As(err, &le) && le.name == "device-keys" && a.cfg.PasswordFile != "" {
		// Our keys are lost, but we can be a new device.
		a.log.Warn("our device has other keys on the server, logging in as a new one", "device", l.device)
		if l, err = a.password(ctx, l.client, ""); err == nil {
			l.vault, err = a.openVault(ctx, l)
		}
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// login gives an account that the server has just confirmed.
func (a *Adapter) login(ctx context.Context) (*link, error) {
	c, err := a.newClient()
	if err != nil {
		return nil, err
	}
	if a.cfg.TokenFile != "" {
		token, err := secret(a.cfg.TokenFile)
		if err != nil {
			return nil, &loginError{"file", fileText, err}
		}
		l, err := a.whoami(ctx, c, token)
		if err == nil || codeOf(err) != "M_UNKNOWN_TOKEN" {
			return l, err
		}
		if a.cfg.PasswordFile == "" {
			return nil, &loginError{"token", tokenText, err}
		}
		a.log.Warn("the access token is not known any more, logging in with the password", "err", err)
	}
	was, err := a.storedLogin(ctx)
	if err != nil {
		return nil, err
	}
	marked, err := a.marked(ctx)
	if err != nil {
		return nil, err
	}
	if marked && canEncrypt && was.Token != "" {
		a.retire(ctx, was.Token, was.Device)
		was = stored{}
	}
	if was.Token != "" && was.User == id.UserID(a.cfg.User) {
		l, err := a.whoami(ctx, c, was.Token)
		if err == nil || codeOf(err) != "M_UNKNOWN_TOKEN" {
			return l, err
		}
		if !softLogout(err) {
			was.Device = "" // it is gone, with its keys
		}
		a.log.Warn("logged out by the server, logging in again", "soft", softLogout(err))
	} else {
		was = stored{}
	}
	return a.password(ctx, c, was.Device)
}

func (a *Adapter) storedLogin(ctx context.Context) (stored, error) {
	var was stored
	data, err := a.state.Get(ctx, loginKey)
	if err != nil {
		return was, fmt.Errorf("read login: %w", err)
	}
	if data != nil {
		if err := json.Unmarshal(data, &was); err != nil {
			return was, fmt.Errorf("read login: %w", err)
		}
	}
	return was, nil
}

// whoami asks whose token it is.
func (a *Adapter) whoami(ctx context.Context, c *mautrix.Client, token string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	c.AccessToken = token
	who, err := c.Whoami(ctx)
	if err != nil {
		return nil, err
	}
	if a.cfg.User != "" && who.UserID != id.UserID(a.cfg.User) {
		return nil, &loginError{"account", chat.Text{
			FR: "le jeton d’accès est celui de " + string(who.UserID), EN: "the access token is that of " + string(who.UserID),
		}, nil}
	}
	c.UserID, c.DeviceID = who.UserID, who.DeviceID
	return &link{client: c, me: who.UserID, device: who.DeviceID}, nil
}

// password logs in, as the device that is named or as a new one.
func (a *Adapter) password(ctx context.Context, c *mautrix.Client, device id.DeviceID) (*link, error) {
	password, err := secret(a.cfg.PasswordFile)
	if err != nil {
		return nil, &loginError{"file", fileText, err}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	c.AccessToken = ""
	got, err := c.Login(ctx, &mautrix.ReqLogin{
		Type:       mautrix.AuthTypePassword,
		Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: a.cfg.User},
		Password:   password, DeviceID: device, InitialDeviceDisplayName: a.cfg.Device,
	})
	switch code := codeOf(err); {
	case code == "M_FORBIDDEN":
		return nil, &loginError{"password", passwordText, err}
	case statusOf(err) >= 400 && statusOf(err) < 500 && (code == "M_UNKNOWN" || code == "M_UNRECOGNIZED" || code == "M_BAD_JSON"):
		return nil, &loginError{"password-unavailable", chat.Text{
			FR: "ce serveur Matrix n’accepte pas les mots de passe", EN: "this Matrix server takes no passwords",
		}, err}
	case err != nil:
		return nil, err
	}
	data, err := json.Marshal(stored{got.UserID, got.DeviceID, got.AccessToken})
	if err != nil {
		return nil, err
	}
	if err := a.state.Put(ctx, loginKey, data); err != nil {
		return nil, fmt.Errorf("store login: %w", err)
	}
	c.AccessToken, c.UserID, c.DeviceID = got.AccessToken, got.UserID, got.DeviceID
	return &link{client: c, me: got.UserID, device: got.DeviceID}, nil
}

// introduce learns our name and the largest file. Neither is worth failing for.
func (a *Adapter) introduce(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if name, err := l.client.GetOwnDisplayName(ctx); err == nil {
		l.name = name.DisplayName
	} else if ctx.Err() != nil {
		return ctx.Err()
	}
	var limit mautrix.RespMediaConfig
	_, err := l.client.MakeRequest(ctx, http.MethodGet, l.client.BuildClientURL("v1", "media", "config"), nil, &limit)
	if err == nil && limit.UploadSize > 0 {
		a.mu.Lock()
		a.maxFile = limit.UploadSize
		a.mu.Unlock()
	}
	return ctx.Err()
}

// refusedLogin tells whether an error says that our token is gone.
func refusedLogin(err error) bool {
	code := codeOf(err)
	return code == "M_UNKNOWN_TOKEN" || code == "M_MISSING_TOKEN"
}

// reasonText is what the team reads of an error that cut us off.
func reasonText(err error) chat.Text {
	var le *loginError
	if errors.As(err, &le) {
		return le.reason
	}
	var ce *chat.Error
	if errors.As(failure(err, ""), &ce) && ce.Kind != chat.Permanent && ce.Kind != chat.Gone {
		return ce.Reason
	}
	return unreachable
}
