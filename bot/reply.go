package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/bot/outbox"
	"permanence/internal/i18n"
	"permanence/tickets"
)

// Marks that we put on the source of a reply.
const (
	markHeld     = "⏳"
	markSent     = "📬"
	markFailed   = "⚠️"
	markProposed = "👀"
)

// Gesture is somebody's wish that an entry be sent.
type Gesture struct {
	Source tickets.ID
	Person tickets.ID
	Role   tickets.Role
	Close  bool   // close the ticket when it has left
	Name   string // of the reaction that can be taken back; empty for commands
	// Say answers whoever made the gesture.
	Say func(text string) error
}

// Send makes a reply of an entry of the team: held for a moment, or a proposal
// when a trainee sends, or a question when something should be looked at
// first. A gesture on what is already sent or held does nothing and says so.
func (t *Turn) Send(g Gesture) error {
	src, err := t.Tx.Entry(g.Source)
	if err != nil {
		return err
	}
	tk, err := t.Tx.Ticket(src.Ticket)
	if err != nil {
		return err
	}
	d := t.b.desks[tk.Desk]
	if d == nil {
		return g.Say(t.b.t("fr", "error.no-desk"))
	}
	lang := t.b.lang(d)
	files, err := t.Tx.EntryFiles(src.ID)
	if err != nil {
		return err
	}
	switch {
	case src.Kind != tickets.Note || src.Deleted:
		return g.Say(t.b.t(lang, "reply.not-a-note"))
	case g.Role == tickets.Nobody:
		return g.Say(t.b.t(lang, "reply.not-you"))
	case d.Observe:
		return g.Say(t.b.t(lang, "reply.observe"))
	case command.Guarded(src.Body):
		return g.Say(t.b.t(lang, "reply.command"))
	case strings.TrimSpace(src.Body) == "" && len(files) == 0:
		return g.Say(t.b.t(lang, "reply.empty"))
	}
	old, err := t.Tx.RepliesOf(src.ID)
	if err != nil {
		return err
	}
	var corrected *tickets.ReplyRow
	for _, r := range old {
		switch r.State {
		case tickets.Held, tickets.Gathering:
			return g.Say(t.b.t(lang, "reply.already-held", "When", t.b.render.Clock(lang, r.HoldUntil)))
		case tickets.Leaving, tickets.Sent:
			e, err := t.Tx.Entry(r.Entry)
			if err != nil {
				return err
			}
			if e.Revision >= src.Revision {
				return g.Say(t.b.t(lang, "reply.already-sent"))
			}
			corrected = &r
		case tickets.Proposed, tickets.Asked:
			return t.again(&tk, d, &src, r, g)
		}
	}
	link, ok, err := t.destination(&tk)
	if err == nil && corrected != nil {
		// A correction goes where the words went, wherever people have spoken
		// since: what was said in private stays there.
		link, err = t.Tx.Link(corrected.Link)
		ok = !link.Gone
	}
	if err != nil {
		return err
	}
	if !ok {
		return g.Say(t.b.t(lang, "reply.nowhere"))
	}
	r := tickets.ReplyRow{Ticket: tk.ID, Source: src.ID, By: g.Person, Link: link.ID, Close: g.Close, Created: t.Now, Gesture: g.Name}
	subject := ""
	if corrected != nil {
		subject = correctionSubject
	}
	if err := t.replyEntry(&src, &r, audienceOf(link), subject); err != nil {
		return err
	}
	if g.Role == tickets.Trainee {
		return t.propose(&tk, d, &src, r, g)
	}
	return t.holdOrAsk(&tk, d, &src, r, g)
}

// replyEntry makes the entry of a reply.
func (t *Turn) replyEntry(src *tickets.Entry, r *tickets.ReplyRow, audience tickets.Audience, subject string) error {
	e := &tickets.Entry{Ticket: r.Ticket, Kind: tickets.Reply, Audience: audience, Author: src.Author, Name: src.Name,
		Body: src.Body, Revision: src.Revision, At: t.Now, Source: src.ID, Subject: subject}
	if err := t.Tx.AddEntry(e, ""); err != nil {
		return err
	}
	r.Entry = e.ID
	return nil
}

