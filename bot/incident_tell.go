package bot

import (
	"strings"

	"permanence/bot/chat"
	"permanence/bot/outbox"
	"permanence/statuspage"
	"permanence/tickets"
)

// announce says an incident for the first time, in each status room: the
// headline, below which everything else is said.
func (t *Turn) announce(inc *statuspage.Incident, u *statuspage.Update, e tickets.ID) (rooms int, err error) {
	sp := t.b.speech(t.b.statusLang())
	for _, room := range t.b.opt.Status.Rooms {
		l := tickets.Link{Incident: tickets.ID(inc.ID), Kind: tickets.Announcement, Adapter: room.Adapter, Room: room.Room,
			Audiences: tickets.Everyone, Rootless: true, Created: t.Now}
		if err := t.Tx.AddLink(&l); err != nil {
			return rooms, err
		}
		root, err := t.text(outbox.Say, l, outbox.Payload{Content: &chat.Content{Text: t.b.inLine(room, sp.StartText(*inc, *u)), Link: sp.Link(inc.ID)}},
			func(d *outbox.Delivery) { d.Entry = e })
		if err != nil {
			return rooms, err
		}
		l.Root = root.ID
		if err := t.Tx.UpdateLink(l); err != nil {
			return rooms, err
		}
		if err := t.pin(l, *inc); err != nil {
			return rooms, err
		}
		rooms++
	}
	return rooms, t.topics()
}

// announced are the links of the rooms that were told, or are being told, that
// it began; those that never heard of it are owed no end.
func (t *Turn) announced(id statuspage.ID) (list []tickets.Link, err error) {
	links, err := t.Tx.IncidentLinks(tickets.ID(id))
	for _, l := range links {
		if l.Kind == tickets.Announcement && !l.Gone {
			list = append(list, l)
		}
	}
	return list, err
}

// tellIncident stores an update, and says it below the headline in each room;
// the headline follows. Where aloud is false the headline and the page alone
// tell it.
func (t *Turn) tellIncident(inc *statuspage.Incident, u *statuspage.Update, name string, aloud bool) (rooms int, err error) {
	if err := t.Tx.UpdateIncident(inc); err != nil {
		return 0, err
	}
	u.Incident = inc.ID
	e, err := t.statement(inc, u, name)
	if err != nil {
		return 0, err
	}
	if err := t.follow(inc); err != nil {
		return 0, err
	}
	links, err := t.Tx.IncidentLinks(tickets.ID(inc.ID))
	if err != nil {
		return 0, err
	}
	if len(links) == 0 && aloud && inc.Open() { // its creation was not told
		return t.announce(inc, u, e)
	}
	us, err := t.Tx.IncidentUpdates(inc.ID)
	if err != nil {
		return 0, err
	}
	for _, l := range links {
		if l.Kind != tickets.Announcement || l.Gone {
			continue
		}
		if aloud {
			content := t.updateContent(*inc, *u, len(us))
			content.Text = t.b.inLine(l.Place(), content.Text)
			if _, err := t.text(outbox.Say, l, outbox.Payload{Content: &content}, func(d *outbox.Delivery) { d.Entry = e }); err != nil {
				return rooms, err
			}
			rooms++
		}
		if err := t.headline(l, *inc, *u); err != nil {
			return rooms, err
		}
		if err := t.pin(l, *inc); err != nil {
			return rooms, err
		}
	}
	return rooms, t.topics()
}

// inLine puts a text of two short paragraphs on one line where a place shows
// lines: alone the second would not say what it is about.
func (b *Bot) inLine(p chat.Place, text string) string {
	head, rest, two := strings.Cut(text, "\n\n")
	if !two || !b.flat(p) || strings.Contains(rest, "\n") {
		return text
	}
	return head + " · " + rest
}

