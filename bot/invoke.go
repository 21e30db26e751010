package bot

import (
	"errors"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/tickets"
)

// Call is a command on its way: who calls, where, about which ticket, and how
// to answer. A handler cannot tell whether text, slash, button or reaction
// made it.
type Call struct {
	*Turn
	Person  tickets.ID
	Name    string
	Account chat.Account
	Adapter string
	Room    string
	Thread  string
	Direct  bool
	Desk    *Desk // of the room; in a direct room, where the caller has a role; nil for none
	Intake  *Intake
	InTeam  bool
	Role    tickets.Role
	// Ticket is the thread's, or the one that the caller stays on; 0 for none.
	Ticket tickets.ID
	// Link is the team link of that thread, the zero Link elsewhere.
	Link tickets.Link
	// Focused: Ticket comes from "focus", not from a thread.
	Focused bool
	Lang    string
	Message *chat.Posted // nil where no message called
	Event   string       // its ID
	ID      string       // of the verb
	Pressed bool         // a button called
	// Submitted: a form called, with what was filled in.
	Submitted bool

	// machine: no person calls, but the machine itself.
	machine bool

	respond func(chat.Answer)
	answer  chat.Answer
}

// Place is where the call was made.
func (c *Call) Place() chat.Place {
	return chat.Place{Adapter: c.Adapter, Room: c.Room, Thread: c.Thread}
}

// Proposes tells whether the caller may only propose.
func (c *Call) Proposes() bool { return c.Role == tickets.Trainee }

func (t *Turn) newCall(adapter string, m *chat.Meta, s side) (*Call, error) {
	person, err := t.person(adapter, m.From)
	if err != nil {
		return nil, err
	}
	c := &Call{Turn: t, Person: person, Name: nameOf(m.From), Account: m.From, Adapter: adapter, Room: m.Room, Thread: m.Thread,
		Direct: m.Direct, Desk: s.desk, Intake: s.intake, InTeam: s.team, Event: m.ID}
	if c.Desk != nil {
		c.Role, err = t.role(c.Desk, adapter, m.From, person)
		if err == nil && s.team && c.Role == tickets.Nobody && m.From.Proved {
			c.Role, err = t.firstSeen(c.Desk, person)
		}
	} else if m.Direct {
		c.Desk, c.Role, err = t.deskOf(adapter, m.From, person)
	}
	c.Lang = t.b.lang(c.Desk)
	return c, err
}

// may tells whether the caller may use a verb.
func (c *Call) may(s *command.Spec[*Call]) bool {
	switch s.Who {
	case command.Anyone:
		return true
	case command.Team:
		return c.Role != tickets.Nobody
	case command.Agents:
		return c.Role == tickets.Agent || c.Role == tickets.Coordinator || s.Proposes && c.Role == tickets.Trainee
	}
	return c.Role == tickets.Coordinator
}

// typed runs a command written as a message. ran is false where the words are
// no command of ours, or none for whoever wrote them: then they are talk.
func (t *Turn) typed(adapter string, p *chat.Posted, s side, ticket tickets.ID, link tickets.Link) (concerns, ran bool, err error) {
	c, err := t.newCall(adapter, p.Head(), s)
	if err != nil {
		return false, false, err
	}
	c.Message, c.Ticket, c.Link = p, ticket, link
	if err := c.focus(); err != nil {
		return false, false, err
	}
	parsed, ok := t.b.table.ParseMessage(p.Text, c.may)
	if !ok {
		return false, false, nil
	}
	if c.Role == tickets.Nobody && !s.team && (parsed.Err != nil || !c.may(parsed.Spec)) {
		return false, false, nil // an asker's exclamation, or another program's command
	}
	// A command whose message could not be read until much later is shown and
	// not run. One from history is run: it was said while we were away.
	if p.Revealed && t.Now.Sub(tickets.At(p.At)) > 10*time.Minute {
		return true, true, c.Answer(t.b.t(c.Lang, "command.late", "Text", p.Text))
	}
	var ue *command.UserError
	if errors.As(parsed.Err, &ue) && ue.Unknown && !s.team && !p.Direct {
		return false, true, nil // another program's
	}
	if t.forgotten(p.Head()) {
		return true, true, c.Answer(t.b.t(c.Lang, "command.forgotten", "Text", p.Text))
	}
	err = c.run(parsed)
	return c.Ticket != 0, true, err
}

