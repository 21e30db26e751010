//go:build goolm

package matrix

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/backup"
	"maunium.net/go/mautrix/crypto/signatures"
	"maunium.net/go/mautrix/crypto/ssss"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// copies keeps the keys by which we read on the server too, encrypted for a
// key that lies in the account's secret storage, so that a new device with the
// recovery key reads what the old one could
// (https://spec.matrix.org/v1.13/client-server-api/#server-side-key-backups).
// Dendrite has these requests (v0.15.2); a server without them is left alone.
type copies struct {
	k     *keys
	store *crypto.SQLCryptoStore
	// news says that there are keys to copy; see poke.
	news chan struct{}

	mu     sync.Mutex
	secret *backup.MegolmBackupKey // nil: we have none
	use    copyUse
	// version is the backup that we write to; empty while unknown.
	version id.KeyBackupVersion
	// fetched is the backup whose keys this start has taken.
	fetched id.KeyBackupVersion
}

// copyUse is what became of the backup.
type copyUse int

const (
	copiesUnknown copyUse = iota // not looked at, or the server failed
	copiesKept
	copiesForeign // the server has one that is not for our key
	copiesNone    // the server knows no backups
)

func newCopies(k *keys, store *crypto.SQLCryptoStore) *copies {
	return &copies{k: k, store: store, news: make(chan struct{}, 1)}
}

// copiedKey is the key of State under which lies which device has taken what
// from which backup.
const copiedKey = "copied"

// errForeign: the backup on the server is not for our key. Who has changed it
// (somebody else with the account, or the server) would read what we add.
var errForeign = errors.New("the backup of keys on the server is not for our key")

// poke says that there are keys to copy.
func (c *copies) poke() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// load takes the secret that an earlier start has found.
func (c *copies) load(ctx context.Context) error {
	text, err := c.store.GetSecret(ctx, id.SecretMegolmBackupV1)
	if err != nil {
		return noStore(err)
	}
	if text == "" {
		return nil
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return noStore(err)
	}
	secret, err := backup.MegolmBackupKeyFromBytes(raw)
	if err != nil {
		return noStore(err)
	}
	c.mu.Lock()
	c.secret = secret
	c.mu.Unlock()
	return nil
}

func (c *copies) known() *backup.MegolmBackupKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secret
}

// unlock takes the secret from the account's secret storage, and puts one there
// where there is none.
func (c *copies) unlock(ctx context.Context, recoveryKey string) error {
	storage := c.k.mach.SSSS
	key, err := c.k.openStorage(ctx, recoveryKey)
	if err != nil {
		return err
	}
	raw, err := storage.GetDecryptedAccountData(ctx, event.AccountDataMegolmBackupKey, key)
	var secret *backup.MegolmBackupKey
	switch {
	case err == nil:
		if secret, err = backup.MegolmBackupKeyFromBytes(raw); err != nil {
			return fmt.Errorf("read key of backup: %w", err)
		}
	case statusOf(err) == http.StatusNotFound, errors.Is(err, ssss.ErrNotEncryptedForKey):
		if secret = c.known(); secret == nil {
			if secret, err = backup.NewMegolmBackupKey(); err != nil {
				return err
			}
		}
		// Before there is a backup for it: whatever is copied can be read.
		if err := storage.SetEncryptedAccountData(ctx, event.AccountDataMegolmBackupKey, secret.Bytes(), key); err != nil {
			return fmt.Errorf("store key of backup: %w", err)
		}
	default:
		return fmt.Errorf("read key of backup: %w", err)
	}
	if err := c.store.PutSecret(ctx, id.SecretMegolmBackupV1, base64.RawStdEncoding.EncodeToString(secret.Bytes())); err != nil {
		return noStore(err)
	}
	c.mu.Lock()
	c.secret, c.version, c.use = secret, "", copiesUnknown
	c.mu.Unlock()
	return nil
}

// settle finds the backup to write to, and makes one where there is none; with
// anew also where there is one that is not ours. The version is empty where
// there is nothing to write to.
func (c *copies) settle(ctx context.Context, anew bool) (id.KeyBackupVersion, error) {
	c.mu.Lock()
	secret, version, use := c.secret, c.version, c.use
	c.mu.Unlock()
	if secret == nil || version != "" || use == copiesNone {
		return version, nil
	}
	public := base64.RawStdEncoding.EncodeToString(secret.PublicKey().Bytes())
	info, err := c.k.l.client.GetKeyBackupLatestVersion(ctx)
	switch code := codeOf(err); {
	case code == "M_UNRECOGNIZED", code == "" && (statusOf(err) == http.StatusNotFound || statusOf(err) == http.StatusMethodNotAllowed):
		use = copiesNone
	case code == "M_NOT_FOUND":
		version, err = c.make(ctx, public)
		use = copiesKept
		if err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	case info.Algorithm == id.KeyBackupAlgorithmMegolmBackupV1 && strings.TrimRight(string(info.AuthData.PublicKey), "=") == public:
		// Trusted: it is for the key that we have from secret storage.
		version, use = info.Version, copiesKept
	case anew:
		version, err = c.make(ctx, public)
		use = copiesKept
		if err != nil {
			return "", err
		}
	default:
		use = copiesForeign
	}
	c.mu.Lock()
	c.version, c.use = version, use
	c.mu.Unlock()
	if use == copiesForeign {
		c.k.a.log.Warn("keys are not copied to the server", "err", errForeign)
	}
	return version, nil
}

