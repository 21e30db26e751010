package bot

import (
	"fmt"
	"strings"
	"unicode"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/internal/markup"
	"permanence/statuspage"
	"permanence/tickets"
)

// When an incident ends, the team reads over one answer, and each who asked
// about it gets it where they asked, through the same hold and the same
// deliveries as every reply. What has been answered is noted per ticket in the
// transaction that makes the reply: so nobody is told twice, and after a kill
// the others are still told.

const (
	aboutAnswer = "answer" // body of the timer by which one ticket is answered
	aboutRecall = "recall" // and of the one that recalls an answer nobody sent
	recallAfter = 12 * 3600e9
	// Tickets are answered ten at a time, two times a second, so that other
	// decisions find their place between them.
	answersAtOnce = 10
	answersEvery  = 500
)

// besideEnded proposes an answer to those who asked about an incident that has
// just ended, and takes the buttons for attaching from the cards.
func (t *Turn) besideEnded(inc statuspage.Incident, end statuspage.Update) error {
	for i := range t.b.opt.Desks {
		recent, err := t.Tx.RecentRequests(t.b.opt.Desks[i].Name, t.Now.Add(-besideWithin), besideAtMost)
		if err != nil {
			return err
		}
		for _, r := range recent {
			t.redraw(r.Ticket, "")
		}
	}
	tks, err := t.Tx.IncidentTickets(inc.ID)
	if err != nil || len(tks) == 0 {
		return err
	}
	a, ok, err := t.Tx.CommonAnswer(inc.ID)
	if err != nil {
		return err
	}
	if !ok {
		lang, body := t.b.statusLang(), end.Body
		if body == statuspage.EndSentence(inc.Kind, end.Lang) {
			body = ""
		}
		text := end.Body
		if inc.Kind == statuspage.Unplanned {
			text = t.b.t(lang, "incident.answer-text", "Title", markup.Inert(inc.Title), "Text", body, "Link", t.b.speech(lang).Link(inc.ID))
		} else { // its last word says whether it is done or given up
			text = strings.TrimSpace(markup.Inert(inc.Title) + "\n\n" + text + "\n\n" + t.b.speech(lang).Link(inc.ID))
		}
		if a, err = t.setAnswer(inc, text, 0, t.b.opt.Name); err != nil {
			return err
		}
	}
	t.due = true
	if err := t.Tx.SetTimer(Timer{Name: fmt.Sprintf("incident %d %s", inc.ID, aboutRecall), Kind: timerIncident, Due: t.Now.Add(recallAfter),
		Incident: tickets.ID(inc.ID), Body: aboutRecall}); err != nil {
		return err
	}
	return t.showAnswer(inc, a, "incident.answer-proposed", "")
}

// setAnswer stores the words of the common answer, as an entry of the incident
// for the team alone.
func (t *Turn) setAnswer(inc statuspage.Incident, text string, by tickets.ID, name string) (CommonAnswer, error) {
	a, ok, err := t.Tx.CommonAnswer(inc.ID)
	if err != nil {
		return a, err
	}
	text = strings.TrimSpace(chat.Clean(text))
	if ok {
		e, err := t.Tx.Entry(a.Entry)
		if err != nil {
			return a, err
		}
		e.Body = text
		e.Revision++
		return a, t.Tx.ReviseEntry(e, "", t.Now)
	}
	e := tickets.Entry{Incident: tickets.ID(inc.ID), Kind: tickets.Note, Audience: tickets.Team, Author: by, Name: name, Body: text, Revision: 1, At: t.Now}
	if err := t.Tx.AddEntry(&e, ""); err != nil {
		return a, err
	}
	a = CommonAnswer{Incident: inc.ID, Entry: e.ID}
	return a, t.Tx.PutCommonAnswer(a)
}

// answerShown is how many destinations a proposal names.
const answerShown = 8

