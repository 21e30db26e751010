package bot

import (
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/tickets"
)

// destination is the link of the participants' last message, where answers go.
func (t *Turn) destination(tk *tickets.Ticket) (tickets.Link, bool, error) {
	if tk.LastLink == 0 {
		return tickets.Link{}, false, nil
	}
	l, err := t.Tx.Link(tk.LastLink)
	if err != nil {
		return l, false, err
	}
	return l, !l.Gone && l.Kind != tickets.TeamLink, nil
}

// target is one link that a reply goes to, with the people reached there.
type target struct {
	link   tickets.Link
	people []tickets.Participant
}

// targets are the reply's link and those of every other participant that carry
// its audience.
func (t *Turn) targets(tk *tickets.Ticket, link tickets.Link, audience tickets.Audience) ([]target, error) {
	ps, err := t.Tx.Participants(tk.ID)
	if err != nil {
		return nil, err
	}
	ts := []target{{link: link}}
	at := map[tickets.ID]int{link.ID: 0}
	for _, p := range ps {
		i, ok := at[p.Link]
		if !ok {
			l, err := t.Tx.Link(p.Link)
			if err != nil {
				return nil, err
			}
			if l.Gone || !l.Audiences.Has(audience) {
				continue
			}
			i = len(ts)
			at[p.Link] = i
			ts = append(ts, target{link: l})
		}
		ts[i].people = append(ts[i].people, p)
	}
	return ts, nil
}

// destinationWords shows where and to whom a reply goes: "mail à 3 personnes",
// "PUBLIC #entraide".
func (t *Turn) destinationWords(lang string, ts []target) string {
	var words []string
	for _, x := range ts {
		switch x.link.Kind {
		case tickets.MailLink:
			var to []string
			for _, p := range x.people {
				to = append(to, t.addressOf(p.Person, x.link))
			}
			if len(to) == 0 {
				to = []string{t.addressOf(x.link.Person, x.link)}
			}
			if len(to) <= 2 {
				words = append(words, t.b.t(lang, "to.mail-names", "Names", strings.Join(to, ", ")))
			} else {
				words = append(words, t.b.t(lang, "to.mail", "Count", len(to)))
			}
		case tickets.DirectLink:
			words = append(words, t.b.t(lang, "to.direct"))
		default:
			id := "to.room"
			if !x.link.Audiences.Has(tickets.Participants) {
				id = "to.public"
			}
			words = append(words, t.b.t(lang, id, "Room", t.b.placeName(x.link)))
		}
	}
	return strings.Join(words, " + ")
}

// heard is who has got the same words already, of a reply that failed in part.
type heard struct {
	links     map[tickets.ID]bool
	addresses map[string]bool
}

// heardAlready looks at earlier replies of the same words: a retry by hand
// tells only those who were not told.
func (t *Turn) heardAlready(r tickets.ReplyRow, revision int) (heard, error) {
	h := heard{links: map[tickets.ID]bool{}, addresses: map[string]bool{}}
	old, err := t.Tx.RepliesOf(r.Source)
	if err != nil {
		return h, err
	}
	for _, o := range old {
		if o.State != tickets.Lost || o.Entry == r.Entry {
			continue
		}
		e, err := t.Tx.Entry(o.Entry)
		if err != nil {
			return h, err
		}
		if e.Revision != revision {
			continue
		}
		ds, err := t.Tx.ReplyDeliveries(o.Entry)
		if err != nil {
			return h, err
		}
		for _, d := range ds {
			if d.Op != outbox.Say || d.Entry != o.Entry {
				continue
			}
			rs, err := t.Tx.Recipients(d.ID)
			if err != nil {
				return h, err
			}
			for _, to := range rs {
				if to.State == chat.Accepted || to.State == chat.Delivered {
					h.addresses[strings.ToLower(to.Address)] = true
				}
			}
			if len(rs) == 0 && d.State == outbox.Done {
				h.links[d.Link] = true
			}
		}
	}
	return h, nil
}

