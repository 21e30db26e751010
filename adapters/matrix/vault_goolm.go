//go:build goolm

package matrix

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"

	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// canEncrypt: this build reads and writes encrypted rooms.
const canEncrypt = true

// keys is the vault: the library's machine over tables of its own in the
// database that State hands out.
type keys struct {
	a    *Adapter
	l    *link
	mach *crypto.OlmMachine
	db   *dbutil.Database

	mu        sync.Mutex
	came      []id.SessionID
	requested *bounded[id.SessionID, bool]
	// synced: the device lists are as new as the last sync.
	synced bool
	// recovery is what became of the recovery key.
	recovery error
	restored bool

	copies *copies
	// comparing is the verification under way, nil where there is none.
	comparing *comparing
}

var _ vault = (*keys)(nil)

// pickleKey is the key of State under which lies what the library's tables
// are encrypted with: who has the key store alone cannot read it.
const pickleKey = "pickle"

func (a *Adapter) pickle(ctx context.Context) ([]byte, error) {
	key, err := a.state.Get(ctx, pickleKey)
	if err != nil {
		return nil, fmt.Errorf("read pickle key: %w", err)
	}
	if key == nil {
		key = []byte(rand.Text())
		if err := a.state.Put(ctx, pickleKey, key); err != nil {
			return nil, fmt.Errorf("store pickle key: %w", err)
		}
	}
	return key, nil
}

// openVault opens the key store for a login, and makes sure that the server
// and it speak of the same device.
func (a *Adapter) openVault(ctx context.Context, l *link) (vault, error) {
	raw, dialect, err := a.state.DB(ctx)
	if err != nil {
		return nil, noStore(err)
	}
	db, err := dbutil.NewWithDB(raw, dialect)
	if err != nil {
		return nil, noStore(err)
	}
	pickle, err := a.pickle(ctx)
	if err != nil {
		return nil, err
	}
	log := zlog(a.log)
	store := crypto.NewSQLCryptoStore(db, dbutil.ZeroLogger(log), string(l.me), l.device, pickle)
	if err := store.DB.Upgrade(ctx); err != nil {
		return nil, noStore(err)
	}
	k := &keys{a: a, l: l, db: store.DB, requested: newBounded[id.SessionID, bool](1024)}
	k.copies = newCopies(k, store)
	if err := k.prepare(ctx, store); err != nil {
		return nil, err
	}
	k.mach = crypto.NewOlmMachine(l.client, &log, store, known{a, l})
	k.mach.DisableRatchetTracking = true // one write less for each message
	k.mach.IgnorePostDecryptionParseErrors = true
	k.mach.SessionReceived = func(_ context.Context, _ id.RoomID, session id.SessionID, _ uint32) {
		k.mu.Lock()
		k.came = append(k.came, session)
		k.mu.Unlock()
		k.copies.poke()
	}
	if err := k.mach.Load(ctx); err != nil {
		return nil, noStore(err)
	}
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := k.agree(bounded); err != nil {
		return nil, err
	}
	if err := k.copies.load(bounded); err != nil {
		return nil, err
	}
	if err := k.recover(bounded); err != nil {
		return nil, err
	}
	// Before the first sync: what it brings may be for keys that are copied.
	if err := k.copies.round(bounded, false); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		a.log.Info("keys cannot be taken from the server, tried again", "err", err)
	}
	return k, a.unmark(ctx)
}

// noStore: the library's tables cannot be read or written.
func noStore(err error) error {
	return &loginError{"key-store", chat.Text{
		FR: "la base des clés de chiffrement ne s’ouvre pas", EN: "the store of encryption keys cannot be opened",
	}, err}
}

// prepare throws away what must not be used again. Outbound sessions are made
// anew by each start: who came or went meanwhile is not known. After a copy was
// put back, and for a new device, so is everything that the other side has
// advanced since; the keys that let us read are kept.
func (k *keys) prepare(ctx context.Context, store *crypto.SQLCryptoStore) error {
	had, err := store.FindDeviceID(ctx)
	if err != nil {
		return noStore(err)
	}
	marked, err := k.a.marked(ctx)
	if err != nil {
		return err
	}
	tables := []string{"crypto_megolm_outbound_session"}
	if marked {
		k.a.log.Warn("the key store is a copy put back: new sessions are made for everybody")
		tables = append(tables, "crypto_olm_session")
		k.restored = true
	}
	if had != "" && had != k.l.device {
		k.a.log.Info("we are a new device", "before", had, "now", k.l.device)
		tables = append(tables, "crypto_olm_session", "crypto_account")
	}
	for _, table := range tables {
		if _, err := k.db.Exec(ctx, "DELETE FROM "+table+" WHERE account_id=$1", string(k.l.me)); err != nil {
			return noStore(err)
		}
	}
	return nil
}