// showAnswer shows the team the answer, to whom it goes and where. Its button
// names the revision: what is sent is what was read.
func (t *Turn) showAnswer(inc statuspage.Incident, a CommonAnswer, sentence, name string) error {
	e, err := t.Tx.Entry(a.Entry)
	if err != nil {
		return err
	}
	tks, err := t.Tx.IncidentTickets(inc.ID)
	if err != nil {
		return err
	}
	lang := t.b.lang(nil)
	p := t.b.teamPlace(inc)
	here := t.b.sides[chat.Place{Adapter: p.Adapter, Room: p.Room}].desk
	var where []string
	for i := range tks {
		if len(where) == answerShown {
			where = append(where, "…")
			break
		}
		to, err := t.answerGoes(&tks[i], lang)
		if err != nil {
			return err
		}
		if here != nil && tks[i].Desk != here.Name {
			// Who asks another desk, and from which address, is that desk's.
			to = t.b.t(lang, "incident.answer-elsewhere", "Desk", markup.Inert(tks[i].Desk))
		}
		where = append(where, number(tks[i].ID)+" → "+to)
	}
	text := t.b.t(lang, sentence, "Number", fmt.Sprint(inc.ID), "Count", len(tks), "Where", strings.Join(where, ", "), "Name", markup.Inert(name)) +
		"\n> " + strings.ReplaceAll(e.Body, "\n", "\n> ")
	if inc.Open() {
		return t.tellTeam(inc, text, 0)
	}
	text += "\n" + t.b.t(lang, "incident.answer-how", "Number", fmt.Sprint(inc.ID))
	return t.tellTeam(inc, text, 0,
		chat.Button{Action: "incident.send", Value: fmt.Sprintf("%d %d", inc.ID, e.Revision), Label: t.b.t(lang, "button.answer-all"), Style: "primary"},
		chat.Button{Action: "incident.answer", Value: fmt.Sprint(inc.ID), Label: t.b.t(lang, "button.correct")})
}

// answerGoes tells in words where a ticket's answer goes.
func (t *Turn) answerGoes(tk *tickets.Ticket, lang string) (string, error) {
	link, ok, err := t.destination(tk)
	if err != nil || !ok {
		return t.b.t(lang, "incident.answer-nowhere"), err
	}
	ts, err := t.targets(tk, link, audienceOf(link))
	return t.destinationWords(lang, ts), err
}

// answerable is the incident of a call about the common answer; ok is false
// where there is nothing to do and the caller was told.
func (c *Call) answerable(n int64) (inc statuspage.Incident, a CommonAnswer, ok bool, err error) {
	if n == 0 {
		return inc, a, false, c.Answer(c.T("incident.which"))
	}
	inc, err = c.Tx.Incident(n)
	if isNotFound(err) {
		return inc, a, false, c.Answer(c.T("incident.unknown", "Number", fmt.Sprint(n)))
	}
	if err != nil {
		return inc, a, false, err
	}
	a, _, err = c.Tx.CommonAnswer(n)
	return inc, a, err == nil, err
}

// CommonAnswer shows the answer to all who asked about an incident, or replaces
// its words. A trainee may write it; sending it is an agent's.
func (c *Call) CommonAnswer(n int64, text string) error {
	inc, a, ok, err := c.answerable(n)
	if !ok {
		return err
	}
	if !visible(text) {
		text = ""
	}
	switch {
	case a.Sent != 0:
		return c.Answer(c.T("incident.answer-sent", "Number", fmt.Sprint(n)))
	case text == "" && a.Entry == 0:
		return c.Answer(c.T("incident.answer-none", "Number", fmt.Sprint(n)))
	case text == "":
		return c.answerShown(inc, a, "incident.answer-proposed", "")
	case command.Guarded(text):
		return c.Answer(c.T("reply.command"))
	}
	if a, err = c.setAnswer(inc, text, c.Person, c.Name); err != nil {
		return err
	}
	a.Unread = c.Role == tickets.Trainee
	if err := c.Tx.PutCommonAnswer(a); err != nil {
		return err
	}
	return c.answerShown(inc, a, "incident.answer-changed", c.Name)
}

// visible tells whether there is anything to read in a text.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) })
}

// answerShown shows the team the answer, and a machine its words.
func (c *Call) answerShown(inc statuspage.Incident, a CommonAnswer, sentence, name string) error {
	if err := c.showAnswer(inc, a, sentence, name); err != nil {
		return err
	}
	e, err := c.Tx.Entry(a.Entry)
	if err != nil {
		return err
	}
	return c.done(e.Body)
}

