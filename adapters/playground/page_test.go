package playground_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"permanence/adapters/playground"
	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestGuard: a page elsewhere reaches nothing.
func TestGuard(t *testing.T) {
	n := open(t, playground.Config{})
	base := serve(t, n, playground.PageOptions{Hosts: []string{"demo.example.org"}})
	for _, tt := range []struct {
		name, method, path, host, origin, site string
		want                                   int
	}{
		{"page", "GET", "/", "", "", "", 200},
		{"localhost", "GET", "/", "localhost:8080", "", "", 200},
		{"IPv6", "GET", "/", "[::1]:8080", "", "", 200},
		{"configured", "GET", "/", "demo.example.org", "", "", 200},
		{"rebound name", "GET", "/api/state", "evil.example", "", "", 421},
		{"rebound post", "POST", "/api/post", "evil.example", "http://evil.example", "same-origin", 421},
		{"cross-origin post", "POST", "/api/post", "", "http://evil.example", "cross-site", 403},
		{"own post", "POST", "/api/post", "", base, "same-origin", 200},
		{"style", "GET", "/page.css", "", "", "", 200},
		{"script", "GET", "/page.js", "", "", "", 200},
		{"elsewhere", "GET", "/nothing", "", "", "", 404},
		{"no file", "GET", "/api/files/x", "", "", "", 404},
		{"no mail", "GET", "/api/mail/x/source", "", "", "", 404},
		{"no mail file", "GET", "/api/mail/x/files/0", "", "", "", 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := strings.NewReader(`{"as":"alice","room":"entraide","text":"bonjour"}`)
			req, err := http.NewRequestWithContext(deadline(t), tt.method, base+tt.path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tt.host
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
				req.Header.Set("Sec-Fetch-Site", tt.site)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
			}
			if tt.want == 200 && !strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("policy %q", resp.Header.Get("Content-Security-Policy"))
			}
		})
	}
}

// TestPage: both languages, the configured address, nothing from elsewhere.
func TestPage(t *testing.T) {
	n := open(t, playground.Config{})
	box := playground.NewMailbox(n, playground.MailboxOptions{})
	base := serve(t, n, playground.PageOptions{Mailbox: box, Support: "aide@hote.example",
		Links: []playground.Link{{Label: "État public", URL: "/status/"}}})
	for lang, want := range map[string]string{"fr": "Écrivez un mail", "en": "Write a mail"} {
		req, err := http.NewRequestWithContext(deadline(t), "GET", base+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Language", lang)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var sb strings.Builder
		if _, err := bufio.NewReader(resp.Body).WriteTo(&sb); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		page := sb.String()
		for _, s := range []string{want, "aide@hote.example", `lang="` + lang + `"`, `id="panel-mail"`, `id="panel-team"`, `href="/status/"`, `"empty":`} {
			if !strings.Contains(page, s) {
				t.Errorf("%s: the page has no %q", lang, s)
			}
		}
		for _, s := range []string{"https://", "http://", "<style", "onclick=", "ZgotmplZ"} {
			if strings.Contains(page, s) {
				t.Errorf("%s: the page has %q", lang, s)
			}
		}
	}
}

// TestEvents: the stream goes on after Last-Event-ID.
func TestEvents(t *testing.T) {
	n := open(t, playground.Config{})
	base := serve(t, n, playground.PageOptions{})
	ctx := deadline(t)
	first, err := n.Post(ctx, "alice", playground.Draft{Room: "entraide", Text: "un **mot**"})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, "GET", base+"/events?since=999", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	hello := false
	for in.Scan() {
		data, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue
		}
		var c struct {
			Network string
			Message *struct{ ID, HTML string }
		}
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatal(err)
		}
		hello = hello || c.Network == n.ID()
		if c.Message != nil && c.Message.ID == first.ID {
			if !hello || !strings.Contains(c.Message.HTML, "<strong>mot</strong>") {
				t.Errorf("hello %v, HTML %q", hello, c.Message.HTML)
			}
			return
		}
	}
	t.Fatalf("the message never came: %v", in.Err())
}

// TestInteractions: slash, button, form and their answers, as the page sees
// them, with an adapter on the other side.
func TestInteractions(t *testing.T) {
	n := open(t, playground.Config{})
	p := &peer{base: serve(t, n, playground.PageOptions{}), as: "camille"}
	inbox := chattest.NewInbox()
	a, err := playground.New(playground.Config{}, chat.Env{Name: "bac", Rooms: []string{"equipe"}, State: inbox}, n)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(deadline(t))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, inbox) }()
	defer func() { stop(); <-ended }()
	form := &chat.Form{ID: "reply", Value: "42", Title: "Répondre", Fields: []chat.Field{{Name: "text", Label: "Texte", Long: true}}}

	answer := func(do func() (result, error), pick func(chat.Event) func(chat.Answer), with chat.Answer) result {
		t.Helper()
		type outcome struct {
			r   result
			err error
		}
		done := make(chan outcome, 1)
		go func() { r, err := do(); done <- outcome{r, err} }()
		var respond func(chat.Answer)
		if err := inbox.Await(ctx, func(events []chat.Event) bool {
			for _, e := range events {
				if r := pick(e); r != nil {
					respond = r
				}
			}
			return respond != nil
		}); err != nil {
			t.Fatal(err)
		}
		respond(with)
		o := <-done
		if o.err != nil {
			t.Fatal(o.err)
		}
		return o.r
	}

	r := answer(func() (result, error) {
		return p.call(ctx, "slash", map[string]any{"room": "equipe", "text": "/ticket répondre #42"})
	}, func(e chat.Event) func(chat.Answer) {
		if s, ok := e.(*chat.Slash); ok && s.Command == "ticket" && s.Text == "répondre #42" {
			return s.Respond
		}
		return nil
	}, chat.Answer{Form: form})
	if r.Form == nil || r.Form.Fields[0].Label != "Texte" {
		t.Fatalf("no form: %+v", r)
	}

	submit := func(text string, with chat.Answer) result {
		return answer(func() (result, error) {
			return p.call(ctx, "submit", map[string]any{"room": "equipe", "form": r.Form.ID, "value": r.Form.Value, "fields": map[string]string{"text": text}})
		}, func(e chat.Event) func(chat.Answer) {
			if s, ok := e.(*chat.Submitted); ok && s.Form == "reply" && s.Value == "42" && s.Fields["text"] == text {
				return s.Respond
			}
			return nil
		}, with)
	}
	if got := submit("trop court", chat.Answer{Errors: map[string]string{"text": "plus long"}}); got.Errors["text"] != "plus long" {
		t.Errorf("errors %+v", got)
	}
	if got := submit("assez long", chat.Answer{Text: "C’est parti.", ForAll: true}); got.Text != "" || got.Errors != nil {
		t.Errorf("%+v", got)
	}
	if _, err := p.Await(ctx, "equipe", func(list []chattest.Message) bool {
		return len(list) > 0 && list[len(list)-1].Text == "C’est parti."
	}); err != nil {
		t.Errorf("the answer for all is not seen: %v", err)
	}
}

