package bot_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/mail"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"

	"permanence/adapters/playground"
	"permanence/bot"
	"permanence/bot/outbox"
	"permanence/internal/testservers"
	"permanence/tickets"
)

// What the road is measured with: so many one at a time, then so many with
// roadInFlight submitted and not yet seen by the team.
const (
	roadSingle   = 200
	roadMany     = 2000
	roadInFlight = 500
	roadSessions = 16 // SMTP connections (the listener takes 20), or threads of the public channel
	roadTickets  = 20_000
)

// BenchmarkRoad measures from the sender's side to the team's eyes: a mail by
// SMTP until its card is seen, a line in a public channel until the team's
// line is seen, in an empty database and in one with 20,000 tickets. Beside it
// it prints the floor of the same run: the bare parse of the same mail, the
// same number of rows inserted in two commits, and the playground's own hop.
// One round measures everything: run it with -benchtime 1x.
func BenchmarkRoad(b *testing.B) {
	for _, db := range []string{"sqlite", "postgres"} {
		for _, existing := range []int{0, roadTickets} {
			for _, kind := range []string{"mail", "line"} {
				b.Run(fmt.Sprintf("%s/%s/tickets=%d", kind, db, existing), func(b *testing.B) { benchRoad(b, db, kind, existing) })
			}
		}
	}
}

func benchRoad(b *testing.B, db, kind string, existing int) {
	w := newWorld(b, func(w *world) {
		if db == "postgres" {
			w.db = testservers.PostgresDurable(b)
		}
		w.opt.Desks[0].AckMail, w.opt.Desks[0].AckChat = false, false // what goes out is another road
	})
	seed(b, w, existing)
	r := &road{b: b, w: w, seen: map[string]chan sight{}}
	stop := r.watch()
	defer stop()
	send := r.mails()
	if kind == "line" {
		send = r.lines()
	}
	for b.Loop() {
		rows := countRows(b, w.db)
		single := r.single(send)
		perEvent := int((countRows(b, w.db) - rows + roadSingle - 1) / roadSingle)
		rate := r.many(send)
		floor := r.floor(kind, perEvent)
		p50, f50 := at(single, 50), at(floor, 50)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(p50, "road-p50-ms")
		b.ReportMetric(at(single, 95), "road-p95-ms")
		b.ReportMetric(rate, "road-events/s")
		b.ReportMetric(f50, "floor-p50-ms")
		b.ReportMetric(1000/f50, "floor-events/s")
		b.ReportMetric(p50/f50, "ratio")
		b.ReportMetric(float64(perEvent), "rows/event")
	}
}

// at is a percentile in milliseconds.
func at(ds []time.Duration, percent int) float64 {
	slices.Sort(ds)
	return float64(ds[len(ds)*percent/100].Microseconds()) / 1000
}

// sender submits event i of a session. It returns when the source has been told
// "seen" (mail), or at once (a line).
type sender func(session, i int) error

// sight is an event as the team saw it.
type sight struct {
	at    time.Time
	order int64 // of what must rise within a session
}

// road is one road under measure.
type road struct {
	b     *testing.B
	w     *world
	round atomic.Int64

	mu   sync.Mutex
	seen map[string]chan sight
}

var (
	roadToken  = regexp.MustCompile(`banc-[0-9a-z]+-[0-9]+-[0-9]+`)
	cardNumber = regexp.MustCompile(`#([0-9]+)`)
)