// forgotten tells that an event is older than the moment when a copy of the
// database was put back: whatever it asks for may have been done, and said to
// people, by us who have forgotten it.
func (t *Turn) forgotten(m *chat.Meta) bool {
	at := tickets.At(m.At)
	return at != 0 && at <= t.b.opt.Restored
}

// focus fills in the ticket that the caller stays on.
func (c *Call) focus() error {
	if c.Ticket != 0 || !c.InTeam && !c.Direct {
		return nil
	}
	id, err := c.Tx.Focus(c.Person, c.Adapter, c.Room)
	if err != nil || id == 0 {
		return err
	}
	c.Ticket, c.Focused = id, true
	c.Link, err = c.teamLink(id, c.Adapter, c.Room)
	return err
}

// run checks rights at this moment and runs the verb; what goes wrong for the
// caller is told to the caller.
func (c *Call) run(p command.Parsed[*Call]) error {
	var ue *command.UserError
	if p.Err != nil {
		if errors.As(p.Err, &ue) {
			return c.Answer(ue.Text.In(c.Lang))
		}
		return p.Err
	}
	c.ID = p.Spec.ID
	if c.Intake != nil && c.respond == nil && p.Spec.Who != command.Anyone {
		return nil // a channel that everybody reads is no place for the team's verbs
	}
	if !c.may(p.Spec) {
		if c.Role == tickets.Nobody && !c.InTeam && !c.Direct && c.respond == nil {
			return nil // in a public channel: silence
		}
		return c.Answer(c.refused(p.Spec))
	}
	if p.Spec.NeedsTicket {
		thread := int64(c.Ticket)
		if c.Focused && p.Args.Ticket != 0 {
			thread = 0 // a number said wins over the one stayed on
		}
		n, err := p.Args.ForTicket(thread)
		if errors.As(err, &ue) {
			return c.Answer(ue.Text.In(c.Lang))
		} else if err != nil {
			return err
		}
		ok, err := c.setTicket(tickets.ID(n))
		if err != nil {
			return err
		}
		if !ok {
			return c.Answer(c.b.t(c.Lang, "command.no-ticket", "Number", number(tickets.ID(n))))
		}
		if !c.may(p.Spec) { // the ticket may be another desk's of theirs
			return c.Answer(c.refused(p.Spec))
		}
	}
	err := p.Spec.Run(c, p.Args)
	if errors.As(err, &ue) {
		return c.Answer(ue.Text.In(c.Lang))
	}
	return err
}

func (c *Call) refused(s *command.Spec[*Call]) string {
	word := s.Names.FR[0]
	if c.Lang == "en" {
		word = s.Names.EN[0]
	}
	return c.b.t(c.Lang, "command.not-you", "Word", word)
}

// setTicket makes a ticket the one that the call is about, if it is the
// desk's.
func (c *Call) setTicket(id tickets.ID) (bool, error) {
	tk, err := c.Tx.Ticket(id)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if d := c.b.desks[tk.Desk]; c.Direct && d != nil && d != c.Desk {
		// In private, somebody of several desks speaks to each by number.
		r, err := c.role(d, c.Adapter, c.Account, c.Person)
		if err != nil {
			return false, err
		}
		if r != tickets.Nobody {
			c.Desk, c.Role, c.Lang = d, r, c.b.lang(d)
		}
	}
	if c.Desk == nil || tk.Desk != c.Desk.Name {
		return false, nil
	}
	if c.Ticket != id || c.Link.ID == 0 {
		c.Ticket = id
		c.Link, err = c.teamLink(id, c.Adapter, c.Room)
	}
	return true, err
}