// AnswerWords are the words of the common answer, for its form.
func (c *Call) AnswerWords(n int64) (string, error) {
	a, ok, err := c.Tx.CommonAnswer(n)
	if err != nil || !ok || a.Sent != 0 {
		return "", err
	}
	e, err := c.Tx.Entry(a.Entry)
	return e.Body, err
}

// SendAnswer lets the common answer go to all who asked. revision, where it is
// not 0, is the one that the caller read. Once more, it goes to those whom
// something kept from being answered, and else does nothing.
func (c *Call) SendAnswer(n int64, revision int) error {
	inc, a, ok, err := c.answerable(n)
	if !ok {
		return err
	}
	nr := fmt.Sprint(n)
	switch {
	case a.Entry == 0:
		return c.Answer(c.T("incident.answer-none", "Number", nr))
	case inc.Open():
		return c.Answer(c.T("incident.answer-open", "Number", nr))
	}
	e, err := c.Tx.Entry(a.Entry)
	if err != nil {
		return err
	}
	if a.Sent == 0 && revision == 0 && a.Unread {
		a.Unread = false // from here on it was shown to somebody who may send it
		if err := c.Tx.PutCommonAnswer(a); err != nil {
			return err
		}
		return c.showAnswer(inc, a, "incident.answer-unread", "")
	}
	if a.Sent == 0 && revision != 0 && revision != e.Revision {
		return c.showAnswer(inc, a, "incident.answer-other", "")
	}
	if ok, err := c.confirmed(e.Body); !ok {
		return err
	}
	left, err := c.unanswered(n)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		if a.Sent == 0 {
			return c.Answer(c.T("incident.answer-nobody", "Number", nr))
		}
		who, err := c.Tx.Person(a.By)
		if err != nil && !isNotFound(err) {
			return err
		}
		return c.Answer(c.T("incident.answer-already", "Number", nr, "Name", markup.Inert(who.Name)))
	}
	if a.Sent == 0 {
		a.By, a.Sent = c.Person, c.Now
		if err := c.Tx.PutCommonAnswer(a); err != nil {
			return err
		}
	}
	if err := c.Tx.DropTimer(fmt.Sprintf("incident %d %s", n, aboutRecall)); err != nil {
		return err
	}
	c.due = true
	for i, tk := range left {
		due := c.Now + tickets.Time(i/answersAtOnce*answersEvery)
		if err := c.Tx.SetTimer(Timer{Name: fmt.Sprintf("answer %d #%d", n, tk), Kind: timerIncident, Due: due, Ticket: tk,
			Incident: tickets.ID(n), Body: aboutAnswer}); err != nil {
			return err
		}
	}
	if err := c.done(""); err != nil {
		return err
	}
	return c.Answer(c.T("incident.answer-leaves", "Number", nr, "Count", len(left)))
}

// unanswered are the tickets attached to an incident that were not answered
// with the others.
func (t *Turn) unanswered(n int64) (left []tickets.ID, err error) {
	tks, err := t.Tx.IncidentTickets(n)
	if err != nil {
		return nil, err
	}
	as, err := t.Tx.Attachments(n)
	if err != nil {
		return nil, err
	}
	answered := map[tickets.ID]bool{}
	for _, a := range as {
		answered[a.Ticket] = a.Answered != 0
	}
	for _, tk := range tks {
		if !answered[tk.ID] {
			left = append(left, tk.ID)
		}
	}
	return left, nil
}

