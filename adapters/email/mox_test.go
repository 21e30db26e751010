package email

import (
	"log/slog"
	"net/mail"
	"os"
	"slices"
	"strings"
	"testing"

	"permanence/bot/chat"
	"permanence/internal/testservers"
)

// TestMox goes round through a real mail server: an answer leaves by
// submission and is seen to come back as our own; a reply to its Reply-To
// arrives by IMAP in the thread; refusals are told recipient by recipient.
func TestMox(t *testing.T) {
	server := testservers.Mox(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, sec := range []Security{ImplicitTLS, StartTLS} {
		t.Run(string(sec), func(t *testing.T) {
			s := newStore()
			cfg := Config{
				IMAP:       IMAP{Server: server.IMAPS, User: server.User, Password: server.Password, TLS: ImplicitTLS, CAFile: server.CA},
				SMTP:       SMTP{Server: server.Submissions, User: server.User, Password: server.Password, TLS: ImplicitTLS, CAFile: server.CA},
				Subaddress: "+", Domain: "example.org",
			}
			if sec == StartTLS {
				cfg.IMAP.Server, cfg.SMTP.Server = server.IMAP, server.Submission
				cfg.IMAP.TLS, cfg.SMTP.TLS = StartTLS, StartTLS
			}
			for _, server := range []*string{&cfg.IMAP.Server, &cfg.SMTP.Server} {
				*server = strings.Replace(*server, "127.0.0.1:", "localhost:", 1) // the certificate's name
			}
			a, err := New(cfg, chat.Env{Name: "mail", Rooms: []string{"mox@localhost"}, State: s, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range a.Check(t.Context()) {
				if f.Level == chat.Problem {
					t.Errorf("check: %+v", f)
				}
			}
			run(t, a, s)
			s.state(t, chat.CaughtUp)

			key := "k-" + string(sec)
			say := chat.Say{Place: chat.Place{Adapter: "mail", Room: "mox@localhost"}, Content: chat.Content{
				Text: "Réparé.", Lang: "fr",
				Mail: &chat.Mail{
					From: "mox@localhost", FromName: "Support", To: []string{"alice@localhost"},
					Cc:      []string{"rcptto451@localhost", "rcptto554@localhost", "mox@localhost"},
					Subject: "Re: Courriel",
				},
			}}
			_, err = a.Do(t.Context(), say, chat.Try{Key: key, Attempt: 1})
			e := asError(t, err, chat.Temporary)
			var states []string
			for _, r := range e.Receipt.Recipients {
				st := r.State
				if r.Temporary {
					st += ", to be tried again"
				}
				states = append(states, st)
			}
			if !slices.Equal(states, []string{chat.Accepted, chat.Failed + ", to be tried again", chat.Failed}) {
				t.Fatalf("recipients %+v", e.Receipt.Recipients)
			}
			own := s.posted(t)
			if own.ID != e.Receipt.Parts[0].ID || own.Key != key || !own.From.Self || own.Thread != e.Receipt.Thread {
				t.Fatalf("own copy %+v, key %q; receipt %+v", own.Meta, own.Key, e.Receipt)
			}
			s.mu.Lock()
			raw := string(s.raw[own.Mail.RawHash])
			s.mu.Unlock()
			if strings.Contains(raw, host) && len(host) > 3 {
				t.Errorf("the machine's name is in\n%s", raw)
			}
			m, err := mail.ReadMessage(strings.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			replyTo, err := mail.ParseAddress(m.Header.Get("Reply-To"))
			if err != nil {
				t.Fatal(err)
			}
			reply := crlf("From: Alice <alice@localhost>\nTo: " + replyTo.Address + "\nSubject: Re: Courriel\nMessage-ID: <" + key + "@localhost>\n\nMerci\n")
			mustDeliver(t, server.SMTP, "alice@localhost", []string{replyTo.Address}, reply)
			if p := s.posted(t); p.Thread != own.Thread || p.From.ID != "alice@localhost" || p.Text != "Merci" || p.Mail.TokenRefused {
				t.Errorf("reply %+v %q", p.Meta, p.Text)
			}
		})
	}
}
