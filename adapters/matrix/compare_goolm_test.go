//go:build goolm

package matrix_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/util/jsontime"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/crypto/verificationhelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/adapters/matrix"
	"permanence/bot/chat"
)

// verifier is a person's client that can verify.
type verifier struct {
	*peer
	mach      *crypto.OlmMachine
	helper    *verificationhelper.VerificationHelper
	store     *lockedStore
	requested chan id.VerificationTransactionID
	shown     chan string // the emoji
	ended     chan string // the code; empty: it is done
}

// lockedStore keeps verifications; the library's own is for the library alone.
type lockedStore struct {
	mu     sync.Mutex
	memory *verificationhelper.InMemoryVerificationStore
}

func (s *lockedStore) DeleteVerification(ctx context.Context, txn id.VerificationTransactionID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.DeleteVerification(ctx, txn)
}

func (s *lockedStore) GetVerificationTransaction(ctx context.Context, txn id.VerificationTransactionID) (verificationhelper.VerificationTransaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.GetVerificationTransaction(ctx, txn)
}

func (s *lockedStore) SaveVerificationTransaction(ctx context.Context, txn verificationhelper.VerificationTransaction) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.SaveVerificationTransaction(ctx, txn)
}

func (s *lockedStore) FindVerificationTransactionForUserDevice(ctx context.Context, user id.UserID, device id.DeviceID) (verificationhelper.VerificationTransaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.FindVerificationTransactionForUserDevice(ctx, user, device)
}

func (s *lockedStore) GetAllVerificationTransactions(ctx context.Context) ([]verificationhelper.VerificationTransaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.GetAllVerificationTransactions(ctx)
}

func newVerifier(t *testing.T, s *scene) *verifier {
	t.Helper()
	account := s.server.Register(t, fresh(t, "verifier"))
	v := &verifier{
		store:     &lockedStore{memory: verificationhelper.NewInMemoryVerificationStore()},
		requested: make(chan id.VerificationTransactionID, 8), shown: make(chan string, 8), ended: make(chan string, 8),
	}
	v.peer = newPeer(t, s.server.URL, account, func(p *peer) {
		withKeys(t)(p)
		v.mach = p.client.Crypto.(*cryptohelper.CryptoHelper).Machine()
		ctx := deadline(t)
		if _, _, err := v.mach.GenerateAndUploadCrossSigningKeysWithPassword(ctx, account.Password, ""); err != nil {
			t.Fatal(err)
		}
		if err := v.mach.SignOwnDevice(ctx, v.mach.OwnIdentity()); err != nil {
			t.Fatal(err)
		}
		// The library takes an event's own ID for the verification's; in rooms it
		// is the event that is referred to.
		syncer, relay := p.client.Syncer.(*mautrix.DefaultSyncer), mautrix.NewDefaultSyncer()
		p.client.Syncer = relay
		v.helper = verificationhelper.NewVerificationHelper(p.client, v.mach, v.store, v, false, false, true)
		if err := v.helper.Init(ctx); err != nil {
			t.Fatal(err)
		}
		p.client.Syncer = syncer
		syncer.OnEvent(func(ctx context.Context, evt *event.Event) {
			if !strings.HasPrefix(evt.Type.Type, "m.key.verification.") || evt.Sender == p.me {
				return
			}
			passed := *evt
			var content struct {
				RelatesTo event.RelatesTo `json:"m.relates_to"`
			}
			if evt.RoomID != "" && json.Unmarshal(evt.Content.VeryRaw, &content) == nil {
				passed.ID = content.RelatesTo.EventID
			}
			relay.Dispatch(ctx, &passed)
		})
	})
	return v
}

func (v *verifier) VerificationRequested(_ context.Context, txn id.VerificationTransactionID, _ id.UserID, _ id.DeviceID) {
	v.requested <- txn
}

func (v *verifier) VerificationReady(context.Context, id.VerificationTransactionID, id.DeviceID, bool, bool, *verificationhelper.QRCode) {
	v.requested <- "ready"
}

func (v *verifier) VerificationCancelled(_ context.Context, _ id.VerificationTransactionID, code event.VerificationCancelCode, _ string) {
	v.ended <- string(code)
}

func (v *verifier) VerificationDone(context.Context, id.VerificationTransactionID, event.VerificationMethod) {
	v.ended <- ""
}

func (v *verifier) ShowSAS(_ context.Context, _ id.VerificationTransactionID, emoji []rune, _ []string, _ []int) {
	v.shown <- string(emoji)
}

func next[T any](t *testing.T, what string, c chan T) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-deadline(t).Done():
		t.Fatal("never came: " + what)
	}
	return got
}