// again takes a gesture on what was proposed or asked about. Where the answer
// goes is looked at anew: the conversation may have moved.
func (t *Turn) again(tk *tickets.Ticket, d *Desk, src *tickets.Entry, r tickets.ReplyRow, g Gesture) error {
	lang := t.b.lang(d)
	if g.Role == tickets.Trainee {
		if r.State == tickets.Proposed {
			return g.Say(t.b.t(lang, "reply.already-proposed"))
		}
		return t.propose(tk, d, src, r, g)
	}
	if r.State == tickets.Proposed {
		r.Approved = g.Person
	} else {
		r.By = g.Person
	}
	r.Close = r.Close || g.Close
	if g.Name != "" {
		r.Gesture = strings.TrimPrefix(r.Gesture+"\n"+g.Name, "\n")
	}
	e, err := t.Tx.Entry(r.Entry)
	if err != nil {
		return err
	}
	if e.Subject != correctionSubject {
		link, ok, err := t.destination(tk)
		if err != nil {
			return err
		}
		if !ok {
			return g.Say(t.b.t(lang, "reply.nowhere"))
		}
		if link.ID != r.Link {
			moved := r
			moved.State = tickets.Undone
			if err := t.Tx.PutReply(moved); err != nil {
				return err
			}
			if err := t.statusLine(tk, moved, ""); err != nil {
				return err
			}
			r.Link = link.ID
			if err := t.replyEntry(src, &r, audienceOf(link), ""); err != nil {
				return err
			}
		}
	}
	return t.holdOrAsk(tk, d, src, r, g)
}

// holdOrAsk holds a reply, unless something speaks against it that nobody has
// confirmed yet.
func (t *Turn) holdOrAsk(tk *tickets.Ticket, d *Desk, src *tickets.Entry, r tickets.ReplyRow, g Gesture) error {
	why, err := t.doubts(tk, src, r)
	if err != nil {
		return err
	}
	for _, w := range why {
		if !slices.Contains(strings.Split(r.Asked, "\n"), w) {
			return t.ask(tk, d, r, why, g.Say)
		}
	}
	return t.hold(tk, d, src, r, g)
}

// correctionSubject marks the entry of a reply that corrects an earlier one.
const correctionSubject = "correction"

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

// doubts are the reasons to ask before sending, each with what exactly it is
// about, so that a confirmation holds for that alone: "crossed@TIME",
// "other@REPLY", "inside@WORD".
func (t *Turn) doubts(tk *tickets.Ticket, src *tickets.Entry, r tickets.ReplyRow) ([]string, error) {
	var why []string
	later, err := t.Tx.LastEntries(tk.ID, 20)
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Backward(later) {
		if e.ID > src.ID && e.Kind == tickets.Message && e.Audience != tickets.Team {
			why = append(why, fmt.Sprintf("crossed@%d", e.ID))
			break
		}
	}
	open, err := t.Tx.OpenReplies(tk.ID)
	if err != nil {
		return nil, err
	}
	for _, o := range open {
		if o.Entry != r.Entry && (o.State == tickets.Held || o.State == tickets.Leaving) {
			why = append(why, fmt.Sprintf("other@%d", o.Entry))
		}
	}
	files, err := t.Tx.EntryFiles(src.ID)
	if err != nil {
		return nil, err
	}
	text := src.Body
	for _, f := range files {
		text += "\n" + f.Name
	}
	if word := t.b.insideWord(text); word != "" {
		why = append(why, "inside@"+word)
	}
	return why, nil
}

// insideWord is the first internal name in a text, empty where there is none.
func (b *Bot) insideWord(text string) string {
	lower := strings.ToLower(text)
	for _, w := range b.opt.Inside {
		if w != "" && strings.Contains(lower, strings.ToLower(w)) {
			return w
		}
	}
	return ""
}

// ask wants a second gesture and tells why.
func (t *Turn) ask(tk *tickets.Ticket, d *Desk, r tickets.ReplyRow, why []string, say func(string) error) error {
	if r.State == tickets.Held {
		if err := t.mark(tk.ID, r.Source, ""); err != nil {
			return err
		}
	}
	r.State, r.Asked = tickets.Asked, strings.Join(why, "\n")
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	lang := t.b.lang(d)
	words := []string{"⚠️"}
	for _, w := range why {
		kind, about, _ := strings.Cut(w, "@")
		words = append(words, t.b.t(lang, "ask."+kind, "Word", about))
	}
	return say(strings.Join(append(words, t.b.t(lang, "ask.again")), " "))
}