// make makes a backup. It is signed by the account where we can, so that other
// clients of the account may trust it, and by our device.
func (c *copies) make(ctx context.Context, public string) (id.KeyBackupVersion, error) {
	auth := backup.MegolmAuthData{PublicKey: id.Ed25519(public)}
	unsigned := struct {
		PublicKey string `json:"public_key"`
	}{public}
	me, mach := c.k.l.me, c.k.mach
	signature, err := mach.GetAccount().SignJSON(unsigned)
	if err != nil {
		return "", fmt.Errorf("sign backup: %w", err)
	}
	auth.Signatures = signatures.NewSingleSignature(me, id.KeyAlgorithmEd25519, string(c.k.l.device), signature)
	if own := mach.CrossSigningKeys; own != nil && own.MasterKey != nil {
		if signature, err = own.MasterKey.SignJSON(unsigned); err != nil {
			return "", fmt.Errorf("sign backup: %w", err)
		}
		auth.Signatures[me][id.NewKeyID(id.KeyAlgorithmEd25519, string(own.MasterKey.PublicKey()))] = signature
	}
	made, err := c.k.l.client.CreateKeyBackupVersion(ctx, &mautrix.ReqRoomKeysVersionCreate[backup.MegolmAuthData]{
		Algorithm: id.KeyBackupAlgorithmMegolmBackupV1, AuthData: auth,
	})
	if err != nil {
		return "", err
	}
	c.k.a.log.Info("keys are copied to the server from now on", "backup", made.Version)
	return made.Version, nil
}

// fetch takes the keys of a backup, once for each device.
func (c *copies) fetch(ctx context.Context, version id.KeyBackupVersion) error {
	c.mu.Lock()
	fetched := c.fetched == version
	c.mu.Unlock()
	if fetched {
		return nil
	}
	mark := string(c.k.l.device) + " " + string(version)
	have, err := c.k.a.state.Get(ctx, copiedKey)
	if err != nil {
		return fmt.Errorf("read mark of backup: %w", err)
	}
	c.k.mu.Lock()
	again := c.k.restored // what came since the copy may be there
	c.k.mu.Unlock()
	if string(have) == mark && !again {
		c.took(version)
		return nil
	}
	got, err := c.k.l.client.GetKeyBackup(ctx, version)
	if err != nil && codeOf(err) != "M_NOT_FOUND" {
		return err
	}
	taken, strange := 0, 0
	if got != nil {
		for rid, room := range got.Rooms {
			for session, data := range room.Sessions {
				if err := c.take(ctx, version, rid, session, &data.SessionData); ctx.Err() != nil {
					return ctx.Err()
				} else if err != nil {
					c.k.a.log.Debug("a copied key cannot be read", "room", rid, "session", session, "err", err)
					strange++
					continue
				}
				taken++
			}
		}
	}
	if err := c.k.a.state.Put(ctx, copiedKey, []byte(mark)); err != nil {
		return fmt.Errorf("store mark of backup: %w", err)
	}
	c.took(version)
	if taken+strange > 0 {
		c.k.a.log.Info("keys taken from the server", "backup", version, "keys", taken, "unreadable", strange)
	}
	return nil
}

func (c *copies) took(version id.KeyBackupVersion) {
	c.mu.Lock()
	c.fetched = version
	c.mu.Unlock()
}

func (c *copies) take(ctx context.Context, version id.KeyBackupVersion, rid id.RoomID, session id.SessionID, sealed *backup.EncryptedSessionData[backup.MegolmSessionData]) error {
	if sealed.Ephemeral.PublicKey == nil {
		return errors.New("no ephemeral key")
	}
	data, err := sealed.Decrypt(c.known())
	if err != nil {
		return err
	}
	_, err = c.k.mach.ImportRoomKeyFromBackup(ctx, version, rid, session, data)
	return err
}

// copyBatch is how many keys one request takes to the server.
const copyBatch = 100

// upload copies the next keys that are not there yet; rest tells whether there
// may be more.
func (c *copies) upload(ctx context.Context, version id.KeyBackupVersion) (rest bool, err error) {
	var batch []*crypto.InboundGroupSession
	err = c.store.GetGroupSessionsWithoutKeyBackupVersion(ctx, version).Iter(func(s *crypto.InboundGroupSession) (bool, error) {
		batch = append(batch, s)
		return len(batch) < copyBatch, nil
	})
	if err != nil || len(batch) == 0 {
		return false, err
	}
	req := &mautrix.ReqKeyBackup{Rooms: make(map[id.RoomID]mautrix.ReqRoomKeyBackup)}
	for _, s := range batch {
		data, err := c.seal(s)
		if err != nil {
			return false, err
		}
		room, ok := req.Rooms[s.RoomID]
		if !ok {
			room.Sessions = make(map[id.SessionID]mautrix.ReqKeyBackupData)
			req.Rooms[s.RoomID] = room
		}
		room.Sessions[s.ID()] = *data
	}
	if _, err := c.k.l.client.PutKeysInBackup(ctx, version, req); err != nil {
		return false, err
	}
	return len(batch) == copyBatch, c.k.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		for _, s := range batch {
			now, err := c.store.GetGroupSession(ctx, s.RoomID, s.ID())
			if err != nil || now == nil || now.Internal.FirstKnownIndex() != s.Internal.FirstKnownIndex() {
				continue // a better one came meanwhile: it is copied in its turn
			}
			if err := c.store.SetGroupSessionKeyBackupVersion(ctx, s.ID(), version); err != nil {
				return err
			}
		}
		return nil
	})
}