// agree compares our device's keys with the server's, and hands them to it the
// first time.
func (k *keys) agree(ctx context.Context) error {
	resp, err := k.l.client.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: map[id.UserID]mautrix.DeviceIDList{k.l.me: {k.l.device}}})
	if err != nil {
		return err
	}
	account, own := k.mach.GetAccount(), k.mach.OwnIdentity()
	device, there := resp.DeviceKeys[k.l.me][k.l.device]
	there = there && len(device.Keys) > 0
	switch {
	case !there:
		// New, or the server has lost them.
		account.Shared = false
		return k.mach.ShareKeys(ctx, -1)
	case device.Keys.GetEd25519(k.l.device) != own.SigningKey:
		return &loginError{"device-keys", chat.Text{
			FR: "le serveur Matrix connaît pour notre appareil d’autres clés que les nôtres",
			EN: "the Matrix server knows other keys for our device than ours",
		}, nil}
	}
	account.Shared = true
	if k.restored {
		return k.drain(ctx)
	}
	return nil
}

// drain uses up the one-time keys on the server: after a copy was put back we
// have lost the private half of some, and who takes one of those writes to us
// in vain.
func (k *keys) drain(ctx context.Context) error {
	const most = 200
	for range most {
		resp, err := k.l.client.ClaimKeys(ctx, &mautrix.ReqClaimKeys{
			OneTimeKeys: mautrix.OneTimeKeysRequest{k.l.me: {k.l.device: id.KeyAlgorithmSignedCurve25519}},
		})
		if err != nil {
			return err
		}
		if len(resp.OneTimeKeys[k.l.me][k.l.device]) == 0 {
			break
		}
	}
	return k.mach.ShareKeys(ctx, 0)
}

func (k *keys) absorb(ctx context.Context, part *mautrix.RespSync, since string) error {
	for _, evt := range part.ToDevice.Events {
		if isVerification(evt.Type.Type) {
			k.overhear(evt)
		}
	}
	k.mach.ProcessSyncResponse(ctx, part, since)
	k.mu.Lock()
	k.synced = true
	k.mu.Unlock()
	return ctx.Err()
}

func (k *keys) arrived() []id.SessionID {
	k.mu.Lock()
	defer k.mu.Unlock()
	came := k.came
	k.came = nil
	return came
}

func (k *keys) keep(ctx context.Context) { k.copies.keep(ctx) }

func (k *keys) member(ctx context.Context, evt *event.Event) { k.mach.HandleMemberEvent(ctx, evt) }

func (k *keys) forget(ctx context.Context, rid id.RoomID) error {
	return k.mach.CryptoStore.RemoveOutboundGroupSession(ctx, rid)
}

func (k *keys) decrypt(ctx context.Context, evt *event.Event) (*event.Event, error) {
	clear, err := k.mach.DecryptMegolmEvent(ctx, evt)
	switch {
	case errors.Is(err, crypto.ErrNoSessionFound), errors.Is(err, olm.ErrUnknownMessageIndex), errors.Is(err, crypto.ErrGroupSessionWithheld):
		return nil, errors.Join(errNoKeys, err)
	case errors.Is(err, crypto.ErrDuplicateMessageIndex):
		return nil, errors.Join(errReplayed, err)
	}
	return clear, err
}