// replyFiles are the files that go with a reply.
func (t *Turn) replyFiles(source tickets.ID) ([]chat.File, error) {
	fs, err := t.Tx.EntryFiles(source)
	if err != nil {
		return nil, err
	}
	var out []chat.File
	for _, f := range fs {
		line, err := t.fileLine(f)
		if err != nil {
			return nil, err
		}
		out = append(out, chat.File{ID: int64(f.ID), Name: f.Name, Type: f.Type, Size: f.Size, Link: line.Link})
	}
	return out, nil
}

// sayReply queues the reply at one link.
func (t *Turn) sayReply(tk *tickets.Ticket, d *Desk, e *tickets.Entry, r tickets.ReplyRow, x target, files []chat.File, told map[string]bool) error {
	lang := t.b.lang(d)
	c := chat.Content{Text: e.Body, Files: files, Lang: lang}
	if e.Subject == correctionSubject {
		c.Text = t.b.t(lang, "reply.correction") + "\n\n" + c.Text
	}
	p := outbox.Payload{Content: &c}
	switch x.link.Kind {
	case tickets.MailLink:
		to, cc := t.recipients(tk, x)
		c.Mail = t.mail(d, x.link, to, cc, replySubject(tk.Subject), false)
		q, err := t.lastAsked(tk, x.link, lang)
		if err != nil {
			return err
		}
		c.Quote = q
	case tickets.AskerLink:
		ids, err := t.Tx.Identities(tk.LastAsker)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id.Network == x.link.Adapter {
				c.Mentions = []chat.Account{{ID: id.Account, Name: id.Name, Handle: id.Handle}}
				if t.b.caps(x.link.Place()).Threads == chat.None {
					who := id.Name
					if who == "" {
						who = id.Handle
					}
					c.Text = who + ": " + c.Text
				}
			}
		}
	}
	row, err := t.text(outbox.Say, x.link, p, func(d *outbox.Delivery) {
		d.Entry, d.Reply = e.ID, e.ID
	})
	if err != nil || c.Mail == nil {
		return err
	}
	for _, to := range append(append([]string{}, c.Mail.To...), c.Mail.Cc...) {
		if to = strings.ToLower(to); told[to] {
			if err := t.Tx.PutRecipient(outbox.Recipient{Delivery: row.ID, Address: to, State: chat.Accepted}); err != nil {
				return err
			}
		}
	}
	return nil
}

// recipients of a mail: the last asker first, the others in Cc.
func (t *Turn) recipients(tk *tickets.Ticket, x target) (to, cc []string) {
	seen := map[string]bool{}
	add := func(list *[]string, person tickets.ID) {
		a := t.addressOf(person, x.link)
		if a != "" && !seen[strings.ToLower(a)] {
			seen[strings.ToLower(a)] = true
			*list = append(*list, a)
		}
	}
	for _, p := range x.people {
		if p.Person == tk.LastAsker {
			add(&to, p.Person)
		}
	}
	for _, p := range x.people {
		if p.Part == tickets.Requester && len(to) == 0 {
			add(&to, p.Person)
		}
	}
	for _, p := range x.people {
		add(&cc, p.Person)
	}
	if len(to) == 0 {
		if len(cc) > 0 {
			to, cc = cc[:1], cc[1:]
		} else {
			add(&to, x.link.Person)
		}
	}
	return to, cc
}

// lastAsked is the message that a mail answers, to be quoted below it: only
// what came over that same link, so that nothing private goes elsewhere.
func (t *Turn) lastAsked(tk *tickets.Ticket, link tickets.Link, lang string) (*chat.Quoted, error) {
	es, err := t.Tx.LastEntries(tk.ID, 20)
	if err != nil {
		return nil, err
	}
	for i := len(es) - 1; i >= 0; i-- {
		e := es[i]
		if e.Kind == tickets.Message && e.Link == link.ID && e.Audience != tickets.Team && !e.Deleted && e.Body != "" {
			return &chat.Quoted{Author: e.Name, At: t.b.render.DateTime(lang, e.At), Text: e.Body}, nil
		}
	}
	return nil, nil
}

// replySubject keeps the asker's own subject, so that their threads hold.
func replySubject(s string) string {
	if l := strings.ToLower(s); strings.HasPrefix(l, "re:") || strings.HasPrefix(l, "re :") {
		return s
	}
	return "Re: " + s
}