// TestMailbox writes to another server by SMTP, takes an answer by SMTP and
// answers that; refusals are told.
func TestMailbox(t *testing.T) {
	ctx, stop := context.WithCancel(deadline(t))
	// Two post offices play the two sides.
	here, there := open(t, playground.Config{}), open(t, playground.Config{})
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	lnHere, lnThere := listen(), listen()
	boxHere := playground.NewMailbox(here, playground.MailboxOptions{Submit: lnThere.Addr().String()})
	boxThere := playground.NewMailbox(there, playground.MailboxOptions{Submit: lnHere.Addr().String(), Domain: "example.org"})
	ended := make(chan error, 2)
	go func() { ended <- boxHere.Serve(ctx, lnHere) }()
	go func() { ended <- boxThere.Serve(ctx, lnThere) }()
	defer func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}()
	p := &peer{base: serve(t, here, playground.PageOptions{Mailbox: boxHere}), as: "alice"}
	write := func(letter map[string]any) result {
		t.Helper()
		letter["by"] = "alice"
		r, err := p.call(ctx, "mail", map[string]any{"mail": letter})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := write(map[string]any{"to": []string{"Support <support@example.org>"}, "subject": "Panne", "text": "Bonjour é",
		"files": []map[string]any{{"name": "a.txt", "type": "text/plain", "data": []byte("abc")}}}); r.Code != 250 {
		t.Fatalf("fate %d %s", r.Code, r.Answer)
	}
	got := there.Mails()[0]
	if got.Sender != "alice@customers.example" || got.Subject != "Panne" || got.Text != "Bonjour é" || len(got.Files) != 1 {
		t.Fatalf("arrived: %+v", got)
	}
	// The other side answers with a Reply-To of its own.
	reply := "From: Support <support@example.org>\r\nReply-To: support+t42@example.org\r\nTo: alice@customers.example\r\nSubject: Re: Panne\r\n" +
		"Message-ID: <r1@example.org>\r\nReferences: <" + got.MessageID + ">\r\n\r\nVoici.\r\n"
	if code, text := playground.Submit(boxThere, ctx, "support@example.org", []string{"alice@customers.example"}, []byte(reply)); code != 250 {
		t.Fatal(code, text)
	}
	arrived := here.Mails()
	if r := write(map[string]any{"answers": arrived[len(arrived)-1].ID, "text": "Merci"}); r.Code != 250 {
		t.Fatalf("fate %d %s", r.Code, r.Answer)
	}
	second := there.Mails()
	last := second[len(second)-1]
	if last.Subject != "Re: Panne" || last.InReplyTo != "r1@example.org" || last.Recipients[0] != "support+t42@example.org" ||
		strings.Join(last.References, " ") != got.MessageID+" r1@example.org" {
		t.Errorf("answer: %+v", last)
	}

	for _, tt := range []struct {
		name string
		set  func()
		want int
	}{
		{"refused recipient", func() { boxThere.Refuse("support@example.org", 550, "No such user") }, 550},
		{"not now", func() { boxThere.Refuse("support@example.org", 451, "Later") }, 451},
		{"refused data", func() { boxThere.Refuse("support@example.org", 0, ""); boxThere.Refuse("", 554, "Spam") }, 554},
		{"lost answer", func() { boxThere.Refuse("", 0, ""); boxThere.DropAnswers(1) }, 0},
		{"well again", func() {}, 250},
	} {
		tt.set()
		if r := write(map[string]any{"to": []string{"support@example.org"}, "subject": tt.name, "text": "x"}); r.Code != tt.want {
			t.Errorf("%s: fate %d %s, want %d", tt.name, r.Code, r.Answer, tt.want)
		}
	}
	if kept := there.Mails(); kept[len(kept)-2].Subject != "lost answer" {
		t.Error("a mail whose answer was lost was not kept")
	}
	if _, err := p.call(ctx, "mail", map[string]any{"mail": map[string]any{"by": "camille", "to": []string{"a@b.example"}}}); err == nil {
		t.Error("somebody without address wrote a mail")
	}
	data, err := p.get(ctx, "/api/mail/"+arrived[len(arrived)-1].ID+"/source")
	if err != nil || !strings.Contains(string(data), "Reply-To: support+t42@example.org") {
		t.Errorf("source: %q %v", data, err)
	}
}
