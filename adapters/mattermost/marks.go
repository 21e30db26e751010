package mattermost

import (
	"strconv"
	"strings"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// emojis translates between emoji and Mattermost's names of them.
type emojis struct {
	name  map[string]string // of a bare emoji
	shown map[string]string // of a name
}

// newEmojis reads the table of the server's model, and own on top of it, which
// has names by bare emoji.
func newEmojis(own map[string]string) *emojis {
	e := &emojis{name: make(map[string]string, len(model.SystemEmojis)), shown: make(map[string]string, len(model.SystemEmojis))}
	for name, code := range model.SystemEmojis {
		emoji, ok := decodeEmoji(code)
		if !ok {
			continue // "mattermost", which is no Unicode
		}
		e.shown[name] = emoji
		// Some have several names: any will do, as long as it stays the same.
		if was, ok := e.name[bare(emoji)]; !ok || name < was {
			e.name[bare(emoji)] = name
		}
	}
	for emoji, name := range own {
		e.name[emoji] = name
		e.shown[name] = emoji
	}
	return e
}

// decodeEmoji reads "1f469-200d-2764-fe0f".
func decodeEmoji(code string) (string, bool) {
	var b strings.Builder
	for part := range strings.SplitSeq(code, "-") {
		n, err := strconv.ParseUint(part, 16, 21)
		if err != nil {
			return "", false
		}
		b.WriteRune(rune(n))
	}
	return b.String(), true
}

// bare leaves the variation selector out, which people's keyboards add or not.
func bare(emoji string) string { return strings.ReplaceAll(emoji, "\ufe0f", "") }

// toName gives the name to react with.
func (e *emojis) toName(emoji string) (string, bool) {
	if name, ok := e.name[bare(emoji)]; ok {
		return name, true
	}
	name := strings.Trim(emoji, ":")
	return name, name != emoji && emojiName.MatchString(name)
}

// fromName gives the emoji, or :name: for a custom one.
func (e *emojis) fromName(name string) string {
	if emoji, ok := e.shown[name]; ok {
		return emoji
	}
	return ":" + name + ":"
}

func (a *Adapter) emojiName(emoji string) (string, error) {
	name, ok := a.emoji.toName(emoji)
	if !ok {
		return "", refuse(chat.Permanent, "Mattermost ne connaît pas l’emoji "+emoji, "Mattermost does not know the emoji "+emoji)
	}
	return name, nil
}
