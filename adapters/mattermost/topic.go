package mattermost

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/internal/markup"
)

// Marks around our segment of a channel's header.
const topicOpen, topicClose = "⟦", "⟧"

// topic replaces our segment of a channel's header.
func (a *Adapter) topic(ctx context.Context, room, text string) error {
	id, err := a.channelOf(ctx, room)
	if err != nil {
		return err
	}
	ch, err := call(ctx, a, room, func(ctx context.Context, acc *account) (*model.Channel, *model.Response, error) {
		return acc.api.GetChannel(ctx, id)
	})
	if err != nil {
		return err
	}
	header := newHeader(ch.Header, quiet(text, nil))
	if header == ch.Header {
		return nil
	}
	_, err = call(ctx, a, room, func(ctx context.Context, acc *account) (*model.Channel, *model.Response, error) {
		return acc.api.PatchChannel(ctx, id, &model.ChannelPatch{Header: &header})
	})
	return err
}

// newHeader puts text between our marks into a header and leaves what people
// wrote around them; an empty text takes marks and all away. Where the whole
// would be longer than the server allows our text is cut, never theirs.
func newHeader(old, text string) string {
	before, rest, ok := strings.Cut(old, topicOpen)
	after := ""
	if ok {
		_, after, _ = strings.Cut(rest, topicClose)
	}
	before, after = strings.TrimSpace(before), strings.TrimSpace(after)
	text = strings.Join(strings.Fields(strings.NewReplacer(topicOpen, "", topicClose, "").Replace(text)), " ")
	if text != "" {
		const around = 4 // two marks, two spaces
		room := model.ChannelHeaderMaxRunes - utf8.RuneCountInString(before) - utf8.RuneCountInString(after) - around
		if text, _ = markup.Excerpt(text, max(room, 0)); text != "" {
			text = topicOpen + text + topicClose
		}
	}
	var parts []string
	for _, s := range []string{before, text, after} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}
