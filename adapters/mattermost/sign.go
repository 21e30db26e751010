package mattermost

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// Mattermost does not sign what it sends to a button's or a form's address, so
// what they carry is sealed by us: who brings it back got it from us. For a
// button that is the server alone, which shows the context to nobody; for a
// form it is also whoever fills it in, and nobody else.

// slip is what a button or a form carries.
type slip struct {
	// Channel is where it stands, Room how the configuration calls that (forms
	// alone), Thread the thread's root. Post is the post that carries a button:
	// empty in a new one, whose ID is not known before it is said, and set from
	// its first edit on.
	Channel string `json:"c"`
	Room    string `json:"r,omitempty"`
	Thread  string `json:"t,omitempty"`
	Post    string `json:"p,omitempty"`
	// User may fill in a form; Handle is their name.
	User   string `json:"u,omitempty"`
	Handle string `json:"h,omitempty"`
	// Name is the button's action or the form's ID.
	Name  string `json:"a"`
	Value string `json:"v,omitempty"`
	// Until is when it expires, in Unix seconds; Nonce is its own.
	Until int64  `json:"x"`
	Nonce string `json:"n"`
}

// Purposes keep a button's slip from being taken for a form's.
const (
	forButton = "button"
	forForm   = "form"
)

// Errors of opening a slip.
var (
	errForged  = errors.New("not sealed by us, or changed since")
	errExpired = errors.New("expired")
)

// signer seals slips with a key that is made once and kept in State.
type signer struct {
	name  string // the adapter's, so that two of them do not take each other's
	state chat.State

	mu  sync.Mutex
	key []byte
}

// savedKey is the State key of the sealing key, 32 random bytes.
const savedKey = "sealing-key"

// load gives the key. It is made by the first who seals: who only opens makes
// none, because without a key nothing was sealed.
func (s *signer) load(ctx context.Context, create bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	key, err := s.state.Get(ctx, savedKey)
	if err != nil {
		return nil, err
	}
	if len(key) != sha256.Size {
		if !create {
			return nil, errForged
		}
		key = random(sha256.Size)
		if err := s.state.Put(ctx, savedKey, key); err != nil {
			return nil, err
		}
	}
	s.key = key
	return key, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// mac is HMAC-SHA-256 over what a slip is for, whose it is, and what it says.
func (s *signer) mac(key []byte, purpose, payload string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose + "\x00" + s.name + "\x00" + payload))
	return h.Sum(nil)
}

// seal makes the text of a slip, which lasts until then.
func (s *signer) seal(ctx context.Context, purpose string, p slip, until time.Time) (string, error) {
	key, err := s.load(ctx, true)
	if err != nil {
		return "", err
	}
	p.Until, p.Nonce = until.Unix(), hex.EncodeToString(random(12))
	data, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	payload := base64.RawURLEncoding.EncodeToString(data)
	return payload + "." + base64.RawURLEncoding.EncodeToString(s.mac(key, purpose, payload)), nil
}

// open reads a slip: errForged, errExpired, or an error of State.
func (s *signer) open(ctx context.Context, purpose, sealed string, now time.Time) (slip, error) {
	payload, sum, ok := strings.Cut(sealed, ".")
	if !ok {
		return slip{}, errForged
	}
	given, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if err != nil {
		return slip{}, errForged
	}
	key, err := s.load(ctx, false)
	if err != nil {
		return slip{}, err
	}
	if !hmac.Equal(given, s.mac(key, purpose, payload)) {
		return slip{}, errForged
	}
	data, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return slip{}, errForged
	}
	var p slip
	if err := json.Unmarshal(data, &p); err != nil {
		return slip{}, errForged
	}
	if now.Unix() >= p.Until {
		return p, errExpired
	}
	return p, nil
}

// trigger is the trigger_id of a command or a press. This one the server does
// sign: base64 of "id:user:milliseconds:signature", by the ECDSA key whose
// public half is in its client configuration. It proves who typed or pressed,
// and when, also where a token has leaked.
type trigger struct {
	id   string // unique for each command and press
	user string
	at   time.Time
	// signed is what sig stands for.
	signed string
	sig    []byte
}

// errTrigger: the trigger is none.
var errTrigger = errors.New("no trigger of a Mattermost server")

// parseTrigger reads a trigger_id without believing it.
func parseTrigger(text string) (trigger, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return trigger{}, errTrigger
	}
	parts := strings.Split(string(data), ":")
	if len(parts) != 4 || !model.IsValidId(parts[0]) || !model.IsValidId(parts[1]) {
		return trigger{}, errTrigger
	}
	ms, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || ms < 0 {
		return trigger{}, errTrigger
	}
	sig, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil {
		return trigger{}, errTrigger
	}
	return trigger{parts[0], parts[1], time.UnixMilli(ms), strings.Join(parts[:3], ":") + ":", sig}, nil
}

// by tells whether the key signed the trigger.
func (t trigger) by(key *ecdsa.PublicKey) bool {
	sum := sha256.Sum256([]byte(t.signed))
	return ecdsa.VerifyASN1(key, sum[:], t.sig)
}

// triggerKey reads AsymmetricSigningPublicKey of the client configuration; nil
// where the server gives none.
func triggerKey(config map[string]string) *ecdsa.PublicKey {
	der, err := base64.StdEncoding.DecodeString(config["AsymmetricSigningPublicKey"])
	if err != nil || len(der) == 0 {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil
	}
	public, _ := key.(*ecdsa.PublicKey)
	return public
}
