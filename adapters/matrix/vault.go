package matrix

import (
	"context"
	"errors"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// vault keeps the keys of encrypted rooms. The one implementation needs the
// build tag goolm.
type vault interface {
	// absorb takes the part of a sync that concerns keys, before the messages
	// of the same sync are read. Taking the same part twice is harmless.
	absorb(ctx context.Context, part *mautrix.RespSync, since string) error
	// arrived gives the sessions whose keys came since it was last asked.
	arrived() []id.SessionID
	// member tells that the members of an encrypted room have changed.
	member(ctx context.Context, evt *event.Event)
	// forget makes the next message of a room use new keys.
	forget(ctx context.Context, room id.RoomID) error
	// decrypt gives what an encrypted event says; errNoKeys where its keys are
	// missing so far.
	decrypt(ctx context.Context, evt *event.Event) (*event.Event, error)
	// request asks the sender and our other devices for the keys of an event.
	request(ctx context.Context, evt *event.Event)
	// encrypt makes an encrypted content; members is asked when the keys have
	// to be handed out, which is seldom.
	encrypt(ctx context.Context, room id.RoomID, kind event.Type, content any, members func(context.Context) ([]id.UserID, error)) (any, error)
	// overhear takes an event of a verification, in a room or to our device.
	overhear(evt *event.Event)
	// keep does what nobody waits for, until ctx ends.
	keep(ctx context.Context)
	// findings are the vault's part of Check.
	findings(ctx context.Context) []chat.Finding
}

// errNoKeys: the keys of an event have not come.
var errNoKeys = errors.New("keys missing")

// sealed is how an encrypted file is opened: the part of a message that names
// it (https://spec.matrix.org/v1.13/client-server-api/#extensions-to-mroommessage-msgtypes).
type sealed = event.EncryptedFileInfo