// watch is the team's eyes: it notes when each token first appears in its room.
func (r *road) watch() (stop func()) {
	stream, err := r.w.rich.Dial("", -1)
	must(r.b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			recs, err := stream.Next(ctx)
			if err != nil {
				return
			}
			now := time.Now()
			for _, rec := range recs {
				if rec.Room != "equipe" || rec.By != "permanence" || rec.Draft == nil || rec.Target != "" {
					continue
				}
				s := sight{now, rec.Seq}
				if n := cardNumber.FindStringSubmatch(rec.Draft.Text); rec.Draft.Card && n != nil {
					s.order, _ = strconv.ParseInt(n[1], 10, 64) // of cards the number counts
				}
				r.mu.Lock()
				if ch := r.seen[roadToken.FindString(rec.Draft.Text)]; ch != nil {
					select {
					case ch <- s:
					default:
						r.b.Errorf("said twice: %q", rec.Draft.Text)
					}
				}
				r.mu.Unlock()
			}
		}
	}()
	return func() { stream.Close(); cancel(); <-done }
}

// expect makes the channel on which an event's sight arrives.
func (r *road) expect(token string) chan sight {
	ch := make(chan sight, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[token] = ch
	return ch
}

func (r *road) token(round int64, session, i int) string {
	return fmt.Sprintf("banc-%s-%d-%d", strconv.FormatInt(round, 36), session, i)
}

// await is the arrival of one event; lost is fatal.
func (r *road) await(token string, ch chan sight) (sight, error) {
	select {
	case s := <-ch:
		return s, nil
	case <-time.After(time.Minute):
		return sight{}, errors.New("lost: " + token)
	}
}

// single measures one event at a time.
func (r *road) single(send sender) (took []time.Duration) {
	r.round.Add(1)
	for i := range roadSingle {
		token := r.token(r.round.Load(), 0, i)
		ch := r.expect(token)
		began := time.Now()
		must(r.b, send(0, i))
		s, err := r.await(token, ch)
		must(r.b, err)
		took = append(took, s.at.Sub(began))
	}
	return took
}

// many measures the rate with roadInFlight events under way, and checks that
// none is lost and that those of a session keep their order.
func (r *road) many(send sender) (perSecond float64) {
	r.round.Add(1)
	room := make(chan struct{}, roadInFlight)
	errs := make(chan error, roadSessions)
	began := time.Now()
	for session := range roadSessions {
		go func() {
			var waiting sync.WaitGroup
			sights := make([]sight, roadMany/roadSessions)
			failed := make([]error, len(sights))
			for i := range sights {
				room <- struct{}{}
				token := r.token(r.round.Load(), session, i)
				ch := r.expect(token)
				if failed[i] = send(session, i); failed[i] != nil {
					<-room
					break
				}
				waiting.Add(1)
				go func() {
					defer waiting.Done()
					sights[i], failed[i] = r.await(token, ch)
					<-room
				}()
			}
			waiting.Wait()
			err := errors.Join(failed...)
			for i := 1; i < len(sights) && err == nil; i++ {
				if sights[i].order <= sights[i-1].order {
					err = fmt.Errorf("out of order in session %d: event %d has %d, the one before %d", session, i, sights[i].order, sights[i-1].order)
				}
			}
			errs <- err
		}()
	}
	for range roadSessions {
		must(r.b, <-errs)
	}
	took := time.Since(began)
	return float64(roadMany/roadSessions*roadSessions) / took.Seconds()
}

// mails sends mails of 20 KB by SMTP, each from another sender, a connection
// for each session.
func (r *road) mails() sender {
	clients := make([]*smtp.Client, roadSessions)
	for i := range clients {
		c, err := smtp.Dial(r.w.smtpIn)
		must(r.b, err)
		clients[i] = c
		r.b.Cleanup(func() { c.Close() })
	}
	return func(session, i int) error {
		token := r.token(r.round.Load(), session, i)
		from := token + "@customers.example"
		return clients[session].SendMail(from, []string{"support@example.org"}, bytes.NewReader(mail20K(from, token)))
	}
}

// lines sends lines of one customer a session, in the thread of their ticket.
func (r *road) lines() sender {
	by := make([]string, roadSessions)
	threads := make([]string, roadSessions)
	for i := range by {
		a, err := r.w.rich.AddAccount(fmt.Sprintf("passant%d", i))
		must(r.b, err)
		by[i] = a.ID
		threads[i] = r.w.post(a.ID, "entraide", "", fmt.Sprintf("Bonjour, demande numéro %d du banc", i)).ID
		r.w.card(fmt.Sprintf("demande numéro %d du banc", i))
	}
	return func(session, i int) error {
		token := r.token(r.round.Load(), session, i)
		_, err := r.w.rich.Post(context.Background(), by[session], playground.Draft{Room: "entraide", Thread: threads[session],
			Text: token + " : toujours rien, et le webmail répond lentement depuis ce matin."})
		return err
	}
}

// mail20K is an ordinary mail of 20 KB: two alternatives, one with a quote.
func mail20K(from, token string) []byte {
	line := "Bonjour, le site de l’association ne répond plus depuis hier soir, que faut-il regarder ?"
	plain := strings.Repeat(line+"\r\n\r\n", 60)
	html := "<html><body>" + strings.Repeat("<p>"+line+" <a href=\"https://www.example.org/\">le site</a></p>\r\n", 90) +
		"<blockquote type=\"cite\">" + strings.Repeat("<p>"+line+"</p>\r\n", 10) + "</blockquote></body></html>"
	return []byte("From: Alice <" + from + ">\r\nTo: support@example.org\r\nSubject: Panne " + token + "\r\nMessage-ID: <" + token + "@customers.example>\r\n" +
		"Date: Tue, 3 Jun 2025 10:11:12 +0200\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + plain + "\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html + "\r\n--b--\r\n")
}

// floor is what nothing can be faster than: parse, two commits of the same
// number of rows, the hop to the team's eyes.
func (r *road) floor(kind string, rows int) (took []time.Duration) {
	b := r.b
	url := "sqlite:" + filepath.Join(b.TempDir(), "floor.db")
	if strings.HasPrefix(r.w.db, "postgres") {
		url = r.w.db
	}
	db := openRaw(b, url)
	defer db.Close()
	db.SetMaxOpenConns(1)
	must(b, exec(db, "DROP TABLE IF EXISTS floor"))
	must(b, exec(db, "CREATE TABLE floor (id BIGINT PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL)"))
	first := "x" // what the first commit stores: the mail itself, or the line
	parse := func() {}
	if kind == "mail" {
		raw := mail20K("alice@customers.example", "banc")
		first = string(raw)
		parse = func() {
			_, err := mail.ReadMessage(bytes.NewReader(raw))
			must(b, err)
			_, err = enmime.ReadEnvelope(bytes.NewReader(raw))
			must(b, err)
		}
	}
	body := strings.Repeat("corps ", 80)
	insert := func(id int64, n int, first string) {
		tx, err := db.Begin()
		must(b, err)
		for i := range n {
			_, err := tx.Exec("INSERT INTO floor (id, key, body) VALUES ($1, $2, $3)", id+int64(i), rand.Text(), first+body)
			must(b, err)
			first = ""
		}
		must(b, tx.Commit())
	}
	r.round.Add(1)
	for i := range roadSingle {
		token := r.token(r.round.Load(), 0, i)
		ch := r.expect(token)
		id := int64(i * (rows + 2))
		began := time.Now()
		parse()
		insert(id, 1, first)
		insert(id+1, max(rows-1, 1), "")
		_, err := r.w.rich.Post(context.Background(), "permanence", playground.Draft{Room: "equipe", Text: token})
		must(b, err)
		s, err := r.await(token, ch)
		must(b, err)
		took = append(took, s.at.Sub(began))
	}
	return took
}

func exec(db *sql.DB, query string) error {
	_, err := db.Exec(query)
	return err
}

// openRaw opens a database without us between; SQLite as durable as ours.
func openRaw(b *testing.B, url string) *sql.DB {
	b.Helper()
	driver, dsn := "postgres", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver = "sqlite"
		dsn = "file:" + path + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	}
	db, err := sql.Open(driver, dsn)
	must(b, err)
	return db
}

