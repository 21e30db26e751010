package irc

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lrstanley/girc"
	"golang.org/x/time/rate"

	"permanence/bot/chat"
)

// item is a line of the server, or something to do in the session's goroutine
// with its lock held.
type item struct {
	event *girc.Event
	do    func()
}

// session is one connection. One goroutine, loop, owns what stands below the
// lock and changes it; others read it with the lock.
type session struct {
	*Adapter
	log      *slog.Logger
	id       string // distinct for each connection of each process
	run      *runner
	wire     *wire
	secure   bool
	client   *girc.Client
	queue    *queue[item]
	writer   *writer
	confirms *confirms
	began    time.Time

	mu         sync.Mutex
	facts      facts
	nick       string
	user, host string // of our prefix, empty until the server showed them
	tries      int    // of other nicks
	registered bool
	loggedIn   bool
	ready      bool
	rooms      map[string]*room // by folded name
	people     *people
	batches    map[string]*batch
	whois      map[string][]*whois // by folded nick
	fetches    []*fetch
	readings   map[string]*reading // by folded name
	missed     missed
	playing    bool            // ZNC was asked for what it kept
	playbacks  map[string]bool // folded names whose buffer it sends now
	timers     map[*time.Timer]struct{}
	serverTime time.Time            // of the first line that carried a time
	seen       time.Time            // of the last one
	origin     time.Time            // nothing before it is asked of history
	stored     time.Time            // cursor
	resume     time.Time            // the cursor when the connection began
	gaps       map[string]time.Time // by room: from when on its history is missing
	awaited    map[string]string    // nicks by account, of those whom something waits for
	caughtUp   bool
	singly     bool // no message of several lines any more
	out        []chat.Event
	after      []func(context.Context) // before out is stored
	then       []func(context.Context) // once it is
	visitors   []visitor
	// keptVisitors is what the State has; it belongs to flush.
	keptVisitors []visitor
	lookDone     func() // for Check
	looked       bool
	failed       error  // why we hung up
	lastError    string // what the server said before it did
}

// room is a channel of the configuration.
type room struct {
	name    string // as the configuration spells it
	joined  bool
	settled bool // entered and caught up, or refused
	refused *chat.Error
	topic   string
	modes   string // of the channel, where asked for
	marks   string // ours in it, such as "@"
	kicks   int    // in a row
	entered time.Time
	here    time.Time // the same by the server's clock
	tried   time.Time
	waiting bool // for a timer to try again
	// since is from when on history is asked for; zero for not at all.
	since    time.Time
	catching bool
	held     []heldLine // live lines that wait for the history before them
}

func newSession(a *Adapter, id string, w *wire, limit *rate.Limiter, secure bool) *session {
	s := &session{
		Adapter: a, log: a.log, id: id, wire: w, secure: secure, queue: newQueue[item](), began: time.Now(),
		facts: newFacts(), nick: a.cfg.Nick, rooms: make(map[string]*room), batches: make(map[string]*batch),
		whois: make(map[string][]*whois), timers: make(map[*time.Timer]struct{}),
		readings: make(map[string]*reading), playbacks: make(map[string]bool), gaps: make(map[string]time.Time), awaited: make(map[string]string),
	}
	s.people = newPeople(s.foldName, id)
	s.people.lost = func(p *person) { s.ended(p, "") }
	s.confirms = newConfirms(id, a.cfg.Nick)
	s.writer = &writer{wire: w, jobs: newQueue[*job](), confirms: s.confirms, limit: limit, facts: s.levels}
	return s
}

// foldName is for who holds the lock.
func (s *session) foldName(name string) string { return s.facts.fold(name) }

// levels tells the writer how the fate of lines is learned.
func (s *session) levels() (labels, echo, tags bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.facts.labelled() && s.ready, s.facts.echo(), s.facts.has("message-tags")
}

// begin starts to speak and to listen; the channel tells of the end.
func (s *session) begin() <-chan error {
	ended := make(chan error, 1)
	go s.wire.listen(s.incoming)
	go func() { ended <- s.client.DialerConnect(s.wire) }()
	return ended
}

// incoming takes each line of the server: it may not block.
func (s *session) incoming(e *girc.Event) {
	s.confirms.hear(e)
	s.queue.put(item{event: e})
	if s.queue.len() > maxBehind {
		s.log.Warn("too far behind, hanging up", "lines", maxBehind)
		s.wire.Close()
	}
}

// later does something after a while, unless the session ends before.
func (s *session) later(d time.Duration, do func()) {
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		s.queue.put(item{do: func() {
			delete(s.timers, t)
			do()
		}})
	})
	s.timers[t] = struct{}{}
}