// trusts tells how a device of the bot looks at the person's client.
func (v *verifier) trusts(t *testing.T, b *bot) id.TrustState {
	t.Helper()
	ctx := deadline(t)
	var user, device string
	for _, f := range b.Check(ctx) {
		if f.Name == "matrix-ok" { // "…knows us: @bot:example.org, device ABC."
			_, rest, _ := strings.Cut(f.What.EN, "knows us: ")
			user, device, _ = strings.Cut(strings.TrimSuffix(rest, "."), ", device ")
		}
	}
	if _, err := v.mach.FetchKeys(ctx, []id.UserID{id.UserID(user)}, true); err != nil {
		t.Fatal(err)
	}
	d, err := v.mach.GetOrFetchDevice(ctx, id.UserID(user), id.DeviceID(device))
	if err != nil {
		t.Fatal(err)
	}
	d.Trust = id.TrustStateUnset // by cross-signing alone
	trust, err := v.mach.ResolveTrustContext(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func symbols(c *matrix.Comparison) string {
	var s strings.Builder
	for _, e := range c.Emoji {
		s.WriteString(e.Symbol)
		if e.Name.FR == "" || e.Name.EN == "" {
			s.WriteString(" without a name ")
		}
	}
	return s.String()
}

type compared struct {
	c   *matrix.Comparison
	err error
}

func compare(t *testing.T, b *bot, user id.UserID, ask bool) chan compared {
	out := make(chan compared, 1)
	ctx := deadline(t)
	go func() {
		c, err := b.Compare(ctx, string(user), ask)
		out <- compared{c, err}
	}()
	return out
}

// signedBot is a bot whose account has signing keys.
func signedBot(t *testing.T) (*scene, *bot, string, matrix.Config) {
	s, room := sealedScene(t)
	cfg := s.withPassword()
	b := withRecovery(t, s, &cfg, room)
	b.stop()
	return s, running(t, b.inbox, cfg, room), room, cfg
}

// TestVerified: a person verifies the bot's device, asked by the bot, and from
// then on trusts also its next device.
func TestVerified(t *testing.T) {
	s, b, room, cfg := signedBot(t)
	v := newVerifier(t, s)
	if trust := v.trusts(t, b); trust >= id.TrustStateCrossSignedVerified {
		t.Errorf("trusted before: %v", trust)
	}
	result := compare(t, b, v.me, true)
	if err := v.helper.AcceptVerification(deadline(t), next(t, "request", v.requested)); err != nil {
		t.Fatal(err)
	}
	next(t, "ready", v.requested)
	theirs := next(t, "their emoji", v.shown)
	got := next(t, "our emoji", result)
	if got.err != nil || symbols(got.c) != theirs || len(got.c.Emoji) != 7 {
		t.Fatalf("%+v, %v; they see %s", got.c, got.err, theirs)
	}
	if err := v.helper.ConfirmSAS(deadline(t), id.VerificationTransactionID(got.c.ID)); err != nil {
		t.Fatal(err)
	}
	if trust := v.trusts(t, b); trust >= id.TrustStateCrossSignedVerified {
		t.Errorf("trusted before the operator has answered: %v", trust)
	}
	if err := b.Answer(deadline(t), got.c.ID, true); err != nil {
		t.Fatal(err)
	}
	if code := next(t, "the end", v.ended); code != "" {
		t.Errorf("ended with %s", code)
	}
	if trust := v.trusts(t, b); trust != id.TrustStateCrossSignedVerified {
		t.Errorf("trust %v", trust)
	}
	if err := b.Answer(deadline(t), got.c.ID, true); kindOf(t, err) != chat.Gone {
		t.Error(err)
	}
	b.stop()
	again := running(t, inboxAt(t, filepath.Join(t.TempDir(), "two.db")), cfg, room)
	if trust := v.trusts(t, again); trust != id.TrustStateCrossSignedVerified {
		t.Errorf("trust of the next device: %v", trust)
	}
}

// TestVerifiedInRoom: the person asks, in an encrypted room as clients do, and
// nobody else is answered.
func TestVerifiedInRoom(t *testing.T) {
	s, b, room, _ := signedBot(t)
	v, other := newVerifier(t, s), newVerifier(t, s)
	for _, p := range []*verifier{v, other} {
		if _, err := p.client.JoinRoomByID(deadline(t), s.p.room(room)); err != nil {
			t.Fatal(err)
		}
		p.rooms[room] = s.p.room(room)
		first(b, "them in the room", func(j *chat.Joined) bool { return j.From.ID == string(p.me) })
	}
	b.must(says(room, "bonjour"))
	for _, p := range []*verifier{v, other} {
		if _, err := p.find(deadline(t), room, "bonjour"); err != nil {
			t.Fatal(err)
		}
	}
	result := compare(t, b, v.me, false)
	ask := func(v *verifier) id.VerificationTransactionID {
		resp, err := v.client.SendMessageEvent(deadline(t), s.p.room(room), event.EventMessage, &event.MessageEventContent{
			MsgType: event.MsgVerificationRequest, Body: "vérification", To: id.UserID(s.bot.UserID),
			FromDevice: v.client.DeviceID, Methods: []event.VerificationMethod{event.VerificationMethodSAS},
		})
		if err != nil {
			t.Fatal(err)
		}
		txn := id.VerificationTransactionID(resp.EventID)
		if err := v.store.SaveVerificationTransaction(deadline(t), verificationhelper.VerificationTransaction{
			ExpirationTime: jsontime.UM(time.Now().Add(time.Minute)), RoomID: s.p.room(room), VerificationState: verificationhelper.VerificationStateRequested,
			TransactionID: txn, TheirUserID: id.UserID(s.bot.UserID),
		}); err != nil {
			t.Fatal(err)
		}
		return txn
	}
	ask(other)
	// Before ours has been heard by the bot it may not listen yet.
	txn := ask(v)
	next(t, "ready", v.requested)
	if err := v.helper.StartSAS(deadline(t), txn); err != nil {
		t.Fatal(err)
	}
	theirs := next(t, "their emoji", v.shown)
	got := next(t, "our emoji", result)
	if got.err != nil || symbols(got.c) != theirs {
		t.Fatalf("%+v, %v; they see %s", got.c, got.err, theirs)
	}
	if len(other.requested) > 0 || len(other.shown) > 0 {
		t.Error("somebody else was answered")
	}
	if err := v.helper.ConfirmSAS(deadline(t), txn); err != nil {
		t.Fatal(err)
	}
	if err := b.Answer(deadline(t), got.c.ID, true); err != nil {
		t.Fatal(err)
	}
	if code := next(t, "their end", v.ended); code != "" {
		t.Errorf("ended with %s", code)
	}
	if trust := v.trusts(t, b); trust != id.TrustStateCrossSignedVerified {
		t.Errorf("trust %v", trust)
	}
	// Nothing of it is a message to anybody.
	for _, e := range b.inbox.Events() {
		if p, ok := e.(*chat.Posted); ok && !p.From.Self {
			t.Errorf("posted %+v", p)
		}
	}
}

// TestNotVerified: other emoji, nobody at the machine, no account.
func TestNotVerified(t *testing.T) {
	s, b, _, _ := signedBot(t)
	v := newVerifier(t, s)
	begin := func() (*matrix.Comparison, chan compared) {
		result := compare(t, b, v.me, true)
		if err := v.helper.AcceptVerification(deadline(t), next(t, "request", v.requested)); err != nil {
			t.Fatal(err)
		}
		next(t, "ready", v.requested)
		next(t, "their emoji", v.shown)
		got := next(t, "our emoji", result)
		if got.err != nil {
			t.Fatal(got.err)
		}
		return got.c, result
	}
	c, _ := begin()
	if err := v.helper.ConfirmSAS(deadline(t), id.VerificationTransactionID(c.ID)); err != nil {
		t.Fatal(err)
	}
	if err := b.Answer(deadline(t), c.ID, false); err != nil {
		t.Fatal(err)
	}
	if code := next(t, "the end", v.ended); code != string(event.VerificationCancelCodeSASMismatch) {
		t.Errorf("ended with %q", code)
	}
	// A new one ends the one before.
	c, _ = begin()
	ctx, gone := context.WithCancel(deadline(t))
	waiting := make(chan error, 1)
	go func() {
		_, err := b.Compare(ctx, string(v.me), false)
		waiting <- err
	}()
	if code := next(t, "the end", v.ended); code != string(event.VerificationCancelCodeUser) {
		t.Errorf("ended with %q", code)
	}
	if err := b.Answer(deadline(t), c.ID, true); kindOf(t, err) != chat.Gone {
		t.Error(err)
	}
	gone()
	if err := next(t, "our end", waiting); err == nil {
		t.Error("compared without anybody")
	}
	if _, err := b.Compare(deadline(t), "camille", false); kindOf(t, err) != chat.Permanent {
		t.Error(err)
	}
	if trust := v.trusts(t, b); trust >= id.TrustStateCrossSignedVerified {
		t.Errorf("trust %v", trust)
	}
	// Without signing keys there is nothing to verify.
	unsigned, room := sealedScene(t)
	u := running(t, inboxAt(t, filepath.Join(t.TempDir(), "one.db")), unsigned.withPassword(), room)
	if _, err := u.Compare(deadline(t), string(v.me), true); kindOf(t, err) != chat.Unauthorised || !strings.Contains(chat.AsError(err).Reason.EN, "recovery-key") {
		t.Error(err)
	}
	if !slices.ContainsFunc(u.Check(deadline(t)), func(f chat.Finding) bool { return f.Name == "matrix-device" && strings.Contains(f.What.EN, ":") }) {
		t.Error("check does not show our key")
	}
}
