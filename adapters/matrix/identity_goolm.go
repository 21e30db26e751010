//go:build goolm

package matrix

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/crypto/ssss"

	"permanence/bot/chat"
)

// recover signs our device with the account's keys, by the recovery key, and
// opens the backup of keys. A key that is wrong is told by Check and hinders
// nothing.
func (k *keys) recover(ctx context.Context) error {
	if k.a.cfg.RecoveryKeyFile == "" {
		return nil
	}
	_, verified, verr := k.mach.GetOwnVerificationStatus(ctx)
	key, err := secret(k.a.cfg.RecoveryKeyFile)
	if err != nil {
		return &loginError{"file", fileText, err}
	}
	if verr == nil && verified && k.copies.known() != nil {
		// All that is missing are the signing keys, for verifying others.
		if err := k.takeIdentity(ctx, key); err != nil {
			k.a.log.Info("the account's signing keys cannot be read", "err", err)
		}
		return ctx.Err()
	}
	if k.recovery = k.mach.VerifyWithRecoveryKey(ctx, key); k.recovery != nil {
		k.a.log.Warn("our device cannot be signed with the recovery key", "err", k.recovery)
	} else if err := k.copies.unlock(ctx, key); err != nil {
		k.a.log.Warn("the backup of keys cannot be opened", "err", err)
	}
	return ctx.Err()
}

// takeIdentity takes the account's signing keys from its secret storage.
func (k *keys) takeIdentity(ctx context.Context, recoveryKey string) error {
	key, err := k.openStorage(ctx, recoveryKey)
	if err != nil {
		return err
	}
	return k.mach.FetchCrossSigningKeysFromSSSS(ctx, key)
}

// openStorage opens the account's secret storage.
func (k *keys) openStorage(ctx context.Context, recoveryKey string) (*ssss.Key, error) {
	keyID, data, err := k.mach.SSSS.GetDefaultKeyData(ctx)
	if err != nil {
		return nil, fmt.Errorf("read secret storage: %w", err)
	}
	key, err := data.VerifyRecoveryKey(keyID, recoveryKey)
	if err != nil && !errors.Is(err, ssss.ErrUnverifiableKey) {
		return nil, fmt.Errorf("open secret storage: %w", err)
	}
	return key, nil
}

// NewRecoveryKey makes keys for cross-signing, signs our device with them and
// gives the recovery key, which is shown once and stored nowhere by us. An
// account that has such keys already keeps them, and this is an error, unless
// replace is set: then everybody who trusted the account has to do so anew.
func (a *Adapter) NewRecoveryKey(ctx context.Context, replace bool) (string, error) {
	l, err := a.session(ctx)
	if err != nil {
		return "", err
	}
	k, ok := l.vault.(*keys)
	if !ok {
		return "", errEncrypted(string(l.me), canEncrypt)
	}
	has, _, err := k.mach.GetOwnVerificationStatus(ctx)
	if err != nil {
		return "", err
	}
	if has && !replace {
		return "", refuse(chat.Permanent,
			"notre compte a déjà des clés de signature : donnez leur clé de récupération dans recovery_key_file, ou remplacez-les",
			"our account has signing keys already: give their recovery key in recovery_key_file, or replace them")
	}
	password := ""
	if a.cfg.PasswordFile != "" {
		if password, err = secret(a.cfg.PasswordFile); err != nil {
			return "", err
		}
	}
	recovery, _, err := k.mach.GenerateAndUploadCrossSigningKeysWithPassword(ctx, password, "")
	if err != nil {
		return "", fmt.Errorf("make signing keys: %w", err)
	}
	if err := errors.Join(k.mach.SignOwnDevice(ctx, k.mach.OwnIdentity()), k.mach.SignOwnMasterKey(ctx)); err != nil {
		return recovery, fmt.Errorf("sign our device: %w", err)
	}
	if err := k.copies.unlock(ctx, recovery); err != nil {
		a.log.Warn("the backup of keys cannot be made, tried again at the next start", "err", err)
	} else if _, err := k.copies.settle(ctx, replace); err != nil {
		a.log.Info("the backup of keys cannot be made yet", "err", err)
	}
	k.copies.poke()
	return recovery, nil
}

func (k *keys) findings(ctx context.Context) []chat.Finding {
	fingerprint := k.mach.Fingerprint()
	out := []chat.Finding{{
		Name: "matrix-device", Level: chat.OK, What: chat.Text{
			FR: fmt.Sprintf("Clé de notre appareil %s : %s. Qui veut le vérifier compare cette clé avec celle que montre son client.", k.l.device, fingerprint),
			EN: fmt.Sprintf("Key of our device %s: %s. Who wants to verify it compares this key with the one that their client shows.", k.l.device, fingerprint),
		},
	}}
	has, verified, err := k.mach.GetOwnVerificationStatus(ctx)
	switch {
	case err != nil:
	case k.recovery != nil:
		out = append(out, problem("matrix-recovery-key",
			"La clé de récupération n’est pas celle de notre compte.", "The recovery key is not that of our account.",
			"Vérifiez recovery_key_file.", "Check recovery_key_file."))
	case !has:
		out = append(out, warning("matrix-device-unsigned",
			"Notre compte n’a pas de clés de signature : les clients montrent notre appareil comme non vérifié.",
			"Our account has no signing keys: clients show our device as unverified.",
			"Faites une clé de récupération (permanence matrix recovery-key) et donnez-la dans recovery_key_file.",
			"Make a recovery key (permanence matrix recovery-key) and give it in recovery_key_file."))
	case !verified:
		out = append(out, warning("matrix-device-unsigned",
			"Notre appareil est nouveau et n’est pas signé par notre compte : les clients le montrent comme non vérifié.",
			"Our device is new and not signed by our account: clients show it as unverified.",
			"Donnez la clé de récupération du compte dans recovery_key_file.", "Give the account's recovery key in recovery_key_file."))
	}
	out = append(out, k.copies.findings(has)...)
	if k.restored {
		out = append(out, warning("matrix-restored",
			"Les clés viennent d’une copie : de nouvelles sessions ont été faites. Ce qui a été écrit avec des clés reçues depuis la copie reste illisible jusqu’à ce que l’expéditeur en change.",
			"The keys come from a copy: new sessions were made. What was written with keys received since the copy stays unreadable until the sender changes them.",
			"Un nouveau jeton (donc un nouvel appareil) fait que les gens nous renvoient leurs clés.", "A new token (and so a new device) makes people send us their keys again."))
	}
	return out
}