// seal encrypts one key for the backup.
func (c *copies) seal(s *crypto.InboundGroupSession) (*mautrix.ReqKeyBackupData, error) {
	first := s.Internal.FirstKnownIndex()
	key, err := s.Internal.Export(first)
	if err != nil {
		return nil, fmt.Errorf("export key: %w", err)
	}
	chain := s.ForwardingChains
	if chain == nil {
		chain = []string{}
	}
	sealed, err := backup.EncryptSessionData(c.known(), backup.MegolmSessionData{
		Algorithm: id.AlgorithmMegolmV1, ForwardingKeyChain: chain, SenderKey: s.SenderKey, SessionKey: string(key),
		SenderClaimedKeys: backup.SenderClaimedKeys{Ed25519: s.SigningKey}, SharedHistory: s.SharedHistory,
	})
	if err != nil {
		return nil, fmt.Errorf("encrypt key: %w", err)
	}
	data, err := json.Marshal(sealed)
	if err != nil {
		return nil, err
	}
	return &mautrix.ReqKeyBackupData{FirstMessageIndex: int(first), ForwardedCount: len(chain), SessionData: data}, nil
}

// round takes what is due from the server and, with send, copies what is not
// there yet.
func (c *copies) round(ctx context.Context, send bool) error {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	version, err := c.settle(bounded, false)
	if err == nil && version != "" {
		err = c.fetch(bounded, version)
	}
	for rest := send && err == nil && version != ""; rest && err == nil; {
		bounded, cancel := context.WithTimeout(ctx, requestTimeout)
		rest, err = c.upload(bounded, version)
		cancel()
	}
	if status := statusOf(err); status >= 400 && status != http.StatusTooManyRequests {
		// Somebody may have made another one, or deleted it, which Dendrite
		// answers with 500: it is looked at again.
		c.mu.Lock()
		c.version, c.use = "", copiesUnknown
		c.mu.Unlock()
	}
	return err
}

// keep copies keys until ctx ends, those of an earlier run first.
func (c *copies) keep(ctx context.Context) {
	pause := c.k.a.pauses()
	for {
		if err := c.round(ctx, true); err != nil {
			if ctx.Err() != nil {
				return
			}
			c.k.a.log.Info("keys cannot be copied to the server, tried again", "err", err)
			if !sleep(ctx, max(pause.NextBackOff(), chat.AsError(failure(err, "")).RetryAfter)) {
				return
			}
			continue
		}
		pause.Reset()
		select {
		case <-ctx.Done():
			return
		case <-c.news:
		}
		if !sleep(ctx, c.k.a.retry) { // keys come in handfuls
			return
		}
	}
}

// findings are the backup's part of Check. A server that knows none is no
// matter of ours.
func (c *copies) findings(hasKeys bool) []chat.Finding {
	c.mu.Lock()
	secret, use, version := c.secret, c.use, c.version
	c.mu.Unlock()
	switch {
	case use == copiesNone:
		return nil
	case secret == nil && hasKeys:
		return []chat.Finding{warning("matrix-backup-missing",
			"Nos clés de lecture ne sont pas gardées sur le serveur : un nouvel appareil ne pourrait pas relire l’historique.",
			"Our keys for reading are not kept on the server: a new device could not read the history again.",
			"Donnez la clé de récupération du compte dans recovery_key_file.", "Give the account's recovery key in recovery_key_file.")}
	case use == copiesForeign:
		return []chat.Finding{warning("matrix-backup-foreign",
			"Le serveur garde une sauvegarde de clés qui n’est pas pour notre clé : nous n’y lisons ni n’y écrivons rien.",
			"The server keeps a backup of keys that is not for our key: we neither read nor write there.",
			"Si personne d’autre ne se sert du compte, faites une nouvelle clé de récupération (permanence matrix recovery-key --replace) ; sinon, demandez qui l’a faite.",
			"If nobody else uses the account, make a new recovery key (permanence matrix recovery-key --replace); else ask who made it.")}
	case use == copiesKept:
		return []chat.Finding{{Name: "matrix-backup", Level: chat.OK, What: chat.Text{
			FR: fmt.Sprintf("Nos clés de lecture sont gardées, chiffrées, sur le serveur (sauvegarde %s).", version),
			EN: fmt.Sprintf("Our keys for reading are kept on the server, encrypted (backup %s).", version),
		}}}
	}
	return nil
}
