//go:build goolm

package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/verificationhelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// How long somebody has to verify us, and how long their client may take after
// our answer.
const (
	compareTimeout = 10 * time.Minute // what clients give each other
	answerTimeout  = time.Minute
)

// comparing is a verification under way. Its goroutine alone speaks to the
// library, but for the operator's answer.
type comparing struct {
	k     *keys
	user  id.UserID
	asked bool // we have asked them, and so begin
	// relay is what the library listens to; only what the person sends us
	// reaches it.
	relay  *mautrix.DefaultSyncer
	helper *verificationhelper.VerificationHelper
	events chan *event.Event
	later  chan func(context.Context)
	shown  chan Comparison
	stop   context.CancelFunc
	// confirmed: the operator has. Until then their confirmation is held: the
	// library, when it hears that first, compares the wrong keys (v0.31.0).
	confirmed bool
	held      []*event.Event

	mu   sync.Mutex
	txn  id.VerificationTransactionID
	done chan struct{}
	err  error // when done is closed
}

// Compare lets an account verify our device: it waits until they have asked for
// it at their client or, where ask is set, asks all their devices; then it gives
// what both must see. Nobody else's request is answered, and nothing is
// confirmed before Answer. There is one at a time: a new one ends the old one.
func (a *Adapter) Compare(ctx context.Context, account string, ask bool) (*Comparison, error) {
	user := id.UserID(account)
	if _, _, err := user.ParseAndValidateRelaxed(); err != nil {
		return nil, refuse(chat.Permanent, account+" n’est pas un compte Matrix", account+" is no Matrix account")
	}
	l, err := a.session(ctx)
	if err != nil {
		return nil, loginFailure(err)
	}
	k, ok := l.vault.(*keys)
	if !ok {
		return nil, errEncrypted(string(l.me), canEncrypt)
	}
	if k.mach.CrossSigningKeys == nil {
		return nil, refuse(chat.Unauthorised,
			"sans clés de signature une vérification ne vaudrait que jusqu’au prochain appareil : faites une clé de récupération (permanence matrix recovery-key), donnez-la dans recovery_key_file et redémarrez",
			"without signing keys a verification would last until the next device only: make a recovery key (permanence matrix recovery-key), give it in recovery_key_file and start again")
	}
	c, err := k.compare(user, ask)
	if err != nil {
		return nil, err
	}
	if ask {
		txn, err := c.helper.StartVerification(ctx, user)
		if err != nil {
			c.end(err)
			return nil, failure(err, account)
		}
		c.named(txn)
	}
	select {
	case shown := <-c.shown:
		return &shown, nil
	case <-c.done:
		return nil, c.err
	case <-ctx.Done():
		c.cancel(context.WithoutCancel(ctx), event.VerificationCancelCodeUser, "the operator has gone")
		return nil, ctx.Err()
	}
}