// propose keeps a trainee's reply until an agent sends it.
func (t *Turn) propose(tk *tickets.Ticket, d *Desk, src *tickets.Entry, r tickets.ReplyRow, g Gesture) error {
	r.State, r.By, r.Gesture = tickets.Proposed, g.Person, g.Name
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	who, err := t.Tx.Person(g.Person)
	if err != nil {
		return err
	}
	lang := t.b.lang(d)
	if err := t.mark(tk.ID, src.ID, markProposed); err != nil {
		return err
	}
	return t.statusLine(tk, r, t.b.t(lang, "reply.proposed", "Name", who.Name))
}

// hold starts the hold of a reply and shows where and to whom it goes.
func (t *Turn) hold(tk *tickets.Ticket, d *Desk, src *tickets.Entry, r tickets.ReplyRow, g Gesture) error {
	link, err := t.Tx.Link(r.Link)
	if err != nil {
		return err
	}
	wait := d.HoldChat
	if link.Kind == tickets.MailLink {
		wait = d.HoldMail
	}
	others := src.Author != g.Person && src.Author != 0
	if others && d.HoldOthers > wait {
		wait = d.HoldOthers
	}
	r.State = tickets.Held
	r.Created = t.Now
	r.HoldUntil = t.Now.Add(wait)
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	t.due = true
	ts, err := t.targets(tk, link, audienceOf(link))
	if err != nil {
		return err
	}
	lang := t.b.lang(d)
	if err := t.mark(tk.ID, src.ID, markHeld); err != nil {
		return err
	}
	text := t.b.t(lang, "reply.held", "Where", t.destinationWords(lang, ts), "In", strings.TrimSpace(i18n.In(lang, wait)),
		"When", t.b.render.Clock(lang, r.HoldUntil))
	if others {
		who, err := t.Tx.Person(g.Person)
		if err != nil {
			return err
		}
		author, err := t.Tx.Person(src.Author)
		if err != nil {
			return err
		}
		text += " " + t.b.t(lang, "reply.others", "Name", who.Name, "Author", author.Name)
		return t.statusLine(tk, r, text, src.Author)
	}
	return t.statusLine(tk, r, text)
}

// accounts are the accounts of people on an adapter, to be pinged there.
func (t *Turn) accounts(adapter string, people []tickets.ID) ([]chat.Account, error) {
	var as []chat.Account
	for _, p := range people {
		ids, err := t.Tx.Identities(p)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if id.Network == adapter {
				as = append(as, chat.Account{ID: id.Account, Name: id.Name, Handle: id.Handle})
			}
		}
	}
	return as, nil
}