// countRows counts all rows that we keep.
func countRows(b *testing.B, url string) (sum int64) {
	b.Helper()
	db := openRaw(b, url)
	defer db.Close()
	list := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'entry_words_%'"
	if !strings.HasPrefix(url, "sqlite:") {
		list = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
	}
	rows, err := db.Query(list)
	must(b, err)
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		must(b, rows.Scan(&name))
		names = append(names, name)
	}
	must(b, rows.Err())
	for _, name := range names {
		if name == "floor" {
			continue
		}
		var n int64
		must(b, db.QueryRow(`SELECT count(*) FROM "`+name+`"`).Scan(&n))
		sum += n
	}
	return sum
}

// seed makes tickets as a year of work leaves them: an asker each, an entry, a
// card in the team's room, half of them closed.
func seed(b *testing.B, w *world, n int) {
	b.Helper()
	const batch = 500
	for from := 0; from < n; from += batch {
		must(b, w.store.Update(context.Background(), func(tx bot.Tx) error {
			for i := from; i < from+batch; i++ {
				if err := seedOne(tx, i); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func seedOne(tx bot.Tx, i int) error {
	name := fmt.Sprintf("ancien%d@customers.example", i)
	now := tickets.At(time.Now().Add(-time.Duration(i) * time.Minute))
	p := tickets.Person{Name: name, Created: now}
	if err := tx.AddPerson(&p, tickets.Identity{Network: "mail", Account: name, Handle: name}); err != nil {
		return err
	}
	t := tickets.Ticket{Desk: "support", Subject: "Ancienne demande", State: tickets.Open, Requester: p.ID, LastAsker: p.ID, Created: now, Updated: now, Asked: now}
	if i%2 == 0 {
		t.State, t.ClosedAt = tickets.Closed, now
	}
	if err := tx.AddTicket(&t); err != nil {
		return err
	}
	asker := tickets.Link{Ticket: t.ID, Kind: tickets.MailLink, Adapter: "mail", Room: "support@example.org", Audiences: tickets.Participants, Person: p.ID, Created: now}
	team := tickets.Link{Ticket: t.ID, Kind: tickets.TeamLink, Adapter: "tchat", Room: "equipe", Thread: "ancien" + strconv.Itoa(i), Audiences: tickets.Team, Created: now}
	for _, l := range []*tickets.Link{&asker, &team} {
		if err := tx.AddLink(l); err != nil {
			return err
		}
	}
	if err := tx.PutParticipant(tickets.Participant{Ticket: t.ID, Person: p.ID, Part: tickets.Requester, Link: asker.ID}); err != nil {
		return err
	}
	rows := []bot.InboxRow{{Adapter: "mail", Room: "support@example.org", EventID: name, Kind: "posted", Body: "{}", Received: now}}
	if err := tx.StoreEvents(rows); err != nil {
		return err
	}
	e := tickets.Entry{Ticket: t.ID, Kind: tickets.Message, Audience: tickets.Participants, Author: p.ID, Body: "Bonjour, mon site ne répond plus.", Revision: 1, At: now, Link: asker.ID}
	if err := tx.AddEntry(&e, "bonjour mon site ne repond plus"); err != nil {
		return err
	}
	for k, l := range []tickets.Link{asker, team} {
		if err := tx.AddCopy(tickets.Copy{Entry: e.ID, Link: l.ID, Adapter: l.Adapter, Room: l.Room, Remote: name, Original: k == 0, Revision: 1, MessageID: name, At: now}); err != nil {
			return err
		}
	}
	d := outbox.Delivery{Link: team.ID, Adapter: "tchat", Entry: e.ID, Ticket: t.ID, Op: outbox.Say, Key: "ancien" + strconv.Itoa(i), Body: "{}", State: outbox.Done, Attempts: 1, Created: now, DoneAt: now}
	if err := tx.AddDelivery(&d); err != nil {
		return err
	}
	return tx.MarkDecided([]tickets.ID{rows[0].ID}, nil)
}