func (s *session) closeTimers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.timers {
		t.Stop()
	}
}

func (s *session) emit(e chat.Event) { s.out = append(s.out, e) }

// fail hangs up.
func (s *session) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
	s.wire.Close()
}

// otherNick is called by girc when the nick is taken. Once we are in, we try
// again by ourselves.
func (s *session) otherNick(string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.registered {
		return ""
	}
	s.tries++
	if s.tries <= 3 {
		return s.cfg.Nick + strings.Repeat("_", s.tries)
	}
	return s.cfg.Nick[:min(len(s.cfg.Nick), 8)] + strconv.FormatInt(time.Now().UnixNano()%100000, 10)
}

// register handles what comes before the end of the welcome; it is called for
// every line.
func (s *session) register(e *girc.Event) {
	switch e.Command {
	case "CAP":
		s.capability(e)
	case "900", "903":
		s.loggedIn = true
	case "902", "904", "905", "906", "908":
		if !s.registered && s.cfg.SASL.wanted() {
			s.fail(saslRefused(e.Last()))
		}
	case "PONG":
		if e.Last() == playedToken {
			s.played()
		}
		if s.lookDone != nil && e.Last() == lookToken {
			s.looked = true
			s.lookDone()
		}
	case "464", "465":
		if !s.registered {
			s.fail(refusedAtDoor(e.Command, e.Last()))
		}
	case "ERROR":
		s.lastError = decode(e.Last())
		if strings.Contains(strings.ToLower(s.lastError), "flood") {
			s.slower()
		}
	case "001":
		if len(e.Params) > 0 {
			s.nick = e.Params[0]
		}
		s.registered = true
		if s.cfg.SASL.wanted() && !s.loggedIn {
			// girc goes on where the server offers no SASL; we do not.
			s.fail(&connectError{name: "sasl-missing", reason: chat.Text{
				FR: "le serveur IRC n’offre pas SASL", EN: "the IRC server offers no SASL",
			}})
		}
	case "004":
		if len(e.Params) > 2 {
			s.facts.version = e.Params[2]
		}
	case "005":
		s.isupport(e.Params)
	case "376", "422":
		if s.registered && !s.ready {
			s.welcome()
		}
	}
}

func saslRefused(why string) error {
	return &connectError{name: "sasl-refused", err: errors.New(why), reason: chat.Text{
		FR: "le serveur IRC refuse notre compte", EN: "the IRC server refuses our account",
	}}
}

func refusedAtDoor(code, why string) error {
	if code == "464" {
		return &connectError{name: "password-refused", err: errors.New(why), reason: chat.Text{
			FR: "le serveur IRC refuse le mot de passe", EN: "the IRC server refuses the password",
		}}
	}
	return &connectError{name: "banned", err: errors.New(why), reason: chat.Text{
		FR: "le serveur IRC nous a bannis", EN: "the IRC server has banned us",
	}}
}

// capability keeps what is offered and agreed on.
func (s *session) capability(e *girc.Event) {
	if len(e.Params) < 3 {
		return
	}
	for _, word := range strings.Fields(e.Last()) {
		name, value, _ := strings.Cut(word, "=")
		switch e.Params[1] {
		case "LS", "NEW":
			s.facts.offered[name] = value
			if name == "sts" {
				s.sts(value)
			}
		case "ACK":
			if off, ok := strings.CutPrefix(name, "-"); ok {
				delete(s.facts.caps, off)
				continue
			}
			s.facts.caps[name] = s.facts.offered[name]
		case "DEL":
			delete(s.facts.offered, name)
			delete(s.facts.caps, name)
		}
	}
	if s.ready {
		s.publish()
	}
}

func (s *session) isupport(params []string) {
	for i := 1; i < len(params)-1; i++ {
		name, value, _ := strings.Cut(params[i], "=")
		if off, ok := strings.CutPrefix(name, "-"); ok {
			delete(s.facts.support, off)
			continue
		}
		s.facts.support[name] = value
	}
}

// publish makes the facts those of the adapter.
func (s *session) publish() {
	f := newFacts()
	for from, to := range map[*map[string]string]map[string]string{&s.facts.caps: f.caps, &s.facts.offered: f.offered, &s.facts.support: f.support} {
		for k, v := range *from {
			to[k] = v
		}
	}
	f.version = s.facts.version
	s.Adapter.mu.Lock()
	s.Adapter.facts = f
	s.Adapter.current = s
	s.Adapter.mu.Unlock()
}