func (k *keys) request(ctx context.Context, evt *event.Event) {
	c := evt.Content.AsEncrypted()
	k.mu.Lock()
	asked := k.requested.items[c.SessionID]
	k.requested.put(c.SessionID, true)
	k.mu.Unlock()
	if asked {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	// Devices are not named: which one sent it is not proved yet. The deprecated
	// sender key is what older clients look for.
	err := k.mach.SendRoomKeyRequest(ctx, evt.RoomID, c.SenderKey, c.SessionID, "", map[id.UserID][]id.DeviceID{evt.Sender: {"*"}, k.l.me: {"*"}}) //nolint:staticcheck
	if err != nil {
		k.a.log.Info("keys cannot be asked for", "event", evt.ID, "err", err)
	}
}

func (k *keys) encrypt(ctx context.Context, rid id.RoomID, kind event.Type, content any, members func(context.Context) ([]id.UserID, error)) (any, error) {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		sealed, err := k.mach.EncryptMegolmEvent(ctx, rid, kind, content)
		// What the sync hears of members makes keys anew, also between handing
		// them out and using them.
		if !crypto.IsShareError(err) || attempt == attempts {
			return sealed, err
		}
		users, err := members(ctx)
		if err != nil {
			return nil, err
		}
		k.mu.Lock()
		synced := k.synced
		k.mu.Unlock()
		if !synced { // nobody has told us of new devices yet
			if _, err := k.mach.FetchKeys(ctx, users, true); err != nil {
				return nil, err
			}
		}
		if err := k.mach.ShareGroupSession(ctx, rid, users); err != nil {
			return nil, err
		}
	}
}

// unmark is for when everything was made anew.
func (a *Adapter) unmark(ctx context.Context) error {
	marked, err := a.marked(ctx)
	if err != nil || !marked {
		return err
	}
	if err := a.state.Delete(ctx, restoredKey); err != nil {
		return fmt.Errorf("unmark key store: %w", err)
	}
	return nil
}

// sharedWith gives the encrypted rooms that somebody is in, as far as we know.
func (b *book) sharedWith(user id.UserID) []id.RoomID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var shared []id.RoomID
	for rid, r := range b.rooms {
		if _, in := r.members[user]; in && r.encryption != nil {
			shared = append(shared, rid)
		}
	}
	return shared
}

// known answers the library's questions about rooms.
type known struct {
	a *Adapter
	l *link
}

func (s known) IsEncrypted(_ context.Context, rid id.RoomID) (bool, error) {
	return s.a.book.look(rid).encryption != nil, nil
}

func (s known) GetEncryptionEvent(_ context.Context, rid id.RoomID) (*event.EncryptionEventContent, error) {
	return s.a.book.look(rid).encryption, nil
}

func (s known) GetHistoryVisibility(ctx context.Context, rid id.RoomID) (*event.HistoryVisibilityEventContent, error) {
	if r := s.a.book.look(rid); r.visibility != nil {
		return r.visibility, nil
	}
	content := &event.HistoryVisibilityEventContent{HistoryVisibility: event.HistoryVisibilityShared}
	if err := s.l.stateOf(ctx, rid, event.StateHistoryVisibility, content); err != nil {
		return nil, err
	}
	s.a.book.update(rid, func(r *room) { r.visibility = content })
	return content, nil
}

func (s known) FindSharedRooms(_ context.Context, user id.UserID) ([]id.RoomID, error) {
	return s.a.book.sharedWith(user), nil
}

// unseal reads an encrypted file. It is checked before a byte of it is given
// away.
func unseal(file *sealed, body io.ReadCloser) (io.ReadCloser, error) {
	fresh := file.EncryptedFile // decoding is remembered in it
	data, err := io.ReadAll(io.LimitReader(body, largest+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	if len(data) > largest {
		return nil, refuse(chat.Permanent, "ce fichier chiffré est trop grand", "this encrypted file is too large")
	}
	if err := fresh.DecryptInPlace(data); err != nil {
		return nil, &chat.Error{Kind: chat.Permanent, Err: err, Reason: chat.Text{
			FR: "ce fichier chiffré n’est pas celui qui a été annoncé", EN: "this encrypted file is not the one that was announced",
		}}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// seal encrypts a file in place and gives what opens it.
func seal(data []byte) (*sealed, error) {
	file := attachment.NewEncryptedFile()
	file.EncryptInPlace(data)
	// A copy through its public fields: the original remembers no hash.
	return &sealed{EncryptedFile: attachment.EncryptedFile{
		Key: file.Key, InitVector: file.InitVector, Hashes: file.Hashes, Version: file.Version,
	}}, nil
}