// statusLine says, or edits, the one line that tells how a reply stands, in
// every team thread. An empty text takes it away: success is a mark, never a
// post. A line that pings somebody is said anew, because edits ping nobody.
func (t *Turn) statusLine(tk *tickets.Ticket, r tickets.ReplyRow, text string, ping ...tickets.ID) error {
	links, err := t.teamLinks(tk.ID)
	if err != nil {
		return err
	}
	ds, err := t.Tx.ReplyDeliveries(r.Entry)
	if err != nil {
		return err
	}
	for _, l := range links {
		var said *outbox.Delivery
		for i := range ds {
			if ds[i].Link == l.ID && ds[i].Op == outbox.Say {
				said = &ds[i]
			}
		}
		c := chat.Content{Text: text, Notice: true}
		if c.Mentions, err = t.accounts(l.Adapter, ping); err != nil {
			return err
		}
		if said != nil && (text == "" || len(ping) > 0) {
			// From now on it is no line of the reply any more: what has to be
			// said later, of a bounce, is said anew.
			said.Reply = 0
			if err := t.Tx.UpdateDelivery(*said); err != nil {
				return err
			}
			if _, err = t.text(outbox.Delete, l, outbox.Payload{TargetDelivery: said.ID}, nil); err != nil {
				return err
			}
			said = nil
		}
		switch {
		case text == "":
			continue
		case said == nil:
			_, err = t.text(outbox.Say, l, outbox.Payload{Content: &c}, func(d *outbox.Delivery) { d.Reply = r.Entry })
		default:
			p := outbox.Payload{Content: &c, TargetDelivery: said.ID, Fallback: &c}
			_, err = t.text(outbox.Edit, l, p, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holdBack tells how long a reply whose hold is over must still wait: until
// the adapters of all the ticket's team rooms have caught up, two minutes at
// most, so that a "stop" that was said meanwhile still counts.
func (b *Bot) holdBack(ctx context.Context, r tickets.ReplyRow) (wait time.Duration, forced bool) {
	const most = 2 * time.Minute
	over := b.now().Sub(r.HoldUntil)
	if since := b.opt.Now().Sub(b.started); since < over {
		over = since
	}
	var links []tickets.Link
	err := b.store.View(ctx, func(tx Tx) (err error) { links, err = tx.TicketLinks(r.Ticket); return err })
	if err != nil {
		return awayPause, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range links {
		if l.Kind == tickets.TeamLink && !l.Gone && b.opt.Adapters[l.Adapter] != nil && !b.caughtUp[l.Adapter] {
			if over >= most {
				return 0, true
			}
			return min(most-over, time.Second), false
		}
	}
	return 0, false
}

// release ends a hold: the text is frozen as it is now and its deliveries take
// their places.
func (t *Turn) release(entry tickets.ID) error {
	r, err := t.Tx.Reply(entry)
	if err != nil {
		return err
	}
	if r.State != tickets.Held {
		return nil
	}
	src, err := t.Tx.Entry(r.Source)
	if err != nil {
		return err
	}
	tk, err := t.Tx.Ticket(r.Ticket)
	if err != nil {
		return err
	}
	d := t.b.desks[tk.Desk]
	files, err := t.replyFiles(r.Source)
	if err != nil {
		return err
	}
	empty := strings.TrimSpace(src.Body) == "" && len(files) == 0
	if src.Deleted || empty || d == nil || d.Observe || command.Guarded(src.Body) {
		return t.stopReply(&tk, r, t.b.t(t.b.lang(d), "reply.stopped"))
	}
	e, err := t.Tx.Entry(r.Entry)
	if err != nil {
		return err
	}
	if e.Body != src.Body || e.Revision != src.Revision {
		e.Body, e.Revision = src.Body, src.Revision
		if err := t.Tx.ReviseEntry(e, "", t.Now); err != nil {
			return err
		}
	}
	link, err := t.Tx.Link(r.Link)
	if err != nil {
		return err
	}
	ts, err := t.targets(&tk, link, audienceOf(link))
	if err != nil {
		return err
	}
	heard, err := t.heardAlready(r, src.Revision)
	if err != nil {
		return err
	}
	r.State = tickets.Leaving
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	left := 0
	for _, x := range ts {
		if heard.links[x.link.ID] {
			continue
		}
		left++
		if err := t.sayReply(&tk, d, &e, r, x, files, heard.addresses); err != nil {
			return err
		}
	}
	if left == 0 {
		return t.stopReply(&tk, r, t.b.t(t.b.lang(d), "reply.already-sent"))
	}
	if err := t.Tx.DropTimer(ackTimer(tk.ID)); err != nil {
		return err
	}
	tk.Answered, tk.Updated = t.Now, t.Now
	event := ""
	switch {
	case tk.Asked > r.Created:
		// They wrote during the hold: this is not the answer to that.
		if r.Close {
			event = t.b.t(t.b.lang(d), "event.not-closed", "Name", tk.Subject)
		}
	case r.Close:
		tk.State, tk.ClosedAt = tickets.Closed, t.Now
		event = t.b.t(t.b.lang(d), "event.closed", "Name", src.Name)
	case tk.State != tickets.Closed:
		tk.State = tickets.Waiting
	}
	sender := r.By
	if r.Approved != 0 {
		sender = r.Approved
	}
	if tk.Owner == 0 {
		tk.Owner = sender
	}
	if err := t.ownerSpoke(&tk, sender); err != nil {
		return err
	}
	if err := t.Tx.UpdateTicket(&tk); err != nil {
		return err
	}
	t.redraw(tk.ID, event)
	return nil
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

// Stop stops the replies of a ticket that are held, asked about, gathered or
// proposed; it tells how many there were.
func (t *Turn) Stop(ticket tickets.ID) (int, error) {
	tk, err := t.Tx.Ticket(ticket)
	if err != nil {
		return 0, err
	}
	rs, err := t.Tx.OpenReplies(ticket)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range rs {
		if r.State == tickets.Leaving {
			continue
		}
		n++
		if err := t.stopReply(&tk, r, t.b.t(t.b.lang(t.b.desks[tk.Desk]), "reply.stopped")); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *Turn) stopReply(tk *tickets.Ticket, r tickets.ReplyRow, text string) error {
	shown := r.State == tickets.Held || r.State == tickets.Proposed
	r.State = tickets.Undone
	if err := t.Tx.PutReply(r); err != nil {
		return err
	}
	if err := t.mark(tk.ID, r.Source, ""); err != nil {
		return err
	}
	if !shown {
		return nil
	}
	return t.statusLine(tk, r, text)
}

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
