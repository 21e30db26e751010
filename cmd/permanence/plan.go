package main

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // small machines come without time zones

	"permanence/bot"
	"permanence/bot/chat"
)

// plan is a configuration in the words of the engine.
type plan struct {
	location *time.Location
	desks    []bot.Desk
	status   bot.Status
	// rooms are the rooms that each adapter is to join.
	rooms map[string][]string
	// invites are the accounts that each adapter lets invite it.
	invites map[string][]string
	// sides tell what each room is for.
	sides map[chat.Place]roomUse
	// languages are those in which every word on the page is to be written.
	languages []string
	url       string // of our pages, without a slash at its end; empty without web server
}

// roomUse is what a room is for, and where the file says so.
type roomUse struct {
	side   string // "team", "intake", "status"
	desk   string
	key    []any
	public bool
}

func (u roomUse) String() string {
	switch u.side {
	case "team":
		return "a team room of desk " + u.desk
	case "intake":
		return "an intake of desk " + u.desk
	}
	return "a status room"
}

// planner gathers everything that is wrong, so that one run tells it all.
type planner struct {
	c    *Config
	d    *document
	p    plan
	errs []error
}

func (pl *planner) wrong(key []any, format string, args ...any) {
	err := pl.d.errorAt(pl.d.at(key...), format, args...)
	var e *configError
	if errors.As(err, &e) {
		e.Key = keyString(key) // also where only a part of it is in the file
	}
	pl.errs = append(pl.errs, err)
}

func keyString(key []any) string {
	var b strings.Builder
	for _, k := range key {
		switch k := k.(type) {
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(k)
		case int:
			fmt.Fprintf(&b, "[%d]", k)
		}
	}
	return b.String()
}

func under(key []any, more ...any) []any { return append(slices.Clone(key), more...) }

// makePlan checks what one key cannot know of the others.
func makePlan(c *Config, d *document) (plan, error) {
	pl := &planner{c: c, d: d, p: plan{rooms: map[string][]string{}, invites: map[string][]string{}, sides: map[chat.Place]roomUse{}}}
	if strings.TrimSpace(c.Name) == "" {
		pl.wrong([]any{"name"}, `is missing: expected the name of the association, as people outside know it`)
	}
	pl.language([]any{"language"}, c.Language, false)
	var err error
	if pl.p.location, err = time.LoadLocation(c.Timezone); err != nil || c.Timezone == "" || c.Timezone == "Local" {
		pl.wrong([]any{"timezone"}, "%q: expected a time zone such as Europe/Paris", c.Timezone)
	}
	pl.database()
	pl.web()
	if len(c.Adapters) == 0 {
		pl.wrong([]any{"adapters"}, "is missing: at least one is needed, of type %s", strings.Join(networkKinds(), " or "))
	}
	if len(c.Desks) == 0 {
		pl.wrong([]any{"desks"}, "is missing: at least one desk is needed, with its rooms and intakes")
	}
	for i := range c.Desks {
		pl.desk(&c.Desks[i])
	}
	pl.status()
	for _, a := range c.Adapters {
		if len(pl.p.rooms[a.Name]) == 0 && len(c.Desks) > 0 && len(pl.errs) == 0 {
			pl.wrong([]any{"adapters", a.Name}, "no desk and no status room uses it: name one of its rooms (%s:…), or remove it", a.Name)
		}
	}
	return pl.p, errors.Join(pl.errs...)
}

func (pl *planner) language(key []any, lang string, optional bool) {
	if lang != "fr" && lang != "en" && (lang != "" || !optional) {
		pl.wrong(key, "%q: expected fr or en", lang)
	}
}

func (pl *planner) database() {
	db := pl.c.Database
	path, sqlite := strings.CutPrefix(db, "sqlite:")
	if sqlite && path != "" {
		return
	}
	if u, err := url.Parse(db); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		return
	}
	// It may hold a password and is not repeated.
	pl.wrong([]any{"database"}, "expected sqlite:FILE, or postgres://user@host/name")
}

