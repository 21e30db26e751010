package mattermost

import (
	"context"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// Hasty makes an adapter try again at once, so that tests do not wait.
func Hasty(a *Adapter) *Adapter {
	a.retry, a.retryMax = 20*time.Millisecond, 200*time.Millisecond
	a.pulse = 150 * time.Millisecond
	return a
}

// WithButtons gives an adapter what the server shall call for a button.
func WithButtons(a *Adapter, url string) {
	a.integration = func(_ context.Context, post *model.Post, b chat.Button) (*model.PostActionIntegration, error) {
		return &model.PostActionIntegration{URL: url, Context: map[string]any{"channel": post.ChannelId, "action": b.Action, "value": b.Value}}, nil
	}
}

// SetClock gives what is called by the server another time of day.
func SetClock(a *Adapter, now func() time.Time) { a.web.now = now }