// Answer says whether the emoji of a comparison are the same on both sides, and
// waits until the other side has said so too. Only then does either side trust
// the other.
func (a *Adapter) Answer(ctx context.Context, comparison string, same bool) error {
	l, err := a.session(ctx)
	if err != nil {
		return loginFailure(err)
	}
	k, ok := l.vault.(*keys)
	if !ok {
		return errCompared()
	}
	k.mu.Lock()
	c := k.comparing
	k.mu.Unlock()
	if c == nil || !c.is(id.VerificationTransactionID(comparison)) {
		return errCompared()
	}
	select {
	case <-c.done:
		return c.err
	default:
	}
	if !same {
		c.cancel(ctx, event.VerificationCancelCodeSASMismatch, "the emoji are not the same")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	select {
	case c.later <- c.confirm:
	default:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		c.cancel(context.WithoutCancel(ctx), event.VerificationCancelCodeTimeout, "no answer")
		return refuse(chat.Temporary,
			string(c.user)+" n’a pas confirmé de son côté : recommencez", string(c.user)+" has not confirmed on their side: start again")
	}
}

// errCompared: a verification that is not under way (any more).
func errCompared() *chat.Error {
	return refuse(chat.Gone,
		"cette vérification n’est plus en cours : recommencez", "this verification is not under way any more: start again")
}

// confirm tells the other side that the emoji are the same, and then hears
// whether they say so.
func (c *comparing) confirm(ctx context.Context) {
	if c.confirmed {
		return // answered twice
	}
	c.mu.Lock()
	txn := c.txn
	c.mu.Unlock()
	if err := c.helper.ConfirmSAS(ctx, txn); err != nil {
		c.end(err)
		return
	}
	c.confirmed = true
	for _, evt := range c.held {
		c.relay.Dispatch(ctx, evt)
	}
	c.held = nil
}

// compare begins to listen to somebody.
func (k *keys) compare(user id.UserID, ask bool) (*comparing, error) {
	// A client of its own: the library wants to be asked for encryption by it.
	client, err := k.a.newClient()
	if err != nil {
		return nil, err
	}
	relay := mautrix.NewDefaultSyncer()
	client.UserID, client.DeviceID, client.AccessToken = k.l.me, k.l.device, k.l.client.AccessToken
	client.Syncer, client.StateStore, client.Crypto = relay, mautrix.NewMemoryStateStore(), sealing{k}
	ctx, stop := context.WithTimeout(context.Background(), compareTimeout)
	c := &comparing{
		k: k, user: user, asked: ask, relay: relay, events: make(chan *event.Event, 64), later: make(chan func(context.Context), 8),
		shown: make(chan Comparison, 1), done: make(chan struct{}), stop: stop,
	}
	c.helper = verificationhelper.NewVerificationHelper(client, k.mach, nil, told{c}, false, false, true)
	if err := c.helper.Init(ctx); err != nil {
		stop()
		return nil, err
	}
	k.mu.Lock()
	before := k.comparing
	k.comparing = c
	k.mu.Unlock()
	if before != nil {
		before.cancel(ctx, event.VerificationCancelCodeUser, "another verification has begun")
	}
	go c.run(ctx, client)
	return c, nil
}

// run hands the person's events to the library, in their order.
func (c *comparing) run(ctx context.Context, client *mautrix.Client) {
	defer func() {
		if p := recover(); p != nil { // strange events end the verification, not us
			c.k.a.log.Error("a verification failed", "user", c.user, "panic", p)
			c.end(fmt.Errorf("verification: %v", p))
		}
	}()
	for {
		select {
		case <-c.done:
			return
		case <-ctx.Done():
			c.cancel(context.WithoutCancel(ctx), event.VerificationCancelCodeTimeout, "nobody answered")
			return
		case evt := <-c.events:
			if evt.Type.Type == event.ToDeviceVerificationMAC.Type && !c.confirmed {
				if len(c.held) < cap(c.events) {
					c.held = append(c.held, evt)
				}
				continue
			}
			if evt.RoomID != "" {
				content, err := c.k.a.encryptionOf(ctx, c.k.l, evt.RoomID)
				if err == nil && content != nil {
					err = client.StateStore.SetEncryptionEvent(ctx, evt.RoomID, content)
				}
				if err != nil {
					c.end(err)
					return
				}
			}
			c.relay.Dispatch(ctx, evt)
		case do := <-c.later:
			do(ctx)
		}
	}
}

func (c *comparing) named(txn id.VerificationTransactionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.txn = txn
}

func (c *comparing) is(txn id.VerificationTransactionID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return txn != "" && c.txn == txn
}

// end ends it; nil is success.
func (c *comparing) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.done:
		return
	default:
	}
	if err != nil {
		err = &chat.Error{Kind: chat.Permanent, Err: err, Reason: chat.Text{
			FR: "la vérification par " + string(c.user) + " a été arrêtée", EN: "the verification by " + string(c.user) + " was stopped",
		}}
	}
	c.err = err
	close(c.done)
	c.stop()
	c.k.mu.Lock()
	if c.k.comparing == c {
		c.k.comparing = nil
	}
	c.k.mu.Unlock()
}

// cancel ends it and tells the other side.
func (c *comparing) cancel(ctx context.Context, code event.VerificationCancelCode, reason string) {
	select {
	case <-c.done:
		return
	default:
	}
	c.mu.Lock()
	txn := c.txn
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if txn != "" {
		if err := c.helper.CancelVerification(ctx, txn, code, reason); err != nil {
			c.k.a.log.Info("the other side is not told that a verification ended", "user", c.user, "err", err)
		}
	}
	c.end(fmt.Errorf("%s: %s", code, reason))
}

// overhear takes an event of a verification. Who was not named by the operator
// is not answered.
func (k *keys) overhear(evt *event.Event) {
	k.mu.Lock()
	c := k.comparing
	k.mu.Unlock()
	if c == nil || evt.Sender != c.user {
		if evt.Type.Type == event.ToDeviceVerificationRequest.Type || evt.Type.Type == event.EventMessage.Type {
			k.a.log.Info("somebody wants to verify our device; `permanence matrix verify` lets them", "user", evt.Sender)
		}
		return
	}
	passed := *evt
	passed.Type.Class = event.ToDeviceEventType
	if evt.RoomID != "" {
		passed.Type.Class = event.MessageEventType
		var content struct {
			RelatesTo *event.RelatesTo `json:"m.relates_to"`
		}
		if evt.Type.Type != event.EventMessage.Type {
			// The library takes an event's own ID for that of the verification.
			if evt.Content.VeryRaw == nil || json.Unmarshal(evt.Content.VeryRaw, &content) != nil || content.RelatesTo.GetReferenceID() == "" {
				return
			}
			passed.ID = content.RelatesTo.GetReferenceID()
		}
	}
	if passed.Content.Parsed == nil && passed.Content.ParseRaw(passed.Type) != nil {
		return
	}
	select {
	case c.events <- &passed:
	default: // more than any verification has
	}
}

