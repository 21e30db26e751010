package bot

import (
	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/internal/markup"
	"permanence/tickets"
)

// revealed fills in a message whose keys have come. It keeps its place in the
// order, and it is no edit: nobody had read other words. A member of the team
// who wrote a command is obeyed now, while it is fresh; of an asker's the words
// are in a ticket already.
func (t *Turn) revealed(adapter string, p *chat.Posted, s side, c tickets.Copy) error {
	e, err := t.Tx.Entry(c.Entry)
	if err != nil || e.Deleted || !e.Sealed {
		return err
	}
	cmd := command.IsCommand(p.Text) && e.Kind != tickets.Message
	body := chat.Clean(p.Text)
	if rest, ok := t.replyText(body); ok && cmd {
		body = rest // the words of "!r words" are the source of the reply
	}
	e.Body, e.Sealed = body, false
	if err := t.Tx.ReviseEntry(e, markup.Fold(e.Subject+" "+e.Body), t.Now); err != nil {
		return err
	}
	if _, err := t.files(&e, p, adapter); err != nil {
		return err
	}
	if err := t.revised(&e, c); err != nil || !cmd {
		return err
	}
	link, ticket := tickets.Link{}, tickets.ID(0)
	if e.Kind == tickets.Note {
		ticket = e.Ticket
		if link, err = t.Tx.Link(e.Link); err != nil {
			return err
		}
	}
	_, _, err = t.typed(adapter, p, s, ticket, link)
	return err
}
