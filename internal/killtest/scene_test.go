package killtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"permanence/internal/killtest/checker"
)

// plan says what a scene is like.
type plan struct {
	database string   // empty: SQLite
	points   []string // "name:count", one for each kill
	sabotage string
	cut      int           // which mail to the customers loses its answer; 0: none
	patience time.Duration // of one wait; less where something is broken by design
	rounds   int           // at least
	lines    bool          // people ask in the channel too
	hold     time.Duration // of every answer
}

// maxRounds is when a scene gives up waiting for its kills.
const maxRounds = 25

// scene is a day at the desk: customers by mail, customers in the channel, one
// who answers all of them, and a newcomer whose draft is stopped.
type scene struct {
	plan   plan
	keeper *keeper
	ledger *ledger
	view   *view
	sink   *sink

	mu      sync.Mutex
	numbers map[string]int
}

const configuration = `name: Essai
language: fr
database: %[1]s
web: {listen: "127.0.0.1:0"}
adapters:
  mail:
    type: email
    listen: {smtp: "127.0.0.1:0"}
    smtp: {server: "%[2]s"}
    subaddress: "+"
    domain: example.org
  chat: {type: playground, journal: network}
desks:
  support:
    rooms: ["chat:equipe"]
    intakes:
      - mail:support@example.org
      - {from: "chat:entraide", opens: every-message}
    agents: ["chat:camille"]
    hold: {mail: %[3]v, chat: %[3]v, others: 2h}
    acknowledge: {mail: true, chat: false}
`

// play plays a scene to its end. stuck is what did not happen in time.
func play(t *testing.T, binary string, p plan) (v checker.Verdict, s *scene, stuck error) {
	t.Helper()
	if p.hold == 0 {
		p.hold = 50 * time.Millisecond
	}
	if p.database == "" {
		p.database = "sqlite:permanence.db"
	}
	s = &scene{plan: p, ledger: newLedger(t), numbers: map[string]int{}}
	s.sink = newSink(t, s.ledger, p.cut)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), fmt.Appendf(nil, configuration, p.database, s.sink.addr, p.hold), 0o600); err != nil {
		t.Fatal(err)
	}
	s.keeper = &keeper{binary: binary, dir: dir, points: p.points, ledger: s.ledger, sink: s.sink, env: []string{"PERMANENCE_SABOTAGE=" + p.sabotage}}
	s.view = newView(s.keeper)
	keep(t, s.keeper)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	watching := make(chan struct{})
	go func() { defer close(watching); s.view.watch(ctx) }()
	stuck = errors.Join(s.acts(ctx), s.ending(ctx))
	cancel()
	<-watching
	return s.ledger.verdict(t), s, stuck
}