func (pl *planner) web() {
	w := pl.c.Web
	if w.Listen == "none" {
		if w.URL != "" {
			pl.wrong([]any{"web", "url"}, "there is no web server to be reached: remove it, or let web.listen be an address")
		}
		return
	}
	host, _, err := net.SplitHostPort(w.Listen)
	if err != nil {
		pl.wrong([]any{"web", "listen"}, "%q: expected address:port such as 127.0.0.1:8080, or none", w.Listen)
		return
	}
	for _, a := range pl.c.Adapters {
		if a.Network.kind == "playground" && !isLoopback(host) {
			pl.wrong([]any{"web", "listen"}, "%q: the playground lets anybody act as anybody, so beside it only an address of this machine is possible, such as 127.0.0.1:8080", w.Listen)
		}
	}
	if w.URL == "" {
		pl.p.url = "http://" + w.Listen
		return
	}
	u, err := url.Parse(w.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		pl.wrong([]any{"web", "url"}, "%q: expected an address such as https://aide.example.org", w.URL)
		return
	}
	pl.p.url = strings.TrimRight(w.URL, "/")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (pl *planner) desk(c *namedDesk) {
	key := []any{"desks", c.Name}
	desk := bot.Desk{
		Name: c.Name, Title: c.Title, Language: c.Language, Informal: c.Informal,
		HoldMail: time.Duration(c.Hold.Mail), HoldChat: time.Duration(c.Hold.Chat), HoldOthers: time.Duration(c.Hold.Others),
		AckMail: c.Acknowledge.Mail, AckChat: c.Acknowledge.Chat, AckAfter: time.Duration(c.Acknowledge.After),
		Hours: c.Acknowledge.Hours, Observe: c.Observe, Reopen: time.Duration(c.Reopen), Claim: time.Duration(c.Claim),
		SendEmoji: c.SendEmoji,
	}
	if desk.Title == "" {
		desk.Title = pl.c.Name
	}
	pl.language(under(key, "language"), c.Language, true)
	if len(c.Rooms) == 0 {
		pl.wrong(under(key, "rooms"), "is missing: expected the team's room, as adapter:room")
	}
	for i, room := range c.Rooms {
		k := under(key, "rooms", i)
		if p, ok := pl.room(k, room, roomUse{side: "team", desk: c.Name, key: k}); ok {
			desk.Rooms = append(desk.Rooms, p)
		}
	}
	if len(c.Intakes) == 0 {
		pl.wrong(under(key, "intakes"), `is missing: expected where requests come from, such as ["mail:support@example.org"]`)
	}
	for i, in := range c.Intakes {
		if got, ok := pl.intake(under(key, "intakes", i), c.Name, in); ok {
			desk.Intakes = append(desk.Intakes, got)
		}
	}
	desk.Agents = pl.accounts(under(key, "agents"), c.Agents)
	desk.Coordinators = pl.accounts(under(key, "coordinators"), c.Coordinators)
	desk.Invites = pl.accounts(under(key, "invites"), c.Invites)
	for i, ref := range desk.Invites {
		if chat.CheckPattern(ref.Handle) != nil {
			pl.wrong(under(key, "invites", i), `%q: expected adapter:account, where * stands for anything, such as "matrix:@*:example.org"`, ref.Handle)
		}
		pl.p.invites[ref.Adapter] = append(pl.p.invites[ref.Adapter], ref.Handle)
	}
	for i, e := range c.SendEmoji {
		if strings.TrimSpace(e) == "" {
			pl.wrong(under(key, "send_emoji", i), `expected an emoji, such as "✅"`)
		}
	}
	pl.p.desks = append(pl.p.desks, desk)
}

func (pl *planner) intake(key []any, desk string, in IntakeConfig) (bot.Intake, bool) {
	out := bot.Intake{Closed: in.Closed}
	use := roomUse{side: "intake", desk: desk, key: key, public: !in.Closed}
	p, ok := pl.room(key, in.From, use)
	if !ok {
		return out, false
	}
	out.Place = p
	a, _ := pl.c.Adapters.find(p.Adapter)
	if a.Network.mail {
		if in.Opens != "" || in.Closed {
			pl.wrong(key, "opens and closed are for chat rooms: each mail to a role address opens a ticket, and only the people written to read it")
		}
		out.Mail, out.Opens = true, bot.OnMessage
		return out, true
	}
	switch bot.Opens(in.Opens) {
	case "":
		out.Opens = bot.OnMention
	case bot.OnMention, bot.OnCommand, bot.OnMessage:
		out.Opens = bot.Opens(in.Opens)
	default:
		pl.wrong(under(key, "opens"), "%s", unknown("rule", in.Opens, []string{string(bot.OnMention), string(bot.OnCommand), string(bot.OnMessage)}))
		return out, false
	}
	return out, true
}

// room reads "adapter:room" and gives the room its one side.
func (pl *planner) room(key []any, text string, use roomUse) (chat.Place, bool) {
	p, ok := chat.ParsePlace(text)
	if !ok {
		pl.wrong(key, "%q: expected adapter:room, such as mail:support@example.org", text)
		return p, false
	}
	a, ok := pl.c.Adapters.find(p.Adapter)
	if !ok {
		pl.wrong(key, "%q: %s", text, unknown("adapter", p.Adapter, pl.c.Adapters.names()))
		return p, false
	}
	switch {
	case a.Network.mail && use.side != "intake":
		pl.wrong(key, "%q: %s carries mail and has no rooms to talk in: expected a room of a chat network", text, p.Adapter)
		return p, false
	case a.Network.mail:
		if addr, err := mail.ParseAddress(p.Room); err != nil || addr.Address != p.Room {
			pl.wrong(key, "%q: expected a mail address after %s:, such as %s:support@example.org", text, p.Adapter, p.Adapter)
			return p, false
		}
	case strings.Contains(p.Room, "@") && !strings.ContainsAny(p.Room, "#!"):
		if _, err := mail.ParseAddress(p.Room); err == nil {
			pl.wrong(key, "%q: %s is of type %s and carries no mail: a role address needs an adapter of type email", text, p.Adapter, a.Network.kind)
			return p, false
		}
	}
	if old, taken := pl.p.sides[p]; taken {
		switch {
		case old.side == "intake" && use.side == "status" && !a.Network.mail:
			// A public channel may also hear of incidents.
			return p, true
		case old.side != use.side && (old.side == "team" || use.side == "team"):
			pl.wrong(key, "%q is already %s (%s): what the team says inside would come out, and come in again as a request. Use two rooms", text, old, keyString(old.key))
		default:
			pl.wrong(key, "%q is already %s (%s): a room belongs to one desk and has one side", text, old, keyString(old.key))
		}
		return p, false
	}
	pl.p.sides[p] = use
	pl.p.rooms[p.Adapter] = append(pl.p.rooms[p.Adapter], p.Room)
	return p, true
}

func (pl *planner) accounts(key []any, list []string) []bot.AccountRef {
	var refs []bot.AccountRef
	for i, text := range list {
		k := under(key, i)
		p, ok := chat.ParsePlace(text)
		if !ok {
			pl.wrong(k, "%q: expected adapter:account, such as tchat:@camille", text)
			continue
		}
		if _, ok := pl.c.Adapters.find(p.Adapter); !ok {
			pl.wrong(k, "%q: %s", text, unknown("adapter", p.Adapter, pl.c.Adapters.names()))
			continue
		}
		refs = append(refs, bot.AccountRef{Adapter: p.Adapter, Handle: p.Room})
	}
	return refs
}
