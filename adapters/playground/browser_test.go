package playground_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"permanence/adapters/playground"
	"permanence/bot/chat"
)

// browser starts Chromium at a size, and fails the test on anything that the
// page's console complains about.
func browser(t *testing.T, width, height int) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		const missing = "no Chromium here: install the Debian package chromium"
		if os.Getenv("PERMANENCE_SERVERS") == "required" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(width, height), chromedp.Flag("accept-lang", "fr"), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	messages := chromedp.Console(ctx)
	read := make(chan []string)
	go func() {
		var complaints []string
		for m, err := range messages {
			if err != nil {
				break
			}
			// A stream that the server ended is told as a network error.
			if !strings.Contains(m.Text, "net::ERR_") {
				complaints = append(complaints, m.Text+" "+m.URL)
			}
		}
		read <- complaints
	}()
	t.Cleanup(func() {
		cancel()
		for _, c := range <-read {
			t.Errorf("the page's console: %s", c)
		}
	})
	return ctx
}

func run(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		shot := shoot(t, ctx, "failure")
		t.Fatalf("%v (screen: %s)", err, shot)
	}
}

// shoot keeps a picture where PLAYGROUND_SCREENS names a folder.
func shoot(t *testing.T, ctx context.Context, name string) string {
	t.Helper()
	dir := os.Getenv("PLAYGROUND_SCREENS")
	if dir == "" {
		return "set PLAYGROUND_SCREENS to a folder"
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err.Error()
	}
	path := filepath.Join(dir, name+".png")
	if err := os.WriteFile(path, png, 0o600); err != nil {
		return err.Error()
	}
	return path
}

// furnished is a network in which something has been said.
func furnished(t *testing.T) (*playground.Network, string, playground.Message) {
	t.Helper()
	n := open(t, playground.Config{})
	box := playground.NewMailbox(n, playground.MailboxOptions{Submit: "127.0.0.1:1"})
	base := serve(t, n, playground.PageOptions{Mailbox: box, Links: []playground.Link{{Label: "État public", URL: "/etat/"}}})
	ctx := deadline(t)
	if err := n.Join("permanence", "equipe"); err != nil {
		t.Fatal(err)
	}
	said := func(by string, d playground.Draft) playground.Message {
		m, err := n.Post(ctx, by, d)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	said("alice", playground.Draft{Room: "entraide", Text: "@permanence bonjour, mon site affiche une erreur 500 depuis ce matin"})
	card := said("permanence", playground.Draft{Room: "equipe", Card: true, Text: "**#1** Site en erreur 500 — Alice, #entraide\n*nouveau*",
		Buttons: []chat.Button{{Action: "claim", Value: "1", Label: "Prendre", Style: "primary"}, {Action: "close", Value: "1", Label: "Fermer"}}})
	said("permanence", playground.Draft{Room: "equipe", Thread: card.ID, Text: "Interne. Rien ne part sans ✉️ ou `!r`.\n> mon site affiche une erreur 500 depuis ce matin"})
	said("permanence", playground.Draft{Room: "etat", Text: "🔴 **Messagerie** : envois retardés"})
	return n, base, card
}

// TestBrowser does on the page what a visitor does in the first minute.
func TestBrowser(t *testing.T) {
	n, base, card := furnished(t)
	ctx := browser(t, 1280, 800)
	threadBox := "#team-thread-composer textarea"
	run(t, ctx,
		chromedp.Navigate(base),
		chromedp.WaitVisible(`#live[data-state="open"]`),
		chromedp.WaitVisible(`#public-messages .message[data-by="alice"]`),
		// A word in the public room, as a customer.
		chromedp.SendKeys("#public-composer textarea", "est-ce connu ?\r"),
		chromedp.WaitVisible(`#public-messages .message:nth-child(2)[data-by="alice"]`),
		// The card's thread: an answer, and a tap on the envelope.
		chromedp.Click(`#team-messages [data-id="`+card.ID+`"] .open-thread`),
		chromedp.SendKeys(threadBox, "Bonjour, nous regardons.\r"),
		chromedp.WaitVisible(`#team-thread-messages .message[data-by="camille"]`),
		chromedp.Click(`#team-thread-messages .message[data-by="camille"] .tools .react[data-emoji="✉"]`),
		chromedp.WaitVisible(`#team-thread-messages .message[data-by="camille"] .reactions button[aria-pressed="true"]`),
		// A mail: nobody listens there, and its fate says so.
		chromedp.Click("#mail-new"),
		chromedp.SetValue("#mail-subject", "Panne"),
		chromedp.SendKeys("#mail-text", "Bonjour"),
		chromedp.Click("#mail-send"),
		chromedp.WaitVisible(`#mails .mail.written .fate[data-code="0"]`),
	)
	shoot(t, ctx, "desktop")
	replies := n.Messages("equipe")
	mine := replies[len(replies)-1]
	if mine.By != "camille" || mine.Thread != card.ID || len(mine.Reactions) != 1 || mine.Reactions[0].Emoji != "✉️" {
		t.Errorf("the answer in the thread is %+v", mine)
	}
	// Edit and delete it; the server cuts the streams and the page comes back.
	if err := n.Restart(); err != nil {
		t.Fatal(err)
	}
	line := `#team-thread-messages [data-id="` + mine.ID + `"]`
	run(t, ctx,
		chromedp.Click(line+` [data-tool="edit"]`),
		chromedp.WaitVisible("#dialog[open] textarea"),
		chromedp.SetValue("#dialog textarea", "Bonjour, **c’est réparé**."),
		chromedp.Click("#dialog .dialog-submit"),
		chromedp.WaitVisible(line+" strong"),
		chromedp.WaitVisible(`#live[data-state="open"]`),
		chromedp.Click(line+` [data-tool="delete"]`),
		chromedp.Click("#dialog[open] .dialog-submit"),
		chromedp.WaitNotPresent(line),
	)
}

// TestBrowserPhone: one part at a time, nothing wider than the screen.
func TestBrowserPhone(t *testing.T) {
	_, base, card := furnished(t)
	ctx := browser(t, 360, 740)
	run(t, ctx, chromedp.EmulateViewport(360, 740), chromedp.Navigate(base), chromedp.WaitVisible(`#live[data-state="open"]`))
	for _, tab := range []string{"mail", "public", "team", "status"} {
		run(t, ctx, chromedp.Click(`.tabs button[data-tab="`+tab+`"]`), chromedp.WaitVisible("#panel-"+tab))
		wide, err := chromedp.Run(ctx, chromedp.Evaluate[float64]("document.documentElement.scrollWidth - innerWidth"))
		if err != nil || wide > 0 {
			t.Errorf("%s is %v pixels wider than the screen (%v)", tab, wide, err)
		}
		shoot(t, ctx, "phone-"+tab)
	}
	run(t, ctx,
		chromedp.Click(`.tabs button[data-tab="team"]`),
		chromedp.Click(`#team-messages [data-id="`+card.ID+`"] .open-thread`),
		chromedp.WaitNotVisible("#team-messages"),
		chromedp.WaitVisible("#team-thread-messages .message"),
	)
	shoot(t, ctx, "phone-thread")
}