// acts plays all talks at once.
func (s *scene) acts(ctx context.Context) error {
	talks := []func(context.Context, string) error{s.mails, s.mails, s.mails}
	if s.plan.lines {
		talks = append(talks, s.channel, s.channel)
	}
	errs := make([]error, len(talks))
	var all sync.WaitGroup
	for i, talk := range talks {
		all.Go(func() {
			name := fmt.Sprintf("talk%d", i+1)
			if err := talk(ctx, name); err != nil {
				errs[i] = fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// another says whether a talk goes into one more round.
func (s *scene) another(round int) bool {
	return round < s.plan.rounds || round < maxRounds && !s.keeper.killed()
}

func (s *scene) mark(kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[kind]++
	return checker.Mark(kind, s.numbers[kind])
}

// wait is the time that one step may take.
func (s *scene) wait(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.plan.patience)
}

// mail sends a mail and writes down that it was taken.
func (s *scene) mail(ctx context.Context, talk string, l letter, opens bool) (mark string, err error) {
	ctx, cancel := s.wait(ctx)
	defer cancel()
	mark = s.mark("mail")
	l.from, l.subject = talk+"@customers.example", "Une question de "+talk
	l.id = "<" + mark + "@customers.example>"
	l.text = "Bonjour,\r\n\r\nvoici ma question " + mark + ".\r\n\r\nMerci !"
	if err := s.keeper.deliver(ctx, l); err != nil {
		return "", err
	}
	s.ledger.write(checker.Fact{Kind: checker.Mail, Mark: mark, Talk: talk, From: l.from, Opens: opens})
	return mark, nil
}

// seen waits until the desk shows a text to the team; it gives the message.
func (s *scene) seen(ctx context.Context, mark string) (message, error) {
	ctx, cancel := s.wait(ctx)
	defer cancel()
	return s.view.await(ctx, mark+" before the team", func(m message) bool {
		return m.Room == teamRoom && m.By == desk && strings.Contains(m.Text, mark)
	})
}

// mails is a talk by mail: a question, and in each round an answer and two
// more mails.
func (s *scene) mails(ctx context.Context, talk string) error {
	mark, err := s.mail(ctx, talk, letter{to: support}, true)
	if err != nil {
		return err
	}
	card, err := s.seen(ctx, mark)
	if err != nil {
		return err
	}
	for round := 0; s.another(round); round++ {
		if round == 0 {
			if err := s.stopped(ctx, talk, card.ID); err != nil {
				return err
			}
		}
		reply, err := s.answer(ctx, talk, card.ID, round, true)
		if err != nil {
			return err
		}
		wait, cancel := s.wait(ctx)
		head, err := s.sink.await(wait, reply)
		cancel()
		if err != nil {
			return err
		}
		to, err := head.AddressList("Reply-To")
		if err != nil {
			return fmt.Errorf("the answer's Reply-To: %w", err)
		}
		for range 2 {
			if mark, err = s.mail(ctx, talk, letter{to: to[0].Address, answers: head.Get("Message-ID")}, false); err != nil {
				return err
			}
		}
		if _, err := s.seen(ctx, mark); err != nil {
			return err
		}
	}
	return nil
}

// channel is a talk in the public channel: in each round three lines and an
// answer.
func (s *scene) channel(ctx context.Context, talk string) error {
	wait, cancel := s.wait(ctx)
	_, err := s.keeper.insist(wait, "account", "", act{Name: talk})
	cancel()
	if err != nil {
		return err
	}
	root := ""
	for round := 0; s.another(round); round++ {
		var last message
		for i := range 3 {
			mark, err := s.post(ctx, checker.Line, talk, act{As: talk, Room: publicRoom}, "Bonjour, ")
			if err != nil {
				return err
			}
			if i == 1 {
				continue
			}
			if last, err = s.seen(ctx, mark); err != nil {
				return err
			}
			if root == "" {
				root = last.ID
			}
		}
		mark, err := s.answer(ctx, talk, root, round, false)
		if err != nil {
			return err
		}
		wait, cancel := s.wait(ctx)
		_, err = s.view.await(wait, "the answer "+mark+" in the channel", func(m message) bool {
			return m.Room == publicRoom && m.By == desk && strings.Contains(m.Text, mark)
		})
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// post says a text with a mark of its own.
func (s *scene) post(ctx context.Context, kind checker.Kind, talk string, a act, before string) (mark string, err error) {
	mark, _, err = s.posted(ctx, kind, talk, a, before)
	return mark, err
}

func (s *scene) posted(ctx context.Context, kind checker.Kind, talk string, a act, before string) (mark, id string, err error) {
	ctx, cancel := s.wait(ctx)
	defer cancel()
	mark = s.mark(string(kind))
	a.Text = before + mark
	if kind == checker.Note {
		// Written down before: what leaks may leak at once.
		s.ledger.write(checker.Fact{Kind: kind, Mark: mark, Talk: talk})
	}
	id, err = s.keeper.insist(ctx, "post", mark, a)
	if err == nil && kind != checker.Note {
		s.ledger.write(checker.Fact{Kind: kind, Mark: mark, Talk: talk})
	}
	return mark, id, err
}

// answer writes a note for the team and one that is sent, by a reaction in
// even rounds and by a command in odd ones, and waits for its mark.
func (s *scene) answer(ctx context.Context, talk, thread string, round int, byMail bool) (mark string, err error) {
	camille := act{As: "camille", Room: teamRoom, Thread: thread}
	if _, err := s.post(ctx, checker.Note, talk, camille, "entre nous : "); err != nil {
		return "", err
	}
	before := "Bonjour, voici la réponse "
	if round%2 == 1 {
		before = "!r " + before
	}
	mark, id, err := s.posted(ctx, checker.Note, talk, camille, before)
	if err != nil {
		return "", err
	}
	if round%2 == 0 {
		if err := s.react(ctx, id); err != nil {
			return "", err
		}
	}
	s.ledger.write(checker.Fact{Kind: checker.Gesture, Mark: mark, Talk: talk, ByMail: byMail})
	s.view.note(id, mark)
	ctx, cancel := s.wait(ctx)
	defer cancel()
	_, err = s.view.await(ctx, mark+" to be marked as sent", func(m message) bool {
		return m.ID == id && slices.Equal(m.signs(desk), []string{checker.SentSign})
	})
	return mark, err
}

func (s *scene) react(ctx context.Context, id string) error {
	ctx, cancel := s.wait(ctx)
	defer cancel()
	_, err := s.keeper.insist(ctx, "react", "", act{As: "camille", Room: teamRoom, ID: id, Emoji: "✉️"})
	return err
}

// stopped has an agent send a newcomer's words, which are held for long, and
// stop them.
func (s *scene) stopped(ctx context.Context, talk, thread string) error {
	mark, id, err := s.posted(ctx, checker.Note, talk, act{As: "sacha", Room: teamRoom, Thread: thread}, "je dirais ")
	if err != nil {
		return err
	}
	if err := s.react(ctx, id); err != nil {
		return err
	}
	s.ledger.write(checker.Fact{Kind: checker.Gesture, Mark: mark, Talk: talk, ByMail: true})
	held, cancel := s.wait(ctx)
	_, err = s.view.await(held, mark+" to be held", func(m message) bool { return m.ID == id && len(m.signs(desk)) > 0 })
	cancel()
	if err != nil {
		return err
	}
	// The text of the command is the same in all talks: the thread tells it
	// apart when the network is asked whether it was said.
	stop, cancel := s.wait(ctx)
	defer cancel()
	if err := s.say(stop, thread, "!stop"); err != nil {
		return err
	}
	s.ledger.write(checker.Fact{Kind: checker.Stop, Mark: mark, Talk: talk})
	_, err = s.view.await(stop, mark+" to be stopped", func(m message) bool { return m.ID == id && len(m.signs(desk)) == 0 })
	return err
}

// say gives a command without a mark: it may be said twice.
func (s *scene) say(ctx context.Context, thread, text string) error {
	for {
		p, err := s.keeper.current(ctx)
		if err != nil {
			return err
		}
		if _, err = p.do(ctx, "post", act{As: "camille", Room: teamRoom, Thread: thread, Text: text}); err == nil || errors.Is(err, errRefused) {
			return err
		}
		if err := s.keeper.gone(ctx, p, err); err != nil {
			return err
		}
	}
}

// ending lets the program come to rest, starts it once more to see that it
// says nothing again, and writes down what everybody sees, whatever it is.
func (s *scene) ending(ctx context.Context) error {
	var errs []error
	for _, again := range []bool{true, false} {
		wait, cancel := s.wait(ctx)
		errs = append(errs, s.keeper.rested(wait))
		cancel()
		if !again {
			errs = append(errs, s.look(ctx))
		}
		wait, cancel = s.wait(ctx)
		errs = append(errs, s.keeper.end(wait, again))
		cancel()
	}
	return errors.Join(errs...)
}

// look writes down what stands in the rooms.
func (s *scene) look(ctx context.Context) error {
	ctx, cancel := s.wait(ctx)
	defer cancel()
	p, err := s.keeper.current(ctx)
	if err != nil {
		return err
	}
	for room, kind := range map[string]checker.Kind{teamRoom: checker.TeamSees, publicRoom: checker.PublicSees} {
		list, err := p.room(ctx, room)
		if err != nil {
			return err
		}
		for _, m := range list {
			s.ledger.write(checker.Fact{Kind: kind, ID: m.ID, Thread: m.Thread, Desk: m.By == desk, Text: m.Text, Signs: m.signs(desk)})
		}
	}
	return nil
}
