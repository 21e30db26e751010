package bot

import (
	"context"
	"strings"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/tickets"
)

// FromMachine runs an incident or travaux verb, "incident start mail delayed",
// for the machine that Permanence runs on, and gives the answer. The first
// desk's first room is its team place. What people see before it is published
// is published at once: a script cannot look at it. An error in what was typed
// is a *command.UserError.
func (b *Bot) FromMachine(ctx context.Context, line, lang string) (answer string, err error) {
	err = b.Request(ctx, func(t *Turn) error {
		c := &Call{Turn: t, Name: b.opt.Name, Role: tickets.Coordinator, InTeam: true, Lang: lang, machine: true,
			respond: func(chat.Answer) {}}
		if len(b.opt.Desks) > 0 {
			c.Desk = &b.opt.Desks[0]
			if len(c.Desk.Rooms) > 0 {
				c.Adapter, c.Room = c.Desk.Rooms[0].Adapter, c.Desk.Rooms[0].Room
			}
		}
		p, ok := b.table.Parse(line)
		switch {
		case !ok:
			return command.Errorf("Rien n’est demandé.", "Nothing is asked.")
		case p.Err != nil:
			return p.Err
		case !strings.HasPrefix(p.Spec.ID, "incident.") && !strings.HasPrefix(p.Spec.ID, "maintenance."):
			return command.Errorf("Seuls les incidents et les travaux s’annoncent d’ici.", "Only incidents and planned work are announced from here.")
		}
		if err := c.run(p); err != nil {
			return err
		}
		answer = c.answer.Text
		return nil
	})
	return answer, err
}