// bind runs a verb by its ID, as buttons and reactions do.
func (c *Call) bind(id, args string) error {
	p, ok := c.b.table.Bind(id, args)
	if !ok {
		return c.Answer(c.b.t(c.Lang, "command.old-button"))
	}
	return c.run(p)
}

// Answer tells the caller something: by the response where the network waits
// for one, else where the call was made.
func (c *Call) Answer(text string) error {
	if text == "" {
		return nil
	}
	if c.respond != nil {
		if c.answer.Text != "" {
			text = c.answer.Text + "\n" + text
		}
		c.answer.Text = text
		return nil
	}
	content := chat.Content{Text: text, Notice: true, Lang: c.Lang}
	link := c.Link
	// What was typed in the room is answered in the room.
	atTop := c.Focused || c.Message != nil && c.Thread == ""
	if link.ID == 0 || atTop && c.b.caps(c.Place()).Threads != chat.None {
		var err error
		if link, err = c.Tx.RoomLink(c.Place(), c.Now); err != nil {
			return err
		}
	}
	return c.answerAt(link, content)
}

// Form opens a form for the caller; false where the network cannot.
func (c *Call) Form(f chat.Form) bool {
	if c.respond == nil || c.machine || c.b.caps(c.Place()).Forms == chat.None {
		return false
	}
	c.answer.Form = &f
	return true
}

// Errors shows errors beside the fields of a submitted form.
func (c *Call) Errors(byField map[string]string) bool {
	if c.respond == nil {
		return false
	}
	c.answer.Errors = byField
	return true
}

// flush gives the answer once the decision is on disk.
func (c *Call) flush() {
	if c.respond == nil {
		return
	}
	respond, answer := c.respond, c.answer
	c.After(func() { respond(answer) })
}

// slash runs a slash command.
func (t *Turn) slash(adapter string, ev *chat.Slash) (bool, error) {
	c, err := t.interactive(adapter, ev.Head(), ev.Respond)
	if err != nil {
		return false, err
	}
	defer c.flush()
	if ev.Thread != "" && c.InTeam {
		if c.Link, c.Ticket, err = t.teamTicket(adapter, &chat.Posted{Meta: ev.Meta}, side{desk: c.Desk, team: true}); err != nil {
			return false, err
		}
	}
	if err := c.focus(); err != nil {
		return false, err
	}
	p, ok := t.b.table.ParseSlash(ev.Command, ev.Text, c.may)
	if !ok {
		return false, c.Answer(t.b.t(c.Lang, "command.empty"))
	}
	return c.Ticket != 0, c.run(p)
}

func (t *Turn) interactive(adapter string, m *chat.Meta, respond func(chat.Answer)) (*Call, error) {
	c, err := t.newCall(adapter, m, t.b.sides[chat.Place{Adapter: adapter, Room: m.Room}])
	if err != nil {
		return nil, err
	}
	c.respond = respond
	return c, nil
}

// pressed runs the verb of a button: rights are those of whoever presses, now.
func (t *Turn) pressed(adapter string, ev *chat.Pressed) (bool, error) {
	c, err := t.interactive(adapter, ev.Head(), ev.Respond)
	if err != nil {
		return false, err
	}
	defer c.flush()
	c.Pressed = true
	args := ev.Value
	if args != "" && !strings.HasPrefix(args, "#") {
		args = "#" + args
	}
	return true, c.bind(ev.Action, args)
}

// submitted runs the verb of a form with what was filled in: the form's value,
// the field "first", and the text, as if they had been typed in this order.
func (t *Turn) submitted(adapter string, ev *chat.Submitted) (bool, error) {
	c, err := t.interactive(adapter, ev.Head(), ev.Respond)
	if err != nil {
		return false, err
	}
	defer c.flush()
	c.Submitted = true
	args := ev.Fields["text"]
	for _, before := range []string{ev.Fields["first"], ev.Value} {
		if before = strings.TrimSpace(before); before != "" {
			args = before + " " + args
		}
	}
	return true, c.bind(ev.Form, args)
}
