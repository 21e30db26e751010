package bot

import (
	"fmt"
	"slices"
	"strings"

	"permanence/bot/chat"
	"permanence/tickets"
)

// emoji without variation selectors, so that every spelling of a sign is one.
func bareEmoji(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0xfe00 && r <= 0xfe0f || r >= 0x1f3fb && r <= 0x1f3ff {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
}

// envelopes are the signs that send.
var envelopes = map[string]bool{"✉": true, "📧": true, "📨": true, "📩": true, "💌": true, "📤": true,
	":envelope:": true, ":email:": true, ":e-mail:": true, ":incoming_envelope:": true, ":envelope_with_arrow:": true, ":love_letter:": true, ":outbox_tray:": true}

func (d *Desk) sends(emoji string) bool {
	emoji = bareEmoji(emoji)
	if envelopes[emoji] {
		return true
	}
	for _, e := range d.SendEmoji {
		if bareEmoji(e) == emoji {
			return true
		}
	}
	return false
}

// cardVerb is what a reaction on the card does.
func cardVerb(emoji string) string {
	switch bareEmoji(emoji) {
	case "✋", "🙋", "🙋‍♀", "🙋‍♂", ":raised_hand:", ":hand:":
		return "claim"
	case "✅", ":white_check_mark:":
		return "close"
	case "🔄", ":arrows_counterclockwise:":
		return "reopen"
	}
	return ""
}

// promotes are the signs by which the team makes a ticket of somebody's
// message.
func promotes(emoji string) bool {
	switch bareEmoji(emoji) {
	case "🎫", "🎟", ":ticket:", ":tickets:", ":admission_tickets:":
		return true
	}
	return false
}

func gestureName(adapter, room, target, emoji, account string) string {
	return strings.Join([]string{adapter, room, target, bareEmoji(emoji), account}, " ")
}

// reacted turns a reaction into what it means there: on a message of the team,
// an envelope sends it; on the card, signs change the state; on a stranger's
// message in a public channel, 🎫 makes a ticket of it.
func (t *Turn) reacted(adapter string, ev *chat.Reacted) (bool, error) {
	if ev.From.Self || ev.From.Bot {
		return false, nil
	}
	s := t.b.sides[chat.Place{Adapter: adapter, Room: ev.Room}]
	if s.desk == nil {
		return false, nil
	}
	if s.intake != nil {
		if !promotes(ev.Emoji) {
			return false, nil
		}
		return t.promoteReaction(adapter, ev, s)
	}
	c, ok, err := t.Tx.CopyAt(adapter, ev.Room, ev.Target)
	if err == nil && !ok && s.desk.sends(ev.Emoji) {
		return false, t.nothingToSend(adapter, ev, s)
	}
	if err != nil || !ok {
		return false, err
	}
	e, err := t.Tx.Entry(c.Entry)
	if err != nil || e.Ticket == 0 {
		return false, err
	}
	link, err := t.Tx.Link(c.Link)
	if err != nil {
		return false, err
	}
	tk, err := t.Tx.Ticket(e.Ticket)
	if err != nil {
		return false, err
	}
	call, err := t.newCall(adapter, ev.Head(), s)
	if err != nil {
		return false, err
	}
	call.Link, call.Ticket = link, tk.ID
	if e.ID == tk.First && (e.Kind != tickets.Note || !s.desk.sends(ev.Emoji)) {
		verb := cardVerb(ev.Emoji)
		if verb == "" {
			return true, nil
		}
		return true, call.bind(verb, fmt.Sprintf("#%d", tk.ID))
	}
	if !s.desk.sends(ev.Emoji) || e.Kind != tickets.Note {
		return true, nil
	}
	return true, t.Send(Gesture{Source: e.ID, Person: call.Person, Role: call.Role,
		Name: gestureName(adapter, ev.Room, ev.Target, ev.Emoji, ev.From.ID), Say: call.Answer})
}

// nothingToSend answers an envelope on a message that stands in no ticket's
// thread: silence would pass for success.
func (t *Turn) nothingToSend(adapter string, ev *chat.Reacted, s side) error {
	call, err := t.newCall(adapter, ev.Head(), s)
	if err != nil || call.Role == tickets.Nobody {
		return err
	}
	return call.Answer(call.T("reply.outside"))
}

// unreacted takes back what can be taken back: a send gesture in its hold, a
// claim.
func (t *Turn) unreacted(adapter string, ev *chat.Unreacted) (bool, error) {
	s := t.b.sides[chat.Place{Adapter: adapter, Room: ev.Room}]
	if ev.From.Self || !s.team {
		return false, nil
	}
	c, ok, err := t.Tx.CopyAt(adapter, ev.Room, ev.Target)
	if err != nil || !ok {
		return false, err
	}
	e, err := t.Tx.Entry(c.Entry)
	if err != nil || e.Ticket == 0 {
		return false, err
	}
	tk, err := t.Tx.Ticket(e.Ticket)
	if err != nil {
		return false, err
	}
	if e.ID == tk.First {
		if cardVerb(ev.Emoji) != "claim" {
			return true, nil
		}
		call, err := t.newCall(adapter, ev.Head(), s)
		if err != nil {
			return false, err
		}
		if tk.Owner != call.Person {
			return true, nil
		}
		return true, t.Release(&tk, call.Person, call.Name)
	}
	rs, err := t.Tx.RepliesOf(e.ID)
	if err != nil {
		return false, err
	}
	name := gestureName(adapter, ev.Room, ev.Target, ev.Emoji, ev.From.ID)
	for _, r := range rs {
		// What was asked about stays asked: taking the sign back is how people
		// make room for putting it there once more.
		if slices.Contains(strings.Split(r.Gesture, "\n"), name) && (r.State == tickets.Held || r.State == tickets.Proposed) {
			return true, t.stopReply(&tk, r, t.b.t(t.b.lang(s.desk), "reply.stopped"))
		}
	}
	return true, nil
}
