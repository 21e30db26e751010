package matrix

import "strings"

// Our part of a topic: "what people wrote | ⟦our text⟧ | what people wrote".
// What stands around it is given back exactly.
const topicOpen, topicClose, topicBar = "⟦", "⟧", " | "

// newTopic replaces our part of a topic; an empty text takes it out.
func newTopic(old, text string) string {
	before, after := cutTopic(old)
	text = strings.Join(strings.Fields(text), " ")
	text = strings.NewReplacer(topicOpen, "[", topicClose, "]").Replace(text)
	switch {
	case text == "":
		return before + after
	case before != "":
		return before + topicBar + topicOpen + text + topicClose + after
	case after != "":
		return topicOpen + text + topicClose + topicBar + after
	}
	return topicOpen + text + topicClose
}

// cutTopic gives what stands before and after our part.
func cutTopic(topic string) (before, after string) {
	head, rest, ok := strings.Cut(topic, topicOpen)
	if !ok {
		return topic, ""
	}
	_, tail, ok := strings.Cut(rest, topicClose)
	if !ok { // cut off by somebody's edit
		tail = ""
	}
	head = strings.TrimSuffix(head, topicBar)
	if head == "" {
		tail = strings.TrimPrefix(tail, topicBar)
	}
	return head, tail
}
