package mattermost

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// people remembers who is who.
type people struct {
	mu     sync.Mutex
	byID   map[string]person
	byName map[string]string   // ID by user name
	nobody map[string]struct{} // names that nobody has
}

type person struct {
	username, name string
	bot            bool
	locale         string // "fr", "pt-BR"
}

// maxPeople bounds what is remembered; above it, it begins anew.
const maxPeople = 50_000

func newPeople() *people {
	p := &people{}
	p.clear()
	return p
}

func (p *people) clear() {
	p.byID, p.byName, p.nobody = make(map[string]person), make(map[string]string), make(map[string]struct{})
}

// learn remembers accounts as the server described them.
func (p *people) learn(users ...*model.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.byID) > maxPeople || len(p.nobody) > maxPeople {
		p.clear()
	}
	for _, u := range users {
		if u == nil || u.Id == "" || u.Username == "" {
			continue
		}
		name := u.Nickname
		if name == "" {
			name = u.GetFullName()
		}
		if name == "" {
			name = u.Username
		}
		if was, ok := p.byID[u.Id]; ok && was.username != u.Username {
			delete(p.byName, was.username)
		}
		p.byID[u.Id] = person{u.Username, name, u.IsBot, u.Locale}
		p.byName[u.Username] = u.Id
		delete(p.nobody, u.Username)
	}
}

func (p *people) find(id string) (person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.byID[id]
	return who, ok
}

// named gives the IDs behind user names, and the names not heard of yet.
func (p *people) named(names []string) (ids, unknown []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		if id, ok := p.byName[name]; ok {
			ids = append(ids, id)
		} else if _, ok := p.nobody[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	return ids, unknown
}

// missing: nobody has these names, for now.
func (p *people) missing(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		if _, ok := p.byName[name]; !ok {
			p.nobody[name] = struct{}{}
		}
	}
}

// who describes the account id, asking the server where we do not know it.
func (a *Adapter) who(ctx context.Context, id string) (chat.Account, error) {
	who, ok := a.people.find(id)
	if !ok {
		u, err := call(ctx, a, "", func(ctx context.Context, acc *account) (*model.User, *model.Response, error) {
			return acc.api.GetUser(ctx, id, "")
		})
		if err != nil && !lasting(err) {
			return chat.Account{}, err
		}
		if u != nil {
			a.people.learn(u)
			who, _ = a.people.find(id)
		}
	}
	return chat.Account{
		ID: id, Name: who.name, Handle: who.username, Bot: who.bot, Self: a.isMe(id),
		Proved: who.username != "",
	}, nil
}

// isMe tells our own account.
func (a *Adapter) isMe(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return id != "" && a.me == id
}

// mentioned gives the accounts behind user names. A name that cannot be asked
// for now is left out: nothing waits for it.
func (a *Adapter) mentioned(ctx context.Context, names []string) []string {
	ids, unknown := a.people.named(names)
	unknown = slices.DeleteFunc(unknown, func(name string) bool {
		return name == "all" || name == "channel" || name == "here"
	})
	if len(unknown) == 0 {
		return ids
	}
	users, err := call(ctx, a, "", func(ctx context.Context, acc *account) ([]*model.User, *model.Response, error) {
		return acc.api.GetUsersByUsernames(ctx, unknown[:min(len(unknown), 20)])
	})
	if err != nil {
		a.log.Warn("mentions not looked up", "err", err)
		return ids
	}
	a.people.learn(users...)
	a.people.missing(unknown)
	ids, _ = a.people.named(names)
	return ids
}

// username gives the name to ping somebody by.
func (a *Adapter) username(ctx context.Context, who chat.Account) (string, error) {
	if !model.IsValidId(who.ID) {
		return "", nil // somebody behind a webhook
	}
	known, err := a.who(ctx, who.ID)
	if err != nil {
		return "", err
	}
	if known.Handle == "" {
		return "", nil
	}
	return strings.ToLower(known.Handle), nil
}

// memberPages bounds how many of a channel's members are asked for at once
// when we connect: 200 each. The others are asked for when they speak.
const memberPages = 5

// learnMembers asks who is in a channel, so that the first word of each needs
// no question.
func (a *Adapter) learnMembers(ctx context.Context, channel, room string) error {
	for page := range memberPages {
		users, err := call(ctx, a, room, func(ctx context.Context, acc *account) ([]*model.User, *model.Response, error) {
			return acc.api.GetUsersInChannel(ctx, channel, page, 200, "")
		})
		if err != nil {
			return err
		}
		a.people.learn(users...)
		if len(users) < 200 {
			break
		}
	}
	return nil
}