// answerOne answers one ticket with the common answer: a note of whoever let it
// go, and its reply in the hold, as if that note had been sent by hand.
func (t *Turn) answerOne(n int64, ticket tickets.ID) error {
	tk, err := t.Tx.Ticket(ticket)
	if err != nil {
		return err
	}
	a, ok, err := t.Tx.CommonAnswer(n)
	if err != nil || !ok || a.Sent == 0 || tk.Incident != tickets.ID(n) {
		return err // it was taken off meanwhile
	}
	at, err := t.Tx.Attachment(n, tk.ID)
	if err != nil || at.Answered != 0 {
		return err
	}
	at.Answered = t.Now
	words, err := t.Tx.Entry(a.Entry)
	if err != nil {
		return err
	}
	d := t.b.desks[tk.Desk]
	link, ok, err := t.destination(&tk)
	if err != nil {
		return err
	}
	if !ok || d == nil || d.Observe {
		if err := t.Tx.PutAttachment(at); err != nil {
			return err
		}
		if d == nil { // its desk is no longer configured: nobody reads its threads
			inc, err := t.Tx.Incident(n)
			if err != nil {
				return err
			}
			lang := t.b.lang(nil)
			return t.tellTeam(inc, markFailed+" "+number(tk.ID)+" · "+t.b.t(lang, "incident.answer-not", "Number", fmt.Sprint(n))+" "+t.b.t(lang, "reply.nowhere"), 0)
		}
		why := "reply.nowhere"
		if d.Observe {
			why = "reply.observe"
		}
		return t.teamLine(tk.ID, markFailed+" "+t.b.t(t.b.lang(d), "incident.answer-not", "Number", fmt.Sprint(n))+" "+t.b.t(t.b.lang(d), why), nil)
	}
	name := t.b.opt.Name
	if a.By != 0 {
		who, err := t.Tx.Person(a.By)
		if err != nil {
			return err
		}
		name = who.Name
	}
	src := &tickets.Entry{Ticket: tk.ID, Kind: tickets.Note, Audience: tickets.Team, Author: a.By, Name: name, Body: words.Body, Revision: 1, At: t.Now}
	if err := t.Tx.AddEntry(src, markup.Fold(src.Body)); err != nil {
		return err
	}
	if err := t.mirror(&tk, src, tickets.Link{}, lineOfNote(src), nil); err != nil {
		return err
	}
	r := tickets.ReplyRow{Ticket: tk.ID, Source: src.ID, By: a.By, Link: link.ID, Close: true, Created: t.Now}
	if err := t.replyEntry(src, &r, audienceOf(link), ""); err != nil {
		return err
	}
	at.Reply = r.Entry
	if err := t.Tx.PutAttachment(at); err != nil {
		return err
	}
	return t.hold(&tk, d, src, r, Gesture{Source: src.ID, Person: a.By, Role: tickets.Agent, Close: true})
}

// recallAnswer recalls an answer that nobody has sent, once.
func (t *Turn) recallAnswer(n int64) error {
	inc, err := t.Tx.Incident(n)
	if err != nil {
		return err
	}
	a, ok, err := t.Tx.CommonAnswer(n)
	if err != nil || !ok || a.Sent != 0 {
		return err
	}
	left, err := t.unanswered(n)
	if err != nil || len(left) == 0 {
		return err
	}
	return t.showAnswer(inc, a, "incident.answer-waits", "")
}

// Askers is how those stand who asked about an incident.
type Askers struct {
	Waiting, Leaving, Told, NotTold []tickets.ID
}

// Askers tells for the tickets attached to an incident whether they have got
// the common answer.
func (t *Turn) Askers(n int64) (as Askers, err error) {
	tks, err := t.Tx.IncidentTickets(n)
	if err != nil {
		return as, err
	}
	done, err := t.Tx.Attachments(n)
	if err != nil {
		return as, err
	}
	by := map[tickets.ID]Attachment{}
	for _, a := range done {
		by[a.Ticket] = a
	}
	for _, tk := range tks {
		a := by[tk.ID]
		var r tickets.ReplyRow
		if a.Reply != 0 {
			if r, err = t.Tx.Reply(a.Reply); err != nil {
				return as, err
			}
		}
		switch {
		case a.Answered == 0:
			as.Waiting = append(as.Waiting, tk.ID)
		case r.State == tickets.Sent:
			as.Told = append(as.Told, tk.ID)
		case r.State == tickets.Held || r.State == tickets.Leaving || r.State == tickets.Asked:
			as.Leaving = append(as.Leaving, tk.ID)
		default:
			as.NotTold = append(as.NotTold, tk.ID)
		}
	}
	return as, nil
}