// told is what the library tells; it holds its lock meanwhile.
type told struct{ *comparing }

var (
	_ verificationhelper.RequiredCallbacks = told{}
	_ verificationhelper.ShowSASCallbacks  = told{}
)

// VerificationRequested is part of verificationhelper.RequiredCallbacks.
func (t told) VerificationRequested(ctx context.Context, txn id.VerificationTransactionID, from id.UserID, _ id.DeviceID) {
	t.mu.Lock()
	taken := t.txn != ""
	if !taken {
		t.txn = txn
	}
	t.mu.Unlock()
	if taken || from != t.user {
		return
	}
	t.later <- func(ctx context.Context) {
		if err := t.helper.AcceptVerification(ctx, txn); err != nil {
			t.end(err)
		}
	}
}

// VerificationReady is part of verificationhelper.RequiredCallbacks. Who asked
// begins.
func (t told) VerificationReady(_ context.Context, txn id.VerificationTransactionID, _ id.DeviceID, emoji, _ bool, _ *verificationhelper.QRCode) {
	if !t.asked || !emoji {
		return
	}
	t.later <- func(ctx context.Context) {
		if err := t.helper.StartSAS(ctx, txn); err != nil {
			t.end(err)
		}
	}
}

// VerificationCancelled is part of verificationhelper.RequiredCallbacks.
func (t told) VerificationCancelled(_ context.Context, txn id.VerificationTransactionID, code event.VerificationCancelCode, reason string) {
	if t.is(txn) {
		t.end(fmt.Errorf("%s: %s", code, reason))
	}
}

// VerificationDone is part of verificationhelper.RequiredCallbacks.
func (t told) VerificationDone(_ context.Context, txn id.VerificationTransactionID, _ event.VerificationMethod) {
	if t.is(txn) {
		t.end(nil)
	}
}

// ShowSAS is part of verificationhelper.ShowSASCallbacks.
func (t told) ShowSAS(_ context.Context, txn id.VerificationTransactionID, emoji []rune, names []string, _ []int) {
	if !t.is(txn) {
		return
	}
	if len(emoji) != 7 || len(names) != 7 {
		go t.cancel(context.Background(), event.VerificationCancelCodeUnknownMethod, "emoji are needed")
		return
	}
	c := Comparison{ID: string(txn)}
	for i, symbol := range emoji {
		c.Emoji = append(c.Emoji, Emoji{Symbol: string(symbol), Name: chat.Text{FR: emojiName(names[i]), EN: names[i]}})
	}
	select {
	case t.shown <- c:
	default:
	}
}

// sealing encrypts what the library says in rooms.
type sealing struct{ k *keys }

var _ mautrix.CryptoHelper = sealing{}

// Encrypt is part of mautrix.CryptoHelper.
func (s sealing) Encrypt(ctx context.Context, rid id.RoomID, kind event.Type, content any) (*event.EncryptedEventContent, error) {
	sealed, err := s.k.encrypt(ctx, rid, kind, content, func(ctx context.Context) ([]id.UserID, error) { return s.k.a.membersOf(ctx, s.k.l, rid) })
	if err != nil {
		return nil, err
	}
	c, ok := sealed.(*event.EncryptedEventContent)
	if !ok {
		return nil, fmt.Errorf("encrypted content is %T", sealed)
	}
	return c, nil
}

// Decrypt is part of mautrix.CryptoHelper and never called.
func (s sealing) Decrypt(ctx context.Context, evt *event.Event) (*event.Event, error) {
	return s.k.decrypt(ctx, evt)
}

// WaitForSession is part of mautrix.CryptoHelper and never called.
func (s sealing) WaitForSession(context.Context, id.RoomID, id.SenderKey, id.SessionID, time.Duration) bool {
	return false
}

// RequestSession is part of mautrix.CryptoHelper and never called.
func (s sealing) RequestSession(context.Context, id.RoomID, id.SenderKey, id.SessionID, id.UserID, id.DeviceID) {
}

// Init is part of mautrix.CryptoHelper and never called.
func (s sealing) Init(context.Context) error { return nil }