// updateContent is an update as rooms read it; count is how many there are.
func (t *Turn) updateContent(inc statuspage.Incident, u statuspage.Update, count int) chat.Content {
	sp := t.b.speech(t.b.statusLang())
	text := sp.UpdateText(inc, u)
	if !inc.Open() && u.State.Over() && u.Published == inc.Resolved { // and not what is said after
		text = sp.EndText(inc, u, count)
	}
	return chat.Content{Text: text, Link: sp.Link(inc.ID)}
}

// headline keeps the first message of a room up to date, where that can be.
func (t *Turn) headline(l tickets.Link, inc statuspage.Incident, last statuspage.Update) error {
	sp := t.b.speech(t.b.statusLang())
	head := chat.Content{Text: sp.HeadlineText(inc, last), Link: sp.Link(inc.ID)}
	return t.state(outbox.Card, l, "card", outbox.Payload{Content: &head, TargetDelivery: l.Root})
}

// pin keeps the headline pinned while it lasts: from the beginning of planned
// work, not from its announcement.
func (t *Turn) pin(l tickets.Link, inc statuspage.Incident) error {
	on := inc.Open() && inc.State != statuspage.Scheduled
	if !on {
		if _, ok, err := t.Tx.StateOf(l.ID, "pin"); err != nil || !ok {
			return err // it never was
		}
	}
	return t.state(outbox.Pin, l, "pin", outbox.Payload{TargetDelivery: l.Root, On: on})
}

// topics writes what is going on into the topic of the status rooms that
// cannot pin, and takes it out again. The topic is the room's, one for all
// incidents: so it travels on the room's own link, where the newest wish wins.
func (t *Turn) topics() error {
	open, err := t.Tx.OpenIncidents()
	if err != nil {
		return err
	}
	sp := t.b.speech(t.b.statusLang())
	var parts []string
	for _, inc := range open {
		if inc.State != statuspage.Scheduled {
			parts = append(parts, sp.TopicText(inc))
		}
	}
	text := strings.Join(parts, " · ")
	for _, room := range t.b.opt.Status.Rooms {
		caps := t.b.caps(room)
		if caps.Topic == chat.None || caps.Pins != chat.None {
			continue
		}
		l, err := t.Tx.RoomLink(room, t.Now)
		if err != nil {
			return err
		}
		if text == "" {
			if _, ok, err := t.Tx.StateOf(l.ID, "topic"); err != nil {
				return err
			} else if !ok {
				continue // nothing of ours stands there
			}
		}
		if err := t.state(outbox.Topic, l, "topic", outbox.Payload{Topic: text}); err != nil {
			return err
		}
	}
	return nil
}

// teamPlace is where the team is told of an incident: where it was started, or
// the first desk's first room; the zero Place where there is none.
func (b *Bot) teamPlace(inc statuspage.Incident) chat.Place {
	p := inc.Team()
	s, known := b.sides[chat.Place{Adapter: p.Adapter, Room: p.Room}]
	if p.Adapter == "" || b.opt.Adapters[p.Adapter] == nil || known && !s.team { // askers may read there by now
		if len(b.opt.Desks) == 0 || len(b.opt.Desks[0].Rooms) == 0 {
			return chat.Place{}
		}
		return b.opt.Desks[0].Rooms[0]
	}
	return p
}

// tellTeam says something to the place where an incident was started. ping is
// who is to notice; 0 for nobody.
func (t *Turn) tellTeam(inc statuspage.Incident, text string, ping tickets.ID, buttons ...chat.Button) error {
	content := chat.Content{Text: text, Notice: ping == 0, Buttons: buttons}
	p := t.b.teamPlace(inc)
	if p.Adapter == "" {
		return nil
	}
	if ping != 0 {
		as, err := t.accounts(p.Adapter, []tickets.ID{ping})
		if err != nil {
			return err
		}
		content.Mentions = as
	}
	link, err := t.Tx.RoomLink(p, t.Now)
	if err != nil {
		return err
	}
	_, err = t.text(outbox.Say, link, outbox.Payload{Content: &content}, nil)
	return err
}