// slower halves our pace for as long as the program runs: the server has
// thrown us out for flooding.
func (s *session) slower() {
	s.Adapter.mu.Lock()
	defer s.Adapter.mu.Unlock()
	s.Adapter.every = min(max(s.Adapter.every, s.cfg.every, time.Second)*2, 10*time.Second)
	s.log.Warn("thrown out for flooding, slower from now on", "every", s.Adapter.every)
}

// welcome begins the work: the server knows us.
func (s *session) welcome() {
	s.ready = true
	if burst, every, known := s.facts.patience(); known && s.cfg.learned {
		s.Adapter.mu.Lock()
		slow := s.Adapter.every
		s.Adapter.mu.Unlock()
		s.writer.limit.SetLimit(rate.Every(max(every, slow)))
		s.writer.limit.SetBurst(burst)
	}
	s.publish()
	s.emit(s.connection(chat.Connected, chat.Text{}))
	if mode := s.facts.support["BOT"]; mode != "" { // https://ircv3.net/specs/extensions/bot-mode
		s.writer.command("MODE", s.nick+" +"+mode[:1], "")
	}
	s.regain(regainFirst)
	var all []*room
	for _, name := range s.Adapter.rooms {
		if !s.facts.isChannel(name) {
			s.log.Warn("no channel of this network", "room", name)
			continue
		}
		r := &room{name: name, since: s.sinceOf(name)}
		s.rooms[s.facts.fold(name)] = r
		all = append(all, r)
	}
	s.join(all...)
	s.askMissed()
	s.askPlayback()
	s.monitorAll()
	s.settle()
}

// regain asks for the nick that we want, where something else has it, and goes
// on asking, after wait and then ever more rarely.
func (s *session) regain(wait time.Duration) {
	if s.passive || s.isUs(s.cfg.Nick) {
		return
	}
	if s.loggedIn && s.cfg.Regain != "none" && (wait == regainFirst || wait == regainLast) {
		s.writer.command("PRIVMSG", "NickServ", strings.ToUpper(s.cfg.Regain)+" "+s.cfg.Nick)
	}
	s.writer.command("NICK", s.cfg.Nick, "")
	s.later(jitter(wait), func() { s.regain(min(2*wait, regainLast)) })
}

const regainFirst, regainLast = time.Second, 64 * time.Second

// join enters rooms, those with a key first, as many with one line as fit.
func (s *session) join(rooms ...*room) {
	var names, keys, open []string
	size := 0
	send := func() {
		if all := append(names, open...); len(all) > 0 {
			s.writer.command("JOIN", strings.Join(all, ","), strings.Join(keys, ","))
		}
		names, keys, open, size = nil, nil, nil, 0
	}
	for _, r := range rooms {
		r.tried, r.waiting = time.Now(), false
		key := s.keyOf(r.name)
		if size += len(r.name) + len(key) + 2; size > 400 {
			send()
			size = len(r.name) + len(key) + 2
		}
		if key == "" {
			open = append(open, r.name)
			continue
		}
		names, keys = append(names, r.name), append(keys, key)
	}
	send()
	s.later(30*time.Second, func() {
		for _, r := range rooms {
			if !r.joined && !r.settled {
				s.log.Warn("no answer to JOIN", "room", r.name)
				r.settled = true
			}
		}
		s.settle()
	})
}

func (s *session) keyOf(name string) string {
	for room, key := range s.cfg.Keys {
		if s.facts.fold(room) == s.facts.fold(name) {
			return key
		}
	}
	return ""
}

// wantRoom tries to enter a room now, unless that was just tried.
func (s *session) wantRoom(r *room) {
	if time.Since(r.tried) < s.rejoin {
		return
	}
	r.tried = time.Now()
	s.queue.put(item{do: func() {
		if !r.joined {
			s.join(r)
		}
	}})
}

// rejoinLater tries to enter a room after a pause that doubles each time.
func (s *session) rejoinLater(r *room) {
	if r.waiting {
		return
	}
	r.waiting = true
	wait := jitter(min(s.rejoin<<min(r.kicks, 10), 10*time.Minute))
	r.kicks++
	s.later(wait, func() {
		r.waiting = false
		if !r.joined {
			s.join(r)
		}
	})
}

// settle tells that we have caught up as soon as each room is entered and its
// history read, or refused.
func (s *session) settle() {
	if s.caughtUp || !s.ready || s.missed.open() || s.playing {
		return
	}
	for _, r := range s.rooms {
		if !r.settled {
			return
		}
	}
	s.caughtUp = true
	s.release()
	s.emit(s.connection(chat.CaughtUp, chat.Text{}))
}
