package irc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lrstanley/girc"

	"permanence/bot/chat"
)

// relayPrefix begins the identities of people behind a bridge.
const relayPrefix = "relay:"

// relayed finds who speaks through a bridge, and gives the text without their
// name.
func (s *session) relayed(m *chat.Meta, p *person, text string) string {
	for _, r := range s.cfg.relays {
		if s.facts.fold(r.nick) != s.facts.fold(p.nick) || r.account != "" && !strings.EqualFold(r.account, p.account) {
			continue
		}
		plain := stripCodes(text)
		match := r.author.FindStringSubmatchIndex(plain)
		if match == nil || match[2] < 0 {
			return text
		}
		author := strings.TrimSpace(stripInvisible(plain[match[2]:match[3]]))
		if author == "" {
			return text
		}
		m.From = chat.Account{ID: relayPrefix + p.identity() + "/" + author, Name: author, Handle: author}
		return plain[match[1]:]
	}
	s.suspect(p, text)
	return text
}

// stripInvisible takes away what bridges put into names to ping nobody.
func stripInvisible(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '\u200b' || r == '\u2060' || r == '\ufeff' {
			return -1
		}
		return r
	}, name)
}

func stripCodes(text string) string { return girc.StripRaw(text) }

// suspicion is what speaks for a nick being a bridge that the configuration
// does not name.
type suspicion struct {
	names map[string]bool // before its lines; a few of them
	lines int             // in a row with a name before them
	net   bool            // "[network] <name> text"
	told  bool
}

const (
	// A nick is taken for a bridge after bridgeLines lines in a row with
	// bridgeNames different names: people quote others, too, but say something
	// themselves between.
	bridgeLines, bridgeNames = 4, 2
	// maxSuspects bounds what is watched.
	maxSuspects = 100
	// bridgesKey keeps what was found, for `permanence check` in another
	// process; bridgeAge is how long.
	bridgesKey = "relays-unconfigured"
	bridgeAge  = 30 * 24 * time.Hour
)

// bridgeLine matches the beginning of a bridge's lines.
var bridgeLine = regexp.MustCompile(`^(\[[^\]]{1,32}\] ?)?<([^>]{1,64})> `)

// bridgeNote is a bridge that was seen.
type bridgeNote struct {
	Net  bool  `json:"net,omitempty"`
	Seen int64 `json:"seen"` // Unix seconds
}

// suspect looks at a line of somebody who is no configured relay.
func (s *session) suspect(p *person, text string) {
	match := bridgeLine.FindStringSubmatch(stripCodes(text))
	s.Adapter.mu.Lock()
	defer s.Adapter.mu.Unlock()
	b := s.bridges[p.nick]
	if match == nil {
		if b != nil && !b.told {
			delete(s.bridges, p.nick)
		}
		return
	}
	if b == nil {
		if len(s.bridges) >= maxSuspects {
			clear(s.bridges) // those that count come again
		}
		b = &suspicion{names: make(map[string]bool)}
		s.bridges[p.nick] = b
	}
	b.lines++
	b.net = match[1] != ""
	if len(b.names) < 2*bridgeNames {
		b.names[stripInvisible(match[2])] = true
	}
	if b.told || b.lines < bridgeLines || len(b.names) < bridgeNames {
		return
	}
	b.told = true
	s.log.Warn("a bridge that relays does not name: all its people pass for one", "nick", p.nick)
	s.after = append(s.after, func(ctx context.Context) { s.noteBridge(ctx, p.nick, bridgeNote{b.net, time.Now().Unix()}) })
}

// noteBridge keeps a bridge that was seen.
func (s *session) noteBridge(ctx context.Context, nick string, note bridgeNote) {
	all, err := s.Adapter.seenBridges(ctx)
	if err == nil {
		all[nick] = note
		var data []byte
		if data, err = json.Marshal(all); err == nil {
			err = s.state.Put(ctx, bridgesKey, data)
		}
	}
	if err != nil {
		s.log.Warn("not kept", "key", bridgesKey, "err", err)
	}
}

// seenBridges gives the bridges that were seen of late and are not configured.
func (a *Adapter) seenBridges(ctx context.Context) (map[string]bridgeNote, error) {
	all := make(map[string]bridgeNote)
	data, err := a.state.Get(ctx, bridgesKey)
	if err != nil || len(data) == 0 {
		return all, err
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return all, fmt.Errorf("read %s: %w", bridgesKey, err)
	}
	maps.DeleteFunc(all, func(nick string, n bridgeNote) bool {
		configured := slices.ContainsFunc(a.cfg.relays, func(r relay) bool { return strings.EqualFold(r.nick, nick) })
		return configured || time.Since(time.Unix(n.Seen, 0)) > bridgeAge
	})
	return all, nil
}

// bridgeFindings tells of them.
func (a *Adapter) bridgeFindings(ctx context.Context) (out []chat.Finding) {
	all, err := a.seenBridges(ctx)
	if err != nil {
		a.log.Warn("bridges not read", "err", err)
	}
	for _, nick := range slices.Sorted(maps.Keys(all)) {
		entry := "{nick: " + nick + "}"
		if all[nick].Net {
			entry = "{nick: " + nick + `, author: '^\[[^\]]+\] ?<([^>]{1,64})> ?'}`
		}
		out = append(out, warning("irc-relay-unconfigured",
			fmt.Sprintf("%s semble être un pont : ses lignes commencent par le nom d’autres personnes, qui passent toutes pour une seule.", nick),
			fmt.Sprintf("%s seems to be a bridge: its lines begin with the names of other people, who all pass for one.", nick),
			fmt.Sprintf("Ajoutez %s à relays.", entry), fmt.Sprintf("Add %s to relays.", entry)))
	}
	return out
}
