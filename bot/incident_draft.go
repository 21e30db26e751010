package bot

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"permanence/bot/chat"
	"permanence/bot/command"
	"permanence/bot/outbox"
	"permanence/internal/markup"
	"permanence/statuspage"
	"permanence/tickets"
)

// draftFor is how long a draft waits: the times in it are as understood when it
// was shown.
const draftFor = 30 * time.Minute

// aboutDraft opens the body of the timer that ends a draft.
const aboutDraft = "draft"

func draftTimer(id int64) string { return fmt.Sprintf("draft %d", id) }

// preview shows what is going to be said, with the times in full, and waits. A
// person has one draft: the newer takes the older one's place.
func (c *Call) preview(a announcement, old statuspage.Incident, text string) error {
	olds, err := c.Tx.DraftsOf(c.Person)
	if err != nil {
		return err
	}
	for _, d := range olds {
		if err := c.dropDraft(d.ID); err != nil {
			return err
		}
	}
	d := Draft{Person: c.Person, Verb: a.verb, Number: old.ID, Body: chat.Clean(text), Lang: c.Lang, Seen: old.Updated, Created: c.Now,
		Adapter: c.Adapter, Room: c.Room, Thread: c.Thread}
	if err := c.Tx.AddDraft(&d); err != nil {
		return err
	}
	c.due = true
	if err := c.Tx.SetTimer(Timer{Name: draftTimer(d.ID), Kind: timerIncident, Due: c.Now.Add(draftFor),
		Body: fmt.Sprintf("%s %d", aboutDraft, d.ID)}); err != nil {
		return err
	}
	group := "!incident"
	if strings.HasPrefix(a.verb, "maintenance.") {
		group = "!travaux"
		if c.Lang == "en" {
			group = "!maintenance"
		}
	}
	word := map[string]string{"fr": " publier", "en": " publish"}[c.Lang]
	var b strings.Builder
	// What matters comes first: a long text is cut.
	b.WriteString(c.T("incident.preview") + "\n")
	for _, line := range a.understood {
		b.WriteString(line + "\n")
	}
	b.WriteString(c.T("incident.preview-how", "Command", group+word) + "\n\n")
	b.WriteString(c.T("incident.preview-reads", "Count", len(c.b.opt.Status.Rooms)))
	b.WriteString("\n> " + strings.ReplaceAll(a.shown, "\n", "\n> "))
	value := fmt.Sprint(d.ID)
	d.Delivery, err = c.offer(b.String(),
		chat.Button{Action: "incident.publish", Value: value, Label: c.T("button.publish"), Style: "primary"},
		chat.Button{Action: "incident.correct", Value: value, Label: c.T("button.correct")})
	if err != nil || d.Delivery == 0 {
		return err
	}
	return c.Tx.UpdateDraft(d)
}

// offer is an answer with buttons, and its delivery; where the network answers
// the caller alone, without, and 0.
func (c *Call) offer(text string, buttons ...chat.Button) (tickets.ID, error) {
	if c.respond != nil {
		return 0, c.Answer(text)
	}
	link, err := c.Tx.RoomLink(c.Place(), c.Now)
	if err != nil {
		return 0, err
	}
	d, err := c.answered(link, chat.Content{Text: text, Notice: true, Lang: c.Lang, Buttons: buttons})
	return d.ID, err
}

func (t *Turn) dropDraft(id int64) error {
	if err := t.Tx.DropTimer(draftTimer(id)); err != nil {
		return err
	}
	return t.Tx.DropDraft(id)
}

// draft finds the draft that a button names, or else the caller's.
func (c *Call) draft(id int64) (d Draft, ok bool, err error) {
	if id != 0 {
		d, ok, err = c.Tx.Draft(id)
	} else {
		ds, e := c.Tx.DraftsOf(c.Person)
		if err = e; len(ds) > 0 {
			d, ok = ds[len(ds)-1], true
		}
	}
	return d, ok && c.Now < d.Created.Add(draftFor), err
}

// Publish publishes what was shown; 0 means the caller's own draft. The words
// stay their author's, whoever publishes them.
func (c *Call) Publish(id int64) error {
	d, ok, err := c.draft(id)
	if err != nil {
		return err
	}
	if !ok {
		return c.Answer(c.T("incident.no-draft"))
	}
	if err := c.dropDraft(d.ID); err != nil {
		return err
	}
	var old statuspage.Incident
	if d.Number != 0 {
		if old, err = c.Tx.Incident(d.Number); err != nil {
			return err
		}
		if old.Updated != d.Seen {
			return c.Answer(c.T("incident.draft-changed", "Number", fmt.Sprint(d.Number)))
		}
	}
	o := c.Turn.origin()
	o.At, o.By, o.Place = statuspage.Time(d.Created), int64(d.Person), chat.Place{Adapter: d.Adapter, Room: d.Room, Thread: d.Thread}
	a, err := c.prepare(d.Verb, o, old, d.Body)
	if err != nil {
		return c.refusal(err)
	}
	if p := a.inc.ScheduledFor; (d.Verb == "maintenance.plan" || d.Verb == "maintenance.move") && p > o.At && p <= statuspage.Time(c.Now) {
		return command.Errorf("Rien n’est publié : le début prévu est passé depuis cet aperçu. Retapez la commande avec une autre heure.",
			"Nothing is published: the planned start has passed since this preview. Type the command again with another time.")
	}
	who, err := c.Tx.Person(d.Person)
	if err != nil {
		return err
	}
	return c.publish(a, who.Name)
}

// CorrectDraft opens the text again, where the network has forms.
func (c *Call) CorrectDraft(id int64) error {
	d, ok, err := c.draft(id)
	if err != nil {
		return err
	}
	if !ok {
		return c.Answer(c.T("incident.no-draft"))
	}
	value := ""
	if d.Number != 0 {
		value = fmt.Sprint(d.Number)
	}
	if c.Form(chat.Form{ID: d.Verb, Value: value, Title: c.T("button.correct"), Submit: c.T("form.preview"),
		Fields: []chat.Field{{Name: "text", Label: c.T("form.public-text"), Long: true, Text: d.Body}}}) {
		return nil
	}
	return c.Answer(c.T("incident.type-again"))
}

// expire drops a draft that nobody has published, where everybody sees it: on
// the preview itself, else in its room.
func (t *Turn) expire(id string) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return err
	}
	d, ok, err := t.Tx.Draft(n)
	if err != nil || !ok {
		return err
	}
	if err := t.Tx.DropDraft(n); err != nil {
		return err
	}
	words, _ := markup.Excerpt(strings.Join(strings.Fields(markup.Inert(d.Body)), " "), 80)
	text := t.b.t(d.Lang, "incident.draft-over", "Text", words)
	if d.Delivery == 0 {
		return t.tellRoom(chat.Place{Adapter: d.Adapter, Room: d.Room, Thread: d.Thread}, text, nil)
	}
	shown, err := t.Tx.Delivery(d.Delivery)
	if err != nil {
		return err
	}
	link, err := t.Tx.Link(shown.Link)
	if err != nil {
		return err
	}
	c := chat.Content{Text: text, Notice: true, Lang: d.Lang}
	_, err = t.text(outbox.Edit, link, outbox.Payload{TargetDelivery: shown.ID, Content: &c, Fallback: &c}, nil)
	return err
}
