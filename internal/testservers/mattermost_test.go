package testservers

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestMattermost(t *testing.T) {
	m := Mattermost(t)
	alice, bot := m.User(t, "alice"), m.Bot(t, "permanence")
	team, _ := m.Team(t, alice, bot)
	channel := m.Channel(t, team, "entraide", "O", alice, bot)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	post := map[string]string{"channel_id": channel, "message": "bonjour"}
	var posted struct{ ID string }
	if err := m.Call(ctx, bot.Token, "POST", "/api/v4/posts", post, &posted); err != nil {
		t.Fatal(err)
	}
	m.Stop()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	var read struct{ Message string }
	if err := m.Call(ctx, alice.Token, "GET", "/api/v4/posts/"+posted.ID, nil, &read); err != nil {
		t.Fatal(err)
	}
	if read.Message != "bonjour" {
		t.Errorf("after a restart the post reads %q", read.Message)
	}
	err := m.Call(ctx, "nonsense", "GET", "/api/v4/users/me", nil, nil)
	if e := (*MattermostError)(nil); !errors.As(err, &e) || e.Status != 401 {
		t.Errorf("a wrong token: %v", err)
	}
}
