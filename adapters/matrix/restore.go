package matrix

import (
	"context"
	"fmt"
	"time"

	"maunium.net/go/mautrix/id"

	"permanence/bot/chat"
)

// restoredKey marks in State that the key store is a copy put back.
const restoredKey = "restored"

// MarkRestored says that the database of an adapter was replaced by an older
// copy of itself. Its keys are then behind what others have seen of us: the
// next start makes everything that is used for writing anew, and with a
// password it becomes a new device, so that people send their keys again. What
// could be read can still be read.
func MarkRestored(ctx context.Context, state chat.State) error {
	if err := state.Put(ctx, restoredKey, []byte(time.Now().UTC().Format(time.RFC3339))); err != nil {
		return fmt.Errorf("mark key store: %w", err)
	}
	return nil
}

func (a *Adapter) marked(ctx context.Context) (bool, error) {
	data, err := a.state.Get(ctx, restoredKey)
	if err != nil {
		return false, fmt.Errorf("read mark of key store: %w", err)
	}
	return data != nil, nil
}

// retire logs the device of a copy out, so that nobody writes to it any more.
func (a *Adapter) retire(ctx context.Context, token string, device id.DeviceID) {
	c, err := a.newClient()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	c.AccessToken = token
	if _, err := c.Logout(ctx); err != nil {
		a.log.Info("the device of the copy cannot be logged out", "device", device, "err", err)
	}
}
