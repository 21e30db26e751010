//go:build !goolm

package matrix

import (
	"context"
	"io"

	"permanence/bot/chat"
)

// canEncrypt: this build has no encryption, because it would need libolm and C.
const canEncrypt = false

func (a *Adapter) openVault(context.Context, *link) (vault, error) { return nil, nil }

func notBuilt() *chat.Error {
	return refuse(chat.Permanent,
		"cette version de Permanence a été construite sans chiffrement : prenez une version publiée, ou construisez avec -tags goolm",
		"this build of Permanence has no encryption: take a released binary, or build with -tags goolm")
}

// unseal reads an encrypted file.
func unseal(*sealed, io.ReadCloser) (io.ReadCloser, error) { return nil, notBuilt() }

// seal encrypts a file in place and gives what opens it.
func seal([]byte) (*sealed, error) { return nil, notBuilt() }

// NewRecoveryKey makes keys for cross-signing; this build cannot.
func (a *Adapter) NewRecoveryKey(context.Context, bool) (string, error) { return "", notBuilt() }

// Compare lets an account verify our device; this build cannot.
func (a *Adapter) Compare(context.Context, string, bool) (*Comparison, error) { return nil, notBuilt() }

// Answer says whether the emoji of a comparison are the same; this build cannot.
func (a *Adapter) Answer(context.Context, string, bool) error { return notBuilt() }
