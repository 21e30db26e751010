package bot

import (
	"permanence/bot/chat"
	"permanence/bot/outbox"
)

// told marks the row of a topic whose refusal the team has read of.
const told = "told"

// topicRefused tells the team, once, that a room's topic cannot be set: an
// incident may stand there that is over, or none that is on.
func (t *Turn) topicRefused(d *outbox.Delivery, kind chat.Kind) error {
	refused := kind == chat.Unauthorised || kind == chat.Permanent || kind == chat.Gone
	if d.Op != outbox.Topic || d.Parts == told || !refused || len(t.b.opt.Desks) == 0 {
		return nil
	}
	d.Parts = told
	link, err := t.Tx.Link(d.Link)
	if err != nil {
		return err
	}
	desk := &t.b.opt.Desks[0]
	lang := t.b.lang(desk)
	return t.tellDesk(desk, t.b.t(lang, "topic.refused", "Room", t.b.placeName(link), "Reason", d.ReasonText().In(lang)))
}
