package killtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"permanence/internal/testservers"
)

const (
	statusRooms = 10
	// The room of lines cannot pin: it has the incident in its topic.
	linesPath  = "/playground/lines"
	linesRoom  = "asso"
	linesTopic = "Bienvenue | règles : https://asso.example/regles"
)

func statusRoom(i int) string { return fmt.Sprintf("etat%d", i) }

// incidents is a day of trouble: one incident after the other starts, has news
// and ends, in ten rooms and in one of lines, while the program is killed. Of
// each a customer asks in the channel and another by mail; both are attached to
// it, and answered when it is over.
type incidents struct {
	keeper *keeper
	view   *view
	sink   *sink
	rounds int
}

// TestKillIncidents kills the program at every place while incidents start and
// end. After it each room has each headline, its news and its end exactly once;
// nothing is pinned any more and the topic is as it was.
func TestKillIncidents(t *testing.T) {
	binary := build(t)
	for _, p := range points() {
		if p.name == "inbox.answering" {
			continue // a mail server's
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			hits := []int{2, 17, 1, 31, 4, 9, 46, 23}
			if strings.HasPrefix(p.name, "inbox.") {
				hits = p.counts[1:6] // behind the news of the connections
			}
			troubled(t, binary, at(p.name, hits), "")
		})
	}
	t.Run("anywhere", func(t *testing.T) {
		t.Parallel()
		list := anywhere(15)
		t.Logf("killed at %v", list)
		troubled(t, binary, list, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		// A leader that was killed holds its lease for four seconds.
		troubled(t, binary, at("outbox.after-send", []int{2, 7, 13}), testservers.PostgresDurable(t))
	})
}

func troubled(t *testing.T, binary string, points []string, database string) {
	if database == "" {
		database = "sqlite:permanence.db"
	}
	l := newLedger(t)
	sink := newSink(t, l, 0)
	rooms := []string{`"lines:` + linesRoom + `"`}
	for i := range statusRooms {
		rooms = append(rooms, `"chat:`+statusRoom(i)+`"`)
	}
	yaml := fmt.Sprintf(configuration, database, sink.addr, 50*time.Millisecond)
	yaml = strings.Replace(yaml, "journal: network}", "journal: network}\n  lines: {type: playground, dress: poor, journal: lines}", 1)
	yaml += "status:\n  rooms: [" + strings.Join(rooms, ", ") + "]\n  components: [{id: mail, name: Messagerie}]\n"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	k := &keeper{binary: binary, dir: dir, points: points, ledger: l, sink: sink}
	s := &incidents{keeper: k, view: newView(k), sink: sink}
	keep(t, k)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	watching := make(chan struct{})
	go func() { defer close(watching); s.view.watch(ctx) }()
	err := s.play(ctx)
	if err == nil {
		err = s.ending(ctx, t)
	}
	cancel()
	<-watching
	l.verdict(t)
	if err != nil {
		t.Fatal(err)
	}
	if k.kills != len(points) {
		t.Errorf("killed %d times, want %d", k.kills, len(points))
	}
	t.Logf("%d kills, %d incidents", k.kills, s.rounds)
}

