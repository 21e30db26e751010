package mattermost

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// channels remembers which channel is which room.
type channels struct {
	// spelled is each room of the configuration as it is spelled there, by
	// team/channel in lower case.
	spelled map[string]string

	mu    sync.Mutex
	byID  map[string]channel
	rooms map[string]string // channel ID by room, where the room is configured
}

// channel is what we know of one.
type channel struct {
	id   string
	room string // as Place.Room; empty where it is none of ours
	kind model.ChannelType
}

// ours: what is said there is for us.
func (c channel) ours() bool { return c.room != "" }

func (c channel) direct() bool { return c.kind == model.ChannelTypeDirect }

func newChannels(rooms []string) *channels {
	c := &channels{spelled: make(map[string]string), byID: make(map[string]channel), rooms: make(map[string]string)}
	for _, room := range rooms {
		c.spelled[strings.ToLower(room)] = room
	}
	return c
}

func (c *channels) find(id string) (channel, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch, ok := c.byID[id]
	return ch, ok
}

// idOf gives the channel of a room of the configuration.
func (c *channels) idOf(room string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.rooms[strings.ToLower(room)]
	return id, ok
}

// configured remembers that a room of the configuration is that channel.
func (c *channels) configured(room string, ch *model.Channel) channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	low := strings.ToLower(room)
	if spelled, ok := c.spelled[low]; ok {
		room = spelled
	}
	c.rooms[low] = ch.Id
	known := channel{ch.Id, room, ch.Type}
	c.byID[ch.Id] = known
	return known
}

// learn remembers a channel that was met by its ID: a direct one is ours, any
// other only where the configuration names it, which is known by then.
func (c *channels) learn(id string, kind model.ChannelType) channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.byID[id]; ok {
		return known
	}
	known := channel{id: id, kind: kind}
	if known.direct() {
		known.room = id
	}
	c.byID[id] = known
	return known
}

// channelOf gives the channel of a place: team/channel, or an ID.
func (a *Adapter) channelOf(ctx context.Context, room string) (string, error) {
	if id, ok := a.known.idOf(room); ok {
		return id, nil
	}
	if model.IsValidId(room) {
		return room, nil
	}
	ch, err := a.lookUp(ctx, room)
	if err != nil {
		return "", err
	}
	return ch.Id, nil
}

// lookUp asks for a room by its names.
func (a *Adapter) lookUp(ctx context.Context, room string) (*model.Channel, error) {
	team, name, ok := splitRoom(room)
	if !ok {
		return nil, refuse(chat.Gone, "« "+room+" » n’est pas un salon de Mattermost : on attend équipe/salon",
			"\""+room+"\" is no channel of Mattermost: expected team/channel")
	}
	ch, err := call(ctx, a, room, func(ctx context.Context, acc *account) (*model.Channel, *model.Response, error) {
		return acc.api.GetChannelByNameForTeamNameIncludeDeleted(ctx, name, team, "")
	})
	if err != nil {
		if isStatus(err, http.StatusNotFound) {
			return nil, &chat.Error{Kind: chat.Gone, Err: err, Reason: text(
				"le salon "+room+" n’existe pas, ou nous n’en sommes pas membres",
				"there is no channel "+room+", or we are not a member of it")}
		}
		return nil, err
	}
	a.known.configured(room, ch)
	return ch, nil
}

// enter finds a room of the configuration and joins it where we are not in it
// and may.
func (a *Adapter) enter(ctx context.Context, room string) (*model.Channel, error) {
	ch, err := a.lookUp(ctx, room)
	if err != nil && (isStatus(err, http.StatusForbidden) || isStatus(err, http.StatusNotFound)) {
		// Perhaps a team that is open and that we are not in.
		if a.joinTeam(ctx, room) == nil {
			ch, err = a.lookUp(ctx, room)
		}
	}
	if err != nil {
		return nil, err
	}
	if ch.DeleteAt > 0 {
		return ch, refuse(chat.Gone, "le salon "+room+" est archivé", "the channel "+room+" is archived")
	}
	_, err = call(ctx, a, room, func(ctx context.Context, acc *account) (*model.ChannelMember, *model.Response, error) {
		return acc.api.GetChannelMember(ctx, ch.Id, acc.me.Id, "")
	})
	if !isStatus(err, http.StatusNotFound) && !isStatus(err, http.StatusForbidden) {
		return ch, err
	}
	_, err = call(ctx, a, room, func(ctx context.Context, acc *account) (*model.ChannelMember, *model.Response, error) {
		return acc.api.AddChannelMember(ctx, ch.Id, acc.me.Id)
	})
	return ch, err
}

func (a *Adapter) joinTeam(ctx context.Context, room string) error {
	name, _, ok := splitRoom(room)
	if !ok {
		return errNoTeam
	}
	team, err := call(ctx, a, room, func(ctx context.Context, acc *account) (*model.Team, *model.Response, error) {
		return acc.api.GetTeamByName(ctx, name, "")
	})
	if err != nil {
		return err
	}
	_, err = call(ctx, a, room, func(ctx context.Context, acc *account) (*model.TeamMember, *model.Response, error) {
		return acc.api.AddTeamMember(ctx, team.Id, acc.me.Id)
	})
	return err
}

var errNoTeam = refuse(chat.Gone, "il manque le nom de l’équipe", "the team's name is missing")

// met gives the channel of an event, asking the server where we have not met
// it yet.
func (a *Adapter) met(ctx context.Context, id string, kind model.ChannelType) (channel, error) {
	if ch, ok := a.known.find(id); ok {
		return ch, nil
	}
	if kind != "" {
		return a.known.learn(id, kind), nil
	}
	ch, err := call(ctx, a, "", func(ctx context.Context, acc *account) (*model.Channel, *model.Response, error) {
		return acc.api.GetChannel(ctx, id)
	})
	if err != nil {
		if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusForbidden) {
			return channel{id: id}, nil
		}
		return channel{}, err
	}
	return a.known.learn(id, ch.Type), nil
}
