package bot

import (
	"encoding/json"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/tickets"
)

// replyFate looks at a reply's deliveries after one of them changed, and shows
// the truth on the message itself.
func (t *Turn) replyFate(entry tickets.ID) error {
	r, err := t.Tx.Reply(entry)
	if err != nil {
		return err
	}
	ds, err := t.Tx.ReplyDeliveries(entry)
	if err != nil {
		return err
	}
	tk, err := t.Tx.Ticket(r.Ticket)
	if err != nil {
		return err
	}
	lang := t.b.lang(t.b.desks[tk.Desk])
	open, failed := 0, ""
	for i := range ds {
		d := &ds[i]
		if d.Op != outbox.Say || d.Entry != entry {
			continue // the status lines of the team
		}
		switch {
		case d.State.Open():
			open++
		case d.State == outbox.Failed || d.State == outbox.Superseded:
			failed = d.ReasonText().In(lang)
		}
		rs, err := t.Tx.Recipients(d.ID)
		if err != nil {
			return err
		}
		for _, to := range rs {
			if to.State == chat.Failed {
				failed = t.b.t(lang, "reply.failed-one", "Address", to.Address, "Reason", textOf(to.Reason).In(lang))
			}
		}
	}
	switch {
	case failed != "":
		if r.State == tickets.Lost && open > 0 {
			return nil
		}
		r.State = tickets.Lost
		if err := t.Tx.PutReply(r); err != nil {
			return err
		}
		if err := t.mark(tk.ID, r.Source, markFailed); err != nil {
			return err
		}
		if tk.State == tickets.Waiting || tk.State == tickets.Closed {
			tk.State, tk.Since, tk.Updated, tk.ClosedAt, tk.LastEvent = tickets.Open, t.Now, t.Now, 0, ""
			if err := t.Tx.UpdateTicket(&tk); err != nil {
				return err
			}
			t.redraw(tk.ID, "")
		}
		return t.statusLine(&tk, r, markFailed+" "+t.b.t(lang, "reply.failed", "Reason", failed), r.By)
	case open == 0 && r.State == tickets.Leaving:
		r.State = tickets.Sent
		if err := t.Tx.PutReply(r); err != nil {
			return err
		}
		if err := t.mark(tk.ID, r.Source, markSent); err != nil {
			return err
		}
		return t.statusLine(&tk, r, "")
	}
	return nil
}

func textOf(s string) chat.Text {
	var x chat.Text
	_ = json.Unmarshal([]byte(s), &x)
	return x
}