// play has incidents until every kill has happened, two at least.
func (s *incidents) play(ctx context.Context) error {
	if err := s.lines(ctx, "topic", act{As: "camille", Room: linesRoom, Text: linesTopic}); err != nil {
		return err
	}
	for s.rounds < 2 || s.rounds < maxRounds && !s.keeper.killed() {
		s.rounds++
		if err := s.step(ctx, "début messagerie : "); err != nil {
			return err
		}
		if err := s.ask(ctx); err != nil {
			return err
		}
		if err := s.step(ctx, "maj identifié : "); err != nil {
			return err
		}
		if err := s.step(ctx, "fin "); err != nil {
			return err
		}
		if err := s.answer(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step announces something, and waits until the ten rooms read it.
func (s *incidents) step(ctx context.Context, step string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mark := s.mark(s.rounds, step)
	_, err := s.keeper.insist(ctx, "post", mark, act{As: "camille", Room: teamRoom, Text: "!incident " + step + mark})
	for i := 0; i < statusRooms && err == nil; i++ {
		_, err = s.view.await(ctx, mark+" in #"+statusRoom(i), func(m message) bool {
			return m.Room == statusRoom(i) && m.By == desk && strings.Contains(m.Text, mark)
		})
	}
	return err
}

// ask has two customers ask, and attaches their tickets. Attaching twice is
// harmless, so the command is repeated where nobody knows whether it was heard.
func (s *incidents) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// A new customer each time: whoever asks again soon has one ticket.
	name := fmt.Sprintf("client%d", s.rounds)
	if _, err := s.keeper.insist(ctx, "account", "", act{Name: name}); err != nil && !errors.Is(err, errRefused) {
		return err
	}
	line, letters := s.mark(s.rounds, "ligne"), s.mark(s.rounds, "lettre")
	if _, err := s.keeper.insist(ctx, "post", line, act{As: name, Room: publicRoom, Text: "Bonjour, " + line}); err != nil {
		return err
	}
	if err := s.keeper.deliver(ctx, letter{from: name + "@customers.example", to: support, subject: "Une question",
		id: "<" + letters + "@customers.example>", text: "Bonjour, " + letters}); err != nil {
		return err
	}
	for _, mark := range []string{line, letters} {
		card, err := s.view.await(ctx, "the card of "+mark, func(m message) bool {
			return m.Room == teamRoom && m.By == desk && strings.Contains(m.Text, mark)
		})
		if err != nil {
			return err
		}
		if err := s.command(ctx, card.ID, "!incident rattacher", func(m message) bool {
			return m.Thread == card.ID && strings.Contains(m.Text, "Rattaché à l’incident")
		}); err != nil {
			return err
		}
	}
	return nil
}

// command says a command that may be said twice, and waits for what it does.
func (s *incidents) command(ctx context.Context, thread, text string, done func(message) bool) error {
	for {
		p, err := s.keeper.current(ctx)
		if err != nil {
			return err
		}
		_, err = p.do(ctx, "post", act{As: "camille", Room: teamRoom, Thread: thread, Text: text})
		if err == nil {
			_, err = s.view.await(ctx, text, done)
			return err
		}
		if errors.Is(err, errRefused) {
			return err
		}
		if err := s.keeper.gone(ctx, p, err); err != nil {
			return err
		}
	}
}

// answer lets the common answer go when it is proposed, and waits until both
// customers have it.
func (s *incidents) answer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	end := s.mark(s.rounds, "fin")
	if _, err := s.view.await(ctx, "the answer's proposal", func(m message) bool {
		return m.Room == teamRoom && m.By == desk && strings.Contains(m.Text, "Réponse proposée") && strings.Contains(m.Text, end)
	}); err != nil {
		return err
	}
	if err := s.command(ctx, "", fmt.Sprintf("!incident envoyer %d", s.rounds), func(m message) bool {
		return m.Room == publicRoom && m.By == desk && strings.Contains(m.Text, end)
	}); err != nil {
		return err
	}
	_, err := s.sink.await(ctx, end)
	return err
}

// answered judges whether each customer was answered once. A mail may come
// twice where the program was killed between its final dot and the answer; then
// it is the same mail.
func (s *incidents) answered(ctx context.Context, t *testing.T, p *program) error {
	public, err := p.room(ctx, publicRoom)
	if err != nil {
		return err
	}
	for n := 1; n <= s.rounds; n++ {
		said := 0
		for _, m := range public {
			if m.By == desk && strings.Contains(m.Text, s.mark(n, "fin")) {
				said++
			}
			if m.By == desk && strings.Contains(m.Text, s.mark(n, "lettre")) {
				t.Errorf("a letter is quoted in public: %q", m.Text)
			}
		}
		ids := map[string]bool{}
		s.sink.mu.Lock()
		for _, m := range s.sink.mails {
			if strings.Contains(m.Text, s.mark(n, "fin")) {
				ids[m.MessageID] = true
			}
		}
		s.sink.mu.Unlock()
		if said != 1 || len(ids) != 1 {
			t.Errorf("of incident %d the channel reads %d answers, and the mailbox %d, want one each", n, said, len(ids))
		}
	}
	return nil
}

// mark is the word by which a statement is recognised.
func (s *incidents) mark(round int, step string) string {
	verb, _, _ := strings.Cut(step, " ")
	return fmt.Sprintf("mot%s%dx", map[string]string{"début": "a", "maj": "b", "fin": "c", "ligne": "d", "lettre": "e"}[verb], round)
}

// lines does a deed on the network of lines until it is done.
func (s *incidents) lines(ctx context.Context, verb string, a act) error {
	for {
		p, err := s.keeper.current(ctx)
		if err != nil {
			return err
		}
		if _, err = (&program{web: p.web + linesPath}).do(ctx, verb, a); err == nil || errors.Is(err, errRefused) {
			return err
		}
		if err := s.keeper.gone(ctx, p, err); err != nil {
			return err
		}
	}
}

// ending lets the program come to rest, starts it once more to see that it says
// nothing again, and looks at every room.
func (s *incidents) ending(ctx context.Context, t *testing.T) error {
	for _, again := range []bool{true, false} {
		wait, cancel := context.WithTimeout(ctx, patience)
		err := s.keeper.rested(wait)
		if err == nil && !again {
			err = s.look(wait, t)
		}
		if err == nil {
			err = s.keeper.end(wait, again)
		}
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// look judges what stands in the rooms.
func (s *incidents) look(ctx context.Context, t *testing.T) error {
	p, err := s.keeper.current(ctx)
	if err != nil {
		return err
	}
	pins, err := state(ctx, p.web)
	if err != nil {
		return err
	}
	topics, err := state(ctx, p.web+linesPath)
	if err != nil {
		return err
	}
	for i := range statusRooms {
		name := statusRoom(i)
		list, err := p.room(ctx, name)
		if err != nil {
			return err
		}
		var heads []message
		for _, m := range list {
			if m.Thread == "" {
				heads = append(heads, m)
			}
		}
		if len(heads) != s.rounds || len(list) != 3*s.rounds {
			t.Errorf("#%s has %d headlines in %d messages, want %d in %d", name, len(heads), len(list), s.rounds, 3*s.rounds)
		}
		for n, head := range heads {
			if !strings.Contains(head.Text, s.mark(n+1, "début")) || !strings.Contains(head.Text, "· terminé ·") {
				t.Errorf("#%s: headline %d reads %q", name, n+1, head.Text)
			}
			var said []string
			for _, m := range list {
				if m.Thread == head.ID {
					said = append(said, m.Text)
				}
			}
			if len(said) != 2 || !strings.Contains(said[0], s.mark(n+1, "maj")) || !strings.Contains(said[1], s.mark(n+1, "fin")) {
				t.Errorf("#%s: incident %d: %q", name, n+1, said)
			}
		}
		if len(pins[name].Pins) != 0 {
			t.Errorf("#%s: still pinned: %v", name, pins[name].Pins)
		}
	}
	if got := topics[linesRoom].Topic; got != linesTopic {
		t.Errorf("the topic of #%s is %q", linesRoom, got)
	}
	if err := s.answered(ctx, t, p); err != nil {
		return err
	}
	// A network of lines has no keys: what was killed between saying and noting
	// is said again, but nothing is missing.
	list, err := (&program{web: p.web + linesPath}).room(ctx, linesRoom)
	if err != nil {
		return err
	}
	for n := 1; n <= s.rounds; n++ {
		last := -1
		for _, step := range []string{"début", "maj", "fin"} {
			i := slices.IndexFunc(list, func(m message) bool { return m.By == desk && strings.Contains(m.Text, s.mark(n, step)) })
			if i <= last && step != "fin" || i < 0 {
				t.Errorf("#%s: %s of incident %d stands at %d, what was before it at %d", linesRoom, step, n, i, last)
			}
			last = i
		}
	}
	team, err := p.room(ctx, teamRoom)
	if err != nil {
		return err
	}
	for n := 1; n <= s.rounds; n++ {
		everywhere := 0
		for _, m := range team {
			if strings.Contains(m.Text, fmt.Sprintf("Fin de l’incident %d dite partout", n)) {
				everywhere++
			}
		}
		if everywhere != 1 {
			t.Errorf("the team is told %d times that incident %d is over everywhere", everywhere, n)
		}
	}
	return nil
}

// roomNow is a room as the network has it.
type roomNow struct {
	Name, Topic string
	Pins        []string
}

func state(ctx context.Context, network string) (map[string]roomNow, error) {
	body, err := get(ctx, network+"/api/rooms")
	if err != nil {
		return nil, err
	}
	var list []roomNow
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		return nil, err
	}
	rooms := map[string]roomNow{}
	for _, r := range list {
		rooms[r.Name] = r
	}
	return rooms, nil
}
