package mattermost

import (
	"context"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// pulse is how often we compare what we heard with what was said. A websocket
// can be deaf without being cut: a server remembers for half an hour in which
// channels an account is, and does not always notice that a channel came back
// from the archive. haste is the same after something that makes it likely.
const (
	pulseEvery = time.Minute
	pulseHaste = 2 * time.Second
)

// watch takes the pulse until ctx ends.
func (r *runner) watch(ctx context.Context) {
	wait, hurried := r.pulse, 0
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-r.nudges:
			t.Stop()
			wait, hurried = min(pulseHaste, r.pulse), 3
			continue
		case <-t.C:
		}
		if !r.put(ctx, job{do: r.takePulse}) {
			return
		}
		if hurried--; hurried <= 0 {
			wait = r.pulse
		}
	}
}

// nudge makes the next pulse come soon.
func (a *Adapter) nudge() {
	select {
	case a.nudges <- struct{}{}:
	default:
	}
}

// takePulse looks whether the websocket brought everything; where it did not,
// it is cut, because a new one hears again, and what was missed is read. A
// post that is still on its way is given until the next pulse.
func (r *runner) takePulse(ctx context.Context) error {
	if r.told != chat.CaughtUp || r.behind {
		return nil
	}
	list, err := r.channelList(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.log.Info("no pulse", "err", err)
		}
		return ctx.Err()
	}
	here := make(map[string]*model.Channel, len(list))
	deaf := ""
	for _, ch := range list {
		here[ch.Id] = ch
		known, ok := r.known.find(ch.Id)
		p := r.positions[ch.Id]
		if !ok || !known.ours() || p == nil {
			continue
		}
		if late := r.suspects[ch.Id]; late > p.Newest {
			deaf = known.room
		}
		r.suspects[ch.Id] = ch.LastPostAt
	}
	for _, room := range r.rooms {
		id, ok := r.known.idOf(room)
		there := ok && here[id] != nil
		if there && r.absent[room] {
			deaf = room
		}
		r.absent[room] = !there
	}
	if deaf == "" {
		return nil
	}
	r.log.Warn("the websocket does not bring everything: connecting anew", "room", deaf)
	r.renew()
	return nil
}

// renew makes a new connection that reads everything which may be missing.
func (r *runner) renew() {
	clear(r.suspects)
	clear(r.absent)
	r.behind = true
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		r.broken()
	}
}

// outcome remembers whether a room takes what we say: one that does again
// after it did not is worth a look.
func (a *Adapter) outcome(room string, err error) {
	lost := err != nil && (chat.AsError(err).Kind == chat.Gone || chat.AsError(err).Kind == chat.Unauthorised)
	if err != nil && !lost {
		return
	}
	a.mu.Lock()
	was := a.lost[room]
	if lost {
		a.lost[room] = true
	} else {
		delete(a.lost, room)
	}
	a.mu.Unlock()
	if was != lost {
		a.nudge()
	}
}
