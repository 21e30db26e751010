package irc

import (
	"strings"

	"permanence/internal/markup"
)

// Our part of a topic: "what people wrote | ⟦our text⟧ | what people wrote".
// What stands around it is given back exactly.
const topicOpen, topicClose, topicBar = "⟦", "⟧", " | "

// newTopic replaces our part of a topic; an empty text takes it out. limit is
// the longest topic in bytes (0 without limit): ours is cut for it, theirs
// never. Where nothing of ours fits, ok is false.
func newTopic(old, text string, limit int) (topic string, ok bool) {
	before, after := cutTopic(old)
	text = strings.Join(toIRC(text), " ")
	text = strings.NewReplacer(topicOpen, "[", topicClose, "]").Replace(text)
	if text == "" {
		return joinTopic(before, "", after), true
	}
	topic = joinTopic(before, topicOpen+text+topicClose, after)
	if limit <= 0 || len(topic) <= limit {
		return topic, true
	}
	room := len(text) - (len(topic) - limit) - len("…")
	if room < 10 {
		return "", false
	}
	return joinTopic(before, topicOpen+markup.SplitBytes(text, room)[0]+"…"+topicClose, after), true
}

// cutTopic gives what stands before and after our part.
func cutTopic(topic string) (before, after string) {
	head, rest, ok := strings.Cut(topic, topicOpen)
	if !ok {
		return topic, ""
	}
	_, tail, ok := strings.Cut(rest, topicClose)
	if !ok { // cut off by a server, or by somebody's edit
		tail = ""
	}
	head = strings.TrimSuffix(head, topicBar)
	if head == "" {
		tail = strings.TrimPrefix(tail, topicBar)
	}
	return head, tail
}

func joinTopic(before, ours, after string) string {
	switch {
	case ours == "":
		return before + after
	case before != "":
		return before + topicBar + ours + after
	case after != "":
		return ours + topicBar + after
	}
	return ours
}
