package bot

import (
	"fmt"
	"slices"
	"strings"

	"permanence/bot/command"
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
	case src.Sealed:
		return g.Say(t.b.t(lang, "reply.sealed"))
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
